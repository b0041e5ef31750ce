//! Access points: their ARN stands for the bucket, and a host of their own for the endpoint.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code outside of test functions"
)]

use serde_json::{Value, json};

use crate::connection_failures::tls_front_of;
use crate::harness::forward_proxy::ForwardProxy;
use crate::harness::http_fault::{Answer, HttpFault};
use crate::support::{Setup, expect};

const ARN: &str = "arn:aws:s3:eu-west-1:111122223333:accesspoint/p";
const HOST: &str = "p-111122223333.s3-accesspoint.eu-west-1.amazonaws.com";
const ROWS: &str =
    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>k</Key></Contents></ListBucketResult>";

/// No server here answers to such a name: what a proxy leads to speaks for it, with recorded answers.
#[tokio::test]
async fn queries_go_to_the_host_of_the_access_point_and_name_no_bucket() {
    let front = HttpFault::alone().await;
    let mut done = Answer::new(200, "application/xml", ROWS);
    done.headers.push(("etag", "\"e\"".to_owned()));
    front.answer(usize::MAX, done);
    let (port, pem) = tls_front_of(&front.url(), &[HOST]).await;
    let proxy = ForwardProxy::leading_to(Some(port), None).await;
    let setup = Setup::new().with("S3_CONNECTOR__OUTBOUND__FAR__PROXY", &proxy.url());
    let service = setup.with("S3_CONNECTOR__OUTBOUND__FAR__HOSTS", "*.amazonaws.com").start().await;
    let admin = &service.admin;
    let definition = json!({
        "name": "main", "bucket": ARN, "region": "eu-west-1", "outbound": "far", "tls": {"ca_pem": pem},
        "auth": {"kind": "access_key", "access_key_id": "AKIARECORDED00000001", "secret_access_key": "recorded"},
        "limits": {"retries": 0},
    });
    expect(admin.post("/v1/resources", &definition).await, 201);
    for (query, path) in [
        (json!({"operation": "list"}), "/?"),
        (json!({"operation": "get", "key": "a b"}), "/a%20b"),
        (json!({"operation": "head", "key": "a b"}), "/a%20b"),
        (json!({"operation": "put", "key": "a b", "text": "x"}), "/a%20b"),
        // over the SDK
        (json!({"operation": "delete", "key": "a b"}), "/a%20b"),
        (json!({"operation": "get_tags", "key": "a b"}), "/a%20b?tagging"),
    ] {
        let told = expect(admin.post("/v1/resources/main/explain", &query).await, 200);
        assert!(
            told["request"]["url"].as_str().unwrap().starts_with(&format!("https://{HOST}{path}")),
            "{told:#}"
        );
        let needed = told["permissions"][0]["resource"].as_str().unwrap();
        assert!(needed == ARN || needed == format!("{ARN}/object/a b"), "{needed}");
        let before = front.requests().len();
        let (status, answer) = admin.query("main", &query).await;
        // the recorded rows are no set of tags
        assert!(status == 200 || query["operation"] == "get_tags", "{query}: {answer:#}");
        let requests = front.requests();
        let request = requests.get(before).unwrap_or_else(|| panic!("{query} was not sent: {answer:#}"));
        assert_eq!(request.headers["host"], HOST, "{query}");
        assert!(request.path.starts_with(path), "{query}: {}", request.path);
        let signed = request.headers["authorization"].to_str().unwrap();
        assert!(signed.contains("/eu-west-1/s3/aws4_request"), "{signed}");
    }
    assert_eq!(proxy.asked().first(), Some(&format!("{HOST}:443")));
    let signed = expect(admin.query("main", &json!({"operation": "sign", "key": "a b"})).await, 200);
    let url = signed["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("https://{HOST}/a%20b?")), "{url}");
    let form: Value = expect(
        admin.query("main", &json!({"operation": "sign_post", "key": "k", "max_bytes": 5})).await,
        200,
    );
    assert_eq!(form["url"], format!("https://{HOST}/"), "{form:#}");
}
