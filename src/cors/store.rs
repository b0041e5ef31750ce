//! What the store answers: to a preflight, and which CORS headers it puts on any other answer.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::ToSchema;

use super::answer_headers::{self, CorsHeaders};
use super::matching::{self, Question, RuleTrace};
use super::profile::{ActualMethod, Choice, Fallback, Profile, Scope};
use super::rule::{CorsConfiguration, CorsRule};

/// A bucket, as far as CORS is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket<'c> {
    /// It has a configuration.
    Configured(&'c CorsConfiguration),
    /// It has none.
    NotSet,
    /// There is no such bucket.
    Missing,
}

/// A request as the store sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
#[schema(as = CorsStoreRequest)]
pub struct StoreRequest {
    /// The method of HTTP; `OPTIONS` for a preflight.
    pub method: String,
    /// `Origin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// `Access-Control-Request-Method`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_method: Option<String>,
    /// `Access-Control-Request-Headers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_headers: Option<String>,
    /// Whether `Authorization` is there.
    pub is_authorized: bool,
}

/// The answer of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CorsStoreAnswer)]
pub struct StoreAnswer {
    /// The status: of a preflight as CORS decides it, of other requests as they end without CORS.
    pub status: u16,
    /// The CORS headers and `Vary`.
    pub headers: CorsHeaders,
    /// The rule that counted, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<usize>,
    /// Why a preflight is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<StoreError>,
    /// Why there are these headers, or none, in one sentence.
    pub reason: String,
    /// How every rule answered, the first hundred.
    pub trace: Vec<RuleTrace>,
}

/// What the XML of a refused preflight holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CorsStoreError)]
pub struct StoreError {
    /// The code of S3.
    #[schema(value_type = String, example = "AccessForbidden")]
    pub code: &'static str,
    /// `BUCKET` or `OBJECT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub resource_type: Option<&'static str>,
}

/// What the store answers. `status` is how a request that is no preflight ends, apart from CORS.
pub fn answer(bucket: Bucket<'_>, profile: &Profile, request: &StoreRequest, status: u16) -> StoreAnswer {
    answer_in(Detail::Full, bucket, profile, request, status)
}

/// How much an answer says about how it came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Every rule is asked, and each has its sentence.
    Full,
    /// The answer alone, for trying many requests.
    None,
}

/// [`answer`], with as much detail as is wanted.
pub(super) fn answer_in(
    detail: Detail,
    bucket: Bucket<'_>,
    profile: &Profile,
    request: &StoreRequest,
    status: u16,
) -> StoreAnswer {
    let is_preflight = request.method == "OPTIONS";
    let Some(origin) = request.origin.as_deref() else {
        if is_preflight {
            return bad_request("the preflight carries no Origin");
        }
        return plain(status, "the request carries no Origin, so CORS plays no part");
    };
    if is_preflight && request.request_method.is_none() {
        return bad_request("the preflight carries no Access-Control-Request-Method");
    }
    let fallback = match (profile.scope, bucket) {
        (Scope::Server { .. }, _) => Some((profile.not_set, "the store has one setting for all buckets")),
        (_, Bucket::Configured(_)) => None,
        (_, Bucket::NotSet) => Some((own_answer(profile, origin), "the bucket has no CORS configuration")),
        (_, Bucket::Missing) => Some((profile.missing_bucket, "there is no such bucket")),
    };
    match (fallback, bucket) {
        (Some((fallback, why)), _) => without_rules(fallback, request, origin, (status, why)),
        (None, Bucket::Configured(configuration)) => {
            by_rules(configuration, profile, request, (origin, status, detail))
        }
        (None, _) => plain(status, "nothing is known about the bucket"),
    }
}

/// What holds for a bucket without a configuration.
fn own_answer(profile: &Profile, origin: &str) -> Fallback {
    match profile.own_origins {
        Some(own) if own.origins.contains(&origin) => Fallback::Permit(own.answer),
        _ => profile.not_set,
    }
}

