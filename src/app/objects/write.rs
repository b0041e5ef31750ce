//! Writing: one PUT or parts, repeated after a rotation where the body is still there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::app::connection::Connection;
use crate::app::objects::{Body, Outcome, Query, full_key, require};
use crate::app::{App, Error, Resource};
use crate::aws::s3::Uploaded;
use crate::aws::source::Source;
use crate::aws::upload::{Leftover, Leftovers, MULTIPART_FROM};
use crate::aws::{AwsError, ErrorKind};
use crate::model::name::Name;
use crate::model::object::{PutOptions, PutResult};
use crate::model::operation::Operation;
use crate::model::principal::Caller;
use crate::model::provider::Feature;
use crate::model::upload::StoreEncryption;

/// A body up to this size is gathered, so that it can be sent again after a rotation.
const REPLAYABLE: u64 = 1 << 20;

/// What is read of a body that is refused, so that its sender gets to read the answer.
const DRAIN_BYTES: u64 = 64 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(3);

/// An object that was written.
pub type Written = Outcome<PutResult>;

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

impl App {
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
            Err(AwsError::new(
                ErrorKind::Internal,
                "s3",
                "InternalError",
                "the upload ended unexpectedly: look whether the object was written",
            )
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
        options.check_headers()?;
        options.extras.validate().map_err(Error::BadRequest)?;
        // what an upload sets besides the object is allowed by itself
        if options.extras.acl.is_some() {
            self.begin(caller, name, Operation::PutAcl, Some(key)).await?;
        }
        if !options.extras.tags.is_empty() {
            self.begin(caller, name, Operation::PutTags, Some(key)).await?;
        }
        let query = self.begin(caller, name, Operation::Put, Some(key)).await?;
        let most = query.resource.record.definition.limits.max_put_bytes;
        if let (Some(most), Some(length)) = (most, length)
            && length > most
        {
            let refused = Err(Error::TooLarge(format!(
                "the body has {length} bytes and the resource allows uploads of {most}"
            )));
            return self.end(&query, refused, |_: &PutResult| (Some(length), None)).await;
        }
        options.content_type.get_or_insert_with(|| guessed_type(key));
        let outcome = match length.filter(|length| *length <= REPLAYABLE) {
            Some(length) => self.write_small(&query, environment, key, &options, source, length).await,
            None => self.write_stream(&query, environment, key, &options, source, length).await,
        }
        .map_err(too_large);
        let size = source.taken();
        let outcome = match outcome {
            Ok((uploaded, connection)) if uploaded.untagged => {
                let tags = options.extras.tags.iter().cloned().collect();
                let tagged = self.tag_written(&query.resource, environment, key, &tags).await;
                tagged.map(|()| (uploaded, connection))
            }
            outcome => outcome,
        };
        let outcome = self.end(&query, outcome, |uploaded| (Some(size), uploaded.request_id.clone())).await?;
        let Uploaded { etag, version_id, checksum, .. } = outcome.value;
        Ok(Outcome {
            value: PutResult { key: key.to_owned(), etag, version_id, size, checksum },
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
                check_features(&connection, options)?;
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
        check_features(&connection, options)?;
        // what was streamed to the store and not kept is gone
        if !source.rewind() {
            let text = "the credentials were replaced while the body was being sent: send it again";
            return Err(AwsError::new(ErrorKind::Throttled, "s3", "OperationAborted", text));
        }
        connection.s3.put_stream(&full, options, source, length, leftovers).await
    }

    /// An upload whose key was replaced half-way cannot be aborted with that key, but with the one after it.
    pub(super) async fn abort_leftovers(
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
}

/// A condition that the provider ignores would overwrite what it should protect, and the rest would be lost without a
/// word; an ACL or encryption that it ignores would leave an object open that should not be.
pub(super) fn check_features(connection: &Connection, options: &PutOptions) -> Result<(), AwsError> {
    let extras = &options.extras;
    let defaults = &connection.plan.defaults;
    let encryption = extras.encryption.as_ref().unwrap_or(&defaults.encryption);
    let encrypted = *encryption != StoreEncryption::BucketDefault;
    if defaults.customer_key.is_some() && extras.encryption.is_some() {
        let text = "the resource encrypts with a key of its own (`sse_c`) and could not read what is encrypted otherwise: leave the encryption out, or use another resource";
        return Err(AwsError::new(ErrorKind::InvalidRequest, "s3", "InvalidRequest", text));
    }
    let needed = [
        (options.if_none_match.is_some(), Feature::OnlyNew),
        (options.if_match.is_some(), Feature::ConditionalPut),
        (extras.acl.or(defaults.acl).is_some(), Feature::ObjectAcl),
        (!extras.tags.is_empty(), Feature::ObjectTags),
        (encrypted, Feature::Encryption),
        (extras.checksum.is_some(), Feature::Checksums),
    ];
    needed.into_iter().filter(|(needs, _)| *needs).try_for_each(|(_, feature)| require(connection, feature))
}

/// The same for what the resource gives to every upload, where a query gives nothing in its place.
pub(super) fn check_defaults(connection: &Connection, with_acl: bool) -> Result<(), AwsError> {
    let defaults = &connection.plan.defaults;
    if with_acl && defaults.acl.is_some() {
        require(connection, Feature::ObjectAcl)?;
    }
    if defaults.encryption == StoreEncryption::BucketDefault {
        return Ok(());
    }
    require(connection, Feature::Encryption)
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

/// By the ending of the key. Stores would name bytes of no known kind each in its own way.
pub(super) fn guessed_type(key: &str) -> String {
    mime_guess::from_path(key).first_raw().unwrap_or("application/octet-stream").to_owned()
}
