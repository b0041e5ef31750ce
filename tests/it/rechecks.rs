//! Re-checks on a schedule: what becomes of a verdict that changes, whom it is told, and that each runs once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use sqlx::{Executor, Row};
use tokio::time;

use crate::harness::http_fault::{Answer, HttpFault, Recorded};
use crate::registry::eventually;
use crate::stores::{Place, create};
use crate::support::{
    Client, DATABASES, Database, Embedded, LONG, Service, Setup, binary, definition, expect,
};

const SECRET: &str = "a secret of webhooks, long enough";
/// Short, as only an operator may allow it.
const INTERVAL_MS: u64 = 400;

fn setup() -> Setup {
    Setup::new()
        .with("S3_CONNECTOR__RECHECK__MIN_INTERVAL_MS", "100")
        .with("S3_CONNECTOR_WEBHOOK_SECRET", SECRET)
}

/// A receiver that takes every message.
async fn receiver() -> HttpFault {
    let receiver = HttpFault::alone().await;
    receiver.answer_when(|_| true, Answer::new(204, "text/plain", ""));
    receiver
}

/// Waits until the re-check of `main` in an environment is as wanted.
async fn recheck_when(client: &Client, environment: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let find = |body: &Value| {
        let rows = body["rechecks"].as_array().cloned().unwrap_or_default();
        rows.into_iter().find(|row| row["resource"] == "main" && row["environment"] == environment)
    };
    let body = eventually(client, "/v1/rechecks", |_, body| find(body).is_some_and(|row| wanted(&row))).await;
    find(&body).unwrap()
}

async fn verdict_becomes(client: &Client, verdict: &str) -> Value {
    recheck_when(client, "production", |row| row["health"]["verdict"] == verdict).await
}

/// The body of a message whose signature is right.
fn message(request: &Recorded) -> Value {
    let header = request.headers["x-s3-connector-signature"].to_str().unwrap();
    let (time, code) = header.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(time.parse().unwrap()) < 60, "{header}");
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{time}.").as_bytes());
    mac.update(&request.body);
    mac.verify_slice(&hex::decode(code).unwrap()).expect("the signature is wrong");
    serde_json::from_slice(&request.body).unwrap()
}

async fn metric(client: &Client, line: &str) -> f64 {
    let (_, text) = client.get("/metrics").await;
    let found =
        text.as_str().unwrap().lines().find_map(|known| known.strip_prefix(line)?.trim().parse().ok());
    found.unwrap_or(0.0)
}

#[tokio::test]
async fn a_resource_that_breaks_and_is_mended_leaves_history_audit_metric_and_signed_messages() {
    for database in DATABASES {
        let place = Place::radosgw().await;
        let receiver = receiver().await;
        let service =
            setup().with("S3_CONNECTOR__RECHECK__METRIC_PER_RESOURCE", "true").on(database).start().await;
        let admin = &service.admin;
        let recheck =
            json!({"interval_ms": INTERVAL_MS, "webhook": format!("{}/hook?for=main", receiver.url())});
        create(admin, &place, "main", &json!({"recheck": recheck})).await;
        break_and_mend(admin, &place, &receiver).await;
        let outcomes = audited(admin).await;
        messages_tell(&receiver, &outcomes, &place.key.secret).await;
        history_holds(admin).await;
        let changes = "s3_connector_resource_verdict_changes_total{verdict=\"fails\"}";
        assert!(metric(admin, changes).await >= 1.0);
        assert_eq!(place.open_uploads().await, 0);
    }
}

