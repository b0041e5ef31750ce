//! Secrets while their source is slow, broken, gone or refuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::fault_proxy::Fault;
use crate::harness::http_fault::Answer;
use crate::secrets_world::{World, until};
use crate::support::{LONG, expect};

/// More answers than a test can ask for.
const ALWAYS: usize = 1_000_000;
/// The bound of one call to Secrets Manager, with all its tries, and some time for a busy machine.
const CALL_BOUND: Duration = Duration::from_secs(20);

// Out of reach, with a value

#[tokio::test]
async fn queries_go_on_while_the_source_throttles() {
    let world = World::warm().await;
    world.front.answer(ALWAYS, Answer::throttling());
    go_on_stale(&world, "ThrottlingException").await;
    world.front.pass();
    recover(&world).await;
}

#[tokio::test]
async fn queries_go_on_while_the_source_fails_inside() {
    let world = World::warm().await;
    world.front.answer(ALWAYS, Answer::internal_error());
    go_on_stale(&world, "InternalError").await;
    world.front.pass();
    recover(&world).await;
}

#[tokio::test]
async fn queries_go_on_while_the_source_resets_connections() {
    let world = World::warm().await;
    world.wire.set(Fault::Refuse);
    go_on_stale(&world, "ConnectionReset").await;
    world.wire.set(Fault::Pass);
    recover(&world).await;
}

#[tokio::test]
async fn queries_go_on_while_the_source_does_not_answer() {
    let world = World::warm().await;
    world.wire.set(Fault::HalfOpen);
    go_on_stale(&world, "ReadTimeout").await;
    world.wire.set(Fault::Pass);
    recover(&world).await;
}

#[tokio::test]
async fn queries_go_on_while_the_sources_own_credentials_are_refused() {
    let world = World::warm().await;
    world.front.answer(ALWAYS, Answer::json_error(400, "ExpiredTokenException"));
    go_on_stale(&world, "ExpiredTokenException").await;
}

#[tokio::test]
async fn queries_go_on_after_the_source_is_gone() {
    let mut world = World::warm().await;
    let gone = crate::harness::fault_proxy::FaultProxy::start(&world.front.url()).await;
    drop(std::mem::replace(&mut world.wire, gone));
    go_on_stale(&world, "Connection").await;
}

#[tokio::test]
async fn a_value_older_than_max_stale_is_not_served() {
    let world = World::with(json!({"cache_ttl_ms": 1, "max_stale_ms": 1})).await;
    world.main().await;
    expect(world.list("main").await, 200);
    world.front.answer(ALWAYS, Answer::internal_error());
    let error = expect(world.list("main").await, 502);
    assert_eq!(error["upstream"]["service"], "secretsmanager", "{error:#}");
}

#[tokio::test]
async fn a_source_out_of_reach_is_not_asked_by_every_query() {
    let world = World::warm().await;
    world.front.answer(ALWAYS, Answer::json_error(400, "ExpiredTokenException"));
    expect(world.list("main").await, 200);
    let (began, before) = (Instant::now(), world.fetches());
    for _ in 0..50 {
        expect(world.list("main").await, 200);
    }
    let allowed = usize::try_from(began.elapsed().as_secs()).unwrap() * 3 + 3;
    let asked = world.fetches() - before;
    assert!(asked <= allowed, "{asked} calls in {:?}", began.elapsed());
}

// Out of reach, without a value

#[tokio::test]
async fn without_a_value_the_error_names_the_cause_and_comes_in_time() {
    let world = World::with(json!({"cache_ttl_ms": 0})).await;
    world.main().await;
    let faults: [(&str, u16, Fault, Option<Answer>); 4] = [
        ("ThrottlingException", 503, Fault::Pass, Some(Answer::throttling())),
        ("InternalError", 502, Fault::Pass, Some(Answer::internal_error())),
        ("ConnectionReset", 502, Fault::Refuse, None),
        ("ReadTimeout", 502, Fault::HalfOpen, None),
    ];
    for (code, status, fault, answer) in faults {
        world.front.pass();
        expect(world.admin().post("/v1/sources/moto/clear", &json!({})).await, 200);
        world.wire.set(fault);
        if let Some(answer) = answer {
            world.front.answer(ALWAYS, answer);
        }
        let began = Instant::now();
        let error = expect(world.list("main").await, status);
        assert!(began.elapsed() < CALL_BOUND, "{code}: {:?}", began.elapsed());
        assert_eq!(error["code"], code, "{error:#}");
        assert!(error["remedy"].is_string(), "{error:#}");
        assert!(error["detail"].as_str().unwrap().contains(&world.full("s3")), "{error:#}");
    }
}

