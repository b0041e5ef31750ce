//! The soak: the keys of a bucket rotate under load, the old key is dead at once, and no query may fail.
//!
//! Single-user style: the secret and the store change at the same moment, the secret first. Two-user style: the store
//! takes the new key beside the old one, the secret changes, and the old key goes. Each rotation is followed by a query
//! with the old key, which the store must refuse.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use futures_util::future::join_all;
use s3_connector::dev::server::{EmbeddedStore, Options};
use s3_connector::http::{self, Serving};
use s3_connector::telemetry;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::ours;
use crate::stub::Stub;

const WORKERS: usize = 16;
/// A refused secret is fetched again at most once a second; rotations follow each other a little slower.
const PACE: Duration = Duration::from_millis(1_500);
const OBJECT: &str = "/v1/resources/main/objects/a.txt";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    SingleUser,
    TwoUsers,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Stub,
    Vault,
}

#[derive(Clone)]
struct Key {
    id: String,
    secret: String,
}

struct World {
    serving: Serving,
    store: EmbeddedStore,
    stub: Stub,
    client: reqwest::Client,
    url: String,
    token: String,
    source: Source,
    _folder: TempDir,
}

#[derive(Default)]
struct Counts {
    queries: AtomicU64,
    failed: AtomicU64,
    stop: AtomicBool,
    first_failures: Mutex<Vec<String>>,
}

pub async fn run(seconds: u64) -> anyhow::Result<()> {
    let mut failed = 0;
    for (style, source) in
        [(Style::SingleUser, Source::Stub), (Style::TwoUsers, Source::Stub), (Style::TwoUsers, Source::Vault)]
    {
        failed += soak(style, source, Duration::from_secs(seconds)).await?;
    }
    if failed > 0 {
        bail!("{failed} queries failed, or old keys were taken");
    }
    Ok(())
}

async fn soak(style: Style, source: Source, time: Duration) -> anyhow::Result<u64> {
    let first = key(0);
    let world = Arc::new(World::start(source, &first).await?);
    let counts = Arc::new(Counts::default());
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| tokio::spawn(work(Arc::clone(&world), Arc::clone(&counts))))
        .collect();
    let outcome = world.rotate_for(style, time, first).await;
    counts.stop.store(true, Ordering::SeqCst);
    join_all(workers).await;
    let (rotations, alive) = outcome?;
    let (queries, failed) = (counts.queries.load(Ordering::SeqCst), counts.failed.load(Ordering::SeqCst));
    let line = json!({
        "section": "rotate", "style": if style == Style::SingleUser { "single-user" } else { "two-user" },
        "source": if source == Source::Stub { "secrets manager" } else { "local vault" },
        "secs": time.as_secs(), "rotations": rotations, "queries": queries, "failed": failed,
        "old_key_taken": alive, "upstream_calls": world.stub.calls().all(),
        "first_failures": *counts.first_failures.lock().unwrap(),
    });
    println!("{line}");
    if let Ok(world) = Arc::try_unwrap(world) {
        world.serving.stop().await;
        world.store.stop().await;
    }
    ensure!(rotations > 0 && queries > 0, "nothing was measured");
    Ok(failed + alive)
}

/// One worker: one object, again and again.
async fn work(world: Arc<World>, counts: Arc<Counts>) {
    while !counts.stop.load(Ordering::SeqCst) {
        let outcome = world.get_object().await;
        counts.queries.fetch_add(1, Ordering::SeqCst);
        if let Err(reason) = outcome {
            counts.failed.fetch_add(1, Ordering::SeqCst);
            let mut first = counts.first_failures.lock().unwrap();
            if first.len() < 3 {
                first.push(reason);
            }
        }
    }
}

impl World {
    async fn start(source: Source, key: &Key) -> anyhow::Result<World> {
        telemetry::start_metrics();
        let folder = tempfile::tempdir()?;
        let (data, root) = (folder.path().join("data"), folder.path().join("s3"));
        std::fs::create_dir_all(&data)?;
        let store = EmbeddedStore::start(Options {
            root,
            listen: "127.0.0.1:0".parse()?,
            access_key_id: key.id.clone(),
            secret_access_key: SecretString::from(key.secret.clone()),
            region: "us-east-1".to_owned(),
        })
        .await?;
        store.create_bucket("bench").await?;
        let stub = Stub::start().await?;
        let (config, token) = ours::settings(&data)?;
        let serving = http::start(config).await?;
        let url = format!("http://{}", serving.address);
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        let token = token.expose_secret().to_owned();
        let world = World { serving, store, stub, client, url, token, source, _folder: folder };
        world.prepare(key).await?;
        Ok(world)
    }

