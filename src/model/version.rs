//! Versions of objects.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One version of an object, or a delete marker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionSummary {
    /// Relative to the resource's prefix.
    #[schema(example = "2026/a.pdf")]
    pub key: String,
    /// `null` (as a text) for what was written before the bucket kept versions.
    pub version_id: String,
    /// Whether a read without a version gets this one.
    pub is_latest: bool,
    /// Whether it only says that the object was deleted: then it has no content.
    pub delete_marker: bool,
    /// Bytes.
    #[serde(default)]
    pub size: Option<u64>,
    /// With its quotes, as HTTP writes it.
    #[serde(default)]
    pub etag: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    pub last_modified: Option<String>,
    /// For example `STANDARD`.
    #[serde(default)]
    pub storage_class: Option<String>,
}

/// A page of versions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct VersionPage {
    /// By key, those of one key newest first.
    pub versions: Vec<VersionSummary>,
    /// Common prefixes, when a delimiter was given.
    pub prefixes: Vec<String>,
    /// Give it back as `cursor` to go on; absent at the end.
    pub cursor: Option<String>,
    /// True when there is more.
    pub truncated: bool,
}

/// Which versions to list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VersionOptions {
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
}

/// Where a page ended: the opaque cursor holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionMarker {
    /// The last key, relative to the resource's prefix.
    pub key: String,
    /// The last version of it; absent after a common prefix.
    pub version_id: Option<String>,
}

impl VersionMarker {
    /// The cursor for callers.
    pub fn encode(&self) -> String {
        // two texts always can be written
        BASE64.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// What a cursor holds; `None` for a text that is none of ours.
    pub fn decode(cursor: &str) -> Option<Self> {
        serde_json::from_slice(&BASE64.decode(cursor).ok()?).ok()
    }
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct RestoredVersion {
    /// Relative to the resource's prefix.
    pub key: String,
    /// The version that is the newest one now.
    pub version_id: Option<String>,
    /// The version whose content it has; absent when delete markers were taken away.
    pub restored_from: Option<String>,
    /// With its quotes, as HTTP writes it.
    pub etag: Option<String>,
    /// The delete markers that were taken away.
    pub removed_markers: Vec<String>,
}

/// What to bring back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreOptions {
    /// The key, relative to the resource's prefix.
    #[schema(example = "2026/a.pdf")]
    pub key: String,
    /// The version whose content becomes the newest one, by a copy. Leave it out with `undelete`.
    #[serde(default)]
    pub version: Option<String>,
    /// Take the delete markers on top away instead: the version under them is the newest one again, without a copy.
    #[serde(default)]
    pub undelete: bool,
}

#[cfg(test)]
mod tests {
    use super::VersionMarker;

    #[test]
    fn a_cursor_carries_any_key() {
        for key in ["a", "ü 🚀/%2F+", "\u{1}\""] {
            for version_id in [None, Some("null".to_owned())] {
                let marker = VersionMarker { key: key.to_owned(), version_id };
                assert_eq!(VersionMarker::decode(&marker.encode()), Some(marker));
            }
        }
        for wrong in ["", "x", "e30", "🚀"] {
            assert_eq!(VersionMarker::decode(wrong), None, "{wrong}");
        }
    }
}
