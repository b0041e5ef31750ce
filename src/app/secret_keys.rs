//! The keys inside one secret, with the text that refers to each; never a value.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::source;
use crate::app::{App, Error, Unresolved, audit};
use crate::model::name::Name;
use crate::model::principal::Caller;
use crate::template::{self, LeafKind, Shape};

/// What references can name inside a secret.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SecretKeys {
    /// The source.
    pub source: String,
    /// The name or ARN at the source, with its namespace.
    pub secret: String,
    /// The version that was looked into.
    pub version_id: String,
    /// `json`, `plaintext` or `binary`: how the mode `auto` reads it. Only JSON has keys.
    #[schema(value_type = String, example = "json")]
    pub mode: Shape,
    /// The text that refers to the whole secret. Absent where the project's own source hides this one, so that no
    /// reference can name it.
    #[schema(example = "{{ secrets['payments/s3'] }}")]
    pub reference: Option<String>,
    /// Why there is no text to paste.
    pub note: Option<String>,
    /// By path; at most 1,000.
    pub keys: Vec<SecretLeaf>,
    /// Whether there are more than are named.
    pub truncated: bool,
}

/// One place in a secret's JSON.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SecretLeaf {
    /// The way to it.
    #[schema(example = "user.name")]
    pub path: String,
    /// What stands there: `string`, `number`, `boolean`, `null`, or an empty `array` or `object`.
    #[schema(value_type = String, example = "string")]
    pub kind: LeafKind,
    /// The text to paste; absent for what a field does not take.
    #[schema(example = "{{ secrets['payments/s3'].user.name }}")]
    pub reference: Option<String>,
}

impl App {
    /// Looks into a secret, through the cache, and names its keys. References name the source where plain ones mean
    /// another one in the environment.
    pub async fn secret_keys(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        secret: &str,
        environment: &Name,
    ) -> Result<SecretKeys, Error> {
        let source = self.known_source(caller, name)?;
        let naming = self.registry.state().naming(&caller.project.id, environment, &source);
        let plain = check_secret(None, secret)?;
        let reference = naming.reference(secret, None);
        let key = source.key(secret, "AWSCURRENT");
        let loader = source::loader(self, &source, &key);
        let hit = self.cache.get(&key, source.policy(), &loader).await.map_err(|error| {
            Error::Unresolved(Box::new(Unresolved {
                field: "secret".to_owned(),
                reference: reference.clone().unwrap_or(plain),
                secret: key.secret.to_string(),
                reason: error.message.clone(),
                code: error.code.clone(),
                load: Some(error),
            }))
        })?;
        let value = &hit.entry.secret.value;
        let found = value.leaves();
        let leaves = found.leaves.into_iter().map(|leaf| SecretLeaf {
            reference: if leaf.kind.is_usable() { naming.reference(secret, Some(&leaf.path)) } else { None },
            path: leaf.path,
            kind: leaf.kind,
        });
        let mut event = audit::event(caller, "secret.keys", name, self.clock.now_ms());
        event.secrets = vec![key.secret.to_string()];
        let keys = SecretKeys {
            source: source.record.definition.name.to_string(),
            secret: key.secret.to_string(),
            version_id: hit.entry.secret.version_id.clone(),
            mode: value.shape(),
            reference,
            note: naming.note(),
            keys: leaves.collect(),
            truncated: found.truncated,
        };
        self.audit.note(event).await;
        Ok(keys)
    }
}

/// The text that refers to the whole secret, when it is a name or an ARN at all.
pub(super) fn check_secret(source: Option<&str>, secret: &str) -> Result<String, Error> {
    template::from_parts(source, secret, None)
        .map_err(|error| Error::BadRequest(format!("{}: {}", error.message, error.help)))
}
