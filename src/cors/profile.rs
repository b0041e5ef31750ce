//! How a store differs from the others where CORS is concerned: data, not branches for a name.

use super::pattern::{Case, Patterns};
use super::profiles;

/// What a store does with CORS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The word for it, such as `aws`.
    pub name: &'static str,
    /// The store's name.
    pub title: &'static str,
    /// Whether buckets have a configuration of their own.
    pub scope: Scope,
    /// Which rule counts.
    pub choice: Choice,
    /// What it takes as a pattern among the origins.
    pub origins: Patterns,
    /// What it takes as a pattern among the headers.
    pub headers: Patterns,
    /// Whether the case of header names counts.
    pub header_case: Case,
    /// What it takes as a method.
    pub methods: MethodNames,
    /// What it does with requested headers that the rule does not list.
    pub unlisted_headers: UnlistedHeaders,
    /// What stands in `Access-Control-Allow-Origin`.
    pub allow_origin: AllowOrigin,
    /// What stands in `Access-Control-Allow-Credentials`.
    pub allow_credentials: AllowCredentials,
    /// What stands in `Access-Control-Allow-Methods`.
    pub allow_methods: AllowMethods,
    /// What stands in `Access-Control-Allow-Headers`.
    pub allow_headers: AllowHeaders,
    /// Which answers carry `Access-Control-Expose-Headers`.
    pub expose_headers: Answers,
    /// What stands between the names in `Access-Control-Expose-Headers`.
    pub exposed_between: &'static str,
    /// Headers that are exposed whatever the rule says.
    pub always_exposed: &'static [&'static str],
    /// Which answers carry `Access-Control-Max-Age`.
    pub max_age: Answers,
    /// What stands in `Vary`.
    pub vary: Vary,
    /// Which method of a request that is no preflight counts.
    pub actual_method: ActualMethod,
    /// What happens without a configuration.
    pub not_set: Fallback,
    /// What a preflight for a bucket that is not there gets.
    pub missing_bucket: Fallback,
    /// Origins that are let in when the bucket has no configuration.
    pub own_origins: Option<OwnOrigins>,
    /// Seconds until a changed configuration is in force everywhere, about.
    pub propagation_seconds: u32,
}

impl Profile {
    /// The profile of Amazon S3.
    pub fn aws() -> &'static Profile {
        &profiles::AWS
    }

    /// Every profile.
    pub fn all() -> &'static [&'static Profile] {
        &profiles::ALL
    }

    /// The profile of that name.
    pub fn find(name: &str) -> Option<&'static Profile> {
        profiles::ALL.iter().copied().find(|profile| profile.name == name)
    }

    /// Whether a header pattern of a rule takes in the requested header.
    pub(super) fn header_fits(&self, pattern: &str, header: &str) -> bool {
        self.headers.fits(pattern, header, self.header_case)
    }

    /// Whether an origin pattern of a rule takes in the origin.
    pub(super) fn origin_fits(&self, pattern: &str, origin: &str) -> bool {
        self.origins.fits(pattern, origin, Case::Exact)
    }
}

/// Whether buckets have a configuration of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Each bucket has its own.
    Bucket,
    /// The server has one for all buckets; what is written for a bucket has no effect.
    Server {
        /// What to set instead, as a sentence.
        instead: &'static str,
    },
}

/// Which rule counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The first rule that takes origin, method and all requested headers.
    FirstWhole,
    /// The first rule that takes the origin, even if it then refuses the method.
    FirstOrigin,
    /// Every rule has to take the origin, and the last one that says something counts.
    EveryRule,
}

/// What is taken as a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MethodNames {
    /// The five methods.
    Exact,
    /// The five methods, and `*` for all of them.
    ExactOrStar,
}

/// What happens to requested headers that the rule does not list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnlistedHeaders {
    /// The rule does not fit.
    Refuse,
    /// The rule fits, and the answer leaves them out.
    LeaveOut,
}

/// What stands in `Access-Control-Allow-Origin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowOrigin {
    /// `*` when the rule holds `*`, or else the origin of the request.
    StarOrEcho,
    /// `*` when `*` is the first that fits, or else the origin of the request.
    FirstFitting,
    /// The origin also for `*`, when the request carries `Authorization`.
    EchoWhenAuthorized,
    /// The same, and always in the answer to a preflight.
    EchoWhenAuthorizedOrAsked,
    /// Always the origin of the request.
    Echo,
    /// All origins of the rule, joined with commas.
    Joined,
    /// Always `*`.
    Star,
}

/// What stands in `Access-Control-Allow-Credentials`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowCredentials {
    /// `true` unless the origin is answered with `*`.
    TrueWhenEchoed,
    /// `true`, or `false` when the origin is answered with `*`.
    TrueOrFalse,
    /// The header is never there.
    Never,
}

/// What stands in `Access-Control-Allow-Methods`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowMethods {
    /// All methods of the rule.
    OfRule,
    /// The method that was asked for.
    Requested,
}

/// What stands in `Access-Control-Allow-Headers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowHeaders {
    /// The names that were asked for, in lower case.
    Requested,
    /// Those of the asked names that the rule lists.
    RequestedAndListed,
    /// What the rule lists, as it is written.
    OfRule,
}

/// Which answers carry a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// Those to a preflight and those to the request itself.
    Both,
    /// Those to a preflight.
    Preflight,
    /// Those to the request itself.
    Actual,
    /// None.
    Neither,
}

impl Answers {
    pub(super) fn include(self, is_preflight: bool) -> bool {
        match self {
            Answers::Both => true,
            Answers::Preflight => is_preflight,
            Answers::Actual => !is_preflight,
            Answers::Neither => false,
        }
    }
}

/// What stands in `Vary`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vary {
    /// The origin and both headers that a preflight asks with.
    AllThree,
    /// The origin, unless it is answered with `*`.
    OriginWhenEchoed,
    /// The header is not there.
    Nothing,
}

/// Which method of a request that is no preflight counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActualMethod {
    /// `Access-Control-Request-Method` when it is there, or else the method.
    RequestMethodHeader,
    /// The method.
    OfRequest,
}

/// What a store answers where no rule can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// The preflight is refused with 403, and other answers carry no CORS header.
    Refuse,
    /// Everything is allowed.
    Permit(&'static Permissive),
}

/// Origins that a store lets in by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnOrigins {
    /// The origins.
    pub origins: &'static [&'static str],
    /// What they are answered.
    pub answer: &'static Permissive,
}

/// The answer of a store that allows everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permissive {
    /// What stands in `Access-Control-Allow-Origin`.
    pub origin: AllowOrigin,
    /// Whether credentials are allowed.
    pub credentials: AllowCredentials,
    /// `Access-Control-Allow-Methods`; empty for the one that was asked for.
    pub methods: &'static str,
    /// What stands in `Access-Control-Allow-Headers`.
    pub headers: PermittedHeaders,
    /// `Access-Control-Expose-Headers`; empty for none.
    pub exposed: &'static str,
}

/// What a store that allows everything answers about headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermittedHeaders {
    /// The names that were asked for.
    Requested,
    /// `*`.
    Star,
    /// Nothing.
    Nothing,
}
