//! `Problem`: the one shape of every error (RFC 9457), and the one place where errors become status codes.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{Error, usage_remedy};
use crate::aws::{AwsError, ErrorKind};
use crate::finding::Finding;
use crate::model::check::Fix;
use crate::model::error_catalogue::{self, Owner};
use crate::model::operation::Operation;

/// Where the pages about errors stand, relative to the service.
const TYPE_BASE: &str = "/docs/errors/";

/// An error (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// The page of the kind of error, relative to the service.
    #[schema(example = "/docs/errors/NoSuchBucket")]
    pub r#type: String,
    /// The kind of error in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// The path of the request.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub instance: String,
    /// A stable name: an upstream's code, or one of ours.
    pub code: String,
    /// What is wrong, and where, in what was sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Finding>,
    /// The id of the request, to find it in logs and audit.
    pub request_id: String,
    /// Who answered what, when another service was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    /// What to change, and who can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// A change that can be applied as it stands, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// Seconds for `Retry-After`.
    #[serde(skip)]
    #[schema(ignore)]
    pub retry_after: Option<u32>,
}

/// Another service's answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Upstream {
    /// `s3`, `sts` or `secretsmanager`.
    pub service: String,
    /// Its code.
    pub code: String,
    /// Its id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// Every error a route may answer, for the document.
#[derive(utoipa::IntoResponses)]
#[allow(dead_code, reason = "only described")]
pub enum Problems {
    /// The request cannot be understood.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(Problem),
    /// There is no valid token.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(Problem),
    /// The token's role, or the resource's list of operations, does not allow it.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// It is not there, or not for this token.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// The name is taken, or the thing is in use.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// `If-Match` or another condition does not hold.
    #[response(status = 412, content_type = "application/problem+json")]
    PreconditionFailed(Problem),
    /// More than a bound allows.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The definition has errors, each with its place.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
    /// The caller was allowed, the resource was not: credentials, policy, bucket, secret or endpoint.
    #[response(status = 424, content_type = "application/problem+json")]
    FailedDependency(Problem),
    /// A change without `If-Match`.
    #[response(status = 428, content_type = "application/problem+json")]
    PreconditionRequired(Problem),
    /// Too many requests at once or too many failed attempts.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(Problem),
    /// The service failed inside.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
    /// The store has no such operation, as far as the provider's profile knows, or as it says itself.
    #[response(
        status = 501,
        content_type = "application/problem+json",
        example = json!({"type": "/docs/errors/NotSupportedByProvider", "title": "the provider has no such operation, as far as its profile knows", "status": 501, "detail": "the provider profile `garage` does not promise tags of objects: if the store has them, set `provider` to what it is", "instance": "/v1/resources/invoices/query", "code": "NotSupportedByProvider", "request_id": "0193f0a2b7c47d31a5d0c2f4b6e8a913", "remedy": "use another operation, or set `provider` of the resource to what the store is - an editor of the resource can do this"})
    )]
    NotImplemented(Problem),
    /// The store or the source cannot be reached.
    #[response(status = 502, content_type = "application/problem+json")]
    BadGateway(Problem),
    /// The store, the source or this service asks for fewer requests.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
    /// No answer in time.
    #[response(status = 504, content_type = "application/problem+json")]
    Timeout(Problem),
}

impl Problem {
    /// A problem without an upstream.
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Problem {
        Problem {
            r#type: format!("{TYPE_BASE}{code}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            instance: String::new(),
            code: code.to_owned(),
            errors: Vec::new(),
            request_id: String::new(),
            upstream: None,
            remedy: None,
            fix: None,
            retry_after: None,
        }
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn retry_after(mut self, seconds: u32) -> Problem {
        self.retry_after = Some(seconds);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let retry_after = self.retry_after;
        // the middleware writes the instance and the request id in
        let mut response = (status, Json(&self)).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"s3-connector\""));
        }
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// A failed handler.
#[derive(Debug)]
pub struct Failure(pub Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if let Error::Upstream(upstream) = &self.0
            && upstream.kind == ErrorKind::NotModified
        {
            return not_modified(upstream);
        }
        let size = match &self.0 {
            Error::Upstream(upstream) if upstream.kind == ErrorKind::InvalidRange => upstream.size,
            _ => None,
        };
        let mut response = problem(self.0).into_response();
        // how long the object is (RFC 9110, 14.4)
        if let Some(range) = size.and_then(|size| HeaderValue::try_from(format!("bytes */{size}")).ok()) {
            response.headers_mut().insert(header::CONTENT_RANGE, range);
        }
        response
    }
}

