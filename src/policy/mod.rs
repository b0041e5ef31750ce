//! IAM policies: identity policies and bucket policies, as far as they decide access to S3.
//!
//! What it does: `parse` makes a typed [`document::Policy`] from text, `print` writes one, and `validate` says what
//! its author should know, with the place and, where there is one, the repair.
//!
//! What it must not do: IO, async, clocks, and guesses. A policy that AWS would refuse is never evaluated.
//!
//! Invariant: no text makes a function here panic, run without end or read memory without bound.

pub mod catalogue;
pub mod document;
pub mod finding;
mod json;
pub mod parse;
pub mod print;
