//! A local source to take away, sealed with a passphrase, and to bring into another one.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::ToSchema;

use crate::app::vault::{check_secret_name, check_value};
use crate::app::workspace::source_event;
use crate::app::{App, Error};
use crate::finding::Finding;
use crate::model::principal::Caller;
use crate::store::export::{self, Contents, ExportError, SealedVault};
use crate::store::{AuditText, Counts, StoreError, VaultImport};

/// Characters of a passphrase.
const LEAST_PASSPHRASE: usize = 12;
const MOST_PASSPHRASE: usize = 1024;
/// Bytes of values that are read for one document.
const MOST_BYTES: u64 = 16 << 20;
/// Bytes of the body of an import; an export that does not fit is refused.
pub const MOST_DOCUMENT_BYTES: usize = 32 << 20;
/// Bytes of a body beside what is sealed in it.
const BESIDE_BYTES: usize = 64 << 10;
/// Secrets and aliases of one document: an import writes them in one transaction, and every other change waits for it.
const MOST_THINGS: usize = 10_000;
/// A request waits so long for the keys of others to be derived.
const DERIVATION_WAIT: Duration = Duration::from_secs(5);

/// What to bring into a source.
pub struct ImportWanted {
    /// What the document was sealed with.
    pub passphrase: SecretString,
    /// What an export answered.
    pub document: SealedVault,
    /// Whether secrets and aliases that are there give way.
    pub overwrite: bool,
}

/// What an import did, or would do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct VaultImported {
    /// Secrets.
    pub secrets: Counts,
    /// Aliases.
    pub aliases: Counts,
}

impl App {
    /// Seals the current values of a local source, and its aliases, with a key derived from the passphrase. Whoever chose
    /// the passphrase can open the document, so no project's admin may have it made.
    pub async fn export_vault(
        &self,
        caller: &Caller,
        name: &str,
        passphrase: SecretString,
    ) -> Result<SealedVault, Error> {
        let source = self.writable_source(caller, name)?;
        if !caller.installation {
            return Err(Error::InstallationOnly);
        }
        check_passphrase(&passphrase)?;
        let secrets = usize::try_from(self.store.count_vault_secrets(&source.record.id).await?).ok();
        let aliases = source.record.definition.aliases.len();
        if secrets.is_none_or(|secrets| secrets.saturating_add(aliases) > MOST_THINGS) {
            return Err(Error::TooLarge(format!(
                "the source `{name}` holds more than {MOST_THINGS} secrets and aliases, and one export takes no more: divide it into several sources, or back up the database"
            )));
        }
        let bytes = self.store.vault_bytes(&source.record.id).await?;
        let too_large = || {
            Error::TooLarge(format!(
                "the source `{name}` holds {bytes} bytes, more than one export takes: divide it into several sources, or back up the database"
            ))
        };
        if bytes > MOST_BYTES {
            return Err(too_large());
        }
        let values = self.store.vault_values(&source.record.id).await?;
        let contents = Contents {
            secrets: values.into_iter().map(|secret| (secret.name, secret.value)).collect(),
            aliases: source.record.definition.aliases.clone(),
        };
        let mut event =
            source_event(caller, source.record.definition.scope, "source.export", name, self.clock.now_ms());
        event.detail =
            Some(format!("{} secrets, {} aliases", contents.secrets.len(), contents.aliases.len()));
        let sealed = self.derive(move || export::seal(&passphrase, &contents)).await?;
        if sealed.ciphertext.len() > MOST_DOCUMENT_BYTES - BESIDE_BYTES {
            return Err(too_large());
        }
        // before the answer: nobody takes a vault away unseen
        self.store.append_audit(&[AuditText::of(event)?]).await?;
        Ok(sealed)
    }

