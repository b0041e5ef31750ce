//! JSON with the place of every value, key and byte: what findings point at and repairs change.
//!
//! `serde_json` is not used: it gives no places and drops all but the last of repeated keys, and a policy with
//! a hidden key is the one that must be seen. The reader is bounded by [`MAX_BYTES`] and [`MAX_DEPTH`].

use std::borrow::Cow;
use std::ops::Range;

use super::document::Position;

mod reader;

/// The longest text that is read, in bytes. The largest policy that S3 takes has 20 KB.
pub const MAX_BYTES: usize = 128 * 1024;

/// The deepest nesting that is read; a policy needs six levels.
pub const MAX_DEPTH: usize = 32;

/// A value in its text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node<'a> {
    /// Where it begins.
    pub(super) at: Position,
    /// The bytes it takes.
    pub(super) span: Range<usize>,
    /// What it is.
    pub(super) value: Value<'a>,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    /// The digits as written.
    Number(&'a str),
    /// Borrowed where it has no escape.
    String(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    /// In the order of the text, repeated keys and all.
    Object(Vec<Member<'a>>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member<'a> {
    pub(super) key: Cow<'a, str>,
    /// Where the key begins.
    pub(super) at: Position,
    /// The bytes of the key with its quotes.
    pub(super) span: Range<usize>,
    pub(super) node: Node<'a>,
}

/// Why and where a text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: String,
    pub(super) at: Position,
}

/// Reads a text as RFC 8259 says.
pub(super) fn parse(text: &str) -> Result<Node<'_>, Fault> {
    reader::parse(text)
}

impl Node<'_> {
    /// What it is, in the words of a message.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The items of an array; of another value itself, for places where one value and a list of one are the same.
    pub(super) fn items(&self) -> &[Node<'_>] {
        match &self.value {
            Value::Array(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    pub(super) fn members(&self) -> Option<&[Member<'_>]> {
        match &self.value {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }

    pub(super) fn is_empty_array(&self) -> bool {
        matches!(&self.value, Value::Array(items) if items.is_empty())
    }
}

impl Member<'_> {
    /// The bytes from the key to the end of the value.
    pub(super) fn whole(&self) -> Range<usize> {
        self.span.start..self.node.span.end
    }
}

/// A text as a JSON string, with its quotes.
pub(super) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
