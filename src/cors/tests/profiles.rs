//! How the stores differ: one test for each difference that the specification names.

use super::{configuration, rule};
use crate::cors::{
    Bucket, CorsConfiguration, CorsHeaders, CorsRule, Evaluation, Header, PageRequest, Profile, StoreAnswer,
    StoreRequest, answer, evaluate,
};

const PAGE: &str = "https://app.example.com";

fn profile(name: &str) -> &'static Profile {
    Profile::find(name).unwrap()
}

fn preflight(name: &str, bucket: Bucket<'_>, method: &str, headers: &str) -> StoreAnswer {
    let request = StoreRequest {
        method: "OPTIONS".to_owned(),
        origin: Some(PAGE.to_owned()),
        request_method: Some(method.to_owned()),
        request_headers: Some(headers.to_owned()).filter(|headers| !headers.is_empty()),
        is_authorized: false,
    };
    answer(bucket, profile(name), &request, 200)
}

fn actual(name: &str, found: &CorsConfiguration, is_authorized: bool) -> CorsHeaders {
    let request = StoreRequest {
        method: "GET".to_owned(),
        origin: Some(PAGE.to_owned()),
        is_authorized,
        ..StoreRequest::default()
    };
    answer(Bucket::Configured(found), profile(name), &request, 200).headers
}

fn by_page(name: &str, found: &CorsConfiguration, method: &str, headers: &[&str]) -> Evaluation {
    let page = PageRequest {
        origin: Some(PAGE.to_owned()),
        method: method.to_owned(),
        headers: headers.iter().map(|name| Header::new(name, "1")).collect(),
        ..PageRequest::default()
    };
    evaluate(Bucket::Configured(found), profile(name), &page)
}

fn get_then_put() -> CorsConfiguration {
    configuration(&[rule(PAGE, "GET", "", ""), rule(PAGE, "PUT", "content-type", "ETag")])
}

#[test]
fn names_are_found_and_unique() {
    for one in Profile::all() {
        assert_eq!(Profile::find(one.name), Some(*one));
        assert_eq!(Profile::all().iter().filter(|other| other.name == one.name).count(), 1);
    }
    assert_eq!((Profile::aws().name, Profile::find("s4")), ("aws", None));
}

#[test]
fn ceph_chooses_by_the_origin_alone() {
    let found = get_then_put();
    assert_eq!(preflight("aws", Bucket::Configured(&found), "PUT", "").rule, Some(1));
    assert_eq!(preflight("ceph", Bucket::Configured(&found), "PUT", "").status, 403);
    assert_eq!(preflight("ceph_whole", Bucket::Configured(&found), "PUT", "").rule, Some(1));
}

#[test]
fn ceph_answers_what_was_asked_for() {
    let found = configuration(&[rule("*", "PUT,GET", "content-type,x-amz-*", "")]);
    let answered = preflight("ceph", Bucket::Configured(&found), "PUT", "content-type,x-amz-acl");
    let headers = &answered.headers;
    assert_eq!((answered.status, headers.allow_headers.as_deref()), (200, Some("content-type,x-amz-acl")));
    assert_eq!(
        (headers.allow_methods.as_deref(), headers.allow_origin.as_deref()),
        (Some("PUT"), Some(PAGE))
    );
    assert_eq!(preflight("ceph", Bucket::Configured(&found), "PUT", "range").status, 403);
    let verdict = by_page("ceph", &found, "PUT", &["content-type", "range"]).verdict;
    assert!(!verdict.sent && verdict.reason.contains("lists no `range`"), "{}", verdict.reason);
}

#[test]
fn moto_leaves_out_headers_and_the_browser_then_refuses() {
    let found = configuration(&[rule(PAGE, "PUT", "content-type", "")]);
    let verdict = by_page("moto", &found, "PUT", &["content-type", "x-amz-acl"]).verdict;
    assert!(!verdict.sent && verdict.reason.contains("does not name `x-amz-acl`"), "{}", verdict.reason);
    assert!(by_page("moto", &found, "PUT", &["content-type"]).verdict.succeeds);
}

#[test]
fn ceph_echoes_the_origin_to_signed_requests() {
    let found = configuration(&[rule("*", "GET", "*", "")]);
    let headers = actual("ceph", &found, false);
    assert_eq!((headers.allow_origin.as_deref(), headers.vary.as_deref()), (Some("*"), None));
    let headers = actual("ceph", &found, true);
    assert_eq!((headers.allow_origin.as_deref(), headers.vary.as_deref()), (Some(PAGE), Some("Origin")));
    assert_eq!(headers.allow_credentials, None);
}

#[test]
fn minio_lets_everybody_in_whatever_the_bucket_says() {
    let found = configuration(&[rule("https://other.example", "GET", "", "")]);
    let verdict = by_page("minio", &found, "PUT", &["x-amz-acl"]).verdict;
    assert!(verdict.succeeds && verdict.can_read("ETag"), "{}", verdict.reason);
}

