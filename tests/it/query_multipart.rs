//! Uploads in parts that somebody else sends: begun, sent, put together, aborted, cleaned.

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

use crate::harness::http_fault::HttpFault;
use crate::signed::send;
use crate::stores::{Place, by_key, create, raw, service_at, service_with};
use crate::support::{Client, Setup, expect};

const MIB: usize = 1 << 20;

async fn begin(client: &Client, key: &str) -> String {
    let body = json!({"operation": "create_multipart_upload", "key": key});
    let started = expect(client.query("main", &body).await, 200);
    assert_eq!(started["key"], key);
    started["upload_id"].as_str().unwrap().to_owned()
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Sends a part through the service.
async fn put_part(client: &Client, key: &str, upload: &str, number: u32, body: Vec<u8>) -> (u16, Value) {
    let path = format!(
        "/v1/resources/main/object/part?key={}&upload_id={}&part_number={number}",
        encoded(key),
        encoded(upload)
    );
    crate::support::answer(client.request(Method::PUT, &path).body(body)).await
}

#[tokio::test]
async fn three_parts_go_to_signed_urls_and_become_one_object() {
    for place in Place::both().await {
        let service = service_with(&place, Setup::new(), &json!({"prefix": "root/"})).await;
        let admin = &service.admin;
        let key = "a b+ü.bin";
        let create = json!({"key": key, "content_type": "text/x-own", "metadata": {"author": "ann"}});
        let started = expect(admin.post("/v1/resources/main/uploads", &create).await, 201);
        let upload = started["upload_id"].as_str().unwrap();
        let whole: Vec<u8> = (0..11 * MIB).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let wanted = json!({"operation": "sign_parts", "key": key, "upload_id": upload, "size": whole.len(),
            "part_size": 5 * MIB});
        let signed = expect(admin.query("main", &wanted).await, 200);
        let mut sent = Vec::new();
        for part in signed["parts"].as_array().unwrap() {
            let number = |name: &str| usize::try_from(part[name].as_u64().unwrap()).unwrap();
            let bytes = &whole[number("offset")..number("offset") + number("length")];
            let done = send("PUT", part["url"].as_str().unwrap(), &[], bytes).await;
            assert_eq!(done.status, 200, "{}: {done:?}", place.name);
            sent.push(json!({"part_number": part["part_number"], "etag": done.header("etag").unwrap()}));
        }
        assert_eq!(sent.len(), 3);
        let path = format!("/v1/resources/main/uploads/{}", encoded(upload));
        let listed = expect(admin.get(&format!("{path}?key={}", encoded(key))).await, 200);
        let sizes: Vec<u64> =
            listed["parts"].as_array().unwrap().iter().map(|part| part["size"].as_u64().unwrap()).collect();
        assert_eq!(sizes, [5 << 20, 5 << 20, 1 << 20], "{}", place.name);
        let complete = format!("{path}/complete?key={}", encoded(key));
        let done = expect(admin.post(&complete, &json!({"parts": sent})).await, 200);
        assert_eq!((&done["key"], &done["parts"]), (&json!(key), &json!(3)));
        assert_eq!(place.keys().await, [format!("root/{key}")]);
        let read = raw(admin, "GET", &by_key("main", key), &[], b"").await;
        assert!(read.body == whole, "{}: {} bytes", place.name, read.body.len());
        assert_eq!(read.header("content-type"), Some("text/x-own"));
        assert_eq!(read.header("x-amz-meta-author"), Some("ann"));
        assert_eq!(place.open_uploads().await, 0);
    }
}

#[tokio::test]
async fn parts_go_through_the_service_and_all_that_are_there_are_put_together() {
    for place in Place::both().await {
        let service = service_at(&place).await;
        let admin = &service.admin;
        let upload = begin(admin, "film.bin").await;
        for (number, letter, size) in [(2, b'b', 3), (1, b'a', 5 * MIB)] {
            let sent = expect(put_part(admin, "film.bin", &upload, number, vec![letter; size]).await, 200);
            assert_eq!((&sent["part_number"], &sent["size"]), (&json!(number), &json!(size)));
            assert!(sent["etag"].as_str().unwrap().starts_with('"'), "{sent:#}");
        }
        let first = json!({"operation": "list_parts", "key": "film.bin", "upload_id": upload, "limit": 1});
        let page = expect(admin.query("main", &first).await, 200);
        assert_eq!((&page["truncated"], &page["parts"][0]["part_number"]), (&json!(true), &json!(1)));
        let mut next = first.clone();
        next["cursor"] = page["cursor"].clone();
        let page = expect(admin.query("main", &next).await, 200);
        assert_eq!((&page["truncated"], &page["parts"][0]["part_number"]), (&json!(false), &json!(2)));
        let third = json!({"operation": "upload_part", "key": "film.bin", "upload_id": upload, "part_number": 2, "text": "xyz"});
        let sent = expect(admin.query("main", &third).await, 200);
        let told = (&sent["operation"], &sent["part_number"], &sent["size"]);
        assert_eq!(told, (&json!("upload_part"), &json!(2), &json!(3)));
        let done = json!({"operation": "complete_multipart_upload", "key": "film.bin", "upload_id": upload});
        let done = expect(admin.query("main", &done).await, 200);
        assert_eq!(done["parts"], 2);
        let head = json!({"operation": "head", "key": "film.bin"});
        let head = expect(admin.query("main", &head).await, 200);
        assert_eq!(head["size"], 5 * MIB + 3, "{}", place.name);
        let rows = expect(admin.get("/v1/audit?limit=100").await, 200);
        let sent = rows["rows"].as_array().unwrap().iter().filter(|row| row["detail"] == "part 1");
        let bytes: Vec<&Value> = sent.map(|row| &row["bytes"]).collect();
        assert_eq!(bytes, [&json!(5 * MIB)], "{rows:#}");
    }
}

#[tokio::test]
async fn an_upload_is_aborted_and_then_is_not_there() {
    for place in Place::both().await {
        let service = service_at(&place).await;
        let admin = &service.admin;
        let upload = begin(admin, "a").await;
        expect(put_part(admin, "a", &upload, 1, b"a".to_vec()).await, 200);
        let path = format!("/v1/resources/main/uploads/{}?key=a", encoded(&upload));
        assert_eq!(admin.delete(&path).await.0, 204, "{}", place.name);
        assert_eq!(place.open_uploads().await, 0);
        let late = expect(put_part(admin, "a", &upload, 2, b"a".to_vec()).await, 404);
        assert_eq!(late["code"], "NoSuchUpload", "{}: {late:#}", place.name);
        expect(admin.get(&path).await, 404);
    }
}

#[tokio::test]
async fn open_uploads_are_listed_below_the_prefix_in_pages() {
    for place in Place::both().await {
        let service = service_with(&place, Setup::new(), &json!({"prefix": "root/"})).await;
        let admin = &service.admin;
        let outside = place.client().create_multipart_upload().bucket(&place.bucket).key("other/x");
        let outside = outside.send().await.unwrap();
        for key in ["a/1", "a/2", "a/3", "b/1"] {
            begin(admin, key).await;
        }
        let mut keys = Vec::new();
        let mut path = "/v1/resources/main/uploads?prefix=a%2F&limit=2".to_owned();
        loop {
            let page = expect(admin.get(&path).await, 200);
            let uploads = page["uploads"].as_array().unwrap();
            assert!(uploads.len() <= 2 && uploads.iter().all(|row| row["initiated"].is_string()), "{page:#}");
            keys.extend(uploads.iter().map(|row| row["key"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["cursor"].as_str() else { break };
            path = format!("/v1/resources/main/uploads?prefix=a%2F&limit=2&cursor={}", encoded(cursor));
        }
        assert_eq!(keys, ["a/1", "a/2", "a/3"], "{}", place.name);
        let all = expect(admin.query("main", &json!({"operation": "list_multipart_uploads"})).await, 200);
        assert_eq!(all["uploads"].as_array().unwrap().len(), 4, "the one outside is not shown: {all:#}");
        // nor can it be reached by its name
        let id = outside.upload_id().unwrap();
        let abort = json!({"operation": "abort_multipart_upload", "key": "../other/x", "upload_id": id});
        assert_eq!(expect(admin.query("main", &abort).await, 404)["code"], "NoSuchUpload");
        expect(admin.get("/v1/resources/main/uploads?cursor=nonsense").await, 400);
    }
}

#[tokio::test]
async fn cleaning_aborts_what_is_old_below_the_prefix_and_nothing_else() {
    for place in Place::both().await {
        let service = service_with(&place, Setup::new(), &json!({"prefix": "root/"})).await;
        let admin = &service.admin;
        let outside = place.client().create_multipart_upload().bucket(&place.bucket).key("other/x");
        outside.send().await.unwrap();
        for key in ["a/1", "a/2", "b/1"] {
            begin(admin, key).await;
        }
        let clean = |fields: Value| {
            let mut body = json!({"operation": "clean_multipart_uploads"});
            body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            async move { expect(admin.query("main", &body).await, 200) }
        };
        let young = clean(json!({})).await;
        assert_eq!((&young["uploads"], &young["aborted"]), (&json!([]), &json!(0)), "none is a day old");
        let dry = clean(json!({"older_than": 0, "prefix": "a/", "dry_run": true})).await;
        let outcomes: Vec<&Value> =
            dry["uploads"].as_array().unwrap().iter().map(|row| &row["outcome"]).collect();
        assert_eq!(outcomes, [&json!("would_abort"), &json!("would_abort")], "{}: {dry:#}", place.name);
        assert_eq!(place.open_uploads().await, 4);
        let path = "/v1/resources/main/uploads?prefix=a%2F&older_than=0s";
        let dry = expect(admin.delete(&format!("{path}&dry_run=true")).await, 200);
        assert_eq!((&dry["dry_run"], place.open_uploads().await), (&json!(true), 4));
        let done = expect(admin.delete(path).await, 200);
        assert_eq!((&done["aborted"], &done["failed"]), (&json!(2), &json!(0)), "{}: {done:#}", place.name);
        assert_eq!(done["uploads"][0]["key"], "a/1");
        assert_eq!(clean(json!({"older_than": "0s"})).await["aborted"], 1);
        assert_eq!(place.open_uploads().await, 1, "{}: the one outside the prefix stays", place.name);
        expect(admin.delete("/v1/resources/main/uploads?older_than=yesterday").await, 400);
    }
}

#[tokio::test]
async fn parts_do_not_get_round_what_the_resource_allows() {
    let place = Place::embedded().await;
    let limits = json!({"max_put_bytes": 6 * MIB});
    let service = service_with(&place, Setup::new(), &json!({"limits": limits})).await;
    let admin = &service.admin;
    let upload = begin(admin, "a").await;
    expect(put_part(admin, "a", &upload, 1, vec![1; 7 * MIB]).await, 413);
    let wanted = json!({"operation": "sign_parts", "key": "a", "upload_id": upload, "count": 2});
    let signed = expect(admin.query("main", &wanted).await, 200);
    for (part, size) in [(0, 5 * MIB), (1, 2 * MIB)] {
        let url = signed["parts"][part]["url"].as_str().unwrap();
        assert_eq!(send("PUT", url, &[], &vec![1; size]).await.status, 200);
    }
    let complete = json!({"operation": "complete_multipart_upload", "key": "a", "upload_id": upload});
    let refused = expect(admin.query("main", &complete).await, 413);
    assert!(refused["detail"].as_str().unwrap().contains("7340032"), "{refused:#}");
    assert!(place.keys().await.is_empty());
    create(admin, &place, "plain", &json!({"operations": ["get", "put", "sign"]})).await;
    for body in [
        json!({"operation": "create_multipart_upload", "key": "a"}),
        json!({"operation": "sign_parts", "key": "a", "upload_id": upload, "count": 1}),
        json!({"operation": "list_multipart_uploads"}),
        json!({"operation": "clean_multipart_uploads"}),
    ] {
        let refused = expect(admin.query("plain", &body).await, 403);
        assert!(refused["detail"].as_str().unwrap().contains("`multipart`"), "{refused:#}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_what_would() {
    let place = Place::embedded().await;
    let service = service_at(&place).await;
    let admin = &service.admin;
    let upload = begin(admin, "a").await;
    for (fields, word) in [
        (json!({"operation": "sign_parts"}), "`size`"),
        (json!({"operation": "sign_parts", "count": 1001}), "1000"),
        (json!({"operation": "sign_parts", "parts": [0]}), "10000"),
        (json!({"operation": "complete_multipart_upload"}), "no part"),
        (json!({"operation": "complete_multipart_upload", "parts": []}), "empty"),
        (json!({"operation": "list_parts", "limit": 0}), "limit"),
    ] {
        let mut body = fields;
        body["key"] = json!("a");
        body["upload_id"] = json!(upload);
        let refused = expect(admin.query("main", &body).await, 400);
        assert!(refused["detail"].as_str().unwrap().contains(word), "{refused:#}");
    }
    expect(put_part(admin, "a", &upload, 10_001, b"a".to_vec()).await, 400);
    expect(put_part(admin, "", &upload, 1, b"a".to_vec()).await, 400);
    let path = format!("/v1/resources/main/object/part?key=a&upload_id={}", encoded(&upload));
    expect(crate::support::answer(admin.request(Method::PUT, &path).body("a")).await, 400);
}

#[tokio::test]
async fn an_upload_in_parts_is_begun_with_the_options_of_a_put() {
    let place = Place::moto().await;
    let front = HttpFault::start(&place.url).await;
    let service =
        service_with(&place, Setup::new(), &json!({"endpoint": front.url(), "provider": "aws"})).await;
    let admin = &service.admin;
    let wanted = json!({
        "operation": "create_multipart_upload", "key": "k", "content_type": "text/x", "cache_control": "max-age=60",
        "content_disposition": "inline", "content_encoding": "identity", "content_language": "de",
        "expires": "Fri, 01 Jan 2027 00:00:00 GMT", "metadata": {"Author": "ann"}, "tags": {"team": "books & more"},
        "acl": "private", "storage_class": "STANDARD_IA", "encryption": {"kind": "sse_kms", "key_id": "alias/k"},
        "checksum": {"algorithm": "crc32c", "type": "full_object"},
    });
    expect(admin.query("main", &wanted).await, 200);
    let sent = front.requests().pop().unwrap();
    for (name, value) in [
        ("content-type", "text/x"),
        ("cache-control", "max-age=60"),
        ("content-disposition", "inline"),
        ("content-encoding", "identity"),
        ("content-language", "de"),
        ("expires", "Fri, 01 Jan 2027 00:00:00 GMT"),
        ("x-amz-meta-author", "ann"),
        ("x-amz-tagging", "team=books%20%26%20more"),
        ("x-amz-acl", "private"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "alias/k"),
        ("x-amz-checksum-algorithm", "CRC32C"),
        ("x-amz-checksum-type", "FULL_OBJECT"),
    ] {
        assert_eq!(sent.headers.get(name).map(|value| value.to_str().unwrap()), Some(value), "{name}");
    }
    let before = front.requests().len();
    for (fields, told) in [
        (json!({"checksum": {"algorithm": "sha256", "type": "full_object"}}), "composite"),
        (json!({"checksum": {"algorithm": "crc64nvme", "type": "composite"}}), "full_object"),
        (json!({"tags": {"": "x"}}), "empty name"),
        (json!({"storage_class": "standard"}), "STANDARD_IA"),
    ] {
        let mut wanted = json!({"operation": "create_multipart_upload", "key": "k"});
        wanted.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let problem = expect(admin.query("main", &wanted).await, 400);
        assert!(problem["detail"].as_str().unwrap().contains(told), "{problem:#}");
    }
    create(admin, &place, "few", &json!({"operations": ["multipart"], "endpoint": front.url()})).await;
    for fields in [json!({"tags": {"a": "b"}}), json!({"acl": "private"})] {
        let mut wanted = json!({"operation": "create_multipart_upload", "key": "k"});
        wanted.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        expect(admin.query("few", &wanted).await, 403);
    }
    assert_eq!(front.requests().len(), before, "what is refused is not sent");
}

#[tokio::test]
async fn parts_bring_checksums_and_the_completion_keeps_them() {
    let place = Place::embedded().await;
    let service = service_with(&place, Setup::new(), &json!({"provider": "aws"})).await;
    let admin = &service.admin;
    let part =
        |upload: &str| format!("/v1/resources/main/object/part?key=k&upload_id={upload}&part_number=1");
    // of `123456789`
    let (good, bad) = ([("x-amz-checksum-crc32", "y/Q5Jg==")], [("x-amz-checksum-crc32", "AAAAAA==")]);
    for named in [true, false] {
        let start =
            json!({"operation": "create_multipart_upload", "key": "k", "checksum": {"algorithm": "crc32"}});
        let started = expect(admin.query("main", &start).await, 200);
        let upload = encoded(started["upload_id"].as_str().unwrap());
        let refused = raw(admin, "PUT", &part(&upload), &bad, b"123456789").await;
        assert_eq!((refused.status, &refused.json()["code"]), (400, &json!("BadDigest")), "{refused:?}");
        let unsaid = [("x-amz-checksum-algorithm", "crc32")];
        assert_eq!(raw(admin, "PUT", &part(&upload), &unsaid, b"123456789").await.status, 400);
        let sent = raw(admin, "PUT", &part(&upload), &good, b"123456789").await;
        assert_eq!(sent.status, 200, "{sent:?}");
        let checksum = json!({"algorithm": "crc32", "value": "y/Q5Jg=="});
        assert_eq!(sent.json()["checksum"], checksum);
        let listed = json!({"operation": "list_parts", "key": "k", "upload_id": started["upload_id"]});
        let listed = expect(admin.query("main", &listed).await, 200);
        assert_eq!(listed["parts"][0]["checksum"], checksum, "{listed:#}");
        let mut complete =
            json!({"operation": "complete_multipart_upload", "key": "k", "upload_id": started["upload_id"]});
        if named {
            let etag = sent.json()["etag"].clone();
            complete["parts"] = json!([{"part_number": 1, "etag": etag, "checksum": checksum}]);
        }
        expect(admin.query("main", &complete).await, 200);
        let head = json!({"operation": "head", "key": "k", "checksum_mode": "enabled"});
        let head = expect(admin.query("main", &head).await, 200);
        assert!(head["checksums"]["crc32"].as_str().is_some(), "{head:#}");
    }
}

#[tokio::test]
async fn what_a_part_does_not_carry_is_refused_and_not_lost() {
    let place = Place::embedded().await;
    let service = service_at(&place).await;
    let upload = begin(&service.admin, "k").await;
    let path = format!("/v1/resources/main/object/part?key=k&upload_id={}&part_number=1", encoded(&upload));
    for (name, value) in [
        ("content-md5", "XUFAKrxLKna5cZ2REBfFkg=="),
        ("if-none-match", "*"),
        ("x-amz-acl", "private"),
        ("x-amz-server-side-encryption", "AES256"),
    ] {
        let refused = raw(&service.admin, "PUT", &path, &[(name, value)], b"x").await;
        assert_eq!(refused.status, 400, "{name}");
        assert!(refused.json()["detail"].as_str().unwrap().contains(name), "{refused:?}");
    }
}

#[tokio::test]
async fn an_upload_is_completed_only_over_the_object_that_was_meant() {
    let place = Place::embedded().await;
    let service = service_at(&place).await;
    let client = &service.admin;
    let made = expect(client.query("main", &json!({"operation": "put", "key": "k", "text": "x"})).await, 200);
    let upload = begin(client, "k").await;
    assert_eq!(put_part(client, "k", &upload, 1, vec![b'p'; 10]).await.0, 200);
    let complete = |tag: &Value| json!({"operation": "complete_multipart_upload", "key": "k", "upload_id": upload, "if_match": tag});
    let refused = expect(client.query("main", &complete(&json!("\"other\""))).await, 412);
    assert_eq!(refused["code"], "PreconditionFailed");
    expect(client.query("main", &complete(&made["etag"])).await, 200);
    assert_eq!(crate::harness::aws::get_object(&place.client(), &place.bucket, "k").await, [b'p'; 10]);
}

/// XML has no place for a control character: the store is asked to encode keys, also in pages.
#[tokio::test]
async fn keys_that_xml_cannot_hold_do_not_break_a_list_of_uploads() {
    let place = Place::radosgw().await;
    let odd = ["a\u{1}b", "a+b", "c d", "ü%2F"];
    for key in odd {
        place.client().create_multipart_upload().bucket(&place.bucket).key(key).send().await.unwrap();
    }
    let service = service_at(&place).await;
    for limit in [1, 1000] {
        let (mut keys, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let query = json!({"operation": "list_multipart_uploads", "limit": limit, "cursor": cursor});
            let page = expect(service.admin.query("main", &query).await, 200);
            keys.extend(page["uploads"].as_array().unwrap().iter().map(|row| row["key"].clone()));
            cursor = page["cursor"].clone();
            if cursor.is_null() || keys.len() > odd.len() {
                break;
            }
        }
        assert_eq!(keys, odd, "{limit}");
    }
}
