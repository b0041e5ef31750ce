//! Secret sources: places that secrets come from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::finding::Finding;
use crate::model::literal::Credential;
use crate::model::name::{Identifier, Name};
use crate::template::Mode;

/// Fields of a source that hold its own keys.
pub const CREDENTIAL_FIELDS: &[&str] =
    &["auth.access_key_id", "auth.secret_access_key", "auth.session_token"];

/// Milliseconds that a value is fresh when a source does not say otherwise.
pub const DEFAULT_TTL_MS: u64 = 300_000;

/// Milliseconds that a value is served while its source cannot be reached.
pub const DEFAULT_MAX_STALE_MS: u64 = 24 * 60 * 60 * 1000;

/// Seconds that a session lasts at the most when its role is assumed by the session of another one (STS, `AssumeRole`).
const MOST_CHAINED_SECONDS: u32 = 3_600;

/// Whom a source belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceScope {
    /// One project.
    #[default]
    Project,
    /// The whole installation: every project may use it.
    Workspace,
}

/// A secret source as it is stored and shown. Literal keys stand in it only as marks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SourceDefinition {
    /// Unique in its project: `[A-Za-z_][A-Za-z0-9_-]*`, so that `secrets@name` can be written.
    #[schema(value_type = String, example = "aws-prod")]
    pub name: Identifier,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Whom it belongs to: one project, or the workspace, whose sources every project may use. It never changes.
    #[serde(default)]
    pub scope: SourceScope,
    /// Where the secrets live.
    #[serde(flatten)]
    pub kind: SourceKind,
    /// Milliseconds that a value is fresh; 0 reads it anew for every resolution.
    #[serde(default = "default_ttl")]
    #[schema(example = 300_000)]
    pub cache_ttl_ms: u64,
    /// Milliseconds that a value is served while the source cannot be reached.
    #[serde(default = "default_max_stale")]
    #[schema(example = 86_400_000)]
    pub max_stale_ms: u64,
    /// Paths that may be used outside credential fields, where their value becomes visible, for example `*.bucket`.
    #[serde(default)]
    #[schema(example = json!(["*.bucket", "*.region"]))]
    pub config_paths: Vec<String>,
    /// Short names for secrets.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, Alias>)]
    pub aliases: BTreeMap<Identifier, Alias>,
}

fn default_ttl() -> u64 {
    DEFAULT_TTL_MS
}

fn default_max_stale() -> u64 {
    DEFAULT_MAX_STALE_MS
}

/// The kinds of sources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SourceKind {
    /// AWS Secrets Manager.
    Aws(Box<AwsSource>),
    /// The encrypted vault in our own store.
    Local,
}

/// Where and as whom AWS Secrets Manager is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AwsSource {
    /// The region of the secrets.
    #[schema(example = "us-east-1")]
    pub region: String,
    /// Another endpoint, for example of a VPC; absent for the region's own.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Put before every name that is not an ARN.
    #[serde(default)]
    #[schema(example = "retool/prod")]
    pub namespace: String,
    /// Whose credentials are used.
    pub auth: SourceAuth,
    /// A role to assume first.
    #[serde(default)]
    pub assume_role: Option<SourceRole>,
    /// Ask with every read when the secret will be rotated (`DescribeSecret`), and keep it no longer than that.
    #[serde(default)]
    pub follow_rotation: bool,
    /// Roles by project, of a source of the workspace: for references of that project its role is assumed before
    /// anything is read, on top of the source's own identity and `assume_role`.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, SourceRole>, example = json!({"billing": {"role_arn": "arn:aws:iam::111122223333:role/billing-secrets", "external_id": "billing-1"}}))]
    pub project_roles: BTreeMap<Name, SourceRole>,
    /// Whether a project without a role of its own is refused; else it reads with the source's own identity.
    #[serde(default)]
    pub project_roles_required: bool,
}

/// Whose credentials a source uses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SourceAuth {
    /// An access key; stored sealed and never shown.
    AccessKey {
        /// The id of the key.
        access_key_id: Credential,
        /// The key.
        secret_access_key: Credential,
        /// For temporary credentials.
        #[serde(default)]
        session_token: Option<Credential>,
    },
    /// The service's own identity: environment, profile, web identity, container, instance.
    DefaultChain,
}

/// A role that a source assumes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceRole {
    /// The role's ARN.
    pub role_arn: String,
    /// What the role's trust policy asks for in `sts:ExternalId`.
    #[serde(default)]
    pub external_id: Option<String>,
    /// 2 to 64 of `[\w+=,.@-]`.
    #[serde(default)]
    pub session_name: Option<String>,
    /// Seconds, 900 to 43200.
    #[serde(default)]
    pub duration: Option<u32>,
}

