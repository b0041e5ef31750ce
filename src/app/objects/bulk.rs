//! Queries over many objects: chunk after chunk in a task, told key by key to whoever asked.
//!
//! A prefix is counted first, and the count must be confirmed. No more keys are touched than were confirmed. Between
//! two chunks the task ends when its caller went away, when the service stops, or when the answer is full; the
//! cursor says where to go on.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::app::connection::Freshness;
use crate::app::objects::bulk_delete::Deletes;
use crate::app::objects::rename::Moves;
use crate::app::{App, Error, Resource};
use crate::aws::s3::ListRequest;
use crate::aws::{AwsError, ErrorKind};
use crate::model::bulk::{BulkPlan, Cursor, KeyOutcome};
use crate::model::name::Name;
use crate::model::object::ObjectSummary;

/// Steps that wait to be read; a caller who reads slowly slows the work down.
const WAITING: usize = 1_024;
/// Keys of one page of a list.
pub(super) const PAGE: u64 = 1_000;
/// Keys that a dry run shows.
pub(super) const SHOWN: usize = 10;

/// What became of one key.
#[derive(Debug)]
pub struct BulkKey {
    /// The key.
    pub key: String,
    /// The version, when one was named.
    pub version: Option<String>,
    /// The new key, of a move.
    pub to: Option<String>,
    /// What became of it.
    pub outcome: KeyOutcome,
    /// Why it failed.
    pub error: Option<Error>,
}

/// How far the work is.
#[derive(Debug)]
pub struct BulkMark {
    /// Keys that are done with.
    pub done: u64,
    /// Keys that failed.
    pub failed: u64,
    /// Where to go on, should the answer break off here.
    pub cursor: String,
}

/// How the work ended.
#[derive(Debug)]
pub struct BulkEnd {
    /// Keys that are done with.
    pub done: u64,
    /// Keys that failed.
    pub failed: u64,
    /// Where to go on; absent when everything was tried.
    pub cursor: Option<String>,
    /// Why it ended early.
    pub error: Option<Error>,
}

/// A step of the work.
#[derive(Debug)]
pub enum Step {
    /// A key.
    Key(BulkKey),
    /// A chunk is done with.
    Mark(BulkMark),
    /// Nothing comes after this.
    End(BulkEnd),
}

/// Work that is under way.
#[derive(Debug)]
pub struct Progress {
    steps: mpsc::Receiver<Step>,
    /// How fresh its secrets were when it began.
    pub freshness: Freshness,
}

impl Progress {
    /// The next step; `None` after the end, or when the work broke off.
    pub async fn next(&mut self) -> Option<Step> {
        self.steps.recv().await
    }
}

/// Tells what happens to whoever asked.
pub(super) struct Reporter {
    steps: mpsc::Sender<Step>,
    pub(super) done: u64,
    pub(super) failed: u64,
}

impl Reporter {
    pub(super) fn new(freshness: Freshness) -> (Reporter, Progress) {
        let (sender, steps) = mpsc::channel(WAITING);
        (Reporter { steps: sender, done: 0, failed: 0 }, Progress { steps, freshness })
    }

    /// False when the caller went away.
    pub(super) fn is_heard(&self) -> bool {
        !self.steps.is_closed()
    }

    pub(super) async fn key(&mut self, key: BulkKey) {
        let count = if key.error.is_none() { &mut self.done } else { &mut self.failed };
        *count += 1;
        self.say(Step::Key(key)).await;
    }

    pub(super) async fn mark(&self, cursor: String) {
        self.say(Step::Mark(BulkMark { done: self.done, failed: self.failed, cursor })).await;
    }

    pub(super) async fn end(self, cursor: Option<String>, error: Option<Error>) {
        let end = BulkEnd { done: self.done, failed: self.failed, cursor, error };
        self.say(Step::End(end)).await;
    }

    async fn say(&self, step: Step) {
        // whoever went away is noticed between two chunks
        self.steps.send(step).await.ok();
    }
}

/// What is done with the keys below a prefix.
pub(super) enum Work {
    Delete(Deletes),
    Move(Box<Moves>),
}

