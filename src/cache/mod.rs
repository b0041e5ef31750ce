//! The secret cache: the last good value of every secret that was asked for, and one load at a time for each.
//!
//! What it does: [`Cache::get`] answers from memory while a value is fresh, starts one background refresh shortly
//! before it ends, loads once however many readers wait, and goes on serving the last value while the source is out
//! of reach. [`Cache::refresh`] and [`Cache::refetch`] force a load, [`Cache::evict`] and its kin throw values away.
//! The behaviour is the table of the specification of secrets, section 6.
//!
//! What it must not do: know a technology. It is handed a [`Loader`] that knows where the secret is, how to ask for
//! it and when to give up: a loader has its own timeout, for its load blocks the key until it answers.
//!
//! Invariants:
//! - a load runs in its own task: a reader that goes away takes nothing from those who wait with it;
//! - only the load a slot currently waits for may change it, so what happened after a load started wins over it;
//! - the table is locked before a slot, never the other way round, and neither across an await;
//! - a value leaves memory with its last reader, and is in no log, no metric and no `Debug`.

mod entry;
mod find;
mod index;
mod load;
mod meters;
mod outlook;
mod plan;
mod slot;
mod table;

#[cfg(test)]
mod tests;

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use std::time::Duration;

use tokio_util::task::TaskTracker;

use self::index::Index;
use self::meters::Meters;
use self::plan::{Forced, Plan, Want};
use self::slot::{Flight, Slot};
use self::table::Table;
use crate::clock::Clock;

pub use self::entry::{Entry, Held, Hit, Policy, Secret};
pub use self::meters::Counters;
pub use self::outlook::{Outlook, Standing};

/// A load is waited for so long before a value past its end is served instead.
const PATIENCE: Duration = Duration::from_millis(500);

/// What an entry is found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretKey {
    /// The unique id of the source. What it reads as the role of one project has a key of its own: the id, `/` and
    /// the project, so that no project is served what another one may read.
    pub source: Arc<str>,
    /// The full name or ARN at AWS, or the name in the vault.
    pub secret: Arc<str>,
    /// `AWSCURRENT`, another stage, or `version:UUID`.
    pub pin: Arc<str>,
}

impl SecretKey {
    /// Whether the source reads it, by itself or as the role of a project.
    fn is_of(&self, source: &str) -> bool {
        self.source.strip_prefix(source).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// What kind of failure a load met; it decides whether a stale value may be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The source's identity may not read the secret (`AccessDeniedException`).
    Denied,
    /// There is no such secret, stage or version.
    NotFound,
    /// The secret is marked for deletion.
    Deleted,
    /// The key that protects the value cannot be used (`DecryptionFailure`).
    Undecryptable,
    /// The value that is there now cannot be used.
    Invalid,
    /// The source asks for fewer calls.
    Throttled,
    /// 5xx, a connection that failed, a timeout.
    Unavailable,
    /// The source's own credentials were not taken, for example because they expired.
    BadCredentials,
}

impl ErrorClass {
    /// Whether the failure says nothing about the secret itself, so that its last value may be served meanwhile.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable | Self::BadCredentials)
    }
}

/// Why a secret could not be loaded. Never holds a value.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct LoadError {
    /// What kind of failure it is.
    pub class: ErrorClass,
    /// The source's own code, for example `AccessDeniedException`.
    pub code: String,
    /// What happened and what to do, in one sentence.
    pub message: String,
    /// The source's id of the failed call, where it gave one.
    pub request_id: Option<String>,
}

/// A load under way.
pub type LoadFuture = Pin<Box<dyn Future<Output = Result<Secret, LoadError>> + Send>>;

/// Starts a load of one secret. It may be called again in the background, and must bound its own time.
pub type Loader = Arc<dyn Fn() -> LoadFuture + Send + Sync>;

/// How much the cache may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of values and what is kept beside them.
    pub max_bytes: usize,
    /// Secrets, those of which only an error is remembered included.
    pub max_entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 64 * 1024 * 1024, max_entries: 10_000 }
    }
}

