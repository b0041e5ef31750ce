//! Lists: pages, groups, cursors, rows as they come.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::aws;
use crate::stores::{Place, service_at, service_with};
use crate::support::{Client, Setup, expect};

#[tokio::test]
async fn a_list_reads_as_many_pages_as_its_limit_needs() {
    for place in Place::both().await {
        let (store, bucket) = (place.client(), place.bucket.as_str());
        let puts = (0..2_500).map(|number| {
            let store = store.clone();
            async move { aws::put_object(&store, bucket, &format!("root/n/{number:04}"), "x").await }
        });
        stream::iter(puts).buffer_unordered(16).collect::<Vec<()>>().await;
        let service = service_with(&place, Setup::new(), &json!({"prefix": "root/"})).await;
        let client = &service.admin;
        let all: Vec<String> = (0..2_500).map(|number| format!("n/{number:04}")).collect();

        let first = list(client, "limit=1500").await;
        assert_eq!(
            (keys(&first), &first["truncated"]),
            (all[..1500].to_vec(), &json!(true)),
            "{}",
            place.name
        );
        let cursor = percent_encoding::utf8_percent_encode(
            first["cursor"].as_str().unwrap(),
            percent_encoding::NON_ALPHANUMERIC,
        );
        let second = list(client, &format!("limit=1500&cursor={cursor}")).await;
        assert_eq!((keys(&second), &second["truncated"]), (all[1500..].to_vec(), &json!(false)));
        assert_eq!(second["cursor"], Value::Null);
        assert_eq!(keys(&list(client, "").await).len(), 1000, "the default limit");
        let after = list(client, "start_after=n%2F2497").await;
        assert_eq!(keys(&after), ["n/2498", "n/2499"], "{}", place.name);

        let lines = rows(client, "").await;
        let (last, objects) = lines.split_last().unwrap();
        assert_eq!(*last, json!({"cursor": null, "truncated": false}), "{}", place.name);
        let found: Vec<&str> = objects.iter().map(|row| row["key"].as_str().unwrap()).collect();
        assert_eq!(found, all, "{}: every line before the last is a row", place.name);
        let lines = rows(client, "limit=1200").await;
        let (last, objects) = lines.split_last().unwrap();
        assert_eq!((objects.len(), &last["truncated"]), (1200, &json!(true)), "{}", place.name);
        assert!(last["cursor"].is_string());
    }
}

#[tokio::test]
async fn a_delimiter_groups_keys() {
    for place in Place::all().await {
        for key in ["a", "b/1", "b/2", "c/d/e", "ü/x"] {
            aws::put_object(&place.client(), &place.bucket, key, "x").await;
        }
        let service = service_at(&place).await;
        let client = &service.admin;
        let top = list(client, "delimiter=%2F").await;
        assert_eq!(keys(&top), ["a"], "{}", place.name);
        assert_eq!(top["prefixes"], json!(["b/", "c/", "ü/"]), "{}", place.name);
        let inner = list(client, "delimiter=%2F&prefix=c%2F").await;
        assert_eq!((keys(&inner), &inner["prefixes"]), (vec![], &json!(["c/d/"])), "{}", place.name);
        assert_eq!(keys(&list(client, "prefix=b%2F").await), ["b/1", "b/2"]);
        let query = json!({"operation": "list", "prefix": "b/", "limit": 1});
        let page = expect(client.query("main", &query).await, 200);
        assert_eq!((keys(&page), &page["truncated"]), (vec!["b/1".to_owned()], &json!(true)));
        let rest = json!({"operation": "list", "prefix": "b/", "cursor": page["cursor"]});
        assert_eq!(keys(&expect(client.query("main", &rest).await, 200)), ["b/2"], "{}", place.name);
        let lines = rows(client, "delimiter=%2F").await;
        assert_eq!(lines[1], json!({"prefix": "b/"}), "{}: {lines:?}", place.name);
    }
}

#[tokio::test]
async fn groups_under_a_prefix_are_relative_to_it() {
    for place in Place::both().await {
        for key in ["root/b/1", "root/c", "rooted/x", "a/b"] {
            aws::put_object(&place.client(), &place.bucket, key, "x").await;
        }
        let service = service_with(&place, Setup::new(), &json!({"prefix": "root/"})).await;
        let top = list(&service.admin, "delimiter=%2F").await;
        assert_eq!((keys(&top), &top["prefixes"]), (vec!["c".to_owned()], &json!(["b/"])), "{}", place.name);
    }
}

#[tokio::test]
async fn a_list_row_says_size_tag_and_time() {
    for place in Place::both().await {
        aws::put_object(&place.client(), &place.bucket, "k", "12345").await;
        let service = service_at(&place).await;
        let row = &list(&service.admin, "").await["objects"][0];
        assert_eq!((&row["size"], &row["etag"]), (&json!(5), &json!("\"827ccb0eea8a706c4c34a16891f84e7b\"")));
        let at: jiff::Timestamp = row["last_modified"].as_str().unwrap().parse().unwrap();
        assert!(jiff::Timestamp::now().duration_since(at).as_secs().abs() < 120, "{}: {at}", place.name);
    }
}

async fn list(client: &Client, query: &str) -> Value {
    expect(client.get(&format!("/v1/resources/main/objects?{query}")).await, 200)
}

async fn rows(client: &Client, query: &str) -> Vec<Value> {
    let request = client.request(Method::GET, &format!("/v1/resources/main/objects?{query}"));
    let response = request.header("accept", "application/x-ndjson").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let text = response.text().await.unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn keys(page: &Value) -> Vec<String> {
    let rows = page["objects"].as_array().unwrap();
    rows.iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect()
}