/// Where the work stands.
pub(super) struct Walk {
    /// For the cursor.
    pub(super) prefixes: Vec<String>,
    /// Keys that start so.
    pub(super) prefix: String,
    /// Keys after this one.
    pub(super) after: Option<String>,
    /// Keys that were confirmed and are still to come.
    pub(super) left: u64,
    /// Keys of one chunk.
    pub(super) chunk: u64,
    /// Keys of this answer.
    pub(super) most: u64,
}

/// What a chunk came to.
pub(super) struct Chunk {
    pub(super) keys: Vec<BulkKey>,
    /// Why nothing can go on. Keys that are not among the others were not tried, or it is not known.
    pub(super) stop: Option<Error>,
}

/// What lies below a prefix.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) count: u64,
    pub(super) bytes: u64,
    pub(super) first: Vec<String>,
}

impl Found {
    pub(super) fn plan(self) -> BulkPlan {
        BulkPlan {
            dry_run: true,
            confirm_count: Some(self.count),
            count: self.count,
            bytes: self.bytes,
            keys: self.first,
            ..BulkPlan::default()
        }
    }

    /// How many may be touched: as many as are there, when that is what was confirmed. A cursor confirms what was
    /// left when it was given; fewer may be left by now, since the work may have gone on behind the last cursor.
    pub(super) fn confirmed(
        &self,
        prefix: &str,
        given: Option<u64>,
        cursor: Option<&Cursor>,
    ) -> Result<u64, Error> {
        let count = self.count;
        let said = match (given, cursor) {
            (Some(given), _) if given == count => return Ok(count),
            (None, Some(cursor)) if count <= cursor.left => return Ok(count),
            (Some(1), _) => "1 was confirmed".to_owned(),
            (Some(given), _) => format!("{given} were confirmed"),
            (None, Some(cursor)) => format!("{} were left of what was confirmed", cursor.left),
            (None, None) => "none were confirmed".to_owned(),
        };
        let there = if count == 1 { "1 object is".to_owned() } else { format!("{count} objects are") };
        let detail = format!("{there} below `{prefix}`, and {said}: nothing was done, look what is there");
        Err(Error::CountNotConfirmed { detail, count })
    }
}

pub(super) struct Page {
    pub(super) objects: Vec<ObjectSummary>,
    pub(super) more: bool,
}

/// A list of the store that begins where it began before.
pub(super) fn stuck() -> Error {
    let text = "the list of the store does not get on: set `provider` to what it is";
    AwsError::new(ErrorKind::Internal, "s3", "InternalError", text).into()
}

impl Work {
    fn place(&self) -> (&Arc<Resource>, &Name) {
        match self {
            Work::Delete(deletes) => (&deletes.resource, &deletes.environment),
            Work::Move(moves) => (&moves.route.source, &moves.route.environment),
        }
    }
}

impl Walk {
    fn cursor(&self) -> String {
        let after = self.after.clone().unwrap_or_default();
        Cursor { prefixes: self.prefixes.clone(), after, left: self.left }.encode()
    }
}

