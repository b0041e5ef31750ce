//! Deletes of many and renames: one answer with what became of each key.

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::connection::Freshness;
use crate::app::{BulkKey, Outcome, Progress, Step};
use crate::http::api::query::Run;
use crate::http::problem::{Failure, Problem, problem};
use crate::model::bulk::{
    BulkPlan, DeleteMany, DeletePrefix, KeyOutcome, KeyToDelete, MOST_KEYS, RenamePrefix,
};

/// What became of one key.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyResult {
    /// The key, relative to the resource's prefix.
    key: String,
    /// The version, when one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// The new key, of a move.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// What became of it.
    outcome: KeyOutcome,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem>,
}

/// What a query over many objects came to.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct BulkResult {
    /// Keys that are done with.
    done: u64,
    /// Keys that failed; their objects are where they were.
    failed: u64,
    /// What became of each key, at most 10000.
    results: Vec<KeyResult>,
    /// True when there is more: send the query again with `cursor`.
    truncated: bool,
    /// Where to go on.
    cursor: Option<String>,
    /// Why it ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Box<Problem>>,
}

/// What a dry run found, or what the query came to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum BulkAnswer {
    /// With `dry_run`.
    Plan(BulkPlan),
    /// Without.
    Result(BulkResult),
}

impl From<BulkKey> for KeyResult {
    fn from(told: BulkKey) -> Self {
        let BulkKey { key, version, to, outcome, error } = told;
        KeyResult { key, version, to, outcome, error: error.map(problem) }
    }
}

/// What became of the objects: the plan of a dry run, or the end of the work.
type Bulk = Result<(BulkAnswer, Freshness), Failure>;

/// What is done to many objects.
#[derive(Debug)]
pub(in crate::http::api) enum Many {
    Delete(DeleteMany),
    DeletePrefix(DeletePrefix),
    RenamePrefix(Box<RenamePrefix>),
}

impl Many {
    /// A dry run has nothing to stream.
    pub(in crate::http::api) fn is_dry_run(&self) -> bool {
        match self {
            Many::Delete(wanted) => wanted.dry_run,
            Many::DeletePrefix(wanted) => wanted.dry_run,
            Many::RenamePrefix(wanted) => wanted.dry_run,
        }
    }

    /// Begins what is no dry run; there is no bound on its keys.
    pub(in crate::http::api) async fn start(self, run: Run<'_>) -> Result<Progress, Failure> {
        let Run { app, caller, resource, environment } = run;
        let started = match self {
            Many::Delete(wanted) => {
                let keys = wanted.keys.into_iter().map(KeyToDelete::named).collect();
                app.delete_many(caller, resource, environment, keys).await?
            }
            Many::DeletePrefix(wanted) => {
                app.delete_prefix(caller, resource, environment, &wanted, None).await?
            }
            Many::RenamePrefix(wanted) => {
                app.rename_prefix(caller, resource, environment, *wanted, None).await?
            }
        };
        Ok(started)
    }

    /// Runs to the end, or to as many keys as one answer holds.
    pub(in crate::http::api) async fn finish(self, run: Run<'_>) -> Bulk {
        let Run { app, caller, resource, environment } = run;
        let most = Some(MOST_KEYS as u64);
        match self {
            Many::Delete(wanted) => {
                let keys = wanted.keys.into_iter().map(KeyToDelete::named).collect();
                if wanted.dry_run {
                    return Ok(plan(app.plan_delete_many(caller, resource, environment, keys).await?));
                }
                gathered(app.delete_many(caller, resource, environment, keys).await?).await
            }
            Many::DeletePrefix(wanted) if wanted.dry_run => {
                Ok(plan(app.plan_delete_prefix(caller, resource, environment, &wanted).await?))
            }
            Many::DeletePrefix(wanted) => {
                gathered(app.delete_prefix(caller, resource, environment, &wanted, most).await?).await
            }
            Many::RenamePrefix(wanted) if wanted.dry_run => {
                Ok(plan(app.plan_rename(caller, resource, environment, &wanted).await?))
            }
            Many::RenamePrefix(wanted) => {
                gathered(app.rename_prefix(caller, resource, environment, *wanted, most).await?).await
            }
        }
    }
}

fn plan(found: Outcome<BulkPlan>) -> (BulkAnswer, Freshness) {
    (BulkAnswer::Plan(found.value), found.freshness)
}

/// Waits for the end. What failed before anything was done is an error of its own.
async fn gathered(mut progress: Progress) -> Bulk {
    let mut result = BulkResult::default();
    let mut ended = false;
    while let Some(step) = progress.next().await {
        match step {
            Step::Key(key) => result.results.push(key.into()),
            Step::Mark(mark) => result.cursor = Some(mark.cursor),
            Step::End(end) => {
                if let Some(error) = end.error {
                    if result.results.is_empty() {
                        return Err(Failure(error));
                    }
                    result.error = Some(Box::new(problem(error)));
                }
                (result.done, result.failed) = (end.done, end.failed);
                result.truncated = end.cursor.is_some();
                result.cursor = end.cursor;
                ended = true;
            }
        }
    }
    if !ended {
        let text = "the work ended unexpectedly: look what was done, and go on from there";
        let kind = crate::aws::ErrorKind::Internal;
        return Err(Failure(crate::aws::AwsError::new(kind, "s3", "InternalError", text).into()));
    }
    Ok((BulkAnswer::Result(result), progress.freshness))
}
