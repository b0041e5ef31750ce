//! The ACL of an object.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::Target;
use crate::http::Api;
use crate::http::api::objects::{VersionParam, with_freshness};
use crate::http::extract::{By, Environment, Object, Params, User};
use crate::http::json_body::JsonBody;
use crate::http::openapi::Scope;
use crate::http::problem::{Failure, Problems};
use crate::model::acl::ObjectAcl;
use crate::model::resource::CannedAcl;

/// The ACL that an object gets.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AclBody {
    /// A canned ACL.
    acl: CannedAcl,
}

/// The ACL that an object was given.
#[derive(Debug, Serialize, ToSchema)]
pub struct AclWritten {
    /// The key, relative to the resource's prefix.
    pub(in crate::http::api) key: String,
    /// The version that was named.
    pub(in crate::http::api) version_id: Option<String>,
    /// The canned ACL.
    pub(in crate::http::api) acl: CannedAcl,
}

/// Reads the ACL of an object.
#[utoipa::path(get, path = "/v1/resources/{name}/object/acl", tag = "objects", operation_id = "get_object_acl", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), ("key" = String, Query, description = "The key."), ("version" = Option<String>, Query, description = "A version of the object."), Scope), responses((status = 200, body = ObjectAcl, example = json!({"key": "2026/a.pdf", "version_id": null, "canned": "private", "owner": "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a", "grants": [{"kind": "user", "grantee": "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a", "permission": "FULL_CONTROL"}]})), Problems))]
pub async fn get_object_acl(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    object: Object,
    Params(version): Params<VersionParam>,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let target = Target { caller: &by.0, resource: &object.resource, environment: &environment.0 };
    let found = api.app.get_acl(target, &object.key, version.version.as_deref()).await?;
    Ok(with_freshness(Json(found.value).into_response(), found.freshness))
}

/// Gives an object a canned ACL. Buckets whose ACLs are off refuse it.
#[utoipa::path(put, path = "/v1/resources/{name}/object/acl", tag = "objects", operation_id = "put_object_acl", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), ("key" = String, Query, description = "The key."), ("version" = Option<String>, Query, description = "A version of the object."), Scope), request_body(content = AclBody, example = json!({"acl": "public-read"})), responses((status = 200, body = AclWritten), Problems))]
pub async fn put_object_acl(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    object: Object,
    Params(version): Params<VersionParam>,
    JsonBody(body): JsonBody<AclBody>,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let target = Target { caller: &by.0, resource: &object.resource, environment: &environment.0 };
    let done = api.app.put_acl(target, &object.key, version.version.as_deref(), body.acl).await?;
    let written = AclWritten { key: object.key, version_id: version.version, acl: body.acl };
    Ok(with_freshness(Json(written).into_response(), done.freshness))
}
