//! Secrets of a source: names, and what is cached. Never a value.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::naming::Naming;
use crate::app::source::{self, Source};
use crate::app::{App, Error};
use crate::cache::SecretKey;
use crate::clock::rfc3339;
use crate::model::name::Name;
use crate::model::principal::Caller;
use crate::model::secret::{SecretSummary, SourceKind};

/// A page of names.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SecretList {
    /// Names and dates.
    pub secrets: Vec<SecretSummary>,
    /// Give it back as `cursor` to go on.
    pub cursor: Option<String>,
    /// Why there is no text to paste.
    pub note: Option<String>,
}

/// Which names to list.
#[derive(Debug, Clone)]
pub struct SecretsWanted {
    /// Text in the name.
    pub search: String,
    /// Where the last page ended.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: usize,
    /// Where the text to paste is used.
    pub environment: Name,
}

/// What is known of one cached secret.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CacheStatus {
    /// The name or ARN at the source.
    pub secret: String,
    /// The stage or version that was asked for.
    pub pin: String,
    /// The project whose role read it; absent where the source read it as itself.
    #[schema(value_type = Option<String>)]
    pub project: Option<Name>,
    /// RFC 3339; absent when only an error is known.
    pub fetched_at: Option<String>,
    /// The version.
    pub version_id: Option<String>,
    /// Milliseconds.
    pub age_ms: Option<u64>,
    /// RFC 3339.
    pub expires_at: Option<String>,
    /// The code of the last failure since the last success.
    pub last_error: Option<String>,
    /// RFC 3339.
    pub last_error_at: Option<String>,
    /// RFC 3339; set while the value is served past its end because the source cannot be reached.
    pub stale_since: Option<String>,
    /// How many resources use it.
    pub resources: usize,
}

/// What a refresh of one secret changed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RefreshOutcome {
    /// The name or ARN at the source.
    pub secret: String,
    /// The version before.
    pub before: Option<String>,
    /// The version after; absent when it failed.
    pub after: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

/// How much was let go.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Cleared {
    /// Secrets that were in memory.
    pub cleared: usize,
    /// Secrets that other projects use too: they are kept, and read again in the background.
    pub refreshing: usize,
}

impl App {
    /// Names of a source's secrets, with the text to paste.
    pub async fn list_secrets(
        &self,
        caller: &Caller,
        name: &str,
        mut wanted: SecretsWanted,
    ) -> Result<SecretList, Error> {
        let source = self.known_source(caller, name)?;
        wanted.limit = wanted.limit.clamp(1, 100);
        let naming = self.registry.state().naming(&caller.project.id, &wanted.environment, &source);
        match &source.record.definition.kind {
            SourceKind::Local => self.list_vault(&source, &naming, wanted).await,
            SourceKind::Aws(_) => self.list_aws(&source, &naming, wanted).await,
        }
    }

    async fn list_vault(
        &self,
        source: &Source,
        naming: &Naming,
        wanted: SecretsWanted,
    ) -> Result<SecretList, Error> {
        let limit = wanted.limit;
        let after = wanted.cursor.unwrap_or_default();
        let rows = self
            .store
            .vault_names(&source.record.id, &wanted.search, &after, i64::try_from(limit).unwrap_or(100))
            .await?;
        let cursor = (rows.len() == limit).then(|| rows.last().map(|(name, _)| name.clone())).flatten();
        let secrets = rows.into_iter().map(|(name, updated)| SecretSummary {
            reference: naming.whole(&name),
            name,
            arn: None,
            last_changed_at: Some(rfc3339(updated)),
            next_rotation_at: None,
        });
        Ok(SecretList { secrets: secrets.collect(), cursor, note: naming.note() })
    }

    async fn list_aws(
        &self,
        source: &Source,
        naming: &Naming,
        wanted: SecretsWanted,
    ) -> Result<SecretList, Error> {
        let definition = &source.record.definition;
        let client = source.client(self)?;
        let (search, limit) = (wanted.search.to_lowercase(), wanted.limit);
        let mut token = wanted.cursor;
        let mut secrets: Vec<SecretSummary> = Vec::new();
        // a search may leave pages empty; a few are read on, then the caller goes on with the cursor
        for _ in 0..10 {
            let page =
                client.list(&definition.full_name(""), token, i32::try_from(limit).unwrap_or(100)).await?;
            for listed in page.0 {
                let Some(short) = definition.short_name(&listed.name) else { continue };
                if !short.to_lowercase().contains(&search) {
                    continue;
                }
                secrets.push(SecretSummary {
                    reference: naming.whole(short),
                    name: short.to_owned(),
                    arn: listed.arn,
                    last_changed_at: listed.last_changed_ms.map(rfc3339),
                    next_rotation_at: listed.next_rotation_ms.map(rfc3339),
                });
            }
            token = page.1;
            if token.is_none() || secrets.len() >= limit {
                break;
            }
        }
        Ok(SecretList { secrets, cursor: token, note: naming.note() })
    }

