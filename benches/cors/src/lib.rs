//! The engine alone, from the product's own sources.

#[path = "../../../src/cors/mod.rs"]
pub mod cors;
