//! The smallest configuration for what pages will do: each stated request works, and nothing in it could go.
//!
//! How: the uses become requests ([`stated`]); each origin's requests are put together into what it demands
//! ([`demand`]); origins with the same demand share a rule ([`build`]); then everything is evaluated, and what turns
//! out not to be needed is taken away ([`prune`]). A recommendation that was not evaluated to success is never given.

mod build;
mod demand;
mod extend;
mod prune;
mod stated;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::page::{Credentials, PageRequest};
use super::profile::{Profile, Scope};
use super::rule::{CorsConfiguration, MAX_RULES};

pub use extend::{Extension, extend};

/// Origins of all uses together; a rule for each is the most that a bucket takes.
pub const MAX_ORIGINS: usize = MAX_RULES;
/// Uses that are looked at together.
pub const MAX_USES: usize = 20;
/// Header names that a use may state, of each kind.
pub const MAX_HEADERS: usize = 32;

/// What the pages of some origins do with a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CorsUse)]
pub struct Use {
    /// The origins of the pages; a pattern with one `*` stands for many.
    #[schema(example = json!(["https://app.example.com"]))]
    pub origins: Vec<String>,
    /// What they do.
    pub operations: Vec<Operation>,
    /// How they sign.
    #[serde(default)]
    pub signing: Signing,
    /// Whether an SDK sends checksums of what it uploads, and reads those of what it downloads.
    #[serde(default)]
    pub checksums: bool,
    /// Whether cookies go along; a bucket needs none.
    #[serde(default = "omit")]
    pub credentials: Credentials,
    /// Headers that every request of this use sends as well, by name; one `*` stands for any text.
    #[serde(default)]
    #[schema(example = json!(["x-amz-meta-*"]))]
    pub request_headers: Vec<String>,
    /// Headers of every answer that the page reads as well.
    #[serde(default)]
    #[schema(example = json!(["x-amz-version-id"]))]
    pub read_headers: Vec<String>,
}

fn omit() -> Credentials {
    Credentials::Omit
}

/// One thing that a page does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CorsOperation)]
pub enum Operation {
    /// Lists objects.
    List,
    /// Downloads an object.
    Get,
    /// Downloads parts of an object, also its last bytes, and reads which part it got.
    GetRange,
    /// Asks for the metadata of an object.
    Head,
    /// Uploads an object with one PUT.
    Put,
    /// Uploads parts to URLs that it was given, and reads the `ETag` of each.
    PutParts,
    /// Begins, sends, completes and aborts uploads in parts.
    Multipart,
    /// Uploads with the POST of a form, sent by script, and looks at the answer.
    FormPost,
    /// Deletes an object.
    Delete,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Operation; 9] = [
        Operation::List,
        Operation::Get,
        Operation::GetRange,
        Operation::Head,
        Operation::Put,
        Operation::PutParts,
        Operation::Multipart,
        Operation::FormPost,
        Operation::Delete,
    ];

    /// The word used in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::List => "list",
            Operation::Get => "get",
            Operation::GetRange => "get_range",
            Operation::Head => "head",
            Operation::Put => "put",
            Operation::PutParts => "put_parts",
            Operation::Multipart => "multipart",
            Operation::FormPost => "form_post",
            Operation::Delete => "delete",
        }
    }
}

/// How a page signs its requests.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = CorsSigning)]
pub enum Signing {
    /// In the URL or the form, or not at all because the objects are public.
    #[default]
    Presigned,
    /// In headers, as an SDK in the page does with temporary credentials.
    Headers,
}

/// A configuration, and the requests that it was evaluated for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CorsRecommendation)]
pub struct Recommendation {
    /// The configuration.
    pub configuration: CorsConfiguration,
    /// What the pages do, each of which succeeds and reads what it wants to.
    pub requests: Vec<PageRequest>,
}

/// Why there is no recommendation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecommendError {
    /// Nothing is asked for.
    #[error("a use names no {missing}: say who does what")]
    Empty {
        /// `uses`, `origins` or `operations`.
        missing: &'static str,
    },
    /// There is too much.
    #[error(
        "there are more than {most} {what}: put uses together, or use a pattern such as `https://*.example.com`"
    )]
    TooMany {
        /// `uses`, `origins` or `headers`.
        what: &'static str,
        /// The most.
        most: usize,
    },
    /// No browser sends such an origin.
    #[error(
        "`{origin}` is no origin that a browser sends: write scheme, host and maybe a port, as in `https://app.example.com`"
    )]
    Origin {
        /// The origin.
        origin: String,
    },
    /// It is no name of a header.
    #[error("`{header}` is no name of a header: write names such as `x-amz-meta-*`, with one `*` at most")]
    Header {
        /// The header.
        header: String,
    },
    /// Two patterns take some origins both, and each some that the other does not.
    #[error("`{one}` and `{other}` take in some of the same origins, for different uses: name the origins")]
    Overlap {
        /// The one.
        one: String,
        /// The other.
        other: String,
    },
    /// The store has none for buckets.
    #[error("{store} has no CORS configuration of buckets: {instead}")]
    NoBucketCors {
        /// The store.
        store: &'static str,
        /// What to do.
        instead: &'static str,
    },
    /// No configuration makes it work with this store.
    #[error("with {store} no configuration does it: {method} from `{origin}`: {reason}")]
    Impossible {
        /// The store.
        store: &'static str,
        /// The method of the request that fails.
        method: String,
        /// Its origin.
        origin: String,
        /// Why it fails.
        reason: String,
    },
}

/// The smallest configuration for the uses. Each of its requests has been evaluated to success with the profile.
///
/// At most 20 uses, 100 origins and 32 headers of a kind are looked at.
pub fn recommend(uses: &[Use], profile: &Profile) -> Result<Recommendation, RecommendError> {
    check_bounds(uses)?;
    if let Scope::Server { instead } = profile.scope {
        return Err(RecommendError::NoBucketCors { store: profile.title, instead });
    }
    let demands = demand::of(uses, profile)?;
    let mut configuration = build::configuration(demands, profile)?;
    let requests = stated::requests(uses);
    for request in &requests {
        prune::check(&configuration, profile, request).map_err(|reason| RecommendError::Impossible {
            store: profile.title,
            method: request.method.clone(),
            origin: request.origin.clone().unwrap_or_default(),
            reason,
        })?;
    }
    prune::prune(&mut configuration, profile, &requests);
    Ok(Recommendation { configuration, requests })
}

/// The requests that the uses make, for each of their origins; a pattern is tried with an origin that fits it.
pub fn requests(uses: &[Use]) -> Result<Vec<PageRequest>, RecommendError> {
    check_bounds(uses)?;
    Ok(stated::requests(uses))
}

fn check_bounds(uses: &[Use]) -> Result<(), RecommendError> {
    let empty = |missing| Err(RecommendError::Empty { missing });
    if uses.is_empty() {
        return empty("uses");
    }
    if uses.len() > MAX_USES {
        return Err(RecommendError::TooMany { what: "uses", most: MAX_USES });
    }
    let mut origins: usize = 0;
    for one in uses {
        if one.origins.is_empty() {
            return empty("origins");
        }
        if one.operations.is_empty() {
            return empty("operations");
        }
        origins = origins.saturating_add(one.origins.len());
        if one.request_headers.len() > MAX_HEADERS || one.read_headers.len() > MAX_HEADERS {
            return Err(RecommendError::TooMany { what: "headers", most: MAX_HEADERS });
        }
    }
    if origins > MAX_ORIGINS {
        return Err(RecommendError::TooMany { what: "origins", most: MAX_ORIGINS });
    }
    uses.iter().try_for_each(stated::check)
}
