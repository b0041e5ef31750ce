//! Patterns with `*` and `?`: actions, ARNs and the values of `Like` operators.
//!
//! A pattern is split when its policy is loaded and matched in one pass with one point to go back to (two, when
//! wildcards are confined to the fields of an ARN). The work is at most quadratic in the lengths, for any input.

mod walk;

use walk::{MANY, MANY_IN_FIELD, ONE, ONE_IN_FIELD};

#[cfg(test)]
pub(super) use walk::count_steps;

/// Texts that contain no wildcard byte: how `literal` texts and `${…}` values come into a pattern.
///
/// The wildcards are bytes that no UTF-8 text has, so nothing that a request brings is ever read as one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Pattern(Vec<u8>);

/// A pattern ready to match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    bytes: Box<[u8]>,
    shape: Shape,
}

/// What most patterns look like needs no walk.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    /// `*`.
    Everything,
    /// No wildcard.
    Exact,
    /// Text, then one `*` at the end, which is left out of the bytes.
    Prefix,
    /// Anything else: the lengths of the fixed text at both ends.
    Mixed { head: usize, tail: usize },
}

/// Where the wildcards of an ARN may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fields {
    /// The `Resource` element: a `*` that ends a field also runs past colons, others stay in their field.
    Resource,
    /// The ARN operators: every wildcard stays in its field. The last of the six fields may hold colons.
    Operator,
}

/// How many fields an ARN has.
const ARN_FIELDS: usize = 6;

impl Pattern {
    /// Adds text that stands for itself.
    pub(super) fn push_text(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Adds text in which `*` and `?` are wildcards.
    pub(super) fn push_wild(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                b'*' if self.0.last() == Some(&MANY) => {}
                b'*' => self.0.push(MANY),
                b'?' => self.0.push(ONE),
                byte => self.0.push(byte),
            }
        }
    }

    /// Adds another pattern.
    pub(super) fn push(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// Keeps the wildcards of an ARN in their fields. False when the pattern has fewer than six fields.
    pub(super) fn confine(&mut self, fields: Fields) -> bool {
        let mut field = 1;
        let mut bytes = self.0.iter_mut().peekable();
        while let Some(byte) = bytes.next() {
            let ends_field = matches!(bytes.peek(), None | Some(&&mut b':'));
            match *byte {
                _ if field == ARN_FIELDS => return true,
                b':' => field += 1,
                MANY if fields == Fields::Operator || !ends_field => *byte = MANY_IN_FIELD,
                ONE => *byte = ONE_IN_FIELD,
                _ => {}
            }
        }
        field == ARN_FIELDS
    }

    /// The text, when there is no wildcard in it.
    pub(super) fn as_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl Glob {
    /// A pattern in which `*` and `?` are wildcards.
    pub(super) fn wild(text: &str) -> Self {
        let mut pattern = Pattern::default();
        pattern.push_wild(text);
        Self::from(pattern)
    }

    /// Whether the whole text matches; case counts.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text = text.as_bytes();
        match self.shape {
            Shape::Everything => true,
            Shape::Exact => *self.bytes == *text,
            Shape::Prefix => text.starts_with(&self.bytes),
            Shape::Mixed { head, tail } => matches_mixed(&self.bytes, head, tail, text),
        }
    }
}

impl From<Pattern> for Glob {
    fn from(pattern: Pattern) -> Self {
        let mut bytes = pattern.0;
        let shape = match bytes.iter().position(|byte| walk::is_wildcard(*byte)) {
            None => Shape::Exact,
            Some(0) if bytes == [MANY] => Shape::Everything,
            Some(first) if first + 1 == bytes.len() && bytes.last() == Some(&MANY) => {
                bytes.truncate(first);
                Shape::Prefix
            }
            Some(head) => {
                let tail = bytes.iter().rev().take_while(|byte| !walk::is_wildcard(**byte)).count();
                Shape::Mixed { head, tail }
            }
        };
        Self { bytes: bytes.into(), shape }
    }
}

