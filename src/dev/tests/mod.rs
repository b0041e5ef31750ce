//! The embedded server as its clients see it: over a socket, with the SDK of AWS or by hand.

mod access;
mod durability;
mod listing;
mod multipart;
mod objects;
mod tags;

use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::{Client, Config};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::server::{EmbeddedStore, Options};

const BUCKET: &str = "bucket";
const REGION: &str = "eu-central-1";

/// A server with one bucket, and a client for it.
struct Server {
    store: EmbeddedStore,
    client: Client,
    folder: TempDir,
}

impl Server {
    async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    async fn start_in(folder: TempDir) -> Self {
        let store = EmbeddedStore::start(options(folder.path())).await.unwrap();
        store.create_bucket(BUCKET).await.unwrap();
        let client = client(store.address, "AKIDEXAMPLE", "secret");
        Self { store, client, folder }
    }

    async fn restart(self) -> Self {
        self.store.stop().await;
        Self::start_in(self.folder).await
    }

    async fn put(&self, key: &str, body: &str) -> String {
        let body = ByteStream::from(body.as_bytes().to_vec());
        let put = self.client.put_object().bucket(BUCKET).key(key).body(body).send().await.unwrap();
        put.e_tag.unwrap()
    }

    async fn get(&self, key: &str) -> Option<String> {
        match self.client.get_object().bucket(BUCKET).key(key).send().await {
            Ok(got) => Some(String::from_utf8(got.body.collect().await.unwrap().to_vec()).unwrap()),
            Err(error) => {
                assert_eq!(code(&error), (404, "NoSuchKey".to_owned()));
                None
            }
        }
    }

    async fn keys(&self) -> Vec<String> {
        let listed = self.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
        listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
    }

    /// Bodies and parts that are not part of an object.
    fn loose_files(&self) -> usize {
        let count = |folder: &str| files_below(&self.folder.path().join(folder));
        count("scratch") + count(&format!("buckets/{BUCKET}/uploads"))
    }

    /// Path and query of a presigned PUT.
    async fn presigned_put(&self, key: &str) -> String {
        let presigned = self.client.put_object().bucket(BUCKET).key(key).presigned(an_hour()).await.unwrap();
        path_and_query(presigned.uri())
    }

    /// Path and query of a presigned GET.
    async fn presigned_get(&self, key: &str) -> String {
        let presigned = self.client.get_object().bucket(BUCKET).key(key).presigned(an_hour()).await.unwrap();
        path_and_query(presigned.uri())
    }

    /// Sends a request by hand and returns the answer in lower case.
    async fn raw(&self, head: &str, body: &[u8]) -> String {
        answer_of(self.send_raw(head, body).await).await
    }

    /// Sends a request whose body ends early.
    async fn raw_cut_off(&self, head: &str, body: &[u8]) -> String {
        let mut stream = self.send_raw(head, body).await;
        stream.shutdown().await.unwrap();
        answer_of(stream).await
    }

    async fn send_raw(&self, head: &str, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.store.address).await.unwrap();
        let head = format!("{head}\r\nhost: {}\r\nconnection: close\r\n\r\n", self.store.address);
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        stream
    }
}

async fn answer_of(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).to_lowercase()
}

fn options(root: &Path) -> Options {
    Options {
        root: root.to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: SecretString::from("secret"),
        region: REGION.to_owned(),
    }
}

fn client(address: SocketAddr, id: &str, secret: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new(id, secret, None, None, "test"))
        .region(Region::new(REGION))
        .endpoint_url(format!("http://{address}"))
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

fn an_hour() -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_hours(1)).unwrap()
}

fn path_and_query(uri: &str) -> String {
    uri.splitn(4, '/').nth(3).map(|rest| format!("/{rest}")).unwrap()
}

/// Status and error code of a refused request.
fn code<E: ProvideErrorMetadata + Debug>(error: &SdkError<E, HttpResponse>) -> (u16, String) {
    let status = error.raw_response().unwrap_or_else(|| panic!("no answer: {error:?}")).status().as_u16();
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    (status, code.unwrap_or_default().to_owned())
}

/// Asserts that a request is refused with this status and code.
#[track_caller]
fn refused<T: Debug, E: ProvideErrorMetadata + Debug>(
    outcome: Result<T, SdkError<E, HttpResponse>>,
    status: u16,
    expected: &str,
) {
    match outcome {
        Ok(answer) => panic!("expected {status} {expected}, got {answer:?}"),
        Err(error) => assert_eq!(code(&error), (status, expected.to_owned())),
    }
}

fn files_below(folder: &Path) -> usize {
    let below = |entry: std::fs::DirEntry| if entry.path().is_dir() { files_below(&entry.path()) } else { 1 };
    std::fs::read_dir(folder).unwrap().map(|entry| below(entry.unwrap())).sum()
}
