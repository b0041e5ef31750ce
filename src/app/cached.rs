//! What is cached of a source and a caller may know of, let go of, or have read again.
//!
//! What a source of the workspace read as itself is shared by all projects: one project's callers see of it what their
//! own resources name, and throw none of it away, for others would wait for their reads or lose the last good values.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::app::source::Source;
use crate::app::{App, Cleared};
use crate::cache::{EntryStatus, SecretKey};
use crate::model::principal::Caller;

/// How many resources name each secret.
pub(super) type Users = HashMap<SecretKey, usize>;

impl App {
    /// The secrets of a source that resources name, with how many of them do; of the resources that the caller may count.
    pub(super) fn users_of(&self, caller: &Caller, source: &Source) -> Users {
        let mut users = Users::new();
        for resource in self.possible_users(caller, source) {
            let targets = self.uses(&resource.record).into_iter().filter_map(|used| used.target.ok());
            let of_it = targets.filter(|(target, _)| target.record.id == source.record.id);
            let keys: HashSet<SecretKey> = of_it.map(|(_, key)| key).collect();
            for key in keys {
                *users.entry(key).or_default() += 1;
            }
        }
        users
    }

    /// What is cached of a source and the caller may know of: everything for a token of the installation, else what
    /// the caller's project is served. `source` is as the caller's project reads it.
    pub(super) fn cached_for(&self, caller: &Caller, source: &Source, users: &Users) -> Vec<EntryStatus> {
        let mut entries = self.cache.status(&source.record.id);
        if !source.is_of_workspace() || caller.installation {
            return entries;
        }
        entries.retain(|entry| entry.key.source == source.cache_id);
        if is_shared(source) {
            // what somebody asked for by its ARN first is the same entry by its name
            let own: Vec<_> = users.keys().filter_map(|key| self.cache.peek(key)).collect();
            let named: HashSet<_> = own.iter().map(Arc::as_ptr).collect();
            let is_named = |key: &SecretKey| {
                let cached = self.cache.peek(key);
                users.contains_key(key) || cached.is_some_and(|entry| named.contains(&Arc::as_ptr(&entry)))
            };
            entries.retain(|entry| is_named(&entry.key));
        }
        entries
    }

    /// Lets go of single secrets, each under all its names, stages and versions. Those of other projects too are read
    /// again in the background instead.
    pub(super) fn clear_some(
        self: &Arc<Self>,
        caller: &Caller,
        source: &Arc<Source>,
        names: &[String],
    ) -> Cleared {
        let wanted: HashSet<_> = names.iter().map(|name| source.key(name, "").secret).collect();
        let entries = self.cached_for(caller, source, &self.users_of(caller, source));
        let is_meant = |key: &SecretKey| {
            let cached = self.cache.peek(key);
            let arn = cached.as_ref().and_then(|entry| entry.secret.arn.as_deref());
            wanted.contains(&key.secret) || arn.is_some_and(|arn| wanted.contains(arn))
        };
        let keys: Vec<SecretKey> =
            entries.into_iter().map(|entry| entry.key).filter(|key| is_meant(key)).collect();
        if source.is_of_workspace() && !caller.installation && is_shared(source) {
            let refreshing = keys.len();
            self.refresh_later(Arc::clone(source), keys);
            return Cleared { cleared: 0, refreshing };
        }
        Cleared { cleared: keys.iter().filter(|key| self.cache.evict(key)).count(), refreshing: 0 }
    }

    /// Lets go of what is cached of a source. What other projects use too is read again in the background instead.
    pub(super) fn clear_for(self: &Arc<Self>, caller: &Caller, source: &Arc<Source>) -> Cleared {
        if !source.is_of_workspace() || caller.installation {
            return Cleared { cleared: self.cache.clear_source(&source.record.id), refreshing: 0 };
        }
        if !is_shared(source) {
            return Cleared { cleared: self.cache.clear_reader(&source.cache_id), refreshing: 0 };
        }
        let entries = self.cached_for(caller, source, &self.users_of(caller, source));
        let keys: Vec<SecretKey> = entries.into_iter().map(|entry| entry.key).collect();
        let refreshing = keys.len();
        if refreshing > 0 {
            self.refresh_later(Arc::clone(source), keys);
        }
        Cleared { cleared: 0, refreshing }
    }

    fn refresh_later(self: &Arc<Self>, source: Arc<Source>, keys: Vec<SecretKey>) {
        let app = Arc::clone(self);
        let work = async move { drop(app.refresh_keys(&source, &keys).await) };
        let stopping = self.stopping.clone();
        self.tracker.spawn(async move { stopping.run_until_cancelled_owned(work).await });
    }
}

/// Whether a source of the workspace reads as itself for the project, and so for others too.
fn is_shared(source: &Source) -> bool {
    source.cache_id == source.record.id
}
