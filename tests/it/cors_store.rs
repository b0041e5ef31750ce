//! A real store as the judge of the CORS engine: radosgw, which has a configuration for each bucket, is asked what the
//! profile `ceph` predicts. Once by a client that sends what it likes, and once by pages in a browser.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use axum::Router;
use axum::extract::Request;
use http::Response;
use s3_connector::cors::{self, Bucket, CorsConfiguration, PageRequest, Profile, StoreRequest};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::harness::aws::{self, REGION};
use crate::harness::browser::Browser;
use crate::harness::servers::AccessKey;
use crate::stores::Place;

const CASES: &str = include_str!("../../fixtures/cors/store-cases.json");
const BROWSER_CASES: &str = include_str!("../../fixtures/cors/browser-cases.json");
/// Cases of the browser's fixture that are sent to the store.
const PAGES: usize = 60;
/// For a browser and all that it sends.
const BOUND: Duration = Duration::from_mins(2);
/// Everything that CORS says in an answer.
const HEADERS: [&str; 7] = [
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Credentials",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers",
    "Access-Control-Expose-Headers",
    "Access-Control-Max-Age",
    "Vary",
];

#[derive(Deserialize)]
struct Case {
    configuration: CorsConfiguration,
    asked: Vec<Asked>,
}

#[derive(Deserialize)]
struct Asked {
    request: Wire,
    status: u16,
    headers: BTreeMap<String, String>,
}

/// A request as the fixture has it.
#[derive(Deserialize)]
struct Wire {
    method: String,
    origin: Option<String>,
    request_method: Option<String>,
    request_headers: Option<String>,
    is_authorized: bool,
}

impl Wire {
    fn headers(&self) -> Vec<(&'static str, String)> {
        let headers = [
            ("origin", &self.origin),
            ("access-control-request-method", &self.request_method),
            ("access-control-request-headers", &self.request_headers),
        ];
        headers.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }

    fn as_request(&self) -> StoreRequest {
        StoreRequest {
            method: self.method.clone(),
            origin: self.origin.clone(),
            request_method: self.request_method.clone(),
            request_headers: self.request_headers.clone(),
            is_authorized: self.is_authorized,
        }
    }
}

/// Gives the bucket a configuration, past the product.
pub(crate) async fn set_cors(place: &Place, configuration: &CorsConfiguration) {
    let rules = configuration.rules.iter().map(|rule| {
        let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
        aws_sdk_s3::types::CorsRule::builder()
            .set_allowed_origins(Some(rule.allowed_origins.clone()))
            .set_allowed_methods(Some(rule.allowed_methods.clone()))
            .set_allowed_headers(some(&rule.allowed_headers))
            .set_expose_headers(some(&rule.expose_headers))
            .set_max_age_seconds(rule.max_age_seconds)
            .build()
            .unwrap()
    });
    let configuration =
        aws_sdk_s3::types::CorsConfiguration::builder().set_cors_rules(Some(rules.collect())).build();
    let call = place.client().put_bucket_cors().bucket(&place.bucket);
    call.cors_configuration(configuration.unwrap()).send().await.unwrap();
}

/// The headers that sign a request without a body.
fn signature(key: &AccessKey, method: &str, url: &str) -> Vec<(String, String)> {
    let identity = Credentials::new(&key.id, &key.secret, None, None, "test").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("s3")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let request = SignableRequest::new(
        method,
        url,
        [("x-amz-content-sha256", "UNSIGNED-PAYLOAD")].into_iter(),
        SignableBody::UnsignedPayload,
    );
    let (instructions, _) = sign(request.unwrap(), &parameters).unwrap().into_parts();
    let signed = instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
    signed.chain([("x-amz-content-sha256".to_owned(), "UNSIGNED-PAYLOAD".to_owned())]).collect()
}

