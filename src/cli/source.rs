//! `source`: the places that secrets come from, their aliases and what is cached of them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::alias::AliasCommand;
use crate::cli::client::Call;
use crate::cli::definition::{self, CredentialFlags, RoleFlags, Update};
use crate::cli::exit::{Exit, usage};
use crate::cli::import::Import;
use crate::cli::output::Column;
use crate::cli::patch::{self, Number, Patch};
use crate::cli::project_role::ProjectRole;
use crate::cli::{Session, input, report, vault};

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("SCOPE", "scope"),
    ("KIND", "kind"),
    ("REGION", "region"),
    ("NAMESPACE", "namespace"),
    ("ACTIVE IN", "active_in"),
    ("VERSION", "version"),
    ("UPDATED AT", "updated_at"),
];
const CACHE: &[Column] = &[
    ("SECRET", "secret"),
    ("PIN", "pin"),
    ("PROJECT", "project"),
    ("VERSION", "version_id"),
    ("FETCHED AT", "fetched_at"),
    ("EXPIRES AT", "expires_at"),
    ("STALE SINCE", "stale_since"),
    ("RESOURCES", "resources"),
    // last, where a long text pushes nothing away
    ("LAST ERROR", "last_error"),
];
const REFRESHED: &[Column] =
    &[("SECRET", "secret"), ("BEFORE", "before"), ("AFTER", "after"), ("ERROR", "error")];

/// What can be done with secret sources.
#[derive(Debug, Subcommand)]
pub(crate) enum SourceCommand {
    /// Defines a source of secrets
    #[command(after_help = "Examples:
  s3-connector source create aws-prod --kind aws --region us-east-1 --namespace retool/prod --default-chain
  s3-connector source create aws-prod --kind aws --region us-east-1 --access-key-id AKIAEXAMPLE --secret-access-key @key.txt
  s3-connector source create vault --kind local
  s3-connector source create shared --scope workspace --kind aws --region us-east-1 --default-chain \\
    --project-role billing=arn:aws:iam::111122223333:role/billing-secrets,billing-1

A source of the workspace is for every project; it takes a token of the whole installation.")]
    Create(Box<Create>),
    /// Lists sources
    #[command(after_help = "Example:\n  s3-connector source list")]
    List,
    /// Shows a source; its keys are never shown
    #[command(after_help = "Example:\n  s3-connector source show aws-prod --output json")]
    Show(Named),
    /// Changes a source: flags change single fields, --file replaces the definition
    #[command(after_help = "Examples:
  s3-connector source update aws-prod --cache-ttl-ms 60000
  s3-connector source show aws-prod --output json > source.json   # edit the file, then
  s3-connector source update aws-prod --file source.json

An empty value clears a field.")]
    Update(Box<Change>),
    /// Deletes a source; the secrets of a local one go with it
    #[command(after_help = "Examples:
  s3-connector source delete aws-old --dry-run     # what uses it
  s3-connector source delete aws-old --yes

A source that is in use stays, unless --force says that what uses it may break.")]
    Delete(Delete),
    /// Tests whether a source works, and says why not
    #[command(after_help = "Examples:
  s3-connector source test aws-prod
  s3-connector source test --file source.json      # before it is created

Exits with 1 when the verdict is `fails`.")]
    Test(Test),
    /// Makes a source the one that plain references mean in an environment
    #[command(
        alias = "active",
        after_help = "Examples:
  s3-connector source use aws-prod --environment production
  s3-connector source use shared --scope workspace      # for every project that has no source of its own
  s3-connector source use workspace:aws                 # the workspace's, where the project has one of that name"
    )]
    Use(Use),
    /// Reads secrets anew, and shows which of them changed
    #[command(after_help = "Examples:
  s3-connector source refresh aws-prod
  s3-connector source refresh aws-prod payments/s3")]
    Refresh(Refresh),
    /// Shows which secrets are in memory, and how old they are; never a value
    #[command(after_help = "Example:\n  s3-connector source cache aws-prod")]
    Cache(Named),
    /// Forgets the secrets in memory; the next query reads them anew
    #[command(
        after_help = "Examples:\n  s3-connector source clear aws-prod\n  s3-connector source clear aws-prod payments/s3\n  s3-connector source clear --all"
    )]
    Clear(Clear),
    /// Takes a table of another tool: aliases into the source, fields as references to paste
    #[command(after_help = "Examples:
  s3-connector source import aws-prod --file requestly.json --dry-run
  s3-connector source import aws-prod --file requestly.json
  s3-connector source import --file activepieces.json            # references to paste; no server is asked

