//! What an upload may ask for beyond its bytes: tags, checksums, the headers that an object keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::resource::CannedAcl;
use crate::model::tags;

/// An additional checksum (S3 user guide, checking object integrity).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChecksumAlgorithm {
    /// CRC-32.
    Crc32,
    /// CRC-32C.
    Crc32c,
    /// CRC-64/NVME.
    Crc64nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl ChecksumAlgorithm {
    /// Every one.
    pub const ALL: [ChecksumAlgorithm; 5] = [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32c,
        ChecksumAlgorithm::Crc64nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ];

    /// The word used in JSON and in the names of headers.
    pub fn as_str(self) -> &'static str {
        match self {
            ChecksumAlgorithm::Crc32 => "crc32",
            ChecksumAlgorithm::Crc32c => "crc32c",
            ChecksumAlgorithm::Crc64nvme => "crc64nvme",
            ChecksumAlgorithm::Sha1 => "sha1",
            ChecksumAlgorithm::Sha256 => "sha256",
        }
    }

    /// The algorithm of that word, in any case.
    pub fn parse(text: &str) -> Option<ChecksumAlgorithm> {
        Self::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text))
    }

    /// Bytes of a checksum.
    fn bytes(self) -> usize {
        match self {
            ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => 4,
            ChecksumAlgorithm::Crc64nvme => 8,
            ChecksumAlgorithm::Sha1 => 20,
            ChecksumAlgorithm::Sha256 => 32,
        }
    }
}

/// A checksum that an upload is checked by and that the store keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Checksum {
    /// Which.
    pub algorithm: ChecksumAlgorithm,
    /// Of the whole content, in base64; absent is computed here while the content goes through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "NhCmhg==")]
    pub value: Option<String>,
}

impl Checksum {
    /// Says when the value cannot be one of the algorithm.
    pub fn validate(&self) -> Result<(), String> {
        let (name, bytes) = (self.algorithm.as_str(), self.algorithm.bytes());
        match &self.value {
            Some(value) if base64_bytes(value) != Some(bytes) => {
                Err(format!("the checksum is no {name}: give its {bytes} bytes in base64"))
            }
            _ => Ok(()),
        }
    }
}

/// What the checksum of an object that was uploaded in parts covers (S3 user guide, checking object integrity).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChecksumType {
    /// The checksums of its parts.
    Composite,
    /// The whole content. CRCs only.
    FullObject,
}

impl ChecksumType {
    /// The value of `x-amz-checksum-type`.
    pub fn as_str(self) -> &'static str {
        match self {
            ChecksumType::Composite => "COMPOSITE",
            ChecksumType::FullObject => "FULL_OBJECT",
        }
    }
}

/// The checksum that each part of an upload brings and the store keeps of the whole.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartsChecksum {
    /// Which.
    pub algorithm: ChecksumAlgorithm,
    /// What that of the whole covers; absent leaves it to the store.
    #[serde(default, rename = "type")]
    pub kind: Option<ChecksumType>,
}

impl PartsChecksum {
    /// Says what there is not.
    pub fn validate(&self) -> Result<(), String> {
        let name = self.algorithm.as_str();
        match (self.algorithm, self.kind) {
            (ChecksumAlgorithm::Crc64nvme, Some(ChecksumType::Composite)) => {
                Err(format!("a {name} covers the whole object: `type` is `full_object`"))
            }
            (ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256, Some(ChecksumType::FullObject)) => {
                Err(format!("a {name} covers the parts: `type` is `composite`"))
            }
            _ => Ok(()),
        }
    }
}

/// How a store encrypts an upload with a key that it holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum StoreEncryption {
    /// As the bucket's default says.
    #[default]
    BucketDefault,
    /// SSE-S3.
    SseS3,
    /// SSE-KMS.
    SseKms {
        /// Key id, ARN or alias; absent takes the account's S3 key.
        #[serde(default)]
        key_id: Option<String>,
    },
}

