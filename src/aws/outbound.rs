//! Outbound routes: forward proxies through which resources reach stores in another region or network.
//!
//! The operator names them in the configuration, with the hosts that may be asked for through each: what a name means on
//! the other side is the proxy's matter, so the egress rules, which look at addresses, cannot apply there. A connection is
//! a tunnel (`CONNECT`, RFC 9110, section 9.3.6), also for plain HTTP; the proxy itself may be anywhere.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;

use crate::aws::egress::Blocked;
use crate::aws::http::Names;
use crate::config;
use crate::model::name::Name;

/// The time that a tunnel may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The routes of the configuration, by name.
#[derive(Debug, Default)]
pub struct Routes(BTreeMap<Name, Arc<Route>>);

/// One of them.
#[derive(Debug)]
pub struct Route {
    name: Name,
    hosts: Vec<String>,
    proxy: Uri,
    tunnel: Tunnel<HttpConnector>,
    /// The addresses that others see.
    pub addresses: Vec<String>,
}

/// A proxy did not let a connection through.
#[derive(Debug, thiserror::Error)]
#[error("the proxy of the outbound route `{route}` did not open a tunnel to `{target}`: {reason}")]
pub struct ProxyRefused {
    route: Name,
    target: String,
    reason: String,
}

impl Routes {
    /// Reads them. User and password of a proxy are in `credentials`, as `user:password`.
    pub fn new(
        settings: &BTreeMap<String, config::Outbound>,
        credentials: impl Fn(&str) -> Option<SecretString>,
    ) -> anyhow::Result<Routes> {
        let routes = settings.iter().map(|(name, settings)| {
            let wrong = |what: String| anyhow::anyhow!("outbound.{name}: {what}");
            let parsed = Name::parse(name).map_err(|error| wrong(error.to_string()))?;
            let route = Route::new(parsed.clone(), settings, credentials(name)).map_err(wrong)?;
            Ok((parsed, Arc::new(route)))
        });
        Ok(Routes(routes.collect::<anyhow::Result<_>>()?))
    }

    /// The one of that name.
    pub fn get(&self, name: &Name) -> Option<&Arc<Route>> {
        self.0.get(name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.values().map(AsRef::as_ref)
    }
}

impl Route {
    fn new(
        name: Name,
        settings: &config::Outbound,
        credentials: Option<SecretString>,
    ) -> Result<Route, String> {
        let config::Outbound { proxy, hosts, addresses } = settings;
        // never shown: it may hold a password
        let wrong = || "`proxy` takes a URL like `http://proxy.example.com:3128`".to_owned();
        let url = url::Url::parse(proxy).map_err(|_| wrong())?;
        if url.scheme() != "http" || url.host().is_none() {
            return Err(wrong());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!(
                "`proxy` holds a password: take it out, and set `{}` to `user:password`",
                variable(name.as_str())
            ));
        }
        if hosts.is_empty() {
            return Err(
                "`hosts` is empty: name the hosts that may be asked for, `*.example.com` for all below"
                    .to_owned(),
            );
        }
        let is_host = |host: &&String| {
            let name = host.strip_prefix("*.").unwrap_or(host);
            !name.contains('*') && url::Host::parse(name).is_ok()
        };
        if let Some(strange) = hosts.iter().find(|host| !is_host(host)) {
            return Err(format!("`hosts` holds `{strange}`, which is no host: leave out scheme and port"));
        }
        let uri: Uri = proxy.parse().map_err(|_| wrong())?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let mut tunnel = Tunnel::new(uri.clone(), connector);
        if let Some(credentials) = credentials {
            let value = format!("Basic {}", STANDARD.encode(credentials.expose_secret()));
            let mut value = HeaderValue::try_from(value).map_err(|error| error.to_string())?;
            value.set_sensitive(true);
            tunnel = tunnel.with_auth(value);
        }
        let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Ok(Route { name, hosts, proxy: uri, tunnel, addresses: addresses.clone() })
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Whether the proxy takes connections.
    pub async fn reach(&self) -> Result<(), String> {
        let (host, port) = (self.proxy.host().unwrap_or_default(), self.proxy.port_u16().unwrap_or(80));
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect((host, port))).await {
            Ok(connected) => connected.map(drop).map_err(|error| error.to_string()),
            Err(_) => Err("no connection came about in time".to_owned()),
        }
    }

