//! What a bucket is set to, and changes of its CORS configuration and policy.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::time::Duration;

use aws_sdk_s3::types::{
    ObjectOwnership, OwnershipControls, OwnershipControlsRule, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::aws::{self, RgwUser};
use crate::harness::http_fault::{Answer, HttpFault};
use crate::harness::servers::Servers;
use crate::stores::{Place, create, service_at};
use crate::support::{Client, Setup, answer, definition, expect};
use crate::transcript;

const PAGE: &str = include_str!("../../docs/queries/metadata.md");
const CORS: &str = "/v1/resources/main/bucket/cors";
const POLICY: &str = "/v1/resources/main/bucket/policy";

#[tokio::test]
async fn every_command_of_the_page_works_and_says_what_the_page_shows() {
    for step in transcript::run(PAGE, "metadata").await {
        step.assert_shown();
    }
}

async fn aspects(client: &Client, query: &str) -> Value {
    expect(client.get(&format!("/v1/resources/main/bucket{query}")).await, 200)["aspects"].clone()
}

fn rule(origin: &str) -> Value {
    json!({"allowed_origins": [origin], "allowed_methods": ["GET", "PUT"], "allowed_headers": ["*"], "expose_headers": ["ETag"], "max_age_seconds": 60})
}

fn policy(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// A statement about the whole bucket.
fn statement(place: &Place, effect: &str, principal: &Value, action: &str) -> Value {
    let bucket = format!("arn:aws:s3:::{}", place.bucket);
    let resources = [bucket.clone(), format!("{bucket}/*")];
    json!({"Effect": effect, "Principal": principal, "Action": [action], "Resource": resources})
}

async fn put(client: &Client, path: &str, body: &Value, wanted: u16) -> Value {
    expect(answer(client.request(Method::PUT, path).json(body)).await, wanted)
}

#[tokio::test]
async fn aspects_are_set_not_set_or_not_there_each_by_itself() {
    let place = Place::radosgw().await;
    let service = service_at(&place).await;
    let client = &service.admin;
    let all = aspects(client, "").await;
    assert_eq!(all.as_object().unwrap().len(), 8, "{all:#}");
    for aspect in ["versioning", "policy", "cors", "lifecycle"] {
        assert_eq!(all[aspect], json!({"state": "not_set"}), "{aspect}: {all:#}");
    }
    assert_eq!(all["location"]["state"], "set", "{all:#}");
    // what this store does not know is told as that, and is never taken for a setting
    for aspect in ["encryption", "ownership", "public_access_block"] {
        assert!(
            ["not_supported", "failed", "not_set"].contains(&all[aspect]["state"].as_str().unwrap()),
            "{all:#}"
        );
        assert_eq!(all[aspect]["value"], Value::Null);
    }
    put(client, CORS, &json!({"rules": [rule("https://a.example")]}), 200).await;
    let some = aspects(client, "?aspects=cors,policy").await;
    assert_eq!(some["cors"]["value"]["rules"], json!([rule("https://a.example")]), "{some:#}");
    assert_eq!(some["policy"]["state"], "not_set");
    assert_eq!(some.as_object().unwrap().len(), 2);
    let query = json!({"operation": "get_bucket", "aspects": ["cors"]});
    let asked = expect(client.query("main", &query).await, 200);
    assert_eq!((&asked["aspects"]["cors"], &asked["bucket"]), (&some["cors"], &json!(place.bucket)));
    let problem = expect(client.get("/v1/resources/main/bucket?aspects=cors,acl").await, 400);
    assert!(problem["detail"].as_str().unwrap().contains("`acl` is no aspect"), "{problem:#}");
}

#[tokio::test]
async fn settings_are_shown_as_the_store_has_them() {
    let place = Place::moto().await;
    let (store, bucket) = (place.client(), place.bucket.as_str());
    let given = ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::AwsKms);
    let given = given.kms_master_key_id("key-1").build().unwrap();
    let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(given).build();
    let encryption = ServerSideEncryptionConfiguration::builder().rules(rule).build().unwrap();
    let call = store.put_bucket_encryption().bucket(bucket).server_side_encryption_configuration(encryption);
    call.send().await.unwrap();
    let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::BucketOwnerEnforced);
    let controls = OwnershipControls::builder().rules(rule.build().unwrap()).build().unwrap();
    let call = store.put_bucket_ownership_controls().bucket(bucket).ownership_controls(controls);
    call.send().await.unwrap();
    let servers = Servers::get();
    let lifecycle = json!({"Rules": [{
        "ID": "old", "Status": "Enabled", "Filter": {"And": {"Prefix": "logs/", "Tags": [{"Key": "a", "Value": "b"}]}},
        "Expiration": {"Days": 30}, "Transitions": [{"Days": 7, "StorageClass": "GLACIER"}],
        "NoncurrentVersionExpiration": {"NoncurrentDays": 3}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2},
    }]});
    let put =
        ["s3api", "put-bucket-lifecycle-configuration", "--bucket", bucket, "--lifecycle-configuration"];
    let lifecycle = lifecycle.to_string();
    let arguments: Vec<&str> = put.into_iter().chain([lifecycle.as_str()]).collect();
    aws::aws_cli(&servers, &place.url, &place.key, &arguments).await;
    let service = Setup::new().start().await;
    create(&service.admin, &place, "main", &json!({"provider": "aws"})).await;
    let found = aspects(&service.admin, "").await;
    let encryption = &found["encryption"]["value"]["rules"][0];
    assert_eq!(
        (&encryption["algorithm"], &encryption["kms_key_id"]),
        (&json!("aws:kms"), &json!("key-1")),
        "{found:#}"
    );
    assert_eq!(found["ownership"]["value"]["object_ownership"], "BucketOwnerEnforced");
    let rule = &found["lifecycle"]["value"]["rules"][0];
    assert_eq!((&rule["id"], &rule["status"]), (&json!("old"), &json!("enabled")), "{rule:#}");
    assert_eq!(rule["filter"], json!({"prefix": "logs/", "tags": {"a": "b"}}));
    assert_eq!((&rule["expiration"]["days"], &rule["abort_uploads_after_days"]), (&json!(30), &json!(2)));
    assert_eq!(rule["transitions"], json!([{"days": 7, "storage_class": "GLACIER"}]));
    assert_eq!(rule["noncurrent_expiration"]["days"], 3);
    assert_eq!(found["public_access_block"], json!({"state": "not_set"}));
    assert_eq!(found["location"]["value"]["region"], "us-east-1");
}

