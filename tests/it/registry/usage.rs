//! Which resource uses which secret, which references lead nowhere, and which secrets nobody uses.

use serde_json::{Value, json};

use super::{keyed, services};
use crate::harness::aws::{Secrets, unique};
use crate::harness::servers::Servers;
use crate::support::{Client, expect, moto_source};

async fn usage(client: &Client, query: &str) -> Value {
    expect(client.get(&format!("/v1/secrets/usage?{query}")).await, 200)
}

/// Source, secret, whether it is there, and the fields that use it.
fn rows(usage: &Value) -> Vec<(String, String, Value, Vec<String>)> {
    let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
    let places = |secret: &Value| {
        let used_by = secret["used_by"].as_array().unwrap().iter();
        used_by.map(|place| format!("{} {}", text(place, "resource"), text(place, "field"))).collect()
    };
    let secrets = usage["secrets"].as_array().unwrap().iter();
    secrets
        .map(|secret| {
            (text(secret, "source"), text(secret, "secret"), secret["exists"].clone(), places(secret))
        })
        .collect()
}

#[tokio::test]
async fn uses_dangling_references_and_secrets_that_nobody_uses_are_told() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        expect(admin.put("/v1/sources/vault/aliases/short", &json!({"secret": "s3"})).await, 200);
        for name in ["s3", "unused"] {
            expect(
                admin.put(&format!("/v1/sources/vault/secrets/{name}"), &json!({"value": "v"})).await,
                200,
            );
        }
        let mut body = keyed("a", "{{ secrets.s3.id }}", "{{ vault:short.secret }}");
        body["environments"] = json!({"staging": {"region": "eu-west-1"}});
        expect(admin.post("/v1/resources", &body).await, 201);
        let body = keyed("b", "{{ secrets.missing.id }}", "{{ secrets@later.s3.secret }}");
        expect(admin.post("/v1/resources", &body).await, 201);

        let all = usage(admin, "").await;
        let vault = |name: &str, exists: bool, used_by: &[&str]| {
            let used_by = used_by.iter().map(|&place| place.to_owned()).collect::<Vec<_>>();
            ("vault".to_owned(), name.to_owned(), json!(exists), used_by)
        };
        assert_eq!(
            rows(&all),
            [
                vault("missing", false, &["b auth.access_key_id"]),
                vault("s3", true, &["a auth.access_key_id", "a auth.secret_access_key"]),
                vault("unused", true, &[]),
            ]
        );
        // in staging no source is active, and nothing falls back to another one
        let nowhere = all["without_source"].as_array().unwrap();
        assert_eq!(nowhere.len(), 3, "{all:#}");
        let later = nowhere.iter().find(|row| row["resource"] == "b").unwrap();
        assert_eq!(later["reference"], "{{ secrets@later.s3.secret }}");
        assert!(later["reason"].as_str().unwrap().contains("`later`"), "{later:#}");
        assert_eq!(all["unlisted"], json!([]));

        assert_eq!(rows(&usage(admin, "resource=b").await).len(), 1);
        assert_eq!(rows(&usage(admin, "search=unu").await)[0].1, "unused");
        expect(admin.get("/v1/secrets/usage?resource=nobody").await, 404);
        expect(admin.get("/v1/secrets/usage?source=nobody").await, 404);
    }
}

#[tokio::test]
async fn sources_at_aws_are_asked_for_their_names_only_when_it_is_wanted() {
    let servers = Servers::get();
    let (secrets, namespace) = (Secrets::on_moto(&servers), unique("usage"));
    let there = secrets.create(&format!("{namespace}/there"), "v").await;
    secrets.create(&format!("{namespace}/unused"), "v").await;
    let outside = secrets.create(&unique("outside"), "v").await;
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &moto_source("moto", &servers.moto, &namespace)).await, 201);
        let by_arn = format!("{{{{ secrets['{}'] }}}}", there.arn);
        expect(admin.post("/v1/resources", &keyed("a", "{{ secrets.gone }}", &by_arn)).await, 201);
        let unasked = usage(admin, "").await;
        assert!(rows(&unasked).iter().all(|(_, _, exists, _)| exists.is_null()), "{unasked:#}");
        assert_eq!(unasked["unlisted"][0]["source"], "moto");
        // what lies beyond the namespace or in another account was not listed, and is not known to be missing
        let elsewhere = there.arn.replace("123456789012", "999999999999");
        assert_ne!(elsewhere, there.arn);
        let beyond =
            [outside.arn.as_str(), elsewhere.as_str()].map(|arn| format!("{{{{ secrets['{arn}'] }}}}"));
        expect(admin.post("/v1/resources", &keyed("b", &beyond[0], &beyond[1])).await, 201);
        let unknown = usage(admin, "check=true&resource=b").await;
        assert_eq!(rows(&unknown).len(), 2, "{unknown:#}");
        assert!(rows(&unknown).iter().all(|(_, _, exists, _)| exists.is_null()), "{unknown:#}");
        expect(admin.delete("/v1/resources/b").await, 204);
        let asked = usage(admin, "check=true").await;
        let told: Vec<(String, Value)> =
            rows(&asked).into_iter().map(|(_, secret, exists, _)| (secret, exists)).collect();
        let wanted = [
            (there.arn.clone(), json!(true)),
            (format!("{namespace}/gone"), json!(false)),
            (format!("{namespace}/unused"), json!(true)),
        ];
        assert_eq!(told, wanted);
    }
}

/// The names are put into the database as they are: it takes what a service would need a minute for.
#[tokio::test]
async fn a_local_source_with_too_many_secrets_is_told_as_not_looked_into() {
    for service in services().await {
        let admin = &service.admin;
        expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        expect(admin.put("/v1/sources/vault/secrets/zz", &json!({"value": "v"})).await, 200);
        expect(admin.post("/v1/resources", &keyed("a", "{{ secrets.zz }}", "{{ secrets.zz }}")).await, 201);
        let looked = usage(admin, "").await;
        assert_eq!((&looked["unlisted"], &rows(&looked)[0].2), (&json!([]), &json!(true)), "{looked:#}");
        let mut database = service.database().await;
        let copies = "INSERT INTO vault_secrets (id, source_id, name, version_id, sealed, updated_ms, version_created_ms, version_created_by, previous_version_id) WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10000) SELECT s.id || '-' || CAST(n AS TEXT), s.source_id, 'a' || CAST(n AS TEXT), s.version_id, s.sealed, s.updated_ms, s.version_created_ms, s.version_created_by, s.previous_version_id FROM vault_secrets s CROSS JOIN numbers";
        sqlx::query(copies).execute(&mut database).await.unwrap();
        let usage = usage(admin, "").await;
        assert_eq!(usage["unlisted"][0]["source"], "vault", "{usage:#}");
        assert!(usage["unlisted"][0]["reason"].as_str().unwrap().contains("10000"), "{usage:#}");
        assert_eq!(rows(&usage).len(), 1);
        assert!(rows(&usage)[0].2.is_null(), "its name comes last, and nobody looked so far: {usage:#}");
    }
}
