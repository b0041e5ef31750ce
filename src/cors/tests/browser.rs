//! What the Fetch standard says, apart from the cases of the specification.

use super::{configuration, rule};
use crate::cors::{
    Bucket, CorsRule, Credentials, Evaluation, Header, Initiator, PageRequest, Profile, Redirect, RedirectBy,
    Upload, evaluate,
};

const PAGE: &str = "https://app.example.com";

fn page(method: &str, headers: &[(&str, &str)]) -> PageRequest {
    PageRequest {
        origin: Some(PAGE.to_owned()),
        method: method.to_owned(),
        headers: headers.iter().map(|(name, value)| Header::new(name, value)).collect(),
        ..PageRequest::default()
    }
}

fn with(rule: CorsRule, page: &PageRequest) -> Evaluation {
    evaluate(Bucket::Configured(&configuration(&[rule])), Profile::aws(), page)
}

fn everything() -> CorsRule {
    rule(PAGE, "GET,PUT,POST,DELETE,HEAD", "*", "ETag")
}

/// What the preflight asks for; `None` when there is none.
fn asked(page: &PageRequest) -> Option<String> {
    let found = with(everything(), page);
    let request = &found.preflight()?.request;
    Some(request.request_headers.clone().unwrap_or_default())
}

#[test]
fn simple_requests_do_not_ask() {
    let long = "a".repeat(128);
    for (method, name, value) in [
        ("GET", "accept", "text/html, */*;q=0.1"),
        ("GET", "accept", long.as_str()),
        ("HEAD", "Accept-Language", "en-GB, *;q=0.5"),
        ("POST", "content-language", "de"),
        ("POST", "content-type", "text/plain;charset=utf-8"),
        ("POST", "content-type", "Multipart/Form-Data; boundary=x"),
        ("POST", "content-type", "application/x-www-form-urlencoded"),
        ("get", "range", "bytes=0-"),
        ("GET", "range", "bytes=9-10"),
        ("GET", "range", "bytes=00010-100000000000000000000000"),
        ("GET", "content-length", "5"),
        ("GET", "Sec-Anything", "1"),
        ("GET", "Cookie", "a=b"),
        ("POST", "X-HTTP-Method-Override", "TRACE"),
    ] {
        assert_eq!(asked(&page(method, &[(name, value)])), None, "{method} {name}: {value}");
    }
}

#[test]
fn all_else_asks() {
    let long = "a".repeat(129);
    for (method, name, value) in [
        ("GET", "accept", "text/html(x)"),
        ("GET", "accept", long.as_str()),
        ("GET", "accept-language", "en_GB"),
        ("POST", "content-type", "application/json"),
        ("POST", "content-type", "text/plain;x=\"1\""),
        ("POST", "content-type", "image/png"),
        ("GET", "range", "bytes=-500"),
        ("GET", "range", "bytes=10-9"),
        ("GET", "range", "bytes=0-9,20-29"),
        ("GET", "range", "bytes= 0-9"),
        ("GET", "range", "items=0-9"),
        ("GET", "authorization", "x"),
        ("GET", "if-none-match", "x"),
        ("POST", "x-http-method-override", "PUT"),
    ] {
        assert_eq!(asked(&page(method, &[(name, value)])).as_deref(), Some(name), "{method} {name}: {value}");
    }
    assert_eq!(asked(&page("DELETE", &[])).as_deref(), Some(""));
}

#[test]
fn many_simple_headers_together_ask() {
    let value = "a".repeat(120);
    let languages: Vec<(&str, &str)> = vec![("accept", &value); 9];
    assert_eq!(asked(&page("GET", &languages)).as_deref(), Some("accept"));
    assert_eq!(asked(&page("GET", &languages[..8])), None);
}

#[test]
fn what_is_asked_for_is_sorted_in_lower_case_and_joined_with_commas() {
    let headers =
        [("X-Amz-Date", "1"), ("Content-Type", "image/png"), ("Host", "x"), ("x-amz-date", "2"), ("A", "1")];
    assert_eq!(asked(&page("PUT", &headers)).as_deref(), Some("a,content-type,x-amz-date"));
}

