//! Signing: URLs and forms that do for others what the resource allows. Nothing is sent to the store.
//!
//! A signed URL is a credential: it is in the answer and nowhere else, neither in the audit nor in a log.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::connection::Connection;
use crate::app::objects::write::check_defaults;
use crate::app::objects::{Outcome, Query, Target, full_key, require, require_upload, require_version};
use crate::app::{App, Error};
use crate::aws::sign::{Held, Presigned};
use crate::aws::{AwsError, ErrorKind};
use crate::clock::rfc3339;
use crate::model::multipart::{LEAST_PART, MOST_PARTS, SignPartsOptions, SignedPart, SignedParts};
use crate::model::object::ObjectKey;
use crate::model::operation::Operation;
use crate::model::provider::Feature;
use crate::model::resource::{Auth, Encryption};
use crate::model::signed::{
    DEFAULT_EXPIRES, FormKey, MOST_EXPIRES, SignMethod, SignOptions, SignPostOptions, SignedForm, SignedUrl,
};

/// Bytes that one POST carries at the most (S3 API reference, POST object).
const MOST_POSTED: u64 = 5 << 30;
/// S3 puts the name of the uploaded file in the place of this text, in every key of a form.
const FILE_NAME: &str = "${filename}";
/// Said of a URL that clients change.
pub(super) const DOTS: &str = "the key has `.` or `..` between slashes, which browsers and most clients take out of a URL before they send it: the store refuses that. Send the path as it is (curl `--path-as-is`), or read and write through this service";

impl App {
    /// Signs a URL for one object.
    pub async fn sign(
        self: &Arc<Self>,
        target: Target<'_>,
        options: &SignOptions,
    ) -> Result<Outcome<SignedUrl>, Error> {
        options.check().map_err(Error::BadRequest)?;
        let mut query =
            self.begin(target.caller, target.resource, Operation::Sign, Some(&options.key)).await?;
        let outcome = match url_is_allowed(&query, options) {
            Err(error) => Err(error),
            Ok(()) => {
                self.with_connection(&query.resource, target.environment, |connection| async move {
                    require_for(&connection, options)?;
                    let key = full_key(&connection.prefix, &options.key)?;
                    let expires_in = options.expires_in.unwrap_or(DEFAULT_EXPIRES);
                    let signed = connection.s3.sign(&key, options, expires_in).await?;
                    Ok(signed_url(options.method, &key, signed))
                })
                .await
            }
        };
        let method = options.method.as_str();
        query.note = outcome.as_ref().ok().map(|(url, _)| format!("{method} until {}", url.expires_at));
        self.end(&query, outcome, |_| (None, None)).await
    }

    /// Signs a form for uploads by POST.
    pub async fn sign_post(
        self: &Arc<Self>,
        target: Target<'_>,
        options: &SignPostOptions,
    ) -> Result<Outcome<SignedForm>, Error> {
        options.check().map_err(Error::BadRequest)?;
        let form_key = options.target().map_err(Error::BadRequest)?;
        let (FormKey::Exact(text) | FormKey::StartsWith(text)) = form_key;
        let mut query = self.begin(target.caller, target.resource, Operation::Sign, Some(text)).await?;
        let outcome = match form_is_allowed(&query, options) {
            Err(error) => Err(error),
            Ok(most) => {
                self.with_connection(&query.resource, target.environment, |connection| async move {
                    sign_form(&connection, form_key, options, most).await
                })
                .await
            }
        };
        let what = if matches!(form_key, FormKey::Exact(_)) { "POST" } else { "POST of keys that start so" };
        query.note = outcome.as_ref().ok().map(|(form, _)| format!("{what} until {}", form.expires_at));
        self.end(&query, outcome, |_| (None, None)).await
    }

