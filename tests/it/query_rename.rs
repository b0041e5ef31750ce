//! Renames of prefixes: whatever interrupts them, every object is under its old key or under its new one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::harness::aws;
use crate::harness::http_fault::{Answer, HttpFault};
use crate::query_bulk::{all_keys, audit, fill, lines};
use crate::stores::{Place, by_path, create, raw, service_at, service_with};
use crate::support::{Client, LONG, Setup, expect};

/// Reads a streamed answer up to its first cursor, and lets it go.
async fn up_to_the_first_cursor(client: &Client, body: &Value) -> String {
    let request = client.request(Method::POST, "/v1/resources/main/objects:rename");
    let request = request.header("accept", "application/x-ndjson").json(body);
    let mut response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut text = String::new();
    loop {
        let chunk = response.chunk().await.unwrap().expect("the answer ended before a cursor");
        text.push_str(std::str::from_utf8(&chunk).unwrap());
        let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
        let lines = complete.lines().filter(|line| !line.is_empty());
        let mut rows = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        if let Some(cursor) = rows.find_map(|row| row["cursor"].as_str().map(str::to_owned)) {
            return cursor;
        }
    }
}

/// Every object is below one of both prefixes, or below both, with its own content.
async fn assert_nothing_is_lost(place: &Place, count: usize) {
    let keys = all_keys(place).await;
    for number in 0..count {
        let found = ["from/", "to/"].map(|prefix| format!("{prefix}{number:05}"));
        let there = found.iter().find(|key| keys.contains(key)).unwrap_or_else(|| panic!("{number} is lost"));
        let content = aws::get_object(&place.client(), &place.bucket, there).await;
        assert_eq!(content, format!("from/{number:05}").as_bytes());
    }
}

async fn assert_everything_moved(place: &Place, count: usize) {
    let expected: Vec<String> = (0..count).map(|number| format!("to/{number:05}")).collect();
    assert_eq!(all_keys(place).await, expected);
    assert_nothing_is_lost(place, count).await;
}

