//! HTTP clients for the SDK: pooled per trust and port, with the egress rules in their resolver.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::aws::egress::Egress;

/// Idle connections are kept so long; most stores close them a little later.
const POOL_IDLE: Duration = Duration::from_secs(50);

/// Makes and shares HTTP clients.
#[derive(Debug)]
pub struct HttpClients {
    egress: Arc<Egress>,
    clients: Mutex<HashMap<(u16, Option<String>), SharedHttpClient>>,
}

/// A certificate bundle that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("`tls.ca_pem` holds no certificate in PEM form")]
pub struct InvalidCa;

impl HttpClients {
    /// Makes none yet.
    pub fn new(egress: Arc<Egress>) -> HttpClients {
        HttpClients { egress, clients: Mutex::new(HashMap::new()) }
    }

    /// The rules that the clients apply.
    pub fn egress(&self) -> &Arc<Egress> {
        &self.egress
    }

    /// The client for endpoints at `port` whose certificates are signed by a system authority or by `ca_pem`.
    pub fn get(&self, port: u16, ca_pem: Option<&str>) -> Result<SharedHttpClient, InvalidCa> {
        let key = (port, ca_pem.map(str::to_owned));
        if let Some(client) = self.clients.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(client.clone());
        }
        let mut trust = TrustStore::default();
        if let Some(pem) = ca_pem {
            check_ca(pem)?;
            trust = trust.with_pem_certificate(pem.as_bytes());
        }
        let context = TlsContext::builder().with_trust_store(trust).build().map_err(|_| InvalidCa)?;
        let client = aws_smithy_http_client::Builder::new()
            .pool_idle_timeout(POOL_IDLE)
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context)
            .build_with_resolver(self.egress.resolver(port));
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).insert(key, client.clone());
        Ok(client)
    }
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
