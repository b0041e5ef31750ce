//! Decides a request from every policy that applies, and says why.
//!
//! [`decide()`] answers and allocates nothing in the usual case. [`explain`] gives the same answer with every statement
//! and what of it matched. [`Evaluation`] does all of it for one question in JSON.
//!
//! What it must not do: guess. A policy that AWS would refuse makes the decision [`Decision::Invalid`].

mod acl;
mod answer;
mod decide;
mod policies;
mod reason;
mod trace;

#[cfg(test)]
mod tests;

pub use answer::{Answer, Evaluation, explain};
pub use decide::{DecidedBy, Decision, Verdict, decide};
pub use policies::{Policies, Refused};
pub use trace::{ConditionTrace, StatementTrace, Why};
