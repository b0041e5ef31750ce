//! Test connection: every cause has a name of its own, whichever server or network is behind it.
//!
//! A real server says it where one can: radosgw for keys, policies, ACLs, roles and who pays, moto for Secrets
//! Manager. The network is broken by listeners and proxies. What no server here says is answered as AWS writes it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::any::Any;
use std::collections::BTreeSet;

use s3_connector::model::error_catalogue::Origin;
use serde_json::{Value, json};

use crate::connection::{check, test};
use crate::connection_failures::tls_server;
use crate::cors_check::preflight;
use crate::cors_store::set_cors;
use crate::error_catalogue::{answering, at, fixture, from_secret, full_listener};
use crate::harness::aws::{self, RgwUser, Secrets, unique};
use crate::harness::fault_proxy::{Fault, FaultProxy};
use crate::harness::http_fault::{Answer, HttpFault};
use crate::harness::servers::Servers;
use crate::stores::Place;
use crate::support::{Client, Setup, definition, expect, moto_source};

/// A definition that does not work, and what a test must say about it.
struct Case {
    /// In the words of a user.
    what: &'static str,
    check: &'static str,
    status: &'static str,
    cause: &'static str,
    definition: Value,
    _alive: Vec<Box<dyn Any>>,
}

fn case(
    what: &'static str,
    (check, cause): (&'static str, &'static str),
    definition: Value,
    alive: Vec<Box<dyn Any>>,
) -> Case {
    Case { what, check, status: "failed", cause, definition, _alive: alive }
}

const SIGNATURE: &str = "signature-accepted";
const BUCKET: &str = "bucket-found";
const REACHED: &str = "endpoint-reachable";
const SECRETS: &str = "secrets-resolved";
const ROLE: &str = "role-assumed";
const READ: &str = "objects-readable";
const UPLOAD: &str = "uploads-allowed";

#[tokio::test]
async fn every_cause_is_named() {
    let service = Setup::new().start().await;
    let mut cases = keys().await;
    cases.extend(buckets().await);
    cases.extend(rights().await);
    cases.extend(roles().await);
    cases.extend(pages().await);
    cases.extend(secrets(&service.admin).await);
    cases.extend(network().await);
    let mut wrong = Vec::new();
    for case in &cases {
        let mut definition = case.definition.clone();
        if definition["limits"].is_null() {
            definition["limits"] = json!({"retries": 0, "timeout_ms": 2000});
        }
        let report = test(&service.admin, &definition, true).await;
        let found = check(&report, case.check);
        if (&found["status"], &found["cause"]) != (&json!(case.status), &json!(case.cause)) {
            wrong.push(format!("{}: {report:#}", case.what));
        }
    }
    let named = cases.len() - wrong.len();
    assert!(wrong.is_empty(), "{named} of {} causes are named\n{}", cases.len(), wrong.join("\n"));
    let narrow = Setup::new().with("S3_CONNECTOR__EGRESS__ALLOW", "").start().await;
    let report = test(&narrow.admin, &at("http://localhost:9"), false).await;
    assert_eq!(check(&report, "endpoint-allowed")["cause"], "BlockedEndpoint", "{report:#}");
    let told: BTreeSet<&str> = cases.iter().map(|case| case.cause).collect();
    for entry in Origin::Check.entries() {
        assert!(told.contains(entry.code), "{} is provoked by no case", entry.code);
    }
}

async fn keys() -> Vec<Case> {
    let radosgw = Place::radosgw().await;
    let with = |field: &str, value: &str| {
        let mut wrong = radosgw.definition("x");
        wrong["auth"][field] = json!(value);
        wrong
    };
    let expired = answering(None, "ExpiredToken").await;
    let skewed = answering(None, "RequestTimeTooSkewed").await;
    let mut altered = radosgw.definition("x");
    let proxy = HttpFault::start(&radosgw.url).await;
    proxy.alter("x-amz-user-agent", "changed on the way");
    altered["endpoint"] = json!(proxy.url());
    vec![
        case(
            "a key that nobody has",
            (SIGNATURE, "InvalidAccessKeyId"),
            with("access_key_id", "AKIAUNKNOWN000000000"),
            vec![],
        ),
        case(
            "a wrong secret",
            (SIGNATURE, "SignatureDoesNotMatch"),
            with("secret_access_key", "wrong-secret-key-0000000000000000000000"),
            vec![],
        ),
        case(
            "a proxy that changes a signed header",
            (SIGNATURE, "HeadersAltered"),
            altered,
            vec![Box::new(proxy)],
        ),
        case(
            "a session token that is past its end",
            (SIGNATURE, "ExpiredToken"),
            at(&expired.url()),
            vec![Box::new(expired)],
        ),
        case(
            "a clock that is off",
            ("clock-in-step", "RequestTimeTooSkewed"),
            at(&skewed.url()),
            vec![Box::new(skewed)],
        ),
    ]
}

