//! Answers about CORS configurations that callers hand in, and about the one that a resource's bucket has.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::app::Target;
use crate::cors::Evaluation;
use crate::http::Api;
use crate::http::api::objects::with_freshness;
use crate::http::extract::{By, Environment, Segment, User, Viewer};
use crate::http::json_body::JsonBody;
use crate::http::openapi::Scope;
use crate::http::problem::{Failure, Problems};
use crate::model::cors_check::{CorsCheck, CorsCheckWanted};
use crate::model::cors_question::{CorsAdvice, CorsQuestion, CorsReport, CorsValidation, CorsWanted};

/// Says what is wrong with a bucket's CORS configuration, each with its place and what to do. A configuration that cannot
/// be read is a finding, too.
#[utoipa::path(post, path = "/v1/cors/validate", tag = "cors", operation_id = "validate_cors", security(("token" = ["viewer"])), params(Scope), request_body(content = CorsValidation, example = json!({"configuration": "[{\"AllowedOrigins\": [\"https://app.example.com/\"], \"AllowedMethods\": [\"GET\"]}]", "provider": "aws"})), responses((status = 200, body = CorsReport, example = json!({"usable": false, "form": "console", "configuration": {"rules": [{"allowed_origins": ["https://app.example.com/"], "allowed_methods": ["GET"]}]}, "findings": [{"severity": "error", "code": "CORS_ORIGIN_PATH", "path": "rules[0].allowed_origins[0]", "line": 1, "column": 22, "message": "`https://app.example.com/` ends with a slash, and an origin has none, so it never matches", "help": "write `https://app.example.com`", "repair": {"change": "replace", "rule": 0, "list": "allowed_origins", "value": 0, "with": ["https://app.example.com"]}}]})), Problems))]
pub async fn validate_cors(
    by: By<Viewer>,
    State(api): State<Api>,
    JsonBody(wanted): JsonBody<CorsValidation>,
) -> Result<Json<CorsReport>, Failure> {
    Ok(Json(api.app.validate_cors(&by.0, wanted).await?))
}

/// Follows the request of a page through the store's answers to what the page gets of it, and says why in one sentence.
#[utoipa::path(post, path = "/v1/cors/evaluate", tag = "cors", operation_id = "evaluate_cors", security(("token" = ["viewer"])), params(Scope), request_body(content = CorsQuestion, example = json!({"configuration": [{"AllowedOrigins": ["https://app.example.com"], "AllowedMethods": ["GET", "PUT"]}], "page": {"origin": "https://app.example.com", "method": "PUT", "headers": [{"name": "Content-Type", "value": "image/png"}]}})), responses((status = 200, body = Evaluation, example = json!({"preflight_reasons": ["PUT is none of GET, HEAD and POST", "the header `content-type` is sent"], "hops": [{"preflight": {"request": {"method": "OPTIONS", "origin": "https://app.example.com", "request_method": "PUT", "request_headers": "content-type", "is_authorized": false}, "answer": {"status": 403, "headers": {}, "error": {"code": "AccessForbidden", "resource_type": "OBJECT"}, "reason": "rule 1 matches the origin and PUT but lists no `content-type` in AllowedHeaders", "trace": [{"rule": 0, "outcome": "headers_not_listed", "origin": "https://app.example.com", "unlisted_headers": ["content-type"], "sentence": "rule 1 matches the origin and PUT but lists no `content-type` in AllowedHeaders"}]}}}], "verdict": {"succeeds": false, "sent": false, "readable_headers": [], "reads_every_header": false, "reason": "rule 1 matches the origin and PUT but lists no `content-type` in AllowedHeaders: the preflight is answered 403, and PUT is never sent"}})), Problems))]
pub async fn evaluate_cors(
    by: By<Viewer>,
    State(api): State<Api>,
    JsonBody(question): JsonBody<CorsQuestion>,
) -> Result<Json<Evaluation>, Failure> {
    Ok(Json(api.app.evaluate_cors(&by.0, question).await?))
}

/// Recommends the smallest configuration with which everything that is stated works. It was tried with every request
/// in the answer.
#[utoipa::path(post, path = "/v1/cors/recommend", tag = "cors", operation_id = "recommend_cors", security(("token" = ["viewer"])), params(Scope), request_body(content = CorsWanted, example = json!({"uses": [{"origins": ["https://app.example.com"], "operations": ["put"]}], "form": "console"})), responses((status = 200, body = CorsAdvice, example = json!({"configuration": {"rules": [{"allowed_origins": ["https://app.example.com"], "allowed_methods": ["PUT"], "allowed_headers": ["content-type"], "max_age_seconds": 3600}]}, "text": "[\n  {\n    \"AllowedHeaders\": [\n      \"content-type\"\n    ],\n    \"AllowedMethods\": [\n      \"PUT\"\n    ],\n    \"AllowedOrigins\": [\n      \"https://app.example.com\"\n    ],\n    \"MaxAgeSeconds\": 3600\n  }\n]\n", "requests": [{"origin": "https://app.example.com", "method": "PUT", "headers": [{"name": "content-type", "value": "image/png"}], "credentials": "omit", "upload": "whole", "initiator": "script", "status": 200}]})), Problems))]
pub async fn recommend_cors(
    by: By<Viewer>,
    State(api): State<Api>,
    JsonBody(wanted): JsonBody<CorsWanted>,
) -> Result<Json<CorsAdvice>, Failure> {
    Ok(Json(api.app.recommend_cors(&by.0, wanted).await?))
}

/// Checks whether a resource's bucket lets pages do what they want: by its CORS configuration, and by what the store
/// really answers to their preflights and reads. A difference between the two is named with its likely cause. Nothing is
/// written.
#[utoipa::path(post, path = "/v1/resources/{name}/cors/check", tag = "cors", operation_id = "check_cors", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), Scope), request_body(content = CorsCheckWanted, example = json!({"origins": ["https://app.example.com"], "uses": ["get", "put"]})), responses((status = 200, body = CorsCheck), Problems))]
pub async fn check_cors(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(wanted): JsonBody<CorsCheckWanted>,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let target = Target { caller: &by.0, resource: &name, environment: &environment.0 };
    let checked = api.app.check_cors(target, wanted).await?;
    Ok(with_freshness(Json(checked.value).into_response(), checked.freshness))
}
