//! Signed URLs: what they let somebody do, what they do not, and how long.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::time::{Duration, Instant};

use s3_connector::clock::{Clock, rfc3339};
use serde_json::{Value, json};

use crate::harness::aws::{self, unique};
use crate::harness::http_fault::{Answer, HttpFault};
use crate::harness::servers::{AccessKey, Servers};
use crate::signed::{follow, get, parameter, send};
use crate::stores::{Place, Raw, by_key, by_path, create, raw, service_at, service_with};
use crate::support::{Client, Embedded, Setup, definition, expect};

/// Every byte that an encoder may get wrong.
const KEYS: &[&str] = &[
    "plain.txt",
    "a b+c&d=e?f#g%h",
    "a//b",
    "/leading",
    "trailing/",
    "../up",
    "./here/../there",
    "a%2Fb",
    "ü 日本 🚀",
    "'quotes\"<>`{}|\\^[]",
    "tab\tand:;,@$!*()~",
];

/// A signed URL.
async fn sign(client: &Client, resource: &str, options: Value) -> Value {
    let mut body = options;
    body["operation"] = json!("sign");
    expect(client.query(resource, &body).await, 200)
}

fn url(signed: &Value) -> &str {
    signed["url"].as_str().unwrap()
}

#[tokio::test]
async fn a_signed_url_does_what_it_says_without_a_token() {
    for place in Place::both().await {
        let service = service_at(&place).await;
        let admin = &service.admin;
        let put = json!({"method": "PUT", "key": "a.txt", "content_type": "text/plain", "content_length": 5,
            "metadata": {"Author": "ann"}, "cache_control": "max-age=60"});
        let signed = sign(admin, "main", put).await;
        assert_eq!(signed["headers"]["content-type"], "text/plain", "{signed:#}");
        assert_eq!(signed["headers"]["x-amz-meta-author"], "ann", "{signed:#}");
        assert_eq!((&signed["method"], &signed["expires_in"]), (&json!("PUT"), &json!(900)));
        assert_eq!(signed["warnings"], json!([]));
        let done = follow(&signed, b"hello").await;
        assert_eq!(done.status, 200, "{}: {done:?}", place.name);
        let head = expect(admin.query("main", &json!({"operation": "head", "key": "a.txt"})).await, 200);
        assert_eq!(
            (&head["content_type"], &head["metadata"]["author"]),
            (&json!("text/plain"), &json!("ann"))
        );
        let read = follow(&sign(admin, "main", json!({"key": "a.txt"})).await, b"").await;
        assert_eq!((read.status, read.body.as_slice()), (200, b"hello".as_slice()), "{}", place.name);
        let looked = follow(&sign(admin, "main", json!({"method": "HEAD", "key": "a.txt"})).await, b"").await;
        assert_eq!((looked.status, looked.header("content-length")), (200, Some("5")), "{}", place.name);
        let gone = follow(&sign(admin, "main", json!({"method": "DELETE", "key": "a.txt"})).await, b"").await;
        assert_eq!(gone.status, 204, "{}: {gone:?}", place.name);
        assert!(place.keys().await.is_empty());
    }
}

/// `url` stands for what browsers do: it takes steps out of a path (RFC 3986, section 5.2.4).
#[tokio::test]
async fn urls_that_clients_would_change_are_told_and_nobody_is_sent_there() {
    let place = Place::embedded().await;
    let service = service_at(&place).await;
    let admin = &service.admin;
    for key in ["../up", "a/./b", "a/..b/.c"] {
        expect(admin.query("main", &json!({"operation": "put", "key": key, "text": key})).await, 200);
        let signed = sign(admin, "main", json!({"key": key})).await;
        let kept = reqwest::Url::parse(url(&signed)).unwrap().as_str() == url(&signed);
        let warnings = signed["warnings"].as_array().unwrap();
        assert_eq!(warnings.is_empty(), kept, "{key}: {signed:#}");
        assert!(warnings.iter().all(|text| text.as_str().unwrap().contains("--path-as-is")), "{signed:#}");
        // who would be sent to such a URL gets the object here
        let redirected = raw(admin, "GET", &format!("{}&redirect=true", by_key("main", key)), &[], b"").await;
        let status = if kept { 307 } else { 200 };
        assert_eq!(redirected.status, status, "{key}: {redirected:?}");
    }
    let listed = json!({"operation": "list", "sign_expires_in": 60, "prefix": ".."});
    let page = expect(admin.query("main", &listed).await, 200);
    assert!(page["notes"][0].as_str().unwrap().contains("`../up`"), "{page:#}");
    // whatever else there is to say
    let sorted = json!({"operation": "list", "sign_expires_in": 60, "sort": {"by": "size"}, "limit": 1});
    let notes = expect(admin.query("main", &sorted).await, 200)["notes"].clone();
    assert_eq!(notes.as_array().unwrap().len(), 2, "{notes:#}");
}

