//! Every code that our own sources give an error is in the catalogue: so every problem has a page, a cause and a remedy.
//!
//! The sources are read as text, without their comments and without their own tests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test code outside of test functions"
)]

use std::collections::BTreeMap;

use s3_connector::model::error_catalogue;

use crate::layers::sources;

/// What makes an error out of a code.
const MAKERS: &[&str] =
    &["AwsError::new(", "Self::new(", "of_code(", "Problem::new(", "load_error(", "unresolved("];
/// Functions that answer a code.
const ANSWERS: &[&str] = &[
    "fn code(&self)",
    "fn catalogue_code(",
    "fn code_of_status(",
    "fn body_code(",
    "fn tls_code(",
    "fn network_cause(",
    "fn full_key(",
];
/// Codes that no problem carries, and why.
const NEVER_ANSWERED: &[(&str, &str)] = &[("InvalidArn", "the service does not start with such a key")];

#[test]
fn every_code_that_is_given_in_the_sources_is_in_the_catalogue() {
    let mut missing = given();
    for known in [
        "BadRequest",
        "UpstreamLimit",
        "NotSupportedByProvider",
        "LoadAbandoned",
        "MethodNotAllowed",
        "TlsFailure",
    ] {
        assert!(missing.contains_key(known), "`{known}` was not found: is it made in another way now?");
    }
    missing.retain(|code, _| error_catalogue::find(code).is_none());
    for (code, why) in NEVER_ANSWERED {
        assert!(missing.remove(*code).is_some(), "`{code}` is not given any more ({why})");
    }
    assert!(missing.is_empty(), "add these to `src/model/error_catalogue`: {missing:#?}");
}

#[test]
fn a_code_is_found_however_its_call_is_written() {
    let text = "let a = AwsError::new(\n    kind(\")\"),\n    \"s3\",\n    \"OneCode\",\n    format!(\"No (such\"),\n);\ncode: \"TwoCode\".to_owned()";
    assert_eq!(codes(text), ["OneCode", "TwoCode"]);
    assert_eq!(
        codes("fn tls_code(e: E) -> &str {\n    match e { _ => \"ThreeCode\" }\n}\n\"NotThis\""),
        ["ThreeCode"]
    );
}

/// Every code, with the file that gives it.
fn given() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let answering = ["app", "aws", "cache", "http", "store"];
    for source in sources().into_iter().filter(|source| answering.contains(&source.module.as_str())) {
        found.extend(codes(&source.code).into_iter().map(|code| (code, source.file.clone())));
    }
    found
}

fn codes(text: &str) -> Vec<String> {
    let calls = MAKERS.iter().flat_map(|maker| text.split(maker).skip(1).map(arguments));
    let answers = ANSWERS.iter().flat_map(|answer| text.split(answer).skip(1).map(body));
    let fields = text.split("code: \"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    let quoted = calls.chain(answers).flat_map(literals);
    quoted.chain(fields).filter(|text| is_code(text)).collect()
}

/// What stands between the parenthesis that is open and the one that closes it.
fn arguments(rest: &str) -> &str {
    let (mut depth, mut quoted) = (1, false);
    for (at, letter) in rest.char_indices() {
        match letter {
            '"' if !rest[..at].ends_with('\\') => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &rest[..at];
        }
    }
    rest
}

/// Up to the brace that stands below the function's first letter.
fn body(rest: &str) -> &str {
    let ends = ["\n}\n", "\n    }\n"].iter().filter_map(|end| rest.find(end));
    &rest[..ends.min().unwrap_or(rest.len())]
}

fn literals(text: &str) -> Vec<String> {
    text.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// `NoSuchKey`, and neither a sentence nor the code of a finding.
fn is_code(text: &str) -> bool {
    let letters = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    letters
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
}
