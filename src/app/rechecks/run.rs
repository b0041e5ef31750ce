//! One re-check: the test, and what follows from its result.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::MissedTickBehavior;

use crate::app::connection::Subject;
use crate::app::rechecks::schedule::CLAIM_MS;
use crate::app::rechecks::{Wanted, webhooks};
use crate::app::{App, Error, TestOptions, audit};
use crate::clock::rfc3339;
use crate::model::audit::Event;
use crate::model::check::{Report, Verdict};
use crate::model::principal::{Caller, Project, Role};
use crate::model::recheck::{Change, Health};
use crate::store::{FinishedRecheck, NewMessage, News, RecheckRow, new_id};

/// A third of the time that a claim lasts.
const RENEW: Duration = Duration::from_secs(20);
/// What a re-check gets to end when the service stops.
const LAST_MOMENT: Duration = Duration::from_secs(5);

/// Tests a resource that was claimed, and keeps the result.
pub(super) async fn run(app: Arc<App>, wanted: Wanted, claimed: RecheckRow, place: OwnedSemaphorePermit) {
    let report = test(&app, &wanted, &claimed).await;
    drop(place);
    let kept = match &report {
        Some(report) => keep(&app, &wanted, &claimed, report).await,
        // due at once, for the next start or for another replica
        None => app.store.hold_recheck(&claimed, app.clock.now_ms()).await.map_err(Error::from),
    };
    if let Err(error) = kept {
        let resource = wanted.resource.name().as_str();
        tracing::error!(resource.name = resource, cause = %error, "the result of a re-check cannot be kept");
    }
    app.rechecks.ended.notify_one();
}

/// The test, while the claim is renewed: a store that is slow is no reason for another replica to begin as well. None when the
/// service stops: then it has a moment to come to its end, so that it takes away what it left.
async fn test(app: &Arc<App>, wanted: &Wanted, claimed: &RecheckRow) -> Option<Report> {
    let record = &wanted.resource.record;
    let caller = caller(&wanted.project);
    let definition = record.definition.in_environment(&wanted.environment);
    let subject = Subject::of(record, &definition, &wanted.environment);
    // boxed, because its state is large
    let options = TestOptions::default();
    let mut report = Box::pin(app.report(&caller, &subject, &options, None));
    let mut renew = tokio::time::interval(RENEW);
    renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
    renew.tick().await;
    loop {
        tokio::select! {
            report = &mut report => return Some(report),
            () = app.stopping.cancelled() => return tokio::time::timeout(LAST_MOMENT, report).await.ok(),
            _ = renew.tick() => {
                if let Err(error) = app.store.hold_recheck(claimed, app.clock.now_ms() + CLAIM_MS).await {
                    tracing::warn!(cause = %error, "the claim of a re-check cannot be renewed");
                }
            }
        }
    }
}

/// Writes the result with its audit row and message, all or nothing.
async fn keep(app: &App, wanted: &Wanted, claimed: &RecheckRow, report: &Report) -> Result<(), Error> {
    let now_ms = app.clock.now_ms();
    let (health, change) = Health::after(claimed.health.as_ref(), report, &rfc3339(now_ms));
    let recheck = wanted.resource.record.definition.recheck.as_ref();
    let webhook = recheck.and_then(|recheck| recheck.webhook.as_ref());
    let news = change.as_ref().map(|change| News {
        event: event(wanted, change, now_ms),
        message: webhook.map(|webhook| {
            let id = new_id();
            let body = webhooks::message(&id, wanted, change, &health);
            NewMessage { id, webhook: webhook.clone(), body }
        }),
    });
    let due_ms = now_ms + jittered(wanted.interval_ms);
    let finished = FinishedRecheck { row: claimed, report, health: &health, now_ms, due_ms, news };
    if !app.store.finish_recheck(&finished).await? {
        // the definition changed meanwhile, or another replica took over: that result counts
        return Ok(());
    }
    metrics::counter!("s3_connector_rechecks_total", "verdict" => report.verdict.as_str()).increment(1);
    if let Some(change) = change {
        announce(wanted, &change);
        app.rechecks.posted.notify_one();
    }
    Ok(())
}

/// The interval, give or take a tenth, so that resources that were changed together drift apart.
fn jittered(interval_ms: i64) -> i64 {
    interval_ms - interval_ms / 10 + rand::random_range(0..=interval_ms / 5)
}

fn announce(wanted: &Wanted, change: &Change) {
    let to = change.to.as_str();
    metrics::counter!("s3_connector_resource_verdict_changes_total", "verdict" => to).increment(1);
    let (resource, project) = (wanted.resource.name().as_str(), wanted.project.name.as_str());
    let environment = wanted.environment.as_str();
    let check = change.failure.check.as_deref().unwrap_or_default();
    let cause = change.failure.cause.as_deref().unwrap_or_default();
    if to == Verdict::Works.as_str() {
        tracing::info!(
            resource.name = resource,
            project,
            environment,
            "a re-check finds that the resource works"
        );
    } else {
        tracing::warn!(
            resource.name = resource,
            project,
            environment,
            verdict = to,
            check,
            cause,
            "a re-check comes to another verdict"
        );
    }
}

fn event(wanted: &Wanted, change: &Change, now_ms: i64) -> Event {
    let mut event = audit::own_event("resource.health", wanted.resource.name().as_str(), now_ms);
    event.project = wanted.project.id.to_string();
    change.to.as_str().clone_into(&mut event.outcome);
    let from = change.from.map_or("not checked before", Verdict::as_str);
    let mut detail = vec![format!("{}: {from} -> {}", wanted.environment, change.to.as_str())];
    detail.extend(change.failure.check.clone());
    detail.extend(change.failure.cause.clone());
    event.detail = Some(detail.join(", "));
    event
}

/// The service itself, with what a test needs and no more.
fn caller(project: &Project) -> Caller {
    Caller {
        token_id: "".into(),
        token_name: "s3-connector".into(),
        role: Role::User,
        project: project.clone(),
        installation: false,
        from: String::new(),
        request_id: new_id(),
        queries: Arc::new(AtomicUsize::new(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::jittered;

    #[test]
    fn resources_that_are_due_together_are_not_due_together_the_next_time() {
        let due: std::collections::BTreeSet<i64> = (0..1000).map(|_| jittered(60_000)).collect();
        assert!(due.len() > 500, "{} moments for 1000 resources", due.len());
        assert!(due.iter().all(|due| (54_000..=66_000).contains(due)));
        assert!(due.first().unwrap() < &56_000 && due.last().unwrap() > &64_000);
    }
}
