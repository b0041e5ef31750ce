//! The direct path: objects are read without the SDK.
//!
//! A read is what the service does most, and the SDK spends seven times the CPU of a signed request on it. This
//! path signs with the SDK's own signer and streams over a pooled client with the same egress rules; retries and
//! errors are the same as on the other path, which all other calls take, and so do buckets whose address needs the
//! SDK's endpoint rules (access points, directory buckets, other partitions).

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::aws::body::DownloadBody;
use crate::aws::egress::Endpoint;
use crate::aws::http::DirectClient;
use crate::aws::s3::{Download, Settings, rfc3339_of, total_size};
use crate::aws::{AwsError, ErrorKind};
use crate::model::object::{GetOptions, ObjectKey, ObjectMetadata};

const SERVICE: &str = "s3";
/// Bytes of an error's body that are read.
const ERROR_BYTES: usize = 64 * 1024;
/// The wait before the first retry; it doubles.
const RETRY_WAIT: Duration = Duration::from_millis(100);
/// What stands in a path as it is (RFC 3986, unreserved) besides the slash.
pub(super) const KEPT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
pub(super) const KEPT_IN_QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Reads objects of one bucket.
#[derive(Debug, Clone)]
pub(super) struct Direct {
    client: DirectClient,
    /// Everything before the key, with the last slash.
    base: String,
    region: String,
    credentials: Option<SharedCredentialsProvider>,
    retries: u32,
    /// Headers that every request has.
    fixed: HeaderMap,
}

impl Direct {
    /// None when the bucket's address needs the SDK's rules.
    pub(super) fn new(settings: &Settings) -> Option<Direct> {
        let mut fixed = HeaderMap::new();
        fixed.insert(
            http::header::USER_AGENT,
            HeaderValue::from_static(concat!("s3-connector/", env!("CARGO_PKG_VERSION"))),
        );
        if let Some(owner) = &settings.expected_owner {
            fixed.insert("x-amz-expected-bucket-owner", HeaderValue::from_str(owner).ok()?);
        }
        if settings.requester_pays {
            fixed.insert("x-amz-request-payer", HeaderValue::from_static("requester"));
        }
        Some(Direct {
            client: settings.direct.clone(),
            base: base(&settings.bucket, &settings.region, settings.endpoint.as_ref(), settings.path_style)?,
            region: settings.region.clone(),
            credentials: settings.credentials.clone(),
            retries: settings.retries,
            fixed,
        })
    }

    /// An object; the body is not read here. The caller bounds the time.
    pub(super) async fn get(&self, key: &ObjectKey, options: &GetOptions) -> Result<Download, AwsError> {
        let mut wait = RETRY_WAIT;
        let mut left = self.retries;
        loop {
            let outcome = self.attempt(key, options).await;
            match outcome {
                Err(error) if left > 0 && is_passing(&error) => left -= 1,
                outcome => return outcome,
            }
            tokio::time::sleep(wait.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
            wait *= 2;
        }
    }

    async fn attempt(&self, key: &ObjectKey, options: &GetOptions) -> Result<Download, AwsError> {
        let request = self.request(key, options).await?;
        let response =
            self.client.request(request).await.map_err(|error| AwsError::from_chain(SERVICE, &error))?;
        if matches!(response.status(), StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
            return Ok(download(response));
        }
        let (parts, body) = response.into_parts();
        // an error whose body cannot be read still has a status
        let body = Limited::new(body, ERROR_BYTES).collect().await.map(http_body_util::Collected::to_bytes);
        Err(AwsError::from_answer(SERVICE, parts.status.as_u16(), &parts.headers, &body.unwrap_or_default()))
    }

    async fn request(
        &self,
        key: &ObjectKey,
        options: &GetOptions,
    ) -> Result<Request<Empty<Bytes>>, AwsError> {
        let mut url = format!("{}{}", self.base, utf8_percent_encode(key.as_str(), KEPT));
        if let Some(version) = &options.version_id {
            url = format!("{url}?versionId={}", utf8_percent_encode(version, KEPT_IN_QUERY));
        }
        let mut request = Request::get(&url).body(Empty::new()).map_err(|error| unusable(&error))?;
        request.headers_mut().clone_from(&self.fixed);
        let conditions = &options.conditions;
        let given = [
            (http::header::RANGE, &options.range),
            (http::header::IF_MATCH, &conditions.if_match),
            (http::header::IF_NONE_MATCH, &conditions.if_none_match),
            (http::header::IF_MODIFIED_SINCE, &conditions.if_modified_since),
            (http::header::IF_UNMODIFIED_SINCE, &conditions.if_unmodified_since),
        ];
        for (name, value) in given {
            if let Some(value) = value {
                request
                    .headers_mut()
                    .insert(name, HeaderValue::from_str(value).map_err(|error| unusable(&error))?);
            }
        }
        if let Some(provider) = &self.credentials {
            let credentials = provider
                .provide_credentials()
                .await
                .map_err(|error| AwsError::from_chain(SERVICE, &error))?;
            self.sign(&mut request, &url, credentials)?;
        }
        Ok(request)
    }

    fn sign(
        &self,
        request: &mut Request<Empty<Bytes>>,
        url: &str,
        credentials: Credentials,
    ) -> Result<(), AwsError> {
        let mut settings = SigningSettings::default();
        // S3 wants the path as it is sent: encoded once, and with its dots and slashes
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity = credentials.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|error| unusable(&error))?
            .into();
        let headers =
            request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let signable = SignableRequest::new("GET", url, headers, SignableBody::Bytes(&[]));
        let signable = signable.map_err(|error| unusable(&error))?;
        let (instructions, _) = sign(signable, &parameters).map_err(|error| unusable(&error))?.into_parts();
        instructions.apply_to_request_http1x(request);
        Ok(())
    }
}

