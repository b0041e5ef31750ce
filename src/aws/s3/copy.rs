//! Copies inside a store: in one request, or in parts above what one request may copy.

use std::collections::BTreeMap;

use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::types::{CompletedPart, MetadataDirective, TaggingDirective};
use percent_encoding::utf8_percent_encode;

use crate::aws::direct::address::{KEPT, KEPT_IN_QUERY};
use crate::aws::s3::options::{HeaderList, UploadCall};
use crate::aws::s3::{CustomerKey, S3, SERVICE, Uploaded, with_headers};
use crate::aws::upload::Leftovers;
use crate::aws::{AwsError, ErrorKind};
use crate::model::object::{ObjectKey, PutOptions};
use crate::model::provider::{Feature, Profile};
use crate::model::resource::CannedAcl;

/// Bytes of a copied part: 5 MiB to 5 GiB are allowed, 10,000 of them (S3 user guide, multipart limits).
const LEAST_PART: u64 = 5 << 20;
const MOST_PART: u64 = 512 << 20;
const MOST_PARTS: u64 = 10_000;

/// What is copied.
#[derive(Debug, Clone)]
pub struct CopySource {
    /// The bucket, or the ARN of an access point.
    pub bucket: String,
    /// The full key.
    pub key: ObjectKey,
    /// A version.
    pub version_id: Option<String>,
    /// Only if the object still has this `ETag`.
    pub if_match: Option<String>,
    /// The account that must own the bucket.
    pub owner: Option<String>,
    /// The key of SSE-C that opens it.
    pub customer_key: Option<CustomerKey>,
}

/// What the copy gets.
#[derive(Debug, Clone, Default)]
pub struct CopyGets {
    /// Headers and metadata in place of the source's.
    pub headers: Option<PutOptions>,
    /// Tags in place of the source's.
    pub tags: Option<BTreeMap<String, String>>,
    /// A canned ACL in place of the resource's default.
    pub acl: Option<CannedAcl>,
    /// A storage class in place of the resource's default.
    pub storage_class: Option<String>,
    /// Only if there is no object yet.
    pub only_new: bool,
}

impl CopySource {
    /// As `x-amz-copy-source` carries it; a key is decoded exactly once there.
    fn encoded(&self) -> String {
        let bucket = &self.bucket;
        let place = if bucket.starts_with("arn:") {
            format!("{bucket}/object/{}", self.key.as_str())
        } else {
            format!("{bucket}/{}", self.key.as_str())
        };
        let place = utf8_percent_encode(&place, KEPT).to_string();
        match &self.version_id {
            Some(version) => format!("{place}?versionId={}", utf8_percent_encode(version, KEPT_IN_QUERY)),
            None => place,
        }
    }

    /// What opens it.
    fn headers(&self) -> HeaderList {
        self.customer_key.as_ref().map(CustomerKey::source_headers).unwrap_or_default()
    }
}

impl CopyGets {
    /// The same as options of an upload.
    fn put_options(&self) -> PutOptions {
        let mut options = self.headers.clone().unwrap_or_default();
        options.if_none_match = self.only_new.then(|| "*".to_owned());
        options.extras.acl = self.acl;
        options.extras.storage_class.clone_from(&self.storage_class);
        options.extras.tags = self.tags.clone().unwrap_or_default().into_iter().collect();
        options
    }
}

impl S3 {
    /// The same client, whose uploads send no ACL.
    #[must_use]
    pub fn without_default_acl(&self) -> S3 {
        let mut other = self.clone();
        other.defaults.acl = None;
        other
    }

    /// Copies an object in one request. S3 copies up to 5 GiB so.
    pub async fn copy(
        &self,
        source: &CopySource,
        key: &ObjectKey,
        gets: &CopyGets,
    ) -> Result<Uploaded, AwsError> {
        let mut headers = self.upload_headers(&gets.put_options(), UploadCall::Whole)?;
        headers.extend(source.headers());
        let call = self
            .client
            .copy_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .copy_source(source.encoded())
            .set_copy_source_if_match(source.if_match.clone())
            .set_metadata_directive(gets.headers.as_ref().map(|_| MetadataDirective::Replace))
            .set_tagging_directive(gets.tags.as_ref().map(|_| TaggingDirective::Replace))
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_expected_source_bucket_owner(source.owner.clone())
            .set_request_payer(self.payer.clone())
            .customize()
            .mutate_request(with_headers(headers));
        // a store answers only when it has copied everything
        let done = self.watched(|| 0, call.send()).await?;
        let request_id = done.request_id().map(str::to_owned);
        let etag = done.copy_object_result.and_then(|result| result.e_tag).map(quoted);
        confirmed(Uploaded { etag, version_id: done.version_id, request_id, checksum: None, untagged: false })
    }

    /// Copies an object of that size in parts, with the headers in `gets`: parts carry none. What fails is aborted.
    pub async fn copy_parts(
        &self,
        source: &CopySource,
        key: &ObjectKey,
        gets: &CopyGets,
        (size, parts_from): (u64, u64),
        leftovers: &Leftovers,
    ) -> Result<Uploaded, AwsError> {
        let options = gets.put_options();
        let upload_id = self.create_multipart(key, &options, None).await?;
        let outcome = async {
            let mut parts = Vec::new();
            for (number, first, last) in ranges(size, part_size(self.profile, size, parts_from)) {
                let tag = self.copy_part(source, key, &upload_id, (number, first, last)).await?;
                parts.push(CompletedPart::builder().part_number(number).e_tag(tag).build());
            }
            self.complete(key, &options, &upload_id, parts).await
        }
        .await;
        if outcome.is_err()
            && let Err(error) = self.abort_multipart(key, &upload_id).await
        {
            tracing::info!(upload_id, code = error.code, "a copy failed and could not be aborted yet");
            leftovers.keep(key, upload_id);
        }
        outcome.map(|done| Uploaded { untagged: self.loses_tags(&options), ..done })
    }

