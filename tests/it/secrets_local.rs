//! Secrets that leave AWS Secrets Manager for the local vault.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use aws_sdk_secretsmanager::primitives::Blob;
use serde_json::{Value, json};

use crate::secrets_world::{ID, SECRET, World};
use crate::support::{PLANTED, expect, moto_source};

const MOVE: &str = "/v1/sources/moto/move-to-local";

/// A world with a local source beside the one at AWS.
async fn world() -> World {
    let world = World::start().await;
    expect(world.admin().post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
    world
}

async fn move_it(world: &World, secret: &str) -> (u16, Value) {
    world.admin().post(MOVE, &json!({"secret": secret, "target": "vault"})).await
}

fn reference<'a>(moved: &'a Value, resource: &str, field: &str) -> &'a Value {
    let mut rows = moved["references"].as_array().unwrap().iter();
    rows.find(|row| row["resource"] == resource && row["field"] == field)
        .unwrap_or_else(|| panic!("no reference in {resource} {field}: {moved:#}"))
}

#[tokio::test]
async fn a_moved_secret_works_without_aws_and_its_references_are_told() {
    let world = world().await;
    let made = world.main().await;
    world
        .resource("named", "{{ secrets@moto.s3.id }}", &format!("{{{{ secrets['{}'].secret }}}}", made.arn))
        .await;
    expect(world.list("main").await, 200);
    assert_eq!(world.fetches(), 1);

    let (path, wanted) = (format!("{MOVE}?dry_run=true"), json!({"secret": "s3", "target": "vault"}));
    let tried = world.admin().post(&path, &wanted);
    assert_eq!(expect(tried.await, 200)["version_id"], "");
    expect(world.admin().get("/v1/sources/vault/secrets/s3/versions").await, 404);

    let moved = expect(move_it(&world, "s3").await, 200);
    assert_eq!(world.fetches(), 1, "the last fetched value is taken from the cache");
    assert_eq!((&moved["name"], &moved["replaced"]), (&json!("s3"), &json!(false)));
    assert_eq!(moved["from_version_id"], made.version_id);
    assert_eq!(moved["references"].as_array().unwrap().len(), 4, "{moved:#}");
    let plain = reference(&moved, "main", "auth.access_key_id");
    assert_eq!((&plain["rewrite"], &plain["new_reference"]), (&json!(false), &json!(ID)), "{plain:#}");
    let named = reference(&moved, "named", "auth.access_key_id");
    assert_eq!(named["rewrite"], true);
    assert_eq!(named["new_reference"], "{{ secrets@vault.s3.id }}");
    let by_arn = reference(&moved, "named", "auth.secret_access_key");
    assert_eq!((&by_arn["rewrite"], &by_arn["new_reference"]), (&json!(true), &json!(SECRET)));

    world.secrets.delete(&world.full("s3")).await;
    expect(world.admin().post("/v1/cache/clear", &json!({})).await, 200);
    expect(world.list("main").await, 424);
    let active = json!({"environment": "production", "source": "vault"});
    expect(world.admin().put("/v1/sources/active", &active).await, 200);
    expect(world.list("main").await, 200);
    let rows = expect(world.admin().get("/v1/audit?limit=100").await, 200).to_string();
    assert!(rows.contains("secret.move_to_local"), "{rows}");
    assert!(
        !rows.contains(&world.embedded.key.secret) && !moved.to_string().contains(&world.embedded.key.secret)
    );
}

#[tokio::test]
async fn a_secret_that_is_not_cached_is_fetched_and_one_that_is_there_stays() {
    let world = world().await;
    world.secrets.create(&world.full("deep/text"), PLANTED).await;
    expect(move_it(&world, "deep/text").await, 200);
    assert_eq!(world.fetches(), 1);
    let taken = expect(move_it(&world, "deep/text").await, 409);
    assert!(taken["detail"].as_str().unwrap().contains("overwrite"), "{taken:#}");
    let over = json!({"secret": "deep/text", "target": "vault", "overwrite": true});
    assert_eq!(expect(world.admin().post(MOVE, &over).await, 200)["replaced"], true);
    let versions = expect(world.admin().get("/v1/sources/vault/secrets/deep%2Ftext/versions").await, 200);
    assert_eq!(versions["versions"].as_array().unwrap().len(), 2, "{versions:#}");
    assert!(!world.service.process.output().contains(PLANTED), "the log holds a value");
}

