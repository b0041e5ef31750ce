//! What is said about a policy: findings, and the rules they come from.

use serde::Serialize;
use utoipa::ToSchema;

use super::document::Kind;

pub mod code;
mod edit;
pub(super) mod report;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PolicySeverity)]
pub enum Severity {
    /// Works, but could be better.
    Suggestion,
    /// Likely not what was meant.
    Warning,
    /// Gives away more than was meant.
    SecurityWarning,
    /// AWS refuses the policy, or a part of it can never work.
    Error,
}

/// One thing to say about a policy, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PolicyFinding)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The stable name of the rule, for example `INVALID_ACTION`.
    #[schema(value_type = String, example = "INVALID_ACTION")]
    pub code: &'static str,
    /// The place in the document, for example `Statement[0].Action[1]`. Empty for the document itself.
    pub path: String,
    /// 1-based line.
    pub line: u32,
    /// 1-based column, in characters.
    pub column: u32,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The whole text of the policy without this finding, where the repair is mechanical.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
}

/// A rule: what findings of one code have in common.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The code; that of IAM Access Analyzer where it has one.
    pub code: &'static str,
    /// How much its findings matter.
    pub severity: Severity,
    /// The kinds of policy it is applied to.
    pub kinds: &'static [Kind],
    /// What it means, in one sentence.
    pub meaning: &'static str,
}

/// True when one of the findings makes the policy unusable.
pub fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}
