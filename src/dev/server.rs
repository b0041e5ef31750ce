//! The embedded S3 server: the protocol on a socket of this process, the store behind it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::{self, Poll};
use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http::Request;
use http::header::EXPECT;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError, HttpResponse, S3ErrorCode, S3Result, s3_error};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::store::Store;

/// How long a stop waits for requests that are under way.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after a failed accept: the usual cause, no file handles left, does not go away at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How much of the body of a refused request is read and thrown away, and for how long.
const DISCARD_BYTES: usize = 256 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// How to start an [`EmbeddedStore`].
#[derive(Debug)]
pub struct Options {
    /// Folder of the data; created if it does not exist. One process at a time.
    pub root: PathBuf,
    /// Where to listen. Port 0 picks a free one, see [`EmbeddedStore::address`].
    pub listen: SocketAddr,
    /// The key pair accepted at first.
    pub access_key_id: String,
    /// The secret of that pair.
    pub secret_access_key: SecretString,
    /// The region the buckets claim to be in.
    pub region: String,
}

/// A running embedded S3 server. Path-style addresses only; dropping it stops it without grace.
#[derive(Debug)]
pub struct EmbeddedStore {
    /// Where it listens.
    pub address: SocketAddr,
    store: Store,
    keys: Arc<Keys>,
    requests: Arc<AtomicU64>,
    stop: CancellationToken,
    accepting: JoinHandle<()>,
}

impl EmbeddedStore {
    /// Opens the folder, binds the address and serves in tasks of the current runtime.
    ///
    /// # Errors
    ///
    /// If the folder cannot be used, is used by another process, or the address cannot be bound.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let listen = options.listen;
        let (root, region) = (options.root, options.region);
        let store = tokio::task::spawn_blocking(move || Store::open(root, region)).await??;
        let listener =
            TcpListener::bind(listen).await.with_context(|| format!("cannot listen on `{listen}`"))?;
        let address = listener.local_addr()?;
        let keys = Arc::new(Keys::default());
        keys.add(&options.access_key_id, options.secret_access_key);
        let requests = Arc::new(AtomicU64::new(0));
        let stop = CancellationToken::new();
        let mut service = S3ServiceBuilder::new(store.clone());
        service.set_auth(KeysOf(Arc::clone(&keys)));
        let service = Counting { service: service.build(), answered: Arc::clone(&requests) };
        let accepting = tokio::spawn(accept(listener, service, stop.clone()));
        Ok(Self { address, store, keys, requests, stop, accepting })
    }

    /// Replaces every key pair by this one: from now on the others are refused.
    pub fn set_keys(&self, access_key_id: &str, secret: SecretString) {
        self.keys.replace(access_key_id, secret);
    }

    /// Accepts one more key pair.
    pub fn add_keys(&self, access_key_id: &str, secret: SecretString) {
        self.keys.add(access_key_id, secret);
    }

    /// Creates a bucket unless it exists.
    ///
    /// # Errors
    ///
    /// If the name is not a bucket name or the disk refuses.
    pub async fn create_bucket(&self, name: &str) -> anyhow::Result<()> {
        match self.store.create_bucket(name).await {
            Err(error) if *error.code() != S3ErrorCode::BucketAlreadyOwnedByYou => {
                let reason = error.message().unwrap_or("the folder cannot be written");
                Err(anyhow!("cannot create the bucket `{name}`: {reason}"))
            }
            _ => Ok(()),
        }
    }

    /// The number of S3 requests answered so far, refusals included.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Stops accepting, lets requests under way finish for at most five seconds, and closes all connections.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Err(error) = (&mut self.accepting).await {
            tracing::error!(%error, "the embedded store did not stop cleanly");
        }
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        // The connections belong to the task that accepts and end with it.
        self.accepting.abort();
    }
}

/// The key pairs that are accepted now.
#[derive(Debug, Default)]
struct Keys(RwLock<HashMap<String, SecretString>>);

impl Keys {
    fn add(&self, access_key_id: &str, secret: SecretString) {
        let mut pairs = self.0.write().unwrap_or_else(PoisonError::into_inner);
        pairs.insert(access_key_id.to_owned(), secret);
    }

    fn replace(&self, access_key_id: &str, secret: SecretString) {
        let mut pairs = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *pairs = HashMap::from([(access_key_id.to_owned(), secret)]);
    }

    fn get(&self, access_key_id: &str) -> Option<SecretKey> {
        let pairs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        pairs.get(access_key_id).map(|secret| SecretKey::from(secret.expose_secret()))
    }
}

struct KeysOf(Arc<Keys>);

#[async_trait::async_trait]
impl S3Auth for KeysOf {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let unknown = || s3_error!(InvalidAccessKeyId, "the access key id is not known here");
        self.0.get(access_key).ok_or_else(unknown)
    }
}

/// The protocol service and the count of its answers.
#[derive(Clone)]
struct Counting {
    service: S3Service,
    answered: Arc<AtomicU64>,
}

impl Counting {
    async fn answer(self, request: Request<Incoming>) -> Result<HttpResponse, HttpError> {
        // A client that asked first has not sent its body yet, and need not send it in vain.
        let asked_first = request.headers().contains_key(EXPECT);
        let (head, body) = request.into_parts();
        let body = SharedBody(Arc::new(Mutex::new(body)));
        let answer = self.service.call(Request::from_parts(head, Body::http_body(body.clone()))).await;
        if !asked_first && answer.as_ref().is_ok_and(|answer| answer.status().is_client_error()) {
            body.discard_rest().await;
        }
        self.answered.fetch_add(1, Ordering::Relaxed);
        answer
    }
}

/// A request body of which the server can read what the protocol left unread.
///
/// Closing a connection on a client that still sends resets it, and many clients then report a broken pipe
/// instead of the refusal that was on its way.
#[derive(Clone)]
struct SharedBody(Arc<Mutex<Incoming>>);

impl SharedBody {
    fn incoming(&self) -> MutexGuard<'_, Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn discard_rest(mut self) {
        let mut budget = DISCARD_BYTES;
        let read = async {
            while let Some(Ok(frame)) = self.frame().await {
                let length = frame.data_ref().map_or(0, Bytes::len);
                match budget.checked_sub(length) {
                    Some(left) => budget = left,
                    None => break,
                }
            }
        };
        if tokio::time::timeout(DISCARD_TIME, read).await.is_err() {
            tracing::debug!("a client of the embedded store did not finish the body of a refused request");
        }
    }
}

impl http_body::Body for SharedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *self.incoming()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming().size_hint()
    }
}

/// Accepts connections until the token is cancelled, then lets them finish.
async fn accept(listener: TcpListener, service: Counting, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    let graceful = GracefulShutdown::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, service.clone(), graceful.watcher()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the embedded store could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    if tokio::time::timeout(STOP_GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("the embedded store closes connections that did not finish in time");
    }
    connections.shutdown().await;
}

async fn serve(stream: TcpStream, service: Counting, watcher: Watcher) {
    // Without it the head and the body of a small answer wait for each other for 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let service = service_fn(move |request| service.clone().answer(request));
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection to the embedded store broke off");
    }
}
