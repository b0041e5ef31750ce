//! Queries over many objects, and copies: what is asked, what each key came to, and where to go on.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::resource::CannedAcl;

/// Keys that one query names, and results of one JSON answer.
pub const MOST_KEYS: usize = 10_000;

/// A key to delete: the key alone, or with a version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(untagged, expecting = "this takes a key, or an object with `key` and maybe `version` or `if_match`")]
pub enum KeyToDelete {
    /// The key.
    Key(String),
    /// One version of it, or only as long as it is what it was.
    Named(NamedKey),
}

/// A key, and maybe one version of it or a condition.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedKey {
    /// The key, relative to the resource's prefix.
    #[schema(example = "2026/a.pdf")]
    pub key: String,
    /// A version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Only if the object has this ETag, where the provider can do that; not with `version`, which is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<String>,
}

impl KeyToDelete {
    /// What it says, in one form.
    pub fn named(self) -> NamedKey {
        match self {
            KeyToDelete::Key(key) => NamedKey { key, version: None, if_match: None },
            KeyToDelete::Named(named) => named,
        }
    }
}

/// Many keys to delete.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteMany {
    /// 1 to 10000 keys.
    pub keys: Vec<KeyToDelete>,
    /// Only look which of them are there.
    #[serde(default)]
    pub dry_run: bool,
}

/// A prefix whose objects are deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeletePrefix {
    /// Every key that starts so, relative to the resource's prefix; empty is every key of the resource.
    #[schema(example = "2024/")]
    pub prefix: String,
    /// Only count.
    #[serde(default)]
    pub dry_run: bool,
    /// What the dry run counted. Nothing is deleted when another number is there by now.
    #[serde(default)]
    pub confirm_count: Option<u64>,
    /// Where an earlier call ended.
    #[serde(default)]
    pub cursor: Option<String>,
}

/// A prefix whose objects move below another one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenamePrefix {
    /// Every key that starts so.
    #[schema(example = "inbox/")]
    pub from: String,
    /// What stands in its place.
    #[schema(example = "archive/2026/")]
    pub to: String,
    /// Another resource to move the objects to.
    #[serde(default)]
    pub to_resource: Option<String>,
    /// Only count.
    #[serde(default)]
    pub dry_run: bool,
    /// What the dry run counted. Nothing is moved when another number is there by now.
    #[serde(default)]
    pub confirm_count: Option<u64>,
    /// Where an earlier call ended.
    #[serde(default)]
    pub cursor: Option<String>,
    /// Replace what is there under the new keys. Without it such a key fails, and its object stays where it is.
    #[serde(default)]
    pub overwrite: bool,
    /// `replace` takes the metadata and content headers of this query in place of the source's.
    #[serde(default)]
    pub metadata_directive: Directive,
    /// User metadata; with `metadata_directive: replace`.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// The media type; with `metadata_directive: replace`, guessed from each new key when absent.
    #[serde(default)]
    pub content_type: Option<String>,
    /// With `metadata_directive: replace`.
    #[serde(default)]
    pub cache_control: Option<String>,
    /// With `metadata_directive: replace`.
    #[serde(default)]
    pub content_disposition: Option<String>,
    /// With `metadata_directive: replace`.
    #[serde(default)]
    pub content_encoding: Option<String>,
    /// With `metadata_directive: replace`.
    #[serde(default)]
    pub content_language: Option<String>,
    /// When caches let it go, as HTTP writes dates; with `metadata_directive: replace`.
    #[serde(default)]
    #[schema(example = "Fri, 01 Jan 2027 00:00:00 GMT")]
    pub expires: Option<String>,
    /// `replace` takes the tags of this query in place of the source's.
    #[serde(default)]
    pub tags_directive: Directive,
    /// Tags; with `tags_directive: replace`.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// A canned ACL for the objects; absent takes the resource's `default_acl`.
    #[serde(default)]
    pub acl: Option<CannedAcl>,
    /// A storage class for the objects; absent takes the resource's `default_storage_class`.
    #[serde(default)]
    #[schema(example = "STANDARD_IA")]
    pub storage_class: Option<String>,
}

impl RenamePrefix {
    /// What one object gets on its way.
    pub fn copy_options(&self, from: String, to: String) -> CopyOptions {
        CopyOptions {
            from,
            to,
            to_resource: self.to_resource.clone(),
            metadata_directive: self.metadata_directive,
            metadata: self.metadata.clone(),
            content_type: self.content_type.clone(),
            cache_control: self.cache_control.clone(),
            content_disposition: self.content_disposition.clone(),
            content_encoding: self.content_encoding.clone(),
            content_language: self.content_language.clone(),
            expires: self.expires.clone(),
            tags_directive: self.tags_directive,
            tags: self.tags.clone(),
            acl: self.acl,
            storage_class: self.storage_class.clone(),
            ..CopyOptions::default()
        }
    }

