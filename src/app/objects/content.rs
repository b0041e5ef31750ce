//! Content for callers that speak JSON: text, base64, a JSON value, rows. What is answered is in memory and so has a
//! bound; the rest of the object is left in the store, whose answer is dropped.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::value::RawValue;

use crate::app::objects::Outcome;
use crate::app::{App, Error};
use crate::aws::body::DownloadBody;
use crate::aws::s3::Download;
use crate::aws::{AwsError, ErrorKind};
use crate::model::name::Name;
use crate::model::object::{GetOptions, ObjectMetadata};
use crate::model::principal::Caller;
use crate::model::read_as::{
    Charset, CsvOptions, CsvReader, Encoding, NdjsonReader, Rows, Want, check_columns, parse_json,
};

/// Bytes of an object that one answer is made of.
pub const MOST_CONTENT: u64 = 4 << 20;

/// How to write content in an answer.
#[derive(Debug, Clone, Default)]
pub struct ContentOptions {
    /// As what.
    pub encoding: Encoding,
    /// The charset; absent goes by a mark at the start, then by the object's media type, then UTF-8.
    pub charset: Option<Charset>,
    /// Rows at most.
    pub limit: u64,
    /// Bytes to read at most; no more than [`MOST_CONTENT`].
    pub most_bytes: u64,
    /// For CSV; its `columns` are for NDJSON too.
    pub csv: CsvOptions,
}

/// Content in an answer.
#[derive(Debug)]
pub struct Content {
    /// What is known about the object.
    pub metadata: ObjectMetadata,
    /// The content.
    pub body: ContentBody,
    /// Where to go on, as a `Range`; none when nothing was left out.
    pub next_range: Option<String>,
}

/// Content as it was asked for.
#[derive(Debug)]
pub enum ContentBody {
    /// Text, and the charset that it was read in.
    Text(String, Charset),
    /// Base64.
    Base64(String),
    /// A JSON value as it is written.
    Json(Box<RawValue>),
    /// Rows, and the charset that they were read in.
    Rows(Rows, Charset),
}

impl App {
    /// The content of an object, up to the bound.
    pub async fn content(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        key: &str,
        options: GetOptions,
        wanted: ContentOptions,
    ) -> Result<Outcome<Content>, Error> {
        let limit = self.known_resource(caller, name)?.record.definition.limits.max_read_bytes;
        let most = wanted.most_bytes.min(MOST_CONTENT).min(limit.unwrap_or(u64::MAX));
        let options = GetOptions { bounded: true, ..options };
        let names_encoding = options.overrides.content_encoding.is_some();
        let opened = self.get(caller, name, environment, key, &options).await?;
        let Download { metadata, content_range, content_length, body, .. } = opened.value;
        let range = content_range.as_deref().and_then(range_bounds);
        let kind = metadata.content_type.as_deref();
        // one that the caller names is not that of the object
        if wanted.encoding != Encoding::Base64 && !names_encoding {
            readable(metadata.content_encoding.as_deref())?;
        }
        let idle = Duration::from_millis(self.config.server.body_idle_timeout_ms);
        let pieces = Pieces { body, idle, left: most, length: content_length, cut: false };
        let read = read_as(pieces, &wanted, kind, range.is_none_or(|(start, _)| start == 0)).await?;
        let next_range = read.next.map(|next| match range {
            // the rest of what was asked for, and no more
            Some((start, end)) => format!("bytes={}-{end}", start + next),
            None => format!("bytes={next}-"),
        });
        let value = Content { metadata, body: read.body, next_range };
        Ok(Outcome { value, freshness: opened.freshness })
    }
}

/// What is compressed is neither text nor rows.
fn readable(content_encoding: Option<&str>) -> Result<(), Error> {
    // the codings of HTTP (RFC 9110, section 8.4.1, and those registered since); other words are there by mistake
    let known = ["gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd", "dcb", "dcz"];
    let packs = |coding: &str| known.contains(&coding.trim().to_ascii_lowercase().as_str());
    match content_encoding.filter(|codings| codings.split(',').any(packs)) {
        None => Ok(()),
        Some(codings) => Err(Error::BadRequest(format!(
            "the object is stored as `{codings}` (its `Content-Encoding`), which is not decoded here: read its bytes over plain HTTP or with `\"as\": \"base64\"`"
        ))),
    }
}

/// What was read, and how many bytes of it were used, when there is more.
struct Read {
    body: ContentBody,
    next: Option<u64>,
}

async fn read_as(
    mut pieces: Pieces,
    wanted: &ContentOptions,
    kind: Option<&str>,
    at_start: bool,
) -> Result<Read, Error> {
    match wanted.encoding {
        Encoding::Csv | Encoding::Ndjson => read_rows(pieces, wanted, kind, at_start).await,
        Encoding::Base64 => {
            let (bytes, cut) = pieces.gather().await?;
            let next = cut.then_some(bytes.len() as u64);
            Ok(Read { body: ContentBody::Base64(BASE64.encode(&bytes)), next })
        }
        Encoding::Json => {
            let most = pieces.left;
            let (bytes, cut) = pieces.gather().await?;
            if cut {
                return Err(Error::TooLarge(format!(
                    "the object has more than the {most} bytes that one answer may be made of, and half a value is \
                     none: read it as `text` with `range`, or over plain HTTP"
                )));
            }
            let charset = charset(wanted.charset, &bytes, kind, at_start);
            let text = charset.decode(&bytes).ok_or_else(|| no_text(charset))?;
            let value = parse_json(&text).map_err(Error::BadRequest)?;
            Ok(Read { body: ContentBody::Json(value), next: None })
        }
        Encoding::Text => {
            let (bytes, cut) = pieces.gather().await?;
            let charset = charset(wanted.charset, &bytes, kind, at_start);
            let decoded = if cut {
                charset.decode_whole_characters(&bytes)
            } else {
                charset.decode(&bytes).map(|text| (text, bytes.len()))
            };
            let (text, taken) = decoded.ok_or_else(|| no_text(charset))?;
            if cut && taken == 0 {
                let text = "`max_bytes` has no room for one character: ask for 4 or more";
                return Err(Error::BadRequest(text.to_owned()));
            }
            let next = cut.then_some(taken as u64);
            Ok(Read { body: ContentBody::Text(text.into_owned(), charset), next })
        }
    }
}

