//! What the requests for each provider look like on the wire, against `fixtures/provider/wire.txt`.
//!
//! A server on loopback takes them down. `S3_CONNECTOR_WRITE_FIXTURES=1` writes the file anew in place of comparing.
//! Bucket and endpoint have names of their own, so that the addressing shows.

mod cut_lists;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use base64::Engine;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use s3s::crypto::{Checksum, Md5};
use tokio::net::TcpListener;

use crate::aws::egress::{Egress, Endpoint};
use crate::aws::http::{HttpClients, Way};
use crate::aws::s3::{
    CopyGets, CopySource, Doomed, ListRequest, S3, Settings, UploadDefaults, VersionsRequest,
};
use crate::aws::source::Source;
use crate::aws::upload::{Leftovers, MULTIPART_FROM};
use crate::model::object::{BodyError, DeleteOptions, GetOptions, ObjectKey, PutOptions};
use crate::model::provider::{Feature, PROFILES, Profile, find};
use crate::model::resource::{Addressing, PayloadSigning};

const EXPECTED: &str = include_str!("../../../fixtures/provider/wire.txt");
const HOST: &str = "store.example";
/// Headers that a profile has a say in.
const TOLD: &[&str] = &[
    "content-md5",
    "content-encoding",
    "accept-encoding",
    "x-amz-trailer",
    "x-amz-checksum-algorithm",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-copy-source",
    "if-none-match",
    "x-oss-forbid-overwrite",
];

type Requests = Arc<Mutex<Vec<(http::request::Parts, Bytes)>>>;

#[tokio::test]
async fn requests_are_on_the_wire_as_each_profile_says() {
    let mut said = String::new();
    for profile in PROFILES {
        let requests = requests_of(profile).await;
        writeln!(said, "{}", profile.id).unwrap();
        for (parts, body) in requests {
            writeln!(said, "  {}", line(&parts, &body)).unwrap();
        }
    }
    if std::env::var_os("S3_CONNECTOR_WRITE_FIXTURES").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/provider/wire.txt");
        return std::fs::write(file, said).unwrap();
    }
    for (expected, line) in EXPECTED.lines().zip(said.lines()) {
        assert_eq!(line, expected, "in\n{said}");
    }
    assert_eq!(said.lines().count(), EXPECTED.lines().count(), "{said}");
}

/// Also with those of the SDK; what changes a bucket is paid by its owner.
#[tokio::test]
async fn who_owns_the_bucket_and_who_pays_is_said_with_every_request() {
    let requests = requests_by(find("aws").unwrap(), &|settings| {
        settings.expected_owner = Some("111122223333".to_owned());
        settings.requester_pays = true;
    });
    for (parts, _) in requests.await {
        let what = format!("{} {}", parts.method, parts.uri);
        assert_eq!(parts.headers["x-amz-expected-bucket-owner"], "111122223333", "{what}");
        let of_bucket = ["?cors", "?policy"].iter().any(|aspect| what.contains(aspect));
        assert_eq!(parts.headers.contains_key("x-amz-request-payer"), !of_bucket, "{what}");
        let copies = parts.headers.contains_key("x-amz-copy-source");
        assert_eq!(parts.headers.contains_key("x-amz-source-expected-bucket-owner"), copies, "{what}");
    }
}

async fn requests_of(profile: &'static Profile) -> Vec<(http::request::Parts, Bytes)> {
    requests_by(profile, &|_| {}).await
}

async fn requests_by(
    profile: &'static Profile,
    change: &(dyn Fn(&mut Settings) + Sync),
) -> Vec<(http::request::Parts, Bytes)> {
    let requests = Requests::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(serve(listener, Arc::clone(&requests)));
    let mut settings = settings(profile, port);
    change(&mut settings);
    let s3 = S3::new(settings);
    let (key, put) = (ObjectKey::under("", "a b/k").unwrap(), PutOptions::default());
    let first = ListRequest { start_after: Some("0".to_owned()), max_keys: 2, ..ListRequest::default() };
    let page = s3.list(first).await.unwrap();
    assert!(page.next.is_some(), "{}", profile.id);
    s3.list(ListRequest { token: page.next, max_keys: 2, ..ListRequest::default() }).await.unwrap();
    s3.head(&key, &GetOptions::default()).await.unwrap();
    s3.get(&key, &GetOptions::default()).await.unwrap();
    s3.put_bytes(&key, &put, Bytes::from_static(b"x")).await.unwrap();
    let length = MULTIPART_FROM + (1 << 20);
    for length in [2 << 20, length] {
        let body = Full::new(Bytes::from(vec![b'x'; usize::try_from(length).unwrap()]));
        let source = Source::new(body.map_err(|never| -> BodyError { match never {} }).boxed_unsync());
        s3.put_stream(&key, &put, &source, Some(length), &Leftovers::default()).await.unwrap();
    }
    s3.delete(&key, &DeleteOptions::default()).await.unwrap();
    others(&s3, &key).await;
    server.abort();
    std::mem::take(&mut requests.lock().unwrap())
}