#[tokio::test]
async fn a_signed_url_is_good_for_nothing_else() {
    for place in Place::both().await {
        let service = service_at(&place).await;
        let admin = &service.admin;
        for key in ["a.txt", "b.txt"] {
            expect(admin.query("main", &json!({"operation": "put", "key": key, "text": key})).await, 200);
        }
        let signed = sign(admin, "main", json!({"key": "a.txt"})).await;
        let url = url(&signed);
        let signature = parameter(url, "X-Amz-Signature").unwrap();
        let forged = if signature.starts_with('0') { "1" } else { "0" };
        let forged = format!("{forged}{}", signature.get(1..).unwrap());
        let tampered = [
            ("another key", "GET", url.replace("/a.txt", "/b.txt")),
            ("another signature", "GET", url.replace(&signature, &forged)),
            ("a longer life", "GET", url.replace("Expires=900", "Expires=9000")),
            ("another method", "DELETE", url.to_owned()),
            ("a parameter more", "GET", format!("{url}&response-content-type=text%2Fhtml")),
        ];
        for (what, method, url) in tampered {
            let refused = send(method, &url, &[], b"").await;
            assert_eq!(refused.status, 403, "{} took {what}: {refused:?}", place.name);
        }
        let put = json!({"method": "PUT", "key": "c.txt", "content_type": "text/plain", "content_length": 5});
        let put = sign(admin, "main", put).await;
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let typed = [header("content-type", "text/html"), header("content-length", "5")];
        assert_eq!(send("PUT", self::url(&put), &typed, b"hello").await.status, 403, "{}", place.name);
        let longer = [header("content-type", "text/plain")];
        assert_eq!(send("PUT", self::url(&put), &longer, b"hello!").await.status, 403, "{}", place.name);
        assert_eq!(place.keys().await, ["a.txt", "b.txt"]);
    }
}

#[tokio::test]
async fn a_signed_url_ends() {
    for place in Place::both().await {
        let service = service_at(&place).await;
        let admin = &service.admin;
        expect(admin.query("main", &json!({"operation": "put", "key": "a", "text": "a"})).await, 200);
        let signed = sign(admin, "main", json!({"key": "a", "expires_in": 2})).await;
        assert_eq!(get(url(&signed)).await.status, 200, "{}", place.name);
        let began = Instant::now();
        while get(url(&signed)).await.status != 403 {
            assert!(began.elapsed() < Duration::from_secs(10), "{} never ends it", place.name);
        }
    }
}

#[tokio::test]
async fn keys_are_signed_byte_for_byte() {
    for place in Place::both().await {
        let service = service_with(&place, Setup::new(), &json!({"prefix": "root of/all+things/"})).await;
        let admin = &service.admin;
        for key in KEYS {
            let put = sign(admin, "main", json!({"method": "PUT", "key": key})).await;
            let done = follow(&put, key.as_bytes()).await;
            assert_eq!(done.status, 200, "{} `{key}`: {done:?}", place.name);
            let read = get(url(&sign(admin, "main", json!({"key": key})).await)).await;
            assert_eq!((read.status, read.body.as_slice()), (200, key.as_bytes()), "{} `{key}`", place.name);
            let own = raw(admin, "GET", &by_key("main", key), &[], b"").await;
            assert_eq!((own.status, own.body.as_slice()), (200, key.as_bytes()), "{} `{key}`", place.name);
        }
        let stored = place.keys().await;
        assert!(stored.iter().all(|key| key.starts_with("root of/all+things/")), "{stored:?}");
        assert_eq!(stored.len(), KEYS.len(), "{stored:?}");
    }
}

