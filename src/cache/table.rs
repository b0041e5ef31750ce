//! Where the slots are: found by key, a name and its ARN in one slot, the least recently used out when room is short.
//!
//! Every change of a value goes through here, with the table locked for writing, so that the count of bytes and the
//! generation cannot miss one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::entry::Entry;
use super::index::Index;
use super::slot::Slot;
use super::{Limits, SecretKey};

pub(super) struct Table {
    by_key: HashMap<SecretKey, Arc<Slot>>,
    /// What readers go by; the same keys.
    index: Arc<Index>,
    /// Slots, each counted once however many keys lead to it.
    slots: usize,
    bytes: usize,
    generation: Arc<AtomicU64>,
}

impl Table {
    pub(super) fn new(generation: Arc<AtomicU64>, index: Arc<Index>) -> Self {
        Self { by_key: HashMap::new(), index, slots: 0, bytes: 0, generation }
    }

    /// Moves when a slot is made. Room runs short only then or when a value grows, so "used since the last slot was
    /// made" is all the order that is needed, and a hit seldom writes.
    pub(super) fn tick(&self) -> u64 {
        self.index.tick()
    }

    fn lead(&mut self, key: SecretKey, slot: &Arc<Slot>) {
        self.index.insert(key.clone(), Arc::clone(slot));
        self.by_key.insert(key, Arc::clone(slot));
    }

    fn lead_no_more(&mut self, key: &SecretKey) {
        self.index.remove(key);
        self.by_key.remove(key);
    }

    pub(super) fn find(&self, key: &SecretKey) -> Option<&Arc<Slot>> {
        self.by_key.get(key)
    }

    pub(super) fn get(&self, key: &SecretKey) -> Option<Arc<Slot>> {
        self.find(key).cloned()
    }

    pub(super) fn get_or_insert(&mut self, key: &SecretKey) -> Arc<Slot> {
        if let Some(slot) = self.get(key) {
            return slot;
        }
        let slot = Arc::new(Slot::new(key, self.tick()));
        self.index.advance();
        self.slots += 1;
        self.lead(key.clone(), &slot);
        slot
    }

    /// The slots made for a key that `matches`, each once.
    pub(super) fn slots_where(&self, matches: impl Fn(&SecretKey) -> bool) -> Vec<Arc<Slot>> {
        let made_for = |slot: &Slot, key: &SecretKey| slot.lock().keys.first() == Some(key);
        let found = self.by_key.iter().filter(|(key, slot)| matches(key) && made_for(slot, key));
        found.map(|(_, slot)| Arc::clone(slot)).collect()
    }

    /// Takes a slot out for good, with its value, its memory and the load it waits for; says whether it had a value.
    pub(super) fn remove(&mut self, slot: &Arc<Slot>) -> bool {
        let keys = {
            let mut state = slot.lock();
            state.flight = None;
            std::mem::take(&mut state.keys)
        };
        if keys.is_empty() {
            return false;
        }
        for key in &keys {
            self.lead_no_more(key);
        }
        self.slots = self.slots.saturating_sub(1);
        self.take_value(slot)
    }

    /// Supersedes the first loads under way that may turn out to be of the secret `key` names, by its other name.
    ///
    /// Only the answer tells, so they all are: an eviction by ARN must win over a first load by name.
    pub(super) fn supersede_unknown(&self, key: &SecretKey) {
        for slot in self.slots_where(|other| other.source == key.source && other.pin == key.pin) {
            if slot.entry.load().is_none() {
                slot.lock().flight = None;
            }
        }
    }

    /// Takes the value out of a slot; says whether there was one.
    pub(super) fn take_value(&mut self, slot: &Slot) -> bool {
        let Some(old) = slot.entry.swap(None) else { return false };
        self.bytes = self.bytes.saturating_sub(old.bytes);
        self.bump();
        true
    }

    /// Puts a value into a slot of this table.
    pub(super) fn put(&mut self, slot: &Slot, entry: Arc<Entry>) {
        let (version_id, bytes) = (entry.secret.version_id.clone(), entry.bytes);
        let old = slot.entry.swap(Some(entry));
        self.bytes = self.bytes.saturating_sub(old.as_ref().map_or(0, |old| old.bytes)).saturating_add(bytes);
        if old.is_none_or(|old| old.secret.version_id != version_id) {
            self.bump();
        }
    }

