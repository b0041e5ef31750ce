//! Cases for a real browser: `fixtures/cors/browser-cases.json` holds requests of pages, what the store is to answer,
//! and what the engine predicts that the page can do and read.
//!
//! The cases are drawn with a fixed seed. Set `S3_CONNECTOR_WRITE_FIXTURES=1` to write the file anew. Names end in
//! `.test` and the scheme is http, so that a browser that resolves every name to one loopback server can run them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::root;
use crate::cors::{
    Bucket, CorsConfiguration, CorsRule, Credentials, Header, PageRequest, Profile, Redirect, RedirectBy,
    StoreAnswer, Upload, evaluate,
};

const FILE: &str = "fixtures/cors/browser-cases.json";
const COUNT: usize = 320;
const SEED: u64 = 20_260_101;

/// Headers that the server puts on every answer, so that reading them tells what is exposed.
const ANSWERED: [&str; 7] = [
    "cache-control",
    "content-type",
    "last-modified",
    "etag",
    "x-amz-version-id",
    "accept-ranges",
    "x-amz-request-id",
];

#[derive(Serialize)]
struct BrowserCase {
    number: usize,
    /// Nothing: the bucket has no configuration.
    configuration: Option<CorsConfiguration>,
    page: PageRequest,
    /// What the server answers at each step.
    hops: Vec<Answers>,
    predicted: Predicted,
}

/// What the server answers to a preflight and to the request, and what it is asked.
#[derive(Serialize)]
struct Answers {
    preflight: Option<Answer>,
    preflight_asks_for: Option<String>,
    actual: Option<Answer>,
    method: Option<String>,
    origin: Option<String>,
}

#[derive(Serialize)]
struct Answer {
    status: u16,
    headers: BTreeMap<&'static str, String>,
}

/// What the page sees.
#[derive(Serialize)]
struct Predicted {
    asks_first: bool,
    sent: bool,
    succeeds: bool,
    status: Option<u16>,
    /// Of the headers that the server puts on every answer, those that the script may read.
    reads: Vec<&'static str>,
    reason: String,
}

/// `SplitMix64`: the same numbers everywhere, for ever.
pub(super) struct Draw(pub(super) u64);

impl Draw {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(bound).unwrap()).unwrap()
    }

    pub(super) fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Up to `most` different ones.
    fn some(&mut self, from: &[&str], least: usize, most: usize) -> Vec<String> {
        let mut left = from.to_vec();
        let count = least + self.below(most - least + 1);
        (0..count).map(|_| left.remove(self.below(left.len())).to_owned()).collect()
    }
}

const ORIGINS: [&str; 8] = [
    "*",
    "http://app.example.test",
    "http://*.example.test",
    "http://app.example.test:*",
    "http://other.test",
    "null",
    "http://app.example.test/",
    "http://App.example.test",
];
pub(super) const PAGES: [&str; 6] = [
    "http://app.example.test",
    "http://app.example.test",
    "http://a.b.example.test",
    "http://app.example.test:8443",
    "http://elsewhere.test",
    "null",
];
const PATTERNS: [&str; 7] =
    ["*", "content-type", "x-amz-*", "authorization", "X-Amz-Meta-*", "range", "if-match"];
