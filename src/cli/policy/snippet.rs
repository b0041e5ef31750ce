//! A finding as people read it: the line that it is about, with a mark below the place.

use crate::cli::output::{Output, Style, plain};
use crate::policy::finding::{Finding, Severity};

/// Characters of a line that are shown; policies often have only one line.
const WIDEST: usize = 100;
/// Characters that are shown before the place when the line is longer.
const BEFORE: usize = 30;
/// Stands for what is left out of a line.
const CUT: char = '…';

/// The lines that show a finding about `text`, which is called `name`.
pub(super) fn lines(out: &Output, name: &str, text: &str, finding: &Finding) -> Vec<String> {
    let severity = match finding.severity {
        Severity::Error => out.paint(Style::Bad, "error"),
        Severity::SecurityWarning => out.paint(Style::Bad, "security warning"),
        Severity::Warning => out.paint(Style::Careful, "warning"),
        Severity::Suggestion => out.paint(Style::Faint, "suggestion"),
    };
    let number = finding.line.to_string();
    let margin = " ".repeat(number.len());
    let faint = |mark: &str| out.paint(Style::Faint, mark);
    let mut lines = vec![format!("{severity}[{}]: {}", finding.code, plain(&finding.message))];
    let place = format!("{}:{}:{} {}", plain(name), finding.line, finding.column, plain(&finding.path));
    lines.push(format!("{margin}{} {}", faint("-->"), place.trim_end()));
    if let Some(Shown { line, before, length }) = shown(text, finding.line, finding.column) {
        lines.push(format!("{} {line}", faint(&format!("{number} |"))));
        lines.push(format!("{margin} {} {}{}", faint("|"), " ".repeat(before), "^".repeat(length)));
    }
    if let Some(help) = &finding.help {
        lines.push(format!("{margin} {} {}", faint("= help:"), plain(help)));
    }
    if finding.repair.is_some() {
        lines.push(format!("{margin} {} --repair writes it", faint("= repair:")));
    }
    lines
}

/// A part of a line and what of it is marked, in characters.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    line: String,
    before: usize,
    length: usize,
}

/// None when the text has no such line.
fn shown(text: &str, line: u32, column: u32) -> Option<Shown> {
    let line = text.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
    // one blank for everything that would move what stands behind it
    let line: Vec<char> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let at = usize::try_from(column).ok()?.saturating_sub(1).min(line.len());
    let start = if line.len() > WIDEST { at.saturating_sub(BEFORE) } else { 0 };
    let mut shown: Vec<char> = line.iter().copied().skip(start).take(WIDEST).collect();
    let length = token(line.get(at..).unwrap_or_default()).min(shown.len().saturating_sub(at - start)).max(1);
    if start > 0
        && let Some(first) = shown.first_mut()
    {
        *first = CUT;
    }
    if start + shown.len() < line.len() {
        shown.push(CUT);
    }
    Some(Shown { line: shown.into_iter().collect(), before: at - start, length })
}

/// The length of the string, number or word that a text begins with; a bracket alone.
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
        let text = "{\n\t\"Äction\": \"s3:\\\"Get\",\n  \"n\": 12, \"b\": true, \"l\": []\n}";
        assert_eq!(marked(text, 2, 2), "\"Äction\"");
        assert_eq!(marked(text, 2, 12), "\"s3:\\\"Get\"");
        assert_eq!(marked(text, 3, 8), "12");
        assert_eq!(marked(text, 3, 17), "true");
        assert_eq!(marked(text, 3, 28), "[");
        assert_eq!(marked(text, 4, 1), "}");
        assert!(!shown(text, 2, 2).unwrap().line.contains('\t'), "a tab is as wide as its mark");
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
        assert!(shown("{", 2, 1).is_none());
        assert!(shown("", 1, 1).is_none());
    }
}
