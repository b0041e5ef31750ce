//! The decision: which Deny wins, and which Allows are needed.

use serde::Serialize;
use utoipa::ToSchema;

use super::acl;
use super::policies::{Attached, Policies};
use crate::policy::compile::{Slot, Statement};
use crate::policy::document::Effect;
use crate::policy::principal::{CallerKind, Grant};
use crate::policy::request::{Bucket, Call, ObjectOwnership};

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PolicyDecision)]
pub enum Decision {
    /// It goes through.
    Allowed,
    /// Something refuses it, whatever allows it.
    ExplicitDeny,
    /// An Allow that it needs is missing.
    ImplicitDeny,
    /// A policy is one that AWS would refuse, so there is no answer.
    Invalid,
}

/// What decided. For an implicit deny: where the Allow is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PolicyDecidedBy)]
pub enum DecidedBy {
    /// The policies of the principal.
    Identity,
    /// The policy of the resource.
    Resource,
    /// The permissions boundary.
    PermissionBoundary,
    /// The session policy.
    Session,
    /// A service control policy.
    Scp,
    /// A resource control policy.
    Rcp,
    /// The policy of the VPC endpoint.
    VpcEndpoint,
    /// A grant of an ACL.
    Acl,
    /// Block public access.
    BlockPublicAccess,
    /// No policy: nothing allows the request, or the root user needs no Allow.
    None,
}

/// A decision and what made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What becomes of the request.
    pub decision: Decision,
    /// What decided.
    pub decided_by: DecidedBy,
    /// The statement that decided, when one did.
    pub(super) statement: Option<Place>,
}

/// Where a statement is: in which list, level, policy and place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) slot: Slot,
    pub(super) level: usize,
    pub(super) policy: usize,
    pub(super) statement: usize,
}

/// The Allows that were found; none of them is worth anything before every policy was searched for a Deny.
struct Allows {
    identity: Option<Found>,
    boundary: Option<Found>,
    session: Option<Found>,
    /// Of the policy of the resource, or else of an ACL.
    resource: Option<Found>,
    endpoint: Option<Found>,
    /// Every level of the organization allows, or none is given.
    organization: bool,
}

#[derive(Clone, Copy)]
struct Found {
    grant: Grant,
    by: DecidedBy,
    place: Option<Place>,
}

/// Decides a request.
pub fn decide(call: &Call, policies: &Policies, bucket: &Bucket) -> Verdict {
    if names_another_bucket(call, policies) {
        return Verdict::new(Decision::Invalid, DecidedBy::Resource, None);
    }
    let allows = match search(call, policies, bucket) {
        Ok(allows) => allows,
        Err(place) => return Verdict::new(Decision::ExplicitDeny, place.slot.into(), Some(place)),
    };
    let found = match needed(call, policies, bucket, &allows) {
        Ok(found) => found,
        Err(missing) => return Verdict::new(Decision::ImplicitDeny, missing, None),
    };
    if is_cut_off(call, policies, bucket) || brings_blocked_acl(call, bucket) {
        return Verdict::new(Decision::ExplicitDeny, DecidedBy::BlockPublicAccess, None);
    }
    Verdict::new(Decision::Allowed, found.by, found.place)
}

impl Verdict {
    fn new(decision: Decision, decided_by: DecidedBy, statement: Option<Place>) -> Self {
        Self { decision, decided_by, statement }
    }
}

/// S3 takes no policy that names another bucket.
pub(super) fn names_another_bucket(call: &Call, policies: &Policies) -> bool {
    let Some((bucket, _)) = call.bucket_and_key() else { return false };
    let mut named = policies.resource.iter().flat_map(|attached| &attached.policy.buckets);
    bucket != "*" && named.any(|named| **named != *bucket)
}

/// Whether policies attached here count for the caller.
pub(super) fn applies(slot: Slot, call: &Call) -> bool {
    let caller = &call.caller;
    match slot {
        Slot::Resource | Slot::VpcEndpoint => true,
        Slot::Session => caller.is_identity(),
        Slot::Identity | Slot::PermissionBoundary => caller.is_identity() && caller.kind != CallerKind::Root,
        Slot::ServiceControl => caller.is_identity() && !caller.is_service_linked_role(),
        Slot::ResourceControl => call.has_resource_control && !caller.is_service_linked_role(),
    }
}

