//! Versions of objects.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::object::{ObjectSummary, Owner};

/// One version of an object, or a delete marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionSummary {
    /// The key.
    pub key: String,
    /// `null` (as a text) for what was written before the bucket kept versions.
    pub version_id: String,
    /// Whether a read without a version gets this one.
    pub is_latest: bool,
    /// Whether it only says that the object was deleted: then it has no content.
    pub delete_marker: bool,
    /// Bytes.
    pub size: Option<u64>,
    /// With its quotes, as HTTP writes it.
    pub etag: Option<String>,
    /// RFC 3339.
    pub last_modified: Option<String>,
    /// For example `STANDARD`.
    pub storage_class: Option<String>,
    /// Who owns it.
    pub owner: Option<Owner>,
}

impl From<VersionSummary> for ObjectSummary {
    fn from(version: VersionSummary) -> ObjectSummary {
        ObjectSummary {
            key: version.key,
            size: version.size.unwrap_or(0),
            etag: version.etag,
            last_modified: version.last_modified,
            storage_class: version.storage_class,
            version_id: Some(version.version_id),
            is_latest: Some(version.is_latest),
            delete_marker: Some(version.delete_marker),
            owner: version.owner,
            url: None,
            url_expires_at: None,
        }
    }
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
