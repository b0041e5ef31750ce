//! The headers of an answer that CORS is about: what stands in them, for each kind of store.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::matching::{self, Question};
use super::pattern::names;
use super::profile::{
    AllowCredentials, AllowHeaders, AllowMethods, AllowOrigin, Permissive, PermittedHeaders, Profile, Vary,
};
use super::rule::{CorsRule, METHODS};
use super::store::StoreRequest;

/// The headers of an answer that CORS is about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct CorsHeaders {
    /// `Access-Control-Allow-Origin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_origin: Option<String>,
    /// `Access-Control-Allow-Credentials`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub allow_credentials: Option<Cow<'static, str>>,
    /// `Access-Control-Allow-Methods`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_methods: Option<String>,
    /// `Access-Control-Allow-Headers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_headers: Option<String>,
    /// `Access-Control-Expose-Headers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expose_headers: Option<String>,
    /// `Access-Control-Max-Age`, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<i32>,
    /// `Vary`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub vary: Option<Cow<'static, str>>,
}

impl CorsHeaders {
    /// The headers as they stand in the answer.
    pub fn pairs(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        let text = |value: &'_ Option<String>| value.clone().map(Cow::Owned);
        let pairs = [
            ("Access-Control-Allow-Origin", text(&self.allow_origin)),
            ("Access-Control-Allow-Credentials", self.allow_credentials.as_deref().map(Cow::Borrowed)),
            ("Access-Control-Allow-Methods", text(&self.allow_methods)),
            ("Access-Control-Allow-Headers", text(&self.allow_headers)),
            ("Access-Control-Expose-Headers", text(&self.expose_headers)),
            ("Access-Control-Max-Age", self.max_age.map(|seconds| Cow::Owned(seconds.to_string()))),
            ("Vary", self.vary.as_deref().map(Cow::Borrowed)),
        ];
        pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// The headers of an answer that was received. Values of one name are joined, as browsers join them (Fetch, section
    /// 2.2.2): an origin that is there twice is no origin any more. A `Max-Age` that is no number counts as absent.
    pub fn received<'h>(headers: impl IntoIterator<Item = (&'h str, &'h str)>) -> Self {
        let mut joined: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in headers {
            let values = joined.entry(name.to_ascii_lowercase()).or_default();
            if !values.is_empty() {
                values.push_str(", ");
            }
            values.push_str(value.trim());
        }
        let mut take = |name: &str| joined.remove(name);
        Self {
            allow_origin: take("access-control-allow-origin"),
            allow_credentials: take("access-control-allow-credentials").map(Cow::Owned),
            allow_methods: take("access-control-allow-methods"),
            allow_headers: take("access-control-allow-headers"),
            expose_headers: take("access-control-expose-headers"),
            max_age: take("access-control-max-age").and_then(|seconds| seconds.parse().ok()),
            vary: take("vary").map(Cow::Owned),
        }
    }
}

/// The headers of a store that lets everybody in.
pub(super) fn permitting(permissive: &Permissive, request: &StoreRequest, origin: &str) -> CorsHeaders {
    let is_star = permissive.origin == AllowOrigin::Star;
    let methods = if permissive.methods.is_empty() {
        request.request_method.clone().unwrap_or_else(|| METHODS.join(", "))
    } else {
        permissive.methods.to_owned()
    };
    CorsHeaders {
        allow_origin: Some(if is_star { "*".to_owned() } else { origin.to_owned() }),
        allow_credentials: credentials(permissive.credentials, is_star).map(Cow::Borrowed),
        allow_methods: Some(methods),
        allow_headers: match permissive.headers {
            PermittedHeaders::Requested => request.request_headers.clone(),
            PermittedHeaders::Star => Some("*".to_owned()),
            PermittedHeaders::Nothing => None,
        },
        expose_headers: Some(permissive.exposed.to_owned()).filter(|exposed| !exposed.is_empty()),
        max_age: None,
        vary: (!is_star).then_some(Cow::Borrowed("Origin")),
    }
}

fn credentials(header: AllowCredentials, is_star: bool) -> Option<&'static str> {
    match (header, is_star) {
        (AllowCredentials::Never, _) | (AllowCredentials::TrueWhenEchoed, true) => None,
        (AllowCredentials::TrueOrFalse, true) => Some("false"),
        (AllowCredentials::TrueWhenEchoed | AllowCredentials::TrueOrFalse, false) => Some("true"),
    }
}

/// The headers that follow from a rule.
pub(super) fn of_rule(
    rule: &CorsRule,
    profile: &Profile,
    request: &StoreRequest,
    asked: Question<'_>,
) -> CorsHeaders {
    let is_preflight = request.method == "OPTIONS";
    let allow_origin = match profile.allow_origin {
        AllowOrigin::Star => "*".to_owned(),
        AllowOrigin::Joined => rule.allowed_origins.join(", "),
        AllowOrigin::StarOrEcho if rule.is_for_every_origin() => "*".to_owned(),
        AllowOrigin::EchoWhenAuthorized if rule.is_for_every_origin() && !request.is_authorized => {
            "*".to_owned()
        }
        AllowOrigin::EchoWhenAuthorizedOrAsked
            if rule.is_for_every_origin() && !request.is_authorized && !is_preflight =>
        {
            "*".to_owned()
        }
        AllowOrigin::FirstFitting if matching::takes_origin(rule, profile, asked.origin) == Some("*") => {
            "*".to_owned()
        }
        _ => asked.origin.to_owned(),
    };
    let is_star = allow_origin == "*";
    let mut exposed: Vec<&str> = Vec::new();
    if profile.expose_headers.include(is_preflight) {
        exposed.extend(rule.expose_headers.iter().map(String::as_str));
        exposed.extend(profile.always_exposed.iter().filter(|name| !rule.exposes(name)));
    }
    CorsHeaders {
        allow_credentials: credentials(profile.allow_credentials, is_star).map(Cow::Borrowed),
        allow_methods: Some(match profile.allow_methods {
            AllowMethods::OfRule => rule.allowed_methods.join(", "),
            AllowMethods::Requested => asked.method.to_owned(),
        }),
        allow_headers: allowed_headers(rule, profile, asked.headers),
        expose_headers: Some(exposed.join(profile.exposed_between)).filter(|exposed| !exposed.is_empty()),
        max_age: rule.max_age_seconds.filter(|_| profile.max_age.include(is_preflight)),
        vary: match profile.vary {
            Vary::AllThree => Some("Origin, Access-Control-Request-Headers, Access-Control-Request-Method"),
            Vary::OriginWhenEchoed => (!is_star).then_some("Origin"),
            Vary::Nothing => None,
        }
        .map(Cow::Borrowed),
        allow_origin: Some(allow_origin),
    }
}

fn allowed_headers(rule: &CorsRule, profile: &Profile, requested: &str) -> Option<String> {
    let joined = match profile.allow_headers {
        AllowHeaders::Requested => names(requested).map(str::to_lowercase).collect::<Vec<_>>().join(", "),
        AllowHeaders::RequestedAndListed => {
            let listed = names(requested).filter(|name| matching::lists_header(rule, profile, name));
            listed.collect::<Vec<_>>().join(",")
        }
        AllowHeaders::OfRule => rule.allowed_headers.join(", "),
    };
    Some(joined).filter(|joined| !joined.is_empty())
}
