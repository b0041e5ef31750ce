//! Texts that travel as headers: what an upload keeps with the object.
//!
//! HTTP carries visible ASCII in a header, and no store takes more without surprises: a signature over other bytes does
//! not fit, and the store is blamed for it. S3 itself writes other text as RFC 2047 has it when it answers (S3 user
//! guide, user-defined object metadata), so a caller who needs it writes it so, and gets back what was written.

use std::collections::{BTreeMap, BTreeSet};

/// Characters of a name that come back.
const MOST_SHOWN: usize = 80;

/// A field whose text cannot be a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` {rule}")]
pub struct Unfit {
    /// The field.
    pub path: String,
    /// What it takes; reads on from the field's name.
    pub rule: &'static str,
}

/// Refuses values that cannot be headers.
pub fn check_fields(fields: &[(&str, Option<&str>)]) -> Result<(), Unfit> {
    let unfit = fields.iter().find(|(_, value)| value.is_some_and(|value| !is_visible(value)));
    match unfit {
        Some((name, _)) => Err(Unfit { path: (*name).to_owned(), rule: NOT_VISIBLE }),
        None => Ok(()),
    }
}

const NOT_VISIBLE: &str = "takes visible ASCII, as HTTP carries it: write other text as RFC 2047 has it \
                           (`=?UTF-8?B?…?=`), which is given back as it was written";
const TWICE: &str = "is there twice, because capitals do not count in headers: name it once";
const NO_NAME: &str = "cannot be the name of metadata: use letters, digits and `-`";

/// Refuses user metadata that cannot be headers.
pub fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), Unfit> {
    let mut names = BTreeSet::new();
    for (name, value) in metadata {
        let is_new = names.insert(name.to_ascii_lowercase());
        let rule = match (is_token(name), is_visible(value)) {
            (true, true) if is_new => continue,
            (true, true) => TWICE,
            (false, _) => NO_NAME,
            (true, false) => NOT_VISIBLE,
        };
        let shown: String = name.chars().take(MOST_SHOWN).collect();
        return Err(Unfit { path: format!("metadata.{shown}"), rule });
    }
    Ok(())
}

/// What stands in a header's value (RFC 9110, 5.5), without what is obsolete.
fn is_visible(value: &str) -> bool {
    value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte))
}

/// What stands in a header's name (RFC 9110, 5.6.2).
fn is_token(name: &str) -> bool {
    let mark = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || mark(byte))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{check_fields, check_metadata};

    #[test]
    fn a_text_that_is_no_header_is_refused_with_its_field() {
        let check = |name: &str, value: &str| {
            check_metadata(&BTreeMap::from([(name.to_owned(), value.to_owned())])).map_err(|unfit| unfit.path)
        };
        for (name, value) in [("author", "Ann B."), ("a-1_b", ""), ("a", "=?UTF-8?B?w7w=?="), ("a", "x\ty")] {
            check(name, value).unwrap();
        }
        assert_eq!(check("author", "M\u{fc}ller"), Err("metadata.author".to_owned()));
        assert_eq!(check("a", "x\ny"), Err("metadata.a".to_owned()));
        assert_eq!(check("a b", "x"), Err("metadata.a b".to_owned()));
        assert_eq!(check("", "x"), Err("metadata.".to_owned()));
        let twice = [("A", "1"), ("a", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(check_metadata(&twice.into()).unwrap_err().path, "metadata.a");
        check_fields(&[("expires", None), ("cache_control", Some("no-cache"))]).unwrap();
        let unfit = check_fields(&[("content_disposition", Some("inline; filename=\u{fc}"))]).unwrap_err();
        assert!(unfit.to_string().starts_with("`content_disposition` takes visible ASCII"), "{unfit}");
    }
}
