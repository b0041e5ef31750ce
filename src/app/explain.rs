//! Explain: what references mean and where they lead, without reading a value and without asking a source.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::app::connection::Subject;
use crate::app::secret_policy::NeededPermission;
use crate::app::source::Source;
use crate::app::{App, Error};
use crate::cache::{SecretKey, Standing};
use crate::clock::rfc3339;
use crate::finding::Finding;
use crate::model::literal::Literals;
use crate::model::name::Name;
use crate::model::parsed::ReferenceParts;
use crate::model::principal::Caller;
use crate::model::resource::Definition;
use crate::model::secret::SourceKind;
use crate::template::{self, Mode, Reference};

/// The fields of a resource that take references, by path.
const FIELDS: &[&str] = &[
    "bucket",
    "region",
    "prefix",
    "endpoint",
    "public_endpoint",
    "expected_bucket_owner",
    "default_storage_class",
    "encryption.key_id",
    "encryption.key",
    "auth.access_key_id",
    "auth.secret_access_key",
    "auth.session_token",
    "assume_role.role_arn",
    "assume_role.external_id",
    "assume_role.session_name",
];

/// The field that a text is explained for when none is named: any secret may stand there.
const DEFAULT_FIELD: &str = "auth.secret_access_key";

/// What to explain: a text, or the fields of a resource.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainWanted {
    /// A text with references; not stored.
    #[serde(default)]
    #[schema(example = "{{ secrets['payments/s3'].key_id }}")]
    pub template: Option<String>,
    /// A saved resource, instead of a text.
    #[serde(default)]
    pub resource: Option<String>,
    /// The field that the text is meant for, or the only one of the resource to explain.
    #[serde(default)]
    #[schema(example = "auth.access_key_id")]
    pub field: Option<String>,
    /// The environment; goes before the query parameter.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "production")]
    pub environment: Option<Name>,
}

/// What references mean.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Explanation {
    /// The environment that it is true for.
    #[schema(value_type = String)]
    pub environment: Name,
    /// From field to field, and from left to right in each.
    pub references: Vec<ExplainedReference>,
    /// What is wrong, and where.
    pub findings: Vec<Finding>,
}

/// One reference.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExplainedReference {
    /// Where it stands.
    #[schema(value_type = String)]
    pub field: &'static str,
    /// What was understood.
    #[serde(flatten)]
    pub parts: ReferenceParts,
    /// Why this source: it is `named`, it is the `active` one of the environment, or there is `none`.
    #[schema(value_type = String)]
    pub source_by: &'static str,
    /// Where it leads; absent when it leads nowhere.
    pub target: Option<ExplainedTarget>,
    /// Why it leads nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Where a reference leads.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExplainedTarget {
    /// The source.
    pub source: String,
    /// `aws` or `local`.
    #[schema(value_type = String)]
    pub kind: &'static str,
    /// The name or ARN that is asked for, with the namespace.
    pub secret: String,
    /// The stage, or `version:` and the version, that is asked for.
    pub pin: String,
    /// How the value is read.
    #[schema(value_type = String, example = "auto")]
    pub mode: Mode,
    /// What is known of it.
    pub cache: ExplainedCache,
    /// What the source's identity must be allowed; empty for local sources.
    pub permissions: Vec<NeededPermission>,
}

/// What the cache knows of a secret.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExplainedCache {
    /// `fresh`, `stale` (past its end), `missing`, or `error`.
    #[schema(value_type = String)]
    pub state: &'static str,
    /// The version.
    pub version_id: Option<String>,
    /// Milliseconds since it was read.
    pub age_ms: Option<u64>,
    /// RFC 3339.
    pub expires_at: Option<String>,
    /// RFC 3339: from when on a use starts a refresh in the background.
    pub next_refresh_at: Option<String>,
    /// The code of the last failure since the last success.
    pub last_error: Option<String>,
    /// What it said.
    pub last_error_message: Option<String>,
    /// RFC 3339.
    pub last_error_at: Option<String>,
}

impl App {
    /// Explains a text, or the fields of a resource. No source is asked, and nothing is counted as a use.
    pub fn explain(
        &self,
        caller: &Caller,
        wanted: &ExplainWanted,
        environment: &Name,
    ) -> Result<Explanation, Error> {
        let environment = wanted.environment.as_ref().unwrap_or(environment);
        let field = wanted.field.as_deref().map(known_field).transpose()?;
        let (definition, only) = match (&wanted.template, &wanted.resource) {
            (Some(text), None) => {
                let field = field.unwrap_or(DEFAULT_FIELD);
                (with_field(field, text)?, Some(field))
            }
            (None, Some(name)) => {
                let resource = self.known_resource(caller, name)?;
                let definition = &resource.record.definition;
                self.check_environment(&caller.project.id, definition, environment)?;
                (definition.in_environment(environment), field)
            }
            _ => return Err(Error::BadRequest("give either `template` or `resource`".to_owned())),
        };
        let is_meant = |field: &str| only.is_none_or(|only| only == field);
        let mut findings = self.template_findings(caller, &definition, environment);
        findings.retain(|finding| is_meant(&finding.path));
        let literals = Literals::new();
        let subject = Subject {
            definition: &definition,
            literals: &literals,
            project_id: &caller.project.id,
            environment,
        };
        let mut references = Vec::new();
        for (field, text) in definition.text_fields().into_iter().filter(|(field, _)| is_meant(field)) {
            // what cannot be parsed is among the findings
            let Ok(template) = template::parse(text) else { continue };
            references
                .extend(template.references().map(|reference| self.explained(&subject, field, reference)));
        }
        Ok(Explanation { environment: environment.clone(), references, findings })
    }

