//! Sources of the workspace: who may change them, which project means them when, and what of them is told to whom.

use reqwest::Method;
use serde_json::{Value, json};

use super::{keyed, refusal, services};
use crate::support::{Client, Embedded, answer, expect, moto_source, templated};

const ROLE: &str = "arn:aws:iam::123456789012:role";

fn shared(name: &str) -> Value {
    json!({"name": name, "kind": "local", "scope": "workspace"})
}

fn active(environment: &str, source: &str, scope: &str) -> Value {
    json!({"environment": environment, "source": source, "scope": scope})
}

async fn query(client: &Client, resource: &str, environment: &str) -> (u16, Value) {
    let path = format!("/v1/resources/{resource}/query?environment={environment}");
    client.post(&path, &json!({"operation": "list"})).await
}

async fn send(client: &Client, method: &str, path: &str, body: &Value) -> u16 {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = client.request(method.clone(), path).header("if-match", "*");
    let request = if method == Method::GET { request } else { request.json(body) };
    answer(request).await.0
}

/// Method, path, body, and the weakest role of a project that may; none where only the installation may.
fn uses_and_changes() -> Vec<(&'static str, &'static str, Value, Option<usize>)> {
    let (viewer, editor, admin) = (Some(0), Some(2), Some(3));
    let none = json!({});
    let value = json!({"value": "v"});
    vec![
        ("GET", "/v1/sources", none.clone(), viewer),
        ("GET", "/v1/sources/shared", none.clone(), viewer),
        ("GET", "/v1/sources/shared/aliases/short", none.clone(), viewer),
        ("GET", "/v1/sources/shared/secrets", none.clone(), editor),
        ("GET", "/v1/sources/shared/cache", none.clone(), editor),
        ("POST", "/v1/sources/shared/refresh", none.clone(), editor),
        ("POST", "/v1/sources/shared/clear", none.clone(), editor),
        ("POST", "/v1/sources/shared/test", none.clone(), admin),
        ("PUT", "/v1/sources/active", active("production", "shared", "project"), admin),
        ("PUT", "/v1/sources/active", active("production", "shared", "workspace"), None),
        ("PATCH", "/v1/sources/shared", json!({"description": "x"}), None),
        ("PATCH", "/v1/sources/shared?dry_run=true", json!({"description": "x"}), None),
        ("PUT", "/v1/sources/shared", shared("shared"), None),
        ("PUT", "/v1/sources/shared/aliases/other", json!({"secret": "s3"}), None),
        ("PUT", "/v1/sources/shared/secrets/new", value, None),
        ("DELETE", "/v1/sources/shared/secrets/new", none.clone(), None),
        ("DELETE", "/v1/sources/shared?dry_run=true", none.clone(), None),
        ("POST", "/v1/sources?dry_run=true", shared("more"), None),
        ("POST", "/v1/sources/test", json!({"definition": shared("more")}), None),
        ("DELETE", "/v1/sources/shared", none, None),
    ]
}

#[tokio::test]
async fn every_project_uses_a_source_of_the_workspace_and_only_the_installation_changes_it() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &shared("shared")).await, 201);
        expect(admin.put("/v1/sources/shared/secrets/s3", &json!({"value": "v"})).await, 200);
        expect(admin.put("/v1/sources/shared/aliases/short", &json!({"secret": "s3"})).await, 200);
        let before = expect(admin.get("/v1/sources/shared").await, 200)["version"].clone();
        for (rank, role) in ["viewer", "user", "editor", "admin"].into_iter().enumerate() {
            let client = service.client_in("billing", role).await;
            for (method, path, body, least) in uses_and_changes() {
                let status = send(&client, method, path, &body).await;
                let may = least.is_some_and(|least| rank >= least);
                assert_eq!(status, if may { 200 } else { 403 }, "{role}: {method} {path} {body}");
            }
        }
        assert_eq!(expect(admin.get("/v1/sources/shared").await, 200)["version"], before);
        for (method, path, body, _) in uses_and_changes() {
            let status = send(admin, method, path, &body).await;
            assert!((200..300).contains(&status), "installation: {method} {path} {body}: {status}");
        }
        expect(admin.get("/v1/sources/shared").await, 404);
    }
}

