//! Copies inside a store: in one request, or in parts above what one request may copy.

use std::collections::BTreeMap;

use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::types::{
    CompletedPart, MetadataDirective, ObjectCannedAcl, StorageClass, Tag, Tagging, TaggingDirective,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::aws::s3::{S3, SERVICE, Uploaded, write};
use crate::aws::upload::Leftovers;
use crate::aws::{AwsError, ErrorKind};
use crate::model::object::{ObjectKey, PutOptions};
use crate::model::resource::CannedAcl;

/// What stands in `x-amz-copy-source` as it is; a key is decoded exactly once there.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
const KEPT_IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
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
    /// As `x-amz-copy-source` carries it.
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
}

impl S3 {
    /// The same client, whose uploads get another ACL or storage class than the resource's defaults.
    #[must_use]
    pub fn with_upload_defaults(&self, acl: Option<CannedAcl>, storage_class: Option<String>) -> S3 {
        let mut other = self.clone();
        other.defaults.acl = acl.or(other.defaults.acl);
        other.defaults.storage_class = storage_class.or(other.defaults.storage_class);
        other
    }

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
        let (encryption, key_id) = self.encryption();
        let headers = gets.headers.clone().unwrap_or_default();
        let call = self
            .client
            .copy_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .copy_source(source.encoded())
            .set_copy_source_if_match(source.if_match.clone())
            .set_metadata_directive(gets.headers.as_ref().map(|_| MetadataDirective::Replace))
            .set_metadata(write::metadata(&headers))
            .set_content_type(headers.content_type)
            .set_cache_control(headers.cache_control)
            .set_content_disposition(headers.content_disposition)
            .set_content_encoding(headers.content_encoding)
            .set_content_language(headers.content_language)
            .set_tagging_directive(gets.tags.as_ref().map(|_| TaggingDirective::Replace))
            .set_tagging(gets.tags.as_ref().map(tag_header))
            .set_acl(self.acl_of(gets))
            .set_storage_class(self.class_of(gets))
            .set_if_none_match(gets.only_new.then(|| "*".to_owned()))
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(key_id)
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_expected_source_bucket_owner(source.owner.clone())
            .set_request_payer(self.payer.clone());
        // a store answers only when it has copied everything
        let done = self.watched(|| 0, call.send()).await?;
        let request_id = done.request_id().map(str::to_owned);
        let etag = done.copy_object_result.and_then(|result| result.e_tag).map(quoted);
        confirmed(Uploaded { etag, version_id: done.version_id, request_id, checksum: None })
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
        let upload_id = self.create_copy(key, gets).await?;
        let outcome = async {
            let mut parts = Vec::new();
            for (number, first, last) in ranges(size, part_size(size, parts_from)) {
                let tag = self.copy_part(source, key, &upload_id, (number, first, last)).await?;
                parts.push(CompletedPart::builder().part_number(number).e_tag(tag).build());
            }
            let condition =
                PutOptions { if_none_match: gets.only_new.then(|| "*".to_owned()), ..PutOptions::default() };
            self.complete(key, &condition, &upload_id, parts).await
        }
        .await;
        if outcome.is_err()
            && let Err(error) = self.abort_multipart(key, &upload_id).await
        {
            tracing::info!(upload_id, code = error.code, "a copy failed and could not be aborted yet");
            leftovers.keep(key, upload_id);
        }
        outcome
    }

    async fn create_copy(&self, key: &ObjectKey, gets: &CopyGets) -> Result<String, AwsError> {
        let (encryption, key_id) = self.encryption();
        let headers = gets.headers.clone().unwrap_or_default();
        let tags = gets.tags.as_ref().filter(|tags| !tags.is_empty());
        let call = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_metadata(write::metadata(&headers))
            .set_content_type(headers.content_type)
            .set_cache_control(headers.cache_control)
            .set_content_disposition(headers.content_disposition)
            .set_content_encoding(headers.content_encoding)
            .set_content_language(headers.content_language)
            .set_tagging(tags.map(tag_header))
            .set_acl(self.acl_of(gets))
            .set_storage_class(self.class_of(gets))
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(key_id)
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let started = self.timed(call.send()).await?;
        started.upload_id.ok_or_else(|| {
            AwsError::new(ErrorKind::Internal, SERVICE, "InternalError", "the answer holds no upload id")
        })
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
        // Ceph RGW 16 wants a length although there is no body
        let call = call.customize().mutate_request(|request| {
            request.headers_mut().insert("content-length", "0");
        });
        let done = self.watched(|| 0, call.send()).await?;
        done.copy_part_result.and_then(|result| result.e_tag).ok_or_else(unconfirmed)
    }

    /// The tags of an object, for a copy that a store cannot make by itself.
    pub async fn tags_to_carry(
        &self,
        key: &ObjectKey,
        version_id: Option<&str>,
    ) -> Result<BTreeMap<String, String>, AwsError> {
        let call = self
            .client
            .get_object_tagging()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_version_id(version_id.map(str::to_owned))
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let found = self.timed(call.send()).await?;
        Ok(found.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect())
    }

    /// Gives the tags to the copy, and no others.
    pub async fn carry_tags(&self, key: &ObjectKey, tags: &BTreeMap<String, String>) -> Result<(), AwsError> {
        if tags.is_empty() {
            let call = self
                .client
                .delete_object_tagging()
                .bucket(&self.bucket)
                .key(key.as_str())
                .set_expected_bucket_owner(self.expected_owner.clone());
            return self.timed(call.send()).await.map(drop);
        }
        let set = tags.iter().map(|(name, value)| Tag::builder().key(name).value(value).build());
        let set = set.collect::<Result<Vec<_>, _>>().map_err(|error| unusable(&error))?;
        let tagging = Tagging::builder().set_tag_set(Some(set)).build().map_err(|error| unusable(&error))?;
        let call = self
            .client
            .put_object_tagging()
            .bucket(&self.bucket)
            .key(key.as_str())
            .tagging(tagging)
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        self.timed(call.send()).await.map(drop)
    }

    fn acl_of(&self, gets: &CopyGets) -> Option<ObjectCannedAcl> {
        gets.acl.or(self.defaults.acl).map(|acl| ObjectCannedAcl::from(acl.as_str()))
    }

    fn class_of(&self, gets: &CopyGets) -> Option<StorageClass> {
        gets.storage_class.as_deref().map(StorageClass::from).or_else(|| self.storage_class())
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

fn unusable(error: &dyn std::error::Error) -> AwsError {
    AwsError::new(ErrorKind::InvalidRequest, SERVICE, "InvalidRequest", error.to_string())
}

fn tag_header(tags: &BTreeMap<String, String>) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, KEPT_IN_QUERY).to_string();
    let pairs = tags.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Several parts even for the smallest object that goes in parts.
