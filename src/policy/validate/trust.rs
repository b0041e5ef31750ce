//! Trust policies: who may assume a role, and how they sign in.

use super::principal;
use super::subject::{Statement, Subject};
use crate::policy::document::{Kind, Located, PrincipalKind, Who};
use crate::policy::finding::code::{errors, suggestions};
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::json::quote;

mod provider;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    if subject.kind != Kind::Trust {
        return;
    }
    for statement in &subject.statements {
        check_elements(statement, report);
        check_sessions(statement, report);
        check_roles_anywhere(statement, report);
        provider::check(statement, report);
    }
}

fn check_elements(statement: &Statement<'_>, report: &mut Report) {
    if let Some(at) = statement.draft.resource_at {
        report
            .add(&errors::ROLE_TRUST_POLICY_SYNTAX_ERROR_RESOURCE, at, "a trust policy has no Resource")
            .help("take it away; the policy is about its role")
            .repair([Edit::Remove(at)]);
    }
    let Some(element) = &statement.draft.principal else { return };
    if element.not {
        report
            .add(
                &errors::ROLE_TRUST_POLICY_SYNTAX_ERROR_NOTPRINCIPAL,
                element.at,
                "a trust policy has no NotPrincipal",
            )
            .help("name in Principal who may assume the role");
    } else if statement.draft.allows() && principal::is_everyone(&element.who) {
        report
            .add(
                &errors::ROLE_TRUST_POLICY_UNSUPPORTED_WILDCARD_IN_PRINCIPAL,
                element.at,
                "the role can be assumed from every account of AWS",
            )
            .help("name the accounts, users or roles that may assume it");
    }
}

/// The names of one kind of principal.
fn names<'a>(statement: &Statement<'a>, wanted: PrincipalKind) -> &'a [Located<String>] {
    let Some(Who::Named(kinds)) = statement.draft.principal.as_ref().map(|principal| &principal.who) else {
        return &[];
    };
    kinds.iter().find(|(kind, _)| *kind == wanted).map_or(&[], |(_, names)| names)
}

/// The account and name of the role of a session.
fn role_of_session(text: &str) -> Option<(&str, &str)> {
    let (account, rest) = text.strip_prefix("arn:aws:sts::")?.split_once(':')?;
    let (role, _) = rest.strip_prefix("assumed-role/")?.split_once('/')?;
    Some((account, role))
}

fn check_sessions(statement: &Statement<'_>, report: &mut Report) {
    let listed = names(statement, PrincipalKind::Aws);
    for session in listed {
        let Some((account, role)) = role_of_session(&session.value) else { continue };
        let prefix = format!("arn:aws:iam::{account}:role/");
        let covering = listed.iter().find(|other| {
            other.value.strip_prefix(&prefix).is_some_and(|path| path.rsplit('/').next() == Some(role))
        });
        if let Some(covering) = covering {
            report
                .add(
                    &suggestions::REDUNDANT_PRINCIPAL_IN_ROLE_TRUST_POLICY,
                    session.at,
                    format!("{} covers its session {}", shown(&covering.value), shown(&session.value)),
                )
                .help("take the session away")
                .repair([Edit::Remove(session.at)]);
        }
    }
}

fn check_roles_anywhere(statement: &Statement<'_>, report: &mut Report) {
    const NEEDED: [&str; 3] = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"];
    let services = names(statement, PrincipalKind::Service);
    let Some(service) = services.iter().find(|name| name.value == "rolesanywhere.amazonaws.com") else {
        return;
    };
    let missing: Vec<&str> = NEEDED.into_iter().filter(|action| !statement.reaches(action)).collect();
    let last = statement.draft.actions().last().filter(|_| !missing.is_empty() && statement.draft.allows());
    let Some(last) = last else { return };
    let added = missing.iter().map(|action| quote(action)).collect::<Vec<_>>().join(", ");
    report
        .add(
            &errors::MISSING_ACTION_FOR_ROLES_ANYWHERE_TRUST_POLICY,
            service.at,
            format!("IAM Roles Anywhere also needs `{}`", missing.join("` and `")),
        )
        .help("allow `sts:AssumeRole`, `sts:TagSession` and `sts:SetSourceIdentity`")
        .repair([Edit::InsertAfter(last.at, added)]);
}
