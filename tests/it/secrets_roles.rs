//! Roles: assumed by sources and by resources, shared, scoped and renewed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_sdk_s3::primitives::ByteStream;
use futures_util::future;
use s3_connector::clock::{Clock, rfc3339};
use serde_json::{Value, json};

use crate::harness::aws::{self, RgwUser, Secrets, unique};
use crate::harness::http_fault::{Answer, HttpFault, Recorded};
use crate::harness::servers::{AccessKey, Servers};
use crate::secrets_world::{World, check, new_key, pair};
use crate::support::{Client, Embedded, Setup, definition, expect, moto_source, templated};

const ROLE: &str = "arn:aws:iam::123456789012:role/reader";
const ALWAYS: usize = 1_000_000;

// Roles of sources

#[tokio::test]
async fn a_source_reads_with_the_session_of_its_role() {
    let role = json!({"role_arn": ROLE, "external_id": "ext-1", "session_name": "reader-1"});
    let world = World::with(json!({"assume_role": role, "cache_ttl_ms": 0})).await;
    let report = expect(world.admin().post("/v1/sources/moto/test", &json!({})).await, 200);
    assert_eq!(report["verdict"], "works", "{report:#}");
    assert_eq!(check(&report, "role-assumed")["status"], "passed");
    world.main().await;
    for _ in 0..3 {
        expect(world.list("main").await, 200);
    }
    let assumed = assumptions(&world.front);
    assert_eq!(assumed.len(), 1, "one session for the test and all queries");
    assert_eq!(assumed[0]["RoleArn"], ROLE);
    assert_eq!(assumed[0]["ExternalId"], "ext-1");
    assert_eq!(assumed[0]["RoleSessionName"], "reader-1");
    let reads = world.front.requests().into_iter().filter(|r| r.action.as_deref() == Some("GetSecretValue"));
    for read in reads {
        assert!(read.headers.contains_key("x-amz-security-token"), "read without the session: {read:?}");
    }
}

#[tokio::test]
async fn a_wrong_external_id_is_refused_and_said_so() {
    let servers = Servers::get();
    let service = Setup::new().start().await;
    let name = unique("external");
    let embedded = Embedded::start().await;
    let owner = Secrets::new(&servers.moto_auth, &servers.moto_auth_key);
    owner.create_json(&name, &pair(&embedded.key)).await;
    let may_read = aws::allow(&["secretsmanager:*"], &["*"]);
    let mut trust = aws::trust("*");
    trust["Statement"][0]["Principal"] = json!({"AWS": "*"});
    trust["Statement"][0]["Condition"] = json!({"StringEquals": {"sts:ExternalId": "right"}});
    let role = aws::create_moto_role(&servers, "external", &trust, &may_read).await;
    let user = aws::create_moto_user(&servers, "external", &aws::allow(&["sts:AssumeRole"], &["*"])).await;
    let reference = |source: &str, key: &str| format!("{{{{ secrets@{source}['{name}'].{key} }}}}");
    for external_id in ["right", "wrong"] {
        let mut source = moto_source(external_id, &servers.moto_auth, "");
        source["auth"]["access_key_id"] = json!(user.id);
        source["auth"]["secret_access_key"] = json!(user.secret);
        source["assume_role"] = json!({"role_arn": role, "external_id": external_id});
        expect(service.admin.post("/v1/sources", &source).await, 201);
        let (id, secret) = (reference(external_id, "id"), reference(external_id, "secret"));
        let body = templated(external_id, &embedded.url, "bucket", &id, &secret);
        expect(service.admin.post("/v1/resources", &body).await, 201);
    }
    let list = json!({"operation": "list"});
    let report = expect(service.admin.post("/v1/sources/right/test", &json!({})).await, 200);
    assert_eq!(check(&report, "role-assumed")["status"], "passed", "{report:#}");
    expect(service.admin.query("right", &list).await, 200);
    let report = expect(service.admin.post("/v1/sources/wrong/test", &json!({})).await, 200);
    assert_eq!(report["verdict"], "fails", "{report:#}");
    let assumed = check(&report, "role-assumed");
    assert_eq!((&assumed["status"], &assumed["cause"]), (&json!("failed"), &json!("RoleNotAssumable")));
    assert!(assumed["remedy"].is_string(), "{assumed:#}");
    let error = expect(service.admin.query("wrong", &list).await, 424);
    assert!(error["code"].as_str().unwrap().starts_with("AccessDenied"), "{error:#}");
}

