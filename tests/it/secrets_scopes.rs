//! What projects read through one source of the workspace: each with its own role, and each only what that role read.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::harness::aws::{Secrets, unique};
use crate::harness::http_fault::{Answer, HttpFault, Recorded};
use crate::harness::servers::Servers;
use crate::secrets_world::{check, new_key, pair, until};
use crate::support::{Client, Embedded, Service, Setup, expect, moto_source, templated};

const ALWAYS: usize = 1_000_000;

/// The source `shared` of the workspace at moto, whose calls are counted, and a resource `r` in each project.
struct Workspace {
    service: Service,
    embedded: Embedded,
    front: HttpFault,
    secrets: Secrets,
    namespace: String,
    billing: Client,
    sales: Client,
}

impl Workspace {
    /// These fields of the source replace the usual ones.
    async fn with(fields: Value) -> Workspace {
        let servers = Servers::get();
        let (service, embedded) = (Setup::new().start().await, Embedded::start().await);
        let front = HttpFault::start(&servers.moto).await;
        let (namespace, secrets) = (unique("workspace"), Secrets::on_moto(&servers));
        secrets.create_json(&format!("{namespace}/s3"), &pair(&embedded.key)).await;
        let billing = service.client_in("billing", "admin").await;
        let sales = service.client_in("sales", "admin").await;
        let mut source = moto_source("shared", &front.url(), &namespace);
        source["scope"] = json!("workspace");
        for (name, value) in fields.as_object().unwrap() {
            source[name] = value.clone();
        }
        expect(service.admin.post("/v1/sources", &source).await, 201);
        let body = templated(
            "r",
            &embedded.url,
            "bucket",
            "{{ secrets@shared.s3.id }}",
            "{{ secrets@shared.s3.secret }}",
        );
        for client in [&service.admin, &billing, &sales] {
            expect(client.post("/v1/resources", &body).await, 201);
        }
        Workspace { service, embedded, front, secrets, namespace, billing, sales }
    }

    /// With roles for the projects `billing` and `sales`.
    async fn with_roles() -> Workspace {
        Workspace::with(json!({"project_roles": {"billing": role("billing"), "sales": role("sales")}})).await
    }

    fn admin(&self) -> &Client {
        &self.service.admin
    }

    /// The calls that read a value.
    fn reads(&self) -> Vec<Recorded> {
        self.calls("GetSecretValue")
    }

    fn calls(&self, action: &str) -> Vec<Recorded> {
        let requests = self.front.requests().into_iter();
        requests.filter(|request| request.action.as_deref() == Some(action)).collect()
    }

    /// The forms of the calls of `AssumeRole`.
    fn assumptions(&self) -> Vec<HashMap<String, String>> {
        let form = |request: Recorded| url::form_urlencoded::parse(&request.body).into_owned().collect();
        self.calls("AssumeRole").into_iter().map(form).collect()
    }
}

fn arn(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{name}")
}

fn role(name: &str) -> Value {
    json!({"role_arn": arn(name), "external_id": format!("{name}-1")})
}

async fn list(client: &Client) -> (u16, Value) {
    client.query("r", &json!({"operation": "list"})).await
}

fn has_session(request: &Recorded) -> bool {
    request.headers.contains_key("x-amz-security-token")
}

/// The projects whose roles read what is cached, in order; empty for the source itself.
async fn cached_for(client: &Client) -> Vec<String> {
    let status = expect(client.get("/v1/sources/shared/cache").await, 200);
    let rows = status["secrets"].as_array().unwrap().iter();
    let mut projects: Vec<String> =
        rows.map(|row| row["project"].as_str().unwrap_or_default().to_owned()).collect();
    projects.sort();
    projects
}

#[tokio::test]
async fn a_project_reads_with_its_own_role_and_one_without_with_the_sources_own_identity() {
    let world = Workspace::with_roles().await;
    for (client, name) in [(&world.billing, "billing"), (&world.sales, "sales")] {
        for _ in 0..3 {
            expect(list(client).await, 200);
        }
        let last = world.assumptions().pop().unwrap();
        assert_eq!(last["RoleArn"], arn(name));
        assert_eq!(last["ExternalId"], format!("{name}-1"));
        assert_eq!(last["RoleSessionName"], format!("s3c-{name}"));
        assert!(has_session(&world.reads().pop().unwrap()), "read without the role's session");
    }
    expect(list(world.admin()).await, 200);
    assert_eq!(world.assumptions().len(), 2);
    assert_eq!(world.reads().len(), 3, "each project reads once, and no value of another is served");
    assert!(!has_session(&world.reads().pop().unwrap()));
}

