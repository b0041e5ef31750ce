//! A recommendation works for every stated use, and nothing in it could go.

use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::TestCaseError;

use super::{generate, rule};
use crate::cors::{
    Bucket, CorsConfiguration, CorsRule, Credentials, List, Operation, PageRequest, Profile, RecommendError,
    Recommendation, Severity, Signing, Use, evaluate, recommend, validate,
};

fn stated(origins: &[&str], operations: &[Operation]) -> Use {
    Use {
        origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
        operations: operations.to_vec(),
        signing: Signing::Presigned,
        checksums: false,
        credentials: Credentials::Omit,
        request_headers: Vec::new(),
        read_headers: Vec::new(),
    }
}

fn for_aws(uses: &[Use]) -> Recommendation {
    recommend(uses, Profile::aws()).unwrap()
}

fn works(configuration: &CorsConfiguration, profile: &Profile, request: &PageRequest) -> bool {
    let verdict = evaluate(Bucket::Configured(configuration), profile, request).verdict;
    verdict.succeeds && request.read.iter().all(|header| verdict.can_read(header))
}

/// Every configuration that is smaller by one value, or by a rule, and that a store takes.
fn smaller(configuration: &CorsConfiguration) -> Vec<CorsConfiguration> {
    let mut all = Vec::new();
    for (index, found) in configuration.rules.iter().enumerate() {
        let mut one = configuration.clone();
        one.rules.remove(index);
        all.push(one);
        for list in List::ALL {
            let is_needed = matches!(list, List::AllowedOrigins | List::AllowedMethods);
            if is_needed && found.list(list).len() == 1 {
                continue;
            }
            for value in 0..found.list(list).len() {
                let mut one = configuration.clone();
                one.rules[index].list_mut(list).remove(value);
                all.push(one);
            }
        }
    }
    all
}

fn check(uses: &[Use], profile: &'static Profile) -> Result<bool, TestCaseError> {
    let found = match recommend(uses, profile) {
        Ok(found) => found,
        Err(RecommendError::NoBucketCors { .. }) => {
            prop_assert!(matches!(profile.name, "minio" | "storj"));
            return Ok(false);
        }
        Err(error) => {
            // a reason has to be one of the store
            prop_assert!(
                profile.name != "aws" && profile.name != "r2" || error_is_of_uses(&error),
                "{}",
                error
            );
            return Ok(false);
        }
    };
    let configuration = &found.configuration;
    prop_assert!(!found.requests.is_empty());
    for request in &found.requests {
        prop_assert!(works(configuration, profile, request), "{:?}\n{:#?}", request, configuration);
    }
    for one in smaller(configuration) {
        let breaks = found.requests.iter().any(|request| !works(&one, profile, request));
        prop_assert!(breaks, "not needed:\n{:#?}\n{:#?}", configuration, one);
    }
    let worst =
        validate(configuration, profile, &[]).into_iter().filter(|found| found.severity == Severity::Error);
    prop_assert_eq!(worst.collect::<Vec<_>>(), []);
    Ok(true)
}

