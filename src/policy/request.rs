//! What is asked of [`evaluate`](super::evaluate): a request, the policies that apply, and facts about the bucket.
//! The same JSON on REST and on the command line.

mod call;

use std::collections::BTreeMap;

pub use call::{Call, RequestError};
pub(super) use call::{IgnoredKey, bucket_and_key, is_account};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A question: would this request be allowed?
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyQuestion)]
pub struct Question {
    /// Who wants to do what with which resource.
    pub request: Request,
    /// Every policy that applies. What is not given is not attached.
    #[serde(default)]
    pub policies: Documents,
    /// What is known about the bucket.
    #[serde(default)]
    pub bucket: Bucket,
}

/// A request as AWS sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyRequest)]
pub struct Request {
    /// The ARN of a user, role, session, federated user or root, the name of a service, or `anonymous`.
    #[schema(example = "arn:aws:iam::111122223333:role/app")]
    pub principal: String,
    /// One action, such as `s3:GetObject`.
    #[schema(example = "s3:GetObject")]
    pub action: String,
    /// The ARN of the bucket or object, or `*` for actions without a resource.
    #[schema(example = "arn:aws:s3:::bucket/key")]
    pub resource: String,
    /// The account that owns the resource. Without it the one in the ARN counts, then the principal's.
    #[serde(default)]
    pub resource_account: Option<String>,
    /// Condition keys with their values. Keys that follow from the principal and the resource need not be given.
    #[serde(default, deserialize_with = "context")]
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    pub context: BTreeMap<String, Vec<String>>,
    /// S3's canonical id of the principal's account: for grants to it when it does not own the bucket.
    #[serde(default)]
    pub canonical_id: Option<String>,
}

/// The policies that apply, as JSON: a document, or a string that holds one.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = PolicyDocuments)]
pub struct Documents {
    /// Attached to the principal, its groups included.
    #[schema(value_type = Vec<Object>)]
    pub identity: Vec<Box<RawValue>>,
    /// The permissions boundary of the principal.
    #[schema(value_type = Vec<Object>)]
    pub permission_boundary: Vec<Box<RawValue>>,
    /// The policy that the session was made with.
    #[schema(value_type = Option<Object>)]
    pub session: Option<Box<RawValue>>,
    /// Attached to the resource: of a bucket its policy, of a role its trust policy.
    #[schema(value_type = Option<Object>)]
    pub resource: Option<Box<RawValue>>,
    /// Service control policies by level, from the root of the organization to the account. Every level must allow.
    /// Give none for the management account: they do not bind it.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub service_control: Vec<Vec<Box<RawValue>>>,
    /// Resource control policies by level. They only deny: full access is always attached. None for resources of the
    /// management account.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub resource_control: Vec<Vec<Box<RawValue>>>,
    /// The policy of the VPC endpoint that the request comes through.
    #[schema(value_type = Vec<Object>)]
    pub vpc_endpoint: Vec<Box<RawValue>>,
}

/// What is known about the bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = PolicyBucket)]
pub struct Bucket {
    /// Whether ACLs count.
    pub object_ownership: ObjectOwnership,
    /// What shuts out the public, the account's settings included.
    pub block_public_access: BlockPublicAccess,
    /// The ACL of the bucket.
    pub acl: Vec<AclGrant>,
    /// The ACL of the object that the request names.
    pub object_acl: Vec<AclGrant>,
    /// The canonical id of the bucket's account.
    pub owner_canonical_id: Option<String>,
    /// The canonical id of the object's owner, when it is not the bucket's.
    pub object_owner_canonical_id: Option<String>,
}

/// Who owns the objects, and with it whether ACLs count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicyObjectOwnership)]
pub enum ObjectOwnership {
    /// The bucket's owner; ACLs do not count. The default of S3 since April 2023.
    #[default]
    BucketOwnerEnforced,
    /// The bucket's owner, when the upload says `bucket-owner-full-control`.
    BucketOwnerPreferred,
    /// Who uploaded them.
    ObjectWriter,
}

/// The four settings of block public access.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "S3 has these four switches")]
#[schema(as = PolicyBlockPublicAccess)]
pub struct BlockPublicAccess {
    /// Refuses writes that bring a public ACL.
    pub block_public_acls: bool,
    /// Public ACLs do not count.
    pub ignore_public_acls: bool,
    /// Refuses a public bucket policy.
    pub block_public_policy: bool,
    /// A public bucket policy lets in nobody but the own account and services.
    pub restrict_public_buckets: bool,
}

/// One grant of an ACL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyAclGrant)]
pub struct AclGrant {
    /// `AllUsers`, `AuthenticatedUsers` or a canonical id.
    pub grantee: String,
    /// What the grantee may do.
    pub permission: AclPermission,
}

/// What a grant of an ACL permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = PolicyAclPermission)]
pub enum AclPermission {
    /// Of a bucket: list it. Of an object: read it.
    Read,
    /// Of a bucket: write objects.
    Write,
    /// Read the ACL.
    ReadAcp,
    /// Write the ACL.
    WriteAcp,
    /// All of these.
    FullControl,
}

impl BlockPublicAccess {
    /// The strictest of both: what counts when the bucket, its account and its organization have settings.
    #[must_use]
    pub fn strictest(self, other: Self) -> Self {
        Self {
            block_public_acls: self.block_public_acls || other.block_public_acls,
            ignore_public_acls: self.ignore_public_acls || other.ignore_public_acls,
            block_public_policy: self.block_public_policy || other.block_public_policy,
            restrict_public_buckets: self.restrict_public_buckets || other.restrict_public_buckets,
        }
    }
}

impl AclGrant {
    /// Whether it is for everybody: with or without an AWS account.
    pub fn is_public(&self) -> bool {
        self.group().is_some()
    }

    /// The group of users that it is for.
    pub(super) fn group(&self) -> Option<AclGroup> {
        let name =
            self.grantee.strip_prefix("http://acs.amazonaws.com/groups/global/").unwrap_or(&self.grantee);
        match name {
            "AllUsers" => Some(AclGroup::AllUsers),
            "AuthenticatedUsers" => Some(AclGroup::AuthenticatedUsers),
            _ => None,
        }
    }
}

/// The groups that make an ACL public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AclGroup {
    AllUsers,
    AuthenticatedUsers,
}

/// One value or several; text, numbers and booleans.
#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    One(Value),
    Many(Vec<Value>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Number(serde_json::Number),
    Bool(bool),
}

fn context<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Vec<String>>, D::Error> {
    let given = BTreeMap::<String, Values>::deserialize(deserializer)?;
    let values = |values| match values {
        Values::One(value) => vec![text(value)],
        Values::Many(values) => values.into_iter().map(text).collect(),
    };
    Ok(given.into_iter().map(|(key, given)| (key, values(given))).collect())
}

fn text(value: Value) -> String {
    match value {
        Value::Text(text) => text,
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
    }
}
