//! Multipart uploads: parts are sealed files in a folder of their own until one publish makes the object.

use std::fs;
use std::sync::Arc;

use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{
    AbortMultipartUploadInput, ChecksumAlgorithm, ChecksumType, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CompletedPart, CopyPartResult, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, ETag, ListPartsInput, ListPartsOutput, Part as ListedPart, Range,
    StorageClass, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Result, s3_error};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use super::bucket::Bucket;
use super::checksum::{self, Algorithm, Checksums};
use super::conditional::{ReadCondition, WriteCondition};
use super::meta::{self, ObjectMeta, PartMeta, UploadMeta};
use super::upload::{self, Part, Upload};
use super::write::{self, Promise, Writer, Written};
use super::{Store, blocking, listing, objects};

/// Every part but the last has at least 5 MiB.
const MIN_PART: u64 = 5 * 1024 * 1024;
const MAX_PART_NUMBER: i32 = 10_000;
const READ_BUFFER: usize = 256 * 1024;

pub(super) async fn create(
    bucket: &Arc<Bucket>,
    input: CreateMultipartUploadInput,
) -> S3Result<CreateMultipartUploadOutput> {
    meta::check_key(&input.key)?;
    meta::extras_of!(input).refuse()?;
    let algorithm = objects::parse_algorithm(input.checksum_algorithm.as_ref())?;
    let upload = UploadMeta {
        // Time-ordered, so that the uploads of one key list in the order they began.
        id: Uuid::now_v7().to_string(),
        key: input.key.clone(),
        initiated: meta::now(),
        attributes: meta::attributes_of!(input).validate()?,
        algorithm,
        full_object: is_full_object(algorithm, input.checksum_type.as_ref().map(ChecksumType::as_str))?,
    };
    let output = CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        checksum_algorithm: input.checksum_algorithm,
        checksum_type: algorithm.map(|_| type_name(upload.full_object)),
        key: Some(input.key),
        upload_id: Some(upload.id.clone()),
        ..Default::default()
    };
    let bucket = Arc::clone(bucket);
    blocking(move || upload::begin(&bucket, upload)).await?;
    Ok(output)
}

pub(super) async fn upload_part(
    bucket: &Arc<Bucket>,
    request: S3Request<UploadPartInput>,
) -> S3Result<UploadPartOutput> {
    let input = request.input;
    if input.sse_customer_key.is_some() {
        return Err(s3_error!(NotImplemented, "the embedded store has no customer keys"));
    }
    let upload = upload::find(&*bucket.state()?, &input.key, &input.upload_id)?;
    let asked = objects::parse_algorithm(input.checksum_algorithm.as_ref())?;
    let promise = Promise {
        md5: input.content_md5,
        checksums: checksum::from_fields!(input),
        computed: upload.algorithm.into_iter().chain(asked).collect(),
        trailer: request.trailing_headers,
        ..Promise::from_headers(&request.headers)
    };
    check_number(input.part_number)?;
    let written = write::receive(bucket.scratch(), input.body, promise).await?;
    let part = upload::add_part(bucket, &upload, input.part_number, written).await?;
    let mut output = UploadPartOutput { e_tag: Some(ETag::Strong(part.etag.clone())), ..Default::default() };
    checksum::fill_fields!(output, part.checksums);
    Ok(output)
}

pub(super) async fn upload_part_copy(
    store: &Store,
    input: UploadPartCopyInput,
) -> S3Result<UploadPartCopyOutput> {
    let bucket = store.bucket(&input.bucket)?;
    let upload = upload::find(&*bucket.state()?, &input.key, &input.upload_id)?;
    check_number(input.part_number)?;
    let condition = ReadCondition {
        tag_match: input.copy_source_if_match,
        none_match: input.copy_source_if_none_match,
        modified_since: input.copy_source_if_modified_since,
        unmodified_since: input.copy_source_if_unmodified_since,
    };
    let (_, object, source) = objects::open_source(store, &input.copy_source, condition).await?;
    let range = input.copy_source_range.as_deref().map(Range::parse).transpose();
    let range =
        range.map_err(|_| s3_error!(InvalidArgument, "the copy source range is not `bytes=first-last`"))?;
    let body = objects::stream(source, objects::slice(&object, range, None)?).await?;
    let promise = Promise { computed: upload.algorithm.into_iter().collect(), ..Promise::default() };
    let written = write::receive(bucket.scratch(), Some(body), promise).await?;
    let part = upload::add_part(&bucket, &upload, input.part_number, written).await?;
    let mut result = CopyPartResult {
        e_tag: Some(ETag::Strong(part.etag.clone())),
        last_modified: Some(part.modified.clone()),
        ..Default::default()
    };
    checksum::fill_fields!(result, part.checksums);
    Ok(UploadPartCopyOutput { copy_part_result: Some(result), ..Default::default() })
}

