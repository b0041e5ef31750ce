//! Provider profiles: what differs between S3 and the services that speak its protocol, as data.
//!
//! Sources: the providers' own compatibility pages, and what their servers answered in our tests.

use crate::model::resource::Addressing;

/// The word for "go by the endpoint".
pub const AUTO: &str = "auto";

/// What a connector has to know about a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The name used in definitions.
    pub id: &'static str,
    /// An endpoint whose host ends so belongs to this provider.
    pub hosts: &'static [&'static str],
    /// How `auto` addressing is read.
    pub addressing: Addressing,
    /// The region that is signed when a definition names none.
    pub default_region: &'static str,
    /// Whether the endpoint answers STS calls, and how.
    pub sts: Sts,
    /// Whether objects have ACLs at all.
    pub object_acl: bool,
    /// Whether `If-None-Match: *` on PUT is honoured.
    pub conditional_put: bool,
    /// Whether `If-Match` on DELETE is honoured (S3 user guide, conditional deletes).
    pub conditional_delete: bool,
}

/// Where a provider answers `AssumeRole`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sts {
    /// At the regional AWS endpoint.
    Aws,
    /// At the S3 endpoint itself.
    SameEndpoint,
    /// Nowhere.
    None,
}

const fn profile(
    id: &'static str,
    hosts: &'static [&'static str],
    addressing: Addressing,
    default_region: &'static str,
) -> Profile {
    Profile {
        id,
        hosts,
        addressing,
        default_region,
        sts: Sts::None,
        object_acl: true,
        conditional_put: true,
        conditional_delete: false,
    }
}

const fn with_conditional_delete(mut profile: Profile) -> Profile {
    profile.conditional_delete = true;
    profile
}

const fn without_acl(mut profile: Profile) -> Profile {
    profile.object_acl = false;
    profile
}

const fn without_conditional_put(mut profile: Profile) -> Profile {
    profile.conditional_put = false;
    profile
}

const fn with_sts(mut profile: Profile, sts: Sts) -> Profile {
    profile.sts = sts;
    profile
}

/// All providers, `generic` last.
pub const PROFILES: &[Profile] = &[
    with_conditional_delete(with_sts(
        profile("aws", &[".amazonaws.com", ".amazonaws.com.cn"], Addressing::Virtual, "us-east-1"),
        Sts::Aws,
    )),
    without_acl(with_sts(profile("minio", &[], Addressing::Path, "us-east-1"), Sts::SameEndpoint)),
    without_acl(profile("cloudflare-r2", &[".r2.cloudflarestorage.com"], Addressing::Path, "auto")),
    without_acl(profile("backblaze-b2", &[".backblazeb2.com"], Addressing::Virtual, "us-west-004")),
    profile("wasabi", &[".wasabisys.com"], Addressing::Virtual, "us-east-1"),
    profile("digitalocean-spaces", &[".digitaloceanspaces.com"], Addressing::Virtual, "us-east-1"),
    without_conditional_put(profile(
        "google-cloud-storage",
        &["storage.googleapis.com"],
        Addressing::Path,
        "auto",
    )),
    with_sts(profile("ceph", &[], Addressing::Path, "us-east-1"), Sts::SameEndpoint),
    without_conditional_put(without_acl(profile("garage", &[], Addressing::Path, "garage"))),
    profile("seaweedfs", &[], Addressing::Path, "us-east-1"),
    profile("rustfs", &[], Addressing::Path, "us-east-1"),
    profile("hetzner", &[".your-objectstorage.com"], Addressing::Virtual, "fsn1"),
    profile("scaleway", &[".scw.cloud"], Addressing::Virtual, "fr-par"),
    profile("ovh", &[".cloud.ovh.net", ".cloud.ovh.us"], Addressing::Virtual, "gra"),
    profile("ibm-cos", &[".appdomain.cloud"], Addressing::Virtual, "us-south"),
    without_acl(profile("oracle", &[".oraclecloud.com"], Addressing::Path, "us-ashburn-1")),
    without_conditional_put(profile(
        "alibaba-oss",
        &[".aliyuncs.com"],
        Addressing::Virtual,
        "oss-cn-hangzhou",
    )),
    profile("huawei-obs", &[".myhuaweicloud.com"], Addressing::Virtual, "cn-north-1"),
    profile("tencent-cos", &[".myqcloud.com"], Addressing::Virtual, "ap-guangzhou"),
    without_acl(profile("storj", &[".storjshare.io"], Addressing::Path, "us-east-1")),
    profile("linode", &[".linodeobjects.com"], Addressing::Virtual, "us-east-1"),
    GENERIC,
];

const GENERIC: Profile = without_conditional_put(profile("generic", &[], Addressing::Path, "us-east-1"));

/// The profile of that name.
pub fn find(id: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.id == id)
}

/// The profile for a definition: the named one, else by the endpoint's host, else `aws` without and `generic`
/// with an endpoint.
pub fn choose(id: &str, endpoint_host: Option<&str>) -> &'static Profile {
    if let Some(named) = find(id) {
        return named;
    }
    let Some(host) = endpoint_host else { return find("aws").unwrap_or(&GENERIC) };
    let of_host = |profile: &&Profile| profile.hosts.iter().any(|suffix| host.ends_with(suffix));
    PROFILES.iter().find(of_host).unwrap_or(&GENERIC)
}

#[cfg(test)]
mod tests {
    use super::{PROFILES, choose};

    #[test]
    fn auto_goes_by_the_endpoint() {
        assert_eq!(choose("auto", None).id, "aws");
        assert_eq!(choose("auto", Some("s3.eu-central-1.amazonaws.com")).id, "aws");
        assert_eq!(choose("auto", Some("abc.r2.cloudflarestorage.com")).id, "cloudflare-r2");
        assert_eq!(choose("auto", Some("minio.internal")).id, "generic");
        assert_eq!(choose("ceph", Some("minio.internal")).id, "ceph");
    }

    #[test]
    fn ids_are_unique() {
        for (index, profile) in PROFILES.iter().enumerate() {
            assert!(PROFILES.iter().skip(index + 1).all(|other| other.id != profile.id), "{}", profile.id);
        }
    }
}
