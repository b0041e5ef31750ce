//! Problems (RFC 9457) as the server sends them, and the words that the terminal shows for them.

use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::error_catalogue;

/// Bytes of a body that is no problem document which are shown all the same.
const SHOWN_BODY: usize = 300;

/// The upstream's codes for "you may not", besides those that name it.
const DENIED: &[&str] = &["AllAccessDisabled", "Forbidden"];

/// What the server advises in the words of its interface, and the same in those of the command line.
const TRANSLATIONS: &[(&str, &str)] = &[
    ("give `\"write\": true`", "give `--write`"),
    ("`PUT /v1/sources/active`", "`s3-connector source use NAME`"),
    ("change it with PUT or PATCH", "change it with `update`"),
    ("PATCH the resource with {", "update the resource with --merge and {"),
    ("`?force=true`", "`--force`"),
    ("`POST /v1/resources/NAME/policy/check`", "`s3-connector policy check NAME`"),
];

/// A refusal or failure that the server answered with. Unknown members are ignored and all may be missing, so
/// that any server version can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, thiserror::Error)]
#[error("{}", self.sentence())]
#[serde(default)]
pub(crate) struct Problem {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    pub(crate) status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<Remark>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) upstream: Option<Upstream>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
    /// Everything else that the document holds, for those who read it as JSON.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// One remark about a definition, as in `errors[]` of a problem or `findings[]` of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Remark {
    pub(crate) severity: String,
    pub(crate) code: String,
    pub(crate) path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<u32>,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) help: Option<String>,
}

/// What the service behind the server said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Upstream {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
}

impl Problem {
    /// A document that cannot be used, as a server would refuse it.
    pub(crate) fn invalid(detail: String, errors: Vec<Remark>) -> Problem {
        let code = Some("Invalid".to_owned());
        Problem { status: 422, code, detail: Some(detail), errors, ..Problem::default() }
    }

    /// Reads the body of an answer that is no success; whatever it holds, the outcome says something.
    pub(crate) fn read(status: u16, body: &[u8], request_id: Option<&str>) -> Problem {
        let mut problem = serde_json::from_slice::<Problem>(body).unwrap_or_default();
        problem.status = status;
        if problem.title.is_none() && problem.detail.is_none() {
            let start = String::from_utf8_lossy(body.get(..SHOWN_BODY).unwrap_or(body)).trim().to_owned();
            problem.detail = Some(start).filter(|text| !text.is_empty() && !text.starts_with('{'));
            if problem.detail.is_some() && problem.code.is_none() && problem.remedy.is_none() {
                let text =
                    "an s3-connector does not answer so: does --server name one, or what stands before it?";
                problem.remedy = Some(text.to_owned());
            }
        }
        if problem.request_id.is_none() {
            problem.request_id = request_id.map(str::to_owned);
        }
        problem
    }

    /// The caller or the resource may not do this, or the definition cannot be used.
    pub(crate) fn is_denied(&self) -> bool {
        match self.status {
            400 | 401 | 403 | 422 => true,
            424 => {
                let upstream = self.upstream.as_ref().and_then(|upstream| upstream.code.as_deref());
                [upstream, self.code.as_deref()].into_iter().flatten().any(means_denied)
            }
            _ => false,
        }
    }

    /// The object is not there; a resource that is not there is another matter, without an upstream.
    pub(crate) fn is_missing_object(&self) -> bool {
        self.status == 404 && (self.upstream.is_some() || self.code.as_deref() == Some("NoSuchKey"))
    }

    /// The title and the detail, or what the status means.
    fn sentence(&self) -> String {
        // a detail that is one of the remarks stands below with its place
        let remarked = |text: &str| {
            self.errors.iter().any(|remark| !remark.message.is_empty() && text.ends_with(&remark.message))
        };
        let said = |text: &&str| self.title.is_some() && remarked(text);
        let detail = self.detail.as_deref().filter(|text| !said(text));
        let reason = StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        // the words of HTTP alone say less than those of the catalogue
        let known = self.code.as_deref().and_then(error_catalogue::find).filter(|_| detail.is_none());
        let title = match (self.title.as_deref(), known) {
            (Some(title), Some(entry)) if Some(title) == reason => Some(entry.cause),
            (title, _) => title,
        };
        match (title, detail) {
            (Some(title), Some(detail)) if title != detail => advice(&format!("{title}: {detail}")),
            (Some(text), _) | (None, Some(text)) => advice(text),
            (None, None) => format!("the server answered {} {}", self.status, reason.unwrap_or_default())
                .trim_end()
                .to_owned(),
        }
    }

    /// Everything below the first sentence.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.errors.iter().flat_map(Remark::lines).map(|line| format!("  {line}")).collect();
        if let Some(upstream) = &self.upstream {
            lines.push(format!("  upstream: {}", upstream.sentence()));
        }
        let said = self.errors.iter().any(|remark| remark.help == self.remedy);
        if let Some(remedy) = self.remedy.as_ref().filter(|_| !said) {
            lines.push(format!("  remedy: {}", advice(remedy)));
        }
        let known = self.code.as_deref().and_then(error_catalogue::find);
        lines.extend(known.map(|entry| format!("  read on: s3-connector errors {}", entry.code)));
        if let Some(id) = &self.request_id {
            lines.push(format!("  request id: {id}"));
        }
        lines
    }
}

