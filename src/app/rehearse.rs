//! Rehearse a rotation: would the resources work with another version of a secret?
//!
//! Every resource that uses the current version is tried with the candidate instead, by the checks of a connection
//! test that write nothing. Nothing is switched: the candidate stands in the cache under its own stage or version, and
//! what queries use is not read, replaced or let go. Only where a candidate works with limits, the resource is also
//! tried as it is, to tell new limits from old ones.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::connect;
use crate::app::connection::Subject;
use crate::app::source::{self, Source};
use crate::app::{App, Error, Resource, TestOptions, audit, secret_keys, usage};
use crate::cache::SecretKey;
use crate::model::check::{Check, Report, Status, Verdict};
use crate::model::error_catalogue;
use crate::model::name::Name;
use crate::model::principal::Caller;
use crate::model::resource::Definition;
use crate::template::{self, Pin, Reference};

/// Resources of one rehearsal.
const MOST_RESOURCES: usize = 50;
/// Tried at the same time.
const AT_ONCE: usize = 8;
/// The stage that a rotation puts the next version into.
const DEFAULT_STAGE: &str = "AWSPENDING";

/// A failure of these says nothing about the credentials.
const NOT_THE_KEY: &[&str] = &["definition-valid", "endpoint-allowed", "endpoint-reachable", "clock-in-step"];

/// Which secret, and which version of it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RehearsalWanted {
    /// The source.
    #[schema(example = "aws-prod")]
    pub source: String,
    /// The secret's name in the namespace, or its ARN.
    #[schema(example = "payments/s3")]
    pub secret: String,
    /// The stage of the candidate; default `AWSPENDING`.
    #[serde(default)]
    #[schema(example = "AWSPENDING")]
    pub stage: Option<String>,
    /// The version of the candidate, instead of a stage.
    #[serde(default)]
    pub version_id: Option<String>,
    /// Only these resources; absent tries every one that uses the secret, at most 50.
    #[serde(default)]
    pub resources: Option<Vec<String>>,
}

/// Whether a version can become the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Safety {
    /// Everything that uses the secret works with it.
    Safe,
    /// It cannot be told.
    Unknown,
    /// Something that uses the secret does not work with it.
    Unsafe,
}

impl Safety {
    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Safety::Safe => "safe",
            Safety::Unknown => "unknown",
            Safety::Unsafe => "unsafe",
        }
    }
}

/// What a rehearsal found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Rehearsal {
    /// The sum.
    pub verdict: Safety,
    /// Why it is not `safe`, or why nothing had to be tried.
    pub reason: Option<String>,
    /// The source.
    pub source: String,
    /// The name or ARN at the source, with its namespace.
    pub secret: String,
    /// The stage, or `version:` and the version, that was tried.
    pub candidate: String,
    /// The version that was tried; absent when it could not be read.
    pub candidate_version_id: Option<String>,
    /// The version that queries use now; absent when none is in memory.
    pub current_version_id: Option<String>,
    /// One row a resource and environment.
    pub resources: Vec<Rehearsed>,
    /// Resources that use the secret and were not tried, because there are too many: name them in `resources`.
    #[schema(value_type = Vec<String>)]
    pub left_out: Vec<Name>,
}

/// One resource in one environment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Rehearsed {
    /// The resource.
    #[schema(value_type = String)]
    pub resource: Name,
    /// The environment.
    #[schema(value_type = String)]
    pub environment: Name,
    /// Whether it works with the candidate.
    pub verdict: Safety,
    /// Why not, or what to mind.
    pub reason: Option<String>,
    /// Whose credentials the candidate holds, where the store tells.
    pub identity: Option<String>,
}

/// A version that may become the current one.
struct Candidate {
    source: Arc<Source>,
    key: SecretKey,
    pin: Pin,
    name: String,
    arn: Option<String>,
}

/// A resource to try.
struct Attempt {
    resource: Arc<Resource>,
    environment: Name,
    /// With the candidate in its references; absent when it cannot be written that way.
    definition: Option<Definition>,
}

impl Candidate {
    /// Whether a name or ARN that a reference leads to is this secret.
    fn is(&self, secret: &str) -> bool {
        *secret == *self.key.secret || usage::is_named(secret, &self.name, self.arn.as_deref())
    }
}

