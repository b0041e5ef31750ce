//! The reason of a decision in one sentence, and what would change it.

mod miss;

use super::decide::{self, DecidedBy, Decision, Place, Verdict};
use super::policies::Policies;
use super::trace::StatementTrace;
use super::{acl, reason};
use crate::policy::compile::Slot;
use crate::policy::generate;
use crate::policy::principal::CallerKind;
use crate::policy::request::{Bucket, Call};

/// Why, and what to do about it.
pub(super) struct Reason {
    pub(super) explanation: String,
    pub(super) repair: Option<String>,
}

impl Reason {
    fn new(explanation: String, repair: impl Into<Option<String>>) -> Self {
        Self { explanation, repair: repair.into() }
    }
}

/// The reason of a verdict.
pub(super) fn of(
    call: &Call,
    policies: &Policies,
    bucket: &Bucket,
    verdict: Verdict,
    statements: &[StatementTrace<'_>],
) -> Reason {
    let decisive = verdict.statement.and_then(|place| find(place, policies, statements));
    match verdict.decision {
        Decision::Allowed => allowed(call, bucket, verdict.decided_by, decisive),
        Decision::ExplicitDeny => match decisive {
            Some(statement) => denied(call, statement),
            None => blocked(call, policies, bucket),
        },
        Decision::ImplicitDeny => missing(call, policies, bucket, verdict.decided_by, statements),
        Decision::Invalid => another_bucket(call, policies),
    }
}

fn find<'a, 't>(
    place: Place,
    policies: &Policies,
    statements: &'a [StatementTrace<'t>],
) -> Option<&'a StatementTrace<'t>> {
    let attached = policies.at(place)?;
    statements.iter().find(|trace| trace.index == place.statement && *trace.policy == *attached.label)
}

/// `s3:GetObject` on `arn:…`.
fn asked(call: &Call) -> String {
    format!("`{}` on `{}`", call.action, call.resource)
}

fn allowed(call: &Call, bucket: &Bucket, by: DecidedBy, decisive: Option<&StatementTrace<'_>>) -> Reason {
    let because = match decisive {
        Some(statement) => format!("{} allows {}", statement.name(), asked(call)),
        None if by == DecidedBy::Acl => format!("a grant of the ACL allows {}", asked(call)),
        None => format!(
            "the root user of account {} may do everything in it, also {}",
            call.caller.account.as_deref().unwrap_or_default(),
            asked(call)
        ),
    };
    let is_cross = call.caller.is_identity() && !call.is_same_account();
    let own = if is_cross { ", the principal's own policies allow it too" } else { "" };
    let explanation = format!("{because}{own}, and nothing denies it");
    if decide::brings_refused_acl(call, bucket) {
        let explanation = format!(
            "{explanation}; S3 still answers 400 AccessControlListNotSupported, because ACLs are off for this bucket"
        );
        return Reason::new(explanation, "send no ACL, or the ACL `bucket-owner-full-control`".to_owned());
    }
    Reason::new(explanation, None)
}

fn denied(call: &Call, statement: &StatementTrace<'_>) -> Reason {
    let name = statement.name();
    let explanation = format!("{name} denies {}, and a Deny wins over every Allow", asked(call));
    let absent = statement.why.conditions.iter().find(|condition| condition.actual.is_empty());
    if let Some(condition) = absent.filter(|condition| holds_when_absent(condition.operator)) {
        let key = condition.key;
        let explanation = format!(
            "{explanation}; its condition `{}` on `{key}` holds because {}",
            condition.operator,
            miss::absence(call, key)
        );
        let only_when_there = format!("add `\"Null\": {{\"{key}\": \"false\"}}` to its Condition");
        return match call.why_never(key) {
            Some(_) => {
                Reason::new(explanation, format!("take this action out of {name}, or {only_when_there}"))
            }
            None => Reason::new(
                explanation,
                format!("send `{key}` with the value that {name} asks for, or {only_when_there}"),
            ),
        };
    }
    if statement.statement.0.principals.as_ref().is_some_and(|principals| principals.not) {
        return Reason::new(
            format!("{explanation}; its NotPrincipal does not spare `{}`", call.caller.text),
            format!(
                "list the principal, its account and, for a session, its role in NotPrincipal of {name}; a principal with a permissions boundary is never spared"
            ),
        );
    }
    Reason::new(explanation, format!("remove {name}, or narrow it so that it does not match this request"))
}

fn holds_when_absent(operator: &str) -> bool {
    let folded = operator.to_ascii_lowercase();
    folded.contains("not") || folded.ends_with("ifexists") || folded.starts_with("forallvalues")
}

fn blocked(call: &Call, policies: &Policies, bucket: &Bucket) -> Reason {
    if decide::is_cut_off(call, policies, bucket) {
        let owner = call.resource_account.as_deref().unwrap_or("the bucket");
        return Reason::new(
            format!("the bucket's policy is public and RestrictPublicBuckets is on, so only principals of account {owner} and AWS services get in"),
            "limit every Allow of the bucket's policy to fixed principals or networks, or turn RestrictPublicBuckets off".to_owned(),
        );
    }
    Reason::new(
        "the request brings a public ACL, and BlockPublicAcls refuses those".to_owned(),
        "send no public ACL, or turn BlockPublicAcls off".to_owned(),
    )
}

