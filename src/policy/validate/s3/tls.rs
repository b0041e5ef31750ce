//! Denying requests without TLS: for the bucket and for its objects.

use super::bucket_and_key;
use crate::policy::condition::{Base, Operator};
use crate::policy::document::{Condition, Located};
use crate::policy::finding::code::s3;
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::json::quote;
use crate::policy::validate::arn::Arn;
use crate::policy::validate::pattern::{covers, has_variable, has_wildcard};
use crate::policy::validate::subject::{MAX_PAIRS, Statement, Subject};

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    let denied: Vec<&Located<String>> = subject
        .statements
        .iter()
        .filter(|statement| denies_plain(statement))
        .flat_map(|statement| statement.draft.resources())
        .collect();
    if denied.len().saturating_mul(denied.len()) > MAX_PAIRS {
        return;
    }
    for resource in &denied {
        check_resource(resource, &denied, report);
    }
}

/// Whether it denies requests without TLS, for actions on buckets and on objects.
fn denies_plain(statement: &Statement<'_>) -> bool {
    let is_tls = |condition: &Condition| {
        let operator = Operator::parse(&condition.operator.value).ok();
        condition.key.value.eq_ignore_ascii_case("aws:SecureTransport")
            && operator.is_some_and(|operator| operator.base == Base::Bool)
            && condition.values.iter().any(|value| value.value.text.eq_ignore_ascii_case("false"))
    };
    statement.draft.denies()
        && statement.draft.conditions.iter().any(is_tls)
        && statement.reaches("s3:ListBucket")
        && statement.reaches("s3:GetObject")
}

fn check_resource(resource: &Located<String>, denied: &[&Located<String>], report: &mut Report) {
    let (Some((bucket, key)), Some(arn)) = (bucket_and_key(&resource.value), Arn::parse(&resource.value))
    else {
        return;
    };
    if bucket.is_empty() || has_wildcard(bucket) || has_variable(bucket) {
        return;
    }
    let objects = format!("{bucket}/*");
    let (other, what) = match key {
        None => (objects.as_str(), "its objects"),
        Some("*") => (bucket, "the bucket itself"),
        Some(_) => return,
    };
    let missing = Arn { resource: other, ..arn }.to_string();
    if denied.iter().any(|pattern| covers(&pattern.value, &missing)) {
        return;
    }
    report
        .add(
            &s3::TLS_DENY_ONLY_OBJECTS,
            resource.at,
            format!("requests without TLS are denied for {}, and not for {what}", shown(&resource.value)),
        )
        .help(format!("add {}", shown(&missing)))
        .repair([Edit::InsertAfter(resource.at, quote(&missing))]);
}
