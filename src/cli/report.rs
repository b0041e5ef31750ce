//! Reports of tests: every check with its outcome, what can be done through the resource, and the sum.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::Exit;
use crate::cli::output::{self, Column, Format, Output, Style};
use crate::cli::problem::{self, Problem};
use crate::model::check::{Check, Fix, Report, Status, Verdict};
use crate::model::error_catalogue;

const MATRIX: &[Column] = &[
    ("OPERATION", "operation"),
    ("WORKS", "answer"),
    ("KNOWN BY", "known_by"),
    ("MISSING", "missing_action"),
];

/// Characters of the longest name of a check, so that lines that are printed one by one stand below each other.
const LIVE_WIDTH: usize = 19;

/// Columns of kept reports.
pub(crate) const KEPT: &[Column] = &[
    ("TESTED AT", "report.tested_at"),
    ("ENVIRONMENT", "environment"),
    ("SCHEDULED", "scheduled"),
    ("VERDICT", "report.verdict"),
    ("MS", "report.took_ms"),
    // last, where a long text pushes nothing away
    ("REASON", "report.reason"),
];

/// Columns of what re-checks know.
pub(crate) const HEALTH: &[Column] = &[
    ("RESOURCE", "resource"),
    ("ENVIRONMENT", "environment"),
    ("VERDICT", "health.verdict"),
    ("SINCE", "health.since"),
    ("LAST GOOD", "health.last_good_at"),
    ("FIRST BAD", "health.first_bad.at"),
    ("CAUSE", "health.first_bad.cause"),
    ("NEXT", "next_at"),
    ("WEBHOOK", "delivery.detail"),
];

/// One line of a test that is under way.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Check(Check),
    Report(Report),
    Error(Problem),
}

/// Runs a test: check by check as they end for people, in one piece for programs. A verdict of `fails` fails the
/// command.
pub(crate) async fn run(session: &Session, call: Call<'_>) -> anyhow::Result<Exit> {
    let out = &session.out;
    if out.format() != Format::Table {
        return show(out, &session.client.send(call).await?.body);
    }
    let mut lines = session.client.lines(call).await?;
    let mut shown: Vec<Check> = Vec::new();
    while let Some(line) = lines.next().await? {
        match serde_json::from_value(line).map_err(|error| unreadable(&error))? {
            Line::Check(check) => {
                print_check(out, &check, &shown, LIVE_WIDTH)?;
                shown.push(check);
            }
            Line::Report(report) => {
                print_sum(out, &report)?;
                return Ok(exit_of(report.verdict));
            }
            Line::Error(problem) => return Err(problem.into()),
        }
    }
    anyhow::bail!("the test broke off before its end: try again")
}

fn unreadable(error: &serde_json::Error) -> anyhow::Error {
    anyhow::anyhow!("the report cannot be read, the server may be newer than this command: {error}")
}

/// Shows the report that the server answered with; a verdict of `fails` fails the command.
pub(crate) fn show(out: &Output, answer: &Value) -> anyhow::Result<Exit> {
    let report: Report = serde_json::from_value(answer.clone()).map_err(|error| unreadable(&error))?;
    if out.format() == Format::Table {
        print_checks(out, &report.checks)?;
        print_sum(out, &report)?;
    } else {
        out.json(answer)?;
    }
    Ok(exit_of(report.verdict))
}

fn exit_of(verdict: Verdict) -> Exit {
    Exit::failed_if(verdict == Verdict::Fails)
}

/// What can be done through the resource, and the verdict.
fn print_sum(out: &Output, report: &Report) -> anyhow::Result<()> {
    if !report.permissions.is_empty() {
        let rows = report.permissions.iter().map(|row| json!(row)).collect::<Vec<_>>();
        out.line("")?;
        out.table(MATRIX, &rows)?;
    }
    let style = match report.verdict {
        Verdict::Works => Style::Good,
        Verdict::WorksWithLimits | Verdict::Unverified => Style::Careful,
        Verdict::Fails => Style::Bad,
    };
    let reason = report.reason.as_deref().map(|reason| format!(": {}", shown(reason))).unwrap_or_default();
    let took = out.paint(Style::Faint, format!("({} ms)", report.took_ms));
    out.line("")?;
    out.line(format!("{}{reason} {took}", out.paint(style, report.verdict.as_str())))
}

