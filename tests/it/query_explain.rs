//! Explain: it tells the request that the query then sends, and sends nothing itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use serde_json::{Value, json};

use crate::harness::aws::{self, Secrets, unique};
use crate::harness::http_fault::{HttpFault, Recorded};
use crate::harness::servers::{AccessKey, Servers};
use crate::openapi;
use crate::stores::{Place, create, service_with};
use crate::support::{Client, PLANTED, Setup, definition, expect, moto_source, templated};
use crate::transcript;

/// A query of every operation that there is. One more operation is one more line.
fn queries() -> Vec<Value> {
    let cors = json!([{"allowed_methods": ["GET"], "allowed_origins": ["https://a.example"]}]);
    let all = vec![
        json!({"operation": "list", "prefix": "dir/", "delimiter": "/", "limit": 7}),
        json!({"operation": "head", "key": "dir/k"}),
        json!({"operation": "get", "key": "dir/ü +&%2F//..", "range": "bytes=0-1"}),
        json!({"operation": "put", "key": "new.txt", "text": "hello", "metadata": {"by": "us"}}),
        json!({"operation": "copy", "from": "dir/k", "to": "copy"}),
        json!({"operation": "move", "from": "copy", "to": "moved"}),
        json!({"operation": "rename_prefix", "from": "dir/", "to": "other/", "dry_run": true}),
        json!({"operation": "get_tags", "key": "dir/k"}),
        json!({"operation": "put_tags", "key": "dir/k", "tags": {"a": "b"}}),
        json!({"operation": "delete_tags", "key": "dir/k"}),
        json!({"operation": "get_acl", "key": "dir/k"}),
        json!({"operation": "put_acl", "key": "dir/k", "acl": "private"}),
        json!({"operation": "list", "versions": true, "prefix": "dir/"}),
        json!({"operation": "restore_version", "key": "dir/k", "version": "1"}),
        json!({"operation": "get_bucket", "aspects": ["versioning"]}),
        json!({"operation": "put_bucket_cors", "rules": cors}),
        json!({"operation": "delete_bucket_cors"}),
        json!({"operation": "put_bucket_policy", "policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::bucket/*"]}]}}),
        json!({"operation": "delete_bucket_policy"}),
        json!({"operation": "sign", "key": "dir/k"}),
        json!({"operation": "sign_post", "key": "dir/k"}),
        json!({"operation": "sign_parts", "key": "dir/k", "upload_id": "u", "parts": [1]}),
        json!({"operation": "create_multipart_upload", "key": "parts"}),
        json!({"operation": "upload_part", "key": "parts", "upload_id": "u", "part_number": 1, "text": "x"}),
        json!({"operation": "list_parts", "key": "parts", "upload_id": "u"}),
        json!({"operation": "complete_multipart_upload", "key": "parts", "upload_id": "u"}),
        json!({"operation": "abort_multipart_upload", "key": "parts", "upload_id": "u"}),
        json!({"operation": "list_multipart_uploads"}),
        json!({"operation": "clean_multipart_uploads", "dry_run": true}),
        json!({"operation": "delete", "key": "dir/k"}),
        json!({"operation": "delete_many", "keys": ["a", "b"]}),
        json!({"operation": "delete_prefix", "prefix": "dir/", "dry_run": true}),
    ];
    let known = operations();
    all.into_iter().filter(|query| known.contains(&query["operation"].as_str().unwrap().to_owned())).collect()
}

/// The operations of the JSON face, as the document names them.
fn operations() -> Vec<String> {
    let document = openapi::document();
    let mapping = document["components"]["schemas"]["Query"]["discriminator"]["mapping"].as_object().unwrap();
    mapping.keys().cloned().collect()
}

async fn explain(client: &Client, resource: &str, query: &Value) -> Value {
    expect(client.post(&format!("/v1/resources/{resource}/explain"), query).await, 200)
}

fn signed(request: &Recorded) -> Vec<String> {
    let authorization = request.headers["authorization"].to_str().unwrap();
    let (_, rest) = authorization.split_once("SignedHeaders=").unwrap();
    rest.split(',').next().unwrap().split(';').map(str::to_owned).collect()
}

#[test]
fn every_operation_has_a_query_here() {
    let (ours, named) = (queries(), operations());
    assert!(named.contains(&"delete".to_owned()), "{named:?}");
    for operation in named {
        let has = ours.iter().any(|query| query["operation"] == operation.as_str());
        assert!(has, "`{operation}` has no line in queries()");
    }
}

