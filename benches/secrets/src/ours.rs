//! The product in this process: its use cases on a folder of their own, with a source at the stub.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use s3_connector::app::connection::Connection;
use s3_connector::app::{App, Error, Presented, Resource, new_token};
use s3_connector::clock::Clock;
use s3_connector::config::{Config, Overrides};
use s3_connector::model::name::Name;
use s3_connector::model::principal::Caller;
use s3_connector::telemetry;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tempfile::TempDir;

pub struct Ours {
    pub app: Arc<App>,
    caller: Caller,
    environment: Name,
    stub: String,
    _folder: TempDir,
}

/// Settings for a folder, with a first token and loopback allowed.
pub fn settings(folder: &Path) -> anyhow::Result<(Config, SecretString)> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut config =
        Config::load(None, Overrides { listen: Some(listen), data: Some(folder.to_owned()) })?;
    config.egress.allow = vec!["127.0.0.1".to_owned()];
    config.egress.ports = Vec::new();
    let token = new_token();
    config.bootstrap_token = Some(token.clone());
    Ok((config, token))
}

/// A source of kind `aws` at a stub.
pub fn source(stub: &str, ttl_ms: u64) -> Value {
    json!({
        "name": "aws", "kind": "aws", "region": "us-east-1", "endpoint": stub, "cache_ttl_ms": ttl_ms,
        "auth": {"kind": "access_key", "access_key_id": "AKIABENCH00000000000", "secret_access_key": "bench-source-key"},
    })
}

impl Ours {
    pub async fn start(stub: &str, ttl_ms: u64) -> anyhow::Result<Ours> {
        telemetry::start_metrics();
        let folder = tempfile::tempdir()?;
        let (config, token) = settings(folder.path())?;
        let app = App::start(config, Clock::system()).await?.app;
        let presented = Presented {
            token: token.expose_secret(),
            project: None,
            from: IpAddr::V4(Ipv4Addr::LOCALHOST),
            request_id: "bench",
        };
        let caller = app.authenticate(presented).map_err(said)?;
        app.create_source(&caller, source(stub, ttl_ms), false).await.map_err(said)?;
        let environment = Name::parse("production")?;
        Ok(Ours { app, caller, environment, stub: stub.to_owned(), _folder: folder })
    }

    /// A resource with three references into one secret.
    pub async fn resource(&self, name: &str, secret: &str) -> anyhow::Result<Arc<Resource>> {
        let reference = |key: &str| format!("{{{{ secrets['{secret}'].{key} }}}}");
        let body = json!({
            "name": name, "bucket": "bench", "region": "us-east-1", "endpoint": self.stub, "addressing": "path",
            "auth": {
                "kind": "access_key", "access_key_id": reference("id"),
                "secret_access_key": reference("secret"), "session_token": reference("token"),
            },
        });
        self.app.create_resource(&self.caller, body, false).await.map_err(said)?;
        self.app.known_resource(&self.caller, name).map_err(said)
    }

    /// What a query does before it calls the store: resolve, render, and open a client.
    pub async fn connect(&self, resource: &Arc<Resource>) -> Result<Arc<Connection>, Error> {
        self.app.connect(resource, &self.environment).await
    }
}

fn said(error: Error) -> anyhow::Error {
    anyhow!("{error}")
}
