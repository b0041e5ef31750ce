//! The harness itself: the servers answer, and the faults do what they say.

use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time;

use crate::harness::aws::{self, Secrets};
use crate::harness::fault_proxy::{Fault, FaultProxy};
use crate::harness::http_fault::{Answer, HttpFault};
use crate::harness::process::Process;
use crate::harness::servers::{AccessKey, Servers};

const LONG: Duration = Duration::from_secs(20);

// Servers

#[tokio::test]
async fn a_secret_has_versions_and_stages() {
    let secrets = Secrets::on_moto(&Servers::get());
    let first = secrets.create_json(&aws::unique("harness"), &json!({ "key": "one" })).await;
    let second = secrets.put(&first.arn, "two").await;
    let third = secrets.put_with_stages(&first.arn, "three", &["AWSPENDING"]).await;
    assert_eq!(secrets.current(&first.arn).await, "two");
    secrets.move_stage(&first.arn, "AWSCURRENT", &third.version_id).await;
    assert_eq!(secrets.current(&first.arn).await, "three");
    assert_ne!(first.version_id, second.version_id);
    secrets.delete(&first.arn).await;
    let error = secrets.client.get_secret_value().secret_id(&first.arn).send().await.unwrap_err();
    assert_eq!(error.code(), Some("ResourceNotFoundException"));
}

#[tokio::test]
async fn moto_with_auth_knows_its_keys() {
    let servers = Servers::get();
    Secrets::new(&servers.moto_auth, &servers.moto_auth_key).create(&aws::unique("harness"), "value").await;
    let strangers = Secrets::new(&servers.moto_auth, &AccessKey::new("AKIAUNKNOWN000000000", "wrong"));
    strangers.client.list_secrets().send().await.unwrap_err();
    let user =
        aws::create_moto_user(&servers, "harness", &aws::allow(&["secretsmanager:ListSecrets"], &["*"]))
            .await;
    let secrets = Secrets::new(&servers.moto_auth, &user);
    secrets.client.list_secrets().send().await.unwrap();
    secrets
        .client
        .create_secret()
        .name(aws::unique("harness"))
        .secret_string("value")
        .send()
        .await
        .unwrap_err();
}

#[tokio::test]
async fn postgres_answers() {
    let url = url::Url::parse(&Servers::get().postgres).unwrap();
    let mut stream = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).await.unwrap();
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.unwrap(); // SSLRequest
    assert_eq!(stream.read_u8().await.unwrap(), b'N');
}

#[tokio::test]
async fn radosgw_keeps_objects_and_checks_signatures() {
    let servers = Servers::get();
    let client = aws::s3(&servers.rgw, &servers.rgw_key);
    let bucket = aws::create_bucket(&client, "harness").await;
    aws::put_object(&client, &bucket, "a key", "text").await;
    assert_eq!(aws::get_object(&client, &bucket, "a key").await, b"text");
    let wrong = aws::s3(&servers.rgw, &AccessKey::new(&servers.rgw_key.id, "wrong"));
    let error = wrong.list_objects_v2().bucket(&bucket).send().await.unwrap_err();
    assert_eq!(error.code(), Some("SignatureDoesNotMatch"));
}

#[tokio::test]
async fn radosgw_serves_tls_with_the_test_authority() {
    let servers = Servers::get();
    let authority = reqwest::Certificate::from_pem(&std::fs::read(&servers.ca_pem).unwrap()).unwrap();
    let trusting = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
    assert!(trusting.get(&servers.rgw_tls).send().await.unwrap().status().is_success());
    let other = reqwest::Client::builder().no_proxy().build().unwrap();
    other.get(&servers.rgw_tls).send().await.unwrap_err();
}