/// What an alias stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    /// The secret's name (the namespace is put before it) or ARN.
    #[schema(example = "payments/s3")]
    pub secret: String,
    /// How the value is read.
    #[serde(default)]
    #[schema(value_type = String, example = "auto")]
    pub mode: Mode,
}

impl SourceDefinition {
    /// Bounds that serde cannot see.
    pub fn validate(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.max_stale_ms > 30 * 24 * 60 * 60 * 1000 {
            findings.push(Finding::error(
                "OUT_OF_RANGE",
                "max_stale_ms",
                "max_stale_ms must be at most 30 days (2592000000)",
            ));
        }
        if self.cache_ttl_ms > 24 * 60 * 60 * 1000 {
            findings.push(Finding::error(
                "OUT_OF_RANGE",
                "cache_ttl_ms",
                "cache_ttl_ms must be at most one day (86400000)",
            ));
        }
        if let SourceKind::Aws(aws) = &self.kind {
            if aws.region.trim().is_empty() {
                findings.push(
                    Finding::error("REGION_MISSING", "region", "the region is empty")
                        .with_help("give the region of the secrets, for example `us-east-1`"),
                );
            }
            findings
                .extend(aws.assume_role.as_ref().and_then(|role| not_a_role("assume_role.role_arn", role)));
            findings.extend(aws.project_role_findings(self.scope));
        }
        findings
    }

    /// The name that the source knows a secret by: the namespace is put before everything but an ARN.
    pub fn full_name(&self, secret: &str) -> String {
        let SourceKind::Aws(aws) = &self.kind else { return secret.to_owned() };
        let namespace = aws.namespace.as_str();
        if namespace.is_empty() || secret.starts_with("arn:") {
            return secret.to_owned();
        }
        let separated = namespace.ends_with(['/', '_', '+', '=', '.', '@', '-']);
        format!("{namespace}{}{secret}", if separated { "" } else { "/" })
    }

    /// The short name of a secret that the source knows by `full_name`; `None` outside the namespace.
    pub fn short_name<'a>(&self, full_name: &'a str) -> Option<&'a str> {
        let prefix = self.full_name("");
        full_name.strip_prefix(prefix.as_str())
    }

    /// Whether a path of a secret may be used where its value becomes visible.
    pub fn declares(&self, secret: &str, path: &str) -> bool {
        let full = if path.is_empty() { secret.to_owned() } else { format!("{secret}.{path}") };
        self.config_paths.iter().any(|pattern| matches(pattern.as_bytes(), full.as_bytes()))
    }
}

impl AwsSource {
    /// What cannot be in the roles of projects.
    fn project_role_findings(&self, scope: SourceScope) -> Vec<Finding> {
        let mut findings = Vec::new();
        let given = !self.project_roles.is_empty() || self.project_roles_required;
        if given && scope == SourceScope::Project {
            findings.push(
                Finding::error(
                    "NOT_OF_THE_WORKSPACE",
                    "project_roles",
                    "only a source of the workspace has roles of projects",
                )
                .with_help("give `\"scope\": \"workspace\"`, or use `assume_role`"),
            );
        }
        for (project, role) in &self.project_roles {
            findings.extend(not_a_role(&format!("project_roles.{project}.role_arn"), role));
            let too_long = role.duration.is_some_and(|seconds| seconds > MOST_CHAINED_SECONDS);
            if too_long && self.assume_role.is_some() {
                findings.push(
                    Finding::error(
                        "OUT_OF_RANGE",
                        format!("project_roles.{project}.duration"),
                        "the session of a role that is assumed through another role lasts at most one hour",
                    )
                    .with_help("give at most 3600, or leave out `assume_role`"),
                );
            }
        }
        findings
    }
}

fn not_a_role(path: &str, role: &SourceRole) -> Option<Finding> {
    (!role.role_arn.contains(":role/")).then(|| {
        Finding::error("INVALID_ROLE_ARN", path, format!("`{}` is not the ARN of a role", role.role_arn))
            .with_help("a role's ARN looks like `arn:aws:iam::111122223333:role/name`")
    })
}

/// `*` stands for any text. One backtrack point, so the time is linear for all practical patterns and
/// bounded by the product of the lengths for hostile ones.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(from) {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at + 1, from));
                at += 1;
            }
            Some(&expected) if expected == byte => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((back, start)) = retry else { return false };
                retry = Some((back, start + 1));
                at = back;
                from = start + 1;
            }
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}

