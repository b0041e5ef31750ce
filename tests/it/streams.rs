//! Bodies: whole, cut off, stalled, from both sides; memory, requests, shutdown and overload.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::time::Duration;

use futures_util::stream;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time;

use crate::faucet::Faucet;
use crate::harness::aws;
use crate::harness::http_fault::{Answer, HttpFault};
use crate::stores::{Place, by_path, create, finish, open, raw, service_at, service_with};
use crate::support::{Client, Embedded, LONG, Service, Setup, answer, expect};

const MIB: usize = 1 << 20;
const IDLE: &str = "S3_CONNECTOR__SERVER__BODY_IDLE_TIMEOUT_MS";
const PER_TOKEN: &str = "S3_CONNECTOR__SERVER__MAX_QUERIES_PER_TOKEN";

/// Bytes that repeat nowhere near a part's size.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = vec![0; length];
    for chunk in bytes.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.copy_from_slice(&state.to_le_bytes()[..chunk.len()]);
    }
    bytes
}

async fn put(client: &Client, key: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
    answer(client.request(Method::PUT, &by_path("main", key)).body(body)).await
}

async fn get(client: &Client, key: &str) -> Vec<u8> {
    let response = client.request(Method::GET, &by_path("main", key)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.bytes().await.unwrap().to_vec()
}

/// How many queries with that outcome the service has counted.
async fn counted(client: &Client, operation: &str, outcome: &str) -> u64 {
    let (_, text) = client.get("/metrics").await;
    let name = format!("s3_connector_queries_total{{operation=\"{operation}\",outcome=\"{outcome}\"}} ");
    let text = text.as_str().unwrap().to_owned();
    text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

/// Waits until so many uploads have failed; whatever they do to tidy up is done by then.
async fn wait_for_failed_uploads(client: &Client, uploads: u64) {
    let all = async {
        while counted(client, "put", "error").await < uploads {
            tokio::task::yield_now().await;
        }
    };
    time::timeout(LONG, all).await.expect("the upload was not given up");
}

async fn assert_nothing_left(place: &Place) {
    assert_eq!(place.keys().await, [""; 0], "{}", place.name);
    assert_eq!(place.open_uploads().await, 0, "{}", place.name);
}

// Whole bodies

#[tokio::test]
async fn bodies_of_known_length_come_back_equal() {
    for place in Place::both().await {
        let service = service_at(&place).await;
        for (length, parts) in [(0, 0), (MIB + 1, 0), (16 * MIB - 1, 0), (16 * MIB, 4), (41 * MIB, 9)] {
            let body = bytes(length);
            let done = expect(put(&service.admin, "k", body.clone()).await, 200);
            assert_eq!(done["size"], length, "{}", place.name);
            let head = raw(&service.admin, "HEAD", &by_path("main", "k"), &[], b"").await;
            let tag = head.header("etag").unwrap();
            // radosgw 16 answers a completed upload with an empty tag, which is none
            let told = done["etag"].as_str();
            assert!(told == Some(tag) || (place.embedded.is_none() && told.is_none()), "{done:#} {tag}");
            let tag = tag.trim_matches('"');
            let told = tag.split_once('-').map_or(0, |(_, parts)| parts.parse().unwrap());
            assert_eq!(told, parts, "{}: {length} bytes in {tag}", place.name);
            assert!(get(&service.admin, "k").await == body, "{}: {length}", place.name);
            assert_eq!(place.open_uploads().await, 0);
        }
    }
}

#[tokio::test]
async fn bodies_of_unknown_length_come_back_equal() {
    for place in Place::both().await {
        let service = service_at(&place).await;
        for length in [0, 5, 8 * MIB - 1, 8 * MIB, 20 * MIB] {
            let body = bytes(length);
            let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
                body.chunks(100_003).map(|piece| Ok(piece.to_vec())).collect();
            let streamed = reqwest::Body::wrap_stream(stream::iter(pieces));
            let done = expect(put(&service.admin, "k", streamed).await, 200);
            assert_eq!(done["size"], length, "{}", place.name);
            assert!(get(&service.admin, "k").await == body, "{}: {length}", place.name);
            assert_eq!(place.open_uploads().await, 0);
        }
    }
}

#[tokio::test]
async fn metadata_and_conditions_hold_for_uploads_in_parts() {
    for place in Place::both().await {
        let service = service_at(&place).await;
        let request = |first: bool| {
            let request = service.admin.request(Method::PUT, &by_path("main", "k"));
            let request = if first { request } else { request.header("if-none-match", "*") };
            request.header("x-amz-meta-a", "b").header("content-type", "a/b").body(bytes(17 * MIB))
        };
        expect(answer(request(true)).await, 200);
        let head = raw(&service.admin, "HEAD", &by_path("main", "k"), &[], b"").await;
        assert_eq!((head.header("x-amz-meta-a"), head.header("content-type")), (Some("b"), Some("a/b")));
        if place.embedded.is_some() {
            // radosgw 16 does not look at conditions when an upload is completed
            expect(answer(request(false)).await, 412);
        }
        assert_eq!(place.open_uploads().await, 0, "{}", place.name);
    }
}

// Bodies that end early

/// Sends the head of an upload and so many bytes of its body.
async fn begin_upload(client: &Client, announced: Option<usize>, sent: usize) -> TcpStream {
    let length = announced.map(|length| length.to_string());
    let header = match &length {
        Some(length) => ("content-length", length.as_str()),
        None => ("transfer-encoding", "chunked"),
    };
    let mut stream = open(client, "PUT", &by_path("main", "k"), &[header, ("connection", "close")]).await;
    let piece = bytes(sent);
    if announced.is_none() {
        stream.write_all(format!("{sent:x}\r\n").as_bytes()).await.unwrap();
    }
    stream.write_all(&piece).await.unwrap();
    if announced.is_none() {
        stream.write_all(b"\r\n").await.unwrap();
    }
    stream
}

async fn wait_for_open_upload(place: &Place) {
    let opened = async {
        while place.open_uploads().await == 0 {
            tokio::task::yield_now().await;
        }
    };
    time::timeout(LONG, opened).await.expect("no upload in parts was started");
}

#[tokio::test]
async fn a_body_that_ends_early_leaves_neither_object_nor_parts() {
    for place in Place::both().await {
        let service = service_at(&place).await;
        let cases = [
            (Some(100_000), 50_000, false),
            (Some(8 * MIB), 4 * MIB, false),
            (Some(40 * MIB), 20 * MIB, true),
            (None, 5_000, false),
            (None, 12 * MIB, true),
        ];
        for (failed, (announced, sent, in_parts)) in (1..).zip(cases) {
            let stream = begin_upload(&service.admin, announced, sent).await;
            if in_parts {
                wait_for_open_upload(&place).await;
            }
            drop(stream);
            wait_for_failed_uploads(&service.admin, failed).await;
            assert_nothing_left(&place).await;
        }
        assert_eq!(counted(&service.admin, "put", "ok").await, 0);
    }
}

#[tokio::test]
async fn a_store_that_fails_in_the_middle_leaves_no_parts() {
    let place = Place::embedded().await;
    let front = HttpFault::start(&place.url).await;
    let service = service_with(&place, Setup::new(), &json!({"endpoint": front.url()})).await;
    for number in [1, 2, 5] {
        let part = format!("PUT /{}/k?partNumber={number}&", place.bucket);
        let before = front.count(&part);
        front.answer_to(&part, 3, Answer::s3_error(500, "InternalError"));
        let problem = expect(put(&service.admin, "k", bytes(33 * MIB)).await, 502);
        assert_eq!(problem["code"], "InternalError");
        assert_eq!(
            front.count(&part),
            before + 3,
            "a part that is kept is tried again, as often as the resource says"
        );
        assert_nothing_left(&place).await;
        assert_eq!(front.count(&format!("POST /{}/k?uploadId", place.bucket)), 0, "nothing is completed");
    }
    front.answer_to(&format!("POST /{}/k?uploadId", place.bucket), 9, Answer::s3_error(400, "InvalidPart"));
    expect(put(&service.admin, "k", bytes(17 * MIB)).await, 400);
    assert_nothing_left(&place).await;
    assert_eq!(front.count("DELETE "), 4);
    // one failure that passes costs nothing
    front.pass();
    let part = format!("PUT /{}/k?partNumber=2&", place.bucket);
    front.answer_to(&part, 1, Answer::s3_error(500, "InternalError"));
    expect(put(&service.admin, "k", bytes(33 * MIB)).await, 200);
    assert!(get(&service.admin, "k").await == bytes(33 * MIB));
}

#[tokio::test]
async fn uploads_beyond_the_room_for_parts_stream_theirs_one_by_one() {
    let place = Place::embedded().await;
    let front = HttpFault::start(&place.url).await;
    let service = service_with(&place, Setup::new(), &json!({"endpoint": front.url()})).await;
    // eight uploads that wait for their senders, each with a part that is kept, hold all the room
    let mut waiting = Vec::new();
    for number in 0..8 {
        let length = (20 * MIB).to_string();
        let path = by_path("main", &format!("waiting-{number}"));
        let mut stream = open(&service.admin, "PUT", &path, &[("content-length", &length)]).await;
        stream.write_all(&bytes(9 * MIB)).await.unwrap();
        let sent = format!("PUT /{}/waiting-{number}?partNumber=1&", place.bucket);
        let arrived = async {
            while front.count(&sent) == 0 {
                tokio::task::yield_now().await;
            }
        };
        time::timeout(LONG, arrived).await.expect("the first part did not arrive");
        waiting.push(stream);
    }
    expect(put(&service.admin, "k", bytes(33 * MIB)).await, 200);
    assert!(get(&service.admin, "k").await == bytes(33 * MIB));
    let part = format!("PUT /{}/k?partNumber=2&", place.bucket);
    let before = front.count(&part);
    front.answer_to(&part, 1, Answer::s3_error(500, "InternalError"));
    expect(put(&service.admin, "k", bytes(33 * MIB)).await, 502);
    assert_eq!(front.count(&part), before + 1, "a part that was not kept cannot be sent again");
    drop(waiting);
    wait_for_failed_uploads(&service.admin, 9).await;
    assert_eq!(place.open_uploads().await, 0);
    front.answer_to(&part, 1, Answer::s3_error(500, "InternalError"));
    expect(put(&service.admin, "k", bytes(33 * MIB)).await, 200);
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_transfer_from_the_store() {
    let faucet = Faucet::start(u64::MAX / 4).await;
    let service = service_at(&faucet.place()).await;
    for transfers in 1..4 {
        let mut stream = open(&service.admin, "GET", &by_path("main", "k"), &[]).await;
        stream.read_exact(&mut vec![0; MIB]).await.unwrap();
        assert_eq!(faucet.broken(), transfers - 1);
        drop(stream);
        faucet.wait_until_broken(transfers).await;
    }
}

#[tokio::test]
async fn a_store_that_goes_away_breaks_the_download_off() {
    let place = Place::embedded().await;
    aws::put_object(&place.client(), &place.bucket, "k", bytes(4 * MIB)).await;
    let proxy = crate::harness::fault_proxy::FaultProxy::start(&place.url).await;
    let service = service_with(&place, Setup::new(), &json!({"endpoint": proxy.url()})).await;
    assert_eq!(get(&service.admin, "k").await.len(), 4 * MIB);
    proxy.set(crate::harness::fault_proxy::Fault::ResetAfterDownload(1 << 20));
    let response = service.admin.request(Method::GET, &by_path("main", "k")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.bytes().await.expect_err("a part must not look like the whole");
}

// Bodies that stall

#[tokio::test]
async fn an_upload_that_stalls_is_given_up_and_leaves_nothing() {
    let place = Place::embedded().await;
    let service = service_with(&place, Setup::new().with(IDLE, "700"), &json!({})).await;
    for (failed, (announced, sent)) in
        (1..).zip([(Some(100_000), 10), (Some(8 * MIB), MIB), (Some(40 * MIB), 17 * MIB), (None, 9 * MIB)])
    {
        let stream = begin_upload(&service.admin, announced, sent).await;
        let refused = finish(stream).await;
        assert_eq!((refused.status, &refused.json()["code"]), (400, &json!("RequestTimeout")), "{refused:?}");
        assert!(refused.json()["detail"].as_str().unwrap().contains("700 ms"), "{refused:?}");
        wait_for_failed_uploads(&service.admin, failed).await;
        assert_nothing_left(&place).await;
    }
}

#[tokio::test]
async fn an_upload_that_pauses_for_a_moment_completes() {
    let place = Place::embedded().await;
    let service = service_with(&place, Setup::new().with(IDLE, "5000"), &json!({})).await;
    let mut stream = begin_upload(&service.admin, Some(3 * MIB), MIB).await;
    for _ in 0..2 {
        // the pause itself is what is tested
        time::sleep(Duration::from_millis(400)).await;
        stream.write_all(&bytes(MIB)).await.unwrap();
    }
    assert_eq!(finish(stream).await.status, 200);
    assert_eq!(get(&service.admin, "k").await, bytes(MIB).repeat(3));
}

#[tokio::test]
async fn a_slow_store_is_not_the_senders_fault() {
    let front = HttpFault::alone().await;
    let started = "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>";
    front.answer_to("POST /bucket/k?uploads", 1, Answer::new(200, "application/xml", started));
    let mut part = Answer::new(200, "text/plain", "");
    part.headers.push(("etag", "\"1\"".to_owned()));
    front.answer_to("PUT /bucket/k?", 2, part.clone().after(Duration::from_millis(2_500)));
    front.answer_to("PUT /bucket/k?", 1, part);
    let done = "<CompleteMultipartUploadResult><ETag>\"1-2\"</ETag></CompleteMultipartUploadResult>";
    front.answer_to("POST /bucket/k?", 1, Answer::new(200, "application/xml", done));
    let mut place = Faucet::start(0).await.place();
    place.url = front.url();
    let service = service_with(&place, Setup::new().with(IDLE, "1500"), &json!({})).await;
    let mut upload = begin_upload(&service.admin, None, 16 * MIB).await;
    let stored = async {
        while front.count("PUT /bucket/k?") < 2 {
            tokio::task::yield_now().await;
        }
    };
    time::timeout(LONG, stored).await.expect("the first parts were not sent");
    // the store takes longer than a sender may pause, and the sender goes on a moment after it is asked to
    time::sleep(Duration::from_millis(2_800)).await;
    upload.write_all(b"4\r\nrest\r\n0\r\n\r\n").await.unwrap();
    let written = finish(upload).await;
    assert_eq!((written.status, &written.json()["size"]), (200, &json!(16 * MIB + 4)), "{written:?}");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_given_up() {
    let faucet = Faucet::start(u64::MAX / 4).await;
    let service = service_with(&faucet.place(), Setup::new().with(IDLE, "700"), &json!({})).await;
    let mut stream = open(&service.admin, "GET", &by_path("main", "k"), &[]).await;
    stream.read_exact(&mut [0; 64]).await.unwrap();
    faucet.wait_until_broken(1).await;
    let mut rest = Vec::new();
    let ended =
        time::timeout(LONG, stream.read_to_end(&mut rest)).await.expect("the connection is still open");
    assert!(ended.is_err() || rest.len() < 64 * MIB, "the whole of it cannot have come");
}

// Memory, requests

#[tokio::test]
async fn memory_stays_flat_while_bodies_stream_through() {
    const SIZE: usize = 256 * MIB;
    const MOST: u64 = 16 << 10;
    /// Two parts of 5 MiB are in memory, and what the allocator keeps of those that were.
    const PARTS: u64 = 16 << 10;
    let faucet = Faucet::start(SIZE as u64).await;
    let service = service_at(&faucet.place()).await;
    let sink = HttpFault::alone().await;
    let started = "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>";
    sink.answer_to("POST /bucket/k?uploads", 9, Answer::new(200, "application/xml", started));
    let mut part = Answer::new(200, "text/plain", "");
    part.headers.push(("etag", "\"1\"".to_owned()));
    sink.answer_to("PUT /bucket/k", 99, part);
    let done = "<CompleteMultipartUploadResult><ETag>\"1-16\"</ETag></CompleteMultipartUploadResult>";
    sink.answer_to("POST /bucket/k?", 9, Answer::new(200, "application/xml", done));
    create(&service.admin, &faucet.place(), "sink", &json!({"endpoint": sink.url()})).await;
    // everything has been used once
    expect(service.admin.query("sink", &json!({"operation": "put", "key": "k", "text": "x"})).await, 200);
    raw(&service.admin, "HEAD", &by_path("main", "k"), &[], b"").await;

    let before = peak_kib(&service);
    let mut stream = open(&service.admin, "GET", &by_path("main", "k"), &[("connection", "close")]).await;
    let mut piece = vec![0; MIB];
    let mut taken = 0;
    loop {
        match stream.read(&mut piece).await.unwrap() {
            0 => break,
            read => taken += read,
        }
    }
    assert!(taken >= SIZE, "{taken}");
    let downloaded = peak_kib(&service);
    assert!(downloaded - before < MOST, "a download took {} KiB", downloaded - before);

    let length = SIZE.to_string();
    let headers = [("content-length", length.as_str()), ("connection", "close")];
    let mut stream = open(&service.admin, "PUT", &by_path("sink", "k"), &headers).await;
    for _ in 0..SIZE / MIB {
        stream.write_all(&piece).await.unwrap();
    }
    let written = finish(stream).await;
    assert_eq!((written.status, &written.json()["size"]), (200, &json!(SIZE)), "{written:?}");
    let uploaded = peak_kib(&service);
    assert!(uploaded - downloaded < MOST + PARTS, "an upload took {} KiB", uploaded - downloaded);
}

/// A store that takes parts and gives each answer only after a moment.
async fn slow_sink(delay: Duration) -> HttpFault {
    let sink = HttpFault::alone().await;
    let started = "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>";
    sink.answer_to("POST /bucket/k?uploads", 9, Answer::new(200, "application/xml", started));
    let mut part = Answer::new(200, "text/plain", "").after(delay);
    part.headers.push(("etag", "\"1\"".to_owned()));
    sink.answer_to("PUT /bucket/k", 99, part);
    let done = "<CompleteMultipartUploadResult><ETag>\"1-5\"</ETag></CompleteMultipartUploadResult>";
    sink.answer_to("POST /bucket/k?", 9, Answer::new(200, "application/xml", done));
    sink
}

#[tokio::test]
async fn parts_of_one_upload_are_under_way_at_once() {
    for known in [true, false] {
        let sink = slow_sink(Duration::from_millis(500)).await;
        let key = crate::harness::servers::AccessKey::new("AKIACANNED0000000001", "canned");
        let place =
            Place { name: "canned", url: sink.url(), bucket: "bucket".to_owned(), key, embedded: None };
        let service = service_at(&place).await;
        let body = bytes(40 * MIB);
        let body = if known {
            reqwest::Body::from(body)
        } else {
            reqwest::Body::wrap_stream(stream::iter([Ok::<_, std::io::Error>(body)]))
        };
        expect(put(&service.admin, "k", body).await, 200);
        assert_eq!(sink.most_at_once(), 2, "known length: {known}");
        let parts = if known { 8 } else { 5 };
        assert_eq!(sink.count("PUT /bucket/k?partNumber="), parts);
        let completed = sink.requests().pop().unwrap();
        let text = String::from_utf8(completed.body.to_vec()).unwrap();
        let numbers: Vec<&str> =
            text.split("<PartNumber>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
        let wanted: Vec<String> = (1..=parts).map(|number| number.to_string()).collect();
        assert_eq!(numbers, wanted, "in their order, whichever was through first");
    }
}

/// The most memory that the service ever held.
pub(crate) fn peak_kib(service: &Service) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

#[tokio::test]
async fn a_warm_query_makes_one_request() {
    let place = Place::embedded().await;
    let service = service_at(&place).await;
    let client = &service.admin;
    let store = &place.embedded.as_ref().unwrap().store;
    expect(put(client, "k", "x").await, 200);
    for query in [
        json!({"operation": "get", "key": "k"}),
        json!({"operation": "head", "key": "k"}),
        json!({"operation": "put", "key": "k", "text": "y"}),
        json!({"operation": "list"}),
        json!({"operation": "delete", "key": "k"}),
    ] {
        let before = store.requests();
        expect(client.query("main", &query).await, 200);
        assert_eq!(store.requests() - before, 1, "{query}");
    }
    for (method, length) in
        [("PUT", 100), ("PUT", 2 * MIB), ("PUT", 10 * MIB), ("GET", 0), ("HEAD", 0), ("DELETE", 0)]
    {
        let before = store.requests();
        let done = raw(client, method, &by_path("main", "k"), &[], &bytes(length)).await;
        assert!(done.status < 300, "{method}: {done:?}");
        assert_eq!(store.requests() - before, 1, "{method} with {length} bytes");
    }
}

// Shutdown

#[tokio::test]
async fn a_shutdown_lets_transfers_end() {
    const SIZE: usize = 64 * MIB;
    let faucet = Faucet::start(SIZE as u64).await;
    let embedded = Place::embedded().await;
    let mut service = service_at(&faucet.place()).await;
    create(&service.admin, &embedded, "other", &json!({})).await;
    let mut download = open(&service.admin, "GET", &by_path("main", "k"), &[]).await;
    let mut bytes_read = vec![0; MIB];
    download.read_exact(&mut bytes_read).await.unwrap();
    let headers = [("content-length", "6"), ("connection", "close"), ("expect", "100-continue")];
    let mut upload = open(&service.admin, "PUT", &by_path("other", "k"), &headers).await;
    // the service asks for the body, so the upload is under way
    let mut asked = [0; 25];
    upload.read_exact(&mut asked).await.unwrap();
    assert_eq!(asked, *b"HTTP/1.1 100 Continue\r\n\r\n");
    upload.write_all(b"123").await.unwrap();
    service.process.signal("TERM");
    service.process.wait_for_line("stopping", LONG).await;
    upload.write_all(b"456").await.unwrap();
    assert_eq!(finish(upload).await.status, 200);
    let rest = finish_counting(download).await;
    assert!(rest + MIB > SIZE, "{rest} bytes came after the signal");
    let status = service.process.wait(LONG).await;
    assert!(status.success(), "{status}");
    assert_eq!(aws::get_object(&embedded.client(), &embedded.bucket, "k").await, b"123456");
}

async fn finish_counting(mut stream: TcpStream) -> usize {
    let mut all = Vec::new();
    time::timeout(LONG, stream.read_to_end(&mut all)).await.expect("no end").unwrap();
    all.len()
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_transfers_beyond_its_grace() {
    let faucet = Faucet::start(u64::MAX / 4).await;
    let setup = Setup::new().with("S3_CONNECTOR__SERVER__SHUTDOWN_GRACE_MS", "300");
    let mut service = service_with(&faucet.place(), setup, &json!({})).await;
    let mut download = open(&service.admin, "GET", &by_path("main", "k"), &[]).await;
    download.read_exact(&mut [0; 64]).await.unwrap();
    let status = service.process.terminate(LONG).await;
    assert!(status.success(), "{status}");
    faucet.wait_until_broken(1).await;
}

// Overload

#[tokio::test]
async fn a_token_runs_only_so_many_queries_at_once() {
    let faucet = Faucet::start(u64::MAX / 4).await;
    let service = service_with(&faucet.place(), Setup::new().with(PER_TOKEN, "2"), &json!({})).await;
    let client = &service.admin;
    let embedded = Embedded::start().await;
    let definition = crate::support::definition("other", &embedded.url, &embedded.bucket, &embedded.key);
    expect(client.post("/v1/resources", &definition).await, 201);
    let second = service.client("user").await;
    let list = json!({"operation": "list"});
    let path = by_path("main", "k");

    let mut first = open(client, "GET", &path, &[]).await;
    first.read_exact(&mut [0; 64]).await.unwrap();
    expect(client.query("other", &list).await, 200);
    let mut third = open(client, "GET", &path, &[]).await;
    third.read_exact(&mut [0; 64]).await.unwrap();
    let refused = raw(client, "GET", "/v1/resources/other/objects", &[], b"").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")), "{refused:?}");
    assert_eq!(refused.json()["code"], "TooManyQueries");
    expect(client.get("/v1/resources").await, 200);
    expect(second.query("other", &list).await, 200);
    drop((first, third));
    faucet.wait_until_broken(2).await;
    wait_until_admitted(client).await;
    expect(client.query("other", &list).await, 200);
}

#[tokio::test]
async fn a_place_comes_back_with_the_end_of_its_download() {
    let faucet = Faucet::start(4 << 20).await;
    let service = service_with(&faucet.place(), Setup::new().with(PER_TOKEN, "1"), &json!({})).await;
    for _ in 0..5 {
        assert_eq!(get(&service.admin, "k").await.len(), 4 * MIB);
        wait_until_admitted(&service.admin).await;
    }
    let busy = async {
        loop {
            let upload = begin_upload(&service.admin, Some(MIB), 10).await;
            for _ in 0..50 {
                if raw(&service.admin, "HEAD", &by_path("main", "k"), &[], b"").await.status == 429 {
                    return upload;
                }
            }
            // one of the requests above came first, and the upload itself was turned away
        }
    };
    let upload = time::timeout(LONG, busy).await.expect("an upload under way holds its place");
    drop(upload);
    wait_until_admitted(&service.admin).await;
}

/// The answer's last byte may arrive a moment before its place is given back.
async fn wait_until_admitted(client: &Client) {
    let admitted = async {
        while raw(client, "HEAD", &by_path("main", "k"), &[], b"").await.status == 429 {
            tokio::task::yield_now().await;
        }
    };
    time::timeout(LONG, admitted).await.expect("the place was not given back");
}

#[tokio::test]
async fn the_service_runs_only_so_many_queries_at_once() {
    let faucet = Faucet::start(u64::MAX / 4).await;
    let setup = Setup::new().with("S3_CONNECTOR__SERVER__MAX_QUERIES", "1");
    let service = service_with(&faucet.place(), setup, &json!({})).await;
    let path = by_path("main", "k");
    let mut first = open(&service.admin, "GET", &path, &[]).await;
    first.read_exact(&mut [0; 64]).await.unwrap();
    let second = service.client("user").await;
    let refused = raw(&second, "GET", &path, &[], b"").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    // one that waits in the queue is served when the place is free
    let mut waiting = open(&second, "HEAD", &path, &[("connection", "close")]).await;
    drop(first);
    let mut head = [0; 12];
    time::timeout(LONG, waiting.read_exact(&mut head)).await.expect("no answer").unwrap();
    assert_eq!(head, *b"HTTP/1.1 200");
}