/// A user who may do only what the bucket's policy grants.
async fn stranger(place: &Place, actions: &[&str]) -> (RgwUser, Value) {
    let user = aws::create_rgw_user(&Servers::get(), "reader").await;
    let granted = actions.iter().map(|action| statement(place, "Allow", &json!({"AWS": [user.arn]}), action));
    let granted = policy(&granted.collect::<Vec<_>>());
    let call = place.client().put_bucket_policy().bucket(&place.bucket).policy(granted.to_string());
    call.send().await.unwrap();
    let mut definition = definition("main", &place.url, &place.bucket, &user.key);
    definition["provider"] = json!("ceph");
    (user, definition)
}

#[tokio::test]
async fn a_denied_aspect_names_its_action_and_leaves_the_others() {
    let place = Place::radosgw().await;
    let (_, definition) = stranger(&place, &["s3:GetBucketCORS", "s3:GetBucketVersioning"]).await;
    let service = Setup::new().start().await;
    expect(service.admin.post("/v1/resources", &definition).await, 201);
    let found = aspects(&service.admin, "?aspects=cors,versioning,policy,lifecycle").await;
    for aspect in ["cors", "versioning"] {
        assert_eq!(found[aspect], json!({"state": "not_set"}), "{found:#}");
    }
    for (aspect, action) in [("policy", "s3:GetBucketPolicy"), ("lifecycle", "s3:GetLifecycleConfiguration")]
    {
        let problem = &found[aspect]["problem"];
        assert_eq!(
            (&found[aspect]["state"], &problem["action"]),
            (&json!("denied"), &json!(action)),
            "{found:#}"
        );
        assert!(problem["remedy"].as_str().unwrap().contains(action), "{found:#}");
    }
    // tags and ACLs of objects are denied with the action, too
    aws::put_object(&place.client(), &place.bucket, "k", "x").await;
    for query in
        [json!({"operation": "get_tags", "key": "k"}), json!({"operation": "list", "versions": true})]
    {
        let problem = expect(service.admin.query("main", &query).await, 424);
        assert_eq!(problem["code"], "AccessDenied", "{problem:#}");
    }
}

