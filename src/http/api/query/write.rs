//! Writes from text or base64.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::{Error, Upload};
use crate::http::api::query::{QueryAnswer, Ran, Run};
use crate::http::body::bounded;
use crate::http::problem::Failure;
use crate::model::object::PutOptions;
use crate::model::resource::CannedAcl;
use crate::model::upload::{Checksum, StoreEncryption, UploadExtras};

/// One object to write: give `text` or `base64`. What is left out is as the resource says.
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
    /// `Cache-Control` of the object.
    #[serde(default)]
    cache_control: Option<String>,
    /// `Content-Disposition` of the object.
    #[serde(default)]
    content_disposition: Option<String>,
    /// `Content-Encoding` of the object.
    #[serde(default)]
    content_encoding: Option<String>,
    /// `Content-Language` of the object.
    #[serde(default)]
    content_language: Option<String>,
    /// `Expires` of the object; an HTTP date.
    #[serde(default)]
    expires: Option<String>,
    /// User metadata.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// Tags, up to 10. The resource must allow `put_tags`.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// Another canned ACL than the resource's. The resource must allow `put_acl`.
    #[serde(default)]
    acl: Option<CannedAcl>,
    /// Another storage class than the resource's, for example `STANDARD_IA`.
    #[serde(default)]
    storage_class: Option<String>,
    /// Another encryption than the resource's.
    #[serde(default)]
    encryption: Option<StoreEncryption>,
    /// An additional checksum, which the store keeps.
    #[serde(default)]
    checksum: Option<Checksum>,
    /// The MD5 of the content in base64, which the store checks.
    #[serde(default)]
    content_md5: Option<String>,
    /// `*`: only if there is no object yet.
    #[serde(default)]
    if_none_match: Option<String>,
    /// Only if the object that is there has this ETag.
    #[serde(default)]
    if_match: Option<String>,
}

pub(super) async fn put(run: Run<'_>, wanted: PutQuery) -> Ran {
    let (key, options, bytes) = put_parts(wanted)?;
    let length = Some(bytes.len() as u64);
    let idle = Duration::from_millis(run.app.config.server.body_idle_timeout_ms);
    let body = bounded(Body::from(bytes), idle, run.app.put_limit(run.caller, run.resource));
    let upload = Upload { key, options, body, length, on_demand: true };
    let written = run.app.put(run.caller, run.resource, run.environment, upload).await?;
    Ok((QueryAnswer::Put(written.value), written.freshness))
}

/// Content that is given in one of two ways.
pub(super) fn content(text: Option<String>, base64: Option<String>) -> Result<Vec<u8>, Failure> {
    match (text, base64) {
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(text)) => {
            BASE64.decode(text).map_err(|_| Failure(Error::field("base64", "cannot be decoded")))
        }
        _ => {
            let text = "give the content as either `text` or `base64`";
            Err(Failure(Error::BadRequest(text.to_owned())))
        }
    }
}

fn put_parts(wanted: PutQuery) -> Result<(String, PutOptions, Vec<u8>), Failure> {
    let wrong = |field: &str, rule: &str| Failure(Error::field(field, rule));
    let bytes = content(wanted.text, wanted.base64)?;
    if wanted.if_none_match.as_deref().is_some_and(|value| value != "*") {
        return Err(wrong("if_none_match", "takes only `*`"));
    }
    let options = PutOptions {
        content_type: wanted.content_type,
        cache_control: wanted.cache_control,
        content_disposition: wanted.content_disposition,
        content_encoding: wanted.content_encoding,
        content_language: wanted.content_language,
        metadata: wanted.metadata,
        if_none_match: wanted.if_none_match,
        if_match: wanted.if_match,
        extras: UploadExtras {
            expires: wanted.expires,
            tags: wanted.tags.into_iter().collect(),
            acl: wanted.acl,
            storage_class: wanted.storage_class,
            encryption: wanted.encryption,
            checksum: wanted.checksum,
            content_md5: wanted.content_md5,
        },
    };
    Ok((wanted.key, options, bytes))
}
