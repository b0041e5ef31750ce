//! Test connection: does a definition work, and if not, why and what to change.
//!
//! The test walks the way of a query step by step, with the same code, and reports every step as a check. It
//! needs no right outside the bucket, leaves nothing behind unless it says so, and shows no secret.

mod bucket;
mod causes;
mod definition;
mod endpoint;
mod fixes;
mod identity;
mod matrix;
mod objects;
mod pages;
mod policy;
mod rights;
mod run;
mod scoped;
mod uploads;
mod writes;

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;

use crate::app::App;
use crate::app::connection::{Connection, Subject};
use crate::app::policy_check::{PolicyRead, Predicted, Tested};
use crate::app::propose::Written;
use crate::app::sources::elapsed_ms;
use crate::clock::rfc3339;
use crate::model::check::{Answer, Check, KnownBy, Permission, Report, Status, Verdict, verdict};
use crate::model::check_catalogue::{self, CHECKS};
use crate::model::operation::Operation;
use crate::model::principal::Caller;

pub use run::{TestOptions, Testing};

/// The checks so far.
pub(super) struct Checks {
    done: Vec<Check>,
    /// Who is told of each check when it ends.
    told: Option<UnboundedSender<Check>>,
    /// What policies say of them.
    predicted: Predicted,
}

/// What was read in the bucket that later checks look at.
struct InBucket {
    /// The bucket policy; none when it was not asked for.
    policy: Option<PolicyRead>,
    /// The full key of the first object.
    first: Option<String>,
}

impl Checks {
    /// Notes how a check ended that began at `started`; false when it failed.
    fn push(&mut self, mut check: Check, started: Instant) -> bool {
        check.took_ms = elapsed_ms(started);
        self.note(check)
    }

    /// The same for a check that knows how long it took.
    fn note(&mut self, mut check: Check) -> bool {
        let needs = check_catalogue::find(&check.name).map(|entry| entry.needs).unwrap_or_default();
        check.depends_on = needs.iter().map(|&name| name.to_owned()).collect();
        if let Some(told) = &self.told {
            // nobody listens any more
            told.send(check.clone()).ok();
        }
        let passed = check.status != Status::Failed;
        self.done.push(check);
        passed
    }

    fn not_needed(&mut self, name: &str) {
        self.note(Check::new(name, Status::Skipped, "the resource allows no operation that needs it"));
    }

    fn get(&self, name: &str) -> Option<&Check> {
        self.done.iter().find(|check| check.name == name)
    }

    /// Everything in its place, also what was not tried.
    fn finish(mut self, options: &TestOptions) -> Vec<Check> {
        for entry in CHECKS {
            if self.get(entry.name).is_none() {
                let reason = if entry.writes && !options.write {
                    "not asked for: give `\"write\": true`"
                } else {
                    "not tried, because something before it failed"
                };
                self.note(Check::new(entry.name, Status::Skipped, reason));
            }
        }
        let place = |check: &Check| CHECKS.iter().position(|entry| entry.name == check.name);
        self.done.sort_by_key(place);
        self.done
    }
}

