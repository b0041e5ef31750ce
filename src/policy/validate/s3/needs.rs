//! The actions that somebody needs against those that the policy allows.

use super::companions::{add_next_to, allowed_by_name, is_allowed};
use crate::policy::document::Located;
use crate::policy::finding::code::s3;
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::json::quote;
use crate::policy::validate::pattern::{has_wildcard, matches_action};
use crate::policy::validate::subject::{Statement, Subject};

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    let Some(needed) = &subject.facts.needed_actions else { return };
    check_delete(subject, needed, report);
    for statement in subject.statements.iter().filter(|statement| statement.draft.allows()) {
        for action in statement.draft.actions() {
            check_action(statement, action, needed, report);
        }
    }
}

fn check_delete(subject: &Subject<'_>, needed: &[String], report: &mut Report) {
    let needs_delete = needed.iter().any(|action| action.eq_ignore_ascii_case("s3:DeleteObject"));
    if !needs_delete || is_allowed(subject, "s3:DeleteObject") {
        return;
    }
    let Some((statement, put)) = allowed_by_name(subject, "s3:PutObject") else { return };
    let message = "objects can be written and not deleted, and deleting is needed";
    let remark = report.add(&s3::MISSING_DELETE, put.at, message);
    remark.help("add `s3:DeleteObject`");
    add_next_to(statement, put, "s3:DeleteObject", remark);
}

fn check_action(statement: &Statement<'_>, action: &Located<String>, needed: &[String], report: &mut Report) {
    let pattern = action.value.as_str();
    let wanted: Vec<&String> = needed.iter().filter(|needed| matches_action(pattern, needed)).collect();
    let is_wild = has_wildcard(pattern);
    if !is_wild && !wanted.is_empty() {
        return;
    }
    if is_wild && !allows_more(statement, pattern, needed) {
        return;
    }
    let message = if is_wild {
        format!("{} allows actions that are not needed", shown(pattern))
    } else {
        format!("{} is allowed and not needed", shown(pattern))
    };
    let remark = report.add(&s3::UNUSED_FOR_OPERATIONS, action.at, message);
    if wanted.is_empty() {
        remark.help("take it away");
        if statement.draft.actions().len() > 1 {
            remark.repair([Edit::Remove(action.at)]);
        }
    } else {
        remark.help("list the actions that are needed").repair([Edit::ReplaceWithAll(
            action.at,
            wanted.into_iter().map(|action| quote(action)).collect(),
        )]);
    }
}

/// Whether a pattern reaches an action that is not needed.
fn allows_more(statement: &Statement<'_>, pattern: &str, needed: &[String]) -> bool {
    pattern == "*"
        || statement.reached.iter().any(|reached| {
            let name = reached.name();
            matches_action(pattern, &name) && !needed.iter().any(|needed| needed.eq_ignore_ascii_case(&name))
        })
}
