//! Changes: replace and patch, If-Match, and writers that meet.

use reqwest::Method;
use serde_json::{Value, json};

use super::{etag, keyed, open, replicated, send, services};
use crate::support::expect;

#[tokio::test]
async fn a_replace_sets_back_what_it_does_not_name_and_a_patch_keeps_it() {
    for service in services().await {
        let admin = &service.admin;
        let mut body = open("r");
        body["description"] = json!("kept?");
        body["labels"] = json!({"a": "1", "b": "2"});
        body["default_acl"] = json!("private");
        expect(admin.post("/v1/resources", &body).await, 201);
        let change = json!({"region": "us-east-1", "labels": {"a": null, "c": "3"}, "default_acl": null});
        let patched = expect(admin.patch("/v1/resources/r", &change).await, 200);
        assert_eq!(patched["labels"], json!({"b": "2", "c": "3"}));
        assert_eq!((&patched["default_acl"], &patched["region"]), (&Value::Null, &json!("us-east-1")));
        assert_eq!((&patched["description"], &patched["bucket"]), (&json!("kept?"), &json!("acme")));
        let replaced = expect(admin.put("/v1/resources/r", &open("r")).await, 200);
        assert_eq!((&replaced["description"], &replaced["labels"]), (&json!(""), &json!({})));
        assert_eq!(replaced["version"], 3);
        assert_eq!(expect(admin.get("/v1/resources/r").await, 200), replaced);
        expect(admin.patch("/v1/resources/r", &json!({"bucket": null})).await, 400);
    }
}

#[tokio::test]
async fn what_was_read_can_be_sent_back_as_it_is() {
    for service in services().await {
        let admin = &service.admin;
        expect(
            admin.post("/v1/resources", &keyed("r", "{{ secrets.s3.id }}", "a-literal-key-0123456789")).await,
            201,
        );
        let read = expect(admin.get("/v1/resources/r").await, 200);
        // nothing differs, so that there is no new version
        for answer in [
            admin.put("/v1/resources/r", &read).await,
            admin.patch("/v1/resources/r", &json!({"region": read["region"]})).await,
            admin.post("/v1/resources/r/restore", &json!({"version": 1})).await,
        ] {
            assert_eq!(expect(answer, 200), read);
        }
        let rows = expect(admin.get("/v1/resources/r/history").await, 200);
        assert_eq!(rows["versions"].as_array().unwrap().len(), 1, "{rows:#}");
        let mut other = read.clone();
        other["description"] = json!("other");
        let mut replaced = expect(admin.put("/v1/resources/r", &other).await, 200);
        assert_eq!(replaced["version"], 2);
        for own in ["version", "updated_at", "description"] {
            replaced[own] = read[own].clone();
        }
        assert_eq!(replaced, read);
        // a key that is typed may be another one
        let typed = keyed("r", "{{ secrets.s3.id }}", "a-literal-key-0123456789");
        assert_eq!(expect(admin.put("/v1/resources/r", &typed).await, 200)["version"], 3);
    }
}

#[tokio::test]
async fn a_change_names_the_version_it_is_based_on() {
    for service in services().await {
        let admin = &service.admin;
        let made = send(admin, Method::POST, "/v1/resources", None, &open("r")).await;
        let first = etag(&made);
        let path = "/v1/resources/r";
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            let refused = send(admin, method.clone(), path, None, &open("r")).await;
            assert_eq!(refused.status(), 428, "{method}");
            let problem: Value = refused.json().await.unwrap();
            assert_eq!(problem["code"], "PreconditionRequired");
        }
        let changed = send(admin, Method::PATCH, path, Some(&first), &json!({"bucket": "b"})).await;
        assert_eq!(changed.status(), 200);
        let second = etag(&changed);
        assert_ne!(first, second);
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            for stale in [first.as_str(), "\"77\"", "\"not-a-version\"", ""] {
                let refused = send(admin, method.clone(), path, Some(stale), &open("r")).await;
                assert_eq!(refused.status(), 412, "{method} {stale}");
                let problem: Value = refused.json().await.unwrap();
                assert_eq!(problem["code"], "VersionMismatch", "{problem:#}");
            }
        }
        let read = admin.request(Method::GET, path).send().await.unwrap();
        assert_eq!(etag(&read), second);
        let any = send(admin, Method::PATCH, path, Some("*"), &json!({"bucket": "c"})).await;
        assert_eq!(any.status(), 200);
        let third = etag(&any);
        assert_eq!(send(admin, Method::DELETE, path, Some(&third), &json!({})).await.status(), 204);
    }
}

