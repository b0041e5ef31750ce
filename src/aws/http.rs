//! HTTP clients for the SDK: pooled per trust and port, with the egress rules in their resolver.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name as DnsName;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::aws::body::RequestBody;
use crate::aws::egress::{Egress, EgressResolver, ResolveError};
use crate::aws::outbound::{Connect, Route};
use crate::aws::tunnelled::sdk_client;
use crate::model::name::Name;

/// Idle connections are kept so long; most stores close them a little later.
const POOL_IDLE: Duration = Duration::from_secs(50);
/// Clients that are kept.
const MOST_CLIENTS: usize = 256;
/// The time that a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that one connection buffers: large bodies want large reads, and 64 slow readers must still cost little.
const BUFFER: usize = 256 * 1024;

/// Makes and shares HTTP clients.
#[derive(Debug)]
pub struct HttpClients {
    egress: Arc<Egress>,
    clients: Mutex<HashMap<Key, SharedHttpClient>>,
    direct: Mutex<HashMap<Key, DirectClient>>,
}

/// What clients are for: endpoints at one port, with the same trust, by the same way.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// The port.
    pub port: u16,
    /// Certificates to trust besides the system's.
    pub ca_pem: Option<&'a str>,
    /// An outbound route; none is straight to the address.
    pub route: Option<&'a Arc<Route>>,
}

type Key = (u16, Option<String>, Option<Name>);

impl Way<'_> {
    /// Straight, to a port whose certificate a system authority signed.
    pub fn straight(port: u16) -> Way<'static> {
        Way { port, ca_pem: None, route: None }
    }

    fn key(&self) -> Key {
        (self.port, self.ca_pem.map(str::to_owned), self.route.map(|route| route.name().clone()))
    }
}

/// A client of the direct path.
pub type DirectClient = Client<HttpsConnector<Connect>, RequestBody>;

/// The egress rules as hyper's resolver.
#[derive(Debug, Clone)]
pub struct Names(EgressResolver);

impl tower::Service<DnsName> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = ResolveError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ResolveError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ResolveError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: DnsName) -> Self::Future {
        let resolver = self.0.clone();
        Box::pin(async move { Ok(resolver.addresses(name.as_str()).await?.into_iter()) })
    }
}

/// A certificate bundle that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("`tls.ca_pem` holds no certificate in PEM form")]
pub struct InvalidCa;

impl HttpClients {
    /// Makes none yet.
    pub fn new(egress: Arc<Egress>) -> HttpClients {
        HttpClients { egress, clients: Mutex::new(HashMap::new()), direct: Mutex::new(HashMap::new()) }
    }

    /// The rules that the clients apply.
    pub fn egress(&self) -> &Arc<Egress> {
        &self.egress
    }

    /// The SDK's client.
    pub fn get(&self, way: Way<'_>) -> Result<SharedHttpClient, InvalidCa> {
        let key = way.key();
        if let Some(client) = self.clients.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(client.clone());
        }
        let client = if way.route.is_some() {
            sdk_client(HttpClients::builder().build(self.connector(way)?))
        } else {
            let mut trust = TrustStore::default();
            if let Some(pem) = way.ca_pem {
                check_ca(pem)?;
                trust = trust.with_pem_certificate(pem.as_bytes());
            }
            let context = TlsContext::builder().with_trust_store(trust).build().map_err(|_| InvalidCa)?;
            aws_smithy_http_client::Builder::new()
                .pool_idle_timeout(POOL_IDLE)
                .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                .tls_context(context)
                .build_with_resolver(self.egress.resolver(way.port))
        };
        insert(&self.clients, key, &client);
        Ok(client)
    }

    /// The client of the direct path.
    pub fn direct(&self, way: Way<'_>) -> Result<DirectClient, InvalidCa> {
        let key = way.key();
        if let Some(client) = self.direct.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(client.clone());
        }
        let mut builder = HttpClients::builder();
        // the direct path sets it, because it signs it
        let client = builder.http1_max_buf_size(BUFFER).set_host(false).build(self.connector(way)?);
        insert(&self.direct, key, &client);
        Ok(client)
    }

    fn builder() -> hyper_util::client::legacy::Builder {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_idle_timeout(POOL_IDLE).pool_timer(TokioTimer::new());
        builder
    }

    fn connector(&self, way: Way<'_>) -> Result<HttpsConnector<Connect>, InvalidCa> {
        let connect = if let Some(route) = way.route {
            Connect::Through(Arc::clone(route))
        } else {
            let mut connector = HttpConnector::new_with_resolver(Names(self.egress.resolver(way.port)));
            connector.set_nodelay(true);
            connector.enforce_http(false);
            connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
            Connect::Straight(connector)
        };
        Ok(hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls_config(way.ca_pem)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connect))
    }
}

/// Keeps a client for others. Ports and certificates come from definitions, also from ones that are only tested, so
/// the number is bounded; who has a client keeps it.
fn insert<T: Clone>(clients: &Mutex<HashMap<Key, T>>, key: Key, client: &T) {
    let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
    if clients.len() >= MOST_CLIENTS {
        clients.clear();
    }
    clients.insert(key, client.clone());
}

/// TLS that trusts the system's authorities and those of `ca_pem`.
pub fn tls_config(ca_pem: Option<&str>) -> Result<rustls::ClientConfig, InvalidCa> {
    let mut roots = rustls::RootCertStore::empty();
    // certificates of the system that cannot be read are of no use to anyone
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = ca_pem {
        roots.add_parsable_certificates(parse_ca(pem)?);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| InvalidCa)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The certificates of a bundle; at least one.
pub fn parse_ca(pem: &str) -> Result<Vec<rustls::pki_types::CertificateDer<'static>>, InvalidCa> {
    use rustls::pki_types::pem::PemObject;
    let certificates: Vec<_> = rustls::pki_types::CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| InvalidCa)?;
    if certificates.is_empty() { Err(InvalidCa) } else { Ok(certificates) }
}

/// Whether a bundle can be trusted at all; a broken one would fail only at the first connection.
pub fn check_ca(pem: &str) -> Result<(), InvalidCa> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in parse_ca(pem)? {
        roots.add(certificate).map_err(|_| InvalidCa)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{HttpClients, MOST_CLIENTS, Way};
    use crate::aws::egress::Egress;
    use crate::config::{Config, Overrides};

    #[test]
    fn the_clients_of_many_endpoints_are_bounded() {
        let egress = Egress::new(&Config::load(None, Overrides::default()).unwrap().egress).unwrap();
        let clients = HttpClients::new(Arc::new(egress));
        for port in 1..=u16::try_from(MOST_CLIENTS).unwrap() + 10 {
            clients.direct(Way::straight(port)).unwrap();
        }
        assert!(clients.direct.lock().unwrap().len() <= MOST_CLIENTS);
    }
}
