//! Resources: create, change, copy, delete, history.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::connect::{self, Subject};
use crate::app::sources::{named, parse_body, retype};
use crate::app::{App, Error, Resource, audit};
use crate::cache::SecretKey;
use crate::clock::rfc3339;
use crate::finding::{Finding, Severity, has_errors};
use crate::model::check::Report;
use crate::model::literal::{self, Literals};
use crate::model::name::Name;
use crate::model::principal::Caller;
use crate::model::provider;
use crate::model::resource::{Auth, CREDENTIAL_FIELDS, Definition, IDENTITY_FIELDS};
use crate::store::{ResourceRecord, StoreError, TestRow};
use crate::template::{self, Step};

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
    /// What is worth knowing although it could be saved.
    pub findings: Vec<Finding>,
}

/// What a write of a resource answers.
#[derive(Debug)]
pub struct Saved {
    /// The resource as it is now, or would be.
    pub view: ResourceView,
}

/// One version of a resource.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Version {
    /// The version.
    pub version: i64,
    /// RFC 3339.
    pub changed_at: String,
    /// Whose change it was.
    pub changed_by: String,
    /// The definition of then.
    pub definition: Definition,
}

/// What a test may do.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
pub struct TestOptions {
    /// Also write, read back and delete one object.
    #[serde(default)]
    pub write: bool,
}

/// Fields whose change sends the stored keys to another place.
const DESTINATION: &[&str] = &["endpoint", "bucket", "provider", "assume_role", "environments"];