#[tokio::test]
async fn the_answer_to_a_signed_read_has_the_headers_that_were_asked_for() {
    for place in Place::both().await {
        let service = service_at(&place).await;
        let admin = &service.admin;
        expect(admin.query("main", &json!({"operation": "put", "key": "a", "text": "a"})).await, 200);
        let options = json!({"key": "a", "response_content_type": "text/x-own",
            "response_content_disposition": "attachment; filename=\"a b.txt\"", "response_cache_control": "no-cache"});
        let read = get(url(&sign(admin, "main", options).await)).await;
        assert_eq!(read.status, 200, "{read:?}");
        assert_eq!(read.header("content-type"), Some("text/x-own"));
        assert_eq!(read.header("content-disposition"), Some("attachment; filename=\"a b.txt\""));
        assert_eq!(read.header("cache-control"), Some("no-cache"));
    }
}

#[tokio::test]
async fn the_url_is_what_aws_s3_presign_makes() {
    let servers = Servers::get();
    let place = Place::radosgw().await;
    let service = service_at(&place).await;
    let key = "a b/ü+1.txt";
    let ours = sign(&service.admin, "main", json!({"key": key, "expires_in": 600})).await;
    let object = format!("s3://{}/{key}", place.bucket);
    let arguments = ["s3", "presign", &object, "--expires-in", "600"];
    let mut command = aws::aws_cli_command(&servers, &place.url, &place.key, &arguments);
    // without it awscli signs for other endpoints in the old way
    let settings = service.data.path().join("aws.config");
    std::fs::write(&settings, "[default]\ns3 =\n  signature_version = s3v4\n").unwrap();
    command.env("AWS_CONFIG_FILE", settings);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let theirs = String::from_utf8(output.stdout).unwrap();
    let theirs = theirs.trim();
    let shape = |url: &str| {
        let (path, query) = url.split_once('?').unwrap();
        let mut names: Vec<String> =
            query.split('&').map(|pair| pair.split('=').next().unwrap().to_owned()).collect();
        names.sort();
        (path.to_owned(), names)
    };
    assert_eq!(shape(url(&ours)), shape(theirs));
    for name in ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Expires", "X-Amz-SignedHeaders"] {
        assert_eq!(parameter(url(&ours), name), parameter(theirs, name), "{name}");
    }
}

#[tokio::test]
async fn what_the_resource_does_not_allow_is_not_signed_either() {
    let place = Place::embedded().await;
    let service = service_with(&place, Setup::new(), &json!({"operations": ["get", "list"]})).await;
    let admin = &service.admin;
    let limits = json!({"operations": ["sign", "get"], "limits": {"max_put_bytes": 10}});
    create(admin, &place, "reader", &limits).await;
    let bounded = json!({"limits": {"max_put_bytes": 10}});
    create(admin, &place, "bounded", &bounded).await;
    create(admin, &place, "open", &json!({"auth": {"kind": "anonymous"}})).await;
    create(admin, &place, "plain", &json!({"provider": "garage"})).await;
    let ask = |resource: &'static str, body: Value| async move {
        let mut body = body;
        body["operation"] = json!("sign");
        admin.query(resource, &body).await
    };
    let refused = expect(ask("main", json!({"key": "a"})).await, 403);
    assert!(refused["detail"].as_str().unwrap().contains("`sign`"), "{refused:#}");
    expect(ask("reader", json!({"key": "a"})).await, 200);
    for (method, word) in [("PUT", "`put`"), ("HEAD", "`head`"), ("DELETE", "`delete`")] {
        let refused = expect(ask("reader", json!({"key": "a", "method": method})).await, 403);
        assert!(refused["detail"].as_str().unwrap().contains(word), "{refused:#}");
    }
    let put = json!({"key": "a", "method": "PUT"});
    let refused = expect(ask("bounded", put.clone()).await, 400);
    assert!(refused["detail"].as_str().unwrap().contains("content_length"), "{refused:#}");
    let mut long = put.clone();
    long["content_length"] = json!(11);
    expect(ask("bounded", long.clone()).await, 413);
    long["content_length"] = json!(10);
    expect(ask("bounded", long).await, 200);
    let refused = expect(ask("open", json!({"key": "a"})).await, 400);
    assert!(refused["detail"].as_str().unwrap().contains("anonymous"), "{refused:#}");
    let conditional = json!({"key": "a", "method": "PUT", "if_none_match": "*"});
    assert_eq!(expect(ask("plain", conditional).await, 501)["code"], "NotSupportedByProvider");
    for (wrong, word) in [
        (json!({"key": "a", "content_type": "text/plain"}), "content_type"),
        (json!({"key": "a", "expires_in": 0}), "expires_in"),
        (json!({"key": "a", "method": "POST"}), "`HEAD`"),
        (json!({"key": "a", "metadta": {}}), "metadta"),
        (json!({"key": ""}), "empty"),
        (json!({"key": "a", "method": "PUT", "content_type": "a\r\nb: c"}), "content-type"),
        (json!({"key": "a", "method": "PUT", "metadata": {"ü": "a"}}), "x-amz-meta-ü"),
    ] {
        let refused = expect(ask("plain", wrong).await, 400);
        assert!(refused["detail"].as_str().unwrap().contains(word), "{refused:#}");
    }
}

