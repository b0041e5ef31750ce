//! A restart while AWS is out of reach: the sealed last good values, and when they are not used.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use reqwest::Method;
use serde_json::json;
use sqlx::Row;

use crate::harness::aws::{Secrets, unique};
use crate::harness::http_fault::{Answer, HttpFault};
use crate::harness::servers::Servers;
use crate::secrets_world::{ID, SECRET, new_key, pair, until};
use crate::support::{DATABASES, Database, Embedded, Service, Setup, expect, moto_source, templated};

const ALWAYS: usize = usize::MAX;

/// A service whose one resource reads its keys from moto behind `front`.
struct Kept {
    service: Service,
    embedded: Embedded,
    front: HttpFault,
    secrets: Secrets,
    secret: String,
}

impl Kept {
    async fn start(database: Database, snapshot: bool) -> Kept {
        let servers = Servers::get();
        let (secrets, namespace) = (Secrets::on_moto(&servers), unique("kept"));
        let (front, embedded) = (HttpFault::start(&servers.moto).await, Embedded::start().await);
        let setup = Setup::new()
            .on(database)
            .with("S3_CONNECTOR__CACHE__SNAPSHOT", &snapshot.to_string())
            .with("S3_CONNECTOR__CACHE__SNAPSHOT_INTERVAL_MS", "100");
        let service = setup.start().await;
        let secret = format!("{namespace}/s3");
        secrets.create_json(&secret, &pair(&embedded.key)).await;
        expect(service.admin.post("/v1/sources", &moto_source("moto", &front.url(), &namespace)).await, 201);
        let body = templated("main", &embedded.url, "bucket", ID, SECRET);
        expect(service.admin.post("/v1/resources", &body).await, 201);
        let kept = Kept { service, embedded, front, secrets, secret };
        assert_eq!(kept.list().await, (200, false));
        kept
    }

    /// The status, and whether the secret was stale.
    async fn list(&self) -> (u16, bool) {
        let request = self.service.admin.request(Method::POST, "/v1/resources/main/query");
        let response = request.json(&json!({"operation": "list"})).send().await.unwrap();
        (response.status().as_u16(), response.headers().contains_key("secret-stale"))
    }

    async fn rows(&self) -> i64 {
        let mut database = self.service.database().await;
        let row = sqlx::query("SELECT count(*) AS kept FROM cache_snapshot").fetch_one(&mut database);
        row.await.unwrap().get("kept")
    }

    fn out_of_reach(&self) {
        self.front.answer(ALWAYS, Answer::internal_error());
    }
}

#[tokio::test]
async fn a_restart_during_an_outage_goes_on_with_the_last_good_values_and_says_so() {
    for database in DATABASES {
        let mut kept = Kept::start(database, true).await;
        until("the snapshot", async || kept.rows().await == 1).await;
        kept.out_of_reach();
        kept.service.kill_and_restart().await;
        assert_eq!(kept.list().await, (200, true));
        kept.front.pass();
        until("a fresh value", async || kept.list().await == (200, false)).await;
    }
}

#[tokio::test]
async fn what_is_kept_is_sealed() {
    let kept = Kept::start(Database::Sqlite, true).await;
    until("the snapshot", async || kept.rows().await == 1).await;
    let secret = kept.embedded.key.secret.as_bytes();
    for entry in std::fs::read_dir(kept.service.data.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", path.display());
    }
}

#[tokio::test]
async fn without_the_setting_nothing_is_kept_and_what_was_kept_goes() {
    let mut kept = Kept::start(Database::Sqlite, true).await;
    until("the snapshot", async || kept.rows().await == 1).await;
    kept.out_of_reach();
    kept.service.set("S3_CONNECTOR__CACHE__SNAPSHOT", "false");
    kept.service.restart().await;
    assert_eq!(kept.list().await.0, 502);
    assert_eq!(kept.rows().await, 0);
}

#[tokio::test]
async fn while_the_source_can_be_reached_its_own_answer_counts() {
    let mut kept = Kept::start(Database::Sqlite, true).await;
    until("the snapshot", async || kept.rows().await == 1).await;
    let key = new_key();
    kept.secrets.put(&kept.secret, &pair(&key).to_string()).await;
    kept.embedded.store.set_keys(&key.id, key.secret.clone().into());
    let (asked, requests) = (kept.front.count("GetSecretValue"), kept.embedded.store.requests());
    kept.service.kill_and_restart().await;
    assert_eq!(kept.list().await, (200, false));
    assert_eq!(kept.front.count("GetSecretValue"), asked + 1);
    assert_eq!(kept.embedded.store.requests(), requests + 1, "the kept key was not tried");
}