async fn buckets() -> Vec<Case> {
    let radosgw = Place::radosgw().await;
    let mut nowhere = radosgw.definition("x");
    nowhere["bucket"] = json!(unique("nowhere"));
    let aws_region = answering(None, "AuthorizationHeaderMalformed").await;
    let garage_region = HttpFault::alone().await;
    let said = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>Authorization header malformed, unexpected scope: 20261127/us-east-1/s3/aws4_request, expected: 20261127/garage/s3/aws4_request</Message><Region>garage</Region></Error>";
    garage_region.answer(usize::MAX, Answer::new(400, "application/xml", said));
    // a host before which no bucket can stand
    let mut style = radosgw.definition("x");
    style["endpoint"] = json!(radosgw.url.replace("127.0.0.1", "localhost"));
    style["addressing"] = json!("virtual");
    style["bucket"] = json!("no-such-host.invalid");
    let (tls, pem) = tls_server(&["localhost", "*.localhost"], false).await;
    let mut dots = at(&format!("https://localhost:{tls}"));
    (dots["bucket"], dots["addressing"]) = (json!("with.dots"), json!("virtual"));
    dots["tls"] = json!({"ca_pem": pem});
    let mut owned = radosgw.definition("x");
    let front = HttpFault::start(&radosgw.url).await;
    front.answer_to(&format!("HEAD /{}", radosgw.bucket), 1, Answer::s3_error(403, "AccessDenied"));
    owned["endpoint"] = json!(front.url());
    owned["expected_bucket_owner"] = json!("111122223333");
    vec![
        case("a bucket that is not there", (BUCKET, "NoSuchBucket"), nowhere, vec![]),
        case(
            "a wrong region, as AWS says it",
            (SIGNATURE, "AuthorizationHeaderMalformed"),
            at(&aws_region.url()),
            vec![Box::new(aws_region)],
        ),
        case(
            "a wrong region, as Garage says it",
            (SIGNATURE, "AuthorizationHeaderMalformed"),
            at(&garage_region.url()),
            vec![Box::new(garage_region)],
        ),
        case("a host before which no bucket can stand", (REACHED, "NameNotFound"), style, vec![]),
        case("dots in the bucket with TLS", (REACHED, "BucketNameHasDots"), dots, vec![]),
        case("a bucket of another account", (BUCKET, "BucketOwnerMismatch"), owned, vec![Box::new(front)]),
    ]
}

/// A bucket of the administrator with one object, and a user who may do what its policy allows.
async fn granted(actions: &[&str]) -> (Place, RgwUser) {
    let place = Place::radosgw().await;
    aws::put_object(&place.client(), &place.bucket, "there", "content").await;
    let user = aws::create_rgw_user(&Servers::get(), "granted").await;
    if !actions.is_empty() {
        let bucket = format!("arn:aws:s3:::{}", place.bucket);
        let mut policy = aws::allow(actions, &[&bucket, &format!("{bucket}/*")]);
        policy["Statement"][0]["Principal"] = json!({"AWS": [user.arn]});
        let client = place.client();
        client.put_bucket_policy().bucket(&place.bucket).policy(policy.to_string()).send().await.unwrap();
    }
    (place, user)
}