/// Literals after a change.
pub(super) struct KeptLiterals {
    pub(super) values: Literals,
    /// True when a stored one is among them.
    pub(super) reused: bool,
}

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

    pub(super) fn known_resource(&self, caller: &Caller, name: &str) -> Result<Arc<Resource>, Error> {
        let missing = || Error::NotFound { what: "resource", name: name.chars().take(80).collect() };
        let name = Name::parse(name).map_err(|_| missing())?;
        self.registry.find_resource(&name, &caller.project.id).ok_or_else(missing)
    }

    fn resource_view(&self, caller: &Caller, record: &ResourceRecord) -> ResourceView {
        ResourceView {
            findings: self.findings(caller, &record.definition, &record.literals),
            definition: record.definition.clone(),
            project: caller.project.name.clone(),
            version: record.version,
            created_at: rfc3339(record.created_ms),
            updated_at: rfc3339(record.updated_ms),
        }
    }

    /// Makes a resource.
    pub async fn create_resource(&self, caller: &Caller, body: Value, dry_run: bool) -> Result<Saved, Error> {
        let (definition, literals) = read_definition(body)?;
        self.check(caller, &definition, &literals)?;
        if self.registry.find_resource(&definition.name, &caller.project.id).is_some() {
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
            return Ok(Saved {
                view: self.resource_view(caller, &unsaved(caller, definition, literals, 1, now)),
            });
        }
        let name = definition.name.clone();
        let event = audit::event(caller, action, name.as_str(), now);
        let created = self.store.create_resource(&caller.project.id, definition, literals, now, &event).await;
        let (record, sequence) = created.map_err(|error| match error {
            StoreError::Conflict => taken(&name),
            other => other.into(),
        })?;
        let resource = self.registry.put_resource(sequence, None, record);
        Ok(Saved { view: self.resource_view(caller, &resource.record) })
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
        let before =
            serde_json::to_value(&old.definition).map_err(|error| Error::BadRequest(error.to_string()))?;
        let mut text = if patch { merge(before.clone(), body) } else { body };
        let literals = kept_literals(&mut text, CREDENTIAL_FIELDS, &old.literals, typed)?;
        let definition: Definition = parse_body(&text)?;
        let after =
            serde_json::to_value(&definition).map_err(|error| Error::BadRequest(error.to_string()))?;
        let moved = changed_paths(&before, &after, DESTINATION);
        if !moved.is_empty() && literals.reused {
            return Err(retype(&moved));
        }
        self.check(caller, &definition, &literals.values)?;
        let renamed = definition.name != old.definition.name;
        if renamed && self.registry.find_resource(&definition.name, &caller.project.id).is_some() {
            return Err(taken(&definition.name));
        }
        let now = self.clock.now_ms();
        if dry_run {
            let record = unsaved(caller, definition, literals.values, old.version + 1, now);
            return Ok(Saved { view: self.resource_view(caller, &record) });
        }
        let mut event = audit::event(caller, "resource.update", name, now);
        let changed = changed_paths(&before, &after, &top_level(&before, &after));
        let note = if moved.is_empty() { "" } else { "; keys now go to another place" };
        event.detail = Some(format!("changed {}{note}", changed.join(", ")));
        let updated = self.store.update_resource(old, definition, literals.values, now, &event).await;
        let (record, sequence) = updated.map_err(named("resource", name))?;
        let resource = self.registry.put_resource(sequence, Some(&resource), record);
        Ok(Saved { view: self.resource_view(caller, &resource.record) })
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
        if self.registry.find_resource(new_name, &caller.project.id).is_some() {
            return Err(taken(new_name));
        }
        let mut definition = resource.record.definition.clone();
        definition.name = new_name.clone();
        self.insert(caller, definition, resource.record.literals.clone(), "resource.copy", dry_run).await
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

    /// All versions, newest first.
    pub async fn resource_history(&self, caller: &Caller, name: &str) -> Result<Vec<Version>, Error> {
        let resource = self.known_resource(caller, name)?;
        let rows = self.store.resource_history(&resource.record.id).await?;
        Ok(rows
            .into_iter()
            .map(|row| Version {
                version: row.version,
                changed_at: rfc3339(row.changed_ms),
                changed_by: row.changed_by,
                definition: row.definition,
            })
            .collect())
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
        let now = self.clock.now_ms();
        if dry_run {
            let record = unsaved(caller, definition, row.literals, resource.record.version + 1, now);
            return Ok(Saved { view: self.resource_view(caller, &record) });
        }
        let mut event = audit::event(caller, "resource.restore", name, now);
        event.detail = Some(format!("restored version {version}"));
        let updated =
            self.store.update_resource(&resource.record, definition, row.literals, now, &event).await;
        let (record, sequence) = updated.map_err(named("resource", name))?;
        let resource = self.registry.put_resource(sequence, Some(&resource), record);
        Ok(Saved { view: self.resource_view(caller, &resource.record) })
    }

    /// Tests a saved resource and keeps the result.
    pub async fn test_resource(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        options: TestOptions,
    ) -> Result<Report, Error> {
        let resource = self.known_resource(caller, name)?;
        let definition = resource.record.definition.in_environment(environment);
        let subject = Subject {
            definition: &definition,
            literals: &resource.record.literals,
            project_id: &resource.record.project_id,
            environment,
        };
        let report = self.report(caller, &subject, options).await;
        let now = self.clock.now_ms();
        self.store.keep_test(&resource.record.id, environment.as_str(), &report, now).await?;
        let mut event = audit::event(caller, "resource.test", name, now);
        report.verdict.as_str().clone_into(&mut event.outcome);
        self.audit.note(event).await;
        Ok(report)
    }

    /// Tests a definition that is not saved. A stored key cannot be used this way: it must be typed.
    pub async fn test_definition(
        self: &Arc<Self>,
        caller: &Caller,
        body: Value,
        environment: &Name,
        options: TestOptions,
    ) -> Result<Report, Error> {
        let (definition, literals) = read_definition(body)?;
        let definition = definition.in_environment(environment);
        let subject = Subject {
            definition: &definition,
            literals: &literals,
            project_id: &caller.project.id,
            environment,
        };
        let report = self.report(caller, &subject, options).await;
        let mut event = audit::event(caller, "resource.test", definition.name.as_str(), self.clock.now_ms());
        report.verdict.as_str().clone_into(&mut event.outcome);
        event.detail = Some("an unsaved definition".to_owned());
        self.audit.note(event).await;
        Ok(report)
    }

    /// Kept results, newest first.
    pub async fn tests(&self, caller: &Caller, name: &str, limit: i64) -> Result<Vec<TestRow>, Error> {
        let resource = self.known_resource(caller, name)?;
        Ok(self.store.tests(&resource.record.id, limit.clamp(1, 100)).await?)
    }

    fn check(&self, caller: &Caller, definition: &Definition, literals: &Literals) -> Result<(), Error> {
        let findings = self.findings(caller, definition, literals);
        if has_errors(&findings) { Err(Error::invalid(findings)) } else { Ok(()) }
    }

    /// Everything there is to say about a definition without sending anything.
    pub(super) fn findings(
        &self,
        caller: &Caller,
        definition: &Definition,
        literals: &Literals,
    ) -> Vec<Finding> {
        let mut findings = definition.validate();
        if let Err(error) = definition.tls.ca_pem.as_deref().map_or(Ok(()), crate::aws::http::check_ca) {
            findings.push(Finding::error("INVALID_CA", "tls.ca_pem", error.to_string()));
        }
        findings.extend(missing_keys(definition, literals));
        findings.extend(unsupported(definition));
        let environments = definition.environments.keys().cloned();
        let default = Name::parse(crate::app::DEFAULT_ENVIRONMENT).ok();
        for environment in environments.chain(default) {
            let seen = definition.in_environment(&environment);
            for finding in self.template_findings(caller, &seen, &environment) {
                if !findings.contains(&finding) {
                    findings.push(finding);
                }
            }
        }
        findings
    }

    /// Whether a resource names a secret, in any of its environments.
    pub(super) fn references(&self, resource: &Resource, key: &SecretKey) -> bool {
        let record = &resource.record;
        let default = Name::parse(crate::app::DEFAULT_ENVIRONMENT).ok();
        let mut environments = record.definition.environments.keys().cloned().chain(default);
        environments.any(|environment| {
            let definition = record.definition.in_environment(&environment);
            let subject = Subject {
                definition: &definition,
                literals: &record.literals,
                project_id: &record.project_id,
                environment: &environment,
            };
            let templates = connect::templates(&definition).unwrap_or_default();
            templates.iter().any(|(field, template)| {
                template.references().any(|reference| {
                    let source = self.source_of(&subject, field, reference);
                    source.is_ok_and(|source| source.wanted(reference).key == *key)
                })
            })
        })
    }

    fn template_findings(
        &self,
        caller: &Caller,
        definition: &Definition,
        environment: &Name,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (field, text) in definition.text_fields() {
            match template::parse(text) {
                Err(error) => findings.push(
                    Finding::error("TEMPLATE_SYNTAX", field, error.message)
                        .at(error.line, error.column)
                        .with_help(error.help),
                ),
                Ok(template) => {
                    for reference in template.references() {
                        findings.extend(self.reference_finding(
                            caller,
                            definition,
                            environment,
                            field,
                            reference,
                        ));
                    }
                    if field == "endpoint" && !template.has_references() && !text.is_empty() {
                        let blocked = self.egress().check_url(text).err();
                        findings.extend(
                            blocked.map(|blocked| {
                                Finding::error("ENDPOINT_BLOCKED", field, blocked.to_string())
                            }),
                        );
                    }
                }
            }
        }
        findings
    }

    /// A reference outside the credential fields must be declared as configuration on its source; a source that
    /// is not there can be made later.
    fn reference_finding(
        &self,
        caller: &Caller,
        definition: &Definition,
        environment: &Name,
        field: &'static str,
        reference: &template::Reference,
    ) -> Option<Finding> {
        let literals = Literals::new();
        let subject =
            Subject { definition, literals: &literals, project_id: &caller.project.id, environment };
        let position = |finding: Finding| finding.at(reference.span.line, reference.span.column);
        let source = match self.source_of(&subject, field, reference) {
            Ok(source) => source,
            Err(error) => {
                let severity = if is_sensitive(field) { Severity::Warning } else { Severity::Error };
                return Some(position(Finding::new(severity, "SOURCE_MISSING", field, error.to_string())));
            }
        };
        if is_sensitive(field) {
            return None;
        }
        let path = path_text(&reference.path);
        let declared = source.record.definition.declares(&reference.secret, &path);
        let name = &source.record.definition.name;
        let wanted =
            if path.is_empty() { reference.secret.clone() } else { format!("{}.{path}", reference.secret) };
        (!declared).then(|| {
            position(Finding::error(
                "NOT_DECLARED_AS_CONFIGURATION",
                field,
                format!("the value of `{reference}` would become visible here, and the source `{name}` does not declare it as configuration"),
            ))
            .with_help(format!("an admin can add `{wanted}`, or a pattern such as `*.{field}`, to `config_paths` of the source `{name}`"))
        })
    }
}

