//! From demands to rules.

use super::super::profile::{AllowOrigin, Profile};
use super::super::rule::{CorsConfiguration, CorsRule, MAX_RULES, METHODS};
use super::RecommendError;
use super::demand::Demand;

/// Seconds that a preflight is kept.
const MAX_AGE: i32 = 3_600;

/// A rule for each group of origins with the same demand, in the order of the first origin of each.
pub(super) fn configuration(
    demands: Vec<(String, Demand)>,
    profile: &Profile,
) -> Result<CorsConfiguration, RecommendError> {
    let mut groups: Vec<(Vec<String>, Demand)> = Vec::new();
    for (origin, demand) in demands {
        let is_alone = profile.allow_origin == AllowOrigin::Joined || origin == "*";
        // the order of patterns decides who is asked first, so a pattern joins the group right before it only
        let group = if origin.contains('*') {
            groups.last_mut().filter(|(origins, same)| *same == demand && has_pattern(origins))
        } else {
            groups.iter_mut().find(|(_, same)| *same == demand)
        };
        match group {
            Some((origins, _)) if !is_alone => origins.push(origin),
            _ => groups.push((vec![origin], demand)),
        }
    }
    if groups.len() > MAX_RULES {
        return Err(RecommendError::TooMany { what: "different groups of origins", most: MAX_RULES });
    }
    Ok(CorsConfiguration { rules: groups.into_iter().map(rule).collect() })
}

fn has_pattern(origins: &[String]) -> bool {
    origins.iter().any(|origin| origin.contains('*'))
}

fn rule((origins, demand): (Vec<String>, Demand)) -> CorsRule {
    let methods = demand.methods.iter().filter_map(|number| METHODS.get(*number));
    CorsRule {
        id: None,
        allowed_origins: origins,
        allowed_methods: methods.map(|method| (*method).to_owned()).collect(),
        allowed_headers: demand.headers.into_iter().collect(),
        expose_headers: demand.exposed.iter().map(|name| spelled(name)).collect(),
        max_age_seconds: Some(MAX_AGE),
    }
}

/// The name as people write it; browsers do not mind.
fn spelled(name: &str) -> String {
    match name {
        "etag" => "ETag".to_owned(),
        "accept-ranges" => "Accept-Ranges".to_owned(),
        "content-range" => "Content-Range".to_owned(),
        name => name.to_owned(),
    }
}
