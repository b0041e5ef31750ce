//! Queries over objects: what they all have in common. Each family of operations has a file of its own.
//!
//! A query is audited whatever its outcome, counted, and bounded by the resource's limits. One that reads or writes
//! a single object is one call to the store. Bodies are streams in both directions.

mod acl;
pub(in crate::app) mod bucket;
mod bucket_change;
mod bulk;
mod bulk_delete;
mod change;
mod confirm;
mod content;
mod copy;
mod delete;
mod list;
mod list_rows;
mod multipart;
mod parts;
mod read;
mod relay;
mod rename;
mod restore;
mod route;
mod row;
mod sign;
mod tags;
mod taken;
mod versions;
mod write;

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use crate::app::connection::{Connection, Freshness};
use crate::app::{App, Error, Resource, audit, meters};
use crate::aws::{AwsError, ErrorKind};
use crate::model::name::Name;
use crate::model::object::{KeyError, ObjectKey};
use crate::model::operation::Operation;
use crate::model::principal::Caller;
use crate::model::provider::Feature;

pub use crate::aws::body::UploadBody as Body;

pub use bucket_change::{Care, Wanted};
pub use bulk::{BulkEnd, BulkKey, BulkMark, Progress, Step};
pub use content::{Content, ContentBody, ContentOptions, MOST_CONTENT};
pub use list::Listing;
pub use parts::PartUpload;
pub use read::Opened;
pub use write::{Upload, Written};

const EMPTY_VERSION: &str = "`version` is empty: name a version, or leave it out";

/// What a query came to.
#[derive(Debug, Clone)]
pub struct Outcome<T> {
    /// The answer.
    pub value: T,
    /// How fresh its secrets were.
    pub freshness: Freshness,
}

/// Who asks, and of which resource in which environment.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Who.
    pub caller: &'a Caller,
    /// The resource's name.
    pub resource: &'a str,
    /// Where.
    pub environment: &'a Name,
}

/// What the store answered to one call, with what its audit row tells.
#[derive(Debug)]
pub(super) struct Answered<T> {
    pub(super) value: T,
    pub(super) bytes: Option<u64>,
    pub(super) request_id: Option<String>,
}

/// The query that runs, for its audit row.
struct Query<'a> {
    caller: &'a Caller,
    resource: Arc<Resource>,
    operation: Operation,
    key: Option<&'a str>,
    started: Instant,
    /// What the audit row tells besides.
    note: Option<String>,
}

impl App {
    /// A query of one call: allowed, made with credentials that heal, counted and audited.
    pub(super) async fn run<T, C, F>(
        self: &Arc<Self>,
        target: Target<'_>,
        operation: Operation,
        key: Option<&str>,
        call: C,
    ) -> Result<Outcome<T>, Error>
    where
        C: Fn(Arc<Connection>) -> F,
        F: Future<Output = Result<Answered<T>, AwsError>>,
    {
        let query = self.begin(target.caller, target.resource, operation, key).await?;
        let outcome = self.with_connection(&query.resource, target.environment, call).await;
        let describe = |answered: &Answered<T>| (answered.bytes, answered.request_id.clone());
        let outcome = self.end(&query, outcome, describe).await?;
        Ok(Outcome { value: outcome.value.value, freshness: outcome.freshness })
    }

