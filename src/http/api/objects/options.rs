//! Headers and parameters as options, and what of them cannot be.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Deserialize;

use crate::app::Error;
use crate::http::api::objects::{META, ObjectParams};
use crate::http::extract::text_of;
use crate::http::problem::Failure;
use crate::model::byte_range;
use crate::model::list_filter::{Direction, Filter, SizeRange, Sort, SortBy, TimeRange};
use crate::model::object::{Conditions, GetOptions, ListOptions, PutOptions, ResponseOverrides};
use crate::model::resource::CannedAcl;
use crate::model::signed::SignOptions;
use crate::model::span::Span;
use crate::model::upload::{Checksum, ChecksumAlgorithm, StoreEncryption, UploadExtras};

const SSE: &str = "x-amz-server-side-encryption";
const FRAMED: &str = "the body is `aws-chunked`, which is a way to talk to S3: send its bytes as they are";
const ALGORITHM: &str = "x-amz-checksum-algorithm";
const SDK_ALGORITHM: &str = "x-amz-sdk-checksum-algorithm";
const KMS_KEY: &str = "x-amz-server-side-encryption-aws-kms-key-id";

/// What of an object to read.
#[derive(Debug, Default, Deserialize)]
pub struct ReadChoice {
    version: Option<String>,
    /// Only GET takes it.
    redirect: Option<String>,
    part: Option<u16>,
    checksum_mode: Option<String>,
    response_content_type: Option<String>,
    response_content_disposition: Option<String>,
    response_content_encoding: Option<String>,
    response_content_language: Option<String>,
    response_cache_control: Option<String>,
    response_expires: Option<String>,
}

impl ReadChoice {
    /// Whether a URL of the store is wanted in place of the object.
    pub(super) fn is_redirect(&self) -> Result<bool, Failure> {
        match self.redirect.as_deref() {
            None | Some("false") => Ok(false),
            Some("true" | "") => Ok(true),
            Some(_) => Err(bad("`redirect` is `true` or `false`")),
        }
    }

    /// The URL that a redirect leads to.
    pub(super) fn signed(self, key: String) -> Result<SignOptions, Failure> {
        if self.part.is_some() || self.checksum_mode.is_some() {
            return Err(bad("`redirect` goes with neither `part` nor `checksum_mode`: leave them out"));
        }
        Ok(SignOptions {
            key,
            version: self.version,
            response_content_type: self.response_content_type,
            response_content_disposition: self.response_content_disposition,
            response_content_encoding: self.response_content_encoding,
            response_content_language: self.response_content_language,
            response_cache_control: self.response_cache_control,
            response_expires: self.response_expires,
            ..SignOptions::default()
        })
    }
}

/// A list that may go over several lines (RFC 9110, section 5.3). One that cannot be read is refused: a condition that is
/// not honoured protects nothing.
fn list_of(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Failure> {
    let mut list: Option<String> = None;
    for line in headers.get_all(name) {
        let line = readable(name.as_str(), line)?;
        match &mut list {
            Some(list) => {
                list.push_str(", ");
                list.push_str(line);
            }
            None => list = Some(line.to_owned()),
        }
    }
    Ok(list)
}

fn readable<'a>(name: &str, value: &'a HeaderValue) -> Result<&'a str, Failure> {
    value.to_str().map_err(|_| bad(&format!("the header `{name}` takes visible ASCII only")))
}

/// A header that is there once, or not at all: what of it cannot be read would be lost without a word.
pub(super) fn once<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Failure> {
    single(name, headers.get_all(name).iter())?.map(|value| readable(name, value)).transpose()
}

fn single<'a>(
    name: &str,
    mut lines: impl Iterator<Item = &'a HeaderValue>,
) -> Result<Option<&'a HeaderValue>, Failure> {
    let first = lines.next();
    if lines.next().is_some() {
        return Err(bad(&format!("the header `{name}` is there twice: send it once")));
    }
    Ok(first)
}

/// What part is asked for.
pub(super) fn range(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(text) = text_of(headers, "range") else { return Ok(None) };
    byte_range::of_header(text)
        .map_err(|rule| Failure(Error::BadRequest(format!("`Range` cannot be read: {rule}"))))
}