/// What a forced refresh changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refreshed {
    /// The version that was cached before, if any was.
    pub before: Option<String>,
    /// The version that is there now.
    pub after: String,
}

/// What a refetch found.
pub struct Refetched {
    /// Whether the last forced load met another version than was cached before it, or none was.
    ///
    /// It speaks of the cache, not of the caller: another load may have moved the cache before. A caller that holds
    /// values compares the version it used with the one in `hit`.
    pub changed: bool,
    /// What is there now.
    pub hit: Hit,
}

/// An error a slot remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// The source's code.
    pub code: String,
    /// What happened.
    pub message: String,
    /// When, in epoch milliseconds.
    pub at_ms: i64,
}

/// What is known of one cached secret; never its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryStatus {
    /// The key it was first asked for by. A name and its ARN are one entry and appear once.
    pub key: SecretKey,
    /// When the value was fetched, in epoch milliseconds; absent when only an error or a load is known.
    pub fetched_ms: Option<i64>,
    /// The version that is cached.
    pub version_id: Option<String>,
    /// How long ago it was fetched, in milliseconds.
    pub age_ms: Option<u64>,
    /// When it ends under the policy it was loaded with, in epoch milliseconds.
    pub expires_ms: Option<i64>,
    /// The last failure since the last success.
    pub last_error: Option<LastError>,
    /// Since when it has been served past its end, in epoch milliseconds.
    pub stale_since_ms: Option<i64>,
    /// Bytes it counts for.
    pub bytes: usize,
}

/// The secret cache. Shared as an [`Arc`]; all methods take `&self`.
pub struct Cache {
    table: RwLock<Table>,
    index: Arc<Index>,
    limits: Limits,
    clock: Clock,
    tasks: TaskTracker,
    meters: Meters,
    /// Shared with the table, which bumps it, so that a reader validates its snapshot without a lock.
    generation: Arc<AtomicU64>,
    /// Numbers the loads in the order they start.
    loads: AtomicU64,
}

