//! The live check of a resource: what the configuration says beside what the store really answers, and the name of a
//! difference.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::io::Write;
use std::process::{Command, Stdio};

use reqwest::Method;
use serde_json::{Value, json};

use crate::connection::check as check_of;
use crate::cors_store::set_cors;
use crate::harness::aws::{self, RgwUser};
use crate::harness::http_fault::{Answer, HttpFault};
use crate::harness::servers::Servers;
use crate::stores::{Place, create, service_at, service_with};
use crate::support::{Client, Service, Setup, answer, binary, definition, expect};

const ORIGIN: &str = "https://app.example.com";

/// The answer of the live check.
pub(crate) async fn check(client: &Client, resource: &str, wanted: &Value) -> Value {
    let checked = expect(client.post(&format!("/v1/resources/{resource}/cors/check"), wanted).await, 200);
    let all = checked["uses"].as_array().unwrap();
    assert_eq!(checked["works"], json!(all.iter().all(|row| row["works"] == true)), "{checked:#}");
    for row in all.iter().filter(|row| row["works"] == false) {
        assert!(row["cause"].is_string() && checked["remedy"].is_string(), "{checked:#}");
    }
    for signature in ["X-Amz-Signature", "X-Amz-Credential"] {
        assert!(!checked.to_string().contains(signature), "a signed URL is shown: {checked:#}");
    }
    checked
}

/// The first request of a use.
pub(crate) fn row<'a>(checked: &'a Value, origin: &str, operation: &str) -> &'a Value {
    let rows = checked["uses"].as_array().unwrap();
    let fits = |row: &&Value| row["origin"] == origin && row["use"] == operation;
    rows.iter().find(fits).unwrap_or_else(|| panic!("no {operation} from {origin}: {checked:#}"))
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    #[expect(dead_code, reason = "for the message of a failed test")]
    pub(crate) words: String,
}

/// Runs the command line against the service.
pub(crate) async fn command_line(service: &Service, arguments: &[&str], input: &str) -> Ran {
    let mut command = Command::new(binary());
    command.args(arguments).env("NO_COLOR", "1");
    command.env("S3_CONNECTOR_SERVER", &service.url).env("S3_CONNECTOR_TOKEN", service.token());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let input = input.to_owned();
    let run = move || {
        let mut child = command.spawn().unwrap();
        // a command that ends without reading it breaks the pipe
        child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
        child.wait_with_output().unwrap()
    };
    let ended = tokio::task::spawn_blocking(run).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: ended.status.code().unwrap(), out: text(ended.stdout), words: text(ended.stderr) }
}

fn configuration(rules: &Value) -> s3_connector::cors::CorsConfiguration {
    serde_json::from_value(json!({"rules": rules})).unwrap()
}

/// What lets pages of the origin read and upload.
pub(crate) fn open(origin: &str) -> Value {
    json!([{"allowed_origins": [origin], "allowed_methods": ["GET", "PUT"], "allowed_headers": ["content-type"]}])
}

/// A service before a proxy before radosgw, with the resource `main`.
pub(crate) async fn behind_proxy(place: &Place) -> (Service, HttpFault) {
    let front = HttpFault::start(&place.url).await;
    let service = service_with(place, Setup::new(), &json!({"endpoint": front.url()})).await;
    (service, front)
}

