//! Pages for people: the documentation at `/docs`, and one page for every code of an error.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use crate::http::Api;
use crate::http::problem::Problem;
use crate::model::error_catalogue;

const PAGE: &str = include_str!("docs/index.html");
/// The page loads nothing from elsewhere and runs no inline script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const STYLE_TYPE: &str = "text/css; charset=utf-8";
const SCRIPT_TYPE: &str = "text/javascript; charset=utf-8";

/// What the page loads.
const FILES: &[(&str, &str, &str)] = &[
    ("docs.css", STYLE_TYPE, include_str!("docs/docs.css")),
    ("docs.js", SCRIPT_TYPE, include_str!("docs/docs.js")),
    ("elements.js", SCRIPT_TYPE, include_str!("docs/elements.js")),
    ("prose.js", SCRIPT_TYPE, include_str!("docs/prose.js")),
    ("api.js", SCRIPT_TYPE, include_str!("docs/api.js")),
    ("schemas.js", SCRIPT_TYPE, include_str!("docs/schemas.js")),
    ("pages.js", SCRIPT_TYPE, include_str!("docs/pages.js")),
    ("panel.js", SCRIPT_TYPE, include_str!("docs/panel.js")),
    ("token.js", SCRIPT_TYPE, include_str!("docs/token.js")),
];

/// Our own codes: why they happen, and what to do. The codes of upstreams are in the error catalogue.
const OWN: &[(&str, &str, &str)] = &[
    (
        "BadRequest",
        "the request cannot be understood",
        "read `detail` and `errors`: they name the field or the parameter, and what it takes",
    ),
    (
        "Conflict",
        "the name is taken, or something else still uses the thing",
        "take another name, or remove what uses it first: `detail` says which it is",
    ),
    (
        "CountNotConfirmed",
        "a query over a prefix would touch another number of objects than was confirmed; nothing was done",
        "look with `dry_run` what is there, and give the count of its answer as `confirm_count`",
    ),
    (
        "SourceInUse",
        "references of resources need the source",
        "change the resources that `detail` names first, or delete the source with `?force=true`",
    ),
    (
        "Forbidden",
        "the token's role is too weak for this route, or the token is not of the whole installation",
        "use a token with the role that `detail` names",
    ),
    ("Internal", "the service failed inside", "give `request_id` to the operator: the log holds the cause"),
    (
        "Invalid",
        "the definition can be read, but cannot work",
        "mend every entry of `errors`: each names its field and what to do",
    ),
    ("LoadAbandoned", "the loading of a secret was given up before it ended", "send the request again"),
    (
        "NotFound",
        "there is no such thing, or not for this token; both look the same",
        "compare the name and the project with what the list shows",
    ),
    (
        "NotModified",
        "nothing changed since the version that the condition names",
        "use the copy that you have",
    ),
    (
        "OperationNotAllowed",
        "the resource's list of operations does not hold this one",
        "an editor of the resource can add it to `operations`",
    ),
    ("Overloaded", "the service runs as many queries as it may", "send the request again in a second"),
    (
        "PreconditionRequired",
        "a change without `If-Match` could undo somebody else's",
        "read the definition, and send its ETag as `If-Match`, or `*` to overwrite whatever is there",
    ),
    ("Stopping", "the service is about to stop", "send the request again"),
    (
        "TooLarge",
        "the body or the object is larger than a bound allows",
        "send less, or have the bound raised that `detail` names",
    ),
    (
        "TooManyFailures",
        "too many requests without a valid token came from this address",
        "wait a minute, and look for a client with an old token",
    ),
    (
        "TooManyQueries",
        "this token runs too many queries at once",
        "wait for some to end; the operator sets the bound",
    ),
    (
        "Unauthenticated",
        "there is no valid token: it is missing, wrong, expired or revoked",
        "send `Authorization: Bearer` with a token; an admin makes one",
    ),
    (
        "UsageDenied",
        "a usage policy of the installation does not allow what the resource uses a secret for",
        "use the secret as the rule that `detail` names allows, or have an admin of the installation change it",
    ),
    (
        "VersionMismatch",
        "the definition changed since the version that `If-Match` names",
        "read it again, and repeat the change on what is there now",
    ),
];

/// The routes of the pages.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/", get(|| async { Redirect::to("/docs") }))
        .route("/docs", get(|| async { page("text/html; charset=utf-8", PAGE) }))
        .route("/docs/{file}", get(file))
        .route("/docs/errors/{code}", get(error_page))
}

