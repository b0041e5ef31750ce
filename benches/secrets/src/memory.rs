//! Memory for 10,000 secrets of 1 KiB; each cache in a process of its own.

use std::time::Duration;

use s3_connector::cache::{Cache, Limits};
use s3_connector::clock::Clock;
use serde_json::json;
use tokio_util::task::TaskTracker;

use crate::hits::{POLICY, key, loader};
use crate::stub::Stub;
use crate::theirs;

const SECRETS: usize = 10_000;

pub async fn ours() -> anyhow::Result<()> {
    let cache = Cache::new(Limits::default(), Clock::system(), TaskTracker::new());
    fill_ours(&cache, "warm-up", 100).await;
    cache.clear();
    let before = rss()?;
    fill_ours(&cache, "secret", SECRETS).await;
    report("ours", before, cache.status("bench").len())
}

async fn fill_ours(cache: &std::sync::Arc<Cache>, name: &str, count: usize) {
    for at in 0..count {
        let name = format!("{name}-{at}");
        let text = json!({"id": "AKIABENCH00000000001", "secret": name, "filling": "x".repeat(940)});
        cache.get(&key(&name), POLICY, &loader(text.to_string())).await.ok();
    }
}

pub async fn theirs() -> anyhow::Result<()> {
    let stub = Stub::start().await?;
    let client = theirs::client(&stub.url, Duration::from_secs(3_600));
    // the SDK's own memory is not the cache's
    for at in 0..100 {
        theirs::get(&client, &format!("warm-up-{at}")).await.map_err(anyhow::Error::msg)?;
    }
    let before = rss()?;
    for at in 0..SECRETS {
        theirs::get(&client, &format!("secret-{at}")).await.map_err(anyhow::Error::msg)?;
    }
    report("theirs", before, SECRETS)
}

fn report(system: &str, before: u64, secrets: usize) -> anyhow::Result<()> {
    let grown = rss()?.saturating_sub(before);
    let line = json!({
        "section": "memory", "system": system, "secrets": secrets, "mib": grown as f64 / (1 << 20) as f64,
        "bytes_per_secret": grown / secrets.max(1) as u64,
    });
    println!("{line}");
    Ok(())
}

/// Bytes in memory.
fn rss() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line.and_then(|line| line.split_whitespace().next()).unwrap_or("0").parse()?;
    Ok(kib * 1024)
}