/// One line a check, and below it why and what to do.
pub(crate) fn print_checks(out: &Output, checks: &[Check]) -> anyhow::Result<()> {
    let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or_default();
    checks.iter().try_for_each(|check| print_check(out, check, checks, width))
}

fn print_check(out: &Output, check: &Check, others: &[Check], width: usize) -> anyhow::Result<()> {
    let (mark, style) = mark(check.status);
    let name = format!("{:width$}", output::one_line(&check.name));
    let detail = shown(&check.detail);
    let took = if check.took_ms > 0 {
        out.paint(Style::Faint, format!("  {} ms", check.took_ms))
    } else {
        String::new()
    };
    out.line(format!("{} {name}  {detail}{took}", out.paint(style, mark)))?;
    for (label, text) in notes(check, others) {
        out.line(format!("    {} {}", out.paint(Style::Faint, format!("{label:8}")), shown(&text)))?;
    }
    Ok(())
}

/// Words of the server on one line, as the command line would say them.
fn shown(text: &str) -> String {
    output::one_line(&problem::advice(text))
}

fn mark(status: Status) -> (&'static str, Style) {
    match status {
        Status::Passed => ("✓", Style::Good),
        Status::Failed => ("✗", Style::Bad),
        Status::Skipped | Status::Unsupported => ("–", Style::Faint),
        Status::Warning => ("!", Style::Careful),
    }
}

/// What to do with a fix.
pub(crate) fn fix_in_words(fix: &Fix) -> String {
    match fix {
        Fix::Patch(patch) => format!("update the resource with --merge and {patch}"),
        Fix::Statement(statement) => format!("add the statement {statement}"),
        Fix::TrustPolicy(policy) => format!("give the role the trust policy {policy}"),
        Fix::Cors(configuration) => format!("give the bucket with `bucket set-cors` {configuration}"),
    }
}

/// What people need who want to mend it; a check that passed needs no words.
fn notes(check: &Check, all: &[Check]) -> Vec<(&'static str, String)> {
    if matches!(check.status, Status::Passed) {
        return Vec::new();
    }
    let known = |code: &String| match error_catalogue::find(code) {
        Some(entry) => format!("{code}: {}", entry.cause),
        None => code.clone(),
    };
    let call = check.call.as_ref().map(|call| match &check.request_id {
        Some(id) => format!("{call}, request id {id}"),
        None => call.clone(),
    });
    let fix = check.fix.as_ref().map(fix_in_words);
    let waits =
        |name: &&String| all.iter().any(|other| other.name == **name && other.status != Status::Passed);
    let needs: Vec<&str> = check.depends_on.iter().filter(waits).map(String::as_str).collect();
    let needs = Some(needs.join(", ")).filter(|names| !names.is_empty() && check.status == Status::Skipped);
    let notes = [
        ("cause", check.cause.as_ref().map(known)),
        ("remedy", check.remedy.clone()),
        ("fix", fix),
        ("call", call.filter(|_| check.status != Status::Skipped)),
        ("needs", needs),
    ];
    notes.into_iter().filter_map(|(label, text)| text.map(|text| (label, text))).collect()
}

#[cfg(test)]
mod tests {
    use super::{exit_of, notes};
    use crate::cli::exit::Exit;
    use crate::model::check::{Check, Status, Verdict};

    #[test]
    fn only_a_verdict_of_fails_fails_the_command() {
        assert_eq!(exit_of(Verdict::Fails), Exit::Failed);
        for verdict in [Verdict::Works, Verdict::WorksWithLimits, Verdict::Unverified] {
            assert_eq!(exit_of(verdict), Exit::Ok, "{verdict:?}");
        }
    }

    #[test]
    fn a_failure_says_why_what_to_do_and_what_was_called() {
        let mut check = Check::new("objects-listable", Status::Failed, "the store answered AccessDenied");
        check.cause = Some("AccessDenied".to_owned());
        check.remedy = Some("allow `s3:ListBucket`".to_owned());
        check.call = Some("s3:ListObjectsV2 (max-keys 1)".to_owned());
        check.request_id = Some("u-1".to_owned());
        let labels: Vec<&str> = notes(&check, &[]).iter().map(|(label, _)| *label).collect();
        assert_eq!(labels, ["cause", "remedy", "call"]);
        assert!(notes(&check, &[])[0].1.starts_with("AccessDenied: no policy allows this operation"));
        check.status = Status::Passed;
        assert!(notes(&check, &[]).is_empty());
    }
}
