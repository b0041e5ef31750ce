//! Answers about secrets: their keys, what references mean, the policy and the calls they need, and whether a rotation
//! would break anything. Never values.

use axum::Json;
use axum::extract::State;

use crate::app::{
    ExplainWanted, Explanation, ForecastWanted, Forecasts, Rehearsal, RehearsalWanted, SecretKeys,
    SecretPolicies, SecretPolicyWanted,
};
use crate::http::Api;
use crate::http::extract::{By, Editor, Environment, Segment};
use crate::http::json_body::{JsonBody, JsonOrDefault};
use crate::http::openapi::Scope;
use crate::http::problem::{Failure, Problems};

/// The keys inside a secret's JSON, with the text that refers to each. The value is read, through the cache, and never
/// shown.
#[utoipa::path(get, path = "/v1/sources/{name}/secrets/{secret}/keys", tag = "sources", operation_id = "secret_keys", security(("token" = ["editor"])), params(("name" = String, Path, description = "The source."), ("secret" = String, Path, description = "The secret's name or ARN, slashes percent-encoded."), Scope), responses((status = 200, body = SecretKeys), Problems))]
pub async fn secret_keys(
    by: By<Editor>,
    environment: Environment,
    State(api): State<Api>,
    Segment((name, secret)): Segment<(String, String)>,
) -> Result<Json<SecretKeys>, Failure> {
    Ok(Json(api.app.secret_keys(&by.0, &name, &secret, &environment.0).await?))
}

/// Explains references without reading a value: their parts, the secret and the source that they mean, what is cached
/// of it, and the permissions that are needed.
#[utoipa::path(post, path = "/v1/secrets/explain", tag = "sources", operation_id = "explain_secrets", security(("token" = ["editor"])), params(Scope), request_body(content = ExplainWanted, example = json!({"template": "{{ secrets['payments/s3'].key_id }}", "field": "auth.access_key_id"})), responses((status = 200, body = Explanation), Problems))]
pub async fn explain_secrets(
    by: By<Editor>,
    environment: Environment,
    State(api): State<Api>,
    JsonBody(wanted): JsonBody<ExplainWanted>,
) -> Result<Json<Explanation>, Failure> {
    Ok(Json(api.app.explain(&by.0, &wanted, &environment.0)?))
}

/// The least IAM policy that reads the secrets in use, of each source at AWS.
#[utoipa::path(post, path = "/v1/secrets/policy", tag = "sources", operation_id = "secret_policies", security(("token" = ["editor"])), params(Scope), request_body(content = SecretPolicyWanted, example = json!({"source": "aws-prod", "list": true})), responses((status = 200, body = SecretPolicies), Problems))]
pub async fn secret_policies(
    by: By<Editor>,
    State(api): State<Api>,
    JsonOrDefault(wanted): JsonOrDefault<SecretPolicyWanted>,
) -> Result<Json<SecretPolicies>, Failure> {
    Ok(Json(api.app.secret_policies(&by.0, &wanted)?))
}

/// How often each source at AWS is asked for the secrets in use, and what that costs, for its TTL and another one.
#[utoipa::path(post, path = "/v1/secrets/forecast", tag = "sources", operation_id = "forecast_secrets", security(("token" = ["editor"])), params(Scope), request_body(content = ForecastWanted, example = json!({"cache_ttl_ms": 60_000, "replicas": 2})), responses((status = 200, body = Forecasts), Problems))]
pub async fn forecast_secrets(
    by: By<Editor>,
    State(api): State<Api>,
    JsonOrDefault(wanted): JsonOrDefault<ForecastWanted>,
) -> Result<Json<Forecasts>, Failure> {
    Ok(Json(api.app.forecast_secrets(&by.0, &wanted)?))
}

/// Rehearses a rotation: tries every resource that uses a secret with another version of it, writes nothing and
/// switches nothing.
#[utoipa::path(post, path = "/v1/secrets/rehearse", tag = "sources", operation_id = "rehearse_secret", security(("token" = ["editor"])), params(Scope), request_body(content = RehearsalWanted, example = json!({"source": "aws-prod", "secret": "payments/s3", "stage": "AWSPENDING"})), responses((status = 200, body = Rehearsal), Problems))]
pub async fn rehearse_secret(
    by: By<Editor>,
    State(api): State<Api>,
    JsonBody(wanted): JsonBody<RehearsalWanted>,
) -> Result<Json<Rehearsal>, Failure> {
    Ok(Json(api.app.rehearse(&by.0, &wanted).await?))
}
