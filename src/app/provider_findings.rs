//! What the provider's profile says about a definition before anything is sent.

use crate::aws::egress::Endpoint;
use crate::aws::{AwsError, ErrorKind};
use crate::finding::Finding;
use crate::model::provider::{self, Feature, Profile, Quirk, Sts};
use crate::model::resource::{Addressing, Definition, Encryption, PayloadSigning};

/// Everything there is to say about a definition and its environments.
pub(super) fn findings(definition: &Definition) -> Vec<Finding> {
    let profile = profile_of(definition);
    let of_all = [
        acl(definition, profile),
        encryption(definition, profile),
        addressing(definition, profile),
        signing(definition, profile),
        role(definition, profile),
    ];
    let mut findings: Vec<Finding> =
        definition.endpoint.iter().filter_map(|url| plain_http(definition, "endpoint", url)).collect();
    findings.extend(of_all.into_iter().flatten());
    findings.extend(bucket_name("bucket", &definition.bucket, profile));
    for (name, overrides) in &definition.environments {
        let path = |field: &str| format!("environments.{name}.{field}");
        let profile = profile_of(&definition.in_environment(name));
        let endpoint = overrides.endpoint.as_deref();
        findings.extend(endpoint.and_then(|url| plain_http(definition, &path("endpoint"), url)));
        let bucket = overrides.bucket.as_deref();
        findings.extend(bucket.and_then(|bucket| bucket_name(&path("bucket"), bucket, profile)));
    }
    findings
}

fn profile_of(definition: &Definition) -> &'static Profile {
    let host = definition.endpoint.as_deref().and_then(|url| url::Url::parse(url).ok());
    provider::choose(&definition.provider, host.as_ref().and_then(url::Url::host_str))
}

/// The same for an endpoint that came out of a template.
pub(super) fn check_endpoint(profile: &Profile, endpoint: Option<&Endpoint>) -> Result<(), AwsError> {
    if endpoint.is_some_and(|endpoint| !endpoint.tls && profile.does(Quirk::HttpsOnly)) {
        let text = https_only(profile);
        return Err(AwsError::new(ErrorKind::Unsupported, "s3", "NotSupportedByProvider", text));
    }
    Ok(())
}

fn plain_http(definition: &Definition, path: &str, url: &str) -> Option<Finding> {
    let url = url::Url::parse(url).ok().filter(|url| url.scheme() == "http")?;
    let profile = provider::choose(&definition.provider, url.host_str());
    profile.does(Quirk::HttpsOnly).then(|| {
        Finding::error("HTTPS_ONLY", path, https_only(profile))
            .with_help("write the endpoint with `https://`")
    })
}

fn https_only(profile: &Profile) -> String {
    format!("the provider `{}` answers HTTPS only, and the endpoint says `http`", profile.id)
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
    let needed = match definition.encryption {
        Encryption::BucketDefault => return None,
        Encryption::SseS3 | Encryption::SseKms { .. } => Feature::Encryption,
        Encryption::SseC { .. } => Feature::CustomerKeys,
    };
    if profile.has(needed) {
        return None;
    }
    if needed == Feature::CustomerKeys {
        let text = format!("the provider profile `{}` does not promise {}", profile.id, needed.as_str());
        return Some(
            Finding::error("ENCRYPTION_NOT_SUPPORTED", "encryption", text)
                .with_help("set `provider` to what the store is, or choose another encryption"),
        );
    }
    Some(
        Finding::warning(
            "ENCRYPTION_NOT_SUPPORTED",
            "encryption",
            format!("the provider `{}` takes no encryption headers: uploads will be refused", profile.id),
        )
        .with_help("remove `encryption`"),
    )
}

fn role(definition: &Definition, profile: &Profile) -> Option<Finding> {
    (definition.assume_role.is_some() && profile.sts == Sts::None).then(|| {
        Finding::warning(
            "ROLE_NOT_SUPPORTED",
            "assume_role",
            format!("the provider `{}` has no STS: queries will be refused", profile.id),
        )
        .with_help("remove `assume_role`")
    })
}

fn signing(definition: &Definition, profile: &Profile) -> Option<Finding> {
    let always = definition.payload_signing == PayloadSigning::Always;
    (always && profile.does(Quirk::NoChunkedBodies)).then(|| {
        Finding::warning(
            "SIGNING_NOT_SUPPORTED",
            "payload_signing",
            format!(
                "the provider `{}` takes no signed streams: uploads of more than 1 MiB will be refused",
                profile.id
            ),
        )
        .with_help("use `auto`")
    })
}

/// Names that no bucket can have, and those that AWS has not given since 2018 (S3 user guide, bucket naming rules).
fn bucket_name(path: &str, name: &str, profile: &Profile) -> Option<Finding> {
    if name.trim().is_empty() || name.contains("{{") || name.starts_with("arn:") {
        return None;
    }
    if name.contains(|letter: char| letter == '/' || letter.is_whitespace() || letter.is_control()) {
        let text = format!("`{name}` is no name of a bucket");
        return Some(Finding::error("BUCKET_NAME", path, text).with_help(
            "give the name alone, without `s3://`; what stands behind a `/` belongs in `prefix`",
        ));
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let usual = (3..=63).contains(&bytes.len())
        && bytes.iter().all(|&byte| plain(byte) || byte == b'-' || byte == b'.')
        && [bytes.first(), bytes.last()].into_iter().flatten().all(|&byte| plain(byte));
    (profile.is_aws() && !usual).then(|| {
        let text =
            format!("AWS gives no bucket the name `{name}`: only old ones of us-east-1 have such names");
        Finding::warning("BUCKET_NAME", path, text).with_help(
            "use 3 to 63 lower-case letters, digits, `-` and `.`, with a letter or digit at both ends",
        )
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