#[tokio::test]
async fn what_every_aspect_fails_with_fails_the_query() {
    let fault = HttpFault::alone().await;
    fault.answer(100, Answer::s3_error(404, "NoSuchBucket").after(Duration::from_millis(100)));
    let place = Place::moto().await;
    let service = Setup::new().start().await;
    create(&service.admin, &place, "main", &json!({"endpoint": fault.url()})).await;
    let problem = expect(service.admin.get("/v1/resources/main/bucket").await, 424);
    assert_eq!(problem["code"], "NoSuchBucket", "{problem:#}");
    assert!(fault.most_at_once() > 1, "aspects are asked at once");
}

#[tokio::test]
async fn a_store_that_lists_instead_of_answering_does_not_know_the_setting() {
    let fault = HttpFault::alone().await;
    let list = "<?xml version=\"1.0\"?><ListBucketResult><Name>b</Name></ListBucketResult>";
    fault.answer(100, Answer::new(200, "application/xml", list));
    let place = Place::moto().await;
    let service = Setup::new().start().await;
    create(&service.admin, &place, "main", &json!({"endpoint": fault.url(), "provider": "aws"})).await;
    let found = aspects(&service.admin, "?aspects=ownership,encryption,cors").await;
    for aspect in ["ownership", "encryption", "cors"] {
        assert_eq!(found[aspect]["state"], "not_supported", "{found:#}");
    }
}

#[tokio::test]
async fn a_cors_configuration_is_checked_shown_set_and_taken_away() {
    for place in [Place::radosgw().await, Place::embedded().await] {
        let service = service_at(&place).await;
        let client = &service.admin;
        let (one, two) = (rule("https://one.example"), rule("https://two.example"));
        let dry = put(client, &format!("{CORS}?dry_run=true"), &json!({"rules": [one]}), 200).await;
        assert_eq!((&dry["dry_run"], &dry["before"]), (&json!(true), &Value::Null), "{dry:#}");
        assert_eq!(dry["after"]["rules"], json!([one]));
        assert_eq!(aspects(client, "?aspects=cors").await["cors"]["state"], "not_set", "{}", place.name);

        let set = put(client, CORS, &json!({"rules": [one, two]}), 200).await;
        assert_eq!(set["after"]["rules"], json!([one, two]), "{}: {set:#}", place.name);
        let query = json!({"operation": "put_bucket_cors", "rules": [two]});
        let set = expect(client.query("main", &query).await, 200);
        assert_eq!((&set["removed"], &set["added"]), (&json!([one]), &json!([])), "{set:#}");
        assert_eq!(set["before"]["rules"], json!([one, two]));

        let bad = json!({"rules": [{"allowed_origins": ["https://*.a.*"], "allowed_methods": ["PATCH"]}]});
        let problem = put(client, CORS, &bad, 422).await;
        let places: Vec<&str> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["path"].as_str().unwrap())
            .collect();
        assert_eq!(places, ["rules[0].allowed_methods[0]", "rules[0].allowed_origins[0]"], "{problem:#}");

        let gone = expect(answer(client.request(Method::DELETE, CORS)).await, 200);
        assert_eq!((&gone["after"], &gone["removed"]), (&Value::Null, &json!([two])), "{}", place.name);
        assert_eq!(aspects(client, "?aspects=cors").await["cors"]["state"], "not_set", "{}", place.name);
    }
}

