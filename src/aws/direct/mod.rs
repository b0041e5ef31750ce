//! The direct path: objects are read, written and listed without the SDK.
//!
//! These calls are what the service does most, and the SDK spends seven times the CPU of a signed request on each.
//! This path signs on its own and streams over a pooled client with the same egress rules. Retries, the correction of
//! a clock that is wrong and the meaning of errors are the same as on the other path, which all other calls take, and
//! so do buckets whose address needs the SDK's endpoint rules (access points, directory buckets, other partitions).

pub(super) mod address;
mod list;
mod page;
mod read;
pub(super) mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use crate::aws::body::RequestBody;
use crate::aws::capture::Capture;
use crate::aws::direct::address::{Address, in_order};
use crate::aws::http::DirectClient;
use crate::aws::s3::{CustomerKey, Settings};
use crate::aws::sigv4::{Signed, Signer, Target};
use crate::aws::{AwsError, ErrorKind};
use crate::model::provider::Profile;
use crate::model::resource::PayloadSigning;

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
    /// Those of SSE-C, which only reads and writes of objects have.
    customer: HeaderMap,
    profile: &'static Profile,
    payload_signing: PayloadSigning,
    /// Keeps requests in place of sending them.
    capture: Option<Capture>,
    /// Milliseconds that the store's clock is ahead of ours, as far as it was found to matter.
    skew_ms: Arc<AtomicI64>,
}

/// One request, before it is signed.
struct Call<'a> {
    method: Method,
    key: &'a str,
    /// Encoded, in any order.
    query: String,
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
            customer: settings.defaults.customer_key.as_ref().map(CustomerKey::headers).unwrap_or_default(),
            profile: settings.profile,
            payload_signing: settings.payload_signing,
            capture: settings.capture.clone(),
            skew_ms: Arc::new(AtomicI64::new(0)),
        })
    }

    /// The headers that every request has, with room for those of this one.
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(6);
        for (name, value) in &self.fixed {
            headers.insert(name, value.clone());
        }
        headers
    }

    /// The same for a request that reads or writes an object.
    fn object_headers(&self) -> HeaderMap {
        let mut headers = self.headers();
        for (name, value) in &self.customer {
            headers.insert(name, value.clone());
        }
        headers
    }

    /// Makes a call, again when its failure may be gone a moment later, and once more when the clocks were apart.
    /// `headers` and `body` are those of each attempt; no body ends the tries, because what was sent is gone.
    async fn call<'b>(
        &self,
        mut call: Call<'_>,
        headers: impl Fn() -> Result<HeaderMap, AwsError>,
        mut body: impl FnMut() -> Option<(RequestBody, Signed<'b>)>,
    ) -> Result<Response<Incoming>, AwsError> {
        call.query = in_order(call.query);
        let skew = self.skew_ms.load(Ordering::Relaxed);
        match self.attempt(&call, &headers, &mut body, skew).await {
            Ok(Some(response)) => Ok(response),
            Ok(None) => Err(gone("the body was sent already")),
            // boxed: its state is large, and few take it
            Err(error) => Box::pin(self.call_again(call, headers, body, (skew, error))).await,
        }
    }

    /// The attempts after the first one.
    async fn call_again<'b>(
        &self,
        call: Call<'_>,
        headers: impl Fn() -> Result<HeaderMap, AwsError>,
        mut body: impl FnMut() -> Option<(RequestBody, Signed<'b>)>,
        (mut skew, mut error): (i64, AwsError),
    ) -> Result<Response<Incoming>, AwsError> {
        let mut wait = RETRY_WAIT;
        let mut left = self.retries;
        let mut corrected = false;
        loop {
            let apart = (error.kind == ErrorKind::ClockSkew && !corrected)
                .then(|| self.learn_clock(&error))
                .flatten();
            if let Some(apart) = apart {
                (skew, corrected) = (apart, true);
            } else if left > 0 && is_passing(&error) {
                left -= 1;
                tokio::time::sleep(wait.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
                wait *= 2;
            } else {
                return Err(error);
            }
            match self.attempt(&call, &headers, &mut body, skew).await {
                Ok(Some(response)) => return Ok(response),
                // what was sent is gone: the failure before is what there is to say
                Ok(None) => return Err(error),
                Err(next) => error = next,
            }
        }
    }

    /// One attempt; none when there is no body for it any more.
    async fn attempt<'b>(
        &self,
        call: &Call<'_>,
        headers: &impl Fn() -> Result<HeaderMap, AwsError>,
        body: &mut impl FnMut() -> Option<(RequestBody, Signed<'b>)>,
        skew_ms: i64,
    ) -> Result<Option<Response<Incoming>>, AwsError> {
        let credentials = match &self.credentials {
            Some(provider) => provider.provide_credentials().await.map(Some),
            None => Ok(None),
        };
        let credentials = credentials.map_err(|error| AwsError::from_chain(SERVICE, &error))?;
        let Some(body) = body() else { return Ok(None) };
        let length = body.0.length();
        let request = self.request(call, headers()?, body, credentials, skew_ms)?;
        if let Some(capture) = &self.capture {
            return Err(capture.refuse(&request, length));
        }
        let sent = self.client.request(request);
        let response = sent.await.map_err(|error| AwsError::from_chain(SERVICE, &error))?;
        if response.status().is_success() {
            return Ok(Some(response));
        }
        Err(Box::pin(refusal(response)).await)
    }

    fn request(
        &self,
        call: &Call<'_>,
        mut headers: HeaderMap,
        (mut body, payload): (RequestBody, Signed<'_>),
        credentials: Option<Credentials>,
        skew_ms: i64,
    ) -> Result<Request<RequestBody>, AwsError> {
        let uri = self.address.uri(call.key, &call.query).map_err(|error| unusable(&error))?;
        if let Some(credentials) = credentials {
            let query = uri.query().unwrap_or_default();
            let target = Target { method: &call.method, path: uri.path(), query, payload };
            let signed = self.signer.sign(target, &mut headers, &credentials, at(skew_ms));
            let chunks = signed.map_err(|error| unusable(&error))?;
            if let RequestBody::Signed(body) = &mut body {
                body.sign_with(chunks);
            }
        }
        let mut request = Request::new(body);
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// Keeps how far the clocks are apart, for all requests from now on; none when the answer does not tell.
    fn learn_clock(&self, error: &AwsError) -> Option<i64> {
        let theirs = crate::aws::s3::epoch_ms_of(error.date.as_deref()?)?;
        let ours = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis();
        let apart = theirs - i64::try_from(ours).ok()?;
        self.skew_ms.store(apart, Ordering::Relaxed);
        tracing::warn!(
            skew_ms = apart,
            "the store's clock and ours are apart: requests are signed by the store's"
        );
        Some(apart)
    }
}

/// What an answer means that is no success. One whose body cannot be read still has a status.
pub(super) async fn refusal(response: Response<Incoming>) -> AwsError {
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, ERROR_BYTES).collect().await.map(http_body_util::Collected::to_bytes);
    AwsError::from_answer(SERVICE, parts.status.as_u16(), &parts.headers, &body.unwrap_or_default())
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
