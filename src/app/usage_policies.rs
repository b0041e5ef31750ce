//! Usage policies: made, changed and deleted by admins of the installation, who are told which resources are denied
//! what they have.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::body::{changed_paths, top_level};
use crate::app::sources::{named, parse_body};
use crate::app::usage::Use;
use crate::app::usage_check::{Asked, Destination, Rules, host_of};
use crate::app::{App, Error, Resource, audit};
use crate::clock::rfc3339;
use crate::finding::has_errors;
use crate::model::name::Name;
use crate::model::principal::Caller;
use crate::model::usage_policy::{self, Assumed, Decision, Denial, Dimension, Host, UsagePolicy};
use crate::store::{StoreError, UsagePolicyRecord};

/// A usage policy as it is shown.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UsagePolicyView {
    /// The rule.
    #[serde(flatten)]
    pub definition: UsagePolicy,
    /// Grows with every change; the ETag is made of it.
    pub version: i64,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub updated_at: String,
}

/// What a write of a usage policy answers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UsagePolicySaved {
    /// The rule as it is now, or would be.
    #[serde(flatten)]
    pub view: UsagePolicyView,
    /// What of the resources of all projects is denied from now on, or would be. Endpoints and roles that come out
    /// of secrets are judged at the next query only.
    pub denied: Vec<DeniedUse>,
}

/// What the end of a usage policy answers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UsagePolicyRemoval {
    /// The rule.
    #[schema(value_type = String)]
    pub name: Name,
    /// What is denied without it, or would be.
    pub denied: Vec<DeniedUse>,
}

/// A use of a secret that the rules deny.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeniedUse {
    /// The project.
    #[schema(value_type = String)]
    pub project: Name,
    /// The resource.
    #[schema(value_type = String)]
    pub resource: Name,
    /// The environments in which it is denied.
    #[schema(value_type = Vec<String>)]
    pub environments: Vec<Name>,
    /// The field.
    pub field: &'static str,
    /// The reference as it is written.
    pub reference: String,
    /// The rule that came nearest; absent where no rule names the secret.
    #[schema(value_type = Option<String>)]
    pub rule: Option<Name>,
    /// Why.
    pub reason: String,
    /// It was denied before the change too.
    pub already: bool,
}

/// A use to judge.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UsageQuestion {
    /// The project.
    #[schema(value_type = String, example = "billing")]
    pub project: Name,
    /// The source.
    #[schema(example = "aws-prod")]
    pub source: String,
    /// The secret: its name inside the source's namespace, or its ARN.
    #[schema(example = "payments/s3")]
    pub secret: String,
    /// The field.
    #[schema(example = "auth.secret_access_key")]
    pub field: String,
    /// The endpoint, as a URL or a host; absent for AWS.
    #[serde(default)]
    #[schema(example = "https://s3.example.com")]
    pub endpoint: Option<String>,
    /// The role that is assumed; absent for none.
    #[serde(default)]
    pub role_arn: Option<String>,
}

/// What the rules say of a use.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UsageAnswer {
    /// Whether it is allowed.
    pub allowed: bool,
    /// The rule that allows it, or that came nearest; absent where no rule names the secret.
    #[schema(value_type = Option<String>)]
    pub rule: Option<Name>,
    /// What that rule refuses first; absent when it allows.
    pub refuses: Option<Dimension>,
    /// The same in words.
    pub reason: String,
}

impl App {
    /// All usage policies, by name.
    pub fn usage_policies(&self, caller: &Caller) -> Result<Vec<UsagePolicyView>, Error> {
        installation_only(caller)?;
        Ok(self.registry.state().usage_policies().values().map(|record| shown(record)).collect())
    }

    /// One usage policy.
    pub fn usage_policy(&self, caller: &Caller, name: &str) -> Result<UsagePolicyView, Error> {
        Ok(shown(&*self.known_usage_policy(caller, name)?))
    }

    fn known_usage_policy(&self, caller: &Caller, name: &str) -> Result<Arc<UsagePolicyRecord>, Error> {
        installation_only(caller)?;
        let missing = || Error::NotFound { what: "usage policy", name: name.chars().take(80).collect() };
        let name = Name::parse(name).map_err(|_| missing())?;
        self.registry.state().usage_policies().get(&name).cloned().ok_or_else(missing)
    }