async fn break_and_mend(admin: &Client, place: &Place, receiver: &HttpFault) {
    let good = verdict_becomes(admin, "works").await;
    assert!(good["health"].get("first_bad").is_none(), "{good:#}");
    assert!(receiver.requests().is_empty(), "a first good result is no news");

    place.client().delete_bucket().bucket(&place.bucket).send().await.unwrap();
    let bad = verdict_becomes(admin, "fails").await;
    assert!(bad["health"]["last_good_at"].as_str() <= bad["health"]["first_bad"]["at"].as_str(), "{bad:#}");
    assert_eq!(bad["health"]["first_bad"]["cause"], "NoSuchBucket", "{bad:#}");
    let count = |text: &Value, line: &str| text.as_str().unwrap().contains(line);
    eventually(admin, "/metrics", |_, text| count(text, "s3_connector_resources{verdict=\"fails\"} 1")).await;
    let gauge = |verdict: &str| {
        format!(
            "s3_connector_resource_verdict{{project=\"default\",resource=\"main\",environment=\"production\",verdict=\"{verdict}\"}}"
        )
    };
    let fails = format!("{} 1", gauge("fails"));
    eventually(admin, "/metrics", |_, text| text.as_str().unwrap().contains(&fails)).await;
    let text = admin.get("/metrics").await.1;
    assert!(text.as_str().unwrap().contains(&format!("{} 0", gauge("works"))), "{text}");

    place.client().create_bucket().bucket(&place.bucket).send().await.unwrap();
    let mended = verdict_becomes(admin, "works").await;
    assert_eq!(mended["health"]["first_bad"], bad["health"]["first_bad"], "{mended:#}");
    assert!(mended["health"]["last_good_at"].as_str() >= mended["health"]["since"].as_str(), "{mended:#}");
}

/// The changes of verdict in the audit, oldest first: each is one.
async fn audited(admin: &Client) -> Vec<String> {
    let audit = expect(admin.get("/v1/audit?limit=1000").await, 200);
    let rows = audit["rows"].as_array().unwrap().iter().rev();
    let changes = rows.filter(|row| row["action"] == "resource.health");
    let outcomes: Vec<String> = changes.map(|row| row["outcome"].as_str().unwrap().to_owned()).collect();
    assert_eq!(outcomes.last().map(String::as_str), Some("works"), "{outcomes:?}");
    assert!(outcomes.iter().any(|outcome| outcome == "fails"), "{outcomes:?}");
    assert!(outcomes.windows(2).all(|two| two[0] != two[1]), "{outcomes:?}");
    outcomes
}

