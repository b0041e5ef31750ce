//! Uploads in parts, step by step: begin, look, put together, abort, and clean what others left behind.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use futures_util::{StreamExt, stream};

use crate::app::connection::Connection;
use crate::app::objects::change::OwnedTarget;
use crate::app::objects::write::{check_features, guessed_type};
use crate::app::objects::{Answered, Outcome, Query, Target, full_key, require, require_upload};
use crate::app::{App, Error};
use crate::aws::s3::{UploadMarker, Uploads};
use crate::aws::{AwsError, ErrorKind};
use crate::model::multipart::{
    AbortUpload, CleanReport, CleanUploads, CleanedUpload, CompletePart, CompleteUpload, CompletedUpload,
    ListPartsOptions, ListUploadsOptions, OpenUpload, PartPage, StartUpload, StartedUpload, UploadPage,
    UploadedPart,
};
use crate::model::object::ObjectKey;
use crate::model::operation::Operation;
use crate::model::provider::Feature;

/// Rows of one page of the store.
const PAGE: u64 = 1_000;
/// Uploads that one cleaning aborts.
const MOST_CLEANED: usize = 1_000;
/// Aborts at once.
const AT_ONCE: usize = 8;

impl App {
    /// Begins an upload in parts.
    pub async fn start_upload(
        self: &Arc<Self>,
        target: Target<'_>,
        wanted: &StartUpload,
    ) -> Result<Outcome<StartedUpload>, Error> {
        let (app, target, wanted) = (Arc::clone(self), OwnedTarget::of(target), wanted.clone());
        self.change(async move { app.begin_upload(target.as_target(), &wanted).await }).await
    }

    async fn begin_upload(
        self: &Arc<Self>,
        target: Target<'_>,
        wanted: &StartUpload,
    ) -> Result<Outcome<StartedUpload>, Error> {
        wanted.check().map_err(Error::BadRequest)?;
        let mut options = wanted.put_options();
        options.check_headers()?;
        options.content_type.get_or_insert_with(|| guessed_type(&wanted.key));
        let options = &options;
        let query =
            self.begin(target.caller, target.resource, Operation::Multipart, Some(&wanted.key)).await?;
        let acl = wanted.acl.map_or(Ok(()), |_| query.also(Operation::PutAcl));
        let tags = if wanted.tags.is_empty() { Ok(()) } else { query.also(Operation::PutTags) };
        let allowed = acl.and(tags);
        let outcome = match allowed {
            Err(error) => Err(error),
            Ok(()) => {
                self.with_connection(&query.resource, target.environment, |connection| async move {
                    let full = full_key(&connection.prefix, &wanted.key)?;
                    check_features(&connection, options)?;
                    if !options.extras.tags.is_empty() {
                        require(&connection, Feature::TagsOfParts)?;
                    }
                    let kind = wanted.checksum.as_ref().and_then(|checksum| checksum.kind);
                    let upload_id = connection.s3.create_multipart(&full, options, kind).await?;
                    Ok(StartedUpload { key: wanted.key.clone(), upload_id })
                })
                .await
            }
        };
        self.end(&query, outcome, |_| (None, None)).await
    }

    /// A page of the parts of an upload.
    pub async fn list_parts(
        self: &Arc<Self>,
        target: Target<'_>,
        wanted: &ListPartsOptions,
    ) -> Result<Outcome<PartPage>, Error> {
        require_upload(&wanted.upload_id)?;
        let most = page_size(wanted.limit)?;
        self.run(target, Operation::Multipart, Some(&wanted.key), |connection| async move {
            let full = full_key(&connection.prefix, &wanted.key)?;
            let page =
                connection.s3.list_parts(&full, &wanted.upload_id, wanted.cursor.clone(), most).await?;
            let value = PartPage {
                key: wanted.key.clone(),
                upload_id: wanted.upload_id.clone(),
                parts: page.parts,
                truncated: page.next.is_some(),
                cursor: page.next,
            };
            Ok(Answered { value, bytes: None, request_id: page.request_id })
        })
        .await
    }

    /// Puts the parts of an upload together.
    pub async fn complete_upload(
        self: &Arc<Self>,
        target: Target<'_>,
        wanted: CompleteUpload,
    ) -> Result<Outcome<CompletedUpload>, Error> {
        require_upload(&wanted.upload_id)?;
        wanted.check().map_err(Error::BadRequest)?;
        let (app, target) = (Arc::clone(self), OwnedTarget::of(target));
        self.change(async move { app.put_together(target.as_target(), &wanted).await }).await
    }

