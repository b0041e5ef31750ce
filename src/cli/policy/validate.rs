//! `policy validate`: every finding with the line that it is about.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::words::{KINDS, OWNERSHIPS, one_of};
use crate::cli::exit::{Exit, usage};
use crate::cli::finding::{Shown, called};
use crate::cli::input;
use crate::cli::output::{Format, Output, counted};
use crate::policy::document::Kind;
use crate::policy::finding::{Finding, Severity};
use crate::policy::request::ObjectOwnership;
use crate::policy::validate::{self, BucketFacts, Facts, Validation};

/// Flags of `policy validate`.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// File with the policy, or `-` for stdin
    #[arg(default_value = "-")]
    file: PathBuf,
    /// What kind of policy it is
    #[arg(long, value_parser = one_of::<Kind>(KINDS))]
    kind: Kind,
    /// Name of the bucket that a bucket policy is for
    #[arg(long)]
    bucket: Option<String>,
    /// Account that owns the bucket, in twelve digits
    #[arg(long)]
    account: Option<String>,
    /// Who owns the bucket's objects
    #[arg(long, value_parser = one_of::<ObjectOwnership>(OWNERSHIPS))]
    ownership: Option<ObjectOwnership>,
    /// Write the policy with every mechanical repair made to stdout, and the findings to stderr; exits with 3 when it
    /// still has errors
    #[arg(long)]
    repair: bool,
}

impl Validate {
    pub(crate) async fn run(self, out: &Output) -> anyhow::Result<Exit> {
        let facts = self.facts();
        facts.check().map_err(|(_, reason)| usage(reason))?;
        let text = input::text(&self.file).await?;
        let mut validation = Validation::new(validate::validate(&text, self.kind, &facts));
        if self.repair {
            validation.repaired = validate::repair(&text, self.kind, &facts);
        }
        match out.format() {
            Format::Table => self.show(out, &text, &validation)?,
            Format::Json => out.json(&json!(validation))?,
            Format::Ndjson => validation.findings.iter().try_for_each(|finding| out.json(&json!(finding)))?,
        }
        let left = validation.repaired.as_deref().map(|text| validate::validate(text, self.kind, &facts));
        let valid = left.map_or(validation.valid, |findings| Validation::new(findings).valid);
        Ok(if valid { Exit::Ok } else { Exit::Denied })
    }

    fn facts(&self) -> Facts {
        let bucket = BucketFacts {
            name: self.bucket.clone(),
            account: self.account.clone(),
            object_ownership: self.ownership,
            block_public_access: None,
        };
        Facts { bucket: (bucket != BucketFacts::default()).then_some(bucket), needed_actions: None }
    }

    fn show(&self, out: &Output, text: &str, validation: &Validation) -> anyhow::Result<()> {
        let name = called(&self.file);
        for finding in &validation.findings {
            for line in Shown::from(finding).lines(out, &name, text) {
                if self.repair { out.say(line) } else { out.line(line)? }
            }
        }
        if self.repair {
            out.line(validation.repaired.as_deref().unwrap_or(text).trim_end())?;
        }
        out.say(format!("{name}: {}", summary(&validation.findings)));
        Ok(())
    }
}

/// `2 errors, 1 warning`.
fn summary(findings: &[Finding]) -> String {
    let kinds = [
        (Severity::Error, "error"),
        (Severity::SecurityWarning, "security warning"),
        (Severity::Warning, "warning"),
        (Severity::Suggestion, "suggestion"),
    ];
    let counts = kinds.into_iter().filter_map(|(severity, noun)| {
        let count = findings.iter().filter(|finding| finding.severity == severity).count();
        (count > 0).then(|| counted(count as u64, noun))
    });
    let counts: Vec<String> = counts.collect();
    if counts.is_empty() { "nothing to say".to_owned() } else { counts.join(", ") }
}
