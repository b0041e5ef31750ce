//! The direct path: objects are read, written and listed without the SDK.
//!
//! These calls are what the service does most, and the SDK spends seven times the CPU of a signed request on each.
//! This path signs on its own and streams over a pooled client with the same egress rules. Retries, the correction of
//! a clock that is wrong and the meaning of errors are the same as on the other path, which all other calls take, and
//! so do buckets whose address needs the SDK's endpoint rules (access points, directory buckets, other partitions).

mod address;
mod list;
mod page;
mod read;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use crate::aws::body::RequestBody;
use crate::aws::direct::address::Address;
use crate::aws::http::DirectClient;
use crate::aws::s3::Settings;
use crate::aws::sigv4::{Signed, Signer, Target};
use crate::aws::{AwsError, ErrorKind};

const SERVICE: &str = "s3";
/// Bytes of an error's body that are read.
const ERROR_BYTES: usize = 64 * 1024;
/// The wait before the first retry; it doubles.
const RETRY_WAIT: Duration = Duration::from_millis(100);

/// Reads, writes and lists objects of one bucket.
#[derive(Debug, Clone)]
pub(super) struct Direct {
    client: DirectClient,
    address: Address,
    signer: Signer,
    credentials: Option<SharedCredentialsProvider>,
    retries: u32,
    /// Headers that every request has.
    fixed: HeaderMap,
    /// Headers that every upload has.
    defaults: HeaderMap,
    /// Milliseconds that the store's clock is ahead of ours, as far as it was found to matter.
    skew_ms: Arc<AtomicI64>,
}

/// One request, before it is signed.
struct Call<'a> {
    method: Method,
    key: &'a str,
    /// Encoded, in the order of the names.
    query: &'a str,
}

impl Direct {
    /// None when the bucket's address needs the SDK's rules.
    pub(super) fn new(settings: &Settings) -> Option<Direct> {
        let address = Address::new(settings)?;
        let mut fixed = HeaderMap::new();
        fixed.insert(HOST, address.host.clone());
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
            address,
            signer: Signer::new(&settings.region),
            credentials: settings.credentials.clone(),
            retries: settings.retries,
            fixed,
            defaults: write::defaults(&settings.defaults)?,
            skew_ms: Arc::new(AtomicI64::new(0)),
        })
    }

    /// The headers that every request has, with room for those of this one.
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(12);
        for (name, value) in &self.fixed {
            headers.insert(name, value.clone());
        }
        headers
    }

    /// Makes a call, again when its failure may be gone a moment later, and once more when the clocks were apart.
    /// `headers` and `body` are those of each attempt; no body ends the tries, because what was sent is gone.
    async fn call<'b>(
        &self,
        call: Call<'_>,
        headers: impl Fn() -> Result<HeaderMap, AwsError>,
        mut body: impl FnMut() -> Option<(RequestBody, Signed<'b>)>,
    ) -> Result<Response<Incoming>, AwsError> {
        let mut wait = RETRY_WAIT;
        let mut left = self.retries;
        let mut skew = self.skew_ms.load(Ordering::Relaxed);
        let mut corrected = false;
        let mut failed = None;
        loop {
            let Some((body, signed)) = body() else {
                return Err(failed.unwrap_or_else(|| gone("the body was sent already")));
            };
            let error = match self.attempt(&call, headers()?, body, signed, skew).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            if error.kind == ErrorKind::ClockSkew && !corrected {
                corrected = true;
                if let Some(apart) = self.learn_clock(&error) {
                    skew = apart;
                    failed = Some(error);
                    continue;
                }
            }
            if left == 0 || !is_passing(&error) {
                return Err(error);
            }
            left -= 1;
            failed = Some(error);
            tokio::time::sleep(wait.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
            wait *= 2;
        }
    }

    async fn attempt(
        &self,
        call: &Call<'_>,
        mut headers: HeaderMap,
        body: RequestBody,
        signed: Signed<'_>,
        skew_ms: i64,
    ) -> Result<Response<Incoming>, AwsError> {
        let uri = self.address.uri(call.key, call.query).map_err(|error| unusable(&error))?;
        if let Some(provider) = &self.credentials {
            let credentials = provider
                .provide_credentials()
                .await
                .map_err(|error| AwsError::from_chain(SERVICE, &error))?;
            let target = Target {
                method: &call.method,
                path: uri.path(),
                query: uri.query().unwrap_or_default(),
                payload: signed,
            };
            self.signer
                .sign(target, &mut headers, &credentials, at(skew_ms))
                .map_err(|error| unusable(&error))?;
        }
        let mut request = Request::new(body);
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let response =
            self.client.request(request).await.map_err(|error| AwsError::from_chain(SERVICE, &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        // an error whose body cannot be read still has a status
        let body = Limited::new(body, ERROR_BYTES).collect().await.map(http_body_util::Collected::to_bytes);
        Err(AwsError::from_answer(SERVICE, parts.status.as_u16(), &parts.headers, &body.unwrap_or_default()))
    }

    /// Keeps how far the clocks are apart, for all requests from now on; none when the answer does not tell.
    fn learn_clock(&self, error: &AwsError) -> Option<i64> {
        let theirs = crate::aws::s3::epoch_ms_of(error.date.as_deref()?)?;
        let ours = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis();
        let apart = theirs - i64::try_from(ours).ok()?;
        self.skew_ms.store(apart, Ordering::Relaxed);
        tracing::warn!(skew_ms = apart, "the store's clock and ours are apart: requests are signed by the store's");
        Some(apart)
    }
}

/// Now, by the store's clock.
fn at(skew_ms: i64) -> SystemTime {
    let by = Duration::from_millis(skew_ms.unsigned_abs());
    let now = SystemTime::now();
    let moved = if skew_ms < 0 { now.checked_sub(by) } else { now.checked_add(by) };
    moved.unwrap_or(now)
}

/// Reads the whole body of an answer, up to `most` bytes.
async fn collect(response: Response<Incoming>, most: usize) -> Result<Bytes, AwsError> {
    let collected = Limited::new(response.into_body(), most).collect().await;
    collected.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            let text = format!("the answer is larger than {most} bytes");
            return AwsError::new(ErrorKind::Internal, SERVICE, "InternalError", text);
        }
        AwsError::from_chain(SERVICE, &*error)
    })
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

fn gone(text: &str) -> AwsError {
    AwsError::new(ErrorKind::Internal, SERVICE, "InternalError", text)
}

/// Sets a header that was given.
fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) -> Result<(), AwsError> {
    if let Some(value) = value {
        let value = HeaderValue::from_str(value).map_err(|error| unusable(&error))?;
        headers.insert(name, value);
    }
    Ok(())
}
