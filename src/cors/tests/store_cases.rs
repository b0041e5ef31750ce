//! Cases for a real store: `fixtures/cors/store-cases.json` holds configurations, requests and what a Ceph gateway is to
//! answer, for the profile `ceph`.
//!
//! The cases are drawn with a fixed seed; `S3_CONNECTOR_WRITE_FIXTURES=1` writes the file anew. The requests ask for an
//! object that is there; those that are no preflight are to be signed in a header.

use std::collections::BTreeMap;

use serde::Serialize;

use super::browser_cases::{Draw, PAGES, check_file, rule};
use crate::cors::{Bucket, CorsConfiguration, CorsRule, Profile, StoreRequest, answer};

const FILE: &str = "fixtures/cors/store-cases.json";
const COUNT: usize = 40;
const SEED: u64 = 4_242;
const HEADERS: [&str; 4] =
    ["content-type", "x-amz-acl,x-amz-meta-a", "authorization", "X-Amz-Meta-B , range"];
const METHODS: [&str; 5] = ["GET", "PUT", "DELETE", "POST", "HEAD"];

#[derive(Serialize)]
struct StoreCase {
    configuration: CorsConfiguration,
    asked: Vec<Asked>,
}

#[derive(Serialize)]
struct Asked {
    request: StoreRequest,
    status: u16,
    headers: BTreeMap<&'static str, String>,
}

fn request(draw: &mut Draw) -> StoreRequest {
    let is_preflight = draw.one_in(2);
    let method = if is_preflight { "OPTIONS" } else { draw.pick(&["GET", "HEAD"]) };
    let names_method = if is_preflight { !draw.one_in(12) } else { draw.one_in(6) };
    StoreRequest {
        method: method.to_owned(),
        origin: (!draw.one_in(12)).then(|| draw.pick(&PAGES).to_owned()),
        request_method: names_method.then(|| draw.pick(&METHODS).to_owned()),
        request_headers: (is_preflight && draw.one_in(2)).then(|| draw.pick(&HEADERS).to_owned()),
        is_authorized: !is_preflight,
    }
}

fn case(draw: &mut Draw) -> StoreCase {
    let rules: Vec<CorsRule> = (0..draw.pick(&[1, 1, 2, 3])).map(|_| rule(draw)).collect();
    let configuration = CorsConfiguration { rules };
    let ceph = Profile::find("ceph").unwrap();
    let asked = (0..8).map(|_| {
        let request = request(draw);
        let found = answer(Bucket::Configured(&configuration), ceph, &request, 200);
        let headers = found.headers.pairs().into_iter().map(|(name, value)| (name, value.into_owned()));
        Asked { request, status: found.status, headers: headers.collect() }
    });
    let asked = asked.collect();
    StoreCase { configuration, asked }
}

fn cases() -> Vec<StoreCase> {
    let mut draw = Draw(SEED);
    (0..COUNT).map(|_| case(&mut draw)).collect()
}

#[test]
fn the_file_holds_the_cases() {
    check_file(FILE, &cases());
}

#[test]
fn the_cases_are_of_every_kind() {
    let all = cases();
    let count = |is: &dyn Fn(&Asked) -> bool| {
        all.iter().flat_map(|case| &case.asked).filter(|asked| is(asked)).count()
    };
    let is_preflight = |asked: &Asked| asked.request.method == "OPTIONS";
    assert!(count(&|asked| is_preflight(asked) && asked.status == 200) >= 20);
    assert!(count(&|asked| is_preflight(asked) && asked.status == 403) >= 20);
    assert!(count(&|asked| asked.status == 400) >= 5);
    assert!(count(&|asked| !is_preflight(asked) && !asked.headers.is_empty()) >= 20);
    assert!(count(&|asked| !is_preflight(asked) && asked.headers.is_empty()) >= 20);
}