    /// What cannot be done; the text says why.
    pub fn check(&self) -> Result<(), String> {
        self.copy_options(String::new(), String::new()).check()
    }
}

/// Whether a copy keeps what the source has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Directive {
    /// As the source has it.
    #[default]
    Copy,
    /// What the query gives, and nothing else.
    Replace,
}

/// An object to copy or to move.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CopyOptions {
    /// The key to copy.
    #[schema(example = "inbox/a.pdf")]
    pub from: String,
    /// The new key, relative to the prefix of the resource that it goes to.
    #[schema(example = "archive/a.pdf")]
    pub to: String,
    /// Another resource to copy to.
    #[serde(default)]
    pub to_resource: Option<String>,
    /// A version of the source.
    #[serde(default)]
    pub version: Option<String>,
    /// `replace` takes the metadata and content headers of this query in place of the source's.
    #[serde(default)]
    pub metadata_directive: Directive,
    /// User metadata; with `metadata_directive: replace`.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// The media type; with `metadata_directive: replace`, guessed from the new key when absent.
    #[serde(default)]
    pub content_type: Option<String>,
    /// With `metadata_directive: replace`.
    #[serde(default)]
    pub cache_control: Option<String>,
    /// With `metadata_directive: replace`.
    #[serde(default)]
    pub content_disposition: Option<String>,
    /// With `metadata_directive: replace`.
    #[serde(default)]
    pub content_encoding: Option<String>,
    /// With `metadata_directive: replace`.
    #[serde(default)]
    pub content_language: Option<String>,
    /// When caches let it go, as HTTP writes dates; with `metadata_directive: replace`.
    #[serde(default)]
    #[schema(example = "Fri, 01 Jan 2027 00:00:00 GMT")]
    pub expires: Option<String>,
    /// `replace` takes the tags of this query in place of the source's.
    #[serde(default)]
    pub tags_directive: Directive,
    /// Tags; with `tags_directive: replace`.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// A canned ACL for the copy; absent takes the resource's `default_acl`.
    #[serde(default)]
    pub acl: Option<CannedAcl>,
    /// A storage class for the copy; absent takes the resource's `default_storage_class`.
    #[serde(default)]
    #[schema(example = "STANDARD_IA")]
    pub storage_class: Option<String>,
    /// `*`: only if there is no object under the new key yet.
    #[serde(default)]
    pub if_none_match: Option<String>,
    /// Only look: whether the source is there, and how its bytes would go.
    #[serde(default)]
    pub dry_run: bool,
}

impl CopyOptions {
    /// What does not go together would be ignored by a store, so it is refused.
    pub fn check(&self) -> Result<(), String> {
        let headers = [
            ("content_type", &self.content_type),
            ("cache_control", &self.cache_control),
            ("content_disposition", &self.content_disposition),
            ("content_encoding", &self.content_encoding),
            ("content_language", &self.content_language),
            ("expires", &self.expires),
        ];
        let mut given = headers.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| *name);
        let first = given.next().or((!self.metadata.is_empty()).then_some("metadata"));
        if let Some(name) = first.filter(|_| self.metadata_directive == Directive::Copy) {
            return Err(format!(
                "`{name}` is only taken with `\"metadata_directive\": \"replace\"`, which leaves the source's behind"
            ));
        }
        if !self.tags.is_empty() && self.tags_directive == Directive::Copy {
            return Err("`tags` are only taken with `\"tags_directive\": \"replace\"`".to_owned());
        }
        if self.if_none_match.as_deref().is_some_and(|value| value != "*") {
            return Err("`if_none_match` takes only `*`".to_owned());
        }
        Ok(())
    }

    /// Whether a copy onto itself would change anything.
    pub fn changes_something(&self) -> bool {
        self.metadata_directive == Directive::Replace
            || self.tags_directive == Directive::Replace
            || self.acl.is_some()
            || self.storage_class.is_some()
            || self.version.is_some()
    }
}

/// What a key came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyOutcome {
    /// It is not there any more.
    Deleted,
    /// It is there twice.
    Copied,
    /// It is where it should be.
    Moved,
    /// It is where it was.
    Failed,
    /// It is where it was, because this was a dry run of a copy or a move that nothing stood against.
    Planned,
}

