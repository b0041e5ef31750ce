//! Literal keys: kept sealed, never shown, and sent to another place only by somebody who types them again.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use super::{keyed, open, refusal, services};
use crate::support::{Client, Embedded, PLANTED, definition, expect};

const ID: &str = "AKIALITERAL000000001";
const SECRET: &str = PLANTED;

/// Whether a resource's keys still open its bucket.
async fn works(client: &Client, name: &str) -> bool {
    client.query(name, &json!({"operation": "list"})).await.0 == 200
}

#[tokio::test]
async fn a_literal_is_shown_as_a_mark_and_its_text_is_nowhere_to_be_read() {
    for service in services().await {
        let admin = &service.admin;
        let made = expect(admin.post("/v1/resources", &keyed("r", ID, SECRET)).await, 201);
        let marks = json!({"set": true, "last4": &SECRET[SECRET.len() - 4..]});
        assert_eq!(made["auth"]["secret_access_key"], marks);
        assert_eq!(made["auth"]["access_key_id"], json!({"set": true, "last4": "0001"}));
        expect(admin.patch("/v1/resources/r", &json!({"description": "changed"})).await, 200);
        expect(admin.post("/v1/resources/r/copy", &json!({"name": "copy"})).await, 201);
        expect(admin.post("/v1/resources/r/restore", &json!({"version": 1})).await, 200);
        expect(admin.post("/v1/resources", &keyed("r", ID, SECRET)).await, 409);
        let reads = [
            "/v1/resources",
            "/v1/resources/r",
            "/v1/resources/r/history",
            "/v1/resources/r/tests",
            "/v1/resources/copy",
            "/v1/audit?all=true",
            "/metrics",
        ];
        for path in reads {
            let text = expect(admin.get(path).await, 200).to_string();
            assert!(!text.contains(SECRET) && !text.contains(ID), "{path}: {text}");
        }
        assert!(!service.process.output().contains(SECRET), "the log holds the key");
        for entry in fs::read_dir(service.data.path()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
            assert!(!found, "{} holds the key", path.display());
        }
    }
}

#[tokio::test]
async fn a_short_literal_shows_none_of_its_characters() {
    for service in services().await {
        let made = expect(service.admin.post("/v1/resources", &keyed("r", ID, "short")).await, 201);
        assert_eq!(made["auth"]["secret_access_key"], json!({"set": true}));
    }
}

#[tokio::test]
async fn the_mark_tells_of_the_key_that_is_stored_whatever_was_there_or_was_sent() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/resources", &keyed("r", ID, SECRET)).await, 201);
        let forged = json!({"auth": {"secret_access_key": {"set": true, "last4": "FAKE"}}});
        let kept = expect(admin.patch("/v1/resources/r", &forged).await, 200);
        let mark = json!({"set": true, "last4": &SECRET[SECRET.len() - 4..]});
        assert_eq!(kept["auth"]["secret_access_key"], mark, "{kept:#}");
        let typed = json!({"auth": {"secret_access_key": "short"}});
        let typed = expect(admin.patch("/v1/resources/r", &typed).await, 200);
        assert_eq!(typed["auth"]["secret_access_key"], json!({"set": true}), "{typed:#}");
    }
}

#[tokio::test]
async fn a_mark_sent_back_keeps_the_key_and_a_new_key_replaces_it() {
    let embedded = Embedded::start().await;
    for service in services().await {
        let admin = &service.admin;
        let body = definition("r", &embedded.url, "bucket", &embedded.key);
        expect(admin.post("/v1/resources", &body).await, 201);
        assert!(works(admin, "r").await);
        let mut read = expect(admin.get("/v1/resources/r").await, 200);
        read["description"] = json!("changed");
        expect(admin.put("/v1/resources/r", &read).await, 200);
        assert!(works(admin, "r").await);
        let wrong = json!({"auth": {"secret_access_key": "another-key-that-is-wrong-000001"}});
        expect(admin.patch("/v1/resources/r", &wrong).await, 200);
        assert!(!works(admin, "r").await);
        expect(admin.post("/v1/resources/r/restore", &json!({"version": 1})).await, 200);
        assert!(works(admin, "r").await, "an earlier version comes back with its key");
        expect(admin.post("/v1/resources/r/copy", &json!({"name": "copy"})).await, 201);
        assert!(works(admin, "copy").await);
    }
}

