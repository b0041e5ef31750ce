//! Usage policies: which secrets may be used where, judged at save and at query.

use reqwest::Method;
use serde_json::{Value, json};

use super::{etag, eventually, keyed, open, refusal, replicated, send, services};
use crate::secrets_world::check;
use crate::support::{Client, Embedded, PLANTED, Service, Setup, expect, templated};

const RULES: &str = "/v1/usage-policies";
const ID: &str = "{{ secrets.s3.id }}";
const SECRET: &str = "{{ secrets.s3.secret }}";

/// A local source whose secret `s3` holds the keys of a store.
async fn vault(admin: &Client, embedded: &Embedded) {
    let source = json!({"name": "vault", "kind": "local", "config_paths": ["place.url"]});
    expect(admin.post("/v1/sources", &source).await, 201);
    let value = json!({"value": {"id": embedded.key.id, "secret": embedded.key.secret}});
    expect(admin.put("/v1/sources/vault/secrets/s3", &value).await, 200);
}

fn rule(fields: Value) -> Value {
    let mut body = json!({"name": "keys", "source": "vault", "secrets": ["s3"]});
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    body.as_object_mut().unwrap().extend(fields);
    body
}

async fn list(client: &Client, resource: &str) -> (u16, Value) {
    client.query(resource, &json!({"operation": "list"})).await
}

fn main_resource(embedded: &Embedded) -> Value {
    templated("main", &embedded.url, &embedded.bucket, ID, SECRET)
}

#[tokio::test]
async fn a_save_that_a_rule_does_not_allow_is_refused_with_the_rules_name() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        expect(admin.put("/v1/sources/vault/aliases/short", &json!({"secret": "s3"})).await, 200);
        expect(admin.post(RULES, &rule(json!({"projects": ["billing"]}))).await, 201);
        for (id, secret) in [(ID, SECRET), ("{{ vault:short.id }}", "{{ secrets@vault.s3.secret }}")] {
            let finding = refusal(
                admin.post("/v1/resources", &keyed("r", id, secret)).await,
                "USAGE_DENIED",
                "auth.access_key_id",
            );
            let message = finding["message"].as_str().unwrap();
            for part in ["`s3`", "`vault`", "`r`", "`default`", "`keys`", "does not allow the project"] {
                assert!(message.contains(part), "no {part} in {finding:#}");
            }
            assert!(finding["help"].as_str().unwrap().contains("`keys`"), "{finding:#}");
            assert_eq!((&finding["line"], &finding["column"]), (&json!(1), &json!(1)));
        }
        // a secret that no rule names may be used as before
        let free = keyed("r", "{{ secrets.other.id }}", "{{ secrets.other.secret }}");
        expect(admin.post("/v1/resources", &free).await, 201);
        let keys = json!({"auth": {"access_key_id": ID}});
        refusal(admin.patch("/v1/resources/r", &keys).await, "USAGE_DENIED", "auth.access_key_id");
        expect(admin.put(&format!("{RULES}/keys"), &rule(json!({"projects": ["default"]}))).await, 200);
        expect(admin.patch("/v1/resources/r", &keys).await, 200);
    }
}

#[tokio::test]
async fn a_secret_stays_at_the_places_that_its_rule_names() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        let role = "arn:aws:iam::111122223333:role/reader";
        let narrow = rule(json!({"endpoint_hosts": ["aws"], "role_arns": ["none", role]}));
        expect(admin.post(RULES, &narrow).await, 201);
        expect(admin.post("/v1/resources", &keyed("r", ID, SECRET)).await, 201);
        let moves = [
            (json!({"endpoint": "http://127.0.0.1:9"}), "endpoint host"),
            (json!({"environments": {"staging": {"endpoint": "http://127.0.0.1:9"}}}), ""),
            (json!({"assume_role": {"role_arn": "arn:aws:iam::111122223333:role/writer"}}), "role"),
        ];
        expect(
            admin.put("/v1/sources/active", &json!({"environment": "staging", "source": "vault"})).await,
            200,
        );
        for (change, dimension) in moves {
            let finding = refusal(
                admin.patch("/v1/resources/r", &change).await,
                "USAGE_DENIED",
                "auth.secret_access_key",
            );
            assert!(finding["message"].as_str().unwrap().contains(dimension), "{finding:#}");
        }
        expect(admin.patch("/v1/resources/r", &json!({"assume_role": {"role_arn": role}})).await, 200);
        expect(admin.patch("/v1/resources/r", &json!({"expected_bucket_owner": "111122223333"})).await, 200);
        let rows = expect(admin.get("/v1/audit?limit=50").await, 200);
        let details: Vec<&str> =
            rows["rows"].as_array().unwrap().iter().filter_map(|row| row["detail"].as_str()).collect();
        for moved in ["(assume_role)", "(expected_bucket_owner)"] {
            let told =
                details.iter().any(|detail| [moved, ID, SECRET].iter().all(|part| detail.contains(part)));
            assert!(told, "no {moved} in {details:#?}");
        }
    }
}

