//! Every route and every role. The document names the role that a route needs; the service must agree.

use reqwest::Method;
use serde_json::Value;

use crate::openapi::{Operation, SIGNED, operations};
use crate::support::{Client, LONG, Service, Setup, expect};

const ROLES: &[&str] = &["viewer", "user", "editor", "admin"];
/// Routes of the whole installation: of the admins, those of the installation may.
const INSTALLATION: &str = "/v1/usage-policies";

/// What one caller gets of one route.
async fn outcome(request: reqwest::RequestBuilder, operation: &Operation) -> &'static str {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let problem: Value = serde_json::from_str(&text).unwrap_or_default();
    let code = problem["code"].as_str().unwrap_or_default();
    assert_ne!(status, 405, "{operation:?} is not on the router");
    assert!(status < 500, "{operation:?}: {status} {text}");
    assert!(status != 404 || !text.contains("no such route"), "{operation:?} is not on the router");
    if operation.method != "HEAD" && [401, 403].contains(&status) {
        assert_eq!(
            code,
            if status == 401 { "Unauthenticated" } else { "Forbidden" },
            "{operation:?}: {text}"
        );
    }
    match status {
        401 => "401",
        403 => "403",
        _ => "yes",
    }
}

fn request(client: &Client, operation: &Operation, with_token: bool) -> reqwest::RequestBuilder {
    let method = Method::from_bytes(operation.method.as_bytes()).unwrap();
    // a name that nothing has, so that a call that is allowed changes nothing
    let path = operation.path.replace(['{', '}'], "");
    let request = if with_token {
        client.request(method.clone(), &path)
    } else {
        client.http.request(method.clone(), format!("{}{path}", client.url))
    };
    let request = request.header("if-match", "*");
    if method == Method::GET || method == Method::HEAD { request } else { request.body("{}") }
}

async fn callers(service: &Service) -> Vec<(&'static str, Client)> {
    let mut callers = Vec::new();
    for role in ROLES {
        callers.push((*role, service.client(role).await));
    }
    callers
}

#[tokio::test]
async fn every_route_lets_in_who_its_document_names_and_nobody_else() {
    let service = Setup::new().start().await;
    let callers = callers(&service).await;
    let document = expect(service.admin.get("/openapi.json").await, 200);
    let mut table = Vec::new();
    // the route that takes signatures has tests of its own
    for operation in operations(&document).into_iter().filter(|operation| operation.path != SIGNED) {
        let needed = operation.role.clone();
        let anonymous = outcome(request(&service.admin, &operation, false), &operation).await;
        assert_eq!(anonymous, if needed.is_some() { "401" } else { "yes" }, "{operation:?}");
        let mut cells = vec![format!("anonymous {anonymous}")];
        for (rank, (role, client)) in callers.iter().enumerate() {
            let of_all = *role == "admin" && operation.path.starts_with(INSTALLATION);
            let client = if of_all { &service.admin } else { client };
            let got = outcome(request(client, &operation, true), &operation).await;
            let least = needed.as_deref().map_or(0, |needed| {
                ROLES.iter().position(|role| *role == needed).unwrap_or_else(|| panic!("no role `{needed}`"))
            });
            assert_eq!(got, if rank < least { "403" } else { "yes" }, "{role}: {operation:?}");
            cells.push(format!("{role} {got}"));
        }
        let needed = needed.unwrap_or_else(|| "nobody".to_owned());
        table.push(format!(
            "{:6} {}\n       needs {needed}: {}",
            operation.method,
            operation.path,
            cells.join(", ")
        ));
    }
    insta::with_settings!({snapshot_path => "../snapshots"}, {
        insta::assert_snapshot!("matrix", table.join("\n"));
    });
}

/// A role is looked at before anything of the request, so that a refused caller learns nothing from it.
#[tokio::test]
async fn a_refused_caller_does_not_learn_whether_something_is_there() {
    let service = Setup::new().start().await;
    let viewer = service.client("viewer").await;
    expect(service.admin.post("/v1/resources", &super::open("there", "b")).await, 201);
    for name in ["there", "missing", "Not A Name"] {
        let path = format!("/v1/resources/{}", name.replace(' ', "%20"));
        for body in ["{}", "not json"] {
            let request = viewer.request(Method::PUT, &path).body(body);
            let (status, problem) = crate::support::answer(request).await;
            assert_eq!((status, &problem["code"]), (403, &Value::from("Forbidden")), "{problem:#}");
            assert_eq!(problem["detail"], "this needs the role editor, and the token has viewer");
        }
    }
}

#[tokio::test]
async fn health_metrics_document_and_pages_need_no_token() {
    let service = Setup::new().start().await;
    let http = reqwest::Client::builder().no_proxy().timeout(LONG).build().unwrap();
    let paths =
        ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/docs.css", "/docs/docs.js"];
    for path in paths {
        let response = http.get(format!("{}{path}", service.url)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
        assert!(response.headers().contains_key("x-request-id"), "{path}");
        assert!(!response.text().await.unwrap().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn metrics_name_routes_and_never_a_name_or_a_key() {
    let service = Setup::new().start().await;
    expect(service.admin.get("/v1/resources/my-own-name").await, 404);
    expect(service.admin.get("/v1/resources/my-own-name/objects/my/own/key").await, 404);
    let (_, text) = service.admin.get("/metrics").await;
    let text = text.as_str().unwrap();
    assert!(text.contains("route=\"/v1/resources/{name}\""), "{text}");
    assert!(!text.contains("my-own-name") && !text.contains("my/own/key"), "{text}");
}