    /// Whether the host may be asked for through it.
    pub fn check_host(&self, host: &str) -> Result<(), Blocked> {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let fits = |pattern: &String| match pattern.strip_prefix("*.") {
            Some(below) => host.strip_suffix(below).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            None => *pattern == host,
        };
        if self.hosts.iter().any(fits) {
            return Ok(());
        }
        let reason = format!(
            "is no host of the outbound route `{0}`: the operator can add it to `outbound.{0}.hosts`",
            self.name
        );
        Err(Blocked::new(host, reason))
    }

    /// Opens a tunnel.
    pub async fn connect(
        &self,
        uri: Uri,
    ) -> Result<TokioIo<TcpStream>, Box<dyn std::error::Error + Send + Sync>> {
        let host = uri.host().unwrap_or_default();
        self.check_host(host)?;
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        let target = format!("{host}:{port}");
        let refused =
            |reason: String| ProxyRefused { route: self.name.clone(), target: target.clone(), reason };
        // with its port: the tunnel would take 443 where there is none
        let uri = Uri::builder().scheme("https").authority(target.as_str()).path_and_query("/").build()?;
        let mut tunnel = self.tunnel.clone();
        let opened = async {
            std::future::poll_fn(|context| tower::Service::poll_ready(&mut tunnel, context)).await?;
            tower::Service::call(&mut tunnel, uri).await
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, opened).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(refused(chain(&error)).into()),
            Err(_) => Err(refused("it did not answer in time".to_owned()).into()),
        }
    }
}

/// The variable that holds the user and password of a route's proxy.
pub fn variable(name: &str) -> String {
    format!("S3_CONNECTOR_OUTBOUND_{}", name.to_ascii_uppercase().replace('-', "_"))
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// How connections come about: by the egress rules, or through a route.
#[derive(Debug, Clone)]
pub enum Connect {
    /// To the address itself.
    Straight(HttpConnector<Names>),
    /// Through a proxy.
    Through(Arc<Route>),
}

impl tower::Service<Uri> for Connect {
    type Response = TokioIo<TcpStream>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self {
            Connect::Straight(connector) => {
                tower::Service::poll_ready(connector, context).map_err(Into::into)
            }
            Connect::Through(_) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        match self {
            Connect::Straight(connector) => {
                let connecting = tower::Service::call(connector, uri);
                Box::pin(async move { connecting.await.map_err(Into::into) })
            }
            Connect::Through(route) => {
                let route = Arc::clone(route);
                Box::pin(async move { route.connect(uri).await })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Routes;
    use crate::config::Outbound;
    use crate::model::name::Name;

    fn routes(proxy: &str, hosts: &[&str]) -> anyhow::Result<Routes> {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        let route = Outbound { proxy: proxy.to_owned(), hosts, addresses: Vec::new() };
        Routes::new(&BTreeMap::from([("eu".to_owned(), route)]), |_| None)
    }

    #[test]
    fn only_named_hosts_are_asked_for() {
        let routes = routes("http://proxy:3128", &["*.Amazonaws.com", "s3.internal"]).unwrap();
        let route = routes.get(&Name::parse("eu").unwrap()).unwrap();
        for host in ["s3.eu-west-1.amazonaws.com", "b.S3.amazonaws.com", "s3.internal"] {
            assert!(route.check_host(host).is_ok(), "{host}");
        }
        for host in ["amazonaws.com", ".amazonaws.com", "evilamazonaws.com", "b.s3.internal", "10.0.0.1", ""]
        {
            assert!(route.check_host(host).is_err(), "{host}");
        }
    }

    #[test]
    fn what_cannot_be_a_route_is_told() {
        for (proxy, hosts, told) in [
            ("proxy:3128", &["a"][..], "http://proxy.example.com:3128"),
            ("https://proxy", &["a"], "http://proxy.example.com:3128"),
            ("http://u:secret-word@proxy", &["a"], "S3_CONNECTOR_OUTBOUND_EU"),
            ("http://u:secret-word/x@proxy:1", &["a"], "http://proxy.example.com:3128"),
            ("http://proxy", &["a:9000"], "leave out scheme and port"),
            ("http://proxy", &["https://a"], "leave out scheme and port"),
            ("http://proxy", &["*"], "leave out scheme and port"),
            ("http://proxy", &[], "`hosts` is empty"),
        ] {
            let error = routes(proxy, hosts).unwrap_err().to_string();
            assert!(error.contains(told) && !error.contains("secret-word"), "{error}");
        }
    }
}
