//! S3: the calls that queries and checks make, each exactly one request.
//!
//! What the SDK does by default and we must not: checksums that break other stores and cost a multiple on
//! uploads (the provider's profile says when), stalled-stream protection that ends honest slow uploads (own idle limits), an
//! identity cache of 64 entries (own cache), a client per request (one per resource and secret version).

mod acl;
mod bucket;
mod buckets;
mod bulk;
pub(in crate::aws) mod checksum;
mod copy;
mod customer_key;
mod delete;
mod list;
mod multipart;
pub(in crate::aws) mod options;
mod peculiar;
mod read;
mod settings;
mod sign;
mod tags;
mod versions;
mod write;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, IdentityCache, Region, ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::RequestPayer;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use aws_smithy_types::retry::RetryConfig;
use tokio::sync::Semaphore;

use crate::aws::AwsError;
use crate::aws::capture::Capture;
use crate::aws::credentials::Slot;
use crate::aws::direct::Direct;
use crate::aws::egress::Endpoint;
use crate::aws::http::DirectClient;
use crate::aws::sign::{self as signatures, Signer};
use crate::model::provider::Profile;
use crate::model::resource::{CannedAcl, PayloadSigning};
use crate::model::upload::{Checksum, StoreEncryption};

pub use acl::AclFound;
pub(in crate::aws) use peculiar::part_checksum;

pub use bucket::BucketFacts;
pub use buckets::{BucketList, ListedBucket};
pub use bulk::{Doomed, ManyDeleted};
pub use copy::{CopyGets, CopySource};
pub use customer_key::CustomerKey;
pub use list::{ListPage, ListRequest};
pub(in crate::aws) use list::{unreadable, url_decoded};
pub use multipart::{Parts, UploadMarker, Uploads};
pub use read::Download;
pub use tags::TagsFound;
pub use versions::{VersionsFound, VersionsRequest};
pub(in crate::aws) use write::with_headers;

const SERVICE: &str = "s3";

/// A client of one bucket.
#[derive(Debug, Clone)]
pub struct S3 {
    pub(in crate::aws) client: aws_sdk_s3::Client,
    pub(in crate::aws) bucket: String,
    pub(in crate::aws) timeout: Duration,
    pub(in crate::aws) profile: &'static Profile,
    region: String,
    expected_owner: Option<String>,
    pub(in crate::aws) payload_signing: PayloadSigning,
    payer: Option<RequestPayer>,
    defaults: UploadDefaults,
    pub(in crate::aws) direct: Option<Direct>,
    signer: Option<Arc<Signer>>,
    public_base: Option<Arc<str>>,
    pub(in crate::aws) part_room: Arc<Semaphore>,
}

/// What a client needs.
#[derive(Debug)]
pub struct Settings {
    /// Another endpoint than the region's own.
    pub endpoint: Option<Endpoint>,
    /// What the provider does in its own way.
    pub profile: &'static Profile,
    /// The region that is signed for.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// Whether the bucket stands in the path.
    pub path_style: bool,
    /// Whose credentials; none for anonymous requests.
    pub credentials: Option<SharedCredentialsProvider>,
    /// The session behind them, when they end.
    pub session: Option<Arc<Slot>>,
    /// What URLs are signed for, in place of `endpoint`.
    pub public_endpoint: Option<Endpoint>,
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
    /// Whether the bytes of uploads are signed.
    pub payload_signing: PayloadSigning,
    /// What uploads get.
    pub defaults: UploadDefaults,
    /// KiB of parts that may be in memory, shared by all uploads of the service.
    pub part_room: Arc<Semaphore>,
    /// Keeps what the direct path would send, in place of sending it.
    pub capture: Option<Capture>,
}

/// What every upload of a resource gets.
#[derive(Debug, Clone, Default)]
pub struct UploadDefaults {
    /// `x-amz-acl`
    pub acl: Option<CannedAcl>,
    /// `x-amz-storage-class`
    pub storage_class: Option<String>,
    /// Encryption headers.
    pub encryption: StoreEncryption,
    /// The key of SSE-C, which reads need, too.
    pub customer_key: Option<CustomerKey>,
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
    /// Of the whole content, when one was asked for.
    pub checksum: Option<Checksum>,
    /// It went in parts, at a provider that loses the tags that their start names.
    pub untagged: bool,
}

