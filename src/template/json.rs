//! A secret's JSON as places in its text.
//!
//! `serde_json` is not used: it reads numbers into `f64` (`1.10` would render as `1.1`) and unescapes strings in a
//! buffer that it does not zeroize. This reader copies no value at all; a [`Node`] holds where in the text it
//! stands.

use std::ops::Range;

use zeroize::Zeroizing;

/// The deepest nesting that is read; `serde_json` has the same bound.
const MAX_DEPTH: usize = 128;

/// A value; its ranges are bytes of the text it was read from.
pub(super) enum Node {
    Null,
    Bool(Range<usize>),
    Number(Range<usize>),
    /// What stands between the quotes, still escaped.
    String(Range<usize>),
    Array(Vec<Node>),
    /// Sorted by key, each key once: of repeated ones the last counts.
    Object(Vec<(Zeroizing<String>, Node)>),
}

/// Why and where a text is not JSON; holds nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: &'static str,
    pub(super) offset: usize,
}

impl Node {
    pub(super) fn member(&self, key: &str) -> Option<&Node> {
        let Self::Object(members) = self else { return None };
        let at = members.binary_search_by(|(name, _)| name.as_str().cmp(key)).ok()?;
        members.get(at).map(|(_, node)| node)
    }

    /// What it is, in the words of a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// What it takes in memory besides itself, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Array(items) => {
                items.iter().map(|item| size_of::<Self>().saturating_add(item.heap_bytes())).sum()
            }
            Self::Object(members) => members
                .iter()
                .map(|(name, node)| {
                    size_of::<(String, Self)>()
                        .saturating_add(name.capacity())
                        .saturating_add(node.heap_bytes())
                })
                .sum(),
            _ => 0,
        }
    }
}

/// Reads a text as RFC 8259 says; nesting deeper than [`MAX_DEPTH`] is refused.
pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    let mut reader = Reader { text, at: 0 };
    let node = reader.value(0)?;
    reader.skip_blanks();
    match reader.peek() {
        None => Ok(node),
        Some(_) => Err(reader.fault("more text follows the value")),
    }
}

/// Resolves the escapes of a string that [`parse`] has accepted; `None` for one it would not.
pub(super) fn unescape(raw: &str) -> Option<Zeroizing<String>> {
    // The result is never longer than its source, so the buffer is not moved and leaves no copy.
    let mut text = Zeroizing::new(String::with_capacity(raw.len()));
    let mut rest = raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let mut characters = escape.chars();
        let c = match characters.next()? {
            c @ ('"' | '\\' | '/') => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (c, after) = unicode(characters.as_str())?;
                characters = after.chars();
                c
            }
            _ => return None,
        };
        text.push(c);
        rest = characters.as_str();
    }
    text.push_str(rest);
    Some(text)
}

/// Reads the digits after `\u`, and the second escape of a surrogate pair; gives the character and what follows.
fn unicode(digits: &str) -> Option<(char, &str)> {
    let (high, rest) = hex(digits)?;
    if !(0xd800..0xe000).contains(&high) {
        return char::from_u32(u32::from(high)).map(|c| (c, rest));
    }
    let (low, rest) = hex(rest.strip_prefix("\\u")?)?;
    char::decode_utf16([high, low]).next()?.ok().map(|c| (c, rest))
}

fn hex(text: &str) -> Option<(u16, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let number = digits
        .chars()
        .try_fold(0, |number: u16, c| Some((number << 4) | u16::try_from(c.to_digit(16)?).ok()?))?;
    Some((number, rest))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Node, Fault> {
        self.skip_blanks();
        let start = self.at;
        match self.peek() {
            Some(b'{' | b'[') if depth == MAX_DEPTH => Err(self.fault("it is nested deeper than 128 levels")),
            Some(b'{') => self.object(depth.saturating_add(1)),
            Some(b'[') => self.array(depth.saturating_add(1)),
            Some(b'"') => self.string().map(Node::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Node::Number),
            Some(b't') => self.word("true").map(|()| Node::Bool(start..self.at)),
            Some(b'f') => self.word("false").map(|()| Node::Bool(start..self.at)),
            Some(b'n') => self.word("null").map(|()| Node::Null),
            Some(_) => Err(self.fault("a value is expected")),
            None => Err(self.fault("it ends where a value is expected")),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Node, Fault> {
        let mut items = Vec::new();
        self.advance();
        if self.eat_after_blanks(b']') {
            return Ok(Node::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            if self.eat_after_blanks(b']') {
                items.shrink_to_fit();
                return Ok(Node::Array(items));
            }
            if !self.eat_after_blanks(b',') {
                return Err(self.fault("`,` or `]` is expected"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Node, Fault> {
        let mut members = Vec::new();
        self.advance();
        if self.eat_after_blanks(b'}') {
            return Ok(Node::Object(members));
        }
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return Err(self.fault("a key in double quotes is expected"));
            }
            let raw = self.string()?;
            let key = self.text.get(raw).and_then(unescape).ok_or(self.fault("a key has a wrong escape"))?;
            if !self.eat_after_blanks(b':') {
                return Err(self.fault("`:` is expected after a key"));
            }
            members.push((key, self.value(depth)?));
            if self.eat_after_blanks(b'}') {
                return Ok(Node::Object(last_of_each_key(members)));
            }
            if !self.eat_after_blanks(b',') {
                return Err(self.fault("`,` or `}` is expected"));
            }
        }
    }

    /// Reads a string and gives the place of its inside.
    fn string(&mut self) -> Result<Range<usize>, Fault> {
        self.advance();
        let start = self.at;
        let mut has_escapes = false;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    has_escapes = true;
                    self.advance();
                }
                Some(0..0x20) => {
                    return Err(self.fault("a string holds a line break or control character as it is"));
                }
                Some(_) => {}
                None => return Err(self.fault("a string is never closed")),
            }
            self.advance();
        }
        let inside = start..self.at;
        if has_escapes && self.text.get(inside.clone()).and_then(unescape).is_none() {
            return Err(Fault { reason: "a string has a wrong escape", offset: start });
        }
        self.advance();
        Ok(inside)
    }

    fn number(&mut self) -> Result<Range<usize>, Fault> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(start..self.at)
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.advance();
        }
        if self.at > start { Ok(()) } else { Err(self.fault("a number lacks a digit")) }
    }

    fn word(&mut self, word: &str) -> Result<(), Fault> {
        for byte in word.bytes() {
            if !self.eat(byte) {
                return Err(self.fault("a value is expected"));
            }
        }
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn advance(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_here = self.peek() == Some(byte);
        if is_here {
            self.advance();
        }
        is_here
    }

    fn eat_after_blanks(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        self.eat(byte)
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.advance();
        }
    }

    fn fault(&self, reason: &'static str) -> Fault {
        Fault { reason, offset: self.at }
    }
}

/// Sorts for the binary search of [`Node::member`]; the sort is stable, so reversed the last of a key comes first.
fn last_of_each_key(mut members: Vec<(Zeroizing<String>, Node)>) -> Vec<(Zeroizing<String>, Node)> {
    members.reverse();
    members.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
    members.dedup_by(|(later, _), (first, _)| later.as_str() == first.as_str());
    members.shrink_to_fit();
    members
}
