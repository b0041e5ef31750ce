//! Reads of different secrets that come together: batches, their fallback, and the limits of one source.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use futures_util::future;
use serde_json::{Value, json};

use crate::harness::http_fault::Answer;
use crate::secrets_world::World;
use crate::support::expect;

const ALWAYS: usize = usize::MAX;

/// Resources `r0`, `r1` and so on, each with a secret of its own.
async fn resources(world: &World, count: usize) {
    for number in 0..count {
        let name = format!("r{number}");
        world.keys(&name).await;
        let reference = |key: &str| format!("{{{{ secrets.{name}.{key} }}}}");
        world.resource(&name, &reference("id"), &reference("secret")).await;
    }
}

async fn list_all(world: &World, count: usize) -> Vec<(u16, Value)> {
    let names: Vec<String> = (0..count).map(|number| format!("r{number}")).collect();
    future::join_all(names.iter().map(|name| world.list(name))).await
}

#[tokio::test]
async fn cold_reads_of_many_secrets_go_out_as_batches_of_twenty() {
    let world = World::start().await;
    resources(&world, 60).await;
    for answer in list_all(&world, 60).await {
        expect(answer, 200);
    }
    let (batches, singles) = (world.front.count("BatchGetSecretValue"), world.fetches());
    // how they fall into windows depends on the machine; each is asked for once, and nearly all together
    assert!(batches >= 3, "{batches} batches, {singles} single reads");
    assert!(batches + singles <= 20, "{batches} batches, {singles} single reads");
    let before = world.front.requests().len();
    for answer in list_all(&world, 60).await {
        expect(answer, 200);
    }
    assert_eq!(world.front.requests().len(), before, "what came in a batch is cached like any other");
}

#[tokio::test]
async fn a_secret_read_alone_is_read_by_itself() {
    let world = World::start().await;
    world.main().await;
    expect(world.list("main").await, 200);
    assert_eq!((world.front.count("BatchGetSecretValue"), world.fetches()), (0, 1));
}

#[tokio::test]
async fn without_the_permission_for_batches_secrets_are_read_one_by_one() {
    let world = World::start().await;
    resources(&world, 12).await;
    let denied = Answer::json_error(400, "AccessDeniedException");
    world.front.answer_to("BatchGetSecretValue", ALWAYS, denied);
    for answer in list_all(&world, 12).await {
        expect(answer, 200);
    }
    assert_eq!(world.fetches(), 12);
    let refused = world.front.count("BatchGetSecretValue");
    assert!((1..=6).contains(&refused), "{refused}");
    expect(world.admin().post("/v1/sources/moto/clear", &json!({})).await, 200);
    for answer in list_all(&world, 12).await {
        expect(answer, 200);
    }
    assert_eq!(world.front.count("BatchGetSecretValue"), refused, "batches are not tried again at once");
}

#[tokio::test]
async fn one_missing_secret_in_a_batch_takes_nothing_from_the_others() {
    let world = World::start().await;
    resources(&world, 8).await;
    world.secrets.delete(&world.full("r3")).await;
    for (number, answer) in list_all(&world, 8).await.into_iter().enumerate() {
        if number == 3 {
            let error = expect(answer, 424);
            assert_eq!(error["code"], "ResourceNotFoundException", "{error:#}");
            assert!(error["detail"].as_str().unwrap().contains("/r3`"), "{error:#}");
        } else {
            expect(answer, 200);
        }
    }
    assert!(world.front.count("BatchGetSecretValue") >= 1);
}

#[tokio::test]
async fn a_throttled_batch_is_an_error_for_all_that_waited_and_the_next_one_works() {
    let world = World::start().await;
    resources(&world, 4).await;
    world.front.answer_to("BatchGetSecretValue", ALWAYS, Answer::throttling());
    world.front.answer_to("GetSecretValue", ALWAYS, Answer::throttling());
    for answer in list_all(&world, 4).await {
        let error = expect(answer, 503);
        assert_eq!(error["code"], "ThrottlingException", "{error:#}");
    }
    world.front.pass();
    expect(world.admin().post("/v1/sources/moto/clear", &json!({})).await, 200);
    for answer in list_all(&world, 4).await {
        expect(answer, 200);
    }
}

#[tokio::test]
async fn a_source_is_asked_for_sixteen_secrets_at_once_at_the_most() {
    let world = World::start().await;
    resources(&world, 40).await;
    let denied = Answer::json_error(400, "AccessDeniedException");
    world.front.answer_to("BatchGetSecretValue", ALWAYS, denied);
    for answer in list_all(&world, 40).await {
        expect(answer, 200);
    }
    let most = world.front.most_at_once();
    assert!((2..=16).contains(&most), "{most} at once");
}

#[tokio::test]
async fn a_reader_that_goes_away_leaves_nobody_waiting() {
    let world = World::start().await;
    resources(&world, 1).await;
    // the test of a source reads by itself, and ends with its caller
    for wait in (1..=12).chain(1..=12) {
        let test = world.admin().request(reqwest::Method::POST, "/v1/sources/moto/test").json(&json!({}));
        let _ = test.timeout(std::time::Duration::from_millis(wait)).send().await;
        expect(world.admin().post("/v1/sources/moto/clear", &json!({})).await, 200);
        expect(world.list("r0").await, 200);
    }
}
