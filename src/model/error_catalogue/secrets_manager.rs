//! What Secrets Manager answers.

use super::Owner::{CloudAdmin, Operator, ResourceEditor};
use super::{ErrorEntry, Origin, Owner};

/// By code.
pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        "ResourceNotFoundException",
        "the source has no secret of that name",
        "correct the name in the reference, or create the secret",
        ResourceEditor,
        false,
    ),
    entry(
        "AccessDeniedException",
        "the source's identity may not read this secret",
        "allow secretsmanager:GetSecretValue on the secret for the source's identity",
        CloudAdmin,
        false,
    ),
    entry(
        "DecryptionFailure",
        "the secret's KMS key may not be used by the source's identity",
        "allow kms:Decrypt on the key for the source's identity",
        CloudAdmin,
        false,
    ),
    entry(
        "InvalidRequestException",
        "the secret is marked for deletion",
        "restore the secret, or use another one",
        CloudAdmin,
        false,
    ),
    entry(
        "ThrottlingException",
        "the source asks for fewer requests",
        "try again in a moment; a longer cache TTL makes fewer requests",
        Operator,
        true,
    ),
    entry(
        "UnrecognizedClientException",
        "the source's access key is unknown or its token has expired",
        "give the source a valid key",
        Operator,
        false,
    ),
    entry(
        "ExpiredTokenException",
        "the source's temporary credentials have expired",
        "give the source a valid key, or a role to assume",
        Operator,
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
    ErrorEntry { code, origin: Origin::SecretsManager, cause, remedy, owner, retry }
}
