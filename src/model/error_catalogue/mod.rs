//! The error catalogue: what a code means, what to do about it, and who can.
//!
//! One table of every code that we answer or know, for queries, tests, the command line and the documentation. Sources: the error pages of the S3,
//! STS and Secrets Manager API references, and what Ceph, moto and s3s answer in our tests. The pages of the codes in
//! `docs/errors` are made from it.

mod checks;
mod network;
mod own;
mod s3;
mod secrets_manager;
mod sts;

/// Who can mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Whoever sent the request.
    Caller,
    /// Whoever edits the resource.
    ResourceEditor,
    /// Whoever owns the bucket, the role or the key in the cloud account.
    CloudAdmin,
    /// Whoever makes tokens and rules of this service.
    Admin,
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
            Owner::Admin => "an admin of this service",
            Owner::Operator => "the operator of this service",
            Owner::Provider => "the provider",
        }
    }
}

/// Who says a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// S3, and everything that speaks its protocol.
    S3,
    /// STS.
    Sts,
    /// Secrets Manager.
    SecretsManager,
    /// The way to any of them.
    Network,
    /// This service: of a request, or before anything is sent on.
    Own,
    /// A test of a resource, after a second look.
    Check,
}

impl Origin {
    /// Every origin.
    pub const ALL: [Origin; 6] =
        [Origin::S3, Origin::Sts, Origin::SecretsManager, Origin::Network, Origin::Own, Origin::Check];

    /// For pages and lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::S3 => "S3",
            Origin::Sts => "STS",
            Origin::SecretsManager => "Secrets Manager",
            Origin::Network => "network",
            Origin::Own => "this service",
            Origin::Check => "a test of a resource",
        }
    }

    /// Its entries.
    pub fn entries(self) -> &'static [ErrorEntry] {
        match self {
            Origin::S3 => s3::ENTRIES,
            Origin::Sts => sts::ENTRIES,
            Origin::SecretsManager => secrets_manager::ENTRIES,
            Origin::Network => network::ENTRIES,
            Origin::Own => own::ENTRIES,
            Origin::Check => checks::ENTRIES,
        }
    }
}

/// What is known about one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorEntry {
    /// As the upstream writes it, or ours for the network.
    pub code: &'static str,
    /// Who says it.
    pub origin: Origin,
    /// Why it happens.
    pub cause: &'static str,
    /// What to change.
    pub remedy: &'static str,
    /// Who can.
    pub owner: Owner,
    /// Whether the same request may work a moment later.
    pub retry: bool,
}

/// Every entry, by origin.
pub fn all() -> impl Iterator<Item = &'static ErrorEntry> {
    Origin::ALL.into_iter().flat_map(Origin::entries)
}

/// The entry of a code.
pub fn find(code: &str) -> Option<&'static ErrorEntry> {
    all().find(|entry| entry.code == code)
}

impl ErrorEntry {
    /// For people, in a few lines.
    pub fn text(&self) -> String {
        let ErrorEntry { code, cause, remedy, .. } = self;
        let (origin, owner) = (self.origin.as_str(), self.owner.as_str());
        format!(
            "{code}\n\nCause: {cause}.\nRemedy: {remedy}.\nWho can do it: {owner}.\nComes from: {origin}.\n{}\n",
            self.retry_text()
        )
    }

    /// Whether to send the same request again.
    pub fn retry_text(&self) -> &'static str {
        if self.retry {
            "The same request may work a moment later."
        } else {
            "The same request fails again until this is done."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{all, find};

    #[test]
    fn codes_are_unique_and_texts_follow_the_style() {
        let entries: Vec<_> = all().collect();
        for (index, entry) in entries.iter().enumerate() {
            let code = entry.code;
            assert!(entries.iter().skip(index + 1).all(|other| other.code != code), "{code} twice");
            for text in [entry.cause, entry.remedy] {
                assert!(!text.ends_with('.') && !text.is_empty(), "{code}: `{text}`");
            }
        }
        assert!(find("NoSuchBucket").is_some());
        assert!(find("nothing").is_none());
    }
}