fn error_is_of_uses(error: &RecommendError) -> bool {
    match error {
        RecommendError::Overlap { .. } => true,
        RecommendError::Impossible { reason, .. } => reason.contains("AllowedOrigins"),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn it_works_for_every_use_and_nothing_could_go(uses in generate::uses()) {
        prop_assert!(check(&uses, Profile::aws())?, "exact origins always work with S3");
        // what no use asks for is asked for by nobody
        let found = validate(&for_aws(&uses).configuration, Profile::aws(), &[]);
        let worse = found.into_iter().filter(|found| found.severity > Severity::Suggestion);
        prop_assert_eq!(worse.collect::<Vec<_>>(), []);
    }

    #[test]
    fn it_works_for_origins_that_hold_one_another(uses in generate::nested_uses()) {
        prop_assert!(check(&uses, Profile::aws())?);
    }

    #[test]
    fn it_works_with_every_store_or_says_why_not(uses in generate::uses(), profile in generate::profile()) {
        check(&uses, profile)?;
    }

    #[test]
    fn the_order_of_uses_does_not_matter(uses in generate::nested_uses()) {
        let reversed: Vec<Use> = uses.iter().rev().cloned().collect();
        prop_assert_eq!(for_aws(&uses).configuration, for_aws(&reversed).configuration);
    }
}

#[test]
fn each_operation_asks_for_what_it_needs() {
    let page = "https://app.example.com";
    let expected = [
        (Operation::List, "GET", "", ""),
        (Operation::Get, "GET", "", ""),
        (Operation::GetRange, "GET", "range", "Accept-Ranges,Content-Range"),
        (Operation::Head, "HEAD", "", ""),
        (Operation::Put, "PUT", "content-type", ""),
        (Operation::PutParts, "PUT", "content-type", "ETag"),
        (Operation::Multipart, "PUT,POST,DELETE", "content-type", "ETag"),
        (Operation::FormPost, "POST", "", ""),
        (Operation::Delete, "DELETE", "", ""),
    ];
    assert_eq!(expected.len(), Operation::ALL.len());
    for (operation, methods, headers, exposed) in expected {
        let expected = CorsRule { max_age_seconds: Some(3600), ..rule(page, methods, headers, exposed) };
        assert_eq!(
            for_aws(&[stated(&[page], &[operation])]).configuration.rules,
            [expected],
            "{operation:?}"
        );
    }
}

#[test]
fn signing_in_headers_and_checksums_are_listed_by_name() {
    let one = Use {
        signing: Signing::Headers,
        checksums: true,
        ..stated(&["https://a.example"], &[Operation::Put])
    };
    let headers = &for_aws(&[one]).configuration.rules[0].allowed_headers;
    for name in
        ["authorization", "x-amz-date", "x-amz-security-token", "x-amz-checksum-crc32", "content-type"]
    {
        assert!(headers.iter().any(|header| header == name), "{name}: {headers:?}");
    }
    assert!(!headers.iter().any(|header| header.contains('*')), "{headers:?}");
}

#[test]
fn checksums_of_downloads_are_exposed() {
    let one = Use { checksums: true, ..stated(&["https://a.example"], &[Operation::Get]) };
    let expected = CorsRule {
        max_age_seconds: Some(3600),
        ..rule(
            "https://a.example",
            "GET",
            "x-amz-checksum-mode",
            "x-amz-checksum-crc32,x-amz-checksum-crc64nvme",
        )
    };
    assert_eq!(for_aws(&[one]).configuration.rules, [expected]);
}

#[test]
fn origins_with_the_same_use_share_a_rule() {
    let uses = [
        stated(&["https://a.example", "https://b.example"], &[Operation::Get]),
        stated(&["https://c.example"], &[Operation::Put]),
        stated(&["https://b.example"], &[Operation::Get]),
    ];
    let rules = for_aws(&uses).configuration.rules;
    let origins: Vec<&[String]> = rules.iter().map(|rule| rule.allowed_origins.as_slice()).collect();
    assert_eq!(origins, [&["https://a.example", "https://b.example"][..], &["https://c.example"]]);
}

#[test]
fn the_rule_of_one_origin_comes_before_that_for_all() {
    let uses = [stated(&["*"], &[Operation::Get]), stated(&["https://app.example.com"], &[Operation::Put])];
    let rules = for_aws(&uses).configuration.rules;
    let expected = [rule("https://app.example.com", "PUT", "content-type", ""), rule("*", "GET", "", "")];
    assert_eq!(rules, expected.map(|rule| CorsRule { max_age_seconds: Some(3600), ..rule }));
}

#[test]
fn a_store_without_patterns_gets_a_star_for_headers() {
    let one = Use {
        request_headers: vec!["x-amz-meta-*".to_owned()],
        ..stated(&["https://a.example"], &[Operation::Put])
    };
    let headers = |profile: &str| {
        let found = recommend(std::slice::from_ref(&one), Profile::find(profile).unwrap()).unwrap();
        found.configuration.rules[0].allowed_headers.clone()
    };
    assert_eq!(headers("aws"), ["content-type", "x-amz-meta-*"]);
    assert_eq!(headers("rustfs"), ["*"]);
    let signed = Use { signing: Signing::Headers, ..one.clone() };
    let garage = recommend(&[signed], Profile::find("garage").unwrap()).unwrap();
    assert_eq!(garage.configuration.rules[0].allowed_headers, ["*", "authorization"]);
}

#[test]
fn garage_gets_a_rule_for_each_origin() {
    let one = stated(&["https://a.example", "https://b.example"], &[Operation::Get]);
    let found = recommend(&[one], Profile::find("garage").unwrap()).unwrap();
    assert_eq!(found.configuration.rules.len(), 2);
}

#[test]
fn what_cannot_be_recommended_is_told() {
    let get = |origins: &[&str]| stated(origins, &[Operation::Get]);
    let put = |origins: &[&str]| stated(origins, &[Operation::Put]);
    let with_cookies = Use { credentials: Credentials::Include, ..get(&["*"]) };
    let of_headers = |header: &str| Use { request_headers: vec![header.to_owned()], ..get(&["*"]) };
    let many: Vec<String> = (0..101).map(|number| format!("https://a{number}.example")).collect();
    let many = get(&many.iter().map(String::as_str).collect::<Vec<_>>());
    let cases: Vec<(Vec<Use>, &str, &str)> = vec![
        (vec![], "aws", "a use names no uses"),
        (vec![get(&[])], "aws", "a use names no origins"),
        (vec![stated(&["*"], &[])], "aws", "a use names no operations"),
        (vec![get(&["*"]); 21], "aws", "more than 20 uses"),
        (vec![many], "aws", "more than 100 origins"),
        (vec![get(&["https://a.example/"])], "aws", "`https://a.example/` is no origin"),
        (vec![get(&["HTTPS://a.example"])], "aws", "is no origin"),
        (vec![get(&["https://a.example:443"])], "aws", "is no origin"),
        (vec![get(&["a.example"])], "aws", "is no origin"),
        (vec![of_headers("a b")], "aws", "`a b` is no name of a header"),
        (vec![of_headers("x-*-*")], "aws", "is no name of a header"),
        (vec![with_cookies], "aws", "which a request with credentials does not take"),
        (
            vec![get(&["https://a*.example"]), put(&["https://*b.example"])],
            "aws",
            "take in some of the same origins",
        ),
        (vec![get(&["https://*.example"])], "r2", "with Cloudflare R2 no configuration does it"),
        (vec![get(&["*"])], "minio", "`MINIO_API_CORS_ALLOW_ORIGIN`"),
        (
            vec![get(&["https://a.example"]), put(&["https://b.example"])],
            "moto",
            "with moto no configuration does it",
        ),
    ];
    for (uses, profile, expected) in cases {
        let error = recommend(&uses, Profile::find(profile).unwrap()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\n{expected}");
    }
}

#[test]
fn a_hundred_different_origins_are_done_in_time() {
    let uses: Vec<Use> = (0..20)
        .map(|one| Use {
            origins: (0..5).map(|number| format!("https://a{one}-{number}.example.com")).collect(),
            signing: Signing::Headers,
            checksums: true,
            request_headers: (0..32).map(|number| format!("x-amz-meta-{one}-{number}")).collect(),
            ..stated(&[], &Operation::ALL)
        })
        .collect();
    let started = std::time::Instant::now();
    assert_eq!(for_aws(&uses).configuration.rules.len(), 20);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
