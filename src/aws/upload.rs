//! Uploads: one PUT for small bodies, parts for large ones and for those of unknown length.
//!
//! A part is streamed from the sender to the store; only a body of unknown length is gathered, a part at a
//! time, because S3 wants each part's length first. Whatever fails after the start of a multipart upload
//! aborts it, so that no parts are left to pay for.

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
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use crate::aws::body::Source;
use crate::aws::error::body_code;
use crate::aws::s3::checksum::{Sums, checked, checksum_header};
use crate::aws::s3::options::{HeaderList, UploadCall};
use crate::aws::s3::{S3, Uploaded, part_checksum, with_headers};
use crate::aws::{AwsError, ErrorKind};
use crate::model::object::{BodyError, ObjectKey, PutOptions};
use crate::model::provider::{Checksums, Profile};
use crate::model::upload::{Checksum, ChecksumAlgorithm};

const SERVICE: &str = "s3";
/// From this size on an upload goes in parts.
pub const MULTIPART_FROM: u64 = 16 << 20;
/// The size of a streamed part; grows when 10,000 of them would not do (S3 user guide, multipart limits).
const PART: u64 = 16 << 20;
const MOST_PARTS: u64 = 10_000;
/// The size of a gathered part: one is in memory at a time. It is larger where a provider wants large parts, or takes
/// only few of them.
const GATHERED_PART: u64 = 8 << 20;
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
            .mutate_request(with_headers(headers))
            .disable_payload_signing();
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
            let call = direct.put_stream(key, headers, source, length);
            let done = self.watching(|| source.taken(), call).await?;
            return Ok(Uploaded { checksum, ..done });
        }
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
            let size = gathered_part(self.profile);
            let gathered = source.collect(size).await.map_err(|error| broken(&error))?;
            if gathered.len() < size {
                let outcome = self.put_bytes(key, options, gathered.clone()).await;
                return outcome.inspect_err(|_| source.put_back(&gathered));
            }
            first = Some(gathered);
        }
        let upload_id = self
            .create_multipart_with(key, options, part_checksum(self.profile))
            .await
            .inspect_err(|_| first.iter().for_each(|gathered| source.put_back(gathered)))?;
        let outcome = async {
            let mut sums = Sums::new(&options.extras);
            let parts = match length {
                Some(length) => self.stream_parts(key, &upload_id, source, length, &mut sums).await?,
                None => self.gather_parts(key, &upload_id, source, first, &mut sums).await?,
            };
            // what arrived here is not what was sent: nothing is completed
            let checksum = sums.checked(&options.extras)?;
            let done = self.complete(key, options, &upload_id, parts).await?;
            Ok(Uploaded { checksum, ..done })
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
        sums: &mut Sums,
    ) -> Result<Vec<CompletedPart>, AwsError> {
        let size = streamed_part(self.profile, length);
        let mut parts = Vec::new();
        let mut left = length;
        let mut number = 0;
        while left > 0 {
            number += 1;
            let this = size.min(left);
            if sums.is_wanted() {
                // the part's checksum comes before its bytes
                let bytes = gather(source, this).await?;
                parts.push(self.send_part(key, upload_id, number, bytes, sums).await?);
            } else {
                let call = self.part_call(key, upload_id, number, this, source.part(this));
                let done = self
                    .watched(|| source.taken(), call.customize().disable_payload_signing().send())
                    .await?;
                parts.push(completed(number, done));
            }
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
        sums: &mut Sums,
    ) -> Result<Vec<CompletedPart>, AwsError> {
        let size = gathered_part(self.profile);
        let mut parts = Vec::new();
        let mut next = first.unwrap_or_default();
        let mut number = 0;
        while !next.is_empty() {
            number += 1;
            let last = next.len() < size;
            parts.push(self.send_part(key, upload_id, number, next, sums).await?);
            if last {
                break;
            }
            next = source.collect(size).await.map_err(|error| broken(&error))?;
        }
        Ok(parts)
    }

    /// Sends a part that is in memory, with its checksum where one is wanted.
    async fn send_part(
        &self,
        key: &ObjectKey,
        upload_id: &str,
        number: i32,
        bytes: Bytes,
        sums: &mut Sums,
    ) -> Result<CompletedPart, AwsError> {
        let checksum = sums.add(&bytes);
        let headers = checksum.iter().filter_map(checksum_header).collect();
        let call = self
            .part_call(key, upload_id, number, bytes.len() as u64, SdkBody::from(bytes))
            .customize()
            .mutate_request(with_headers(headers))
            .disable_payload_signing();
        // the SDK would add the checksum of the profile beside the one that is wanted
        let call = if checksum.is_some() { call.config_override(own_checksum()) } else { call };
        let done = self.timed(call.send()).await?;
        let Some(Checksum { algorithm, value }) = checksum else { return Ok(completed(number, done)) };
        let part = CompletedPart::builder().part_number(number).set_e_tag(done.e_tag);
        let part = match algorithm {
            ChecksumAlgorithm::Crc32 => part.set_checksum_crc32(value),
            ChecksumAlgorithm::Crc32c => part.set_checksum_crc32_c(value),
            ChecksumAlgorithm::Crc64nvme => part.set_checksum_crc64_nvme(value),
            ChecksumAlgorithm::Sha1 => part.set_checksum_sha1(value),
            ChecksumAlgorithm::Sha256 => part.set_checksum_sha256(value),
        };
        Ok(part.build())
    }

    pub(in crate::aws) fn part_call(
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
            .set_if_none_match(options.if_none_match.clone())
            .set_if_match(options.if_match.clone())
            .set_expected_bucket_owner(self.expected_owner())
            .set_request_payer(self.payer());
        // a store may take long to put the parts together, and answers only then
        let done = self.watched(|| 0, call.send()).await?;
        let request_id = done.request_id().map(str::to_owned);
        // Ceph RGW 16 answers with an empty tag here
        let etag = done.e_tag.filter(|tag| !tag.is_empty());
        Ok(Uploaded { etag, version_id: done.version_id, request_id, checksum: None })
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
    fn watching<T>(
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

/// All parts but the last have this size, as some providers ask.
fn streamed_part(profile: &Profile, length: u64) -> u64 {
    let fewest = length.div_ceil(profile.most_parts.min(MOST_PARTS));
    PART.max(profile.smallest_part).max(fewest).next_multiple_of(1 << 20)
}

/// The same for a body of unknown length: the longest one that fits is as long at every provider.
fn gathered_part(profile: &Profile) -> usize {
    let fewest = (GATHERED_PART * MOST_PARTS).div_ceil(profile.most_parts.min(MOST_PARTS));
    usize::try_from(profile.smallest_part.max(fewest)).unwrap_or(usize::MAX)
}

/// The one that the SDK would add.
fn default_checksum(bytes: &[u8]) -> Result<Checksum, AwsError> {
    checked(&Checksum { algorithm: ChecksumAlgorithm::Crc32, value: None }, bytes)
}

/// For calls that carry a checksum of ours.
pub(in crate::aws) fn own_checksum() -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::Config::builder().request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
}

fn completed(number: i32, done: aws_sdk_s3::operation::upload_part::UploadPartOutput) -> CompletedPart {
    CompletedPart::builder()
        .part_number(number)
        .set_e_tag(done.e_tag)
        .set_checksum_crc32(done.checksum_crc32)
        .build()
}

fn put_outcome(
    done: aws_sdk_s3::operation::put_object::PutObjectOutput,
    checksum: Option<Checksum>,
) -> Uploaded {
    let request_id = done.request_id().map(str::to_owned);
    Uploaded { etag: done.e_tag, version_id: done.version_id, request_id, checksum }
}

/// The next bytes of a body, all of them.
async fn gather(source: &Source, length: u64) -> Result<Bytes, AwsError> {
    let bytes = source.collect(usize::try_from(length).unwrap_or(usize::MAX)).await;
    let bytes = bytes.map_err(|error| broken(&error))?;
    match length.checked_sub(bytes.len() as u64) {
        None | Some(0) => Ok(bytes),
        Some(left) => Err(broken(&BodyError::EndedEarly(format!("{left} bytes were still to come")))),
    }
}

fn broken(error: &BodyError) -> AwsError {
    AwsError::new(ErrorKind::BrokenBody, SERVICE, body_code(error), error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{GATHERED_PART, MULTIPART_FROM, PART, gathered_part, streamed_part};
    use crate::model::provider::PROFILES;

    #[test]
    fn parts_are_as_every_provider_wants_them() {
        for profile in PROFILES {
            let id = profile.id;
            for length in [MULTIPART_FROM, 5 << 30, 150 << 30, 600 << 30, 5 << 40] {
                let size = streamed_part(profile, length);
                assert!(size >= PART && size >= profile.smallest_part, "{id}: {length}");
                assert!(length.div_ceil(size) <= profile.most_parts, "{id}: {length}");
            }
            let size = gathered_part(profile) as u64;
            assert!(size >= GATHERED_PART && size >= profile.smallest_part, "{id}");
            assert!((80_000u64 << 20).div_ceil(size) <= profile.most_parts, "{id}");
        }
    }
}
