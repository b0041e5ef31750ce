//! Where a bucket's objects are.

use std::net::IpAddr;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};

use crate::aws::egress::Endpoint;
use crate::aws::s3::Settings;

/// What stands in a path as it is (RFC 3986, unreserved) besides the slash.
pub(in crate::aws) const KEPT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
pub(in crate::aws) const KEPT_IN_QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A bucket's address, taken apart once.
#[derive(Debug, Clone)]
pub(super) struct Address {
    scheme: Scheme,
    authority: Authority,
    /// Everything before the key, with the last slash.
    path: String,
    /// As the `host` header names it.
    pub(super) host: HeaderValue,
}

impl Address {
    /// None when it needs the SDK's rules.
    pub(super) fn new(settings: &Settings) -> Option<Address> {
        let base = base(&settings.bucket, &settings.region, settings.endpoint.as_ref(), settings.path_style)?;
        let parts = base.parse::<Uri>().ok()?.into_parts();
        let (scheme, authority) = (parts.scheme?, parts.authority?);
        let own = if scheme == Scheme::HTTPS { 443 } else { 80 };
        let host = match authority.port_u16() {
            Some(port) if port != own => format!("{}:{port}", authority.host()),
            _ => authority.host().to_owned(),
        };
        let path = parts.path_and_query?.path().to_owned();
        Some(Address { scheme, authority, path, host: HeaderValue::try_from(host).ok()? })
    }

    /// Whether it is reached over TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The URL of a key, or of the bucket; `query` is encoded already.
    pub(super) fn uri(&self, key: &str, query: &str) -> Result<Uri, http::Error> {
        let mut path = String::with_capacity(self.path.len() + key.len() * 2 + query.len() + 1);
        path.push_str(&self.path);
        path.extend(utf8_percent_encode(key, KEPT));
        if !query.is_empty() {
            path.push('?');
            path.push_str(query);
        }
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(bytes::Bytes::from(path))?);
        Ok(Uri::from_parts(parts)?)
    }
}

/// Adds a parameter.
pub(super) fn push_parameter(query: &mut String, name: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(name);
    query.push('=');
    query.extend(percent_encode(value.as_bytes(), KEPT_IN_QUERY));
}

/// The parameters in the order of their names, because so they are signed.
pub(super) fn in_order(query: String) -> String {
    if !query.contains('&') {
        return query;
    }
    let mut parameters: Vec<&str> = query.split('&').collect();
    parameters.sort_by_key(|parameter| parameter.split_once('=').map_or(*parameter, |(name, _)| name));
    parameters.join("&")
}

/// The address of a bucket's objects, as the SDK would make it; none where only the SDK knows it.
pub(in crate::aws) fn base(
    bucket: &str,
    region: &str,
    endpoint: Option<&Endpoint>,
    path_style: bool,
) -> Option<String> {
    let plain = bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if !plain || bucket.is_empty() || bucket.ends_with("--x-s3") {
        return None;
    }
    let host_like = !bucket.contains('_');
    let Some(endpoint) = endpoint else {
        let other_partition =
            region.starts_with("cn-") || region.contains("-iso") || region.starts_with("eusc-");
        // the region becomes a part of a host name, and must not become anything else
        let label =
            region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        // a bucket with dots does not fit the certificate's wildcard
        if other_partition || !label || region.is_empty() || bucket.contains(['.', '_']) {
            return None;
        }
        let host = format!("s3.{region}.amazonaws.com");
        return Some(if path_style {
            format!("https://{host}/{bucket}/")
        } else {
            format!("https://{bucket}.{host}/")
        });
    };
    if path_style || endpoint.host.parse::<IpAddr>().is_ok() {
        return Some(format!("{}/{bucket}/", endpoint.url));
    }
    let (scheme, rest) = endpoint.url.split_once("://")?;
    host_like.then(|| format!("{scheme}://{bucket}.{rest}/"))
}

#[cfg(test)]
mod tests {
    use super::{base, in_order};
    use crate::aws::egress::Endpoint;

    fn check(
        bucket: &str,
        region: &str,
        url: Option<(&str, &str)>,
        path_style: bool,
        expected: Option<&str>,
    ) {
        let endpoint = url.map(|(url, host)| Endpoint {
            url: url.to_owned(),
            host: host.to_owned(),
            port: 443,
            tls: url.starts_with("https"),
        });
        assert_eq!(
            base(bucket, region, endpoint.as_ref(), path_style).as_deref(),
            expected,
            "{bucket} {region} {url:?}"
        );
    }

    #[test]
    fn parameters_are_signed_in_the_order_of_their_names() {
        assert_eq!(
            in_order("versionId=1&a-b=2&a=3&partNumber=4".to_owned()),
            "a=3&a-b=2&partNumber=4&versionId=1"
        );
        assert_eq!(in_order("versionId=1".to_owned()), "versionId=1");
    }

    #[test]
    fn the_address_is_the_one_that_the_sdk_makes() {
        let aws = Some("https://b.s3.eu-central-1.amazonaws.com/");
        check("b", "eu-central-1", None, false, aws);
        check("b", "eu-central-1", None, true, Some("https://s3.eu-central-1.amazonaws.com/b/"));
        let store = Some(("https://s3.example.com:9000", "s3.example.com"));
        check("b", "x", store, false, Some("https://b.s3.example.com:9000/"));
        check("b", "x", store, true, Some("https://s3.example.com:9000/b/"));
        check("b", "x", Some(("http://10.0.0.1", "10.0.0.1")), false, Some("http://10.0.0.1/b/"));
    }

    #[test]
    fn what_needs_the_rules_of_the_sdk_is_left_to_it() {
        check("arn:aws:s3:us-east-1:111122223333:accesspoint/a", "us-east-1", None, false, None);
        check("b--use1-az4--x-s3", "us-east-1", None, false, None);
        check("with.dots", "us-east-1", None, false, None);
        check("b", "cn-north-1", None, false, None);
        check("b", "us-iso-east-1", None, false, None);
        check("", "us-east-1", None, false, None);
        for region in ["x@127.0.0.1:8443/", "evil.com:22/", "a.b", "X", "a/b", "a?b", "a#b"] {
            check("b", region, None, false, None);
        }
    }
}