#[tokio::test]
async fn radosgw_lets_the_trusted_user_assume_a_role() {
    let servers = Servers::get();
    let owner = aws::s3(&servers.rgw, &servers.rgw_key);
    let bucket = aws::create_bucket(&owner, "harness").await;
    let (user, other) =
        tokio::join!(aws::create_rgw_user(&servers, "harness"), aws::create_rgw_user(&servers, "harness"));
    let policy = aws::allow(&["s3:*"], &["arn:aws:s3:::*"]);
    let role = aws::create_rgw_role(&servers, "harness", &aws::trust(&user.arn), &policy).await;
    let session = aws::assume_role(&aws::sts(&servers.rgw_sts, &user.key), &role).await;
    aws::create_bucket(&aws::s3_with(&servers.rgw_sts, session), "harness").await;
    let refused =
        aws::sts(&servers.rgw_sts, &other.key).assume_role().role_arn(&role).role_session_name("test");
    refused.send().await.unwrap_err();
    aws::suspend_rgw_user(&servers, &user.name).await;
    let suspended = aws::s3(&servers.rgw, &user.key);
    suspended.list_objects_v2().bucket(&bucket).send().await.unwrap_err();
}

#[tokio::test]
async fn awscli_reads_what_the_sdk_wrote() {
    let servers = Servers::get();
    let client = aws::s3(&servers.rgw, &servers.rgw_key);
    let bucket = aws::create_bucket(&client, "harness").await;
    aws::put_object(&client, &bucket, "key", "text").await;
    let list = ["s3api", "list-objects-v2", "--bucket", &bucket];
    let listed = aws::aws_cli(&servers, &servers.rgw, &servers.rgw_key, &list).await;
    assert_eq!(listed["Contents"][0]["Key"], "key");
}

// The TCP proxy

