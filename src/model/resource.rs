//! A resource: one bucket (or a part of it) with everything needed to reach it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::finding::Finding;
use crate::model::cors_check;
use crate::model::literal::Credential;
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::provider;
use crate::model::recheck::Recheck;

/// Fields that hold credentials: any secret may be used here, and a literal is sealed.
pub const CREDENTIAL_FIELDS: &[&str] =
    &["auth.access_key_id", "auth.secret_access_key", "auth.session_token", CUSTOMER_KEY_FIELD];

/// A name that stands for a route.
const RESERVED: &str = "test";

/// The key of SSE-C.
pub const CUSTOMER_KEY_FIELD: &str = "encryption.key";

/// Fields whose rendered value stays inside the service although they are not keys.
pub const IDENTITY_FIELDS: &[&str] = &["assume_role.role_arn", "assume_role.external_id"];

/// A resource as it is stored and shown. Literal keys stand in it only as marks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Unique in its project: `[a-z0-9][a-z0-9-]{0,62}`.
    #[schema(value_type = String, example = "invoices")]
    pub name: Name,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// A folder to sort resources in, for example `finance/eu`.
    #[serde(default)]
    pub folder: String,
    /// Free labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The bucket's name, or the ARN of an access point.
    #[schema(example = "acme-invoices")]
    pub bucket: String,
    /// The bucket's region; empty takes the provider's default, `auto` finds out.
    #[serde(default)]
    #[schema(example = "eu-central-1")]
    pub region: String,
    /// Every key is relative to this prefix and nothing outside it can be reached.
    #[serde(default)]
    pub prefix: String,
    /// The URL of an S3-compatible service; absent for AWS.
    #[serde(default)]
    #[schema(example = "https://s3.example.com")]
    pub endpoint: Option<String>,
    /// The URL under which others reach the store: signed URLs and forms are made for it. Absent is the endpoint.
    #[serde(default)]
    #[schema(example = "https://files.example.com")]
    pub public_endpoint: Option<String>,
    /// How the bucket is put into the URL.
    #[serde(default)]
    pub addressing: Addressing,
    /// The provider's profile; `auto` goes by the endpoint.
    #[serde(default = "auto")]
    #[schema(example = "auto")]
    pub provider: String,
    /// The canned ACL that uploads get; absent sends none, which buckets with ACLs off need.
    #[serde(default)]
    pub default_acl: Option<CannedAcl>,
    /// The storage class that uploads get.
    #[serde(default)]
    #[schema(example = "STANDARD_IA")]
    pub default_storage_class: Option<String>,
    /// How objects are encrypted.
    #[serde(default)]
    pub encryption: Encryption,
    /// The caller pays for requests and transfer.
    #[serde(default)]
    pub requester_pays: bool,
    /// The account that must own the bucket; requests fail when another does.
    #[serde(default)]
    #[schema(example = "111122223333")]
    pub expected_bucket_owner: Option<String>,
    /// Whether the bytes of uploads are signed.
    #[serde(default)]
    pub payload_signing: PayloadSigning,
    /// Whose credentials are used.
    pub auth: Auth,
    /// A role to assume on top of `auth`.
    #[serde(default)]
    pub assume_role: Option<AssumeRole>,
    /// The operations that may run through this resource; absent allows all.
    #[serde(default)]
    pub operations: Option<Vec<Operation>>,
    /// The origins of pages that use the bucket from browsers, at most 10: tests check that its CORS configuration lets
    /// them read and upload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["https://app.example.com"]))]
    pub browser_origins: Vec<String>,
    /// Bounds on what one query may take.
    #[serde(default)]
    pub limits: Limits,
    /// Trust for the endpoint's certificate.
    #[serde(default)]
    pub tls: Tls,
    /// The outbound route that requests take, one of those that the operator set up; absent goes straight to the
    /// endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "eu")]
    pub outbound: Option<Name>,
    /// Tests on a schedule; absent has none.
    #[serde(default)]
    pub recheck: Option<Recheck>,
    /// What differs per environment.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, Overrides>)]
    pub environments: BTreeMap<Name, Overrides>,
}

fn auto() -> String {
    provider::AUTO.to_owned()
}

