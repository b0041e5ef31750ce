//! Configuration: defaults < file < `S3_CONNECTOR__SECTION__KEY` in the environment < flags.
//!
//! This module alone reads the environment and files for settings. Adapters are handed their own section.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// The defaults, which are also their documentation.
pub const DEFAULTS: &str = include_str!("config.default.toml");

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The REST interface.
    pub server: Server,
    /// The database.
    pub store: Store,
    /// Sealing of secrets at rest.
    pub seal: Seal,
    /// What may be reached.
    pub egress: Egress,
    /// Proxies to other regions and networks, by the name of their route.
    #[serde(default)]
    pub outbound: BTreeMap<String, Outbound>,
    /// The secret cache.
    pub cache: Cache,
    /// Who may use the service's own identity.
    pub default_chain: DefaultChain,
    /// Secrets that no usage policy names.
    pub usage_policy: UsagePolicy,
    /// The audit.
    pub audit: Audit,
    /// Tests of resources on a schedule.
    pub recheck: Recheck,
    /// Events that tell of changed secrets.
    pub events: Events,
    /// Logs.
    pub log: Log,
    /// The first admin token; made and printed when absent.
    #[serde(skip)]
    pub bootstrap_token: Option<SecretString>,
}

/// The REST interface.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address and port.
    pub listen: SocketAddr,
    /// Milliseconds for a request's head.
    pub header_timeout_ms: u64,
    /// Milliseconds without a byte of a body.
    pub body_idle_timeout_ms: u64,
    /// Milliseconds for streams to finish.
    pub shutdown_grace_ms: u64,
    /// Bytes of a JSON body.
    pub max_json_bytes: usize,
    /// Queries that run at once.
    pub max_queries: usize,
    /// Queries of one token that run at once.
    pub max_queries_per_token: usize,
    /// Bytes above which a copy inside a store goes in parts.
    pub copy_parts_above: u64,
}

/// The database.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Folder for what the service keeps.
    pub data: PathBuf,
    /// The database's URL; empty is SQLite in `data`.
    pub url: String,
    /// Database connections.
    pub max_connections: u32,
    /// Milliseconds between looks for changes by other replicas.
    pub poll_ms: u64,
    /// Bytes of free disk below which `doctor` warns.
    pub min_free_bytes: u64,
}

/// Sealing of secrets at rest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// File with the master key; empty is `sealing.key` in the data folder.
    pub key_file: String,
    /// The master key from the environment.
    #[serde(skip)]
    pub key: Option<SecretString>,
    /// The master key that `rotate-key` changes to, from the environment.
    #[serde(skip)]
    pub new_key: Option<SecretString>,
    /// The key of AWS KMS that seals the master key; empty for a file or the environment.
    pub kms_key_arn: String,
    /// Another endpoint of AWS KMS; empty for the region's own.
    pub kms_endpoint: String,
}

/// What may be reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    /// Hosts and networks that are allowed although they are private.
    #[serde(deserialize_with = "texts")]
    pub allow: Vec<String>,
    /// Ports; empty allows all.
    #[serde(deserialize_with = "ports")]
    pub ports: Vec<u16>,
    /// The addresses that others see.
    #[serde(deserialize_with = "texts")]
    pub addresses: Vec<String>,
}

/// A list of texts. One text is a list with commas, which is how the environment gives it; empty items are none.
fn texts<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "an item is a text or a number")]
    enum Item {
        Number(i64),
        Text(String),
    }
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "give a list, or one text with commas between the items")]
    enum Given {
        Many(Vec<Item>),
        One(Item),
    }
    let text = |item: Item| match item {
        Item::Number(number) => number.to_string(),
        Item::Text(text) => text,
    };
    let items: Vec<String> = match Given::deserialize(input)? {
        Given::Many(items) => items.into_iter().map(text).collect(),
        Given::One(item) => text(item).split(',').map(str::to_owned).collect(),
    };
    Ok(items.iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect())
}

/// Like [`texts`], for numbers of ports.
fn ports<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Vec<u16>, D::Error> {
    let wrong = |text: &str| serde::de::Error::custom(format!("`{text}` is not a port"));
    texts(input)?.iter().map(|text| text.parse().map_err(|_| wrong(text))).collect()
}

/// A proxy, and what may be asked for through it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outbound {
    /// Its URL.
    pub proxy: String,
    /// Hosts; `*.example.com` stands for all below.
    #[serde(deserialize_with = "texts")]
    pub hosts: Vec<String>,
    /// The addresses that others see.
    #[serde(default, deserialize_with = "texts")]
    pub addresses: Vec<String>,
}

/// The secret cache.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// Bytes.
    pub max_bytes: usize,
    /// Secrets.
    pub max_entries: usize,
    /// Keep the last good values, sealed, for a restart while their source is out of reach.
    pub snapshot: bool,
    /// Milliseconds.
    pub snapshot_interval_ms: u64,
}

/// Who may use the service's own identity.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultChain {
    /// Names of projects.
    #[serde(deserialize_with = "texts")]
    pub projects: Vec<String>,
    /// Without a role and external id.
    pub direct: bool,
}

/// Secrets that no usage policy names.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsagePolicy {
    /// What they may be used for.
    pub default: UsageDefault,
}

/// What a secret that no usage policy names may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageDefault {
    /// Everything.
    Allow,
    /// Nothing.
    Deny,
}

/// The audit.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Milliseconds.
    pub flush_ms: u64,
}

/// Tests of resources on a schedule.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recheck {
    /// Milliseconds between two re-checks of a resource, at the least.
    pub min_interval_ms: u64,
    /// Re-checks that run at once; 0 runs none here.
    pub max_running: usize,
    /// Whether `/metrics`, which needs no token, shows the verdict of each resource by name.
    pub metric_per_resource: bool,
    /// What messages to webhooks are signed with, from the environment; without it they are not signed.
    #[serde(skip)]
    pub webhook_secret: Option<SecretString>,
}

