//! Stores that one test runs against in turn, and requests that no URL library tidies up.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time;

use crate::harness::aws;
use crate::harness::servers::{AccessKey, Servers};
use crate::support::{self, Client, Embedded, LONG, Service, Setup, expect};

/// What a path carries as it is; everything else is percent-encoded.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');

/// A store with a bucket of the test's own.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    pub(crate) bucket: String,
    pub(crate) key: AccessKey,
    pub(crate) embedded: Option<Embedded>,
}

impl Place {
    pub(crate) async fn embedded() -> Place {
        let embedded = Embedded::start().await;
        let (url, bucket, key) = (embedded.url.clone(), embedded.bucket.clone(), embedded.key.clone());
        Place { name: "embedded", url, bucket, key, embedded: Some(embedded) }
    }

    pub(crate) async fn radosgw() -> Place {
        let servers = Servers::get();
        Place::at("radosgw", servers.rgw, servers.rgw_key).await
    }

    pub(crate) async fn moto() -> Place {
        Place::at("moto", Servers::get().moto, AccessKey::new("test", "test-secret")).await
    }

    /// The one that `tests/third-store` starts.
    pub(crate) async fn third() -> Place {
        let told = |name: &str| {
            let name = format!("S3_CONNECTOR_TEST_THIRD_{name}");
            std::env::var(&name).unwrap_or_else(|_| panic!("{name} is not set: run `tests/third-store`"))
        };
        Place::at("swift", told("URL"), AccessKey::new(told("KEY"), told("SECRET"))).await
    }

    async fn at(name: &'static str, url: String, key: AccessKey) -> Place {
        let bucket = aws::create_bucket(&aws::s3(&url, &key), "it").await;
        Place { name, url, bucket, key, embedded: None }
    }

    /// The two that are strict.
    pub(crate) async fn both() -> Vec<Place> {
        vec![Place::embedded().await, Place::radosgw().await]
    }

    /// Moto as well.
    pub(crate) async fn all() -> Vec<Place> {
        vec![Place::embedded().await, Place::radosgw().await, Place::moto().await]
    }

    /// The store's own client, for a look behind the service's back.
    pub(crate) fn client(&self) -> aws_sdk_s3::Client {
        aws::s3(&self.url, &self.key)
    }

    /// With a profile that has conditions on uploads and ACLs.
    pub(crate) fn definition(&self, name: &str) -> Value {
        let mut definition = support::definition(name, &self.url, &self.bucket, &self.key);
        definition["provider"] = "ceph".into();
        definition
    }

    /// All keys, as the store has them.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let listed = self.client().list_objects_v2().bucket(&self.bucket).send().await.unwrap();
        listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
    }

    /// Multipart uploads that nobody completed or aborted.
    pub(crate) async fn open_uploads(&self) -> usize {
        let listed = self.client().list_multipart_uploads().bucket(&self.bucket).send().await.unwrap();
        listed.uploads().len()
    }
}

/// A service with the resource `main` at the place.
pub(crate) async fn service_at(place: &Place) -> Service {
    service_with(place, Setup::new(), &serde_json::json!({})).await
}

/// The same with settings, and with fields of the definition replaced.
pub(crate) async fn service_with(place: &Place, setup: Setup, fields: &Value) -> Service {
    let service = setup.start().await;
    create(&service.admin, place, "main", fields).await;
    service
}

/// A resource at the place with fields of the definition replaced.
pub(crate) async fn create(admin: &Client, place: &Place, name: &str, fields: &Value) {
    let mut definition = place.definition(name);
    for (field, value) in fields.as_object().unwrap() {
        definition[field] = value.clone();
    }
    expect(admin.post("/v1/resources", &definition).await, 201);
}

/// `/v1/resources/{resource}/object?key=…`
pub(crate) fn by_key(resource: &str, key: &str) -> String {
    format!("/v1/resources/{resource}/object?key={}", utf8_percent_encode(key, NON_ALPHANUMERIC))
}

/// `/v1/resources/{resource}/objects/…`
pub(crate) fn by_path(resource: &str, key: &str) -> String {
    format!("/v1/resources/{resource}/objects/{}", utf8_percent_encode(key, IN_PATH))
}

/// An answer with everything in it.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Raw {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fits = |line: &&str| line.split(':').next().is_some_and(|own| own.eq_ignore_ascii_case(name));
        self.head.lines().skip(1).find(fits)?.split_once(':').map(|(_, value)| value.trim())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

/// Sends a request byte for byte as given.
pub(crate) async fn raw(
    client: &Client,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Raw {
    let length = body.len().to_string();
    let mut all = vec![("content-length", length.as_str()), ("connection", "close")];
    all.extend_from_slice(headers);
    let mut stream = open(client, method, path, &all).await;
    stream.write_all(body).await.unwrap();
    finish(stream).await
}

/// Opens a connection and sends the head of a request, which must say how long the body is.
pub(crate) async fn open(client: &Client, method: &str, path: &str, headers: &[(&str, &str)]) -> TcpStream {
    let address = client.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let own = [("host", address.to_owned()), ("authorization", format!("Bearer {}", client.token))];
    let own = own.iter().map(|(name, value)| (*name, value.as_str()));
    let lines: Vec<String> =
        own.chain(headers.iter().copied()).map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("{method} {path} HTTP/1.1\r\n{}\r\n", lines.concat());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Reads an answer to the end of its connection.
pub(crate) async fn finish(mut stream: TcpStream) -> Raw {
    let mut bytes = Vec::new();
    time::timeout(LONG, stream.read_to_end(&mut bytes)).await.expect("no end of the answer").unwrap();
    let end = bytes.windows(4).position(|at| at == b"\r\n\r\n").unwrap_or_else(|| {
        panic!("no head of an answer in `{}`", String::from_utf8_lossy(&bytes));
    });
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Raw { status, head, body: bytes[end + 4..].to_vec() }
}
