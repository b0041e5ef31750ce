//! Objects, and what may be asked about them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::header_text::{self, Unfit};
use crate::model::list_filter::{Filter, Sort};
use crate::model::object_facts::ObjectFacts;
use crate::model::span::{Span, SpanOfTime};
use crate::model::upload::{Checksum, UploadExtras};

/// A key relative to its resource's prefix: 1 to 1024 bytes of UTF-8 (prefix included), passed through exactly.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectKey(String);

/// A key was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing was given.
    #[error("the key is empty: name an object, or list with `?prefix=`")]
    Empty,
    /// S3 takes 1024 bytes (S3 user guide, object key names).
    #[error("the key has {0} bytes with the resource's prefix, and S3 takes at most 1024")]
    TooLong(usize),
    /// XML cannot carry it, so it could be written but never listed.
    #[error("the key holds a NUL byte, which S3 cannot list: take it out")]
    Nul,
}

impl ObjectKey {
    /// Puts the resource's prefix before a key. The result always starts with the prefix, byte for byte, because
    /// keys are opaque: nothing in them is a path step.
    pub fn under(prefix: &str, key: &str) -> Result<Self, KeyError> {
        if key.is_empty() {
            return Err(KeyError::Empty);
        }
        if key.contains('\0') {
            return Err(KeyError::Nul);
        }
        let full = [prefix, key].concat();
        if full.len() > 1024 {
            return Err(KeyError::TooLong(full.len()));
        }
        Ok(Self(full))
    }

    /// Whether clients may change it in a URL: they take `.` and `..` between slashes for steps (RFC 3986, section 5.2.4).
    pub fn has_dot_segments(&self) -> bool {
        has_dot_segments(&self.0)
    }

    /// The key as the bucket knows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The same of any part of a key that ends at slashes.
pub fn has_dot_segments(key: &str) -> bool {
    key.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// One object in a list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ObjectSummary {
    /// Relative to the resource's prefix.
    #[schema(example = "2026/a.pdf")]
    pub key: String,
    /// Bytes; 0 for a delete marker.
    pub size: u64,
    /// With its quotes, as HTTP writes it.
    #[serde(default)]
    pub etag: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    pub last_modified: Option<String>,
    /// For example `STANDARD`.
    #[serde(default)]
    pub storage_class: Option<String>,
    /// The version; told when `versions` is true. `null` (as a text) for what was written before the bucket kept versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// Whether a read without a version gets this one; told when `versions` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_latest: Option<bool>,
    /// Whether it only says that the object was deleted: then it has no content. Told when `versions` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_marker: Option<bool>,
    /// Who owns it; told when `fetch_owner` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// A signed URL to read it; given when `sign_expires_in` is. Whoever has it may read the object until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When the URL ends (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_expires_at: Option<String>,
}

/// Who owns an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Owner {
    /// The canonical id of the account.
    pub id: Option<String>,
    /// Its name, where the store tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ObjectPage {
    /// In the order of the bytes of their keys; versions of one key newest first.
    pub objects: Vec<ObjectSummary>,
    /// Common prefixes, when a delimiter was given.
    pub prefixes: Vec<String>,
    /// Give it back as `cursor` to go on; absent at the end.
    pub cursor: Option<String>,
    /// True when there is more.
    pub truncated: bool,
    /// Rows of the store that were read, when a filter or an order made them more than the rows of this page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scanned: Option<u64>,
    /// Whether the end of what lies below the prefix was reached, when a filter or an order was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_everything: Option<bool>,
    /// What a reader should know about this page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What to list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListOptions {
    /// Only keys that start so.
    #[serde(default)]
    pub prefix: String,
    /// Groups keys at this text, usually `/`.
    #[serde(default)]
    pub delimiter: Option<String>,
    /// Only keys after this one.
    #[serde(default)]
    pub start_after: Option<String>,
    /// Where the last page ended.
    #[serde(default)]
    pub cursor: Option<String>,
    /// How many rows at most; pages are fetched as needed. Default 1000.
    #[serde(default)]
    pub limit: Option<u64>,
    /// Only objects that fit. Evaluated here, page by page.
    #[serde(default)]
    pub filter: Option<Filter>,
    /// Another order than that of the keys. Everything below the prefix is read for it.
    #[serde(default)]
    pub sort: Option<Sort>,
    /// Every version and delete marker in place of the objects of now. The resource has to allow `versions`.
    #[serde(default)]
    pub versions: bool,
    /// Tell who owns each object.
    #[serde(default)]
    pub fetch_owner: bool,
    /// Give each row a signed URL to read it that holds so long: 1 to 604800 seconds, or a text like `10m`; less when
    /// the credentials end sooner.
    #[serde(default, deserialize_with = "Span::seconds")]
    #[schema(value_type = Option<SpanOfTime>)]
    pub sign_expires_in: Option<u64>,
}

