//! `usage-policy`: rules for which secrets may be used where.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::client::Call;
use crate::cli::exit::{Exit, usage};
use crate::cli::output::{Column, Format};
use crate::cli::problem::Problem;
use crate::cli::{Session, input, patch};

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("SOURCE", "source"),
    ("SECRETS", "secrets"),
    ("PROJECTS", "projects"),
    ("ENDPOINT HOSTS", "endpoint_hosts"),
    ("ROLES", "role_arns"),
    ("FIELDS", "fields"),
];
const DENIED: &[Column] = &[
    ("PROJECT", "project"),
    ("RESOURCE", "resource"),
    ("ENVIRONMENTS", "environments"),
    ("FIELD", "field"),
    ("REFERENCE", "reference"),
    ("BEFORE TOO", "already"),
    ("REASON", "reason"),
];
const NOUN: &str = "usage-policies";

/// What can be done with usage policies.
#[derive(Debug, Subcommand)]
pub(crate) enum UsagePolicyCommand {
    /// Lists usage policies; an empty column allows everything
    #[command(after_help = "Example:\n  s3-connector usage-policy list")]
    List,
    /// Shows a usage policy
    #[command(after_help = "Example:\n  s3-connector usage-policy show payments --output json")]
    Show {
        /// Name of the usage policy
        name: String,
    },
    /// Makes a usage policy, or replaces the one of that name, and shows what is denied from then on
    #[command(after_help = "Examples:
  s3-connector usage-policy put --file payments.json --dry-run     # what would be denied
  s3-connector usage-policy put --file payments.json

The file holds, for example:
  {\"name\": \"payments\", \"source\": \"aws-prod\", \"secrets\": [\"payments/*\"], \"projects\": [\"billing\"],
   \"endpoint_hosts\": [\"aws\"], \"role_arns\": [\"none\"]}

Lists that are left out allow everything; `fields` allows the credential fields then.")]
    Put(Put),
    /// Deletes a usage policy, and shows what is denied without it
    #[command(after_help = "Examples:
  s3-connector usage-policy delete payments --dry-run
  s3-connector usage-policy delete payments --yes")]
    Delete(Delete),
    /// Says whether a secret might be used so, and by which rule
    #[command(after_help = "Examples:
  s3-connector usage-policy check aws-prod payments/s3 --project billing
  s3-connector usage-policy check aws-prod payments/s3 --endpoint https://s3.example.com

Exits with 3 when the use is denied.")]
    Check(Check),
}

/// Flags of `usage-policy put`.
#[derive(Debug, Args)]
pub(crate) struct Put {
    /// Rule in JSON, `-` for stdin
    #[arg(long, short, value_name = "FILE")]
    file: PathBuf,
    /// Only if the usage policy still has this `ETag`; `*` is any
    #[arg(long, value_name = "ETAG")]
    if_match: Option<String>,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
}

/// Flags of `usage-policy delete`.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Name of the usage policy
    name: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Only if the usage policy still has this `ETag`
    #[arg(long, value_name = "ETAG", default_value = "*")]
    if_match: String,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
}

/// Flags of `usage-policy check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Name of the source
    source: String,
    /// Name of the secret inside the source's namespace, or its ARN
    secret: String,
    /// Field that holds the reference
    #[arg(long, value_name = "FIELD", default_value = "auth.secret_access_key")]
    field: String,
    /// Endpoint of the resource, as a URL or a host [default: AWS]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Role that the resource assumes [default: none]
    #[arg(long, value_name = "ARN")]
    role_arn: Option<String>,
}

impl UsagePolicyCommand {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        match self {
            UsagePolicyCommand::List => {
                let answer = session.client.send(Call::get(&[NOUN])).await?.body;
                session.out.rows(&answer, "usage_policies", COLUMNS)?;
                Ok(Exit::Ok)
            }
            UsagePolicyCommand::Show { name } => {
                let answer = session.client.send(Call::get(&[NOUN, &name])).await?.body;
                session.out.record(&answer)?;
                Ok(Exit::Ok)
            }
            UsagePolicyCommand::Put(put) => put.run(session).await,
            UsagePolicyCommand::Delete(delete) => delete.run(session).await,
            UsagePolicyCommand::Check(check) => check.run(session).await,
        }
    }
}

impl Put {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let mut rule = input::json(&self.file).await?;
        patch::strip_shown(&mut rule);
        let name = rule.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if name.is_empty() {
            return Err(usage("the rule has no name: give `name` in the file"));
        }
        let path = [NOUN, &name];
        let (done, answer) = match session.client.send(Call::get(&path)).await {
            Ok(current) => {
                // what was just read is what is replaced, unless another one was named
                let etag = self.if_match.or(current.etag).unwrap_or_else(|| "*".to_owned());
                let call = Call::put(&path, rule).if_match(etag).dry_run(self.dry_run);
                ("replaced", session.client.send(call).await?.body)
            }
            Err(error) if is_missing(&error) && self.if_match.is_none() => {
                let call = Call::post(&[NOUN], rule).dry_run(self.dry_run);
                ("made", session.client.send(call).await?.body)
            }
            Err(error) => return Err(error),
        };
        show_denied(session, &answer)?;
        let done = format!("{done} the usage policy `{name}`");
        session.out.say(if self.dry_run { "dry run: nothing was changed" } else { done.as_str() });
        Ok(Exit::Ok)
    }
}

impl Delete {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let question = format!("Delete the usage policy `{}`?", self.name);
        input::confirm(&session.out, self.yes || self.dry_run, &question).await?;
        let path = [NOUN, &self.name];
        let call = Call::delete(&path).if_match(self.if_match).dry_run(self.dry_run);
        let answer = session.client.send(call).await?.body;
        show_denied(session, &answer)?;
        let done = format!("deleted the usage policy `{}`", self.name);
        session.out.say(if self.dry_run { "dry run: nothing was changed" } else { done.as_str() });
        Ok(Exit::Ok)
    }
}

impl Check {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let body = json!({
            "project": session.client.project(), "source": self.source, "secret": self.secret,
            "field": self.field, "endpoint": self.endpoint, "role_arn": self.role_arn,
        });
        let answer = session.client.send(Call::post(&[NOUN, "check"], body)).await?.body;
        session.out.record(&answer)?;
        let allowed = answer.get("allowed").and_then(Value::as_bool).unwrap_or_default();
        Ok(if allowed { Exit::Ok } else { Exit::Denied })
    }
}

/// What the rules deny, for people as a table; machines get the whole answer.
fn show_denied(session: &Session, answer: &Value) -> anyhow::Result<()> {
    if session.out.format() != Format::Table {
        return session.out.record(answer);
    }
    let denied = answer.get("denied").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if denied.is_empty() {
        session.out.say("no resource is denied a secret, as far as endpoints and roles are written out");
        return Ok(());
    }
    session.out.table(DENIED, denied)?;
    session.out.warn("the resources above are refused these secrets");
    Ok(())
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Problem>().is_some_and(|problem| problem.status == 404)
}
