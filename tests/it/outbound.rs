//! Outbound routes: stores that are reached through a proxy, which alone knows their names.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code outside of test functions"
)]

use serde_json::{Value, json};

use crate::harness::closed::ClosedPort;
use crate::harness::forward_proxy::ForwardProxy;
use crate::harness::servers::Servers;
use crate::stores::{Place, by_path, create, raw, service_with};
use crate::support::{Service, Setup, expect};

/// What `user:word` is in a header.
const CREDENTIALS: &str = "Basic dXNlcjp3b3Jk";

fn with_route(proxy: &str) -> Setup {
    Setup::new()
        .with("S3_CONNECTOR__OUTBOUND__FAR__PROXY", proxy)
        .with("S3_CONNECTOR__OUTBOUND__FAR__HOSTS", "store.far,*.store.far")
        .with("S3_CONNECTOR__OUTBOUND__FAR__ADDRESSES", "203.0.113.7")
        .with("S3_CONNECTOR_OUTBOUND_FAR", "user:word")
}

/// The place under a name that only the proxy knows.
fn far(place: &Place) -> String {
    place.url.replace("127.0.0.1", "store.far").replace("localhost", "store.far")
}

async fn service_behind(place: &Place, proxy: &str) -> Service {
    let fields = json!({"endpoint": far(place), "outbound": "far", "addressing": "path"});
    service_with(place, with_route(proxy), &fields).await
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name}: {report:#}"))
}

#[tokio::test]
async fn every_request_takes_the_route() {
    let proxy = ForwardProxy::start(Some(CREDENTIALS)).await;
    for place in Place::both().await {
        let service = service_behind(&place, &proxy.url()).await;
        let client = &service.admin;
        let report = expect(client.post("/v1/resources/main/test", &json!({"write": true})).await, 200);
        assert_ne!(report["verdict"], "fails", "{}: {report:#}", place.name);
        let reached = check(&report, "endpoint-reachable")["detail"].as_str().unwrap();
        assert!(reached.contains("the outbound route `far`"), "{reached}");
        // large enough to go in parts, whose start and end go over the SDK
        let content = vec![7; 17 << 20];
        let put = raw(client, "PUT", &by_path("main", "k"), &[], &content).await;
        assert_eq!(put.status, 200, "{}: {put:?}", place.name);
        assert!(raw(client, "GET", &by_path("main", "k"), &[], b"").await.body == content);
        let shown = expect(client.get("/v1/resources/main").await, 200);
        assert_eq!(shown["outbound_addresses"], json!(["203.0.113.7"]));
        let target = far(&place).replace("http://", "");
        assert!(proxy.asked().contains(&target), "{:?}", proxy.asked());
        // a resource beside it goes straight
        let before = proxy.asked().len();
        create(client, &place, "near", &json!({})).await;
        assert_eq!(raw(client, "GET", &by_path("near", "k"), &[], b"").await.status, 200);
        assert_eq!(proxy.asked().len(), before);
    }
}

#[tokio::test]
async fn tls_is_spoken_with_the_store_and_not_with_the_proxy() {
    let (proxy, servers) = (ForwardProxy::start(Some(CREDENTIALS)).await, Servers::get());
    let place = Place::radosgw().await;
    let port = servers.rgw_tls.rsplit(':').next().unwrap();
    // the certificate names `localhost`
    let setup = with_route(&proxy.url()).with("S3_CONNECTOR__OUTBOUND__FAR__HOSTS", "localhost");
    let fields = json!({
        "endpoint": format!("https://localhost:{port}"), "outbound": "far", "addressing": "path",
        "tls": {"ca_pem": std::fs::read_to_string(&servers.ca_pem).unwrap()},
    });
    let service = service_with(&place, setup, &fields).await;
    let put = raw(&service.admin, "PUT", &by_path("main", "k"), &[], b"text").await;
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(proxy.asked(), [format!("localhost:{port}")]);
}