/// A 304 carries what a 200 would, as far as those need it who keep the object (RFC 9110, 15.4.5).
fn not_modified(upstream: &AwsError) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    let kept = upstream.unmodified.as_deref();
    let told = [
        (header::ETAG, upstream.etag.as_ref()),
        (header::LAST_MODIFIED, kept.and_then(|kept| kept.last_modified.as_ref())),
        (header::CACHE_CONTROL, kept.and_then(|kept| kept.cache_control.as_ref())),
        (header::EXPIRES, kept.and_then(|kept| kept.expires.as_ref())),
    ];
    for (name, value) in told {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// What an error looks like to the caller.
pub fn problem(error: Error) -> Problem {
    let detail = error.to_string();
    let code = error.code().to_owned();
    let plain = |status: StatusCode| Problem::new(status, &code, detail.clone());
    match error {
        Error::NotFound { .. } => plain(StatusCode::NOT_FOUND),
        Error::BadRequest(_) => plain(StatusCode::BAD_REQUEST),
        Error::Malformed { finding, .. } => {
            let mut problem = plain(StatusCode::BAD_REQUEST);
            problem.errors = vec![finding];
            problem
        }
        Error::Invalid { findings, .. } => {
            let mut problem = plain(StatusCode::UNPROCESSABLE_ENTITY);
            problem.remedy = findings.iter().find_map(|finding| finding.help.clone());
            problem.errors = findings;
            problem
        }
        Error::Unauthenticated(_) => plain(StatusCode::UNAUTHORIZED),
        Error::TooManyFailures => plain(StatusCode::TOO_MANY_REQUESTS).retry_after(60),
        Error::TooManyQueries => plain(StatusCode::TOO_MANY_REQUESTS).retry_after(1),
        Error::Forbidden { .. } | Error::InstallationOnly => plain(StatusCode::FORBIDDEN),
        Error::OperationNotAllowed { .. } => {
            let mut problem = plain(StatusCode::FORBIDDEN);
            problem.remedy =
                Some("an editor of the resource can add the operation to `operations`".to_owned());
            problem
        }
        Error::UsageDenied { rule, .. } => {
            let mut problem = plain(StatusCode::FORBIDDEN);
            "A secret may not be used for this".clone_into(&mut problem.title);
            problem.remedy = Some(usage_remedy(rule.as_ref()));
            problem
        }
        Error::Conflict(_) | Error::SourceInUse(_) => plain(StatusCode::CONFLICT),
        Error::CountNotConfirmed { count, .. } => {
            let mut problem = plain(StatusCode::CONFLICT);
            let there = if count == 1 { "1 is there".to_owned() } else { format!("{count} are there") };
            let finding = Finding::error("COUNT_NOT_CONFIRMED", "confirm_count", there);
            problem.errors = vec![finding];
            problem.remedy = Some(format!(
                "look with `\"dry_run\": true`, then give `\"confirm_count\": {count}` if these objects are meant"
            ));
            problem
        }
        Error::PreconditionRequired => plain(StatusCode::PRECONDITION_REQUIRED),
        Error::VersionMismatch { .. } => plain(StatusCode::PRECONDITION_FAILED),
        Error::TooLarge(_) => plain(StatusCode::PAYLOAD_TOO_LARGE),
        Error::Overloaded(_) => plain(StatusCode::SERVICE_UNAVAILABLE).retry_after(1),
        Error::Unresolved(unresolved) => {
            use crate::cache::ErrorClass;
            let class = unresolved.load.as_ref().map(|load| load.class);
            let mut problem = match class {
                Some(ErrorClass::Throttled) => plain(StatusCode::SERVICE_UNAVAILABLE).retry_after(2),
                Some(ErrorClass::Unavailable) => plain(StatusCode::BAD_GATEWAY).retry_after(2),
                _ => plain(StatusCode::FAILED_DEPENDENCY),
            };
            "A secret cannot be resolved".clone_into(&mut problem.title);
            problem.remedy = remedy(&unresolved.code);
            problem.upstream = unresolved.load.as_ref().map(|load| Upstream {
                service: "secretsmanager".to_owned(),
                code: load.code.clone(),
                request_id: load.request_id.clone(),
            });
            problem
        }
        Error::Upstream(upstream) => of_upstream(&upstream),
        Error::Store(cause) => {
            tracing::error!(cause = %chain(&cause), "the store failed");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Internal",
                "the service failed inside: its log tells more, under the request id",
            )
        }
    }
}

