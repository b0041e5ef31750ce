//! `cors validate`, and how findings about a text are shown.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::finding::{Shown, called};
use crate::cli::input;
use crate::cli::output::{Column, Format, Output, counted};
use crate::cors::{Expectation, Finding, Severity};
use crate::model::cors_question::{CorsProvider, CorsValidation};

const FINDINGS: &[Column] = &[("CODE", "code"), ("PATH", "path"), ("MESSAGE", "message")];

/// Flags of `cors validate`.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Configuration in any form, `-` for stdin
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Store that the bucket is at: aws, ceph, `ceph_whole`, minio, garage, rustfs, r2, moto, localstack, versity, storj
    #[arg(long, default_value = "aws", value_parser = CorsProvider::parse)]
    provider: CorsProvider,
    /// What pages will do, again for each: credentials, multipart, checksums, delete, head, `signed_headers`
    #[arg(long, value_name = "WHAT", value_parser = input::word::<Expectation>)]
    expect: Vec<Expectation>,
}

impl Validate {
    pub(super) async fn run(self, out: &Output) -> anyhow::Result<Exit> {
        let text = input::text(&self.file).await?;
        let wanted =
            CorsValidation { configuration: json!(text), provider: self.provider, expected: self.expect };
        let report = wanted.report();
        match out.format() {
            Format::Table => {
                show(out, &self.file, &text, &report.findings)?;
                out.say(summary(&report.findings));
            }
            Format::Json | Format::Ndjson => out.rows(&json!(report), "findings", FINDINGS)?,
        }
        Ok(if report.usable { Exit::Ok } else { Exit::Denied })
    }
}

/// A word about all findings together.
fn summary(findings: &[Finding]) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count() as u64;
    let counts = [
        (count(Severity::Error), "error"),
        (count(Severity::SecurityWarning), "security warning"),
        (count(Severity::Warning), "warning"),
        (count(Severity::Suggestion), "suggestion"),
    ];
    let parts = counts.into_iter().filter(|(number, _)| *number > 0);
    let words = parts.map(|(number, noun)| counted(number, noun)).collect::<Vec<_>>().join(", ");
    if words.is_empty() { "nothing to say".to_owned() } else { words }
}

/// Each finding with the line that it is about, and what to do.
pub(super) fn show(out: &Output, file: &Path, text: &str, findings: &[Finding]) -> anyhow::Result<()> {
    let name = called(file);
    let mut lines = findings.iter().flat_map(|finding| Shown::from(finding).lines(out, &name, text));
    lines.try_for_each(|line| out.line(line))
}
