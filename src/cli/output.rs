//! What the terminal shows: data on stdout, words on stderr. No other module of the command line prints.
//!
//! Text that comes from elsewhere is shown without its control characters, so that a key or a message cannot
//! steer the terminal. Writing never panics when the reader is gone; the error ends the command instead.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::io::{BufWriter, IsTerminal, Stderr, Stdout, StdoutLock, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use comfy_table::{Attribute, Cell, ColumnConstraint, ContentArrangement, Row, Table, Width, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::cli::exit::{self, Exit};
use crate::cli::help;
use crate::cli::problem::{Problem, Remark};

/// Characters of a cell; more would push what stands behind it far away on every line.
const WIDEST_CELL: u16 = 60;
/// Spaces between columns.
const GAP: u16 = 2;
/// Paths of what people copy into their next command or into a template: whole, however long it is.
const COPIED: &[&str] = &["id", "name", "reference", "request_id", "secret", "version_id"];

/// How data is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    // plain comments: help of their own would stretch every page of --help
    // for people
    Table,
    // the server's JSON, indented only on a terminal
    Json,
    // one JSON value a line
    Ndjson,
}

/// The few styles there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// It works.
    Good,
    /// It does not.
    Bad,
    /// Worth a look.
    Careful,
    /// Less important.
    Faint,
}

/// A column of a table: its heading and the dotted path of its value.
pub(crate) type Column = (&'static str, &'static str);

/// Where a command shows what it found.
#[derive(Debug)]
pub(crate) struct Output {
    format: Format,
    data: Side<Stdout>,
    words: Side<Stderr>,
}

/// Stdout or stderr, and what is known about it.
#[derive(Debug)]
struct Side<T> {
    to: T,
    terminal: bool,
    color: bool,
}

impl<T: IsTerminal> Side<T> {
    fn new(to: T, color_wanted: bool) -> Side<T> {
        let terminal = to.is_terminal();
        Side { to, terminal, color: terminal && color_wanted }
    }
}

impl Output {
    /// Looks once at what stdout and stderr are.
    pub(crate) fn new(format: Format) -> Output {
        let wanted = color_wanted();
        Output {
            format,
            data: Side::new(std::io::stdout(), wanted),
            words: Side::new(std::io::stderr(), wanted),
        }
    }

    /// The chosen format.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether people read stdout.
    pub(crate) fn is_terminal(&self) -> bool {
        self.data.terminal
    }

