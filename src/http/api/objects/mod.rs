//! Objects: plain HTTP over the resource's bucket. Bodies stream in both directions.

pub mod acl;
pub mod bulk;
mod if_range;
pub mod restore;
pub mod sign;
pub mod tags;
pub mod uploads;

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::connection::Freshness;
use crate::app::{Error, Listing, Opened, Permit, Upload};
use crate::aws::s3::Download;
use crate::http::Api;
use crate::http::body::{Held, bounded};
use crate::http::extract::{
    By, Environment, Headers, Object, Params, Segment, User, body_and_length, text_of,
};
use crate::http::openapi::{ObjectBytes, ReadHeaders, ReadParams, Scope, WriteHeaders};
use crate::http::problem::{Failure, Problem, Problems, problem};
use crate::model::object::{DeleteOptions, ObjectPage, PutResult, has_dot_segments};

pub(in crate::http::api) const NDJSON: &str = "application/x-ndjson";
/// Bytes that a row of a list usually has.
const ROW_BYTES: usize = 192;
/// Rows of a JSON page; the use case gathers no more.
const MOST_GATHERED: u64 = 100_000;
const META: &str = "x-amz-meta-";
const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
const ENCRYPTION: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-amz-storage-class");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

pub(in crate::http::api) mod options;

use self::options::{get_options, put_options};

/// What to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ObjectParams {
    /// Only keys that start so.
    #[serde(default)]
    #[param(required = false)]
    prefix: String,
    /// Groups keys at this text, usually `/`.
    delimiter: Option<String>,
    /// Only keys after this one.
    start_after: Option<String>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// How many rows; default 1000 as JSON (at most 100000), all as NDJSON.
    #[param(minimum = 1)]
    limit: Option<u64>,
    /// Only keys that fit this pattern: `*` stands for any text without `/`, `**` for any text.
    glob: Option<String>,
    /// Only keys in which this regular expression is found.
    regex: Option<String>,
    /// Only objects of at least so many bytes.
    #[param(minimum = 0)]
    min_size: Option<u64>,
    /// Only objects of at most so many bytes.
    #[param(minimum = 0)]
    max_size: Option<u64>,
    /// Only objects that were written at this time or later (RFC 3339).
    modified_after: Option<String>,
    /// Only objects that were written before this time (RFC 3339).
    modified_before: Option<String>,
    /// What the rows have to fit besides, as the JSON of the filter of a query: `{"not": {"glob": "**.tmp"}}`.
    filter: Option<String>,
    /// `key`, `size` or `last_modified`: everything below the prefix is read first.
    sort: Option<String>,
    /// `asc` or `desc`.
    direction: Option<String>,
    /// Every version and delete marker in place of the objects of now.
    #[param(required = false)]
    versions: Option<bool>,
    /// Tell who owns each object.
    #[param(required = false)]
    fetch_owner: Option<bool>,
    /// Give each row a signed URL to read it that holds so long: 1 to 604800 seconds, or a text like `10m`.
    sign_expires_in: Option<String>,
}

/// Lists objects, or their versions: a JSON page, or with `Accept: application/x-ndjson` one row a line, to the end.
#[utoipa::path(get, path = "/v1/resources/{name}/objects", tag = "objects", operation_id = "list_objects", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), ObjectParams, Scope), responses((status = 200, content((ObjectPage = "application/json"), (String = "application/x-ndjson"))), Problems))]
pub async fn list_objects(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    Params(params): Params<ObjectParams>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let streamed = is_streamed(&headers);
    check_limit(params.limit, !streamed)?;
    let permit = api.app.admit(&by.0).await?;
    let options = options::list_options(params)?;
    let signed = options.sign_expires_in.is_some();
    let mut response = if streamed {
        rows(api.app.open_list(&by.0, &name, &environment.0, options).await?, permit)
    } else {
        let page = api.app.list(&by.0, &name, &environment.0, options).await?;
        with_freshness(Json(page.value).into_response(), page.freshness)
    };
    if signed {
        sign::keep_nowhere(&mut response);
    }
    Ok(response)
}

/// Whether rows are asked for one a line.
pub(super) fn is_streamed(headers: &HeaderMap) -> bool {
    text_of(headers, "accept").is_some_and(|accept| accept.contains(NDJSON))
}

/// A limit that cannot be kept is refused instead of made another; a page that is gathered has a bound.
pub(super) fn check_limit(limit: Option<u64>, gathered: bool) -> Result<(), Failure> {
    let rule = match limit {
        Some(0) if !gathered => "takes a whole number from 1 on".to_owned(),
        Some(limit) if gathered && !(1..=MOST_GATHERED).contains(&limit) => {
            format!("takes a whole number from 1 to {MOST_GATHERED}: as `{NDJSON}` there is no bound")
        }
        _ => return Ok(()),
    };
    Err(Failure(Error::field("limit", rule)))
}