impl App {
    /// Tries every resource that uses a secret with another version of it, and switches nothing.
    pub async fn rehearse(
        self: &Arc<Self>,
        caller: &Caller,
        wanted: &RehearsalWanted,
    ) -> Result<Rehearsal, Error> {
        let source = self.known_source(caller, &wanted.source)?;
        secret_keys::check_secret(None, &wanted.secret)?;
        let pin = candidate_pin(wanted)?;
        let key = source.key(&wanted.secret, &source::pin_text(&pin));
        let current = self.cache.peek(&source.key(&wanted.secret, "AWSCURRENT"));
        let mut rehearsal = Rehearsal {
            verdict: Safety::Unknown,
            reason: None,
            source: source.record.definition.name.to_string(),
            secret: key.secret.to_string(),
            candidate: key.pin.to_string(),
            candidate_version_id: None,
            current_version_id: current.map(|entry| entry.secret.version_id.clone()),
            resources: Vec::new(),
            left_out: Vec::new(),
        };
        // anew: a candidate of an earlier rehearsal may have been replaced
        let loader = source::loader(self, &source, &key);
        let refreshed = self.cache.refresh(&key, source.policy(), &loader).await;
        match refreshed {
            Err(error) => {
                rehearsal.reason =
                    Some(format!("the candidate cannot be read: {}: {}", error.code, error.message));
            }
            Ok(refreshed) => {
                rehearsal.candidate_version_id = Some(refreshed.after);
                let candidate = self.candidate(source, key, pin);
                self.try_all(caller, wanted, &candidate, &mut rehearsal).await?;
            }
        }
        self.note_rehearsal(caller, wanted, &rehearsal).await;
        Ok(rehearsal)
    }

    fn candidate(&self, source: Arc<Source>, key: SecretKey, pin: Pin) -> Candidate {
        let entry = self.cache.peek(&key);
        let told = entry.as_ref().map(|entry| &entry.secret);
        // the name of another account's secret leads to another secret here
        let name = told.filter(|secret| !secret.foreign).map(|secret| secret.name.clone());
        let arn = told.and_then(|secret| secret.arn.clone());
        Candidate { name: name.unwrap_or_else(|| key.secret.to_string()), arn, source, key, pin }
    }

    async fn try_all(
        self: &Arc<Self>,
        caller: &Caller,
        wanted: &RehearsalWanted,
        candidate: &Candidate,
        rehearsal: &mut Rehearsal,
    ) -> Result<(), Error> {
        let resources = match &wanted.resources {
            None => self.registry.state().resources(&caller.project.id),
            Some(names) => {
                let found = names.iter().map(|name| self.known_resource(caller, name));
                found.collect::<Result<Vec<_>, Error>>()?
            }
        };
        let mut attempts = Vec::new();
        let mut chosen = 0;
        for resource in resources {
            let found = self.attempts(&resource, candidate);
            if found.is_empty() {
                continue;
            }
            if chosen == MOST_RESOURCES {
                rehearsal.left_out.push(resource.name().clone());
                continue;
            }
            chosen += 1;
            attempts.extend(found);
        }
        for group in attempts.chunks(AT_ONCE) {
            let tries = group.iter().map(|attempt| self.try_one(caller, attempt));
            rehearsal.resources.extend(futures_util::future::join_all(tries).await);
        }
        sum_up(rehearsal);
        Ok(())
    }

    /// The environments in which a resource uses the secret, with the candidate in place.
    fn attempts(&self, resource: &Arc<Resource>, candidate: &Candidate) -> Vec<Attempt> {
        let record = &resource.record;
        let mut attempts = Vec::new();
        for environment in self.environments(&record.project_id, &record.definition) {
            let definition = record.definition.in_environment(&environment);
            let subject = Subject::of(record, &definition, &environment);
            let changed = self.repinned(&subject, candidate);
            if !changed.is_empty() {
                let definition = rewritten(&definition, changed);
                attempts.push(Attempt { resource: Arc::clone(resource), environment, definition });
            }
        }
        attempts
    }

    /// The fields that name the current version of the secret, written with the candidate.
    fn repinned(&self, subject: &Subject<'_>, candidate: &Candidate) -> Vec<(&'static str, String)> {
        let leads_there = |field: &str, reference: &Reference| {
            reference.pin == Pin::Current
                && self.source_of(subject, field, reference).is_ok_and(|source| {
                    source.record.id == candidate.source.record.id
                        && candidate.is(&source.wanted(reference).key.secret)
                })
        };
        let templates = connect::templates(subject.definition).unwrap_or_default();
        let written = templates.iter().filter_map(|(field, template)| {
            let pin_of = |reference: &Reference| leads_there(field, reference).then(|| candidate.pin.clone());
            template::repinned(template, pin_of).map(|text| (*field, text))
        });
        written.collect()
    }

