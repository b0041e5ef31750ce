//! The local vault: values go in and are used, and never come out.

use serde_json::{Value, json};

use super::{refusal, replicated, services};
use crate::openapi::operations;
use crate::support::{Embedded, PLANTED, expect, moto_source, templated};

#[tokio::test]
async fn a_secret_is_listed_by_name_with_the_text_to_paste() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        for name in ["plain", "payments%2Fs3", "a.b"] {
            let path = format!("/v1/sources/vault/secrets/{name}");
            expect(admin.put(&path, &json!({"value": PLANTED})).await, 200);
        }
        let listed = expect(admin.get("/v1/sources/vault/secrets").await, 200);
        let rows = listed["secrets"].as_array().unwrap();
        let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["a.b", "payments/s3", "plain"]);
        for (index, row) in rows.iter().enumerate() {
            assert!(row["last_changed_at"].is_string(), "{row:#}");
            // the text to paste is taken by a resource as it is
            let text = row["reference"].as_str().unwrap();
            assert!(text.starts_with("{{ ") && text.ends_with(" }}"), "{text}");
            let body = templated(&format!("r{index}"), "http://127.0.0.1:9", "b", text, text);
            let made = expect(admin.post("/v1/resources", &body).await, 201);
            assert_eq!(made["findings"], json!([]), "{text}: {made:#}");
        }
        let found = expect(admin.get("/v1/sources/vault/secrets?search=PAY").await, 200);
        assert_eq!(found["secrets"].as_array().unwrap().len(), 1, "{found:#}");
        let page = expect(admin.get("/v1/sources/vault/secrets?limit=2").await, 200);
        let cursor = page["cursor"].as_str().unwrap();
        let rest =
            expect(admin.get(&format!("/v1/sources/vault/secrets?limit=2&cursor={cursor}")).await, 200);
        assert_eq!(rest["secrets"][0]["name"], "plain");
        expect(admin.delete("/v1/sources/vault/secrets/payments%2Fs3").await, 204);
        expect(admin.delete("/v1/sources/vault/secrets/payments%2Fs3").await, 404);
    }
}

/// Asks every GET route there is, with every name there is.
#[tokio::test]
async fn no_get_route_gives_a_value() {
    let embedded = Embedded::start().await;
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        expect(admin.put("/v1/sources/vault/aliases/short", &json!({"secret": "s3"})).await, 200);
        let value = json!({"value": {"id": embedded.key.id, "secret": embedded.key.secret, "more": PLANTED}});
        expect(admin.put("/v1/sources/vault/secrets/s3", &value).await, 200);
        let body = templated("r", &embedded.url, "bucket", "{{ secrets.s3.id }}", "{{ secrets.s3.secret }}");
        expect(admin.post("/v1/resources", &body).await, 201);
        expect(admin.post("/v1/resources/r/test", &json!({})).await, 200);
        expect(admin.query("r", &json!({"operation": "list"})).await, 200);
        let document = expect(admin.get("/openapi.json").await, 200);
        let mut asked = 0;
        for operation in operations(&document) {
            let noun = if operation.path.starts_with("/v1/sources") { "vault" } else { "r" };
            let path = operation.path.replace("{name}", noun).replace("{alias}", "short");
            let path = path.replace("{secret}", "s3").replace("{key}", "none");
            if operation.method != "GET" || path.ends_with("/object") {
                continue;
            }
            let (_, body) = admin.get(&path).await;
            let text = body.to_string();
            asked += 1;
            for secret in [PLANTED, embedded.key.secret.as_str()] {
                assert!(!text.contains(secret), "{path}: {text}");
            }
        }
        assert!(asked > 15, "{asked}");
        let (status, body) = admin.get("/v1/sources/vault/secrets/s3").await;
        assert_eq!(status, 405, "a value has no route to be read: {body:#}");
        let log = service.process.output();
        assert!(!log.contains(PLANTED) && !log.contains(&embedded.key.secret), "the log holds a value");
    }
}

