//! Operators: whether they exist, and whether their prefix and suffix fit the key.

use super::nearest::nearest;
use super::subject::{Statement, Subject};
use crate::policy::catalogue::Key;
use crate::policy::condition::{Base, Operator, Set};
use crate::policy::document::{Condition, Position};
use crate::policy::finding::code::{errors, security_warnings, suggestions};
use crate::policy::finding::report::{Edit, Remark, Report, shown};

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    let mut last: Option<Position> = None;
    for (statement, condition, operator) in subject.named_conditions() {
        // Once for all keys under it.
        if last.replace(condition.operator.at) != Some(condition.operator.at) {
            check_name(statement, condition, operator, report);
        }
    }
    for (statement, condition, operator, key) in subject.typed_conditions() {
        if operator.base != Base::Null {
            check_set(statement, condition, (operator, key), report);
        }
    }
}

fn check_name(
    statement: &Statement<'_>,
    condition: &Condition,
    operator: Option<Operator>,
    report: &mut Report,
) {
    let written = &condition.operator;
    let after = written.value.find(':').map_or(0, |colon| colon + 1);
    let (prefix, rest) = written.value.split_at(after);
    if rest.eq_ignore_ascii_case("NullIfExists") {
        let plain = format!("{prefix}Null");
        let remark = report.add(
            &errors::NULL_WITH_IF_EXISTS,
            written.at,
            format!("{} asks whether the key is there and accepts both", shown(&written.value)),
        );
        remark.help(format!("write `{plain}`"));
        rename_block(statement, condition, &plain, remark);
        return;
    }
    let Some(operator) = operator else {
        unknown(statement, condition, prefix, rest, report);
        return;
    };
    if operator.base == Base::Null && operator.set.is_some() {
        let always = operator.set == Some(Set::ForAllValues);
        let remark = report.add(
            &suggestions::NULL_WITH_QUALIFIER,
            written.at,
            format!(
                "{} is {} for every request",
                shown(&written.value),
                if always { "true" } else { "false" }
            ),
        );
        remark.help("write `Null`");
        rename_block(statement, condition, "Null", remark);
    }
}

fn unknown(statement: &Statement<'_>, condition: &Condition, prefix: &str, rest: &str, report: &mut Report) {
    let written = &condition.operator;
    let remark = report.add(
        &errors::INVALID_CONDITION_OPERATOR,
        written.at,
        format!("{} is not a condition operator", shown(&written.value)),
    );
    let (name, suffix) = match rest.strip_suffix("IfExists") {
        Some(name) => (name, "IfExists"),
        None => (rest, ""),
    };
    let prefix_meant = match prefix {
        "" => Some(""),
        prefix => nearest(prefix, ["ForAllValues:", "ForAnyValue:"].into_iter()),
    };
    match (prefix_meant, nearest(name, Operator::names())) {
        (Some(prefix), Some(name)) if (name, suffix) != ("Null", "IfExists") => {
            let meant = format!("{prefix}{name}{suffix}");
            remark.help(format!("write `{meant}`"));
            rename_block(statement, condition, &meant, remark);
        }
        _ => {
            remark.help("write one that IAM has, for example `StringEquals`, `StringLike`, `ArnLike`, `Bool`, `IpAddress`");
        }
    }
}

/// Offers another operator for all keys under it, when no other block has it.
fn rename_block(statement: &Statement<'_>, condition: &Condition, name: &str, remark: &mut Remark) {
    let is_free =
        statement.draft.conditions.iter().all(|other| !other.operator.value.eq_ignore_ascii_case(name));
    if is_free {
        remark.repair([Edit::Rename(condition.operator.at, name.to_owned())]);
    }
}

/// Whether the set operator fits the number of values that a request has for the key.
fn check_set(
    statement: &Statement<'_>,
    condition: &Condition,
    (operator, key): (Operator, &Key),
    report: &mut Report,
) {
    match operator.set {
        None if key.kind.is_list() => {
            report
                .add(
                    &errors::MISSING_QUALIFIER,
                    condition.key.at,
                    format!("a request can have several values for {}", shown(&condition.key.value)),
                )
                .help(format!(
                    "write `ForAnyValue:{0}` when one of them is enough, `ForAllValues:{0}` when all have to match",
                    condition.operator.value
                ));
        }
        Some(Set::ForAllValues) if !key.kind.is_list() => {
            let remark = report.add(
                &security_warnings::FORALLVALUES_WITH_SINGLE_VALUED_KEY,
                condition.operator.at,
                format!("without {} the condition is true", shown(&condition.key.value)),
            );
            let plain = condition.operator.value.split_once(':').map_or("", |(_, plain)| plain);
            remark.help(format!("write `{plain}`: a request has one value for the key at most"));
            if statement.can_rename_operator(condition, plain) {
                remark.repair([Edit::Rename(condition.operator.at, plain.to_owned())]);
            }
        }
        _ => {}
    }
}
