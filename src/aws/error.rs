//! What an upstream's failure means to us.

use std::error::Error as StdError;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::aws::egress::{Blocked, ResolveError};
use crate::aws::outbound::ProxyRefused;
use crate::model::check::Proposal;
use crate::model::error_catalogue::{self, Origin};
use crate::model::object::BodyError;
use crate::model::operation::Operation;

/// What kind of failure it is; decides the status of our answer and what is tried next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The credentials are real but may not do this.
    AccessDenied,
    /// The credentials are not accepted.
    BadCredentials,
    /// The bucket is not there.
    NoSuchBucket,
    /// The object, upload, version, secret or role is not there.
    NotFound,
    /// A conditional read found nothing new.
    NotModified,
    /// A condition did not hold.
    PreconditionFailed,
    /// A conflicting operation is under way, or the thing exists.
    Conflict,
    /// The range lies outside the object.
    InvalidRange,
    /// The upstream asks for fewer requests, or is overloaded.
    Throttled,
    /// The bucket lives in another region.
    WrongRegion,
    /// Our clock and the upstream's differ too much.
    ClockSkew,
    /// No answer in time.
    Timeout,
    /// No connection.
    Unreachable,
    /// The egress rules refuse the address.
    Blocked,
    /// The upstream did not accept the request.
    InvalidRequest,
    /// The upstream has no such operation.
    Unsupported,
    /// The sender's body ended early or stalled.
    BrokenBody,
    /// The upstream failed inside.
    Internal,
}

/// What a 304 says of an object besides its tag, for those who keep the object (RFC 9110, 15.4.5; RFC 9111, 4.3.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmodified {
    /// When it was written, as HTTP writes it.
    pub last_modified: Option<String>,
    /// How long it may be kept.
    pub cache_control: Option<String>,
    /// The same as a date.
    pub expires: Option<String>,
}

/// A failure of an upstream. It never holds a credential.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{service}: {code}: {message}")]
pub struct AwsError {
    /// What it means.
    pub kind: ErrorKind,
    /// `s3`, `sts` or `secretsmanager`.
    pub service: &'static str,
    /// The upstream's code, or one of the error catalogue for the network.
    pub code: String,
    /// The upstream's words.
    pub message: String,
    /// The HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// The upstream's id of the request.
    pub request_id: Option<String>,
    /// The bucket's region, when the upstream names it.
    pub region: Option<String>,
    /// The upstream's `Date`.
    pub date: Option<String>,
    /// The object's tag, when a condition was answered.
    pub etag: Option<String>,
    /// What else a 304 says of the object.
    pub unmodified: Option<Box<Unmodified>>,
    /// The object's bytes, when a range lies outside of it.
    pub size: Option<u64>,
    /// What was being done, for those who must allow it.
    pub operation: Option<Operation>,
    /// What the resource's owner could change, where that is known.
    pub proposal: Option<Box<Proposal>>,
}

impl AwsError {
    /// A failure without an answer.
    pub fn new(kind: ErrorKind, service: &'static str, code: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            service,
            code: code.to_owned(),
            message: message.into(),
            status: None,
            request_id: None,
            region: None,
            date: None,
            etag: None,
            unmodified: None,
            size: None,
            operation: None,
            proposal: None,
        }
    }

    /// The egress rules refuse the address.
    pub fn blocked(service: &'static str, blocked: &Blocked) -> Self {
        Self::new(ErrorKind::Blocked, service, "BlockedEndpoint", blocked.to_string())
    }

    /// No answer in time.
    pub fn timeout(service: &'static str, after_ms: u128) -> Self {
        Self::new(ErrorKind::Timeout, service, "ReadTimeout", format!("no answer after {after_ms} ms"))
    }

    /// The code of the error catalogue. STS says `AccessDenied` for a role that may not be assumed, and other
    /// services' STS say nothing at all for one that is not there.
    pub fn catalogue_code(&self) -> &str {
        match (self.service, self.kind) {
            ("sts", _) if is_of_sts(&self.code) => &self.code,
            ("sts", ErrorKind::AccessDenied) => "RoleNotAssumable",
            ("sts", ErrorKind::NotFound) => "NoSuchEntity",
            // S3 says `AccessDenied` for the key, too, and names the action
            ("s3", _) if self.code == "AccessDenied" && self.message.contains("kms:") => "KmsAccessDenied",
            _ => &self.code,
        }
    }

    /// What a code within an answer means.
    pub(super) fn of_code(service: &'static str, code: &str, message: String) -> Self {
        Self { status: Some(400), ..Self::new(kind_of(code, 400), service, code, message) }
    }

    /// What an answer of S3 means.
    pub(super) fn from_answer(
        service: &'static str,
        status: u16,
        headers: &http::HeaderMap,
        body: &[u8],
    ) -> Self {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (code, message) = (text_element(body, "Code"), text_element(body, "Message"));
        classified(service, status, code.as_deref(), message.as_deref(), header, body)
    }

    /// What a failure before there was an answer means.
    pub(super) fn from_chain(service: &'static str, error: &(dyn StdError + 'static)) -> Self {
        from_chain(service, error)
    }

    /// What an SDK error means.
    pub fn from_sdk<E>(service: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        match error {
            SdkError::ServiceError(context) => {
                let meta = context.err().meta();
                let mut mapped = from_response(service, meta.code(), meta.message(), context.raw());
                if meta.code().is_none() && context.raw().status().is_success() {
                    mapped.kind = ErrorKind::Internal;
                    mapped.message = format!("the answer cannot be read: {}", root_cause(error));
                }
                mapped
            }
            SdkError::ResponseError(context) => {
                let mut mapped = from_response(service, None, None, context.raw());
                if mapped.kind == ErrorKind::Internal || context.raw().status().is_success() {
                    mapped.kind = ErrorKind::Internal;
                    mapped.message = format!("the answer cannot be read: {}", root_cause(error));
                }
                mapped
            }
            SdkError::TimeoutError(_) => {
                Self::new(ErrorKind::Timeout, service, "ReadTimeout", "no answer in time")
            }
            _ => from_chain(service, error),
        }
    }
}

