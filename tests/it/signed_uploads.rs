//! Uploads whose bytes are signed: what is sent, what stores make of it, and what happens to it on the way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use reqwest::Method;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::direct::{aws_over_tls, header, ok, service_before};
use crate::harness::aws::get_object;
use crate::harness::http_fault::{Answer, HttpFault};
use crate::stores::{Place, by_path, create, raw, service_at};
use crate::support::expect;

#[tokio::test]
async fn over_plain_http_what_is_uploaded_is_signed_unless_the_resource_says_otherwise() {
    const CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    let store = HttpFault::alone().await;
    let service = service_before(&store).await;
    let whole = hex::encode(Sha256::digest(vec![b'y'; 1000]));
    for (signing, small, large) in [
        ("auto", whole.as_str(), CHUNKS),
        ("always", whole.as_str(), CHUNKS),
        ("never", "UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD"),
    ] {
        let change = json!({"payload_signing": signing});
        expect(service.admin.patch("/v1/resources/main", &change).await, 200);
        store.answer(2, ok());
        for length in [1000, 2 << 20] {
            let body = vec![b'y'; length];
            assert_eq!(raw(&service.admin, "PUT", &by_path("main", "k"), &[], &body).await.status, 200);
        }
        let requests = store.requests();
        let [first, second] = requests.last_chunk().unwrap();
        assert_eq!(header(first, "x-amz-content-sha256"), small, "{signing}");
        assert_eq!(header(second, "x-amz-content-sha256"), large, "{signing}");
        for request in [first, second] {
            assert!(request.headers.get("transfer-encoding").is_none(), "the store is told the length");
            assert!(request.headers.get("x-amz-trailer").is_none());
        }
        if large == CHUNKS {
            assert!(second.headers.get("content-encoding").is_none(), "Ceph would keep it");
            assert_eq!(header(second, "x-amz-decoded-content-length"), (2 << 20).to_string());
        }
    }
}

/// The stores check each chunk; what they keep shows nothing of the form.
#[tokio::test]
async fn what_streams_over_plain_http_is_signed_chunk_by_chunk_and_arrives() {
    for place in Place::all().await {
        let store = HttpFault::start(&place.url).await;
        let service = service_at(&place).await;
        create(&service.admin, &place, "r", &json!({"endpoint": store.url()})).await;
        for length in [(2 << 20) + 7, 17 << 20] {
            let body: Vec<u8> = (0..length).map(|at: u32| u8::try_from(at % 251).unwrap()).collect();
            let gzip = [("content-encoding", "gzip")];
            let own = if length < 3 << 20 { &gzip[..] } else { &[] };
            assert_eq!(raw(&service.admin, "PUT", &by_path("r", "k"), own, &body).await.status, 200);
            let puts = store.requests().into_iter().filter(|request| request.method == Method::PUT);
            let put = puts.last().unwrap();
            assert_eq!(header(&put, "x-amz-content-sha256"), "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
            let head = place.client().head_object().bucket(&place.bucket).key("k").send().await.unwrap();
            assert_eq!(head.content_encoding(), own.first().map(|(_, value)| *value), "{}", place.name);
            assert!(get_object(&place.client(), &place.bucket, "k").await == body);
        }
    }
}

/// A byte that somebody changes on the way makes the store refuse the upload.
#[tokio::test]
async fn a_stream_that_is_changed_on_the_way_is_refused() {
    for place in [Place::embedded().await, Place::radosgw().await] {
        let store = HttpFault::start(&place.url).await;
        let service = service_at(&place).await;
        store.change_byte(1 << 20);
        for (signing, arrives) in [("never", true), ("auto", false)] {
            let fields = json!({"endpoint": store.url(), "payload_signing": signing});
            create(&service.admin, &place, signing, &fields).await;
            let body = vec![b'y'; 2 << 20];
            let done = raw(&service.admin, "PUT", &by_path(signing, signing), &[], &body).await;
            assert_eq!(done.status == 200, arrives, "{} {signing}", place.name);
            let head = place.client().head_object().bucket(&place.bucket).key(signing).send().await;
            assert_eq!(head.is_ok(), arrives, "{} {signing}", place.name);
        }
    }
}

#[tokio::test]
async fn a_store_that_takes_no_signed_streams_gets_the_patch_that_sends_them_unsigned() {
    let store = HttpFault::alone().await;
    let service = service_before(&store).await;
    let body = vec![b'y'; 2 << 20];
    let named = "<Error><Code>InvalidRequest</Code><Message>STREAMING-AWS4-HMAC-SHA256-PAYLOAD is not taken</Message></Error>";
    for refusal in [Answer::s3_error(501, "NotImplemented"), Answer::new(400, "application/xml", named)] {
        store.answer(1, refusal);
        let refused = raw(&service.admin, "PUT", &by_path("main", "k"), &[], &body).await.json();
        assert_eq!(refused["fix"], json!({"patch": {"payload_signing": "never"}}), "{refused:#}");
    }
    // bytes that somebody changed are no reason to sign none
    for code in ["XAmzContentSHA256Mismatch", "SignatureDoesNotMatch"] {
        store.answer(3, Answer::s3_error(403, code));
        let refused = raw(&service.admin, "PUT", &by_path("main", "k"), &[], &body).await.json();
        assert!(refused["fix"].is_null(), "{refused:#}");
        store.pass();
    }
    expect(service.admin.patch("/v1/resources/main", &json!({"payload_signing": "never"})).await, 200);
    store.answer(1, ok());
    assert_eq!(raw(&service.admin, "PUT", &by_path("main", "k"), &[], &body).await.status, 200);
}

/// What is signed is not sent with a checksum behind it, too.
#[tokio::test]
async fn what_is_always_signed_is_signed_over_tls_too() {
    let (place, store, service, at) = aws_over_tls().await;
    let mut always = at.clone();
    always["payload_signing"] = json!("always");
    create(&service.admin, &place, "always", &always).await;
    for length in [2 << 20, 17 << 20] {
        let body = vec![b'z'; length];
        assert_eq!(raw(&service.admin, "PUT", &by_path("always", "k"), &[], &body).await.status, 200);
        let puts = store.requests().into_iter().filter(|request| request.method == Method::PUT);
        let put = puts.last().unwrap();
        assert_eq!(header(&put, "x-amz-content-sha256"), "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
        assert!(put.headers.get("x-amz-trailer").is_none());
        assert!(get_object(&place.client(), &place.bucket, "k").await == body);
    }
    // chunks are what this provider does not take: in memory is signed, a stream is refused before anything is sent
    always["provider"] = json!("ovh");
    create(&service.admin, &place, "ovh", &always).await;
    assert_eq!(raw(&service.admin, "PUT", &by_path("ovh", "k"), &[], b"small").await.status, 200);
    let before = store.requests().len();
    for length in [2 << 20, 17 << 20] {
        let refused = raw(&service.admin, "PUT", &by_path("ovh", "k"), &[], &vec![b'z'; length]).await;
        assert_eq!(refused.status, 501, "{length}");
    }
    assert_eq!(store.requests().len(), before);
}
