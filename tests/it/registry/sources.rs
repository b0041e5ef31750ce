//! Sources: create, change, delete, which one is active where, and aliases.

use reqwest::Method;
use serde_json::{Value, json};

use super::{etag, keyed, refusal, send, services};
use crate::support::{PLANTED, expect, moto_source};

fn local(name: &str) -> Value {
    json!({"name": name, "kind": "local"})
}

/// The source that plain references mean, as `active_in` tells.
async fn active(client: &crate::support::Client, environment: &str) -> Vec<String> {
    let sources = expect(client.get("/v1/sources").await, 200);
    let is_active = |source: &&Value| source["active_in"].as_array().unwrap().contains(&json!(environment));
    let sources = sources["sources"].as_array().unwrap();
    sources.iter().filter(is_active).map(|source| source["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_first_source_becomes_active_and_the_next_ones_wait() {
    for service in services().await {
        let admin = &service.admin;
        let made = expect(admin.post("/v1/sources", &local("first")).await, 201);
        assert_eq!((&made["active_in"], &made["version"]), (&json!(["production"]), &json!(1)));
        assert_eq!((&made["cache_ttl_ms"], &made["kind"]), (&json!(300_000), &json!("local")));
        let next = expect(admin.post("/v1/sources", &local("second")).await, 201);
        assert_eq!(next["active_in"], json!([]));
        expect(admin.post("/v1/sources", &local("first")).await, 409);
        assert_eq!(expect(admin.get("/v1/sources/first").await, 200), made);
        expect(admin.get("/v1/sources/third").await, 404);
    }
}

#[tokio::test]
async fn one_source_is_active_in_each_environment() {
    for service in services().await {
        let admin = &service.admin;
        for name in ["one", "two"] {
            expect(admin.post("/v1/sources", &local(name)).await, 201);
        }
        let choose = |environment: &str, source: &str| json!({"environment": environment, "source": source});
        let two = expect(admin.put("/v1/sources/active", &choose("staging", "two")).await, 200);
        assert_eq!(two["active_in"], json!(["staging"]));
        assert_eq!(active(admin, "production").await, ["one"]);
        let two = expect(admin.put("/v1/sources/active", &choose("production", "two")).await, 200);
        assert_eq!(two["active_in"], json!(["production", "staging"]));
        assert_eq!(active(admin, "production").await, ["two"]);
        expect(admin.put("/v1/sources/active?dry_run=true", &choose("production", "one")).await, 200);
        assert_eq!(active(admin, "production").await, ["two"]);
        expect(admin.put("/v1/sources/active", &choose("production", "three")).await, 404);
        expect(admin.put("/v1/sources/active", &choose("Not A Name", "one")).await, 400);
        expect(admin.delete("/v1/sources/two").await, 200);
        assert!(active(admin, "production").await.is_empty());
        assert!(active(admin, "staging").await.is_empty());
    }
}

#[tokio::test]
async fn a_source_changes_by_replace_and_patch_under_its_version() {
    for service in services().await {
        let admin = &service.admin;
        let made = send(admin, Method::POST, "/v1/sources", None, &local("vault")).await;
        let first = etag(&made);
        let path = "/v1/sources/vault";
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            assert_eq!(
                send(admin, method.clone(), path, None, &local("vault")).await.status(),
                428,
                "{method}"
            );
            let stale = send(admin, method.clone(), path, Some("\"9\""), &local("vault")).await;
            assert_eq!(stale.status(), 412, "{method}");
        }
        let change = json!({"cache_ttl_ms": 0, "config_paths": ["*.bucket"], "description": "ours"});
        let changed = send(admin, Method::PATCH, path, Some(&first), &change).await;
        assert_eq!((changed.status().as_u16(), etag(&changed)), (200, "\"2\"".to_owned()));
        let changed: Value = changed.json().await.unwrap();
        assert_eq!((&changed["cache_ttl_ms"], &changed["active_in"]), (&json!(0), &json!(["production"])));
        let cleared = expect(admin.patch(path, &json!({"description": null})).await, 200);
        assert_eq!((&cleared["description"], &cleared["config_paths"]), (&json!(""), &json!(["*.bucket"])));
        let replaced = expect(admin.put(path, &local("vault")).await, 200);
        assert_eq!((&replaced["config_paths"], &replaced["version"]), (&json!([]), &json!(4)));
        expect(admin.put(path, &local("renamed")).await, 400);
        expect(admin.delete(path).await, 200);
        expect(admin.get(path).await, 404);
    }
}

#[tokio::test]
async fn a_definition_that_cannot_be_is_refused_by_its_field() {
    for service in services().await {
        let admin = &service.admin;
        let refused = expect(
            admin.post("/v1/sources", &json!({"name": "x", "kind": "local", "regoin": "a"})).await,
            400,
        );
        assert!(refused["detail"].as_str().unwrap().contains("`regoin`"), "{refused:#}");
        for bad in ["", "9a", "a.b", "a b", "-a", &"x".repeat(65)] {
            let refused = expect(admin.post("/v1/sources", &local(bad)).await, 400);
            assert!(refused["detail"].as_str().unwrap().contains("1 to 64"), "{bad}: {refused:#}");
        }
        let mut body = moto_source("aws", "http://127.0.0.1:9", "");
        body["region"] = json!(" ");
        refusal(admin.post("/v1/sources", &body).await, "REGION_MISSING", "region");
        let mut body = moto_source("aws", "http://127.0.0.1:9", "");
        body["auth"]["secret_access_key"] = json!("");
        refusal(admin.post("/v1/sources", &body).await, "KEY_MISSING", "auth.secret_access_key");
        let mut body = moto_source("aws", "http://169.254.169.254", "");
        refusal(admin.post("/v1/sources", &body).await, "ENDPOINT_BLOCKED", "endpoint");
        body["endpoint"] = Value::Null;
        body["cache_ttl_ms"] = json!(86_400_001);
        refusal(admin.post("/v1/sources", &body).await, "OUT_OF_RANGE", "cache_ttl_ms");
        let listed = expect(admin.get("/v1/sources").await, 200);
        assert_eq!(listed["sources"], json!([]));
    }
}

#[tokio::test]
async fn the_keys_of_a_source_are_never_shown_and_move_only_when_typed_again() {
    for service in services().await {
        let admin = &service.admin;
        let mut body = moto_source("aws", "http://127.0.0.1:9", "ns");
        body["auth"]["secret_access_key"] = json!(PLANTED);
        let made = expect(admin.post("/v1/sources", &body).await, 201);
        assert_eq!(made["auth"]["secret_access_key"]["set"], true);
        let mut read = expect(admin.get("/v1/sources/aws").await, 200);
        read["namespace"] = json!("another");
        expect(admin.put("/v1/sources/aws", &read).await, 200);
        for (field, value) in [
            ("endpoint", json!("http://127.0.0.1:10")),
            ("region", json!("eu-west-1")),
            ("assume_role", json!({"role_arn": "arn:aws:iam::111122223333:role/r"})),
        ] {
            refusal(
                admin.patch("/v1/sources/aws", &json!({field: value})).await,
                "KEY_MUST_BE_TYPED_AGAIN",
                field,
            );
        }
        let whole = json!({"region": "eu-west-1",
            "auth": {"access_key_id": "AKIAMOTO000000000001", "secret_access_key": PLANTED}});
        expect(admin.patch("/v1/sources/aws", &whole).await, 200);
        for path in ["/v1/sources", "/v1/sources/aws", "/v1/sources/aws/cache", "/v1/audit?all=true"] {
            let text = expect(admin.get(path).await, 200).to_string();
            assert!(!text.contains(PLANTED), "{path}: {text}");
        }
        assert!(!service.process.output().contains(PLANTED));
    }
}

#[tokio::test]
async fn an_alias_is_set_shown_replaced_and_removed() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &local("vault")).await, 201);
        let path = "/v1/sources/vault/aliases/pay";
        expect(admin.get(path).await, 404);
        let set = expect(admin.put(path, &json!({"secret": "payments/s3"})).await, 200);
        assert_eq!((&set["aliases"]["pay"]["secret"], &set["version"]), (&json!("payments/s3"), &json!(2)));
        assert_eq!(expect(admin.get(path).await, 200)["secret"], "payments/s3");
        expect(admin.put(path, &json!({"secret": "other"})).await, 200);
        assert_eq!(expect(admin.get(path).await, 200)["secret"], "other");
        expect(admin.put("/v1/sources/vault/aliases/a.b", &json!({"secret": "s3"})).await, 400);
        expect(admin.put(path, &json!({"secret": "x", "mood": "y"})).await, 400);
        expect(admin.put(&format!("{path}?dry_run=true"), &json!({"secret": "dry"})).await, 200);
        expect(admin.delete(&format!("{path}?dry_run=true")).await, 204);
        assert_eq!(expect(admin.get(path).await, 200)["secret"], "other");
        expect(admin.delete(path).await, 204);
        expect(admin.get(path).await, 404);
        expect(admin.delete(path).await, 404);
    }
}

