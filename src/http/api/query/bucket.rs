//! What the bucket is set to.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::app::connection::Freshness;
use crate::app::{BucketCare, BucketWanted};
use crate::http::api::query::{QueryAnswer, Ran, Run};
use crate::http::problem::Failure;
use crate::model::bucket::{Aspect, BucketChange, CorsRule, CorsRules};

/// Which aspects of the bucket to read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BucketQuery {
    /// All when absent.
    #[serde(default)]
    aspects: Vec<Aspect>,
}

/// The CORS configuration that the bucket gets. Needs the role `editor`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutCorsQuery {
    /// 1 to 100 rules; the first one that fits counts.
    #[serde(alias = "CORSRules")]
    rules: Vec<CorsRule>,
    /// Say what would happen and change nothing.
    #[serde(default)]
    dry_run: bool,
}

/// Takes the CORS configuration away. Needs the role `editor`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteCorsQuery {
    /// Say what would happen and change nothing.
    #[serde(default)]
    dry_run: bool,
}

/// The policy that the bucket gets. Needs the role `editor`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutPolicyQuery {
    /// The policy document.
    #[schema(value_type = Object)]
    policy: Map<String, Value>,
    /// Although it would lock the resource's own identity out.
    #[serde(default)]
    force: bool,
    /// Say what would happen and change nothing.
    #[serde(default)]
    dry_run: bool,
}

/// Takes the policy away. Needs the role `editor`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeletePolicyQuery {
    /// Although it grants the resource's own identity what it needs.
    #[serde(default)]
    force: bool,
    /// Say what would happen and change nothing.
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn get(run: Run<'_>, wanted: BucketQuery) -> Ran {
    let found = run.app.get_bucket(run.target(), &wanted.aspects).await?;
    Ok((QueryAnswer::GetBucket(found.value), found.freshness))
}

/// What changed.
type Changed = Result<(BucketChange, Freshness), Failure>;

pub(super) async fn put_cors(run: Run<'_>, wanted: PutCorsQuery) -> Changed {
    let care = BucketCare { dry_run: wanted.dry_run, force: false };
    change(run, BucketWanted::PutCors(CorsRules { rules: wanted.rules }), care).await
}

pub(super) async fn delete_cors(run: Run<'_>, wanted: DeleteCorsQuery) -> Changed {
    change(run, BucketWanted::DeleteCors, BucketCare { dry_run: wanted.dry_run, force: false }).await
}

pub(super) async fn put_policy(run: Run<'_>, wanted: PutPolicyQuery) -> Changed {
    let care = BucketCare { dry_run: wanted.dry_run, force: wanted.force };
    change(run, BucketWanted::PutPolicy(Value::Object(wanted.policy)), care).await
}

pub(super) async fn delete_policy(run: Run<'_>, wanted: DeletePolicyQuery) -> Changed {
    let care = BucketCare { dry_run: wanted.dry_run, force: wanted.force };
    change(run, BucketWanted::DeletePolicy, care).await
}

async fn change(run: Run<'_>, wanted: BucketWanted, care: BucketCare) -> Changed {
    let changed = run.app.change_bucket(run.target(), wanted, care).await?;
    Ok((changed.value, changed.freshness))
}
