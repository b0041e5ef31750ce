//! The JSON query endpoint: the same queries for callers that speak only JSON.

mod bucket;
pub(super) mod bulk;
mod delete;
pub mod explain;
mod list;
mod multipart;
mod read;
mod restore;
mod sign;
mod tags;
mod write;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::bucket::{BucketQuery, DeleteCorsQuery, DeletePolicyQuery, PutCorsQuery, PutPolicyQuery};
use self::bulk::{BulkAnswer, Many};
use self::delete::{DeleteQuery, Deleted};
use self::multipart::{AbortedUpload, UploadPartQuery};
use self::read::{GetQuery, HeadQuery, KeyQuery, NotModified, ObjectContent};
use self::tags::{PutAclQuery, PutTagsQuery};
use self::write::PutQuery;
use crate::app::connection::Freshness;
use crate::app::{App, Permit, Target};
use crate::http::Api;
use crate::http::api::objects::acl::AclWritten;
use crate::http::api::objects::sign::keep_nowhere;
use crate::http::api::objects::{self, is_streamed, with_freshness};
use crate::http::extract::{By, Environment, Segment, User};
use crate::http::openapi::Scope;
use crate::http::problem::{Failure, Problem, Problems};
use crate::http::tagged_body::TaggedBody;
use crate::model::acl::ObjectAcl;
use crate::model::bucket::{BucketChange, BucketSettings};
use crate::model::bulk::{CopyOptions, CopyResult, DeleteMany, DeletePrefix, RenamePrefix};
use crate::model::multipart::{
    AbortUpload, CleanReport, CleanUploads, CompleteUpload, CompletedUpload, ListPartsOptions,
    ListUploadsOptions, PartPage, SignPartsOptions, SignedParts, StartUpload, StartedUpload, UploadPage,
    UploadedPart,
};
use crate::model::name::Name;
use crate::model::object::{ListOptions, ObjectMetadata, ObjectPage, PutResult};
use crate::model::principal::Caller;
use crate::model::signed::{SignOptions, SignPostOptions, SignedForm, SignedUrl};
use crate::model::tags::ObjectTags;
use crate::model::version::{RestoreOptions, RestoredVersion};

