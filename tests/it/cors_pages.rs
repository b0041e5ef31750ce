//! End to end: a page in a browser uploads through a bucket whose CORS configuration was recommended and set by the
//! product; and where one header is missing, the live check predicts what then fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::time::Duration;

use serde_json::{Value, json};

use crate::cors_check::{check, command_line, row};
use crate::cors_store::Pages;
use crate::harness::aws;
use crate::harness::browser::Browser;
use crate::stores::{Place, service_at};
use crate::support::{Client, Service, expect};

const ORIGIN: &str = "http://app.example.test";
/// For a browser and all that it sends.
const BOUND: Duration = Duration::from_mins(2);
/// The least that a part has that is not the last one.
const PART: usize = 5 << 20;
/// Bytes of the upload in parts.
const WHOLE: usize = PART + 1000;

/// Uploads a file with a signed URL, as pages do: a Blob whose type the browser writes.
const UPLOAD: &str = r#"
const [url, done] = arguments;
fetch(url, {method: "PUT", body: new Blob(["from a page"], {type: "image/png"})})
  .then((answer) => done({sent: answer.status, etag: answer.headers.get("etag")}))
  .catch((error) => done({failed: String(error)}));
"#;

/// Uploads the parts of a file whose every byte is 7, and tells the `ETag` of each.
const UPLOAD_PARTS: &str = r#"
const [parts, done] = arguments;
const send = async ({url, length, part_number}) => {
  const body = new Blob([new Uint8Array(length).fill(7)], {type: "application/octet-stream"});
  const answer = await fetch(url, {method: "PUT", body});
  return {part_number, status: answer.status, etag: answer.headers.get("etag")};
};
Promise.all(parts.map(send)).then(done).catch((error) => done({failed: String(error)}));
"#;

/// A page before a store, and the service between them.
struct World {
    place: Place,
    service: Service,
    browser: Browser,
    _pages: Pages,
}

impl World {
    async fn start() -> World {
        let place = Place::radosgw().await;
        let service = service_at(&place).await;
        let pages = Pages::start().await;
        let browser = Browser::start(pages.address).await;
        browser.open(&format!("{ORIGIN}/")).await;
        World { place, service, browser, _pages: pages }
    }

    fn admin(&self) -> &Client {
        &self.service.admin
    }

    /// Recommends for the uses, and sets what comes out; all with the command line.
    async fn set_recommended(&self, uses: &str) -> Value {
        let stated = format!("{ORIGIN}={uses}");
        let advised = ["cors", "recommend", "--use", &stated, "--provider", "ceph", "--form", "service"];
        let advised = command_line(&self.service, &advised, "").await;
        assert_eq!(advised.code, 0, "{advised:?}");
        self.set(&advised.out).await;
        serde_json::from_str(&advised.out).unwrap()
    }

    async fn set(&self, configuration: &str) {
        let set = ["bucket", "set-cors", "main", "--file", "-", "--yes"];
        let set = command_line(&self.service, &set, configuration).await;
        assert_eq!(set.code, 0, "{set:?}");
    }

    /// What the page gets of an upload to a URL of ours; a key of its own, because browsers keep preflights.
    async fn upload(&self, key: &str) -> Value {
        let wanted = json!({"operation": "sign", "key": key, "method": "PUT"});
        let signed = expect(self.admin().query("main", &wanted).await, 200);
        self.browser.run(UPLOAD, &[signed["url"].clone()]).await
    }

    /// What the page gets of an upload in parts to URLs of ours: the id of the upload, and the parts.
    async fn upload_parts(&self, key: &str) -> (String, Value) {
        let begin = json!({"operation": "create_multipart_upload", "key": key});
        let started = expect(self.admin().query("main", &begin).await, 200);
        let id = started["upload_id"].as_str().unwrap().to_owned();
        let wanted =
            json!({"operation": "sign_parts", "key": key, "upload_id": id, "size": WHOLE, "part_size": PART});
        let signed = expect(self.admin().query("main", &wanted).await, 200);
        let sent = self.browser.run(UPLOAD_PARTS, &[signed["parts"].clone()]).await;
        (id, sent)
    }
}

#[tokio::test]
async fn a_page_uploads_through_what_was_recommended_and_the_check_predicts_what_fails() {
    tokio::time::timeout(BOUND, walk()).await.expect("the browser took more than two minutes");
}

