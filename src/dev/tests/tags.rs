//! Tags of objects.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, Tag, Tagging, TaggingDirective};

use super::{BUCKET, Server, refused};

impl Server {
    async fn put_tagged(&self, key: &str, tagging: &str) {
        let put = self.client.put_object().bucket(BUCKET).key(key).tagging(tagging);
        put.body(ByteStream::from_static(b"body")).send().await.unwrap();
    }

    /// As `name=value`.
    async fn tags(&self, key: &str) -> Vec<String> {
        let found = self.client.get_object_tagging().bucket(BUCKET).key(key).send().await.unwrap();
        found.tag_set().iter().map(|tag| format!("{}={}", tag.key(), tag.value())).collect()
    }
}

fn tagging(pairs: &[(&str, &str)]) -> Tagging {
    let tags = pairs.iter().map(|(name, value)| Tag::builder().key(*name).value(*value).build().unwrap());
    Tagging::builder().set_tag_set(Some(tags.collect())).build().unwrap()
}

#[tokio::test]
async fn tags_are_given_replaced_and_taken_off_and_outlive_a_restart() {
    let server = Server::start().await;
    let etag = server.put("plain", "v").await;
    assert_eq!(server.tags("plain").await, [""; 0]);
    server.put_tagged("k", "state=open%20%26%20%C3%BC&b=").await;
    assert_eq!(server.tags("k").await, ["b=", "state=open & ü"]);
    let got = server.client.get_object().bucket(BUCKET).key("k").send().await.unwrap();
    assert_eq!(got.tag_count(), Some(2));
    let put = server.client.put_object_tagging().bucket(BUCKET).key("plain");
    put.tagging(tagging(&[("a", "1")])).send().await.unwrap();
    let server = server.restart().await;
    assert_eq!((server.tags("plain").await, server.tags("k").await.len()), (vec!["a=1".to_owned()], 2));
    assert_eq!(server.get("plain").await.as_deref(), Some("v"));
    let head = server.client.head_object().bucket(BUCKET).key("plain").send().await.unwrap();
    assert_eq!(head.e_tag(), Some(etag.as_str()), "the object itself is the same");
    server.client.delete_object_tagging().bucket(BUCKET).key("k").send().await.unwrap();
    assert_eq!(server.tags("k").await, [""; 0]);
    assert_eq!(server.loose_files(), 0);
    server.put("plain", "new").await;
    assert_eq!(server.tags("plain").await, [""; 0], "a new object has its own");
}

#[tokio::test]
async fn copies_and_uploads_in_parts_have_tags() {
    let server = Server::start().await;
    server.put_tagged("k", "a=1").await;
    let copy =
        |to: &str| server.client.copy_object().bucket(BUCKET).key(to).copy_source(format!("{BUCKET}/k"));
    copy("kept").send().await.unwrap();
    assert_eq!(server.tags("kept").await, ["a=1"]);
    copy("other").tagging_directive(TaggingDirective::Replace).tagging("b=2").send().await.unwrap();
    assert_eq!(server.tags("other").await, ["b=2"]);
    let client = &server.client;
    let begun = client.create_multipart_upload().bucket(BUCKET).key("m").tagging("c=3").send().await.unwrap();
    let id = begun.upload_id().unwrap();
    let part = client.upload_part().bucket(BUCKET).key("m").upload_id(id).part_number(1);
    let part = part.body(ByteStream::from_static(b"part")).send().await.unwrap();
    let part = CompletedPart::builder().part_number(1).e_tag(part.e_tag().unwrap()).build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let done =
        client.complete_multipart_upload().bucket(BUCKET).key("m").upload_id(id).multipart_upload(parts);
    done.send().await.unwrap();
    assert_eq!(server.tags("m").await, ["c=3"]);
}

#[tokio::test]
async fn tags_have_the_bounds_of_s3() {
    let server = Server::start().await;
    server.put("k", "v").await;
    let many: Vec<String> = (0..11).map(|number| format!("t{number}=")).collect();
    for wrong in [many.join("&").as_str(), "a=1&a=2", "=1", "aws:a=1"] {
        let put = server.client.put_object().bucket(BUCKET).key("new").tagging(wrong);
        refused(put.send().await, 400, "InvalidTag");
    }
    let put = server.client.put_object_tagging().bucket(BUCKET).key("k");
    refused(put.tagging(tagging(&[("a", "1"), ("a", "2")])).send().await, 400, "InvalidTag");
    let gone = server.client.put_object_tagging().bucket(BUCKET).key("gone").tagging(tagging(&[]));
    refused(gone.send().await, 404, "NoSuchKey");
    assert_eq!(server.keys().await, ["k"]);
}
