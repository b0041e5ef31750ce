//! `arn:aws:s3:::logs*`: the bucket, every other one whose name begins so, and all their objects.

use super::bucket_and_key;
use crate::policy::document::Located;
use crate::policy::finding::code::s3;
use crate::policy::finding::report::{Report, shown};
use crate::policy::validate::subject::Subject;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for statement in subject.draft.statements.iter().filter(|statement| statement.allows()) {
        for resource in statement.resources() {
            check_resource(resource, report);
        }
    }
}

fn check_resource(resource: &Located<String>, report: &mut Report) {
    let Some((bucket, None)) = bucket_and_key(&resource.value) else { return };
    // A star alone says that every bucket is meant.
    let Some(name) = bucket.strip_suffix('*').filter(|name| !name.is_empty() && !name.contains('*')) else {
        return;
    };
    report
        .add(
            &s3::STAR_RUNS_OVER_BUCKETS,
            resource.at,
            format!(
                "{} is every bucket whose name begins with {}, and every object in them",
                shown(&resource.value),
                shown(name)
            ),
        )
        .help(format!("for one bucket write `arn:aws:s3:::{name}`, for its objects `arn:aws:s3:::{name}/*`"));
}