    /// What is cached of a source.
    pub fn cache_status(&self, caller: &Caller, name: &str) -> Result<Vec<CacheStatus>, Error> {
        let source = self.known_source(caller, name)?;
        // every template is read once, however much is cached
        let users = self.users_of(caller, &source);
        let entries = self.cached_for(caller, &source, &users);
        Ok(entries
            .into_iter()
            .map(|entry| CacheStatus {
                resources: users.get(&entry.key).copied().unwrap_or_default(),
                secret: entry.key.secret.to_string(),
                pin: entry.key.pin.to_string(),
                project: self.read_for(&entry.key.source),
                fetched_at: entry.fetched_ms.map(rfc3339),
                version_id: entry.version_id,
                age_ms: entry.age_ms,
                expires_at: entry.expires_ms.map(rfc3339),
                last_error_at: entry.last_error.as_ref().map(|error| rfc3339(error.at_ms)),
                last_error: entry.last_error.map(|error| error.code),
                stale_since: entry.stale_since_ms.map(rfc3339),
            })
            .collect())
    }

    /// Fetches secrets again, now; all that are cached when none are named.
    pub async fn refresh_secrets(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        secrets: Option<Vec<String>>,
    ) -> Result<Vec<RefreshOutcome>, Error> {
        let source = self.known_source(caller, name)?;
        let keys: Vec<SecretKey> = if let Some(names) = secrets {
            names.iter().map(|secret| source.key(secret, "AWSCURRENT")).collect()
        } else {
            let users = self.users_of(caller, &source);
            self.cached_for(caller, &source, &users).into_iter().map(|entry| entry.key).collect()
        };
        Ok(self.refresh_keys(&source, &keys).await)
    }

    pub(super) async fn refresh_keys(
        self: &Arc<Self>,
        source: &Arc<Source>,
        keys: &[SecretKey],
    ) -> Vec<RefreshOutcome> {
        let mut outcomes = Vec::with_capacity(keys.len());
        // in small groups: a source with thousands of secrets must not be stormed by one click
        for group in keys.chunks(8) {
            let refreshes = group.iter().map(|key| self.refresh_one(source, key));
            outcomes.extend(futures_util::future::join_all(refreshes).await);
        }
        outcomes
    }

    pub(super) async fn refresh_one(
        self: &Arc<Self>,
        source: &Arc<Source>,
        key: &SecretKey,
    ) -> RefreshOutcome {
        // what another project's role read is read again by that role
        let reader = self.registry.state().source_by_id(&key.source);
        let loader = source::loader(self, reader.as_ref().unwrap_or(source), key);
        match self.cache.refresh(key, source.policy(), &loader).await {
            Ok(refreshed) => RefreshOutcome {
                secret: key.secret.to_string(),
                before: refreshed.before,
                after: Some(refreshed.after),
                error: None,
            },
            Err(error) => RefreshOutcome {
                secret: key.secret.to_string(),
                before: None,
                after: None,
                error: Some(format!("{}: {}", error.code, error.message)),
            },
        }
    }

    /// Lets go of what is cached of a source, as far as it is the caller's.
    /// Only of the named secrets when some are named.
    pub fn clear_source_cache(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        secrets: Option<&[String]>,
    ) -> Result<Cleared, Error> {
        let source = self.known_source(caller, name)?;
        Ok(match secrets {
            Some(names) => self.clear_some(caller, &source, names),
            None => self.clear_for(caller, &source),
        })
    }

    /// Lets go of what is cached of the caller's project, and of the workspace as the caller sees it.
    pub fn clear_cache(self: &Arc<Self>, caller: &Caller) -> Cleared {
        let mut all = Cleared { cleared: 0, refreshing: 0 };
        for source in self.registry.state().visible_sources(&caller.project.id) {
            let one = self.clear_for(caller, &source.for_project(&caller.project));
            all.cleared += one.cleared;
            all.refreshing += one.refreshing;
        }
        all
    }

    /// Another replica may have written to the vault.
    pub(super) fn forget_local_secrets(&self) {
        for source in self.registry.state().local_sources() {
            self.cache.clear_source(&source.record.id);
        }
    }
}