/// An answer to a preflight; one of a store has an id.
pub(crate) fn preflight(status: u16, of_store: bool, headers: &[(&'static str, &str)]) -> Answer {
    let mut answer = Answer::new(status, "text/plain", "");
    answer.headers.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
    if of_store {
        answer.headers.push(("x-amz-request-id", "made-by-the-test".to_owned()));
    }
    answer
}

fn causes(checked: &Value) -> (bool, Option<&str>) {
    (checked["works"].as_bool().unwrap(), checked["cause"].as_str())
}

#[tokio::test]
async fn both_sides_agree_where_nothing_stands_between() {
    let place = Place::radosgw().await;
    aws::put_object(&place.client(), &place.bucket, "there", "content").await;
    let service = service_at(&place).await;
    let wanted = json!({"origins": [ORIGIN, "https://other.example.com"], "uses": ["get", "head", "put"],
        "read_headers": ["ETag"]});
    let unset = check(&service.admin, "main", &wanted).await;
    assert_eq!(causes(&unset), (false, Some("CorsNotSet")), "{unset:#}");
    assert_eq!(unset["configuration"]["state"], "not_set");
    assert!(unset["uses"].as_array().unwrap().iter().all(|row| row["decided_by"] == "both"), "{unset:#}");

    let rule = json!({"allowed_origins": [ORIGIN], "allowed_methods": ["GET", "PUT"],
        "allowed_headers": ["content-type"], "expose_headers": ["ETag"]});
    set_cors(&place, &configuration(&json!([rule]))).await;
    let checked = check(&service.admin, "main", &wanted).await;
    let works: Vec<(&str, &str, bool)> = checked["uses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap();
            (text("origin"), text("use"), row["works"].as_bool().unwrap())
        })
        .collect();
    let other = "https://other.example.com";
    let expected = [
        (ORIGIN, "get", true),
        (ORIGIN, "head", false),
        (ORIGIN, "put", true),
        (other, "get", false),
        (other, "head", false),
        (other, "put", false),
    ];
    assert_eq!(works, expected, "{checked:#}");
    for row in checked["uses"].as_array().unwrap() {
        assert_eq!((&row["decided_by"], &row["differences"]), (&json!("both"), &Value::Null), "{row:#}");
    }
    let get = row(&checked, ORIGIN, "get");
    assert_eq!((&get["real"]["actual"]["status"], &get["request"]["status"]), (&json!(200), &json!(200)));
    assert_eq!(row(&checked, ORIGIN, "put")["real"]["actual"], Value::Null, "what writes is not sent");
    let head = row(&checked, ORIGIN, "head")["predicted"]["verdict"]["reason"].as_str().unwrap();
    assert!(head.contains("rule 1") && head.contains("`HEAD`"), "{head}");
    assert_eq!(place.keys().await, ["there"], "nothing is left behind");

    // the fix keeps what there is, and makes the rest work
    let fix = &checked["fix"]["cors"];
    expect(answer(service.admin.request(Method::PUT, "/v1/resources/main/bucket/cors").json(fix)).await, 200);
    let mended = check(&service.admin, "main", &wanted).await;
    assert_eq!(causes(&mended), (true, None), "with {fix}: {mended:#}");
}

#[tokio::test]
async fn a_proxy_that_answers_preflights_itself_is_named() {
    let place = Place::radosgw().await;
    let (service, front) = behind_proxy(&place).await;
    let wanted = json!({"origins": [ORIGIN], "uses": ["put"]});
    let all = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "GET, PUT, POST, DELETE"),
        ("access-control-allow-headers", "*"),
    ];
    front.answer_to("OPTIONS ", usize::MAX, preflight(204, false, &all));
    // the proxy lets the page ask, and the store keeps its answer from it: the upload happens, and the page sees an error
    set_cors(&place, &configuration(&open("https://other.example.com"))).await;
    let checked = check(&service.admin, "main", &wanted).await;
    assert_eq!(causes(&checked), (false, Some("CorsAnsweredByProxy")), "{checked:#}");
    let put = row(&checked, ORIGIN, "put");
    assert_eq!(put["predicted"]["verdict"]["sent"], false, "{put:#}");
    assert_eq!(put["real"]["verdict"]["sent"], true, "the store does the work: {put:#}");
    assert!(checked["remedy"].as_str().unwrap().contains("OPTIONS"), "{checked:#}");
    // where the store lets the page in as well, it works, and the proxy is named nevertheless
    set_cors(&place, &configuration(&open(ORIGIN))).await;
    let checked = check(&service.admin, "main", &wanted).await;
    assert_eq!(causes(&checked), (true, Some("CorsAnsweredByProxy")), "{checked:#}");
    let test = json!({"origins": [ORIGIN]});
    let report = expect(service.admin.post("/v1/resources/main/test", &test).await, 200);
    assert_eq!(check_of(&report, "cors-allows-browser")["status"], "warning", "{report:#}");
    assert_eq!(report["verdict"], "works", "{report:#}");
    // a proxy that lets nobody in
    front.pass();
    front.answer_to("OPTIONS ", usize::MAX, preflight(405, false, &[]));
    let checked = check(&service.admin, "main", &wanted).await;
    assert_eq!(causes(&checked), (false, Some("CorsAnsweredByProxy")), "{checked:#}");
    // and without it nothing is to be said
    front.pass();
    assert_eq!(causes(&check(&service.admin, "main", &wanted).await), (true, None));
}

