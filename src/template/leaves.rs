//! The places in a secret's JSON at which nothing lies deeper: what references can name.

use super::json::Node;
use super::look_up;
use super::reference::{Step, path_text};

/// How many leaves are named at most.
const MOST_LEAVES: usize = 1000;
/// How many bytes the paths have at most, together: a long key above many leaves stands in every path.
const MOST_BYTES: usize = 256 * 1024;

/// The leaves of a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leaves {
    /// Sorted by object.
    pub leaves: Vec<Leaf>,
    /// Whether there are more than are named.
    pub truncated: bool,
}

/// One place; never what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// As it can be put behind a secret's name or given to [`super::from_parts`].
    pub path: String,
    /// What stands there.
    pub kind: LeafKind,
}

/// The type of what stands at a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeafKind {
    /// Renders as itself.
    String,
    /// Renders as it is written in the JSON.
    Number,
    /// Renders as `true` or `false`.
    Boolean,
    /// A field does not take it.
    Null,
    /// An empty array; a field does not take it.
    Array,
    /// An empty object; a field does not take it.
    Object,
}

impl LeafKind {
    /// Whether a reference to it renders.
    pub fn is_usable(self) -> bool {
        matches!(self, Self::String | Self::Number | Self::Boolean)
    }

    pub(super) fn is_empty_container(self) -> bool {
        matches!(self, Self::Array | Self::Object)
    }

    /// `None` for what has leaves of its own.
    fn of(node: &Node) -> Option<LeafKind> {
        match node {
            Node::Null => Some(Self::Null),
            Node::Bool(_) => Some(Self::Boolean),
            Node::Number(_) => Some(Self::Number),
            Node::String(_) => Some(Self::String),
            Node::Array(items) => items.is_empty().then_some(Self::Array),
            Node::Object(members) => members.is_empty().then_some(Self::Object),
        }
    }
}

/// Every leaf below the root.
pub(super) fn of(root: &Node) -> Leaves {
    let mut walk = Walk { root, path: Vec::new(), bytes: 0, found: Leaves::default() };
    walk.enter(root);
    walk.found
}

struct Walk<'n> {
    root: &'n Node,
    path: Vec<Step>,
    bytes: usize,
    found: Leaves,
}

impl Walk<'_> {
    /// Goes as deep as the JSON is nested, which its reader bounds.
    fn enter(&mut self, node: &Node) {
        if self.found.truncated {
            return;
        }
        if let Some(kind) = LeafKind::of(node) {
            self.name(kind);
            return;
        }
        match node {
            Node::Object(members) => {
                for (name, member) in members {
                    self.step(Step::Key { name: name.as_str().to_owned(), dotted: true }, member);
                }
            }
            Node::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.step(Step::Index(index), item);
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, step: Step, node: &Node) {
        self.path.push(step);
        self.enter(node);
        self.path.pop();
    }

    fn name(&mut self, kind: LeafKind) {
        if self.path.is_empty() {
            return;
        }
        let path = leaf_name(self.root, &self.path);
        self.bytes = self.bytes.saturating_add(path.len());
        if self.found.leaves.len() >= MOST_LEAVES || self.bytes > MOST_BYTES {
            self.found.truncated = true;
            return;
        }
        self.found.leaves.push(Leaf { path, kind });
    }
}

/// With dots where they lead to one place only, else with brackets.
fn leaf_name(root: &Node, path: &[Step]) -> String {
    let mut text = path_text(path);
    if look_up::find(root, path).is_err() {
        let brackets: Vec<Step> = path.iter().map(bracketed).collect();
        text = path_text(&brackets);
    }
    text
}

fn bracketed(step: &Step) -> Step {
    match step {
        Step::Key { name, .. } => Step::Key { name: name.clone(), dotted: false },
        Step::Index(index) => Step::Index(*index),
    }
}

#[cfg(test)]
mod tests {
    use super::LeafKind;
    use crate::template::{SecretValue, Shape};

    fn secret(text: &str) -> SecretValue {
        SecretValue::from_text(text.to_owned().into())
    }

    #[test]
    fn every_leaf_has_its_path_and_its_type_and_no_value() {
        let found = secret(
            r#"{"user": {"name": "hunter2", "first name": "hunter2"}, "list": [1, true], "no": null, "a": [], "o": {}}"#,
        )
        .leaves();
        let told: Vec<(&str, LeafKind)> =
            found.leaves.iter().map(|leaf| (leaf.path.as_str(), leaf.kind)).collect();
        let wanted = [
            ("a", LeafKind::Array),
            ("list[0]", LeafKind::Number),
            ("list[1]", LeafKind::Boolean),
            ("no", LeafKind::Null),
            ("o", LeafKind::Object),
            ("user['first name']", LeafKind::String),
            ("user.name", LeafKind::String),
        ];
        assert_eq!(told, wanted);
        assert!(!found.truncated);
        assert!(!format!("{found:?}").contains("hunter2"));
    }

    #[test]
    fn only_json_has_leaves() {
        for (text, shape) in
            [("{}", Shape::Json), ("hunter2", Shape::Plaintext), ("\"hunter2\"", Shape::Plaintext)]
        {
            assert_eq!(secret(text).shape(), shape);
            assert!(secret(text).leaves().leaves.is_empty(), "{text}");
        }
        let binary = SecretValue::from_binary(zeroize::Zeroizing::new(vec![1, 2]));
        assert_eq!(binary.shape(), Shape::Binary);
        assert!(binary.leaves().leaves.is_empty());
    }

    #[test]
    fn leaves_are_bounded_in_number_and_in_bytes() {
        let members =
            |count: usize| (0..count).map(|at| format!("\"k{at}\": {at}")).collect::<Vec<_>>().join(",");
        let exact = secret(&format!("{{{}}}", members(1000))).leaves();
        assert_eq!((exact.leaves.len(), exact.truncated), (1000, false));
        let more = secret(&format!("{{{}}}", members(1001))).leaves();
        assert_eq!((more.leaves.len(), more.truncated), (1000, true));
        let long = secret(&format!("{{\"{}\": {{{}}}}}", "k".repeat(40_000), members(900))).leaves();
        assert!(long.truncated && long.leaves.len() < 10, "{}", long.leaves.len());
    }
}