/// How the bytes of a copy went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CopyWay {
    /// Inside the store, in one request.
    Server,
    /// Inside the store, in parts.
    Parts,
    /// Through this service, because the resources do not share a store and its credentials.
    Streamed,
}

/// What a copy or a move left behind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct CopyResult {
    /// The source.
    pub from: String,
    /// The new key.
    pub to: String,
    /// The resource that it is in, when it is another.
    pub to_resource: Option<String>,
    /// `copied` or `moved`; `planned` for a dry run.
    pub outcome: KeyOutcome,
    /// Bytes.
    pub size: u64,
    /// Of the copy, with its quotes; of the source for a dry run.
    pub etag: Option<String>,
    /// Of the copy, in buckets that keep versions.
    pub version_id: Option<String>,
    /// How the bytes went.
    pub way: CopyWay,
}

/// What a dry run found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct BulkPlan {
    /// Always true.
    pub dry_run: bool,
    /// Objects.
    pub count: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// The first keys, at most ten; of named keys all that are there.
    pub keys: Vec<String>,
    /// Named keys that are not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Objects whose new keys are taken by what has another size or ETag: without `overwrite` they stay where they are,
    /// unless that turns out to be their copy. Absent where that makes no difference, and where the target may not be
    /// listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<u64>,
    /// The first of these keys, at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken_keys: Vec<String>,
    /// Give it back to go ahead; absent for named keys, which need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_count: Option<u64>,
}

/// Where a query over a prefix stands. It holds nothing but what its caller knows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Cursor {
    /// The prefix, and for a rename what stands in its place.
    #[serde(rename = "p")]
    pub prefixes: Vec<String>,
    /// The last key that is done with, relative to the resource's prefix.
    #[serde(rename = "a")]
    pub after: String,
    /// Keys that were confirmed and are still to come.
    #[serde(rename = "n")]
    pub left: u64,
}

impl Cursor {
    /// As callers see it.
    pub fn encode(&self) -> String {
        // texts and a number can always be written
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads one that belongs to these prefixes.
    pub fn parse(text: &str, prefixes: &[&str]) -> Result<Cursor, String> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let read = bytes.and_then(|bytes| serde_json::from_slice::<Cursor>(&bytes).ok());
        let cursor =
            read.ok_or("the cursor cannot be read: give back the one of the last answer as it was")?;
        if cursor.prefixes == prefixes {
            return Ok(cursor);
        }
        Err("the cursor belongs to a query over other prefixes: repeat that one, or leave the cursor out"
            .to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{CopyOptions, Cursor, Directive, KeyToDelete, NamedKey};

    #[test]
    fn a_key_to_delete_is_a_text_or_names_a_version() {
        let read = |text: &str| serde_json::from_str::<KeyToDelete>(text).map(KeyToDelete::named);
        let plain = NamedKey { key: "a".to_owned(), version: None, if_match: None };
        assert_eq!(read("\"a\"").unwrap(), plain);
        let version = NamedKey { version: Some("1".to_owned()), ..plain };
        assert_eq!(read(r#"{"key": "a", "version": "1"}"#).unwrap(), version);
        assert!(read(r#"{"key": "a", "versoin": "1"}"#).is_err());
    }

    #[test]
    fn a_cursor_comes_back_and_only_fits_its_prefixes() {
        let cursor = Cursor { prefixes: vec!["ü/".to_owned()], after: "ü/\u{1}\"".to_owned(), left: 7 };
        assert_eq!(Cursor::parse(&cursor.encode(), &["ü/"]), Ok(cursor.clone()));
        assert!(Cursor::parse(&cursor.encode(), &["u/"]).is_err());
        assert!(Cursor::parse(&cursor.encode(), &["ü/", ""]).is_err());
        assert!(Cursor::parse("!", &["ü/"]).is_err());
    }

    #[test]
    fn what_a_store_would_ignore_is_refused() {
        let typed = CopyOptions { content_type: Some("text/plain".to_owned()), ..CopyOptions::default() };
        assert!(typed.check().unwrap_err().contains("`content_type`"));
        assert_eq!(CopyOptions { metadata_directive: Directive::Replace, ..typed.clone() }.check(), Ok(()));
        let tags = [("a".to_owned(), "b".to_owned())].into();
        assert!(CopyOptions { tags, ..CopyOptions::default() }.check().is_err());
        let condition = Some("\"tag\"".to_owned());
        assert!(CopyOptions { if_none_match: condition, ..CopyOptions::default() }.check().is_err());
    }
}
