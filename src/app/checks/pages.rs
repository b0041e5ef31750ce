//! May pages of other origins use the bucket from browsers.

use std::time::Instant;

use crate::app::App;
use crate::app::checks::Checks;
use crate::app::connection::Connection;
use crate::app::propose::Written;
use crate::app::sources::failed;
use crate::cors::Operation as PageOperation;
use crate::model::check::{Check, Status};
use crate::model::cors_check::{CorsCheck, CorsCheckWanted};
use crate::model::operation::Operation;
use crate::model::resource::Definition;

const NAME: &str = "cors-allows-browser";
const CALL: &str = "OPTIONS and GET with the Origin of a page, s3:GetBucketCors";

impl App {
    /// Compares what the configuration says with what the store does, for the origins that the resource lists.
    pub(super) async fn cors_allows_browser(
        &self,
        written: Written<'_>,
        connection: &Connection,
        checks: &mut Checks,
    ) {
        let started = Instant::now();
        let origins = &written.definition.browser_origins;
        if origins.is_empty() {
            let text = "no origin is given: list `browser_origins` in the resource, or give `origins`";
            checks.push(Check::new(NAME, Status::Skipped, text), started);
            return;
        }
        let uses = uses(written.definition);
        if uses.is_empty() {
            checks.not_needed(NAME);
            return;
        }
        let wanted = CorsCheckWanted::of(origins, uses);
        let check = match self.live_cors(connection, written, &wanted).await {
            Ok(found) => of(found),
            Err(error) => failed(NAME, CALL, &error),
        };
        checks.push(check, started);
    }
}

/// What pages may do through URLs that the resource signs.
fn uses(definition: &Definition) -> Vec<PageOperation> {
    let allows = |wanted: &[Operation]| {
        let allowed = definition.operations.as_ref();
        allowed.is_none_or(|allowed| wanted.iter().any(|operation| allowed.contains(operation)))
    };
    let read = allows(&[Operation::Get]).then_some(PageOperation::Get);
    let write = allows(&[Operation::Put, Operation::Multipart]).then_some(PageOperation::Put);
    read.into_iter().chain(write).collect()
}

fn of(found: CorsCheck) -> Check {
    let status = match (found.works, &found.cause) {
        (true, None) => Status::Passed,
        (true, Some(_)) => Status::Warning,
        (false, _) => Status::Failed,
    };
    let mut check = Check::new(NAME, status, found.detail);
    check.call = Some(CALL.to_owned());
    check.cause = found.cause;
    check.remedy = found.remedy;
    check.fix = found.fix;
    check
}
