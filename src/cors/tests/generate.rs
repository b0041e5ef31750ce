//! Values for the laws: configurations, requests and uses, mostly such as people write.

use proptest::prelude::{Just, Strategy, any, prop, prop_compose, prop_oneof};
use proptest::sample::{select, subsequence};

use crate::cors::{
    CorsConfiguration, CorsRule, Credentials, Header, Initiator, METHODS, Operation, PageRequest, Profile,
    Redirect, RedirectBy, Signing, Upload, Use,
};

const ORIGINS: [&str; 9] = [
    "*",
    "null",
    "https://app.example.com",
    "https://a.example.com",
    "https://*.example.com",
    "http://localhost:*",
    "https://x.test",
    "https://*",
    "*.test",
];
const SENT: [&str; 7] = [
    "https://app.example.com",
    "https://a.b.example.com",
    "http://localhost:5173",
    "https://x.test",
    "https://elsewhere.example",
    "null",
    "https://app.example.com:8443",
];
const PATTERNS: [&str; 8] =
    ["*", "content-type", "x-amz-*", "Authorization", "x-amz-acl", "range", "*-meta", "x-amz-meta-*"];
const NAMES: [&str; 8] =
    ["content-type", "x-amz-acl", "authorization", "range", "x-amz-meta-a", "accept", "Host", "If-Match"];

/// Any text, also such that no store takes.
fn anything() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[ -~]{0,12}", 1 => any::<String>()]
}

fn values(usual: &'static [&'static str], min: usize) -> impl Strategy<Value = Vec<String>> {
    let one = prop_oneof![8 => select(usual).prop_map(str::to_owned), 1 => anything()];
    prop::collection::vec(one, min..4)
}

prop_compose! {
    fn rule()(
        id in prop::option::of(anything()),
        allowed_origins in values(&ORIGINS, 0),
        allowed_methods in values(&METHODS, 0),
        allowed_headers in values(&PATTERNS, 0),
        expose_headers in values(&["ETag", "x-amz-version-id", "*", "Content-Range"], 0),
        max_age_seconds in prop::option::of(any::<i32>()),
    ) -> CorsRule {
        CorsRule { id, allowed_origins, allowed_methods, allowed_headers, expose_headers, max_age_seconds }
    }
}

/// Up to five rules.
pub(super) fn configuration() -> impl Strategy<Value = CorsConfiguration> {
    prop::collection::vec(rule(), 0..6).prop_map(|rules| CorsConfiguration { rules })
}

/// Any profile.
pub(super) fn profile() -> impl Strategy<Value = &'static Profile> {
    select(Profile::all())
}

fn header() -> impl Strategy<Value = Header> {
    let name = prop_oneof![8 => select(&NAMES[..]).prop_map(str::to_owned), 1 => anything()];
    let value = prop_oneof![
        4 => select(&["1", "text/plain", "image/png", "bytes=0-99", "bytes=-5"][..]).prop_map(str::to_owned),
        1 => anything()
    ];
    (name, value).prop_map(|(name, value)| Header { name, value })
}

fn credentials() -> impl Strategy<Value = Credentials> {
    select(&[Credentials::Omit, Credentials::SameOrigin, Credentials::Include][..])
}

fn redirect() -> impl Strategy<Value = Redirect> {
    let by = select(&[RedirectBy::WrongEndpoint, RedirectBy::Bucket][..]);
    (select(&[301, 302, 303, 307, 308][..]), by, any::<bool>())
        .prop_map(|(status, by, same_origin)| Redirect { status, by, same_origin })
}

prop_compose! {
    /// A request of a page, or of a client that is none.
    pub(super) fn page()(
        origin in prop::option::weighted(0.9, prop_oneof![8 => select(&SENT[..]).prop_map(str::to_owned), 1 => anything()]),
        method in prop_oneof![8 => select(&["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "put"][..]).prop_map(str::to_owned), 1 => anything()],
        headers in prop::collection::vec(header(), 0..4),
        credentials in credentials(),
        body_content_type in prop::option::of(select(&["image/png", "multipart/form-data; boundary=x"][..]).prop_map(str::to_owned)),
        upload in prop_oneof![4 => Just(Upload::Whole), 1 => Just(Upload::WithProgress), 1 => Just(Upload::Streamed)],
        initiator in prop_oneof![8 => Just(Initiator::Script), 1 => Just(Initiator::Element), 1 => Just(Initiator::Navigation)],
        read in prop::collection::vec(select(&["ETag", "Content-Type", "Content-Range"][..]).prop_map(str::to_owned), 0..3),
        redirects in prop_oneof![4 => Just(Vec::new()), 1 => prop::collection::vec(redirect(), 0..3)],
        status in select(&[200, 204, 403, 404][..]),
    ) -> PageRequest {
        PageRequest {
            origin, method, headers, credentials, body_content_type, upload, initiator, read, redirects, status,
            endpoint: None,
        }
    }
}

prop_compose! {
    fn one_use(origins: &'static [&'static str], credentials: &'static [Credentials])(
        origins in subsequence(origins, 1..=origins.len().min(4)),
        operations in subsequence(&Operation::ALL[..], 1..=4),
        signing in select(&[Signing::Presigned, Signing::Headers][..]),
        checksums in any::<bool>(),
        credentials in select(credentials),
        request_headers in subsequence(&["x-amz-meta-*", "x-amz-acl", "Content-MD5", "accept", "x-amz-meta-name", "Host"][..], 0..=2),
        read_headers in subsequence(&["x-amz-version-id", "ETag", "Content-Type"][..], 0..=2),
    ) -> Use {
        let texts = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
        Use {
            origins: texts(origins), operations, signing, checksums, credentials,
            request_headers: texts(request_headers), read_headers: texts(read_headers),
        }
    }
}

const OMIT: &[Credentials] = &[Credentials::Omit];
const BOTH: &[Credentials] = &[Credentials::Omit, Credentials::Include];
const EXACT: &[&str] = &[
    "https://app.example.com",
    "https://admin.example.com",
    "http://localhost:5173",
    "https://x.test:8443",
    "capacitor://localhost",
];
const NESTED: &[&str] =
    &["https://app.example.com", "https://*.example.com", "https://*.eu.example.com", "https://*", "*"];

/// Uses by pages of exact origins, with and without credentials.
pub(super) fn uses() -> impl Strategy<Value = Vec<Use>> {
    prop::collection::vec(one_use(EXACT, BOTH), 1..4)
}

/// Uses by origins that hold one another, without credentials.
pub(super) fn nested_uses() -> impl Strategy<Value = Vec<Use>> {
    prop::collection::vec(one_use(NESTED, OMIT), 1..4)
}
