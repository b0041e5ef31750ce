//! Tags of objects.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Tags that one object may have (S3 user guide, categorizing objects with tags).
const MOST_TAGS: usize = 10;
/// Characters of a tag's key (the same page).
const LONGEST_KEY: usize = 128;
/// Characters of a tag's value (the same page).
const LONGEST_VALUE: usize = 256;

/// The tags of an object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ObjectTags {
    /// The key, relative to the resource's prefix.
    pub key: String,
    /// The version that has them, in buckets that keep versions.
    pub version_id: Option<String>,
    /// By name.
    pub tags: BTreeMap<String, String>,
}

/// Tags were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// S3 takes ten.
    #[error("there are {0} tags, and an object takes at most {MOST_TAGS}: leave some out")]
    TooMany(usize),
    /// A tag has a name.
    #[error("a tag has an empty name: give it one")]
    EmptyKey,
    /// The name is too long.
    #[error("the name of the tag `{0}…` has more than {LONGEST_KEY} characters: make it shorter")]
    LongKey(String),
    /// The value is too long.
    #[error("the value of the tag `{0}` has more than {LONGEST_VALUE} characters: make it shorter")]
    LongValue(String),
    /// AWS keeps these names for itself.
    #[error("the tag `{0}` starts with `aws:`, which only AWS may write: give it another name")]
    Reserved(String),
}

/// Whether an object may have these tags.
pub fn check(tags: &BTreeMap<String, String>) -> Result<(), TagError> {
    if tags.len() > MOST_TAGS {
        return Err(TagError::TooMany(tags.len()));
    }
    for (key, value) in tags {
        if key.is_empty() {
            return Err(TagError::EmptyKey);
        }
        if key.chars().count() > LONGEST_KEY {
            return Err(TagError::LongKey(key.chars().take(32).collect()));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(TagError::Reserved(key.clone()));
        }
        if value.chars().count() > LONGEST_VALUE {
            return Err(TagError::LongValue(key.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{TagError, check};

    fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn tags_have_bounds_in_characters() {
        assert_eq!(check(&tags(&[("ü".repeat(128).as_str(), "🚀".repeat(256).as_str()), ("a", "")])), Ok(()));
        assert_eq!(check(&tags(&[("", "v")])), Err(TagError::EmptyKey));
        assert_eq!(check(&tags(&[("k".repeat(129).as_str(), "")])), Err(TagError::LongKey("k".repeat(32))));
        assert_eq!(
            check(&tags(&[("k", "v".repeat(257).as_str())])),
            Err(TagError::LongValue("k".to_owned()))
        );
        assert_eq!(check(&tags(&[("AWS:x", "")])), Err(TagError::Reserved("AWS:x".to_owned())));
        let many: BTreeMap<String, String> =
            (0..11).map(|number| (number.to_string(), String::new())).collect();
        assert_eq!(check(&many), Err(TagError::TooMany(11)));
    }
}
