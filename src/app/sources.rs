//! Secret sources: create, change, delete, activate, test.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::body::{changed_paths, kept_literals, merge};
use crate::app::source::{self, Reader, Source};
use crate::app::workspace::{UsedElsewhere, keep_scope, source_event, users};
use crate::app::{App, Error};
use crate::aws::secrets_manager::Version;
use crate::aws::{AwsError, ErrorKind};
use crate::clock::rfc3339;
use crate::finding::{Finding, has_errors};
use crate::model::check::{Check, Report, Status, verdict};
use crate::model::error_catalogue;
use crate::model::literal::{self, Literals};
use crate::model::name::{Identifier, Name};
use crate::model::principal::Caller;
use crate::model::secret::{Alias, AwsSource, CREDENTIAL_FIELDS, SourceDefinition, SourceKind, SourceScope};
use crate::store::{SourceRecord, StoreError};

/// A source as it is shown.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SourceView {
    /// The definition, literal keys as marks.
    #[serde(flatten)]
    pub definition: SourceDefinition,
    /// The environments in which plain references of the caller's project mean this source.
    #[schema(value_type = Vec<String>)]
    pub active_in: Vec<Name>,
    /// Of a source of the workspace: the environments in which projects without a source of their own mean it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub active_in_workspace: Vec<Name>,
    /// The addresses that requests come from, as far as the operator told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["198.51.100.4"]))]
    pub outbound_addresses: Vec<String>,
    /// What there is to say of it.
    pub findings: Vec<Finding>,
    /// Grows with every change; the ETag is made of it.
    pub version: i64,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub updated_at: String,
}

/// What a write of a source answers.
#[derive(Debug)]
pub struct SourceSaved {
    /// The source as it is now, or would be.
    pub view: SourceView,
}

/// What goes, or would go, with a source.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Removal {
    /// The source.
    #[schema(value_type = String)]
    pub name: Identifier,
    /// The environments in which plain references meant it.
    #[schema(value_type = Vec<String>)]
    pub active_in: Vec<Name>,
    /// Secrets of a local source, which go with it.
    pub secrets: u64,
    /// Resources whose references lead nowhere without it.
    #[schema(value_type = Vec<String>)]
    pub used_by: Vec<Name>,
    /// How many there are in other projects, for a source of the workspace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub used_elsewhere: Vec<UsedElsewhere>,
}

/// Fields that say which secret a name means and who reads it.
const MEANING: &[&str] = &["namespace", "project_roles", "project_roles_required"];

/// Fields whose change sends the stored keys to another place.
const DESTINATION: &[&str] = &["endpoint", "region", "assume_role", "kind"];

impl App {
    /// The sources of the caller's project and of the workspace.
    pub fn sources(&self, caller: &Caller) -> Vec<SourceView> {
        let sources = self.registry.state().visible_sources(&caller.project.id);
        sources.iter().map(|source| self.source_view(caller, &source.record)).collect()
    }

    /// One source.
    pub fn source(&self, caller: &Caller, name: &str) -> Result<SourceView, Error> {
        Ok(self.source_view(caller, &self.known_source(caller, name)?.record))
    }

    /// A source by its name, as the caller's project reads it.
    pub(super) fn known_source(&self, caller: &Caller, name: &str) -> Result<Arc<Source>, Error> {
        let missing = || Error::NotFound { what: "source", name: name.chars().take(80).collect() };
        let state = self.registry.state();
        let source = state.visible_source(&caller.project.id, name).ok_or_else(missing)?;
        Ok(source.for_project(&caller.project))
    }

    pub(super) fn source_view(&self, caller: &Caller, record: &SourceRecord) -> SourceView {
        let state = self.registry.state();
        let in_workspace = match record.definition.scope {
            SourceScope::Workspace => state.workspace_environments(&record.id),
            SourceScope::Project => Vec::new(),
        };
        SourceView {
            definition: Self::shown_definition(caller, &record.definition),
            active_in: state.environments_meaning(&caller.project.id, &record.id),
            active_in_workspace: in_workspace,
            outbound_addresses: match record.definition.kind {
                SourceKind::Local => Vec::new(),
                SourceKind::Aws(_) => self.outbound_addresses(None).to_vec(),
            },
            findings: self.source_findings(&caller.project.id, &record.definition),
            version: record.version,
            created_at: rfc3339(record.created_ms),
            updated_at: rfc3339(record.updated_ms),
        }
    }

