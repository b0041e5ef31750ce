//! What a browser makes of the answers: the checks of the Fetch standard, one function each.
//!
//! Source: <https://fetch.spec.whatwg.org/>, sections 4.8 to 4.10.

use super::answer_headers::CorsHeaders;
use super::finding::shown;
use super::page::Credentials;
use super::pattern::names;
use super::safelist::{READABLE_HEADERS, is_simple_method};

/// Seconds that a preflight is kept when the answer does not say (Fetch, section 4.9).
const DEFAULT_MAX_AGE: u32 = 5;
/// The most that Chromium keeps one.
const CHROMIUM_MAX_AGE: u32 = 7_200;
/// The most that Firefox keeps one.
const FIREFOX_MAX_AGE: u32 = 86_400;

/// The longest that two browsers keep the answer to a preflight, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = CorsPreflightCache)]
pub struct PreflightCache {
    /// Chromium, and what is made of it.
    pub chromium_seconds: u32,
    /// Firefox.
    pub firefox_seconds: u32,
}

impl PreflightCache {
    /// What an answer with this `Access-Control-Max-Age` is kept; a negative one is not kept.
    pub fn of(max_age: Option<i32>) -> Self {
        let seconds = max_age.map_or(DEFAULT_MAX_AGE, |seconds| u32::try_from(seconds).unwrap_or(0));
        Self {
            chromium_seconds: seconds.min(CHROMIUM_MAX_AGE),
            firefox_seconds: seconds.min(FIREFOX_MAX_AGE),
        }
    }
}

/// What a preflight asks for, and with which credentials the request will go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'q> {
    pub(super) origin: &'q str,
    pub(super) method: &'q str,
    /// Sorted, in lower case.
    pub(super) unsafe_names: &'q [String],
    pub(super) credentials: Credentials,
}

/// Whether the page may see the answer at all; the error says which header is in the way.
pub(super) fn cors_check(
    headers: &CorsHeaders,
    origin: &str,
    credentials: Credentials,
) -> Result<(), String> {
    let Some(allowed) = headers.allow_origin.as_deref() else {
        return Err("the answer carries no Access-Control-Allow-Origin".to_owned());
    };
    let is_with_credentials = credentials == Credentials::Include;
    if allowed == "*" && !is_with_credentials {
        return Ok(());
    }
    if allowed == "*" {
        let text = "the answer carries Access-Control-Allow-Origin `*`, which a request with credentials does not take";
        return Err(text.to_owned());
    }
    if allowed != origin {
        return Err(format!(
            "the answer carries Access-Control-Allow-Origin `{}`, which is not the origin `{}`",
            shown(allowed),
            shown(origin)
        ));
    }
    if is_with_credentials && headers.allow_credentials.as_deref() != Some("true") {
        let text = "the answer carries no Access-Control-Allow-Credentials `true`, which a request with credentials needs";
        return Err(text.to_owned());
    }
    Ok(())
}

/// Whether the answer to a preflight lets the request go; the error says what is in the way.
pub(super) fn preflight_check(status: u16, headers: &CorsHeaders, asked: Asked<'_>) -> Result<(), String> {
    if (300..400).contains(&status) {
        return Err(format!("the preflight is redirected with {status}, which browsers do not follow"));
    }
    cors_check(headers, asked.origin, asked.credentials)?;
    if !(200..300).contains(&status) {
        return Err(format!("the preflight is answered {status}"));
    }
    let star_counts = asked.credentials != Credentials::Include;
    let methods = headers.allow_methods.as_deref();
    let is_allowed = |method: &str| match methods {
        Some(list) => names(list).any(|name| name == method || name == "*" && star_counts),
        None => true,
    };
    if !is_simple_method(asked.method) && !is_allowed(asked.method) {
        return Err(format!("Access-Control-Allow-Methods does not name `{}`", shown(asked.method)));
    }
    let allowed = headers.allow_headers.as_deref().unwrap_or_default();
    let is_named = |wanted: &str| names(allowed).any(|name| name.eq_ignore_ascii_case(wanted));
    let has_star = star_counts && names(allowed).any(|name| name == "*");
    // `*` never stands for `Authorization`
    let missing = asked
        .unsafe_names
        .iter()
        .find(|name| !is_named(name) && (!has_star || name.as_str() == "authorization"));
    match missing {
        Some(name) if has_star => {
            Err(format!("Access-Control-Allow-Headers is `*`, which does not stand for `{}`", shown(name)))
        }
        Some(name) => Err(format!("Access-Control-Allow-Headers does not name `{}`", shown(name))),
        None => Ok(()),
    }
}

/// Which headers of the answer a page may read.
pub(super) fn readable(headers: &CorsHeaders, credentials: Credentials) -> Readable {
    let exposed = headers.expose_headers.as_deref().unwrap_or_default();
    let has_star = credentials != Credentials::Include && names(exposed).any(|name| name == "*");
    let mut readable: Vec<String> = READABLE_HEADERS.map(str::to_owned).to_vec();
    for name in names(exposed) {
        let name = name.to_ascii_lowercase();
        let is_hidden = matches!(name.as_str(), "set-cookie" | "set-cookie2" | "*");
        if !is_hidden && !readable.contains(&name) {
            readable.push(name);
        }
    }
    Readable { names: readable, every: has_star }
}

/// Headers of an answer that a page may read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Readable {
    pub(super) names: Vec<String>,
    pub(super) every: bool,
}