async fn walk() {
    let world = World::start().await;
    let uses = json!({"origins": [ORIGIN], "uses": ["put", "put_parts"]});

    // without a configuration nothing works, as the check says
    let before = check(world.admin(), "main", &uses).await;
    assert_eq!((&before["works"], &before["cause"]), (&json!(false), &json!("CorsNotSet")), "{before:#}");
    let refused = world.upload("before").await;
    assert!(refused["failed"].as_str().unwrap().contains("Failed to fetch"), "{refused:#}");

    let configuration = world.set_recommended("put,put_parts").await;
    let checked = check(world.admin(), "main", &uses).await;
    assert_eq!((&checked["works"], &checked["cause"]), (&json!(true), &Value::Null), "{checked:#}");
    uploads(&world).await;
    without_content_type(&world, &configuration, &uses).await;
    without_etag(&world, &configuration, &uses).await;
    world.browser.end().await;
}

/// The file and the parts arrive.
async fn uploads(world: &World) {
    let sent = world.upload("photo.png").await;
    assert_eq!(sent["sent"], 200, "{sent:#}");
    let client = world.place.client();
    assert_eq!(aws::get_object(&client, &world.place.bucket, "photo.png").await, b"from a page");
    let (upload, parts) = world.upload_parts("film.bin").await;
    let parts = parts.as_array().unwrap_or_else(|| panic!("{parts:#}"));
    assert!(parts.iter().all(|part| part["status"] == 200 && part["etag"].is_string()), "{parts:#?}");
    let given: Vec<Value> =
        parts.iter().map(|part| json!({"part_number": part["part_number"], "etag": part["etag"]})).collect();
    let complete = json!({"operation": "complete_multipart_upload", "key": "film.bin", "upload_id": upload,
        "parts": given});
    expect(world.admin().query("main", &complete).await, 200);
    let content = aws::get_object(&client, &world.place.bucket, "film.bin").await;
    assert_eq!(content, vec![7; WHOLE]);
}

/// The same configuration without the header that every upload of a file sends.
async fn without_content_type(world: &World, configuration: &Value, uses: &Value) {
    let mut less = configuration.clone();
    assert_eq!(less["rules"][0]["allowed_headers"], json!(["content-type"]), "{less:#}");
    less["rules"][0]["allowed_headers"] = json!([]);
    world.set(&less.to_string()).await;
    let predicted = check(world.admin(), "main", uses).await;
    let put = row(&predicted, ORIGIN, "put");
    assert_eq!((&put["works"], &put["cause"]), (&json!(false), &json!("CorsNotAllowed")), "{predicted:#}");
    let reason = put["predicted"]["verdict"]["reason"].as_str().unwrap();
    assert!(reason.contains("lists no `content-type` in AllowedHeaders"), "{reason}");
    assert_eq!(put["real"]["preflight"]["status"], 403, "{put:#}");
    assert_eq!(put["real"]["verdict"]["sent"], false, "{put:#}");
    // and so it is
    let refused = world.upload("without-type").await;
    assert!(refused["failed"].as_str().unwrap().contains("Failed to fetch"), "{refused:#}");
    assert!(!world.place.keys().await.contains(&"without-type".to_owned()), "the PUT is never sent");
    mended_by_its_fix(world, &predicted, uses).await;
}

/// The same configuration without the header that the page has to read.
async fn without_etag(world: &World, configuration: &Value, uses: &Value) {
    let mut less = configuration.clone();
    assert_eq!(less["rules"][0]["expose_headers"], json!(["ETag"]), "{less:#}");
    less["rules"][0]["expose_headers"] = json!([]);
    world.set(&less.to_string()).await;
    let predicted = check(world.admin(), "main", uses).await;
    assert_eq!(row(&predicted, ORIGIN, "put")["works"], true, "{predicted:#}");
    let parts = row(&predicted, ORIGIN, "put_parts");
    assert_eq!(parts["works"], false, "{predicted:#}");
    for side in ["predicted", "real"] {
        let verdict = &parts[side]["verdict"];
        assert_eq!(verdict["succeeds"], true, "{side}: {parts:#}");
        assert_eq!(verdict["unreadable_headers"], json!(["etag"]), "{side}: {parts:#}");
    }
    // and so it is: the parts arrive, and the page does not get to know their ETags
    let (_, sent) = world.upload_parts("without-etag.bin").await;
    let sent = sent.as_array().unwrap_or_else(|| panic!("{sent:#}"));
    assert!(sent.iter().all(|part| part["status"] == 200 && part["etag"].is_null()), "{sent:#?}");
    mended_by_its_fix(world, &predicted, uses).await;
}

/// The fix, applied as it stands, makes all of it work.
async fn mended_by_its_fix(world: &World, checked: &Value, uses: &Value) {
    let fix = &checked["fix"]["cors"];
    assert!(fix.is_object(), "{checked:#}");
    world.set(&fix.to_string()).await;
    let after = check(world.admin(), "main", uses).await;
    assert_eq!((&after["works"], &after["cause"]), (&json!(true), &Value::Null), "{after:#}");
}
