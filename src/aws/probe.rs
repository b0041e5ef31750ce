//! Reaching an endpoint step by step: name, TCP, TLS. For tests, so that each failure has its own name.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use crate::aws::body::RequestBody;
use crate::aws::direct;
use crate::aws::egress::{Egress, ResolveError};
use crate::aws::error::tls_code;
use crate::aws::http::{self as clients, DirectClient, HttpClients, Way};
use crate::aws::outbound::Route;
use crate::aws::{AwsError, ErrorKind};

const STEP_TIMEOUT: Duration = Duration::from_secs(5);

/// What to reach.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// The host.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Certificates to trust besides the system's.
    pub ca_pem: Option<&'a str>,
    /// The outbound route, which looks the name up by itself.
    pub route: Option<&'a Route>,
}

/// How long each step took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Milliseconds to resolve the name.
    pub dns_ms: u64,
    /// Milliseconds to connect.
    pub tcp_ms: u64,
    /// Milliseconds for the TLS handshake.
    pub tls_ms: Option<u64>,
}

/// Resolves, connects and shakes hands; sends nothing.
pub async fn reach(egress: &Egress, target: &Target<'_>) -> Result<Times, AwsError> {
    let mut times = Times::default();
    if let Some(route) = target.route {
        let started = Instant::now();
        let stream = tunnel(route, target).await?;
        times.tcp_ms = elapsed(started);
        return shaken(stream, target, times).await;
    }
    let started = Instant::now();
    let addresses = tokio::time::timeout(STEP_TIMEOUT, egress.resolve(target.host, target.port))
        .await
        .map_err(|_| unreachable("NameNotFound", "the name did not resolve in time"))?
        .map_err(|error| match error {
            ResolveError::Blocked(blocked) => AwsError::blocked("s3", &blocked),
            ResolveError::NotFound(text) => unreachable("NameNotFound", &text),
        })?;
    times.dns_ms = elapsed(started);
    let started = Instant::now();
    let stream = tokio::time::timeout(STEP_TIMEOUT, TcpStream::connect(addresses.as_slice()))
        .await
        .map_err(|_| {
            AwsError::new(ErrorKind::Timeout, "s3", "ConnectTimeout", "no connection came about in time")
        })?
        .map_err(|error| {
            let refused = error.kind() == std::io::ErrorKind::ConnectionRefused;
            unreachable(if refused { "ConnectionRefused" } else { "ConnectionReset" }, &error.to_string())
        })?;
    times.tcp_ms = elapsed(started);
    shaken(stream, target, times).await
}

async fn tunnel(route: &Route, target: &Target<'_>) -> Result<TcpStream, AwsError> {
    let uri = format!("{}://{}:{}/", if target.tls { "https" } else { "http" }, target.host, target.port);
    let uri = uri.parse().map_err(|_| unreachable("NameNotFound", "the endpoint cannot be read"))?;
    let stream = route.connect(uri).await.map_err(|error| AwsError::from_chain("s3", &*error))?;
    Ok(stream.into_inner())
}

async fn shaken(stream: TcpStream, target: &Target<'_>, mut times: Times) -> Result<Times, AwsError> {
    if target.tls {
        let started = Instant::now();
        shake_hands(stream, target).await?;
        times.tls_ms = Some(elapsed(started));
    }
    Ok(times)
}

/// Asks for a signed URL with no header but the host's; what comes back is the store's code, not the object.
pub async fn fetch(client: &DirectClient, url: &str) -> Result<(), AwsError> {
    let answer = get(client, url).await?;
    if answer.status().is_success() {
        return Ok(());
    }
    Err(direct::refusal(answer).await)
}

/// Sends a request that has no header but the host's.
async fn get(client: &DirectClient, url: &str) -> Result<http::Response<hyper::body::Incoming>, AwsError> {
    let uri: http::Uri = url.parse().map_err(|_| unreachable("NameNotFound", "the URL cannot be read"))?;
    let host = uri.authority().map_or("", http::uri::Authority::as_str).to_owned();
    let request = http::Request::get(uri).header(http::header::HOST, host).body(RequestBody::Empty);
    let request = request.map_err(|_| unreachable("NameNotFound", "the URL cannot be read"))?;
    tokio::time::timeout(STEP_TIMEOUT, client.request(request))
        .await
        .map_err(|_| AwsError::timeout("s3", STEP_TIMEOUT.as_millis()))?
        .map_err(|error| AwsError::from_chain("s3", &error))
}

/// What the clock of a service says, in epoch milliseconds; none when it does not say. The request has no signature, and any
/// answer will do.
pub async fn date(clients: &HttpClients, url: &str) -> Result<Option<i64>, AwsError> {
    let endpoint = clients.egress().check_url(url).map_err(|blocked| AwsError::blocked("s3", &blocked))?;
    let client = clients
        .direct(Way::straight(endpoint.port))
        .map_err(|error| unreachable("TlsUnknownCa", &error.to_string()))?;
    let answer = get(&client, &endpoint.url).await?;
    let date = answer.headers().get(http::header::DATE).and_then(|date| date.to_str().ok());
    Ok(date.and_then(crate::aws::s3::epoch_ms_of))
}

async fn shake_hands(stream: TcpStream, target: &Target<'_>) -> Result<(), AwsError> {
    let config = clients::tls_config(target.ca_pem)
        .map_err(|error| unreachable("TlsUnknownCa", &error.to_string()))?;
    let name = ServerName::try_from(target.host.to_owned())
        .map_err(|error| unreachable("TlsNameMismatch", &error.to_string()))?;
    let handshake = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream);
    let outcome = tokio::time::timeout(STEP_TIMEOUT, handshake)
        .await
        .map_err(|_| unreachable("TlsFailure", "the TLS handshake did not end in time"))?;
    outcome.map(drop).map_err(|error| {
        let code = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
            .map_or("TlsFailure", tls_code);
        unreachable(code, &error.to_string())
    })
}

fn unreachable(code: &str, message: &str) -> AwsError {
    AwsError::new(ErrorKind::Unreachable, "s3", code, message)
}

fn elapsed(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
