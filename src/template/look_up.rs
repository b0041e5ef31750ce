//! Follows a path through a secret's JSON.

use super::json::Node;
use super::reference::{Step, joins_next, path_text};

/// How many of the existing keys an error names.
const MOST_KEYS_SHOWN: usize = 20;

/// Why a path gives no value. Names of keys are in it, values never.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookUpError {
    /// JSON is needed, by the mode or by a path into text that begins like JSON, and the text is not.
    #[error(
        "the secret is not valid JSON: {reason} at line {line}, column {column}; correct the secret, or use \
         the whole secret with the mode `plaintext`"
    )]
    NotJson {
        /// What the reader of JSON met.
        reason: &'static str,
        /// The line in the secret's text, counted from 1.
        line: u32,
        /// The column in the secret's text, counted from 1 in characters.
        column: u32,
    },
    /// A path is asked of a secret that is read as plain text.
    #[error(
        "the secret is read as plain text, so there is no `{path}` in it; leave the path out, or store a \
         JSON object and use the mode `auto` or `json`"
    )]
    PlainText {
        /// The path, such as `a.b[0]`.
        path: String,
    },
    /// The object has no such key.
    #[error("there is no key `{key}`; {}", existing(.have))]
    MissingKey {
        /// The key that was asked for.
        key: String,
        /// The keys of that object, sorted, at most 20.
        have: Vec<String>,
    },
    /// The array is shorter.
    #[error("there is no index {index} in an array of {length}; indexes count from 0, correct the reference")]
    IndexOutOfRange {
        /// The index that was asked for.
        index: usize,
        /// How many items the array has.
        length: usize,
    },
    /// A key is asked of something that has no keys.
    #[error("the key `{key}` is asked of {found}, which has no keys; correct the path before it")]
    NotAnObject {
        /// The key that was asked for.
        key: String,
        /// What stands there, such as `a string`.
        found: &'static str,
    },
    /// An index is asked of something that is no array.
    #[error(
        "the index {index} is asked of {found}, which is no array; correct the path before it, a key goes in \
         quotes"
    )]
    NotAnArray {
        /// The index that was asked for.
        index: usize,
        /// What stands there, such as `an object`.
        found: &'static str,
    },
    /// Dots can be read as one literal key or as a path, and the secret has both.
    #[error(
        "the dots of `{key}` can be read as part of a key and as a path, and the secret has both; decide \
         with brackets, such as `['{key}']` for one key and `['{}']` for a path", .key.replace('.', "']['")
    )]
    Ambiguous {
        /// The part of the path that reads both ways, as dots join it.
        key: String,
    },
    /// The path ends at null, an object or an array, which a field does not take.
    #[error("the reference ends at {found}, which a field does not take; {}", remedy(.found, .have))]
    NotAString {
        /// What stands there: `null`, `an object` or `an array`.
        found: &'static str,
        /// The keys of the object, sorted, at most 20.
        have: Vec<String>,
    },
    /// Something other than the whole secret is asked of a binary secret.
    #[error(
        "the secret is binary and has no JSON in it; leave the path out and use the mode `auto` or \
         `plaintext` for the whole secret as base64, or store it as a string"
    )]
    Binary,
}

/// Finds the one node a path leads to.
pub(super) fn find<'n>(root: &'n Node, path: &[Step]) -> Result<&'n Node, LookUpError> {
    let mut search = Search { path, readings: Vec::new(), failure: None };
    search.walk(root, &mut Vec::new());
    match (search.readings.as_slice(), search.failure) {
        ([(node, _)], _) => Ok(node),
        ([], Some((_, error))) => Err(error),
        ([(_, one), (_, other), ..], _) => Err(ambiguous(path, one, other)),
        ([], None) => Err(LookUpError::PlainText { path: path_text(path) }),
    }
}

/// The error for a node that has no text of its own.
pub(super) fn not_a_string(node: &Node) -> LookUpError {
    LookUpError::NotAString { found: node.kind(), have: keys(node) }
}