/// How the bucket is put into the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Addressing {
    /// As the provider's profile says.
    #[default]
    Auto,
    /// `https://bucket.host/key`
    Virtual,
    /// `https://host/bucket/key`
    Path,
}

/// Whether the bytes of uploads are signed, besides their headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PayloadSigning {
    /// Over plain HTTP, where the provider takes signed streams. Over TLS the connection protects them.
    #[default]
    Auto,
    /// Everywhere, as a bucket wants whose policy denies `UNSIGNED-PAYLOAD`.
    Always,
    /// Nowhere, which saves the hash of every byte.
    Never,
}

/// The canned ACLs of S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CannedAcl {
    /// Only the owner.
    Private,
    /// Everyone reads.
    PublicRead,
    /// Everyone reads and writes.
    PublicReadWrite,
    /// Every AWS account reads.
    AuthenticatedRead,
    /// EC2 may read an image bundle.
    AwsExecRead,
    /// The bucket's owner reads.
    BucketOwnerRead,
    /// The bucket's owner has full control.
    BucketOwnerFullControl,
}

impl CannedAcl {
    /// The value of `x-amz-acl`.
    pub fn as_str(self) -> &'static str {
        match self {
            CannedAcl::Private => "private",
            CannedAcl::PublicRead => "public-read",
            CannedAcl::PublicReadWrite => "public-read-write",
            CannedAcl::AuthenticatedRead => "authenticated-read",
            CannedAcl::AwsExecRead => "aws-exec-read",
            CannedAcl::BucketOwnerRead => "bucket-owner-read",
            CannedAcl::BucketOwnerFullControl => "bucket-owner-full-control",
        }
    }
}

/// How objects are encrypted at rest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Encryption {
    /// As the bucket's default says.
    #[default]
    BucketDefault,
    /// SSE-S3.
    SseS3,
    /// SSE-KMS.
    SseKms {
        /// Key id, ARN or alias; absent takes the account's S3 key.
        #[serde(default)]
        key_id: Option<String>,
    },
    /// SSE-C: the store encrypts with a key that every request brings and that it does not keep. What was written with
    /// the key is read only with it, and nothing else is. Never over plain HTTP, but to this machine itself.
    SseC {
        /// The base64 of 32 bytes, for example `{{ secrets.s3.customer_key }}`.
        key: Credential,
    },
}

/// Whose credentials a resource uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// An access key; each part is a template or a literal.
    AccessKey {
        /// For example `{{ secrets.s3.key_id }}`.
        access_key_id: Credential,
        /// For example `{{ secrets.s3.secret }}`.
        secret_access_key: Credential,
        /// For temporary credentials.
        #[serde(default)]
        session_token: Option<Credential>,
    },
    /// The service's own identity: environment, profile, web identity, container, instance.
    DefaultChain,
    /// Requests are not signed.
    Anonymous,
}

/// A role that is assumed before S3 is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssumeRole {
    /// The role's ARN.
    #[schema(example = "arn:aws:iam::111122223333:role/invoices")]
    pub role_arn: String,
    /// What the role's trust policy asks for in `sts:ExternalId`; `{"generate": true}` asks for an unguessable one.
    #[serde(default)]
    pub external_id: Option<String>,
    /// 2 to 64 of `[\w+=,.@-]`; absent gives one that names the project.
    #[serde(default)]
    pub session_name: Option<String>,
    /// Seconds, 900 to 43200; chained roles last 3600 at the most.
    #[serde(default)]
    pub duration: Option<u32>,
    /// What the session may do at the most.
    #[serde(default)]
    pub session_policy: SessionPolicy,
    /// Session tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// The policy that a session is pinned to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum SessionPolicy {
    /// `none` or `scoped`.
    Named(NamedPolicy),
    /// A policy document.
    #[schema(value_type = Object)]
    Document(serde_json::Map<String, Value>),
    /// The same as `none`.
    #[default]
    Absent,
}

/// A session policy that needs no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NamedPolicy {
    /// All that the role may do.
    None,
    /// This bucket, this prefix and the allowed operations.
    Scoped,
}

