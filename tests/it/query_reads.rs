//! Reads that parse: charsets, JSON values, rows, and what a read leaves unread.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::aws;
use crate::harness::http_fault::{Answer, HttpFault};
use crate::stores::{Place, by_path, create, raw, service_at, service_with};
use crate::support::{Client, Setup, expect};

/// Writes bytes over plain HTTP.
async fn put(client: &Client, key: &str, kind: &str, bytes: &[u8]) {
    let put = raw(client, "PUT", &by_path("main", key), &[("content-type", kind)], bytes).await;
    assert_eq!(put.status, 200, "{put:?}");
}

/// Reads over JSON, and asserts the status.
async fn get(client: &Client, status: u16, key: &str, fields: Value) -> Value {
    let mut query = json!({"operation": "get", "key": key});
    query.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    expect(client.query("main", &query).await, status)
}

#[tokio::test]
async fn text_is_read_in_the_charset_that_is_given_or_told() {
    let place = Place::embedded().await;
    let service = service_at(&place).await;
    let client = &service.admin;
    let utf_16: Vec<u8> = "\u{FEFF}grün".encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (key, kind, bytes, fields, charset) in [
        ("plain", "text/plain", "grün".as_bytes(), json!({}), "UTF-8"),
        ("marked", "text/plain", "\u{FEFF}grün".as_bytes(), json!({}), "UTF-8"),
        ("told", "text/plain; charset=ISO-8859-1", b"gr\xFCn".as_slice(), json!({}), "windows-1252"),
        ("given", "application/octet-stream", b"gr\xFCn", json!({"charset": "latin1"}), "windows-1252"),
        ("utf-16", "text/plain", utf_16.as_slice(), json!({"charset": "utf-16"}), "UTF-16BE"),
        ("utf-16", "text/plain", utf_16.as_slice(), json!({}), "UTF-16BE"),
    ] {
        put(client, key, kind, bytes).await;
        let read = get(client, 200, key, fields).await;
        assert_eq!((&read["content"], &read["charset"]), (&json!("grün"), &json!(charset)), "{key}");
        assert_eq!(read["truncated"], false, "{key}");
    }
    let refused = get(client, 400, "given", json!({})).await;
    assert!(refused["detail"].as_str().unwrap().contains("not UTF-8 text: name its `charset`"), "{refused}");
    let refused = get(client, 400, "given", json!({"charset": "klingon"})).await;
    assert!(refused["detail"].as_str().unwrap().contains("`klingon` is not known"), "{refused}");
}

#[tokio::test]
async fn a_text_that_is_cut_goes_on_at_a_whole_character() {
    let place = Place::embedded().await;
    let service = service_at(&place).await;
    let client = &service.admin;
    put(client, "k", "text/plain", "aüb".as_bytes()).await;
    let first = get(client, 200, "k", json!({"max_bytes": 2})).await;
    assert_eq!((&first["content"], &first["next_range"]), (&json!("a"), &json!("bytes=1-")));
    assert_eq!(first["truncated"], true);
    let second = get(client, 200, "k", json!({"range": first["next_range"]})).await;
    assert_eq!((&second["content"], &second["truncated"]), (&json!("üb"), &json!(false)));
    let base64 = get(client, 200, "k", json!({"as": "base64", "range": "bytes=-2"})).await;
    assert_eq!((&base64["content"], &base64["encoding"]), (&json!("vGI="), &json!("base64")));
}