impl App {
    /// Tests a definition; `told` hears of every check when it ends.
    pub(super) async fn report(
        self: &Arc<Self>,
        caller: &Caller,
        subject: &Subject<'_>,
        options: &TestOptions,
        told: Option<UnboundedSender<Check>>,
    ) -> Report {
        let started = Instant::now();
        let mut checks = Checks { done: Vec::new(), told, predicted: Predicted::default() };
        self.walk(caller, subject, options, &mut checks).await;
        let permissions = matrix::permissions(&checks, subject.definition);
        let checks = checks.finish(options);
        // what policies alone say makes no verdict
        let tried = |row: &&Permission| row.known_by != KnownBy::Predicted;
        let can = |answer| permissions.iter().filter(tried).any(|row| row.answer == answer);
        let nothing_works = can(Answer::No) && !can(Answer::Yes);
        let first = checks.iter().find(|check| check.status == Status::Failed);
        let essential: Vec<&str> =
            CHECKS.iter().filter(|entry| entry.essential).map(|entry| entry.name).collect();
        Report {
            verdict: if nothing_works { Verdict::Fails } else { verdict(&checks, &essential) },
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
        options: &TestOptions,
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
        let (known, identity) = self.identity_known(&plan).await;
        checks.push(known, started);
        let started = Instant::now();
        let connection = match self.open(plan) {
            Ok(connection) => connection,
            Err(error) => {
                checks.push(definition::from_error("role-assumed", "sts:AssumeRole", &error), started);
                return;
            }
        };
        let assumed = identity::role_assumed(identity.as_deref(), &connection).await;
        if !checks.push(assumed, started) {
            return;
        }
        if !self.signature(written, &connection, checks).await {
            return;
        }
        if self.bucket_found(written, &connection, checks).await {
            let read = self.in_bucket(subject, &connection, options, checks).await;
            self.policy_agrees(subject, &connection, (identity, read), checks).await;
        }
    }

    /// What may be done in a bucket that was found.
    async fn in_bucket(
        &self,
        subject: &Subject<'_>,
        connection: &Connection,
        options: &TestOptions,
        checks: &mut Checks,
    ) -> InBucket {
        let allows = |operations: &[Operation]| {
            let allowed = subject.definition.operations.as_ref();
            allowed.is_none_or(|allowed| operations.iter().any(|operation| allowed.contains(operation)))
        };
        let listed = if allows(&[Operation::List]) {
            self.objects_listable(connection, checks).await
        } else {
            checks.not_needed("objects-listable");
            objects::Listed::default()
        };
        if allows(&[Operation::Get, Operation::Head, Operation::Copy, Operation::Sign]) {
            objects::readable(connection, &listed, checks).await;
        } else {
            checks.not_needed("objects-readable");
        }
        let policy = rights::read(subject.definition, connection, &listed, checks).await;
        let read = InBucket { policy, first: listed.first().map(|key| key.as_str().to_owned()) };
        if allows(&[Operation::Put, Operation::Multipart, Operation::Copy, Operation::Sign]) {
            uploads::allowed(connection, checks).await;
        } else {
            checks.not_needed("uploads-allowed");
            checks.not_needed("acl-accepted");
        }
        scoped::prefix_enforced(subject.definition, connection, &listed, checks).await;
        let written = Written { definition: subject.definition, environment: subject.environment };
        self.cors_allows_browser(written, connection, checks).await;
        if !options.write {
            return read;
        }
        // what is written must be deleted again, and a test does nothing that the resource does not allow
        if allows(&[Operation::Put]) && allows(&[Operation::Delete]) {
            writes::round(connection, allows(&[Operation::Get]), checks).await;
        } else {
            for entry in CHECKS.iter().filter(|entry| entry.writes) {
                checks.not_needed(entry.name);
            }
        }
        read
    }

    /// What was read and tried, beside what the policies say.
    async fn policy_agrees(
        &self,
        subject: &Subject<'_>,
        connection: &Connection,
        (identity, read): (Option<String>, InBucket),
        checks: &mut Checks,
    ) {
        let started = Instant::now();
        let predicted = match &read.policy {
            None => None,
            Some(policy) => {
                let operations = subject.definition.operations.clone();
                let tested = Tested {
                    plan: connection.plan.clone(),
                    identity,
                    policy: policy.clone(),
                    checks: checks.done.clone(),
                    first: read.first,
                    operations: operations.unwrap_or_else(|| Operation::ALL.to_vec()),
                    now_ms: self.clock.now_ms(),
                };
                policy::predicted(tested).await
            }
        };
        let Some(predicted) = predicted else {
            checks.push(policy::not_tried(read.policy.as_ref()), started);
            return;
        };
        checks.push(policy::agrees(&predicted), started);
        checks.predicted = predicted;
    }
}
