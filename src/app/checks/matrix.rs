//! The permission matrix: one row an operation that the resource allows, from what was tried and from what the policies
//! say.

use crate::app::checks::Checks;
use crate::model::check::{Answer, Check, KnownBy, Permission, Status};
use crate::model::error_catalogue;
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
        Proof::Open => return predicted(checks, operation),
    };
    let confirmed = known_by == KnownBy::Tried && checks.predicted.confirms(own_checks(operation), answer);
    let known_by = if confirmed { KnownBy::Both } else { known_by };
    let missing = (answer == Answer::No).then(|| missing(checks, operation)).flatten();
    Permission { operation, answer, known_by, missing_action: missing }
}

/// What was not tried, as the policies have it.
fn predicted(checks: &Checks, operation: Operation) -> Permission {
    let (answer, missing) = checks.predicted.of(operation);
    let known_by = if answer == Answer::Unknown { KnownBy::NotTried } else { KnownBy::Predicted };
    let missing = missing.filter(|_| answer == Answer::No).map(str::to_owned);
    Permission { operation, answer, known_by, missing_action: missing }
}

/// The checks whose calls are the operation's own.
fn own_checks(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::List => &["objects-listable"],
        Operation::Head | Operation::Get => &["object-read-back", "objects-readable"],
        Operation::Put => &["object-written", "uploads-allowed"],
        Operation::Multipart => &["uploads-allowed"],
        Operation::Delete => &["object-deleted"],
        Operation::GetTags => &["tags-readable"],
        Operation::GetAcl => &["acl-readable"],
        Operation::PutAcl => &["acl-accepted"],
        Operation::Versions => &["versions-listable"],
        Operation::GetBucket => &["cors-readable", "policy-readable", "location-readable"],
        Operation::Copy | Operation::PutTags | Operation::Sign | Operation::PutBucket => &[],
    }
}

/// What the calls of the operation itself came to.
fn tried(checks: &Checks, operation: Operation) -> Proof {
    let names = own_checks(operation);
    let uploads = matches!(operation, Operation::Put | Operation::Multipart);
    if uploads && proof(checks, "acl-accepted") == Proof::Refuted {
        // every upload has the default ACL
        return Proof::Refuted;
    }
    match operation {
        // each of them proves it alone
        Operation::Head | Operation::Get | Operation::Put => any(checks, names),
        // each setting is read alone
        Operation::GetBucket => {
            let there: Vec<&str> = names.iter().copied().filter(|name| !is_lacking(checks, name)).collect();
            if there.is_empty() { Proof::Open } else { all(checks, &there) }
        }
        Operation::Versions | Operation::GetTags | Operation::GetAcl
            if names.iter().any(|name| is_lacking(checks, name)) =>
        {
            Proof::Refuted
        }
        _ if names.is_empty() => Proof::Open,
        _ => all(checks, names),
    }
}

/// Whether the store has no such call.
fn is_lacking(checks: &Checks, name: &str) -> bool {
    checks.get(name).is_some_and(|check| check.status == Status::Unsupported)
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
        // what may be gone a moment later refutes nothing
        Status::Failed if passes(check) => Proof::Open,
        Status::Failed => Proof::Refuted,
        // a right that no named operation needs; other warnings are of what was done nevertheless
        Status::Warning if is_denied(check) => Proof::Refuted,
        Status::Passed | Status::Warning => Proof::Holds,
        Status::Skipped | Status::Unsupported => Proof::Open,
    }
}

fn passes(check: &Check) -> bool {
    check.cause.as_deref().and_then(error_catalogue::find).is_some_and(|entry| entry.retry)
}

/// Whether a right is missing: an archived object is the only other cause that a warning has.
fn is_denied(check: &Check) -> bool {
    check.cause.as_deref().is_some_and(|cause| cause != "InvalidObjectState")
}

/// The action that was denied: the one of the failed check, or the first one of the operation.
fn missing(checks: &Checks, operation: Operation) -> Option<String> {
    let of_get = tried(checks, Operation::Get) == Proof::Refuted;
    let behind = match operation {
        Operation::Copy if of_get => Operation::Get,
        Operation::Copy => Operation::Put,
        other => other,
    };
    let refuting = |name: &&&str| proof(checks, name) == Proof::Refuted;
    let failed = own_checks(behind).iter().find(refuting)?;
    if checks.get(failed).and_then(|check| check.cause.as_deref()) != Some("AccessDenied") {
        return None;
    }
    let named = match *failed {
        "cors-readable" => Some("s3:GetBucketCORS"),
        "policy-readable" => Some("s3:GetBucketPolicy"),
        "location-readable" => Some("s3:GetBucketLocation"),
        _ => behind.all_actions().find(|action| !action.starts_with("s3:ListBucketMultipart")),
    };
    named.map(str::to_owned)
}