#[tokio::test]
async fn a_proxy_that_says_it_again_is_named() {
    let place = Place::radosgw().await;
    let (service, front) = behind_proxy(&place).await;
    set_cors(&place, &configuration(&open(ORIGIN))).await;
    let twice = [("access-control-allow-origin", ORIGIN), ("access-control-allow-origin", "*")];
    // only what a page would ask: settings are read as ever
    front.answer_when(|request| request.path.contains("X-Amz-Signature"), preflight(200, true, &twice));
    let checked = check(&service.admin, "main", &json!({"origins": [ORIGIN], "uses": ["get"]})).await;
    assert_eq!(causes(&checked), (false, Some("CorsAnsweredByProxy")), "{checked:#}");
    assert!(checked["detail"].as_str().unwrap().contains("https://app.example.com, *"), "{checked:#}");
}

#[tokio::test]
async fn a_configuration_that_is_not_in_force_yet_is_named() {
    let place = Place::radosgw().await;
    let (service, front) = behind_proxy(&place).await;
    let wanted = json!({"origins": [ORIGIN], "uses": ["put"]});
    // the store answers as it did before the rule came
    set_cors(&place, &configuration(&open(ORIGIN))).await;
    front.answer_to("OPTIONS ", usize::MAX, preflight(403, true, &[]));
    let checked = check(&service.admin, "main", &wanted).await;
    assert_eq!(causes(&checked), (false, Some("CorsNotPropagated")), "{checked:#}");
    let put = row(&checked, ORIGIN, "put");
    assert_eq!(
        (&put["predicted"]["verdict"]["succeeds"], &put["real"]["verdict"]["succeeds"]),
        (&json!(true), &json!(false)),
        "{put:#}"
    );
    assert_eq!(put["decided_by"], "real_answers");
    assert!(put["differences"][0].as_str().unwrap().contains("answered 403 and not 200"), "{put:#}");
    assert!(checked["remedy"].as_str().unwrap().contains("seconds"), "{checked:#}");
    // or as it did before the rule went: the page is still let in
    set_cors(&place, &configuration(&open("https://other.example.com"))).await;
    front.pass();
    let before = [
        ("access-control-allow-origin", ORIGIN),
        ("access-control-allow-methods", "PUT"),
        ("access-control-allow-headers", "content-type"),
    ];
    front.answer_to("OPTIONS ", usize::MAX, preflight(200, true, &before));
    let checked = check(&service.admin, "main", &wanted).await;
    assert_eq!(causes(&checked), (true, Some("CorsNotPropagated")), "{checked:#}");
    // in force: nothing to be said, in either case
    front.pass();
    assert_eq!(causes(&check(&service.admin, "main", &wanted).await), (false, Some("CorsNotAllowed")));
}

