//! Where readers find slots without a lock, and without a write that another thread's reader would wait for.
//!
//! The table is the truth and keeps this in step while it is locked for writing. A reader may meet a slot that was taken
//! out a moment ago: its value is gone from the slot itself, so it finds none and asks the table.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::SecretKey;
use super::slot::Slot;

/// Parts that are copied by themselves when a key comes or goes.
const SHARDS: usize = 64;

type Shard = HashMap<SecretKey, Arc<Slot>>;

pub(super) struct Index {
    shards: Vec<ArcSwap<Shard>>,
    /// Moves when a slot is made; see the table.
    tick: AtomicU64,
}

impl Index {
    pub(super) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| ArcSwap::default()).collect();
        Self { shards, tick: AtomicU64::new(0) }
    }

    /// Looks at the slot that a key leads to.
    pub(super) fn with<R>(&self, key: &SecretKey, look: impl FnOnce(&Slot) -> Option<R>) -> Option<R> {
        let shard = self.shard(key)?.load();
        look(shard.get(key)?)
    }

    pub(super) fn tick(&self) -> u64 {
        self.tick.load(Ordering::Relaxed)
    }

    pub(super) fn advance(&self) {
        self.tick.fetch_add(1, Ordering::Relaxed);
    }

    /// The table is locked for writing.
    pub(super) fn insert(&self, key: SecretKey, slot: Arc<Slot>) {
        self.change(&key.clone(), |shard| drop(shard.insert(key, slot)));
    }

    /// The table is locked for writing.
    pub(super) fn remove(&self, key: &SecretKey) {
        self.change(key, |shard| drop(shard.remove(key)));
    }

    fn change(&self, key: &SecretKey, change: impl FnOnce(&mut Shard)) {
        let Some(shard) = self.shard(key) else { return };
        let mut copy = Shard::clone(&shard.load());
        change(&mut copy);
        shard.store(Arc::new(copy));
    }

    /// Names differ at their ends, so that a few bytes tell the shard.
    fn shard(&self, key: &SecretKey) -> Option<&ArcSwap<Shard>> {
        let ends = key.secret.bytes().rev().take(8);
        let mixed = ends.fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        self.shards.get(mixed % SHARDS)
    }
}
