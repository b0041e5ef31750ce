//! `object list`: rows as they come, in any format.

use std::io::{BufWriter, StdoutLock, Write};

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::Exit;
use crate::cli::object::sign;
use crate::cli::output::{self, Format, Output};
use crate::cli::problem::Problem;
use crate::model::object::ObjectSummary;

/// Flags of `object list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Name of the resource
    resource: String,
    /// Only keys that start so
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// Group keys at this text, usually `/`
    #[arg(long, value_name = "TEXT")]
    delimiter: Option<String>,
    /// List every key below the prefix, which is what happens without --delimiter
    #[arg(long, short, conflicts_with = "delimiter")]
    recursive: bool,
    /// Only keys after this one
    #[arg(long, value_name = "KEY")]
    start_after: Option<String>,
    /// Go on where an earlier list ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// At most this many rows [default: all]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Only keys that fit: `*` stands for any text without `/`, `**` for any text
    #[arg(long, value_name = "PATTERN")]
    glob: Option<String>,
    /// Only keys in which this regular expression is found
    #[arg(long, value_name = "EXPRESSION")]
    regex: Option<String>,
    /// Only objects of at least so many bytes
    #[arg(long, value_name = "BYTES")]
    min_size: Option<u64>,
    /// Only objects of at most so many bytes
    #[arg(long, value_name = "BYTES")]
    max_size: Option<u64>,
    /// Only objects written at this time or later, for example `2026-11-01T00:00:00Z`
    #[arg(long, value_name = "TIME")]
    modified_after: Option<String>,
    /// Only objects written before this time
    #[arg(long, value_name = "TIME")]
    modified_before: Option<String>,
    /// What rows have to fit besides, in JSON with `and`, `or` and `not`, for example '{"not": {"glob": "**.tmp"}}'
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
    /// Another order than that of the keys; every key below the prefix is read for it
    #[arg(long, value_name = "WHAT", value_parser = ["key", "size", "last_modified"])]
    sort: Option<String>,
    /// Which end comes first
    #[arg(long, value_name = "END", requires = "sort", value_parser = ["asc", "desc"])]
    direction: Option<String>,
    /// List every version and delete marker, those of one key newest first
    #[arg(long)]
    versions: bool,
    /// Tell who owns each object, in JSON
    #[arg(long)]
    fetch_owner: bool,
    /// Give each row a signed URL that holds so long, for example `10m`, in JSON
    #[arg(long, value_name = "TIME", value_parser = sign::seconds)]
    sign_expires_in: Option<u64>,
}

/// A line of a streamed list.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Row {
    Failure { error: Problem },
    Object(ObjectSummary),
    Prefix { prefix: String },
    End(End),
}

/// Where a list ended.
#[derive(Debug, Deserialize)]
struct End {
    cursor: Option<String>,
    truncated: bool,
    scanned: Option<u64>,
    read_everything: Option<bool>,
    #[serde(default)]
    notes: Vec<String>,
}

impl List {
    pub(super) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let mut rows = Rows::new(&session.out, self.versions);
        match self.all(session, &mut rows).await {
            Ok(end) => rows.finish(&session.out, &end),
            Err(error) => {
                rows.broke(&error)?;
                Err(error)
            }
        }
    }

    async fn all(&self, session: &Session, rows: &mut Rows) -> anyhow::Result<End> {
        let mut cursor = self.cursor.clone();
        loop {
            let left = self.limit.map(|limit| limit.saturating_sub(rows.count));
            let end = self.page(session, cursor.take(), left, rows).await?;
            rows.writer.flush()?;
            let full = self.limit.is_some_and(|limit| rows.count >= limit);
            if full || !end.truncated || end.cursor.is_none() {
                return Ok(end);
            }
            cursor = end.cursor;
        }
    }

    async fn page(
        &self,
        session: &Session,
        cursor: Option<String>,
        limit: Option<u64>,
        rows: &mut Rows,
    ) -> anyhow::Result<End> {
        let path = ["resources", &self.resource, "objects"];
        let start_after = self.start_after.as_ref().filter(|_| cursor.is_none());
        let call = Call::get(&path)
            .query("prefix", self.prefix.as_ref())
            .query("delimiter", self.delimiter.as_ref().filter(|_| !self.recursive))
            .query("start_after", start_after)
            .query("cursor", cursor.as_ref())
            .query("limit", limit)
            .query("glob", self.glob.as_ref())
            .query("regex", self.regex.as_ref())
            .query("min_size", self.min_size)
            .query("max_size", self.max_size)
            .query("modified_after", self.modified_after.as_ref())
            .query("modified_before", self.modified_before.as_ref())
            .query("filter", self.filter.as_ref())
            .query("sort", self.sort.as_ref())
            .query("direction", self.direction.as_ref())
            .query("versions", self.versions.then_some(true))
            .query("fetch_owner", self.fetch_owner.then_some(true))
            .query("sign_expires_in", self.sign_expires_in);
        let mut lines = session.client.lines(call).await?;
        // there is one after every page of the store: the last one counts
        let mut end = None;
        while let Some(line) = lines.next().await? {
            let row: Row = serde_json::from_value(line.clone()).map_err(|_| {
                anyhow::anyhow!("a row of the list cannot be read, the server may be newer than this command")
            })?;
            match row {
                Row::Failure { error } => return Err(error.into()),
                Row::Object(object) => rows.object(&object, &line)?,
                Row::Prefix { prefix } => rows.prefix(prefix, &line)?,
                Row::End(last) => end = Some(last),
            }
        }
        end.ok_or_else(|| anyhow::anyhow!("the list broke off: it is not complete, try again"))
    }
}