/// Everything but the range, which is one of a GET (RFC 9110, section 14.2).
pub(super) fn get_options(headers: &HeaderMap, choice: ReadChoice) -> Result<GetOptions, Failure> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::to_owned);
    Ok(GetOptions {
        range: None,
        version_id: choice.version,
        conditions: Conditions {
            if_match: list_of(headers, &header::IF_MATCH)?,
            if_none_match: list_of(headers, &header::IF_NONE_MATCH)?,
            if_modified_since: text(header::IF_MODIFIED_SINCE),
            if_unmodified_since: text(header::IF_UNMODIFIED_SINCE),
        },
        part: part(choice.part)?,
        checksums: checksum_mode(choice.checksum_mode.as_deref())?,
        overrides: ResponseOverrides {
            content_type: choice.response_content_type,
            content_disposition: choice.response_content_disposition,
            content_encoding: choice.response_content_encoding,
            content_language: choice.response_content_language,
            cache_control: choice.response_cache_control,
            expires: choice.response_expires,
        },
        bounded: false,
    })
}

/// A part's number within the bounds of S3.
pub(in crate::http::api) fn part(part: Option<u16>) -> Result<Option<u16>, Failure> {
    match part {
        Some(number) if !(1..=10_000).contains(&number) => {
            Err(Failure(Error::field("part", "takes a whole number from 1 to 10000")))
        }
        part => Ok(part),
    }
}

/// Whether the checksums are asked for.
pub(in crate::http::api) fn checksum_mode(mode: Option<&str>) -> Result<bool, Failure> {
    match mode {
        None => Ok(false),
        Some(word) if word.eq_ignore_ascii_case("enabled") => Ok(true),
        Some(_) => Err(Failure(Error::field("checksum_mode", "takes `enabled`, or is left out"))),
    }
}

pub(super) fn put_options(headers: &HeaderMap) -> Result<PutOptions, Failure> {
    // what is no visible ASCII is refused below, by its name and with a way out
    let read = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let text =
        |name: &HeaderName| single(name.as_str(), headers.get_all(name).iter()).map(|value| value.map(read));
    // these may go over several lines (RFC 9110, section 5.3)
    let list = |name: &HeaderName| {
        let lines: Vec<String> = headers.get_all(name).iter().map(read).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    };
    let mut options = PutOptions {
        content_type: text(&header::CONTENT_TYPE)?,
        cache_control: list(&header::CACHE_CONTROL),
        content_disposition: text(&header::CONTENT_DISPOSITION)?,
        content_encoding: list(&header::CONTENT_ENCODING),
        content_language: list(&header::CONTENT_LANGUAGE),
        if_none_match: text(&header::IF_NONE_MATCH)?,
        if_match: text(&header::IF_MATCH)?,
        metadata: BTreeMap::new(),
        extras: extras(headers)?,
    };
    refuse_unhonoured(headers)?;
    if options.if_none_match.as_deref().is_some_and(|value| value != "*") {
        return Err(bad("`If-None-Match` takes only `*` on an upload"));
    }
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix(META) else { continue };
        if options.metadata.insert(name.to_owned(), read(value)).is_some() {
            return Err(bad(&format!("the header `{META}{name}` is there twice: send it once")));
        }
    }
    options.check_headers().map_err(Error::from)?;
    Ok(options)
}

/// A condition that is not honoured would write what it should protect, and a part of an object would become all of it
/// (RFC 9110, section 14.5).
pub(super) fn refuse_unhonoured(headers: &HeaderMap) -> Result<(), Failure> {
    let unhonoured = [header::IF_UNMODIFIED_SINCE, header::CONTENT_RANGE];
    match unhonoured.iter().find(|name| headers.contains_key(*name)) {
        None => Ok(()),
        Some(name) => {
            Err(bad(&format!("`{name}` is not taken by an upload: leave it out, or use `if-match`")))
        }
    }
}

/// Headers that a part does not carry: they belong to the start of its upload, or to its completion.
pub(super) fn refuse_beside_part(headers: &HeaderMap) -> Result<(), Failure> {
    let foreign = |name: &&str| {
        ["content-md5", "if-match", "if-none-match"].contains(name)
            || name.starts_with("x-amz-") && !name.starts_with("x-amz-checksum-") && !passes_by(name)
    };
    match headers.keys().map(HeaderName::as_str).find(foreign) {
        None if framed(headers) => Err(bad(FRAMED)),
        Some("content-md5") => {
            Err(bad("a part is checked by `x-amz-checksum-crc32` and the like: leave `content-md5` out"))
        }
        Some(name) => Err(bad(&format!(
            "`{name}` is not taken by a part: give it when the upload is begun or completed"
        ))),
        None => Ok(()),
    }
}

