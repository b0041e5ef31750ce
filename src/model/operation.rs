//! What a query does, in the words that a resource allows and the audit names, with the IAM actions behind them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a query does; a resource may allow only some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Lists keys.
    List,
    /// Reads an object's metadata.
    Head,
    /// Reads an object.
    Get,
    /// Writes an object.
    Put,
    /// Deletes objects.
    Delete,
    /// Copies objects; with `delete` it moves them.
    Copy,
    /// Reads the tags of an object.
    GetTags,
    /// Writes and deletes the tags of an object.
    PutTags,
    /// Reads the ACL of an object.
    GetAcl,
    /// Writes the ACL of an object, also while it is uploaded.
    PutAcl,
    /// Lists the versions of objects, and restores one with `copy`.
    Versions,
    /// Uploads in parts, step by step.
    Multipart,
    /// Signs URLs for what else the resource allows.
    Sign,
    /// Reads what the bucket is set to.
    GetBucket,
    /// Changes the bucket's CORS configuration and policy.
    PutBucket,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Operation; 15] = [
        Operation::List,
        Operation::Head,
        Operation::Get,
        Operation::Put,
        Operation::Delete,
        Operation::Copy,
        Operation::GetTags,
        Operation::PutTags,
        Operation::GetAcl,
        Operation::PutAcl,
        Operation::Versions,
        Operation::Multipart,
        Operation::Sign,
        Operation::GetBucket,
        Operation::PutBucket,
    ];

    /// The word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::List => "list",
            Operation::Head => "head",
            Operation::Get => "get",
            Operation::Put => "put",
            Operation::Delete => "delete",
            Operation::Copy => "copy",
            Operation::GetTags => "get_tags",
            Operation::PutTags => "put_tags",
            Operation::GetAcl => "get_acl",
            Operation::PutAcl => "put_acl",
            Operation::Versions => "versions",
            Operation::Multipart => "multipart",
            Operation::Sign => "sign",
            Operation::GetBucket => "get_bucket",
            Operation::PutBucket => "put_bucket",
        }
    }

    /// The IAM actions on objects that AWS asks for (Service Authorization Reference, Amazon S3).
    pub fn actions(self) -> &'static [&'static str] {
        match self {
            Operation::Head | Operation::Get => &["s3:GetObject", "s3:GetObjectVersion"],
            Operation::Put => &["s3:PutObject", "s3:AbortMultipartUpload"],
            Operation::Delete => &["s3:DeleteObject", "s3:DeleteObjectVersion"],
            Operation::Copy => &[
                "s3:GetObject",
                "s3:GetObjectVersion",
                "s3:GetObjectTagging",
                "s3:GetObjectVersionTagging",
                "s3:PutObject",
                "s3:PutObjectTagging",
                "s3:AbortMultipartUpload",
            ],
            Operation::GetTags => &["s3:GetObjectTagging", "s3:GetObjectVersionTagging"],
            Operation::PutTags => &[
                "s3:PutObjectTagging",
                "s3:PutObjectVersionTagging",
                "s3:DeleteObjectTagging",
                "s3:DeleteObjectVersionTagging",
            ],
            Operation::GetAcl => &["s3:GetObjectAcl", "s3:GetObjectVersionAcl"],
            Operation::PutAcl => &["s3:PutObjectAcl", "s3:PutObjectVersionAcl"],
            Operation::Multipart => {
                &["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
            }
            Operation::List
            | Operation::Versions
            | Operation::Sign
            | Operation::GetBucket
            | Operation::PutBucket => &[],
        }
    }

    /// The IAM actions on the bucket that AWS asks for (the same source).
    pub fn bucket_actions(self) -> &'static [&'static str] {
        match self {
            Operation::List => &["s3:ListBucket"],
            Operation::Versions => &["s3:ListBucketVersions"],
            Operation::Multipart => &["s3:ListBucketMultipartUploads"],
            Operation::GetBucket => &[
                "s3:GetBucketLocation",
                "s3:GetBucketVersioning",
                "s3:GetEncryptionConfiguration",
                "s3:GetBucketOwnershipControls",
                "s3:GetBucketPublicAccessBlock",
                "s3:GetBucketPolicy",
                "s3:GetBucketCORS",
                "s3:GetLifecycleConfiguration",
            ],
            Operation::PutBucket => &["s3:PutBucketCORS", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"],
            _ => &[],
        }
    }

    /// Those on the bucket, then those on objects.
    pub fn all_actions(self) -> impl Iterator<Item = &'static str> {
        self.bucket_actions().iter().chain(self.actions()).copied()
    }
}
