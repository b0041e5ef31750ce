//! Uploads in parts that somebody else sends: a browser, an app, another service.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::object::PutOptions;
use crate::model::resource::CannedAcl;
use crate::model::span::{Span, SpanOfTime};
use crate::model::upload::{Checksum, PartsChecksum, StoreEncryption, UploadExtras};

/// Parts of one upload (S3 user guide, multipart limits).
pub const MOST_PARTS: u32 = 10_000;
/// URLs of one answer.
const MOST_SIGNED: u32 = 1_000;
/// Bytes of a part when only the size of the whole is known.
const PART: u64 = 16 << 20;
/// Every part but the last has at least 5 MiB.
pub const LEAST_PART: u64 = 5 << 20;
/// And at most 5 GiB.
const LARGEST_PART: u64 = 5 << 30;
/// Uploads that are cleaned when nothing else is said.
pub const DEFAULT_AGE: Span = Span(24 * 3600);

/// An upload in parts to begin, with the options of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartUpload {
    /// The key, relative to the resource's prefix.
    #[schema(example = "2026/film.mp4")]
    pub key: String,
    /// The media type; guessed from the key when absent.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Kept with the object.
    #[serde(default)]
    pub cache_control: Option<String>,
    /// Kept with the object.
    #[serde(default)]
    pub content_disposition: Option<String>,
    /// Kept with the object.
    #[serde(default)]
    pub content_encoding: Option<String>,
    /// Kept with the object.
    #[serde(default)]
    pub content_language: Option<String>,
    /// `Expires` of the object; an HTTP date.
    #[serde(default)]
    pub expires: Option<String>,
    /// User metadata (`x-amz-meta-*`).
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Tags, up to 10. The resource must allow `put_tags`.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Another canned ACL than the resource's. The resource must allow `put_acl`.
    #[serde(default)]
    pub acl: Option<CannedAcl>,
    /// Another storage class than the resource's, for example `STANDARD_IA`.
    #[serde(default)]
    pub storage_class: Option<String>,
    /// Another encryption than the resource's.
    #[serde(default)]
    pub encryption: Option<StoreEncryption>,
    /// An additional checksum: every part has to bring one then.
    #[serde(default)]
    pub checksum: Option<PartsChecksum>,
}

impl StartUpload {
    /// The same as options of an upload.
    pub fn put_options(&self) -> PutOptions {
        PutOptions {
            content_type: self.content_type.clone(),
            cache_control: self.cache_control.clone(),
            content_disposition: self.content_disposition.clone(),
            content_encoding: self.content_encoding.clone(),
            content_language: self.content_language.clone(),
            metadata: self.metadata.clone(),
            extras: UploadExtras {
                expires: self.expires.clone(),
                tags: self.tags.clone().into_iter().collect(),
                acl: self.acl,
                storage_class: self.storage_class.clone(),
                encryption: self.encryption.clone(),
                checksum: self
                    .checksum
                    .as_ref()
                    .map(|checksum| Checksum { algorithm: checksum.algorithm, value: None }),
                content_md5: None,
            },
            ..PutOptions::default()
        }
    }

    /// Says what cannot be sent, and what to write instead.
    pub fn check(&self) -> Result<(), String> {
        self.checksum.as_ref().map_or(Ok(()), PartsChecksum::validate)?;
        self.put_options().extras.validate()
    }
}

/// An upload in parts that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StartedUpload {
    /// Relative to the resource's prefix.
    pub key: String,
    /// What the parts and the completion name.
    pub upload_id: String,
}

/// URLs for parts: give `parts`, `count` or `size`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignPartsOptions {
    /// The key, relative to the resource's prefix.
    #[schema(example = "2026/film.mp4")]
    pub key: String,
    /// The upload.
    pub upload_id: String,
    /// Numbers of parts, 1 to 10000; at most 1000 of them.
    #[serde(default)]
    pub parts: Option<Vec<u32>>,
    /// Parts from number 1 on, at most 1000.
    #[serde(default)]
    pub count: Option<u32>,
    /// Bytes of the whole object: the answer says which bytes belong into which part.
    #[serde(default)]
    pub size: Option<u64>,
    /// Bytes of each part but the last, with `size`; default 16 MiB, more where that makes more than 1000 parts.
    #[serde(default)]
    pub part_size: Option<u64>,
    /// Seconds, or a text like `15m`; default 900, at most 604800 (seven days), and never longer than the credentials live.
    #[serde(default, deserialize_with = "Span::seconds")]
    #[schema(value_type = Option<SpanOfTime>)]
    pub expires_in: Option<u64>,
}

