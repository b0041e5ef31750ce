//! What the author of a policy should know: errors, dangers, and what could be simpler.
//!
//! One file a subject; each has `check`, which looks at the whole `Subject` and adds to the report. No check asks
//! for the kind of the policy when its rules do: findings whose rule is not for that kind are dropped at the end.
//! Texts with errors are checked as far as they can be read.
//!
//! To add a rule: its line in `finding/code`, its check in the file of its subject, and `CODE.json` in
//! `fixtures/policy/validate` with policies that break it and policies that almost do; tests find all three. A repair
//! is offered where one change of the text is right whatever else the policy says.
//!
//! Invariant: the work is bounded for any text. What compares entries with each other stops at
//! `subject::MAX_PAIRS`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::document::Kind;
use super::finding::report::{Report, shown};
use super::finding::{self, Finding};
use super::parse;
use super::request::{BlockPublicAccess, ObjectOwnership};
use subject::Subject;

mod action;
mod address;
mod arn;
mod constant;
mod key;
mod key_use;
mod nearest;
mod operator;
mod organization;
mod pair;
mod pattern;
mod principal;
mod privilege;
mod quantity;
mod reach;
mod reading;
mod redundancy;
mod resource;
mod s3;
mod sensitive;
mod service_principal;
mod size;
mod structure;
mod subject;
mod support;
mod tag;
mod template;
mod trust;
mod value;
mod variable;

/// What is known besides the text. Each fact that is given allows more findings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = PolicyFacts)]
pub struct Facts {
    /// The bucket that a bucket policy is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket: Option<BucketFacts>,
    /// The IAM actions that whoever gets an identity policy needs, for example `s3:GetObject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed_actions: Option<Vec<String>>,
}

/// What is known of a bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = PolicyBucketFacts)]
pub struct BucketFacts {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The account that owns it, in twelve digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Who owns its objects, and whether ACLs count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_ownership: Option<ObjectOwnership>,
    /// What is blocked whatever the policy says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_public_access: Option<BlockPublicAccess>,
}

impl Facts {
    /// Why they cannot be facts: the path and the reason.
    ///
    /// # Errors
    ///
    /// A name that no bucket has, or an account that is not twelve digits.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let Some(bucket) = &self.bucket else { return Ok(()) };
        if let Some(account) = bucket.account.as_deref().filter(|account| !arn::is_account(account)) {
            let reason = format!("{} is no account: write its twelve digits", shown(account));
            return Err(("facts.bucket.account", reason));
        }
        let is_name = |name: &&str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            (3..=255).contains(&name.len()) && name.bytes().all(plain)
        };
        match bucket.name.as_deref().filter(|name| !is_name(name)) {
            Some(name) => {
                let reason = format!("{} is no name of a bucket: leave out `s3://` and the key", shown(name));
                Err(("facts.bucket.name", reason))
            }
            None => Ok(()),
        }
    }
}

/// What is said of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PolicyValidation)]
pub struct Validation {
    /// Whether it has no errors: AWS would take it.
    pub valid: bool,
    /// In the order of the text, at most about 200.
    pub findings: Vec<Finding>,
    /// The text with every mechanical repair made. None when there is none to make, or none was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repaired: Option<String>,
}

impl Validation {
    /// The findings alone, as [`validate`] gives them.
    pub fn new(findings: Vec<Finding>) -> Self {
        Self { valid: !finding::has_errors(&findings), findings, repaired: None }
    }
}

/// The most repairs that [`repair`] makes one after the other.
const MAX_REPAIRS: usize = 50;

/// The findings of a text, in the order of the text; at most about 200.
pub fn validate(text: &str, kind: Kind, facts: &Facts) -> Vec<Finding> {
    let mut report = Report::default();
    let Some((tree, draft)) = parse::read(text, &mut report) else {
        return report.finish(text, None, Some(kind));
    };
    let subject = Subject::new(kind, &draft, facts, text);
    for check in CHECKS {
        check(&subject, &mut report);
    }
    report.finish(text, Some(&tree), Some(kind))
}

/// The text with every mechanical repair made, the gravest first. None when there is nothing to repair.
pub fn repair(text: &str, kind: Kind, facts: &Facts) -> Option<String> {
    let mut current: Option<String> = None;
    for _ in 0..MAX_REPAIRS {
        let findings = validate(current.as_deref().unwrap_or(text), kind, facts);
        let next = findings
            .into_iter()
            .filter(|finding| finding.repair.is_some())
            .max_by_key(|finding| finding.severity)
            .and_then(|finding| finding.repair);
        match next {
            Some(next) => current = Some(next),
            None => break,
        }
    }
    current
}

/// A check looks at everything and says what it finds.
type Check = fn(&Subject<'_>, &mut Report);

const CHECKS: &[Check] = &[
    structure::check,
    action::check,
    resource::check,
    principal::check,
    service_principal::check,
    key::check,
    key_use::check,
    operator::check,
    value::check,
    quantity::check,
    address::check,
    constant::check,
    support::check,
    tag::check,
    pair::check,
    sensitive::check,
    variable::check,
    redundancy::check,
    privilege::check,
    reading::check,
    size::check,
    s3::check,
    trust::check,
    organization::check,
];

#[cfg(test)]
mod tests;
