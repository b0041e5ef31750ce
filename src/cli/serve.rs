//! `serve` and `dev`: the service itself.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::exit::{Exit, usage};
use crate::cli::output::{self, Format, Output};
use crate::config::{Config, Overrides};
use crate::dev;
use crate::http;

/// Where settings come from.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Layers {
    /// Settings in TOML; environment variables like `S3_CONNECTOR__SERVER__LISTEN` go before it
    #[arg(long, env = "S3_CONNECTOR_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Address and port to listen on; goes before everything else
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Folder of what the service keeps; goes before everything else
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
}

/// Flags of `dev`.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Walk through the main job once and stop
    #[arg(long)]
    once: bool,
    /// Folder of what is kept [default: `s3-connector-dev`; with --once one that goes at the end]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Address and port to listen on [default: 127.0.0.1:8080; with --once any free port]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Write the embedded store's keys to this file for other S3 tools, as lines for a shell; its owner alone can read it
    #[arg(long, value_name = "FILE", conflicts_with = "once")]
    env_file: Option<PathBuf>,
}

impl Layers {
    /// All settings; what cannot be read is a misuse.
    pub(crate) fn load(&self) -> anyhow::Result<Config> {
        let overrides = Overrides { listen: self.listen, data: self.data.clone() };
        Config::load(self.config.as_deref(), overrides)
            .map_err(|error| usage(format!("the settings cannot be used: {error:#}")))
    }
}

/// Runs the service until a signal ends it.
pub(crate) async fn serve(layers: &Layers, out: &Output) -> anyhow::Result<Exit> {
    let mut shown = Ok(());
    http::serve(layers.load()?, |serving, token| shown = announce(out, serving.address, token)).await?;
    shown?;
    Ok(Exit::Ok)
}

/// Shows the first admin token, which is made once and never shown again.
fn announce(out: &Output, address: SocketAddr, token: Option<&str>) -> anyhow::Result<()> {
    let Some(token) = token else { return Ok(()) };
    match out.format() {
        Format::Table => out.line(format!("admin token (shown once): {token}")),
        Format::Json | Format::Ndjson => out.json(&json!({"address": address.to_string(), "token": token})),
    }
}

impl Dev {
    pub(crate) async fn run(self, out: &Output) -> anyhow::Result<Exit> {
        let Dev { once, data, listen, env_file } = self;
        let options = dev::Options { once, data, listen, env_file };
        // a reader that has seen enough does not end the service
        dev::run(options, |line| drop(out.line(output::plain(line)))).await?;
        Ok(Exit::Ok)
    }
}
