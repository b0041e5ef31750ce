//! A store that takes whatever is written to it, keeps nothing, and says how many uploads are under way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time;

use crate::support::LONG;

/// Listens until dropped.
pub(crate) struct Sink {
    url: String,
    taken: watch::Receiver<Taken>,
    listener: JoinHandle<()>,
}

/// What came in so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Taken {
    /// Uploads under way: begun, and not completed.
    pub(crate) open: usize,
    /// Bytes of bodies.
    pub(crate) bytes: u64,
}

impl Sink {
    pub(crate) async fn start() -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (count, taken) = watch::channel(Taken::default());
        let listener = tokio::spawn(accept(listener, Arc::new(count)));
        Sink { url, taken, listener }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn taken(&self) -> Taken {
        *self.taken.borrow()
    }

    /// Waits until so many uploads are under way at once.
    pub(crate) async fn wait_until_open(&self, uploads: usize) {
        let mut taken = self.taken.clone();
        let waited = time::timeout(LONG, taken.wait_for(|taken| taken.open >= uploads)).await;
        waited.expect("so many uploads are never under way at once").unwrap();
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.listener.abort(); // the connections go with it
    }
}

async fn accept(listener: TcpListener, taken: Arc<watch::Sender<Taken>>) {
    let mut open = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let taken = Arc::clone(&taken);
        open.spawn(async move {
            let service = service_fn(|request| swallow(request, Arc::clone(&taken)));
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
        while open.try_join_next().is_some() {}
    }
}

/// An object in one request or in parts.
async fn swallow(
    request: Request<Incoming>,
    taken: Arc<watch::Sender<Taken>>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, mut body) = request.into_parts();
    let query = head.uri.query().unwrap_or_default();
    while let Some(frame) = body.frame().await {
        let bytes = frame?.data_ref().map_or(0, Bytes::len) as u64;
        taken.send_modify(|taken| taken.bytes += bytes);
    }
    let text = if head.method == Method::PUT {
        ""
    } else if query.starts_with("uploads") {
        taken.send_modify(|taken| taken.open += 1);
        "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
    } else {
        taken.send_modify(|taken| taken.open -= 1);
        "<CompleteMultipartUploadResult><ETag>\"1\"</ETag></CompleteMultipartUploadResult>"
    };
    Ok(Response::builder().header("etag", "\"1\"").body(Full::from(text)).unwrap())
}
