//! Test connection: does a definition work, and if not, why and what to change.
//!
//! The test walks the way of a query step by step, with the same code, and reports every step as a check. It
//! needs no right outside the bucket, leaves nothing behind unless it says so, and shows no secret.

use std::sync::Arc;
use std::time::Instant;

use crate::app::connect;
use crate::app::connection::{Connection, Plan, Subject};
use crate::app::propose::Written;
use crate::app::resources::TestOptions;
use crate::app::sources::{elapsed_ms, failed};
use crate::app::test_bucket::bucket_checks;
use crate::app::usage_check::USAGE_DENIED;
use crate::app::{App, Error, usage_remedy};
use crate::aws::{AwsError, ErrorKind, probe};
use crate::clock::rfc3339;
use crate::finding::{Severity, has_errors};
use crate::model::check::{Answer, Check, Permission, Report, Status, verdict};
use crate::model::error_catalogue;
use crate::model::operation::Operation;
use crate::model::principal::Caller;
use crate::model::provider::Sts;

/// Without these nothing works.
const ESSENTIAL: &[&str] = &[
    "definition-valid",
    "secrets-resolved",
    "endpoint-allowed",
    "endpoint-reachable",
    "clock-in-step",
    "signature-accepted",
    "role-assumed",
    "bucket-found",
];

/// In the order in which they are tried, with what must pass before.
const ORDER: &[(&str, &[&str])] = &[
    ("definition-valid", &[]),
    ("secrets-resolved", &["definition-valid"]),
    ("endpoint-allowed", &["secrets-resolved"]),
    ("endpoint-reachable", &["endpoint-allowed"]),
    ("identity-known", &["endpoint-reachable"]),
    ("role-assumed", &["endpoint-reachable"]),
    ("signature-accepted", &["role-assumed"]),
    ("clock-in-step", &["endpoint-reachable"]),
    ("bucket-found", &["signature-accepted"]),
    ("objects-listable", &["bucket-found"]),
    ("objects-readable", &["bucket-found"]),
    ("uploads-allowed", &["bucket-found"]),
    ("object-written", &["bucket-found"]),
    ("object-read-back", &["object-written"]),
    ("object-deleted", &["object-written"]),
];

/// Seconds of skew from which a warning is given; the store refuses at 15 minutes.
const SKEW_WARNING: i64 = 60;
const SKEW_FAILURE: i64 = 300;

/// The checks so far.
pub(super) struct Checks(Vec<Check>);

impl Checks {
    pub(super) fn push(&mut self, check: Check, started: Instant) -> bool {
        let mut check = check;
        check.took_ms = elapsed_ms(started);
        let order = ORDER.iter().find(|(name, _)| *name == check.name);
        check.depends_on =
            order.map(|(_, before)| before.iter().map(|&name| name.to_owned()).collect()).unwrap_or_default();
        let passed = check.status != Status::Failed;
        self.0.push(check);
        passed
    }

    fn has(&self, name: &str, status: Status) -> bool {
        self.0.iter().any(|check| check.name == name && check.status == status)
    }

    /// Everything that was not tried, in its place.
    fn finish(mut self, write: bool) -> Vec<Check> {
        let writing = ["object-written", "object-read-back", "object-deleted"];
        for (name, before) in ORDER {
            if self.0.iter().any(|check| check.name == *name) {
                continue;
            }
            let reason = if writing.contains(name) && !write {
                "not asked for: give `\"write\": true`"
            } else {
                "not tried, because something before it failed"
            };
            let mut check = Check::new(name, Status::Skipped, reason);
            check.depends_on = before.iter().map(|&name| name.to_owned()).collect();
            self.0.push(check);
        }
        let place = |check: &Check| ORDER.iter().position(|(name, _)| *name == check.name);
        self.0.sort_by_key(place);
        self.0
    }
}

