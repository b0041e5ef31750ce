//! Usage policies: rules that say which secrets may be used where.
//!
//! A rule names secrets and what they may be used for. A secret that no rule names is not ruled, and the
//! installation's default decides. A secret that rules name may be used when at least one of them allows the use as
//! a whole: project, field, endpoint host and role. Rules only ever widen each other, so their order means nothing.

mod validate;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::config::UsageDefault;
use crate::model::name::Name;
use crate::model::resource::{CREDENTIAL_FIELDS, IDENTITY_FIELDS};
use crate::model::secret::SourceDefinition;

pub use validate::is_field;

/// Stands for everything in a list.
pub const ANY: &str = "*";
/// Stands for AWS's own endpoints of S3 among endpoint hosts.
pub const AWS: &str = "aws";
/// Stands for a use without a role among roles.
pub const NO_ROLE: &str = "none";

/// A rule: which secrets, and what they may be used for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UsagePolicy {
    /// Unique in the installation: `[a-z0-9][a-z0-9-]{0,62}`.
    #[schema(value_type = String, example = "payments")]
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// The name of a source, or `*` for every source.
    #[serde(default = "any")]
    #[schema(example = "aws-prod")]
    pub source: String,
    /// Patterns of names or ARNs with `*` and `?`: a secret is named with or without its source's namespace.
    #[schema(example = json!(["payments/*"]))]
    pub secrets: Vec<String>,
    /// The fields that may hold a reference to it, with `*` and `?`; absent allows the credential fields.
    #[serde(default = "credential_fields")]
    #[schema(example = json!(["auth.access_key_id", "auth.secret_access_key"]))]
    pub fields: Vec<String>,
    /// The projects that may use it; absent allows all, an empty list none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["billing"]))]
    pub projects: Option<Vec<String>>,
    /// The hosts that what is signed with it may go to, with `*` and `?`; `aws` stands for AWS's own endpoints of
    /// S3. Absent allows all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["aws", "*.storage.example.com"]))]
    pub endpoint_hosts: Option<Vec<String>>,
    /// The roles that may be assumed with it, with `*` and `?`; `none` stands for a use without a role. Absent
    /// allows all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["arn:aws:iam::111122223333:role/payments-*"]))]
    pub role_arns: Option<Vec<String>>,
}

fn any() -> String {
    ANY.to_owned()
}

fn credential_fields() -> Vec<String> {
    CREDENTIAL_FIELDS.iter().chain(IDENTITY_FIELDS).map(|&field| field.to_owned()).collect()
}

/// Where what is signed goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// The region's own endpoint at AWS.
    Aws,
    /// A host, without brackets and port.
    Named(String),
    /// Not rendered yet: it is not judged.
    Unknown,
}

/// The role that is assumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assumed {
    /// None.
    Nothing,
    /// The one with this ARN.
    Role(String),
    /// Not rendered yet: it is not judged.
    Unknown,
}

/// One use of one secret.
#[derive(Debug, Clone, Copy)]
pub struct Use<'a> {
    /// The project's name.
    pub project: &'a str,
    /// The source's name.
    pub source: &'a str,
    /// Everything that the secret is called; see [`readings_of`].
    pub names: &'a [String],
    /// The path of the field.
    pub field: &'a str,
    /// Where it goes.
    pub host: &'a Host,
    /// The role that is assumed.
    pub role: &'a Assumed,
}

/// What a rule looks at, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// The project.
    Projects,
    /// The field.
    Fields,
    /// The endpoint's host.
    EndpointHosts,
    /// The role.
    RoleArns,
}

impl Dimension {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Dimension::Projects => "project",
            Dimension::Fields => "field",
            Dimension::EndpointHosts => "endpoint host",
            Dimension::RoleArns => "role",
        }
    }
}

/// What the rules say of a use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is allowed: by the rule of that name, or because no rule names the secret.
    Allowed(Option<Name>),
    /// It is not.
    Denied(Denial),
}

