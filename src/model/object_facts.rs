//! What is known about an object beyond what every read needs: checksums, tags, locks, archives.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What S3 tells about some objects only; what is absent was not told (S3 API reference, `HeadObject`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ObjectFacts {
    /// `Expires` as it was given at the upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// How many tags it has; told only to those who may read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_count: Option<u32>,
    /// The checksums that the store keeps; told when `checksum_mode` is `enabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksums: Option<ObjectChecksums>,
    /// How many parts it was uploaded in; told when a part is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts_count: Option<u32>,
    /// User metadata that the store has and cannot write as headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_metadata: Option<u32>,
    /// True when the version is a delete marker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_marker: Option<bool>,
    /// Whether an archived object is being restored, or until when its copy stays (`x-amz-restore`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<String>,
    /// The tier of Intelligent-Tiering that it lies in, for example `ARCHIVE_ACCESS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_status: Option<String>,
    /// When and by which lifecycle rule it goes (`x-amz-expiration`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<String>,
    /// For example `COMPLETED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_status: Option<String>,
    /// Where a website sends those who ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub website_redirect: Option<String>,
    /// What keeps it from being deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_lock: Option<ObjectLock>,
    /// More about `server_side_encryption`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<ObjectEncryption>,
}

/// Checksums in base64, as S3 writes them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ObjectChecksums {
    /// CRC-32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32: Option<String>,
    /// CRC-32C.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32c: Option<String>,
    /// CRC-64/NVME.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<String>,
    /// SHA-1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// `FULL_OBJECT`, or `COMPOSITE` for a checksum of the checksums of parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// What keeps an object from being deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ObjectLock {
    /// `GOVERNANCE` or `COMPLIANCE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain_until: Option<String>,
    /// `ON` or `OFF`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_hold: Option<String>,
}

/// More about an object's encryption.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ObjectEncryption {
    /// The KMS key's ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    /// Whether the bucket's key spares calls to KMS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_key: Option<bool>,
    /// The algorithm of a key that the customer gives (SSE-C).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_algorithm: Option<String>,
    /// The MD5 of that key in base64, which tells which key it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_key_md5: Option<String>,
}

impl ObjectFacts {
    /// Whether the answer told of none.
    pub fn is_empty(&self) -> bool {
        *self == ObjectFacts::default()
    }

    /// Reads the facts from the headers of an answer. `text` gives a header by its lower-case name.
    pub fn of_headers(text: impl Fn(&str) -> Option<String>) -> ObjectFacts {
        let number = |name: &str| text(name).and_then(|value| value.trim().parse().ok());
        let flag = |name: &str| text(name).map(|value| value.eq_ignore_ascii_case("true"));
        ObjectFacts {
            expires: text("expires"),
            tag_count: number("x-amz-tagging-count"),
            checksums: some(ObjectChecksums {
                crc32: text("x-amz-checksum-crc32"),
                crc32c: text("x-amz-checksum-crc32c"),
                crc64nvme: text("x-amz-checksum-crc64nvme"),
                sha1: text("x-amz-checksum-sha1"),
                sha256: text("x-amz-checksum-sha256"),
                kind: text("x-amz-checksum-type"),
            }),
            parts_count: number("x-amz-mp-parts-count"),
            missing_metadata: number("x-amz-missing-meta"),
            delete_marker: flag("x-amz-delete-marker"),
            restore: text("x-amz-restore"),
            archive_status: text("x-amz-archive-status"),
            expiration: text("x-amz-expiration"),
            replication_status: text("x-amz-replication-status"),
            website_redirect: text("x-amz-website-redirect-location"),
            object_lock: some(ObjectLock {
                mode: text("x-amz-object-lock-mode"),
                retain_until: text("x-amz-object-lock-retain-until-date"),
                legal_hold: text("x-amz-object-lock-legal-hold"),
            }),
            encryption: some(ObjectEncryption {
                kms_key_id: text("x-amz-server-side-encryption-aws-kms-key-id"),
                bucket_key: flag("x-amz-server-side-encryption-bucket-key-enabled"),
                customer_algorithm: text("x-amz-server-side-encryption-customer-algorithm"),
                customer_key_md5: text("x-amz-server-side-encryption-customer-key-md5"),
            }),
        }
    }

    /// The headers that they stand for.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let checksums = self.checksums.clone().unwrap_or_default();
        let lock = self.object_lock.clone().unwrap_or_default();
        let encryption = self.encryption.clone().unwrap_or_default();
        let number = |value: Option<u32>| value.map(|value| value.to_string());
        let flag = |value: Option<bool>| value.map(|value| value.to_string());
        let all = [
            ("expires", self.expires.clone()),
            ("x-amz-tagging-count", number(self.tag_count)),
            ("x-amz-checksum-crc32", checksums.crc32),
            ("x-amz-checksum-crc32c", checksums.crc32c),
            ("x-amz-checksum-crc64nvme", checksums.crc64nvme),
            ("x-amz-checksum-sha1", checksums.sha1),
            ("x-amz-checksum-sha256", checksums.sha256),
            ("x-amz-checksum-type", checksums.kind),
            ("x-amz-mp-parts-count", number(self.parts_count)),
            ("x-amz-missing-meta", number(self.missing_metadata)),
            ("x-amz-delete-marker", flag(self.delete_marker)),
            ("x-amz-restore", self.restore.clone()),
            ("x-amz-archive-status", self.archive_status.clone()),
            ("x-amz-expiration", self.expiration.clone()),
            ("x-amz-replication-status", self.replication_status.clone()),
            ("x-amz-website-redirect-location", self.website_redirect.clone()),
            ("x-amz-object-lock-mode", lock.mode),
            ("x-amz-object-lock-retain-until-date", lock.retain_until),
            ("x-amz-object-lock-legal-hold", lock.legal_hold),
            ("x-amz-server-side-encryption-aws-kms-key-id", encryption.kms_key_id),
            ("x-amz-server-side-encryption-bucket-key-enabled", flag(encryption.bucket_key)),
            ("x-amz-server-side-encryption-customer-algorithm", encryption.customer_algorithm),
            ("x-amz-server-side-encryption-customer-key-md5", encryption.customer_key_md5),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// None where nothing was told.
fn some<T: Default + PartialEq>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::ObjectFacts;

    #[test]
    fn facts_and_headers_say_the_same() {
        let given: BTreeMap<&str, &str> = [
            ("expires", "Fri, 01 Jan 2027 00:00:00 GMT"),
            ("x-amz-tagging-count", "2"),
            ("x-amz-checksum-crc32c", "AAAAAA=="),
            ("x-amz-checksum-type", "FULL_OBJECT"),
            ("x-amz-mp-parts-count", "3"),
            ("x-amz-delete-marker", "true"),
            ("x-amz-restore", "ongoing-request=\"true\""),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("x-amz-server-side-encryption-bucket-key-enabled", "false"),
        ]
        .into();
        let facts = ObjectFacts::of_headers(|name| given.get(name).map(|value| (*value).to_owned()));
        assert_eq!(facts.tag_count, Some(2));
        let headers = facts.headers();
        let back: BTreeMap<&str, &str> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(back, given);
    }

    #[test]
    fn what_was_not_told_is_not_there() {
        assert_eq!(serde_json::to_value(ObjectFacts::of_headers(|_| None)).unwrap(), serde_json::json!({}));
    }
}