impl App {
    pub(super) async fn report(
        self: &Arc<Self>,
        caller: &Caller,
        subject: &Subject<'_>,
        options: TestOptions,
    ) -> Report {
        let started = Instant::now();
        let mut checks = Checks(Vec::new());
        self.walk(caller, subject, options, &mut checks).await;
        let permissions = permissions(&checks, subject);
        let checks = checks.finish(options.write);
        let first = checks.iter().find(|check| check.status == Status::Failed);
        Report {
            verdict: verdict(&checks, ESSENTIAL),
            reason: first.map(|check| format!("{}: {}", check.name, check.detail)),
            tested_at: rfc3339(self.clock.now_ms()),
            took_ms: elapsed_ms(started),
            permissions,
            checks,
        }
    }

    async fn walk(
        self: &Arc<Self>,
        caller: &Caller,
        subject: &Subject<'_>,
        options: TestOptions,
        checks: &mut Checks,
    ) {
        let started = Instant::now();
        if !checks.push(self.definition_valid(caller, subject), started) {
            return;
        }
        let started = Instant::now();
        let (plan, check) = self.secrets_resolved(subject).await;
        // a rendered endpoint that the rules refuse is found here
        let Some(plan) = plan else {
            checks.push(check, started);
            return;
        };
        checks.push(check, started);
        let written = Written { definition: subject.definition, environment: subject.environment };
        if !self.endpoint(written, &plan, checks).await {
            return;
        }
        let started = Instant::now();
        checks.push(self.identity_known(&plan).await, started);
        let started = Instant::now();
        let connection = match self.open(plan) {
            Ok(connection) => connection,
            Err(error) => {
                checks.push(from_error("role-assumed", "sts:AssumeRole", &error), started);
                return;
            }
        };
        if !checks.push(role_assumed(&connection).await, started) {
            return;
        }
        if !self.signature(written, &connection, checks).await {
            return;
        }
        if self.bucket_found(written, &connection, checks).await {
            bucket_checks(&connection, options, checks).await;
        }
    }

    fn definition_valid(&self, caller: &Caller, subject: &Subject<'_>) -> Check {
        let findings = self.findings(caller, subject.definition, subject.literals);
        let texts: Vec<String> =
            findings.iter().map(|finding| format!("{}: {}", finding.path, finding.message)).collect();
        // checks of their own tell of these
        let later = ["ENDPOINT_BLOCKED", USAGE_DENIED];
        let blocked = findings.iter().any(|finding| later.contains(&finding.code));
        if connect::templates(subject.definition).is_err() || (has_errors(&findings) && !blocked) {
            let mut check = Check::new("definition-valid", Status::Failed, texts.join("; "));
            let first = findings.iter().find(|finding| finding.severity == Severity::Error);
            check.cause = first.map(|finding| finding.code.to_owned());
            let help = first.and_then(|finding| finding.help.clone());
            check.remedy = help.or_else(|| Some("correct the field that the detail names".to_owned()));
            return check;
        }
        if texts.is_empty() || blocked {
            return Check::new("definition-valid", Status::Passed, "the definition can be used");
        }
        Check::new("definition-valid", Status::Warning, texts.join("; "))
    }

