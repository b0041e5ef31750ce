//! Re-checks on a schedule: what a definition asks for, and what the results say of a resource's health.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::finding::Finding;
use crate::model::check::{Report, Status, Verdict};
use crate::model::name::Name;

/// The longest interval: 31 days.
pub const MOST_INTERVAL_MS: u64 = 2_678_400_000;
/// Characters of the URL of a webhook.
const MOST_URL: usize = 2_000;
/// Characters of a kept reason.
const MOST_REASON: usize = 500;

/// Tests the resource again and again, reading only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Recheck {
    /// Milliseconds between two re-checks, give or take a tenth: at least `recheck.min_interval_ms` of the service (60000),
    /// at most 2678400000 (31 days).
    #[schema(example = 900_000, maximum = 2_678_400_000_u64)]
    pub interval_ms: u64,
    /// The environments to test; empty tests the default one and those that the resource names.
    #[serde(default)]
    #[schema(value_type = BTreeSet<String>)]
    pub environments: BTreeSet<Name>,
    /// A URL that is sent a POST when the verdict changes. A plain text, never a template; whoever may see the resource
    /// sees it.
    #[serde(default)]
    #[schema(example = "https://hooks.example.com/s3")]
    pub webhook: Option<String>,
}

impl Recheck {
    /// Bounds that need nothing but the definition.
    pub(super) fn validate(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.interval_ms > MOST_INTERVAL_MS {
            findings.push(Finding::error(
                "OUT_OF_RANGE",
                "recheck.interval_ms",
                format!("interval_ms must be at most {MOST_INTERVAL_MS}, which is 31 days"),
            ));
        }
        let Some(webhook) = &self.webhook else { return findings };
        if webhook.contains("{{") {
            findings.push(
                Finding::error(
                    "TEMPLATE_NOT_ALLOWED",
                    "recheck.webhook",
                    "the URL of a webhook is sent away and shown, so it can hold no reference to a secret",
                )
                .with_help("give the URL itself; who receives it checks the signature of the message"),
            );
        }
        if webhook.chars().count() > MOST_URL {
            findings.push(Finding::error(
                "OUT_OF_RANGE",
                "recheck.webhook",
                format!("the URL must have at most {MOST_URL} characters"),
            ));
        }
        findings
    }
}

/// What re-checks know of a resource in one environment. Good is a verdict of `works`; every other one is bad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// The verdict of the last re-check.
    pub verdict: Verdict,
    /// RFC 3339; the first of the re-checks in a row that came to this verdict.
    pub since: String,
    /// RFC 3339; the last re-check.
    pub checked_at: String,
    /// RFC 3339; the last re-check that was good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good_at: Option<String>,
    /// The first bad re-check since it was good; when it is good again, that of the time before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_bad: Option<FirstBad>,
}

/// A re-check that was bad after good ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FirstBad {
    /// RFC 3339.
    pub at: String,
    /// What it came to.
    pub verdict: Verdict,
    /// What failed then.
    #[serde(flatten)]
    pub failure: Failure,
}

/// The first check of a report that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// The check, for example `bucket-found`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// The code of the error catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A verdict that is another one than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The verdict before; none for the first result.
    pub from: Option<Verdict>,
    /// The verdict now.
    pub to: Verdict,
    /// What failed now, if anything did.
    pub failure: Failure,
}

/// How the last message to a webhook went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// RFC 3339.
    pub at: String,
    /// Whether it arrived.
    pub delivered: bool,
    /// What was answered, or what went wrong.
    pub detail: String,
    /// Whether it is tried again.
    pub tried_again: bool,
}

impl Failure {
    /// The first failure of a report.
    pub fn of(report: &Report) -> Failure {
        let failed = report.checks.iter().find(|check| check.status == Status::Failed);
        failed.map_or_else(Failure::default, |check| Failure {
            check: Some(check.name.clone()),
            cause: check.cause.clone(),
            reason: Some(check.detail.chars().take(MOST_REASON).collect()),
        })
    }
}

