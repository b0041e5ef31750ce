//! What is wrong with a template, where, and what to write instead.

use super::reference::Span;

/// A mistake in a field, at the character where it shows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What is wrong, with the offending text in backticks.
    pub message: String,
    /// The line, counted from 1.
    pub line: u32,
    /// The column, counted from 1 in characters.
    pub column: u32,
    /// What to write instead; ends with the corrected text where it can be guessed.
    pub help: String,
}

impl Error {
    pub(super) fn new(at: Span, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), line: at.line, column: at.column, help: help.into() }
    }
}

/// Makes input fit to stand in a message: one line, no control characters, at most 60 characters.
pub(super) fn shown(input: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = input
        .chars()
        .take(LONGEST)
        .flat_map(|c| {
            let (plain, escaped) =
                if c.is_control() { (None, Some(c.escape_unicode())) } else { (Some(c), None) };
            plain.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect();
    if input.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
