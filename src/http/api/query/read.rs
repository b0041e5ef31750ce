//! Reads: metadata, and content as text or base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::Error;
use crate::aws::s3::Download;
use crate::http::api::query::{QueryAnswer, Ran, Run};
use crate::http::problem::Failure;
use crate::model::object::{GetOptions, ObjectMetadata};

/// Bytes that a read answers in JSON; more is truncated, and says so.
const MOST_BYTES: usize = 4 << 20;

/// One object.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyQuery {
    /// The key, relative to the resource's prefix.
    #[schema(example = "2026/a.pdf")]
    pub(super) key: String,
    /// A version.
    #[serde(default)]
    pub(super) version: Option<String>,
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

pub(super) async fn head(run: Run<'_>, wanted: KeyQuery) -> Ran {
    let options = GetOptions { version_id: wanted.version, ..GetOptions::default() };
    let found = run.app.head(run.caller, run.resource, run.environment, &wanted.key, &options).await?;
    Ok((QueryAnswer::Head(found.value.metadata), found.freshness))
}

pub(super) async fn get(run: Run<'_>, wanted: GetQuery) -> Ran {
    let options = GetOptions { version_id: wanted.version, range: wanted.range, ..GetOptions::default() };
    let opened = run.app.get(run.caller, run.resource, run.environment, &wanted.key, &options).await?;
    Ok((QueryAnswer::Get(content(opened.value, wanted.r#as).await?), opened.freshness))
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
