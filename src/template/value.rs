//! What a secret holds: read once, looked up many times, zeroized when dropped.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::json::{self, Fault, Node};
use super::leaves::{self, Leaves};
use super::look_up::{self, LookUpError};
use super::reference::{Span, Step, path_text};

/// How a secret is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// As JSON when the text is an object or an array, else as plain text.
    #[default]
    Auto,
    /// As JSON; anything else is an error.
    Json,
    /// Never as JSON; a path is an error.
    Plaintext,
}

/// What a secret is, whatever it is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// An object or an array: paths lead into it.
    Json,
    /// Text without keys.
    Plaintext,
    /// Bytes, which render as base64.
    Binary,
}

/// A secret's value. There is one copy of it, the text; the JSON is places in that text.
pub struct SecretValue {
    text: SecretString,
    content: Content,
}

enum Content {
    /// No JSON, and why not.
    Plain(Fault),
    Json(Node),
    /// The text is base64.
    Binary,
}

impl SecretValue {
    /// Takes the string of a secret.
    pub fn from_text(text: SecretString) -> Self {
        let content = match json::parse(text.expose_secret()) {
            Ok(node) => Content::Json(node),
            Err(fault) => Content::Plain(fault),
        };
        Self { text, content }
    }

    /// Takes the bytes of a binary secret, which only render whole, as base64 (RFC 4648 section 4, padded).
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the bytes are wanted, so that they end here and are zeroized"
    )]
    pub fn from_binary(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self { text: SecretString::from(STANDARD.encode(&*bytes)), content: Content::Binary }
    }

    /// Takes the base64 that [`SecretValue::text`] gave of a binary secret.
    pub fn from_base64(text: SecretString) -> Self {
        Self { text, content: Content::Binary }
    }

    /// The whole text; base64 of a binary secret.
    pub fn text(&self) -> &SecretString {
        &self.text
    }

    /// What it takes in memory, in bytes, for a cache that is bounded by that.
    pub fn bytes(&self) -> usize {
        let node = match &self.content {
            Content::Json(node) => node.heap_bytes(),
            Content::Plain(_) | Content::Binary => 0,
        };
        size_of::<Self>().saturating_add(self.text.expose_secret().len()).saturating_add(node)
    }

    /// Whether it holds bytes that are no text.
    pub fn is_binary(&self) -> bool {
        matches!(self.content, Content::Binary)
    }

    /// Gives the value at a path; with an empty path the whole secret.
    ///
    /// Strings come without quotes and escapes, numbers and booleans as they are written in the JSON. A whole secret
    /// that is a JSON string comes without its quotes, too, except with [`Mode::Plaintext`].
    pub fn look_up(&self, mode: Mode, path: &[Step]) -> Result<SecretString, LookUpError> {
        match &self.content {
            Content::Binary if path.is_empty() && mode != Mode::Json => Ok(self.whole()),
            Content::Binary => Err(LookUpError::Binary),
            Content::Json(node) if is_read_as_json(node, mode, path) => self.in_json(node, path),
            Content::Plain(fault) if self.wants_json(mode, path) => Err(self.not_json(*fault)),
            Content::Json(_) | Content::Plain(_) => self.as_plain_text(path),
        }
    }

    /// What it is, as [`Mode::Auto`] reads it.
    pub fn shape(&self) -> Shape {
        match &self.content {
            Content::Binary => Shape::Binary,
            Content::Json(Node::Object(_) | Node::Array(_)) => Shape::Json,
            Content::Json(_) | Content::Plain(_) => Shape::Plaintext,
        }
    }

    /// The places of its JSON at which nothing lies deeper, at most 1000; other secrets have none.
    pub fn leaves(&self) -> Leaves {
        match &self.content {
            Content::Json(root @ (Node::Object(_) | Node::Array(_))) => leaves::of(root),
            Content::Json(_) | Content::Plain(_) | Content::Binary => Leaves::default(),
        }
    }

    /// Names the paths to all strings, numbers, booleans and nulls in the JSON, sorted by object, at most 1000.
    ///
    /// Each can be put behind a secret's name or given to [`super::from_parts`]; other secrets have none.
    pub fn leaf_keys(&self) -> Vec<String> {
        let found = self.leaves().leaves.into_iter();
        found.filter(|leaf| !leaf.kind.is_empty_container()).map(|leaf| leaf.path).collect()
    }

    fn whole(&self) -> SecretString {
        self.text.clone()
    }

    fn as_plain_text(&self, path: &[Step]) -> Result<SecretString, LookUpError> {
        if path.is_empty() {
            return Ok(self.whole());
        }
        Err(LookUpError::PlainText { path: path_text(path) })
    }

    fn in_json(&self, root: &Node, path: &[Step]) -> Result<SecretString, LookUpError> {
        let node = look_up::find(root, path)?;
        let value = match node {
            Node::Bool(range) | Node::Number(range) => {
                self.text.expose_secret().get(range.clone()).map(SecretString::from)
            }
            Node::String(range) => self
                .text
                .expose_secret()
                .get(range.clone())
                .and_then(json::unescape)
                .map(|text| SecretString::from(text.as_str())),
            Node::Null | Node::Array(_) | Node::Object(_) => None,
        };
        value.ok_or_else(|| look_up::not_a_string(node))
    }

    /// Whether text that is no JSON was meant to be some.
    fn wants_json(&self, mode: Mode, path: &[Step]) -> bool {
        match mode {
            Mode::Json => true,
            Mode::Plaintext => false,
            Mode::Auto => !path.is_empty() && self.text.expose_secret().trim_start().starts_with(['{', '[']),
        }
    }

    fn not_json(&self, fault: Fault) -> LookUpError {
        let mut span = Span::START;
        let before = self.text.expose_secret().get(..fault.offset).unwrap_or_default();
        before.chars().for_each(|c| span.pass(c));
        LookUpError::NotJson { reason: fault.reason, line: span.line, column: span.column }
    }
}

/// Without the content.
impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(..)")
    }
}

/// Whether the mode takes this JSON for JSON; of a lone string it takes only the quotes away.
fn is_read_as_json(node: &Node, mode: Mode, path: &[Step]) -> bool {
    match (mode, node) {
        (Mode::Json, _) | (Mode::Auto, Node::Object(_) | Node::Array(_)) => true,
        (Mode::Auto, Node::String(_)) => path.is_empty(),
        (Mode::Auto | Mode::Plaintext, _) => false,
    }
}
