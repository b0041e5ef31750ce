//! Deletes of many: chunks counted exactly, counts that must be confirmed, outcomes key by key.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use futures_util::{StreamExt, stream};
use reqwest::Method;
use s3_connector::model::provider::{self, Feature};
use serde_json::{Value, json};

use crate::connection_failures::tls_front;
use crate::harness::aws;
use crate::harness::http_fault::{Answer, HttpFault, Recorded};
use crate::harness::servers::AccessKey;
use crate::stores::{Place, by_path, create, raw, service_at, service_with};
use crate::support::{Client, Service, Setup, expect};

/// Puts objects whose content is their key.
pub(crate) async fn fill(place: &Place, prefix: &str, count: usize) {
    let client = place.client();
    let puts = (0..count).map(|number| {
        let (client, bucket) = (client.clone(), place.bucket.clone());
        let key = format!("{prefix}{number:05}");
        async move {
            aws::put_object(&client, &bucket, &key, key.as_bytes()).await;
        }
    });
    stream::iter(puts.collect::<Vec<_>>()).buffer_unordered(16).collect::<Vec<()>>().await;
}

/// Every key of the place, over all pages.
pub(crate) async fn all_keys(place: &Place) -> Vec<String> {
    let (client, mut keys, mut after) = (place.client(), Vec::new(), None::<String>);
    loop {
        let page =
            client.list_objects_v2().bucket(&place.bucket).set_start_after(after).send().await.unwrap();
        keys.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        if page.is_truncated() != Some(true) {
            return keys;
        }
        after = keys.last().cloned();
    }
}

/// Posts with `Accept: application/x-ndjson` and gives the lines.
pub(crate) async fn lines(client: &Client, route: &str, body: &Value) -> Vec<Value> {
    let request = client.request(Method::POST, &format!("/v1/resources/main/{route}"));
    let response = request.header("accept", "application/x-ndjson").json(body).send().await.unwrap();
    assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let text = response.text().await.unwrap();
    text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) async fn audit(service: &Service, action: &str) -> Vec<Value> {
    let rows = expect(service.admin.get("/v1/audit?limit=500").await, 200);
    let rows = rows["rows"].as_array().unwrap_or_else(|| panic!("{rows:#}")).iter();
    rows.filter(|row| row["action"] == action).cloned().collect()
}

#[tokio::test]
async fn a_prefix_of_2500_keys_is_deleted_in_the_fewest_calls_that_the_provider_allows() {
    for profile in ["ceph", "cloudflare-r2", "google-cloud-storage"] {
        let place = Place::embedded().await;
        fill(&place, "old/", 2500).await;
        fill(&place, "new/", 1).await;
        let service = service_with(&place, Setup::new(), &json!({"provider": profile})).await;
        let store = &place.embedded.as_ref().unwrap().store;
        let before = store.requests();
        let wanted = json!({"operation": "delete_prefix", "prefix": "old/", "dry_run": true});
        let plan = expect(service.admin.query("main", &wanted).await, 200);
        assert_eq!(store.requests() - before, 3, "a dry run reads three pages and nothing else");
        assert_eq!((&plan["count"], &plan["confirm_count"]), (&json!(2500), &json!(2500)));
        assert_eq!(plan["bytes"], 2500 * "old/00000".len());
        assert_eq!(plan["keys"].as_array().unwrap().len(), 10);
        assert_eq!(all_keys(&place).await.len(), 2501);
        let before = store.requests();
        let told =
            lines(&service.admin, "objects:delete", &json!({"prefix": "old/", "confirm_count": 2500})).await;
        let known = provider::find(profile).unwrap();
        // where a request takes one key, keys go one by one, and pages are as long as they can be
        let together = known.has(Feature::DeleteObjects);
        let batch = if together { known.delete_batch } else { 1000 };
        let chunks = 2500_u64.div_ceil(batch as u64);
        let deletes = if together { chunks } else { 2500 };
        assert_eq!(store.requests() - before, 3 + chunks + deletes, "{profile}: count, pages, deletes");
        let end = told.last().unwrap();
        assert_eq!(end, &json!({"done": 2500, "failed": 0, "truncated": false, "cursor": null}));
        let gone = told.iter().filter(|line| line["outcome"] == "deleted").count();
        let marks = told.iter().filter(|line| line["cursor"].is_string()).count();
        assert_eq!((gone, marks as u64), (2500, chunks - 1), "{profile}");
        assert_eq!(all_keys(&place).await, ["new/00000"]);
        let rows = audit(&service, "object.delete").await;
        assert_eq!(rows.len() as u64, chunks, "a row for each chunk");
        let first = rows.last().unwrap();
        let detail = first["detail"].as_str().unwrap();
        assert_eq!(first["key"], "old/");
        let (from, to) = ("old/00000", format!("old/{:05}", batch - 1));
        assert_eq!(detail, format!("{batch} objects, `{from}` to `{to}`"));
    }
}