pub(super) fn list_parts(bucket: &Bucket, input: ListPartsInput) -> S3Result<ListPartsOutput> {
    let limit = listing::page_size(input.max_parts)?;
    let marker = input.part_number_marker.unwrap_or_default();
    let state = bucket.state()?;
    let upload = upload::find(&state, &input.key, &input.upload_id)?;
    let parts = state.uploads.get(&input.upload_id).map(|upload| &upload.parts);
    let mut rest =
        parts.into_iter().flatten().filter(|(number, _)| **number > marker).map(|(_, part)| &part.meta);
    let page: Vec<&PartMeta> = rest.by_ref().take(usize::try_from(limit).unwrap_or_default()).collect();
    let storage_class = upload.attributes.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned());
    Ok(ListPartsOutput {
        checksum_algorithm: upload
            .algorithm
            .map(|algorithm| ChecksumAlgorithm::from_static(algorithm.name())),
        checksum_type: upload.algorithm.map(|_| type_name(upload.full_object)),
        is_truncated: Some(!page.is_empty() && rest.next().is_some()),
        max_parts: Some(limit),
        next_part_number_marker: page.last().map(|part| part.number),
        owner: Some(listing::owner()),
        part_number_marker: Some(marker),
        parts: Some(page.into_iter().map(print_part).collect()),
        storage_class: Some(StorageClass::from(storage_class)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(input.upload_id),
        ..Default::default()
    })
}

/// Joins the parts into one object. Before the publish nothing but a scratch file exists; behind it the
/// upload is over.
pub(super) async fn complete(
    bucket: &Arc<Bucket>,
    mut input: CompleteMultipartUploadInput,
) -> S3Result<CompleteMultipartUploadOutput> {
    let wanted = input.multipart_upload.take().and_then(|upload| upload.parts).unwrap_or_default();
    let (upload, parts) = {
        let state = bucket.state()?;
        let upload = upload::find(&state, &input.key, &input.upload_id)?;
        let parts = state.uploads.get(&input.upload_id).map(|upload| choose_parts(upload, &wanted));
        (upload, parts.transpose()?.unwrap_or_default())
    };
    let size: u64 = parts.iter().map(|part| part.meta.size).sum();
    if input.mpu_object_size.is_some_and(|asked| asked != meta::signed(size)) {
        return Err(s3_error!(InvalidRequest, "the parts have {size} bytes, not the announced number"));
    }
    let written = join(bucket, &upload, &parts).await?;
    let checksums = total_checksums(&upload, &parts, &written);
    let promised = checksum::from_fields!(input);
    if promised.first_difference(&checksums).is_some() {
        return Err(s3_error!(BadDigest, "the object does not have the promised checksum"));
    }
    let object = ObjectMeta {
        key: input.key,
        size,
        etag: total_tag(&parts),
        modified: meta::now(),
        attributes: upload.attributes.clone(),
        checksums,
        parts: parts.iter().map(|part| part.meta.size).collect(),
        upload_id: Some(upload.id.clone()),
    };
    let condition = WriteCondition { if_match: input.if_match, if_none_match: input.if_none_match };
    let object = objects::publish(bucket, written, object, condition).await?;
    let mut output = CompleteMultipartUploadOutput {
        checksum_type: upload.algorithm.map(|_| type_name(upload.full_object)),
        e_tag: Some(object.e_tag()),
        location: Some(format!("/{}/{}", bucket.name, object.key)),
        bucket: Some(input.bucket),
        key: Some(object.key.clone()),
        ..Default::default()
    };
    checksum::fill_fields!(output, object.checksums);
    Ok(output)
}

/// Ends an upload and removes its parts before the answer.
pub(super) async fn abort(bucket: &Arc<Bucket>, input: AbortMultipartUploadInput) -> S3Result<()> {
    let bucket = Arc::clone(bucket);
    blocking(move || {
        {
            let mut state = bucket.state()?;
            upload::find(&state, &input.key, &input.upload_id)?;
            state.uploads.remove(&input.upload_id);
        }
        fs::remove_dir_all(bucket.upload_folder(&input.upload_id)).map_err(meta::internal)
    })
    .await
}