#[tokio::test]
async fn a_json_value_comes_as_it_is_written() {
    let place = Place::embedded().await;
    let service = service_at(&place).await;
    let client = &service.admin;
    put(client, "k", "application/json", "\u{FEFF}{\"z\": 12345678901234567890, \"a\": 1.50}".as_bytes())
        .await;
    let query = json!({"operation": "get", "key": "k", "as": "json"});
    let request = client.request(reqwest::Method::POST, "/v1/resources/main/query").json(&query);
    let text = request.send().await.unwrap().text().await.unwrap();
    assert!(text.contains(r#""value":{"z": 12345678901234567890, "a": 1.50}"#), "{text}");
    put(client, "broken", "application/json", b"{\n\"a\": x}").await;
    let refused = get(client, 400, "broken", json!({"as": "json"})).await;
    assert!(refused["detail"].as_str().unwrap().contains("line 2 column 6"), "{refused}");
    put(client, "large", "application/json", format!("\"{}\"", "x".repeat(4 << 20)).as_bytes()).await;
    let refused = get(client, 413, "large", json!({"as": "json"})).await;
    assert!(refused["detail"].as_str().unwrap().contains("4194304"), "{refused}");
}

#[tokio::test]
async fn rows_are_read_in_pages_each_of_which_says_where_the_next_begins() {
    for place in Place::both().await {
        let service = service_at(&place).await;
        let client = &service.admin;
        let mut csv = "\u{FEFF}id;name;note\r\n".to_owned();
        (0..25).for_each(|id| {
            csv += &[&id.to_string(), ";\"n;", &id.to_string(), "\";\"two\r\nlines\"\r\n"].concat();
        });
        put(client, "k.csv", "text/csv", csv.as_bytes()).await;
        let mut fields = json!({"as": "csv", "limit": 10, "delimiter": ";", "columns": ["name", "id"]});
        let (mut found, mut pages) = (Vec::new(), 0);
        loop {
            let page = get(client, 200, "k.csv", fields.clone()).await;
            assert_eq!(page["columns"], json!(["name", "id"]), "{}", place.name);
            found.extend(page["rows"].as_array().unwrap().clone());
            pages += 1;
            if page["truncated"] == false {
                assert_eq!(page["next_range"], Value::Null);
                break;
            }
            fields["range"] = page["next_range"].clone();
            fields["header"] = page["next_header"].clone();
            assert_eq!(fields["header"], json!(["id", "name", "note"]));
        }
        let wanted: Vec<Value> =
            (0..25).map(|id| json!({"id": id.to_string(), "name": format!("n;{id}")})).collect();
        assert_eq!((found, pages), (wanted, 3), "{}", place.name);

        let lines = (0..5).map(|id| format!("{{\"id\": {id}, \"x\": true}}\n")).collect::<Vec<_>>().concat();
        put(client, "k.ndjson", "application/x-ndjson", lines.as_bytes()).await;
        let fields = json!({"as": "ndjson", "limit": 3, "columns": ["id"]});
        let page = get(client, 200, "k.ndjson", fields.clone()).await;
        assert_eq!(page["rows"], json!([{"id": 0}, {"id": 1}, {"id": 2}]), "{}", place.name);
        let rest = json!({"as": "ndjson", "range": page["next_range"]});
        let rest = get(client, 200, "k.ndjson", rest).await;
        assert_eq!(rest["rows"], json!([{"id": 3, "x": true}, {"id": 4, "x": true}]), "{}", place.name);
        assert_eq!(rest["truncated"], false);
    }
}

#[tokio::test]
async fn what_is_wrong_with_rows_is_told_with_its_place() {
    let place = Place::embedded().await;
    let service = service_at(&place).await;
    let client = &service.admin;
    put(client, "k", "text/csv", b"a,b\n1,2\n1,2,3\n").await;
    for (fields, said) in [
        (json!({"as": "csv"}), "row 2 (line 3) has 3 fields and the header has 2"),
        (json!({"as": "csv", "columns": ["c"]}), "there is no column `c`: the header has `a`, `b`"),
        (json!({"as": "csv", "limit": 10001}), "`limit` takes a whole number from 1 to 10000"),
        (json!({"as": "csv", "delimiter": "ab"}), "`delimiter` takes one ASCII character"),
        (json!({"as": "csv", "charset": "utf-16"}), "charsets of one byte"),
        (json!({"as": "ndjson"}), "line 1: not JSON: error at column 1"),
        (json!({"as": "text", "limit": 1}), "`limit` is for `csv` and `ndjson`"),
        (json!({"as": "ndjson", "header": true}), "`header` is for `csv`"),
    ] {
        let refused = get(client, 400, "k", fields).await;
        assert!(refused["detail"].as_str().unwrap().contains(said), "{refused:#}");
    }
    let packed = [("content-encoding", "gzip"), ("content-type", "text/csv")];
    raw(client, "PUT", &by_path("main", "packed"), &packed, b"not really").await;
    for kind in ["text", "csv", "json"] {
        let refused = get(client, 400, "packed", json!({"as": kind})).await;
        assert!(refused["detail"].as_str().unwrap().contains("is stored as `gzip`"), "{refused:#}");
    }
    get(client, 200, "packed", json!({"as": "base64"})).await;
    // a charset at the wrong place packs nothing
    raw(client, "PUT", &by_path("main", "odd"), &[("content-encoding", "UTF-8")], b"text").await;
    assert_eq!(get(client, 200, "odd", json!({"as": "text"})).await["content"], "text");
    let lists = get(client, 200, "k", json!({"as": "csv", "header": false})).await;
    assert_eq!(lists["rows"], json!([["a", "b"], ["1", "2"], ["1", "2", "3"]]));
}

/// A store whose one object never ends, and the bytes that it got rid of.
async fn endless() -> (String, Arc<AtomicU64>, tokio::task::JoinHandle<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 16 << 10];
        let _ = stream.read(&mut request).await.unwrap();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/csv\r\ncontent-length: 1099511627776\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let rows = "1,2\n".repeat(4096);
        // a reader that goes away is an error sooner or later
        while stream.write_all(rows.as_bytes()).await.is_ok() {
            counter.fetch_add(rows.len() as u64, Ordering::SeqCst);
        }
        true
    });
    (url, sent, server)
}

