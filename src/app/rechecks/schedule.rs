//! What is due: looks at the schedule, takes what is due and has it run, one task each, as many at once as there are places.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::MissedTickBehavior;

use crate::app::rechecks::gauges::Gauges;
use crate::app::rechecks::{LOOK_MS, TURN_MS, Wanted, run};
use crate::app::registry::State;
use crate::app::{App, Error};
use crate::store::RecheckRow;

/// Milliseconds that a claim lasts; it is renewed while the re-check runs.
pub(super) const CLAIM_MS: i64 = 60_000;
/// Milliseconds within which the first re-check of a resource runs, at the most.
const FIRST_WITHIN_MS: i64 = 60_000;
/// Milliseconds until the database is asked again after it failed.
const AFTER_FAILURE_MS: i64 = 5_000;

/// What one replica knows of the schedule.
#[derive(Default)]
struct Schedule {
    /// What the wanted ones were made of.
    seen: Option<Arc<State>>,
    wanted: Vec<Wanted>,
    /// When to look for what is due.
    next_look_ms: i64,
    /// When to look at the whole schedule: every [`LOOK_MS`], and when other re-checks are wanted.
    next_whole_look_ms: i64,
    /// Those whose definition is newer than their last re-check, which found no place yet.
    changed: Vec<(Wanted, RecheckRow)>,
    gauges: Gauges,
}

/// Runs what is due until the service stops.
pub async fn keep_checking(app: Arc<App>) {
    let mut turn = tokio::time::interval(Duration::from_millis(TURN_MS));
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut schedule = Schedule::default();
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => return,
            _ = turn.tick() => {}
        }
        // never before a turn: who ends often does not make the database be asked often
        tokio::select! {
            biased;
            () = app.rechecks.ended.notified() => schedule.next_look_ms = 0,
            () = std::future::ready(()) => {}
        }
        if let Err(error) = schedule.turn(&app).await {
            tracing::warn!(cause = %error, "the schedule of re-checks cannot be read: it is tried again");
            schedule.next_look_ms = app.clock.now_ms() + AFTER_FAILURE_MS;
        }
    }
}

impl Schedule {
    async fn turn(&mut self, app: &Arc<App>) -> Result<(), Error> {
        self.see(app);
        let now = app.clock.now_ms();
        if now < self.next_look_ms {
            return Ok(());
        }
        if self.wanted.is_empty() {
            self.gauges.show(&[], &HashMap::new(), app.config.recheck.metric_per_resource);
            self.next_look_ms = i64::MAX;
            return Ok(());
        }
        let due = if now < self.next_whole_look_ms {
            self.look(app, now).await?
        } else {
            self.look_at_all(app, now).await?
        };
        let mut due = due.into_iter();
        while let Some((wanted, row)) = due.next() {
            let Ok(place) = Arc::clone(&app.rechecks.places).try_acquire_owned() else {
                // what finds no place is still due when one is free
                let newer =
                    |(wanted, row): &(Wanted, RecheckRow)| row.version < wanted.resource.record.version;
                self.changed = std::iter::once((wanted, row)).chain(due).filter(newer).collect();
                return Ok(());
            };
            start(app, wanted, &row, place).await?;
        }
        Ok(())
    }

    /// Sees what is wanted now. A change of the registry that changes nothing of that is no reason to look.
    fn see(&mut self, app: &App) {
        let state = Arc::clone(&app.registry.state());
        if self.seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &state)) {
            return;
        }
        let wanted: Vec<Wanted> =
            state.all_resources().flat_map(|known| app.wanted_of(&state, known)).collect();
        let before = std::mem::replace(&mut self.wanted, wanted);
        if self.seen.is_none() || keys(&before) != keys(&self.wanted) {
            (self.next_look_ms, self.next_whole_look_ms) = (0, 0);
        }
        self.seen = Some(state);
    }

    /// What is due now, that which waits longest first.
    async fn look(&mut self, app: &App, now: i64) -> Result<Vec<(Wanted, RecheckRow)>, Error> {
        let (rows, next) = app.store.due_rechecks(now).await?;
        let known = by_place(&rows);
        let mut due = std::mem::take(&mut self.changed);
        for wanted in &self.wanted {
            let record = &wanted.resource.record;
            let row = known.get(&(&*record.id, wanted.environment.as_str()));
            // another replica knows a newer definition: it runs there
            let row = row.filter(|row| row.version <= record.version);
            due.extend(row.map(|row| (wanted.clone(), RecheckRow::clone(row))));
        }
        self.next_look_ms = next.unwrap_or(i64::MAX).min(self.next_whole_look_ms);
        due.sort_by_key(|(_, row)| row.due_ms);
        Ok(due)
    }

    /// As [`Schedule::look`], at all rows: new ones are put on the schedule, what was changed is tested anew, so that who
    /// mended it sees it soon, and the metrics show the verdicts.
    async fn look_at_all(&mut self, app: &App, now: i64) -> Result<Vec<(Wanted, RecheckRow)>, Error> {
        let rows = app.store.rechecks().await?;
        let known = by_place(&rows);
        self.gauges.show(&self.wanted, &known, app.config.recheck.metric_per_resource);
        self.changed.clear();
        let mut next = now + LOOK_MS;
        let mut due = Vec::new();
        for wanted in &self.wanted {
            let record = &wanted.resource.record;
            match known.get(&(&*record.id, wanted.environment.as_str())) {
                None => {
                    let first = now + rand::random_range(0..=(wanted.interval_ms / 10).min(FIRST_WITHIN_MS));
                    let environment = wanted.environment.as_str();
                    app.store.add_recheck(&record.id, environment, record.version, first).await?;
                    next = next.min(first);
                }
                Some(row) if row.version > record.version => {}
                Some(row) if row.due_ms <= now || row.version < record.version => {
                    due.push((wanted.clone(), RecheckRow::clone(row)));
                }
                Some(row) => next = next.min(row.due_ms),
            }
        }
        (self.next_look_ms, self.next_whole_look_ms) = (next, now + LOOK_MS);
        due.sort_by_key(|(_, row)| row.due_ms);
        Ok(due)
    }
}

/// What of the wanted ones has to do with the schedule, in any order.
fn keys<'a>(wanted: &'a [Wanted]) -> HashMap<(&'a str, &'a str), (i64, i64)> {
    let entry = |each: &'a Wanted| {
        let record = &each.resource.record;
        ((&*record.id, each.environment.as_str()), (record.version, each.interval_ms))
    };
    wanted.iter().map(entry).collect()
}

fn by_place(rows: &[RecheckRow]) -> HashMap<(&str, &str), &RecheckRow> {
    rows.iter().map(|row| ((row.resource_id.as_str(), row.environment.as_str()), row)).collect()
}

/// Takes a re-check, unless another replica has it, and runs it in a task of its own.
async fn start(
    app: &Arc<App>,
    wanted: Wanted,
    row: &RecheckRow,
    place: OwnedSemaphorePermit,
) -> Result<(), Error> {
    let now = app.clock.now_ms();
    let version = wanted.resource.record.version;
    let claimed = app.store.claim_recheck(row, version, (now, now + CLAIM_MS)).await?;
    if let Some(claimed) = claimed {
        app.tracker.spawn(run::run(Arc::clone(app), wanted, claimed, place));
    }
    Ok(())
}