    /// Stdout for many small writes; flushed when it is dropped.
    pub(crate) fn writer(&self) -> BufWriter<StdoutLock<'static>> {
        BufWriter::with_capacity(64 << 10, self.data.to.lock())
    }

    /// One line of data.
    pub(crate) fn line(&self, text: impl Display) -> anyhow::Result<()> {
        Ok(writeln!(&self.data.to, "{text}")?)
    }

    /// JSON, whatever the format is.
    pub(crate) fn json(&self, value: &Value) -> anyhow::Result<()> {
        let pretty = self.data.terminal && self.format != Format::Ndjson;
        let text = if pretty { serde_json::to_string_pretty(value)? } else { serde_json::to_string(value)? };
        self.line(text)
    }

    /// Rows of a list: `whole` is the answer, and its member `name` holds the rows.
    pub(crate) fn rows(&self, whole: &Value, name: &str, columns: &[Column]) -> anyhow::Result<()> {
        let rows = whole.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        match self.format {
            Format::Json => self.json(whole),
            Format::Ndjson => rows.iter().try_for_each(|row| self.json(row)),
            Format::Table if rows.is_empty() => {
                self.say(format!("no {name}"));
                Ok(())
            }
            Format::Table => self.table(columns, rows),
        }
    }

    /// One thing with all its fields.
    pub(crate) fn record(&self, value: &Value) -> anyhow::Result<()> {
        if self.format != Format::Table {
            return self.json(value);
        }
        let mut fields = Vec::new();
        flatten(String::new(), value, &mut fields);
        // what it is called comes first, the rest by name
        fields.sort_by_key(|(path, _)| !matches!(path.as_str(), "name" | "key"));
        let mut table = self.plain_table();
        for (path, text) in fields {
            table.add_row([self.heading(&path, Attribute::Dim), Cell::new(text)]);
        }
        self.print_table(table)
    }

    /// A table, whatever the format is.
    pub(crate) fn table(&self, columns: &[Column], rows: &[Value]) -> anyhow::Result<()> {
        self.print_table(self.grid(columns, rows))
    }

    fn grid(&self, columns: &[Column], rows: &[Value]) -> Table {
        let mut table = self.plain_table();
        table.set_header(columns.iter().map(|(heading, _)| self.heading(heading, Attribute::Bold)));
        for row in rows {
            let cells =
                columns.iter().map(|(_, path)| row.pointer(&pointer(path)).map_or_else(String::new, cell));
            let mut line = Row::from(cells);
            // what does not fit into its column ends in `…`
            line.max_height(1);
            table.add_row(line);
        }
        // behind the last column there is nothing to push away
        let before_last = columns.len().saturating_sub(1);
        for (index, (_, path)) in columns.iter().enumerate().take(before_last) {
            let column = table.column_mut(index).filter(|_| !COPIED.contains(path));
            if let Some(column) = column {
                column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(WIDEST_CELL + GAP)));
            }
        }
        table
    }

    fn heading(&self, text: &str, attribute: Attribute) -> Cell {
        let cell = Cell::new(text);
        if self.data.color { cell.add_attribute(attribute) } else { cell }
    }

    fn plain_table(&self) -> Table {
        let mut table = Table::new();
        // a row stays one line, however long it is, so that it can be searched and copied
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if self.data.color {
            table.enforce_styling();
        }
        table
    }

    fn print_table(&self, table: Table) -> anyhow::Result<()> {
        lines(table).iter().try_for_each(|line| self.line(line))
    }

    /// What a write answered: a sentence for people, the answer for machines, remarks for both.
    pub(crate) fn saved(&self, sentence: &str, answer: &Value, dry_run: bool) -> anyhow::Result<()> {
        if !answer.is_null() && (dry_run || self.format != Format::Table) {
            self.record(answer)?;
        }
        self.say(if dry_run { "dry run: nothing was changed" } else { sentence });
        self.remarks(answer);
        Ok(())
    }

    /// What is different in `after`, one field a line, but for the members that are `left_out`.
    pub(crate) fn changes(&self, before: &Value, after: &Value, left_out: &[&str]) -> anyhow::Result<()> {
        let lines = changes(before, after, left_out);
        if lines.is_empty() {
            self.say("nothing would be different");
        }
        lines.iter().try_for_each(|line| self.line(line))
    }

    /// The `findings` of an answer, as words.
    pub(crate) fn remarks(&self, answer: &Value) {
        let findings = answer.get("findings").cloned().unwrap_or_default();
        for remark in serde_json::from_value::<Vec<Remark>>(findings).unwrap_or_default() {
            for line in remark.lines() {
                self.say(line);
            }
        }
    }

    /// A styled text for stdout.
    pub(crate) fn paint(&self, style: Style, text: impl Display) -> String {
        painted(self.data.color, style, &text.to_string())
    }

    /// Words. An error is ignored: there is nowhere left to say it.
    pub(crate) fn say(&self, text: impl AsRef<str>) {
        drop(writeln!(&self.words.to, "{}", plain(text.as_ref())));
    }

    /// Words that people should not overlook.
    pub(crate) fn warn(&self, text: impl AsRef<str>) {
        let mark = painted(self.words.color, Style::Careful, "warning:");
        drop(writeln!(&self.words.to, "{mark} {}", plain(text.as_ref())));
    }

    /// Says why a command failed: in words, or as one line of JSON when JSON was asked for.
    pub(crate) fn fail(&self, error: &anyhow::Error) {
        if exit::is_closed_pipe(error) {
            return;
        }
        if self.format != Format::Table {
            drop(writeln!(&self.words.to, "{}", failure(error)));
            return;
        }
        let problem = error.downcast_ref::<Problem>();
        let code = problem.and_then(|problem| problem.code.as_deref());
        let mark = code.map_or_else(|| "error:".to_owned(), |code| plain(&format!("error[{code}]:")));
        let mark = painted(self.words.color, Style::Bad, &mark);
        drop(writeln!(&self.words.to, "{mark} {}", plain(&format!("{error:#}"))));
        let lines = problem.map(Problem::lines).unwrap_or_default();
        for line in lines {
            self.say(line);
        }
    }

    /// A question on stderr, without a line end.
    pub(crate) fn ask(&self, question: &str) {
        drop(write!(&self.words.to, "{} [y/N] ", plain(question)));
        drop((&self.words.to).flush());
    }

    /// Shows that something runs; nothing when stderr is no terminal.
    pub(crate) fn spinner(&self, what: &str) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(None, self.progress_target())
            .with_style(ProgressStyle::default_spinner())
            .with_message(plain(what));
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// Shows how far a transfer is; nothing when stderr is no terminal or stdout shows the bytes themselves.
    pub(crate) fn bar(&self, what: &str, bytes: Option<u64>, shown: bool) -> ProgressBar {
        let target = if shown { self.progress_target() } else { ProgressDrawTarget::hidden() };
        let template = match bytes {
            Some(_) => "{wide_msg} {bytes}/{total_bytes} {bar:24} {bytes_per_sec} {eta}",
            None => "{spinner} {wide_msg} {bytes} {bytes_per_sec}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::with_draw_target(bytes, target).with_style(style).with_message(plain(what))
    }

    fn progress_target(&self) -> ProgressDrawTarget {
        if self.words.terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
    }
}

