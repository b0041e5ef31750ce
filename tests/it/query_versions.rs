//! Lists of versions: what lists can, they can.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use serde_json::{Value, json};

use crate::harness::http_fault::{Answer, HttpFault};
use crate::harness::servers::AccessKey;
use crate::query_metadata::versioned;
use crate::stores::{Place, service_with};
use crate::support::{Client, Setup, definition, expect};

/// Two versions of `a`, one of `d/b`, and `d/c` with two versions below a delete marker; besides, what lies outside of
/// the resource.
async fn filled() -> Place {
    let place = versioned().await;
    let client = place.client();
    for (key, text) in [
        ("outside", "x"),
        ("root/a", "1"),
        ("root/a", "333"),
        ("root/d/b", "22"),
        ("root/d/c", "55555"),
        ("root/d/c", "4444"),
    ] {
        let body = text.as_bytes().to_vec().into();
        client.put_object().bucket(&place.bucket).key(key).body(body).send().await.unwrap();
    }
    client.delete_object().bucket(&place.bucket).key("root/d/c").send().await.unwrap();
    place
}

async fn list(client: &Client, options: Value) -> Value {
    let mut query = json!({"operation": "list", "versions": true});
    query.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    expect(client.query("main", &query).await, 200)
}

/// Key and size of each row; of a marker no size.
fn rows(page: &Value) -> Vec<(&str, Option<u64>)> {
    let row = |row: &'_ Value| row["delete_marker"] != true;
    let shown = page["objects"].as_array().unwrap().iter();
    shown
        .map(|each| (each["key"].as_str().unwrap(), row(each).then(|| each["size"].as_u64().unwrap())))
        .collect()
}

#[tokio::test]
async fn a_filter_and_an_order_work_on_versions() {
    let place = filled().await;
    let service = service_with(&place, Setup::new(), &json!({"prefix": "root/"})).await;
    let client = &service.admin;
    let all =
        [("a", Some(3)), ("a", Some(1)), ("d/b", Some(2)), ("d/c", None), ("d/c", Some(4)), ("d/c", Some(5))];
    assert_eq!(rows(&list(client, json!({})).await), all);
    for (filter, expected) in [
        (json!({"is_latest": true}), vec![("a", Some(3)), ("d/b", Some(2)), ("d/c", None)]),
        (json!({"is_latest": true, "delete_marker": true}), vec![("d/c", None)]),
        (json!({"is_latest": false}), vec![("a", Some(1)), ("d/c", Some(4)), ("d/c", Some(5))]),
        (
            json!({"glob": "d/*", "size": {"gte": 2}}),
            vec![("d/b", Some(2)), ("d/c", Some(4)), ("d/c", Some(5))],
        ),
    ] {
        let page = list(client, json!({"filter": filter})).await;
        assert_eq!(rows(&page), expected, "{filter}");
        assert_eq!((&page["scanned"], &page["read_everything"]), (&json!(6), &json!(true)), "{page:#}");
    }
    let page = list(client, json!({"sort": {"by": "size", "direction": "desc"}, "limit": 3})).await;
    assert_eq!(rows(&page), [("d/c", Some(5)), ("d/c", Some(4)), ("a", Some(3))]);
    // those of one key stay in their order, whichever end comes first
    let page = list(client, json!({"sort": {"by": "key", "direction": "desc"}})).await;
    assert_eq!(rows(&page), [all[3], all[4], all[5], all[2], all[0], all[1]]);
}

/// A page may end between two versions of a key; none is lost and none comes twice.
#[tokio::test]
async fn a_filtered_list_of_versions_goes_on_where_it_ended() {
    let place = filled().await;
    let service = service_with(&place, Setup::new(), &json!({"prefix": "root/"})).await;
    let client = &service.admin;
    for (options, most) in [
        (json!({"filter": {"size": {"gte": 0}}}), 6),
        (json!({"filter": {"delete_marker": false}}), 5),
        (json!({"filter": {"size": {"gte": 0}}, "delimiter": "/"}), 3),
        (json!({"delimiter": "/"}), 3),
    ] {
        let whole = list(client, options.clone()).await;
        for limit in [1, 2] {
            let (mut objects, mut prefixes, mut cursor) = (Vec::new(), Vec::new(), Value::Null);
            for _ in 0..=most {
                let mut next = options.clone();
                next["limit"] = json!(limit);
                next["cursor"] = cursor;
                let page = list(client, next).await;
                objects.extend(page["objects"].as_array().unwrap().clone());
                prefixes.extend(page["prefixes"].as_array().unwrap().clone());
                cursor = page["cursor"].clone();
                if cursor.is_null() {
                    break;
                }
            }
            assert!(cursor.is_null(), "{options}: it ends");
            assert_eq!(json!(objects), whole["objects"], "{options}: {limit}");
            assert_eq!(json!(prefixes), whole["prefixes"], "{options}: {limit}");
        }
        assert_eq!(rows(&whole).len() + whole["prefixes"].as_array().unwrap().len(), most, "{options}");
    }
    // a cursor is of one list
    let page = list(client, json!({"limit": 1})).await;
    let plain = json!({"operation": "list", "cursor": page["cursor"]});
    expect(client.query("main", &plain).await, 400);
}

