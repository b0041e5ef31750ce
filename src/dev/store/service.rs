//! The operations of S3, each handed to the module that does it. What is not here answers `NotImplemented`.

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, Bucket as BucketOfList, BucketLocationConstraint,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput,
    CreateBucketInput, CreateBucketOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput,
    DeleteBucketCorsInput, DeleteBucketCorsOutput, DeleteBucketInput, DeleteBucketOutput, DeleteObjectInput,
    DeleteObjectOutput, DeleteObjectTaggingInput, DeleteObjectTaggingOutput, DeleteObjectsInput,
    DeleteObjectsOutput, GetBucketCorsInput, GetBucketCorsOutput, GetBucketLocationInput,
    GetBucketLocationOutput, GetBucketVersioningInput, GetBucketVersioningOutput, GetObjectInput,
    GetObjectOutput, GetObjectTaggingInput, GetObjectTaggingOutput, HeadBucketInput, HeadBucketOutput,
    HeadObjectInput, HeadObjectOutput, ListBucketsInput, ListBucketsOutput, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output,
    ListPartsInput, ListPartsOutput, PutBucketCorsInput, PutBucketCorsOutput, PutObjectInput,
    PutObjectOutput, PutObjectTaggingInput, PutObjectTaggingOutput, UploadPartCopyInput,
    UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::conditional::WriteCondition;
use super::{Store, blocking, listing, meta, multipart, objects, tags};

/// The region whose buckets have no location constraint.
const FIRST_REGION: &str = "us-east-1";
/// The most rules of a CORS configuration.
const MAX_CORS_RULES: usize = 100;

type Answer<T> = S3Result<S3Response<T>>;

#[async_trait::async_trait]
impl S3 for Store {
    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> Answer<CreateBucketOutput> {
        let input = request.input;
        check_new_bucket(&input, &self.inner.region)?;
        Store::create_bucket(self, &input.bucket).await?;
        let location = Some(format!("/{}", input.bucket));
        Ok(S3Response::new(CreateBucketOutput { location }))
    }

    async fn delete_bucket(&self, request: S3Request<DeleteBucketInput>) -> Answer<DeleteBucketOutput> {
        Store::delete_bucket(self, request.input.bucket).await?;
        Ok(S3Response::with_status(DeleteBucketOutput::default(), http::StatusCode::NO_CONTENT))
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        self.bucket(&request.input.bucket)?;
        let bucket_region = Some(self.inner.region.clone());
        Ok(S3Response::new(HeadBucketOutput { bucket_region, ..Default::default() }))
    }

