//! Checksums that a store sends with an object: what differs from its own does not end as if it were whole.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::harness::servers::AccessKey;
use crate::stores::{Place, by_path, create};
use crate::support::Setup;

/// CRC-32 of `123456789`, the check value of the algorithm, and of another content.
const RIGHT: &str = "y/Q5Jg==";
const WRONG: &str = "AAAAAA==";

/// A store that gives this answer, as it is written, to everything.
async fn raw_store(answer: String) -> (Place, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut piece = [0; 4096];
                match stream.read(&mut piece).await {
                    Ok(length) if length > 0 => request.extend_from_slice(&piece[..length]),
                    _ => break,
                }
            }
            stream.write_all(answer.as_bytes()).await.ok();
            stream.shutdown().await.ok();
        }
    });
    let key = AccessKey::new("AKIARAW0000000000001", "raw");
    (Place { name: "raw", url, bucket: "bucket".to_owned(), key, embedded: None }, server)
}

fn before_the_body(checksum: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: 9\r\nx-amz-checksum-crc32: {checksum}\r\n\r\n123456789")
}

fn behind_the_body(checksum: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-amz-checksum-crc32\r\n\r\n9\r\n123456789\r\n0\r\nx-amz-checksum-crc32: {checksum}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_body_that_has_another_checksum_than_the_store_says_breaks_off() {
    let service = Setup::new().start().await;
    for (name, answer, is_whole) in [
        ("before-right", before_the_body(RIGHT), true),
        ("before-wrong", before_the_body(WRONG), false),
        ("behind-right", behind_the_body(RIGHT), true),
        ("behind-wrong", behind_the_body(WRONG), false),
        // of parts, and not of the bytes
        ("composite", before_the_body("AAAAAA==-3"), true),
    ] {
        let (place, server) = raw_store(answer).await;
        create(&service.admin, &place, name, &json!({"limits": {"retries": 0}})).await;
        let request = service.admin.request(reqwest::Method::GET, &by_path(name, "k"));
        // a small body breaks off before the head is sent
        let body = match request.send().await {
            Ok(response) => response.bytes().await,
            Err(error) => Err(error),
        };
        assert_eq!(body.is_ok(), is_whole, "{name}: {body:?}");
        if let Ok(body) = body {
            assert_eq!(body.as_ref(), b"123456789", "{name}");
        }
        // in JSON there is a place to say it
        let query = json!({"operation": "get", "key": "k"});
        let (status, told) = service.admin.query(name, &query).await;
        assert_eq!(status == 200, is_whole, "{name}: {told:#}");
        assert!(is_whole || told["detail"].as_str().unwrap().contains("x-amz-checksum-crc32"), "{told:#}");
        server.abort();
    }
}