    /// Whether the tags of an upload in parts are still to be given when it is complete.
    pub(in crate::aws) fn loses_tags(&self, options: &PutOptions) -> bool {
        !options.extras.tags.is_empty() && !self.profile.has(Feature::TagsOfParts)
    }

    async fn copy_part(
        &self,
        source: &CopySource,
        key: &ObjectKey,
        upload_id: &str,
        (number, first, last): (i32, u64, u64),
    ) -> Result<String, AwsError> {
        let call = self
            .client
            .upload_part_copy()
            .bucket(&self.bucket)
            .key(key.as_str())
            .upload_id(upload_id)
            .part_number(number)
            .copy_source(source.encoded())
            .copy_source_range(format!("bytes={first}-{last}"))
            .set_copy_source_if_match(source.if_match.clone())
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_expected_source_bucket_owner(source.owner.clone())
            .set_request_payer(self.payer.clone());
        let call = call.customize().mutate_request(with_headers(source.headers()));
        // Ceph RGW 16 wants a length although there is no body
        let call = call.mutate_request(|request| {
            request.headers_mut().insert("content-length", "0");
        });
        let done = self.watched(|| 0, call.send()).await?;
        done.copy_part_result.and_then(|result| result.e_tag).ok_or_else(unconfirmed)
    }
}

/// An answer without a tag names no object: whoever moves would delete the source for nothing.
fn confirmed(copied: Uploaded) -> Result<Uploaded, AwsError> {
    if copied.etag.as_ref().is_some_and(|etag| !etag.is_empty()) { Ok(copied) } else { Err(unconfirmed()) }
}

/// As HTTP writes it; Ceph RGW 16 leaves the quotes out here.
fn quoted(etag: String) -> String {
    if etag.is_empty() || etag.starts_with(['"', 'W']) { etag } else { format!("\"{etag}\"") }
}

fn unconfirmed() -> AwsError {
    AwsError::new(ErrorKind::Internal, SERVICE, "InternalError", "the store did not confirm the copy")
}

/// Several parts even for the smallest object that goes in parts.
fn part_size(profile: &Profile, size: u64, parts_from: u64) -> u64 {
    let usual = (parts_from / 8).clamp(LEAST_PART, MOST_PART).max(profile.smallest_part);
    usual.max(size.div_ceil(profile.most_parts.min(MOST_PARTS)).next_multiple_of(1 << 20))
}

/// Number, first and last byte of each part.
fn ranges(size: u64, part: u64) -> impl Iterator<Item = (i32, u64, u64)> {
    let firsts = (0..size).step_by(usize::try_from(part).unwrap_or(usize::MAX));
    (1..).zip(firsts).map(move |(number, first)| (number, first, size.min(first + part) - 1))
}

#[cfg(test)]
mod tests {
    use super::{CopySource, MOST_PART, part_size, ranges};
    use crate::model::object::ObjectKey;
    use crate::model::provider;

    fn encoded(bucket: &str, key: &str, version: Option<&str>) -> String {
        let key = ObjectKey::under("", key).unwrap();
        let version_id = version.map(str::to_owned);
        let bucket = bucket.to_owned();
        CopySource { bucket, key, version_id, if_match: None, owner: None, customer_key: None }.encoded()
    }

    #[test]
    fn a_source_is_encoded_exactly_once() {
        assert_eq!(encoded("b", "a+b%2Fc//../ü ?#", None), "b/a%2Bb%252Fc//../%C3%BC%20%3F%23");
        assert_eq!(encoded("b", "k", Some("a/b+c")), "b/k?versionId=a%2Fb%2Bc");
        let arn = "arn:aws:s3:us-east-1:111122223333:accesspoint/p";
        assert_eq!(
            encoded(arn, "k", None),
            "arn%3Aaws%3As3%3Aus-east-1%3A111122223333%3Aaccesspoint/p/object/k"
        );
    }

    #[test]
    fn parts_cover_every_byte_once_and_are_never_too_many() {
        assert_eq!(ranges(12, 5).collect::<Vec<_>>(), [(1, 0, 4), (2, 5, 9), (3, 10, 11)]);
        assert_eq!(ranges(10, 5).collect::<Vec<_>>(), [(1, 0, 4), (2, 5, 9)]);
        let (five_gib, largest) = (5 << 30, 5 << 40);
        let aws = provider::find("aws").unwrap();
        assert_eq!(part_size(aws, five_gib, five_gib), MOST_PART);
        assert_eq!(part_size(aws, 12 << 20, 8 << 20), 5 << 20);
        for profile in provider::PROFILES {
            let part = part_size(profile, largest, five_gib);
            assert!(largest.div_ceil(part) <= profile.most_parts, "{}", profile.id);
            assert!(part_size(profile, 12 << 20, 8 << 20) >= profile.smallest_part, "{}", profile.id);
        }
    }
}
