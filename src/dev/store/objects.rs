//! Single objects: put, get, head, copy, delete.

use std::io::SeekFrom;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use s3s::dto::{
    ChecksumAlgorithm, ChecksumType, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource,
    DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag, Error as DeleteError, GetObjectInput,
    GetObjectOutput, HeadObjectInput, HeadObjectOutput, MetadataDirective, PutObjectInput, PutObjectOutput,
    Range, StorageClass, StreamingBlob, TaggingDirective, Timestamp, TimestampFormat,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result, s3_error};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::bucket::Bucket;
use super::checksum::{self, Algorithm};
use super::conditional::{ReadCondition, Verdict, WriteCondition};
use super::meta::{self, ObjectMeta};
use super::write::{self, Promise, Written};
use super::{Store, blocking};

/// Bytes read from a file in one step: large enough to keep the cost per byte low.
const READ_BUFFER: usize = 256 * 1024;
/// The most keys of one `DeleteObjects`.
const MAX_DELETE: usize = 1000;

/// The bytes of an object that an answer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slice {
    start: u64,
    length: u64,
    /// Set if the client asked for less than the object: 206 and Content-Range.
    partial: bool,
}

pub(super) async fn put(
    bucket: &Arc<Bucket>,
    request: S3Request<PutObjectInput>,
) -> S3Result<PutObjectOutput> {
    let input = request.input;
    meta::check_key(&input.key)?;
    meta::extras_of!(input).refuse()?;
    let attributes = meta::attributes_of!(input).validate()?;
    if input.write_offset_bytes.is_some() {
        return Err(s3_error!(NotImplemented, "the embedded store cannot append to an object"));
    }
    let condition = WriteCondition { if_match: input.if_match, if_none_match: input.if_none_match };
    // Asked again when the body is there; here it spares the client a transfer in vain.
    condition.check(bucket.state()?.objects.get(input.key.as_bytes()).map(Arc::as_ref))?;
    let promise = Promise {
        md5: input.content_md5,
        checksums: checksum::from_fields!(input),
        computed: parse_algorithm(input.checksum_algorithm.as_ref())?.into_iter().collect(),
        trailer: request.trailing_headers,
        ..Promise::from_headers(&request.headers)
    };
    let written = write::receive(bucket.scratch(), input.body, promise).await?;
    let object = describe(input.key, attributes, &written);
    let object = publish(bucket, written, object, condition).await?;
    let mut output = PutObjectOutput { e_tag: Some(object.e_tag()), ..Default::default() };
    checksum::fill_fields!(output, object.checksums);
    output.checksum_type = checksum_type(&object);
    Ok(output)
}

/// Copies inside the store. The entity tag is that of the bytes, also when the source came from parts.
pub(super) async fn copy(store: &Store, input: CopyObjectInput) -> S3Result<CopyObjectOutput> {
    meta::check_key(&input.key)?;
    meta::extras_of!(input).refuse()?;
    let bucket = store.bucket(&input.bucket)?;
    let condition = ReadCondition {
        tag_match: input.copy_source_if_match.clone(),
        none_match: input.copy_source_if_none_match.clone(),
        modified_since: input.copy_source_if_modified_since.clone(),
        unmodified_since: input.copy_source_if_unmodified_since.clone(),
    };
    let (source, object, file) = open_source(store, &input.copy_source, condition).await?;
    let replace =
        input.metadata_directive.as_ref().is_some_and(|it| it.as_str() == MetadataDirective::REPLACE);
    let onto_itself = source.name == bucket.name && object.key == input.key;
    if onto_itself && !replace && input.storage_class.is_none() && input.website_redirect_location.is_none() {
        return Err(s3_error!(
            InvalidRequest,
            "a copy onto itself must change the metadata or the storage class"
        ));
    }
    let asked = meta::attributes_of!(input).validate()?;
    let mut attributes = if replace { asked.clone() } else { object.attributes.clone() };
    let retag = input.tagging_directive.as_ref().is_some_and(|it| it.as_str() == TaggingDirective::REPLACE);
    attributes.tags = if retag { asked.tags.clone() } else { object.attributes.tags.clone() };
    // Neither follows the directive: both are those of the request.
    attributes.storage_class = asked.storage_class;
    attributes.website_redirect_location = asked.website_redirect_location;
    let asked = parse_algorithm(input.checksum_algorithm.as_ref())?;
    let computed = asked.map_or_else(|| object.checksums.algorithms(), |algorithm| vec![algorithm]);
    let whole = Slice { start: 0, length: object.size, partial: false };
    let body = stream(file, whole).await?;
    let written =
        write::receive(bucket.scratch(), Some(body), Promise { computed, ..Promise::default() }).await?;
    let copied = describe(input.key, attributes, &written);
    let copied = publish(&bucket, written, copied, WriteCondition::default()).await?;
    let mut result = CopyObjectResult {
        e_tag: Some(copied.e_tag()),
        last_modified: Some(copied.modified.clone()),
        checksum_type: checksum_type(&copied),
        ..Default::default()
    };
    checksum::fill_fields!(result, copied.checksums);
    Ok(CopyObjectOutput { copy_object_result: Some(result), ..Default::default() })
}

