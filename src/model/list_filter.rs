//! Which rows of a list are shown, and in which order: evaluated here, because S3 itself knows prefixes only.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use jiff::Timestamp;
use regex_lite::{Regex, RegexBuilder};
use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::model::glob::Glob;
use crate::model::object::ObjectSummary;

/// How deep `and`, `or` and `not` may stand in one another.
const MOST_DEPTH: usize = 8;
/// Conditions in one filter.
const MOST_CONDITIONS: usize = 64;
/// Bytes of a pattern.
const MOST_PATTERN: usize = 512;
/// Bytes of a compiled regular expression: more would let one key take milliseconds.
const MOST_COMPILED: usize = 32 << 10;

/// Which objects a list shows: those for which everything that is given here holds. Keys are relative to the
/// resource's prefix.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// A pattern for the whole key: `*` stands for any text without `/`, `**` for any text, `?` for one character
    /// besides `/`, `[a-z]` for one of these, `{a,b}` for either, `\` takes the next character as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026/**.pdf")]
    pub glob: Option<String>,
    /// A regular expression that matches somewhere in the key; `^` and `$` bind it. At most 512 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "-[0-9]{4}\\.csv$")]
    pub regex: Option<String>,
    /// Bytes of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<SizeRange>,
    /// When it was written last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<TimeRange>,
    /// In a list of versions: whether a read without a version gets this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_latest: Option<bool>,
    /// In a list of versions: whether it only says that the object was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_marker: Option<bool>,
    /// All of these hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub and: Option<Vec<Filter>>,
    /// At least one of these holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub or: Option<Vec<Filter>>,
    /// This does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub not: Option<Box<Filter>>,
}

/// Bounds on a size, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SizeRange {
    /// More than.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gt: Option<u64>,
    /// At least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gte: Option<u64>,
    /// Less than.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lt: Option<u64>,
    /// At most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lte: Option<u64>,
}

/// Bounds on a time. A row without a time lies in none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeRange {
    /// At this time or later; RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "moment")]
    #[schema(value_type = Option<String>, example = "2026-11-01T00:00:00Z")]
    pub after: Option<Timestamp>,
    /// Before this time; RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "moment")]
    #[schema(value_type = Option<String>, example = "2026-12-01T00:00:00Z")]
    pub before: Option<Timestamp>,
}

/// A time, refused in words that say how to write one.
fn moment<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(reader)? else { return Ok(None) };
    let wrong = || D::Error::invalid_value(Unexpected::Other("text"), &"a time like `2026-11-01T00:00:00Z`");
    text.parse().map(Some).map_err(|_| wrong())
}

/// What a list is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SortBy {
    /// The bytes of the key.
    #[default]
    Key,
    /// Bytes of the object.
    Size,
    /// When it was written last; rows without a time come first.
    LastModified,
}

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The least first.
    #[default]
    Asc,
    /// The greatest first.
    Desc,
}

/// An order. Rows that are equal in it stand in the order of their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sort {
    /// What counts.
    #[serde(default)]
    pub by: SortBy,
    /// Which end comes first.
    #[serde(default)]
    pub direction: Direction,
}

impl Sort {
    /// Whether the store gives rows in this order by itself.
    pub fn is_natural(self) -> bool {
        self == Sort::default()
    }
}

fn written(row: &ObjectSummary) -> Option<Timestamp> {
    row.last_modified.as_deref()?.parse().ok()
}

/// The first rows of an order, whatever comes: no more than its room is kept.
#[derive(Debug)]
pub struct First {
    sort: Sort,
    room: usize,
    kept: BinaryHeap<Ranked>,
    /// Rows that were offered.
    offered: u64,
}

#[derive(Debug)]
struct Ranked {
    sort: Sort,
    at: Option<Timestamp>,
    row: ObjectSummary,
    /// Which of the offered rows it was: versions of one key keep their order.
    place: u64,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Ranked) -> Ordering {
        let keys = || self.row.key.as_bytes().cmp(other.row.key.as_bytes());
        let order = match self.sort.by {
            SortBy::Key => keys(),
            SortBy::Size => self.row.size.cmp(&other.row.size),
            // the time is read once for each row, not once for each comparison
            SortBy::LastModified => self.at.cmp(&other.at),
        };
        let order = if self.sort.direction == Direction::Desc { order.reverse() } else { order };
        order.then_with(keys).then_with(|| self.place.cmp(&other.place))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Ranked) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Ranked) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