#[tokio::test]
async fn a_refused_secret_is_kept_no_longer() {
    let mut kept = Kept::start(Database::Sqlite, true).await;
    until("the snapshot", async || kept.rows().await == 1).await;
    kept.front.answer_to("GetSecretValue", 1, Answer::json_error(400, "AccessDeniedException"));
    let refresh = json!({"secrets": ["s3"]});
    expect(kept.service.admin.post("/v1/sources/moto/refresh", &refresh).await, 200);
    until("an empty snapshot", async || kept.rows().await == 0).await;
    kept.out_of_reach();
    kept.service.kill_and_restart().await;
    assert_eq!(kept.list().await.0, 502, "a revocation wins over the snapshot");
}

#[tokio::test]
async fn values_of_a_source_that_was_changed_since_are_not_used() {
    let mut kept = Kept::start(Database::Sqlite, true).await;
    until("the snapshot", async || kept.rows().await == 1).await;
    let mut database = kept.service.database().await;
    let moved = sqlx::query("UPDATE cache_snapshot SET source_version = source_version - 1");
    kept.service.process.kill();
    assert_eq!(moved.execute(&mut database).await.unwrap().rows_affected(), 1);
    kept.out_of_reach();
    kept.service.kill_and_restart().await;
    assert_eq!(kept.list().await.0, 502);
}

#[tokio::test]
async fn what_is_kept_follows_a_change_of_the_data_key() {
    let mut kept = Kept::start(Database::Sqlite, true).await;
    until("the snapshot", async || kept.rows().await == 1).await;
    let rotated = kept.service.run(&["rotate-key"]).await;
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    kept.out_of_reach();
    kept.service.kill_and_restart().await;
    assert_eq!(kept.list().await, (200, true));
}

#[tokio::test]
async fn a_secret_that_is_refused_after_a_restart_is_kept_no_longer_either() {
    let mut kept = Kept::start(Database::Sqlite, true).await;
    until("the snapshot", async || kept.rows().await == 1).await;
    kept.service.kill_and_restart().await;
    kept.front.answer_to("GetSecretValue", 1, Answer::json_error(400, "AccessDeniedException"));
    assert_eq!(kept.list().await.0, 424);
    until("an empty snapshot", async || kept.rows().await == 0).await;
    kept.out_of_reach();
    kept.service.kill_and_restart().await;
    assert_eq!(kept.list().await.0, 502);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_let_go_and_the_service_starts() {
    let mut kept = Kept::start(Database::Sqlite, true).await;
    until("the snapshot", async || kept.rows().await == 1).await;
    kept.service.process.kill();
    let mut database = kept.service.database().await;
    sqlx::query("UPDATE cache_snapshot SET about = 'of another time'").execute(&mut database).await.unwrap();
    kept.out_of_reach();
    kept.service.kill_and_restart().await;
    assert_eq!(kept.list().await.0, 502);
    assert_eq!(kept.rows().await, 0);
}

#[tokio::test]
async fn a_source_that_is_slow_after_a_restart_is_waited_for() {
    let mut kept = Kept::start(Database::Sqlite, true).await;
    until("the snapshot", async || kept.rows().await == 1).await;
    let key = new_key();
    kept.embedded.store.set_keys(&key.id, key.secret.clone().into());
    let now = json!({
        "ARN": format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{}-AbCdEf", kept.secret),
        "Name": kept.secret, "VersionId": "11111111-1111-1111-1111-111111111111",
        "SecretString": pair(&key).to_string(), "VersionStages": ["AWSCURRENT"],
    });
    let slow = Answer::new(200, "application/x-amz-json-1.1", now.to_string());
    kept.front.answer_to("GetSecretValue", ALWAYS, slow.after(std::time::Duration::from_millis(1_500)));
    kept.service.kill_and_restart().await;
    let requests = kept.embedded.store.requests();
    assert_eq!(kept.list().await, (200, false));
    assert_eq!(kept.embedded.store.requests(), requests + 1, "the kept key was not tried");
}
