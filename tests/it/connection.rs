//! Test connection: what works is told so, and nothing is left behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use s3_connector::model::check_catalogue::CHECKS;
use serde_json::{Value, json};

use crate::harness::aws::{self, unique};
use crate::harness::http_fault::HttpFault;
use crate::harness::servers::Servers;
use crate::stores::{Place, create, service_at};
use crate::support::{Client, PLANTED, Setup, expect};

/// Tests a definition that is not saved.
pub(crate) async fn test(client: &Client, definition: &Value, write: bool) -> Value {
    let body = json!({"definition": definition, "write": write});
    let report = expect(client.post("/v1/resources/test", &body).await, 200);
    assert_sound(&report);
    report
}

/// Tests a saved resource.
pub(crate) async fn test_saved(client: &Client, name: &str, write: bool) -> Value {
    let path = format!("/v1/resources/{name}/test");
    let report = expect(client.post(&path, &json!({"write": write})).await, 200);
    assert_sound(&report);
    report
}

/// What holds for every report.
pub(crate) fn assert_sound(report: &Value) {
    let checks = report["checks"].as_array().unwrap();
    let names: Vec<&str> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    let wanted: Vec<&str> = CHECKS.iter().map(|entry| entry.name).collect();
    assert_eq!(names, wanted, "{report:#}");
    for check in checks.iter().filter(|check| check["status"] == "failed") {
        assert!(check["cause"].is_string() && check["remedy"].is_string(), "{check:#}");
        assert_ne!(report["verdict"], "works", "{report:#}");
    }
    for needed in checks.iter().filter(|check| check["status"] != "skipped") {
        for before in needed["depends_on"].as_array().into_iter().flatten() {
            let before = check(report, before.as_str().unwrap());
            assert_ne!(before["status"], "failed", "{} was tried nevertheless: {report:#}", needed["name"]);
        }
    }
    assert!(!report.to_string().contains(PLANTED), "a secret is shown: {report:#}");
}

pub(crate) fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no `{name}`: {report:#}"))
}

/// The status of a check.
pub(crate) fn status<'a>(report: &'a Value, name: &str) -> &'a str {
    check(report, name)["status"].as_str().unwrap()
}

/// Asserts that the whole fails, and first here, with this cause and a remedy that holds the words.
#[track_caller]
pub(crate) fn assert_fails<'a>(report: &'a Value, name: &str, cause: &str, remedy: &str) -> &'a Value {
    let found = assert_failed(report, name, cause, remedy);
    assert_eq!(report["verdict"], "fails", "{report:#}");
    assert!(report["reason"].as_str().unwrap().starts_with(&format!("{name}: ")), "{report:#}");
    found
}

/// Asserts that one check failed with this cause and a remedy that holds the words.
#[track_caller]
pub(crate) fn assert_failed<'a>(report: &'a Value, name: &str, cause: &str, remedy: &str) -> &'a Value {
    let found = check(report, name);
    assert_eq!((&found["status"], &found["cause"]), (&json!("failed"), &json!(cause)), "{report:#}");
    let given = found["remedy"].as_str().unwrap_or_default();
    assert!(given.contains(remedy), "`{remedy}` is not in the remedy: {found:#}");
    found
}

/// The answer for one operation in the permission matrix.
pub(crate) fn permission<'a>(report: &'a Value, operation: &str) -> &'a Value {
    let rows = report["permissions"].as_array().unwrap();
    rows.iter().find(|row| row["operation"] == operation).unwrap_or_else(|| panic!("no row: {report:#}"))
}

#[tokio::test]
async fn a_resource_that_works_is_told_so() {
    let servers = Servers::get();
    let mut places = Place::all().await;
    let over_tls = Place { url: servers.rgw_tls.clone(), name: "radosgw over TLS", ..Place::radosgw().await };
    places.push(over_tls);
    for place in places {
        let service = Setup::new().start().await;
        let mut definition = place.definition("main");
        definition["prefix"] = json!("deep/er/");
        if place.url.starts_with("https") {
            definition["tls"] = json!({"ca_pem": std::fs::read_to_string(&servers.ca_pem).unwrap()});
        }
        let report = test(&service.admin, &definition, false).await;
        assert_eq!(
            (&report["verdict"], report.get("reason")),
            (&json!("works"), None),
            "{}: {report:#}",
            place.name
        );
        expect(service.admin.post("/v1/resources", &definition).await, 201);
        for write in [false, true] {
            let report = test_saved(&service.admin, "main", write).await;
            assert_eq!(report["verdict"], "works", "{}: {report:#}", place.name);
            let tried = ["definition-valid", "secrets-resolved", "endpoint-allowed", "endpoint-reachable"];
            let more = ["signature-accepted", "clock-in-step", "bucket-found", "objects-listable"];
            let last = ["objects-readable", "uploads-allowed"];
            for name in tried.iter().chain(&more).chain(&last) {
                assert_eq!(status(&report, name), "passed", "{} {name}: {report:#}", place.name);
            }
            assert_eq!(status(&report, "role-assumed"), "skipped");
            for name in ["object-written", "object-read-back", "object-deleted"] {
                assert_eq!(status(&report, name), if write { "passed" } else { "skipped" }, "{name}");
            }
            for operation in ["list", "get", "head", "put"] {
                let wanted = json!({"operation": operation, "answer": "yes", "known_by": "tried"});
                assert_eq!(*permission(&report, operation), wanted, "{}", place.name);
            }
            if place.embedded.is_some() {
                let wanted = json!({"operation": "versions", "answer": "no", "known_by": "tried"});
                assert_eq!(*permission(&report, "versions"), wanted, "a store without the call");
            }
            // nothing that was skipped counts as known
            let delete = permission(&report, "delete");
            let wanted = if write { ("yes", "tried") } else { ("unknown", "not tried") };
            assert_eq!(
                (delete["answer"].as_str(), delete["known_by"].as_str()),
                (Some(wanted.0), Some(wanted.1))
            );
            if place.url.starts_with("http:") {
                assert_eq!(place.keys().await, [""; 0], "{}", place.name);
                assert_eq!(place.open_uploads().await, 0, "{}", place.name);
            }
        }
        let reach = check(&test_saved(&service.admin, "main", false).await, "endpoint-reachable").to_string();
        assert_eq!(reach.contains("TLS"), place.url.starts_with("https"), "{reach}");
    }
}

