//! Health, metrics, the document and the page that shows it.

use std::sync::OnceLock;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::http::problem::Failure;
use crate::http::{Api, openapi as document};
use crate::model::error_catalogue;

const PAGE: &str = include_str!("../docs/index.html");
const STYLE: &str = include_str!("../docs/docs.css");
const SCRIPT: &str = include_str!("../docs/docs.js");
/// The page loads nothing from elsewhere and runs no inline script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The process is alive.
#[utoipa::path(get, path = "/healthz", tag = "service", operation_id = "health", responses((status = 200, description = "Alive.", body = String)))]
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The service can work: its store answers.
#[utoipa::path(get, path = "/readyz", tag = "service", operation_id = "ready", responses((status = 200, description = "Ready.", body = String), (status = 500, description = "The store does not answer.", body = crate::http::problem::Problem, content_type = "application/problem+json")))]
pub async fn readyz(State(api): State<Api>) -> Result<&'static str, Failure> {
    api.app.ready().await?;
    Ok("ready\n")
}

/// Metrics in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", tag = "service", operation_id = "metrics", responses((status = 200, description = "Metrics.", body = String)))]
pub async fn metrics(State(api): State<Api>) -> Response {
    let text =
        api.metrics.as_ref().map(metrics_exporter_prometheus::PrometheusHandle::render).unwrap_or_default();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// This document (OpenAPI 3.1).
#[utoipa::path(get, path = "/openapi.json", tag = "service", operation_id = "openapi", responses((status = 200, description = "The document.", content_type = "application/json", body = String)))]
pub async fn openapi() -> Response {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    let text = DOCUMENT.get_or_init(document::json);
    ([(header::CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}

/// The page at `/docs`.
pub fn pages() -> Router<Api> {
    Router::new()
        .route("/docs", get(|| async { page("text/html; charset=utf-8", PAGE) }))
        .route("/docs/docs.css", get(|| async { page("text/css; charset=utf-8", STYLE) }))
        .route("/docs/errors/{code}", get(error_page))
        .route("/docs/docs.js", get(|| async { page("text/javascript; charset=utf-8", SCRIPT) }))
}

/// What is known about an error's code.
async fn error_page(Path(code): Path<String>) -> Response {
    let Some(entry) = error_catalogue::find(&code) else {
        let text = "This code has no page: its `detail` and `remedy` say what there is to say.\n";
        return (StatusCode::NOT_FOUND, page("text/plain; charset=utf-8", text)).into_response();
    };
    let retry = if entry.retry { "The same request may work a moment later.\n" } else { "" };
    let text = format!(
        "{}\n\nCause: {}.\nRemedy: {}.\nWho can do it: {}.\n{retry}",
        entry.code,
        entry.cause,
        entry.remedy,
        entry.owner.as_str()
    );
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

fn page(kind: &'static str, text: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 4] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, text).into_response()
}