#[tokio::test]
async fn a_policy_that_locks_the_resource_out_needs_force() {
    let place = Place::radosgw().await;
    let service = service_at(&place).await;
    let client = &service.admin;
    let open = policy(&[statement(&place, "Allow", &json!("*"), "s3:GetObject")]);
    let set = put(client, POLICY, &open, 200).await;
    assert_eq!((&set["before"], &set["added"]), (&Value::Null, &open["Statement"]), "{set:#}");
    assert_eq!(aspects(client, "?aspects=policy").await["policy"]["value"], open);

    let shut = policy(&[statement(&place, "Deny", &json!("*"), "s3:DeleteObject")]);
    let dry = put(client, &format!("{POLICY}?dry_run=true"), &shut, 200).await;
    assert_eq!((&dry["refused"], &dry["removed"]), (&json!(true), &open["Statement"]), "{dry:#}");
    let problem = put(client, POLICY, &shut, 422).await;
    let error = &problem["errors"][0];
    assert_eq!(error["code"], "POLICY_LOCKS_OUT", "{problem:#}");
    assert!(error["message"].as_str().unwrap().contains("`s3:DeleteObject`"), "{problem:#}");
    assert!(problem["remedy"].as_str().unwrap().contains("`force`"), "{problem:#}");
    assert_eq!(aspects(client, "?aspects=policy").await["policy"]["value"], open, "nothing was changed");
    let query = json!({"operation": "put_bucket_policy", "policy": shut, "force": true});
    let set = expect(client.query("main", &query).await, 200);
    assert_eq!((&set["after"], &set["refused"]), (&shut, &json!(false)), "{set:#}");
    aws::put_object(&place.client(), &place.bucket, "k", "x").await;
    let denied = expect(client.query("main", &json!({"operation": "delete", "key": "k"})).await, 424);
    assert_eq!(denied["code"], "AccessDenied", "the store does what the check said");
    let gone = expect(answer(client.request(Method::DELETE, POLICY)).await, 200);
    assert_eq!((&gone["after"], &gone["removed"]), (&Value::Null, &shut["Statement"]), "{gone:#}");
    let audit = expect(client.get("/v1/audit?limit=100").await, 200).to_string();
    for what in ["\"?policy\"", "\"?policy (dry run)\"", "\"Invalid\""] {
        assert!(audit.contains(what), "{what}: {audit}");
    }
}

#[tokio::test]
async fn a_grant_to_the_resource_itself_is_not_taken_away_without_force() {
    let place = Place::moto().await;
    let service = Setup::new().start().await;
    let role = "arn:aws:iam::123456789012:role/app";
    let fields = json!({"provider": "ceph", "assume_role": {"role_arn": role}});
    create(&service.admin, &place, "as-role", &fields).await;
    let path = "/v1/resources/as-role/bucket/policy";
    let own = policy(&[statement(&place, "Allow", &json!({"AWS": [role]}), "s3:*")]);
    put(&service.admin, path, &own, 200).await;
    let other =
        policy(&[statement(&place, "Allow", &json!({"AWS": ["arn:aws:iam::444455556666:role/x"]}), "s3:*")]);
    let problem = put(&service.admin, path, &other, 422).await;
    assert_eq!(problem["errors"][0]["code"], "POLICY_REMOVES_GRANT", "{problem:#}");
    let problem = expect(answer(service.admin.request(Method::DELETE, path)).await, 422);
    assert_eq!(problem["errors"][0]["code"], "POLICY_REMOVES_GRANT", "{problem:#}");
    let gone = answer(service.admin.request(Method::DELETE, &format!("{path}?force=true"))).await;
    assert_eq!(expect(gone, 200)["removed"], own["Statement"]);
}

#[tokio::test]
async fn only_editors_change_a_bucket_on_either_face() {
    let place = Place::radosgw().await;
    let service = service_at(&place).await;
    let user = service.client("user").await;
    let rules = json!({"rules": [rule("https://a.example")]});
    put(&user, CORS, &rules, 403).await;
    for query in [
        json!({"operation": "put_bucket_cors", "rules": rules["rules"]}),
        json!({"operation": "delete_bucket_cors"}),
        json!({"operation": "delete_bucket_policy", "dry_run": true}),
    ] {
        let problem = expect(user.query("main", &query).await, 403);
        assert_eq!(problem["code"], "Forbidden", "{problem:#}");
    }
    assert_eq!(aspects(&user, "?aspects=cors").await["cors"]["state"], "not_set", "a user may look");
    let editor = service.client("editor").await;
    put(&editor, CORS, &rules, 200).await;
    for wrong in [
        json!({}),
        json!({"Version": "2012-10-17"}),
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "deny"}]}),
    ] {
        put(&editor, POLICY, &wrong, 422).await;
    }
}
