//! The service under test: the real binary with a folder and a database of its own, and a client that speaks REST.

#![allow(dead_code, reason = "support offers more than the tests of one moment use")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, Executor};

use crate::harness::aws::{self, unique};
use crate::harness::process::Process;
use crate::harness::servers::{AccessKey, Servers};
use s3_connector::dev::server::{EmbeddedStore, Options};

pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A value that no log line, answer, file or metric may hold.
pub(crate) const PLANTED: &str = "PLANTED-s3cr3t-v4lue-9f27b1c0d5";

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

/// Both, for tests that must hold on both.
pub(crate) const DATABASES: [Database; 2] = [Database::Sqlite, Database::Postgres];

/// What a service is started with.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    database: Database,
    environment: Vec<(String, String)>,
}

impl Setup {
    /// Loopback is allowed, by configuration.
    pub(crate) fn new() -> Setup {
        let setup = Setup { database: Database::Sqlite, environment: Vec::new() };
        setup.with("S3_CONNECTOR__EGRESS__ALLOW", "127.0.0.0/8,::1").with("S3_CONNECTOR__EGRESS__PORTS", "")
    }

    pub(crate) fn on(mut self, database: Database) -> Setup {
        self.database = database;
        self
    }

    /// Another variable, for example `S3_CONNECTOR__CACHE__MAX_ENTRIES`; a later one wins.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Setup {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) async fn start(self) -> Service {
        Service::start(self).await
    }
}

/// A running service.
pub(crate) struct Service {
    pub(crate) url: String,
    pub(crate) admin: Client,
    pub(crate) data: tempfile::TempDir,
    pub(crate) process: Process,
    setup: Setup,
    store_url: String,
    address: SocketAddr,
    token: String,
}

impl Service {
    async fn start(setup: Setup) -> Service {
        let data = tempfile::tempdir().unwrap();
        let store_url = match setup.database {
            Database::Sqlite => String::new(),
            Database::Postgres => new_database().await,
        };
        let token = secrecy::ExposeSecret::expose_secret(&s3_connector::app::new_token()).to_owned();
        let address = free_address();
        let process = launch(&setup, data.path(), &store_url, address, &token);
        let url = format!("http://{address}");
        let admin = Client::new(&url, &token);
        let mut service = Service { url, admin, data, process, setup, store_url, address, token };
        service.wait_until_ready().await;
        service
    }

    async fn wait_until_ready(&mut self) {
        self.process.wait_for_port(self.address, LONG).await;
        let (status, body) = self.admin.get("/readyz").await;
        assert_eq!(status, 200, "{body}");
    }

    /// Ends the process without any warning and starts it again on what it left behind.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.process.kill();
        self.process = launch(&self.setup, self.data.path(), &self.store_url, self.address, &self.token);
        self.wait_until_ready().await;
    }

    /// Ends the process in peace and starts it again.
    pub(crate) async fn restart(&mut self) {
        let status = self.process.terminate(LONG).await;
        assert!(status.success(), "{status}: {}", self.process.output());
        self.process = launch(&self.setup, self.data.path(), &self.store_url, self.address, &self.token);
        self.wait_until_ready().await;
    }

    /// Another variable, from the next start on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.setup = self.setup.clone().with(name, value);
    }

    /// The binary with the service's settings, to run beside it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(&self.setup, self.data.path(), &self.store_url);
        command.args(arguments);
        command
    }

    /// Runs the binary with the service's settings until it ends.
    pub(crate) async fn run(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// A second replica on the same database and folder.
    pub(crate) async fn replica(&self) -> (Process, Client) {
        let address = free_address();
        let mut process = launch(&self.setup, self.data.path(), &self.store_url, address, &self.token);
        process.wait_for_port(address, LONG).await;
        (process, Client::new(&format!("http://{address}"), &self.token))
    }

    /// A client with a new token of that role.
    pub(crate) async fn client(&self, role: &str) -> Client {
        let (status, body) =
            self.admin.post("/v1/tokens", &json!({"name": unique(role), "role": role})).await;
        assert_eq!(status, 201, "{body}");
        Client::new(&self.url, body["token"].as_str().unwrap())
    }

    /// A client with a new token of that role in that project, which is made if it is not there.
    pub(crate) async fn client_in(&self, project: &str, role: &str) -> Client {
        let (status, body) = self.admin.post("/v1/projects", &json!({"name": project})).await;
        assert!([201, 409].contains(&status), "{body}");
        let path = format!("/v1/tokens?project={project}");
        let wanted = json!({"name": unique(role), "role": role});
        let made = expect(self.admin.post(&path, &wanted).await, 201);
        Client::new(&self.url, made["token"].as_str().unwrap())
    }

    /// The first admin's token.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The database's URL; empty for SQLite in the data folder.
    pub(crate) fn store_url(&self) -> &str {
        &self.store_url
    }

    /// A connection to the database, to look at what is really in it.
    pub(crate) async fn database(&self) -> sqlx::AnyConnection {
        sqlx::any::install_default_drivers();
        let url = match self.store_url.as_str() {
            "" => format!("sqlite://{}", self.data.path().join("s3-connector.db").display()),
            url => url.to_owned(),
        };
        sqlx::AnyConnection::connect(&url).await.unwrap()
    }
}

