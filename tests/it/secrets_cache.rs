//! The cache of secrets, as callers of the service see it.

use std::time::{Duration, Instant};

use futures_util::future;
use serde_json::json;

use crate::harness::fault_proxy::Fault;
use crate::harness::http_fault::Answer;
use crate::secrets_world::{ID, SECRET, World, new_key, pair, until};
use crate::support::expect;

#[tokio::test]
async fn a_warm_query_asks_nobody_for_secrets() {
    let world = World::start().await;
    world.main().await;
    for _ in 0..20 {
        expect(world.list("main").await, 200);
    }
    assert_eq!(world.fetches(), 1);
    assert_eq!(world.embedded.store.requests(), 20);
}

#[tokio::test]
async fn a_hundred_cold_queries_make_one_call() {
    let world = World::start().await;
    world.keys("s3").await;
    for number in 0..10 {
        world.resource(&format!("r{number}"), ID, SECRET).await;
    }
    let names: Vec<String> = (0..100).map(|query| format!("r{}", query % 10)).collect();
    for answer in future::join_all(names.iter().map(|name| world.list(name))).await {
        expect(answer, 200);
    }
    assert_eq!(world.fetches(), 1);
}

#[tokio::test]
async fn a_secret_reached_by_name_and_by_arn_is_cached_once() {
    let world = World::start().await;
    let made = world.main().await;
    expect(world.list("main").await, 200);
    let reference = |key: &str| format!("{{{{ secrets['{}'].{key} }}}}", made.arn);
    world.resource("by-arn", &reference("id"), &reference("secret")).await;
    expect(world.list("by-arn").await, 200);
    assert_eq!(world.fetches(), 1);
}

#[tokio::test]
async fn a_ttl_of_zero_reads_for_every_query() {
    let world = World::with(json!({"cache_ttl_ms": 0})).await;
    world.main().await;
    for _ in 0..5 {
        expect(world.list("main").await, 200);
    }
    assert_eq!(world.fetches(), 5);
}

