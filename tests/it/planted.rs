//! A stored secret value is in memory and nowhere else: marked values are planted wherever a secret can be, the
//! service is used and provoked, and then every log line, answer, file and metric is searched for them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use serde_json::{Value, json};

use crate::harness::aws::{Secrets, unique};
use crate::harness::servers::{AccessKey, Servers};
use crate::stores::Place;
use crate::support::{
    DATABASES, Database, Embedded, PLANTED, Service, Setup, definition, moto_source, templated,
};

/// Everything the service answered.
struct Answers(Vec<String>);

impl Answers {
    fn keep(&mut self, what: &str, (status, body): (u16, Value)) -> u16 {
        self.0.push(format!("{what} {status} {body}"));
        status
    }
}

#[tokio::test]
async fn no_secret_value_leaves_memory() {
    for database in DATABASES {
        let servers = Servers::get();
        let embedded = Embedded::start().await;
        let service = Setup::new().on(database).with("S3_CONNECTOR__LOG__FILTER", "trace").start().await;
        let mut answers = Answers(Vec::new());
        plant(&service, &servers, &embedded, &mut answers).await;
        provoke(&service, &mut answers).await;
        let metrics = service.admin.get("/metrics").await;
        answers.keep("metrics", metrics);
        search(&service, &answers, database).await;
    }
}

async fn plant(service: &Service, servers: &Servers, embedded: &Embedded, answers: &mut Answers) {
    let admin = &service.admin;
    let vault = json!({"value": {"id": format!("{PLANTED}-id"), "secret": format!("{PLANTED}-vault"), "nested": {"deep": PLANTED}}});
    answers.keep("source", admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await);
    assert_eq!(answers.keep("secret", admin.put("/v1/sources/vault/secrets/s3", &vault).await), 200);
    let real = json!({"value": {"id": embedded.key.id, "secret": embedded.key.secret, "note": PLANTED}});
    answers.keep("secret", admin.put("/v1/sources/vault/secrets/real", &vault).await);
    answers.keep("secret", admin.put("/v1/sources/vault/secrets/real", &real).await);
    let mut source = moto_source("aws", &servers.moto, "");
    source["auth"]["secret_access_key"] = json!(format!("{PLANTED}-source"));
    source["auth"]["session_token"] = json!(format!("{PLANTED}-token"));
    assert_eq!(answers.keep("source", admin.post("/v1/sources", &source).await), 201);
    let name = unique("planted");
    Secrets::on_moto(servers)
        .create_json(&name, &json!({"secret": format!("{PLANTED}-aws"), "id": PLANTED}))
        .await;
    let literal = definition(
        "literal",
        &embedded.url,
        "bucket",
        &AccessKey::new(format!("{PLANTED}-akid"), format!("{PLANTED}-literal")),
    );
    assert_eq!(answers.keep("literal", admin.post("/v1/resources", &literal).await), 201);
    // keys of SSE-C, at a store that takes them
    let place = Place::radosgw().await;
    let customer_key = base64::engine::general_purpose::STANDARD.encode(format!("{PLANTED}!"));
    let sse = json!({"value": {"key": customer_key, "short": PLANTED}});
    assert_eq!(answers.keep("sse", admin.put("/v1/sources/vault/secrets/sse", &sse).await), 200);
    for (resource, key) in [
        ("encrypted-literal", customer_key.as_str()),
        ("encrypted", "{{ secrets.sse.key }}"),
        ("encrypted-wrong", "{{ secrets.sse.short }}"),
    ] {
        let mut body = place.definition(resource);
        body["encryption"] = json!({"kind": "sse_c", "key": key});
        assert_eq!(answers.keep(resource, admin.post("/v1/resources", &body).await), 201);
    }
    let of = |id: &str, secret: &str| (format!("{{{{ {id} }}}}"), format!("{{{{ {secret} }}}}"));
    for (resource, (id, secret)) in [
        ("vaulted", of("secrets.s3.id", "secrets.s3.secret")),
        ("working", of("secrets.real.id", "secrets.real.secret")),
        ("aws-secret", of(&format!("secrets@aws['{name}'].id"), &format!("secrets@aws['{name}'].secret"))),
        ("missing-key", of("secrets.s3.nothing", "secrets.s3.nested.nothing")),
        ("object-key", of("secrets.s3.id", "secrets.s3.nested")),
    ] {
        let body = templated(resource, &embedded.url, "bucket", &id, &secret);
        assert_eq!(answers.keep(resource, admin.post("/v1/resources", &body).await), 201);
    }
}