    /// Starts a query: the resource exists for the caller and allows the operation.
    async fn begin<'a>(
        &self,
        caller: &'a Caller,
        name: &str,
        operation: Operation,
        key: Option<&'a str>,
    ) -> Result<Query<'a>, Error> {
        let resource = self.known_resource(caller, name)?;
        if let Some(unsent) = &self.unsent {
            unsent.begin(operation, &resource);
            return Ok(Query { caller, resource, operation, key, started: Instant::now(), note: None });
        }
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
        Ok(Query { caller, resource, operation, key, started: Instant::now(), note: None })
    }

    /// Counts and audits what came of a query.
    async fn end<T>(
        &self,
        query: &Query<'_>,
        mut outcome: Result<(T, Arc<Connection>), Error>,
        describe: impl FnOnce(&T) -> (Option<u64>, Option<String>),
    ) -> Result<Outcome<T>, Error> {
        if self.unsent.is_some() {
            let (value, connection) = outcome?;
            return Ok(Outcome { value, freshness: connection.freshness() });
        }
        let operation = query.operation.as_str();
        let mut event = audit::event(query.caller, "", query.resource.name().as_str(), self.clock.now_ms());
        event.action = ["object.", operation].concat();
        event.key = query.key.map(str::to_owned);
        let label = match &mut outcome {
            Ok((value, connection)) => {
                (event.bytes, event.upstream_request_id) = describe(value);
                let stand_in = connection
                    .stand_in
                    .as_ref()
                    .map(|stand_in| format!("with {} in place of AWSCURRENT", stand_in.stage));
                let told: Vec<String> = query.note.clone().into_iter().chain(stand_in).collect();
                event.detail = (!told.is_empty()).then(|| told.join("; "));
                event.secrets = connection.used_secrets();
                "ok"
            }
            Err(error) => {
                if let Error::Upstream(upstream) = error {
                    upstream.operation = Some(query.operation);
                }
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
        meters::count(query.operation, label, query.started.elapsed());
        self.audit.note(event).await;
        let (value, connection) = outcome?;
        let freshness = connection.freshness();
        Ok(Outcome { value, freshness })
    }
}

impl Query<'_> {
    /// Whether the resource allows another operation that this one needs.
    fn also(&self, operation: Operation) -> Result<(), Error> {
        let allowed = self.resource.record.definition.operations.as_ref();
        if allowed.is_none_or(|allowed| allowed.contains(&operation)) {
            return Ok(());
        }
        Err(Error::OperationNotAllowed { resource: self.resource.name().to_string(), operation })
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

/// What the provider cannot do is refused before anything is sent.
fn require(connection: &Connection, feature: Feature) -> Result<(), AwsError> {
    let profile = connection.plan.profile;
    if profile.has(feature) {
        return Ok(());
    }
    if let Some(unsent) = &connection.unsent {
        unsent.lack(feature);
        return Ok(());
    }
    let (id, what) = (profile.id, feature.as_str());
    let text = format!(
        "the provider profile `{id}` does not promise {what}: if the store has them, set `provider` to what it is"
    );
    Err(AwsError::new(ErrorKind::Unsupported, "s3", "NotSupportedByProvider", text))
}

/// A provider without versions does not look at them: another object than the one that was meant would be read, or be gone.
fn require_version(connection: &Connection, version: Option<&str>) -> Result<(), AwsError> {
    match version {
        None => Ok(()),
        // some stores take it for no version, and would delete the object of now
        Some("") => Err(AwsError::new(ErrorKind::InvalidRequest, "s3", "InvalidRequest", EMPTY_VERSION)),
        Some(_) => require(connection, Feature::Versions),
    }
}

/// Some stores take a part of no upload for a whole object, and would replace what is there.
fn require_upload(upload_id: &str) -> Result<(), Error> {
    if upload_id.is_empty() {
        let rule = "is empty: give the one that the start of the upload answered";
        return Err(Error::field("upload_id", rule));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::app::App;
    use crate::app::connection::Connection;
    use crate::app::objects::Upload;
    use crate::model::name::Name;
    use crate::model::object::{GetOptions, ListOptions, ObjectKey};
    use crate::model::principal::Caller;

    /// Bytes; more is a fall back to what the SDK's calls made of it.
    const MOST: usize = 4_000;

    /// Bytes of the future that a call makes; nothing is called.
    fn size<A, F>(_: impl Fn(A) -> F) -> usize {
        size_of::<F>()
    }

    /// The state of a query is allocated and moved for each one: what few queries need is boxed instead.
    #[test]
    fn the_state_of_a_query_is_small() {
        type Who = (&'static Arc<App>, &'static Caller, &'static Name);
        let key =
            |(connection, key, options): (&'static Connection, &'static ObjectKey, &'static GetOptions)| {
                connection.s3.get(key, options)
            };
        let connect = |(app, resource, name): (
            &'static Arc<App>,
            &'static Arc<crate::app::Resource>,
            &'static Name,
        )| app.connect(resource, name);
        let get = |((app, caller, name), options): (Who, &'static GetOptions)| {
            app.get(caller, "r", name, "k", options)
        };
        let list = |(app, caller, name): Who| app.open_list(caller, "r", name, ListOptions::default());
        let put = |((app, caller, name), upload): (Who, Upload)| app.put(caller, "r", name, upload);
        let sizes = [
            ("s3.get", size(key)),
            ("connect", size(connect)),
            ("get", size(get)),
            ("open_list", size(list)),
            ("put", size(put)),
        ];
        for (what, bytes) in sizes {
            assert!(bytes < MOST, "{what} takes {bytes} bytes: {sizes:?}");
        }
    }
}