const EXPOSED: [&str; 4] = ["ETag", "x-amz-version-id", "Accept-Ranges", "x-amz-request-id"];
const HEADERS: [(&str, &str); 14] = [
    ("X-Amz-Acl", "private"),
    ("x-amz-meta-name", "a"),
    ("Authorization", "AWS4-HMAC-SHA256 none"),
    ("Range", "bytes=0-9"),
    ("Range", "bytes=-9"),
    ("Range", "bytes=0-1,4-5"),
    ("If-Match", "\"a\""),
    ("Accept", "application/json"),
    ("Accept", "a(b)"),
    ("Accept-Language", "de, en;q=0.5"),
    ("Content-Language", "en_GB"),
    ("Content-Length", "5"),
    ("Host", "elsewhere.test"),
    ("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
];
const BODIES: [&str; 5] = [
    "image/png",
    "application/json",
    "text/plain;charset=utf-8",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
];

pub(super) fn rule(draw: &mut Draw) -> CorsRule {
    // half of the rules are such that many pages are let in
    let origins = if draw.one_in(2) { &ORIGINS[..3] } else { &ORIGINS[..] };
    CorsRule {
        id: None,
        allowed_origins: draw.some(origins, 1, 3),
        allowed_methods: draw.some(&["GET", "PUT", "POST", "DELETE", "HEAD"], 2, 5),
        allowed_headers: draw.some(&PATTERNS, 0, 3),
        expose_headers: draw.some(&EXPOSED, 0, 2),
        max_age_seconds: draw.pick(&[None, Some(0), Some(3600)]),
    }
}

fn page(draw: &mut Draw) -> PageRequest {
    let method = draw.pick(&["GET", "GET", "PUT", "PUT", "POST", "POST", "DELETE", "HEAD", "PATCH", "put"]);
    let has_body = matches!(method, "PUT" | "POST" | "put") && !draw.one_in(4);
    let mut headers: Vec<Header> = Vec::new();
    for _ in 0..draw.pick(&[0, 0, 0, 1, 1, 2]) {
        let (name, value) = draw.pick(&HEADERS);
        if !headers.iter().any(|header| header.name == name) {
            headers.push(Header::new(name, value));
        }
    }
    let redirect = Redirect {
        status: draw.pick(&[301, 302, 303, 307, 308]),
        by: draw.pick(&[RedirectBy::WrongEndpoint, RedirectBy::Bucket, RedirectBy::Bucket]),
        same_origin: draw.one_in(2),
    };
    PageRequest {
        origin: Some(draw.pick(&PAGES).to_owned()),
        method: method.to_owned(),
        headers,
        credentials: draw.pick(&[
            Credentials::Omit,
            Credentials::Omit,
            Credentials::SameOrigin,
            Credentials::Include,
        ]),
        body_content_type: has_body.then(|| draw.pick(&BODIES).to_owned()),
        // only what a script sends as a body can be watched
        upload: if has_body && draw.one_in(5) { Upload::WithProgress } else { Upload::Whole },
        status: draw.pick(&[200, 200, 200, 403, 404]),
        redirects: if draw.one_in(8) { vec![redirect] } else { Vec::new() },
        ..PageRequest::default()
    }
}

fn shown(answer: &StoreAnswer) -> Answer {
    let headers = answer.headers.pairs().into_iter().map(|(name, value)| (name, value.into_owned()));
    Answer { status: answer.status, headers: headers.collect() }
}

fn case(number: usize, draw: &mut Draw) -> BrowserCase {
    let rules: Vec<CorsRule> = (0..draw.pick(&[1, 1, 2, 3])).map(|_| rule(draw)).collect();
    let configuration = (!draw.one_in(25)).then_some(CorsConfiguration { rules });
    let page = page(draw);
    let bucket = configuration.as_ref().map_or(Bucket::NotSet, Bucket::Configured);
    let found = evaluate(bucket, Profile::aws(), &page);
    let hops = found.hops.iter().map(|hop| Answers {
        preflight: hop.preflight.as_ref().map(|exchange| shown(&exchange.answer)),
        preflight_asks_for: hop
            .preflight
            .as_ref()
            .and_then(|exchange| exchange.request.request_headers.clone()),
        actual: hop.actual.as_ref().map(|exchange| shown(&exchange.answer)),
        method: hop.actual.as_ref().map(|exchange| exchange.request.method.clone()),
        origin: hop.actual.as_ref().and_then(|exchange| exchange.request.origin.clone()),
    });
    let verdict = &found.verdict;
    let predicted = Predicted {
        asks_first: !found.preflight_reasons.is_empty(),
        sent: verdict.sent,
        succeeds: verdict.succeeds,
        status: verdict.status,
        reads: ANSWERED.into_iter().filter(|header| verdict.can_read(header)).collect(),
        reason: verdict.reason.clone(),
    };
    let hops = hops.collect();
    BrowserCase { number, configuration, page, hops, predicted }
}

fn cases() -> Vec<BrowserCase> {
    let mut draw = Draw(SEED);
    (0..COUNT).map(|number| case(number, &mut draw)).collect()
}

#[test]
fn the_file_holds_the_cases() {
    check_file(FILE, &cases());
}

/// Compares a file of cases, one a line, with what they are now.
pub(super) fn check_file(file: &str, cases: &[impl Serialize]) {
    let lines: Vec<String> = cases.iter().map(|case| serde_json::to_string(case).unwrap()).collect();
    let text = format!("[\n{}\n]\n", lines.join(",\n"));
    if std::env::var_os("S3_CONNECTOR_WRITE_FIXTURES").is_some() {
        std::fs::write(root(file), &text).unwrap();
    }
    let written = std::fs::read_to_string(root(file)).unwrap();
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert!(
        value(&written) == value(&text),
        "set S3_CONNECTOR_WRITE_FIXTURES=1 to write {file} anew, then review it"
    );
}

/// What it is called, and whether a case is of it.
type Kind<'k> = (&'k str, &'k dyn Fn(&BrowserCase) -> bool);

#[test]
fn the_cases_are_of_every_kind() {
    let all = cases();
    let count = |is: &dyn Fn(&BrowserCase) -> bool| all.iter().filter(|case| is(case)).count();
    let kinds: [Kind<'_>; 12] = [
        ("works", &|case| case.predicted.succeeds),
        ("works after a preflight", &|case| case.predicted.succeeds && case.predicted.asks_first),
        ("is kept back", &|case| !case.predicted.sent),
        ("happens unseen", &|case| case.predicted.sent && !case.predicted.succeeds),
        ("reads an exposed header", &|case| case.predicted.reads.contains(&"etag")),
        ("reads only the others", &|case| case.predicted.reads.len() == 3),
        ("has credentials and works", &|case| {
            case.predicted.succeeds && case.page.credentials == Credentials::Include
        }),
        ("has credentials and gets a star", &|case| {
            case.predicted.reason.contains("request with credentials")
        }),
        ("has an opaque origin", &|case| {
            case.page.origin.as_deref() == Some("null") && case.predicted.succeeds
        }),
        ("is redirected and works", &|case| case.predicted.succeeds && case.hops.len() == 2),
        ("watches the upload", &|case| case.page.upload == Upload::WithProgress),
        ("sees an error of the store", &|case| case.predicted.status.is_some_and(|status| status >= 400)),
    ];
    for (kind, is) in kinds {
        assert!(count(is) >= 5, "only {} {kind}", count(is));
    }
    assert!(count(kinds[0].1) >= 50 && count(kinds[2].1) >= 50 && count(kinds[3].1) >= 30);
}
