//! The local vault: versions and rollback of its secrets, what comes in from AWS, and a sealed file to take away.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::Call;
use crate::cli::exit::{Exit, usage};
use crate::cli::output::{Column, Format};
use crate::cli::secret::Of;
use crate::cli::{Session, input};

/// Where the passphrase may stand when no flag names it.
const PASSPHRASE: &str = "S3_CONNECTOR_PASSPHRASE";

const VERSIONS: &[Column] = &[
    ("VERSION", "version_id"),
    ("STAGES", "stages"),
    ("CREATED AT", "created_at"),
    ("CREATED BY", "created_by"),
];
const REFERENCES: &[Column] = &[
    ("RESOURCE", "resource"),
    ("ENVIRONMENTS", "environments"),
    ("FIELD", "field"),
    ("REFERENCE", "reference"),
    ("NEW REFERENCE", "new_reference"),
    ("WHAT TO DO", "advice"),
];

/// Flags of `secret versions`.
#[derive(Debug, Args)]
pub(crate) struct Versions {
    /// Name of the secret
    name: String,
    #[command(flatten)]
    of: Of,
}

/// Flags of `secret rollback`.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// Name of the secret
    name: String,
    /// Id of the version that comes back [default: the previous one]
    #[arg(long, value_name = "ID")]
    version: Option<String>,
    #[command(flatten)]
    of: Of,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
}

/// Flags of `source move-to-local`.
#[derive(Debug, Args)]
pub(crate) struct MoveToLocal {
    /// Name of the source at AWS
    name: String,
    /// Name of the secret inside its namespace, or its ARN
    secret: String,
    /// Name of the local source that takes it
    #[arg(long, value_name = "NAME")]
    target: String,
    /// Replace a secret of that name; its value is kept as an earlier version
    #[arg(long)]
    overwrite: bool,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
}

/// Flags of `source export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Name of the local source
    name: String,
    /// File to write, `-` for stdout; one that is there is not replaced
    file: PathBuf,
    /// Passphrase of 12 characters or more: `@file`, or `-` for stdin [default: `S3_CONNECTOR_PASSPHRASE`]
    #[arg(long, value_name = "WHERE")]
    passphrase: Option<String>,
}

/// Flags of `source import-vault`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Name of the local source
    name: String,
    /// File that `source export` wrote, `-` for stdin
    file: PathBuf,
    /// Passphrase of the export: `@file`, or `-` for stdin [default: `S3_CONNECTOR_PASSPHRASE`]
    #[arg(long, value_name = "WHERE")]
    passphrase: Option<String>,
    /// Replace secrets and aliases that are there; values are kept as earlier versions
    #[arg(long)]
    overwrite: bool,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
}

impl Versions {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let source = self.of.name(session).await?;
        let path = ["sources", &source, "secrets", &self.name, "versions"];
        let answer = session.client.send(Call::get(&path)).await?.body;
        session.out.rows(&answer, "versions", VERSIONS)?;
        Ok(Exit::Ok)
    }
}

impl Rollback {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let source = self.of.name(session).await?;
        let to = self.version.as_ref().map_or("the previous version".to_owned(), |id| format!("`{id}`"));
        let question = format!("Roll the secret `{}` of `{source}` back to {to}?", self.name);
        input::confirm(&session.out, self.yes || self.dry_run, &question).await?;
        let path = ["sources", &source, "secrets", &self.name, "rollback"];
        let body = json!({"version_id": self.version});
        let answer = session.client.send(Call::post(&path, body).dry_run(self.dry_run)).await?.body;
        let now = answer.get("version_id").and_then(Value::as_str).unwrap_or_default();
        let sentence = format!("the version `{now}` of the secret `{}` of `{source}` is current", self.name);
        session.out.saved(&sentence, &answer, self.dry_run)?;
        Ok(Exit::Ok)
    }
}

impl MoveToLocal {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let path = ["sources", &self.name, "move-to-local"];
        let body = json!({"secret": self.secret, "target": self.target, "overwrite": self.overwrite});
        let answer = session.client.send(Call::post(&path, body).dry_run(self.dry_run)).await?.body;
        if session.out.format() == Format::Table {
            session.out.rows(&answer, "references", REFERENCES)?;
        } else {
            session.out.json(&answer)?;
        }
        let moved = answer.get("name").and_then(Value::as_str).unwrap_or_default();
        let done = format!("`{}` holds the secret `{moved}` now; nothing at AWS was changed", self.target);
        session.out.say(if self.dry_run { "dry run: nothing was changed" } else { done.as_str() });
        Ok(Exit::Ok)
    }
}

