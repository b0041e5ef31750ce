//! The audit: who did what, in a chain that shows when somebody changed it.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection};

use super::{open, token};
use crate::harness::http_fault::{Answer, HttpFault};
use crate::registry::eventually;
use crate::support::{DATABASES, Embedded, LONG, Service, Setup, answer, definition, expect};

/// A connection to the service's database, past the service.
async fn database(service: &Service) -> AnyConnection {
    sqlx::any::install_default_drivers();
    let url = match service.store_url() {
        "" => format!("sqlite://{}", service.data.path().join("s3-connector.db").display()),
        url => url.to_owned(),
    };
    AnyConnection::connect(&url).await.unwrap()
}

async fn verify(service: &Service) -> Value {
    expect(service.admin.get("/v1/audit/verify").await, 200)
}

#[tokio::test]
async fn a_delete_whose_caller_went_away_and_one_that_was_refused_have_rows() {
    let embedded = Embedded::start().await;
    let front = HttpFault::start(&embedded.url).await;
    let service = Setup::new().start().await;
    let mut body = definition("r", &front.url(), "bucket", &embedded.key);
    expect(service.admin.post("/v1/resources", &body).await, 201);
    body["name"] = json!("readonly");
    body["operations"] = json!(["list"]);
    expect(service.admin.post("/v1/resources", &body).await, 201);
    let path = |resource: &str| format!("/v1/resources/{resource}/objects/gone.txt");
    let refused = service.admin.request(Method::DELETE, &path("readonly"));
    expect(answer(refused).await, 403);
    front.answer(1, Answer::new(204, "application/xml", "").after(Duration::from_secs(2)));
    let delete = service.admin.request(Method::DELETE, &path("r")).timeout(Duration::from_millis(500));
    assert!(delete.send().await.unwrap_err().is_timeout());
    let rows = eventually(&service.admin, "/v1/audit?limit=20", |_, body| {
        body["rows"].as_array().unwrap().iter().filter(|row| row["action"] == "object.delete").count() == 2
    })
    .await;
    let told: Vec<(&str, &str, &str)> = rows["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["action"] == "object.delete")
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap();
            (text("subject"), text("key"), text("outcome"))
        })
        .collect();
    assert_eq!(told, [("r", "gone.txt", "ok"), ("readonly", "gone.txt", "OperationNotAllowed")]);
}

#[tokio::test]
async fn every_change_has_a_row_with_who_what_and_outcome() {
    for database in DATABASES {
        let service = Setup::new().on(database).start().await;
        let admin = &service.admin;
        let (editor, id) = token(&service, "editor").await;
        let request = editor.request(Method::POST, "/v1/resources").header("x-request-id", "the-create");
        assert_eq!(request.json(&open("r", "b")).send().await.unwrap().status(), 201);
        expect(editor.patch("/v1/resources/r", &json!({"bucket": "c"})).await, 200);
        expect(editor.post("/v1/resources/r/copy", &json!({"name": "s"})).await, 201);
        expect(editor.post("/v1/resources/r/restore", &json!({"version": 1})).await, 200);
        expect(editor.delete("/v1/resources/s").await, 204);
        expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        expect(admin.put("/v1/sources/vault/secrets/s3", &json!({"value": "x"})).await, 200);
        expect(admin.put("/v1/sources/vault/aliases/a", &json!({"secret": "s3"})).await, 200);
        expect(admin.delete("/v1/sources/vault/secrets/s3").await, 204);
        expect(admin.patch("/v1/sources/vault", &json!({"description": "x"})).await, 200);
        expect(admin.delete("/v1/sources/vault").await, 200);
        expect(admin.delete(&format!("/v1/tokens/{id}")).await, 204);
        expect(admin.post("/v1/projects", &json!({"name": "billing"})).await, 201);
        let list = expect(admin.get("/v1/audit?limit=100").await, 200);
        let mut rows = list["rows"].as_array().unwrap().clone();
        rows.reverse();
        let told: Vec<(&str, &str)> = rows
            .iter()
            .map(|row| (row["action"].as_str().unwrap(), row["subject"].as_str().unwrap()))
            .collect();
        let wanted = [
            ("token.create", "editor"),
            ("resource.create", "r"),
            ("resource.update", "r"),
            ("resource.copy", "s"),
            ("resource.restore", "r"),
            ("resource.delete", "s"),
            ("source.create", "vault"),
            ("source.activate", "vault"),
            ("secret.put", "vault"),
            ("source.alias", "vault"),
            ("secret.delete", "vault"),
            ("source.update", "vault"),
            ("source.delete", "vault"),
            ("token.revoke", id.as_str()),
            ("project.create", "billing"),
        ];
        assert_eq!(told, wanted);
        let create = &rows[1];
        assert_eq!(create["who"], format!("editor ({id})"));
        assert_eq!((&create["request_id"], &create["outcome"]), (&json!("the-create"), &json!("ok")));
        assert_eq!(create["from"], "127.0.0.1");
        assert!(create["at"].as_str().unwrap().ends_with('Z'), "{create:#}");
        assert!(rows[2]["detail"].as_str().unwrap().contains("bucket"), "{:#}", rows[2]);
        assert_eq!(rows[8]["secrets"], json!(["s3"]));
        assert_eq!(verify(&service).await["broken_at"], Value::Null);
    }
}