    async fn list_buckets(&self, request: S3Request<ListBucketsInput>) -> Answer<ListBucketsOutput> {
        let prefix = request.input.prefix.unwrap_or_default();
        let print = |bucket: &super::Bucket| BucketOfList {
            bucket_region: Some(self.inner.region.clone()),
            creation_date: Some(bucket.created.clone()),
            name: Some(bucket.name.clone()),
        };
        let buckets =
            self.buckets().values().filter(|it| it.name.starts_with(&prefix)).map(|it| print(it)).collect();
        let owner = Some(listing::owner());
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets), owner, ..Default::default() }))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> Answer<GetBucketLocationOutput> {
        self.bucket(&request.input.bucket)?;
        let region = Some(self.inner.region.clone()).filter(|region| region != FIRST_REGION);
        let location_constraint = region.map(BucketLocationConstraint::from);
        Ok(S3Response::new(GetBucketLocationOutput { location_constraint }))
    }

    async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> Answer<GetBucketVersioningOutput> {
        self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(GetBucketVersioningOutput::default()))
    }

    async fn get_bucket_cors(&self, request: S3Request<GetBucketCorsInput>) -> Answer<GetBucketCorsOutput> {
        let cors = self.bucket(&request.input.bucket)?.state()?.cors.clone();
        let cors =
            cors.ok_or_else(|| s3_error!(NoSuchCORSConfiguration, "the bucket has no cors configuration"))?;
        Ok(S3Response::new(GetBucketCorsOutput { cors_rules: Some(cors.cors_rules) }))
    }

    async fn put_bucket_cors(&self, request: S3Request<PutBucketCorsInput>) -> Answer<PutBucketCorsOutput> {
        let cors = request.input.cors_configuration;
        if cors.cors_rules.is_empty() || cors.cors_rules.len() > MAX_CORS_RULES {
            return Err(s3_error!(MalformedXML, "a cors configuration has 1 to {MAX_CORS_RULES} rules"));
        }
        let bucket = self.bucket(&request.input.bucket)?;
        blocking(move || bucket.set_cors(Some(cors))).await?;
        Ok(S3Response::new(PutBucketCorsOutput::default()))
    }

    async fn delete_bucket_cors(
        &self,
        request: S3Request<DeleteBucketCorsInput>,
    ) -> Answer<DeleteBucketCorsOutput> {
        let bucket = self.bucket(&request.input.bucket)?;
        blocking(move || bucket.set_cors(None)).await?;
        Ok(S3Response::new(DeleteBucketCorsOutput::default()))
    }

    async fn list_objects(&self, request: S3Request<ListObjectsInput>) -> Answer<ListObjectsOutput> {
        let bucket = self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(listing::objects_v1(&bucket, request.input)?))
    }

    async fn list_objects_v2(&self, request: S3Request<ListObjectsV2Input>) -> Answer<ListObjectsV2Output> {
        let bucket = self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(listing::objects_v2(&bucket, request.input)?))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        let bucket = self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(objects::get(&bucket, request.input).await?))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        let bucket = self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(objects::head(&bucket, request.input)?))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        let bucket = self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(objects::put(&bucket, request).await?))
    }

    async fn get_object_tagging(
        &self,
        request: S3Request<GetObjectTaggingInput>,
    ) -> Answer<GetObjectTaggingOutput> {
        let bucket = self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(tags::get(&bucket, &request.input)?))
    }

    async fn put_object_tagging(
        &self,
        request: S3Request<PutObjectTaggingInput>,
    ) -> Answer<PutObjectTaggingOutput> {
        let bucket = self.bucket(&request.input.bucket)?;
        tags::put(&bucket, request.input).await?;
        Ok(S3Response::new(PutObjectTaggingOutput::default()))
    }

    async fn delete_object_tagging(
        &self,
        request: S3Request<DeleteObjectTaggingInput>,
    ) -> Answer<DeleteObjectTaggingOutput> {
        let bucket = self.bucket(&request.input.bucket)?;
        tags::delete(&bucket, request.input).await?;
        Ok(S3Response::with_status(DeleteObjectTaggingOutput::default(), http::StatusCode::NO_CONTENT))
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        Ok(S3Response::new(objects::copy(self, request.input).await?))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
        let input = request.input;
        let bucket = self.bucket(&input.bucket)?;
        meta::check_version(input.version_id.as_deref())?;
        let condition = WriteCondition { if_match: input.if_match, if_none_match: None };
        objects::delete(&bucket, input.key, condition).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(&self, request: S3Request<DeleteObjectsInput>) -> Answer<DeleteObjectsOutput> {
        let bucket = self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(objects::delete_many(&bucket, request.input).await?))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        let bucket = self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(multipart::create(&bucket, request.input).await?))
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
        let bucket = self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(multipart::upload_part(&bucket, request).await?))
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> Answer<UploadPartCopyOutput> {
        Ok(S3Response::new(multipart::upload_part_copy(self, request.input).await?))
    }

    async fn list_parts(&self, request: S3Request<ListPartsInput>) -> Answer<ListPartsOutput> {
        let bucket = self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(multipart::list_parts(&bucket, request.input)?))
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> Answer<ListMultipartUploadsOutput> {
        let bucket = self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(listing::uploads(&bucket, request.input)?))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        let bucket = self.bucket(&request.input.bucket)?;
        Ok(S3Response::new(multipart::complete(&bucket, request.input).await?))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> Answer<AbortMultipartUploadOutput> {
        let bucket = self.bucket(&request.input.bucket)?;
        multipart::abort(&bucket, request.input).await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

/// Refuses what a new bucket would silently lack.
fn check_new_bucket(input: &CreateBucketInput, region: &str) -> S3Result<()> {
    if input.acl.as_ref().is_some_and(|acl| acl.as_str() != "private")
        || input.grant_full_control.is_some()
        || input.grant_read.is_some()
        || input.grant_write.is_some()
        || input.grant_read_acp.is_some()
        || input.grant_write_acp.is_some()
    {
        return Err(s3_error!(
            InvalidBucketAclWithObjectOwnership,
            "buckets of the embedded store have no acls"
        ));
    }
    if input.object_ownership.as_ref().is_some_and(|ownership| ownership.as_str() != "BucketOwnerEnforced") {
        return Err(s3_error!(NotImplemented, "the object ownership is always BucketOwnerEnforced"));
    }
    if input.object_lock_enabled_for_bucket.unwrap_or_default() {
        return Err(s3_error!(NotImplemented, "the embedded store has no object lock"));
    }
    let asked = input.create_bucket_configuration.as_ref().and_then(|it| it.location_constraint.as_ref());
    match asked.map(BucketLocationConstraint::as_str) {
        None => Ok(()),
        Some(asked) if asked == region => Ok(()),
        Some(asked) => Err(s3_error!(
            IllegalLocationConstraintException,
            "this store is in `{region}`, not in `{asked}`"
        )),
    }
}