/// All ways to read the dots, which each lead to a node of their own: the tree bounds them.
struct Search<'n, 'p> {
    path: &'p [Step],
    /// The nodes found, with where in the path each key taken ends; more than two tell nothing new.
    readings: Vec<(&'n Node, Vec<usize>)>,
    /// The error that came furthest along the path.
    failure: Option<(usize, LookUpError)>,
}

impl<'n> Search<'n, '_> {
    /// Goes on from `node`, to which the steps up to the last of `ends` have led; as deep as the tree at most.
    fn walk(&mut self, node: &'n Node, ends: &mut Vec<usize>) {
        let at = ends.last().copied().unwrap_or_default();
        match self.path.get(at) {
            _ if self.readings.len() > 1 => {}
            None => self.readings.push((node, ends.clone())),
            Some(Step::Index(index)) => match item(node, *index) {
                Ok(item) => self.enter(item, ends, at.saturating_add(1)),
                Err(error) => self.fail(at, || error),
            },
            Some(Step::Key { name, .. }) => self.walk_keys(node, ends, at, name),
        }
    }

    /// Tries the key, then the key joined by dots with one more of its neighbours at a time.
    fn walk_keys(&mut self, node: &'n Node, ends: &mut Vec<usize>, start: usize, first: &str) {
        if !matches!(node, Node::Object(_)) {
            return self.fail(start, || LookUpError::NotAnObject { key: first.into(), found: node.kind() });
        }
        let mut key = first.to_owned();
        let mut end = start;
        loop {
            let next = end.saturating_add(1);
            match node.member(&key) {
                Some(member) => self.enter(member, ends, next),
                None if end == start => {
                    self.fail(start, || LookUpError::MissingKey { key: key.clone(), have: keys(node) });
                }
                None => {}
            }
            match self.path.get(next) {
                Some(Step::Key { name, .. }) if joins_next(self.path, end) => {
                    key.push('.');
                    key.push_str(name);
                    end = next;
                }
                _ => return,
            }
        }
    }

    fn enter(&mut self, node: &'n Node, ends: &mut Vec<usize>, end: usize) {
        ends.push(end);
        self.walk(node, ends);
        ends.pop();
    }

    fn fail(&mut self, at: usize, error: impl FnOnce() -> LookUpError) {
        if self.failure.as_ref().is_none_or(|(furthest, _)| at > *furthest) {
            self.failure = Some((at, error()));
        }
    }
}

fn item(node: &Node, index: usize) -> Result<&Node, LookUpError> {
    let Node::Array(items) = node else { return Err(LookUpError::NotAnArray { index, found: node.kind() }) };
    items.get(index).ok_or(LookUpError::IndexOutOfRange { index, length: items.len() })
}

/// Names the part of the path between the last place that two readings share and the next one.
fn ambiguous(path: &[Step], one: &[usize], other: &[usize]) -> LookUpError {
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let start = same.checked_sub(1).and_then(|last| one.get(last)).copied().unwrap_or_default();
    let end = one.iter().find(|end| **end > start && other.contains(end)).copied().unwrap_or(path.len());
    let names: Vec<&str> = path
        .iter()
        .take(end)
        .skip(start)
        .filter_map(|step| match step {
            Step::Key { name, .. } => Some(name.as_str()),
            Step::Index(_) => None,
        })
        .collect();
    LookUpError::Ambiguous { key: names.join(".") }
}

fn keys(node: &Node) -> Vec<String> {
    let Node::Object(members) = node else { return Vec::new() };
    members.iter().take(MOST_KEYS_SHOWN).map(|(name, _)| name.as_str().to_owned()).collect()
}

fn existing(have: &[String]) -> String {
    if have.is_empty() {
        return "the object is empty; add the key to the secret".into();
    }
    format!("the object has {}; correct the reference, or add the key to the secret", listed(have))
}

fn remedy(found: &str, have: &[String]) -> String {
    match (found, have) {
        ("null", _) => "store a string there, or correct the reference".into(),
        (_, []) => "extend the path to a string, a number or a boolean".into(),
        _ => format!(
            "extend the path by one of {}, or give an alias the mode `plaintext` for the whole secret",
            listed(have)
        ),
    }
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
