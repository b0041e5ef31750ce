//! Deletes.

use aws_sdk_s3::operation::RequestId;

use crate::aws::AwsError;
use crate::aws::s3::{S3, Uploaded};
use crate::model::object::{DeleteOptions, ObjectKey};

impl S3 {
    /// Deletes an object; the version id of a delete marker comes back.
    pub async fn delete(&self, key: &ObjectKey, options: &DeleteOptions) -> Result<Uploaded, AwsError> {
        let call = self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_version_id(options.version_id.clone())
            .set_if_match(options.if_match.clone())
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let done = self.timed(call.send()).await?;
        let request_id = done.request_id().map(str::to_owned);
        Ok(Uploaded { version_id: done.version_id, request_id, ..Uploaded::default() })
    }
}
