//! Reads: metadata, and content as text, base64, a JSON value or rows.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::app::{self, ContentBody, ContentOptions, Error, MOST_CONTENT};
use crate::aws::ErrorKind;
use crate::http::api::objects::options::{checksum_mode, part};
use crate::http::api::query::{QueryAnswer, Ran, Run};
use crate::http::problem::Failure;
use crate::model::byte_range;
use crate::model::object::{Conditions, GetOptions, ObjectMetadata, ResponseOverrides};
use crate::model::read_as::{Charset, CsvOptions, Encoding, HeaderRow, MOST_ROWS};

/// Rows that a read answers when none are asked for.
const DEFAULT_ROWS: u64 = 1_000;

/// One object.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyQuery {
    /// The key, relative to the resource's prefix.
    #[schema(example = "2026/a.pdf")]
    pub(super) key: String,
    /// A version.
    #[serde(default)]
    pub(super) version: Option<String>,
}

/// One object whose metadata is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeadQuery {
    /// The key, relative to the resource's prefix.
    #[schema(example = "2026/a.pdf")]
    key: String,
    /// A version.
    #[serde(default)]
    version: Option<String>,
    /// A part of a multipart upload, from 1 to 10000; the answer says how many there are.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10_000)]
    part: Option<u16>,
    /// `enabled` asks for the checksums that the store keeps.
    #[serde(default)]
    checksum_mode: Option<String>,
    /// Only if the object has one of these ETags.
    #[serde(default)]
    if_match: Option<String>,
    /// Only if it has another; else the answer is `{"not_modified": true}`.
    #[serde(default)]
    if_none_match: Option<String>,
    /// Only if it changed after this time (RFC 3339 or an HTTP date).
    #[serde(default)]
    if_modified_since: Option<String>,
    /// Only if it did not change after this time (RFC 3339 or an HTTP date).
    #[serde(default)]
    if_unmodified_since: Option<String>,
}

/// One object to read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GetQuery {
    /// The key, relative to the resource's prefix.
    #[schema(example = "2026/a.txt")]
    key: String,
    /// A version.
    #[serde(default)]
    version: Option<String>,
    /// For example `bytes=0-99`, `bytes=100-` or `bytes=-100`.
    #[serde(default)]
    range: Option<String>,
    /// A part of a multipart upload, from 1 to 10000.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10_000)]
    part: Option<u16>,
    /// `enabled` asks for the checksums that the store keeps.
    #[serde(default)]
    checksum_mode: Option<String>,
    /// Only if the object has one of these ETags.
    #[serde(default)]
    if_match: Option<String>,
    /// Only if it has another; else the answer is `{"not_modified": true}`.
    #[serde(default)]
    if_none_match: Option<String>,
    /// Only if it changed after this time (RFC 3339 or an HTTP date).
    #[serde(default)]
    if_modified_since: Option<String>,
    /// Only if it did not change after this time (RFC 3339 or an HTTP date).
    #[serde(default)]
    if_unmodified_since: Option<String>,
    /// How the content is written in the answer. Text and base64 end after 4 MiB or `max_bytes`, and say where to go
    /// on; JSON must fit into that.
    #[serde(default)]
    r#as: Encoding,
    /// The charset of the object; absent goes by a mark at its start, then by its media type, then UTF-8.
    #[serde(default)]
    #[schema(example = "latin1")]
    charset: Option<String>,
    /// Rows at most, for `csv` and `ndjson`; default 1000. What lies behind them is not read.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10_000)]
    limit: Option<u64>,
    /// Bytes to read at most; default 4194304, which is also the most.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 4_194_304)]
    max_bytes: Option<u64>,
    /// The first row of a CSV file: `true` (names), `false` (data, so that rows are lists), or the names themselves,
    /// when there is no such row. Default `true`.
    #[serde(default)]
    header: Option<HeaderRow>,
    /// Stands between the fields of a CSV file; default `,`. One ASCII character; `\t` is a tab.
    #[serde(default)]
    delimiter: Option<String>,
    /// Stands round the fields of a CSV file; default `"`. One ASCII character.
    #[serde(default)]
    quote: Option<String>,
    /// Only these columns of a CSV file, in this order, or only these fields of NDJSON.
    #[serde(default)]
    columns: Option<Vec<String>>,
    /// The content type in the answer.
    #[serde(default)]
    response_content_type: Option<String>,
    /// The disposition in the answer.
    #[serde(default)]
    response_content_disposition: Option<String>,
    /// The encoding in the answer.
    #[serde(default)]
    response_content_encoding: Option<String>,
    /// The language in the answer.
    #[serde(default)]
    response_content_language: Option<String>,
    /// The cache control in the answer.
    #[serde(default)]
    response_cache_control: Option<String>,
    /// `Expires` in the answer.
    #[serde(default)]
    response_expires: Option<String>,
}