    async fn put_together(
        self: &Arc<Self>,
        target: Target<'_>,
        wanted: &CompleteUpload,
    ) -> Result<Outcome<CompletedUpload>, Error> {
        let query =
            self.begin(target.caller, target.resource, Operation::Multipart, Some(&wanted.key)).await?;
        let most = query.resource.record.definition.limits.max_put_bytes;
        let outcome = self
            .with_connection(&query.resource, target.environment, |connection| {
                complete_once(connection, wanted, most)
            })
            .await
            .map_err(too_large);
        let done = self.end(&query, outcome, |done| (done.bytes, done.request_id.clone())).await?;
        Ok(Outcome { value: done.value.value, freshness: done.freshness })
    }

    /// Ends an upload without an object.
    pub async fn abort_upload(
        self: &Arc<Self>,
        target: Target<'_>,
        wanted: AbortUpload,
    ) -> Result<Outcome<()>, Error> {
        require_upload(&wanted.upload_id)?;
        let (app, target) = (Arc::clone(self), OwnedTarget::of(target));
        self.change(async move {
            let wanted = &wanted;
            let abort = |connection: Arc<Connection>| async move {
                let full = full_key(&connection.prefix, &wanted.key)?;
                connection.s3.abort_multipart(&full, &wanted.upload_id).await?;
                Ok(Answered { value: (), bytes: None, request_id: None })
            };
            app.run(target.as_target(), Operation::Multipart, Some(&wanted.key), abort).await
        })
        .await
    }

    /// A page of the uploads that are open.
    pub async fn list_uploads(
        self: &Arc<Self>,
        target: Target<'_>,
        wanted: &ListUploadsOptions,
    ) -> Result<Outcome<UploadPage>, Error> {
        let most = page_size(wanted.limit)?;
        let after = &wanted.cursor.as_deref().map(read_cursor).transpose()?;
        self.run(target, Operation::Multipart, Some(&wanted.prefix), |connection| async move {
            let root = &connection.prefix;
            let after = after.as_ref().map(|(key, upload_id)| UploadMarker {
                key: format!("{root}{key}"),
                upload_id: upload_id.clone(),
            });
            let page = connection.s3.list_uploads(&format!("{root}{}", wanted.prefix), after, most).await?;
            let cursor = page.next.as_ref().and_then(|next| written_cursor(root, next));
            let request_id = page.request_id.clone();
            let uploads = relative(page, root).map(|(upload, _)| upload).collect();
            let value = UploadPage { uploads, truncated: cursor.is_some(), cursor };
            Ok(Answered { value, bytes: None, request_id })
        })
        .await
    }

    /// Aborts the uploads below a prefix that began long ago, and says what became of each.
    pub async fn clean_uploads(
        self: &Arc<Self>,
        target: Target<'_>,
        wanted: CleanUploads,
    ) -> Result<Outcome<CleanReport>, Error> {
        let (app, target) = (Arc::clone(self), OwnedTarget::of(target));
        self.change(async move { app.clean(target.as_target(), &wanted).await }).await
    }

    async fn clean(
        self: &Arc<Self>,
        target: Target<'_>,
        wanted: &CleanUploads,
    ) -> Result<Outcome<CleanReport>, Error> {
        let mut query =
            self.begin(target.caller, target.resource, Operation::Multipart, Some(&wanted.prefix)).await?;
        let age = i64::try_from(wanted.older_than.0).ok().and_then(|seconds| seconds.checked_mul(1000));
        let before_ms = self.clock.now_ms().saturating_sub(age.unwrap_or(i64::MAX));
        let found = self
            .with_connection(&query.resource, target.environment, |connection| async move {
                old_uploads(&connection, &wanted.prefix, before_ms).await
            })
            .await;
        let outcome = match found {
            Err(error) => Err(error),
            Ok(((old, truncated), connection)) => {
                let mut report = if wanted.dry_run {
                    would_abort(old)
                } else {
                    self.abort_each(&query, &target, old).await
                };
                report.truncated = truncated;
                Ok((report, connection))
            }
        };
        query.note = outcome.as_ref().ok().map(|(report, _)| told(report));
        self.end(&query, outcome, |_| (None, None)).await
    }

