//! Actions: whether they exist, and what was meant by those that do not.

use super::nearest::nearest;
use super::pattern::{has_dollar, has_wildcard, matches_action};
use super::s3::operation_names;
use super::subject::{Statement, Subject};
use crate::policy::catalogue;
use crate::policy::document::{Kind, Located};
use crate::policy::finding::code::{errors, s3, suggestions};
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::json::quote;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for statement in &subject.statements {
        for (action, named) in statement.draft.all_actions().iter().zip(&statement.named) {
            if named.is_none() {
                check_action(statement, action, report);
            }
            if subject.kind == Kind::Bucket {
                check_bucket_action(action, report);
            }
        }
    }
}

fn check_action(statement: &Statement<'_>, action: &Located<String>, report: &mut Report) {
    // What is wrong with a variable here is told by `variable`.
    if action.value == "*" || has_dollar(&action.value) {
        return;
    }
    let Some((prefix, name)) = action.value.split_once(':') else {
        without_service(action, report);
        return;
    };
    if has_wildcard(prefix) {
        let message = format!(
            "{} has a wildcard in the name of its service, so it matches nothing",
            shown(&action.value)
        );
        report
            .add(&suggestions::WILDCARD_IN_SERVICE_NAME, action.at, message)
            .help(format!("name the service: `s3:{name}`; for every action of every service write `*`"));
    } else if !catalogue::get().has_service(prefix) {
        unknown_service(action, prefix, name, report);
    } else if let Some(service) = catalogue::get().service(prefix) {
        let found = if has_wildcard(name) {
            statement.draft.action.is_some()
                && service.actions().any(|known| matches_action(name, &known.name))
        } else {
            service.action(name).is_some()
        };
        if !found {
            unknown_action(statement, action, prefix, name, report);
        }
    }
}

/// An action without a colon.
fn without_service(action: &Located<String>, report: &mut Report) {
    let message = format!("the action {} names no service", shown(&action.value));
    let remark = report.add(&errors::INVALID_ACTION, action.at, message);
    let services = services_with(&action.value);
    let meant = services.iter().find(|prefix| **prefix == "s3").or_else(|| services.first());
    match meant {
        Some(prefix) => {
            let full = format!("{prefix}:{}", action.value);
            remark.help(format!("write `{full}`")).repair([Edit::Replace(action.at, quote(&full))]);
        }
        None => {
            remark.help("write `service:Name`, for example `s3:GetObject`; for every action write `*`");
        }
    }
}

/// The services, of those known in detail, that have an action of this name.
fn services_with(name: &str) -> Vec<&'static str> {
    let mut services: Vec<&str> = catalogue::get()
        .detailed()
        .filter(|(_, service)| service.action(name).is_some())
        .map(|(prefix, _)| prefix)
        .collect();
    services.sort_unstable();
    services
}

fn unknown_service(action: &Located<String>, prefix: &str, name: &str, report: &mut Report) {
    let date = &catalogue::get().date;
    let message = format!("the service {} is unknown to the catalogue of {date}", shown(prefix));
    let is_crowded = report.is_crowded();
    let remark = report.add(&errors::INVALID_SERVICE_IN_ACTION, action.at, message);
    if let Some(known) = nearest(prefix, catalogue::get().services().filter(|_| !is_crowded)) {
        let meant = format!("{known}:{name}");
        remark.help(format!("perhaps {} is meant", shown(&meant)));
    } else {
        remark.help("write the prefix of the service, for example `s3`");
    }
}

fn unknown_action(
    statement: &Statement<'_>,
    action: &Located<String>,
    prefix: &str,
    name: &str,
    report: &mut Report,
) {
    if prefix.eq_ignore_ascii_case("s3")
        && let Some(meant) = operation_names::actions_of(name)
    {
        operation_name(statement, action, meant, report);
        return;
    }
    let date = &catalogue::get().date;
    let what = if has_wildcard(name) { "matches no action in" } else { "is unknown to" };
    let message = format!("the action {} {what} the catalogue of {date}", shown(&action.value));
    let is_crowded = report.is_crowded();
    let remark = report.add(&errors::INVALID_ACTION, action.at, message);
    let elsewhere = services_with(name).into_iter().next();
    let near = catalogue::get()
        .service(prefix)
        .filter(|_| !is_crowded)
        .and_then(|service| nearest(name, service.actions().map(|known| known.name.as_str())));
    let meant = match (near, elsewhere) {
        (Some(known), _) => format!("{prefix}:{known}"),
        (None, Some(other)) => format!("{other}:{name}"),
        (None, None) => {
            remark.help("see the actions of the service in the AWS service authorization reference");
            return;
        }
    };
    remark.help(format!("write `{meant}`"));
    if statement.draft.all_actions().iter().all(|other| !other.value.eq_ignore_ascii_case(&meant)) {
        remark.repair([Edit::Replace(action.at, quote(&meant))]);
    }
}

/// The name of an operation of S3, such as `HeadObject`, that other actions allow.
fn operation_name(statement: &Statement<'_>, action: &Located<String>, meant: &[&str], report: &mut Report) {
    let listed = statement.draft.all_actions();
    let missing: Vec<&&str> = meant
        .iter()
        .filter(|name| listed.iter().all(|other| !other.value.eq_ignore_ascii_case(name)))
        .collect();
    let edit = if missing.is_empty() {
        Edit::Remove(action.at)
    } else {
        Edit::ReplaceWithAll(action.at, missing.iter().map(|name| quote(name)).collect())
    };
    let message = format!("{} is an operation, not an action", shown(&action.value));
    report
        .add(&s3::API_NAME_NOT_ACTION, action.at, message)
        .help(format!("it is allowed by `{}`", meant.join("` and `")))
        .repair([edit]);
}

/// Bucket policies speak of S3 alone.
fn check_bucket_action(action: &Located<String>, report: &mut Report) {
    let Some((prefix, _)) = action.value.split_once(':') else { return };
    if has_wildcard(prefix) || !catalogue::get().has_service(prefix) || is_s3(prefix) {
        return;
    }
    let message = format!("{} is no action on a bucket", shown(&action.value));
    let remark = report.add(&errors::UNSUPPORTED_ACTION_IN_POLICY, action.at, message);
    if prefix.eq_ignore_ascii_case("kms") {
        remark.help("put it into the policy of the key, and into that of the identity");
    } else {
        remark.help("put it into an identity policy");
    }
}

/// Whether a service is S3 in one of its forms.
pub(super) fn is_s3(prefix: &str) -> bool {
    ["s3", "s3express", "s3-object-lambda", "s3-outposts"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(prefix))
}
