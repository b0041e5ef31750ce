//! A Deny of uploads without a header: it also denies those that leave the matter to the bucket.

use crate::policy::finding::code::s3;
use crate::policy::finding::report::{Report, shown};
use crate::policy::validate::subject::Subject;

/// Headers for which a bucket, or S3 itself, has a default.
const WITH_DEFAULT: [&str; 3] = [
    "s3:x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-storage-class",
];

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for (statement, condition, operator) in subject.readable_conditions() {
        let key = condition.key.value.as_str();
        let has_default = WITH_DEFAULT.iter().any(|known| known.eq_ignore_ascii_case(key));
        let meets_missing =
            statement.draft.denies() && operator.negated && !operator.if_exists && operator.set.is_none();
        if !has_default || !meets_missing || !statement.reaches("s3:PutObject") {
            continue;
        }
        report
            .add(
                &s3::UPLOAD_HEADER_REQUIRED,
                condition.key.at,
                format!(
                    "uploads that do not send {} are denied, whatever the bucket has as its default",
                    shown(key)
                ),
            )
            .help(format!(
                "write `{}IfExists` to deny other values alone; keep it when every client sends the header",
                condition.operator.value
            ));
    }
}
