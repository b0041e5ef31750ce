//! What may be signed for others to use: URLs, and forms for uploads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::object::PutOptions;
use crate::model::resource::CannedAcl;
use crate::model::span::{Span, SpanOfTime};
use crate::model::upload::UploadExtras;

/// Seconds that a signature holds when nothing else is asked for.
pub const DEFAULT_EXPIRES: u64 = 900;
/// Seconds that a signature can hold at the most: seven days (S3 API reference, authenticating requests with query
/// parameters).
pub const MOST_EXPIRES: u64 = 604_800;
/// S3 puts the name of the uploaded file in the place of this text (S3 API reference, POST object).
const FILE_NAME: &str = "${filename}";

/// What the holder of a signed URL may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum SignMethod {
    /// Read the object.
    #[default]
    Get,
    /// Write it.
    Put,
    /// Read its metadata.
    Head,
    /// Delete it.
    Delete,
}

impl SignMethod {
    /// The method of HTTP.
    pub fn as_str(self) -> &'static str {
        match self {
            SignMethod::Get => "GET",
            SignMethod::Put => "PUT",
            SignMethod::Head => "HEAD",
            SignMethod::Delete => "DELETE",
        }
    }
}

/// A URL to sign.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignOptions {
    /// What the holder may do; `GET` when it is left out.
    #[serde(default)]
    pub method: SignMethod,
    /// The key, relative to the resource's prefix.
    #[schema(example = "2026/a.pdf")]
    pub key: String,
    /// A version; not for `PUT`.
    #[serde(default)]
    pub version: Option<String>,
    /// Seconds, or a text like `15m`; default 900, at most 604800 (seven days), and never longer than the credentials live.
    #[serde(default, deserialize_with = "Span::seconds")]
    #[schema(value_type = Option<SpanOfTime>)]
    pub expires_in: Option<u64>,
    /// The media type that the upload must have; only for `PUT`, like the fields below it.
    #[serde(default)]
    pub content_type: Option<String>,
    /// The bytes that the upload must have; needed where the resource bounds uploads.
    #[serde(default)]
    pub content_length: Option<u64>,
    /// Kept with the object.
    #[serde(default)]
    pub content_disposition: Option<String>,
    /// Kept with the object.
    #[serde(default)]
    pub content_encoding: Option<String>,
    /// Kept with the object.
    #[serde(default)]
    pub content_language: Option<String>,
    /// Kept with the object.
    #[serde(default)]
    pub cache_control: Option<String>,
    /// `*`: only if there is no object yet.
    #[serde(default)]
    pub if_none_match: Option<String>,
    /// User metadata (`x-amz-meta-*`).
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Another canned ACL than the resource's default.
    #[serde(default)]
    pub acl: Option<CannedAcl>,
    /// Another storage class than the resource's default.
    #[serde(default)]
    pub storage_class: Option<String>,
    /// The `Content-Type` of the answer, whatever the object has; only for `GET` and `HEAD`, like the fields below it.
    #[serde(default)]
    pub response_content_type: Option<String>,
    /// For example `attachment; filename="invoice.pdf"`.
    #[serde(default)]
    pub response_content_disposition: Option<String>,
    /// The `Content-Encoding` of the answer.
    #[serde(default)]
    pub response_content_encoding: Option<String>,
    /// The `Content-Language` of the answer.
    #[serde(default)]
    pub response_content_language: Option<String>,
    /// The `Cache-Control` of the answer.
    #[serde(default)]
    pub response_cache_control: Option<String>,
    /// The `Expires` of the answer.
    #[serde(default)]
    pub response_expires: Option<String>,
}

/// A signed URL: whoever has it may do what it says, without any other credential. Not `Debug`, so that it stays
/// out of logs.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SignedUrl {
    /// The URL, with the signature in it.
    #[schema(example = "https://acme-invoices.s3.eu-central-1.amazonaws.com/2026/a.pdf?X-Amz-Algorithm=…")]
    pub url: String,
    /// The method that it is good for.
    pub method: SignMethod,
    /// The headers that the holder must send, exactly so.
    pub headers: BTreeMap<String, String>,
    /// RFC 3339.
    pub expires_at: String,
    /// Seconds that it really holds.
    pub expires_in: u64,
    /// Why it holds for less than was asked, and what else is worth knowing.
    pub warnings: Vec<String>,
}