#[tokio::test]
async fn a_signature_that_is_asked_for_longer_than_there_is_one_says_so() {
    let place = Place::embedded().await;
    let service = service_at(&place).await;
    let signed = sign(&service.admin, "main", json!({"key": "a", "expires_in": 604_801})).await;
    assert_eq!(signed["expires_in"], 604_800);
    assert!(signed["warnings"][0].as_str().unwrap().contains("seven days"), "{signed:#}");
    let signed = sign(&service.admin, "main", json!({"key": "a", "expires_in": "7d"})).await;
    assert_eq!((&signed["expires_in"], &signed["warnings"]), (&json!(604_800), &json!([])));
}

#[tokio::test]
async fn signing_is_audited_without_the_signature_and_logged_nowhere() {
    let place = Place::radosgw().await;
    let mut service = service_at(&place).await;
    let admin = service.admin.clone();
    expect(admin.query("main", &json!({"operation": "put", "key": "a.txt", "text": "hello"})).await, 200);
    let answer = raw(&admin, "GET", &format!("{}?redirect=true", by_path("main", "a.txt")), &[], b"").await;
    let location = location(&answer);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(parameter(&location, "X-Amz-Expires").as_deref(), Some("60"));
    assert_eq!(get(&location).await.body, b"hello");
    let by_key = raw(&admin, "GET", &format!("{}&redirect=true", by_key("main", "a.txt")), &[], b"").await;
    assert_eq!(by_key.status, 307, "{by_key:?}");
    let rest = json!({"key": "a.txt", "method": "DELETE"});
    let posted = admin.request(reqwest::Method::POST, "/v1/resources/main/objects:sign").json(&rest);
    let posted = posted.send().await.unwrap();
    assert_eq!(posted.headers()["cache-control"], "no-store");
    let signed: Value = posted.json().await.unwrap();
    let audit = expect(admin.get("/v1/audit?limit=100").await, 200);
    let rows: Vec<&Value> =
        audit["rows"].as_array().unwrap().iter().filter(|row| row["action"] == "object.sign").collect();
    assert_eq!(rows.len(), 3, "{audit:#}");
    assert!(rows.iter().all(|row| row["key"] == "a.txt" && row["outcome"] == "ok"), "{rows:#?}");
    let details: Vec<&str> = rows.iter().map(|row| row["detail"].as_str().unwrap()).collect();
    assert!(details.iter().any(|detail| detail.starts_with("DELETE until 20")), "{details:?}");
    let signatures = [
        parameter(&location, "X-Amz-Signature").unwrap(),
        parameter(url(&signed), "X-Amz-Signature").unwrap(),
    ];
    service.process.terminate(Duration::from_secs(30)).await;
    let log = service.process.output();
    for signature in signatures {
        assert!(!audit.to_string().contains(&signature));
        assert!(!log.contains(&signature), "a signature was logged");
    }
}

fn location(answer: &Raw) -> String {
    assert_eq!(answer.status, 307, "{answer:?}");
    answer.header("location").unwrap().to_owned()
}

// The public endpoint