/// Of what was written in one second a list cannot tell the order of versions and markers: each comes once all the same.
#[tokio::test]
async fn rows_of_one_moment_are_neither_lost_nor_repeated() {
    let row = |kind: &str, id: &str, latest: bool| {
        format!(
            "<{kind}><Key>k</Key><VersionId>{id}</VersionId><IsLatest>{latest}</IsLatest><LastModified>2026-11-01T10:00:00.000Z</LastModified></{kind}>"
        )
    };
    let rows =
        [row("Version", "v2", true), row("DeleteMarker", "m", false), row("Version", "v1", false)].concat();
    let body = format!("<ListVersionsResult><IsTruncated>false</IsTruncated>{rows}</ListVersionsResult>");
    let front = HttpFault::alone().await;
    front.answer(usize::MAX, Answer::new(200, "application/xml", body));
    let service = Setup::new().start().await;
    let key = AccessKey::new("AKIARECORDED00000001", "recorded");
    let mut definition = definition("main", &front.url(), "bucket", &key);
    definition["provider"] = json!("ceph");
    expect(service.admin.post("/v1/resources", &definition).await, 201);
    for limit in 1..=3 {
        let (mut seen, mut cursor) = (Vec::new(), Value::Null);
        for _ in 0..4 {
            let options = json!({"filter": {"glob": "*"}, "limit": limit, "cursor": cursor});
            let page = list(&service.admin, options).await;
            let ids = page["objects"].as_array().unwrap().iter();
            seen.extend(ids.map(|row| row["version_id"].as_str().unwrap().to_owned()));
            cursor = page["cursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        seen.sort();
        assert_eq!(seen, ["m", "v1", "v2"], "{limit}");
    }
}

#[tokio::test]
async fn a_list_begins_behind_all_versions_of_a_key() {
    let place = filled().await;
    let service = service_with(&place, Setup::new(), &json!({"prefix": "root/"})).await;
    for (limit, expected) in [(1, 1), (2, 2), (1000, 4)] {
        let page = list(&service.admin, json!({"start_after": "a", "limit": limit})).await;
        let shown = rows(&page);
        assert!(shown.iter().all(|(key, _)| *key != "a") && shown.len() <= expected, "{limit}: {page:#}");
    }
    let (mut keys, mut cursor) = (Vec::new(), Value::Null);
    for _ in 0..8 {
        let page = list(&service.admin, json!({"start_after": "a", "limit": 1, "cursor": cursor})).await;
        keys.extend(rows(&page).into_iter().map(|(key, _)| key.to_owned()));
        cursor = page["cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(keys, ["d/b", "d/c", "d/c", "d/c"]);
}

#[tokio::test]
async fn each_version_gets_a_url_of_its_own() {
    let place = filled().await;
    let service = service_with(&place, Setup::new(), &json!({"prefix": "root/"})).await;
    let page =
        list(&service.admin, json!({"sign_expires_in": 60, "prefix": "d/c", "fetch_owner": true})).await;
    let rows = page["objects"].as_array().unwrap();
    assert!(rows[0]["url"].is_null(), "a marker has nothing to read: {page:#}");
    for (row, text) in rows[1..].iter().zip(["4444", "55555"]) {
        let read = reqwest::get(row["url"].as_str().unwrap()).await.unwrap();
        assert_eq!(read.text().await.unwrap(), text);
        assert!(row["owner"]["id"].is_string(), "{row:#}");
    }
}

#[tokio::test]
async fn versions_are_listed_only_where_the_resource_allows_them() {
    let place = filled().await;
    let service = service_with(&place, Setup::new(), &json!({"operations": ["list", "get"]})).await;
    let client = &service.admin;
    let versions = json!({"operation": "list", "versions": true});
    let problem = expect(client.query("main", &versions).await, 403);
    assert!(problem["detail"].as_str().unwrap().contains("`versions`"), "{problem:#}");
    expect(client.query("main", &json!({"operation": "list", "versions": false})).await, 200);
}
