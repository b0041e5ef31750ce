//! What there is to say about a configuration, where, and what puts it right.

use serde::Serialize;
use utoipa::ToSchema;

use super::place::{Place, Places, Spot};
use super::repair::Repair;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CorsSeverity)]
pub enum Severity {
    /// Works, but could be better.
    Suggestion,
    /// Likely not what was meant.
    Warning,
    /// Gives away more than was meant.
    SecurityWarning,
    /// The store refuses it, or it can never have an effect.
    Error,
}

/// One remark about a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CorsFinding)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// A stable name to search for.
    #[schema(value_type = String, example = "CORS_ORIGIN_PATH")]
    pub code: &'static str,
    /// The part of the configuration, for example `rules[0].allowed_origins[1]`.
    pub path: String,
    /// 1-based line in the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// 1-based column, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The change that puts it right, where no decision is left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<Repair>,
}

/// True when one of the findings makes the configuration unusable.
pub fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

impl Finding {
    /// A finding about a text that cannot be read further.
    pub(super) fn syntax(at: Place, message: impl Into<String>, help: &str) -> Self {
        Self {
            severity: Severity::Error,
            code: "CORS_SYNTAX",
            path: Spot::Document.path(),
            line: Some(at.line),
            column: Some(at.column),
            message: message.into(),
            help: Some(help.to_owned()),
            repair: None,
        }
    }

    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn with_repair(mut self, repair: Repair) -> Self {
        self.repair = Some(repair);
        self
    }
}

/// Findings that are worth listing; more help nobody, and a hostile text must not make a long answer.
pub const MAX_FINDINGS: usize = 200;

/// Collects findings and gives each its place.
pub(super) struct Findings<'p> {
    places: &'p Places,
    found: Vec<Finding>,
    left_out: usize,
}

impl<'p> Findings<'p> {
    /// Begins with what reading found, and how much of that was left out.
    pub(super) fn new(places: &'p Places, found: Vec<Finding>, left_out: usize) -> Self {
        Self { places, found, left_out }
    }

    /// Adds a finding that is made only when there is room for it.
    pub(super) fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        spot: Spot,
        message: impl Into<String>,
        finish: impl FnOnce(Finding) -> Finding,
    ) {
        if self.found.len() >= MAX_FINDINGS {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        let place = self.places.find(spot);
        self.found.push(finish(Finding {
            severity,
            code,
            path: spot.path(),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            message: message.into(),
            help: None,
            repair: None,
        }));
    }

    /// All of them, in the order of the text, with a word about those that were left out.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        self.found.sort_by_key(|finding| (finding.line, finding.column));
        if self.left_out > 0 {
            let message = format!("{} more findings are not listed", self.left_out);
            self.found.push(Finding {
                severity: Severity::Warning,
                code: "CORS_MORE_FINDINGS",
                path: Spot::Document.path(),
                line: None,
                column: None,
                message,
                help: Some("mend what is listed, then look again".to_owned()),
                repair: None,
            });
        }
        self.found
    }
}

/// Makes input fit to stand in a message: one line, no control characters, at most 60 characters.
pub(super) fn shown(input: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown = String::new();
    for c in input.chars().take(LONGEST) {
        if c.is_control() || c == '`' { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    if input.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
