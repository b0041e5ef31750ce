//! Tags, ACLs and versions of objects.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::aws;
use crate::harness::http_fault::{Answer, HttpFault};
use crate::harness::servers::AccessKey;
use crate::stores::{Place, by_key, create, service_at, service_with};
use crate::support::{Client, Setup, answer, definition, expect};

/// What a test puts before the keys that a resource must not reach.
const ROOT: &str = "root/";

async fn ask(client: &Client, query: Value) -> Value {
    expect(client.query("main", &query).await, 200)
}

/// A store that really keeps tags, ACLs and versions, with versions turned on.
pub(crate) async fn versioned() -> Place {
    let place = Place::radosgw().await;
    turn_on(&place).await;
    place
}

async fn turn_on(place: &Place) {
    let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let call = place.client().put_bucket_versioning().bucket(&place.bucket).versioning_configuration(on);
    call.send().await.unwrap();
}

/// Puts an object by the store's own client; gives its version.
async fn put(place: &Place, key: &str, text: &str) -> String {
    let body = text.as_bytes().to_vec().into();
    let done = place.client().put_object().bucket(&place.bucket).key(key).body(body).send().await.unwrap();
    done.version_id.unwrap_or_default()
}

async fn read(place: &Place, key: &str) -> String {
    String::from_utf8(aws::get_object(&place.client(), &place.bucket, key).await).unwrap()
}

#[tokio::test]
async fn tags_are_written_read_and_taken_off_on_both_faces() {
    for place in [Place::radosgw().await, Place::moto().await] {
        put(&place, "root/ü 1+", "x").await;
        let service = service_with(&place, Setup::new(), &json!({"prefix": ROOT})).await;
        let client = &service.admin;
        let tags = json!({"department": "finance", "ünï": "", "a": "b c"});
        let put = json!({"operation": "put_tags", "key": "ü 1+", "tags": tags});
        assert_eq!(ask(client, put).await["tags"], tags, "{}", place.name);
        let found = place.client().get_object_tagging().bucket(&place.bucket).key("root/ü 1+");
        assert_eq!(found.send().await.unwrap().tag_set().len(), 3, "{}", place.name);
        let get = json!({"operation": "get_tags", "key": "ü 1+"});
        assert_eq!(ask(client, get.clone()).await["tags"], tags, "{}", place.name);

        let path = by_key("main", "ü 1+").replace("/object?", "/object/tags?");
        let found = expect(client.get(&path).await, 200);
        assert_eq!((&found["key"], &found["tags"]), (&json!("ü 1+"), &tags), "{}", place.name);
        let only = expect(client.put(&path, &json!({"tags": {"only": "this"}})).await, 200);
        assert_eq!(only["tags"], json!({"only": "this"}));
        assert_eq!(ask(client, get.clone()).await["tags"], json!({"only": "this"}), "they are replaced");
        expect(client.delete(&path).await, 200);
        assert_eq!(ask(client, get).await["tags"], json!({}), "{}", place.name);
    }
}

#[tokio::test]
async fn tags_that_no_store_takes_are_refused_before_anything_is_sent() {
    let place = Place::radosgw().await;
    put(&place, "k", "x").await;
    let fault = HttpFault::start(&place.url).await;
    let service = Setup::new().start().await;
    create(&service.admin, &place, "main", &json!({"endpoint": fault.url()})).await;
    let many: serde_json::Map<String, Value> = (0..11).map(|n| (n.to_string(), json!(""))).collect();
    for (tags, word) in [
        (Value::Object(many), "at most 10"),
        (json!({"aws:x": "y"}), "only AWS may write"),
        (json!({"k": "v".repeat(257)}), "256 characters"),
    ] {
        let query = json!({"operation": "put_tags", "key": "k", "tags": tags});
        let problem = expect(service.admin.query("main", &query).await, 400);
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem:#}");
    }
    let unknown = json!({"operation": "put_tags", "key": "k", "tags": {}, "merge": true});
    expect(service.admin.query("main", &unknown).await, 400);
    assert_eq!(fault.requests().len(), 0);
}

