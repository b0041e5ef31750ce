//! The error catalogue: what an upstream's code means, what to do about it, and who can.
//!
//! One table for queries, tests, the command line and the documentation. Sources: the error pages of the S3,
//! STS and Secrets Manager API references, and what Ceph, moto and s3s answer in our tests.

/// Who can mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Whoever sent the request.
    Caller,
    /// Whoever edits the resource.
    ResourceEditor,
    /// Whoever owns the bucket, the role or the key in the cloud account.
    CloudAdmin,
    /// Whoever runs this service.
    Operator,
    /// Nobody here: the provider.
    Provider,
}

impl Owner {
    /// For messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Owner::Caller => "the caller",
            Owner::ResourceEditor => "an editor of the resource",
            Owner::CloudAdmin => "an administrator of the cloud account",
            Owner::Operator => "the operator of this service",
            Owner::Provider => "the provider",
        }
    }
}

/// What is known about one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorEntry {
    /// As the upstream writes it, or ours for the network.
    pub code: &'static str,
    /// Why it happens.
    pub cause: &'static str,
    /// What to change.
    pub remedy: &'static str,
    /// Who can.
    pub owner: Owner,
    /// Whether the same request may work a moment later.
    pub retry: bool,
}

const fn entry(
    code: &'static str,
    cause: &'static str,
    remedy: &'static str,
    owner: Owner,
    retry: bool,
) -> ErrorEntry {
    ErrorEntry { code, cause, remedy, owner, retry }
}

use Owner::{Caller, CloudAdmin, Operator, Provider, ResourceEditor};