/// Opens the source of a copy, if its conditions hold.
pub(super) async fn open_source(
    store: &Store,
    source: &CopySource,
    condition: ReadCondition,
) -> S3Result<(Arc<Bucket>, Arc<ObjectMeta>, tokio::fs::File)> {
    let CopySource::Bucket { bucket, key, version_id } = source else {
        return Err(s3_error!(NotImplemented, "the embedded store has no access points"));
    };
    meta::check_version(version_id.as_deref())?;
    let bucket = store.bucket(bucket)?;
    let (object, file) = open(&bucket, key.to_string()).await?;
    match condition.evaluate(&object.etag, &object.modified) {
        Verdict::Proceed => Ok((bucket, object, file)),
        Verdict::NotModified | Verdict::Failed => Err(precondition_failed()),
    }
}

/// The fields that `GetObject` and `HeadObject` answer alike.
macro_rules! describe_output {
    ($output:ident, $object:expr, $slice:expr) => {
        $output {
            accept_ranges: Some("bytes".to_owned()),
            cache_control: $object.attributes.cache_control.clone(),
            content_disposition: $object.attributes.content_disposition.clone(),
            content_encoding: $object.attributes.content_encoding.clone(),
            content_language: $object.attributes.content_language.clone(),
            content_length: Some(meta::signed($slice.length)),
            content_range: content_range($slice, $object.size),
            content_type: Some(content_type($object)),
            e_tag: Some($object.e_tag()),
            expires: $object.attributes.expires.clone(),
            last_modified: Some($object.modified.clone()),
            metadata: $object.attributes.user.clone(),
            storage_class: $object.attributes.storage_class.clone().map(StorageClass::from),
            website_redirect_location: $object.attributes.website_redirect_location.clone(),
            ..Default::default()
        }
    };
}

/// Collects the conditions of a read.
macro_rules! read_condition {
    ($input:expr) => {
        ReadCondition {
            tag_match: $input.if_match.take(),
            none_match: $input.if_none_match.take(),
            modified_since: $input.if_modified_since.take(),
            unmodified_since: $input.if_unmodified_since.take(),
        }
    };
}

pub(super) async fn get(bucket: &Arc<Bucket>, mut input: GetObjectInput) -> S3Result<GetObjectOutput> {
    meta::check_version(input.version_id.as_deref())?;
    let (object, file) = open(bucket, input.key).await?;
    let object = object.as_ref();
    check_read(&read_condition!(input), object)?;
    let slice = slice(object, input.range, input.part_number)?;
    let mut output = describe_output!(GetObjectOutput, object, slice);
    output.parts_count = parts_count(object, input.part_number);
    output.tag_count = i32::try_from(object.attributes.tags.len()).ok().filter(|count| *count > 0);
    if input.checksum_mode.is_some() && !slice.partial {
        checksum::fill_fields!(output, object.checksums);
        output.checksum_type = checksum_type(object);
    }
    output.body = Some(stream(file, slice).await?);
    Ok(output)
}

