//! Keys that are safe only next to another key, or that need another action.

use super::subject::{Statement, Subject};
use crate::policy::document::Condition;
use crate::policy::finding::code::{errors, security_warnings};
use crate::policy::finding::report::{Report, shown};

/// Addresses inside of a VPC: any VPC of the world may use them.
const PAIRS: [(&str, &[&str]); 2] = [
    ("aws:VpcSourceIp", &["aws:SourceVpc", "aws:SourceVpce", "aws:SourceVpcArn"]),
    ("aws:Ec2InstanceSourcePrivateIPv4", &["aws:Ec2InstanceSourceVpc"]),
];

/// Keys that only a request with a second action carries.
const COMPANIONS: [(&str, &str); 4] = [
    ("sts:SourceIdentity", "sts:SetSourceIdentity"),
    ("sts:TransitiveTagKeys", "sts:TagSession"),
    ("aws:RequestTag/", "sts:TagSession"),
    ("aws:TagKeys", "sts:TagSession"),
];

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for (statement, condition) in subject.conditions() {
        check_pair(statement, condition, report);
        check_companion(statement, condition, report);
        check_attributes(statement, condition, report);
    }
}

fn check_pair(statement: &Statement<'_>, condition: &Condition, report: &mut Report) {
    let key = condition.key.value.as_str();
    let Some((_, partners)) = PAIRS.iter().find(|(known, _)| known.eq_ignore_ascii_case(key)) else { return };
    if partners.iter().any(|partner| statement.has_key(partner)) {
        return;
    }
    report
        .add(
            &security_warnings::MISSING_PAIRED_CONDITION_KEYS,
            condition.key.at,
            format!("every VPC can have the addresses that {} names", shown(key)),
        )
        .help(format!("compare `{}` in the same statement", partners.join("` or `")));
}

/// In an Allow to assume a role, a key of the session needs the action that lets the session have it.
fn check_companion(statement: &Statement<'_>, condition: &Condition, report: &mut Report) {
    let begins = |text: &str, known: &str| {
        text.get(..known.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(known))
    };
    let key = condition.key.value.as_str();
    let is_key = |known: &str| begins(key, known) && (known.ends_with('/') || key.len() == known.len());
    let Some((_, companion)) = COMPANIONS.iter().find(|(known, _)| is_key(known)) else { return };
    let assumes = statement.draft.actions().iter().any(|action| begins(&action.value, "sts:AssumeRole"));
    if !statement.draft.allows() || !assumes || statement.reaches(companion) {
        return;
    }
    report
        .add(
            &errors::MISSING_ACTION_FOR_CONDITION_KEY,
            condition.key.at,
            format!("{} needs `{companion}`, which the statement does not list", shown(&condition.key.value)),
        )
        .help(format!("add `{companion}` to the actions"));
}

/// A query that names no attributes gets all of them.
fn check_attributes(statement: &Statement<'_>, condition: &Condition, report: &mut Report) {
    let is_limit = condition.key.value.eq_ignore_ascii_case("dynamodb:Attributes");
    if !is_limit || !statement.draft.allows() || statement.has_key("dynamodb:Select") {
        return;
    }
    report
        .add(
            &security_warnings::DYNAMODB_ATTRIBUTES_WITHOUT_SELECT,
            condition.key.at,
            "a request that names no attributes gets all of them",
        )
        .help("compare `dynamodb:Select` with `SPECIFIC_ATTRIBUTES` in the same statement, under StringEqualsIfExists");
}