    /// Brings what was exported into a local source, all of it or nothing.
    pub async fn import_vault(
        &self,
        caller: &Caller,
        name: &str,
        wanted: ImportWanted,
        dry_run: bool,
    ) -> Result<VaultImported, Error> {
        let source = self.writable_source(caller, name)?;
        let ImportWanted { passphrase, document, overwrite } = wanted;
        check_passphrase(&passphrase)?;
        let contents = self.derive(move || export::open(&passphrase, &document)).await?;
        check_size(&contents)?;
        for (secret, value) in &contents.secrets {
            check_secret_name(secret)?;
            check_value(value)?;
        }
        let secrets: Vec<(&str, &[u8])> = contents
            .secrets
            .iter()
            .map(|(secret, value)| (secret.as_str(), value.expose_secret().as_bytes()))
            .collect();
        let now_ms = self.clock.now_ms();
        let import = VaultImport {
            source: &source.record,
            secrets: &secrets,
            aliases: &contents.aliases,
            overwrite,
            now_ms,
        };
        if dry_run {
            let (secrets, aliases) = self.store.try_import_vault(&import).await?;
            return Ok(VaultImported { secrets, aliases });
        }
        let event = source_event(caller, source.record.definition.scope, "source.import", name, now_ms);
        let imported = self.store.import_vault(&import, event).await.map_err(|error| match error {
            StoreError::VersionMismatch { .. } => {
                Error::Conflict(format!("the source `{name}` changed meanwhile: import again"))
            }
            other => other.into(),
        })?;
        match imported.source {
            Some(record) => drop(self.registry.put_source(imported.sequence, record)),
            None => self.registry.note(imported.sequence),
        }
        self.cache.clear_source(&source.record.id);
        Ok(VaultImported { secrets: imported.secrets, aliases: imported.aliases })
    }

    /// Derives a key, which takes a moment and much memory: off the threads that answer, one at a time.
    async fn derive<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ExportError> + Send + 'static,
    ) -> Result<T, Error> {
        const GIVEN_UP: &str = "the key could not be derived: send the request again";
        let permit = turn(&self.derivations, DERIVATION_WAIT).await?;
        // the permit goes along: a caller who goes away does not end the work
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        done.await.map_err(|_| Error::Overloaded(GIVEN_UP))?.map_err(|error| refused(&error))
    }
}

/// A place to derive a key in. Who waits holds a whole document in memory, so nobody waits for long.
async fn turn(derivations: &Arc<Semaphore>, wait: Duration) -> Result<OwnedSemaphorePermit, Error> {
    const BUSY: &str = "other exports and imports are under way: send the request again in a moment";
    let permit = tokio::time::timeout(wait, Arc::clone(derivations).acquire_owned()).await;
    permit.ok().and_then(Result::ok).ok_or(Error::Overloaded(BUSY))
}

fn check_size(contents: &Contents) -> Result<(), Error> {
    let (secrets, aliases) = (contents.secrets.len(), contents.aliases.len());
    if secrets + aliases <= MOST_THINGS {
        return Ok(());
    }
    let finding = Finding::error(
        "TOO_MANY_SECRETS",
        "document",
        format!(
            "the document holds {secrets} secrets and {aliases} aliases, and one import takes {MOST_THINGS} of both together"
        ),
    );
    Err(Error::invalid(vec![finding.with_help("divide the source into several, and export each")]))
}

fn check_passphrase(passphrase: &SecretString) -> Result<(), Error> {
    if (LEAST_PASSPHRASE..=MOST_PASSPHRASE).contains(&passphrase.expose_secret().chars().count()) {
        return Ok(());
    }
    let finding = Finding::error(
        "PASSPHRASE_LENGTH",
        "passphrase",
        format!("a passphrase has {LEAST_PASSPHRASE} to {MOST_PASSPHRASE} characters"),
    );
    Err(Error::invalid(vec![finding.with_help("take several words that nobody guesses")]))
}

fn refused(error: &ExportError) -> Error {
    let finding = match error {
        ExportError::Refused => Finding::error("WRONG_PASSPHRASE", "passphrase", error.to_string())
            .with_help("give the passphrase of the export, and the document as it was made"),
        ExportError::Unknown(_) => Finding::error("NOT_AN_EXPORT", "document", error.to_string())
            .with_help("give the document as `export` made it"),
        ExportError::Failed => return Error::Store(StoreError::Corrupt(error.to_string())),
    };
    Error::invalid(vec![finding])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::sync::Semaphore;

    use super::turn;
    use crate::app::Error;

    #[tokio::test]
    async fn who_waits_too_long_for_a_derivation_is_told_to_come_again() {
        let derivations = Arc::new(Semaphore::new(1));
        let held = turn(&derivations, Duration::from_secs(5)).await.unwrap();
        let waiting = turn(&derivations, Duration::from_millis(1));
        let refused = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
        assert!(matches!(refused, Err(Error::Overloaded(_))), "{refused:?}");
        drop(held);
        drop(turn(&derivations, Duration::from_secs(5)).await.unwrap());
    }
}
