//! A configuration that is extended does what is wanted, and keeps what it allowed.

use proptest::prelude::{ProptestConfig, prop_assert, proptest};

use super::{configuration, generate, rule};
use crate::cors::{
    Bucket, CorsConfiguration, CorsRule, Credentials, Operation, PageRequest, Profile, Signing, Use,
    evaluate, extend, requests,
};

fn stated(origin: &str, operations: &[Operation]) -> Use {
    Use {
        origins: vec![origin.to_owned()],
        operations: operations.to_vec(),
        signing: Signing::Presigned,
        checksums: false,
        credentials: Credentials::Omit,
        request_headers: Vec::new(),
        read_headers: Vec::new(),
    }
}

fn works(configuration: &CorsConfiguration, profile: &Profile, request: &PageRequest) -> bool {
    let verdict = evaluate(Bucket::Configured(configuration), profile, request).verdict;
    verdict.succeeds && request.read.iter().all(|header| verdict.can_read(header))
}

/// The rules of the present configuration extended for uploads and parts from the origin.
fn extended(rules: &[CorsRule], origin: &str, profile: &Profile) -> (Vec<CorsRule>, bool) {
    let uses = [stated(origin, &[Operation::Put, Operation::PutParts])];
    let found = extend(&configuration(rules), &uses, profile).unwrap();
    for request in requests(&uses).unwrap() {
        assert!(works(&found.configuration, profile, &request), "{request:?} with {found:?}");
    }
    (found.configuration.rules, found.keeps)
}

#[test]
fn what_works_already_stays_as_it_is() {
    let present = [rule("https://a.example", "PUT", "*", "ETag")];
    assert_eq!(extended(&present, "https://a.example", Profile::aws()), (present.to_vec(), true));
}

#[test]
fn a_rule_for_other_origins_stays_before_the_one_that_comes() {
    let present = [rule("https://other.example", "GET", "", "")];
    let (rules, keeps) = extended(&present, "https://a.example", Profile::aws());
    assert!(keeps);
    assert_eq!((rules.len(), &rules[0]), (2, &present[0]), "{rules:?}");
}

#[test]
fn a_store_that_takes_the_first_rule_of_an_origin_gets_more_in_that_rule() {
    let present = [rule("https://a.example", "GET", "", "x-amz-version-id")];
    let (rules, keeps) = extended(&present, "https://a.example", Profile::find("ceph").unwrap());
    assert!(keeps);
    assert_eq!(rules.len(), 1, "{rules:?}");
    assert_eq!(rules[0].allowed_methods, ["GET", "PUT"]);
    assert_eq!(rules[0].expose_headers, ["x-amz-version-id", "ETag"]);
}

#[test]
fn a_header_that_the_taking_rule_hides_is_added_there() {
    let present = [rule("https://a.example", "PUT", "*", "")];
    let (rules, keeps) = extended(&present, "https://a.example", Profile::aws());
    assert!(keeps);
    assert_eq!((rules.len(), &rules[0].expose_headers[..]), (1, &["ETag".to_owned()][..]), "{rules:?}");
    assert_eq!(rules[0].allowed_headers, ["*"], "`*` stands for the rest");
}

#[test]
fn a_rule_for_everybody_is_not_widened_for_one_origin() {
    let present = [rule("*", "PUT", "*", "")];
    let (rules, _) = extended(&present, "https://a.example", Profile::aws());
    let of_everybody: Vec<&CorsRule> =
        rules.iter().filter(|rule| rule.allowed_origins.contains(&"*".to_owned())).collect();
    assert!(of_everybody.iter().all(|rule| **rule == present[0]), "{rules:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_extension_does_what_is_wanted(
        present in generate::configuration(),
        uses in generate::uses(),
        profile in generate::profile(),
    ) {
        if let Ok(found) = extend(&present, &uses, profile) {
            for request in requests(&uses).unwrap() {
                prop_assert!(works(&found.configuration, profile, &request), "{:?}", request);
            }
        }
    }
}
