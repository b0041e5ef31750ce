//! The keys that seal: changed under a running service, lost, wrong, and kept by AWS KMS.

use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use sqlx::Row;

use super::vault_bounds::import_of;
use super::{eventually, replicated, services};
use crate::harness::aws;
use crate::harness::process::Process;
use crate::harness::servers::Servers;
use crate::support::{Client, Embedded, LONG, Service, Setup, definition, expect, templated};

/// Format, key id.
const MARK_BYTES: usize = 9;
const SEALED: [&str; 6] =
    ["sources", "vault_secrets", "vault_versions", "resources", "resource_history", "cache_snapshot"];

/// A source with stored keys, a vault secret with an earlier version, and two resources: `typed` with stored keys and an earlier version,
/// `templated` with the vault's.
async fn fill(service: &Service, embedded: &Embedded) {
    let admin = &service.admin;
    expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
    let aws = crate::support::moto_source("aws", "http://127.0.0.1:9", "");
    expect(admin.post("/v1/sources", &aws).await, 201);
    put_keys(admin, embedded).await;
    put_keys(admin, embedded).await;
    let typed = definition("typed", &embedded.url, "bucket", &embedded.key);
    expect(admin.post("/v1/resources", &typed).await, 201);
    expect(admin.patch("/v1/resources/typed", &json!({"description": "second"})).await, 200);
    let keys = ("{{ secrets.s3.id }}", "{{ secrets.s3.secret }}");
    let templated = templated("templated", &embedded.url, "bucket", keys.0, keys.1);
    expect(admin.post("/v1/resources", &templated).await, 201);
}

async fn put_keys(admin: &Client, embedded: &Embedded) {
    let value = json!({"value": {"id": embedded.key.id, "secret": embedded.key.secret}});
    expect(admin.put("/v1/sources/vault/secrets/s3", &value).await, 200);
}

/// Everything that was sealed can be opened.
async fn all_is_readable(client: &Client) {
    expect(client.post("/v1/sources/vault/clear", &json!({})).await, 200);
    for name in ["typed", "templated"] {
        expect(client.query(name, &json!({"operation": "list"})).await, 200);
    }
    expect(client.get("/v1/resources/typed/history").await, 200);
    expect(client.post("/v1/resources/typed/restore", &json!({"version": 1})).await, 200);
    expect(client.query("typed", &json!({"operation": "list"})).await, 200);
    expect(client.get("/v1/sources/aws").await, 200);
    // the version before has the same keys, and is opened and sealed at another place to become current
    expect(client.post("/v1/sources/vault/secrets/s3/rollback", &json!({})).await, 200);
    expect(client.query("templated", &json!({"operation": "list"})).await, 200);
}

/// The marks of the keys that sealed what is in the database.
async fn marks(service: &Service) -> Vec<Vec<u8>> {
    let mut database = service.database().await;
    let mut marks = Vec::new();
    for table in SEALED {
        let sql = format!("SELECT sealed FROM {table}");
        for row in sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut database).await.unwrap() {
            let sealed: Vec<u8> = row.get("sealed");
            if !sealed.is_empty() {
                marks.push(sealed[..MARK_BYTES].to_vec());
            }
        }
    }
    marks.sort();
    marks.dedup();
    marks
}

