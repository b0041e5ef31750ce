//! Figures of the CORS engine, one JSON line each: `bench-cors [FILTER]`. Nothing here touches the network.

#[path = "../../policy/src/allocations.rs"]
mod allocations;
#[path = "../../policy/src/measure.rs"]
mod measure;

use std::hint::black_box;

use bench_cors::cors::{
    Bucket, CorsConfiguration, Credentials, Operation, PageRequest, Profile, Signing, Use, answer, evaluate,
    extend, parse, recommend, sending, validate,
};
use measure::Measure;
use serde::Deserialize;

const CASES: &str = include_str!("../../../fixtures/cors/browser-cases.json");

/// A case that a browser was asked as well.
#[derive(Deserialize)]
struct Case {
    configuration: Option<CorsConfiguration>,
    page: PageRequest,
}

fn main() -> anyhow::Result<()> {
    let measure = Measure::new(std::env::args().nth(1).unwrap_or_default());
    let aws = Profile::aws();
    let cases: Vec<Case> = serde_json::from_str(CASES)?;
    let mut next = cases.iter().cycle();
    measure.run("evaluate the cases of the browser", || {
        next.next().map(|case| {
            let bucket = case.configuration.as_ref().map_or(Bucket::NotSet, Bucket::Configured);
            evaluate(black_box(bucket), aws, &case.page)
        })
    });

    let text = full();
    let document = parse(&text).map_err(|finding| anyhow::anyhow!("{finding:?}"))?;
    let last = page("https://app-99.example.com");
    let bucket = Bucket::Configured(&document.configuration);
    measure.run("evaluate, the last of 100 rules", || evaluate(black_box(bucket), aws, &last));
    measure.count("allocations of that", || evaluate(bucket, aws, &last));
    let preflight = sending(&last).map_err(|verdict| anyhow::anyhow!(verdict.reason))?.preflight;
    measure
        .run("answer a preflight, the last of 100 rules", || answer(black_box(bucket), aws, &preflight, 200));
    measure.run("parse 100 rules", || parse(black_box(&text)));
    measure.run("validate 100 rules", || validate(black_box(&document.configuration), aws, &[]));
    let uses = [stated("https://app.example.com")];
    measure.run("recommend for uploads and downloads", || recommend(black_box(&uses), aws));
    let present = one_rule("https://other.example.com");
    measure.run("extend a present configuration", || extend(black_box(&present), &uses, aws));
    Ok(())
}

fn page(origin: &str) -> PageRequest {
    PageRequest {
        origin: Some(origin.to_owned()),
        method: "PUT".to_owned(),
        body_content_type: Some("image/png".to_owned()),
        read: vec!["ETag".to_owned()],
        ..PageRequest::default()
    }
}

fn stated(origin: &str) -> Use {
    Use {
        origins: vec![origin.to_owned()],
        operations: vec![Operation::Get, Operation::Put, Operation::PutParts],
        signing: Signing::Presigned,
        checksums: false,
        credentials: Credentials::Omit,
        request_headers: Vec::new(),
        read_headers: Vec::new(),
    }
}

fn one_rule(origin: &str) -> CorsConfiguration {
    recommend(&[stated(origin)], Profile::aws()).map(|found| found.configuration).unwrap_or_default()
}

/// As many rules as a bucket takes.
fn full() -> String {
    let rule = |number: usize| {
        format!(
            r#"{{"AllowedOrigins": ["https://app-{number}.example.com"], "AllowedMethods": ["GET", "PUT"], "AllowedHeaders": ["content-type", "x-amz-*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 3600}}"#
        )
    };
    let rules: Vec<String> = (0..100).map(rule).collect();
    format!("[{}]", rules.join(","))
}
