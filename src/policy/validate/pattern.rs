//! Patterns against patterns: what an entry of a list covers.

use std::borrow::Cow;

use crate::policy::glob::Glob;

/// Whether a text has wildcards. `${*}` and `${?}` are no wildcards.
pub(super) fn has_wildcard(text: &str) -> bool {
    is_wild(text) && (!text.contains('$') || without_variables(text).any(is_wild))
}

/// Whether a text has a `*` or `?` anywhere.
fn is_wild(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'*' | b'?'))
}

/// Whether a text has the beginning of a variable or of an escape.
pub(super) fn has_dollar(text: &str) -> bool {
    text.bytes().any(|byte| byte == b'$') && text.contains("${")
}

/// Whether a text has a variable; `${*}`, `${?}` and `${$}` are none.
pub(super) fn has_variable(text: &str) -> bool {
    text.contains('$')
        && text
            .split("${")
            .skip(1)
            .any(|rest| !["*}", "?}", "$}"].iter().any(|escape| rest.starts_with(escape)))
}

/// The parts of a text between its `${…}`.
fn without_variables(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").enumerate().map(|(index, part)| match part.split_once('}') {
        Some((_, after)) if index > 0 => after,
        _ => part,
    })
}

/// Whether the pattern matches the text without regard to case, as actions are compared.
pub(super) fn matches_action(pattern: &str, action: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    if !is_wild(pattern) {
        return pattern.eq_ignore_ascii_case(action);
    }
    Glob::wild(&pattern.to_ascii_lowercase()).matches(&action.to_ascii_lowercase())
}

/// Whether the pattern covers everything that the other one matches. May be false where it does, never true where it
/// does not.
pub(super) fn covers(pattern: &str, other: &str) -> bool {
    Cover::of(Cow::Borrowed(pattern)).covers(other)
}

/// A pattern that is compared with many others.
pub(super) struct Cover<'a> {
    pub(super) text: Cow<'a, str>,
    /// None where nothing but itself is surely covered.
    glob: Option<Glob>,
    /// `?` is one character, and what it would be compared with may stand for several or none.
    has_question: bool,
}

impl<'a> Cover<'a> {
    pub(super) fn of(text: Cow<'a, str>) -> Self {
        let is_pattern = is_wild(&text) && !has_variable(&text);
        Cover { glob: is_pattern.then(|| Glob::wild(&text)), has_question: text.contains('?'), text }
    }

    /// As [`covers`] says.
    pub(super) fn covers(&self, other: &str) -> bool {
        if self.text == other {
            return true;
        }
        let Some(glob) = &self.glob else { return false };
        !(self.has_question && other.contains(['*', '$'])) && glob.matches(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_it_matches_whatever_the_wildcards_of_the_other_stand_for() {
        assert!(covers("s3:get*", "s3:getobject*"));
        assert!(covers("*", "s3:?et*"));
        assert!(covers("a?c", "abc"));
        assert!(!covers("a?c", "a*c"), "the other one also matches `ac`");
        assert!(!covers("s3:getobject*", "s3:get*"));
        assert!(!covers("a${b}*", "a${b}c"), "a variable is not compared");
    }

    #[test]
    fn escapes_are_no_wildcards() {
        assert!(!has_wildcard("a${*}b"));
        assert!(has_wildcard("a${*}b*"));
        assert!(!has_variable("a${*}b") && has_variable("${aws:username}"));
    }
}