#[tokio::test]
async fn queries_have_rows_with_their_outcome() {
    for database in DATABASES {
        let service = Setup::new().on(database).start().await;
        let admin = &service.admin;
        let mut body = open("r", "bucket");
        body["endpoint"] = json!("http://127.0.0.1:9");
        body["limits"] = json!({"retries": 0});
        expect(admin.post("/v1/resources", &body).await, 201);
        let failed = expect(admin.query("r", &json!({"operation": "head", "key": "a/b.txt"})).await, 502);
        let list = expect(admin.get("/v1/audit?limit=1").await, 200);
        let row = &list["rows"][0];
        assert_eq!(
            (&row["action"], &row["subject"], &row["key"]),
            (&json!("object.head"), &json!("r"), &json!("a/b.txt"))
        );
        assert_eq!(row["outcome"], failed["code"], "{row:#}");
        assert_eq!(row["request_id"], failed["request_id"]);
        assert_eq!(verify(&service).await["broken_at"], Value::Null);
    }
}

#[tokio::test]
async fn the_rows_are_paged_newest_first() {
    let service = Setup::new().start().await;
    for index in 0..7 {
        expect(service.admin.post("/v1/resources", &open(&format!("r{index}"), "b")).await, 201);
    }
    let mut subjects = Vec::new();
    let mut before = String::new();
    loop {
        let page = expect(service.admin.get(&format!("/v1/audit?limit=3{before}")).await, 200);
        let rows = page["rows"].as_array().unwrap();
        subjects.extend(rows.iter().map(|row| row["subject"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["cursor"].as_i64() else { break };
        before = format!("&before={cursor}");
    }
    assert_eq!(subjects, ["r6", "r5", "r4", "r3", "r2", "r1", "r0"]);
}

#[tokio::test]
async fn rows_of_many_writers_and_replicas_stay_one_chain() {
    for database in DATABASES {
        let service = Setup::new().on(database).start().await;
        let (_process, other) = service.replica().await;
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let client = if writer % 2 == 0 { service.admin.clone() } else { other.clone() };
                tokio::spawn(async move {
                    for index in 0..5 {
                        let body = open(&format!("r-{writer}-{index}"), "b");
                        expect(client.post("/v1/resources", &body).await, 201);
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        let verified = verify(&service).await;
        // the first start wrote two: the project and the token
        assert_eq!((&verified["broken_at"], &verified["rows"]), (&Value::Null, &json!(42)), "{verified:#}");
    }
}

/// Whatever is done to the table past the service, the walk finds the first row that does not follow.
#[tokio::test]
async fn a_row_that_was_changed_removed_or_cut_off_is_found() {
    let damages = [
        (
            "UPDATE audit_pages SET rows_text = replace(rows_text, 'resource.create', 'resource.delete') WHERE first_id = 4",
            4,
        ),
        (
            "UPDATE audit_pages SET rows_text = (SELECT substr(before.rows_text, 1, 64) FROM audit_pages AS before WHERE before.first_id = 4) || substr(rows_text, 65) WHERE first_id = 5",
            5,
        ),
        ("UPDATE audit_pages SET rows_text = 'x' WHERE first_id = 6", 6),
        ("DELETE FROM audit_pages WHERE first_id = 4", 5),
        ("DELETE FROM audit_pages WHERE first_id = (SELECT max(first_id) FROM audit_pages)", 8),
    ];
    for database_kind in DATABASES {
        for (damage, broken_at) in damages {
            let service = Setup::new().on(database_kind).start().await;
            for index in 0..6 {
                expect(service.admin.post("/v1/resources", &open(&format!("r{index}"), "b")).await, 201);
            }
            let before = verify(&service).await;
            assert_eq!((&before["broken_at"], &before["rows"]), (&Value::Null, &json!(8)), "{before:#}");
            let mut connection = database(&service).await;
            let done = sqlx::query(damage).execute(&mut connection).await.unwrap();
            assert_eq!(done.rows_affected(), 1, "{damage}");
            assert_eq!(verify(&service).await["broken_at"], broken_at, "{damage}");
        }
    }
}

/// A service whose audit is written only when it ends, with a resource whose queries fail.
async fn silent_service(grace_ms: &str) -> Service {
    let setup = Setup::new().with("S3_CONNECTOR__AUDIT__FLUSH_MS", "600000");
    let service = setup.with("S3_CONNECTOR__SERVER__SHUTDOWN_GRACE_MS", grace_ms).start().await;
    let mut body = open("r", "bucket");
    body["endpoint"] = json!("http://127.0.0.1:9");
    body["limits"] = json!({"retries": 0});
    expect(service.admin.post("/v1/resources", &body).await, 201);
    service
}

async fn query_of(service: &Service, key: &str) {
    let failed = service.admin.query("r", &json!({"operation": "head", "key": key})).await;
    expect(failed, 502);
}

#[tokio::test]
async fn rows_are_written_when_the_service_ends_although_the_database_is_busy_for_a_while() {
    let mut service = silent_service("30000").await;
    query_of(&service, "kept").await;
    let mut busy = database(&service).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut busy).await.unwrap();
    service.process.signal("TERM");
    service.process.wait_for_line("audit rows could not be written", LONG).await;
    sqlx::query("COMMIT").execute(&mut busy).await.unwrap();
    assert!(service.process.wait(LONG).await.success());
    assert!(!service.process.output().contains("not in the database"), "{}", service.process.output());
    service.kill_and_restart().await;
    let rows = expect(service.admin.get("/v1/audit?limit=1").await, 200);
    assert_eq!(rows["rows"][0]["key"], "kept", "{rows:#}");
    assert_eq!(verify(&service).await["broken_at"], Value::Null);
}

#[tokio::test]
async fn a_row_that_the_database_does_not_take_until_the_end_stands_in_the_log() {
    let mut service = silent_service("700").await;
    query_of(&service, "first").await;
    query_of(&service, "second").await;
    let mut busy = database(&service).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut busy).await.unwrap();
    assert!(service.process.terminate(LONG).await.success());
    let said = service.process.output();
    let rows: Vec<&str> = said.lines().filter(|line| line.contains("not in the database")).collect();
    assert_eq!(rows.len(), 2, "{said}");
    assert!(rows[0].contains("first") && rows[1].contains("second"), "{rows:?}");
    assert!(rows.iter().all(|row| row.contains("object.head")), "{rows:?}");
    sqlx::query("ROLLBACK").execute(&mut busy).await.unwrap();
}

/// The rows of queries come together in pages; each can be found, and damage to one is told from the rest.
#[tokio::test]
async fn rows_that_are_written_together_are_listed_and_checked_one_by_one() {
    let service = silent_service("30000").await;
    for number in 0..5 {
        query_of(&service, &format!("key-{number}")).await;
    }
    let list = expect(service.admin.get("/v1/audit?limit=3").await, 200);
    let keys = |list: &Value| -> Vec<String> {
        let rows = list["rows"].as_array().unwrap();
        rows.iter().map(|row| row["key"].as_str().unwrap_or("none").to_owned()).collect()
    };
    assert_eq!(keys(&list), ["key-4", "key-3", "key-2"]);
    let next = format!("/v1/audit?limit=3&before={}", list["cursor"]);
    assert_eq!(keys(&expect(service.admin.get(&next).await, 200)), ["key-1", "key-0", "none"]);
    let mut connection = database(&service).await;
    let count = "SELECT count(*) FROM audit_pages WHERE rows_text LIKE '%key-0%key-4%'";
    let pages: i64 = sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap();
    assert_eq!(pages, 1, "the rows of the five queries stand in one page");
    assert_eq!(verify(&service).await["broken_at"], Value::Null);
    let damage = "UPDATE audit_pages SET rows_text = replace(rows_text, 'key-3', 'key-9')";
    sqlx::query(damage).execute(&mut connection).await.unwrap();
    assert_eq!(verify(&service).await["broken_at"].as_i64(), list["cursor"].as_i64().map(|third| third + 1));
}

#[tokio::test]
async fn a_project_sees_its_own_rows_of_shared_pages() {
    for database in DATABASES {
        let service = Setup::new().on(database).start().await;
        expect(service.admin.post("/v1/projects", &json!({"name": "billing"})).await, 201);
        for index in 0..20 {
            let project = if index % 5 == 0 { "?project=billing" } else { "" };
            let resource = open(&format!("r{index}"), "b");
            expect(service.admin.post(&format!("/v1/resources{project}"), &resource).await, 201);
        }
        let billing = expect(service.admin.get("/v1/audit?project=billing&limit=3").await, 200);
        let subjects: Vec<&str> =
            billing["rows"].as_array().unwrap().iter().map(|row| row["subject"].as_str().unwrap()).collect();
        assert_eq!(subjects, ["r15", "r10", "r5"]);
    }
}
