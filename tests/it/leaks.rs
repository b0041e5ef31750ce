//! Ways to make a secret visible, or to send a request where the rules do not allow it, that a reviewer found.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use serde_json::json;

use crate::support::{Embedded, PLANTED, Setup, definition, expect};

#[tokio::test]
async fn a_path_that_one_source_declares_shows_nothing_of_another() {
    let embedded = Embedded::start().await;
    let service = Setup::new().start().await;
    let admin = &service.admin;
    let declared = json!({"name": "plain", "kind": "local", "config_paths": ["db.host"]});
    expect(admin.post("/v1/sources", &declared).await, 201);
    expect(admin.post("/v1/sources", &json!({"name": "private", "kind": "local"})).await, 201);
    let host = json!({"value": {"host": embedded.url}});
    expect(admin.put("/v1/sources/plain/secrets/db", &host).await, 200);
    expect(admin.put("/v1/sources/private/secrets/db", &json!({"value": {"host": PLANTED}})).await, 200);
    expect(
        admin.put("/v1/sources/active", &json!({"environment": "staging", "source": "private"})).await,
        200,
    );
    let body = definition("r", "{{ secrets.db.host }}", "bucket", &embedded.key);
    expect(admin.post("/v1/resources", &body).await, 201);
    expect(admin.query("r", &json!({"operation": "list"})).await, 200);
    let refused =
        admin.post("/v1/resources/r/query?environment=staging", &json!({"operation": "list"})).await;
    let problem = expect(refused, 424);
    assert!(!problem.to_string().contains(PLANTED), "{problem:#}");
    assert!(problem["detail"].as_str().unwrap().contains("does not declare"), "{problem:#}");
}

#[tokio::test]
async fn a_region_cannot_become_another_host() {
    let embedded = Embedded::start().await;
    let service = Setup::new().start().await;
    for region in ["x@127.0.0.1:8443/", "evil.example:22/", "a/b", "a?b", "a#b", "a b"] {
        let mut body = definition("r", &embedded.url, "bucket", &embedded.key);
        body["region"] = json!(region);
        let problem = expect(service.admin.post("/v1/resources", &body).await, 422);
        assert_eq!(problem["errors"][0]["code"], "INVALID_REGION", "{problem:#}");
    }
}