fn of_upstream(error: &AwsError) -> Problem {
    let status = match error.kind {
        // a role that is not there is not an object that is not there
        ErrorKind::NotFound if error.service == "s3" => StatusCode::NOT_FOUND,
        ErrorKind::NotModified => StatusCode::NOT_MODIFIED,
        ErrorKind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::InvalidRange => StatusCode::RANGE_NOT_SATISFIABLE,
        ErrorKind::Throttled => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Unreachable | ErrorKind::Internal => StatusCode::BAD_GATEWAY,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::InvalidRequest | ErrorKind::BrokenBody => StatusCode::BAD_REQUEST,
        ErrorKind::NotFound
        | ErrorKind::AccessDenied
        | ErrorKind::BadCredentials
        | ErrorKind::NoSuchBucket
        | ErrorKind::WrongRegion
        | ErrorKind::ClockSkew
        | ErrorKind::Blocked => StatusCode::FAILED_DEPENDENCY,
    };
    let code = error.catalogue_code();
    let mut problem = Problem::new(status, code, error.message.clone());
    if let Some(entry) = error_catalogue::find(code) {
        entry.cause.clone_into(&mut problem.title);
        problem.remedy = remedy(code);
    }
    if let Some(region) = error.region.as_ref().filter(|_| error.kind == ErrorKind::WrongRegion) {
        problem.remedy = Some(format!(
            "the bucket is in `{region}`: PATCH the resource with {{\"region\": \"{region}\"}}"
        ));
    }
    if let Some(operation) = error.operation.filter(|_| code == "AccessDenied") {
        problem.remedy = Some(allow(operation));
    }
    if let Some(proposal) = &error.proposal {
        problem.remedy = Some(proposal.remedy());
        problem.fix = Some(proposal.fix());
    }
    // what we refuse ourselves was never sent to anybody
    let asked = error.status.is_some() || matches!(error.kind, ErrorKind::Unreachable | ErrorKind::Timeout);
    problem.upstream = asked.then(|| Upstream {
        service: error.service.to_owned(),
        code: error.code.clone(),
        request_id: error.request_id.clone(),
    });
    match error.kind {
        ErrorKind::Throttled => problem.retry_after(2),
        _ => problem,
    }
}

/// Which actions a policy must allow for an operation.
fn allow(operation: Operation) -> String {
    let actions: Vec<&str> = operation.all_actions().collect();
    let owner = Owner::CloudAdmin.as_str();
    format!(
        "allow what `{}` needs ({}) for the identity, and look for a Deny in the bucket policy - {owner} can do this; `POST /v1/resources/NAME/policy/check` tells which statement decides, where the policies can be read",
        operation.as_str(),
        actions.join(", ")
    )
}

fn remedy(code: &str) -> Option<String> {
    let entry = error_catalogue::find(code)?;
    Some(format!("{} - {} can do this", entry.remedy, entry.owner.as_str()))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(at) = cause {
        text = format!("{text}: {at}");
        cause = at.source();
    }
    text
}
