//! How many values a condition has, and of how many kinds.

use super::subject::Subject;
use super::value::number;
use crate::policy::condition::{Base, Operator};
use crate::policy::document::{Condition, ValueKind};
use crate::policy::finding::code::{errors, suggestions};
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::json::quote;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for (_, condition) in subject.conditions() {
        check_kinds(condition, report);
    }
    for (_, condition, operator) in subject.readable_conditions() {
        if operator.base == Base::Bool && condition.values.len() > 1 {
            let message = format!(
                "{} is compared with {} booleans",
                shown(&condition.key.value),
                condition.values.len()
            );
            report
                .add(&errors::INVALID_CONDITION_MULTIPLE_BOOLEAN, condition.key.at, message)
                .help("write one value: true and false together are every value");
        }
        check_extremes(condition, operator, report);
    }
}

fn check_kinds(condition: &Condition, report: &mut Report) {
    let Some((first, rest)) = condition.values.split_first() else { return };
    let Some(other) = rest.iter().find(|value| value.value.kind != first.value.kind) else { return };
    let bare = condition.values.iter().filter(|value| value.value.kind != ValueKind::String);
    report
        .add(
            &errors::INVALID_CONDITION_DATA_TYPE,
            other.at,
            format!("the values of {} are of different kinds", shown(&condition.key.value)),
        )
        .help("put all of them into quotes")
        .repair(bare.map(|value| Edit::Replace(value.at, quote(&value.value.text))));
}

/// `less than 5 or less than 10` is `less than 10`.
fn check_extremes(condition: &Condition, operator: Operator, report: &mut Report) {
    let Base::Numeric(_) = operator.base else { return };
    let name = condition.operator.value.to_ascii_lowercase();
    let greatest = name.contains("lessthan");
    if condition.values.len() < 2 || !(greatest || name.contains("greaterthan")) {
        return;
    }
    let numbers: Option<Vec<f64>> = condition.values.iter().map(|value| number(&value.value.text)).collect();
    let Some(numbers) = numbers else { return };
    let extreme = numbers.iter().copied().fold(None, |best: Option<f64>, number| match best {
        Some(best) if greatest => Some(best.max(number)),
        Some(best) => Some(best.min(number)),
        None => Some(number),
    });
    let Some(kept) = numbers.iter().position(|number| Some(*number) == extreme) else { return };
    let Some(value) = condition.values.get(kept) else { return };
    let message = format!(
        "of the numbers for {} only {} counts",
        shown(&condition.key.value),
        shown(&value.value.text)
    );
    let others = condition.values.iter().enumerate().filter(|(index, _)| *index != kept);
    report
        .add(&suggestions::REDUNDANT_CONDITION_VALUE_NUM, condition.key.at, message)
        .help("take the others away")
        .repair(others.map(|(_, value)| Edit::Remove(value.at)));
}
