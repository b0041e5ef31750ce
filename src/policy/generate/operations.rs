//! Which IAM actions an operation of S3 asks for, and on what.
//!
//! The names of operations and of actions differ more often than not: `HeadObject` asks for `s3:GetObject`, `DeleteBucketCors`
//! for `s3:PutBucketCORS`. From the pages of the S3 API reference, "Permissions" of every operation.

/// An operation of the S3 API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Its name in the API reference.
    pub name: &'static str,
    /// What it asks for.
    pub needs: &'static [Need],
}

/// An action that an operation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The action with its service.
    pub action: &'static str,
    /// What it is asked for on.
    pub on: On,
    /// When it is asked for.
    pub when: When,
}

/// What an action is asked for on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum On {
    /// The bucket.
    Bucket,
    /// The object.
    Object,
    /// The object that is copied from.
    Source,
    /// Nothing: the policy has to say `*`.
    Any,
    /// The KMS key.
    Key,
    /// The role that is handed over.
    Role,
}

/// When an action is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum When {
    /// Always.
    Always,
    /// When the request names a version.
    Version,
    /// When tags are set or travel with a copy.
    Tags,
    /// When tags of a named version are.
    VersionTags,
    /// When the request brings an ACL.
    Acl,
    /// When a KMS key encrypts the object.
    Kms,
    /// When the request sets or shows a retention.
    Retention,
    /// When it sets or shows a legal hold.
    LegalHold,
    /// When a retention in governance mode is overridden.
    Bypass,
    /// When the request depends on the ETag of the object.
    IfMatch,
    /// When the bucket gets object lock.
    ObjectLock,
    /// When it gets an ownership setting.
    Ownership,
}

impl Operation {
    /// What it asks for in every request.
    pub fn required(&self) -> impl Iterator<Item = &'static Need> {
        self.needs.iter().filter(|need| need.when == When::Always)
    }
}

const fn need(action: &'static str, on: On, when: When) -> Need {
    Need { action, on, when }
}

const fn bucket(action: &'static str) -> Need {
    need(action, On::Bucket, When::Always)
}

const fn object(action: &'static str) -> Need {
    need(action, On::Object, When::Always)
}

const fn operation(name: &'static str, needs: &'static [Need]) -> Operation {
    Operation { name, needs }
}

const READ: &[Need] = &[
    object("s3:GetObject"),
    need("s3:GetObjectVersion", On::Object, When::Version),
    need("s3:GetObjectRetention", On::Object, When::Retention),
    need("s3:GetObjectLegalHold", On::Object, When::LegalHold),
    need("kms:Decrypt", On::Key, When::Kms),
];

const WRITE: &[Need] = &[
    object("s3:PutObject"),
    need("s3:PutObjectAcl", On::Object, When::Acl),
    need("s3:PutObjectTagging", On::Object, When::Tags),
    need("s3:PutObjectRetention", On::Object, When::Retention),
    need("s3:PutObjectLegalHold", On::Object, When::LegalHold),
    need("kms:GenerateDataKey", On::Key, When::Kms),
];

/// Parts are decrypted to be put together, so uploads in parts need both rights on the key.
const WRITE_PARTS: &[Need] = &[
    object("s3:PutObject"),
    need("s3:PutObjectAcl", On::Object, When::Acl),
    need("s3:PutObjectTagging", On::Object, When::Tags),
    need("s3:PutObjectRetention", On::Object, When::Retention),
    need("s3:PutObjectLegalHold", On::Object, When::LegalHold),
    need("kms:GenerateDataKey", On::Key, When::Kms),
    need("kms:Decrypt", On::Key, When::Kms),
];

const COPY: &[Need] = &[
    need("s3:GetObject", On::Source, When::Always),
    need("s3:GetObjectVersion", On::Source, When::Version),
    need("s3:GetObjectTagging", On::Source, When::Tags),
    need("s3:GetObjectVersionTagging", On::Source, When::VersionTags),
    object("s3:PutObject"),
    need("s3:PutObjectAcl", On::Object, When::Acl),
    need("s3:PutObjectTagging", On::Object, When::Tags),
    need("s3:PutObjectRetention", On::Object, When::Retention),
    need("s3:PutObjectLegalHold", On::Object, When::LegalHold),
    need("kms:GenerateDataKey", On::Key, When::Kms),
    need("kms:Decrypt", On::Key, When::Kms),
];