/// A query; `operation` says which.
// `TaggedBody` reads it with the operation beside its options, and `openapi_query` shows it so
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Query {
    /// Lists objects.
    List(ListOptions),
    /// Reads an object's metadata.
    Head(HeadQuery),
    /// Reads an object as text, base64, JSON or rows.
    Get(GetQuery),
    /// Writes an object from text or base64.
    Put(PutQuery),
    /// Deletes an object.
    Delete(DeleteQuery),
    /// Signs a URL.
    Sign(Box<SignOptions>),
    /// Signs a form for uploads by POST.
    SignPost(Box<SignPostOptions>),
    /// Signs a URL for each part of an upload.
    SignParts(SignPartsOptions),
    /// Begins an upload in parts.
    CreateMultipartUpload(Box<StartUpload>),
    /// Sends one part of an upload, from text or base64.
    UploadPart(UploadPartQuery),
    /// Lists the parts of an upload.
    ListParts(ListPartsOptions),
    /// Puts the parts of an upload together.
    CompleteMultipartUpload(CompleteUpload),
    /// Ends an upload without an object.
    AbortMultipartUpload(AbortUpload),
    /// Lists the uploads that are open.
    ListMultipartUploads(ListUploadsOptions),
    /// Aborts the uploads that began long ago.
    CleanMultipartUploads(CleanUploads),
    /// Deletes the named objects.
    DeleteMany(DeleteMany),
    /// Deletes every object below a prefix, once its count was confirmed.
    DeletePrefix(DeletePrefix),
    /// Copies an object, within the resource or to another.
    Copy(Box<CopyOptions>),
    /// Moves an object, within the resource or to another.
    Move(Box<CopyOptions>),
    /// Moves every object below a prefix below another one, once their count was confirmed.
    RenamePrefix(Box<RenamePrefix>),
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

/// What a query answers; `operation` says to which one.
#[derive(Serialize, ToSchema)]
#[serde(tag = "operation", rename_all = "snake_case")]
pub enum QueryAnswer {
    /// Objects.
    List(ObjectPage),
    /// An object's metadata.
    Head(Box<ObjectMetadata>),
    /// An object's content.
    Get(Box<ObjectContent>),
    /// To `head` and `get` whose condition found nothing new.
    NotModified(NotModified),
    /// What was written.
    Put(PutResult),
    /// What was deleted.
    Delete(Deleted),
    /// A URL.
    Sign(SignedUrl),
    /// A form.
    SignPost(SignedForm),
    /// A URL for each part.
    SignParts(SignedParts),
    /// The upload that began.
    CreateMultipartUpload(StartedUpload),
    /// The part that was sent.
    UploadPart(UploadedPart),
    /// Parts of an upload.
    ListParts(PartPage),
    /// The object that the parts became.
    CompleteMultipartUpload(CompletedUpload),
    /// The upload that ended.
    AbortMultipartUpload(AbortedUpload),
    /// Open uploads.
    ListMultipartUploads(UploadPage),
    /// Uploads that were aborted.
    CleanMultipartUploads(CleanReport),
    /// What became of each key.
    DeleteMany(BulkAnswer),
    /// What became of each key.
    DeletePrefix(BulkAnswer),
    /// What became of each key.
    RenamePrefix(BulkAnswer),
    /// The copy.
    Copy(CopyResult),
    /// Where the object is now.
    Move(CopyResult),
    /// Tags.
    GetTags(ObjectTags),
    /// The tags that the object has now.
    PutTags(ObjectTags),
    /// The tags that the object has now: none.
    DeleteTags(ObjectTags),
    /// An ACL.
    GetAcl(ObjectAcl),
    /// The ACL that the object has now.
    PutAcl(AclWritten),
    /// The version that is the newest now.
    RestoreVersion(RestoredVersion),
    /// What the bucket is set to.
    GetBucket(BucketSettings),
    /// What changed.
    PutBucketCors(BucketChange),
    /// What changed.
    DeleteBucketCors(BucketChange),
    /// What changed.
    PutBucketPolicy(BucketChange),
    /// What changed.
    DeleteBucketPolicy(BucketChange),
}

/// Who asks what of which resource in which environment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) app: &'a Arc<App>,
    pub(super) caller: &'a Caller,
    pub(super) resource: &'a str,
    pub(super) environment: &'a Name,
}

impl<'a> Run<'a> {
    fn target(self) -> Target<'a> {
        Target { caller: self.caller, resource: self.resource, environment: self.environment }
    }
}

/// What an operation answers, and how fresh its secrets were.
type Ran = Result<(QueryAnswer, Freshness), Failure>;

