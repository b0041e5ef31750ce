//! Lists that are filtered and put in order.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::aws;
use crate::stores::{Place, create, service_at, service_with};
use crate::support::{Client, Setup, expect};

async fn list(client: &Client, status: u16, fields: Value) -> Value {
    let mut query = json!({"operation": "list"});
    query.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    expect(client.query("main", &query).await, status)
}

fn keys(page: &Value) -> Vec<&str> {
    page["objects"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap()).collect()
}

/// Objects of different sizes below a prefix, and one beside it.
async fn fill(place: &Place) {
    for (key, size) in [("a.pdf", 5), ("b.txt", 1), ("x/c.pdf", 3), ("x/d.pdf", 9), ("x/y/e.pdf", 3)] {
        aws::put_object(&place.client(), &place.bucket, &format!("root/{key}"), "x".repeat(size)).await;
    }
    aws::put_object(&place.client(), &place.bucket, "beside.pdf", "x").await;
}

#[tokio::test]
async fn a_filter_shows_what_fits_and_says_what_was_read() {
    for place in Place::both().await {
        fill(&place).await;
        let service = service_with(&place, Setup::new(), &json!({"prefix": "root/"})).await;
        let client = &service.admin;
        for (filter, wanted) in [
            (json!({"glob": "**.pdf"}), vec!["a.pdf", "x/c.pdf", "x/d.pdf", "x/y/e.pdf"]),
            (json!({"glob": "*.pdf"}), vec!["a.pdf"]),
            (json!({"regex": "^x/[^/]+$"}), vec!["x/c.pdf", "x/d.pdf"]),
            (json!({"size": {"gt": 1, "lte": 5}}), vec!["a.pdf", "x/c.pdf", "x/y/e.pdf"]),
            (json!({"modified": {"after": "2020-01-01T00:00:00Z"}, "glob": "b*"}), vec!["b.txt"]),
            (json!({"modified": {"before": "2020-01-01T00:00:00Z"}}), vec![]),
            (json!({"or": [{"glob": "b*"}, {"not": {"size": {"lt": 9}}}]}), vec!["b.txt", "x/d.pdf"]),
        ] {
            let page = list(client, 200, json!({"filter": filter})).await;
            assert_eq!(keys(&page), wanted, "{}: {filter}", place.name);
            assert_eq!((&page["scanned"], &page["read_everything"]), (&json!(5), &json!(true)), "{filter}");
            assert_eq!(page["truncated"], false);
        }
        let plain = list(client, 200, json!({})).await;
        assert_eq!((plain.get("scanned"), plain.get("notes")), (None, None), "nothing to say about it");
        let grouped = list(client, 200, json!({"delimiter": "/", "filter": {"glob": "*.pdf"}})).await;
        assert_eq!((keys(&grouped), &grouped["prefixes"]), (vec!["a.pdf"], &json!(["x/"])), "{}", place.name);
        assert!(grouped["notes"][0].as_str().unwrap().contains("prefixes are not filtered"), "{grouped}");
    }
}

#[tokio::test]
async fn pages_of_a_filtered_list_give_every_row_once() {
    for place in Place::both().await {
        fill(&place).await;
        let service = service_with(&place, Setup::new(), &json!({"prefix": "root/"})).await;
        let client = &service.admin;
        for delimiter in [Value::Null, json!("/")] {
            let mut fields = json!({"filter": {"size": {"gte": 3}}, "delimiter": delimiter, "limit": 1});
            let mut found = Vec::new();
            loop {
                let page = list(client, 200, fields.clone()).await;
                let prefixes =
                    page["prefixes"].as_array().unwrap().iter().map(|prefix| prefix.as_str().unwrap());
                let rows: Vec<String> = keys(&page).into_iter().chain(prefixes).map(str::to_owned).collect();
                assert!(rows.len() <= 1, "{rows:?}");
                found.extend(rows);
                if page["truncated"] == false {
                    break;
                }
                assert!(found.len() < 10, "{}: no end: {found:?}", place.name);
                fields["cursor"] = page["cursor"].clone();
            }
            let wanted = match delimiter {
                Value::Null => vec!["a.pdf", "x/c.pdf", "x/d.pdf", "x/y/e.pdf"],
                _ => vec!["a.pdf", "x/"],
            };
            assert_eq!(found, wanted, "{}", place.name);
        }
        let page = list(client, 200, json!({"prefix": "x/", "limit": 1})).await;
        for other in [
            json!({"prefix": "x/"}),
            json!({"prefix": "x/", "delimiter": "/"}),
            json!({"filter": {"glob": "*"}}),
        ] {
            for cursor in [page["cursor"].clone(), json!("of another list")] {
                let mut asked = other.clone();
                asked["cursor"] = cursor.clone();
                let same = other == json!({"prefix": "x/"}) && cursor == page["cursor"];
                let answer = list(client, if same { 200 } else { 400 }, asked).await;
                assert!(same || answer["detail"].as_str().unwrap().contains("none of this list"), "{answer}");
            }
        }
    }
}

