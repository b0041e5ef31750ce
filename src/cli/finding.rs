//! A finding about a text as people read it: what it says, the line that it is about, and what to do.

use std::path::Path;

use crate::cli::output::{Output, Style, plain};
use crate::cli::snippet;
use crate::cors;
use crate::policy;

/// What is shown of a finding, whichever engine found it.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    severity: (Style, &'static str),
    code: &'a str,
    message: &'a str,
    /// Line and column; none of what the text lacks.
    place: Option<(u32, u32)>,
    path: &'a str,
    help: Option<&'a str>,
    /// Whether `--repair` of the command mends it.
    repairs: bool,
}

impl<'a> From<&'a policy::finding::Finding> for Shown<'a> {
    fn from(finding: &'a policy::finding::Finding) -> Self {
        use policy::finding::Severity;
        let severity = match finding.severity {
            Severity::Error => (Style::Bad, "error"),
            Severity::SecurityWarning => (Style::Bad, "security warning"),
            Severity::Warning => (Style::Careful, "warning"),
            Severity::Suggestion => (Style::Faint, "suggestion"),
        };
        Self {
            severity,
            code: finding.code,
            message: &finding.message,
            place: Some((finding.line, finding.column)),
            path: &finding.path,
            help: finding.help.as_deref(),
            repairs: finding.repair.is_some(),
        }
    }
}

impl<'a> From<&'a cors::Finding> for Shown<'a> {
    fn from(finding: &'a cors::Finding) -> Self {
        use cors::Severity;
        let severity = match finding.severity {
            Severity::Error => (Style::Bad, "error"),
            Severity::SecurityWarning => (Style::Bad, "security warning"),
            Severity::Warning => (Style::Careful, "warning"),
            Severity::Suggestion => (Style::Faint, "suggestion"),
        };
        Self {
            severity,
            code: finding.code,
            message: &finding.message,
            place: finding.line.zip(finding.column),
            path: &finding.path,
            help: finding.help.as_deref(),
            repairs: false,
        }
    }
}

impl Shown<'_> {
    /// The lines that show it; `text`, in which it was found, is called `name`.
    pub(crate) fn lines(&self, out: &Output, name: &str, text: &str) -> Vec<String> {
        let (style, severity) = self.severity;
        let number = self.place.map(|(line, _)| line.to_string()).unwrap_or_default();
        let margin = " ".repeat(number.len());
        let faint = |mark: &str| out.paint(Style::Faint, mark);
        let mut lines =
            vec![format!("{}[{}]: {}", out.paint(style, severity), self.code, plain(self.message))];
        if let Some((line, column)) = self.place {
            let place = format!("{}:{line}:{column} {}", plain(name), plain(self.path));
            lines.push(format!("{margin}{} {}", faint("-->"), place.trim_end()));
            lines.extend(snippet::lines(out, text, line, column));
        }
        if let Some(help) = self.help {
            lines.push(format!("{margin} {} {}", faint("= help:"), plain(help)));
        }
        if self.repairs {
            lines.push(format!("{margin} {} --repair writes it", faint("= repair:")));
        }
        lines
    }
}

/// What a file is called in what is shown about it.
pub(crate) fn called(file: &Path) -> String {
    if file.as_os_str() == "-" { "stdin".to_owned() } else { file.display().to_string() }
}
