//! Names that people choose: of resources, projects, environments, sources and aliases.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A name was refused; the text says which characters are allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a valid {what}: {rule}")]
pub struct NameError {
    given: String,
    what: &'static str,
    rule: &'static str,
}

/// The name of a resource, project or environment: `[a-z0-9][a-z0-9-]{0,62}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

impl Name {
    /// Letters of the longest one.
    pub const MOST: usize = 63;

    /// Checks and takes a name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = text.as_bytes();
        let valid = bytes.len() <= Name::MOST
            && bytes.first().copied().is_some_and(letters)
            && bytes.iter().all(|&byte| letters(byte) || byte == b'-');
        if valid {
            return Ok(Self(text.into()));
        }
        let rule = "use 1 to 63 of a-z, 0-9 and `-`, starting with a letter or digit";
        Err(NameError { given: shortened(text), what: "name", rule })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a secret source or an alias: `[A-Za-z_][A-Za-z0-9_-]*`, at most 64 characters, so that a
/// dot after it always starts a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Identifier(Arc<str>);

impl Identifier {
    /// Checks and takes an identifier.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let bytes = text.as_bytes();
        let valid = bytes.len() <= 64
            && bytes.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'-');
        if valid {
            return Ok(Self(text.into()));
        }
        let rule = "use 1 to 64 of A-Z, a-z, 0-9, `_` and `-`, starting with a letter or `_`";
        Err(NameError { given: shortened(text), what: "source or alias name", rule })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Hostile names come back in messages; a message stays short.
fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

macro_rules! text_like {
    ($kind:ty) => {
        impl Borrow<str> for $kind {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<String> for $kind {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }
        impl From<$kind> for String {
            fn from(name: $kind) -> Self {
                name.0.to_string()
            }
        }
        impl fmt::Display for $kind {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
    };
}
text_like!(Name);
text_like!(Identifier);

#[cfg(test)]
mod tests {
    use super::{Identifier, Name};

    #[test]
    fn names_take_what_the_rule_says() {
        for good in ["a", "0", "invoices", "a-b-", &"x".repeat(63)] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "A", "a_b", "a.b", "ü", &"x".repeat(64), "a b"] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn identifiers_never_hold_a_dot_or_a_colon() {
        for good in ["_", "aws-prod", "A9_"] {
            assert!(Identifier::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "9a", "-a", "a.b", "a:b", "a@b"] {
            assert!(Identifier::parse(bad).is_err(), "{bad}");
        }
    }
}
