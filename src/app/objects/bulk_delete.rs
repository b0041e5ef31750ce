//! Deleting many: as many keys a request as the provider takes, one by one where it takes one only.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use crate::app::connection::Connection;
use crate::app::objects::bulk::{BulkKey, Chunk, Progress, Reporter, Walk, Work, stops_all};
use crate::app::objects::row::Row;
use crate::app::objects::{Outcome, Query, full_key, require, require_version};
use crate::app::{App, Error, Resource};
use crate::aws::s3::Doomed;
use crate::aws::{AwsError, ErrorKind};
use crate::model::bulk::{BulkPlan, Cursor, DeletePrefix, KeyOutcome, MOST_KEYS, NamedKey};
use crate::model::name::Name;
use crate::model::object::{DeleteOptions, GetOptions, ObjectSummary};
use crate::model::operation::Operation;
use crate::model::principal::Caller;
use crate::model::provider::Feature;

/// Requests under way at once, where a request takes one key.
const AT_ONCE: usize = 8;
/// Keys of a chunk there.
const ONE_BY_ONE: usize = 1_000;
/// Tries of keys that the store asks to repeat later.
const TRIES: u32 = 6;
/// The wait before the second try; it doubles.
const WAIT: Duration = Duration::from_millis(200);

/// Whose objects are deleted.
pub(super) struct Deletes {
    pub(super) caller: Caller,
    pub(super) resource: Arc<Resource>,
    pub(super) environment: Name,
}

/// One key to delete.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) key: String,
    pub(super) version: Option<String>,
    /// The object that is meant, where the provider can make sure of that.
    pub(super) etag: Option<String>,
}

/// What deletes came to, by the place of their items: none for those that were not tried.
pub(super) struct Deleted {
    pub(super) outcomes: Vec<Option<Result<(), Error>>>,
    pub(super) stop: Option<Error>,
    /// The last one that answered.
    pub(super) connection: Option<Arc<Connection>>,
}

/// What the rows of a chunk have in common.
pub(super) struct ChunkRow<'a> {
    pub(super) operation: Operation,
    pub(super) prefix: &'a str,
    pub(super) whereto: &'a str,
    pub(super) connection: Option<&'a Connection>,
}

impl App {
    /// Which of the keys are there.
    pub async fn plan_delete_many(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        keys: Vec<NamedKey>,
    ) -> Result<Outcome<BulkPlan>, Error> {
        check_keys(&keys)?;
        self.begin(caller, name, Operation::Delete, None).await?;
        let query = self.begin(caller, name, Operation::Head, None).await?;
        let connection = self.reach(caller, &query.resource, environment, Operation::Head).await?;
        check_conditions(&connection, &keys)?;
        let looks: Vec<_> = keys.iter().map(|key| self.size_of(&query.resource, environment, key)).collect();
        let mut looks = stream::iter(looks).buffered(AT_ONCE);
        let mut plan = BulkPlan { dry_run: true, ..BulkPlan::default() };
        for key in &keys {
            match looks.next().await {
                Some(Ok(Some(size))) => {
                    plan.count += 1;
                    plan.bytes += size;
                    plan.keys.push(key.key.clone());
                }
                Some(Ok(None)) | None => plan.missing.push(key.key.clone()),
                Some(Err(error)) => {
                    let row = Row { key: Some(&key.key), error: Some(&error), ..Row::default() };
                    self.note(caller, &query.resource, Operation::Head, row).await;
                    return Err(error);
                }
            }
        }
        let detail = Some(format!("looked for {} keys to delete", keys.len()));
        self.note(caller, &query.resource, Operation::Head, Row { detail, ..Row::default() }).await;
        Ok(Outcome { value: plan, freshness: connection.freshness() })
    }

    /// Connects; that it cannot is audited.
    async fn reach(
        self: &Arc<Self>,
        caller: &Caller,
        resource: &Arc<Resource>,
        environment: &Name,
        operation: Operation,
    ) -> Result<Arc<Connection>, Error> {
        let connected = self.connect(resource, environment).await;
        if let Err(error) = &connected {
            self.note(caller, resource, operation, Row { error: Some(error), ..Row::default() }).await;
        }
        connected
    }