    /// Makes a usage policy.
    pub async fn create_usage_policy(
        &self,
        caller: &Caller,
        body: Value,
        dry_run: bool,
    ) -> Result<UsagePolicySaved, Error> {
        installation_only(caller)?;
        let definition = read(body)?;
        let name = definition.name.clone();
        if self.registry.state().usage_policies().contains_key(&name) {
            return Err(taken(&name));
        }
        let now = self.clock.now_ms();
        let would =
            UsagePolicyRecord { id: "".into(), definition, version: 1, created_ms: now, updated_ms: now };
        let denied = self.denied_uses(&self.usage_rules().with(would.clone()));
        if dry_run {
            return Ok(UsagePolicySaved { view: shown(&would), denied });
        }
        let event = audit::event(caller, "usage_policy.create", name.as_str(), now);
        let created = self.store.create_usage_policy(would.definition, now, &event).await;
        let (record, sequence) = created.map_err(|error| match error {
            StoreError::Conflict => taken(&name),
            other => other.into(),
        })?;
        let record = self.registry.put_usage_policy(sequence, record);
        Ok(UsagePolicySaved { view: shown(&record), denied })
    }

    /// Replaces a usage policy. `expected` is the version of `If-Match`.
    pub async fn replace_usage_policy(
        &self,
        caller: &Caller,
        name: &str,
        body: Value,
        expected: Option<i64>,
        dry_run: bool,
    ) -> Result<UsagePolicySaved, Error> {
        let old = self.known_usage_policy(caller, name)?;
        check_version(&old, expected)?;
        let definition = read(body)?;
        if definition.name != old.definition.name {
            return Err(Error::BadRequest(
                "a usage policy keeps its name: denials and the audit tell it".to_owned(),
            ));
        }
        let now = self.clock.now_ms();
        let would = UsagePolicyRecord {
            definition,
            version: old.version + 1,
            updated_ms: now,
            ..UsagePolicyRecord::clone(&old)
        };
        let denied = self.denied_uses(&self.usage_rules().with(would.clone()));
        if dry_run {
            return Ok(UsagePolicySaved { view: shown(&would), denied });
        }
        let mut event = audit::event(caller, "usage_policy.update", name, now);
        let (before, after) = (json(&old.definition)?, json(&would.definition)?);
        let changed = changed_paths(&before, &after, &top_level(&before, &after));
        event.detail = Some(format!("changed {}", changed.join(", ")));
        let updated = self.store.update_usage_policy(&old, would.definition, now, &event).await;
        let (record, sequence) = updated.map_err(named("usage policy", name))?;
        let record = self.registry.put_usage_policy(sequence, record);
        Ok(UsagePolicySaved { view: shown(&record), denied })
    }

    /// Deletes a usage policy.
    pub async fn delete_usage_policy(
        &self,
        caller: &Caller,
        name: &str,
        expected: Option<i64>,
        dry_run: bool,
    ) -> Result<UsagePolicyRemoval, Error> {
        let old = self.known_usage_policy(caller, name)?;
        check_version(&old, expected)?;
        let denied = self.denied_uses(&self.usage_rules().without(&old.definition.name));
        let removal = UsagePolicyRemoval { name: old.definition.name.clone(), denied };
        if dry_run {
            return Ok(removal);
        }
        let event = audit::event(caller, "usage_policy.delete", name, self.clock.now_ms());
        let deleted = self.store.delete_usage_policy(&old, &event).await;
        let sequence = deleted.map_err(named("usage policy", name))?;
        self.registry.remove_usage_policy(sequence, &old.definition.name);
        Ok(removal)
    }

    /// What the rules say of a use that nobody made yet.
    pub fn check_usage_policies(
        &self,
        caller: &Caller,
        question: &UsageQuestion,
    ) -> Result<UsageAnswer, Error> {
        installation_only(caller)?;
        let missing =
            |what: &'static str, name: &str| Error::NotFound { what, name: name.chars().take(80).collect() };
        let UsageQuestion { project, source, secret, field, endpoint, role_arn } = question;
        if !usage_policy::is_field(field) {
            let shown: String = field.chars().take(80).collect();
            return Err(Error::BadRequest(format!("no field that takes references is called `{shown}`")));
        }
        let state = self.registry.state();
        let known = state.project(project.as_str()).ok_or_else(|| missing("project", project.as_str()))?;
        let source = state.visible_source(&known.id, source).ok_or_else(|| missing("source", source))?;
        let host = endpoint.as_deref().map_or(Host::Aws, |text| {
            Host::Named(host_of(text).unwrap_or_else(|| text.to_ascii_lowercase()))
        });
        let role = role_arn.clone().map_or(Assumed::Nothing, Assumed::Role);
        let definition = &source.record.definition;
        let asked = Asked {
            project: project.as_str(),
            resource: "",
            field,
            source: definition,
            secret: &definition.full_name(secret),
            destination: &Destination::new(host, role),
        };
        let readings = usage_policy::readings_of(definition, asked.secret);
        Ok(answer(&self.usage_rules().decide(&asked, &readings)))
    }