async fn rights() -> Vec<Case> {
    const ALL: [&str; 5] =
        ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"];
    let mut cases = Vec::new();
    for (what, check, left_out) in [
        ("listing is denied", "objects-listable", "s3:ListBucket"),
        ("reading is denied", READ, "s3:GetObject"),
        ("writing is denied", UPLOAD, "s3:PutObject"),
        ("deleting is denied", "object-deleted", "s3:DeleteObject"),
    ] {
        let given: Vec<&str> = ALL.into_iter().filter(|action| *action != left_out).collect();
        let (place, user) = granted(&given).await;
        let body = definition("x", &place.url, &place.bucket, &user.key);
        cases.push(case(what, (check, "AccessDenied"), body, vec![]));
    }
    let embedded = Place::embedded().await;
    let mut acl = embedded.definition("x");
    acl["default_acl"] = json!("public-read");
    let off = ("acl-accepted", "AccessControlListNotSupported");
    cases.push(case("ACLs are off, and there is a default ACL", off, acl, vec![Box::new(embedded)]));

    cases.push(disagrees().await);

    let (paying, user) = granted(&ALL).await;
    let payer = aws_sdk_s3::types::RequestPaymentConfiguration::builder()
        .payer(aws_sdk_s3::types::Payer::Requester)
        .build()
        .unwrap();
    let client = paying.client();
    client
        .put_bucket_request_payment()
        .bucket(&paying.bucket)
        .request_payment_configuration(payer)
        .send()
        .await
        .unwrap();
    let body = definition("x", &paying.url, &paying.bucket, &user.key);
    cases.push(case("the requester pays", ("objects-listable", "RequesterPays"), body, vec![]));

    for (what, code, status, on) in [
        ("the key of KMS may not be used", "KmsAccessDenied", "failed", READ),
        ("the object is archived", "InvalidObjectState", "warning", READ),
    ] {
        let embedded = Place::embedded().await;
        aws::put_object(&embedded.client(), &embedded.bucket, "there", "content").await;
        let front = HttpFault::start(&embedded.url).await;
        front.answer_to("GET /bucket/there", usize::MAX, fixture(code));
        let mut body = embedded.definition("x");
        body["endpoint"] = json!(front.url());
        let alive: Vec<Box<dyn Any>> = vec![Box::new(front), Box::new(embedded)];
        cases.push(Case { status, ..case(what, (on, code), body, alive) });
    }
    cases.push(altered_content().await);
    cases
}

/// A cache before the store that answers with something else.
async fn altered_content() -> Case {
    let embedded = Place::embedded().await;
    let front = HttpFault::start(&embedded.url).await;
    // the key that is not there, and then the marker
    front.answer_to("GET /bucket/.s3-connector-test-", 1, Answer::s3_error(404, "NoSuchKey"));
    front.answer_to("GET /bucket/.s3-connector-test-", usize::MAX, Answer::new(200, "text/plain", "stale"));
    let mut body = embedded.definition("x");
    body["endpoint"] = json!(front.url());
    let alive: Vec<Box<dyn Any>> = vec![Box::new(front), Box::new(embedded)];
    case("a cache that answers with something else", ("object-read-back", "ContentAltered"), body, alive)
}

async fn roles() -> Vec<Case> {
    let servers = Servers::get();
    let place = Place::radosgw().await;
    let policy = aws::allow(&["s3:*"], &["arn:aws:s3:::*"]);
    let owner = aws::create_rgw_user(&servers, "owner").await;
    let stranger = aws::create_rgw_user(&servers, "stranger").await;
    let trusting = aws::create_rgw_role(&servers, "trusting", &aws::trust(&owner.arn), &policy).await;
    let mut with_id = aws::trust(&owner.arn);
    with_id["Statement"][0]["Condition"] = json!({"StringEquals": {"sts:ExternalId": "the-right-one"}});
    let asking = aws::create_rgw_role(&servers, "asking", &with_id, &policy).await;
    let with = |user: &RgwUser, role: &str| {
        let mut body = definition("x", &servers.rgw_sts, &place.bucket, &user.key);
        body["provider"] = json!("ceph");
        body["assume_role"] = json!({"role_arn": role});
        body
    };
    let mut cases = vec![
        case(
            "the role is not there",
            (ROLE, "NoSuchEntity"),
            with(&owner, "arn:aws:iam:::role/not-there"),
            vec![],
        ),
        case(
            "the role does not trust the identity",
            (ROLE, "RoleNotAssumable"),
            with(&stranger, &trusting),
            vec![],
        ),
        case("the role asks for an external id", (ROLE, "RoleNotAssumable"), with(&owner, &asking), vec![]),
    ];
    let chained = "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining</Message></Error></ErrorResponse>";
    let lacking = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: arn:aws:iam::111122223333:user/app is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/reader because no identity-based policy allows the sts:AssumeRole action</Message></Error></ErrorResponse>";
    for (what, code, answer) in [
        (
            "the duration is too long for a chained role",
            "ValidationError",
            Answer::new(400, "text/xml", chained),
        ),
        ("the identity may not assume roles", "AssumeRoleNotAllowed", Answer::new(403, "text/xml", lacking)),
        ("the session policy is too large", "PackedPolicyTooLarge", fixture("PackedPolicyTooLarge")),
    ] {
        let front = HttpFault::start(&servers.rgw_sts).await;
        front.answer_to("AssumeRole", usize::MAX, answer);
        let mut body = with(&owner, &trusting);
        body["endpoint"] = json!(front.url());
        cases.push(case(what, (ROLE, code), body, vec![Box::new(front)]));
    }
    cases.push(unscoped(with(&owner, &trusting), &place).await);
    cases
}