/// A part to sign a URL for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartWanted {
    /// 1 to 10000.
    pub number: u32,
    /// Where its bytes begin and how many they are, when the size of the whole is known.
    pub bytes: Option<(u64, u64)>,
}

impl SignPartsOptions {
    /// The parts to sign for, of at least so many bytes and at most so many of them; the text says what is wrong.
    pub fn wanted(&self, least: u64, most: u64) -> Result<Vec<PartWanted>, String> {
        let most = u32::try_from(most).unwrap_or(MOST_PARTS).min(MOST_PARTS);
        crate::model::signed::check_expiry(self.expires_in)?;
        if self.part_size.is_some() && self.size.is_none() {
            return Err("`part_size` goes with `size`".to_owned());
        }
        let plain = |number| PartWanted { number, bytes: None };
        match (&self.parts, self.count, self.size) {
            (Some(parts), None, None) => {
                let numbers: BTreeSet<u32> = parts.iter().copied().collect();
                if numbers.is_empty() || numbers.len() > MOST_SIGNED as usize {
                    return Err(format!("`parts` names 1 to {MOST_SIGNED} parts: ask again for the others"));
                }
                if let Some(wrong) = numbers.iter().find(|number| !(1..=most).contains(*number)) {
                    return Err(format!("`{wrong}` is no part: they are numbered from 1 to {most}"));
                }
                Ok(numbers.into_iter().map(plain).collect())
            }
            (None, Some(count), None) if (1..=MOST_SIGNED).contains(&count) => {
                Ok((1..=count).map(plain).collect())
            }
            (None, Some(_), None) => {
                Err(format!("`count` is 1 to {MOST_SIGNED}: name later ones in `parts`"))
            }
            (None, None, Some(size)) => cut(size, self.part_size, least),
            _ => Err("give one of `parts`, `count` and `size`".to_owned()),
        }
    }
}

/// The parts of a whole.
fn cut(size: u64, part_size: Option<u64>, least: u64) -> Result<Vec<PartWanted>, String> {
    if size == 0 {
        return Err("`size` takes bytes from 1 on: an empty object needs no parts".to_owned());
    }
    let needed = size.div_ceil(MOST_SIGNED.into()).next_multiple_of(1 << 20);
    let part = part_size.unwrap_or_else(|| needed.clamp(PART.max(least), LARGEST_PART));
    if !(least..=LARGEST_PART).contains(&part) {
        let least = least >> 20;
        return Err(format!("a part has {least} MiB to 5 GiB: give another `part_size`"));
    }
    let count = size.div_ceil(part);
    if count > MOST_SIGNED.into() {
        return Err(format!(
            "that makes {count} parts, and one answer holds {MOST_SIGNED}: give a larger `part_size`, or name them in `parts`"
        ));
    }
    let numbers = 1..=u32::try_from(count).unwrap_or(MOST_SIGNED);
    Ok(numbers
        .map(|number| {
            let offset = u64::from(number - 1) * part;
            PartWanted { number, bytes: Some((offset, part.min(size - offset))) }
        })
        .collect())
}

/// URLs for parts: whoever has one may send that part. Not `Debug`, so that it stays out of logs.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SignedParts {
    /// Relative to the resource's prefix.
    pub key: String,
    /// The upload.
    pub upload_id: String,
    /// One URL a part. Each is sent by PUT; the `ETag` of the answer belongs into the completion.
    pub parts: Vec<SignedPart>,
    /// RFC 3339: when the first of them ends.
    pub expires_at: String,
    /// Seconds that they really hold.
    pub expires_in: u64,
    /// Why they hold for less than was asked.
    pub warnings: Vec<String>,
}

