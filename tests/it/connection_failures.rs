//! Test connection: each failure before the bucket has its check, its cause and its remedy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::sync::Arc;

use serde_json::{Value, json};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::connection::{assert_fails, check, status, test, test_saved};
use crate::harness::aws::{Secrets, unique};
use crate::harness::closed::ClosedPort;
use crate::harness::fault_proxy::FaultProxy;
use crate::harness::http_fault::{Answer, HttpFault};
use crate::harness::servers::{AccessKey, Servers};
use crate::stores::{Place, service_at};
use crate::support::{Client, PLANTED, Setup, definition, expect, moto_source, templated};

const ALLOW: &str = "S3_CONNECTOR__EGRESS__ALLOW";
const PORTS: &str = "S3_CONNECTOR__EGRESS__PORTS";

fn key() -> AccessKey {
    AccessKey::new("AKIARECORDED00000001", PLANTED)
}

/// Tests a definition for an endpoint, with one try for each call.
async fn test_at(client: &Client, endpoint: &str, fields: Value) -> Value {
    let mut body = definition("main", endpoint, "bucket", &key());
    body["limits"] = json!({"retries": 0, "timeout_ms": 500});
    for (field, value) in fields.as_object().unwrap() {
        body[field] = value.clone();
    }
    test(client, &body, true).await
}