/// Bounds on what one query may take.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes that one read may answer; absent sets no bound.
    #[serde(default)]
    pub max_read_bytes: Option<u64>,
    /// Bytes that one upload may have; absent sets no bound.
    #[serde(default)]
    pub max_put_bytes: Option<u64>,
    /// Milliseconds until the store's first byte, 100 to 600000; default 30000.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// Tries after the first one, 0 to 10; default 2.
    #[serde(default)]
    pub retries: Option<u32>,
}

/// Trust for the endpoint's certificate. There is no way to skip verification.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Certificates (PEM) to trust besides the system's.
    #[serde(default)]
    pub ca_pem: Option<String>,
}

/// What an environment changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// Another bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// Another region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Another endpoint; the public endpoint of the other one is left out then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Another public endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_endpoint: Option<String>,
    /// Another role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
}

impl Definition {
    /// The definition as one environment sees it.
    #[must_use]
    pub fn in_environment(&self, environment: &Name) -> Definition {
        let mut definition = self.clone();
        let Some(overrides) = self.environments.get(environment) else { return definition };
        if let Some(bucket) = &overrides.bucket {
            definition.bucket.clone_from(bucket);
        }
        if let Some(region) = &overrides.region {
            definition.region.clone_from(region);
        }
        if overrides.endpoint.is_some() {
            definition.endpoint.clone_from(&overrides.endpoint);
            // that of another store would be signed for with this one's key
            definition.public_endpoint = None;
        }
        if overrides.public_endpoint.is_some() {
            definition.public_endpoint.clone_from(&overrides.public_endpoint);
        }
        if let (Some(role), Some(arn)) = (definition.assume_role.as_mut(), &overrides.role_arn) {
            role.role_arn.clone_from(arn);
        }
        definition
    }

