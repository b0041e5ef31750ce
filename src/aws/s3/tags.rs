//! Tags of objects.

use std::collections::BTreeMap;

use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::types::{Tag, Tagging};

use crate::aws::s3::{S3, SERVICE};
use crate::aws::{AwsError, ErrorKind};
use crate::model::object::ObjectKey;

/// The tags of an object as the store gave them.
#[derive(Debug)]
pub struct TagsFound {
    /// By name.
    pub tags: BTreeMap<String, String>,
    /// The version that has them.
    pub version_id: Option<String>,
    /// The store's id of the request.
    pub request_id: Option<String>,
}

impl S3 {
    /// The tags of an object.
    pub async fn get_tags(&self, key: &ObjectKey, version: Option<&str>) -> Result<TagsFound, AwsError> {
        let call = self
            .client
            .get_object_tagging()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_version_id(version.map(str::to_owned))
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let found = self.timed(call.send()).await?;
        let request_id = found.request_id().map(str::to_owned);
        let tags = found.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect();
        Ok(TagsFound { tags, version_id: found.version_id, request_id })
    }

    /// Gives an object these tags in place of those that it has.
    pub async fn put_tags(
        &self,
        key: &ObjectKey,
        version: Option<&str>,
        tags: &BTreeMap<String, String>,
    ) -> Result<TagsFound, AwsError> {
        let set = tags.iter().map(|(name, value)| Tag::builder().key(name).value(value).build());
        let set = set
            .collect::<Result<Vec<_>, _>>()
            .and_then(|set| Tagging::builder().set_tag_set(Some(set)).build());
        let set = set.map_err(|error| {
            AwsError::new(ErrorKind::InvalidRequest, SERVICE, "InvalidTag", error.to_string())
        })?;
        let call = self
            .client
            .put_object_tagging()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_version_id(version.map(str::to_owned))
            .tagging(set)
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let done = self.timed(call.send()).await?;
        let request_id = done.request_id().map(str::to_owned);
        Ok(TagsFound { tags: tags.clone(), version_id: done.version_id, request_id })
    }

    /// Takes all tags off an object.
    pub async fn delete_tags(&self, key: &ObjectKey, version: Option<&str>) -> Result<TagsFound, AwsError> {
        let call = self
            .client
            .delete_object_tagging()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_version_id(version.map(str::to_owned))
            .set_expected_bucket_owner(self.expected_owner.clone());
        let done = self.timed(call.send()).await?;
        let request_id = done.request_id().map(str::to_owned);
        Ok(TagsFound { tags: BTreeMap::new(), version_id: done.version_id, request_id })
    }
}
