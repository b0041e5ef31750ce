//! The nouns: what a resource, a secret source, an object, a check and a principal are.
//!
//! Pure data with validation. Nothing here does IO, knows a clock, a database or an SDK.
//! Invariant: a value of a type in this module is valid; text becomes a type only through `parse` or serde.

pub mod acl;
pub mod audit;
pub mod bucket;
pub mod bulk;
pub mod byte_range;
pub mod check;
pub mod check_catalogue;
pub mod conditions;
pub mod cors_check;
pub mod cors_question;
pub mod error_catalogue;
pub mod forecast;
pub mod glob;
pub mod header_text;
pub mod hex;
pub mod import;
pub mod list_filter;
pub mod literal;
pub mod lockout;
pub mod multipart;
pub mod name;
pub mod object;
pub mod object_facts;
pub mod operation;
pub mod parsed;
pub mod policy_check;
pub mod principal;
pub mod provider;
pub mod query_actions;
pub mod query_calls;
pub mod read_as;
pub mod recheck;
pub mod resource;
pub mod secret;
pub mod secret_event;
pub mod signed;
pub mod span;
pub mod tags;
pub mod upload;
pub mod usage_policy;
pub mod version;
