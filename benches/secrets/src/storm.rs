//! Cold storms: how many calls a source gets when many readers come at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::ours::Ours;
use crate::stub::Stub;
use crate::theirs;

const READERS: usize = 10_000;
const SECRETS: usize = 200;
/// Every reader of the other cache makes a call and a connection of its own: more would run out of sockets.
const THEIR_READERS: usize = 1_000;
const LATENCY: Duration = Duration::from_millis(50);

pub async fn run() -> anyhow::Result<()> {
    one_secret_ours().await?;
    many_secrets_ours().await?;
    let one: Vec<String> = vec!["storm".to_owned(); THEIR_READERS];
    of_theirs("one cold secret", one).await?;
    of_theirs("many cold secrets", (0..SECRETS).map(|at| format!("storm-{at}")).collect()).await
}

async fn one_secret_ours() -> anyhow::Result<()> {
    let stub = Stub::start().await?;
    let ours = Arc::new(Ours::start(&stub.url, 300_000).await?);
    let resource = ours.resource("storm", "storm").await?;
    stub.delay(LATENCY);
    let began = Instant::now();
    let reads = (0..READERS).map(|_| {
        let (ours, resource) = (Arc::clone(&ours), Arc::clone(&resource));
        tokio::spawn(async move { ours.connect(&resource).await.is_ok() })
    });
    let outcomes = join_all(reads).await;
    report("one cold secret", "ours", &stub, began, outcomes);
    Ok(())
}

async fn many_secrets_ours() -> anyhow::Result<()> {
    let stub = Stub::start().await?;
    let ours = Arc::new(Ours::start(&stub.url, 300_000).await?);
    let mut resources = Vec::new();
    for at in 0..SECRETS {
        resources.push(ours.resource(&format!("storm-{at}"), &format!("storm-{at}")).await?);
    }
    stub.delay(LATENCY);
    let began = Instant::now();
    let reads = resources.into_iter().map(|resource| {
        let ours = Arc::clone(&ours);
        tokio::spawn(async move { ours.connect(&resource).await.is_ok() })
    });
    let outcomes = join_all(reads).await;
    report("many cold secrets", "ours", &stub, began, outcomes);
    Ok(())
}

async fn of_theirs(what: &str, names: Vec<String>) -> anyhow::Result<()> {
    let stub = Stub::start().await?;
    let client = Arc::new(theirs::client(&stub.url, Duration::from_secs(300)));
    stub.delay(LATENCY);
    let began = Instant::now();
    let reads = names.into_iter().map(|name| {
        let client = Arc::clone(&client);
        tokio::spawn(async move { theirs::get(&client, &name).await.is_ok() })
    });
    let outcomes = join_all(reads).await;
    report(what, "theirs", &stub, began, outcomes);
    Ok(())
}

fn report(
    what: &str,
    system: &str,
    stub: &Stub,
    began: Instant,
    outcomes: Vec<Result<bool, tokio::task::JoinError>>,
) {
    let ok = outcomes.iter().filter(|outcome| matches!(outcome, Ok(true))).count();
    let calls = stub.calls();
    let line = json!({
        "section": "storm", "what": what, "system": system, "readers": outcomes.len(), "ok": ok,
        "upstream_calls": calls.all(), "gets": calls.gets, "batches": calls.batches,
        "ms": began.elapsed().as_millis() as u64,
    });
    println!("{line}");
}
