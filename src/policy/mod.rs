//! IAM policies: identity policies and bucket policies, as far as they decide access to S3.
//!
//! What it does: `parse` makes a typed [`document::Policy`] from text, `print` writes one, and `validate` says what
//! its author should know, with the place and, where there is one, the repair. `evaluate` decides a request from every
//! policy that applies and says why; `public_access` says what S3 calls public; `generate` writes the least policy for
//! a wish; `diff` shows what a change changes; `unknown` bounds a decision where not everything about a request is known.
//!
//! What it must not do: IO, async, clocks, and guesses. A policy that AWS would refuse is never evaluated.
//!
//! Invariant: no text makes a function here panic, run without end or read memory without bound.

pub mod catalogue;
pub mod compile;
mod condition;
mod context;
pub mod diff;
pub mod document;
pub mod evaluate;
pub mod finding;
pub mod generate;
mod glob;
mod json;
pub mod parse;
mod principal;
pub mod print;
pub mod public_access;
pub mod request;
pub mod unknown;
pub mod validate;
mod variable;
