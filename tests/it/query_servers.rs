//! Every operation on every store that the tests have: the table of `docs/queries/servers.md` is what they answered.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::collections::BTreeMap;

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use serde_json::{Value, json};

use crate::harness::aws;
use crate::stores::{Place, by_key, raw, service_with};
use crate::support::{Client, Service, Setup, expect};

const PAGE: &str = include_str!("../../docs/queries/servers.md");

/// What is there before an operation is tried.
struct Given {
    /// Of `a.txt`, where the store keeps versions.
    version: Option<String>,
    /// An upload of `parts.bin` with one part.
    upload: String,
    /// The ETag of its part.
    part: String,
    /// The number of keys under `d/`.
    count: u64,
    /// Another upload.
    aborted: String,
    bucket: String,
}

/// A row of the table: its label, and the query in what is given. `None`: there is nothing that it could be tried with.
type Row = (&'static str, fn(&Given) -> Option<Value>);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("list", |_| Some(json!({"operation": "list"}))),
    ("list, grouped", |_| Some(json!({"operation": "list", "delimiter": "/"}))),
    ("head", |_| Some(json!({"operation": "head", "key": "a.txt"}))),
    ("get", |_| Some(json!({"operation": "get", "key": "a.txt"}))),
    ("get, a range", |_| Some(json!({"operation": "get", "key": "a.txt", "range": "bytes=-2"}))),
    ("get, a version", |given| Some(json!({"operation": "get", "key": "a.txt", "version": given.version.clone()?}))),
    ("put", |_| Some(json!({"operation": "put", "key": "b.txt", "text": "b"}))),
    ("put, if_none_match", |_| Some(json!({"operation": "put", "key": "new.txt", "text": "b", "if_none_match": "*"}))),
    ("put, tags", |_| Some(json!({"operation": "put", "key": "tagged.txt", "text": "b", "tags": {"a": "b"}}))),
    ("put, acl", |_| Some(json!({"operation": "put", "key": "acl.txt", "text": "b", "acl": "private"}))),
    ("put, checksum", |_| Some(json!({"operation": "put", "key": "sum.txt", "text": "b", "checksum": {"algorithm": "sha256"}}))),
    ("copy", |_| Some(json!({"operation": "copy", "from": "a.txt", "to": "copied.txt"}))),
    ("move", |_| Some(json!({"operation": "move", "from": "b.txt", "to": "moved.txt"}))),
    ("rename_prefix", |_| Some(json!({"operation": "rename_prefix", "from": "r/", "to": "renamed/", "confirm_count": 1}))),
    ("get_tags", |_| Some(json!({"operation": "get_tags", "key": "a.txt"}))),
    ("put_tags", |_| Some(json!({"operation": "put_tags", "key": "a.txt", "tags": {"team": "billing"}}))),
    ("delete_tags", |_| Some(json!({"operation": "delete_tags", "key": "a.txt"}))),
    ("get_acl", |_| Some(json!({"operation": "get_acl", "key": "a.txt"}))),
    ("put_acl", |_| Some(json!({"operation": "put_acl", "key": "a.txt", "acl": "private"}))),
    ("list, versions", |_| Some(json!({"operation": "list", "versions": true}))),
    ("restore_version", |given| Some(json!({"operation": "restore_version", "key": "a.txt", "version": given.version.clone()?}))),
    ("sign", |_| Some(json!({"operation": "sign", "method": "GET", "key": "a.txt"}))),
    ("sign_post", |_| Some(json!({"operation": "sign_post", "key": "form.txt", "max_bytes": 10}))),
    ("create_multipart_upload", |_| Some(json!({"operation": "create_multipart_upload", "key": "other.bin"}))),
    ("sign_parts", |given| Some(json!({"operation": "sign_parts", "key": "parts.bin", "upload_id": given.upload, "parts": [1]}))),
    ("upload_part", |given| Some(json!({"operation": "upload_part", "key": "parts.bin", "upload_id": given.upload, "part_number": 1, "text": "one part"}))),
    ("list_parts", |given| Some(json!({"operation": "list_parts", "key": "parts.bin", "upload_id": given.upload}))),
    ("list_multipart_uploads", |_| Some(json!({"operation": "list_multipart_uploads"}))),
    ("complete_multipart_upload", |given| Some(json!({"operation": "complete_multipart_upload", "key": "parts.bin", "upload_id": given.upload, "parts": [{"part_number": 1, "etag": given.part}]}))),
    ("abort_multipart_upload", |given| Some(json!({"operation": "abort_multipart_upload", "key": "aborted.bin", "upload_id": given.aborted}))),
    ("clean_multipart_uploads", |_| Some(json!({"operation": "clean_multipart_uploads", "older_than": 0}))),
    ("get_bucket", |_| Some(json!({"operation": "get_bucket"}))),
    ("put_bucket_cors", |_| Some(json!({"operation": "put_bucket_cors", "rules": [{"allowed_methods": ["GET"], "allowed_origins": ["https://app.example.com"]}]}))),
    ("delete_bucket_cors", |_| Some(json!({"operation": "delete_bucket_cors"}))),
    ("put_bucket_policy", |given| Some(json!({"operation": "put_bucket_policy", "force": true, "policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{}/public/*", given.bucket)}]}}))),
    ("delete_bucket_policy", |_| Some(json!({"operation": "delete_bucket_policy"}))),
    ("delete, if_match", |_| Some(json!({"operation": "delete", "key": "acl.txt", "if_match": "\"92eb5ffee6ae2fec3ad71c777531578f\""}))),
    ("delete, a version", |given| Some(json!({"operation": "delete", "key": "a.txt", "version": given.version.clone()?}))),
    ("delete", |_| Some(json!({"operation": "delete", "key": "copied.txt"}))),
    ("delete_many", |_| Some(json!({"operation": "delete_many", "keys": ["moved.txt", "new.txt"]}))),
    ("delete_prefix", |given| Some(json!({"operation": "delete_prefix", "prefix": "d/", "confirm_count": given.count}))),
];

