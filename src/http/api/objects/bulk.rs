//! Deletes of many, copies, moves and renames over plain HTTP: the same as in the JSON query endpoint, and as a stream
//! with `Accept: application/x-ndjson`, which has no bound.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::app::{Error, Permit, Progress, Step};
use crate::http::Api;
use crate::http::api::objects::{NDJSON, is_streamed, push_line, with_freshness};
use crate::http::api::query::Run;
use crate::http::api::query::bulk::{BulkAnswer, KeyResult, Many};
use crate::http::extract::{By, Environment, Segment, User};
use crate::http::json_body::JsonBody;
use crate::http::openapi::Scope;
use crate::http::problem::{Failure, Problems, problem};
use crate::model::bulk::{CopyOptions, CopyResult, DeleteMany, DeletePrefix, KeyToDelete, RenamePrefix};

/// An empty line is sent when nothing was to be told for so long: clients and proxies give up silent connections.
const SILENCE: Duration = Duration::from_secs(15);

/// Objects to delete: `keys`, or all below a `prefix`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteObjects {
    /// 1 to 10000 keys.
    #[serde(default)]
    keys: Option<Vec<KeyToDelete>>,
    /// Every key that starts so; needs a `dry_run` first.
    #[serde(default)]
    prefix: Option<String>,
    /// Only look which of the keys are there, or count what is below the prefix.
    #[serde(default)]
    dry_run: bool,
    /// What the dry run counted below the prefix.
    #[serde(default)]
    confirm_count: Option<u64>,
    /// Where an earlier call for the prefix ended.
    #[serde(default)]
    cursor: Option<String>,
}

impl DeleteObjects {
    fn many(self) -> Result<Many, Failure> {
        let DeleteObjects { keys, prefix, dry_run, confirm_count, cursor } = self;
        match (keys, prefix) {
            (Some(keys), None) if confirm_count.is_none() && cursor.is_none() => {
                Ok(Many::Delete(DeleteMany { keys, dry_run }))
            }
            (None, Some(prefix)) => {
                Ok(Many::DeletePrefix(DeletePrefix { prefix, dry_run, confirm_count, cursor }))
            }
            (Some(_), None) => Err(wrong("`confirm_count` and `cursor` go with `prefix`, not with `keys`")),
            _ => Err(wrong("give either `keys` or `prefix`")),
        }
    }
}

/// Deletes many objects: `keys`, or all below a `prefix` whose count was confirmed. With `Accept:
/// application/x-ndjson` one line a key, and a cursor after every chunk.
#[utoipa::path(post, path = "/v1/resources/{name}/objects:delete", tag = "objects", operation_id = "delete_objects", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), Scope), request_body(content = DeleteObjects, examples(
    ("keys" = (value = json!({"keys": ["2026/a.txt", {"key": "2026/b.txt", "version": "3HL4kqtJlcpXroDTDmJ"}]}))),
    ("count" = (value = json!({"prefix": "2024/", "dry_run": true}))),
    ("prefix" = (value = json!({"prefix": "2024/", "confirm_count": 2500}))),
)), responses((status = 200, content((BulkAnswer = "application/json"), (String = "application/x-ndjson"))), Problems))]
pub async fn delete_objects(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<DeleteObjects>,
) -> Result<Response, Failure> {
    let run = Run { app: &api.app, caller: &by.0, resource: &name, environment: &environment.0 };
    many(run, &headers, wanted.many()?).await
}

/// Moves every object below a prefix below another one, within the resource or to another. With `Accept:
/// application/x-ndjson` one line a key, and a cursor after every chunk.
#[utoipa::path(post, path = "/v1/resources/{name}/objects:rename", tag = "objects", operation_id = "rename_objects", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), Scope), request_body(content = RenamePrefix, examples(
    ("count" = (value = json!({"from": "inbox/", "to": "archive/2026/", "dry_run": true}))),
    ("rename" = (value = json!({"from": "inbox/", "to": "archive/2026/", "confirm_count": 2500}))),
)), responses((status = 200, content((BulkAnswer = "application/json"), (String = "application/x-ndjson"))), Problems))]
pub async fn rename_objects(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<RenamePrefix>,
) -> Result<Response, Failure> {
    let run = Run { app: &api.app, caller: &by.0, resource: &name, environment: &environment.0 };
    many(run, &headers, Many::RenamePrefix(Box::new(wanted))).await
}