#[tokio::test]
async fn a_test_that_may_not_write_sends_nothing_that_writes() {
    let place = Place::embedded().await;
    aws::put_object(&place.client(), &place.bucket, "there", "content").await;
    let front = HttpFault::start(&place.url).await;
    let service = service_at(&place).await;
    create(&service.admin, &place, "front", &json!({"endpoint": front.url()})).await;
    let report = test_saved(&service.admin, "front", false).await;
    assert_eq!(report["verdict"], "works", "{report:#}");
    let sent = front.requests();
    assert!(sent.len() >= 6, "{sent:?}");
    for request in sent {
        let harmless = match request.method.as_str() {
            "GET" | "HEAD" => true,
            // an upload that is started and aborted leaves nothing
            "POST" => {
                request.path.contains("?uploads") || request.action.as_deref() == Some("GetCallerIdentity")
            }
            "DELETE" => request.path.contains("uploadId="),
            _ => false,
        };
        let all_buckets = request.method == "GET" && (request.path == "/" || request.path.starts_with("/?"));
        assert!(harmless && !all_buckets, "{} {}", request.method, request.path);
    }
    let beside = front.count("GET /bucket/there?acl") + front.count("GET /bucket/there?tagging");
    assert_eq!(front.count("GET /bucket/there") - beside, 1, "the first object is read once");
    assert_eq!((place.keys().await, place.open_uploads().await), (vec!["there".to_owned()], 0));
}

#[tokio::test]
async fn an_empty_first_object_is_readable() {
    for place in Place::both().await {
        aws::put_object(&place.client(), &place.bucket, "empty", "").await;
        let service = service_at(&place).await;
        let report = test_saved(&service.admin, "main", false).await;
        assert_eq!(status(&report, "objects-readable"), "passed", "{}: {report:#}", place.name);
    }
}

#[tokio::test]
async fn the_versions_of_secrets_that_were_used_are_told() {
    let place = Place::embedded().await;
    let service = Setup::new().start().await;
    let client = &service.admin;
    expect(client.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
    let value = json!({"value": {"id": place.key.id, "secret": place.key.secret, "other": PLANTED}});
    expect(client.put("/v1/sources/vault/secrets/s3", &value).await, 200);
    let definition = crate::support::templated(
        "main",
        &place.url,
        &place.bucket,
        "{{ secrets.s3.id }}",
        "{{ secrets.s3.secret }}",
    );
    let report = test(client, &definition, true).await;
    assert_eq!(report["verdict"], "works", "{report:#}");
    let detail = check(&report, "secrets-resolved")["detail"].as_str().unwrap();
    assert!(detail.contains("`s3` from `vault` version "), "{detail}");
    assert!(!report.to_string().contains(&place.key.secret), "{report:#}");
}

#[tokio::test]
async fn results_are_kept_and_listed() {
    let place = Place::embedded().await;
    let service = service_at(&place).await;
    let client = &service.admin;
    let first = test_saved(client, "main", false).await;
    place.embedded.as_ref().unwrap().store.set_keys("AKIAOTHER00000000001", "other".to_owned().into());
    let second = test_saved(client, "main", false).await;
    assert_eq!((&first["verdict"], &second["verdict"]), (&json!("works"), &json!("fails")), "{second:#}");
    test(client, &place.definition("main"), false).await;
    let kept = expect(service.client("viewer").await.get("/v1/resources/main/tests").await, 200);
    let reports: Vec<&Value> = kept["tests"].as_array().unwrap().iter().map(|kept| &kept["report"]).collect();
    assert_eq!(reports, [&second, &first], "newest first, and no test of what is not saved");
    let (status, _) = client.get(&format!("/v1/resources/{}/tests", unique("none"))).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_viewer_may_not_test_and_a_user_only_what_is_saved() {
    let place = Place::embedded().await;
    let service = service_at(&place).await;
    let before = place.embedded.as_ref().unwrap().store.requests();
    let (viewer, user) = (service.client("viewer").await, service.client("user").await);
    let unsaved = json!({"definition": place.definition("main")});
    expect(viewer.post("/v1/resources/main/test", &json!({})).await, 403);
    expect(viewer.post("/v1/resources/test", &unsaved).await, 403);
    expect(user.post("/v1/resources/test", &unsaved).await, 403);
    assert_eq!(place.embedded.as_ref().unwrap().store.requests(), before);
    expect(user.post("/v1/resources/main/test", &json!({})).await, 200);
}
