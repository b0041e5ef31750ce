//! `bucket`: what a resource's bucket is set to, and its CORS configuration and policy.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::client::Call;
use crate::cli::exit::Exit;
use crate::cli::output::{Column, Format, counted};
use crate::cli::{Session, input, readable};

const ASPECTS: &[Column] = &[("ASPECT", "aspect"), ("STATE", "state"), ("VALUE", "shown")];

/// Characters of a value in the table; what is longer stands below it.
const MOST_SHOWN: usize = 56;

/// What can be done with the bucket of a resource.
#[derive(Debug, Subcommand)]
pub(crate) enum BucketCommand {
    /// Shows what the bucket is set to, or why it cannot be read
    #[command(after_help = "Examples:
  s3-connector bucket show invoices
  s3-connector bucket show invoices policy cors --output json")]
    Show(Show),
    /// Gives the bucket a CORS configuration in place of the one that it has
    #[command(after_help = "Examples:
  s3-connector bucket set-cors invoices --file cors.json --dry-run
  echo '{\"rules\": [{\"allowed_origins\": [\"https://app.example.com\"], \"allowed_methods\": [\"GET\", \"PUT\"], \"allowed_headers\": [\"*\"]}]}' |
    s3-connector bucket set-cors invoices --file - --yes

The file may also be as the AWS command line has it (`CORSRules`, `AllowedOrigins`).")]
    SetCors(SetDocument),
    /// Takes the bucket's CORS configuration away
    #[command(after_help = "Example:\n  s3-connector bucket delete-cors invoices --yes")]
    DeleteCors(Clear),
    /// Gives the bucket a policy in place of the one that it has
    #[command(after_help = "Examples:
  s3-connector bucket set-policy invoices --file policy.json --dry-run
  s3-connector bucket set-policy invoices --file policy.json --yes

A policy that would lock the resource's own identity out is refused unless --force is given.")]
    SetPolicy(SetPolicy),
    /// Takes the bucket's policy away
    #[command(after_help = "Example:\n  s3-connector bucket delete-policy invoices --dry-run")]
    DeletePolicy(ClearPolicy),
}

/// Flags of `bucket show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Name of the resource
    resource: String,
    /// location, versioning, encryption, ownership, `public_access_block`, policy, cors, lifecycle [default: all]
    aspects: Vec<String>,
}

/// Flags of `bucket set-cors`.
#[derive(Debug, Args)]
pub(crate) struct SetDocument {
    /// Name of the resource
    resource: String,
    /// Document in JSON, `-` for stdin
    #[arg(long, short, value_name = "FILE")]
    file: PathBuf,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
}

/// Flags of `bucket delete-cors`.
#[derive(Debug, Args)]
pub(crate) struct Clear {
    /// Name of the resource
    resource: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
}

/// Flags of `bucket set-policy`.
#[derive(Debug, Args)]
pub(crate) struct SetPolicy {
    #[command(flatten)]
    document: SetDocument,
    /// Although it would lock the resource's own identity out
    #[arg(long)]
    force: bool,
}

/// Flags of `bucket delete-policy`.
#[derive(Debug, Args)]
pub(crate) struct ClearPolicy {
    #[command(flatten)]
    clear: Clear,
    /// Although it grants the resource's own identity what it needs
    #[arg(long)]
    force: bool,
}

impl BucketCommand {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        match self {
            BucketCommand::Show(show) => show.run(session).await,
            BucketCommand::SetCors(set) => set.run(session, "cors", false).await,
            BucketCommand::DeleteCors(clear) => clear.run(session, "cors", false).await,
            BucketCommand::SetPolicy(set) => set.document.run(session, "policy", set.force).await,
            BucketCommand::DeletePolicy(clear) => clear.clear.run(session, "policy", clear.force).await,
        }
    }
}

