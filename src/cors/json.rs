//! A JSON reader that keeps the place of every value and every name, also of those that come twice.
//!
//! `serde_json` gives places of syntax errors only, and keeps the last of two members in silence.

use super::cursor::Cursor;
use super::finding::{Finding, shown};
use super::place::Place;

/// How deep objects and lists may nest: the deepest form that is known has five levels.
const MAX_DEPTH: usize = 16;

const HELP: &str = "write JSON as RFC 8259 has it: names and texts in straight double quotes, no comments, no comma \
                    before a closing bracket";

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) value: Value,
}

/// A JSON value; a number is kept as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Object(Vec<Member>),
    List(Vec<Node>),
    Text(String),
    Number(String),
    Bool,
    Null,
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    pub(super) at: Place,
    pub(super) name: String,
    pub(super) node: Node,
}

impl Node {
    /// What kind of value it is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Object(_) => "an object",
            Value::List(_) => "a list",
            Value::Text(_) => "a text",
            Value::Number(_) => "a number",
            Value::Bool => "`true` or `false`",
            Value::Null => "`null`",
        }
    }
}

/// Reads one value and nothing after it.
pub(super) fn read(text: &str) -> Result<Node, Finding> {
    let mut reader = Reader { cursor: Cursor::new(text) };
    let node = reader.value(0)?;
    reader.cursor.skip_blanks();
    if reader.cursor.is_at_end() { Ok(node) } else { Err(reader.unexpected("nothing more")) }
}

struct Reader<'a> {
    cursor: Cursor<'a>,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Node, Finding> {
        self.cursor.skip_blanks();
        let at = self.cursor.place();
        if depth > MAX_DEPTH {
            let message = format!("objects and lists nest deeper than {MAX_DEPTH} levels");
            return Err(Finding::syntax(at, message, "a configuration is a list of rules, which are flat"));
        }
        let value = match self.cursor.peek() {
            Some('{') => self.object(depth)?,
            Some('[') => self.list(depth)?,
            Some('"') => Value::Text(self.text()?),
            Some('-' | '0'..='9') => self.number()?,
            _ if self.cursor.eat("true") || self.cursor.eat("false") => Value::Bool,
            _ if self.cursor.eat("null") => Value::Null,
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Node { at, value })
    }

    fn object(&mut self, depth: usize) -> Result<Value, Finding> {
        self.cursor.eat("{");
        let mut members = Vec::new();
        self.cursor.skip_blanks();
        if self.cursor.eat("}") {
            return Ok(Value::Object(members));
        }
        loop {
            self.cursor.skip_blanks();
            let at = self.cursor.place();
            if self.cursor.peek() != Some('"') {
                return Err(self.unexpected("a name in double quotes"));
            }
            let name = self.text()?;
            self.cursor.skip_blanks();
            if !self.cursor.eat(":") {
                return Err(self.unexpected("`:`"));
            }
            let node = self.value(depth.saturating_add(1))?;
            members.push(Member { at, name, node });
            self.cursor.skip_blanks();
            if self.cursor.eat("}") {
                return Ok(Value::Object(members));
            }
            if !self.cursor.eat(",") {
                return Err(self.unexpected("`,` or `}`"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Finding> {
        self.cursor.eat("[");
        let mut values = Vec::new();
        self.cursor.skip_blanks();
        if self.cursor.eat("]") {
            return Ok(Value::List(values));
        }
        loop {
            values.push(self.value(depth.saturating_add(1))?);
            self.cursor.skip_blanks();
            if self.cursor.eat("]") {
                return Ok(Value::List(values));
            }
            if !self.cursor.eat(",") {
                return Err(self.unexpected("`,` or `]`"));
            }
        }
    }

    fn text(&mut self) -> Result<String, Finding> {
        let open = self.cursor.place();
        self.cursor.bump();
        let mut text = String::new();
        loop {
            text.push_str(self.cursor.take_while(|c| c != '"' && c != '\\' && c >= ' '));
            let at = self.cursor.place();
            match self.cursor.bump() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape(at)?),
                None => return Err(Finding::syntax(open, "a text is never closed", HELP)),
                Some(_) => {
                    let message = "a line break or control character stands in a text as it is";
                    return Err(Finding::syntax(at, message, "close the text, or write `\\n`"));
                }
            }
        }
    }

    fn escape(&mut self, at: Place) -> Result<char, Finding> {
        match self.cursor.bump() {
            Some(c @ ('"' | '\\' | '/')) => Ok(c),
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('u') => self.unicode().ok_or_else(|| {
                Finding::syntax(at, "this `\\u` gives no character", "write four hexadecimal digits")
            }),
            other => {
                let other = other.map(String::from).unwrap_or_default();
                let message = format!("`\\{}` is no escape", shown(&other));
                Err(Finding::syntax(at, message, "a backslash itself is `\\\\`"))
            }
        }
    }

    /// Reads the digits of `\uXXXX`, and a second escape where the first is a high surrogate.
    fn unicode(&mut self) -> Option<char> {
        let high = self.hex()?;
        let is_half = (0xd800..0xdc00).contains(&high);
        let low = if is_half && self.cursor.eat("\\u") { Some(self.hex()?) } else { None };
        let mut characters = char::decode_utf16([high].into_iter().chain(low));
        let character = characters.next()?.ok()?;
        characters.next().is_none().then_some(character)
    }

    fn hex(&mut self) -> Option<u16> {
        (0..4).try_fold(0, |number: u16, _| {
            let digit = self.cursor.bump()?.to_digit(16)?;
            Some((number << 4) | u16::try_from(digit).ok()?)
        })
    }

    fn number(&mut self) -> Result<Value, Finding> {
        let at = self.cursor.place();
        let written = self.cursor.take_while(|c| matches!(c, '-' | '+' | '.' | 'e' | 'E' | '0'..='9'));
        if is_number(written) {
            Ok(Value::Number(written.to_owned()))
        } else {
            Err(Finding::syntax(at, format!("`{}` is no number", shown(written)), HELP))
        }
    }

    fn unexpected(&self, expected: &str) -> Finding {
        let here = match self.cursor.peek() {
            Some(c) => format!("`{}` stands here", shown(&c.to_string())),
            None => "the text ends here".to_owned(),
        };
        Finding::syntax(self.cursor.place(), format!("{expected} is expected, and {here}"), HELP)
    }
}

/// Whether it is a number of RFC 8259.
fn is_number(written: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match written.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (written, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    let exponent = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}