/// Runs a query. With `Accept: application/x-ndjson` a list is one row a line, and what is done to many objects one key a
/// line, with a cursor after every chunk.
#[utoipa::path(post, path = "/v1/resources/{name}/query", tag = "objects", operation_id = "query", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), Scope), request_body(content = Query, examples(
    ("list" = (value = json!({"operation": "list", "prefix": "2026/", "limit": 100}))),
    ("list what fits, the largest first" = (value = json!({"operation": "list", "filter": {"glob": "**.pdf", "size": {"gt": 1_000_000}}, "sort": {"by": "size", "direction": "desc"}, "limit": 10}))),
    ("list versions" = (value = json!({"operation": "list", "prefix": "2026/a.txt", "versions": true}))),
    ("head" = (value = json!({"operation": "head", "key": "2026/a.pdf", "checksum_mode": "enabled"}))),
    ("get" = (value = json!({"operation": "get", "key": "2026/a.txt"}))),
    ("get rows" = (value = json!({"operation": "get", "key": "2026/a.csv", "as": "csv", "limit": 100, "columns": ["id", "total"]}))),
    ("put" = (value = json!({"operation": "put", "key": "2026/a.txt", "text": "hello"}))),
    ("sign" = (value = json!({"operation": "sign", "method": "GET", "key": "2026/a.txt", "expires_in": 300}))),
    ("sign_post" = (value = json!({"operation": "sign_post", "key_prefix": "uploads/", "max_bytes": 5_000_000}))),
    ("create_multipart_upload" = (value = json!({"operation": "create_multipart_upload", "key": "2026/film.mp4"}))),
    ("clean_multipart_uploads" = (value = json!({"operation": "clean_multipart_uploads", "older_than": "7d", "dry_run": true}))),
    ("delete_many" = (value = json!({"operation": "delete_many", "keys": ["2026/a.txt", "2026/b.txt"]}))),
    ("delete_prefix" = (value = json!({"operation": "delete_prefix", "prefix": "2024/", "dry_run": true}))),
    ("copy" = (value = json!({"operation": "copy", "from": "2026/a.txt", "to": "archive/a.txt"}))),
    ("move" = (value = json!({"operation": "move", "from": "2026/a.txt", "to": "a.txt", "to_resource": "archive"}))),
    ("rename_prefix" = (value = json!({"operation": "rename_prefix", "from": "inbox/", "to": "archive/", "confirm_count": 25}))),
    ("put with everything" = (value = json!({"operation": "put", "key": "2026/a.txt", "base64": "aGVsbG8=", "content_type": "text/plain", "cache_control": "max-age=60", "metadata": {"author": "ann"}, "tags": {"team": "books"}, "storage_class": "STANDARD_IA", "encryption": {"kind": "sse_s3"}, "checksum": {"algorithm": "sha256"}, "if_none_match": "*"}))),
    ("delete" = (value = json!({"operation": "delete", "key": "2026/a.txt"}))),
    ("put_tags" = (value = json!({"operation": "put_tags", "key": "2026/a.txt", "tags": {"department": "finance"}}))),
    ("put_acl" = (value = json!({"operation": "put_acl", "key": "2026/a.txt", "acl": "public-read"}))),
    ("restore_version" = (value = json!({"operation": "restore_version", "key": "2026/a.txt", "version": "3HL4kqtJvjVBH40Nrjfkd"}))),
    ("get_bucket" = (value = json!({"operation": "get_bucket", "aspects": ["policy", "cors"]}))),
    ("put_bucket_cors" = (value = json!({"operation": "put_bucket_cors", "rules": [{"allowed_origins": ["https://app.example.com"], "allowed_methods": ["GET"]}], "dry_run": true}))),
    ("delete_bucket_cors" = (value = json!({"operation": "delete_bucket_cors", "dry_run": true}))),
    ("put_bucket_policy" = (value = json!({"operation": "put_bucket_policy", "dry_run": true, "policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::acme-invoices", "arn:aws:s3:::acme-invoices/*"], "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}}))),
    ("delete_bucket_policy" = (value = json!({"operation": "delete_bucket_policy", "dry_run": true}))),
    ("get_tags" = (value = json!({"operation": "get_tags", "key": "2026/a.txt"}))),
    ("delete_tags" = (value = json!({"operation": "delete_tags", "key": "2026/a.txt"}))),
    ("get_acl" = (value = json!({"operation": "get_acl", "key": "2026/a.txt"}))),
    ("sign_parts" = (value = json!({"operation": "sign_parts", "key": "2026/film.mp4", "upload_id": "VXBsb2FkIElE", "parts": [1, 2]}))),
    ("upload_part" = (value = json!({"operation": "upload_part", "key": "2026/film.mp4", "upload_id": "VXBsb2FkIElE", "part_number": 1, "base64": "AAAAIGZ0eXA="}))),
    ("list_parts" = (value = json!({"operation": "list_parts", "key": "2026/film.mp4", "upload_id": "VXBsb2FkIElE"}))),
    ("complete_multipart_upload" = (value = json!({"operation": "complete_multipart_upload", "key": "2026/film.mp4", "upload_id": "VXBsb2FkIElE", "parts": [{"part_number": 1, "etag": "\"9b2cf535f27731c974343645a3985328\""}]}))),
    ("abort_multipart_upload" = (value = json!({"operation": "abort_multipart_upload", "key": "2026/film.mp4", "upload_id": "VXBsb2FkIElE"}))),
    ("list_multipart_uploads" = (value = json!({"operation": "list_multipart_uploads", "prefix": "2026/"}))),
)), responses(
    (status = 200, description = "What the operation answers. With `Accept: application/x-ndjson` a list is one row a line, and what is done to many objects (`delete_many`, `delete_prefix`, `rename_prefix`) one key a line; the last line says whether there is more, or holds the `error` that ended it.", content(
        (QueryAnswer = "application/json", examples(
            ("list" = (value = json!({"operation": "list", "objects": [{"key": "2026/a.pdf", "size": 1234, "etag": "\"9b2cf535f27731c974343645a3985328\"", "last_modified": "2026-11-01T10:00:00Z", "storage_class": "STANDARD"}], "prefixes": [], "cursor": null, "truncated": false}))),
            ("put" = (value = json!({"operation": "put", "key": "2026/a.txt", "size": 5, "etag": "\"5d41402abc4b2a76b9719d911017c592\"", "version_id": null}))),
            ("delete" = (value = json!({"operation": "delete", "key": "2026/a.txt", "version_id": null}))),
        )),
        (String = "application/x-ndjson", example = json!("{\"key\":\"2026/a.pdf\",\"size\":1234,\"etag\":\"\\\"9b2cf535f27731c974343645a3985328\\\"\",\"last_modified\":\"2026-11-01T10:00:00Z\",\"storage_class\":\"STANDARD\"}\n{\"cursor\":null,\"truncated\":false}\n")),
    )),
    (status = 416, description = "The range lies outside the object.", content_type = "application/problem+json", body = Problem, example = json!({"type": "/docs/errors/InvalidRange", "title": "the range lies outside the object", "status": 416, "detail": "The requested range is not satisfiable", "instance": "/v1/resources/invoices/query", "code": "InvalidRange", "request_id": "0193f0a2b7c47d31a5d0c2f4b6e8a913", "upstream": {"service": "s3", "code": "InvalidRange"}, "remedy": "ask for a range inside the object's size - the caller can do this"})),
    Problems,
))]
pub async fn query(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    headers: HeaderMap,
    TaggedBody { value: query, .. }: TaggedBody<Query>,
) -> Result<Response, Failure> {
    let permit = api.app.admit(&by.0).await?;
    let run = Run { app: &api.app, caller: &by.0, resource: &name, environment: &environment.0 };
    if !is_streamed(&headers) {
        return respond(run, query).await;
    }
    match query {
        Query::List(options) => list::rows(run, options, permit).await,
        Query::DeleteMany(wanted) if !wanted.dry_run => lines(run, Many::Delete(wanted), permit).await,
        Query::DeletePrefix(wanted) if !wanted.dry_run => {
            lines(run, Many::DeletePrefix(wanted), permit).await
        }
        Query::RenamePrefix(wanted) if !wanted.dry_run => {
            lines(run, Many::RenamePrefix(wanted), permit).await
        }
        query => respond(run, query).await,
    }
}

