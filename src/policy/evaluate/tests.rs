//! Behaviour as fixtures, one file for every rule of the specification, and what no fixture can hold.

mod fuzz;
mod hostile;
mod laws;
mod rules;

use super::super::request::{Bucket, Call, Question, Request};
use super::{Answer, Decision, Evaluation, Policies, Verdict, decide};

fn question(text: &str) -> Question {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The decision of a question without its reasons.
fn verdict(question: &Question) -> Option<Verdict> {
    let call = Call::new(&question.request, &question.bucket).expect("a valid request");
    let policies = Policies::load(&question.policies).ok()?;
    Some(decide(&call, &policies, &question.bucket))
}

/// The decision that follows from the matches of an answer: no Deny matches, and the Allows are enough. Says nothing
/// about what is decided without statements.
fn has_matching_deny(answer: &Answer<'_>) -> bool {
    answer.statements.iter().any(|statement| statement.effect == "Deny" && statement.matches)
}

/// The call of a request about a bucket of which nothing is known.
fn call(request: &Request) -> Call {
    Call::new(request, &Bucket::default()).unwrap_or_else(|error| panic!("{error}"))
}
