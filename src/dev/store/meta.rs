//! What is stored beside the bytes of an object, a part and an upload, and how a request asks for it.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3s::dto::{ETag, Timestamp};
use s3s::{S3Error, S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::checksum::{Algorithm, Checksums};
use super::tags::Tags;

/// User metadata is limited to 2 KiB, names and values together.
const MAX_USER_METADATA: usize = 2048;
/// A key is at most this many bytes of UTF-8.
const MAX_KEY: usize = 1024;
const STORAGE_CLASSES: [&str; 8] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
];

/// What the writer of an object chooses and every reader gets back.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Attributes {
    pub(super) cache_control: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) expires: Option<Timestamp>,
    pub(super) user: Option<HashMap<String, String>>,
    pub(super) storage_class: Option<String>,
    pub(super) website_redirect_location: Option<String>,
    pub(super) tags: Tags,
}

/// Collects the attributes from any request that carries them.
macro_rules! attributes_of {
    ($input:expr) => {
        $crate::dev::store::meta::Attributes {
            cache_control: $input.cache_control.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_encoding: $input.content_encoding.clone(),
            content_language: $input.content_language.clone(),
            content_type: $input.content_type.clone(),
            expires: $input.expires.clone(),
            user: $input.metadata.clone(),
            storage_class: $input.storage_class.as_ref().map(|class| class.as_str().to_owned()),
            website_redirect_location: $input.website_redirect_location.clone(),
            tags: $crate::dev::store::tags::parse($input.tagging.as_deref())?,
        }
    };
}

impl Attributes {
    /// Checks the limits and removes what belongs to the transfer, not to the object.
    pub(super) fn validate(mut self) -> S3Result<Self> {
        let bytes: usize = self.user.iter().flatten().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > MAX_USER_METADATA {
            return Err(s3_error!(MetadataTooLarge, "user metadata is limited to {MAX_USER_METADATA} bytes"));
        }
        if let Some(class) = &self.storage_class
            && !STORAGE_CLASSES.contains(&class.as_str())
        {
            return Err(s3_error!(InvalidStorageClass, "the storage class `{class}` is not known"));
        }
        self.content_encoding = self.content_encoding.as_deref().and_then(without_aws_chunked);
        self.storage_class = self.storage_class.filter(|class| class != "STANDARD");
        Ok(self)
    }
}

/// `aws-chunked` describes the upload; S3 does not store it.
fn without_aws_chunked(encoding: &str) -> Option<String> {
    let kept: Vec<&str> = encoding.split(',').map(str::trim).filter(|name| *name != "aws-chunked").collect();
    (!kept.is_empty()).then(|| kept.join(", "))
}

/// An object as it is kept at the end of its file and in the index.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ObjectMeta {
    pub(super) key: String,
    /// Bytes.
    pub(super) size: u64,
    /// Without quotes.
    pub(super) etag: String,
    /// Whole seconds, as HTTP dates are.
    pub(super) modified: Timestamp,
    pub(super) attributes: Attributes,
    pub(super) checksums: Checksums,
    /// Sizes of the parts of a multipart object in bytes; empty otherwise.
    #[serde(default)]
    pub(super) parts: Vec<u64>,
    /// The upload this object came from: a crash between publishing and tidying up is finished at the next start.
    #[serde(default)]
    pub(super) upload_id: Option<String>,
}

impl ObjectMeta {
    pub(super) fn e_tag(&self) -> ETag {
        ETag::Strong(self.etag.clone())
    }

    /// `COMPOSITE` or `FULL_OBJECT`, if the object has a checksum at all.
    pub(super) fn checksum_type(&self) -> Option<&'static str> {
        let algorithm = self.checksums.algorithms().into_iter().next()?;
        let composite = self.checksums.get(algorithm)?.contains('-');
        Some(if composite { "COMPOSITE" } else { "FULL_OBJECT" })
    }
}

/// A part of an upload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PartMeta {
    pub(super) number: i32,
    /// Bytes.
    pub(super) size: u64,
    /// The MD5 of the part in hex.
    pub(super) etag: String,
    pub(super) modified: Timestamp,
    pub(super) checksums: Checksums,
}

/// An upload in progress.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct UploadMeta {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) initiated: Timestamp,
    pub(super) attributes: Attributes,
    pub(super) algorithm: Option<Algorithm>,
    /// Whether the checksum covers the whole object instead of the checksums of its parts.
    pub(super) full_object: bool,
}

/// What a request asks for beyond plain storage.
#[derive(Debug)]
pub(super) struct Extras<'a> {
    pub(super) acl: Option<&'a str>,
    pub(super) grants: bool,
    pub(super) encryption: Option<&'a str>,
    /// What the store does not have at all.
    pub(super) lacking: Option<&'static str>,
}

/// Collects the extras from any request that can carry them.
macro_rules! extras_of {
    ($input:expr) => {
        $crate::dev::store::meta::Extras {
            acl: $input.acl.as_ref().map(|acl| acl.as_str()),
            grants: $input.grant_full_control.is_some()
                || $input.grant_read.is_some()
                || $input.grant_read_acp.is_some()
                || $input.grant_write_acp.is_some(),
            encryption: $input.server_side_encryption.as_ref().map(|encryption| encryption.as_str()),
            lacking: if $input.sse_customer_key.is_some() || $input.sse_customer_algorithm.is_some() {
                Some("customer keys")
            } else if $input.object_lock_mode.is_some()
                || $input.object_lock_legal_hold_status.is_some()
                || $input.object_lock_retain_until_date.is_some()
            {
                Some("object lock")
            } else {
                None
            },
        }
    };
}

impl Extras<'_> {
    /// Refuses what would be silently lost: a client must not believe that its ACL or key was applied.
    pub(super) fn refuse(&self) -> S3Result<()> {
        if self.grants || !matches!(self.acl, None | Some("private" | "bucket-owner-full-control")) {
            return Err(s3_error!(AccessControlListNotSupported, "the bucket does not allow acls"));
        }
        if let Some(lacking) = self.lacking {
            return Err(s3_error!(NotImplemented, "the embedded store has no {lacking}"));
        }
        if !matches!(self.encryption, None | Some("AES256")) {
            return Err(s3_error!(NotImplemented, "the embedded store has no kms"));
        }
        Ok(())
    }
}

pub(super) use {attributes_of, extras_of};

/// Checks what the URL parser cannot: a form or a list may carry a key too.
pub(super) fn check_key(key: &str) -> S3Result<()> {
    match key.len() {
        0 => Err(s3_error!(InvalidArgument, "the key is empty")),
        1..=MAX_KEY => Ok(()),
        _ => Err(s3_error!(KeyTooLongError, "a key is limited to {MAX_KEY} bytes")),
    }
}

/// Only the version `null` exists where there is no versioning.
pub(super) fn check_version(version: Option<&str>) -> S3Result<()> {
    match version {
        None | Some("null") => Ok(()),
        Some(version) => Err(s3_error!(NoSuchVersion, "the version `{version}` does not exist")),
    }
}

/// The current time in whole seconds, so that a date a client sends back compares equal.
pub(super) fn now() -> Timestamp {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Timestamp::from(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// S3 counts bytes in signed integers.
pub(super) fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Logs a failure of the file system and hides it from the client.
pub(super) fn internal(error: std::io::Error) -> S3Error {
    tracing::error!(%error, "the embedded store could not use its files");
    S3Error::internal_error(error)
}
