//! Rights that lead to others: passing a role to a service, and making service-linked roles.

use super::pattern::has_wildcard;
use super::subject::{Statement, Subject};
use crate::policy::document::Position;
use crate::policy::finding::Rule;
use crate::policy::finding::code::{security_warnings as security, warnings};
use crate::policy::finding::report::Report;

/// An action and its rules, by how it and its resources are reached.
struct Danger {
    action: &'static str,
    /// Wide resources with: the action named, a pattern, `NotAction`.
    star: [&'static Rule; 3],
    /// `NotResource` with the same.
    not_resource: [&'static Rule; 3],
    what: &'static str,
    help: &'static str,
}

static DANGERS: [Danger; 2] = [
    Danger {
        action: "iam:PassRole",
        star: [
            &security::PASS_ROLE_WITH_STAR_IN_RESOURCE,
            &security::PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE,
            &security::PASS_ROLE_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION,
        ],
        not_resource: [
            &security::PASS_ROLE_WITH_NOT_RESOURCE,
            &security::PASS_ROLE_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE,
            &security::PASS_ROLE_WITH_NOT_ACTION_AND_NOT_RESOURCE,
        ],
        what: "pass any role to a service, and so get its rights",
        help: "allow `iam:PassRole` in a statement of its own, with the ARNs of the roles",
    },
    Danger {
        action: "iam:CreateServiceLinkedRole",
        star: [
            &warnings::CREATE_SLR_WITH_STAR_IN_RESOURCE,
            &warnings::CREATE_SLR_WITH_STAR_IN_ACTION_AND_RESOURCE,
            &warnings::CREATE_SLR_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION,
        ],
        not_resource: [
            &warnings::CREATE_SLR_WITH_NOT_RESOURCE,
            &warnings::CREATE_SLR_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE,
            &warnings::CREATE_SLR_WITH_NOT_ACTION_AND_NOT_RESOURCE,
        ],
        what: "make service-linked roles of every service",
        help: "allow `iam:CreateServiceLinkedRole` in a statement of its own, with the ARNs of the roles",
    },
];

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for statement in subject.statements.iter().filter(|statement| statement.draft.allows()) {
        for danger in &DANGERS {
            check_danger(statement, danger, report);
        }
    }
}

fn check_danger(statement: &Statement<'_>, danger: &Danger, report: &mut Report) {
    if !statement.reaches(danger.action) || is_limited(statement) {
        return;
    }
    let reach = if statement.draft.not_actions().is_some() {
        2
    } else {
        let is_named =
            statement.draft.actions().iter().any(|action| action.value.eq_ignore_ascii_case(danger.action));
        usize::from(!is_named)
    };
    let (rules, at) = if statement.draft.not_resources().is_some() {
        (danger.not_resource, statement.draft.resource_at)
    } else {
        let wide = statement.draft.resources().iter().find(|resource| is_wide(&resource.value));
        (danger.star, wide.map(|resource| resource.at))
    };
    let (Some(rule), Some(at)) = (rules.get(reach), at) else { return };
    tell(rule, at, danger, report);
}

fn tell(rule: &'static Rule, at: Position, danger: &Danger, report: &mut Report) {
    report.add(rule, at, format!("whoever has this policy can {}", danger.what)).help(danger.help);
}

/// Every role of an account, or of all.
fn is_wide(resource: &str) -> bool {
    resource == "*"
        || (has_wildcard(resource)
            && (resource.ends_with(":role/*") || resource.ends_with(":*") || !resource.contains('/')))
}

/// Whether the services that get the role are named.
fn is_limited(statement: &Statement<'_>) -> bool {
    ["iam:PassedToService", "iam:AWSServiceName", "iam:AssociatedResourceArn"]
        .iter()
        .any(|key| statement.has_key(key))
}
