//! The ordered index of a bucket and the paging over it. Pure: no files, no clock.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::Bound;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// An object key. It borrows as bytes because S3 lists in byte order and a group ends at a byte bound.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(String);

impl Key {
    pub(super) fn new(key: &str) -> Self {
        Self(key.to_owned())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

// `String` and `[u8]` order, compare and (unused here) hash alike, as `Borrow` asks for.
impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// At the first key.
    Beginning,
    /// Behind this key.
    After(String),
    /// Behind every key of this group.
    AfterGroup(String),
}

impl Start {
    /// Prints an opaque continuation token; [`Start::parse_token`] reads it back.
    pub(super) fn to_token(&self) -> Option<String> {
        let text = match self {
            Self::Beginning => return None,
            Self::After(key) => format!("k{key}"),
            Self::AfterGroup(group) => format!("g{group}"),
        };
        Some(URL_SAFE_NO_PAD.encode(text))
    }

    pub(super) fn parse_token(token: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        if let Some(key) = text.strip_prefix('k') {
            return Some(Self::After(key.to_owned()));
        }
        text.strip_prefix('g').map(|group| Self::AfterGroup(group.to_owned()))
    }

    /// The text a client may pass as the next marker.
    pub(super) fn marker(&self) -> Option<&str> {
        match self {
            Self::Beginning => None,
            Self::After(text) | Self::AfterGroup(text) => Some(text),
        }
    }
}

/// What to list.
#[derive(Debug)]
pub(super) struct Query<'a> {
    pub(super) prefix: &'a str,
    /// Never empty: an empty delimiter means none.
    pub(super) delimiter: Option<&'a str>,
    pub(super) start: Start,
    /// Objects and groups together.
    pub(super) limit: usize,
}

impl Query<'_> {
    /// The group (common prefix) that `key` is rolled up into, if any.
    pub(super) fn group_of<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter?;
        let rest = key.get(self.prefix.len()..)?;
        let end = self.prefix.len() + rest.find(delimiter)? + delimiter.len();
        key.get(..end)
    }

    fn first_bound(&self) -> Bound<Vec<u8>> {
        let start = match &self.start {
            Start::Beginning => Bound::Unbounded,
            Start::After(key) => Bound::Excluded(key.as_bytes().to_vec()),
            Start::AfterGroup(group) => behind_group(group),
        };
        match &start {
            Bound::Included(bytes) | Bound::Excluded(bytes) if bytes.as_slice() >= self.prefix.as_bytes() => {
                start
            }
            _ => Bound::Included(self.prefix.as_bytes().to_vec()),
        }
    }
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry<V> {
    Object(V),
    Group(String),
}

/// One page of a listing; `next` is set when there is more.
#[derive(Debug)]
pub(super) struct Page<V> {
    pub(super) entries: Vec<Entry<V>>,
    pub(super) next: Option<Start>,
}

/// Lists one page. The cost follows the page, not the bucket: a group is skipped in one step.
pub(super) fn page<V: Clone>(objects: &BTreeMap<Key, V>, query: &Query<'_>) -> Page<V> {
    let mut entries = Vec::new();
    let mut last = Start::Beginning;
    let mut from = query.first_bound();
    if query.limit == 0 {
        // S3 answers max-keys=0 with an empty page that is not truncated.
        return Page { entries, next: None };
    }
    'seek: loop {
        for (key, value) in objects.range::<[u8], _>((from.as_ref().map(Vec::as_slice), Bound::Unbounded)) {
            let key = key.as_str();
            if !key.starts_with(query.prefix) {
                break;
            }
            if entries.len() >= query.limit {
                return Page { entries, next: Some(last) };
            }
            if let Some(group) = query.group_of(key) {
                entries.push(Entry::Group(group.to_owned()));
                last = Start::AfterGroup(group.to_owned());
                from = behind_group(group);
                continue 'seek;
            }
            entries.push(Entry::Object(value.clone()));
            last = Start::After(key.to_owned());
        }
        break;
    }
    Page { entries, next: None }
}