/// Uses everything, well and badly.
async fn provoke(service: &Service, answers: &mut Answers) {
    let admin = &service.admin;
    for name in [
        "literal",
        "vaulted",
        "working",
        "aws-secret",
        "missing-key",
        "object-key",
        "encrypted-literal",
        "encrypted",
        "encrypted-wrong",
    ] {
        answers.keep("show", admin.get(&format!("/v1/resources/{name}")).await);
        answers
            .keep("test", admin.post(&format!("/v1/resources/{name}/test"), &json!({"write": true})).await);
        answers.keep("list", admin.query(name, &json!({"operation": "list"})).await);
        answers.keep("put", admin.query(name, &json!({"operation": "put", "key": "k", "text": "t"})).await);
        answers.keep("get", admin.query(name, &json!({"operation": "get", "key": "k"})).await);
        answers.keep("history", admin.get(&format!("/v1/resources/{name}/history")).await);
    }
    // keys at wrong places must not come back in the message that says so
    let wrong = format!("{PLANTED}-wrong");
    for body in [
        json!({"name": "x", "bucket": "b", "auth": wrong}),
        json!({"name": "x", "bucket": "b", "auth": {"kind": "access_key", "access_key_id": [wrong], "secret_access_key": wrong}}),
        json!({"name": "x", "bucket": "b", "default_acl": 7, "auth": {"kind": "access_key", "access_key_id": wrong, "secret_access_key": wrong}}),
        json!({"name": "x", "bucket": "b", "region": {"a": wrong}, "auth": {"kind": "anonymous"}}),
        json!({"name": "x", "bucket": "b", "encryption": {"kind": "sse_c", "key": wrong}, "auth": {"kind": "anonymous"}}),
        json!({"name": "x", "bucket": "b", "encryption": {"kind": wrong, "key": wrong}, "auth": {"kind": "anonymous"}}),
    ] {
        assert!(answers.keep("wrong", admin.post("/v1/resources", &body).await) >= 400);
        answers.keep("wrong test", admin.post("/v1/resources/test", &json!({"definition": body})).await);
    }
    let broken = format!("{{\"value\": \"{PLANTED}\" oops");
    let request = admin.request(reqwest::Method::PUT, "/v1/sources/vault/secrets/x").body(broken);
    answers.keep("broken", crate::support::answer(request).await);
    answers.keep("wrong value", admin.put("/v1/sources/vault/secrets/x", &json!({"values": PLANTED})).await);
    answers.keep(
        "patch",
        admin.patch("/v1/resources/literal", &json!({"endpoint": "http://127.0.0.1:1"})).await,
    );
    answers.keep("patch", admin.patch("/v1/resources/literal", &json!({"description": "again"})).await);
    for path in [
        "/v1/resources",
        "/v1/sources",
        "/v1/sources/aws",
        "/v1/sources/vault/secrets",
        "/v1/sources/vault/secrets/s3/keys",
        "/v1/sources/vault/cache",
        "/v1/sources/aws/cache",
        "/v1/audit?limit=1000",
        "/v1/tokens",
    ] {
        answers.keep(path, admin.get(path).await);
    }
    let versions = "/v1/sources/vault/secrets/real/versions";
    assert_eq!(answers.keep("versions", admin.get(versions).await), 200);
    // a passphrase is as secret as what it seals
    let passphrase = format!("{PLANTED}-passphrase");
    let (status, document) = admin.post("/v1/sources/vault/export", &json!({"passphrase": passphrase})).await;
    let import = json!({"passphrase": passphrase, "document": document, "overwrite": true});
    assert_eq!(answers.keep("export", (status, document)), 200);
    assert_eq!(answers.keep("import", admin.post("/v1/sources/vault/import", &import).await), 200);
    let wrong = json!({"passphrase": PLANTED, "document": import["document"]});
    assert_eq!(answers.keep("wrong import", admin.post("/v1/sources/vault/import", &wrong).await), 422);
    let short = json!({"passphrase": [PLANTED]});
    assert_eq!(answers.keep("wrong export", admin.post("/v1/sources/vault/export", &short).await), 400);
    answers.keep("source test", admin.post("/v1/sources/aws/test", &json!({})).await);
    for (path, body) in [
        ("explain", json!({"resource": "vaulted"})),
        ("policy", json!({})),
        ("forecast", json!({})),
        ("rehearse", json!({"source": "vault", "secret": "s3"})),
    ] {
        answers.keep(path, admin.post(&format!("/v1/secrets/{path}"), &body).await);
    }
    answers.keep("refresh", admin.post("/v1/sources/vault/refresh", &json!({})).await);
}

async fn search(service: &Service, answers: &Answers, database: Database) {
    // a whole number of groups, so that it stands in the base64 of whatever begins so
    let encoded = base64::engine::general_purpose::STANDARD.encode(PLANTED.as_bytes().get(..30).unwrap());
    let needles = [PLANTED.to_owned(), encoded];
    let holds = |text: &[u8]| {
        needles.iter().any(|needle| text.windows(needle.len()).any(|window| window == needle.as_bytes()))
    };
    for answer in &answers.0 {
        assert!(!holds(answer.as_bytes()), "an answer holds a secret: {answer}");
    }
    let output = service.process.output();
    assert!(output.contains("request"), "there is a log to search");
    for line in output.lines() {
        assert!(!holds(line.as_bytes()), "a log line holds a secret: {line}");
    }
    let mut files = 0;
    for file in files_below(service.data.path()) {
        files += 1;
        assert!(!holds(&fs::read(&file).unwrap()), "`{}` holds a secret", file.display());
    }
    assert!(files > 0, "there are files to search");
    if database == Database::Postgres {
        let dump = dump(service.store_url()).await;
        assert!(dump.contains("vaulted"), "the dump holds the definitions");
        assert!(!holds(dump.as_bytes()), "the database holds a secret");
    }
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The whole database as text.
async fn dump(url: &str) -> String {
    let url = url.to_owned();
    let run = move || Command::new("pg_dump").args(["--inserts", &url]).output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn a_crash_leaves_no_memory_behind() {
    let service = Setup::new().start().await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", service.process.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(line.split_whitespace().nth(4), Some("0"), "{line}");
    assert_eq!(line.split_whitespace().nth(5), Some("0"), "{line}");
}
