//! What only a test of a resource tells, because one answer does not.

use super::Owner::{Caller, CloudAdmin, Operator, ResourceEditor};
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
        "CorsAnsweredByProxy",
        "something between browsers and the bucket answers preflights itself, or adds CORS headers: what is set for the bucket is not what pages meet",
        "let the proxy pass OPTIONS, `Origin` and `Access-Control-Request-*` to the store and its `Access-Control-*` headers back; if it shall answer itself, set the origins there",
        Operator,
    ),
    entry(
        "CorsDeviates",
        "the store does otherwise with its CORS configuration than stores of its provider do: it is likely of another kind",
        "set `provider` of the resource to what the store is",
        ResourceEditor,
    ),
    entry(
        "CorsNotAllowed",
        "no rule of the bucket's CORS configuration lets the page do all that it wants",
        "add the missing origin, method or header: `s3-connector cors check` proposes the configuration",
        ResourceEditor,
    ),
    entry(
        "CorsNotPropagated",
        "the store does not answer by the CORS configuration that it has: a change is likely not in force yet",
        "check again in a moment; if the answers stay, look for a cache before the store",
        Caller,
    ),
    entry(
        "CorsNotSet",
        "the bucket has no CORS configuration, so browsers keep pages of other origins from it",
        "give it one: `s3-connector cors check` proposes it",
        ResourceEditor,
    ),
    entry(
        "HeadersAltered",
        "the key is right: something between this service and the store changes headers that are signed",
        "let the proxy pass `Host`, `x-amz-*` and all other headers unchanged, or connect to the store directly",
        Operator,
    ),
    entry(
        "MixedContent",
        "the page is on https, and the endpoint that browsers are sent to is on http: no CORS configuration helps",
        "set `public_endpoint` to a URL of the store over https",
        ResourceEditor,
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
