//! Many secrets and aliases at once into a local source: all of them, or none.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::audit::Event;
use crate::model::name::Identifier;
use crate::model::secret::Alias;
use crate::store::sources::{self, SourceRecord};
use crate::store::vault_write::{self, VaultWrite};
use crate::store::{Result, Store};

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
    /// Only count.
    pub dry_run: bool,
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
    /// The sequence of the change; none for a dry run.
    pub sequence: Option<i64>,
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

impl Store {
    /// Brings secrets and aliases into a source. The audit row tells how many.
    pub async fn import_vault(&self, import: &VaultImport<'_>, mut event: Event) -> Result<Imported> {
        let mut change = self.change().await?;
        let mut secrets = Counts::default();
        for &(name, value) in import.secrets {
            let write = VaultWrite {
                source_id: &import.source.id,
                name,
                value,
                overwrite: import.overwrite,
                now_ms: import.now_ms,
            };
            let old = vault_write::current(&mut change, write.source_id, name).await?;
            let is_same = old.as_ref().is_some_and(|old| vault_write::has_value(&change.ring, &write, old));
            if secrets.note(&Fate::of(old.is_some(), is_same, import.overwrite)) {
                vault_write::put(&mut change, &write, old, &event.who).await?;
            }
            self.count(4);
        }
        let mut definition = import.source.definition.clone();
        let mut aliases = Counts::default();
        for (alias, to) in import.aliases {
            let known = definition.aliases.get(alias);
            if aliases.note(&Fate::of(known.is_some(), known == Some(to), import.overwrite)) {
                definition.aliases.insert(alias.clone(), to.clone());
            }
        }
        let mut source = None;
        if aliases.created + aliases.changed > 0 {
            let literals = import.source.literals.clone();
            let replaced =
                sources::replace(&mut change, import.source, definition, literals, import.now_ms).await?;
            source = Some(replaced);
        }
        if import.dry_run {
            // without a commit nothing happened
            return Ok(Imported { secrets, aliases, sequence: None, source: None });
        }
        event.detail = Some(format!("secrets: {}; aliases: {}", secrets.words(), aliases.words()));
        let sequence = self.commit(change, &event).await?;
        Ok(Imported { secrets, aliases, sequence: Some(sequence), source })
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