/// As many keys in a request as each provider takes, and one by one where it takes no more.
#[tokio::test]
async fn batches_are_as_large_as_every_provider_takes_them() {
    const KEYS: usize = 1401;
    let store = HttpFault::alone().await;
    let (tls, pem) = tls_front(&store.url()).await;
    store.answer_to("POST /bucket", usize::MAX, Answer::new(200, "application/xml", "<DeleteResult/>"));
    store.answer_to("DELETE /bucket", usize::MAX, Answer::new(204, "application/xml", ""));
    let key = AccessKey::new("AKIARECORDED00000001", "recorded");
    let place = Place { name: "recorded", url: tls, bucket: "bucket".to_owned(), key, embedded: None };
    let service = Setup::new().start().await;
    let keys: Vec<String> = (0..KEYS).map(|number| format!("k{number}")).collect();
    for profile in provider::PROFILES {
        let fields = json!({"provider": profile.id, "addressing": "path", "tls": {"ca_pem": pem}});
        create(&service.admin, &place, profile.id, &fields).await;
        let before = store.requests().len();
        let wanted = json!({"operation": "delete_many", "keys": keys});
        let told = expect(service.admin.query(profile.id, &wanted).await, 200);
        assert_eq!((&told["done"], &told["failed"]), (&json!(KEYS), &json!(0)), "{}: {told:#}", profile.id);
        let named = |request: &Recorded| {
            let body = String::from_utf8_lossy(&request.body);
            if request.method == Method::DELETE { 1 } else { body.matches("<Object>").count() }
        };
        let mut sizes: Vec<usize> = store.requests()[before..].iter().map(named).collect();
        sizes.sort_unstable_by(|one, other| other.cmp(one));
        let batch = profile.delete_batch;
        let mut expected = vec![batch; KEYS / batch];
        expected.extend(Some(KEYS % batch).filter(|rest| *rest > 0));
        assert_eq!(sizes, expected, "{}", profile.id);
    }
}

#[tokio::test]
async fn the_json_face_streams_what_is_done_to_many_objects() {
    let place = Place::radosgw().await;
    fill(&place, "p/", 3).await;
    let service = service_at(&place).await;
    let end = json!({"done": 3, "failed": 0, "truncated": false, "cursor": null});
    let rename = json!({"operation": "rename_prefix", "from": "p/", "to": "q/", "confirm_count": 3});
    let moved = lines(&service.admin, "query", &rename).await;
    assert_eq!((moved[0]["outcome"].as_str(), moved.last()), (Some("moved"), Some(&end)));
    let named = json!({"operation": "delete_many", "keys": ["q/00000", "q/00001", "q/00002"]});
    let deleted = lines(&service.admin, "query", &named).await;
    assert_eq!((deleted[2]["key"].as_str(), deleted.last()), (Some("q/00002"), Some(&end)));
    let versions = lines(&service.admin, "query", &json!({"operation": "list", "versions": true})).await;
    assert_eq!(versions, [json!({"cursor": null, "truncated": false})]);
    assert!(all_keys(&place).await.is_empty());
}

