//! Secret sources.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::{Error, Removal, SourceSaved, SourceView};
use crate::http::Api;
use crate::http::extract::{Admin, By, DryRun, IfMatch, Params, Segment, Viewer, etag};
use crate::http::json_body::JsonBody;
use crate::http::openapi::{Condition, Scope, Write};
use crate::http::problem::{Failure, Problems};
use crate::model::check::Report;
use crate::model::name::Name;
use crate::model::secret::{Alias, SourceDefinition, SourceScope};

/// Sources.
#[derive(Debug, Serialize, ToSchema)]
pub struct SourceList {
    /// By name.
    sources: Vec<SourceView>,
}

/// Lists the sources of the project and of the workspace.
#[utoipa::path(get, path = "/v1/sources", tag = "sources", operation_id = "list_sources", security(("token" = ["viewer"])), params(Scope), responses((status = 200, body = SourceList), Problems))]
pub async fn list_sources(by: By<Viewer>, State(api): State<Api>) -> Json<SourceList> {
    Json(SourceList { sources: api.app.sources(&by.0) })
}

/// Makes a source. The first one of a project becomes active in `production`. One of the workspace (`"scope":
/// "workspace"`) needs a token of the whole installation, also for every later change.
#[utoipa::path(post, path = "/v1/sources", tag = "sources", operation_id = "create_source", security(("token" = ["admin"])), params(Write), request_body(content = SourceDefinition, example = json!({
    "name": "aws-prod", "kind": "aws", "region": "us-east-1", "namespace": "retool/prod", "cache_ttl_ms": 300_000,
    "auth": {"kind": "access_key", "access_key_id": "AKIA…", "secret_access_key": "…"}
})), responses((status = 201, body = SourceView), Problems))]
pub async fn create_source(
    by: By<Admin>,
    dry_run: DryRun,
    State(api): State<Api>,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, Failure> {
    let saved = api.app.create_source(&by.0, body, dry_run.0).await?;
    Ok(answer(saved, if dry_run.0 { StatusCode::OK } else { StatusCode::CREATED }))
}

/// Shows a source.
#[utoipa::path(get, path = "/v1/sources/{name}", tag = "sources", operation_id = "get_source", security(("token" = ["viewer"])), params(("name" = String, Path, description = "The source."), Scope), responses((status = 200, body = SourceView), Problems))]
pub async fn get_source(
    by: By<Viewer>,
    State(api): State<Api>,
    Segment(name): Segment<String>,
) -> Result<Response, Failure> {
    Ok(answer(SourceSaved { view: api.app.source(&by.0, &name)? }, StatusCode::OK))
}

/// Replaces a source.
#[utoipa::path(put, path = "/v1/sources/{name}", tag = "sources", operation_id = "replace_source", security(("token" = ["admin"])), params(("name" = String, Path, description = "The source."), Condition, Write), request_body = SourceDefinition, responses((status = 200, body = SourceView), Problems))]
pub async fn replace_source(
    by: By<Admin>,
    dry_run: DryRun,
    condition: IfMatch,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, Failure> {
    let saved = api.app.change_source(&by.0, &name, body, false, condition.0, dry_run.0).await?;
    Ok(answer(saved, StatusCode::OK))
}

/// Changes a source by a merge patch (RFC 7396).
#[utoipa::path(patch, path = "/v1/sources/{name}", tag = "sources", operation_id = "patch_source", security(("token" = ["admin"])), params(("name" = String, Path, description = "The source."), Condition, Write), request_body(content = Object, example = json!({"cache_ttl_ms": 60_000})), responses((status = 200, body = SourceView), Problems))]
pub async fn patch_source(
    by: By<Admin>,
    dry_run: DryRun,
    condition: IfMatch,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, Failure> {
    let saved = api.app.change_source(&by.0, &name, body, true, condition.0, dry_run.0).await?;
    Ok(answer(saved, StatusCode::OK))
}

/// Deletes a source; a local one with its secrets. One that resources use is deleted only with `force`.
#[utoipa::path(delete, path = "/v1/sources/{name}", tag = "sources", operation_id = "delete_source", security(("token" = ["admin"])), params(("name" = String, Path, description = "The source."), ("force" = Option<bool>, Query, description = "Although resources use it."), Condition, Write), responses((status = 200, body = Removal, description = "What went, or would go, with it."), Problems))]
pub async fn delete_source(
    by: By<Admin>,
    dry_run: DryRun,
    condition: IfMatch,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    Params(removal): Params<RemovalParams>,
) -> Result<Json<Removal>, Failure> {
    Ok(Json(api.app.delete_source(&by.0, &name, condition.0, removal.force, dry_run.0).await?))
}

/// How to delete a source.
#[derive(Debug, Default, Deserialize)]
pub struct RemovalParams {
    #[serde(default)]
    force: bool,
}

/// Which source is active where.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// The environment.
    #[schema(value_type = String, example = "production")]
    environment: Name,
    /// The source: the project's own, else the workspace's; `workspace:name` is always the latter.
    #[schema(example = "aws-prod")]
    source: String,
    /// `project` (default) for plain references of the project, `workspace` for those of every project that has no source
    /// of its own.
    #[serde(default)]
    scope: SourceScope,
}

/// Makes a source the one that plain references mean in an environment. Every cache is kept. The scope `workspace` needs
/// a token of the whole installation.
#[utoipa::path(put, path = "/v1/sources/active", tag = "sources", operation_id = "activate_source", security(("token" = ["admin"])), params(Write), request_body = Activation, responses((status = 200, body = SourceView), Problems))]
pub async fn activate_source(
    by: By<Admin>,
    dry_run: DryRun,
    State(api): State<Api>,
    JsonBody(body): JsonBody<Activation>,
) -> Result<Json<SourceView>, Failure> {
    let Activation { environment, source, scope } = body;
    Ok(Json(api.app.activate_source(&by.0, &environment, &source, scope, dry_run.0).await?))
}

/// Tests a source: credentials, role, permission to read and to list.
#[utoipa::path(post, path = "/v1/sources/{name}/test", tag = "sources", operation_id = "test_source", security(("token" = ["admin"])), params(("name" = String, Path, description = "The source."), Scope), responses((status = 200, body = Report), Problems))]
pub async fn test_source(
    by: By<Admin>,
    State(api): State<Api>,
    Segment(name): Segment<String>,
) -> Result<Json<Report>, Failure> {
    Ok(Json(api.app.test_source(&by.0, &name).await?))
}

/// A source to test.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestSource {
    /// As it would be saved.
    #[schema(value_type = SourceDefinition)]
    definition: Value,
}

/// Tests a source that is not saved.
#[utoipa::path(post, path = "/v1/sources/test", tag = "sources", operation_id = "test_source_definition", security(("token" = ["admin"])), params(Scope), request_body = TestSource, responses((status = 200, body = Report), Problems))]
pub async fn test_source_definition(
    by: By<Admin>,
    State(api): State<Api>,
    JsonBody(body): JsonBody<TestSource>,
) -> Result<Json<Report>, Failure> {
    Ok(Json(api.app.test_unsaved_source(&by.0, body.definition).await?))
}

/// Shows an alias.
#[utoipa::path(get, path = "/v1/sources/{name}/aliases/{alias}", tag = "sources", operation_id = "get_alias", security(("token" = ["viewer"])), params(("name" = String, Path, description = "The source."), ("alias" = String, Path, description = "The alias."), Scope), responses((status = 200, body = Alias), Problems))]
pub async fn get_alias(
    by: By<Viewer>,
    State(api): State<Api>,
    Segment((name, alias)): Segment<(String, String)>,
) -> Result<Json<Alias>, Failure> {
    let source = api.app.source(&by.0, &name)?;
    let mut aliases = source.definition.aliases.into_iter();
    let found = aliases.find(|(known, _)| known.as_str() == alias).map(|(_, alias)| alias);
    Ok(Json(found.ok_or(Error::NotFound { what: "alias", name: alias })?))
}

/// Sets an alias: a short name for a secret, and how its value is read.
#[utoipa::path(put, path = "/v1/sources/{name}/aliases/{alias}", tag = "sources", operation_id = "put_alias", security(("token" = ["admin"])), params(("name" = String, Path, description = "The source."), ("alias" = String, Path, description = "The alias."), Write), request_body = Alias, responses((status = 200, body = SourceView), Problems))]
pub async fn put_alias(
    by: By<Admin>,
    dry_run: DryRun,
    State(api): State<Api>,
    Segment((name, alias)): Segment<(String, String)>,
    JsonBody(to): JsonBody<Alias>,
) -> Result<Json<SourceView>, Failure> {
    Ok(Json(api.app.set_alias(&by.0, &name, &alias, Some(to), dry_run.0).await?))
}

/// Removes an alias.
#[utoipa::path(delete, path = "/v1/sources/{name}/aliases/{alias}", tag = "sources", operation_id = "delete_alias", security(("token" = ["admin"])), params(("name" = String, Path, description = "The source."), ("alias" = String, Path, description = "The alias."), Write), responses((status = 204, description = "Removed."), Problems))]
pub async fn delete_alias(
    by: By<Admin>,
    dry_run: DryRun,
    State(api): State<Api>,
    Segment((name, alias)): Segment<(String, String)>,
) -> Result<StatusCode, Failure> {
    api.app.set_alias(&by.0, &name, &alias, None, dry_run.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn answer(saved: SourceSaved, status: StatusCode) -> Response {
    let tag = etag(saved.view.version);
    let mut response = (status, Json(saved.view)).into_response();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