#[tokio::test]
async fn an_unchanged_definition_is_not_sent_again() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/resources", &open("r")).await, 201);
        let read = |tag: &'static str| {
            admin.request(Method::GET, "/v1/resources/r").header("if-none-match", tag).send()
        };
        assert_eq!(read("\"1\"").await.unwrap().status(), 304);
        assert_eq!(read("\"2\"").await.unwrap().status(), 200);
    }
}

/// Every round, all writers change the version they read: one wins, the others are told, nothing is lost.
#[tokio::test]
async fn exactly_one_of_many_writers_wins_each_version() {
    const WRITERS: usize = 8;
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/resources", &open("r")).await, 201);
        for version in 1..=10 {
            let tag = format!("\"{version}\"");
            let tasks: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let (admin, tag) = (admin.clone(), tag.clone());
                    tokio::spawn(async move {
                        let change = json!({"description": format!("{version} by {writer}")});
                        let answer =
                            send(&admin, Method::PATCH, "/v1/resources/r", Some(&tag), &change).await;
                        (writer, answer.status().as_u16())
                    })
                })
                .collect();
            let mut winners = Vec::new();
            for task in tasks {
                let (writer, status) = task.await.unwrap();
                match status {
                    200 => winners.push(writer),
                    other => assert_eq!(other, 412),
                }
            }
            assert_eq!(winners.len(), 1, "version {version}: {winners:?}");
            let read = expect(admin.get("/v1/resources/r").await, 200);
            assert_eq!(read["version"], version + 1);
            assert_eq!(read["description"], format!("{version} by {}", winners[0]));
        }
        let history = expect(admin.get("/v1/resources/r/history").await, 200);
        assert_eq!(history["versions"].as_array().unwrap().len(), 11);
    }
}

#[tokio::test]
async fn writers_on_two_replicas_do_not_undo_each_other() {
    for service in replicated().await {
        let (_process, other) = service.replica().await;
        let admin = &service.admin;
        expect(admin.post("/v1/resources", &open("r")).await, 201);
        super::eventually(&other, "/v1/resources/r", |status, _| status == 200).await;
        for version in 1..=10 {
            let tag = format!("\"{version}\"");
            super::eventually(&other, "/v1/resources/r", |_, body| body["version"] == version).await;
            super::eventually(admin, "/v1/resources/r", |_, body| body["version"] == version).await;
            let (here_text, there_text) = (format!("{version} here"), format!("{version} there"));
            let (here_body, there_body) =
                (json!({"description": here_text}), json!({"description": there_text}));
            let path = "/v1/resources/r";
            let (here, there) = tokio::join!(
                send(admin, Method::PATCH, path, Some(&tag), &here_body),
                send(&other, Method::PATCH, path, Some(&tag), &there_body),
            );
            let mut statuses = [here.status().as_u16(), there.status().as_u16()];
            let winner = if statuses[0] == 200 { here_text } else { there_text };
            statuses.sort_unstable();
            assert_eq!(statuses, [200, 412], "version {version}");
            for client in [admin, &other] {
                super::eventually(client, path, |_, body| body["description"] == winner).await;
            }
        }
    }
}

#[tokio::test]
async fn a_rename_moves_the_resource_and_never_onto_another_one() {
    for service in services().await {
        let admin = &service.admin;
        for name in ["one", "two"] {
            expect(admin.post("/v1/resources", &open(name)).await, 201);
        }
        expect(admin.patch("/v1/resources/one", &json!({"name": "two"})).await, 409);
        let moved = expect(admin.patch("/v1/resources/one", &json!({"name": "three"})).await, 200);
        assert_eq!((&moved["name"], &moved["version"]), (&json!("three"), &json!(2)));
        expect(admin.get("/v1/resources/one").await, 404);
        assert_eq!(super::names(admin).await, ["three", "two"]);
    }
}
