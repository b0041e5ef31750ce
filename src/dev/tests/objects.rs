//! Reading and writing single objects.

use aws_sdk_s3::primitives::{ByteStream, DateTime, DateTimeFormat};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, Delete, MetadataDirective, ObjectIdentifier, StorageClass,
};

use super::{BUCKET, Server, refused};

#[tokio::test]
async fn reads_obey_their_conditions() {
    let server = Server::start().await;
    let etag = server.put("k", "v").await;
    let get = || server.client.get_object().bucket(BUCKET).key("k");
    let modified = *get().send().await.unwrap().last_modified().unwrap();
    let before = DateTime::from_secs(modified.secs() - 1);
    refused(get().if_none_match(&etag).send().await, 304, "");
    refused(get().if_none_match("*").send().await, 304, "");
    refused(get().if_modified_since(modified).send().await, 304, "");
    refused(get().if_match("\"other\"").send().await, 412, "PreconditionFailed");
    refused(get().if_unmodified_since(before).send().await, 412, "PreconditionFailed");
    refused(server.client.head_object().bucket(BUCKET).key("k").if_none_match(&etag).send().await, 304, "");
    refused(server.client.head_object().bucket(BUCKET).key("k").if_match("\"x\"").send().await, 412, "");
    get().if_match(&etag).if_unmodified_since(before).send().await.unwrap();
    get().if_none_match("\"other\"").if_modified_since(modified).send().await.unwrap();
    get().if_modified_since(before).send().await.unwrap();
}

#[tokio::test]
async fn a_304_has_validators_and_no_body() {
    let server = Server::start().await;
    let etag = server.put("k", "v").await;
    let target = server.presigned_get("k").await;
    let answer = server.raw(&format!("GET {target} HTTP/1.1\r\nif-none-match: {etag}"), b"").await;
    assert!(answer.starts_with("http/1.1 304"), "{answer}");
    assert!(answer.contains(&format!("etag: {etag}")) && answer.contains("last-modified: "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn writes_obey_their_conditions() {
    let server = Server::start().await;
    let put = || server.client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"new"));
    refused(put().if_match("\"x\"").send().await, 404, "NoSuchKey");
    put().if_none_match("*").send().await.unwrap();
    let etag = server.put("k", "old").await;
    refused(put().if_none_match("*").send().await, 412, "PreconditionFailed");
    refused(put().if_match("\"x\"").send().await, 412, "PreconditionFailed");
    assert_eq!(server.get("k").await.as_deref(), Some("old"));
    put().if_match(etag).send().await.unwrap();
    assert_eq!(server.get("k").await.as_deref(), Some("new"));
    let delete = server.client.delete_object().bucket(BUCKET).key("k").if_match("\"x\"");
    refused(delete.send().await, 412, "PreconditionFailed");
}

#[tokio::test]
async fn of_many_writers_that_want_to_be_first_one_wins() {
    let server = Server::start().await;
    let writers = (0..16).map(|n| {
        let body = ByteStream::from(vec![n; 1000]);
        server.client.put_object().bucket(BUCKET).key("k").if_none_match("*").body(body).send()
    });
    let outcomes = futures_util::future::join_all(writers).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

#[tokio::test]
async fn ranges_are_cut_as_rfc_9110_says() {
    let server = Server::start().await;
    server.put("k", "0123456789").await;
    server.put("empty", "").await;
    let cases = [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=8-", "89", "bytes 8-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=-30", "0123456789", "bytes 0-9/10"),
        ("bytes=5-500", "56789", "bytes 5-9/10"),
    ];
    for (range, body, expected) in cases {
        let got = server.client.get_object().bucket(BUCKET).key("k").range(range).send().await.unwrap();
        assert_eq!(got.content_range(), Some(expected), "{range}");
        assert_eq!(got.content_length(), Some(i64::try_from(body.len()).unwrap()));
        assert_eq!(got.body.collect().await.unwrap().into_bytes(), body, "{range}");
    }
    for (key, range) in [("k", "bytes=10-"), ("k", "bytes=-0"), ("empty", "bytes=0-"), ("empty", "bytes=-1")]
    {
        let got = server.client.get_object().bucket(BUCKET).key(key).range(range);
        refused(got.send().await, 416, "InvalidRange");
    }
    let target = server.presigned_get("k").await;
    let answer = server.raw(&format!("GET {target} HTTP/1.1\r\nrange: bytes=10-"), b"").await;
    assert!(answer.contains("content-range: bytes */10\r\n"), "{answer}");
}

#[tokio::test]
async fn what_is_said_about_an_object_is_kept() {
    let server = Server::start().await;
    let expires = DateTime::from_str("Wed, 21 Oct 2015 07:28:00 GMT", DateTimeFormat::HttpDate).unwrap();
    let put = server.client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"v"));
    let put = put.content_type("text/x-ü; charset=utf-8".replace('ü', "u")).cache_control("max-age=5");
    let put = put
        .content_disposition("attachment; filename=\"a b\"")
        .content_encoding("gzip")
        .content_language("de");
    let put = put
        .expires(expires)
        .metadata("Mixed", "v1")
        .metadata("umlaut", "grün")
        .storage_class(StorageClass::StandardIa);
    put.send().await.unwrap();
    let server = server.restart().await;
    let head = server.client.head_object().bucket(BUCKET).key("k").send().await.unwrap();
    assert_eq!(head.content_type(), Some("text/x-u; charset=utf-8"));
    assert_eq!(head.cache_control(), Some("max-age=5"));
    assert_eq!(head.content_disposition(), Some("attachment; filename=\"a b\""));
    assert_eq!(head.content_encoding(), Some("gzip"));
    assert_eq!(head.content_language(), Some("de"));
    assert_eq!(head.expires_string(), Some("Wed, 21 Oct 2015 07:28:00 GMT"));
    assert_eq!(head.storage_class(), Some(&StorageClass::StandardIa));
    assert_eq!(head.metadata().unwrap()["mixed"], "v1");
    assert_eq!(head.content_length(), Some(1));
    let too_much = server.client.put_object().bucket(BUCKET).key("m").metadata("k", "v".repeat(2048));
    refused(too_much.send().await, 400, "MetadataTooLarge");
    server.put("plain", "v").await;
    let plain = server.client.get_object().bucket(BUCKET).key("plain").send().await.unwrap();
    assert_eq!(plain.storage_class(), None);
}

