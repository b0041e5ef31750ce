//! A place in a text that knows its line and column.

use super::reference::Span;

/// Walks a text forward, one character at a time at most.
pub(super) struct Cursor<'a> {
    rest: &'a str,
    span: Span,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, span: Span::START }
    }

    pub(super) fn span(&self) -> Span {
        self.span
    }

    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes one character.
    pub(super) fn bump(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let c = characters.next()?;
        self.rest = characters.as_str();
        self.span.pass(c);
        Some(c)
    }

    /// Takes `expected` if it stands here.
    pub(super) fn eat(&mut self, expected: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(expected) else { return false };
        self.rest = rest;
        expected.chars().for_each(|c| self.span.pass(c));
        true
    }

    /// Takes characters as long as they are `wanted`.
    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken.chars().for_each(|c| self.span.pass(c));
        taken
    }

    pub(super) fn skip_blanks(&mut self) {
        self.take_while(char::is_whitespace);
    }
}