#[tokio::test]
async fn a_broken_template_is_found_before_anything_is_sent() {
    let place = Place::embedded().await;
    let service = Setup::new().start().await;
    let before = place.embedded.as_ref().unwrap().store.requests();
    for broken in ["{{ secrets.s3.id", "{{ secrets }}", "{{ secrets.s3.id | upper }}", "{{ env.HOME }}"] {
        let body = templated("main", &place.url, &place.bucket, broken, "{{ secrets.s3.secret }}");
        let report = test(&service.admin, &body, true).await;
        let found = assert_fails(&report, "definition-valid", "TEMPLATE_SYNTAX", "");
        assert!(found["detail"].as_str().unwrap().contains("auth.access_key_id"), "{broken}: {found:#}");
        assert_eq!(status(&report, "secrets-resolved"), "skipped");
    }
    assert_eq!(place.embedded.as_ref().unwrap().store.requests(), before);
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named() {
    let place = Place::embedded().await;
    let service = Setup::new().start().await;
    let client = &service.admin;
    let body = |id: &str| templated("main", &place.url, &place.bucket, id, "x-literal-is-not-a-template");
    let mut no_source = body("{{ secrets.s3.id }}");
    no_source["auth"]["secret_access_key"] = json!("{{ secrets.s3.secret }}");
    assert_fails(
        &test(client, &no_source, false).await,
        "secrets-resolved",
        "SourceMissing",
        "make one active",
    );

    expect(client.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
    let moto = moto_source("cloud", &Servers::get().moto, "");
    expect(client.post("/v1/sources", &moto).await, 201);
    let name = unique("s3");
    Secrets::on_moto(&Servers::get()).create_json(&name, &json!({"id": PLANTED})).await;
    expect(client.put("/v1/sources/vault/secrets/s3", &json!({"value": {"id": PLANTED}})).await, 200);
    for (template, cause, words) in [
        ("{{ secrets@vault.none.id }}".to_owned(), "ResourceNotFoundException", "create the secret"),
        ("{{ secrets@vault.s3.ID }}".to_owned(), "SecretKeyMissing", "correct the key"),
        (
            format!("{{{{ secrets@cloud.{}.id }}}}", unique("none")),
            "ResourceNotFoundException",
            "create the secret",
        ),
        (format!("{{{{ secrets@cloud.{name}.other }}}}"), "SecretKeyMissing", "correct the key"),
    ] {
        let mut body = body(&template);
        body["auth"]["secret_access_key"] = json!("{{ secrets@vault.s3.id }}");
        let report = test(client, &body, false).await;
        let found = assert_fails(&report, "secrets-resolved", cause, words);
        let detail = found["detail"].as_str().unwrap();
        assert!(detail.contains("auth.access_key_id"), "{detail}");
        assert_eq!(status(&report, "endpoint-allowed"), "skipped");
    }
    assert_eq!(place.embedded.as_ref().unwrap().store.requests(), 0);
}

#[tokio::test]
async fn an_address_that_the_rules_refuse_is_never_connected_to() {
    let place = Place::embedded().await;
    let proxy = FaultProxy::start(&place.url).await;
    let port = proxy.address().port();
    let service = Setup::new().with(ALLOW, "").start().await;
    for endpoint in [
        format!("http://127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
        format!("http://[::ffff:127.0.0.1]:{port}"),
        format!("http://2130706433:{port}"),
        "http://169.254.169.254".to_owned(),
        "http://10.0.0.1".to_owned(),
        "http://[fd00:ec2::254]".to_owned(),
    ] {
        let report = test_at(&service.admin, &endpoint, json!({})).await;
        let found = assert_fails(&report, "endpoint-allowed", "BlockedEndpoint", "`egress.allow`");
        assert_eq!(status(&report, "endpoint-reachable"), "skipped", "{endpoint}");
        assert!(found["detail"].as_str().unwrap().contains('`'), "{found:#}");
    }
    // a name is judged when it is used: saving it is no way around
    let body = definition("main", &format!("http://localhost:{port}"), "bucket", &key());
    expect(service.admin.post("/v1/resources", &body).await, 201);
    let blocked = expect(service.admin.query("main", &json!({"operation": "list"})).await, 424);
    assert_eq!(blocked["code"], "BlockedEndpoint", "{blocked:#}");
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn metadata_services_and_other_ports_stay_closed_when_their_network_is_allowed() {
    let place = Place::embedded().await;
    let proxy = FaultProxy::start(&place.url).await;
    let setup = Setup::new().with(ALLOW, "0.0.0.0/0,::/0").with(PORTS, "80,443");
    let service = setup.start().await;
    for endpoint in ["http://169.254.169.254", "http://169.254.170.2", "http://[::ffff:169.254.169.254]"] {
        let report = test_at(&service.admin, endpoint, json!({})).await;
        let found = assert_fails(&report, "endpoint-allowed", "BlockedEndpoint", "");
        assert!(found["detail"].as_str().unwrap().contains("metadata"), "{found:#}");
    }
    let report = test_at(&service.admin, &proxy.url(), json!({})).await;
    let found = assert_fails(&report, "endpoint-allowed", "BlockedEndpoint", "");
    assert!(found["detail"].as_str().unwrap().contains("`egress.ports`"), "{found:#}");
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn a_redirect_to_another_host_is_not_followed() {
    let (front, other) = (HttpFault::alone().await, HttpFault::alone().await);
    let service = Setup::new().start().await;
    expect(
        service.admin.post("/v1/resources", &definition("main", &front.url(), "bucket", &key())).await,
        201,
    );
    for code in [301, 302, 303, 307, 308] {
        let mut answer = Answer::s3_error(code, "TemporaryRedirect");
        answer.headers.push(("location", format!("{}/elsewhere", other.url())));
        front.answer(usize::MAX, answer);
        let report = test_saved(&service.admin, "main", true).await;
        assert_eq!(report["verdict"], "fails", "{report:#}");
        for operation in ["list", "get", "head", "put", "delete"] {
            let mut query = json!({"operation": operation});
            if operation != "list" {
                query["key"] = json!("k");
            }
            if operation == "put" {
                query["text"] = json!("x");
            }
            let (status, problem) = service.admin.query("main", &query).await;
            assert!(status >= 400, "{code} {operation}: {problem:#}");
        }
        front.pass();
    }
    assert!(front.requests().len() >= 30);
    assert_eq!(other.requests().len(), 0);
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_is_told_step_by_step() {
    let service = Setup::new().start().await;
    let client = &service.admin;
    let report = test_at(client, "http://nothing.invalid", json!({})).await;
    assert_fails(&report, "endpoint-reachable", "NameNotFound", "host name");
    assert_eq!(status(&report, "endpoint-allowed"), "passed", "the rules have nothing against it");

    let closed = ClosedPort::new();
    let report = test_at(client, &closed.url(), json!({})).await;
    assert_fails(&report, "endpoint-reachable", "ConnectionRefused", "correct the port");

    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let report = test_at(client, &format!("http://{}", silent.local_addr().unwrap()), json!({})).await;
    assert_fails(&report, "signature-accepted", "ReadTimeout", "limits.timeout_ms");
    assert_eq!(status(&report, "endpoint-reachable"), "passed");
    assert_eq!(status(&report, "bucket-found"), "skipped");
}

/// What answers TLS with a certificate for these names, and the certificate.
fn acceptor(names: &[&str], expired: bool) -> (tokio_rustls::TlsAcceptor, String) {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let pair = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(if expired { 2021 } else { 2100 }, 1, 1);
    let certificate = params.self_signed(&pair).unwrap();
    let private = PrivateKeyDer::try_from(pair.serialize_der()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    (tokio_rustls::TlsAcceptor::from(Arc::new(config)), certificate.pem())
}

/// A TLS server with a certificate for these names; its URL's port and the certificate.
pub(crate) async fn tls_server(names: &[&str], expired: bool) -> (u16, String) {
    let (acceptor, pem) = acceptor(names, expired);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = acceptor.accept(stream).await;
        }
    });
    (port, pem)
}

/// Speaks TLS for a server that speaks plain HTTP; its URL and the certificate.
pub(crate) async fn tls_front(url: &str) -> (String, String) {
    let (port, pem) = tls_front_of(url, &["localhost"]).await;
    (format!("https://localhost:{port}"), pem)
}

/// The same under other names; its port and the certificate.
pub(crate) async fn tls_front_of(url: &str, names: &[&str]) -> (u16, String) {
    let (acceptor, pem) = acceptor(names, false);
    let target = url.strip_prefix("http://").unwrap().to_owned();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, target) = (acceptor.clone(), target.clone());
            tokio::spawn(async move {
                let mut inside = tokio::net::TcpStream::connect(target).await.unwrap();
                let mut outside = acceptor.accept(stream).await.unwrap();
                // one side closes first
                tokio::io::copy_bidirectional(&mut outside, &mut inside).await.ok();
            });
        }
    });
    (port, pem)
}

