//! What a query answers when something is wrong: status, code, remedy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::harness::aws::{self, unique};
use crate::harness::fault_proxy::{Fault, FaultProxy};
use crate::harness::http_fault::{Answer, HttpFault};
use crate::harness::servers::{AccessKey, Servers};
use crate::stores::{Place, by_key, by_path, create, finish, open, raw, service_at, service_with};
use crate::support::{Setup, answer, expect};

/// One try only: the tests below want the first answer.
fn once() -> Value {
    json!({"limits": {"retries": 0}})
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

/// A problem with its status, code, and a remedy that holds the words.
#[track_caller]
fn assert_problem(answer: (u16, Value), status: u16, code: &str, remedy: &str) -> Value {
    let problem = expect(answer, status);
    assert_eq!(problem["code"], code, "{problem:#}");
    assert_eq!(problem["status"], status);
    let given = problem["remedy"].as_str().unwrap_or_default();
    assert!(given.contains(remedy), "`{remedy}` is not in the remedy: {problem:#}");
    problem
}

#[tokio::test]
async fn an_acl_that_the_bucket_does_not_take_is_named_with_its_remedy() {
    let place = Place::embedded().await;
    let acl = json!({"default_acl": "bucket-owner-full-control"});
    let public = json!({"default_acl": "public-read"});
    let service = service_with(&place, Setup::new(), &public).await;
    let problem = assert_problem(
        service.admin.query("main", &put()).await,
        400,
        "AccessControlListNotSupported",
        "default_acl",
    );
    assert_eq!(problem["upstream"]["service"], "s3");
    assert_eq!(place.keys().await, [""; 0]);

    let place = Place::radosgw().await;
    create(&service.admin, &place, "owner", &acl).await;
    create(&service.admin, &place, "public", &public).await;
    expect(service.admin.query("owner", &put()).await, 200);
    expect(service.admin.query("public", &put()).await, 200);
    let grants = place.client().get_object_acl().bucket(&place.bucket).key("k").send().await.unwrap();
    let everyone = |grant: &aws_sdk_s3::types::Grant| {
        grant.grantee().and_then(|to| to.uri()).is_some_and(|uri| uri.ends_with("AllUsers"))
    };
    assert!(grants.grants().iter().any(everyone), "{grants:?}");
}

#[tokio::test]
async fn an_operation_that_the_resource_does_not_allow_is_refused() {
    let place = Place::embedded().await;
    aws::put_object(&place.client(), &place.bucket, "k", "x").await;
    let service = service_with(&place, Setup::new(), &json!({"operations": ["get"]})).await;
    let client = &service.admin;
    let before = place.embedded.as_ref().unwrap().store.requests();
    for query in
        [list(), put(), json!({"operation": "head", "key": "k"}), json!({"operation": "delete", "key": "k"})]
    {
        assert_problem(client.query("main", &query).await, 403, "OperationNotAllowed", "`operations`");
    }
    for method in ["PUT", "HEAD", "DELETE"] {
        assert_eq!(raw(client, method, &by_path("main", "k"), &[], b"").await.status, 403, "{method}");
    }
    assert_eq!(place.embedded.as_ref().unwrap().store.requests(), before);
    assert_eq!(expect(client.query("main", &get()).await, 200)["content"], "x");
}

#[tokio::test]
async fn sizes_beyond_the_resources_limits_are_refused() {
    for place in Place::both().await {
        aws::put_object(&place.client(), &place.bucket, "large", "123456").await;
        let limits = json!({"limits": {"max_put_bytes": 5, "max_read_bytes": 5}});
        let service = service_with(&place, Setup::new(), &limits).await;
        let client = &service.admin;
        let put = |length| json!({"operation": "put", "key": "new", "text": "x".repeat(length)});
        expect(client.query("main", &put(6)).await, 413);
        assert_eq!(raw(client, "PUT", &by_path("main", "new"), &[], b"123456").await.status, 413);
        let chunked = [("transfer-encoding", "chunked"), ("connection", "close")];
        let mut stream = open(client, "PUT", &by_path("main", "new"), &chunked).await;
        stream.write_all(b"6\r\n123456\r\n0\r\n\r\n").await.unwrap();
        let refused = finish(stream).await;
        assert_eq!(refused.status, 413, "{}: {refused:?}", place.name);
        assert_eq!(place.keys().await, ["large"], "{}", place.name);

        let read = client.query("main", &json!({"operation": "get", "key": "large"})).await;
        let read = expect(read, 200);
        let told = (&read["content"], &read["truncated"], &read["next_range"]);
        assert_eq!(
            told,
            (&json!("12345"), &json!(true), &json!("bytes=5-")),
            "as much as it allows: {read:#}"
        );
        let problem = raw(client, "GET", &by_path("main", "large"), &[], b"").await;
        assert_eq!(problem.status, 413);
        assert!(problem.json()["detail"].as_str().unwrap().contains("range"), "{problem:?}");
        let part = raw(client, "GET", &by_path("main", "large"), &[("range", "bytes=0-4")], b"").await;
        assert_eq!((part.status, part.body.as_slice()), (206, b"12345".as_slice()), "{}", place.name);
        expect(client.query("main", &put(5)).await, 200);
        expect(client.query("main", &json!({"operation": "head", "key": "large"})).await, 200);
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_apart() {
    for place in Place::all().await {
        let service = service_at(&place).await;
        let client = &service.admin;
        create(client, &place, "nowhere", &json!({"bucket": unique("nowhere")})).await;
        assert_problem(client.query("main", &get()).await, 404, "NoSuchKey", "list the prefix");
        for query in [get(), list(), put()] {
            let problem = client.query("nowhere", &query).await;
            assert_problem(problem, 424, "NoSuchBucket", "correct `bucket`");
        }
        let (status, problem) = client.query("unknown", &get()).await;
        assert_eq!((status, &problem["upstream"]), (404, &Value::Null), "{problem:#}");
    }
}

#[tokio::test]
async fn keys_that_the_store_does_not_accept_are_the_resources_fault() {
    for place in Place::both().await {
        let service = service_at(&place).await;
        let client = &service.admin;
        let auth = |id: &str, secret: &str| json!({"auth": {"kind": "access_key", "access_key_id": id, "secret_access_key": secret}});
        let known = place.key.id.as_str();
        create(client, &place, "secret", &auth(known, "wrong-secret-key-0000000000000000000000")).await;
        create(client, &place, "id", &auth("AKIAUNKNOWN000000000", "x")).await;
        for query in [get(), list(), put(), json!({"operation": "delete", "key": "k"})] {
            let problem = client.query("secret", &query).await;
            assert_problem(problem, 424, "SignatureDoesNotMatch", "right secret key");
            let problem = client.query("id", &query).await;
            assert_problem(problem, 424, "InvalidAccessKeyId", "right access key");
        }
        assert_eq!(place.keys().await, [""; 0], "{}", place.name);
    }
}

#[tokio::test]
async fn a_denial_is_not_taken_for_a_broken_key() {
    let servers = Servers::get();
    let place = Place::radosgw().await;
    let stranger = aws::create_rgw_user(&servers, "stranger").await;
    let service = service_at(&place).await;
    let auth = json!({"auth": {"kind": "access_key", "access_key_id": stranger.key.id, "secret_access_key": stranger.key.secret}});
    create(&service.admin, &place, "stranger", &auth).await;
    for query in [list(), put(), get()] {
        let problem = service.admin.query("stranger", &query).await;
        assert_problem(problem, 424, "AccessDenied", "policy");
    }
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed_is_not_taken_for_a_missing_object() {
    let servers = Servers::get();
    let place = Place::radosgw().await;
    let owner = aws::create_rgw_user(&servers, "owner").await;
    let role = aws::create_rgw_role(
        &servers,
        "role",
        &aws::trust(&owner.arn),
        &aws::allow(&["s3:*"], &["arn:aws:s3:::*"]),
    )
    .await;
    let service = Setup::new().start().await;
    for (name, arn, code, remedy) in [
        ("refused", role.as_str(), "RoleNotAssumable", "trust policy"),
        ("missing", "arn:aws:iam:::role/not-there", "NoSuchEntity", "`role_arn`"),
    ] {
        let fields = json!({"endpoint": servers.rgw_sts, "assume_role": {"role_arn": arn}});
        create(&service.admin, &place, name, &fields).await;
        for query in [get(), list(), put()] {
            let problem = service.admin.query(name, &query).await;
            assert_eq!(assert_problem(problem, 424, code, remedy)["upstream"]["service"], "sts");
        }
    }
    assert_eq!(place.keys().await, [""; 0]);
}

#[tokio::test]
async fn a_wrong_region_comes_with_the_patch_that_mends_it() {
    let front = HttpFault::alone().await;
    let place = front_place(&front);
    let service = service_with(&place, Setup::new(), &once()).await;
    let client = &service.admin;
    let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'</Message><Region>eu-west-1</Region></Error>";
    front.answer(1, Answer::new(400, "application/xml", malformed));
    let patch = "{\"region\":\"eu-west-1\"}";
    assert_problem(client.query("main", &list()).await, 424, "AuthorizationHeaderMalformed", patch);
    for query in [list(), get(), put()] {
        front.answer(1, moved("eu-west-1"));
        assert_problem(client.query("main", &query).await, 424, "PermanentRedirect", patch);
    }
    // the answer to HEAD has a header only
    front.answer(1, moved("eu-west-1"));
    let head = json!({"operation": "head", "key": "k"});
    assert_problem(client.query("main", &head).await, 424, "PermanentRedirect", patch);
    let mut other = Answer::s3_error(307, "TemporaryRedirect");
    other.headers.push(("location", "http://169.254.169.254/".to_owned()));
    front.answer(1, other);
    assert_problem(client.query("main", &list()).await, 424, "TemporaryRedirect", "region");
    assert_eq!(front.requests().len(), 7, "of the last one the bucket was asked where it is");
}

#[tokio::test]
async fn a_store_that_asks_for_fewer_requests_is_passed_on_with_retry_after() {
    let front = HttpFault::alone().await;
    let place = front_place(&front);
    let service = service_with(&place, Setup::new(), &once()).await;
    front.answer(usize::MAX, Answer::slow_down());
    for (method, path) in [("GET", by_path("main", "k")), ("GET", "/v1/resources/main/objects".to_owned())] {
        let busy = raw(&service.admin, method, &path, &[], b"").await;
        assert_eq!((busy.status, busy.header("retry-after")), (503, Some("2")), "{busy:?}");
        assert_eq!(busy.json()["code"], "SlowDown");
        assert_eq!(busy.json()["upstream"]["code"], "SlowDown");
    }
    assert_eq!(front.requests().len(), 2);
}

#[tokio::test]
async fn a_moment_of_trouble_at_the_store_is_tried_again() {
    let place = Place::embedded().await;
    let front = HttpFault::start(&place.url).await;
    let service = service_with(&place, Setup::new(), &json!({"endpoint": front.url()})).await;
    for trouble in [Answer::slow_down(), Answer::internal_error()] {
        for query in [put(), get(), list()] {
            front.answer(1, trouble.clone());
            expect(service.admin.query("main", &query).await, 200);
        }
    }
    assert_eq!(front.requests().len(), 12);
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_in_time_is_told_from_one_that_refuses() {
    let place = Place::embedded().await;
    let proxy = FaultProxy::start(&place.url).await;
    let limits = json!({"retries": 0, "timeout_ms": 300});
    let service =
        service_with(&place, Setup::new(), &json!({"endpoint": proxy.url(), "limits": limits})).await;
    let client = &service.admin;
    expect(client.query("main", &put()).await, 200);
    proxy.set(Fault::HalfOpen);
    for query in [list(), get(), put(), json!({"operation": "delete", "key": "k"})] {
        assert_problem(client.query("main", &query).await, 504, "ReadTimeout", "limits.timeout_ms");
    }
    proxy.set(Fault::Refuse);
    assert_problem(client.query("main", &list()).await, 502, "ConnectionReset", "try again");
    let address = proxy.address();
    drop(proxy);
    // the kernel may still take a connection for a listener that is being closed
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    for query in [list(), get(), put()] {
        assert_problem(client.query("main", &query).await, 502, "ConnectionRefused", "correct the port");
    }
}

#[tokio::test]
async fn a_slow_answer_is_given_up_after_the_resources_limit() {
    let front = HttpFault::alone().await;
    let place = front_place(&front);
    let limits = json!({"limits": {"retries": 0, "timeout_ms": 200}});
    let service = service_with(&place, Setup::new(), &limits).await;
    front
        .answer(2, Answer::new(200, "application/xml", "<ListBucketResult/>").after(Duration::from_secs(20)));
    assert_problem(service.admin.query("main", &list()).await, 504, "ReadTimeout", "limits.timeout_ms");
    assert_problem(service.admin.query("main", &get()).await, 504, "ReadTimeout", "limits.timeout_ms");
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_the_stores_fault() {
    let front = HttpFault::alone().await;
    let place = front_place(&front);
    let service = service_with(&place, Setup::new(), &once()).await;
    front.answer(1, Answer::new(200, "text/html", "<html>a captive portal</html>"));
    let (status, problem) = service.admin.query("main", &list()).await;
    assert_eq!(status, 502, "{problem:#}");
}

#[tokio::test]
async fn clients_of_others_read_what_we_wrote_and_we_read_theirs() {
    let servers = Servers::get();
    let place = Place::radosgw().await;
    let service = service_at(&place).await;
    let client = &service.admin;
    let key = "dir/ü 🚀+&?#%=.txt";
    raw(client, "PUT", &by_path("main", key), &[("x-amz-meta-by", "us")], b"from us").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let path = file.to_str().unwrap();
    let cli = |arguments: Vec<String>| {
        let (servers, url, key) = (servers.clone(), place.url.clone(), place.key.clone());
        async move {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            aws::aws_cli(&servers, &url, &key, &arguments).await
        }
    };
    let call = |operation: &str, key: &str, rest: &[&str]| {
        let fixed = ["s3api", operation, "--bucket", &place.bucket, "--key", key];
        fixed.iter().chain(rest).map(|&text| text.to_owned()).collect::<Vec<_>>()
    };
    let got = cli(call("get-object", key, &[path])).await;
    assert_eq!(got["Metadata"], json!({"by": "us"}));
    assert_eq!(std::fs::read(&file).unwrap(), b"from us");
    std::fs::write(&file, "from awscli").unwrap();
    cli(call("put-object", "awscli +", &["--body", path, "--metadata", "by=them"])).await;
    let read = raw(client, "GET", &by_path("main", "awscli +"), &[], b"").await;
    assert_eq!(
        (read.body.as_slice(), read.header("x-amz-meta-by")),
        (b"from awscli".as_slice(), Some("them"))
    );

    let remote = |key: &str| format!(":s3:{}/{key}", place.bucket);
    assert_eq!(rclone(&place, vec!["cat".to_owned(), remote(key)]).await, "from us");
    std::fs::write(&file, "from rclone").unwrap();
    rclone(&place, vec!["copyto".to_owned(), path.to_owned(), remote("rclone/ü")]).await;
    assert_eq!(raw(client, "GET", &by_path("main", "rclone/ü"), &[], b"").await.body, b"from rclone");
    let listed = expect(client.query("main", &list()).await, 200);
    assert_eq!(listed["objects"].as_array().unwrap().len(), 3, "{listed:#}");
}

/// Runs rclone, a client not written by us, at a place and returns what it prints.
async fn rclone(place: &Place, arguments: Vec<String>) -> String {
    let mut command = std::process::Command::new("rclone");
    command.args(["--config", "/dev/null", "--s3-no-check-bucket", "--s3-provider", "Ceph"]);
    command.args(arguments).env_remove("AWS_CA_BUNDLE");
    command.env("RCLONE_S3_ENDPOINT", &place.url).env("RCLONE_S3_FORCE_PATH_STYLE", "true");
    command.env("RCLONE_S3_ACCESS_KEY_ID", &place.key.id);
    command.env("RCLONE_S3_SECRET_ACCESS_KEY", &place.key.secret);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn moved(region: &str) -> Answer {
    let mut answer = Answer::s3_error(301, "PermanentRedirect");
    answer.headers.push(("x-amz-bucket-region", region.to_owned()));
    answer
}

/// A place of recorded answers.
fn front_place(front: &HttpFault) -> Place {
    let key = AccessKey::new("AKIARECORDED00000001", "recorded");
    Place { name: "recorded", url: front.url(), bucket: "bucket".to_owned(), key, embedded: None }
}

#[tokio::test]
async fn a_condition_on_a_delete_is_honoured_or_refused_and_never_ignored() {
    let place = Place::embedded().await;
    let service = service_with(&place, Setup::new(), &json!({"provider": "aws"})).await;
    create(&service.admin, &place, "plain", &json!({"provider": "generic"})).await;
    aws::put_object(&place.client(), &place.bucket, "a.txt", "hello").await;
    let delete = async |resource: &str, name: &str, value: &str| {
        let request = service.admin.request(Method::DELETE, &by_key(resource, "a.txt"));
        answer(request.header(name, value)).await
    };
    assert_eq!(expect(delete("plain", "if-match", "\"nope\"").await, 501)["code"], "NotSupportedByProvider");
    expect(delete("main", "if-match", "\"nope\"").await, 412);
    expect(delete("main", "if-none-match", "*").await, 400);
    assert_eq!(place.keys().await, ["a.txt"]);
    let head = place.client().head_object().bucket(&place.bucket).key("a.txt").send().await.unwrap();
    expect(delete("main", "if-match", head.e_tag().unwrap()).await, 204);
    assert!(place.keys().await.is_empty());
}

#[tokio::test]
async fn what_was_never_sent_is_not_said_to_have_been_answered() {
    let place = Place::embedded().await;
    let service = service_at(&place).await;
    let put = service.admin.request(Method::PUT, &by_key("main", "nul\0x")).body("x");
    let refused = expect(answer(put).await, 400);
    assert_eq!(refused["code"], "InvalidObjectKey", "{refused:#}");
    assert!(refused["upstream"].is_null(), "{refused:#}");
    let answered = expect(service.admin.get(&by_key("main", "nobody")).await, 404);
    assert_eq!(answered["upstream"]["service"], "s3", "{answered:#}");
}
