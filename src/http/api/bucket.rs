//! What a resource's bucket is set to. These settings are of the whole bucket, whatever the resource's prefix is.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::IntoParams;

use crate::app::{BucketCare, BucketWanted, Error, Target};
use crate::http::Api;
use crate::http::api::objects::with_freshness;
use crate::http::extract::{By, DryRun, Editor, Environment, Params, Segment, User};
use crate::http::json_body::JsonBody;
use crate::http::openapi::{Scope, Write};
use crate::http::problem::{Failure, Problems};
use crate::model::bucket::{Aspect, BucketChange, BucketSettings, CorsRules};
use crate::model::name::Name;
use crate::model::principal::Caller;

/// Which aspects to read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BucketParams {
    /// Aspects with commas between them; all when absent: `location`, `versioning`, `encryption`, `ownership`,
    /// `public_access_block`, `policy`, `cors`, `lifecycle`.
    #[param(example = "policy,cors")]
    aspects: Option<String>,
}

/// Whether a change is made against advice.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ForceParam {
    /// Although the policy would lock the resource out.
    #[serde(default)]
    #[param(required = false)]
    force: bool,
}

/// Reads what the bucket is set to, each aspect with its value or with why there is none.
#[utoipa::path(get, path = "/v1/resources/{name}/bucket", tag = "objects", operation_id = "get_bucket", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), BucketParams, Scope), responses((status = 200, body = BucketSettings, example = json!({"bucket": "acme-invoices", "aspects": {"versioning": {"state": "set", "value": {"status": "enabled"}}, "cors": {"state": "not_set"}, "policy": {"state": "denied", "problem": {"code": "AccessDenied", "detail": "Access Denied", "remedy": "allow `s3:GetBucketPolicy` for the resource's identity", "action": "s3:GetBucketPolicy"}}}})), Problems))]
pub async fn get_bucket(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    Params(params): Params<BucketParams>,
) -> Result<Response, Failure> {
    let aspects = params.aspects.as_deref().map_or(Ok(Vec::new()), aspects)?;
    let _permit = api.app.admit(&by.0).await?;
    let target = Target { caller: &by.0, resource: &name, environment: &environment.0 };
    let found = api.app.get_bucket(target, &aspects).await?;
    Ok(with_freshness(Json(found.value).into_response(), found.freshness))
}

fn aspects(text: &str) -> Result<Vec<Aspect>, Failure> {
    let unknown = |word: &str| {
        let known: Vec<String> = Aspect::ALL.iter().map(|aspect| format!("`{}`", aspect.as_str())).collect();
        let shown: String = word.chars().take(64).collect();
        Failure(Error::BadRequest(format!(
            "`{shown}` is no aspect of a bucket: there are {}",
            known.join(", ")
        )))
    };
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    words.map(|word| Aspect::parse(word).ok_or_else(|| unknown(word))).collect()
}

/// Gives the bucket this CORS configuration in place of the one that it has. The answer is what is there afterwards.
#[utoipa::path(put, path = "/v1/resources/{name}/bucket/cors", tag = "objects", operation_id = "put_bucket_cors", security(("token" = ["editor"])), params(("name" = String, Path, description = "The resource."), Write), request_body(content = CorsRules, example = json!({"rules": [{"allowed_origins": ["https://app.example.com"], "allowed_methods": ["GET", "PUT"], "allowed_headers": ["*"], "expose_headers": ["ETag"], "max_age_seconds": 3000}]})), responses((status = 200, body = BucketChange), Problems))]
pub async fn put_bucket_cors(
    by: By<Editor>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    dry_run: DryRun,
    JsonBody(rules): JsonBody<CorsRules>,
) -> Result<Response, Failure> {
    let care = BucketCare { dry_run: dry_run.0, force: false };
    change(&api, &by.0, &name, &environment.0, BucketWanted::PutCors(rules), care).await
}

/// Takes the bucket's CORS configuration away.
#[utoipa::path(delete, path = "/v1/resources/{name}/bucket/cors", tag = "objects", operation_id = "delete_bucket_cors", security(("token" = ["editor"])), params(("name" = String, Path, description = "The resource."), Write), responses((status = 200, body = BucketChange), Problems))]
pub async fn delete_bucket_cors(
    by: By<Editor>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    dry_run: DryRun,
) -> Result<Response, Failure> {
    let care = BucketCare { dry_run: dry_run.0, force: false };
    change(&api, &by.0, &name, &environment.0, BucketWanted::DeleteCors, care).await
}

/// Gives the bucket this policy in place of the one that it has. One that would lock the resource's own identity out is
/// refused without `force`.
#[utoipa::path(put, path = "/v1/resources/{name}/bucket/policy", tag = "objects", operation_id = "put_bucket_policy", security(("token" = ["editor"])), params(("name" = String, Path, description = "The resource."), ForceParam, Write), request_body(content = Object, description = "The policy document.", example = json!({"Version": "2012-10-17", "Statement": [{"Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::acme-invoices", "arn:aws:s3:::acme-invoices/*"], "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]})), responses((status = 200, body = BucketChange), Problems))]
pub async fn put_bucket_policy(
    by: By<Editor>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    Params(force): Params<ForceParam>,
    dry_run: DryRun,
    JsonBody(policy): JsonBody<Map<String, Value>>,
) -> Result<Response, Failure> {
    let care = BucketCare { dry_run: dry_run.0, force: force.force };
    let wanted = BucketWanted::PutPolicy(Value::Object(policy));
    change(&api, &by.0, &name, &environment.0, wanted, care).await
}

/// Takes the bucket's policy away. One that grants the resource's own identity what it needs stays without `force`.
#[utoipa::path(delete, path = "/v1/resources/{name}/bucket/policy", tag = "objects", operation_id = "delete_bucket_policy", security(("token" = ["editor"])), params(("name" = String, Path, description = "The resource."), ForceParam, Write), responses((status = 200, body = BucketChange), Problems))]
pub async fn delete_bucket_policy(
    by: By<Editor>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    Params(force): Params<ForceParam>,
    dry_run: DryRun,
) -> Result<Response, Failure> {
    let care = BucketCare { dry_run: dry_run.0, force: force.force };
    change(&api, &by.0, &name, &environment.0, BucketWanted::DeletePolicy, care).await
}

async fn change(
    api: &Api,
    caller: &Caller,
    resource: &str,
    environment: &Name,
    wanted: BucketWanted,
    care: BucketCare,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(caller).await?;
    let target = Target { caller, resource, environment };
    let changed = api.app.change_bucket(target, wanted, care).await?;
    Ok(with_freshness(Json(changed.value).into_response(), changed.freshness))
}
