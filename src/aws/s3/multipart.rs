//! Uploads in parts, step by step: what browsers and apps do with them.

use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::types::{CompletedMultipartUpload, Part};

use crate::aws::AwsError;
use crate::aws::s3::checksum::completed_part;
use crate::aws::s3::list::{Names, goes_on};
use crate::aws::s3::{S3, Uploaded, rfc3339, with_headers};
use crate::aws::source::Source;
use crate::model::multipart::{CompletePart, CompleteUpload, OpenUpload, UploadedPart};
use crate::model::object::ObjectKey;
use crate::model::provider::Quirk;
use crate::model::upload::{Checksum, ChecksumAlgorithm};

/// Where a list of uploads goes on: behind this upload of this key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadMarker {
    /// A full key.
    pub key: String,
    /// The upload.
    pub upload_id: String,
}

/// A page of open uploads as the store gave it.
#[derive(Debug, Default)]
pub struct Uploads {
    /// With full keys.
    pub uploads: Vec<OpenUpload>,
    /// When the first moment of each is known, in epoch milliseconds.
    pub initiated_ms: Vec<Option<i64>>,
    /// For the next page.
    pub next: Option<UploadMarker>,
    /// The store's id of the request.
    pub request_id: Option<String>,
}

/// A page of parts as the store gave it.
#[derive(Debug, Default)]
pub struct Parts {
    /// By number.
    pub parts: Vec<UploadedPart>,
    /// For the next page.
    pub next: Option<String>,
    /// The store's id of the request.
    pub request_id: Option<String>,
}

impl S3 {
    /// Sends one part; its tag comes back.
    pub async fn upload_part(
        &self,
        key: &ObjectKey,
        part: (&str, u32),
        checksum: Option<&Checksum>,
        source: &Source,
        length: u64,
    ) -> Result<Uploaded, AwsError> {
        let done = self.put_part(key, part, checksum, (source, length), false).await?;
        Ok(Uploaded { checksum: None, ..done })
    }

    /// One page of the parts that are there.
    pub async fn list_parts(
        &self,
        key: &ObjectKey,
        upload_id: &str,
        after: Option<String>,
        most: i32,
    ) -> Result<Parts, AwsError> {
        let began = after.clone();
        let call = self
            .client
            .list_parts()
            .bucket(&self.bucket)
            .key(key.as_str())
            .upload_id(upload_id)
            .set_part_number_marker(after)
            .max_parts(most)
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let page = self.timed(call.send()).await?;
        let request_id = page.request_id().map(str::to_owned);
        let truncated = page.is_truncated == Some(true);
        let parts = page.parts.unwrap_or_default().into_iter().map(|part| UploadedPart {
            checksum: checksum_of(&part),
            part_number: part.part_number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0),
            etag: part.e_tag,
            size: part.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            last_modified: part.last_modified.as_ref().and_then(rfc3339),
        });
        let parts: Vec<UploadedPart> = parts.collect();
        // a store that does not say where it stopped stopped at its last row
        let last = || parts.last().map(|last| last.part_number.to_string());
        let next = goes_on(truncated, page.next_part_number_marker.or_else(last), began.as_ref())?;
        Ok(Parts { parts, next, request_id })
    }

    /// Puts parts together.
    pub async fn complete_upload(
        &self,
        key: &ObjectKey,
        wanted: &CompleteUpload,
        parts: &[CompletePart],
    ) -> Result<Uploaded, AwsError> {
        let named = parts
            .iter()
            .map(|part| completed_part(part.part_number, Some(part.etag.clone()), part.checksum.clone()));
        let call = self
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(key.as_str())
            .upload_id(&wanted.upload_id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(named.collect())).build())
            .set_if_match(wanted.if_match.clone())
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone())
            .customize()
            .mutate_request(with_headers(self.only_new(wanted.if_none_match.clone()).into_iter().collect()));
        // a store may take long to put the parts together, and answers only then
        let done = self.watched(|| 0, call.send()).await?;
        let request_id = done.request_id().map(str::to_owned);
        // Ceph RGW 16 answers with an empty tag here
        let etag = done.e_tag.filter(|tag| !tag.is_empty());
        Ok(Uploaded { etag, version_id: done.version_id, request_id, checksum: None, untagged: false })
    }

    /// One page of the uploads that are open below a prefix. Names come as they are: Ceph RGW 16 encodes them when it is
    /// asked to, and does not say so.
    pub async fn list_uploads(
        &self,
        prefix: &str,
        after: Option<UploadMarker>,
        most: i32,
    ) -> Result<Uploads, AwsError> {
        let began = after.clone();
        let (key, upload_id) = after.map(|after| (after.key, after.upload_id)).unzip();
        let call = self
            .client
            .list_multipart_uploads()
            .bucket(&self.bucket)
            .set_prefix((!prefix.is_empty()).then(|| prefix.to_owned()))
            .set_key_marker(key)
            .set_upload_id_marker(upload_id)
            .max_uploads(most)
            .set_encoding_type(self.list_encoding())
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let page = self.timed(call.send()).await?;
        let request_id = page.request_id().map(str::to_owned);
        let truncated = page.is_truncated == Some(true);
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let names = if self.profile.does(Quirk::UntoldEncoding) {
            Names::encoded()
        } else {
            Names::of(page.encoding_type.as_ref())
        };
        let mut found = Uploads { request_id, ..Uploads::default() };
        for upload in page.uploads.unwrap_or_default() {
            found.initiated_ms.push(upload.initiated.as_ref().and_then(|at| at.to_millis().ok()));
            found.uploads.push(OpenUpload {
                key: names.name(upload.key.unwrap_or_default())?,
                upload_id: upload.upload_id.unwrap_or_default(),
                initiated: upload.initiated.as_ref().and_then(rfc3339),
                storage_class: upload.storage_class.map(|class| class.as_str().to_owned()),
            });
        }
        let told = filled(page.next_key_marker).zip(filled(page.next_upload_id_marker));
        let is_row = |name: &str| found.uploads.iter().any(|upload| upload.key == name);
        let told = told
            .map(|(key, upload_id)| {
                Ok::<_, AwsError>(UploadMarker { key: names.marker(key, is_row)?, upload_id })
            })
            .transpose()?;
        // a store that does not say where it stopped, or says half of it, stopped at its last row
        let last = || {
            let last = found.uploads.last()?;
            Some(UploadMarker { key: last.key.clone(), upload_id: last.upload_id.clone() })
        };
        found.next = goes_on(truncated, told.or_else(last), began.as_ref())?;
        Ok(found)
    }
}

fn checksum_of(part: &Part) -> Option<Checksum> {
    let all = [
        (ChecksumAlgorithm::Crc32, part.checksum_crc32()),
        (ChecksumAlgorithm::Crc32c, part.checksum_crc32_c()),
        (ChecksumAlgorithm::Crc64nvme, part.checksum_crc64_nvme()),
        (ChecksumAlgorithm::Sha1, part.checksum_sha1()),
        (ChecksumAlgorithm::Sha256, part.checksum_sha256()),
    ];
    let mut told = all.into_iter().filter_map(|(algorithm, value)| Some((algorithm, value?.to_owned())));
    told.next().map(|(algorithm, value)| Checksum { algorithm, value: Some(value) })
}
