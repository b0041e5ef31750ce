//! The sealed snapshot of the cache: written now and then, and read at a start, so that a restart while AWS is out of
//! reach still has the last good values. Off unless `cache.snapshot` is set.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::app::App;
use crate::app::source::Source;
use crate::cache::{Entry, Secret, SecretKey};
use crate::model::secret::SourceKind;
use crate::store::{About, KeptSecret, StoreError, kept_id};
use crate::template::SecretValue;

/// What this process has written: the moment of each value, by its row.
#[derive(Debug, Default)]
pub(super) struct Written(Mutex<HashMap<String, i64>>);

impl App {
    /// Puts the kept values into the cache. Those of sources that changed since are left out.
    pub(super) async fn restore_snapshot(&self) -> Result<(), StoreError> {
        if !self.config.cache.snapshot {
            // what an earlier setting left is not left behind
            return self.store.forget_secrets().await;
        }
        let longest = i64::try_from(self.longest_stale_ms()).unwrap_or(i64::MAX);
        let kept = self.store.kept_secrets(self.clock.now_ms().saturating_sub(longest)).await?;
        let mut restored = 0;
        let mut written = self.written.0.lock().await;
        for secret in kept {
            // known from now on, so that it goes when the cache lets go of it, or never takes it
            let id = kept_id(&secret.source_id, &secret.secret, &secret.pin);
            written.insert(id, secret.fetched_ms);
            let Some(source) = self.snapshot_source(&secret.source_id) else { continue };
            if source.record.version != secret.source_version {
                continue;
            }
            let key = SecretKey {
                source: secret.source_id.as_str().into(),
                secret: secret.secret.as_str().into(),
                pin: secret.pin.as_str().into(),
            };
            let fetched_ms = secret.fetched_ms;
            self.cache.restore(&key, source.policy(), secret_of(secret), fetched_ms);
            restored += 1;
        }
        if restored > 0 {
            tracing::info!(
                secrets = restored,
                "the last good values are at hand while their source is out of reach"
            );
        }
        Ok(())
    }

    /// Writes what changed since the last time, and lets go of what the cache let go of.
    pub(super) async fn write_snapshot(&self) {
        if !self.config.cache.snapshot {
            return;
        }
        let mut written = self.written.0.lock().await;
        let mut now = HashMap::new();
        let mut kept = Vec::new();
        for (key, entry) in self.cache.entries() {
            let Some(source) = self.snapshot_source(&key.source) else { continue };
            if source.record.definition.kind == SourceKind::Local {
                continue;
            }
            let id = kept_id(&key.source, &key.secret, &key.pin);
            if !entry.is_restored() && written.get(&id) != Some(&entry.fetched_ms) {
                kept.push(kept_secret(&key, &entry, source.record.version));
            }
            now.insert(id, entry.fetched_ms);
        }
        let gone: Vec<String> = written.keys().filter(|id| !now.contains_key(*id)).cloned().collect();
        match self.store.keep_secrets(&kept, &gone).await {
            Ok(()) => *written = now,
            Err(error) => {
                tracing::warn!(cause = %error, "the snapshot of the secret cache could not be written");
            }
        }
    }

    fn snapshot_source(&self, id: &str) -> Option<Arc<Source>> {
        self.registry.state().source_by_id(id)
    }

    fn longest_stale_ms(&self) -> u64 {
        let state = self.registry.state();
        state.all_sources().map(|source| source.policy().max_stale_ms).max().unwrap_or(0)
    }
}

/// Writes the snapshot until the service stops.
pub(super) async fn keep_writing(app: Arc<App>) {
    let mut turn =
        tokio::time::interval(Duration::from_millis(app.config.cache.snapshot_interval_ms.max(100)));
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => return,
            _ = turn.tick() => app.write_snapshot().await,
        }
    }
}

fn kept_secret(key: &SecretKey, entry: &Entry, source_version: i64) -> KeptSecret {
    let secret = &entry.secret;
    KeptSecret {
        source_id: key.source.to_string(),
        source_version,
        secret: key.secret.to_string(),
        pin: key.pin.to_string(),
        about: About {
            version_id: secret.version_id.clone(),
            arn: secret.arn.clone(),
            name: secret.name.clone(),
            foreign: secret.foreign,
            stages: secret.stages.clone(),
            binary: secret.value.is_binary(),
        },
        value: secret.value.text().clone(),
        fetched_ms: entry.fetched_ms,
    }
}

fn secret_of(kept: KeptSecret) -> Secret {
    let value = if kept.about.binary {
        SecretValue::from_base64(kept.value)
    } else {
        SecretValue::from_text(kept.value)
    };
    Secret {
        value,
        version_id: kept.about.version_id,
        arn: kept.about.arn,
        name: kept.about.name,
        foreign: kept.about.foreign,
        stages: kept.about.stages,
        next_rotation_ms: None,
    }
}