/// The URL of one part.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SignedPart {
    /// 1 to 10000.
    pub part_number: u32,
    /// Where its bytes begin in the whole; only where the size was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// How many bytes it has; only where the size was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// The URL, with the signature in it.
    pub url: String,
}

/// A part that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UploadedPart {
    /// 1 to 10000.
    pub part_number: u32,
    /// With its quotes, as HTTP writes it.
    pub etag: Option<String>,
    /// Bytes.
    pub size: u64,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// The one that it was sent with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
}

/// Which parts to list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListPartsOptions {
    /// The key, relative to the resource's prefix.
    pub key: String,
    /// The upload.
    pub upload_id: String,
    /// Where the last page ended.
    #[serde(default)]
    pub cursor: Option<String>,
    /// How many parts at most, 1 to 1000; default 1000.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u64>,
}

/// A page of the parts that are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PartPage {
    /// Relative to the resource's prefix.
    pub key: String,
    /// The upload.
    pub upload_id: String,
    /// By number.
    pub parts: Vec<UploadedPart>,
    /// Give it back as `cursor` to go on; absent at the end.
    pub cursor: Option<String>,
    /// True when there is more.
    pub truncated: bool,
}

/// An upload to complete.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompleteUpload {
    /// The key, relative to the resource's prefix.
    pub key: String,
    /// The upload.
    pub upload_id: String,
    /// The parts to put together; all that are there when it is left out.
    #[serde(default)]
    pub parts: Option<Vec<CompletePart>>,
    /// `*`: only if there is no object yet.
    #[serde(default)]
    pub if_none_match: Option<String>,
    /// Only if the object there has this `ETag`.
    #[serde(default)]
    pub if_match: Option<String>,
}

/// A part of an upload that is completed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompletePart {
    /// 1 to 10000.
    pub part_number: u32,
    /// As the store answered it.
    pub etag: String,
    /// The one that it was sent with, where the upload was begun with checksums.
    #[serde(default)]
    pub checksum: Option<Checksum>,
}

impl CompleteUpload {
    /// What cannot be completed; the text says why.
    pub fn check(&self) -> Result<(), String> {
        if self.if_none_match.as_deref().is_some_and(|value| value != "*") {
            return Err("`if_none_match` takes only `*`".to_owned());
        }
        let Some(parts) = &self.parts else { return Ok(()) };
        let numbers: BTreeSet<u32> = parts.iter().map(|part| part.part_number).collect();
        if numbers.is_empty() {
            return Err("`parts` is empty: name them, or leave it out for all that are there".to_owned());
        }
        if numbers.len() != parts.len() {
            return Err("`parts` names a part twice: take the last `ETag` of each".to_owned());
        }
        match numbers.iter().find(|number| !(1..=MOST_PARTS).contains(*number)) {
            Some(wrong) => Err(format!("`{wrong}` is no part: they are numbered from 1 to {MOST_PARTS}")),
            None => Ok(()),
        }
    }
}

/// An object that was put together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CompletedUpload {
    /// Relative to the resource's prefix.
    pub key: String,
    /// With its quotes, as HTTP writes it; some stores answer none.
    pub etag: Option<String>,
    /// The version, in buckets that keep versions.
    pub version_id: Option<String>,
    /// Of how many parts.
    pub parts: usize,
}

/// An upload to end without an object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AbortUpload {
    /// The key, relative to the resource's prefix.
    pub key: String,
    /// The upload.
    pub upload_id: String,
}

/// Which uploads to list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListUploadsOptions {
    /// Only keys that start so.
    #[serde(default)]
    pub prefix: String,
    /// Where the last page ended.
    #[serde(default)]
    pub cursor: Option<String>,
    /// How many uploads at most, 1 to 1000; default 1000.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u64>,
}

/// An upload that was begun and neither completed nor aborted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OpenUpload {
    /// Relative to the resource's prefix.
    pub key: String,
    /// The upload.
    pub upload_id: String,
    /// RFC 3339.
    pub initiated: Option<String>,
    /// For example `STANDARD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
}

