//! SSE-C: objects under a key that the resource names and the store does not keep.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::harness::http_fault::{HttpFault, Recorded};
use crate::harness::servers::Servers;
use crate::stores::{Place, by_path, create, raw, service_at, service_with};
use crate::support::{Client, Setup, expect};

const OWN: &str = "x-amz-server-side-encryption-customer-key";
const OF_A_SOURCE: &str = "x-amz-copy-source-server-side-encryption-customer-key";
/// A little more than what goes in one request.
const LARGE: usize = (17 << 20) + 1;

fn key(byte: u8) -> String {
    BASE64.encode([byte; 32])
}

fn sse_c(key: &str) -> Value {
    json!({"encryption": {"kind": "sse_c", "key": key}})
}

async fn secret(client: &Client, value: &Value) {
    let body = json!({"value": value});
    expect(client.put("/v1/sources/vault/secrets/sse", &body).await, 200);
}

async fn vault(client: &Client, key: &str) {
    expect(client.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
    secret(client, &json!({"key": key})).await;
}

async fn put(client: &Client, resource: &str, key: &str, body: &[u8]) {
    let written = raw(client, "PUT", &by_path(resource, key), &[], body).await;
    assert_eq!(written.status, 200, "{written:?}");
}

async fn get(client: &Client, resource: &str, key: &str) -> (u16, Vec<u8>) {
    let read = raw(client, "GET", &by_path(resource, key), &[], b"").await;
    (read.status, read.body)
}

/// Whether requests with this method, whose path holds this, all bring the key.
fn bring(requests: &[Recorded], method: &str, part: &str, name: &str, value: &str) {
    let fitting: Vec<&Recorded> =
        requests.iter().filter(|request| request.method == method && request.path.contains(part)).collect();
    assert!(!fitting.is_empty(), "no {method} {part}");
    for request in fitting {
        let brought = request.headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(brought, Some(value), "{method} {}", request.path);
    }
}

/// The oldest version of `small` of the resource `one`, under the same key.
async fn the_oldest_comes_back(admin: &Client) {
    let list = json!({"operation": "list", "versions": true, "prefix": "small"});
    let versions = expect(admin.query("one", &list).await, 200);
    let oldest = versions["objects"].as_array().unwrap().last().unwrap()["version_id"].clone();
    let restore = json!({"operation": "restore_version", "key": "small", "version": oldest});
    expect(admin.query("one", &restore).await, 200);
    assert_eq!(get(admin, "one", "small").await, (200, b"first".to_vec()));
}

#[tokio::test]
async fn objects_are_written_read_and_copied_under_the_key() {
    let mut place = Place::radosgw().await;
    let client = place.client();
    let versioned = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    client
        .put_bucket_versioning()
        .bucket(&place.bucket)
        .versioning_configuration(versioned)
        .send()
        .await
        .unwrap();
    let front = HttpFault::start(&place.url).await;
    place.url = front.url();
    let setup = Setup::new().with("S3_CONNECTOR__SERVER__COPY_PARTS_ABOVE", "8388608");
    let service = service_with(&place, setup, &json!({})).await;
    let admin = &service.admin;
    vault(admin, &key(1)).await;
    create(admin, &place, "one", &sse_c("{{ secrets@vault.sse.key }}")).await;
    create(admin, &place, "two", &sse_c(&key(2))).await;
    let shown = expect(admin.get("/v1/resources/two").await, 200);
    assert_eq!(shown["encryption"], json!({"kind": "sse_c", "key": {"set": true, "last4": "AgI="}}));

    put(admin, "one", "small", b"first").await;
    put(admin, "one", "small", b"second").await;
    let large: Vec<u8> = (0..LARGE).map(|at| u8::try_from(at % 251).unwrap()).collect();
    put(admin, "one", "large", &large).await;
    assert_eq!(get(admin, "one", "small").await, (200, b"second".to_vec()));
    assert!(get(admin, "one", "large").await == (200, large.clone()));
    let part =
        raw(admin, "GET", &by_path("one", "large"), &[("range", "bytes=16777215-16777217")], b"").await;
    assert_eq!((part.status, part.body.as_slice()), (206, &large[16_777_215..=16_777_217]));
    let head = expect(admin.query("one", &json!({"operation": "head", "key": "small"})).await, 200);
    assert_eq!(head["encryption"]["customer_algorithm"], "AES256", "{head:#}");

    // the store has them under the key: without it, and with another one, nothing is read
    let bare = client.get_object().bucket(&place.bucket).key("small").send().await;
    assert!(bare.is_err());
    for other in ["main", "two"] {
        let (status, body) = get(admin, other, "small").await;
        assert!([400, 424].contains(&status), "{other}: {status} {}", String::from_utf8_lossy(&body));
    }

    // to another key, to none, in one request and in parts
    for (from, to, to_resource, way) in [
        // radosgw 16 copies nothing that is encrypted in one request, and in parts not from one key to another: that
        // goes through the service
        ("small", "copied", "two", "streamed"),
        ("large", "copied-large", "two", "streamed"),
        ("small", "plain", "main", "streamed"),
        ("small", "again", "one", "streamed"),
    ] {
        let copy = json!({"operation": "copy", "from": from, "to": to, "to_resource": to_resource});
        let copied = expect(admin.query("one", &copy).await, 200);
        assert_eq!(copied["way"], way, "{copied:#}");
        let expected = if from == "large" { large.clone() } else { b"second".to_vec() };
        assert!(get(admin, to_resource, to).await == (200, expected), "{to}");
    }
    expect(admin.query("one", &json!({"operation": "move", "from": "again", "to": "moved"})).await, 200);
    assert_eq!(get(admin, "one", "moved").await, (200, b"second".to_vec()));

    the_oldest_comes_back(admin).await;

    // by hand, in parts
    let started = json!({"operation": "create_multipart_upload", "key": "parts"});
    let started = expect(admin.query("one", &started).await, 200);
    let upload = started["upload_id"].as_str().unwrap();
    let path = format!("/v1/resources/one/object/part?key=parts&upload_id={upload}&part_number=1");
    assert_eq!(raw(admin, "PUT", &path, &[], b"a part").await.status, 200);
    let complete = json!({"operation": "complete_multipart_upload", "key": "parts", "upload_id": upload});
    expect(admin.query("one", &complete).await, 200);
    assert_eq!(get(admin, "one", "parts").await, (200, b"a part".to_vec()));

    let requests = front.requests();
    let (one, two) = (key(1), key(2));
    bring(&requests, "PUT", "/small", OWN, &one);
    bring(&requests, "POST", "/large?uploads", OWN, &one);
    bring(&requests, "PUT", "/large?partNumber=", OWN, &one);
    bring(&requests, "PUT", "/copied?x-id=CopyObject", OWN, &two);
    bring(&requests, "PUT", "/copied?x-id=CopyObject", OF_A_SOURCE, &one);
    bring(&requests, "PUT", "/plain?x-id=CopyObject", OF_A_SOURCE, &one);
    bring(&requests, "PUT", "/small?x-id=CopyObject", OWN, &one);
    bring(&requests, "PUT", "/small?x-id=CopyObject", OF_A_SOURCE, &one);
    bring(&requests, "PUT", "/copied-large?x-id=UploadPartCopy&", OWN, &two);
    bring(&requests, "PUT", "/copied-large?x-id=UploadPartCopy&", OF_A_SOURCE, &one);
    bring(&requests, "PUT", "/parts?", OWN, &one);
    let lists = requests.iter().filter(|request| request.path.contains("versions"));
    assert!(lists.clone().count() > 0);
    assert!(lists.into_iter().all(|request| !request.headers.contains_key(OWN)), "only where it is needed");
}

#[tokio::test]
async fn the_store_takes_the_key_over_tls() {
    let servers = Servers::get();
    let place = Place { url: servers.rgw_tls.clone(), name: "radosgw over TLS", ..Place::radosgw().await };
    let service = Setup::new().start().await;
    let admin = &service.admin;
    let mut fields = sse_c(&key(7));
    fields["tls"] = json!({"ca_pem": std::fs::read_to_string(&servers.ca_pem).unwrap()});
    create(admin, &place, "main", &fields).await;
    for length in [5, 2 << 20, LARGE] {
        put(admin, "main", "k", &vec![b'x'; length]).await;
        assert!(get(admin, "main", "k").await == (200, vec![b'x'; length]), "{length}");
    }
    let report = expect(admin.post("/v1/resources/main/test", &json!({"write": true})).await, 200);
    assert_eq!(report["verdict"], "works", "{report:#}");
}

#[tokio::test]
async fn a_key_that_was_replaced_is_used_from_then_on() {
    let place = Place::radosgw().await;
    let service = service_at(&place).await;
    let admin = &service.admin;
    vault(admin, &key(1)).await;
    create(admin, &place, "one", &sse_c("{{ secrets@vault.sse.key }}")).await;
    create(admin, &place, "new", &sse_c(&key(2))).await;
    put(admin, "one", "old", b"old").await;
    secret(admin, &json!({"key": key(2)})).await;
    put(admin, "one", "k", b"new").await;
    assert_eq!(get(admin, "new", "k").await, (200, b"new".to_vec()));
    assert_ne!(get(admin, "one", "old").await.0, 200, "what the old key wrote needs the old key");
}

#[tokio::test]
async fn what_is_no_key_is_refused_without_its_value() {
    let front = HttpFault::alone().await;
    let place = canned(&front);
    let service = Setup::new().start().await;
    let admin = &service.admin;
    for wrong in
        [BASE64.encode([1; 31]), BASE64.encode([1; 16]), "my-own-password-of-32-characters".to_owned()]
    {
        let mut definition = place.definition("literal");
        definition["encryption"] = sse_c(&wrong)["encryption"].clone();
        let refused = expect(admin.post("/v1/resources", &definition).await, 422);
        assert_eq!(refused["errors"][0]["code"], "INVALID_CUSTOMER_KEY", "{refused:#}");
        assert!(!refused.to_string().contains(&wrong), "{refused:#}");
        let source = format!("s{}", wrong.len());
        expect(admin.post("/v1/sources", &json!({"name": source, "kind": "local"})).await, 201);
        let path = format!("/v1/sources/{source}/secrets/sse");
        expect(admin.put(&path, &json!({"value": {"key": wrong}})).await, 200);
        create(admin, &place, &source, &sse_c(&format!("{{{{ secrets@{source}.sse.key }}}}"))).await;
        let problem = expect(admin.query(&source, &json!({"operation": "get", "key": "k"})).await, 424);
        assert_eq!(problem["code"], "SecretNotUsable", "{problem:#}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("encryption.key") && detail.contains("32 bytes"), "{detail}");
        assert!(!problem.to_string().contains(&wrong), "{problem:#}");
    }
    let mut empty = place.definition("empty");
    empty["encryption"] = sse_c("")["encryption"].clone();
    expect(admin.post("/v1/resources", &empty).await, 422);
    assert_eq!(front.requests().len(), 0);
}

#[tokio::test]
async fn a_key_does_not_go_over_plain_http() {
    let service = Setup::new().with("S3_CONNECTOR__EGRESS__ALLOW", "10.0.0.0/8").start().await;
    let admin = &service.admin;
    let mut definition = json!({
        "name": "r", "bucket": "b", "provider": "minio", "endpoint": "http://10.255.255.1",
        "auth": {"kind": "anonymous"}, "encryption": {"kind": "sse_c", "key": key(1)},
    });
    let refused = expect(admin.post("/v1/resources", &definition).await, 422);
    assert_eq!(
        (&refused["errors"][0]["code"], &refused["errors"][0]["path"]),
        (&json!("HTTPS_ONLY"), &json!("endpoint"))
    );
    definition["endpoint"] = "https://10.255.255.1".into();
    definition["environments"] = json!({"staging": {"endpoint": "http://10.255.255.1"}});
    let refused = expect(admin.post("/v1/resources", &definition).await, 422);
    assert_eq!(refused["errors"][0]["path"], "environments.staging.endpoint", "{refused:#}");
    // one that comes out of a template is known only when it is used
    let source = json!({"name": "vault", "kind": "local", "config_paths": ["db.url"]});
    expect(admin.post("/v1/sources", &source).await, 201);
    let url = json!({"value": {"url": "http://10.255.255.1"}});
    expect(admin.put("/v1/sources/vault/secrets/db", &url).await, 200);
    definition["endpoint"] = "{{ secrets@vault.db.url }}".into();
    definition["environments"] = json!({});
    expect(admin.post("/v1/resources", &definition).await, 201);
    let problem = expect(admin.query("r", &json!({"operation": "get", "key": "k"})).await, 400);
    assert!(problem["detail"].as_str().unwrap().contains("plain HTTP"), "{problem:#}");
}

#[tokio::test]
async fn what_would_hand_the_key_out_or_lose_it_is_refused() {
    let front = HttpFault::alone().await;
    let place = canned(&front);
    let service = Setup::new().start().await;
    let admin = &service.admin;
    create(admin, &place, "main", &sse_c(&key(1))).await;
    for (query, told) in [
        (json!({"operation": "sign", "key": "k"}), "sse_c"),
        (json!({"operation": "sign", "key": "k", "method": "PUT"}), "sse_c"),
        (json!({"operation": "sign_post", "key": "k"}), "sse_c"),
        (json!({"operation": "sign_parts", "key": "k", "upload_id": "u", "count": 1}), "sse_c"),
        (json!({"operation": "list", "sign_expires_in": 60}), "sse_c"),
        (json!({"operation": "put", "key": "k", "text": "x", "encryption": {"kind": "sse_s3"}}), "sse_c"),
        (
            json!({"operation": "put", "key": "k", "text": "x", "encryption": {"kind": "sse_c", "key": key(1)}}),
            "unknown",
        ),
    ] {
        let problem = expect(admin.query("main", &query).await, 400);
        assert!(problem["detail"].as_str().unwrap().contains(told), "{query}: {problem:#}");
        assert!(!problem.to_string().contains(&key(1)), "{problem:#}");
    }
    // a profile that does not promise it
    let mut definition = place.definition("generic");
    definition["provider"] = "generic".into();
    definition["encryption"] = sse_c(&key(1))["encryption"].clone();
    let refused = expect(admin.post("/v1/resources", &definition).await, 422);
    assert_eq!(refused["errors"][0]["code"], "ENCRYPTION_NOT_SUPPORTED", "{refused:#}");
    assert_eq!(front.requests().len(), 0);
}

#[tokio::test]
async fn an_explanation_names_the_headers_without_their_values() {
    let front = HttpFault::alone().await;
    let service = Setup::new().start().await;
    let admin = &service.admin;
    create(admin, &canned(&front), "main", &sse_c(&key(1))).await;
    for query in [
        json!({"operation": "get", "key": "k"}),
        json!({"operation": "put", "key": "k", "text": "x"}),
        json!({"operation": "create_multipart_upload", "key": "k"}),
    ] {
        let told = expect(admin.post("/v1/resources/main/explain", &query).await, 200).to_string();
        assert!(told.contains(OWN) && told.contains("customer-key-md5"), "{told}");
        assert!(!told.contains(&key(1)) && !told.contains(&key(0)), "{told}");
    }
    assert_eq!(front.requests().len(), 0);
}

fn canned(front: &HttpFault) -> Place {
    let key = crate::harness::servers::AccessKey::new("AKIACANNED0000000001", "canned");
    Place { name: "canned", url: front.url(), bucket: "bucket".to_owned(), key, embedded: None }
}
