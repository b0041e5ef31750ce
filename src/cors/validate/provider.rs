//! What a store other than S3 does not take, or takes in another sense.

use super::super::finding::{Findings, Severity, shown};
use super::super::pattern::{Case, Patterns};
use super::super::place::Spot;
use super::super::profile::{AllowOrigin, Choice, Scope};
use super::super::rule::List;
use super::Subject;

const ERROR: Severity = Severity::Error;

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings<'_>) {
    let profile = subject.profile;
    let store = profile.title;
    if let Scope::Server { instead } = profile.scope {
        let message = format!("{store} has no CORS configuration of buckets, so this one has no effect");
        findings.advise((Severity::Warning, "CORS_PROVIDER_NONE"), Spot::Document, message, instead);
        return;
    }
    for (list, patterns, code) in [
        (List::AllowedOrigins, profile.origins, "CORS_PROVIDER_ORIGINS"),
        (List::AllowedHeaders, profile.headers, "CORS_PROVIDER_HEADERS"),
    ] {
        let partial = |text: &str| text.len() > 1 && text.contains('*');
        if patterns != Patterns::WholeOnly {
            continue;
        }
        for value in subject.values(list).filter(|value| partial(value.text)) {
            let message = format!("{store} does not take `{}`: it knows `*` alone only", shown(value.text));
            findings.advise((ERROR, code), value.spot(), message, "write the names out, or `*`");
        }
    }
    if profile.header_case == Case::Exact {
        let with_capitals = subject.values(List::AllowedHeaders);
        for value in with_capitals.filter(|value| value.text.contains(char::is_uppercase)) {
            let message =
                format!("{store} compares names as they are written, and browsers ask in lower case");
            let repair = Some(value.replaced(vec![value.text.to_lowercase()]));
            let finding = (ERROR, "CORS_PROVIDER_HEADERS");
            findings.offer(finding, value.spot(), (message, "write the name in lower case"), repair);
        }
    }
    let joined = subject.rules().filter(|(_, rule)| rule.allowed_origins.len() > 1);
    for (index, _) in joined.filter(|_| profile.allow_origin == AllowOrigin::Joined) {
        let message = format!("{store} answers all origins of a rule at once, which browsers refuse");
        let spot = Spot::List(index, List::AllowedOrigins);
        findings.advise((ERROR, "CORS_PROVIDER_ORIGINS"), spot, message, "write a rule for each origin");
    }
    if profile.choice == Choice::EveryRule && subject.configuration.rules.len() > 1 {
        let message =
            format!("{store} does not choose a rule: every rule has to list the origin, and the last counts");
        let finding = (Severity::Warning, "CORS_PROVIDER_RULES");
        findings.advise(finding, Spot::Document, message, "write one rule");
    }
}
