//! Figures of secret resolution, beside `aws_secretsmanager_caching` where it does the same; one JSON line each.
//!
//! `bench-secrets hits | storm | memory-ours | memory-theirs | behaviour | rotate [SECONDS]`. Everything is bounded in
//! time and talks to 127.0.0.1 only: to a stub of Secrets Manager in this process and to the embedded S3 store.

mod behaviour;
mod hits;
mod memory;
mod ours;
mod rotate;
mod storm;
mod stub;
mod theirs;

use anyhow::bail;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let section = arguments.next().unwrap_or_default();
    let seconds: u64 = arguments.next().map(|text| text.parse()).transpose()?.unwrap_or(60);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match section.as_str() {
        "hits" => hits::run(&runtime),
        "storm" => runtime.block_on(storm::run()),
        "memory-ours" => runtime.block_on(memory::ours()),
        "memory-theirs" => runtime.block_on(memory::theirs()),
        "behaviour" => runtime.block_on(behaviour::run()),
        "rotate" => runtime.block_on(rotate::run(seconds)),
        _ => bail!("say which: hits, storm, memory-ours, memory-theirs, behaviour or rotate"),
    }
}