    /// Makes a source. The first source of a project becomes the active one of the default environment, so that
    /// references work without another step.
    pub async fn create_source(
        &self,
        caller: &Caller,
        body: Value,
        dry_run: bool,
    ) -> Result<SourceSaved, Error> {
        let (definition, literals) = read_source(body)?;
        let scope = definition.scope;
        Self::may_change(caller, scope)?;
        self.check_source(&definition, &literals)?;
        let now = self.clock.now_ms();
        let owner = Self::owner(caller, scope);
        if self.registry.find_source(&definition.name, &owner).is_some() {
            return Err(Error::Conflict(format!("the source `{}` exists already", definition.name)));
        }
        if dry_run {
            let findings = self.source_findings(&caller.project.id, &definition);
            return Ok(SourceSaved { view: SourceView { findings, ..would_be(definition, 1, now) } });
        }
        let environment = default_environment()?;
        let first = scope == SourceScope::Project && self.has_no_source(caller, &environment);
        let event = source_event(caller, scope, "source.create", definition.name.as_str(), now);
        let (record, sequence) = self.store.create_source(&owner, definition, literals, now, &event).await?;
        let source = self.registry.put_source(sequence, record);
        if first {
            self.activate(caller, scope, &environment, &source).await?;
        }
        Ok(SourceSaved { view: self.source_view(caller, &source.record) })
    }

    /// Replaces a source, or changes it by a merge patch (RFC 7396). `expected` is the version of `If-Match`.
    pub async fn change_source(
        &self,
        caller: &Caller,
        name: &str,
        mut body: Value,
        patch: bool,
        expected: Option<i64>,
        dry_run: bool,
    ) -> Result<SourceSaved, Error> {
        let source = self.known_source(caller, name)?;
        let old = &source.record;
        let scope = old.definition.scope;
        Self::may_change(caller, scope)?;
        if expected.is_some_and(|expected| expected != old.version) {
            return Err(Error::VersionMismatch { current: old.version });
        }
        let new_literals = literal::split(&mut body, CREDENTIAL_FIELDS, |_| false);
        let old_text =
            serde_json::to_value(&old.definition).map_err(|error| Error::BadRequest(error.to_string()))?;
        let mut text = if patch { merge(old_text.clone(), body) } else { body };
        keep_scope(&mut text, &old_text);
        let literals = kept_literals(&mut text, CREDENTIAL_FIELDS, &old.literals, new_literals)?;
        let definition = parse_source(&text)?;
        if definition.name != old.definition.name {
            return Err(Error::BadRequest("a source keeps its name: references hold it".to_owned()));
        }
        if definition.scope != scope {
            return Err(Error::BadRequest("a source keeps its scope: make another one".to_owned()));
        }
        let after =
            serde_json::to_value(&definition).map_err(|error| Error::BadRequest(error.to_string()))?;
        let moved = changed_paths(&old_text, &after, DESTINATION);
        if !moved.is_empty() && literals.reused {
            return Err(retype(&moved));
        }
        self.check_source(&definition, &literals.values)?;
        let now = self.clock.now_ms();
        if dry_run {
            return Ok(SourceSaved { view: would_be(definition, old.version + 1, now) });
        }
        let event = source_event(caller, scope, "source.update", definition.name.as_str(), now);
        let (record, sequence) =
            self.store.update_source(old, definition, literals.values, now, &event).await?;
        let source = self.registry.put_source(sequence, record);
        // afterwards: what a query loads from here on comes from the new place
        if !moved.is_empty() || !changed_paths(&old_text, &after, MEANING).is_empty() {
            self.cache.clear_source(&source.record.id);
        } else {
            self.cache.forget_errors(&source.record.id);
        }
        Ok(SourceSaved { view: self.source_view(caller, &source.record) })
    }

    /// Deletes a source and, when it is local, its secrets. Resources that reference it keep the reference, which
    /// then leads nowhere: that needs `force`.
    pub async fn delete_source(
        &self,
        caller: &Caller,
        name: &str,
        expected: Option<i64>,
        force: bool,
        dry_run: bool,
    ) -> Result<Removal, Error> {
        let source = self.known_source(caller, name)?;
        let scope = source.record.definition.scope;
        Self::may_change(caller, scope)?;
        if expected.is_some_and(|expected| expected != source.record.version) {
            return Err(Error::VersionMismatch { current: source.record.version });
        }
        let removal = self.removal(caller, &source).await?;
        if dry_run {
            return Ok(removal);
        }
        if !force && let Some(users) = users(&removal) {
            return Err(Error::SourceInUse(format!(
                "the source `{name}` is used by {users}: change them first, or delete it all the same with `?force=true`"
            )));
        }
        let event = source_event(caller, scope, "source.delete", removal.name.as_str(), self.clock.now_ms());
        let sequence = self.store.delete_source(&source.record.id, &event).await?;
        self.registry.remove_source(sequence, &source.record.id);
        self.cache.clear_source(&source.record.id);
        Ok(removal)
    }