/// The fixed ends first: most texts that do not match already fail there.
fn matches_mixed(pattern: &[u8], head: usize, tail: usize, text: &[u8]) -> bool {
    let Some((first, rest)) = pattern.split_at_checked(head) else { return false };
    let Some((middle, last)) = rest.split_at_checked(rest.len().saturating_sub(tail)) else { return false };
    let inner = text.strip_prefix(first).and_then(|text| text.strip_suffix(last));
    inner.is_some_and(|inner| walk::walk(middle, inner, &mut || ()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    fn arn(pattern: &str, fields: Fields, text: &str) -> bool {
        let mut bytes = Pattern::default();
        bytes.push_wild(pattern);
        bytes.confine(fields) && Glob::from(bytes).matches(text)
    }

    #[test]
    fn stars_and_question_marks_match_characters() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a*c", "abcc", true),
            ("a*c", "abcd", false),
            ("a*b*c", "a-b-b-c", true),
            ("ab*ba", "aba", false),
            ("?", "é", true),
            ("??", "é", false),
            ("*?é", "aé", true),
            ("*?é", "é", false),
            ("b/*/test/*", "b/1/2/test/3/4", true),
            ("***a***", "bab", true),
            ("a?c*", "abc", true),
            ("a?c*", "ac", false),
        ] {
            assert_eq!(Glob::wild(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn text_stands_for_itself() {
        let mut pattern = Pattern::default();
        pattern.push_wild("a*");
        pattern.push_text("*");
        let glob = Glob::from(pattern);
        assert!(glob.matches("ax*"));
        assert!(!glob.matches("axy"));
    }

    #[test]
    fn wildcards_stay_in_the_fields_of_an_arn() {
        use Fields::{Operator, Resource};
        for (pattern, fields, text, expected) in [
            ("arn:aws:iam::*:role/*", Operator, "arn:aws:iam::111122223333:role/a:b", true),
            ("arn:aws:iam::*", Operator, "arn:aws:iam::111122223333:role/a", false),
            ("arn:*:role/a", Operator, "arn:aws:iam::111122223333:role/a", false),
            ("arn:aws:iam::*:role/a", Operator, "arn:aws:iam:x:1:1:role/a", false),
            ("arn:aws:i?m::1:role/a", Operator, "arn:aws:i:m::1:role/a", false),
            ("arn:aws:s3:::b/*z", Resource, "arn:aws:s3:::b/a:b:z", true),
            ("arn:a*s:s3:::b", Resource, "arn:aws:s3:::b", true),
            ("arn:a*3:::b/a::b", Resource, "arn:aws:s3:::b/a::b", false),
            ("arn:*:*:x*y:*:k", Resource, "arn:aws:s3:xay:1:k", true),
            ("arn:*:*:x*y:*:k", Resource, "arn:aws:s3:x:y:1:k", false),
            ("arn:*:*:a*b:*:k", Resource, "arn:aws:abc:ab:1:k", true),
        ] {
            assert_eq!(arn(pattern, fields, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn hostile_patterns_take_bounded_work() {
        let text = "a".repeat(1000);
        for pattern in
            ["*a".repeat(500) + "*b*", "*".to_owned() + &"a".repeat(500) + "b*", "*?".repeat(600) + "b*"]
        {
            let mut bytes = Pattern::default();
            bytes.push_wild(&pattern);
            let steps = count_steps(&bytes.0, text.as_bytes());
            assert!(steps <= 4 * pattern.len() * text.len(), "{steps} steps");
            assert!(!Glob::from(bytes).matches(&text));
        }
        let fields = "arn:*:*a*a*a*:*:*a*a*:".to_owned() + &"*a".repeat(100) + "*b*";
        let mut bytes = Pattern::default();
        bytes.push_wild(&fields);
        assert!(bytes.confine(Fields::Resource));
        let text = format!("arn:{0}:{0}:{0}:{0}:{0}", "a".repeat(200));
        assert!(count_steps(&bytes.0, text.as_bytes()) <= 4 * fields.len() * text.len());
    }

    /// The definition, in exponential time.
    fn defined(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|skip| defined(rest, &text[skip..])),
            Some(('?', rest)) => text.split_first().is_some_and(|(_, text)| defined(rest, text)),
            Some((one, rest)) => {
                text.split_first().is_some_and(|(first, text)| first == one && defined(rest, text))
            }
        }
    }

    /// The same with wildcards that know their field.
    fn defined_arn(pattern: &[char], at: usize, text: &[char], fields: Fields) -> bool {
        let Some(one) = pattern.get(at) else { return text.is_empty() };
        let in_last = pattern[..at].iter().filter(|byte| **byte == ':').count() >= 5;
        let ends = matches!(pattern.get(at + 1), None | Some(':'));
        let crosses = in_last || (fields == Fields::Resource && ends);
        let one_ok = |found: &char| in_last || *found != ':';
        match one {
            '*' => {
                let reach = text.iter().take_while(|found| crosses || **found != ':').count();
                (0..=reach).any(|skip| defined_arn(pattern, at + 1, &text[skip..], fields))
            }
            '?' => text.first().is_some_and(one_ok) && defined_arn(pattern, at + 1, &text[1..], fields),
            one => text.first() == Some(one) && defined_arn(pattern, at + 1, &text[1..], fields),
        }
    }

    proptest! {
        #[test]
        fn matching_is_what_it_is_defined_to_be(pattern in "[aé*?]{0,8}", text in "[aéb]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(Glob::wild(&pattern).matches(&text), defined(&chars(&pattern), &chars(&text)));
        }

        #[test]
        fn matching_of_arns_is_what_it_is_defined_to_be(
            pattern in "[ab*?]{0,3}:[ab*?:]{0,3}::[ab*?]{0,3}:[a*?:]{0,3}", text in "[ab]{0,2}:[ab]{0,2}:::[ab:]{1,3}"
        ) {
            let mut collapsed = pattern.clone();
            while collapsed.contains("**") { collapsed = collapsed.replace("**", "*"); }
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            for fields in [Fields::Resource, Fields::Operator] {
                let enough = pattern.matches(':').count() >= 5;
                prop_assert_eq!(
                    arn(&pattern, fields, &text),
                    enough && defined_arn(&chars(&collapsed), 0, &chars(&text), fields)
                );
            }
        }
    }
}