/// A secret as it is listed: names and dates, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SecretSummary {
    /// The name inside the source's namespace.
    pub name: String,
    /// The text to paste into a field; it names the source where a plain reference means another one. Absent where the
    /// project's own source hides this one, so that no reference can name it.
    #[schema(example = "{{ secrets['s3'] }}")]
    pub reference: Option<String>,
    /// The ARN, where there is one.
    pub arn: Option<String>,
    /// RFC 3339.
    pub last_changed_at: Option<String>,
    /// RFC 3339.
    pub next_rotation_at: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::{SourceDefinition, matches};

    fn source(namespace: &str) -> SourceDefinition {
        serde_json::from_value(serde_json::json!({
            "name": "aws", "kind": "aws", "region": "us-east-1", "namespace": namespace,
            "auth": {"kind": "default_chain"}, "config_paths": ["*.bucket"],
        }))
        .unwrap()
    }

    #[test]
    fn one_slash_stands_between_a_namespace_and_a_name() {
        assert_eq!(source("retool/").full_name("db"), "retool/db");
        assert_eq!(source("retool/dev").full_name("db"), "retool/dev/db");
        assert_eq!(source("retool-").full_name("db"), "retool-db");
        assert_eq!(source("").full_name("db"), "db");
        let arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:db-AbCdEf";
        assert_eq!(source("retool/dev").full_name(arn), arn);
        assert_eq!(source("retool/dev").short_name("retool/dev/db"), Some("db"));
        assert_eq!(source("retool/dev").short_name("retool/db"), None);
    }

    #[test]
    fn roles_of_projects_are_for_sources_of_the_workspace_and_for_an_hour_when_they_are_chained() {
        let codes = |scope: &str, assume_role: &serde_json::Value, role: &serde_json::Value| {
            let source: SourceDefinition = serde_json::from_value(serde_json::json!({
                "name": "aws", "kind": "aws", "region": "us-east-1", "auth": {"kind": "default_chain"},
                "scope": scope, "assume_role": assume_role, "project_roles": {"billing": role},
            }))
            .unwrap();
            source.validate().into_iter().map(|finding| (finding.code, finding.path)).collect::<Vec<_>>()
        };
        let (none, role) =
            (serde_json::Value::Null, serde_json::json!({"role_arn": "arn:aws:iam::1:role/r"}));
        let long = serde_json::json!({"role_arn": "arn:aws:iam::1:role/r", "duration": 7200});
        assert!(codes("workspace", &role, &role).is_empty());
        assert!(codes("workspace", &none, &long).is_empty());
        assert_eq!(codes("project", &none, &role), [("NOT_OF_THE_WORKSPACE", "project_roles".to_owned())]);
        let path = "project_roles.billing.duration".to_owned();
        assert_eq!(codes("workspace", &role, &long), [("OUT_OF_RANGE", path)]);
        let path = "project_roles.billing.role_arn".to_owned();
        let wrong = serde_json::json!({"role_arn": "billing"});
        assert_eq!(codes("workspace", &none, &wrong), [("INVALID_ROLE_ARN", path)]);
    }

    #[test]
    fn a_namespace_with_a_separator_at_its_end_is_prepended_as_it_is() {
        for separator in ['/', '_', '+', '=', '.', '@', '-'] {
            let namespace = format!("retool{separator}");
            assert_eq!(source(&namespace).full_name("db"), format!("retool{separator}db"));
            assert_eq!(source(&namespace).short_name(&format!("retool{separator}db")), Some("db"));
        }
        for other in ["retool", "retool!", "Retool9"] {
            assert_eq!(source(other).full_name("db"), format!("{other}/db"));
        }
    }

    #[test]
    fn an_alias_to_an_arn_is_never_prefixed() {
        let arn = "arn:aws-cn:secretsmanager:cn-north-1:111122223333:secret:retool/db-AbCdEf";
        for namespace in ["", "retool", "retool/", "arn:"] {
            assert_eq!(source(namespace).full_name(arn), arn, "{namespace}");
        }
    }

    #[test]
    fn values_are_fresh_for_five_minutes_and_served_stale_for_a_day_unless_the_source_says_otherwise() {
        assert_eq!(source("").cache_ttl_ms, 300_000);
        assert_eq!(source("").max_stale_ms, 86_400_000);
    }

    #[test]
    fn only_declared_paths_may_become_visible() {
        assert!(source("").declares("s3", "bucket"));
        assert!(source("").declares("s3", "eu.bucket"));
        assert!(!source("").declares("s3", "secret"));
        assert!(!source("").declares("s3", ""));
    }

    #[test]
    fn hostile_patterns_end_soon() {
        let pattern = "*a".repeat(200) + "b";
        assert!(!matches(pattern.as_bytes(), "a".repeat(5000).as_bytes()));
        assert!(matches(b"*", b""));
        assert!(matches(b"a*c", b"abc"));
        assert!(!matches(b"a*c", b"abd"));
    }
}
