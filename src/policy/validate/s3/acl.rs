//! ACLs in a bucket whose owner owns every object: such a bucket refuses all but one of them.

use crate::policy::condition::{Base, Operator};
use crate::policy::document::Condition;
use crate::policy::finding::code::s3;
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::glob::Glob;
use crate::policy::request::ObjectOwnership;
use crate::policy::validate::subject::{Statement, Subject};

/// The one ACL that is accepted.
const ACCEPTED: &str = "bucket-owner-full-control";

const ACTIONS: [&str; 3] = ["s3:PutObjectAcl", "s3:PutObjectVersionAcl", "s3:PutBucketAcl"];

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    let ownership = subject.facts.bucket.as_ref().and_then(|bucket| bucket.object_ownership);
    if ownership != Some(ObjectOwnership::BucketOwnerEnforced) {
        return;
    }
    for statement in subject.statements.iter().filter(|statement| statement.draft.allows()) {
        check_actions(statement, report);
    }
    for (statement, condition, operator) in subject.readable_conditions() {
        check_condition(statement, condition, operator, report);
    }
}

fn check_actions(statement: &Statement<'_>, report: &mut Report) {
    let actions = statement.draft.actions();
    let is_acl = |action: &str| ACTIONS.iter().any(|known| known.eq_ignore_ascii_case(action));
    for action in actions.iter().filter(|action| is_acl(&action.value)) {
        let remark = report.add(
            &s3::ACL_ACTION_WITH_OWNER_ENFORCED,
            action.at,
            format!(
                "{} is useless: the bucket owner owns every object, and ACLs are off",
                shown(&action.value)
            ),
        );
        remark.help("take it away");
        if actions.iter().any(|other| !is_acl(&other.value)) {
            remark.repair([Edit::Remove(action.at)]);
        }
    }
}

fn check_condition(
    statement: &Statement<'_>,
    condition: &Condition,
    operator: Operator,
    report: &mut Report,
) {
    let key = condition.key.value.to_ascii_lowercase();
    let is_acl = key == "s3:x-amz-acl";
    let is_required = if statement.draft.denies() {
        operator.negated && !operator.if_exists
    } else {
        !operator.negated && !operator.if_exists
    };
    let is_string =
        matches!(operator.base, Base::StringEquals | Base::StringEqualsIgnoreCase | Base::StringLike);
    if !(is_acl || key.starts_with("s3:x-amz-grant-"))
        || !is_required
        || !is_string
        || !statement.reaches("s3:PutObject")
    {
        return;
    }
    let accepts = condition.values.iter().any(|value| match operator.base {
        Base::StringLike => Glob::wild(&value.value.text).matches(ACCEPTED),
        _ => value.value.text == ACCEPTED,
    });
    if is_acl && accepts {
        return;
    }
    let remark = report.add(
        &s3::ACL_CONDITION_BREAKS_OWNER_ENFORCED,
        condition.key.at,
        format!("uploads must send {}, and the bucket refuses them for it", shown(&condition.key.value)),
    );
    remark.help(format!("take the condition away, or ask for `{ACCEPTED}`"));
    if let Some((first, rest)) = condition.values.split_first().filter(|_| is_acl) {
        let removed = rest.iter().map(|value| Edit::Remove(value.at));
        remark.repair(std::iter::once(Edit::Replace(first.at, format!("\"{ACCEPTED}\""))).chain(removed));
    }
}
