//! Delivery of messages to webhooks: which are due, to whom they go, and how often they are tried.
//!
//! A message is written with the change that it tells of, so a crash loses none; a crash between its arrival and the note of
//! it sends it again, with the same id. It goes to the URL that its definition named and to no other: what this replica
//! knows of the definition may be old, so a message of a newer one waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::app::rechecks::webhooks::{judge, signed};
use crate::app::rechecks::{LOOK_MS, TURN_MS};
use crate::app::registry::{Resource, State};
use crate::app::{App, Error};
use crate::aws::webhook;
use crate::clock::rfc3339;
use crate::model::recheck::Delivery;
use crate::store::{StoreError, WebhookMessage};

/// Tries of one message.
const MOST_TRIES: i64 = 6;
/// Milliseconds before the second try; four times as long before each one after.
const FIRST_WAIT_MS: i64 = 1_000;
/// Messages that are sent at once, and those of one project among them: a project whose webhooks do not answer holds up none
/// of the others.
const AT_ONCE: usize = 32;
const AT_ONCE_OF_A_PROJECT: usize = 4;
/// Messages that are read at once.
const READ_AT_ONCE: i64 = 5_000;
/// Milliseconds that a message is claimed for beyond the time that a try may take.
const MARGIN_MS: i64 = 5_000;
/// Milliseconds after which a message is news no more. The last try is over long before.
const MOST_AGE_MS: i64 = 3_600_000;

/// What a message waits for, or what becomes of it.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It is sent, as one of the messages of that project.
    Send(Arc<str>),
    /// What this replica knows is older than the message.
    Wait,
    /// Its webhook is another one by now, or there is none.
    Drop,
}

/// What one replica has to deliver.
#[derive(Default)]
struct Deliveries {
    /// Due when they were read, that which waits longest first.
    due: Vec<WebhookMessage>,
    next_look_ms: i64,
    /// Give the project, and when the message is due again.
    running: JoinSet<(Arc<str>, Option<i64>)>,
    /// How many run of each project.
    busy: HashMap<Arc<str>, usize>,
}

/// Sends what is to be sent until the service stops.
pub async fn keep_delivering(app: Arc<App>) {
    let mut turn = tokio::time::interval(Duration::from_millis(TURN_MS));
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut deliveries = Deliveries::default();
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => break,
            () = app.rechecks.posted.notified() => deliveries.next_look_ms = 0,
            Some(ended) = deliveries.running.join_next() => deliveries.ended(ended.ok()),
            _ = turn.tick() => {}
        }
        match app.stopping.run_until_cancelled(deliveries.turn(&app)).await {
            None => break,
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::warn!(cause = %error, "messages to webhooks cannot be read: they are tried again");
                deliveries.due.clear();
                deliveries.next_look_ms = app.clock.now_ms() + LOOK_MS;
            }
        }
    }
    // what is cut off here is sent again, when its claim has run out
    deliveries.running.shutdown().await;
}

impl Deliveries {
    /// Frees a place.
    fn ended(&mut self, ended: Option<(Arc<str>, Option<i64>)>) {
        if self.running.is_empty() {
            self.busy.clear();
        }
        let Some((project, again_ms)) = ended else { return };
        if let Some(busy) = self.busy.get_mut(&project) {
            *busy = busy.saturating_sub(1);
        }
        if let Some(again_ms) = again_ms {
            self.next_look_ms = self.next_look_ms.min(again_ms);
        }
    }

    async fn turn(&mut self, app: &Arc<App>) -> Result<(), Error> {
        let now = app.clock.now_ms();
        if now >= self.next_look_ms {
            self.look(app, now).await?;
        }
        if self.due.is_empty() || self.running.len() >= AT_ONCE {
            return Ok(());
        }
        let state = Arc::clone(&app.registry.state());
        let known: HashMap<&str, &Arc<Resource>> =
            state.all_resources().map(|resource| (&*resource.record.id, resource)).collect();
        let mut left = Vec::new();
        for message in std::mem::take(&mut self.due) {
            match fate(known.get(message.resource_id.as_str()).copied(), &message) {
                _ if now - message.written_ms > MOST_AGE_MS => too_old(app, &message).await?,
                Fate::Drop => app.store.drop_message(&message).await?,
                Fate::Wait => {
                    let poll = i64::try_from(app.config.store.poll_ms).unwrap_or(LOOK_MS);
                    self.next_look_ms = self.next_look_ms.min(now + poll.clamp(1_000, LOOK_MS));
                }
                Fate::Send(project) if self.has_place(&project) => self.start(app, project, &message).await?,
                Fate::Send(_) => left.push(message),
            }
        }
        self.due = left;
        Ok(())
    }

