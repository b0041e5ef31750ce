//! Uploads in parts, step by step.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::api::query::sign::target;
use crate::http::api::query::{QueryAnswer, Ran, Run};
use crate::model::multipart::{
    AbortUpload, CleanUploads, CompleteUpload, ListPartsOptions, ListUploadsOptions, StartUpload,
};

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
