//! The local vault keeps what was before: versions, rollback, and a sealed document to take away.

use serde_json::{Value, json};

use super::services;
use crate::support::{Client, Embedded, PLANTED, definition, expect, templated};

const S3: &str = "/v1/sources/vault/secrets/s3";
const VERSIONS: &str = "/v1/sources/vault/secrets/s3/versions";
const ROLLBACK: &str = "/v1/sources/vault/secrets/s3/rollback";
const PASSPHRASE: &str = "several words that nobody guesses";

async fn vault(admin: &Client) {
    expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
}

/// Writes a value and gives the id of its version.
async fn put(admin: &Client, path: &str, value: &Value) -> String {
    let stored = expect(admin.put(path, &json!({"value": value})).await, 200);
    stored["version_id"].as_str().unwrap().to_owned()
}

/// Ids and stages, the newest first.
async fn versions(admin: &Client) -> Vec<(String, Vec<String>)> {
    let listed = expect(admin.get(VERSIONS).await, 200);
    assert!(!listed.to_string().contains(PLANTED), "{listed:#}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = listed["versions"].as_array().unwrap().iter();
    rows.map(|row| (text(&row["version_id"]), row["stages"].as_array().unwrap().iter().map(text).collect()))
        .collect()
}

fn staged(id: &str, stage: &str) -> (String, Vec<String>) {
    (id.to_owned(), Some(stage).filter(|stage| !stage.is_empty()).map(str::to_owned).into_iter().collect())
}

#[tokio::test]
async fn every_write_keeps_the_one_before_and_a_rollback_swaps_the_stages() {
    for service in services().await {
        let admin = &service.admin;
        vault(admin).await;
        expect(admin.get(VERSIONS).await, 404);
        expect(admin.post(ROLLBACK, &json!({})).await, 404);
        let a = put(admin, S3, &json!(format!("{PLANTED} a"))).await;
        assert_eq!(versions(admin).await, [staged(&a, "AWSCURRENT")]);
        let none = expect(admin.post(ROLLBACK, &json!({})).await, 404);
        assert!(none["detail"].as_str().unwrap().contains("earlier version"), "{none:#}");
        let b = put(admin, S3, &json!(format!("{PLANTED} b"))).await;
        let c = put(admin, S3, &json!(format!("{PLANTED} c"))).await;
        let newest = [staged(&c, "AWSCURRENT"), staged(&b, "AWSPREVIOUS"), staged(&a, "")];
        assert_eq!(versions(admin).await, newest);

        let tried = expect(admin.post(&format!("{ROLLBACK}?dry_run=true"), &json!({})).await, 200);
        assert_eq!(tried["version_id"], json!(b));
        assert_eq!(versions(admin).await, newest, "a dry run changes nothing");

        let back = expect(admin.post(ROLLBACK, &json!({})).await, 200);
        assert_eq!(back, json!({"name": "s3", "version_id": b, "previous_version_id": c}));
        let swapped = [staged(&c, "AWSPREVIOUS"), staged(&b, "AWSCURRENT"), staged(&a, "")];
        assert_eq!(versions(admin).await, swapped);
        expect(admin.post(ROLLBACK, &json!({})).await, 200);
        assert_eq!(versions(admin).await, newest, "a second one undoes it");

        expect(admin.post(ROLLBACK, &json!({"version_id": a})).await, 200);
        assert_eq!(
            versions(admin).await,
            [staged(&c, "AWSPREVIOUS"), staged(&b, ""), staged(&a, "AWSCURRENT")]
        );
        expect(admin.post(ROLLBACK, &json!({"version_id": a})).await, 409);
        expect(admin.post(ROLLBACK, &json!({"version_id": "nothing"})).await, 404);

        let rows = expect(admin.get("/v1/audit?limit=1000").await, 200);
        let rolled = rows["rows"].as_array().unwrap().iter().filter(|row| row["action"] == "secret.rollback");
        assert_eq!(rolled.count(), 3, "{rows:#}");
        expect(admin.delete(S3).await, 204);
        expect(admin.get(VERSIONS).await, 404);
        let d = put(admin, S3, &json!("d")).await;
        assert_eq!(versions(admin).await, [staged(&d, "AWSCURRENT")], "versions go with their secret");
        assert!(!service.process.output().contains(PLANTED), "the log holds a value");
    }
}

#[tokio::test]
async fn versions_tell_who_made_them_and_belong_to_one_project() {
    for service in services().await {
        let admin = &service.admin;
        vault(admin).await;
        put(admin, S3, &json!("x")).await;
        let listed = expect(service.client("editor").await.get(VERSIONS).await, 200);
        let row = &listed["versions"][0];
        assert!(row["created_by"].as_str().is_some_and(|who| !who.is_empty()), "{row:#}");
        assert!(row["created_at"].as_str().unwrap().ends_with('Z'), "{row:#}");
        expect(service.client("user").await.get(VERSIONS).await, 403);
        expect(service.client("editor").await.post(ROLLBACK, &json!({})).await, 403);
        expect(admin.post("/v1/projects", &json!({"name": "other"})).await, 201);
        expect(admin.get(&format!("{VERSIONS}?project=other")).await, 404);
        expect(admin.post(&format!("{ROLLBACK}?project=other"), &json!({})).await, 404);
    }
}

#[tokio::test]
async fn the_last_twenty_versions_are_kept_and_the_previous_one_always() {
    for service in services().await {
        let admin = &service.admin;
        vault(admin).await;
        let first = put(admin, S3, &json!("0")).await;
        for number in 1..20 {
            put(admin, S3, &json!(number.to_string())).await;
        }
        let all = versions(admin).await;
        assert_eq!((all.len(), &all[19].0), (20, &first));
        // the oldest becomes current, and with the next write the previous one: it is not the one that goes
        expect(admin.post(ROLLBACK, &json!({"version_id": first})).await, 200);
        put(admin, S3, &json!("20")).await;
        let all = versions(admin).await;
        assert_eq!(all.len(), 20);
        assert_eq!(all[19], staged(&first, "AWSPREVIOUS"));
        put(admin, S3, &json!("21")).await;
        let all = versions(admin).await;
        assert!(all.len() == 20 && all.iter().all(|(id, _)| *id != first), "{all:?}");
    }
}

/// The bucket comes from the secret, so that an answer tells which version was used, whatever heals credentials.
#[tokio::test]
async fn references_may_name_the_previous_version_or_any_by_its_id() {
    let embedded = Embedded::start().await;
    let list = json!({"operation": "list"});
    for service in services().await {
        let admin = &service.admin;
        let source = json!({"name": "vault", "kind": "local", "config_paths": ["s3.bucket"]});
        expect(admin.post("/v1/sources", &source).await, 201);
        let good = put(admin, S3, &json!({"bucket": "bucket"})).await;
        let by_id = format!(" @ version:{good}");
        for (name, pin) in [("plain", ""), ("previous", " @ AWSPREVIOUS"), ("by-id", by_id.as_str())] {
            let bucket = format!("{{{{ secrets.s3.bucket{pin} }}}}");
            let body = definition(name, &embedded.url, &bucket, &embedded.key);
            expect(admin.post("/v1/resources", &body).await, 201);
        }
        let uses = async |name: &str, bucket: &str| {
            let code = if bucket == "bucket" { 200 } else { 424 };
            let answer = expect(admin.query(name, &list).await, code);
            let missing = answer["code"] == "NoSuchBucket";
            assert_eq!(missing, bucket != "bucket", "{name}: {answer:#}");
        };
        uses("plain", "bucket").await;
        uses("by-id", "bucket").await;
        let missing = expect(admin.query("previous", &list).await, 424);
        assert!(missing["detail"].as_str().unwrap().contains("AWSPREVIOUS"), "{missing:#}");

        put(admin, S3, &json!({"bucket": "none-of-that-name"})).await;
        uses("plain", "none").await;
        uses("previous", "bucket").await;
        uses("by-id", "bucket").await;
        expect(admin.post(ROLLBACK, &json!({})).await, 200);
        uses("plain", "bucket").await;
        uses("previous", "none").await;
        uses("by-id", "bucket").await;
        expect(admin.delete(S3).await, 204);
        let gone = expect(admin.query("by-id", &list).await, 424);
        assert_eq!(gone["code"], "ResourceNotFoundException", "{gone:#}");
    }
}

/// Two secrets, one of them with an alias, and the sealed document of them.
async fn exported(admin: &Client) -> Value {
    vault(admin).await;
    put(admin, S3, &json!({"id": PLANTED, "secret": PLANTED})).await;
    put(admin, "/v1/sources/vault/secrets/payments%2Fs3", &json!(format!("{PLANTED} \"quoted\" ü"))).await;
    expect(admin.put("/v1/sources/vault/aliases/short", &json!({"secret": "s3", "mode": "json"})).await, 200);
    expect(admin.post("/v1/sources/vault/export", &json!({"passphrase": PASSPHRASE})).await, 200)
}

#[tokio::test]
async fn an_export_opens_in_another_source_with_its_passphrase_only() {
    for service in services().await {
        let admin = &service.admin;
        let document = exported(admin).await;
        assert_eq!(document["count"], 2);
        let text = document.to_string();
        for hidden in [PLANTED, PASSPHRASE, "payments", "vault/"] {
            assert!(!text.contains(hidden), "`{hidden}`: {text}");
        }
        expect(admin.post("/v1/sources", &json!({"name": "other", "kind": "local"})).await, 201);
        let import = |passphrase: &str, overwrite: bool| json!({"passphrase": passphrase, "document": document, "overwrite": overwrite});
        let path = "/v1/sources/other/import";
        let wrong = expect(admin.post(path, &import("several words that nobody knows", false)).await, 422);
        assert_eq!(wrong["errors"][0]["code"], "WRONG_PASSPHRASE", "{wrong:#}");
        let created = json!({"created": 2, "changed": 0, "skipped": 0});
        let tried = admin.post(&format!("{path}?dry_run=true"), &import(PASSPHRASE, false)).await;
        assert_eq!(expect(tried, 200)["secrets"], created);
        assert_eq!(expect(admin.get("/v1/sources/other/secrets").await, 200)["secrets"], json!([]));
        let done = expect(admin.post(path, &import(PASSPHRASE, false)).await, 200);
        let aliases = json!({"created": 1, "changed": 0, "skipped": 0});
        assert_eq!(done, json!({"secrets": created, "aliases": aliases}));
        let alias = expect(admin.get("/v1/sources/other/aliases/short").await, 200);
        assert_eq!(alias, json!({"secret": "s3", "mode": "json"}));

        // what is the same is skipped, and what differs gives way only when it may
        put(admin, "/v1/sources/other/secrets/s3", &json!("mine")).await;
        let kept = expect(admin.post(path, &import(PASSPHRASE, false)).await, 200);
        assert_eq!(kept["secrets"], json!({"created": 0, "changed": 0, "skipped": 2}));
        let replaced = expect(admin.post(path, &import(PASSPHRASE, true)).await, 200);
        assert_eq!(replaced["secrets"], json!({"created": 0, "changed": 1, "skipped": 1}));
        let versions = expect(admin.get("/v1/sources/other/secrets/s3/versions").await, 200);
        assert_eq!(versions["versions"].as_array().unwrap().len(), 3, "{versions:#}");

        let rows = expect(admin.get("/v1/audit?limit=1000").await, 200);
        let detail = |action: &str| {
            let row = rows["rows"].as_array().unwrap().iter().find(|row| row["action"] == action);
            row.unwrap_or_else(|| panic!("no {action}: {rows:#}"))["detail"].as_str().unwrap().to_owned()
        };
        assert_eq!(detail("source.export"), "2 secrets, 1 aliases");
        assert!(detail("source.import").contains("1 changed"), "{}", detail("source.import"));
        let log = service.process.output();
        assert!(!log.contains(PLANTED) && !log.contains(PASSPHRASE), "the log holds a secret");
        assert!(!rows.to_string().contains(PLANTED) && !rows.to_string().contains(PASSPHRASE));
    }
}

#[tokio::test]
async fn what_was_imported_is_what_was_exported() {
    let embedded = Embedded::start().await;
    for service in services().await {
        let admin = &service.admin;
        vault(admin).await;
        put(admin, S3, &json!({"id": embedded.key.id, "secret": embedded.key.secret})).await;
        let sealed = admin.post("/v1/sources/vault/export", &json!({"passphrase": PASSPHRASE})).await;
        let document = expect(sealed, 200);
        expect(admin.post("/v1/sources", &json!({"name": "other", "kind": "local"})).await, 201);
        let body = templated(
            "r",
            &embedded.url,
            "bucket",
            "{{ secrets@other.s3.id }}",
            "{{ secrets@other.s3.secret }}",
        );
        expect(admin.post("/v1/resources", &body).await, 201);
        let list = json!({"operation": "list"});
        expect(admin.query("r", &list).await, 424);
        let import = json!({"passphrase": PASSPHRASE, "document": document});
        expect(admin.post("/v1/sources/other/import", &import).await, 200);
        // the error that was remembered is forgotten: the next query works
        expect(admin.query("r", &list).await, 200);
    }
}

#[tokio::test]
async fn a_short_passphrase_and_what_is_no_export_are_refused() {
    for service in services().await {
        let admin = &service.admin;
        let document = exported(admin).await;
        let short =
            expect(admin.post("/v1/sources/vault/export", &json!({"passphrase": "elevenchars"})).await, 422);
        assert_eq!(short["errors"][0]["code"], "PASSPHRASE_LENGTH", "{short:#}");
        assert!(!short.to_string().contains("elevenchars"), "{short:#}");
        let mut other = document.clone();
        other["format"] = json!("something else");
        let mut greedy = document.clone();
        greedy["kdf"]["memory_kib"] = json!(4_000_000);
        for document in [other, greedy] {
            let body = json!({"passphrase": PASSPHRASE, "document": document});
            let refused = expect(admin.post("/v1/sources/vault/import", &body).await, 422);
            assert_eq!(refused["errors"][0]["code"], "NOT_AN_EXPORT", "{refused:#}");
        }
        let body = json!({"passphrase": PASSPHRASE, "document": {"secrets": PLANTED}});
        let refused = expect(admin.post("/v1/sources/vault/import", &body).await, 400);
        assert!(!refused.to_string().contains(PLANTED), "{refused:#}");
        let editor = service.client("editor").await;
        expect(editor.post("/v1/sources/vault/export", &json!({"passphrase": PASSPHRASE})).await, 403);
    }
}
