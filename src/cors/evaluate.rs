//! The whole way of a page's request: preflight, request, redirects, and what the page gets of it.

use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use super::answer_headers::CorsHeaders;
use super::browser::{self, Asked, PreflightCache};
use super::finding::shown;
use super::page::{PageRequest, Redirect, RedirectBy, Upload};
use super::pattern::MAX_REQUESTED_HEADERS;
use super::profile::Profile;
use super::safelist;
use super::store::{self, Bucket, Detail, StoreAnswer, StoreRequest};
use super::verdict::{self, Verdict};

/// Redirects that Fetch follows.
const MAX_REDIRECTS: usize = 20;

/// What happens to a request of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CorsEvaluation)]
pub struct Evaluation {
    /// Why the browser asks first; empty when it does not.
    pub preflight_reasons: Vec<String>,
    /// The exchanges in their order: one, and one more for each redirect that was followed.
    pub hops: Vec<Hop>,
    /// What the page gets.
    pub verdict: Verdict,
}

/// One request to one URL.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
#[schema(as = CorsHop)]
pub struct Hop {
    /// The preflight, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preflight: Option<Exchange>,
    /// How long the preflight is kept, for this URL only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preflight_cache: Option<PreflightCache>,
    /// The request itself, unless the preflight kept it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<Exchange>,
}

/// A request and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CorsExchange)]
pub struct Exchange {
    /// What the store is asked.
    pub request: StoreRequest,
    /// What it answers.
    pub answer: StoreAnswer,
}

impl Evaluation {
    /// The first preflight.
    pub fn preflight(&self) -> Option<&Exchange> {
        self.hops.first()?.preflight.as_ref()
    }

    /// The first request itself.
    pub fn actual(&self) -> Option<&Exchange> {
        self.hops.first()?.actual.as_ref()
    }
}

/// What the store answers a page's request, and what the browser makes of it.
pub fn evaluate(bucket: Bucket<'_>, profile: &Profile, page: &PageRequest) -> Evaluation {
    evaluate_in(Detail::Full, bucket, profile, page)
}

/// [`evaluate`], with as much detail as is wanted.
pub(super) fn evaluate_in(
    detail: Detail,
    bucket: Bucket<'_>,
    profile: &Profile,
    page: &PageRequest,
) -> Evaluation {
    if let Some(verdict) = verdict::without_cors(page) {
        let hop = page.origin.is_none().then(|| plain_hop(bucket, profile, page));
        return Evaluation { preflight_reasons: Vec::new(), hops: hop.into_iter().collect(), verdict };
    }
    let sent = Sent::of(page);
    let preflight_reasons = sent.preflight_reasons(page.upload);
    let mut way = Way { detail, bucket, profile, page, sent, hops: Vec::new() };
    let verdict = way.walk();
    Evaluation { preflight_reasons, hops: way.hops, verdict }
}

/// What a client that is no browser gets.
fn plain_hop(bucket: Bucket<'_>, profile: &Profile, page: &PageRequest) -> Hop {
    let request = StoreRequest { method: page.method.clone(), ..StoreRequest::default() };
    let answer = store::answer(bucket, profile, &request, page.status);
    Hop { actual: Some(Exchange { request, answer }), ..Hop::default() }
}

/// The headers that really go out: forbidden ones are dropped, and the type of the body is added.
fn headers(page: &PageRequest) -> Vec<(String, String)> {
    let set = page.headers.iter().take(MAX_REQUESTED_HEADERS);
    let allowed = set.filter(|header| !safelist::is_forbidden_header(&header.name, &header.value));
    let mut headers: Vec<(String, String)> =
        allowed.map(|header| (header.name.to_ascii_lowercase(), header.value.trim().to_owned())).collect();
    if let Some(content_type) = &page.body_content_type
        && !headers.iter().any(|(name, _)| name == "content-type")
    {
        headers.push(("content-type".to_owned(), content_type.clone()));
    }
    headers
}

/// The request as it stands at one hop; redirects change it.
pub(super) struct Sent {
    pub(super) origin: String,
    pub(super) method: String,
    /// Names in lower case, and values.
    pub(super) headers: Vec<(String, String)>,
}

impl Sent {
    /// As it starts.
    pub(super) fn of(page: &PageRequest) -> Self {
        let origin = page.origin.clone().unwrap_or_default();
        let method = safelist::normal_method(&page.method).to_owned();
        Self { origin, method, headers: headers(page) }
    }

