//! Resources: create, change, copy, delete, history.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::body::{
    changed_paths, drop_view_fields, generate_external_id, is_template, kept_literals, merge,
    read_definition, rewrite_reference_objects, top_level,
};
use crate::app::sources::{named, parse_body, retype};
use crate::app::usage_check::{USAGE_DENIED, kept_references};
use crate::app::{App, Error, Resource, audit};
use crate::clock::rfc3339;
use crate::finding::Finding;
use crate::model::literal::{self, Literals};
use crate::model::name::Name;
use crate::model::principal::Caller;
use crate::model::resource::{CREDENTIAL_FIELDS, Definition};
use crate::store::{ResourceRecord, StoreError};

/// A resource as it is shown.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ResourceView {
    /// The definition, literal keys as marks.
    #[serde(flatten)]
    pub definition: Definition,
    /// The project.
    #[schema(value_type = String)]
    pub project: Name,
    /// Grows with every change; the ETag is made of it.
    pub version: i64,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub updated_at: String,
    /// The addresses that requests come from, as far as the operator told: whoever guards the store lets them in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["203.0.113.7"]))]
    pub outbound_addresses: Vec<String>,
    /// What is worth knowing although it could be saved.
    pub findings: Vec<Finding>,
}

/// What a write of a resource answers.
#[derive(Debug)]
pub struct Saved {
    /// The resource as it is now, or would be.
    pub view: ResourceView,
}

/// Fields whose change sends the stored keys to another place.
const DESTINATION: &[&str] = &[
    "endpoint",
    "public_endpoint",
    "bucket",
    "expected_bucket_owner",
    "provider",
    "outbound",
    "assume_role",
    "environments",
];

