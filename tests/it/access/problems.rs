//! Every error has one shape, its status, and an id that leads to the log.

use reqwest::{Method, Response};
use s3_connector::model::error_catalogue;
use serde_json::{Value, json};

use super::open;
use crate::support::{PLANTED, Setup, expect};

/// Checks the shape, and gives the body.
async fn problem(response: Response, status: u16, code: &str) -> Value {
    let headers = response.headers().clone();
    assert_eq!(response.status(), status, "{code}: {response:?}");
    assert_eq!(headers["content-type"], "application/problem+json", "{code}");
    assert_eq!(headers["x-content-type-options"], "nosniff", "{code}");
    let path = response.url().path().to_owned();
    let body: Value = response.json().await.unwrap();
    assert_eq!((&body["status"], &body["code"]), (&json!(status), &json!(code)), "{body:#}");
    assert!(body["type"].as_str().unwrap().ends_with(&format!("/errors/{code}")), "{body:#}");
    assert!(!body["title"].as_str().unwrap().is_empty(), "{body:#}");
    assert!(!body["detail"].as_str().unwrap().is_empty(), "{body:#}");
    assert_eq!(body["instance"], path);
    assert_eq!(body["request_id"].as_str().unwrap(), headers["x-request-id"].to_str().unwrap());
    body
}

#[tokio::test]
async fn every_kind_of_error_has_the_same_shape() {
    let service = Setup::new().with("S3_CONNECTOR__SERVER__MAX_JSON_BYTES", "10000").start().await;
    let admin = &service.admin;
    let viewer = service.client("viewer").await;
    expect(admin.post("/v1/resources", &open("r", "b")).await, 201);
    let get = |path: &str| admin.request(Method::GET, path);
    let post = |body: String| admin.request(Method::POST, "/v1/resources").body(body);
    let patch = || admin.request(Method::PATCH, "/v1/resources/r").body("{}");
    let large = json!({"name": "x", "description": "x".repeat(20_000)}).to_string();
    let cases = [
        (get("/no/such/route"), 404, "NotFound"),
        (get("/v1/resources/none"), 404, "NotFound"),
        (admin.request(Method::DELETE, "/v1/whoami"), 405, "MethodNotAllowed"),
        (admin.request(Method::POST, "/healthz"), 405, "MethodNotAllowed"),
        (post("{\"name\": ".to_owned()), 400, "BadRequest"),
        (post("[1, 2]".to_owned()), 400, "BadRequest"),
        (get("/v1/resources?limit=many"), 400, "BadRequest"),
        (get("/v1/resources/r/objects?environment=Not%20One"), 400, "BadRequest"),
        (post(large), 413, "TooLarge"),
        (post(json!({"name": "x", "bucket": "", "auth": {"kind": "anonymous"}}).to_string()), 422, "Invalid"),
        (post(open("r", "b").to_string()), 409, "Conflict"),
        (patch(), 428, "PreconditionRequired"),
        (patch().header("if-match", "\"7\""), 412, "VersionMismatch"),
        (viewer.request(Method::POST, "/v1/resources").body("{}"), 403, "Forbidden"),
        (admin.http.get(format!("{}/v1/whoami", service.url)), 401, "Unauthenticated"),
    ];
    for (request, status, code) in cases {
        let told = problem(request.send().await.unwrap(), status, code).await;
        let page = expect(admin.get(told["type"].as_str().unwrap()).await, 200);
        assert_eq!(page, error_catalogue::find(code).unwrap().text());
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_not_echoed() {
    let service = Setup::new().start().await;
    let admin = &service.admin;
    let bodies = [
        format!("{{\"name\": \"{PLANTED}"),
        format!("{{\"name\": {PLANTED}}}"),
        format!("\"{PLANTED}\""),
        json!({"name": "x", "role": PLANTED}).to_string(),
        json!({"name": {"a": PLANTED}, "role": "viewer"}).to_string(),
        json!({"name": "x", "role": "viewer", "installation": PLANTED}).to_string(),
        json!({"name": "x", "role": "viewer", "installation": format!("a\", expected {PLANTED}")})
            .to_string(),
    ];
    for path in ["/v1/tokens", "/v1/resources", "/v1/sources"] {
        for body in &bodies {
            let response = admin.request(Method::POST, path).body(body.clone()).send().await.unwrap();
            let told = problem(response, 400, "BadRequest").await;
            assert!(!told.to_string().contains(PLANTED), "{path} {body}: {told:#}");
        }
    }
    assert!(!service.process.output().contains(PLANTED), "the log holds what was sent");
}

#[tokio::test]
async fn bad_json_is_told_with_its_place() {
    let service = Setup::new().start().await;
    let request = service.admin.request(Method::POST, "/v1/resources").body("{\n  \"name\": oops\n}");
    let told = problem(request.send().await.unwrap(), 400, "BadRequest").await;
    assert!(told["detail"].as_str().unwrap().contains("line 2"), "{told:#}");
}

#[tokio::test]
async fn a_request_id_is_taken_from_the_caller_or_made() {
    let service = Setup::new().start().await;
    let send = |id: Option<&str>| {
        let mut request = service.admin.request(Method::GET, "/v1/resources/none");
        if let Some(id) = id {
            request = request.header("x-request-id", id);
        }
        request.send()
    };
    let taken = problem(send(Some("my-own_id.7")).await.unwrap(), 404, "NotFound").await;
    assert_eq!(taken["request_id"], "my-own_id.7");
    let made = problem(send(None).await.unwrap(), 404, "NotFound").await;
    let again = problem(send(None).await.unwrap(), 404, "NotFound").await;
    assert_ne!(made["request_id"], again["request_id"]);
    assert!(made["request_id"].as_str().unwrap().len() >= 16);
    // what could forge a log line or a header is not taken
    for hostile in ["", "a b", "a\tb", "id=\"x\"", &"x".repeat(65)] {
        let told = problem(send(Some(hostile)).await.unwrap(), 404, "NotFound").await;
        assert_ne!(told["request_id"], hostile);
    }
    let line = service.process.wait_for_line("my-own_id.7", crate::support::LONG).await;
    assert!(line.contains("404"), "{line}");
}

#[tokio::test]
async fn a_success_carries_its_request_id_too() {
    let service = Setup::new().start().await;
    let request = service.admin.request(Method::GET, "/v1/whoami").header("x-request-id", "abc");
    let response = request.send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.headers()["x-request-id"].to_str().unwrap()),
        (200, "abc")
    );
}