/// Shows rows as they come, in any format; only prefixes are kept, for the JSON at the end.
struct Rows {
    format: Format,
    /// Whether rows are versions.
    versions: bool,
    writer: BufWriter<StdoutLock<'static>>,
    count: u64,
    objects: u64,
    prefixes: Vec<String>,
}

impl Rows {
    fn new(out: &Output, versions: bool) -> Rows {
        let (format, writer) = (out.format(), out.writer());
        Rows { format, versions, writer, count: 0, objects: 0, prefixes: Vec::new() }
    }

    fn object(&mut self, object: &ObjectSummary, line: &Value) -> anyhow::Result<()> {
        match self.format {
            Format::Table => {
                let at = object.last_modified.as_deref().unwrap_or_default();
                let is_marker = object.delete_marker == Some(true);
                let size = if is_marker { String::new() } else { object.size.to_string() };
                let state = match (is_marker, object.is_latest == Some(true)) {
                    (true, true) => "deleted",
                    (true, false) => "marker",
                    (false, true) => "latest",
                    (false, false) => "",
                };
                let id = object.version_id.as_deref().unwrap_or_default();
                self.table_row(at, &size, (state, id), &object.key)?;
            }
            Format::Ndjson => writeln!(self.writer, "{line}")?,
            Format::Json => {
                let before = if self.objects == 0 { "{\"objects\":[\n" } else { ",\n" };
                write!(self.writer, "{before}{line}")?;
            }
        }
        self.count += 1;
        self.objects += 1;
        Ok(())
    }

    fn prefix(&mut self, prefix: String, line: &Value) -> anyhow::Result<()> {
        match self.format {
            Format::Table => self.table_row("", "group", ("", ""), &prefix)?,
            Format::Ndjson => writeln!(self.writer, "{line}")?,
            Format::Json => self.prefixes.push(prefix),
        }
        self.count += 1;
        Ok(())
    }

    /// Fixed widths, because the rows to come are not known yet.
    fn table_row(
        &mut self,
        at: &str,
        size: &str,
        (state, id): (&str, &str),
        key: &str,
    ) -> anyhow::Result<()> {
        let version = |state: &str, id: &str| {
            if self.versions { format!("{state:7}  {id:32}  ") } else { String::new() }
        };
        if self.count == 0 {
            let version = version("STATE", "VERSION");
            writeln!(self.writer, "{:24}  {:>14}  {version}KEY", "LAST MODIFIED", "SIZE")?;
        }
        let (at, key) = (output::one_line(at), output::one_line(key));
        writeln!(self.writer, "{at:24}  {size:>14}  {}{key}", version(state, &output::one_line(id)))?;
        Ok(())
    }

    /// Whoever reads rows from a pipe sees no exit code: the last one says that the list is not complete.
    fn broke(mut self, error: &anyhow::Error) -> anyhow::Result<()> {
        if self.format == Format::Ndjson {
            let told = match error.downcast_ref::<Problem>() {
                Some(problem) => json!(problem),
                None => json!({"title": error.to_string()}),
            };
            writeln!(self.writer, "{}", json!({"error": told}))?;
        }
        Ok(self.writer.flush()?)
    }

    fn finish(mut self, out: &Output, end: &End) -> anyhow::Result<Exit> {
        let cursor = end.cursor.as_ref().filter(|_| end.truncated);
        if self.format == Format::Json {
            let before = if self.objects == 0 { "{\"objects\":[" } else { "\n" };
            let mut rest = json!({"prefixes": self.prefixes, "cursor": cursor, "truncated": end.truncated});
            if let (Some(scanned), Some(whole), Some(fields)) =
                (end.scanned, end.read_everything, rest.as_object_mut())
            {
                fields.insert("scanned".to_owned(), json!(scanned));
                fields.insert("read_everything".to_owned(), json!(whole));
                fields.insert("notes".to_owned(), json!(end.notes));
            }
            let rest = rest.to_string();
            let rest = rest.strip_prefix('{').unwrap_or_default();
            writeln!(self.writer, "{before}],{rest}")?;
        }
        self.writer.flush()?;
        if self.format == Format::Table && self.count == 0 {
            out.say(if self.versions { "no versions" } else { "no objects" });
        }
        end.notes.iter().for_each(|note| out.say(note));
        if let Some(cursor) = cursor {
            out.say(format!("there is more: go on with --cursor '{cursor}'"));
        }
        Ok(Exit::Ok)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{End, Row};

    #[test]
    fn every_kind_of_row_is_told_apart() {
        let read = |value| serde_json::from_value::<Row>(value).unwrap();
        assert!(matches!(read(json!({"key": "a", "size": 1, "etag": null})), Row::Object(_)));
        assert!(matches!(read(json!({"prefix": "2026/"})), Row::Prefix { .. }));
        assert!(matches!(
            read(json!({"cursor": null, "truncated": false})),
            Row::End(End { truncated: false, .. })
        ));
        let Row::Failure { error } = read(json!({"error": {"title": "gone", "status": 502}})) else {
            panic!("not an error")
        };
        assert_eq!((error.to_string().as_str(), error.status), ("gone", 502));
    }
}
