//! The fields of a resource as flags.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::definition::{self, CredentialFlags, RoleFlags};
use crate::cli::exit::usage;
use crate::cli::patch::{Number, Patch};
use crate::cli::{Session, input};
use crate::model::operation::Operation;
use crate::model::provider;
use crate::model::resource::CUSTOMER_KEY_FIELD;

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
    /// Region of the bucket; `auto` finds out
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Every key is relative to this prefix, and nothing outside can be reached
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// URL of an S3-compatible service; none means AWS
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// URL under which others reach the store: signed URLs are made for it
    #[arg(long, value_name = "URL")]
    public_endpoint: Option<String>,
    /// How the bucket is put into the URL
    #[arg(long, value_parser = ["auto", "virtual", "path"])]
    addressing: Option<String>,
    #[arg(long, value_name = "NAME", help = provider_help())]
    provider: Option<String>,
    /// Canned ACL that uploads get
    #[arg(long, value_name = "ACL", value_parser = clap::builder::PossibleValuesParser::new(ACLS))]
    default_acl: Option<String>,
    /// Storage class that uploads get
    #[arg(long, value_name = "CLASS")]
    default_storage_class: Option<String>,
    /// How objects are encrypted
    #[arg(long, value_parser = ["bucket-default", "sse-s3", "sse-kms", "sse-c"])]
    encryption: Option<String>,
    /// KMS key that uploads are encrypted with
    #[arg(long, value_name = "ID")]
    kms_key_id: Option<String>,
    /// Key of SSE-C, the base64 of 32 bytes: a template like "{{ secrets.s3.key }}", `@file` or `-` (stdin)
    #[arg(long, value_name = "VALUE", conflicts_with = "kms_key_id")]
    customer_key: Option<String>,
    /// The caller pays for requests and transfer
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false")]
    requester_pays: Option<bool>,
    /// Whether the bytes of uploads are signed: `auto` does over plain HTTP
    #[arg(long, value_parser = ["auto", "always", "never"])]
    payload_signing: Option<String>,
    /// Account that must own the bucket
    #[arg(long, value_name = "ACCOUNT")]
    expected_bucket_owner: Option<String>,
    /// Operations that may run through the resource, with commas between them; `all` lifts the limit
    #[arg(long, value_delimiter = ',', value_parser = operation)]
    operations: Option<Vec<String>>,
    /// Origins of pages that use the bucket from browsers, with commas between them; empty for none
    #[arg(long, value_name = "ORIGINS", value_delimiter = ',')]
    browser_origins: Option<Vec<String>>,
    /// Bytes that one read may answer
    #[arg(long, value_name = "BYTES")]
    max_read_bytes: Option<Number>,
    /// Bytes that one upload may have
    #[arg(long, value_name = "BYTES")]
    max_put_bytes: Option<Number>,
    /// Milliseconds until the store's first byte, 100 to 600000
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<Number>,
    /// Tries after the first one, 0 to 10
    #[arg(long, value_name = "NUMBER")]
    retries: Option<Number>,
    /// Milliseconds between two tests on a schedule, at least 60000; '' ends them
    #[arg(long, value_name = "MS")]
    recheck_interval_ms: Option<Number>,
    /// URL that is told when the verdict of those tests changes
    #[arg(long, value_name = "URL")]
    recheck_webhook: Option<String>,
    /// Certificates (PEM) to trust besides the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<String>,
    /// Outbound route that requests take, one of those in the server's configuration
    #[arg(long, value_name = "NAME")]
    outbound: Option<String>,
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
    /// Let the server make an unguessable external id for the role: `resource show` tells it
    #[arg(long, conflicts_with = "external_id", help_heading = "Identity")]
    generate_external_id: bool,
    /// Tag of the role's sessions; may be repeated, and an empty value removes it
    #[arg(long = "session-tag", value_name = "NAME=VALUE", value_parser = input::pair, help_heading = "Identity")]
    session_tags: Vec<(String, String)>,
    /// What the role's sessions may do at the most: `none` (all that the role may), `scoped` (this bucket and
    /// prefix), or `@file` with a policy
    #[arg(long, value_name = "POLICY", help_heading = "Identity")]
    session_policy: Option<String>,
}

impl Fields {
    /// What the flags change.
    pub(crate) async fn patch(&self, session: &Session) -> anyhow::Result<Patch> {
        let mut patch = Patch::default();
        self.add_texts(&mut patch);
        self.add_limits(&mut patch);
        self.add_recheck(&mut patch)?;
        self.add_encryption(&mut patch, session).await?;
        self.credentials.add_to(&mut patch, &session.out).await?;
        if self.anonymous {
            definition::unsigned(&mut patch, "anonymous");
        }
        self.role.add_to(&mut patch);
        if self.generate_external_id {
            patch.set("assume_role.external_id", json!({"generate": true}));
        }
        for (name, value) in &self.session_tags {
            let value = if value.is_empty() { Value::Null } else { json!(value) };
            patch.set("assume_role.tags", json!({ name: value }));
        }
        if let Some(policy) = &self.session_policy {
            patch.set("assume_role.session_policy", session_policy(policy).await?);
        }
        if let Some(file) = &self.ca_file {
            let pem = if file.is_empty() { String::new() } else { input::value(&format!("@{file}")).await? };
            patch.text("tls.ca_pem", Some(&pem));
        }
        patch.text("outbound", self.outbound.as_deref());
        Ok(patch)
    }