#[tokio::test]
async fn an_acl_is_read_and_written() {
    for place in [Place::radosgw().await, Place::moto().await] {
        put(&place, "k", "x").await;
        let service = service_at(&place).await;
        let client = &service.admin;
        let get = json!({"operation": "get_acl", "key": "k"});
        let acl = ask(client, get.clone()).await;
        assert_eq!(acl["canned"], "private", "{}: {acl:#}", place.name);
        let own = &acl["grants"][0];
        assert_eq!((&own["permission"], &own["grantee"]), (&json!("FULL_CONTROL"), &acl["owner"]), "{acl:#}");
        let set = json!({"operation": "put_acl", "key": "k", "acl": "public-read"});
        assert_eq!(ask(client, set).await["acl"], "public-read");
        let acl = ask(client, get).await;
        assert_eq!(acl["canned"], "public-read", "{}: {acl:#}", place.name);
        let path = "/v1/resources/main/object/acl?key=k";
        expect(client.put(path, &json!({"acl": "private"})).await, 200);
        assert_eq!(expect(client.get(path).await, 200)["canned"], "private", "{}", place.name);
        let problem = expect(client.put(path, &json!({"acl": "everyone"})).await, 400);
        assert!(problem["detail"].as_str().unwrap().contains("public-read"), "{problem:#}");
    }
}

#[tokio::test]
async fn a_bucket_whose_acls_are_off_says_so() {
    let fault = HttpFault::alone().await;
    fault.answer_to("PUT /bucket/k", 1, Answer::s3_error(400, "AccessControlListNotSupported"));
    let service = Setup::new().start().await;
    let mut definition =
        definition("main", &fault.url(), "bucket", &AccessKey::new("AKIAEXAMPLE000000001", "x".repeat(40)));
    definition["provider"] = json!("aws");
    expect(service.admin.post("/v1/resources", &definition).await, 201);
    let query = json!({"operation": "put_acl", "key": "k", "acl": "public-read"});
    let problem = expect(service.admin.query("main", &query).await, 400);
    assert_eq!(problem["code"], "AccessControlListNotSupported", "{problem:#}");
    assert!(problem["title"].as_str().unwrap().contains("ACLs turned off"), "{problem:#}");
    assert!(problem["remedy"].as_str().unwrap().contains("the bucket's policy"), "{problem:#}");
}

#[tokio::test]
async fn versions_and_markers_are_listed_newest_first_under_the_prefix() {
    let place = versioned().await;
    put(&place, "rooted", "outside").await;
    put(&place, "a", "outside").await;
    let first = put(&place, "root/k", "one").await;
    let second = put(&place, "root/k", "second").await;
    let gone = place.client().delete_object().bucket(&place.bucket).key("root/k").send().await.unwrap();
    let marker = gone.version_id.unwrap();
    put(&place, "root/n/1", "x").await;
    put(&place, "root/n/2", "x").await;
    let service = service_with(&place, Setup::new(), &json!({"prefix": ROOT})).await;
    let client = &service.admin;

    let all = ask(client, json!({"operation": "list", "versions": true})).await;
    let rows = all["objects"].as_array().unwrap();
    let shown: Vec<(&str, &str)> =
        rows.iter().map(|row| (row["key"].as_str().unwrap(), row["version_id"].as_str().unwrap())).collect();
    assert_eq!(
        shown[..3],
        [("k", marker.as_str()), ("k", second.as_str()), ("k", first.as_str())],
        "{all:#}"
    );
    assert_eq!(shown[3..].iter().map(|row| row.0).collect::<Vec<_>>(), ["n/1", "n/2"], "{all:#}");
    let flags = |row: &Value| (row["is_latest"] == true, row["delete_marker"] == true);
    assert_eq!(flags(&rows[0]), (true, true));
    assert_eq!((flags(&rows[1]), &rows[1]["size"]), ((false, false), &json!(6)));
    assert_eq!((&all["cursor"], &all["truncated"]), (&Value::Null, &json!(false)));

    let grouped = ask(client, json!({"operation": "list", "versions": true, "delimiter": "/"})).await;
    assert_eq!(grouped["prefixes"], json!(["n/"]), "{grouped:#}");
    assert_eq!(grouped["objects"].as_array().unwrap().len(), 3);
    let after = ask(client, json!({"operation": "list", "versions": true, "start_after": "n/1"})).await;
    assert_eq!(after["objects"].as_array().unwrap().len(), 1, "{after:#}");

    // one row at a time, across the versions of one key
    let mut seen = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let query = json!({"operation": "list", "versions": true, "limit": 1, "cursor": cursor});
        let page = ask(client, query).await;
        seen.extend(page["objects"].as_array().unwrap().clone());
        assert_eq!(page["truncated"] == true, page["cursor"].is_string(), "{page:#}");
        cursor = page["cursor"].clone();
        if cursor.is_null() {
            break;
        }
        assert!(seen.len() < 6, "{seen:#?}");
    }
    assert_eq!(&seen, rows);
    let wrong = json!({"operation": "list", "versions": true, "cursor": "made up"});
    let problem = expect(client.query("main", &wrong).await, 400);
    assert!(problem["detail"].as_str().unwrap().contains("cursor"), "{problem:#}");

    let request = client.request(Method::GET, "/v1/resources/main/objects?prefix=k&versions=true");
    let text = request.header("accept", "application/x-ndjson").send().await.unwrap().text().await.unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[..3], rows[..3]);
    assert_eq!(lines[3..], [json!({"cursor": null, "truncated": false})]);
}

