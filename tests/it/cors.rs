//! Answers about CORS configurations, over REST and on the command line, and the page that shows them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::openapi::{document, operations};
use crate::support::{Setup, binary, expect};
use crate::transcript;

const PAGE: &str = include_str!("../../docs/cors.md");

#[tokio::test]
async fn every_command_of_the_page_about_cors_works_and_says_what_the_page_shows() {
    for step in transcript::run(PAGE, "cors").await {
        step.assert_shown();
    }
}

/// Runs the command line without a server in its environment.
fn run(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(binary());
    command.arg("cors").args(arguments).env("NO_COLOR", "1");
    command.env_remove("S3_CONNECTOR_SERVER").env_remove("S3_CONNECTOR_TOKEN");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test]
async fn the_examples_of_the_document_are_what_the_service_answers() {
    let service = Setup::new().start().await;
    let viewer = service.client("viewer").await;
    let document = document();
    let examples =
        operations(&document).into_iter().filter(|operation| operation.path.starts_with("/v1/cors/"));
    let mut tried = 0;
    for operation in examples {
        let media = |holder: &Value| holder["content"]["application/json"]["example"].clone();
        let asked = media(&operation.value["requestBody"]);
        let shown = media(&operation.value["responses"]["200"]);
        assert_eq!(expect(viewer.post(&operation.path, &asked).await, 200), shown, "{}", operation.path);
        tried += 1;
    }
    assert_eq!(tried, 3);
}

#[tokio::test]
async fn rest_and_command_line_give_the_same_values() {
    let service = Setup::new().start().await;
    let rules = r#"[{"AllowedOrigins": ["https://app.example.com/"], "AllowedMethods": ["GET"]}]"#;
    let wanted = json!({"configuration": rules, "provider": "garage", "expected": ["delete"]});
    let of_rest = expect(service.admin.post("/v1/cors/validate", &wanted).await, 200);
    let arguments = ["validate", "--provider", "garage", "--expect", "delete", "--output", "json"];
    let of_line = run(&arguments, rules);
    assert_eq!((code(&of_line), answer(&of_line)), (3, of_rest));

    let page = json!({"origin": "https://app.example.com", "method": "PUT"});
    let question = json!({"configuration": rules, "page": page});
    let of_rest = expect(service.admin.post("/v1/cors/evaluate", &question).await, 200);
    let of_line = run(&["evaluate", "--request", "-", "--output", "json"], &question.to_string());
    assert_eq!((code(&of_line), answer(&of_line)), (3, of_rest));

    let uses =
        json!({"uses": [{"origins": ["https://app.example.com"], "operations": ["put"]}], "form": "xml"});
    let of_rest = expect(service.admin.post("/v1/cors/recommend", &uses).await, 200);
    let of_line = run(&["recommend", "--request", "-", "--output", "json"], &uses.to_string());
    assert_eq!((code(&of_line), answer(&of_line)), (0, of_rest));
}

#[tokio::test]
async fn what_cannot_be_answered_is_invalid_and_says_where() {
    let service = Setup::new().start().await;
    let page = json!({"origin": "https://a.example", "method": "GET"});
    let problem = |path: &'static str, body: Value| {
        let client = &service.admin;
        async move { expect(client.post(path, &body).await, 422) }
    };
    let unread = problem("/v1/cors/evaluate", json!({"configuration": "[{", "page": page})).await;
    let error = &unread["errors"][0];
    assert_eq!((&error["code"], &error["path"]), (&json!("CORS_SYNTAX"), &json!("configuration.rules")));
    assert_eq!((&error["line"], &error["column"]), (&json!(1), &json!(3)), "{unread:#}");
    let uses = json!([{"origins": ["app.example.com"], "operations": ["get"]}]);
    let refused = problem("/v1/cors/recommend", json!({"uses": uses})).await;
    assert_eq!(refused["errors"][0]["code"], "CORS_NO_RECOMMENDATION", "{refused:#}");
    let body = json!({"configuration": [], "provider": "gcs"});
    let unknown = expect(service.admin.post("/v1/cors/validate", &body).await, 400);
    let detail = unknown["detail"].as_str().unwrap();
    assert!(detail.contains("`provider`: this is not a valid store: take one of aws, "), "{detail}");
    let long = json!({"configuration": "x".repeat(2 << 20)});
    expect(service.admin.post("/v1/cors/validate", &long).await, 413);
}

#[test]
fn exit_codes_tell_whether_a_configuration_is_usable_and_a_page_is_served() {
    let good = r#"[{"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET"], "ExposeHeaders": ["ETag"]}]"#;
    assert_eq!(code(&run(&["validate", "-"], good)), 0);
    assert_eq!(code(&run(&["validate", "-"], "[]")), 3);
    assert_eq!(code(&run(&["validate", "-"], "no configuration")), 3);
    assert_eq!(code(&run(&["validate", "/does/not/exist"], "")), 1);
    let asks = |origin: &str, read: &str| {
        let page = json!({"origin": origin, "method": "GET", "read": [read]});
        let question = json!({"configuration": good, "page": page}).to_string();
        code(&run(&["evaluate", "--request", "-"], &question))
    };
    assert_eq!(asks("https://a.example", "ETag"), 0);
    assert_eq!(
        asks("https://a.example", "x-amz-version-id"),
        3,
        "a header that it wants to read is kept from it"
    );
    assert_eq!(asks("https://b.example", "ETag"), 3);
    let misuse = run(&["evaluate", "--request", "-"], r#"{"page": {"method": 7}}"#);
    let words = String::from_utf8_lossy(&misuse.stderr).into_owned();
    assert_eq!(code(&misuse), 2, "{words}");
    assert!(words.contains("`page.method`"), "{words}");
    let recommends = |origin: &str| code(&run(&["recommend", "--use", &format!("{origin}=get")], ""));
    assert_eq!((recommends("https://a.example"), recommends("a.example")), (0, 3));
}

#[test]
fn a_configuration_that_cannot_be_evaluated_is_shown_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cors.json");
    std::fs::write(&file, "[\n  {\"AllowedOrigins\": [\"*\"], \"AllowedHosts\": [\"GET\"]}\n]\n").unwrap();
    let page = json!({"page": {"origin": "https://a.example", "method": "GET"}}).to_string();
    let output = run(&["evaluate", "--request", "-", "--configuration", file.to_str().unwrap()], &page);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(code(&output), 3, "{said}");
    assert!(said.contains("CORS_UNKNOWN_MEMBER") && said.contains("2 |   {\"AllowedOrigins\""), "{said}");
}