#[tokio::test]
async fn a_rule_made_later_denies_the_next_query_on_every_replica_until_it_is_gone() {
    let embedded = Embedded::start().await;
    for service in replicated().await {
        let admin = &service.admin;
        vault(admin, &embedded).await;
        expect(admin.post("/v1/resources", &main_resource(&embedded)).await, 201);
        let (_process, replica) = service.replica().await;
        for client in [admin, &replica] {
            expect(list(client, "main").await, 200);
        }
        let elsewhere = rule(json!({"endpoint_hosts": ["s3.example.com"]}));
        let made = expect(admin.post(RULES, &elsewhere).await, 201);
        let denied = made["denied"].as_array().unwrap();
        assert_eq!(denied.len(), 2, "{made:#}");
        assert_eq!((&denied[0]["resource"], &denied[0]["already"]), (&json!("main"), &json!(false)));

        let requests = embedded.store.requests();
        let refused = expect(list(admin, "main").await, 403);
        assert_eq!(refused["code"], "UsageDenied");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("`keys`") && detail.contains("`127.0.0.1`"), "{refused:#}");
        assert!(refused["remedy"].as_str().unwrap().contains("`keys`"), "{refused:#}");
        assert_eq!(embedded.store.requests(), requests, "nothing is sent for a use that is denied");
        let rows = expect(admin.get("/v1/audit?limit=20").await, 200);
        let row =
            rows["rows"].as_array().unwrap().iter().find(|row| row["outcome"] == "UsageDenied").unwrap();
        assert_eq!((&row["action"], &row["subject"]), (&json!("object.list"), &json!("main")));
        assert!(row["detail"].as_str().unwrap().contains("`keys`"), "{row:#}");

        // the resource stays, and says what is wrong
        let shown = expect(admin.get("/v1/resources/main").await, 200);
        let told = shown["findings"].as_array().unwrap().iter().any(|found| found["code"] == "USAGE_DENIED");
        assert!(told, "{shown:#}");
        let report = expect(admin.post("/v1/resources/main/test", &json!({})).await, 200);
        let resolved = check(&report, "secrets-resolved");
        assert_eq!((&resolved["status"], &resolved["cause"]), (&json!("failed"), &json!("UsageDenied")));
        assert!(resolved["remedy"].is_string(), "{report:#}");
        expect(admin.post("/v1/resources/main/copy", &json!({"name": "copy"})).await, 422);

        let path = "/v1/resources/main/objects";
        eventually(&replica, path, |status, _| status == 403).await;
        expect(admin.delete(&format!("{RULES}/keys")).await, 200);
        expect(list(admin, "main").await, 200);
        eventually(&replica, path, |status, _| status == 200).await;
    }
}

#[tokio::test]
async fn an_endpoint_that_comes_out_of_a_secret_is_judged_when_it_is_rendered() {
    let embedded = Embedded::start().await;
    for service in services().await {
        let admin = &service.admin;
        vault(admin, &embedded).await;
        let place = json!({"value": {"url": embedded.url}});
        expect(admin.put("/v1/sources/vault/secrets/place", &place).await, 200);
        expect(admin.post(RULES, &rule(json!({"endpoint_hosts": ["s3.example.com"]}))).await, 201);
        let mut body = main_resource(&embedded);
        body["endpoint"] = json!("{{ secrets.place.url }}");
        let saved = expect(admin.post("/v1/resources", &body).await, 201);
        assert_eq!(saved["findings"], json!([]), "what is a template is judged at the query");
        let refused = expect(list(admin, "main").await, 403);
        assert!(refused["detail"].as_str().unwrap().contains("`127.0.0.1`"), "{refused:#}");
        expect(
            admin.put(&format!("{RULES}/keys"), &rule(json!({"endpoint_hosts": ["127.0.0.?"]}))).await,
            200,
        );
        expect(list(admin, "main").await, 200);
    }
}

