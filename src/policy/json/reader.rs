//! The reader: recursive descent over the bytes, with the line and column kept on the way.

use std::borrow::Cow;
use std::ops::Range;

use super::{Fault, MAX_BYTES, MAX_DEPTH, Member, Node, Value};
use crate::policy::document::Position;

pub(super) fn parse(text: &str) -> Result<Node<'_>, Fault> {
    if text.len() > MAX_BYTES {
        let reason = format!("the text has {} bytes; more than {MAX_BYTES} are not read", text.len());
        return Err(Fault { reason, at: Position { line: 1, column: 1 } });
    }
    let mut reader = Reader { text, offset: 0, line: 1, column: 1 };
    if reader.peek() == Some('\u{feff}') {
        return Err(reader.fault("a byte order mark stands before the JSON; save the file without it"));
    }
    let node = reader.value(0)?;
    reader.skip_blanks();
    match reader.peek() {
        None => Ok(node),
        Some(c) => Err(reader.fault(format!("`{}` follows the end of the document", c.escape_default()))),
    }
}

struct Reader<'a> {
    text: &'a str,
    offset: usize,
    line: u32,
    column: u32,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Node<'a>, Fault> {
        self.skip_blanks();
        let (at, start) = (self.position(), self.offset);
        if depth > MAX_DEPTH {
            return Err(self.fault(format!("more than {MAX_DEPTH} levels of nesting are not read")));
        }
        let value = match self.peek_byte() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            Some(b'a'..=b'z' | b'A'..=b'Z') => self.word()?,
            _ => return Err(self.no_value()),
        };
        Ok(Node { at, span: start..self.offset, value })
    }

    /// What stands where a value should begin.
    fn no_value(&self) -> Fault {
        match self.peek() {
            Some('\'') => self.fault("strings take double quotes"),
            Some(']' | '}' | ',') => {
                self.fault("a value is missing; take away the comma or bracket before it")
            }
            Some(c) => self.fault(format!("`{}` is not the beginning of a value", c.escape_default())),
            None => self.fault("the text ends where a value is expected"),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, Fault> {
        self.advance();
        let mut members = Vec::new();
        self.skip_blanks();
        if self.take(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            members.push(self.member(depth)?);
            self.skip_blanks();
            if self.take(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.take(b',') {
                return Err(self.fault("`,` or `}` is expected after a member of an object"));
            }
        }
    }

    fn member(&mut self, depth: usize) -> Result<Member<'a>, Fault> {
        self.skip_blanks();
        let (at, start) = (self.position(), self.offset);
        match self.peek_byte() {
            Some(b'"') => {}
            Some(b'}') => return Err(self.fault("take away the comma before `}`")),
            _ => return Err(self.fault("the name of a member is expected, in double quotes")),
        }
        let key = self.string()?;
        let span = start..self.offset;
        self.skip_blanks();
        if !self.take(b':') {
            return Err(self.fault("`:` is expected after the name of a member"));
        }
        Ok(Member { key, at, span, node: self.value(depth + 1)? })
    }

    fn array(&mut self, depth: usize) -> Result<Value<'a>, Fault> {
        self.advance();
        let mut items = Vec::new();
        self.skip_blanks();
        if self.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_blanks();
            if self.take(b']') {
                return Ok(Value::Array(items));
            }
            if !self.take(b',') {
                return Err(self.fault("`,` or `]` is expected after an item of an array"));
            }
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.advance();
        let mut text = Cow::Borrowed(self.plain());
        loop {
            match self.peek_byte() {
                Some(b'"') => {
                    self.advance();
                    return Ok(text);
                }
                Some(b'\\') => {
                    let escaped = self.escape()?;
                    let text = text.to_mut();
                    text.push(escaped);
                    text.push_str(self.plain());
                }
                Some(_) => {
                    return Err(self.fault(
                        "a string holds a line break or control character; close the quotes or escape it",
                    ));
                }
                None => return Err(self.fault("the text ends inside a string; a closing quote is missing")),
            }
        }
    }

    /// Takes what stands for itself in a string: everything up to a quote, a backslash or a control character.
    fn plain(&mut self) -> &'a str {
        let rest = self.text.get(self.offset..).unwrap_or_default();
        let length = plain_length(rest.as_bytes());
        // what ends it is no part of a longer character
        let plain = rest.get(..length).unwrap_or_default();
        self.offset += length;
        self.column += count(plain);
        plain
    }

    /// Reads an escape; a fault points at its backslash.
    fn escape(&mut self) -> Result<char, Fault> {
        let begin = self.position();
        let fault = |reason: &str| Fault { reason: reason.to_owned(), at: begin };
        self.advance();
        let Some(c) = self.advance() else {
            return Err(fault("the text ends inside a string; a closing quote is missing"));
        };
        Ok(match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                self.unicode().ok_or_else(|| fault("`\\u` takes four hexadecimal digits of a character"))?
            }
            _ => return Err(fault("the escape is unknown; a backslash itself is written `\\\\`")),
        })
    }

    fn unicode(&mut self) -> Option<char> {
        let high = self.hex()?;
        if !(0xd800..0xe000).contains(&high) {
            return char::from_u32(u32::from(high));
        }
        if !(self.take(b'\\') && self.take(b'u')) {
            return None;
        }
        let low = self.hex()?;
        char::decode_utf16([high, low]).next()?.ok()
    }

    fn hex(&mut self) -> Option<u16> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = u16::try_from(self.peek()?.to_digit(16)?).ok()?;
            self.advance();
            value = value << 4 | digit;
        }
        Some(value)
    }

    fn number(&mut self) -> Result<&'a str, Fault> {
        let (at, start) = (self.position(), self.offset);
        let fault = || Fault { reason: "a number is malformed".to_owned(), at };
        self.take(b'-');
        let leading_zero = self.peek() == Some('0');
        let digits = self.digits();
        if digits == 0 || (leading_zero && digits > 1) {
            return Err(fault());
        }
        if self.take(b'.') && self.digits() == 0 {
            return Err(fault());
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            if self.digits() == 0 {
                return Err(fault());
            }
        }
        Ok(self.slice(start..self.offset))
    }

    fn digits(&mut self) -> usize {
        let start = self.offset;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.advance();
        }
        self.offset - start
    }

    fn word(&mut self) -> Result<Value<'a>, Fault> {
        let (at, start) = (self.position(), self.offset);
        while self.peek().is_some_and(|c| c.is_ascii_alphanumeric()) {
            self.advance();
        }
        let word = self.slice(start..self.offset);
        match word {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "null" => Ok(Value::Null),
            _ => Err(Fault { reason: "a text without quotes is not a value".to_owned(), at }),
        }
    }

    fn skip_blanks(&mut self) {
        while let Some(byte @ (b' ' | b'\t' | b'\n' | b'\r')) = self.peek_byte() {
            self.offset += 1;
            if byte == b'\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.offset..)?.chars().next()
    }

    fn peek_byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    /// Takes this character, which is ASCII and no line break, when it is the next one.
    fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek_byte() == Some(wanted);
        if found {
            self.offset += 1;
            self.column += 1;
        }
        found
    }

    fn advance(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.offset += c.len_utf8();
        if c == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(c)
    }

    fn slice(&self, span: Range<usize>) -> &'a str {
        self.text.get(span).unwrap_or_default()
    }

    fn position(&self) -> Position {
        Position { line: self.line, column: self.column }
    }

    fn fault(&self, reason: impl Into<String>) -> Fault {
        Fault { reason: reason.into(), at: self.position() }
    }
}

