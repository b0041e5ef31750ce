//! Events about changed secrets: by HTTP and by queue, signed or not, once, and in every replica.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use sqlx::Row;

use crate::harness::aws::{self, SecretVersion, Secrets, unique};
use crate::harness::fault_proxy::FaultProxy;
use crate::harness::http_fault::HttpFault;
use crate::harness::servers::Servers;
use crate::registry::eventually;
use crate::secrets_world::{World, until};
use crate::support::{
    Client, DATABASES, Database, Embedded, Service, Setup, answer, expect, moto_source, templated,
};

const EVENTS_SECRET: &str = "the-secret-of-events-0123456789";
const PATH: &str = "/v1/events/secrets";

fn setup() -> Setup {
    Setup::new().with("S3_CONNECTOR_EVENTS_SECRET", EVENTS_SECRET)
}

/// A world whose secrets are kept for an hour, with a resource `main` that has been queried once.
async fn world(setup: Setup) -> (World, SecretVersion) {
    let servers = Servers::get();
    let front = HttpFault::start(&servers.moto).await;
    let wire = FaultProxy::start(&front.url()).await;
    let world = World {
        service: setup.start().await,
        embedded: Embedded::start().await,
        secrets: Secrets::on_moto(&servers),
        wire,
        front,
        namespace: unique("events"),
    };
    let mut source = moto_source("moto", &world.wire.url(), &world.namespace);
    source["cache_ttl_ms"] = json!(3_600_000);
    expect(world.admin().post("/v1/sources", &source).await, 201);
    let version = world.main().await;
    expect(world.list("main").await, 200);
    assert_eq!(world.fetches(), 1);
    (world, version)
}

/// The event that Secrets Manager sends itself.
fn native(arn: &str, name: &str) -> Value {
    json!({
        "version": "0", "id": unique("event"), "detail-type": "Secret Label Updated", "source": "aws.secretsmanager",
        "account": "123456789012", "region": aws::REGION, "time": "2026-03-01T10:00:00Z", "resources": [arn],
        "detail": {"name": name, "labelUpdated": "AWSCURRENT", "versionId": "v"},
    })
}

/// The record of a call in CloudTrail, as EventBridge delivers it. It names the secret as the caller did.
fn recorded(call: &str, secret: &str) -> Value {
    json!({
        "version": "0", "id": unique("event"), "detail-type": "AWS API Call via CloudTrail", "source": "aws.secretsmanager",
        "account": "123456789012", "region": aws::REGION, "resources": [],
        "detail": {"eventSource": "secretsmanager.amazonaws.com", "eventName": call, "requestParameters": {"secretId": secret}, "responseElements": null},
    })
}