impl App {
    /// A page of the caller's resources whose name, description, folder or bucket holds `filter`, after `cursor`.
    pub fn resources(
        &self,
        caller: &Caller,
        filter: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> (Vec<ResourceView>, Option<String>) {
        let wanted = filter.to_lowercase();
        let matches = |resource: &&Arc<Resource>| {
            let definition = &resource.record.definition;
            let texts =
                [definition.name.as_str(), &definition.description, &definition.folder, &definition.bucket];
            wanted.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&wanted))
        };
        let all = self.registry.state().resources(&caller.project.id);
        let mut rest = all
            .iter()
            .filter(matches)
            .filter(|resource| cursor.is_none_or(|after| resource.name().as_str() > after));
        let page: Vec<ResourceView> = rest
            .by_ref()
            .take(limit.clamp(1, 1000))
            .map(|resource| self.resource_view(caller, &resource.record))
            .collect();
        let more = rest.next().is_some();
        let cursor = page.last().filter(|_| more).map(|last| last.definition.name.to_string());
        (page, cursor)
    }

    /// One resource.
    pub fn resource(&self, caller: &Caller, name: &str) -> Result<ResourceView, Error> {
        Ok(self.resource_view(caller, &self.known_resource(caller, name)?.record))
    }

    /// The resource itself, as [`App::connect`] takes it.
    pub fn known_resource(&self, caller: &Caller, name: &str) -> Result<Arc<Resource>, Error> {
        let missing = || Error::NotFound { what: "resource", name: name.chars().take(80).collect() };
        self.registry.find_resource(name, &caller.project.id).ok_or_else(missing)
    }

    fn resource_view(&self, caller: &Caller, record: &ResourceRecord) -> ResourceView {
        ResourceView {
            findings: self.findings(caller, &record.definition, &record.literals),
            outbound_addresses: self.outbound_addresses(record.definition.outbound.as_ref()).to_vec(),
            definition: record.definition.clone(),
            project: caller.project.name.clone(),
            version: record.version,
            created_at: rfc3339(record.created_ms),
            updated_at: rfc3339(record.updated_ms),
        }
    }

    /// What a write answers.
    async fn saved(&self, caller: &Caller, record: &ResourceRecord) -> Saved {
        let mut view = self.resource_view(caller, record);
        view.findings.extend(self.missing_secrets(record).await);
        Saved { view }
    }

    /// The addresses that requests of this route come from; of none those that go straight.
    pub(super) fn outbound_addresses(&self, route: Option<&Name>) -> &[String] {
        match route {
            Some(name) => self.routes.get(name).map_or(&[], |route| route.addresses.as_slice()),
            None => &self.config.egress.addresses,
        }
    }

    /// Makes a resource.
    pub async fn create_resource(&self, caller: &Caller, body: Value, dry_run: bool) -> Result<Saved, Error> {
        let (definition, literals) = read_definition(body)?;
        self.check(caller, &definition, &literals)?;
        if self.registry.find_resource(definition.name.as_str(), &caller.project.id).is_some() {
            return Err(taken(&definition.name));
        }
        self.insert(caller, definition, literals, "resource.create", dry_run).await
    }

    async fn insert(
        &self,
        caller: &Caller,
        definition: Definition,
        literals: Literals,
        action: &str,
        dry_run: bool,
    ) -> Result<Saved, Error> {
        let now = self.clock.now_ms();
        if dry_run {
            return Ok(self.saved(caller, &unsaved(caller, definition, literals, 1, now)).await);
        }
        let name = definition.name.clone();
        let event = audit::event(caller, action, name.as_str(), now);
        let created = self.store.create_resource(&caller.project.id, definition, literals, now, &event).await;
        let (record, sequence) = created.map_err(|error| match error {
            StoreError::Conflict => taken(&name),
            other => other.into(),
        })?;
        let resource = self.registry.put_resource(sequence, None, record);
        Ok(self.saved(caller, &resource.record).await)
    }

    /// Replaces a resource, or changes it by a merge patch (RFC 7396). `expected` is the version of `If-Match`.
    pub async fn change_resource(
        &self,
        caller: &Caller,
        name: &str,
        mut body: Value,
        patch: bool,
        expected: Option<i64>,
        dry_run: bool,
    ) -> Result<Saved, Error> {
        let resource = self.known_resource(caller, name)?;
        let old = &resource.record;
        if expected.is_some_and(|expected| expected != old.version) {
            return Err(Error::VersionMismatch { current: old.version });
        }
        drop_view_fields(&mut body);
        rewrite_reference_objects(&mut body)?;
        generate_external_id(&mut body)?;
        let typed = literal::split(&mut body, CREDENTIAL_FIELDS, is_template);
        let keeps_keys = typed.is_empty();
        let before = json(&old.definition)?;
        let mut text = if patch { merge(before.clone(), body) } else { body };
        let literals = kept_literals(&mut text, CREDENTIAL_FIELDS, &old.literals, typed)?;
        let definition: Definition = parse_body(&text)?;
        let after = json(&definition)?;
        let moved = changed_paths(&places(&before), &places(&after), DESTINATION);
        if !moved.is_empty() && literals.reused {
            return Err(retype(&moved));
        }
        self.check(caller, &definition, &literals.values)?;
        if keeps_keys && definition == old.definition {
            // a version in which nothing differs would only hide those that matter
            return Ok(self.saved(caller, old).await);
        }
        let renamed = definition.name != old.definition.name;
        if renamed && self.registry.find_resource(definition.name.as_str(), &caller.project.id).is_some() {
            return Err(taken(&definition.name));
        }
        let now = self.clock.now_ms();
        if dry_run {
            let record = unsaved(caller, definition, literals.values, old.version + 1, now);
            return Ok(self.saved(caller, &record).await);
        }
        let mut event = audit::event(caller, "resource.update", name, now);
        let changed = changed_paths(&before, &after, &top_level(&before, &after));
        let note = moved_note(&moved, &old.definition, &definition);
        event.detail = Some(format!("changed {}{note}", changed.join(", ")));
        let updated = self.store.update_resource(old, definition, literals.values, now, &event).await;
        let (record, sequence) = updated.map_err(named("resource", name))?;
        let resource = self.registry.put_resource(sequence, Some(&resource), record);
        Ok(self.saved(caller, &resource.record).await)
    }

    /// Copies a resource under another name. Stored literal keys go along: the destination stays the same.
    pub async fn copy_resource(
        &self,
        caller: &Caller,
        name: &str,
        new_name: &Name,
        dry_run: bool,
    ) -> Result<Saved, Error> {
        let resource = self.known_resource(caller, name)?;
        if self.registry.find_resource(new_name.as_str(), &caller.project.id).is_some() {
            return Err(taken(new_name));
        }
        let mut definition = resource.record.definition.clone();
        definition.name = new_name.clone();
        self.check_rules(caller, &definition, &resource.record.literals)?;
        self.insert(caller, definition, resource.record.literals.clone(), "resource.copy", dry_run).await
    }

    /// Refuses what the usage policies deny, whatever else may be wrong.
    fn check_rules(
        &self,
        caller: &Caller,
        definition: &Definition,
        literals: &Literals,
    ) -> Result<(), Error> {
        let mut findings = self.findings(caller, definition, literals);
        findings.retain(|finding| finding.code == USAGE_DENIED);
        if findings.is_empty() { Ok(()) } else { Err(Error::invalid(findings)) }
    }

    /// Deletes a resource; its history stays in the database.
    pub async fn delete_resource(
        &self,
        caller: &Caller,
        name: &str,
        expected: Option<i64>,
        dry_run: bool,
    ) -> Result<(), Error> {
        let resource = self.known_resource(caller, name)?;
        if expected.is_some_and(|expected| expected != resource.record.version) {
            return Err(Error::VersionMismatch { current: resource.record.version });
        }
        if dry_run {
            return Ok(());
        }
        let event = audit::event(caller, "resource.delete", name, self.clock.now_ms());
        let deleted = self.store.delete_resource(&resource.record, &event).await;
        let sequence = deleted.map_err(named("resource", name))?;
        self.registry.remove_resource(sequence, &resource);
        Ok(())
    }

    /// Makes an earlier version the current one, as a new version.
    pub async fn restore_resource(
        &self,
        caller: &Caller,
        name: &str,
        version: i64,
        dry_run: bool,
    ) -> Result<Saved, Error> {
        let resource = self.known_resource(caller, name)?;
        let rows = self.store.resource_history(&resource.record.id).await?;
        let row = rows.into_iter().find(|row| row.version == version);
        let row = row.ok_or_else(|| Error::NotFound { what: "version", name: version.to_string() })?;
        let mut definition = row.definition;
        // a name may have been given to another resource since
        definition.name = resource.record.definition.name.clone();
        self.check(caller, &definition, &row.literals)?;
        let current = &resource.record;
        let keyless = row.literals.is_empty() && current.literals.is_empty();
        if version == current.version || keyless && definition == current.definition {
            return Ok(self.saved(caller, &resource.record).await);
        }
        let now = self.clock.now_ms();
        if dry_run {
            let record = unsaved(caller, definition, row.literals, resource.record.version + 1, now);
            return Ok(self.saved(caller, &record).await);
        }
        let mut event = audit::event(caller, "resource.restore", name, now);
        let (before, after) = (json(&resource.record.definition)?, json(&definition)?);
        let moved = changed_paths(&places(&before), &places(&after), DESTINATION);
        let note = moved_note(&moved, &resource.record.definition, &definition);
        event.detail = Some(format!("restored version {version}{note}"));
        let updated =
            self.store.update_resource(&resource.record, definition, row.literals, now, &event).await;
        let (record, sequence) = updated.map_err(named("resource", name))?;
        let resource = self.registry.put_resource(sequence, Some(&resource), record);
        Ok(self.saved(caller, &resource.record).await)
    }
}