/// A store that decides otherwise than its policy says: radosgw does not know which requests come without TLS.
async fn disagrees() -> Case {
    let place = Place::radosgw().await;
    aws::put_object(&place.client(), &place.bucket, "there", "content").await;
    let objects = format!("arn:aws:s3:::{}/*", place.bucket);
    let insecure = json!({"Bool": {"aws:SecureTransport": "false"}});
    let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": [objects], "Condition": insecure});
    let policy = json!({"Version": "2012-10-17", "Statement": [deny]}).to_string();
    place.client().put_bucket_policy().bucket(&place.bucket).policy(policy).send().await.unwrap();
    let body = place.definition("x");
    let told = ("policy-agrees", "PolicyDisagrees");
    Case { status: "warning", ..case("the store decides otherwise", told, body, vec![]) }
}

/// A store whose sessions reach more than their policy allows.
async fn unscoped(mut body: Value, place: &Place) -> Case {
    let servers = Servers::get();
    let front = HttpFault::start(&servers.rgw_sts).await;
    let all = format!(
        "<ListBucketResult><Name>{}</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>",
        place.bucket
    );
    // in whichever order the parameters stand
    front.answer_when(
        |request| request.path.contains("s3-connector-outside-"),
        Answer::new(200, "application/xml", all),
    );
    body["endpoint"] = json!(front.url());
    body["prefix"] = json!("p/");
    body["assume_role"]["session_policy"] = json!("scoped");
    // Ceph refuses policies with actions that it does not know
    body["operations"] = json!(["list", "get", "put", "delete"]);
    case(
        "the store does not bind sessions",
        ("prefix-enforced", "ScopeNotEnforced"),
        body,
        vec![Box::new(front)],
    )
}

/// What keeps pages of another origin from the bucket.
async fn pages() -> Vec<Case> {
    const ORIGIN: &str = "https://app.example.com";
    let mut cases = Vec::new();
    let rules = |origin: &str| {
        let rule = json!({"allowed_origins": [origin], "allowed_methods": ["GET", "PUT"],
            "allowed_headers": ["content-type"]});
        serde_json::from_value(json!({"rules": [rule]})).unwrap()
    };
    for (what, cause, origin) in [
        ("the bucket has no CORS configuration", "CorsNotSet", None),
        ("no rule lists the origin", "CorsNotAllowed", Some("https://other.example.com")),
        ("a proxy answers preflights", "CorsAnsweredByProxy", Some("https://other.example.com")),
        ("a rule is not in force yet", "CorsNotPropagated", Some(ORIGIN)),
        ("the page is on https and the store on http", "MixedContent", Some(ORIGIN)),
    ] {
        let place = Place::radosgw().await;
        if let Some(origin) = origin {
            set_cors(&place, &rules(origin)).await;
        }
        let front = HttpFault::start(&place.url).await;
        let let_in = [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", "PUT"),
            ("access-control-allow-headers", "content-type"),
        ];
        match cause {
            "CorsAnsweredByProxy" => {
                front.answer_to("OPTIONS ", usize::MAX, preflight(204, false, &let_in));
            }
            "CorsNotPropagated" => front.answer_to("OPTIONS ", usize::MAX, preflight(403, true, &[])),
            _ => {}
        }
        let mut body = place.definition("x");
        (body["endpoint"], body["browser_origins"]) = (json!(front.url()), json!([ORIGIN]));
        if cause == "MixedContent" {
            body["public_endpoint"] = json!("http://files.example.com");
        }
        cases.push(case(what, ("cors-allows-browser", cause), body, vec![Box::new(front)]));
    }
    // Ceph takes the first rule of the origin, Amazon the first that takes the whole request
    let place = Place::radosgw().await;
    let two = json!({"rules": [{"allowed_origins": [ORIGIN], "allowed_methods": ["GET"]},
        {"allowed_origins": [ORIGIN], "allowed_methods": ["PUT"], "allowed_headers": ["*"]}]});
    set_cors(&place, &serde_json::from_value(two).unwrap()).await;
    let mut body = place.definition("x");
    (body["provider"], body["browser_origins"]) = (json!("aws"), json!([ORIGIN]));
    let named = ("cors-allows-browser", "CorsDeviates");
    cases.push(case("the store is of another kind than its provider", named, body, vec![]));
    cases
}

