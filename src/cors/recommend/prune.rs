//! Takes away what no stated request needs.

use super::super::evaluate::{Evaluation, evaluate, evaluate_in};
use super::super::page::PageRequest;
use super::super::profile::{Choice, Profile};
use super::super::rule::{CorsConfiguration, List};
use super::super::store::{Bucket, Detail};

/// Whether the request succeeds and reads what it wants to; the error says why not.
pub(super) fn check(
    configuration: &CorsConfiguration,
    profile: &Profile,
    request: &PageRequest,
) -> Result<(), String> {
    let found = evaluate(Bucket::Configured(configuration), profile, request);
    if is_good(&found) { Ok(()) } else { Err(found.verdict.reason) }
}

fn is_good(found: &Evaluation) -> bool {
    found.verdict.succeeds && found.verdict.unreadable_headers.is_empty()
}

/// Takes values and rules away as long as every request still works.
///
/// Rules only get narrower, so a request can be harmed only by a change of the rule that it reaches now. The next
/// round sees what a change made needless.
pub(super) fn prune(configuration: &mut CorsConfiguration, profile: &Profile, requests: &[PageRequest]) {
    let mut pruner = Pruner { configuration, profile, requests };
    while pruner.round() {}
}

struct Pruner<'p> {
    configuration: &'p mut CorsConfiguration,
    profile: &'p Profile,
    requests: &'p [PageRequest],
}

impl<'p> Pruner<'p> {
    /// Tries everything once; true when something went.
    fn round(&mut self) -> bool {
        let mut reached: Vec<Vec<usize>> =
            self.requests.iter().map(|request| self.reached(self.configuration, request)).collect();
        let mut has_changed = false;
        for rule in (0..self.configuration.rules.len()).rev() {
            let mut smaller = self.configuration.clone();
            smaller.rules.remove(rule);
            if self.work(&smaller, &self.concerned(&reached, rule)) {
                *self.configuration = smaller;
                // rules have other numbers now
                return true;
            }
            for list in List::ALL {
                for value in (0..count(self.configuration, rule, list)).rev() {
                    let Some(smaller) = self.without(rule, list, value, &reached) else { continue };
                    *self.configuration = smaller;
                    has_changed = true;
                    for (request, reached) in self.requests.iter().zip(&mut reached) {
                        if reached.contains(&rule) {
                            *reached = self.reached(self.configuration, request);
                        }
                    }
                }
            }
        }
        has_changed
    }

    /// The configuration without a value, when everything works without it.
    fn without(
        &self,
        rule: usize,
        list: List,
        value: usize,
        reached: &[Vec<usize>],
    ) -> Option<CorsConfiguration> {
        let mut smaller = self.configuration.clone();
        let found = smaller.rules.get_mut(rule)?;
        let text = found.list_mut(list).remove(value);
        // a store takes no rule without an origin or a method
        if found.allowed_origins.is_empty() || found.allowed_methods.is_empty() {
            return None;
        }
        let mut concerned = self.concerned(reached, rule);
        // those that most likely need it first: most values are needed, and one request is enough to tell
        concerned.sort_by_key(|request| !self.names(request, list, &text));
        self.work(&smaller, &concerned).then_some(smaller)
    }

    /// Whether the request has to do with the value.
    fn names(&self, request: &PageRequest, list: List, text: &str) -> bool {
        let origin = request.origin.as_deref().unwrap_or_default();
        match list {
            List::AllowedOrigins => self.profile.origin_fits(text, origin),
            List::AllowedMethods => request.method == text,
            List::AllowedHeaders => {
                request.headers.iter().any(|header| self.profile.header_fits(text, &header.name))
            }
            List::ExposeHeaders => request.read.iter().any(|header| header.eq_ignore_ascii_case(text)),
        }
    }

    fn work(&self, configuration: &CorsConfiguration, requests: &[&PageRequest]) -> bool {
        requests.iter().all(|request| is_good(&self.tried(configuration, request)))
    }

    fn tried(&self, configuration: &CorsConfiguration, request: &PageRequest) -> Evaluation {
        evaluate_in(Detail::None, Bucket::Configured(configuration), self.profile, request)
    }

    /// The rules that the request reaches, with the preflight or after it.
    fn reached(&self, configuration: &CorsConfiguration, request: &PageRequest) -> Vec<usize> {
        let hops = self.tried(configuration, request).hops;
        let exchanges = hops.iter().flat_map(|hop| hop.preflight.iter().chain(&hop.actual));
        exchanges.filter_map(|exchange| exchange.answer.rule).collect()
    }

    /// The requests that reach the rule.
    fn concerned(&self, reached: &[Vec<usize>], rule: usize) -> Vec<&'p PageRequest> {
        let is_concerned =
            |reached: &Vec<usize>| self.profile.choice == Choice::EveryRule || reached.contains(&rule);
        let requests = self.requests.iter().zip(reached);
        requests.filter(|(_, reached)| is_concerned(reached)).map(|(request, _)| request).collect()
    }
}

fn count(configuration: &CorsConfiguration, rule: usize, list: List) -> usize {
    configuration.rules.get(rule).map_or(0, |found| found.list(list).len())
}