// Roles of resources

#[tokio::test]
async fn a_resource_works_with_the_session_of_its_role() {
    let rgw = Rgw::start().await;
    let role = rgw.role().await;
    rgw.resource("main", &role, json!({})).await;
    let admin = &rgw.admin;
    expect(admin.query("main", &json!({"operation": "put", "key": "a.txt", "text": "hello"})).await, 200);
    let got = expect(admin.query("main", &json!({"operation": "get", "key": "a.txt"})).await, 200);
    assert_eq!(got["content"], "hello");
    // the user itself may not: only the role may
    let error = aws::s3(&rgw.servers.rgw, &rgw.user.key).list_objects_v2().bucket(&rgw.bucket).send().await;
    error.unwrap_err();
    assert_eq!(assumptions(&rgw.front)[0]["RoleArn"], role);
}

#[tokio::test]
async fn a_role_that_does_not_trust_the_user_is_an_error_of_sts() {
    let rgw = Rgw::start().await;
    let stranger = aws::create_rgw_user(&rgw.servers, "stranger").await;
    let policy = aws::allow(&["s3:*"], &["arn:aws:s3:::*"]);
    let role = aws::create_rgw_role(&rgw.servers, "closed", &aws::trust(&stranger.arn), &policy).await;
    rgw.resource("main", &role, json!({})).await;
    let error = expect(rgw.admin.query("main", &json!({"operation": "list"})).await, 424);
    assert_eq!(error["upstream"]["service"], "sts", "{error:#}");
    assert!(error["remedy"].is_string(), "{error:#}");
}

#[tokio::test]
async fn a_scoped_session_may_only_do_what_the_resource_may() {
    let rgw = Rgw::start().await;
    let role = rgw.role().await;
    let owner = aws::s3(&rgw.servers.rgw, &rgw.servers.rgw_key);
    for key in ["in/a.txt", "out/b.txt"] {
        aws::put_object(&owner, &rgw.bucket, key, key).await;
    }
    let fields = json!({"prefix": "in/", "operations": ["list", "get"]});
    rgw.resource_with("scoped", &role, json!({"session_policy": "scoped"}), fields).await;
    let listed = expect(rgw.admin.query("scoped", &json!({"operation": "list"})).await, 200);
    assert_eq!(listed["objects"][0]["key"], "a.txt", "{listed:#}");
    let got = expect(rgw.admin.query("scoped", &json!({"operation": "get", "key": "a.txt"})).await, 200);
    assert_eq!(got["content"], "in/a.txt");
    let put = json!({"operation": "put", "key": "c.txt", "text": "no"});
    assert_eq!(expect(rgw.admin.query("scoped", &put).await, 403)["code"], "OperationNotAllowed");
    // a session with the very policy that was sent is as narrow when it is used without the service
    let policy = assumptions(&rgw.front)[0]["Policy"].clone();
    let session = rgw.session(&role, &policy).await;
    let raw = aws::s3_with(&rgw.servers.rgw_sts, session);
    let bucket = rgw.bucket.as_str();
    raw.list_objects_v2().bucket(bucket).prefix("in/").send().await.unwrap();
    assert_eq!(aws::get_object(&raw, bucket, "in/a.txt").await, b"in/a.txt");
    raw.list_objects_v2().bucket(bucket).prefix("out/").send().await.unwrap_err();
    raw.list_objects_v2().bucket(bucket).send().await.unwrap_err();
    raw.get_object().bucket(bucket).key("out/b.txt").send().await.unwrap_err();
    let body = ByteStream::from_static(b"no");
    raw.put_object().bucket(bucket).key("in/c.txt").body(body).send().await.unwrap_err();
    raw.delete_object().bucket(bucket).key("in/a.txt").send().await.unwrap_err();
}