docs/secrets/import.md shows the tables. A table is taken whole or not at all.")]
    Import(Import),
    /// Short names for secrets
    #[command(subcommand)]
    Alias(AliasCommand),
    /// Puts the last fetched value of a secret at AWS into a local source, and shows what refers to it
    #[command(after_help = "Examples:
  s3-connector source move-to-local aws-prod payments/s3 --target vault --dry-run
  s3-connector source move-to-local aws-prod payments/s3 --target vault

Nothing at AWS is changed, and no reference is rewritten: the table says what to write.")]
    MoveToLocal(vault::MoveToLocal),
    /// Writes the secrets and aliases of a local source into a file, sealed with a passphrase
    #[command(after_help = "Examples:
  s3-connector source export vault vault.json --passphrase @passphrase.txt
  S3_CONNECTOR_PASSPHRASE=… s3-connector source export vault - > vault.json

Current values only; earlier versions stay behind. Who has the file and the passphrase has the secrets,
so this needs a token of the whole installation.")]
    Export(vault::Export),
    /// Brings such a file into a local source, all of it or nothing
    #[command(after_help = "Examples:
  s3-connector source import-vault vault vault.json --passphrase @passphrase.txt --dry-run
  s3-connector source import-vault vault vault.json --passphrase @passphrase.txt --overwrite

Without --overwrite, what is there stays and is counted as skipped.")]
    ImportVault(vault::Import),
}

/// A source by its name.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name of the source
    name: String,
}

/// Flags of `source create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Name of the source; may stand in the file instead
    name: Option<String>,
    /// Definition in JSON, `-` for stdin; flags go before what it says
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// AWS Secrets Manager, or the encrypted vault of this service
    #[arg(long, value_parser = ["aws", "local"])]
    kind: Option<String>,
    /// Whom it belongs to: this project, or the workspace, for every project [default: project]
    #[arg(long, value_parser = ["project", "workspace"])]
    scope: Option<String>,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    fields: Fields,
}

/// Flags of `source update`.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// Name of the source
    name: String,
    /// Definition in JSON that replaces the present one, `-` for stdin
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The file is a JSON merge patch: it changes only what it names
    #[arg(long, requires = "file")]
    merge: bool,
    /// Only if the source still has this `ETag`; `*` is any
    #[arg(long, value_name = "ETAG")]
    if_match: Option<String>,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    fields: Fields,
}

/// Flags of `source delete`.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Name of the source
    name: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Only if the source still has this `ETag`
    #[arg(long, value_name = "ETAG", default_value = "*")]
    if_match: String,
    /// Also when resources or environments use it, which then find their secrets no longer
    #[arg(long)]
    force: bool,
    /// Only check what would happen, and show what uses it
    #[arg(long)]
    dry_run: bool,
}

/// Flags of `source test`.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Name of the source
    #[arg(required_unless_present = "file")]
    name: Option<String>,
    /// Test this definition instead, without saving it; `-` for stdin
    #[arg(long, short, value_name = "FILE", conflicts_with = "name")]
    file: Option<PathBuf>,
}

/// Flags of `source use`.
#[derive(Debug, Args)]
pub(crate) struct Use {
    /// Name of the source
    name: String,
    /// For this project, or for every project that has no source of its own
    #[arg(long, value_parser = ["project", "workspace"], default_value = "project")]
    scope: String,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
}

/// Flags of `source refresh`.
#[derive(Debug, Args)]
pub(crate) struct Refresh {
    /// Name of the source
    name: String,
    /// Names of the secrets [default: all that are in memory]
    secrets: Vec<String>,
}

/// Flags of `source clear`.
#[derive(Debug, Args)]
pub(crate) struct Clear {
    /// Name of the source
    #[arg(required_unless_present = "all")]
    name: Option<String>,
    /// Names of the secrets [default: all that are in memory]
    #[arg(conflicts_with = "all")]
    secrets: Vec<String>,
    /// Forget the secrets of every source
    #[arg(long, conflicts_with = "name")]
    all: bool,
}

