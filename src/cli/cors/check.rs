//! `cors check`: whether the bucket of a resource lets pages in, by its configuration and really.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::Call;
use crate::cli::cors::page_flags::PageFlags;
use crate::cli::exit::Exit;
use crate::cli::output::{Format, Output, Style, plain};
use crate::cli::{Session, input, problem, report};
use crate::cors::Operation;

/// Flags of `cors check`.
#[derive(Debug, Args)]
pub(crate) struct CheckResource {
    /// Name of the resource
    resource: String,
    /// Origin of the pages, again for each [default: the resource's `browser_origins`]
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// What they do, with commas between [default: get,put]
    #[arg(long = "use", value_name = "OPERATION,…", value_delimiter = ',', value_parser = operation)]
    uses: Vec<Operation>,
    #[command(flatten)]
    pages: PageFlags,
}

fn operation(word: &str) -> Result<Operation, String> {
    input::word(word.trim())
}

impl CheckResource {
    pub(super) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let path = ["resources", self.resource.as_str(), "cors", "check"];
        let answer = session.client.send(Call::post(&path, self.body())).await?.body;
        match session.out.format() {
            Format::Table => show(&session.out, &answer)?,
            Format::Json | Format::Ndjson => session.out.json(&answer)?,
        }
        let works = answer.get("works").and_then(Value::as_bool).unwrap_or(false);
        Ok(if works { Exit::Ok } else { Exit::Denied })
    }

    fn body(&self) -> Value {
        let mut body = json!({
            "origins": self.origins,
            "signing": self.pages.signing(),
            "checksums": self.pages.checksums,
            "credentials": self.pages.credentials(),
            "request_headers": self.pages.send,
            "read_headers": self.pages.read,
        });
        if let Some(members) = body.as_object_mut().filter(|_| !self.uses.is_empty()) {
            members.insert("uses".to_owned(), json!(self.uses));
        }
        body
    }
}

/// Each use with both verdicts below each other, then the cause and what to do.
fn show(out: &Output, answer: &Value) -> anyhow::Result<()> {
    for row in answer.get("uses").and_then(Value::as_array).into_iter().flatten() {
        show_use(out, row)?;
    }
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    if text("cause").is_none() {
        return out.line(out.paint(Style::Good, plain(text("detail").unwrap_or_default())));
    }
    let fix = answer.get("fix").filter(|fix| !fix.is_null());
    let fix = fix.and_then(|fix| serde_json::from_value(fix.clone()).ok());
    let notes = [
        ("cause", text("cause").map(str::to_owned)),
        ("detail", text("detail").map(str::to_owned)),
        ("remedy", text("remedy").map(problem::advice)),
        ("fix", fix.as_ref().map(report::fix_in_words)),
    ];
    for (label, note) in notes.into_iter().filter_map(|(label, note)| Some((label, note?))) {
        out.line(format!("{} {}", out.paint(Style::Faint, format!("{label:8}")), plain(&note)))?;
    }
    Ok(())
}

fn show_use(out: &Output, row: &Value) -> anyhow::Result<()> {
    let text = |pointer: &str| row.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let works = row.get("works").and_then(Value::as_bool).unwrap_or(false);
    let (mark, style) = if works { ("✓", Style::Good) } else { ("✗", Style::Bad) };
    let line = format!("{} from {} ({})", text("/use"), text("/origin"), text("/request/method"));
    out.line(format!("{} {}", out.paint(style, mark), plain(&line)))?;
    let sides = [("by the configuration", "/predicted/verdict"), ("really", "/real/verdict")];
    for (label, at) in sides {
        let word = match row.pointer(at) {
            Some(verdict) => format!("{} {}", word(verdict), text(&format!("{at}/reason"))),
            None if at == "/real/verdict" => format!("not known: {}", text("/real/problem")),
            None => "not known".to_owned(),
        };
        out.line(format!("    {} {}", out.paint(Style::Faint, format!("{label:20}")), plain(&word)))?;
    }
    for difference in row.get("differences").and_then(Value::as_array).into_iter().flatten() {
        let difference = difference.as_str().unwrap_or_default();
        out.line(format!("    {} {}", out.paint(Style::Careful, "differs"), plain(difference)))?;
    }
    Ok(())
}

fn word(verdict: &Value) -> &'static str {
    let succeeds = verdict.get("succeeds").and_then(Value::as_bool).unwrap_or(false);
    let reads_all = verdict.get("unreadable_headers").is_none();
    match (succeeds, reads_all) {
        (true, true) => "works:",
        (true, false) => "works in part:",
        (false, _) => "blocked:",
    }
}

#[cfg(test)]
mod tests {
    use super::operation;
    use crate::cors::Operation;

    #[test]
    fn uses_are_the_words_of_the_engine() {
        for known in Operation::ALL {
            assert_eq!(operation(known.as_str()), Ok(known));
        }
        assert!(operation("upload").unwrap_err().contains("put_parts"));
    }
}