/// A form to sign: uploads by POST (S3 API reference, POST object).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignPostOptions {
    /// The key of the upload; give this or `key_prefix`.
    #[serde(default)]
    pub key: Option<String>,
    /// What the key of the upload must start with; the field `key` of the form may be any such key.
    #[serde(default)]
    #[schema(example = "uploads/")]
    pub key_prefix: Option<String>,
    /// Seconds, or a text like `15m`; default 900, at most 604800 (seven days), and never longer than the credentials live.
    #[serde(default, deserialize_with = "Span::seconds")]
    #[schema(value_type = Option<SpanOfTime>)]
    pub expires_in: Option<u64>,
    /// The media type that the upload must have.
    #[serde(default)]
    pub content_type: Option<String>,
    /// What the media type must start with, for example `image/`; the form needs a field `Content-Type` then.
    #[serde(default)]
    pub content_type_prefix: Option<String>,
    /// The least bytes; default 0.
    #[serde(default)]
    pub min_bytes: Option<u64>,
    /// The most bytes; default what the resource allows, else 5 GiB, which is what S3 takes.
    #[serde(default)]
    pub max_bytes: Option<u64>,
    /// Another canned ACL than the resource's default.
    #[serde(default)]
    pub acl: Option<CannedAcl>,
    /// What the store answers: 200, 201 or 204, which is the default.
    #[serde(default)]
    pub success_action_status: Option<u16>,
    /// Where the store sends the browser afterwards.
    #[serde(default)]
    pub success_action_redirect: Option<String>,
    /// User metadata (`x-amz-meta-*`).
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// A signed form: whoever has it may upload what its conditions allow. Not `Debug`, so that it stays out of logs.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SignedForm {
    /// Where the form goes, as `multipart/form-data` by POST.
    pub url: String,
    /// The form's fields; the field `file` comes behind them, as the last one.
    pub fields: BTreeMap<String, String>,
    /// RFC 3339.
    pub expires_at: String,
    /// Seconds that it really holds.
    pub expires_in: u64,
    /// Bytes that the upload has at the most.
    pub max_bytes: u64,
    /// Why it holds for less than was asked, and what else is worth knowing.
    pub warnings: Vec<String>,
}

/// The keys that a form may write, relative to the resource's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormKey<'a> {
    /// This one.
    Exact(&'a str),
    /// Every one that starts so.
    StartsWith(&'a str),
}

impl SignOptions {
    /// Combinations that make no sense; the text says what to do.
    pub fn check(&self) -> Result<(), String> {
        check_expiry(self.expires_in)?;
        let writes = [
            ("content_type", self.content_type.is_some()),
            ("content_length", self.content_length.is_some()),
            ("content_disposition", self.content_disposition.is_some()),
            ("content_encoding", self.content_encoding.is_some()),
            ("content_language", self.content_language.is_some()),
            ("cache_control", self.cache_control.is_some()),
            ("if_none_match", self.if_none_match.is_some()),
            ("metadata", !self.metadata.is_empty()),
            ("acl", self.acl.is_some()),
            ("storage_class", self.storage_class.is_some()),
        ];
        let method = self.method;
        if method != SignMethod::Put
            && let Some((name, _)) = writes.iter().find(|(_, given)| *given)
        {
            return Err(format!("`{name}` is for uploads: sign `PUT`, or leave it out"));
        }
        let reads = matches!(method, SignMethod::Get | SignMethod::Head);
        if !reads && let Some((name, _)) = self.response_overrides().into_iter().next() {
            return Err(format!("`{}` is for reads: sign `GET`, or leave it out", name.replace('-', "_")));
        }
        if method == SignMethod::Put && self.version.is_some() {
            return Err("a version cannot be written: leave `version` out".to_owned());
        }
        if self.if_none_match.as_deref().is_some_and(|value| value != "*") {
            return Err("`if_none_match` takes only `*`".to_owned());
        }
        Ok(())
    }

    /// What the upload is, as options of one.
    pub fn put_options(&self) -> PutOptions {
        PutOptions {
            content_type: self.content_type.clone(),
            cache_control: self.cache_control.clone(),
            content_disposition: self.content_disposition.clone(),
            content_encoding: self.content_encoding.clone(),
            content_language: self.content_language.clone(),
            metadata: lowered(&self.metadata),
            if_none_match: self.if_none_match.clone(),
            extras: UploadExtras {
                acl: self.acl,
                storage_class: self.storage_class.clone(),
                ..UploadExtras::default()
            },
            ..PutOptions::default()
        }
    }

    /// The query parameters that replace headers of the answer (S3 API reference, `GetObject`).
    pub fn response_overrides(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("response-content-type", &self.response_content_type),
            ("response-content-disposition", &self.response_content_disposition),
            ("response-content-encoding", &self.response_content_encoding),
            ("response-content-language", &self.response_content_language),
            ("response-cache-control", &self.response_cache_control),
            ("response-expires", &self.response_expires),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }
}

impl SignPostOptions {
    /// Combinations that make no sense; the text says what to do.
    pub fn check(&self) -> Result<(), String> {
        check_expiry(self.expires_in)?;
        self.target()?;
        if self.content_type.is_some() && self.content_type_prefix.is_some() {
            return Err("give either `content_type` or `content_type_prefix`".to_owned());
        }
        if let (Some(least), Some(most)) = (self.min_bytes, self.max_bytes)
            && least > most
        {
            return Err(format!("`min_bytes` is {least}, and `max_bytes` is less: {most}"));
        }
        if self.success_action_status.is_some_and(|status| ![200, 201, 204].contains(&status)) {
            return Err("`success_action_status` is 200, 201 or 204".to_owned());
        }
        if self.success_action_status.is_some() && self.success_action_redirect.is_some() {
            return Err("give either `success_action_status` or `success_action_redirect`".to_owned());
        }
        Ok(())
    }

    /// What an upload by the form is, as options of one.
    pub fn put_options(&self) -> PutOptions {
        PutOptions {
            content_type: self.content_type.clone(),
            metadata: lowered(&self.metadata),
            extras: UploadExtras { acl: self.acl, ..UploadExtras::default() },
            ..PutOptions::default()
        }
    }

    /// The keys that the form may write.
    pub fn target(&self) -> Result<FormKey<'_>, String> {
        match (&self.key, &self.key_prefix) {
            (Some(key), None) if key.contains(FILE_NAME) => Err(format!(
                "S3 puts the name of the file in the place of `{FILE_NAME}`: give what stands before it as `key_prefix`"
            )),
            (Some(key), None) => Ok(FormKey::Exact(key)),
            (None, Some(prefix)) => Ok(FormKey::StartsWith(prefix)),
            _ => Err("give either `key` or `key_prefix`".to_owned()),
        }
    }
}

