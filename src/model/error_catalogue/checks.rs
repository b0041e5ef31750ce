//! What only a test of a resource tells, because one answer does not.

use super::Owner::{CloudAdmin, Operator, ResourceEditor};
use super::{ErrorEntry, Origin, Owner};

/// By code.
pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        "AssumeRoleNotAllowed",
        "the identity has no right to assume the role",
        "allow `sts:AssumeRole` on the role for the identity that assumes it",
        CloudAdmin,
    ),
    entry(
        "BucketNameHasDots",
        "a certificate for `*.host` covers one label, and the name of the bucket has dots",
        "set `addressing: path`, or use a bucket without dots",
        ResourceEditor,
    ),
    entry(
        "BucketOwnerMismatch",
        "the bucket is there, and another account owns it than `expected_bucket_owner` says",
        "correct the name of the bucket; if its owner is the right one, correct `expected_bucket_owner`",
        ResourceEditor,
    ),
    entry(
        "ContentAltered",
        "what was written did not come back as it was",
        "look for a proxy or a cache before the store that changes bodies",
        Operator,
    ),
    entry(
        "HeadersAltered",
        "the key is right: something between this service and the store changes headers that are signed",
        "let the proxy pass `Host`, `x-amz-*` and all other headers unchanged, or connect to the store directly",
        Operator,
    ),
    entry(
        "PolicyDisagrees",
        "a call came out otherwise than the policies that were read say",
        "look at what is not read: policies of the organization, of the KMS key, of the VPC endpoint and of the identity; `s3-connector policy check` says which",
        CloudAdmin,
    ),
    entry(
        "RequesterPays",
        "the bucket lets in only those who say that they pay for the request",
        "set `requester_pays` of the resource, if its account shall pay",
        ResourceEditor,
    ),
    entry(
        "ScopeNotEnforced",
        "the store does not apply the session policy: a scoped session reaches more than its prefix",
        "bind the role itself to the prefix, because this store does not bind its sessions",
        CloudAdmin,
    ),
];

const fn entry(code: &'static str, cause: &'static str, remedy: &'static str, owner: Owner) -> ErrorEntry {
    ErrorEntry { code, origin: Origin::Check, cause, remedy, owner, retry: false }
}
