//! Versions that come back: by the ways of copies.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use serde_json::{Value, json};

use crate::harness::aws;
use crate::harness::http_fault::{Answer, HttpFault, Recorded};
use crate::query_copy::{PARTS_ABOVE, assert_rich, put_rich, tags};
use crate::query_metadata::versioned;
use crate::stores::{Place, service_with};
use crate::support::{Setup, expect};

/// Recorded: Ceph RGW 16 puts no second marker on a marker, and a page would need a thousand of them.
#[tokio::test]
async fn markers_of_more_than_one_page_are_taken_away() {
    let row = |kind: &str, version: &str, hour: u8| {
        let latest = version == "m1";
        format!(
            "<{kind}><Key>k</Key><VersionId>{version}</VersionId><IsLatest>{latest}</IsLatest><LastModified>2026-11-01T0{hour}:00:00.000Z</LastModified></{kind}>"
        )
    };
    let page = |rows: &str, next: &str| {
        let more = !next.is_empty();
        let next = if more {
            format!("<NextKeyMarker>k</NextKeyMarker><NextVersionIdMarker>{next}</NextVersionIdMarker>")
        } else {
            String::new()
        };
        let fields = format!(
            "<Name>b</Name><Prefix>k</Prefix><MaxKeys>1000</MaxKeys><IsTruncated>{more}</IsTruncated>{next}{rows}"
        );
        let text = format!(
            "<?xml version=\"1.0\"?><ListVersionsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{fields}</ListVersionsResult>"
        );
        Answer::new(200, "application/xml", text)
    };
    let front = HttpFault::alone().await;
    let second =
        |request: &Recorded| request.method == "GET" && request.path.contains("version-id-marker=m2");
    front.answer_when(second, page(&(row("DeleteMarker", "m3", 2) + &row("Version", "v1", 1)), ""));
    let first = |request: &Recorded| request.method == "GET" && request.path.contains("versions");
    front.answer_when(first, page(&(row("DeleteMarker", "m1", 4) + &row("DeleteMarker", "m2", 3)), "m2"));
    front.answer_when(|request| request.method == "DELETE", Answer::new(204, "application/xml", ""));
    let place = Place::embedded().await;
    let service = service_with(&place, Setup::new(), &json!({"endpoint": front.url()})).await;
    let wanted = json!({"operation": "restore_version", "key": "k", "undelete": true});
    let done = expect(service.admin.query("main", &wanted).await, 200);
    assert_eq!(done["removed_markers"], json!(["m1", "m2", "m3"]));
    assert_eq!(done["version_id"], "v1");
    assert_eq!(front.requests().iter().filter(|request| request.method == "DELETE").count(), 3);
}

#[tokio::test]
async fn a_version_that_is_not_there_is_told_in_the_words_of_the_store() {
    let moto = Place::moto().await;
    let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let turn_on = moto.client().put_bucket_versioning().bucket(&moto.bucket).versioning_configuration(on);
    turn_on.send().await.unwrap();
    // radosgw 16 has no word of its own for it
    for (place, code) in [(moto, "NoSuchVersion"), (versioned().await, "NoSuchKey")] {
        aws::put_object(&place.client(), &place.bucket, "k", "x").await;
        let service = service_with(&place, Setup::new(), &json!({})).await;
        let wanted = json!({"operation": "restore_version", "key": "k", "version": "nosuchversion"});
        let problem = expect(service.admin.query("main", &wanted).await, 404);
        assert_eq!(problem["code"], code, "{}: {problem:#}", place.name);
    }
}

/// Parts carry neither headers nor tags nor the storage class of the version.
#[tokio::test]
async fn a_version_that_is_too_large_for_one_copy_comes_back_in_parts() {
    let body: Vec<u8> = (0_u8..251).cycle().take(12 << 20).collect();
    for place in [Place::radosgw().await, Place::moto().await] {
        let client = place.client();
        let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        let versioning = client.put_bucket_versioning().bucket(&place.bucket).versioning_configuration(on);
        versioning.send().await.unwrap();
        let put = client.put_object().bucket(&place.bucket).key("big").body(body.clone().into());
        let put = put.content_type("text/x-own").cache_control("max-age=7").content_language("de");
        let put = put.content_disposition("attachment; filename=a").metadata("author", "ann");
        let expires = aws_sdk_s3::primitives::DateTime::from_secs(2_000_000_000);
        put.expires(expires).send().await.unwrap();
        let tag = aws_sdk_s3::types::Tag::builder().key("state").value("open").build().unwrap();
        let tagging = aws_sdk_s3::types::Tagging::builder().tag_set(tag).build().unwrap();
        client.put_object_tagging().bucket(&place.bucket).key("big").tagging(tagging).send().await.unwrap();
        let first = client.head_object().bucket(&place.bucket).key("big").send().await.unwrap();
        let first = first.version_id().unwrap().to_owned();
        aws::put_object(&client, &place.bucket, "big", "second").await;
        // radosgw has one class only
        let class = if place.name == "moto" { json!("STANDARD_IA") } else { Value::Null };
        let fields = json!({"default_storage_class": class});
        let service = service_with(&place, Setup::new().with(PARTS_ABOVE, "8388608"), &fields).await;
        let wanted = json!({"operation": "restore_version", "key": "big", "version": first});
        let told = expect(service.admin.query("main", &wanted).await, 200);
        assert_eq!(told["restored_from"], json!(first), "{}", place.name);
        assert!(aws::get_object(&client, &place.bucket, "big").await == body, "{}", place.name);
        let head = client.head_object().bucket(&place.bucket).key("big").send().await.unwrap();
        assert_rich(&head, place.name);
        assert_eq!(head.expires_string(), Some("Wed, 18 May 2033 03:33:20 GMT"), "{}", place.name);
        let class = head.storage_class().map_or("STANDARD", |class| class.as_str());
        assert_eq!(class, "STANDARD", "that of the version, not that of new objects at {}", place.name);
        assert!(head.e_tag().unwrap().ends_with("-3\""), "{}: {head:?}", place.name);
        assert_eq!(tags(&place, "big").await, [("state".to_owned(), "open".to_owned())], "{}", place.name);
        assert_eq!(place.open_uploads().await, 0, "{}", place.name);
    }
}

/// As copies do.
#[tokio::test]
async fn a_version_comes_back_through_the_service_where_copies_may_fail() {
    let place = Place::radosgw().await;
    let client = place.client();
    let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    client.put_bucket_versioning().bucket(&place.bucket).versioning_configuration(on).send().await.unwrap();
    put_rich(&place, "k", b"first".to_vec()).await;
    let first = client.head_object().bucket(&place.bucket).key("k").send().await.unwrap();
    aws::put_object(&client, &place.bucket, "k", "second").await;
    let front = HttpFault::start(&place.url).await;
    front.answer_when(
        |request: &Recorded| request.headers.contains_key("x-amz-copy-source"),
        Answer::s3_error(501, "NotImplemented"),
    );
    let fields = json!({"endpoint": front.url(), "provider": "hetzner", "addressing": "path"});
    let service = service_with(&place, Setup::new(), &fields).await;
    let wanted = json!({"operation": "restore_version", "key": "k", "version": first.version_id()});
    expect(service.admin.query("main", &wanted).await, 200);
    assert_eq!(aws::get_object(&client, &place.bucket, "k").await, b"first");
    assert_rich(&client.head_object().bucket(&place.bucket).key("k").send().await.unwrap(), "restored");
}