impl Show {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let path = ["resources", self.resource.as_str(), "bucket"];
        let aspects = (!self.aspects.is_empty()).then(|| self.aspects.join(","));
        let answer = session.client.send(Call::get(&path).query("aspects", aspects)).await?.body;
        if session.out.format() != Format::Table {
            session.out.json(&answer)?;
            return Ok(Exit::Ok);
        }
        let aspects = || answer.get("aspects").and_then(Value::as_object).into_iter().flatten();
        let rows: Vec<Value> = aspects().map(|(aspect, found)| row(aspect, found)).collect();
        session.out.table(ASPECTS, &rows)?;
        for (aspect, found) in aspects() {
            let Some(value) = found.get("value").filter(|value| in_the_table(value).is_none()) else {
                continue;
            };
            session.out.line(format!("\n{aspect}"))?;
            for line in readable::lines(value) {
                session.out.line(format!("  {line}"))?;
            }
        }
        Ok(Exit::Ok)
    }
}

/// A value that is flat and short.
fn in_the_table(value: &Value) -> Option<String> {
    readable::one_line(value).filter(|text| text.chars().count() <= MOST_SHOWN)
}

/// One line an aspect: its value, how many rules stand below, or what to do to see it.
fn row(aspect: &str, found: &Value) -> Value {
    let problem = |name: &str| found.pointer(&format!("/problem/{name}")).and_then(Value::as_str);
    let below = || "below".to_owned();
    let shown = match (found.get("value"), problem("remedy").or(problem("detail"))) {
        (Some(value), _) => in_the_table(value).unwrap_or_else(|| {
            let parts = value.as_object().and_then(readable::count);
            parts.map_or_else(below, |(count, noun)| format!("{}, below", counted(count, noun)))
        }),
        (None, text) => text.unwrap_or_default().to_owned(),
    };
    json!({"aspect": aspect, "state": found.get("state"), "shown": shown})
}

impl SetDocument {
    async fn run(self, session: &Session, what: &str, force: bool) -> anyhow::Result<Exit> {
        let document = input::json(&self.file).await?;
        let question = format!("Replace the {what} of the bucket of `{}`?", self.resource);
        input::confirm(&session.out, self.yes || self.dry_run, &question).await?;
        let path = ["resources", self.resource.as_str(), "bucket", what];
        let call = Call::put(&path, document).dry_run(self.dry_run).query("force", force.then_some(true));
        let answer = session.client.send(call).await?.body;
        shown(session, &answer, what, self.dry_run)
    }
}

impl Clear {
    async fn run(self, session: &Session, what: &str, force: bool) -> anyhow::Result<Exit> {
        let question = format!("Take the {what} of the bucket of `{}` away?", self.resource);
        input::confirm(&session.out, self.yes || self.dry_run, &question).await?;
        let path = ["resources", self.resource.as_str(), "bucket", what];
        let call = Call::delete(&path).dry_run(self.dry_run).query("force", force.then_some(true));
        let answer = session.client.send(call).await?.body;
        shown(session, &answer, what, self.dry_run)
    }
}

/// For people a line for each rule or statement that comes or goes.
fn shown(session: &Session, answer: &Value, what: &str, dry_run: bool) -> anyhow::Result<Exit> {
    if session.out.format() == Format::Table {
        for (mark, name) in [("-", "removed"), ("+", "added")] {
            for part in answer.get(name).and_then(Value::as_array).into_iter().flatten() {
                session.out.line(format!("{mark} {part}"))?;
            }
        }
        session.out.say(if dry_run { "dry run: nothing was changed" } else { "the bucket was changed" });
        session.out.remarks(answer);
    } else {
        session.out.saved(&format!("the {what} of the bucket was changed"), answer, dry_run)?;
    }
    let refused = answer.get("refused").and_then(Value::as_bool).unwrap_or(false);
    if refused {
        session.out.warn("this is refused without --force");
    }
    Ok(if refused { Exit::Denied } else { Exit::Ok })
}
