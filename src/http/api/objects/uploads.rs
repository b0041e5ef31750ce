//! Uploads in parts over plain REST.

use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::app::{PartUpload, Target};
use crate::http::Api;
use crate::http::api::objects::{options, with_freshness};
use crate::http::body::bounded;
use crate::http::extract::{By, DryRun, Environment, Object, Params, Segment, User, body_and_length};
use crate::http::json_body::{JsonBody, JsonOrDefault};
use crate::http::openapi::{ObjectBytes, Scope};
use crate::http::problem::{Failure, Problems};
use crate::model::multipart::{
    AbortUpload, CleanReport, CleanUploads, CompletePart, CompleteUpload, CompletedUpload, DEFAULT_AGE,
    ListPartsOptions, ListUploadsOptions, PartPage, StartUpload, StartedUpload, UploadPage, UploadedPart,
};
use crate::model::span::Span;

/// Which open uploads to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UploadParams {
    /// Only keys that start so.
    #[serde(default)]
    #[param(required = false)]
    prefix: String,
    /// Where the last page ended.
    cursor: Option<String>,
    /// How many uploads; default 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
}

/// Which open uploads to abort.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CleanParams {
    /// Only keys that start so.
    #[serde(default)]
    #[param(required = false)]
    prefix: String,
    /// Only uploads that began so long ago: `24h`, `7d`, `90m`, or seconds. Default `24h`.
    older_than: Option<String>,
    /// Only say which they are.
    #[param(required = false, value_type = bool)]
    #[allow(dead_code, reason = "only described: `DryRun` reads it")]
    dry_run: Option<String>,
}

/// Which parts to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PartsParams {
    /// Where the last page ended.
    cursor: Option<String>,
    /// How many parts; default 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
}

/// Which part is sent.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PartParams {
    /// The upload.
    upload_id: String,
    /// 1 to 10000.
    #[param(minimum = 1, maximum = 10000)]
    part_number: u32,
}

/// How to put the parts together; the path names the upload.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Completion {
    /// The parts to put together; all that are there when it is left out.
    #[serde(default)]
    parts: Option<Vec<CompletePart>>,
    /// `*`: only if there is no object yet.
    #[serde(default)]
    if_none_match: Option<String>,
    /// Only if the object there has this `ETag`.
    #[serde(default)]
    if_match: Option<String>,
}

/// Begins an upload in parts.
#[utoipa::path(post, path = "/v1/resources/{name}/uploads", tag = "objects", operation_id = "create_object_upload", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), Scope), request_body(content = StartUpload, example = json!({"key": "2026/film.mp4", "content_type": "video/mp4"})), responses((status = 201, body = StartedUpload), Problems))]
pub async fn create_object_upload(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(wanted): JsonBody<StartUpload>,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let target = Target { caller: &by.0, resource: &name, environment: &environment.0 };
    let started = api.app.start_upload(target, &wanted).await?;
    let response = (StatusCode::CREATED, Json(started.value)).into_response();
    Ok(with_freshness(response, started.freshness))
}

/// Lists the uploads that were begun and neither completed nor aborted.
#[utoipa::path(get, path = "/v1/resources/{name}/uploads", tag = "objects", operation_id = "list_object_uploads", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), UploadParams, Scope), responses((status = 200, body = UploadPage), Problems))]
pub async fn list_object_uploads(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    Params(params): Params<UploadParams>,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let target = Target { caller: &by.0, resource: &name, environment: &environment.0 };
    let UploadParams { prefix, cursor, limit } = params;
    let page = api.app.list_uploads(target, &ListUploadsOptions { prefix, cursor, limit }).await?;
    Ok(with_freshness(Json(page.value).into_response(), page.freshness))
}

/// Aborts the uploads that began long ago, at most 1000, and says what became of each.
#[utoipa::path(delete, path = "/v1/resources/{name}/uploads", tag = "objects", operation_id = "clean_object_uploads", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), CleanParams, Scope), responses((status = 200, body = CleanReport), Problems))]
pub async fn clean_object_uploads(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    Params(params): Params<CleanParams>,
    dry_run: DryRun,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let target = Target { caller: &by.0, resource: &name, environment: &environment.0 };
    let older_than = options::span("older_than", params.older_than.as_deref())?;
    let wanted = CleanUploads {
        prefix: params.prefix,
        older_than: older_than.map_or(DEFAULT_AGE, Span),
        dry_run: dry_run.0,
    };
    let report = api.app.clean_uploads(target, wanted).await?;
    Ok(with_freshness(Json(report.value).into_response(), report.freshness))
}

