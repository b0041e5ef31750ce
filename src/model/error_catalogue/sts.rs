//! What STS answers.

use super::Owner::{CloudAdmin, Operator, ResourceEditor};
use super::{ErrorEntry, Origin, Owner};

/// By code.
pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        "RegionDisabledException",
        "STS is not activated in this region for the account",
        "activate the region's STS endpoint, or use another region",
        CloudAdmin,
        false,
    ),
    entry(
        "PackedPolicyTooLarge",
        "the session policy and tags are too large for STS",
        "shorten the session policy or the list of operations",
        ResourceEditor,
        false,
    ),
    entry(
        "ValidationError",
        "STS did not accept a parameter of AssumeRole",
        "check the role ARN, the duration (a chained role lasts at most one hour) and the session name",
        ResourceEditor,
        false,
    ),
    entry(
        "InvalidIdentityToken",
        "the web identity token was not accepted",
        "check the service account's token and the role's trust policy",
        Operator,
        false,
    ),
    entry(
        "InvalidClientTokenId",
        "STS does not know this access key",
        "write the right access key into the secret",
        CloudAdmin,
        false,
    ),
    entry(
        "RoleNotAssumable",
        "the role's trust policy does not allow this identity, the external id is missing or wrong, or the identity lacks sts:AssumeRole",
        "check the role's trust policy, its external id, and the identity's own policy",
        CloudAdmin,
        false,
    ),
    entry("NoSuchEntity", "there is no such role", "correct `role_arn`", ResourceEditor, false),
];

const fn entry(
    code: &'static str,
    cause: &'static str,
    remedy: &'static str,
    owner: Owner,
    retry: bool,
) -> ErrorEntry {
    ErrorEntry { code, origin: Origin::Sts, cause, remedy, owner, retry }
}
