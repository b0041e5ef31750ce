//! `policy evaluate`: the decision, the reason, and what of every statement matched.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::unusable;
use crate::cli::exit::{Exit, usage};
use crate::cli::finding::called;
use crate::cli::input;
use crate::cli::output::{Column, Format, Output, Style, one_line};
use crate::http::json_body;
use crate::policy::evaluate::{Answer, ConditionTrace, Decision, Evaluation, StatementTrace};
use crate::policy::request::Question;

const COLUMNS: &[Column] = &[
    ("POLICY", "policy"),
    ("STATEMENT", "statement"),
    ("LINE", "line"),
    ("EFFECT", "effect"),
    ("MATCHES", "matches"),
    ("PRINCIPAL", "principal"),
    ("ACTION", "action"),
    ("RESOURCE", "resource"),
    // last, where a long text pushes nothing away
    ("CONDITIONS", "conditions"),
];

/// Flags of `policy evaluate`.
#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// File with the request and the policies as JSON, or `-` for stdin
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
}

impl Evaluate {
    pub(crate) async fn run(self, out: &Output) -> anyhow::Result<Exit> {
        let text = input::text(&self.request).await?;
        let question = self.question(&text)?;
        let evaluation = Evaluation::new(question).map_err(|error| unusable(error.path, &error.message))?;
        let answer = evaluation.answer();
        match out.format() {
            Format::Table => show(out, &answer)?,
            Format::Json | Format::Ndjson => out.json(&json!(answer))?,
        }
        Ok(if answer.decision == Decision::Allowed { Exit::Ok } else { Exit::Denied })
    }

    fn question(&self, text: &str) -> anyhow::Result<Question> {
        json_body::read_text(text).map_err(|finding| {
            let place = [finding.line, finding.column].into_iter().flatten();
            let place = place.fold(called(&self.request), |place, part| format!("{place}:{part}"));
            let field = if finding.path.is_empty() { String::new() } else { format!("`{}`: ", finding.path) };
            usage(format!("{place}: {field}{}", finding.message))
        })
    }
}

fn show(out: &Output, answer: &Answer<'_>) -> anyhow::Result<()> {
    let style = if answer.decision == Decision::Allowed { Style::Good } else { Style::Bad };
    let words = json!({"decision": answer.decision, "by": answer.decided_by});
    let word = |name: &str| words.get(name).and_then(Value::as_str).unwrap_or_default();
    out.line(format!("{}, decided by {}", out.paint(style, word("decision")), word("by")))?;
    out.line(one_line(&answer.explanation))?;
    if let Some(repair) = &answer.repair {
        out.line(format!("repair: {}", one_line(repair)))?;
    }
    let rows: Vec<Value> = answer.statements.iter().map(row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    out.line("")?;
    out.table(COLUMNS, &rows)
}

fn row(trace: &StatementTrace<'_>) -> Value {
    let conditions: Vec<String> = trace.why.conditions.iter().map(condition).collect();
    json!({
        "policy": trace.policy,
        "statement": trace.sid.map_or_else(|| trace.index.to_string(), |sid| format!("{} {sid}", trace.index)),
        "line": trace.line,
        "effect": trace.effect,
        "matches": trace.matches,
        "principal": trace.why.principal,
        "action": trace.why.action,
        "resource": trace.why.resource,
        "conditions": conditions.join("; "),
    })
}

/// `no: Bool aws:SecureTransport wants true, has false`.
fn condition(trace: &ConditionTrace<'_>) -> String {
    let holds = if trace.matches { "yes" } else { "no" };
    let actual = if trace.actual.is_empty() { "nothing".to_owned() } else { trace.actual.join(" | ") };
    format!("{holds}: {} {} wants {}, has {actual}", trace.operator, trace.key, trace.expected.join(" | "))
}
