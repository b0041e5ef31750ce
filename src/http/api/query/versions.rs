//! Versions of objects.

use crate::http::api::objects::check_limit;
use crate::http::api::query::{QueryAnswer, Ran, Run};
use crate::model::version::{RestoreOptions, VersionOptions};

pub(super) async fn list(run: Run<'_>, options: VersionOptions) -> Ran {
    check_limit(options.limit, true)?;
    let page = run.app.list_versions(run.target(), options).await?;
    Ok((QueryAnswer::ListVersions(page.value), page.freshness))
}

pub(super) async fn restore(run: Run<'_>, options: RestoreOptions) -> Ran {
    let done = run.app.restore_version(run.target(), options).await?;
    Ok((QueryAnswer::RestoreVersion(done.value), done.freshness))
}
