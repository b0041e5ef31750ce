//! `resource`: define, show, test and change resources.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::client::Call;
use crate::cli::definition::{self, CredentialFlags, RoleFlags, Update};
use crate::cli::exit::{Exit, usage};
use crate::cli::output::Column;
use crate::cli::patch::Patch;
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
const HISTORY: &[Column] =
    &[("VERSION", "version"), ("CHANGED AT", "changed_at"), ("CHANGED BY", "changed_by")];

/// Words of S3 for canned ACLs, and one for none.
const ACLS: &[&str] = &[
    "none",
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
];

/// What can be done with resources.
#[derive(Debug, Subcommand)]
pub(crate) enum ResourceCommand {
    /// Defines a resource: one bucket, or a part of it, with everything needed to reach it
    #[command(after_help = "Examples:
  s3-connector resource create invoices --bucket acme-invoices --region eu-central-1 \\
      --access-key-id '{{ secrets.s3.key_id }}' --secret-access-key '{{ secrets.s3.secret }}'
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
  s3-connector resource test --file resource.json      # before it is created
  s3-connector resource test invoices --history

Exits with 1 when the verdict is `fails`.")]
    Test(Test),
    /// Copies a resource under another name, with its keys
    #[command(after_help = "Example:\n  s3-connector resource copy invoices invoices-test")]
    Copy(CopyTo),
    /// Lists the earlier versions of a resource
    #[command(after_help = "Example:\n  s3-connector resource history invoices")]
    History(Named),
    /// Brings an earlier version of a resource back, as a new version
    #[command(after_help = "Example:\n  s3-connector resource restore invoices 3")]
    Restore(Restore),
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
    /// Show the results that were kept instead of testing
    #[arg(long, conflicts_with_all = ["file", "write"])]
    history: bool,
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

/// The fields of a definition as flags. Empty values clear.
#[derive(Debug, Args)]
#[command(next_help_heading = "Definition")]
pub(crate) struct Fields {
    /// What the resource is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Folder to sort it in, for example `finance/eu`
    #[arg(long, value_name = "PATH")]
    folder: Option<String>,
    /// Label; may be repeated, and an empty value removes it
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = input::pair)]
    labels: Vec<(String, String)>,
    /// Name of the bucket, or ARN of an access point
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
    /// Region of the bucket
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Every key is relative to this prefix, and nothing outside can be reached
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// URL of an S3-compatible service; none means AWS
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// How the bucket is put into the URL
    #[arg(long, value_parser = ["auto", "virtual", "path"])]
    addressing: Option<String>,
    /// Profile of the provider; `auto` goes by the endpoint
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Canned ACL that uploads get
    #[arg(long, value_name = "ACL", value_parser = clap::builder::PossibleValuesParser::new(ACLS))]
    default_acl: Option<String>,
    /// Storage class that uploads get
    #[arg(long, value_name = "CLASS")]
    default_storage_class: Option<String>,
    /// How uploads are encrypted
    #[arg(long, value_parser = ["bucket-default", "sse-s3", "sse-kms"])]
    encryption: Option<String>,
    /// KMS key that uploads are encrypted with
    #[arg(long, value_name = "ID")]
    kms_key_id: Option<String>,
    /// The caller pays for requests and transfer
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false")]
    requester_pays: Option<bool>,
    /// Account that must own the bucket
    #[arg(long, value_name = "ACCOUNT")]
    expected_bucket_owner: Option<String>,
    /// Operations that may run through the resource, with commas between them; `all` lifts the limit
    #[arg(long, value_delimiter = ',', value_parser = ["all", "list", "head", "get", "put", "delete"])]
    operations: Option<Vec<String>>,
    /// Bytes that one read may answer
    #[arg(long, value_name = "BYTES")]
    max_read_bytes: Option<u64>,
    /// Bytes that one upload may have
    #[arg(long, value_name = "BYTES")]
    max_put_bytes: Option<u64>,
    /// Milliseconds until the store's first byte, 100 to 600000
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// Tries after the first one, 0 to 10
    #[arg(long, value_name = "NUMBER")]
    retries: Option<u32>,
    /// Certificates (PEM) to trust besides the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<String>,
    #[command(flatten)]
    credentials: CredentialFlags,
    /// Do not sign requests
    #[arg(
        long,
        help_heading = "Identity",
        conflicts_with_all = ["access_key_id", "secret_access_key", "session_token", "default_chain", "role_arn"]
    )]
    anonymous: bool,
    #[command(flatten)]
    role: RoleFlags,
    /// What the role's sessions may do at the most: `none` (all that the role may), `scoped` (this bucket and
    /// prefix), or `@file` with a policy
    #[arg(long, value_name = "POLICY", help_heading = "Identity")]
    session_policy: Option<String>,
}

impl Fields {
    async fn patch(&self, session: &Session) -> anyhow::Result<Patch> {
        let mut patch = Patch::default();
        self.add_texts(&mut patch);
        self.add_limits(&mut patch);
        self.credentials.add_to(&mut patch, &session.out).await?;
        if self.anonymous {
            definition::unsigned(&mut patch, "anonymous");
        }
        self.role.add_to(&mut patch);
        if let Some(policy) = &self.session_policy {
            patch.set("assume_role.session_policy", session_policy(policy).await?);
        }
        if let Some(file) = &self.ca_file {
            let pem = if file.is_empty() { String::new() } else { input::value(&format!("@{file}")).await? };
            patch.text("tls.ca_pem", Some(&pem));
        }
        Ok(patch)
    }

