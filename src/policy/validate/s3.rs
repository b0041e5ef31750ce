//! Findings of our own: what goes wrong with buckets and objects although every part of the policy is right.

use super::arn::Arn;
use super::subject::Subject;
use crate::policy::finding::report::Report;

mod acl;
mod companions;
mod kind;
mod lockout;
mod needs;
pub(super) mod operation_names;
mod principal;
mod public;
mod star;
mod this_bucket;
mod tls;
mod upload_header;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    kind::check(subject, report);
    this_bucket::check(subject, report);
    acl::check(subject, report);
    lockout::check(subject, report);
    public::check(subject, report);
    tls::check(subject, report);
    star::check(subject, report);
    upload_header::check(subject, report);
    principal::check(subject, report);
    companions::check(subject, report);
    needs::check(subject, report);
}

/// The bucket and, after a slash, the key of the ARN of a bucket or object; patterns too.
fn bucket_and_key(arn: &str) -> Option<(&str, Option<&str>)> {
    let arn = Arn::parse(arn)?;
    if arn.service != "s3" || !arn.region.is_empty() || !arn.account.is_empty() {
        return None;
    }
    Some(match arn.resource.split_once('/') {
        Some((bucket, key)) => (bucket, Some(key)),
        None => (arn.resource, None),
    })
}
