//! Lists that are cut: where they go on, and that they neither look complete nor go round for ever.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::aws::AwsError;
use crate::aws::s3::tests::settings;
use crate::aws::s3::{ListRequest, S3, UploadMarker, VersionsRequest};
use crate::model::object::ObjectKey;
use crate::model::provider;

/// A store that says these texts, one a request, and takes down what it was asked.
struct Script {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Script {
    async fn start(texts: &[&str]) -> Script {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let texts: VecDeque<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let (texts, asked) = (Arc::new(Mutex::new(texts)), Arc::<Mutex<Vec<String>>>::default());
        let server = tokio::spawn(serve(listener, texts, Arc::clone(&asked)));
        Script { port, asked, server }
    }

    fn client(&self, profile: &str) -> S3 {
        S3::new(settings(provider::find(profile).unwrap(), self.port))
    }

    /// The query of the last request.
    fn asked(&self) -> String {
        self.asked.lock().unwrap().last().unwrap().clone()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, texts: Arc<Mutex<VecDeque<String>>>, asked: Arc<Mutex<Vec<String>>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (texts, asked) = (Arc::clone(&texts), Arc::clone(&asked));
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| {
                asked.lock().unwrap().push(request.uri().query().unwrap_or_default().to_owned());
                let text = texts.lock().unwrap().pop_front().unwrap();
                async move { Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from(text)))) }
            });
            let http = hyper::server::conn::http1::Builder::new();
            http.serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, AwsError>, word: &str) {
    let error = outcome.unwrap_err();
    assert!(error.message.contains(word), "{error:?}");
}

/// By the direct path and by the SDK.
fn both_ways(script: &Script, profile: &str) -> [S3; 2] {
    let direct = script.client(profile);
    assert!(direct.direct.is_some());
    [direct.clone(), S3 { direct: None, ..direct }]
}

fn one_page(token: Option<String>) -> ListRequest {
    ListRequest { token, max_keys: 2, ..ListRequest::default() }
}

const CUT: &str = "<IsTruncated>true</IsTruncated>";

#[tokio::test]
async fn a_list_of_objects_that_does_not_say_where_it_goes_on_is_an_error() {
    let row = "<Contents><Key>a</Key></Contents>";
    for (profile, rows) in [("aws", ""), ("aws", row), ("seaweedfs", "")] {
        let text = format!("<ListBucketResult>{CUT}{rows}</ListBucketResult>");
        let script = Script::start(&[&text, &text]).await;
        for s3 in both_ways(&script, profile) {
            refused(s3.list(one_page(None)).await, "does not say where");
        }
    }
}

#[tokio::test]
async fn a_list_of_objects_that_goes_on_where_it_began_is_an_error() {
    let row = "<Contents><Key>a</Key></Contents><NextContinuationToken>t</NextContinuationToken>";
    let text = format!("<ListBucketResult>{CUT}{row}</ListBucketResult>");
    for profile in ["aws", "seaweedfs"] {
        let script = Script::start(&[&text, &text, &text, &text]).await;
        for s3 in both_ways(&script, profile) {
            let first = s3.list(one_page(None)).await.unwrap();
            assert_eq!(first.objects.len(), 1);
            refused(s3.list(one_page(first.next)).await, "where it began");
        }
    }
}

#[tokio::test]
async fn a_list_whose_names_cannot_be_read_is_an_error() {
    let row = "<EncodingType>url</EncodingType><Contents><Key>a%FF</Key></Contents>";
    let text = format!("<ListBucketResult>{row}</ListBucketResult>");
    let script = Script::start(&[&text, &text]).await;
    for s3 in both_ways(&script, "aws") {
        refused(s3.list(one_page(None)).await, "UTF-8");
    }
}

fn uploads(names: &[&str], more: &str) -> String {
    let row = |name: &&str| format!("<Upload><Key>{name}</Key><UploadId>id-{name}</UploadId></Upload>");
    let rows: String = names.iter().map(row).collect();
    format!("<ListMultipartUploadsResult>{more}{rows}</ListMultipartUploadsResult>")
}

#[tokio::test]
async fn a_list_of_uploads_without_markers_goes_on_behind_its_last_row() {
    let told_by_half = format!("{CUT}<NextKeyMarker>b</NextKeyMarker><NextUploadIdMarker/>");
    for more in [CUT, &told_by_half] {
        let script = Script::start(&[&uploads(&["a", "b"], more), &uploads(&["c"], "")]).await;
        let s3 = script.client("ceph");
        let first = s3.list_uploads("", None, 2).await.unwrap();
        let marker = UploadMarker { key: "b".to_owned(), upload_id: "id-b".to_owned() };
        assert_eq!(first.next, Some(marker), "{more}");
        let second = s3.list_uploads("", first.next, 2).await.unwrap();
        let asked = script.asked();
        assert!(asked.contains("key-marker=b") && asked.contains("upload-id-marker=id-b"), "{asked}");
        assert_eq!((second.uploads.len(), second.next), (1, None));
    }
}

#[tokio::test]
async fn a_list_of_uploads_that_cannot_go_on_is_an_error() {
    let page = uploads(&["a", "b"], CUT);
    // it has no markers, neither when it answers nor when it is asked
    let script = Script::start(&[&page, &page]).await;
    let s3 = script.client("ceph");
    let first = s3.list_uploads("", None, 2).await.unwrap();
    refused(s3.list_uploads("", first.next, 2).await, "where it began");
    let script = Script::start(&[&uploads(&[], CUT)]).await;
    refused(script.client("ceph").list_uploads("", None, 2).await, "does not say where");
}

#[tokio::test]
async fn a_list_of_parts_without_a_marker_goes_on_behind_its_last_row() {
    let parts = "<Part><PartNumber>1</PartNumber></Part><Part><PartNumber>4</PartNumber></Part>";
    let first = format!("<ListPartsResult>{CUT}{parts}</ListPartsResult>");
    let script = Script::start(&[&first, "<ListPartsResult/>"]).await;
    let (s3, key) = (script.client("ceph"), ObjectKey::under("", "k").unwrap());
    let page = s3.list_parts(&key, "id", None, 2).await.unwrap();
    assert_eq!(page.next.as_deref(), Some("4"));
    let page = s3.list_parts(&key, "id", page.next, 2).await.unwrap();
    assert!(script.asked().contains("part-number-marker=4"), "{}", script.asked());
    assert_eq!(page.next, None);
}

#[tokio::test]
async fn a_list_of_versions_that_does_not_say_where_it_goes_on_is_an_error() {
    let text = format!("<ListVersionsResult>{CUT}</ListVersionsResult>");
    let script = Script::start(&[&text]).await;
    let wanted = VersionsRequest { max_keys: 2, ..VersionsRequest::default() };
    refused(script.client("ceph").list_versions(wanted).await, "does not say where");
}
