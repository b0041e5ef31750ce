//! Provider profiles in queries: what is refused before it is sent, lists by either version, and regions and
//! addressings that are found or proposed, never switched.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use reqwest::Method;
use s3_connector::model::provider::{Feature, PROFILES, Quirk};
use serde_json::{Value, json};

use crate::connection::{check, test_saved};
use crate::harness::aws;
use crate::harness::http_fault::{Answer, HttpFault};
use crate::harness::servers::AccessKey;
use crate::stores::{Place, create, service_at, service_with};
use crate::support::{Setup, answer, expect};
use crate::transcript;

/// What needs a feature: fields of the definition, and the query.
fn needs() -> Vec<(Feature, Value, Value)> {
    let put = |more: Value| merged(json!({"operation": "put", "key": "k", "text": "x"}), &more);
    let plain = |operation: &str| json!({"operation": operation});
    let of_key = |operation: &str| json!({"operation": operation, "key": "k"});
    let none = || json!({});
    let copy =
        json!({"operation": "copy", "from": "a", "to": "b", "tags_directive": "replace", "tags": {"a": "b"}});
    let complete = json!({
        "operation": "complete_multipart_upload", "key": "k", "upload_id": "u", "if_none_match": "*",
        "parts": [{"part_number": 1, "etag": "\"e\""}],
    });
    vec![
        (Feature::ObjectAcl, json!({"default_acl": "private"}), put(none())),
        (Feature::ObjectAcl, none(), put(json!({"acl": "private"}))),
        (Feature::ObjectAcl, none(), of_key("get_acl")),
        (Feature::Encryption, json!({"encryption": {"kind": "sse_s3"}}), put(none())),
        (Feature::Encryption, json!({"encryption": {"kind": "sse_kms", "key_id": "k"}}), put(none())),
        (Feature::OnlyNew, none(), put(json!({"if_none_match": "*"}))),
        (Feature::OnlyNew, none(), complete),
        (Feature::ConditionalPut, none(), put(json!({"if_match": "\"e\""}))),
        (Feature::ConditionalDelete, none(), merged(of_key("delete"), &json!({"if_match": "\"e\""}))),
        (Feature::ObjectTags, none(), put(json!({"tags": {"a": "b"}}))),
        (Feature::ObjectTags, none(), of_key("get_tags")),
        (Feature::ObjectTags, none(), of_key("delete_tags")),
        (Feature::ObjectTags, none(), copy),
        (Feature::Checksums, none(), put(json!({"checksum": {"algorithm": "crc32"}}))),
        (
            Feature::TagsOfParts,
            none(),
            merged(of_key("create_multipart_upload"), &json!({"tags": {"a": "b"}})),
        ),
        (Feature::Versions, none(), json!({"operation": "list", "versions": true})),
        (Feature::Versions, none(), merged(of_key("delete"), &json!({"version": "v"}))),
        (Feature::Versions, none(), merged(of_key("get"), &json!({"version": "v"}))),
        (Feature::Versions, none(), merged(of_key("restore_version"), &json!({"version": "v"}))),
        (
            Feature::ObjectAcl,
            json!({"default_acl": "private"}),
            json!({"operation": "copy", "from": "a", "to": "b"}),
        ),
        (
            Feature::Encryption,
            json!({"encryption": {"kind": "sse_s3"}}),
            json!({"operation": "copy", "from": "a", "to": "b"}),
        ),
        (
            Feature::Encryption,
            json!({"encryption": {"kind": "sse_s3"}}),
            merged(of_key("sign"), &json!({"method": "PUT"})),
        ),
        (
            Feature::ObjectAcl,
            json!({"default_acl": "private"}),
            merged(of_key("sign"), &json!({"method": "PUT"})),
        ),
        (Feature::OnlyNew, none(), merged(of_key("sign"), &json!({"method": "PUT", "if_none_match": "*"}))),
        (Feature::Versions, none(), merged(of_key("sign"), &json!({"version": "v"}))),
        (Feature::PostForm, none(), of_key("sign_post")),
        (Feature::BucketCors, none(), plain("delete_bucket_cors")),
        (
            Feature::BucketCors,
            none(),
            json!({"operation": "put_bucket_cors", "rules": [{"allowed_methods": ["GET"], "allowed_origins": ["*"]}]}),
        ),
        (Feature::BucketPolicy, none(), plain("delete_bucket_policy")),
    ]
}