/// Runs what is done to many objects, one key a line.
async fn lines(run: Run<'_>, many: Many, permit: Permit) -> Result<Response, Failure> {
    Ok(objects::bulk::lines(many.start(run).await?, permit))
}

/// Answers a query that has its place.
async fn respond(run: Run<'_>, query: Query) -> Result<Response, Failure> {
    let (answer, freshness) = answer(run, query).await?;
    let is_credential = sign::is_credential(&answer);
    let mut response = Json(answer).into_response();
    if is_credential {
        keep_nowhere(&mut response);
    }
    Ok(with_freshness(response, freshness))
}

/// Runs a query, or explains it where the app is a twin that sends nothing.
async fn answer(run: Run<'_>, query: Query) -> Ran {
    let answered = match query {
        Query::List(options) => list::list(run, options).await?,
        Query::Head(wanted) => read::head(run, wanted).await?,
        Query::Get(wanted) => read::get(run, wanted).await?,
        Query::Put(wanted) => write::put(run, wanted).await?,
        Query::Delete(wanted) => delete::delete(run, wanted).await?,
        Query::Sign(options) => sign::sign(run, *options).await?,
        Query::SignPost(options) => sign::sign_post(run, *options).await?,
        Query::SignParts(options) => sign::sign_parts(run, options).await?,
        Query::CreateMultipartUpload(wanted) => multipart::create(run, *wanted).await?,
        Query::UploadPart(wanted) => multipart::part(run, wanted).await?,
        Query::ListParts(wanted) => multipart::parts(run, wanted).await?,
        Query::CompleteMultipartUpload(wanted) => multipart::complete(run, wanted).await?,
        Query::AbortMultipartUpload(wanted) => multipart::abort(run, wanted).await?,
        Query::ListMultipartUploads(wanted) => multipart::uploads(run, wanted).await?,
        Query::CleanMultipartUploads(wanted) => multipart::clean(run, wanted).await?,
        Query::DeleteMany(wanted) => told(Many::Delete(wanted).finish(run).await?, QueryAnswer::DeleteMany),
        Query::DeletePrefix(wanted) => {
            told(Many::DeletePrefix(wanted).finish(run).await?, QueryAnswer::DeletePrefix)
        }
        Query::Copy(wanted) => {
            let copied =
                run.app.copy_object(run.caller, run.resource, run.environment, *wanted, false).await?;
            (QueryAnswer::Copy(copied.value), copied.freshness)
        }
        Query::Move(wanted) => {
            let moved = run.app.copy_object(run.caller, run.resource, run.environment, *wanted, true).await?;
            (QueryAnswer::Move(moved.value), moved.freshness)
        }
        Query::RenamePrefix(wanted) => {
            told(Many::RenamePrefix(wanted).finish(run).await?, QueryAnswer::RenamePrefix)
        }
        Query::GetTags(wanted) => tags::get_tags(run, wanted).await?,
        Query::PutTags(wanted) => tags::put_tags(run, wanted).await?,
        Query::DeleteTags(wanted) => tags::delete_tags(run, wanted).await?,
        Query::GetAcl(wanted) => tags::get_acl(run, wanted).await?,
        Query::PutAcl(wanted) => tags::put_acl(run, wanted).await?,
        Query::RestoreVersion(options) => restore::restore(run, options).await?,
        Query::GetBucket(wanted) => bucket::get(run, wanted).await?,
        Query::PutBucketCors(wanted) => {
            told(bucket::put_cors(run, wanted).await?, QueryAnswer::PutBucketCors)
        }
        Query::DeleteBucketCors(wanted) => {
            told(bucket::delete_cors(run, wanted).await?, QueryAnswer::DeleteBucketCors)
        }
        Query::PutBucketPolicy(wanted) => {
            told(bucket::put_policy(run, wanted).await?, QueryAnswer::PutBucketPolicy)
        }
        Query::DeleteBucketPolicy(wanted) => {
            told(bucket::delete_policy(run, wanted).await?, QueryAnswer::DeleteBucketPolicy)
        }
    };
    Ok(answered)
}

/// What was found, as the answer to an operation.
fn told<T>(
    (found, freshness): (T, Freshness),
    answer: impl Fn(T) -> QueryAnswer,
) -> (QueryAnswer, Freshness) {
    (answer(found), freshness)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::Query;
    use crate::http::tagged_body;

    #[test]
    fn the_examples_of_the_document_are_queries() {
        let document: Value = serde_json::from_str(&crate::http::openapi::json()).unwrap();
        let body = &document["paths"]["/v1/resources/{name}/query"]["post"]["requestBody"];
        let examples = body["content"]["application/json"]["examples"].as_object().unwrap();
        for (name, example) in examples {
            let read = tagged_body::parse::<Query>(example["value"].to_string().as_bytes());
            assert!(read.is_ok(), "`{name}` is no query: {:?}", read.err());
        }
        assert!(!examples.is_empty());
    }
}
