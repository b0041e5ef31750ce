//! Queries: list, head, get, put, delete.
//!
//! A query is one call to the store. It is audited whatever its outcome, counted, and bounded by the
//! resource's limits. Bodies are streams in both directions.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::app::connection::{Connection, Freshness};
use crate::app::{App, Error, Resource, audit};
use crate::aws::body::Source;
use crate::aws::s3::{Download, ListPage, ListRequest, Uploaded};
use crate::aws::upload::{Leftover, Leftovers, MULTIPART_FROM};
use crate::aws::{AwsError, ErrorKind};
use crate::model::name::Name;
use crate::model::object::{
    DeleteOptions, GetOptions, KeyError, ListOptions, ObjectKey, ObjectPage, Operation, PutOptions, PutResult,
};
use crate::model::principal::Caller;

pub use crate::aws::body::UploadBody as Body;

/// Rows that a list answers when none are asked for.
const DEFAULT_LIMIT: u64 = 1_000;
/// Rows of one answer that is gathered in memory; a stream has no such bound.
const MOST_GATHERED: u64 = 100_000;
/// A body up to this size is gathered, so that it can be sent again after a rotation.
const REPLAYABLE: u64 = 1 << 20;

/// What is read of a body that is refused, so that its sender gets to read the answer.
const DRAIN_BYTES: u64 = 64 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(3);

/// Who asks what of which resource.
#[derive(Debug, Clone)]
pub struct Outcome<T> {
    /// The answer.
    pub value: T,
    /// How fresh its secrets were.
    pub freshness: Freshness,
}

/// An object that is being read.
pub type Opened = Outcome<Download>;

/// An object that was written.
pub type Written = Outcome<PutResult>;

/// A list that is read page by page.
pub struct Listing {
    app: Arc<App>,
    resource: Arc<Resource>,
    environment: Name,
    request: ListOptions,
    left: u64,
    ready: VecDeque<ObjectPage>,
    done: bool,
    /// How fresh its secrets were.
    pub freshness: Freshness,
}

/// An object to write.
pub struct Upload {
    /// The key, relative to the resource's prefix.
    pub key: String,
    /// Headers and conditions.
    pub options: PutOptions,
    /// The bytes.
    pub body: Body,
    /// How many, when it is known.
    pub length: Option<u64>,
    /// The sender waits to be asked for the body (`Expect: 100-continue`).
    pub on_demand: bool,
}

/// The query that runs, for its audit row.
struct Query<'a> {
    caller: &'a Caller,
    resource: Arc<Resource>,
    operation: Operation,
    key: Option<&'a str>,
    started: Instant,
}

