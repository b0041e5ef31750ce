//! Provider profiles: what differs between S3 and the services that speak its protocol, as data.
//!
//! The types are here, a row for each provider in `profiles`. Whoever sends a request asks the profile; nothing
//! outside of this module knows a provider by its name.

#[cfg(test)]
mod page;
mod profiles;

use crate::model::resource::Addressing;

pub use profiles::PROFILES;

/// The word for "go by the endpoint".
pub const AUTO: &str = "auto";

/// What some providers cannot do, or do not promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// ACLs of objects.
    ObjectAcl,
    /// Tags of objects.
    ObjectTags,
    /// Tags at the start of an upload in parts. Where they are lost, our own uploads give them at its end.
    TagsOfParts,
    /// Versions of objects.
    Versions,
    /// Uploads that replace nothing: `If-None-Match: *`, or the provider's own header.
    OnlyNew,
    /// `If-Match` on uploads.
    ConditionalPut,
    /// `If-Match` on deletes (S3 user guide, conditional deletes).
    ConditionalDelete,
    /// Many keys in one delete.
    DeleteObjects,
    /// Copies of parts, which copies above 5 GiB need.
    MultipartCopy,
    /// SSE-S3 and SSE-KMS.
    Encryption,
    /// SSE-C.
    CustomerKeys,
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
            Feature::TagsOfParts => "tags at the start of uploads in parts",
            Feature::Versions => "versions of objects",
            Feature::OnlyNew => "uploads that replace nothing",
            Feature::ConditionalPut => "conditions on uploads",
            Feature::ConditionalDelete => "conditions on deletes",
            Feature::DeleteObjects => "deletes of many keys at once",
            Feature::MultipartCopy => "copies in parts",
            Feature::Encryption => "encryption headers on uploads",
            Feature::CustomerKeys => "encryption with a key of the customer (SSE-C)",
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
    /// The form of its endpoints; what stands in braces is the customer's, and `{region}` the region that is signed.
    pub endpoint: Option<&'static str>,
    /// How `auto` addressing is read.
    pub addressing: Addressing,
    /// The region that is signed when a definition names none.
    pub default_region: &'static str,
    /// Which regions it accepts in a signature.
    pub region: RegionRule,
    /// Whether the endpoint answers STS calls, and how.
    pub sts: Sts,
    /// Which call lists objects.
    pub list: ListVersion,
    /// When checksums are sent that the caller did not ask for.
    pub checksums: Checksums,
    /// What it cannot do, or does not promise: an operation that needs it is refused before anything is sent.
    pub missing: &'static [Feature],
    /// What it does in its own way.
    pub quirks: &'static [Quirk],
    /// IAM actions that its policies do not know: one of them makes it refuse the whole policy.
    pub unknown_actions: &'static [&'static str],
    /// Keys that one delete may name.
    pub delete_batch: usize,
    /// Bytes that a part has at the least, but for the last one.
    pub smallest_part: u64,
    /// Parts that an upload has at the most.
    pub most_parts: u64,
    /// What else is worth knowing, for people.
    pub notes: &'static [&'static str],
}

impl Profile {
    /// Whether it has the feature.
    pub fn has(&self, feature: Feature) -> bool {
        !self.missing.contains(&feature)
    }

    /// Whether it is AWS itself, whose rules are written down.
    pub fn is_aws(&self) -> bool {
        self.id == "aws"
    }

    /// Whether it does this in its own way.
    pub fn does(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }

    /// The region that an endpoint's host names, where the provider's hosts do.
    pub fn region_of(&self, host: &str) -> Option<String> {
        let form = self.endpoint?.strip_prefix("https://")?;
        let (before, after) = form.split_once("{region}")?;
        // what the customer chooses stands before the region only
        let before = before.rsplit_once('}').map_or(before, |(_, fixed)| fixed);
        let rest = host.strip_suffix(after)?;
        let region = if before.is_empty() { rest } else { rest.rsplit_once(before)?.1 };
        (!region.is_empty() && !region.contains('.')).then(|| region.to_owned())
    }
}