/// The headers of S3 that an upload takes here; another one is refused, for what it asks would be lost without a word.
fn extras(headers: &HeaderMap) -> Result<UploadExtras, Failure> {
    let is_extra = |name: &str| name.starts_with("x-amz-") || ["expires", "content-md5"].contains(&name);
    if !headers.keys().any(|name| is_extra(name.as_str())) {
        // most uploads have none, and they are many to look for
        return Ok(UploadExtras::default());
    }
    refuse_strangers(headers)?;
    let text = |name: &str| once(headers, name).map(|text| text.map(str::to_owned));
    let tags = text("x-amz-tagging")?.map(|text| {
        let pairs = url::form_urlencoded::parse(text.as_bytes());
        pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    });
    Ok(UploadExtras {
        expires: text("expires")?,
        tags: tags.unwrap_or_default(),
        acl: once(headers, "x-amz-acl")?.map(canned_acl).transpose()?,
        storage_class: text("x-amz-storage-class")?,
        encryption: encryption(once(headers, SSE)?, text(KMS_KEY)?)?,
        checksum: checksum(headers)?,
        content_md5: text("content-md5")?,
    })
}

fn refuse_strangers(headers: &HeaderMap) -> Result<(), Failure> {
    let known = [SSE, KMS_KEY, "x-amz-tagging", "x-amz-acl", "x-amz-storage-class", ALGORITHM, SDK_ALGORITHM];
    let is_stranger = |name: &&str| {
        name.starts_with("x-amz-")
            && !name.starts_with(META)
            && !known.contains(name)
            && !passes_by(name)
            && ChecksumAlgorithm::ALL.iter().all(|algorithm| *name != checksum_header(*algorithm))
    };
    match headers.keys().map(HeaderName::as_str).find(is_stranger) {
        None if framed(headers) => Err(bad(FRAMED)),
        None => Ok(()),
        Some(name) if name.starts_with("x-amz-copy-source") => {
            Err(bad("an upload copies nothing: use `POST /v1/resources/{name}/objects:copy`"))
        }
        Some(name) => Err(bad(&format!("the header `{name}` is not taken by an upload: leave it out"))),
    }
}

/// What clients of S3, and what stands between them and us, send with everything.
fn passes_by(name: &str) -> bool {
    [
        "x-amz-date",
        "x-amz-content-sha256",
        "x-amz-security-token",
        "x-amz-user-agent",
        "x-amz-cf-id",
        "x-amz-apigw-id",
    ]
    .contains(&name)
}

/// Whether the body has the frames of S3's streaming signatures, which would become a part of the object.
fn framed(headers: &HeaderMap) -> bool {
    let hash = headers.get("x-amz-content-sha256");
    hash.is_some_and(|hash| hash.as_bytes().starts_with(b"STREAMING-"))
}

fn checksum_header(algorithm: ChecksumAlgorithm) -> String {
    format!("x-amz-checksum-{}", algorithm.as_str())
}

/// The canned ACL of that name.
pub(in crate::http::api) fn canned_acl(text: &str) -> Result<CannedAcl, Failure> {
    let all = [
        CannedAcl::Private,
        CannedAcl::PublicRead,
        CannedAcl::PublicReadWrite,
        CannedAcl::AuthenticatedRead,
        CannedAcl::AwsExecRead,
        CannedAcl::BucketOwnerRead,
        CannedAcl::BucketOwnerFullControl,
    ];
    all.into_iter().find(|acl| acl.as_str() == text).ok_or_else(|| {
        let names: Vec<String> = all.iter().map(|acl| format!("`{}`", acl.as_str())).collect();
        bad(&format!("`x-amz-acl` takes one of {}", names.join(", ")))
    })
}

fn encryption(kind: Option<&str>, key_id: Option<String>) -> Result<Option<StoreEncryption>, Failure> {
    match (kind, key_id) {
        (None, None) => Ok(None),
        (Some("bucket-default"), None) => Ok(Some(StoreEncryption::BucketDefault)),
        (Some("AES256"), None) => Ok(Some(StoreEncryption::SseS3)),
        (Some("aws:kms"), key_id) => Ok(Some(StoreEncryption::SseKms { key_id })),
        (Some("AES256" | "bucket-default") | None, Some(_)) => {
            Err(bad(&format!("`{KMS_KEY}` needs `{SSE}: aws:kms`")))
        }
        (Some(_), _) => Err(bad(&format!("`{SSE}` takes `AES256` or `aws:kms`, or `bucket-default`"))),
    }
}

