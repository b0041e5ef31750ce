//! Which rule takes a request, and why the others do not.

use serde::Serialize;
use utoipa::ToSchema;

use super::finding::shown;
use super::pattern::{MAX_REQUESTED_HEADERS, names};
use super::profile::{Choice, MethodNames, Profile, UnlistedHeaders};
use super::rule::{CorsConfiguration, CorsRule, MAX_RULES};

/// What a rule is asked: an origin, a method, and the headers that the request wants to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'q> {
    /// The origin, byte for byte.
    pub origin: &'q str,
    /// The method.
    pub method: &'q str,
    /// Names joined with commas, as in `Access-Control-Request-Headers`; empty for none.
    pub headers: &'q str,
}

/// How one rule answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CorsRuleTrace)]
pub struct RuleTrace {
    /// The rule, counted from 0.
    pub rule: usize,
    /// How far the request came.
    pub outcome: RuleOutcome,
    /// The value of `AllowedOrigins` that takes the origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Requested headers that no value of `AllowedHeaders` takes, in lower case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlisted_headers: Vec<String>,
    /// The same as a sentence, which counts rules from 1.
    pub sentence: String,
}

/// How far a request came with a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CorsRuleOutcome)]
pub enum RuleOutcome {
    /// An earlier rule was chosen already.
    NotAsked,
    /// No value of `AllowedOrigins` takes the origin.
    OriginNotListed,
    /// The method is not in `AllowedMethods`.
    MethodNotListed,
    /// A requested header is not in `AllowedHeaders`.
    HeadersNotListed,
    /// The rule is the one that counts.
    Matched,
}

/// The rule that counts, from 0. Takes no memory; work is linear in the configuration for each requested header, of
/// which at most 128 are read.
///
/// For a store that asks every rule this is the last one, and only if all take the origin.
pub fn find_rule(configuration: &CorsConfiguration, profile: &Profile, asked: Question<'_>) -> Option<usize> {
    let mut rules = configuration.rules.iter();
    match profile.choice {
        Choice::FirstWhole => rules.position(|rule| outcome(rule, profile, asked) == RuleOutcome::Matched),
        Choice::FirstOrigin => {
            let first = rules.position(|rule| takes_origin(rule, profile, asked.origin).is_some())?;
            let rule = configuration.rules.get(first)?;
            (outcome(rule, profile, asked) == RuleOutcome::Matched).then_some(first)
        }
        Choice::EveryRule => {
            let all = rules.all(|rule| takes_origin(rule, profile, asked.origin).is_some());
            configuration.rules.len().checked_sub(1).filter(|_| all)
        }
    }
}

/// How every rule answers, the first hundred of them.
pub fn trace(configuration: &CorsConfiguration, profile: &Profile, asked: Question<'_>) -> Vec<RuleTrace> {
    let mut is_decided = false;
    let rules = configuration.rules.iter().take(MAX_RULES).enumerate();
    let traced = rules.map(|(index, rule)| {
        let found = match (is_decided, profile.choice) {
            (true, _) => RuleOutcome::NotAsked,
            (false, Choice::EveryRule) if takes_origin(rule, profile, asked.origin).is_none() => {
                RuleOutcome::OriginNotListed
            }
            (false, Choice::EveryRule) => RuleOutcome::Matched,
            (false, _) => outcome(rule, profile, asked),
        };
        is_decided |= match profile.choice {
            Choice::FirstWhole => found == RuleOutcome::Matched,
            Choice::FirstOrigin => found > RuleOutcome::OriginNotListed,
            Choice::EveryRule => false,
        };
        trace_one(index, rule, profile, (asked, found))
    });
    traced.collect()
}

fn trace_one(
    index: usize,
    rule: &CorsRule,
    profile: &Profile,
    (asked, outcome): (Question<'_>, RuleOutcome),
) -> RuleTrace {
    let origin = match outcome {
        RuleOutcome::NotAsked | RuleOutcome::OriginNotListed => None,
        _ => takes_origin(rule, profile, asked.origin).map(str::to_owned),
    };
    let unlisted_headers = match outcome {
        RuleOutcome::HeadersNotListed => {
            unlisted(rule, profile, asked.headers).map(str::to_lowercase).collect()
        }
        _ => Vec::new(),
    };
    // a store that leaves unlisted headers out has not matched them
    let is_strict = profile.unlisted_headers == UnlistedHeaders::Refuse;
    let asked = Question { headers: if is_strict { asked.headers } else { "" }, ..asked };
    let sentence = sentence(index, rule, asked, (outcome, &unlisted_headers));
    RuleTrace { rule: index, outcome, origin, unlisted_headers, sentence }
}

/// What the trace of a request that no rule takes comes down to: the rule that came nearest.
pub(super) fn nearest<'t>(trace: &'t [RuleTrace], asked: Question<'_>) -> (Option<&'t RuleTrace>, String) {
    let nearest = trace.iter().rev().max_by_key(|rule| rule.outcome);
    match nearest {
        Some(rule) if rule.outcome > RuleOutcome::OriginNotListed => (Some(rule), rule.sentence.clone()),
        _ if trace.len() == 1 => {
            let sentence = trace.first().map(|rule| rule.sentence.clone()).unwrap_or_default();
            (None, sentence)
        }
        _ => (None, format!("no rule lists the origin `{}` in AllowedOrigins", shown(asked.origin))),
    }
}

