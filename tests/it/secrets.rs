//! Sources of kind `aws`: made, tested, listed, and what their references mean.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use aws_sdk_secretsmanager::primitives::Blob;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::aws::{self, Secrets, unique};
use crate::harness::servers::{AccessKey, Servers};
use crate::secrets_world::{ID, SECRET, World, check, new_key, pair};
use crate::support::{Embedded, PLANTED, Setup, definition, expect, moto_source, templated};

// The source itself

#[tokio::test]
async fn a_source_that_works_passes_its_test() {
    let world = World::start().await;
    let report = expect(world.admin().post("/v1/sources/moto/test", &json!({})).await, 200);
    assert_eq!(report["verdict"], "works", "{report:#}");
    for name in ["credentials-valid", "secrets-readable", "secrets-listable"] {
        assert_eq!(check(&report, name)["status"], "passed", "{report:#}");
    }
    let names: Vec<&Value> =
        report["checks"].as_array().unwrap().iter().map(|check| &check["name"]).collect();
    assert!(!names.contains(&&json!("role-assumed")), "no role is set: {report:#}");
}

#[tokio::test]
async fn a_source_can_be_saved_although_its_test_fails() {
    let service = Setup::new().start().await;
    let embedded = Embedded::start().await;
    let gone = embedded.url.clone();
    embedded.store.stop().await;
    let source = moto_source("later", &gone, "later");
    let report = expect(service.admin.post("/v1/sources/test", &json!({"definition": source})).await, 200);
    assert_eq!(report["verdict"], "fails", "{report:#}");
    let readable = check(&report, "secrets-readable");
    assert_eq!(readable["status"], "failed");
    assert_eq!(readable["cause"], "ConnectionRefused", "{readable:#}");
    assert!(readable["remedy"].is_string(), "{readable:#}");
    expect(service.admin.post("/v1/sources", &source).await, 201);
    let report = expect(service.admin.post("/v1/sources/later/test", &json!({})).await, 200);
    assert_eq!(report["verdict"], "fails");
}

#[tokio::test]
async fn the_keys_of_a_source_are_never_shown() {
    let service = Setup::new().start().await;
    let mut source = moto_source("hidden", &Servers::get().moto, "hidden");
    source["auth"]["secret_access_key"] = json!(PLANTED);
    let made = expect(service.admin.post("/v1/sources", &source).await, 201);
    let shown = expect(service.admin.get("/v1/sources/hidden").await, 200);
    let report = expect(service.admin.post("/v1/sources/hidden/test", &json!({})).await, 200);
    for answer in [made, shown, report] {
        assert!(!answer.to_string().contains(PLANTED), "{answer:#}");
    }
    assert!(!service.process.output().contains(PLANTED));
}

#[tokio::test]
async fn a_denied_list_is_skipped_and_a_denied_read_fails() {
    let servers = Servers::get();
    let service = Setup::new().start().await;
    let cases = [
        ("reads", "secretsmanager:GetSecretValue", "passed", "skipped", "works"),
        ("lists", "secretsmanager:ListSecrets", "failed", "passed", "fails"),
    ];
    for (name, action, readable, listable, verdict) in cases {
        let user = aws::create_moto_user(&servers, "denied", &aws::allow(&[action], &["*"])).await;
        let source = at_moto_auth(name, &servers, &user);
        expect(service.admin.post("/v1/sources", &source).await, 201);
        let report = expect(service.admin.post(&format!("/v1/sources/{name}/test"), &json!({})).await, 200);
        assert_eq!(check(&report, "credentials-valid")["status"], "passed", "{report:#}");
        assert_eq!(check(&report, "secrets-readable")["status"], readable, "{report:#}");
        assert_eq!(check(&report, "secrets-listable")["status"], listable, "{report:#}");
        assert_eq!(report["verdict"], verdict, "{report:#}");
    }
}

