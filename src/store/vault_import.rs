//! Many secrets and aliases at once into a local source: all of them, or none.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::audit::Event;
use crate::model::name::Identifier;
use crate::model::secret::{Alias, SourceDefinition};
use crate::store::sources::{self, SourceRecord};
use crate::store::vault_write::{self, VaultWrite};
use crate::store::{Result, Store, StoreError};

/// What is brought into a source.
pub struct VaultImport<'a> {
    /// The source.
    pub source: &'a SourceRecord,
    /// Names and values.
    pub secrets: &'a [(&'a str, &'a [u8])],
    /// Its aliases.
    pub aliases: &'a BTreeMap<Identifier, Alias>,
    /// Whether what is there gives way.
    pub overwrite: bool,
    /// Epoch milliseconds.
    pub now_ms: i64,
}

/// What became of secrets or aliases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Counts {
    /// Were not there.
    pub created: u64,
    /// Were there with another value, which is an earlier version now.
    pub changed: u64,
    /// Were there with the same value, or may not be overwritten.
    pub skipped: u64,
}

/// What an import did.
#[derive(Debug)]
pub struct Imported {
    /// Secrets.
    pub secrets: Counts,
    /// Aliases.
    pub aliases: Counts,
    /// The sequence of the change.
    pub sequence: i64,
    /// The source, when its aliases changed.
    pub source: Option<SourceRecord>,
}

/// What becomes of one thing.
enum Fate {
    Create,
    Change,
    Skip,
}

impl Fate {
    fn of(is_there: bool, is_same: bool, overwrite: bool) -> Fate {
        match (is_there, is_same, overwrite) {
            (false, _, _) => Fate::Create,
            (true, false, true) => Fate::Change,
            (true, _, _) => Fate::Skip,
        }
    }
}

impl Counts {
    /// Counts one; says whether it is written.
    fn note(&mut self, fate: &Fate) -> bool {
        match fate {
            Fate::Create => self.created += 1,
            Fate::Change => self.changed += 1,
            Fate::Skip => self.skipped += 1,
        }
        !matches!(fate, Fate::Skip)
    }

    fn words(self) -> String {
        format!("{} created, {} changed, {} skipped", self.created, self.changed, self.skipped)
    }
}

impl<'a> VaultImport<'a> {
    fn write(&self, name: &'a str, value: &'a [u8]) -> VaultWrite<'a> {
        VaultWrite { source_id: &self.source.id, name, value, overwrite: self.overwrite, now_ms: self.now_ms }
    }

    /// What becomes of the aliases, and the source's definition with them.
    fn aliases(&self) -> (Counts, SourceDefinition) {
        let mut definition = self.source.definition.clone();
        let mut aliases = Counts::default();
        for (alias, to) in self.aliases {
            let known = definition.aliases.get(alias);
            if aliases.note(&Fate::of(known.is_some(), known == Some(to), self.overwrite)) {
                definition.aliases.insert(alias.clone(), to.clone());
            }
        }
        (aliases, definition)
    }
}

impl Store {
    /// What an import would do to secrets and to aliases. It reads only: nobody waits for it.
    pub async fn try_import_vault(&self, import: &VaultImport<'_>) -> Result<(Counts, Counts)> {
        let mut secrets = Counts::default();
        for &(name, value) in import.secrets {
            let write = import.write(name, value);
            self.count(1);
            // for one secret only: thousands must not keep a connection from everybody
            let mut connection = self.pool.acquire().await?;
            let old = vault_write::current(&mut connection, write.source_id, name).await?;
            drop(connection);
            let is_same = match &old {
                None => false,
                Some(old) => {
                    or_unreadable(self.opened(|ring| vault_write::has_value(ring, &write, old)).await)?
                }
            };
            secrets.note(&Fate::of(old.is_some(), is_same, import.overwrite));
        }
        Ok((secrets, import.aliases().0))
    }

    /// Brings secrets and aliases into a source. The audit row tells how many.
    pub async fn import_vault(&self, import: &VaultImport<'_>, mut event: Event) -> Result<Imported> {
        let mut change = self.change().await?;
        let mut secrets = Counts::default();
        for &(name, value) in import.secrets {
            let write = import.write(name, value);
            let old = vault_write::current(&mut change.transaction, write.source_id, name).await?;
            let is_same = match &old {
                None => false,
                Some(old) => or_unreadable(vault_write::has_value(&change.ring, &write, old))?,
            };
            if secrets.note(&Fate::of(old.is_some(), is_same, import.overwrite)) {
                vault_write::put(&mut change, &write, old, &event.who).await?;
            }
            self.count(4);
        }
        let (aliases, definition) = import.aliases();
        let mut source = None;
        if aliases.created + aliases.changed > 0 {
            let literals = import.source.literals.clone();
            let replaced =
                sources::replace(&mut change, import.source, definition, literals, import.now_ms).await?;
            source = Some(replaced);
        }
        event.detail = Some(format!("secrets: {}; aliases: {}", secrets.words(), aliases.words()));
        let sequence = self.commit(change, &event).await?;
        Ok(Imported { secrets, aliases, sequence, source })
    }
}

/// A value that cannot be opened is not the same as any.
fn or_unreadable(is_same: Result<bool>) -> Result<bool> {
    match is_same {
        Err(StoreError::Seal(_)) => Ok(false),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Fate};

    #[test]
    fn what_is_there_gives_way_only_when_it_may_and_differs() {
        let mut counts = Counts::default();
        let written =
            |counts: &mut Counts, there, same, overwrite| counts.note(&Fate::of(there, same, overwrite));
        assert!(written(&mut counts, false, false, false));
        assert!(written(&mut counts, true, false, true));
        assert!(!written(&mut counts, true, false, false));
        assert!(!written(&mut counts, true, true, true));
        assert_eq!(counts, Counts { created: 1, changed: 1, skipped: 2 });
    }
}