#[tokio::test]
async fn a_stored_key_goes_to_another_place_only_when_it_is_typed_again() {
    let embedded = Embedded::start().await;
    embedded.store.create_bucket("other").await.unwrap();
    for service in services().await {
        let admin = &service.admin;
        let body = definition("r", &embedded.url, "bucket", &embedded.key);
        expect(admin.post("/v1/resources", &body).await, 201);
        let role = json!({"role_arn": "arn:aws:iam::111122223333:role/r"});
        let moves = [
            ("endpoint", json!("http://127.0.0.1:9")),
            ("endpoint", Value::Null),
            ("bucket", json!("other")),
            ("assume_role", role),
            ("provider", json!("aws")),
            ("environments", json!({"production": {"endpoint": "http://127.0.0.1:9"}})),
        ];
        for (field, value) in moves {
            let finding = refusal(
                admin.patch("/v1/resources/r", &json!({field: value})).await,
                "KEY_MUST_BE_TYPED_AGAIN",
                field,
            );
            assert!(finding["help"].as_str().unwrap().contains("again"), "{finding:#}");
            let mut read = expect(admin.get("/v1/resources/r").await, 200);
            read[field] = value;
            refusal(admin.put("/v1/resources/r", &read).await, "KEY_MUST_BE_TYPED_AGAIN", field);
        }
        // half of the keys is not enough
        let half = json!({"bucket": "other", "auth": {"secret_access_key": embedded.key.secret}});
        refusal(admin.patch("/v1/resources/r", &half).await, "KEY_MUST_BE_TYPED_AGAIN", "bucket");
        assert_eq!(expect(admin.get("/v1/resources/r").await, 200)["version"], 1);
        assert!(works(admin, "r").await);
        let whole = json!({"bucket": "other",
            "auth": {"access_key_id": embedded.key.id, "secret_access_key": embedded.key.secret}});
        expect(admin.patch("/v1/resources/r", &whole).await, 200);
        assert!(works(admin, "r").await);
        let rows = expect(admin.get("/v1/audit?limit=50").await, 200);
        let told = rows["rows"].as_array().unwrap().iter().any(|row| {
            row["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains("bucket") && detail.contains("another place"))
        });
        assert!(told, "{rows:#}");
    }
}

#[tokio::test]
async fn a_template_goes_to_another_place_without_being_repeated() {
    for service in services().await {
        let admin = &service.admin;
        let body = keyed("r", "{{ secrets.s3.id }}", "{{ secrets.s3.secret }}");
        expect(admin.post("/v1/resources", &body).await, 201);
        let moved = json!({"bucket": "other", "endpoint": "http://127.0.0.1:9"});
        let moved = expect(admin.patch("/v1/resources/r", &moved).await, 200);
        for part in ["access_key_id", "secret_access_key"] {
            assert_eq!(moved["auth"][part], body["auth"][part]);
        }
    }
}

#[tokio::test]
async fn a_mark_where_no_key_is_stored_is_refused() {
    for service in services().await {
        let admin = &service.admin;
        let mut body = keyed("r", ID, "");
        body["auth"]["secret_access_key"] = json!({"set": true, "last4": "abcd"});
        refusal(admin.post("/v1/resources", &body).await, "KEY_MISSING", "auth.secret_access_key");
        expect(admin.post("/v1/resources", &open("r")).await, 201);
        refusal(admin.put("/v1/resources/r", &body).await, "KEY_MISSING", "auth.secret_access_key");
        refusal(
            admin.post("/v1/resources", &keyed("x", ID, "")).await,
            "KEY_MISSING",
            "auth.secret_access_key",
        );
    }
}

#[tokio::test]
async fn a_refused_body_does_not_come_back_with_the_key_that_stood_in_it() {
    for service in services().await {
        let admin = &service.admin;
        let at = |pointer: &str, value: Value| {
            let mut body = keyed("r", ID, "{{ secrets.s3.secret }}");
            *body.pointer_mut(pointer).unwrap() = value;
            body
        };
        let bodies = [
            at("/auth", json!(PLANTED)),
            at("/auth/kind", json!(PLANTED)),
            at("/auth/access_key_id", json!([PLANTED])),
            at("/auth/secret_access_key", json!({"set": PLANTED})),
            at("/auth/secret_access_key", json!({"value": PLANTED})),
        ];
        for body in bodies {
            for (method, path) in
                [(Method::POST, "/v1/resources"), (Method::POST, "/v1/resources?dry_run=true")]
            {
                let refused = super::send(admin, method, path, None, &body).await;
                let status = refused.status().as_u16();
                let text = refused.text().await.unwrap();
                assert!([400, 422].contains(&status), "{body}: {status} {text}");
                assert!(!text.contains(PLANTED), "{body}: {text}");
            }
        }
        assert!(!service.process.output().contains(PLANTED));
    }
}