#[tokio::test]
async fn no_silent_fallback() {
    let embedded = Embedded::start().await;
    let keys = json!({"value": {"id": embedded.key.id, "secret": embedded.key.secret}});
    for mut service in services().await {
        let admin = service.admin.clone();
        let made = expect(admin.post("/v1/sources", &shared("shared")).await, 201);
        assert_eq!((&made["active_in"], &made["scope"]), (&json!([]), &json!("workspace")));
        expect(admin.put("/v1/sources/shared/secrets/s3", &keys).await, 200);
        let billing = service.client_in("billing", "admin").await;
        let plain =
            templated("plain", &embedded.url, "bucket", "{{ secrets.s3.id }}", "{{ secrets.s3.secret }}");
        expect(billing.post("/v1/resources", &plain).await, 201);
        assert_eq!(expect(query(&billing, "plain", "production").await, 424)["code"], "SourceMissing");

        // a project without a source of its own uses what is active in the workspace
        for environment in ["production", "staging"] {
            let body = active(environment, "shared", "workspace");
            expect(admin.put("/v1/sources/active", &body).await, 200);
            expect(query(&billing, "plain", environment).await, 200);
        }
        service.restart().await;
        expect(query(&billing, "plain", "staging").await, 200);
        let seen = expect(billing.get("/v1/sources/shared").await, 200);
        assert_eq!(seen["active_in"], json!(["production", "staging"]));

        // one that has a source of its own does not, and is told so
        expect(billing.post("/v1/sources", &json!({"name": "own", "kind": "local"})).await, 201);
        let missing = expect(query(&billing, "plain", "production").await, 424);
        assert_eq!(missing["code"], "ResourceNotFoundException", "its own is active: {missing:#}");
        let refused = expect(query(&billing, "plain", "staging").await, 424);
        assert_eq!(refused["code"], "SourceMissing", "{refused:#}");
        let detail = refused["detail"].as_str().unwrap();
        for word in ["`staging`", "`shared`", "not used silently", "/v1/sources/active", "secrets@shared"] {
            assert!(detail.contains(word), "{word}: {detail}");
        }
        let seen = expect(billing.get("/v1/sources/shared").await, 200);
        assert_eq!(seen["active_in"], json!([]));
        assert_eq!(seen["active_in_workspace"], json!(["production", "staging"]));

        // what is named or chosen is not silent
        let (id, secret) = ("{{ secrets@shared.s3.id }}", "{{ secrets@shared.s3.secret }}");
        let named = templated("named", &embedded.url, "bucket", id, secret);
        expect(billing.post("/v1/resources", &named).await, 201);
        expect(query(&billing, "named", "production").await, 200);
        expect(billing.put("/v1/sources/active", &active("staging", "shared", "project")).await, 200);
        expect(query(&billing, "plain", "staging").await, 200);
        expect(billing.delete("/v1/sources/own?force=true").await, 200);
        expect(query(&billing, "plain", "production").await, 200);
        expect(query(&billing, "plain", "stagin").await, 400);
    }
}

#[tokio::test]
async fn the_first_source_of_a_project_does_not_undo_what_the_project_chose() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &shared("shared")).await, 201);
        let billing = service.client_in("billing", "admin").await;
        expect(billing.put("/v1/sources/active", &active("production", "shared", "project")).await, 200);
        let own = expect(billing.post("/v1/sources", &json!({"name": "own", "kind": "local"})).await, 201);
        assert_eq!(own["active_in"], json!([]));
        let sales = service.client_in("sales", "admin").await;
        let own = expect(sales.post("/v1/sources", &json!({"name": "own", "kind": "local"})).await, 201);
        assert_eq!(own["active_in"], json!(["production"]));
    }
}