#[tokio::test]
async fn tls_failures_are_told_apart() {
    let servers = Servers::get();
    let service = Setup::new().start().await;
    let client = &service.admin;
    let report = test_at(client, &servers.rgw_tls, json!({})).await;
    assert_fails(&report, "endpoint-reachable", "TlsUnknownCa", "`tls.ca_pem`");
    let ca = |pem: &str| json!({"tls": {"ca_pem": pem}});

    let (port, pem) = tls_server(&["other.example"], false).await;
    let report = test_at(client, &format!("https://localhost:{port}"), ca(&pem)).await;
    assert_fails(&report, "endpoint-reachable", "TlsNameMismatch", "name in the certificate");

    let (port, pem) = tls_server(&["localhost"], true).await;
    let report = test_at(client, &format!("https://localhost:{port}"), ca(&pem)).await;
    assert_fails(&report, "endpoint-reachable", "TlsCertificateExpired", "renew");

    let place = Place::embedded().await;
    let report = test_at(client, &place.url.replace("http:", "https:"), json!({})).await;
    assert_fails(&report, "endpoint-reachable", "TlsFailure", "`http://`");

    let (port, _) = tls_server(&["localhost"], false).await;
    for endpoint in [format!("http://localhost:{port}"), servers.rgw_tls.replace("https:", "http:")] {
        let report = test_at(client, &endpoint, json!({})).await;
        assert_fails(&report, "signature-accepted", "NotHttp", "https://");
        assert_eq!(status(&report, "endpoint-reachable"), "passed");
    }
    let nonsense = test_at(client, &servers.rgw_tls, ca("not a certificate")).await;
    assert_fails(&nonsense, "definition-valid", "INVALID_CA", "");
}

