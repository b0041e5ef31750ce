//! Egress rules: which addresses definitions may make this service talk to.
//!
//! The rules are applied where a name becomes an address (inside the HTTP client's resolver, so that a name that
//! changes its address between check and use gains nothing) and to literal addresses in URLs. Loopback,
//! private and special networks are refused unless `egress.allow` lists them; the metadata services of clouds
//! are refused always. Redirects are never followed and no proxy is read from the environment.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use ipnet::IpNet;
use url::{Host, Url};

use crate::config;

/// An address was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{target}` {reason}")]
pub struct Blocked {
    target: String,
    reason: String,
}

impl Blocked {
    pub(in crate::aws) fn new(target: String, reason: String) -> Blocked {
        Blocked { target, reason }
    }
}

/// The rules.
#[derive(Debug)]
pub struct Egress {
    allow: Vec<Allowed>,
    ports: Vec<u16>,
    /// Every name is this machine, for tests of what is sent to hosts that are not there.
    #[cfg(test)]
    everything_is_here: bool,
}

#[derive(Debug)]
struct Allowed {
    target: Target,
    port: Option<u16>,
}

#[derive(Debug)]
enum Target {
    Host(String),
    Network(IpNet),
}

/// A URL that the rules have seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// As given, without a trailing slash.
    pub url: String,
    /// The host, without brackets.
    pub host: String,
    /// The port, the scheme's own when none was given.
    pub port: u16,
    /// Whether it is `https`.
    pub tls: bool,
}

impl Egress {
    /// Reads the rules.
    pub fn new(settings: &config::Egress) -> anyhow::Result<Egress> {
        let allow =
            settings.allow.iter().map(|entry| Allowed::parse(entry.trim())).collect::<anyhow::Result<_>>()?;
        Ok(Egress {
            allow,
            ports: settings.ports.clone(),
            #[cfg(test)]
            everything_is_here: false,
        })
    }

    /// Rules under which every name is this machine.
    #[cfg(test)]
    pub(in crate::aws) fn here() -> Egress {
        Egress { allow: Vec::new(), ports: Vec::new(), everything_is_here: true }
    }

    /// Checks the form of an endpoint's URL, its port, and its address when it is a literal one.
    pub fn check_url(&self, text: &str) -> Result<Endpoint, Blocked> {
        let url = read(text)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(blocked(text, "holds a query or fragment: an endpoint is scheme, host and port"));
        }
        self.check_read(text, &url)
    }

    /// The same for the URL of a webhook, which may have a query.
    pub fn check_webhook(&self, text: &str) -> Result<Endpoint, Blocked> {
        let url = read(text)?;
        if url.fragment().is_some() {
            return Err(blocked(text, "holds a fragment, which is never sent"));
        }
        self.check_read(text, &url)
    }

    fn check_read(&self, text: &str, url: &Url) -> Result<Endpoint, Blocked> {
        let tls = url.scheme() == "https";
        let port = url.port_or_known_default().unwrap_or(443);
        let (host, address) = match url.host() {
            Some(Host::Domain(name)) => (name.to_owned(), None),
            Some(Host::Ipv4(address)) => (address.to_string(), Some(IpAddr::V4(address))),
            Some(Host::Ipv6(address)) => (address.to_string(), Some(IpAddr::V6(address))),
            None => return Err(blocked(text, "has no host")),
        };
        // an entry for a private address with its port settles both, so it is what is asked for first
        if let Some(address) = address {
            self.check_address(&host, address, port)?;
        }
        self.check_port(&host, address, port)?;
        Ok(Endpoint { url: text.trim_end_matches('/').to_owned(), host, port, tls })
    }

    fn check_port(&self, host: &str, address: Option<IpAddr>, port: u16) -> Result<(), Blocked> {
        let listed = self.ports.is_empty() || self.ports.contains(&port);
        let own =
            || self.allow.iter().any(|allowed| allowed.port == Some(port) && allowed.names(host, address));
        if listed || own() {
            return Ok(());
        }
        let reason =
            "is a port that the egress rules do not allow: the operator can add it to `egress.ports`"
                .to_owned();
        Err(Blocked { target: format!("{host}:{port}"), reason })
    }

    /// Checks one address that a host stands for.
    pub fn check_address(&self, host: &str, address: IpAddr, port: u16) -> Result<(), Blocked> {
        let target =
            if host == address.to_string() { host.to_owned() } else { format!("{host} ({address})") };
        if is_metadata(address) {
            return Err(Blocked {
                target,
                reason: "is a cloud's metadata service, which is never reached for a definition".to_owned(),
            });
        }
        let Some(kind) = special(address) else { return Ok(()) };
        let allowed = self
            .allow
            .iter()
            .any(|allowed| allowed.port.is_none_or(|own| own == port) && allowed.names(host, Some(address)));
        if allowed {
            return Ok(());
        }
        Err(Blocked {
            target,
            reason: format!("is {kind}: the operator can add the host or network to `egress.allow`"),
        })
    }

    /// Resolves a host as the HTTP client would, with the rules applied.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        #[cfg(test)]
        if self.everything_is_here {
            return Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))]);
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            self.check_address(host, address, port)?;
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
            .await
            .map_err(|error| ResolveError::NotFound(error.to_string()))?
            .collect();
        if found.is_empty() {
            return Err(ResolveError::NotFound(format!("`{host}` has no address")));
        }
        // one bad address spoils the name: picking the good ones would make the outcome a matter of luck
        for address in &found {
            self.check_address(host, address.ip(), port)?;
        }
        Ok(found)
    }

    /// The resolver for an HTTP client whose requests all go to one port.
    pub fn resolver(self: &Arc<Self>, port: u16) -> EgressResolver {
        EgressResolver { egress: Arc::clone(self), port }
    }
}

