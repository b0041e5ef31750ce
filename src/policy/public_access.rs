//! What S3 calls public, and what block public access makes of it.
//!
//! A bucket policy is public unless every Allow is limited to fixed values of something that tells who asks or from
//! where. S3 does not look at what is allowed: an action that does nothing counts too. Deny statements count for nothing.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;
use utoipa::ToSchema;

use super::condition::{Base, Operator, Set};
use super::document::{Condition, Effect, Policy, PrincipalKind, Statement, Who};
use super::request::{AclGrant, BlockPublicAccess, Bucket, ObjectOwnership};

/// A statement that makes a policy public, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PolicyPublicStatement)]
pub struct PublicStatement {
    /// Its place in the policy, from 0.
    pub index: usize,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Where it begins, from 1.
    pub line: u32,
    /// The value that is open: `*`, or that of a condition which does not limit enough.
    pub value: String,
    /// Why it is public, in one sentence.
    pub message: String,
}

/// A grant that makes an ACL public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PolicyPublicGrant)]
pub struct PublicGrant {
    /// Its place in the ACL, from 0.
    pub index: usize,
    /// The group that it is for.
    pub grantee: String,
    /// Why it is public, in one sentence.
    pub message: String,
}

/// What is public about a bucket, and what of it takes effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PolicyPublicAccess)]
pub struct PublicAccess {
    /// Its policy.
    pub policy: PolicyAccess,
    /// Its ACL.
    pub acl: AclAccess,
}

/// What is public about a bucket's policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PolicyAccess {
    /// The statements that make it public.
    pub statements: Vec<PublicStatement>,
    /// Whether it lets strangers in: it is public, and `restrict_public_buckets` is off.
    pub is_open: bool,
    /// Whether S3 would refuse to take it: it is public, and `block_public_policy` is on.
    pub is_refused: bool,
}

/// What is public about a bucket's ACL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PolicyAclAccess)]
pub struct AclAccess {
    /// The grants that make it public.
    pub grants: Vec<PublicGrant>,
    /// Whether it lets strangers in: it is public, ACLs count, and `ignore_public_acls` is off.
    pub is_open: bool,
    /// Whether S3 would refuse to take it: it is public, and `block_public_acls` is on.
    pub is_refused: bool,
}

/// Keys that limit an Allow when they are compared with fixed values.
const LIMITING_KEYS: [&str; 14] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalservicename",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
    ACCESS_POINT_ARN,
];

/// The name of an access point may be a wildcard when its account is fixed.
const ACCESS_POINT_ARN: &str = "s3:dataaccesspointarn";

/// Broader networks count as everybody.
const WIDEST_V4: u8 = 8;
const WIDEST_V6: u8 = 32;

/// What is public about a bucket. `settings` are the effective ones: the strictest of bucket, account and organization.
pub fn judge(policy: Option<&Policy>, bucket: &Bucket) -> PublicAccess {
    let settings: BlockPublicAccess = bucket.block_public_access;
    let statements = policy.map(public_statements).unwrap_or_default();
    let grants = public_grants(&bucket.acl);
    let acls_count = bucket.object_ownership != ObjectOwnership::BucketOwnerEnforced;
    PublicAccess {
        policy: PolicyAccess {
            is_open: !statements.is_empty() && !settings.restrict_public_buckets,
            is_refused: !statements.is_empty() && settings.block_public_policy,
            statements,
        },
        acl: AclAccess {
            is_open: !grants.is_empty() && acls_count && !settings.ignore_public_acls,
            is_refused: !grants.is_empty() && settings.block_public_acls,
            grants,
        },
    }
}

/// The statements that make a policy public.
pub fn public_statements(policy: &Policy) -> Vec<PublicStatement> {
    policy.statements.iter().enumerate().filter_map(|(index, statement)| public(index, statement)).collect()
}

/// The first statement that makes a policy public.
pub fn public_statement(policy: &Policy) -> Option<PublicStatement> {
    policy.statements.iter().enumerate().find_map(|(index, statement)| public(index, statement))
}