    /// What these rules deny, in all projects.
    fn denied_uses(&self, rules: &Rules) -> Vec<DeniedUse> {
        let (state, now) = (self.registry.state(), self.usage_rules());
        let mut denied: Vec<DeniedUse> = Vec::new();
        for project in state.projects() {
            for resource in state.resources(&project.id) {
                for used in self.uses(&resource.record) {
                    if let Some(found) = denied_use(&project.name, &resource, &used, rules, &now) {
                        merge(&mut denied, found);
                    }
                }
            }
        }
        denied
    }
}

fn denied_use(
    project: &Name,
    resource: &Resource,
    used: &Use,
    rules: &Rules,
    now: &Rules,
) -> Option<DeniedUse> {
    let (source, key) = used.target.as_ref().ok()?;
    let seen = resource.record.definition.in_environment(&used.environment);
    let definition = &source.record.definition;
    let readings = usage_policy::readings_of(definition, &key.secret);
    // what is signed for a public endpoint goes there, too
    let destinations: Vec<Destination> =
        [Destination::written(&seen)].into_iter().chain(Destination::public(&seen)).collect();
    let (asked, denial) = destinations.iter().find_map(|destination| {
        let asked = Asked {
            project: project.as_str(),
            resource: used.resource.as_str(),
            field: used.field,
            source: definition,
            secret: &key.secret,
            destination,
        };
        rules.denial(&asked, &readings).map(|denial| (asked, denial))
    })?;
    Some(DeniedUse {
        project: project.clone(),
        resource: used.resource.clone(),
        environments: vec![used.environment.clone()],
        field: used.field,
        reference: used.reference.clone(),
        rule: denial.rule().cloned(),
        reason: denial.to_string(),
        already: now.denial(&asked, &readings).is_some(),
    })
}

/// One row for the same denial in several environments. Those of one resource follow each other.
fn merge(denied: &mut Vec<DeniedUse>, found: DeniedUse) {
    let of_it = |row: &&mut DeniedUse| (&row.project, &row.resource) == (&found.project, &found.resource);
    let same = |row: &&mut DeniedUse| {
        (row.field, &row.reference, &row.reason, row.already)
            == (found.field, &found.reference, &found.reason, found.already)
    };
    let known = denied.iter_mut().rev().take_while(of_it).find(same);
    if let Some(row) = known {
        row.environments.extend(found.environments);
        return;
    }
    denied.push(found);
}

fn answer(decision: &Decision) -> UsageAnswer {
    let (rule, refuses, reason) = match decision {
        Decision::Allowed(Some(rule)) => {
            (Some(rule.clone()), None, format!("the usage policy `{rule}` allows it"))
        }
        Decision::Allowed(None) => {
            (None, None, "no usage policy names the secret, and here such a secret is free to use".to_owned())
        }
        Decision::Denied(denial) => {
            let refuses = match denial {
                Denial::Refused(_, dimension) => Some(*dimension),
                Denial::NotRuled => None,
            };
            (denial.rule().cloned(), refuses, denial.to_string())
        }
    };
    UsageAnswer { allowed: matches!(decision, Decision::Allowed(_)), rule, refuses, reason }
}

/// A client may send back what it read.
fn read(mut body: Value) -> Result<UsagePolicy, Error> {
    if let Some(fields) = body.as_object_mut() {
        for own in ["version", "created_at", "updated_at", "denied"] {
            fields.remove(own);
        }
    }
    let definition: UsagePolicy = parse_body(&body)?;
    let findings = definition.validate();
    if has_errors(&findings) { Err(Error::invalid(findings)) } else { Ok(definition) }
}

fn json(definition: &UsagePolicy) -> Result<Value, Error> {
    serde_json::to_value(definition).map_err(|error| Error::BadRequest(error.to_string()))
}

fn shown(record: &UsagePolicyRecord) -> UsagePolicyView {
    UsagePolicyView {
        definition: record.definition.clone(),
        version: record.version,
        created_at: rfc3339(record.created_ms),
        updated_at: rfc3339(record.updated_ms),
    }
}

fn check_version(old: &UsagePolicyRecord, expected: Option<i64>) -> Result<(), Error> {
    if expected.is_some_and(|expected| expected != old.version) {
        return Err(Error::VersionMismatch { current: old.version });
    }
    Ok(())
}

fn installation_only(caller: &Caller) -> Result<(), Error> {
    if caller.installation { Ok(()) } else { Err(Error::InstallationOnly) }
}

fn taken(name: &Name) -> Error {
    Error::Conflict(format!(
        "the usage policy `{name}` exists already: choose another name, or change it with PUT"
    ))
}
