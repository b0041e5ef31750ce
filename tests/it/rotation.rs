//! Rotations between and during queries: none fails while the secret holds keys that work.

#![allow(clippy::unwrap_used, reason = "test code outside of test functions")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future;
use reqwest::Method;
use serde_json::json;

use crate::harness::aws;
use crate::harness::http_fault::{Answer, HttpFault};
use crate::harness::servers::AccessKey;
use crate::secrets_world::{ID, SECRET, World, new_key, pair, until};
use crate::support::{DATABASES, Embedded, Setup, answer, expect, templated};

/// Rotations follow each other a little slower than a refused secret is fetched again.
const PACE: Duration = Duration::from_millis(1_100);
const READERS: usize = 8;

#[tokio::test]
async fn every_operation_goes_through_a_rotation() {
    let world = World::start().await;
    aws::put_object(&world.embedded.client(), "bucket", "a.txt", "hello").await;
    // a secret of its own for each, so that each meets the refused key itself
    let names = ["get", "head", "list", "put", "delete", "read", "write"];
    for name in names {
        world.keys(name).await;
        let reference = |key: &str| format!("{{{{ secrets.{name}.{key} }}}}");
        world.resource(name, &reference("id"), &reference("secret")).await;
        expect(world.list(name).await, 200);
    }
    let before = world.embedded.store.requests();
    world.rotate(&names).await;
    for (name, query) in [
        ("get", json!({"operation": "get", "key": "a.txt"})),
        ("head", json!({"operation": "head", "key": "a.txt"})),
        ("list", json!({"operation": "list"})),
        ("put", json!({"operation": "put", "key": "b.txt", "text": "small"})),
        ("delete", json!({"operation": "delete", "key": "b.txt"})),
    ] {
        expect(world.admin().query(name, &query).await, 200);
    }
    let read = world.admin().request(Method::GET, "/v1/resources/read/objects/a.txt");
    assert_eq!(expect(answer(read).await, 200), "hello");
    let write = world.admin().request(Method::PUT, "/v1/resources/write/objects/c.txt").body("small");
    expect(answer(write).await, 200);
    // a refused HEAD has no code, so one more request asks for it
    assert_eq!(world.embedded.store.requests() - before, 2 * 7 + 1, "each was refused once and made again");
    assert_eq!(world.fetches(), 2 * 7);
}

#[tokio::test]
async fn a_streamed_upload_that_is_refused_before_its_end_is_sent_again_whole() {
    let world = World::start().await;
    world.main().await;
    expect(world.list("main").await, 200);
    let body: Vec<u8> = (0..8_u32 << 20).map(|at| (at % 253) as u8).collect();
    let mut pace = tokio::time::interval(PACE);
    for round in 0..5 {
        pace.tick().await;
        let key = world.rotate(&["s3"]).await;
        let put = world.admin().request(Method::PUT, "/v1/resources/main/objects/kept").body(body.clone());
        expect(answer(put).await, 200);
        let stored = aws::get_object(&aws::s3(&world.embedded.url, &key), "bucket", "kept").await;
        assert!(stored == body, "round {round}: {} of {} bytes", stored.len(), body.len());
        // from the end of the upload on: one that took long is not followed by two rotations at once
        pace.reset();
    }
}

#[tokio::test]
async fn a_multipart_upload_goes_through_a_rotation() {
    let world = World::start().await;
    world.main().await;
    expect(world.list("main").await, 200);
    let key = world.rotate(&["s3"]).await;
    let body: Vec<u8> = (0..20_u32 << 20).map(|at| (at % 251) as u8).collect();
    let put = world.admin().request(Method::PUT, "/v1/resources/main/objects/large").body(body.clone());
    expect(answer(put).await, 200);
    let stored = aws::get_object(&aws::s3(&world.embedded.url, &key), "bucket", "large").await;
    assert!(stored == body, "{} of {} bytes", stored.len(), body.len());
}

