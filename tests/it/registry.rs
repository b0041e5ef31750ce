//! The registry: resources and sources as their users define them, on both databases.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test code outside of test functions"
)]

mod changes;
mod durability;
mod literals;
mod naming;
mod references;
mod resources;
mod scopes;
mod sealing;
mod sources;
mod usage;
mod usage_policies;
mod vault;
mod vault_bounds;
mod vault_versions;

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::time::{self, Instant, MissedTickBehavior};

use crate::support::{Client, DATABASES, LONG, Service, Setup};

/// One service on each database.
async fn services() -> Vec<Service> {
    let mut services = Vec::new();
    for database in DATABASES {
        services.push(Setup::new().on(database).start().await);
    }
    services
}

/// The same, with replicas that look for changes often: what is tested is that they do, not how long it takes.
async fn replicated() -> Vec<Service> {
    let mut services = Vec::new();
    for database in DATABASES {
        let setup = Setup::new().on(database).with("S3_CONNECTOR__STORE__POLL_MS", "50");
        services.push(setup.start().await);
    }
    services
}

/// A definition that needs no keys.
fn open(name: &str) -> Value {
    json!({"name": name, "bucket": "acme", "region": "eu-central-1", "auth": {"kind": "anonymous"}})
}

/// A definition whose keys are these texts.
fn keyed(name: &str, id: &str, secret: &str) -> Value {
    let mut body = open(name);
    body["auth"] = json!({"kind": "access_key", "access_key_id": id, "secret_access_key": secret});
    body
}

async fn send(client: &Client, method: Method, path: &str, etag: Option<&str>, body: &Value) -> Response {
    let mut request = client.request(method, path).json(body);
    if let Some(etag) = etag {
        request = request.header("if-match", etag);
    }
    request.send().await.unwrap()
}

fn etag(response: &Response) -> String {
    response.headers()["etag"].to_str().unwrap().to_owned()
}

/// The names of the resources that a client sees.
async fn names(client: &Client) -> Vec<String> {
    let (status, body) = client.get("/v1/resources?limit=1000").await;
    assert_eq!(status, 200, "{body}");
    let resources = body["resources"].as_array().unwrap();
    resources.iter().map(|resource| resource["name"].as_str().unwrap().to_owned()).collect()
}

/// The one finding of a refusal.
#[track_caller]
fn refusal((status, body): (u16, Value), code: &str, path: &str) -> Value {
    assert_eq!(status, 422, "{body:#}");
    let found = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|error| error["code"] == code && error["path"] == path);
    found.unwrap_or_else(|| panic!("no {code} at {path}: {body:#}")).clone()
}

/// Asks until the answer is as wanted; fails with the last one.
pub(crate) async fn eventually(client: &Client, path: &str, wanted: impl Fn(u16, &Value) -> bool) -> Value {
    let deadline = Instant::now() + LONG;
    let mut tick = time::interval(Duration::from_millis(25));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let (status, body) = client.get(path).await;
        if wanted(status, &body) {
            return body;
        }
        assert!(Instant::now() < deadline, "{path} still answers {status}: {body:#}");
    }
}