impl First {
    /// Keeps up to `room` rows.
    pub fn new(sort: Sort, room: usize) -> First {
        First { sort, room, kept: BinaryHeap::new(), offered: 0 }
    }

    /// Keeps the row as long as fewer than the room come before it.
    pub fn offer(&mut self, row: ObjectSummary) {
        self.offered += 1;
        let at = if self.sort.by == SortBy::LastModified { written(&row) } else { None };
        let ranked = Ranked { sort: self.sort, at, row, place: self.offered };
        if self.kept.len() < self.room {
            self.kept.push(ranked);
        } else if self.kept.peek().is_some_and(|last| ranked < *last) {
            self.kept.pop();
            self.kept.push(ranked);
        }
    }

    /// The rows in order, and whether some had no room.
    pub fn into_rows(self) -> (Vec<ObjectSummary>, bool) {
        let more = self.offered > self.kept.len() as u64;
        (self.kept.into_sorted_vec().into_iter().map(|ranked| ranked.row).collect(), more)
    }
}

/// A filter that is ready to be asked.
#[derive(Debug)]
pub struct Matcher(Node);

#[derive(Debug)]
enum Node {
    Glob(Glob),
    Regex(Regex),
    Size(SizeRange),
    Modified(TimeRange),
    Latest(bool),
    Marker(bool),
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
}

impl Filter {
    /// Prepares the filter, or says what is wrong with it.
    pub fn compile(&self) -> Result<Matcher, String> {
        let mut left = MOST_CONDITIONS;
        self.node(MOST_DEPTH, &mut left).map(Matcher)
    }

    fn node(&self, depth: usize, left: &mut usize) -> Result<Node, String> {
        let depth = depth.checked_sub(1).ok_or_else(|| {
            format!("the filter is nested more than {MOST_DEPTH} levels deep: write it flatter")
        })?;
        let mut all = Vec::new();
        if let Some(glob) = &self.glob {
            all.push(Node::Glob(Glob::parse(bounded("glob", glob)?)?));
        }
        if let Some(regex) = &self.regex {
            all.push(Node::Regex(compiled(bounded("regex", regex)?)?));
        }
        if let Some(size) = &self.size {
            all.push(Node::Size(size.clone()));
        }
        if let Some(modified) = &self.modified {
            all.push(Node::Modified(modified.clone()));
        }
        all.extend(self.is_latest.map(Node::Latest));
        all.extend(self.delete_marker.map(Node::Marker));
        if let Some(inner) = &self.and {
            all.push(Node::All(inner.iter().map(|each| each.node(depth, left)).collect::<Result<_, _>>()?));
        }
        if let Some(inner) = &self.or {
            if inner.is_empty() {
                return Err("`or` needs at least one filter: without one nothing would ever fit".to_owned());
            }
            all.push(Node::Any(inner.iter().map(|each| each.node(depth, left)).collect::<Result<_, _>>()?));
        }
        if let Some(inner) = &self.not {
            all.push(Node::Not(Box::new(inner.node(depth, left)?)));
        }
        *left = left.checked_sub(all.len()).ok_or_else(|| {
            format!("the filter has more than {MOST_CONDITIONS} conditions: use a pattern in place of many")
        })?;
        Ok(Node::All(all))
    }
}

fn bounded<'a>(name: &str, pattern: &'a str) -> Result<&'a str, String> {
    if pattern.is_empty() || pattern.len() > MOST_PATTERN {
        return Err(format!("`{name}` takes a pattern of 1 to {MOST_PATTERN} bytes"));
    }
    Ok(pattern)
}

fn compiled(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(MOST_COMPILED).nest_limit(32).build().map_err(|error| {
        format!("`regex` cannot be used: {error}; write a simpler expression, or use `glob`")
    })
}

impl Matcher {
    /// Whether the row is shown.
    pub fn fits(&self, row: &ObjectSummary) -> bool {
        self.0.fits(row)
    }
}

