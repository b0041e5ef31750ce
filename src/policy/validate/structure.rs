//! Which elements a document of its kind must and must not have, and the names of its statements.

use std::collections::HashMap;

use super::subject::Subject;
use crate::policy::document::Kind;
use crate::policy::finding::code::{errors, warnings};
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::json::quote;
use crate::policy::parse::DraftStatement;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for statement in &subject.draft.statements {
        check_elements(subject.kind, statement, report);
        check_sid(statement, report);
    }
    check_unique_sids(subject, report);
}

fn check_elements(kind: Kind, statement: &DraftStatement, report: &mut Report) {
    let takes_principal = matches!(kind, Kind::Bucket | Kind::Trust | Kind::Rcp);
    match statement.principal_at {
        None if takes_principal => {
            report
                .add(&errors::MISSING_PRINCIPAL, statement.at, "the statement does not say for whom it is")
                .help("add Principal, for example `\"Principal\": {\"AWS\": \"arn:aws:iam::111122223333:root\"}`");
        }
        Some(at) if kind == Kind::Identity => {
            report
                .add(&errors::UNSUPPORTED_PRINCIPAL, at, "an identity policy names no principal")
                .help("take it away; the policy is for whom it is attached to")
                .repair([Edit::Remove(at)]);
        }
        _ => {}
    }
    if statement.resource_at.is_none() && kind != Kind::Trust {
        report
            .add(&errors::MISSING_RESOURCE, statement.at, "the statement has no Resource")
            .help("add Resource, for example `\"Resource\": \"arn:aws:s3:::bucket/*\"`");
    }
}

fn check_sid(statement: &DraftStatement, report: &mut Report) {
    let Some(sid) = &statement.sid else { return };
    if sid.value.chars().all(|c| c.is_ascii_alphanumeric()) {
        return;
    }
    let remark = report.add(
        &errors::UNSUPPORTED_SID,
        sid.at,
        format!("the Sid {} has other characters than letters and digits", shown(&sid.value)),
    );
    let plain: String = sid.value.chars().filter(char::is_ascii_alphanumeric).collect();
    remark.help("write letters and digits only");
    if !plain.is_empty() {
        remark.repair([Edit::Replace(sid.at, quote(&plain))]);
    }
}

fn check_unique_sids(subject: &Subject<'_>, report: &mut Report) {
    let mut seen: HashMap<&str, u32> = HashMap::new();
    for sid in subject.draft.statements.iter().filter_map(|statement| statement.sid.as_ref()) {
        if sid.value.is_empty() {
            continue;
        }
        let Some(line) = seen.insert(&sid.value, sid.at.line) else { continue };
        let message = format!("the Sid {} stands in line {line}, too", shown(&sid.value));
        for rule in [&errors::UNIQUE_SIDS_REQUIRED, &warnings::UNIQUE_SIDS_RECOMMENDED] {
            report.add(rule, sid.at, message.clone()).help("give each statement a name of its own");
        }
    }
}
