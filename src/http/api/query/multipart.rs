//! Uploads in parts, step by step.

use std::time::Duration;

use axum::body::Body;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::PartUpload;
use crate::http::api::query::sign::target;
use crate::http::api::query::write::content;
use crate::http::api::query::{QueryAnswer, Ran, Run};
use crate::http::body::bounded;
use crate::model::multipart::{
    AbortUpload, CleanUploads, CompleteUpload, ListPartsOptions, ListUploadsOptions, StartUpload,
};
use crate::model::upload::Checksum;

/// One part of an upload: give `text` or `base64`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UploadPartQuery {
    /// The key, relative to the resource's prefix.
    #[schema(example = "2026/film.mp4")]
    key: String,
    /// The upload, as `create_multipart_upload` names it.
    upload_id: String,
    /// 1 to 10000. Every part but the last has at least 5 MiB.
    #[schema(minimum = 1, maximum = 10_000)]
    part_number: u32,
    /// The content as UTF-8.
    #[serde(default)]
    text: Option<String>,
    /// The content as base64. A body of JSON has 1 MiB at the most where `server.max_json_bytes` says nothing else: larger
    /// parts go over plain HTTP.
    #[serde(default)]
    base64: Option<String>,
    /// Of the part, for an upload that was begun with one.
    #[serde(default)]
    checksum: Option<Checksum>,
}

/// What an abort answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct AbortedUpload {
    /// The key.
    key: String,
    /// The upload that is no more.
    upload_id: String,
}

pub(super) async fn create(run: Run<'_>, wanted: StartUpload) -> Ran {
    let started = run.app.start_upload(target(run), &wanted).await?;
    Ok((QueryAnswer::CreateMultipartUpload(started.value), started.freshness))
}

pub(super) async fn part(run: Run<'_>, wanted: UploadPartQuery) -> Ran {
    let UploadPartQuery { key, upload_id, part_number: number, text, base64, checksum } = wanted;
    let bytes = content(text, base64)?;
    let length = Some(bytes.len() as u64);
    let idle = Duration::from_millis(run.app.config.server.body_idle_timeout_ms);
    let body = bounded(Body::from(bytes), idle, length);
    let part = PartUpload { key, upload_id, number, body, length, checksum };
    let sent = run.app.upload_part(target(run), part).await?;
    Ok((QueryAnswer::UploadPart(sent.value), sent.freshness))
}

pub(super) async fn parts(run: Run<'_>, wanted: ListPartsOptions) -> Ran {
    let page = run.app.list_parts(target(run), &wanted).await?;
    Ok((QueryAnswer::ListParts(page.value), page.freshness))
}

pub(super) async fn complete(run: Run<'_>, wanted: CompleteUpload) -> Ran {
    let done = run.app.complete_upload(target(run), wanted).await?;
    Ok((QueryAnswer::CompleteMultipartUpload(done.value), done.freshness))
}

pub(super) async fn abort(run: Run<'_>, wanted: AbortUpload) -> Ran {
    let answer = AbortedUpload { key: wanted.key.clone(), upload_id: wanted.upload_id.clone() };
    let done = run.app.abort_upload(target(run), wanted).await?;
    Ok((QueryAnswer::AbortMultipartUpload(answer), done.freshness))
}

pub(super) async fn uploads(run: Run<'_>, wanted: ListUploadsOptions) -> Ran {
    let page = run.app.list_uploads(target(run), &wanted).await?;
    Ok((QueryAnswer::ListMultipartUploads(page.value), page.freshness))
}

pub(super) async fn clean(run: Run<'_>, wanted: CleanUploads) -> Ran {
    let report = run.app.clean_uploads(target(run), wanted).await?;
    Ok((QueryAnswer::CleanMultipartUploads(report.value), report.freshness))
}