#[tokio::test]
async fn a_store_that_is_of_another_kind_than_its_provider_is_named_and_the_fix_mends_it() {
    let place = Place::radosgw().await;
    let service = service_with(&place, Setup::new(), &json!({"provider": "aws"})).await;
    // Amazon asks every rule for one that takes the whole request; Ceph takes the first of the origin
    let rules = json!([
        {"allowed_origins": [ORIGIN], "allowed_methods": ["GET"]},
        {"allowed_origins": [ORIGIN], "allowed_methods": ["PUT"], "allowed_headers": ["*"]},
    ]);
    set_cors(&place, &configuration(&rules)).await;
    let wanted = json!({"origins": [ORIGIN], "uses": ["put"]});
    let checked = check(&service.admin, "main", &wanted).await;
    assert_eq!(causes(&checked), (false, Some("CorsDeviates")), "{checked:#}");
    let mut patch = checked["fix"]["patch"].clone();
    assert_eq!(patch, json!({"provider": "ceph"}), "{checked:#}");
    // whoever changes where a key is sent has to know it
    patch["auth"] = place.definition("main")["auth"].clone();
    expect(service.admin.patch("/v1/resources/main", &patch).await, 200);
    let checked = check(&service.admin, "main", &wanted).await;
    assert_eq!(causes(&checked), (false, Some("CorsNotAllowed")), "{checked:#}");
    let fix = &checked["fix"]["cors"];
    expect(answer(service.admin.request(Method::PUT, "/v1/resources/main/bucket/cors").json(fix)).await, 200);
    let both = json!({"origins": [ORIGIN], "uses": ["put", "get"]});
    assert_eq!(causes(&check(&service.admin, "main", &both).await), (true, None), "with {fix}");
}

#[tokio::test]
async fn a_store_that_keeps_a_configuration_and_answers_no_preflight_is_named() {
    let place = Place::embedded().await;
    let service = service_at(&place).await;
    let unset = check(&service.admin, "main", &json!({"origins": [ORIGIN]})).await;
    assert_eq!(causes(&unset), (false, Some("CorsDeviates")), "no configuration would help: {unset:#}");
    let rules = json!({"rules": open(ORIGIN)});
    let set = service.admin.request(Method::PUT, "/v1/resources/main/bucket/cors").json(&rules);
    expect(answer(set).await, 200);
    let checked = check(&service.admin, "main", &json!({"origins": [ORIGIN]})).await;
    assert_eq!(causes(&checked), (false, Some("CorsDeviates")), "{checked:#}");
    let put = row(&checked, ORIGIN, "put");
    assert_eq!(put["real"]["preflight"]["code"], "SignatureDoesNotMatch", "as if it were signed: {put:#}");
    let get = row(&checked, ORIGIN, "get");
    assert_eq!(get["real"]["actual"]["headers"], json!({}), "no CORS header: {get:#}");
    assert!(checked["remedy"].as_str().unwrap().contains("no preflights"), "{checked:#}");
}

/// A user who may read objects of the place and nothing of its settings.
async fn reader(place: &Place, denied: bool) -> RgwUser {
    let user = aws::create_rgw_user(&Servers::get(), "reader").await;
    let bucket = format!("arn:aws:s3:::{}", place.bucket);
    let resources = json!([bucket, format!("{bucket}/*")]);
    let principal = json!({"AWS": [user.arn]});
    let mut statements = vec![json!({"Effect": "Allow", "Principal": principal, "Resource": resources,
        "Action": ["s3:ListBucket", "s3:GetObject"]})];
    if denied {
        statements.push(json!({"Effect": "Deny", "Principal": principal, "Resource": resources,
            "Action": ["s3:GetBucketCORS"]}));
    }
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    place.client().put_bucket_policy().bucket(&place.bucket).policy(policy).send().await.unwrap();
    user
}

