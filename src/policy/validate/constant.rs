//! Comparisons with everything: they ask for the presence of a key, or for nothing at all.

use super::subject::{Statement, Subject};
use crate::policy::condition::{Base, Operator, Set};
use crate::policy::document::Condition;
use crate::policy::finding::Rule;
use crate::policy::finding::code::suggestions;
use crate::policy::finding::report::{Edit, Report, shown};

/// What a comparison with everything comes to.
enum Outcome {
    /// The key is there.
    Present,
    /// The key is missing.
    Absent,
    Always,
    Never,
}

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for (statement, condition, operator) in subject.readable_conditions() {
        if let Some(outcome) = outcome(condition, operator) {
            tell(statement, condition, &outcome, report);
        }
    }
}

fn outcome(condition: &Condition, operator: Operator) -> Option<Outcome> {
    let everything = match operator.base {
        Base::StringLike => "*",
        Base::Arn => "arn:*:*:*:*:*",
        _ => return None,
    };
    if !condition.values.iter().any(|value| value.value.text == everything) {
        return None;
    }
    Some(match (operator.set, operator.negated, operator.if_exists) {
        (Some(Set::ForAllValues), false, _) | (None | Some(Set::ForAnyValue), false, true) => Outcome::Always,
        (None | Some(Set::ForAnyValue), false, false) => Outcome::Present,
        (None | Some(Set::ForAllValues), true, _) | (Some(Set::ForAnyValue), true, true) => Outcome::Absent,
        (Some(Set::ForAnyValue), true, false) => Outcome::Never,
    })
}

fn tell(statement: &Statement<'_>, condition: &Condition, outcome: &Outcome, report: &mut Report) {
    let key = shown(&condition.key.value);
    let null_test = |value: &str| {
        let alone = statement.can_rename_operator(condition, "Null");
        let mut edits = vec![Edit::Rename(condition.operator.at, "Null".to_owned())];
        let (first, rest) = condition.values.split_first()?;
        edits.push(Edit::Replace(first.at, format!("\"{value}\"")));
        edits.extend(rest.iter().map(|value| Edit::Remove(value.at)));
        alone.then_some(edits)
    };
    let (rule, message, help, edits): (&'static Rule, _, _, _) = match outcome {
        Outcome::Present => (
            &suggestions::EQUIVALENT_TO_NULL_FALSE,
            format!("the condition is true whenever {key} is there"),
            "say so: `\"Null\": {…: \"false\"}`",
            null_test("false"),
        ),
        Outcome::Absent => (
            &suggestions::EQUIVALENT_TO_NULL_TRUE,
            format!("the condition is true only when {key} is missing"),
            "say so: `\"Null\": {…: \"true\"}`",
            null_test("true"),
        ),
        Outcome::Always => (
            &suggestions::REDUNDANT_KEY_DUE_TO_WILDCARD_IN_CONDITION,
            format!("the condition on {key} is true for every request"),
            "take it away",
            Some(removal(statement, condition)),
        ),
        Outcome::Never => (
            &suggestions::REDUNDANT_STATEMENT_DUE_TO_WILDCARD_IN_CONDITION,
            format!("the condition on {key} is true for no request, so the statement does nothing"),
            "take the statement away, or mend the condition",
            None,
        ),
    };
    report.add(rule, condition.key.at, message).help(help).repair(edits.unwrap_or_default());
}

/// Takes the key away, and with it its operator or Condition itself when nothing else is in there.
fn removal(statement: &Statement<'_>, condition: &Condition) -> Vec<Edit> {
    let all = &statement.draft.conditions;
    let siblings = all.iter().filter(|other| other.operator.at == condition.operator.at).count();
    let at = match (siblings, all.len(), statement.draft.condition_at) {
        (_, 1, Some(element)) => element,
        (1, ..) => condition.operator.at,
        _ => condition.key.at,
    };
    vec![Edit::Remove(at)]
}