/// What a bucket is given before the rows are tried.
async fn given(place: &Place) -> Given {
    let store = place.client();
    let versioned = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let kept = store.put_bucket_versioning().bucket(&place.bucket).versioning_configuration(versioned);
    // a store without versions says so in the rows
    kept.send().await.ok();
    for key in ["a.txt", "d/1", "d/2", "r/1"] {
        aws::put_object(&store, &place.bucket, key, "hello").await;
    }
    let head = store.head_object().bucket(&place.bucket).key("a.txt").send().await.unwrap();
    let created =
        store.create_multipart_upload().bucket(&place.bucket).key("parts.bin").send().await.unwrap();
    let upload = created.upload_id().unwrap().to_owned();
    let part = store.upload_part().bucket(&place.bucket).key("parts.bin").upload_id(&upload).part_number(1);
    let part = part.body(b"one part".to_vec().into()).send().await.unwrap();
    let other =
        store.create_multipart_upload().bucket(&place.bucket).key("aborted.bin").send().await.unwrap();
    let aborted = other.upload_id().unwrap().to_owned();
    let version = head.version_id().filter(|id| *id != "null").map(str::to_owned);
    Given {
        version,
        upload,
        part: part.e_tag().unwrap().to_owned(),
        count: 2,
        aborted,
        bucket: place.bucket.clone(),
    }
}

/// `yes`, or the code of the problem.
async fn tried(client: &Client, query: &Value) -> String {
    let (status, answer) = client.query("main", query).await;
    match status {
        200 => failed_part(&answer).unwrap_or_else(|| "yes".to_owned()),
        _ => answer["code"].as_str().unwrap_or_else(|| panic!("{query} {status} {answer:#}")).to_owned(),
    }
}

/// An answer about many things says of each whether it failed.
fn failed_part(answer: &Value) -> Option<String> {
    let parts = answer["results"].as_array().into_iter().flatten();
    parts.filter_map(|part| part["error"]["code"].as_str()).map(str::to_owned).next()
}

