//! Condition keys of a service, and whether the actions of the statement carry them.
//!
//! A key that a request does not carry is missing: a plain comparison is false, a negated one true. So an Allow never
//! allows and a Deny denies everything, and neither is what was meant.

use super::pattern::has_wildcard;
use super::subject::{MAX_PAIRS, Statement, Subject};
use crate::policy::catalogue;
use crate::policy::condition::{Base, Operator, Set};
use crate::policy::document::Condition;
use crate::policy::finding::code::{errors, s3};
use crate::policy::finding::report::{Report, shown};

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for (statement, condition, operator) in subject.readable_conditions() {
        if is_judged(statement, condition, operator) {
            check_condition(statement, condition, operator, report);
        }
    }
}

/// Only keys of a service that is known in detail, where a missing key is not asked for or allowed for.
fn is_judged(statement: &Statement<'_>, condition: &Condition, operator: Operator) -> bool {
    let key = condition.key.value.as_str();
    let is_of_service = key.split_once(':').is_some_and(|(prefix, _)| {
        !prefix.eq_ignore_ascii_case("aws") && catalogue::get().service(prefix).is_some()
    });
    let pairs = statement.draft.conditions.len().saturating_mul(statement.draft.actions().len());
    is_of_service
        && catalogue::get().key(key).is_some()
        && operator.base != Base::Null
        && !operator.if_exists
        && operator.set != Some(Set::ForAllValues)
        && statement.draft.effect.is_some()
        && pairs < MAX_PAIRS / 10
}

fn check_condition(
    statement: &Statement<'_>,
    condition: &Condition,
    operator: Operator,
    report: &mut Report,
) {
    let key = condition.key.value.as_str();
    if statement.reached.iter().any(|reached| reached.carries(key)) {
        check_listed(statement, condition, operator, report);
        return;
    }
    if statement.reaches_others || statement.reached.is_empty() {
        return;
    }
    let remark = report.add(
        &s3::CONDITION_KEY_NEVER_PRESENT,
        condition.key.at,
        format!(
            "no action of the statement carries {}, so it {}",
            shown(key),
            outcome_of_all(statement, operator)
        ),
    );
    match carriers(key).as_slice() {
        [] => remark.help("take the condition away"),
        names => {
            remark.help(format!("it is carried by {}; write a statement for these alone", names.join(", ")))
        }
    };
}

/// Some actions carry the key: names those that do not.
fn check_listed(statement: &Statement<'_>, condition: &Condition, operator: Operator, report: &mut Report) {
    // Allowed, but not with this value: that is what one means for those that carry the key.
    if statement.draft.allows() && holds_without_key(operator) {
        return;
    }
    let key = condition.key.value.as_str();
    for action in statement.draft.actions() {
        let Some((prefix, name)) = action.value.split_once(':').filter(|(_, name)| !has_wildcard(name))
        else {
            continue;
        };
        let Some(service) = catalogue::get().service(prefix) else { continue };
        let Some(known) = service.action(name).filter(|known| !service.carries(known, key)) else { continue };
        let message = format!(
            "{} never carries {}, so it is {}",
            shown(&action.value),
            shown(key),
            outcome_of_one(statement, operator)
        );
        report
            .add(&errors::UNSUPPORTED_ACTION_FOR_CONDITION_KEY, action.at, message)
            .help(format!("put `{prefix}:{}` into a statement without this condition", known.name));
    }
}

fn holds_without_key(operator: Operator) -> bool {
    operator.negated && operator.set.is_none()
}

/// What a missing key makes of the statement.
fn outcome_of_all(statement: &Statement<'_>, operator: Operator) -> &'static str {
    match (statement.draft.allows(), holds_without_key(operator)) {
        (true, true) => "limits nothing",
        (true, false) => "allows nothing",
        (false, true) => "denies whatever the value is",
        (false, false) => "denies nothing",
    }
}

/// What a missing key does to one action.
fn outcome_of_one(statement: &Statement<'_>, operator: Operator) -> &'static str {
    match (statement.draft.allows(), holds_without_key(operator)) {
        (true, _) => "never allowed here",
        (false, true) => "always denied",
        (false, false) => "never denied here",
    }
}

/// Some of the actions that carry a key.
fn carriers(key: &str) -> Vec<String> {
    let Some((prefix, _)) = key.split_once(':') else { return Vec::new() };
    let Some(service) = catalogue::get().service(prefix) else { return Vec::new() };
    let mut names: Vec<String> = service
        .actions()
        .filter(|action| service.carries(action, key))
        .map(|action| format!("`{}:{}`", prefix.to_ascii_lowercase(), action.name))
        .collect();
    // Short names are the common ones.
    names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    names.truncate(4);
    names
}
