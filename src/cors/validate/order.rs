//! What the order of the rules does: rules that are never reached, and a wide one that answers for narrow ones.

use super::super::finding::{Findings, Severity};
use super::super::pattern::{Case, covers};
use super::super::place::Spot;
use super::super::profile::Choice;
use super::super::repair::Repair;
use super::super::rule::{CorsRule, MAX_RULES};
use super::Subject;

/// Comparisons of two values that are made for one configuration. One that S3 takes needs far fewer; a hostile one
/// would need the square of its size.
const MAX_COMPARISONS: usize = 2_000_000;

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    if subject.profile.choice == Choice::EveryRule {
        return;
    }
    let mut left = MAX_COMPARISONS;
    for (index, rule) in subject.rules().take(MAX_RULES).skip(1) {
        let earlier = || subject.rules().take(index);
        let above = earlier().find(|(_, above)| hides(above, rule, subject.profile.choice, &mut left));
        if let Some((above, _)) = above {
            let number = above.saturating_add(1);
            let message = match subject.profile.choice {
                Choice::FirstOrigin => {
                    let store = subject.profile.title;
                    format!(
                        "{store} chooses a rule by the origin alone, and rule {number} has these origins already"
                    )
                }
                _ => format!(
                    "rule {number} takes every request that this one takes, so this one is never reached"
                ),
            };
            let repair = Some(Repair::RemoveRule { rule: index });
            let finding = (Severity::Warning, "CORS_RULE_SHADOWED");
            let help = "take the rule away, or put it before the other";
            findings.offer(finding, Spot::Rule(index), (message, help), repair);
        }
    }
    for (index, rule) in subject.rules().take(MAX_RULES).filter(|(_, rule)| rule.is_for_every_origin()) {
        broad_first(subject, index, rule, findings);
    }
}

/// Whether the later rule is never reached.
fn hides(above: &CorsRule, rule: &CorsRule, choice: Choice, left: &mut usize) -> bool {
    let pairs = |one: &[String], other: &[String]| one.len().saturating_mul(other.len());
    let cost = pairs(&above.allowed_origins, &rule.allowed_origins)
        .saturating_add(pairs(&above.allowed_methods, &rule.allowed_methods))
        .saturating_add(pairs(&above.allowed_headers, &rule.allowed_headers));
    let Some(rest) = left.checked_sub(cost) else { return false };
    *left = rest;
    let all_covered = |wide: &[String], narrow: &[String], case| {
        narrow.iter().all(|narrow| wide.iter().any(|wide| covers(wide, narrow, case)))
    };
    let has_origins = !rule.allowed_origins.is_empty()
        && all_covered(&above.allowed_origins, &rule.allowed_origins, Case::Exact);
    let has_rest = rule.allowed_methods.iter().all(|method| above.allows_method(method))
        && all_covered(&above.allowed_headers, &rule.allowed_headers, Case::Ignored);
    has_origins && (choice == Choice::FirstOrigin || has_rest)
}

/// A rule for every origin answers `*` also where a later rule would answer the origin, and allow credentials.
fn broad_first(subject: &Subject<'_>, index: usize, rule: &CorsRule, findings: &mut Findings<'_>) {
    let later = subject.rules().skip(index.saturating_add(1));
    let mut narrow =
        later.filter(|(_, later)| !later.is_for_every_origin() && !later.allowed_origins.is_empty());
    let shares =
        |later: &CorsRule| later.allowed_methods.iter().find(|method| rule.allows_method(method)).cloned();
    let found = narrow.find_map(|(number, later)| Some((number, shares(later)?)));
    let Some((number, method)) = found else { return };
    let message = format!(
        "the rule is for every origin and comes before rule {}, whose origins are so answered `*` for {}, without \
         credentials",
        number.saturating_add(1),
        super::super::finding::shown(&method)
    );
    let repair = Some(Repair::MoveRuleLast { rule: index });
    let help = "put the rules for single origins first";
    findings.offer((Severity::Warning, "CORS_RULE_BROAD_FIRST"), Spot::Rule(index), (message, help), repair);
}