    fn add_texts(&self, patch: &mut Patch) {
        // these have an empty form of their own
        for (path, value) in [
            ("description", &self.description),
            ("folder", &self.folder),
            ("region", &self.region),
            ("prefix", &self.prefix),
        ] {
            patch.plain(path, value.as_deref());
        }
        patch.plain("bucket", self.bucket.as_deref());
        for (path, value) in [
            ("endpoint", &self.endpoint),
            ("addressing", &self.addressing),
            ("provider", &self.provider),
            ("default_storage_class", &self.default_storage_class),
            ("expected_bucket_owner", &self.expected_bucket_owner),
        ] {
            patch.text(path, value.as_deref());
        }
        let acl = self.default_acl.as_deref().map(|acl| if acl == "none" { "" } else { acl });
        patch.text("default_acl", acl);
        patch.plain("requester_pays", self.requester_pays);
        for (name, value) in &self.labels {
            let value = if value.is_empty() { Value::Null } else { json!(value) };
            patch.set("labels", json!({ name: value }));
        }
        self.add_encryption(patch);
    }

    fn add_encryption(&self, patch: &mut Patch) {
        let kind = self.encryption.as_ref().map(|kind| kind.replace('-', "_"));
        if let Some(kind) = kind.or_else(|| self.kms_key_id.as_ref().map(|_| "sse_kms".to_owned())) {
            let key = if kind == "sse_kms" { self.kms_key_id.as_deref() } else { Some("") };
            patch.set("encryption.kind", kind);
            patch.text("encryption.key_id", key);
        }
    }

    fn add_limits(&self, patch: &mut Patch) {
        patch.plain("limits.max_read_bytes", self.max_read_bytes);
        patch.plain("limits.max_put_bytes", self.max_put_bytes);
        patch.plain("limits.timeout_ms", self.timeout_ms);
        patch.plain("limits.retries", self.retries);
        if let Some(operations) = &self.operations {
            let all = operations.iter().any(|operation| operation == "all");
            patch.set("operations", if all { Value::Null } else { json!(operations) });
        }
    }
}

async fn session_policy(argument: &str) -> anyhow::Result<Value> {
    match argument {
        "none" | "scoped" => Ok(json!(argument)),
        _ => match argument.strip_prefix('@') {
            Some(file) => input::json(file.as_ref()).await,
            None => Err(usage("--session-policy is `none`, `scoped` or `@file`")),
        },
    }
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
            ResourceCommand::Copy(copy) => copy.run(session).await,
            ResourceCommand::History(named) => named.history(session).await,
            ResourceCommand::Restore(restore) => restore.run(session).await,
        }
    }
}

impl Create {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let patch = self.fields.patch(session).await?;
        let definition = definition::from_file(self.file.as_ref(), self.name.as_deref(), patch).await?;
        if definition.get("auth").is_none() {
            return Err(usage(
                "the resource has no credentials: give --access-key-id and --secret-access-key, --default-chain or --anonymous",
            ));
        }
        let call = Call::post(&["resources"], definition).dry_run(self.dry_run);
        let answer = session.client.send(call).await?.body;
        session.out.saved(&format!("created the resource `{}`", name_in(&answer)), &answer, self.dry_run)?;
        Ok(Exit::Ok)
    }
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
        let answer = session.client.send(Call::get(&["resources", &self.name, "history"])).await?.body;
        session.out.rows(&answer, "versions", HISTORY)?;
        Ok(Exit::Ok)
    }
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
        let answer = update.send(session).await?.body;
        session.out.saved(&format!("updated the resource `{}`", self.name), &answer, self.dry_run)?;
        Ok(Exit::Ok)
    }
}

impl Delete {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let question = format!("Delete the resource `{}`? Its bucket and objects stay.", self.name);
        input::confirm(&session.out, self.yes || self.dry_run, &question).await?;
        let path = ["resources", &self.name];
        let call = Call::delete(&path).if_match(self.if_match).dry_run(self.dry_run);
        let answer = session.client.send(call).await?.body;
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
            return Ok(Exit::Ok);
        }
        let body = match &self.file {
            Some(file) => {
                let definition = definition::from_file(Some(file), None, Patch::default()).await?;
                json!({"definition": definition, "write": self.write})
            }
            None => json!({"write": self.write}),
        };
        let name = self.name.as_deref().filter(|_| self.file.is_none());
        let path: Vec<&str> = ["resources"].into_iter().chain(name).chain(["test"]).collect();
        let running = session.out.spinner("testing");
        let answer = session.client.send(Call::post(&path, body)).await;
        running.finish_and_clear();
        report::show(&session.out, &answer?.body)
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
        let answer = session.client.send(call).await?.body;
        let sentence = format!("version {} of the resource `{}` is back", self.version, self.name);
        session.out.saved(&sentence, &answer, self.dry_run)?;
        Ok(Exit::Ok)
    }
}

fn name_in(answer: &Value) -> &str {
    answer.get("name").and_then(Value::as_str).unwrap_or_default()
}
