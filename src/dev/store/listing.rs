//! `ListObjects`, `ListObjectsV2` and `ListMultipartUploads`: the pages of the index in the words of S3.

use std::collections::BTreeMap;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    CommonPrefix, EncodingType, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsInput,
    ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, MultipartUpload, Object, ObjectStorageClass,
    Owner, StorageClass,
};
use s3s::{S3Result, s3_error};

use super::bucket::Bucket;
use super::index::{self, Entry, Key, Page, Query, Start};
use super::meta::{self, ObjectMeta, UploadMeta};

/// The most entries S3 puts on a page, whatever the client asks for.
const MAX_PAGE: i32 = 1000;
/// What `encoding-type=url` leaves as it is; a blank becomes `%20`, which every client decodes alike.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
/// The one account of an embedded store.
const OWNER: &str = "embedded";

/// How the names of a listing are printed.
#[derive(Clone, Copy)]
struct Names {
    url: bool,
}

impl Names {
    fn parse(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self { url: false }),
            Some("url") => Ok(Self { url: true }),
            Some(other) => {
                Err(s3_error!(InvalidArgument, "the encoding type `{other}` is not known, use `url`"))
            }
        }
    }

    fn print(self, name: &str) -> String {
        if self.url { utf8_percent_encode(name, PLAIN).to_string() } else { name.to_owned() }
    }

    fn print_optional(self, name: Option<&String>) -> Option<String> {
        name.map(|name| self.print(name))
    }
}

pub(super) fn owner() -> Owner {
    Owner { display_name: Some(OWNER.to_owned()), id: Some(OWNER.to_owned()) }
}

pub(super) fn objects_v2(bucket: &Bucket, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
    let names = Names::parse(input.encoding_type.as_ref())?;
    let max_keys = page_size(input.max_keys)?;
    let start = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => Start::parse_token(token)
            .ok_or_else(|| s3_error!(InvalidArgument, "the continuation token is not valid"))?,
        (None, Some(key)) => Start::After(key.clone()),
        (None, None) => Start::Beginning,
    };
    let query = Query {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: not_empty(input.delimiter.as_deref()),
        start,
        limit: usize::try_from(max_keys).unwrap_or_default(),
    };
    let page = index::page(&bucket.state()?.objects, &query);
    let key_count = i32::try_from(page.entries.len()).unwrap_or(MAX_PAGE);
    let next = page.next.as_ref().and_then(Start::to_token);
    let owner = input.fetch_owner.unwrap_or_default().then(owner);
    let (contents, common_prefixes) = print_page(page, names, owner.as_ref());
    Ok(ListObjectsV2Output {
        name: Some(bucket.name.clone()),
        prefix: Some(names.print(query.prefix)),
        max_keys: Some(max_keys),
        key_count: Some(key_count),
        continuation_token: input.continuation_token,
        is_truncated: Some(next.is_some()),
        next_continuation_token: next,
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        delimiter: names.print_optional(input.delimiter.as_ref()),
        encoding_type: input.encoding_type,
        start_after: names.print_optional(input.start_after.as_ref()),
        ..Default::default()
    })
}

pub(super) fn objects_v1(bucket: &Bucket, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
    let names = Names::parse(input.encoding_type.as_ref())?;
    let max_keys = page_size(input.max_keys)?;
    let delimiter = not_empty(input.delimiter.as_deref());
    let query = Query {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter,
        start: start_of_marker(input.marker.as_deref(), delimiter),
        limit: usize::try_from(max_keys).unwrap_or_default(),
    };
    let page = index::page(&bucket.state()?.objects, &query);
    let truncated = page.next.is_some();
    // Without a delimiter S3 leaves it to the client to go on behind the last key.
    let next = page.next.as_ref().and_then(Start::marker).filter(|_| delimiter.is_some());
    let next_marker = next.map(|marker| names.print(marker));
    let (contents, common_prefixes) = print_page(page, names, Some(&owner()));
    Ok(ListObjectsOutput {
        name: Some(bucket.name.clone()),
        prefix: Some(names.print(query.prefix)),
        marker: Some(names.print(input.marker.as_deref().unwrap_or_default())),
        max_keys: Some(max_keys),
        is_truncated: Some(truncated),
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        delimiter: names.print_optional(input.delimiter.as_ref()),
        next_marker,
        encoding_type: input.encoding_type,
        ..Default::default()
    })
}