/// What an upload may ask for and a resource may have a default for, and the rest that an object keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UploadExtras {
    /// `Expires`; an HTTP date.
    pub expires: Option<String>,
    /// Tags; none leaves the object without.
    pub tags: Vec<(String, String)>,
    /// Another canned ACL than the resource's.
    pub acl: Option<CannedAcl>,
    /// Another storage class than the resource's.
    pub storage_class: Option<String>,
    /// Another encryption than the resource's.
    pub encryption: Option<StoreEncryption>,
    /// An additional checksum.
    pub checksum: Option<Checksum>,
    /// `Content-MD5`: the store checks a body that is sent in one request.
    pub content_md5: Option<String>,
}

impl UploadExtras {
    /// Says what cannot be sent, and what to write instead.
    pub fn validate(&self) -> Result<(), String> {
        validate_tags(&self.tags)?;
        self.checksum.as_ref().map_or(Ok(()), Checksum::validate)?;
        if self.content_md5.as_deref().is_some_and(|value| base64_bytes(value) != Some(16)) {
            return Err("`Content-MD5` takes the 16 bytes of an MD5 in base64".to_owned());
        }
        if self.storage_class.as_deref().is_some_and(|class| {
            class.is_empty()
                || !class
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte.is_ascii_digit())
        }) {
            return Err("the storage class is a word like `STANDARD_IA`".to_owned());
        }
        Ok(())
    }
}

fn validate_tags(tags: &[(String, String)]) -> Result<(), String> {
    let mut by_name = BTreeMap::new();
    for (name, value) in tags {
        if by_name.insert(name.clone(), value.clone()).is_some() {
            return Err(format!("the tag `{name}` is there more than once"));
        }
    }
    tags::check(&by_name).map_err(|error| error.to_string())
}

/// How many bytes a base64 text stands for; none when it is no base64.
fn base64_bytes(text: &str) -> Option<usize> {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    let known = body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte));
    let whole = text.len().is_multiple_of(4) && padding <= 2 && !text.is_empty();
    (known && whole).then(|| text.len() / 4 * 3 - padding)
}

#[cfg(test)]
mod tests {
    use super::{Checksum, ChecksumAlgorithm, UploadExtras};

    fn refused(extras: &UploadExtras) -> String {
        extras.validate().unwrap_err()
    }

    #[test]
    fn a_checksum_has_the_length_of_its_algorithm() {
        let with = |algorithm, value: &str| UploadExtras {
            checksum: Some(Checksum { algorithm, value: Some(value.to_owned()) }),
            ..UploadExtras::default()
        };
        with(ChecksumAlgorithm::Crc32, "NhCmhg==").validate().unwrap();
        with(ChecksumAlgorithm::Crc64nvme, "AAAAAAAAAAA=").validate().unwrap();
        for wrong in ["", "NhCmhg", "NhCm", "NhCmhg==x", "NhC=hg=="] {
            assert!(refused(&with(ChecksumAlgorithm::Crc32, wrong)).contains("4 bytes in base64"), "{wrong}");
        }
    }

    #[test]
    fn tags_have_the_bounds_of_s3() {
        let with = |tags: Vec<(&str, &str)>| UploadExtras {
            tags: tags.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            ..UploadExtras::default()
        };
        with(vec![("a", ""), ("b", "x")]).validate().unwrap();
        assert!(refused(&with(vec![("a", "1"), ("a", "2")])).contains("more than once"));
        assert!(refused(&with(vec![("", "1")])).contains("empty name"));
        let long = "x".repeat(257);
        assert!(refused(&with(vec![("a", &long)])).contains("256"));
        let names: Vec<String> = (0..11).map(|number| number.to_string()).collect();
        assert!(
            refused(&with(names.iter().map(|name| (name.as_str(), "")).collect())).contains("at most 10")
        );
    }
}
