//! What is found out here, before anything is sent.

use super::Owner::{Caller, Operator, ResourceEditor};
use super::{ErrorEntry, Origin, Owner};

/// By code.
pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        "SourceMissing",
        "the reference names a source that is not there",
        "create the source, or make one active for the environment",
        Operator,
        false,
    ),
    entry(
        "SecretKeyMissing",
        "the secret has no such key",
        "correct the key in the reference, or add it to the secret",
        ResourceEditor,
        false,
    ),
    entry(
        "SecretNotUsable",
        "the secret's value cannot be used as the reference asks",
        "read the detail and correct the reference or the secret",
        ResourceEditor,
        false,
    ),
    entry(
        "CredentialsMissing",
        "no credentials could be found",
        "set `auth`, or give the service an identity",
        Operator,
        false,
    ),
    entry(
        "NotSupportedByProvider",
        "the provider has no such operation, as far as its profile knows",
        "use another operation, or set `provider` of the resource to what the store is",
        ResourceEditor,
        false,
    ),
    entry("InvalidObjectKey", "the key is empty or holds a NUL byte", "use another key", Caller, false),
    entry(
        "DeleteMarker",
        "the object was deleted, and a delete marker stands in its place",
        "list the versions and read an earlier one, or take the marker away with `restore_version` and `undelete`",
        Caller,
        false,
    ),
    entry(
        "NotDeleted",
        "there is no delete marker to take away",
        "list the versions, and name the one to bring back in `version`",
        Caller,
        false,
    ),
];

const fn entry(
    code: &'static str,
    cause: &'static str,
    remedy: &'static str,
    owner: Owner,
    retry: bool,
) -> ErrorEntry {
    ErrorEntry { code, origin: Origin::Own, cause, remedy, owner, retry }
}