fn is_of_sts(code: &str) -> bool {
    error_catalogue::find(code).is_some_and(|entry| entry.origin == Origin::Sts)
}

fn from_response(
    service: &'static str,
    code: Option<&str>,
    message: Option<&str>,
    raw: &HttpResponse,
) -> AwsError {
    let header = |name: &str| raw.headers().get(name).map(str::to_owned);
    classified(service, raw.status().as_u16(), code, message, header, raw.body().bytes().unwrap_or_default())
}

fn classified(
    service: &'static str,
    status: u16,
    code: Option<&str>,
    message: Option<&str>,
    header: impl Fn(&str) -> Option<String>,
    body: &[u8],
) -> AwsError {
    let code = code.map_or_else(|| code_of_status(status).to_owned(), str::to_owned);
    let mut kind = kind_of(&code, status);
    let named = header("x-amz-bucket-region").or_else(|| element(body, "Region"));
    let redirected = || region_of_host(&text_element(body, "Endpoint")?).map(str::to_owned);
    let region = named.or_else(redirected);
    if kind == ErrorKind::InvalidRequest && code == "AuthorizationHeaderMalformed" {
        kind = if region.is_some() || wrong_region_words(message) { ErrorKind::WrongRegion } else { kind };
    }
    let mut code = code;
    let mut message = message.map_or_else(|| format!("HTTP status {status}"), str::to_owned);
    if header("x-amz-delete-marker").as_deref() == Some("true") && matches!(status, 404 | 405) {
        // a marker that is read as a version, and an object that is hidden by one
        (kind, message) = (ErrorKind::NotFound, deleted(status).to_owned());
        "DeleteMarker".clone_into(&mut code);
    }
    let unmodified = (kind == ErrorKind::NotModified).then(|| {
        Box::new(Unmodified {
            last_modified: header("last-modified"),
            cache_control: header("cache-control"),
            expires: header("expires"),
        })
    });
    AwsError {
        kind,
        service,
        message,
        code,
        unmodified,
        status: Some(status),
        request_id: header("x-amz-request-id").or_else(|| header("x-amzn-requestid")),
        region,
        date: header("date"),
        etag: header("etag"),
        size: size_of_object(header("content-range").as_deref(), body),
        operation: None,
        proposal: None,
    }
}

/// What a delete marker hides (S3 user guide, working with delete markers).
fn deleted(status: u16) -> &'static str {
    match status {
        405 => "this version is a delete marker, which has no content",
        _ => "the object is deleted: its newest version is a delete marker",
    }
}

/// From `Content-Range: bytes */SIZE`, or from the body as S3 writes it.
fn size_of_object(range: Option<&str>, body: &[u8]) -> Option<u64> {
    let told = range.and_then(|range| range.rsplit_once('/')).map(|(_, size)| size.to_owned());
    told.or_else(|| text_element(body, "ActualObjectSize"))?.parse().ok()
}

/// The text of the first XML element of that name, unescaped.
fn text_element(body: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once('<')?;
    let unescaped = value
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&");
    (!unescaped.is_empty()).then_some(unescaped)
}

/// Answers to HEAD, and those of some stores, carry no code.
fn code_of_status(status: u16) -> &'static str {
    match status {
        301 => "PermanentRedirect",
        304 => "NotModified",
        307 => "TemporaryRedirect",
        400 => "InvalidRequest",
        401 | 403 => "AccessDenied",
        404 => "NotFound",
        405 => "MethodNotAllowed",
        409 => "OperationAborted",
        412 => "PreconditionFailed",
        416 => "InvalidRange",
        429 => "SlowDown",
        501 => "NotImplemented",
        503 => "ServiceUnavailable",
        504 => "ReadTimeout",
        _ => "InternalError",
    }
}