/// Lists the parts of an upload that are there.
#[utoipa::path(get, path = "/v1/resources/{name}/uploads/{upload_id}", tag = "objects", operation_id = "list_object_parts", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), ("upload_id" = String, Path, description = "The upload."), ("key" = String, Query, description = "The key."), PartsParams, Scope), responses((status = 200, body = PartPage), Problems))]
pub async fn list_object_parts(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment((name, upload_id)): Segment<(String, String)>,
    object: Object,
    Params(params): Params<PartsParams>,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let target = Target { caller: &by.0, resource: &name, environment: &environment.0 };
    let wanted = ListPartsOptions { key: object.key, upload_id, cursor: params.cursor, limit: params.limit };
    let page = api.app.list_parts(target, &wanted).await?;
    Ok(with_freshness(Json(page.value).into_response(), page.freshness))
}

/// Ends an upload without an object, and lets its parts go.
#[utoipa::path(delete, path = "/v1/resources/{name}/uploads/{upload_id}", tag = "objects", operation_id = "abort_object_upload", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), ("upload_id" = String, Path, description = "The upload."), ("key" = String, Query, description = "The key."), Scope), responses((status = 204, description = "Aborted."), Problems))]
pub async fn abort_object_upload(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment((name, upload_id)): Segment<(String, String)>,
    object: Object,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let target = Target { caller: &by.0, resource: &name, environment: &environment.0 };
    let done = api.app.abort_upload(target, AbortUpload { key: object.key, upload_id }).await?;
    Ok(with_freshness(StatusCode::NO_CONTENT.into_response(), done.freshness))
}

/// Puts the parts of an upload together; without a body, all that are there.
#[utoipa::path(post, path = "/v1/resources/{name}/uploads/{upload_id}/complete", tag = "objects", operation_id = "complete_object_upload", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), ("upload_id" = String, Path, description = "The upload."), ("key" = String, Query, description = "The key."), Scope), request_body(content = Completion, example = json!({"parts": [{"part_number": 1, "etag": "\"b54357faf0632cce46e942fa68356b38\""}]})), responses((status = 200, body = CompletedUpload), Problems))]
pub async fn complete_object_upload(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment((name, upload_id)): Segment<(String, String)>,
    object: Object,
    JsonOrDefault(completion): JsonOrDefault<Completion>,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let target = Target { caller: &by.0, resource: &name, environment: &environment.0 };
    let Completion { parts, if_none_match, if_match } = completion;
    let wanted = CompleteUpload { key: object.key, upload_id, parts, if_none_match, if_match };
    let done = api.app.complete_upload(target, wanted).await?;
    Ok(with_freshness(Json(done.value).into_response(), done.freshness))
}

/// Sends one part of an upload; the body is streamed to the store and must say how long it is. A part of an upload that was
/// begun with a checksum brings its own in `x-amz-checksum-<algorithm>`.
#[utoipa::path(put, path = "/v1/resources/{name}/object/part", tag = "objects", operation_id = "put_object_part", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), ("key" = String, Query, description = "The key."), PartParams, Scope), request_body(content = inline(ObjectBytes), content_type = "application/octet-stream"), responses((status = 200, body = UploadedPart), Problems))]
pub async fn put_object_part(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    object: Object,
    Params(params): Params<PartParams>,
    request: Request,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let target = Target { caller: &by.0, resource: &object.resource, environment: &environment.0 };
    options::refuse_unhonoured(request.headers())?;
    options::refuse_beside_part(request.headers())?;
    let checksum = options::checksum(request.headers())?;
    let (_, body, length) = body_and_length(request);
    let idle = Duration::from_millis(api.app.config.server.body_idle_timeout_ms);
    let body = bounded(body, idle, length);
    let PartParams { upload_id, part_number: number } = params;
    let part = PartUpload { key: object.key, upload_id, number, body, length, checksum };
    let sent = api.app.upload_part(target, part).await?;
    let etag = sent.value.etag.as_deref().and_then(|etag| HeaderValue::from_str(etag).ok());
    let mut response = Json(sent.value).into_response();
    if let Some(etag) = etag {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(with_freshness(response, sent.freshness))
}
