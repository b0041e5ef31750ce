//! Usage policies: which secrets may be used where. They need a token of the whole installation.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::{UsageAnswer, UsagePolicyRemoval, UsagePolicySaved, UsagePolicyView, UsageQuestion};
use crate::http::Api;
use crate::http::extract::{Admin, By, DryRun, IfMatch, Segment, etag};
use crate::http::json_body::JsonBody;
use crate::http::openapi::{Condition, Scope, Write};
use crate::http::problem::{Failure, Problems};
use crate::model::usage_policy::UsagePolicy;

/// Usage policies.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsagePolicyList {
    /// By name.
    usage_policies: Vec<UsagePolicyView>,
}

/// Lists usage policies; needs a token of the whole installation.
#[utoipa::path(get, path = "/v1/usage-policies", tag = "sources", operation_id = "list_usage_policies", security(("token" = ["admin"])), params(Scope), responses((status = 200, body = UsagePolicyList), Problems))]
pub async fn list_usage_policies(
    by: By<Admin>,
    State(api): State<Api>,
) -> Result<Json<UsagePolicyList>, Failure> {
    Ok(Json(UsagePolicyList { usage_policies: api.app.usage_policies(&by.0)? }))
}

/// Makes a usage policy, and says which uses of secrets are denied from now on; needs a token of the whole
/// installation.
#[utoipa::path(post, path = "/v1/usage-policies", tag = "sources", operation_id = "create_usage_policy", security(("token" = ["admin"])), params(Write), request_body(content = UsagePolicy, example = json!({
    "name": "payments", "source": "aws-prod", "secrets": ["payments/*"], "projects": ["billing"],
    "fields": ["auth.access_key_id", "auth.secret_access_key"], "endpoint_hosts": ["aws"],
    "role_arns": ["arn:aws:iam::111122223333:role/payments-*"]
})), responses((status = 201, body = UsagePolicySaved), Problems))]
pub async fn create_usage_policy(
    by: By<Admin>,
    dry_run: DryRun,
    State(api): State<Api>,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, Failure> {
    let saved = api.app.create_usage_policy(&by.0, body, dry_run.0).await?;
    let status = if dry_run.0 { StatusCode::OK } else { StatusCode::CREATED };
    Ok(answer(saved.view.version, status, Json(saved)))
}

/// Shows a usage policy; needs a token of the whole installation.
#[utoipa::path(get, path = "/v1/usage-policies/{name}", tag = "sources", operation_id = "get_usage_policy", security(("token" = ["admin"])), params(("name" = String, Path, description = "The usage policy."), Scope), responses((status = 200, body = UsagePolicyView), Problems))]
pub async fn get_usage_policy(
    by: By<Admin>,
    State(api): State<Api>,
    Segment(name): Segment<String>,
) -> Result<Response, Failure> {
    let view = api.app.usage_policy(&by.0, &name)?;
    Ok(answer(view.version, StatusCode::OK, Json(view)))
}

/// Replaces a usage policy, and says which uses of secrets are denied from now on; needs a token of the whole
/// installation.
#[utoipa::path(put, path = "/v1/usage-policies/{name}", tag = "sources", operation_id = "replace_usage_policy", security(("token" = ["admin"])), params(("name" = String, Path, description = "The usage policy."), Condition, Write), request_body = UsagePolicy, responses((status = 200, body = UsagePolicySaved), Problems))]
pub async fn replace_usage_policy(
    by: By<Admin>,
    dry_run: DryRun,
    condition: IfMatch,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, Failure> {
    let saved = api.app.replace_usage_policy(&by.0, &name, body, condition.0, dry_run.0).await?;
    Ok(answer(saved.view.version, StatusCode::OK, Json(saved)))
}

/// Deletes a usage policy, and says which uses of secrets are denied without it; needs a token of the whole
/// installation.
#[utoipa::path(delete, path = "/v1/usage-policies/{name}", tag = "sources", operation_id = "delete_usage_policy", security(("token" = ["admin"])), params(("name" = String, Path, description = "The usage policy."), Condition, Write), responses((status = 200, body = UsagePolicyRemoval), Problems))]
pub async fn delete_usage_policy(
    by: By<Admin>,
    dry_run: DryRun,
    condition: IfMatch,
    State(api): State<Api>,
    Segment(name): Segment<String>,
) -> Result<Json<UsagePolicyRemoval>, Failure> {
    Ok(Json(api.app.delete_usage_policy(&by.0, &name, condition.0, dry_run.0).await?))
}

/// Says whether a secret might be used so, and by which rule; needs a token of the whole installation.
#[utoipa::path(post, path = "/v1/usage-policies/check", tag = "sources", operation_id = "check_usage_policies", security(("token" = ["admin"])), params(Scope), request_body(content = UsageQuestion, example = json!({
    "project": "billing", "source": "aws-prod", "secret": "payments/s3", "field": "auth.secret_access_key",
    "endpoint": "https://s3.example.com", "role_arn": "arn:aws:iam::111122223333:role/payments-read"
})), responses((status = 200, body = UsageAnswer), Problems))]
pub async fn check_usage_policies(
    by: By<Admin>,
    State(api): State<Api>,
    JsonBody(question): JsonBody<UsageQuestion>,
) -> Result<Json<UsageAnswer>, Failure> {
    Ok(Json(api.app.check_usage_policies(&by.0, &question)?))
}

fn answer(version: i64, status: StatusCode, body: impl IntoResponse) -> Response {
    let mut response = (status, body).into_response();
    if let Ok(tag) = HeaderValue::from_str(&etag(version)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