#[test]
fn the_type_of_the_body_counts_unless_the_script_sets_one() {
    let body = |body: &str, headers: &[(&str, &str)]| {
        asked(&PageRequest { body_content_type: Some(body.to_owned()), ..page("POST", headers) })
    };
    assert_eq!(body("image/png", &[]).as_deref(), Some("content-type"));
    assert_eq!(body("image/png", &[("Content-Type", "text/plain")]), None);
    assert_eq!(body("multipart/form-data; boundary=x", &[]), None);
}

#[test]
fn progress_of_an_upload_and_streams_ask() {
    for upload in [Upload::WithProgress, Upload::Streamed] {
        let one = PageRequest { upload, ..page("POST", &[]) };
        assert_eq!(asked(&one).as_deref(), Some(""), "{upload:?}");
        let found = with(rule(PAGE, "GET", "", ""), &one);
        assert!(!found.verdict.sent, "the upload is kept back");
    }
}

#[test]
fn methods_are_put_right_only_where_the_standard_does_it() {
    assert!(with(everything(), &page("put", &[])).verdict.succeeds);
    let patch = with(everything(), &page("patch", &[])).verdict;
    assert!(!patch.sent && patch.reason.contains("lists no `patch` in AllowedMethods"), "{}", patch.reason);
    for method in ["CONNECT", "trace", "", "GE T"] {
        let found = with(everything(), &page(method, &[]));
        assert!(!found.verdict.sent && found.hops.is_empty(), "{method}");
    }
}

#[test]
fn a_script_cannot_set_just_any_header() {
    for (name, value) in [("", "1"), ("a b", "1"), ("a", "1\n2")] {
        let found = with(everything(), &page("GET", &[(name, value)]));
        assert!(found.verdict.reason.contains("no header that a script can set"), "{}", found.verdict.reason);
    }
}

#[test]
fn a_preflight_is_kept_as_long_as_each_browser_does() {
    let kept = |seconds: Option<i32>| {
        let one = CorsRule { max_age_seconds: seconds, ..everything() };
        let cache = with(one, &page("PUT", &[])).hops[0].preflight_cache.unwrap();
        (cache.chromium_seconds, cache.firefox_seconds)
    };
    assert_eq!(kept(None), (5, 5));
    assert_eq!(kept(Some(0)), (0, 0));
    assert_eq!(kept(Some(-1)), (0, 0));
    assert_eq!(kept(Some(3_600)), (3_600, 3_600));
    assert_eq!(kept(Some(1_000_000)), (7_200, 86_400));
    let refused = with(rule(PAGE, "GET", "", ""), &page("PUT", &[]));
    assert_eq!(refused.hops[0].preflight_cache, None);
}

fn redirected(redirects: &[Redirect], page: PageRequest) -> PageRequest {
    PageRequest { redirects: redirects.to_vec(), ..page }
}

const fn redirect(status: u16, by: RedirectBy, same_origin: bool) -> Redirect {
    Redirect { status, by, same_origin }
}

#[test]
fn a_redirect_of_a_wrong_endpoint_is_an_error_of_cors() {
    let wrong = [redirect(307, RedirectBy::WrongEndpoint, false)];
    let put = with(everything(), &redirected(&wrong, page("PUT", &[]))).verdict;
    assert!(!put.sent && put.reason.contains("redirected with 307"), "{}", put.reason);
    let get = with(everything(), &redirected(&wrong, page("GET", &[]))).verdict;
    assert!(
        get.sent && !get.succeeds && get.reason.contains("no Access-Control-Allow-Origin"),
        "{}",
        get.reason
    );
}

#[test]
fn after_a_redirect_to_another_origin_the_origin_is_null() {
    let one = redirected(&[redirect(302, RedirectBy::Bucket, false)], page("GET", &[]));
    let found = with(everything(), &one);
    assert_eq!(found.hops.len(), 2);
    assert_eq!(found.hops[1].actual.as_ref().unwrap().request.origin.as_deref(), Some("null"));
    assert!(!found.verdict.succeeds && found.verdict.reason.contains("`null`"), "{}", found.verdict.reason);
    assert!(with(rule("*", "GET", "", ""), &one).verdict.succeeds);
    let same = redirected(&[redirect(302, RedirectBy::Bucket, true)], page("GET", &[]));
    assert!(with(everything(), &same).verdict.succeeds);
}

