//! What a rule may say: bounds, and words that must mean something.

use super::{ANY, NO_ROLE, UsagePolicy, matches};
use crate::finding::Finding;
use crate::model::name::{Identifier, Name};
use crate::model::resource::{CREDENTIAL_FIELDS, IDENTITY_FIELDS};

/// A route has this name, so that a rule of it could not be shown.
const RESERVED: &str = "check";
/// Entries of one list.
const MOST_ENTRIES: usize = 100;
/// Bytes of one pattern; the ARN of a role or a secret is shorter (IAM and Secrets Manager quotas).
const MOST_BYTES: usize = 2048;

/// Fields that may hold a reference, besides the credential and identity fields.
const VISIBLE_FIELDS: &[&str] = &[
    "bucket",
    "region",
    "prefix",
    "endpoint",
    "public_endpoint",
    "expected_bucket_owner",
    "default_storage_class",
    "encryption.key_id",
    "assume_role.session_name",
];

impl UsagePolicy {
    /// Bounds and words that serde cannot see.
    pub fn validate(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.name.as_str() == RESERVED {
            findings.push(
                Finding::error("RESERVED_NAME", "name", format!("`{RESERVED}` is the name of a route"))
                    .with_help("choose another name"),
            );
        }
        if self.source != ANY
            && let Err(error) = Identifier::parse(&self.source)
        {
            findings.push(
                Finding::error("INVALID_NAME", "source", error.to_string())
                    .with_help("give the name of a source, or `*` for every source"),
            );
        }
        findings.extend(filled("secrets", Some(&self.secrets), "name at least one secret, or `*` for all"));
        findings.extend(filled("fields", Some(&self.fields), "name at least one field, or `*` for all"));
        findings.extend(filled(
            "endpoint_hosts",
            self.endpoint_hosts.as_deref(),
            "name hosts, or leave the list out to allow all",
        ));
        findings.extend(filled(
            "role_arns",
            self.role_arns.as_deref(),
            "name roles, `none` for uses without a role, or leave the list out to allow all",
        ));
        findings.extend(each("projects", self.projects.as_deref(), check_project));
        findings.extend(each("secrets", Some(&self.secrets), |_| None));
        findings.extend(each("fields", Some(&self.fields), check_field));
        findings.extend(each("endpoint_hosts", self.endpoint_hosts.as_deref(), check_host));
        findings.extend(each("role_arns", self.role_arns.as_deref(), check_role));
        findings
    }
}

/// Whether a field of that path may hold references.
pub fn is_field(path: &str) -> bool {
    fields().any(|field| field == path)
}

fn fields() -> impl Iterator<Item = &'static str> {
    VISIBLE_FIELDS.iter().chain(CREDENTIAL_FIELDS).chain(IDENTITY_FIELDS).copied()
}

fn filled(path: &'static str, list: Option<&[String]>, help: &str) -> Option<Finding> {
    let empty = list.is_some_and(<[String]>::is_empty);
    empty.then(|| Finding::error("EMPTY_LIST", path, format!("`{path}` is empty")).with_help(help))
}

/// A message and what to do, when an entry cannot be.
type Refusal = Option<(String, &'static str)>;

fn each(path: &'static str, list: Option<&[String]>, check: fn(&str) -> Refusal) -> Vec<Finding> {
    let list = list.unwrap_or_default();
    if list.len() > MOST_ENTRIES {
        let text = format!("`{path}` has more than {MOST_ENTRIES} entries");
        return vec![Finding::error("TOO_MANY", path, text).with_help("make several rules of it")];
    }
    let refusal = |entry: &String| match entry.len() {
        0 => Some(("an entry is empty".to_owned(), "remove it")),
        bytes if bytes > MOST_BYTES => {
            Some((format!("an entry has more than {MOST_BYTES} bytes"), "shorten it with `*`"))
        }
        _ => check(entry),
    };
    let found = list.iter().enumerate().filter_map(|(index, entry)| {
        let (message, help) = refusal(entry)?;
        Some(Finding::error("INVALID_ENTRY", format!("{path}[{index}]"), message).with_help(help))
    });
    found.collect()
}

fn check_project(entry: &str) -> Refusal {
    let error = Name::parse(entry).err().filter(|_| entry != ANY)?;
    Some((error.to_string(), "give the name of a project, or `*` for every project"))
}

fn check_field(entry: &str) -> Refusal {
    let unknown = !fields().any(|field| matches(entry, field));
    unknown.then(|| {
        let shown: String = entry.chars().take(80).collect();
        (
            format!("no field that takes references is called `{shown}`"),
            "write it as in `auth.secret_access_key`, or `*` for every field",
        )
    })
}

fn check_host(entry: &str) -> Refusal {
    let wrong = entry.bytes().any(|byte| !(byte.is_ascii_alphanumeric() || b"-_.:*?".contains(&byte)));
    wrong.then(|| {
        let shown: String = entry.chars().take(80).collect();
        (
            format!("`{shown}` is not a host"),
            "give hosts without scheme, port and path, as in `*.storage.example.com`, or `aws`",
        )
    })
}

fn check_role(entry: &str) -> Refusal {
    let right = entry == NO_ROLE || entry.starts_with("arn:") || entry.starts_with(ANY);
    (!right).then(|| {
        let shown: String = entry.chars().take(80).collect();
        (
            format!("`{shown}` is not the ARN of a role"),
            "write it as in `arn:aws:iam::111122223333:role/name-*`, or `none` for uses without a role",
        )
    })
}
