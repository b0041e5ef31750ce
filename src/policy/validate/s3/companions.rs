//! Actions that need another one to be of use.

use crate::policy::document::{Located, PrincipalKind, Who};
use crate::policy::finding::code::s3;
use crate::policy::finding::report::{Edit, Remark, Report};
use crate::policy::json::quote;
use crate::policy::validate::subject::{Statement, Subject};

const ABORT: &str = "s3:AbortMultipartUpload";

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    let put = allowed_by_name(subject, "s3:PutObject");
    // An AWS service that writes looks after its own uploads.
    let is_judged = |statement: &Statement<'_>| !is_allowed(subject, ABORT) && !names_service(statement);
    if let Some((statement, put)) = put.filter(|(statement, _)| is_judged(statement)) {
        let remark = report.add(
            &s3::MISSING_MULTIPART_COMPANIONS,
            put.at,
            format!("an upload in parts that fails cannot be given up without `{ABORT}`"),
        );
        remark.help(format!("add `{ABORT}`; its parts stay and cost money otherwise"));
        add_next_to(statement, put, ABORT, remark);
    }
    if let Some((_, get)) =
        allowed_by_name(subject, "s3:GetObject").filter(|_| !is_allowed(subject, "s3:ListBucket"))
    {
        report
            .add(
                &s3::MISSING_LISTBUCKET_404_HINT,
                get.at,
                "for a missing object S3 answers 403 and not 404, since the caller may not list the bucket",
            )
            .help("allow `s3:ListBucket` on the bucket, or take every 403 for perhaps a 404");
    }
}

/// The first place where an Allow lists the action by its name.
pub(super) fn allowed_by_name<'s, 'a>(
    subject: &'s Subject<'a>,
    action: &str,
) -> Option<(&'s Statement<'a>, &'a Located<String>)> {
    let allows = subject.statements.iter().filter(|statement| statement.draft.allows());
    allows
        .flat_map(|statement| statement.draft.actions().iter().map(move |listed| (statement, listed)))
        .find(|(_, listed)| listed.value.eq_ignore_ascii_case(action))
}

/// Whether an AWS service is among the principals.
fn names_service(statement: &Statement<'_>) -> bool {
    match statement.draft.principal.as_ref().map(|principal| &principal.who) {
        Some(Who::Named(kinds)) => kinds.iter().any(|(kind, _)| *kind == PrincipalKind::Service),
        _ => false,
    }
}

/// Offers to list another action next to one. Not under conditions, which may be on what it does not carry.
pub(super) fn add_next_to(
    statement: &Statement<'_>,
    listed: &Located<String>,
    action: &str,
    remark: &mut Remark,
) {
    if statement.draft.conditions.is_empty() {
        remark.repair([Edit::InsertAfter(listed.at, quote(action))]);
    }
}

/// Whether an Allow speaks of the action.
pub(super) fn is_allowed(subject: &Subject<'_>, action: &str) -> bool {
    subject.statements.iter().any(|statement| statement.draft.allows() && statement.reaches(action))
}
