//! JSON bodies: bounded in size and time, and refused with the field's path and never with its value, which
//! may be a secret.

use std::fmt::Write;
use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use crate::app::{Error, MOST_DOCUMENT_BYTES};
use crate::finding::Finding;
use crate::http::problem::{Problem, problem};
use crate::http::{Api, nearness};

/// A JSON body must be complete after this.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How serde begins to tell of a word that it does not know.
const UNKNOWN_WORD: &str = "unknown variant `";
/// Characters of a field's path that come back.
const MOST_PATH: usize = 200;

/// A JSON body.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Api> for JsonBody<T> {
    type Rejection = Response;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Response> {
        let most = api.app.config.server.max_json_bytes;
        read_whole(request, most).await.map(JsonBody)
    }
}

/// A JSON body that holds a whole document: up to [`MOST_DOCUMENT_BYTES`], whatever the bound of other bodies is.
#[derive(Debug)]
pub struct JsonDocument<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Api> for JsonDocument<T> {
    type Rejection = Response;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Response> {
        let most = api.app.config.server.max_json_bytes.max(MOST_DOCUMENT_BYTES);
        read_whole(request, most).await.map(JsonDocument)
    }
}

async fn read_whole<T: DeserializeOwned>(request: Request, most: usize) -> Result<T, Response> {
    let read = something(request, most).await.and_then(|bytes| parse(&bytes));
    read.map_err(|refusal| refusal.into_response())
}

/// The bytes of a body that must not be empty.
pub(super) async fn something(request: Request, most: usize) -> Result<Bytes, Box<Problem>> {
    let bytes = read(request, most).await?;
    if is_blank(&bytes) {
        let finding = Finding::error("EMPTY_BODY", "", "the body is empty").with_help("send JSON");
        return Err(Box::new(refused("the body is empty: send JSON".to_owned(), finding)));
    }
    Ok(bytes)
}

/// A JSON body that may be left out, for routes whose every field may be.
#[derive(Debug)]
pub struct JsonOrDefault<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest<Api> for JsonOrDefault<T> {
    type Rejection = Response;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Response> {
        let most = api.app.config.server.max_json_bytes;
        let bytes = read(request, most).await.map_err(|refusal| refusal.into_response())?;
        if is_blank(&bytes) {
            return Ok(JsonOrDefault(T::default()));
        }
        parse(&bytes).map(JsonOrDefault).map_err(|refusal| refusal.into_response())
    }
}

async fn read(request: Request, most: usize) -> Result<Bytes, Box<Problem>> {
    match tokio::time::timeout(TIMEOUT, axum::body::to_bytes(request.into_body(), most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            let text = format!(
                "the body has more than {most} bytes, or ended early: bytes of objects go as they are, with `PUT /v1/resources/NAME/objects/KEY`"
            );
            Err(Box::new(problem(Error::TooLarge(text))))
        }
        Err(_) => {
            let text = "the body did not arrive in time";
            Err(Box::new(Problem::new(StatusCode::REQUEST_TIMEOUT, "RequestTimeout", text)))
        }
    }
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_whitespace)
}

/// Reads JSON that comes from elsewhere than a request, in the same words.
///
/// # Errors
///
/// The first thing that is wrong, with its field and its place.
pub(crate) fn read_text<T: DeserializeOwned>(text: &str) -> Result<T, Finding> {
    parse(text.as_bytes()).map_err(|mut problem| {
        let first = problem.errors.pop();
        first.unwrap_or_else(|| Finding::error("INVALID_VALUE", "", std::mem::take(&mut problem.detail)))
    })
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Box<Problem>> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| Box::new(refusal(error.path(), error.inner(), None)))?;
    reader.end().map_err(|error| Box::new(not_json(&error)))?;
    Ok(value)
}

/// What a body is refused with. `tag` is the field whose word says which other fields the body has.
pub(super) fn refusal(path: &Path, error: &serde_json::Error, tag: Option<&str>) -> Problem {
    if !error.is_data() {
        return not_json(error);
    }
    let text = error.to_string();
    // serde_json writes the place behind the text
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(before, _)| before);
    let said = reworded(text);
    // a word that chooses the fields is read before there is a path
    let path = match place(path, said.field) {
        root if root.is_empty() && text.starts_with(UNKNOWN_WORD) => tag.unwrap_or_default().to_owned(),
        path => path,
    };
    let shown = if path.is_empty() { String::new() } else { format!("`{path}`: ") };
    let detail = format!("the body is not what this route takes: {shown}{}", said.message);
    refused(detail, located(Finding::error(said.code, path, said.message), error))
}