/// One line a row; the last line says whether there is more, or what went wrong.
pub(super) fn rows(listing: Listing, permit: Permit) -> Response {
    let freshness = listing.freshness;
    // the place is held as long as the stream lives
    let state = Some((listing, permit, ObjectPage::default()));
    let lines = stream::unfold(state, |state| async move {
        let (mut listing, permit, end) = state?;
        let mut text = Vec::new();
        let next = match listing.next().await {
            Ok(Some(mut page)) => {
                text.reserve((page.objects.len() + page.prefixes.len()) * ROW_BYTES);
                page.objects.iter().for_each(|object| push_line(&mut text, object));
                page.prefixes
                    .iter()
                    .for_each(|prefix| push_line(&mut text, &serde_json::json!({"prefix": prefix})));
                (page.objects, page.prefixes) = (Vec::new(), Vec::new());
                Some((listing, permit, page))
            }
            Ok(None) => {
                push_line(&mut text, &last_line(&end));
                None
            }
            Err(error) => {
                push_line(&mut text, &serde_json::json!({"error": problem(error)}));
                None
            }
        };
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), next))
    });
    let response = ([(header::CONTENT_TYPE, NDJSON)], Body::from_stream(lines)).into_response();
    with_freshness(response, freshness)
}

/// What the last line says: what a page says besides its rows.
fn last_line(end: &ObjectPage) -> serde_json::Value {
    let mut last = serde_json::json!({"cursor": end.cursor, "truncated": end.truncated});
    if let Some(fields) = last.as_object_mut() {
        if let (Some(scanned), Some(whole)) = (end.scanned, end.read_everything) {
            fields.insert("scanned".to_owned(), scanned.into());
            fields.insert("read_everything".to_owned(), whole.into());
        }
        if !end.notes.is_empty() {
            fields.insert("notes".to_owned(), serde_json::json!(end.notes));
        }
    }
    last
}

pub(in crate::http::api) fn push_line(text: &mut Vec<u8>, row: &impl serde::Serialize) {
    // a row is text and numbers, which always can be written
    if serde_json::to_writer(&mut *text, row).is_ok() {
        text.push(b'\n');
    }
}

/// Reads an object. `Range` and the `If-*` headers work as RFC 9110 says.
#[utoipa::path(get, path = "/v1/resources/{name}/objects/{*key}", tag = "objects", operation_id = "get_object", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), ("key" = String, Path, description = "The key, percent-encoded once."), ReadParams, ReadHeaders, Scope), responses((status = 307, description = "To a URL of the store that holds for a minute."), (status = 200, description = "The object.", content_type = "application/octet-stream", body = inline(ObjectBytes)), (status = 206, description = "A part of the object.", content_type = "application/octet-stream", body = inline(ObjectBytes)), (status = 304, description = "Not modified."), (status = 416, description = "The range lies outside the object.", content_type = "application/problem+json", body = Problem), Problems))]
pub async fn get_object(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    object: Object,
    Params(version): Params<options::ReadChoice>,
    Headers(headers): Headers,
) -> Result<Response, Failure> {
    let permit = api.app.admit(&by.0).await?;
    // a client would change such a URL on the way
    if version.is_redirect()? && !has_dot_segments(&object.key) {
        // boxed: its state would be that of every read
        return Box::pin(sign::redirect(&api, &by, &environment, object, version)).await;
    }
    let mut options = get_options(&headers, version)?;
    options.range = options::range(&headers)?;
    let opened = if headers.contains_key(header::IF_RANGE) {
        // boxed: its state is large, and few take it
        Box::pin(if_range::get(&api.app, &by.0, &environment.0, &object, (&headers, options))).await?
    } else {
        api.app.get(&by.0, &object.resource, &environment.0, &object.key, &options).await?
    };
    Ok(download(&api, opened, permit))
}

/// Reads an object whose key is a parameter, for keys that a URL's path cannot carry (`.` and `..` segments).
#[utoipa::path(get, path = "/v1/resources/{name}/object", tag = "objects", operation_id = "get_object_by_key", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), ("key" = String, Query, description = "The key."), ReadParams, ReadHeaders, Scope), responses((status = 307, description = "To a URL of the store that holds for a minute."), (status = 200, description = "The object.", content_type = "application/octet-stream", body = inline(ObjectBytes)), (status = 206, description = "A part of the object.", content_type = "application/octet-stream", body = inline(ObjectBytes)), (status = 304, description = "Not modified."), (status = 416, description = "The range lies outside the object.", content_type = "application/problem+json", body = Problem), Problems))]
pub async fn get_object_by_key(
    by: By<User>,
    environment: Environment,
    state: State<Api>,
    object: Object,
    version: Params<options::ReadChoice>,
    headers: Headers,
) -> Result<Response, Failure> {
    get_object(by, environment, state, object, version, headers).await
}

