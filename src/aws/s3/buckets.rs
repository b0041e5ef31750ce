//! The buckets that a credential may list.

use aws_sdk_s3::operation::RequestId;

use crate::aws::AwsError;
use crate::aws::s3::{S3, rfc3339};

/// A bucket in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedBucket {
    /// Its name.
    pub name: String,
    /// Its region, where the store tells.
    pub region: Option<String>,
    /// RFC 3339.
    pub created_at: Option<String>,
}

/// Buckets, and whether there are more.
#[derive(Debug, Default)]
pub struct BucketList {
    /// In the order of the store.
    pub buckets: Vec<ListedBucket>,
    /// Whether the list was cut.
    pub truncated: bool,
    /// The store's id of the last request.
    pub request_id: Option<String>,
}

impl S3 {
    /// Lists buckets of the owner, up to `most`.
    pub async fn list_buckets(&self, most: usize) -> Result<BucketList, AwsError> {
        let mut list = BucketList::default();
        let mut token = None;
        loop {
            let call = self.client.list_buckets().set_continuation_token(token);
            let found = self.timed(call.send()).await?;
            let before = list.buckets.len();
            list.request_id = found.request_id().map(str::to_owned);
            token = found.continuation_token.filter(|token| !token.is_empty());
            list.buckets.extend(found.buckets.into_iter().flatten().filter_map(|bucket| {
                let created_at = bucket.creation_date.as_ref().and_then(rfc3339);
                Some(ListedBucket { name: bucket.name?, region: bucket.bucket_region, created_at })
            }));
            // a store that goes on without a bucket would go on for ever
            let nothing_came = list.buckets.len() == before;
            if list.buckets.len() >= most || token.is_none() || nothing_came {
                list.truncated = list.buckets.len() > most || token.is_some();
                list.buckets.truncate(most);
                return Ok(list);
            }
        }
    }

    /// What a bucket of any name does with ACLs, for example `BucketOwnerEnforced`; none where it says nothing.
    pub async fn object_ownership(&self, bucket: &str) -> Result<Option<String>, AwsError> {
        let call = self
            .client
            .get_bucket_ownership_controls()
            .bucket(bucket)
            .set_expected_bucket_owner(self.expected_owner.clone());
        let found = self.timed(call.send()).await?;
        let rule = found.ownership_controls.and_then(|found| found.rules.into_iter().next());
        Ok(rule.map(|rule| rule.object_ownership.as_str().to_owned()))
    }
}