impl App {
    /// Starts a query: the resource exists for the caller and allows the operation.
    async fn begin<'a>(
        &self,
        caller: &'a Caller,
        name: &str,
        operation: Operation,
        key: Option<&'a str>,
    ) -> Result<Query<'a>, Error> {
        let resource = self.known_resource(caller, name)?;
        let allowed = resource.record.definition.operations.as_ref();
        if allowed.is_some_and(|allowed| !allowed.contains(&operation)) {
            let error = Error::OperationNotAllowed { resource: name.to_owned(), operation };
            let mut event = audit::event(caller, "", name, self.clock.now_ms());
            event.action = format!("object.{}", operation.as_str());
            event.key = key.map(str::to_owned);
            error.code().clone_into(&mut event.outcome);
            self.audit.note(event).await;
            return Err(error);
        }
        Ok(Query { caller, resource, operation, key, started: Instant::now() })
    }

    /// Counts and audits what came of a query.
    async fn end<T>(
        &self,
        query: &Query<'_>,
        outcome: Result<(T, Arc<Connection>), Error>,
        describe: impl FnOnce(&T) -> (Option<u64>, Option<String>),
    ) -> Result<Outcome<T>, Error> {
        let operation = query.operation.as_str();
        let mut event = audit::event(query.caller, "", query.resource.name().as_str(), self.clock.now_ms());
        event.action = format!("object.{operation}");
        event.key = query.key.map(str::to_owned);
        let label = match &outcome {
            Ok((value, connection)) => {
                (event.bytes, event.upstream_request_id) = describe(value);
                event.detail = connection
                    .stand_in
                    .as_ref()
                    .map(|stand_in| format!("with {} in place of AWSCURRENT", stand_in.stage));
                event.secrets = connection
                    .used
                    .iter()
                    .map(|used| format!("{}@{}", used.key.secret, used.version_id))
                    .collect();
                "ok"
            }
            Err(error) => {
                error.code().clone_into(&mut event.outcome);
                if let Error::Upstream(upstream) = error {
                    event.upstream_request_id.clone_from(&upstream.request_id);
                }
                if let Error::UsageDenied { detail, .. } = error {
                    event.detail = Some(detail.clone());
                }
                "error"
            }
        };
        metrics::counter!("s3_connector_queries_total", "operation" => operation, "outcome" => label)
            .increment(1);
        metrics::histogram!("s3_connector_query_seconds", "operation" => operation)
            .record(query.started.elapsed());
        self.audit.note(event).await;
        let (value, connection) = outcome?;
        let freshness = connection.freshness();
        Ok(Outcome { value, freshness })
    }

    /// Lists up to `limit` rows, gathered.
    pub async fn list(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        mut options: ListOptions,
    ) -> Result<Outcome<ObjectPage>, Error> {
        options.limit = Some(options.limit.unwrap_or(DEFAULT_LIMIT).min(MOST_GATHERED));
        let mut listing = self.open_list(caller, name, environment, options).await?;
        let freshness = listing.freshness;
        let mut all = ObjectPage::default();
        while let Some(page) = listing.next().await? {
            all.objects.extend(page.objects);
            all.prefixes.extend(page.prefixes);
            all.truncated = page.cursor.is_some();
            all.cursor = page.cursor;
        }
        Ok(Outcome { value: all, freshness })
    }

    /// Opens a list whose pages are read one at a time; without a limit it goes to the end. The first page is
    /// read here, so that an error is an answer of its own.
    pub async fn open_list(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        options: ListOptions,
    ) -> Result<Listing, Error> {
        let prefix = options.prefix.clone();
        let query = self.begin(caller, name, Operation::List, Some(&prefix)).await?;
        let mut listing = Listing {
            app: Arc::clone(self),
            resource: Arc::clone(&query.resource),
            environment: environment.clone(),
            left: options.limit.unwrap_or(u64::MAX),
            request: options,
            ready: VecDeque::new(),
            done: false,
            freshness: Freshness::default(),
        };
        if listing.left == 0 {
            listing.done = true;
            return Ok(listing);
        }
        let first = listing.fetch().await;
        let first = self.end(&query, first, |(_, request_id)| (None, request_id.clone())).await?;
        listing.freshness = first.freshness;
        listing.ready.push_back(first.value.0);
        Ok(listing)
    }

    /// An object's metadata.
    pub async fn head(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        key: &str,
        options: &GetOptions,
    ) -> Result<Opened, Error> {
        self.read(caller, name, environment, key, options, Operation::Head).await
    }

    /// An object; its body is a stream.
    pub async fn get(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        key: &str,
        options: &GetOptions,
    ) -> Result<Opened, Error> {
        self.read(caller, name, environment, key, options, Operation::Get).await
    }

    async fn read(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        key: &str,
        options: &GetOptions,
        operation: Operation,
    ) -> Result<Opened, Error> {
        let query = self.begin(caller, name, operation, Some(key)).await?;
        let most = query.resource.record.definition.limits.max_read_bytes;
        let outcome = self
            .with_connection(&query.resource, environment, |connection| async move {
                let full = full_key(&connection.prefix, key)?;
                match operation {
                    Operation::Head => connection.s3.head(&full, options).await,
                    _ => connection.s3.get(&full, options).await,
                }
            })
            .await
            .and_then(|(mut download, connection)| {
                key.clone_into(&mut download.metadata.key);
                match (most, download.content_length) {
                    (Some(most), None) if operation == Operation::Get => Err(Error::TooLarge(format!(
                        "the store does not say how large the object is, and the resource allows reads of {most} bytes"
                    ))),
                    (Some(most), Some(length)) if operation == Operation::Get && length > most => Err(Error::TooLarge(format!(
                        "the object has {length} bytes and the resource allows reads of {most}: ask for a range"
                    ))),
                    _ => Ok((download, connection)),
                }
            });
        self.end(&query, outcome, |download| (download.content_length, download.request_id.clone())).await
    }

    /// The bound on uploads of a resource, for the reader of a body of unknown length.
    pub fn put_limit(&self, caller: &Caller, name: &str) -> Option<u64> {
        self.known_resource(caller, name).ok()?.record.definition.limits.max_put_bytes
    }

    /// Writes an object. The upload runs in a task of its own, so that a caller who goes away leaves neither an
    /// object nor parts.
    pub async fn put(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        upload: Upload,
    ) -> Result<Written, Error> {
        let (app, caller, name, environment) =
            (Arc::clone(self), caller.clone(), name.to_owned(), environment.clone());
        let Upload { key, options, body, length, on_demand } = upload;
        let source = Source::new(body);
        let task = self.tracker.spawn(async move {
            let outcome = app.write(&caller, &name, &environment, (&key, options), &source, length).await;
            if outcome.is_err() && (source.taken() > 0 || !on_demand) {
                // only a sender that is through, or nearly, reads the answer
                tokio::time::timeout(DRAIN_TIME, source.drain(DRAIN_BYTES)).await.ok();
            }
            outcome
        });
        task.await.unwrap_or_else(|_| {
            Err(AwsError::new(ErrorKind::Internal, "s3", "InternalError", "the upload ended unexpectedly")
                .into())
        })
    }

    async fn write(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        (key, mut options): (&str, PutOptions),
        source: &Source,
        length: Option<u64>,
    ) -> Result<Written, Error> {
        let query = self.begin(caller, name, Operation::Put, Some(key)).await?;
        let most = query.resource.record.definition.limits.max_put_bytes;
        if let (Some(most), Some(length)) = (most, length)
            && length > most
        {
            return Err(Error::TooLarge(format!(
                "the body has {length} bytes and the resource allows uploads of {most}"
            )));
        }
        options.content_type = options.content_type.or_else(|| guessed_type(key));
        let outcome = match length.filter(|length| *length <= REPLAYABLE) {
            Some(length) => self.write_small(&query, environment, key, &options, source, length).await,
            None => self.write_stream(&query, environment, key, &options, source, length).await,
        }
        .map_err(too_large);
        let size = source.taken();
        let outcome = self.end(&query, outcome, |uploaded| (Some(size), uploaded.request_id.clone())).await?;
        let Uploaded { etag, version_id, .. } = outcome.value;
        Ok(Outcome {
            value: PutResult { key: key.to_owned(), etag, version_id, size },
            freshness: outcome.freshness,
        })
    }

    async fn write_small(
        self: &Arc<Self>,
        query: &Query<'_>,
        environment: &Name,
        key: &str,
        options: &PutOptions,
        source: &Source,
        length: u64,
    ) -> Result<(Uploaded, Arc<Connection>), Error> {
        // one byte more than announced would be as wrong as one less
        let gathered = source.collect(usize::try_from(length).unwrap_or(usize::MAX)).await;
        let bytes = match gathered {
            Ok(bytes) if bytes.len() as u64 == length => bytes,
            Ok(bytes) => {
                return Err(broken(&format!("the body ended after {} of {length} bytes", bytes.len())));
            }
            Err(error) => return Err(broken(&error.to_string())),
        };
        self.with_connection(&query.resource, environment, |connection| {
            let bytes: Bytes = bytes.clone();
            async move {
                let full = full_key(&connection.prefix, key)?;
                check_condition(&connection, options)?;
                connection.s3.put_bytes(&full, options, bytes).await
            }
        })
        .await
    }

    async fn write_stream(
        self: &Arc<Self>,
        query: &Query<'_>,
        environment: &Name,
        key: &str,
        options: &PutOptions,
        source: &Source,
        length: Option<u64>,
    ) -> Result<(Uploaded, Arc<Connection>), Error> {
        // one request that streams is kept while it does, as far as there is room; larger bodies go in parts, and
        // their first call, which carries no byte, finds out whether the key is good
        let kib = length
            .filter(|length| *length < MULTIPART_FROM)
            .and_then(|length| u32::try_from(length / 1024 + 1).ok());
        let _room = kib.and_then(|kib| self.replays.try_acquire_many(kib).ok()).inspect(|_| source.keep());
        let leftovers = Leftovers::default();
        let outcome = self
            .with_connection(&query.resource, environment, |connection| {
                self.stream_once(connection, key, options, source, length, &leftovers)
            })
            .await;
        self.abort_leftovers(&query.resource, environment, &leftovers).await;
        outcome
    }

    async fn stream_once(
        &self,
        connection: Arc<Connection>,
        key: &str,
        options: &PutOptions,
        source: &Source,
        length: Option<u64>,
        leftovers: &Leftovers,
    ) -> Result<Uploaded, AwsError> {
        let full = full_key(&connection.prefix, key)?;
        check_condition(&connection, options)?;
        // what was streamed to the store and not kept is gone
        if !source.rewind() {
            let text = "the credentials were replaced while the body was being sent: send it again";
            return Err(AwsError::new(ErrorKind::Throttled, "s3", "OperationAborted", text));
        }
        connection.s3.put_stream(&full, options, source, length, leftovers).await
    }

    /// An upload whose key was replaced half-way cannot be aborted with that key, but with the one after it.
    async fn abort_leftovers(
        self: &Arc<Self>,
        resource: &Arc<Resource>,
        environment: &Name,
        leftovers: &Leftovers,
    ) {
        for Leftover { key, upload_id } in leftovers.take() {
            let (key, upload_id) = (&key, upload_id.as_str());
            let aborted = self
                .with_connection(resource, environment, |connection| async move {
                    connection.s3.abort_multipart(key, upload_id).await
                })
                .await;
            if let Err(error) = aborted {
                tracing::error!(
                    resource.name = resource.name().as_str(),
                    upload_id,
                    cause = %error,
                    "an upload failed and its parts could not be removed: abort it by hand or by a lifecycle rule"
                );
            }
        }
    }

    /// Deletes an object.
    pub async fn delete(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        key: &str,
        options: &DeleteOptions,
    ) -> Result<Outcome<Option<String>>, Error> {
        let (app, caller, name, environment) =
            (Arc::clone(self), caller.clone(), name.to_owned(), environment.clone());
        let (key, options) = (key.to_owned(), options.clone());
        // in a task of its own: what was deleted is audited although the caller went away
        let task =
            self.tracker.spawn(async move { app.remove(&caller, &name, &environment, &key, &options).await });
        task.await.unwrap_or_else(|_| {
            let text = "the deletion ended unexpectedly";
            Err(AwsError::new(ErrorKind::Internal, "s3", "InternalError", text).into())
        })
    }

    async fn remove(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        key: &str,
        options: &DeleteOptions,
    ) -> Result<Outcome<Option<String>>, Error> {
        let query = self.begin(caller, name, Operation::Delete, Some(key)).await?;
        let outcome = self
            .with_connection(&query.resource, environment, |connection| async move {
                let full = full_key(&connection.prefix, key)?;
                if options.if_match.is_some() && !connection.plan.profile.conditional_delete {
                    return Err(unsupported(&connection, "conditions on deletes"));
                }
                connection.s3.delete(&full, options).await
            })
            .await;
        let outcome = self.end(&query, outcome, |deleted| (None, deleted.request_id.clone())).await?;
        Ok(Outcome { value: outcome.value.version_id, freshness: outcome.freshness })
    }
}