/// `x-amz-checksum-<algorithm>` with a value, or `x-amz-checksum-algorithm` for one that is computed.
pub(super) fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Failure> {
    let mut found = None;
    for algorithm in ChecksumAlgorithm::ALL {
        let Some(value) = once(headers, &checksum_header(algorithm))? else { continue };
        if found.is_some() {
            return Err(bad("an upload takes one `x-amz-checksum-*`: leave out the others"));
        }
        found = Some(Checksum { algorithm, value: Some(value.to_owned()) });
    }
    let named = once(headers, ALGORITHM)?.or(once(headers, SDK_ALGORITHM)?);
    let Some(named) = named else { return Ok(found) };
    let algorithm = ChecksumAlgorithm::parse(named)
        .ok_or_else(|| bad("`x-amz-checksum-algorithm` takes CRC32, CRC32C, CRC64NVME, SHA1 or SHA256"))?;
    match found {
        Some(found) if found.algorithm != algorithm => {
            Err(bad("`x-amz-checksum-algorithm` names another algorithm than the checksum that is given"))
        }
        Some(found) => Ok(Some(found)),
        None => Ok(Some(Checksum { algorithm, value: None })),
    }
}

pub(super) fn list_options(params: ObjectParams) -> Result<ListOptions, Failure> {
    let time = |name: &str, text: Option<String>| {
        let read = |text: String| {
            text.parse().map_err(|_| bad(&format!("`{name}` takes a time like `2026-11-01T00:00:00Z`")))
        };
        text.map(read).transpose()
    };
    let size = SizeRange { gte: params.min_size, lte: params.max_size, ..SizeRange::default() };
    let modified = TimeRange {
        after: time("modified_after", params.modified_after)?,
        before: time("modified_before", params.modified_before)?,
    };
    let filter = Filter {
        glob: params.glob,
        regex: params.regex,
        size: (size != SizeRange::default()).then_some(size),
        modified: (modified != TimeRange::default()).then_some(modified),
        and: params.filter.as_deref().map(filter).transpose()?.map(|filter| vec![filter]),
        ..Filter::default()
    };
    Ok(ListOptions {
        prefix: params.prefix,
        delimiter: params.delimiter,
        start_after: params.start_after,
        cursor: params.cursor,
        limit: params.limit,
        filter: (filter != Filter::default()).then_some(filter),
        sort: sort(params.sort.as_deref(), params.direction.as_deref())?,
        versions: params.versions.unwrap_or_default(),
        fetch_owner: params.fetch_owner.unwrap_or_default(),
        sign_expires_in: span("sign_expires_in", params.sign_expires_in.as_deref())?,
    })
}

fn filter(text: &str) -> Result<Filter, Failure> {
    serde_json::from_str(text).map_err(|error| {
        let rule =
            format!("takes the JSON of a filter, for example {{\"not\": {{\"glob\": \"**.tmp\"}}}}: {error}");
        Failure(Error::field("filter", rule))
    })
}

/// The seconds of a span of time.
pub(super) fn span(name: &str, text: Option<&str>) -> Result<Option<u64>, Failure> {
    let span = text.map(Span::parse).transpose();
    let wrong = |why| Failure(Error::field(name, format!("is a span of time: {why}")));
    Ok(span.map_err(wrong)?.map(|span| span.0))
}

fn sort(by: Option<&str>, direction: Option<&str>) -> Result<Option<Sort>, Failure> {
    if by.is_none() && direction.is_none() {
        return Ok(None);
    }
    let by = match by {
        None | Some("key") => SortBy::Key,
        Some("size") => SortBy::Size,
        Some("last_modified") => SortBy::LastModified,
        Some(_) => return Err(bad("`sort` takes `key`, `size` or `last_modified`")),
    };
    let direction = match direction {
        None | Some("asc") => Direction::Asc,
        Some("desc") => Direction::Desc,
        Some(_) => return Err(bad("`direction` takes `asc` or `desc`")),
    };
    Ok(Some(Sort { by, direction }))
}

fn bad(text: &str) -> Failure {
    Failure(Error::BadRequest(text.to_owned()))
}
