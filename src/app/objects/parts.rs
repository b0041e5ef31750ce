//! One part of an upload that goes through the service: streamed, like any other body.

use std::sync::Arc;
use std::time::Duration;

use crate::app::connection::Connection;
use crate::app::objects::multipart::within_parts;
use crate::app::objects::{Body, Outcome, Query, Target, full_key, require, require_upload};
use crate::app::{App, Error};
use crate::aws::s3::Uploaded;
use crate::aws::source::Source;
use crate::aws::{AwsError, ErrorKind};
use crate::model::multipart::{MOST_PARTS, UploadedPart};
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::principal::Caller;
use crate::model::provider::Feature;
use crate::model::upload::Checksum;

/// A part up to this size is kept while it is sent, so that it can be sent again after a rotation.
const KEPT: u64 = 16 << 20;
/// What is read of a body that is refused, so that its sender gets to read the answer.
const DRAIN_BYTES: u64 = 64 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(3);

/// A part to send.
pub struct PartUpload {
    /// The key, relative to the resource's prefix.
    pub key: String,
    /// The upload.
    pub upload_id: String,
    /// 1 to 10000.
    pub number: u32,
    /// The bytes.
    pub body: Body,
    /// How many, when it is known.
    pub length: Option<u64>,
    /// With its value.
    pub checksum: Option<Checksum>,
}

/// Which part, and what it is checked by.
#[derive(Clone, Copy)]
struct Place<'a> {
    key: &'a str,
    upload_id: &'a str,
    number: u32,
    checksum: Option<&'a Checksum>,
}

impl App {
    /// Sends one part. It is sent in a task of its own: what was sent is audited although the caller went away.
    pub async fn upload_part(
        self: &Arc<Self>,
        target: Target<'_>,
        part: PartUpload,
    ) -> Result<Outcome<UploadedPart>, Error> {
        let Target { caller, resource, environment } = target;
        let (app, caller, resource, environment) =
            (Arc::clone(self), caller.clone(), resource.to_owned(), environment.clone());
        let PartUpload { key, upload_id, number, body, length, checksum } = part;
        check(checksum.as_ref()).map_err(Error::BadRequest)?;
        let source = Source::new(body);
        let task = self.tracker.spawn(async move {
            let place = Place { key: &key, upload_id: &upload_id, number, checksum: checksum.as_ref() };
            let outcome = app.send_part(&caller, &resource, &environment, place, &source, length).await;
            if outcome.is_err() {
                tokio::time::timeout(DRAIN_TIME, source.drain(DRAIN_BYTES)).await.ok();
            }
            outcome
        });
        task.await.unwrap_or_else(|_| {
            let text = "the upload of the part ended unexpectedly: send the part again";
            Err(AwsError::new(ErrorKind::Internal, "s3", "InternalError", text).into())
        })
    }

    async fn send_part(
        self: &Arc<Self>,
        caller: &Caller,
        resource: &str,
        environment: &Name,
        place: Place<'_>,
        source: &Source,
        length: Option<u64>,
    ) -> Result<Outcome<UploadedPart>, Error> {
        let Place { key, number, checksum, upload_id } = place;
        require_upload(upload_id)?;
        if !(1..=MOST_PARTS).contains(&number) {
            let text = format!("`{number}` is no part: they are numbered from 1 to {MOST_PARTS}");
            return Err(Error::BadRequest(text));
        }
        let length = length.ok_or_else(|| {
            Error::BadRequest("say how many bytes the part has: send `Content-Length`".to_owned())
        })?;
        let mut query = self.begin(caller, resource, Operation::Multipart, Some(key)).await?;
        query.note = Some(format!("part {number}"));
        let outcome = if let Err(error) = fits(&query, length) {
            Err(error)
        } else {
            let kib = (length <= KEPT).then(|| u32::try_from(length / 1024 + 1).unwrap_or(u32::MAX));
            let room = kib.and_then(|kib| self.replays.try_acquire_many(kib).ok());
            let _room = room.inspect(|_| source.keep());
            self.with_connection(&query.resource, environment, |connection| {
                send_once(connection, place, source, length)
            })
            .await
        };
        let outcome = self.end(&query, outcome, |sent| (Some(length), sent.request_id.clone())).await?;
        Ok(Outcome {
            value: UploadedPart {
                part_number: number,
                etag: outcome.value.etag,
                size: length,
                last_modified: None,
                checksum: checksum.cloned(),
            },
            freshness: outcome.freshness,
        })
    }
}

async fn send_once(
    connection: Arc<Connection>,
    place: Place<'_>,
    source: &Source,
    length: u64,
) -> Result<Uploaded, AwsError> {
    let full = full_key(&connection.prefix, place.key)?;
    within_parts(&connection, Some(place.number))?;
    if place.checksum.is_some() {
        require(&connection, Feature::Checksums)?;
    }
    // what was streamed to the store and not kept is gone
    if !source.rewind() {
        let text = "the credentials were replaced while the part was being sent: send it again";
        return Err(AwsError::new(ErrorKind::Throttled, "s3", "OperationAborted", text));
    }
    let part = (place.upload_id, place.number);
    connection.s3.upload_part(&full, part, place.checksum, source, length).await
}

/// It goes before the body, which is not read for it.
fn check(checksum: Option<&Checksum>) -> Result<(), String> {
    match checksum {
        None => Ok(()),
        Some(Checksum { algorithm, value: None }) => {
            Err(format!("give the checksum of the part: `x-amz-checksum-{}`", algorithm.as_str()))
        }
        Some(checksum) => checksum.validate(),
    }
}

/// A part that is larger than a whole may be cannot become one.
fn fits(query: &Query<'_>, length: u64) -> Result<(), Error> {
    match query.resource.record.definition.limits.max_put_bytes {
        Some(most) if length > most => Err(Error::TooLarge(format!(
            "the part has {length} bytes and the resource allows uploads of {most}"
        ))),
        _ => Ok(()),
    }
}