#[tokio::test]
async fn a_dry_run_of_every_write_of_a_source_changes_nothing() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &local("vault")).await, 201);
        expect(admin.put("/v1/sources/vault/secrets/kept", &json!({"value": "x"})).await, 200);
        let before = expect(admin.get("/v1/sources").await, 200);
        let secrets = expect(admin.get("/v1/sources/vault/secrets").await, 200);
        let rows = expect(admin.get("/v1/audit").await, 200)["rows"].as_array().unwrap().len();
        expect(admin.post("/v1/sources?dry_run=true", &local("new")).await, 200);
        let patch = json!({"description": "dry"});
        let would = expect(admin.patch("/v1/sources/vault?dry_run=true", &patch).await, 200);
        assert_eq!((&would["description"], &would["version"]), (&json!("dry"), &json!(2)));
        expect(admin.put("/v1/sources/vault?dry_run=true", &local("vault")).await, 200);
        expect(admin.delete("/v1/sources/vault?dry_run=true").await, 200);
        expect(admin.put("/v1/sources/vault/secrets/new?dry_run=true", &json!({"value": "x"})).await, 200);
        expect(admin.delete("/v1/sources/vault/secrets/kept?dry_run=true").await, 204);
        assert_eq!(expect(admin.get("/v1/sources").await, 200), before);
        assert_eq!(expect(admin.get("/v1/sources/vault/secrets").await, 200), secrets);
        assert_eq!(expect(admin.get("/v1/audit").await, 200)["rows"].as_array().unwrap().len(), rows);
    }
}

