//! The other side of a signed URL: somebody without a token, whose requests no library tidies up.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::stores::{Raw, finish};

/// Stands between the fields of a form.
const BOUNDARY: &str = "a-boundary-that-no-field-holds";

/// Sends a request to a URL of `http`, byte for byte as given.
pub(crate) async fn send(method: &str, url: &str, headers: &[(String, String)], body: &[u8]) -> Raw {
    let (host, path) = url.strip_prefix("http://").expect("a URL of http").split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let length = ("content-length".to_owned(), body.len().to_string());
    let given = headers.iter().any(|(name, _)| *name == length.0);
    let own = (!given).then_some(&length);
    let lines: Vec<String> =
        headers.iter().chain(own).map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head =
        format!("{method} /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{}\r\n", lines.concat());
    stream.write_all(head.as_bytes()).await.unwrap();
    // a refusal may come before all is sent
    stream.write_all(body).await.ok();
    finish(stream).await
}

/// Does what a signed URL says, with the headers that its answer names.
pub(crate) async fn follow(signed: &Value, body: &[u8]) -> Raw {
    let headers = signed["headers"].as_object().unwrap().iter();
    let headers: Vec<_> =
        headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
    send(signed["method"].as_str().unwrap(), signed["url"].as_str().unwrap(), &headers, body).await
}

/// Reads a URL.
pub(crate) async fn get(url: &str) -> Raw {
    send("GET", url, &[], b"").await
}

/// Sends a form as a browser does, the file last.
pub(crate) async fn post(url: &str, fields: &Value, file: &[u8]) -> Raw {
    let mut body = Vec::new();
    for (name, value) in fields.as_object().unwrap() {
        let value = value.as_str().unwrap();
        let part =
            format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"photo.png\"\r\ncontent-type: image/png\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let url = if url.splitn(4, '/').count() == 4 { url.to_owned() } else { format!("{url}/") };
    send("POST", &url, &[("content-type".to_owned(), kind)], &body).await
}

/// A parameter of a URL, decoded.
pub(crate) fn parameter(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