#[tokio::test]
async fn without_the_right_to_read_the_configuration_the_real_answers_decide() {
    let place = Place::radosgw().await;
    aws::put_object(&place.client(), &place.bucket, "there", "content").await;
    let user = reader(&place, true).await;
    let service = Setup::new().start().await;
    let mut body = definition("main", &place.url, &place.bucket, &user.key);
    body["provider"] = json!("ceph");
    expect(service.admin.post("/v1/resources", &body).await, 201);
    set_cors(&place, &configuration(&open(ORIGIN))).await;
    let works = check(&service.admin, "main", &json!({"origins": [ORIGIN]})).await;
    assert_eq!(causes(&works), (true, None), "{works:#}");
    assert_eq!(works["configuration"]["state"], "denied", "{works:#}");
    assert_eq!(works["configuration"]["problem"]["action"], "s3:GetBucketCORS");
    assert!(works["detail"].as_str().unwrap().contains("the real answers alone decide"), "{works:#}");
    let get = row(&works, ORIGIN, "get");
    assert_eq!((&get["decided_by"], &get["predicted"]), (&json!("real_answers"), &Value::Null), "{get:#}");
    assert_eq!(get["real"]["actual"]["status"], 200, "{get:#}");

    let other = check(&service.admin, "main", &json!({"origins": ["https://other.example.com"]})).await;
    assert_eq!(causes(&other), (false, Some("CorsNotAllowed")), "{other:#}");
    assert_eq!(other["fix"]["statement"]["Action"], "s3:GetBucketCORS", "{other:#}");
    assert!(other["recommended"]["rules"].is_array(), "{other:#}");
    assert!(other["detail"].as_str().unwrap().contains("the real answers alone decide"), "{other:#}");

    // what the resource does not allow is not done either
    body["name"] = json!("narrow");
    body["operations"] = json!(["get", "list", "sign"]);
    expect(service.admin.post("/v1/resources", &body).await, 201);
    let narrow = check(&service.admin, "narrow", &json!({"origins": [ORIGIN]})).await;
    assert_eq!(narrow["configuration"]["problem"]["code"], "OperationNotAllowed", "{narrow:#}");
    assert_eq!(narrow["works"], true);
}

#[tokio::test]
async fn a_bucket_that_is_missing_and_one_that_is_elsewhere_are_told_apart() {
    let place = Place::radosgw().await;
    let service = service_at(&place).await;
    create(&service.admin, &place, "gone", &json!({"bucket": format!("{}-gone", place.bucket)})).await;
    let wanted = json!({"origins": [ORIGIN], "uses": ["put"]});
    let gone = check(&service.admin, "gone", &wanted).await;
    assert_eq!(causes(&gone), (false, Some("NoSuchBucket")), "{gone:#}");

    let (moved, front) = behind_proxy(&place).await;
    let said = "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>";
    let mut redirect = Answer::new(301, "application/xml", said);
    redirect.headers.push(("x-amz-bucket-region", "eu-west-1".to_owned()));
    front.answer_to("OPTIONS ", usize::MAX, redirect);
    set_cors(&place, &configuration(&open(ORIGIN))).await;
    let checked = check(&moved.admin, "main", &wanted).await;
    assert_eq!(causes(&checked), (false, Some("PermanentRedirect")), "{checked:#}");
    let reason = row(&checked, ORIGIN, "put")["real"]["verdict"]["reason"].as_str().unwrap();
    assert!(reason.contains("redirected with 301"), "{reason}");
    assert_eq!(checked["fix"]["patch"], json!({"region": "eu-west-1"}), "{checked:#}");
}