#[tokio::test]
async fn a_proxy_passes_and_counts() {
    let proxy = FaultProxy::start(&echo_server().await).await;
    for _ in 0..2 {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(exchange(&mut stream, b"hello").await.unwrap(), b"hello");
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    }
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test]
async fn latency_delays_both_directions() {
    let proxy = FaultProxy::start(&echo_server().await).await;
    proxy.set(Fault::Latency(Duration::from_millis(100)));
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let began = Instant::now();
    assert_eq!(exchange(&mut stream, b"hello").await.unwrap(), b"hello");
    assert!(began.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn refuse_resets_new_and_open_connections() {
    let proxy = FaultProxy::start(&echo_server().await).await;
    let mut open = TcpStream::connect(proxy.address()).await.unwrap();
    exchange(&mut open, b"hello").await.unwrap();
    proxy.set(Fault::Refuse);
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(open.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(new.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn half_open_stalls_until_it_is_over() {
    let proxy = FaultProxy::start(&echo_server().await).await;
    proxy.set(Fault::HalfOpen);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    time::timeout(Duration::from_millis(200), stream.read_u8()).await.unwrap_err();
    proxy.set(Fault::Pass);
    assert_eq!(stream.read_u8().await.unwrap(), b'h');
}

#[tokio::test]
async fn a_reset_comes_after_that_many_bytes() {
    let proxy = FaultProxy::start(&echo_server().await).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    exchange(&mut stream, b"not counted").await.unwrap();
    proxy.set(Fault::ResetAfterUpload(8));
    assert_eq!(exchange(&mut stream, b"1234567").await.unwrap(), b"1234567");
    assert_eq!(exchange(&mut stream, b"89").await.unwrap_err().kind(), ErrorKind::ConnectionReset);

    proxy.set(Fault::ResetAfterDownload(3));
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(exchange(&mut stream, b"12").await.unwrap(), b"12");
    assert_eq!(exchange(&mut stream, b"34").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_cut_upload_ends_orderly_for_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = FaultProxy::start(&format!("http://{}", listener.local_addr().unwrap())).await;
    proxy.set(Fault::CutUpload(3));
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(b"12345").await.unwrap();
    let mut received = Vec::new();
    listener.accept().await.unwrap().0.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"123");
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn s3_works_through_a_proxy_and_not_when_it_is_broken() {
    let servers = Servers::get();
    let proxy = FaultProxy::start(&servers.rgw).await;
    let client = aws::s3(&proxy.url(), &servers.rgw_key);
    let bucket = aws::create_bucket(&client, "harness").await;
    proxy.set(Fault::CutUpload(100_000));
    let upload = client.put_object().bucket(&bucket).key("large").body(vec![0; 200_000].into());
    upload.send().await.unwrap_err();
    proxy.set(Fault::Pass);
    aws::put_object(&client, &bucket, "large", vec![0; 200_000]).await;
    assert!(proxy.connections() > 1);
}

// The HTTP front

#[tokio::test]
async fn a_throttled_call_is_tried_again() {
    let servers = Servers::get();
    let secret = Secrets::on_moto(&servers).create(&aws::unique("harness"), "value").await;
    let front = HttpFault::start(&servers.moto).await;
    let secrets = Secrets::new(&front.url(), &AccessKey::new("test", "test"));
    front.answer_to("GetSecretValue", 2, Answer::throttling());
    assert_eq!(secrets.current(&secret.arn).await, "value");
    assert_eq!(front.count("GetSecretValue"), 3);
    let request = &front.requests()[0];
    assert!(String::from_utf8_lossy(&request.body).contains(&secret.arn));
    assert!(request.headers.contains_key("authorization"));

    front.answer(1, Answer::json_error(400, "AccessDeniedException"));
    let error = secrets.client.get_secret_value().secret_id(&secret.arn).send().await.unwrap_err();
    assert_eq!(error.code(), Some("AccessDeniedException"));
}

#[tokio::test]
async fn s3_keeps_its_signature_through_the_front() {
    let servers = Servers::get();
    let front = HttpFault::start(&servers.rgw).await;
    let client = aws::s3(&front.url(), &servers.rgw_key);
    let bucket = aws::create_bucket(&client, "harness").await;
    let put = format!("PUT /{bucket}/a");
    front.answer_to(&put, 1, Answer::slow_down());
    front.answer_to(&put, 1, Answer::internal_error());
    aws::put_object(&client, &bucket, "a key/ü", "text").await;
    assert_eq!(front.count(&put), 3);
    let head = client.head_object().bucket(&bucket).key("a key/ü").send().await.unwrap();
    assert_eq!(head.content_length(), Some(4));
    assert_eq!(aws::get_object(&client, &bucket, "a key/ü").await, b"text");
}

#[tokio::test]
async fn a_front_alone_counts_actions() {
    let front = HttpFault::alone().await;
    let error = Answer::query_error(403, "AccessDenied").after(Duration::from_millis(50));
    front.answer_to("AssumeRole", 1, error);
    let client = aws::sts(&front.url(), &AccessKey::new("test", "test"));
    let call = client.assume_role().role_arn("arn:aws:iam::123456789012:role/a").role_session_name("test");
    assert_eq!(call.send().await.unwrap_err().code(), Some("AccessDenied"));
    assert_eq!(front.count("AssumeRole"), 1);
}

// Processes

#[tokio::test]
async fn a_process_is_read_and_terminated() {
    let mut process = Process::start(
        "shell",
        shell("trap 'echo bye; exit 3' TERM; echo ready >&2; while :; do sleep 0.05; done"),
    );
    assert_eq!(process.wait_for_line("read", LONG).await, "ready");
    assert_eq!(process.terminate(LONG).await.code(), Some(3));
    assert_eq!(process.output(), "ready\nbye");
}

#[tokio::test]
async fn a_process_can_be_killed() {
    let mut process = Process::start("shell", shell("trap '' TERM; echo ready; exec sleep 60"));
    process.wait_for_line("ready", LONG).await;
    assert_eq!(process.kill().signal(), Some(9));
}

#[tokio::test]
#[should_panic(expected = "ended without writing `ready`:\nsorry")]
async fn a_process_that_ends_early_shows_its_output() {
    let process = Process::start("shell", shell("echo sorry"));
    process.wait_for_line("ready", LONG).await;
}

/// Sends back what it gets, until the test ends.
#[expect(clippy::unwrap_used, reason = "test code outside of a test function")]
async fn echo_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    url
}

/// Writes, then reads as much as was written or until the connection breaks.
async fn exchange(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(bytes).await?;
    let mut answer = vec![0; bytes.len()];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}
