//! Test connection: what a failed check proposes, applied as it stands, turns the check green.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use serde_json::{Value, json};

use crate::connection::{check, status, test_saved};
use crate::error_catalogue::fixture;
use crate::harness::aws::{self, RgwUser, rgw_admin_says};
use crate::harness::http_fault::{Answer, HttpFault};
use crate::harness::servers::Servers;
use crate::stores::Place;
use crate::support::{Client, Setup, definition, expect};

/// Tests the resource `main`, applies the patch that the failed check proposes, and tests again.
#[track_caller]
fn patch_of(report: &Value, name: &str) -> Value {
    let found = check(report, name);
    assert_eq!(found["status"], "failed", "{found:#}");
    let patch = &found["fix"]["patch"];
    assert!(patch.is_object(), "no patch: {found:#}");
    patch.clone()
}

/// `typed` is what is given along where the change sends the key to another place.
async fn patched(client: &Client, (name, tells): (&str, &str), typed: Option<&Value>) {
    let report = test_saved(client, "main", true).await;
    let mut patch = patch_of(&report, name);
    assert!(check(&report, name)["remedy"].as_str().unwrap().contains(tells), "{report:#}");
    if let Some(auth) = typed {
        let refused = expect(client.patch("/v1/resources/main", &patch).await, 422);
        assert_eq!(refused["errors"][0]["code"], "KEY_MUST_BE_TYPED_AGAIN", "{refused:#}");
        patch["auth"] = auth.clone();
    }
    expect(client.patch("/v1/resources/main", &patch).await, 200);
    let report = test_saved(client, "main", true).await;
    assert_ne!(status(&report, name), "failed", "after {patch}: {report:#}");
    assert_eq!(report["verdict"], "works", "after {patch}: {report:#}");
}

#[tokio::test]
async fn a_host_before_which_no_bucket_stands_is_mended_by_the_path() {
    let place = Place::radosgw().await;
    let service = Setup::new().start().await;
    let mut body = place.definition("main");
    body["endpoint"] = json!(place.url.replace("127.0.0.1", "localhost"));
    body["addressing"] = json!("virtual");
    expect(service.admin.post("/v1/resources", &body).await, 201);
    patched(&service.admin, ("endpoint-reachable", "PATCH"), None).await;
}

#[tokio::test]
async fn the_scheme_of_the_port_is_proposed() {
    let servers = Servers::get();
    let place = Place::radosgw().await;
    let service = Setup::new().start().await;
    let mut body = place.definition("main");
    body["endpoint"] = json!(servers.rgw_tls.replace("https:", "http:"));
    body["tls"] = json!({"ca_pem": std::fs::read_to_string(&servers.ca_pem).unwrap()});
    expect(service.admin.post("/v1/resources", &body).await, 201);
    patched(&service.admin, ("signature-accepted", "TLS"), Some(&body["auth"])).await;
}

#[tokio::test]
async fn who_pays_is_proposed() {
    let place = Place::radosgw().await;
    aws::put_object(&place.client(), &place.bucket, "there", "content").await;
    let user = aws::create_rgw_user(&Servers::get(), "pays").await;
    let mut rights = bucket_rights(&place, &["s3:*"]);
    rights["Principal"] = json!({"AWS": [user.arn]});
    set_policy(&place, &[rights]).await;
    let payer = aws_sdk_s3::types::RequestPaymentConfiguration::builder()
        .payer(aws_sdk_s3::types::Payer::Requester)
        .build()
        .unwrap();
    let client = place.client();
    let request = client.put_bucket_request_payment().bucket(&place.bucket);
    request.request_payment_configuration(payer).send().await.unwrap();
    let service = Setup::new().start().await;
    let body = definition("main", &place.url, &place.bucket, &user.key);
    expect(service.admin.post("/v1/resources", &body).await, 201);
    patched(&service.admin, ("objects-listable", "requester_pays"), None).await;
}

#[tokio::test]
async fn a_storage_class_that_the_store_lacks_is_taken_away() {
    let place = Place::embedded().await;
    let service = Setup::new().start().await;
    let front = HttpFault::start(&place.url).await;
    front.answer_when(
        |request| request.headers.get("x-amz-storage-class").is_some_and(|class| class == "GLACIER_IR"),
        Answer::s3_error(400, "InvalidStorageClass"),
    );
    let mut body = place.definition("main");
    (body["endpoint"], body["default_storage_class"]) = (json!(front.url()), json!("GLACIER_IR"));
    expect(service.admin.post("/v1/resources", &body).await, 201);
    patched(&service.admin, ("uploads-allowed", "storage class"), None).await;
}