    async fn prepare(&self, key: &Key) -> anyhow::Result<()> {
        let source = match self.source {
            Source::Stub => ours::source(&self.stub.url, 300_000),
            Source::Vault => json!({"name": "vault", "kind": "local"}),
        };
        self.send("POST", "/v1/sources", &source, 201).await?;
        self.change_secret(key).await?;
        self.resource("main", "{{ secrets.s3.id }}", "{{ secrets.s3.secret }}").await?;
        let put = self.client.put(format!("{}{OBJECT}", self.url)).bearer_auth(&self.token).body("hello");
        let status = put.send().await?.status();
        ensure!(status.is_success(), "the object cannot be written: {status}");
        Ok(())
    }

    /// Rotates until the time is over; gives the rotations, and how often an old key still worked.
    async fn rotate_for(&self, style: Style, time: Duration, mut current: Key) -> anyhow::Result<(u64, u64)> {
        let (began, mut rotations, mut alive) = (Instant::now(), 0, 0);
        while began.elapsed() < time {
            sleep(PACE).await;
            rotations += 1;
            let next = key(rotations);
            if style == Style::TwoUsers {
                self.store.add_keys(&next.id, SecretString::from(next.secret.clone()));
            }
            self.change_secret(&next).await?;
            self.store.set_keys(&next.id, SecretString::from(next.secret.clone()));
            alive += u64::from(self.is_taken(&current, rotations).await?);
            current = next;
        }
        Ok((rotations, alive))
    }

    async fn change_secret(&self, key: &Key) -> anyhow::Result<()> {
        match self.source {
            Source::Stub => self.stub.set_keys(&key.id, &key.secret),
            Source::Vault => {
                let value = json!({"value": {"id": key.id, "secret": key.secret}});
                self.send("PUT", "/v1/sources/vault/secrets/s3", &value, 200).await?;
            }
        }
        Ok(())
    }

    /// Whether the store still takes a key, asked through a resource that holds it literally.
    async fn is_taken(&self, key: &Key, number: u64) -> anyhow::Result<bool> {
        let name = format!("old-{number}");
        self.resource(&name, &key.id, &key.secret).await?;
        let query = self
            .client
            .post(format!("{}/v1/resources/{name}/query", self.url))
            .bearer_auth(&self.token)
            .json(&json!({"operation": "list"}));
        let status = query.send().await?.status().as_u16();
        ensure!(status == 200 || status == 424, "the old key was answered with {status}");
        Ok(status == 200)
    }

    async fn get_object(&self) -> Result<(), String> {
        let get = self.client.get(format!("{}{OBJECT}", self.url)).bearer_auth(&self.token);
        let response = get.send().await.map_err(|error| error.to_string())?;
        let status = response.status();
        let text = response.text().await.map_err(|error| error.to_string())?;
        if status.as_u16() == 200 && text == "hello" { Ok(()) } else { Err(format!("{status} {text}")) }
    }

    async fn resource(&self, name: &str, id: &str, secret: &str) -> anyhow::Result<()> {
        let body = json!({
            "name": name, "bucket": "bench", "region": "us-east-1", "addressing": "path",
            "endpoint": format!("http://{}", self.store.address),
            "auth": {"kind": "access_key", "access_key_id": id, "secret_access_key": secret},
        });
        self.send("POST", "/v1/resources", &body, 201).await
    }

    async fn send(&self, method: &str, path: &str, body: &Value, expected: u16) -> anyhow::Result<()> {
        let request = self
            .client
            .request(method.parse()?, format!("{}{path}", self.url))
            .bearer_auth(&self.token)
            .json(body);
        let response = request.send().await?;
        let status = response.status().as_u16();
        ensure!(status == expected, "{method} {path}: {status} {}", response.text().await?);
        Ok(())
    }
}

/// A key pair that nobody had before.
fn key(number: u64) -> Key {
    Key { id: format!("AKIASOAK{number:012}"), secret: format!("soak-secret-access-key-{number:017}") }
}
