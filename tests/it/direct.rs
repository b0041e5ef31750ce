//! The direct path: what it sends, what it tries again, a clock that is wrong, long lists.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::fmt::Write as _;

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::connection_failures::tls_front;
use crate::faucet::Faucet;
use crate::harness::http_fault::{Answer, HttpFault, Recorded};
use crate::harness::servers::AccessKey;
use crate::stores::{Place, by_path, create, open, raw, service_at};
use crate::streams::peak_kib;
use crate::support::{Client, Service, answer, expect};

/// A service whose resource `main` is at a store that gives canned answers.
pub(crate) async fn service_before(store: &HttpFault) -> Service {
    let key = AccessKey::new("AKIACANNED0000000001", "canned");
    let place = Place { name: "canned", url: store.url(), bucket: "bucket".to_owned(), key, embedded: None };
    service_at(&place).await
}

pub(crate) fn ok() -> Answer {
    Answer::new(200, "application/octet-stream", "")
}

fn page(keys: usize, next: Option<&str>) -> Answer {
    let mut text = "<ListBucketResult>".to_owned();
    for key in 0..keys {
        write!(text, "<Contents><Key>some/folder/key-{key:08}</Key><LastModified>2026-11-01T10:00:00.000Z</LastModified><ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>1</Size><StorageClass>STANDARD</StorageClass></Contents>").unwrap();
    }
    match next {
        Some(token) => write!(
            text,
            "<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>"
        )
        .unwrap(),
        None => text.push_str("<IsTruncated>false</IsTruncated>"),
    }
    text.push_str("</ListBucketResult>");
    Answer::new(200, "application/xml", text)
}

pub(crate) fn header<'a>(request: &'a Recorded, name: &str) -> &'a str {
    request.headers.get(name).unwrap().to_str().unwrap()
}

/// One query of each kind that takes the direct path: name, method and start of the path at the store, query.
async fn ask(client: &Client, what: &str) -> u16 {
    let path = by_path("main", "k");
    let request = match what {
        "get" => client.request(Method::GET, &path),
        "head" => client.request(Method::HEAD, &path),
        "put" => client.request(Method::PUT, &path).body("x"),
        "list" => client.request(Method::GET, "/v1/resources/main/objects"),
        other => panic!("{other}"),
    };
    request.send().await.unwrap().status().as_u16()
}

fn good(what: &str) -> Answer {
    if what == "list" { page(1, None) } else { ok() }
}

#[tokio::test]
async fn a_failure_that_passes_is_tried_again() {
    for what in ["get", "head", "put", "list"] {
        let store = HttpFault::alone().await;
        let service = service_before(&store).await;
        store.answer(1, Answer::slow_down());
        store.answer(1, Answer::internal_error());
        store.answer(1, good(what));
        assert_eq!(ask(&service.admin, what).await, 200, "{what}");
        assert_eq!(store.requests().len(), 3, "{what}");
        // and not for ever: two tries after the first one
        store.answer(3, Answer::slow_down());
        assert_eq!(ask(&service.admin, what).await, 503, "{what}");
        assert_eq!(store.requests().len(), 6, "{what}");
    }
}

#[tokio::test]
async fn an_upload_that_streams_is_sent_again_from_its_start() {
    let store = HttpFault::alone().await;
    let service = service_before(&store).await;
    store.answer(1, Answer::slow_down());
    store.answer(1, ok());
    let body = vec![b'x'; 3 << 20];
    let done = raw(&service.admin, "PUT", &by_path("main", "k"), &[], &body).await;
    assert_eq!((done.status, &done.json()["size"]), (200, &json!(body.len())));
    let requests = store.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!(header(request, "x-amz-decoded-content-length"), body.len().to_string());
        let first = request.body.windows(2).position(|pair| pair == b"\r\n").unwrap();
        assert_eq!(request.body[first + 2], b'x', "from its start, behind the signature of the first chunk");
    }
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_by_the_stores_date() {
    for what in ["get", "put", "list"] {
        let store = HttpFault::alone().await;
        let service = service_before(&store).await;
        let there = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(5);
        let date = there.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let mut skewed = Answer::s3_error(403, "RequestTimeTooSkewed");
        skewed.headers.push(("date", date));
        store.answer(1, skewed);
        store.answer(2, good(what));
        assert_eq!(ask(&service.admin, what).await, 200, "{what}");
        assert_eq!(ask(&service.admin, what).await, 200, "{what}");
        let hours: Vec<i64> = store.requests().iter().map(hours_ahead).collect();
        assert_eq!(hours, [0, 5, 5], "{what}: it is learnt once");
    }
}

