//! What the CORS engine predicts is what a browser does: pages in Chromium send the requests of
//! `fixtures/cors/browser-cases.json` to a server that answers each as the engine says that S3 would.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use http::{HeaderMap, Response};
use s3_connector::cors::{
    self, Bucket, CorsConfiguration, PageRequest, Profile, Redirect, RedirectBy, StoreRequest,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::harness::browser::Browser;

const CASES: &str = include_str!("../../fixtures/cors/browser-cases.json");
/// For everything: the start of the browser, and all requests.
const BOUND: Duration = Duration::from_mins(1);
/// What the server puts on every answer, so that reading them tells what is exposed.
const ANSWERED: [(&str, &str); 7] = [
    ("cache-control", "no-store"),
    ("content-type", "text/plain"),
    ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ("etag", "\"a\""),
    ("x-amz-version-id", "1"),
    ("accept-ranges", "bytes"),
    ("x-amz-request-id", "1"),
];

#[derive(Deserialize)]
struct Case {
    number: usize,
    configuration: Option<CorsConfiguration>,
    page: PageRequest,
    hops: Vec<Hop>,
    predicted: Predicted,
}

#[derive(Deserialize)]
struct Hop {
    preflight: Option<Value>,
    preflight_asks_for: Option<String>,
    actual: Option<Value>,
    method: Option<String>,
    origin: Option<String>,
}

#[derive(Deserialize)]
struct Predicted {
    succeeds: bool,
    status: Option<u16>,
    reads: Vec<String>,
}

impl Case {
    /// What the page should see, and what the server should be asked, in one value.
    fn expected(&self) -> Value {
        let mut asked = Vec::new();
        for (index, hop) in self.hops.iter().enumerate() {
            if hop.preflight.is_some() {
                asked.push(json!([index, "OPTIONS", hop.preflight_asks_for]));
            }
            if hop.actual.is_some() {
                asked.push(json!([index, hop.method, hop.origin]));
            }
        }
        let predicted = &self.predicted;
        json!({"succeeds": predicted.succeeds, "status": predicted.status, "reads": predicted.reads, "asked": asked})
    }
}

/// The cases, and what was asked about each so far.
struct World {
    cases: BTreeMap<usize, Case>,
    asked: Mutex<BTreeMap<usize, Vec<Value>>>,
}

/// The store, and the pages' own server. Listens until dropped.
struct Server {
    address: SocketAddr,
    world: Arc<World>,
    listener: JoinHandle<()>,
}

impl Server {
    async fn start(cases: Vec<Case>) -> Server {
        let cases = cases.into_iter().map(|case| (case.number, case)).collect();
        let world = Arc::new(World { cases, asked: Mutex::default() });
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let router = Router::new().fallback(serve).with_state(Arc::clone(&world));
        let listener = tokio::spawn(async move { axum::serve(socket, router).await.unwrap() });
        Server { address, world, listener }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn serve(State(world): State<Arc<World>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    axum::body::to_bytes(body, 1 << 16).await.unwrap();
    let html = Response::builder().header("content-type", "text/html");
    let parts: Vec<&str> = head.uri.path().split('/').skip(1).collect();
    match parts.as_slice() {
        ["page"] => html.body("<title>a page</title>".into()).unwrap(),
        // of an opaque origin, as a sandboxed frame is
        ["sandbox"] => {
            let html = html.header("content-security-policy", "sandbox allow-scripts");
            html.body("<title>a sandbox</title>".into()).unwrap()
        }
        ["case", number, hop] => {
            let (number, hop) = (number.parse().unwrap(), hop.parse().unwrap());
            world.answer((number, hop), head.method.as_str(), &head.headers)
        }
        _ => Response::builder().status(404).body(Body::empty()).unwrap(),
    }
}

impl World {
    fn answer(&self, (number, hop): (usize, usize), method: &str, headers: &HeaderMap) -> Response<Body> {
        let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let request = StoreRequest {
            method: method.to_owned(),
            origin: header("origin"),
            request_method: header("access-control-request-method"),
            request_headers: header("access-control-request-headers"),
            is_authorized: headers.contains_key("authorization"),
        };
        let is_preflight = method == "OPTIONS";
        let of_request = if is_preflight { &request.request_headers } else { &request.origin };
        let row = json!([hop, method, of_request]);
        self.asked.lock().unwrap().entry(number).or_default().push(row);
        let case = &self.cases[&number];
        let redirect = case.page.redirects.get(hop).copied();
        let mut response = Response::builder();
        if let Some(Redirect { by: RedirectBy::WrongEndpoint, status, .. }) = redirect {
            response = response.status(status);
        } else {
            let bucket = case.configuration.as_ref().map_or(Bucket::NotSet, Bucket::Configured);
            let status = redirect.map_or(case.page.status, |redirect| redirect.status);
            let answer = cors::answer(bucket, Profile::aws(), &request, status);
            response = response.status(answer.status);
            for (name, value) in answer.headers.pairs() {
                response = response.header(name, &*value);
            }
        }
        if let Some(redirect) =
            redirect.filter(|redirect| !is_preflight || redirect.by == RedirectBy::WrongEndpoint)
        {
            let host = if redirect.same_origin { "bucket" } else { "elsewhere" };
            response =
                response.header("location", format!("http://{host}.store.test/case/{number}/{}", hop + 1));
        }
        for (name, value) in ANSWERED.into_iter().filter(|_| !is_preflight) {
            response = response.header(name, value);
        }
        response.body(Body::empty()).unwrap()
    }
}

/// Sends every case at once, as a page would, and tells what the page saw.
const SCRIPT: &str = r#"
const [cases, names, done] = arguments;
const blocked = (number) => ({number, succeeds: false, status: null, reads: []});
const withProgress = ({number, page}, url, body) => new Promise((resolve) => {
  const request = new XMLHttpRequest();
  request.open(page.method, url);
  request.withCredentials = page.credentials === "include";
  request.upload.addEventListener("progress", () => {});
  for (const {name, value} of page.headers || []) request.setRequestHeader(name, value);
  request.onload = () => {
    const reads = names.filter((name) => request.getResponseHeader(name) !== null);
    resolve({number, succeeds: true, status: request.status, reads});
  };
  request.onerror = () => resolve(blocked(number));
  request.send(body);
});
const send = async (one) => {
  const {number, page} = one;
  const url = `http://bucket.store.test/case/${number}/0`;
  const type = page.body_content_type;
  const body = type === undefined ? undefined : new Blob(["x"], {type});
  if (page.upload === "with_progress") return withProgress(one, url, body);
  const headers = (page.headers || []).map(({name, value}) => [name, value]);
  try {
    const answer = await fetch(url, {method: page.method, headers, body, credentials: page.credentials});
    const reads = names.filter((name) => answer.headers.has(name));
    return {number, succeeds: true, status: answer.status, reads};
  } catch {
    return blocked(number);
  }
};
Promise.all(cases.map(send)).then(done);
"#;

/// Runs the cases of one page, and adds what it saw.
async fn run_page(browser: &Browser, origin: &str, cases: &[Value], seen: &mut Vec<Value>) {
    let url = if origin == "null" {
        "http://sandbox.example.test/sandbox".to_owned()
    } else {
        format!("{origin}/page")
    };
    browser.open(&url).await;
    let shown = browser.run("arguments[0](self.origin)", &[]).await;
    assert_eq!(shown, origin, "the page has another origin than its requests should");
    let names = json!(ANSWERED.map(|(name, _)| name));
    let found = browser.run(SCRIPT, &[json!(cases), names]).await;
    seen.extend(found.as_array().unwrap().iter().cloned());
}

#[tokio::test]
async fn a_browser_does_what_the_engine_predicts() {
    let bounded = tokio::time::timeout(BOUND, compare());
    bounded.await.expect("the browser took more than a minute");
}

async fn compare() {
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    let mut pages: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for case in &cases {
        let origin = case.page.origin.clone().unwrap();
        pages.entry(origin).or_default().push(json!({"number": case.number, "page": case.page}));
    }
    let total = cases.len();
    let server = Server::start(cases).await;
    let browser = Browser::start(server.address).await;
    let mut seen = Vec::new();
    for (origin, cases) in &pages {
        run_page(&browser, origin, cases, &mut seen).await;
    }
    browser.end().await;
    assert_eq!(seen.len(), total);
    let asked = server.world.asked.lock().unwrap();
    let mut differences = Vec::new();
    for mut found in seen {
        let number = usize::try_from(found["number"].as_u64().unwrap()).unwrap();
        let case = &server.world.cases[&number];
        found.as_object_mut().unwrap().remove("number");
        found["asked"] = json!(asked.get(&number).cloned().unwrap_or_default());
        let expected = case.expected();
        if found != expected {
            differences.push(format!(
                "case {number}\n  page      {}\n  predicted {expected}\n  browser   {found}",
                json!(case.page)
            ));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {total} cases differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}