/// Reads an object's metadata.
#[utoipa::path(head, path = "/v1/resources/{name}/objects/{*key}", tag = "objects", operation_id = "head_object", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), ("key" = String, Path, description = "The key, percent-encoded once."), ReadParams, ReadHeaders, Scope), responses((status = 200, description = "The object's headers."), (status = 206, description = "The headers of a part of an upload in parts."), (status = 304, description = "Not modified."), Problems))]
pub async fn head_object(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    object: Object,
    Params(version): Params<options::ReadChoice>,
    Headers(headers): Headers,
) -> Result<Response, Failure> {
    let permit = api.app.admit(&by.0).await?;
    let options = get_options(&headers, version)?;
    let opened = api.app.head(&by.0, &object.resource, &environment.0, &object.key, &options).await?;
    Ok(download(&api, opened, permit))
}

/// Reads the metadata of an object whose key is a parameter.
#[utoipa::path(head, path = "/v1/resources/{name}/object", tag = "objects", operation_id = "head_object_by_key", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), ("key" = String, Query, description = "The key."), ReadParams, ReadHeaders, Scope), responses((status = 200, description = "The object's headers."), (status = 206, description = "The headers of a part of an upload in parts."), (status = 304, description = "Not modified."), Problems))]
pub async fn head_object_by_key(
    by: By<User>,
    environment: Environment,
    state: State<Api>,
    object: Object,
    version: Params<options::ReadChoice>,
    headers: Headers,
) -> Result<Response, Failure> {
    head_object(by, environment, state, object, version, headers).await
}

/// Writes an object. The body is streamed to the store; large ones go in parts. `x-amz-meta-*` headers become
/// user metadata, `If-None-Match: *` keeps an object that is there.
#[utoipa::path(put, path = "/v1/resources/{name}/objects/{*key}", tag = "objects", operation_id = "put_object", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), ("key" = String, Path, description = "The key, percent-encoded once."), WriteHeaders, Scope), request_body(content = inline(ObjectBytes), content_type = "application/octet-stream"), responses((status = 200, body = PutResult), Problems))]
pub async fn put_object(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    object: Object,
    request: Request,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let (headers, body, length) = body_and_length(request);
    let options = put_options(&headers)?;
    let idle = Duration::from_millis(api.app.config.server.body_idle_timeout_ms);
    let most = api.app.put_limit(&by.0, &object.resource);
    let body = bounded(body, idle, most);
    let on_demand = headers.contains_key(header::EXPECT);
    let upload = Upload { key: object.key, options, body, length, on_demand };
    let written = api.app.put(&by.0, &object.resource, &environment.0, upload).await?;
    let mut response = Json(&written.value).into_response();
    set(response.headers_mut(), header::ETAG, written.value.etag.as_deref());
    Ok(with_freshness(response, written.freshness))
}

/// Writes an object whose key is a parameter.
#[utoipa::path(put, path = "/v1/resources/{name}/object", tag = "objects", operation_id = "put_object_by_key", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), ("key" = String, Query, description = "The key."), WriteHeaders, Scope), request_body(content = inline(ObjectBytes), content_type = "application/octet-stream"), responses((status = 200, body = PutResult), Problems))]
pub async fn put_object_by_key(
    by: By<User>,
    environment: Environment,
    state: State<Api>,
    object: Object,
    request: Request,
) -> Result<Response, Failure> {
    put_object(by, environment, state, object, request).await
}

/// Deletes an object. Deleting one that is not there succeeds, as S3 does it.
#[utoipa::path(delete, path = "/v1/resources/{name}/objects/{*key}", tag = "objects", operation_id = "delete_object", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), ("key" = String, Path, description = "The key, percent-encoded once."), ("version" = Option<String>, Query, description = "A version of the object."), ("If-Match" = Option<String>, Header, description = "Only if the object has this ETag, where the provider can do that."), Scope), responses((status = 204, description = "Deleted."), Problems))]
pub async fn delete_object(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    object: Object,
    Params(version): Params<VersionParam>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let options = delete_options(&headers, version)?;
    let deleted = api.app.delete(&by.0, &object.resource, &environment.0, &object.key, &options).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    set(response.headers_mut(), HeaderName::from_static("x-amz-version-id"), deleted.value.as_deref());
    Ok(with_freshness(response, deleted.freshness))
}

