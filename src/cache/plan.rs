//! What a reader gets at once, what it waits for, and which load it starts. Nothing here awaits.

use std::sync::Arc;

use super::entry::{Held, Hit, Policy};
use super::load::Launch;
use super::slot::{Flight, Reason, Slot, State};
use super::{Cache, LoadError, Loader, SecretKey};

/// One reader's wish.
pub(super) struct Want<'a> {
    pub(super) key: &'a SecretKey,
    pub(super) policy: Policy,
    pub(super) loader: &'a Loader,
    pub(super) now_ms: i64,
}

/// What a reader does.
pub(super) enum Plan {
    Answer(Result<Hit, Arc<LoadError>>),
    Wait { slot: Arc<Slot>, flight: Flight },
}

/// What a caller does that wants a new load.
pub(super) enum Forced {
    /// A load that counts is over already.
    Answer(Hit),
    /// This load counts.
    Join(Flight),
    /// This load does not count and must end before the next.
    After(Flight),
}

impl Cache {
    /// The path of nearly every call: no allocation, no lock, and nothing written that another thread writes too.
    pub(super) fn fresh_hit(&self, key: &SecretKey, policy: Policy, now_ms: i64) -> Option<Hit> {
        self.index.with(key, |slot| {
            let entry = Held::of(slot.entry.load())?;
            let fresh_until_ms = entry.life(policy).refresh_ms;
            if now_ms >= fresh_until_ms {
                return None;
            }
            slot.touch(self.index.tick());
            self.meters.hits.add(1);
            Some(Hit { entry, stale_ms: None, fresh_until_ms })
        })
    }

    /// For a reader without a fresh hit, or with one that is due for a refresh.
    pub(super) fn plan(self: &Arc<Self>, want: &Want<'_>) -> Plan {
        let (plan, launch) = self.with_slot(want.key, |slot| {
            let state = &mut *slot.lock();
            if let Some(hit) = self.hit_now(slot, state, want) {
                let due = hit.fresh_until_ms <= want.now_ms;
                let reason = if hit.stale_ms.is_none() { Reason::Ahead } else { Reason::Reader };
                let start = due && state.may_try(want.now_ms);
                let launch = start.then(|| self.start(slot, state, want, reason).1);
                let hit = if due { hit.leased(want) } else { hit };
                return (Plan::Answer(Ok(hit)), launch);
            }
            if let Some(error) = state.remembered(want.now_ms) {
                return (Plan::Answer(Err(error)), None);
            }
            self.meters.misses.add(1);
            if let Some(flight) = state.flight.clone() {
                return (Plan::Wait { slot: Arc::clone(slot), flight }, None);
            }
            let (flight, launch) = self.start(slot, state, want, Reason::Reader);
            (Plan::Wait { slot: Arc::clone(slot), flight }, Some(launch))
        });
        spawn(launch);
        plan
    }

    /// For a refresh wished when `wish` loads had started: only a later one will do.
    pub(super) fn plan_refresh(self: &Arc<Self>, want: &Want<'_>, wish: u64) -> Forced {
        let (plan, launch) = self.with_slot(want.key, |slot| {
            let state = &mut *slot.lock();
            state.forget_failure();
            match (&state.flight, slot.entry.load_full()) {
                (_, Some(entry)) if entry.number > wish => (Forced::Answer(entry.fresh(want.policy)), None),
                (Some(flight), _) if flight.number > wish => (Forced::Join(flight.clone()), None),
                (Some(flight), _) if flight.is_forced() => (Forced::After(flight.clone()), None),
                _ => {
                    let (flight, launch) = self.start(slot, state, want, Reason::Forced);
                    (Forced::Join(flight), Some(launch))
                }
            }
        });
        spawn(launch);
        plan
    }

    /// For a refetch: with whether the last forced load changed the version, where that load is the answer.
    pub(super) fn plan_refetch(
        self: &Arc<Self>,
        want: &Want<'_>,
        min_interval_ms: u64,
    ) -> Result<(bool, Forced), Arc<LoadError>> {
        let (plan, launch) = self.with_slot(want.key, |slot| {
            let state = &mut *slot.lock();
            if let Some(flight) = state.flight.as_ref().filter(|flight| flight.is_forced()) {
                return (Ok((false, Forced::Join(flight.clone()))), None);
            }
            let elapsed = |since_ms: i64| u64::try_from(want.now_ms.saturating_sub(since_ms)).unwrap_or(0);
            if let Some(last) = state.forced.filter(|last| elapsed(last.started_ms) < min_interval_ms) {
                if let Some(hit) = self.hit_now(slot, state, want) {
                    return (Ok((last.changed, Forced::Answer(hit))), None);
                }
                if let Some(failure) = &state.failure {
                    return (Err(Arc::clone(&failure.error)), None);
                }
                // A TTL shorter than the interval: the forced load is still the latest news.
                if let Some(entry) = slot.entry.load_full() {
                    return (Ok((last.changed, Forced::Answer(entry.fresh(want.policy)))), None);
                }
            }
            let (flight, launch) = self.start(slot, state, want, Reason::Forced);
            (Ok((false, Forced::Join(flight))), Some(launch))
        });
        spawn(launch);
        plan
    }

    /// For a reader whose load failed because the source is out of reach: the last value, if it is young enough.
    pub(super) fn last_value(slot: &Slot, want: &Want<'_>) -> Option<Hit> {
        let state = &mut *slot.lock();
        let entry = slot.entry.load_full()?;
        if want.now_ms < entry.life(want.policy).expires_ms {
            // Another load brought it while this one failed.
            return Some(entry.fresh(want.policy));
        }
        state.serve_stale(want, entry)
    }

    /// What may be answered without a load: a fresh value, or one past its end while the source is known to be out of
    /// reach, or while a refresh that was begun ahead of its end is late: nobody waits for that.
    fn hit_now(&self, slot: &Slot, state: &mut State, want: &Want<'_>) -> Option<Hit> {
        let entry = slot.entry.load_full()?;
        if want.now_ms < entry.life(want.policy).expires_ms {
            self.meters.hits.add(1);
            return Some(entry.fresh(want.policy));
        }
        if state.is_out_of_reach() || state.is_refresh_late(&entry, want.now_ms) {
            state.serve_stale(want, entry)
        } else {
            None
        }
    }

    /// Counts a stale answer, and logs it once a minute: with no lock held, for a log may block.
    pub(super) fn note_stale(&self, want: &Want<'_>, hit: &Hit) {
        let Some(age_ms) = hit.stale_ms else { return };
        self.meters.stale.add(1);
        let slot = self.read().get(want.key);
        let due = slot.and_then(|slot| slot.lock().stale_log_due(want.now_ms));
        if let Some(code) = due {
            let (source, secret) = (&*want.key.source, &*want.key.secret);
            tracing::warn!(
                source,
                secret,
                age_ms,
                code,
                "the secret is past its end and its source has not given it anew; serving the last value"
            );
        }
    }
}

/// Outside the locks, because a runtime that shuts down drops the load at once, and a dropped load settles its slot.
fn spawn(launch: Option<Launch>) {
    if let Some(launch) = launch {
        launch.spawn();
    }
}
