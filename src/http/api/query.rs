//! The JSON query endpoint: the same queries for callers that speak only JSON.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::{Error, Upload};
use crate::aws::s3::Download;
use crate::http::Api;
use crate::http::api::objects::{check_limit, with_freshness};
use crate::http::body::bounded;
use crate::http::extract::{By, Environment, Segment, User};
use crate::http::json_body::JsonBody;
use crate::http::openapi::Scope;
use crate::http::problem::{Failure, Problems};
use crate::model::object::{
    DeleteOptions, GetOptions, ListOptions, ObjectMetadata, ObjectPage, PutOptions, PutResult,
};

/// Bytes that a read answers in JSON; more is truncated, and says so.
const MOST_BYTES: usize = 4 << 20;

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
}

/// One object.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyQuery {
    /// The key, relative to the resource's prefix.
    #[schema(example = "2026/a.pdf")]
    key: String,
    /// A version.
    #[serde(default)]
    version: Option<String>,
}

/// How the bytes are written in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// UTF-8.
    #[default]
    Text,
    /// Base64.
    Base64,
}

/// One object to read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GetQuery {
    /// The key, relative to the resource's prefix.
    #[schema(example = "2026/a.txt")]
    key: String,
    /// A version.
    #[serde(default)]
    version: Option<String>,
    /// For example `bytes=0-99`.
    #[serde(default)]
    range: Option<String>,
    /// How the bytes are written in the answer.
    #[serde(default)]
    r#as: Encoding,
}

/// One object to write: give `text` or `base64`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutQuery {
    /// The key, relative to the resource's prefix.
    #[schema(example = "2026/a.txt")]
    key: String,
    /// The content as UTF-8.
    #[serde(default)]
    text: Option<String>,
    /// The content as base64.
    #[serde(default)]
    base64: Option<String>,
    /// The media type; guessed from the key when absent.
    #[serde(default)]
    content_type: Option<String>,
    /// User metadata.
    #[serde(default)]
    metadata: std::collections::BTreeMap<String, String>,
    /// `*`: only if there is no object yet.
    #[serde(default)]
    if_none_match: Option<String>,
}

/// An object's content in JSON.
#[derive(Debug, Serialize, ToSchema)]
pub struct Content {
    /// The bytes.
    #[serde(rename = "content")]
    bytes: String,
    /// How they are written.
    encoding: Encoding,
    /// True when the object goes on; read the rest with `range`.
    truncated: bool,
    /// Where to go on, as a `range`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_range: Option<String>,
    /// What is known about the object.
    #[serde(flatten)]
    metadata: ObjectMetadata,
}

/// What a delete answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Deleted {
    /// The key.
    key: String,
    /// The delete marker, in buckets that keep versions.
    version_id: Option<String>,
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
}

