//! Principals: the forms of their names, and the danger of `NotPrincipal`.

use super::arn::{self, Arn};
use super::pattern::has_wildcard;
use super::subject::Subject;
use crate::policy::document::{Kind, Located, PrincipalKind, Principals, Who};
use crate::policy::finding::Rule;
use crate::policy::finding::code::{errors, security_warnings, warnings};
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::json::quote;
use crate::policy::parse::DraftStatement;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for statement in &subject.draft.statements {
        let Some(principal) = &statement.principal else { continue };
        if principal.not {
            check_negated(statement, principal, report);
        }
        let Who::Named(kinds) = &principal.who else { continue };
        for (kind, names) in kinds {
            for name in names {
                check_name(subject.kind, *kind, name, report);
            }
        }
    }
}

fn check_negated(statement: &DraftStatement, principal: &Principals, report: &mut Report) {
    if statement.allows() {
        report
            .add(
                &security_warnings::ALLOW_WITH_NOT_PRINCIPAL,
                principal.at,
                "the statement allows everybody but those named, also who does not sign; S3 refuses it",
            )
            .help("name in Principal whom you mean; to leave some out, deny them");
    }
}

fn check_name(document: Kind, kind: PrincipalKind, name: &Located<String>, report: &mut Report) {
    match kind {
        PrincipalKind::Aws => check_aws(name, report),
        PrincipalKind::CanonicalUser => check_canonical(name, report),
        PrincipalKind::Federated if document != Kind::Trust => {
            report
                .add(
                    &errors::FEDERATED_PRINCIPAL_NOT_SUPPORTED,
                    name.at,
                    format!("{} is an identity provider, which only trust policies name", shown(&name.value)),
                )
                .help("name the role that its users assume");
        }
        // Services have a file of their own, providers too.
        PrincipalKind::Service | PrincipalKind::Federated => {}
    }
}

fn check_aws(name: &Located<String>, report: &mut Report) {
    let text = name.value.as_str();
    // A variable here is told by `variable`.
    if text == "*" || arn::is_account(text) || text.contains("${") {
        return;
    }
    if has_wildcard(text) {
        report
            .add(
                &errors::UNSUPPORTED_WILDCARD_IN_PRINCIPAL,
                name.at,
                format!("the wildcard in {} stands for a part of the name", shown(text)),
            )
            .help("write `*` and compare `aws:PrincipalArn` under ArnLike with the pattern");
        return;
    }
    if let Some((rule, what)) = deleted(text) {
        report
            .add(
                rule,
                name.at,
                format!("{} is the id of a {what}; IAM shows it when the {what} was deleted", shown(text)),
            )
            .help(format!("name the ARN of the {what}, or take it away"));
        return;
    }
    let is_known = Arn::parse(text).is_some_and(|arn| match arn.service {
        "iam" => {
            (arn::is_account(arn.account) || arn.account == "cloudfront")
                && (arn.resource == "root"
                    || arn.resource.starts_with("user/")
                    || arn.resource.starts_with("role/"))
        }
        "sts" => {
            arn::is_account(arn.account)
                && (arn.resource.starts_with("assumed-role/") || arn.resource.starts_with("federated-user/"))
        }
        _ => false,
    });
    if !is_known {
        let remark = report.add(
            &errors::INVALID_PRINCIPAL_FORMAT,
            name.at,
            format!("{} is no account, user, role or session", shown(text)),
        );
        if Arn::parse(text).is_some_and(|arn| arn.service == "iam" && arn.resource.starts_with("group/")) {
            remark.help("a group is no principal; name its users or a role");
        } else if text.ends_with(".amazonaws.com") {
            remark.help("a service goes under `Service`");
        } else {
            remark.help("write `arn:aws:iam::111122223333:role/name` or twelve digits");
        }
    }
}

/// The rule for a unique id that stands in place of an ARN.
fn deleted(text: &str) -> Option<(&'static Rule, &'static str)> {
    let is_id =
        text.len() >= 16 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if is_id && text.starts_with("AROA") {
        Some((&warnings::INVALID_ROLE_REFERENCE, "role"))
    } else if is_id && text.starts_with("AIDA") {
        Some((&warnings::INVALID_USER_REFERENCE, "user"))
    } else {
        None
    }
}

fn check_canonical(name: &Located<String>, report: &mut Report) {
    let text = name.value.as_str();
    let is_id = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id || text.contains("${") {
        return;
    }
    let remark = report.add(
        &errors::INVALID_PRINCIPAL_FORMAT,
        name.at,
        format!("{} is no canonical user id", shown(text)),
    );
    remark.help("write the 64 hexadecimal digits that S3 shows for the account");
    if text.trim() != text && text.trim().len() == 64 {
        remark.repair([Edit::Replace(name.at, quote(text.trim()))]);
    }
}

/// Whether everybody is meant.
pub(super) fn is_everyone(who: &Who) -> bool {
    match who {
        Who::Everyone => true,
        Who::Named(kinds) => kinds
            .iter()
            .any(|(kind, names)| *kind == PrincipalKind::Aws && names.iter().any(|name| name.value == "*")),
    }
}
