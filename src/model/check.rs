//! Checks and reports: does it work, and if not, why and what to change.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::operation::Operation;

/// How a check ended. `skipped` never counts as passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The claim holds.
    Passed,
    /// The claim does not hold.
    Failed,
    /// It was not tried, because something before it failed or it was not asked for.
    Skipped,
    /// The provider has no such thing.
    Unsupported,
    /// It holds, but something is worth knowing.
    Warning,
}

/// One positive claim and whether it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// The claim, for example `objects-listable`.
    pub name: String,
    /// How it ended.
    pub status: Status,
    /// Milliseconds.
    pub took_ms: u64,
    /// The call that was made, for example `s3:ListObjectsV2 (max-keys 1)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// What was seen.
    pub detail: String,
    /// The code of the error catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What to change, and who can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// A change that can be applied as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// The store's id of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Checks that must pass before this one can be tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
}

/// A change that can be applied as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fix {
    /// A body for `PATCH /v1/resources/{name}`.
    #[schema(value_type = Object)]
    Patch(serde_json::Value),
    /// A statement for the identity's policy; with a `Principal`, for the bucket policy.
    #[schema(value_type = Object)]
    Statement(serde_json::Value),
    /// The trust policy that the role needs.
    #[schema(value_type = Object)]
    TrustPolicy(serde_json::Value),
    /// A CORS configuration: a body for `PUT /v1/resources/{name}/bucket/cors`, a file for `bucket set-cors`.
    #[schema(value_type = Object)]
    Cors(serde_json::Value),
}

/// A change of a resource that its owner may accept.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// A body for `PATCH /v1/resources/{name}`.
    pub patch: serde_json::Value,
    /// Why, in words that go before a colon.
    pub reason: String,
}

impl Proposal {
    /// For people.
    pub fn remedy(&self) -> String {
        format!(
            "{}: PATCH the resource with {} - an editor of the resource can do this",
            self.reason, self.patch
        )
    }

    /// For programs.
    pub fn fix(&self) -> Fix {
        Fix::Patch(self.patch.clone())
    }
}

/// The sum of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Verdict {
    /// Everything that was tried works.
    #[serde(rename = "works")]
    Works,
    /// The bucket is reached, but some operations do not work.
    #[serde(rename = "works with limits")]
    WorksWithLimits,
    /// It cannot be used.
    #[serde(rename = "fails")]
    Fails,
    /// Nothing could be tried.
    #[serde(rename = "unverified")]
    Unverified,
}

impl Verdict {
    /// The words used in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Works => "works",
            Verdict::WorksWithLimits => "works with limits",
            Verdict::Fails => "fails",
            Verdict::Unverified => "unverified",
        }
    }
}

/// Whether an operation would work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It works.
    Yes,
    /// It does not.
    No,
    /// It was not tried.
    Unknown,
}

/// How an answer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum KnownBy {
    /// The call was made.
    #[serde(rename = "tried")]
    Tried,
    /// It follows from other calls, or from the policies that could be read.
    #[serde(rename = "predicted")]
    Predicted,
    /// The call was made, and came out as the policies say.
    #[serde(rename = "both")]
    Both,
    /// Neither.
    #[serde(rename = "not tried")]
    NotTried,
}

/// One row of the permission matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Permission {
    /// What would be done.
    pub operation: Operation,
    /// Whether it would work.
    pub answer: Answer,
    /// How that is known.
    pub known_by: KnownBy,
    /// The IAM action that is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_action: Option<String>,
}

/// What a test found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// The sum.
    pub verdict: Verdict,
    /// The first failure in one sentence; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// RFC 3339.
    pub tested_at: String,
    /// Milliseconds in all.
    pub took_ms: u64,
    /// In the order in which they were tried.
    pub checks: Vec<Check>,
    /// One row an operation; empty for sources.
    pub permissions: Vec<Permission>,
}

impl Check {
    /// A check that ended with `status`.
    pub fn new(name: &str, status: Status, detail: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            status,
            took_ms: 0,
            call: None,
            detail: detail.into(),
            cause: None,
            remedy: None,
            fix: None,
            request_id: None,
            depends_on: Vec::new(),
        }
    }
}

/// The sum of `checks`. `essential` names the checks without which nothing works.
pub fn verdict(checks: &[Check], essential: &[&str]) -> Verdict {
    let is_essential = |check: &&Check| essential.contains(&check.name.as_str());
    if checks.iter().filter(is_essential).any(|check| check.status == Status::Failed) {
        return Verdict::Fails;
    }
    let tried = |check: &&Check| matches!(check.status, Status::Passed | Status::Warning);
    if !checks.iter().filter(is_essential).any(|check| tried(&check)) {
        return Verdict::Unverified;
    }
    if checks.iter().any(|check| check.status == Status::Failed) {
        return Verdict::WorksWithLimits;
    }
    Verdict::Works
}

#[cfg(test)]
mod tests {
    use super::{Check, Status, Verdict, verdict};

    #[test]
    fn skipped_is_never_counted_as_passed() {
        let checks = [Check::new("bucket-found", Status::Skipped, "")];
        assert_eq!(verdict(&checks, &["bucket-found"]), Verdict::Unverified);
    }

    #[test]
    fn an_essential_failure_fails_the_whole_and_another_limits_it() {
        let passed = Check::new("bucket-found", Status::Passed, "");
        let failed = Check::new("uploads-allowed", Status::Failed, "");
        let checks = [passed, failed];
        assert_eq!(verdict(&checks, &["bucket-found"]), Verdict::WorksWithLimits);
        assert_eq!(verdict(&checks, &["uploads-allowed"]), Verdict::Fails);
    }
}
