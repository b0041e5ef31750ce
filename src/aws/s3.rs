//! S3: the calls that queries and checks make, each exactly one request.
//!
//! What the SDK does by default and we must not: checksums that break other stores and cost a multiple on
//! uploads (`when_required`), stalled-stream protection that ends honest slow uploads (own idle limits), an
//! identity cache of 64 entries (own cache), a client per request (one per resource and secret version).

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, IdentityCache, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::types::{ObjectCannedAcl, RequestPayer, ServerSideEncryption, StorageClass};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::Format;
use aws_smithy_types::retry::RetryConfig;

use crate::aws::body::DownloadBody;
use crate::aws::direct::Direct;
use crate::aws::egress::Endpoint;
use crate::aws::http::DirectClient;
use crate::aws::{AwsError, ErrorKind};
use crate::model::object::{DeleteOptions, GetOptions, ObjectKey, ObjectMetadata, ObjectSummary, PutOptions};
use crate::model::resource::{CannedAcl, Encryption};

const SERVICE: &str = "s3";

/// A client of one bucket.
#[derive(Debug, Clone)]
pub struct S3 {
    pub(super) client: aws_sdk_s3::Client,
    pub(super) bucket: String,
    pub(super) timeout: Duration,
    expected_owner: Option<String>,
    payer: Option<RequestPayer>,
    defaults: UploadDefaults,
    direct: Option<Direct>,
}

/// What a client needs.
#[derive(Debug)]
pub struct Settings {
    /// Another endpoint than the region's own.
    pub endpoint: Option<Endpoint>,
    /// The region that is signed for.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// Whether the bucket stands in the path.
    pub path_style: bool,
    /// Whose credentials; none for anonymous requests.
    pub credentials: Option<SharedCredentialsProvider>,
    /// The pool of the SDK.
    pub http: SharedHttpClient,
    /// The pool of the direct path.
    pub direct: DirectClient,
    /// Until the first byte of an answer.
    pub timeout: Duration,
    /// Tries after the first one.
    pub retries: u32,
    /// The account that must own the bucket.
    pub expected_owner: Option<String>,
    /// The caller pays.
    pub requester_pays: bool,
    /// What uploads get.
    pub defaults: UploadDefaults,
}

/// What every upload of a resource gets.
#[derive(Debug, Clone, Default)]
pub struct UploadDefaults {
    /// `x-amz-acl`
    pub acl: Option<CannedAcl>,
    /// `x-amz-storage-class`
    pub storage_class: Option<String>,
    /// Encryption headers.
    pub encryption: Encryption,
}

/// A page as the store gave it.
#[derive(Debug, Default)]
pub struct ListPage {
    /// With full keys.
    pub objects: Vec<ObjectSummary>,
    /// With full keys.
    pub prefixes: Vec<String>,
    /// For the next page.
    pub next: Option<String>,
    /// The store's id of the request.
    pub request_id: Option<String>,
}

/// What to list, with full keys.
#[derive(Debug, Default)]
pub struct ListRequest {
    /// Only keys that start so.
    pub prefix: String,
    /// Groups keys.
    pub delimiter: Option<String>,
    /// Only keys after this one.
    pub start_after: Option<String>,
    /// Where the last page ended.
    pub token: Option<String>,
    /// 1 to 1000.
    pub max_keys: i32,
}

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

/// What a written object has.
#[derive(Debug, Default)]
pub struct Uploaded {
    /// With its quotes.
    pub etag: Option<String>,
    /// In buckets that keep versions.
    pub version_id: Option<String>,
    /// The store's id of the request.
    pub request_id: Option<String>,
}

