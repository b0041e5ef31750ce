//! Many bodies at once, in both directions, and the memory that they take.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::sync::Arc;

use futures_util::future;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Barrier;

use crate::faucet::Faucet;
use crate::sink::Sink;
use crate::stores::{by_path, create, finish, open, raw, service_at};
use crate::streams::peak_kib;
use crate::support::{Client, expect};

const MIB: usize = 1 << 20;
/// In each direction.
const STREAMS: usize = 64;
/// Bytes of each body; uploads of this size go in parts.
const SIZE: usize = 32 * MIB;
/// KiB that all of them may take together, of the 4 GiB that they carry: a MiB for a download, two for an upload (what the
/// server reads at once, on its way in and out), and the room for parts.
const MOST: u64 = (3 * STREAMS as u64 + 40) * 1024;

/// Reads one object to its end; the bytes that came.
async fn download(client: &Client, begun: &Barrier) -> usize {
    let headers = [("connection", "close")];
    let mut stream = open(client, "GET", &by_path("main", "k"), &headers).await;
    let mut piece = vec![0; 64 << 10];
    let mut taken = stream.read(&mut piece).await.unwrap();
    assert!(piece.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&piece[..taken]));
    begun.wait().await;
    loop {
        match stream.read(&mut piece).await.unwrap() {
            0 => return taken,
            read => taken += read,
        }
    }
}

/// Writes one object; its size as the service tells it.
async fn upload(client: &Client, key: &str, sink: &Sink, begun: &Barrier) -> u64 {
    let length = SIZE.to_string();
    let headers = [("content-length", length.as_str()), ("connection", "close")];
    let mut stream = open(client, "PUT", &by_path("sink", key), &headers).await;
    let piece = vec![b'u'; 64 << 10];
    stream.write_all(&piece).await.unwrap();
    sink.wait_until_open(STREAMS).await;
    begun.wait().await;
    for _ in 1..SIZE / piece.len() {
        stream.write_all(&piece).await.unwrap();
    }
    let written = finish(stream).await;
    assert_eq!(written.status, 200, "{written:?}");
    written.json()["size"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_downloads_and_uploads_at_once_take_little_memory() {
    let faucet = Faucet::start(SIZE as u64).await;
    let service = service_at(&faucet.place()).await;
    let sink = Sink::start().await;
    create(&service.admin, &faucet.place(), "sink", &json!({"endpoint": sink.url()})).await;
    // everything has been used once
    expect(service.admin.query("sink", &json!({"operation": "put", "key": "k", "text": "x"})).await, 200);
    raw(&service.admin, "HEAD", &by_path("main", "k"), &[], b"").await;
    let (before, swallowed) = (peak_kib(&service), sink.taken().bytes);

    // none goes on before all have begun, and no body fits into what lies between its ends
    let begun = Arc::new(Barrier::new(2 * STREAMS));
    let downloads = future::join_all((0..STREAMS).map(|_| download(&service.admin, &begun)));
    let names: Vec<String> = (0..STREAMS).map(|number| format!("k{number}")).collect();
    let uploads = future::join_all(names.iter().map(|name| upload(&service.admin, name, &sink, &begun)));
    let (downloaded, uploaded) = tokio::join!(downloads, uploads);

    assert!(downloaded.iter().all(|bytes| *bytes > SIZE), "{downloaded:?}");
    assert_eq!(uploaded, [SIZE as u64; STREAMS]);
    assert!(sink.taken().bytes - swallowed >= (STREAMS * SIZE) as u64, "{:?}", sink.taken());
    assert_eq!(faucet.broken(), 0);
    let used = peak_kib(&service) - before;
    assert!(used < MOST, "{STREAMS} downloads and {STREAMS} uploads took {used} KiB");
}