#[tokio::test]
async fn a_request_may_override_headers_of_the_answer() {
    let server = Server::start().await;
    server.put("k", "v").await;
    let get = server.client.get_object().bucket(BUCKET).key("k");
    let get = get.response_content_disposition("attachment; filename=\"ü b\"".replace('ü', "u"));
    let got =
        get.response_content_type("text/plain").response_cache_control("no-store").send().await.unwrap();
    assert_eq!(got.content_disposition(), Some("attachment; filename=\"u b\""));
    assert_eq!(got.content_type(), Some("text/plain"));
    assert_eq!(got.cache_control(), Some("no-store"));
}

#[tokio::test]
async fn a_streamed_upload_is_stored_without_its_framing() {
    let server = Server::start().await;
    let source = server.folder.path().join("source");
    std::fs::write(&source, vec![7; 300_000]).unwrap();
    let body = ByteStream::from_path(&source).await.unwrap();
    let put = server.client.put_object().bucket(BUCKET).key("k").body(body).send().await.unwrap();
    assert!(put.checksum_crc32().is_some());
    let get = server.client.get_object().bucket(BUCKET).key("k").checksum_mode(ChecksumMode::Enabled);
    let got = get.send().await.unwrap();
    assert_eq!(got.content_encoding(), None);
    assert_eq!(got.checksum_crc32(), put.checksum_crc32());
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), vec![7; 300_000]);
}

