//! Secrets of local sources: write, delete, versions, rollback. Never a value that comes out.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::source::Source;
use crate::app::sources::named;
use crate::app::workspace::source_event;
use crate::app::{App, Error};
use crate::clock::rfc3339;
use crate::model::audit::Event;
use crate::model::principal::Caller;
use crate::model::secret::SourceKind;
use crate::store::{StoreError, VaultRollback, VaultVersion, VaultWrite};

/// What AWS takes for one secret, and so do we (`GetSecretValue`, API reference).
const MAX_SECRET_BYTES: usize = 65_536;

/// A version of a secret, without its value.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SecretVersion {
    /// For `@ version:ID` in a reference, and for a rollback.
    pub version_id: String,
    /// RFC 3339.
    pub created_at: String,
    /// The token's name and id; absent when it was written before versions were kept.
    pub created_by: Option<String>,
    /// `AWSCURRENT`, `AWSPREVIOUS`, or none.
    pub stages: Vec<String>,
}

/// What a rollback did.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RolledBack {
    /// The secret.
    pub name: String,
    /// The version that is current now.
    pub version_id: String,
    /// The version that was current before, which is `AWSPREVIOUS` now.
    pub previous_version_id: String,
}

/// A value for a local source.
pub(super) struct LocalWrite<'a> {
    pub(super) source: &'a Source,
    pub(super) secret: &'a str,
    pub(super) value: &'a SecretString,
    /// Whether the secret may be there already.
    pub(super) overwrite: bool,
}

impl App {
    /// Writes a secret of a local source. A text is stored as it is, anything else as JSON.
    pub async fn put_secret(
        &self,
        caller: &Caller,
        name: &str,
        secret: &str,
        value: Value,
        dry_run: bool,
    ) -> Result<String, Error> {
        let source = self.writable_source(caller, name)?;
        check_secret_name(secret)?;
        let text = match value {
            Value::String(text) => SecretString::from(text),
            Value::Null => {
                return Err(Error::BadRequest("`value` is empty: give a text or an object".to_owned()));
            }
            other => SecretString::from(other.to_string()),
        };
        check_value(&text)?;
        if dry_run {
            return Ok(String::new());
        }
        let mut event =
            source_event(caller, source.record.definition.scope, "secret.put", name, self.clock.now_ms());
        event.secrets = vec![secret.to_owned()];
        let write = LocalWrite { source: &source, secret, value: &text, overwrite: true };
        self.write_local(&write, &event).await
    }

    /// Writes a value that was checked; gives the id of its version.
    pub(super) async fn write_local(&self, write: &LocalWrite<'_>, event: &Event) -> Result<String, Error> {
        let source = &write.source.record;
        let row = VaultWrite {
            source_id: &source.id,
            name: write.secret,
            value: write.value.expose_secret().as_bytes(),
            overwrite: write.overwrite,
            now_ms: self.clock.now_ms(),
        };
        let written = self.store.put_vault_secret(&row, event).await;
        let (version, sequence) = written.map_err(|error| match error {
            StoreError::Conflict => is_there(source.definition.name.as_str(), write.secret),
            other => other.into(),
        })?;
        self.registry.note(sequence);
        self.cache.evict_pins(&source.id, write.secret);
        Ok(version)
    }

    /// Deletes a secret of a local source with all its versions.
    pub async fn delete_secret(
        &self,
        caller: &Caller,
        name: &str,
        secret: &str,
        dry_run: bool,
    ) -> Result<(), Error> {
        let source = self.writable_source(caller, name)?;
        if dry_run {
            return Ok(());
        }
        let mut event =
            source_event(caller, source.record.definition.scope, "secret.delete", name, self.clock.now_ms());
        event.secrets = vec![secret.to_owned()];
        let deleted = self.store.delete_vault_secret(&source.record.id, secret, &event).await;
        self.registry.note(deleted.map_err(named("secret", secret))?);
        self.cache.evict_pins(&source.record.id, secret);
        Ok(())
    }

    /// The versions of a secret of a local source, the newest first.
    pub async fn secret_versions(
        &self,
        caller: &Caller,
        name: &str,
        secret: &str,
    ) -> Result<Vec<SecretVersion>, Error> {
        let source = self.local_source(caller, name)?;
        let versions = self.versions_of(&source, secret).await?;
        Ok(versions
            .into_iter()
            .map(|version| SecretVersion {
                version_id: version.version_id,
                created_at: rfc3339(version.created_ms),
                created_by: Some(version.created_by).filter(|who| !who.is_empty()),
                stages: version.stages,
            })
            .collect())
    }

