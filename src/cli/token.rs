//! `token` and `whoami`: API tokens. The text of a token is shown once, when it is made.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::cli::client::Call;
use crate::cli::exit::{Exit, usage};
use crate::cli::output::{Column, Format, Output};
use crate::cli::patch::Patch;
use crate::cli::{Session, input};
use crate::clock::Clock;

const COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("NAME", "name"),
    ("PROJECT", "project"),
    ("ROLE", "role"),
    ("LAST4", "last4"),
    ("CREATED AT", "created_at"),
    ("EXPIRES AT", "expires_at"),
    ("LAST USED AT", "last_used_at"),
];

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Makes a token and prints it; it cannot be shown again
    #[command(after_help = "Examples:
  s3-connector token create ci --role user --expires-in 90d
  export S3_CONNECTOR_TOKEN=$(s3-connector token create laptop --role editor)")]
    Create(Create),
    /// Lists tokens; their text is never shown
    #[command(after_help = "Example:\n  s3-connector token list")]
    List,
    /// Revokes a token at once
    #[command(
        after_help = "Example:\n  s3-connector token revoke 0193a5c2-7b1e-7000-8000-000000000000 --yes"
    )]
    Revoke(Revoke),
    /// Prints a fresh token text for `S3_CONNECTOR_BOOTSTRAP_TOKEN`; asks no server
    #[command(after_help = "Example:
  (umask 077; s3-connector token generate > admin.token)
  S3_CONNECTOR_BOOTSTRAP_TOKEN=$(cat admin.token) s3-connector serve

The service keeps only a hash of it: what you do not keep is lost.")]
    Generate,
}

/// Flags of `token create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// What the token is for
    name: String,
    /// What it may do: see definitions, query and test, change resources, or everything
    #[arg(long, value_parser = ["viewer", "user", "editor", "admin"])]
    role: String,
    /// When it ends, in RFC 3339
    #[arg(long, value_name = "TIME", value_parser = time)]
    expires_at: Option<Timestamp>,
    /// How long it lasts, for example `12h` or `90d`
    #[arg(long, value_name = "SPAN", conflicts_with = "expires_at")]
    expires_in: Option<jiff::Span>,
    /// For the whole installation and all its projects
    #[arg(long)]
    installation: bool,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
}

/// Flags of `token revoke`.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Id of the token, from `token list`
    id: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "write it like `2027-01-31T00:00:00Z`".to_owned())
}

impl TokenCommand {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        match self {
            TokenCommand::Create(create) => create.run(session).await,
            TokenCommand::List => list(session).await,
            TokenCommand::Revoke(revoke) => revoke.run(session).await,
            TokenCommand::Generate => generate(&session.out),
        }
    }
}

impl Create {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let expires_at = self.expiry(Clock::system().now_ms())?.map(|at| at.to_string());
        let mut body = Patch::default();
        body.set("name", self.name.as_str());
        body.set("role", self.role.as_str());
        body.plain("expires_at", expires_at);
        body.plain("installation", self.installation.then_some(true));
        let call = Call::post(&["tokens"], body.into_value()).dry_run(self.dry_run);
        let answer = session.client.send(call).await?.body;
        // a dry run makes no text
        let text = answer.get("token").and_then(Value::as_str).filter(|_| !self.dry_run);
        match text {
            Some(text) if session.out.format() == Format::Table => {
                session.out.line(text)?;
                session.out.say("this is the only time that the token is shown: keep it in a safe place");
            }
            _ => session.out.saved("made the token", &answer, self.dry_run)?,
        }
        Ok(Exit::Ok)
    }

    fn expiry(&self, now_ms: i64) -> anyhow::Result<Option<Timestamp>> {
        let Some(span) = self.expires_in else { return Ok(self.expires_at) };
        let now = Timestamp::from_millisecond(now_ms)?;
        // days and weeks have a length only in a time zone
        let end =
            now.to_zoned(TimeZone::UTC).checked_add(span).map_err(|_| usage("--expires-in is too long"))?;
        if end.timestamp() <= now {
            return Err(usage("--expires-in ends in the past"));
        }
        Ok(Some(end.timestamp()))
    }
}

async fn list(session: &Session) -> anyhow::Result<Exit> {
    let answer = session.client.send(Call::get(&["tokens"])).await?.body;
    session.out.rows(&answer, "tokens", COLUMNS)?;
    Ok(Exit::Ok)
}

impl Revoke {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let question = format!("Revoke the token `{}`? Whoever uses it is locked out at once.", self.id);
        input::confirm(&session.out, self.yes || self.dry_run, &question).await?;
        let path = ["tokens", &self.id];
        let call = Call::delete(&path).dry_run(self.dry_run);
        let answer = session.client.send(call).await?.body;
        session.out.saved(&format!("revoked the token `{}`", self.id), &answer, self.dry_run)?;
        Ok(Exit::Ok)
    }
}

/// Prints a token text that a first start can be given.
pub(crate) fn generate(out: &Output) -> anyhow::Result<Exit> {
    let token = crate::app::new_token();
    // showing it is what the command is for
    let text = token.expose_secret();
    if out.format() == Format::Table {
        out.line(text)?;
    } else {
        out.json(&json!({"token": text}))?;
    }
    Ok(Exit::Ok)
}

/// Shows who the server takes the caller for.
pub(crate) async fn whoami(session: &Session) -> anyhow::Result<Exit> {
    let answer = session.client.send(Call::get(&["whoami"])).await?.body;
    session.out.record(&answer)?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::Create;

    fn expiry(span: &str) -> anyhow::Result<Option<String>> {
        let create = Create {
            name: "ci".to_owned(),
            role: "user".to_owned(),
            expires_at: None,
            expires_in: Some(span.parse()?),
            installation: false,
            dry_run: false,
        };
        Ok(create.expiry(1_000)?.map(|at| at.to_string()))
    }

    #[test]
    fn a_token_lasts_from_now_on() {
        assert_eq!(expiry("90d").unwrap().unwrap(), "1970-04-01T00:00:01Z");
        assert_eq!(expiry("12h").unwrap().unwrap(), "1970-01-01T12:00:01Z");
        assert!(expiry("-1h").is_err());
        assert!(expiry("soon").is_err());
    }
}
