//! `object versions` and `object restore`.

use std::io::{BufWriter, StdoutLock, Write};

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::Exit;
use crate::cli::object::checked_key;
use crate::cli::output::{self, Format, Output};
use crate::cli::problem::Problem;
use crate::model::version::VersionSummary;

/// Flags of `object versions`.
#[derive(Debug, Args)]
pub(crate) struct Versions {
    /// Name of the resource
    resource: String,
    /// Only keys that start so
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// Group keys at this text, usually `/`
    #[arg(long, value_name = "TEXT")]
    delimiter: Option<String>,
    /// Only keys after this one
    #[arg(long, value_name = "KEY")]
    start_after: Option<String>,
    /// Go on where an earlier list ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// At most this many rows [default: all]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

/// Flags of `object restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreObject {
    /// Name of the resource
    resource: String,
    /// Key of the object
    key: String,
    /// Version to copy on top, from `object versions`
    #[arg(long, value_name = "ID", required_unless_present = "undelete", allow_hyphen_values = true)]
    version: Option<String>,
    /// Take the delete markers on top away instead
    #[arg(long, conflicts_with = "version")]
    undelete: bool,
}

/// A line of a streamed list.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Row {
    Failure { error: Problem },
    Version(VersionSummary),
    Prefix { prefix: String },
    End { cursor: Option<String>, truncated: bool },
}

impl Versions {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let path = ["resources", self.resource.as_str(), "versions"];
        let call = Call::get(&path)
            .query("prefix", self.prefix.as_ref())
            .query("delimiter", self.delimiter.as_ref())
            .query("start_after", self.start_after.as_ref())
            .query("cursor", self.cursor.as_ref())
            .query("limit", self.limit);
        let mut lines = session.client.lines(call).await?;
        let mut rows = Rows::new(&session.out);
        let mut end = None;
        while let Some(line) = lines.next().await? {
            let row: Row = serde_json::from_value(line.clone()).map_err(|_| {
                anyhow::anyhow!("a row of the list cannot be read, the server may be newer than this command")
            })?;
            match row {
                Row::Failure { error } => return Err(error.into()),
                Row::Version(version) => rows.version(&version, &line)?,
                Row::Prefix { prefix } => rows.prefix(prefix, &line)?,
                Row::End { cursor, truncated } => end = Some(cursor.filter(|_| truncated)),
            }
        }
        let cursor =
            end.ok_or_else(|| anyhow::anyhow!("the list broke off: it is not complete, try again"))?;
        rows.finish(&session.out, cursor.as_deref())
    }
}

/// Shows rows as they come, in any format; only prefixes are kept, for the JSON at the end.
struct Rows {
    format: Format,
    writer: BufWriter<StdoutLock<'static>>,
    count: u64,
    versions: u64,
    prefixes: Vec<String>,
}

impl Rows {
    fn new(out: &Output) -> Rows {
        Rows { format: out.format(), writer: out.writer(), count: 0, versions: 0, prefixes: Vec::new() }
    }

    fn version(&mut self, version: &VersionSummary, line: &Value) -> anyhow::Result<()> {
        match self.format {
            Format::Table => {
                let state = match (version.delete_marker, version.is_latest) {
                    (true, true) => "deleted",
                    (true, false) => "marker",
                    (false, true) => "latest",
                    (false, false) => "",
                };
                let size = version.size.map(|size| size.to_string()).unwrap_or_default();
                let at = version.last_modified.as_deref().unwrap_or_default();
                self.table_row(at, &size, state, &version.version_id, &version.key)?;
            }
            Format::Ndjson => writeln!(self.writer, "{line}")?,
            Format::Json => {
                let before = if self.versions == 0 { "{\"versions\":[\n" } else { ",\n" };
                write!(self.writer, "{before}{line}")?;
            }
        }
        self.count += 1;
        self.versions += 1;
        Ok(())
    }

    fn prefix(&mut self, prefix: String, line: &Value) -> anyhow::Result<()> {
        match self.format {
            Format::Table => self.table_row("", "", "group", "", &prefix)?,
            Format::Ndjson => writeln!(self.writer, "{line}")?,
            Format::Json => self.prefixes.push(prefix),
        }
        self.count += 1;
        Ok(())
    }

    /// Fixed widths, because the rows to come are not known yet.
    fn table_row(&mut self, at: &str, size: &str, state: &str, id: &str, key: &str) -> anyhow::Result<()> {
        if self.count == 0 {
            writeln!(
                self.writer,
                "{:24}  {:>14}  {:7}  {:32}  KEY",
                "LAST MODIFIED", "SIZE", "STATE", "VERSION"
            )?;
        }
        let (at, id, key) = (output::one_line(at), output::one_line(id), output::one_line(key));
        writeln!(self.writer, "{at:24}  {size:>14}  {state:7}  {id:32}  {key}")?;
        Ok(())
    }

    fn finish(mut self, out: &Output, cursor: Option<&str>) -> anyhow::Result<Exit> {
        if self.format == Format::Json {
            let before = if self.versions == 0 { "{\"versions\":[" } else { "\n" };
            let rest = json!({"prefixes": self.prefixes, "cursor": cursor, "truncated": cursor.is_some()})
                .to_string();
            let rest = rest.strip_prefix('{').unwrap_or_default();
            writeln!(self.writer, "{before}],{rest}")?;
        }
        self.writer.flush()?;
        if self.format == Format::Table && self.count == 0 {
            out.say("no versions");
        }
        if let Some(cursor) = cursor {
            out.say(format!("there is more: go on with --cursor '{cursor}'"));
        }
        Ok(Exit::Ok)
    }
}

impl RestoreObject {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let path = ["resources", self.resource.as_str(), "objects:restore"];
        let body =
            json!({"key": checked_key(&self.key)?, "version": self.version, "undelete": self.undelete});
        let answer = session.client.send(Call::post(&path, body)).await?.body;
        let sentence = match &self.version {
            Some(version) => format!("`{}` is as in version {version} again", self.key),
            None => format!("`{}` is not deleted any more", self.key),
        };
        session.out.saved(&sentence, &answer, false)?;
        Ok(Exit::Ok)
    }
}
