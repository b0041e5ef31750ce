//! The profiles themselves, one row a provider.
//!
//! Sources, beside the answers of Ceph, Garage, s3s and moto in our tests: the providers' pages on S3 compatibility -
//! Amazon S3 user guide (conditional requests, multipart limits, checking object integrity); `MinIO` "S3 API
//! compatibility"; Cloudflare R2 "S3 API compatibility" and "Limits"; Backblaze B2 "S3-compatible API"; Wasabi "S3 API
//! reference"; `DigitalOcean` "Spaces API"; Google Cloud Storage "XML API" and "Migrate from Amazon S3"; Ceph "Object
//! Gateway S3 API"; Garage "S3 compatibility status"; `SeaweedFS` "Amazon S3 API"; Hetzner "Supported actions"; Scaleway
//! "Object Storage limits"; `OVHcloud` "S3 compliancy"; IBM "Cloud Object Storage S3 API"; Oracle "Amazon S3
//! compatibility API"; Alibaba "OSS and Amazon S3"; Huawei "OBS API reference"; Tencent "COS and S3 SDKs"; Storj "S3
//! compatibility". Where a page is silent nothing is missing: the store then answers for itself.

use super::{Checksums, Feature, ListVersion, Profile, Quirk, RegionRule, Sts};
use crate::model::resource::Addressing;
use Feature::{
    BucketCors, BucketEncryption, BucketLifecycle, BucketOwnership, BucketPolicy, ConditionalDelete,
    ConditionalPut, CustomerKeys, DeleteObjects, Encryption, MultipartCopy, ObjectAcl, ObjectTags, OnlyNew,
    PostForm, PublicAccessBlock, TagsOfParts, Versions,
};
use Quirk::{
    BodyMd5, EqualParts, ForbidOverwrite, HttpsOnly, NoChunkedBodies, NoOperationId, OwnPartEtags,
    PlainLists, UnreliableCopies, UnsignedAcceptEncoding, UntoldEncoding, VirtualHostsOnly,
};

/// What most of them have in common; each row says what differs.
const COMMON: Profile = Profile {
    id: "",
    hosts: &[],
    endpoint: None,
    addressing: Addressing::Path,
    default_region: "us-east-1",
    region: RegionRule::Own,
    sts: Sts::Untold,
    list: ListVersion::V2,
    checksums: Checksums::WhenRequired,
    missing: &[ConditionalDelete],
    quirks: &[BodyMd5],
    unknown_actions: &[],
    delete_batch: 1000,
    // multipart limits of S3
    smallest_part: 5 << 20,
    most_parts: 10_000,
    notes: &[],
};