/// Whether a field's rendered value stays inside the service.
fn is_sensitive(field: &str) -> bool {
    CREDENTIAL_FIELDS.contains(&field) || IDENTITY_FIELDS.contains(&field)
}

fn path_text(path: &[Step]) -> String {
    let parts: Vec<String> = path
        .iter()
        .map(|step| match step {
            Step::Key { name, .. } => name.clone(),
            Step::Index(index) => index.to_string(),
        })
        .collect();
    parts.join(".")
}

/// Text that holds a reference, or tries to: what is broken is shown as an error, not sealed as a key.
fn is_template(text: &str) -> bool {
    text.contains("{{")
}

fn missing_keys(definition: &Definition, literals: &Literals) -> Vec<Finding> {
    let Auth::AccessKey { access_key_id, secret_access_key, .. } = &definition.auth else {
        return Vec::new();
    };
    let fields = [("auth.access_key_id", access_key_id), ("auth.secret_access_key", secret_access_key)];
    let missing = |(path, field): &(&str, &literal::Credential)| match field {
        literal::Credential::Template(text) => text.trim().is_empty(),
        literal::Credential::Literal(_) => !literals.contains_key(*path),
    };
    let help = "give a template such as `{{ secrets.s3.key_id }}`, or the key itself";
    fields
        .iter()
        .filter(|field| missing(field))
        .map(|(path, _)| Finding::error("KEY_MISSING", *path, "the key is empty").with_help(help))
        .collect()
}