/// Everything that is known about an object besides its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ObjectMetadata {
    /// Relative to the resource's prefix.
    pub key: String,
    /// Bytes of the whole object.
    pub size: Option<u64>,
    /// With its quotes, as HTTP writes it.
    pub etag: Option<String>,
    /// RFC 3339.
    pub last_modified: Option<String>,
    /// The media type.
    pub content_type: Option<String>,
    /// As it was given at the upload.
    pub cache_control: Option<String>,
    /// As it was given at the upload.
    pub content_disposition: Option<String>,
    /// As it was given at the upload.
    pub content_encoding: Option<String>,
    /// As it was given at the upload.
    pub content_language: Option<String>,
    /// For example `STANDARD_IA`.
    pub storage_class: Option<String>,
    /// For example `aws:kms`.
    pub server_side_encryption: Option<String>,
    /// The version, in buckets that keep versions.
    pub version_id: Option<String>,
    /// User metadata (`x-amz-meta-*`).
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// What is told of some objects only.
    #[serde(flatten)]
    pub facts: Box<ObjectFacts>,
}

/// Conditions on a read (RFC 9110, section 13).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions {
    /// Only if the object still has one of these ETags.
    pub if_match: Option<String>,
    /// Only if it has another.
    pub if_none_match: Option<String>,
    /// Only if it changed since; an HTTP date.
    pub if_modified_since: Option<String>,
    /// Only if it did not; an HTTP date.
    pub if_unmodified_since: Option<String>,
}

/// How to read an object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GetOptions {
    /// The `Range` header as it came, for example `bytes=0-99` or `bytes=-100`.
    pub range: Option<String>,
    /// A version.
    pub version_id: Option<String>,
    /// Conditions.
    pub conditions: Conditions,
    /// A part of a multipart upload, from 1.
    pub part: Option<u16>,
    /// Ask for the checksums that the store keeps.
    pub checksums: bool,
    /// Headers that the answer has in place of the object's own.
    pub overrides: ResponseOverrides,
    /// The caller reads no more than it has a bound for, so that the size of the object does not matter.
    pub bounded: bool,
}

/// Headers that the answer to a read has in place of the object's own (S3 API reference, `GetObject`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseOverrides {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Expires`.
    pub expires: Option<String>,
}

impl ResponseOverrides {
    /// The query parameters of S3 that ask for them.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("response-cache-control", &self.cache_control),
            ("response-content-disposition", &self.content_disposition),
            ("response-content-encoding", &self.content_encoding),
            ("response-content-language", &self.content_language),
            ("response-content-type", &self.content_type),
            ("response-expires", &self.expires),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }
}

/// How to write an object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PutOptions {
    /// The media type; absent is guessed from the key.
    pub content_type: Option<String>,
    /// Passed on.
    pub cache_control: Option<String>,
    /// Passed on.
    pub content_disposition: Option<String>,
    /// Passed on.
    pub content_encoding: Option<String>,
    /// Passed on.
    pub content_language: Option<String>,
    /// User metadata (`x-amz-meta-*`).
    pub metadata: BTreeMap<String, String>,
    /// `*`: only if there is no object yet.
    pub if_none_match: Option<String>,
    /// Only if the object has this ETag.
    pub if_match: Option<String>,
    /// Tags, ACL, storage class, encryption, checksum.
    pub extras: UploadExtras,
}

impl PutOptions {
    /// Refuses what cannot travel as a header.
    pub fn check_headers(&self) -> Result<(), Unfit> {
        header_text::check_fields(&[
            ("content_type", self.content_type.as_deref()),
            ("cache_control", self.cache_control.as_deref()),
            ("content_disposition", self.content_disposition.as_deref()),
            ("content_encoding", self.content_encoding.as_deref()),
            ("content_language", self.content_language.as_deref()),
            ("expires", self.extras.expires.as_deref()),
            ("storage_class", self.extras.storage_class.as_deref()),
            ("if_match", self.if_match.as_deref()),
        ])?;
        header_text::check_metadata(&self.metadata)
    }
}

/// How to delete an object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeleteOptions {
    /// A version.
    pub version_id: Option<String>,
    /// Only if the object has this ETag.
    pub if_match: Option<String>,
}

/// Why a body that somebody sends did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The connection ended before the announced length.
    #[error("the body ended early: {0}")]
    EndedEarly(String),
    /// Nothing came for too long.
    #[error("the body stalled: nothing came for {0} ms")]
    Stalled(u64),
    /// It is larger than the resource allows.
    #[error("the body is larger than the {0} bytes that the resource allows")]
    TooLarge(u64),
}

/// What an upload left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PutResult {
    /// Relative to the resource's prefix.
    pub key: String,
    /// With its quotes, as HTTP writes it.
    pub etag: Option<String>,
    /// The version, in buckets that keep versions.
    pub version_id: Option<String>,
    /// Bytes written.
    pub size: u64,
    /// The checksum of the whole content, when one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
}

#[cfg(test)]
mod tests {
    use super::{KeyError, ObjectKey};

    #[test]
    fn keys_pass_through_exactly_and_stay_under_the_prefix() {
        for key in ["a//b", "../x", "a%2Fb", "ü 🚀+", "/", "."] {
            assert_eq!(ObjectKey::under("root/", key).unwrap().as_str(), format!("root/{key}"));
        }
    }

    #[test]
    fn keys_have_bounds() {
        assert_eq!(ObjectKey::under("", ""), Err(KeyError::Empty));
        assert!(ObjectKey::under("", &"x".repeat(1024)).is_ok());
        assert_eq!(ObjectKey::under("p", &"x".repeat(1024)), Err(KeyError::TooLong(1025)));
        assert_eq!(ObjectKey::under("", "a\0"), Err(KeyError::Nul));
    }
}
