//! Resources: create, read, list, copy, delete, history, restore.

use reqwest::Method;
use serde_json::{Value, json};

use super::{keyed, names, open, send, services};
use crate::support::expect;

#[tokio::test]
async fn a_resource_is_created_read_listed_and_deleted() {
    for service in services().await {
        let admin = &service.admin;
        let mut body = open("invoices");
        body["description"] = json!("scanned invoices");
        body["labels"] = json!({"team": "billing"});
        let made = send(admin, Method::POST, "/v1/resources", None, &body).await;
        assert_eq!(made.status(), 201);
        assert_eq!(super::etag(&made), "\"1\"");
        let made: Value = made.json().await.unwrap();
        assert_eq!((&made["version"], &made["project"]), (&json!(1), &json!("default")));
        let read = expect(admin.get("/v1/resources/invoices").await, 200);
        assert_eq!(read, made);
        for (field, value) in body.as_object().unwrap() {
            assert_eq!(read[field], *value, "{field}");
        }
        assert_eq!(names(admin).await, ["invoices"]);
        expect(admin.delete("/v1/resources/invoices").await, 204);
        expect(admin.get("/v1/resources/invoices").await, 404);
        assert!(names(admin).await.is_empty());
        expect(admin.delete("/v1/resources/invoices").await, 404);
    }
}

#[tokio::test]
async fn a_name_can_be_given_once_and_is_free_again_after_a_delete() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/resources", &open("one")).await, 201);
        let body = expect(admin.post("/v1/resources", &open("one")).await, 409);
        assert_eq!(body["code"], "Conflict");
        assert!(body["detail"].as_str().unwrap().contains("`one`"), "{body:#}");
        expect(admin.delete("/v1/resources/one").await, 204);
        let made = expect(admin.post("/v1/resources", &open("one")).await, 201);
        assert_eq!(made["version"], 1);
        let history = expect(admin.get("/v1/resources/one/history").await, 200);
        assert_eq!(
            history["versions"].as_array().unwrap().len(),
            1,
            "the history of the deleted one: {history:#}"
        );
    }
}

#[tokio::test]
async fn one_of_many_simultaneous_creates_of_a_name_wins() {
    for service in services().await {
        let made = (0..12).map(|_| {
            let admin = service.admin.clone();
            tokio::spawn(async move { admin.post("/v1/resources", &open("contested")).await.0 })
        });
        let mut statuses = Vec::new();
        for task in made {
            statuses.push(task.await.unwrap());
        }
        statuses.sort_unstable();
        assert_eq!(statuses[0], 201, "{statuses:?}");
        assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
    }
}

