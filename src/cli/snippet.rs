//! The line of a text that a finding is about, with a mark below the place.

use crate::cli::output::plain;

/// Characters of a line that are shown; of a longer one those around the place.
const WIDEST: usize = 96;
/// Characters before the place that are shown of such a line.
const BEFORE: usize = 40;

/// The line with its number, and `^` below the column; both count from 1. Nothing where the text has no such place.
pub(crate) fn lines(text: &str, line: u32, column: u32) -> Vec<String> {
    let index = |number: u32| usize::try_from(number).ok()?.checked_sub(1);
    let found = index(line).and_then(|line| text.split('\n').nth(line));
    let (Some(found), Some(column)) = (found, index(column)) else { return Vec::new() };
    let found = found.trim_end_matches('\r');
    let from = if found.chars().count() > WIDEST { column.saturating_sub(BEFORE) } else { 0 };
    let part: Vec<char> = found.chars().skip(from).take(WIDEST).collect();
    let before = column.saturating_sub(from);
    if before > part.len() {
        return Vec::new();
    }
    // what a terminal would obey is shown by its name, which is wider
    let shown = |characters: &[char]| {
        let text: String = characters.iter().map(|c| if *c == '\t' { ' ' } else { *c }).collect();
        plain(&text)
    };
    let (start, rest) = part.split_at(before);
    let (cut, more) = (if from > 0 { "…" } else { "" }, from.saturating_add(part.len()));
    let end = if found.chars().count() > more { "…" } else { "" };
    let start = format!("{cut}{}", shown(start));
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    vec![
        format!("  {number} | {start}{}{end}", shown(rest)),
        format!("  {margin} | {}^", " ".repeat(start.chars().count())),
    ]
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn the_mark_stands_below_the_place() {
        assert_eq!(lines("a\n\t\"é\": x\r\nc", 2, 7), ["  2 |  \"é\": x", "    |       ^"]);
        assert_eq!(lines("abc", 1, 4), ["  1 | abc", "    |    ^"], "behind the last character");
        assert_eq!(lines("\u{1b}x", 1, 2), ["  1 | \\u{1b}x", "    |       ^"]);
    }

    #[test]
    fn of_a_long_line_only_what_is_around_the_place_is_shown() {
        let text = format!("{}X{}", "a".repeat(200), "b".repeat(200));
        let shown = lines(&text, 1, 201);
        assert_eq!(shown[0], format!("  1 | …{}X{}…", "a".repeat(40), "b".repeat(55)));
        assert_eq!(shown[1].chars().position(|c| c == '^'), shown[0].chars().position(|c| c == 'X'));
    }

    #[test]
    fn a_place_that_is_not_there_shows_nothing() {
        for (line, column) in [(0, 1), (1, 0), (2, 1), (1, 9), (u32::MAX, u32::MAX)] {
            assert!(lines("abc", line, column).is_empty(), "{line}:{column}");
        }
    }
}
