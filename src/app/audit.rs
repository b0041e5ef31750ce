//! The audit of queries: gathered in memory and written together, so that a query costs no statement.
//!
//! Changes of definitions write their row with the change instead. A crash loses at most the rows of the last
//! `audit.flush_ms`; a full queue makes queries wait rather than go unseen. A row that the database does not take until
//! the service has to end is counted, and stands in the log instead.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::OptionFuture;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::rfc3339;
use crate::model::audit::Event;
use crate::model::principal::Caller;
use crate::store::{AuditText, Store};

const QUEUE: usize = 10_000;
const BATCH: usize = 1_000;
/// The longest wait before rows are tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How long the writer goes on when nobody closed the log before it was dropped.
const LAST_GRACE: Duration = Duration::from_secs(5);

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
    /// Until when the writer may write; none while the log is open.
    until: watch::Sender<Option<Instant>>,
    ended: CancellationToken,
}

/// A row that waits for room.
struct Waiting(Option<AuditText>);

#[derive(Debug, Default)]
struct Queue {
    rows: Vec<AuditText>,
    /// Who waits until what is queued is written.
    waiting: Vec<oneshot::Sender<()>>,
    /// The writer takes no more.
    ended: bool,
}

impl AuditLog {
    /// Starts the writer. It ends when the log is closed or gone, after it wrote what was queued.
    pub fn start(store: Arc<Store>, flush_ms: u64) -> AuditLog {
        let shared = Arc::new(Shared::default());
        tokio::spawn(write(store, Arc::clone(&shared), Duration::from_millis(flush_ms.max(1))));
        AuditLog { open: Some(Arc::new(Open(shared))) }
    }

    /// Keeps nothing, for what is explained and does not happen.
    pub fn silent() -> AuditLog {
        AuditLog { open: None }
    }

    /// Queues one event. It is queued when this returns, unless the queue is full: then it is when the future ends.
    pub fn note(&self, event: Event) -> OptionFuture<impl Future<Output = ()> + Send> {
        let full = self.open.as_ref().and_then(|open| Some((&open.0, open.0.put(text_of(event)?)?)));
        full.map(|(shared, row)| shared.wait_for_room(row)).into()
    }

    /// Returns when everything queued before is in the database.
    pub async fn flush(&self) {
        let Some(Open(shared)) = self.open.as_deref() else { return };
        let (done, written) = oneshot::channel();
        {
            let mut queue = shared.queue();
            if queue.ended {
                return;
            }
            queue.waiting.push(done);
        }
        shared.work.notify_one();
        // an error here means that the writer ended
        written.await.ok();
    }

    /// Writes what is queued, and what comes meanwhile, for as long as `grace` at the most. Rows that the database does
    /// not take until then, and all that come later, are counted and logged.
    pub async fn close(&self, grace: Duration) {
        let Some(Open(shared)) = self.open.as_deref() else { return };
        shared.close(grace);
        shared.ended.cancelled().await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close(LAST_GRACE);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        lost(self.0.as_slice());
    }
}

impl Shared {
    /// Gives the row back when the queue is full.
    fn put(&self, row: AuditText) -> Option<AuditText> {
        let mut queue = self.queue();
        if queue.ended {
            drop(queue);
            lost(&[row]);
            return None;
        }
        if queue.rows.len() >= QUEUE {
            return Some(row);
        }
        queue.rows.push(row);
        if queue.rows.len() == BATCH {
            self.work.notify_one();
        }
        None
    }

    /// Where the wait is given up, because its query is, the row goes to the log.
    async fn wait_for_room(&self, row: AuditText) {
        let mut waiting = Waiting(Some(row));
        loop {
            // before the look at the queue: room that comes about after it is not missed
            let room = self.room.notified();
            waiting.0 = waiting.0.take().and_then(|row| self.put(row));
            if waiting.0.is_none() {
                return;
            }
            room.await;
        }
    }

    /// What is queued. When there is nothing and the log is closed, the writer has ended with this.
    fn take(&self) -> Queue {
        let mut queue = self.queue();
        let ended = queue.rows.is_empty() && !self.is_open();
        Queue { ended, ..std::mem::replace(&mut *queue, Queue { ended, ..Queue::default() }) }
    }

    /// What nobody writes any more.
    fn end(&self) -> Vec<AuditText> {
        let mut queue = self.queue();
        queue.ended = true;
        queue.waiting.clear();
        std::mem::take(&mut queue.rows)
    }

    fn is_open(&self) -> bool {
        self.until.borrow().is_none()
    }

    /// The first end counts.
    fn close(&self, grace: Duration) {
        self.until.send_if_modified(|until| {
            let open = until.is_none();
            until.get_or_insert_with(|| Instant::now() + grace);
            open
        });
        self.work.notify_one();
    }

    /// Returns when the log was closed and its grace is over.
    async fn out_of_time(&self) {
        let mut until = self.until.subscribe();
        // the sender lives as long as this
        let closed = until.wait_for(Option::is_some).await.ok().and_then(|until| *until);
        if let Some(until) = closed {
            tokio::time::sleep_until(until).await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(store: Arc<Store>, shared: Arc<Shared>, interval: Duration) {
    loop {
        if shared.is_open() {
            // one way or the other, there is something to look for
            tokio::time::timeout(interval, shared.work.notified()).await.ok();
        }
        let Queue { rows: queued, waiting, ended } = shared.take();
        shared.room.notify_waiters();
        let mut left = queued.as_slice();
        while let Some(rows) = left.chunks(BATCH).next() {
            let written = tokio::select! {
                written = append(&store, rows, interval) => written,
                () = shared.out_of_time() => false,
            };
            if !written {
                break;
            }
            left = left.get(rows.len()..).unwrap_or_default();
        }
        if ended || !left.is_empty() {
            lost(left);
            lost(&shared.end());
            shared.room.notify_waiters();
            shared.ended.cancel();
            return;
        }
        for done in waiting {
            // nobody waits any more
            done.send(()).ok();
        }
    }
}

/// Tries until the database takes the rows.
async fn append(store: &Store, rows: &[AuditText], interval: Duration) -> bool {
    while let Err(error) = store.append_audit(rows).await {
        tracing::error!(rows = rows.len(), cause = %error, "audit rows could not be written; they are tried again");
        tokio::time::sleep(interval.min(RETRY)).await;
    }
    true
}

/// Puts rows that the database did not take into the log: there they can be found, and are missed by nobody.
fn lost(rows: &[AuditText]) {
    if rows.is_empty() {
        return;
    }
    metrics::counter!("s3_connector_audit_rows_lost_total").increment(rows.len() as u64);
    tracing::error!(rows = rows.len(), "audit rows could not be written; they follow here");
    for row in rows {
        tracing::error!(row = row.json(), "an audit row that is not in the database");
    }
}

/// The event as it is kept, made where the query runs: the writer has enough to do.
fn text_of(event: Event) -> Option<AuditText> {
    AuditText::of(event)
        .inspect_err(|error| {
            metrics::counter!("s3_connector_audit_rows_lost_total").increment(1);
            tracing::error!(cause = %error, "an audit row cannot be written");
        })
        .ok()
}

/// An event of a caller, with the outcome `ok`.
pub fn event(caller: &Caller, action: &str, subject: impl Into<String>, now_ms: i64) -> Event {
    Event {
        at: rfc3339(now_ms),
        project: caller.project.id.to_string(),
        who: [&*caller.token_name, " (", &*caller.token_id, ")"].concat(),
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