#[tokio::test]
async fn urls_are_signed_for_the_public_endpoint() {
    let place = Place::embedded().await;
    let port = place.url.rsplit(':').next().unwrap();
    let public = format!("http://localhost:{port}");
    let service = service_with(&place, Setup::new(), &json!({"public_endpoint": public})).await;
    let admin = &service.admin;
    expect(admin.query("main", &json!({"operation": "put", "key": "a", "text": "a"})).await, 200);
    let signed = sign(admin, "main", json!({"key": "a"})).await;
    assert!(url(&signed).starts_with(&format!("{public}/bucket/a?")), "{signed:#}");
    assert_eq!(get(url(&signed)).await.body, b"a");
    let virtual_hosts = json!({"public_endpoint": "https://files.example.com", "addressing": "virtual"});
    create(admin, &place, "elsewhere", &virtual_hosts).await;
    let signed = sign(admin, "elsewhere", json!({"key": "a"})).await;
    assert!(url(&signed).starts_with("https://bucket.files.example.com/a?"), "{signed:#}");
    // an environment that is elsewhere does not sign for the place of the others
    let moved = json!({"public_endpoint": "https://files.example.com",
        "environments": {"production": {"endpoint": place.url}}});
    create(admin, &place, "moved", &moved).await;
    let signed = sign(admin, "moved", json!({"key": "a"})).await;
    assert!(url(&signed).starts_with(&place.url), "{signed:#}");
}

