//! The main job in one test: register, resolve, test, put, list, get.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use serde_json::json;

use crate::support::{DATABASES, Embedded, Setup, expect, templated};

#[tokio::test]
async fn the_main_job_works_on_both_databases() {
    for database in DATABASES {
        let embedded = Embedded::start().await;
        let service = Setup::new().on(database).start().await;
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        let value = json!({"value": {"id": embedded.key.id, "secret": embedded.key.secret}});
        expect(admin.put("/v1/sources/vault/secrets/s3", &value).await, 200);
        let body =
            templated("main", &embedded.url, "bucket", "{{ secrets.s3.id }}", "{{ secrets.s3.secret }}");
        expect(admin.post("/v1/resources", &body).await, 201);
        let report = expect(admin.post("/v1/resources/main/test", &json!({"write": true})).await, 200);
        assert_eq!(report["verdict"], "works", "{report:#}");
        let put = json!({"operation": "put", "key": "a.txt", "text": "hello"});
        expect(admin.query("main", &put).await, 200);
        let list = expect(admin.query("main", &json!({"operation": "list"})).await, 200);
        assert_eq!(list["objects"][0]["key"], "a.txt");
        let get = expect(admin.query("main", &json!({"operation": "get", "key": "a.txt"})).await, 200);
        assert_eq!(get["content"], "hello");
    }
}
