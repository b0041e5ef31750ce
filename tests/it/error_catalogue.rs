//! Every code of the error catalogue: provoked, explained by its problem, and described on its page.
//!
//! A real server says it where one can. Where none can, `fixtures/errors/<Code>.http` holds the answer as AWS writes it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use s3_connector::model::error_catalogue::{self, ErrorEntry, Origin};
use serde_json::{Value, json};
use sqlx::Executor;

use crate::connection_failures::tls_server;
use crate::harness::aws::{self, Secrets, unique};
use crate::harness::closed::ClosedPort;
use crate::harness::fault_proxy::{Fault, FaultProxy};
use crate::harness::http_fault::{Answer, HttpFault};
use crate::harness::servers::{AccessKey, Servers};
use crate::query_metadata;
use crate::stores::Place;
use crate::support::{Client, DATABASES, Service, Setup, definition, expect, moto_source};

/// Codes that no query on a resource provokes, and the tests that do.
const ELSEWHERE: &[(&str, &str)] = &[
    ("BadRequest", "access::problems"),
    ("Conflict", "access::problems"),
    ("CountNotConfirmed", "query_bulk"),
    ("Forbidden", "access::problems"),
    ("Internal", "a_database_that_fails_is_an_error_of_ours"),
    ("Invalid", "access::problems"),
    ("LoadAbandoned", "`cache::tests`, of the library"),
    ("NotFound", "access::problems"),
    ("NotModified", "objects: the answer has no body"),
    ("OperationNotAllowed", "objects_errors"),
    ("Overloaded", "`app::vault_export`, of the library"),
    ("PreconditionRequired", "access::problems"),
    ("SourceInUse", "registry::sources"),
    ("TooLarge", "access::problems"),
    ("TooManyFailures", "access::tokens"),
    ("TooManyQueries", "streams"),
    ("Unauthenticated", "access::problems"),
    ("UpstreamLimit", "`aws::secrets_limits`, of the library"),
    ("UsageDenied", "registry::usage_policies"),
    ("VersionMismatch", "access::problems"),
];

/// A resource whose query fails, with what must live until then.
struct Case {
    code: &'static str,
    definition: Value,
    query: Value,
    _alive: Vec<Box<dyn Any>>,
}

fn list() -> Value {
    json!({"operation": "list"})
}

fn get() -> Value {
    json!({"operation": "get", "key": "k"})
}

fn put() -> Value {
    json!({"operation": "put", "key": "k", "text": "x"})
}

fn delete() -> Value {
    json!({"operation": "delete", "key": "k"})
}

fn key() -> AccessKey {
    AccessKey::new("AKIARECORDED00000001", "recorded-secret-key-0000000000000000001")
}

pub(crate) fn at(endpoint: &str) -> Value {
    let mut body = definition("x", endpoint, "bucket", &key());
    body["provider"] = json!("ceph");
    body
}

fn case(code: &'static str, definition: Value, query: Value, alive: Vec<Box<dyn Any>>) -> Case {
    Case { code, definition, query, _alive: alive }
}