async fn column(place: &Place) -> BTreeMap<&'static str, String> {
    let service: Service = service_with(place, Setup::new(), &json!({"provider": "aws"})).await;
    let given = given(place).await;
    let mut answers = BTreeMap::new();
    for (label, query) in ROWS {
        let answer = match query(&given) {
            Some(query) => tried(&service.admin, &query).await,
            None => "-".to_owned(),
        };
        answers.insert(*label, answer);
    }
    answers
}

/// The page has a table of what these stores answer.
async fn compare(places: &[Place]) {
    let mut columns = Vec::new();
    for place in places {
        columns.push(column(place).await);
    }
    let heads: Vec<&str> = places.iter().map(|place| place.name).collect();
    let mut table = format!("| operation | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for (label, _) in ROWS {
        let cells: Vec<&str> = columns.iter().map(|column| column[label].as_str()).collect();
        table += &["| ", *label, " | ", &cells.join(" | "), " |\n"].concat();
    }
    assert!(PAGE.contains(&table), "docs/queries/servers.md has another table than this one:\n{table}");
}

#[tokio::test]
async fn the_page_says_what_every_store_answers_to_every_operation() {
    compare(&Place::all().await).await;
}

#[tokio::test]
#[ignore = "`tests/third-store` starts the store"]
async fn a_third_store_answers_as_the_page_says() {
    compare(&[Place::third().await]).await;
}

/// Nothing here was made for it: keys, bodies, ranges, lists and signed URLs are what they are elsewhere.
#[tokio::test]
#[ignore = "`tests/third-store` starts the store"]
async fn a_third_store_keeps_what_it_is_given() {
    let place = Place::third().await;
    let service = service_with(&place, Setup::new(), &json!({"provider": "generic"})).await;
    let client = &service.admin;
    let large: Vec<u8> = (0_u8..251).cycle().take((17 << 20) + 1).collect();
    let keys = ["a b+&?#%", "ü 日 🚀", "d//e", "large"];
    for key in keys {
        let body = if key == "large" { large.as_slice() } else { key.as_bytes() };
        let put = raw(client, "PUT", &by_key("main", key), &[("x-amz-meta-who", "ann")], body).await;
        assert_eq!(put.status, 200, "{key}: {put:?}");
        let read = raw(client, "GET", &by_key("main", key), &[], b"").await;
        assert!(read.status == 200 && read.body == body, "{key}: {}", read.head);
        assert_eq!(read.header("x-amz-meta-who"), Some("ann"), "{key}");
        let end = raw(client, "GET", &by_key("main", key), &[("range", "bytes=-2")], b"").await;
        assert_eq!((end.status, end.body.as_slice()), (206, &body[body.len() - 2..]), "{key}");
        let signed = expect(client.query("main", &json!({"operation": "sign", "key": key})).await, 200);
        let by_url = reqwest::get(signed["url"].as_str().unwrap()).await.unwrap();
        assert_eq!(by_url.bytes().await.unwrap().len(), body.len(), "{key}");
    }
    assert_eq!(place.open_uploads().await, 0);
    let moved = json!({"operation": "move", "from": "large", "to": "moved"});
    assert_eq!(expect(client.query("main", &moved).await, 200)["size"], large.len());
    let keys = keys.map(|key| if key == "large" { "moved" } else { key });
    let mut listed = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let page = json!({"operation": "list", "limit": 2, "cursor": cursor});
        let page = expect(client.query("main", &page).await, 200);
        listed.extend(
            page["objects"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap().to_owned()),
        );
        cursor = page["cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    listed.sort();
    let mut expected = keys.map(str::to_owned);
    expected.sort();
    assert_eq!(listed, expected);
    let gone = json!({"operation": "delete_many", "keys": keys});
    assert_eq!(expect(client.query("main", &gone).await, 200)["done"], 4);
    assert_eq!(place.keys().await, [""; 0]);
}
