//! The cases of the specification, section 4: one test each, data in `fixtures/cors/cases.json`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{read, root};
use crate::cors::{
    Bucket, CorsConfiguration, Exchange, PageRequest, Profile, StoreAnswer, StoreRequest, answer, evaluate,
};

#[derive(Deserialize)]
struct Case {
    name: String,
    number: Option<u32>,
    configuration: Option<String>,
    page: Option<PageRequest>,
    raw: Option<Raw>,
    preflight: Option<Expected>,
    actual: Option<Expected>,
    verdict: Option<ExpectedVerdict>,
    error: Option<ExpectedError>,
}

/// A request that no browser makes.
#[derive(Deserialize)]
struct Raw {
    method: String,
    origin: Option<String>,
    request_method: Option<String>,
    request_headers: Option<String>,
    status: u16,
}

#[derive(Deserialize)]
struct Expected {
    status: u16,
    rule: Option<usize>,
    headers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct ExpectedVerdict {
    succeeds: bool,
    sent: bool,
    status: Option<u16>,
    reads: Vec<String>,
    does_not_read: Vec<String>,
    says: String,
}

#[derive(Deserialize)]
struct ExpectedError {
    code: String,
    resource_type: Option<String>,
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(root("fixtures/cors/cases.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn check(name: &str) {
    let case = cases().into_iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no case {name}"));
    let found = case.configuration.as_deref().map(named);
    let bucket = found.as_ref().map_or(Bucket::NotSet, Bucket::Configured);
    match (&case.page, &case.raw) {
        (Some(page), None) => check_page(&case, bucket, page),
        (None, Some(raw)) => check_raw(&case, bucket, raw),
        _ => panic!("a case has a page or a raw request"),
    }
}

fn named(name: &str) -> CorsConfiguration {
    let is_xml = root(&format!("fixtures/cors/configurations/{name}.xml")).exists();
    let ending = if is_xml { "xml" } else { "json" };
    let document = read(&format!("fixtures/cors/configurations/{name}.{ending}"));
    assert!(document.findings.is_empty(), "{:?}", document.findings);
    document.configuration
}

fn check_raw(case: &Case, bucket: Bucket<'_>, raw: &Raw) {
    let request = StoreRequest {
        method: raw.method.clone(),
        origin: raw.origin.clone(),
        request_method: raw.request_method.clone(),
        request_headers: raw.request_headers.clone(),
        is_authorized: false,
    };
    let found = answer(bucket, Profile::aws(), &request, raw.status);
    let expected = case.preflight.as_ref().or(case.actual.as_ref()).unwrap();
    check_answer(&found, expected);
    check_error(&found, case.error.as_ref());
}

fn check_page(case: &Case, bucket: Bucket<'_>, page: &PageRequest) {
    let found = evaluate(bucket, Profile::aws(), page);
    for (exchange, expected) in [(found.preflight(), &case.preflight), (found.actual(), &case.actual)] {
        match (exchange, expected) {
            (Some(Exchange { answer, .. }), Some(expected)) => check_answer(answer, expected),
            (None, None) => {}
            (found, expected) => panic!("{found:?} and expected: {}", expected.is_some()),
        }
    }
    assert_eq!(found.preflight().is_some(), !found.preflight_reasons.is_empty());
    if let Some(exchange) = found.preflight() {
        check_error(&exchange.answer, case.error.as_ref());
    }
    let expected = case.verdict.as_ref().unwrap();
    let verdict = &found.verdict;
    assert_eq!(
        (verdict.succeeds, verdict.sent, verdict.status),
        (expected.succeeds, expected.sent, expected.status),
        "{verdict:?}"
    );
    assert!(verdict.reason.contains(&expected.says), "{}", verdict.reason);
    for header in &expected.reads {
        assert!(verdict.can_read(header), "{header}: {verdict:?}");
    }
    for header in &expected.does_not_read {
        assert!(!verdict.can_read(header), "{header}: {verdict:?}");
    }
    let unreadable: Vec<String> = page.read.iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(verdict.unreadable_headers, if expected.succeeds { unreadable } else { Vec::new() });
}

fn check_answer(found: &StoreAnswer, expected: &Expected) {
    let headers: BTreeMap<String, String> = found
        .headers
        .pairs()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into_owned()))
        .collect();
    assert_eq!((found.status, found.rule), (expected.status, expected.rule), "{found:?}");
    assert_eq!(headers, expected.headers);
}

fn check_error(found: &StoreAnswer, expected: Option<&ExpectedError>) {
    let found = found.error.map(|error| (error.code.to_owned(), error.resource_type.map(str::to_owned)));
    assert_eq!(found, expected.map(|error| (error.code.clone(), error.resource_type.clone())));
}

macro_rules! cases {
    ($($name:ident,)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )*
    };
}