/// All providers, `generic` last.
pub const PROFILES: &[Profile] = &[
    Profile {
        id: "aws",
        hosts: &[".amazonaws.com", ".amazonaws.com.cn"],
        endpoint: Some("https://s3.{region}.amazonaws.com"),
        addressing: Addressing::Virtual,
        sts: Sts::Aws,
        checksums: Checksums::WhenSupported,
        missing: &[],
        quirks: &[],
        notes: &[
            "ACLs are off in buckets made since April 2023, unless somebody turned them on",
            "so is SSE-C in buckets made since April 2026",
        ],
        ..COMMON
    },
    Profile {
        id: "minio",
        sts: Sts::SameEndpoint,
        missing: &[ObjectAcl, ConditionalDelete, BucketCors, BucketOwnership, PublicAccessBlock],
        notes: &["any region is accepted until the server is given one"],
        ..COMMON
    },
    Profile {
        id: "cloudflare-r2",
        hosts: &[".r2.cloudflarestorage.com"],
        endpoint: Some("https://{account}.r2.cloudflarestorage.com"),
        default_region: "auto",
        region: RegionRule::Auto,
        missing: &[
            ObjectAcl,
            ObjectTags,
            Versions,
            ConditionalDelete,
            Encryption,
            BucketPolicy,
            BucketOwnership,
            PublicAccessBlock,
            PostForm,
        ],
        quirks: &[BodyMd5, EqualParts],
        delete_batch: 700,
        notes: &[
            "of the encryption headers only those of SSE-C",
            "CRC64NVME covers a whole object, the other checksums its parts",
            "temporary credentials come from its own API, not from STS",
        ],
        sts: Sts::None,
        ..COMMON
    },
    Profile {
        id: "backblaze-b2",
        hosts: &[".backblazeb2.com"],
        endpoint: Some("https://s3.{region}.backblazeb2.com"),
        addressing: Addressing::Virtual,
        default_region: "us-west-004",
        checksums: Checksums::Never,
        missing: &[
            ObjectAcl,
            ObjectTags,
            ConditionalDelete,
            Feature::Checksums,
            BucketPolicy,
            BucketOwnership,
            PublicAccessBlock,
            PostForm,
        ],
        quirks: &[BodyMd5, HttpsOnly],
        notes: &["signatures of version 4 only"],
        sts: Sts::None,
        ..COMMON
    },
    Profile {
        id: "wasabi",
        hosts: &[".wasabisys.com"],
        endpoint: Some("https://s3.{region}.wasabisys.com"),
        addressing: Addressing::Virtual,
        sts: Sts::At("https://sts.wasabisys.com"),
        ..COMMON
    },
    Profile {
        id: "digitalocean-spaces",
        hosts: &[".digitaloceanspaces.com"],
        endpoint: Some("https://{region}.digitaloceanspaces.com"),
        addressing: Addressing::Virtual,
        region: RegionRule::Any,
        checksums: Checksums::Never,
        missing: &[TagsOfParts, ConditionalDelete, Encryption, Feature::Checksums],
        quirks: &[PlainLists, BodyMd5],
        notes: &["of the encryption headers only those of SSE-C"],
        sts: Sts::None,
        ..COMMON
    },
    Profile {
        id: "google-cloud-storage",
        hosts: &["storage.googleapis.com"],
        endpoint: Some("https://storage.googleapis.com"),
        default_region: "auto",
        region: RegionRule::Auto,
        missing: &[
            ObjectTags,
            Versions,
            OnlyNew,
            ConditionalPut,
            ConditionalDelete,
            DeleteObjects,
            MultipartCopy,
            Encryption,
            CustomerKeys,
            Feature::Checksums,
            BucketCors,
            BucketPolicy,
            BucketEncryption,
            BucketOwnership,
            PublicAccessBlock,
            BucketLifecycle,
        ],
        quirks: &[BodyMd5, UnsignedAcceptEncoding, NoOperationId],
        delete_batch: 1,
        notes: &[
            "the keys are HMAC keys",
            "conditions and versions are generation numbers, in headers and parameters of its own",
            "CORS and lifecycle configurations have its own form",
        ],
        sts: Sts::None,
        ..COMMON
    },
    Profile {
        id: "ceph",
        region: RegionRule::Any,
        sts: Sts::SameEndpoint,
        // seen at 16.2: later versions know the first one
        unknown_actions: &["s3:GetEncryptionConfiguration", "s3:GetBucketOwnershipControls"],
        missing: &[TagsOfParts, ConditionalDelete],
        quirks: &[BodyMd5, UntoldEncoding],
        ..COMMON
    },
    Profile {
        id: "garage",
        default_region: "garage",
        missing: &[
            ObjectAcl,
            ObjectTags,
            Versions,
            OnlyNew,
            ConditionalPut,
            ConditionalDelete,
            Encryption,
            BucketPolicy,
            BucketEncryption,
            BucketOwnership,
            PublicAccessBlock,
        ],
        notes: &["calls that it does not have answer 501", "it is strict about which headers are signed"],
        sts: Sts::None,
        ..COMMON
    },
    Profile {
        id: "seaweedfs",
        region: RegionRule::Any,
        list: ListVersion::V1,
        quirks: &[BodyMd5, OwnPartEtags],
        ..COMMON
    },
    Profile { id: "rustfs", region: RegionRule::Any, ..COMMON },
    Profile {
        id: "hetzner",
        hosts: &[".your-objectstorage.com"],
        endpoint: Some("https://{region}.your-objectstorage.com"),
        addressing: Addressing::Virtual,
        default_region: "fsn1",
        missing: &[ObjectTags, ConditionalDelete, Encryption, BucketOwnership],
        quirks: &[BodyMd5, UnreliableCopies, UntoldEncoding],
        notes: &["of the encryption headers only those of SSE-C"],
        ..COMMON
    },
    Profile {
        id: "scaleway",
        hosts: &[".scw.cloud"],
        endpoint: Some("https://s3.{region}.scw.cloud"),
        addressing: Addressing::Virtual,
        default_region: "fr-par",
        most_parts: 1_000,
        ..COMMON
    },
    Profile {
        id: "ovh",
        hosts: &[".cloud.ovh.net", ".cloud.ovh.us"],
        endpoint: Some("https://s3.{region}.io.cloud.ovh.net"),
        addressing: Addressing::Virtual,
        default_region: "gra",
        missing: &[ConditionalDelete, Feature::Checksums, BucketPolicy],
        quirks: &[BodyMd5, NoChunkedBodies],
        ..COMMON
    },
    Profile {
        id: "ibm-cos",
        hosts: &[".appdomain.cloud"],
        endpoint: Some("https://s3.{region}.cloud-object-storage.appdomain.cloud"),
        addressing: Addressing::Virtual,
        default_region: "us-south",
        list: ListVersion::V1,
        missing: &[ConditionalDelete, BucketPolicy],
        quirks: &[BodyMd5, OwnPartEtags],
        notes: &["a bucket's location constraint names its storage class, too, such as `us-south-standard`"],
        sts: Sts::None,
        ..COMMON
    },
    Profile {
        id: "oracle",
        hosts: &[".oraclecloud.com"],
        endpoint: Some("https://{namespace}.compat.objectstorage.{region}.oraclecloud.com"),
        default_region: "us-ashburn-1",
        missing: &[
            ObjectAcl,
            ConditionalDelete,
            Encryption,
            BucketCors,
            BucketPolicy,
            BucketEncryption,
            BucketOwnership,
            PublicAccessBlock,
        ],
        notes: &["of the encryption headers only those of SSE-C"],
        sts: Sts::None,
        ..COMMON
    },
    Profile {
        id: "alibaba-oss",
        hosts: &[".aliyuncs.com"],
        endpoint: Some("https://s3.{region}.aliyuncs.com"),
        addressing: Addressing::Virtual,
        default_region: "oss-cn-hangzhou",
        missing: &[ConditionalPut, ConditionalDelete, CustomerKeys],
        quirks: &[VirtualHostsOnly, BodyMd5, NoChunkedBodies, ForbidOverwrite],
        ..COMMON
    },
    Profile {
        id: "huawei-obs",
        hosts: &[".myhuaweicloud.com"],
        endpoint: Some("https://obs.{region}.myhuaweicloud.com"),
        addressing: Addressing::Virtual,
        default_region: "cn-north-1",
        ..COMMON
    },
    Profile {
        id: "tencent-cos",
        hosts: &[".myqcloud.com"],
        endpoint: Some("https://cos.{region}.myqcloud.com"),
        addressing: Addressing::Virtual,
        default_region: "ap-guangzhou",
        missing: &[ConditionalDelete, CustomerKeys],
        ..COMMON
    },
    Profile {
        id: "storj",
        hosts: &[".storjshare.io"],
        endpoint: Some("https://gateway.storjshare.io"),
        region: RegionRule::Any,
        missing: &[ObjectAcl, ConditionalDelete, MultipartCopy, CustomerKeys],
        smallest_part: 64 << 20,
        sts: Sts::None,
        ..COMMON
    },
    Profile {
        id: "linode",
        hosts: &[".linodeobjects.com"],
        endpoint: Some("https://{region}.linodeobjects.com"),
        addressing: Addressing::Virtual,
        region: RegionRule::Any,
        missing: &[TagsOfParts, ConditionalDelete],
        quirks: &[BodyMd5, UntoldEncoding],
        ..COMMON
    },
    GENERIC,
];

/// Takes as little for granted as it can.
pub(super) const GENERIC: Profile = Profile {
    id: "generic",
    list: ListVersion::V1,
    missing: &[TagsOfParts, OnlyNew, ConditionalPut, ConditionalDelete, CustomerKeys],
    quirks: &[PlainLists, BodyMd5, OwnPartEtags],
    ..COMMON
};