#[tokio::test]
async fn explain_tells_the_request_that_is_then_sent_and_sends_nothing() {
    for place in Place::both().await {
        let front = HttpFault::start(&place.url).await;
        aws::put_object(&place.client(), &place.bucket, "root/dir/k", "x").await;
        let fields = json!({"endpoint": front.url(), "prefix": "root/", "requester_pays": true,
            "default_acl": (place.name == "radosgw").then_some("private"), "limits": {"retries": 0}});
        let service = service_with(&place, Setup::new(), &fields).await;
        for query in queries() {
            let (before, at_store) =
                (front.requests().len(), place.embedded.as_ref().map(|embedded| embedded.store.requests()));
            let told = explain(&service.admin, "main", &query).await;
            assert_eq!(front.requests().len(), before, "{query} was sent");
            assert_eq!(place.embedded.as_ref().map(|embedded| embedded.store.requests()), at_store);
            assert_eq!(told["allowed"], true, "{told:#}");
            assert_eq!(told["refused"], Value::Null, "{told:#}");
            assert_ne!(told["permissions"], json!([]), "{told:#}");
            service.admin.query("main", &query).await;
            let requests = front.requests();
            let Some(real) = requests.get(before) else {
                assert_eq!(told["request"], Value::Null, "{query} sends nothing");
                assert!(told["answer"].is_object(), "{told:#}");
                assert!(!told["answer"].to_string().to_lowercase().contains("x-amz-signature"), "{told:#}");
                continue;
            };
            let request = &told["request"];
            assert_eq!(request["method"], real.method.as_str(), "{query}");
            assert_eq!(request["url"], format!("{}{}", front.url(), real.path), "{query}");
            assert_eq!(request["signed_headers"], json!(signed(real)), "{query}");
            assert_headers(request, real);
        }
    }
}

/// The host of an IP address has no room for a bucket's name, whether a request is told or a URL.
#[tokio::test]
async fn the_address_of_a_signed_url_is_told_as_that_of_a_request() {
    let place = Place::embedded().await;
    let service = service_with(&place, Setup::new(), &json!({"provider": "aws"})).await;
    for query in [
        json!({"operation": "get", "key": "k"}),
        json!({"operation": "sign", "key": "k"}),
        json!({"operation": "sign_parts", "key": "k", "upload_id": "u", "parts": [1]}),
    ] {
        let told = explain(&service.admin, "main", &query).await;
        assert_eq!(told["place"]["addressing"], "path", "{query}: {told:#}");
    }
}

/// Every header that was told came, and every one that came was told; only what changes from call to call differs.
fn assert_headers(told: &Value, real: &Recorded) {
    let by_itself = ["host", "content-length", "accept"];
    let differs = ["x-amz-date", "amz-sdk-invocation-id", "authorization"];
    let headers = told["headers"].as_array().unwrap();
    let names: Vec<&str> = headers.iter().map(|header| header["name"].as_str().unwrap()).collect();
    for name in real.headers.keys().map(http::HeaderName::as_str) {
        assert!(names.contains(&name) || by_itself.contains(&name), "{name} came and was not told");
    }
    for header in headers {
        let (name, value) = (header["name"].as_str().unwrap(), &header["value"]);
        let came = real.headers.get(name).unwrap_or_else(|| panic!("{name} did not come")).to_str().unwrap();
        assert!(differs.contains(&name) || value == came, "{name}: {value} and {came}");
    }
    let authorization = headers.iter().find(|header| header["name"] == "authorization").unwrap();
    assert_eq!(authorization["value"], Value::Null);
}