fn another_bucket(call: &Call, policies: &Policies) -> Reason {
    let bucket = call.bucket_and_key().map_or("", |(bucket, _)| bucket);
    let mut named = policies.resource.iter().flat_map(|attached| &attached.policy.buckets);
    let other = named.find(|named| ***named != *bucket).map_or("", |named| named);
    Reason::new(
        format!(
            "S3 would refuse the policy `resource`: it names the bucket `{other}`, and it is the policy of `{bucket}`"
        ),
        format!("write `{bucket}` in place of `{other}` in the Resource of `resource`"),
    )
}

fn missing(
    call: &Call,
    policies: &Policies,
    bucket: &Bucket,
    by: DecidedBy,
    statements: &[StatementTrace<'_>],
) -> Reason {
    let asked = asked(call);
    let principal = &call.caller.text;
    let (fact, slots, default): (String, &[Slot], String) = match by {
        DecidedBy::Scp => (
            format!("a level of the service control policies does not allow {asked}, and every level must"),
            &[Slot::ServiceControl],
            format!("add an Allow for {asked} to every level of `service_control`"),
        ),
        DecidedBy::VpcEndpoint => (
            format!("the policy of the VPC endpoint does not allow {asked}"),
            &[Slot::VpcEndpoint],
            format!("add an Allow for {asked} to `vpc_endpoint`"),
        ),
        DecidedBy::PermissionBoundary => (
            format!("the permissions boundary of `{principal}` does not allow {asked}"),
            &[Slot::PermissionBoundary],
            format!("add an Allow for {asked} to `permission_boundary`"),
        ),
        DecidedBy::Session => (
            format!("the session policy of `{principal}` does not allow {asked}"),
            &[Slot::Session],
            format!("add an Allow for {asked} to `session`"),
        ),
        DecidedBy::Identity => (
            format!(
                "the resource's side allows {asked}, but `{principal}` is of another account and no policy of its own allows it"
            ),
            &[Slot::Identity],
            format!("add an Allow for {asked} to `identity`"),
        ),
        DecidedBy::Resource => (resource_side(call, bucket), &[Slot::Resource], allow_in_resource(call)),
        _ => (
            nothing_allows(call, policies, statements),
            &[Slot::Identity, Slot::Resource],
            default_repair(call),
        ),
    };
    match miss::nearest(call, statements, slots) {
        Some(miss) => Reason::new(format!("{fact}; {}", miss.explanation), miss.repair),
        None => Reason::new(fact, default),
    }
}

/// The caller's side allows; the other side does not.
fn resource_side(call: &Call, bucket: &Bucket) -> String {
    let (asked, principal) = (asked(call), &call.caller.text);
    if acl::is_of_another_owner(call, bucket) {
        return format!("another account owns the object, so its ACL has to allow {asked}, and it does not");
    }
    if call.is_same_account() {
        let policy = if &*call.service == "kms" { "key policy" } else { "trust policy" };
        return format!(
            "the {policy} does not allow {asked} to `{principal}`, and its Allow is needed even in the same account"
        );
    }
    let owner = call.resource_account.as_deref().unwrap_or("another account");
    format!(
        "the policies of `{principal}` allow {asked}, but account {owner} owns the resource and its policy does not allow it"
    )
}

fn allow_in_resource(call: &Call) -> String {
    let principal = match call.caller.kind {
        CallerKind::Anonymous => "*",
        _ => &call.caller.text,
    };
    format!("add a statement to `resource` that allows {} with the Principal `{principal}`", asked(call))
}

fn default_repair(call: &Call) -> String {
    if call.caller.is_identity() {
        return format!("add an Allow for {} to `identity`", asked(call));
    }
    reason::allow_in_resource(call)
}

fn nothing_allows(call: &Call, policies: &Policies, statements: &[StatementTrace<'_>]) -> String {
    let asked = asked(call);
    if let Some(actions) = generate::actions_of(&call.action) {
        return format!(
            "no policy allows {asked}; `{}` is the name of an operation, which asks for {actions}",
            call.action
        );
    }
    let delegates =
        |trace: &StatementTrace<'_>| trace.slot == Slot::Resource && trace.is_allow() && trace.matches;
    let is_identity = call.caller.is_identity();
    if is_identity && call.caller.kind == CallerKind::FederatedUser && policies.session.is_empty() {
        return format!(
            "a federated user has no rights without a session policy, and nothing else allows {asked}"
        );
    }
    if let Some(statement) = statements.iter().find(|trace| delegates(trace)).filter(|_| is_identity) {
        return format!(
            "{} allows {asked} to the account as a whole, and the account has not handed it on: no policy of `{}` allows it",
            statement.name(),
            call.caller.text
        );
    }
    match call.caller.kind {
        CallerKind::Anonymous => format!("no policy and no ACL allows {asked} to anonymous requests"),
        _ => format!("no policy allows {asked} to `{}`", call.caller.text),
    }
}