/// Sends a request; its status, and the headers that CORS is about.
async fn send(
    http: &reqwest::Client,
    place: &Place,
    url: &str,
    request: &Wire,
) -> (u16, BTreeMap<String, String>) {
    let method = request.method.parse().unwrap();
    let mut sending = http.request(method, url);
    for (name, value) in request.headers() {
        sending = sending.header(name, value);
    }
    if request.is_authorized {
        for (name, value) in signature(&place.key, &request.method, url) {
            sending = sending.header(name, value);
        }
    }
    let answer = sending.send().await.unwrap();
    let found = HEADERS.iter().filter_map(|name| {
        let values: Vec<&str> =
            answer.headers().get_all(*name).iter().map(|value| value.to_str().unwrap()).collect();
        (!values.is_empty()).then(|| ((*name).to_owned(), values.join(", ")))
    });
    (answer.status().as_u16(), found.collect())
}

#[tokio::test]
async fn radosgw_answers_every_case_as_its_profile_says() {
    let place = Place::radosgw().await;
    aws::put_object(&place.client(), &place.bucket, "there", "content").await;
    let url = format!("{}/{}/there", place.url, place.bucket);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    let ceph = Profile::find("ceph").unwrap();
    let (mut asked, mut wrong) = (0, Vec::new());
    for case in &cases {
        set_cors(&place, &case.configuration).await;
        for one in &case.asked {
            let found = send(&http, &place, &url, &one.request).await;
            let predicted = cors::answer(
                Bucket::Configured(&case.configuration),
                ceph,
                &one.request.as_request(),
                one.status,
            );
            let headers = predicted
                .headers
                .pairs()
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into_owned()));
            // the fixture is what the engine says today
            assert_eq!((predicted.status, headers.collect()), (one.status, one.headers.clone()));
            asked += 1;
            if found != (one.status, one.headers.clone()) {
                let request = json!(one.request.as_request());
                wrong.push(format!(
                    "{request} with {}\n  predicted {} {:?}\n  radosgw   {} {:?}",
                    json!(case.configuration),
                    one.status,
                    one.headers,
                    found.0,
                    found.1
                ));
            }
        }
    }
    assert!(asked >= 300, "only {asked} requests");
    assert!(wrong.is_empty(), "{} of {asked} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn radosgw_lets_nobody_in_without_a_configuration_or_a_bucket() {
    let place = Place::radosgw().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ceph = Profile::find("ceph").unwrap();
    let nowhere = format!("{}-nowhere", place.bucket);
    for (name, bucket) in [(place.bucket.as_str(), Bucket::NotSet), (&nowhere, Bucket::Missing)] {
        for (method, is_authorized) in [("OPTIONS", false), ("GET", true)] {
            let is_preflight = method == "OPTIONS";
            let request = Wire {
                method: method.to_owned(),
                origin: Some("https://a.example".to_owned()),
                request_method: is_preflight.then(|| "PUT".to_owned()),
                request_headers: None,
                is_authorized,
            };
            let url = format!("{}/{name}/key", place.url);
            let (status, headers) = send(&http, &place, &url, &request).await;
            let predicted = cors::answer(bucket, ceph, &request.as_request(), 404);
            assert!(
                headers.is_empty() && predicted.headers.pairs().is_empty(),
                "{name} {method}: {headers:?}"
            );
            // whether it is 403 or 404 is one for browsers
            assert!((400..500).contains(&status) && (400..500).contains(&predicted.status), "{status}");
        }
    }
}

/// Serves an empty page for every path, from another origin than any store.
pub(crate) struct Pages {
    pub(crate) address: SocketAddr,
    listener: JoinHandle<()>,
}

