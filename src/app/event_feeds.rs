//! Where events come from without a request: the queue, and the database's notifications. Both end with the service.

use std::sync::Arc;
use std::time::Duration;

use crate::app::events::Delivery;
use crate::app::{App, Error};
use crate::aws::sqs::{Message, Queue};
use crate::config;
use crate::store::Listener;

/// A feed that fails is tried again after this, then after twice as long, up to a minute.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// The queue that the settings name, if they name one.
pub(super) async fn queue(settings: &config::Events) -> anyhow::Result<Option<Queue>> {
    if settings.queue_url.is_empty() {
        return Ok(None);
    }
    let queue = Queue::new(settings).await;
    queue.map(Some).map_err(|error| anyhow::anyhow!("the queue of events cannot be used: {}", error.message))
}

/// Takes events from the queue until the service ends.
pub(super) async fn take_from_queue(app: Arc<App>, queue: Queue) {
    let stopping = app.stopping.clone();
    // what is not deleted comes again, so the work may end anywhere
    stopping.run_until_cancelled_owned(Box::pin(poll(app, queue))).await;
}

async fn poll(app: Arc<App>, queue: Queue) {
    let mut wait = FIRST_WAIT;
    loop {
        let failed = match queue.receive().await {
            Ok(messages) => take(&app, &queue, messages).await,
            Err(error) => {
                tracing::warn!(code = error.code, cause = %error, "the queue of events does not answer");
                true
            }
        };
        if failed {
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        } else {
            wait = FIRST_WAIT;
        }
    }
}

/// Handles messages; says whether one must come again.
async fn take(app: &Arc<App>, queue: &Queue, messages: Vec<Message>) -> bool {
    let mut failed = false;
    for message in messages {
        let delivery = Delivery { via: "sqs", from: "", request_id: &message.id };
        match app.receive_event(&message.body, delivery).await {
            Ok(_) => {}
            Err(Error::BadRequest(reason)) => {
                tracing::warn!(message_id = message.id, reason, "a message is no event; it is thrown away");
            }
            Err(error) => {
                tracing::warn!(message_id = message.id, cause = %error, "an event waits for its next turn");
                failed = true;
                continue;
            }
        }
        if let Err(error) = queue.delete(&message).await {
            // it comes again, and its id is known
            tracing::warn!(message_id = message.id, cause = %error, "a message cannot be deleted");
            failed = true;
        }
    }
    failed
}

/// Looks at what other replicas did as soon as the database tells of it, until the service ends.
pub(super) async fn listen(app: Arc<App>) {
    let stopping = app.stopping.clone();
    stopping.run_until_cancelled_owned(hear(app)).await;
}

async fn hear(app: Arc<App>) {
    let mut wait = FIRST_WAIT;
    loop {
        match app.store.listen(&app.config.store).await {
            Ok(None) => return,
            Ok(Some(listener)) => {
                wait = FIRST_WAIT;
                hear_from(&app, listener).await;
            }
            Err(error) => {
                tracing::warn!(cause = %error, "the database's notifications cannot be heard; changes are polled for");
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Returns when the connection is lost.
async fn hear_from(app: &App, mut listener: Listener) {
    loop {
        // also at the start: what was told before nobody heard
        app.events.wake.notify_one();
        match listener.notified().await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(cause = %error, "the connection for the database's notifications is lost");
                return;
            }
        }
    }
}
