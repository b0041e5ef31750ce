//! Requests that are made and not sent: what explains a query is the very request that the query would send.
//!
//! A capture stands in place of the HTTP clients. It keeps the first request, and refuses it and all after it, so that
//! nothing leaves; the credentials are made up, so that not even a signature of real ones comes about.

use std::sync::{Arc, OnceLock};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::aws::{AwsError, ErrorKind};

/// The code of the error that a request ends with which was not sent.
pub const NOT_SENT: &str = "NotSent";
/// Headers whose values are secrets, or made from one. The names of headers are in lower case here.
const SECRET_HEADERS: [&str; 2] = ["authorization", "x-amz-security-token"];
/// SSE-C keys and their digests, also those of the source of a copy.
const CUSTOMER_KEY: &str = "server-side-encryption-customer-key";

/// A request as it would be sent, without what signs it.
#[derive(Debug, Clone)]
pub struct Captured {
    /// For example `GET`.
    pub method: String,
    /// With the query.
    pub url: String,
    /// Names in lower case; no value where it is a secret.
    pub headers: Vec<(String, Option<String>)>,
    /// The names of the headers that are signed; none for anonymous requests.
    pub signed: Vec<String>,
    /// Bytes of the body; none where the length is not known.
    pub body_bytes: Option<u64>,
}

/// Keeps the first request.
#[derive(Debug, Clone, Default)]
pub struct Capture(Arc<OnceLock<Captured>>);

impl Capture {
    /// The first request, when there was one.
    pub fn first(&self) -> Option<&Captured> {
        self.0.get()
    }

    /// In place of the SDK's HTTP client, whose name the user agent keeps.
    pub fn client(&self, of: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(CaptureClient { capture: self.clone(), of })
    }

    /// Keeps a request of the direct path, and says that it is not sent.
    pub(super) fn refuse<B>(&self, request: &http::Request<B>, body_bytes: u64) -> AwsError {
        let headers = request.headers().iter();
        let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let (method, url) = (request.method().as_str(), request.uri().to_string());
        self.keep(method, &url, headers, Some(body_bytes));
        not_sent("s3")
    }

    fn keep<'a>(
        &self,
        method: &str,
        url: &str,
        headers: impl Iterator<Item = (&'a str, &'a str)>,
        body_bytes: Option<u64>,
    ) {
        let mut signed = Vec::new();
        let mut shown: Vec<(String, Option<String>)> = Vec::new();
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            if name == "authorization" {
                signed = signed_headers(value);
            }
            let secret = SECRET_HEADERS.contains(&name.as_str()) || name.contains(CUSTOMER_KEY);
            shown.push((name, (!secret).then(|| value.to_owned())));
        }
        shown.sort();
        let captured =
            Captured { method: method.to_owned(), url: url.to_owned(), headers: shown, signed, body_bytes };
        // only the first counts
        self.0.set(captured).ok();
    }
}

#[derive(Debug)]
struct CaptureClient {
    capture: Capture,
    of: SharedHttpClient,
}

impl HttpClient for CaptureClient {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.capture.clone())
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.of.connector_metadata()
    }
}

impl HttpConnector for Capture {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let length = request.headers().get("content-length").and_then(|length| length.parse().ok());
        let bytes = length.or_else(|| request.body().content_length());
        self.keep(request.method(), request.uri(), request.headers().iter(), bytes);
        HttpConnectorFuture::ready(Err(ConnectorError::user(Box::new(not_sent("s3")))))
    }
}

/// From `SignedHeaders=host;x-amz-date` of an `Authorization` header.
fn signed_headers(authorization: &str) -> Vec<String> {
    let list = authorization.split_once("SignedHeaders=").map_or("", |(_, rest)| rest);
    let list = list.split(',').next().unwrap_or_default();
    list.split(';').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// What a request ends with that is explained.
pub(super) fn not_sent(service: &'static str) -> AwsError {
    AwsError::new(ErrorKind::InvalidRequest, service, NOT_SENT, "the request is explained and not sent")
}

/// Made-up credentials to sign with what is never sent.
pub fn throw_away(with_token: bool) -> SharedCredentialsProvider {
    let token = with_token.then(|| "explained".to_owned());
    SharedCredentialsProvider::new(Credentials::new("EXPLAINED", "explained", token, None, "s3-connector"))
}

#[cfg(test)]
mod tests {
    use super::{Capture, NOT_SENT, signed_headers};

    #[test]
    fn the_first_request_is_kept_without_its_secrets() {
        let capture = Capture::default();
        for path in ["first", "second"] {
            let request = http::Request::get(format!("https://s3.example/{path}"))
                .header(
                    "authorization",
                    "AWS4-HMAC-SHA256 Credential=A/s3, SignedHeaders=host;x, Signature=S",
                )
                .header("x-amz-security-token", "TOKEN")
                .header("x-amz-server-side-encryption-customer-key", "KEY")
                .header("range", "bytes=0-1")
                .body(())
                .unwrap();
            assert_eq!(capture.refuse(&request, 0).code, NOT_SENT);
        }
        let first = capture.first().unwrap();
        assert_eq!(first.url, "https://s3.example/first");
        assert_eq!(first.signed, ["host", "x"]);
        let shown: Vec<&str> = first.headers.iter().filter_map(|(_, value)| value.as_deref()).collect();
        assert_eq!(shown, ["bytes=0-1"]);
        assert_eq!(first.headers.len(), 4, "names are shown");
    }

    #[test]
    fn what_is_no_signature_signs_nothing() {
        assert_eq!(signed_headers("Bearer x"), [""; 0]);
    }
}
