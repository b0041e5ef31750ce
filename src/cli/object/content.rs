//! `object get --as`: content that the server reads, as text, base64, a JSON value or rows.

use std::io::Write as _;

use clap::{Args, ValueEnum};
use reqwest::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::cli::client::ANSWER_TIMEOUT;
use crate::cli::exit::{Exit, usage};
use crate::cli::output::{Format, Output, plain};
use crate::cli::{Session, object};

/// How the content is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Text in UTF-8, whatever charset the object has
    Text,
    /// Base64
    Base64,
    /// The JSON value that the object holds
    Json,
    /// Rows of a CSV file, one JSON value a line
    Csv,
    /// Rows of an NDJSON file
    Ndjson,
}

/// Flags of `object get` for content that the server reads.
#[derive(Debug, Args)]
#[command(next_help_heading = "Content that the server reads")]
pub(crate) struct Content {
    /// Read up to 4 MiB on the server and write it to stdout in this form
    #[arg(long = "as", value_name = "KIND")]
    pub(crate) kind: Option<Kind>,
    /// Rows at most; without --as those of a CSV file [default: 1000]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rows: Option<u64>,
    /// Bytes at most of text and base64 [default: 4 MiB]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    max_bytes: Option<u64>,
    /// Charset of the object, for example `latin1` or `utf-16`
    #[arg(long, value_name = "NAME")]
    charset: Option<String>,
    /// Only these columns of rows
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    columns: Vec<String>,
    /// The first row of a CSV file: `true` for names, `false` for data, or the names, separated by commas
    #[arg(long, value_name = "ROW")]
    header: Option<String>,
    /// Stands between the fields of a CSV file [default: ,]
    #[arg(long, value_name = "CHARACTER")]
    delimiter: Option<String>,
    /// Stands round the fields of a CSV file [default: "]
    #[arg(long, value_name = "CHARACTER")]
    quote: Option<String>,
}

/// What the server answers; values stay as they are written.
#[derive(Debug, Deserialize)]
struct Read {
    content: Option<String>,
    value: Option<Box<RawValue>>,
    rows: Option<Vec<Box<RawValue>>>,
    #[serde(default)]
    truncated: bool,
    next_range: Option<String>,
    next_header: Option<Value>,
    #[serde(default)]
    not_modified: bool,
}

impl Content {
    /// Whether the server is to read the content.
    pub(crate) fn is_wanted(&self) -> bool {
        let flags = [&self.charset, &self.header, &self.delimiter, &self.quote];
        self.kind.is_some()
            || self.rows.is_some()
            || self.max_bytes.is_some()
            || !self.columns.is_empty()
            || flags.iter().any(|flag| flag.is_some())
    }

    /// Asks, and writes to stdout. `fields` are those of the query that plain reads have too.
    pub(crate) async fn run(&self, session: &Session, resource: &str, fields: Value) -> anyhow::Result<Exit> {
        let path = ["resources", resource, "query"];
        let request = session.client.request(Method::POST, &path, &[])?.json(&self.query(fields)?);
        let response = session.client.answer(request.timeout(ANSWER_TIMEOUT)).await?;
        let text = response.text().await.map_err(|error| session.client.unreachable(&error))?;
        let read: Read = serde_json::from_str(&text)?;
        let out = &session.out;
        if out.format() == Format::Json {
            out.line(&text)?;
        } else if let Some(content) = &read.content {
            write_text(out, content)?;
        } else if let Some(value) = &read.value {
            out.line(value.get())?;
        }
        for row in read.rows.iter().flatten().filter(|_| out.format() != Format::Json) {
            out.line(row.get())?;
        }
        if read.not_modified {
            out.say("the object is not modified");
        }
        if let (true, Some(range)) = (read.truncated, &read.next_range) {
            let header = read.next_header.as_ref().map(header_flag).unwrap_or_default();
            out.say(format!("there is more: go on with --range {range}{header}"));
        }
        Ok(Exit::Ok)
    }

    fn query(&self, mut query: Value) -> anyhow::Result<Value> {
        let kind = self.kind.or(self.rows.map(|_| Kind::Csv)).unwrap_or(Kind::Text);
        let kind = kind.to_possible_value().map(|value| value.get_name().to_owned());
        let fields = query.as_object_mut().ok_or_else(|| anyhow::anyhow!("a query is an object"))?;
        fields.insert("operation".to_owned(), json!("get"));
        fields.insert("as".to_owned(), json!(kind));
        let given = [
            ("limit", self.rows.map(|rows| json!(rows))),
            ("max_bytes", self.max_bytes.map(|bytes| json!(bytes))),
            ("charset", self.charset.as_ref().map(|name| json!(name))),
            ("columns", (!self.columns.is_empty()).then(|| json!(self.columns))),
            ("header", self.header.as_deref().map(header_row).transpose()?),
            ("delimiter", self.delimiter.as_ref().map(|sign| json!(sign))),
            ("quote", self.quote.as_ref().map(|sign| json!(sign))),
        ];
        for (name, value) in given {
            fields.extend(value.map(|value| (name.to_owned(), value)));
        }
        Ok(query)
    }
}

/// Into a file or a pipe goes what the object holds, and nothing besides.
fn write_text(out: &Output, content: &str) -> anyhow::Result<()> {
    if out.is_terminal() {
        return out.line(plain(content.strip_suffix('\n').unwrap_or(content)));
    }
    let mut stdout = out.writer();
    stdout.write_all(content.as_bytes())?;
    Ok(stdout.flush()?)
}

/// `true`, `false`, a JSON list of names, or names with commas between them.
fn header_row(text: &str) -> anyhow::Result<Value> {
    match text {
        "true" => Ok(json!(true)),
        "false" => Ok(json!(false)),
        "" => Err(usage("`--header` takes `true`, `false` or names")),
        list if list.starts_with('[') => {
            serde_json::from_str::<Vec<String>>(list).map(|names| json!(names)).map_err(|_| {
                usage("`--header` takes names as a JSON list of texts, or with commas between them")
            })
        }
        names => Ok(json!(names.split(',').collect::<Vec<_>>())),
    }
}

/// The flag that goes on with the same names.
fn header_flag(header: &Value) -> String {
    let text = object::quoted(&header.to_string());
    format!(" --header {text}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{header_flag, header_row};

    #[test]
    fn a_header_that_was_told_can_be_given_back() {
        assert_eq!(header_row("false").unwrap(), json!(false));
        assert_eq!(header_row("a,b").unwrap(), json!(["a", "b"]));
        assert_eq!(header_row(r#"["a,b", "c"]"#).unwrap(), json!(["a,b", "c"]));
        assert!(header_row("[1]").is_err());
        assert_eq!(header_flag(&json!(["a", "it's"])), r#" --header '["a","it'\''s"]'"#);
        assert_eq!(header_flag(&json!(false)), " --header 'false'");
    }
}