fn now_seconds() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn signature(secret: &str, seconds: i64, body: &str) -> String {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{seconds}.{body}").as_bytes());
    format!("t={seconds},v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// Posts without a token, with these headers.
async fn post(client: &Client, headers: &[(&str, &str)], body: String) -> (u16, Value) {
    let mut request = client.http.request(Method::POST, format!("{}{PATH}", client.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request.body(body)).await
}

/// Posts an event as its sender would sign it.
async fn signed(client: &Client, event: &Value) -> (u16, Value) {
    let body = event.to_string();
    let header = signature(EVENTS_SECRET, now_seconds(), &body);
    post(client, &[("x-s3-connector-signature", &header)], body).await
}

#[tokio::test]
async fn after_an_event_the_next_query_uses_the_new_key_and_no_store_refuses_it() {
    let (world, version) = world(setup()).await;
    let name = world.full("s3");
    for (round, event) in [
        native(&version.arn, &name),
        recorded("PutSecretValue", &name),
        recorded("PutSecretValue", &version.arn),
    ]
    .iter()
    .enumerate()
    {
        world.rotate(&["s3"]).await;
        let told = expect(signed(world.admin(), event).await, 200);
        assert_eq!((&told["matched"], &told["refreshed"]), (&json!(1), &json!(1)), "{told:#}");
        assert_eq!(told["errors"], json!([]));
        assert_eq!(world.fetches(), round + 2, "the event reads the secret, once");
        let before = world.embedded.store.requests();
        expect(world.list("main").await, 200);
        assert_eq!(world.embedded.store.requests() - before, 1, "no query was refused and made again");
        assert_eq!(world.fetches(), round + 2, "the query reads nothing");
    }
}

#[tokio::test]
async fn a_deleted_secret_is_thrown_away() {
    let (world, _) = world(setup()).await;
    world.secrets.schedule_deletion(&world.full("s3")).await;
    let told = expect(signed(world.admin(), &recorded("DeleteSecret", &world.full("s3"))).await, 200);
    assert_eq!((&told["matched"], &told["refreshed"]), (&json!(1), &json!(0)), "{told:#}");
    assert_eq!(world.fetches(), 1, "a deleted secret is not read again");
    expect(world.list("main").await, 424);
}

#[tokio::test]
async fn events_of_other_secrets_regions_and_accounts_do_nothing() {
    let (world, version) = world(setup()).await;
    let name = world.full("s3");
    let mut elsewhere = native(&version.arn.replace(aws::REGION, "eu-west-1"), &name);
    elsewhere["region"] = json!("eu-west-1");
    let mut foreign = recorded("PutSecretValue", &name);
    foreign["account"] = json!("999999999999");
    for event in [elsewhere, foreign, recorded("PutSecretValue", &world.full("s3-other"))] {
        let told = expect(signed(world.admin(), &event).await, 200);
        assert_eq!(told["matched"], 0, "{event:#}");
    }
    let told = expect(signed(world.admin(), &recorded("TagResource", &name)).await, 202);
    assert_eq!(told["ignored"], true);
    assert_eq!(world.fetches(), 1);
}

#[tokio::test]
async fn who_cannot_sign_sends_the_secret_itself() {
    let (world, version) = world(setup()).await;
    let bearer = format!("Bearer {EVENTS_SECRET}");
    for header in [("x-api-key", EVENTS_SECRET), ("authorization", bearer.as_str())] {
        let event = native(&version.arn, &world.full("s3")).to_string();
        let told = expect(post(world.admin(), &[header], event).await, 200);
        assert_eq!(told["matched"], 1, "{told:#}");
    }
}

#[tokio::test]
async fn events_that_prove_nothing_are_refused_and_counted() {
    let (world, version) = world(setup()).await;
    let event = native(&version.arn, &world.full("s3")).to_string();
    let now = now_seconds();
    let wrong = [
        ("x-s3-connector-signature", signature("another-secret-of-events", now, &event)),
        ("x-s3-connector-signature", signature(EVENTS_SECRET, now, "another body")),
        ("x-s3-connector-signature", signature(EVENTS_SECRET, now - 400, &event)),
        ("x-s3-connector-signature", signature(EVENTS_SECRET, now + 400, &event)),
        ("x-s3-connector-signature", "t=1,v1=00".to_owned()),
        ("x-api-key", "another-secret-of-events".to_owned()),
        ("authorization", format!("Bearer {}", world.service.token())),
        ("accept", "*/*".to_owned()),
    ];
    for (name, value) in &wrong {
        let told = expect(post(world.admin(), &[(*name, value.as_str())], event.clone()).await, 401);
        assert_eq!(told["code"], "Unauthenticated", "{name}: {told:#}");
        assert!(!told.to_string().contains(EVENTS_SECRET));
    }
    let mut statuses = Vec::new();
    for _ in 0..30 {
        statuses.push(post(world.admin(), &[("x-api-key", "guess")], event.clone()).await.0);
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    assert_eq!(world.fetches(), 1, "nothing was read");
    let told = expect(signed(world.admin(), &serde_json::from_str(&event).unwrap()).await, 200);
    assert_eq!(told["matched"], 1, "who proves it is let in all the same");
    let (_, metrics) = world.admin().get("/metrics").await;
    let mut lines = metrics.as_str().unwrap().lines();
    let refused =
        lines.find(|line| line.starts_with("s3_connector_secret_events") && line.contains("refused"));
    assert!(refused.is_some_and(|line| line.ends_with(" 38")), "{metrics}");
    assert!(!world.service.process.output().contains(EVENTS_SECRET));
}

#[tokio::test]
async fn a_repeated_event_does_nothing() {
    let (world, version) = world(setup()).await;
    let event = native(&version.arn, &world.full("s3"));
    let first = expect(signed(world.admin(), &event).await, 200);
    assert_eq!((&first["duplicate"], &first["matched"]), (&json!(false), &json!(1)));
    let again = expect(signed(world.admin(), &event).await, 200);
    assert_eq!((&again["duplicate"], &again["matched"]), (&json!(true), &json!(0)));
    assert_eq!(world.fetches(), 2);
    let audit = expect(world.admin().get("/v1/audit?all=true").await, 200);
    let rows = audit["rows"].as_array().unwrap().iter();
    let rows: Vec<&Value> = rows.filter(|row| row["action"] == "secret.event").collect();
    assert_eq!(rows.len(), 1, "{audit:#}");
    assert_eq!((&rows[0]["who"], &rows[0]["subject"]), (&json!("events"), &json!(version.arn)));
}

#[tokio::test]
async fn what_is_no_event_is_a_bad_request_and_too_much_is_too_large() {
    let service = setup().start().await;
    let client = &service.admin;
    let key = [("x-api-key", EVENTS_SECRET)];
    for body in ["", "hello", "[]", r#"{"source":"aws.secretsmanager","detail-type":"Secret Label Updated"}"#]
    {
        assert_eq!(expect(post(client, &key, body.to_owned()).await, 400)["code"], "BadRequest", "{body}");
    }
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(256 * 1024));
    assert_eq!(expect(post(client, &key, large).await, 413)["code"], "TooLarge");
    let other = client.http.post(format!("{}{PATH}?dryrun=1", client.url)).header("x-api-key", EVENTS_SECRET);
    expect(answer(other.body("{}")).await, 400);
}

#[tokio::test]
async fn without_a_secret_there_is_no_such_route() {
    let service = Setup::new().start().await;
    let told = expect(signed(&service.admin, &native("arn", "name")).await, 404);
    let unknown = expect(service.admin.post("/v1/events/nothing", &json!({})).await, 404);
    assert_eq!((&told["code"], &told["detail"]), (&unknown["code"], &unknown["detail"]));
}

#[tokio::test]
async fn a_secret_that_can_be_guessed_keeps_the_service_from_starting() {
    let service = Setup::new().start().await;
    let mut command = service.command(&["serve"]);
    command.env("S3_CONNECTOR__SERVER__LISTEN", "127.0.0.1:0").env("S3_CONNECTOR_EVENTS_SECRET", "short");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("S3_CONNECTOR_EVENTS_SECRET"));
}

/// On PostgreSQL the database tells: nothing polls in the time of the test. On SQLite replicas look.
#[tokio::test]
async fn an_event_at_one_replica_reaches_the_other() {
    for database in DATABASES {
        let poll = if database == Database::Sqlite { "50" } else { "3600000" };
        let (world, version) = world(setup().on(database).with("S3_CONNECTOR__STORE__POLL_MS", poll)).await;
        let (_process, replica) = world.service.replica().await;
        expect(replica.query("main", &json!({"operation": "list"})).await, 200);
        assert_eq!(world.fetches(), 2);
        world.rotate(&["s3"]).await;
        expect(signed(world.admin(), &native(&version.arn, &world.full("s3"))).await, 200);
        eventually(&replica, "/v1/sources/moto/cache", |_, cache| {
            let now = cache["secrets"][0]["version_id"].as_str();
            now.is_some_and(|now| now != version.version_id)
        })
        .await;
        assert_eq!(world.fetches(), 4, "each replica read it again, once");
        let before = world.embedded.store.requests();
        expect(replica.query("main", &json!({"operation": "list"})).await, 200);
        assert_eq!(world.embedded.store.requests() - before, 1, "{database:?}: the new key was there");
    }
}

/// The number of the last change of a definition, as the database has it.
async fn changes(service: &Service) -> i64 {
    let mut database = service.database().await;
    let row =
        sqlx::query("SELECT sequence FROM changes WHERE id = 1").fetch_one(&mut database).await.unwrap();
    row.get("sequence")
}

/// How many events of other replicas this one has handled.
async fn heard(client: &Client) -> usize {
    let (_, metrics) = client.get("/metrics").await;
    let mut lines = metrics.as_str().unwrap().lines();
    let line =
        lines.find(|line| line.starts_with("s3_connector_secret_events") && line.contains("\"replica\""));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn an_event_is_no_change_of_a_definition_and_costs_no_local_secret() {
    for database in DATABASES {
        let service = setup().on(database).with("S3_CONNECTOR__STORE__POLL_MS", "50").start().await;
        let embedded = Embedded::start().await;
        expect(service.admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
        let keys = json!({"value": {"id": embedded.key.id, "secret": embedded.key.secret}});
        expect(service.admin.put("/v1/sources/vault/secrets/s3", &keys).await, 200);
        let body =
            templated("main", &embedded.url, "bucket", "{{ secrets.s3.id }}", "{{ secrets.s3.secret }}");
        expect(service.admin.post("/v1/resources", &body).await, 201);
        // started last, so that it has nothing to catch up with
        let (_process, replica) = service.replica().await;
        expect(replica.query("main", &json!({"operation": "list"})).await, 200);
        let before = changes(&service).await;
        for number in 1..=3 {
            let event = recorded("PutSecretValue", &format!("nobody/{number}"));
            assert_eq!(expect(signed(&service.admin, &event).await, 200)["matched"], 0);
            until("the event at the other replica", async || heard(&replica).await == number).await;
        }
        assert_eq!(changes(&service).await, before, "{database:?}: replicas would read everything again");
        let cache = expect(replica.get("/v1/sources/vault/cache").await, 200);
        assert!(cache["secrets"][0]["version_id"].is_string(), "{database:?}: {cache:#}");
    }
}

#[tokio::test]
async fn events_posted_at_two_replicas_at_once_all_reach_the_other_one() {
    for database in DATABASES {
        let service = setup().on(database).with("S3_CONNECTOR__STORE__POLL_MS", "50").start().await;
        let (_process, replica) = service.replica().await;
        let posts = (0..40).map(|number| {
            let client = if number % 2 == 0 { &service.admin } else { &replica };
            async move { signed(client, &recorded("PutSecretValue", &format!("nobody/{number}"))).await }
        });
        for answer in futures_util::future::join_all(posts).await {
            expect(answer, 200);
        }
        for client in [&service.admin, &replica] {
            until("twenty events of the other replica", async || heard(client).await == 20).await;
        }
        let mut rows = service.database().await;
        let row = sqlx::query("SELECT count(*) AS events, max(id) AS newest FROM secret_events");
        let row = row.fetch_one(&mut rows).await.unwrap();
        let (events, newest): (i64, i64) = (row.get("events"), row.get("newest"));
        let sequence = sqlx::query("SELECT sequence FROM changes WHERE id = 2");
        let sequence: i64 = sequence.fetch_one(&mut rows).await.unwrap().get("sequence");
        assert_eq!((events, newest), (40, sequence), "{database:?}");
    }
}

/// Nothing but the notification can tell of a change here.
#[tokio::test]
async fn on_postgresql_a_change_is_seen_by_the_other_replica_without_polling() {
    let setup = Setup::new().on(Database::Postgres).with("S3_CONNECTOR__STORE__POLL_MS", "3600000");
    let service = setup.start().await;
    let (_process, replica) = service.replica().await;
    let body = json!({"name": "seen", "bucket": "b", "region": "us-east-1", "auth": {"kind": "anonymous"}});
    expect(service.admin.post("/v1/resources", &body).await, 201);
    eventually(&replica, "/v1/resources/seen", |status, _| status == 200).await;
}

#[tokio::test]
async fn events_come_through_a_queue_and_what_is_no_event_is_thrown_away() {
    let servers = Servers::get();
    let client = aws::sqs(&servers.moto);
    let url = aws::create_queue(&client).await;
    let setup = Setup::new()
        .with("S3_CONNECTOR__EVENTS__QUEUE_URL", &url)
        .with("S3_CONNECTOR__EVENTS__REGION", aws::REGION)
        .with("S3_CONNECTOR__EVENTS__ENDPOINT", &servers.moto)
        .with("S3_CONNECTOR__EVENTS__WAIT_SECONDS", "1")
        .with("AWS_ACCESS_KEY_ID", "test")
        .with("AWS_SECRET_ACCESS_KEY", "test");
    let (mut world, version) = world(setup).await;
    world.rotate(&["s3"]).await;
    let poison = unique("poison");
    let wrapped = json!({"Type": "Notification", "MessageId": "m", "Message": native(&version.arn, &world.full("s3")).to_string()});
    for body in [poison.clone(), wrapped.to_string()] {
        client.send_message().queue_url(&url).message_body(body).send().await.unwrap();
    }
    eventually(world.admin(), "/v1/sources/moto/cache", |_, cache| {
        let now = cache["secrets"][0]["version_id"].as_str();
        now.is_some_and(|now| now != version.version_id)
    })
    .await;
    let before = world.embedded.store.requests();
    expect(world.list("main").await, 200);
    assert_eq!(world.embedded.store.requests() - before, 1, "no query was refused and made again");
    until("an empty queue", async || {
        use aws_sdk_sqs::types::QueueAttributeName as Name;
        let (waiting, taken) =
            (Name::ApproximateNumberOfMessages, Name::ApproximateNumberOfMessagesNotVisible);
        let request = client.get_queue_attributes().queue_url(&url);
        let told = request.attribute_names(waiting).attribute_names(taken).send().await.unwrap();
        told.attributes.unwrap().values().all(|number| number == "0")
    })
    .await;
    let output = world.service.process.output();
    assert!(output.contains("is no event") && !output.contains(&poison), "{output}");
    world.service.restart().await;
}
