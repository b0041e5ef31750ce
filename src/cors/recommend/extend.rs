//! What to make of the configuration that a bucket has, so that stated uses work as well.

use super::super::evaluate::evaluate_in;
use super::super::finding::has_errors;
use super::super::page::{Credentials, Header, PageRequest};
use super::super::profile::Profile;
use super::super::rule::{CorsConfiguration, CorsRule, List, MAX_RULES};
use super::super::store::{Bucket, Detail};
use super::super::validate::validate;
use super::stated::{self, example_header, example_of};
use super::{RecommendError, Use, recommend, requests};

/// Requests that are tried to see whether a change takes something away. What a larger configuration allows is not
/// known to stay.
const MOST_TRIED: usize = 4_000;

/// A configuration with which the uses work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The configuration.
    pub configuration: CorsConfiguration,
    /// Whether everything that the present one allows was tried with it and stays allowed.
    pub keeps: bool,
}

/// The present configuration with as little more as the uses need; where no addition does it, the one that is
/// recommended for the uses alone.
pub fn extend(
    present: &CorsConfiguration,
    uses: &[Use],
    profile: &Profile,
) -> Result<Extension, RecommendError> {
    let wanted = requests(uses)?;
    let all_work = |requests: &[PageRequest], configuration: &CorsConfiguration| {
        requests.iter().all(|request| works(configuration, request, profile))
    };
    if all_work(&wanted, present) {
        return Ok(Extension { configuration: present.clone(), keeps: true });
    }
    let alone = recommend(uses, profile)?.configuration;
    // more kinds of uses than one recommendation takes are all added
    let added = recommend(&failing(present, uses, profile), profile)
        .map_or_else(|_| alone.clone(), |found| found.configuration);
    if let Some(held) = held(present, &wanted, profile) {
        for candidate in candidates(present, &added) {
            let is_taken =
                candidate.rules.len() <= MAX_RULES && !has_errors(&validate(&candidate, profile, &[]));
            if is_taken && all_work(&wanted, &candidate) && all_work(&held, &candidate) {
                return Ok(Extension { configuration: candidate, keeps: true });
            }
        }
    }
    Ok(Extension { configuration: alone, keeps: false })
}

/// What does not work yet: the uses, one for each operation, with the origins for which it does not.
fn failing(present: &CorsConfiguration, uses: &[Use], profile: &Profile) -> Vec<Use> {
    let mut failing = Vec::new();
    for one in uses {
        for operation in &one.operations {
            let single = |origins: Vec<String>| Use { origins, operations: vec![*operation], ..one.clone() };
            let fails = |origin: &&String| {
                let asked = stated::requests(&[single(vec![(*origin).clone()])]);
                !asked.iter().all(|request| works(present, request, profile))
            };
            let origins: Vec<String> = one.origins.iter().filter(fails).cloned().collect();
            if !origins.is_empty() {
                failing.push(single(origins));
            }
        }
    }
    failing
}

/// In the order of how little they change: rules behind the present ones, more in the present rule of the same origins,
/// rules before the present ones.
fn candidates(present: &CorsConfiguration, added: &CorsConfiguration) -> [CorsConfiguration; 3] {
    let joined = |first: &CorsConfiguration, second: &CorsConfiguration| CorsConfiguration {
        rules: first.rules.iter().chain(&second.rules).cloned().collect(),
    };
    let mut merged = present.clone();
    for rule in &added.rules {
        let same = |known: &&mut CorsRule| known.allowed_origins == rule.allowed_origins;
        match merged.rules.iter_mut().find(same) {
            Some(known) => take_in(known, rule),
            None => merged.rules.push(rule.clone()),
        }
    }
    [joined(present, added), merged, joined(added, present)]
}

fn take_in(known: &mut CorsRule, more: &CorsRule) {
    for list in [List::AllowedMethods, List::AllowedHeaders, List::ExposeHeaders] {
        let ignores_case = list != List::AllowedMethods;
        for value in more.list(list) {
            let is_same = |held: &String| held == value || ignores_case && held.eq_ignore_ascii_case(value);
            let has_star =
                list == List::AllowedHeaders && known.allowed_headers.iter().any(|held| held == "*");
            if !has_star && !known.list(list).iter().any(is_same) {
                known.list_mut(list).push(value.clone());
            }
        }
    }
}

/// Requests of each kind that the rules speak of and that work now, also with the headers of the wanted ones; none when
/// there are too many to try.
fn held(present: &CorsConfiguration, wanted: &[PageRequest], profile: &Profile) -> Option<Vec<PageRequest>> {
    let mut held = Vec::new();
    let mut tried: usize = 0;
    let mut of_wanted: Vec<Vec<Header>> = wanted.iter().map(|request| request.headers.clone()).collect();
    of_wanted.sort();
    of_wanted.dedup();
    for rule in &present.rules {
        let headers: Vec<Header> =
            rule.allowed_headers.iter().map(|pattern| example_header(pattern)).collect();
        let mut sent: Vec<Vec<Header>> = vec![Vec::new(), headers.clone()];
        sent.extend(headers.into_iter().map(|header| vec![header]));
        sent.extend(of_wanted.iter().cloned());
        sent.sort();
        sent.dedup();
        for origin in &rule.allowed_origins {
            for method in &rule.allowed_methods {
                for headers in &sent {
                    for credentials in [Credentials::Omit, Credentials::Include] {
                        tried = tried.saturating_add(1);
                        if tried > MOST_TRIED {
                            return None;
                        }
                        let request = PageRequest {
                            origin: Some(example_of(origin)),
                            method: method.clone(),
                            headers: headers.clone(),
                            credentials,
                            read: rule.expose_headers.clone(),
                            ..PageRequest::default()
                        };
                        if works(present, &request, profile) {
                            held.push(request);
                        }
                    }
                }
            }
        }
    }
    Some(held)
}

fn works(configuration: &CorsConfiguration, request: &PageRequest, profile: &Profile) -> bool {
    let found = evaluate_in(Detail::None, Bucket::Configured(configuration), profile, request);
    found.verdict.succeeds && found.verdict.unreadable_headers.is_empty()
}
