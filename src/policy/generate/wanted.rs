//! What somebody wants to do with a bucket.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::is_key_arn;
use crate::policy::request::is_account;

/// A wish: operations on a bucket, and how the requests look.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each says on its own what requests look like")]
#[schema(as = PolicyWanted)]
pub struct Wanted {
    /// The bucket's name.
    pub bucket: String,
    /// What keys begin with. Empty: the whole bucket.
    pub prefix: String,
    /// What is to be done.
    pub operations: Vec<WantedOperation>,
    /// What of the bucket `get_bucket` reads. Empty: everything.
    pub aspects: Vec<Aspect>,
    /// Uploads bring tags, copies carry them along.
    pub tags: bool,
    /// Uploads and copies bring an ACL.
    pub acl: bool,
    /// Uploads and copies may go in parts.
    pub multipart: bool,
    /// Versions are read, copied and deleted by their id.
    pub versions: bool,
    /// Requests without TLS are refused.
    pub tls_only: bool,
    /// The ARN of the KMS key that encrypts the objects.
    #[schema(example = "arn:aws:kms:eu-central-1:111122223333:key/0a1b")]
    pub kms_key: Option<String>,
    /// The account that owns the bucket. Given, the policy is of no use for a bucket of the same name elsewhere.
    pub bucket_account: Option<String>,
    /// Who makes the requests, when it is of another account than the bucket.
    pub external: Option<External>,
    /// The partition, `aws` when not given.
    pub partition: Option<String>,
}

/// Somebody of another account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyExternal)]
pub struct External {
    /// The ARN of the user or role, or the account of twelve digits.
    #[schema(example = "arn:aws:iam::444455556666:role/connector")]
    pub principal: String,
    /// The external id that it has to give when it assumes a role.
    #[serde(default)]
    pub external_id: Option<String>,
}

/// What can be done with a bucket; the words are those of a resource's `operations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PolicyWantedOperation)]
pub enum WantedOperation {
    /// List keys.
    List,
    /// Read metadata of objects.
    Head,
    /// Read objects.
    Get,
    /// Write objects.
    Put,
    /// Delete objects.
    Delete,
    /// Copy objects within the prefix.
    Copy,
    /// Read tags of objects.
    GetTags,
    /// Write and delete tags of objects.
    PutTags,
    /// Read ACLs of objects.
    GetAcl,
    /// Write ACLs of objects.
    PutAcl,
    /// List versions.
    Versions,
    /// Upload in parts, step by step.
    Multipart,
    /// Sign URLs; they need what the signed operation needs, and nothing for themselves.
    Sign,
    /// Read what the bucket is set to.
    GetBucket,
    /// Change CORS configuration and policy of the bucket.
    PutBucket,
    /// Read and change the CORS configuration of the bucket.
    Cors,
}

/// What a bucket can be asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PolicyAspect)]
pub enum Aspect {
    /// Its region.
    Location,
    /// Versioning.
    Versioning,
    /// Default encryption.
    Encryption,
    /// Object ownership.
    Ownership,
    /// Block public access.
    PublicAccessBlock,
    /// Its policy.
    Policy,
    /// Its CORS configuration.
    Cors,
    /// Its lifecycle rules.
    Lifecycle,
    /// Its ACL.
    Acl,
}

/// Why no policy can be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WantedError {
    /// The field: `bucket`.
    pub path: &'static str,
    /// What is wrong and what to write instead.
    pub message: String,
}

const ASPECTS: [Aspect; 9] = [
    Aspect::Location,
    Aspect::Versioning,
    Aspect::Encryption,
    Aspect::Ownership,
    Aspect::PublicAccessBlock,
    Aspect::Policy,
    Aspect::Cors,
    Aspect::Lifecycle,
    Aspect::Acl,
];

const UPLOAD_IN_PARTS: [&str; 4] =
    ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload"];

impl Wanted {
    /// Checks what goes into ARNs.
    pub(super) fn check(&self) -> Result<(), WantedError> {
        let wrong = |path, message: String| Err(WantedError { path, message });
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if self.bucket.len() < 3 || self.bucket.len() > 255 || !self.bucket.bytes().all(is_name) {
            return wrong(
                "bucket",
                format!(
                    "`{}` is no name of a bucket; write 3 to 63 letters, digits, `-` and `.`",
                    self.bucket
                ),
            );
        }
        if self.operations.is_empty() {
            return wrong("operations", "no operation is wanted; name at least one".to_owned());
        }
        if !self.partition().bytes().all(is_name) || !self.partition().starts_with("aws") {
            return wrong(
                "partition",
                format!("`{}` is no partition; write `aws`, `aws-cn` or `aws-us-gov`", self.partition()),
            );
        }
        if let Some(key) = self.kms_key.as_ref().filter(|key| !is_key_arn(key)) {
            return wrong(
                "kms_key",
                format!(
                    "`{key}` is no ARN of a key; write `arn:aws:kms:region:account:key/id`, an alias does not count in policies"
                ),
            );
        }
        if let Some(account) = self.bucket_account.as_ref().filter(|account| !is_account(account)) {
            return wrong("bucket_account", format!("`{account}` is no account; write its twelve digits"));
        }
        let principal = self.external.as_ref().map(|external| &external.principal);
        match principal.filter(|principal| !is_external(principal)) {
            Some(principal) => wrong(
                "external.principal",
                format!(
                    "`{principal}` is no principal; write the ARN of a user or role, or an account of twelve digits"
                ),
            ),
            None => Ok(()),
        }
    }

