//! `resource`: define, show, test and change resources.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::client::Call;
use crate::cli::definition::{self, Update};
use crate::cli::exit::Exit;
use crate::cli::explain::Explain;
use crate::cli::output::{Column, Format};
use crate::cli::patch::Patch;
use crate::cli::resource_fields::Fields;
use crate::cli::resource_import::Import;
use crate::cli::{Session, input, report};

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("BUCKET", "bucket"),
    ("PREFIX", "prefix"),
    ("REGION", "region"),
    ("ENDPOINT", "endpoint"),
    ("AUTH", "auth.kind"),
    ("VERSION", "version"),
    ("UPDATED AT", "updated_at"),
];
const HISTORY: &[Column] = &[
    ("VERSION", "version"),
    ("CHANGED AT", "changed_at"),
    ("CHANGED BY", "changed_by"),
    ("CHANGES", "changed"),
];

/// What can be done with resources.
#[derive(Debug, Subcommand)]
pub(crate) enum ResourceCommand {
    /// Defines a resource: one bucket, or a part of it, with everything needed to reach it
    #[command(after_help = "Examples:
  s3-connector resource create invoices --bucket acme-invoices --region eu-central-1 \\
      --access-key-id '{{ secrets.s3.key_id }}' --secret-access-key '{{ secrets.s3.secret }}' --test
  s3-connector resource create archive --bucket archive --endpoint https://s3.example.com --secret-access-key @key.txt --access-key-id AKIAEXAMPLE
  s3-connector resource create --file resource.json --dry-run")]
    Create(Box<Create>),
    /// Lists resources
    #[command(after_help = "Example:\n  s3-connector resource list --filter finance")]
    List(List),
    /// Shows a resource; literal keys are never shown
    #[command(after_help = "Example:\n  s3-connector resource show invoices --output json > invoices.json")]
    Show(Named),
    /// Changes a resource: flags change single fields, --file replaces the definition
    #[command(after_help = "Examples:
  s3-connector resource update invoices --region eu-west-1 --endpoint ''
  s3-connector resource show invoices --output json > invoices.json   # edit the file, then
  s3-connector resource update invoices --file invoices.json
  echo '{\"region\": \"eu-west-1\"}' | s3-connector resource update invoices --merge --file -

An empty value clears a field. A file made by `show` is refused when the resource changed meanwhile.")]
    Update(Box<Change>),
    /// Deletes a resource; the bucket and its objects stay as they are
    #[command(after_help = "Example:\n  s3-connector resource delete invoices --yes")]
    Delete(Delete),
    /// Tests whether a resource works, and says why not
    #[command(after_help = "Examples:
  s3-connector resource test invoices --write
  s3-connector resource test invoices --origin https://app.example.com
  s3-connector resource test --file resource.json      # before it is created
  s3-connector resource test invoices --history

Exits with 1 when the verdict is `fails`.")]
    Test(Test),
    /// Lists what re-checks on a schedule know: the verdict, since when, and the first bad result with its cause
    #[command(after_help = "Examples:
  s3-connector resource update invoices --recheck-interval-ms 900000
  s3-connector resource health
  s3-connector resource health invoices --output json")]
    Health(Health),
    /// Copies a resource under another name, with its keys
    #[command(after_help = "Example:\n  s3-connector resource copy invoices invoices-test")]
    Copy(CopyTo),
    /// Lists the versions of a resource, and what each of them changed
    #[command(after_help = "Examples:
  s3-connector resource history invoices
  s3-connector resource history invoices --output json | jq '.versions[0].changes'")]
    History(Named),
    /// Brings an earlier version of a resource back, as a new version
    #[command(after_help = "Example:\n  s3-connector resource restore invoices 3")]
    Restore(Restore),
    /// Proposes a resource for each bucket that a credential may list, and creates those that are chosen
    #[command(after_help = "Examples:
  s3-connector resource import --region eu-central-1 \\
      --access-key-id '{{ secrets.s3.key_id }}' --secret-access-key '{{ secrets.s3.secret }}'
  s3-connector resource import --file common.json --create acme-invoices --create acme-archive
  s3-connector resource import --file common.json --create-all

Needs `s3:ListAllMyBuckets`. What all resources have in common stands in the file or in flags.")]
    Import(Box<Import>),
    /// Explains a query: the request that it would send and what it needs; nothing is sent
    #[command(after_help = "Examples:
  s3-connector resource explain invoices get key=2026/a.pdf
  s3-connector resource explain invoices list prefix=2026/ limit:=5000
  s3-connector resource explain invoices put --json '{\"key\": \"a.txt\", \"text\": \"hello\"}' --output json

Asks the server, which asks nobody else: what is not cached there is said to be unknown yet.")]
    Explain(Explain),
}

/// A resource by its name.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name of the resource
    name: String,
}