/// What the provider's profile says will not work.
fn unsupported(definition: &Definition) -> Option<Finding> {
    let host = definition.endpoint.as_deref().and_then(|url| url::Url::parse(url).ok());
    let profile = provider::choose(&definition.provider, host.as_ref().and_then(url::Url::host_str));
    let acl = definition.default_acl.is_some() && !profile.object_acl;
    acl.then(|| {
        Finding::warning(
            "ACL_NOT_SUPPORTED",
            "default_acl",
            format!("objects of the provider `{}` have no ACLs", profile.id),
        )
        .with_help("remove `default_acl`")
    })
}

fn read_definition(mut body: Value) -> Result<(Definition, Literals), Error> {
    drop_view_fields(&mut body);
    rewrite_reference_objects(&mut body)?;
    generate_external_id(&mut body)?;
    let typed = literal::split(&mut body, CREDENTIAL_FIELDS, is_template);
    let literals = kept_literals(&mut body, CREDENTIAL_FIELDS, &Literals::new(), typed)?;
    let definition = parse_body(&body)?;
    Ok((definition, literals.values))
}

/// A client may send back what it read.
fn drop_view_fields(body: &mut Value) {
    if let Some(fields) = body.as_object_mut() {
        for own in ["project", "version", "created_at", "updated_at", "findings"] {
            fields.remove(own);
        }
    }
}

/// `{"secret": "name", "key": "a.b", "source": "…"}` becomes the reference it stands for.
fn rewrite_reference_objects(value: &mut Value) -> Result<(), Error> {
    let Value::Object(fields) = value else { return Ok(()) };
    let known = ["secret", "key", "source"];
    let is_reference = fields.get("secret").is_some_and(Value::is_string)
        && fields.keys().all(|key| known.contains(&key.as_str()));
    if !is_reference {
        // free maps of the user's own may well have a key that is called `secret`
        let inner = fields
            .iter_mut()
            .filter(|(name, _)| !["labels", "tags", "session_policy"].contains(&name.as_str()));
        return inner.map(|(_, value)| value).try_for_each(rewrite_reference_objects);
    }
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let reference = template::from_parts(text("source"), text("secret").unwrap_or_default(), text("key"));
    *value = Value::String(reference.map_err(|error| Error::BadRequest(format!("{error}: {}", error.help)))?);
    Ok(())
}

