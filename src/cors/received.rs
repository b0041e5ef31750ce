//! The browser's part alone, for answers that a store really gave.

use serde::Serialize;
use utoipa::ToSchema;

use super::answer_headers::CorsHeaders;
use super::browser::{self, Asked};
use super::evaluate::Sent;
use super::finding::shown;
use super::page::PageRequest;
use super::store::{StoreAnswer, StoreRequest};
use super::verdict::{self, Verdict};

/// An answer as it came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CorsReceived)]
pub struct Received {
    /// Its status.
    pub status: u16,
    /// Its CORS headers and `Vary`.
    pub headers: CorsHeaders,
    /// The code in the XML of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "AccessForbidden")]
    pub code: Option<String>,
}

/// What a browser sends for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// Whether the browser asks first.
    pub asks_first: bool,
    /// The preflight; also where the browser does not ask, so that a store can be asked in place of a request that
    /// changes something.
    pub preflight: StoreRequest,
    /// The request itself.
    pub request: StoreRequest,
    /// The headers that the script sets, as they go out: names in lower case, and values.
    pub headers: Vec<(String, String)>,
}

/// What a browser sends for a page; or the verdict where it sends nothing, or CORS plays no part.
pub fn sending(page: &PageRequest) -> Result<Sending, Verdict> {
    if let Some(verdict) = verdict::without_cors(page) {
        return Err(verdict);
    }
    let sent = Sent::of(page);
    Ok(Sending {
        asks_first: !sent.preflight_reasons(page.upload).is_empty(),
        preflight: sent.preflight(),
        request: sent.request(),
        headers: sent.headers,
    })
}

/// What is known of the answer to the request itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actual<'r> {
    /// It came in.
    Received(&'r Received),
    /// The request was not sent, and the store puts the CORS headers of a preflight on its answer, too.
    LikePreflight,
    /// The request was not sent, and what its answer would carry is not known.
    NotSent,
}

/// What the page gets, from answers that came in: the preflight's, and what is known of the request's own.
pub fn judge(page: &PageRequest, preflight: &Received, actual: Actual<'_>) -> Verdict {
    if let Some(verdict) = verdict::without_cors(page) {
        return verdict;
    }
    let sent = Sent::of(page);
    let method = shown(&sent.method);
    if !sent.preflight_reasons(page.upload).is_empty()
        && let Err(reason) = let_go(&sent, page, preflight)
    {
        return Verdict::blocked(false, format!("{reason}, and {method} is never sent"));
    }
    match actual {
        Actual::Received(answer) => {
            seen(page, &sent, answer, format!("{method} is answered {}", answer.outcome()))
        }
        Actual::LikePreflight => {
            let said = format!("the preflight for {method} is answered {}", preflight.outcome());
            let mut verdict = seen(page, &sent, preflight, said);
            verdict.status = None;
            verdict
        }
        Actual::NotSent => {
            let reason = format!(
                "the preflight for {method} is answered {}, so {method} is sent; what its answer carries is not known",
                preflight.outcome()
            );
            Verdict { succeeds: true, ..Verdict::blocked(true, reason) }
        }
    }
}

/// Whether the preflight lets the request go.
fn let_go(sent: &Sent, page: &PageRequest, preflight: &Received) -> Result<(), String> {
    let unsafe_names = sent.unsafe_names();
    let asked = Asked {
        origin: &sent.origin,
        method: &sent.method,
        unsafe_names: &unsafe_names,
        credentials: page.credentials,
    };
    browser::preflight_check(preflight.status, &preflight.headers, asked).map_err(|reason| {
        match preflight.status {
            200..300 => format!("the preflight is answered {}, but {reason}", preflight.status),
            300..400 => reason,
            _ => format!("the preflight is answered {}", preflight.outcome()),
        }
    })
}

/// What the page sees of an answer.
fn seen(page: &PageRequest, sent: &Sent, answer: &Received, said: String) -> Verdict {
    if let Err(reason) = browser::cors_check(&answer.headers, &sent.origin, page.credentials) {
        let end = if (300..400).contains(&answer.status) {
            "the browser does not follow the redirect"
        } else {
            "the store takes the request, and the page cannot see the answer"
        };
        return Verdict::blocked(true, format!("{said}, but {reason}: {end}"));
    }
    let answer = StoreAnswer {
        status: answer.status,
        headers: answer.headers.clone(),
        rule: None,
        error: None,
        reason: said,
        trace: Vec::new(),
    };
    verdict::of_answer(&answer, page, &sent.origin)
}

impl Received {
    /// Status and code.
    fn outcome(&self) -> String {
        let code = self.code.as_ref().map(|code| format!(" {}", shown(code))).unwrap_or_default();
        format!("{}{code}", self.status)
    }
}
