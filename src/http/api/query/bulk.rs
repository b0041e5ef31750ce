//! Deletes of many, copies, moves and renames: one answer with what became of each key.

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{BulkKey, Progress, Step};
use crate::http::api::query::{QueryAnswer, Ran, Run};
use crate::http::problem::{Failure, Problem, problem};
use crate::model::bulk::{
    BulkPlan, CopyOptions, DeleteMany, DeletePrefix, KeyOutcome, KeyVersion, MOST_KEYS, RenamePrefix,
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

pub(super) async fn delete_many(run: Run<'_>, wanted: DeleteMany) -> Ran {
    let keys: Vec<KeyVersion> = wanted.keys.into_iter().map(KeyVersion::from).collect();
    if wanted.dry_run {
        let plan = run.app.plan_delete_many(run.caller, run.resource, run.environment, keys).await?;
        return Ok((QueryAnswer::Bulk(BulkAnswer::Plan(plan.value)), plan.freshness));
    }
    gathered(run.app.delete_many(run.caller, run.resource, run.environment, keys).await?).await
}

pub(super) async fn delete_prefix(run: Run<'_>, wanted: DeletePrefix) -> Ran {
    let Run { app, caller, resource, environment } = run;
    if wanted.dry_run {
        let plan = app.plan_delete_prefix(caller, resource, environment, &wanted).await?;
        return Ok((QueryAnswer::Bulk(BulkAnswer::Plan(plan.value)), plan.freshness));
    }
    let most = Some(MOST_KEYS as u64);
    gathered(app.delete_prefix(caller, resource, environment, &wanted, most).await?).await
}

pub(super) async fn rename_prefix(run: Run<'_>, wanted: RenamePrefix) -> Ran {
    let Run { app, caller, resource, environment } = run;
    if wanted.dry_run {
        let plan = app.plan_rename(caller, resource, environment, &wanted).await?;
        return Ok((QueryAnswer::Bulk(BulkAnswer::Plan(plan.value)), plan.freshness));
    }
    let most = Some(MOST_KEYS as u64);
    gathered(app.rename_prefix(caller, resource, environment, wanted, most).await?).await
}

pub(super) async fn copy(run: Run<'_>, wanted: CopyOptions, moves: bool) -> Ran {
    let copied = run.app.copy_object(run.caller, run.resource, run.environment, wanted, moves).await?;
    Ok((QueryAnswer::Copy(copied.value), copied.freshness))
}

/// Waits for the end. What failed before anything was done is an error of its own.
async fn gathered(mut progress: Progress) -> Ran {
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
        let text = "the work ended unexpectedly";
        let kind = crate::aws::ErrorKind::Internal;
        return Err(Failure(crate::aws::AwsError::new(kind, "s3", "InternalError", text).into()));
    }
    Ok((QueryAnswer::Bulk(BulkAnswer::Result(result)), progress.freshness))
}