#[tokio::test]
async fn an_order_gives_the_first_rows_of_everything() {
    for place in Place::both().await {
        fill(&place).await;
        let service = service_with(&place, Setup::new(), &json!({"prefix": "root/"})).await;
        let client = &service.admin;
        let all = ["a.pdf", "b.txt", "x/c.pdf", "x/d.pdf", "x/y/e.pdf"];
        for (sort, wanted) in [
            (json!({"by": "size"}), ["b.txt", "x/c.pdf", "x/y/e.pdf", "a.pdf", "x/d.pdf"]),
            (
                json!({"by": "size", "direction": "desc"}),
                ["x/d.pdf", "a.pdf", "x/c.pdf", "x/y/e.pdf", "b.txt"],
            ),
            (
                json!({"by": "key", "direction": "desc"}),
                ["x/y/e.pdf", "x/d.pdf", "x/c.pdf", "b.txt", "a.pdf"],
            ),
            (json!({"by": "key"}), all),
        ] {
            let page = list(client, 200, json!({"sort": sort})).await;
            assert_eq!(keys(&page), wanted, "{}: {sort}", place.name);
            assert_eq!((&page["truncated"], &page["cursor"]), (&json!(false), &Value::Null), "{sort}");
        }
        let largest =
            json!({"sort": {"by": "size", "direction": "desc"}, "filter": {"glob": "x/**"}, "limit": 2});
        let page = list(client, 200, largest).await;
        assert_eq!(
            (keys(&page), &page["scanned"]),
            (vec!["x/d.pdf", "x/c.pdf"], &json!(5)),
            "{}",
            place.name
        );
        assert_eq!((&page["truncated"], &page["read_everything"]), (&json!(true), &json!(true)));
        assert!(page["notes"][0].as_str().unwrap().contains("limit of 2"), "{page}");
        let latest = list(client, 200, json!({"sort": {"by": "last_modified", "direction": "desc"}})).await;
        // as moments: a fraction is written without its last zeros
        let times: Vec<jiff::Timestamp> = latest["objects"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["last_modified"].as_str().unwrap().parse().unwrap())
            .collect();
        assert!(times.is_sorted_by(|one, other| one >= other), "{times:?}");
        let refused = list(client, 400, json!({"sort": {"by": "size"}, "cursor": "x"})).await;
        assert!(refused["detail"].as_str().unwrap().contains("leave out `cursor`"), "{refused}");
    }
}

#[tokio::test]
async fn an_order_looks_behind_the_first_page_of_the_store() {
    let place = Place::embedded().await;
    let store = place.client();
    let puts = (0..1100).map(|number| {
        let (store, bucket) = (store.clone(), place.bucket.clone());
        async move { aws::put_object(&store, &bucket, &format!("{number:04}"), "x".repeat(number % 7)).await }
    });
    futures_util::StreamExt::collect::<Vec<()>>(futures_util::StreamExt::buffer_unordered(
        futures_util::stream::iter(puts),
        16,
    ))
    .await;
    aws::put_object(&store, &place.bucket, "9999", "x".repeat(50)).await;
    let service = service_at(&place).await;
    let page =
        list(&service.admin, 200, json!({"sort": {"by": "size", "direction": "desc"}, "limit": 1})).await;
    assert_eq!((keys(&page), &page["scanned"]), (vec!["9999"], &json!(1101)));
    let filtered = list(&service.admin, 200, json!({"filter": {"size": {"gt": 6}}})).await;
    assert_eq!((keys(&filtered), &filtered["read_everything"]), (vec!["9999"], &json!(true)));
}