/// Copies an object, within the resource or to another.
#[utoipa::path(post, path = "/v1/resources/{name}/objects:copy", tag = "objects", operation_id = "copy_object", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), Scope), request_body(content = CopyOptions, examples(
    ("copy" = (value = json!({"from": "inbox/a.pdf", "to": "archive/a.pdf"}))),
    ("to_resource" = (value = json!({"from": "a.pdf", "to": "2026/a.pdf", "to_resource": "backup", "storage_class": "STANDARD_IA"}))),
)), responses((status = 200, body = CopyResult), Problems))]
pub async fn copy_object(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(wanted): JsonBody<CopyOptions>,
) -> Result<Response, Failure> {
    let run = Run { app: &api.app, caller: &by.0, resource: &name, environment: &environment.0 };
    copy(run, wanted, false).await
}

/// Moves an object, within the resource or to another: the source is deleted when the copy is confirmed.
#[utoipa::path(post, path = "/v1/resources/{name}/objects:move", tag = "objects", operation_id = "move_object", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), Scope), request_body(content = CopyOptions, example = json!({"from": "inbox/a.pdf", "to": "archive/a.pdf"})), responses((status = 200, body = CopyResult), Problems))]
pub async fn move_object(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(wanted): JsonBody<CopyOptions>,
) -> Result<Response, Failure> {
    let run = Run { app: &api.app, caller: &by.0, resource: &name, environment: &environment.0 };
    copy(run, wanted, true).await
}

async fn many(run: Run<'_>, headers: &HeaderMap, many: Many) -> Result<Response, Failure> {
    let permit = run.app.admit(run.caller).await?;
    if is_streamed(headers) && !many.is_dry_run() {
        return Ok(lines(many.start(run).await?, permit));
    }
    let (answer, freshness) = many.finish(run).await?;
    Ok(with_freshness(Json(answer).into_response(), freshness))
}

async fn copy(run: Run<'_>, wanted: CopyOptions, moves: bool) -> Result<Response, Failure> {
    let _permit = run.app.admit(run.caller).await?;
    let copied = run.app.copy_object(run.caller, run.resource, run.environment, wanted, moves).await?;
    Ok(with_freshness(Json(copied.value).into_response(), copied.freshness))
}

/// One line a key, a line with the cursor after every chunk, and a last line with the counts.
pub(in crate::http::api) fn lines(progress: Progress, permit: Permit) -> Response {
    let freshness = progress.freshness;
    // the place is held as long as the stream lives; without its end the answer is not complete
    let lines = stream::unfold(Some((progress, permit)), |state| async move {
        let (mut progress, permit) = state?;
        let mut text = Vec::new();
        let next = match tokio::time::timeout(SILENCE, progress.next()).await {
            Err(_) => {
                text.push(b'\n');
                Some((progress, permit))
            }
            Ok(Some(Step::Key(key))) => {
                push_line(&mut text, &KeyResult::from(key));
                Some((progress, permit))
            }
            Ok(Some(Step::Mark(mark))) => {
                let line = json!({"cursor": mark.cursor, "done": mark.done, "failed": mark.failed});
                push_line(&mut text, &line);
                Some((progress, permit))
            }
            Ok(Some(Step::End(end))) => {
                let mut line = json!({
                    "done": end.done,
                    "failed": end.failed,
                    "truncated": end.cursor.is_some(),
                    "cursor": end.cursor,
                });
                if let (Some(error), Some(members)) = (end.error, line.as_object_mut()) {
                    members.insert("error".to_owned(), json!(problem(error)));
                }
                push_line(&mut text, &line);
                None
            }
            Ok(None) => return None,
        };
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), next))
    });
    let response = ([(header::CONTENT_TYPE, NDJSON)], Body::from_stream(lines)).into_response();
    with_freshness(response, freshness)
}

fn wrong(text: &str) -> Failure {
    Failure(Error::BadRequest(text.to_owned()))
}
