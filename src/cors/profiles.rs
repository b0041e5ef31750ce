//! The stores, each as what differs from Amazon S3.
//!
//! Sources: the S3 API reference and user guide; for the others their own sources and documentation, as read in 2026.

use super::pattern::{Case, Patterns};
use super::profile::{
    ActualMethod, AllowCredentials, AllowHeaders, AllowMethods, AllowOrigin, Answers, Choice, Fallback,
    MethodNames, OwnOrigins, Permissive, PermittedHeaders, Profile, Scope, UnlistedHeaders, Vary,
};

/// Every profile, Amazon S3 first.
pub(super) static ALL: [&Profile; 11] =
    [&AWS, &CEPH, &CEPH_WHOLE, &MINIO, &GARAGE, &RUSTFS, &R2, &MOTO, &LOCALSTACK, &VERSITY, &STORJ];

/// Amazon S3: the rules of the specification, 10 to 22.
pub(super) static AWS: Profile = S3;

const S3: Profile = Profile {
    name: "aws",
    title: "Amazon S3",
    scope: Scope::Bucket,
    choice: Choice::FirstWhole,
    origins: Patterns::OneStar,
    headers: Patterns::OneStar,
    header_case: Case::Ignored,
    methods: MethodNames::Exact,
    unlisted_headers: UnlistedHeaders::Refuse,
    allow_origin: AllowOrigin::StarOrEcho,
    allow_credentials: AllowCredentials::TrueWhenEchoed,
    allow_methods: AllowMethods::OfRule,
    allow_headers: AllowHeaders::Requested,
    expose_headers: Answers::Both,
    exposed_between: ", ",
    always_exposed: &[],
    max_age: Answers::Both,
    vary: Vary::AllThree,
    actual_method: ActualMethod::RequestMethodHeader,
    not_set: Fallback::Refuse,
    missing_bucket: Fallback::Refuse,
    own_origins: None,
    propagation_seconds: 5,
};

/// Ceph RGW as it is installed: the origin alone chooses the rule. Seen with version 16.2; a request that is no
/// preflight may name headers that the rule does not list.
static CEPH: Profile = Profile {
    name: "ceph",
    title: "Ceph RGW",
    choice: Choice::FirstOrigin,
    allow_origin: AllowOrigin::EchoWhenAuthorizedOrAsked,
    allow_credentials: AllowCredentials::Never,
    allow_methods: AllowMethods::Requested,
    allow_headers: AllowHeaders::RequestedAndListed,
    exposed_between: ",",
    vary: Vary::OriginWhenEchoed,
    propagation_seconds: 0,
    ..S3
};

/// Ceph RGW since pull request 69190, which made it look for a rule that takes the whole request.
static CEPH_WHOLE: Profile = Profile {
    name: "ceph_whole",
    title: "Ceph RGW with the rule choice of 2026",
    choice: Choice::FirstWhole,
    allow_origin: AllowOrigin::EchoWhenAuthorizedOrAsked,
    allow_credentials: AllowCredentials::Never,
    allow_methods: AllowMethods::Requested,
    allow_headers: AllowHeaders::RequestedAndListed,
    exposed_between: ",",
    vary: Vary::OriginWhenEchoed,
    propagation_seconds: 0,
    ..S3
};

/// `MinIO` without a licence: one setting for the whole server, which lets everybody in unless it is changed.
static MINIO: Profile = Profile {
    name: "minio",
    title: "MinIO (community)",
    scope: Scope::Server {
        instead: "set `MINIO_API_CORS_ALLOW_ORIGIN` of the server to the origins, joined with commas",
    },
    not_set: Fallback::Permit(&MINIO_ANSWER),
    missing_bucket: Fallback::Permit(&MINIO_ANSWER),
    propagation_seconds: 0,
    ..S3
};

static MINIO_ANSWER: Permissive = Permissive {
    origin: AllowOrigin::Echo,
    credentials: AllowCredentials::TrueWhenEchoed,
    methods: "",
    headers: PermittedHeaders::Requested,
    exposed: "Date, ETag, Server, Accept-Ranges, Content-Range, Content-Encoding, Content-Length, Content-Type, \
              Content-Disposition, Last-Modified, Content-Language, Cache-Control, Retry-After, X-Amz-Bucket-Region, \
              Expires, X-Amz-Request-Id, X-Amz-Version-Id",
};

