//! Multipart uploads.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart,
};

use super::{BUCKET, Server, refused};

const MIN_PART: usize = 5 * 1024 * 1024;

impl Server {
    async fn begin(&self, key: &str) -> String {
        let created = self.client.create_multipart_upload().bucket(BUCKET).key(key).send().await.unwrap();
        created.upload_id.unwrap()
    }

    async fn part(&self, key: &str, id: &str, number: i32, body: Vec<u8>) -> CompletedPart {
        let upload = self.client.upload_part().bucket(BUCKET).key(key).upload_id(id).part_number(number);
        let uploaded = upload.body(ByteStream::from(body)).send().await.unwrap();
        CompletedPart::builder().part_number(number).set_e_tag(uploaded.e_tag).build()
    }

    fn completion(
        &self,
        key: &str,
        id: &str,
        parts: Vec<CompletedPart>,
    ) -> aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder
    {
        let upload = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        self.client.complete_multipart_upload().bucket(BUCKET).key(key).upload_id(id).multipart_upload(upload)
    }
}

#[tokio::test]
async fn parts_become_one_object_with_a_tag_of_tags() {
    let server = Server::start().await;
    let create = server.client.create_multipart_upload().bucket(BUCKET).key("k").content_type("text/plain");
    let id = create.metadata("m", "v").send().await.unwrap().upload_id.unwrap();
    let second = server.part("k", &id, 7, b"end".to_vec()).await;
    server.part("k", &id, 2, b"replaced".to_vec()).await;
    let first = server.part("k", &id, 2, vec![b'a'; MIN_PART]).await;
    let listed = server.client.list_parts().bucket(BUCKET).key("k").upload_id(&id).send().await.unwrap();
    let parts: Vec<_> =
        listed.parts().iter().map(|part| (part.part_number().unwrap(), part.size().unwrap())).collect();
    assert_eq!(parts, [(2, 5_242_880), (7, 3)]);
    let done = server.completion("k", &id, vec![first, second]).send().await.unwrap();
    // md5(md5("a" * 5 MiB) + md5("end"))
    assert_eq!(done.e_tag(), Some("\"cc8f6f16b44b75adde6349ab98aee432-2\""));
    let got = server.client.get_object().bucket(BUCKET).key("k").send().await.unwrap();
    assert_eq!((got.content_type(), got.e_tag()), (Some("text/plain"), done.e_tag()));
    let body = got.body.collect().await.unwrap().into_bytes();
    assert!(body.len() == MIN_PART + 3 && body.ends_with(b"aend"));
    let part = server.client.get_object().bucket(BUCKET).key("k").part_number(2).send().await.unwrap();
    assert_eq!((part.parts_count(), part.content_range()), (Some(2), Some("bytes 5242880-5242882/5242883")));
    refused(server.completion("k", &id, Vec::new()).send().await, 404, "NoSuchUpload");
    assert_eq!(server.loose_files(), 0);
}

#[tokio::test]
async fn a_completion_that_does_not_fit_the_parts_is_refused() {
    let server = Server::start().await;
    let id = server.begin("k").await;
    let small = server.part("k", &id, 1, b"small".to_vec()).await;
    let last = server.part("k", &id, 2, b"last".to_vec()).await;
    let complete = |parts: Vec<CompletedPart>| server.completion("k", &id, parts).send();
    refused(complete(vec![small.clone(), last.clone()]).await, 400, "EntityTooSmall");
    refused(complete(vec![last.clone(), small.clone()]).await, 400, "InvalidPartOrder");
    let other_tag = CompletedPart::builder().part_number(1).e_tag("\"x\"").build();
    refused(complete(vec![other_tag]).await, 400, "InvalidPart");
    let missing = CompletedPart::builder().part_number(3).set_e_tag(last.e_tag.clone()).build();
    refused(complete(vec![missing]).await, 400, "InvalidPart");
    refused(complete(Vec::new()).await, 400, "MalformedXML");
    refused(server.completion("other", &id, vec![small.clone()]).send().await, 404, "NoSuchUpload");
    assert_eq!(server.keys().await, [""; 0]);
    server.put("k", "there").await;
    let first_only = server.completion("k", &id, vec![small.clone()]).if_none_match("*");
    refused(first_only.send().await, 412, "PreconditionFailed");
    complete(vec![small]).await.unwrap();
    assert_eq!(server.get("k").await.as_deref(), Some("small"));
}

#[tokio::test]
async fn an_abort_removes_the_parts_and_ends_the_upload() {
    let server = Server::start().await;
    let id = server.begin("k").await;
    let part = server.part("k", &id, 1, vec![1; 100_000]).await;
    assert!(server.loose_files() > 0);
    let abort = || server.client.abort_multipart_upload().bucket(BUCKET).key("k").upload_id(&id).send();
    abort().await.unwrap();
    assert_eq!(server.loose_files(), 0);
    refused(abort().await, 404, "NoSuchUpload");
    refused(
        server.client.list_parts().bucket(BUCKET).key("k").upload_id(&id).send().await,
        404,
        "NoSuchUpload",
    );
    refused(server.completion("k", &id, vec![part]).send().await, 404, "NoSuchUpload");
    let late = server.client.upload_part().bucket(BUCKET).key("k").upload_id(&id).part_number(1);
    refused(late.body(ByteStream::from_static(b"v")).send().await, 404, "NoSuchUpload");
    let uploads = server.client.list_multipart_uploads().bucket(BUCKET).send().await.unwrap();
    assert_eq!(uploads.uploads().len(), 0);
    assert_eq!(server.loose_files(), 0);
}