/// What is sent over the SDK, as far as the profile has it: the rest is refused before it comes here.
async fn others(s3: &S3, key: &ObjectKey) {
    let has = |feature| s3.profile.has(feature);
    if has(Feature::DeleteObjects) {
        let doomed = Doomed { key: ObjectKey::under("", "k").unwrap(), version_id: None, if_match: None };
        s3.delete_many(&[doomed]).await.unwrap();
    }
    let source = CopySource {
        bucket: "bucket".to_owned(),
        key: key.clone(),
        version_id: None,
        if_match: None,
        owner: s3.expected_owner(),
        customer_key: None,
    };
    let gets = CopyGets { only_new: has(Feature::OnlyNew), ..CopyGets::default() };
    s3.copy(&source, key, &gets).await.unwrap();
    if has(Feature::OnlyNew) {
        let only_new = PutOptions { if_none_match: Some("*".to_owned()), ..PutOptions::default() };
        s3.put_bytes(key, &only_new, Bytes::from_static(b"x")).await.unwrap();
    }
    if has(Feature::MultipartCopy) {
        s3.copy_parts(&source, key, &CopyGets::default(), (6 << 20, 5 << 20), &Leftovers::default())
            .await
            .unwrap();
    }
    if has(Feature::ObjectTags) {
        s3.put_tags(key, None, &BTreeMap::from([("a".to_owned(), "b".to_owned())])).await.unwrap();
    }
    if has(Feature::Versions) {
        s3.list_versions(VersionsRequest { max_keys: 2, ..VersionsRequest::default() }).await.unwrap();
    }
    if has(Feature::BucketCors) {
        s3.delete_cors().await.unwrap();
    }
    if has(Feature::BucketPolicy) {
        s3.put_policy(&serde_json::json!({"Version": "2012-10-17", "Statement": []}), false).await.unwrap();
    }
}

fn settings(profile: &'static Profile, port: u16) -> Settings {
    let clients = HttpClients::new(Arc::new(Egress::here()));
    let endpoint = Endpoint { url: format!("http://{HOST}:{port}"), host: HOST.to_owned(), port, tls: false };
    let credentials = Credentials::new("AKIAEXAMPLE000000001", "secret", None, None, "test");
    Settings {
        endpoint: Some(endpoint),
        profile,
        region: profile.default_region.to_owned(),
        bucket: "bucket".to_owned(),
        path_style: profile.addressing == Addressing::Path,
        credentials: Some(SharedCredentialsProvider::new(credentials)),
        http: clients.get(Way::straight(port)).unwrap(),
        direct: clients.direct(Way::straight(port)).unwrap(),
        timeout: Duration::from_secs(20),
        retries: 0,
        expected_owner: None,
        requester_pays: false,
        payload_signing: PayloadSigning::Auto,
        defaults: UploadDefaults::default(),
        part_room: Arc::new(tokio::sync::Semaphore::new(0)),
        public_endpoint: None,
        session: None,
        capture: None,
    }
}

async fn serve(listener: TcpListener, requests: Requests) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let requests = Arc::clone(&requests);
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request| answer(&requests, request));
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await
                .ok();
        });
    }
}

async fn answer(
    requests: &Requests,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let has = |word: &str| query.split('&').any(|pair| pair.split('=').next() == Some(word));
    let text = match parts.method.as_str() {
        "GET" if has("versions") => "<ListVersionsResult/>".to_owned(),
        "PUT" if parts.headers.contains_key("x-amz-copy-source") => {
            let name = if has("partNumber") { "CopyPartResult" } else { "CopyObjectResult" };
            format!("<{name}><ETag>\"e\"</ETag></{name}>")
        }
        "GET" => {
            let url = if has("encoding-type") { "<EncodingType>url</EncodingType>" } else { "" };
            let next = if has("list-type") { "<NextContinuationToken>t</NextContinuationToken>" } else { "" };
            let rows = "<Contents><Key>m</Key></Contents>";
            let more = !query.contains("continuation-token=t") && !query.contains("marker=m");
            format!("<ListBucketResult><IsTruncated>{more}</IsTruncated>{url}{next}{rows}</ListBucketResult>")
        }
        "POST" if has("uploads") => {
            "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>".to_owned()
        }
        "POST" if has("delete") => "<DeleteResult/>".to_owned(),
        "POST" => "<CompleteMultipartUploadResult/>".to_owned(),
        _ => String::new(),
    };
    requests.lock().unwrap().push((parts, body));
    Ok(Response::builder().header("etag", "\"e\"").body(Full::from(text)).unwrap())
}

/// One request in one line; what differs from run to run is left out.
fn line(parts: &http::request::Parts, body: &[u8]) -> String {
    let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let host = header("host").unwrap();
    let host = host.split(':').next().unwrap();
    let authorization = header("authorization").unwrap();
    let region = authorization.split('/').nth(2).unwrap();
    let sum = header("x-amz-content-sha256").unwrap();
    let sum = if sum.len() == 64 { "SIGNED-PAYLOAD" } else { sum.as_str() };
    let mut query: Vec<&str> = parts.uri.query().map(|query| query.split('&').collect()).unwrap_or_default();
    query.sort_unstable();
    let mark = if query.is_empty() { "" } else { "?" };
    let url = format!("{host}{}{mark}{}", parts.uri.path(), query.join("&"));
    let mut line = format!("{} {url} {region} {sum}", parts.method);
    for name in TOLD {
        if let Some(value) = header(name) {
            write!(line, " {name}={value}").unwrap();
        }
    }
    let sums = parts.headers.keys().filter(|name| name.as_str().starts_with("x-amz-checksum-"));
    for name in sums.filter(|name| !TOLD.contains(&name.as_str())) {
        write!(line, " {name}").unwrap();
    }
    if let Some(sum) = header("content-md5") {
        assert_eq!(sum, base64::engine::general_purpose::STANDARD.encode(Md5::checksum(body)), "{line}");
    }
    let plain = header("x-amz-decoded-content-length").unwrap_or_else(|| body.len().to_string());
    if parts.method == "PUT" { format!("{line} {plain} bytes") } else { line }
}