impl Node {
    fn fits(&self, row: &ObjectSummary) -> bool {
        match self {
            Node::Glob(glob) => glob.matches(&row.key),
            Node::Regex(regex) => regex.is_match(&row.key),
            Node::Size(range) => range.holds(row.size),
            Node::Modified(range) => written(row).is_some_and(|at| range.holds(at)),
            // what is listed without versions is the latest, and there
            Node::Latest(wanted) => row.is_latest.unwrap_or(true) == *wanted,
            Node::Marker(wanted) => row.delete_marker.unwrap_or(false) == *wanted,
            Node::All(inner) => inner.iter().all(|node| node.fits(row)),
            Node::Any(inner) => inner.iter().any(|node| node.fits(row)),
            Node::Not(inner) => !inner.fits(row),
        }
    }
}

impl SizeRange {
    fn holds(&self, size: u64) -> bool {
        self.gt.is_none_or(|bound| size > bound)
            && self.gte.is_none_or(|bound| size >= bound)
            && self.lt.is_none_or(|bound| size < bound)
            && self.lte.is_none_or(|bound| size <= bound)
    }
}

impl TimeRange {
    fn holds(&self, at: Timestamp) -> bool {
        self.after.is_none_or(|bound| at >= bound) && self.before.is_none_or(|bound| at < bound)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{Direction, Filter, First, Sort, SortBy};
    use crate::model::object::ObjectSummary;

    fn row(key: &str, size: u64, at: &str) -> ObjectSummary {
        ObjectSummary {
            key: key.to_owned(),
            size,
            last_modified: (!at.is_empty()).then(|| at.to_owned()),
            ..ObjectSummary::default()
        }
    }

    fn fits(filter: Value, row: &ObjectSummary) -> bool {
        serde_json::from_value::<Filter>(filter).unwrap().compile().unwrap().fits(row)
    }

    #[test]
    fn everything_that_is_given_holds() {
        let row = row("2026/a.pdf", 100, "2026-11-10T00:00:00Z");
        for (filter, expected) in [
            (json!({}), true),
            (json!({"glob": "2026/*.pdf"}), true),
            (json!({"glob": "*.pdf"}), false),
            (json!({"glob": "**.pdf"}), true),
            (json!({"regex": "^2026/.\\.pdf$"}), true),
            (json!({"regex": "b"}), false),
            (json!({"size": {"gt": 99, "lt": 101}}), true),
            (json!({"size": {"gt": 100}}), false),
            (json!({"size": {"gte": 100, "lte": 100}}), true),
            (json!({"size": {"lt": 100}}), false),
            (json!({"modified": {"after": "2026-11-10T00:00:00Z"}}), true),
            (json!({"modified": {"before": "2026-11-10T00:00:00Z"}}), false),
            (
                json!({"modified": {"after": "2026-11-10T01:00:00+02:00", "before": "2026-12-01T00:00:00Z"}}),
                true,
            ),
            (json!({"glob": "**.pdf", "size": {"gt": 100}}), false),
            (json!({"and": [{"glob": "**.pdf"}, {"size": {"gt": 1}}]}), true),
            (json!({"or": [{"glob": "x"}, {"size": {"gt": 1}}]}), true),
            (json!({"or": [{"glob": "x"}, {"glob": "y"}]}), false),
            (json!({"not": {"glob": "**.pdf"}}), false),
            (json!({"not": {"not": {"glob": "**.pdf"}}}), true),
            (json!({"and": []}), true),
            (json!({"is_latest": true, "delete_marker": false}), true),
            (json!({"is_latest": false}), false),
            (json!({"delete_marker": true}), false),
        ] {
            assert_eq!(fits(filter.clone(), &row), expected, "{filter}");
        }
    }

    #[test]
    fn versions_are_told_apart() {
        let marker = ObjectSummary {
            is_latest: Some(true),
            delete_marker: Some(true),
            ..row("a", 0, "2026-11-10T00:00:00Z")
        };
        let earlier = ObjectSummary {
            is_latest: Some(false),
            delete_marker: Some(false),
            ..row("a", 5, "2026-11-09T00:00:00Z")
        };
        for (filter, of_marker, of_earlier) in [
            (json!({"is_latest": true}), true, false),
            (json!({"delete_marker": false}), false, true),
            (json!({"is_latest": true, "delete_marker": true}), true, false),
            (json!({"is_latest": false, "size": {"gt": 1}}), false, true),
        ] {
            let found = (fits(filter.clone(), &marker), fits(filter.clone(), &earlier));
            assert_eq!(found, (of_marker, of_earlier), "{filter}");
        }
    }

    #[test]
    fn a_row_without_a_time_lies_in_no_stretch_of_time() {
        let row = row("a", 1, "");
        assert!(!fits(json!({"modified": {"after": "2000-01-01T00:00:00Z"}}), &row));
        assert!(!fits(json!({"modified": {}}), &row));
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_its_reason() {
        let mut deep = json!({"glob": "a"});
        for _ in 0..8 {
            deep = json!({"not": deep});
        }
        let many: Vec<Value> = (0..64).map(|_| json!({"glob": "a"})).collect();
        for (filter, said) in [
            (deep, "8 levels"),
            (json!({"and": many}), "64 conditions"),
            (json!({"or": []}), "at least one"),
            (json!({"glob": ""}), "1 to 512"),
            (json!({"regex": "x".repeat(513)}), "1 to 512"),
            (json!({"regex": "("}), "`regex` cannot be used"),
            (json!({"regex": "((a{1,100}){1,100}){1,100}"}), "`regex` cannot be used"),
            (json!({"glob": "[a"}), "`[`"),
        ] {
            let error = serde_json::from_value::<Filter>(filter.clone()).unwrap().compile().unwrap_err();
            assert!(error.contains(said), "{filter}: {error}");
        }
        assert!(serde_json::from_value::<Filter>(json!({"globs": "a"})).is_err());
    }

    fn rows() -> impl Strategy<Value = Vec<ObjectSummary>> {
        let one = ("[a-c/]{1,4}", 0_u64..5, 0_u8..4).prop_map(|(key, size, day)| {
            let at = if day == 0 { String::new() } else { format!("2026-01-0{day}T00:00:00Z") };
            row(&key, size, &at)
        });
        prop::collection::vec(one, 0..40)
    }

    fn sorts() -> impl Strategy<Value = Sort> {
        let by = prop_oneof![Just(SortBy::Key), Just(SortBy::Size), Just(SortBy::LastModified)];
        let direction = prop_oneof![Just(Direction::Asc), Just(Direction::Desc)];
        (by, direction).prop_map(|(by, direction)| Sort { by, direction })
    }

    proptest! {
        #[test]
        fn the_first_rows_are_those_of_a_stable_sort(mut rows in rows(), sort in sorts(), room in 0_usize..20) {
            rows.sort_by(|one, other| one.key.as_bytes().cmp(other.key.as_bytes()));
            let mut first = First::new(sort, room);
            rows.iter().cloned().for_each(|row| first.offer(row));
            let (found, more) = first.into_rows();
            // rows come in the order of their keys, versions of one key newest first: a stable sort keeps both
            match (sort.by, sort.direction) {
                (SortBy::Key, Direction::Asc) => {}
                (SortBy::Key, Direction::Desc) => {
                    rows.sort_by(|one, other| other.key.as_bytes().cmp(one.key.as_bytes()));
                }
                (SortBy::Size, Direction::Asc) => rows.sort_by_key(|row| row.size),
                (SortBy::Size, Direction::Desc) => rows.sort_by_key(|row| std::cmp::Reverse(row.size)),
                (SortBy::LastModified, Direction::Asc) => rows.sort_by_key(|row| row.last_modified.clone()),
                (SortBy::LastModified, Direction::Desc) => {
                    rows.sort_by_key(|row| std::cmp::Reverse(row.last_modified.clone()));
                }
            }
            prop_assert_eq!(more, rows.len() > room);
            rows.truncate(room);
            prop_assert_eq!(
                found.iter().map(|row| (&row.key, row.size)).collect::<Vec<_>>(),
                rows.iter().map(|row| (&row.key, row.size)).collect::<Vec<_>>()
            );
        }

        #[test]
        fn a_filter_and_its_opposite_share_every_row_between_them(rows in rows(), glob in "[a-c*?/]{1,5}", gt in 0_u64..5) {
            let filter = json!({"glob": glob, "size": {"gt": gt}});
            for row in &rows {
                let (shown, hidden) = (fits(filter.clone(), row), fits(json!({"not": filter}), row));
                prop_assert_ne!(shown, hidden);
                prop_assert!(!shown || row.size > gt);
                prop_assert_eq!(fits(json!({"and": [filter, {"not": filter}]}), row), false);
                prop_assert_eq!(fits(json!({"or": [filter, {"not": filter}]}), row), true);
            }
        }
    }
}
