//! Policies of an organization: service control policies and resource control policies.

use super::pattern::has_wildcard;
use super::principal;
use super::subject::{Statement, Subject};
use crate::policy::catalogue;
use crate::policy::condition::{Base, Operator};
use crate::policy::document::Kind;
use crate::policy::finding::code::{errors, warnings};
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::parse::DraftStatement;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for statement in &subject.statements {
        match subject.kind {
            Kind::Scp => check_service_control(statement.draft, report),
            Kind::Rcp => {
                check_resource_control(statement.draft, report);
                check_services(statement, report);
            }
            Kind::Identity | Kind::Bucket | Kind::Trust => {}
        }
    }
}

fn check_service_control(statement: &DraftStatement, report: &mut Report) {
    if let Some(at) = statement.principal_at {
        report
            .add(&errors::SCP_SYNTAX_ERROR_PRINCIPAL, at, "a service control policy names no principal")
            .help("take it away; the policy is for the accounts it is attached to")
            .repair([Edit::Remove(at)]);
    }
    for action in statement.actions().iter().filter(|action| has_wildcard_before_end(&action.value)) {
        report
            .add(
                &warnings::SCP_SYNTAX_ERROR_ACTION_WILDCARD,
                action.at,
                format!("{} has a wildcard before its end", shown(&action.value)),
            )
            .help("AWS takes it since September 2025; tools that are older want `*` at the end alone");
    }
}

/// `s3:*` and `s3:Get*` end in their only wildcard.
fn has_wildcard_before_end(action: &str) -> bool {
    action.strip_suffix('*').unwrap_or(action).contains(['*', '?'])
}

fn check_resource_control(statement: &DraftStatement, report: &mut Report) {
    if let Some(effect) = statement.effect.as_ref().filter(|_| statement.allows()) {
        report
            .add(
                &errors::RCP_SYNTAX_ERROR_ALLOW,
                effect.at,
                "a resource control policy of your own only denies",
            )
            .help("write a Deny; the policy RCPFullAWSAccess allows already");
    }
    if let Some(element) = &statement.principal
        && (element.not || !principal::is_everyone(&element.who))
    {
        report
            .add(
                &errors::RCP_SYNTAX_ERROR_PRINCIPAL,
                element.at,
                "the principal of a resource control policy is everybody",
            )
            .help("write `\"Principal\": \"*\"` and name whom you mean in Condition");
    }
    if let Some(action) = statement.action.as_ref().filter(|action| action.not) {
        report
            .add(&errors::RCP_SYNTAX_ERROR_NOTACTION, action.at, "a resource control policy has no NotAction")
            .help("list the actions in Action");
    }
    for action in statement.actions() {
        let Some((prefix, _)) = action.value.split_once(':') else { continue };
        if !has_wildcard(prefix)
            && catalogue::get().has_service(prefix)
            && !catalogue::get().has_resource_control(prefix)
        {
            report
                .add(
                    &errors::RCP_SYNTAX_ERROR_ACTION,
                    action.at,
                    format!("resource control policies do not reach {}", shown(prefix)),
                )
                .help("take the action away; see the services that resource control policies reach");
        }
    }
}

/// Keys about the principal; an AWS service has none of them.
const OF_PRINCIPAL: [&str; 4] =
    ["aws:PrincipalAccount", "aws:PrincipalArn", "aws:PrincipalOrgID", "aws:PrincipalOrgPaths"];

/// Keys about whom a service acts for; only calls of services have them, and not all.
const OF_SOURCE: [&str; 4] = ["aws:SourceAccount", "aws:SourceArn", "aws:SourceOrgID", "aws:SourceOrgPaths"];

/// A Deny of all but one's own also meets what has no such value.
fn check_services(statement: &Statement<'_>, report: &mut Report) {
    if !statement.draft.denies() || statement.draft.conditions.is_empty() {
        return;
    }
    let negated = |keys: &[&str]| {
        statement.draft.conditions.iter().find(|condition| {
            keys.iter().any(|key| key.eq_ignore_ascii_case(&condition.key.value))
                && Operator::parse(&condition.operator.value).is_ok_and(|operator| operator.negated)
        })
    };
    let asks_for_service = statement.has_key("aws:PrincipalIsAWSService");
    if let Some(condition) = negated(&OF_PRINCIPAL).filter(|_| !asks_for_service) {
        report
            .add(
                &warnings::RCP_MISSING_RELATED_PRINCIPAL_CONDITION_KEY,
                condition.key.at,
                format!("AWS services have no {}, so they are denied too", shown(&condition.key.value)),
            )
            .help("add `\"BoolIfExists\": {\"aws:PrincipalIsAWSService\": \"false\"}`");
    }
    let Some(condition) = negated(&OF_SOURCE) else { return };
    let key = shown(&condition.key.value);
    if !asks_for_service {
        report
            .add(
                &warnings::RCP_MISSING_RELATED_SERVICE_PRINCIPAL_CONDITION_KEY,
                condition.key.at,
                format!("who is no AWS service has no {key}, and is denied too"),
            )
            .help("add `\"Bool\": {\"aws:PrincipalIsAWSService\": \"true\"}`");
    }
    let is_null_check = |base: Base, key: &str| {
        base == Base::Null && OF_SOURCE.iter().any(|known| known.eq_ignore_ascii_case(key))
    };
    let has_null_check = statement.draft.conditions.iter().any(|other| {
        Operator::parse(&other.operator.value)
            .is_ok_and(|operator| is_null_check(operator.base, &other.key.value))
    });
    if !has_null_check {
        report
            .add(
                &warnings::RCP_MISSING_SERVICE_CONDITION_KEY_NULL_CHECK,
                condition.key.at,
                format!("not every call of a service has {key}, and those without are denied too"),
            )
            .help("add `\"Null\": {\"aws:SourceAccount\": \"false\"}`");
    }
}
