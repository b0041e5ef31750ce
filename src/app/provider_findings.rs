//! What the provider's profile says about a definition before anything is sent.

use crate::aws::egress::Endpoint;
use crate::aws::{AwsError, ErrorKind};
use crate::finding::Finding;
use crate::model::provider::{self, Feature, Profile, Quirk};
use crate::model::resource::{Addressing, Definition, Encryption};

/// Everything there is to say about a definition and its environments.
pub(super) fn findings(definition: &Definition) -> Vec<Finding> {
    let host = definition.endpoint.as_deref().and_then(|url| url::Url::parse(url).ok());
    let profile = provider::choose(&definition.provider, host.as_ref().and_then(url::Url::host_str));
    let endpoints = definition.environments.values().filter_map(|overrides| overrides.endpoint.as_deref());
    let plain = endpoints
        .chain(definition.endpoint.as_deref())
        .find(|url| is_plain(profile_of(definition, url), url));
    let https = plain.map(|url| {
        Finding::error("HTTPS_ONLY", "endpoint", https_only(profile_of(definition, url)))
            .with_help("write the endpoint with `https://`")
    });
    let unsupported =
        [acl(definition, profile), encryption(definition, profile), addressing(definition, profile)];
    https.into_iter().chain(unsupported.into_iter().flatten()).collect()
}

/// The same for an endpoint that came out of a template.
pub(super) fn check_endpoint(profile: &Profile, endpoint: Option<&Endpoint>) -> Result<(), AwsError> {
    if endpoint.is_some_and(|endpoint| !endpoint.tls && profile.does(Quirk::HttpsOnly)) {
        let text = https_only(profile);
        return Err(AwsError::new(ErrorKind::Unsupported, "s3", "NotSupportedByProvider", text));
    }
    Ok(())
}

fn profile_of(definition: &Definition, url: &str) -> &'static Profile {
    let url = url::Url::parse(url).ok();
    provider::choose(&definition.provider, url.as_ref().and_then(url::Url::host_str))
}

fn is_plain(profile: &Profile, url: &str) -> bool {
    let scheme = url::Url::parse(url).is_ok_and(|url| url.scheme() == "http");
    scheme && profile.does(Quirk::HttpsOnly)
}

fn https_only(profile: &Profile) -> String {
    format!("the provider `{}` answers HTTPS only: a key would cross the network for nothing", profile.id)
}

fn acl(definition: &Definition, profile: &Profile) -> Option<Finding> {
    let unsupported = definition.default_acl.is_some() && !profile.has(Feature::ObjectAcl);
    unsupported.then(|| {
        Finding::warning(
            "ACL_NOT_SUPPORTED",
            "default_acl",
            format!("objects of the provider `{}` have no ACLs: uploads will be refused", profile.id),
        )
        .with_help("remove `default_acl`")
    })
}

fn encryption(definition: &Definition, profile: &Profile) -> Option<Finding> {
    let wanted = definition.encryption != Encryption::BucketDefault;
    (wanted && !profile.has(Feature::Encryption)).then(|| {
        Finding::warning(
            "ENCRYPTION_NOT_SUPPORTED",
            "encryption",
            format!("the provider `{}` takes no encryption headers: uploads will be refused", profile.id),
        )
        .with_help("remove `encryption`")
    })
}

fn addressing(definition: &Definition, profile: &Profile) -> Option<Finding> {
    let path = definition.addressing == Addressing::Path;
    (path && profile.does(Quirk::VirtualHostsOnly)).then(|| {
        Finding::warning(
            "ADDRESSING_NOT_SUPPORTED",
            "addressing",
            format!("the provider `{}` takes buckets only as a part of the host name", profile.id),
        )
        .with_help("use `auto` or `virtual`")
    })
}