/// A URL without a user name, of a scheme that we speak.
fn read(text: &str) -> Result<Url, Blocked> {
    let url = Url::parse(text)
        .map_err(|_| blocked(text, "is not a URL: use a form like `https://s3.example.com`"))?;
    if !["https", "http"].contains(&url.scheme()) {
        return Err(blocked(text, "is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(blocked(text, "holds a user name or password: keys belong into `auth`"));
    }
    Ok(url)
}

fn blocked(text: &str, reason: &str) -> Blocked {
    Blocked { target: text.chars().take(200).collect(), reason: reason.to_owned() }
}

/// Why a host has no address for us.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The rules refuse it.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// The name does not resolve.
    #[error("the name does not resolve: {0}")]
    NotFound(String),
}

/// Resolves names for an HTTP client, with the rules applied.
#[derive(Debug, Clone)]
pub struct EgressResolver {
    egress: Arc<Egress>,
    port: u16,
}

impl EgressResolver {
    /// The addresses of a name that may be reached.
    pub async fn addresses(&self, name: &str) -> Result<Vec<SocketAddr>, ResolveError> {
        self.egress.resolve(name, self.port).await
    }
}

impl ResolveDns for EgressResolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = self.egress.resolve(name, self.port).await.map_err(ResolveDnsError::new)?;
            Ok(found.into_iter().map(|address| address.ip()).collect())
        })
    }
}

impl Allowed {
    fn parse(text: &str) -> anyhow::Result<Allowed> {
        let wrong = || {
            anyhow::anyhow!("egress.allow: `{text}` is not a host, address or network with an optional port")
        };
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Allowed { target: Target::Network(network), port: None });
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Allowed { target: Target::Network(IpNet::from(address)), port: None });
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Allowed {
                target: Target::Network(IpNet::from(address.ip())),
                port: Some(address.port()),
            });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let network = host.trim_start_matches('[').trim_end_matches(']').parse::<IpNet>();
        if let Ok(network) = network {
            return Ok(Allowed { target: Target::Network(network), port });
        }
        match Host::parse(host) {
            Ok(Host::Domain(name)) => Ok(Allowed { target: Target::Host(name), port }),
            _ => Err(wrong()),
        }
    }

    fn names(&self, host: &str, address: Option<IpAddr>) -> bool {
        match &self.target {
            Target::Host(name) => name.eq_ignore_ascii_case(host) || is_subdomain(host, name),
            Target::Network(network) => {
                address.is_some_and(|address| network.contains(&address.to_canonical()))
            }
        }
    }
}

/// `bucket.minio.internal` belongs to `minio.internal`: virtual-hosted addressing needs it.
fn is_subdomain(host: &str, name: &str) -> bool {
    host.to_ascii_lowercase().strip_suffix(&name.to_ascii_lowercase()).is_some_and(|rest| rest.ends_with('.'))
}

/// AWS, Azure, Google and others answer at 169.254.169.254; ECS and EKS at 169.254.170.2 and .23; EC2 also by IPv6.
fn is_metadata(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            matches!(v4.octets(), [169, 254, 169, 254] | [169, 254, 170, 2 | 23] | [100, 100, 100, 200])
        }
        IpAddr::V6(v6) => {
            let known: [Ipv6Addr; 2] = [
                Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
                Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
            ];
            known.contains(&v6) || embedded(v6).is_some_and(|v4| is_metadata(IpAddr::V4(v4)))
        }
    }
}