#[tokio::test]
async fn every_checksum_is_verified_kept_and_returned() {
    let server = Server::start().await;
    let algorithms = [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ];
    for algorithm in algorithms {
        let put = server.client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"v"));
        put.checksum_algorithm(algorithm.clone()).send().await.unwrap();
        let head = server.client.head_object().bucket(BUCKET).key("k").checksum_mode(ChecksumMode::Enabled);
        let head = head.send().await.unwrap();
        let values = [
            head.checksum_crc32(),
            head.checksum_crc32_c(),
            head.checksum_crc64_nvme(),
            head.checksum_sha1(),
            head.checksum_sha256(),
        ];
        assert_eq!(values.iter().flatten().count(), 1, "{algorithm:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_the_promised_one_is_refused_and_leaves_nothing() {
    let server = Server::start().await;
    let put = || server.client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"v"));
    refused(put().content_md5("AAAAAAAAAAAAAAAAAAAAAA==").send().await, 400, "BadDigest");
    refused(put().content_md5("nonsense").send().await, 400, "InvalidDigest");
    refused(put().checksum_crc32("AAAAAA==").send().await, 400, "BadDigest");
    refused(put().checksum_sha256("AAAA").send().await, 400, "BadDigest");
    assert_eq!(server.keys().await, [""; 0]);
    assert_eq!(server.loose_files(), 0);
}

#[tokio::test]
async fn a_copy_takes_or_replaces_the_metadata() {
    let server = Server::start().await;
    server.store.create_bucket("second").await.unwrap();
    let put = server.client.put_object().bucket(BUCKET).key("a +ü/b").body(ByteStream::from_static(b"v"));
    let etag = put.content_type("text/plain").metadata("k", "v").send().await.unwrap().e_tag.unwrap();
    let source = "bucket/a%20%2B%C3%BC/b";
    let copy = || server.client.copy_object().bucket("second").key("copy").copy_source(source);
    let copied = copy().copy_source_if_match(&etag).send().await.unwrap();
    assert_eq!(copied.copy_object_result().unwrap().e_tag(), Some(etag.as_str()));
    let head = || server.client.head_object().bucket("second").key("copy").send();
    assert_eq!(head().await.unwrap().content_type(), Some("text/plain"));
    copy().metadata_directive(MetadataDirective::Replace).metadata("n", "w").send().await.unwrap();
    let replaced = head().await.unwrap();
    assert_eq!(replaced.content_type(), Some("binary/octet-stream"));
    assert_eq!(replaced.metadata().unwrap().keys().collect::<Vec<_>>(), ["n"]);
    refused(copy().copy_source_if_none_match(&etag).send().await, 412, "PreconditionFailed");
    refused(copy().copy_source("bucket/missing").send().await, 404, "NoSuchKey");
    let onto_itself = server.client.copy_object().bucket(BUCKET).key("a +ü/b").copy_source(source);
    refused(onto_itself.clone().send().await, 400, "InvalidRequest");
    onto_itself.metadata_directive(MetadataDirective::Replace).send().await.unwrap();
    assert_eq!(server.get("a +ü/b").await.as_deref(), Some("v"));
}

#[tokio::test]
async fn deleting_many_tells_each_key_and_deleting_nothing_succeeds() {
    let server = Server::start().await;
    for key in ["a", "b/", "b/c"] {
        server.put(key, "v").await;
    }
    let delete = |keys: &[&str], quiet| {
        let object = |key: &&str| ObjectIdentifier::builder().key(*key).build().unwrap();
        let delete = Delete::builder().set_objects(Some(keys.iter().map(object).collect())).quiet(quiet);
        server.client.delete_objects().bucket(BUCKET).delete(delete.build().unwrap()).send()
    };
    let deleted = delete(&["a", "missing"], false).await.unwrap();
    let keys: Vec<_> = deleted.deleted().iter().filter_map(|object| object.key()).collect();
    assert_eq!(keys, ["a", "missing"]);
    assert_eq!(delete(&["b/"], true).await.unwrap().deleted().len(), 0);
    assert_eq!(server.keys().await, ["b/c"]);
    server.client.delete_object().bucket(BUCKET).key("missing").send().await.unwrap();
}

#[tokio::test]
async fn a_reader_keeps_its_version_while_the_object_is_replaced() {
    let server = Server::start().await;
    let old = "o".repeat(3_000_000);
    server.put("k", &old).await;
    let got = server.client.get_object().bucket(BUCKET).key("k").send().await.unwrap();
    server.put("k", "new").await;
    assert!(got.body.collect().await.unwrap().into_bytes() == old.as_bytes());
    assert_eq!(server.get("k").await.as_deref(), Some("new"));
}