#[tokio::test]
async fn the_rest_of_an_object_is_not_read() {
    let place = Place::embedded().await;
    let service = service_at(&place).await;
    for fields in [
        json!({"as": "csv", "header": false, "limit": 3}),
        json!({"as": "csv", "header": false, "limit": 10000}),
        json!({"as": "text"}),
    ] {
        let (url, sent, server) = endless().await;
        let name = crate::harness::aws::unique("endless");
        create(&service.admin, &place, &name, &json!({"endpoint": url})).await;
        let mut query = json!({"operation": "get", "key": "k"});
        query.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let page = expect(service.admin.query(&name, &query).await, 200);
        assert_eq!(page["truncated"], true, "{fields}");
        let closed = tokio::time::timeout(crate::support::LONG, server).await;
        assert!(closed.expect("the store's answer was let go of").unwrap());
        assert!(sent.load(Ordering::SeqCst) < 64 << 20, "{fields}: {sent:?}");
    }
}

#[tokio::test]
async fn a_bounded_read_is_no_larger_than_the_resource_allows() {
    let place = Place::embedded().await;
    let fields = json!({"limits": {"max_read_bytes": 6}});
    let service = service_with(&place, Setup::new(), &fields).await;
    aws::put_object(&place.client(), &place.bucket, "k", "a\n1\n2\n3\n4\n").await;
    assert_eq!(raw(&service.admin, "GET", &by_path("main", "k"), &[], b"").await.status, 413);
    let page = get(&service.admin, 200, "k", json!({"as": "csv"})).await;
    assert_eq!((&page["rows"], &page["next_range"]), (&json!([{"a": "1"}, {"a": "2"}]), &json!("bytes=6-")));
    let text = get(&service.admin, 200, "k", json!({})).await;
    assert_eq!((&text["content"], &text["truncated"]), (&json!("a\n1\n2\n"), &json!(true)));
}

