//! Other evaluators, each in a process of its own that prints one JSON line like ours.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::measure::Measure;

/// Runs those that are installed on the same policies.
pub fn run(measure: &Measure, ten: &str, long: &str) -> anyhow::Result<()> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    if let Some(folder) = std::env::var_os("BENCH_PEERS").filter(|_| measure.wants("peer iam-simulate")) {
        // Node looks for modules beside the script, so the script goes where they are.
        let script = std::fs::read_to_string(scripts.join("iam_simulate.mjs"))?;
        let mut command = Command::new("node");
        command.args(["--input-type=module", "--eval", &script]).current_dir(folder);
        finish(command, ten).context("iam-simulate")?;
    }
    if let Some(python) = std::env::var_os("BENCH_PARLIAMENT").filter(|_| measure.wants("peer parliament")) {
        let mut command = Command::new(python);
        command.arg(scripts.join("parliament_lint.py"));
        finish(command, long).context("parliament")?;
    }
    Ok(())
}

/// Gives a process the policy and lets it print.
fn finish(mut command: Command, policy: &str) -> anyhow::Result<()> {
    let mut process = command.stdin(Stdio::piped()).spawn()?;
    process.stdin.take().context("its input")?.write_all(policy.as_bytes())?;
    let status = process.wait()?;
    ensure!(status.success(), "it ended with {status}");
    Ok(())
}