    pub(super) fn explained(
        &self,
        subject: &Subject<'_>,
        field: &'static str,
        reference: &Reference,
    ) -> ExplainedReference {
        let found = self.source_of(subject, field, reference);
        let source_by = match (&reference.source, &found) {
            (Some(_), _) => "named",
            (None, Ok(_)) => "active",
            (None, Err(_)) => "none",
        };
        let (target, reason) = match found {
            Ok(source) => (Some(self.explained_target(&source, reference)), None),
            Err(Error::Unresolved(unresolved)) => (None, Some(unresolved.reason)),
            Err(other) => (None, Some(other.to_string())),
        };
        ExplainedReference { field, parts: ReferenceParts::of(reference), source_by, target, reason }
    }

    fn explained_target(&self, source: &Arc<Source>, reference: &Reference) -> ExplainedTarget {
        let wanted = source.wanted(reference);
        let definition = &source.record.definition;
        ExplainedTarget {
            source: definition.name.to_string(),
            kind: match definition.kind {
                SourceKind::Aws(_) => "aws",
                SourceKind::Local => "local",
            },
            secret: wanted.key.secret.to_string(),
            pin: wanted.key.pin.to_string(),
            mode: wanted.mode,
            cache: self.explained_cache(source, &wanted.key),
            permissions: self.needed_permissions(source, &wanted.key),
        }
    }

    fn explained_cache(&self, source: &Source, key: &SecretKey) -> ExplainedCache {
        let outlook = self.cache.outlook(key, source.policy());
        let status = outlook.status.as_ref();
        let error = status.and_then(|status| status.last_error.as_ref());
        ExplainedCache {
            state: match outlook.standing {
                Standing::Fresh => "fresh",
                Standing::Stale => "stale",
                Standing::Missing => "missing",
                Standing::Error => "error",
            },
            version_id: status.and_then(|status| status.version_id.clone()),
            age_ms: status.and_then(|status| status.age_ms),
            expires_at: outlook.expires_ms.map(rfc3339),
            next_refresh_at: outlook.refresh_ms.map(rfc3339),
            last_error: error.map(|error| error.code.clone()),
            last_error_message: error.map(|error| error.message.clone()),
            last_error_at: error.map(|error| rfc3339(error.at_ms)),
        }
    }
}

fn known_field(name: &str) -> Result<&'static str, Error> {
    FIELDS.iter().copied().find(|field| *field == name).ok_or_else(|| {
        let shown: String = name.chars().take(80).collect();
        Error::BadRequest(format!("`{shown}` is no field with references: take one of {}", FIELDS.join(", ")))
    })
}

/// A definition that holds the text in one field and says nothing else.
fn with_field(field: &'static str, text: &str) -> Result<Definition, Error> {
    let mut body = Map::from_iter([
        ("name".to_owned(), json!("explained")),
        ("bucket".to_owned(), json!("")),
        ("auth".to_owned(), json!({"kind": "anonymous"})),
    ]);
    let mut holder = match field.split_once('.') {
        Some(("auth", _)) => json!({"kind": "access_key", "access_key_id": "", "secret_access_key": ""}),
        Some(("assume_role", _)) => json!({"role_arn": ""}),
        Some(("encryption", "key")) => json!({"kind": "sse_c"}),
        Some(("encryption", _)) => json!({"kind": "sse_kms"}),
        _ => Value::Null,
    };
    if let Some((outer, inner)) = field.split_once('.') {
        if let Some(members) = holder.as_object_mut() {
            members.insert(inner.to_owned(), json!(text));
        }
        body.insert(outer.to_owned(), holder);
    } else {
        body.insert(field.to_owned(), json!(text));
    }
    serde_json::from_value(Value::Object(body))
        .map_err(|_| Error::BadRequest(format!("the field `{field}` cannot be explained alone")))
}

#[cfg(test)]
mod tests {
    use super::{FIELDS, known_field, with_field};

    #[test]
    fn every_field_can_be_explained_alone() {
        for field in FIELDS {
            let definition = with_field(field, "{{ secrets.a }}").unwrap();
            let held = definition.text_fields();
            assert!(held.contains(&(*field, "{{ secrets.a }}")), "{field}: {held:?}");
            assert_eq!(held.iter().filter(|(_, text)| !text.is_empty()).count(), 1, "{field}: {held:?}");
        }
    }

    #[test]
    fn an_unknown_field_is_refused_with_those_that_there_are() {
        let error = known_field("auth.password").unwrap_err().to_string();
        assert!(error.contains("`auth.password`") && error.contains("auth.session_token"), "{error}");
    }
}