    pub(super) fn unsafe_names(&self) -> Vec<String> {
        safelist::unsafe_names(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// Why the browser asks first; empty when it does not.
    pub(super) fn preflight_reasons(&self, upload: Upload) -> Vec<String> {
        let mut reasons = Vec::new();
        if !safelist::is_simple_method(&self.method) {
            reasons.push(format!("{} is none of GET, HEAD and POST", shown(&self.method)));
        }
        for name in self.unsafe_names() {
            reasons.push(format!("the header `{}` is sent", shown(&name)));
        }
        match upload {
            Upload::Whole => {}
            Upload::WithProgress => reasons.push("a listener watches the upload".to_owned()),
            Upload::Streamed => reasons.push("the body is a stream".to_owned()),
        }
        reasons
    }

    /// The preflight for it.
    pub(super) fn preflight(&self) -> StoreRequest {
        StoreRequest {
            method: "OPTIONS".to_owned(),
            origin: Some(self.origin.clone()),
            request_method: Some(self.method.clone()),
            request_headers: Some(self.unsafe_names().join(",")).filter(|joined| !joined.is_empty()),
            is_authorized: false,
        }
    }

    /// The request itself, as the store sees it.
    pub(super) fn request(&self) -> StoreRequest {
        StoreRequest {
            method: self.method.clone(),
            origin: Some(self.origin.clone()),
            request_method: None,
            request_headers: None,
            is_authorized: self.headers.iter().any(|(name, _)| name == "authorization"),
        }
    }
}

struct Way<'w> {
    detail: Detail,
    bucket: Bucket<'w>,
    profile: &'w Profile,
    page: &'w PageRequest,
    sent: Sent,
    hops: Vec<Hop>,
}

impl Way<'_> {
    /// Goes from hop to hop until there is a verdict.
    fn walk(&mut self) -> Verdict {
        let redirects = self.page.redirects.iter().take(MAX_REDIRECTS.saturating_add(1));
        for (index, redirect) in redirects.enumerate() {
            if let Err(verdict) = self.hop(Some(redirect)) {
                return verdict;
            }
            if index == MAX_REDIRECTS {
                return Verdict::blocked(true, format!("there are more than {MAX_REDIRECTS} redirects"));
            }
            self.follow(*redirect);
        }
        match self.hop(None) {
            Ok(answer) => verdict::of_answer(&answer, self.page, &self.sent.origin),
            Err(verdict) => verdict,
        }
    }

    /// Makes one hop; the answer when the page may see it, or else the verdict.
    fn hop(&mut self, redirect: Option<&Redirect>) -> Result<StoreAnswer, Verdict> {
        self.hops.push(Hop::default());
        let is_first = self.hops.len() == 1;
        if !self.sent.preflight_reasons(self.page.upload).is_empty() {
            self.ask(redirect).map_err(|reason| {
                let kept_back = format!("{reason}, and {} is never sent", shown(&self.sent.method));
                Verdict::blocked(!is_first, kept_back)
            })?;
        }
        let request = self.sent.request();
        let answer = self.answer(&request, redirect);
        let seen = browser::cors_check(&answer.headers, &self.sent.origin, self.page.credentials);
        if let Some(hop) = self.hops.last_mut() {
            hop.actual = Some(Exchange { request, answer: answer.clone() });
        }
        match seen {
            Ok(()) => Ok(answer),
            Err(reason) => Err(verdict::unreadable(&answer, &reason)),
        }
    }

    /// Sends the preflight and looks at its answer.
    fn ask(&mut self, redirect: Option<&Redirect>) -> Result<(), String> {
        let unsafe_names = self.sent.unsafe_names();
        let request = self.sent.preflight();
        let redirect = redirect.filter(|redirect| redirect.by == RedirectBy::WrongEndpoint);
        let answer = self.answer(&request, redirect);
        let asked = Asked {
            origin: &self.sent.origin,
            method: &self.sent.method,
            unsafe_names: &unsafe_names,
            credentials: self.page.credentials,
        };
        let checked = browser::preflight_check(answer.status, &answer.headers, asked);
        let reason = checked.as_ref().err().map(|reason| verdict::refused_preflight(&answer, reason));
        if let Some(hop) = self.hops.last_mut() {
            hop.preflight_cache = checked.is_ok().then(|| PreflightCache::of(answer.headers.max_age));
            hop.preflight = Some(Exchange { request, answer });
        }
        reason.map_or(Ok(()), Err)
    }

    fn answer(&self, request: &StoreRequest, redirect: Option<&Redirect>) -> StoreAnswer {
        match redirect {
            Some(Redirect { status, by: RedirectBy::WrongEndpoint, .. }) => StoreAnswer {
                status: *status,
                headers: CorsHeaders::default(),
                rule: None,
                error: None,
                reason: format!("the endpoint redirects with {status}, and no bucket was asked"),
                trace: Vec::new(),
            },
            Some(Redirect { status, .. }) => {
                store::answer_in(self.detail, self.bucket, self.profile, request, *status)
            }
            None => store::answer_in(self.detail, self.bucket, self.profile, request, self.page.status),
        }
    }

    /// Changes the request as a redirect does (Fetch, section 4.5).
    fn follow(&mut self, redirect: Redirect) {
        let is_post = self.sent.method == "POST";
        let is_get = matches!(self.sent.method.as_str(), "GET" | "HEAD");
        if matches!(redirect.status, 301 | 302) && is_post || redirect.status == 303 && !is_get {
            "GET".clone_into(&mut self.sent.method);
            let of_body = ["content-encoding", "content-language", "content-location", "content-type"];
            self.sent.headers.retain(|(name, _)| !of_body.contains(&name.as_str()));
        }
        if !redirect.same_origin {
            // the bucket is of another origin than the page, and its target of a third one
            "null".clone_into(&mut self.sent.origin);
            self.sent.headers.retain(|(name, _)| name != "authorization");
        }
    }
}

/// The origin of a URL as browsers write it; `None` for what is no URL with a host.
pub(super) fn origin_of(url: &str) -> Option<String> {
    let origin = Url::parse(url).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}