#[tokio::test]
async fn a_public_endpoint_is_a_destination_like_any_other() {
    let place = Place::embedded().await;
    let service = service_at(&place).await;
    let admin = &service.admin;
    let change = json!({"public_endpoint": "https://files.example.com"});
    let refused = expect(admin.patch("/v1/resources/main", &change).await, 422);
    assert_eq!(refused["errors"][0]["code"], "KEY_MUST_BE_TYPED_AGAIN", "{refused:#}");
    for blocked in ["http://169.254.169.254", "ftp://files.example.com", "http://10.0.0.1"] {
        let mut body = place.definition("blocked");
        body["public_endpoint"] = json!(blocked);
        let refused = expect(admin.post("/v1/resources", &body).await, 422);
        assert_eq!(refused["errors"][0]["code"], "ENDPOINT_BLOCKED", "{refused:#}");
        assert_eq!(refused["errors"][0]["path"], "public_endpoint", "{refused:#}");
    }
    expect(admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
    let value = json!({"value": {"id": place.key.id, "secret": place.key.secret}});
    expect(admin.put("/v1/sources/vault/secrets/s3", &value).await, 200);
    let rule = json!({"name": "inside", "source": "vault", "secrets": ["s3"], "fields": ["*"],
        "endpoint_hosts": ["127.0.0.1"]});
    expect(admin.post("/v1/usage-policies", &rule).await, 201);
    let mut body = place.definition("templated");
    body["auth"]["access_key_id"] = json!("{{ secrets.s3.id }}");
    body["auth"]["secret_access_key"] = json!("{{ secrets.s3.secret }}");
    expect(admin.post("/v1/resources", &body).await, 201);
    let refused = expect(admin.patch("/v1/resources/templated", &change).await, 422);
    assert_eq!(refused["errors"][0]["code"], "USAGE_DENIED", "{refused:#}");
    assert!(refused["detail"].as_str().unwrap().contains("files.example.com"), "{refused:#}");
}

// Sessions

#[tokio::test]
async fn a_session_signs_for_as_long_as_it_lives() {
    let servers = Servers::get();
    let user = aws::create_rgw_user(&servers, "sign").await;
    let bucket = aws::create_bucket(&aws::s3(&servers.rgw, &servers.rgw_key), "sign").await;
    let policy = aws::allow(&["s3:*"], &["arn:aws:s3:::*"]);
    let role = aws::create_rgw_role(&servers, "sign", &aws::trust(&user.arn), &policy).await;
    let service = Setup::new().start().await;
    let mut body = definition("main", &servers.rgw_sts, &bucket, &user.key);
    body["provider"] = json!("ceph");
    body["assume_role"] = json!({"role_arn": role, "duration": 900});
    expect(service.admin.post("/v1/resources", &body).await, 201);
    let put = json!({"operation": "put", "key": "a.txt", "text": "hello"});
    expect(service.admin.query("main", &put).await, 200);
    let signed = sign(&service.admin, "main", json!({"key": "a.txt", "expires_in": 3600})).await;
    let seconds = signed["expires_in"].as_u64().unwrap();
    assert!((800..=900).contains(&seconds), "{signed:#}");
    assert!(signed["warnings"][0].as_str().unwrap().contains("credentials"), "{signed:#}");
    assert_eq!(parameter(url(&signed), "X-Amz-Expires").unwrap(), seconds.to_string());
    assert!(parameter(url(&signed), "X-Amz-Security-Token").is_some());
    assert_eq!(get(url(&signed)).await.body, b"hello");
    let short = sign(&service.admin, "main", json!({"key": "a.txt", "expires_in": 60})).await;
    assert_eq!((&short["expires_in"], &short["warnings"]), (&json!(60), &json!([])));
}

#[tokio::test]
async fn a_session_that_ends_soon_is_renewed_before_it_signs() {
    let sts = Sts::start().await;
    sts.front.answer_to("AssumeRole", 1, sts.session(100));
    sts.front.answer_to("AssumeRole", 1_000, sts.session(3600));
    expect(sts.admin.query("main", &json!({"operation": "list"})).await, 200);
    assert_eq!(sts.front.count("AssumeRole"), 1);
    // it lives long enough for this one
    let signed = sign(&sts.admin, "main", json!({"key": "a", "expires_in": 30})).await;
    assert_eq!((&signed["expires_in"], sts.front.count("AssumeRole")), (&json!(30), 1));
    for _ in 0..3 {
        let signed = sign(&sts.admin, "main", json!({"key": "a", "expires_in": 900})).await;
        assert_eq!((&signed["expires_in"], &signed["warnings"]), (&json!(900), &json!([])));
    }
    assert_eq!(sts.front.count("AssumeRole"), 2, "one renewal for all of them");
}

#[tokio::test]
async fn a_session_that_cannot_be_longer_is_not_renewed_for_every_url() {
    let sts = Sts::start().await;
    sts.front.answer_to("AssumeRole", 1_000, sts.session(100));
    for _ in 0..5 {
        let signed = sign(&sts.admin, "main", json!({"key": "a", "expires_in": 900})).await;
        assert!((80..=100).contains(&signed["expires_in"].as_u64().unwrap()), "{signed:#}");
        assert!(signed["warnings"][0].as_str().unwrap().contains("credentials"), "{signed:#}");
    }
    assert_eq!(sts.front.count("AssumeRole"), 2, "one to have a session, one to learn that it is no longer");
}

/// A service before an embedded store whose STS is played by a front.
struct Sts {
    front: HttpFault,
    embedded: Embedded,
    admin: Client,
    _service: crate::support::Service,
}

impl Sts {
    async fn start() -> Sts {
        let embedded = Embedded::start().await;
        let front = HttpFault::start(&embedded.url).await;
        let service = Setup::new().start().await;
        let base = AccessKey::new("AKIABASE000000000001", "base-secret");
        let mut body = definition("main", &front.url(), &embedded.bucket, &base);
        let role = format!("arn:aws:iam::123456789012:role/{}", unique("sign"));
        body["provider"] = json!("ceph");
        body["assume_role"] = json!({"role_arn": role});
        expect(service.admin.post("/v1/resources", &body).await, 201);
        Sts { front, embedded, admin: service.admin.clone(), _service: service }
    }

    /// A session with the store's keys that ends so many seconds from now.
    fn session(&self, seconds: i64) -> Answer {
        let ends = rfc3339(Clock::system().now_ms() + seconds * 1000);
        let AccessKey { id, secret } = &self.embedded.key;
        let key = format!("<AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>");
        let rest = format!("<SessionToken>token</SessionToken><Expiration>{ends}</Expiration>");
        let result = format!("<AssumeRoleResult><Credentials>{key}{rest}</Credentials></AssumeRoleResult>");
        let space = "https://sts.amazonaws.com/doc/2011-06-15/";
        let body = format!("<AssumeRoleResponse xmlns=\"{space}\">{result}</AssumeRoleResponse>");
        Answer::new(200, "text/xml", body)
    }
}