    async fn try_one(self: &Arc<Self>, caller: &Caller, attempt: &Attempt) -> Rehearsed {
        let (resource, environment) = (attempt.resource.name().clone(), attempt.environment.clone());
        let Some(definition) = &attempt.definition else {
            let reason = Some("a field is too long to name the candidate in it: shorten it".to_owned());
            return Rehearsed { resource, environment, verdict: Safety::Unknown, reason, identity: None };
        };
        let report = self.read_only_report(caller, attempt, definition).await;
        let (verdict, reason) = if report.verdict == Verdict::WorksWithLimits {
            let now = attempt.resource.record.definition.in_environment(&attempt.environment);
            compared(&report, &self.read_only_report(caller, attempt, &now).await)
        } else {
            judged(&report)
        };
        Rehearsed { resource, environment, verdict, reason, identity: identity(&report) }
    }

    async fn read_only_report(
        self: &Arc<Self>,
        caller: &Caller,
        attempt: &Attempt,
        definition: &Definition,
    ) -> Report {
        let record = &attempt.resource.record;
        let subject = Subject {
            definition,
            literals: &record.literals,
            project_id: &record.project_id,
            environment: &attempt.environment,
        };
        self.report(caller, &subject, &TestOptions::default(), None).await
    }

    async fn note_rehearsal(&self, caller: &Caller, wanted: &RehearsalWanted, rehearsal: &Rehearsal) {
        let mut event = audit::event(caller, "secret.rehearse", &wanted.source, self.clock.now_ms());
        event.secrets = vec![rehearsal.secret.clone()];
        event.detail = Some(format!("candidate {}", rehearsal.candidate));
        rehearsal.verdict.as_str().clone_into(&mut event.outcome);
        self.audit.note(event).await;
    }
}

/// The pin of the candidate, in the grammar of references.
fn candidate_pin(wanted: &RehearsalWanted) -> Result<Pin, Error> {
    let (pin, written) = match (&wanted.stage, &wanted.version_id) {
        (Some(_), Some(_)) => {
            return Err(Error::BadRequest("give either `stage` or `version_id`".to_owned()));
        }
        (None, Some(id)) => (Pin::Version(id.clone()), format!("version:{id}")),
        (stage, None) => {
            let stage = stage.as_deref().unwrap_or(DEFAULT_STAGE);
            (Pin::Stage(stage.to_owned()), stage.to_owned())
        }
    };
    if written == "AWSCURRENT" {
        return Err(Error::BadRequest(
            "`AWSCURRENT` is what queries use already: test the resources instead".to_owned(),
        ));
    }
    let parsed = template::parse(&format!("{{{{ secrets.candidate @ {written} }}}}")).ok();
    let same = parsed.is_some_and(|template| {
        template.pieces().len() == 1 && template.references().all(|reference| reference.pin == pin)
    });
    if same {
        return Ok(pin);
    }
    let shown: String = written.chars().take(80).collect();
    Err(Error::BadRequest(format!(
        "`{shown}` is neither a stage such as `AWSPENDING` nor a version of 32 to 64 letters, digits and `-`"
    )))
}