#[tokio::test]
async fn a_head_learns_the_clock_from_a_read() {
    let store = HttpFault::alone().await;
    let service = service_before(&store).await;
    let there = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(5);
    let mut skewed = Answer::s3_error(403, "RequestTimeTooSkewed");
    skewed.headers.push(("date", there.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()));
    // the answer to a HEAD has no body, so its code is not seen
    store.answer_to("HEAD /bucket/", 1, skewed.clone());
    store.answer_to("GET /bucket/", 1, skewed);
    store.answer(2, ok());
    assert_eq!(ask(&service.admin, "head").await, 200);
    let seen: Vec<(String, i64)> =
        store.requests().iter().map(|request| (request.method.to_string(), hours_ahead(request))).collect();
    let expected = [("HEAD", 0), ("GET", 0), ("GET", 5), ("HEAD", 5)];
    assert_eq!(seen, expected.map(|(method, hours)| (method.to_owned(), hours)));
}

/// How far the signature's date is ahead, to the nearest hour.
fn hours_ahead(request: &Recorded) -> i64 {
    let signed = header(request, "x-amz-date").trim_end_matches('Z').to_owned();
    let signed = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S", &signed).unwrap();
    let signed = signed.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    (signed.duration_since(jiff::Timestamp::now()).as_secs() + 1800).div_euclid(3600)
}

/// A store behind TLS, and a resource `aws` with the profile of AWS at it; its fields are the last.
pub(crate) async fn aws_over_tls() -> (Place, HttpFault, Service, Value) {
    let place = Place::embedded().await;
    let store = HttpFault::start(&place.url).await;
    let (url, pem) = tls_front(&store.url()).await;
    let service = service_at(&place).await;
    let at = json!({"endpoint": url, "tls": {"ca_pem": pem}, "provider": "aws", "addressing": "path"});
    create(&service.admin, &place, "aws", &at).await;
    (place, store, service, at)
}

