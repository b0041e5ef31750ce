//! Names that are there and empty: some stores take an empty version for none, and a part of an upload without a name for a
//! whole object.

use serde_json::json;

use crate::harness::aws;
use crate::query_metadata::versioned;
use crate::stores::{by_path, raw, service_at};
use crate::support::expect;

#[tokio::test]
async fn an_empty_version_or_upload_reaches_no_object() {
    let place = versioned().await;
    aws::put_object(&place.client(), &place.bucket, "k", "kept").await;
    let service = service_at(&place).await;
    let client = &service.admin;
    let part = "/v1/resources/main/object/part?key=k&upload_id=&part_number=1";
    for (method, path) in [
        ("PUT", part.to_owned()),
        ("DELETE", format!("{}?version=", by_path("main", "k"))),
        ("GET", format!("{}?version=", by_path("main", "k"))),
        ("GET", format!("{}?version=&redirect=true", by_path("main", "k"))),
    ] {
        let refused = raw(client, method, &path, &[], b"x").await;
        assert_eq!(refused.status, 400, "{method} {path}: {refused:?}");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("is empty"), "{method} {path}: {detail}");
    }
    let upload = json!({"key": "k", "upload_id": ""});
    for (operation, fields) in [
        ("delete", json!({"key": "k", "version": ""})),
        ("sign", json!({"key": "k", "version": "", "method": "DELETE"})),
        ("delete_many", json!({"keys": [{"key": "other"}, {"key": "k", "version": ""}]})),
        ("move", json!({"from": "k", "to": "l", "version": ""})),
        ("restore_version", json!({"key": "k", "version": ""})),
        ("delete_tags", json!({"key": "k", "version": ""})),
        ("upload_part", json!({"key": "k", "upload_id": "", "part_number": 1, "text": "x"})),
        ("sign_parts", json!({"key": "k", "upload_id": "", "parts": [1]})),
        ("list_parts", upload.clone()),
        ("abort_multipart_upload", upload.clone()),
        ("complete_multipart_upload", upload),
    ] {
        let mut query = fields;
        query["operation"] = operation.into();
        let refused = expect(client.query("main", &query).await, 400);
        assert!(refused.to_string().contains("is empty"), "{operation}: {refused:#}");
    }
    assert_eq!(aws::get_object(&place.client(), &place.bucket, "k").await, b"kept");
    assert_eq!(place.keys().await, ["k"]);
}