#[tokio::test]
async fn what_no_answer_changes_is_said_without_asking() {
    let place = Place::radosgw().await;
    let public = json!({"public_endpoint": "http://files.example.com"});
    let service = service_with(&place, Setup::new(), &public).await;
    let wanted = json!({"origins": [ORIGIN, "http://files.example.com"], "uses": ["put"]});
    let checked = check(&service.admin, "main", &wanted).await;
    assert_eq!(causes(&checked), (false, Some("MixedContent")), "{checked:#}");
    assert_eq!(
        row(&checked, "http://files.example.com", "put")["works"],
        true,
        "the same origin: {checked:#}"
    );
    // a public endpoint that is not there lets no page in, whatever the configuration says
    create(&service.admin, &place, "dark", &json!({"public_endpoint": "http://127.0.0.1:9"})).await;
    set_cors(&place, &configuration(&open(ORIGIN))).await;
    let checked = check(&service.admin, "dark", &json!({"origins": [ORIGIN], "uses": ["put"]})).await;
    let put = row(&checked, ORIGIN, "put");
    assert_eq!((&put["decided_by"], &put["works"]), (&json!("configuration"), &json!(false)), "{put:#}");
    assert_eq!(causes(&checked), (false, Some("ConnectionRefused")), "{checked:#}");
}

#[tokio::test]
async fn what_cannot_be_checked_is_refused_and_who_asks_is_audited() {
    let place = Place::radosgw().await;
    let service = service_at(&place).await;
    let path = "/v1/resources/main/cors/check";
    let problem = expect(service.admin.post(path, &json!({})).await, 422);
    assert_eq!(problem["errors"][0]["code"], "ORIGINS_MISSING", "{problem:#}");
    let problem = expect(service.admin.post(path, &json!({"origins": ["https://a.example/"]})).await, 422);
    assert_eq!(problem["errors"][0]["path"], "origins[0]", "{problem:#}");
    let change = json!({"browser_origins": ["a.example"]});
    let problem = expect(service.admin.patch("/v1/resources/main", &change).await, 422);
    assert_eq!(problem["errors"][0]["path"], "browser_origins[0]", "{problem:#}");
    let viewer = service.client("viewer").await;
    expect(viewer.post(path, &json!({"origins": [ORIGIN]})).await, 403);
    expect(service.client("user").await.post(path, &json!({"origins": [ORIGIN]})).await, 200);
    let audit = expect(service.admin.get("/v1/audit?limit=20").await, 200);
    let rows = audit["rows"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["action"] == "cors.check" && row["outcome"] == "ok"), "{audit:#}");
    // the origins of the resource are taken where none are given
    expect(service.admin.patch("/v1/resources/main", &json!({"browser_origins": [ORIGIN]})).await, 200);
    let checked = check(&service.admin, "main", &json!({})).await;
    assert_eq!(checked["uses"].as_array().unwrap().len(), 2, "get and put: {checked:#}");
}

#[tokio::test]
async fn the_command_line_shows_both_sides_and_says_with_its_code_whether_it_works() {
    let place = Place::radosgw().await;
    let service = service_at(&place).await;
    let arguments = ["cors", "check", "main", "--origin", ORIGIN, "--use", "put_parts,get"];
    let unset = command_line(&service, &arguments, "").await;
    assert_eq!(unset.code, 3, "{unset:?}");
    for words in [
        "✗ put_parts from https://app.example.com (PUT)",
        "by the configuration blocked: the bucket has no CORS configuration",
        "really",
        "cause    CorsNotSet",
        "bucket set-cors",
    ] {
        assert!(unset.out.contains(words), "`{words}` is not in\n{}", unset.out);
    }
    let json_too: Vec<&str> = arguments.into_iter().chain(["--output", "json"]).collect();
    let unset = command_line(&service, &json_too, "").await;
    let told: Value = serde_json::from_str(&unset.out).unwrap();
    let set = ["bucket", "set-cors", "main", "--file", "-", "--yes"];
    assert_eq!(command_line(&service, &set, &told["fix"]["cors"].to_string()).await.code, 0);
    let works = command_line(&service, &arguments, "").await;
    assert_eq!(works.code, 0, "{works:?}");
    assert!(works.out.contains("✓ get from https://app.example.com (GET)"), "{}", works.out);
    let plain = ["cors", "check", "main"];
    assert_eq!(command_line(&service, &plain, "").await.code, 3, "no origin is given");
    let list = ["resource", "update", "main", "--browser-origins", ORIGIN];
    assert_eq!(command_line(&service, &list, "").await.code, 0);
    let listed = command_line(&service, &plain, "").await;
    assert_eq!(listed.code, 0, "{listed:?}");
    assert!(listed.out.contains("✓ put from https://app.example.com (PUT)"), "{}", listed.out);
}