/// Begins an upload of 40 MiB, replaces the key when its first part is stored, and goes on or goes away.
async fn rotated_half_way(
    world: &World,
    name: &str,
    goes_on: bool,
) -> (Option<(u16, serde_json::Value)>, AccessKey) {
    let client = aws::s3(&world.embedded.url, &world.embedded.key);
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let stream = futures_util::stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    let path = format!("/v1/resources/{name}/objects/large");
    let put = world.admin().request(Method::PUT, &path).header("content-length", 40 << 20);
    let put = tokio::spawn(answer_or_error(put.body(reqwest::Body::wrap_stream(stream))));
    for _ in 0..20 {
        sender.send(Ok(vec![7; 1 << 20])).await.unwrap();
    }
    until("a stored part", async || {
        let open = client.list_multipart_uploads().bucket("bucket").send().await.unwrap();
        let Some(upload) = open.uploads().first() else { return false };
        let parts = client.list_parts().bucket("bucket").key("large").upload_id(upload.upload_id().unwrap());
        !parts.send().await.unwrap().parts().is_empty()
    })
    .await;
    let key = world.rotate(&[name]).await;
    if !goes_on {
        sender.send(Err(std::io::Error::other("the sender goes away"))).await.unwrap();
    }
    for _ in 20..40 {
        // the answer may come before the whole body was taken
        if sender.send(Ok(vec![7; 1 << 20])).await.is_err() {
            break;
        }
    }
    drop(sender);
    (put.await.unwrap(), key)
}

async fn answer_or_error(put: reqwest::RequestBuilder) -> Option<(u16, serde_json::Value)> {
    let response = put.send().await.ok()?;
    let status = response.status().as_u16();
    Some((status, response.json().await.ok()?))
}

#[tokio::test]
async fn an_upload_whose_key_is_replaced_half_way_leaves_no_parts() {
    for goes_on in [true, false] {
        let world = World::start().await;
        world.keys("s3").await;
        world.resource("s3", "{{ secrets.s3.id }}", "{{ secrets.s3.secret }}").await;
        expect(world.list("s3").await, 200);
        let (answered, key) = rotated_half_way(&world, "s3", goes_on).await;
        if goes_on {
            let error = expect(answered.unwrap(), 503);
            assert!(error["detail"].as_str().unwrap().contains("send it again"), "{error:#}");
        }
        let client = aws::s3(&world.embedded.url, &key);
        until("the end of the upload", async || {
            let open = client.list_multipart_uploads().bucket("bucket").send().await.unwrap();
            open.uploads().is_empty()
        })
        .await;
        let put = world.admin().request(Method::PUT, "/v1/resources/s3/objects/large").body("again");
        expect(answer(put).await, 200);
    }
}

#[tokio::test]
async fn an_upload_of_unknown_length_goes_through_a_rotation() {
    let world = World::start().await;
    world.keys("small").await;
    world.keys("large").await;
    world.resource("small", "{{ secrets.small.id }}", "{{ secrets.small.secret }}").await;
    world.resource("large", "{{ secrets.large.id }}", "{{ secrets.large.secret }}").await;
    expect(world.list("small").await, 200);
    expect(world.list("large").await, 200);
    let key = world.rotate(&["small", "large"]).await;
    for (name, chunks) in [("small", 3_u8), ("large", 12)] {
        let body: Vec<Vec<u8>> = (1..=chunks).map(|byte| vec![byte; 1 << 20]).collect();
        let stream = futures_util::stream::iter(body.clone().into_iter().map(Ok::<_, std::io::Error>));
        let path = format!("/v1/resources/{name}/objects/{name}");
        let put = world.admin().request(Method::PUT, &path).body(reqwest::Body::wrap_stream(stream));
        let written = expect(answer(put).await, 200);
        assert_eq!(written["size"], u64::from(chunks) << 20);
        let stored = aws::get_object(&aws::s3(&world.embedded.url, &key), "bucket", name).await;
        assert!(stored == body.concat(), "{name}: {} bytes", stored.len());
    }
}

