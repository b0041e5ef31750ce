//! What readers get while the source fails, and how soon after they get the new value.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_secretsmanager_caching::SecretsManagerCachingClient;
use futures_util::future::try_join_all;
use s3_connector::app::Resource;
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::ours::Ours;
use crate::stub::{Fault, Stub};
use crate::theirs;

const TTL: Duration = Duration::from_secs(1);
/// How long the fault lasts; the first TTL of it passes unseen.
const FAULT: Duration = Duration::from_secs(4);
const PACE: Duration = Duration::from_millis(20);
/// A reader that waits longer gives up.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the new value is waited for.
const RECOVERY: Duration = Duration::from_secs(30);

const EVENTS: &[(&str, Fault)] = &[
    ("400 ThrottlingException", Fault::Throttled),
    ("500", Fault::Broken),
    ("timeout", Fault::Silent),
    ("marked for deletion", Fault::Deleted),
    ("access denied", Fault::Denied),
    ("rotated", Fault::None),
];

enum Reader {
    Ours(Box<Ours>, Arc<Resource>),
    Theirs(SecretsManagerCachingClient),
}

/// What one read gave.
enum Read {
    Value { version: String, stale: bool },
    Error,
    Hung,
}

#[derive(Default)]
struct Tally {
    old: u64,
    marked_stale: u64,
    new: u64,
    errors: u64,
    hung: u64,
    slowest: Duration,
}

impl Tally {
    fn count(&mut self, read: &Read, old: &str, took: Duration) {
        self.slowest = self.slowest.max(took);
        match read {
            Read::Value { stale: true, .. } => self.marked_stale += 1,
            Read::Value { version, .. } if version == old => self.old += 1,
            Read::Value { .. } => self.new += 1,
            Read::Error => self.errors += 1,
            Read::Hung => self.hung += 1,
        }
    }
}

impl Reader {
    async fn read(&self) -> Read {
        timeout(PATIENCE, self.wait()).await.unwrap_or(Read::Hung)
    }

    async fn wait(&self) -> Read {
        match self {
            Reader::Ours(ours, resource) => match ours.connect(resource).await {
                Ok(connection) => Read::Value {
                    version: connection.used.first().map(|used| used.version_id.clone()).unwrap_or_default(),
                    stale: connection.freshness().stale_ms.is_some(),
                },
                Err(_) => Read::Error,
            },
            Reader::Theirs(client) => match theirs::get(client, "s3").await {
                Ok(version) => Read::Value { version, stale: false },
                Err(_) => Read::Error,
            },
        }
    }
}

pub async fn run() -> anyhow::Result<()> {
    let runs = EVENTS.iter().flat_map(|(event, fault)| [one(event, *fault, true), one(event, *fault, false)]);
    for line in try_join_all(runs).await? {
        println!("{line}");
    }
    Ok(())
}

async fn one(event: &str, fault: Fault, is_ours: bool) -> anyhow::Result<serde_json::Value> {
    let stub = Stub::start().await?;
    let reader = if is_ours {
        let ours = Ours::start(&stub.url, TTL.as_millis() as u64).await?;
        let resource = ours.resource("main", "s3").await?;
        Reader::Ours(Box::new(ours), resource)
    } else {
        Reader::Theirs(theirs::client(&stub.url, TTL))
    };
    let old = stub.version_id();
    anyhow::ensure!(matches!(reader.read().await, Read::Value { .. }), "{event}: no first value");
    let before = stub.calls();
    stub.rotate();
    stub.fault(fault);
    let (mut tally, began) = (Tally::default(), Instant::now());
    // a rotation is no fault: what is told is how long until it is seen
    let mut seen = None;
    while began.elapsed() < FAULT {
        let asked = Instant::now();
        let read = reader.read().await;
        tally.count(&read, &old, asked.elapsed());
        if fault == Fault::None && seen.is_none() && is_new(&read, &old) {
            seen = Some(began.elapsed());
        }
        sleep(PACE).await;
    }
    let calls = stub.calls().all() - before.all();
    stub.fault(Fault::None);
    if fault != Fault::None {
        seen = until_new(&reader, &old).await;
    }
    Ok(json!({
        "section": "behaviour", "event": event, "system": if is_ours { "ours" } else { "theirs" },
        "old_value": tally.old, "marked_stale": tally.marked_stale, "new_value": tally.new,
        "errors": tally.errors, "hung": tally.hung, "slowest_ms": tally.slowest.as_millis() as u64,
        "upstream_calls": calls, "new_value_after_ms": seen.map(|seen| seen.as_millis() as u64),
    }))
}

async fn until_new(reader: &Reader, old: &str) -> Option<Duration> {
    let began = Instant::now();
    while began.elapsed() < RECOVERY {
        if is_new(&reader.read().await, old) {
            return Some(began.elapsed());
        }
        sleep(PACE).await;
    }
    None
}

fn is_new(read: &Read, old: &str) -> bool {
    matches!(read, Read::Value { version, .. } if version != old)
}