#[tokio::test]
async fn a_test_of_the_resource_has_it_as_a_check() {
    let place = Place::radosgw().await;
    let service = service_at(&place).await;
    let test = |body: Value| {
        let client = &service.admin;
        async move { expect(client.post("/v1/resources/main/test", &body).await, 200) }
    };
    let name = "cors-allows-browser";
    let report = test(json!({})).await;
    assert_eq!(check_of(&report, name)["status"], "skipped", "{report:#}");
    let report = test(json!({"origins": [ORIGIN]})).await;
    let found = check_of(&report, name);
    assert_eq!((&found["status"], &found["cause"]), (&json!("failed"), &json!("CorsNotSet")), "{report:#}");
    assert_eq!(report["verdict"], "works with limits", "{report:#}");
    let fix = &found["fix"]["cors"];
    expect(answer(service.admin.request(Method::PUT, "/v1/resources/main/bucket/cors").json(fix)).await, 200);
    let report = test(json!({"origins": [ORIGIN]})).await;
    assert_eq!(check_of(&report, name)["status"], "passed", "{report:#}");
    assert_eq!(report["verdict"], "works", "{report:#}");
    // those that the resource lists, without being asked
    let other = json!({"browser_origins": ["https://other.example.com"]});
    expect(service.admin.patch("/v1/resources/main", &other).await, 200);
    let report = test(json!({})).await;
    let found = check_of(&report, name);
    assert_eq!(
        (&found["status"], &found["cause"]),
        (&json!("failed"), &json!("CorsNotAllowed")),
        "{report:#}"
    );
    expect(service.admin.post("/v1/resources/main/test", &json!({"origins": ["a b"]})).await, 422);
    let line = command_line(&service, &["resource", "test", "main", "--origin", ORIGIN], "").await;
    assert!(line.out.contains("✓ cors-allows-browser"), "{line:?}");
}

#[tokio::test]
async fn what_a_bucket_would_never_use_is_refused_before_it_is_set() {
    let place = Place::radosgw().await;
    let service = service_at(&place).await;
    let path = "/v1/resources/main/bucket/cors";
    let set = |rules: Value| {
        let request = service.admin.request(Method::PUT, path).json(&json!({"rules": rules}));
        answer(request)
    };
    // what radosgw takes and no browser sends
    let slash = json!([{"allowed_origins": ["https://app.example.com/"], "allowed_methods": ["GET"]}]);
    let problem = expect(set(slash).await, 422);
    let error = &problem["errors"][0];
    assert_eq!(
        (&error["code"], &error["path"]),
        (&json!("CORS_ORIGIN_PATH"), &json!("rules[0].allowed_origins[0]")),
        "{problem:#}"
    );
    // the same findings as `cors validate`
    let rules = json!([{"allowed_origins": ["*"], "allowed_methods": ["PUT"]}]);
    let wanted = json!({"configuration": {"rules": rules}, "provider": "ceph"});
    let report = expect(service.admin.post("/v1/cors/validate", &wanted).await, 200);
    let codes = |findings: &Value| {
        let codes = findings.as_array().unwrap().iter().map(|finding| finding["code"].clone());
        codes.collect::<Vec<_>>()
    };
    let changed = expect(set(rules).await, 200);
    assert_eq!(codes(&changed["findings"]), codes(&report["findings"]), "{changed:#}");
    assert!(codes(&changed["findings"]).contains(&json!("CORS_WRITE_NO_HEADERS")), "{changed:#}");
}