/// What some providers do in their own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quirk {
    /// Only virtual hosts work.
    VirtualHostsOnly,
    /// `encoding-type=url` is not understood, so keys in lists are plain XML.
    PlainLists,
    /// A body whose checksum S3 requires (`DeleteObjects`, configurations) goes with `Content-MD5` and nothing newer.
    BodyMd5,
    /// Plain HTTP is not answered.
    HttpsOnly,
    /// All parts of an upload but the last have the same size.
    EqualParts,
    /// The ETag of an object that was uploaded in parts says nothing about its content.
    OwnPartEtags,
    /// A signature must not cover `Accept-Encoding`, which is changed on the way.
    UnsignedAcceptEncoding,
    /// The parameter `x-id`, which names the operation, is refused.
    NoOperationId,
    /// `Content-Encoding: aws-chunked` is not understood: bodies go as they are, with their length.
    NoChunkedBodies,
    /// `x-oss-forbid-overwrite: true` keeps what is there, in place of `If-None-Match: *`.
    ForbidOverwrite,
    /// Copies on the server may fail where nothing is wrong: they go through this service then.
    UnreliableCopies,
    /// Lists of open uploads have their keys URL-encoded where that is asked for, and do not say so.
    UntoldEncoding,
}

impl Quirk {
    /// All of them, in the order of the documentation.
    pub const ALL: &'static [Quirk] = &[
        Quirk::VirtualHostsOnly,
        Quirk::PlainLists,
        Quirk::BodyMd5,
        Quirk::HttpsOnly,
        Quirk::EqualParts,
        Quirk::OwnPartEtags,
        Quirk::UnsignedAcceptEncoding,
        Quirk::NoOperationId,
        Quirk::NoChunkedBodies,
        Quirk::ForbidOverwrite,
        Quirk::UnreliableCopies,
        Quirk::UntoldEncoding,
    ];

    /// For the documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Quirk::VirtualHostsOnly => "virtual hosts only",
            Quirk::PlainLists => "lists without URL encoding",
            Quirk::BodyMd5 => "`Content-MD5`",
            Quirk::HttpsOnly => "HTTPS only",
            Quirk::EqualParts => "equal parts",
            Quirk::OwnPartEtags => "ETags of parts not trusted",
            Quirk::UnsignedAcceptEncoding => "`Accept-Encoding` not signed",
            Quirk::NoOperationId => "no `x-id`",
            Quirk::NoChunkedBodies => "no `aws-chunked`",
            Quirk::ForbidOverwrite => "`x-oss-forbid-overwrite`",
            Quirk::UnreliableCopies => "copies may fail",
            Quirk::UntoldEncoding => "encodes lists of uploads without saying so",
        }
    }
}

/// Which regions a provider accepts in a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionRule {
    /// Any.
    Any,
    /// Only the one that the bucket is in, or that the server was given.
    Own,
    /// The word `auto`, which stands for itself.
    Auto,
}

/// Which call lists objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListVersion {
    /// `ListObjects`, with markers.
    V1,
    /// `ListObjectsV2`, with continuation tokens.
    V2,
}

/// When checksums (`x-amz-checksum-*`) are sent that the caller did not ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksums {
    /// With every upload.
    WhenSupported,
    /// Only where S3 requires one.
    WhenRequired,
    /// Not at all: they are refused.
    Never,
}

/// Where a provider answers `AssumeRole`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sts {
    /// At the regional AWS endpoint.
    Aws,
    /// At the S3 endpoint itself.
    SameEndpoint,
    /// At an endpoint of its own.
    At(&'static str),
    /// Perhaps at the S3 endpoint itself, which is asked for a role and for nothing else.
    Untold,
    /// Nowhere.
    None,
}

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
    let Some(host) = endpoint_host else { return find("aws").unwrap_or(&profiles::GENERIC) };
    let host = host.to_ascii_lowercase();
    let of_host = |profile: &&Profile| profile.hosts.iter().any(|suffix| host.ends_with(suffix));
    PROFILES.iter().find(of_host).unwrap_or(&profiles::GENERIC)
}

