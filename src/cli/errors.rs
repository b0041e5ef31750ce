//! `errors`: what a code of an error means, without a server.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::exit::{Exit, usage};
use crate::cli::output::{Column, Format, Output};
use crate::model::error_catalogue::{self, ErrorEntry};
use crate::policy::finding;

const COLUMNS: &[Column] = &[("CODE", "code"), ("ORIGIN", "origin"), ("CAUSE", "cause")];

/// Flags of `errors`.
#[derive(Debug, Args)]
pub(crate) struct Errors {
    /// Code as an error or a finding about a policy names it; without one, those of errors are listed
    code: Option<String>,
}

impl Errors {
    pub(crate) fn run(self, out: &Output) -> anyhow::Result<Exit> {
        let Some(code) = self.code else {
            let rows: Vec<Value> = error_catalogue::all().map(row).collect();
            out.rows(&json!({"errors": rows}), "errors", COLUMNS)?;
            return Ok(Exit::Ok);
        };
        if let Some(rule) = finding::code::find(&code.to_ascii_uppercase()) {
            let row = json!({"code": rule.code, "severity": rule.severity, "kinds": rule.kinds, "cause": rule.meaning});
            match out.format() {
                Format::Table => {
                    out.line(format!("{}\n\nA finding about a policy: {}", rule.code, rule.meaning))?;
                    out.line(
                        "\n`policy validate` shows its place, what to do, and a repair where there is one.",
                    )?;
                }
                Format::Json | Format::Ndjson => out.json(&row)?,
            }
            return Ok(Exit::Ok);
        }
        let same = |entry: &&ErrorEntry| entry.code.eq_ignore_ascii_case(&code);
        let entry = error_catalogue::all().find(same).ok_or_else(|| usage(unknown(&code)))?;
        match out.format() {
            Format::Table => out.line(entry.text().trim_end())?,
            Format::Json | Format::Ndjson => out.json(&row(entry))?,
        }
        Ok(Exit::Ok)
    }
}

fn unknown(code: &str) -> String {
    let is_finding = code.contains('_') && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    if is_finding {
        return format!(
            "`{code}` is the code of a finding about a definition, a change or CORS: the finding itself says what is wrong, where, and what to do"
        );
    }
    format!(
        "`{code}` is not in the catalogue: `s3-connector errors` lists what is, and a code of a store's own is in its documentation"
    )
}

fn row(entry: &ErrorEntry) -> Value {
    json!({
        "code": entry.code, "origin": entry.origin.as_str(), "cause": entry.cause, "remedy": entry.remedy,
        "who": entry.owner.as_str(), "retry": entry.retry, "page": format!("/docs/errors/{}", entry.code),
    })
}