impl Export {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let to_stdout = self.file.as_os_str() == "-";
        // before anything is sent: the server notes every export
        if !to_stdout && self.file.exists() {
            return Err(usage(format!("`{}` is there already: take another name", self.file.display())));
        }
        let passphrase = passphrase(self.passphrase.as_deref()).await?;
        let path = ["sources", &self.name, "export"];
        let call = Call::post(&path, json!({"passphrase": passphrase}));
        let running = session.out.spinner("sealing");
        let answer = session.client.send(call).await;
        running.finish_and_clear();
        let document = answer?.body;
        if to_stdout {
            session.out.json(&document)?;
            return Ok(Exit::Ok);
        }
        write_new(&self.file, &document)?;
        let count = document.get("count").and_then(Value::as_u64).unwrap_or_default();
        if session.out.format() != Format::Table {
            session.out.json(&json!({"file": self.file.display().to_string(), "count": count}))?;
        }
        session.out.say(format!(
            "{count} secrets of `{}` are in `{}`; without the passphrase nobody opens it",
            self.name,
            self.file.display()
        ));
        Ok(Exit::Ok)
    }
}

impl Import {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        if self.file.as_os_str() == "-" && self.passphrase.as_deref() == Some("-") {
            return Err(usage("stdin can be only one of file and passphrase: write `--passphrase @file`"));
        }
        let document = input::json(&self.file).await?;
        let passphrase = passphrase(self.passphrase.as_deref()).await?;
        let path = ["sources", &self.name, "import"];
        let body = json!({"passphrase": passphrase, "document": document, "overwrite": self.overwrite});
        let running = session.out.spinner("opening");
        let answer = session.client.send(Call::post(&path, body).dry_run(self.dry_run)).await;
        running.finish_and_clear();
        let answer = answer?.body;
        let of = |what: &str, fate: &str| {
            answer.get(what).and_then(|counts| counts.get(fate)).and_then(Value::as_u64).unwrap_or_default()
        };
        let words = |what: &str| {
            let (created, changed, skipped) = (of(what, "created"), of(what, "changed"), of(what, "skipped"));
            format!("{created} created, {changed} changed, {skipped} skipped")
        };
        let sentence = format!("secrets: {}; aliases: {}", words("secrets"), words("aliases"));
        session.out.saved(&sentence, &answer, self.dry_run)?;
        Ok(Exit::Ok)
    }
}

/// The passphrase of a file, of stdin or of the environment; never of the command line itself, which others can see.
async fn passphrase(given: Option<&str>) -> anyhow::Result<String> {
    match given {
        Some(place) if place == "-" || place.starts_with('@') => input::value(place).await,
        Some(_) => Err(usage(format!(
            "others can see what stands on the command line: write `--passphrase @file` or `-`, or set {PASSPHRASE}"
        ))),
        None => std::env::var(PASSPHRASE).ok().filter(|text| !text.is_empty()).ok_or_else(|| {
            usage(format!("there is no passphrase: write `--passphrase @file` or `-`, or set {PASSPHRASE}"))
        }),
    }
}

/// Writes a file that only its owner reads.
fn write_new(file: &Path, document: &Value) -> anyhow::Result<()> {
    let cannot = || format!("cannot write `{}`", file.display());
    let mut open = std::fs::OpenOptions::new();
    let mut handle = open.write(true).create_new(true).mode(0o600).open(file).with_context(cannot)?;
    handle.write_all(&serde_json::to_vec(document)?).with_context(cannot)?;
    handle.write_all(b"\n").with_context(cannot)?;
    handle.sync_all().with_context(cannot)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::{passphrase, write_new};

    #[tokio::test]
    async fn a_passphrase_on_the_command_line_is_refused_without_showing_it() {
        let error = passphrase(Some("hunter2hunter2")).await.unwrap_err().to_string();
        assert!(error.contains("@file") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn an_export_replaces_no_file_and_is_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vault.json");
        write_new(&file, &json!({"count": 1})).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write_new(&file, &json!({"count": 2})).is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"count\":1}\n");
    }
}