impl Listing {
    /// The next page; `None` after the last one.
    pub async fn next(&mut self) -> Result<Option<ObjectPage>, Error> {
        if let Some(page) = self.ready.pop_front() {
            return Ok(Some(page));
        }
        if self.done {
            return Ok(None);
        }
        let ((page, _), _) = self.fetch().await?;
        Ok(Some(page))
    }

    async fn fetch(&mut self) -> Result<((ObjectPage, Option<String>), Arc<Connection>), Error> {
        let most = i32::try_from(self.left.min(1000)).unwrap_or(1000);
        let request = &self.request;
        let (page, connection) = self
            .app
            .with_connection(&self.resource, &self.environment, |connection| async move {
                let root = &connection.prefix;
                let wanted = ListRequest {
                    prefix: format!("{root}{}", request.prefix),
                    delimiter: request.delimiter.clone().filter(|delimiter| !delimiter.is_empty()),
                    start_after: request.start_after.as_ref().map(|after| format!("{root}{after}")),
                    token: request.cursor.clone(),
                    max_keys: most,
                };
                connection.s3.list(wanted).await
            })
            .await?;
        let request_id = page.request_id.clone();
        let page = relative(page, &connection.prefix);
        let rows = (page.objects.len() + page.prefixes.len()) as u64;
        self.left = self.left.saturating_sub(rows);
        self.request.cursor.clone_from(&page.cursor);
        self.done = page.cursor.is_none() || self.left == 0;
        Ok(((page, request_id), connection))
    }
}

