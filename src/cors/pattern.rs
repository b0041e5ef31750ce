//! Patterns with one `*`, and lists of header names.

/// What a store takes as a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patterns {
    /// One `*` anywhere stands for zero or more characters.
    OneStar,
    /// One `*` anywhere stands for one or more characters; `*` alone for anything.
    StarNotEmpty,
    /// `*` alone stands for anything; next to other characters it is a plain character.
    WholeOnly,
}

/// Whether upper and lower case count as the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// They differ.
    Exact,
    /// They are the same, for ASCII letters.
    Ignored,
}

impl Patterns {
    /// Whether the text fits the pattern. A pattern of two stars, which no store takes, fits only itself.
    pub fn fits(self, pattern: &str, text: &str, case: Case) -> bool {
        if pattern == "*" {
            return true;
        }
        let parts = pattern.split_once('*').filter(|(_, end)| !end.contains('*'));
        match (self, parts) {
            (Patterns::WholeOnly, _) | (_, None) => same(pattern.as_bytes(), text.as_bytes(), case),
            (Patterns::OneStar, Some((start, end))) => between(start, end, text, case).is_some(),
            (Patterns::StarNotEmpty, Some((start, end))) => {
                between(start, end, text, case).is_some_and(|length| length > 0)
            }
        }
    }
}

/// How many bytes of the text stand between its start and its end, when it has both.
fn between(start: &str, end: &str, text: &str, case: Case) -> Option<usize> {
    let text = text.as_bytes();
    let length = text.len().checked_sub(start.len())?.checked_sub(end.len())?;
    let head = text.get(..start.len())?;
    let tail = text.get(text.len().checked_sub(end.len())?..)?;
    (same(start.as_bytes(), head, case) && same(end.as_bytes(), tail, case)).then_some(length)
}

fn same(one: &[u8], other: &[u8], case: Case) -> bool {
    match case {
        Case::Exact => one == other,
        Case::Ignored => one.eq_ignore_ascii_case(other),
    }
}

/// Whether every text that fits `narrow` fits `wide` too, both patterns with at most one `*`.
pub(super) fn covers(wide: &str, narrow: &str, case: Case) -> bool {
    if wide == "*" {
        return true;
    }
    match (wide.split_once('*'), narrow.split_once('*')) {
        (None, _) => same(wide.as_bytes(), narrow.as_bytes(), case),
        (Some(_), None) => Patterns::OneStar.fits(wide, narrow, case),
        (Some((start, end)), Some((inner_start, inner_end))) => {
            let (inner_start, inner_end) = (inner_start.as_bytes(), inner_end.as_bytes());
            let head = inner_start.get(..start.len());
            let tail = inner_end.len().checked_sub(end.len()).and_then(|from| inner_end.get(from..));
            head.is_some_and(|head| same(start.as_bytes(), head, case))
                && tail.is_some_and(|tail| same(end.as_bytes(), tail, case))
        }
    }
}

/// Whether some text fits both patterns, each with at most one `*`.
pub(super) fn overlap(one: &str, other: &str) -> bool {
    match (one.split_once('*'), other.split_once('*')) {
        (None, _) => Patterns::OneStar.fits(other, one, Case::Exact),
        (_, None) => Patterns::OneStar.fits(one, other, Case::Exact),
        (Some((start, end)), Some((other_start, other_end))) => {
            (start.starts_with(other_start) || other_start.starts_with(start))
                && (end.ends_with(other_end) || other_end.ends_with(end))
        }
    }
}

/// Names of an `Access-Control-Request-Headers` that are read; browsers send a handful.
pub const MAX_REQUESTED_HEADERS: usize = 128;

/// The names in a list such as `Access-Control-Request-Headers` holds, without the blanks around them.
pub(super) fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}
