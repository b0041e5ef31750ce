//! What a bucket says of itself.

use aws_sdk_s3::operation::RequestId;

use crate::aws::AwsError;
use crate::aws::s3::S3;
use crate::model::provider::ListVersion;

/// What a bucket says of itself.
#[derive(Debug)]
pub struct BucketFacts {
    /// Its region, where the store tells.
    pub region: Option<String>,
    /// The store's id of the request.
    pub request_id: Option<String>,
}

impl S3 {
    /// Whether the bucket is there and may be seen.
    pub async fn head_bucket(&self) -> Result<BucketFacts, AwsError> {
        let call = self
            .client
            .head_bucket()
            .bucket(&self.bucket)
            .set_expected_bucket_owner(self.expected_owner.clone());
        let found = self.timed(call.send()).await?;
        Ok(BucketFacts {
            region: found.bucket_region().map(str::to_owned),
            request_id: found.request_id().map(str::to_owned),
        })
    }

    /// The region that the bucket is in, as far as the store tells: also a refusal names it. The one that is signed
    /// for where the store accepts it and names none.
    pub async fn find_region(&self) -> Option<String> {
        match self.head_bucket().await {
            Ok(facts) => Some(facts.region.unwrap_or_else(|| self.region.clone())),
            Err(error) if error.region.is_some() => error.region,
            // the answer to HEAD has no body, and only the body of Garage and others says which
            Err(error) if matches!(error.status, Some(301 | 307 | 400 | 403)) => {
                self.list_other_bucket(&self.bucket).await.err().and_then(|error| error.region)
            }
            Err(_) => None,
        }
    }

    /// Lists a bucket of any name: the body of the answer, unlike that of HEAD, says what was wrong.
    pub async fn list_other_bucket(&self, bucket: &str) -> Result<(), AwsError> {
        match self.profile.list {
            ListVersion::V1 => {
                let call = self.client.list_objects().bucket(bucket).max_keys(1);
                self.timed(call.send()).await.map(drop)
            }
            ListVersion::V2 => {
                let call = self.client.list_objects_v2().bucket(bucket).max_keys(1);
                self.timed(call.send()).await.map(drop)
            }
        }
    }
}
