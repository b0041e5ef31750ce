//! What a change of a policy changes: requests that are decided differently before and after.
//!
//! Found by trying: the actions, resources, principals and condition values that occur in either policy, what lies
//! between and beside them, and the absence of every key. Every difference is a request that was evaluated both ways,
//! so it is real. That none is found is no proof that there is none.

mod candidates;

use std::collections::HashSet;

use serde::Serialize;
use utoipa::ToSchema;

use super::compile::{Invalid, Slot};
use super::document::Policy;
use super::evaluate::{self, Decision, Policies};
use super::parse;
use super::request::{Bucket, Call, Request};
use candidates::Candidates;

#[cfg(test)]
mod tests;

/// A request that the two policies decide differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PolicyDifference)]
pub struct Difference {
    /// The request.
    pub request: Request,
    /// What became of it before.
    pub before: Decision,
    /// What becomes of it now.
    pub after: Decision,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PolicyComparison)]
pub struct Comparison {
    /// Requests that are decided differently, at most [`MAX_DIFFERENCES`], one for each action and resource.
    pub differences: Vec<Difference>,
    /// How many requests were tried.
    pub tried: usize,
    /// Whether all candidates were tried. Long policies have too many.
    pub all_tried: bool,
}

/// How many differences are given.
pub const MAX_DIFFERENCES: usize = 50;

/// How many requests are tried, at most.
pub const MAX_TRIES: usize = 100_000;

/// How many statements are compared with requests, at most: with long policies fewer requests are tried, so that a
/// comparison takes about a second.
const MAX_COMPARED: usize = 2_000_000;

/// Allows everything, so that only the compared policy decides.
const ALLOW_ALL: &str =
    r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;

/// Which of the two policies cannot be compared, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the policy {which} the change is invalid in {invalid}")]
pub struct DiffError {
    /// `before` or `after`.
    pub which: &'static str,
    /// What is wrong, and where.
    pub invalid: Invalid,
}

/// Finds requests that `before` and `after` decide differently, both attached at the same place.
pub fn diff(before: &Policy, after: &Policy, slot: Slot) -> Result<Comparison, DiffError> {
    let attached =
        |policy, which| attach(policy, slot).map_err(|refused| DiffError { which, invalid: refused.invalid });
    let (old, new) = (attached(before, "before")?, attached(after, "after")?);
    let candidates = Candidates::new([before, after], [&old, &new], slot);
    let mut comparison = Comparison { all_tried: true, ..Comparison::default() };
    let statements = before.statements.len() + after.statements.len();
    let tries = MAX_TRIES.min(MAX_COMPARED / statements.max(1));
    let mut seen = HashSet::new();
    let bucket = Bucket::default();
    for request in candidates.requests() {
        if comparison.tried == tries || comparison.differences.len() == MAX_DIFFERENCES {
            comparison.all_tried = false;
            break;
        }
        let Ok(call) = Call::new(&request, &bucket) else { continue };
        comparison.tried += 1;
        let decide = |policies: &Policies| evaluate::decide(&call, policies, &bucket).decision;
        let (before, after) = (decide(&old), decide(&new));
        if before == after || !seen.insert((request.action.clone(), request.resource.clone(), before, after))
        {
            continue;
        }
        comparison.differences.push(Difference { request, before, after });
    }
    Ok(comparison)
}

fn attach(policy: &Policy, slot: Slot) -> Result<Policies, evaluate::Refused> {
    let mut policies = Policies::default();
    if slot != Slot::Identity
        && let Ok(all) = parse::parse(ALLOW_ALL)
    {
        policies.attach(Slot::Identity, &all)?;
    }
    policies.attach(slot, policy)?;
    Ok(policies)
}