/// Why a use is denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// The nearest rule, and the first thing that it refuses.
    Refused(Name, Dimension),
    /// No rule names the secret, and the installation denies what no rule allows.
    NotRuled,
}

impl Denial {
    /// The rule that refused.
    pub fn rule(&self) -> Option<&Name> {
        match self {
            Denial::Refused(rule, _) => Some(rule),
            Denial::NotRuled => None,
        }
    }
}

impl std::fmt::Display for Denial {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Denial::Refused(rule, dimension) => {
                write!(out, "the usage policy `{rule}` does not allow the {}", dimension.as_str())
            }
            Denial::NotRuled => {
                out.write_str("no usage policy names the secret, and here what none allows is denied")
            }
        }
    }
}

/// Judges a use. Of the rules that name the secret one must allow the use as a whole; a denial tells of the one
/// that came nearest, and of the first in the alphabet when several did.
pub fn judge<'a>(
    rules: impl IntoIterator<Item = &'a UsagePolicy>,
    default: UsageDefault,
    used: &Use<'_>,
) -> Decision {
    let ruling = rules.into_iter().filter(|rule| rule.names(used));
    let nearest = ruling.max_by_key(|rule| {
        // what allows comes after every dimension
        (rule.refuses(used).map_or((1, None), |dimension| (0, Some(dimension))), Reverse(&rule.name))
    });
    match nearest.map(|rule| (&rule.name, rule.refuses(used))) {
        Some((name, None)) => Decision::Allowed(Some(name.clone())),
        Some((name, Some(dimension))) => Decision::Denied(Denial::Refused(name.clone(), dimension)),
        None if default == UsageDefault::Deny => Decision::Denied(Denial::NotRuled),
        None => Decision::Allowed(None),
    }
}

/// Judges every way in which the secret may be meant. One that a rule refuses is enough for a denial: two rules for
/// two secrets must not widen each other because an ARN may mean either.
pub fn judge_all<'a>(
    rules: &(impl IntoIterator<Item = &'a UsagePolicy> + Clone),
    default: UsageDefault,
    used: &Use<'_>,
    readings: &[Vec<String>],
) -> Decision {
    let mut allowed = None;
    let mut not_ruled = false;
    for names in readings {
        match judge(rules.clone(), default, &Use { names, ..*used }) {
            Decision::Allowed(rule) => allowed = allowed.or(rule),
            Decision::Denied(Denial::NotRuled) => not_ruled = true,
            Decision::Denied(refused) => return Decision::Denied(refused),
        }
    }
    if not_ruled && allowed.is_none() {
        Decision::Denied(Denial::NotRuled)
    } else {
        Decision::Allowed(allowed)
    }
}

/// What a secret of a source may be called, once for every way in which it may be meant: its name there and the name
/// without the namespace. An ARN may end with the six characters that AWS puts behind a name, or not: both are
/// readings. A rule that names one of the names of a reading names the secret, so that writing a reference in another
/// way does not avoid it.
pub fn readings_of(source: &SourceDefinition, secret: &str) -> Vec<Vec<String>> {
    let Some(name) = name_in_arn(secret) else { return vec![names_of(source, &[secret])] };
    let whole = names_of(source, &[secret, name]);
    let stripped = without_suffix(name).map(|name| names_of(source, &[secret, name]));
    std::iter::once(whole).chain(stripped).collect()
}