#[tokio::test]
async fn part_numbers_and_pages_of_parts_have_bounds() {
    let server = Server::start().await;
    let id = server.begin("k").await;
    for number in [0, 10_001] {
        let upload = server.client.upload_part().bucket(BUCKET).key("k").upload_id(&id).part_number(number);
        refused(upload.body(ByteStream::from_static(b"v")).send().await, 400, "InvalidArgument");
    }
    for number in [1, 5, 9] {
        server.part("k", &id, number, b"v".to_vec()).await;
    }
    let list = || server.client.list_parts().bucket(BUCKET).key("k").upload_id(&id).max_parts(2);
    let first = list().send().await.unwrap();
    assert_eq!(
        (first.parts().len(), first.is_truncated(), first.next_part_number_marker()),
        (2, Some(true), Some("5"))
    );
    let second = list().part_number_marker("5").send().await.unwrap();
    assert_eq!((second.parts().len(), second.is_truncated()), (1, Some(false)));
}

#[tokio::test]
async fn uploads_in_progress_are_listed_in_pages_and_survive_a_restart() {
    let server = Server::start().await;
    let ids = [
        server.begin("a").await,
        server.begin("a").await,
        server.begin("b/1").await,
        server.begin("b/2").await,
    ];
    server.part("a", &ids[0], 1, b"kept".to_vec()).await;
    let server = server.restart().await;
    let (mut key, mut id, mut seen) = (None, None, Vec::new());
    loop {
        let list = server.client.list_multipart_uploads().bucket(BUCKET).max_uploads(1);
        let page = list.set_key_marker(key).set_upload_id_marker(id).send().await.unwrap();
        seen.extend(page.uploads().iter().map(|upload| upload.upload_id().unwrap().to_owned()));
        (key, id) = (page.next_key_marker, page.next_upload_id_marker);
        if page.is_truncated != Some(true) {
            break;
        }
    }
    assert_eq!(seen, ids);
    let list = || server.client.list_multipart_uploads().bucket(BUCKET);
    let grouped = list().delimiter("/").send().await.unwrap();
    assert_eq!((grouped.uploads().len(), grouped.common_prefixes()[0].prefix()), (2, Some("b/")));
    assert_eq!(list().prefix("b/").send().await.unwrap().uploads().len(), 2);
    assert_eq!(list().key_marker("a").send().await.unwrap().uploads().len(), 2);
    let listed = server.client.list_parts().bucket(BUCKET).key("a").upload_id(&ids[0]).send().await.unwrap();
    let part = CompletedPart::builder().part_number(1).set_e_tag(listed.parts()[0].e_tag.clone()).build();
    server.completion("a", &ids[0], vec![part]).send().await.unwrap();
    assert_eq!(server.get("a").await.as_deref(), Some("kept"));
}

#[tokio::test]
async fn a_part_can_be_copied_from_a_range() {
    let server = Server::start().await;
    server.put("source", "0123456789").await;
    let id = server.begin("k").await;
    let copy = server.client.upload_part_copy().bucket(BUCKET).key("k").upload_id(&id).part_number(1);
    let copied = copy.copy_source("bucket/source").copy_source_range("bytes=2-5").send().await.unwrap();
    let etag = copied.copy_part_result.unwrap().e_tag;
    let part = CompletedPart::builder().part_number(1).set_e_tag(etag).build();
    server.completion("k", &id, vec![part]).send().await.unwrap();
    assert_eq!(server.get("k").await.as_deref(), Some("2345"));
}

#[tokio::test]
async fn a_multipart_object_has_the_kind_of_checksum_it_was_created_with() {
    let server = Server::start().await;
    let cases = [
        (ChecksumAlgorithm::Sha256, None, ChecksumType::Composite),
        (ChecksumAlgorithm::Crc32, Some(ChecksumType::FullObject), ChecksumType::FullObject),
        (ChecksumAlgorithm::Crc64Nvme, None, ChecksumType::FullObject),
    ];
    for (algorithm, asked, expected) in cases {
        let create = server.client.create_multipart_upload().bucket(BUCKET).key("k").set_checksum_type(asked);
        let id = create.checksum_algorithm(algorithm.clone()).send().await.unwrap().upload_id.unwrap();
        let upload = server.client.upload_part().bucket(BUCKET).key("k").upload_id(&id).part_number(1);
        let upload = upload.checksum_algorithm(algorithm.clone()).body(ByteStream::from_static(b"123456789"));
        let etag = upload.send().await.unwrap().e_tag;
        let part = CompletedPart::builder().part_number(1).set_e_tag(etag).build();
        let done = server.completion("k", &id, vec![part]).send().await.unwrap();
        assert_eq!(done.checksum_type(), Some(&expected), "{algorithm:?}");
        let head = server.client.head_object().bucket(BUCKET).key("k").checksum_mode(ChecksumMode::Enabled);
        let head = head.send().await.unwrap();
        assert_eq!(head.checksum_type(), Some(&expected));
        match algorithm {
            ChecksumAlgorithm::Sha256 => assert!(head.checksum_sha256().unwrap().ends_with("-1")),
            // The check value of CRC-32, 0xCBF43926.
            ChecksumAlgorithm::Crc32 => assert_eq!(head.checksum_crc32(), Some("y/Q5Jg==")),
            _ => assert!(head.checksum_crc64_nvme().is_some()),
        }
    }
    let create = server
        .client
        .create_multipart_upload()
        .bucket(BUCKET)
        .key("k")
        .checksum_type(ChecksumType::FullObject);
    refused(create.checksum_algorithm(ChecksumAlgorithm::Sha1).send().await, 400, "InvalidRequest");
}
