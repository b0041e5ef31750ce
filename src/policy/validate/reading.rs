//! Actions that read secrets or data, or take on a role, allowed on everything.

use super::arn::Arn;
use super::subject::{Statement, Subject};
use crate::policy::document::Located;
use crate::policy::finding::code::s3;
use crate::policy::finding::report::{Report, shown};

/// Actions, what they give when nothing limits them, and a resource to write instead.
const ACTIONS: [(&str, &str, &str); 4] = [
    (
        "secretsmanager:GetSecretValue",
        "every secret can be read",
        "arn:aws:secretsmanager:eu-central-1:111122223333:secret:app/*",
    ),
    (
        "kms:Decrypt",
        "every key of the account decrypts",
        "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    ),
    (
        "sts:AssumeRole",
        "every role that trusts the account can be assumed",
        "arn:aws:iam::111122223333:role/app",
    ),
    ("s3:GetObject", "every object of every bucket can be read", "arn:aws:s3:::bucket/*"),
];

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for statement in subject.statements.iter().filter(|statement| statement.draft.allows()) {
        if statement.draft.conditions.is_empty() {
            check_statement(statement, report);
        }
    }
}

fn check_statement(statement: &Statement<'_>, report: &mut Report) {
    // `*` says that everything is meant.
    if statement.draft.not_actions().is_some() || statement.reaches("iam:CreateUser") {
        return;
    }
    let Some(wide) = statement.draft.resources().iter().find(|resource| is_everything(resource)) else {
        return;
    };
    for (action, outcome, example) in ACTIONS {
        if statement.reaches(action) && reaches_service(&wide.value, action) {
            report
                .add(
                    &s3::SENSITIVE_ACTION_ON_EVERYTHING,
                    wide.at,
                    format!("{outcome}: {} is not limited", shown(action)),
                )
                .help(format!("name what is needed, for example `{example}`"));
        }
    }
}

/// Whether the last field of the ARN leaves everything open.
fn is_everything(resource: &Located<String>) -> bool {
    resource.value == "*"
        || Arn::parse(&resource.value)
            .is_some_and(|arn| matches!(arn.resource, "*" | "*/*" | "secret:*" | "key/*" | "role/*"))
}

/// Whether the resource is one of the action's service. Roles belong to IAM.
fn reaches_service(resource: &str, action: &str) -> bool {
    let service = action.split(':').next().unwrap_or_default();
    Arn::parse(resource)
        .is_none_or(|arn| arn.service == service || (service == "sts" && arn.service == "iam"))
}