// Statements

fn bucket_rights(place: &Place, actions: &[&str]) -> Value {
    let bucket = format!("arn:aws:s3:::{}", place.bucket);
    json!({"Effect": "Allow", "Action": actions, "Resource": [bucket, format!("{bucket}/*")]})
}

async fn set_policy(place: &Place, statements: &[Value]) {
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    place.client().put_bucket_policy().bucket(&place.bucket).policy(policy).send().await.unwrap();
}

/// What the identity may do in the bucket: a statement of its own policy, as the fix has it, with the principal that
/// a bucket policy wants.
fn for_user(user: &RgwUser, statement: &Value) -> Value {
    let mut statement = statement.clone();
    statement["Principal"] = json!({"AWS": [user.arn]});
    statement
}

#[tokio::test]
async fn each_right_that_is_missing_is_mended_by_the_statement() {
    const ALL: [&str; 8] = [
        "s3:ListBucket",
        "s3:GetObject",
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:GetObjectTagging",
        "s3:GetBucketCORS",
        "s3:ListBucketVersions",
    ];
    let operations = json!(["list", "get", "put", "delete", "multipart", "get_tags", "versions"]);
    for (name, left_out) in [
        ("objects-listable", "s3:ListBucket"),
        ("objects-readable", "s3:GetObject"),
        ("uploads-allowed", "s3:PutObject"),
        ("object-deleted", "s3:DeleteObject"),
        ("tags-readable", "s3:GetObjectTagging"),
        ("versions-listable", "s3:ListBucketVersions"),
    ] {
        let place = Place::radosgw().await;
        aws::put_object(&place.client(), &place.bucket, "there", "content").await;
        let user = aws::create_rgw_user(&Servers::get(), "granted").await;
        let given: Vec<&str> = ALL.into_iter().filter(|action| *action != left_out).collect();
        let given = for_user(&user, &bucket_rights(&place, &given));
        set_policy(&place, std::slice::from_ref(&given)).await;
        let service = Setup::new().start().await;
        let mut body = definition("main", &place.url, &place.bucket, &user.key);
        (body["operations"], body["provider"]) = (operations.clone(), json!("ceph"));
        expect(service.admin.post("/v1/resources", &body).await, 201);
        let report = test_saved(&service.admin, "main", true).await;
        let found = check(&report, name);
        assert_eq!(
            (&found["status"], &found["cause"]),
            (&json!("failed"), &json!("AccessDenied")),
            "{report:#}"
        );
        set_policy(&place, &[given, for_user(&user, &found["fix"]["statement"])]).await;
        let report = test_saved(&service.admin, "main", true).await;
        assert_eq!(status(&report, name), "passed", "{report:#}");
        assert_eq!(report["verdict"], "works", "{name}: {report:#}");
    }
}

// Roles

#[tokio::test]
async fn the_trust_policy_that_is_proposed_lets_the_identity_in() {
    let servers = Servers::get();
    let place = Place::radosgw().await;
    let service = Setup::new().start().await;
    let other = aws::create_rgw_user(&servers, "other").await;
    let user = aws::create_rgw_user(&servers, "app").await;
    let policy = aws::allow(&["s3:*"], &["arn:aws:s3:::*"]);
    let role = aws::create_rgw_role(&servers, "closed", &aws::trust(&other.arn), &policy).await;
    // Ceph says nothing of who was refused, AWS does
    let front = HttpFault::start(&servers.rgw_sts).await;
    let said = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: {} is not authorized to perform: sts:AssumeRole on resource: {role}</Message></Error></ErrorResponse>",
        user.arn
    );
    front.answer_to("AssumeRole", 1, Answer::new(403, "text/xml", said));
    let mut body = definition("main", &front.url(), &place.bucket, &user.key);
    body["provider"] = json!("ceph");
    body["assume_role"] = json!({"role_arn": role});
    expect(service.admin.post("/v1/resources", &body).await, 201);
    let report = test_saved(&service.admin, "main", true).await;
    let found = check(&report, "role-assumed");
    assert_eq!(found["cause"], "RoleNotAssumable", "{report:#}");
    let trust = &found["fix"]["trust_policy"];
    assert_eq!(trust["Statement"][0]["Principal"], json!({"AWS": user.arn}), "{found:#}");
    let name = role.rsplit('/').next().unwrap();
    let text = trust.to_string();
    let modify = ["role", "modify", "--role-name", name, "--assume-role-policy-doc", &text];
    rgw_admin_says(&servers, &modify).await;
    let report = test_saved(&service.admin, "main", true).await;
    assert_eq!(report["verdict"], "works", "{report:#}");
}