/// The binary under test.
pub(crate) fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_s3-connector"))
}

fn launch(setup: &Setup, data: &Path, store_url: &str, address: SocketAddr, token: &str) -> Process {
    let mut command = command(setup, data, store_url);
    command.arg("serve");
    command
        .env("S3_CONNECTOR__SERVER__LISTEN", address.to_string())
        .env("S3_CONNECTOR_BOOTSTRAP_TOKEN", token);
    Process::start("service", command)
}

/// The binary with the settings of a service.
fn command(setup: &Setup, data: &Path, store_url: &str) -> Command {
    let mut command = Command::new(binary());
    command.env_clear().env("RUST_BACKTRACE", "1");
    for name in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .env("S3_CONNECTOR__STORE__DATA", data)
        .env("S3_CONNECTOR__STORE__URL", store_url)
        .env("S3_CONNECTOR__LOG__FILTER", "debug,hyper=info,h2=info,sqlx=info,aws_smithy_runtime=info")
        .envs(setup.environment.iter().map(|(name, value)| (name, value)));
    command
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn new_database() -> String {
    sqlx::any::install_default_drivers();
    let server = Servers::get().postgres;
    let name = unique("it").replace('-', "_");
    let mut connection = sqlx::AnyConnection::connect(&format!("{server}/postgres")).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    format!("{server}/{name}")
}

/// A caller with one token.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) token: String,
}

impl Client {
    pub(crate) fn new(url: &str, token: &str) -> Client {
        let http = reqwest::Client::builder().no_proxy().timeout(LONG).build().unwrap();
        Client { http, url: url.to_owned(), token: token.to_owned() }
    }

    /// A request with the token; the path goes as it is.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.request(Method::PUT, path).header("if-match", "*").json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.request(Method::PATCH, path).header("if-match", "*").json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        answer(self.request(Method::DELETE, path).header("if-match", "*")).await
    }

    /// The JSON query endpoint.
    pub(crate) async fn query(&self, resource: &str, body: &Value) -> (u16, Value) {
        self.post(&format!("/v1/resources/{resource}/query"), body).await
    }
}

/// Sends, and gives the status and the body: JSON where it is, else text.
pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Asserts a status and gives the body.
#[track_caller]
pub(crate) fn expect((status, body): (u16, Value), wanted: u16) -> Value {
    assert_eq!(status, wanted, "{body:#}");
    body
}

/// An embedded store with one bucket.
pub(crate) struct Embedded {
    pub(crate) store: EmbeddedStore,
    pub(crate) url: String,
    pub(crate) bucket: String,
    pub(crate) key: AccessKey,
    folder: tempfile::TempDir,
}

impl Embedded {
    pub(crate) async fn start() -> Embedded {
        let folder = tempfile::tempdir().unwrap();
        let key = AccessKey::new("AKIAEMBEDDED00000001", "embedded-secret-key-000000000000000000001");
        let store = EmbeddedStore::start(Options {
            root: folder.path().to_owned(),
            listen: "127.0.0.1:0".parse().unwrap(),
            access_key_id: key.id.clone(),
            secret_access_key: key.secret.clone().into(),
            region: "us-east-1".to_owned(),
        })
        .await
        .unwrap();
        store.create_bucket("bucket").await.unwrap();
        let url = format!("http://{}", store.address);
        Embedded { store, url, bucket: "bucket".to_owned(), key, folder }
    }

    /// Files of the store, to prove that nothing was left behind.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn client(&self) -> aws_sdk_s3::Client {
        aws::s3(&self.url, &self.key)
    }
}

/// A definition with literal keys for an endpoint.
pub(crate) fn definition(name: &str, endpoint: &str, bucket: &str, key: &AccessKey) -> Value {
    json!({
        "name": name, "bucket": bucket, "region": "us-east-1", "endpoint": endpoint, "addressing": "path",
        "auth": {"kind": "access_key", "access_key_id": key.id, "secret_access_key": key.secret},
    })
}

/// A definition whose keys are templates.
pub(crate) fn templated(name: &str, endpoint: &str, bucket: &str, id: &str, secret: &str) -> Value {
    json!({
        "name": name, "bucket": bucket, "region": "us-east-1", "endpoint": endpoint, "addressing": "path",
        "auth": {"kind": "access_key", "access_key_id": id, "secret_access_key": secret},
    })
}

/// A source of kind `aws` at moto.
pub(crate) fn moto_source(name: &str, endpoint: &str, namespace: &str) -> Value {
    json!({
        "name": name, "kind": "aws", "region": aws::REGION, "endpoint": endpoint, "namespace": namespace,
        "auth": {"kind": "access_key", "access_key_id": "AKIAMOTO000000000001", "secret_access_key": "moto-secret-key-00000000000000000000001"},
    })
}
