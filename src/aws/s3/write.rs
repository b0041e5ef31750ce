//! Writes: the requests; how a body is sent is in `upload`.

use std::collections::HashMap;

use aws_sdk_s3::types::{ChecksumAlgorithm, ObjectCannedAcl};

use crate::aws::s3::{S3, SERVICE};
use crate::aws::{AwsError, ErrorKind};
use crate::model::object::{ObjectKey, PutOptions};

impl S3 {
    pub(in crate::aws) fn put_call(
        &self,
        key: &ObjectKey,
        options: &PutOptions,
    ) -> aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder {
        let (encryption, key_id) = self.encryption();
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_content_type(options.content_type.clone())
            .set_cache_control(options.cache_control.clone())
            .set_content_disposition(options.content_disposition.clone())
            .set_content_encoding(options.content_encoding.clone())
            .set_content_language(options.content_language.clone())
            .set_metadata(metadata(options))
            .set_if_none_match(options.if_none_match.clone())
            .set_if_match(options.if_match.clone())
            .set_acl(self.defaults.acl.map(|acl| ObjectCannedAcl::from(acl.as_str())))
            .set_storage_class(self.storage_class())
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(key_id)
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone())
    }

    /// Starts a multipart upload; its id comes back.
    pub async fn create_multipart(&self, key: &ObjectKey, options: &PutOptions) -> Result<String, AwsError> {
        self.create_multipart_with(key, options, None).await
    }

    /// The same for parts that will have checksums.
    pub(in crate::aws) async fn create_multipart_with(
        &self,
        key: &ObjectKey,
        options: &PutOptions,
        checksum: Option<ChecksumAlgorithm>,
    ) -> Result<String, AwsError> {
        let (encryption, key_id) = self.encryption();
        let call = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_checksum_algorithm(checksum)
            .set_content_type(options.content_type.clone())
            .set_cache_control(options.cache_control.clone())
            .set_content_disposition(options.content_disposition.clone())
            .set_content_encoding(options.content_encoding.clone())
            .set_content_language(options.content_language.clone())
            .set_metadata(metadata(options))
            .set_acl(self.defaults.acl.map(|acl| ObjectCannedAcl::from(acl.as_str())))
            .set_storage_class(self.storage_class())
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(key_id)
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let started = self.timed(call.send()).await?;
        started.upload_id.ok_or_else(|| {
            AwsError::new(ErrorKind::Internal, SERVICE, "InternalError", "the answer holds no upload id")
        })
    }

    /// Ends a multipart upload and lets its parts go.
    pub async fn abort_multipart(&self, key: &ObjectKey, upload_id: &str) -> Result<(), AwsError> {
        let call = self
            .client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(key.as_str())
            .upload_id(upload_id)
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        self.timed(call.send()).await.map(drop)
    }
}

fn metadata(options: &PutOptions) -> Option<HashMap<String, String>> {
    let pairs = options.metadata.iter().map(|(name, value)| (name.clone(), value.clone()));
    (!options.metadata.is_empty()).then(|| pairs.collect())
}