fn kind_of(code: &str, status: u16) -> ErrorKind {
    match code {
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidToken"
        | "TokenRefreshRequired"
        | "NotSignedUp"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "InvalidSecurity"
        | "MissingAuthenticationToken"
        | "IncompleteSignature" => ErrorKind::BadCredentials,
        "AccessDenied"
        | "AccessDeniedException"
        | "AllAccessDisabled"
        | "AccountProblem"
        | "InvalidObjectState"
        | "KMS.DisabledException"
        | "UserSuspended"
        | "Forbidden" => ErrorKind::AccessDenied,
        "NoSuchBucket" => ErrorKind::NoSuchBucket,
        "NoSuchKey"
        | "NoSuchVersion"
        | "NoSuchUpload"
        | "NotFound"
        | "ResourceNotFoundException"
        | "NoSuchEntity" => ErrorKind::NotFound,
        "NotModified" => ErrorKind::NotModified,
        // the second one is Alibaba's, of an upload that must replace nothing
        "PreconditionFailed" | "FileAlreadyExists" => ErrorKind::PreconditionFailed,
        "OperationAborted"
        | "ConditionalRequestConflict"
        | "BucketAlreadyExists"
        | "BucketAlreadyOwnedByYou" => ErrorKind::Conflict,
        "InvalidRange" => ErrorKind::InvalidRange,
        "SlowDown"
        | "ServiceUnavailable"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded" => ErrorKind::Throttled,
        "PermanentRedirect" | "TemporaryRedirect" | "IllegalLocationConstraintException" => {
            ErrorKind::WrongRegion
        }
        "RequestTimeTooSkewed" | "RequestExpired" => ErrorKind::ClockSkew,
        "NotImplemented" | "MethodNotAllowed" => ErrorKind::Unsupported,
        "RequestTimeout" => ErrorKind::BrokenBody,
        _ => match status {
            401 | 403 => ErrorKind::AccessDenied,
            404 => ErrorKind::NotFound,
            412 => ErrorKind::PreconditionFailed,
            429 | 503 => ErrorKind::Throttled,
            400..=499 => ErrorKind::InvalidRequest,
            _ => ErrorKind::Internal,
        },
    }
}

/// Redirects of S3 name the endpoint to use: `bucket.s3.eu-west-1.amazonaws.com`, and with a dash in old ones.
fn region_of_host(host: &str) -> Option<&str> {
    let rest = host.strip_suffix(".amazonaws.com")?;
    let (_, region) = rest.rsplit_once("s3.").or_else(|| rest.rsplit_once("s3-"))?;
    (!region.is_empty() && !region.contains('.')).then_some(region)
}

/// Garage says `unexpected scope` and AWS `the region 'x' is wrong`, both with this code.
fn wrong_region_words(message: Option<&str>) -> bool {
    message.is_some_and(|text| text.contains("region") || text.contains("scope"))
}

/// The text of the first XML element of that name; enough for the flat error bodies of S3.
fn element(body: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once('<')?;
    let plain = !value.is_empty()
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    plain.then(|| value.to_owned())
}

/// Failures before there was an answer: the chain of causes tells which.
fn from_chain(service: &'static str, error: &(dyn StdError + 'static)) -> AwsError {
    let mut texts = Vec::new();
    let mut cause = Some(error);
    while let Some(at) = cause {
        if let Some(known) = known_cause(service, at) {
            return known;
        }
        texts.push(at.to_string());
        cause = at.source();
    }
    let message = texts.last().cloned().unwrap_or_default();
    let all = texts.join(": ").to_lowercase();
    let (kind, code) = network_cause(&all);
    AwsError::new(kind, service, code, message)
}