fn rename(more: &Value) -> Value {
    let mut body = json!({"operation": "rename_prefix", "from": "from/", "to": "to/"});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[tokio::test]
async fn a_prefix_moves_with_everything_below_it() {
    for place in Place::both().await {
        let client = place.client();
        for key in ["from/a//b", "from/../x", "from/a%2Fb+c", "from/ü 🚀", "fromage", "from/\"<&>'"] {
            aws::put_object(&client, &place.bucket, key, key).await;
        }
        let typed = client.put_object().bucket(&place.bucket).key("from/typed").content_type("text/x-own");
        typed.metadata("author", "ann").send().await.unwrap();
        let service = service_at(&place).await;
        let plan = expect(service.admin.query("main", &rename(&json!({"dry_run": true}))).await, 200);
        assert_eq!((&plan["count"], &plan["dry_run"]), (&json!(6), &json!(true)), "{}", place.name);
        let refused = expect(service.admin.query("main", &rename(&json!({"confirm_count": 5}))).await, 409);
        assert_eq!(refused["code"], "CountNotConfirmed");
        let done = expect(service.admin.query("main", &rename(&json!({"confirm_count": 6}))).await, 200);
        assert_eq!((&done["done"], &done["failed"]), (&json!(6), &json!(0)), "{}: {done:#}", place.name);
        assert_eq!(done["results"][0]["to"], "to/\"<&>'");
        let mut keys = place.keys().await;
        keys.sort();
        let mut expected =
            ["fromage", "to/\"<&>'", "to/../x", "to/a%2Fb+c", "to/a//b", "to/typed", "to/ü 🚀"]
                .map(str::to_owned);
        expected.sort();
        assert_eq!(keys, expected, "{}", place.name);
        let moved = client.head_object().bucket(&place.bucket).key("to/typed").send().await.unwrap();
        assert_eq!(moved.content_type(), Some("text/x-own"), "{}", place.name);
        assert_eq!(moved.metadata().unwrap()["author"], "ann", "{}", place.name);
        let content = aws::get_object(&client, &place.bucket, "to/a%2Fb+c").await;
        assert_eq!(content, b"from/a%2Fb+c", "{}", place.name);
    }
}

/// Two lists are read side by side, over the ends of their pages.
#[tokio::test]
async fn a_dry_run_tells_which_new_keys_are_taken() {
    let place = Place::embedded().await;
    let client = place.client();
    fill(&place, "from/", 1_100).await;
    for number in (0..1_100).step_by(2) {
        let key = format!("to/{number:05}");
        aws::put_object(&client, &place.bucket, &key, "another").await;
    }
    for key in ["to/", "to/0", "to/zzz"] {
        aws::put_object(&client, &place.bucket, key, "beside").await;
    }
    // what an interrupted rename left behind is no other object
    let copy = client.copy_object().bucket(&place.bucket).key("to/00001");
    copy.copy_source(format!("{}/from/00001", place.bucket)).send().await.unwrap();
    let service = service_at(&place).await;
    let admin = &service.admin;
    let plan = expect(admin.query("main", &rename(&json!({"dry_run": true}))).await, 200);
    assert_eq!((&plan["count"], &plan["taken"]), (&json!(1_100), &json!(550)), "{plan:#}");
    let first: Vec<String> = (0..20).step_by(2).map(|number| format!("to/{number:05}")).collect();
    assert_eq!(plan["taken_keys"], json!(first));
    let over = rename(&json!({"dry_run": true, "overwrite": true}));
    assert!(expect(admin.query("main", &over).await, 200).get("taken").is_none());
    // and the dry run said what comes
    let done =
        lines(admin, "objects:rename", &json!({"from": "from/", "to": "to/", "confirm_count": 1_100})).await;
    assert_eq!((&done.last().unwrap()["done"], &done.last().unwrap()["failed"]), (&json!(550), &json!(550)));
    create(admin, &place, "blind", &json!({"operations": ["put", "head", "get"]})).await;
    let blind = rename(&json!({"dry_run": true, "to_resource": "blind"}));
    assert!(expect(admin.query("main", &blind).await, 200).get("taken").is_none(), "it may not be listed");
}

/// What lies at the target besides is not read page by page.
#[tokio::test]
async fn a_dry_run_of_few_objects_reads_little_of_a_large_target() {
    let place = Place::embedded().await;
    fill(&place, "to/", 3_100).await;
    for key in ["from/02999", "from/x", "to/x"] {
        aws::put_object(&place.client(), &place.bucket, key, key).await;
    }
    let service = service_at(&place).await;
    let store = &place.embedded.as_ref().unwrap().store;
    let before = store.requests();
    let plan = expect(service.admin.query("main", &rename(&json!({"dry_run": true}))).await, 200);
    assert_eq!(plan["taken_keys"], json!(["to/02999", "to/x"]), "{plan:#}");
    // a page to count and one to compare; of the target the first page, and the one where the first key would be
    assert_eq!(store.requests() - before, 4);
}

#[tokio::test]
async fn a_rename_copies_looks_and_then_deletes_together() {
    let place = Place::embedded().await;
    fill(&place, "from/", 250).await;
    let service = service_at(&place).await;
    let store = &place.embedded.as_ref().unwrap().store;
    let before = store.requests();
    let told =
        lines(&service.admin, "objects:rename", &json!({"from": "from/", "to": "to/", "confirm_count": 250}))
            .await;
    // a page to count; for each of three chunks a page and a delete; for each object a look at what is under its new
    // key, the copy, and a look at the copy
    assert_eq!(store.requests() - before, 1 + 3 * 2 + 250 * 3);
    assert_eq!(told.last().unwrap(), &json!({"done": 250, "failed": 0, "truncated": false, "cursor": null}));
    assert_everything_moved(&place, 250).await;
    for action in ["object.copy", "object.delete"] {
        let rows = audit(&service, action).await;
        assert_eq!(rows.len(), 3, "{action}: a row for each chunk");
        let detail = "100 objects, `from/00000` to `from/00099`, moved to `to/`";
        assert_eq!(rows[2]["detail"], detail, "{action}");
    }
}

#[tokio::test]
async fn a_service_killed_in_the_middle_of_a_rename_loses_nothing_and_goes_on() {
    let place = Place::embedded().await;
    fill(&place, "from/", 500).await;
    let mut service = service_at(&place).await;
    let body = json!({"from": "from/", "to": "to/", "confirm_count": 500});
    let cursor = up_to_the_first_cursor(&service.admin, &body).await;
    service.kill_and_restart().await;
    assert_nothing_is_lost(&place, 500).await;
    let left = all_keys(&place).await.iter().filter(|key| key.starts_with("from/")).count();
    assert!((1..=400).contains(&left), "it was killed in the middle: {left} were left");
    let body = json!({"from": "from/", "to": "to/", "cursor": cursor});
    let told = lines(&service.admin, "objects:rename", &body).await;
    let end = told.last().unwrap();
    assert_eq!((&end["done"], &end["failed"]), (&json!(left), &json!(0)), "{end:#}");
    assert_everything_moved(&place, 500).await;
}

#[tokio::test]
async fn a_caller_who_goes_away_stops_the_work_between_two_chunks() {
    let place = Place::embedded().await;
    fill(&place, "from/", 1000).await;
    let service = service_at(&place).await;
    let body = json!({"from": "from/", "to": "to/", "confirm_count": 1000});
    up_to_the_first_cursor(&service.admin, &body).await;
    let left = settled(&place).await;
    assert_nothing_is_lost(&place, 1000).await;
    assert!(left > 0 && left % 100 == 0, "the chunk that was under way is whole: {left} were left");
    let rows = audit(&service, "object.delete").await;
    assert_eq!(rows.len(), (1000 - left) / 100, "what was moved is audited, unheard or not");
    let done = expect(service.admin.query("main", &rename(&json!({"confirm_count": left}))).await, 200);
    assert_eq!(done["done"], left);
    assert_everything_moved(&place, 1000).await;
}

/// Waits until the store is asked for nothing any more; how many are left.
async fn settled(place: &Place) -> usize {
    let store = &place.embedded.as_ref().unwrap().store;
    let deadline = Instant::now() + LONG;
    let mut requests = store.requests();
    loop {
        sleep(Duration::from_millis(700)).await;
        let now = store.requests();
        if now == requests {
            let keys = all_keys(place).await;
            return keys.iter().filter(|key| key.starts_with("from/")).count();
        }
        assert!(Instant::now() < deadline, "the work does not stop");
        requests = now;
    }
}

#[tokio::test]
async fn a_source_is_kept_when_its_copy_is_not_confirmed() {
    let place = Place::embedded().await;
    fill(&place, "from/", 2).await;
    let front = HttpFault::start(&place.url).await;
    let service = service_with(&place, Setup::new(), &json!({"endpoint": front.url()})).await;
    // the store says yes and has nothing
    let tag = "<CopyObjectResult><ETag>\"00000000000000000000000000000000\"</ETag></CopyObjectResult>";
    front.answer_to("PUT /bucket/to/00000", 1, Answer::new(200, "application/xml", tag));
    // the store says yes, and then fails
    let failure = "<Error><Code>InternalError</Code><Message>failed half-way</Message></Error>";
    front.answer_to("PUT /bucket/to/00001", 9, Answer::new(200, "application/xml", failure));
    let done = expect(service.admin.query("main", &rename(&json!({"confirm_count": 2}))).await, 200);
    assert_eq!((&done["done"], &done["failed"]), (&json!(0), &json!(2)), "{done:#}");
    assert_eq!(done["results"][0]["outcome"], "failed");
    let detail = done["results"][0]["error"]["detail"].as_str().unwrap();
    assert!(detail.contains("the source stays where it is"), "{detail}");
    assert_eq!(place.keys().await, ["from/00000", "from/00001"]);
    front.pass();
    expect(service.admin.query("main", &rename(&json!({"confirm_count": 2}))).await, 200);
    assert_everything_moved(&place, 2).await;
}

#[tokio::test]
async fn what_moves_gets_what_the_query_gives() {
    for place in [Place::radosgw().await, Place::moto().await] {
        fill(&place, "from/", 3).await;
        let service = service_at(&place).await;
        let gives = json!({
            "operation": "rename_prefix", "from": "from/", "to": "to/", "confirm_count": 3,
            "metadata_directive": "replace", "metadata": {"author": "ann"}, "content_type": "text/x-own",
            "expires": "Wed, 18 May 2033 03:33:20 GMT", "tags_directive": "replace", "tags": {"state": "open"},
            "acl": "public-read",
        });
        let moved = expect(service.admin.query("main", &gives).await, 200);
        assert_eq!((&moved["done"], &moved["failed"]), (&json!(3), &json!(0)), "{}: {moved:#}", place.name);
        assert_eq!(all_keys(&place).await, ["to/00000", "to/00001", "to/00002"]);
        let client = place.client();
        let head = client.head_object().bucket(&place.bucket).key("to/00001").send().await.unwrap();
        assert_eq!(head.content_type(), Some("text/x-own"), "{}", place.name);
        assert_eq!(head.metadata().unwrap()["author"], "ann", "{}", place.name);
        assert_eq!(head.expires_string(), Some("Wed, 18 May 2033 03:33:20 GMT"), "{}", place.name);
        let tags = client.get_object_tagging().bucket(&place.bucket).key("to/00001").send().await.unwrap();
        assert_eq!(tags.tag_set()[0].key(), "state", "{}", place.name);
        let url = format!("{}/{}/to/00001", place.url, place.bucket);
        assert_eq!(reqwest::get(url).await.unwrap().status(), 200, "it is public at {}", place.name);
        let idle = json!({"operation": "rename_prefix", "from": "to/", "to": "x/", "content_type": "a/b"});
        let refused = expect(service.admin.query("main", &idle).await, 400);
        assert!(refused["detail"].as_str().unwrap().contains("metadata_directive"), "{refused:#}");
        // an ACL and tags are allowed by themselves
        let allowed = json!(["copy", "list", "delete", "put_tags"]);
        expect(service.admin.patch("/v1/resources/main", &json!({"operations": allowed})).await, 200);
        let public = json!({"operation": "rename_prefix", "from": "to/", "to": "x/", "confirm_count": 3, "acl": "public-read"});
        assert_eq!(expect(service.admin.query("main", &public).await, 403)["code"], "OperationNotAllowed");
        assert_eq!(all_keys(&place).await.len(), 3);
    }
}

#[tokio::test]
async fn what_stands_under_a_new_key_is_replaced_only_on_demand() {
    for place in Place::both().await {
        fill(&place, "from/", 3).await;
        aws::put_object(&place.client(), &place.bucket, "to/00001", "something else").await;
        // as an interrupted rename leaves it
        aws::put_object(&place.client(), &place.bucket, "to/00002", "from/00002").await;
        let service = service_at(&place).await;
        let done = expect(service.admin.query("main", &rename(&json!({"confirm_count": 3}))).await, 200);
        assert_eq!((&done["done"], &done["failed"]), (&json!(2), &json!(1)), "{}: {done:#}", place.name);
        let failed = &done["results"][1];
        assert_eq!(
            (&failed["key"], &failed["error"]["code"]),
            (&json!("from/00001"), &json!("PreconditionFailed"))
        );
        let kept = aws::get_object(&place.client(), &place.bucket, "to/00001").await;
        assert_eq!(kept, b"something else", "{}", place.name);
        let again = rename(&json!({"confirm_count": 1, "overwrite": true}));
        expect(service.admin.query("main", &again).await, 200);
        assert_everything_moved(&place, 3).await;
    }
}

/// A copy that went in parts has another ETag than its source.
#[tokio::test]
async fn an_interrupted_rename_knows_its_copies_by_their_content() {
    for place in Place::both().await {
        let service = service_at(&place).await;
        let content = |last: u8| [vec![7; 17 << 20], vec![last]].concat();
        for (key, last) in [("copied", 1), ("another", 2)] {
            aws::put_object(&place.client(), &place.bucket, &format!("from/{key}"), content(1)).await;
            let path = by_path("main", &format!("to/{key}"));
            let put = raw(&service.admin, "PUT", &path, &[], &content(last)).await;
            assert_eq!(put.status, 200, "{}: {put:?}", place.name);
            let there = place.client().head_object().bucket(&place.bucket).key(format!("to/{key}"));
            let tag = there.send().await.unwrap().e_tag.unwrap();
            assert!(tag.contains('-'), "it went in parts: {tag}");
        }
        let done = expect(service.admin.query("main", &rename(&json!({"confirm_count": 2}))).await, 200);
        let results = &done["results"];
        assert_eq!(results[0]["error"]["code"], "PreconditionFailed", "{}: {done:#}", place.name);
        assert_eq!(results[1]["outcome"], "moved", "{}: {done:#}", place.name);
        assert_eq!(all_keys(&place).await, ["from/another", "to/another", "to/copied"]);
        let kept = aws::get_object(&place.client(), &place.bucket, "to/another").await;
        assert!(kept == content(2), "{}", place.name);
    }
}

#[tokio::test]
async fn prefixes_that_lie_in_one_another_are_refused() {
    let place = Place::embedded().await;
    aws::put_object(&place.client(), &place.bucket, "root/a/a/x", "1").await;
    let service = service_with(&place, Setup::new(), &json!({"prefix": "root/"})).await;
    create(&service.admin, &place, "whole", &json!({})).await;
    for (from, to, other) in
        [("a/", "a/b/", None), ("a/a/", "a/", None), ("a/", "a/", None), ("a/", "root/a/a/", Some("whole"))]
    {
        let body = json!({"operation": "rename_prefix", "from": from, "to": to, "to_resource": other, "dry_run": true});
        let refused = expect(service.admin.query("main", &body).await, 400);
        assert!(refused["detail"].as_str().unwrap().contains("in one another"), "{refused:#}");
    }
}

#[tokio::test]
async fn a_prefix_moves_to_a_resource_at_another_store() {
    let (near, far) = (Place::embedded().await, Place::radosgw().await);
    fill(&near, "from/", 20).await;
    let service = service_at(&near).await;
    create(&service.admin, &far, "far", &json!({})).await;
    let body = rename(&json!({"to_resource": "far", "confirm_count": 20}));
    let done = expect(service.admin.query("main", &body).await, 200);
    assert_eq!((&done["done"], &done["failed"]), (&json!(20), &json!(0)), "{done:#}");
    assert_eq!(near.keys().await, [""; 0]);
    assert_everything_moved(&far, 20).await;
    let rows = audit(&service, "object.put").await;
    assert_eq!((&rows[0]["subject"], &rows[0]["key"]), (&json!("far"), &json!("to/")));
}

#[tokio::test]
async fn a_rename_needs_every_right_that_it_uses() {
    let place = Place::embedded().await;
    fill(&place, "from/", 1).await;
    let service = service_at(&place).await;
    let all = ["copy", "delete", "list"];
    for missing in all {
        let rest: Vec<&str> = all.into_iter().filter(|operation| *operation != missing).collect();
        create(&service.admin, &place, &format!("no-{missing}"), &json!({"operations": rest})).await;
        let refused =
            service.admin.query(&format!("no-{missing}"), &rename(&json!({"confirm_count": 1}))).await;
        assert_eq!(expect(refused, 403)["code"], "OperationNotAllowed", "{missing}");
    }
    create(&service.admin, &place, "no-put", &json!({"operations": ["get", "list"]})).await;
    let refused = rename(&json!({"confirm_count": 1, "to_resource": "no-put"}));
    assert_eq!(expect(service.admin.query("main", &refused).await, 403)["code"], "OperationNotAllowed");
    let missing = rename(&json!({"confirm_count": 1, "to_resource": "nothing"}));
    assert_eq!(expect(service.admin.query("main", &missing).await, 404)["code"], "NotFound");
    assert_eq!(place.keys().await, ["from/00000"]);
}
