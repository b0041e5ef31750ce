//! Content of objects as callers of JSON want it: text, JSON values, rows of CSV and NDJSON. Bytes come in pieces;
//! who reads stops when a reader has enough.

mod charset;
mod csv;
mod json;
mod ndjson;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

pub use charset::Charset;
pub use csv::{CsvOptions, CsvReader};
pub use json::parse_json;
pub use ndjson::NdjsonReader;

/// Rows of one answer.
pub const MOST_ROWS: u64 = 10_000;
/// Columns of one row.
const MOST_COLUMNS: usize = 1_000;
/// Bytes that the rows of one answer take in memory, names of columns included.
const MOST_HELD: usize = 16 << 20;
/// How deep values may stand in one another.
const MOST_DEPTH: usize = 100;

/// How the content of an object is written in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// `content` is text.
    #[default]
    Text,
    /// `content` is base64.
    Base64,
    /// `value` is the JSON that the object holds.
    Json,
    /// `rows` are the rows of a CSV file.
    Csv,
    /// `rows` are the lines of a file with one JSON value a line.
    Ndjson,
}

/// The first row of a CSV file: names, data, or not there because the names are given.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(untagged)]
pub enum HeaderRow {
    /// `true`: the first row holds the names of the columns. `false`: it is data, and rows are lists.
    There(bool),
    /// There is none: these are the names. A read that goes on takes them from `next_header`.
    Names(Vec<String>),
}

impl Default for HeaderRow {
    fn default() -> HeaderRow {
        HeaderRow::There(true)
    }
}

/// Rows of an object.
#[derive(Debug, Default)]
pub struct Rows {
    /// Names of columns, for CSV with names.
    pub columns: Option<Vec<String>>,
    /// The names that a read that goes on gives as `header`; all columns, also those that were not asked for.
    pub header: Option<Vec<String>>,
    /// One JSON value a row.
    pub rows: Vec<Box<RawValue>>,
    /// Where the next row begins, in bytes from where the read began; none at the end.
    pub next: Option<u64>,
}

/// What a reader of rows wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// More bytes.
    More,
    /// Nothing: the bound is reached, and there is more.
    Enough,
}

/// The rows that were read so far, within the bounds.
#[derive(Debug)]
struct Gathered {
    rows: Vec<Box<RawValue>>,
    limit: usize,
    held: usize,
}

impl Gathered {
    fn new(limit: u64) -> Gathered {
        let limit = usize::try_from(limit.min(MOST_ROWS)).unwrap_or(usize::MAX);
        Gathered { rows: Vec::new(), limit, held: 0 }
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= self.limit || self.held >= MOST_HELD
    }

    fn push(&mut self, row: Box<RawValue>) {
        // a row of its own takes a little more than its text
        self.held += row.get().len() + 32;
        self.rows.push(row);
    }
}

fn raw(value: &impl Serialize) -> Result<Box<RawValue>, String> {
    serde_json::value::to_raw_value(value).map_err(|error| error.to_string())
}

/// The bytes without the mark that some programs write before UTF-8.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}
/// Names that are asked for: each once, since a row has room for all of them.
pub fn check_columns(columns: Option<&[String]>) -> Result<(), String> {
    let Some(columns) = columns else { return Ok(()) };
    let distinct: std::collections::HashSet<&String> = columns.iter().collect();
    if columns.is_empty() || columns.len() > MOST_COLUMNS || distinct.len() != columns.len() {
        return Err(format!("`columns` takes 1 to {MOST_COLUMNS} different names"));
    }
    Ok(())
}