/// The text with the flags and commands that do here what the server advises.
pub(crate) fn advice(text: &str) -> String {
    TRANSLATIONS.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(*theirs, ours))
}

fn means_denied(code: &str) -> bool {
    let plain = code.replace('_', "").to_ascii_lowercase();
    plain.contains("accessdenied") || DENIED.contains(&code)
}

impl Upstream {
    fn sentence(&self) -> String {
        let service = self.service.as_deref().unwrap_or("the upstream");
        let code = self.code.as_deref().unwrap_or("an error");
        let id = self.request_id.as_deref().map(|id| format!(" (request id {id})")).unwrap_or_default();
        // an id comes with an answer; without one nobody may have answered
        let verb = if id.is_empty() { ":" } else { " answered" };
        format!("{service}{verb} {code}{id}")
    }
}

impl Remark {
    /// `path:line:column: message [CODE]`, and the help below it.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut place = self.path.clone();
        for part in [self.line, self.column].into_iter().flatten() {
            place = format!("{place}:{part}");
        }
        let severity = if matches!(self.severity.as_str(), "" | "error") {
            String::new()
        } else {
            self.severity.replace('_', " ") + ": "
        };
        let colon = if place.is_empty() { "" } else { ": " };
        let code = if self.code.is_empty() { String::new() } else { format!(" [{}]", self.code) };
        let mut lines = vec![format!("{place}{colon}{severity}{}{code}", advice(&self.message))];
        lines.extend(self.help.iter().map(|help| format!("  help: {}", advice(help))));
        lines
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Problem, advice};

    #[test]
    fn a_problem_shows_every_error_with_its_place_and_what_to_do() {
        let body = json!({
            "type": "https://example.com/invalid", "title": "the definition is invalid", "status": 422,
            "detail": "auth.secret_access_key: unexpected end", "code": "Invalid", "request_id": "r-1",
            "errors": [
                {"severity": "error", "code": "TEMPLATE_SYNTAX", "path": "auth.secret_access_key", "line": 1, "column": 12,
                 "message": "unexpected end", "help": "close it with `}}`"},
                {"severity": "security_warning", "code": "PUBLIC", "path": "default_acl", "message": "everyone reads"},
            ],
            "upstream": {"service": "s3", "code": "AccessDenied", "request_id": "u-1"},
            "remedy": "allow `s3:PutObject`",
        });
        let problem = Problem::read(422, body.to_string().as_bytes(), None);
        assert_eq!(problem.to_string(), "the definition is invalid", "the detail is the first remark");
        let plain = Problem { title: Some("Unprocessable Entity".to_owned()), ..problem.clone() };
        assert_eq!(plain.to_string(), "the definition can be read, but cannot work");
        let expected = [
            "  auth.secret_access_key:1:12: unexpected end [TEMPLATE_SYNTAX]",
            "    help: close it with `}}`",
            "  default_acl: security warning: everyone reads [PUBLIC]",
            "  upstream: s3 answered AccessDenied (request id u-1)",
            "  remedy: allow `s3:PutObject`",
            "  read on: s3-connector errors Invalid",
            "  request id: r-1",
        ];
        assert_eq!(problem.lines(), expected);
    }

    #[test]
    fn advice_is_given_in_the_words_of_the_command_line() {
        for (theirs, ours) in [
            ("not asked for: give `\"write\": true`", "not asked for: give `--write`"),
            (
                "make one active with `PUT /v1/sources/active`",
                "make one active with `s3-connector source use NAME`",
            ),
            (
                "PATCH the resource with {\"region\": \"x\"}",
                "update the resource with --merge and {\"region\": \"x\"}",
            ),
            ("delete it all the same with `?force=true`", "delete it all the same with `--force`"),
            ("send it again", "send it again"),
        ] {
            assert_eq!(advice(theirs), ours);
        }
    }

    #[test]
    fn an_answer_that_is_no_problem_document_still_says_something() {
        assert_eq!(Problem::read(502, b"<html>bad</html>", None).to_string(), "<html>bad</html>");
        let empty = Problem::read(503, b"", Some("r-2"));
        assert_eq!(empty.to_string(), "the server answered 503 Service Unavailable");
        assert_eq!(empty.lines(), ["  request id: r-2"]);
    }

    #[test]
    fn a_code_that_nobody_knows_leads_nowhere() {
        let problem = Problem::read(400, br#"{"detail": "no", "code": "AStoresOwn"}"#, None);
        assert!(problem.lines().is_empty(), "{:?}", problem.lines());
    }

    #[test]
    fn the_status_of_the_answer_counts_and_not_that_of_its_body() {
        assert!(!Problem::read(500, br#"{"status": 403, "title": "x"}"#, None).is_denied());
    }
}
