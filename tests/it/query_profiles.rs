//! What every profile of a provider means for definitions, settings, signed URLs, roles and parts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use s3_connector::model::provider::{Feature, PROFILES, Quirk, Sts};
use s3_connector::model::resource::Addressing;
use serde_json::json;

use crate::harness::http_fault::HttpFault;
use crate::query_providers::{merged, recorded};
use crate::stores::create;
use crate::support::{Setup, expect};

/// The base64 of 32 bytes.
const CUSTOMER_KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// Whose bytes would be kept under no key, or whose reads would not find theirs.
#[tokio::test]
async fn a_key_of_the_customer_cannot_be_saved_where_the_provider_takes_none() {
    let place = recorded(&HttpFault::alone().await);
    let service = Setup::new().start().await;
    let mut refused = 0;
    for profile in PROFILES.iter().filter(|profile| !profile.does(Quirk::HttpsOnly)) {
        let fields = json!({"provider": profile.id, "encryption": {"kind": "sse_c", "key": CUSTOMER_KEY}});
        let (status, saved) =
            service.admin.post("/v1/resources", &merged(place.definition(profile.id), &fields)).await;
        if profile.has(Feature::CustomerKeys) {
            assert_eq!(status, 201, "{}: {saved:#}", profile.id);
            continue;
        }
        refused += 1;
        assert_eq!(
            (status, &saved["errors"][0]["code"]),
            (422, &json!("ENCRYPTION_NOT_SUPPORTED")),
            "{saved:#}"
        );
    }
    assert!(refused > 3, "{refused}");
}

/// The settings that are read one by one say each for itself that the provider lacks them.
#[tokio::test]
async fn a_setting_that_a_provider_lacks_is_not_asked_for() {
    let front = HttpFault::alone().await;
    let place = recorded(&front);
    let service = Setup::new().start().await;
    let aspects = [
        ("versioning", Feature::Versions),
        ("encryption", Feature::BucketEncryption),
        ("ownership", Feature::BucketOwnership),
        ("public_access_block", Feature::PublicAccessBlock),
        ("policy", Feature::BucketPolicy),
        ("cors", Feature::BucketCors),
        ("lifecycle", Feature::BucketLifecycle),
    ];
    let mut refused = 0;
    for profile in PROFILES.iter().filter(|profile| !profile.does(Quirk::HttpsOnly)) {
        let fields = json!({"provider": profile.id, "limits": {"retries": 0}});
        create(&service.admin, &place, profile.id, &fields).await;
        for (aspect, feature) in aspects {
            let before = front.requests().len();
            let query = json!({"operation": "get_bucket", "aspects": [aspect]});
            let answer = expect(service.admin.query(profile.id, &query).await, 200);
            let lacks = !profile.has(feature);
            let said = answer.to_string().contains("NotSupportedByProvider");
            assert_eq!(said, lacks, "{}: {aspect}: {answer:#}", profile.id);
            assert_eq!(front.requests().len() == before, lacks, "{}: {aspect}", profile.id);
            refused += usize::from(lacks);
        }
    }
    assert!(refused > 20, "{refused}");
}

/// URLs and forms are made here: their host, the place of the bucket and the region are those of the provider.
#[tokio::test]
async fn urls_and_forms_are_signed_as_each_provider_takes_them() {
    let service = Setup::new().start().await;
    let mut forms = 0;
    for profile in PROFILES {
        let mut place = recorded(&HttpFault::alone().await);
        place.url = "https://s3.example.com".to_owned();
        let fields = json!({"provider": profile.id, "region": "", "addressing": "auto", "public_endpoint": "https://files.example.com"});
        create(&service.admin, &place, profile.id, &fields).await;
        let base = match profile.addressing {
            Addressing::Path => "https://files.example.com/bucket/",
            _ => "https://bucket.files.example.com/",
        };
        let scope = format!("/{}/s3/aws4_request", profile.default_region);
        for method in ["GET", "PUT", "HEAD", "DELETE"] {
            let query = json!({"operation": "sign", "method": method, "key": "a b"});
            let signed = expect(service.admin.query(profile.id, &query).await, 200);
            let url = signed["url"].as_str().unwrap();
            assert!(url.starts_with(&format!("{base}a%20b?")), "{}: {url}", profile.id);
            assert!(url.contains(&scope.replace('/', "%2F")), "{}: {url}", profile.id);
            // what some stores refuse, and what would bind the holder to an empty body
            assert!(!url.contains("x-id") && !url.contains("checksum"), "{}: {url}", profile.id);
            assert!(url.contains("X-Amz-SignedHeaders=host&") || method == "PUT", "{}: {url}", profile.id);
        }
        let query = json!({"operation": "sign_post", "key": "k", "max_bytes": 5});
        let (status, form) = service.admin.query(profile.id, &query).await;
        if !profile.has(Feature::PostForm) {
            assert_eq!(status, 501, "{}: {form:#}", profile.id);
            continue;
        }
        forms += 1;
        // a bucket in the path needs no slash behind it
        let url = form["url"].as_str().unwrap();
        assert_eq!(url.trim_end_matches('/'), base.trim_end_matches('/'), "{}: {form:#}", profile.id);
        let credential = form["fields"]["x-amz-credential"].as_str().unwrap();
        assert!(credential.ends_with(&scope), "{}: {credential}", profile.id);
    }
    assert!(forms > 15, "{forms}");
}

/// A role that cannot be assumed is not asked for with a key that is signed for a store without STS.
#[tokio::test]
async fn a_role_is_asked_for_only_where_there_may_be_sts() {
    let front = HttpFault::alone().await;
    let place = recorded(&front);
    let service = Setup::new().start().await;
    let mut refused = 0;
    for profile in PROFILES.iter().filter(|profile| !profile.does(Quirk::HttpsOnly)) {
        if matches!(profile.sts, Sts::Aws | Sts::At(_)) {
            continue;
        }
        let role = json!({"role_arn": "arn:aws:iam::111122223333:role/r"});
        let fields = json!({"provider": profile.id, "assume_role": role, "limits": {"retries": 0}});
        create(&service.admin, &place, profile.id, &fields).await;
        let before = front.requests().len();
        let (status, problem) = service.admin.query(profile.id, &json!({"operation": "list"})).await;
        let sent = front.requests().len() - before;
        if profile.sts == Sts::None {
            refused += 1;
            assert_eq!((status, sent), (501, 0), "{}: {problem:#}", profile.id);
            let saved = expect(service.admin.get(&format!("/v1/resources/{}", profile.id)).await, 200);
            let codes: Vec<_> =
                saved["findings"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
            assert!(codes.contains(&&json!("ROLE_NOT_SUPPORTED")), "{saved:#}");
        } else {
            assert!(sent > 0, "{}: {problem:#}", profile.id);
        }
    }
    assert!(refused > 5, "{refused}");
}