/// Flags of `resource create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Name of the resource; may stand in the file instead
    name: Option<String>,
    /// Definition in JSON, `-` for stdin; flags go before what it says
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
    /// Test it once it is saved; it stays saved whatever the test says
    #[arg(long, conflicts_with = "dry_run")]
    test: bool,
    #[command(flatten)]
    fields: Fields,
}

/// Flags of `resource list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only resources that match this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// At most this many [default: all]
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
}

/// Flags of `resource update`.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// Name of the resource
    name: String,
    /// Definition in JSON that replaces the present one, `-` for stdin
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The file is a JSON merge patch: it changes only what it names
    #[arg(long, requires = "file")]
    merge: bool,
    /// Only if the resource still has this `ETag`; `*` is any
    #[arg(long, value_name = "ETAG")]
    if_match: Option<String>,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
    /// Test it once it is saved; it stays saved whatever the test says
    #[arg(long, conflicts_with = "dry_run")]
    test: bool,
    #[command(flatten)]
    fields: Fields,
}

/// Flags of `resource delete`.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Name of the resource
    name: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Only if the resource still has this `ETag`
    #[arg(long, value_name = "ETAG", default_value = "*")]
    if_match: String,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
}

/// Flags of `resource test`.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Name of the resource
    #[arg(required_unless_present = "file")]
    name: Option<String>,
    /// Test this definition instead, without saving it; `-` for stdin
    #[arg(long, short, value_name = "FILE", conflicts_with = "name")]
    file: Option<PathBuf>,
    /// Also write, read and delete a small object
    #[arg(long)]
    write: bool,
    /// Origin of pages that the bucket shall let in, again for each [default: the resource's `browser_origins`]
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// Show the results that were kept instead of testing
    #[arg(long, conflicts_with_all = ["file", "write", "origins"])]
    history: bool,
}

/// Flags of `resource health`.
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Name of the resource [default: all that are re-checked]
    name: Option<String>,
}

/// Flags of `resource copy`.
#[derive(Debug, Args)]
pub(crate) struct CopyTo {
    /// Name of the resource
    name: String,
    /// Name of the copy
    new_name: String,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
}

/// Flags of `resource restore`.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// Name of the resource
    name: String,
    /// Version to bring back, from `resource history`
    version: i64,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
}

impl ResourceCommand {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        match self {
            ResourceCommand::Create(create) => create.run(session).await,
            ResourceCommand::List(list) => list.run(session).await,
            ResourceCommand::Show(named) => named.show(session).await,
            ResourceCommand::Update(change) => change.run(session).await,
            ResourceCommand::Delete(delete) => delete.run(session).await,
            ResourceCommand::Test(test) => test.run(session).await,
            ResourceCommand::Health(health) => health.run(session).await,
            ResourceCommand::Copy(copy) => copy.run(session).await,
            ResourceCommand::History(named) => named.history(session).await,
            ResourceCommand::Restore(restore) => restore.run(session).await,
            ResourceCommand::Import(import) => import.run(session).await,
            ResourceCommand::Explain(explain) => explain.run(session).await,
        }
    }
}

impl Create {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        self.fields.check_new()?;
        let patch = self.fields.patch(session).await?;
        let definition = definition::from_file(self.file.as_ref(), self.name.as_deref(), patch).await?;
        definition::check_auth(&definition)?;
        let call = Call::post(&["resources"], definition).dry_run(self.dry_run);
        let answer = session.client.send(call).await?.body;
        let name = name_in(&answer);
        session.out.saved(&format!("created the resource `{name}`"), &answer, self.dry_run)?;
        if self.test { tested(session, name).await } else { Ok(Exit::Ok) }
    }
}

/// Tests what was just saved, without writing.
async fn tested(session: &Session, name: &str) -> anyhow::Result<Exit> {
    report::run(session, Call::post(&["resources", name, "test"], json!({}))).await
}

impl List {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let query = [("filter", self.filter)];
        let found = session.client.pages(&["resources"], &query, "resources", self.limit).await?;
        session.out.rows(&found, "resources", COLUMNS)?;
        Ok(Exit::Ok)
    }
}

impl Named {
    async fn show(self, session: &Session) -> anyhow::Result<Exit> {
        let answer = session.client.send(Call::get(&["resources", &self.name])).await?.body;
        session.out.record(&answer)?;
        session.out.remarks(&answer);
        Ok(Exit::Ok)
    }

    async fn history(self, session: &Session) -> anyhow::Result<Exit> {
        let mut answer = session.client.send(Call::get(&["resources", &self.name, "history"])).await?.body;
        if session.out.format() == Format::Table {
            let versions = answer.get_mut("versions").and_then(Value::as_array_mut);
            for version in versions.into_iter().flatten().filter_map(Value::as_object_mut) {
                let changed = version.get("changes").map(changed_in).unwrap_or_default();
                version.insert("changed".to_owned(), json!(changed));
            }
        }
        session.out.rows(&answer, "versions", HISTORY)?;
        Ok(Exit::Ok)
    }
}