    /// The operations of the S3 API that the wish comes to.
    pub(super) fn operations(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> =
            self.operations.iter().flat_map(|wanted| self.api(*wanted)).collect();
        let writes = [WantedOperation::Put, WantedOperation::Copy];
        if self.multipart && self.operations.iter().any(|wanted| writes.contains(wanted)) {
            names.extend(UPLOAD_IN_PARTS);
        }
        names
    }

    fn api(&self, wanted: WantedOperation) -> Vec<&'static str> {
        match wanted {
            WantedOperation::List => vec!["ListObjectsV2"],
            WantedOperation::Head => vec!["HeadObject"],
            WantedOperation::Get => vec!["GetObject"],
            WantedOperation::Put => vec!["PutObject"],
            WantedOperation::Delete => vec!["DeleteObject", "DeleteObjects"],
            WantedOperation::Copy if self.multipart => vec!["CopyObject", "UploadPartCopy"],
            WantedOperation::Copy => vec!["CopyObject"],
            WantedOperation::GetTags => vec!["GetObjectTagging"],
            WantedOperation::PutTags => vec!["PutObjectTagging", "DeleteObjectTagging"],
            WantedOperation::GetAcl => vec!["GetObjectAcl"],
            WantedOperation::PutAcl => vec!["PutObjectAcl"],
            WantedOperation::Versions => vec!["ListObjectVersions"],
            WantedOperation::Multipart => {
                UPLOAD_IN_PARTS.into_iter().chain(["ListParts", "ListMultipartUploads"]).collect()
            }
            WantedOperation::Sign => Vec::new(),
            WantedOperation::GetBucket if self.aspects.is_empty() => ASPECTS.map(Aspect::operation).to_vec(),
            WantedOperation::GetBucket => self.aspects.iter().map(|aspect| aspect.operation()).collect(),
            WantedOperation::PutBucket => vec![
                "GetBucketCors",
                "PutBucketCors",
                "DeleteBucketCors",
                "GetBucketPolicy",
                "PutBucketPolicy",
                "DeleteBucketPolicy",
            ],
            WantedOperation::Cors => vec!["GetBucketCors", "PutBucketCors", "DeleteBucketCors"],
        }
    }

    pub(super) fn has_versions(&self) -> bool {
        self.versions || self.operations.contains(&WantedOperation::Versions)
    }

    pub(super) fn partition(&self) -> &str {
        self.partition.as_deref().unwrap_or("aws")
    }

    pub(super) fn bucket_arn(&self) -> String {
        format!("arn:{}:s3:::{}", self.partition(), self.bucket)
    }

    /// S3 as the service through which the key may be used.
    pub(super) fn via_service(&self) -> Option<String> {
        let region = self.kms_key.as_ref()?.split(':').nth(3)?;
        let suffix = if self.partition() == "aws-cn" { ".cn" } else { "" };
        Some(format!("s3.{region}.amazonaws.com{suffix}"))
    }
}

impl Aspect {
    fn operation(self) -> &'static str {
        match self {
            Self::Location => "GetBucketLocation",
            Self::Versioning => "GetBucketVersioning",
            Self::Encryption => "GetBucketEncryption",
            Self::Ownership => "GetBucketOwnershipControls",
            Self::PublicAccessBlock => "GetPublicAccessBlock",
            Self::Policy => "GetBucketPolicy",
            Self::Cors => "GetBucketCors",
            Self::Lifecycle => "GetBucketLifecycleConfiguration",
            Self::Acl => "GetBucketAcl",
        }
    }
}

/// An account, or a user or role that can be named in a policy.
fn is_external(text: &str) -> bool {
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let is_arn = matches!(fields.as_slice(), ["arn", _, "iam", "", account, name]
        if is_account(account) && (*name == "root" || name.starts_with("user/") || name.starts_with("role/")));
    is_account(text) || (is_arn && !text.contains(['*', '?', '$']))
}
