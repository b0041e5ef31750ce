//! What is due: looks at the schedule, takes what is due and has it run, one task each, as many at once as there are places.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::MissedTickBehavior;

use crate::app::rechecks::{LOOK_MS, TURN_MS, Wanted, run};
use crate::app::registry::State;
use crate::app::{App, Error};
use crate::model::check::Verdict;
use crate::store::RecheckRow;

/// Milliseconds that a claim lasts; it is renewed while the re-check runs.
pub(super) const CLAIM_MS: i64 = 60_000;
/// Milliseconds within which the first re-check of a resource runs, at the most.
const FIRST_WITHIN_MS: i64 = 60_000;
/// Milliseconds until the database is asked again after it failed.
const AFTER_FAILURE_MS: i64 = 5_000;
const VERDICTS: [Verdict; 4] =
    [Verdict::Works, Verdict::WorksWithLimits, Verdict::Fails, Verdict::Unverified];

/// What one replica knows of the schedule.
#[derive(Default)]
struct Schedule {
    /// What the wanted ones were made of.
    seen: Option<Arc<State>>,
    wanted: Vec<Wanted>,
    next_look_ms: i64,
    /// The verdicts in the metrics, by project, resource and environment.
    shown: BTreeMap<[String; 3], Verdict>,
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
        let state = Arc::clone(&app.registry.state());
        if self.seen.as_ref().is_none_or(|seen| !Arc::ptr_eq(seen, &state)) {
            self.wanted = state.all_resources().flat_map(|known| app.wanted_of(&state, known)).collect();
            self.seen = Some(state);
            self.next_look_ms = 0;
        }
        let now = app.clock.now_ms();
        if now < self.next_look_ms {
            return Ok(());
        }
        if self.wanted.is_empty() {
            self.show(&HashMap::new());
            self.next_look_ms = i64::MAX;
            return Ok(());
        }
        for (wanted, row) in self.look(app, now).await? {
            // what finds no place is still due when one is free
            let Ok(place) = Arc::clone(&app.rechecks.places).try_acquire_owned() else { return Ok(()) };
            start(app, wanted, &row, place).await?;
        }
        Ok(())
    }

    /// What is due now, that which waits longest first. New ones are put on the schedule.
    async fn look(&mut self, app: &App, now: i64) -> Result<Vec<(Wanted, RecheckRow)>, Error> {
        let rows = app.store.rechecks().await?;
        let known: HashMap<(&str, &str), &RecheckRow> =
            rows.iter().map(|row| ((row.resource_id.as_str(), row.environment.as_str()), row)).collect();
        self.show(&known);
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
                // another replica knows a newer definition: it runs there
                Some(row) if row.version > record.version => {}
                // what was changed is tested anew, so that who mended it sees it soon
                Some(row) if row.due_ms <= now || row.version < record.version => {
                    due.push((wanted.clone(), RecheckRow::clone(row)));
                }
                Some(row) => next = next.min(row.due_ms),
            }
        }
        self.next_look_ms = next;
        due.sort_by_key(|(_, row)| row.due_ms);
        Ok(due)
    }

    /// Puts the verdicts into the metrics: for each of them 1 or 0. Those of what is not re-checked any more go to 0.
    fn show(&mut self, rows: &HashMap<(&str, &str), &RecheckRow>) {
        let mut now = BTreeMap::new();
        for wanted in &self.wanted {
            let record = &wanted.resource.record;
            let row = rows.get(&(&*record.id, wanted.environment.as_str()));
            let Some(health) = row.and_then(|row| row.health.as_ref()) else { continue };
            let labels = [&wanted.project.name, wanted.resource.name(), &wanted.environment];
            now.insert(labels.map(ToString::to_string), health.verdict);
        }
        for (labels, verdict) in &now {
            if self.shown.get(labels) != Some(verdict) {
                set_gauges(labels, Some(*verdict));
            }
        }
        for labels in self.shown.keys().filter(|labels| !now.contains_key(*labels)) {
            set_gauges(labels, None);
        }
        self.shown = now;
    }
}

fn set_gauges([project, resource, environment]: &[String; 3], verdict: Option<Verdict>) {
    for each in VERDICTS {
        metrics::gauge!(
            "s3_connector_resource_verdict",
            "project" => project.clone(), "resource" => resource.clone(), "environment" => environment.clone(),
            "verdict" => each.as_str()
        )
        .set(if verdict == Some(each) { 1.0 } else { 0.0 });
    }
}

/// Takes a re-check, unless another replica has it, and runs it in a task of its own.
async fn start(
    app: &Arc<App>,
    wanted: Wanted,
    row: &RecheckRow,
    place: OwnedSemaphorePermit,
) -> Result<(), Error> {
    let until = app.clock.now_ms() + CLAIM_MS;
    let claimed = app.store.claim_recheck(row, wanted.resource.record.version, until).await?;
    if let Some(claimed) = claimed {
        app.tracker.spawn(run::run(Arc::clone(app), wanted, claimed, place));
    }
    Ok(())
}
