//! The words of the engine's types as values of options, so that the help lists them and a misuse names them.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::de::DeserializeOwned;

pub(super) const KINDS: &[&str] = &["identity", "bucket", "trust", "scp", "rcp"];
pub(super) const OWNERSHIPS: &[&str] = &["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"];
pub(super) const OPERATIONS: &[&str] = &[
    "list",
    "head",
    "get",
    "put",
    "delete",
    "copy",
    "get_tags",
    "put_tags",
    "get_acl",
    "put_acl",
    "versions",
    "multipart",
    "sign",
    "get_bucket",
    "put_bucket",
    "cors",
];
pub(super) const ASPECTS: &[&str] = &[
    "location",
    "versioning",
    "encryption",
    "ownership",
    "public_access_block",
    "policy",
    "cors",
    "lifecycle",
    "acl",
];

/// Takes one of the words, as JSON would write it.
pub(super) fn one_of<T: DeserializeOwned + Clone + Send + Sync + 'static>(
    words: &'static [&'static str],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words).try_map(|word| serde_json::from_value::<T>(word.into()))
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::{ASPECTS, KINDS, OPERATIONS, OWNERSHIPS};
    use crate::policy::document::Kind;
    use crate::policy::generate::{Aspect, WantedOperation};
    use crate::policy::request::ObjectOwnership;

    /// The words that the type itself says it knows.
    fn known<T: DeserializeOwned + std::fmt::Debug>() -> Vec<String> {
        let refusal = serde_json::from_value::<T>("?".into()).unwrap_err().to_string();
        let list = refusal.split_once(", expected ").unwrap().1;
        list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn the_words_are_those_of_the_engine() {
        assert_eq!(known::<Kind>(), KINDS);
        assert_eq!(known::<ObjectOwnership>(), OWNERSHIPS);
        assert_eq!(known::<WantedOperation>(), OPERATIONS);
        assert_eq!(known::<Aspect>(), ASPECTS);
    }
}
