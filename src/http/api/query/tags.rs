//! Tags and ACLs of objects.

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::api::objects::acl::AclWritten;
use crate::http::api::query::read::KeyQuery;
use crate::http::api::query::{QueryAnswer, Ran, Run};
use crate::model::resource::CannedAcl;

/// An object and the tags that it gets.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutTagsQuery {
    /// The key, relative to the resource's prefix.
    #[schema(example = "2026/a.pdf")]
    key: String,
    /// A version.
    #[serde(default)]
    version: Option<String>,
    /// At most 10, by name; they take the place of those that are there.
    #[schema(example = json!({"department": "finance"}))]
    tags: BTreeMap<String, String>,
}

/// An object and the ACL that it gets.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutAclQuery {
    /// The key, relative to the resource's prefix.
    #[schema(example = "2026/a.pdf")]
    key: String,
    /// A version.
    #[serde(default)]
    version: Option<String>,
    /// A canned ACL.
    acl: CannedAcl,
}

pub(super) async fn get_tags(run: Run<'_>, wanted: KeyQuery) -> Ran {
    let found = run.app.get_tags(run.target(), &wanted.key, wanted.version.as_deref()).await?;
    Ok((QueryAnswer::GetTags(found.value), found.freshness))
}

pub(super) async fn put_tags(run: Run<'_>, wanted: PutTagsQuery) -> Ran {
    let version = wanted.version.as_deref();
    let done = run.app.put_tags(run.target(), &wanted.key, version, wanted.tags).await?;
    Ok((QueryAnswer::PutTags(done.value), done.freshness))
}

pub(super) async fn delete_tags(run: Run<'_>, wanted: KeyQuery) -> Ran {
    let done = run.app.delete_tags(run.target(), &wanted.key, wanted.version.as_deref()).await?;
    Ok((QueryAnswer::DeleteTags(done.value), done.freshness))
}

pub(super) async fn get_acl(run: Run<'_>, wanted: KeyQuery) -> Ran {
    let found = run.app.get_acl(run.target(), &wanted.key, wanted.version.as_deref()).await?;
    Ok((QueryAnswer::GetAcl(found.value), found.freshness))
}

pub(super) async fn put_acl(run: Run<'_>, wanted: PutAclQuery) -> Ran {
    let done = run.app.put_acl(run.target(), &wanted.key, wanted.version.as_deref(), wanted.acl).await?;
    let written = AclWritten { key: wanted.key, version_id: wanted.version, acl: wanted.acl };
    Ok((QueryAnswer::PutAcl(written), done.freshness))
}
