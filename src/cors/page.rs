//! What a page wants to do: the request as a script writes it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request that a page makes to the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CorsPageRequest)]
pub struct PageRequest {
    /// The origin of the page as the address bar shows it, without a path; `null` for a page in a sandbox or from a
    /// file. Not there: no browser, for example curl.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://app.example.com")]
    pub origin: Option<String>,
    /// The method.
    #[schema(example = "PUT")]
    pub method: String,
    /// The headers that the script sets; at most 128.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// Whether cookies and the like go along.
    #[serde(default)]
    pub credentials: Credentials,
    /// What the browser writes as `Content-Type` when the script sets none: the type of a Blob or of a form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_content_type: Option<String>,
    /// How the body is sent.
    #[serde(default)]
    pub upload: Upload,
    /// What makes the request.
    #[serde(default)]
    pub initiator: Initiator,
    /// Headers of the answer that the script wants to read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<String>,
    /// The URL of the bucket or object, when the way there matters: mixed content, the same origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// How the store ends the request, apart from CORS; 200 for success.
    #[serde(default = "success")]
    pub status: u16,
    /// Redirects on the way, in their order; at most 20 are followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirects: Vec<Redirect>,
}

fn success() -> u16 {
    200
}

impl Default for PageRequest {
    fn default() -> Self {
        Self {
            origin: None,
            method: "GET".to_owned(),
            headers: Vec::new(),
            credentials: Credentials::default(),
            body_content_type: None,
            upload: Upload::default(),
            initiator: Initiator::default(),
            read: Vec::new(),
            endpoint: None,
            status: success(),
            redirects: Vec::new(),
        }
    }
}

/// A header that a script sets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CorsHeader)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value; it decides whether some headers need a preflight.
    pub value: String,
}

impl Header {
    /// A header.
    pub fn new(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: value.to_owned() }
    }
}

/// The credentials mode of Fetch.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
#[schema(as = CorsCredentials)]
pub enum Credentials {
    /// None: right for presigned URLs, and for headers that the script signs itself.
    Omit,
    /// Only to the page's own origin, so none to a bucket. What Fetch does unless told otherwise.
    #[default]
    SameOrigin,
    /// Cookies, client certificates, HTTP logins.
    Include,
}

/// How a body is sent.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = CorsUpload)]
pub enum Upload {
    /// At once, or there is none.
    #[default]
    Whole,
    /// By `XMLHttpRequest` with a listener on `upload`, for a progress bar: always asks first.
    WithProgress,
    /// From a stream: always asks first.
    Streamed,
}

/// What makes a request.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = CorsInitiator)]
pub enum Initiator {
    /// A script, with Fetch or `XMLHttpRequest`; or an element with `crossorigin`.
    #[default]
    Script,
    /// An element such as `<img>` or `<video>` without `crossorigin`.
    Element,
    /// A link, a download or the submission of an HTML form.
    Navigation,
}

/// A redirect that the page meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CorsRedirect)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// Who redirects.
    pub by: RedirectBy,
    /// Whether the new URL has the scheme, host and port of the old one.
    pub same_origin: bool,
}

/// Who redirects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CorsRedirectBy)]
pub enum RedirectBy {
    /// An endpoint that does not hold the bucket, for example of another region: it redirects preflights too, and puts
    /// no CORS header on its answer.
    WrongEndpoint,
    /// The bucket, after it took the request: with the CORS headers of the rule.
    Bucket,
}