    /// Reads what is due.
    async fn look(&mut self, app: &App, now: i64) -> Result<(), Error> {
        self.next_look_ms = now + LOOK_MS;
        self.due.clear();
        if any_webhook(&app.registry.state()) {
            let (due, next) = app.store.due_messages(now, READ_AT_ONCE).await?;
            self.due = due;
            self.next_look_ms = next.unwrap_or(i64::MAX).min(now + LOOK_MS);
        }
        Ok(())
    }

    fn has_place(&self, project: &Arc<str>) -> bool {
        let busy = self.busy.get(project).copied().unwrap_or_default();
        self.running.len() < AT_ONCE && busy < AT_ONCE_OF_A_PROJECT
    }

    /// Takes a message, unless another replica has it, and sends it in a task of its own.
    async fn start(
        &mut self,
        app: &Arc<App>,
        project: Arc<str>,
        message: &WebhookMessage,
    ) -> Result<(), StoreError> {
        let timeout = i64::try_from(webhook::TIMEOUT.as_millis()).unwrap_or(LOOK_MS);
        let until = app.clock.now_ms() + timeout + MARGIN_MS;
        if let Some(claimed) = app.store.claim_message(message, until).await? {
            *self.busy.entry(Arc::clone(&project)).or_default() += 1;
            let app = Arc::clone(app);
            self.running.spawn(async move { (project, deliver(&app, &claimed).await) });
        }
        Ok(())
    }
}

fn any_webhook(state: &State) -> bool {
    state.all_resources().any(|resource| webhook_of(resource).is_some())
}

fn webhook_of(resource: &Resource) -> Option<&str> {
    resource.record.definition.recheck.as_ref()?.webhook.as_deref()
}

/// A resource that is not known is one that another replica made just now: the messages of one that is deleted are deleted
/// with it.
fn fate(resource: Option<&Arc<Resource>>, message: &WebhookMessage) -> Fate {
    match resource {
        None => Fate::Wait,
        Some(resource) if resource.record.version < message.version => Fate::Wait,
        Some(resource) if webhook_of(resource) == Some(message.webhook.as_str()) => {
            Fate::Send(Arc::clone(&resource.record.project_id))
        }
        Some(_) => Fate::Drop,
    }
}

async fn too_old(app: &App, message: &WebhookMessage) -> Result<(), StoreError> {
    tracing::warn!(message.id, "a message to a webhook is an hour old: it is let go");
    metrics::counter!("s3_connector_webhook_messages_total", "outcome" => "expired").increment(1);
    let detail = "an hour old, and not sent any more".to_owned();
    let at = rfc3339(app.clock.now_ms());
    let delivery = Delivery { at, delivered: false, detail, tried_again: false };
    app.store.settle_message(message, &delivery, None).await
}

/// One try of one message; says when it is due again.
async fn deliver(app: &App, message: &WebhookMessage) -> Option<i64> {
    let secret = app.config.recheck.webhook_secret.as_ref();
    let signature = secret.and_then(|secret| signed(secret, app.clock.now_ms() / 1000, &message.body));
    let body = Bytes::from(message.body.clone());
    let answer = webhook::post(&app.http, &message.webhook, body, signature.as_deref()).await;
    let (delivered, again, detail, outcome) = judge(&answer);
    let tried_again = again && message.tries < MOST_TRIES;
    metrics::counter!("s3_connector_webhook_messages_total", "outcome" => outcome).increment(1);
    if !delivered {
        // not the URL: its path may well be a key
        tracing::warn!(message.id, tried_again, cause = detail, "a webhook did not take a message");
    }
    let now = app.clock.now_ms();
    let again_ms = tried_again.then(|| now + wait_ms(message.tries));
    let delivery = Delivery { at: rfc3339(now), delivered, detail, tried_again };
    if let Err(error) = app.store.settle_message(message, &delivery, again_ms).await {
        tracing::warn!(message.id, cause = %error, "how a message to a webhook went cannot be noted: it is sent again");
    }
    again_ms
}

/// Milliseconds to wait after so many tries, and up to a tenth more.
fn wait_ms(tries: i64) -> i64 {
    let before = u32::try_from(tries.saturating_sub(1)).unwrap_or_default().min(8);
    let wait = FIRST_WAIT_MS.saturating_mul(4_i64.saturating_pow(before));
    wait + rand::random_range(0..=wait / 10)
}

#[cfg(test)]
mod tests {
    use super::{MOST_AGE_MS, MOST_TRIES, wait_ms};

    #[test]
    fn each_wait_is_four_times_the_one_before_and_all_are_over_before_the_message_is_too_old() {
        let waits: Vec<i64> = (1..MOST_TRIES).map(wait_ms).collect();
        for (at, wanted) in [1_000, 4_000, 16_000, 64_000, 256_000].into_iter().enumerate() {
            assert!((wanted..=wanted + wanted / 10).contains(&waits[at]), "{waits:?}");
        }
        assert!(waits.iter().sum::<i64>() < MOST_AGE_MS / 2, "{waits:?}");
    }
}