pub(super) fn uploads(
    bucket: &Bucket,
    input: ListMultipartUploadsInput,
) -> S3Result<ListMultipartUploadsOutput> {
    let names = Names::parse(input.encoding_type.as_ref())?;
    let max_uploads = page_size(input.max_uploads)?;
    let delimiter = not_empty(input.delimiter.as_deref());
    // A key can have several uploads: ordered by key, then by upload id, as the two markers ask for.
    let separator = '\0';
    let by_key: BTreeMap<Key, Arc<UploadMeta>> = bucket
        .state()?
        .uploads
        .values()
        .map(|upload| {
            (Key::new(&format!("{}{separator}{}", upload.meta.key, upload.meta.id)), Arc::clone(&upload.meta))
        })
        .collect();
    let start = match (input.key_marker.as_deref(), input.upload_id_marker.as_deref()) {
        (Some(key), Some(id)) => Start::After(format!("{key}{separator}{id}")),
        (Some(key), None) => match start_of_marker(Some(key), delimiter) {
            Start::After(key) => Start::AfterGroup(format!("{key}{separator}")),
            other => other,
        },
        (None, _) => Start::Beginning,
    };
    let limit = usize::try_from(max_uploads).unwrap_or_default();
    let query = Query { prefix: input.prefix.as_deref().unwrap_or_default(), delimiter, start, limit };
    let page = index::page(&by_key, &query);
    let next = page.next.as_ref().and_then(Start::marker);
    let (next_key, next_id) = match next.map(|marker| marker.split_once(separator).unwrap_or((marker, ""))) {
        Some((key, id)) => (Some(names.print(key)), Some(id.to_owned())),
        None => (None, None),
    };
    let is_truncated = page.next.is_some();
    let (mut uploads, mut groups) = (Vec::new(), Vec::new());
    for entry in page.entries {
        match entry {
            Entry::Object(upload) => uploads.push(print_upload(&upload, names)),
            Entry::Group(group) => groups.push(CommonPrefix { prefix: Some(names.print(&group)) }),
        }
    }
    Ok(ListMultipartUploadsOutput {
        bucket: Some(bucket.name.clone()),
        common_prefixes: Some(groups),
        delimiter: names.print_optional(input.delimiter.as_ref()),
        encoding_type: input.encoding_type,
        is_truncated: Some(is_truncated),
        key_marker: names.print_optional(input.key_marker.as_ref()),
        max_uploads: Some(max_uploads),
        next_key_marker: next_key,
        next_upload_id_marker: next_id,
        prefix: names.print_optional(input.prefix.as_ref()),
        upload_id_marker: input.upload_id_marker,
        uploads: Some(uploads),
        ..Default::default()
    })
}

/// Checks a page size a client asked for; S3 lowers what is too high and refuses what is negative.
pub(super) fn page_size(asked: Option<i32>) -> S3Result<i32> {
    match asked {
        Some(size) if size < 0 => Err(s3_error!(InvalidArgument, "the page size `{size}` is negative")),
        Some(size) => Ok(size.min(MAX_PAGE)),
        None => Ok(MAX_PAGE),
    }
}

fn not_empty(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// A marker that ends with the delimiter is a group an earlier page ended with.
fn start_of_marker(marker: Option<&str>, delimiter: Option<&str>) -> Start {
    match (not_empty(marker), delimiter) {
        (None, _) => Start::Beginning,
        (Some(marker), Some(delimiter)) if marker.ends_with(delimiter) => {
            Start::AfterGroup(marker.to_owned())
        }
        (Some(marker), _) => Start::After(marker.to_owned()),
    }
}

fn print_page(
    page: Page<Arc<ObjectMeta>>,
    names: Names,
    owner: Option<&Owner>,
) -> (Vec<Object>, Vec<CommonPrefix>) {
    let (mut objects, mut groups) = (Vec::new(), Vec::new());
    for entry in page.entries {
        match entry {
            Entry::Object(object) => objects.push(print_object(&object, names, owner)),
            Entry::Group(group) => groups.push(CommonPrefix { prefix: Some(names.print(&group)) }),
        }
    }
    (objects, groups)
}

fn print_object(object: &ObjectMeta, names: Names, owner: Option<&Owner>) -> Object {
    let storage_class = object.attributes.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned());
    Object {
        e_tag: Some(object.e_tag()),
        key: Some(names.print(&object.key)),
        last_modified: Some(object.modified.clone()),
        owner: owner.cloned(),
        size: Some(meta::signed(object.size)),
        storage_class: Some(ObjectStorageClass::from(storage_class)),
        ..Default::default()
    }
}

fn print_upload(upload: &UploadMeta, names: Names) -> MultipartUpload {
    let storage_class = upload.attributes.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned());
    MultipartUpload {
        initiated: Some(upload.initiated.clone()),
        key: Some(names.print(&upload.key)),
        owner: Some(owner()),
        storage_class: Some(StorageClass::from(storage_class)),
        upload_id: Some(upload.id.clone()),
        ..Default::default()
    }
}
