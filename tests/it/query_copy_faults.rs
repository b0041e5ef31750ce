//! Copies between two stores of which one breaks off, stalls or asks to come back later.

use serde_json::json;

use crate::harness::fault_proxy::{Fault, FaultProxy};
use crate::harness::http_fault::{Answer, HttpFault, Recorded};
use crate::query_copy::{copy, moved, put_rich};
use crate::stores::{Place, create, service_at, service_with};
use crate::support::{Setup, expect};

const IDLE: &str = "S3_CONNECTOR__SERVER__BODY_IDLE_TIMEOUT_MS";

#[tokio::test]
async fn a_source_that_breaks_off_keeps_the_object_and_leaves_nothing() {
    let (near, far) = (Place::embedded().await, Place::embedded().await);
    put_rich(&near, "large", vec![7; 40 << 20]).await;
    let proxy = FaultProxy::start(&near.url).await;
    let service = service_at(&far).await;
    create(&service.admin, &near, "near", &json!({"endpoint": proxy.url()})).await;
    proxy.set(Fault::ResetAfterDownload(25 << 20));
    let wanted = moved("large", "large", &json!({"to_resource": "main"}));
    // the caller sent no body that could have broken off
    let failed = expect(service.admin.query("near", &wanted).await, 502);
    assert_eq!(failed["code"], "ConnectionReset", "{failed:#}");
    assert!(failed["detail"].as_str().unwrap().starts_with("the resource `near`: "), "{failed:#}");
    assert_eq!(near.keys().await, ["large"]);
    assert_eq!((far.keys().await.len(), far.open_uploads().await), (0, 0));
}

/// Both ways: gathered before anything is sent, and streamed.
#[tokio::test]
async fn a_source_that_stalls_ends_the_copy() {
    for size in [500_000, 9 << 20] {
        let (near, far) = (Place::embedded().await, Place::embedded().await);
        put_rich(&near, "a", vec![7; size]).await;
        let proxy = FaultProxy::start(&near.url).await;
        let service = service_with(&far, Setup::new().with(IDLE, "300"), &json!({})).await;
        create(&service.admin, &near, "near", &json!({"endpoint": proxy.url()})).await;
        proxy.set(Fault::StallAfterDownload(100_000));
        let wanted = copy("a", "b", &json!({"to_resource": "main"}));
        let failed = expect(service.admin.query("near", &wanted).await, 502);
        let detail = failed["detail"].as_str().unwrap();
        assert!(detail.contains("the source stalled: nothing came for 300 ms"), "{size}: {failed:#}");
        assert_eq!((far.keys().await.len(), far.open_uploads().await), (0, 0), "{size}");
    }
}

/// A rename looks whether what stands under the new key is the copy of an earlier try; that the store stalls in the middle of it
/// ends the look.
#[tokio::test]
async fn a_comparison_that_stalls_ends_the_rename() {
    let (near, far) = (Place::embedded().await, Place::embedded().await);
    put_rich(&near, "a/1", vec![7; 400_000]).await;
    // as large, and other in its last byte only
    let mut other = vec![7; 400_000];
    other[399_999] = 8;
    put_rich(&far, "b/1", other).await;
    let proxy = FaultProxy::start(&far.url).await;
    let fields = json!({"endpoint": proxy.url()});
    let service = service_with(&far, Setup::new().with(IDLE, "300"), &fields).await;
    create(&service.admin, &near, "near", &json!({})).await;
    let rename = json!({"operation": "rename_prefix", "from": "a/", "to": "b/", "to_resource": "main", "confirm_count": 1});
    proxy.set(Fault::StallAfterDownload(100_000));
    let (status, answer) = service.admin.query("near", &rename).await;
    let text = answer.to_string();
    assert!(status >= 400 || text.contains("stalled in the middle"), "{status} {answer:#}");
    assert!(text.contains("stalled"), "{answer:#}");
    assert_eq!(near.keys().await, ["a/1"]);
}

/// Tags are given by a call of their own: that the store asks to repeat it later does not write the object again.
#[tokio::test]
async fn tags_that_are_throttled_do_not_send_the_object_again() {
    let (near, far) = (Place::embedded().await, Place::embedded().await);
    put_rich(&near, "a", vec![7; 2 << 20]).await;
    let front = HttpFault::start(&far.url).await;
    let tagging = |request: &Recorded| request.method == "PUT" && request.path.ends_with("?tagging");
    front.answer_when(tagging, Answer::slow_down());
    let fields = json!({"endpoint": front.url(), "limits": {"retries": 0}});
    let service = service_with(&far, Setup::new(), &fields).await;
    create(&service.admin, &near, "near", &json!({})).await;
    let more = json!({"to_resource": "main", "tags_directive": "replace", "tags": {"team": "books"}});
    let failed = expect(service.admin.query("near", &copy("a", "b", &more)).await, 503);
    assert!(failed["detail"].as_str().unwrap().contains("is written, and its tags"), "{failed:#}");
    let is_object = |request: &&Recorded| request.method == "PUT" && !tagging(request);
    assert_eq!(front.requests().iter().filter(is_object).count(), 1);
}

/// A store that did not wait for what it was sent is not the source, whose object was read to its end.
#[tokio::test]
async fn what_the_target_answers_is_the_targets() {
    let (near, far) = (Place::embedded().await, Place::embedded().await);
    put_rich(&near, "a", vec![7; 1000]).await;
    let front = HttpFault::start(&far.url).await;
    front.answer_when(|request| request.method == "PUT", Answer::s3_error(400, "RequestTimeout"));
    let fields = json!({"endpoint": front.url(), "limits": {"retries": 0}});
    let service = service_with(&far, Setup::new(), &fields).await;
    create(&service.admin, &near, "near", &json!({})).await;
    let wanted = copy("a", "b", &json!({"to_resource": "main"}));
    let (status, failed) = service.admin.query("near", &wanted).await;
    assert!(status >= 400 && failed["code"] == "RequestTimeout", "{failed:#}");
    assert!(failed["detail"].as_str().unwrap().starts_with("the resource `main`: "), "{failed:#}");
}
