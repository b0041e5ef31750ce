//! What a user has to see about configurations that other products document: the facts, not the sentences.
//!
//! The configuration is the one that a low-code platform gives its users for buckets that its apps upload to.

use super::{configuration, read, rule};
use crate::cors::{
    Bucket, Credentials, Expectation, Form, Header, PageRequest, Profile, Severity, evaluate, find_rule,
};

const FILE: &str = "fixtures/cors/reference/app-platform.json";
const PAGE: &str = "https://acme.retool.com";

fn codes(expected: &[Expectation], profile: &str) -> Vec<(Severity, &'static str, String, Option<u32>)> {
    let findings = read(FILE).validate(Profile::find(profile).unwrap(), expected);
    findings.into_iter().map(|finding| (finding.severity, finding.code, finding.path, finding.line)).collect()
}

fn page(method: &str, headers: &[(&str, &str)]) -> PageRequest {
    PageRequest {
        origin: Some(PAGE.to_owned()),
        method: method.to_owned(),
        headers: headers.iter().map(|(name, value)| Header::new(name, value)).collect(),
        ..PageRequest::default()
    }
}

#[test]
fn it_is_read_as_two_rules() {
    let document = read(FILE);
    assert_eq!((document.form, document.findings.len()), (Form::Console, 0));
    let rules = [rule("https://*.retool.com", "PUT,POST,DELETE", "*", ""), rule("*", "GET", "", "")];
    assert_eq!(document.configuration, configuration(&rules));
}

#[test]
fn uploads_in_parts_lack_the_etag() {
    let etag = |severity| (severity, "CORS_EXPOSE_ETAG", "rules[0].expose_headers".to_owned(), Some(2));
    assert_eq!(codes(&[], "aws"), [etag(Severity::Suggestion)]);
    assert_eq!(codes(&[Expectation::Multipart], "aws"), [etag(Severity::Warning)]);
}

#[test]
fn signed_reads_heads_and_credentials_are_not_allowed() {
    let all = [Expectation::SignedHeaders, Expectation::Head, Expectation::Credentials, Expectation::Delete];
    let found: Vec<(&str, String)> =
        codes(&all, "aws").into_iter().map(|(_, code, path, _)| (code, path)).collect();
    let expected = [
        ("CORS_EXPOSE_ETAG", "rules[0].expose_headers"),
        ("CORS_SIGNED_HEADERS", "rules[1].allowed_headers"),
        ("CORS_STAR_CREDENTIALS", "rules[1].allowed_origins"),
        ("CORS_METHOD_MISSING", "rules[1].allowed_methods"),
    ];
    assert_eq!(found, expected.map(|(code, path)| (code, path.to_owned())));
}

#[test]
fn what_the_apps_do_with_it() {
    let found = read(FILE).configuration;
    let bucket = Bucket::Configured(&found);
    let verdict = |request: &PageRequest| evaluate(bucket, Profile::aws(), request).verdict;
    let put = verdict(&page("PUT", &[("content-type", "image/png"), ("x-amz-acl", "private")]));
    assert!(put.succeeds && !put.can_read("ETag"), "{}", put.reason);
    assert!(verdict(&page("DELETE", &[])).succeeds);
    assert!(verdict(&page("GET", &[])).succeeds);
    let signed = verdict(&page("GET", &[("authorization", "AWS4-HMAC-SHA256 x")]));
    assert!(!signed.sent && signed.reason.contains("rule 2") && signed.reason.contains("`authorization`"));
    let with_cookies = PageRequest { credentials: Credentials::Include, ..page("GET", &[]) };
    assert!(!verdict(&with_cookies).succeeds);
    assert!(!verdict(&page("HEAD", &[])).succeeds);
}

/// The same product asks for four methods where the store is not S3, and says nothing about headers.
#[test]
fn four_methods_without_headers_are_not_enough() {
    let document = read("fixtures/cors/reference/app-platform-compatible.json");
    let found: Vec<(&str, String)> = document
        .validate(Profile::aws(), &[])
        .into_iter()
        .map(|finding| (finding.code, finding.path))
        .collect();
    let expected = [
        ("CORS_WRITE_NO_HEADERS", "rules[0].allowed_headers"),
        ("CORS_EXPOSE_ETAG", "rules[0].expose_headers"),
    ];
    assert_eq!(found, expected.map(|(code, path)| (code, path.to_owned())));
    let bucket = Bucket::Configured(&document.configuration);
    let verdict = |request: &PageRequest| evaluate(bucket, Profile::aws(), request).verdict;
    assert!(verdict(&page("GET", &[])).succeeds && verdict(&page("DELETE", &[])).succeeds);
    let upload = verdict(&page("PUT", &[("content-type", "image/png")]));
    assert!(!upload.sent && upload.reason.contains("lists no `content-type`"), "{}", upload.reason);
}

#[test]
fn with_ceph_the_first_rule_takes_the_reads_away() {
    let found = read(FILE).configuration;
    let ceph = Profile::find("ceph").unwrap();
    let blocked = evaluate(Bucket::Configured(&found), ceph, &page("GET", &[])).verdict;
    assert!(blocked.sent && !blocked.succeeds);
    assert!(blocked.reason.contains("rule 1 matches the origin but lists no `GET`"), "{}", blocked.reason);
    let asked = super::super::Question { origin: "https://elsewhere.example", method: "GET", headers: "" };
    assert_eq!(find_rule(&found, ceph, asked), Some(1));
}
