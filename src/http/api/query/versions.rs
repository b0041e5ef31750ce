//! Versions of objects.

use axum::response::Response;

use crate::app::Permit;
use crate::http::api::objects::{self, check_limit};
use crate::http::api::query::{QueryAnswer, Ran, Run};
use crate::http::problem::Failure;
use crate::model::version::{RestoreOptions, VersionOptions};

pub(super) async fn list(run: Run<'_>, options: VersionOptions) -> Ran {
    check_limit(options.limit, true)?;
    let page = run.app.list_versions(run.target(), options).await?;
    Ok((QueryAnswer::ListVersions(page.value), page.freshness))
}

/// One row a line, to the end.
pub(super) async fn rows(run: Run<'_>, options: VersionOptions, permit: Permit) -> Result<Response, Failure> {
    check_limit(options.limit, false)?;
    Ok(objects::versions::rows(run.app.open_versions(run.target(), options).await?, permit))
}

pub(super) async fn restore(run: Run<'_>, options: RestoreOptions) -> Ran {
    let done = run.app.restore_version(run.target(), options).await?;
    Ok((QueryAnswer::RestoreVersion(done.value), done.freshness))
}