    /// Every field that may hold a reference, by path. Literal marks are left out.
    pub fn text_fields(&self) -> Vec<(&'static str, &str)> {
        let mut fields: Vec<(&'static str, &str)> =
            vec![("bucket", &self.bucket), ("region", &self.region), ("prefix", &self.prefix)];
        let optional = [
            ("endpoint", &self.endpoint),
            ("public_endpoint", &self.public_endpoint),
            ("expected_bucket_owner", &self.expected_bucket_owner),
            ("default_storage_class", &self.default_storage_class),
        ];
        fields
            .extend(optional.into_iter().filter_map(|(path, text)| text.as_deref().map(|text| (path, text))));
        match &self.encryption {
            Encryption::SseKms { key_id: Some(key) } => fields.push(("encryption.key_id", key)),
            Encryption::SseC { key: Credential::Template(key) } => fields.push((CUSTOMER_KEY_FIELD, key)),
            _ => {}
        }
        if let Auth::AccessKey { access_key_id, secret_access_key, session_token } = &self.auth {
            let parts = [
                ("auth.access_key_id", Some(access_key_id)),
                ("auth.secret_access_key", Some(secret_access_key)),
                ("auth.session_token", session_token.as_ref()),
            ];
            for (path, part) in parts {
                if let Some(Credential::Template(text)) = part {
                    fields.push((path, text));
                }
            }
        }
        if let Some(role) = &self.assume_role {
            fields.push(("assume_role.role_arn", &role.role_arn));
            let parts = [
                ("assume_role.external_id", role.external_id.as_deref()),
                ("assume_role.session_name", role.session_name.as_deref()),
            ];
            fields.extend(parts.into_iter().filter_map(|(path, text)| text.map(|text| (path, text))));
        }
        fields
    }

    /// Bounds and combinations that serde cannot see.
    pub fn validate(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.name.as_str() == RESERVED {
            let text =
                format!("`{RESERVED}` is no name of a resource: `/v1/resources/{RESERVED}` is a route");
            findings.push(Finding::error("RESERVED_NAME", "name", text).with_help("choose another name"));
        }
        if self.bucket.trim().is_empty() {
            findings.push(
                Finding::error("BUCKET_MISSING", "bucket", "the bucket is empty")
                    .with_help("give the bucket's name, for example `acme-invoices`"),
            );
        }
        let regions = self.environments.values().filter_map(|environment| environment.region.as_ref());
        for region in
            regions.chain([&self.region]).filter(|region| !region.contains("{{") && !is_region(region))
        {
            let shown: String = region.chars().take(64).collect();
            findings.push(
                Finding::error("INVALID_REGION", "region", format!("`{shown}` is not a region"))
                    .with_help("a region has letters, digits, `-`, `_` and `.`, for example `eu-central-1`"),
            );
        }
        if provider::find(&self.provider).is_none() && self.provider != provider::AUTO {
            let known: Vec<&str> = provider::PROFILES.iter().map(|profile| profile.id).collect();
            findings.push(
                Finding::error(
                    "UNKNOWN_PROVIDER",
                    "provider",
                    format!("no provider is called `{}`", self.provider),
                )
                .with_help(format!("use `auto` or one of {}", known.join(", "))),
            );
        }
        findings.extend(self.limits.validate());
        findings.extend(cors_check::check_origins(&self.browser_origins, "browser_origins"));
        findings.extend(self.recheck.iter().flat_map(Recheck::validate));
        findings.extend(self.assume_role.iter().flat_map(AssumeRole::validate));
        if self.assume_role.is_some() && self.auth == Auth::Anonymous {
            findings.push(
                Finding::error(
                    "ROLE_WITHOUT_IDENTITY",
                    "assume_role",
                    "an anonymous resource cannot assume a role",
                )
                .with_help("set `auth` to an access key or to the default chain, or remove `assume_role`"),
            );
        }
        findings
    }
}

/// Whether a text can be a region: it becomes a part of host names and signatures. Empty is the provider's default.
pub fn is_region(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

impl Limits {
    fn validate(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.timeout_ms.is_some_and(|ms| !(100..=600_000).contains(&ms)) {
            findings.push(Finding::error(
                "OUT_OF_RANGE",
                "limits.timeout_ms",
                "timeout_ms must be 100 to 600000",
            ));
        }
        if self.retries.is_some_and(|retries| retries > 10) {
            findings.push(Finding::error("OUT_OF_RANGE", "limits.retries", "retries must be 0 to 10"));
        }
        findings
    }
}

impl AssumeRole {
    /// Bounds from the `AssumeRole` page of the STS API reference.
    fn validate(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let templated = |text: &str| text.contains("{{");
        let is_role = self.role_arn.starts_with("arn:") && self.role_arn.contains(":role/");
        if !is_role && !templated(&self.role_arn) {
            findings.push(
                Finding::error(
                    "INVALID_ROLE_ARN",
                    "assume_role.role_arn",
                    format!("`{}` is not the ARN of a role", self.role_arn),
                )
                .with_help("a role's ARN looks like `arn:aws:iam::111122223333:role/name`"),
            );
        }
        if self.duration.is_some_and(|seconds| !(900..=43_200).contains(&seconds)) {
            findings.push(
                Finding::error(
                    "OUT_OF_RANGE",
                    "assume_role.duration",
                    "duration must be 900 to 43200 seconds",
                )
                .with_help("a role that is assumed from another role lasts 3600 seconds at the most"),
            );
        }
        let allowed = |text: &str, extra: &str, bounds: std::ops::RangeInclusive<usize>| {
            bounds.contains(&text.chars().count())
                && text.chars().all(|c| {
                    c.is_ascii_alphanumeric() || c == '_' || "+=,.@-".contains(c) || extra.contains(c)
                })
        };
        if let Some(name) =
            self.session_name.as_deref().filter(|name| !templated(name) && !allowed(name, "", 2..=64))
        {
            findings.push(Finding::error(
                "INVALID_SESSION_NAME",
                "assume_role.session_name",
                format!("`{name}` is not a session name: use 2 to 64 of letters, digits and `_+=,.@-`"),
            ));
        }
        if let Some(id) =
            self.external_id.as_deref().filter(|id| !templated(id) && !allowed(id, ":/", 2..=1224))
        {
            findings.push(Finding::error(
                "INVALID_EXTERNAL_ID",
                "assume_role.external_id",
                format!("`{id}` is not an external id: use 2 to 1224 of letters, digits and `_+=,.@:/-`"),
            ));
        }
        findings
    }
}