#[tokio::test]
async fn explain_names_what_the_query_needs() {
    let service = Setup::new().start().await;
    let key = AccessKey::new("AKIAEXPLAINED0000001", PLANTED);
    let mut body = definition("main", "https://unused.example", "acme-invoices", &key);
    body["endpoint"] = Value::Null;
    body["region"] = json!("eu-central-1");
    body["addressing"] = json!("auto");
    body["prefix"] = json!("in/");
    let kms = "arn:aws:kms:eu-central-1:111122223333:key/1";
    body["encryption"] = json!({"kind": "sse_kms", "key_id": kms});
    body["operations"] = json!(["get", "put"]);
    expect(service.admin.post("/v1/resources", &body).await, 201);

    let told = explain(&service.admin, "main", &json!({"operation": "get", "key": "a b"})).await;
    assert_eq!(told["request"]["url"], "https://acme-invoices.s3.eu-central-1.amazonaws.com/in/a%20b");
    assert_eq!(told["place"]["addressing"], "virtual", "{told:#}");
    assert_eq!((&told["place"]["provider"], &told["place"]["service"]), (&json!("aws"), &json!("s3")));
    assert_eq!(told["identity"], json!({"kind": "access_key", "role": null}));
    let object = "arn:aws:s3:::acme-invoices/in/a b";
    let needed = |told: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let all = told["permissions"].as_array().unwrap().iter();
        all.map(|needed| (text(&needed["action"]), text(&needed["resource"]))).collect()
    };
    let has = |told: &Value, action: &str, on: &str| {
        assert!(needed(told).contains(&(action.to_owned(), on.to_owned())), "{action} on {on}: {told:#}");
    };
    has(&told, "s3:GetObject", object);
    has(&told, "kms:Decrypt", kms);
    assert!(!told.to_string().contains("GetObjectVersion"), "no version is named");

    let put = json!({"operation": "put", "key": "a b", "text": "hello"});
    let told = explain(&service.admin, "main", &put).await;
    has(&told, "s3:PutObject", object);
    has(&told, "kms:GenerateDataKey", kms);
    assert_eq!(told["request"]["body_bytes"], 5, "{told:#}");

    let copy = json!({"operation": "copy", "from": "a", "to": "b"});
    let told = explain(&service.admin, "main", &copy).await;
    has(&told, "s3:GetObject", "arn:aws:s3:::acme-invoices/in/a");
    has(&told, "s3:PutObject", "arn:aws:s3:::acme-invoices/in/b");
    assert!(!told["permissions"].to_string().contains('*'), "both keys are known: {told:#}");

    let cors = json!([{"allowed_methods": ["GET"], "allowed_origins": ["https://a.example"]}]);
    for (query, action) in [
        (json!({"operation": "get_bucket", "aspects": ["lifecycle"]}), "s3:GetLifecycleConfiguration"),
        (json!({"operation": "put_bucket_cors", "rules": cors}), "s3:PutBucketCORS"),
    ] {
        let told = explain(&service.admin, "main", &query).await;
        assert_eq!(needed(&told), [(action.to_owned(), "arn:aws:s3:::acme-invoices".to_owned())], "{told:#}");
    }

    let told = explain(&service.admin, "main", &json!({"operation": "list", "limit": 2500})).await;
    assert_eq!(told["allowed"], false, "{told:#}");
    assert_eq!(told["calls"]["at_most"], 3);
    assert!(told["request"]["url"].as_str().unwrap().contains("list-type=2"));
    assert!(!told.to_string().contains(PLANTED));
}

#[tokio::test]
async fn what_the_provider_lacks_and_what_the_rules_refuse_is_told() {
    let service = Setup::new().with("S3_CONNECTOR__EGRESS__ALLOW", "").start().await;
    let key = AccessKey::new("AKIAEXPLAINED0000001", PLANTED);
    let mut blocked = definition("blocked", "http://localhost:9", "bucket", &key);
    blocked["provider"] = json!("generic");
    expect(service.admin.post("/v1/resources", &blocked).await, 201);
    let put = json!({"operation": "put", "key": "k", "text": "x", "if_none_match": "*"});
    let told = explain(&service.admin, "blocked", &put).await;
    assert_eq!(told["not_supported"], json!(["uploads that replace nothing"]), "{told:#}");
    assert!(told["request"].is_object(), "what would be sent is told all the same");

    // a definition may name a source before it is there
    blocked["name"] = json!("early");
    blocked["auth"]["secret_access_key"] = json!("{{ secrets@later.s3.secret }}");
    expect(service.admin.post("/v1/resources", &blocked).await, 201);
    let told = explain(&service.admin, "early", &put).await;
    assert_eq!(told["refused"]["code"], "SourceMissing", "{told:#}");
    assert!(told["refused"]["remedy"].as_str().unwrap().contains("create the source"), "{told:#}");
    assert_eq!((&told["request"], &told["identity"]), (&Value::Null, &Value::Null));
    assert_eq!(told["secrets"][0]["source_by"], "named");
}

