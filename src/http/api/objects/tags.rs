//! Tags of an object.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::Target;
use crate::http::Api;
use crate::http::api::objects::{VersionParam, with_freshness};
use crate::http::extract::{By, Environment, Object, Params, User};
use crate::http::json_body::JsonBody;
use crate::http::openapi::Scope;
use crate::http::problem::{Failure, Problems};
use crate::model::tags::ObjectTags;

/// The tags that an object gets.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TagsBody {
    /// At most 10, by name; they take the place of those that are there.
    #[schema(example = json!({"department": "finance"}))]
    tags: BTreeMap<String, String>,
}

/// Reads the tags of an object.
#[utoipa::path(get, path = "/v1/resources/{name}/object/tags", tag = "objects", operation_id = "get_object_tags", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), ("key" = String, Query, description = "The key."), ("version" = Option<String>, Query, description = "A version of the object."), Scope), responses((status = 200, body = ObjectTags, example = json!({"key": "2026/a.pdf", "version_id": null, "tags": {"department": "finance"}})), Problems))]
pub async fn get_object_tags(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    object: Object,
    Params(version): Params<VersionParam>,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let target = Target { caller: &by.0, resource: &object.resource, environment: &environment.0 };
    let found = api.app.get_tags(target, &object.key, version.version.as_deref()).await?;
    Ok(with_freshness(Json(found.value).into_response(), found.freshness))
}

/// Gives an object these tags in place of those that it has.
#[utoipa::path(put, path = "/v1/resources/{name}/object/tags", tag = "objects", operation_id = "put_object_tags", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), ("key" = String, Query, description = "The key."), ("version" = Option<String>, Query, description = "A version of the object."), Scope), request_body = TagsBody, responses((status = 200, body = ObjectTags), Problems))]
pub async fn put_object_tags(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    object: Object,
    Params(version): Params<VersionParam>,
    JsonBody(body): JsonBody<TagsBody>,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let target = Target { caller: &by.0, resource: &object.resource, environment: &environment.0 };
    let done = api.app.put_tags(target, &object.key, version.version.as_deref(), body.tags).await?;
    Ok(with_freshness(Json(done.value).into_response(), done.freshness))
}

/// Takes all tags off an object.
#[utoipa::path(delete, path = "/v1/resources/{name}/object/tags", tag = "objects", operation_id = "delete_object_tags", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), ("key" = String, Query, description = "The key."), ("version" = Option<String>, Query, description = "A version of the object."), Scope), responses((status = 200, body = ObjectTags), Problems))]
pub async fn delete_object_tags(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    object: Object,
    Params(version): Params<VersionParam>,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let target = Target { caller: &by.0, resource: &object.resource, environment: &environment.0 };
    let done = api.app.delete_tags(target, &object.key, version.version.as_deref()).await?;
    Ok(with_freshness(Json(done.value).into_response(), done.freshness))
}
