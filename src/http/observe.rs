//! Around every request: its id, its log line, its metrics, and the id in its problem.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::Json;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use crate::http::extract::RequestId;
use crate::http::meters;
use crate::http::problem::Problem;

const REQUEST_ID: &str = "x-request-id";
const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static(REQUEST_ID);

/// The middleware.
pub async fn observe(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = given_id(&request).unwrap_or_else(new_id);
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let uri = request.uri().clone();
    let mut response =
        AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| panicked());
    if let Some(mut problem) = response.extensions_mut().remove::<Problem>() {
        problem.request_id.clone_from(&id);
        uri.path().clone_into(&mut problem.instance);
        response = rewritten(&response, &problem);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID_HEADER, value);
    }
    let headers = response.headers_mut();
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    let status = response.status();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let took = started.elapsed();
    meters::count(route, label_of(&method), status, took);
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if status.is_server_error() {
        tracing::warn!(
            request_id = id,
            method = method.as_str(),
            route,
            status = status.as_u16(),
            took_ms,
            "request failed"
        );
    } else {
        tracing::info!(
            request_id = id,
            method = method.as_str(),
            route,
            status = status.as_u16(),
            took_ms,
            "request"
        );
    }
    response
}

/// Anybody can make methods up, and every label is kept.
fn label_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The same problem with what only the middleware knows; its headers stay.
fn rewritten(old: &Response, problem: &Problem) -> Response {
    let mut response = Json(problem).into_response();
    *response.status_mut() = old.status();
    for (name, value) in old.headers() {
        if name != header::CONTENT_LENGTH {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// A caller's own id is taken when it cannot do harm in a log.
fn given_id(request: &Request) -> Option<String> {
    let text = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let plain = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    plain.then(|| text.to_owned())
}

/// A route that is not there.
pub async fn not_found(uri: Uri) -> Problem {
    let mut problem =
        Problem::new(StatusCode::NOT_FOUND, "NotFound", "there is no such route: `/docs` lists them all");
    problem.remedy = folded_key(uri.path());
    problem
}

/// Clients fold `objects/../x` to `x` before they send it: what is left is a route that is not there.
fn folded_key(path: &str) -> Option<String> {
    let (name, rest) = path.strip_prefix("/v1/resources/")?.split_once('/')?;
    let hint = format!("if the key holds `..`, use `/v1/resources/{name}/object?key=`");
    (!name.is_empty() && !rest.is_empty()).then_some(hint)
}

/// A method that a route does not have.
pub async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        "the route does not take this method: `/docs` lists what it takes",
    )
}

/// Time-ordered (RFC 9562, version 7), from the process's own randomness: every request needs one.
fn new_id() -> String {
    let ms = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0));
    let id = uuid::Builder::from_unix_timestamp_millis(ms, &rand::random()).into_uuid();
    let mut text = [0; 32];
    id.simple().encode_lower(&mut text).to_owned()
}

/// A handler that panicked: nothing of it is told.
fn panicked() -> Response {
    tracing::error!("a handler panicked");
    let text = "the service failed inside: its log tells more, under the request id";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal", text).into_response()
}
