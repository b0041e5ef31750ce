//! A store that answers every read with as many bytes as the test wants, and says when nobody takes them any more.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time;

use crate::harness::servers::AccessKey;
use crate::stores::Place;
use crate::support::LONG;

static PIECE: [u8; 64 * 1024] = [b'f'; 64 * 1024];

/// Listens until dropped.
pub(crate) struct Faucet {
    url: String,
    broken: watch::Receiver<usize>,
    listener: JoinHandle<()>,
}

impl Faucet {
    /// Every object has that many bytes.
    pub(crate) async fn start(size: u64) -> Faucet {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (count, broken) = watch::channel(0);
        let listener = tokio::spawn(accept(listener, size, Arc::new(count)));
        Faucet { url, broken, listener }
    }

    pub(crate) fn place(&self) -> Place {
        let key = AccessKey::new("AKIAFAUCET0000000001", "faucet");
        Place { name: "faucet", url: self.url.clone(), bucket: "bucket".to_owned(), key, embedded: None }
    }

    /// Waits until so many transfers were broken off by the other side.
    pub(crate) async fn wait_until_broken(&self, transfers: usize) {
        let mut broken = self.broken.clone();
        let waited = time::timeout(LONG, broken.wait_for(|count| *count >= transfers)).await;
        waited.expect("the transfer from the store goes on").unwrap();
    }

    pub(crate) fn broken(&self) -> usize {
        *self.broken.borrow()
    }
}

impl Drop for Faucet {
    fn drop(&mut self) {
        self.listener.abort(); // the connections go with it
    }
}

async fn accept(listener: TcpListener, size: u64, broken: Arc<watch::Sender<usize>>) {
    let mut open = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let broken = Arc::clone(&broken);
        open.spawn(async move {
            if pour(stream, size).await.is_err() {
                broken.send_modify(|count| *count += 1);
            }
        });
        while open.try_join_next().is_some() {}
    }
}

/// Answers one request after the other; fails when an answer could not be sent to its end.
async fn pour(mut stream: TcpStream, size: u64) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return Ok(()), // between two requests it may be closed
            }
        }
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {size}\r\netag: \"f\"\r\nlast-modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).await?;
        let mut left = if head.starts_with(b"HEAD") { 0 } else { size };
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE.len());
            stream.write_all(&PIECE[..length]).await?;
            left -= length as u64;
        }
    }
}