    async fn removal(&self, caller: &Caller, source: &Source) -> Result<Removal, Error> {
        let record = &source.record;
        let state = self.registry.state();
        let used_by = state
            .resources(&caller.project.id)
            .into_iter()
            .filter(|resource| self.uses_source(resource, source))
            .map(|resource| resource.name().clone());
        Ok(Removal {
            name: record.definition.name.clone(),
            active_in: state.active_environments(&record.id),
            secrets: self.store.count_vault_secrets(&record.id).await?,
            used_by: used_by.collect(),
            used_elsewhere: self.used_elsewhere(&caller.project, source),
        })
    }

    /// Sets or removes an alias.
    pub async fn set_alias(
        &self,
        caller: &Caller,
        name: &str,
        alias: &str,
        to: Option<Alias>,
        dry_run: bool,
    ) -> Result<SourceView, Error> {
        let source = self.known_source(caller, name)?;
        let scope = source.record.definition.scope;
        Self::may_change(caller, scope)?;
        let alias = Identifier::parse(alias).map_err(|error| Error::BadRequest(error.to_string()))?;
        let mut definition = source.record.definition.clone();
        let removed = to.is_none();
        let before = match to {
            Some(to) => definition.aliases.insert(alias.clone(), to),
            None => definition.aliases.remove(&alias),
        };
        if removed && before.is_none() {
            return Err(Error::NotFound { what: "alias", name: alias.to_string() });
        }
        let now = self.clock.now_ms();
        if dry_run {
            return Ok(would_be(definition, source.record.version + 1, now));
        }
        let mut event = source_event(caller, scope, "source.alias", definition.name.as_str(), now);
        event.detail = Some(format!("alias {alias}"));
        let literals = source.record.literals.clone();
        let (record, sequence) =
            self.store.update_source(&source.record, definition, literals, now, &event).await?;
        let source = self.registry.put_source(sequence, record);
        Ok(self.source_view(caller, &source.record))
    }

    fn check_source(&self, definition: &SourceDefinition, literals: &Literals) -> Result<(), Error> {
        let mut findings = definition.validate();
        findings.extend(self.unknown_projects(definition));
        if let SourceKind::Aws(aws) = &definition.kind {
            if let Some(Err(blocked)) = aws.endpoint.as_deref().map(|url| self.egress().check_url(url)) {
                findings.push(Finding::error("ENDPOINT_BLOCKED", "endpoint", blocked.to_string()));
            }
            findings.extend(missing_keys(aws, literals));
        }
        if has_errors(&findings) { Err(Error::invalid(findings)) } else { Ok(()) }
    }

    /// Tests a saved source.
    pub async fn test_source(self: &Arc<Self>, caller: &Caller, name: &str) -> Result<Report, Error> {
        let source = self.known_source(caller, name)?;
        Ok(self.source_report(&source).await)
    }

    /// Tests a source that is not saved.
    pub async fn test_unsaved_source(
        self: &Arc<Self>,
        caller: &Caller,
        body: Value,
    ) -> Result<Report, Error> {
        let (definition, literals) = read_source(body)?;
        // what is said of its roles would tell which other projects there are
        Self::may_change(caller, definition.scope)?;
        self.check_source(&definition, &literals)?;
        let now = self.clock.now_ms();
        let record = SourceRecord {
            id: crate::store::new_id().into(),
            project_id: Arc::clone(&caller.project.id),
            definition,
            literals,
            version: 0,
            created_ms: now,
            updated_ms: now,
        };
        Ok(self.source_report(&Source::new(record).for_project(&caller.project)).await)
    }

