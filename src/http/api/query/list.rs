//! Lists.

use axum::response::Response;

use crate::app::Permit;
use crate::http::api::objects::sign::keep_nowhere;
use crate::http::api::objects::{self, check_limit};
use crate::http::api::query::{QueryAnswer, Ran, Run};
use crate::http::problem::Failure;
use crate::model::object::ListOptions;

pub(super) async fn list(run: Run<'_>, options: ListOptions) -> Ran {
    check_limit(options.limit, true)?;
    let page = run.app.list(run.caller, run.resource, run.environment, options).await?;
    Ok((QueryAnswer::List(page.value), page.freshness))
}

/// One row a line, to the end.
pub(super) async fn rows(run: Run<'_>, options: ListOptions, permit: Permit) -> Result<Response, Failure> {
    check_limit(options.limit, false)?;
    let signed = options.sign_expires_in.is_some();
    let listing = run.app.open_list(run.caller, run.resource, run.environment, options).await?;
    let mut response = objects::rows(listing, permit);
    if signed {
        keep_nowhere(&mut response);
    }
    Ok(response)
}