#[tokio::test]
async fn a_new_value_has_a_new_version_and_is_used_by_the_next_query() {
    let embedded = Embedded::start().await;
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        let path = "/v1/sources/vault/secrets/s3";
        let value = |secret: &str| json!({"value": {"id": embedded.key.id, "secret": secret}});
        let list = json!({"operation": "list"});
        let body = templated("r", &embedded.url, "bucket", "{{ secrets.s3.id }}", "{{ secrets.s3.secret }}");
        expect(admin.post("/v1/resources", &body).await, 201);
        let mut versions: Vec<Value> = Vec::new();
        // with a wrong value the version before stands in
        let good = embedded.key.secret.as_str();
        for (secret, stage) in [(good, None), ("wrong", Some("AWSPREVIOUS")), (good, None)] {
            let stored = expect(admin.put(path, &value(secret)).await, 200);
            assert_eq!(stored["name"], "s3");
            assert!(!versions.contains(&stored["version_id"]), "{stored:#}");
            versions.push(stored["version_id"].clone());
            let query = admin.request(reqwest::Method::POST, "/v1/resources/r/query").json(&list);
            let answered = query.send().await.unwrap();
            assert_eq!(answered.status(), 200);
            assert_eq!(answered.headers().get("secret-stage").map(|it| it.to_str().unwrap()), stage);
            let mut cached = expect(admin.get("/v1/sources/vault/cache").await, 200);
            // a look at what other replicas changed may just have let go of it; the next query reads it again
            while cached["secrets"] == json!([]) {
                expect(admin.query("r", &list).await, 200);
                cached = expect(admin.get("/v1/sources/vault/cache").await, 200);
            }
            assert_eq!(cached["secrets"][0]["version_id"], stored["version_id"], "{cached:#}");
        }
        expect(admin.delete(path).await, 204);
        let gone = expect(admin.query("r", &list).await, 424);
        assert!(gone["detail"].as_str().unwrap().contains("`s3`"), "{gone:#}");
    }
}

#[tokio::test]
async fn a_new_value_reaches_the_other_replica_within_its_poll() {
    let embedded = Embedded::start().await;
    for service in replicated().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        let path = "/v1/sources/vault/secrets/s3";
        let right = json!({"value": {"id": embedded.key.id, "secret": embedded.key.secret}});
        expect(admin.put(path, &json!({"value": {"id": embedded.key.id, "secret": "wrong"}})).await, 200);
        let body = templated("r", &embedded.url, "bucket", "{{ secrets.s3.id }}", "{{ secrets.s3.secret }}");
        expect(admin.post("/v1/resources", &body).await, 201);
        let (_process, other) = service.replica().await;
        expect(other.query("r", &json!({"operation": "list"})).await, 424);
        expect(admin.put(path, &right).await, 200);
        super::eventually(&other, "/v1/resources/r/objects", |status, _| status == 200).await;
    }
}

#[tokio::test]
async fn only_local_sources_take_values_and_only_such_that_can_be_used() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        expect(admin.post("/v1/sources", &moto_source("aws", "http://127.0.0.1:9", "")).await, 201);
        let refused = expect(admin.put("/v1/sources/aws/secrets/s3", &json!({"value": PLANTED})).await, 400);
        assert!(refused["detail"].as_str().unwrap().contains("local"), "{refused:#}");
        assert!(!refused.to_string().contains(PLANTED));
        let path = "/v1/sources/vault/secrets/s3";
        for body in
            [json!({"value": null}), json!({"value": ""}), json!({}), json!({"value": "x", "more": 1})]
        {
            expect(admin.put(path, &body).await, 400);
        }
        expect(admin.put(path, &json!({"value": "x".repeat(65_536)})).await, 200);
        expect(admin.put(path, &json!({"value": "x".repeat(65_537)})).await, 400);
        for name in ["a%20b", "a%0Ab", "%C3%BC", &"x".repeat(513)] {
            let path = format!("/v1/sources/vault/secrets/{name}");
            expect(admin.put(&path, &json!({"value": "x"})).await, 400);
        }
        expect(admin.put("/v1/sources/none/secrets/s3", &json!({"value": "x"})).await, 404);
    }
}

#[tokio::test]
async fn the_secrets_of_a_deleted_source_are_gone_for_good() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        expect(admin.put("/v1/sources/vault/secrets/s3", &json!({"value": "x"})).await, 200);
        expect(admin.delete("/v1/sources/vault?force=true").await, 200);
        expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        let listed = expect(admin.get("/v1/sources/vault/secrets").await, 200);
        assert_eq!(listed["secrets"], json!([]));
        let marks =
            json!({"kind": "access_key", "access_key_id": {"set": true}, "secret_access_key": {"set": true}});
        let body = json!({"name": "vault", "kind": "aws", "region": "us-east-1", "auth": marks});
        let missing = admin.put("/v1/sources/vault", &body).await;
        refusal(missing, "KEY_MISSING", "auth.access_key_id");
    }
}