/// Deletes an object whose key is a parameter.
#[utoipa::path(delete, path = "/v1/resources/{name}/object", tag = "objects", operation_id = "delete_object_by_key", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), ("key" = String, Query, description = "The key."), ("version" = Option<String>, Query, description = "A version of the object."), ("If-Match" = Option<String>, Header, description = "Only if the object has this ETag, where the provider can do that."), Scope), responses((status = 204, description = "Deleted."), Problems))]
pub async fn delete_object_by_key(
    by: By<User>,
    environment: Environment,
    state: State<Api>,
    object: Object,
    version: Params<VersionParam>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    delete_object(by, environment, state, object, version, headers).await
}

/// A version of an object.
#[derive(Debug, Default, Deserialize)]
pub struct VersionParam {
    version: Option<String>,
}

/// A condition that is not honoured would delete what it should protect.
fn delete_options(headers: &HeaderMap, version: VersionParam) -> Result<DeleteOptions, Failure> {
    let unknown = ["if-none-match", "if-modified-since", "if-unmodified-since"];
    if let Some(name) = unknown.iter().find(|name| headers.contains_key(**name)) {
        let text = format!("`{name}` is no condition of a delete: use `if-match`");
        return Err(Failure(Error::BadRequest(text)));
    }
    let if_match = options::once(headers, "if-match")?.map(str::to_owned);
    Ok(DeleteOptions { version_id: version.version, if_match })
}

fn download(api: &Api, opened: Opened, permit: Permit) -> Response {
    let idle = Duration::from_millis(api.app.config.server.body_idle_timeout_ms);
    let Download { metadata, last_modified, content_length, content_range, body, request_id } = opened.value;
    let status = if content_range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let kind = metadata.content_type.as_deref().unwrap_or("application/octet-stream");
    let mut response = Response::new(Body::new(Held::new(body, idle, permit)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(12);
    set(headers, header::CONTENT_TYPE, Some(kind));
    set(headers, header::ETAG, metadata.etag.as_deref());
    set(headers, header::LAST_MODIFIED, last_modified.as_deref());
    set(headers, header::CONTENT_RANGE, content_range.as_deref());
    set(headers, header::CACHE_CONTROL, metadata.cache_control.as_deref());
    set(headers, header::CONTENT_ENCODING, metadata.content_encoding.as_deref());
    set(headers, header::CONTENT_LANGUAGE, metadata.content_language.as_deref());
    set(headers, VERSION_ID, metadata.version_id.as_deref());
    set(headers, STORAGE_CLASS, metadata.storage_class.as_deref());
    set(headers, ENCRYPTION, metadata.server_side_encryption.as_deref());
    set(headers, REQUEST_ID, request_id.as_deref());
    if !metadata.facts.is_empty() {
        for (name, value) in metadata.facts.headers() {
            set(headers, HeaderName::from_static(name), Some(&value));
        }
    }
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(length) = content_length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    for (name, value) in &metadata.metadata {
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(format!("{META}{name}")), HeaderValue::from_bytes(value.as_bytes()))
        {
            headers.insert(name, value);
        }
    }
    // an object is never run in our origin
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    match metadata.content_disposition.as_deref() {
        Some(own) if is_active(kind) => set(headers, header::CONTENT_DISPOSITION, Some(&attachment(own))),
        None if is_active(kind) => set(headers, header::CONTENT_DISPOSITION, Some("attachment")),
        own => set(headers, header::CONTENT_DISPOSITION, own),
    }
    with_freshness(response, opened.freshness)
}

/// The disposition with its file name, as an attachment (RFC 6266).
fn attachment(disposition: &str) -> String {
    match disposition.split_once(';') {
        Some((_, parameters)) => format!("attachment;{parameters}"),
        None => "attachment".to_owned(),
    }
}

/// Types that a browser would run.
fn is_active(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if ["application/octet-stream", "text/plain"].contains(&kind) {
        return false;
    }
    let kind = kind.to_ascii_lowercase();
    ["html", "xml", "svg", "javascript", "ecmascript", "pdf", "flash"].iter().any(|word| kind.contains(word))
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(name, value);
    }
}

/// Says when a secret was served past its end, or another stage than the current one was used, and what `auto` is.
pub(super) fn with_freshness(mut response: Response, freshness: Freshness) -> Response {
    if freshness.stage.is_some() {
        set(response.headers_mut(), HeaderName::from_static("secret-stage"), freshness.stage);
    }
    if let Some(region) = freshness.region {
        set(response.headers_mut(), HeaderName::from_static("bucket-region"), Some(region.as_str()));
    }
    if let Some(age) = freshness.stale_ms {
        let value = format!("age={}", age / 1000);
        set(response.headers_mut(), HeaderName::from_static("secret-stale"), Some(&value));
    }
    response
}