#[tokio::test]
async fn an_object_is_deleted_only_as_what_it_was() {
    let place = Place::embedded().await;
    let store = place.client();
    for key in ["a", "b", "c"] {
        aws::put_object(&store, &place.bucket, key, key).await;
    }
    let service = service_with(&place, Setup::new(), &json!({"provider": "aws"})).await;
    let client = &service.admin;
    let tag = store.head_object().bucket(&place.bucket).key("a").send().await.unwrap().e_tag.unwrap();
    let delete = |key: &str, tag: &str| json!({"operation": "delete", "key": key, "if_match": tag});
    expect(client.query("main", &delete("b", &tag)).await, 412);
    expect(client.query("main", &delete("a", &tag)).await, 200);
    let many = json!({"operation": "delete_many", "keys": [{"key": "b", "if_match": tag}, "c"]});
    let done = expect(client.query("main", &many).await, 200);
    assert_eq!((&done["done"], &done["failed"]), (&json!(1), &json!(1)), "{done:#}");
    assert_eq!(done["results"][0]["error"]["code"], "PreconditionFailed");
    assert_eq!(all_keys(&place).await, ["b"]);
    let both = json!({"operation": "delete_many", "keys": [{"key": "b", "version": "v", "if_match": tag}]});
    let refused = expect(client.query("main", &both).await, 400);
    assert_eq!(refused["errors"][0]["path"], "keys[0].if_match");
    create(client, &place, "plain", &json!({"provider": "garage"})).await;
    let refused = expect(client.query("plain", &many).await, 501);
    assert_eq!(refused["code"], "NotSupportedByProvider");
}

#[tokio::test]
async fn another_count_than_the_confirmed_one_deletes_nothing() {
    for place in Place::both().await {
        fill(&place, "p/", 3).await;
        let service = service_at(&place).await;
        let delete =
            |count: Value| json!({"operation": "delete_prefix", "prefix": "p/", "confirm_count": count});
        for count in [Value::Null, json!(2), json!(4)] {
            let refused = expect(service.admin.query("main", &delete(count)).await, 409);
            assert_eq!(refused["code"], "CountNotConfirmed", "{refused:#}");
            assert_eq!(refused["errors"][0]["path"], "confirm_count");
            assert!(refused["detail"].as_str().unwrap().contains("3 objects are below `p/`"), "{refused:#}");
            assert!(refused["remedy"].as_str().unwrap().contains("\"confirm_count\": 3"), "{refused:#}");
        }
        assert_eq!(place.keys().await.len(), 3, "{}", place.name);
        let done = expect(service.admin.query("main", &delete(json!(3))).await, 200);
        assert_eq!((&done["done"], &done["results"][0]["outcome"]), (&json!(3), &json!("deleted")));
        assert_eq!(place.keys().await.len(), 0, "{}", place.name);
    }
}

#[tokio::test]
async fn a_prefix_stays_inside_the_resources_own() {
    for place in Place::both().await {
        for key in ["root/a/1", "root/a/2", "root/b", "a/1", "rooted/a/1", "root/"] {
            aws::put_object(&place.client(), &place.bucket, key, "x").await;
        }
        let service = service_with(&place, Setup::new(), &json!({"prefix": "root/"})).await;
        let delete = json!({"prefix": "a/", "confirm_count": 2});
        let path = "/v1/resources/main/objects:delete";
        let done = expect(service.admin.post(path, &delete).await, 200);
        assert_eq!(done["results"][1], json!({"key": "a/2", "outcome": "deleted"}));
        let plan = expect(service.admin.post(path, &json!({"prefix": "", "dry_run": true})).await, 200);
        assert_eq!((&plan["count"], &plan["keys"]), (&json!(1), &json!(["b"])), "{}", place.name);
        expect(service.admin.post(path, &json!({"prefix": "../", "confirm_count": 0})).await, 200);
        assert_eq!(place.keys().await, ["a/1", "root/", "root/b", "rooted/a/1"], "{}", place.name);
    }
}