/// The address of a bucket's objects, as the SDK would make it; none where only the SDK knows it.
pub(super) fn base(
    bucket: &str,
    region: &str,
    endpoint: Option<&Endpoint>,
    path_style: bool,
) -> Option<String> {
    let plain = bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if !plain || bucket.is_empty() || bucket.ends_with("--x-s3") {
        return None;
    }
    let host_like = !bucket.contains('_');
    let Some(endpoint) = endpoint else {
        let other_partition =
            region.starts_with("cn-") || region.contains("-iso") || region.starts_with("eusc-");
        // the region becomes a part of a host name, and must not become anything else
        let label =
            region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        // a bucket with dots does not fit the certificate's wildcard
        if other_partition || !label || region.is_empty() || bucket.contains(['.', '_']) {
            return None;
        }
        let host = format!("s3.{region}.amazonaws.com");
        return Some(if path_style {
            format!("https://{host}/{bucket}/")
        } else {
            format!("https://{bucket}.{host}/")
        });
    };
    if path_style || endpoint.host.parse::<IpAddr>().is_ok() {
        return Some(format!("{}/{bucket}/", endpoint.url));
    }
    let (scheme, rest) = endpoint.url.split_once("://")?;
    host_like.then(|| format!("{scheme}://{bucket}.{rest}/"))
}

/// Failures that may be gone a moment later.
fn is_passing(error: &AwsError) -> bool {
    match error.kind {
        ErrorKind::Throttled | ErrorKind::Internal => true,
        ErrorKind::Unreachable => ["ConnectionReset", "ConnectionRefused"].contains(&error.code.as_str()),
        ErrorKind::Timeout => error.code == "ConnectTimeout",
        _ => false,
    }
}

fn unusable(error: &dyn std::error::Error) -> AwsError {
    AwsError::new(ErrorKind::InvalidRequest, SERVICE, "InvalidRequest", error.to_string())
}

fn download(response: Response<Incoming>) -> Download {
    let (parts, body) = response.into_parts();
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let content_length = text("content-length").and_then(|length| length.parse().ok());
    let (content_range, last_modified) = (text("content-range"), text("last-modified"));
    let metadata = parts.headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix("x-amz-meta-")?;
        Some((name.to_owned(), value.to_str().ok()?.to_owned()))
    });
    Download {
        metadata: ObjectMetadata {
            key: String::new(),
            size: total_size(content_range.as_deref()).or(content_length),
            etag: text("etag"),
            last_modified: last_modified.as_deref().and_then(rfc3339_of),
            content_type: text("content-type"),
            cache_control: text("cache-control"),
            content_disposition: text("content-disposition"),
            content_encoding: text("content-encoding"),
            content_language: text("content-language"),
            storage_class: text("x-amz-storage-class"),
            server_side_encryption: text("x-amz-server-side-encryption"),
            version_id: text("x-amz-version-id"),
            metadata: metadata.collect(),
        },
        last_modified,
        content_length,
        content_range,
        request_id: text("x-amz-request-id"),
        body: DownloadBody::Direct(body),
    }
}

#[cfg(test)]
mod tests {
    use super::base;
    use crate::aws::egress::Endpoint;

    fn check(
        bucket: &str,
        region: &str,
        url: Option<(&str, &str)>,
        path_style: bool,
        expected: Option<&str>,
    ) {
        let endpoint = url.map(|(url, host)| Endpoint {
            url: url.to_owned(),
            host: host.to_owned(),
            port: 443,
            tls: url.starts_with("https"),
        });
        assert_eq!(
            base(bucket, region, endpoint.as_ref(), path_style).as_deref(),
            expected,
            "{bucket} {region} {url:?}"
        );
    }

    #[test]
    fn the_address_is_the_one_that_the_sdk_makes() {
        let aws = Some("https://b.s3.eu-central-1.amazonaws.com/");
        check("b", "eu-central-1", None, false, aws);
        check("b", "eu-central-1", None, true, Some("https://s3.eu-central-1.amazonaws.com/b/"));
        let store = Some(("https://s3.example.com:9000", "s3.example.com"));
        check("b", "x", store, false, Some("https://b.s3.example.com:9000/"));
        check("b", "x", store, true, Some("https://s3.example.com:9000/b/"));
        check("b", "x", Some(("http://10.0.0.1", "10.0.0.1")), false, Some("http://10.0.0.1/b/"));
    }

    #[test]
    fn what_needs_the_rules_of_the_sdk_is_left_to_it() {
        check("arn:aws:s3:us-east-1:111122223333:accesspoint/a", "us-east-1", None, false, None);
        check("b--use1-az4--x-s3", "us-east-1", None, false, None);
        check("with.dots", "us-east-1", None, false, None);
        check("b", "cn-north-1", None, false, None);
        check("b", "us-iso-east-1", None, false, None);
        check("", "us-east-1", None, false, None);
        for region in ["x@127.0.0.1:8443/", "evil.com:22/", "a.b", "X", "a/b", "a?b", "a#b"] {
            check("b", region, None, false, None);
        }
    }
}