#[tokio::test]
async fn a_list_is_sorted_paged_by_cursor_and_filtered_by_name_description_folder_and_bucket() {
    for service in services().await {
        let admin = &service.admin;
        for name in ["d", "a", "e", "b", "c"] {
            expect(admin.post("/v1/resources", &open(name)).await, 201);
        }
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = expect(admin.get(&format!("/v1/resources?limit=2{cursor}")).await, 200);
            let rows = page["resources"].as_array().unwrap();
            assert!(rows.len() <= 2);
            seen.extend(rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()));
            let Some(next) = page["cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
        let changes =
            [("d", "description", "Needle here"), ("e", "folder", "x/needle"), ("b", "bucket", "needles")];
        for (name, field, value) in changes {
            expect(admin.patch(&format!("/v1/resources/{name}"), &json!({field: value})).await, 200);
        }
        let found = expect(admin.get("/v1/resources?filter=nEEdle").await, 200);
        let found: Vec<&str> =
            found["resources"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(found, ["b", "d", "e"]);
    }
}

#[tokio::test]
async fn a_copy_has_everything_but_the_name() {
    for service in services().await {
        let admin = &service.admin;
        let body = keyed("first", "{{ secrets.s3.id }}", "{{ secrets.s3.secret }}");
        expect(admin.post("/v1/resources", &body).await, 201);
        let copy = expect(admin.post("/v1/resources/first/copy", &json!({"name": "second"})).await, 201);
        assert_eq!((&copy["name"], &copy["version"]), (&json!("second"), &json!(1)));
        for part in ["kind", "access_key_id", "secret_access_key"] {
            assert_eq!(copy["auth"][part], body["auth"][part]);
        }
        expect(admin.post("/v1/resources/first/copy", &json!({"name": "second"})).await, 409);
        expect(admin.post("/v1/resources/nothing/copy", &json!({"name": "third"})).await, 404);
        assert_eq!(names(admin).await, ["first", "second"]);
    }
}

#[tokio::test]
async fn the_history_holds_every_version_and_a_restore_makes_a_new_one() {
    for service in services().await {
        let admin = &service.admin;
        let editor = service.client("editor").await;
        expect(admin.post("/v1/resources", &open("r")).await, 201);
        expect(editor.patch("/v1/resources/r", &json!({"bucket": "second"})).await, 200);
        expect(admin.patch("/v1/resources/r", &json!({"bucket": "third"})).await, 200);
        let history = expect(admin.get("/v1/resources/r/history").await, 200);
        let versions = history["versions"].as_array().unwrap();
        let shown: Vec<(i64, &str)> = versions
            .iter()
            .map(|row| (row["version"].as_i64().unwrap(), row["definition"]["bucket"].as_str().unwrap()))
            .collect();
        assert_eq!(shown, [(3, "third"), (2, "second"), (1, "acme")]);
        assert!(versions[1]["changed_by"].as_str().unwrap().starts_with("editor-"), "{history:#}");
        let changed = json!([{"path": "bucket", "before": "second", "after": "third"}]);
        assert_eq!((&versions[0]["changes"], &versions[2]["changes"]), (&changed, &json!([])));
        let back = expect(admin.post("/v1/resources/r/restore", &json!({"version": 1})).await, 200);
        assert_eq!((&back["bucket"], &back["version"]), (&json!("acme"), &json!(4)));
        expect(admin.post("/v1/resources/r/restore", &json!({"version": 99})).await, 404);
        let history = expect(admin.get("/v1/resources/r/history").await, 200);
        assert_eq!(history["versions"].as_array().unwrap().len(), 4);
    }
}

/// A key that was typed anew is a change, although both look the same.
#[tokio::test]
async fn the_history_tells_that_a_literal_changed_and_not_what_it_was() {
    for service in services().await {
        let admin = &service.admin;
        let key = |secret: &str| json!({"auth": {"kind": "access_key", "access_key_id": "AKIAEXAMPLE", "secret_access_key": secret}});
        expect(admin.post("/v1/resources", &open("r")).await, 201);
        expect(admin.patch("/v1/resources/r", &key("first-secret-ABCD")).await, 200);
        expect(admin.patch("/v1/resources/r", &key("other-secret-ABCD")).await, 200);
        let history = expect(admin.get("/v1/resources/r/history").await, 200);
        let changes = history["versions"][0]["changes"].as_array().unwrap();
        let paths: Vec<&str> = changes.iter().map(|change| change["path"].as_str().unwrap()).collect();
        assert_eq!(paths, ["auth.secret_access_key"], "{history:#}");
        assert!(!history.to_string().contains("-secret-"), "{history:#}");
    }
}

#[tokio::test]
async fn a_restored_version_keeps_the_name_of_today() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/resources", &open("before")).await, 201);
        let mut renamed = open("after");
        renamed["bucket"] = json!("other");
        expect(admin.put("/v1/resources/before", &renamed).await, 200);
        expect(admin.get("/v1/resources/before").await, 404);
        expect(admin.post("/v1/resources", &open("before")).await, 201);
        let back = expect(admin.post("/v1/resources/after/restore", &json!({"version": 1})).await, 200);
        assert_eq!((&back["name"], &back["bucket"]), (&json!("after"), &json!("acme")));
        assert_eq!(names(admin).await, ["after", "before"]);
    }
}

#[tokio::test]
async fn names_follow_their_rule_and_a_wrong_one_is_refused_with_it() {
    for service in services().await {
        let admin = &service.admin;
        for good in ["a", "0", "a-b-", &"x".repeat(63)] {
            expect(admin.post("/v1/resources", &open(good)).await, 201);
            expect(admin.get(&format!("/v1/resources/{good}")).await, 200);
        }
        for bad in ["", "-a", "A", "a_b", "a.b", "ü", "a b", "a/b", &"x".repeat(64)] {
            let body = expect(admin.post("/v1/resources", &open(bad)).await, 400);
            assert!(body["detail"].as_str().unwrap().contains("1 to 63 of a-z"), "{bad}: {body:#}");
        }
        expect(admin.post("/v1/resources/a/copy", &json!({"name": "Not This"})).await, 400);
        expect(admin.put("/v1/resources/a", &open("Not This")).await, 400);
        assert_eq!(names(admin).await.len(), 4);
    }
}

#[tokio::test]
async fn an_unknown_field_is_refused_by_its_name_wherever_it_stands() {
    for service in services().await {
        let admin = &service.admin;
        let mut top = open("r");
        top["bukket"] = json!("x");
        let mut auth = keyed("r", "{{ secrets.s3.id }}", "{{ secrets.s3.secret }}");
        auth["auth"]["acces_key"] = json!("x");
        let mut limits = open("r");
        limits["limits"] = json!({"max_bites": 1});
        let mut role = open("r");
        role["assume_role"] = json!({"role_arn": "arn:aws:iam::111122223333:role/r", "session": "x"});
        for (body, field) in
            [(top, "bukket"), (auth, "acces_key"), (limits, "max_bites"), (role, "`session`")]
        {
            let refused = expect(admin.post("/v1/resources", &body).await, 400);
            assert!(refused["detail"].as_str().unwrap().contains(field), "{field}: {refused:#}");
        }
        expect(admin.post("/v1/resources", &open("r")).await, 201);
        let refused = expect(admin.patch("/v1/resources/r", &json!({"colour": "red"})).await, 400);
        assert!(refused["detail"].as_str().unwrap().contains("colour"), "{refused:#}");
        assert_eq!(names(admin).await, ["r"]);
    }
}