/// Events that tell of changed secrets.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// The URL of a queue of Amazon SQS that events come through; empty for none.
    pub queue_url: String,
    /// The region of the queue; empty takes it from the URL.
    pub region: String,
    /// Another endpoint of Amazon SQS; empty for the region's own.
    pub endpoint: String,
    /// Seconds that one call waits for messages.
    pub wait_seconds: u32,
    /// What senders of events prove that they know, from the environment; without it no route takes events.
    #[serde(skip)]
    pub secret: Option<SecretString>,
}

/// Logs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// `text` or `json`.
    pub format: String,
    /// A tracing filter.
    pub filter: String,
}

/// What flags may override.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--listen`
    pub listen: Option<SocketAddr>,
    /// `--data`
    pub data: Option<PathBuf>,
}

impl Config {
    /// Reads all layers. An unknown key or a wrong type is an error that names it.
    pub fn load(file: Option<&Path>, overrides: Overrides) -> anyhow::Result<Config> {
        let mut config = read(file, environment())?;
        if let Some(listen) = overrides.listen {
            config.server.listen = listen;
        }
        if let Some(data) = overrides.data {
            config.store.data = data;
        }
        config.seal.key = secret_variable("S3_CONNECTOR_SEALING_KEY");
        config.seal.new_key = secret_variable("S3_CONNECTOR_NEW_SEALING_KEY");
        config.bootstrap_token = secret_variable("S3_CONNECTOR_BOOTSTRAP_TOKEN");
        config.events.secret = secret_variable("S3_CONNECTOR_EVENTS_SECRET");
        config.recheck.webhook_secret = secret_variable("S3_CONNECTOR_WEBHOOK_SECRET");
        Ok(config)
    }
}

/// The variables. They stay texts: each setting knows what it makes of one, so that a project may be called `7`.
fn environment() -> config::Environment {
    config::Environment::with_prefix("S3_CONNECTOR").prefix_separator("__").separator("__")
}

fn read(file: Option<&Path>, environment: config::Environment) -> anyhow::Result<Config> {
    let mut builder =
        config::Config::builder().add_source(config::File::from_str(DEFAULTS, config::FileFormat::Toml));
    if let Some(file) = file {
        builder = builder.add_source(config::File::from(file));
    }
    Ok(builder.add_source(environment).build()?.try_deserialize()?)
}

/// A secret that stands in a variable of the environment.
pub fn secret_variable(name: &str) -> Option<SecretString> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).map(SecretString::from)
}

impl Seal {
    /// The endpoint of AWS KMS, when it is another than the region's own.
    pub fn kms_endpoint(&self) -> Option<&str> {
        Some(self.kms_endpoint.as_str()).filter(|endpoint| !endpoint.is_empty())
    }
}

impl Events {
    /// The endpoint of Amazon SQS, when it is another than the region's own.
    pub fn endpoint(&self) -> Option<&str> {
        Some(self.endpoint.as_str()).filter(|endpoint| !endpoint.is_empty())
    }
}

impl Store {
    /// The URL to open.
    pub fn database_url(&self) -> String {
        if self.url.is_empty() {
            return format!("sqlite://{}?mode=rwc", self.data.join("s3-connector.db").display());
        }
        self.url.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, Overrides, UsageDefault, environment, read};

    fn with(variables: &[(&str, &str)]) -> anyhow::Result<Config> {
        let named = |(name, value): &(&str, &str)| (format!("S3_CONNECTOR__{name}"), (*value).to_owned());
        read(None, environment().source(Some(variables.iter().map(named).collect())))
    }

    #[test]
    fn the_defaults_are_complete() {
        let config = Config::load(None, Overrides::default()).unwrap();
        assert_eq!(config.server.listen.port(), 8080);
        assert!(config.egress.allow.is_empty());
    }

    #[test]
    fn one_item_from_the_environment_is_a_list_of_one() {
        let config = with(&[
            ("EGRESS__PORTS", "443"),
            ("EGRESS__ALLOW", "10"),
            ("DEFAULT_CHAIN__PROJECTS", "007"),
            ("SERVER__MAX_QUERIES", "12"),
            ("DEFAULT_CHAIN__DIRECT", "true"),
        ])
        .unwrap();
        assert_eq!(config.egress.ports, [443]);
        assert_eq!(config.egress.allow, ["10"]);
        assert_eq!(config.default_chain.projects, ["007"]);
        assert_eq!(config.server.max_queries, 12);
        assert!(config.default_chain.direct);
    }

    #[test]
    fn what_no_usage_policy_names_is_allowed_unless_a_variable_says_otherwise() {
        assert_eq!(with(&[]).unwrap().usage_policy.default, UsageDefault::Allow);
        let denied = with(&[("USAGE_POLICY__DEFAULT", "deny")]).unwrap();
        assert_eq!(denied.usage_policy.default, UsageDefault::Deny);
        assert!(with(&[("USAGE_POLICY__DEFAULT", "dney")]).is_err());
    }

    #[test]
    fn lists_from_the_environment_have_commas_and_may_be_empty() {
        let config = with(&[("EGRESS__PORTS", ""), ("EGRESS__ALLOW", "10.0.0.0/8, minio:9000,")]).unwrap();
        assert!(config.egress.ports.is_empty());
        assert_eq!(config.egress.allow, ["10.0.0.0/8", "minio:9000"]);
        let error = format!("{:#}", with(&[("EGRESS__PORTS", "443,https")]).unwrap_err());
        assert!(error.contains("`https` is not a port"), "{error}");
    }
}
