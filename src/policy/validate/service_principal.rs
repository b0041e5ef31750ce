//! AWS services as principals: they act for other accounts, too, unless a condition says for whom.

use super::subject::{Statement, Subject};
use crate::policy::document::{Located, PrincipalKind, Who};
use crate::policy::finding::code::{errors, security_warnings, suggestions};
use crate::policy::finding::report::{Report, shown};

/// The keys that say for whom a service acts.
const FOR_WHOM: [&str; 4] = ["aws:SourceArn", "aws:SourceAccount", "aws:SourceOrgID", "aws:SourceOrgPaths"];

/// Keys about the principal, which a service does not have.
const OF_PRINCIPAL: [&str; 6] = [
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:userid",
    "aws:username",
];

/// Keys that say something else of a call by a service.
const OTHER: [&str; 6] = [
    "aws:SourceOwner",
    "aws:SourceIp",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:PrincipalServiceName",
    "aws:PrincipalIsAWSService",
];

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for statement in &subject.statements {
        let services = services(statement);
        for service in services {
            check_form(service, report);
        }
        let is_positive = statement.draft.principal.as_ref().is_some_and(|principal| !principal.not);
        if let (Some(first), true) = (services.first(), statement.draft.allows() && is_positive) {
            check_conditions(statement, first, report);
        }
    }
}

fn services<'a>(statement: &Statement<'a>) -> &'a [Located<String>] {
    let Some(Who::Named(kinds)) = statement.draft.principal.as_ref().map(|principal| &principal.who) else {
        return &[];
    };
    kinds.iter().find(|(kind, _)| *kind == PrincipalKind::Service).map_or(&[], |(_, names)| names)
}

fn check_form(service: &Located<String>, report: &mut Report) {
    let text = service.value.as_str();
    let name = [".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu"]
        .iter()
        .find_map(|suffix| text.strip_suffix(suffix));
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let is_known = name.is_some_and(|name| name.split('.').all(is_label));
    if is_known || text.contains("${") {
        return;
    }
    report
        .add(
            &errors::INVALID_SERVICE_PRINCIPAL_FORMAT,
            service.at,
            format!("{} is no name of a service", shown(text)),
        )
        .help("write `service.amazonaws.com`, for example `logging.s3.amazonaws.com`");
}

fn check_conditions(statement: &Statement<'_>, service: &Located<String>, report: &mut Report) {
    let is_one_of = |keys: &[&str], key: &str| keys.iter().any(|known| known.eq_ignore_ascii_case(key));
    for condition in &statement.draft.conditions {
        let key = condition.key.value.as_str();
        if is_one_of(&OF_PRINCIPAL, key) || key.to_ascii_lowercase().starts_with("aws:principaltag/") {
            report
                .add(
                    &errors::UNSUPPORTED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL,
                    condition.key.at,
                    format!("{} has no value when {} calls", shown(key), shown(&service.value)),
                )
                .help("compare `aws:SourceArn`, `aws:SourceAccount` or `aws:SourceOrgID`");
        }
    }
    if statement.draft.conditions.iter().any(|condition| is_one_of(&FOR_WHOM, &condition.key.value)) {
        return;
    }
    let help = "compare `aws:SourceAccount`, `aws:SourceArn` or `aws:SourceOrgID`";
    match statement.draft.conditions.iter().find(|condition| is_one_of(&OTHER, &condition.key.value)) {
        Some(other) => report
            .add(
                &suggestions::RECOMMENDED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL,
                other.key.at,
                format!("{} does not say for whom {} acts", shown(&other.key.value), shown(&service.value)),
            )
            .help(help),
        None => report
            .add(
                &security_warnings::RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL,
                service.at,
                format!("{} may come here for anybody's account", shown(&service.value)),
            )
            .help(help),
    };
}