#[tokio::test]
async fn names_of_the_workspace_are_unique_and_a_projects_own_source_wins() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &shared("vault")).await, 201);
        expect(admin.post("/v1/sources", &shared("vault")).await, 409);
        expect(admin.put("/v1/sources/vault/secrets/theirs", &json!({"value": "v"})).await, 200);
        let billing = service.client_in("billing", "admin").await;
        let own = expect(billing.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        assert_eq!(own["findings"][0]["code"], "HIDES_WORKSPACE_SOURCE", "{own:#}");
        expect(billing.put("/v1/sources/vault/secrets/mine", &json!({"value": "v"})).await, 200);
        let listed = expect(billing.get("/v1/sources").await, 200);
        let scopes: Vec<&Value> =
            listed["sources"].as_array().unwrap().iter().map(|source| &source["scope"]).collect();
        assert_eq!(scopes, ["project", "workspace"], "{listed:#}");
        assert_eq!(expect(billing.get("/v1/sources/vault").await, 200)["scope"], "project");
        let hidden = expect(billing.get("/v1/sources/workspace:vault").await, 200);
        assert_eq!(hidden["scope"], "workspace");
        assert_eq!(hidden["findings"][0]["code"], "HIDDEN_BY_PROJECT_SOURCE", "{hidden:#}");

        let body = keyed("r", "{{ secrets@vault.mine }}", "{{ secrets@vault.theirs }}");
        expect(billing.post("/v1/resources", &body).await, 201);
        let usage = expect(billing.get("/v1/secrets/usage").await, 200);
        let told = |source: &str, secret: &str| {
            let rows = usage["secrets"].as_array().unwrap();
            let row = rows.iter().find(|row| row["source"] == source && row["secret"] == secret);
            row.unwrap_or_else(|| panic!("no `{secret}` of `{source}`: {usage:#}"))["exists"].clone()
        };
        assert_eq!((told("vault", "mine"), told("vault", "theirs")), (json!(true), json!(false)));
        assert_eq!(told("workspace:vault", "theirs"), true);

        let body = active("staging", "workspace:vault", "project");
        let chosen = expect(billing.put("/v1/sources/active", &body).await, 200);
        assert_eq!((&chosen["scope"], &chosen["active_in"]), (&json!("workspace"), &json!(["staging"])));
        expect(billing.delete("/v1/sources/workspace:vault").await, 403);
        let path = "/v1/sources/workspace:vault?project=billing";
        expect(admin.patch(path, &json!({"description": "found"})).await, 200);
        assert_eq!(expect(billing.get("/v1/sources/vault").await, 200)["description"], "");
    }
}

#[tokio::test]
async fn a_source_keeps_its_scope_and_can_be_sent_back_as_it_was_shown() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &json!({"name": "own", "kind": "local"})).await, 201);
        expect(admin.post("/v1/sources", &shared("shared")).await, 201);
        expect(admin.put("/v1/sources/active", &active("staging", "shared", "workspace")).await, 200);
        expect(admin.patch("/v1/sources/own", &json!({"scope": "workspace"})).await, 400);
        expect(admin.patch("/v1/sources/shared", &json!({"scope": "project"})).await, 400);
        let whole = json!({"name": "shared", "kind": "local"});
        assert_eq!(expect(admin.put("/v1/sources/shared", &whole).await, 200)["scope"], "workspace");
        for path in ["/v1/sources/own", "/v1/sources/shared"] {
            let shown = expect(admin.get(path).await, 200);
            expect(admin.put(path, &shown).await, 200);
        }
        let wrong = json!({"name": "x", "kind": "local", "scope": "planet"});
        expect(admin.post("/v1/sources", &wrong).await, 400);
    }
}

#[tokio::test]
async fn a_source_of_the_workspace_goes_only_with_force_while_any_project_uses_it() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &shared("shared")).await, 201);
        let billing = service.client_in("billing", "admin").await;
        let text = "{{ secrets@shared.s3 }}";
        expect(admin.post("/v1/resources", &keyed("ours", text, text)).await, 201);
        for name in ["theirs", "theirs-too"] {
            expect(billing.post("/v1/resources", &keyed(name, text, text)).await, 201);
        }
        let removal = expect(admin.delete("/v1/sources/shared?dry_run=true").await, 200);
        assert_eq!(removal["used_by"], json!(["ours"]));
        assert_eq!(removal["used_elsewhere"], json!([{"project": "billing", "resources": 2}]));
        let refused = expect(admin.delete("/v1/sources/shared").await, 409);
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("`ours` and 2 resources of other projects"), "{detail}");
        expect(admin.delete("/v1/resources/ours").await, 204);
        expect(admin.delete("/v1/sources/shared").await, 409);
        expect(admin.delete("/v1/sources/shared?force=true").await, 200);
        expect(billing.get("/v1/sources/shared").await, 404);
        let left = expect(billing.get("/v1/resources/theirs").await, 200);
        assert_eq!(left["findings"][0]["code"], "SOURCE_MISSING", "{left:#}");
    }
}