fn bad_request(reason: &str) -> StoreAnswer {
    let error = StoreError { code: "BadRequest", resource_type: None };
    StoreAnswer { error: Some(error), ..plain(400, reason) }
}

fn plain(status: u16, reason: &str) -> StoreAnswer {
    StoreAnswer {
        status,
        headers: CorsHeaders::default(),
        rule: None,
        error: None,
        reason: reason.to_owned(),
        trace: Vec::new(),
    }
}

fn without_rules(
    fallback: Fallback,
    request: &StoreRequest,
    origin: &str,
    (status, why): (u16, &str),
) -> StoreAnswer {
    let is_preflight = request.method == "OPTIONS";
    let Fallback::Permit(permissive) = fallback else {
        if !is_preflight {
            return plain(status, why);
        }
        let error = StoreError { code: "AccessForbidden", resource_type: Some("BUCKET") };
        return StoreAnswer { error: Some(error), ..plain(403, why) };
    };
    let headers = answer_headers::permitting(permissive, request, origin);
    let reason = format!("{why}, and the store then lets the origin in");
    StoreAnswer { headers, ..plain(if is_preflight { 200 } else { status }, &reason) }
}

fn by_rules(
    configuration: &CorsConfiguration,
    profile: &Profile,
    request: &StoreRequest,
    (origin, status, detail): (&str, u16, Detail),
) -> StoreAnswer {
    let is_preflight = request.method == "OPTIONS";
    let asked_for = request.request_method.as_deref();
    let method = match profile.actual_method {
        ActualMethod::OfRequest if !is_preflight => &request.method,
        _ => asked_for.unwrap_or(&request.method),
    };
    let headers = request.request_headers.as_deref().unwrap_or_default();
    let asked = Question { origin, method, headers };
    let trace = match detail {
        Detail::Full => matching::trace(configuration, profile, asked),
        Detail::None => Vec::new(),
    };
    let chosen = match (profile.choice, is_preflight) {
        // only a preflight has every rule asked
        (Choice::EveryRule, false) => {
            let mut rules = configuration.rules.iter();
            rules.position(|rule| matching::takes_origin(rule, profile, origin).is_some())
        }
        _ => matching::find_rule(configuration, profile, asked),
    };
    let found = chosen.and_then(|index| configuration.rules.get(index).map(|rule| (index, rule)));
    let Some((index, rule)) = found else {
        let (_, reason) = matching::nearest(&trace, asked);
        let error = StoreError { code: "AccessForbidden", resource_type: Some("OBJECT") };
        let (status, error) = if is_preflight { (403, Some(error)) } else { (status, None) };
        return StoreAnswer { error, trace, ..plain(status, &reason) };
    };
    let rule = match (profile.choice, is_preflight) {
        (Choice::EveryRule, true) => Cow::Owned(last_of_each(configuration)),
        _ => Cow::Borrowed(rule),
    };
    let reason = trace.get(index).map(|rule| rule.sentence.clone());
    StoreAnswer {
        status: if is_preflight { 200 } else { status },
        headers: answer_headers::of_rule(&rule, profile, request, asked),
        rule: Some(index),
        error: None,
        reason: reason.unwrap_or_else(|| format!("rule {} matches", index.saturating_add(1))),
        trace,
    }
}

/// What remains when every rule overwrites what the earlier ones said.
fn last_of_each(configuration: &CorsConfiguration) -> CorsRule {
    let mut merged = CorsRule::default();
    for rule in &configuration.rules {
        merged.allowed_methods.clone_from(&rule.allowed_methods);
        merged.allowed_origins.clone_from(&rule.allowed_origins);
        if !rule.allowed_headers.is_empty() {
            merged.allowed_headers.clone_from(&rule.allowed_headers);
        }
        if !rule.expose_headers.is_empty() {
            merged.expose_headers.clone_from(&rule.expose_headers);
        }
        merged.max_age_seconds = rule.max_age_seconds.or(merged.max_age_seconds);
    }
    merged
}