    async fn secrets_resolved(self: &Arc<Self>, subject: &Subject<'_>) -> (Option<Plan>, Check) {
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

    async fn endpoint(&self, written: Written<'_>, plan: &Plan, checks: &mut Checks) -> bool {
        let (host, port, tls) = plan.bare_host();
        // virtual hosts are what queries will connect to, and what the certificate must name
        let in_path = plan.path_style || host.parse::<std::net::IpAddr>().is_ok();
        let host = if in_path { host } else { format!("{}.{host}", plan.bucket) };
        let started = Instant::now();
        let target = probe::Target { host: &host, port, tls, ca_pem: plan.ca_pem.as_deref() };
        let outcome = probe::reach(self.egress(), &target).await;
        if let Err(error) = outcome.as_ref()
            && error.kind == ErrorKind::Blocked
        {
            return checks.push(failed("endpoint-allowed", "egress rules", error), started);
        }
        checks.push(
            Check::new("endpoint-allowed", Status::Passed, format!("`{host}:{port}` may be reached")),
            started,
        );
        let mut check = match outcome {
            Ok(times) => {
                let tls = times.tls_ms.map_or(String::new(), |ms| format!(", TLS {ms} ms"));
                let text = format!("`{host}:{port}`: name {} ms, TCP {} ms{tls}", times.dns_ms, times.tcp_ms);
                Check::new("endpoint-reachable", Status::Passed, text)
            }
            Err(error) => {
                let error = self.propose(written, plan, None, error).await;
                failed("endpoint-reachable", "connect", &error)
            }
        };
        check.call = Some("connect".to_owned());
        checks.push(check, started)
    }

    async fn identity_known(&self, plan: &Plan) -> Check {
        let Some(base) = &plan.base else {
            return Check::new("identity-known", Status::Skipped, "requests are anonymous");
        };
        if plan.profile.sts == Sts::None {
            return Check::new(
                "identity-known",
                Status::Unsupported,
                format!("the provider `{}` has no STS", plan.profile.id),
            );
        }
        let outcome = self.identities.caller_identity(base, &connect::sts_target(plan)).await;
        let mut check = match outcome {
            Ok(arn) => {
                Check::new("identity-known", Status::Passed, format!("the credentials belong to `{arn}`"))
            }
            Err(error) if error.kind == ErrorKind::BadCredentials => {
                failed("identity-known", "sts:GetCallerIdentity", &error)
            }
            Err(error) => Check::new(
                "identity-known",
                Status::Unsupported,
                format!(
                    "the endpoint does not answer GetCallerIdentity ({}): the identity is not known",
                    error.code
                ),
            ),
        };
        check.call = Some("sts:GetCallerIdentity".to_owned());
        check
    }

    /// Asks for a bucket that nobody has: any answer but a complaint about the signature proves the key pair.
    async fn signature(&self, written: Written<'_>, connection: &Connection, checks: &mut Checks) -> bool {
        let started = Instant::now();
        let nobodys = format!("s3-connector-probe-{}", uuid::Uuid::new_v4().simple());
        let outcome = connection.s3.list_other_bucket(&nobodys).await;
        let date = outcome.as_ref().err().and_then(|error| error.date.clone());
        if let Some(date) = date {
            checks.push(self.clock_in_step(&date), started);
        }
        let anonymous = connection.plan.base.is_none();
        let mut check = match outcome {
            _ if anonymous => Check::new("signature-accepted", Status::Skipped, "requests are anonymous"),
            Err(error) if error.kind == ErrorKind::ClockSkew => {
                failed("clock-in-step", "s3:ListObjectsV2", &error)
            }
            Err(error) if matches!(error.kind, ErrorKind::BadCredentials | ErrorKind::WrongRegion) => {
                let error = self.propose(written, &connection.plan, Some(&connection.s3), error).await;
                failed("signature-accepted", "s3:ListObjectsV2", &error)
            }
            Err(error)
                if matches!(
                    error.kind,
                    ErrorKind::NoSuchBucket | ErrorKind::NotFound | ErrorKind::AccessDenied
                ) =>
            {
                Check::new(
                    "signature-accepted",
                    Status::Passed,
                    format!(
                        "the store answered {} for a bucket that is not there, and did not object to the signature",
                        error.code
                    ),
                )
            }
            // an answer about something else proves nothing about the signature
            Err(error) => {
                let error = self.named(&connection.plan, error).await;
                let error = self.propose(written, &connection.plan, Some(&connection.s3), error).await;
                failed("signature-accepted", "s3:ListObjectsV2", &error)
            }
            Ok(()) => Check::new("signature-accepted", Status::Passed, "the store accepted the signature"),
        };
        check.call = Some("s3:ListObjectsV2 (a bucket that is not there)".to_owned());
        if check.name == "clock-in-step" {
            checks.0.retain(|check| check.name != "clock-in-step");
        }
        checks.push(check, started)
    }

    /// A port that speaks TLS often closes on plain HTTP without a word: a handshake tells it from a broken one.
    async fn named(&self, plan: &Plan, mut error: AwsError) -> AwsError {
        let without_tls = plan.endpoint.as_ref().filter(|endpoint| !endpoint.tls);
        let Some(endpoint) = without_tls.filter(|_| error.code == "ConnectionReset") else { return error };
        let target = probe::Target {
            host: &endpoint.host,
            port: endpoint.port,
            tls: true,
            ca_pem: plan.ca_pem.as_deref(),
        };
        let speaks_tls = match probe::reach(self.egress(), &target).await {
            Ok(_) => true,
            Err(refused) => {
                ["TlsUnknownCa", "TlsNameMismatch", "TlsCertificateExpired"].contains(&refused.code.as_str())
            }
        };
        if speaks_tls {
            "NotHttp".clone_into(&mut error.code);
        }
        error
    }

    fn clock_in_step(&self, date: &str) -> Check {
        let Ok(theirs) = jiff::fmt::rfc2822::parse(date) else {
            return Check::new("clock-in-step", Status::Skipped, "the store sends no date");
        };
        let skew = self.clock.now_ms() / 1000 - theirs.timestamp().as_second();
        let text = format!("our clock and the store's are {} s apart", skew.abs());
        if skew.abs() >= SKEW_FAILURE {
            let mut check = Check::new("clock-in-step", Status::Failed, text);
            check.cause = Some("RequestTimeTooSkewed".to_owned());
            check.remedy = error_catalogue::find("RequestTimeTooSkewed").map(|entry| entry.remedy.to_owned());
            return check;
        }
        let status = if skew.abs() >= SKEW_WARNING { Status::Warning } else { Status::Passed };
        Check::new("clock-in-step", status, text)
    }
}

async fn role_assumed(connection: &Connection) -> Check {
    let Some(slot) = &connection.slot else {
        return Check::new("role-assumed", Status::Skipped, "no role is to be assumed");
    };
    let arn = connection.plan.role.as_ref().map_or("", |role| role.arn.as_str());
    let mut check = match slot.credentials().await {
        Ok(_) => Check::new("role-assumed", Status::Passed, format!("`{arn}` was assumed")),
        Err(error) => failed("role-assumed", "sts:AssumeRole", &error),
    };
    check.call = Some("sts:AssumeRole".to_owned());
    check
}

fn from_error(name: &str, call: &str, error: &Error) -> Check {
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

/// One row an operation that the resource allows, from what was tried.
fn permissions(checks: &Checks, subject: &Subject<'_>) -> Vec<Permission> {
    let allowed = subject.definition.operations.clone().unwrap_or_else(|| Operation::ALL.to_vec());
    let proof = |operation| -> &[&str] {
        match operation {
            Operation::List => &["objects-listable"],
            Operation::Head | Operation::Get => &["object-read-back", "objects-readable"],
            Operation::Put => &["object-written", "uploads-allowed"],
            Operation::Multipart => &["uploads-allowed"],
            Operation::Delete => &["object-deleted"],
            _ => &[],
        }
    };
    let row = |operation: Operation| {
        let names = proof(operation);
        let tried = |status| names.iter().any(|name| checks.has(name, status));
        let (answer, known_by) = if tried(Status::Passed) || tried(Status::Warning) {
            (Answer::Yes, "tried")
        } else if tried(Status::Failed) {
            (Answer::No, "tried")
        } else {
            (Answer::Unknown, "not tried")
        };
        let missing =
            (answer == Answer::No).then(|| operation.all_actions().next().map(str::to_owned)).flatten();
        Permission { operation, answer, known_by: known_by.to_owned(), missing_action: missing }
    };
    allowed.into_iter().map(row).collect()
}