fn known_cause(service: &'static str, at: &(dyn StdError + 'static)) -> Option<AwsError> {
    if let Some(known) = at.downcast_ref::<AwsError>() {
        return Some(known.clone());
    }
    if let Some(blocked) = at.downcast_ref::<Blocked>() {
        return Some(AwsError::blocked(service, blocked));
    }
    if let Some(refused) = at.downcast_ref::<ProxyRefused>() {
        return Some(AwsError::new(ErrorKind::Unreachable, service, "ProxyRefused", refused.to_string()));
    }
    if let Some(resolve) = at.downcast_ref::<ResolveError>() {
        return Some(match resolve {
            ResolveError::Blocked(blocked) => AwsError::blocked(service, blocked),
            ResolveError::NotFound(text) => {
                AwsError::new(ErrorKind::Unreachable, service, "NameNotFound", text.clone())
            }
        });
    }
    if let Some(body) = at.downcast_ref::<BodyError>() {
        return Some(AwsError::new(ErrorKind::BrokenBody, service, body_code(body), body.to_string()));
    }
    if let Some(tls) = at.downcast_ref::<rustls::Error>() {
        return Some(AwsError::new(ErrorKind::Unreachable, service, tls_code(tls), tls.to_string()));
    }
    // an io::Error hides its inner error from source()
    let io = at.downcast_ref::<std::io::Error>()?;
    if let Some(inner) = io.get_ref() {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(inner);
        while let Some(at) = cause {
            if let Some(known) = known_cause(service, at) {
                return Some(known);
            }
            cause = at.source();
        }
    }
    if io.kind() == std::io::ErrorKind::TimedOut {
        return Some(AwsError::new(
            ErrorKind::Timeout,
            service,
            "ConnectTimeout",
            "no connection came about in time",
        ));
    }
    let code = match io.kind() {
        std::io::ErrorKind::ConnectionRefused => "ConnectionRefused",
        std::io::ErrorKind::ConnectionReset
        | std::io::ErrorKind::BrokenPipe
        | std::io::ErrorKind::ConnectionAborted => "ConnectionReset",
        _ => return None,
    };
    Some(AwsError::new(ErrorKind::Unreachable, service, code, io.to_string()))
}

/// The error catalogue's code for a body that did not come to its end.
pub fn body_code(error: &BodyError) -> &'static str {
    match error {
        BodyError::TooLarge(_) => "EntityTooLarge",
        BodyError::EndedEarly(_) | BodyError::Stalled(_) => "RequestTimeout",
    }
}

/// The error catalogue's code for a TLS failure.
pub(super) fn tls_code(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Certificate;
    match error {
        rustls::Error::InvalidCertificate(Certificate::UnknownIssuer | Certificate::BadSignature) => {
            "TlsUnknownCa"
        }
        rustls::Error::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            "TlsCertificateExpired"
        }
        rustls::Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => "TlsNameMismatch",
        _ => "TlsFailure",
    }
}

fn network_cause(all: &str) -> (ErrorKind, &'static str) {
    let has = |words: &[&str]| words.iter().any(|word| all.contains(word));
    if has(&["connect timeout", "connection timed out", "timed out"]) {
        return (ErrorKind::Timeout, "ConnectTimeout");
    }
    if has(&["no credentials", "credentials provider", "failed to load credentials", "credentialsnotloaded"])
    {
        return (ErrorKind::BadCredentials, "CredentialsMissing");
    }
    if has(&["invalid http", "parse error", "invalid header"]) {
        return (ErrorKind::Unreachable, "NotHttp");
    }
    if has(&["reset", "broken pipe", "connection closed", "incomplete message", "canceled"]) {
        return (ErrorKind::Unreachable, "ConnectionReset");
    }
    (ErrorKind::Unreachable, "ConnectionReset")
}

fn root_cause(error: &(dyn StdError + 'static)) -> String {
    let mut at = error;
    while let Some(next) = at.source() {
        at = next;
    }
    at.to_string()
}

#[cfg(test)]
mod tests {
    use super::{ErrorKind, element, kind_of, region_of_host};

    #[test]
    fn credential_errors_are_not_denials() {
        for code in [
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "ExpiredToken",
            "InvalidToken",
            "TokenRefreshRequired",
        ] {
            assert_eq!(kind_of(code, 403), ErrorKind::BadCredentials, "{code}");
        }
        assert_eq!(kind_of("AccessDenied", 403), ErrorKind::AccessDenied);
        assert_eq!(kind_of("ThrottlingException", 400), ErrorKind::Throttled);
        assert_eq!(kind_of("SomethingNew", 403), ErrorKind::AccessDenied);
    }

    #[test]
    fn the_region_is_read_from_the_error_body() {
        let body = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
        assert_eq!(element(body, "Region").as_deref(), Some("eu-west-1"));
        assert_eq!(element(b"<Region><script></Region>", "Region"), None);
        assert_eq!(element(b"", "Region"), None);
    }

    #[test]
    fn the_region_is_read_from_the_endpoint_of_a_redirect() {
        assert_eq!(region_of_host("bucket.s3.eu-west-1.amazonaws.com"), Some("eu-west-1"));
        assert_eq!(region_of_host("a.s3.b.s3-eu-west-1.amazonaws.com"), None, "old and ambiguous");
        assert_eq!(region_of_host("bucket.s3-eu-west-1.amazonaws.com"), Some("eu-west-1"));
        for other in ["s3.amazonaws.com", "bucket.s3.amazonaws.com", "s3.eu-west-1.example.com", ""] {
            assert_eq!(region_of_host(other), None, "{other}");
        }
    }
}