/// An object's content in JSON: one of `content`, `value` and `rows`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ObjectContent {
    /// The bytes as text or base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    /// The JSON value that the object holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    value: Option<Box<RawValue>>,
    /// One value a row: objects, or lists where a CSV file has no names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<serde_json::Value>>)]
    rows: Option<Vec<Box<RawValue>>>,
    /// Names of the columns that rows have, in their order.
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
    /// How the content is written here.
    encoding: Encoding,
    /// The charset that it was read in.
    #[serde(skip_serializing_if = "Option::is_none")]
    charset: Option<&'static str>,
    /// True when the object goes on; read the rest with `range`.
    truncated: bool,
    /// Where to go on, as a `range`; for rows, where the next one begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_range: Option<String>,
    /// What to give as `header` with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_header: Option<HeaderRow>,
    /// What is known about the object.
    #[serde(flatten)]
    metadata: ObjectMetadata,
}

/// A condition of a read found nothing new.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotModified {
    /// Always true.
    #[serde(rename = "not_modified")]
    #[schema(example = true)]
    holds: bool,
    /// The key.
    key: String,
    /// With its quotes, where the store tells.
    etag: Option<String>,
}

pub(super) async fn head(run: Run<'_>, wanted: HeadQuery) -> Ran {
    let options = GetOptions {
        version_id: wanted.version,
        part: part(wanted.part)?,
        checksums: checksum_mode(wanted.checksum_mode.as_deref())?,
        conditions: Conditions {
            if_match: wanted.if_match,
            if_none_match: wanted.if_none_match,
            if_modified_since: http_date("if_modified_since", wanted.if_modified_since)?,
            if_unmodified_since: http_date("if_unmodified_since", wanted.if_unmodified_since)?,
        },
        ..GetOptions::default()
    };
    let found = run.app.head(run.caller, run.resource, run.environment, &wanted.key, &options).await;
    let found = match found {
        Err(error) => return not_modified(error, wanted.key),
        Ok(found) => found,
    };
    Ok((QueryAnswer::Head(Box::new(found.value.metadata)), found.freshness))
}

fn range(text: &str) -> Result<String, Failure> {
    byte_range::of_field(text).map_err(|rule| Failure(Error::field("range", rule)))
}

pub(super) async fn get(run: Run<'_>, mut wanted: GetQuery) -> Ran {
    let content = content_options(&mut wanted)?;
    let options = GetOptions {
        version_id: wanted.version,
        range: wanted.range.as_deref().map(range).transpose()?,
        part: part(wanted.part)?,
        checksums: checksum_mode(wanted.checksum_mode.as_deref())?,
        conditions: Conditions {
            if_match: wanted.if_match,
            if_none_match: wanted.if_none_match,
            if_modified_since: http_date("if_modified_since", wanted.if_modified_since)?,
            if_unmodified_since: http_date("if_unmodified_since", wanted.if_unmodified_since)?,
        },
        overrides: ResponseOverrides {
            content_type: wanted.response_content_type,
            content_disposition: wanted.response_content_disposition,
            content_encoding: wanted.response_content_encoding,
            content_language: wanted.response_content_language,
            cache_control: wanted.response_cache_control,
            expires: wanted.response_expires,
        },
        bounded: true,
    };
    let encoding = content.encoding;
    let (caller, environment) = (run.caller, run.environment);
    let read = run.app.content(caller, run.resource, environment, &wanted.key, options, content).await;
    match read {
        Err(error) => not_modified(error, wanted.key),
        Ok(read) => Ok((QueryAnswer::Get(Box::new(answer(read.value, encoding))), read.freshness)),
    }
}