    /// Signs a URL for each part of an upload.
    pub async fn sign_parts(
        self: &Arc<Self>,
        target: Target<'_>,
        options: &SignPartsOptions,
    ) -> Result<Outcome<SignedParts>, Error> {
        require_upload(&options.upload_id)?;
        options.wanted(LEAST_PART, MOST_PARTS.into()).map_err(Error::BadRequest)?;
        let mut query =
            self.begin(target.caller, target.resource, Operation::Sign, Some(&options.key)).await?;
        let outcome = match signable(&query).and_then(|()| query.also(Operation::Multipart)) {
            Err(error) => Err(error),
            Ok(()) => {
                self.with_connection(&query.resource, target.environment, |connection| async move {
                    let key = full_key(&connection.prefix, &options.key)?;
                    let profile = connection.plan.profile;
                    let wanted =
                        options.wanted(profile.smallest_part, profile.most_parts).map_err(|text| {
                            let text = format!("the provider `{}` takes other parts: {text}", profile.id);
                            AwsError::new(ErrorKind::InvalidRequest, "s3", "InvalidPart", text)
                        })?;
                    let asked = options.expires_in.unwrap_or(DEFAULT_EXPIRES);
                    let mut parts = Vec::with_capacity(wanted.len());
                    let mut first: Option<Held> = None;
                    for part in wanted {
                        let signed =
                            connection.s3.sign_part(&key, &options.upload_id, part.number, asked).await?;
                        parts.push(SignedPart {
                            part_number: part.number,
                            offset: part.bytes.map(|(offset, _)| offset),
                            length: part.bytes.map(|(_, length)| length),
                            url: signed.url,
                        });
                        // a session may be replaced half-way: what is told holds for all
                        first = Some(match first {
                            Some(held) if held.expires_ms <= signed.held.expires_ms => held,
                            _ => signed.held,
                        });
                    }
                    let held = first.ok_or_else(nothing)?;
                    Ok(SignedParts {
                        key: options.key.clone(),
                        upload_id: options.upload_id.clone(),
                        parts,
                        expires_at: rfc3339(held.expires_ms),
                        expires_in: held.expires_in,
                        warnings: held.warnings.into_iter().chain(dots_warning(&key)).collect(),
                    })
                })
                .await
            }
        };
        query.note = outcome
            .as_ref()
            .ok()
            .map(|(signed, _)| format!("PUT of {} parts until {}", signed.parts.len(), signed.expires_at));
        self.end(&query, outcome, |_| (None, None)).await
    }
}

/// A URL to read an object, for a key that was listed over this connection. Neither audited nor checked against
/// the resource's operations: whoever calls it has done both.
pub(super) async fn sign_get_url(
    connection: &Connection,
    key: &ObjectKey,
    version: Option<String>,
    expires_in: u64,
) -> Result<SignedUrl, AwsError> {
    let options = SignOptions { version, ..SignOptions::default() };
    let signed = connection.s3.sign(key, &options, expires_in).await?;
    Ok(signed_url(SignMethod::Get, key, signed))
}

async fn sign_form(
    connection: &Connection,
    key: FormKey<'_>,
    options: &SignPostOptions,
    most: u64,
) -> Result<SignedForm, AwsError> {
    require(connection, Feature::PostForm)?;
    if options.acl.is_some() {
        require(connection, Feature::ObjectAcl)?;
    }
    check_defaults(connection, options.acl.is_none())?;
    let prefix = &connection.prefix;
    let (full, is_prefix) = match key {
        FormKey::Exact(key) => (full_key(prefix, key)?.as_str().to_owned(), false),
        // an empty start is every key of the resource
        FormKey::StartsWith("") => (prefix.clone(), true),
        FormKey::StartsWith(start) => (full_key(prefix, start)?.as_str().to_owned(), true),
    };
    if full.contains(FILE_NAME) {
        let text = format!(
            "`{FILE_NAME}` in a form stands for the name of the file: give a key or prefix without it"
        );
        return Err(AwsError::new(ErrorKind::InvalidRequest, "s3", "InvalidObjectKey", text));
    }
    let expires_in = options.expires_in.unwrap_or(DEFAULT_EXPIRES);
    let form = connection.s3.sign_form(&full, is_prefix, options, (most, expires_in)).await?;
    let Held { expires_ms, expires_in, mut warnings } = form.held;
    if options.content_type_prefix.is_some() {
        warnings.push("add a field `Content-Type` to the form that starts as was asked".to_owned());
    }
    if connection.plan.expected_owner.is_some() {
        warnings.push(
            "a form cannot check who owns the bucket: `expected_bucket_owner` is not looked at".to_owned(),
        );
    }
    Ok(SignedForm {
        url: form.url,
        fields: form.fields.into_iter().collect(),
        expires_at: rfc3339(expires_ms),
        expires_in,
        max_bytes: most,
        warnings,
    })
}