#[tokio::test]
async fn secrets_are_listed_with_the_text_to_paste() {
    let world = World::start().await;
    for name in ["alpha", "beta/one", "beta/two"] {
        world.secrets.create_json(&world.full(name), &json!({"key": PLANTED})).await;
    }
    world.secrets.create(&unique("outside"), "value").await;
    let list = expect(world.admin().get("/v1/sources/moto/secrets").await, 200);
    assert_eq!(names(&list), ["alpha", "beta/one", "beta/two"]);
    assert_eq!(list["secrets"][0]["reference"], "{{ secrets['alpha'] }}");
    assert_eq!(list["secrets"][1]["reference"], "{{ secrets['beta/one'] }}");
    assert!(list["secrets"][0]["arn"].as_str().unwrap().starts_with("arn:aws:secretsmanager:"));
    assert!(list["secrets"][0]["last_changed_at"].is_string());
    assert!(!list.to_string().contains(PLANTED), "a list holds no values");
    let found = expect(world.admin().get("/v1/sources/moto/secrets?search=TWO").await, 200);
    assert_eq!(names(&found), ["beta/two"]);
    let mut paged = Vec::new();
    let mut path = "/v1/sources/moto/secrets?limit=1".to_owned();
    loop {
        let page = expect(world.admin().get(&path).await, 200);
        assert!(page["secrets"].as_array().unwrap().len() <= 1, "{page:#}");
        paged.extend(names(&page));
        let Some(cursor) = page["cursor"].as_str() else { break };
        path = format!("/v1/sources/moto/secrets?limit=1&cursor={}", url_encoded(cursor));
    }
    assert_eq!(paged, ["alpha", "beta/one", "beta/two"]);
    assert_eq!(world.fetches(), 0, "listing reads no value");
}

// What references mean

#[tokio::test]
async fn a_resource_reads_an_object_with_keys_from_a_secret() {
    let world = World::start().await;
    aws::put_object(&world.embedded.client(), &world.embedded.bucket, "a.txt", "hello").await;
    world.main().await;
    let get = json!({"operation": "get", "key": "a.txt"});
    let got = expect(world.admin().query("main", &get).await, 200);
    assert_eq!(got["content"], "hello");
    assert_eq!(world.fetched(), [world.full("s3")]);
}

#[tokio::test]
async fn a_namespace_that_ends_in_a_separator_is_put_before_the_name_as_it_is() {
    let namespace = format!("{}_", unique("team"));
    let world = World::with(json!({"namespace": namespace})).await;
    let full = format!("{namespace}s3");
    world.secrets.create_json(&full, &pair(&world.embedded.key)).await;
    world.resource("main", ID, SECRET).await;
    expect(world.list("main").await, 200);
    assert_eq!(world.fetched(), [full]);
}

#[tokio::test]
async fn an_arn_is_never_prefixed() {
    let world = World::start().await;
    let made = world.secrets.create_json(&unique("outside"), &pair(&world.embedded.key)).await;
    let reference = |key: &str| format!("{{{{ secrets['{}'].{key} }}}}", made.arn);
    world.resource("main", &reference("id"), &reference("secret")).await;
    expect(world.list("main").await, 200);
    assert_eq!(world.fetched(), [made.arn]);
}

#[tokio::test]
async fn a_stage_or_a_version_can_be_pinned() {
    let world = World::start().await;
    let first = world.keys("s3").await;
    let now = world.secrets.put(&world.full("s3"), &pair(&new_key()).to_string()).await;
    let pinned = |key: &str, pin: &str| format!("{{{{ secrets.s3.{key} @ {pin} }}}}");
    for (name, pin) in [
        ("previous", "AWSPREVIOUS".to_owned()),
        ("first", format!("version:{}", first.version_id)),
        ("now", format!("version:{}", now.version_id)),
        ("none", "AWSPENDING".to_owned()),
    ] {
        world.resource(name, &pinned("id", &pin), &pinned("secret", &pin)).await;
    }
    world.resource("current", ID, SECRET).await;
    expect(world.list("previous").await, 200);
    expect(world.list("first").await, 200);
    // what is pinned is meant: only a plain reference tries another stage
    assert_eq!(expect(world.list("now").await, 424)["code"], "InvalidAccessKeyId");
    expect(world.list("current").await, 200);
    assert_eq!(expect(world.list("none").await, 424)["code"], "ResourceNotFoundException");
}

#[tokio::test]
async fn a_reference_can_name_its_source() {
    let world = World::start().await;
    let other = unique("other");
    expect(world.admin().post("/v1/sources", &moto_source("other", &world.front.url(), &other)).await, 201);
    world.secrets.create_json(&format!("{other}/s3"), &pair(&world.embedded.key)).await;
    world.secrets.create_json(&world.full("s3"), &pair(&new_key())).await;
    world.resource("named", "{{ secrets@other.s3.id }}", "{{ secrets@other.s3.secret }}").await;
    world.resource("active", ID, SECRET).await;
    expect(world.list("named").await, 200);
    expect(world.list("active").await, 424);
    let activate = json!({"environment": "production", "source": "other"});
    expect(world.admin().put("/v1/sources/active", &activate).await, 200);
    expect(world.list("active").await, 200);
    let sources = expect(world.admin().get("/v1/sources").await, 200);
    let active: Vec<&Value> =
        sources["sources"].as_array().unwrap().iter().map(|s| &s["active_in"]).collect();
    assert_eq!(active, [&json!([]), &json!(["production"])], "{sources:#}");
}