async fn secrets(client: &Client) -> Vec<Case> {
    let servers = Servers::get();
    expect(client.post("/v1/sources", &moto_source("cloud", &servers.moto, "")).await, 201);
    expect(client.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
    expect(client.put("/v1/sources/vault/secrets/other", &json!({"value": {"id": "a"}})).await, 200);
    let gone = unique("gone");
    let there = Secrets::on_moto(&servers);
    there.create_json(&gone, &json!({"id": "a", "secret": "b"})).await;
    there.schedule_deletion(&gone).await;
    let denied = answering(None, "AccessDeniedException").await;
    expect(client.post("/v1/sources", &moto_source("denied", &denied.url(), "")).await, 201);
    let throttled = HttpFault::alone().await;
    throttled.answer(usize::MAX, Answer::throttling());
    expect(client.post("/v1/sources", &moto_source("throttled", &throttled.url(), "")).await, 201);
    vec![
        case(
            "the secret is not there",
            (SECRETS, "ResourceNotFoundException"),
            from_secret("cloud", &unique("none")),
            vec![],
        ),
        case(
            "the secret is marked for deletion",
            (SECRETS, "InvalidRequestException"),
            from_secret("cloud", &gone),
            vec![],
        ),
        case(
            "the secret has no such key",
            (SECRETS, "SecretKeyMissing"),
            from_secret("vault", "other"),
            vec![],
        ),
        case(
            "the source may not be read",
            (SECRETS, "AccessDeniedException"),
            from_secret("denied", "s3"),
            vec![Box::new(denied)],
        ),
        case(
            "the source throttles",
            (SECRETS, "ThrottlingException"),
            from_secret("throttled", "s3"),
            vec![Box::new(throttled)],
        ),
        case("the source is not there", (SECRETS, "SourceMissing"), from_secret("nobody", "s3"), vec![]),
    ]
}

async fn network() -> Vec<Case> {
    let servers = Servers::get();
    let embedded = Place::embedded().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let reset = FaultProxy::start(&embedded.url).await;
    reset.set(Fault::ResetAfterUpload(1));
    let full = full_listener().await;
    let (other, other_pem) = tls_server(&["other.example"], false).await;
    let (expired, expired_pem) = tls_server(&["localhost"], true).await;
    let trusting = |port: u16, pem: &str| {
        let mut body = at(&format!("https://localhost:{port}"));
        body["tls"] = json!({"ca_pem": pem});
        body
    };
    vec![
        case("the name does not resolve", (REACHED, "NameNotFound"), at("http://nothing.invalid"), vec![]),
        case("nothing listens", (REACHED, "ConnectionRefused"), at(&format!("http://{closed}")), vec![]),
        case("no connection comes about", (REACHED, "ConnectTimeout"), at(&full.0), full.1),
        case(
            "no answer comes",
            (SIGNATURE, "ReadTimeout"),
            at(&format!("http://{}", silent.local_addr().unwrap())),
            vec![Box::new(silent)],
        ),
        case("connections are cut", (SIGNATURE, "ConnectionReset"), at(&reset.url()), vec![Box::new(reset)]),
        case("the authority is not trusted", (REACHED, "TlsUnknownCa"), at(&servers.rgw_tls), vec![]),
        case(
            "the certificate has expired",
            (REACHED, "TlsCertificateExpired"),
            trusting(expired, &expired_pem),
            vec![],
        ),
        case(
            "the certificate is for another name",
            (REACHED, "TlsNameMismatch"),
            trusting(other, &other_pem),
            vec![],
        ),
        case(
            "HTTP is spoken to a port of HTTPS",
            (SIGNATURE, "NotHttp"),
            at(&servers.rgw_tls.replace("https:", "http:")),
            vec![],
        ),
        case(
            "HTTPS is spoken to a port of HTTP",
            (REACHED, "TlsFailure"),
            at(&embedded.url.replace("http:", "https:")),
            vec![Box::new(embedded)],
        ),
    ]
}