fn not_json(error: &serde_json::Error) -> Problem {
    let detail = format!("the body is not JSON: error at line {} column {}", error.line(), error.column());
    refused(detail, located(Finding::error("NOT_JSON", "", "this is not JSON"), error))
}

fn refused(detail: String, finding: Finding) -> Problem {
    let mut problem = problem(Error::BadRequest(detail));
    problem.errors = vec![finding];
    problem
}

fn located(finding: Finding, error: &serde_json::Error) -> Finding {
    match (u32::try_from(error.line()), u32::try_from(error.column())) {
        (Ok(line), Ok(column)) if line > 0 => finding.at(line, column),
        _ => finding,
    }
}

/// The path of the field, with the field that only the error's text names. Variants are left out: what stands
/// there is a value.
fn place(path: &Path, field: Option<&str>) -> String {
    let mut shown = String::new();
    let mut last = "";
    for segment in path {
        match segment {
            Segment::Map { key } => {
                push_name(&mut shown, key);
                last = key;
            }
            // writing into a text cannot fail
            Segment::Seq { index } => write!(shown, "[{index}]").unwrap_or_default(),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    if let Some(field) = field.filter(|field| *field != last) {
        push_name(&mut shown, field);
    }
    shown.chars().take(MOST_PATH).collect()
}

fn push_name(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// An error of serde in our words.
#[derive(Debug, PartialEq, Eq)]
struct Said<'a> {
    code: &'static str,
    /// The field that the text names.
    field: Option<&'a str>,
    message: String,
}

/// Neither a value nor the name of a Rust type is left of the text.
fn reworded(text: &str) -> Said<'_> {
    let invalid = |message: String| Said { code: "INVALID_VALUE", field: None, message };
    if let Some(field) = named(text, "missing field `") {
        return Said {
            code: "MISSING_FIELD",
            field: Some(field),
            message: "the field is missing".to_owned(),
        };
    }
    if let Some(field) = named(text, "duplicate field `") {
        let message = "the field is there more than once".to_owned();
        return Said { code: "DUPLICATE_FIELD", field: Some(field), message };
    }
    if let Some(rest) = text.strip_prefix("unknown field `") {
        let (field, known) = rest.rsplit_once("`, expected ").unwrap_or((rest, "nothing"));
        let message = format!("there is no such field: expected {}", nearest_first(field, known));
        return Said { code: "UNKNOWN_FIELD", field: Some(field), message };
    }
    if let Some(rest) = text.strip_prefix(UNKNOWN_WORD) {
        let (given, words) = rest.rsplit_once("`, expected ").unwrap_or((rest, "another word"));
        return invalid(format!("an unknown word, expected {}", nearest_first(given, words)));
    }
    if let Some(rest) = text.strip_prefix("invalid type: ") {
        let (given, wanted) = rest.rsplit_once(", expected ").unwrap_or((rest, ""));
        return invalid(format!("expected {}, and this is {}", wanted_words(wanted), given_words(given)));
    }
    if let Some((_, wanted)) = text.rsplit_once(", expected ") {
        return invalid(format!("expected {}{}", wanted_words(wanted), bounds(wanted)));
    }
    // our own types say what they take, without the value
    if text.starts_with("this takes ") {
        return invalid(text.to_owned());
    }
    // or name the rule behind the value
    if let Some((_, rule)) = text.rsplit_once("` is not a valid ") {
        return invalid(format!("this is not a valid {rule}"));
    }
    invalid("the value cannot be read: `/docs` shows what the field takes".to_owned())
}

/// The known words, which serde writes as "one of `a`, `b`, `c`": those that the given one resembles stand first.
fn nearest_first(given: &str, known: &str) -> String {
    let Some(list) = known.strip_prefix("one of ") else { return known.to_owned() };
    let mut words: Vec<&str> = list.split(", ").collect();
    words.sort_by_key(|word| nearness::distance(given, word).unwrap_or(usize::MAX));
    format!("one of {}", words.join(", "))
}

fn named<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.strip_prefix(start)?.strip_suffix('`')
}

/// Which whole numbers a type takes, by the name that serde tells.
fn bounds(wanted: &str) -> &'static str {
    match wanted {
        "u8" => " from 0 to 255",
        "u16" => " from 0 to 65535",
        "u32" => " from 0 to 4294967295",
        "u64" | "usize" => ", 0 or more",
        _ if wanted_words(wanted).ends_with("number") => " within its bounds",
        _ => "",
    }
}

fn given_words(given: &str) -> &'static str {
    let kinds = [
        ("string", "a text"),
        ("character", "a text"),
        ("map", "an object"),
        ("sequence", "a list"),
        ("boolean", "true or false"),
        ("integer", "a number"),
        ("floating point", "one with a fraction, or a very large one"),
        ("number", "a number"),
        ("null", "null"),
        ("unit", "null"),
    ];
    let found = kinds.iter().find(|(start, _)| given.starts_with(start));
    found.map_or("something else", |(_, words)| words)
}

