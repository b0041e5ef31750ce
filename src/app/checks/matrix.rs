//! The permission matrix: one row an operation that the resource allows, from what was tried.

use crate::app::checks::Checks;
use crate::model::check::{Answer, KnownBy, Permission, Status};
use crate::model::operation::Operation;
use crate::model::resource::Definition;

/// Whether what a check claims holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    Holds,
    Refuted,
    Open,
}

/// The rows.
pub(super) fn permissions(checks: &Checks, definition: &Definition) -> Vec<Permission> {
    let allowed = definition.operations.clone().unwrap_or_else(|| Operation::ALL.to_vec());
    allowed.into_iter().map(|operation| row(checks, operation)).collect()
}

fn row(checks: &Checks, operation: Operation) -> Permission {
    let (proof, known_by) = match tried(checks, operation) {
        Proof::Open => (follows(checks, operation), KnownBy::Predicted),
        proof => (proof, KnownBy::Tried),
    };
    let answer = match proof {
        Proof::Holds => Answer::Yes,
        Proof::Refuted => Answer::No,
        Proof::Open => Answer::Unknown,
    };
    let known_by = if answer == Answer::Unknown { KnownBy::NotTried } else { known_by };
    let missing = (answer == Answer::No).then(|| missing(checks, operation)).flatten();
    Permission { operation, answer, known_by, missing_action: missing }
}

/// What the calls of the operation itself came to.
fn tried(checks: &Checks, operation: Operation) -> Proof {
    match operation {
        Operation::List => all(checks, &["objects-listable"]),
        Operation::Head | Operation::Get => any(checks, &["object-read-back", "objects-readable"]),
        Operation::Put => any(checks, &["object-written", "uploads-allowed"]),
        Operation::Multipart => all(checks, &["uploads-allowed"]),
        Operation::Delete => all(checks, &["object-deleted"]),
        Operation::GetTags => all(checks, &["tags-readable"]),
        Operation::GetAcl => all(checks, &["acl-readable"]),
        Operation::PutAcl => all(checks, &["acl-accepted"]),
        Operation::Versions => all(checks, &["versions-listable"]),
        Operation::GetBucket => all(checks, &["cors-readable", "policy-readable", "location-readable"]),
        Operation::Copy | Operation::PutTags | Operation::Sign | Operation::PutBucket => Proof::Open,
    }
}

/// What follows from other operations.
fn follows(checks: &Checks, operation: Operation) -> Proof {
    let both = |one, other| match (tried(checks, one), tried(checks, other)) {
        (Proof::Holds, Proof::Holds) => Proof::Holds,
        (Proof::Refuted, _) | (_, Proof::Refuted) => Proof::Refuted,
        _ => Proof::Open,
    };
    match operation {
        Operation::Copy => both(Operation::Get, Operation::Put),
        // to sign needs no right; a URL does what its signer may
        Operation::Sign => match (tried(checks, Operation::Get), tried(checks, Operation::Put)) {
            (Proof::Holds, _) | (_, Proof::Holds) => Proof::Holds,
            (Proof::Refuted, Proof::Refuted) => Proof::Refuted,
            _ => Proof::Open,
        },
        _ => Proof::Open,
    }
}

/// The first of the checks that says anything.
fn any(checks: &Checks, names: &[&str]) -> Proof {
    let proofs = names.iter().map(|name| proof(checks, name));
    proofs.into_iter().find(|proof| *proof != Proof::Open).unwrap_or(Proof::Open)
}

fn all(checks: &Checks, names: &[&str]) -> Proof {
    let proofs: Vec<Proof> = names.iter().map(|name| proof(checks, name)).collect();
    if proofs.contains(&Proof::Refuted) {
        return Proof::Refuted;
    }
    if proofs.contains(&Proof::Open) { Proof::Open } else { Proof::Holds }
}

fn proof(checks: &Checks, name: &str) -> Proof {
    let Some(check) = checks.get(name) else { return Proof::Open };
    match check.status {
        Status::Failed => Proof::Refuted,
        // a right that no named operation needs; other warnings are of what was done nevertheless
        Status::Warning if check.cause.as_deref() == Some("AccessDenied") => Proof::Refuted,
        Status::Passed | Status::Warning => Proof::Holds,
        Status::Skipped | Status::Unsupported => Proof::Open,
    }
}

/// The action that the failed check names, or the first one of the operation.
fn missing(checks: &Checks, operation: Operation) -> Option<String> {
    let named = match operation {
        Operation::GetBucket => [
            ("cors-readable", "s3:GetBucketCORS"),
            ("policy-readable", "s3:GetBucketPolicy"),
            ("location-readable", "s3:GetBucketLocation"),
        ]
        .iter()
        .find(|(name, _)| proof(checks, name) == Proof::Refuted)
        .map(|(_, action)| *action),
        Operation::Copy if tried(checks, Operation::Get) != Proof::Refuted => Some("s3:PutObject"),
        Operation::Sign => None,
        other => other.all_actions().find(|action| !action.starts_with("s3:ListBucketMultipart")),
    };
    named.map(str::to_owned)
}
