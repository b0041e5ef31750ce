//! The JSON query endpoint: the same queries for callers that speak only JSON.

pub(super) mod bulk;
mod delete;
mod list;
mod read;
mod write;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::bulk::BulkAnswer;
use self::delete::Deleted;
use self::read::{Content, GetQuery, KeyQuery};
use self::write::PutQuery;
use crate::app::App;
use crate::app::connection::Freshness;
use crate::http::Api;
use crate::http::api::objects::with_freshness;
use crate::http::extract::{By, Environment, Segment, User};
use crate::http::json_body::JsonBody;
use crate::http::openapi::Scope;
use crate::http::problem::{Failure, Problems};
use crate::model::bulk::{CopyOptions, CopyResult, DeleteMany, DeletePrefix, RenamePrefix};
use crate::model::name::Name;
use crate::model::object::{ListOptions, ObjectMetadata, ObjectPage, PutResult};
use crate::model::principal::Caller;

/// A query; `operation` says which.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "operation", rename_all = "snake_case")]
pub enum Query {
    /// Lists objects.
    List(ListOptions),
    /// Reads an object's metadata.
    Head(KeyQuery),
    /// Reads an object as text or base64.
    Get(GetQuery),
    /// Writes an object from text or base64.
    Put(PutQuery),
    /// Deletes an object.
    Delete(KeyQuery),
    /// Deletes the named objects.
    DeleteMany(DeleteMany),
    /// Deletes every object below a prefix, once its count was confirmed.
    DeletePrefix(DeletePrefix),
    /// Copies an object, within the resource or to another.
    Copy(Box<CopyOptions>),
    /// Moves an object, within the resource or to another.
    Move(Box<CopyOptions>),
    /// Moves every object below a prefix below another one, once their count was confirmed.
    RenamePrefix(RenamePrefix),
}

/// What a query answers, by operation.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum QueryAnswer {
    /// list
    List(ObjectPage),
    /// head
    Head(ObjectMetadata),
    /// get
    Get(Content),
    /// put
    Put(PutResult),
    /// delete
    Delete(Deleted),
    /// delete_many, delete_prefix, rename_prefix
    Bulk(BulkAnswer),
    /// copy, move
    Copy(CopyResult),
}

/// Who asks what of which resource in which environment.
#[derive(Debug, Clone, Copy)]
struct Run<'a> {
    app: &'a Arc<App>,
    caller: &'a Caller,
    resource: &'a str,
    environment: &'a Name,
}

/// What an operation answers, and how fresh its secrets were.
type Ran = Result<(QueryAnswer, Freshness), Failure>;

/// Runs a query.
#[utoipa::path(post, path = "/v1/resources/{name}/query", tag = "objects", operation_id = "query", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), Scope), request_body(content = Query, examples(
    ("list" = (value = json!({"operation": "list", "prefix": "2026/", "limit": 100}))),
    ("get" = (value = json!({"operation": "get", "key": "2026/a.txt"}))),
    ("put" = (value = json!({"operation": "put", "key": "2026/a.txt", "text": "hello"}))),
    ("delete_many" = (value = json!({"operation": "delete_many", "keys": ["2026/a.txt", "2026/b.txt"]}))),
    ("delete_prefix" = (value = json!({"operation": "delete_prefix", "prefix": "2024/", "dry_run": true}))),
    ("copy" = (value = json!({"operation": "copy", "from": "2026/a.txt", "to": "archive/a.txt"}))),
    ("move" = (value = json!({"operation": "move", "from": "2026/a.txt", "to": "a.txt", "to_resource": "archive"}))),
    ("rename_prefix" = (value = json!({"operation": "rename_prefix", "from": "inbox/", "to": "archive/", "confirm_count": 25}))),
)), responses((status = 200, body = QueryAnswer), Problems))]
pub async fn query(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(query): JsonBody<Query>,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    answer(&api, &by.0, &name, &environment.0, query).await
}

/// Runs a query that has its place.
pub(super) async fn answer(
    api: &Api,
    caller: &Caller,
    resource: &str,
    environment: &Name,
    query: Query,
) -> Result<Response, Failure> {
    let run = Run { app: &api.app, caller, resource, environment };
    let (answer, freshness) = match query {
        Query::List(options) => list::list(run, options).await?,
        Query::Head(wanted) => read::head(run, wanted).await?,
        Query::Get(wanted) => read::get(run, wanted).await?,
        Query::Put(wanted) => write::put(run, wanted).await?,
        Query::Delete(wanted) => delete::delete(run, wanted).await?,
        Query::DeleteMany(wanted) => bulk::delete_many(run, wanted).await?,
        Query::DeletePrefix(wanted) => bulk::delete_prefix(run, wanted).await?,
        Query::Copy(wanted) => bulk::copy(run, *wanted, false).await?,
        Query::Move(wanted) => bulk::copy(run, *wanted, true).await?,
        Query::RenamePrefix(wanted) => bulk::rename_prefix(run, wanted).await?,
    };
    Ok(with_freshness(Json(answer).into_response(), freshness))
}
