//! The JSON query endpoint: the same queries for callers that speak only JSON.

mod bucket;
mod delete;
mod list;
mod read;
mod tags;
mod versions;
mod write;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::bucket::{BucketQuery, DeleteCorsQuery, DeletePolicyQuery, PutCorsQuery, PutPolicyQuery};
use self::delete::Deleted;
use self::read::{Content, GetQuery, KeyQuery};
use self::tags::{PutAclQuery, PutTagsQuery};
use self::write::PutQuery;
use crate::app::connection::Freshness;
use crate::app::{App, Target};
use crate::http::Api;
use crate::http::api::objects::acl::AclWritten;
use crate::http::api::objects::with_freshness;
use crate::http::extract::{By, Environment, Segment, User};
use crate::http::json_body::JsonBody;
use crate::http::openapi::Scope;
use crate::http::problem::{Failure, Problems};
use crate::model::acl::ObjectAcl;
use crate::model::bucket::{BucketChange, BucketSettings};
use crate::model::name::Name;
use crate::model::object::{ListOptions, ObjectMetadata, ObjectPage, PutResult};
use crate::model::principal::Caller;
use crate::model::tags::ObjectTags;
use crate::model::version::{RestoreOptions, RestoredVersion, VersionOptions, VersionPage};

/// A query; `operation` says which.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "operation", rename_all = "snake_case")]
pub enum Query {
    /// Lists objects.
    List(ListOptions),
    /// Reads an object's metadata.
    Head(KeyQuery),
    /// Reads an object as text or base64.
    Get(GetQuery),
    /// Writes an object from text or base64.
    Put(PutQuery),
    /// Deletes an object.
    Delete(KeyQuery),
    /// Reads the tags of an object.
    GetTags(KeyQuery),
    /// Gives an object these tags in place of those that it has.
    PutTags(PutTagsQuery),
    /// Takes all tags off an object.
    DeleteTags(KeyQuery),
    /// Reads the ACL of an object.
    GetAcl(KeyQuery),
    /// Gives an object a canned ACL.
    PutAcl(PutAclQuery),
    /// Lists versions and delete markers.
    ListVersions(VersionOptions),
    /// Makes an earlier version the newest one.
    RestoreVersion(RestoreOptions),
    /// Reads what the bucket is set to.
    GetBucket(BucketQuery),
    /// Gives the bucket another CORS configuration.
    PutBucketCors(PutCorsQuery),
    /// Takes the bucket's CORS configuration away.
    DeleteBucketCors(DeleteCorsQuery),
    /// Gives the bucket another policy.
    PutBucketPolicy(PutPolicyQuery),
    /// Takes the bucket's policy away.
    DeleteBucketPolicy(DeletePolicyQuery),
}

/// What a query answers, by operation.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum QueryAnswer {
    /// list
    List(ObjectPage),
    /// head
    Head(ObjectMetadata),
    /// get
    Get(Content),
    /// put
    Put(PutResult),
    /// delete
    Delete(Deleted),
    /// get_tags, put_tags, delete_tags
    Tags(ObjectTags),
    /// get_acl
    GetAcl(ObjectAcl),
    /// put_acl
    PutAcl(AclWritten),
    /// list_versions
    ListVersions(VersionPage),
    /// restore_version
    RestoreVersion(RestoredVersion),
    /// get_bucket
    GetBucket(BucketSettings),
    /// put_bucket_cors, delete_bucket_cors, put_bucket_policy, delete_bucket_policy
    ChangeBucket(BucketChange),
}

/// Who asks what of which resource in which environment.
#[derive(Debug, Clone, Copy)]
struct Run<'a> {
    app: &'a Arc<App>,
    caller: &'a Caller,
    resource: &'a str,
    environment: &'a Name,
}

impl<'a> Run<'a> {
    fn target(self) -> Target<'a> {
        Target { caller: self.caller, resource: self.resource, environment: self.environment }
    }
}

/// What an operation answers, and how fresh its secrets were.
type Ran = Result<(QueryAnswer, Freshness), Failure>;

/// Runs a query.
#[utoipa::path(post, path = "/v1/resources/{name}/query", tag = "objects", operation_id = "query", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), Scope), request_body(content = Query, examples(
    ("list" = (value = json!({"operation": "list", "prefix": "2026/", "limit": 100}))),
    ("get" = (value = json!({"operation": "get", "key": "2026/a.txt"}))),
    ("put" = (value = json!({"operation": "put", "key": "2026/a.txt", "text": "hello"}))),
    ("put_tags" = (value = json!({"operation": "put_tags", "key": "2026/a.txt", "tags": {"department": "finance"}}))),
    ("put_acl" = (value = json!({"operation": "put_acl", "key": "2026/a.txt", "acl": "public-read"}))),
    ("list_versions" = (value = json!({"operation": "list_versions", "prefix": "2026/a.txt"}))),
    ("restore_version" = (value = json!({"operation": "restore_version", "key": "2026/a.txt", "version": "3HL4kqtJvjVBH40Nrjfkd"}))),
    ("get_bucket" = (value = json!({"operation": "get_bucket", "aspects": ["policy", "cors"]}))),
    ("put_bucket_cors" = (value = json!({"operation": "put_bucket_cors", "rules": [{"allowed_origins": ["https://app.example.com"], "allowed_methods": ["GET"]}], "dry_run": true}))),
)), responses((status = 200, body = QueryAnswer), Problems))]
pub async fn query(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(query): JsonBody<Query>,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let run = Run { app: &api.app, caller: &by.0, resource: &name, environment: &environment.0 };
    let (answer, freshness) = match query {
        Query::List(options) => list::list(run, options).await?,
        Query::Head(wanted) => read::head(run, wanted).await?,
        Query::Get(wanted) => read::get(run, wanted).await?,
        Query::Put(wanted) => write::put(run, wanted).await?,
        Query::Delete(wanted) => delete::delete(run, wanted).await?,
        Query::GetTags(wanted) => tags::get_tags(run, wanted).await?,
        Query::PutTags(wanted) => tags::put_tags(run, wanted).await?,
        Query::DeleteTags(wanted) => tags::delete_tags(run, wanted).await?,
        Query::GetAcl(wanted) => tags::get_acl(run, wanted).await?,
        Query::PutAcl(wanted) => tags::put_acl(run, wanted).await?,
        Query::ListVersions(options) => versions::list(run, options).await?,
        Query::RestoreVersion(options) => versions::restore(run, options).await?,
        Query::GetBucket(wanted) => bucket::get(run, wanted).await?,
        Query::PutBucketCors(wanted) => bucket::put_cors(run, wanted).await?,
        Query::DeleteBucketCors(wanted) => bucket::delete_cors(run, wanted).await?,
        Query::PutBucketPolicy(wanted) => bucket::put_policy(run, wanted).await?,
        Query::DeleteBucketPolicy(wanted) => bucket::delete_policy(run, wanted).await?,
    };
    Ok(with_freshness(Json(answer).into_response(), freshness))
}