/// A definition with other texts in some of its fields; `None` when they do not fit.
fn rewritten(definition: &Definition, changed: Vec<(&'static str, String)>) -> Option<Definition> {
    let mut body = serde_json::to_value(definition).ok()?;
    for (field, text) in changed {
        *body.pointer_mut(&format!("/{}", field.replace('.', "/")))? = Value::String(text);
    }
    let definition: Definition = serde_json::from_value(body).ok()?;
    connect::templates(&definition).is_ok().then_some(definition)
}

/// What a report says about the candidate alone.
fn judged(report: &Report) -> (Safety, Option<String>) {
    let failed = failed_checks(report).next();
    let says_nothing = |check: &Check| {
        let code = check.cause.as_deref().unwrap_or_default();
        let passing = error_catalogue::find(code).is_some_and(|entry| entry.retry);
        passing || code == "NoSuchBucket" || NOT_THE_KEY.contains(&check.name.as_str())
    };
    match report.verdict {
        Verdict::Works => (Safety::Safe, None),
        Verdict::Fails if !failed.is_some_and(says_nothing) => (Safety::Unsafe, report.reason.clone()),
        Verdict::Fails | Verdict::WorksWithLimits | Verdict::Unverified => {
            let reason = report.reason.clone();
            (Safety::Unknown, reason.or_else(|| Some("nothing could be tried".to_owned())))
        }
    }
}

/// A candidate with limits is as good as what is there when that has the same ones.
fn compared(candidate: &Report, now: &Report) -> (Safety, Option<String>) {
    if now.verdict == Verdict::Fails {
        let reason = candidate.reason.as_deref().unwrap_or_default();
        return (Safety::Safe, Some(format!("works with limits, and fails now: {reason}")));
    }
    let known: Vec<&str> = failed_checks(now).map(|check| check.name.as_str()).collect();
    let new: Vec<String> = failed_checks(candidate)
        .filter(|check| !known.contains(&check.name.as_str()))
        .map(|check| format!("{}: {}", check.name, check.detail))
        .collect();
    if new.is_empty() {
        return (Safety::Safe, Some("works with the limits that it has now".to_owned()));
    }
    (Safety::Unsafe, Some(format!("works now, and would not any more: {}", new.join("; "))))
}

fn failed_checks(report: &Report) -> impl Iterator<Item = &Check> {
    report.checks.iter().filter(|check| check.status == Status::Failed)
}

/// The ARN that the check of the identity names.
fn identity(report: &Report) -> Option<String> {
    let told = |check: &&Check| check.name == "identity-known" && check.status == Status::Passed;
    let check = report.checks.iter().find(told)?;
    check.detail.split('`').nth(1).map(str::to_owned)
}

fn sum_up(rehearsal: &mut Rehearsal) {
    let worst = rehearsal.resources.iter().max_by_key(|row| row.verdict);
    let Some(worst) = worst else {
        rehearsal.verdict = Safety::Safe;
        rehearsal.reason = Some("no resource uses the current version of this secret".to_owned());
        return;
    };
    rehearsal.verdict = worst.verdict;
    if worst.verdict != Safety::Safe {
        let why = worst.reason.as_deref().unwrap_or("no reason was told");
        rehearsal.reason = Some(format!("`{}` in `{}`: {why}", worst.resource, worst.environment));
    } else if !rehearsal.left_out.is_empty() {
        rehearsal.verdict = Safety::Unknown;
        rehearsal.reason = Some(format!(
            "{} more resources use the secret: name them in `resources`",
            rehearsal.left_out.len()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::{RehearsalWanted, Safety, candidate_pin, compared, judged};
    use crate::model::check::{Check, Report, Status, Verdict};
    use crate::template::Pin;

    fn wanted(stage: Option<&str>, version_id: Option<&str>) -> RehearsalWanted {
        RehearsalWanted {
            source: "aws".to_owned(),
            secret: "s3".to_owned(),
            stage: stage.map(str::to_owned),
            version_id: version_id.map(str::to_owned),
            resources: None,
        }
    }

    #[test]
    fn a_candidate_is_a_stage_or_a_version_and_nothing_that_ends_the_reference() {
        assert_eq!(candidate_pin(&wanted(None, None)).unwrap(), Pin::Stage("AWSPENDING".to_owned()));
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(candidate_pin(&wanted(None, Some(id))).unwrap(), Pin::Version(id.to_owned()));
        for (stage, version) in [
            (Some("AWSCURRENT"), None),
            (Some("A"), Some(id)),
            (Some("X }} {{ secrets.other"), None),
            (Some(""), None),
            (None, Some("short")),
        ] {
            assert!(candidate_pin(&wanted(stage, version)).is_err(), "{stage:?} {version:?}");
        }
    }

    fn report(verdict: Verdict, failed: &[(&str, &str)]) -> Report {
        let check = |(name, cause): &(&str, &str)| {
            let mut check = Check::new(name, Status::Failed, "detail");
            check.cause = Some((*cause).to_owned());
            check
        };
        Report {
            verdict,
            reason: failed.first().map(|(name, _)| format!("{name}: detail")),
            tested_at: String::new(),
            took_ms: 0,
            checks: failed.iter().map(check).collect(),
            permissions: Vec::new(),
        }
    }

    #[test]
    fn only_what_speaks_of_the_key_is_unsafe() {
        for (verdict, failed, safety) in [
            (Verdict::Works, None, Safety::Safe),
            (Verdict::Fails, Some(("signature-accepted", "InvalidAccessKeyId")), Safety::Unsafe),
            (Verdict::Fails, Some(("secrets-resolved", "SecretKeyMissing")), Safety::Unsafe),
            (Verdict::Fails, Some(("endpoint-reachable", "ConnectionRefused")), Safety::Unknown),
            (Verdict::Fails, Some(("bucket-found", "NoSuchBucket")), Safety::Unknown),
            (Verdict::Unverified, None, Safety::Unknown),
        ] {
            let failed: Vec<(&str, &str)> = failed.into_iter().collect();
            assert_eq!(judged(&report(verdict, &failed)).0, safety, "{failed:?}");
        }
    }

    #[test]
    fn limits_that_are_there_already_are_no_reason_against_a_candidate() {
        let list = report(Verdict::WorksWithLimits, &[("objects-listable", "AccessDenied")]);
        let works = report(Verdict::Works, &[]);
        assert_eq!(compared(&list, &list).0, Safety::Safe);
        let (safety, reason) = compared(&list, &works);
        assert_eq!(safety, Safety::Unsafe);
        assert!(reason.unwrap().contains("objects-listable"));
    }
}
