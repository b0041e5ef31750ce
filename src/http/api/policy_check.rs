//! What the live policies of a bucket make of a resource.

use axum::Json;
use axum::extract::State;

use crate::http::Api;
use crate::http::extract::{By, Environment, Segment, User};
use crate::http::json_body::JsonOrDefault;
use crate::http::openapi::Scope;
use crate::http::problem::{Failure, Problems};
use crate::model::policy_check::{PolicyCheck, PolicyCheckWanted};

/// Checks what the policies that apply to a resource come to: a prediction for each operation that it allows with the
/// statement that decides, findings, what is public, rights that are not needed and rights that are missing, and whether
/// the last test agrees. The bucket is read with the resource's own credentials. What may not be read is named, and what
/// depends on it is `unknown`.
#[utoipa::path(post, path = "/v1/resources/{name}/policy/check", tag = "resources", operation_id = "check_policy", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), Scope), request_body(content = PolicyCheckWanted, example = json!({"test": true, "identity_policies": [{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": ["arn:aws:s3:::acme-invoices", "arn:aws:s3:::acme-invoices/*"]}]}]})), responses((status = 200, body = PolicyCheck), Problems))]
pub async fn check_policy(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonOrDefault(wanted): JsonOrDefault<PolicyCheckWanted>,
) -> Result<Json<PolicyCheck>, Failure> {
    Ok(Json(api.app.check_policy(&by.0, &name, &environment.0, wanted).await?))
}