fn answer(read: app::Content, encoding: Encoding) -> ObjectContent {
    let mut answer = ObjectContent {
        content: None,
        value: None,
        rows: None,
        columns: None,
        encoding,
        charset: None,
        truncated: read.next_range.is_some(),
        next_range: read.next_range,
        next_header: None,
        metadata: read.metadata,
    };
    match read.body {
        ContentBody::Text(text, charset) => {
            (answer.content, answer.charset) = (Some(text), Some(charset.name()));
        }
        ContentBody::Base64(text) => answer.content = Some(text),
        ContentBody::Json(value) => answer.value = Some(value),
        ContentBody::Rows(rows, charset) => {
            if encoding == Encoding::Csv && answer.truncated {
                answer.next_header = Some(rows.header.map_or(HeaderRow::There(false), HeaderRow::Names));
            }
            (answer.rows, answer.columns) = (Some(rows.rows), rows.columns);
            answer.charset = Some(charset.name());
        }
    }
    answer
}

/// A condition that found nothing new is an answer, not an error.
fn not_modified(error: Error, key: String) -> Ran {
    match error {
        Error::Upstream(upstream) if upstream.kind == ErrorKind::NotModified => {
            let answer = NotModified { holds: true, key, etag: upstream.etag };
            Ok((QueryAnswer::NotModified(answer), crate::app::connection::Freshness::default()))
        }
        error => Err(Failure(error)),
    }
}

/// Takes what says how to write the content.
fn content_options(wanted: &mut GetQuery) -> Result<ContentOptions, Failure> {
    let encoding = wanted.r#as;
    check_fields(wanted, encoding)?;
    let charset = wanted.charset.as_deref().map(Charset::parse).transpose();
    Ok(ContentOptions {
        encoding,
        charset: charset.map_err(|text| Failure(Error::BadRequest(text)))?,
        limit: bounded("limit", wanted.limit, DEFAULT_ROWS, MOST_ROWS)?,
        most_bytes: bounded("max_bytes", wanted.max_bytes, MOST_CONTENT, MOST_CONTENT)?,
        csv: CsvOptions {
            header: wanted.header.take().unwrap_or_default(),
            delimiter: sign("delimiter", wanted.delimiter.as_deref())?,
            quote: sign("quote", wanted.quote.as_deref())?,
            columns: wanted.columns.take(),
            charset: Charset::default(),
        },
    })
}

/// What would not be heeded is refused.
fn check_fields(wanted: &GetQuery, encoding: Encoding) -> Result<(), Failure> {
    let rows = [Encoding::Csv, Encoding::Ndjson].contains(&encoding);
    let csv = encoding == Encoding::Csv;
    let given = [
        ("limit", wanted.limit.is_some(), rows, "`csv` and `ndjson`"),
        ("columns", wanted.columns.is_some(), rows, "`csv` and `ndjson`"),
        ("header", wanted.header.is_some(), csv, "`csv`"),
        ("delimiter", wanted.delimiter.is_some(), csv, "`csv`"),
        ("quote", wanted.quote.is_some(), csv, "`csv`"),
        ("charset", wanted.charset.is_some(), encoding != Encoding::Base64, "what is text"),
    ];
    match given.into_iter().find(|(_, given, taken, _)| *given && !taken) {
        Some((name, _, _, of)) => Err(bad(name, format!("is for {of}: set `as`, or leave it out"))),
        None => Ok(()),
    }
}

fn bounded(name: &str, value: Option<u64>, default: u64, most: u64) -> Result<u64, Failure> {
    match value.unwrap_or(default) {
        value if (1..=most).contains(&value) => Ok(value),
        _ => Err(bad(name, format!("takes a whole number from 1 to {most}"))),
    }
}

fn sign(name: &str, text: Option<&str>) -> Result<Option<u8>, Failure> {
    let Some(text) = text else { return Ok(None) };
    match text.as_bytes() {
        b"\\t" => Ok(Some(b'\t')),
        [byte] if byte.is_ascii() && !b"\r\n\0".contains(byte) => Ok(Some(*byte)),
        _ => Err(bad(name, "takes one ASCII character")),
    }
}

/// A time as HTTP writes it.
fn http_date(name: &str, text: Option<String>) -> Result<Option<String>, Failure> {
    let Some(text) = text else { return Ok(None) };
    if jiff::fmt::rfc2822::parse(&text).is_ok() {
        return Ok(Some(text));
    }
    let wrong = || bad(name, "takes a time like `2026-11-01T00:00:00Z`, or an HTTP date");
    let at: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    printer.timestamp_to_rfc9110_string(&at).map(Some).map_err(|_| wrong())
}

fn bad(field: &str, rule: impl Into<String>) -> Failure {
    Failure(Error::field(field, rule))
}