#[tokio::test]
async fn a_source_that_is_not_there_is_never_replaced_by_another() {
    let world = World::start().await;
    world.keys("s3").await;
    world.resource("main", ID, SECRET).await;
    // the resource runs there, and no source is active there
    let staging = json!({"environments": {"staging": {"region": "us-east-1"}}});
    expect(world.admin().patch("/v1/resources/main", &staging).await, 200);
    let path = "/v1/resources/main/query?environment=staging";
    let error = expect(world.admin().post(path, &json!({"operation": "list"})).await, 424);
    assert_eq!(error["code"], "SourceMissing", "{error:#}");
    assert!(error["detail"].as_str().unwrap().contains("`staging`"), "{error:#}");
    assert!(error["remedy"].is_string());
    assert_eq!(world.fetches(), 0);
}

#[tokio::test]
async fn one_resource_reads_other_secrets_in_another_environment() {
    let world = World::start().await;
    let staging = Embedded::start().await;
    let (namespace, key) = (unique("staging"), new_key());
    staging.store.set_keys(&key.id, key.secret.clone().into());
    aws::put_object(&world.embedded.client(), "bucket", "a.txt", "production").await;
    aws::put_object(&aws::s3(&staging.url, &key), "bucket", "a.txt", "staging").await;
    world.keys("s3").await;
    world.secrets.create_json(&format!("{namespace}/s3"), &pair(&key)).await;
    expect(
        world.admin().post("/v1/sources", &moto_source("staging", &world.front.url(), &namespace)).await,
        201,
    );
    let activate = json!({"environment": "staging", "source": "staging"});
    expect(world.admin().put("/v1/sources/active", &activate).await, 200);
    let mut body = templated("main", &world.embedded.url, "bucket", ID, SECRET);
    body["environments"] = json!({"staging": {"endpoint": staging.url}});
    expect(world.admin().post("/v1/resources", &body).await, 201);
    let get = json!({"operation": "get", "key": "a.txt"});
    for (path, content) in [
        ("/v1/resources/main/query", "production"),
        ("/v1/resources/main/query?environment=staging", "staging"),
        ("/v1/resources/main/query?environment=production", "production"),
    ] {
        assert_eq!(expect(world.admin().post(path, &get).await, 200)["content"], content, "{path}");
    }
}

#[tokio::test]
async fn an_alias_stands_for_a_secret_and_a_mode() {
    let world = World::start().await;
    world.keys("team/s3").await;
    world.secrets.create(&world.full("text"), PLANTED).await;
    let alias = json!({"secret": "team/s3", "mode": "json"});
    expect(world.admin().put("/v1/sources/moto/aliases/s3", &alias).await, 200);
    world.resource("main", "{{ vault:s3.id }}", "{{ vault:s3.secret }}").await;
    expect(world.list("main").await, 200);
    let alias = json!({"secret": "text", "mode": "json"});
    expect(world.admin().put("/v1/sources/moto/aliases/s3", &alias).await, 200);
    let error = expect(world.list("main").await, 424);
    assert_eq!(error["code"], "SecretNotUsable", "{error:#}");
    assert!(error["detail"].as_str().unwrap().contains("not valid JSON"), "{error:#}");
    assert!(!error.to_string().contains(PLANTED));
}

#[tokio::test]
async fn a_path_goes_through_arrays_and_any_key() {
    let world = World::start().await;
    let value =
        json!({"pairs": [{"a b": "no"}, {"a b": [world.embedded.key.id], "s": world.embedded.key.secret}]});
    world.secrets.create_json(&world.full("deep/one"), &value).await;
    let id = "{{ secrets['deep/one'].pairs[1]['a b'][0] }}";
    world.resource("main", id, "{{ secrets['deep/one']['pairs'][1].s }}").await;
    expect(world.list("main").await, 200);
    world.resource("beyond", "{{ secrets['deep/one'].pairs[7].s }}", SECRET).await;
    world.keys("s3").await;
    let error = expect(world.list("beyond").await, 424);
    assert!(error["detail"].as_str().unwrap().contains("no index 7 in an array of 2"), "{error:#}");
}

