//! `docs/quickstart.md` says what works: its `sh` blocks run here, in order, as one script.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::process::Command;

use crate::harness::aws;
use crate::harness::servers::Servers;
use crate::support::Setup;

const PAGE: &str = include_str!("../../docs/quickstart.md");

#[tokio::test]
async fn every_command_of_the_quickstart_works() {
    let servers = Servers::get();
    let service = Setup::new().start().await;
    let store = aws::s3(&servers.rgw, &servers.rgw_key);
    let bucket = aws::create_bucket(&store, "quickstart").await;
    let script = script();
    let path = std::env::var("PATH").unwrap();
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .env("PATH", format!("{}:{path}", servers.python_bin.display()))
        .env("MOTO", &servers.moto)
        .env("S3_CONNECTOR_SERVER", &service.url)
        .env("S3_CONNECTOR_TOKEN", service.token())
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000001")
        .env("AWS_SECRET_ACCESS_KEY", "example")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("STORE", &servers.rgw)
        .env("STORE_KEY_ID", &servers.rgw_key.id)
        .env("STORE_SECRET", &servers.rgw_key.secret)
        .env("STORE_BUCKET", &bucket)
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert_eq!(
        out.matches(r#""verdict":"works""#).count(),
        3,
        "a source and two resources are tested\n{out}"
    );
    assert!(out.contains("total: 42") && out.contains("hello"), "{out}");
    assert!(out.contains("TEMPLATE_SYNTAX"), "{out}");
    assert!(!out.contains("the-secret-access-key-of-the-bucket"), "a value came back\n{out}");
}

fn script() -> String {
    let mut blocks = Vec::new();
    let mut rest = PAGE;
    while let Some((_, after)) = rest.split_once("```sh\n") {
        let (block, after) = after.split_once("```").unwrap();
        blocks.push(block);
        rest = after;
    }
    assert!(blocks.len() > 8, "the page has its commands in `sh` blocks");
    blocks.join("\n")
}