#[tokio::test]
async fn resources_keep_their_references_when_a_source_is_deleted() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &local("vault")).await, 201);
        let text = "{{ secrets@vault.s3.id }}";
        let made = expect(admin.post("/v1/resources", &keyed("r", text, text)).await, 201);
        let missing = &made["findings"][0];
        assert_eq!((&missing["code"], &missing["severity"]), (&json!("SECRET_MISSING"), &json!("warning")));
        assert!(
            missing["message"].as_str().unwrap().contains("the source `vault` has no secret `s3`"),
            "{made:#}"
        );
        expect(admin.put("/v1/sources/vault/secrets/s3", &json!({"value": {"id": "x"}})).await, 200);
        let made = expect(admin.post("/v1/resources", &keyed("s", text, text)).await, 201);
        assert_eq!(made["findings"], json!([]));
        expect(admin.delete("/v1/sources/vault?force=true").await, 200);
        let read = expect(admin.get("/v1/resources/r").await, 200);
        assert_eq!(read["auth"]["access_key_id"], text);
        assert_eq!(read["findings"][0]["code"], "SOURCE_MISSING");
    }
}

#[tokio::test]
async fn a_source_in_use_is_deleted_only_with_force_and_says_what_goes_with_it() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        for name in ["s3", "other"] {
            expect(
                admin.put(&format!("/v1/sources/vault/secrets/{name}"), &json!({"value": "v"})).await,
                200,
            );
        }
        let body = keyed("r", "{{ secrets.s3 }}", "{{ secrets@vault.s3 }}");
        expect(admin.post("/v1/resources", &body).await, 201);
        let removal = json!({"name": "vault", "active_in": ["production"], "secrets": 2, "used_by": ["r"]});
        assert_eq!(expect(admin.delete("/v1/sources/vault?dry_run=true").await, 200), removal);
        let refused = expect(admin.delete("/v1/sources/vault").await, 409);
        assert_eq!(refused["code"], "SourceInUse");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("`r`") && detail.contains("force"), "{detail}");
        expect(admin.get("/v1/sources/vault/secrets").await, 200);
        expect(admin.post("/v1/sources", &json!({"name": "free", "kind": "local"})).await, 201);
        assert_eq!(expect(admin.delete("/v1/sources/free").await, 200)["used_by"], json!([]));
        assert_eq!(expect(admin.delete("/v1/sources/vault?force=true").await, 200), removal);
        expect(admin.get("/v1/sources/vault").await, 404);
    }
}