/// The store checks a stream that nobody had read before it was sent, and keeps its checksum.
#[tokio::test]
async fn over_tls_a_checksum_travels_behind_what_streams_where_the_provider_wants_one() {
    let (place, store, service, at) = aws_over_tls().await;
    let mut other = at.clone();
    other["provider"] = json!("generic");
    create(&service.admin, &place, "other", &other).await;
    let body: Vec<u8> = (0..3_u32 << 20).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let gzip: &[(&str, &str)] = &[("content-encoding", "gzip")];
    for (resource, headers) in [("aws", &[][..]), ("aws", gzip), ("other", &[][..])] {
        assert_eq!(raw(&service.admin, "PUT", &by_path(resource, "k"), headers, &body).await.status, 200);
        let requests = store.requests();
        let put = requests.iter().rfind(|request| request.method == Method::PUT).unwrap();
        let head = place.client().head_object().bucket(&place.bucket).key("k");
        let head = head.checksum_mode(aws_sdk_s3::types::ChecksumMode::Enabled).send().await.unwrap();
        if resource == "aws" {
            assert_eq!(header(put, "x-amz-content-sha256"), "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
            assert_eq!(header(put, "x-amz-trailer"), "x-amz-checksum-crc32");
            assert_eq!(header(put, "x-amz-decoded-content-length"), body.len().to_string());
            assert!(header(put, "content-length").parse::<usize>().unwrap() > body.len());
            assert_eq!(head.checksum_crc32().map(str::len), Some(8), "the store took it");
        } else {
            assert_eq!(header(put, "x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
            assert!(put.headers.get("x-amz-trailer").is_none());
        }
        assert_eq!(head.content_encoding(), headers.first().map(|(_, value)| *value));
        assert_eq!(crate::harness::aws::get_object(&place.client(), &place.bucket, "k").await, body);
    }
}

/// Parts stream too: their checksums travel behind them and are named when the parts are put together.
#[tokio::test]
async fn over_tls_parts_stream_with_their_checksums_behind_them() {
    let (place, store, service, _) = aws_over_tls().await;
    let body: Vec<u8> = (0..17_u32 << 20).map(|at| u8::try_from(at % 251).unwrap()).collect();
    // a part that was kept is sent again with the same checksum
    let second = format!("PUT /{}/k?partNumber=2&", place.bucket);
    store.answer_to(&second, 1, Answer::s3_error(503, "SlowDown"));
    assert_eq!(raw(&service.admin, "PUT", &by_path("aws", "k"), &[], &body).await.status, 200);
    assert_eq!(store.count(&second), 2);
    let requests = store.requests();
    let (puts, rest): (Vec<_>, Vec<_>) = requests
        .iter()
        .partition(|request| request.method == Method::PUT && request.path.contains("partNumber="));
    assert_eq!(puts.len(), 5);
    let first = puts[0];
    assert_eq!(header(first, "x-amz-content-sha256"), "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    assert_eq!(header(first, "x-amz-decoded-content-length"), (5 << 20).to_string());
    let completed = rest.iter().rfind(|request| request.method == Method::POST).unwrap();
    let completed = String::from_utf8(completed.body.to_vec()).unwrap();
    assert_eq!(completed.matches("<ChecksumCRC32>").count(), 4, "{completed}");
    assert!(crate::harness::aws::get_object(&place.client(), &place.bucket, "k").await == body);
}

#[tokio::test]
async fn what_a_resource_gives_to_uploads_is_sent_and_signed() {
    let store = HttpFault::alone().await;
    let service = service_before(&store).await;
    let key = AccessKey::new("AKIACANNED0000000001", "canned");
    let place = Place { name: "canned", url: store.url(), bucket: "bucket".to_owned(), key, embedded: None };
    let fields = json!({
        "default_acl": "private", "default_storage_class": "STANDARD_IA", "requester_pays": true,
        "expected_bucket_owner": "111122223333", "provider": "aws", "addressing": "path", "encryption": {"kind": "sse_s3"},
    });
    create(&service.admin, &place, "rich", &fields).await;
    store.answer(1, ok());
    let put = service.admin.request(Method::PUT, &by_path("rich", "k")).header("x-amz-meta-a", "b").body("x");
    expect(answer(put).await, 200);
    let request = &store.requests()[0];
    let signed = header(request, "authorization");
    for (name, value) in [
        ("x-amz-acl", "private"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-expected-bucket-owner", "111122223333"),
        ("x-amz-request-payer", "requester"),
        ("x-amz-meta-a", "b"),
    ] {
        assert_eq!(header(request, name), value);
        assert!(signed.contains(name), "{name} is not signed: {signed}");
    }
}

#[tokio::test]
async fn a_page_that_cannot_be_read_is_told_and_not_asked_for_again() {
    for body in ["", "<ListBucketResult><Contents>", "{\"not\": \"xml\"}", "<!DOCTYPE a><ListBucketResult/>"]
    {
        let store = HttpFault::alone().await;
        let service = service_before(&store).await;
        store.answer(1, Answer::new(200, "application/xml", body));
        let problem = expect(service.admin.get("/v1/resources/main/objects").await, 502);
        assert!(problem["detail"].as_str().unwrap().contains("cannot be read"), "{problem:#}");
        assert_eq!(store.requests().len(), 1, "{body}");
    }
}

/// So many pages, each with a token of its own.
fn pages(store: &HttpFault, count: usize) {
    for number in 0..count {
        store.answer(1, page(1000, Some(&format!("page-{number}"))));
    }
}

#[tokio::test]
async fn a_long_list_takes_the_memory_of_a_few_pages() {
    const PAGES: usize = 60;
    // gathered, the rows would be more than twice of it
    const MOST_KIB: u64 = 8 * 1024;
    let store = HttpFault::alone().await;
    let service = service_before(&store).await;
    pages(&store, PAGES - 1);
    store.answer(1, page(1000, None));
    // the first page warms what is kept between requests
    assert_eq!(ask(&service.admin, "list").await, 200);
    let before = peak_kib(&service);
    let request = service.admin.request(Method::GET, "/v1/resources/main/objects");
    let response = request.header("accept", "application/x-ndjson").send().await.unwrap();
    let (mut lines, mut last, mut chunks) = (0, Vec::new(), response.bytes_stream());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.unwrap();
        lines += chunk.split(|byte| *byte == b'\n').count() - 1;
        last = chunk.to_vec();
    }
    assert_eq!(lines, (PAGES - 1) * 1000 + 1, "each key is a line, and one says that it is the end");
    let last = String::from_utf8_lossy(&last).lines().last().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&last).unwrap(), json!({"cursor": null, "truncated": false}));
    let took = peak_kib(&service) - before;
    assert!(took < MOST_KIB, "the list took {took} KiB");
    assert_eq!(store.requests().len(), PAGES, "one request a page");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_stops_the_list_within_a_few_pages() {
    let store = HttpFault::alone().await;
    let service = service_before(&store).await;
    pages(&store, 400);
    let headers = [("accept", "application/x-ndjson"), ("connection", "close")];
    let stream = open(&service.admin, "GET", "/v1/resources/main/objects", &headers).await;
    // the buffers between the two fill up with some MiB; the pages of 400 are 60 of them
    let mut before = usize::MAX;
    while before != store.requests().len() {
        before = store.requests().len();
        for _ in 0..20 {
            expect(service.admin.get("/readyz").await, 200);
        }
    }
    assert!(before < 200, "{before} pages were read for nobody");
    drop(stream);
}

#[tokio::test]
async fn a_body_without_the_checksum_that_the_store_sent_breaks_off() {
    let store = HttpFault::alone().await;
    let service = service_before(&store).await;
    for (name, value, whole) in [
        ("x-amz-checksum-crc32", "y/Q5Jg==", true),
        ("x-amz-checksum-crc32", "AAAAAA==", false),
        ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=", true),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=", false),
        // of an object in parts: not a checksum of these bytes
        ("x-amz-checksum-crc32", "AAAAAA==-2", true),
    ] {
        let mut body = Answer::new(200, "text/plain", "123456789");
        body.headers.push((name, value.to_owned()));
        store.answer(1, body);
        // a body as short as this one may break off before its head is sent
        let got = match service.admin.request(Method::GET, &by_path("main", "k")).send().await {
            Ok(got) => got.text().await.ok(),
            Err(_) => None,
        };
        assert_eq!(got.as_deref(), whole.then_some("123456789"), "{name}: {value}");
    }
    // a part of the object has no checksum of its own
    let mut part = Answer::new(206, "text/plain", "123");
    part.headers.push(("x-amz-checksum-crc32", "y/Q5Jg==".to_owned()));
    part.headers.push(("content-range", "bytes 0-2/9".to_owned()));
    store.answer(1, part);
    let got = raw(&service.admin, "GET", &by_path("main", "k"), &[("range", "bytes=0-2")], b"").await;
    assert_eq!((got.status, &got.body[..]), (206, &b"123"[..]));
}

#[tokio::test]
async fn readers_that_take_little_hold_the_store_back() {
    const READERS: usize = 64;
    const MOST_KIB: u64 = 64 * 1024;
    let faucet = Faucet::start(64 << 20).await;
    let service = service_at(&faucet.place()).await;
    raw(&service.admin, "HEAD", &by_path("main", "k"), &[], b"").await;
    let before = peak_kib(&service);
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let mut reader = open(&service.admin, "GET", &by_path("main", "k"), &[]).await;
        reader.read_exact(&mut [0; 1024]).await.unwrap();
        readers.push(reader);
    }
    // what each takes comes through all buffers, which are full by then
    for reader in &mut readers {
        reader.read_exact(&mut vec![0; 4 << 20]).await.unwrap();
    }
    let took = peak_kib(&service) - before;
    assert!(took < MOST_KIB, "{READERS} readers of 64 MiB each took {took} KiB");
    assert_eq!(faucet.broken(), 0);
    drop(readers);
    faucet.wait_until_broken(READERS).await;
}