/// The grants that make an ACL public.
pub fn public_grants(acl: &[AclGrant]) -> Vec<PublicGrant> {
    let public = acl.iter().enumerate().filter(|(_, grant)| grant.is_public());
    public
        .map(|(index, grant)| PublicGrant {
            index,
            grantee: grant.grantee.clone(),
            message: format!("grant {index} of the ACL is for `{}`: anybody in the world", grant.grantee),
        })
        .collect()
}

fn public(index: usize, statement: &Statement) -> Option<PublicStatement> {
    if statement.effect.value == Effect::Deny {
        return None;
    }
    let open = open_principal(statement)?;
    let mut why = format!("statement {index} allows {open}, and no condition limits who that is");
    let mut value = "*".to_owned();
    for condition in statement.conditions.iter().filter(|condition| is_limiting_key(&condition.key.value)) {
        let (open_value, reason) = open_value(condition)?;
        let (operator, key) = (&condition.operator.value, &condition.key.value);
        why = format!(
            "statement {index} allows {open}, and `{operator}` on `{key}` does not limit that: {reason}"
        );
        value = open_value;
    }
    Some(PublicStatement {
        index,
        sid: statement.sid.as_ref().map(|sid| sid.value.clone()),
        line: statement.at.line,
        value,
        message: why,
    })
}

/// Everybody, in words. None when the principals are fixed.
fn open_principal(statement: &Statement) -> Option<&'static str> {
    let principals = statement.principal.as_ref()?;
    if principals.not {
        return Some("everybody whom NotPrincipal does not list");
    }
    let is_open = match &principals.who {
        Who::Everyone => true,
        Who::Named(kinds) => kinds.iter().any(|(kind, names)| {
            *kind == PrincipalKind::Aws && names.iter().any(|name| name.value.contains('*'))
        }),
    };
    is_open.then_some("everybody (`*`)")
}

fn is_limiting_key(key: &str) -> bool {
    LIMITING_KEYS.contains(&key.to_lowercase().as_str())
}

/// The value of a condition that leaves it open, and why. None when the condition limits the statement.
fn open_value(condition: &Condition) -> Option<(String, String)> {
    let first = || condition.values.first().map(|value| value.value.text.clone()).unwrap_or_default();
    let Ok(operator) = Operator::parse(&condition.operator.value) else {
        return Some((first(), "it is no operator".to_owned()));
    };
    let is_comparison = matches!(
        operator.base,
        Base::StringEquals | Base::StringEqualsIgnoreCase | Base::StringLike | Base::Arn | Base::IpAddress
    );
    if operator.negated || !is_comparison {
        return Some((first(), "it says who may not, not who may".to_owned()));
    }
    if operator.if_exists || operator.set == Some(Set::ForAllValues) {
        return Some((first(), "it also holds for requests without the key".to_owned()));
    }
    let key = condition.key.value.to_lowercase();
    condition.values.iter().map(|value| value.value.text.as_str()).find_map(|text| {
        let reason =
            if operator.base == Base::IpAddress { wide_network(text) } else { not_fixed(&key, text) };
        reason.map(|reason| (text.to_owned(), reason))
    })
}

fn not_fixed(key: &str, value: &str) -> Option<String> {
    let wild = ['*', '?'];
    if value.contains("${") {
        return Some(format!("`{value}` has a variable, which is no fixed value"));
    }
    let is_access_point = key == ACCESS_POINT_ARN
        && value.split(':').take(5).all(|field| !field.contains(wild))
        && value.split(':').nth(4).is_some_and(|account| !account.is_empty());
    (value.contains(wild) && !is_access_point)
        .then(|| format!("`{value}` has a wildcard, so it is no fixed value"))
}

fn wide_network(value: &str) -> Option<String> {
    let network = value.parse::<IpNet>().or_else(|_| value.parse::<IpAddr>().map(IpNet::from));
    let (length, widest) = match network {
        Ok(IpNet::V4(network)) => (network.prefix_len(), WIDEST_V4),
        Ok(IpNet::V6(network)) => (network.prefix_len(), WIDEST_V6),
        Err(_) => return Some(format!("`{value}` is no range of addresses")),
    };
    (length < widest).then(|| format!("`{value}` is broader than /{widest}"))
}