/// A page of uploads that are open.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct UploadPage {
    /// By key, then in the order in which they began.
    pub uploads: Vec<OpenUpload>,
    /// Give it back as `cursor` to go on; absent at the end.
    pub cursor: Option<String>,
    /// True when there is more.
    pub truncated: bool,
}

/// Which uploads to abort.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CleanUploads {
    /// Only keys that start so.
    #[serde(default)]
    pub prefix: String,
    /// Only uploads that began so long ago: `24h`, `7d`, `90m`, or seconds. Default `24h`.
    #[serde(default = "default_age")]
    #[schema(value_type = SpanOfTime, example = "24h")]
    pub older_than: Span,
    /// Only say which they are.
    #[serde(default)]
    pub dry_run: bool,
}

fn default_age() -> Span {
    DEFAULT_AGE
}

/// What became of the uploads that were old enough.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct CleanReport {
    /// Each of them.
    pub uploads: Vec<CleanedUpload>,
    /// How many were aborted.
    pub aborted: usize,
    /// How many could not be.
    pub failed: usize,
    /// True when there are more: ask again.
    pub truncated: bool,
    /// True when nothing was changed.
    pub dry_run: bool,
}

/// One upload that was old enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CleanedUpload {
    /// Relative to the resource's prefix.
    pub key: String,
    /// The upload.
    pub upload_id: String,
    /// RFC 3339.
    pub initiated: Option<String>,
    /// `aborted`, `failed`, or `would_abort` in a dry run.
    pub outcome: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::{CompletePart, CompleteUpload, LEAST_PART, SignPartsOptions};

    fn bytes(size: u64, part_size: Option<u64>) -> Vec<(u64, u64)> {
        let options = SignPartsOptions { size: Some(size), part_size, ..SignPartsOptions::default() };
        options.wanted(LEAST_PART, 10_000).unwrap().iter().map(|part| part.bytes.unwrap()).collect()
    }

    #[test]
    fn a_whole_is_cut_without_gaps() {
        const MIB: u64 = 1 << 20;
        assert_eq!(bytes(1, None), [(0, 1)]);
        assert_eq!(bytes(32 * MIB, None), [(0, 16 * MIB), (16 * MIB, 16 * MIB)]);
        assert_eq!(bytes(11 * MIB, Some(5 * MIB)), [(0, 5 * MIB), (5 * MIB, 5 * MIB), (10 * MIB, MIB)]);
        let large = bytes(4 << 40, None);
        assert!(large.len() <= 1000);
        assert_eq!(large.iter().map(|(_, length)| length).sum::<u64>(), 4 << 40);
    }

    #[test]
    fn parts_that_nobody_can_send_are_refused() {
        let wrong = [
            SignPartsOptions::default(),
            SignPartsOptions { parts: Some(vec![]), ..SignPartsOptions::default() },
            SignPartsOptions { parts: Some(vec![0]), ..SignPartsOptions::default() },
            SignPartsOptions { parts: Some(vec![10_001]), ..SignPartsOptions::default() },
            SignPartsOptions { count: Some(1_001), ..SignPartsOptions::default() },
            SignPartsOptions { count: Some(1), size: Some(1), ..SignPartsOptions::default() },
            SignPartsOptions { count: Some(1), part_size: Some(5 << 20), ..SignPartsOptions::default() },
            SignPartsOptions { size: Some(1), part_size: Some(1), ..SignPartsOptions::default() },
            SignPartsOptions { size: Some(6 << 40), part_size: Some(5 << 20), ..SignPartsOptions::default() },
        ];
        for options in wrong {
            assert!(options.wanted(LEAST_PART, 10_000).is_err(), "{options:?}");
        }
    }

    #[test]
    fn a_completion_names_each_part_once() {
        let part = |part_number| CompletePart { part_number, etag: "\"e\"".to_owned(), checksum: None };
        let complete = |parts| CompleteUpload { parts, ..CompleteUpload::default() };
        complete(None).check().unwrap();
        complete(Some(vec![part(2), part(1)])).check().unwrap();
        for parts in [vec![], vec![part(1), part(1)], vec![part(0)], vec![part(10_001)]] {
            assert!(complete(Some(parts.clone())).check().is_err(), "{parts:?}");
        }
    }
}