/// The fields of a definition as flags. Empty values clear.
#[derive(Debug, Args)]
#[command(next_help_heading = "Definition")]
pub(crate) struct Fields {
    /// What the source is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Region of the secrets
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Another endpoint of Secrets Manager, for example of a VPC
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Put before every name that is not an ARN
    #[arg(long, value_name = "TEXT")]
    namespace: Option<String>,
    /// Milliseconds that a value is fresh; 0 reads it for every query
    #[arg(long, value_name = "MS")]
    cache_ttl_ms: Option<Number>,
    /// Milliseconds that a value is served while the source cannot be reached
    #[arg(long, value_name = "MS")]
    max_stale_ms: Option<Number>,
    /// Path that may be used where its value becomes visible, for example `*.bucket`; may be repeated
    #[arg(long = "config-path", value_name = "PATTERN")]
    config_paths: Vec<String>,
    /// Role with which a source of the workspace reads for a project; without a role it clears the project's; may be repeated
    #[arg(long = "project-role", value_name = "PROJECT=ROLE_ARN[,EXTERNAL_ID]")]
    project_roles: Vec<ProjectRole>,
    /// Whether projects without such a role are refused, instead of reading with the source's own identity
    #[arg(long, value_name = "true|false")]
    project_roles_required: Option<bool>,
    #[command(flatten)]
    credentials: CredentialFlags,
    #[command(flatten)]
    role: RoleFlags,
}

impl Fields {
    /// What only a change may say: refuses it for a new definition.
    fn check_new(&self) -> anyhow::Result<()> {
        definition::nothing_to_clear(&[
            ("--cache-ttl-ms", self.cache_ttl_ms),
            ("--max-stale-ms", self.max_stale_ms),
            ("--role-duration", self.role.role_duration),
        ])
    }

    async fn patch(&self, session: &Session) -> anyhow::Result<Patch> {
        let mut patch = Patch::default();
        for (path, value) in
            [("description", &self.description), ("region", &self.region), ("namespace", &self.namespace)]
        {
            patch.plain(path, value.as_deref());
        }
        patch.text("endpoint", self.endpoint.as_deref());
        patch.number("cache_ttl_ms", self.cache_ttl_ms);
        patch.number("max_stale_ms", self.max_stale_ms);
        if !self.config_paths.is_empty() {
            let given: Vec<&String> =
                self.config_paths.iter().filter(|pattern| !pattern.is_empty()).collect();
            patch.set("config_paths", json!(given));
        }
        for role in &self.project_roles {
            role.add_to(&mut patch);
        }
        patch.plain("project_roles_required", self.project_roles_required);
        self.credentials.add_to(&mut patch, &session.out).await?;
        self.role.add_to(&mut patch);
        Ok(patch)
    }
}

impl SourceCommand {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        match self {
            SourceCommand::Create(create) => create.run(session).await,
            SourceCommand::List => list(session).await,
            SourceCommand::Show(named) => named.show(session).await,
            SourceCommand::Update(change) => change.run(session).await,
            SourceCommand::Delete(delete) => delete.run(session).await,
            SourceCommand::Test(test) => test.run(session).await,
            SourceCommand::Use(choice) => choice.run(session).await,
            SourceCommand::Refresh(refresh) => self::refresh(session, &refresh.name, &refresh.secrets).await,
            SourceCommand::Cache(named) => named.cache(session).await,
            SourceCommand::Clear(clear) => clear.run(session).await,
            SourceCommand::Import(import) => import.run(session).await,
            SourceCommand::Alias(command) => command.run(session).await,
            SourceCommand::MoveToLocal(moving) => moving.run(session).await,
            SourceCommand::Export(export) => export.run(session).await,
            SourceCommand::ImportVault(import) => import.run(session).await,
        }
    }
}

impl Create {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        self.fields.check_new()?;
        let mut patch = self.fields.patch(session).await?;
        patch.plain("kind", self.kind.as_deref());
        patch.plain("scope", self.scope.as_deref());
        let definition = definition::from_file(self.file.as_ref(), self.name.as_deref(), patch).await?;
        match definition.get("kind").and_then(Value::as_str) {
            None => return Err(usage("say where the secrets live: --kind aws or --kind local")),
            Some("aws") if definition.get("auth").is_none() => {
                return Err(usage(
                    "the source has no credentials: give --access-key-id and --secret-access-key, or --default-chain",
                ));
            }
            Some(_) => {}
        }
        let call = Call::post(&["sources"], definition).dry_run(self.dry_run);
        let answer = session.client.send(call).await?.body;
        let name = answer.get("name").and_then(Value::as_str).unwrap_or_default();
        session.out.saved(&format!("created the source `{name}`"), &answer, self.dry_run)?;
        Ok(Exit::Ok)
    }
}

async fn list(session: &Session) -> anyhow::Result<Exit> {
    let answer = session.client.send(Call::get(&["sources"])).await?.body;
    session.out.rows(&answer, "sources", COLUMNS)?;
    Ok(Exit::Ok)
}