/// Where roles are assumed is asked through the same proxy.
#[tokio::test]
async fn a_role_is_assumed_by_the_route() {
    let proxy = ForwardProxy::start(Some(CREDENTIALS)).await;
    let place = Place::embedded().await;
    let setup =
        with_route(&proxy.url()).with("S3_CONNECTOR__OUTBOUND__FAR__HOSTS", "*.eu-central-1.amazonaws.com");
    let role = json!({"role_arn": "arn:aws:iam::111122223333:role/r", "external_id": "ext-id"});
    let fields = json!({
        "endpoint": null, "provider": "aws", "region": "eu-central-1", "outbound": "far", "assume_role": role,
        "limits": {"retries": 0},
    });
    let service = service_with(&place, setup, &fields).await;
    let read = raw(&service.admin, "GET", &by_path("main", "k"), &[], b"").await;
    assert_eq!(read.json()["code"], "ProxyRefused", "nobody answers behind it: {read:?}");
    assert_eq!(proxy.asked()[0], "sts.eu-central-1.amazonaws.com:443");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_from_a_store_that_does() {
    let place = Place::embedded().await;
    let (closed, wrong, deaf) =
        (ClosedPort::new(), ForwardProxy::start(Some("Basic other")).await, ClosedPort::new());
    let nowhere = far(&place).rsplit_once(':').unwrap().0.to_owned()
        + &format!(":{}", deaf.url().rsplit(':').next().unwrap());
    let open = ForwardProxy::start(None).await;
    for (proxy, endpoint, told) in [
        (closed.url(), far(&place), "onnect"),
        (wrong.url(), far(&place), "authorization"),
        (open.url(), nowhere, "unsuccessful"),
    ] {
        let fields =
            json!({"endpoint": endpoint, "outbound": "far", "addressing": "path", "limits": {"retries": 0}});
        let service = service_with(&place, with_route(&proxy), &fields).await;
        let read = raw(&service.admin, "GET", &by_path("main", "k"), &[], b"").await;
        assert_eq!(read.json()["code"], "ProxyRefused", "{told}: {read:?}");
        // by the SDK
        let tags = json!({"operation": "get_tags", "key": "k"});
        let (_, answer) = service.admin.query("main", &tags).await;
        assert_eq!(answer["code"], "ProxyRefused", "{answer:#}");
        let report = expect(service.admin.post("/v1/resources/main/test", &json!({})).await, 200);
        let reached = check(&report, "endpoint-reachable");
        assert_eq!((&reached["status"], &reached["cause"]), (&json!("failed"), &json!("ProxyRefused")));
        let detail = reached["detail"].as_str().unwrap();
        assert!(detail.contains(told) && !detail.contains("word"), "{detail}");
    }
}

#[tokio::test]
async fn only_known_routes_and_their_hosts_are_taken() {
    let proxy = ForwardProxy::start(Some(CREDENTIALS)).await;
    let place = Place::embedded().await;
    let service = service_behind(&place, &proxy.url()).await;
    for (fields, code, path) in [
        (json!({"outbound": "nowhere"}), "UNKNOWN_ROUTE", "outbound"),
        (json!({"outbound": "far", "endpoint": "https://other.example"}), "HOST_NOT_ON_ROUTE", "endpoint"),
    ] {
        let mut definition = place.definition("x");
        for (name, value) in fields.as_object().unwrap() {
            definition[name] = value.clone();
        }
        let refused = expect(service.admin.post("/v1/resources", &definition).await, 422);
        assert_eq!(
            (&refused["errors"][0]["code"], &refused["errors"][0]["path"]),
            (&json!(code), &json!(path))
        );
    }
    // virtual hosts are below the endpoint's
    let fields = json!({"endpoint": far(&place), "outbound": "far", "addressing": "virtual"});
    create(&service.admin, &place, "virtual", &fields).await;
    raw(&service.admin, "GET", &by_path("virtual", "k"), &[], b"").await;
    let host = format!("{}.{}", place.bucket, far(&place).replace("http://", ""));
    assert!(proxy.asked().contains(&host), "{:?}", proxy.asked());
}