/// The catalogue, sorted by origin: S3, STS, Secrets Manager, network, ours.
pub const ENTRIES: &[ErrorEntry] = &[
    entry(
        "AccessControlListNotSupported",
        "the bucket has ACLs turned off (object ownership is bucket owner enforced)",
        "remove `default_acl` from the resource and send no ACL: the bucket's policy says who may read",
        ResourceEditor,
        false,
    ),
    entry(
        "AccessDenied",
        "the credentials are real, but no policy allows this operation or one denies it",
        "allow the named IAM action for the identity, and look for a Deny in the bucket policy",
        CloudAdmin,
        false,
    ),
    entry(
        "AccountProblem",
        "the account that owns the bucket has a problem that the provider must solve",
        "ask the provider's support",
        Provider,
        false,
    ),
    entry(
        "AllAccessDisabled",
        "the provider has disabled the bucket or object",
        "ask the provider's support",
        Provider,
        false,
    ),
    entry(
        "AuthorizationHeaderMalformed",
        "the request was signed for another region than the bucket's",
        "set the resource's region to the one that the store names",
        ResourceEditor,
        false,
    ),
    entry(
        "BadDigest",
        "the body that arrived is not the one that was sent",
        "send it again; if it happens often, look at the network in between",
        Caller,
        true,
    ),
    entry("BucketAlreadyOwnedByYou", "the bucket exists already", "use it as it is", Caller, false),
    entry("BucketNotEmpty", "the bucket still holds objects", "delete them first", Caller, false),
    entry(
        "EntityTooLarge",
        "the object is larger than the store takes in one request",
        "send its length, so that it is uploaded in parts",
        Caller,
        false,
    ),
    entry(
        "EntityTooSmall",
        "a part of a multipart upload is smaller than 5 MiB",
        "send larger parts",
        Caller,
        false,
    ),
    entry(
        "ExpiredToken",
        "the temporary credentials have expired",
        "write new ones into the secret, or use `assume_role`, which renews them",
        CloudAdmin,
        false,
    ),
    entry(
        "IllegalLocationConstraintException",
        "the endpoint serves another region than the bucket's",
        "set the resource's region or endpoint to the bucket's",
        ResourceEditor,
        false,
    ),
    entry(
        "InvalidAccessKeyId",
        "the store does not know this access key",
        "write the right access key into the secret; check that the endpoint is the one that issued it",
        CloudAdmin,
        false,
    ),
    entry(
        "InvalidArgument",
        "the store did not accept a parameter",
        "read the detail and correct the parameter",
        Caller,
        false,
    ),
    entry(
        "InvalidBucketName",
        "the bucket's name breaks the store's rules",
        "correct `bucket`: 3 to 63 of a-z, 0-9, `-` and `.`",
        ResourceEditor,
        false,
    ),
    entry(
        "InvalidDigest",
        "the checksum header does not fit the body",
        "leave the checksum out or compute it anew",
        Caller,
        false,
    ),
    entry(
        "InvalidObjectState",
        "the object is archived and must be restored before it can be read",
        "restore it in the provider's console, then read again",
        CloudAdmin,
        false,
    ),
    entry(
        "InvalidPart",
        "a part of the upload is missing or changed",
        "start the upload again",
        Caller,
        true,
    ),
    entry(
        "InvalidRange",
        "the range lies outside the object",
        "ask for a range inside the object's size",
        Caller,
        false,
    ),
    entry(
        "InvalidRequest",
        "the store did not accept the request as it was sent",
        "read the detail; a wrong provider profile is a common reason",
        ResourceEditor,
        false,
    ),
    entry(
        "InvalidToken",
        "the session token is not valid for this key",
        "write the access key, secret key and session token of one issue into the secret",
        CloudAdmin,
        false,
    ),
    entry("KeyTooLongError", "the key is longer than 1024 bytes", "use a shorter key", Caller, false),
    entry(
        "KMS.DisabledException",
        "the KMS key that encrypts the object is disabled",
        "enable the key",
        CloudAdmin,
        false,
    ),
    entry(
        "MalformedPolicy",
        "the policy is not one that the store accepts",
        "validate the policy and correct it",
        CloudAdmin,
        false,
    ),
    entry(
        "MethodNotAllowed",
        "the store does not allow this method here",
        "check the key; a delete marker cannot be read",
        Caller,
        false,
    ),
    entry(
        "MissingContentLength",
        "the store wants the length of the body first",
        "send `Content-Length`",
        Caller,
        false,
    ),
    entry(
        "MissingContentMD5",
        "the store wants a Content-MD5 header",
        "set the resource's provider, whose profile adds it",
        ResourceEditor,
        false,
    ),
    entry(
        "NoSuchBucket",
        "there is no such bucket at this endpoint",
        "correct `bucket` or `endpoint`, or create the bucket",
        ResourceEditor,
        false,
    ),
    entry("NoSuchKey", "there is no such object", "list the prefix to see what is there", Caller, false),
    entry(
        "NoSuchUpload",
        "the multipart upload was completed, aborted or never started",
        "start the upload again",
        Caller,
        false,
    ),
    entry(
        "NoSuchVersion",
        "there is no such version of the object",
        "list the versions to see what is there",
        Caller,
        false,
    ),
    entry(
        "NotImplemented",
        "the store does not have this operation",
        "use another operation, or another provider",
        Provider,
        false,
    ),
    entry(
        "OperationAborted",
        "another operation on the same thing was under way",
        "try again in a moment",
        Caller,
        true,
    ),
    entry(
        "PermanentRedirect",
        "the bucket lives in another region",
        "set the resource's region to the one that the store names",
        ResourceEditor,
        false,
    ),
    entry(
        "PreconditionFailed",
        "the object is not as the condition says",
        "read it again and decide anew",
        Caller,
        false,
    ),
    entry(
        "RequestTimeTooSkewed",
        "this machine's clock and the store's are more than 15 minutes apart",
        "set the clock of the machine that runs this service (NTP)",
        Operator,
        false,
    ),
    entry("RequestTimeout", "the store waited too long for the body", "send it again", Caller, true),
    entry(
        "ServiceUnavailable",
        "the store is overloaded or being repaired",
        "try again in a moment",
        Provider,
        true,
    ),
    entry("InternalError", "the store failed inside", "try again in a moment", Provider, true),
    entry(
        "SignatureDoesNotMatch",
        "the secret key does not belong to the access key, or a proxy in between changes headers",
        "write the right secret key into the secret; if it is right, look for a proxy that alters requests",
        CloudAdmin,
        false,
    ),
    entry(
        "SlowDown",
        "the store asks for fewer requests",
        "try again in a moment; spread the load over more prefixes",
        Provider,
        true,
    ),
    entry(
        "TemporaryRedirect",
        "the bucket is being moved to its region's endpoint",
        "set the resource's region to the one that the store names",
        ResourceEditor,
        true,
    ),
    entry(
        "XAmzContentSHA256Mismatch",
        "the store computed another checksum of the body",
        "set the resource's provider, whose profile chooses how uploads are signed",
        ResourceEditor,
        false,
    ),
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
    entry(
        "NameNotFound",
        "the endpoint's host name does not resolve",
        "correct the host name in `endpoint`",
        ResourceEditor,
        false,
    ),
    entry(
        "ConnectionRefused",
        "nothing listens at the endpoint's address and port",
        "correct the port, or start the store",
        ResourceEditor,
        true,
    ),
    entry(
        "ConnectionReset",
        "the connection was cut in the middle",
        "try again; look at proxies and firewalls in between",
        Operator,
        true,
    ),
    entry(
        "ConnectTimeout",
        "no connection came about in time",
        "check that a firewall lets this service reach the endpoint",
        Operator,
        true,
    ),
    entry(
        "ReadTimeout",
        "the store did not answer in time",
        "try again, or raise `limits.timeout_ms`",
        ResourceEditor,
        true,
    ),
    entry(
        "TlsUnknownCa",
        "the endpoint's certificate is signed by an authority that is not trusted",
        "give the authority's certificate in `tls.ca_pem`",
        ResourceEditor,
        false,
    ),
    entry(
        "TlsCertificateExpired",
        "the endpoint's certificate has expired",
        "renew the certificate",
        Operator,
        false,
    ),
    entry(
        "TlsNameMismatch",
        "the endpoint's certificate is for another name",
        "use the name in the certificate; a bucket with dots needs `addressing: path`",
        ResourceEditor,
        false,
    ),
    entry(
        "TlsFailure",
        "no TLS connection came about",
        "check that the port speaks HTTPS; use `http://` for one that does not",
        ResourceEditor,
        false,
    ),
    entry(
        "NotHttp",
        "the endpoint does not answer in HTTP",
        "check that the port speaks HTTP; use `https://` for one that speaks TLS",
        ResourceEditor,
        false,
    ),
    entry(
        "BlockedEndpoint",
        "the egress rules do not allow this address",
        "let the operator add the host or network to `egress.allow`, or correct `endpoint`",
        Operator,
        false,
    ),
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
    entry("InvalidObjectKey", "the key is empty or holds a NUL byte", "use another key", Caller, false),
];

/// The entry of a code.
pub fn find(code: &str) -> Option<&'static ErrorEntry> {
    ENTRIES.iter().find(|entry| entry.code == code)
}

#[cfg(test)]
mod tests {
    use super::{ENTRIES, find};

    #[test]
    fn codes_are_unique_and_texts_follow_the_style() {
        for (index, entry) in ENTRIES.iter().enumerate() {
            assert!(
                ENTRIES.iter().skip(index + 1).all(|other| other.code != entry.code),
                "{} twice",
                entry.code
            );
            assert!(
                !entry.cause.ends_with('.') && !entry.remedy.ends_with('.'),
                "{} ends with a full stop",
                entry.code
            );
        }
        assert!(find("NoSuchBucket").is_some());
        assert!(find("nothing").is_none());
    }
}
