//! The checks that send nothing to the store: is the definition sound, and are its secrets there.

use std::sync::Arc;

use crate::app::connect;
use crate::app::connection::{Plan, Subject};
use crate::app::sources::failed;
use crate::app::usage_check::USAGE_DENIED;
use crate::app::{App, Error, usage_remedy};
use crate::aws::ErrorKind;
use crate::finding::{Severity, has_errors};
use crate::model::check::{Check, Status};
use crate::model::error_catalogue;
use crate::model::principal::Caller;

impl App {
    pub(super) fn definition_valid(&self, caller: &Caller, subject: &Subject<'_>) -> Check {
        let mut findings = self.findings(caller, subject.definition, subject.literals);
        // checks of their own tell of these
        findings.retain(|finding| !["ENDPOINT_BLOCKED", USAGE_DENIED].contains(&finding.code));
        // a resource works, whatever is wrong with its schedule
        findings.retain(|finding| !finding.path.starts_with("recheck."));
        let texts: Vec<String> =
            findings.iter().map(|finding| format!("{}: {}", finding.path, finding.message)).collect();
        if connect::templates(subject.definition).is_err() || has_errors(&findings) {
            let mut check = Check::new("definition-valid", Status::Failed, texts.join("; "));
            let first = findings.iter().find(|finding| finding.severity == Severity::Error);
            check.cause = first.map(|finding| finding.code.to_owned());
            let help = first.and_then(|finding| finding.help.clone());
            check.remedy = help.or_else(|| Some("correct the field that the detail names".to_owned()));
            return check;
        }
        if texts.is_empty() {
            return Check::new("definition-valid", Status::Passed, "the definition can be used");
        }
        Check::new("definition-valid", Status::Warning, texts.join("; "))
    }

    pub(super) async fn secrets_resolved(self: &Arc<Self>, subject: &Subject<'_>) -> (Option<Plan>, Check) {
        let resolved = async {
            let templates = connect::templates(subject.definition)?;
            let snapshot = self.resolve(subject, &templates).await?;
            self.find_region(subject, &templates, &snapshot).await?;
            let plan = self.plan(subject, &templates, &snapshot)?;
            Ok::<_, Error>((plan, snapshot.used(self.clock.now_ms())))
        };
        match resolved.await {
            Ok((plan, used)) => {
                let texts = used.iter().map(|used| {
                    let stale =
                        if used.stale_ms.is_some() { ", stale: its source cannot be reached" } else { "" };
                    format!(
                        "`{}` from `{}` version {}, read {} s ago{stale}",
                        used.key.secret,
                        used.source,
                        used.version_id,
                        used.age_ms / 1000
                    )
                });
                let text = texts.collect::<Vec<_>>().join("; ");
                let text =
                    if text.is_empty() { "the definition holds no references".to_owned() } else { text };
                let stale = used.iter().any(|used| used.stale_ms.is_some());
                let status = if stale { Status::Warning } else { Status::Passed };
                (Some(plan), Check::new("secrets-resolved", status, text))
            }
            Err(Error::Upstream(error)) if error.kind == ErrorKind::Blocked => {
                (None, failed("endpoint-allowed", "egress rules", &error))
            }
            Err(error) => (None, from_error("secrets-resolved", "resolve", &error)),
        }
    }
}

pub(super) fn from_error(name: &str, call: &str, error: &Error) -> Check {
    match error {
        Error::Upstream(upstream) => failed(name, call, upstream),
        Error::Unresolved(unresolved) => {
            let mut check = Check::new(name, Status::Failed, unresolved.to_string());
            check.cause = Some(unresolved.code.clone());
            let entry = error_catalogue::find(&unresolved.code);
            check.remedy =
                entry.map(|entry| format!("{} - {} can do this", entry.remedy, entry.owner.as_str()));
            check.request_id = unresolved.load.as_ref().and_then(|load| load.request_id.clone());
            check
        }
        Error::UsageDenied { detail, rule } => {
            let mut check = Check::new(name, Status::Failed, detail.clone());
            check.cause = Some(error.code().to_owned());
            check.remedy = Some(usage_remedy(rule.as_ref()));
            check
        }
        other => Check::new(name, Status::Failed, other.to_string()),
    }
}
