//! `policy diff`: requests that a change decides differently.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::words::{KINDS, one_of};
use crate::cli::exit::{Exit, usage};
use crate::cli::finding::called;
use crate::cli::input;
use crate::cli::output::{Column, Format, Output};
use crate::cli::problem::{Problem, Remark};
use crate::policy::compile::Slot;
use crate::policy::diff::{self, Comparison, Difference};
use crate::policy::document::{Kind, Policy};
use crate::policy::finding::Finding;
use crate::policy::parse;

const COLUMNS: &[Column] = &[
    ("BEFORE", "before"),
    ("AFTER", "after"),
    ("ACTION", "action"),
    ("RESOURCE", "resource"),
    ("PRINCIPAL", "principal"),
    ("WITH", "context"),
];

/// Flags of `policy diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// File with the policy as it is, or `-` for stdin
    old: PathBuf,
    /// File with the policy as it will be, or `-` for stdin
    new: PathBuf,
    /// What kind of policy both are
    #[arg(long, value_parser = one_of::<Kind>(KINDS))]
    kind: Kind,
}

impl Diff {
    pub(crate) async fn run(self, out: &Output) -> anyhow::Result<Exit> {
        if self.old.as_os_str() == "-" && self.new.as_os_str() == "-" {
            return Err(usage("stdin holds one policy: give a file for the other one"));
        }
        let (old, new) = (policy(&self.old).await?, policy(&self.new).await?);
        let comparison = diff::diff(&old, &new, Slot::from(self.kind)).map_err(|error| {
            let file = if error.which == "before" { &self.old } else { &self.new };
            Problem::invalid(format!("{}: {}", called(file), error.invalid), Vec::new())
        })?;
        match out.format() {
            Format::Table => show(out, &comparison)?,
            Format::Json => out.json(&json!(comparison))?,
            Format::Ndjson => {
                comparison.differences.iter().try_for_each(|difference| out.json(&json!(difference)))?;
            }
        }
        Ok(Exit::Ok)
    }
}

fn show(out: &Output, comparison: &Comparison) -> anyhow::Result<()> {
    let rows: Vec<Value> = comparison.differences.iter().map(row).collect();
    let tried = format!("{} requests were tried", comparison.tried);
    if rows.is_empty() {
        out.say(format!("no difference was found; {tried}"));
    } else {
        out.table(COLUMNS, &rows)?;
        out.say(tried);
    }
    if !comparison.all_tried {
        out.warn("there are more requests to try than are tried, or more differences than are shown");
    }
    Ok(())
}

fn row(difference: &Difference) -> Value {
    let request = &difference.request;
    let context = request.context.iter().map(|(key, values)| format!("{key}={}", values.join(" | ")));
    json!({
        "before": difference.before,
        "after": difference.after,
        "action": request.action,
        "resource": request.resource,
        "principal": request.principal,
        "context": context.collect::<Vec<_>>().join("; "),
    })
}

async fn policy(file: &Path) -> anyhow::Result<Policy> {
    let text = input::text(file).await?;
    parse::parse(&text).map_err(|findings| {
        let name = called(file);
        let errors = findings.into_iter().map(|finding| remark(&name, finding)).collect();
        Problem::invalid(format!("{name} is no policy that could be compared"), errors).into()
    })
}

fn remark(file: &str, finding: Finding) -> Remark {
    Remark {
        severity: String::new(),
        code: finding.code.to_owned(),
        path: format!("{file}: {}", finding.path).trim_end_matches(": ").to_owned(),
        line: Some(finding.line),
        column: Some(finding.column),
        message: finding.message,
        help: finding.help,
    }
}