#[tokio::test]
async fn a_session_without_a_policy_is_not_narrowed() {
    let rgw = Rgw::start().await;
    let role = rgw.role().await;
    rgw.resource("wide", &role, json!({"session_policy": "none"})).await;
    expect(rgw.admin.query("wide", &json!({"operation": "list"})).await, 200);
    assert!(!assumptions(&rgw.front)[0].contains_key("Policy"));
}

#[tokio::test]
async fn a_role_is_assumed_once_however_many_resources_and_requests_use_it() {
    let rgw = Rgw::start().await;
    let roles = [rgw.role().await, rgw.role().await];
    for number in 0..6 {
        rgw.resource(&format!("r{number}"), &roles[number % 2], json!({})).await;
    }
    let list = json!({"operation": "list"});
    for _ in 0..3 {
        let names = (0..24).map(|query| format!("r{}", query % 6)).collect::<Vec<_>>();
        for answer in future::join_all(names.iter().map(|name| rgw.admin.query(name, &list))).await {
            expect(answer, 200);
        }
    }
    let mut assumed: Vec<String> =
        assumptions(&rgw.front).iter().map(|form| form["RoleArn"].clone()).collect();
    assumed.sort();
    let mut expected = roles.to_vec();
    expected.sort();
    assert_eq!(assumed, expected);
}

#[tokio::test]
async fn a_failed_assumption_is_shared_by_those_who_wait_for_it() {
    let sts = Sts::start().await;
    let refusal = Answer::query_error(403, "AccessDenied").after(Duration::from_millis(500));
    sts.front.answer_to("AssumeRole", ALWAYS, refusal);
    let answers = future::join_all((0..20).map(|_| sts.list())).await;
    for answer in answers {
        assert_eq!(expect(answer, 424)["upstream"]["service"], "sts");
    }
    assert!(sts.assumed() <= 2, "{} calls for 20 requests at once", sts.assumed());
}

#[tokio::test]
async fn a_session_is_renewed_in_the_background_from_half_of_its_life() {
    let sts = Sts::start().await;
    let slow = Duration::from_secs(2);
    sts.front.answer_to("AssumeRole", 1, sts.session(22));
    sts.front.answer_to("AssumeRole", ALWAYS, sts.session(3600).after(slow));
    let began = Instant::now();
    expect(sts.list().await, 200);
    assert_eq!(sts.assumed(), 1);
    // requests go on until the renewal has started, and do not wait for it
    while sts.assumed() == 1 {
        expect(sts.list().await, 200);
        assert!(began.elapsed() < Duration::from_secs(12), "no renewal before the session's end");
    }
    assert!(began.elapsed() > Duration::from_secs(8), "renewed before half of its life");
    let asked = Instant::now();
    expect(sts.list().await, 200);
    assert!(asked.elapsed() < slow, "a request waited for the renewal");
    // past the first session's end, the second is in use
    while began.elapsed() < Duration::from_secs(13) {
        expect(sts.list().await, 200);
    }
    assert_eq!(sts.assumed(), 2);
}

#[tokio::test]
async fn a_session_that_was_ended_early_is_replaced_once_for_all_who_use_it() {
    let sts = Sts::start().await;
    sts.front.answer_to("AssumeRole", 1, sts.session(3600));
    let began = Instant::now();
    expect(sts.list().await, 200);
    // a session younger than a second is not given up: that could go on for ever
    while began.elapsed() < Duration::from_millis(1_200) {
        expect(sts.list().await, 200);
    }
    let key = new_key();
    sts.front.answer_to("AssumeRole", ALWAYS, session_of(&key, 3600).after(Duration::from_millis(200)));
    sts.embedded.store.set_keys(&key.id, key.secret.clone().into());
    for answer in future::join_all((0..24).map(|_| sts.list())).await {
        expect(answer, 200);
    }
    assert_eq!(sts.assumed(), 2);
}

#[tokio::test]
async fn requests_go_on_while_sts_is_down_and_the_session_is_valid() {
    let sts = Sts::start().await;
    sts.front.answer_to("AssumeRole", 1, sts.session(22));
    sts.front.answer_to("AssumeRole", ALWAYS, Answer::query_error(503, "ServiceUnavailable"));
    let began = Instant::now();
    while sts.assumed() < 2 {
        expect(sts.list().await, 200);
        assert!(began.elapsed() < Duration::from_secs(12), "no renewal was tried");
    }
    for _ in 0..10 {
        expect(sts.list().await, 200);
    }
    assert!(began.elapsed() < Duration::from_secs(12), "too slow to say anything");
}

