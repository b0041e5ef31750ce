//! Uploads: one PUT for small bodies, parts for large ones and for those of unknown length.
//!
//! Uploads in parts are in `parts`; here is what goes in one request, and what bounds both in time.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use bytes::Bytes;

use crate::aws::direct::write::Streamed;
use crate::aws::error::body_code;
use crate::aws::frames::Frames;
use crate::aws::s3::checksum::{checked, checksum_header};
use crate::aws::s3::options::{HeaderList, UploadCall};
use crate::aws::s3::{S3, Uploaded, with_headers};
use crate::aws::source::Source;
use crate::aws::{AwsError, ErrorKind};
use crate::model::object::{BodyError, ObjectKey, PutOptions};
use crate::model::provider::Checksums;
use crate::model::resource::PayloadSigning;
use crate::model::upload::{Checksum, ChecksumAlgorithm};

const SERVICE: &str = "s3";
/// From this size on an upload goes in parts.
pub const MULTIPART_FROM: u64 = 16 << 20;
/// The algorithm that the SDK takes where none is named.
const DEFAULT_CHECKSUM: ChecksumAlgorithm = ChecksumAlgorithm::Crc32;
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
    pub(in crate::aws) fn keep(&self, key: &ObjectKey, upload_id: String) {
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
        let mut headers = self.upload_headers(options, UploadCall::Whole)?;
        let checksum = match &options.extras.checksum {
            Some(wanted) => Some(checked(wanted, &bytes)?),
            None => None,
        };
        headers.extend(checksum.iter().filter_map(checksum_header));
        match &self.direct {
            Some(direct) => {
                // as the SDK does it by itself
                if checksum.is_none() && self.profile.checksums == Checksums::WhenSupported {
                    headers.extend(checksum_header(&default_checksum(&bytes)?));
                }
                Ok(Uploaded { checksum, ..self.within(direct.put_bytes(key, headers, bytes)).await? })
            }
            // boxed: its state is large, and few take it
            None => Box::pin(self.put_bytes_by_sdk(key, headers, checksum, bytes)).await,
        }
    }

    async fn put_bytes_by_sdk(
        &self,
        key: &ObjectKey,
        headers: HeaderList,
        checksum: Option<Checksum>,
        bytes: Bytes,
    ) -> Result<Uploaded, AwsError> {
        let call = self
            .put_call(key)
            .body(ByteStream::from(bytes))
            .customize()
            .mutate_request(with_headers(headers));
        let signs = self.payload_signing == PayloadSigning::Always;
        let call = if signs { call } else { call.disable_payload_signing() };
        let call = if checksum.is_some() { call.config_override(own_checksum()) } else { call };
        Ok(put_outcome(self.timed(call.send()).await?, checksum))
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
        if options.extras.checksum.as_ref().is_some_and(|wanted| wanted.value.is_none()) {
            // its header comes before the body
            let bytes = gather(source, length).await?;
            return self.put_bytes(key, options, bytes).await;
        }
        let mut headers = self.upload_headers(options, UploadCall::Whole)?;
        let checksum = options.extras.checksum.clone();
        headers.extend(checksum.iter().filter_map(checksum_header));
        if let Some(direct) = &self.direct {
            let body = Streamed { source, length, part: None, may_trail: true };
            let call = direct.put_stream(key, headers, body);
            let done = self.watching(|| source.taken(), call).await?;
            return Ok(Uploaded { checksum, ..done });
        }
        self.refuse_signed_stream()?;
        let call = self
            .put_call(key)
            .content_length(i64::try_from(length).unwrap_or(i64::MAX))
            .body(ByteStream::new(source.part(length)))
            .customize()
            .mutate_request(with_headers(headers))
            .disable_payload_signing();
        let call = if checksum.is_some() { call.config_override(own_checksum()) } else { call };
        Ok(put_outcome(self.watched(|| source.taken(), call.send()).await?, checksum))
    }

    /// Sends the next bytes of a source as a part; again when that may help, as far as the source can go back.
    ///
    /// `announced` says that the upload was begun with the provider's own checksum, so that each part carries one; of
    /// an upload that was begun without, AWS takes no part that has one.
    pub(in crate::aws) async fn put_part(
        &self,
        key: &ObjectKey,
        part: (&str, u32),
        checksum: Option<&Checksum>,
        (source, length): (&Source, u64),
        announced: bool,
    ) -> Result<Uploaded, AwsError> {
        let headers: HeaderList = checksum.and_then(checksum_header).into_iter().collect();
        let Some(direct) = &self.direct else {
            // boxed: its state is large, and few take it
            return Box::pin(self.put_part_by_sdk(key, part, headers, (source, length), announced)).await;
        };
        let body = Streamed { source, length, part: Some(part), may_trail: announced };
        self.watching(|| source.taken(), direct.put_stream(key, headers, body)).await
    }

    async fn put_part_by_sdk(
        &self,
        key: &ObjectKey,
        (upload_id, number): (&str, u32),
        headers: HeaderList,
        (source, length): (&Source, u64),
        announced: bool,
    ) -> Result<Uploaded, AwsError> {
        self.refuse_signed_stream()?;
        let own = !headers.is_empty() || !announced;
        let call = self
            .client
            .upload_part()
            .bucket(&self.bucket)
            .key(key.as_str())
            .upload_id(upload_id)
            .part_number(i32::try_from(number).unwrap_or(i32::MAX))
            .content_length(i64::try_from(length).unwrap_or(i64::MAX))
            .body(ByteStream::new(source.part(length)))
            .set_expected_bucket_owner(self.expected_owner())
            .set_request_payer(self.payer())
            .customize()
            .mutate_request(with_headers(headers))
            .disable_payload_signing();
        let call = if own { call.config_override(own_checksum()) } else { call };
        let done = self.watched(|| source.taken(), call.send()).await?;
        let request_id = done.request_id().map(str::to_owned);
        let checksum =
            done.checksum_crc32.map(|value| Checksum { algorithm: DEFAULT_CHECKSUM, value: Some(value) });
        Ok(Uploaded { etag: done.e_tag, version_id: None, request_id, checksum, untagged: false })
    }

    /// What cannot be signed as it streams, and must be, is refused before anything is sent.
    pub(in crate::aws) fn refuse_signed_stream(&self) -> Result<(), AwsError> {
        if let Some(direct) = &self.direct {
            return direct.signs_stream().map(drop);
        }
        if self.payload_signing != PayloadSigning::Always {
            return Ok(());
        }
        let text = "uploads to a bucket with such an address are not signed as they stream: set `payload_signing` of the resource to `auto`, or reach the bucket by its name";
        Err(AwsError::new(ErrorKind::Unsupported, SERVICE, "NotSupportedByProvider", text))
    }

    pub(in crate::aws) async fn complete(
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
            .set_if_match(options.if_match.clone())
            .set_expected_bucket_owner(self.expected_owner())
            .set_request_payer(self.payer())
            .customize()
            .mutate_request(with_headers(self.only_new(options.if_none_match.clone()).into_iter().collect()));
        // a store may take long to put the parts together, and answers only then
        let done = self.watched(|| 0, call.send()).await?;
        let request_id = done.request_id().map(str::to_owned);
        // Ceph RGW 16 answers with an empty tag here
        let etag = done.e_tag.filter(|tag| !tag.is_empty());
        Ok(Uploaded { etag, version_id: done.version_id, request_id, checksum: None, untagged: false })
    }

    /// Bounds a call of the SDK that streams, as [`S3::watching`] does.
    pub(in crate::aws) fn watched<T, E>(
        &self,
        progress: impl Fn() -> u64,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> impl Future<Output = Result<T, AwsError>>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        // calls hold large state: boxed before anything is awaited, so that it is part of no other
        let call = Box::pin(call);
        self.watching(progress, async { call.await.map_err(|error| AwsError::from_sdk(SERVICE, &error)) })
    }

    /// Bounds a call that streams: not its whole time, but the time in which no byte moves.
    pub(in crate::aws) fn watching<T>(
        &self,
        progress: impl Fn() -> u64,
        call: impl Future<Output = Result<T, AwsError>>,
    ) -> impl Future<Output = Result<T, AwsError>> {
        let idle = self.timeout + IDLE;
        let mut call = Box::pin(call);
        async move {
            let mut seen = progress();
            loop {
                match tokio::time::timeout(idle, &mut call).await {
                    Ok(outcome) => return outcome,
                    Err(_) if progress() == seen => {
                        return Err(AwsError::timeout(SERVICE, idle.as_millis()));
                    }
                    Err(_) => seen = progress(),
                }
            }
        }
    }
}