#[tokio::test]
async fn one_project_never_reads_the_value_that_another_ones_role_may_read() {
    let world = Workspace::with_roles().await;
    expect(list(&world.billing).await, 200);
    let denied = Answer::json_error(400, "AccessDeniedException");
    world.front.answer_to("GetSecretValue", ALWAYS, denied);
    for client in [&world.sales, world.admin()] {
        let error = expect(list(client).await, 424);
        assert!(error["detail"].as_str().unwrap().contains("AccessDeniedException"), "{error:#}");
    }
    assert_eq!(world.reads().len(), 3);
    // the refusal of one is not the refusal of the other either
    expect(list(&world.billing).await, 200);
    assert_eq!(world.reads().len(), 3);
}

#[tokio::test]
async fn status_refresh_and_clear_cover_what_was_read_for_projects_and_show_nobody_anothers() {
    let world = Workspace::with_roles().await;
    for client in [&world.billing, &world.sales, world.admin()] {
        expect(list(client).await, 200);
    }
    assert_eq!(cached_for(world.admin()).await, ["", "billing", "sales"]);
    assert_eq!(cached_for(&world.billing).await, ["billing"]);
    let stranger = world.service.client_in("stranger", "editor").await;
    assert!(cached_for(&stranger).await.is_empty(), "none of its resources names what others read");
    let text = "{{ secrets@shared.s3.id }}";
    let body = templated("r", &world.embedded.url, "bucket", text, text);
    expect(stranger.post("/v1/resources", &body).await, 201);
    assert_eq!(cached_for(&stranger).await, [""], "its own references would be served by this one");

    let before = world.reads().len();
    let refresh = "/v1/sources/shared/refresh";
    let all = expect(world.admin().post(refresh, &json!({})).await, 200);
    assert_eq!(all["refreshed"].as_array().unwrap().len(), 3, "{all:#}");
    let reads = world.reads().split_off(before);
    assert_eq!(reads.iter().filter(|read| has_session(read)).count(), 2, "each is read by its own role");
    let own = expect(world.billing.post(refresh, &json!({"secrets": ["s3"]})).await, 200);
    assert!(own["refreshed"][0]["after"].is_string(), "{own:#}");
    assert!(has_session(&world.reads().pop().unwrap()));

    let clear = "/v1/sources/shared/clear";
    assert_eq!(expect(world.billing.post(clear, &json!({})).await, 200)["cleared"], 1);
    assert_eq!(cached_for(world.admin()).await, ["", "sales"]);
    assert_eq!(expect(world.sales.post("/v1/cache/clear", &json!({})).await, 200)["cleared"], 1);
    expect(list(&world.billing).await, 200);
    assert_eq!(expect(world.admin().post(clear, &json!({})).await, 200)["cleared"], 2);
}

/// The version that is cached.
async fn version(client: &Client) -> Value {
    let status = expect(client.get("/v1/sources/shared/cache").await, 200);
    status["secrets"][0]["version_id"].clone()
}

#[tokio::test]
async fn what_projects_share_is_thrown_away_by_none_of_them() {
    let world = Workspace::with(json!({})).await;
    for client in [&world.billing, &world.sales] {
        expect(list(client).await, 200);
    }
    assert_eq!(world.reads().len(), 1, "it is shared");
    let stranger = world.service.client_in("stranger", "admin").await;
    let (clear, clear_all) = ("/v1/sources/shared/clear", "/v1/cache/clear");
    for path in [clear, clear_all] {
        let none = expect(stranger.post(path, &json!({})).await, 200);
        assert_eq!((&none["cleared"], &none["refreshing"]), (&json!(0), &json!(0)), "{path}");
    }
    assert!(cached_for(&stranger).await.is_empty());
    assert_eq!(world.reads().len(), 1, "who names no secret has none read");

    // a project that does has it read again, and sees the new version
    let value = pair(&world.embedded.key).to_string();
    for path in [clear, clear_all] {
        let next = world.secrets.put(&format!("{}/s3", world.namespace), &value).await;
        let told = expect(world.sales.post(path, &json!({})).await, 200);
        assert_eq!((&told["cleared"], &told["refreshing"]), (&json!(0), &json!(1)), "{path}");
        until("the new version", async || version(&world.billing).await == next.version_id).await;
    }

    // while the source is down, the last good value stays with everybody
    world.front.answer_to("GetSecretValue", ALWAYS, Answer::json_error(503, "InternalServiceError"));
    world.front.answer_to("BatchGetSecretValue", ALWAYS, Answer::json_error(503, "InternalServiceError"));
    for path in [clear, clear_all] {
        assert_eq!(expect(world.sales.post(path, &json!({})).await, 200)["cleared"], 0);
        for client in [&world.billing, &world.sales] {
            expect(list(client).await, 200);
        }
    }
    assert_eq!(expect(world.admin().post(clear, &json!({})).await, 200)["cleared"], 1);
}