#[tokio::test]
async fn a_replica_sees_a_rotation_that_another_one_stored() {
    for database in DATABASES {
        let embedded = Embedded::start().await;
        // the replicas look at the database seldom: the refusal itself must lead to the new keys
        let service = Setup::new().on(database).with("S3_CONNECTOR__STORE__POLL_MS", "60000").start().await;
        expect(service.admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        let secret = "/v1/sources/vault/secrets/s3";
        expect(service.admin.put(secret, &json!({"value": pair(&embedded.key)})).await, 200);
        let body = templated("main", &embedded.url, "bucket", ID, SECRET);
        expect(service.admin.post("/v1/resources", &body).await, 201);
        let (_process, other) = service.replica().await;
        let list = json!({"operation": "list"});
        expect(service.admin.query("main", &list).await, 200);
        expect(other.query("main", &list).await, 200);
        let key = new_key();
        expect(other.put(secret, &json!({"value": pair(&key)})).await, 200);
        embedded.store.set_keys(&key.id, key.secret.into());
        expect(service.admin.query("main", &list).await, 200);
        expect(other.query("main", &list).await, 200);
    }
}

#[tokio::test]
async fn a_refused_key_whose_secret_did_not_change_is_an_error_with_the_version() {
    let world = World::start().await;
    let made = world.main().await;
    expect(world.list("main").await, 200);
    let stranger = new_key();
    let id = world.embedded.key.id.clone();
    for (id, code) in [(&id, "SignatureDoesNotMatch"), (&stranger.id, "InvalidAccessKeyId")] {
        world.embedded.store.set_keys(id, stranger.secret.clone().into());
        let error = expect(world.list("main").await, 424);
        assert_eq!(error["code"], code, "{error:#}");
        assert_eq!(error["upstream"]["service"], "s3");
        let detail = error["detail"].as_str().unwrap();
        assert!(detail.contains("tried") && detail.contains(&made.version_id), "{error:#}");
        assert!(error["remedy"].is_string(), "{error:#}");
        assert!(!error.to_string().contains(&world.embedded.key.secret));
    }
}

#[tokio::test]
async fn a_rotation_to_a_key_that_is_refused_too_names_both_versions() {
    let world = World::start().await;
    let first = world.main().await;
    expect(world.list("main").await, 200);
    let second = world.secrets.put(&world.full("s3"), &pair(&new_key()).to_string()).await;
    let stranger = new_key();
    world.embedded.store.set_keys(&stranger.id, stranger.secret.into());
    let requests = world.embedded.store.requests();
    let error = expect(world.list("main").await, 424);
    let detail = error["detail"].as_str().unwrap();
    assert!(detail.contains(&first.version_id) && detail.contains(&second.version_id), "{error:#}");
    assert_eq!(world.embedded.store.requests(), requests + 2, "made again once, not for ever");
}

/// Lists and gives the status and the header `Secret-Stage`.
async fn list_staged(world: &World) -> (u16, Option<String>) {
    let request = world.admin().request(Method::POST, "/v1/resources/main/query");
    let response = request.json(&json!({"operation": "list"})).send().await.unwrap();
    let stage = response.headers().get("secret-stage").map(|stage| stage.to_str().unwrap().to_owned());
    (response.status().as_u16(), stage)
}

async fn refresh(world: &World) {
    let path = "/v1/sources/moto/refresh";
    expect(world.admin().post(path, &json!({"secrets": ["s3"]})).await, 200);
}

#[tokio::test]
async fn the_previous_version_is_used_until_the_store_or_the_current_version_changes() {
    let world = World::start().await;
    world.main().await;
    expect(world.list("main").await, 200);
    // the rotation put the new key into the secret, and the store does not know it yet
    let early = new_key();
    world.secrets.put(&world.full("s3"), &pair(&early).to_string()).await;
    refresh(&world).await;
    let before = world.embedded.store.requests();
    assert_eq!(list_staged(&world).await, (200, Some("AWSPREVIOUS".to_owned())));
    assert_eq!(
        world.embedded.store.requests() - before,
        2,
        "refused with the new one, taken with the old one"
    );
    for _ in 0..3 {
        assert_eq!(list_staged(&world).await, (200, Some("AWSPREVIOUS".to_owned())));
    }
    assert_eq!(world.embedded.store.requests() - before, 5, "it is used from now on");
    // now the store takes the new one, and not the old one any more
    world.embedded.store.set_keys(&early.id, early.secret.clone().into());
    assert_eq!(list_staged(&world).await, (200, None));
    let before = world.embedded.store.requests();
    assert_eq!(list_staged(&world).await, (200, None));
    assert_eq!(world.embedded.store.requests() - before, 1);
}

#[tokio::test]
async fn a_stand_in_ends_when_the_current_version_moves() {
    let world = World::start().await;
    world.main().await;
    expect(world.list("main").await, 200);
    world.secrets.put(&world.full("s3"), &pair(&new_key()).to_string()).await;
    refresh(&world).await;
    assert_eq!(list_staged(&world).await, (200, Some("AWSPREVIOUS".to_owned())));
    // the mistake is mended: the good key is the current version again
    world.secrets.put(&world.full("s3"), &pair(&world.embedded.key).to_string()).await;
    refresh(&world).await;
    assert_eq!(list_staged(&world).await, (200, None));
}

#[tokio::test]
async fn the_pending_version_is_used_when_only_it_works() {
    let world = World::start().await;
    world.main().await;
    expect(world.list("main").await, 200);
    let key = new_key();
    world.secrets.put_with_stages(&world.full("s3"), &pair(&key).to_string(), &["AWSPENDING"]).await;
    world.embedded.store.set_keys(&key.id, key.secret.clone().into());
    assert_eq!(list_staged(&world).await, (200, Some("AWSPENDING".to_owned())));
    let rows = expect(world.admin().get("/v1/audit?limit=1").await, 200);
    assert!(rows["rows"][0]["detail"].as_str().unwrap().contains("AWSPENDING"), "{rows:#}");
    // the rotation ends
    let current = world.secrets.current(&world.full("s3")).await;
    assert!(!current.contains(&key.id));
    world.secrets.put(&world.full("s3"), &pair(&key).to_string()).await;
    refresh(&world).await;
    assert_eq!(list_staged(&world).await, (200, None));
}

#[tokio::test]
async fn when_no_version_works_the_error_names_all_that_were_tried() {
    let world = World::start().await;
    let first = world.main().await;
    expect(world.list("main").await, 200);
    let second = world.secrets.put(&world.full("s3"), &pair(&new_key()).to_string()).await;
    let staged = pair(&new_key()).to_string();
    let third = world.secrets.put_with_stages(&world.full("s3"), &staged, &["AWSPENDING"]).await;
    let stranger = new_key();
    world.embedded.store.set_keys(&stranger.id, stranger.secret.into());
    let requests = world.embedded.store.requests();
    let error = expect(world.list("main").await, 424);
    let detail = error["detail"].as_str().unwrap();
    for version in [&first.version_id, &second.version_id, &third.version_id] {
        assert!(detail.contains(version.as_str()), "{version}: {error:#}");
    }
    assert_eq!(world.embedded.store.requests(), requests + 3, "each once");
    expect(world.list("main").await, 424);
    assert_eq!(world.embedded.store.requests(), requests + 4, "and not again for every query");
}

#[tokio::test]
async fn a_stand_in_never_leads_to_another_bucket() {
    let world = World::with(json!({"config_paths": ["*.bucket"]})).await;
    world.embedded.store.create_bucket("old").await.unwrap();
    let with_bucket = |key: &AccessKey, bucket: &str| {
        json!({"id": key.id, "secret": key.secret, "bucket": bucket}).to_string()
    };
    world.secrets.create(&world.full("s3"), &with_bucket(&world.embedded.key, "old")).await;
    let mut body = templated("main", &world.embedded.url, "{{ secrets.s3.bucket }}", ID, SECRET);
    body["provider"] = json!("ceph");
    expect(world.admin().post("/v1/resources", &body).await, 201);
    // the rotation changes the bucket too, and the store does not know the new key yet
    world.secrets.put(&world.full("s3"), &with_bucket(&new_key(), "bucket")).await;
    let put = json!({"operation": "put", "key": "a.txt", "text": "for the new bucket"});
    assert_eq!(expect(world.admin().query("main", &put).await, 424)["code"], "InvalidAccessKeyId");
    let listed = world.embedded.client().list_objects_v2().bucket("old").send().await.unwrap();
    assert!(listed.contents().is_empty());
}

#[tokio::test]
async fn a_broken_key_asks_the_source_at_most_once_a_second() {
    let world = World::start().await;
    world.main().await;
    expect(world.list("main").await, 200);
    let stranger = new_key();
    world.embedded.store.set_keys(&stranger.id, stranger.secret.into());
    let (began, before) = (Instant::now(), world.fetches());
    for _ in 0..10 {
        for answer in future::join_all((0..10).map(|_| world.list("main"))).await {
            expect(answer, 424);
        }
    }
    // the current version, and those of the two other stages
    let allowed = 3 * (usize::try_from(began.elapsed().as_secs()).unwrap() + 1);
    let asked = world.fetches() - before;
    assert!((1..=allowed).contains(&asked), "{asked} calls in {:?}", began.elapsed());
}

#[tokio::test]
async fn a_denial_by_the_store_refetches_nothing() {
    let world = World::start().await;
    world.keys("s3").await;
    aws::put_object(&world.embedded.client(), "bucket", "a.txt", "hello").await;
    let front = HttpFault::start(&world.embedded.url).await;
    let body = templated("main", &front.url(), "bucket", ID, SECRET);
    expect(world.admin().post("/v1/resources", &body).await, 201);
    expect(world.list("main").await, 200);
    front.answer(5, Answer::s3_error(403, "AccessDenied"));
    for _ in 0..5 {
        assert_eq!(expect(world.list("main").await, 424)["code"], "AccessDenied");
    }
    assert_eq!(world.fetches(), 1);
    assert_eq!(front.count("GET /bucket"), 6, "and it is not tried again");
    // a HEAD has no code in its answer; the GET that asks for it says that it is a policy
    front.answer(2, Answer::s3_error(403, "AccessDenied"));
    let head = json!({"operation": "head", "key": "a.txt"});
    assert_eq!(expect(world.admin().query("main", &head).await, 424)["code"], "AccessDenied");
    assert_eq!(world.fetches(), 1);
    expect(world.admin().query("main", &head).await, 200);
}

#[tokio::test]
async fn no_query_fails_while_keys_rotate_under_load() {
    let world = World::start().await;
    aws::put_object(&world.embedded.client(), "bucket", "a.txt", "hello").await;
    world.main().await;
    expect(world.list("main").await, 200);
    let (done, queries) = (AtomicBool::new(false), AtomicUsize::new(0));
    let read = async || {
        while !done.load(Ordering::Relaxed) {
            let get = json!({"operation": "get", "key": "a.txt"});
            let got = expect(world.admin().query("main", &get).await, 200);
            assert_eq!(got["content"], "hello");
            queries.fetch_add(1, Ordering::Relaxed);
        }
    };
    let rotate = async {
        let mut pace = tokio::time::interval(PACE);
        for _ in 0..5 {
            pace.tick().await;
            world.rotate(&["s3"]).await;
            // from the moment on at which every reader has met the new key
            let met = queries.load(Ordering::Relaxed) + 2 * READERS;
            until("queries after a rotation", async || queries.load(Ordering::Relaxed) >= met).await;
            pace.reset();
        }
        done.store(true, Ordering::Relaxed);
    };
    tokio::join!(future::join_all((0..READERS).map(|_| read())), rotate);
    let (queries, fetches) = (queries.into_inner(), world.fetches());
    assert!(queries > 100, "{queries} queries say little");
    assert!((6..=12).contains(&fetches), "{fetches} calls for 5 rotations and {queries} queries");
}