/// How many bytes come before the first quote, backslash or control character: eight at a time, then one by one.
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    // the high bit of each byte that is less than `least`, exact for the first one of them
    let less = |word: u64, least: u64| word.wrapping_sub(ONES * least) & !word & (ONES * 0x80);
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let ends = less(word, 0x20) | less(word ^ (ONES * 0x22), 1) | less(word ^ (ONES * 0x5c), 1);
        if ends != 0 {
            return index * 8 + ends.trailing_zeros() as usize / 8;
        }
    }
    let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    bytes.len() - rest.len() + rest.iter().position(ends).unwrap_or(rest.len())
}

/// Characters of a text.
fn count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fault(text: &str) -> (u32, u32, String) {
        let fault = parse(text).unwrap_err();
        (fault.at.line, fault.at.column, fault.reason)
    }

    #[test]
    fn columns_count_characters() {
        let node = parse("{\n  \"ä\": [1, \"x\"]}").unwrap();
        let member = &node.members().unwrap()[0];
        assert_eq!((member.at, &*member.key), (Position { line: 2, column: 3 }, "ä"));
        assert_eq!(member.node.items()[1].at, Position { line: 2, column: 12 });
    }

    #[test]
    fn faults_say_where_and_what() {
        assert_eq!(fault("{\"a\": 1,\n}"), (2, 1, "take away the comma before `}`".to_owned()));
        assert_eq!(fault("{\"a\" 1}").1, 6);
        assert_eq!(fault("{\"a\": \"\\x\"}").1, 8, "the backslash");
        assert!(fault("{'a': 1}").2.contains("double quotes"));
        assert!(fault("\u{feff}{}").2.contains("byte order mark"));
        assert!(fault("").2.contains("ends"));
    }

    #[test]
    fn hostile_texts_are_refused() {
        assert!(fault(&"[".repeat(10_000)).2.contains("levels"));
        assert!(fault(&"{\"a\":".repeat(10_000)).2.contains("levels"));
        assert!(fault(&format!("\"{}\"", "x".repeat(MAX_BYTES))).2.contains("bytes"));
    }

    /// `serde_json` reads numbers as `f64` and drops repeated keys; for the rest it must agree.
    fn same(ours: &Node<'_>, theirs: &serde_json::Value) -> bool {
        match (&ours.value, theirs) {
            (Value::Null, serde_json::Value::Null) | (Value::Number(_), serde_json::Value::Number(_)) => true,
            (Value::Bool(a), serde_json::Value::Bool(b)) => a == b,
            (Value::String(a), serde_json::Value::String(b)) => a == b,
            (Value::Array(a), serde_json::Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Value::Object(a), serde_json::Value::Object(b)) => b.iter().all(|(key, value)| {
                a.iter().rfind(|member| member.key == *key).is_some_and(|member| same(&member.node, value))
            }),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn what_ends_plain_text_is_found(text in r#"[ -~ä"\\\n\x00-\x1f]{0,40}"#) {
            let found = text.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            prop_assert_eq!(plain_length(text.as_bytes()), found.unwrap_or(text.len()));
        }

        #[test]
        fn reads_what_serde_json_reads(text in r#"[\[\]{}",:\\ue0-9.\-tfalsn \n]{0,40}"#) {
            match (parse(&text), serde_json::from_str::<serde_json::Value>(&text)) {
                (Ok(ours), Ok(theirs)) => prop_assert!(same(&ours, &theirs), "{text}"),
                (Err(_), Err(_)) => {}
                // A number that `f64` cannot hold.
                (Ok(_), Err(theirs)) => prop_assert!(theirs.to_string().contains("out of range"), "{text}: {theirs}"),
                (Err(ours), Ok(_)) => prop_assert!(false, "{text}: {ours:?}"),
            }
        }

        #[test]
        fn any_text_ends_in_a_value_or_a_fault(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}