#[tokio::test]
async fn a_condition_that_finds_nothing_new_is_an_answer() {
    for place in Place::both().await {
        aws::put_object(&place.client(), &place.bucket, "k", "text").await;
        let service = service_at(&place).await;
        let client = &service.admin;
        let head = expect(client.query("main", &json!({"operation": "head", "key": "k"})).await, 200);
        let etag = head["etag"].clone();
        let at = head["last_modified"].clone();
        for operation in ["get", "head"] {
            for (field, value, status) in [
                ("if_none_match", etag.clone(), 304),
                ("if_none_match", json!("\"other\""), 200),
                ("if_match", etag.clone(), 200),
                ("if_match", json!("\"other\""), 412),
                ("if_modified_since", at.clone(), 304),
                ("if_modified_since", json!("2001-01-01T00:00:00Z"), 200),
                ("if_unmodified_since", json!("Mon, 01 Jan 2001 00:00:00 GMT"), 412),
                ("if_unmodified_since", json!("soon"), 400),
            ] {
                let say = format!("{} {operation} {field}: {value}", place.name);
                let query = json!({"operation": operation, "key": "k", field: value});
                let (found, body) = client.query("main", &query).await;
                if status == 304 {
                    assert_eq!((found, &body["not_modified"]), (200, &json!(true)), "{say}: {body}");
                    assert_eq!(body["key"], "k", "{say}");
                } else {
                    assert_eq!(found, status, "{say}: {body}");
                    assert_eq!(body.get("not_modified"), None, "{say}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_answer_has_the_headers_that_were_asked_for() {
    for place in Place::all().await {
        let service = service_at(&place).await;
        let client = &service.admin;
        put(client, "k", "text/plain", b"x").await;
        let path = format!(
            "{}?response_content_type=text%2Fmarkdown&response_content_disposition=attachment%3B%20filename%3D%22a%20b.md%22&response_cache_control=no-store",
            by_path("main", "k")
        );
        let found = raw(client, "GET", &path, &[], b"").await;
        assert_eq!(found.header("content-type"), Some("text/markdown"), "{}: {found:?}", place.name);
        assert_eq!(
            found.header("content-disposition"),
            Some("attachment; filename=\"a b.md\""),
            "{}",
            place.name
        );
        assert_eq!(found.header("cache-control"), Some("no-store"), "{}", place.name);
        let read = get(client, 200, "k", json!({"response_content_type": "a/b; charset=latin1"})).await;
        assert_eq!(read["content_type"], "a/b; charset=latin1", "{}", place.name);
    }
}

#[tokio::test]
async fn parts_versions_and_checksums_are_asked_for_in_the_words_of_s3() {
    let place = Place::embedded().await;
    let service = service_at(&place).await;
    let front = HttpFault::alone().await;
    let mut answer = Answer::new(200, "text/plain", "");
    answer.headers.extend([
        ("x-amz-mp-parts-count", "3".to_owned()),
        ("x-amz-checksum-crc32c", "AAAAAA==".to_owned()),
        ("x-amz-checksum-type", "FULL_OBJECT".to_owned()),
        ("x-amz-tagging-count", "2".to_owned()),
        ("x-amz-restore", "ongoing-request=\"true\"".to_owned()),
        ("x-amz-archive-status", "ARCHIVE_ACCESS".to_owned()),
        ("x-amz-expiration", "expiry-date=\"x\", rule-id=\"y\"".to_owned()),
        ("x-amz-replication-status", "COMPLETED".to_owned()),
        ("x-amz-object-lock-mode", "GOVERNANCE".to_owned()),
        ("x-amz-object-lock-retain-until-date", "2030-01-01T00:00:00Z".to_owned()),
        ("x-amz-object-lock-legal-hold", "ON".to_owned()),
        ("x-amz-website-redirect-location", "/other".to_owned()),
        ("x-amz-server-side-encryption", "aws:kms".to_owned()),
        ("x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:x".to_owned()),
        ("x-amz-server-side-encryption-bucket-key-enabled", "true".to_owned()),
    ]);
    front.answer(usize::MAX, answer);
    create(&service.admin, &place, "front", &json!({"endpoint": front.url(), "provider": "aws"})).await;
    let facts = json!({
        "parts_count": 3, "tag_count": 2, "restore": "ongoing-request=\"true\"", "archive_status": "ARCHIVE_ACCESS",
        "expiration": "expiry-date=\"x\", rule-id=\"y\"", "replication_status": "COMPLETED",
        "checksums": {"crc32c": "AAAAAA==", "kind": "FULL_OBJECT"}, "website_redirect": "/other",
        "object_lock": {"mode": "GOVERNANCE", "retain_until": "2030-01-01T00:00:00Z", "legal_hold": "ON"},
        "encryption": {"kms_key_id": "arn:aws:kms:x", "bucket_key": true}, "server_side_encryption": "aws:kms",
    });
    for operation in ["head", "get"] {
        let query = json!({"operation": operation, "key": "k", "part": 2, "version": "v1", "checksum_mode": "enabled"});
        let found = expect(service.admin.query("front", &query).await, 200);
        for (name, value) in facts.as_object().unwrap() {
            assert_eq!(&found[name], value, "{operation} {name}");
        }
        let sent = front.requests().pop().unwrap();
        assert!(sent.path.contains("partNumber=2") && sent.path.contains("versionId=v1"), "{sent:?}");
        assert_eq!(sent.headers["x-amz-checksum-mode"], "ENABLED");
    }
    let path = "/v1/resources/front/object?key=k&part=2&checksum_mode=enabled";
    let found = raw(&service.admin, "HEAD", path, &[], b"").await;
    assert_eq!(found.header("x-amz-mp-parts-count"), Some("3"), "{found:?}");
    assert_eq!(found.header("x-amz-checksum-crc32c"), Some("AAAAAA=="), "{found:?}");
    for wrong in ["part=0", "part=10001", "checksum_mode=on"] {
        let path = format!("/v1/resources/front/object?key=k&{wrong}");
        assert_eq!(raw(&service.admin, "GET", &path, &[], b"").await.status, 400, "{wrong}");
    }
}