#[tokio::test]
async fn a_query_succeeds_as_soon_as_the_source_is_back() {
    let world = World::start().await;
    world.main().await;
    world.wire.set(Fault::Refuse);
    expect(world.list("main").await, 502);
    world.wire.set(Fault::Pass);
    expect(world.list("main").await, 200);
}

// Refused: a revocation wins

#[tokio::test]
async fn a_denied_secret_is_evicted_and_queries_fail() {
    let world = World::warm().await;
    world.front.answer(ALWAYS, Answer::json_error(400, "AccessDeniedException"));
    revoked(&world, "AccessDeniedException").await;
    world.front.pass();
    expect(world.admin().post("/v1/sources/moto/refresh", &json!({"secrets": ["s3"]})).await, 200);
    expect(world.list("main").await, 200);
}

#[tokio::test]
async fn a_secret_marked_for_deletion_is_evicted_and_queries_fail() {
    let world = World::warm().await;
    world.secrets.schedule_deletion(&world.full("s3")).await;
    revoked(&world, "InvalidRequestException").await;
}

#[tokio::test]
async fn a_deleted_secret_is_evicted_and_queries_fail() {
    let world = World::warm().await;
    world.secrets.delete(&world.full("s3")).await;
    revoked(&world, "ResourceNotFoundException").await;
}

#[tokio::test]
async fn a_secret_whose_key_is_disabled_is_evicted_and_queries_fail() {
    let world = World::warm().await;
    world.front.answer(ALWAYS, Answer::json_error(400, "DecryptionFailure"));
    revoked(&world, "DecryptionFailure").await;
}

#[tokio::test]
async fn a_revoked_secret_is_not_revived_by_an_outage() {
    let world = World::warm().await;
    world.front.answer(1, Answer::json_error(400, "AccessDeniedException"));
    revoked(&world, "AccessDeniedException").await;
    world.wire.set(Fault::Refuse);
    let refresh = json!({"secrets": ["s3"]});
    expect(world.admin().post("/v1/sources/moto/refresh", &refresh).await, 200);
    let error = expect(world.list("main").await, 502);
    assert_eq!(error["upstream"]["service"], "secretsmanager", "{error:#}");
}

/// Every query succeeds, is marked as stale, and the status says why.
async fn go_on_stale(world: &World, code: &str) {
    for _ in 0..10 {
        let began = Instant::now();
        let (status, stale) = world.list_stale("main").await;
        assert_eq!(status, 200, "{code}");
        assert!(began.elapsed() < CALL_BOUND, "{code}: {:?}", began.elapsed());
        assert!(stale.is_some_and(|stale| stale.starts_with("age=")), "{code}: no `Secret-Stale`");
    }
    // readers do not wait for a load that hangs, so its failure may come after them
    until("the failure in the status", || async {
        let status = expect(world.admin().get("/v1/sources/moto/cache").await, 200);
        let row = &status["secrets"][0];
        assert!(row["stale_since"].is_string() && row["version_id"].is_string(), "{status:#}");
        row["last_error"].as_str().is_some_and(|error| error.starts_with(code))
    })
    .await;
}

/// The mark goes away by itself.
async fn recover(world: &World) {
    until("an answer that is not stale", || async {
        let (status, stale) = world.list_stale("main").await;
        assert_eq!(status, 200);
        stale.is_none()
    })
    .await;
    let status = expect(world.admin().get("/v1/sources/moto/cache").await, 200);
    assert!(status["secrets"][0]["stale_since"].is_null(), "{status:#}");
}

/// Queries fail with the upstream's code, and nothing is left of the value.
async fn revoked(world: &World, code: &str) {
    let requests = world.embedded.store.requests();
    let began = Instant::now();
    let error = expect(world.list("main").await, 424);
    assert!(began.elapsed() < LONG);
    assert_eq!(error["code"], code, "{error:#}");
    assert!(error["remedy"].is_string(), "{error:#}");
    assert_eq!(expect(world.list("main").await, 424)["code"], code);
    assert_eq!(world.embedded.store.requests(), requests, "a revoked key is not used");
    let status: Value = expect(world.admin().get("/v1/sources/moto/cache").await, 200);
    assert!(status["secrets"][0]["version_id"].is_null(), "{status:#}");
    assert_eq!(status["secrets"][0]["last_error"], code, "{status:#}");
}