#[tokio::test]
async fn a_version_comes_back_on_top_with_what_belongs_to_it() {
    for place in [versioned().await, Place::moto().await] {
        turn_on(&place).await;
        let tagged = place.client().put_object().bucket(&place.bucket).key("root/ü+ k").tagging("a=b");
        let tagged =
            tagged.content_type("text/x-test").metadata("author", "ann").body(b"one".to_vec().into());
        let first = tagged.send().await.unwrap().version_id.unwrap();
        put(&place, "root/ü+ k", "second").await;
        let service = service_with(&place, Setup::new(), &json!({"prefix": ROOT})).await;
        let client = &service.admin;
        let restore = json!({"operation": "restore_version", "key": "ü+ k", "version": first});
        let done = ask(client, restore).await;
        assert_eq!(done["restored_from"], json!(first), "{}: {done:#}", place.name);
        assert_ne!(done["version_id"], json!(first), "a version of its own");
        assert_eq!(read(&place, "root/ü+ k").await, "one", "{}", place.name);
        let head = ask(client, json!({"operation": "head", "key": "ü+ k"})).await;
        assert_eq!(
            (&head["content_type"], &head["metadata"]),
            (&json!("text/x-test"), &json!({"author": "ann"}))
        );
        let tags = ask(client, json!({"operation": "get_tags", "key": "ü+ k"})).await;
        assert_eq!(tags["tags"], json!({"a": "b"}), "{}", place.name);
        let all = ask(client, json!({"operation": "list", "versions": true})).await;
        assert_eq!(all["objects"].as_array().unwrap().len(), 3, "{all:#}");
    }
}

#[tokio::test]
async fn what_was_deleted_is_told_and_comes_back() {
    let place = versioned().await;
    let first = put(&place, "k", "one").await;
    let service = service_at(&place).await;
    let client = &service.admin;
    let one = ask(client, json!({"operation": "delete", "key": "k"})).await["version_id"].clone();
    ask(client, json!({"operation": "delete", "key": "k"})).await;
    for operation in ["get", "head"] {
        let problem = expect(client.query("main", &json!({"operation": operation, "key": "k"})).await, 404);
        assert!(
            ["DeleteMarker", "NoSuchKey", "NotFound"].contains(&problem["code"].as_str().unwrap()),
            "{problem:#}"
        );
        let marker = json!({"operation": operation, "key": "k", "version": one});
        // radosgw does not say that it is a marker; what AWS says of one is recorded in the catalogue's tests
        let problem = expect(client.query("main", &marker).await, 404);
        let codes = ["DeleteMarker", "NoSuchKey", "NotFound"];
        assert!(codes.contains(&problem["code"].as_str().unwrap()), "{operation}: {problem:#}");
        let version = json!({"operation": operation, "key": "k", "version": first});
        assert_eq!(ask(client, version).await["version_id"], json!(first));
    }
    let marker = json!({"operation": "restore_version", "key": "k", "version": one});
    let problem = expect(client.query("main", &marker).await, 404);
    let codes = ["DeleteMarker", "NoSuchKey", "NotFound"];
    assert!(codes.contains(&problem["code"].as_str().unwrap()), "a marker has nothing to copy: {problem:#}");

    let listed = ask(client, json!({"operation": "list", "versions": true})).await;
    // Ceph RGW 16 puts no second marker on a marker
    let rows = listed["objects"].as_array().unwrap();
    let markers = rows.iter().filter(|row| row["delete_marker"] == true).count();
    assert!(markers > 0, "{listed:#}");
    let undelete = json!({"key": "k", "undelete": true});
    let path = "/v1/resources/main/objects:restore";
    let done = expect(client.post(path, &undelete).await, 200);
    assert_eq!(
        (&done["version_id"], done["removed_markers"].as_array().unwrap().len()),
        (&json!(first), markers)
    );
    assert_eq!(read(&place, "k").await, "one");
    let problem = expect(client.post(path, &undelete).await, 409);
    assert_eq!(problem["code"], "NotDeleted", "{problem:#}");
    expect(client.post(path, &json!({"key": "never", "undelete": true})).await, 404);
    for wrong in [json!({"key": "k"}), json!({"key": "k", "version": first, "undelete": true})] {
        expect(client.post(path, &wrong).await, 400);
    }
}