impl Pages {
    pub(crate) async fn start() -> Pages {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let router = Router::new().fallback(|request: Request| async move {
            let html = Response::builder().header("content-type", "text/html");
            // of an opaque origin, as a sandboxed frame is
            let html = if request.uri().path() == "/sandbox" {
                html.header("content-security-policy", "sandbox allow-scripts")
            } else {
                html
            };
            html.body(axum::body::Body::from("<title>a page</title>")).unwrap()
        });
        let listener = tokio::spawn(async move { axum::serve(socket, router).await.unwrap() });
        Pages { address, listener }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

#[derive(Deserialize)]
struct PageCase {
    configuration: Option<CorsConfiguration>,
    page: PageRequest,
}

/// Whether the store takes the request as it stands, so that only CORS decides.
fn is_plain(page: &PageRequest) -> bool {
    let is_taken = |name: &str| name.eq_ignore_ascii_case("content-type") || name.starts_with("x-amz-meta-");
    page.redirects.is_empty()
        && ["GET", "HEAD", "PUT", "DELETE"].contains(&page.method.as_str())
        && page.headers.iter().all(|header| is_taken(&header.name))
        && page.upload != cors::Upload::Streamed
}

/// What a page gets of a request to the URL.
const SCRIPT: &str = r#"
const [url, page, names, done] = arguments;
const type = page.body_content_type;
const body = page.method === "PUT" ? new Blob(["x"], type === undefined ? {} : {type}) : undefined;
const headers = (page.headers || []).map(({name, value}) => [name, value]);
fetch(url, {method: page.method, headers, body, credentials: page.credentials})
  .then((answer) => done({succeeds: true, reads: names.filter((name) => answer.headers.has(name))}))
  .catch(() => done({succeeds: false, reads: []}));
"#;

#[tokio::test]
async fn pages_get_of_radosgw_what_its_profile_says() {
    tokio::time::timeout(BOUND, compare_pages()).await.expect("the browser took more than two minutes");
}

async fn compare_pages() {
    let place = Place::radosgw().await;
    open_to_everyone(&place).await;
    let cases: Vec<PageCase> = serde_json::from_str(BROWSER_CASES).unwrap();
    let plain = cases.into_iter().filter(|case| case.configuration.is_some() && is_plain(&case.page));
    let mut of_pages: BTreeMap<String, Vec<PageCase>> = BTreeMap::new();
    for case in plain.take(PAGES) {
        of_pages.entry(case.page.origin.clone().unwrap()).or_default().push(case);
    }
    let pages = Pages::start().await;
    let browser = Browser::start(pages.address).await;
    let (mut number, mut succeeded, mut wrong) = (0, 0, Vec::new());
    for (origin, cases) in &of_pages {
        let url = if origin == "null" { "http://a.example.test/sandbox" } else { origin };
        browser.open(url).await;
        for case in cases {
            number += 1;
            let (predicted, found) = compare_page(&browser, &place, case, number).await;
            succeeded += usize::from(predicted["succeeds"] == true);
            if predicted != found {
                wrong.push(format!(
                    "{} with {}\n  predicted {predicted}\n  browser   {found}",
                    json!(case.page),
                    json!(case.configuration)
                ));
            }
        }
    }
    browser.end().await;
    assert!(number >= 40 && succeeded >= 10 && succeeded < number, "{succeeded} of {number} succeed");
    assert!(wrong.is_empty(), "{} of {number} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// What the engine predicts, and what the browser gets of the store.
async fn compare_page(browser: &Browser, place: &Place, case: &PageCase, number: usize) -> (Value, Value) {
    let configuration = case.configuration.as_ref().unwrap();
    set_cors(place, configuration).await;
    // of its own, because browsers keep preflights for a URL
    let key = format!("key-{number}");
    aws::put_object(&place.client(), &place.bucket, &key, "content").await;
    let ceph = Profile::find("ceph").unwrap();
    let mut page = case.page.clone();
    if page.method != "PUT" {
        // only that has a body here
        page.body_content_type = None;
    }
    let verdict = cors::evaluate(Bucket::Configured(configuration), ceph, &page).verdict;
    let names =
        if page.method == "DELETE" { &["x-amz-request-id"][..] } else { &["etag", "x-amz-request-id"] };
    let reads: Vec<&str> = names.iter().copied().filter(|name| verdict.can_read(name)).collect();
    let predicted = json!({"succeeds": verdict.succeeds, "reads": reads});
    let url = format!("{}/{}/{key}", place.url, place.bucket);
    let found = browser.run(SCRIPT, &[json!(url), json!(page), json!(names)]).await;
    (predicted, found)
}

/// Everybody may do everything with the bucket, so that nothing has to be signed.
async fn open_to_everyone(place: &Place) {
    let bucket = format!("arn:aws:s3:::{}", place.bucket);
    let mut policy = aws::allow(&["s3:*"], &[&bucket, &format!("{bucket}/*")]);
    policy["Statement"][0]["Principal"] = json!({"AWS": ["*"]});
    let call = place.client().put_bucket_policy().bucket(&place.bucket).policy(policy.to_string());
    call.send().await.unwrap();
}