#[tokio::test]
async fn a_binary_secret_is_usable_as_a_whole_and_has_no_path() {
    let world = World::start().await;
    let bytes = [0_u8, 255, 128, 7, 200];
    let make = world.secrets.client.create_secret().name(world.full("bytes"));
    make.secret_binary(Blob::new(bytes)).send().await.unwrap();
    let key = AccessKey::new("AKIABINARY0000000001", STANDARD.encode(bytes));
    world.embedded.store.set_keys(&key.id, key.secret.clone().into());
    world.resource("whole", &key.id, "{{ secrets.bytes }}").await;
    world.resource("path", &key.id, "{{ secrets.bytes.secret }}").await;
    expect(world.list("whole").await, 200);
    let error = expect(world.list("path").await, 424);
    assert_eq!(error["code"], "SecretNotUsable");
    assert!(error["detail"].as_str().unwrap().contains("binary"), "{error:#}");
    assert!(!error.to_string().contains(&key.secret));
}

// What goes wrong

#[tokio::test]
async fn an_unknown_secret_is_named_with_its_full_name() {
    let world = World::start().await;
    world.resource("main", ID, SECRET).await;
    let error = expect(world.list("main").await, 424);
    assert_eq!(error["code"], "ResourceNotFoundException");
    assert_eq!(error["upstream"]["service"], "secretsmanager");
    let detail = error["detail"].as_str().unwrap();
    assert!(detail.contains(&world.full("s3")) && detail.contains("auth."), "{error:#}");
    assert!(error["remedy"].is_string(), "{error:#}");
    assert_eq!(world.embedded.store.requests(), 0, "nothing unresolved is sent on");
}

#[tokio::test]
async fn a_missing_key_names_the_keys_that_exist_and_no_value() {
    let world = World::start().await;
    world.secrets.create_json(&world.full("s3"), &json!({"user": PLANTED, "pass": PLANTED})).await;
    world.resource("main", ID, SECRET).await;
    let error = expect(world.list("main").await, 424);
    assert_eq!(error["code"], "SecretKeyMissing");
    let detail = error["detail"].as_str().unwrap();
    assert!(detail.contains("`pass`") && detail.contains("`user`"), "{error:#}");
    assert!(!error.to_string().contains(PLANTED));
    assert!(!world.service.process.output().contains(PLANTED));
}

#[tokio::test]
async fn a_denied_secret_says_who_can_help() {
    let servers = Servers::get();
    let service = Setup::new().start().await;
    let name = unique("denied");
    let owner = Secrets::new(&servers.moto_auth, &servers.moto_auth_key);
    owner.create_json(&name, &json!({"id": "a", "secret": "b"})).await;
    let policy = aws::allow(&["secretsmanager:ListSecrets"], &["*"]);
    let user = aws::create_moto_user(&servers, "denied", &policy).await;
    expect(service.admin.post("/v1/sources", &at_moto_auth("aws", &servers, &user)).await, 201);
    let reference = |key: &str| format!("{{{{ secrets['{name}'].{key} }}}}");
    let body = templated("main", &servers.rgw, "bucket", &reference("id"), &reference("secret"));
    expect(service.admin.post("/v1/resources", &body).await, 201);
    let error = expect(service.admin.query("main", &json!({"operation": "list"})).await, 424);
    assert!(error["code"].as_str().unwrap().starts_with("AccessDenied"), "{error:#}");
    assert!(error["remedy"].is_string(), "{error:#}");
}

// One snapshot, one version

#[tokio::test]
async fn both_halves_of_a_key_come_from_one_version() {
    let world = World::with(json!({"cache_ttl_ms": 0})).await;
    world.main().await;
    for round in 1..=10 {
        let key = new_key();
        world.embedded.store.add_keys(&key.id, key.secret.clone().into());
        let full = world.full("s3");
        let value = pair(&key).to_string();
        let (listed, _) = tokio::join!(world.list("main"), world.secrets.put(&full, &value));
        expect(listed, 200);
        // a pair of two versions would have been refused first, and the query made again
        assert_eq!(world.embedded.store.requests(), round);
        assert_eq!(world.fetches(), usize::try_from(round).unwrap(), "two references, one call");
    }
}

#[tokio::test]
async fn literal_keys_need_no_source() {
    let world = World::start().await;
    let body = definition("plain", &world.embedded.url, "bucket", &world.embedded.key);
    expect(world.admin().post("/v1/resources", &body).await, 201);
    expect(world.list("plain").await, 200);
    assert_eq!(world.fetches(), 0);
}

fn names(list: &Value) -> Vec<String> {
    let secrets = list["secrets"].as_array().map_or(&[][..], Vec::as_slice);
    secrets.iter().map(|secret| secret["name"].as_str().unwrap_or_default().to_owned()).collect()
}

fn url_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn at_moto_auth(name: &str, servers: &Servers, key: &AccessKey) -> Value {
    let mut source = moto_source(name, &servers.moto_auth, "");
    source["auth"]["access_key_id"] = json!(key.id);
    source["auth"]["secret_access_key"] = json!(key.secret);
    source
}