    /// None when it is not there as it was named.
    async fn size_of(
        self: &Arc<Self>,
        resource: &Arc<Resource>,
        environment: &Name,
        key: &NamedKey,
    ) -> Result<Option<u64>, Error> {
        let options = GetOptions { version_id: key.version.clone(), ..GetOptions::default() };
        let look = || {
            self.with_connection(resource, environment, |connection| {
                let options = &options;
                async move { connection.s3.head(&full_key(&connection.prefix, &key.key)?, options).await }
            })
        };
        match self.patiently(look).await {
            Ok((found, _)) => {
                let other = key.if_match.is_some() && key.if_match != found.metadata.etag;
                Ok((!other).then(|| found.metadata.size.unwrap_or(0)))
            }
            // a marker has no size, and can be deleted as any version
            Err(Error::Upstream(error))
                if key.version.is_some() && (error.code == "DeleteMarker" || error.status == Some(405)) =>
            {
                Ok(Some(0))
            }
            Err(Error::Upstream(error)) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes the keys. Each has a row in the audit.
    pub async fn delete_many(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        keys: Vec<NamedKey>,
    ) -> Result<Progress, Error> {
        check_keys(&keys)?;
        let deletes = deletes_of(self.begin(caller, name, Operation::Delete, None).await?, environment);
        let connection = self.reach(caller, &deletes.resource, environment, Operation::Delete).await?;
        check_conditions(&connection, &keys)?;
        let (mut reporter, progress) = Reporter::new(connection.freshness());
        let app = Arc::clone(self);
        self.tracker.spawn(async move {
            let mut stopped = None;
            for chunk in keys.chunks(batch(&connection)) {
                if stopped.is_some() || !reporter.is_heard() || app.stopping.is_cancelled() {
                    break;
                }
                stopped = app.delete_named(&deletes, chunk, &mut reporter).await;
            }
            reporter.end(None, stopped).await;
        });
        Ok(progress)
    }

    async fn delete_named(
        self: &Arc<Self>,
        deletes: &Deletes,
        keys: &[NamedKey],
        reporter: &mut Reporter,
    ) -> Option<Error> {
        let items = keys.iter().map(|key| Item {
            key: key.key.clone(),
            version: key.version.clone(),
            etag: key.if_match.clone(),
        });
        let items: Vec<Item> = items.collect();
        let outcome = self.delete_items(&deletes.resource, &deletes.environment, &items).await;
        for (item, tried) in items.into_iter().zip(outcome.outcomes) {
            let Some(tried) = tried else { continue };
            let error = tried.err();
            let detail = item.version.as_ref().map(|version| format!("version {version}"));
            let connection = outcome.connection.as_deref();
            let row =
                Row { key: Some(&item.key), detail, error: error.as_ref(), connection, ..Row::default() };
            self.note(&deletes.caller, &deletes.resource, Operation::Delete, row).await;
            reporter.key(told(item, error)).await;
        }
        outcome.stop
    }

    /// Counts what a delete by prefix would delete.
    pub async fn plan_delete_prefix(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        wanted: &DeletePrefix,
    ) -> Result<Outcome<BulkPlan>, Error> {
        self.begin(caller, name, Operation::Delete, Some(&wanted.prefix)).await?;
        let cursor = parse_cursor(wanted.cursor.as_deref(), &[&wanted.prefix])?;
        let query = self.begin(caller, name, Operation::List, Some(&wanted.prefix)).await?;
        let after = cursor.as_ref().map(|cursor| cursor.after.as_str());
        let found = self.count(&query.resource, environment, &wanted.prefix, after).await;
        let row = Row { key: Some(&wanted.prefix), error: found.as_ref().err(), ..Row::default() };
        self.note(caller, &query.resource, Operation::List, row).await;
        let freshness = self.connect(&query.resource, environment).await?.freshness();
        Ok(Outcome { value: found?.plan(), freshness })
    }

    /// Deletes what lies below a prefix, as many as were confirmed; `most` bounds the keys of this answer.
    pub async fn delete_prefix(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        wanted: &DeletePrefix,
        most: Option<u64>,
    ) -> Result<Progress, Error> {
        self.begin(caller, name, Operation::List, Some(&wanted.prefix)).await?;
        let query = self.begin(caller, name, Operation::Delete, Some(&wanted.prefix)).await?;
        let cursor = parse_cursor(wanted.cursor.as_deref(), &[&wanted.prefix])?;
        let after = cursor.as_ref().map(|cursor| cursor.after.clone());
        let deletes = deletes_of(query, environment);
        let found = self.count(&deletes.resource, environment, &wanted.prefix, after.as_deref()).await;
        let row = Row { key: Some(&wanted.prefix), error: found.as_ref().err(), ..Row::default() };
        self.note(caller, &deletes.resource, Operation::List, row).await;
        let left = found?.confirmed(&wanted.prefix, wanted.confirm_count, cursor.as_ref())?;
        let connection = self.connect(&deletes.resource, environment).await?;
        let walk = Walk {
            prefixes: vec![wanted.prefix.clone()],
            prefix: wanted.prefix.clone(),
            after,
            left,
            chunk: batch(&connection) as u64,
            most: most.unwrap_or(u64::MAX),
        };
        Ok(self.start_walk(Work::Delete(deletes), walk, connection.freshness()))
    }

    /// Deletes a page of a list. The audit has a row for all of them, and one for each that failed.
    pub(super) async fn delete_chunk(
        self: &Arc<Self>,
        deletes: &Deletes,
        prefix: &str,
        objects: &[ObjectSummary],
    ) -> Chunk {
        let items = objects.iter().map(|object| Item {
            key: object.key.clone(),
            version: None,
            // whatever is there by now is meant, as with every delete by prefix
            etag: None,
        });
        let items: Vec<Item> = items.collect();
        let outcome = self.delete_items(&deletes.resource, &deletes.environment, &items).await;
        let tried = items.into_iter().zip(outcome.outcomes);
        let keys: Vec<BulkKey> = tried.filter_map(|(item, one)| Some(told(item, one?.err()))).collect();
        let connection = outcome.connection.as_deref();
        let rows = ChunkRow { operation: Operation::Delete, prefix, whereto: "", connection };
        self.note_chunk(&deletes.caller, &deletes.resource, &rows, &keys).await;
        Chunk { keys, stop: outcome.stop }
    }

    /// One row for the keys of a chunk that are done with, and one for each that failed.
    pub(super) async fn note_chunk(
        &self,
        caller: &Caller,
        resource: &Resource,
        rows: &ChunkRow<'_>,
        keys: &[BulkKey],
    ) {
        let ChunkRow { operation, prefix, whereto, connection } = *rows;
        let done = || keys.iter().filter(|key| key.error.is_none());
        if let (Some(first), Some(last)) = (done().next(), done().next_back()) {
            let (count, first, last) = (done().count(), &first.key, &last.key);
            let detail = Some(format!("{count} objects, `{first}` to `{last}`{whereto}"));
            let row = Row { key: Some(prefix), detail, connection, ..Row::default() };
            self.note(caller, resource, operation, row).await;
        }
        for key in keys.iter().filter(|key| key.error.is_some()) {
            let row = Row { key: Some(&key.key), error: key.error.as_ref(), connection, ..Row::default() };
            self.note(caller, resource, operation, row).await;
        }
    }

    /// Deletes up to as many items as one request takes. What the store asks to repeat later is repeated.
    pub(super) async fn delete_items(
        self: &Arc<Self>,
        resource: &Arc<Resource>,
        environment: &Name,
        items: &[Item],
    ) -> Deleted {
        let mut outcomes: Vec<Option<Result<(), Error>>> = items.iter().map(|_| None).collect();
        let mut wait = WAIT;
        let (mut last, mut used) = (None, None);
        for turn in 1..=TRIES {
            let places = outcomes.iter().enumerate().filter(|(_, outcome)| outcome.is_none());
            let places: Vec<usize> = places.map(|(place, _)| place).collect();
            if places.is_empty() {
                return Deleted { outcomes, stop: None, connection: used };
            }
            let open: Vec<Item> = places.iter().filter_map(|place| items.get(*place).cloned()).collect();
            let call =
                self.with_connection(resource, environment, |connection| delete_once(connection, &open));
            let mut failed = match call.await {
                Ok((failed, connection)) => {
                    used = Some(connection);
                    failed
                }
                Err(Error::Upstream(error)) if error.kind == ErrorKind::Throttled => {
                    last = Some(Error::Upstream(error));
                    if turn == TRIES || !self.pause(wait).await {
                        break;
                    }
                    wait *= 2;
                    continue;
                }
                Err(error) => return Deleted { outcomes, stop: Some(error), connection: used },
            };
            for (at, place) in places.into_iter().enumerate() {
                let Some(outcome) = outcomes.get_mut(place) else { continue };
                let found = failed.iter().position(|(failed, _)| *failed == at);
                let Some((_, error)) = found.map(|found| failed.swap_remove(found)) else {
                    *outcome = Some(Ok(()));
                    continue;
                };
                let passes = matches!(error.kind, ErrorKind::Throttled | ErrorKind::Internal);
                if (!passes || turn == TRIES) && !stops_all(error.kind) {
                    *outcome = Some(Err(error.into()));
                    continue;
                }
                last = Some(error.into());
            }
            let stopped = matches!(&last, Some(Error::Upstream(error)) if stops_all(error.kind) && error.kind != ErrorKind::Throttled);
            if outcomes.iter().all(Option::is_some) || stopped || !self.pause(wait).await {
                break;
            }
            wait *= 2;
        }
        let stop = if outcomes.iter().all(Option::is_some) { None } else { last };
        Deleted { outcomes, stop, connection: used }
    }
}

/// One round: those that failed, by their place. Keys that XML cannot carry go alone, as all do where the provider
/// takes one key a request.
async fn delete_once(
    connection: Arc<Connection>,
    items: &[Item],
) -> Result<Vec<(usize, AwsError)>, AwsError> {
    let profile = connection.plan.profile;
    let conditional = profile.has(Feature::ConditionalDelete);
    let (mut failed, mut many, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for item in items {
        require_version(&connection, item.version.as_deref())?;
    }
    for (place, item) in items.iter().enumerate() {
        let key = match full_key(&connection.prefix, &item.key) {
            Ok(key) => key,
            Err(error) => {
                failed.push((place, error));
                continue;
            }
        };
        let in_xml = |letter: char| !letter.is_control() && !matches!(letter, '\u{FFFE}' | '\u{FFFF}');
        let together = profile.has(Feature::DeleteObjects) && key.as_str().chars().all(in_xml);
        let if_match = item.etag.clone().filter(|_| conditional && item.version.is_none());
        let doomed = Doomed { key, version_id: item.version.clone(), if_match };
        if together { many.push((place, doomed)) } else { alone.push((place, doomed)) }
    }
    if !many.is_empty() {
        let (places, doomed): (Vec<usize>, Vec<Doomed>) = many.into_iter().unzip();
        let done = connection.s3.delete_many(&doomed).await?;
        let told = done.failed.into_iter();
        failed.extend(told.filter_map(|(at, error)| Some((*places.get(at)?, error))));
    }
    let singles: Vec<_> = alone.into_iter().map(|one| delete_alone(Arc::clone(&connection), one)).collect();
    let mut singles = stream::iter(singles).buffered(AT_ONCE);
    while let Some((place, outcome)) = singles.next().await {
        match outcome {
            Ok(()) => {}
            // another key may be taken
            Err(error) if error.kind == ErrorKind::BadCredentials => return Err(error),
            Err(error) => failed.push((place, error)),
        }
    }
    Ok(failed)
}

async fn delete_alone(
    connection: Arc<Connection>,
    (place, doomed): (usize, Doomed),
) -> (usize, Result<(), AwsError>) {
    let options = DeleteOptions { version_id: doomed.version_id, if_match: doomed.if_match };
    (place, connection.s3.delete(&doomed.key, &options).await.map(drop))
}

fn deletes_of(query: Query<'_>, environment: &Name) -> Deletes {
    Deletes { caller: query.caller.clone(), resource: query.resource, environment: environment.clone() }
}

/// Keys of one chunk: as many as one request takes; where it takes one, any number, one after the other.
pub(super) fn batch(connection: &Connection) -> usize {
    let profile = connection.plan.profile;
    if profile.has(Feature::DeleteObjects) { profile.delete_batch.max(1) } else { ONE_BY_ONE }
}

fn told(item: Item, error: Option<Error>) -> BulkKey {
    let outcome = if error.is_none() { KeyOutcome::Deleted } else { KeyOutcome::Failed };
    BulkKey { key: item.key, version: item.version, to: None, outcome, error }
}

fn check_conditions(connection: &Connection, keys: &[NamedKey]) -> Result<(), Error> {
    if keys.iter().any(|key| key.if_match.is_some()) {
        require(connection, Feature::ConditionalDelete)?;
    }
    Ok(())
}

fn check_keys(keys: &[NamedKey]) -> Result<(), Error> {
    if let Some(empty) = keys.iter().position(|key| key.version.as_deref() == Some("")) {
        let rule = "is empty: name a version, or leave it out";
        return Err(Error::field(&format!("keys[{empty}].version"), rule));
    }
    if let Some(both) = keys.iter().position(|key| key.version.is_some() && key.if_match.is_some()) {
        let rule = "goes with a key that has no `version`: a version never changes";
        return Err(Error::field(&format!("keys[{both}].if_match"), rule));
    }
    if (1..=MOST_KEYS).contains(&keys.len()) {
        return Ok(());
    }
    let rule = format!("takes 1 to {MOST_KEYS} keys and has {}: send the rest in other calls", keys.len());
    Err(Error::field("keys", rule))
}

pub(super) fn parse_cursor(text: Option<&str>, prefixes: &[&str]) -> Result<Option<Cursor>, Error> {
    text.map(|text| Cursor::parse(text, prefixes)).transpose().map_err(Error::BadRequest)
}
