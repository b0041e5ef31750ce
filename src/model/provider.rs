//! Provider profiles: what differs between S3 and the services that speak its protocol, as data.
//!
//! Sources: the providers' own compatibility pages, and what their servers answered in our tests.

use crate::model::resource::Addressing;

/// The word for "go by the endpoint".
pub const AUTO: &str = "auto";

/// What some providers cannot do, or do not promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// ACLs of objects.
    ObjectAcl,
    /// Tags of objects.
    ObjectTags,
    /// Versions of objects.
    Versions,
    /// `If-None-Match: *` and `If-Match` on uploads.
    ConditionalPut,
    /// `If-Match` on deletes (S3 user guide, conditional deletes).
    ConditionalDelete,
    /// Many keys in one delete.
    DeleteObjects,
    /// Copies of parts, which copies above 5 GiB need.
    MultipartCopy,
    /// SSE-S3 and SSE-KMS.
    Encryption,
    /// CORS configurations of buckets.
    BucketCors,
    /// Policies of buckets.
    BucketPolicy,
    /// The encryption that a bucket gives to uploads.
    BucketEncryption,
    /// Object ownership of buckets.
    BucketOwnership,
    /// Public access blocks of buckets.
    PublicAccessBlock,
    /// Lifecycle rules of buckets.
    BucketLifecycle,
    /// `x-amz-checksum-*`, at uploads and at reads.
    Checksums,
    /// Uploads from HTML forms.
    PostForm,
}

impl Feature {
    /// For messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Feature::ObjectAcl => "ACLs of objects",
            Feature::ObjectTags => "tags of objects",
            Feature::Versions => "versions of objects",
            Feature::ConditionalPut => "conditions on uploads",
            Feature::ConditionalDelete => "conditions on deletes",
            Feature::DeleteObjects => "deletes of many keys at once",
            Feature::MultipartCopy => "copies in parts",
            Feature::Encryption => "encryption headers on uploads",
            Feature::BucketCors => "CORS configurations of buckets",
            Feature::BucketPolicy => "policies of buckets",
            Feature::BucketEncryption => "encryption settings of buckets",
            Feature::BucketOwnership => "object ownership of buckets",
            Feature::PublicAccessBlock => "public access blocks of buckets",
            Feature::BucketLifecycle => "lifecycle rules of buckets",
            Feature::Checksums => "additional checksums",
            Feature::PostForm => "uploads from HTML forms",
        }
    }
}

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
    /// What it cannot do, or does not promise: an operation that needs it is refused before anything is sent.
    pub missing: &'static [Feature],
    /// Keys that one delete may name.
    pub delete_batch: usize,
}

impl Profile {
    /// Whether it has the feature.
    pub fn has(&self, feature: Feature) -> bool {
        !self.missing.contains(&feature)
    }
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
    missing: &'static [Feature],
) -> Profile {
    Profile { id, hosts, addressing, default_region, sts: Sts::None, missing, delete_batch: 1000 }
}

const fn with_sts(mut profile: Profile, sts: Sts) -> Profile {
    profile.sts = sts;
    profile
}

use Feature::{ConditionalDelete, ConditionalPut, ObjectAcl};

/// All providers, `generic` last.
pub const PROFILES: &[Profile] = &[
    with_sts(
        profile("aws", &[".amazonaws.com", ".amazonaws.com.cn"], Addressing::Virtual, "us-east-1", &[]),
        Sts::Aws,
    ),
    with_sts(
        profile("minio", &[], Addressing::Path, "us-east-1", &[ObjectAcl, ConditionalDelete]),
        Sts::SameEndpoint,
    ),
    profile(
        "cloudflare-r2",
        &[".r2.cloudflarestorage.com"],
        Addressing::Path,
        "auto",
        &[ObjectAcl, ConditionalDelete],
    ),
    profile(
        "backblaze-b2",
        &[".backblazeb2.com"],
        Addressing::Virtual,
        "us-west-004",
        &[ObjectAcl, ConditionalDelete],
    ),
    profile("wasabi", &[".wasabisys.com"], Addressing::Virtual, "us-east-1", &[ConditionalDelete]),
    profile(
        "digitalocean-spaces",
        &[".digitaloceanspaces.com"],
        Addressing::Virtual,
        "us-east-1",
        &[ConditionalDelete],
    ),
    profile(
        "google-cloud-storage",
        &["storage.googleapis.com"],
        Addressing::Path,
        "auto",
        &[ConditionalPut, ConditionalDelete],
    ),
    with_sts(profile("ceph", &[], Addressing::Path, "us-east-1", &[ConditionalDelete]), Sts::SameEndpoint),
    profile("garage", &[], Addressing::Path, "garage", &[ObjectAcl, ConditionalPut, ConditionalDelete]),
    profile("seaweedfs", &[], Addressing::Path, "us-east-1", &[ConditionalDelete]),
    profile("rustfs", &[], Addressing::Path, "us-east-1", &[ConditionalDelete]),
    profile("hetzner", &[".your-objectstorage.com"], Addressing::Virtual, "fsn1", &[ConditionalDelete]),
    profile("scaleway", &[".scw.cloud"], Addressing::Virtual, "fr-par", &[ConditionalDelete]),
    profile("ovh", &[".cloud.ovh.net", ".cloud.ovh.us"], Addressing::Virtual, "gra", &[ConditionalDelete]),
    profile("ibm-cos", &[".appdomain.cloud"], Addressing::Virtual, "us-south", &[ConditionalDelete]),
    profile(
        "oracle",
        &[".oraclecloud.com"],
        Addressing::Path,
        "us-ashburn-1",
        &[ObjectAcl, ConditionalDelete],
    ),
    profile(
        "alibaba-oss",
        &[".aliyuncs.com"],
        Addressing::Virtual,
        "oss-cn-hangzhou",
        &[ConditionalPut, ConditionalDelete],
    ),
    profile("huawei-obs", &[".myhuaweicloud.com"], Addressing::Virtual, "cn-north-1", &[ConditionalDelete]),
    profile("tencent-cos", &[".myqcloud.com"], Addressing::Virtual, "ap-guangzhou", &[ConditionalDelete]),
    profile("storj", &[".storjshare.io"], Addressing::Path, "us-east-1", &[ObjectAcl, ConditionalDelete]),
    profile("linode", &[".linodeobjects.com"], Addressing::Virtual, "us-east-1", &[ConditionalDelete]),
    GENERIC,
];

const GENERIC: Profile =
    profile("generic", &[], Addressing::Path, "us-east-1", &[ConditionalPut, ConditionalDelete]);

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