#[tokio::test]
async fn a_role_that_comes_out_of_a_secret_is_judged_and_never_told() {
    let embedded = Embedded::start().await;
    for service in services().await {
        let admin = &service.admin;
        vault(admin, &embedded).await;
        let role = json!({"value": format!("arn:aws:iam::111122223333:role/{PLANTED}")});
        expect(admin.put("/v1/sources/vault/secrets/role", &role).await, 200);
        let allowed = json!({"role_arns": ["arn:aws:iam::111122223333:role/reader"]});
        expect(admin.post(RULES, &rule(allowed)).await, 201);
        let mut body = main_resource(&embedded);
        body["assume_role"] = json!({"role_arn": "{{ secrets.role }}"});
        expect(admin.post("/v1/resources", &body).await, 201);
        let refused = expect(list(admin, "main").await, 403);
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("`keys` does not allow the role"), "{refused:#}");
        let report = expect(admin.post("/v1/resources/main/test", &json!({})).await, 200);
        assert_eq!(check(&report, "secrets-resolved")["cause"], "UsageDenied");
        let rows = expect(admin.get("/v1/audit?limit=20").await, 200);
        for answer in [refused, report, rows] {
            assert!(!answer.to_string().contains(PLANTED), "{answer:#}");
        }
        assert!(!service.process.output().contains(PLANTED));
    }
}

#[tokio::test]
async fn another_way_to_write_a_secrets_name_does_not_avoid_its_rule() {
    for service in services().await {
        let admin = &service.admin;
        let source = json!({"name": "aws", "kind": "aws", "region": "us-east-1", "namespace": "retool/prod",
            "auth": {"kind": "access_key", "access_key_id": "AKIAMOTO000000000001", "secret_access_key": "x"}});
        expect(admin.post("/v1/sources", &source).await, 201);
        let locked = json!({"name": "locked", "source": "aws", "secrets": ["payments/*"], "projects": []});
        expect(admin.post(RULES, &locked).await, 201);
        let arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:retool/prod/payments/s3";
        for name in ["payments/s3".to_owned(), arn.to_owned(), format!("{arn}-AbCdEf")] {
            let text = format!("{{{{ secrets['{name}'].id }}}}");
            let body = keyed("r", &text, "{{ secrets.free.secret }}");
            refusal(admin.post("/v1/resources", &body).await, "USAGE_DENIED", "auth.access_key_id");
        }
    }
}

#[tokio::test]
async fn what_no_rule_names_is_denied_where_the_installation_says_so() {
    let setup = Setup::new().with("S3_CONNECTOR__USAGE_POLICY__DEFAULT", "deny");
    let service = setup.start().await;
    let admin = &service.admin;
    expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
    let body = keyed("r", ID, SECRET);
    refusal(admin.post("/v1/resources", &body).await, "USAGE_DENIED", "auth.access_key_id");
    let made = expect(admin.post(RULES, &rule(json!({}))).await, 201);
    assert_eq!(made["denied"], json!([]));
    expect(admin.post("/v1/resources", &body).await, 201);
    let removal = expect(admin.delete(&format!("{RULES}/keys?dry_run=true")).await, 200);
    assert_eq!(removal["denied"].as_array().unwrap().len(), 2, "{removal:#}");
    assert_eq!((&removal["name"], &removal["denied"][0]["rule"]), (&json!("keys"), &Value::Null));
}

#[tokio::test]
async fn a_rule_is_made_changed_and_deleted_under_its_version_and_a_dry_run_says_what_it_would_deny() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        expect(admin.post("/v1/resources", &keyed("r", ID, SECRET)).await, 201);
        let locked = rule(json!({"projects": []}));
        let would = expect(admin.post(&format!("{RULES}?dry_run=true"), &locked).await, 200);
        assert_eq!(would["denied"][0]["project"], "default", "{would:#}");
        assert_eq!(expect(admin.get(RULES).await, 200)["usage_policies"], json!([]));

        let made = send(admin, Method::POST, RULES, None, &rule(json!({}))).await;
        assert_eq!((made.status().as_u16(), etag(&made)), (201, "\"1\"".to_owned()));
        expect(admin.post(RULES, &locked).await, 409);
        let path = format!("{RULES}/keys");
        for method in [Method::PUT, Method::DELETE] {
            assert_eq!(send(admin, method.clone(), &path, None, &locked).await.status(), 428, "{method}");
            let stale = send(admin, method.clone(), &path, Some("\"9\""), &locked).await;
            assert_eq!(stale.status(), 412, "{method}");
        }
        let dry = format!("{path}?dry_run=true");
        assert_eq!(expect(admin.put(&dry, &locked).await, 200)["denied"].as_array().unwrap().len(), 2);
        let mut read = expect(admin.get(&path).await, 200);
        assert_eq!((&read["version"], read.get("projects")), (&json!(1), None));
        read["projects"] = json!([]);
        let changed = send(admin, Method::PUT, &path, Some("\"1\""), &read).await;
        assert_eq!((changed.status().as_u16(), etag(&changed)), (200, "\"2\"".to_owned()));
        expect(admin.put(&path, &rule(json!({"name": "renamed"}))).await, 400);
        refusal(admin.put(&path, &rule(json!({"role_arns": []}))).await, "EMPTY_LIST", "role_arns");
        expect(admin.put(&path, &rule(json!({"project": ["a"]}))).await, 400);

        expect(admin.delete(&dry).await, 200);
        expect(admin.get(&path).await, 200);
        expect(admin.delete(&path).await, 200);
        expect(admin.get(&path).await, 404);
        let rows = expect(admin.get("/v1/audit?limit=50").await, 200);
        let done: Vec<&str> = rows["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["action"].as_str().unwrap())
            .filter(|action| action.starts_with("usage_policy."))
            .collect();
        assert_eq!(done, ["usage_policy.delete", "usage_policy.update", "usage_policy.create"]);
    }
}

