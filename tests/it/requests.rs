//! What a request may hold: a slip of the hand is refused, named, and changes nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use reqwest::{Method, redirect};
use serde_json::{Value, json};

use crate::stores::raw;
use crate::support::{Client, LONG, PLANTED, Setup, answer, expect};

/// A definition that needs no keys.
fn open(name: &str) -> Value {
    json!({"name": name, "bucket": "b", "region": "eu-central-1", "auth": {"kind": "anonymous"}})
}

#[tokio::test]
async fn a_misspelt_parameter_changes_nothing() {
    let service = Setup::new().start().await;
    let admin = &service.admin;
    expect(admin.post("/v1/resources", &open("r")).await, 201);
    let refused = expect(admin.delete("/v1/resources/r?dryrun=true").await, 400);
    assert_eq!(refused["code"], "BadRequest");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("`dryrun`") && detail.contains("did you mean `dry_run`?"), "{detail}");
    expect(admin.get("/v1/resources/r").await, 200);
    for path in [
        "/v1/resources/r/objects/k?versionId=7",
        "/v1/resources/r/objects/k?dry_run=true",
        "/v1/resources/r/object?key=k&versionId=7",
    ] {
        let refused = expect(admin.delete(path).await, 400);
        assert!(refused["detail"].as_str().unwrap().contains("this route takes"), "{path}: {refused:#}");
    }
    let elsewhere = "/v1/resources/r/query?enviroment=staging";
    let refused = expect(admin.post(elsewhere, &json!({"operation": "list"})).await, 400);
    assert!(refused["detail"].as_str().unwrap().contains("did you mean `environment`?"), "{refused:#}");
    expect(admin.delete("/v1/resources/r?environment=staging&dry_run=true").await, 204);
}

#[tokio::test]
async fn a_parameter_that_is_there_twice_or_cannot_be_read_is_told_by_its_name() {
    let service = Setup::new().start().await;
    let admin = &service.admin;
    expect(admin.post("/v1/resources", &open("r")).await, 201);
    let twice = expect(admin.delete("/v1/resources/r/object?key=a&key=b").await, 400);
    assert!(twice["detail"].as_str().unwrap().contains("`key` is there more than once"), "{twice:#}");
    let other = expect(admin.get("/v1/resources/r/objects?prefix=%FF").await, 400);
    assert!(other["detail"].as_str().unwrap().contains("is not UTF-8"), "{other:#}");
    let part = "/v1/resources/r/object/part?key=a&upload_id=x";
    let missing = raw(admin, "PUT", part, &[], b"x").await;
    let detail = missing.json()["detail"].as_str().unwrap().to_owned();
    assert!(missing.status == 400 && detail.contains("`part_number` is missing"), "{detail}");
    let keys = json!({"operation": "delete_many", "keys": [{"key": "a", "version_id": "x"}]});
    let shape = expect(admin.query("r", &keys).await, 400);
    assert!(shape.to_string().contains("an object with `key` and maybe `version`"), "{shape:#}");
}

#[tokio::test]
async fn a_caller_without_the_role_is_told_of_the_role_and_not_of_parameters() {
    let service = Setup::new().start().await;
    let viewer = service.client("viewer").await;
    expect(viewer.delete("/v1/resources/r?dryrun=true").await, 403);
    let anonymous = Client::new(&service.url, "s3c_none");
    expect(anonymous.delete("/v1/resources/r?dryrun=true").await, 401);
}

#[tokio::test]
async fn every_list_refuses_a_limit_that_it_cannot_keep() {
    let service = Setup::new().start().await;
    let admin = &service.admin;
    expect(admin.post("/v1/resources", &open("r")).await, 201);
    expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
    for path in ["/v1/resources", "/v1/audit", "/v1/sources/vault/secrets", "/v1/resources/r/objects"] {
        for limit in ["0", "-1", "many", "100001"] {
            let refused = expect(admin.get(&format!("{path}?limit={limit}")).await, 400);
            let detail = refused["detail"].as_str().unwrap();
            assert!(detail.contains("`limit` takes a whole number from 1"), "{path}: {detail}");
        }
    }
    expect(admin.query("r", &json!({"operation": "list", "limit": 0})).await, 400);
}

#[tokio::test]
async fn a_body_is_refused_with_the_field_and_without_its_value() {
    let service = Setup::new().start().await;
    let admin = &service.admin;
    let cases = [
        ("/v1/tokens", json!({"name": "x", "role": PLANTED}), "role"),
        ("/v1/tokens", json!({"name": "x", "roles": PLANTED}), "roles"),
        ("/v1/tokens", json!({"role": "viewer"}), "name"),
        ("/v1/resources/r/copy", json!({"name": format!("Not {PLANTED}")}), "name"),
        ("/v1/resources/r/query", json!({"operation": "get", "version": "1"}), "key"),
        ("/v1/resources/r/query", json!({"operation": "get", "key": "k", "range": 5}), "range"),
        ("/v1/resources/r/query", json!({"operation": PLANTED}), "operation"),
        ("/v1/resources/r/query", json!({"operation": "get", "key": "k", "part": 0}), "part"),
        (
            "/v1/resources/r/query",
            json!({"operation": "put", "key": "k", "text": "", "tags": {"a": 1}}),
            "tags.a",
        ),
        (
            "/v1/resources/r/query",
            json!({"operation": "delete_many", "keys": ["a"], "dryrun": true}),
            "dryrun",
        ),
        ("/v1/resources/r/explain", json!({"operation": "get", "key": ["k"]}), "key"),
        ("/v1/resources/r/test", json!({"writ": true}), "writ"),
        ("/v1/resources/test", json!({"definition": {}, "writ": true}), "writ"),
    ];
    for (path, body, field) in cases {
        let told = expect(admin.post(path, &body).await, 400);
        assert_eq!(told["errors"][0]["path"], field, "{path}: {told:#}");
        assert!(!told["errors"][0]["message"].as_str().unwrap().is_empty());
        assert_plain(&told);
    }
    let secret = admin.put("/v1/sources/vault/secrets/x", &json!(PLANTED)).await;
    let told = expect(secret, 400);
    assert_eq!(told["errors"][0]["message"], "expected an object, and this is a text");
    assert_plain(&told);
}

