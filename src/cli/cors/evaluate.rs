//! `cors evaluate`: what a page gets of its request, which rule decided it, and why the others did not.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::cors::validate;
use crate::cli::exit::{Exit, usage};
use crate::cli::input;
use crate::cli::output::{Format, Output, Style, plain};
use crate::cors::{Evaluation, Exchange, Finding};
use crate::model::cors_question::CorsQuestion;

/// Flags of `cors evaluate`.
#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// Request in JSON, `-` for stdin
    #[arg(long, short, value_name = "FILE")]
    request: PathBuf,
    /// Configuration in any form, in place of the one in the request
    #[arg(long, short, value_name = "FILE")]
    configuration: Option<PathBuf>,
}

impl Evaluate {
    pub(super) async fn run(self, out: &Output) -> anyhow::Result<Exit> {
        let mut request = input::json(&self.request).await?;
        if let (Some(file), Some(members)) = (&self.configuration, request.as_object_mut()) {
            if file == Path::new("-") && file == &self.request {
                return Err(usage("only one of --request and --configuration can be stdin"));
            }
            members.insert("configuration".to_owned(), json!(input::text(file).await?));
        }
        let question: CorsQuestion = input::typed(&self.request, request)?;
        match question.evaluate() {
            Ok(found) => answer(out, &found),
            Err(findings) => {
                let file = self.configuration.as_ref().unwrap_or(&self.request);
                refuse(out, file, question.configuration.as_ref(), &findings)
            }
        }
    }
}

fn refuse(
    out: &Output,
    file: &Path,
    configuration: Option<&Value>,
    findings: &[Finding],
) -> anyhow::Result<Exit> {
    match out.format() {
        Format::Table => {
            let text = configuration.and_then(Value::as_str).unwrap_or_default();
            validate::show(out, file, text, findings)?;
            out.say("the configuration cannot be evaluated: mend these first");
        }
        Format::Json | Format::Ndjson => out.json(&json!({"findings": findings}))?,
    }
    Ok(Exit::Denied)
}

fn answer(out: &Output, found: &Evaluation) -> anyhow::Result<Exit> {
    let verdict = &found.verdict;
    let works = verdict.succeeds && verdict.unreadable_headers.is_empty();
    match out.format() {
        Format::Table => show(out, found, works)?,
        Format::Json | Format::Ndjson => out.json(&json!(found))?,
    }
    Ok(if works { Exit::Ok } else { Exit::Denied })
}

fn show(out: &Output, found: &Evaluation, works: bool) -> anyhow::Result<()> {
    let verdict = &found.verdict;
    let (style, word) = match (works, verdict.succeeds) {
        (true, _) => (Style::Good, "works:"),
        (false, true) => (Style::Careful, "works in part:"),
        (false, false) => (Style::Bad, "blocked:"),
    };
    out.line(format!("{} {}", out.paint(style, word), plain(&verdict.reason)))?;
    if !found.preflight_reasons.is_empty() {
        let reasons = found.preflight_reasons.join(", ");
        out.line(format!("  asks first because {}", plain(&reasons)))?;
    }
    for hop in &found.hops {
        if let Some(preflight) = &hop.preflight {
            show_exchange(out, "preflight", preflight)?;
        }
        if let Some(actual) = &hop.actual {
            show_exchange(out, "request", actual)?;
        }
    }
    if verdict.succeeds {
        let readable = if verdict.reads_every_header {
            "every header".to_owned()
        } else {
            verdict.readable_headers.join(", ")
        };
        out.line(format!("  can read: {}", plain(&readable)))?;
    } else if verdict.sent {
        out.warn("the request itself reaches the store: what it changes there is changed");
    }
    Ok(())
}

/// What was asked, what was answered, and how each rule took it.
fn show_exchange(out: &Output, what: &str, exchange: &Exchange) -> anyhow::Result<()> {
    let (request, answer) = (&exchange.request, &exchange.answer);
    let origin = request.origin.as_deref().map(|origin| format!(" from {origin}")).unwrap_or_default();
    let asked = request.request_method.as_deref().map(|method| format!(" for {method}")).unwrap_or_default();
    let headers =
        request.request_headers.as_deref().map(|headers| format!(" with {headers}")).unwrap_or_default();
    let error = answer.error.map(|error| format!(" {}", error.code)).unwrap_or_default();
    let line =
        format!("  {what}: {}{asked}{origin}{headers}, answered {}{error}", request.method, answer.status);
    out.line(plain(&line))?;
    for (name, value) in answer.headers.pairs() {
        out.line(format!("    {name}: {}", plain(&value)))?;
    }
    for rule in &answer.trace {
        out.line(format!("    - {}", plain(&rule.sentence)))?;
    }
    if answer.trace.is_empty() {
        out.line(format!("    - {}", plain(&answer.reason)))?;
    }
    Ok(())
}
