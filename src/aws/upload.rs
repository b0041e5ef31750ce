//! Uploads: one PUT for small bodies, parts for large ones and for those of unknown length.
//!
//! A part is streamed from the sender to the store; only a body of unknown length is gathered, a part at a
//! time, because S3 wants each part's length first. Whatever fails after the start of a multipart upload
//! aborts it, so that no parts are left to pay for.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use crate::aws::body::Source;
use crate::aws::error::body_code;
use crate::aws::s3::{S3, Uploaded};
use crate::aws::{AwsError, ErrorKind};
use crate::model::object::{BodyError, ObjectKey, PutOptions};

const SERVICE: &str = "s3";
/// From this size on an upload goes in parts.
pub const MULTIPART_FROM: u64 = 16 << 20;
/// The size of a streamed part; grows when 10,000 of them would not do (S3 user guide, multipart limits).
const PART: u64 = 16 << 20;
const MOST_PARTS: u64 = 10_000;
/// The size of a gathered part: one is in memory at a time.
const GATHERED_PART: usize = 8 << 20;
/// An upload that moves no byte for this long, besides the answer's own timeout, is dead.
const IDLE: Duration = Duration::from_mins(1);

/// A multipart upload that failed and could not be aborted with the credentials that it was made with.
#[derive(Debug)]
pub struct Leftover {
    /// Of the object.
    pub key: ObjectKey,
    /// Of the upload.
    pub upload_id: String,
}

/// What uploads left behind, to be aborted with other credentials.
#[derive(Debug, Default)]
pub struct Leftovers(Mutex<Vec<Leftover>>);

impl Leftovers {
    fn keep(&self, key: &ObjectKey, upload_id: String) {
        let leftover = Leftover { key: key.clone(), upload_id };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(leftover);
    }

