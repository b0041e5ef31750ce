//! A service whose secrets live in moto, behind proxies that count and break, and whose objects live in an embedded store.

#![allow(dead_code, reason = "support offers more than the tests of one moment use")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::aws::{SecretVersion, Secrets, unique};
use crate::harness::fault_proxy::FaultProxy;
use crate::harness::http_fault::HttpFault;
use crate::harness::servers::{AccessKey, Servers};
use crate::support::{Client, Embedded, LONG, Service, Setup, expect, moto_source, templated};

/// The templates that read a secret `s3` made by [`World::keys`].
pub(crate) const ID: &str = "{{ secrets.s3.id }}";
pub(crate) const SECRET: &str = "{{ secrets.s3.secret }}";

/// The source `moto` is asked through `wire`, which breaks connections, and then `front`, which counts and answers.
pub(crate) struct World {
    pub(crate) service: Service,
    pub(crate) embedded: Embedded,
    pub(crate) wire: FaultProxy,
    pub(crate) front: HttpFault,
    pub(crate) secrets: Secrets,
    pub(crate) namespace: String,
}

impl World {
    pub(crate) async fn start() -> World {
        World::with(json!({})).await
    }

    /// These fields of the source replace the usual ones.
    pub(crate) async fn with(fields: Value) -> World {
        let servers = Servers::get();
        let front = HttpFault::start(&servers.moto).await;
        let wire = FaultProxy::start(&front.url()).await;
        let namespace = unique("world");
        let world = World {
            service: Setup::new().start().await,
            embedded: Embedded::start().await,
            secrets: Secrets::on_moto(&servers),
            wire,
            front,
            namespace,
        };
        let mut source = moto_source("moto", &world.wire.url(), &world.namespace);
        for (name, value) in fields.as_object().unwrap() {
            source[name] = value.clone();
        }
        expect(world.admin().post("/v1/sources", &source).await, 201);
        world
    }

    /// A world in which every query asks the source, with a resource `main` that has been queried once.
    pub(crate) async fn warm() -> World {
        let world = World::with(json!({"cache_ttl_ms": 1, "max_stale_ms": 3_600_000})).await;
        world.main().await;
        expect(world.list("main").await, 200);
        world
    }

    pub(crate) fn admin(&self) -> &Client {
        &self.service.admin
    }

    /// The secret's name at AWS.
    pub(crate) fn full(&self, name: &str) -> String {
        format!("{}/{name}", self.namespace)
    }

    /// A secret with the key pair of the embedded store.
    pub(crate) async fn keys(&self, name: &str) -> SecretVersion {
        self.secrets.create_json(&self.full(name), &pair(&self.embedded.key)).await
    }

    /// A resource on the embedded store.
    pub(crate) async fn resource(&self, name: &str, id: &str, secret: &str) {
        let body = templated(name, &self.embedded.url, &self.embedded.bucket, id, secret);
        expect(self.admin().post("/v1/resources", &body).await, 201);
    }

    /// The secret `s3` and the resource `main` that reads it.
    pub(crate) async fn main(&self) -> SecretVersion {
        let version = self.keys("s3").await;
        self.resource("main", ID, SECRET).await;
        version
    }

    pub(crate) async fn list(&self, resource: &str) -> (u16, Value) {
        self.admin().query(resource, &json!({"operation": "list"})).await
    }

    /// Lists and gives the status and the header `Secret-Stale`.
    pub(crate) async fn list_stale(&self, resource: &str) -> (u16, Option<String>) {
        let path = format!("/v1/resources/{resource}/query");
        let request = self.admin().request(Method::POST, &path).json(&json!({"operation": "list"}));
        let response = request.send().await.unwrap();
        let stale = response.headers().get("secret-stale").map(|age| age.to_str().unwrap().to_owned());
        (response.status().as_u16(), stale)
    }

    /// How often Secrets Manager was asked for a value.
    pub(crate) fn fetches(&self) -> usize {
        self.front.count("GetSecretValue")
    }

    /// The names and ARNs whose values were asked for.
    pub(crate) fn fetched(&self) -> Vec<String> {
        let requests = self.front.requests().into_iter();
        let gets = requests.filter(|request| request.action.as_deref() == Some("GetSecretValue"));
        gets.map(|request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            body["SecretId"].as_str().unwrap().to_owned()
        })
        .collect()
    }

    /// Gives the secret and the embedded store another key pair, the secret first.
    pub(crate) async fn rotate(&self, names: &[&str]) -> AccessKey {
        let key = new_key();
        for name in names {
            self.secrets.put(&self.full(name), &pair(&key).to_string()).await;
        }
        self.embedded.store.set_keys(&key.id, key.secret.clone().into());
        key
    }
}

/// A key pair that nobody has yet.
pub(crate) fn new_key() -> AccessKey {
    AccessKey::new(unique("AKIA").to_uppercase().replace('-', ""), unique("secret"))
}

/// As a secret.
pub(crate) fn pair(key: &AccessKey) -> Value {
    json!({"id": key.id, "secret": key.secret})
}

/// The check of that name in a report.
pub(crate) fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let found = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no check `{name}` in {report:#}"))
}

/// Tries until it is so.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < LONG, "{what}: not after {LONG:?}");
        tokio::task::yield_now().await;
    }
}
