//! What the page gets, and the sentence that says why.

use serde::Serialize;
use url::{Host, Url};
use utoipa::ToSchema;

use super::browser;
use super::evaluate::origin_of;
use super::finding::shown;
use super::page::{Initiator, PageRequest};
use super::pattern::MAX_REQUESTED_HEADERS;
use super::safelist;
use super::store::StoreAnswer;

/// What a page gets of its request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CorsVerdict)]
pub struct Verdict {
    /// Whether the script sees the answer; also an answer that is an error of the store.
    pub succeeds: bool,
    /// Whether the request itself reached the store: an upload may have happened although the page sees nothing.
    pub sent: bool,
    /// The status that the script sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Headers that the script may read where the answer has them, in lower case.
    pub readable_headers: Vec<String>,
    /// Whether it may read every header.
    pub reads_every_header: bool,
    /// Headers that it wants to read and may not, in lower case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable_headers: Vec<String>,
    /// Why, in one sentence that names the rule and the header.
    pub reason: String,
}

impl Verdict {
    /// Whether the script may read the header.
    pub fn can_read(&self, header: &str) -> bool {
        self.succeeds
            && (self.reads_every_header
                || self.readable_headers.iter().any(|name| name.eq_ignore_ascii_case(header)))
    }

    pub(super) fn blocked(sent: bool, reason: String) -> Self {
        Self {
            succeeds: false,
            sent,
            status: None,
            readable_headers: Vec::new(),
            reads_every_header: false,
            unreadable_headers: Vec::new(),
            reason,
        }
    }

    fn open(page: &PageRequest, reads_every_header: bool, reason: &str) -> Self {
        let status = reads_every_header.then_some(page.status);
        Self { succeeds: true, status, reads_every_header, ..Self::blocked(true, reason.to_owned()) }
    }
}

/// The verdict where CORS plays no part.
pub(super) fn without_cors(page: &PageRequest) -> Option<Verdict> {
    let Some(origin) = page.origin.as_deref() else {
        let reason = "the request carries no Origin, so it is no request of a page and CORS plays no part";
        return Some(Verdict::open(page, true, reason));
    };
    if let Some(endpoint) = page.endpoint.as_deref() {
        if is_mixed(origin, endpoint) {
            let reason = "a page over https may not use an endpoint over http: that is mixed content, which no CORS \
                          configuration changes";
            return Some(Verdict::blocked(false, reason.to_owned()));
        }
        if origin != "null" && origin_of(endpoint).is_some_and(|bucket| bucket == origin) {
            let reason = "the page and the bucket have the same origin, so CORS plays no part";
            return Some(Verdict::open(page, true, reason));
        }
    }
    match page.initiator {
        Initiator::Script => refused_by_browser(page),
        Initiator::Element => {
            let reason = "an element without `crossorigin` sends no Origin: it shows what it loads, and no script reads \
                          it";
            Some(Verdict::open(page, false, reason))
        }
        Initiator::Navigation => {
            let reason = "a link, a download and an HTML form need no CORS: the request is sent, and no script reads \
                          the answer";
            Some(Verdict::open(page, false, reason))
        }
    }
}

/// The verdict for what no browser sends.
fn refused_by_browser(page: &PageRequest) -> Option<Verdict> {
    let redirect = page.redirects.iter().find(|redirect| !matches!(redirect.status, 301..=303 | 307 | 308));
    let reason = if let Some(redirect) = redirect {
        format!("{} is no status that redirects", redirect.status)
    } else if safelist::is_forbidden_method(&page.method) {
        format!("browsers do not send the method `{}`", shown(&page.method))
    } else if !safelist::is_header_name(&page.method) {
        format!("`{}` is no method", shown(&page.method))
    } else if page.headers.len() > MAX_REQUESTED_HEADERS {
        format!("there are {} headers, and at most {MAX_REQUESTED_HEADERS} are looked at", page.headers.len())
    } else {
        let wrong = page.headers.iter().find(|header| {
            !safelist::is_header_name(&header.name) || !safelist::is_header_value(&header.value)
        })?;
        format!("`{}` is no header that a script can set", shown(&wrong.name))
    };
    Some(Verdict::blocked(false, reason))
}

/// Whether the endpoint is one that a page over https may not use; loopback addresses count as safe.
fn is_mixed(origin: &str, endpoint: &str) -> bool {
    let Ok(url) = Url::parse(endpoint) else { return false };
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    origin.starts_with("https://") && url.scheme() == "http" && !is_loopback
}

/// Why a preflight did not let the request go: the rule's sentence first, since it says what to change.
pub(super) fn refused_preflight(answer: &StoreAnswer, reason: &str) -> String {
    match answer.status {
        403 => format!("{}: the preflight is answered 403", answer.reason),
        _ => joined(answer, reason),
    }
}

/// The verdict when the request was sent and the page may not see the answer.
pub(super) fn unreadable(answer: &StoreAnswer, reason: &str) -> Verdict {
    let why = joined(answer, reason);
    let end = match answer.status {
        300..400 => "the browser does not follow the redirect",
        400.. => "the store refuses the request, and the page cannot see why",
        _ => "the store took the request, and the page cannot see the answer",
    };
    Verdict::blocked(true, format!("{why}: {end}"))
}

/// What the rule did, and what the browser does not like about it.
fn joined(answer: &StoreAnswer, reason: &str) -> String {
    let link = if answer.rule.is_some() { "but" } else { "so" };
    format!("{}, {link} {reason}", answer.reason)
}

/// The verdict when the page sees the answer.
pub(super) fn of_answer(answer: &StoreAnswer, page: &PageRequest, origin: &str) -> Verdict {
    let readable = browser::readable(&answer.headers, page.credentials);
    let is_readable = |header: &String| {
        readable.every || readable.names.iter().any(|name| name.eq_ignore_ascii_case(header))
    };
    let unreadable: Vec<String> = page
        .read
        .iter()
        .filter(|header| !is_readable(header))
        .map(|header| header.to_ascii_lowercase())
        .collect();
    let mut reason = format!("{}, so `{}` sees the answer", answer.reason, shown(origin));
    if !unreadable.is_empty() {
        let names = unreadable.iter().map(|name| format!("`{}`", shown(name))).collect::<Vec<_>>().join(", ");
        reason = format!("{reason}, but not {names}, which ExposeHeaders does not list");
    }
    Verdict {
        succeeds: true,
        sent: true,
        status: Some(answer.status),
        readable_headers: readable.names,
        reads_every_header: readable.every,
        unreadable_headers: unreadable,
        reason,
    }
}