pub(super) fn head(bucket: &Bucket, mut input: HeadObjectInput) -> S3Result<HeadObjectOutput> {
    meta::check_version(input.version_id.as_deref())?;
    let object = &*bucket.object(&input.key)?;
    check_read(&read_condition!(input), object)?;
    let slice = slice(object, input.range, input.part_number)?;
    let mut output = describe_output!(HeadObjectOutput, object, slice);
    output.parts_count = parts_count(object, input.part_number);
    if input.checksum_mode.is_some() && !slice.partial {
        checksum::fill_fields!(output, object.checksums);
        output.checksum_type = checksum_type(object);
    }
    // The protocol crate applies these to `GetObject` only.
    output.cache_control = input.response_cache_control.or(output.cache_control);
    output.content_disposition = input.response_content_disposition.or(output.content_disposition);
    output.content_encoding = input.response_content_encoding.or(output.content_encoding);
    output.content_language = input.response_content_language.or(output.content_language);
    output.content_type = input.response_content_type.or(output.content_type);
    output.expires = input.response_expires.or(output.expires);
    Ok(output)
}

pub(super) async fn delete(bucket: &Arc<Bucket>, key: String, condition: WriteCondition) -> S3Result<()> {
    let bucket = Arc::clone(bucket);
    blocking(move || bucket.delete(&key, &condition)).await
}

/// Deletes many keys; what fails is told key by key and does not stop the others.
pub(super) async fn delete_many(
    bucket: &Arc<Bucket>,
    input: DeleteObjectsInput,
) -> S3Result<DeleteObjectsOutput> {
    if input.delete.objects.is_empty() || input.delete.objects.len() > MAX_DELETE {
        return Err(s3_error!(MalformedXML, "a delete names 1 to {MAX_DELETE} keys"));
    }
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for object in input.delete.objects {
        let condition =
            WriteCondition { if_match: object.e_tag.map(s3s::dto::ETagCondition::ETag), if_none_match: None };
        let outcome = match meta::check_version(object.version_id.as_deref()) {
            Ok(()) => delete(bucket, object.key.clone(), condition).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => deleted.push(DeletedObject { key: Some(object.key), ..Default::default() }),
            Err(error) => errors.push(DeleteError {
                code: Some(error.code().as_str().to_owned()),
                key: Some(object.key),
                message: error.message().map(str::to_owned),
                version_id: object.version_id,
            }),
        }
    }
    let quiet = input.delete.quiet.unwrap_or_default();
    Ok(DeleteObjectsOutput {
        deleted: (!quiet).then_some(deleted),
        errors: Some(errors).filter(|errors| !errors.is_empty()),
        ..Default::default()
    })
}

/// Publishes a written body off the async threads.
pub(super) async fn publish(
    bucket: &Arc<Bucket>,
    written: Written,
    object: ObjectMeta,
    condition: WriteCondition,
) -> S3Result<Arc<ObjectMeta>> {
    let bucket = Arc::clone(bucket);
    blocking(move || bucket.publish(written, object, &condition)).await
}

/// Streams a slice of an open object.
pub(super) async fn stream(mut file: tokio::fs::File, slice: Slice) -> S3Result<StreamingBlob> {
    file.seek(SeekFrom::Start(slice.start)).await.map_err(meta::internal)?;
    let capacity = usize::try_from(slice.length).unwrap_or(READ_BUFFER).clamp(1, READ_BUFFER);
    Ok(StreamingBlob::wrap(ReaderStream::with_capacity(file.take(slice.length), capacity)))
}

/// Finds the bytes a request asks for: all, a range, or a part.
pub(super) fn slice(object: &ObjectMeta, range: Option<Range>, part: Option<i32>) -> S3Result<Slice> {
    match (range, part) {
        (None, None) => Ok(Slice { start: 0, length: object.size, partial: false }),
        (Some(_), Some(_)) => Err(s3_error!(InvalidRequest, "give a range or a part number, not both")),
        (Some(range), None) => {
            // RFC 9110 section 14.1.2: no range of an empty body can be satisfied.
            let found =
                Some(range).filter(|_| object.size > 0).and_then(|range| range.check(object.size).ok());
            let found = found.ok_or_else(|| invalid_range(object.size))?;
            Ok(Slice { start: found.start, length: found.end.saturating_sub(found.start), partial: true })
        }
        (None, Some(number)) => part_slice(object, number),
    }
}