    /// Lets only `key` lead to the slot.
    pub(super) fn keep_only(&mut self, slot: &Slot, key: &SecretKey) {
        let others: Vec<SecretKey> = slot.lock().keys.extract_if(.., |other| other != key).collect();
        for other in &others {
            self.lead_no_more(other);
        }
    }

    /// Lets the entry's name and ARN lead to the slot that loaded it by `key`; gives the entry to put there.
    ///
    /// A slot that another of the keys led to is merged into this one when it holds the same secret, and loses that key
    /// when it holds another one that was loaded earlier: a name that was given to a new secret.
    pub(super) fn link(&mut self, slot: &Arc<Slot>, key: &SecretKey, entry: Arc<Entry>) -> Arc<Entry> {
        let Some(arn) = entry.secret.arn.clone() else {
            self.keep_only(slot, key);
            return entry;
        };
        let before = slot.entry.load_full();
        if before.is_some_and(|before| before.secret.arn.as_ref() != Some(&arn)) {
            self.keep_only(slot, key);
        }
        let name =
            (!entry.secret.foreign && !entry.secret.name.is_empty()).then(|| entry.secret.name.clone());
        let mut newest = entry;
        for id in [Some(arn), name].into_iter().flatten() {
            let alias = SecretKey { secret: Arc::from(id), ..key.clone() };
            newest = self.link_one(slot, alias, newest);
        }
        newest
    }

    fn link_one(&mut self, slot: &Arc<Slot>, alias: SecretKey, entry: Arc<Entry>) -> Arc<Entry> {
        let Some(other) = self.get(&alias) else {
            self.bind(slot, alias);
            return entry;
        };
        if Arc::ptr_eq(&other, slot) {
            return entry;
        }
        let theirs = other.entry.load_full();
        {
            let state = other.lock();
            // Its own load, or its own refusal, is about to say more than this one can.
            if state.flight.is_some() || state.is_refused() {
                return entry;
            }
        }
        match theirs {
            Some(theirs) if theirs.secret.arn != entry.secret.arn => {
                if theirs.number < entry.number {
                    self.unbind(&other, &alias);
                    self.bind(slot, alias);
                }
                entry
            }
            theirs => {
                let keys = other.lock().keys.clone();
                self.remove(&other);
                for key in keys {
                    self.bind(slot, key);
                }
                theirs.filter(|theirs| theirs.number > entry.number).unwrap_or(entry)
            }
        }
    }

    fn bind(&mut self, slot: &Arc<Slot>, key: SecretKey) {
        self.lead(key.clone(), slot);
        slot.lock().keys.push(key);
    }

    fn unbind(&mut self, slot: &Arc<Slot>, key: &SecretKey) {
        let left = {
            let mut state = slot.lock();
            let others = state.keys.iter().filter(|other| *other != key).count();
            if others > 0 {
                state.keys.retain(|other| other != key);
            }
            others
        };
        if left == 0 {
            self.remove(slot);
        } else {
            self.lead_no_more(key);
            self.bump();
        }
    }

    /// Makes room if there is too little, but never of `keep`, and one per cent more than needed, since it looks at
    /// every slot; says how many values went.
    pub(super) fn shrink(&mut self, limits: Limits, keep: &Arc<Slot>) -> u64 {
        let slots_to = room(self.slots, limits.max_entries);
        let bytes_to = room(self.bytes, limits.max_bytes);
        if self.slots <= slots_to && self.bytes <= bytes_to {
            return 0;
        }
        let mut oldest_first = self.slots_where(|_| true);
        let fetched = |slot: &Slot| slot.entry.load().as_ref().map(|entry| entry.fetched_ms);
        oldest_first.sort_by_cached_key(|slot| (slot.used(), fetched(slot)));
        let mut evicted = 0;
        for slot in oldest_first.iter().filter(|slot| !Arc::ptr_eq(slot, keep)) {
            if self.slots <= slots_to && self.bytes <= bytes_to {
                break;
            }
            evicted += u64::from(self.remove(slot));
        }
        evicted
    }

    fn bump(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }
}

/// How much may stay of what there is.
fn room(is: usize, max: usize) -> usize {
    if is > max { max - max / 100 } else { is }
}