    /// All of them; none are kept any more.
    pub fn take(&self) -> Vec<Leftover> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl S3 {
    /// Writes bytes that are in memory; a failure that may be gone a moment later is tried again.
    pub async fn put_bytes(
        &self,
        key: &ObjectKey,
        options: &PutOptions,
        bytes: Bytes,
    ) -> Result<Uploaded, AwsError> {
        match &self.direct {
            Some(direct) => self.within(direct.put_bytes(key, options, bytes)).await,
            // boxed: its state is large, and few take it
            None => Box::pin(self.put_bytes_by_sdk(key, options, bytes)).await,
        }
    }

    async fn put_bytes_by_sdk(
        &self,
        key: &ObjectKey,
        options: &PutOptions,
        bytes: Bytes,
    ) -> Result<Uploaded, AwsError> {
        let call =
            self.put_call(key, options).body(ByteStream::from(bytes)).customize().disable_payload_signing();
        Ok(put_outcome(self.timed(call.send()).await?))
    }

    /// Writes a body that is streamed: in one request when it is known to be small, else in parts.
    pub async fn put_stream(
        &self,
        key: &ObjectKey,
        options: &PutOptions,
        source: &Source,
        length: Option<u64>,
        leftovers: &Leftovers,
    ) -> Result<Uploaded, AwsError> {
        let Some(length) = length.filter(|length| *length < MULTIPART_FROM) else {
            return Box::pin(self.put_parts(key, options, source, length, leftovers)).await;
        };
        if let Some(direct) = &self.direct {
            let call = direct.put_stream(key, options, source, length);
            return self.watching(|| source.taken(), call).await;
        }
        let call = self
            .put_call(key, options)
            .content_length(i64::try_from(length).unwrap_or(i64::MAX))
            .body(ByteStream::new(source.part(length)))
            .customize()
            .disable_payload_signing();
        Ok(put_outcome(self.watched(|| source.taken(), call.send()).await?))
    }

    async fn put_parts(
        &self,
        key: &ObjectKey,
        options: &PutOptions,
        source: &Source,
        length: Option<u64>,
        leftovers: &Leftovers,
    ) -> Result<Uploaded, AwsError> {
        let mut first = None;
        if length.is_none() {
            let gathered = source.collect(GATHERED_PART).await.map_err(|error| broken(&error))?;
            if gathered.len() < GATHERED_PART {
                let outcome = self.put_bytes(key, options, gathered.clone()).await;
                return outcome.inspect_err(|_| source.put_back(&gathered));
            }
            first = Some(gathered);
        }
        let upload_id = self
            .create_multipart(key, options)
            .await
            .inspect_err(|_| first.iter().for_each(|gathered| source.put_back(gathered)))?;
        let outcome = async {
            let parts = match length {
                Some(length) => self.stream_parts(key, &upload_id, source, length).await?,
                None => self.gather_parts(key, &upload_id, source, first).await?,
            };
            self.complete(key, options, &upload_id, parts).await
        }
        .await;
        if outcome.is_err()
            && let Err(error) = self.abort_multipart(key, &upload_id).await
        {
            tracing::info!(upload_id, code = error.code, "an upload failed and could not be aborted yet");
            leftovers.keep(key, upload_id);
        }
        outcome
    }

    async fn stream_parts(
        &self,
        key: &ObjectKey,
        upload_id: &str,
        source: &Source,
        length: u64,
    ) -> Result<Vec<CompletedPart>, AwsError> {
        let size = PART.max(length.div_ceil(MOST_PARTS).next_multiple_of(1 << 20));
        let mut parts = Vec::new();
        let mut left = length;
        let mut number = 0;
        while left > 0 {
            number += 1;
            let this = size.min(left);
            let call = self.part_call(key, upload_id, number, this, source.part(this));
            let done =
                self.watched(|| source.taken(), call.customize().disable_payload_signing().send()).await?;
            parts.push(CompletedPart::builder().part_number(number).set_e_tag(done.e_tag).build());
            left -= this;
        }
        Ok(parts)
    }

    async fn gather_parts(
        &self,
        key: &ObjectKey,
        upload_id: &str,
        source: &Source,
        first: Option<Bytes>,
    ) -> Result<Vec<CompletedPart>, AwsError> {
        let mut parts = Vec::new();
        let mut next = first.unwrap_or_default();
        let mut number = 0;
        while !next.is_empty() {
            number += 1;
            let last = next.len() < GATHERED_PART;
            let call = self.part_call(key, upload_id, number, next.len() as u64, SdkBody::from(next));
            let done = self.timed(call.customize().disable_payload_signing().send()).await?;
            parts.push(CompletedPart::builder().part_number(number).set_e_tag(done.e_tag).build());
            if last {
                break;
            }
            next = source.collect(GATHERED_PART).await.map_err(|error| broken(&error))?;
        }
        Ok(parts)
    }

    fn part_call(
        &self,
        key: &ObjectKey,
        upload_id: &str,
        number: i32,
        length: u64,
        body: SdkBody,
    ) -> aws_sdk_s3::operation::upload_part::builders::UploadPartFluentBuilder {
        self.client
            .upload_part()
            .bucket(&self.bucket)
            .key(key.as_str())
            .upload_id(upload_id)
            .part_number(number)
            .content_length(i64::try_from(length).unwrap_or(i64::MAX))
            .body(ByteStream::new(body))
            .set_expected_bucket_owner(self.expected_owner())
            .set_request_payer(self.payer())
    }

    async fn complete(
        &self,
        key: &ObjectKey,
        options: &PutOptions,
        upload_id: &str,
        parts: Vec<CompletedPart>,
    ) -> Result<Uploaded, AwsError> {
        let call = self
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(key.as_str())
            .upload_id(upload_id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .set_if_none_match(options.if_none_match.clone())
            .set_if_match(options.if_match.clone())
            .set_expected_bucket_owner(self.expected_owner())
            .set_request_payer(self.payer());
        // a store may take long to put the parts together, and answers only then
        let done = self.watched(|| 0, call.send()).await?;
        let request_id = done.request_id().map(str::to_owned);
        // Ceph RGW 16 answers with an empty tag here
        let etag = done.e_tag.filter(|tag| !tag.is_empty());
        Ok(Uploaded { etag, version_id: done.version_id, request_id })
    }

    /// Bounds a call of the SDK that streams, as [`S3::watching`] does.
    fn watched<T, E>(
        &self,
        progress: impl Fn() -> u64,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> impl Future<Output = Result<T, AwsError>>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        // boxed here: calls of the SDK hold large state
        let call = Box::pin(call);
        self.watching(progress, async { call.await.map_err(|error| AwsError::from_sdk(SERVICE, &error)) })
    }

    /// Bounds a call that streams: not its whole time, but the time in which no byte moves.
    async fn watching<T>(
        &self,
        progress: impl Fn() -> u64,
        call: impl Future<Output = Result<T, AwsError>>,
    ) -> Result<T, AwsError> {
        let idle = self.timeout + IDLE;
        let mut call = Box::pin(call);
        let mut seen = progress();
        loop {
            match tokio::time::timeout(idle, &mut call).await {
                Ok(outcome) => return outcome,
                Err(_) if progress() == seen => return Err(AwsError::timeout(SERVICE, idle.as_millis())),
                Err(_) => seen = progress(),
            }
        }
    }
}

fn put_outcome(done: aws_sdk_s3::operation::put_object::PutObjectOutput) -> Uploaded {
    let request_id = done.request_id().map(str::to_owned);
    Uploaded { etag: done.e_tag, version_id: done.version_id, request_id }
}

fn broken(error: &BodyError) -> AwsError {
    AwsError::new(ErrorKind::BrokenBody, SERVICE, body_code(error), error.to_string())
}
