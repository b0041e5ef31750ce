//! `audit`: who did what, and whether the record of it is whole.

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::Exit;
use crate::cli::output::{Column, Format};

const COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("AT", "at"),
    ("WHO", "who"),
    ("ACTION", "action"),
    ("SUBJECT", "subject"),
    ("KEY", "key"),
    ("OUTCOME", "outcome"),
    ("REQUEST", "request_id"),
];

/// What can be done with the audit.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Lists what was done, newest first
    #[command(after_help = "Examples:
  s3-connector audit list --limit 20
  s3-connector audit list --before 4711 --output ndjson")]
    List(List),
    /// Checks that no row was changed or taken out
    #[command(after_help = "Example:
  s3-connector audit verify

Keep the `head` that it shows elsewhere: a later check that walks past it proves that nothing was cut off.
Exits with 1 when the chain is broken.")]
    Verify,
}

/// Flags of `audit list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only rows before this id
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// At most this many
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

impl AuditCommand {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        match self {
            AuditCommand::List(list) => list.run(session).await,
            AuditCommand::Verify => verify(session).await,
        }
    }
}

impl List {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let call = Call::get(&["audit"]).query("before", self.before).query("limit", Some(self.limit));
        let answer = session.client.send(call).await?.body;
        session.out.rows(&answer, "rows", COLUMNS)?;
        let cursor =
            answer.get("cursor").filter(|cursor| !cursor.is_null() && session.out.format() == Format::Table);
        if let Some(cursor) = cursor {
            let before = cursor.as_str().map_or_else(|| cursor.to_string(), str::to_owned);
            session.out.say(format!("there is more: go on with --before {before}"));
        }
        Ok(Exit::Ok)
    }
}

async fn verify(session: &Session) -> anyhow::Result<Exit> {
    let answer = session.client.send(Call::get(&["audit", "verify"])).await?.body;
    session.out.record(&answer)?;
    let broken = answer.get("broken_at").and_then(Value::as_i64);
    match broken {
        Some(row) => session.out.warn(format!(
            "the chain is broken at row {row}: it was changed, or the row before it is missing"
        )),
        None => session.out.say("the chain is whole"),
    }
    Ok(Exit::failed_if(broken.is_some()))
}
