//! `config`: the settings that are in force, or the documented defaults. Secrets are never among them.

use clap::Args;
use serde_json::{Value, json};
use url::Url;

use crate::cli::exit::Exit;
use crate::cli::output::{Format, Output};
use crate::cli::serve::Layers;
use crate::config::{
    Audit, Cache, Config, DEFAULTS, DefaultChain, Egress, Events, Log, Outbound, Recheck, Seal, Server,
    Store, UsagePolicy,
};

/// Flags of `config`.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// The defaults with their explanations, as the start of a file of your own
    #[arg(long, conflicts_with_all = ["config", "listen", "data"])]
    defaults: bool,
    #[command(flatten)]
    layers: Layers,
}

impl Settings {
    pub(crate) fn run(&self, out: &Output) -> anyhow::Result<Exit> {
        if self.defaults {
            if out.format() == Format::Table {
                out.line(DEFAULTS.trim_end())?;
            } else {
                out.json(&toml::from_str::<Value>(DEFAULTS)?)?;
            }
            return Ok(Exit::Ok);
        }
        let config = self.layers.load()?;
        if out.format() == Format::Table {
            out.line(toml::to_string_pretty(&shown(&config))?.trim_end())?;
        } else {
            out.json(&shown(&config))?;
        }
        for (name, value) in [
            ("S3_CONNECTOR_SEALING_KEY", &config.seal.key),
            ("S3_CONNECTOR_BOOTSTRAP_TOKEN", &config.bootstrap_token),
            ("S3_CONNECTOR_EVENTS_SECRET", &config.events.secret),
            ("S3_CONNECTOR_WEBHOOK_SECRET", &config.recheck.webhook_secret),
        ] {
            if value.is_some() {
                out.say(format!("{name} is set"));
            }
        }
        Ok(Exit::Ok)
    }
}

/// The settings as they would stand in a file. Every field is named, so that a new one cannot be forgotten and
/// a secret one cannot slip in.
fn shown(config: &Config) -> Value {
    let Config {
        server,
        store,
        seal,
        egress,
        outbound,
        cache,
        default_chain,
        usage_policy,
        audit,
        recheck,
        events,
        log,
        bootstrap_token: _,
    } = config;
    let Server {
        listen,
        header_timeout_ms,
        body_idle_timeout_ms,
        shutdown_grace_ms,
        max_json_bytes,
        max_queries,
        max_queries_per_token,
        copy_parts_above,
    } = server;
    let Store { data, url, max_connections, poll_ms, min_free_bytes } = store;
    let Seal { key_file, key: _, new_key: _, kms_key_arn, kms_endpoint } = seal;
    let Egress { allow, ports, addresses } = egress;
    let routes = outbound.iter().map(|(name, route)| {
        let Outbound { proxy, hosts, addresses } = route;
        (name.clone(), json!({"proxy": without_password(proxy), "hosts": hosts, "addresses": addresses}))
    });
    let Cache { max_bytes, max_entries, snapshot, snapshot_interval_ms } = cache;
    let DefaultChain { projects, direct } = default_chain;
    let UsagePolicy { default } = usage_policy;
    let Audit { flush_ms } = audit;
    let Recheck { min_interval_ms, max_running, metric_per_resource, webhook_secret: _ } = recheck;
    let Events { queue_url, region, endpoint, wait_seconds, secret: _ } = events;
    let Log { format, filter } = log;
    json!({
        "server": {
            "listen": listen.to_string(),
            "header_timeout_ms": header_timeout_ms,
            "body_idle_timeout_ms": body_idle_timeout_ms,
            "shutdown_grace_ms": shutdown_grace_ms,
            "max_json_bytes": max_json_bytes,
            "max_queries": max_queries,
            "max_queries_per_token": max_queries_per_token,
            "copy_parts_above": copy_parts_above,
        },
        "store": {"data": data.display().to_string(), "url": without_password(url), "max_connections": max_connections, "poll_ms": poll_ms, "min_free_bytes": min_free_bytes},
        "seal": {"key_file": key_file, "kms_key_arn": kms_key_arn, "kms_endpoint": kms_endpoint},
        "egress": {"allow": allow, "ports": ports, "addresses": addresses},
        "outbound": Value::Object(routes.collect()),
        "cache": {
            "max_bytes": max_bytes,
            "max_entries": max_entries,
            "snapshot": snapshot,
            "snapshot_interval_ms": snapshot_interval_ms,
        },
        "default_chain": {"projects": projects, "direct": direct},
        "usage_policy": {"default": default},
        "audit": {"flush_ms": flush_ms},
        "recheck": {
            "min_interval_ms": min_interval_ms,
            "max_running": max_running,
            "metric_per_resource": metric_per_resource,
        },
        "events": {"queue_url": queue_url, "region": region, "endpoint": endpoint, "wait_seconds": wait_seconds},
        "log": {"format": format, "filter": filter},
    })
}

/// A database's URL without its password, wherever it stands in it.
pub(crate) fn without_password(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else {
        return if url.is_empty() { String::new() } else { "…".to_owned() };
    };
    if parsed.password().is_some() && parsed.set_password(Some("***")).is_err() {
        return "…".to_owned();
    }
    let secret = |name: &str| name.to_ascii_lowercase().contains("password");
    if parsed.query_pairs().any(|(name, _)| secret(&name)) {
        let pairs: Vec<(String, String)> =
            parsed.query_pairs().into_owned().filter(|(name, _)| !secret(name)).collect();
        parsed.query_pairs_mut().clear().extend_pairs(pairs);
    }
    parsed.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{shown, without_password};
    use crate::config::{Config, DEFAULTS, Overrides};

    #[test]
    fn what_is_shown_is_a_whole_file_of_settings() {
        let config = Config::load(None, Overrides::default()).unwrap();
        assert_eq!(shown(&config), toml::from_str::<Value>(DEFAULTS).unwrap());
    }

    #[test]
    fn passwords_of_databases_are_not_shown() {
        assert_eq!(without_password("postgres://ann:hunter2@db/s3"), "postgres://ann:***@db/s3");
        assert!(!without_password("postgres://db/s3?user=ann&password=hunter2").contains("hunter2"));
        assert!(!without_password("host=db password=hunter2").contains("hunter2"));
        assert_eq!(without_password(""), "");
    }
}
