//! What was acknowledged stays: through kill -9, through restarts, and on every replica.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{eventually, names, open, replicated, services};
use crate::support::{Client, expect};

/// Writes until the service is gone; notes what was acknowledged.
async fn write_until_killed(
    client: Client,
    writer: usize,
    round: usize,
    acknowledged: Arc<Mutex<Vec<(String, String)>>>,
    count: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
) {
    for index in 0.. {
        if stopped.load(Ordering::Relaxed) {
            return;
        }
        let name = format!("r-{round}-{writer}-{index}");
        let text = format!("{writer} wrote {index}");
        let mut body = open(&name);
        body["description"] = json!(text);
        let sent = client.request(reqwest::Method::POST, "/v1/resources").json(&body).send().await;
        match sent {
            Ok(answer) if answer.status() == 201 => {
                acknowledged.lock().await.push((name, text));
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => panic!("{}", answer.status()),
            Err(_) => return,
        }
    }
}

#[tokio::test]
async fn every_acknowledged_write_survives_a_kill_in_the_middle_of_others() {
    for mut service in services().await {
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        for round in 0..3 {
            let count = Arc::new(AtomicUsize::new(0));
            let stopped = Arc::new(AtomicBool::new(false));
            let writers: Vec<_> = (0..4)
                .map(|writer| {
                    let (kept, count, stopped) =
                        (Arc::clone(&acknowledged), Arc::clone(&count), Arc::clone(&stopped));
                    tokio::spawn(write_until_killed(
                        service.admin.clone(),
                        writer,
                        round,
                        kept,
                        count,
                        stopped,
                    ))
                })
                .collect();
            while count.load(Ordering::Relaxed) < 20 {
                tokio::task::yield_now().await;
                assert!(!writers.iter().all(tokio::task::JoinHandle::is_finished), "no writer is left");
            }
            service.process.kill();
            stopped.store(true, Ordering::Relaxed);
            for writer in writers {
                writer.await.unwrap();
            }
            service.kill_and_restart().await;
            let kept = acknowledged.lock().await;
            assert!(kept.len() >= 20 * (round + 1));
            for (name, text) in kept.iter() {
                let read = expect(service.admin.get(&format!("/v1/resources/{name}")).await, 200);
                assert_eq!(read["description"], *text);
                let history = expect(service.admin.get(&format!("/v1/resources/{name}/history")).await, 200);
                assert_eq!(history["versions"].as_array().unwrap().len(), 1);
            }
            // at most one write of each writer was under way, and may be there unacknowledged
            let there = names(&service.admin).await.len();
            assert!(
                (kept.len()..=kept.len() + 4 * (round + 1)).contains(&there),
                "{there} of {}",
                kept.len()
            );
            drop(kept);
            let verified = expect(service.admin.get("/v1/audit/verify").await, 200);
            assert_eq!(verified["broken_at"], Value::Null, "{verified:#}");
            // one row for each write, and those of the first start: the project and the token
            assert_eq!(verified["rows"], there + 2);
        }
    }
}

#[tokio::test]
async fn everything_is_as_it_was_after_a_kill_and_after_a_restart() {
    for mut service in services().await {
        let admin = service.admin.clone();
        let source = json!({"name": "vault", "kind": "local", "config_paths": ["*.bucket"]});
        expect(admin.post("/v1/sources", &source).await, 201);
        expect(admin.put("/v1/sources/vault/secrets/s3", &json!({"value": {"id": "a"}})).await, 200);
        expect(admin.put("/v1/sources/vault/aliases/short", &json!({"secret": "s3"})).await, 200);
        expect(admin.post("/v1/resources", &open("gone")).await, 201);
        expect(admin.post("/v1/resources", &open("kept")).await, 201);
        expect(admin.patch("/v1/resources/kept", &json!({"bucket": "changed"})).await, 200);
        expect(admin.delete("/v1/resources/gone").await, 204);
        expect(admin.post("/v1/projects", &json!({"name": "billing"})).await, 201);
        let viewer = service.client("viewer").await;
        let paths = ["/v1/resources", "/v1/sources", "/v1/sources/vault/secrets", "/v1/projects"];
        let mut before = Vec::new();
        for path in paths {
            before.push(expect(admin.get(path).await, 200));
        }
        for kill in [true, false] {
            if kill {
                service.kill_and_restart().await;
            } else {
                service.restart().await;
            }
            for (path, before) in paths.iter().zip(&before) {
                assert_eq!(expect(admin.get(path).await, 200), *before, "{path}");
            }
            expect(viewer.get("/v1/whoami").await, 200);
            expect(admin.get("/v1/resources/gone").await, 404);
        }
    }
}

#[tokio::test]
async fn a_replica_sees_every_change_of_another_one() {
    for service in replicated().await {
        let admin = &service.admin;
        let (_process, other) = service.replica().await;
        expect(admin.post("/v1/resources", &open("r")).await, 201);
        eventually(&other, "/v1/resources/r", |status, _| status == 200).await;
        expect(other.patch("/v1/resources/r", &json!({"bucket": "changed-there"})).await, 200);
        eventually(admin, "/v1/resources/r", |_, body| body["bucket"] == "changed-there").await;
        expect(admin.patch("/v1/resources/r", &json!({"name": "renamed"})).await, 200);
        eventually(&other, "/v1/resources/renamed", |status, _| status == 200).await;
        expect(other.get("/v1/resources/r").await, 404);
        expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        eventually(&other, "/v1/sources/vault", |_, body| body["active_in"] == json!(["production"])).await;
        expect(other.delete("/v1/sources/vault").await, 200);
        eventually(admin, "/v1/sources/vault", |status, _| status == 404).await;
        expect(other.delete("/v1/resources/renamed").await, 204);
        eventually(admin, "/v1/resources/renamed", |status, _| status == 404).await;
        expect(admin.post("/v1/projects", &json!({"name": "billing"})).await, 201);
        eventually(&other, "/v1/resources?project=billing", |status, _| status == 200).await;
        let verified = expect(other.get("/v1/audit/verify").await, 200);
        assert_eq!(verified["broken_at"], Value::Null, "{verified:#}");
    }
}

/// Looks for changes of the other replica run all the time; none may take back what was acknowledged here.
#[tokio::test]
async fn a_replica_shows_its_own_writes_at_once_while_another_one_writes_too() {
    for service in replicated().await {
        let (_process, other) = service.replica().await;
        let stopped = Arc::new(AtomicBool::new(false));
        let (count, kept) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let noise = tokio::spawn(write_until_killed(other, 0, 0, kept, count, Arc::clone(&stopped)));
        for index in 0..80 {
            let path = format!("/v1/resources/own-{index}");
            expect(service.admin.post("/v1/resources", &open(&format!("own-{index}"))).await, 201);
            for _ in 0..5 {
                expect(service.admin.get(&path).await, 200);
            }
        }
        stopped.store(true, Ordering::Relaxed);
        noise.await.unwrap();
    }
}
