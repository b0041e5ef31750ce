//! Versions of objects: lists of them, and earlier ones brought back.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::{Permit, Target, VersionListing};
use crate::http::Api;
use crate::http::api::objects::{NDJSON, check_limit, push_line, with_freshness};
use crate::http::extract::{By, Environment, Params, Segment, User, text_of};
use crate::http::json_body::JsonBody;
use crate::http::openapi::Scope;
use crate::http::problem::{Failure, Problems, problem};
use crate::model::version::{RestoreOptions, RestoredVersion, VersionOptions, VersionPage};

/// Which versions to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VersionParams {
    /// Only keys that start so.
    #[serde(default)]
    #[param(required = false)]
    prefix: String,
    /// Groups keys at this text, usually `/`.
    delimiter: Option<String>,
    /// Only keys after this one.
    start_after: Option<String>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// How many rows; default 1000 as JSON (at most 100000), all as NDJSON.
    #[param(minimum = 1)]
    limit: Option<u64>,
}

/// Lists versions and delete markers: a JSON page, or with `Accept: application/x-ndjson` one row a line, to the end.
#[utoipa::path(get, path = "/v1/resources/{name}/versions", tag = "objects", operation_id = "list_object_versions", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), VersionParams, Scope), responses((status = 200, content((VersionPage = "application/json", example = json!({"versions": [{"key": "2026/a.pdf", "version_id": "3HL4kqtJvjVBH40Nrjfkd", "is_latest": true, "delete_marker": false, "size": 1234, "etag": "\"9b2cf535f27731c974343645a3985328\"", "last_modified": "2026-11-01T10:00:00Z", "storage_class": "STANDARD"}], "prefixes": [], "cursor": null, "truncated": false})), (String = "application/x-ndjson"))), Problems))]
pub async fn list_object_versions(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    Params(params): Params<VersionParams>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let streamed = text_of(&headers, "accept").is_some_and(|accept| accept.contains(NDJSON));
    check_limit(params.limit, !streamed)?;
    let permit = api.app.admit(&by.0).await?;
    let VersionParams { prefix, delimiter, start_after, cursor, limit } = params;
    let options = VersionOptions { prefix, delimiter, start_after, cursor, limit };
    let target = Target { caller: &by.0, resource: &name, environment: &environment.0 };
    if streamed {
        return Ok(rows(api.app.open_versions(target, options).await?, permit));
    }
    let page = api.app.list_versions(target, options).await?;
    Ok(with_freshness(Json(page.value).into_response(), page.freshness))
}

/// One line a row; the last line says whether there is more, or what went wrong.
pub(in crate::http::api) fn rows(listing: VersionListing, permit: Permit) -> Response {
    let freshness = listing.freshness;
    // the place is held as long as the stream lives
    let state = Some((listing, permit, None));
    let lines = stream::unfold(state, |state| async move {
        let (mut listing, permit, cursor) = state?;
        let mut text = Vec::new();
        let next = match listing.next().await {
            Ok(Some(page)) => {
                page.versions.iter().for_each(|version| push_line(&mut text, version));
                page.prefixes
                    .iter()
                    .for_each(|prefix| push_line(&mut text, &serde_json::json!({"prefix": prefix})));
                Some((listing, permit, page.cursor))
            }
            Ok(None) => {
                let last = serde_json::json!({"cursor": cursor, "truncated": cursor.is_some()});
                push_line(&mut text, &last);
                None
            }
            Err(error) => {
                push_line(&mut text, &serde_json::json!({"error": problem(error)}));
                None
            }
        };
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), next))
    });
    let response = ([(header::CONTENT_TYPE, NDJSON)], Body::from_stream(lines)).into_response();
    with_freshness(response, freshness)
}

/// Makes an earlier version the newest one: by a copy on top, or by taking delete markers away.
#[utoipa::path(post, path = "/v1/resources/{name}/objects:restore", tag = "objects", operation_id = "restore_object_version", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), Scope), request_body(content = RestoreOptions, examples(
    ("version" = (value = json!({"key": "2026/a.pdf", "version": "3HL4kqtJvjVBH40Nrjfkd"}))),
    ("undelete" = (value = json!({"key": "2026/a.pdf", "undelete": true}))),
)), responses((status = 200, body = RestoredVersion), Problems))]
pub async fn restore_object_version(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(options): JsonBody<RestoreOptions>,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let target = Target { caller: &by.0, resource: &name, environment: &environment.0 };
    let done = api.app.restore_version(target, options).await?;
    Ok(with_freshness(Json(done.value).into_response(), done.freshness))
}