#[tokio::test]
async fn queries_wait_for_a_slow_source_together_and_not_one_after_the_other() {
    let world = World::with(json!({"cache_ttl_ms": 0})).await;
    world.main().await;
    expect(world.list("main").await, 200);
    world.wire.set(Fault::Latency(Duration::from_millis(200)));
    let began = Instant::now();
    for answer in future::join_all((0..10).map(|_| world.list("main"))).await {
        expect(answer, 200);
    }
    // one call takes 400 ms and more, ten in a row 4 s
    assert!(began.elapsed() < Duration::from_millis(2_500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_changed_ttl_holds_at_once() {
    let world = World::start().await;
    world.main().await;
    expect(world.list("main").await, 200);
    expect(world.admin().patch("/v1/sources/moto", &json!({"cache_ttl_ms": 0})).await, 200);
    expect(world.list("main").await, 200);
    expect(world.list("main").await, 200);
    assert_eq!(world.fetches(), 3);
}

#[tokio::test]
async fn the_status_tells_versions_and_users_and_no_value() {
    let world = World::start().await;
    let made = world.main().await;
    world.resource("second", ID, SECRET).await;
    let empty = expect(world.admin().get("/v1/sources/moto/cache").await, 200);
    assert_eq!(empty["secrets"], json!([]));
    for name in ["main", "second"] {
        expect(world.list(name).await, 200);
    }
    let status = expect(world.admin().get("/v1/sources/moto/cache").await, 200);
    let row = &status["secrets"][0];
    assert_eq!(row["secret"], world.full("s3"), "{status:#}");
    assert_eq!(row["pin"], "AWSCURRENT");
    assert_eq!(row["version_id"], made.version_id);
    assert_eq!(row["resources"], 2);
    assert!(row["age_ms"].is_u64() && row["fetched_at"].is_string() && row["expires_at"].is_string());
    assert!(row["last_error"].is_null() && row["stale_since"].is_null(), "{status:#}");
    assert!(!status.to_string().contains(&world.embedded.key.secret));
}

#[tokio::test]
async fn a_refresh_says_what_changed() {
    let world = World::start().await;
    let first = world.main().await;
    expect(world.list("main").await, 200);
    let refresh = json!({"secrets": ["s3"]});
    let same = expect(world.admin().post("/v1/sources/moto/refresh", &refresh).await, 200);
    assert_eq!(same["refreshed"][0]["before"], first.version_id, "{same:#}");
    assert_eq!(same["refreshed"][0]["after"], first.version_id);
    let key = new_key();
    let second = world.secrets.put(&world.full("s3"), &pair(&key).to_string()).await;
    let changed = expect(world.admin().post("/v1/sources/moto/refresh", &json!({})).await, 200);
    assert_eq!(changed["refreshed"].as_array().unwrap().len(), 1);
    assert_eq!(changed["refreshed"][0]["before"], first.version_id, "{changed:#}");
    assert_eq!(changed["refreshed"][0]["after"], second.version_id);
    world.embedded.store.set_keys(&key.id, key.secret.into());
    let requests = world.embedded.store.requests();
    expect(world.list("main").await, 200);
    assert_eq!(world.embedded.store.requests(), requests + 1, "the new keys are used from the first try");
    let missing = json!({"secrets": ["nothing"]});
    let failed = expect(world.admin().post("/v1/sources/moto/refresh", &missing).await, 200);
    assert!(failed["refreshed"][0]["after"].is_null(), "{failed:#}");
    assert!(failed["refreshed"][0]["error"].as_str().unwrap().starts_with("ResourceNotFoundException"));
}

#[tokio::test]
async fn a_cleared_cache_is_read_anew() {
    let world = World::start().await;
    world.main().await;
    for path in ["/v1/sources/moto/clear", "/v1/cache/clear"] {
        expect(world.list("main").await, 200);
        assert_eq!(expect(world.admin().post(path, &json!({})).await, 200)["cleared"], 1);
        assert_eq!(expect(world.admin().post(path, &json!({})).await, 200)["cleared"], 0);
    }
    expect(world.list("main").await, 200);
    assert_eq!(world.fetches(), 3);
}

#[tokio::test]
async fn switching_the_active_source_keeps_what_is_cached() {
    let world = World::start().await;
    world.main().await;
    let vault = json!({"name": "vault", "kind": "local"});
    expect(world.admin().post("/v1/sources", &vault).await, 201);
    let value = json!({"value": pair(&world.embedded.key)});
    expect(world.admin().put("/v1/sources/vault/secrets/s3", &value).await, 200);
    for source in ["moto", "vault", "moto"] {
        let activate = json!({"environment": "production", "source": source});
        expect(world.admin().put("/v1/sources/active", &activate).await, 200);
        expect(world.list("main").await, 200);
    }
    assert_eq!(world.fetches(), 1);
    let status = expect(world.admin().get("/v1/sources/vault/cache").await, 200);
    assert_eq!(status["secrets"].as_array().unwrap().len(), 1, "{status:#}");
}

#[tokio::test]
async fn a_refusal_is_remembered_until_the_source_is_saved_or_refreshed() {
    let world = World::start().await;
    world.resource("main", ID, SECRET).await;
    for _ in 0..10 {
        expect(world.list("main").await, 424);
    }
    assert_eq!(world.fetches(), 1, "the same question is not asked again at once");
    expect(world.admin().patch("/v1/sources/moto", &json!({"description": "saved"})).await, 200);
    expect(world.list("main").await, 424);
    assert_eq!(world.fetches(), 2);
    world.keys("s3").await;
    expect(world.list("main").await, 424);
    let refresh = json!({"secrets": ["s3"]});
    expect(world.admin().post("/v1/sources/moto/refresh", &refresh).await, 200);
    expect(world.list("main").await, 200);
    assert_eq!(world.fetches(), 3);
}

#[tokio::test]
async fn an_entry_ends_with_the_next_rotation_when_its_source_follows_them() {
    let world = World::with(json!({"follow_rotation": true})).await;
    let made = world.main().await;
    let at = s3_connector::clock::Clock::system().now_ms() / 1000 + 3;
    let described = json!({"ARN": made.arn, "Name": world.full("s3"), "NextRotationDate": at});
    let described = Answer::new(200, "application/x-amz-json-1.1", described.to_string());
    world.front.answer_to("DescribeSecret", 1, described);
    world.front.answer_to("DescribeSecret", usize::MAX, Answer::json_error(400, "AccessDeniedException"));
    expect(world.list("main").await, 200);
    expect(world.list("main").await, 200);
    assert_eq!((world.fetches(), world.front.count("DescribeSecret")), (1, 1));
    until("the end of the entry", async || {
        expect(world.list("main").await, 200);
        world.fetches() == 2
    })
    .await;
    assert!(s3_connector::clock::Clock::system().now_ms() / 1000 >= at, "read again before the rotation");
    // without the permission to ask, the TTL holds
    expect(world.list("main").await, 200);
    assert_eq!((world.fetches(), world.front.count("DescribeSecret")), (2, 2));
}

#[tokio::test]
async fn a_missing_key_and_broken_json_are_remembered_for_their_version() {
    let world = World::start().await;
    for (name, value) in [("keyless", r#"{"id": "x"}"#), ("broken", r#"{"id": "#)] {
        world.secrets.create(&world.full(name), value).await;
        let reference = |key: &str| format!("{{{{ secrets.{name}.{key} }}}}");
        world.resource(name, &reference("id"), &reference("secret")).await;
        let before = world.fetches();
        for _ in 0..5 {
            let error = expect(world.list(name).await, 424);
            let code = error["code"].as_str().unwrap();
            assert!(["SecretKeyMissing", "SecretNotUsable"].contains(&code), "{error:#}");
        }
        assert_eq!(world.fetches(), before + 1, "{name}: the same version is not asked for again");
        world.secrets.put(&world.full(name), &pair(&world.embedded.key).to_string()).await;
        let refresh = json!({"secrets": [name]});
        expect(world.admin().post("/v1/sources/moto/refresh", &refresh).await, 200);
        expect(world.list(name).await, 200);
    }
}

#[tokio::test]
async fn one_secret_is_cleared_under_all_its_names_and_the_others_stay() {
    let world = World::start().await;
    let made = world.main().await;
    world.keys("other").await;
    world.resource("other", "{{ secrets.other.id }}", "{{ secrets.other.secret }}").await;
    for name in ["main", "other"] {
        expect(world.list(name).await, 200);
    }
    let clear = async |secret: &str| {
        let wanted = json!({"secrets": [secret]});
        expect(world.admin().post("/v1/sources/moto/clear", &wanted).await, 200)["cleared"].clone()
    };
    let asked = world.fetches();
    assert_eq!(clear("nobody").await, 0);
    for (round, secret) in ["s3", made.arn.as_str()].into_iter().enumerate() {
        assert_eq!(clear(secret).await, 1, "{secret}");
        for name in ["main", "other"] {
            expect(world.list(name).await, 200);
        }
        assert_eq!(world.fetches(), asked + round + 1, "only `s3` is read again");
    }
}
