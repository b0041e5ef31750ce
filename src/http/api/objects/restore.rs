//! Earlier versions brought back.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::app::Target;
use crate::http::Api;
use crate::http::api::objects::with_freshness;
use crate::http::extract::{By, Environment, Segment, User};
use crate::http::json_body::JsonBody;
use crate::http::openapi::Scope;
use crate::http::problem::{Failure, Problems};
use crate::model::version::{RestoreOptions, RestoredVersion};

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