    /// What only a change may say: refuses it for a new definition.
    pub(crate) fn check_new(&self) -> anyhow::Result<()> {
        definition::nothing_to_clear(&[
            ("--max-read-bytes", self.max_read_bytes),
            ("--max-put-bytes", self.max_put_bytes),
            ("--timeout-ms", self.timeout_ms),
            ("--retries", self.retries),
            ("--recheck-interval-ms", self.recheck_interval_ms),
            ("--role-duration", self.role.role_duration),
        ])
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
            ("public_endpoint", &self.public_endpoint),
            ("addressing", &self.addressing),
            ("provider", &self.provider),
            ("default_storage_class", &self.default_storage_class),
            ("expected_bucket_owner", &self.expected_bucket_owner),
            ("payload_signing", &self.payload_signing),
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
    }

    /// A kind of its own takes what belongs to another one away.
    async fn add_encryption(&self, patch: &mut Patch, session: &Session) -> anyhow::Result<()> {
        let named = self.encryption.as_ref().map(|kind| kind.replace('-', "_"));
        let by_key = || self.kms_key_id.as_ref().map(|_| "sse_kms".to_owned());
        let by_customer_key = || self.customer_key.as_ref().map(|_| "sse_c".to_owned());
        let Some(kind) = named.or_else(by_key).or_else(by_customer_key) else { return Ok(()) };
        let key_id = if kind == "sse_kms" { self.kms_key_id.as_deref() } else { Some("") };
        let customer_key = match &self.customer_key {
            Some(_) if kind != "sse_c" => return Err(usage("--customer-key goes with `--encryption sse-c`")),
            Some(argument) if argument == "-" && self.credentials.read_stdin() => {
                return Err(usage(definition::ONE_STDIN));
            }
            Some(argument) => Some(input::secret(&session.out, "--customer-key", argument).await?),
            None if kind == "sse_c" => None,
            None => Some(String::new()),
        };
        patch.set("encryption.kind", kind);
        patch.text("encryption.key_id", key_id);
        patch.text(CUSTOMER_KEY_FIELD, customer_key.as_deref());
        Ok(())
    }

    fn add_recheck(&self, patch: &mut Patch) -> anyhow::Result<()> {
        match self.recheck_interval_ms {
            Some(Number::Clear) if self.recheck_webhook.is_some() => {
                return Err(usage(
                    "without re-checks there is nothing to tell a webhook: leave one flag out",
                ));
            }
            Some(Number::Clear) => patch.set("recheck", Value::Null),
            interval => patch.number("recheck.interval_ms", interval),
        }
        patch.text("recheck.webhook", self.recheck_webhook.as_deref());
        Ok(())
    }

    fn add_limits(&self, patch: &mut Patch) {
        patch.number("limits.max_read_bytes", self.max_read_bytes);
        patch.number("limits.max_put_bytes", self.max_put_bytes);
        patch.number("limits.timeout_ms", self.timeout_ms);
        patch.number("limits.retries", self.retries);
        if let Some(origins) = &self.browser_origins {
            let named: Vec<&str> =
                origins.iter().map(|origin| origin.trim()).filter(|origin| !origin.is_empty()).collect();
            patch.set("browser_origins", json!(named));
        }
        if let Some(operations) = &self.operations {
            let all = operations.iter().any(|operation| operation == "all");
            patch.set("operations", if all { Value::Null } else { json!(operations) });
        }
    }
}

fn provider_help() -> String {
    let ids: Vec<&str> = provider::PROFILES.iter().map(|profile| profile.id).collect();
    format!("Profile of the provider: `auto` goes by the endpoint; else one of {}", ids.join(", "))
}

/// A word of the definition, or the one for all of them.
fn operation(word: &str) -> Result<String, String> {
    let words: Vec<&str> = Operation::ALL.iter().map(|operation| operation.as_str()).collect();
    if word == "all" || words.contains(&word) {
        return Ok(word.to_owned());
    }
    Err(format!("use `all`, or some of {}", words.join(", ")))
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

#[cfg(test)]
mod tests {
    use super::provider_help;
    use crate::model::provider;

    const PAGE: &str = include_str!("../../docs/resources.md");

    #[test]
    fn help_and_documentation_name_every_provider() {
        for profile in provider::PROFILES {
            assert!(provider_help().contains(profile.id), "{}", profile.id);
            let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{}` | ", profile.id)));
            let row = row.unwrap_or_else(|| panic!("`{}` is not in docs/resources.md", profile.id));
            assert!(row.contains(&format!("`{}`", profile.default_region)), "{row}");
            assert!(profile.hosts.iter().all(|host| row.contains(host)), "{row}");
        }
    }
}