fn sentence(
    index: usize,
    rule: &CorsRule,
    asked: Question<'_>,
    (outcome, unlisted): (RuleOutcome, &[String]),
) -> String {
    let number = index.saturating_add(1);
    let method = shown(asked.method);
    match outcome {
        RuleOutcome::NotAsked => format!("rule {number} is not asked, because an earlier rule is chosen"),
        RuleOutcome::Matched if asked.headers.is_empty() => {
            format!("rule {number} matches the origin and {method}")
        }
        RuleOutcome::Matched => {
            format!("rule {number} matches the origin, {method} and the requested headers")
        }
        RuleOutcome::MethodNotListed => {
            format!("rule {number} matches the origin but lists no `{method}` in AllowedMethods")
        }
        RuleOutcome::HeadersNotListed => {
            let names =
                unlisted.iter().map(|name| format!("`{}`", shown(name))).collect::<Vec<_>>().join(", ");
            format!("rule {number} matches the origin and {method} but lists no {names} in AllowedHeaders")
        }
        RuleOutcome::OriginNotListed => {
            let origin = shown(asked.origin);
            let near = rule.allowed_origins.iter().find(|listed| is_near(listed, asked.origin));
            let listed = near.map(|listed| format!(", only `{}`", shown(listed))).unwrap_or_default();
            format!("rule {number} does not list the origin `{origin}` in AllowedOrigins{listed}")
        }
    }
}

/// Whether a listed origin differs from the one that was sent in what people overlook.
fn is_near(listed: &str, origin: &str) -> bool {
    let host = |text: &str| {
        let (_, host) = text.split_once("://").unwrap_or(("", text));
        let end = host.find(['/', ':']).unwrap_or(host.len());
        host.get(..end).unwrap_or(host).to_lowercase()
    };
    !listed.contains('*') && host(listed) == host(origin)
}

/// How far the request comes with the rule alone.
pub(super) fn outcome(rule: &CorsRule, profile: &Profile, asked: Question<'_>) -> RuleOutcome {
    if takes_origin(rule, profile, asked.origin).is_none() {
        RuleOutcome::OriginNotListed
    } else if !takes_method(rule, profile, asked.method) {
        RuleOutcome::MethodNotListed
    } else if profile.unlisted_headers == UnlistedHeaders::Refuse
        && unlisted(rule, profile, asked.headers).next().is_some()
    {
        RuleOutcome::HeadersNotListed
    } else {
        RuleOutcome::Matched
    }
}

/// The first value of the rule that takes the origin.
pub(super) fn takes_origin<'r>(rule: &'r CorsRule, profile: &Profile, origin: &str) -> Option<&'r str> {
    rule.allowed_origins.iter().map(String::as_str).find(|pattern| profile.origin_fits(pattern, origin))
}

fn takes_method(rule: &CorsRule, profile: &Profile, method: &str) -> bool {
    let has_star = profile.methods == MethodNames::ExactOrStar && rule.allows_method("*");
    has_star || rule.allows_method(method)
}

/// The requested headers that no value of the rule takes; those after the first 128 are taken by none.
pub(super) fn unlisted<'q>(
    rule: &'q CorsRule,
    profile: &'q Profile,
    headers: &'q str,
) -> impl Iterator<Item = &'q str> {
    names(headers).enumerate().take(MAX_REQUESTED_HEADERS.saturating_add(1)).filter_map(|(index, name)| {
        let is_listed = index < MAX_REQUESTED_HEADERS && lists_header(rule, profile, name);
        (!is_listed).then_some(name)
    })
}

/// Whether a value of the rule takes the header.
pub(super) fn lists_header(rule: &CorsRule, profile: &Profile, name: &str) -> bool {
    rule.allowed_headers.iter().any(|pattern| profile.header_fits(pattern, name))
}
