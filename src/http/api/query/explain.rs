//! Explains any query: the request that it would send. Nothing is sent.

use axum::Json;
use axum::extract::State;

use super::{Query, Run, answer};
use crate::app::{Asked, Error, QueryExplanation, Refusal};
use crate::aws::capture::NOT_SENT;
use crate::http::Api;
use crate::http::extract::{By, Environment, Segment, User};
use crate::http::openapi::Scope;
use crate::http::problem::{Failure, Problems, problem};
use crate::http::tagged_body::TaggedBody;

/// Explains a query: the request that it would send and where, which identity and secrets it would use, what it needs
/// to be allowed, and why it would be refused. Nothing is sent, and what is not cached is said to be unknown yet. It
/// tells nothing that the query itself would not tell to the same token, and is not audited, because nothing happens.
#[utoipa::path(post, path = "/v1/resources/{name}/explain", tag = "objects", operation_id = "explain_query", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), Scope), request_body(content = Query, examples(
    ("get" = (value = json!({"operation": "get", "key": "2026/a.txt"}))),
    ("list" = (value = json!({"operation": "list", "prefix": "2026/", "limit": 5000}))),
)), responses((status = 200, body = QueryExplanation), Problems))]
pub async fn explain_query(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    TaggedBody { value: query, bytes }: TaggedBody<Query>,
) -> Result<Json<QueryExplanation>, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let resource = api.app.known_resource(&by.0, &name)?;
    let twin = api.app.unsent();
    let run = Run { app: &twin, caller: &by.0, resource: &name, environment: &environment.0 };
    let (answer, refused) = match answer(run, query).await {
        Ok((answered, _)) => (serde_json::to_value(answered).ok(), None),
        Err(failure) => (None, refusal(failure.0)?),
    };
    // it was read as a query
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    let asked = Asked { body, answer, refused };
    Ok(Json(twin.explained_query(&resource, &environment.0, asked)))
}

/// Why the query would fail; none where it only was not sent. What is wrong with the question itself is the answer to
/// this request, too.
fn refusal(error: Error) -> Result<Option<Refusal>, Failure> {
    match error {
        Error::Upstream(upstream) if upstream.code == NOT_SENT => Ok(None),
        Error::NotFound { .. } | Error::BadRequest(_) | Error::Malformed { .. } | Error::Invalid { .. } => {
            Err(Failure(error))
        }
        other => {
            let told = problem(other);
            Ok(Some(Refusal { code: told.code, detail: told.detail, remedy: told.remedy }))
        }
    }
}
