//! Writes: the requests; how a body is sent is in `upload`.

use aws_sdk_s3::types::ChecksumAlgorithm;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

use crate::aws::s3::options::{HeaderList, UploadCall};
use crate::aws::s3::{S3, SERVICE};
use crate::aws::{AwsError, ErrorKind};
use crate::model::object::{ObjectKey, PutOptions};
use crate::model::upload::ChecksumType;

impl S3 {
    pub(in crate::aws) fn put_call(
        &self,
        key: &ObjectKey,
    ) -> aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone())
    }

    /// Starts a multipart upload; its id comes back.
    pub async fn create_multipart(
        &self,
        key: &ObjectKey,
        options: &PutOptions,
        kind: Option<ChecksumType>,
    ) -> Result<String, AwsError> {
        self.start_parts(key, self.upload_headers(options, UploadCall::Parts(kind))?, None).await
    }

    /// The same for parts that will have checksums by themselves; one that the caller asks for goes before.
    pub(in crate::aws) async fn create_multipart_with(
        &self,
        key: &ObjectKey,
        options: &PutOptions,
        checksum: Option<ChecksumAlgorithm>,
    ) -> Result<String, AwsError> {
        let headers = self.upload_headers(options, UploadCall::Parts(None))?;
        let checksum = checksum.filter(|_| options.extras.checksum.is_none());
        self.start_parts(key, headers, checksum).await
    }

    async fn start_parts(
        &self,
        key: &ObjectKey,
        headers: HeaderList,
        checksum: Option<ChecksumAlgorithm>,
    ) -> Result<String, AwsError> {
        let call = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(key.as_str())
            .set_checksum_algorithm(checksum)
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone())
            .customize()
            .mutate_request(with_headers(headers));
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

/// Puts headers into a request before it is signed. They were checked, so that none is left out.
pub(in crate::aws) fn with_headers(headers: HeaderList) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
    move |request| {
        for (name, value) in &headers {
            if let Err(error) = request.headers_mut().try_insert(name.clone(), value.clone()) {
                tracing::error!(header = name.as_str(), cause = %error, "a header of an upload was left out");
            }
        }
    }
}