/// What a bucket says of itself.
#[derive(Debug)]
pub struct BucketFacts {
    /// Its region, where the store tells.
    pub region: Option<String>,
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
    /// A client; nothing is sent yet.
    pub fn new(settings: Settings) -> S3 {
        let direct = Direct::new(&settings);
        let mut config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region))
            .identity_cache(IdentityCache::no_cache())
            .force_path_style(settings.path_style)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .retry_config(RetryConfig::standard().with_max_attempts(settings.retries + 1))
            .timeout_config(TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).build())
            .http_client(settings.http);
        if let Some(endpoint) = settings.endpoint {
            config = config.endpoint_url(endpoint.url);
        }
        config = match settings.credentials {
            Some(credentials) => config.credentials_provider(credentials),
            None => config.allow_no_auth(),
        };
        S3 {
            client: aws_sdk_s3::Client::from_conf(config.build()),
            bucket: settings.bucket,
            timeout: settings.timeout,
            expected_owner: settings.expected_owner,
            payer: settings.requester_pays.then_some(RequestPayer::Requester),
            defaults: settings.defaults,
            direct,
        }
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Bounds one call and says what its failure means.
    pub(super) async fn timed<T, E>(
        &self,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        // calls hold large state; boxing keeps it off the stacks of those who await them
        match tokio::time::timeout(self.timeout, Box::pin(call)).await {
            Ok(outcome) => outcome.map_err(|error| AwsError::from_sdk(SERVICE, &error)),
            Err(_) => Err(AwsError::timeout(SERVICE, self.timeout.as_millis())),
        }
    }

    /// One page.
    pub async fn list(&self, request: ListRequest) -> Result<ListPage, AwsError> {
        let call = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .set_prefix((!request.prefix.is_empty()).then_some(request.prefix))
            .set_delimiter(request.delimiter)
            .set_start_after(request.start_after)
            .set_continuation_token(request.token)
            .max_keys(request.max_keys)
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let page = self.timed(call.send()).await?;
        let request_id = page.request_id().map(str::to_owned);
        let next = page.next_continuation_token.filter(|_| page.is_truncated == Some(true));
        let objects = page.contents.unwrap_or_default().into_iter().map(|object| ObjectSummary {
            key: object.key.unwrap_or_default(),
            size: object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            etag: object.e_tag,
            last_modified: object.last_modified.as_ref().and_then(rfc3339),
            storage_class: object.storage_class.map(|class| class.as_str().to_owned()),
        });
        let prefixes =
            page.common_prefixes.unwrap_or_default().into_iter().filter_map(|prefix| prefix.prefix);
        Ok(ListPage { objects: objects.collect(), prefixes: prefixes.collect(), next, request_id })
    }

    /// An object's metadata.
    pub async fn head(&self, key: &ObjectKey, options: &GetOptions) -> Result<Download, AwsError> {
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
        let found = match self.timed(call.send()).await {
            Err(error) if is_refusal(&error) => return Err(self.refusal(key, options, error).await),
            found => found?,
        };
        Ok(download!(found, found.content_length, DownloadBody::Sdk(SdkBody::empty())))
    }

    /// An object; the body is not read here.
    pub async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Download, AwsError> {
        let Some(direct) = &self.direct else { return self.get_by_sdk(key, options).await };
        match tokio::time::timeout(self.timeout, direct.get(key, options)).await {
            // the SDK learns how far the clocks are apart, and signs by the store's
            Ok(Err(error)) if error.kind == ErrorKind::ClockSkew => self.get_by_sdk(key, options).await,
            Ok(outcome) => outcome,
            Err(_) => Err(AwsError::timeout(SERVICE, self.timeout.as_millis())),
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

    /// Why a HEAD was refused. Its answer has no body and so no code, which leaves a rotated key and a policy alike;
    /// a GET of one byte needs the same permission and says which.
    async fn refusal(&self, key: &ObjectKey, options: &GetOptions, error: AwsError) -> AwsError {
        let call = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .range("bytes=0-0")
            .set_version_id(options.version_id.clone())
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        match self.timed(call.send()).await {
            Err(told) if is_refusal(&told) => told,
            _ => error,
        }
    }

    /// Deletes an object; the version id of a delete marker comes back.
    pub async fn delete(&self, key: &ObjectKey, options: &DeleteOptions) -> Result<Uploaded, AwsError> {
        let call = self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_version_id(options.version_id.clone())
            .set_if_match(options.if_match.clone())
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let done = self.timed(call.send()).await?;
        let request_id = done.request_id().map(str::to_owned);
        Ok(Uploaded { etag: None, version_id: done.version_id, request_id })
    }

    /// Whether the bucket is there and may be seen.
    pub async fn head_bucket(&self) -> Result<BucketFacts, AwsError> {
        let call = self
            .client
            .head_bucket()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.expected_owner.clone());
        let found = self.timed(call.send()).await?;
        Ok(BucketFacts {
            region: found.bucket_region().map(str::to_owned),
            request_id: found.request_id().map(str::to_owned),
        })
    }

    /// Lists a bucket of any name: the body of the answer, unlike that of HEAD, says what was wrong.
    pub async fn list_other_bucket(&self, bucket: &str) -> Result<(), AwsError> {
        let call = self.client.list_objects_v2().bucket(bucket).max_keys(1);
        self.timed(call.send()).await.map(drop)
    }

    pub(super) fn put_call(
        &self,
        key: &ObjectKey,
        options: &PutOptions,
    ) -> aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder {
        let (encryption, key_id) = self.encryption();
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_content_type(options.content_type.clone())
            .set_cache_control(options.cache_control.clone())
            .set_content_disposition(options.content_disposition.clone())
            .set_content_encoding(options.content_encoding.clone())
            .set_content_language(options.content_language.clone())
            .set_metadata(metadata(options))
            .set_if_none_match(options.if_none_match.clone())
            .set_if_match(options.if_match.clone())
            .set_acl(self.defaults.acl.map(|acl| ObjectCannedAcl::from(acl.as_str())))
            .set_storage_class(self.storage_class())
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(key_id)
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone())
    }

    /// Starts a multipart upload; its id comes back.
    pub async fn create_multipart(&self, key: &ObjectKey, options: &PutOptions) -> Result<String, AwsError> {
        let (encryption, key_id) = self.encryption();
        let call = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_content_type(options.content_type.clone())
            .set_cache_control(options.cache_control.clone())
            .set_content_disposition(options.content_disposition.clone())
            .set_content_encoding(options.content_encoding.clone())
            .set_content_language(options.content_language.clone())
            .set_metadata(metadata(options))
            .set_acl(self.defaults.acl.map(|acl| ObjectCannedAcl::from(acl.as_str())))
            .set_storage_class(self.storage_class())
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(key_id)
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let started = self.timed(call.send()).await?;
        started.upload_id.ok_or_else(|| {
            AwsError::new(ErrorKind::Internal, SERVICE, "InternalError", "the answer holds no upload id")
        })
    }

    /// Ends a multipart upload and lets its parts go.
    pub async fn abort_multipart(&self, key: &ObjectKey, upload_id: &str) -> Result<(), AwsError> {
        let call = self
            .client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(key.as_str())
            .upload_id(upload_id)
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        self.timed(call.send()).await.map(drop)
    }

    pub(super) fn expected_owner(&self) -> Option<String> {
        self.expected_owner.clone()
    }

    pub(super) fn payer(&self) -> Option<RequestPayer> {
        self.payer.clone()
    }

    fn storage_class(&self) -> Option<StorageClass> {
        self.defaults.storage_class.as_deref().map(StorageClass::from)
    }

    fn encryption(&self) -> (Option<ServerSideEncryption>, Option<String>) {
        match &self.defaults.encryption {
            Encryption::BucketDefault => (None, None),
            Encryption::SseS3 => (Some(ServerSideEncryption::Aes256), None),
            Encryption::SseKms { key_id } => (Some(ServerSideEncryption::AwsKms), key_id.clone()),
        }
    }
}

/// Refused credentials and policies; AWS answers 400 to a token that has expired.
fn is_refusal(error: &AwsError) -> bool {
    matches!(error.status, Some(400 | 403))
}

fn metadata(options: &PutOptions) -> Option<HashMap<String, String>> {
    let pairs = options.metadata.iter().map(|(name, value)| (name.clone(), value.clone()));
    (!options.metadata.is_empty()).then(|| pairs.collect())
}

fn rfc3339(at: &DateTime) -> Option<String> {
    at.fmt(Format::DateTime).ok()
}

/// An HTTP date as RFC 3339.
pub(super) fn rfc3339_of(date: &str) -> Option<String> {
    DateTime::from_str(date, Format::HttpDate).ok().as_ref().and_then(rfc3339)
}

/// A date that cannot be read is no condition, as RFC 9110 says.
fn http_date(text: Option<&str>) -> Option<DateTime> {
    DateTime::from_str(text?, Format::HttpDate).ok()
}

pub(super) fn total_size(content_range: Option<&str>) -> Option<u64> {
    content_range?.rsplit_once('/')?.1.parse().ok()
}