/// The forms of the calls of `AssumeRole` that came in.
fn assumptions(front: &HttpFault) -> Vec<HashMap<String, String>> {
    let form = |request: Recorded| url::form_urlencoded::parse(&request.body).into_owned().collect();
    let calls =
        front.requests().into_iter().filter(|request| request.action.as_deref() == Some("AssumeRole"));
    calls.map(form).collect()
}

/// A service before radosgw with STS, whose calls are counted, and a user who may do nothing but assume roles.
struct Rgw {
    servers: Servers,
    front: HttpFault,
    user: RgwUser,
    bucket: String,
    admin: Client,
    _service: crate::support::Service,
}

impl Rgw {
    async fn start() -> Rgw {
        let servers = Servers::get();
        let front = HttpFault::start(&servers.rgw_sts).await;
        let user = aws::create_rgw_user(&servers, "role").await;
        let bucket = aws::create_bucket(&aws::s3(&servers.rgw, &servers.rgw_key), "role").await;
        let service = Setup::new().start().await;
        Rgw { servers, front, user, bucket, admin: service.admin.clone(), _service: service }
    }

    /// A new role that the user may assume, with which everything may be done in S3.
    async fn role(&self) -> String {
        let policy = aws::allow(&["s3:*"], &["arn:aws:s3:::*"]);
        aws::create_rgw_role(&self.servers, "role", &aws::trust(&self.user.arn), &policy).await
    }

    async fn resource(&self, name: &str, role: &str, extra: Value) {
        self.resource_with(name, role, extra, json!({})).await;
    }

    async fn resource_with(&self, name: &str, role: &str, extra: Value, fields: Value) {
        let mut body = definition(name, &self.front.url(), &self.bucket, &self.user.key);
        body["provider"] = json!("ceph");
        body["assume_role"] = json!({"role_arn": role});
        for (place, fields) in [("/assume_role", extra), ("", fields)] {
            let target = body.pointer_mut(place).unwrap().as_object_mut().unwrap();
            target.extend(fields.as_object().unwrap().clone());
        }
        expect(self.admin.post("/v1/resources", &body).await, 201);
    }

    async fn session(&self, role: &str, policy: &str) -> Credentials {
        let client = aws::sts(&self.servers.rgw_sts, &self.user.key);
        let call = client.assume_role().role_arn(role).role_session_name("raw").policy(policy);
        let made = call.send().await.unwrap().credentials.unwrap();
        Credentials::new(made.access_key_id, made.secret_access_key, Some(made.session_token), None, "test")
    }
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
        body["assume_role"] = json!({"role_arn": ROLE});
        expect(service.admin.post("/v1/resources", &body).await, 201);
        Sts { front, embedded, admin: service.admin.clone(), _service: service }
    }

    async fn list(&self) -> (u16, Value) {
        self.admin.query("main", &json!({"operation": "list"})).await
    }

    fn assumed(&self) -> usize {
        self.front.count("AssumeRole")
    }

    /// A session with the store's keys that ends so many seconds from now.
    fn session(&self, seconds: i64) -> Answer {
        session_of(&self.embedded.key, seconds)
    }
}

/// A session with these keys that ends so many seconds from now.
fn session_of(key: &AccessKey, seconds: i64) -> Answer {
    let ends = rfc3339(Clock::system().now_ms() + seconds * 1000);
    let AccessKey { id, secret } = key;
    let key = format!("<AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>");
    let rest = format!("<SessionToken>token</SessionToken><Expiration>{ends}</Expiration>");
    let result = format!("<AssumeRoleResult><Credentials>{key}{rest}</Credentials></AssumeRoleResult>");
    let space = "https://sts.amazonaws.com/doc/2011-06-15/";
    let body = format!("<AssumeRoleResponse xmlns=\"{space}\">{result}</AssumeRoleResponse>");
    Answer::new(200, "text/xml", body)
}