#[tokio::test]
async fn what_is_not_cached_is_unknown_yet_and_nobody_is_asked() {
    let servers = Servers::get();
    let place = Place::embedded().await;
    let (vault, store) = (HttpFault::start(&servers.moto).await, HttpFault::start(&place.url).await);
    let service = Setup::new().start().await;
    let client = &service.admin;
    let name = unique("explain");
    let value = json!({"id": place.key.id, "secret": place.key.secret, "bucket": place.bucket});
    Secrets::on_moto(&servers).create_json(&name, &value).await;
    let mut source = moto_source("cloud", &vault.url(), "");
    source["config_paths"] = json!([format!("{name}.bucket")]);
    expect(client.post("/v1/sources", &source).await, 201);
    let reference = |field: &str| format!("{{{{ secrets@cloud['{name}'].{field} }}}}");
    let body = templated("main", &store.url(), &reference("bucket"), &reference("id"), &reference("secret"));
    expect(client.post("/v1/resources", &body).await, 201);
    let (asked, sent) = (vault.requests().len(), store.requests().len());
    let get = json!({"operation": "get", "key": "k"});
    let told = explain(client, "main", &get).await;
    assert_eq!((vault.requests().len(), store.requests().len()), (asked, sent));
    assert_eq!(
        told["unknown"],
        json!(["auth.access_key_id", "auth.secret_access_key", "bucket"]),
        "{told:#}"
    );
    assert_eq!(
        told["request"]["url"],
        format!("{}/unknown-yet/k", store.url()),
        "a made-up value stands for it"
    );
    assert_eq!(told["secrets"][0]["target"]["cache"]["state"], "missing");
    assert_eq!(told["secrets"][0]["target"]["secret"], name);

    client.query("main", &get).await;
    let asked = vault.requests().len();
    let told = explain(client, "main", &get).await;
    assert_eq!(vault.requests().len(), asked);
    assert_eq!(told["unknown"], json!([]));
    assert_eq!(told["request"]["url"], format!("{}/{}/k", store.url(), place.bucket));
    assert_eq!(told["secrets"][0]["target"]["cache"]["state"], "fresh");
    assert!(told["secrets"][0]["target"]["cache"]["version_id"].is_string(), "{told:#}");
    for secret in [&place.key.secret, &place.key.id] {
        assert!(!told.to_string().contains(secret.as_str()), "a value came back");
    }
}

#[tokio::test]
async fn a_role_is_named_with_its_session_and_sts_is_not_asked() {
    let servers = Servers::get();
    let place = Place::radosgw().await;
    let owner = aws::create_rgw_user(&servers, "explain").await;
    let policy = aws::allow(&["s3:*"], &["arn:aws:s3:::*"]);
    let role = aws::create_rgw_role(&servers, "explain", &aws::trust(&owner.arn), &policy).await;
    let front = HttpFault::start(&servers.rgw_sts).await;
    let service = Setup::new().start().await;
    let fields = json!({"endpoint": front.url(), "assume_role": {"role_arn": role},
        "auth": {"kind": "access_key", "access_key_id": owner.key.id, "secret_access_key": owner.key.secret}});
    create(&service.admin, &place, "main", &fields).await;
    let list = json!({"operation": "list"});
    let told = explain(&service.admin, "main", &list).await;
    assert_eq!(front.requests().len(), 0, "{told:#}");
    assert_eq!(told["identity"]["role"]["arn"], role.as_str());
    assert_eq!(told["identity"]["role"]["session"], "unknown yet");
    service.admin.query("main", &list).await;
    let sent = front.requests();
    let real = sent.iter().find(|request| request.action.is_none()).unwrap();
    assert_eq!(told["request"]["signed_headers"], json!(signed(real)), "also with the session's token");
    let again = explain(&service.admin, "main", &list).await;
    assert_eq!(front.requests().len(), sent.len());
    assert_eq!(again["identity"]["role"]["session"], "cached", "{again:#}");
    let token = again["request"]["headers"].as_array().unwrap().iter();
    let token = token.clone().find(|header| header["name"] == "x-amz-security-token").unwrap();
    assert_eq!(token["value"], Value::Null);
}

#[tokio::test]
async fn explain_is_for_users_and_leaves_no_trace() {
    let place = Place::embedded().await;
    let service = service_with(&place, Setup::new(), &json!({})).await;
    let list = json!({"operation": "list"});
    let viewer = service.client("viewer").await;
    expect(viewer.post("/v1/resources/main/explain", &list).await, 403);
    let user = service.client("user").await;
    let before = expect(service.admin.get("/v1/audit?limit=1000").await, 200);
    explain(&user, "main", &list).await;
    let after = expect(service.admin.get("/v1/audit?limit=1000").await, 200);
    assert_eq!(before, after, "nothing happened, and nothing is audited");
    expect(user.post("/v1/resources/nothing/explain", &list).await, 404);
    let problem = expect(
        user.post("/v1/resources/main/explain", &json!({"operation": "list", "limit": "x"})).await,
        400,
    );
    assert_eq!(problem["errors"][0]["path"], "limit", "{problem:#}");
}

#[tokio::test]
async fn every_command_of_the_page_works_and_says_what_the_page_shows() {
    let steps = transcript::run(include_str!("../../docs/queries/explain.md"), "explain").await;
    for step in &steps {
        step.assert_shown();
    }
}