impl Health {
    /// What is known after another result, and the change of verdict if it is one. The first result is one when it is bad.
    pub fn after(before: Option<&Health>, report: &Report, now: &str) -> (Health, Option<Change>) {
        let verdict = report.verdict;
        let good = |verdict: Verdict| verdict == Verdict::Works;
        let same = before.is_some_and(|before| before.verdict == verdict);
        let was_bad = before.is_some_and(|before| !good(before.verdict));
        let failure = Failure::of(report);
        let first_bad = before.and_then(|before| before.first_bad.clone());
        let first_bad = if good(verdict) || was_bad {
            first_bad
        } else {
            Some(FirstBad { at: now.to_owned(), verdict, failure: failure.clone() })
        };
        let since = before.filter(|_| same).map_or_else(|| now.to_owned(), |before| before.since.clone());
        let last_good_at = before.and_then(|before| before.last_good_at.clone());
        let health = Health {
            verdict,
            since,
            checked_at: now.to_owned(),
            last_good_at: if good(verdict) { Some(now.to_owned()) } else { last_good_at },
            first_bad,
        };
        let news = !same && (before.is_some() || !good(verdict));
        let from = before.map(|before| before.verdict);
        (health, news.then_some(Change { from, to: verdict, failure }))
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Failure, Health, MOST_INTERVAL_MS, Recheck};
    use crate::model::check::{Check, Report, Status, Verdict};

    fn report(verdict: Verdict, failed: Option<&str>) -> Report {
        let checks = failed.map(|cause| {
            let mut check = Check::new("bucket-found", Status::Failed, "not there");
            check.cause = Some(cause.to_owned());
            check
        });
        Report {
            verdict,
            reason: None,
            tested_at: String::new(),
            took_ms: 0,
            checks: checks.into_iter().collect(),
            permissions: Vec::new(),
        }
    }

    fn causes(changes: &[Option<Change>]) -> Vec<Option<String>> {
        changes.iter().map(|change| change.as_ref().and_then(|change| change.failure.cause.clone())).collect()
    }

    #[test]
    fn the_first_bad_result_of_a_time_is_kept_with_its_cause_until_the_next_bad_time() {
        let (mut health, mut changes) = (None, Vec::new());
        let steps = [
            (Verdict::Works, None),
            (Verdict::Works, None),
            (Verdict::Fails, Some("NoSuchBucket")),
            (Verdict::Fails, Some("AccessDenied")),
            (Verdict::WorksWithLimits, Some("AccessDenied")),
            (Verdict::Works, None),
            (Verdict::Fails, Some("ReadTimeout")),
        ];
        let mut seen: Vec<Health> = Vec::new();
        for (at, (verdict, cause)) in steps.into_iter().enumerate() {
            let (next, change) = Health::after(health.as_ref(), &report(verdict, cause), &at.to_string());
            seen.push(next.clone());
            (health, changes) = (Some(next), [changes, vec![change]].concat());
        }
        let turns: Vec<usize> =
            (0..changes.len()).filter(|at| changes.get(*at).is_some_and(Option::is_some)).collect();
        assert_eq!(turns, [2, 4, 5, 6]);
        let cause = |text: &str| Some(text.to_owned());
        assert_eq!(causes(&changes)[2..5], [cause("NoSuchBucket"), None, cause("AccessDenied")]);
        for bad in &seen[2..6] {
            let first = bad.first_bad.as_ref().unwrap();
            assert_eq!((first.at.as_str(), first.failure.cause.as_deref()), ("2", Some("NoSuchBucket")));
        }
        assert_eq!(seen[3].since, "2");
        assert_eq!((seen[4].since.as_str(), seen[4].last_good_at.as_deref()), ("4", Some("1")));
        assert_eq!(seen[5].last_good_at.as_deref(), Some("5"));
        assert_eq!(seen[6].first_bad.as_ref().unwrap().at, "6");
    }

    #[test]
    fn the_first_result_is_news_only_when_it_is_bad() {
        assert_eq!(Health::after(None, &report(Verdict::Works, None), "0").1, None);
        let (health, change) = Health::after(None, &report(Verdict::Unverified, None), "0");
        let wanted = Change { from: None, to: Verdict::Unverified, failure: Failure::default() };
        assert_eq!(change, Some(wanted));
        assert_eq!(health.last_good_at, None);
        let kept: Health = serde_json::from_str(&serde_json::to_string(&health).unwrap()).unwrap();
        assert_eq!(kept, health);
    }

    #[test]
    fn a_webhook_is_no_template_and_an_interval_has_an_end() {
        let recheck = |interval_ms, webhook: &str| Recheck {
            interval_ms,
            environments: std::collections::BTreeSet::new(),
            webhook: Some(webhook.to_owned()),
        };
        assert!(recheck(60_000, "https://hooks.example.com/a").validate().is_empty());
        let found = recheck(MOST_INTERVAL_MS + 1, "https://{{ secrets.hook.host }}/").validate();
        let codes: Vec<&str> = found.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["OUT_OF_RANGE", "TEMPLATE_NOT_ALLOWED"]);
    }
}