/// The least bound behind all keys that start with `group`. UTF-8 has no byte 0xFF, so adding one is safe.
fn behind_group(group: &str) -> Bound<Vec<u8>> {
    let mut bytes = group.as_bytes().to_vec();
    match bytes.last_mut() {
        Some(last) => {
            *last = last.saturating_add(1);
            Bound::Included(bytes)
        }
        None => Bound::Unbounded,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{BTreeMap, Entry, Key, Page, Query, Start, page};

    fn index(keys: &[&str]) -> BTreeMap<Key, String> {
        keys.iter().map(|key| (Key::new(key), (*key).to_owned())).collect()
    }

    fn names(page: &Page<String>) -> Vec<String> {
        let name = |entry: &Entry<String>| match entry {
            Entry::Object(key) => key.clone(),
            Entry::Group(group) => format!("[{group}]"),
        };
        page.entries.iter().map(name).collect()
    }

    fn check(keys: &[&str], query: &Query<'_>, expected: &[&str]) {
        assert_eq!(names(&page(&index(keys), query)), expected, "{query:?}");
    }

    #[test]
    fn pages_follow_the_byte_order_and_the_rules_of_groups() {
        let keys = ["a", "a/1", "a/2", "a//b", "b", "é/x", "日", "😀"];
        let query = |prefix, delimiter, start| Query { prefix, delimiter, start, limit: 100 };
        check(
            &keys,
            &query("", None, Start::Beginning),
            &["a", "a//b", "a/1", "a/2", "b", "é/x", "日", "😀"],
        );
        check(&keys, &query("", Some("/"), Start::Beginning), &["a", "[a/]", "b", "[é/]", "日", "😀"]);
        check(&keys, &query("a/", Some("/"), Start::Beginning), &["[a//]", "a/1", "a/2"]);
        check(&keys, &query("a/", None, Start::After("a/1".into())), &["a/2"]);
        check(&keys, &query("", Some("/"), Start::After("a/1".into())), &["[a/]", "b", "[é/]", "日", "😀"]);
        check(&keys, &query("", Some("/"), Start::AfterGroup("a/".into())), &["b", "[é/]", "日", "😀"]);
        check(&keys, &query("b", None, Start::After("zzz".into())), &[]);
        check(&keys, &query("b", None, Start::After("a".into())), &["b"]);
        check(&keys, &Query { limit: 0, ..query("", None, Start::Beginning) }, &[]);
    }

    #[test]
    fn tokens_survive_the_round_trip() {
        for start in
            [Start::After("a/ü+😀".into()), Start::AfterGroup("x//".into()), Start::After(String::new())]
        {
            let token = start.to_token().unwrap();
            assert_eq!(Start::parse_token(&token), Some(start));
        }
        assert_eq!(Start::parse_token("not a token"), None);
    }

    #[test]
    fn a_bucket_of_100_000_keys_lists_in_well_under_a_second() {
        let objects: BTreeMap<Key, u32> =
            (0..100_000).map(|n| (Key::new(&format!("d{}/{n:06}", n % 50)), n)).collect();
        let begin = Instant::now();
        let (mut start, mut seen) = (Start::Beginning, 0);
        loop {
            let page = page(&objects, &Query { prefix: "", delimiter: None, start, limit: 1000 });
            seen += page.entries.len();
            match page.next {
                Some(next) => start = next,
                None => break,
            }
        }
        assert_eq!(seen, 100_000);
        let grouped =
            page(&objects, &Query { prefix: "", delimiter: Some("/"), start: Start::Beginning, limit: 1000 });
        assert_eq!(grouped.entries.len(), 50);
        assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    }

    proptest::proptest! {
        #[test]
        fn paging_yields_what_one_page_yields(
            keys in proptest::collection::btree_set("[a/é]{0,5}", 0..40),
            prefix in "[a/é]{0,2}",
            grouped: bool,
            limit in 1_usize..5,
        ) {
            let objects: BTreeMap<Key, String> = keys.iter().map(|key| (Key::new(key), key.clone())).collect();
            let delimiter = grouped.then_some("/");
            let whole = page(&objects, &Query { prefix: &prefix, delimiter, start: Start::Beginning, limit: 1000 });
            let (mut start, mut collected) = (Start::Beginning, Vec::new());
            loop {
                let page = page(&objects, &Query { prefix: &prefix, delimiter, start, limit });
                collected.extend(names(&page));
                match page.next {
                    Some(next) => start = next,
                    None => break,
                }
            }
            proptest::prop_assert_eq!(collected, names(&whole));
        }
    }
}