/// Keys without the resource's prefix. What lies outside it is left out, whatever the store answers.
fn relative(page: ListPage, root: &str) -> ObjectPage {
    let objects = page.objects.into_iter().filter_map(|mut object| {
        object.key = object.key.strip_prefix(root)?.to_owned();
        Some(object)
    });
    let prefixes =
        page.prefixes.into_iter().filter_map(|prefix| prefix.strip_prefix(root).map(str::to_owned));
    ObjectPage {
        objects: objects.collect(),
        prefixes: prefixes.collect(),
        truncated: page.next.is_some(),
        cursor: page.next,
    }
}

fn full_key(prefix: &str, key: &str) -> Result<ObjectKey, AwsError> {
    ObjectKey::under(prefix, key).map_err(|error| {
        let code = match error {
            KeyError::TooLong(_) => "KeyTooLongError",
            KeyError::Empty | KeyError::Nul => "InvalidObjectKey",
        };
        AwsError::new(ErrorKind::InvalidRequest, "s3", code, error.to_string())
    })
}

/// A condition that the provider ignores would overwrite what it should protect.
fn check_condition(connection: &Connection, options: &PutOptions) -> Result<(), AwsError> {
    let conditional = options.if_none_match.is_some() || options.if_match.is_some();
    if !conditional || connection.plan.profile.conditional_put {
        return Ok(());
    }
    Err(unsupported(connection, "conditions on uploads"))
}

fn unsupported(connection: &Connection, what: &str) -> AwsError {
    let profile = connection.plan.profile.id;
    let text = format!(
        "the provider profile `{profile}` does not promise {what}: if the store has them, set `provider` to what it is"
    );
    AwsError::new(ErrorKind::Unsupported, "s3", "NotSupportedByProvider", text)
}

/// A body of unknown length shows only on its way that it is larger than the resource allows.
fn too_large(error: Error) -> Error {
    match error {
        Error::Upstream(upstream)
            if upstream.kind == ErrorKind::BrokenBody && upstream.code == "EntityTooLarge" =>
        {
            Error::TooLarge(upstream.message)
        }
        other => other,
    }
}

fn broken(text: &str) -> Error {
    AwsError::new(ErrorKind::BrokenBody, "s3", "RequestTimeout", text).into()
}

fn guessed_type(key: &str) -> Option<String> {
    mime_guess::from_path(key).first_raw().map(str::to_owned)
}
