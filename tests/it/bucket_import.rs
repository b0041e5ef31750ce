//! Buckets that a credential may list, as resources.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code outside of test functions")]

use serde_json::{Value, json};

use crate::harness::aws;
use crate::stores::{Place, create};
use crate::support::{Setup, expect};

/// What all resources at the place have in common.
fn common(place: &Place) -> Value {
    let mut definition = place.definition("any");
    let fields = definition.as_object_mut().unwrap();
    fields.remove("name");
    fields.remove("bucket");
    definition
}

#[tokio::test]
async fn a_resource_is_proposed_for_each_bucket() {
    for place in Place::all().await {
        let service = Setup::new().start().await;
        let admin = &service.admin;
        let other = aws::create_bucket(&place.client(), "import.me").await;
        create(admin, &place, "main", &json!({})).await;
        let answer = expect(admin.post("/v1/resources:import", &common(&place)).await, 200);
        let find = |bucket: &str| {
            let proposals = answer["proposals"].as_array().unwrap();
            proposals.iter().find(|proposal| proposal["bucket"] == bucket).cloned()
        };
        let (here, there) = (find(&place.bucket).unwrap(), find(&other).unwrap());
        assert_eq!(
            (&here["exists_as"], &there["exists_as"]),
            (&json!("main"), &Value::Null),
            "{}",
            place.name
        );
        assert_eq!(there["name"], other.replace('.', "-"), "{}", place.name);
        assert_eq!(answer["truncated"], false);
        // what is proposed, with what was sent, is a resource that works
        let mut definition = common(&place);
        for name in ["name", "bucket", "region"] {
            definition[name] = there[name].clone();
        }
        expect(admin.post("/v1/resources", &definition).await, 201);
        let name = there["name"].as_str().unwrap();
        let report = expect(admin.post(&format!("/v1/resources/{name}/test"), &json!({})).await, 200);
        assert_ne!(report["verdict"], "fails", "{}: {report:#}", place.name);
        // the name is taken now
        let again = expect(admin.post("/v1/resources:import", &common(&place)).await, 200);
        let taken = again["proposals"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["bucket"] == other.as_str())
            .unwrap();
        assert_eq!((&taken["exists_as"], &taken["name"]), (&json!(name), &json!(format!("{name}-2"))));
    }
}

#[tokio::test]
async fn who_may_list_no_buckets_is_told_so() {
    let place = Place::embedded().await;
    let service = Setup::new().start().await;
    let mut wrong = common(&place);
    wrong["auth"]["secret_access_key"] = json!("another-secret");
    let refused = expect(service.admin.post("/v1/resources:import", &wrong).await, 424);
    assert_eq!(refused["code"], "SignatureDoesNotMatch", "{refused:#}");
    let mut named = common(&place);
    named["bucket"] = json!("b");
    let refused = expect(service.admin.post("/v1/resources:import", &named).await, 400);
    assert_eq!(refused["errors"][0]["path"], "bucket", "{refused:#}");
    let user = service.client("user").await;
    expect(user.post("/v1/resources:import", &common(&place)).await, 403);
    let rows = expect(service.admin.get("/v1/audit?limit=50").await, 200);
    let rows = rows["rows"].as_array().unwrap().iter().filter(|row| row["action"] == "bucket.list");
    assert_eq!(rows.map(|row| row["outcome"].clone()).collect::<Vec<_>>(), ["SignatureDoesNotMatch"]);
}

/// A definition is kept whatever its test says.
#[tokio::test]
async fn what_is_saved_can_be_tested_at_once() {
    let place = Place::embedded().await;
    let service = Setup::new().start().await;
    let admin = &service.admin;
    let made = expect(admin.post("/v1/resources?test=true", &place.definition("good")).await, 201);
    assert_eq!((&made["name"], &made["test"]["verdict"]), (&json!("good"), &json!("works")), "{made:#}");
    let mut broken = place.definition("broken");
    broken["bucket"] = json!("no-such-bucket");
    let made = expect(admin.post("/v1/resources?test=true", &broken).await, 201);
    assert_eq!(made["test"]["verdict"], "fails");
    assert!(made["test"]["reason"].as_str().unwrap().starts_with("bucket-found"), "{made:#}");
    // a stored key goes to another bucket only when it is typed again
    let change = json!({"bucket": place.bucket, "auth": broken["auth"]});
    let mended = expect(admin.patch("/v1/resources/broken?test=true", &change).await, 200);
    assert_ne!(mended["test"]["verdict"], "fails", "{mended:#}");
    let refused =
        expect(admin.post("/v1/resources?test=true&dry_run=true", &place.definition("x")).await, 400);
    assert!(refused["detail"].as_str().unwrap().contains("/v1/resources/test"), "{refused:#}");
}
