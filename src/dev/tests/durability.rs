//! What is left after a crash, a broken connection, a restart.

use aws_sdk_s3::primitives::ByteStream;

use super::{BUCKET, Server, an_hour, options, path_and_query, refused};
use crate::dev::server::EmbeddedStore;

#[tokio::test]
async fn a_restart_keeps_every_object() {
    let mut server = Server::start().await;
    let keys = ["a", "a//b", "../x", "日本"];
    for key in keys {
        server.put(key, key).await;
    }
    server.client.delete_object().bucket(BUCKET).key("a").send().await.unwrap();
    for _ in 0..2 {
        server = server.restart().await;
        assert_eq!(server.keys().await, ["../x", "a//b", "日本"]);
        assert_eq!(server.get("../x").await.as_deref(), Some("../x"));
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_the_old_object_and_nothing_else() {
    let server = Server::start().await;
    server.put("k", "old").await;
    for key in ["k", "fresh"] {
        let target = server.presigned_put(key).await;
        let head = format!("PUT {target} HTTP/1.1\r\ncontent-length: 100000");
        let answer = server.raw_cut_off(&head, &vec![b'v'; 60_000]).await;
        assert!(answer.is_empty() || answer.starts_with("http/1.1 400"), "{answer}");
    }
    let id = server
        .client
        .create_multipart_upload()
        .bucket(BUCKET)
        .key("m")
        .send()
        .await
        .unwrap()
        .upload_id
        .unwrap();
    let before = server.loose_files();
    let part = server.client.upload_part().bucket(BUCKET).key("m").upload_id(&id).part_number(1);
    let target = path_and_query(part.presigned(an_hour()).await.unwrap().uri());
    server
        .raw_cut_off(&format!("PUT {target} HTTP/1.1\r\ncontent-length: 100000"), &vec![b'v'; 60_000])
        .await;
    assert_eq!(server.loose_files(), before);
    assert_eq!(server.keys().await, ["k"]);
    assert_eq!(server.get("k").await.as_deref(), Some("old"));
}

#[tokio::test]
async fn a_start_removes_what_a_killed_process_left_and_leaves_out_torn_files() {
    let server = Server::start().await;
    server.put("k", "v").await;
    let root = server.folder.path().to_owned();
    let objects = root.join("buckets/bucket/objects");
    let whole = std::fs::read(std::fs::read_dir(&objects).unwrap().next().unwrap().unwrap().path()).unwrap();
    server.store.stop().await;
    std::fs::write(root.join("scratch/half-a-body"), b"v").unwrap();
    std::fs::create_dir_all(root.join("scratch/half-a-bucket/objects")).unwrap();
    std::fs::create_dir(root.join("buckets/bucket/uploads/half-an-upload")).unwrap();
    for (name, bytes) in [("empty", 0), ("short", 5), ("torn", whole.len() - 1), ("wrong-name", whole.len())]
    {
        std::fs::write(objects.join(name), &whole[..bytes]).unwrap();
    }
    let server = Server::start_in(server.folder).await;
    assert_eq!(server.keys().await, ["k"]);
    assert_eq!(server.get("k").await.as_deref(), Some("v"));
    assert_eq!(server.loose_files(), 0);
}

#[tokio::test]
async fn a_completion_that_was_killed_after_its_publish_is_finished_at_the_next_start() {
    let server = Server::start().await;
    let created = server.client.create_multipart_upload().bucket(BUCKET).key("k").send().await.unwrap();
    let id = created.upload_id.unwrap();
    let upload = server.client.upload_part().bucket(BUCKET).key("k").upload_id(&id).part_number(1);
    let etag = upload.body(ByteStream::from_static(b"v")).send().await.unwrap().e_tag;
    let folder = server.folder.path().join("buckets/bucket/uploads").join(&id);
    let description = std::fs::read(folder.join("upload.json")).unwrap();
    let part = aws_sdk_s3::types::CompletedPart::builder().part_number(1).set_e_tag(etag).build();
    let parts = aws_sdk_s3::types::CompletedMultipartUpload::builder().parts(part).build();
    let complete = server.client.complete_multipart_upload().bucket(BUCKET).key("k").upload_id(&id);
    complete.multipart_upload(parts).send().await.unwrap();
    let root = server.folder;
    server.store.stop().await;
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("upload.json"), description).unwrap();
    let server = Server::start_in(root).await;
    assert_eq!(server.loose_files(), 0);
    assert_eq!(server.get("k").await.as_deref(), Some("v"));
}

#[tokio::test]
async fn a_folder_serves_one_process_at_a_time() {
    let server = Server::start().await;
    let second = EmbeddedStore::start(options(server.folder.path())).await;
    assert!(second.unwrap_err().to_string().contains("another process"));
    server.restart().await.put("k", "v").await;
}

#[tokio::test]
async fn a_stop_lets_a_request_under_way_finish() {
    let server = Server::start().await;
    let body = "v".repeat(3_000_000);
    server.put("k", &body).await;
    let got = server.client.get_object().bucket(BUCKET).key("k").send().await.unwrap();
    let (read, ()) = tokio::join!(got.body.collect(), server.store.stop());
    assert_eq!(read.unwrap().into_bytes().len(), body.len());
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let server = Server::start().await;
    for _ in 0..5 {
        let put = server.client.put_object().bucket("missing").key("k");
        refused(put.body(ByteStream::from(vec![b'v'; 10_000_000])).send().await, 404, "NoSuchBucket");
    }
}
