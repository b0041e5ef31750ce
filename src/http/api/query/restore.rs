//! Earlier versions brought back.

use crate::http::api::query::{QueryAnswer, Ran, Run};
use crate::model::version::RestoreOptions;

pub(super) async fn restore(run: Run<'_>, options: RestoreOptions) -> Ran {
    let done = run.app.restore_version(run.target(), options).await?;
    Ok((QueryAnswer::RestoreVersion(done.value), done.freshness))
}