/// Garage: no pattern but `*`, names as they are written, and all origins of a rule in one header.
static GARAGE: Profile = Profile {
    name: "garage",
    title: "Garage",
    origins: Patterns::WholeOnly,
    headers: Patterns::WholeOnly,
    header_case: Case::Exact,
    methods: MethodNames::ExactOrStar,
    allow_origin: AllowOrigin::Joined,
    allow_credentials: AllowCredentials::Never,
    allow_headers: AllowHeaders::OfRule,
    max_age: Answers::Neither,
    vary: Vary::Nothing,
    actual_method: ActualMethod::OfRequest,
    missing_bucket: Fallback::Permit(&GARAGE_UNKNOWN),
    propagation_seconds: 0,
    ..S3
};

static GARAGE_UNKNOWN: Permissive = Permissive {
    origin: AllowOrigin::Star,
    credentials: AllowCredentials::Never,
    methods: "*",
    headers: PermittedHeaders::Nothing,
    exposed: "",
};

/// `RustFS`.
static RUSTFS: Profile = Profile {
    name: "rustfs",
    title: "RustFS",
    headers: Patterns::WholeOnly,
    allow_origin: AllowOrigin::EchoWhenAuthorized,
    allow_headers: AllowHeaders::OfRule,
    expose_headers: Answers::Actual,
    max_age: Answers::Preflight,
    propagation_seconds: 0,
    ..S3
};

/// Cloudflare R2: exact origins; headers are best listed one by one.
static R2: Profile = Profile {
    name: "r2",
    title: "Cloudflare R2",
    origins: Patterns::WholeOnly,
    headers: Patterns::WholeOnly,
    propagation_seconds: 30,
    ..S3
};

/// moto's server: no choice of a rule, and everything allowed as long as nothing is set.
static MOTO: Profile = Profile {
    name: "moto",
    title: "moto",
    choice: Choice::EveryRule,
    unlisted_headers: UnlistedHeaders::LeaveOut,
    allow_origin: AllowOrigin::Echo,
    allow_credentials: AllowCredentials::Never,
    allow_headers: AllowHeaders::OfRule,
    vary: Vary::Nothing,
    not_set: Fallback::Permit(&MOTO_ANSWER),
    propagation_seconds: 0,
    ..S3
};

static MOTO_ANSWER: Permissive = Permissive {
    origin: AllowOrigin::Echo,
    credentials: AllowCredentials::Never,
    methods: "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT",
    headers: PermittedHeaders::Requested,
    exposed: "",
};

/// `LocalStack`: near to S3, with origins of its own.
static LOCALSTACK: Profile = Profile {
    name: "localstack",
    title: "LocalStack",
    origins: Patterns::StarNotEmpty,
    headers: Patterns::WholeOnly,
    own_origins: Some(OwnOrigins {
        origins: &[
            "https://app.localstack.cloud",
            "http://localhost:4566",
            "https://localhost:4566",
            "http://localhost.localstack.cloud:4566",
            "https://localhost.localstack.cloud:4566",
        ],
        answer: &LOCALSTACK_ANSWER,
    }),
    propagation_seconds: 0,
    ..S3
};

static LOCALSTACK_ANSWER: Permissive = Permissive {
    origin: AllowOrigin::Echo,
    credentials: AllowCredentials::TrueWhenEchoed,
    methods: "HEAD,GET,PUT,POST,DELETE,OPTIONS,PATCH",
    headers: PermittedHeaders::Requested,
    exposed: "etag,x-amz-version-id",
};

/// Versity S3 Gateway.
static VERSITY: Profile = Profile {
    name: "versity",
    title: "Versity S3 Gateway",
    allow_origin: AllowOrigin::FirstFitting,
    allow_credentials: AllowCredentials::TrueOrFalse,
    always_exposed: &["ETag"],
    propagation_seconds: 0,
    ..S3
};

/// Storj's gateway: everything is allowed, always (issue 183 of its gateway).
static STORJ: Profile = Profile {
    name: "storj",
    title: "Storj gateway",
    scope: Scope::Server { instead: "nothing needs to be set: the gateway lets every origin in" },
    not_set: Fallback::Permit(&STORJ_ANSWER),
    missing_bucket: Fallback::Permit(&STORJ_ANSWER),
    propagation_seconds: 0,
    ..S3
};

static STORJ_ANSWER: Permissive = Permissive {
    origin: AllowOrigin::Star,
    credentials: AllowCredentials::Never,
    methods: "*",
    headers: PermittedHeaders::Star,
    exposed: "*",
};