/// `{"generate": true}` in place of an external id asks for an unguessable one. It is made once and then kept like
/// any other text, so that the trust policy can be written before the role is there.
fn generate_external_id(body: &mut Value) -> Result<(), Error> {
    let Some(slot) = body.get_mut("assume_role").and_then(|role| role.get_mut("external_id")) else {
        return Ok(());
    };
    if !slot.is_object() {
        return Ok(());
    }
    if *slot != serde_json::json!({"generate": true}) {
        return Err(Error::BadRequest("`external_id` is a text, or {\"generate\": true}".to_owned()));
    }
    let random: [u8; 20] = rand::random();
    *slot = Value::String(format!("s3c-{}", hex::encode(random)));
    Ok(())
}

/// The literals after a change: typed ones, and stored ones whose mark was sent back.
pub(super) fn kept_literals(
    definition: &mut Value,
    paths: &[&str],
    old: &Literals,
    mut typed: Literals,
) -> Result<KeptLiterals, Error> {
    let mut reused = false;
    for path in literal::marked(definition, paths) {
        if typed.contains_key(path) {
            continue;
        }
        let Some(kept) = old.get(path) else {
            let finding =
                Finding::error("KEY_MISSING", path, "no key is stored here, so there is none to keep");
            return Err(Error::invalid(vec![finding.with_help("give the key itself, or a template")]));
        };
        typed.insert(path.to_owned(), kept.clone());
        reused = true;
    }
    literal::remark(definition, &typed);
    Ok(KeptLiterals { values: typed, reused })
}

/// RFC 7396.
pub(super) fn merge(target: Value, patch: Value) -> Value {
    let Value::Object(changes) = patch else { return patch };
    let mut fields = match target {
        Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(&name);
            continue;
        }
        let old = fields.remove(&name).unwrap_or(Value::Null);
        fields.insert(name, merge(old, change));
    }
    Value::Object(fields)
}

/// Those of `paths` (top level) that differ.
pub(super) fn changed_paths<T: AsRef<str>>(before: &Value, after: &Value, paths: &[T]) -> Vec<String> {
    let differs = |path: &&T| before.get(path.as_ref()) != after.get(path.as_ref());
    paths.iter().filter(differs).map(|path| path.as_ref().to_owned()).collect()
}

fn top_level(before: &Value, after: &Value) -> Vec<String> {
    let names = |value: &Value| {
        value.as_object().into_iter().flat_map(|fields| fields.keys().cloned()).collect::<Vec<_>>()
    };
    let mut all: Vec<String> = names(before);
    all.extend(names(after));
    all.sort();
    all.dedup();
    all
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

fn taken(name: &Name) -> Error {
    Error::Conflict(format!(
        "the resource `{name}` exists already: choose another name, or change it with PUT or PATCH"
    ))
}

/// The definition's templates, for the test's first check.
pub(super) fn check_templates(definition: &Definition) -> Result<(), Error> {
    connect::templates(definition).map(drop)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{merge, rewrite_reference_objects};

    #[test]
    fn a_merge_patch_changes_what_it_names_and_null_removes() {
        let before = json!({"a": 1, "b": {"c": 2, "d": 3}, "e": [1]});
        let after = merge(before, json!({"a": null, "b": {"c": 9}, "e": [2, 3]}));
        assert_eq!(after, json!({"b": {"c": 9, "d": 3}, "e": [2, 3]}));
    }

    #[test]
    fn a_reference_given_as_an_object_is_stored_as_text() {
        let mut body = json!({"auth": {"access_key_id": {"secret": "s3", "key": "id"}}, "assume_role": {"tags": {"secret": 1}}});
        rewrite_reference_objects(&mut body).unwrap();
        assert_eq!(body["auth"]["access_key_id"], "{{ secrets.s3.id }}");
        assert_eq!(body["assume_role"]["tags"], json!({"secret": 1}));
    }
}
