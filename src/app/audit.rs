//! The audit of queries: gathered in memory and written together, so that a query costs no statement.
//!
//! Changes of definitions write their row with the change instead. A crash loses at most the rows of the last
//! `audit.flush_ms`; a full queue makes queries wait rather than go unseen.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::OptionFuture;
use tokio::sync::{Notify, oneshot};

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
    open: Option<Arc<Open>>,
}

/// Closes the queue with its last owner.
#[derive(Debug)]
struct Open(Arc<Shared>);

/// What queries and the writer share. A query only puts its row down: the writer wakes by its clock, and is woken
/// when there is a batch, or when somebody waits.
#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    work: Notify,
    room: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    events: Vec<Event>,
    /// Who waits until what is queued is written.
    waiting: Vec<oneshot::Sender<()>>,
    closed: bool,
}

impl AuditLog {
    /// Starts the writer. It ends when the log is gone, after it wrote what was queued.
    pub fn start(store: Arc<Store>, flush_ms: u64, tracker: &tokio_util::task::TaskTracker) -> AuditLog {
        let shared = Arc::new(Shared::default());
        tracker.spawn(write(store, Arc::clone(&shared), Duration::from_millis(flush_ms.max(1))));
        AuditLog { open: Some(Arc::new(Open(shared))) }
    }

    /// Keeps nothing, for what is explained and does not happen.
    pub fn silent() -> AuditLog {
        AuditLog { open: None }
    }

    /// Queues one event. It is queued when this returns, unless the queue is full: then it is when the future ends.
    pub fn note(&self, event: Event) -> OptionFuture<impl Future<Output = ()> + Send> {
        let full = self.open.as_ref().and_then(|open| Some((&open.0, open.0.put(event)?)));
        // boxed, because few wait and an event is large
        full.map(|(shared, event)| Box::pin(shared.wait_for_room(event))).into()
    }

    /// Returns when everything queued before is in the database.
    pub async fn flush(&self) {
        let Some(Open(shared)) = self.open.as_deref() else { return };
        let (done, written) = oneshot::channel();
        shared.queue().waiting.push(done);
        shared.work.notify_one();
        // an error here means that the writer ended, which it does only after it wrote everything
        written.await.ok();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.queue().closed = true;
        self.0.work.notify_one();
    }
}

impl Shared {
    /// Gives the event back when the queue is full.
    fn put(&self, event: Event) -> Option<Event> {
        let mut queue = self.queue();
        if queue.events.len() >= QUEUE {
            return Some(event);
        }
        queue.events.push(event);
        if queue.events.len() == BATCH {
            self.work.notify_one();
        }
        None
    }

    async fn wait_for_room(&self, mut event: Event) {
        loop {
            // before the look at the queue: room that comes about after it is not missed
            let room = self.room.notified();
            let Some(back) = self.put(event) else { return };
            room.await;
            event = back;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(store: Arc<Store>, shared: Arc<Shared>, interval: Duration) {
    loop {
        // one way or the other, there is something to look for
        tokio::time::timeout(interval, shared.work.notified()).await.ok();
        let Queue { events, waiting, closed } = {
            let mut queue = shared.queue();
            Queue { closed: queue.closed, ..std::mem::take(&mut *queue) }
        };
        shared.room.notify_waiters();
        for rows in events.chunks(BATCH) {
            while let Err(error) = store.append_audit(rows).await {
                tracing::error!(rows = rows.len(), cause = %error, "audit rows could not be written; they are tried again");
                if closed {
                    break;
                }
                tokio::time::sleep(interval).await;
            }
        }
        for done in waiting {
            // nobody waits any more
            done.send(()).ok();
        }
        if closed {
            return;
        }
    }
}

/// An event of a caller, with the outcome `ok`.
pub fn event(caller: &Caller, action: &str, subject: impl Into<String>, now_ms: i64) -> Event {
    Event {
        at: rfc3339(now_ms),
        project: caller.project.id.to_string(),
        who: [caller.token_name.as_str(), " (", caller.token_id.as_str(), ")"].concat(),
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
