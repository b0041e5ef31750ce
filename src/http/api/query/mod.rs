//! The JSON query endpoint: the same queries for callers that speak only JSON.

mod delete;
pub mod explain;
mod list;
mod read;
mod write;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
)), responses((status = 200, body = QueryAnswer), Problems))]
pub async fn query(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(query): JsonBody<Query>,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let run = Run { app: &api.app, caller: &by.0, resource: &name, environment: &environment.0 };
    let (answer, freshness) = answer(run, query).await?;
    Ok(with_freshness(Json(answer).into_response(), freshness))
}

/// Runs a query, or explains it where the app is a twin that sends nothing.
async fn answer(run: Run<'_>, query: Query) -> Ran {
    let answered = match query {
        Query::List(options) => list::list(run, options).await?,
        Query::Head(wanted) => read::head(run, wanted).await?,
        Query::Get(wanted) => read::get(run, wanted).await?,
        Query::Put(wanted) => write::put(run, wanted).await?,
        Query::Delete(wanted) => delete::delete(run, wanted).await?,
    };
    Ok(answered)
}
