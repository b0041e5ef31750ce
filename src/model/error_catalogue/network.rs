//! What goes wrong before there is an answer.

use super::Owner::{Operator, ResourceEditor};
use super::{ErrorEntry, Origin, Owner};

/// By code.
pub(super) const ENTRIES: &[ErrorEntry] = &[
    entry(
        "NameNotFound",
        "the endpoint's host name does not resolve",
        "correct the host name in `endpoint`",
        ResourceEditor,
        false,
    ),
    entry(
        "ConnectionRefused",
        "nothing listens at the endpoint's address and port",
        "correct the port, or start the store",
        ResourceEditor,
        true,
    ),
    entry(
        "ConnectionReset",
        "the connection was cut in the middle",
        "try again; look at proxies and firewalls in between",
        Operator,
        true,
    ),
    entry(
        "ConnectTimeout",
        "no connection came about in time",
        "check that a firewall lets this service reach the endpoint",
        Operator,
        true,
    ),
    entry(
        "ProxyRefused",
        "the proxy of the resource's outbound route opened no tunnel to the endpoint",
        "look at the proxy: it must be there, take the password that it was given, and allow CONNECT to the endpoint's host and port",
        Operator,
        true,
    ),
    entry(
        "ReadTimeout",
        "the store did not answer in time",
        "try again, or raise `limits.timeout_ms`",
        ResourceEditor,
        true,
    ),
    entry(
        "TlsUnknownCa",
        "the endpoint's certificate is signed by an authority that is not trusted",
        "give the authority's certificate in `tls.ca_pem`",
        ResourceEditor,
        false,
    ),
    entry(
        "TlsCertificateExpired",
        "the endpoint's certificate has expired",
        "renew the certificate",
        Operator,
        false,
    ),
    entry(
        "TlsNameMismatch",
        "the endpoint's certificate is for another name",
        "use the name in the certificate; a bucket with dots needs `addressing: path`",
        ResourceEditor,
        false,
    ),
    entry(
        "TlsFailure",
        "no TLS connection came about",
        "check that the port speaks HTTPS; use `http://` for one that does not",
        ResourceEditor,
        false,
    ),
    entry(
        "NotHttp",
        "the endpoint does not answer in HTTP",
        "check that the port speaks HTTP; use `https://` for one that speaks TLS",
        ResourceEditor,
        false,
    ),
    entry(
        "BlockedEndpoint",
        "the egress rules do not allow this address",
        "let the operator add the host or network to `egress.allow`, or correct `endpoint`",
        Operator,
        false,
    ),
];

const fn entry(
    code: &'static str,
    cause: &'static str,
    remedy: &'static str,
    owner: Owner,
    retry: bool,
) -> ErrorEntry {
    ErrorEntry { code, origin: Origin::Network, cause, remedy, owner, retry }
}