/// Runs a query.
#[utoipa::path(post, path = "/v1/resources/{name}/query", tag = "objects", operation_id = "query", security(("token" = ["user"])), params(("name" = String, Path, description = "The resource."), Scope), request_body(content = Query, examples(
    ("list" = (value = json!({"operation": "list", "prefix": "2026/", "limit": 100}))),
    ("get" = (value = json!({"operation": "get", "key": "2026/a.txt"}))),
    ("put" = (value = json!({"operation": "put", "key": "2026/a.txt", "text": "hello"}))),
)), responses((status = 200, body = QueryAnswer), Problems))]
pub async fn query(
    by: By<User>,
    environment: Environment,
    State(api): State<Api>,
    Segment(name): Segment<String>,
    JsonBody(query): JsonBody<Query>,
) -> Result<Response, Failure> {
    let _permit = api.app.admit(&by.0).await?;
    let (app, caller, environment) = (&api.app, &by.0, &environment.0);
    let (answer, freshness) = match query {
        Query::List(options) => {
            check_limit(options.limit, true)?;
            let page = app.list(caller, &name, environment, options).await?;
            (QueryAnswer::List(page.value), page.freshness)
        }
        Query::Head(wanted) => {
            let options = GetOptions { version_id: wanted.version, ..GetOptions::default() };
            let found = app.head(caller, &name, environment, &wanted.key, &options).await?;
            (QueryAnswer::Head(found.value.metadata), found.freshness)
        }
        Query::Get(wanted) => {
            let options =
                GetOptions { version_id: wanted.version, range: wanted.range, ..GetOptions::default() };
            let opened = app.get(caller, &name, environment, &wanted.key, &options).await?;
            (QueryAnswer::Get(content(opened.value, wanted.r#as).await?), opened.freshness)
        }
        Query::Put(wanted) => {
            let (key, options, bytes) = put_parts(wanted)?;
            let length = Some(bytes.len() as u64);
            let idle = Duration::from_millis(app.config.server.body_idle_timeout_ms);
            let body = bounded(Body::from(bytes), idle, app.put_limit(caller, &name));
            let upload = Upload { key, options, body, length, on_demand: true };
            let written = app.put(caller, &name, environment, upload).await?;
            (QueryAnswer::Put(written.value), written.freshness)
        }
        Query::Delete(wanted) => {
            let options = DeleteOptions { version_id: wanted.version, if_match: None };
            let deleted = app.delete(caller, &name, environment, &wanted.key, &options).await?;
            (QueryAnswer::Delete(Deleted { key: wanted.key, version_id: deleted.value }), deleted.freshness)
        }
    };
    Ok(with_freshness(Json(answer).into_response(), freshness))
}

/// Reads a body up to the bound; what lies beyond is left in the store.
async fn content(download: Download, encoding: Encoding) -> Result<Content, Failure> {
    let Download { metadata, content_range, mut body, .. } = download;
    let mut bytes = Vec::new();
    let mut truncated = false;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let text = format!("the store's answer broke off: {error}");
            Failure(
                crate::aws::AwsError::new(crate::aws::ErrorKind::Unreachable, "s3", "ConnectionReset", text)
                    .into(),
            )
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let room = MOST_BYTES - bytes.len();
        bytes.extend(data.iter().take(room));
        if data.len() > room {
            truncated = true;
            break;
        }
    }
    let range = content_range.as_deref().and_then(range_bounds);
    let content = match encoding {
        Encoding::Base64 => BASE64.encode(&bytes),
        Encoding::Text => {
            if truncated {
                // a character that was cut in two belongs to the next read
                let whole = bytes.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len());
                if bytes.len() - whole < 4 {
                    bytes.truncate(whole);
                }
            }
            String::from_utf8(bytes.clone()).map_err(|_| {
                Failure(Error::BadRequest(
                    "the object is not UTF-8 text: read it with `\"as\": \"base64\"`".to_owned(),
                ))
            })?
        }
    };
    let next_range = truncated.then(|| match range {
        // the rest of what was asked for, and no more
        Some((start, end)) => format!("bytes={}-{end}", start + bytes.len() as u64),
        None => format!("bytes={}-", bytes.len()),
    });
    Ok(Content { bytes: content, encoding, truncated, next_range, metadata })
}

/// The first and the last byte of `bytes 0-99/200`.
fn range_bounds(content_range: &str) -> Option<(u64, u64)> {
    let (start, rest) = content_range.strip_prefix("bytes ")?.split_once('-')?;
    Some((start.parse().ok()?, rest.split('/').next()?.parse().ok()?))
}

fn put_parts(wanted: PutQuery) -> Result<(String, PutOptions, Vec<u8>), Failure> {
    let wrong = |text: &str| Failure(Error::BadRequest(text.to_owned()));
    let bytes = match (wanted.text, wanted.base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(text)) => BASE64.decode(text).map_err(|_| wrong("`base64` cannot be decoded"))?,
        _ => return Err(wrong("give the content as either `text` or `base64`")),
    };
    if wanted.if_none_match.as_deref().is_some_and(|value| value != "*") {
        return Err(wrong("`if_none_match` takes only `*`"));
    }
    let options = PutOptions {
        content_type: wanted.content_type,
        metadata: wanted.metadata,
        if_none_match: wanted.if_none_match,
        ..PutOptions::default()
    };
    Ok((wanted.key, options, bytes))
}