    /// Each on its own: one that cannot be aborted keeps none of the others.
    async fn abort_each(
        self: &Arc<Self>,
        query: &Query<'_>,
        target: &Target<'_>,
        old: Vec<OpenUpload>,
    ) -> CleanReport {
        let aborts = old.into_iter().map(|upload| async move {
            let key = &upload.key;
            let upload_id = &upload.upload_id;
            let aborted = self
                .with_connection(&query.resource, target.environment, |connection| async move {
                    let full = full_key(&connection.prefix, key)?;
                    connection.s3.abort_multipart(&full, upload_id).await
                })
                .await;
            match aborted {
                Ok(_) => cleaned(upload, "aborted", None),
                // somebody else was faster, and it is gone all the same
                Err(Error::Upstream(error)) if error.code == "NoSuchUpload" => {
                    cleaned(upload, "aborted", None)
                }
                Err(error) => cleaned(upload, "failed", Some(error.to_string())),
            }
        });
        let uploads: Vec<CleanedUpload> = stream::iter(aborts).buffered(AT_ONCE).collect().await;
        let failed = uploads.iter().filter(|upload| upload.error.is_some()).count();
        CleanReport { aborted: uploads.len() - failed, failed, uploads, ..CleanReport::default() }
    }
}

/// Puts together the named parts, or all; those of a bounded resource are looked at first, because signed URLs of
/// parts bound nothing.
async fn complete_once(
    connection: Arc<Connection>,
    wanted: &CompleteUpload,
    most: Option<u64>,
) -> Result<Answered<CompletedUpload>, AwsError> {
    let full = full_key(&connection.prefix, &wanted.key)?;
    if wanted.if_none_match.is_some() {
        require(&connection, Feature::OnlyNew)?;
    }
    if wanted.if_match.is_some() {
        require(&connection, Feature::ConditionalPut)?;
    }
    let numbers = wanted.parts.iter().flatten().map(|part| part.part_number);
    within_parts(&connection, numbers.max())?;
    let listed = match (&wanted.parts, most) {
        (Some(_), None) => None,
        _ => Some(all_parts(&connection, &full, &wanted.upload_id).await?),
    };
    let mut parts = match (&wanted.parts, &listed) {
        (Some(parts), _) => parts.clone(),
        (None, listed) => listed.iter().flatten().map(named).collect(),
    };
    parts.sort_by_key(|part| part.part_number);
    if parts.is_empty() {
        let text = "no part was sent yet: send them, or abort the upload";
        return Err(AwsError::new(ErrorKind::InvalidRequest, "s3", "InvalidPart", text));
    }
    let size = listed.as_ref().map(|listed| {
        let chosen = |part: &&UploadedPart| {
            parts.binary_search_by_key(&part.part_number, |part| part.part_number).is_ok()
        };
        listed.iter().filter(chosen).map(|part| part.size).sum::<u64>()
    });
    if let (Some(most), Some(size)) = (most, size)
        && size > most
    {
        let text = format!("the parts have {size} bytes and the resource allows uploads of {most}");
        return Err(AwsError::new(ErrorKind::BrokenBody, "s3", "EntityTooLarge", text));
    }
    // a part that was replaced since it was listed has another size
    let unquoted = |tag: &str| tag.trim_matches('"').to_owned();
    let is_listed = |part: &CompletePart| {
        listed.iter().flatten().any(|there| {
            there.part_number == part.part_number
                && there.etag.as_deref().map(unquoted) == Some(unquoted(&part.etag))
        })
    };
    if most.is_some() && !parts.iter().all(is_listed) {
        let text = "a part is not there with that ETag: list the parts, and send those again that differ";
        return Err(AwsError::new(ErrorKind::InvalidRequest, "s3", "InvalidPart", text));
    }
    let done = connection.s3.complete_upload(&full, wanted, &parts).await?;
    let value = CompletedUpload {
        key: wanted.key.clone(),
        etag: done.etag,
        version_id: done.version_id,
        parts: parts.len(),
    };
    Ok(Answered { value, bytes: size, request_id: done.request_id })
}

/// All parts that are there: at most ten pages.
async fn all_parts(
    connection: &Connection,
    key: &ObjectKey,
    upload_id: &str,
) -> Result<Vec<UploadedPart>, AwsError> {
    let mut parts = Vec::new();
    let mut after = None;
    loop {
        let page = connection.s3.list_parts(key, upload_id, after, 1_000).await?;
        parts.extend(page.parts);
        after = page.next;
        if after.is_none() {
            return Ok(parts);
        }
    }
}

