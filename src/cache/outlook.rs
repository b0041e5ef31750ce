//! What is known of one secret and what comes next, for those who explain; never its value.

use super::{Cache, EntryStatus, Policy, SecretKey};

/// How a secret stands in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The next reader is answered from memory.
    Fresh,
    /// There is a value past its end: the next reader loads, and gets it only while the source is out of reach.
    Stale,
    /// Nothing is known: the next reader loads.
    Missing,
    /// There is no value, and the last load failed.
    Error,
}

/// What is known of one secret, and when it changes by itself.
#[derive(Debug, Clone)]
pub struct Outlook {
    /// How it stands.
    pub standing: Standing,
    /// The rest of what is known; absent when nothing is.
    pub status: Option<EntryStatus>,
    /// From when a hit starts a refresh in the background, in epoch milliseconds.
    pub refresh_ms: Option<i64>,
    /// From when it is not fresh, in epoch milliseconds.
    pub expires_ms: Option<i64>,
}

impl Cache {
    /// What is known of one secret under a policy, without a load and without counting as a use.
    pub fn outlook(&self, key: &SecretKey, policy: Policy) -> Outlook {
        let now_ms = self.clock.now_ms();
        let slot = self.read().get(key);
        let status = slot.as_ref().and_then(|slot| slot.status(now_ms));
        let entry = slot.as_ref().and_then(|slot| slot.entry.load_full());
        let life = entry.map(|entry| entry.life(policy));
        let failed = status.as_ref().is_some_and(|status| status.last_error.is_some());
        let standing = match &life {
            Some(life) if now_ms < life.expires_ms => Standing::Fresh,
            Some(_) => Standing::Stale,
            None if failed => Standing::Error,
            None => Standing::Missing,
        };
        // with a TTL of 0 every reader loads: there is no such moment
        let moment = |at: i64| (at > 0).then_some(at);
        Outlook {
            standing,
            status,
            refresh_ms: life.as_ref().and_then(|life| moment(life.refresh_ms)),
            expires_ms: life.as_ref().and_then(|life| moment(life.expires_ms)),
        }
    }
}