#[tokio::test]
async fn a_version_is_deleted_for_good() {
    let place = versioned().await;
    let first = put(&place, "k", "one").await;
    let second = put(&place, "k", "two").await;
    let service = service_at(&place).await;
    let client = &service.admin;
    ask(client, json!({"operation": "delete", "key": "k", "version": second})).await;
    assert_eq!(read(&place, "k").await, "one");
    let path = format!("{}&version={first}", by_key("main", "k"));
    let (status, _) = answer(client.request(Method::DELETE, &path)).await;
    assert_eq!(status, 204);
    let all = ask(client, json!({"operation": "list", "versions": true})).await;
    assert_eq!(all["objects"], json!([]), "no marker and no version is left");
    let gone = json!({"operation": "get", "key": "k", "version": first});
    expect(client.query("main", &gone).await, 404);
}

#[tokio::test]
async fn what_the_provider_lacks_is_refused_before_anything_is_sent() {
    let fault = HttpFault::alone().await;
    let service = Setup::new().start().await;
    let key = AccessKey::new("AKIAEXAMPLE000000001", "x".repeat(40));
    let mut definition = definition("main", &fault.url(), "bucket", &key);
    definition["provider"] = json!("minio");
    expect(service.admin.post("/v1/resources", &definition).await, 201);
    for query in [
        json!({"operation": "get_acl", "key": "k"}),
        json!({"operation": "put_acl", "key": "k", "acl": "private"}),
    ] {
        let problem = expect(service.admin.query("main", &query).await, 501);
        assert_eq!(problem["code"], "NotSupportedByProvider", "{problem:#}");
        assert_eq!(problem["upstream"], Value::Null, "{problem:#}");
    }
    assert_eq!(fault.requests().len(), 0);
}

#[tokio::test]
async fn a_resource_allows_each_operation_by_its_own_name() {
    let place = versioned().await;
    let first = put(&place, "k", "one").await;
    let service = service_with(&place, Setup::new(), &json!({"operations": ["get_tags", "versions"]})).await;
    let client = &service.admin;
    ask(client, json!({"operation": "get_tags", "key": "k"})).await;
    ask(client, json!({"operation": "list", "versions": true})).await;
    for (query, missing) in [
        (json!({"operation": "put_tags", "key": "k", "tags": {}}), "put_tags"),
        (json!({"operation": "delete_tags", "key": "k"}), "put_tags"),
        (json!({"operation": "get_acl", "key": "k"}), "get_acl"),
        (json!({"operation": "put_acl", "key": "k", "acl": "private"}), "put_acl"),
        (json!({"operation": "restore_version", "key": "k", "version": first}), "copy"),
        (json!({"operation": "restore_version", "key": "k", "undelete": true}), "delete"),
        (json!({"operation": "get_bucket"}), "get_bucket"),
        (json!({"operation": "delete_bucket_policy"}), "put_bucket"),
    ] {
        let problem = expect(client.query("main", &query).await, 403);
        assert_eq!(problem["code"], "OperationNotAllowed", "{problem:#}");
        assert!(problem["detail"].as_str().unwrap().contains(&format!("`{missing}`")), "{problem:#}");
    }
    let audit = expect(client.get("/v1/audit?limit=100").await, 200).to_string();
    for action in ["object.get_tags", "object.put_tags", "object.versions", "object.put_bucket"] {
        assert!(audit.contains(action), "{action}: {audit}");
    }
}