#[tokio::test]
async fn every_named_key_has_an_outcome_and_a_row_in_the_audit() {
    let odd = ["a//b", "../x", "a%2Fb", "ü 🚀+", "&?#%=", "quo\"te'<b>", "line\nfeed"];
    for place in Place::both().await {
        let service = service_at(&place).await;
        let admin = &service.admin;
        for key in odd {
            expect(admin.query("main", &json!({"operation": "put", "key": key, "text": "x"})).await, 200);
        }
        aws::put_object(&place.client(), &place.bucket, "stays", "x").await;
        let mut keys: Vec<Value> = odd.iter().map(|key| json!(key)).collect();
        let look = json!({"operation": "delete_many", "keys": ["a//b", "missing"], "dry_run": true});
        let plan = expect(admin.query("main", &look).await, 200);
        assert_eq!((&plan["keys"], &plan["missing"]), (&json!(["a//b"]), &json!(["missing"])));
        assert_eq!(place.keys().await.len(), odd.len() + 1);
        keys.push(json!("k".repeat(1025)));
        // XML cannot carry it, so that it goes alone
        keys.push(json!({"key": "\u{1}"}));
        let done = expect(admin.query("main", &json!({"operation": "delete_many", "keys": keys})).await, 200);
        assert_eq!((&done["done"], &done["failed"]), (&json!(odd.len() + 1), &json!(1)), "{done:#}");
        let failed = &done["results"][odd.len()];
        assert_eq!(
            (&failed["outcome"], &failed["error"]["code"]),
            (&json!("failed"), &json!("KeyTooLongError"))
        );
        assert_eq!(place.keys().await, ["stays"], "{}", place.name);
        let rows = audit(&service, "object.delete").await;
        assert_eq!(rows.len(), odd.len() + 2);
        assert!(rows.iter().any(|row| row["key"] == "ü 🚀+" && row["outcome"] == "ok"), "{rows:#?}");
        assert!(rows.iter().any(|row| row["outcome"] == "KeyTooLongError"), "{rows:#?}");
    }
}

#[tokio::test]
async fn a_key_that_fails_is_told_and_the_others_go() {
    let place = Place::embedded().await;
    fill(&place, "k/", 3).await;
    let service = service_at(&place).await;
    let keys = json!(["k/00000", {"key": "k/00001", "version": "there-is-none"}, "k/00002"]);
    let told = lines(&service.admin, "objects:delete", &json!({"keys": keys})).await;
    let failed = &told[1];
    assert_eq!((&failed["key"], &failed["version"]), (&json!("k/00001"), &json!("there-is-none")));
    assert_eq!(failed["outcome"], "failed");
    assert!(failed["error"]["detail"].is_string(), "{failed:#}");
    assert_eq!(told[3], json!({"done": 2, "failed": 1, "truncated": false, "cursor": null}));
    assert_eq!(place.keys().await, ["k/00001"]);
}

#[tokio::test]
async fn what_the_store_asks_to_repeat_later_is_repeated() {
    let place = Place::embedded().await;
    fill(&place, "k/", 5).await;
    let front = HttpFault::start(&place.url).await;
    let service = service_with(&place, Setup::new(), &json!({"endpoint": front.url()})).await;
    // the client of the store tries three times by itself
    front.answer_to("POST /bucket", 4, Answer::s3_error(503, "SlowDown"));
    let slow = "<Error><Key>k/00003</Key><Code>SlowDown</Code><Message>later</Message></Error>";
    let slow = format!("<?xml version=\"1.0\"?><DeleteResult>{slow}</DeleteResult>");
    front.answer_to("POST /bucket", 1, Answer::new(200, "application/xml", slow));
    let delete = json!({"operation": "delete_prefix", "prefix": "k/", "confirm_count": 5});
    let done = expect(service.admin.query("main", &delete).await, 200);
    assert_eq!((&done["done"], &done["failed"]), (&json!(5), &json!(0)), "{done:#}");
    assert_eq!(front.count("POST /bucket"), 6);
    let requests = front.requests();
    let last = requests.iter().rfind(|request| request.method == Method::POST).unwrap();
    let body = String::from_utf8_lossy(&last.body);
    assert!(body.contains("k/00003") && !body.contains("k/00002"), "only that one is sent again: {body}");
}

#[tokio::test]
async fn a_store_that_gives_up_leaves_a_cursor_that_goes_on() {
    let place = Place::embedded().await;
    fill(&place, "k/", 1500).await;
    let front = HttpFault::start(&place.url).await;
    let service = service_with(&place, Setup::new(), &json!({"endpoint": front.url()})).await;
    front.answer_to("POST /bucket", 1, Answer::new(200, "application/xml", "<DeleteResult/>"));
    front.answer_to("POST /bucket", 1, Answer::s3_error(403, "AccessDenied"));
    let delete = json!({"prefix": "k/", "confirm_count": 1500});
    let told = lines(&service.admin, "objects:delete", &delete).await;
    let end = told.last().unwrap();
    assert_eq!((&end["done"], &end["error"]["code"]), (&json!(1000), &json!("AccessDenied")), "{end:#}");
    let cursor = end["cursor"].as_str().unwrap();
    let other = json!({"prefix": "other/", "cursor": cursor});
    expect(service.admin.post("/v1/resources/main/objects:delete", &other).await, 400);
    aws::put_object(&place.client(), &place.bucket, "k/99999", "new").await;
    let rest = json!({"prefix": "k/", "cursor": cursor});
    let refused = expect(service.admin.post("/v1/resources/main/objects:delete", &rest).await, 409);
    assert!(refused["detail"].as_str().unwrap().contains("500 were left"), "{refused:#}");
    place.client().delete_object().bucket(&place.bucket).key("k/99999").send().await.unwrap();
    let done = expect(service.admin.post("/v1/resources/main/objects:delete", &rest).await, 200);
    assert_eq!((&done["done"], &done["truncated"]), (&json!(500), &json!(false)));
    assert_eq!(all_keys(&place).await.len(), 1000, "what the made-up answer said to be gone");
}

