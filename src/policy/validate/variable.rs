//! Variables: where they stand, and how they are written.

use super::pattern::{has_dollar, has_variable};
use super::subject::{Statement, Subject};
use crate::policy::condition::{Base, Operator};
use crate::policy::document::{Located, Position, Version, Who};
use crate::policy::finding::code::{errors, s3, warnings};
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::json::quote;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for statement in &subject.statements {
        elsewhere(statement, report);
    }
    if !subject.has_variables() {
        check_version(subject, report);
        return;
    }
    for statement in &subject.statements {
        for resource in statement.draft.all_resources() {
            check_syntax(&resource.value, resource.at, report);
        }
        for condition in &statement.draft.conditions {
            for value in &condition.values {
                check_syntax(&value.value.text, value.at, report);
            }
        }
    }
    check_operators(subject, report);
}

/// Variables in elements that take them for text.
fn elsewhere(statement: &Statement<'_>, report: &mut Report) {
    let mut tell = |element: &str, value: &str, at: Position| {
        if has_dollar(value) {
            let message = format!("{} has a variable, and {element} takes none", shown(value));
            report
                .add(&errors::VARIABLE_UNSUPPORTED_IN_ELEMENT, at, message)
                .help("variables stand in Resource and in the values of Condition");
        }
    };
    for action in statement.draft.all_actions() {
        tell("Action", &action.value, action.at);
    }
    if let Some(sid) = &statement.draft.sid {
        tell("Sid", &sid.value, sid.at);
    }
    for condition in &statement.draft.conditions {
        tell("the key of a condition", &condition.key.value, condition.key.at);
    }
    if let Some(Who::Named(kinds)) = statement.draft.principal.as_ref().map(|principal| &principal.who) {
        for name in kinds.iter().flat_map(|(_, names)| names) {
            tell("Principal", &name.value, name.at);
        }
    }
}

/// The first variable of a document whose version knows none.
fn check_version(subject: &Subject<'_>, report: &mut Report) {
    let texts = subject.statements.iter().flat_map(|statement| {
        let resources = statement.draft.all_resources().iter().map(|resource| (&resource.value, resource.at));
        let values = statement.draft.conditions.iter().flat_map(|condition| &condition.values);
        resources.chain(values.map(|value| (&value.value.text, value.at)))
    });
    let Some((text, at)) = texts.into_iter().find(|(text, _)| has_dollar(text)) else { return };
    let current = quote(Version::V2012.as_str());
    match &subject.draft.version {
        Some(version) => report
            .add(
                &errors::VARIABLE_UNSUPPORTED_IN_VERSION,
                at,
                format!(
                    "{} is taken for text: version {} has no variables",
                    shown(text),
                    version.value.as_str()
                ),
            )
            .repair([Edit::Replace(version.at, current)]),
        None => report
            .add(
                &s3::VARIABLE_IN_2008_POLICY,
                at,
                format!("{} is taken for text: without a Version there are no variables", shown(text)),
            )
            .repair([Edit::InsertMember(subject.draft.at, "Version", current)]),
    }
    .help("write `\"Version\": \"2012-10-17\"`");
}

fn check_syntax(text: &str, at: Position, report: &mut Report) {
    let mut rest = if has_dollar(text) { text } else { return };
    while let Some((_, after)) = rest.split_once("${") {
        let Some((inner, next)) = after.split_once('}').filter(|(inner, _)| !inner.contains("${")) else {
            report
                .add(
                    &errors::MISSING_BRACE_IN_VARIABLE,
                    at,
                    format!("a variable in {} is not closed", shown(text)),
                )
                .help("write `${key}`; for the characters themselves write `${$}{`");
            return;
        };
        check_variable(inner, at, report);
        rest = next;
    }
}

fn check_variable(inner: &str, at: Position, report: &mut Report) {
    let whole = Located { value: format!("${{{inner}}}"), at };
    let (name, default) = match inner.split_once(',') {
        Some((name, default)) => (name, Some(default.trim_start())),
        None => (inner, None),
    };
    if name.trim().is_empty() {
        report
            .add(&errors::EMPTY_VARIABLE, at, format!("{} names no key", shown(&whole.value)))
            .help("write `${aws:username}`, for example");
    } else if name.contains(char::is_whitespace) {
        report
            .add(
                &errors::UNSUPPORTED_SPACE_IN_VARIABLE,
                at,
                format!("{} has a blank in its name", shown(&whole.value)),
            )
            .help(format!("write `${{{}}}`", name.split_whitespace().collect::<String>()));
    } else if name.eq_ignore_ascii_case("aws:arn") {
        report
            .add(
                &warnings::DEPRECATED_GLOBAL_CONDITION_KEY,
                at,
                format!("{} has an old name", shown(&whole.value)),
            )
            .help("write `${aws:PrincipalArn}`");
    }
    let is_quoted = |default: &str| {
        default
            .strip_prefix('\'')
            .and_then(|text| text.strip_suffix('\''))
            .is_some_and(|text| !text.contains('\''))
    };
    if default.is_some_and(|default| !is_quoted(default)) {
        report
            .add(
                &errors::MISSING_QUOTE_IN_VARIABLE,
                at,
                format!("the default of {} is not in single quotes", shown(&whole.value)),
            )
            .help(format!("write `${{{name}, '…'}}`"));
    }
}

/// Only String and Arn operators have variables.
fn check_operators(subject: &Subject<'_>, report: &mut Report) {
    for (_, condition, operator) in subject.readable_conditions() {
        if takes_variables(operator) {
            continue;
        }
        if let Some(value) = condition.values.iter().find(|value| has_variable(&value.value.text)) {
            let message = format!(
                "{} has a variable, and {} takes none",
                shown(&value.value.text),
                shown(&condition.operator.value)
            );
            report
                .add(&errors::INVALID_VARIABLE_FOR_OPERATOR, value.at, message)
                .help("use a String or Arn operator, or write the value out");
        }
    }
}

fn takes_variables(operator: Operator) -> bool {
    matches!(operator.base, Base::StringEquals | Base::StringEqualsIgnoreCase | Base::StringLike | Base::Arn)
}
