//! The documents of a wish.

use super::{Right, Target, Wanted, literal};
use crate::policy::document::{
    Condition, ConditionValue, Effect, Listed, Located, Policy, Position, PrincipalKind, Principals,
    Statement, ValueKind, Version, Who,
};

/// For the user or role that makes the requests.
pub(super) fn identity(wanted: &Wanted, rights: &[Right]) -> Policy {
    let on = |target| statement(wanted, rights, target);
    let statements = [Target::Prefix, Target::Bucket, Target::Object, Target::Key].into_iter().filter_map(on);
    policy(statements.map(|statement| guarded(wanted, statement)).collect())
}

/// For the bucket: what an account outside needs from it, and the refusal of requests without TLS.
pub(super) fn bucket(wanted: &Wanted, rights: &[Right]) -> Option<Policy> {
    let mut statements = Vec::new();
    if let Some(external) = &wanted.external {
        let on = |target| statement(wanted, rights, target);
        let of_bucket = [Target::Prefix, Target::Bucket, Target::Object].into_iter().filter_map(on);
        statements.extend(
            of_bucket
                .map(|statement| Statement { principal: Some(principal(&external.principal)), ..statement }),
        );
    }
    if wanted.tls_only {
        statements.push(deny_without_tls(wanted));
    }
    (!statements.is_empty()).then(|| policy(statements))
}

/// For a role that somebody outside assumes.
pub(super) fn trust(wanted: &Wanted) -> Option<Policy> {
    let external = wanted.external.as_ref()?;
    let id = external.external_id.iter();
    Some(policy(vec![Statement {
        principal: Some(principal(&external.principal)),
        resource: None,
        conditions: id.map(|id| condition("StringEquals", "sts:ExternalId", &literal(id))).collect(),
        ..allow("AssumeRole", vec!["sts:AssumeRole".to_owned()], Vec::new())
    }]))
}

/// What the policies alone do not do.
pub(super) fn notes(wanted: &Wanted, rights: &[Right]) -> Vec<String> {
    let mut notes = Vec::new();
    let needs_key = rights.iter().any(|right| right.target == Target::Key);
    if let (Some(external), Some(key), true) = (&wanted.external, &wanted.kms_key, needs_key) {
        let principal = &external.principal;
        notes.push(format!(
            "the policy of the key `{key}` must allow the same KMS actions to `{principal}`, a bucket policy cannot; the AWS managed key `aws/s3` serves no other account"
        ));
    }
    if wanted.acl {
        notes.push(
            "ACLs are off for buckets made since April 2023: there S3 answers 400 to every ACL but `bucket-owner-full-control`"
                .to_owned(),
        );
    }
    notes
}

fn statement(wanted: &Wanted, rights: &[Right], target: Target) -> Option<Statement> {
    let actions: Vec<String> =
        rights.iter().filter(|right| right.target == target).map(|right| right.action.to_owned()).collect();
    if actions.is_empty() {
        return None;
    }
    let arn = wanted.bucket_arn();
    let prefix = literal(&wanted.prefix);
    Some(match target {
        Target::Prefix => Statement {
            conditions: vec![condition("StringLike", "s3:prefix", &format!("{prefix}*"))],
            ..allow("ListPrefix", actions, vec![arn])
        },
        Target::Bucket => allow("Bucket", actions, vec![arn]),
        Target::Object => allow("Objects", actions, vec![format!("{arn}/{prefix}*")]),
        Target::Key => Statement {
            conditions: wanted
                .via_service()
                .map(|service| condition("StringEquals", "kms:ViaService", &service))
                .into_iter()
                .collect(),
            ..allow("Key", actions, wanted.kms_key.iter().cloned().collect())
        },
    })
}

/// With the conditions that every request has to meet.
fn guarded(wanted: &Wanted, mut statement: Statement) -> Statement {
    let is_of_s3 = statement.action.values.iter().all(|action| action.value.starts_with("s3:"));
    if wanted.tls_only && is_of_s3 {
        statement.conditions.push(condition("Bool", "aws:SecureTransport", "true"));
    }
    if let Some(account) = wanted.bucket_account.as_ref().filter(|_| is_of_s3) {
        statement.conditions.push(condition("StringEquals", "s3:ResourceAccount", account));
    }
    statement
}

fn deny_without_tls(wanted: &Wanted) -> Statement {
    let arn = wanted.bucket_arn();
    let objects = format!("{arn}/*");
    Statement {
        effect: located(Effect::Deny),
        principal: Some(Principals { not: false, at: Position::default(), who: Who::Everyone }),
        conditions: vec![condition("Bool", "aws:SecureTransport", "false")],
        ..allow("DenyWithoutTls", vec!["s3:*".to_owned()], vec![arn, objects])
    }
}

fn policy(statements: Vec<Statement>) -> Policy {
    Policy { version: Some(located(Version::V2012)), id: None, statements }
}

fn allow(sid: &str, actions: Vec<String>, resources: Vec<String>) -> Statement {
    Statement {
        at: Position::default(),
        sid: Some(located(sid.to_owned())),
        effect: located(Effect::Allow),
        principal: None,
        action: listed(actions),
        resource: Some(listed(resources)),
        conditions: Vec::new(),
    }
}

fn listed(values: Vec<String>) -> Listed {
    Listed { not: false, at: Position::default(), values: values.into_iter().map(located).collect() }
}

fn principal(arn: &str) -> Principals {
    let names = vec![located(arn.to_owned())];
    Principals { not: false, at: Position::default(), who: Who::Named(vec![(PrincipalKind::Aws, names)]) }
}

fn condition(operator: &str, key: &str, value: &str) -> Condition {
    let value = ConditionValue { text: value.to_owned(), kind: ValueKind::String };
    Condition {
        operator: located(operator.to_owned()),
        key: located(key.to_owned()),
        values: vec![located(value)],
    }
}

/// A value that stands in no text.
fn located<T>(value: T) -> Located<T> {
    Located { value, at: Position::default() }
}