pub(crate) fn merged(mut base: Value, more: &Value) -> Value {
    for (field, value) in more.as_object().unwrap() {
        base[field] = value.clone();
    }
    base
}

#[tokio::test]
async fn what_a_provider_lacks_is_refused_before_anything_is_sent() {
    let front = HttpFault::alone().await;
    let place = recorded(&front);
    let service = Setup::new().start().await;
    let mut refused = 0;
    for profile in PROFILES {
        for (number, (feature, fields, query)) in needs().into_iter().enumerate() {
            if feature == Feature::TagsOfParts && !profile.has(Feature::ObjectTags) {
                // refused for the other reason
                continue;
            }
            let name = format!("{}-{number}", profile.id);
            let mut fields = merged(fields, &json!({"provider": profile.id, "limits": {"retries": 0}}));
            if profile.does(Quirk::HttpsOnly) {
                fields["endpoint"] = front.url().replace("http:", "https:").into();
            }
            create(&service.admin, &place, &name, &fields).await;
            let before = front.requests().len();
            let (status, problem) = service.admin.query(&name, &query).await;
            let sent = front.requests().len() - before;
            if profile.has(feature) {
                let local = query["operation"].as_str().unwrap().starts_with("sign");
                let reached = sent > 0 || local || profile.does(Quirk::HttpsOnly);
                assert!(reached && problem["code"] != "NotSupportedByProvider", "{name}: {problem:#}");
                continue;
            }
            refused += 1;
            assert_eq!((status, sent), (501, 0), "{name}: {problem:#}");
            assert_eq!(problem["code"], "NotSupportedByProvider", "{name}");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains(profile.id) && detail.contains(feature.as_str()), "{detail}");
        }
    }
    assert!(refused > 90, "{refused}");
}

/// Storj takes parts of 64 MiB and more, Scaleway a thousand of them.
#[tokio::test]
async fn parts_are_signed_and_taken_as_the_provider_takes_them() {
    let front = HttpFault::alone().await;
    let place = recorded(&front);
    let service = Setup::new().start().await;
    for provider in ["storj", "scaleway", "ceph"] {
        create(&service.admin, &place, provider, &json!({"provider": provider, "addressing": "path"})).await;
    }
    let sign = |more: Value| merged(json!({"operation": "sign_parts", "key": "k", "upload_id": "u"}), &more);
    let whole = sign(json!({"size": 100 << 20}));
    for (provider, parts, length) in [("storj", 2, 64 << 20), ("ceph", 7, 16 << 20)] {
        let signed = expect(service.admin.query(provider, &whole).await, 200);
        let found = signed["parts"].as_array().unwrap();
        assert_eq!((found.len(), &found[0]["length"]), (parts, &json!(length)), "{provider}");
    }
    let small = sign(json!({"size": 100 << 20, "part_size": 16 << 20}));
    let late = sign(json!({"parts": [1001]}));
    let part =
        json!({"operation": "upload_part", "key": "k", "upload_id": "u", "part_number": 1001, "text": "x"});
    let complete = json!({
        "operation": "complete_multipart_upload", "key": "k", "upload_id": "u",
        "parts": [{"part_number": 1001, "etag": "\"e\""}],
    });
    let before = front.requests().len();
    for (provider, query) in
        [("storj", &small), ("scaleway", &late), ("scaleway", &part), ("scaleway", &complete)]
    {
        let refused = expect(service.admin.query(provider, query).await, 400);
        assert!(refused["detail"].as_str().unwrap().contains(provider), "{refused:#}");
    }
    assert_eq!(front.requests().len(), before, "nothing is sent");
}