async fn data_keys(service: &Service) -> i64 {
    let mut database = service.database().await;
    let row = sqlx::query("SELECT count(*) AS keys FROM data_keys").fetch_one(&mut database).await.unwrap();
    row.get("keys")
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

async fn ok(service: &Service, arguments: &[&str]) -> String {
    let output = service.run(arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", words(&output));
    words(&output)
}

/// What a start says that must be refused.
async fn refused_start(service: &Service) -> String {
    let output = service.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    words(&output)
}

#[tokio::test]
async fn a_new_data_key_seals_everything_again_while_replicas_write() {
    let embedded = Embedded::start().await;
    for mut service in replicated().await {
        fill(&service, &embedded).await;
        let (_process, other) = service.replica().await;
        expect(other.query("templated", &json!({"operation": "list"})).await, 200);
        let before = marks(&service).await;
        assert_eq!(before.len(), 1);
        let stop = Arc::new(AtomicBool::new(false));
        let mut writers = Vec::new();
        for (index, client) in [service.admin.clone(), other.clone()].into_iter().enumerate() {
            let stop = Arc::clone(&stop);
            writers.push(tokio::spawn(async move {
                let mut written = 0;
                while !stop.load(Ordering::Relaxed) {
                    let value = json!({"value": format!("{index}-{written}")});
                    let path = format!("/v1/sources/vault/secrets/w{index}-{}", written % 7);
                    expect(client.put(&path, &value).await, 200);
                    expect(client.query("templated", &json!({"operation": "list"})).await, 200);
                    written += 1;
                }
                written
            }));
        }
        for _ in 0..2 {
            let said = ok(&service, &["rotate-key"]).await;
            assert!(said.contains("sealed again: 1 sources"), "{said}");
        }
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            assert!(writer.await.unwrap() > 0, "nothing was written meanwhile");
        }
        let after = marks(&service).await;
        assert_eq!(after.len(), 1, "one key sealed everything, also what was written meanwhile");
        assert_ne!(after, before);
        assert_eq!(data_keys(&service).await, 1);
        all_is_readable(&service.admin).await;
        let version = expect(service.admin.get("/v1/resources/typed").await, 200)["version"].clone();
        eventually(&other, "/v1/resources/typed", |_, body| body["version"] == version).await;
        all_is_readable(&other).await;
        put_keys(&other, &embedded).await;
        assert_eq!(marks(&service).await, after);
        service.restart().await;
        all_is_readable(&service.admin).await;
        let rows = expect(service.admin.get("/v1/audit?all=true&limit=1000").await, 200).to_string();
        assert!(rows.contains("sealing_key.rotate"), "{rows}");
    }
}

/// Kills a rotation that has made its key and not sealed everything with it. One that was over before is followed by
/// another one.
async fn kill_a_rotation(service: &Service) {
    for _ in 0..10 {
        let mut killed = Process::start("rotate-key", service.command(&["rotate-key"]));
        let deadline = tokio::time::Instant::now() + LONG;
        while data_keys(service).await == 1 && killed.running() {
            assert!(tokio::time::Instant::now() < deadline, "no key was made");
        }
        killed.kill();
        if data_keys(service).await == 2 {
            return;
        }
    }
    panic!("every rotation was over before it was killed");
}

#[tokio::test]
async fn a_rotation_that_was_killed_loses_nothing_and_the_next_one_finishes_it() {
    let embedded = Embedded::start().await;
    let many = import_of(300);
    for service in services().await {
        fill(&service, &embedded).await;
        // so many that sealing them again takes longer than to see the key
        expect(service.admin.post("/v1/sources/vault/import", &many).await, 200);
        kill_a_rotation(&service).await;
        all_is_readable(&service.admin).await;
        put_keys(&service.admin, &embedded).await;
        ok(&service, &["rotate-key"]).await;
        assert_eq!((marks(&service).await.len(), data_keys(&service).await), (1, 1));
        all_is_readable(&service.admin).await;
    }
}

#[tokio::test]
async fn of_two_rotations_at_once_one_ends_and_nothing_is_lost() {
    let embedded = Embedded::start().await;
    for mut service in services().await {
        fill(&service, &embedded).await;
        for _ in 0..4 {
            let (a, b) = tokio::join!(service.run(&["rotate-key"]), service.run(&["rotate-key"]));
            assert!(a.status.success() || b.status.success(), "{}{}", words(&a), words(&b));
            for failed in [a, b].iter().filter(|run| !run.status.success()) {
                assert!(words(failed).contains("another run"), "{}", words(failed));
            }
            all_is_readable(&service.admin).await;
        }
        ok(&service, &["rotate-key"]).await;
        assert_eq!((marks(&service).await.len(), data_keys(&service).await), (1, 1));
        service.kill_and_restart().await;
        all_is_readable(&service.admin).await;
    }
}

#[tokio::test]
async fn another_master_key_opens_the_database_and_the_one_before_does_not() {
    let embedded = Embedded::start().await;
    for mut service in services().await {
        fill(&service, &embedded).await;
        let before = marks(&service).await;
        let file = service.data.path().join("next.key");
        let file = file.to_str().unwrap();
        let said = ok(&service, &["rotate-key", "--master-file", file]).await;
        assert!(said.contains("seal.key_file") && said.contains("restart"), "{said}");
        assert_eq!(marks(&service).await, before, "what is sealed stays as it is");
        all_is_readable(&service.admin).await;
        let said = refused_start(&service).await;
        assert!(said.contains("does not belong to this database"), "{said}");
        service.set("S3_CONNECTOR__SEAL__KEY_FILE", file);
        service.restart().await;
        all_is_readable(&service.admin).await;

        let missing = service.run(&["rotate-key", "--master-env"]).await;
        assert_eq!(missing.status.code(), Some(2), "{}", words(&missing));
        let key = "bmV4dCBtYXN0ZXIga2V5IG9mIDMyIGJ5dGVzLi4uLi4=";
        service.set("S3_CONNECTOR_NEW_SEALING_KEY", key);
        ok(&service, &["rotate-key", "--master-env"]).await;
        service.set("S3_CONNECTOR_SEALING_KEY", key);
        service.restart().await;
        all_is_readable(&service.admin).await;
        ok(&service, &["rotate-key"]).await;
        all_is_readable(&service.admin).await;
    }
}

#[tokio::test]
async fn without_its_key_the_service_does_not_start_and_says_what_to_do() {
    for mut service in services().await {
        let status = service.process.terminate(LONG).await;
        assert!(status.success());
        let file = service.data.path().join("sealing.key");
        let hidden = service.data.path().join("elsewhere");
        std::fs::rename(&file, &hidden).unwrap();
        let said = refused_start(&service).await;
        assert!(said.contains("put the key file back") && said.contains("sealing.key"), "{said}");
        assert!(!file.exists(), "no other key is made for a database that has one");
        service.set("S3_CONNECTOR__SEAL__KMS_KEY_ARN", "arn:aws:kms:us-east-1:111122223333:key/a");
        let said = refused_start(&service).await;
        assert!(said.contains("rotate-key --master-kms"), "{said}");
    }
}

/// Service settings with an identity for moto's KMS.
fn with_identity(setup: Setup, arn: &str) -> Setup {
    setup
        .with("AWS_ACCESS_KEY_ID", "AKIAMOTO000000000001")
        .with("AWS_SECRET_ACCESS_KEY", "moto-secret-key-00000000000000000000001")
        .with("S3_CONNECTOR__SEAL__KMS_ENDPOINT", &Servers::get().moto)
        .with("S3_CONNECTOR__SEAL__KMS_KEY_ARN", arn)
}

#[tokio::test]
async fn a_key_of_aws_kms_seals_from_the_first_start() {
    let embedded = Embedded::start().await;
    let arn = aws::create_kms_key(&Servers::get().moto).await;
    let mut service = with_identity(Setup::new(), &arn).start().await;
    fill(&service, &embedded).await;
    assert!(!service.data.path().join("sealing.key").exists(), "there is no key file");
    service.restart().await;
    all_is_readable(&service.admin).await;
    ok(&service, &["rotate-key"]).await;
    all_is_readable(&service.admin).await;
    let other = aws::create_kms_key(&Servers::get().moto).await;
    for (wrong, says) in
        [("", "seal.kms_key_arn"), (other.as_str(), "AWS KMS does not open"), ("alias/a", "is not the ARN")]
    {
        service.set("S3_CONNECTOR__SEAL__KMS_KEY_ARN", wrong);
        let said = refused_start(&service).await;
        assert!(said.contains(says), "{said}");
    }
    service.set("S3_CONNECTOR__SEAL__KMS_KEY_ARN", &arn);
    service.set("S3_CONNECTOR__SEAL__KMS_ENDPOINT", "http://127.0.0.1:9");
    let started = tokio::time::timeout(Duration::from_mins(1), refused_start(&service)).await.unwrap();
    assert!(started.contains("AWS KMS does not open"), "{started}");
}

#[tokio::test]
async fn a_key_file_gives_way_to_aws_kms_and_comes_back() {
    let embedded = Embedded::start().await;
    let arn = aws::create_kms_key(&Servers::get().moto).await;
    let mut service = with_identity(Setup::new(), "").start().await;
    fill(&service, &embedded).await;
    let said = ok(&service, &["rotate-key", "--master-kms", &arn]).await;
    assert!(said.contains("seal.kms_key_arn"), "{said}");
    let said = refused_start(&service).await;
    assert!(said.contains("seal.kms_key_arn"), "{said}");
    std::fs::remove_file(service.data.path().join("sealing.key")).unwrap();
    service.set("S3_CONNECTOR__SEAL__KMS_KEY_ARN", &arn);
    service.restart().await;
    all_is_readable(&service.admin).await;
    let file = service.data.path().join("back.key");
    ok(&service, &["rotate-key", "--master-file", file.to_str().unwrap()]).await;
    service.set("S3_CONNECTOR__SEAL__KMS_KEY_ARN", "");
    service.set("S3_CONNECTOR__SEAL__KEY_FILE", file.to_str().unwrap());
    service.restart().await;
    all_is_readable(&service.admin).await;
}

#[tokio::test]
async fn a_replica_that_cannot_read_the_new_data_key_is_not_ready() {
    let embedded = Embedded::start().await;
    for mut service in replicated().await {
        fill(&service, &embedded).await;
        let (_process, other) = service.replica().await;
        expect(other.get("/readyz").await, 200);
        let file = service.data.path().join("next.key");
        ok(&service, &["rotate-key", "--master-file", file.to_str().unwrap()]).await;
        service.set("S3_CONNECTOR__SEAL__KEY_FILE", file.to_str().unwrap());
        service.restart().await;
        ok(&service, &["rotate-key"]).await;
        put_keys(&service.admin, &embedded).await;
        expect(service.admin.patch("/v1/resources/typed", &json!({"description": "third"})).await, 200);
        let refused = eventually(&other, "/readyz", |status, _| status == 503).await;
        assert!(refused["detail"].as_str().unwrap().contains("master key"), "{refused:#}");
        expect(service.admin.get("/readyz").await, 200);
    }
}