/// Checks the list of a completion against the parts that arrived.
fn choose_parts(upload: &Upload, wanted: &[CompletedPart]) -> S3Result<Vec<Arc<Part>>> {
    if wanted.is_empty() {
        return Err(s3_error!(MalformedXML, "name at least one part"));
    }
    let numbers: Vec<i32> = wanted.iter().map(|part| part.part_number.unwrap_or_default()).collect();
    if !numbers.is_sorted_by(|left, right| left < right) {
        return Err(s3_error!(InvalidPartOrder, "name the parts in ascending order"));
    }
    let mut parts = Vec::with_capacity(wanted.len());
    for (asked, number) in wanted.iter().zip(numbers) {
        let found = upload.parts.get(&number).filter(|part| {
            let checksums = checksum::from_fields!(asked);
            objects::same_tag(asked.e_tag.as_ref(), &part.meta.etag)
                && checksums.first_difference(&part.meta.checksums).is_none()
        });
        let found =
            found.ok_or_else(|| s3_error!(InvalidPart, "the part `{number}` is missing or differs"))?;
        parts.push(Arc::clone(found));
    }
    let too_small = parts.iter().rev().skip(1).find(|part| part.meta.size < MIN_PART);
    match too_small {
        Some(part) => Err(s3_error!(EntityTooSmall, "the part `{}` has less than 5 mib", part.meta.number)),
        None => Ok(parts),
    }
}

async fn join(bucket: &Arc<Bucket>, upload: &UploadMeta, parts: &[Arc<Part>]) -> S3Result<Written> {
    let algorithms: Vec<Algorithm> = upload.algorithm.filter(|_| upload.full_object).into_iter().collect();
    let mut writer = Writer::create(bucket.scratch(), &algorithms).await?;
    let folder = bucket.upload_folder(&upload.id);
    for part in parts {
        let path = folder.join(&part.file);
        // A part that vanished was sent again or its upload has ended since the list was checked.
        let vanished = |_| s3_error!(InvalidPart, "the part `{}` has changed meanwhile", part.meta.number);
        let file = tokio::fs::File::open(&path).await.map_err(vanished)?;
        writer.append(ReaderStream::with_capacity(file.take(part.meta.size), READ_BUFFER)).await?;
    }
    writer.finish().await
}

/// The checksum of the whole, of the kind the upload was created with.
fn total_checksums(upload: &UploadMeta, parts: &[Arc<Part>], written: &Written) -> Checksums {
    let Some(algorithm) = upload.algorithm else { return Checksums::default() };
    if upload.full_object {
        return written.checksums.clone();
    }
    let of_parts: Vec<&Checksums> = parts.iter().map(|part| &part.meta.checksums).collect();
    let mut total = Checksums::default();
    if let Some(value) = checksum::composite(algorithm, &of_parts) {
        total.insert(algorithm, value);
    }
    total
}

/// The entity tag of a multipart object: the MD5 of the MD5s of its parts, and their number.
fn total_tag(parts: &[Arc<Part>]) -> String {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(&hex::decode(&part.meta.etag).unwrap_or_default());
    }
    format!("{}-{}", hex::encode(md5.finalize()), parts.len())
}

/// The kind of checksum an upload gets; CRC64NVME knows only one kind, the SHAs only the other.
fn is_full_object(algorithm: Option<Algorithm>, kind: Option<&str>) -> S3Result<bool> {
    let Some(kind) = kind else { return Ok(algorithm == Some(Algorithm::Crc64nvme)) };
    match (algorithm, kind) {
        (Some(Algorithm::Crc64nvme | Algorithm::Crc32 | Algorithm::Crc32c), "FULL_OBJECT") => Ok(true),
        (Some(Algorithm::Crc32 | Algorithm::Crc32c | Algorithm::Sha1 | Algorithm::Sha256), "COMPOSITE") => {
            Ok(false)
        }
        _ => Err(s3_error!(InvalidRequest, "the checksum type `{kind}` does not go with the algorithm")),
    }
}

fn type_name(full_object: bool) -> ChecksumType {
    ChecksumType::from_static(if full_object { "FULL_OBJECT" } else { "COMPOSITE" })
}

fn check_number(number: i32) -> S3Result<()> {
    if (1..=MAX_PART_NUMBER).contains(&number) {
        return Ok(());
    }
    Err(s3_error!(InvalidArgument, "a part number lies between 1 and {MAX_PART_NUMBER}, not `{number}`"))
}

fn print_part(part: &PartMeta) -> ListedPart {
    let mut listed = ListedPart {
        e_tag: Some(ETag::Strong(part.etag.clone())),
        last_modified: Some(part.modified.clone()),
        part_number: Some(part.number),
        size: Some(meta::signed(part.size)),
        ..Default::default()
    };
    checksum::fill_fields!(listed, part.checksums);
    listed
}
