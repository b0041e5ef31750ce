//! The line of a text that a finding is about, with a mark below the place.

use crate::cli::output::{Output, Style, plain};

/// Characters of a line that are shown; policies often have only one line.
const WIDEST: usize = 100;
/// Characters that are shown before the place when the line is longer.
const BEFORE: usize = 30;
/// Stands for what is left out of a line.
const CUT: char = '…';

/// The line with its number, and `^` below what stands there; both count from 1. Nothing where the text has no such line.
pub(crate) fn lines(out: &Output, text: &str, line: u32, column: u32) -> Vec<String> {
    let Some(Shown { line: shown, before, length }) = shown(text, line, column) else { return Vec::new() };
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let faint = |mark: &str| out.paint(Style::Faint, mark);
    vec![
        format!("{} {shown}", faint(&format!("{number} |"))),
        format!("{margin} {} {}{}", faint("|"), " ".repeat(before), "^".repeat(length)),
    ]
}

/// A part of a line and what of it is marked, in characters.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    line: String,
    before: usize,
    length: usize,
}

fn shown(text: &str, line: u32, column: u32) -> Option<Shown> {
    let index = |number: u32| usize::try_from(number).ok()?.checked_sub(1);
    let line: Vec<char> = text.lines().nth(index(line)?)?.chars().collect();
    let at = index(column).unwrap_or_default().min(line.len());
    let start = if line.len() > WIDEST { at.saturating_sub(BEFORE) } else { 0 };
    let end = line.len().min(start + WIDEST);
    let marked = (at + token(line.get(at..)?)).min(end);
    let before = if start > 0 {
        format!("{CUT}{}", visible(line.get(start + 1..at)?))
    } else {
        visible(line.get(..at)?)
    };
    let token = visible(line.get(at..marked)?);
    let mut after = visible(line.get(marked..end)?);
    if end < line.len() {
        after.push(CUT);
    }
    Some(Shown {
        before: before.chars().count(),
        length: token.chars().count().max(1),
        line: format!("{before}{token}{after}"),
    })
}

/// What a terminal would obey is shown by its name, which is wider; a tab is as wide as its mark.
fn visible(characters: &[char]) -> String {
    let text: String = characters.iter().map(|c| if *c == '\t' { ' ' } else { *c }).collect();
    plain(&text)
}

/// The length of the string, number or word that a text begins with; of a bracket none.
fn token(text: &[char]) -> usize {
    let Some(('"', rest)) = text.split_first().map(|(first, rest)| (*first, rest)) else {
        return text.iter().take_while(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '+')).count();
    };
    let mut escaped = false;
    let end = rest.iter().position(|c| {
        let closes = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        closes
    });
    end.map_or(text.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::{Shown, WIDEST, shown};

    fn marked(text: &str, line: u32, column: u32) -> String {
        let Shown { line, before, length } = shown(text, line, column).unwrap();
        line.chars().skip(before).take(length).collect()
    }

    #[test]
    fn the_mark_stands_below_the_value() {
        let text = "{\n\t\"Äction\": \"s3:\\\"Get\",\r\n  \"n\": 12, \"b\": true, \"l\": []\n}";
        assert_eq!(marked(text, 2, 2), "\"Äction\"");
        assert_eq!(marked(text, 2, 12), "\"s3:\\\"Get\"");
        assert_eq!(marked(text, 3, 8), "12");
        assert_eq!(marked(text, 3, 17), "true");
        assert_eq!(marked(text, 3, 28), "[");
        assert_eq!(marked(text, 4, 1), "}");
        assert!(!shown(text, 2, 2).unwrap().line.contains('\t'), "a tab is as wide as its mark");
    }

    /// A text can be somebody else's: it must not move the cursor, nor turn what is read around.
    #[test]
    fn what_a_terminal_would_obey_is_named() {
        let text = "\u{1b}[2J \"a\u{202e}b\" c";
        let found = shown(text, 1, 6).unwrap();
        assert_eq!(marked(text, 1, 6), r#""a\u{202e}b""#);
        assert!(found.line.starts_with(r"\u{1b}[2J ") && found.line.ends_with(" c"), "{}", found.line);
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}\"here\"{}", "x".repeat(500), "y".repeat(500));
        let found = shown(&text, 1, 501).unwrap();
        assert_eq!(marked(&text, 1, 501), "\"here\"");
        assert!(found.line.starts_with('…') && found.line.ends_with('…'), "{}", found.line);
        assert!(found.line.chars().count() <= WIDEST + 1);
        let open = format!("\"{}", "x".repeat(500));
        assert_eq!(shown(&open, 1, 1).unwrap().length, WIDEST, "a mark is not longer than what is shown");
    }

    #[test]
    fn a_place_behind_the_end_is_marked_at_the_end() {
        assert_eq!(shown("{", 1, 2).unwrap(), Shown { line: "{".to_owned(), before: 1, length: 1 });
        assert_eq!(shown("{", 1, 99).unwrap().before, 1);
        for (line, column) in [(0, 1), (2, 1), (u32::MAX, u32::MAX)] {
            assert!(shown("{", line, column).is_none(), "{line}:{column}");
        }
        assert!(shown("", 1, 1).is_none());
    }
}
