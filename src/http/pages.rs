//! Pages for people: the documentation at `/docs`, and one page for every code of an error.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use crate::http::Api;
use crate::http::problem::Problem;
use crate::model::{check_catalogue, error_catalogue};

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

/// The routes of the pages.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/", get(|| async { Redirect::to("/docs") }))
        .route("/docs", get(|| async { page("text/html; charset=utf-8", PAGE) }))
        .route("/docs/{file}", get(file))
        .route("/docs/", get(|| async { Redirect::to("/docs") }))
        .route("/docs/errors", get(|| async { plain(error_list()) }))
        .route("/docs/errors/{code}", get(error_page))
        .route("/docs/checks", get(|| async { plain(check_list()) }))
        .route("/docs/checks/{name}", get(check_page))
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
    match text_of(&code) {
        Some(text) => plain(text),
        None => {
            (StatusCode::NOT_FOUND, plain("This is not a code of an error.\n".to_owned())).into_response()
        }
    }
}

/// Every code, a line each.
fn error_list() -> String {
    lines(error_catalogue::all().map(|entry| [entry.code, entry.cause]))
}

/// What a check of a connection test claims, and how it is tried.
async fn check_page(Path(name): Path<String>) -> Response {
    match check_catalogue::find(&name) {
        Some(entry) => plain(entry.text()),
        None => {
            (StatusCode::NOT_FOUND, plain("This is no check: /docs/checks has all of them.\n".to_owned()))
                .into_response()
        }
    }
}

/// Every check, a line each.
fn check_list() -> String {
    lines(check_catalogue::CHECKS.iter().map(|entry| [entry.name, entry.claim]))
}

fn lines<'a>(entries: impl Iterator<Item = [&'a str; 2]>) -> String {
    entries.flat_map(|[name, text]| [name, ": ", text, "\n"]).collect()
}

fn plain(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// The page of a code. Upstreams have more codes than any table: theirs lead to a page all the same.
fn text_of(code: &str) -> Option<String> {
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
    use super::{FILES, check_list, error_list, text_of};

    #[test]
    fn a_code_of_an_upstream_that_nobody_knows_has_a_page_and_what_is_no_code_has_none() {
        assert!(text_of("AnUpstreamsOwnCode").unwrap().contains("`upstream`"));
        for bad in ["", "a b", "<script>", &"x".repeat(65)] {
            assert_eq!(text_of(bad), None);
        }
    }

    #[test]
    fn lists_have_a_line_for_each() {
        assert!(error_list().lines().any(|line| line.starts_with("NoSuchBucket: ")));
        assert_eq!(check_list().lines().count(), crate::model::check_catalogue::CHECKS.len());
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