fn no_text(charset: Charset) -> Error {
    let name = charset.name();
    Error::BadRequest(format!(
        "the object is not {name} text: name its `charset`, or read it with `\"as\": \"base64\"`"
    ))
}

/// What the caller says counts, but for the order of bytes, which a mark knows better.
fn charset(given: Option<Charset>, bytes: &[u8], kind: Option<&str>, at_start: bool) -> Charset {
    let mark = at_start.then(|| Charset::of_mark(bytes)).flatten();
    match (given, mark) {
        (Some(given), Some(mark))
            if given.name().starts_with("UTF-16") && mark.name().starts_with("UTF-16") =>
        {
            mark
        }
        (Some(given), _) => given,
        (None, Some(mark)) => mark,
        (None, None) => kind.and_then(Charset::of_media_type).unwrap_or_default(),
    }
}

enum RowReader {
    Csv(Box<CsvReader>),
    Ndjson(NdjsonReader),
}

async fn read_rows(
    mut pieces: Pieces,
    wanted: &ContentOptions,
    kind: Option<&str>,
    at_start: bool,
) -> Result<Read, Error> {
    let mut first = pieces.next().await?;
    let charset = charset(wanted.charset, first.as_deref().unwrap_or_default(), kind, at_start);
    if !charset.has_plain_lines() {
        let name = charset.name();
        return Err(Error::BadRequest(format!(
            "rows are read in UTF-8 and in charsets of one byte for each character, and this is {name}: read the \
             object as `text`"
        )));
    }
    check_columns(wanted.csv.columns.as_deref()).map_err(Error::BadRequest)?;
    let mut reader = match wanted.encoding {
        Encoding::Csv => {
            let options = CsvOptions { charset, ..wanted.csv.clone() };
            RowReader::Csv(Box::new(CsvReader::new(options, wanted.limit).map_err(Error::BadRequest)?))
        }
        _ => RowReader::Ndjson(NdjsonReader::new(charset, wanted.limit, wanted.csv.columns.clone())),
    };
    while let Some(piece) = first.take() {
        let want = match &mut reader {
            RowReader::Csv(reader) => reader.feed(&piece),
            RowReader::Ndjson(reader) => reader.feed(&piece),
        };
        if want.map_err(Error::BadRequest)? == Want::Enough {
            break;
        }
        first = pieces.next().await?;
    }
    let whole = !pieces.was_cut().await?;
    let rows = match reader {
        RowReader::Csv(reader) => reader.finish(whole),
        RowReader::Ndjson(reader) => reader.finish(whole),
    };
    let rows = rows.map_err(Error::BadRequest)?;
    Ok(Read { next: rows.next, body: ContentBody::Rows(rows, charset) })
}

/// The bytes of a body up to the bound.
struct Pieces {
    body: DownloadBody,
    idle: Duration,
    left: u64,
    /// Bytes that the store has still to send, when it says so.
    length: Option<u64>,
    cut: bool,
}

impl Pieces {
    /// The next bytes; none at the end and at the bound.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        let Some(mut bytes) = self.frame().await? else { return Ok(None) };
        self.cut = bytes.len() as u64 > self.left;
        bytes.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= bytes.len() as u64;
        self.length = self.length.map(|length| length.saturating_sub(bytes.len() as u64));
        Ok(Some(bytes))
    }

    /// Whether the bound came before the end.
    async fn was_cut(&mut self) -> Result<bool, Error> {
        if self.left > 0 || self.cut {
            return Ok(self.cut);
        }
        match self.length {
            Some(left) => Ok(left > 0),
            None => Ok(self.frame().await?.is_some()),
        }
    }

    async fn gather(&mut self) -> Result<(Vec<u8>, bool), Error> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next().await? {
            all.extend_from_slice(&bytes);
        }
        let cut = self.was_cut().await?;
        Ok((all, cut))
    }

    async fn frame(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let frame = tokio::time::timeout(self.idle, self.body.frame()).await.map_err(|_| {
                let text = "the store stalled in the middle of the body";
                AwsError::new(ErrorKind::Timeout, "s3", "ReadTimeout", text)
            })?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| {
                let text = format!("the store's answer broke off: {error}");
                AwsError::new(ErrorKind::Unreachable, "s3", "ConnectionReset", text)
            })?;
            match frame.into_data() {
                Ok(bytes) if !bytes.is_empty() => return Ok(Some(bytes)),
                _ => {}
            }
        }
    }
}

/// The first and the last byte of `bytes 0-99/200`.
fn range_bounds(content_range: &str) -> Option<(u64, u64)> {
    let (start, rest) = content_range.strip_prefix("bytes ")?.split_once('-')?;
    Some((start.parse().ok()?, rest.split('/').next()?.parse().ok()?))
}