fn part_slice(object: &ObjectMeta, number: i32) -> S3Result<Slice> {
    let whole = [object.size];
    let parts = if object.parts.is_empty() { whole.as_slice() } else { object.parts.as_slice() };
    let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    let found = index.and_then(|index| Some((parts.get(..index)?, *parts.get(index)?)));
    let Some((before, length)) = found else {
        let mut error = s3_error!(InvalidRange, "the object has no part `{number}`");
        error.set_code(S3ErrorCode::Custom("InvalidPartNumber".into()));
        error.set_status_code(StatusCode::RANGE_NOT_SATISFIABLE);
        return Err(error);
    };
    Ok(Slice { start: before.iter().sum(), length, partial: object.size > 0 })
}

async fn open(bucket: &Arc<Bucket>, key: String) -> S3Result<(Arc<ObjectMeta>, tokio::fs::File)> {
    let bucket = Arc::clone(bucket);
    let (object, file) = blocking(move || bucket.open_object(&key)).await?;
    Ok((object, tokio::fs::File::from_std(file)))
}

fn describe(key: String, attributes: meta::Attributes, written: &Written) -> ObjectMeta {
    ObjectMeta {
        key,
        size: written.size,
        etag: written.md5.clone(),
        modified: meta::now(),
        attributes,
        checksums: written.checksums.clone(),
        parts: Vec::new(),
        upload_id: None,
    }
}

fn check_read(condition: &ReadCondition, object: &ObjectMeta) -> S3Result<()> {
    match condition.evaluate(&object.etag, &object.modified) {
        Verdict::Proceed => Ok(()),
        Verdict::NotModified => Err(not_modified(object)),
        Verdict::Failed => Err(precondition_failed()),
    }
}

fn precondition_failed() -> S3Error {
    s3_error!(PreconditionFailed, "a condition of the request does not hold")
}

/// 304 carries the validators a cache needs (RFC 9110 section 15.4.5).
fn not_modified(object: &ObjectMeta) -> S3Error {
    let mut headers = HeaderMap::new();
    let mut insert = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    insert(header::ETAG, &format!("\"{}\"", object.etag));
    insert(header::LAST_MODIFIED, &http_date(&object.modified));
    if let Some(cache_control) = &object.attributes.cache_control {
        insert(header::CACHE_CONTROL, cache_control);
    }
    if let Some(expires) = &object.attributes.expires {
        insert(header::EXPIRES, &http_date(expires));
    }
    let mut error = S3Error::new(S3ErrorCode::NotModified);
    error.set_headers(headers);
    error
}

/// 416 tells the size, so that a client can ask again (RFC 9110 section 15.5.17).
fn invalid_range(size: u64) -> S3Error {
    let mut error = s3_error!(InvalidRange, "the range does not lie in the {size} bytes of the object");
    let mut headers = HeaderMap::new();
    // Setting headers replaces those of the error document.
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
        headers.insert(header::CONTENT_RANGE, value);
    }
    error.set_headers(headers);
    error
}

fn http_date(time: &Timestamp) -> String {
    let mut text = Vec::new();
    // Only a year beyond 9999 cannot be printed; then the header is left out.
    let _ = time.format(TimestampFormat::HttpDate, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

fn content_type(object: &ObjectMeta) -> String {
    object.attributes.content_type.clone().unwrap_or_else(|| "binary/octet-stream".to_owned())
}

fn content_range(slice: Slice, size: u64) -> Option<String> {
    let last = (slice.start + slice.length).checked_sub(1)?;
    slice.partial.then(|| format!("bytes {}-{last}/{size}", slice.start))
}

fn checksum_type(object: &ObjectMeta) -> Option<ChecksumType> {
    object.checksum_type().map(ChecksumType::from_static)
}

fn parts_count(object: &ObjectMeta, asked: Option<i32>) -> Option<i32> {
    asked?;
    i32::try_from(object.parts.len()).ok().filter(|count| *count > 0)
}

pub(super) fn parse_algorithm(name: Option<&ChecksumAlgorithm>) -> S3Result<Option<Algorithm>> {
    name.map(|name| Algorithm::parse(name.as_str())).transpose()
}

/// Compares an entity tag from a request with a stored one.
pub(super) fn same_tag(asked: Option<&ETag>, stored: &str) -> bool {
    asked.is_some_and(|asked| asked.value() == stored)
}
