//! The nouns: what a resource, a secret source, an object, a check and a principal are.
//!
//! Pure data with validation. Nothing here does IO, knows a clock, a database or an SDK.
//! Invariant: a value of a type in this module is valid; text becomes a type only through `parse` or serde.

pub mod audit;
pub mod check;
pub mod error_catalogue;
pub mod forecast;
pub mod hex;
pub mod import;
pub mod literal;
pub mod name;
pub mod object;
pub mod operation;
pub mod parsed;
pub mod principal;
pub mod provider;
pub mod resource;
pub mod secret;
pub mod secret_event;
pub mod usage_policy;