fn part_size(size: u64, parts_from: u64) -> u64 {
    let usual = (parts_from / 8).clamp(LEAST_PART, MOST_PART);
    usual.max(size.div_ceil(MOST_PARTS).next_multiple_of(1 << 20))
}

/// Number, first and last byte of each part.
fn ranges(size: u64, part: u64) -> impl Iterator<Item = (i32, u64, u64)> {
    let firsts = (0..size).step_by(usize::try_from(part).unwrap_or(usize::MAX));
    (1..).zip(firsts).map(move |(number, first)| (number, first, size.min(first + part) - 1))
}

#[cfg(test)]
mod tests {
    use super::{CopySource, MOST_PART, part_size, ranges, tag_header};
    use crate::model::object::ObjectKey;

    fn encoded(bucket: &str, key: &str, version: Option<&str>) -> String {
        let key = ObjectKey::under("", key).unwrap();
        let version_id = version.map(str::to_owned);
        CopySource { bucket: bucket.to_owned(), key, version_id, if_match: None, owner: None }.encoded()
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
        assert_eq!(part_size(five_gib, five_gib), MOST_PART);
        assert!(largest / part_size(largest, five_gib) < 10_000);
        assert_eq!(part_size(12 << 20, 8 << 20), 5 << 20);
    }

    #[test]
    fn tags_are_written_as_a_query_string() {
        let tags = [("a b".to_owned(), "c&d=ü".to_owned()), ("e".to_owned(), String::new())].into();
        assert_eq!(tag_header(&tags), "a%20b=c%26d%3D%C3%BC&e=");
    }
}
