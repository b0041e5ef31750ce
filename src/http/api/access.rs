//! Who am I, tokens, projects, audit.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::{Error, WantedToken};
use crate::http::Api;
use crate::http::extract::{Admin, By, DryRun, Params, Segment, Viewer};
use crate::http::json_body::JsonBody;
use crate::http::openapi::{Scope, Write};
use crate::http::problem::{Failure, Problems};
use crate::model::name::Name;
use crate::model::principal::{Project, Role, Token};
use crate::store::{AuditRow, Verification};

/// The caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct Whoami {
    /// The token's id.
    token_id: String,
    /// What the token is for.
    token_name: String,
    /// What it may do.
    role: Role,
    /// The project that the request is about.
    #[schema(value_type = String)]
    project: Name,
    /// Whether the token is of the whole installation.
    installation: bool,
}

/// Who the token belongs to.
#[utoipa::path(get, path = "/v1/whoami", tag = "access", operation_id = "whoami", security(("token" = ["viewer"])), params(Scope), responses((status = 200, body = Whoami), Problems))]
pub async fn whoami(by: By<Viewer>) -> Json<Whoami> {
    let caller = by.0;
    Json(Whoami {
        token_id: caller.token_id.to_string(),
        token_name: caller.token_name.to_string(),
        role: caller.role,
        project: caller.project.name,
        installation: caller.installation,
    })
}

/// Tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenList {
    /// Oldest first.
    tokens: Vec<Token>,
}

/// The tokens of the project.
#[utoipa::path(get, path = "/v1/tokens", tag = "access", operation_id = "list_tokens", security(("token" = ["admin"])), params(Scope), responses((status = 200, body = TokenList), Problems))]
pub async fn list_tokens(by: By<Admin>, State(api): State<Api>) -> Json<TokenList> {
    Json(TokenList { tokens: api.app.tokens(&by.0) })
}

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for.
    #[schema(example = "billing app")]
    name: String,
    /// What it may do.
    role: Role,
    /// RFC 3339; absent for one that does not expire.
    #[serde(default)]
    #[schema(example = "2027-11-01T00:00:00Z")]
    expires_at: Option<String>,
    /// A token of the whole installation instead of the project.
    #[serde(default)]
    installation: bool,
}

/// A new token with its text.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedToken {
    /// The token itself: shown now and never again; empty in a dry run.
    #[schema(example = "s3c_…")]
    token: String,
    /// What is known of it.
    #[serde(flatten)]
    shown: Token,
}

/// Makes a token.
#[utoipa::path(post, path = "/v1/tokens", tag = "access", operation_id = "create_token", security(("token" = ["admin"])), params(Write), request_body = NewToken, responses((status = 201, body = CreatedToken), Problems))]
pub async fn create_token(
    by: By<Admin>,
    dry_run: DryRun,
    State(api): State<Api>,
    JsonBody(body): JsonBody<NewToken>,
) -> Result<(StatusCode, Json<CreatedToken>), Failure> {
    let wrong =
        || Error::BadRequest("`expires_at` is not a time: write it like `2027-11-01T00:00:00Z`".to_owned());
    let expires = body
        .expires_at
        .as_deref()
        .map(|text| text.parse::<jiff::Timestamp>().map_err(|_| wrong()))
        .transpose()?;
    let wanted = WantedToken {
        name: &body.name,
        role: body.role,
        whole_installation: body.installation,
        expires_ms: expires.map(jiff::Timestamp::as_millisecond),
    };
    let (shown, text) = api.app.create_token(&by.0, wanted, dry_run.0).await?;
    Ok((created(dry_run), Json(CreatedToken { token: text.expose_secret().to_owned(), shown })))
}

/// Revokes a token at once.
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "access", operation_id = "revoke_token", security(("token" = ["admin"])), params(("id" = String, Path, description = "The token's id."), Write), responses((status = 204, description = "Revoked."), Problems))]
pub async fn revoke_token(
    by: By<Admin>,
    dry_run: DryRun,
    State(api): State<Api>,
    Segment(id): Segment<String>,
) -> Result<StatusCode, Failure> {
    api.app.revoke_token(&by.0, &id, dry_run.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Projects.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectList {
    /// By name.
    projects: Vec<Project>,
}

/// The projects that the token may see.
#[utoipa::path(get, path = "/v1/projects", tag = "access", operation_id = "list_projects", security(("token" = ["viewer"])), params(Scope), responses((status = 200, body = ProjectList), Problems))]
pub async fn list_projects(by: By<Viewer>, State(api): State<Api>) -> Json<ProjectList> {
    Json(ProjectList { projects: api.app.projects(&by.0) })
}

/// A project to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProject {
    /// Unique in the installation.
    #[schema(value_type = String, example = "billing")]
    name: Name,
}

/// Makes a project; needs a token of the whole installation.
#[utoipa::path(post, path = "/v1/projects", tag = "access", operation_id = "create_project", security(("token" = ["admin"])), params(Write), request_body = NewProject, responses((status = 201, body = Project), Problems))]
pub async fn create_project(
    by: By<Admin>,
    dry_run: DryRun,
    State(api): State<Api>,
    JsonBody(body): JsonBody<NewProject>,
) -> Result<(StatusCode, Json<Project>), Failure> {
    let project = api.app.create_project(&by.0, &body.name, dry_run.0).await?;
    Ok((created(dry_run), Json(project)))
}

fn created(dry_run: DryRun) -> StatusCode {
    if dry_run.0 { StatusCode::OK } else { StatusCode::CREATED }
}

/// What of the audit.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditParams {
    /// Only rows before this id.
    before: Option<i64>,
    /// 1 to 1000 rows; default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// The rows of all projects; needs a token of the whole installation.
    #[serde(default)]
    #[param(required = false)]
    all: bool,
}

/// Rows of the audit.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditList {
    /// Newest first.
    rows: Vec<AuditRow>,
    /// Give it back as `before` to go on.
    cursor: Option<i64>,
}

/// The newest audit rows.
#[utoipa::path(get, path = "/v1/audit", tag = "access", operation_id = "list_audit", security(("token" = ["admin"])), params(AuditParams, Scope), responses((status = 200, body = AuditList), Problems))]
pub async fn list_audit(
    by: By<Admin>,
    State(api): State<Api>,
    Params(params): Params<AuditParams>,
) -> Result<Json<AuditList>, Failure> {
    let limit = usize::try_from(params.limit.unwrap_or(100).clamp(1, 1000)).unwrap_or(1);
    let rows = api.app.audit_rows(&by.0, params.all, params.before, limit).await?;
    let full = rows.len() == limit;
    let cursor = rows.last().filter(|_| full).map(|row| row.id);
    Ok(Json(AuditList { rows, cursor }))
}

/// Walks the audit's chain of hashes from its first row.
#[utoipa::path(get, path = "/v1/audit/verify", tag = "access", operation_id = "verify_audit", security(("token" = ["admin"])), params(Scope), responses((status = 200, body = Verification), Problems))]
pub async fn verify_audit(_by: By<Admin>, State(api): State<Api>) -> Result<Json<Verification>, Failure> {
    Ok(Json(api.app.verify_audit().await?))
}
