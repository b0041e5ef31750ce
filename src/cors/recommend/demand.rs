//! What each origin demands of the configuration: the requests of all its uses together.

use std::collections::{BTreeMap, BTreeSet};

use super::super::answer_headers::CorsHeaders;
use super::super::browser;
use super::super::page::Credentials;
use super::super::pattern::{Case, Patterns, covers, overlap};
use super::super::profile::Profile;
use super::super::rule::METHODS;
use super::super::safelist;
use super::stated::{example_header, steps};
use super::{RecommendError, Use};

/// What the rule of an origin has to hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Demand {
    /// Numbers in [`METHODS`].
    pub(super) methods: BTreeSet<usize>,
    /// Names and patterns in lower case.
    pub(super) headers: BTreeSet<String>,
    /// Names in lower case.
    pub(super) exposed: BTreeSet<String>,
}

impl Demand {
    fn take_in(&mut self, other: &Demand) {
        self.methods.extend(&other.methods);
        self.headers.extend(other.headers.iter().cloned());
        self.exposed.extend(other.exposed.iter().cloned());
    }
}

/// The demand of every origin, the more special origins first.
pub(super) fn of(uses: &[Use], profile: &Profile) -> Result<Vec<(String, Demand)>, RecommendError> {
    let mut demands: BTreeMap<String, Demand> = BTreeMap::new();
    for one in uses {
        let demand = of_use(one);
        for origin in &one.origins {
            demands.entry(origin.clone()).or_default().take_in(&demand);
        }
    }
    let mut special_first: Vec<(String, Demand)> = demands.into_iter().collect();
    special_first.sort_by_key(|(origin, _)| (origin.contains('*'), std::cmp::Reverse(origin.len())));
    inherit(&mut special_first)?;
    for (_, demand) in &mut special_first {
        simplify(demand, profile);
    }
    Ok(special_first)
}

fn of_use(one: &Use) -> Demand {
    let mut demand = Demand::default();
    let nothing = browser::readable(&CorsHeaders::default(), Credentials::Omit);
    for step in steps(one) {
        demand.methods.extend(METHODS.iter().position(|method| *method == step.method));
        let headers = step.headers.iter().map(|header| (header.name.as_str(), header.value.as_str()));
        let sent = headers.filter(|(name, value)| !safelist::is_forbidden_header(name, value));
        demand.headers.extend(safelist::unsafe_names(sent));
        demand.exposed.extend(step.read.into_iter().filter(|name| !nothing.names.contains(name)));
    }
    // the example of a pattern gives way to the pattern
    for pattern in one.request_headers.iter().filter(|pattern| pattern.contains('*')) {
        if demand.headers.remove(&example_header(pattern).name) {
            demand.headers.insert(pattern.to_ascii_lowercase());
        }
    }
    demand
}

/// The rule of a special origin is asked before that of a pattern around it, so it has to do what that one would.
fn inherit(special_first: &mut [(String, Demand)]) -> Result<(), RecommendError> {
    let all = special_first.to_vec();
    for (index, (origin, demand)) in special_first.iter_mut().enumerate() {
        for (wider, of_wider) in all.iter().skip(index.saturating_add(1)) {
            if covers(wider, origin, Case::Exact) {
                demand.take_in(of_wider);
            } else if overlap(wider, origin) && demand != of_wider {
                return Err(RecommendError::Overlap { one: origin.clone(), other: wider.clone() });
            }
        }
    }
    Ok(())
}

/// Takes away what a pattern of the same list takes in, and makes patterns of what the store knows.
fn simplify(demand: &mut Demand, profile: &Profile) {
    let has_pattern = demand.headers.iter().any(|header| header.contains('*') && header != "*");
    if profile.headers == Patterns::WholeOnly && has_pattern {
        // `*` does not stand for `Authorization` where the store answers with its own list
        demand.headers.retain(|header| header == "authorization");
        demand.headers.insert("*".to_owned());
    }
    let all = demand.headers.clone();
    let is_covered = |header: &String| {
        let wider = all.iter().filter(|wider| *wider != header);
        wider.into_iter().any(|wider| covers(wider, header, Case::Ignored))
    };
    demand.headers.retain(|header| header == "authorization" || !is_covered(header));
}
