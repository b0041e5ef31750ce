//! Deletes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::api::query::{QueryAnswer, Ran, Run};
use crate::model::object::DeleteOptions;

/// The object to delete.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteQuery {
    /// The key, relative to the resource's prefix.
    #[schema(example = "2026/a.pdf")]
    key: String,
    /// A version.
    #[serde(default)]
    version: Option<String>,
    /// Only if the object has this ETag, where the provider can do that.
    #[serde(default)]
    if_match: Option<String>,
}

/// What a delete answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Deleted {
    /// The key.
    key: String,
    /// The delete marker, in buckets that keep versions.
    version_id: Option<String>,
}

pub(super) async fn delete(run: Run<'_>, wanted: DeleteQuery) -> Ran {
    let options = DeleteOptions { version_id: wanted.version, if_match: wanted.if_match };
    let deleted = run.app.delete(run.caller, run.resource, run.environment, &wanted.key, &options).await?;
    Ok((QueryAnswer::Delete(Deleted { key: wanted.key, version_id: deleted.value }), deleted.freshness))
}
