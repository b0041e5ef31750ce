//! Keys and lists.

use aws_sdk_s3::types::EncodingType;

use super::{BUCKET, Server, refused};

/// Keys that a store with paths mixes up, loses or lets out of its folder.
fn awkward_keys() -> Vec<String> {
    let keys = [
        "a//b",
        "a/b",
        "../x",
        "../../x",
        "../bucket2/x",
        "x",
        "x/y",
        "x/",
        "a%2Fb",
        "a%252Fb",
        "a+b",
        "a b",
        "a%20b",
        "/lead",
        "//",
        ".",
        "..",
        "./x",
        "q?r#s&t=u",
        "ü",
        "u\u{308}",
        "日本",
        "😀",
        "a\\b",
        "\"'<>*|:",
        "~",
        "con",
    ];
    keys.iter().map(|key| (*key).to_owned()).chain(["é".repeat(512), "k".repeat(1024)]).collect()
}

#[tokio::test]
async fn keys_are_bytes_that_pass_through_exactly_and_stay_in_their_bucket() {
    let server = Server::start().await;
    server.store.create_bucket("bucket2").await.unwrap();
    let mut keys = awkward_keys();
    for key in &keys {
        server.put(key, key).await;
    }
    for key in &keys {
        assert_eq!(server.get(key).await.as_deref(), Some(key.as_str()), "{key}");
    }
    keys.sort_unstable();
    assert_eq!(server.keys().await, keys);
    let objects = server.folder.path().join("buckets/bucket/objects");
    assert_eq!(std::fs::read_dir(objects).unwrap().count(), keys.len());
    let other = server.client.list_objects_v2().bucket("bucket2").send().await.unwrap();
    assert_eq!(other.key_count(), Some(0));
    server.client.delete_object().bucket(BUCKET).key("x").send().await.unwrap();
    assert_eq!(server.get("x").await, None);
    assert_eq!(server.get("x/y").await.as_deref(), Some("x/y"));
}

#[tokio::test]
async fn a_key_of_1025_bytes_is_too_long() {
    let server = Server::start().await;
    let put = server.client.put_object().bucket(BUCKET).key("k".repeat(1025));
    refused(put.send().await, 400, "KeyTooLongError");
}

#[tokio::test]
async fn names_are_encoded_when_the_client_asks_for_it() {
    let server = Server::start().await;
    for key in ["p +/a+b c", "p +/ü", "p +/d/e"] {
        server.put(key, "").await;
    }
    let list = server.client.list_objects_v2().bucket(BUCKET).prefix("p +/").delimiter("/");
    let listed = list.clone().encoding_type(EncodingType::Url).send().await.unwrap();
    let keys: Vec<_> = listed.contents().iter().filter_map(|object| object.key()).collect();
    assert_eq!(keys, ["p%20%2B/a%2Bb%20c", "p%20%2B/%C3%BC"]);
    assert_eq!(listed.common_prefixes()[0].prefix(), Some("p%20%2B/d/"));
    assert_eq!(listed.prefix(), Some("p%20%2B/"));
    let plain = list.send().await.unwrap();
    assert_eq!(plain.contents()[0].key(), Some("p +/a+b c"));
}

#[tokio::test]
async fn version_two_pages_through_keys_and_groups() {
    let server = Server::start().await;
    for key in ["a", "b/1", "b/2", "c/1", "d", "e/1"] {
        server.put(key, key).await;
    }
    let (mut token, mut seen) = (None, Vec::new());
    loop {
        let list = server.client.list_objects_v2().bucket(BUCKET).delimiter("/").max_keys(2);
        let page = list.set_continuation_token(token).send().await.unwrap();
        let entries = page.contents().len() + page.common_prefixes().len();
        assert_eq!(page.key_count(), i32::try_from(entries).ok());
        let mut names: Vec<_> =
            page.contents().iter().map(|object| object.key().unwrap().to_owned()).collect();
        names.extend(page.common_prefixes().iter().map(|group| group.prefix().unwrap().to_owned()));
        seen.push(names);
        token = page.next_continuation_token().map(str::to_owned);
        assert_eq!(page.is_truncated(), Some(token.is_some()));
        if token.is_none() {
            break;
        }
    }
    assert_eq!(
        seen,
        [["a", "b/"], ["d", "c/"], ["e/", ""]]
            .map(|page| page.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>())
    );
    let after =
        server.client.list_objects_v2().bucket(BUCKET).start_after("b/2").prefix("b").send().await.unwrap();
    assert_eq!(after.key_count(), Some(0));
    let none = server.client.list_objects_v2().bucket(BUCKET).max_keys(0).send().await.unwrap();
    assert_eq!((none.key_count(), none.is_truncated()), (Some(0), Some(false)));
    let owned = server.client.list_objects_v2().bucket(BUCKET).fetch_owner(true).send().await.unwrap();
    let object = &owned.contents()[0];
    assert!(object.owner().is_some() && object.e_tag().is_some() && object.last_modified().is_some());
    assert_eq!(object.size(), Some(1));
    let wrong = server.client.list_objects_v2().bucket(BUCKET).continuation_token("???");
    refused(wrong.send().await, 400, "InvalidArgument");
}

#[tokio::test]
async fn version_one_pages_by_marker() {
    let server = Server::start().await;
    for key in ["a/1", "a/2", "b", "c/1"] {
        server.put(key, key).await;
    }
    let list = |marker: Option<String>| {
        server.client.list_objects().bucket(BUCKET).delimiter("/").max_keys(1).set_marker(marker).send()
    };
    let first = list(None).await.unwrap();
    assert_eq!((first.next_marker(), first.is_truncated()), (Some("a/"), Some(true)));
    let second = list(first.next_marker).await.unwrap();
    assert_eq!((second.contents()[0].key(), second.next_marker()), (Some("b"), Some("b")));
    let third = list(second.next_marker).await.unwrap();
    assert_eq!((third.common_prefixes()[0].prefix(), third.is_truncated()), (Some("c/"), Some(false)));
    let flat = server.client.list_objects().bucket(BUCKET).max_keys(1).marker("a/1").send().await.unwrap();
    assert_eq!((flat.contents()[0].key(), flat.next_marker()), (Some("a/2"), None));
}