#[test]
fn a_redirect_changes_the_method_and_drops_the_authorization() {
    let after = |status: u16, method: &str, same_origin: bool| {
        let one = redirected(
            &[redirect(status, RedirectBy::Bucket, same_origin)],
            page(method, &[("content-type", "text/plain"), ("authorization", "x")]),
        );
        let found = with(CorsRule { allowed_origins: vec!["*".to_owned()], ..everything() }, &one);
        let last = found.hops[1].clone();
        let names = last.preflight.and_then(|exchange| exchange.request.request_headers);
        let request = last.actual.unwrap().request;
        (request.method, request.is_authorized, names)
    };
    let signed = |method: &str| (method.to_owned(), true, Some("authorization".to_owned()));
    assert_eq!(after(303, "PUT", true), signed("GET"));
    assert_eq!(after(302, "POST", true), signed("GET"));
    assert_eq!(after(302, "PUT", true), signed("PUT"));
    assert_eq!(after(307, "POST", true), signed("POST"));
    assert_eq!(after(307, "POST", false), ("POST".to_owned(), false, None));
}

#[test]
fn redirects_come_to_an_end() {
    let round = [redirect(307, RedirectBy::Bucket, true); 30];
    let found = with(everything(), &redirected(&round, page("GET", &[])));
    assert!(
        !found.verdict.succeeds && found.verdict.reason.contains("more than 20"),
        "{}",
        found.verdict.reason
    );
    let none = with(everything(), &redirected(&[redirect(200, RedirectBy::Bucket, true)], page("GET", &[])));
    assert!(none.verdict.reason.contains("200 is no status that redirects"), "{}", none.verdict.reason);
}

#[test]
fn mixed_content_is_no_matter_of_cors() {
    let to = |origin: &str, endpoint: &str| {
        let one = PageRequest {
            endpoint: Some(endpoint.to_owned()),
            origin: Some(origin.to_owned()),
            ..page("GET", &[])
        };
        with(rule("*", "GET", "", ""), &one).verdict
    };
    let mixed = to(PAGE, "http://minio.internal:9000/bucket");
    assert!(!mixed.sent && mixed.reason.contains("mixed content"), "{}", mixed.reason);
    for endpoint in
        ["http://localhost:9000", "http://127.0.0.1:9000", "http://[::1]:9000", "https://s3.example"]
    {
        assert!(to(PAGE, endpoint).succeeds, "{endpoint}");
    }
    assert!(to("http://app.example.com", "https://s3.example").succeeds);
}

#[test]
fn the_same_origin_needs_no_cors() {
    let one =
        PageRequest { endpoint: Some("https://app.example.com:443/files/x".to_owned()), ..page("PUT", &[]) };
    let found = evaluate(Bucket::NotSet, Profile::aws(), &one);
    assert!(found.verdict.succeeds && found.verdict.can_read("x-amz-anything"), "{:?}", found.verdict);
    let other =
        PageRequest { endpoint: Some("https://app.example.com:8443/x".to_owned()), ..page("PUT", &[]) };
    assert!(!evaluate(Bucket::NotSet, Profile::aws(), &other).verdict.succeeds);
}

#[test]
fn elements_and_forms_need_no_cors_and_read_nothing() {
    for initiator in [Initiator::Element, Initiator::Navigation] {
        let one = PageRequest { initiator, ..page("POST", &[]) };
        let verdict = evaluate(Bucket::NotSet, Profile::aws(), &one).verdict;
        assert!(verdict.succeeds && verdict.sent && !verdict.can_read("content-type"), "{verdict:?}");
    }
}

#[test]
fn a_star_stands_for_nothing_when_credentials_go_along() {
    let storj = Profile::find("storj").unwrap();
    let one = page("PUT", &[("x-amz-acl", "private")]);
    let open = evaluate(Bucket::NotSet, storj, &one).verdict;
    assert!(open.succeeds && open.can_read("anything"), "{}", open.reason);
    let signed = evaluate(Bucket::NotSet, storj, &page("GET", &[("authorization", "x")])).verdict;
    assert!(signed.reason.contains("`*`, which does not stand for `authorization`"), "{}", signed.reason);
    let cookies = PageRequest { credentials: Credentials::Include, ..one };
    assert!(!evaluate(Bucket::NotSet, storj, &cookies).verdict.succeeds);
}

#[test]
fn the_same_origin_mode_sends_no_credentials_to_a_bucket() {
    let found = with(
        rule("*", "GET", "", ""),
        &PageRequest { credentials: Credentials::SameOrigin, ..page("GET", &[]) },
    );
    assert!(found.verdict.succeeds);
}