/// What makes an address special, or nothing for a public one (IANA special-purpose address registries).
fn special(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => special_v6(v6),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [127, ..] => Some("a loopback address"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some("a private address"),
        [169, 254, ..] => Some("a link-local address"),
        [100, 64..=127, ..] => Some("a carrier-grade NAT address"),
        [224..=239, ..] => Some("a multicast address"),
        [0, ..] => Some("an unspecified address"),
        [240..=255, ..] | [192, 0, 0 | 2, _] | [198, 18..=19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Some("a reserved address")
        }
        _ => None,
    }
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(v4) = embedded(address) {
        return special_v4(v4).map(|_| "an address that leads to a private IPv4 address");
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("a loopback address"),
        [0, 0, 0, 0, 0, 0, ..] => Some("an unspecified address"),
        [0xfc00..=0xfdff, ..] => Some("a private address"),
        [0xfe80..=0xfebf, ..] => Some("a link-local address"),
        [0xfec0..=0xfeff, ..] => Some("a site-local address"),
        [0xff00..=0xffff, ..] => Some("a multicast address"),
        [0x2001, 0, ..] => Some("a Teredo address"),
        [0x64, 0xff9b, 1, ..] => Some("a local NAT64 address"),
        [0x2001, 0xdb8, ..] | [0x100, 0, 0, 0, ..] | [0x3fff, ..] => Some("a reserved address"),
        _ => None,
    }
}

/// The IPv4 address inside `64:ff9b::/96` (NAT64) and `2002::/16` (6to4); mapped ones are canonical already.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Egress;
    use crate::config;

    fn egress(allow: &[&str], ports: &[u16]) -> Egress {
        let allow = allow.iter().map(|&entry| entry.to_owned()).collect();
        Egress::new(&config::Egress { allow, ports: ports.to_vec(), addresses: Vec::new() }).unwrap()
    }

    #[test]
    fn private_and_special_addresses_are_refused_in_every_spelling() {
        let rules = egress(&[], &[]);
        for url in [
            "http://127.0.0.1",
            "http://127.1",
            "http://2130706433",
            "http://0x7f.1",
            "http://10.0.0.1",
            "http://172.16.0.1",
            "http://192.168.1.1",
            "http://169.254.1.1",
            "http://100.64.0.1",
            "http://0.0.0.0",
            "http://224.0.0.1",
            "http://[::1]",
            "http://[::]",
            "http://[fd00::1]",
            "http://[fe80::1]",
            "http://[::ffff:127.0.0.1]",
            "http://[64:ff9b::7f00:1]",
            "http://[2002:7f00:1::]",
            "http://[2001::1]",
            "http://[ff02::1]",
            "http://198.18.0.1",
        ] {
            assert!(rules.check_url(url).is_err(), "{url}");
        }
        for url in ["https://8.8.8.8", "https://[2606:4700::1111]", "https://s3.amazonaws.com"] {
            assert!(rules.check_url(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn metadata_services_are_refused_even_when_their_network_is_allowed() {
        let rules = egress(&["169.254.0.0/16", "fd00::/8", "0.0.0.0/0", "::/0"], &[]);
        for url in [
            "http://169.254.169.254",
            "http://169.254.170.2",
            "http://169.254.170.23",
            "http://[fd00:ec2::254]",
            "http://[::ffff:169.254.169.254]",
            "http://[64:ff9b::a9fe:a9fe]",
        ] {
            assert!(rules.check_url(url).is_err(), "{url}");
        }
        assert!(rules.check_url("http://169.254.1.1").is_ok());
    }

    #[test]
    fn an_allowed_entry_with_a_port_allows_only_that_port() {
        let rules = egress(&["127.0.0.1:9000", "minio.internal:9001"], &[443]);
        assert!(rules.check_url("http://127.0.0.1:9000").is_ok());
        assert!(rules.check_url("http://127.0.0.1:9001").is_err());
        assert!(rules.check_url("https://127.0.0.1").is_err());
        assert!(rules.check_url("http://minio.internal:9001").is_ok());
        assert!(rules.check_url("http://bucket.minio.internal:9001").is_ok());
        assert!(rules.check_url("http://xminio.internal:9001").is_err());
        assert!(rules.check_url("http://minio.internal:9002").is_err());
    }

    #[test]
    fn only_plain_http_urls_are_endpoints() {
        let rules = egress(&[], &[]);
        for url in [
            "ftp://8.8.8.8",
            "file:///etc/passwd",
            "https://user:pw@8.8.8.8",
            "https://8.8.8.8/?x=1",
            "nonsense",
            "",
        ] {
            assert!(rules.check_url(url).is_err(), "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_loopback_is_refused_by_the_resolver() {
        assert!(egress(&[], &[]).resolve("localhost", 80).await.is_err());
        assert!(egress(&["127.0.0.0/8", "::1"], &[]).resolve("localhost", 80).await.is_ok());
        assert!(egress(&["127.0.0.1:81", "[::1]:81"], &[]).resolve("localhost", 80).await.is_err());
    }
}