#[tokio::test]
async fn a_delete_by_prefix_needs_the_right_to_list_and_to_delete() {
    let place = Place::embedded().await;
    fill(&place, "k/", 1).await;
    let service = service_at(&place).await;
    create(&service.admin, &place, "no-list", &json!({"operations": ["delete"]})).await;
    create(&service.admin, &place, "no-delete", &json!({"operations": ["list", "head"]})).await;
    for resource in ["no-list", "no-delete"] {
        for dry_run in [true, false] {
            let delete =
                json!({"operation": "delete_prefix", "prefix": "k/", "dry_run": dry_run, "confirm_count": 1});
            let refused = expect(service.admin.query(resource, &delete).await, 403);
            assert_eq!(refused["code"], "OperationNotAllowed", "{resource}: {refused:#}");
        }
    }
    let many = json!({"operation": "delete_many", "keys": ["k/00000"]});
    expect(service.admin.query("no-delete", &many).await, 403);
    expect(service.client("viewer").await.query("main", &many).await, 403);
    assert_eq!(place.keys().await, ["k/00000"]);
    expect(service.client("user").await.query("main", &many).await, 200);
    assert_eq!(place.keys().await, [""; 0]);
}

#[tokio::test]
async fn bodies_that_make_no_sense_are_refused_with_what_would() {
    let place = Place::embedded().await;
    let service = service_at(&place).await;
    let path = "/v1/resources/main/objects:delete";
    for (body, said) in [
        (json!({}), "either `keys` or `prefix`"),
        (json!({"keys": ["a"], "prefix": "b"}), "either `keys` or `prefix`"),
        (json!({"keys": []}), "1 to 10000 keys"),
        (json!({"keys": ["a"], "confirm_count": 1}), "go with `prefix`"),
        (json!({"prefix": "a", "cursor": "x"}), "cursor cannot be read"),
        (json!({"prefix": "a", "force": true}), "force"),
    ] {
        let refused = expect(service.admin.post(path, &body).await, 400);
        assert!(refused["detail"].as_str().unwrap().contains(said), "{body}: {refused:#}");
    }
}

/// What is refused before a store is asked has a row, too.
#[tokio::test]
async fn what_cannot_be_reached_is_audited() {
    let place = Place::embedded().await;
    let service = service_with(&place, Setup::new(), &json!({"limits": {"max_put_bytes": 1}})).await;
    let auth = json!({"kind": "access_key", "access_key_id": "{{ secrets.nosuch.id }}", "secret_access_key": "{{ secrets.nosuch.secret }}"});
    create(&service.admin, &place, "keyless", &json!({"auth": auth})).await;
    let keys = json!({"operation": "delete_many", "keys": [{"key": "a"}]});
    let (status, answer) = service.admin.query("keyless", &keys).await;
    assert!(status >= 400, "{answer:#}");
    let mut looks = keys.clone();
    looks["dry_run"] = true.into();
    assert!(service.admin.query("keyless", &looks).await.0 >= 400);
    let large = raw(&service.admin, "PUT", &by_path("main", "k"), &[], b"xx").await;
    assert_eq!(large.status, 413, "{large:?}");
    for (action, subject) in
        [("object.delete", "keyless"), ("object.head", "keyless"), ("object.put", "main")]
    {
        let rows = audit(&service, action).await;
        assert!(
            rows.iter().any(|row| row["subject"] == subject && row["outcome"] != "ok"),
            "{action}: {rows:#?}"
        );
    }
}
