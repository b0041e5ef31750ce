//! The handlers, one file per noun.

pub mod access;
pub mod bucket;
pub mod checks;
pub mod cors;
pub mod events;
pub mod objects;
pub mod policies;
pub mod policy_check;
pub mod query;
pub mod resources;
pub mod secret_answers;
pub mod secrets;
pub mod service;
pub mod sources;

pub mod usage_policies;
pub mod vault;
