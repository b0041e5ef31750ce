//! Lists.

use crate::http::api::objects::check_limit;
use crate::http::api::query::{QueryAnswer, Ran, Run};
use crate::model::object::ListOptions;

pub(super) async fn list(run: Run<'_>, options: ListOptions) -> Ran {
    check_limit(options.limit, true)?;
    let page = run.app.list(run.caller, run.resource, run.environment, options).await?;
    Ok((QueryAnswer::List(page.value), page.freshness))
}
