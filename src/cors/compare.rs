//! What a store really answers beside what its configuration says: whether they differ, in what, and which other kind
//! of store would answer so.

use std::collections::BTreeSet;

use super::answer_headers::CorsHeaders;
use super::finding::shown;
use super::pattern::names;
use super::profile::{AllowOrigin, Profile, Scope};
use super::received::{Received, Sending};
use super::rule::CorsConfiguration;
use super::store::{Bucket, StoreAnswer, answer};

/// What differs between the answer that follows from the configuration and the one that came in, one sentence each;
/// empty when a browser would do the same with both. Spaces, the order of names and `Vary` do not count, and neither
/// does the status of a request that is no preflight.
pub fn differences(predicted: &StoreAnswer, real: &Received, is_preflight: bool) -> Vec<String> {
    if is_preflight {
        let is_let_in = |status: u16| (200..300).contains(&status);
        match (is_let_in(predicted.status), is_let_in(real.status)) {
            (true, true) => {}
            (false, false) => return Vec::new(),
            _ => {
                let (expected, found) = (predicted.status, real.status);
                return vec![format!("the preflight is answered {found} and not {expected}")];
            }
        }
    }
    of_headers(&predicted.headers, &real.headers)
}

fn of_headers(predicted: &CorsHeaders, real: &CorsHeaders) -> Vec<String> {
    let list = |value: &Option<String>| -> BTreeSet<String> {
        names(value.as_deref().unwrap_or_default()).map(str::to_ascii_lowercase).collect()
    };
    let mut found = Vec::new();
    let mut note = |name: &str, expected: String, is: String| {
        let word = |text: String| {
            if text.is_empty() { "absent".to_owned() } else { format!("`{}`", shown(&text)) }
        };
        found.push(format!("{name} is {} and not {}", word(is), word(expected)));
    };
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let singles = [
        ("Access-Control-Allow-Origin", predicted.allow_origin.as_deref(), real.allow_origin.as_deref()),
        (
            "Access-Control-Allow-Credentials",
            // `false` means what no header means
            predicted.allow_credentials.as_deref().filter(|value| *value == "true"),
            real.allow_credentials.as_deref().filter(|value| *value == "true"),
        ),
    ];
    for (name, expected, is) in singles {
        if expected != is {
            note(name, text(expected), text(is));
        }
    }
    let lists = [
        ("Access-Control-Allow-Methods", &predicted.allow_methods, &real.allow_methods),
        ("Access-Control-Allow-Headers", &predicted.allow_headers, &real.allow_headers),
        ("Access-Control-Expose-Headers", &predicted.expose_headers, &real.expose_headers),
    ];
    for (name, expected, is) in lists {
        if list(expected) != list(is) {
            note(name, text(expected.as_deref()), text(is.as_deref()));
        }
    }
    if predicted.max_age != real.max_age {
        let seconds = |value: Option<i32>| value.map(|seconds| seconds.to_string()).unwrap_or_default();
        note("Access-Control-Max-Age", seconds(predicted.max_age), seconds(real.max_age));
    }
    found
}

/// Another kind of store that answers with this configuration as was really answered, to the preflight and, where it
/// was sent, to the request itself.
pub fn answers_like(
    configuration: &CorsConfiguration,
    own: &Profile,
    sending: &Sending,
    (preflight, actual): (&Received, Option<&Received>),
) -> Option<&'static Profile> {
    let bucket = Bucket::Configured(configuration);
    let fits = |profile: &&Profile| {
        let is_same = |request, real: &Received, is_preflight| {
            let predicted = answer(bucket, profile, request, real.status);
            differences(&predicted, real, is_preflight).is_empty()
        };
        profile.name != own.name
            && profile.scope == Scope::Bucket
            && is_same(&sending.preflight, preflight, true)
            && actual.is_none_or(|actual| is_same(&sending.request, actual, false))
    };
    Profile::all().iter().copied().find(fits)
}

/// Whether the origin is there more than once, as it is when a proxy adds what the store has said already.
pub fn has_origin_twice(real: &Received, profile: &Profile) -> bool {
    let allowed = real.headers.allow_origin.as_deref().unwrap_or_default();
    profile.allow_origin != AllowOrigin::Joined && allowed.contains(',')
}
