//! Pages whose commands are run: the `sh` blocks of a page are one script, and a `text` block behind one of them
//! is what it says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::process::Command;

use crate::harness::aws;
use crate::harness::servers::Servers;
use crate::support::{Service, Setup, binary};

/// Stands between the outputs of two blocks.
const MARK: &str = "=== the next block ===";

/// A block of commands, the lines that the page shows of its output, and the output.
pub(crate) struct Step {
    pub(crate) commands: String,
    pub(crate) shown: Vec<String>,
    pub(crate) said: String,
}

/// Runs the commands of a page, in a folder of their own, against moto, a service and a bucket; all must succeed.
pub(crate) async fn run(page: &str, name: &str) -> Vec<Step> {
    let servers = Servers::get();
    let service = Setup::new().start().await;
    let bucket = aws::create_bucket(&aws::s3(&servers.rgw, &servers.rgw_key), name).await;
    let folder = tempfile::tempdir().unwrap();
    let mut steps = steps(page);
    let scripts: Vec<&str> = steps.iter().map(|step| step.commands.as_str()).collect();
    let script = format!("exec 2>&1\n{}", scripts.join(&format!("\nprintf '%s\\n' '{MARK}'\n")));
    let mut bash = command(&servers, &service, &bucket);
    bash.args(["-euo", "pipefail", "-c", &script]).current_dir(folder.path());
    let output = tokio::task::spawn_blocking(move || bash.output().unwrap()).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{err}");
    assert!(!said.contains(&servers.rgw_key.secret), "a value came back\n{said}");
    let parts: Vec<&str> = said.split(&format!("{MARK}\n")).collect();
    assert_eq!(parts.len(), steps.len(), "{said}");
    for (step, part) in steps.iter_mut().zip(parts) {
        part.clone_into(&mut step.said);
    }
    steps
}

fn command(servers: &Servers, service: &Service, bucket: &str) -> Command {
    let (binary, path) = (binary(), std::env::var("PATH").unwrap());
    let folder = binary.parent().unwrap();
    let mut bash = Command::new("bash");
    bash.env("PATH", format!("{}:{}:{path}", folder.display(), servers.python_bin.display()))
        .env("MOTO", &servers.moto)
        .env("S3_CONNECTOR_SERVER", &service.url)
        .env("S3_CONNECTOR_TOKEN", service.token())
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000001")
        .env("AWS_SECRET_ACCESS_KEY", "example")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("STORE", &servers.rgw)
        .env("STORE_KEY_ID", &servers.rgw_key.id)
        .env("STORE_SECRET", &servers.rgw_key.secret)
        .env("STORE_BUCKET", bucket);
    bash
}

/// Blocks of other languages are read by people only.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("\n```") {
        let (language, after) = after.split_once('\n').unwrap();
        let (block, after) = after.split_once("\n```").unwrap();
        match language {
            "sh" => {
                steps.push(Step { commands: block.to_owned(), shown: Vec::new(), said: String::new() });
            }
            "text" => {
                let step = steps.last_mut().expect("a `text` block stands behind an `sh` block");
                step.shown.extend(block.lines().map(str::to_owned));
            }
            _ => {}
        }
        rest = after;
    }
    assert!(!steps.is_empty(), "the page has its commands in `sh` blocks");
    steps
}

impl Step {
    /// Asserts that every line that the page shows was said, in that order; lines between them are left out.
    #[track_caller]
    pub(crate) fn assert_shown(&self) {
        let mut lines = self.said.lines().map(words);
        for shown in &self.shown {
            let wanted = words(shown);
            assert!(
                lines.any(|line| fits(&wanted, &line)),
                "the page shows\n{shown}\nand this was not said by\n{}\nwhich said\n{}",
                self.commands,
                self.said
            );
        }
    }
}

/// With one blank for many: columns are as wide as what stands in them.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a line is the wanted one, in which `…` stands for any text.
fn fits(wanted: &str, line: &str) -> bool {
    let mut rest = line;
    for (index, part) in wanted.split('…').map(str::trim).enumerate() {
        let found = if index == 0 { rest.strip_prefix(part) } else { behind(rest, part) };
        let Some(after) = found else { return false };
        rest = after;
    }
    rest.is_empty() || wanted.ends_with('…')
}

fn behind<'a>(text: &'a str, part: &str) -> Option<&'a str> {
    text.split_once(part).map(|(_, after)| after)
}

#[test]
fn a_shown_line_leaves_out_what_differs_from_run_to_run() {
    let line = words("reports  production   unsafe      signature-accepted: no");
    for wanted in ["reports production unsafe …", "… unsafe …", "reports … no", line.as_str()] {
        assert!(fits(wanted, &line), "{wanted}");
    }
    for wanted in ["production …", "reports production", "reports … safe", "… no reports"] {
        assert!(!fits(wanted, &line), "{wanted}");
    }
}

#[test]
fn blocks_are_steps_and_what_they_say() {
    let block = "\nWords.\n\n```sh\none\ntwo\n```\n\n```text\nsaid\n```\n```console\n$ no\n```\n";
    let steps = steps(&block.repeat(9));
    assert_eq!(steps.len(), 9);
    assert_eq!(steps[8].commands, "one\ntwo");
    assert_eq!(steps[8].shown, ["said"]);
}
