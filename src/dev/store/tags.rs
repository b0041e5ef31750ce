//! Tags of objects: how a request writes them, and the operations on them.

use std::collections::BTreeMap;
use std::sync::Arc;

use s3s::dto::{
    DeleteObjectTaggingInput, GetObjectTaggingInput, GetObjectTaggingOutput, PutObjectTaggingInput, Tag,
};
use s3s::{S3Result, s3_error};
use url::form_urlencoded;

use super::bucket::Bucket;
use super::{blocking, meta};
use crate::model::tags;

/// By name.
pub(super) type Tags = BTreeMap<String, String>;

/// Reads `x-amz-tagging`: names and values as in the query of a URL.
pub(super) fn parse(header: Option<&str>) -> S3Result<Tags> {
    let pairs = form_urlencoded::parse(header.unwrap_or_default().as_bytes());
    checked(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())))
}

fn checked(pairs: impl Iterator<Item = (String, String)>) -> S3Result<Tags> {
    let mut found = Tags::new();
    for (name, value) in pairs {
        if found.insert(name, value).is_some() {
            return Err(s3_error!(InvalidTag, "a tag is there more than once"));
        }
    }
    tags::check(&found).map_err(|error| s3_error!(InvalidTag, "{error}"))?;
    Ok(found)
}

pub(super) fn get(bucket: &Bucket, input: &GetObjectTaggingInput) -> S3Result<GetObjectTaggingOutput> {
    meta::check_version(input.version_id.as_deref())?;
    let object = bucket.object(&input.key)?;
    let tags = object.attributes.tags.iter();
    let tags = tags.map(|(name, value)| Tag { key: Some(name.clone()), value: Some(value.clone()) });
    Ok(GetObjectTaggingOutput { tag_set: tags.collect(), version_id: None })
}

pub(super) async fn put(bucket: &Arc<Bucket>, input: PutObjectTaggingInput) -> S3Result<()> {
    meta::check_version(input.version_id.as_deref())?;
    let given = input.tagging.tag_set.into_iter();
    let tags = checked(given.map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())))?;
    let bucket = Arc::clone(bucket);
    blocking(move || bucket.set_tags(&input.key, &tags)).await
}

pub(super) async fn delete(bucket: &Arc<Bucket>, input: DeleteObjectTaggingInput) -> S3Result<()> {
    meta::check_version(input.version_id.as_deref())?;
    let bucket = Arc::clone(bucket);
    blocking(move || bucket.set_tags(&input.key, &Tags::new())).await
}
