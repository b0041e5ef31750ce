//! Secrets of a source: names, values of local ones (write-only), and the cache.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::app::{CacheStatus, Cleared, RefreshOutcome, SecretList, SecretsWanted, Usage, UsageFilter};
use crate::http::Api;
use crate::http::extract::{Admin, By, DryRun, Editor, Environment, Params, Segment};
use crate::http::json_body::{JsonBody, JsonOrDefault};
use crate::http::openapi::{Scope, Write};
use crate::http::problem::{Failure, Problems};

/// Which secrets.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SecretParams {
    /// Text in the name.
    search: Option<String>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// 1 to 100; default 100.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
}

/// Names of a source's secrets with the text to paste in the environment; never values.
#[utoipa::path(get, path = "/v1/sources/{name}/secrets", tag = "sources", operation_id = "list_secrets", security(("token" = ["editor"])), params(("name" = String, Path, description = "The source."), SecretParams, Scope), responses((status = 200, body = SecretList), Problems))]
pub async fn list_secrets(
    by: By<Editor>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    Params(params): Params<SecretParams>,
) -> Result<Json<SecretList>, Failure> {
    let wanted = SecretsWanted {
        search: params.search.unwrap_or_default(),
        cursor: params.cursor,
        limit: params.limit.unwrap_or(100),
        environment: environment.0,
    };
    Ok(Json(api.app.list_secrets(&by.0, &name, wanted).await?))
}

/// Which uses.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsageParams {
    /// Only this source.
    source: Option<String>,
    /// Only secrets whose name holds this text.
    search: Option<String>,
    /// Only this resource.
    resource: Option<String>,
    /// Ask sources at AWS for their names, to tell which secrets are not there and which nobody uses.
    #[serde(default)]
    #[param(required = false)]
    check: bool,
}

/// Where secrets are used, which references lead nowhere, and which secrets nobody uses. Local sources are always
/// looked into, those at AWS with `check=true`.
#[utoipa::path(get, path = "/v1/secrets/usage", tag = "sources", operation_id = "secret_usage", security(("token" = ["editor"])), params(UsageParams, Scope), responses((status = 200, body = Usage), Problems))]
pub async fn secret_usage(
    by: By<Editor>,
    State(api): State<Api>,
    Params(params): Params<UsageParams>,
) -> Result<Json<Usage>, Failure> {
    let UsageParams { source, search, resource, check } = params;
    Ok(Json(api.app.usage(&by.0, &UsageFilter { source, search, resource, check }).await?))
}

/// A value to store.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSecret {
    /// A text, or an object whose keys references can name.
    #[schema(value_type = Object, example = json!({"key_id": "AKIA…", "secret": "…"}))]
    value: Value,
}

/// A stored secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct StoredSecret {
    /// Its name.
    name: String,
    /// New with every value.
    version_id: String,
}

/// Writes a secret of a local source. It can be used, replaced, rolled back and deleted, and never be read.
#[utoipa::path(put, path = "/v1/sources/{name}/secrets/{secret}", tag = "sources", operation_id = "put_secret", security(("token" = ["admin"])), params(("name" = String, Path, description = "The source."), ("secret" = String, Path, description = "The secret's name, slashes included."), Write), request_body = NewSecret, responses((status = 200, body = StoredSecret), Problems))]
pub async fn put_secret(
    by: By<Admin>,
    dry_run: DryRun,
    State(api): State<Api>,
    Segment((name, secret)): Segment<(String, String)>,
    JsonBody(body): JsonBody<NewSecret>,
) -> Result<Json<StoredSecret>, Failure> {
    let version_id = api.app.put_secret(&by.0, &name, &secret, body.value, dry_run.0).await?;
    Ok(Json(StoredSecret { name: secret, version_id }))
}

/// Deletes a secret of a local source, with all its versions.
#[utoipa::path(delete, path = "/v1/sources/{name}/secrets/{secret}", tag = "sources", operation_id = "delete_secret", security(("token" = ["admin"])), params(("name" = String, Path, description = "The source."), ("secret" = String, Path, description = "The secret's name, slashes percent-encoded."), Write), responses((status = 204, description = "Deleted."), Problems))]
pub async fn delete_secret(
    by: By<Admin>,
    dry_run: DryRun,
    State(api): State<Api>,
    Segment((name, secret)): Segment<(String, String)>,
) -> Result<StatusCode, Failure> {
    api.app.delete_secret(&by.0, &name, &secret, dry_run.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is cached of a source.
#[derive(Debug, Serialize, ToSchema)]
pub struct CacheList {
    /// By name.
    secrets: Vec<CacheStatus>,
}

/// What is cached of a source: versions, ages and errors; never values. Of what several projects share, a project is shown
/// what its own resources name.
#[utoipa::path(get, path = "/v1/sources/{name}/cache", tag = "sources", operation_id = "cache_status", security(("token" = ["editor"])), params(("name" = String, Path, description = "The source."), Scope), responses((status = 200, body = CacheList), Problems))]
pub async fn cache_status(
    by: By<Editor>,
    State(api): State<Api>,
    Segment(name): Segment<String>,
) -> Result<Json<CacheList>, Failure> {
    Ok(Json(CacheList { secrets: api.app.cache_status(&by.0, &name)? }))
}

/// What to refresh.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// Names or ARNs; absent refreshes everything that is cached.
    #[serde(default)]
    secrets: Option<Vec<String>>,
}

/// What a refresh did.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefreshList {
    /// One row a secret.
    refreshed: Vec<RefreshOutcome>,
}

/// Fetches secrets again, now, and says which versions changed.
#[utoipa::path(post, path = "/v1/sources/{name}/refresh", tag = "sources", operation_id = "refresh_secrets", security(("token" = ["editor"])), params(("name" = String, Path, description = "The source."), Scope), request_body = Refresh, responses((status = 200, body = RefreshList), Problems))]
pub async fn refresh_secrets(
    by: By<Editor>,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonOrDefault(body): JsonOrDefault<Refresh>,
) -> Result<Json<RefreshList>, Failure> {
    Ok(Json(RefreshList { refreshed: api.app.refresh_secrets(&by.0, &name, body.secrets).await? }))
}

/// Lets go of what is cached of a source. What a source of the workspace read for several projects is kept for the others:
/// only a token of the installation lets go of it, for others what their resources name is read again in the background.
#[utoipa::path(post, path = "/v1/sources/{name}/clear", tag = "sources", operation_id = "clear_source_cache", security(("token" = ["editor"])), params(("name" = String, Path, description = "The source."), Scope), request_body(content = Clear, example = json!({"secrets": ["payments/s3"]})), responses((status = 200, body = Cleared), Problems))]
pub async fn clear_source_cache(
    by: By<Editor>,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonOrDefault(body): JsonOrDefault<Clear>,
) -> Result<Json<Cleared>, Failure> {
    Ok(Json(api.app.clear_source_cache(&by.0, &name, body.secrets.as_deref())?))
}

/// What to let go of.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Clear {
    /// Names or ARNs; absent for everything.
    #[serde(default)]
    secrets: Option<Vec<String>>,
}

/// Lets go of what is cached of the project. What other projects use too is read again in the background instead.
#[utoipa::path(post, path = "/v1/cache/clear", tag = "sources", operation_id = "clear_cache", security(("token" = ["admin"])), params(Scope), responses((status = 200, body = Cleared), Problems))]
pub async fn clear_cache(by: By<Admin>, State(api): State<Api>) -> Json<Cleared> {
    Json(api.app.clear_cache(&by.0))
}