#[test]
fn garage_joins_the_origins_of_a_rule() {
    let two = configuration(&[rule("https://app.example.com,https://b.example.com", "GET", "", "")]);
    let verdict = by_page("garage", &two, "GET", &[]).verdict;
    assert!(
        verdict.reason.contains("`https://app.example.com, https://b.example.com`"),
        "{}",
        verdict.reason
    );
    let one = CorsRule { max_age_seconds: Some(60), ..rule(PAGE, "*", "*", "") };
    let one = configuration(&[one]);
    let found = by_page("garage", &one, "PUT", &["x-amz-acl"]);
    assert!(found.verdict.succeeds, "{}", found.verdict.reason);
    let headers = &found.preflight().unwrap().answer.headers;
    assert_eq!(
        (headers.max_age, headers.vary.as_deref(), headers.allow_credentials.as_deref()),
        (None, None, None)
    );
    assert!(!by_page("garage", &one, "PUT", &["authorization"]).verdict.succeeds);
}

#[test]
fn garage_compares_names_as_they_are_written() {
    let found = configuration(&[rule(PAGE, "PUT", "Content-Type", "")]);
    assert!(!by_page("garage", &found, "PUT", &["content-type"]).verdict.succeeds);
    let pattern = configuration(&[rule("https://*.example.com", "GET", "", "")]);
    assert!(!by_page("garage", &pattern, "GET", &[]).verdict.succeeds);
    assert_eq!(preflight("garage", Bucket::Missing, "PUT", "").status, 200);
    assert_eq!(preflight("garage", Bucket::NotSet, "PUT", "").status, 403);
}

#[test]
fn rustfs_exposes_on_the_answer_and_keeps_on_the_preflight() {
    let found =
        configuration(&[CorsRule { max_age_seconds: Some(60), ..rule(PAGE, "PUT,GET", "*", "ETag") }]);
    let asked = preflight("rustfs", Bucket::Configured(&found), "PUT", "x-amz-acl").headers;
    assert_eq!((asked.max_age, asked.expose_headers.as_deref()), (Some(60), None));
    assert_eq!(asked.allow_headers.as_deref(), Some("*"));
    let got = actual("rustfs", &found, false);
    assert_eq!((got.max_age, got.expose_headers.as_deref()), (None, Some("ETag")));
    let star = configuration(&[rule("*", "GET", "", "")]);
    let signed = actual("rustfs", &star, true);
    assert_eq!(
        (signed.allow_origin.as_deref(), signed.allow_credentials.as_deref()),
        (Some(PAGE), Some("true"))
    );
    let partial = configuration(&[rule(PAGE, "PUT", "x-amz-*", "")]);
    assert!(!by_page("rustfs", &partial, "PUT", &["x-amz-acl"]).verdict.succeeds);
}

#[test]
fn r2_takes_exact_origins_and_needs_time() {
    let pattern = configuration(&[rule("https://*.example.com", "GET", "", "")]);
    assert!(!by_page("r2", &pattern, "GET", &[]).verdict.succeeds);
    assert_eq!((profile("r2").propagation_seconds, profile("aws").propagation_seconds), (30, 5));
}

#[test]
fn moto_asks_every_rule_and_checks_no_method() {
    let found = get_then_put();
    let answered = preflight("moto", Bucket::Configured(&found), "DELETE", "");
    assert_eq!((answered.status, answered.headers.allow_methods.as_deref()), (200, Some("PUT")));
    let other = configuration(&[rule(PAGE, "GET", "", ""), rule("https://b.example.com", "GET", "", "")]);
    assert_eq!(preflight("moto", Bucket::Configured(&other), "GET", "").status, 403);
    assert_eq!(actual("moto", &other, false).allow_origin.as_deref(), Some(PAGE));
    assert_eq!(preflight("moto", Bucket::NotSet, "PUT", "x-amz-acl").status, 200);
    assert_eq!(preflight("moto", Bucket::Missing, "PUT", "").status, 403);
}

#[test]
fn localstack_wants_a_character_for_a_star_and_lets_its_own_pages_in() {
    let found = configuration(&[rule("https://*app.example.com", "GET", "", "")]);
    assert!(by_page("aws", &found, "GET", &[]).verdict.succeeds);
    assert!(!by_page("localstack", &found, "GET", &[]).verdict.succeeds);
    let page =
        PageRequest { origin: Some("https://app.localstack.cloud".to_owned()), ..PageRequest::default() };
    assert!(evaluate(Bucket::NotSet, profile("localstack"), &page).verdict.succeeds);
    assert_eq!(preflight("localstack", Bucket::NotSet, "PUT", "").status, 403);
}

#[test]
fn versity_always_exposes_the_etag_and_says_false() {
    let star = configuration(&[rule("*", "GET", "", "")]);
    let headers = actual("versity", &star, false);
    assert_eq!(
        (headers.allow_credentials.as_deref(), headers.expose_headers.as_deref()),
        (Some("false"), Some("ETag"))
    );
    let both = configuration(&[rule("https://app.example.com,*", "GET", "", "etag")]);
    let headers = actual("versity", &both, false);
    assert_eq!(
        (headers.allow_origin.as_deref(), headers.expose_headers.as_deref()),
        (Some(PAGE), Some("etag"))
    );
    assert_eq!(actual("aws", &both, false).allow_origin.as_deref(), Some("*"));
}
