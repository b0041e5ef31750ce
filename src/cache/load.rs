//! One load: started in its own task, and settled whatever becomes of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use super::entry::{Entry, Policy};
use super::plan::Want;
use super::slot::{Flight, ForcedLoad, Landed, Outcome, Reason, Slot, State, abandoned};
use super::{Cache, LoadError, Loader, Secret, SecretKey};

/// A load that its slot waits for. Dropped unfinished - a panic, a shutdown - it settles as abandoned, so that nobody
/// waits for ever and the next reader starts another.
#[must_use = "the slot waits for this load until it is spawned"]
pub(super) struct Launch {
    cache: Arc<Cache>,
    slot: Arc<Slot>,
    key: SecretKey,
    policy: Policy,
    loader: Loader,
    number: u64,
    started_ms: i64,
    forced: bool,
    /// Present until the load is settled.
    landing: Option<watch::Sender<Option<Outcome>>>,
}

impl Cache {
    /// Makes the slot wait for a new load, in the place of any other. Spawn it once the locks are free.
    pub(super) fn start(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        state: &mut State,
        want: &Want<'_>,
        reason: Reason,
    ) -> (Flight, Launch) {
        let number = self.loads.fetch_add(1, Ordering::SeqCst) + 1;
        let (sender, landing) = watch::channel(None);
        let flight = Flight { number, reason, landing };
        state.flight = Some(flight.clone());
        let forced = flight.is_forced();
        if forced {
            state.forced = Some(ForcedLoad { started_ms: want.now_ms, changed: false });
        }
        self.meters.loads.add(1);
        let launch = Launch {
            cache: Arc::clone(self),
            slot: Arc::clone(slot),
            key: want.key.clone(),
            policy: want.policy,
            loader: Arc::clone(want.loader),
            number,
            started_ms: want.now_ms,
            forced,
            landing: Some(sender),
        };
        (flight, launch)
    }

    /// Takes the value of a load that is still waited for.
    fn keep(&self, launch: &Launch, secret: Secret) -> Landed {
        let entry = Arc::new(Entry::new(secret, launch.started_ms, launch.policy, launch.number));
        let slot = &launch.slot;
        let mut table = self.write();
        if !slot.lock().land(launch.number) {
            return Landed { entry, kept: false, changed: true };
        }
        let before = slot.entry.load_full();
        let changed = before.is_none_or(|before| before.secret.version_id != entry.secret.version_id);
        let mut kept = false;
        let mut evicted = 0;
        if entry.bytes > self.limits.max_bytes {
            evicted += u64::from(table.take_value(slot));
        } else {
            let newest = table.link(slot, &launch.key, Arc::clone(&entry));
            kept = Arc::ptr_eq(&newest, &entry);
            table.put(slot, newest);
            evicted += table.shrink(self.limits, slot);
        }
        let mut state = slot.lock();
        state.succeeded();
        if launch.forced {
            state.forced = Some(ForcedLoad { started_ms: launch.started_ms, changed });
        }
        drop(state);
        drop(table);
        self.meters.evictions.add(evicted);
        Landed { entry, kept, changed }
    }

    /// Remembers the failure of a load that is still waited for. A refusal takes the value away: a revocation must win.
    fn refuse(&self, launch: &Launch, error: &Arc<LoadError>) {
        self.meters.errors.add(1);
        let now_ms = self.clock.now_ms();
        let slot = &launch.slot;
        let mut table = self.write();
        if !slot.lock().land(launch.number) {
            return;
        }
        let mut evicted = false;
        if !error.class.is_transient() {
            evicted = table.take_value(slot);
            // The refusal was for this key; another name of the secret may be readable.
            table.keep_only(slot, &launch.key);
        }
        slot.lock().failed(error, now_ms);
        drop(table);
        self.meters.evictions.add(u64::from(evicted));
        if evicted {
            let (source, secret, code) = (&*launch.key.source, &*launch.key.secret, error.code.as_str());
            tracing::warn!(
                source,
                secret,
                code,
                "the source refuses a cached secret; its value was thrown away"
            );
        }
    }
}

impl Launch {
    /// Runs the load in its own task.
    pub(super) fn spawn(self) {
        let tasks = self.cache.tasks.clone();
        tasks.spawn(self.run());
    }

    async fn run(mut self) {
        let load = (self.loader)();
        let result = load.await;
        self.settle(result.map_err(Arc::new));
    }

    fn settle(&mut self, result: Result<Secret, Arc<LoadError>>) {
        let Some(landing) = self.landing.take() else { return };
        let outcome = result.map(|secret| self.cache.keep(self, secret));
        if let Err(error) = &outcome {
            self.cache.refuse(self, error);
        }
        // The slot is settled first: who wakes up finds it as it will be.
        landing.send_replace(Some(outcome));
    }
}

impl Drop for Launch {
    fn drop(&mut self) {
        self.settle(Err(abandoned()));
    }
}
