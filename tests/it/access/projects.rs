//! Projects: walls through which nothing is seen.

use serde_json::{Value, json};

use super::open;
use crate::support::{Client, DATABASES, Service, Setup, expect};

/// A project and an admin of it alone.
async fn project(service: &Service, name: &str) -> Client {
    expect(service.admin.post("/v1/projects", &json!({"name": name})).await, 201);
    let path = format!("/v1/tokens?project={name}");
    let made = expect(service.admin.post(&path, &json!({"name": "admin", "role": "admin"})).await, 201);
    assert_eq!(made["project"], name);
    Client::new(&service.url, made["token"].as_str().unwrap())
}

#[tokio::test]
async fn a_token_of_another_project_sees_neither_the_project_nor_its_things() {
    for database in DATABASES {
        let service = Setup::new().on(database).start().await;
        let admin = &service.admin;
        let billing = project(&service, "billing").await;
        expect(admin.post("/v1/resources", &open("secret-plans", "plans")).await, 201);
        expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        let made = expect(admin.post("/v1/tokens", &json!({"name": "other", "role": "viewer"})).await, 201);
        for name in ["default", "nobody-has-it", "Not A Name"] {
            let project = name.replace(' ', "%20");
            let refused = expect(billing.get(&format!("/v1/resources?project={project}")).await, 404);
            assert_eq!(refused["detail"], format!("there is no project `{name}`"), "both look the same");
        }
        let gets = [
            "/v1/resources/secret-plans",
            "/v1/resources/secret-plans/history",
            "/v1/resources/secret-plans/tests",
            "/v1/resources/secret-plans/objects",
            "/v1/resources/secret-plans/objects/a",
            "/v1/sources/vault",
            "/v1/sources/vault/secrets",
            "/v1/sources/vault/cache",
        ];
        for path in gets {
            expect(billing.get(path).await, 404);
        }
        expect(billing.patch("/v1/resources/secret-plans", &json!({"bucket": "x"})).await, 404);
        expect(billing.delete("/v1/resources/secret-plans").await, 404);
        expect(billing.put("/v1/sources/vault/secrets/s3", &json!({"value": "x"})).await, 404);
        expect(billing.delete(&format!("/v1/tokens/{}", made["id"].as_str().unwrap())).await, 404);
        expect(billing.query("secret-plans", &json!({"operation": "list"})).await, 404);
        for path in ["/v1/resources", "/v1/sources", "/v1/tokens", "/v1/audit", "/v1/projects"] {
            let text = expect(billing.get(path).await, 200).to_string();
            assert!(!text.contains("secret-plans") && !text.contains("vault"), "{path}: {text}");
            assert!(!text.contains("\"default\""), "{path}: {text}");
        }
        expect(admin.get("/v1/resources/secret-plans").await, 200);
    }
}

#[tokio::test]
async fn the_same_name_in_two_projects_is_two_things() {
    for database in DATABASES {
        let service = Setup::new().on(database).start().await;
        let admin = &service.admin;
        let billing = project(&service, "billing").await;
        expect(admin.post("/v1/resources", &open("r", "ours")).await, 201);
        expect(billing.post("/v1/resources", &open("r", "theirs")).await, 201);
        assert_eq!(expect(admin.get("/v1/resources/r").await, 200)["bucket"], "ours");
        assert_eq!(expect(billing.get("/v1/resources/r").await, 200)["bucket"], "theirs");
        let seen = expect(admin.get("/v1/resources/r?project=billing").await, 200);
        assert_eq!((&seen["bucket"], &seen["project"]), (&json!("theirs"), &json!("billing")));
        for client in [admin, &billing] {
            let source =
                expect(client.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
            assert_eq!(source["active_in"], json!(["production"]));
        }
        expect(admin.put("/v1/sources/vault/secrets/ours", &json!({"value": "x"})).await, 200);
        let secrets = expect(billing.get("/v1/sources/vault/secrets").await, 200);
        assert_eq!(secrets["secrets"], json!([]));
        expect(billing.delete("/v1/resources/r").await, 204);
        expect(admin.get("/v1/resources/r").await, 200);
    }
}

#[tokio::test]
async fn only_a_token_of_the_installation_makes_projects_and_such_tokens() {
    let service = Setup::new().start().await;
    let billing = project(&service, "billing").await;
    let refused = expect(billing.post("/v1/projects", &json!({"name": "more"})).await, 403);
    assert_eq!(refused["code"], "Forbidden");
    let wanted = json!({"name": "x", "role": "admin", "installation": true});
    expect(billing.post("/v1/tokens", &wanted).await, 403);
    expect(billing.get("/v1/audit?all=true").await, 403);
    let made = expect(service.admin.post("/v1/tokens", &wanted).await, 201);
    assert_eq!(made["project"], Value::Null);
    let installation = Client::new(&service.url, made["token"].as_str().unwrap());
    expect(installation.get("/v1/resources?project=billing").await, 200);
}

#[tokio::test]
async fn a_project_is_made_once_and_a_dry_run_makes_none() {
    for database in DATABASES {
        let service = Setup::new().on(database).start().await;
        let admin = &service.admin;
        let body = json!({"name": "billing"});
        expect(admin.post("/v1/projects?dry_run=true", &body).await, 200);
        expect(admin.get("/v1/resources?project=billing").await, 404);
        expect(admin.post("/v1/projects", &body).await, 201);
        expect(admin.post("/v1/projects", &body).await, 409);
        expect(admin.post("/v1/projects?dry_run=true", &body).await, 409);
        expect(admin.post("/v1/projects", &json!({"name": "Not A Name"})).await, 400);
        let listed = expect(admin.get("/v1/projects").await, 200);
        let names: Vec<&str> =
            listed["projects"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["billing", "default"]);
    }
}