#[tokio::test]
async fn the_role_of_a_project_is_assumed_by_the_session_of_the_sources_role() {
    let fields =
        json!({"assume_role": {"role_arn": arn("first")}, "project_roles": {"billing": role("billing")}});
    let world = Workspace::with(fields).await;
    expect(list(&world.billing).await, 200);
    let roles: Vec<String> = world.assumptions().iter().map(|form| form["RoleArn"].clone()).collect();
    assert_eq!(roles, [arn("first"), arn("billing")]);
    let sessions: Vec<bool> = world.calls("AssumeRole").iter().map(has_session).collect();
    assert_eq!(sessions, [false, true], "the second role is assumed by the first one's session");
    expect(list(&world.sales).await, 200);
    assert_eq!(world.assumptions().len(), 2, "the session of the source's own role is shared");
    let report = expect(world.billing.post("/v1/sources/shared/test", &json!({})).await, 200);
    assert_eq!(check(&report, "role-assumed")["status"], "passed", "{report:#}");
}

#[tokio::test]
async fn a_project_without_a_role_is_refused_where_roles_are_required() {
    let fields = json!({"project_roles": {"billing": role("billing")}, "project_roles_required": true});
    let world = Workspace::with(fields).await;
    expect(list(&world.billing).await, 200);
    let reads = world.reads().len();
    for client in [&world.sales, world.admin()] {
        let error = expect(list(client).await, 424);
        let detail = error["detail"].as_str().unwrap();
        assert!(detail.contains("`project_roles`") && detail.contains("`shared`"), "{error:#}");
        expect(client.get("/v1/sources/shared").await, 200);
        expect(client.get("/v1/sources/shared/secrets").await, 424);
        let refresh = json!({"secrets": ["s3"]});
        let refused = expect(client.post("/v1/sources/shared/refresh", &refresh).await, 200);
        assert!(refused["refreshed"][0]["after"].is_null(), "{refused:#}");
        let report = expect(client.post("/v1/sources/shared/test", &json!({})).await, 200);
        assert_eq!(report["verdict"], "fails", "{report:#}");
    }
    assert_eq!(world.reads().len(), reads, "nothing was asked for them");
    let usage = expect(world.sales.get("/v1/secrets/usage").await, 200);
    let reason = usage["without_source"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("`project_roles`"), "{usage:#}");
}

#[tokio::test]
async fn another_role_reads_anew() {
    let world = Workspace::with_roles().await;
    for client in [&world.billing, &world.sales] {
        expect(list(client).await, 200);
    }
    let change = json!({"project_roles": {"billing": role("another")}});
    expect(world.admin().patch("/v1/sources/shared", &change).await, 200);
    assert!(cached_for(world.admin()).await.is_empty());
    expect(list(&world.billing).await, 200);
    assert_eq!(world.assumptions().pop().unwrap()["RoleArn"], arn("another"));
    assert_eq!(world.reads().len(), 3);
    let removed = json!({"project_roles": {"billing": null}});
    expect(world.admin().patch("/v1/sources/shared", &removed).await, 200);
    expect(list(&world.billing).await, 200);
    assert!(!has_session(&world.reads().pop().unwrap()), "the role is gone");
}

#[tokio::test]
async fn a_rotation_is_healed_by_the_role_that_read_the_secret() {
    let world = Workspace::with_roles().await;
    expect(list(&world.billing).await, 200);
    let key = new_key();
    world.secrets.put(&format!("{}/s3", world.namespace), &pair(&key).to_string()).await;
    world.embedded.store.set_keys(&key.id, key.secret.clone().into());
    expect(list(&world.billing).await, 200);
    assert_eq!(world.reads().len(), 2);
    assert!(world.reads().iter().all(has_session));
}

#[tokio::test]
async fn plain_references_of_a_project_read_with_its_role_too() {
    let world = Workspace::with_roles().await;
    let body = json!({"environment": "production", "source": "shared", "scope": "workspace"});
    expect(world.admin().put("/v1/sources/active", &body).await, 200);
    let plain =
        templated("plain", &world.embedded.url, "bucket", "{{ secrets.s3.id }}", "{{ secrets.s3.secret }}");
    expect(world.billing.post("/v1/resources", &plain).await, 201);
    expect(world.billing.query("plain", &json!({"operation": "list"})).await, 200);
    assert!(has_session(&world.reads().pop().unwrap()));
    expect(list(&world.billing).await, 200);
    assert_eq!(world.reads().len(), 1, "named or not, it is the same secret of the same project");
}
