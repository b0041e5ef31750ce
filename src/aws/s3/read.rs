//! Reads: an object or its metadata.

use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::types::ChecksumMode;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::Format;

use crate::aws::AwsError;
use crate::aws::body::DownloadBody;
use crate::aws::s3::{S3, rfc3339, total_size};
use crate::model::object::{GetOptions, ObjectKey, ObjectMetadata};
use crate::model::object_facts::ObjectFacts;

/// An object that is being read.
#[derive(Debug)]
pub struct Download {
    /// What is known about it; `size` is the size of the body.
    pub metadata: ObjectMetadata,
    /// `Last-Modified` as HTTP writes it.
    pub last_modified: Option<String>,
    /// Bytes of this body.
    pub content_length: Option<u64>,
    /// For partial answers.
    pub content_range: Option<String>,
    /// The bytes.
    pub body: DownloadBody,
    /// The store's id of the request.
    pub request_id: Option<String>,
}

/// What HEAD and GET both answer; the SDK has a type for each, with the same fields.
macro_rules! download {
    ($found:ident, $size:expr, $archive_status:expr, $body:expr) => {{
        let request_id = $found.request_id().map(str::to_owned);
        let facts = facts!($found, $archive_status);
        let bytes = |length: Option<i64>| length.and_then(|length| u64::try_from(length).ok());
        Download {
            last_modified: $found.last_modified.as_ref().and_then(|at| at.fmt(Format::HttpDate).ok()),
            content_length: bytes($found.content_length),
            metadata: ObjectMetadata {
                key: String::new(),
                size: bytes($size),
                etag: $found.e_tag,
                last_modified: $found.last_modified.as_ref().and_then(rfc3339),
                content_type: $found.content_type,
                cache_control: $found.cache_control,
                content_disposition: $found.content_disposition,
                content_encoding: $found.content_encoding,
                content_language: $found.content_language,
                storage_class: $found.storage_class.map(|class| class.as_str().to_owned()),
                server_side_encryption: $found.server_side_encryption.map(|kind| kind.as_str().to_owned()),
                version_id: $found.version_id,
                metadata: $found.metadata.unwrap_or_default().into_iter().collect(),
                facts: Box::new(facts),
            },
            content_range: $found.content_range,
            body: $body,
            request_id,
        }
    }};
}

/// What both tell of some objects only, by the names of headers, so that it is read in one place.
macro_rules! facts {
    ($found:ident, $archive_status:expr) => {{
        let text = |value: Option<&str>| value.map(str::to_owned);
        ObjectFacts::of_headers(|name| match name {
            "expires" => text($found.expires_string()),
            "x-amz-tagging-count" => $found.tag_count().map(|count| count.to_string()),
            "x-amz-checksum-crc32" => text($found.checksum_crc32()),
            "x-amz-checksum-crc32c" => text($found.checksum_crc32_c()),
            "x-amz-checksum-crc64nvme" => text($found.checksum_crc64_nvme()),
            "x-amz-checksum-sha1" => text($found.checksum_sha1()),
            "x-amz-checksum-sha256" => text($found.checksum_sha256()),
            "x-amz-checksum-type" => text($found.checksum_type().map(|kind| kind.as_str())),
            "x-amz-mp-parts-count" => $found.parts_count().map(|count| count.to_string()),
            "x-amz-missing-meta" => $found.missing_meta().map(|count| count.to_string()),
            "x-amz-delete-marker" => $found.delete_marker().map(|marker| marker.to_string()),
            "x-amz-restore" => text($found.restore()),
            "x-amz-archive-status" => $archive_status,
            "x-amz-expiration" => text($found.expiration()),
            "x-amz-replication-status" => text($found.replication_status().map(|status| status.as_str())),
            "x-amz-website-redirect-location" => text($found.website_redirect_location()),
            "x-amz-object-lock-mode" => text($found.object_lock_mode().map(|mode| mode.as_str())),
            "x-amz-object-lock-retain-until-date" => $found.object_lock_retain_until_date().and_then(rfc3339),
            "x-amz-object-lock-legal-hold" => {
                text($found.object_lock_legal_hold_status().map(|status| status.as_str()))
            }
            "x-amz-server-side-encryption-aws-kms-key-id" => text($found.ssekms_key_id()),
            "x-amz-server-side-encryption-bucket-key-enabled" => {
                $found.bucket_key_enabled().map(|enabled| enabled.to_string())
            }
            "x-amz-server-side-encryption-customer-algorithm" => text($found.sse_customer_algorithm()),
            "x-amz-server-side-encryption-customer-key-md5" => text($found.sse_customer_key_md5()),
            _ => None,
        })
    }};
}

