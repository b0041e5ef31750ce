//! Reads: an object or its metadata.

use aws_sdk_s3::operation::RequestId;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::Format;

use crate::aws::AwsError;
use crate::aws::body::DownloadBody;
use crate::aws::s3::{S3, rfc3339, total_size};
use crate::model::object::{GetOptions, ObjectKey, ObjectMetadata};

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
    ($found:ident, $size:expr, $body:expr) => {{
        let request_id = $found.request_id().map(str::to_owned);
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
            },
            content_range: $found.content_range,
            body: $body,
            request_id,
        }
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

    async fn head_by_sdk(&self, key: &ObjectKey, options: &GetOptions) -> Result<Download, AwsError> {
        let conditions = &options.conditions;
        let call = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_range(options.range.clone())
            .set_version_id(options.version_id.clone())
            .set_if_match(conditions.if_match.clone())
            .set_if_none_match(conditions.if_none_match.clone())
            .set_if_modified_since(http_date(conditions.if_modified_since.as_deref()))
            .set_if_unmodified_since(http_date(conditions.if_unmodified_since.as_deref()))
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let found = self.timed(call.send()).await?;
        Ok(download!(found, found.content_length, DownloadBody::Sdk(SdkBody::empty())))
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
        let conditions = &options.conditions;
        let call = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_range(options.range.clone())
            .set_version_id(options.version_id.clone())
            .set_if_match(conditions.if_match.clone())
            .set_if_none_match(conditions.if_none_match.clone())
            .set_if_modified_since(http_date(conditions.if_modified_since.as_deref()))
            .set_if_unmodified_since(http_date(conditions.if_unmodified_since.as_deref()))
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let found = self.timed(call.send()).await?;
        let size = total_size(found.content_range.as_deref())
            .map_or(found.content_length, |size| i64::try_from(size).ok());
        Ok(download!(found, size, DownloadBody::Sdk(found.body.into_inner())))
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
            (Err(told), _) if is_refusal(&told) => Err(told),
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
