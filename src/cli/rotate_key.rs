//! `rotate-key`: other keys for what is sealed, beside the running service.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::app::{self, NewMaster};
use crate::cli::exit::{Exit, usage};
use crate::cli::output::{Format, Output};
use crate::cli::serve::Layers;
use crate::clock::Clock;

/// Flags of `rotate-key`.
#[derive(Debug, Args)]
pub(crate) struct RotateKey {
    /// Seal the data key with the master key of this file instead; it is made when it is not there
    #[arg(long, value_name = "FILE", group = "master")]
    master_file: Option<PathBuf>,
    /// Seal the data key with the master key in `S3_CONNECTOR_NEW_SEALING_KEY` instead
    #[arg(long, group = "master")]
    master_env: bool,
    /// Seal the data key with this key of AWS KMS instead: the ARN of a key or an alias
    #[arg(long, value_name = "ARN", group = "master")]
    master_kms: Option<String>,
    #[command(flatten)]
    layers: Layers,
}

impl RotateKey {
    pub(crate) async fn run(self, out: &Output) -> anyhow::Result<Exit> {
        let config = self.layers.load()?;
        let now_ms = Clock::system().now_ms();
        let (new, next) = match (self.master_file, self.master_kms) {
            (Some(file), _) => {
                let next = format!("set `seal.key_file` to `{}`", file.display());
                (NewMaster::File(file), next)
            }
            (_, Some(arn)) => {
                let next = format!("set `seal.kms_key_arn` to `{arn}`");
                (NewMaster::Kms(arn), next)
            }
            _ if self.master_env => {
                let key = config.seal.new_key.clone().ok_or_else(|| {
                    usage(
                        "S3_CONNECTOR_NEW_SEALING_KEY is not set: make a key with `openssl rand -base64 32`",
                    )
                })?;
                (NewMaster::Text(key), "put the new key into S3_CONNECTOR_SEALING_KEY".to_owned())
            }
            _ => {
                let done = app::rotate_data_key(&config, now_ms).await?;
                let shown = json!({
                    "sources": done.sources, "vault_secrets": done.vault_secrets,
                    "vault_versions": done.vault_versions, "resources": done.resources, "history": done.history,
                });
                match out.format() {
                    Format::Table => out.line(format!(
                        "sealed again: {} sources, {} vault secrets with {} earlier values, {} resources, {} earlier versions",
                        done.sources, done.vault_secrets, done.vault_versions, done.resources, done.history
                    ))?,
                    Format::Json | Format::Ndjson => out.json(&shown)?,
                }
                return Ok(Exit::Ok);
            }
        };
        app::change_master_key(&config, &new, now_ms).await?;
        match out.format() {
            Format::Table => out.line("the data key is sealed by the new master key")?,
            Format::Json | Format::Ndjson => out.json(&json!({"master_key_changed": true}))?,
        }
        out.say(format!("now {next} and restart every replica; the old master key opens nothing any more"));
        Ok(Exit::Ok)
    }
}
