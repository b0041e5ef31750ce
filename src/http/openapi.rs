//! The OpenAPI document: the contract, made from the handlers.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{IntoParams, Modify, OpenApi, ToSchema};

use crate::http::{openapi_query, router};

/// The parts that no handler has.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "s3-connector",
        description = "A registry of S3 resources whose credentials are secret templates. Query them, test them, and never hand out a key.\n\nEvery route but the health routes and this document needs `Authorization: Bearer s3c_…`. A route's security entry names the weakest role that may use it: viewer < user < editor < admin. Errors are `application/problem+json` (RFC 9457) with a stable `code`, a `remedy` and the `request_id`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "resources", description = "Buckets and how to reach them."),
        (name = "objects", description = "Queries: list, read, write and delete objects."),
        (name = "sources", description = "Where secrets come from, and what is cached of them."),
        (name = "policies", description = "IAM policies: checked, evaluated, written and compared, from the text alone."),
        (name = "cors", description = "Configurations of buckets for pages of other origins: checked, tried and recommended without asking a bucket, and compared with what a resource's bucket really answers."),
        (name = "access", description = "Tokens, projects and the audit."),
        (name = "service", description = "Health, metrics and this document."),
    ),
    modifiers(&Security),
)]
pub struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some("A token that starts with `s3c_`.".to_owned());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
        let events = ApiKeyValue::with_description(
            "X-S3-Connector-Signature",
            "The secret of events signs, or is sent as `X-Api-Key` or `Authorization: Bearer`.",
        );
        components.add_security_scheme("events", SecurityScheme::ApiKey(ApiKey::Header(events)));
    }
}

/// Parameters that every route of a project takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "only described")]
pub struct Scope {
    /// The project, for tokens of the whole installation. Default `default`.
    #[param(required = false)]
    project: Option<String>,
    /// The environment. Default `production`.
    #[param(required = false)]
    environment: Option<String>,
}

/// Parameters that every write takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "only described")]
pub struct Write {
    /// The project, for tokens of the whole installation. Default `default`.
    #[param(required = false)]
    project: Option<String>,
    /// The environment. Clients may send it with every request; a definition is written for all of them.
    #[param(required = false)]
    environment: Option<String>,
    /// Say what would happen and change nothing.
    #[param(required = false)]
    dry_run: Option<bool>,
}

/// The header that every change of a definition takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "only described")]
pub struct Condition {
    /// The ETag of the definition that the change is based on, or `*`.
    #[param(rename = "If-Match", example = "\"3\"")]
    if_match: String,
}

/// An object's content.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[allow(dead_code, reason = "only described")]
pub struct ObjectBytes(Vec<u8>);

/// The headers that a read of an object takes (RFC 9110).
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "only described")]
pub struct ReadHeaders {
    /// A part of the object, for example `bytes=0-99`; HEAD ignores it.
    #[param(rename = "Range", required = false)]
    range: Option<String>,
    /// The part only if the object still has this ETag or this `Last-Modified`, else all of it.
    #[param(rename = "If-Range", required = false)]
    if_range: Option<String>,
    /// Only if the object has this ETag.
    #[param(rename = "If-Match", required = false)]
    if_match: Option<String>,
    /// Only if the object has another ETag than this.
    #[param(rename = "If-None-Match", required = false)]
    if_none_match: Option<String>,
    /// Only if the object changed after this HTTP date.
    #[param(rename = "If-Modified-Since", required = false)]
    if_modified_since: Option<String>,
    /// Only if the object did not change after this HTTP date.
    #[param(rename = "If-Unmodified-Since", required = false)]
    if_unmodified_since: Option<String>,
}

/// What a read of an object takes besides its headers.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "only described")]
pub struct ReadParams {
    /// A version of the object.
    #[param(required = false)]
    version: Option<String>,
    /// A part of a multipart upload.
    #[param(required = false, minimum = 1, maximum = 10_000)]
    part: Option<u16>,
    /// `enabled` asks for the checksums that the store keeps.
    #[param(required = false)]
    checksum_mode: Option<String>,
    /// `Content-Type` of the answer.
    #[param(required = false)]
    response_content_type: Option<String>,
    /// `Content-Disposition` of the answer.
    #[param(required = false)]
    response_content_disposition: Option<String>,
    /// `Content-Encoding` of the answer.
    #[param(required = false)]
    response_content_encoding: Option<String>,
    /// `Content-Language` of the answer.
    #[param(required = false)]
    response_content_language: Option<String>,
    /// `Cache-Control` of the answer.
    #[param(required = false)]
    response_cache_control: Option<String>,
    /// `Expires` of the answer.
    #[param(required = false)]
    response_expires: Option<String>,
    /// `true`: the answer to GET is 307, to a signed URL of the store.
    #[param(required = false)]
    redirect: Option<String>,
}

