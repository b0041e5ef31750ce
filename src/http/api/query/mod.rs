//! The JSON query endpoint: the same queries for callers that speak only JSON.

mod delete;
mod list;
mod read;
mod write;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::delete::Deleted;
use self::read::{GetQuery, HeadQuery, KeyQuery, NotModified, ObjectContent};
use self::write::PutQuery;
use crate::app::App;
use crate::app::connection::Freshness;
use crate::http::Api;
use crate::http::api::objects::{is_streamed, with_freshness};
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
    Head(HeadQuery),
    /// Reads an object as text, base64, JSON or rows.
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
    Head(Box<ObjectMetadata>),
    /// get
    Get(Box<ObjectContent>),
    /// put
    Put(PutResult),
    /// delete
    Delete(Deleted),
    /// head and get whose condition found nothing new
    NotModified(NotModified),
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

/// Runs a query. A list with `Accept: application/x-ndjson` is one row a line.
#[utoipa::path(post, path = "/v1/resources/{name}/query", tag = "objects", operation_id = "query", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), Scope), request_body(content = Query, examples(
    ("list" = (value = json!({"operation": "list", "prefix": "2026/", "limit": 100}))),
    ("list what fits, the largest first" = (value = json!({"operation": "list", "filter": {"glob": "**.pdf", "size": {"gt": 1_000_000}}, "sort": {"by": "size", "direction": "desc"}, "limit": 10}))),
    ("head" = (value = json!({"operation": "head", "key": "2026/a.pdf", "checksum_mode": "enabled"}))),
    ("get" = (value = json!({"operation": "get", "key": "2026/a.txt"}))),
    ("get rows" = (value = json!({"operation": "get", "key": "2026/a.csv", "as": "csv", "limit": 100, "columns": ["id", "total"]}))),
    ("put" = (value = json!({"operation": "put", "key": "2026/a.txt", "text": "hello"}))),
    ("put with everything" = (value = json!({"operation": "put", "key": "2026/a.txt", "base64": "aGVsbG8=", "content_type": "text/plain", "cache_control": "max-age=60", "metadata": {"author": "ann"}, "tags": {"team": "books"}, "storage_class": "STANDARD_IA", "encryption": {"kind": "sse_s3"}, "checksum": {"algorithm": "sha256"}, "if_none_match": "*"}))),
    ("delete" = (value = json!({"operation": "delete", "key": "2026/a.txt"}))),
)), responses((status = 200, body = QueryAnswer), Problems))]
pub async fn query(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    headers: HeaderMap,
    JsonBody(query): JsonBody<Query>,
) -> Result<Response, Failure> {
    let permit = api.app.admit(&by.0).await?;
    let run = Run { app: &api.app, caller: &by.0, resource: &name, environment: &environment.0 };
    let query = match query {
        Query::List(options) if is_streamed(&headers) => return list::rows(run, options, permit).await,
        query => query,
    };
    let (answer, freshness) = match query {
        Query::List(options) => list::list(run, options).await?,
        Query::Head(wanted) => read::head(run, wanted).await?,
        Query::Get(wanted) => read::get(run, wanted).await?,
        Query::Put(wanted) => write::put(run, wanted).await?,
        Query::Delete(wanted) => delete::delete(run, wanted).await?,
    };
    Ok(with_freshness(Json(answer).into_response(), freshness))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::Query;

    #[test]
    fn the_examples_of_the_document_are_queries() {
        let document: Value = serde_json::from_str(&crate::http::openapi::json()).unwrap();
        let body = &document["paths"]["/v1/resources/{name}/query"]["post"]["requestBody"];
        let examples = body["content"]["application/json"]["examples"].as_object().unwrap();
        for (name, example) in examples {
            let read = serde_json::from_value::<Query>(example["value"].clone());
            assert!(read.is_ok(), "`{name}` is no query: {:?}", read.err());
        }
        assert!(!examples.is_empty());
    }
}
