//! `doctor`: what it says of an installation that is well, and of each thing that can be wrong with one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use serde_json::{Value, json};
use sqlx::{Executor, Row};

use crate::harness::closed::ClosedPort;
use crate::harness::servers::Servers;
use crate::support::{DATABASES, Database, Service, Setup, expect, moto_source};

/// The report and the exit code.
async fn doctor(service: &Service, variables: &[(&str, &str)]) -> (Value, i32) {
    let mut command = service.command(&["doctor", "--output", "json", "--listen", "127.0.0.1:0"]);
    command.envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (report, output.status.code().unwrap())
}

#[track_caller]
fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name}: {report:#}"))
}

#[track_caller]
fn assert_statuses(report: &Value, wanted: &[(&str, &str)]) {
    for (name, status) in wanted {
        assert_eq!(check(report, name)["status"], *status, "{name}: {report:#}");
    }
}

/// Each thing that failed or warns says what to do.
fn assert_remedies(report: &Value) {
    for check in report["checks"].as_array().unwrap() {
        let bad = ["failed", "warning"].contains(&check["status"].as_str().unwrap());
        assert!(!bad || check["remedy"].is_string(), "{check:#}");
    }
}

#[tokio::test]
async fn an_installation_that_is_well_passes_on_both_databases() {
    for database in DATABASES {
        let service = Setup::new().on(database).start().await;
        expect(service.admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        expect(
            service.admin.post("/v1/sources", &moto_source("aws", &Servers::get().moto, "it/")).await,
            201,
        );
        let (report, code) = doctor(&service, &[]).await;
        assert_eq!((&report["verdict"], code), (&json!("works"), 0), "{report:#}");
        let names = [
            "settings-read",
            "data-folder-writable",
            "disk-has-room",
            "sealing-key-usable",
            "schema-known",
            "database-opens",
            "sealing-key-opens",
            "registry-read",
            "database-writable",
            "clock-in-step",
            "source-works",
            "egress-rules-read",
            "listen-address-free",
        ];
        assert_statuses(&report, &names.map(|name| (name, "passed")));
        let sources =
            report["checks"].as_array().unwrap().iter().filter(|each| each["name"] == "source-works");
        assert_eq!(sources.count(), 2, "{report:#}");
        let clock = check(&report, "clock-in-step")["detail"].as_str().unwrap();
        let whose = if database == Database::Postgres { "the database's" } else { "Secrets Manager" };
        assert!(clock.contains(whose), "{clock}");
        // nothing stays of it
        let mut connection = service.database().await;
        let row = connection.fetch_one("SELECT count(*) AS number FROM meta WHERE name LIKE 'trial%'").await;
        assert_eq!(row.unwrap().get::<i64, _>("number"), 0);
        assert!(expect(service.admin.get("/v1/audit/verify").await, 200)["broken_at"].is_null());
    }
}

#[tokio::test]
async fn a_key_that_others_can_read_is_not_called_the_wrong_one_and_a_new_one_is_there() {
    use std::os::unix::fs::PermissionsExt;
    let service = Setup::new().start().await;
    let folder = tempfile::tempdir().unwrap();
    let run = async || {
        let mut command =
            service.command(&["doctor", "--create", "--output", "json", "--listen", "127.0.0.1:0"]);
        command.arg("--data").arg(folder.path()).env_remove("S3_CONNECTOR_SEALING_KEY");
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let made = run().await;
    assert_statuses(&made, &[("sealing-key-usable", "passed"), ("sealing-key-opens", "passed")]);
    let key = folder.path().join("sealing.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_statuses(&run().await, &[("sealing-key-usable", "failed"), ("sealing-key-opens", "skipped")]);
}

#[tokio::test]
async fn another_sealing_key_fails_by_name_and_hides_nothing_else() {
    for database in DATABASES {
        let service = Setup::new().on(database).start().await;
        let other = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
        let (report, code) = doctor(&service, &[("S3_CONNECTOR_SEALING_KEY", other)]).await;
        assert_eq!((&report["verdict"], code), (&json!("fails"), 1), "{report:#}");
        assert_statuses(
            &report,
            &[
                ("sealing-key-usable", "passed"),
                ("database-opens", "passed"),
                ("sealing-key-opens", "failed"),
                ("registry-read", "skipped"),
                ("database-writable", "skipped"),
                ("source-works", "skipped"),
            ],
        );
        assert!(report["reason"].as_str().unwrap().starts_with("sealing-key-opens: "), "{report:#}");
        assert_remedies(&report);
        assert!(!report.to_string().contains(other));
    }
}

#[tokio::test]
async fn a_source_that_cannot_be_reached_is_named_with_its_cause() {
    let (service, closed) = (Setup::new().start().await, ClosedPort::new());
    expect(service.admin.post("/v1/sources", &moto_source("far", &closed.url(), "it/")).await, 201);
    let (report, code) = doctor(&service, &[]).await;
    // the service starts; what uses the source does not work
    assert_eq!((&report["verdict"], code), (&json!("works with limits"), 1), "{report:#}");
    let found = check(&report, "source-works");
    assert_eq!(
        (&found["status"], &found["cause"]),
        (&json!("failed"), &json!("ConnectionRefused")),
        "{found:#}"
    );
    assert!(found["detail"].as_str().unwrap().contains("`default/far`"), "{found:#}");
    assert_statuses(&report, &[("clock-in-step", "skipped"), ("database-writable", "passed")]);
    assert_remedies(&report);
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_warns_and_one_that_is_full_fails() {
    let service = Setup::new().start().await;
    let bound = "S3_CONNECTOR__STORE__MIN_FREE_BYTES";
    let free = s3_connector::app::doctor::disk(service.data.path()).unwrap().0;
    let (report, code) = doctor(&service, &[(bound, &(free * 2).to_string())]).await;
    assert_statuses(&report, &[("disk-has-room", "warning")]);
    assert_eq!((&report["verdict"], code), (&json!("works"), 0), "{report:#}");
    assert_remedies(&report);
    let (report, code) = doctor(&service, &[(bound, &(free * 100).to_string())]).await;
    assert_statuses(&report, &[("disk-has-room", "failed")]);
    assert_eq!((&report["verdict"], code), (&json!("works with limits"), 1), "{report:#}");
    assert_remedies(&report);
}

#[tokio::test]
async fn a_database_of_another_version_is_told_and_not_touched() {
    let mut service = Setup::new().start().await;
    service.process.kill();
    let last = async || -> i64 {
        let mut connection = service.database().await;
        let row = connection.fetch_one("SELECT max(version) AS number FROM _sqlx_migrations").await.unwrap();
        row.get("number")
    };
    let known = last().await;
    let change = async |sql: &'static str| {
        service.database().await.execute(sql).await.unwrap();
    };
    change("UPDATE _sqlx_migrations SET version = 9999 WHERE version = (SELECT max(version) FROM _sqlx_migrations)").await;
    let (report, code) = doctor(&service, &[]).await;
    assert_eq!((&report["verdict"], code), (&json!("fails"), 1), "{report:#}");
    assert_statuses(&report, &[("schema-known", "failed"), ("database-opens", "skipped")]);
    assert_remedies(&report);
    change("DELETE FROM _sqlx_migrations WHERE version = 9999").await;
    let (report, code) = doctor(&service, &[]).await;
    assert_eq!(code, 0, "{report:#}");
    assert_statuses(&report, &[("schema-known", "warning"), ("database-opens", "skipped")]);
    assert_remedies(&report);
    assert!(last().await < known);
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_fails_and_a_missing_one_is_not_made() {
    let service = Setup::new().start().await;
    let closed = ClosedPort::new();
    let url = closed.url().replace("http://", "postgres://postgres:PLANTED-word@");
    let (report, code) = doctor(&service, &[("S3_CONNECTOR__STORE__URL", &format!("{url}/none"))]).await;
    assert_eq!((&report["verdict"], code), (&json!("fails"), 1), "{report:#}");
    assert_statuses(&report, &[("database-opens", "failed"), ("sealing-key-opens", "skipped")]);
    assert_remedies(&report);
    assert!(!report.to_string().contains("PLANTED-word"), "{report:#}");
    let detail = check(&report, "database-opens")["detail"].as_str().unwrap();
    assert!(detail.contains("refused"), "not that it was waited for, but why: {detail}");

    let empty = tempfile::tempdir().unwrap();
    let folder = empty.path().to_str().unwrap();
    let (report, code) = doctor(&service, &[("S3_CONNECTOR__STORE__DATA", folder)]).await;
    assert_eq!(code, 0, "{report:#}");
    assert_statuses(
        &report,
        &[("database-opens", "skipped"), ("registry-read", "skipped"), ("sealing-key-usable", "warning")],
    );
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
    let output = service.run(&["doctor", "--create", "--listen", "127.0.0.1:0", "--data", folder]).await;
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && shown.contains("sealing-key-opens"), "{shown}");
    assert!(empty.path().join("s3-connector.db").exists() && empty.path().join("sealing.key").exists());
}

#[tokio::test]
async fn a_secret_that_can_be_guessed_fails_as_it_does_at_the_start() {
    let service = Setup::new().start().await;
    for variable in ["S3_CONNECTOR_EVENTS_SECRET", "S3_CONNECTOR_WEBHOOK_SECRET"] {
        let (report, code) = doctor(&service, &[(variable, "guess-me")]).await;
        assert_eq!((&report["verdict"], code), (&json!("fails"), 1), "{report:#}");
        let settings = check(&report, "settings-read");
        assert_eq!(settings["status"], "failed");
        assert!(settings["detail"].as_str().unwrap().starts_with(variable), "{settings:#}");
        assert_statuses(&report, &[("database-writable", "passed")]);
        assert_remedies(&report);
        assert!(!report.to_string().contains("guess-me"), "{report:#}");
    }
}

#[tokio::test]
async fn a_registry_that_cannot_be_read_fails_and_what_follows_is_skipped() {
    for database in DATABASES {
        let service = Setup::new().on(database).start().await;
        expect(service.admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        let broken = "UPDATE sources SET definition = '{'";
        service.database().await.execute(broken).await.unwrap();
        let (report, code) = doctor(&service, &[]).await;
        assert_eq!((&report["verdict"], code), (&json!("fails"), 1), "{report:#}");
        let behind = ["database-writable", "clock-in-step", "source-works"].map(|name| (name, "skipped"));
        assert_statuses(&report, &[("sealing-key-opens", "passed"), ("registry-read", "failed")]);
        assert_statuses(&report, &behind);
        assert_remedies(&report);
    }
}

#[tokio::test]
async fn an_error_of_the_database_is_not_taken_for_an_empty_one() {
    for database in DATABASES {
        let mut service = Setup::new().on(database).start().await;
        service.process.kill();
        let renamed = "ALTER TABLE _sqlx_migrations RENAME COLUMN version TO other";
        service.database().await.execute(renamed).await.unwrap();
        let (report, code) = doctor(&service, &[]).await;
        assert_eq!((&report["verdict"], code), (&json!("fails"), 1), "{report:#}");
        assert_statuses(&report, &[("schema-known", "skipped"), ("database-opens", "failed")]);
        let detail = check(&report, "database-opens")["detail"].as_str().unwrap();
        assert!(detail.contains("version"), "{detail}");
    }
}