cases! {
    case_01_put_of_an_image,
    case_02_simple_get,
    case_03_get_from_another_scheme,
    case_04_put_from_another_scheme,
    case_05_put_from_another_port,
    case_06_delete_that_is_not_listed,
    case_07_get_without_an_origin,
    case_08_preflight_without_an_origin,
    case_09_preflight_without_a_method,
    case_10_get_with_a_referer_only,
    case_11_get_that_asks_for_put,
    case_13_get_with_credentials,
    case_15_get_from_any_origin,
    case_16_get_with_a_header_that_no_rule_lists,
    case_17_get_with_credentials_answered_with_a_star,
    case_18_get_from_an_opaque_origin,
    case_19_get_of_one_range,
    case_20_get_of_two_ranges,
    case_21_head_that_is_not_listed,
    case_22_form_post_happens_unseen,
    case_24_put_with_an_acl_by_wildcard,
    case_25_star_spans_dots,
    case_26_star_with_a_dot_needs_the_dot,
    case_27_get_falls_to_the_second_rule,
    case_28_get_signed_in_a_header,
    case_30_put_from_a_name_that_only_ends_so,
    case_31_put_with_a_checksum,
    case_32_put_signed_in_a_header,
    case_33_header_names_in_capitals,
    case_34_odd_blanks_between_header_names,
    case_36_star_at_the_start,
    case_37_star_for_nothing,
    case_38_start_that_is_not_at_the_start,
    case_39_first_of_two_that_match,
    case_40_method_of_another_rule,
    case_40_method_of_its_own_rule,
    case_42_get_of_a_missing_key,
    case_43_preflight_without_a_configuration,
    case_44_get_without_a_configuration,
    case_46_any_port_of_localhost,
    case_47_localhost_without_a_port,
    case_48_slash_at_the_end,
    case_49_presigned_put_from_any_origin,
    case_51_expired_presigned_put,
    c5_put_needs_the_second_rule,
    c5_get_with_a_header_is_in_neither_rule,
    c7_put_from_a_page,
    c11_null_is_echoed,
    c11_null_is_no_star,
    c12_a_star_next_to_an_origin_answers_a_star,
}

#[test]
fn every_case_of_the_specification_is_there_and_has_its_test() {
    let numbers: BTreeSet<u32> = cases().iter().filter_map(|case| case.number).collect();
    let specified = [
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 16, 17, 18, 19, 20, 21, 22, 24, 25, 26, 27, 28, 30, 31,
        32, 33, 34, 36, 37, 38, 39, 40, 42, 43, 44, 46, 47, 48, 49, 51,
    ];
    assert_eq!(numbers, BTreeSet::from(specified));
    let named: Vec<String> = cases().into_iter().map(|case| case.name).collect();
    assert_eq!(named, NAMES);
    for case in cases() {
        let prefix = case.number.map(|number| format!("case_{number:02}_")).unwrap_or_default();
        assert!(case.name.starts_with(&prefix), "{}", case.name);
    }
}