#[tokio::test]
async fn every_code_of_the_catalogue_is_provoked() {
    let no_proxy = ClosedPort::new();
    let setup = Setup::new().with("S3_CONNECTOR__OUTBOUND__CLOSED__PROXY", &no_proxy.url());
    let service = setup.with("S3_CONNECTOR__OUTBOUND__CLOSED__HOSTS", "s3.example.com").start().await;
    let mut cases = recorded_by_s3().await;
    let mut proxied = at("https://s3.example.com");
    proxied["outbound"] = json!("closed");
    cases.push(case("ProxyRefused", proxied, list(), vec![Box::new(no_proxy)]));
    cases.extend(recorded_by_sts().await);
    cases.extend(said_by_stores().await);
    cases.extend(said_of_versions().await);
    cases.extend(said_by_sts().await);
    cases.extend(recorded_by_secrets_manager(&service.admin).await);
    cases.extend(said_by_sources(&service.admin).await);
    cases.extend(on_the_way().await);
    cases.extend(found_here(&service.admin).await);
    let blocked = case("BlockedEndpoint", at("http://localhost:9"), list(), vec![]);
    let provoked: Vec<&str> = cases.iter().map(|case| case.code).chain([blocked.code]).collect();
    let distinct: BTreeSet<&str> = provoked.iter().copied().collect();
    assert_eq!(distinct.len(), provoked.len(), "a code has two cases: {provoked:?}");
    // what only tests of a resource tell is provoked in `check_causes`
    let by_queries = error_catalogue::all().filter(|entry| entry.origin != Origin::Check);
    let codes: BTreeSet<&str> = by_queries.map(|entry| entry.code).collect();
    let elsewhere: BTreeSet<&str> = ELSEWHERE.iter().map(|(code, _)| *code).collect();
    assert!(distinct.is_disjoint(&elsewhere), "a code with a case here is not provoked elsewhere");
    let all: BTreeSet<&str> = distinct.union(&elsewhere).copied().collect();
    assert_eq!(codes, all, "every code of the catalogue has a case here that provokes it");
    let mut wrong = Vec::new();
    for case in &cases {
        wrong.extend(provoke(&service, case).await.err());
    }
    let narrow = Setup::new().with("S3_CONNECTOR__EGRESS__ALLOW", "").start().await;
    wrong.extend(provoke(&narrow, &blocked).await.err());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn provoke(service: &Service, case: &Case) -> Result<(), String> {
    let name = case.code.to_lowercase().replace('.', "-");
    let mut definition = case.definition.clone();
    definition["name"] = json!(name);
    if definition["limits"].is_null() {
        definition["limits"] = json!({"retries": 0});
    }
    let code = case.code;
    let (status, saved) = service.admin.post("/v1/resources", &definition).await;
    if status != 201 {
        return Err(format!("{code}: {saved:#}"));
    }
    let (status, problem) = service.admin.query(&name, &case.query).await;
    if status < 400 || problem["code"] != code {
        return Err(format!("{code}: {status} {problem:#}"));
    }
    let entry = error_catalogue::find(code).unwrap();
    let remedy = problem["remedy"].as_str().unwrap_or_default();
    // these name the region, the endpoint, or the actions of the operation
    let special =
        ["AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "AccessDenied", "NotHttp"]
            .contains(&code);
    if !(special && remedy.len() > 20 || remedy.contains(entry.remedy)) {
        return Err(format!("{code} has another remedy: {problem:#}"));
    }
    let page = problem["type"].as_str().unwrap();
    assert_eq!(page, format!("/docs/errors/{code}"));
    assert_eq!(expect(service.admin.get(page).await, 200), entry.text());
    Ok(())
}

/// The answer in a file, byte for byte but for its line ends.
pub(crate) fn fixture(code: &str) -> Answer {
    let path = folder("fixtures/errors").join(format!("{code}.http"));
    let text = fs::read_to_string(&path).unwrap_or_else(|_| panic!("no {}", path.display()));
    let (head, body) = text.split_once("\n\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer::new(status, "", body);
    answer.headers.clear();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        answer.headers.push((name.to_owned().leak(), value.to_owned()));
    }
    answer
}

pub(crate) async fn answering(what: Option<&str>, code: &str) -> HttpFault {
    let front = HttpFault::alone().await;
    match what {
        Some(what) => front.answer_to(what, usize::MAX, fixture(code)),
        None => front.answer(usize::MAX, fixture(code)),
    }
    front
}

async fn recorded_by_s3() -> Vec<Case> {
    let queries = [
        ("AccessControlListNotSupported", put()),
        ("AccountProblem", list()),
        ("AllAccessDisabled", get()),
        ("AuthorizationHeaderMalformed", list()),
        ("BadDigest", put()),
        ("BucketAlreadyOwnedByYou", put()),
        ("BucketNotEmpty", delete()),
        ("DeleteMarker", json!({"operation": "get", "key": "k", "version": "3HL4kqtJlcpXroDTDmJ"})),
        ("EntityTooLarge", put()),
        ("EntityTooSmall", put()),
        ("ExpiredToken", get()),
        ("IllegalLocationConstraintException", put()),
        ("InvalidArgument", list()),
        ("InvalidBucketName", list()),
        ("InvalidDigest", put()),
        ("InvalidObjectState", get()),
        ("InvalidPart", put()),
        ("InvalidRequest", put()),
        ("InvalidTag", json!({"operation": "put_tags", "key": "k", "tags": {"a": "x"}})),
        ("InvalidStorageClass", put()),
        ("InvalidToken", list()),
        ("KMS.DisabledException", get()),
        ("KmsAccessDenied", get()),
        ("MalformedPolicy", put()),
        ("MethodNotAllowed", get()),
        ("MissingContentLength", put()),
        ("MissingContentMD5", delete()),
        ("NoSuchUpload", put()),
        ("NoSuchVersion", json!({"operation": "get", "key": "k", "version": "3HL4kqtJlcpXroDTDmJ"})),
        ("NotImplemented", put()),
        ("OperationAborted", put()),
        ("PermanentRedirect", list()),
        ("RequestTimeTooSkewed", list()),
        ("RequestTimeout", put()),
        ("ServiceUnavailable", get()),
        ("InternalError", list()),
        ("SlowDown", get()),
        ("TemporaryRedirect", list()),
        ("XAmzContentSHA256Mismatch", put()),
    ];
    let mut cases = Vec::new();
    for (code, query) in queries {
        let front = answering(None, code).await;
        cases.push(case(code, at(&front.url()), query, vec![Box::new(front)]));
    }
    cases
}

async fn recorded_by_sts() -> Vec<Case> {
    let mut cases = Vec::new();
    for code in [
        "RegionDisabledException",
        "PackedPolicyTooLarge",
        "ValidationError",
        "InvalidIdentityToken",
        "InvalidClientTokenId",
    ] {
        let front = answering(Some("AssumeRole"), code).await;
        let mut body = at(&front.url());
        body["assume_role"] = json!({"role_arn": "arn:aws:iam::111122223333:role/reader"});
        cases.push(case(code, body, list(), vec![Box::new(front)]));
    }
    cases
}

async fn said_by_stores() -> Vec<Case> {
    let (embedded, radosgw) = (Place::embedded().await, Place::radosgw().await);
    aws::put_object(&embedded.client(), &embedded.bucket, "k", "x").await;
    let stranger = aws::create_rgw_user(&Servers::get(), "stranger").await;
    let at_embedded = embedded.definition("x");
    let mut wrong = radosgw.definition("x");
    wrong["auth"]["secret_access_key"] = json!("wrong-secret-key-0000000000000000000000");
    let mut unknown = radosgw.definition("x");
    unknown["auth"]["access_key_id"] = json!("AKIAUNKNOWN000000000");
    let mut denied = radosgw.definition("x");
    denied["auth"] = json!({"kind": "access_key", "access_key_id": stranger.key.id, "secret_access_key": stranger.key.secret});
    let mut nowhere = radosgw.definition("x");
    nowhere["bucket"] = json!(unique("nowhere"));
    let range = json!({"operation": "get", "key": "k", "range": "bytes=10-20"});
    let only_new = json!({"operation": "put", "key": "k", "text": "x", "if_none_match": "*"});
    vec![
        case("AccessDenied", denied, put(), vec![]),
        case("InvalidAccessKeyId", unknown, list(), vec![]),
        case("SignatureDoesNotMatch", wrong, list(), vec![]),
        case("NoSuchBucket", nowhere, list(), vec![]),
        case("NoSuchKey", radosgw.definition("x"), get(), vec![]),
        case("InvalidRange", at_embedded.clone(), range, vec![]),
        case("PreconditionFailed", at_embedded, only_new, vec![Box::new(embedded)]),
    ]
}

async fn said_of_versions() -> Vec<Case> {
    let place = query_metadata::versioned().await;
    aws::put_object(&place.client(), &place.bucket, "there", "x").await;
    let undelete = json!({"operation": "restore_version", "key": "there", "undelete": true});
    vec![case("NotDeleted", place.definition("x"), undelete, vec![])]
}

async fn said_by_sts() -> Vec<Case> {
    let servers = Servers::get();
    let place = Place::radosgw().await;
    let owner = aws::create_rgw_user(&servers, "owner").await;
    let policy = aws::allow(&["s3:*"], &["arn:aws:s3:::*"]);
    let role = aws::create_rgw_role(&servers, "role", &aws::trust(&owner.arn), &policy).await;
    let with = |arn: &str| {
        let mut body = place.definition("x");
        body["endpoint"] = json!(servers.rgw_sts);
        body["assume_role"] = json!({"role_arn": arn});
        body
    };
    vec![
        case("RoleNotAssumable", with(&role), list(), vec![]),
        case("NoSuchEntity", with("arn:aws:iam:::role/not-there"), list(), vec![]),
    ]
}

/// What the database said is for the log, not for the caller.
#[tokio::test]
async fn a_database_that_fails_is_an_error_of_ours() {
    for database in DATABASES {
        let service = Setup::new().on(database).start().await;
        let renamed = "ALTER TABLE resources RENAME TO elsewhere";
        service.database().await.execute(renamed).await.unwrap();
        let told = expect(service.admin.post("/v1/resources", &at("http://127.0.0.1:9")).await, 500);
        assert_eq!(told["code"], "Internal", "{told:#}");
        let words = told.to_string();
        assert!(!words.contains("INSERT") && !words.contains("no such table"), "{words}");
        assert!(told["detail"].as_str().unwrap().contains("request id"), "{told:#}");
        let again = "ALTER TABLE elsewhere RENAME TO resources";
        service.database().await.execute(again).await.unwrap();
        expect(service.admin.post("/v1/resources", &at("http://127.0.0.1:9")).await, 201);
    }
}

/// A definition whose keys come from one secret of a source.
pub(crate) fn from_secret(source: &str, secret: &str) -> Value {
    let mut body = at("http://127.0.0.1:9");
    for (field, path) in [("access_key_id", "id"), ("secret_access_key", "secret")] {
        body["auth"][field] = json!(format!("{{{{ secrets@{source}['{secret}'].{path} }}}}"));
    }
    body
}

async fn recorded_by_secrets_manager(client: &Client) -> Vec<Case> {
    let mut cases = Vec::new();
    for code in [
        "AccessDeniedException",
        "DecryptionFailure",
        "ThrottlingException",
        "UnrecognizedClientException",
        "ExpiredTokenException",
    ] {
        let front = answering(None, code).await;
        let name = code.to_lowercase();
        expect(client.post("/v1/sources", &moto_source(&name, &front.url(), "")).await, 201);
        cases.push(case(code, from_secret(&name, "s3"), list(), vec![Box::new(front)]));
    }
    cases
}

async fn said_by_sources(client: &Client) -> Vec<Case> {
    let servers = Servers::get();
    expect(client.post("/v1/sources", &moto_source("cloud", &servers.moto, "")).await, 201);
    let gone = unique("gone");
    let secrets = Secrets::on_moto(&servers);
    secrets.create_json(&gone, &json!({"id": "a", "secret": "b"})).await;
    secrets.schedule_deletion(&gone).await;
    expect(client.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
    for (name, value) in [("other", json!({"id": "a"})), ("text", json!("no JSON"))] {
        let path = format!("/v1/sources/vault/secrets/{name}");
        expect(client.put(&path, &json!({"value": value})).await, 200);
    }
    vec![
        case("ResourceNotFoundException", from_secret("cloud", &unique("none")), list(), vec![]),
        case("InvalidRequestException", from_secret("cloud", &gone), list(), vec![]),
        case("SecretKeyMissing", from_secret("vault", "other"), list(), vec![]),
        case("SecretNotUsable", from_secret("vault", "text"), list(), vec![]),
    ]
}

async fn found_here(client: &Client) -> Vec<Case> {
    let unused = "http://127.0.0.1:9";
    let mut no_source = at(unused);
    no_source["auth"]["secret_access_key"] = json!("{{ secrets@later.s3.secret }}");
    expect(client.post("/v1/sources", &json!({"name": "later", "kind": "local"})).await, 201);
    let mut chain = at(unused);
    chain["auth"] = json!({"kind": "default_chain"});
    let mut generic = at(unused);
    generic["provider"] = json!("generic");
    let only_new = json!({"operation": "put", "key": "k", "text": "x", "if_none_match": "*"});
    let named = |key: &str| json!({"operation": "get", "key": key});
    expect(client.delete("/v1/sources/later?force=true").await, 200);
    vec![
        case("SourceMissing", no_source, list(), vec![]),
        case("CredentialsMissing", chain, list(), vec![]),
        case("NotSupportedByProvider", generic, only_new, vec![]),
        case("InvalidObjectKey", at(unused), named("a\0b"), vec![]),
        case("KeyTooLongError", at(unused), named(&"k".repeat(1025)), vec![]),
    ]
}

async fn on_the_way() -> Vec<Case> {
    let servers = Servers::get();
    let embedded = Place::embedded().await;
    let closed = ClosedPort::new();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let reset = FaultProxy::start(&embedded.url).await;
    reset.set(Fault::Refuse);
    let full = full_listener().await;
    let mut slow = at(&format!("http://{}", silent.local_addr().unwrap()));
    slow["limits"] = json!({"retries": 0, "timeout_ms": 300});
    let (other, other_pem) = tls_server(&["other.example"], false).await;
    let (expired, expired_pem) = tls_server(&["localhost"], true).await;
    let (tls, _) = tls_server(&["localhost"], false).await;
    let trusting = |port: u16, pem: &str| {
        let mut body = at(&format!("https://localhost:{port}"));
        body["tls"] = json!({"ca_pem": pem});
        body
    };
    vec![
        case("NameNotFound", at("http://nothing.invalid"), list(), vec![]),
        case("ConnectionRefused", at(&closed.url()), list(), vec![Box::new(closed)]),
        case("ConnectionReset", at(&reset.url()), list(), vec![Box::new(reset)]),
        case("ConnectTimeout", at(&full.0), list(), full.1),
        case("ReadTimeout", slow, list(), vec![Box::new(silent)]),
        case("TlsUnknownCa", at(&servers.rgw_tls), list(), vec![]),
        case("TlsCertificateExpired", trusting(expired, &expired_pem), list(), vec![]),
        case("TlsNameMismatch", trusting(other, &other_pem), list(), vec![]),
        // HTTP spoken to an HTTPS port, and the reverse
        case("NotHttp", at(&format!("http://localhost:{tls}")), list(), vec![]),
        case("TlsFailure", at(&embedded.url.replace("http:", "https:")), list(), vec![Box::new(embedded)]),
    ]
}

/// A listener whose queue is full: the kernel answers no more connections.
pub(crate) async fn full_listener() -> (String, Vec<Box<dyn Any>>) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut alive: Vec<Box<dyn Any>> = vec![Box::new(listener)];
    let connect =
        || tokio::time::timeout(Duration::from_millis(300), tokio::net::TcpStream::connect(address));
    while let Ok(Ok(stream)) = connect().await {
        alive.push(Box::new(stream));
    }
    (format!("http://{address}"), alive)
}

// The pages

/// Rewrites the pages in place of comparing them.
const WRITE: &str = "S3_CONNECTOR_WRITE_DOCS";

#[test]
fn the_pages_of_the_codes_are_made_from_the_catalogue() {
    let mut wanted: BTreeMap<PathBuf, String> = BTreeMap::new();
    for entry in error_catalogue::all() {
        wanted.insert(folder("docs/errors").join(format!("{}.md", entry.code)), page(entry));
    }
    wanted.insert(folder("docs").join("errors.md"), index());
    if std::env::var_os(WRITE).is_some() {
        fs::create_dir_all(folder("docs/errors")).unwrap();
        for (path, text) in &wanted {
            fs::write(path, text).unwrap();
        }
    }
    for (path, text) in &wanted {
        let there = fs::read_to_string(path).unwrap_or_default();
        assert_eq!(&there, text, "{}: run this test with {WRITE}=1", path.display());
    }
    for entry in fs::read_dir(folder("docs/errors")).unwrap() {
        let path = entry.unwrap().path();
        assert!(wanted.contains_key(&path), "{} is of no code", path.display());
    }
}

#[test]
fn every_recorded_answer_is_of_a_code() {
    for entry in fs::read_dir(folder("fixtures/errors")).unwrap() {
        let path = entry.unwrap().path();
        let code = path.file_stem().unwrap().to_str().unwrap();
        assert!(error_catalogue::find(code).is_some(), "{code}");
        fixture(code);
    }
}

fn page(entry: &ErrorEntry) -> String {
    let ErrorEntry { code, cause, remedy, .. } = entry;
    let (origin, owner, retry) = (entry.origin.as_str(), entry.owner.as_str(), entry.retry_text());
    format!(
        "# {code}\n\nCause: {cause}.\n\nRemedy: {remedy}.\n\n| | |\n|---|---|\n| who can do it | {owner} |\n| comes from | {origin} |\n| again? | {retry} |\n\n`s3-connector errors {code}` says the same. [All codes](../errors.md)\n"
    )
}

fn index() -> String {
    let mut text = "# Errors\n\nEvery error is a problem (RFC 9457) with a `code`, and its `type` leads to the page of the code at the service.\nThe same is here, and in `s3-connector errors CODE`, which needs no server. Codes that are not here are passed on\nfrom the store: its documentation says what they mean.\n\nThese pages are made from the table in `src/model/error_catalogue`: change it there.\n".to_owned();
    for origin in Origin::ALL {
        write!(text, "\n## {}\n\n| code | cause |\n|---|---|\n", origin.as_str()).unwrap();
        for entry in origin.entries() {
            writeln!(text, "| [{0}](errors/{0}.md) | {1} |", entry.code, entry.cause.replace('|', "\\|"))
                .unwrap();
        }
    }
    text
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