#[cfg(test)]
mod tests {
    use super::{PROFILES, RegionRule, choose, find};

    #[test]
    fn auto_goes_by_the_endpoint() {
        assert_eq!(choose("auto", None).id, "aws");
        assert_eq!(choose("auto", Some("s3.eu-central-1.amazonaws.com")).id, "aws");
        assert_eq!(choose("auto", Some("abc.r2.cloudflarestorage.com")).id, "cloudflare-r2");
        assert_eq!(choose("auto", Some("minio.internal")).id, "generic");
        assert_eq!(choose("ceph", Some("minio.internal")).id, "ceph");
    }

    /// Each form of an endpoint, with something for what stands in braces.
    #[test]
    fn every_endpoint_of_a_provider_is_found_to_be_its_own() {
        let mut found = 0;
        for profile in PROFILES {
            let Some(form) = profile.endpoint else { continue };
            let host = form.strip_prefix("https://").unwrap();
            let filled: String = host
                .split('{')
                .map(|piece| piece.split_once('}').map_or(piece.to_owned(), |(_, rest)| format!("own{rest}")))
                .collect();
            for host in [filled.to_ascii_uppercase(), format!("bucket.{filled}"), filled] {
                assert_eq!(choose("auto", Some(&host)).id, profile.id, "{host}");
                let look_alike = format!("{host}.example.com");
                assert_eq!(choose("auto", Some(&look_alike)).id, "generic", "{look_alike}");
                found += 1;
            }
        }
        assert!(found > 40, "{found}");
    }

    #[test]
    fn ids_are_unique() {
        for (index, profile) in PROFILES.iter().enumerate() {
            assert!(PROFILES.iter().skip(index + 1).all(|other| other.id != profile.id), "{}", profile.id);
        }
    }

    #[test]
    fn an_endpoint_says_its_region_where_the_provider_puts_it_there() {
        let region = |id: &str, host: &str| find(id).and_then(|profile| profile.region_of(host));
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(region("wasabi", "s3.eu-central-2.wasabisys.com"), some("eu-central-2"));
        assert_eq!(region("aws", "s3.eu-west-1.amazonaws.com"), some("eu-west-1"));
        assert_eq!(region("hetzner", "fsn1.your-objectstorage.com"), some("fsn1"));
        assert_eq!(
            region("oracle", "acme.compat.objectstorage.us-ashburn-1.oraclecloud.com"),
            some("us-ashburn-1")
        );
        for (id, host) in [
            ("aws", "s3.amazonaws.com"),
            ("aws", "bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com"),
            ("wasabi", "s3.wasabisys.com"),
            ("scaleway", "s3.a.b.scw.cloud"),
            ("cloudflare-r2", "acme.r2.cloudflarestorage.com"),
            ("minio", "minio.internal"),
        ] {
            assert_eq!(region(id, host), None, "{id} {host}");
        }
    }

    #[test]
    fn a_profile_does_not_contradict_itself() {
        use super::{Checksums, Feature, Quirk};
        use crate::model::resource::Addressing;
        for profile in PROFILES {
            let id = profile.id;
            assert!([Addressing::Path, Addressing::Virtual].contains(&profile.addressing), "{id}");
            if profile.does(Quirk::VirtualHostsOnly) {
                assert_eq!(profile.addressing, Addressing::Virtual, "{id}");
            }
            assert_eq!(profile.delete_batch == 1, !profile.has(Feature::DeleteObjects), "{id}");
            assert!(profile.most_parts >= 1_000 && profile.smallest_part >= 5 << 20, "{id}");
            assert_eq!(profile.region == RegionRule::Auto, profile.default_region == "auto", "{id}");
            if profile.checksums == Checksums::Never {
                assert!(!profile.has(Feature::Checksums) && profile.does(Quirk::BodyMd5), "{id}");
            }
            if profile.does(Quirk::NoChunkedBodies) {
                assert_ne!(profile.checksums, Checksums::WhenSupported, "{id}");
            }
        }
    }
}