#[tokio::test]
async fn what_a_definition_says_in_vain_is_told_when_it_is_saved() {
    let service = Setup::new().start().await;
    let finding = async |fields: Value| -> (u16, Option<(String, String)>) {
        let base = json!({"name": "r", "bucket": "b-1", "auth": {"kind": "anonymous"}});
        let (status, body) = service.admin.post("/v1/resources?dry_run=true", &merged(base, &fields)).await;
        let list = if status == 200 { &body["findings"] } else { &body["errors"] };
        let first = list.as_array().and_then(|list| list.first());
        let text = |field: &str| first.map(|first| first[field].as_str().unwrap().to_owned());
        (status, text("code").zip(text("path")))
    };
    let some = |code: &str, path: &str| Some((code.to_owned(), path.to_owned()));
    let at = "https://s3.example.com";
    assert_eq!(finding(json!({})).await, (200, None));
    for name in ["s3://b", "b/prefix", "my bucket"] {
        assert_eq!(finding(json!({"bucket": name})).await, (422, some("BUCKET_NAME", "bucket")), "{name}");
    }
    for name in ["UPPER_x", "ab", "-ab"] {
        assert_eq!(finding(json!({"bucket": name})).await, (200, some("BUCKET_NAME", "bucket")), "{name}");
        assert_eq!(finding(json!({"bucket": name, "endpoint": at})).await, (200, None), "{name} elsewhere");
    }
    let arn = "arn:aws:s3:us-east-1:111122223333:accesspoint/p";
    for name in [arn, "a.b-c1"] {
        assert_eq!(finding(json!({"bucket": name})).await, (200, None), "{name}");
    }
    // an environment is judged by where it leads to
    let staging =
        |more: Value| json!({"environments": {"staging": merged(json!({"bucket": "UPPER_x"}), &more)}});
    let path = "environments.staging.bucket";
    assert_eq!(finding(staging(json!({}))).await, (200, some("BUCKET_NAME", path)));
    assert_eq!(finding(staging(json!({"endpoint": at}))).await, (200, None));
    let always = |provider: &str| json!({"provider": provider, "endpoint": at, "payload_signing": "always"});
    assert_eq!(finding(always("ovh")).await, (200, some("SIGNING_NOT_SUPPORTED", "payload_signing")));
    assert_eq!(finding(always("ceph")).await, (200, None));
}

#[tokio::test]
async fn a_condition_on_a_delete_is_sent_only_to_providers_that_promise_it() {
    let front = HttpFault::alone().await;
    let place = recorded(&front);
    let service = Setup::new().start().await;
    for profile in PROFILES.iter().filter(|profile| !profile.does(Quirk::HttpsOnly)) {
        create(&service.admin, &place, profile.id, &json!({"provider": profile.id})).await;
        let before = front.requests().len();
        let path = format!("/v1/resources/{}/objects/k", profile.id);
        let request = service.admin.request(Method::DELETE, &path).header("if-match", "\"e\"");
        let (status, _) = answer(request).await;
        let sent = front.requests().len() - before;
        let promised = profile.has(Feature::ConditionalDelete);
        assert_eq!((status == 501, sent), (!promised, usize::from(promised)), "{}", profile.id);
    }
}

#[tokio::test]
async fn plain_http_is_refused_at_save_for_a_provider_that_answers_https_only() {
    let service = Setup::new().start().await;
    let mut wanted = json!({
        "name": "b2", "bucket": "b", "provider": "backblaze-b2", "auth": {"kind": "anonymous"},
        "endpoint": "http://s3.us-west-004.backblazeb2.com",
    });
    let refused = expect(service.admin.post("/v1/resources", &wanted).await, 422);
    assert_eq!(refused["errors"][0]["code"], "HTTPS_ONLY", "{refused:#}");
    assert!(refused["remedy"].as_str().unwrap().contains("https://"), "{refused:#}");
    wanted["provider"] = "auto".into();
    expect(service.admin.post("/v1/resources", &wanted).await, 422);
    wanted["endpoint"] = "https://s3.us-west-004.backblazeb2.com".into();
    wanted["environments"] = json!({"staging": {"endpoint": "http://s3.us-west-004.backblazeb2.com"}});
    expect(service.admin.post("/v1/resources", &wanted).await, 422);
    wanted["environments"] = json!({});
    expect(service.admin.post("/v1/resources", &wanted).await, 201);
}