fn wanted_words(wanted: &str) -> &str {
    let kinds = [
        ("a string", "a text"),
        ("string", "a text"),
        ("a map", "an object"),
        ("struct", "an object"),
        ("internally tagged", "an object"),
        ("adjacently tagged", "an object"),
        ("a sequence", "a list"),
        ("a boolean", "true or false"),
        ("field", "a word"),
        ("enum", "a word"),
        ("variant", "a word"),
        ("i", "a whole number"),
        ("u", "a whole number"),
        ("f", "a number"),
    ];
    let found = kinds.iter().find(|(start, _)| wanted.starts_with(start));
    // our own types say in words what they take
    let own = ["a ", "an "].iter().any(|start| wanted.starts_with(start));
    found.map_or(if own { wanted } else { "another value" }, |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::{Problem, parse};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only read")]
    struct Inner {
        count: u8,
        #[serde(default)]
        word: Option<Word>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        One,
        Two,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only read")]
    struct Outer {
        name: String,
        #[serde(default)]
        list: Vec<Inner>,
        #[serde(default)]
        labels: BTreeMap<String, String>,
        #[serde(default)]
        resource: Option<crate::model::name::Name>,
    }

    fn refused<T: serde::de::DeserializeOwned + std::fmt::Debug>(body: &str) -> Problem {
        *parse::<T>(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn the_field_is_named_and_what_it_takes() {
        let cases = [
            ("{}", "name", "the field is missing"),
            (r#"{"name": 7}"#, "name", "expected a text, and this is a number"),
            (
                r#"{"name": "a", "nane": 1}"#,
                "nane",
                "there is no such field: expected one of `name`, `list`, `labels`, `resource`",
            ),
            (r#"{"name": "a", "list": [{"count": 1}, {}]}"#, "list[1].count", "the field is missing"),
            (
                r#"{"name": "a", "list": [{"count": 300}]}"#,
                "list[0].count",
                "expected a whole number from 0 to 255",
            ),
            (
                r#"{"name": "a", "list": [{"count": 1, "word": "three"}]}"#,
                "list[0].word",
                "an unknown word, expected `one` or `two`",
            ),
            (
                r#"{"name": "a", "list": [{"count": 1e30}]}"#,
                "list[0].count",
                "expected a whole number, and this is one with a fraction, or a very large one",
            ),
            (r#"{"name": "a", "labels": {"x": null}}"#, "labels.x", "expected a text, and this is null"),
            (r#"{"name": "a", "list": {}}"#, "list", "expected a list, and this is an object"),
            ("7", "", "expected an object, and this is a number"),
        ];
        for (body, path, message) in cases {
            let problem = refused::<Outer>(body);
            let finding = problem.errors.first().unwrap();
            assert_eq!((finding.path.as_str(), finding.message.as_str()), (path, message), "{body}");
            assert!(problem.detail.contains(message), "{problem:?}");
        }
    }

    #[test]
    fn no_value_and_no_name_of_a_type_comes_back() {
        let bodies = [
            r#"{"name": {"a": "PLANTED"}}"#,
            r#""PLANTED""#,
            r#"{"name": "a", "list": "PLANTED"}"#,
            r#"{"name": "a", "list": "PLANTED\", expected PLANTED"}"#,
            r#"{"name": "a", "list": [{"count": "PLANTED"}]}"#,
            r#"{"name": "a", "list": [{"count": 1, "word": "PLANTED`, expected PLANTED` or"}]}"#,
            r#"{"name": "a", "list": [{"count": 1, "word": {"PLANTED": 1}}]}"#,
            r#"{"name": "a", "resource": "PLANTED NAME"}"#,
            r#"{"name": "a", "list": ["PLANTED"]}"#,
            r#"{"name": PLANTED}"#,
        ];
        for body in bodies {
            let told = format!("{:?}", refused::<Outer>(body));
            assert!(!told.contains("PLANTED"), "{body}: {told}");
            for rust in ["struct", "Outer", "Inner", "enum", "u8"] {
                assert!(!told.contains(rust), "{body}: {told}");
            }
        }
    }

    #[test]
    fn what_is_not_json_is_told_with_its_place() {
        for body in ["{", "{\"name\": \"a\"} x", "not json"] {
            let problem = refused::<Outer>(body);
            let finding = problem.errors.first().unwrap();
            assert_eq!((finding.code, finding.line), ("NOT_JSON", Some(1)), "{body}");
        }
    }
}