#[tokio::test]
async fn a_secret_of_the_workspace_is_unused_only_when_no_project_names_it() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &shared("shared")).await, 201);
        for name in ["idle", "theirs"] {
            let path = format!("/v1/sources/shared/secrets/{name}");
            expect(admin.put(&path, &json!({"value": "v"})).await, 200);
        }
        let billing = service.client_in("billing", "admin").await;
        let text = "{{ secrets@shared.theirs }}";
        expect(billing.post("/v1/resources", &keyed("r", text, text)).await, 201);
        let usage = expect(admin.get("/v1/secrets/usage").await, 200);
        let secrets: Vec<&Value> =
            usage["secrets"].as_array().unwrap().iter().map(|row| &row["secret"]).collect();
        assert_eq!(secrets, ["idle"], "{usage:#}");
        assert!(!usage.to_string().contains("billing"));
    }
}

#[tokio::test]
async fn changes_of_the_workspace_are_in_the_audit_of_no_project() {
    for service in services().await {
        let admin = &service.admin;
        let billing = service.client_in("billing", "admin").await;
        expect(admin.post("/v1/sources?project=billing", &shared("shared")).await, 201);
        expect(admin.put("/v1/sources/shared/secrets/s3", &json!({"value": "v"})).await, 200);
        expect(admin.put("/v1/sources/shared/aliases/a", &json!({"secret": "s3"})).await, 200);
        expect(admin.patch("/v1/sources/shared", &json!({"description": "x"})).await, 200);
        expect(admin.put("/v1/sources/active", &active("production", "shared", "workspace")).await, 200);
        expect(billing.put("/v1/sources/active", &active("production", "shared", "project")).await, 200);
        expect(admin.delete("/v1/sources/shared/secrets/s3").await, 204);
        expect(admin.delete("/v1/sources/shared").await, 200);
        let own = expect(billing.get("/v1/audit?limit=100").await, 200);
        let of = |list: &Value, all: bool| {
            let rows = list["rows"].as_array().unwrap().iter().rev();
            let rows = rows.filter(|row| row["project"] == "" || !all);
            let rows = rows.filter(|row| row["subject"] == "shared");
            rows.map(|row| row["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(of(&own, false), ["source.activate"], "{own:#}");
        let all = expect(admin.get("/v1/audit?all=true&limit=100").await, 200);
        let wanted = [
            "source.create",
            "secret.put",
            "source.alias",
            "source.update",
            "source.activate",
            "secret.delete",
            "source.delete",
        ];
        assert_eq!(of(&all, true), wanted, "{all:#}");
        assert_eq!(expect(admin.get("/v1/projects").await, 200)["projects"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_project_sees_its_own_role_and_no_other() {
    for service in services().await {
        let admin = &service.admin;
        let billing = service.client_in("billing", "admin").await;
        let sales = service.client_in("sales", "viewer").await;
        let role = |name: &str| json!({"role_arn": format!("{ROLE}/{name}")});
        let mut body = moto_source("shared", "http://127.0.0.1:9", "");
        body["project_roles"] = json!({"billing": role("b"), "sales": role("s")});
        refusal(admin.post("/v1/sources", &body).await, "NOT_OF_THE_WORKSPACE", "project_roles");
        body["scope"] = json!("workspace");
        expect(admin.post("/v1/sources", &body).await, 201);
        let names =
            |view: &Value| view["project_roles"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&expect(admin.get("/v1/sources/shared").await, 200)), ["billing", "sales"]);
        assert_eq!(names(&expect(billing.get("/v1/sources/shared").await, 200)), ["billing"]);
        let listed = expect(sales.get("/v1/sources").await, 200);
        assert_eq!(names(&listed["sources"][0]), ["sales"]);
        let path = "/v1/sources/shared";
        let typo = json!({"project_roles": {"biling": role("b")}});
        refusal(admin.patch(path, &typo).await, "UNKNOWN_PROJECT", "project_roles.biling");
        let removed = json!({"project_roles": {"sales": null}});
        assert_eq!(names(&expect(admin.patch(path, &removed).await, 200)), ["billing"]);
    }
}