impl fmt::Debug for Cache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Cache").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Cache {
    /// An empty cache.
    ///
    /// Loads run on `tasks`, so that a shutdown can join them. The metrics are registered here: install the recorder
    /// before.
    pub fn new(limits: Limits, clock: Clock, tasks: TaskTracker) -> Arc<Self> {
        let generation = Arc::new(AtomicU64::new(0));
        let index = Arc::new(Index::new());
        Arc::new(Self {
            table: RwLock::new(Table::new(Arc::clone(&generation), Arc::clone(&index))),
            index,
            limits,
            clock,
            tasks,
            meters: Meters::register(),
            generation,
            loads: AtomicU64::new(0),
        })
    }

    /// The secret, from memory if it is there and fresh, else from `loader`.
    ///
    /// A remembered error is given without a load. When a load fails for a reason that says nothing about the secret,
    /// its last value is served until it is `max_stale_ms` old. With a TTL of 0 every call loads; those that find a
    /// load of the key under way share it, although it may have started before them.
    pub async fn get(
        self: &Arc<Self>,
        key: &SecretKey,
        policy: Policy,
        loader: &Loader,
    ) -> Result<Hit, Arc<LoadError>> {
        let now_ms = self.clock.now_ms();
        if let Some(hit) = self.fresh_hit(key, policy, now_ms) {
            return Ok(hit);
        }
        let want = Want { key, policy, loader, now_ms };
        let hit = match self.plan(&want) {
            Plan::Answer(answer) => answer?,
            Plan::Wait { slot, flight } => self.wait(&slot, &want, flight).await?,
        };
        self.note_stale(&want, &hit);
        Ok(hit)
    }

    /// Waits for a load. One that is slow while there still is a value that may be served is not waited for: a source
    /// that hangs must not make every reader hang for its timeout. The load goes on, and its outcome is cached.
    async fn wait(&self, slot: &Arc<Slot>, want: &Want<'_>, flight: Flight) -> Result<Hit, Arc<LoadError>> {
        let last = || Self::last_value(slot, &Want { now_ms: self.clock.now_ms(), ..*want });
        let mut landing = pin!(flight.outcome());
        let outcome = match tokio::time::timeout(PATIENCE, &mut landing).await {
            Ok(outcome) => outcome,
            // with a TTL of 0 a reader asked for the value of now, and a value of an earlier process is no answer yet
            Err(_) if want.policy.ttl_ms == 0 || slot.holds_restored() => landing.await,
            Err(_) => match last() {
                Some(hit) => return Ok(hit),
                None => landing.await,
            },
        };
        match outcome {
            Ok(landed) => Ok(landed.hit(want.policy)),
            Err(error) if error.class.is_transient() => last().ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// Loads the secret now, whatever is cached, and forgets a remembered error.
    ///
    /// The answer is from a load that started after this call: a load already under way does not satisfy it, and a
    /// plain one is superseded, so that its value is not cached. Calls that wait for the same forced load to end share
    /// the next. What is cached stays until the new value is there, or until the source refuses it. An error is given
    /// as it is: a stale value is no refresh.
    pub async fn refresh(
        self: &Arc<Self>,
        key: &SecretKey,
        policy: Policy,
        loader: &Loader,
    ) -> Result<Refreshed, Arc<LoadError>> {
        let wish = self.loads.load(Ordering::SeqCst);
        let before = self.peek(key).map(|entry| entry.secret.version_id.clone());
        loop {
            let now_ms = self.clock.now_ms();
            let entry = match self.plan_refresh(&Want { key, policy, loader, now_ms }, wish) {
                Forced::Answer(hit) => hit.entry.to_arc(),
                Forced::Join(flight) => flight.outcome().await?.entry,
                Forced::After(flight) => {
                    // Only its end matters: it started before this call.
                    let _ = flight.outcome().await;
                    continue;
                }
            };
            return Ok(Refreshed { before, after: entry.secret.version_id.clone() });
        }
    }

    /// Loads the secret again because its value was refused where it was used.
    ///
    /// Calls share a forced load under way. Within `min_interval_ms` after a forced load started, the answer is what is
    /// there: the cached value, or the remembered error. So a broken key cannot storm its source. A remembered error is
    /// not forgotten by this.
    pub async fn refetch(
        self: &Arc<Self>,
        key: &SecretKey,
        policy: Policy,
        loader: &Loader,
        min_interval_ms: u64,
    ) -> Result<Refetched, Arc<LoadError>> {
        let want = Want { key, policy, loader, now_ms: self.clock.now_ms() };
        match self.plan_refetch(&want, min_interval_ms)? {
            (changed, Forced::Answer(hit)) => {
                self.note_stale(&want, &hit);
                Ok(Refetched { changed, hit })
            }
            (_, Forced::Join(flight) | Forced::After(flight)) => {
                let landed = flight.outcome().await?;
                Ok(Refetched { changed: landed.changed, hit: landed.hit(policy) })
            }
        }
    }

    /// Throws a secret away, under all its names, with its remembered error; says whether a value was cached.
    ///
    /// A load under way still answers those who wait for it, but its value is not cached and no later reader gets it.
    pub fn evict(&self, key: &SecretKey) -> bool {
        let mut table = self.write();
        let evicted = table.get(key).is_some_and(|slot| table.remove(&slot));
        table.supersede_unknown(key);
        drop(table);
        self.meters.evictions.add(u64::from(evicted));
        evicted
    }

    /// [`evict`](Self::evict) for every stage and version of one secret that has no other name; says how many values were
    /// cached.
    pub fn evict_pins(&self, source: &str, secret: &str) -> usize {
        self.remove_where(|key| &*key.source == source && &*key.secret == secret)
    }

    /// [`evict`](Self::evict) for every secret of one source, for whichever project it was read; says how many values
    /// were cached.
    pub fn clear_source(&self, source: &str) -> usize {
        self.remove_where(|key| key.is_of(source))
    }

    /// [`evict`](Self::evict) for every key whose `source` is exactly this; says how many values were cached.
    pub fn clear_reader(&self, source: &str) -> usize {
        self.remove_where(|key| &*key.source == source)
    }

    /// [`evict`](Self::evict) for everything; says how many values were cached.
    pub fn clear(&self) -> usize {
        self.remove_where(|_| true)
    }

    /// Forgets the remembered errors of a source, because it was saved: the next reader asks again.
    ///
    /// Loads under way were started with the old settings: they answer those who wait and change nothing else.
    pub fn forget_errors(&self, source: &str) {
        for slot in self.read().slots_where(|key| key.is_of(source)) {
            let mut state = slot.lock();
            state.flight = None;
            state.forget_failure();
        }
    }

    /// Puts a value of an earlier process where nothing is cached. It is never fresh: it is served while the source is
    /// out of reach, and the next load takes its place.
    pub fn restore(&self, key: &SecretKey, policy: Policy, secret: Secret, fetched_ms: i64) {
        let mut table = self.write();
        let slot = table.get_or_insert(key);
        if slot.entry.load().is_some() {
            return;
        }
        let entry = Arc::new(Entry::restored(secret, fetched_ms, policy));
        let newest = table.link(&slot, key, Arc::clone(&entry));
        table.put(&slot, newest);
        let evicted = table.shrink(self.limits, &slot);
        drop(table);
        self.meters.evictions.add(evicted);
    }

    /// Every value, by the key it was first asked for.
    pub fn entries(&self) -> Vec<(SecretKey, Arc<Entry>)> {
        let slots = self.read().slots_where(|_| true);
        let entries = slots.iter().filter_map(|slot| {
            let key = slot.lock().keys.first()?.clone();
            Some((key, slot.entry.load_full()?))
        });
        entries.collect()
    }

    /// What is cached, fresh or not, without a load and without counting as a use.
    pub fn peek(&self, key: &SecretKey) -> Option<Arc<Entry>> {
        self.read().get(key)?.entry.load_full()
    }

    /// What is known of every secret of a source, for all projects, by name and pin; never a value.
    pub fn status(&self, source: &str) -> Vec<EntryStatus> {
        let now_ms = self.clock.now_ms();
        let slots = self.read().slots_where(|key| key.is_of(source));
        let mut all: Vec<EntryStatus> = slots.iter().filter_map(|slot| slot.status(now_ms)).collect();
        all.sort_by(|a, b| {
            (&a.key.secret, &a.key.pin, &a.key.source).cmp(&(&b.key.secret, &b.key.pin, &b.key.source))
        });
        all
    }

    /// A counter that moves whenever a cached value does: a first value, another version, an eviction.
    ///
    /// A reader that keeps its own snapshot reads this before it calls [`get`](Self::get), keeps it beside the answer,
    /// and comes back when it moved or when [`Hit::fresh_until_ms`] is reached.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Puts what is counted apart into the metrics; to be called before they are read.
    pub fn publish(&self) {
        self.meters.publish();
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.meters.read()
    }

    fn remove_where(&self, matches: impl Fn(&SecretKey) -> bool) -> usize {
        let mut table = self.write();
        let slots = table.slots_where(matches);
        let removed = slots.iter().filter(|slot| table.remove(slot)).count();
        drop(table);
        self.meters.evictions.add(removed as u64);
        removed
    }

    // Nothing between lock and unlock can leave the table half changed, so a poisoned lock is taken as it is.
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Runs `with` on the key's slot, making it if there is none, while the table is locked: the slot is alive.
    fn with_slot<R>(&self, key: &SecretKey, with: impl FnOnce(&Arc<Slot>) -> R) -> R {
        {
            let table = self.read();
            if let Some(slot) = table.get(key) {
                slot.touch(table.tick());
                return with(&slot);
            }
        }
        let mut table = self.write();
        let slot = table.get_or_insert(key);
        let evicted = table.shrink(self.limits, &slot);
        self.meters.evictions.add(evicted);
        with(&slot)
    }
}