/// The receiver was told of each change, and of nothing else.
async fn messages_tell(receiver: &HttpFault, outcomes: &[String], secret: &str) {
    let deadline = Instant::now() + LONG;
    while receiver.requests().len() < outcomes.len() {
        assert!(Instant::now() < deadline, "{} of {outcomes:?}", receiver.requests().len());
        time::sleep(Duration::from_millis(20)).await;
    }
    let sent = receiver.requests();
    let mut told: Vec<Value> = sent.iter().map(message).collect();
    told.sort_by_key(|message| message["changed_at"].as_str().unwrap().to_owned());
    let verdicts: Vec<&str> = told.iter().map(|message| message["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, outcomes);
    for (request, message) in sent.iter().zip(&told) {
        assert_eq!(request.path, "/hook?for=main");
        assert!(request.body.len() < 1024 && !message.to_string().contains(secret), "{message:#}");
        assert_eq!((&message["type"], &message["resource"]), (&json!("resource.health"), &json!("main")));
    }
    let fails = told.iter().find(|message| message["verdict"] == "fails").unwrap();
    assert!(fails["cause"] == "NoSuchBucket" && fails["meaning"].is_string(), "{fails:#}");
}

async fn history_holds(admin: &Client) {
    let kept = expect(admin.get("/v1/resources/main/tests").await, 200);
    let tests = kept["tests"].as_array().unwrap();
    assert!(tests.len() <= 100 && tests.iter().all(|test| test["scheduled"] == true), "{kept:#}");
    let reports: Vec<&str> =
        tests.iter().rev().map(|test| test["report"]["verdict"].as_str().unwrap()).collect();
    assert_eq!((reports.first(), reports.last()), (Some(&"works"), Some(&"works")), "{reports:?}");
    assert!(reports.contains(&"fails"), "{reports:?}");
    assert_eq!(kept["rechecks"][0]["health"]["verdict"], "works");
}

#[tokio::test]
async fn without_a_schedule_nothing_is_sent_and_turning_it_off_ends_it() {
    let embedded = Embedded::start().await;
    let (quiet, checked) = (HttpFault::start(&embedded.url).await, HttpFault::start(&embedded.url).await);
    let service = setup().start().await;
    let admin = &service.admin;
    let body = |name, url: String| definition(name, &url, &embedded.bucket, &embedded.key);
    expect(admin.post("/v1/resources", &body("quiet", quiet.url())).await, 201);
    let mut main = body("main", checked.url());
    main["recheck"] = json!({"interval_ms": 100});
    expect(admin.post("/v1/resources", &main).await, 201);
    let enough = |body: &Value| body["tests"].as_array().is_some_and(|tests| tests.len() >= 4);
    eventually(admin, "/v1/resources/main/tests", |_, body| enough(body)).await;
    assert!(quiet.requests().is_empty(), "{:?}", quiet.requests());

    // one goes on, and shows that time has passed for the other
    expect(admin.patch("/v1/resources/main", &json!({"recheck": null})).await, 200);
    let mut other = body("other", quiet.url());
    other["recheck"] = json!({"interval_ms": 100});
    expect(admin.post("/v1/resources", &other).await, 201);
    eventually(admin, "/v1/resources/other/tests", |_, body| enough(body)).await;
    let before = checked.requests().len();
    let more = |body: &Value| body["tests"].as_array().is_some_and(|tests| tests.len() >= 12);
    eventually(admin, "/v1/resources/other/tests", |_, body| more(body)).await;
    assert_eq!(checked.requests().len(), before);
    let listed = expect(admin.get("/v1/rechecks").await, 200);
    assert_eq!(listed["rechecks"].as_array().unwrap().len(), 1, "{listed:#}");
}

#[tokio::test]
async fn of_two_replicas_each_recheck_is_run_by_one() {
    const RESOURCES: usize = 8;
    let embedded = Embedded::start().await;
    let service = setup().on(Database::Postgres).start().await;
    let (_replica, other) = service.replica().await;
    for index in 0..RESOURCES {
        let mut body = definition(&format!("r{index}"), &embedded.url, &embedded.bucket, &embedded.key);
        body["recheck"] = json!({"interval_ms": INTERVAL_MS});
        expect(service.admin.post("/v1/resources", &body).await, 201);
    }
    let ran = async |client: &Client| metric(client, "s3_connector_rechecks_total{verdict=\"works\"}").await;
    let deadline = Instant::now() + LONG;
    loop {
        let (one, two) = (ran(&service.admin).await, ran(&other).await);
        if one >= 10.0 && two >= 10.0 {
            break;
        }
        assert!(Instant::now() < deadline, "one ran {one}, the other {two}");
        time::sleep(Duration::from_millis(50)).await;
    }
    for index in 0..RESOURCES {
        let path = format!("/v1/resources/r{index}");
        expect(service.admin.patch(&path, &json!({"recheck": null})).await, 200);
    }
    // what was claimed was run, what was run was kept, and neither twice
    let mut database = service.database().await;
    let deadline = Instant::now() + LONG;
    loop {
        let count = async |database: &mut sqlx::AnyConnection, sql: &'static str| -> i64 {
            sqlx::query(sql).fetch_one(database).await.unwrap().try_get("number").unwrap()
        };
        let claims = count(&mut database, "SELECT CAST(sum(claims) AS BIGINT) AS number FROM rechecks").await;
        let kept =
            count(&mut database, "SELECT count(*) AS number FROM resource_tests WHERE scheduled = 1").await;
        let counted = ran(&service.admin).await + ran(&other).await;
        // a re-check that ended moves it on once more
        if claims == 2 * kept && (counted - f64::from(i32::try_from(kept).unwrap())).abs() < 0.5 {
            break;
        }
        assert!(Instant::now() < deadline, "{claims} claims, {kept} kept");
        time::sleep(Duration::from_millis(50)).await;
    }
    let rows =
        sqlx::query("SELECT resource_id, tested_ms FROM resource_tests ORDER BY resource_id, tested_ms")
            .fetch_all(&mut database)
            .await
            .unwrap();
    let times: Vec<(String, i64)> =
        rows.iter().map(|row| (row.get("resource_id"), row.get("tested_ms"))).collect();
    for two in times.windows(2).filter(|two| two[0].0 == two[1].0) {
        assert!(two[1].1 - two[0].1 >= 360, "two results of one resource {} ms apart", two[1].1 - two[0].1);
    }
}

#[tokio::test]
async fn a_webhook_that_the_rules_refuse_is_refused_when_it_is_saved_or_gets_nothing() {
    let embedded = Embedded::start().await;
    let hidden = receiver().await;
    let allowed = embedded.url.trim_start_matches("http://").to_owned();
    let service = setup().with("S3_CONNECTOR__EGRESS__ALLOW", &allowed).start().await;
    let admin = &service.admin;
    let with = |webhook: &str| {
        let mut body = definition("main", &embedded.url, "nobodys-bucket", &embedded.key);
        body["recheck"] = json!({"interval_ms": INTERVAL_MS, "webhook": webhook});
        body
    };
    let refused = [
        (hidden.url(), "WEBHOOK_BLOCKED"),
        ("http://169.254.169.254/latest".to_owned(), "WEBHOOK_BLOCKED"),
        ("http://2130706433/".to_owned(), "WEBHOOK_BLOCKED"),
        ("ftp://hooks.example.com/".to_owned(), "WEBHOOK_BLOCKED"),
        ("https://user:key@hooks.example.com/".to_owned(), "WEBHOOK_BLOCKED"),
        ("https://hooks.example.com/{{ secrets.hook.path }}".to_owned(), "TEMPLATE_NOT_ALLOWED"),
    ];
    for (url, code) in refused {
        let problem = expect(admin.post("/v1/resources", &with(&url)).await, 422);
        assert_eq!(problem["errors"][0]["code"], code, "{problem:#}");
        assert_eq!(problem["errors"][0]["path"], "recheck.webhook");
    }
    // a name tells where it leads only when it is used
    let by_name = hidden.url().replace("127.0.0.1", "localhost");
    expect(admin.post("/v1/resources", &with(&format!("{by_name}/path-that-is-a-key"))).await, 201);
    let row = recheck_when(admin, "production", |row| row["delivery"].is_object()).await;
    assert_eq!(row["delivery"]["delivered"], false, "{row:#}");
    assert_eq!(row["delivery"]["tried_again"], false, "{row:#}");
    assert!(row["delivery"]["detail"].as_str().unwrap().starts_with("blocked: "), "{row:#}");
    assert!(hidden.requests().is_empty(), "{:?}", hidden.requests());
    assert!(!service.process.output().contains("path-that-is-a-key"));
}

#[tokio::test]
async fn a_message_is_tried_again_also_after_a_crash_and_no_redirect_is_followed() {
    let embedded = Embedded::start().await;
    let (hook, elsewhere) = (HttpFault::alone().await, receiver().await);
    hook.answer(2, Answer::new(503, "text/plain", "not now"));
    let mut service = setup().start().await;
    let mut body = definition("main", &embedded.url, "nobodys-bucket", &embedded.key);
    body["recheck"] = json!({"interval_ms": 3_600_000, "webhook": hook.url()});
    expect(service.admin.post("/v1/resources", &body).await, 201);
    due_now(&service).await;
    let row = recheck_when(&service.admin, "production", |row| row["delivery"].is_object()).await;
    assert_eq!(row["delivery"]["tried_again"], true, "{row:#}");
    let mut database = service.database().await;
    let kept = database.fetch_one("SELECT id FROM webhook_messages").await.unwrap();
    drop(database);
    service.kill_and_restart().await;
    let redirect = |request: &Recorded| !request.body.is_empty();
    let mut answer = Answer::new(307, "text/plain", "");
    answer.headers.push(("location", elsewhere.url()));
    hook.answer_when(redirect, answer);
    let row = recheck_when(&service.admin, "production", |row| {
        row["delivery"]["detail"].as_str().is_some_and(|detail| detail.contains("307"))
    });
    let row = row.await;
    assert_eq!(
        (&row["delivery"]["delivered"], &row["delivery"]["tried_again"]),
        (&json!(false), &json!(false))
    );
    assert!(elsewhere.requests().is_empty());
    let ids: Vec<Value> = hook.requests().iter().map(|request| message(request)["id"].clone()).collect();
    assert!(ids.len() == 3 && ids.iter().all(|id| *id == kept.get::<String, _>("id")), "{ids:?}");
    let kept = expect(service.admin.get("/v1/resources/main/tests").await, 200);
    assert_eq!(kept["tests"].as_array().unwrap().len(), 1, "a restart is no reason to test: {kept:#}");
}

/// A change of the resource makes its re-check due, however long the interval is.
async fn due_now(service: &Service) {
    recheck_when(&service.admin, "production", |row| row["next_at"].is_string()).await;
    let changed = json!({"description": "changed"});
    expect(service.admin.patch("/v1/resources/main", &changed).await, 200);
}

async fn begins(front: &HttpFault) {
    let deadline = Instant::now() + LONG;
    while front.requests().is_empty() {
        assert!(Instant::now() < deadline, "the re-check does not begin");
        time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_recheck_that_hangs_delays_no_query_and_no_shutdown_and_runs_after_the_next_start() {
    let embedded = Embedded::start().await;
    let front = HttpFault::start(&embedded.url).await;
    front.answer_when(|_| true, Answer::slow_down().after(LONG));
    let mut service = setup()
        .with("S3_CONNECTOR__SERVER__MAX_QUERIES", "1")
        .with("S3_CONNECTOR__RECHECK__MAX_RUNNING", "1")
        .start()
        .await;
    let healthy = definition("other", &embedded.url, &embedded.bucket, &embedded.key);
    expect(service.admin.post("/v1/resources", &healthy).await, 201);
    let mut body = definition("main", &front.url(), &embedded.bucket, &embedded.key);
    body["recheck"] = json!({"interval_ms": 3_600_000});
    expect(service.admin.post("/v1/resources", &body).await, 201);
    due_now(&service).await;
    begins(&front).await;
    for _ in 0..3 {
        expect(service.admin.get("/v1/resources/other/objects").await, 200);
    }
    front.pass();
    let stopping = Instant::now();
    service.restart().await;
    let took = stopping.elapsed();
    assert!(took < Duration::from_secs(20), "the service took {took:?} to stop and start");
    verdict_becomes(&service.admin, "works").await;
}

#[tokio::test]
async fn a_crash_in_the_middle_keeps_the_schedule_and_the_recheck_runs_again() {
    for database in DATABASES {
        let embedded = Embedded::start().await;
        let front = HttpFault::start(&embedded.url).await;
        front.answer_when(|_| true, Answer::slow_down().after(LONG));
        let mut service = setup().on(database).start().await;
        let mut body = definition("main", &front.url(), &embedded.bucket, &embedded.key);
        body["recheck"] = json!({"interval_ms": 3_600_000});
        expect(service.admin.post("/v1/resources", &body).await, 201);
        due_now(&service).await;
        begins(&front).await;
        service.process.kill();
        front.pass();
        // its claim ran out
        let mut connection = service.database().await;
        let due = "UPDATE rechecks SET due_ms = 0 WHERE claims = 1";
        assert_eq!(connection.execute(due).await.unwrap().rows_affected(), 1);
        drop(connection);
        service.kill_and_restart().await;
        let row = verdict_becomes(&service.admin, "works").await;
        service.kill_and_restart().await;
        let after = recheck_when(&service.admin, "production", |_| true).await;
        assert_eq!(after, row);
        let kept = expect(service.admin.get("/v1/resources/main/tests").await, 200);
        assert_eq!(kept["tests"].as_array().unwrap().len(), 1, "{kept:#}");
    }
}

#[tokio::test]
async fn each_environment_has_a_health_of_its_own_and_the_command_line_shows_it() {
    let embedded = Embedded::start().await;
    let service = setup().start().await;
    let admin = &service.admin;
    let mut body = definition("main", &embedded.url, &embedded.bucket, &embedded.key);
    body["environments"] = json!({"staging": {"bucket": "nobodys-bucket"}});
    expect(admin.post("/v1/resources", &body).await, 201);
    let run = async |arguments: &[&str]| {
        let mut command = std::process::Command::new(binary());
        command.args(arguments).env("NO_COLOR", "1").env("S3_CONNECTOR_SERVER", &service.url);
        command.env("S3_CONNECTOR_TOKEN", service.token());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["resource", "update", "main", "--recheck-interval-ms", "300"]).await;
    recheck_when(admin, "production", |row| row["health"]["verdict"] == "works").await;
    recheck_when(admin, "staging", |row| row["health"]["verdict"] == "fails").await;
    let shown = run(&["resource", "health"]).await;
    assert!(shown.contains("staging") && shown.contains("NoSuchBucket"), "{shown}");
    let lines: Value =
        serde_json::from_str(&run(&["resource", "health", "main", "--output", "json"]).await).unwrap();
    assert_eq!(lines["rechecks"].as_array().unwrap().len(), 2, "{lines:#}");
    let history = run(&["resource", "test", "main", "--history"]).await;
    assert!(history.contains("SCHEDULED") && history.contains("LAST GOOD"), "{history}");

    // one alone, when it is named; a name that is not there is a typing error
    expect(admin.patch("/v1/resources/main", &json!({"recheck": {"environments": ["staging"]}})).await, 200);
    let listed = expect(admin.get("/v1/rechecks").await, 200);
    assert_eq!(listed["rechecks"].as_array().unwrap().len(), 1, "{listed:#}");
    let wrong = json!({"recheck": {"environments": ["stagign"]}});
    let problem = expect(admin.patch("/v1/resources/main", &wrong).await, 422);
    assert_eq!(problem["errors"][0]["code"], "ENVIRONMENT_MISSING", "{problem:#}");
    run(&["resource", "update", "main", "--recheck-interval-ms", ""]).await;
    let listed = expect(admin.get("/v1/rechecks").await, 200);
    assert_eq!(listed["rechecks"], json!([]));
}

#[tokio::test]
async fn without_a_secret_messages_are_not_signed_and_one_that_can_be_guessed_is_refused() {
    let (embedded, receiver) = (Embedded::start().await, receiver().await);
    let service = setup().with("S3_CONNECTOR_WEBHOOK_SECRET", "").start().await;
    let mut body = definition("main", &embedded.url, "nobodys-bucket", &embedded.key);
    body["recheck"] = json!({"interval_ms": INTERVAL_MS, "webhook": receiver.url()});
    expect(service.admin.post("/v1/resources", &body).await, 201);
    recheck_when(&service.admin, "production", |row| row["delivery"]["delivered"] == true).await;
    let sent = receiver.requests();
    assert!(sent[0].headers.get("x-s3-connector-signature").is_none(), "{sent:?}");
    let told: Value = serde_json::from_slice(&sent[0].body).unwrap();
    assert_eq!((&told["verdict"], &told["previous_verdict"]), (&json!("fails"), &Value::Null), "{told:#}");

    let mut command = service.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("S3_CONNECTOR_WEBHOOK_SECRET", "short");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("S3_CONNECTOR_WEBHOOK_SECRET has fewer"), "{said}");
}

/// More than there are places: all of them are run all the same.
#[tokio::test]
async fn many_that_are_due_at_once_take_their_turn() {
    const RESOURCES: usize = 24;
    let embedded = Embedded::start().await;
    let front = HttpFault::start(&embedded.url).await;
    let service = setup().with("S3_CONNECTOR__RECHECK__MAX_RUNNING", "2").start().await;
    for index in 0..RESOURCES {
        let mut body = definition(&format!("r{index}"), &front.url(), &embedded.bucket, &embedded.key);
        body["recheck"] = json!({"interval_ms": 500});
        expect(service.admin.post("/v1/resources", &body).await, 201);
    }
    let twice = |body: &Value| {
        let rows = body["rechecks"].as_array().unwrap();
        // the second result of each is later than its first
        rows.len() == RESOURCES
            && rows.iter().all(|row| row["health"]["checked_at"].as_str() > row["health"]["since"].as_str())
    };
    eventually(&service.admin, "/v1/rechecks", |_, body| twice(body)).await;
    // a test asks for six rights at once, and for the rest one after the other
    assert!(front.most_at_once() <= 12, "{} requests at once", front.most_at_once());
}

#[tokio::test]
async fn an_interval_has_the_bounds_of_the_service() {
    let embedded = Embedded::start().await;
    let service = Setup::new().start().await;
    for interval in [0_u64, 59_999, 2_678_400_001] {
        let mut body = definition("main", &embedded.url, &embedded.bucket, &embedded.key);
        body["recheck"] = json!({"interval_ms": interval});
        let problem = expect(service.admin.post("/v1/resources", &body).await, 422);
        assert_eq!(problem["errors"][0]["code"], "OUT_OF_RANGE", "{problem:#}");
        assert_eq!(problem["errors"][0]["path"], "recheck.interval_ms");
    }
}

/// A message as a replica would have written it. What is not named is right.
struct Planted<'a> {
    id: &'a str,
    resource: &'a str,
    version: i64,
    webhook: &'a str,
    age_ms: i64,
}

async fn plant(service: &Service, planted: &Planted<'_>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let written = i64::try_from(now).unwrap() - planted.age_ms;
    let body = json!({"id": planted.id}).to_string();
    let done = sqlx::query("INSERT INTO webhook_messages (id, resource_id, environment, version, webhook, body, written_ms, tries, due_ms) SELECT $1, id, 'production', $2, $3, $4, $5, 0, $5 FROM resources WHERE name = $6")
        .bind(planted.id)
        .bind(planted.version)
        .bind(planted.webhook)
        .bind(body)
        .bind(written)
        .bind(planted.resource)
        .execute(&mut service.database().await)
        .await
        .unwrap();
    assert_eq!(done.rows_affected(), 1);
}

async fn planted_ids(service: &Service) -> Vec<String> {
    let rows = service.database().await.fetch_all("SELECT id FROM webhook_messages ORDER BY id").await;
    rows.unwrap().iter().map(|row| row.get("id")).collect()
}

async fn arrive(receiver: &HttpFault, wanted: usize) -> Vec<String> {
    let deadline = Instant::now() + LONG;
    while receiver.requests().len() < wanted {
        assert!(Instant::now() < deadline, "{} of {wanted} messages", receiver.requests().len());
        time::sleep(Duration::from_millis(20)).await;
    }
    let id = |request: &Recorded| message(request)["id"].as_str().unwrap().to_owned();
    receiver.requests().iter().map(id).collect()
}

/// A resource that works, whose first re-check is far away.
async fn with_webhook(client: &Client, embedded: &Embedded, name: &str, webhook: &str) {
    let mut body = definition(name, &embedded.url, &embedded.bucket, &embedded.key);
    body["recheck"] = json!({"interval_ms": 2_000_000_000, "webhook": webhook});
    expect(client.post("/v1/resources", &body).await, 201);
}

#[tokio::test]
async fn a_message_waits_for_its_definition_and_goes_to_no_other_url() {
    for database in DATABASES {
        let (embedded, receiver) = (Embedded::start().await, receiver().await);
        let mut service = setup().on(database).start().await;
        let url = receiver.url();
        with_webhook(&service.admin, &embedded, "main", &url).await;
        service.process.kill();
        let right = Planted { id: "4-right", resource: "main", version: 1, webhook: &url, age_ms: 1_000 };
        let earlier = format!("{url}/earlier");
        plant(&service, &right).await;
        plant(&service, &Planted { id: "1-newer", version: 2, age_ms: 2_000, ..right }).await;
        plant(&service, &Planted { id: "2-elsewhere", webhook: &earlier, age_ms: 3_000, ..right }).await;
        plant(&service, &Planted { id: "3-old", age_ms: 3_700_000, ..right }).await;
        service.kill_and_restart().await;
        assert_eq!(arrive(&receiver, 1).await, ["4-right"]);
        let deadline = Instant::now() + LONG;
        while planted_ids(&service).await != ["1-newer"] {
            assert!(Instant::now() < deadline, "{:?}", planted_ids(&service).await);
            time::sleep(Duration::from_millis(20)).await;
        }
        // now its definition is there
        let changed = json!({"description": "changed"});
        expect(service.admin.patch("/v1/resources/main", &changed).await, 200);
        assert_eq!(arrive(&receiver, 2).await, ["4-right", "1-newer"]);
    }
}

#[tokio::test]
async fn what_was_not_sent_goes_with_the_webhook_and_the_rest_with_the_resource() {
    for database in DATABASES {
        let (embedded, receiver) = (Embedded::start().await, receiver().await);
        let service = setup().on(database).start().await;
        let (admin, url) = (&service.admin, receiver.url());
        with_webhook(admin, &embedded, "main", &url).await;
        // of a version that is never there, so that they wait
        let waits = Planted { id: "waits", resource: "main", version: 99, webhook: &url, age_ms: 0 };
        plant(&service, &waits).await;
        expect(admin.patch("/v1/resources/main", &json!({"description": "changed"})).await, 200);
        assert_eq!(planted_ids(&service).await, ["waits"]);
        expect(admin.patch("/v1/resources/main", &json!({"recheck": {"webhook": null}})).await, 200);
        assert!(planted_ids(&service).await.is_empty());
        assert!(receiver.requests().is_empty());
        expect(admin.post("/v1/resources/main/test", &json!({})).await, 200);
        let tests = async || -> i64 {
            let sql = "SELECT count(*) AS number FROM resource_tests";
            service.database().await.fetch_one(sql).await.unwrap().get("number")
        };
        assert!(tests().await >= 1);
        expect(admin.delete("/v1/resources/main").await, 204);
        assert_eq!(tests().await, 0);
    }
}

#[tokio::test]
async fn a_message_under_way_is_sent_by_no_other_replica() {
    let (embedded, hook) = (Embedded::start().await, HttpFault::alone().await);
    hook.answer_when(|_| true, Answer::new(204, "text/plain", "").after(Duration::from_secs(3)));
    let mut service = setup().on(Database::Postgres).start().await;
    let url = hook.url();
    with_webhook(&service.admin, &embedded, "main", &url).await;
    service.process.kill();
    let planted = Planted { id: "one", resource: "main", version: 1, webhook: &url, age_ms: 0 };
    plant(&service, &planted).await;
    service.kill_and_restart().await;
    arrive(&hook, 1).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let row = service.database().await.fetch_one("SELECT due_ms FROM webhook_messages").await.unwrap();
    let left = row.get::<i64, _>("due_ms") - i64::try_from(now).unwrap();
    assert!(left > 5_000, "another one takes it in {left} ms, and a try may take 5000");
    let (_replica, _other) = service.replica().await;
    let deadline = Instant::now() + LONG;
    while !planted_ids(&service).await.is_empty() {
        assert!(Instant::now() < deadline);
        time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(hook.requests().len(), 1);
}

#[tokio::test]
async fn webhooks_of_one_project_that_do_not_answer_hold_up_no_other_project() {
    let (embedded, dead, receiver) = (Embedded::start().await, HttpFault::alone().await, receiver().await);
    dead.answer_when(|_| true, Answer::new(204, "text/plain", "").after(LONG));
    let mut service = setup().start().await;
    let other = service.client_in("other", "admin").await;
    let (dead_url, url) = (dead.url(), receiver.url());
    with_webhook(&service.admin, &embedded, "main", &dead_url).await;
    with_webhook(&other, &embedded, "their", &url).await;
    service.process.kill();
    for index in 0..40 {
        let id = format!("dead-{index}");
        let planted = Planted { id: &id, resource: "main", version: 1, webhook: &dead_url, age_ms: 10_000 };
        plant(&service, &planted).await;
    }
    for id in ["a", "b"] {
        plant(&service, &Planted { id, resource: "their", version: 1, webhook: &url, age_ms: 0 }).await;
    }
    service.kill_and_restart().await;
    arrive(&receiver, 2).await;
    let tried = dead.requests().len();
    assert!(tried <= 4, "{tried} of the other project's were tried before");
}

#[tokio::test]
async fn metrics_name_no_resource_unless_they_are_asked_to() {
    let embedded = Embedded::start().await;
    let service = setup().start().await;
    let mut body = definition("main", &embedded.url, &embedded.bucket, &embedded.key);
    body["recheck"] = json!({"interval_ms": INTERVAL_MS});
    expect(service.admin.post("/v1/resources", &body).await, 201);
    let works =
        |text: &Value| text.as_str().unwrap().contains(r#"s3_connector_resources{verdict="works"} 1"#);
    let text = eventually(&service.admin, "/metrics", |_, text| works(text)).await;
    assert!(!text.as_str().unwrap().contains(r#"resource="main""#), "{text}");
}