/// `region: a → b, prefix: nothing → c`
fn changed_in(changes: &Value) -> String {
    let value = |change: &Value, name: &str| match change.get(name) {
        None | Some(Value::Null) => "nothing".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) if other.get("set").is_some() => "set".to_owned(),
        Some(other) => other.to_string(),
    };
    let told = |change: &Value| {
        let path = change.get("path").and_then(Value::as_str).unwrap_or_default();
        format!("{path}: {} → {}", value(change, "before"), value(change, "after"))
    };
    changes.as_array().into_iter().flatten().map(told).collect::<Vec<_>>().join(", ")
}

impl Change {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let update = Update {
            noun: "resources",
            name: &self.name,
            file: self.file.as_ref(),
            merge: self.merge,
            patch: self.fields.patch(session).await?,
            if_match: self.if_match.as_deref(),
            dry_run: self.dry_run,
        };
        update.run(session).await?;
        if self.test { tested(session, &self.name).await } else { Ok(Exit::Ok) }
    }
}

impl Delete {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let question = format!("Delete the resource `{}`? Its bucket and objects stay.", self.name);
        input::confirm(&session.out, self.yes || self.dry_run, &question).await?;
        let path = ["resources", &self.name];
        let call = Call::delete(&path).if_match(self.if_match).dry_run(self.dry_run);
        let answer = session.client.send(call).await?.body;
        if self.dry_run && answer.is_null() {
            session.out.say(format!("the resource `{}` would be deleted", self.name));
        }
        session.out.saved(&format!("deleted the resource `{}`", self.name), &answer, self.dry_run)?;
        Ok(Exit::Ok)
    }
}

impl Test {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        if self.history {
            let name = self.name.unwrap_or_default();
            let answer = session.client.send(Call::get(&["resources", &name, "tests"])).await?.body;
            session.out.rows(&answer, "tests", report::KEPT)?;
            if session.out.format() == Format::Table && answer.get("rechecks").is_some_and(holds_rows) {
                session.out.line("")?;
                session.out.rows(&answer, "rechecks", report::HEALTH)?;
            }
            return Ok(Exit::Ok);
        }
        let body = match &self.file {
            Some(file) => {
                let definition = definition::from_file(Some(file), None, Patch::default()).await?;
                json!({"definition": definition, "write": self.write, "origins": self.origins})
            }
            None => json!({"write": self.write, "origins": self.origins}),
        };
        let name = self.name.as_deref().filter(|_| self.file.is_none());
        let path: Vec<&str> = ["resources"].into_iter().chain(name).chain(["test"]).collect();
        report::run(session, Call::post(&path, body)).await
    }
}

impl Health {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let answer = match &self.name {
            Some(name) => {
                let answer = session.client.send(Call::get(&["resources", name, "tests"])).await?.body;
                json!({"rechecks": answer.get("rechecks")})
            }
            None => session.client.send(Call::get(&["rechecks"])).await?.body,
        };
        session.out.rows(&answer, "rechecks", report::HEALTH)?;
        if !answer.get("rechecks").is_some_and(holds_rows) {
            session.out.say("nothing is re-checked: `resource update NAME --recheck-interval-ms 900000` does it every 15 minutes");
        }
        Ok(Exit::Ok)
    }
}

impl CopyTo {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let path = ["resources", &self.name, "copy"];
        let call = Call::post(&path, json!({"name": self.new_name})).dry_run(self.dry_run);
        let answer = session.client.send(call).await?.body;
        session.out.saved(
            &format!("copied `{}` to `{}`", self.name, self.new_name),
            &answer,
            self.dry_run,
        )?;
        Ok(Exit::Ok)
    }
}

impl Restore {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let path = ["resources", &self.name, "restore"];
        let call = Call::post(&path, json!({"version": self.version})).if_match("*").dry_run(self.dry_run);
        if self.dry_run && session.out.format() == Format::Table {
            let before = session.client.send(Call::get(&["resources", &self.name])).await?.body;
            let after = session.client.send(call).await?.body;
            definition::would_differ(session, &before, &after)?;
            return Ok(Exit::Ok);
        }
        let answer = session.client.send(call).await?.body;
        let sentence = format!("version {} of the resource `{}` is back", self.version, self.name);
        session.out.saved(&sentence, &answer, self.dry_run)?;
        Ok(Exit::Ok)
    }
}

fn holds_rows(list: &Value) -> bool {
    list.as_array().is_some_and(|rows| !rows.is_empty())
}

fn name_in(answer: &Value) -> &str {
    answer.get("name").and_then(Value::as_str).unwrap_or_default()
}
