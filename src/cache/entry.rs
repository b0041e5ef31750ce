//! What is cached of a secret, and until when it may be used.

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::Guard;
use rand::random_range;

use super::plan::Want;
use crate::template::SecretValue;

/// The largest share of the TTL that jitter takes away, in millionths.
const MAX_JITTER: i64 = 100_000;
const MILLION: i64 = 1_000_000;
/// A TTL beyond ten years is ten years, which keeps the sums far from overflow.
const MAX_TTL_MS: i64 = 10 * 365 * 24 * 60 * 60 * 1000;
/// So long a reader keeps a value while it is being refreshed; it then comes back, which drives the retries.
const LEASE_MS: i64 = 1_000;
/// What an entry costs beside its texts: the keys, the table, the slot. An estimate.
const OVERHEAD_BYTES: usize = 512;

/// How long a value may be used. Belongs to the source, and may change from one call to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How long a value is fresh, in milliseconds; 0 loads at every call. Up to 10 % less is taken, by chance.
    pub ttl_ms: u64,
    /// How old a value may be that is served because the source cannot be reached, in milliseconds.
    pub max_stale_ms: u64,
}

/// What a loader gives.
pub struct Secret {
    /// The value, parsed.
    pub value: SecretValue,
    /// The id of the version the value has.
    pub version_id: String,
    /// The full ARN, where the source has such a thing. The entry is then found by it as well.
    pub arn: Option<String>,
    /// The name. With an ARN, the entry is then found by it as well, unless `foreign` is set.
    pub name: String,
    /// Whether a reader of this source who asks for `name` would not get this secret: an ARN that belongs to another
    /// account. A name must never lead to another account's secret.
    pub foreign: bool,
    /// The stages the version has.
    pub stages: Vec<String>,
    /// When the source will rotate it, in epoch milliseconds; an entry does not outlive that moment.
    pub next_rotation_ms: Option<i64>,
}

/// A cached secret. Immutable: a refresh puts another in its place.
pub struct Entry {
    /// What the loader gave.
    pub secret: Arc<Secret>,
    /// When its load started, in epoch milliseconds.
    pub fetched_ms: i64,
    /// The policy of the reader who caused the load; the status is told by it.
    pub(super) policy: Policy,
    /// The number of the load: of two values the one whose load started later is newer.
    pub(super) number: u64,
    pub(super) bytes: usize,
    /// Whether it was read by an earlier process, so that it is never fresh.
    pub(super) restored: bool,
    /// What this entry takes from any TTL, in millionths, so that replicas do not refresh together.
    jitter: i64,
}

/// An entry in use. While it is what is cached, holding it writes nothing that other threads write.
pub struct Held(Guard<Option<Arc<Entry>>>);

/// A secret that may be used.
pub struct Hit {
    /// The secret.
    pub entry: Held,
    /// Its age in milliseconds when it is served past its end because the source cannot be reached, or is late.
    pub stale_ms: Option<u64>,
    /// Until when a reader may keep it without asking again, in epoch milliseconds, if the generation does not move:
    /// the start of refresh-ahead, or a moment later while a refresh is under way. 0 when the TTL is 0, the answer is
    /// stale, or it was not cached.
    pub fresh_until_ms: i64,
}

/// The moments of an entry under a policy, in epoch milliseconds.
pub(super) struct Life {
    /// From when a hit starts a refresh in the background.
    pub(super) refresh_ms: i64,
    /// From when it is not fresh.
    pub(super) expires_ms: i64,
}

impl Entry {
    pub(super) fn new(secret: Secret, fetched_ms: i64, policy: Policy, number: u64) -> Self {
        let texts = secret.version_id.len()
            + secret.arn.as_ref().map_or(0, String::len)
            + secret.name.len()
            + secret.stages.iter().map(String::len).sum::<usize>();
        let bytes = secret.value.bytes() + texts + OVERHEAD_BYTES;
        Self {
            secret: Arc::new(secret),
            fetched_ms,
            policy,
            number,
            bytes,
            restored: false,
            jitter: random_range(0..=MAX_JITTER),
        }
    }

    /// A value of an earlier process: it is served only while its source is out of reach. Every load is newer.
    pub(super) fn restored(secret: Secret, fetched_ms: i64, policy: Policy) -> Self {
        Self { restored: true, ..Self::new(secret, fetched_ms, policy, 0) }
    }

    /// Whether it was read by an earlier process.
    pub fn is_restored(&self) -> bool {
        self.restored
    }

    /// The reader's policy counts, not the one it was loaded with, so that a changed TTL holds at once.
    ///
    /// A rotation inside the TTL ends the entry. One that lies before the fetch is overdue and says nothing.
    pub(super) fn life(&self, policy: Policy) -> Life {
        if policy.ttl_ms == 0 || self.restored {
            return Life { refresh_ms: 0, expires_ms: 0 };
        }
        let ttl = i64::try_from(policy.ttl_ms).map_or(MAX_TTL_MS, |ttl| ttl.min(MAX_TTL_MS));
        let ttl = ttl - ttl * self.jitter / MILLION;
        let end = self.fetched_ms.saturating_add(ttl);
        let expires_ms = match self.secret.next_rotation_ms {
            Some(rotation) if rotation > self.fetched_ms => end.min(rotation),
            _ => end,
        };
        let refresh_ms = self.fetched_ms.saturating_add(ttl / 10 * 8 + ttl % 10 * 8 / 10).min(expires_ms);
        Life { refresh_ms, expires_ms }
    }

    /// Whether the source meant to rotate it meanwhile.
    pub(super) fn is_rotated(&self, now_ms: i64) -> bool {
        self.secret.next_rotation_ms.is_some_and(|rotation| self.fetched_ms < rotation && rotation <= now_ms)
    }

    pub(super) fn age_ms(&self, now_ms: i64) -> u64 {
        u64::try_from(now_ms.saturating_sub(self.fetched_ms)).unwrap_or(0)
    }

    /// Whether it may be served although it ended.
    pub(super) fn may_be_stale(&self, policy: Policy, now_ms: i64) -> bool {
        self.age_ms(now_ms) < policy.max_stale_ms
    }

    /// As a fresh answer that is also what is cached.
    pub(super) fn fresh(self: Arc<Self>, policy: Policy) -> Hit {
        let fresh_until_ms = self.life(policy).refresh_ms;
        Hit { entry: self.into(), stale_ms: None, fresh_until_ms }
    }
}

impl Hit {
    /// A fresh value that is being refreshed may be kept for a moment, so that not every reader comes back to see
    /// whether the refresh is through: when it brings another version, the generation tells.
    pub(super) fn leased(mut self, want: &Want<'_>) -> Self {
        if self.stale_ms.is_none() {
            let expires_ms = self.entry.life(want.policy).expires_ms;
            self.fresh_until_ms = expires_ms.min(want.now_ms.saturating_add(LEASE_MS));
        }
        self
    }
}

impl Held {
    /// None of nothing.
    pub(super) fn of(guard: Guard<Option<Arc<Entry>>>) -> Option<Self> {
        guard.is_some().then_some(Self(guard))
    }

    /// For longer than a moment.
    pub fn to_arc(&self) -> Arc<Entry> {
        Arc::clone(self.get())
    }

    fn get(&self) -> &Arc<Entry> {
        match &*self.0 {
            Some(entry) => entry,
            None => unreachable!("it is made of something only"),
        }
    }
}

impl From<Arc<Entry>> for Held {
    fn from(entry: Arc<Entry>) -> Self {
        Self(Guard::from_inner(Some(entry)))
    }
}

impl Deref for Held {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        self.get()
    }
}