/// What both take besides the key; the SDK has a builder for each, with the same setters.
macro_rules! asked {
    ($call:expr, $options:ident) => {{
        let (conditions, overrides) = (&$options.conditions, &$options.overrides);
        $call
            .set_range($options.range.clone())
            .set_version_id($options.version_id.clone())
            .set_part_number($options.part.map(i32::from))
            .set_checksum_mode($options.checksums.then_some(ChecksumMode::Enabled))
            .set_if_match(conditions.if_match.clone())
            .set_if_none_match(conditions.if_none_match.clone())
            .set_if_modified_since(http_date(conditions.if_modified_since.as_deref()))
            .set_if_unmodified_since(http_date(conditions.if_unmodified_since.as_deref()))
            .set_response_cache_control(overrides.cache_control.clone())
            .set_response_content_disposition(overrides.content_disposition.clone())
            .set_response_content_encoding(overrides.content_encoding.clone())
            .set_response_content_language(overrides.content_language.clone())
            .set_response_content_type(overrides.content_type.clone())
            .set_response_expires(http_date(overrides.expires.as_deref()))
    }};
}

impl S3 {
    /// An object's metadata.
    pub async fn head(&self, key: &ObjectKey, options: &GetOptions) -> Result<Download, AwsError> {
        let found = match &self.direct {
            Some(direct) => self.within(direct.head(key, options)).await,
            // boxed: its state is large, and few take it
            None => Box::pin(self.head_by_sdk(key, options)).await,
        };
        match found {
            Err(error) if is_refusal(&error) => Box::pin(self.refused(key, options, error)).await,
            found => found,
        }
    }

    /// The same; that nothing is there is told with the code of the store, which a HEAD cannot give.
    pub async fn head_told(&self, key: &ObjectKey, options: &GetOptions) -> Result<Download, AwsError> {
        match self.head(key, options).await {
            Err(error) if error.status == Some(404) => Box::pin(self.refused(key, options, error)).await,
            found => found,
        }
    }

    async fn head_by_sdk(&self, key: &ObjectKey, options: &GetOptions) -> Result<Download, AwsError> {
        let call = asked!(self.client.head_object(), options)
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let found = self.timed(call.send()).await?;
        let size = total_size(found.content_range.as_deref())
            .map_or(found.content_length, |size| i64::try_from(size).ok());
        let archive_status = found.archive_status().map(|status| status.as_str().to_owned());
        Ok(download!(found, size, archive_status.clone(), DownloadBody::Sdk(SdkBody::empty())))
    }

    /// An object; the body is not read here.
    pub async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Download, AwsError> {
        match &self.direct {
            Some(direct) => self.within(direct.get(key, options)).await,
            // boxed: its state is large, and few take it
            None => Box::pin(self.get_by_sdk(key, options)).await,
        }
    }

    async fn get_by_sdk(&self, key: &ObjectKey, options: &GetOptions) -> Result<Download, AwsError> {
        let call = asked!(self.client.get_object(), options)
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let found = self.timed(call.send()).await?;
        let size = total_size(found.content_range.as_deref())
            .map_or(found.content_length, |size| i64::try_from(size).ok());
        Ok(download!(found, size, None, DownloadBody::Sdk(found.body.into_inner())))
    }

    /// What a refused HEAD comes to. Its answer has no body and so no code, which leaves a rotated key, a policy and a
    /// wrong clock alike; a GET of one byte needs the same permission and says which. One that succeeds has corrected
    /// the clock, so that the HEAD does, too.
    async fn refused(
        &self,
        key: &ObjectKey,
        options: &GetOptions,
        error: AwsError,
    ) -> Result<Download, AwsError> {
        let first = GetOptions {
            range: Some("bytes=0-0".to_owned()),
            version_id: options.version_id.clone(),
            ..GetOptions::default()
        };
        match (self.get(key, &first).await, &self.direct) {
            (Err(told), _) if is_refusal(&told) || told.status == Some(404) => Err(told),
            (Ok(_), Some(direct)) => self.within(direct.head(key, options)).await,
            _ => Err(error),
        }
    }
}

/// Refused credentials and policies; AWS answers 400 to a token that has expired.
fn is_refusal(error: &AwsError) -> bool {
    matches!(error.status, Some(400 | 403))
}

/// A date that cannot be read is no condition, as RFC 9110 says.
fn http_date(text: Option<&str>) -> Option<DateTime> {
    DateTime::from_str(text?, Format::HttpDate).ok()
}