#[tokio::test]
async fn an_arn_moves_under_the_short_name_and_an_alias_is_told_to_be_set() {
    let world = world().await;
    let made = world.keys("s3").await;
    expect(world.admin().put("/v1/sources/moto/aliases/short", &json!({"secret": "s3"})).await, 200);
    world.resource("main", "{{ vault:short.id }}", "{{ vault:short.secret @ AWSCURRENT }}").await;
    let moved = expect(move_it(&world, &made.arn).await, 200);
    assert_eq!(moved["name"], "s3");
    let through = reference(&moved, "main", "auth.access_key_id");
    assert!(through["advice"].as_str().unwrap().contains("set the alias `short`"), "{through:#}");
    assert_eq!(through["rewrite"], false);
}

#[tokio::test]
async fn the_last_value_moves_while_its_source_is_down() {
    let world = World::warm().await;
    expect(world.admin().post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
    world.wire.set(crate::harness::fault_proxy::Fault::Refuse);
    let moved = expect(move_it(&world, "s3").await, 200);
    assert_eq!(moved["name"], "s3");
}

#[tokio::test]
async fn what_cannot_be_moved_is_refused_and_says_why() {
    let world = world().await;
    let make = world.secrets.client.create_secret().name(world.full("bytes"));
    make.secret_binary(Blob::new([0_u8, 255, 128])).send().await.unwrap();
    let binary = expect(move_it(&world, "bytes").await, 400);
    assert!(binary["detail"].as_str().unwrap().contains("binary"), "{binary:#}");
    expect(world.admin().get("/v1/sources/vault/secrets/bytes/versions").await, 404);
    let missing = expect(move_it(&world, "nothing").await, 424);
    assert_eq!(missing["code"], "ResourceNotFoundException");
    world.keys("s3").await;
    expect(world.admin().post(MOVE, &json!({"secret": "s3"})).await, 400);
    let not_local = world.admin().post(MOVE, &json!({"secret": "s3", "target": "moto"})).await;
    assert!(expect(not_local, 400)["detail"].as_str().unwrap().contains("local"));
    let local = json!({"secret": "s3", "target": "vault"});
    expect(world.admin().post("/v1/sources/vault/move-to-local", &local).await, 400);
    expect(world.admin().post(MOVE, &json!({"secret": "s3", "target": "none"})).await, 404);
}

#[tokio::test]
async fn what_belongs_to_the_workspace_or_is_ruled_is_moved_by_the_installation_alone() {
    let world = World::start().await;
    world.keys("s3").await;
    let admin = world.admin();
    let shared = moto_source("shared", &world.front.url(), &world.namespace);
    let mut shared = shared;
    shared["scope"] = json!("workspace");
    expect(admin.post("/v1/sources", &shared).await, 201);
    expect(admin.post("/v1/sources", &json!({"name": "mine", "kind": "local"})).await, 201);
    let project = world.service.client("admin").await;
    let wanted = json!({"secret": "s3", "target": "mine"});
    let before = world.fetches();
    let refused = expect(project.post("/v1/sources/shared/move-to-local", &wanted).await, 403);
    assert!(refused["detail"].as_str().unwrap().contains("installation"), "{refused:#}");
    assert_eq!(world.fetches(), before);
    // the project's own source, until a rule names the secret
    let rule = json!({"name": "keys", "source": "moto", "secrets": ["s3"], "projects": ["default"]});
    expect(admin.post("/v1/usage-policies", &rule).await, 201);
    expect(project.post("/v1/sources/moto/move-to-local", &wanted).await, 403);
    expect(admin.delete("/v1/usage-policies/keys").await, 200);
    expect(project.post("/v1/sources/moto/move-to-local", &wanted).await, 200);
}
