//! Tokens: made, shown once, listed, revoked, expired, and guessed at.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::token;
use crate::registry::eventually;
use crate::support::{Client, DATABASES, LONG, Setup, answer, expect};

#[tokio::test]
async fn the_text_of_a_token_is_shown_once_and_kept_nowhere() {
    for database in DATABASES {
        let service = Setup::new().on(database).start().await;
        let admin = &service.admin;
        let made =
            expect(admin.post("/v1/tokens", &json!({"name": "billing app", "role": "user"})).await, 201);
        let text = made["token"].as_str().unwrap();
        assert!(text.starts_with("s3c_") && text.len() == 50, "{text}");
        assert_eq!(made["last4"], text[text.len() - 4..]);
        assert_eq!((&made["role"], &made["project"]), (&json!("user"), &json!("default")));
        let who = expect(Client::new(&service.url, text).get("/v1/whoami").await, 200);
        assert_eq!((&who["token_id"], &who["token_name"]), (&made["id"], &json!("billing app")));
        assert_eq!((&who["role"], &who["installation"]), (&json!("user"), &json!(false)));
        let listed = expect(admin.get("/v1/tokens").await, 200);
        let row = listed["tokens"].as_array().unwrap().iter().find(|row| row["id"] == made["id"]).unwrap();
        assert_eq!(row.get("token"), None, "{row:#}");
        assert!(row["last_used_at"].is_string(), "{row:#}");
        for path in ["/v1/tokens", "/v1/audit?all=true"] {
            let shown = expect(admin.get(path).await, 200).to_string();
            assert!(!shown.contains(text), "{path}: {shown}");
        }
        assert!(!service.process.output().contains(text));
        for entry in std::fs::read_dir(service.data.path()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()));
        }
    }
}

#[tokio::test]
async fn a_revoked_token_ends_at_once_here_and_within_the_poll_elsewhere() {
    for database in DATABASES {
        let service = Setup::new().on(database).with("S3_CONNECTOR__STORE__POLL_MS", "50").start().await;
        let (client, id) = token(&service, "editor").await;
        let (_process, replica) = service.replica().await;
        let there = Client::new(&replica.url, &client.token);
        expect(client.get("/v1/whoami").await, 200);
        expect(there.get("/v1/whoami").await, 200);
        expect(service.admin.delete(&format!("/v1/tokens/{id}?dry_run=true")).await, 204);
        expect(client.get("/v1/whoami").await, 200);
        expect(service.admin.delete(&format!("/v1/tokens/{id}")).await, 204);
        let refused = expect(client.get("/v1/whoami").await, 401);
        assert_eq!(refused["code"], "Unauthenticated");
        eventually(&there, "/v1/whoami", |status, _| status == 401).await;
        expect(service.admin.delete(&format!("/v1/tokens/{id}")).await, 404);
        let listed = expect(service.admin.get("/v1/tokens").await, 200);
        assert!(!listed.to_string().contains(&id), "{listed:#}");
    }
}

#[tokio::test]
async fn a_new_token_works_on_the_other_replica_within_its_poll() {
    for database in DATABASES {
        let service = Setup::new().on(database).with("S3_CONNECTOR__STORE__POLL_MS", "50").start().await;
        let (_process, replica) = service.replica().await;
        let made =
            expect(service.admin.post("/v1/tokens", &json!({"name": "n", "role": "viewer"})).await, 201);
        eventually(&replica, "/v1/tokens", |_, body| body.to_string().contains(made["id"].as_str().unwrap()))
            .await;
        let there = Client::new(&replica.url, made["token"].as_str().unwrap());
        expect(there.get("/v1/whoami").await, 200);
    }
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let service = Setup::new().start().await;
    let soon = jiff::Timestamp::now() + Duration::from_millis(1500);
    let body = json!({"name": "short", "role": "viewer", "expires_at": soon.to_string()});
    let made = expect(service.admin.post("/v1/tokens", &body).await, 201);
    assert!(made["expires_at"].is_string(), "{made:#}");
    let client = Client::new(&service.url, made["token"].as_str().unwrap());
    expect(client.get("/v1/whoami").await, 200);
    eventually(&client, "/v1/whoami", |status, _| status == 401).await;
    assert!(jiff::Timestamp::now() >= soon, "it ended too early");
    for wrong in ["2001-01-01T00:00:00Z", "tomorrow", ""] {
        let body = json!({"name": "x", "role": "viewer", "expires_at": wrong});
        let refused = expect(service.admin.post("/v1/tokens", &body).await, 400);
        assert!(refused["detail"].as_str().unwrap().contains("`expires_at`"), "{refused:#}");
    }
}

#[tokio::test]
async fn a_dry_run_makes_no_token() {
    let service = Setup::new().start().await;
    let body = json!({"name": "dry", "role": "viewer"});
    let would = expect(service.admin.post("/v1/tokens?dry_run=true", &body).await, 200);
    assert_eq!(would["token"], "");
    let listed = expect(service.admin.get("/v1/tokens").await, 200);
    assert_eq!(listed["tokens"].as_array().unwrap().len(), 1, "{listed:#}");
    expect(service.admin.post("/v1/tokens?dry_run=true", &json!({"name": " ", "role": "viewer"})).await, 400);
}

#[tokio::test]
async fn a_token_in_the_query_string_is_not_accepted() {
    let service = Setup::new().start().await;
    for name in ["token", "access_token", "api_key", "authorization"] {
        let url = format!("{}/v1/whoami?{name}={}", service.url, service.token());
        let (status, body) = answer(service.admin.http.get(url)).await;
        assert_eq!(status, 401, "{name}: {body:#}");
        assert!(!body.to_string().contains(service.token()));
    }
}

#[tokio::test]
async fn only_a_bearer_token_in_its_header_is_accepted() {
    let service = Setup::new().start().await;
    let token = service.token();
    let url = format!("{}/v1/whoami", service.url);
    let with = |value: String| service.admin.http.get(&url).header("authorization", value);
    for good in [format!("Bearer {token}"), format!("bearer {token}"), format!("BEARER  {token}")] {
        assert_eq!(answer(with(good)).await.0, 200);
    }
    let cut = &token[..token.len() - 1];
    for bad in [
        token.to_owned(),
        format!("Basic {token}"),
        format!("Bearer {cut}"),
        format!("Bearer {token}x"),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
    ] {
        let response = with(bad.clone()).send().await.unwrap();
        assert_eq!(response.status(), 401, "{bad}");
        assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"), "{bad}");
    }
}

#[tokio::test]
async fn too_many_failed_attempts_are_told_to_wait() {
    let service = Setup::new().start().await;
    let guess = Client::new(&service.url, "s3c_0000000000000000000000000000000000000000000000");
    let mut refused = 0;
    let last = loop {
        let response = guess.request(Method::GET, "/v1/whoami").send().await.unwrap();
        match response.status().as_u16() {
            401 => refused += 1,
            other => {
                assert_eq!(other, 429);
                break response;
            }
        }
        assert!(refused <= 100, "guessing is never stopped");
    };
    assert!(refused >= 5, "an honest mistake must be possible: {refused}");
    let seconds: u64 = last.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    let problem: Value = last.json().await.unwrap();
    assert_eq!(problem["code"], "TooManyFailures");
    // what needs no token still answers
    let http = reqwest::Client::builder().no_proxy().timeout(LONG).build().unwrap();
    assert_eq!(http.get(format!("{}/healthz", service.url)).send().await.unwrap().status(), 200);
}
