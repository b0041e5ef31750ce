//! Keys that protect by an exact value: an account, an organization, a network.

use super::pattern::{has_variable, has_wildcard};
use super::subject::{Statement, Subject};
use crate::policy::condition::{Base, Operator};
use crate::policy::document::{Condition, ConditionValue, Located};
use crate::policy::finding::code::errors;
use crate::policy::finding::report::{Report, shown};

/// How much of the value must be written out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// All of it.
    Whole,
    /// What comes first, as the organization before its units.
    Beginning,
}

/// The characters that must come before the first wildcard or variable.
const BEGINNING: usize = 6;

const KEYS: [(&str, Need); 14] = [
    ("aws:PrincipalAccount", Need::Whole),
    ("aws:PrincipalOrgID", Need::Whole),
    ("aws:PrincipalOrgPaths", Need::Beginning),
    ("aws:ResourceAccount", Need::Whole),
    ("aws:ResourceOrgID", Need::Whole),
    ("aws:ResourceOrgPaths", Need::Beginning),
    ("aws:SourceAccount", Need::Whole),
    ("aws:SourceOrgID", Need::Whole),
    ("aws:SourceOrgPaths", Need::Beginning),
    ("aws:SourceOwner", Need::Whole),
    ("aws:SourceVpc", Need::Beginning),
    ("aws:SourceVpce", Need::Beginning),
    ("aws:VpceAccount", Need::Whole),
    ("aws:VpceOrgID", Need::Whole),
];

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for (statement, condition, operator) in subject.readable_conditions() {
        let need = KEYS
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(&condition.key.value))
            .map(|(_, need)| *need);
        if let Some(need) = need.filter(|_| protects(statement, operator)) {
            for value in &condition.values {
                check_value(condition, operator, need, value, report);
            }
        }
    }
}

/// Allow what matches, or deny what does not.
fn protects(statement: &Statement<'_>, operator: Operator) -> bool {
    if operator.negated { statement.draft.denies() } else { statement.draft.allows() }
}

fn check_value(
    condition: &Condition,
    operator: Operator,
    need: Need,
    value: &Located<ConditionValue>,
    report: &mut Report,
) {
    let text = value.value.text.as_str();
    // The same value on both sides: `${aws:PrincipalAccount}` for the account of the resource is exact.
    let is_exact_variable =
        text.starts_with("${aws:Principal") && text.ends_with('}') && text.matches("${").count() == 1;
    let is_open = |end: Option<usize>| match need {
        Need::Whole => true,
        Need::Beginning => end.is_none_or(|end| end < BEGINNING),
    };
    let help = match need {
        Need::Whole => "write the exact value".to_owned(),
        Need::Beginning => format!("write at least the first {BEGINNING} characters out"),
    };
    let key = shown(&condition.key.value);
    if operator.base == Base::StringLike && has_wildcard(text) && is_open(text.find(['*', '?'])) {
        report
            .add(
                &errors::WILDCARD_USAGE_TOO_PERMISSIVE,
                value.at,
                format!("the wildcard in {} lets in more than {key} should", shown(text)),
            )
            .help(help.clone());
    }
    if has_variable(text) && !is_exact_variable && is_open(text.find("${")) {
        report
            .add(
                &errors::VARIABLE_USAGE_TOO_PERMISSIVE,
                value.at,
                format!("the variable in {} lets the caller choose {key}", shown(text)),
            )
            .help(help);
    }
}
