//! What a query costs, counted exactly: one call to the store, no call to anybody else, no database statement.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use reqwest::Method;
use serde_json::json;

use crate::harness::aws::{Secrets, unique};
use crate::harness::http_fault::HttpFault;
use crate::harness::servers::Servers;
use crate::support::{Client, Embedded, Setup, answer, definition, expect, moto_source, templated};

/// The sum of a counter over its labels.
async fn counter(client: &Client, name: &str) -> u64 {
    let (status, text) = client.get("/metrics").await;
    assert_eq!(status, 200);
    let lines = text.as_str().unwrap().lines().filter(|line| line.starts_with(name));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[tokio::test]
async fn a_warm_query_makes_one_call_to_the_store_and_no_database_statement() {
    let servers = Servers::get();
    let embedded = Embedded::start().await;
    let upstream = HttpFault::start(&servers.moto).await;
    let name = unique("count");
    Secrets::on_moto(&servers)
        .create_json(&name, &json!({"id": embedded.key.id, "secret": embedded.key.secret}))
        .await;
    // background work that counts statements too is put off
    let setup = Setup::new()
        .with("S3_CONNECTOR__STORE__POLL_MS", "3600000")
        .with("S3_CONNECTOR__AUDIT__FLUSH_MS", "3600000");
    let service = setup.start().await;
    let admin = &service.admin;
    expect(admin.post("/v1/sources", &moto_source("aws", &upstream.url(), "")).await, 201);
    let (id, secret) =
        (format!("{{{{ secrets['{name}'].id }}}}"), format!("{{{{ secrets['{name}'].secret }}}}"));
    expect(admin.post("/v1/resources", &templated("r", &embedded.url, "bucket", &id, &secret)).await, 201);
    expect(admin.query("r", &json!({"operation": "put", "key": "k", "text": "x"})).await, 200);
    let user = service.client("user").await;
    let statements = counter(admin, "s3_connector_store_statements_total").await;
    let (stores, sources) = (embedded.store.requests(), upstream.requests().len());
    for round in 0..20 {
        expect(user.get("/v1/resources/r/objects/k").await, 200);
        expect(user.get("/v1/resources/r/objects").await, 200);
        expect(user.query("r", &json!({"operation": "head", "key": "k"})).await, 200);
        expect(
            user.query("r", &json!({"operation": "put", "key": format!("k{round}"), "text": "x"})).await,
            200,
        );
        let path = format!("/v1/resources/r/objects/k{round}");
        assert_eq!(user.request(Method::HEAD, &path).send().await.unwrap().status(), 200);
        let put = user.request(Method::PUT, &path).body(vec![b'x'; if round == 0 { 2 << 20 } else { 10 }]);
        expect(answer(put).await, 200);
        let rows =
            user.request(Method::GET, "/v1/resources/r/objects").header("accept", "application/x-ndjson");
        assert_eq!(rows.send().await.unwrap().text().await.unwrap().lines().count(), 3);
        let delete = user.request(Method::DELETE, &format!("/v1/resources/r/objects/k{round}"));
        expect(answer(delete).await, 204);
    }
    assert_eq!(embedded.store.requests() - stores, 160, "one call to the store a query");
    assert_eq!(upstream.requests().len(), sources, "no call to Secrets Manager");
    assert_eq!(
        counter(admin, "s3_connector_store_statements_total").await,
        statements,
        "no database statement"
    );
}

#[tokio::test]
async fn a_cold_burst_reads_its_secret_once() {
    let servers = Servers::get();
    let embedded = Embedded::start().await;
    let upstream = HttpFault::start(&servers.moto).await;
    let name = unique("burst");
    Secrets::on_moto(&servers)
        .create_json(&name, &json!({"id": embedded.key.id, "secret": embedded.key.secret}))
        .await;
    let service = Setup::new().start().await;
    let admin = &service.admin;
    expect(admin.post("/v1/sources", &moto_source("aws", &upstream.url(), "")).await, 201);
    let (id, secret) =
        (format!("{{{{ secrets['{name}'].id }}}}"), format!("{{{{ secrets['{name}'].secret }}}}"));
    for index in 0..4 {
        let body = templated(&format!("r{index}"), &embedded.url, "bucket", &id, &secret);
        expect(admin.post("/v1/resources", &body).await, 201);
    }
    let queries = (0..200).map(|index| {
        let (admin, resource) = (admin.clone(), format!("r{}", index % 4));
        async move { admin.query(&resource, &json!({"operation": "list"})).await }
    });
    for answer in futures_util::future::join_all(queries).await {
        expect(answer, 200);
    }
    assert_eq!(upstream.count("GetSecretValue"), 1, "four resources and two hundred queries share one read");
}

/// A connection test asks each question once: a call for each check that needs one, and no second look where nothing
/// failed.
#[tokio::test]
async fn a_connection_test_makes_a_call_a_check_and_leaves_nothing() {
    let embedded = Embedded::start().await;
    let store = HttpFault::start(&embedded.url).await;
    let service = Setup::new().start().await;
    expect(
        service.admin.post("/v1/resources", &definition("r", &store.url(), "bucket", &embedded.key)).await,
        201,
    );
    expect(service.admin.query("r", &json!({"operation": "put", "key": "k", "text": "x"})).await, 200);
    let before = store.requests().len();
    let report = expect(service.admin.post("/v1/resources/r/test", &json!({})).await, 200);
    let requests = store.requests();
    let sent: Vec<String> =
        requests[before..].iter().map(|request| format!("{} {}", request.method, request.path)).collect();
    let tried = |check: &&serde_json::Value| !check["call"].is_null() && check["status"] != "skipped";
    let checks = report["checks"].as_array().unwrap().iter().filter(tried).count();
    // a HEAD and a ranged GET prove that an object can be read; a start and an abort that one can be written
    assert!(sent.len() <= checks + 3, "{} calls for {checks} checks: {sent:#?}", sent.len());
    let distinct: std::collections::BTreeSet<&String> = sent.iter().collect();
    assert_eq!(distinct.len(), sent.len(), "no question is asked twice: {sent:#?}");
}