/// Metadata with its names as they are signed.
fn lowered(metadata: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    metadata.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
}

/// Seconds to sign for; longer than S3 takes is shortened later, with a warning.
pub fn check_expiry(expires_in: Option<u64>) -> Result<(), String> {
    if expires_in == Some(0) { Err("`expires_in` takes seconds from 1 on".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::{FormKey, SignMethod, SignOptions, SignPostOptions};

    #[test]
    fn what_belongs_to_another_method_is_refused() {
        let refused = |options: SignOptions| options.check().unwrap_err();
        let get = SignOptions { key: "a".to_owned(), ..SignOptions::default() };
        get.check().unwrap();
        let put = SignOptions { method: SignMethod::Put, ..get.clone() };
        let typed = Some("text/plain".to_owned());
        assert!(refused(SignOptions { content_type: typed.clone(), ..get.clone() }).contains("content_type"));
        SignOptions { content_type: typed.clone(), ..put.clone() }.check().unwrap();
        assert!(
            refused(SignOptions { response_content_type: typed, ..put.clone() })
                .contains("response_content_type")
        );
        assert!(refused(SignOptions { version: Some("1".to_owned()), ..put.clone() }).contains("version"));
        assert!(refused(SignOptions { if_none_match: Some("x".to_owned()), ..put }).contains('*'));
        assert!(refused(SignOptions { expires_in: Some(0), ..get }).contains("seconds"));
    }

    #[test]
    fn a_form_is_for_one_key_or_for_one_prefix() {
        let form = |key: Option<&str>, prefix: Option<&str>| SignPostOptions {
            key: key.map(str::to_owned),
            key_prefix: prefix.map(str::to_owned),
            ..SignPostOptions::default()
        };
        assert_eq!(form(Some("a"), None).target(), Ok(FormKey::Exact("a")));
        assert_eq!(form(None, Some("")).target(), Ok(FormKey::StartsWith("")));
        assert!(form(Some("a"), Some("b")).check().is_err());
        assert!(form(None, None).check().is_err());
        assert!(form(Some("a/${filename}"), None).check().unwrap_err().contains("key_prefix"));
        assert!(
            SignPostOptions { min_bytes: Some(2), max_bytes: Some(1), ..form(Some("a"), None) }
                .check()
                .is_err()
        );
    }
}