    pub(super) async fn source_report(self: &Arc<Self>, source: &Arc<Source>) -> Report {
        let started = Instant::now();
        let checks = match &source.record.definition.kind {
            SourceKind::Aws(aws) => self.aws_checks(source, aws).await,
            SourceKind::Local => vec![self.vault_check(source).await],
        };
        let essential = ["credentials-valid", "role-assumed", "secrets-readable"];
        let failed = checks.iter().find(|check| check.status == Status::Failed);
        Report {
            verdict: verdict(&checks, &essential),
            reason: failed.map(|check| check.detail.clone()),
            tested_at: rfc3339(self.clock.now_ms()),
            took_ms: elapsed_ms(started),
            checks,
            permissions: Vec::new(),
        }
    }

    async fn vault_check(&self, source: &Source) -> Check {
        match self.store.vault_names(&source.record.id, "", "", 1).await {
            Ok(_) => Check::new("secrets-readable", Status::Passed, "the local vault can be read"),
            Err(error) => Check::new("secrets-readable", Status::Failed, error.to_string()),
        }
    }

    async fn aws_checks(self: &Arc<Self>, source: &Source, aws: &AwsSource) -> Vec<Check> {
        let mut checks = vec![self.source_identity(source, aws).await];
        let client = match source.client(self) {
            Ok(client) => client,
            Err(error) => {
                checks.push(failed("secrets-readable", "secretsmanager:GetSecretValue", &error));
                return checks;
            }
        };
        if aws.assume_role.is_some() || matches!(source.reader, Reader::Project(..)) {
            checks.push(self.source_role(source, aws).await);
        }
        let started = Instant::now();
        // a name nobody has: "not found" proves the permission, "access denied" refutes it
        let probe =
            source.record.definition.full_name(&format!("s3-connector-probe-{}", crate::store::new_id()));
        let outcome = client.get(&probe, &Version::Stage("AWSCURRENT".to_owned())).await;
        let mut readable = match outcome {
            Ok(_) => Check::new("secrets-readable", Status::Passed, "GetSecretValue is permitted"),
            Err(error) if error.kind == ErrorKind::NotFound => Check::new(
                "secrets-readable",
                Status::Passed,
                format!("GetSecretValue is permitted: `{probe}` is not there, as expected"),
            ),
            Err(error) => failed("secrets-readable", "secretsmanager:GetSecretValue", &error),
        };
        readable.call = Some("secretsmanager:GetSecretValue".to_owned());
        readable.took_ms = elapsed_ms(started);
        checks.push(readable);
        let started = Instant::now();
        let mut listable = match client.list(&source.record.definition.full_name(""), None, 1).await {
            Ok(_) => Check::new("secrets-listable", Status::Passed, "ListSecrets is permitted"),
            Err(error) if error.kind == ErrorKind::AccessDenied => Check::new(
                "secrets-listable",
                Status::Skipped,
                "ListSecrets is not permitted: names cannot be listed, references work",
            ),
            Err(error) => failed("secrets-listable", "secretsmanager:ListSecrets", &error),
        };
        listable.call = Some("secretsmanager:ListSecrets".to_owned());
        listable.took_ms = elapsed_ms(started);
        checks.push(listable);
        checks
    }

    async fn source_identity(&self, source: &Source, aws: &AwsSource) -> Check {
        let started = Instant::now();
        let base = source::base(aws, &source.record.literals);
        let outcome = match source::sts_target(self, aws) {
            Ok(target) => self.identities.caller_identity(&base, &target).await,
            Err(error) => Err(error),
        };
        let mut check = match outcome {
            Ok(arn) => {
                Check::new("credentials-valid", Status::Passed, format!("the credentials belong to `{arn}`"))
            }
            Err(error) if matches!(error.kind, ErrorKind::BadCredentials | ErrorKind::AccessDenied) => {
                failed("credentials-valid", "sts:GetCallerIdentity", &error)
            }
            Err(error) => Check::new(
                "credentials-valid",
                Status::Skipped,
                format!("STS could not be asked ({}); reading a secret will tell", error.code),
            ),
        };
        check.call = Some("sts:GetCallerIdentity".to_owned());
        check.took_ms = elapsed_ms(started);
        check
    }

