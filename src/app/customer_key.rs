//! The key of SSE-C that a resource names: checked when it is saved, and again when it is rendered.

use std::collections::BTreeMap;
use std::net::IpAddr;

use secrecy::SecretString;

use crate::app::Error;
use crate::app::connect::{secret_value, unresolved};
use crate::app::connection::{Snapshot, Subject};
use crate::aws::egress::Endpoint;
use crate::aws::s3::CustomerKey;
use crate::aws::{AwsError, ErrorKind};
use crate::finding::Finding;
use crate::model::literal::{Credential, Literals};
use crate::model::provider::{Feature, Profile};
use crate::model::resource::{CUSTOMER_KEY_FIELD, Definition, Encryption};
use crate::template::Template;

const NEEDS_TLS: &str = "the endpoint is plain HTTP, and the key of SSE-C would be sent over it";

/// The key, where the resource has one. Refused is what would show it to the network, or lose it without a word.
pub(super) fn customer_key(
    subject: &Subject<'_>,
    templates: &BTreeMap<&'static str, Template>,
    rendered: &BTreeMap<&'static str, SecretString>,
    snapshot: &Snapshot,
    (profile, endpoint): (&Profile, Option<&Endpoint>),
) -> Result<Option<CustomerKey>, Error> {
    let Encryption::SseC { key } = &subject.definition.encryption else { return Ok(None) };
    if endpoint.is_some_and(|endpoint| !endpoint.tls && !is_here(&endpoint.host)) {
        let text = format!("{NEEDS_TLS}: write the endpoint with `https://`");
        return Err(AwsError::new(ErrorKind::InvalidRequest, "s3", "InvalidRequest", text).into());
    }
    if let Some(unsent) = &snapshot.unsent {
        if !profile.has(Feature::CustomerKeys) {
            unsent.lack(Feature::CustomerKeys);
        }
        // what is explained is signed with made-up credentials, too
        return Ok(Some(CustomerKey::made_up()));
    }
    if !profile.has(Feature::CustomerKeys) {
        let (id, what) = (profile.id, Feature::CustomerKeys.as_str());
        let text = format!(
            "the provider profile `{id}` does not promise {what}: if the store has it, set `provider` to what it is"
        );
        return Err(AwsError::new(ErrorKind::Unsupported, "s3", "NotSupportedByProvider", text).into());
    }
    let value = secret_value(subject, rendered, CUSTOMER_KEY_FIELD, key).unwrap_or_default();
    CustomerKey::parse(&value).map(Some).map_err(|reason| {
        let template = templates.get(CUSTOMER_KEY_FIELD);
        if let Some(reference) = template.and_then(|template| template.references().next()) {
            let secret = &reference.secret;
            return unresolved(CUSTOMER_KEY_FIELD, reference, secret, "SecretNotUsable", reason, None);
        }
        let text = format!("the field `{CUSTOMER_KEY_FIELD}` cannot be used: {reason}");
        AwsError::new(ErrorKind::AccessDenied, "s3", "SecretNotUsable", text).into()
    })
}

/// What can be said of the key without a look at any secret.
pub(super) fn findings(definition: &Definition, literals: &Literals) -> Vec<Finding> {
    let Encryption::SseC { key } = &definition.encryption else { return Vec::new() };
    let value = match key {
        Credential::Template(text) if text.trim().is_empty() => Some(SecretString::default()),
        Credential::Template(_) => None,
        Credential::Literal(_) => Some(literals.get(CUSTOMER_KEY_FIELD).cloned().unwrap_or_default()),
    };
    let wrong = value.and_then(|value| CustomerKey::parse(&value).err()).map(|reason| {
        Finding::error("INVALID_CUSTOMER_KEY", CUSTOMER_KEY_FIELD, format!("the key cannot be used: {reason}"))
            .with_help("give a template such as `{{ secrets.s3.customer_key }}`, or the output of `openssl rand -base64 32`")
    });
    let environments = definition.environments.iter().filter_map(|(name, overrides)| {
        Some((format!("environments.{name}.endpoint"), overrides.endpoint.as_deref()?))
    });
    let own = definition.endpoint.as_deref().map(|url| ("endpoint".to_owned(), url));
    let plain = own.into_iter().chain(environments).filter(|(_, url)| is_plain(url));
    let plain = plain.map(|(path, _)| {
        Finding::error("HTTPS_ONLY", path, NEEDS_TLS).with_help("write the endpoint with `https://`")
    });
    wrong.into_iter().chain(plain).collect()
}

fn is_plain(url: &str) -> bool {
    let url = url::Url::parse(url).ok().filter(|url| url.scheme() == "http");
    url.is_some_and(|url| {
        let host = url.host_str().unwrap_or_default();
        !is_here(host.trim_start_matches('[').trim_end_matches(']'))
    })
}

/// What is sent to this machine itself crosses no network.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn only_this_machine_is_reached_without_tls() {
        for url in ["http://127.0.0.1:9000", "http://localhost", "http://[::1]:9", "https://s3.example.com"] {
            assert!(!is_plain(url), "{url}");
        }
        for url in ["http://s3.example.com", "http://10.0.0.1", "http://localhost.example.com", "HTTP://a:80"]
        {
            assert!(is_plain(url), "{url}");
        }
    }
}
