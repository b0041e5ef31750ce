//! Takes away what no stated request needs.

use super::super::evaluate::evaluate;
use super::super::page::PageRequest;
use super::super::profile::{Choice, Profile};
use super::super::rule::{CorsConfiguration, List};
use super::super::store::Bucket;

/// Whether the request succeeds and reads what it wants to; the error says why not.
pub(super) fn check(
    configuration: &CorsConfiguration,
    profile: &Profile,
    request: &PageRequest,
) -> Result<(), String> {
    let verdict = evaluate(Bucket::Configured(configuration), profile, request).verdict;
    if verdict.succeeds && verdict.unreadable_headers.is_empty() { Ok(()) } else { Err(verdict.reason) }
}

/// Takes values away as long as every request still works.
///
/// Rules only get narrower, so a request can be harmed only by a change of the rule that it reaches now. The next
/// round sees what a change made needless.
pub(super) fn prune(configuration: &mut CorsConfiguration, profile: &Profile, requests: &[PageRequest]) {
    while prune_once(configuration, profile, requests) {}
}

fn prune_once(configuration: &mut CorsConfiguration, profile: &Profile, requests: &[PageRequest]) -> bool {
    let mut has_changed = false;
    for rule in (0..configuration.rules.len()).rev() {
        let mut concerned = concerned(configuration, profile, requests, rule);
        if concerned.is_empty() && works_without(configuration, profile, requests, rule) {
            configuration.rules.remove(rule);
            has_changed = true;
            continue;
        }
        for list in List::ALL {
            let count = configuration.rules.get(rule).map_or(0, |found| found.list(list).len());
            for value in (0..count).rev() {
                let smaller = without(configuration, rule, list, value);
                if concerned.iter().all(|request| check(&smaller, profile, request).is_ok()) {
                    *configuration = smaller;
                    concerned = self::concerned(configuration, profile, requests, rule);
                    has_changed = true;
                }
            }
        }
    }
    let count = configuration.rules.len();
    configuration.rules.retain(|rule| !rule.allowed_origins.is_empty() && !rule.allowed_methods.is_empty());
    has_changed || configuration.rules.len() < count
}

fn works_without(
    configuration: &CorsConfiguration,
    profile: &Profile,
    requests: &[PageRequest],
    rule: usize,
) -> bool {
    let mut smaller = configuration.clone();
    smaller.rules.remove(rule);
    requests.iter().all(|request| check(&smaller, profile, request).is_ok())
}

/// The requests that reach the rule, with the preflight or after it.
fn concerned<'r>(
    configuration: &CorsConfiguration,
    profile: &Profile,
    requests: &'r [PageRequest],
    rule: usize,
) -> Vec<&'r PageRequest> {
    if profile.choice == Choice::EveryRule {
        return requests.iter().collect();
    }
    let reaches = |request: &&PageRequest| {
        let hops = evaluate(Bucket::Configured(configuration), profile, request).hops;
        let exchanges = hops.iter().flat_map(|hop| hop.preflight.iter().chain(&hop.actual));
        exchanges.into_iter().any(|exchange| exchange.answer.rule == Some(rule))
    };
    requests.iter().filter(reaches).collect()
}

fn without(configuration: &CorsConfiguration, rule: usize, list: List, value: usize) -> CorsConfiguration {
    let mut smaller = configuration.clone();
    if let Some(found) = smaller.rules.get_mut(rule) {
        found.list_mut(list).remove(value);
    }
    smaller
}