async fn file(Path(name): Path<String>) -> Response {
    let found = FILES.iter().find(|(file, _, _)| *file == name);
    found.map_or_else(
        || Problem::new(StatusCode::NOT_FOUND, "NotFound", "there is no such page").into_response(),
        |(_, kind, text)| page(kind, text),
    )
}

/// What is known about an error's code.
async fn error_page(Path(code): Path<String>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    match text_of(&code) {
        Some(text) => (kind, text).into_response(),
        None => (StatusCode::NOT_FOUND, kind, "This is not a code of an error.\n").into_response(),
    }
}

/// The page of a code. Upstreams have more codes than any table: theirs lead to a page all the same.
fn text_of(code: &str) -> Option<String> {
    if let Some((code, cause, remedy)) = OWN.iter().find(|(own, _, _)| *own == code) {
        return Some(format!("{code}\n\nCause: {cause}.\nRemedy: {remedy}.\n"));
    }
    if let Some(entry) = error_catalogue::find(code) {
        return Some(entry.text());
    }
    let plain = (1..=64).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte));
    plain.then(|| {
        format!(
            "{code}\n\nThis code is passed on from the service that `upstream` names.\nThat service's \
             documentation says what it means: `detail` holds its words, and `upstream.request_id` finds \
             the request in its logs.\n"
        )
    })
}

fn page(kind: &'static str, text: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 4] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{FILES, OWN, text_of};
    use crate::model::error_catalogue;

    /// What stands between quotes in the arms of the one `match` that names our codes.
    fn own_codes() -> Vec<String> {
        let source = include_str!("../app/error.rs");
        let body = source.split("pub fn code(&self)").nth(1).unwrap().split("\n    }\n").next().unwrap();
        body.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    }

    /// The codes of problems that are made in this layer.
    fn codes_here() -> Vec<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
        let mut found = Vec::new();
        for folder in [root.clone(), root.join("api")] {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = fs::read_to_string(path).unwrap();
                    let calls = text.split("Problem::new(").skip(1);
                    let named = calls.filter(|call| call.trim_start().starts_with("StatusCode::"));
                    found.extend(named.filter_map(|call| call.split('"').nth(1)).map(str::to_owned));
                }
            }
        }
        found
    }

    #[test]
    fn every_code_that_we_answer_has_a_page_that_says_what_to_do() {
        let own = own_codes();
        assert!(own.contains(&"Conflict".to_owned()) && own.len() > 12, "{own:?}");
        let here = codes_here();
        assert!(here.contains(&"MethodNotAllowed".to_owned()), "{here:?}");
        let catalogue = error_catalogue::all().map(|entry| entry.code.to_owned());
        for code in own.into_iter().chain(here).chain(catalogue) {
            let text = text_of(&code).unwrap();
            assert!(text.starts_with(&format!("{code}\n\nCause: ")) && text.contains("Remedy: "), "{text}");
        }
    }

    #[test]
    fn a_code_is_explained_once() {
        for (code, cause, remedy) in OWN {
            assert!(error_catalogue::find(code).is_none(), "`{code}` is in the catalogue too");
            assert!(!cause.ends_with('.') && !remedy.ends_with('.'), "`{code}` ends with a full stop");
        }
    }

    #[test]
    fn a_code_of_an_upstream_that_nobody_knows_has_a_page_and_what_is_no_code_has_none() {
        assert!(text_of("AnUpstreamsOwnCode").unwrap().contains("`upstream`"));
        for bad in ["", "a b", "<script>", &"x".repeat(65)] {
            assert_eq!(text_of(bad), None);
        }
    }

    #[test]
    fn every_script_has_one_subject_and_loads_only_files_that_are_served() {
        for (name, _, text) in
            FILES.iter().filter(|(name, _, _)| name.rsplit_once('.').is_some_and(|(_, kind)| kind == "js"))
        {
            assert!(text.lines().count() < 400, "{name}");
            for from in text.lines().filter_map(|line| line.rsplit_once(" from \"")) {
                let file = from.1.trim_end_matches("\";").strip_prefix("./").unwrap();
                assert!(FILES.iter().any(|(known, _, _)| *known == file), "{name} loads `{file}`");
            }
        }
    }
}