#[tokio::test]
async fn a_list_reads_the_same_keys_by_either_version_of_the_call() {
    for place in Place::both().await {
        let all = ["a b", "a+b", "a/1", "a/2", "b%2F", "b/ü", "z"];
        for key in all {
            aws::put_object(&place.client(), &place.bucket, &format!("root/{key}"), "x").await;
        }
        aws::put_object(&place.client(), &place.bucket, "rooted", "x").await;
        let service = service_with(&place, Setup::new(), &json!({"prefix": "root/"})).await;
        let client = &service.admin;
        for provider in ["generic", "seaweedfs", "digitalocean-spaces", "ceph"] {
            create(client, &place, provider, &json!({"prefix": "root/", "provider": provider})).await;
            let (mut keys, mut cursor) = (Vec::new(), Value::Null);
            loop {
                let query = json!({"operation": "list", "limit": 2, "cursor": cursor});
                let page = expect(client.query(provider, &query).await, 200);
                keys.extend(page["objects"].as_array().unwrap().iter().map(|row| row["key"].clone()));
                cursor = page["cursor"].clone();
                if cursor.is_null() {
                    break;
                }
            }
            assert_eq!(keys, all, "{provider} at {}", place.name);
            let top = json!({"operation": "list", "delimiter": "/", "start_after": "a+b"});
            let top = expect(client.query(provider, &top).await, 200);
            assert_eq!(top["prefixes"], json!(["a/", "b/"]), "{provider} at {}: {top:#}", place.name);
            let rows: Vec<_> = top["objects"].as_array().unwrap().iter().map(|row| &row["key"]).collect();
            assert_eq!(rows, ["b%2F", "z"], "{provider} at {}", place.name);
        }
    }
}

#[tokio::test]
async fn a_key_that_xml_cannot_hold_is_listed_where_names_are_encoded() {
    for place in Place::both().await {
        aws::put_object(&place.client(), &place.bucket, "a\u{1}b", "x").await;
        let service = service_at(&place).await;
        let page = expect(service.admin.query("main", &json!({"operation": "list"})).await, 200);
        assert_eq!(page["objects"][0]["key"], "a\u{1}b", "{}", place.name);
    }
}

/// Lists of versions, too, and their pages go on behind such a key.
#[tokio::test]
async fn a_key_that_xml_cannot_hold_does_not_break_a_list_of_versions() {
    // moto keeps no names encoded in these lists
    for place in [Place::radosgw().await] {
        let odd = ["a\u{1}b", "a+b", "c d"];
        for key in odd {
            aws::put_object(&place.client(), &place.bucket, key, "x").await;
        }
        let service = service_at(&place).await;
        let (mut keys, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let query = json!({"operation": "list", "versions": true, "limit": 1, "cursor": cursor});
            let page = expect(service.admin.query("main", &query).await, 200);
            keys.extend(page["objects"].as_array().unwrap().iter().map(|row| row["key"].clone()));
            cursor = page["cursor"].clone();
            if cursor.is_null() || keys.len() > odd.len() {
                break;
            }
        }
        assert_eq!(keys, odd, "{}", place.name);
    }
}

#[tokio::test]
async fn a_cursor_of_the_other_version_is_refused_and_not_misread() {
    let place = Place::embedded().await;
    for key in ["a", "b", "c"] {
        aws::put_object(&place.client(), &place.bucket, key, "x").await;
    }
    let service = service_with(&place, Setup::new(), &json!({"provider": "seaweedfs"})).await;
    let client = &service.admin;
    let page = expect(client.query("main", &json!({"operation": "list", "limit": 1})).await, 200);
    let rest = json!({"operation": "list", "cursor": page["cursor"]});
    assert_eq!(expect(client.query("main", &rest).await, 200)["objects"].as_array().unwrap().len(), 2);
    let patch = json!({"provider": "ceph", "auth": place.definition("main")["auth"]});
    expect(client.patch("/v1/resources/main", &patch).await, 200);
    let refused = expect(client.query("main", &rest).await, 400);
    assert!(refused["detail"].as_str().unwrap().contains("cursor"), "{refused:#}");
}

#[tokio::test]
async fn a_region_that_is_left_open_is_found_once_and_remembered() {
    let front = HttpFault::alone().await;
    let service = at_aws(&front, &json!({"region": "auto", "provider": "generic"})).await;
    let client = &service.admin;
    front.answer_to("HEAD /bucket", 1, moved("eu-west-1"));
    front.answer_to("GET /bucket", usize::MAX, rows());
    for _ in 0..2 {
        let request = client.request(Method::GET, "/v1/resources/main/objects");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["bucket-region"], "eu-west-1");
    }
    expect(client.patch("/v1/resources/main", &json!({"description": "changed"})).await, 200);
    expect(client.query("main", &json!({"operation": "list"})).await, 200);
    assert_eq!(front.count("HEAD /bucket"), 1, "asked once");
    assert_eq!(regions(&front), ["us-east-1", "eu-west-1", "eu-west-1", "eu-west-1"]);
    let report = test_saved(client, "main", false).await;
    let detail = check(&report, "bucket-found")["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("`auto` is `eu-west-1`"), "{detail}");
}

