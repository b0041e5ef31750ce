//! The engine alone, from the product's own sources.

#[path = "../../../src/policy/mod.rs"]
pub mod policy;
