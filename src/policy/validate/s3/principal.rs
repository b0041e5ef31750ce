//! Principals of a bucket policy: whom a `NotPrincipal` really spares, and which variables they have.

use crate::policy::document::{Kind, Located, Position, PrincipalKind, Who};
use crate::policy::finding::code::s3;
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::json::quote;
use crate::policy::parse::DraftStatement;
use crate::policy::validate::arn::{self, Arn};
use crate::policy::validate::subject::Subject;

/// The variable that only users have.
const USER_NAME: &str = "${aws:username}";

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    if subject.kind != Kind::Bucket {
        return;
    }
    for statement in &subject.draft.statements {
        let Some(principal) = &statement.principal else { continue };
        let Who::Named(kinds) = &principal.who else { continue };
        let names: &[Located<String>] =
            kinds.iter().find(|(kind, _)| *kind == PrincipalKind::Aws).map_or(&[], |(_, names)| names);
        if principal.not && statement.denies() {
            check_spared(names, report);
        }
        if !principal.not && kinds.len() == 1 && subject.has_variables() {
            check_user_name(statement, names, report);
        }
    }
}

/// A request comes from an identity and from its account; both must be spared.
fn check_spared(names: &[Located<String>], report: &mut Report) {
    let mut told: Vec<&str> = Vec::new();
    for name in names {
        let Some(arn) =
            Arn::parse(&name.value).filter(|arn| arn::is_account(arn.account) && arn.resource != "root")
        else {
            continue;
        };
        let is_account_of = |other: &str| {
            other == arn.account
                || Arn::parse(other)
                    .is_some_and(|other| other.resource == "root" && other.account == arn.account)
        };
        if told.contains(&arn.account) || names.iter().any(|other| is_account_of(&other.value)) {
            continue;
        }
        let root = Arn { service: "iam", region: "", resource: "root", ..arn }.to_string();
        report
            .add(
                &s3::NOT_PRINCIPAL_WITHOUT_ACCOUNT,
                name.at,
                format!("{} is denied all the same: its account is not spared", shown(&name.value)),
            )
            .help(format!(
                "list {} too; better, deny everybody under ArnNotEquals on `aws:PrincipalArn`",
                shown(&root)
            ))
            .repair([Edit::InsertAfter(name.at, quote(&root))]);
        told.push(arn.account);
    }
}

/// Roles and their sessions have no user name, so the variable matches nothing.
fn check_user_name(statement: &DraftStatement, names: &[Located<String>], report: &mut Report) {
    let is_role = |name: &Located<String>| {
        Arn::parse(&name.value).is_some_and(|arn| {
            let (iam, sts) = (arn.service == "iam", arn.service == "sts");
            (iam && arn.resource.starts_with("role/")) || (sts && arn.resource.starts_with("assumed-role/"))
        })
    };
    if names.is_empty() || !names.iter().all(is_role) {
        return;
    }
    let resources = statement.all_resources().iter().map(|resource| (resource.value.as_str(), resource.at));
    let values = statement.conditions.iter().flat_map(|condition| &condition.values);
    let texts = resources.chain(values.map(|value| (value.value.text.as_str(), value.at)));
    let found: Option<(&str, Position)> =
        texts.into_iter().find(|(text, _)| text.to_ascii_lowercase().contains(USER_NAME));
    if let Some((text, at)) = found {
        report
            .add(
                &s3::VARIABLE_WITHOUT_VALUE,
                at,
                format!("{} matches nothing: roles have no user name", shown(text)),
            )
            .help("take a tag of the role, `${aws:PrincipalTag/name}`, or the session with `${aws:userid}`");
    }
}