impl App {
    /// Counts what lies below a prefix.
    pub(super) async fn count(
        self: &Arc<Self>,
        resource: &Arc<Resource>,
        environment: &Name,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Found, Error> {
        let mut found = Found::default();
        let mut after = after.map(str::to_owned);
        loop {
            let page = self.page(resource, environment, prefix, after.as_deref(), PAGE).await?;
            let room = SHOWN.saturating_sub(found.first.len());
            found.first.extend(page.objects.iter().take(room).map(|object| object.key.clone()));
            found.count += page.objects.len() as u64;
            found.bytes += page.objects.iter().map(|object| object.size).sum::<u64>();
            match page.objects.into_iter().next_back() {
                // a store that does not look at where it should begin would be read for ever
                Some(last) if page.more && after.as_ref().is_some_and(|before| last.key <= *before) => {
                    return Err(stuck());
                }
                Some(last) if page.more => after = Some(last.key),
                _ => return Ok(found),
            }
        }
    }

    /// Up to `most` objects with keys after one. Lists go by the last key and not by the store's own token, which
    /// may not outlive what is deleted.
    pub(super) async fn page(
        self: &Arc<Self>,
        resource: &Arc<Resource>,
        environment: &Name,
        prefix: &str,
        after: Option<&str>,
        most: u64,
    ) -> Result<Page, Error> {
        let max_keys = i32::try_from(most.min(PAGE)).unwrap_or(1_000);
        let mut token: Option<String> = None;
        loop {
            let given = token.as_ref();
            let list = || {
                self.with_connection(resource, environment, move |connection| async move {
                    let root = &connection.prefix;
                    let wanted = ListRequest {
                        prefix: format!("{root}{prefix}"),
                        start_after: after.map(|after| format!("{root}{after}")),
                        token: given.cloned(),
                        max_keys,
                        ..ListRequest::default()
                    };
                    connection.s3.list(wanted).await
                })
            };
            let (page, connection) = self.patiently(list).await?;
            let objects = page.objects.into_iter().filter_map(|mut object| {
                let key = object.key.strip_prefix(&connection.prefix)?.to_owned();
                object.key = key;
                // an object whose whole key is the resource's prefix cannot be named through the resource
                (!object.key.is_empty()).then_some(object)
            });
            let objects: Vec<ObjectSummary> = objects.collect();
            if !objects.is_empty() || page.next.is_none() {
                return Ok(Page { objects, more: page.next.is_some() });
            }
            token = page.next;
        }
    }

    /// Starts the work.
    pub(super) fn start_walk(self: &Arc<Self>, work: Work, mut walk: Walk, freshness: Freshness) -> Progress {
        let (mut reporter, progress) = Reporter::new(freshness);
        let app = Arc::clone(self);
        self.tracker.spawn(async move {
            let outcome = app.walk_on(&work, &mut walk, &mut reporter).await;
            let all = matches!(outcome, Ok(true));
            reporter.end((!all).then(|| walk.cursor()), outcome.err()).await;
        });
        progress
    }

    /// Chunk after chunk; true when everything was tried.
    async fn walk_on(
        self: &Arc<Self>,
        work: &Work,
        walk: &mut Walk,
        reporter: &mut Reporter,
    ) -> Result<bool, Error> {
        let (resource, environment) = work.place();
        loop {
            if walk.left == 0 {
                return Ok(true);
            }
            let room = walk.most.saturating_sub(reporter.done + reporter.failed);
            if room == 0 || !reporter.is_heard() || self.stopping.is_cancelled() {
                return Ok(false);
            }
            let most = walk.chunk.min(walk.left).min(room);
            let page = self.page(resource, environment, &walk.prefix, walk.after.as_deref(), most).await?;
            let Some(last) = page.objects.last().map(|object| object.key.clone()) else { return Ok(true) };
            let chunk = match work {
                Work::Delete(deletes) => self.delete_chunk(deletes, &walk.prefix, &page.objects).await,
                Work::Move(moves) => self.move_chunk(moves, &page.objects).await,
            };
            let gone = chunk.keys.iter().filter(|key| key.error.is_none()).count() as u64;
            for key in chunk.keys {
                reporter.key(key).await;
            }
            if let Some(error) = chunk.stop {
                // the cursor stays before the chunk: what is gone is not found again
                walk.left = walk.left.saturating_sub(gone);
                return Err(error);
            }
            walk.left = walk.left.saturating_sub(page.objects.len() as u64);
            walk.after = Some(last);
            if !page.more {
                return Ok(true);
            }
            reporter.mark(walk.cursor()).await;
        }
    }
}

/// Whether an error says nothing of the key, but that no other would fare better.
pub(super) fn stops(error: &Error) -> bool {
    match error {
        Error::Upstream(error) => stops_all(error.kind),
        Error::BadRequest(_) | Error::Malformed { .. } | Error::TooLarge(_) => false,
        _ => true,
    }
}

/// The same of a store's answer.
pub(super) fn stops_all(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::BadCredentials
            | ErrorKind::NoSuchBucket
            | ErrorKind::Throttled
            | ErrorKind::WrongRegion
            | ErrorKind::ClockSkew
            | ErrorKind::Timeout
            | ErrorKind::Unreachable
            | ErrorKind::Blocked
            | ErrorKind::Unsupported
    )
}