const DELETE: &[Need] = &[
    object("s3:DeleteObject"),
    need("s3:DeleteObjectVersion", On::Object, When::Version),
    need("s3:BypassGovernanceRetention", On::Object, When::Bypass),
    need("s3:GetObject", On::Object, When::IfMatch),
];

/// Every operation that is known, by name.
pub const OPERATIONS: &[Operation] = &[
    operation("AbortMultipartUpload", &[object("s3:AbortMultipartUpload")]),
    operation("CompleteMultipartUpload", &[object("s3:PutObject"), need("kms:Decrypt", On::Key, When::Kms)]),
    operation("CopyObject", COPY),
    operation(
        "CreateBucket",
        &[
            bucket("s3:CreateBucket"),
            need("s3:PutBucketAcl", On::Bucket, When::Acl),
            need("s3:PutBucketVersioning", On::Bucket, When::ObjectLock),
            need("s3:PutBucketObjectLockConfiguration", On::Bucket, When::ObjectLock),
            need("s3:PutBucketOwnershipControls", On::Bucket, When::Ownership),
        ],
    ),
    operation("CreateMultipartUpload", WRITE_PARTS),
    operation("DeleteBucket", &[bucket("s3:DeleteBucket")]),
    operation("DeleteBucketCors", &[bucket("s3:PutBucketCORS")]),
    operation("DeleteBucketEncryption", &[bucket("s3:PutEncryptionConfiguration")]),
    operation("DeleteBucketLifecycle", &[bucket("s3:PutLifecycleConfiguration")]),
    operation("DeleteBucketOwnershipControls", &[bucket("s3:PutBucketOwnershipControls")]),
    operation("DeleteBucketPolicy", &[bucket("s3:DeleteBucketPolicy")]),
    operation("DeleteBucketReplication", &[bucket("s3:PutReplicationConfiguration")]),
    operation("DeleteBucketTagging", &[bucket("s3:PutBucketTagging")]),
    operation("DeleteBucketWebsite", &[bucket("s3:DeleteBucketWebsite")]),
    operation("DeleteObject", DELETE),
    operation(
        "DeleteObjectTagging",
        &[object("s3:DeleteObjectTagging"), need("s3:DeleteObjectVersionTagging", On::Object, When::Version)],
    ),
    operation("DeleteObjects", DELETE),
    operation("DeletePublicAccessBlock", &[bucket("s3:PutBucketPublicAccessBlock")]),
    operation("GetBucketAccelerateConfiguration", &[bucket("s3:GetAccelerateConfiguration")]),
    operation("GetBucketAcl", &[bucket("s3:GetBucketAcl")]),
    operation("GetBucketCors", &[bucket("s3:GetBucketCORS")]),
    operation("GetBucketEncryption", &[bucket("s3:GetEncryptionConfiguration")]),
    operation("GetBucketLifecycleConfiguration", &[bucket("s3:GetLifecycleConfiguration")]),
    operation("GetBucketLocation", &[bucket("s3:GetBucketLocation")]),
    operation("GetBucketLogging", &[bucket("s3:GetBucketLogging")]),
    operation("GetBucketNotificationConfiguration", &[bucket("s3:GetBucketNotification")]),
    operation("GetBucketOwnershipControls", &[bucket("s3:GetBucketOwnershipControls")]),
    operation("GetBucketPolicy", &[bucket("s3:GetBucketPolicy")]),
    operation("GetBucketPolicyStatus", &[bucket("s3:GetBucketPolicyStatus")]),
    operation("GetBucketReplication", &[bucket("s3:GetReplicationConfiguration")]),
    operation("GetBucketRequestPayment", &[bucket("s3:GetBucketRequestPayment")]),
    operation("GetBucketTagging", &[bucket("s3:GetBucketTagging")]),
    operation("GetBucketVersioning", &[bucket("s3:GetBucketVersioning")]),
    operation("GetBucketWebsite", &[bucket("s3:GetBucketWebsite")]),
    operation("GetObject", READ),
    operation(
        "GetObjectAcl",
        &[object("s3:GetObjectAcl"), need("s3:GetObjectVersionAcl", On::Object, When::Version)],
    ),
    operation(
        "GetObjectAttributes",
        &[
            object("s3:GetObject"),
            object("s3:GetObjectAttributes"),
            need("s3:GetObjectVersion", On::Object, When::Version),
            need("s3:GetObjectVersionAttributes", On::Object, When::Version),
            need("kms:Decrypt", On::Key, When::Kms),
        ],
    ),
    operation("GetObjectLegalHold", &[object("s3:GetObjectLegalHold")]),
    operation("GetObjectLockConfiguration", &[bucket("s3:GetBucketObjectLockConfiguration")]),
    operation("GetObjectRetention", &[object("s3:GetObjectRetention")]),
    operation(
        "GetObjectTagging",
        &[object("s3:GetObjectTagging"), need("s3:GetObjectVersionTagging", On::Object, When::Version)],
    ),
    operation("GetPublicAccessBlock", &[bucket("s3:GetBucketPublicAccessBlock")]),
    operation("HeadBucket", &[bucket("s3:ListBucket")]),
    operation("HeadObject", READ),
    operation("ListBuckets", &[need("s3:ListAllMyBuckets", On::Any, When::Always)]),
    operation("ListMultipartUploads", &[bucket("s3:ListBucketMultipartUploads")]),
    operation("ListObjectVersions", &[bucket("s3:ListBucketVersions")]),
    operation("ListObjects", &[bucket("s3:ListBucket")]),
    operation("ListObjectsV2", &[bucket("s3:ListBucket")]),
    operation("ListParts", &[object("s3:ListMultipartUploadParts"), need("kms:Decrypt", On::Key, When::Kms)]),
    operation("PostObject", WRITE),
    operation("PutBucketAccelerateConfiguration", &[bucket("s3:PutAccelerateConfiguration")]),
    operation("PutBucketAcl", &[bucket("s3:PutBucketAcl")]),
    operation("PutBucketCors", &[bucket("s3:PutBucketCORS")]),
    operation("PutBucketEncryption", &[bucket("s3:PutEncryptionConfiguration")]),
    operation("PutBucketLifecycleConfiguration", &[bucket("s3:PutLifecycleConfiguration")]),
    operation("PutBucketLogging", &[bucket("s3:PutBucketLogging")]),
    operation("PutBucketNotificationConfiguration", &[bucket("s3:PutBucketNotification")]),
    operation("PutBucketOwnershipControls", &[bucket("s3:PutBucketOwnershipControls")]),
    operation("PutBucketPolicy", &[bucket("s3:PutBucketPolicy")]),
    operation(
        "PutBucketReplication",
        &[bucket("s3:PutReplicationConfiguration"), need("iam:PassRole", On::Role, When::Always)],
    ),
    operation("PutBucketRequestPayment", &[bucket("s3:PutBucketRequestPayment")]),
    operation("PutBucketTagging", &[bucket("s3:PutBucketTagging")]),
    operation("PutBucketVersioning", &[bucket("s3:PutBucketVersioning")]),
    operation("PutBucketWebsite", &[bucket("s3:PutBucketWebsite")]),
    operation("PutObject", WRITE),
    operation(
        "PutObjectAcl",
        &[object("s3:PutObjectAcl"), need("s3:PutObjectVersionAcl", On::Object, When::Version)],
    ),
    operation("PutObjectLegalHold", &[object("s3:PutObjectLegalHold")]),
    operation("PutObjectLockConfiguration", &[bucket("s3:PutBucketObjectLockConfiguration")]),
    operation(
        "PutObjectRetention",
        &[object("s3:PutObjectRetention"), need("s3:BypassGovernanceRetention", On::Object, When::Bypass)],
    ),
    operation(
        "PutObjectTagging",
        &[object("s3:PutObjectTagging"), need("s3:PutObjectVersionTagging", On::Object, When::Version)],
    ),
    operation("PutPublicAccessBlock", &[bucket("s3:PutBucketPublicAccessBlock")]),
    operation("RestoreObject", &[object("s3:RestoreObject")]),
    operation("SelectObjectContent", &[object("s3:GetObject"), need("kms:Decrypt", On::Key, When::Kms)]),
    operation(
        "UploadPart",
        &[
            object("s3:PutObject"),
            need("kms:GenerateDataKey", On::Key, When::Kms),
            need("kms:Decrypt", On::Key, When::Kms),
        ],
    ),
    operation(
        "UploadPartCopy",
        &[
            need("s3:GetObject", On::Source, When::Always),
            need("s3:GetObjectVersion", On::Source, When::Version),
            object("s3:PutObject"),
            need("kms:GenerateDataKey", On::Key, When::Kms),
            need("kms:Decrypt", On::Key, When::Kms),
        ],
    ),
];

/// The operation of this name; case does not count.
pub fn find(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.name.eq_ignore_ascii_case(name))
}
