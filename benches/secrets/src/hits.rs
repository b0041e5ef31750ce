//! Hits: what one costs, and what a second thread brings.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use s3_connector::cache::{Cache, Limits, Loader, Policy, Secret, SecretKey};
use s3_connector::clock::Clock;
use s3_connector::telemetry;
use s3_connector::template::{self, Mode, SecretValue, Template};
use secrecy::SecretString;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::TaskTracker;

use crate::ours::Ours;
use crate::stub::Stub;
use crate::theirs;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(500);
/// Hits between two looks at the stop sign.
const BATCH: u64 = 256;
pub const POLICY: Policy = Policy { ttl_ms: 3_600_000, max_stale_ms: 3_600_000 };

/// A loader that needs no source.
pub fn loader(text: String) -> Loader {
    Arc::new(move || {
        let text = text.clone();
        Box::pin(async move {
            Ok(Secret {
                value: SecretValue::from_text(SecretString::from(text)),
                version_id: "00000000-0000-4000-8000-000000000001".to_owned(),
                arn: None,
                name: String::new(),
                foreign: false,
                stages: vec!["AWSCURRENT".to_owned()],
                next_rotation_ms: None,
            })
        })
    })
}

pub fn key(name: &str) -> SecretKey {
    SecretKey { source: Arc::from("bench"), secret: Arc::from(name), pin: Arc::from("AWSCURRENT") }
}

pub fn run(runtime: &Runtime) -> anyhow::Result<()> {
    telemetry::start_metrics();
    let cache = Cache::new(Limits::default(), Clock::system(), TaskTracker::new());
    let text = json!({"id": "AKIABENCH00000000001", "secret": "s".repeat(40), "token": "t".repeat(200)});
    let (key, loader) = (key("hot"), loader(text.to_string()));
    let filled = runtime.block_on(cache.get(&key, POLICY, &loader));
    anyhow::ensure!(filled.is_ok(), "the cache cannot be filled");
    let templates: Vec<Template> = ["id", "secret", "token"]
        .iter()
        .map(|key| template::parse(&format!("{{{{ secrets.hot.{key} }}}}")))
        .collect::<Result<_, _>>()?;

    measure("cache hit", "ours", async || {
        black_box(cache.get(&key, POLICY, &loader).await.is_ok());
    })?;
    measure("resolve and render three references", "ours", async || {
        let Ok(hit) = cache.get(&key, POLICY, &loader).await else { return };
        for template in &templates {
            let value = &hit.entry.secret.value;
            black_box(template::render(template, |found| value.look_up(Mode::Auto, &found.path)).is_ok());
        }
    })?;

    let stub = runtime.block_on(Stub::start())?;
    let ours = runtime.block_on(Ours::start(&stub.url, 3_600_000))?;
    let resource = runtime.block_on(ours.resource("hot", "hot"))?;
    let connected = runtime.block_on(ours.connect(&resource));
    anyhow::ensure!(connected.is_ok(), "the resource cannot be connected");
    measure("what a warm query resolves", "ours", async || {
        black_box(ours.connect(&resource).await.is_ok());
    })?;

    let client = theirs::client(&stub.url, Duration::from_secs(3_600));
    let filled = runtime.block_on(theirs::get(&client, "hot"));
    anyhow::ensure!(filled.is_ok(), "the other cache cannot be filled");
    measure("cache hit", "theirs", async || {
        black_box(client.get_secret_value("hot", None, None, false).await.is_ok());
    })
}

/// Rounds on one thread and on two take turns; medians are told, and the median of the ratios.
fn measure(what: &str, system: &str, hit: impl AsyncFn() + Sync) -> anyhow::Result<()> {
    rate(1, &hit)?;
    let (mut one, mut two, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (alone, both) = (rate(1, &hit)?, rate(2, &hit)?);
        one.push(alone);
        two.push(both);
        ratios.push(both / alone);
    }
    let (one, two, ratio) = (median(one), median(two), median(ratios));
    let line = json!({
        "section": "hits", "what": what, "system": system, "ns": 1e9 / one, "per_s_1_thread": one,
        "per_s_2_threads": two, "ratio_2_to_1": ratio,
    });
    println!("{line}");
    Ok(())
}

/// Hits in a second.
fn rate(threads: usize, hit: &(impl AsyncFn() + Sync)) -> anyhow::Result<f64> {
    let (stop, total) = (AtomicBool::new(false), AtomicU64::new(0));
    let runtimes: Vec<Runtime> =
        (0..threads).map(|_| Builder::new_current_thread().enable_all().build()).collect::<Result<_, _>>()?;
    let began = Instant::now();
    thread::scope(|scope| {
        for runtime in runtimes {
            let (stop, total) = (&stop, &total);
            scope.spawn(move || {
                let mut hits = 0;
                runtime.block_on(async {
                    while !stop.load(Ordering::Relaxed) {
                        for _ in 0..BATCH {
                            hit().await;
                        }
                        hits += BATCH;
                    }
                });
                total.fetch_add(hits, Ordering::Relaxed);
            });
        }
        thread::sleep(ROUND);
        stop.store(true, Ordering::Relaxed);
    });
    Ok(total.into_inner() as f64 / began.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