/// The root user of the account can always get back a bucket from a policy that locks everybody out.
pub(super) fn may_unlock(call: &Call) -> bool {
    let is_policy_action =
        matches!(&*call.name, "getbucketpolicy" | "putbucketpolicy" | "deletebucketpolicy");
    is_policy_action
        && &*call.service == "s3"
        && call.caller.kind == CallerKind::Root
        && call.is_same_account()
}

/// Looks at every statement. The error is a Deny.
fn search(call: &Call, policies: &Policies, bucket: &Bucket) -> Result<Allows, Place> {
    let scan = Scan { call, has_boundary: has_boundary(call, policies) };
    scan.levels(Slot::ResourceControl, &policies.resource_control)?;
    let organization = scan.levels(Slot::ServiceControl, &policies.service_control)?;
    let of_policy = match scan.list(Slot::Resource, 0, &policies.resource) {
        Err(_) if may_unlock(call) => None,
        found => found?,
    };
    let of_policy = of_policy.filter(|_| !acl::is_of_another_owner(call, bucket));
    let of_acl = || acl::grant(call, bucket).map(|grant| Found { grant, by: DecidedBy::Acl, place: None });
    Ok(Allows {
        endpoint: scan.list(Slot::VpcEndpoint, 0, &policies.vpc_endpoint)?,
        identity: scan.list(Slot::Identity, 0, &policies.identity)?,
        boundary: scan.list(Slot::PermissionBoundary, 0, &policies.permission_boundary)?,
        session: scan.list(Slot::Session, 0, &policies.session)?,
        resource: match of_policy {
            Some(found) if found.grant == Grant::Direct => Some(found),
            Some(found) => of_acl().filter(|acl| acl.grant > found.grant).or(Some(found)),
            None => of_acl(),
        },
        organization,
    })
}

/// Whether the caller has a permissions boundary.
pub(super) fn has_boundary(call: &Call, policies: &Policies) -> bool {
    !policies.permission_boundary.is_empty() && applies(Slot::PermissionBoundary, call)
}

struct Scan<'a> {
    call: &'a Call,
    has_boundary: bool,
}

impl Scan<'_> {
    /// Whether every level has an Allow.
    fn levels(&self, slot: Slot, levels: &[Vec<Attached>]) -> Result<bool, Place> {
        if !applies(slot, self.call) {
            return Ok(true);
        }
        let mut all = true;
        for (level, policies) in levels.iter().enumerate() {
            all &= self.list(slot, level, policies)?.is_some();
        }
        Ok(all)
    }

    /// The strongest Allow of a list of policies.
    fn list(&self, slot: Slot, level: usize, policies: &[Attached]) -> Result<Option<Found>, Place> {
        let mut best: Option<Found> = None;
        if !applies(slot, self.call) {
            return Ok(best);
        }
        for (policy, attached) in policies.iter().enumerate() {
            for statement in &attached.policy.statements {
                if !can_matter(statement, best) {
                    continue;
                }
                let Some(grant) = statement.grant(self.call, self.has_boundary) else { continue };
                let place = Place { slot, level, policy, statement: statement.index };
                match statement.effect {
                    Effect::Deny => return Err(place),
                    Effect::Allow if best.is_none_or(|best| grant > best.grant) => {
                        best = Some(Found { grant, by: slot.into(), place: Some(place) });
                    }
                    Effect::Allow => {}
                }
            }
        }
        Ok(best)
    }
}

/// A second Allow is of use only when it is worth more.
fn can_matter(statement: &Statement, best: Option<Found>) -> bool {
    statement.effect == Effect::Deny || best.is_none_or(|best| best.grant < Grant::Direct)
}