/// The uploads that began before a moment, and whether there are more than one cleaning takes.
async fn old_uploads(
    connection: &Connection,
    prefix: &str,
    before_ms: i64,
) -> Result<(Vec<OpenUpload>, bool), AwsError> {
    let root = &connection.prefix;
    let (mut old, mut after) = (Vec::new(), None);
    loop {
        let page = connection.s3.list_uploads(&format!("{root}{prefix}"), after.take(), 1_000).await?;
        after.clone_from(&page.next);
        // one whose beginning is not known may have begun just now
        let began_before = |(_, at): &(OpenUpload, Option<i64>)| at.is_some_and(|at| at <= before_ms);
        old.extend(relative(page, root).filter(began_before).map(|(upload, _)| upload));
        if old.len() > MOST_CLEANED {
            old.truncate(MOST_CLEANED);
            return Ok((old, true));
        }
        if after.is_none() {
            return Ok((old, false));
        }
    }
}

/// Keys without the resource's prefix. What lies outside it is left out, whatever the store answers.
fn relative(page: Uploads, root: &str) -> impl Iterator<Item = (OpenUpload, Option<i64>)> {
    page.uploads.into_iter().zip(page.initiated_ms).filter_map(move |(mut upload, at)| {
        // no key of the resource is empty
        upload.key = upload.key.strip_prefix(root).filter(|key| !key.is_empty())?.to_owned();
        Some((upload, at))
    })
}

fn told(report: &CleanReport) -> String {
    if report.dry_run {
        return format!("dry run: {} uploads would be aborted", report.uploads.len());
    }
    format!("{} uploads aborted, {} failed", report.aborted, report.failed)
}

fn would_abort(old: Vec<OpenUpload>) -> CleanReport {
    let uploads = old.into_iter().map(|upload| cleaned(upload, "would_abort", None)).collect();
    CleanReport { uploads, dry_run: true, ..CleanReport::default() }
}

fn cleaned(upload: OpenUpload, outcome: &'static str, error: Option<String>) -> CleanedUpload {
    let OpenUpload { key, upload_id, initiated, .. } = upload;
    CleanedUpload { key, upload_id, initiated, outcome, error }
}

fn named(part: &UploadedPart) -> CompletePart {
    CompletePart {
        part_number: part.part_number,
        etag: part.etag.clone().unwrap_or_default(),
        checksum: part.checksum.clone(),
    }
}

fn page_size(limit: Option<u64>) -> Result<i32, Error> {
    let limit = limit.unwrap_or(PAGE);
    match i32::try_from(limit) {
        Ok(most) if (1..=PAGE).contains(&limit) => Ok(most),
        _ => Err(Error::field("limit", format!("takes a whole number from 1 to {PAGE}"))),
    }
}

/// A key and an upload, as one word.
fn written_cursor(root: &str, next: &UploadMarker) -> Option<String> {
    let key = next.key.strip_prefix(root)?;
    Some(BASE64.encode(serde_json::to_vec(&(key, &next.upload_id)).ok()?))
}

fn read_cursor(text: &str) -> Result<(String, String), Error> {
    let bytes = BASE64.decode(text).ok();
    bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| Error::field("cursor", "is none of ours: give it back as the last page gave it"))
}

fn too_large(error: Error) -> Error {
    match error {
        Error::Upstream(upstream)
            if upstream.kind == ErrorKind::BrokenBody && upstream.code == "EntityTooLarge" =>
        {
            Error::TooLarge(upstream.message)
        }
        other => other,
    }
}

/// Some providers take fewer parts than S3.
pub(super) fn within_parts(connection: &Connection, number: Option<u32>) -> Result<(), AwsError> {
    let profile = connection.plan.profile;
    let Some(number) = number.filter(|number| u64::from(*number) > profile.most_parts) else { return Ok(()) };
    let text = format!(
        "`{number}` is no part: the provider `{}` takes {} of them, so make each larger",
        profile.id, profile.most_parts
    );
    Err(AwsError::new(ErrorKind::InvalidRequest, "s3", "InvalidPart", text))
}

#[cfg(test)]
mod tests {
    use super::{read_cursor, written_cursor};
    use crate::aws::s3::UploadMarker;

    #[test]
    fn a_cursor_is_relative_and_comes_back() {
        let next = UploadMarker { key: "root/a ü\"".to_owned(), upload_id: "2~x/y".to_owned() };
        let cursor = written_cursor("root/", &next).unwrap();
        assert_eq!(read_cursor(&cursor).unwrap(), ("a ü\"".to_owned(), "2~x/y".to_owned()));
        assert_eq!(written_cursor("other/", &next), None);
        assert!(read_cursor("nonsense").is_err());
    }
}