#[tokio::test]
async fn a_wrong_key_is_told_from_an_unknown_one() {
    for place in Place::both().await {
        let service = Setup::new().start().await;
        let mut wrong = place.definition("main");
        wrong["auth"]["secret_access_key"] = json!(PLANTED);
        let report = test(&service.admin, &wrong, false).await;
        assert_fails(&report, "signature-accepted", "SignatureDoesNotMatch", "right secret key");
        wrong["auth"]["access_key_id"] = json!("AKIAUNKNOWN000000000");
        let report = test(&service.admin, &wrong, true).await;
        assert_fails(&report, "signature-accepted", "InvalidAccessKeyId", "right access key");
        assert_eq!(status(&report, "bucket-found"), "skipped", "{}", place.name);
        for row in report["permissions"].as_array().unwrap() {
            assert_eq!(row["answer"], "unknown", "{}: nothing was tried", place.name);
        }
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_found() {
    let service = Setup::new().start().await;
    let off = |seconds: i64| {
        let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    };
    for (answer, seconds, wanted) in [
        (Answer::s3_error(403, "RequestTimeTooSkewed"), 1200, "failed"),
        (Answer::s3_error(403, "RequestTimeTooSkewed"), -86_400, "failed"),
        (Answer::s3_error(404, "NoSuchBucket"), 600, "failed"),
        (Answer::s3_error(404, "NoSuchBucket"), -120, "warning"),
        (Answer::s3_error(404, "NoSuchBucket"), 0, "passed"),
    ] {
        let front = HttpFault::alone().await;
        let mut answer = answer;
        answer.headers.push(("date", off(seconds)));
        front.answer(usize::MAX, answer);
        let report = test_at(&service.admin, &front.url(), json!({})).await;
        if wanted == "failed" {
            assert_fails(&report, "clock-in-step", "RequestTimeTooSkewed", "set the clock");
        }
        assert_eq!(status(&report, "clock-in-step"), wanted, "{seconds}: {report:#}");
    }
}

#[tokio::test]
async fn a_wrong_region_comes_with_the_patch_that_mends_it() {
    let place = Place::embedded().await;
    let front = HttpFault::start(&place.url).await;
    let service = service_at(&place).await;
    let client = &service.admin;
    let patch = json!({"endpoint": front.url(), "auth": place.definition("main")["auth"]});
    expect(client.patch("/v1/resources/main", &patch).await, 200);
    let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region is wrong</Message><Region>eu-west-1</Region></Error>";
    let malformed = Answer::new(400, "application/xml", malformed);
    front.answer_to("GET /s3-connector-probe-", 1, malformed);
    let report = test_saved(client, "main", false).await;
    let found = assert_fails(&report, "signature-accepted", "AuthorizationHeaderMalformed", "region");
    assert_eq!(found["fix"], json!({"patch": {"region": "eu-west-1"}}), "{found:#}");

    for what in ["HEAD /bucket", "GET /bucket"] {
        let mut moved = Answer::s3_error(301, "PermanentRedirect");
        moved.headers.push(("x-amz-bucket-region", "eu-west-1".to_owned()));
        front.answer_to(what, 1, moved);
    }
    let report = test_saved(client, "main", false).await;
    let found = assert_fails(&report, "bucket-found", "PermanentRedirect", "region");
    assert_eq!(found["fix"], json!({"patch": {"region": "eu-west-1"}}), "{found:#}");
    expect(client.patch("/v1/resources/main", &found["fix"]["patch"]).await, 200);
    test_saved(client, "main", false).await;
    let last = front.requests().pop().unwrap();
    assert!(last.headers["authorization"].to_str().unwrap().contains("/eu-west-1/s3/"), "{last:?}");
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_told_so() {
    for place in Place::all().await {
        let service = Setup::new().start().await;
        let mut wrong = place.definition("main");
        wrong["bucket"] = json!(unique("nowhere"));
        let report = test(&service.admin, &wrong, true).await;
        assert_fails(&report, "bucket-found", "NoSuchBucket", "correct `bucket`");
        assert_eq!(check(&report, "signature-accepted")["status"], "passed", "{}", place.name);
        for name in ["objects-listable", "uploads-allowed", "object-written"] {
            assert_eq!(status(&report, name), "skipped", "{}", place.name);
        }
    }
}

#[tokio::test]
async fn an_answer_about_something_else_proves_no_signature() {
    let service = Setup::new().start().await;
    for (answer, cause) in [
        (Answer::internal_error(), "InternalError"),
        (Answer::slow_down(), "SlowDown"),
        (Answer::s3_error(400, "InvalidRequest"), "InvalidRequest"),
        (Answer::new(200, "text/html", "<html>a captive portal</html>"), "InternalError"),
    ] {
        let front = HttpFault::alone().await;
        front.answer(usize::MAX, answer);
        let report = test_at(&service.admin, &front.url(), json!({})).await;
        assert_fails(&report, "signature-accepted", cause, "");
    }
}
