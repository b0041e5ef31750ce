//! Deletes.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::api::query::read::KeyQuery;
use crate::http::api::query::{QueryAnswer, Ran, Run};
use crate::model::object::DeleteOptions;

/// What a delete answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Deleted {
    /// The key.
    key: String,
    /// The delete marker, in buckets that keep versions.
    version_id: Option<String>,
}

pub(super) async fn delete(run: Run<'_>, wanted: KeyQuery) -> Ran {
    let options = DeleteOptions { version_id: wanted.version, if_match: None };
    let deleted = run.app.delete(run.caller, run.resource, run.environment, &wanted.key, &options).await?;
    Ok((QueryAnswer::Delete(Deleted { key: wanted.key, version_id: deleted.value }), deleted.freshness))
}
