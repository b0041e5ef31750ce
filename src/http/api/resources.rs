//! Resources.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::app::{BucketProposals, ResourceView, Saved, TestOptions, Version};
use crate::http::Api;
use crate::http::extract::{By, DryRun, Editor, Environment, IfMatch, Params, Saving, Segment, Viewer, etag};
use crate::http::json_body::JsonBody;
use crate::http::openapi::{Condition, Scope, Write};
use crate::http::problem::{Failure, Problem, Problems, problem};
use crate::model::check::Report;
use crate::model::name::Name;
use crate::model::principal::Caller;
use crate::model::resource::Definition;

/// Which resources.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// Text in the name, description, folder or bucket.
    filter: Option<String>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// 1 to 1000; default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A page of resources.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResourceList {
    /// By name.
    resources: Vec<ResourceView>,
    /// Give it back as `cursor` to go on.
    cursor: Option<String>,
}

/// Lists resources.
#[utoipa::path(get, path = "/v1/resources", tag = "resources", operation_id = "list_resources", security(("token" = ["viewer"])), params(ListParams, Scope), responses((status = 200, body = ResourceList), Problems))]
pub async fn list_resources(
    by: By<Viewer>,
    State(api): State<Api>,
    Params(params): Params<ListParams>,
) -> Json<ResourceList> {
    let filter = params.filter.unwrap_or_default();
    let (resources, cursor) =
        api.app.resources(&by.0, &filter, params.cursor.as_deref(), params.limit.unwrap_or(100));
    Json(ResourceList { resources, cursor })
}

/// Whether what was saved is tested.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "only described")]
pub struct SavedTest {
    /// Test it, without writing, and answer what came of that, too. It stays saved whatever the test says.
    #[param(required = false)]
    test: Option<bool>,
}

/// A resource that was saved, and what its test found.
#[derive(Debug, Serialize, ToSchema)]
pub struct SavedResource {
    /// The resource as it is now.
    #[serde(flatten)]
    resource: ResourceView,
    /// With `?test=true`: which checks passed and failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<Report>,
    /// Why it could not be tested; it is saved all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    test_error: Option<Problem>,
}

/// Makes a resource. Keys are templates, or literals that are sealed and never shown again.
#[utoipa::path(post, path = "/v1/resources", tag = "resources", operation_id = "create_resource", security(("token" = ["editor"])), params(Write, SavedTest), request_body(content = Definition, example = json!({
    "name": "invoices", "bucket": "acme-invoices", "region": "eu-central-1", "default_acl": "private",
    "auth": {"kind": "access_key", "access_key_id": "{{ secrets.s3.key_id }}", "secret_access_key": "{{ secrets.s3.secret }}"},
    "assume_role": {"role_arn": "arn:aws:iam::111122223333:role/invoices", "external_id": "3f0c…", "session_policy": "scoped"}
})), responses((status = 201, body = SavedResource), Problems))]
pub async fn create_resource(
    by: By<Editor>,
    saving: Saving,
    State(api): State<Api>,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, Failure> {
    let saved = api.app.create_resource(&by.0, body, saving.dry_run).await?;
    let status = if saving.dry_run { StatusCode::OK } else { StatusCode::CREATED };
    Ok(tell(&api, &by.0, saved, status, saving.test_in).await)
}

/// Proposes a resource for each bucket that a credential may list. The body is a definition without `name` and
/// `bucket`; with the fields of a proposal it can be created. Nothing is created here.
#[utoipa::path(post, path = "/v1/resources:import", tag = "resources", operation_id = "propose_resources", security(("token" = ["editor"])), params(Scope), request_body(content = Object, example = json!({
    "region": "eu-central-1", "auth": {"kind": "access_key", "access_key_id": "{{ secrets.s3.key_id }}", "secret_access_key": "{{ secrets.s3.secret }}"}
})), responses((status = 200, body = BucketProposals, example = json!({"proposals": [{"name": "acme-invoices", "bucket": "acme.invoices", "region": "eu-central-1", "default_acl": null, "provider": "aws", "created_at": "2024-02-01T09:30:00Z", "exists_as": null}], "truncated": false})), Problems))]
pub async fn propose_resources(
    by: By<Editor>,
    environment: Environment,
    State(api): State<Api>,
    JsonBody(body): JsonBody<Value>,
) -> Result<Json<BucketProposals>, Failure> {
    Ok(Json(api.app.propose_buckets(&by.0, body, &environment.0).await?))
}

/// Shows a resource.
#[utoipa::path(get, path = "/v1/resources/{name}", tag = "resources", operation_id = "get_resource", security(("token" = ["viewer"])), params(("name" = String, Path, description = "The resource."), Scope), responses((status = 200, body = ResourceView), Problems))]
pub async fn get_resource(
    by: By<Viewer>,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let view = api.app.resource(&by.0, &name)?;
    let same = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|given| given.as_bytes() == etag(view.version).as_bytes());
    if same {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    Ok(answer(Saved { view }, StatusCode::OK))
}