impl S3 {
    /// A client; nothing is sent yet.
    pub fn new(settings: Settings) -> S3 {
        let direct = Direct::new(&settings);
        let signer = Signer::new(&settings).map(Arc::new);
        let public_base = signatures::public_base(&settings).map(Arc::from);
        let mut config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .identity_cache(IdentityCache::no_cache())
            .force_path_style(settings.path_style)
            .request_checksum_calculation(peculiar::checksums(settings.profile))
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .retry_config(RetryConfig::standard().with_max_attempts(settings.retries + 1))
            .timeout_config(TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).build())
            .http_client(settings.http);
        if let Some(peculiar) = peculiar::Peculiar::of(settings.profile) {
            config = config.interceptor(peculiar);
        }
        if let Some(key) = &settings.defaults.customer_key {
            config = config.interceptor(key.clone());
        }
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
            profile: settings.profile,
            region: settings.region,
            expected_owner: settings.expected_owner,
            payload_signing: settings.payload_signing,
            payer: settings.requester_pays.then_some(RequestPayer::Requester),
            defaults: settings.defaults,
            direct,
            signer,
            public_base,
            part_room: settings.part_room,
        }
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Bounds one call and says what its failure means.
    pub(in crate::aws) fn timed<T, E>(
        &self,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> impl Future<Output = Result<T, AwsError>>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        // calls hold large state: boxed before anything is awaited, so that it is part of no other
        let call = Box::pin(call);
        let bound = self.timeout;
        async move {
            match tokio::time::timeout(bound, call).await {
                Ok(outcome) => outcome.map_err(|error| AwsError::from_sdk(SERVICE, &error)),
                Err(_) => Err(AwsError::timeout(SERVICE, bound.as_millis())),
            }
        }
    }

    /// Bounds a call of the direct path, whose failures are told already.
    pub(in crate::aws) async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, AwsError>>,
    ) -> Result<T, AwsError> {
        match tokio::time::timeout(self.timeout, call).await {
            Ok(outcome) => outcome,
            Err(_) => Err(AwsError::timeout(SERVICE, self.timeout.as_millis())),
        }
    }

    pub(in crate::aws) fn expected_owner(&self) -> Option<String> {
        self.expected_owner.clone()
    }

    pub(in crate::aws) fn payer(&self) -> Option<RequestPayer> {
        self.payer.clone()
    }
}

fn rfc3339(at: &DateTime) -> Option<String> {
    at.fmt(Format::DateTime).ok()
}

/// An HTTP date as RFC 3339.
pub(in crate::aws) fn rfc3339_of(date: &str) -> Option<String> {
    quick_rfc3339(date).or_else(|| DateTime::from_str(date, Format::HttpDate).ok().as_ref().and_then(rfc3339))
}

/// The form that every store writes, `Sun, 06 Nov 1994 08:49:37 GMT`, put in another order; none for others.
fn quick_rfc3339(date: &str) -> Option<String> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const MONTH_NUMBERS: [&str; 12] =
        ["01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"];
    let (day, month, year) = (date.get(5..7)?, date.get(8..11)?, date.get(12..16)?);
    let (time, rest) = (date.get(17..25)?, date.get(25..)?);
    let at = MONTHS.find(month).filter(|at| at % 3 == 0)?;
    let below = |text: Option<&str>, bound: u8| {
        text.and_then(|text| text.parse::<u8>().ok()).is_some_and(|number| number < bound)
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = rest == " GMT"
        && digits(day)
        && digits(year)
        && below(Some(day), 32)
        && below(time.get(0..2), 24)
        && below(time.get(3..5), 60)
        && below(time.get(6..8), 60)
        && time.bytes().filter(|byte| *byte == b':').count() == 2;
    let month = MONTH_NUMBERS.get(at / 3).filter(|_| plain)?;
    Some([year, "-", month, "-", day, "T", time, "Z"].concat())
}

/// A moment as S3 writes it in XML, `2026-11-01T10:00:00.000Z`, as we write it: no fraction where it is nothing.
pub(in crate::aws) fn rfc3339_of_iso(text: &str) -> Option<String> {
    let digits = |part: Option<&str>| {
        part.is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit() || b"-T:".contains(&byte)))
    };
    if text.get(19..) == Some(".000Z") && digits(text.get(..19)) {
        let mut short = text.to_owned();
        short.truncate(19);
        short.push('Z');
        return Some(short);
    }
    DateTime::from_str(text.trim_ascii(), Format::DateTime).ok().as_ref().and_then(rfc3339)
}

/// An HTTP date in epoch milliseconds.
pub(in crate::aws) fn epoch_ms_of(date: &str) -> Option<i64> {
    DateTime::from_str(date, Format::HttpDate).ok()?.to_millis().ok()
}

pub(in crate::aws) fn total_size(content_range: Option<&str>) -> Option<u64> {
    content_range?.rsplit_once('/')?.1.parse().ok()
}
