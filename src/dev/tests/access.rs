//! Keys, signatures, buckets, and what the store refuses to pretend.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{
    BucketCannedAcl, BucketLocationConstraint, CorsConfiguration, CorsRule, CreateBucketConfiguration,
    ObjectCannedAcl,
};
use secrecy::SecretString;

use super::{BUCKET, REGION, Server, client, files_below, path_and_query, refused};

#[tokio::test]
async fn an_unknown_key_and_a_wrong_secret_are_told_apart() {
    let server = Server::start().await;
    let stranger = client(server.store.address, "AKIDSTRANGER", "secret");
    refused(stranger.list_buckets().send().await, 403, "InvalidAccessKeyId");
    let wrong = client(server.store.address, "AKIDEXAMPLE", "other");
    refused(wrong.list_buckets().send().await, 403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn replaced_keys_are_refused_at_once_and_added_keys_are_not() {
    let server = Server::start().await;
    let second = client(server.store.address, "AKIDSECOND", "secret2");
    server.store.add_keys("AKIDSECOND", SecretString::from("secret2"));
    server.client.list_buckets().send().await.unwrap();
    second.list_buckets().send().await.unwrap();
    server.store.set_keys("AKIDTHIRD", SecretString::from("secret3"));
    refused(server.client.list_buckets().send().await, 403, "InvalidAccessKeyId");
    refused(second.list_buckets().send().await, 403, "InvalidAccessKeyId");
    client(server.store.address, "AKIDTHIRD", "secret3").list_buckets().send().await.unwrap();
    server.store.set_keys("AKIDTHIRD", SecretString::from("secret4"));
    let old = client(server.store.address, "AKIDTHIRD", "secret3");
    refused(old.list_buckets().send().await, 403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn every_answered_request_is_counted() {
    let server = Server::start().await;
    assert_eq!(server.store.requests(), 0);
    server.put("k", "v").await;
    server.get("k").await.unwrap();
    assert_eq!(server.get("missing").await, None);
    assert_eq!(server.store.requests(), 3);
}

#[tokio::test]
async fn presigned_requests_hold_for_their_key_and_their_time_only() {
    let server = Server::start().await;
    server.put("k", "v").await;
    server.put("k2", "v").await;
    let target = server.presigned_get("k").await;
    assert!(server.raw(&format!("GET {target} HTTP/1.1"), b"").await.starts_with("http/1.1 200"));
    let other = target.replacen("/k?", "/k2?", 1);
    assert!(server.raw(&format!("GET {other} HTTP/1.1"), b"").await.contains("signaturedoesnotmatch"));
    let anonymous = server.raw("GET /bucket/k HTTP/1.1", b"").await;
    assert!(anonymous.starts_with("http/1.1 403") && anonymous.contains("accessdenied"), "{anonymous}");
    let at = |start: SystemTime| {
        PresigningConfig::builder().start_time(start).expires_in(Duration::from_mins(1)).build().unwrap()
    };
    let hour = Duration::from_hours(1);
    for (start, expected) in
        [(SystemTime::now() - hour, "accessdenied"), (SystemTime::now() + hour, "requesttimetooskewed")]
    {
        let presigned =
            server.client.get_object().bucket(BUCKET).key("k").presigned(at(start)).await.unwrap();
        let answer = server.raw(&format!("GET {} HTTP/1.1", path_and_query(presigned.uri())), b"").await;
        assert!(answer.starts_with("http/1.1 403") && answer.contains(expected), "{answer}");
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_empty_cannot_be_deleted() {
    let server = Server::start().await;
    server.put("k", "v").await;
    refused(server.client.delete_bucket().bucket(BUCKET).send().await, 409, "BucketNotEmpty");
    assert_eq!(server.get("k").await.as_deref(), Some("v"));
    server.client.delete_object().bucket(BUCKET).key("k").send().await.unwrap();
    server.client.delete_bucket().bucket(BUCKET).send().await.unwrap();
    refused(server.client.delete_bucket().bucket(BUCKET).send().await, 404, "NoSuchBucket");
}

#[tokio::test]
async fn a_presigned_put_does_not_revive_a_deleted_bucket() {
    let server = Server::start().await;
    let target = server.presigned_put("k").await;
    server.client.delete_bucket().bucket(BUCKET).send().await.unwrap();
    let answer = server.raw(&format!("PUT {target} HTTP/1.1\r\ncontent-length: 1"), b"v").await;
    assert!(answer.starts_with("http/1.1 404") && answer.contains("nosuchbucket"), "{answer}");
    assert_eq!(files_below(&server.folder.path().join("buckets")), 0);
}

#[tokio::test]
async fn buckets_are_created_listed_and_located() {
    let server = Server::start().await;
    let create = |name: &str, region: &str| {
        let constraint = BucketLocationConstraint::from(region);
        let configuration = CreateBucketConfiguration::builder().location_constraint(constraint).build();
        server.client.create_bucket().bucket(name).create_bucket_configuration(configuration)
    };
    create("second", REGION).send().await.unwrap();
    refused(create("second", REGION).send().await, 409, "BucketAlreadyOwnedByYou");
    refused(create("third", "us-west-2").send().await, 400, "IllegalLocationConstraintException");
    let public = create("fourth", REGION).acl(BucketCannedAcl::PublicRead);
    refused(public.send().await, 400, "InvalidBucketAclWithObjectOwnership");
    server.store.create_bucket("second").await.unwrap();
    assert!(server.store.create_bucket("../second").await.is_err());
    let listed = server.client.list_buckets().send().await.unwrap();
    let names: Vec<_> = listed.buckets().iter().filter_map(|bucket| bucket.name()).collect();
    assert_eq!(names, ["bucket", "second"]);
    let head = server.client.head_bucket().bucket(BUCKET).send().await.unwrap();
    assert_eq!(head.bucket_region(), Some(REGION));
    let location = server.client.get_bucket_location().bucket(BUCKET).send().await.unwrap();
    assert_eq!(location.location_constraint().map(BucketLocationConstraint::as_str), Some(REGION));
    let versioning = server.client.get_bucket_versioning().bucket(BUCKET).send().await.unwrap();
    assert_eq!(versioning.status(), None);
    refused(server.client.head_bucket().bucket("missing").send().await, 404, "NotFound");
}

#[tokio::test]
async fn acls_are_refused_as_in_a_bucket_whose_owner_is_enforced() {
    let server = Server::start().await;
    let put = |acl| server.client.put_object().bucket(BUCKET).key("k").acl(acl).send();
    refused(put(ObjectCannedAcl::PublicRead).await, 400, "AccessControlListNotSupported");
    let create =
        server.client.create_multipart_upload().bucket(BUCKET).key("k").acl(ObjectCannedAcl::PublicRead);
    refused(create.send().await, 400, "AccessControlListNotSupported");
    let grant = server.client.put_object().bucket(BUCKET).key("k").grant_read("id=someone");
    refused(grant.send().await, 400, "AccessControlListNotSupported");
    assert_eq!(server.keys().await, [""; 0]);
    put(ObjectCannedAcl::Private).await.unwrap();
    put(ObjectCannedAcl::BucketOwnerFullControl).await.unwrap();
}

#[tokio::test]
async fn what_the_store_lacks_is_not_implemented_instead_of_ignored() {
    let server = Server::start().await;
    server.put("k", "v").await;
    refused(server.client.get_object_acl().bucket(BUCKET).key("k").send().await, 501, "NotImplemented");
    refused(server.client.get_bucket_policy().bucket(BUCKET).send().await, 501, "NotImplemented");
    refused(server.client.list_object_versions().bucket(BUCKET).send().await, 501, "NotImplemented");
    let versioned = server.client.get_object().bucket(BUCKET).key("k").version_id("v1");
    refused(versioned.send().await, 404, "NoSuchVersion");
}

#[tokio::test]
async fn the_cors_configuration_is_kept_over_a_restart() {
    let server = Server::start().await;
    let get = || server.client.get_bucket_cors().bucket(BUCKET).send();
    refused(get().await, 404, "NoSuchCORSConfiguration");
    let rule =
        CorsRule::builder().allowed_origins("https://a.example").allowed_methods("GET").max_age_seconds(5);
    let configuration = CorsConfiguration::builder().cors_rules(rule.build().unwrap()).build().unwrap();
    server.client.put_bucket_cors().bucket(BUCKET).cors_configuration(configuration).send().await.unwrap();
    let server = server.restart().await;
    let cors = server.client.get_bucket_cors().bucket(BUCKET).send().await.unwrap();
    assert_eq!(cors.cors_rules()[0].allowed_origins(), ["https://a.example"]);
    server.client.delete_bucket_cors().bucket(BUCKET).send().await.unwrap();
    refused(server.client.get_bucket_cors().bucket(BUCKET).send().await, 404, "NoSuchCORSConfiguration");
}