impl Named {
    async fn show(self, session: &Session) -> anyhow::Result<Exit> {
        let answer = session.client.send(Call::get(&["sources", &self.name])).await?.body;
        session.out.record(&answer)?;
        Ok(Exit::Ok)
    }

    async fn cache(self, session: &Session) -> anyhow::Result<Exit> {
        let answer = session.client.send(Call::get(&["sources", &self.name, "cache"])).await?.body;
        session.out.rows(&answer, "secrets", CACHE)?;
        Ok(Exit::Ok)
    }
}

impl Change {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let update = Update {
            noun: "sources",
            name: &self.name,
            file: self.file.as_ref(),
            merge: self.merge,
            patch: self.fields.patch(session).await?,
            if_match: self.if_match.as_deref(),
            dry_run: self.dry_run,
        };
        update.run(session).await?;
        Ok(Exit::Ok)
    }
}

impl Delete {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let question = format!("Delete the source `{}`, and its secrets if it is a local one?", self.name);
        input::confirm(&session.out, self.yes || self.dry_run, &question).await?;
        let path = ["sources", &self.name];
        let call = Call::delete(&path)
            .if_match(self.if_match)
            .query("force", self.force.then_some(true))
            .dry_run(self.dry_run);
        let answer = session.client.send(call).await?.body;
        match (answer.is_null(), self.dry_run) {
            // older servers say nothing of what used it
            (true, true) => session.out.say(format!("the source `{}` would be deleted", self.name)),
            (true, false) => {}
            (false, _) => session.out.record(&answer)?,
        }
        let done = format!("deleted the source `{}`", self.name);
        session.out.say(if self.dry_run { "dry run: nothing was changed" } else { done.as_str() });
        Ok(Exit::Ok)
    }
}

impl Test {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let body = match &self.file {
            Some(file) => {
                json!({"definition": definition::from_file(Some(file), None, Patch::default()).await?})
            }
            None => json!({}),
        };
        let name = self.name.as_deref().filter(|_| self.file.is_none());
        let path: Vec<&str> = ["sources"].into_iter().chain(name).chain(["test"]).collect();
        let running = session.out.spinner("testing");
        let answer = session.client.send(Call::post(&path, body)).await;
        running.finish_and_clear();
        report::show(&session.out, &answer?.body)
    }
}

impl Use {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let environment = session.client.environment();
        let mut body = json!({"environment": environment, "source": self.name});
        let workspace = self.scope == "workspace";
        if workspace {
            patch::apply(&mut body, json!({"scope": self.scope}));
        }
        let answer =
            session.client.send(Call::put(&["sources", "active"], body).dry_run(self.dry_run)).await?.body;
        let whose = if workspace { " of projects without a source of their own" } else { "" };
        let sentence =
            format!("plain references{whose} mean the source `{}` in `{environment}` now", self.name);
        session.out.saved(&sentence, &answer, self.dry_run)?;
        Ok(Exit::Ok)
    }
}

/// Reads secrets anew; fails when one of them cannot be read.
pub(crate) async fn refresh(session: &Session, source: &str, secrets: &[String]) -> anyhow::Result<Exit> {
    let body = if secrets.is_empty() { json!({}) } else { json!({"secrets": secrets}) };
    let answer = session.client.send(Call::post(&["sources", source, "refresh"], body)).await?.body;
    session.out.rows(&answer, "refreshed", REFRESHED)?;
    let rows = answer.get("refreshed").and_then(Value::as_array).into_iter().flatten();
    let failed = rows.filter(|row| row.get("error").is_some_and(|error| !error.is_null())).count();
    if failed > 0 {
        session.out.warn(format!("{failed} of the secrets could not be read: see the column ERROR"));
    }
    Ok(Exit::failed_if(failed > 0))
}

impl Clear {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let source = self.name.as_deref();
        let path: Vec<&str> = match source {
            Some(name) => vec!["sources", name, "clear"],
            None => vec!["cache", "clear"],
        };
        let mut call = Call::new(reqwest::Method::POST, &path);
        if !self.secrets.is_empty() {
            call = call.body(json!({"secrets": self.secrets}));
        }
        let answer = session.client.send(call).await?.body;
        let cleared = answer.get("cleared").and_then(Value::as_u64).unwrap_or_default();
        let mut said = format!("secrets forgotten: {cleared}; the next query reads them anew");
        let refreshing = answer.get("refreshing").and_then(Value::as_u64).unwrap_or_default();
        if refreshing > 0 {
            said = format!("{said}; other projects use {refreshing} more, which are read anew now");
        }
        session.out.saved(&said, &answer, false)?;
        Ok(Exit::Ok)
    }
}