/// The names, and those of them without the namespace.
pub fn names_of(source: &SourceDefinition, told: &[&str]) -> Vec<String> {
    let short = told.iter().filter_map(|name| source.short_name(name)).filter(|name| !name.is_empty());
    let mut names: Vec<String> = told.iter().copied().chain(short).map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// `arn:partition:secretsmanager:region:account:secret:NAME`
fn name_in_arn(secret: &str) -> Option<&str> {
    secret.starts_with("arn:").then(|| secret.splitn(7, ':').nth(6)).flatten()
}

fn without_suffix(name: &str) -> Option<&str> {
    let (before, suffix) = name.rsplit_once('-')?;
    (suffix.len() == 6 && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(before)
}

impl UsagePolicy {
    /// Whether the rule names the secret.
    fn names(&self, used: &Use<'_>) -> bool {
        self.is_about(used.source, used.names)
    }

    /// Whether the rule names a secret of the source that is called so.
    pub fn is_about(&self, source: &str, names: &[String]) -> bool {
        (self.source == ANY || self.source == source)
            && self.secrets.iter().any(|pattern| names.iter().any(|name| matches(pattern, name)))
    }

    /// The first thing that the rule does not allow.
    fn refuses(&self, used: &Use<'_>) -> Option<Dimension> {
        let listed = |list: &Option<Vec<String>>, allows: &dyn Fn(&str) -> bool| {
            list.as_ref().is_none_or(|list| list.iter().any(|entry| allows(entry)))
        };
        if !listed(&self.projects, &|name: &str| name == ANY || name == used.project) {
            return Some(Dimension::Projects);
        }
        if !self.fields.iter().any(|pattern| matches(pattern, used.field)) {
            return Some(Dimension::Fields);
        }
        if !listed(&self.endpoint_hosts, &|pattern: &str| reaches(pattern, used.host)) {
            return Some(Dimension::EndpointHosts);
        }
        if !listed(&self.role_arns, &|pattern: &str| assumes(pattern, used.role)) {
            return Some(Dimension::RoleArns);
        }
        None
    }
}

fn reaches(pattern: &str, host: &Host) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    match host {
        Host::Unknown => true,
        // patterns of names reach AWS when they would by its name
        Host::Aws => pattern == AWS || matches(&pattern, "s3.amazonaws.com"),
        Host::Named(name) if pattern == AWS => is_aws(&name.to_ascii_lowercase()),
        Host::Named(name) => matches(&pattern, &name.to_ascii_lowercase()),
    }
}

/// Whether a host is one of AWS's own endpoints of S3 (AWS General Reference, S3 endpoints). Anybody can have a
/// name under `amazonaws.com`, of a machine or a load balancer: the form must be exactly that of an endpoint.
fn is_aws(host: &str) -> bool {
    let Some(rest) = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))
    else {
        return false;
    };
    let mut labels = rest.split('.');
    let service = labels.next().unwrap_or_default();
    let known = ["s3", "s3-fips", "s3-accelerate", "s3-external-1"].contains(&service)
        || service.strip_prefix("s3-").is_some_and(is_region);
    let mut labels = labels.skip_while(|label| *label == "dualstack");
    known && labels.next().is_none_or(is_region) && labels.next().is_none()
}

/// `eu-central-1`, `us-gov-west-1`
fn is_region(label: &str) -> bool {
    let parts: Vec<&str> = label.split('-').collect();
    let words = |parts: &[&str]| {
        parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase()))
    };
    parts.split_last().is_some_and(|(number, before)| {
        before.len() >= 2 && words(before) && number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit())
    })
}

fn assumes(pattern: &str, role: &Assumed) -> bool {
    match role {
        Assumed::Unknown => true,
        Assumed::Nothing => pattern == NO_ROLE || pattern == ANY,
        Assumed::Role(arn) => pattern != NO_ROLE && matches(pattern, arn),
    }
}

/// `*` stands for any text and `?` for one byte. Only the last `*` is ever tried again, so the steps are bounded by
/// the product of the lengths, which are bounded themselves, and no pattern makes them grow faster.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut from) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(from) {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                retry = Some((at, from));
            }
            Some(&wanted) if wanted == byte || wanted == b'?' => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((back, start)) = retry else { return false };
                at = back;
                from = start + 1;
                retry = Some((back, from));
            }
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}
