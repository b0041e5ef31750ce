//! Entries and statements that others cover.

use std::collections::HashMap;

use super::pattern::covers;
use super::subject::{MAX_PAIRS, Subject};
use crate::policy::document::{Listed, Located, Who};
use crate::policy::finding::Rule;
use crate::policy::finding::code::suggestions;
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::parse::DraftStatement;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for statement in &subject.draft.statements {
        if let Some(action) = &statement.action {
            check_list(action, &suggestions::REDUNDANT_ACTION, str::to_ascii_lowercase, report);
        }
        if let Some(resource) = &statement.resource {
            check_list(resource, &suggestions::REDUNDANT_RESOURCE, str::to_owned, report);
        }
    }
    check_statements(&subject.draft.statements, report);
}

/// Entries that another one covers. Of equal ones the first stays.
fn check_list(list: &Listed, rule: &'static Rule, fold: fn(&str) -> String, report: &mut Report) {
    let values: Vec<String> = list.values.iter().map(|value| fold(&value.value)).collect();
    if values.len().saturating_mul(values.len()) > MAX_PAIRS {
        return;
    }
    for (index, (value, written)) in values.iter().zip(&list.values).enumerate() {
        let covering = values.iter().zip(&list.values).enumerate().find(|(other, (pattern, _))| {
            *other != index && covers(pattern, value) && (*other < index || !covers(value, pattern))
        });
        if let Some((_, (_, pattern))) = covering {
            let message = format!("{} is covered by {}", shown(&written.value), shown(&pattern.value));
            report.add(rule, written.at, message).help("take it away").repair([Edit::Remove(written.at)]);
        }
    }
}

/// Statements that do no more than another one of the same effect, principal and conditions.
fn check_statements(statements: &[DraftStatement], report: &mut Report) {
    let mut alike: HashMap<String, Vec<&DraftStatement>> = HashMap::new();
    let mut pairs = 0_usize;
    for statement in statements.iter().filter(|statement| statement.effect.is_some()) {
        let others = alike.entry(fingerprint(statement)).or_default();
        for other in others.iter() {
            pairs += entries(statement).saturating_mul(entries(other));
            if pairs > MAX_PAIRS {
                return;
            }
            let (covered, by) = if covers_statement(other, statement) {
                (statement, *other)
            } else if covers_statement(statement, other) {
                (*other, statement)
            } else {
                continue;
            };
            let message = format!("the statement in line {} covers this one", by.at.line);
            report
                .add(&suggestions::REDUNDANT_STATEMENT, covered.at, message)
                .help("take it away")
                .repair([Edit::Remove(covered.at)]);
            break;
        }
        others.push(statement);
    }
}

fn entries(statement: &DraftStatement) -> usize {
    1 + statement.all_actions().len() + statement.all_resources().len()
}

/// What two statements must have in common to be compared, in one text.
fn fingerprint(statement: &DraftStatement) -> String {
    let sorted = |values: &[Located<String>]| {
        let mut texts: Vec<&str> = values.iter().map(|value| value.value.as_str()).collect();
        texts.sort_unstable();
        format!("{texts:?}")
    };
    let principal = statement.principal.as_ref().map(|principal| {
        let who = match &principal.who {
            Who::Everyone => "*".to_owned(),
            Who::Named(kinds) => {
                let mut kinds: Vec<String> =
                    kinds.iter().map(|(kind, names)| format!("{}{}", kind.as_str(), sorted(names))).collect();
                kinds.sort_unstable();
                kinds.concat()
            }
        };
        (principal.not, who)
    });
    let mut conditions: Vec<String> = statement
        .conditions
        .iter()
        .map(|condition| {
            let mut values: Vec<&str> =
                condition.values.iter().map(|value| value.value.text.as_str()).collect();
            values.sort_unstable();
            format!(
                "{:?} {:?} {values:?}",
                condition.operator.value,
                condition.key.value.to_ascii_lowercase()
            )
        })
        .collect();
    conditions.sort_unstable();
    format!("{} {principal:?} {conditions:?}", statement.allows())
}

fn covers_statement(wide: &DraftStatement, narrow: &DraftStatement) -> bool {
    covers_list(wide.action.as_ref(), narrow.action.as_ref(), str::to_ascii_lowercase)
        && covers_list(wide.resource.as_ref(), narrow.resource.as_ref(), str::to_owned)
}

fn covers_list(wide: Option<&Listed>, narrow: Option<&Listed>, fold: fn(&str) -> String) -> bool {
    match (wide, narrow) {
        (None, None) => true,
        (Some(wide), Some(narrow)) => {
            let fold_all =
                |list: &Listed| list.values.iter().map(|value| fold(&value.value)).collect::<Vec<_>>();
            let (wide_values, narrow_values) = (fold_all(wide), fold_all(narrow));
            match (wide.not, narrow.not) {
                (false, false) => {
                    !narrow_values.is_empty()
                        && narrow_values
                            .iter()
                            .all(|value| wide_values.iter().any(|pattern| covers(pattern, value)))
                }
                // All but a few is more than all but those and others.
                (true, true) => {
                    wide_values.iter().all(|value| narrow_values.iter().any(|pattern| covers(pattern, value)))
                }
                (false, true) => wide_values.iter().any(|value| value == "*"),
                (true, false) => false,
            }
        }
        _ => false,
    }
}
