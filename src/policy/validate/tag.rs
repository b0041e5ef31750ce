//! The global condition keys for tags, which few actions carry.

use super::subject::{Statement, Subject};
use crate::policy::condition::{Base, Operator};
use crate::policy::document::Condition;
use crate::policy::finding::Rule;
use crate::policy::finding::code::{security_warnings, suggestions};
use crate::policy::finding::report::{Report, shown};

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for (statement, condition, operator) in subject.readable_conditions() {
        if operator.base != Base::Null && is_tag_key(&condition.key.value) {
            check_condition(statement, condition, operator, report);
        }
    }
}

fn is_tag_key(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    lower.starts_with("aws:resourcetag/") || lower.starts_with("aws:requesttag/") || lower == "aws:tagkeys"
}

fn check_condition(
    statement: &Statement<'_>,
    condition: &Condition,
    operator: Operator,
    report: &mut Report,
) {
    let key = condition.key.value.as_str();
    let shown_key = shown(key);
    if statement.draft.not_actions().is_some() {
        let (rule, effect): (&'static Rule, _) = if statement.draft.denies() {
            (&security_warnings::DENY_NOTACTION_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE, "denied")
        } else {
            (&suggestions::ALLOW_NOTACTION_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE, "allowed")
        };
        report
            .add(
                rule,
                condition.key.at,
                format!("many actions do not carry {shown_key}, and are not {effect} as one thinks"),
            )
            .help("list the actions whose services have these tags, instead of NotAction");
        return;
    }
    // A negated comparison is true for a missing key: the Deny denies, the Allow allows.
    let is_idle = !operator.negated && !operator.if_exists;
    let nobody_carries =
        !statement.reached.is_empty() && !statement.reached.iter().any(|reached| reached.carries(key));
    if !is_idle || !nobody_carries || statement.reaches_others {
        return;
    }
    let (rule, effect): (&'static Rule, _) = if statement.draft.denies() {
        (&security_warnings::DENY_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE, "denies")
    } else {
        (&suggestions::ALLOW_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE, "allows")
    };
    report
        .add(rule, condition.key.at, format!("no action of the statement carries {shown_key}, so it {effect} nothing"))
        .help("for tags of objects compare `s3:ExistingObjectTag/` or `s3:RequestObjectTag/` and the key of the tag");
}
