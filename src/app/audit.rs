//! The audit of queries: gathered in memory and written together, so that a query costs no statement.
//!
//! Changes of definitions write their row with the change instead. A crash loses at most the rows of the last
//! `audit.flush_ms`; a full queue makes queries wait rather than go unseen.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::clock::rfc3339;
use crate::model::audit::Event;
use crate::model::principal::Caller;
use crate::store::Store;

const QUEUE: usize = 10_000;
const BATCH: usize = 1_000;

/// Where audit events go.
#[derive(Debug, Clone)]
pub struct AuditLog {
    /// None where nothing happens that could be audited.
    queue: Option<mpsc::Sender<Message>>,
}

#[derive(Debug)]
enum Message {
    Event(Box<Event>),
    Flush(oneshot::Sender<()>),
}

impl AuditLog {
    /// Starts the writer. It ends when every sender is gone, after it wrote what was queued.
    pub fn start(store: Arc<Store>, flush_ms: u64, tracker: &tokio_util::task::TaskTracker) -> AuditLog {
        let (queue, events) = mpsc::channel(QUEUE);
        tracker.spawn(write(store, events, Duration::from_millis(flush_ms.max(1))));
        AuditLog { queue: Some(queue) }
    }

    /// Keeps nothing, for what is explained and does not happen.
    pub fn silent() -> AuditLog {
        AuditLog { queue: None }
    }

    /// Queues one event.
    pub async fn note(&self, event: Event) {
        let Some(queue) = &self.queue else { return };
        if queue.send(Message::Event(Box::new(event))).await.is_err() {
            tracing::error!("an audit row came after the writer ended");
        }
    }

    /// Returns when everything queued before is in the database.
    pub async fn flush(&self) {
        let Some(queue) = &self.queue else { return };
        let (done, written) = oneshot::channel();
        if queue.send(Message::Flush(done)).await.is_ok() {
            // an error here means that the writer ended, which it does only after it wrote everything
            written.await.ok();
        }
    }
}

async fn write(store: Arc<Store>, mut messages: mpsc::Receiver<Message>, interval: Duration) {
    let mut pending = Vec::new();
    let mut waiting = Vec::new();
    loop {
        let deadline = tokio::time::sleep(interval);
        tokio::pin!(deadline);
        let open = loop {
            if pending.len() >= BATCH || !waiting.is_empty() {
                break true;
            }
            tokio::select! {
                message = messages.recv() => match message {
                    Some(Message::Event(event)) => pending.push(*event),
                    Some(Message::Flush(done)) => waiting.push(done),
                    None => break false,
                },
                () = &mut deadline => break true,
            }
        };
        if let Err(error) = store.append_audit(&pending).await {
            tracing::error!(rows = pending.len(), cause = %error, "audit rows could not be written; they are tried again");
            if open {
                tokio::time::sleep(interval).await;
                continue;
            }
        }
        pending.clear();
        waiting.drain(..).for_each(|done: oneshot::Sender<()>| {
            // nobody waits any more
            done.send(()).ok();
        });
        if !open {
            return;
        }
    }
}

/// An event of a caller, with the outcome `ok`.
pub fn event(caller: &Caller, action: &str, subject: impl Into<String>, now_ms: i64) -> Event {
    Event {
        at: rfc3339(now_ms),
        project: caller.project.id.to_string(),
        who: format!("{} ({})", caller.token_name, caller.token_id),
        from: caller.from.clone(),
        action: action.to_owned(),
        subject: subject.into(),
        key: None,
        outcome: "ok".to_owned(),
        secrets: Vec::new(),
        bytes: None,
        request_id: caller.request_id.clone(),
        upstream_request_id: None,
        detail: None,
    }
}

/// An event of the service itself.
pub fn own_event(action: &str, subject: impl Into<String>, now_ms: i64) -> Event {
    Event {
        at: rfc3339(now_ms),
        project: String::new(),
        who: "s3-connector".to_owned(),
        from: String::new(),
        action: action.to_owned(),
        subject: subject.into(),
        key: None,
        outcome: "ok".to_owned(),
        secrets: Vec::new(),
        bytes: None,
        request_id: String::new(),
        upstream_request_id: None,
        detail: None,
    }
}