    async fn source_role(&self, source: &Source, aws: &AwsSource) -> Check {
        let started = Instant::now();
        let slot = source::role_slot(self, aws, source);
        let outcome = match slot {
            Ok(Some(slot)) => slot.credentials().await.map(drop),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        let mut check = match outcome {
            Ok(()) => Check::new("role-assumed", Status::Passed, "the role was assumed"),
            Err(error) => failed("role-assumed", "sts:AssumeRole", &error),
        };
        check.call = Some("sts:AssumeRole".to_owned());
        check.took_ms = elapsed_ms(started);
        check
    }
}

/// A failed check with cause and remedy from the catalogue.
pub(super) fn failed(name: &str, call: &str, error: &AwsError) -> Check {
    let code = error.catalogue_code();
    let mut check = Check::new(name, Status::Failed, format!("{}: {}", error.code, error.message));
    check.call = Some(call.to_owned());
    check.cause = Some(code.to_owned());
    check.request_id.clone_from(&error.request_id);
    check.remedy =
        Some(format!("the code is not known here: look `{code}` up in the provider's documentation"));
    if let Some(entry) = error_catalogue::find(code) {
        check.detail = format!("{} ({}: {})", entry.cause, error.code, error.message);
        check.remedy = Some(format!("{} - {} can do this", entry.remedy, entry.owner.as_str()));
    }
    if let Some(proposal) = &error.proposal {
        check.remedy = Some(proposal.remedy());
        check.fix = Some(proposal.fix());
    }
    check
}

pub(super) fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A stored key is sent to another place only by somebody who knows it.
pub(super) fn retype(moved: &[String]) -> Error {
    let findings = moved.iter().map(|path| {
        Finding::error(
            "KEY_MUST_BE_TYPED_AGAIN",
            path.clone(),
            "the change sends the stored key to another place",
        )
        .with_help("give the stored key again in the same request; templates need not be repeated")
    });
    Error::invalid(findings.collect())
}

fn default_environment() -> Result<Name, Error> {
    Name::parse(crate::app::DEFAULT_ENVIRONMENT).map_err(|error| Error::BadRequest(error.to_string()))
}

fn read_source(mut body: Value) -> Result<(SourceDefinition, Literals), Error> {
    let literals = literal::split(&mut body, CREDENTIAL_FIELDS, |_| false);
    Ok((parse_source(&body)?, literals))
}

/// Parses a definition and names fields that it does not know.
fn parse_source(body: &Value) -> Result<SourceDefinition, Error> {
    let definition: SourceDefinition = parse_body(body)?;
    let known = serde_json::to_value(&definition).map_err(|error| Error::BadRequest(error.to_string()))?;
    let own = ["active_in", "active_in_workspace", "findings", "version", "created_at", "updated_at"];
    let unknown = body
        .as_object()
        .into_iter()
        .flat_map(serde_json::Map::keys)
        .find(|key| known.get(key.as_str()).is_none() && !own.contains(&key.as_str()));
    match unknown {
        Some(key) => Err(Error::BadRequest(format!("a source has no field `{key}`"))),
        None => Ok(definition),
    }
}

/// Parses a value; the message names what was expected, and never a value: a key may stand at the wrong place.
pub(super) fn parse_body<T: serde::de::DeserializeOwned>(body: &Value) -> Result<T, Error> {
    serde_path_to_error::deserialize(body).map_err(|error| {
        let shown = literal::without_values(&error.inner().to_string());
        let path = error.path().to_string();
        let place = if path == "." { String::new() } else { format!(" at `{path}`") };
        let finding = Finding::error("MALFORMED", path.trim_start_matches('.'), shown.clone());
        Error::Malformed { detail: format!("the definition cannot be read{place}: {shown}"), finding }
    })
}

fn missing_keys(aws: &AwsSource, literals: &Literals) -> Vec<Finding> {
    let needed = ["auth.access_key_id", "auth.secret_access_key"];
    if !matches!(aws.auth, crate::model::secret::SourceAuth::AccessKey { .. }) {
        return Vec::new();
    }
    let missing = needed.iter().filter(|path| !literals.contains_key(**path));
    missing
        .map(|path| {
            Finding::error("KEY_MISSING", *path, "the key is empty").with_help("give the key as text")
        })
        .collect()
}

fn would_be(definition: SourceDefinition, version: i64, now: i64) -> SourceView {
    SourceView {
        definition,
        active_in: Vec::new(),
        active_in_workspace: Vec::new(),
        outbound_addresses: Vec::new(),
        findings: Vec::new(),
        version,
        created_at: rfc3339(now),
        updated_at: rfc3339(now),
    }
}

/// What a missing row means for one named thing.
pub(super) fn named(what: &'static str, name: &str) -> impl FnOnce(StoreError) -> Error {
    move |error| match error {
        StoreError::NotFound => Error::NotFound { what, name: name.to_owned() },
        other => other.into(),
    }
}