/// A set `NO_COLOR` turns colours off (no-color.org).
fn color_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
}

/// Shows the help or the misuse that the parser found.
pub(crate) fn parser_answer(error: &clap::Error) -> ExitCode {
    let rendered = error.render();
    let text =
        |color: bool| help::release(&if color { rendered.ansi().to_string() } else { rendered.to_string() });
    if error.use_stderr() {
        let words = Side::new(std::io::stderr(), color_wanted());
        drop(write!(&words.to, "{}", text(words.color)));
    } else {
        let data = Side::new(std::io::stdout(), color_wanted());
        drop(write!(&data.to, "{}", text(data.color)));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// The server's problem document; an error of this side in the same shape.
fn failure(error: &anyhow::Error) -> Value {
    let Some(problem) = error.downcast_ref::<Problem>() else {
        let title = match Exit::of(error) {
            Exit::Usage => "the command line makes no sense",
            _ => "the command failed",
        };
        return json!({"title": title, "detail": format!("{error:#}")});
    };
    let mut shown = json!(problem);
    // an answer without a body says nothing by itself
    if let Value::Object(members) = &mut shown
        && problem.title.is_none()
    {
        members.entry("detail").or_insert_with(|| json!(error.to_string()));
    }
    shown
}

/// The lines of a table as they are printed.
fn lines(mut table: Table) -> Vec<String> {
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, GAP));
    });
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