fn unsaved(
    caller: &Caller,
    definition: Definition,
    literals: Literals,
    version: i64,
    now: i64,
) -> ResourceRecord {
    ResourceRecord {
        id: "".into(),
        project_id: Arc::clone(&caller.project.id),
        definition,
        literals,
        version,
        created_ms: now,
        updated_ms: now,
    }
}

fn json(definition: &Definition) -> Result<Value, Error> {
    serde_json::to_value(definition).map_err(|error| Error::BadRequest(error.to_string()))
}

/// For the audit: which fields send the keys elsewhere, and which references went along.
/// A definition without the regions of its environments: like its own, they lead to no other place.
fn places(definition: &Value) -> Value {
    let mut places = definition.clone();
    if let Some(environments) = places.get_mut("environments").and_then(Value::as_object_mut) {
        for overrides in environments.values_mut().filter_map(Value::as_object_mut) {
            overrides.remove("region");
        }
        environments.retain(|_, overrides| overrides.as_object().is_none_or(|fields| !fields.is_empty()));
    }
    places
}

fn moved_note(moved: &[String], before: &Definition, after: &Definition) -> String {
    if moved.is_empty() {
        return String::new();
    }
    let kept = kept_references(before, after);
    let with = if kept.is_empty() { String::new() } else { format!(", with {}", kept.join(", ")) };
    format!("; keys now go to another place ({}){with}", moved.join(", "))
}

fn taken(name: &Name) -> Error {
    Error::Conflict(format!(
        "the resource `{name}` exists already: choose another name, or change it with PUT or PATCH"
    ))
}