#[tokio::test]
async fn a_use_that_nobody_made_yet_can_be_judged() {
    let service = Setup::new().start().await;
    let admin = &service.admin;
    expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
    expect(admin.post(RULES, &rule(json!({"endpoint_hosts": ["aws"], "role_arns": ["none"]}))).await, 201);
    let question = json!({"project": "default", "source": "vault", "secret": "s3",
        "field": "auth.secret_access_key"});
    let asked = |name: &str, value: &str| {
        let mut question = question.clone();
        question[name] = json!(value);
        let admin = admin.clone();
        async move { admin.post(&format!("{RULES}/check"), &question).await }
    };
    let allowed = expect(asked("secret", "s3").await, 200);
    assert_eq!((&allowed["allowed"], &allowed["rule"]), (&json!(true), &json!("keys")));
    for (name, value, refuses) in [
        ("endpoint", "https://s3.example.com", "endpoint_hosts"),
        ("endpoint", "s3.example.com", "endpoint_hosts"),
        ("role_arn", "arn:aws:iam::111122223333:role/r", "role_arns"),
        ("field", "bucket", "fields"),
    ] {
        let denied = expect(asked(name, value).await, 200);
        assert_eq!((&denied["allowed"], &denied["refuses"]), (&json!(false), &json!(refuses)), "{denied:#}");
    }
    let free = expect(asked("secret", "other").await, 200);
    assert_eq!((&free["allowed"], &free["rule"]), (&json!(true), &Value::Null));
    expect(asked("source", "nobody").await, 404);
    expect(asked("project", "nobody").await, 404);
    expect(asked("field", "auth.nothing").await, 400);
}

#[tokio::test]
async fn only_admins_of_the_installation_see_and_change_rules() {
    let service = Setup::new().start().await;
    expect(service.admin.post(RULES, &rule(json!({}))).await, 201);
    let admin = service.client("admin").await;
    let path = format!("{RULES}/keys");
    let question = json!({"project": "default", "source": "vault", "secret": "s3", "field": "bucket"});
    for refused in [
        admin.get(RULES).await,
        admin.get(&path).await,
        admin.get(&format!("{RULES}/nobody")).await,
        admin.post(RULES, &rule(json!({"name": "mine"}))).await,
        admin.put(&path, &rule(json!({}))).await,
        admin.delete(&path).await,
        admin.post(&format!("{RULES}/check"), &question).await,
    ] {
        assert_eq!(expect(refused, 403)["code"], "Forbidden");
    }
}

/// The sum of a counter over its labels.
async fn statements(service: &Service) -> u64 {
    let (_, text) = service.admin.get("/metrics").await;
    let name = "s3_connector_store_statements_total";
    let lines = text.as_str().unwrap().lines().filter(|line| line.starts_with(name));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[tokio::test]
async fn rules_cost_a_warm_query_no_statement_and_no_call() {
    let embedded = Embedded::start().await;
    // background work that counts statements too is put off
    let setup = Setup::new()
        .with("S3_CONNECTOR__STORE__POLL_MS", "3600000")
        .with("S3_CONNECTOR__AUDIT__FLUSH_MS", "3600000");
    let service = setup.start().await;
    let admin = &service.admin;
    vault(admin, &embedded).await;
    expect(admin.post(RULES, &rule(json!({"endpoint_hosts": ["127.0.0.1"]}))).await, 201);
    expect(admin.post("/v1/resources", &main_resource(&embedded)).await, 201);
    expect(admin.post("/v1/resources", &open("other")).await, 201);
    expect(list(admin, "main").await, 200);
    let (before, calls) = (statements(&service).await, embedded.store.requests());
    for _ in 0..20 {
        expect(list(admin, "main").await, 200);
    }
    assert_eq!((statements(&service).await, embedded.store.requests() - calls), (before, 20));
}