#[tokio::test]
async fn every_error_of_a_definition_is_told_at_once() {
    for service in services().await {
        let mut body = open("r");
        body["bucket"] = json!(" ");
        body["provider"] = json!("minnio");
        body["limits"] = json!({"timeout_ms": 1});
        body["assume_role"] = json!({"role_arn": "not-an-arn"});
        let refused = expect(service.admin.post("/v1/resources", &body).await, 422);
        let errors = refused["errors"].as_array().unwrap();
        let mut codes: Vec<&str> = errors.iter().map(|error| error["code"].as_str().unwrap()).collect();
        codes.sort_unstable();
        let wanted = [
            "BUCKET_MISSING",
            "INVALID_ROLE_ARN",
            "OUT_OF_RANGE",
            "ROLE_WITHOUT_IDENTITY",
            "UNKNOWN_PROVIDER",
        ];
        assert_eq!(codes, wanted, "{refused:#}");
        assert_eq!((&refused["code"], &refused["status"]), (&json!("Invalid"), &json!(422)));
        expect(service.admin.get("/v1/resources/r").await, 404);
    }
}

#[tokio::test]
async fn a_dry_run_of_every_write_answers_as_the_write_would_and_changes_nothing() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/resources", &open("r")).await, 201);
        expect(admin.patch("/v1/resources/r", &json!({"bucket": "second"})).await, 200);
        let before = expect(admin.get("/v1/resources").await, 200);
        let rows = expect(admin.get("/v1/audit").await, 200)["rows"].as_array().unwrap().len();
        let dry = |path: &str| format!("{path}?dry_run=true");
        let made = expect(admin.post(&dry("/v1/resources"), &open("new")).await, 200);
        assert_eq!(made["name"], "new");
        let put = expect(admin.put(&dry("/v1/resources/r"), &open("r")).await, 200);
        assert_eq!((&put["bucket"], &put["version"]), (&json!("acme"), &json!(3)));
        let patched = expect(admin.patch(&dry("/v1/resources/r"), &json!({"region": "x"})).await, 200);
        assert_eq!(patched["region"], "x");
        expect(admin.delete(&dry("/v1/resources/r")).await, 204);
        expect(admin.post(&dry("/v1/resources/r/copy"), &json!({"name": "new"})).await, 200);
        let back = expect(admin.post(&dry("/v1/resources/r/restore"), &json!({"version": 1})).await, 200);
        assert_eq!(back["bucket"], "acme");
        // what the write would refuse, the dry run refuses
        expect(admin.post(&dry("/v1/resources"), &open("r")).await, 409);
        expect(admin.post(&dry("/v1/resources"), &open("Wrong Name")).await, 400);
        expect(admin.post("/v1/resources?dry_run=maybe", &open("new")).await, 400);
        assert_eq!(expect(admin.get("/v1/resources").await, 200), before);
        let after = expect(admin.get("/v1/audit").await, 200);
        assert_eq!(after["rows"].as_array().unwrap().len(), rows, "{after:#}");
        let history = expect(admin.get("/v1/resources/r/history").await, 200);
        assert_eq!(history["versions"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn an_environment_with_a_typing_error_runs_nowhere() {
    let embedded = crate::support::Embedded::start().await;
    for service in services().await {
        let admin = &service.admin;
        let mut body = crate::support::definition("r", &embedded.url, "bucket", &embedded.key);
        body["environments"] = json!({"staging": {"region": "us-east-1"}});
        expect(admin.post("/v1/resources", &body).await, 201);
        let list = json!({"operation": "list"});
        for known in ["production", "staging"] {
            expect(admin.post(&format!("/v1/resources/r/query?environment={known}"), &list).await, 200);
        }
        let requests = embedded.store.requests();
        for path in ["query", "test"] {
            let body = if path == "query" { list.clone() } else { json!({}) };
            let path = format!("/v1/resources/r/{path}?environment=prodction");
            let refused = expect(admin.post(&path, &body).await, 400);
            let detail = refused["detail"].as_str().unwrap();
            assert!(detail.contains("`production`, `staging`"), "{detail}");
        }
        assert_eq!(embedded.store.requests(), requests);
        // an active source makes an environment
        expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        let active = json!({"environment": "preview", "source": "vault"});
        expect(admin.put("/v1/sources/active", &active).await, 200);
        expect(admin.post("/v1/resources/r/query?environment=preview", &list).await, 200);
    }
}

#[tokio::test]
async fn a_definition_of_another_shape_is_told_where() {
    for service in services().await {
        for (field, value, path) in [
            ("operations", json!(["read"]), "operations[0]"),
            ("addressing", json!("pathy"), "addressing"),
            ("limits", json!({"retries": "three"}), "limits.retries"),
        ] {
            let mut body = open("r");
            body[field] = value;
            let refused = expect(service.admin.post("/v1/resources", &body).await, 400);
            assert_eq!(refused["errors"][0]["path"], path, "{refused:#}");
            assert!(refused["detail"].as_str().unwrap().contains(path), "{refused:#}");
        }
    }
}