/// Replaces a resource.
#[utoipa::path(put, path = "/v1/resources/{name}", tag = "resources", operation_id = "replace_resource", security(("token" = ["editor"])), params(("name" = String, Path, description = "The resource."), Condition, Write, SavedTest), request_body = Definition, responses((status = 200, body = SavedResource), Problems))]
pub async fn replace_resource(
    by: By<Editor>,
    saving: Saving,
    condition: IfMatch,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, Failure> {
    let saved = api.app.change_resource(&by.0, &name, body, false, condition.0, saving.dry_run).await?;
    Ok(tell(&api, &by.0, saved, StatusCode::OK, saving.test_in).await)
}

/// Changes a resource by a merge patch (RFC 7396): named fields change, `null` removes.
#[utoipa::path(patch, path = "/v1/resources/{name}", tag = "resources", operation_id = "patch_resource", security(("token" = ["editor"])), params(("name" = String, Path, description = "The resource."), Condition, Write, SavedTest), request_body(content = Object, example = json!({"region": "eu-west-1", "default_acl": null})), responses((status = 200, body = SavedResource), Problems))]
pub async fn patch_resource(
    by: By<Editor>,
    saving: Saving,
    condition: IfMatch,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(body): JsonBody<Value>,
) -> Result<Response, Failure> {
    let saved = api.app.change_resource(&by.0, &name, body, true, condition.0, saving.dry_run).await?;
    Ok(tell(&api, &by.0, saved, StatusCode::OK, saving.test_in).await)
}

/// Deletes a resource. The bucket is not touched.
#[utoipa::path(delete, path = "/v1/resources/{name}", tag = "resources", operation_id = "delete_resource", security(("token" = ["editor"])), params(("name" = String, Path, description = "The resource."), Condition, Write), responses((status = 204, description = "Deleted."), Problems))]
pub async fn delete_resource(
    by: By<Editor>,
    dry_run: DryRun,
    condition: IfMatch,
    State(api): State<Api>,
    Segment(name): Segment<String>,
) -> Result<StatusCode, Failure> {
    api.app.delete_resource(&by.0, &name, condition.0, dry_run.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A new name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewName {
    /// Unique in the project.
    #[schema(value_type = String, example = "invoices-copy")]
    name: Name,
}

/// Copies a resource under another name.
#[utoipa::path(post, path = "/v1/resources/{name}/copy", tag = "resources", operation_id = "copy_resource", security(("token" = ["editor"])), params(("name" = String, Path, description = "The resource."), Write), request_body = NewName, responses((status = 201, body = ResourceView), Problems))]
pub async fn copy_resource(
    by: By<Editor>,
    dry_run: DryRun,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(body): JsonBody<NewName>,
) -> Result<Response, Failure> {
    let saved = api.app.copy_resource(&by.0, &name, &body.name, dry_run.0).await?;
    Ok(answer(saved, if dry_run.0 { StatusCode::OK } else { StatusCode::CREATED }))
}

/// Versions of a resource.
#[derive(Debug, Serialize, ToSchema)]
pub struct History {
    /// Newest first.
    versions: Vec<Version>,
}

/// Every version of a resource, newest first.
#[utoipa::path(get, path = "/v1/resources/{name}/history", tag = "resources", operation_id = "resource_history", security(("token" = ["viewer"])), params(("name" = String, Path, description = "The resource."), Scope), responses((status = 200, body = History), Problems))]
pub async fn resource_history(
    by: By<Viewer>,
    State(api): State<Api>,
    Segment(name): Segment<String>,
) -> Result<Json<History>, Failure> {
    Ok(Json(History { versions: api.app.resource_history(&by.0, &name).await? }))
}

/// A version.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreVersion {
    /// As the history shows it.
    version: i64,
}

/// Makes an earlier version the current one, as a new version.
#[utoipa::path(post, path = "/v1/resources/{name}/restore", tag = "resources", operation_id = "restore_resource", security(("token" = ["editor"])), params(("name" = String, Path, description = "The resource."), Write), request_body = RestoreVersion, responses((status = 200, body = ResourceView), Problems))]
pub async fn restore_resource(
    by: By<Editor>,
    dry_run: DryRun,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(body): JsonBody<RestoreVersion>,
) -> Result<Response, Failure> {
    let saved = api.app.restore_resource(&by.0, &name, body.version, dry_run.0).await?;
    Ok(answer(saved, StatusCode::OK))
}

/// Answers with what was saved; tests it where an environment is given.
async fn tell(
    api: &Api,
    caller: &Caller,
    saved: Saved,
    status: StatusCode,
    environment: Option<Name>,
) -> Response {
    let Some(environment) = environment else { return answer(saved, status) };
    let name = saved.view.definition.name.as_str();
    let tested = api.app.test_resource(caller, name, &environment, TestOptions::default()).await;
    let (test, test_error) = match tested {
        Ok(report) => (Some(report), None),
        Err(error) => (None, Some(problem(error))),
    };
    let version = saved.view.version;
    tagged(status, version, SavedResource { resource: saved.view, test, test_error })
}

fn answer(saved: Saved, status: StatusCode) -> Response {
    tagged(status, saved.view.version, saved.view)
}

fn tagged(status: StatusCode, version: i64, body: impl Serialize) -> Response {
    let tag = etag(version);
    let mut response = (status, Json(body)).into_response();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
