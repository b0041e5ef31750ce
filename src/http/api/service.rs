//! Health, metrics and the document.

use std::sync::OnceLock;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::http::problem::Failure;
use crate::http::{Api, openapi as document};

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
    api.app.publish_metrics();
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