fn painted(color: bool, style: Style, text: &str) -> String {
    if !color {
        return text.to_owned();
    }
    let code = match style {
        Style::Good => "32",
        Style::Bad => "31",
        Style::Careful => "33",
        Style::Faint => "2",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// The text without what a terminal would obey: control characters, and those that turn the direction of what is read.
pub(crate) fn plain(text: &str) -> String {
    let is_obeyed = |c: char| c.is_control() && c != '\n' || is_direction(c);
    let shown = |c: char| if is_obeyed(c) { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

/// Those with the Unicode property `Bidi_Control`: with them a text can look like another one.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `1 object`, `2 objects`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// The text on one line.
pub(crate) fn one_line(text: &str) -> String {
    plain(text).replace('\n', "\\n")
}

fn pointer(path: &str) -> String {
    path.split('.').fold(String::new(), |pointer, part| pointer + "/" + part)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => one_line(text),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => one_line(&other.to_string()),
    }
}

/// `path: before → after` of every field that differs.
fn changes(before: &Value, after: &Value, left_out: &[&str]) -> Vec<String> {
    let fields = |value: &Value| {
        let mut value = value.clone();
        if let Value::Object(members) = &mut value {
            members.retain(|name, _| !left_out.contains(&name.as_str()));
        }
        let mut fields = Vec::new();
        flatten(String::new(), &value, &mut fields);
        fields.into_iter().collect::<BTreeMap<_, _>>()
    };
    let (before, after) = (fields(before), fields(after));
    let paths: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let value =
        |fields: &BTreeMap<_, String>, path| fields.get(path).map_or("nothing", |text| text).to_owned();
    let changed = paths.into_iter().filter(|path| before.get(*path) != after.get(*path));
    changed.map(|path| format!("{path}: {} → {}", value(&before, path), value(&after, path))).collect()
}

/// Every field that says something, by its path.
fn flatten(path: String, value: &Value, fields: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) if members.get("set") == Some(&Value::Bool(true)) => {
            let last4 = members.get("last4").and_then(Value::as_str);
            fields.push((
                path,
                last4.map_or("set".to_owned(), |end| format!("set, ends in {}", one_line(end))),
            ));
        }
        Value::Object(members) => {
            for (name, member) in members.iter().filter(|(name, _)| *name != "findings") {
                let below =
                    if path.is_empty() { one_line(name) } else { format!("{path}.{}", one_line(name)) };
                flatten(below, member, fields);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                flatten(format!("{path}[{index}]"), item, fields);
            }
        }
        other => fields.extend(Some(cell(other)).filter(|text| !text.is_empty()).map(|text| (path, text))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Format, Output, Style, cell, changes, failure, flatten, lines, one_line, painted, plain};
    use crate::cli::exit::usage;
    use crate::cli::problem::Problem;

    #[test]
    fn changes_are_what_differs() {
        let before =
            json!({"version": 3, "region": "a", "auth": {"kind": "x", "secret": {"set": true}}, "n": 1});
        let after = json!({"version": 4, "region": "b", "auth": {"kind": "x"}, "n": 1, "prefix": "p/"});
        let wanted = ["auth.secret: set → nothing", "prefix: nothing → p/", "region: a → b"];
        assert_eq!(changes(&before, &after, &["version"]), wanted);
        assert!(changes(&after, &after, &[]).is_empty());
    }

    #[test]
    fn text_from_elsewhere_cannot_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(plain("gnp.\u{202e}exe"), "gnp.\\u{202e}exe");
        assert_eq!(one_line("a\nb\r"), "a\\nb\\r");
        assert_eq!(cell(&json!("k\u{7}")), "k\\u{7}");
    }

    #[test]
    fn a_long_cell_is_cut_unless_people_copy_it_or_nothing_stands_behind_it() {
        let columns = [("ID", "id"), ("KEY", "key"), ("WHY", "why")];
        let (id, why) = ("i".repeat(100), "w".repeat(100));
        let rows = [
            json!({"id": id, "key": "ü🚀".repeat(500), "why": why}),
            json!({"id": "2", "key": "a", "why": "b"}),
        ];
        let shown = lines(Output::new(Format::Table).grid(&columns, &rows));
        assert_eq!(shown.len(), 3, "{shown:?}");
        assert!(shown[1].starts_with(&format!("{id}  ü🚀")) && shown[1].ends_with(&why), "{shown:?}");
        assert_eq!(shown[1].matches('…').count(), 1, "{shown:?}");
        assert!(shown[1].chars().count() < 100 + 2 + 60 + 2 + 101, "{shown:?}");
        assert!(shown[2].ends_with(" b") && shown[2].chars().count() < 100 + 2 + 60 + 4, "{shown:?}");
    }

    #[test]
    fn an_error_is_one_json_object_for_machines() {
        let body = json!({"type": "about:blank", "title": "Not Found", "status": 404, "code": "NotFound", "remedy": "look again"});
        let problem = Problem::read(404, body.to_string().as_bytes(), None);
        assert_eq!(failure(&problem.into()), body);
        let local = failure(&usage("say which"));
        assert_eq!(local, json!({"title": "the command line makes no sense", "detail": "say which"}));
    }

    #[test]
    fn colours_can_be_off() {
        assert_eq!(painted(false, Style::Bad, "x"), "x");
        assert_eq!(painted(true, Style::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
    }

    #[test]
    fn a_record_shows_what_is_set_and_never_more_of_a_literal_than_its_end() {
        let value = json!({
            "name": "a", "endpoint": null, "labels": {}, "findings": [{"code": "X"}],
            "auth": {"kind": "access_key", "access_key_id": "{{ secrets.a }}", "secret_access_key": {"set": true, "last4": "WXYZ"}},
        });
        let mut fields = Vec::new();
        flatten(String::new(), &value, &mut fields);
        let shown: Vec<String> = fields.into_iter().map(|(path, text)| format!("{path}={text}")).collect();
        let expected = [
            "auth.access_key_id={{ secrets.a }}",
            "auth.kind=access_key",
            "auth.secret_access_key=set, ends in WXYZ",
            "name=a",
        ];
        assert_eq!(shown, expected);
    }
}