#[tokio::test]
async fn an_empty_body_is_told_as_such_where_one_is_needed() {
    let service = Setup::new().start().await;
    let admin = &service.admin;
    for path in ["/v1/resources", "/v1/tokens", "/v1/resources/r/query"] {
        let told = expect(answer(admin.request(Method::POST, path)).await, 400);
        assert_eq!(told["detail"], "the body is empty: send JSON", "{path}");
    }
    expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
    expect(answer(admin.request(Method::POST, "/v1/sources/vault/refresh")).await, 200);
}

#[tokio::test]
async fn a_query_string_is_refused_in_our_own_words() {
    let service = Setup::new().start().await;
    let admin = &service.admin;
    for (path, parameter) in [
        ("/v1/audit?all=perhaps", "all"),
        ("/v1/audit?all=", "all"),
        ("/v1/audit?limit=1&limit=2", "limit"),
        ("/v1/audit?before=x", "before"),
    ] {
        let told = expect(admin.get(path).await, 400);
        let detail = told["detail"].as_str().unwrap();
        assert!(detail.starts_with(&format!("the query parameter `{parameter}`")), "{path}: {detail}");
        assert_plain(&told);
    }
}

#[tokio::test]
async fn the_root_leads_to_the_documentation_and_every_file_of_it_is_served() {
    let service = Setup::new().start().await;
    let builder = reqwest::Client::builder().no_proxy().timeout(LONG);
    let http = builder.redirect(redirect::Policy::none()).build().unwrap();
    let root = http.get(format!("{}/", service.url)).send().await.unwrap();
    assert_eq!((root.status().as_u16(), root.headers()["location"].to_str().unwrap()), (303, "/docs"));
    let mut wanted = vec!["docs.js".to_owned()];
    let mut seen = Vec::new();
    while let Some(file) = wanted.pop() {
        let response = http.get(format!("{}/docs/{file}", service.url)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{file}");
        assert_eq!(response.headers()["content-type"], "text/javascript; charset=utf-8");
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("default-src 'none'; script-src 'self'"), "{policy}");
        let text = response.text().await.unwrap();
        seen.push(file);
        let imports = text
            .lines()
            .filter(|line| line.starts_with("import "))
            .filter_map(|line| Some(line.rsplit_once("from \"./")?.1.trim_end_matches("\";").to_owned()));
        let is_new = |file: &String| !seen.contains(file) && !wanted.contains(file);
        let new: Vec<String> = imports.filter(is_new).collect();
        wanted.extend(new);
    }
    assert!(seen.len() > 5, "{seen:?}");
    expect(service.admin.get("/docs/none.js").await, 404);
}

#[tokio::test]
async fn every_problem_links_to_a_page() {
    let service = Setup::new().start().await;
    let admin = &service.admin;
    expect(admin.post("/v1/resources", &open("r")).await, 201);
    let invalid = json!({"name": "x", "bucket": "", "auth": {"kind": "anonymous"}});
    let problems = [
        expect(admin.post("/v1/resources", &open("r")).await, 409),
        expect(admin.post("/v1/resources", &invalid).await, 422),
        expect(admin.get("/v1/resources/none").await, 404),
        expect(admin.get("/v1/resources?x=1").await, 400),
        expect(answer(admin.request(Method::DELETE, "/v1/resources/r")).await, 428),
        expect(answer(admin.request(Method::DELETE, "/v1/whoami")).await, 405),
    ];
    for problem in problems {
        let page = problem["type"].as_str().unwrap();
        let text = expect(admin.get(page).await, 200);
        assert!(text.as_str().unwrap().contains("Remedy: "), "{page}: {text}");
    }
}

#[tokio::test]
async fn a_path_that_a_client_has_folded_is_answered_with_the_way_out() {
    let service = Setup::new().start().await;
    let told = expect(service.admin.get("/v1/resources/r/x").await, 404);
    assert!(told["remedy"].as_str().unwrap().contains("/v1/resources/r/object?key="), "{told:#}");
    let told = expect(service.admin.get("/no/such/route").await, 404);
    assert_eq!(told["remedy"], Value::Null);
}

/// Neither what was sent nor a name that only the code knows.
#[track_caller]
fn assert_plain(told: &Value) {
    let text = told.to_string();
    for word in [PLANTED, "struct ", "enum ", "deserialize", "usize", "i64"] {
        assert!(!text.contains(word), "`{word}`: {told:#}");
    }
}