fn signed_url(method: SignMethod, key: &ObjectKey, signed: Presigned) -> SignedUrl {
    let headers: BTreeMap<String, String> = signed.headers.into_iter().collect();
    let Held { expires_ms, expires_in, mut warnings } = signed.held;
    warnings.extend(dots_warning(key));
    SignedUrl { url: signed.url, method, headers, expires_at: rfc3339(expires_ms), expires_in, warnings }
}

/// What holders of a URL should know whose clients would change it.
fn dots_warning(key: &ObjectKey) -> Option<String> {
    key.has_dot_segments().then(|| DOTS.to_owned())
}

/// Signing for others needs what they will do to be allowed as well.
fn url_is_allowed(query: &Query<'_>, options: &SignOptions) -> Result<(), Error> {
    signable(query)?;
    query.also(match options.method {
        SignMethod::Get => Operation::Get,
        SignMethod::Put => Operation::Put,
        SignMethod::Head => Operation::Head,
        SignMethod::Delete => Operation::Delete,
    })?;
    if options.acl.is_some() {
        query.also(Operation::PutAcl)?;
    }
    if options.method != SignMethod::Put {
        return Ok(());
    }
    let most = query.resource.record.definition.limits.max_put_bytes;
    match (most, options.content_length) {
        (Some(most), None) => Err(Error::BadRequest(format!(
            "the resource allows uploads of {most} bytes: give `content_length`, which is signed in"
        ))),
        (Some(most), Some(length)) if length > most => Err(Error::TooLarge(format!(
            "the upload would have {length} bytes and the resource allows uploads of {most}"
        ))),
        _ => Ok(()),
    }
}

/// The most bytes that the form may carry.
fn form_is_allowed(query: &Query<'_>, options: &SignPostOptions) -> Result<u64, Error> {
    signable(query)?;
    query.also(Operation::Put)?;
    if options.acl.is_some() {
        query.also(Operation::PutAcl)?;
    }
    let most = query.resource.record.definition.limits.max_put_bytes.unwrap_or(MOST_POSTED).min(MOST_POSTED);
    let wanted = options.max_bytes.unwrap_or(most);
    let least = options.min_bytes.unwrap_or(0);
    if wanted > most || least > most {
        let asked = wanted.max(least);
        return Err(Error::TooLarge(format!("`{asked}` bytes are more than the {most} that can be allowed")));
    }
    Ok(wanted)
}

/// Whether a list may give each row a URL to read it.
pub(super) fn may_sign_rows(query: &Query<'_>, expires_in: u64) -> Result<(), Error> {
    if !(1..=MOST_EXPIRES).contains(&expires_in) {
        let rule = format!("takes a whole number of seconds from 1 to {MOST_EXPIRES}");
        return Err(Error::field("sign_expires_in", rule));
    }
    signable(query)?;
    query.also(Operation::Sign)?;
    query.also(Operation::Get)
}

/// An anonymous resource has nothing to sign with, and the holder of a URL would have to send the key of SSE-C.
fn signable(query: &Query<'_>) -> Result<(), Error> {
    let (name, definition) = (query.resource.name(), &query.resource.record.definition);
    if matches!(definition.encryption, Encryption::SseC { .. }) {
        return Err(Error::BadRequest(format!(
            "the resource `{name}` encrypts with a key of its own (`sse_c`), which the holder of a URL would have to send along: read and write through this service"
        )));
    }
    if definition.auth != Auth::Anonymous {
        return Ok(());
    }
    Err(Error::BadRequest(format!(
        "the resource `{name}` is anonymous and has no key to sign with: use the object's plain URL, or give the resource credentials"
    )))
}

fn require_for(connection: &Connection, options: &SignOptions) -> Result<(), AwsError> {
    if options.acl.is_some() {
        require(connection, Feature::ObjectAcl)?;
    }
    if options.method == SignMethod::Put {
        check_defaults(connection, options.acl.is_none())?;
    }
    if options.if_none_match.is_some() {
        require(connection, Feature::OnlyNew)?;
    }
    require_version(connection, options.version.as_deref())
}

fn nothing() -> AwsError {
    AwsError::new(ErrorKind::InvalidRequest, "s3", "InvalidRequest", "there is nothing to sign")
}