#[tokio::test]
async fn a_bucket_whose_region_is_left_open_is_found_again_where_it_moved_to() {
    let front = HttpFault::alone().await;
    let service = at_aws(&front, &json!({"region": "auto"})).await;
    front.answer_to("HEAD /bucket", 1, moved("eu-west-1"));
    front.answer_to("GET /bucket", 1, malformed("eu-central-1"));
    front.answer_to("GET /bucket", 1, rows());
    expect(service.admin.query("main", &json!({"operation": "list"})).await, 200);
    assert_eq!(regions(&front), ["us-east-1", "eu-west-1", "eu-central-1"]);
}

#[tokio::test]
async fn a_provider_that_takes_any_region_is_not_asked_for_one() {
    let front = HttpFault::alone().await;
    let service = at_aws(&front, &json!({"region": "auto", "provider": "ceph"})).await;
    front.answer(1, rows());
    expect(service.admin.query("main", &json!({"operation": "list"})).await, 200);
    assert_eq!((front.requests().len(), regions(&front)), (1, vec!["us-east-1".to_owned()]));
}

#[tokio::test]
async fn a_wrong_region_is_proposed_and_never_switched() {
    let redirect = "<Error><Code>PermanentRedirect</Code><Message>use the endpoint</Message><Endpoint>bucket.s3.eu-west-1.amazonaws.com</Endpoint></Error>";
    let garage = "<?xml version=\"1.0\"?><Error><Code>AuthorizationHeaderMalformed</Code><Message>Authorization header malformed, unexpected scope: 20260101/us-east-1/s3/aws4_request</Message><Resource>/bucket</Resource><Region>eu-west-1</Region></Error>";
    let unnamed = Answer::s3_error(400, "IllegalLocationConstraintException");
    for (code, refusal) in [
        ("AuthorizationHeaderMalformed", malformed("eu-west-1")),
        ("AuthorizationHeaderMalformed", Answer::new(400, "application/xml", garage)),
        ("PermanentRedirect", Answer::new(301, "application/xml", redirect)),
        ("IllegalLocationConstraintException", unnamed),
    ] {
        let front = HttpFault::alone().await;
        let service = at_aws(&front, &json!({})).await;
        let client = &service.admin;
        front.answer_to("GET /bucket", 2, refusal);
        front.answer_to("HEAD /bucket", usize::MAX, moved("eu-west-1"));
        front.answer_to("GET /bucket", usize::MAX, rows());
        let list = json!({"operation": "list"});
        let mut fix = Value::Null;
        for _ in 0..2 {
            let problem = expect(client.query("main", &list).await, 424);
            assert_eq!(problem["code"], code, "{problem:#}");
            fix = problem["fix"].clone();
            assert_eq!(fix, json!({"patch": {"region": "eu-west-1"}}), "{problem:#}");
            assert!(problem["remedy"].as_str().unwrap().contains("eu-west-1"), "{problem:#}");
        }
        assert!(regions(&front).iter().all(|region| region == "us-east-1"), "nothing was switched");
        expect(client.patch("/v1/resources/main", &fix["patch"]).await, 200);
        expect(client.query("main", &list).await, 200);
        assert_eq!(regions(&front).last().unwrap(), "eu-west-1", "{code}");
    }
}

#[tokio::test]
async fn a_wrong_region_of_an_environment_is_proposed_for_that_environment() {
    let front = HttpFault::alone().await;
    let service = at_aws(&front, &json!({"environments": {"staging": {"region": "us-west-2"}}})).await;
    let client = &service.admin;
    front.answer(1, malformed("eu-west-1"));
    front.answer(1, rows());
    let path = "/v1/resources/main/query?environment=staging";
    let problem = expect(client.post(path, &json!({"operation": "list"})).await, 424);
    let proposed = &problem["fix"]["patch"];
    assert_eq!(*proposed, json!({"environments": {"staging": {"region": "eu-west-1"}}}), "{problem:#}");
    expect(client.patch("/v1/resources/main", proposed).await, 200);
    expect(client.post(path, &json!({"operation": "list"})).await, 200);
    assert_eq!(regions(&front), ["us-west-2", "eu-west-1"]);
}