#[tokio::test]
async fn what_a_role_refuses_of_a_session_is_mended_by_a_patch() {
    let servers = Servers::get();
    let place = Place::radosgw().await;
    let user = aws::create_rgw_user(&servers, "app").await;
    let policy = aws::allow(&["s3:*"], &["arn:aws:s3:::*"]);
    let role = aws::create_rgw_role(&servers, "role", &aws::trust(&user.arn), &policy).await;
    for (refusal, sent, fields) in [("ValidationError", "DurationSeconds=7200", json!({"duration": 7200}))] {
        let front = HttpFault::start(&servers.rgw_sts).await;
        let refused = move |request: &crate::harness::http_fault::Recorded| {
            request.action.as_deref() == Some("AssumeRole")
                && String::from_utf8_lossy(&request.body).contains(sent)
        };
        front.answer_when(refused, fixture(refusal));
        let service = Setup::new().start().await;
        let mut body = definition("main", &front.url(), &place.bucket, &user.key);
        body["provider"] = json!("ceph");
        body["assume_role"] = json!({"role_arn": role});
        for (field, value) in fields.as_object().unwrap() {
            body["assume_role"][field] = value.clone();
        }
        expect(service.admin.post("/v1/resources", &body).await, 201);
        patched(&service.admin, ("role-assumed", ""), Some(&body["auth"])).await;
    }
}

// Progress

#[tokio::test]
async fn a_test_is_told_check_by_check() {
    let place = Place::embedded().await;
    let service = crate::stores::service_at(&place).await;
    let request = service.admin.request(reqwest::Method::POST, "/v1/resources/main/test");
    let answer =
        request.header("accept", "application/x-ndjson").json(&json!({"write": true})).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    let text = answer.text().await.unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, checks) = lines.split_last().unwrap();
    let mut told: Vec<Value> = checks.iter().map(|line| line["check"].clone()).collect();
    let mut reported = last["report"]["checks"].as_array().unwrap().clone();
    let by_name = |check: &Value| check["name"].as_str().unwrap().to_owned();
    assert_eq!(told[0]["name"], "definition-valid", "{text}");
    told.sort_by_key(by_name);
    reported.sort_by_key(by_name);
    assert_eq!(told, reported);
    assert_eq!(last["report"]["verdict"], "works", "{text}");
    let kept = expect(service.admin.get("/v1/resources/main/tests").await, 200);
    assert_eq!(kept["tests"][0]["report"], last["report"]);
    let (status, _) = service.admin.post("/v1/resources/none/test", &json!({})).await;
    assert_eq!(status, 404);
}

// The pages

#[test]
fn the_pages_of_the_checks_are_made_from_the_catalogue() {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    use s3_connector::model::check_catalogue::CHECKS;

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/checks");
    let mut wanted: BTreeMap<PathBuf, String> = BTreeMap::new();
    for entry in CHECKS {
        wanted.insert(
            folder.join(format!("{}.md", entry.name)),
            format!("{}\n[All checks](../checks.md)\n", entry.text()),
        );
    }
    if std::env::var_os("S3_CONNECTOR_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        for (path, text) in &wanted {
            std::fs::write(path, text).unwrap();
        }
    }
    let index = std::fs::read_to_string(folder.with_extension("md")).unwrap();
    for entry in CHECKS {
        assert!(
            index.contains(&format!("[{0}](checks/{0}.md)", entry.name)),
            "docs/checks.md lacks {}",
            entry.name
        );
    }
    for (path, text) in &wanted {
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(found, *text, "{}: run this test with S3_CONNECTOR_WRITE_DOCS=1", path.display());
    }
    let there = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(there, wanted.len(), "a page is of no check");
}