    /// Makes an earlier version current again: the one with that id, else the previous one. Every version is kept.
    pub async fn roll_back_secret(
        &self,
        caller: &Caller,
        name: &str,
        secret: &str,
        to: Option<&str>,
        dry_run: bool,
    ) -> Result<RolledBack, Error> {
        let source = self.writable_source(caller, name)?;
        let versions = self.versions_of(&source, secret).await?;
        let of_stage =
            |stage: &str| versions.iter().find(|version| version.stages.iter().any(|has| has == stage));
        let to = match to {
            Some(id) => versions
                .iter()
                .find(|version| version.version_id == id)
                .ok_or_else(|| Error::NotFound { what: "version", name: id.chars().take(80).collect() })?,
            None => of_stage("AWSPREVIOUS")
                .ok_or_else(|| Error::NotFound { what: "earlier version of", name: secret.to_owned() })?,
        };
        let from = of_stage("AWSCURRENT").map(|version| version.version_id.as_str()).unwrap_or_default();
        if from == to.version_id {
            return Err(Error::Conflict(format!("the version `{from}` of `{secret}` is the current one")));
        }
        let outcome = RolledBack {
            name: secret.to_owned(),
            version_id: to.version_id.clone(),
            previous_version_id: from.to_owned(),
        };
        if dry_run {
            return Ok(outcome);
        }
        let now_ms = self.clock.now_ms();
        let mut event = source_event(caller, source.record.definition.scope, "secret.rollback", name, now_ms);
        event.secrets = vec![format!("{secret} version {}", to.version_id)];
        event.detail = Some(format!("from version {from} to version {}", to.version_id));
        let rollback =
            VaultRollback { source_id: &source.record.id, name: secret, from, to: &to.version_id, now_ms };
        let done = self.store.roll_back_vault_secret(&rollback, &event).await;
        self.registry.note(done.map_err(|error| match error {
            // somebody wrote, deleted or rolled back in between
            StoreError::Conflict | StoreError::NotFound => Error::Conflict(format!(
                "the secret `{secret}` changed meanwhile: look at its versions, and repeat the rollback"
            )),
            other => other.into(),
        })?);
        self.cache.evict_pins(&source.record.id, secret);
        Ok(outcome)
    }

    /// At least one version, or there is no such secret.
    async fn versions_of(&self, source: &Source, secret: &str) -> Result<Vec<VaultVersion>, Error> {
        let versions = self.store.vault_versions(&source.record.id, secret).await?;
        if versions.is_empty() {
            return Err(Error::NotFound { what: "secret", name: secret.chars().take(80).collect() });
        }
        Ok(versions)
    }

    pub(super) fn local_source(&self, caller: &Caller, name: &str) -> Result<Arc<Source>, Error> {
        let source = self.known_source(caller, name)?;
        if source.record.definition.kind != SourceKind::Local {
            return Err(Error::BadRequest(format!(
                "the source `{name}` is AWS Secrets Manager, which keeps values and versions itself: do it there; only local sources take values"
            )));
        }
        Ok(source)
    }

    /// A local source whose secrets the caller may write.
    pub(super) fn writable_source(&self, caller: &Caller, name: &str) -> Result<Arc<Source>, Error> {
        let source = self.local_source(caller, name)?;
        Self::may_change(caller, source.record.definition.scope)?;
        Ok(source)
    }
}

/// What stands in the way of a secret that may not be overwritten.
pub(super) fn is_there(source: &str, secret: &str) -> Error {
    Error::Conflict(format!(
        "the source `{source}` has a secret `{secret}` already: give `\"overwrite\": true` to replace it, which keeps the value before as an earlier version"
    ))
}

/// The names that references can hold.
pub(super) fn check_secret_name(name: &str) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@!-".contains(&byte);
    if (1..=512).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(Error::BadRequest("a secret's name has 1 to 512 of letters, digits and `/_+=.@!-`".to_owned()))
}

/// Whether the vault takes a value.
pub(super) fn check_value(value: &SecretString) -> Result<(), Error> {
    if (1..=MAX_SECRET_BYTES).contains(&value.expose_secret().len()) {
        return Ok(());
    }
    Err(Error::BadRequest(format!("`value` must have 1 to {MAX_SECRET_BYTES} bytes")))
}
