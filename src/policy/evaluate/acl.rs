//! ACLs: they only add Allows, and only where the bucket lets them count.

use crate::policy::principal::Grant;
use crate::policy::request::{AclGrant, AclGroup, AclPermission, Bucket, Call, ObjectOwnership};

/// Whose ACL an action asks, and for what.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    Bucket(AclPermission),
    Object(AclPermission),
}

/// Headers that bring grants.
const GRANT_KEYS: [&str; 5] = [
    "s3:x-amz-grant-full-control",
    "s3:x-amz-grant-read",
    "s3:x-amz-grant-read-acp",
    "s3:x-amz-grant-write",
    "s3:x-amz-grant-write-acp",
];

/// The strongest grant that an ACL has for the request.
pub(super) fn grant(call: &Call, bucket: &Bucket) -> Option<Grant> {
    if bucket.object_ownership == ObjectOwnership::BucketOwnerEnforced || &*call.service != "s3" {
        return None;
    }
    let (acl, permission) = match asks(call, bucket)? {
        Asks::Bucket(permission) => (&bucket.acl, permission),
        Asks::Object(permission) => (&bucket.object_acl, permission),
    };
    let permits =
        |grant: &&AclGrant| grant.permission == permission || grant.permission == AclPermission::FullControl;
    let ignored = |grant: &AclGrant| bucket.block_public_access.ignore_public_acls && grant.is_public();
    let counting = acl.iter().filter(permits).filter(|grant| !ignored(grant));
    counting.filter_map(|grant| grant_to(grant, call)).max()
}

/// What the grant is worth to the caller. An account is a grantee, its users are not.
fn grant_to(grant: &AclGrant, call: &Call) -> Option<Grant> {
    match grant.group() {
        Some(AclGroup::AllUsers) => Some(Grant::Direct),
        Some(AclGroup::AuthenticatedUsers) => call.caller.is_identity().then_some(Grant::Direct),
        None => {
            let is_account = call.canonical_id.as_deref() == Some(grant.grantee.as_str());
            (call.caller.is_identity() && is_account).then_some(Grant::Delegated)
        }
    }
}

fn asks(call: &Call, bucket: &Bucket) -> Option<Asks> {
    use AclPermission::{Read, ReadAcp, Write, WriteAcp};
    Some(match &*call.name {
        "listbucket" | "listbucketversions" | "listbucketmultipartuploads" => Asks::Bucket(Read),
        "getbucketacl" => Asks::Bucket(ReadAcp),
        "putbucketacl" => Asks::Bucket(WriteAcp),
        "putobject" => Asks::Bucket(Write),
        "deleteobject" | "deleteobjectversion" if owns_object(call, bucket) => Asks::Bucket(Write),
        "getobject" | "getobjectversion" => Asks::Object(Read),
        "getobjectacl" | "getobjectversionacl" => Asks::Object(ReadAcp),
        "putobjectacl" | "putobjectversionacl" => Asks::Object(WriteAcp),
        _ => return None,
    })
}

fn owns_object(call: &Call, bucket: &Bucket) -> bool {
    let owner = bucket.object_owner_canonical_id.as_ref().or(bucket.owner_canonical_id.as_ref());
    owner.is_some() && call.canonical_id.as_deref() == owner.map(String::as_str)
}

/// Whether the request is about an object that somebody else than the bucket's owner owns. The bucket's policy cannot
/// allow anything with it, except to delete or overwrite it; its Deny still counts.
pub(super) fn is_of_another_owner(call: &Call, bucket: &Bucket) -> bool {
    let Some(owner) = &bucket.object_owner_canonical_id else { return false };
    bucket.object_ownership != ObjectOwnership::BucketOwnerEnforced
        && bucket.owner_canonical_id.as_ref() != Some(owner)
        && &*call.service == "s3"
        && call.bucket_and_key().is_some_and(|(_, key)| key.is_some())
        && !matches!(
            &*call.name,
            "putobject"
                | "deleteobject"
                | "deleteobjectversion"
                | "abortmultipartupload"
                | "listmultipartuploadparts"
        )
}

/// Whether the caller's account owns what the request is about: the object, if it has another owner than the bucket.
pub(super) fn is_owner(call: &Call, bucket: &Bucket) -> bool {
    if is_of_another_owner(call, bucket) {
        return call.caller.is_identity() && owns_object(call, bucket);
    }
    call.is_same_account()
}

/// Whether the request brings an ACL for everybody.
pub(super) fn brings_public_acl(call: &Call) -> bool {
    let canned = call.context.values("s3:x-amz-acl").iter();
    let is_public =
        |acl: &String| matches!(acl.as_str(), "public-read" | "public-read-write" | "authenticated-read");
    canned.into_iter().any(is_public)
        || grants(call).any(|grant| grant.contains("AllUsers") || grant.contains("AuthenticatedUsers"))
}

/// Whether the request brings an ACL that a bucket with ACLs off does not take.
pub(super) fn brings_other_acl(call: &Call) -> bool {
    call.context.values("s3:x-amz-acl").iter().any(|acl| acl != "bucket-owner-full-control")
        || grants(call).next().is_some()
}

fn grants(call: &Call) -> impl Iterator<Item = &String> {
    GRANT_KEYS.iter().flat_map(|key| call.context.values(key))
}
