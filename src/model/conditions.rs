//! Conditions on reads as HTTP says (RFC 9110, section 13), where stores know less of them.
//!
//! Stores compare one tag as it is written. Lists of tags, weak ones and `*` are decided here: the object is asked for
//! without conditions, and all of them are held against what came back.

use crate::model::object::Conditions;

/// What conditions say to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is sent.
    Holds,
    /// It is as the caller knows it: 304.
    NotModified,
    /// It is not as the caller wants it: 412.
    Failed,
}

impl Conditions {
    /// Whether they say more than stores understand.
    pub fn beyond_stores(&self) -> bool {
        [&self.if_match, &self.if_none_match].into_iter().flatten().any(|tags| !is_plain(tags))
    }

    /// What they say to an object with this tag that was written at this HTTP date (RFC 9110, section 13.2.2).
    pub fn verdict(&self, etag: Option<&str>, last_modified: Option<&str>) -> Verdict {
        let unchanged_since = |since: &String| {
            // in each of the three forms; a date that cannot be read is no condition
            let at = |text: &str| httpdate::parse_http_date(text).ok();
            Some(at(last_modified?)? <= at(since)?)
        };
        let fails = match (&self.if_match, &self.if_unmodified_since) {
            (Some(tags), _) => !has_tag(tags, etag, Comparison::Strong),
            (None, Some(since)) => unchanged_since(since) == Some(false),
            (None, None) => false,
        };
        if fails {
            return Verdict::Failed;
        }
        let known = match (&self.if_none_match, &self.if_modified_since) {
            (Some(tags), _) => has_tag(tags, etag, Comparison::Weak),
            (None, Some(since)) => unchanged_since(since) == Some(true),
            (None, None) => false,
        };
        if known { Verdict::NotModified } else { Verdict::Holds }
    }
}

/// How tags are compared (RFC 9110, section 8.8.3.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// A weak tag is like no other.
    Strong,
    /// A weak tag is like the strong one.
    Weak,
}

/// One tag as stores compare it, or something that they refuse.
fn is_plain(tags: &str) -> bool {
    let tags = tags.trim();
    let inner = tags.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(tags);
    tags != "*" && !inner.contains(['"', ','])
}

fn has_tag(tags: &str, etag: Option<&str>, comparison: Comparison) -> bool {
    if tags.trim() == "*" {
        return true;
    }
    let Some(etag) = etag else { return false };
    let opaque = etag.strip_prefix("W/").unwrap_or(etag);
    split(tags).any(|tag| match comparison {
        Comparison::Strong => tag == etag && !etag.starts_with("W/"),
        Comparison::Weak => tag.strip_prefix("W/").unwrap_or(tag) == opaque,
    })
}

/// The tags of a list; within quotes a comma separates nothing.
fn split(tags: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let pieces = tags.split(move |letter| {
        quoted ^= letter == '"';
        letter == ',' && !quoted
    });
    pieces.map(str::trim).filter(|tag| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::Verdict::{self, Failed, Holds, NotModified};
    use super::is_plain;
    use crate::model::object::Conditions;

    const AT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    fn verdict(fields: [Option<&str>; 4]) -> Verdict {
        let [if_match, if_none_match, if_modified_since, if_unmodified_since] =
            fields.map(|field| field.map(str::to_owned));
        let conditions = Conditions { if_match, if_none_match, if_modified_since, if_unmodified_since };
        conditions.verdict(Some("\"a\""), Some(AT))
    }

    #[test]
    fn one_tag_is_left_to_the_store() {
        for plain in ["\"a\"", "a", "\"\"", " \"a-2\" "] {
            assert!(is_plain(plain), "{plain}");
        }
        for ours in ["*", "\"a\", \"b\"", "W/\"a\"", "\"a,b\"", "a, b"] {
            assert!(!is_plain(ours), "{ours}");
        }
    }

    #[test]
    fn tags_are_compared_as_http_says() {
        for (tags, if_match, if_none_match) in [
            ("\"a\"", Holds, NotModified),
            ("\"b\"", Failed, Holds),
            ("*", Holds, NotModified),
            ("\"b\", \"a\"", Holds, NotModified),
            ("\"b\",\"c\"", Failed, Holds),
            // a weak tag matches weakly only
            ("W/\"a\"", Failed, NotModified),
            ("\"b\", W/\"a\"", Failed, NotModified),
            // one tag with a comma
            ("\"b,\"a\"\"", Failed, Holds),
        ] {
            assert_eq!(verdict([Some(tags), None, None, None]), if_match, "If-Match: {tags}");
            assert_eq!(verdict([None, Some(tags), None, None]), if_none_match, "If-None-Match: {tags}");
        }
    }

    #[test]
    fn dates_count_where_no_tag_stands_beside_them() {
        assert_eq!(verdict([None, None, Some(AT), None]), NotModified);
        assert_eq!(verdict([None, None, Some(BEFORE), None]), Holds);
        assert_eq!(verdict([None, None, None, Some(AT)]), Holds);
        assert_eq!(verdict([None, None, None, Some(BEFORE)]), Failed);
        for old in ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(verdict([None, None, Some(old), None]), NotModified, "{old}");
        }
        assert_eq!(verdict([None, None, Some("yesterday"), Some("tomorrow")]), Holds, "no dates of HTTP");
        assert_eq!(verdict([Some("*"), None, None, Some(BEFORE)]), Holds);
        assert_eq!(verdict([None, Some("\"b\""), Some(AT), None]), Holds);
        assert_eq!(verdict([Some("\"b\""), Some("\"a\""), None, None]), Failed, "the first one first");
    }
}
