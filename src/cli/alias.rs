//! `source alias`: short names for the secrets of a source.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::client::Call;
use crate::cli::exit::Exit;
use crate::cli::{Session, input};

/// What can be done with aliases.
#[derive(Debug, Subcommand)]
pub(crate) enum AliasCommand {
    /// Lists the aliases of a source
    #[command(after_help = "Example:\n  s3-connector source alias list aws-prod")]
    List {
        /// Name of the source
        source: String,
    },
    /// Gives a secret a short name
    #[command(after_help = "Example:\n  s3-connector source alias set aws-prod s3 payments/s3 --mode json")]
    Set(AliasSet),
    /// Removes a short name; the secret stays
    #[command(after_help = "Example:\n  s3-connector source alias delete aws-prod s3 --yes")]
    Delete(AliasDelete),
}

/// Flags of `source alias set`.
#[derive(Debug, Args)]
pub(crate) struct AliasSet {
    /// Name of the source
    source: String,
    /// Short name
    alias: String,
    /// Name of the secret inside the source's namespace, or its ARN
    secret: String,
    /// How the value is read
    #[arg(long, value_parser = ["auto", "json", "plaintext"], default_value = "auto")]
    mode: String,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
}

/// Flags of `source alias delete`.
#[derive(Debug, Args)]
pub(crate) struct AliasDelete {
    /// Name of the source
    source: String,
    /// Short name
    alias: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
}

impl AliasCommand {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        match self {
            AliasCommand::List { source } => list(session, &source).await,
            AliasCommand::Set(set) => set.run(session).await,
            AliasCommand::Delete(delete) => delete.run(session).await,
        }
    }
}

async fn list(session: &Session, source: &str) -> anyhow::Result<Exit> {
    let answer = session.client.send(Call::get(&["sources", source])).await?.body;
    let aliases = answer.get("aliases").and_then(Value::as_object).into_iter().flatten();
    let rows: Vec<Value> = aliases
        .map(|(alias, meaning)| json!({"alias": alias, "secret": meaning.get("secret"), "mode": meaning.get("mode")}))
        .collect();
    let columns = [("ALIAS", "alias"), ("SECRET", "secret"), ("MODE", "mode")];
    session.out.rows(&json!({"aliases": rows}), "aliases", &columns)?;
    Ok(Exit::Ok)
}

impl AliasSet {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let path = ["sources", &self.source, "aliases", &self.alias];
        let body = json!({"secret": self.secret, "mode": self.mode});
        let answer = session.client.send(Call::put(&path, body).dry_run(self.dry_run)).await?.body;
        session.out.saved(&format!("`{}` means `{}` now", self.alias, self.secret), &answer, self.dry_run)?;
        Ok(Exit::Ok)
    }
}

impl AliasDelete {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let question = format!("Remove the alias `{}` of `{}`?", self.alias, self.source);
        input::confirm(&session.out, self.yes || self.dry_run, &question).await?;
        let path = ["sources", &self.source, "aliases", &self.alias];
        let answer = session.client.send(Call::delete(&path).dry_run(self.dry_run)).await?.body;
        session.out.saved(&format!("removed the alias `{}`", self.alias), &answer, self.dry_run)?;
        Ok(Exit::Ok)
    }
}