#[tokio::test]
async fn parameters_and_streams_filter_too() {
    let place = Place::embedded().await;
    fill(&place).await;
    let service = service_with(&place, Setup::new(), &json!({"prefix": "root/"})).await;
    let client = &service.admin;
    for (parameters, wanted) in [
        ("glob=**.pdf&min_size=4", vec!["a.pdf", "x/d.pdf"]),
        ("regex=%5C.txt%24", vec!["b.txt"]),
        ("max_size=3&sort=size&direction=desc", vec!["x/c.pdf", "x/y/e.pdf", "b.txt"]),
        ("modified_after=2020-01-01T00:00:00Z&modified_before=2021-01-01T00:00:00Z", vec![]),
    ] {
        let path = format!("/v1/resources/main/objects?{parameters}");
        let page = expect(client.get(&path).await, 200);
        assert_eq!(keys(&page), wanted, "{parameters}");
        let request = client.request(Method::GET, &path).header("accept", "application/x-ndjson");
        let text = request.send().await.unwrap().text().await.unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (last, rows) = lines.split_last().unwrap();
        assert_eq!(
            rows.iter().map(|row| row["key"].as_str().unwrap()).collect::<Vec<_>>(),
            wanted,
            "{parameters}"
        );
        assert_eq!((&last["scanned"], &last["read_everything"]), (&json!(5), &json!(true)), "{last}");
    }
    let query = json!({"operation": "list", "filter": {"glob": "*.txt"}});
    let request =
        client.request(Method::POST, "/v1/resources/main/query").header("accept", "application/x-ndjson");
    let text = request.json(&query).send().await.unwrap().text().await.unwrap();
    assert!(text.starts_with("{\"key\":\"b.txt\"") && text.lines().count() == 2, "{text}");
    for (wrong, said) in [
        ("sort=colour", "`sort` takes"),
        ("direction=up", "`direction` takes"),
        ("modified_after=soon", "`modified_after` takes a time"),
        ("glob=%5Ba", "`glob` has a `[`"),
        ("min_size=-1", "`min_size` takes a whole number"),
    ] {
        let refused = expect(client.get(&format!("/v1/resources/main/objects?{wrong}")).await, 400);
        assert!(refused["detail"].as_str().unwrap().contains(said), "{refused}");
    }
}

#[tokio::test]
async fn the_owner_is_told_when_it_is_asked_for() {
    let place = Place::radosgw().await;
    fill(&place).await;
    let service = service_at(&place).await;
    let page = list(&service.admin, 200, json!({"fetch_owner": true, "limit": 1})).await;
    assert!(page["objects"][0]["owner"]["id"].is_string(), "{page}");
    let prefix = utf8_percent_encode("root/a", NON_ALPHANUMERIC);
    let path = format!("/v1/resources/main/objects?prefix={prefix}");
    let page = expect(service.admin.get(&path).await, 200);
    assert_eq!(page["objects"][0].get("owner"), None, "{page}");
}

#[tokio::test]
async fn each_row_has_a_url_that_reads_it_where_that_is_asked_and_allowed() {
    for place in Place::both().await {
        let service = service_with(&place, Setup::new(), &json!({"prefix": "root/"})).await;
        let store = place.client();
        for key in ["root/", "root/a b", "root/ü+", "outside"] {
            aws::put_object(&store, &place.bucket, key, key).await;
        }
        let asked = json!({"operation": "list", "sign_expires_in": 60, "sort": {"by": "key", "direction": "desc"}, "limit": 2});
        let (status, page) = service.admin.query("main", &asked).await;
        assert_eq!(status, 200, "{}: {page:#}", place.name);
        let rows = page["objects"].as_array().unwrap();
        assert_eq!(rows.len(), 2, "{page:#}");
        for row in rows {
            let response = reqwest::get(row["url"].as_str().unwrap()).await.unwrap();
            assert_eq!(response.status(), 200, "{}: {row:#}", place.name);
            assert_eq!(response.text().await.unwrap(), format!("root/{}", row["key"].as_str().unwrap()));
            assert!(row["url_expires_at"].is_string(), "{row:#}");
        }
        let path = "/v1/resources/main/objects?sign_expires_in=1m";
        let response = service.admin.request(reqwest::Method::GET, path).send().await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-store");
        for wrong in [0, 604_801] {
            let asked = json!({"operation": "list", "sign_expires_in": wrong});
            expect(service.admin.query("main", &asked).await, 400);
        }
        create(&service.admin, &place, "unsigned", &json!({"operations": ["list", "get"]})).await;
        let refused = expect(
            service.admin.query("unsigned", &json!({"operation": "list", "sign_expires_in": 60})).await,
            403,
        );
        assert_eq!(refused["code"], "OperationNotAllowed", "{refused:#}");
    }
}
