//! A Deny that takes the right to mend the policy from those who could.

use super::bucket_and_key;
use crate::policy::condition::Operator;
use crate::policy::document::{Kind, Located};
use crate::policy::finding::code::s3;
use crate::policy::finding::report::Report;
use crate::policy::validate::principal::is_everyone;
use crate::policy::validate::subject::{Statement, Subject};

/// Keys that tell from where a request comes. Who is elsewhere is shut out, the administrators too.
const NETWORK: [&str; 6] = [
    "aws:SourceIp",
    "aws:VpcSourceIp",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:SourceVpcArn",
    "aws:VpceAccount",
];

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    if subject.kind != Kind::Bucket {
        return;
    }
    for statement in &subject.statements {
        check_statement(statement, report);
    }
}

fn check_statement(statement: &Statement<'_>, report: &mut Report) {
    let draft = statement.draft;
    let Some(principal) = draft.principal.as_ref().filter(|_| draft.denies()) else { return };
    if principal.not || !is_everyone(&principal.who) {
        return;
    }
    if !statement.reaches("s3:PutBucketPolicy")
        || !reaches_bucket(draft.resources(), draft.not_resources().is_some())
    {
        return;
    }
    let is_network = |key: &str| NETWORK.iter().any(|known| known.eq_ignore_ascii_case(key));
    let message = if draft.conditions.is_empty() {
        "the statement denies everybody to change this policy, its author too"
    } else if draft.conditions.iter().all(|condition| {
        is_network(&condition.key.value)
            && Operator::parse(&condition.operator.value).is_ok_and(|operator| operator.negated)
    }) {
        "whoever is outside of these networks can no longer change this policy, the administrators too"
    } else {
        return;
    };
    report
        .add(&s3::LOCKOUT_RISK, draft.effect.as_ref().map_or(draft.at, |effect| effect.at), message)
        .help(
            "leave `s3:PutBucketPolicy` and `s3:DeleteBucketPolicy` out, or spare an administrator with ArnNotLike on \
             `aws:PrincipalArn`; when it has happened, only the root user of the account can delete the policy",
        );
}

/// Whether a resource can be the bucket itself.
fn reaches_bucket(resources: &[Located<String>], is_negated: bool) -> bool {
    is_negated
        || resources.iter().any(|resource| {
            resource.value == "*"
                || bucket_and_key(&resource.value)
                    .is_some_and(|(bucket, key)| key.is_none() || bucket.ends_with('*'))
        })
}