#[tokio::test]
async fn a_bucket_that_has_no_host_of_its_own_gets_the_patch_that_puts_it_into_the_path() {
    for place in Place::both().await {
        let named = place.url.replace("127.0.0.1", "localhost");
        let fields = json!({"addressing": "virtual", "endpoint": named, "limits": {"retries": 0}});
        let service = service_with(&place, Setup::new(), &fields).await;
        let client = &service.admin;
        let list = json!({"operation": "list"});
        let problem = expect(client.query("main", &list).await, 502);
        assert_eq!(problem["fix"], json!({"patch": {"addressing": "path"}}), "{}: {problem:#}", place.name);
        let report = test_saved(client, "main", false).await;
        let found = check(&report, "endpoint-reachable");
        assert_eq!(found["fix"], problem["fix"], "{report:#}");
        expect(client.patch("/v1/resources/main", &problem["fix"]["patch"]).await, 200);
        expect(client.query("main", &list).await, 200);
        assert_eq!(test_saved(client, "main", false).await["verdict"], "works", "{}", place.name);
    }
}

#[tokio::test]
async fn a_store_that_does_not_look_at_host_names_gets_the_same_patch() {
    let front = HttpFault::alone().await;
    let service = at_aws(&front, &json!({"addressing": "virtual"})).await;
    let buckets = "<ListAllMyBucketsResult><Owner><ID>1</ID></Owner><Buckets/></ListAllMyBucketsResult>";
    front.answer(1, Answer::new(200, "application/xml", buckets));
    let problem = expect(service.admin.query("main", &json!({"operation": "list"})).await, 502);
    assert_eq!(problem["fix"], json!({"patch": {"addressing": "path"}}), "{problem:#}");
}

#[tokio::test]
async fn a_store_that_wants_virtual_hosts_gets_the_patch_that_gives_them() {
    for code in ["SecondLevelDomainForbidden", "PathStyleDomainForbidden", "VirtualHostDomainRequired"] {
        let front = HttpFault::alone().await;
        let service = at_aws(&front, &json!({})).await;
        front.answer(1, Answer::s3_error(403, code));
        let problem = expect(service.admin.query("main", &json!({"operation": "list"})).await, 424);
        assert_eq!(problem["fix"], json!({"patch": {"addressing": "virtual"}}), "{problem:#}");
    }
}

#[tokio::test]
async fn every_command_of_the_page_works_and_says_what_the_page_shows() {
    for step in transcript::run(include_str!("../../docs/queries/providers.md"), "providers").await {
        step.assert_shown();
    }
}

/// A place of recorded answers.
pub(crate) fn recorded(front: &HttpFault) -> Place {
    let key = AccessKey::new("AKIARECORDED00000001", "recorded");
    Place { name: "recorded", url: front.url(), bucket: "bucket".to_owned(), key, embedded: None }
}

/// The resource `main` with recorded answers of AWS.
async fn at_aws(front: &HttpFault, fields: &Value) -> crate::support::Service {
    let fields = merged(json!({"provider": "aws", "limits": {"retries": 0}}), fields);
    service_with(&recorded(front), Setup::new(), &fields).await
}

fn moved(region: &str) -> Answer {
    let mut answer = Answer::new(301, "application/xml", "");
    answer.headers.push(("x-amz-bucket-region", region.to_owned()));
    answer
}

fn malformed(region: &str) -> Answer {
    let body = format!(
        "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region is wrong; expecting '{region}'</Message><Region>{region}</Region></Error>"
    );
    Answer::new(400, "application/xml", body)
}

fn rows() -> Answer {
    let body = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>k</Key></Contents></ListBucketResult>";
    Answer::new(200, "application/xml", body)
}

/// The region that each request was signed for.
fn regions(front: &HttpFault) -> Vec<String> {
    let scope = |request: &crate::harness::http_fault::Recorded| {
        let text = request.headers["authorization"].to_str().unwrap().to_owned();
        text.split('/').nth(2).unwrap().to_owned()
    };
    front.requests().iter().map(scope).collect()
}