/// The headers that a write of an object takes, besides `x-amz-meta-*`, whose names are free.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "only described")]
pub struct WriteHeaders {
    /// The media type; guessed from the key when absent. Every header `x-amz-meta-<name>` beside it becomes user
    /// metadata.
    #[param(rename = "Content-Type", required = false)]
    content_type: Option<String>,
    /// Kept with the object and given back with it.
    #[param(rename = "Cache-Control", required = false)]
    cache_control: Option<String>,
    /// Kept with the object and given back with it.
    #[param(rename = "Content-Disposition", required = false)]
    content_disposition: Option<String>,
    /// Kept with the object and given back with it.
    #[param(rename = "Content-Encoding", required = false)]
    content_encoding: Option<String>,
    /// Kept with the object and given back with it.
    #[param(rename = "Content-Language", required = false)]
    content_language: Option<String>,
    /// `*`: only if there is no object yet.
    #[param(rename = "If-None-Match", required = false)]
    if_none_match: Option<String>,
    /// Only if the object that is there has this ETag.
    #[param(rename = "If-Match", required = false)]
    if_match: Option<String>,
    /// Kept with the object and given back with it.
    #[param(rename = "Expires", required = false)]
    expires: Option<String>,
    /// The MD5 of the body in base64, which is checked.
    #[param(rename = "Content-MD5", required = false)]
    content_md5: Option<String>,
    /// Tags as `a=1&b=2`. The resource must allow `put_tags`.
    #[param(rename = "x-amz-tagging", required = false)]
    tagging: Option<String>,
    /// Another canned ACL than the resource's. The resource must allow `put_acl`.
    #[param(rename = "x-amz-acl", required = false)]
    acl: Option<String>,
    /// Another storage class than the resource's.
    #[param(rename = "x-amz-storage-class", required = false)]
    storage_class: Option<String>,
    /// `AES256`, `aws:kms` or `bucket-default` (no header to the store) in place of the resource's encryption.
    #[param(rename = "x-amz-server-side-encryption", required = false)]
    encryption: Option<String>,
    /// The KMS key.
    #[param(rename = "x-amz-server-side-encryption-aws-kms-key-id", required = false)]
    kms_key_id: Option<String>,
    /// A checksum to compute, which the store keeps: CRC32, CRC32C, CRC64NVME, SHA1 or SHA256. A checksum that is known
    /// goes into `x-amz-checksum-<algorithm>` in its place.
    #[param(rename = "x-amz-checksum-algorithm", required = false)]
    checksum_algorithm: Option<String>,
}

/// A success whose handler says nothing more.
fn describe_successes(document: &mut utoipa::openapi::OpenApi) {
    use utoipa::openapi::RefOr;
    for item in document.paths.paths.values_mut() {
        let operations =
            [&mut item.get, &mut item.head, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            for (status, response) in &mut operation.responses.responses {
                let RefOr::T(response) = response else { continue };
                if response.description.is_empty() {
                    let code = status.parse().ok().and_then(|code| http::StatusCode::from_u16(code).ok());
                    let reason = code.and_then(|code| code.canonical_reason()).unwrap_or("OK");
                    response.description = format!("{reason}.");
                }
            }
        }
    }
}

/// The document as JSON.
pub fn json() -> String {
    let mut document = router::documented().to_openapi();
    describe_successes(&mut document);
    if let Some(components) = &mut document.components {
        openapi_query::name_variants(&mut components.schemas, "Query");
        openapi_query::name_variants(&mut components.schemas, "QueryAnswer");
    }
    // a catch-all is written `{*key}` in a route and `{key}` in a document
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    document.to_pretty_json().unwrap_or_default()
}
