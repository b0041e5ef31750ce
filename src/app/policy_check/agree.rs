//! Do predictions agree with what a test tried, and if not, what may be behind it.

use crate::app::policy_check::accounts::Accounts;
use crate::app::policy_check::calls::{self, Call};
use crate::app::policy_check::facts::{Facts, Principal};
use crate::app::policy_check::predict;
use crate::model::check::{Answer, Check, Status};
use crate::model::policy_check::{DecidingStatement, Difference, PredictedCall};

/// One check of a test beside what was predicted.
#[derive(Debug, Clone)]
pub(in crate::app) struct Compared {
    pub(in crate::app) check: String,
    pub(in crate::app) tried: Answer,
    pub(in crate::app) predicted: Answer,
    pub(in crate::app) difference: Option<Difference>,
    /// The call that decides.
    pub(in crate::app) call: PredictedCall,
}

impl Facts {
    /// Every check that tells whether something is allowed, beside its prediction. `first` is the object that was read.
    pub(in crate::app) fn compare(
        &self,
        checks: &[Check],
        first: Option<&str>,
        accounts: &Accounts,
    ) -> Vec<Compared> {
        checks.iter().filter_map(|check| self.compare_one(check, first, accounts)).collect()
    }

    fn compare_one(&self, check: &Check, first: Option<&str>, accounts: &Accounts) -> Option<Compared> {
        let tried = outcome(check)?;
        let calls = calls::of_check(check, &self.requests, first);
        let predicted: Vec<PredictedCall> = calls.iter().map(|call| self.predict(call, accounts)).collect();
        let answer = predict::sum(&predicted);
        let deciding = predicted.iter().find(|call| call.answer == answer).or(predicted.first())?.clone();
        let differs = answer != Answer::Unknown && answer != tried;
        let difference = differs.then(|| Difference {
            check: check.name.clone(),
            action: deciding.action.clone(),
            predicted: answer,
            tried,
            explanation: deciding.explanation.clone(),
            reasons: match tried {
                Answer::Yes => self.reasons_why_allowed(&deciding),
                _ => self.reasons_why_denied(check, calls.first()),
            },
        });
        Some(Compared { check: check.name.clone(), tried, predicted: answer, difference, call: deciding })
    }

    /// The policies allow it, and it was denied.
    fn reasons_why_denied(&self, check: &Check, call: Option<&Call>) -> Vec<String> {
        let mut reasons = Vec::new();
        if check.cause.as_deref() == Some("KmsAccessDenied") {
            reasons
                .push("the policy of the KMS key: it was the key that was denied, not the object".to_owned());
            return reasons;
        }
        // AWS names the kind of policy that denied
        let told = TOLD.iter().find(|(words, _)| check.detail.contains(words));
        if let Some((_, reason)) = told {
            reasons.push(format!("{reason}: the store says so"));
            return reasons;
        }
        if self.is_aws {
            reasons.push("a service control or resource control policy of the organization".to_owned());
            if !self.identity_is_whole && self.principal != Principal::Anonymous {
                reasons.push(
                    "a Deny in a policy of the identity, or its permissions boundary: neither was read"
                        .to_owned(),
                );
            }
            if self.requests.uses_kms {
                reasons.push("the policy of the KMS key".to_owned());
            }
            reasons.push("the policy of the VPC endpoint that requests go through".to_owned());
        } else {
            reasons.push(
                "the store decides otherwise than AWS, or knows only a part of the policy language"
                    .to_owned(),
            );
        }
        if call.is_some_and(|call| call.action.starts_with("s3:GetObject")) {
            reasons
                .push("another account owns the object, so the bucket policy does not reach it".to_owned());
        }
        reasons.push("credentials or a policy that changed less than a minute ago: try again".to_owned());
        reasons
    }

    /// The policies deny it, and it was allowed.
    fn reasons_why_allowed(&self, call: &PredictedCall) -> Vec<String> {
        let mut reasons = Vec::new();
        let conditions = call.statement.as_ref().map(|statement| self.conditions_of(statement));
        let conditions = conditions.unwrap_or_default();
        if !self.is_aws {
            reasons.push(if conditions.is_empty() {
                "the store decides otherwise than AWS, for example by who owns the bucket".to_owned()
            } else {
                format!("the store decides its condition {} otherwise than AWS", conditions.join(" and "))
            });
        }
        if self.is_aws && !conditions.is_empty() {
            reasons.push(format!(
                "the condition {} sees another value than this service",
                conditions.join(" and ")
            ));
        }
        if call.statement.is_none() {
            reasons.push("an ACL of the object allows it".to_owned());
        }
        reasons.push(
            "the policy changed less than a minute ago, or between the test and this look: try again"
                .to_owned(),
        );
        reasons
    }

    /// Operators and keys: `Bool` on `aws:SecureTransport`.
    fn conditions_of(&self, statement: &DecidingStatement) -> Vec<String> {
        let found =
            self.document(&statement.document).and_then(|policy| policy.statements.get(statement.index));
        let conditions = found.into_iter().flat_map(|found| &found.conditions);
        conditions
            .map(|condition| format!("`{}` on `{}`", condition.operator.value, condition.key.value))
            .collect()
    }
}

/// What AWS writes into a refusal, and what it means (IAM user guide, troubleshoot access denied error messages).
const TOLD: [(&str, &str); 6] = [
    ("service control policy", "a service control policy of the organization"),
    ("resource control policy", "a resource control policy of the organization"),
    ("VPC endpoint policy", "the policy of the VPC endpoint that requests go through"),
    ("permissions boundary", "the permissions boundary of the identity"),
    ("session policy", "the session policy"),
    ("identity-based policy", "a policy of the identity"),
];

/// Whether a check found that something is allowed; none when its end has nothing to do with rights.
fn outcome(check: &Check) -> Option<Answer> {
    let denied = matches!(
        check.cause.as_deref(),
        Some("AccessDenied" | "KmsAccessDenied" | "AllAccessDisabled" | "Forbidden")
    );
    match check.status {
        Status::Failed | Status::Warning if denied => Some(Answer::No),
        Status::Passed | Status::Warning => Some(Answer::Yes),
        Status::Failed | Status::Skipped | Status::Unsupported => None,
    }
}