/// The one that the SDK would add.
fn default_checksum(bytes: &[u8]) -> Result<Checksum, AwsError> {
    checked(&Checksum { algorithm: DEFAULT_CHECKSUM, value: None }, bytes)
}

/// For calls that carry a checksum of ours.
pub(in crate::aws) fn own_checksum() -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::Config::builder().request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
}

fn put_outcome(
    done: aws_sdk_s3::operation::put_object::PutObjectOutput,
    checksum: Option<Checksum>,
) -> Uploaded {
    let request_id = done.request_id().map(str::to_owned);
    Uploaded { etag: done.e_tag, version_id: done.version_id, request_id, checksum, untagged: false }
}

/// The next bytes of a body, all of them.
async fn gather(source: &Source, length: u64) -> Result<Bytes, AwsError> {
    let bytes = source.collect_part(usize::try_from(length).unwrap_or(usize::MAX)).await;
    let bytes = bytes.map_err(|error| broken(&error))?;
    whole(bytes.len() as u64, length)?;
    Ok(bytes)
}

/// The same in the pieces that they come in.
pub(in crate::aws) async fn gather_frames(source: &Source, length: u64) -> Result<Frames, AwsError> {
    let frames = source.collect_frames(length).await.map_err(|error| broken(&error))?;
    whole(frames.length(), length)?;
    Ok(frames)
}

fn whole(came: u64, length: u64) -> Result<(), AwsError> {
    match length.saturating_sub(came) {
        0 => Ok(()),
        left => Err(broken(&BodyError::EndedEarly(format!("{left} bytes were still to come")))),
    }
}

/// What it means for an upload that its body did not come to its end.
pub fn broken(error: &BodyError) -> AwsError {
    AwsError::new(ErrorKind::BrokenBody, SERVICE, body_code(error), error.to_string())
}
