//! Bucket policies that S3 takes for public.

use crate::policy::document::Kind;
use crate::policy::finding::code::s3;
use crate::policy::finding::report::Report;
use crate::policy::public_access;
use crate::policy::validate::subject::Subject;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    if subject.kind != Kind::Bucket {
        return;
    }
    // S3 judges whole policies, and refuses one with a hole.
    let Some(policy) = subject.draft.clone().complete() else { return };
    let block = subject.facts.bucket.as_ref().and_then(|bucket| bucket.block_public_access);
    for public in public_access::public_statements(&policy) {
        let Some(statement) = policy.statements.get(public.index) else { continue };
        let at = statement.principal.as_ref().map_or(statement.at, |principal| principal.at);
        let help = match block {
            Some(block) if block.block_public_policy => {
                "the bucket blocks public policies, so S3 refuses this one; name principals, or limit who may come \
                 with fixed values"
            }
            Some(block) if block.restrict_public_buckets => {
                "the bucket restricts public policies, so nobody outside of its account gets in, whomever else the \
                 policy names; name principals, or limit who may come with fixed values"
            }
            _ => {
                "name principals, or limit who may come with fixed values of `aws:PrincipalOrgID`, `aws:SourceVpce`, \
                 `aws:SourceIp` or the like"
            }
        };
        report.add(&s3::PUBLIC_BY_S3_RULES, at, public.message).help(help);
    }
}