/// The Allow that lets the request through, or where one is missing.
fn needed(call: &Call, policies: &Policies, bucket: &Bucket, allows: &Allows) -> Result<Found, DecidedBy> {
    if !allows.organization {
        return Err(DecidedBy::Scp);
    }
    let found = if !call.caller.is_identity() {
        allows.resource.ok_or(DecidedBy::None)
    } else if acl::is_owner(call, bucket) {
        same_account(call, policies, allows)
    } else {
        cross_account(call, policies, allows)
    }?;
    let endpoint_allows = policies.vpc_endpoint.is_empty() || allows.endpoint.is_some();
    if endpoint_allows { Ok(found) } else { Err(DecidedBy::VpcEndpoint) }
}

/// One side is enough, unless the policy of the resource is what gives the account its say.
fn same_account(call: &Call, policies: &Policies, allows: &Allows) -> Result<Found, DecidedBy> {
    let own = own_side(call, policies, allows);
    match allows.resource {
        None if own.is_ok() && must_be_allowed_by_resource(call) => Err(DecidedBy::Resource),
        Some(found) if found.grant == Grant::Direct => Ok(own.unwrap_or(found)),
        Some(found) if found.grant == Grant::Role => {
            own.or_else(|_| limits(call, policies, allows).map(|()| found))
        }
        _ => own,
    }
}

/// Both sides have to allow.
fn cross_account(call: &Call, policies: &Policies, allows: &Allows) -> Result<Found, DecidedBy> {
    match (own_side(call, policies, allows), allows.resource) {
        (Ok(_), Some(found)) => Ok(found),
        (Ok(_), None) => Err(DecidedBy::Resource),
        (Err(DecidedBy::None), Some(_)) => Err(DecidedBy::Identity),
        (Err(missing), Some(_)) => Err(missing),
        (Err(_), None) => Err(DecidedBy::None),
    }
}

/// What the caller's own policies allow.
fn own_side(call: &Call, policies: &Policies, allows: &Allows) -> Result<Found, DecidedBy> {
    let by_nature = Found { grant: Grant::Direct, by: DecidedBy::None, place: None };
    let found = match call.caller.kind {
        CallerKind::Root => by_nature,
        CallerKind::FederatedUser if policies.session.is_empty() => return Err(DecidedBy::None),
        _ => allows.identity.ok_or(DecidedBy::None)?,
    };
    limits(call, policies, allows).map(|()| found)
}

/// Whether boundary and session policy, where there are any, allow too.
fn limits(call: &Call, policies: &Policies, allows: &Allows) -> Result<(), DecidedBy> {
    if has_boundary(call, policies) && allows.boundary.is_none() {
        return Err(DecidedBy::PermissionBoundary);
    }
    if !policies.session.is_empty() && allows.session.is_none() {
        return Err(DecidedBy::Session);
    }
    Ok(())
}

/// A key policy and a trust policy have to allow even what the own account's policies allow.
pub(super) fn must_be_allowed_by_resource(call: &Call) -> bool {
    match &*call.service {
        "kms" => call.resource.contains(":key/"),
        "sts" => call.name.starts_with("assumerole") && call.resource.contains(":role/"),
        _ => false,
    }
}

/// Whether `RestrictPublicBuckets` keeps the caller out: strangers of a bucket whose policy is public as a whole.
pub(super) fn is_cut_off(call: &Call, policies: &Policies, bucket: &Bucket) -> bool {
    bucket.block_public_access.restrict_public_buckets
        && &*call.service == "s3"
        && call.caller.kind != CallerKind::Service
        && !call.is_same_account()
        && policies.resource.iter().any(|attached| attached.policy.is_public)
}

/// Whether the request would make something public by an ACL that `BlockPublicAcls` refuses.
pub(super) fn brings_blocked_acl(call: &Call, bucket: &Bucket) -> bool {
    bucket.block_public_access.block_public_acls && acl::brings_public_acl(call)
}

/// Whether S3 refuses the request's ACL for itself, whatever policies say: with ACLs off it takes only one.
pub(super) fn brings_refused_acl(call: &Call, bucket: &Bucket) -> bool {
    bucket.object_ownership == ObjectOwnership::BucketOwnerEnforced && acl::brings_other_acl(call)
}
