//! Copies and moves: inside a store, in parts, and through the service.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::process::{Command, Output};

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use serde_json::{Value, json};

use crate::harness::aws;
use crate::harness::http_fault::{Answer, HttpFault, Recorded};
use crate::query_bulk::{audit, fill};
use crate::secrets_world::{ID, SECRET};
use crate::stores::{Place, by_path, create, raw, service_at, service_with};
use crate::support::{Service, Setup, binary, expect, templated};

pub(crate) const PARTS_ABOVE: &str = "S3_CONNECTOR__SERVER__COPY_PARTS_ABOVE";

pub(crate) fn copy(from: &str, to: &str, more: &Value) -> Value {
    let mut body = json!({"operation": "copy", "from": from, "to": to});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

pub(crate) fn moved(from: &str, to: &str, more: &Value) -> Value {
    let mut body = copy(from, to, more);
    body["operation"] = "move".into();
    body
}

/// An object with everything that a copy takes along.
pub(crate) async fn put_rich(place: &Place, key: &str, body: Vec<u8>) {
    let call = place.client().put_object().bucket(&place.bucket).key(key).body(body.into());
    let call = call.content_type("text/x-own").cache_control("max-age=7").content_language("de");
    call.content_disposition("attachment; filename=a").metadata("author", "ann").send().await.unwrap();
}

#[track_caller]
pub(crate) fn assert_rich(head: &aws_sdk_s3::operation::head_object::HeadObjectOutput, say: &str) {
    assert_eq!(head.content_type(), Some("text/x-own"), "{say}");
    assert_eq!(head.cache_control(), Some("max-age=7"), "{say}");
    assert_eq!(head.content_language(), Some("de"), "{say}");
    assert_eq!(head.content_disposition(), Some("attachment; filename=a"), "{say}");
    assert_eq!(head.metadata().unwrap()["author"], "ann", "{say}");
}

pub(crate) async fn tags(place: &Place, key: &str) -> Vec<(String, String)> {
    let found = place.client().get_object_tagging().bucket(&place.bucket).key(key).send().await.unwrap();
    let mut tags: Vec<_> =
        found.tag_set().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
    tags.sort();
    tags
}

#[tokio::test]
async fn keys_are_copied_exactly_and_with_everything_they_have() {
    let keys = ["a+b", "a%2Fb", "ü 🚀", "a//b", "../x", "..", "&?#%=", "quo\"te'<b>", "x?versionId=1"];
    for place in Place::both().await {
        let service = service_at(&place).await;
        for key in keys {
            let say = format!("{}: `{key}`", place.name);
            put_rich(&place, key, key.into()).await;
            let to = format!("copy/{key}");
            let told = expect(service.admin.query("main", &copy(key, &to, &json!({}))).await, 200);
            assert_eq!((&told["outcome"], &told["way"]), (&json!("copied"), &json!("server")), "{say}");
            assert_eq!((&told["to"], &told["size"]), (&json!(to), &json!(key.len())), "{say}");
            assert_eq!(aws::get_object(&place.client(), &place.bucket, &to).await, key.as_bytes(), "{say}");
            let head = place.client().head_object().bucket(&place.bucket).key(&to).send().await.unwrap();
            assert_rich(&head, &say);
            let back = format!("moved/{key}");
            let told = expect(service.admin.query("main", &moved(&to, &back, &json!({}))).await, 200);
            assert_eq!(told["outcome"], "moved", "{say}");
            let mut there = place.keys().await;
            there.sort();
            let mut expected = vec![key.to_owned(), back.clone()];
            expected.sort();
            assert_eq!(there, expected, "{say}");
            expect(
                service.admin.query("main", &json!({"operation": "delete_many", "keys": [key, back]})).await,
                200,
            );
        }
    }
}

#[tokio::test]
async fn a_copy_is_a_look_and_one_request_and_a_move_three_more() {
    let place = Place::embedded().await;
    aws::put_object(&place.client(), &place.bucket, "a", "x").await;
    let service = service_at(&place).await;
    let store = &place.embedded.as_ref().unwrap().store;
    let before = store.requests();
    expect(service.admin.query("main", &copy("a", "b", &json!({}))).await, 200);
    assert_eq!(store.requests() - before, 2);
    expect(service.admin.query("main", &moved("a", "c", &json!({}))).await, 200);
    assert_eq!(store.requests() - before, 2 + 5);
    let copied = &audit(&service, "object.copy").await[1];
    assert_eq!((&copied["key"], &copied["detail"]), (&json!("a"), &json!("to `b`")));
    let deleted = &audit(&service, "object.delete").await[0];
    assert_eq!((&deleted["key"], &deleted["detail"]), (&json!("a"), &json!("moved to `c`")));
}

#[tokio::test]
async fn a_dry_run_looks_and_copies_nothing() {
    let place = Place::embedded().await;
    aws::put_object(&place.client(), &place.bucket, "a", "xyz").await;
    aws::put_object(&place.client(), &place.bucket, "b", "there").await;
    let service = service_at(&place).await;
    create(&service.admin, &place, "small", &json!({"limits": {"max_put_bytes": 2}})).await;
    let dry = |more: Value| {
        let mut body = json!({"dry_run": true});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let store = &place.embedded.as_ref().unwrap().store;
    let before = store.requests();
    let plan = expect(service.admin.query("main", &copy("a", "c", &dry(json!({})))).await, 200);
    assert_eq!(store.requests() - before, 1);
    assert_eq!(
        (&plan["outcome"], &plan["size"], &plan["way"]),
        (&json!("planned"), &json!(3), &json!("server"))
    );
    expect(service.admin.query("main", &moved("a", "c", &dry(json!({})))).await, 200);
    expect(service.admin.query("main", &copy("missing", "c", &dry(json!({})))).await, 404);
    expect(service.admin.query("main", &copy("a", "b", &dry(json!({"if_none_match": "*"})))).await, 412);
    expect(service.admin.query("main", &copy("a", "c", &dry(json!({"to_resource": "small"})))).await, 413);
    let looked = &audit(&service, "object.head").await;
    assert!(looked[0]["detail"].as_str().unwrap().starts_with("dry run of a copy to"), "{looked:#?}");
    let keys: Vec<String> = place
        .client()
        .list_objects_v2()
        .bucket(&place.bucket)
        .send()
        .await
        .unwrap()
        .contents()
        .iter()
        .map(|object| object.key().unwrap().to_owned())
        .collect();
    assert_eq!(keys, ["a", "b"]);
}

#[tokio::test]
async fn directives_replace_what_they_name_and_nothing_else() {
    let place = Place::radosgw().await;
    put_rich(&place, "a", b"x".to_vec()).await;
    let client = place.client();
    let tag = aws_sdk_s3::types::Tag::builder().key("state").value("open & ü").build().unwrap();
    let tagging = aws_sdk_s3::types::Tagging::builder().tag_set(tag).build().unwrap();
    client.put_object_tagging().bucket(&place.bucket).key("a").tagging(tagging).send().await.unwrap();
    let service = service_at(&place).await;
    let ask = async |body: Value| expect(service.admin.query("main", &body).await, 200);
    ask(copy("a", "kept", &json!({}))).await;
    assert_eq!(tags(&place, "kept").await, [("state".to_owned(), "open & ü".to_owned())]);
    ask(copy("a", "tags", &json!({"tags_directive": "replace", "tags": {"b": "c d"}}))).await;
    assert_eq!(tags(&place, "tags").await, [("b".to_owned(), "c d".to_owned())]);
    let head = client.head_object().bucket(&place.bucket).key("tags").send().await.unwrap();
    assert_rich(&head, "tags alone were replaced");
    let body =
        json!({"metadata_directive": "replace", "metadata": {"author": "bob"}, "cache_control": "no-store"});
    ask(copy("a", "replaced.html", &body)).await;
    let head = client.head_object().bucket(&place.bucket).key("replaced.html").send().await.unwrap();
    assert_eq!((head.content_type(), head.cache_control()), (Some("text/html"), Some("no-store")));
    assert_eq!((head.content_language(), &*head.metadata().unwrap()["author"]), (None, "bob"));
    assert_eq!(tags(&place, "replaced.html").await.len(), 1);
    ask(copy("a", "public", &json!({"acl": "public-read"}))).await;
    let public = reqwest::get(format!("{}/{}/public", place.url, place.bucket)).await.unwrap();
    assert_eq!(public.status(), 200);
    let private = reqwest::get(format!("{}/{}/kept", place.url, place.bucket)).await.unwrap();
    assert_eq!(private.status(), 403);
}

#[tokio::test]
async fn a_copy_onto_itself_must_change_something_and_a_move_never_may() {
    for place in Place::both().await {
        put_rich(&place, "root/a", b"x".to_vec()).await;
        let service = service_at(&place).await;
        create(&service.admin, &place, "root", &json!({"prefix": "root/"})).await;
        let to_root = json!({"to_resource": "root"});
        for body in [
            copy("root/a", "root/a", &json!({})),
            copy("root/a", "a", &to_root),
            moved("root/a", "root/a", &json!({"storage_class": "STANDARD"})),
            moved("root/a", "a", &to_root),
        ] {
            let refused = expect(service.admin.query("main", &body).await, 400);
            assert!(refused["detail"].as_str().unwrap().contains("onto itself"), "{refused:#}");
        }
        let change = json!({"metadata_directive": "replace", "metadata": {"author": "bob"}});
        expect(service.admin.query("main", &copy("root/a", "root/a", &change)).await, 200);
        let head = place.client().head_object().bucket(&place.bucket).key("root/a").send().await.unwrap();
        assert_eq!(head.metadata().unwrap()["author"], "bob", "{}", place.name);
    }
}

#[tokio::test]
async fn one_bucket_at_two_addresses_is_still_one_bucket() {
    let place = Place::embedded().await;
    aws::put_object(&place.client(), &place.bucket, "a", "x").await;
    let service = service_at(&place).await;
    let alias = place.url.replace("127.0.0.1", "localhost");
    create(&service.admin, &place, "alias", &json!({"endpoint": alias})).await;
    let refused =
        expect(service.admin.query("main", &moved("a", "a", &json!({"to_resource": "alias"}))).await, 400);
    assert!(refused["detail"].as_str().unwrap().contains("onto itself"), "{refused:#}");
    assert_eq!(place.keys().await, ["a"]);
}

#[tokio::test]
async fn a_version_is_copied_over_the_current_one() {
    let place = Place::radosgw().await;
    let client = place.client();
    let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    client.put_bucket_versioning().bucket(&place.bucket).versioning_configuration(on).send().await.unwrap();
    let put = |text: &'static str| {
        client.put_object().bucket(&place.bucket).key("a").body(text.as_bytes().to_vec().into()).send()
    };
    let first = put("first").await.unwrap().version_id.unwrap();
    put("second").await.unwrap();
    let service = service_at(&place).await;
    let told = expect(service.admin.query("main", &copy("a", "a", &json!({"version": first}))).await, 200);
    assert_eq!(told["outcome"], "copied");
    assert_eq!(aws::get_object(&client, &place.bucket, "a").await, b"first");
    let delete = json!({"operation": "delete_many", "keys": [{"key": "a", "version": first}, {"key": "a"}]});
    let done = expect(service.admin.query("main", &delete).await, 200);
    assert_eq!(done["done"], 2, "{done:#}");
    let left = client.list_object_versions().bucket(&place.bucket).send().await.unwrap();
    assert_eq!((left.versions().len(), left.delete_markers().len()), (2, 1));
}

#[tokio::test]
async fn a_large_object_is_copied_in_parts_with_everything_it_has() {
    let body: Vec<u8> = (0..12_u32 << 20).map(|at| (at % 251) as u8).collect();
    for place in Place::both().await {
        put_rich(&place, "big", body.clone()).await;
        let service = service_with(&place, Setup::new().with(PARTS_ABOVE, "8388608"), &json!({})).await;
        let told = expect(service.admin.query("main", &moved("big", "to +ü", &json!({}))).await, 200);
        assert_eq!((&told["way"], &told["size"]), (&json!("parts"), &json!(body.len())), "{}", place.name);
        assert_eq!(place.keys().await, ["to +ü"], "{}", place.name);
        assert!(aws::get_object(&place.client(), &place.bucket, "to +ü").await == body, "{}", place.name);
        let head = place.client().head_object().bucket(&place.bucket).key("to +ü").send().await.unwrap();
        assert_rich(&head, place.name);
        assert!(head.e_tag().unwrap().ends_with("-3\""), "{}: {head:?}", place.name);
        assert_eq!(place.open_uploads().await, 0, "{}", place.name);
    }
}

/// What a provider's copy fails at without a reason is read and written; what it refuses with one is not.
#[tokio::test]
async fn a_copy_that_fails_where_copies_may_fail_goes_through_the_service() {
    let place = Place::embedded().await;
    put_rich(&place, "a", b"content".to_vec()).await;
    let front = HttpFault::start(&place.url).await;
    let fields = json!({"endpoint": front.url(), "provider": "hetzner", "addressing": "path", "limits": {"retries": 0}});
    let service = service_with(&place, Setup::new(), &fields).await;
    create(&service.admin, &place, "ceph", &json!({"endpoint": front.url(), "limits": {"retries": 0}})).await;
    let to_b = copy("a", "b", &json!({}));
    let told = expect(service.admin.query("main", &to_b).await, 200);
    assert_eq!(told["way"], "server", "a copy that works is the store's");
    place.client().delete_object().bucket(&place.bucket).key("b").send().await.unwrap();
    let refuse = |status, code| {
        let copies = |request: &Recorded| request.headers.contains_key("x-amz-copy-source");
        front.pass();
        front.answer_when(copies, Answer::s3_error(status, code));
    };
    for (status, code) in [(501, "NotImplemented"), (500, "InternalError")] {
        refuse(status, code);
        place.client().delete_object().bucket(&place.bucket).key("b").send().await.unwrap();
        let told = expect(service.admin.query("main", &to_b).await, 200);
        assert_eq!(told["way"], "streamed", "{code}");
        assert_eq!(aws::get_object(&place.client(), &place.bucket, "b").await, b"content");
        let head = place.client().head_object().bucket(&place.bucket).key("b").send().await.unwrap();
        assert_rich(&head, code);
        let (other, _) = service.admin.query("ceph", &to_b).await;
        assert_ne!(other, 200, "elsewhere a copy that fails has failed");
    }
    place.client().delete_object().bucket(&place.bucket).key("b").send().await.unwrap();
    for (status, code) in [(403, "AccessDenied"), (400, "InvalidRequest")] {
        refuse(status, code);
        let (status, _) = service.admin.query("main", &to_b).await;
        assert!(status >= 400, "{code}");
    }
    assert_eq!(place.keys().await, ["a"], "what is refused with a reason is not written");
}

/// What was written is not written again because its tags could not be given.
#[tokio::test]
async fn tags_that_cannot_be_given_leave_one_object() {
    let place = Place::radosgw().await;
    put_rich(&place, "big", vec![1; 12 << 20]).await;
    let tag = aws_sdk_s3::types::Tag::builder().key("state").value("open").build().unwrap();
    let tagging = aws_sdk_s3::types::Tagging::builder().tag_set(tag).build().unwrap();
    place
        .client()
        .put_object_tagging()
        .bucket(&place.bucket)
        .key("big")
        .tagging(tagging)
        .send()
        .await
        .unwrap();
    let front = HttpFault::start(&place.url).await;
    let tagging = |request: &Recorded| request.method == "PUT" && request.path.ends_with("?tagging");
    front.answer_when(tagging, Answer::s3_error(403, "AccessDenied"));
    let fields = json!({"endpoint": front.url()});
    let service = service_with(&place, Setup::new().with(PARTS_ABOVE, "8388608"), &fields).await;
    let refused = expect(service.admin.query("main", &copy("big", "to", &json!({}))).await, 424);
    assert!(refused["detail"].as_str().unwrap().contains("is written, and its tags"), "{refused:#}");
    let headers = [("x-amz-tagging", "team=books")];
    let large = raw(&service.admin, "PUT", &by_path("main", "up"), &headers, &vec![7; 17 << 20]).await;
    assert_eq!(large.status, 424, "{large:?}");
    assert_eq!(place.keys().await, ["big", "to", "up"]);
    for key in ["to", "up"] {
        let begun = format!("POST /{}/{key}?uploads", place.bucket);
        assert_eq!(front.count(&begun), 1, "{key}");
    }
    assert_eq!(place.open_uploads().await, 0);
}

#[tokio::test]
async fn a_copy_in_parts_that_fails_leaves_no_parts_and_the_source() {
    let place = Place::embedded().await;
    put_rich(&place, "big", vec![1; 12 << 20]).await;
    let front = HttpFault::start(&place.url).await;
    let fields = json!({"endpoint": front.url()});
    let service = service_with(&place, Setup::new().with(PARTS_ABOVE, "8388608"), &fields).await;
    front.answer_to("PUT /bucket/to", 1, Answer::s3_error(403, "AccessDenied"));
    let failed = expect(service.admin.query("main", &moved("big", "to", &json!({}))).await, 424);
    assert_eq!(failed["code"], "AccessDenied");
    assert_eq!((place.keys().await, place.open_uploads().await), (vec!["big".to_owned()], 0));
    assert_eq!(audit(&service, "object.delete").await.len(), 0);
    assert_eq!(audit(&service, "object.copy").await[0]["outcome"], "AccessDenied");
}

#[tokio::test]
async fn an_object_streams_to_a_resource_at_another_store() {
    let (near, far) = (Place::radosgw().await, Place::moto().await);
    let large: Vec<u8> = (0..20_u32 << 20).map(|at| (at % 253) as u8).collect();
    put_rich(&near, "small", b"small".to_vec()).await;
    put_rich(&near, "large", large.clone()).await;
    put_rich(&near, "empty", Vec::new()).await;
    let tag = aws_sdk_s3::types::Tag::builder().key("state").value("open").build().unwrap();
    let tagging = aws_sdk_s3::types::Tagging::builder().tag_set(tag).build().unwrap();
    let near_client = near.client();
    near_client.put_object_tagging().bucket(&near.bucket).key("large").tagging(tagging).send().await.unwrap();
    let service = service_at(&near).await;
    create(&service.admin, &far, "far", &json!({"prefix": "in/"})).await;
    let to_far = json!({"to_resource": "far"});
    for (key, body) in [("small", b"small".to_vec()), ("large", large), ("empty", Vec::new())] {
        let to = format!("{key} +ü");
        let told = expect(service.admin.query("main", &moved(key, &to, &to_far)).await, 200);
        assert_eq!((&told["way"], &told["to_resource"]), (&json!("streamed"), &json!("far")), "{told:#}");
        let full = format!("in/{to}");
        assert!(aws::get_object(&far.client(), &far.bucket, &full).await == body, "{key}");
        let head = far.client().head_object().bucket(&far.bucket).key(&full).send().await.unwrap();
        assert_rich(&head, key);
    }
    assert_eq!(near.keys().await, [""; 0]);
    assert_eq!(tags(&far, "in/large +ü").await, [("state".to_owned(), "open".to_owned())]);
    let put = &audit(&service, "object.put").await[0];
    assert_eq!(
        (&put["subject"], &put["detail"]),
        (&json!("far"), &json!("from `empty` of the resource `main`"))
    );
}

#[tokio::test]
async fn an_object_goes_inside_the_store_only_with_the_same_credentials() {
    let place = Place::radosgw().await;
    aws::put_object(&place.client(), &place.bucket, "a", "x").await;
    let second = aws::create_bucket(&place.client(), "second").await;
    let service = service_at(&place).await;
    create(&service.admin, &place, "same", &json!({"bucket": second})).await;
    let user = aws::create_rgw_user(&crate::harness::servers::Servers::get(), "other").await;
    let other = aws::s3(&place.url, &user.key);
    let third = aws::create_bucket(&other, "third").await;
    let auth =
        json!({"kind": "access_key", "access_key_id": user.key.id, "secret_access_key": user.key.secret});
    create(&service.admin, &place, "other", &json!({"bucket": third, "auth": auth})).await;
    for (resource, way) in [("same", "server"), ("other", "streamed")] {
        let told = copy("a", "b", &json!({"to_resource": resource}));
        assert_eq!(expect(service.admin.query("main", &told).await, 200)["way"], way, "{resource}");
    }
    assert_eq!(aws::get_object(&place.client(), &second, "b").await, b"x");
    assert_eq!(aws::get_object(&other, &third, "b").await, b"x");
}

#[tokio::test]
async fn an_object_that_is_there_is_kept_on_demand() {
    for place in Place::both().await {
        fill(&place, "k/", 2).await;
        let service = service_at(&place).await;
        let only_new = json!({"if_none_match": "*"});
        let kept = expect(service.admin.query("main", &copy("k/00000", "k/00001", &only_new)).await, 412);
        assert_eq!(kept["code"], "PreconditionFailed");
        assert_eq!(aws::get_object(&place.client(), &place.bucket, "k/00001").await, b"k/00001");
        expect(service.admin.query("main", &copy("k/00000", "k/00002", &only_new)).await, 200);
        expect(service.admin.query("main", &copy("missing", "x", &json!({}))).await, 404);
    }
}

#[tokio::test]
async fn a_copy_that_reaches_one_end_only_has_rows_at_both() {
    let place = Place::embedded().await;
    fill(&place, "k/", 1).await;
    let service = service_at(&place).await;
    expect(service.admin.post("/v1/sources", &json!({"name": "vault", "kind": "local"})).await, 201);
    let far = templated("far", &place.url, &place.bucket, ID, SECRET);
    expect(service.admin.post("/v1/resources", &far).await, 201);
    let to_far = json!({"to_resource": "far"});
    let failed = expect(service.admin.query("main", &copy("k/00000", "x", &to_far)).await, 424);
    let row = &audit(&service, "object.copy").await[0];
    assert_eq!((&row["subject"], &row["outcome"]), (&json!("main"), &failed["code"]), "{row:#}");
    assert_eq!((&row["key"], &row["detail"]), (&json!("k/00000"), &json!("to `x` of the resource `far`")));
    let row = &audit(&service, "object.put").await[0];
    assert_eq!((&row["subject"], &row["outcome"]), (&json!("far"), &failed["code"]), "{row:#}");
    assert_eq!((&row["key"], &row["detail"]), (&json!("x"), &json!("from `k/00000` of the resource `main`")));
    // the other way round, and within one resource
    let back = json!({"to_resource": "main"});
    expect(service.admin.query("far", &moved("a", "b", &back)).await, 424);
    expect(service.admin.query("far", &copy("a", "b", &json!({}))).await, 424);
    let rows = audit(&service, "object.copy").await;
    let told: Vec<(&Value, &Value)> = rows.iter().map(|row| (&row["subject"], &row["detail"])).collect();
    let expected = [json!("to `b`"), json!("to `b` of the resource `main`")];
    assert_eq!(told[..2], [(&json!("far"), &expected[0]), (&json!("far"), &expected[1])]);
    assert_eq!(audit(&service, "object.put").await.len(), 2);
    let rename = json!({"operation": "rename_prefix", "from": "k/", "to": "l/", "to_resource": "far", "dry_run": true});
    expect(service.admin.query("main", &rename).await, 424);
    assert_eq!(audit(&service, "object.copy").await[0]["key"], "k/");
    assert_eq!(place.keys().await, ["k/00000"]);
}

#[tokio::test]
async fn a_copy_needs_rights_at_both_ends() {
    let place = Place::embedded().await;
    fill(&place, "k/", 1).await;
    let service = service_at(&place).await;
    for (name, operations) in [
        ("no-copy", json!(["get", "head", "delete", "put"])),
        ("only-copy", json!(["copy"])),
        ("no-acl", json!(["copy", "put"])),
    ] {
        create(&service.admin, &place, name, &json!({"operations": operations})).await;
    }
    let there = json!({"to_resource": "main"});
    for (resource, body) in [
        ("no-copy", copy("k/00000", "x", &json!({}))),
        ("only-copy", moved("k/00000", "x", &json!({}))),
        ("only-copy", copy("k/00000", "x", &there)),
        ("main", copy("k/00000", "x", &json!({"to_resource": "only-copy"}))),
        ("no-acl", copy("k/00000", "x", &json!({"acl": "private"}))),
    ] {
        let refused = expect(service.admin.query(resource, &body).await, 403);
        assert_eq!(refused["code"], "OperationNotAllowed", "{resource}: {body}");
    }
    expect(service.client("viewer").await.query("main", &copy("k/00000", "x", &json!({}))).await, 403);
    assert_eq!(place.keys().await, ["k/00000"]);
    expect(service.admin.query("only-copy", &copy("k/00000", "x", &json!({}))).await, 200);
}

async fn run(service: &Service, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).env("NO_COLOR", "1").env("S3_CONNECTOR_SERVER", &service.url);
    command.env("S3_CONNECTOR_TOKEN", service.token());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test]
async fn the_command_line_copies_moves_renames_and_deletes() {
    let place = Place::embedded().await;
    fill(&place, "in/", 3).await;
    let service = service_at(&place).await;
    let ok = async |arguments: &[&str]| {
        let output = run(&service, arguments).await;
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {err}");
        (String::from_utf8(output.stdout).unwrap(), err)
    };
    let (_, said) = ok(&["object", "copy", "main", "in/00000", "copy"]).await;
    assert_eq!(said, "`in/00000` was copied to `copy`\n");
    let (table, said) = ok(&["object", "move", "main", "copy", "moved", "--dry-run"]).await;
    assert!(table.contains("planned") && table.contains("server"), "{table}");
    assert_eq!(said, "dry run: nothing was moved\n");
    let missing = run(&service, &["object", "copy", "main", "nothing", "x", "--dry-run"]).await;
    assert_eq!(missing.status.code(), Some(1), "a dry run ends as the copy would");
    let asked = run(&service, &["object", "move", "main", "copy", "moved"]).await;
    assert_eq!(asked.status.code(), Some(2), "nobody can be asked");
    ok(&["object", "move", "main", "copy", "moved", "--yes"]).await;
    let (plan, _) = ok(&["object", "rename", "main", "in/", "out/", "--dry-run", "--output", "json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&plan).unwrap()["count"], 3);
    let asked = run(&service, &["object", "rename", "main", "in/", "out/"]).await;
    let said = String::from_utf8(asked.stderr).unwrap();
    assert!(said.contains("Move 3 objects (24 bytes) below `in/` of `main` to `out/` of `main`?"), "{said}");
    let (_, said) = ok(&["object", "rename", "main", "in/", "out/", "--yes"]).await;
    assert_eq!(said, "3 objects were moved, 0 failed\n");
    let rows = ok(&["object", "delete", "main", "--prefix", "out/", "--yes", "--output", "ndjson"]).await.0;
    assert_eq!(rows.lines().filter(|row| row.contains("\"deleted\"")).count(), 3, "{rows}");
    ok(&["object", "delete", "main", "moved", "--yes"]).await;
    assert_eq!(place.keys().await, [""; 0]);
    let (_, said) = ok(&["object", "delete", "main", "--prefix", "out/", "--yes"]).await;
    assert_eq!(said, "no objects below `out/` of `main`\n");
}

#[tokio::test]
async fn a_copy_between_stores_does_not_lose_metadata_that_it_cannot_carry() {
    let odd = HttpFault::alone().await;
    let answered = |body: &str| {
        let mut answer = Answer::new(200, "text/plain", body);
        let headers = [("etag", "\"1\""), ("content-length", "4"), ("x-amz-meta-author", "Zoë")];
        answer.headers.extend(headers.map(|(name, value)| (name, value.to_owned())));
        answer
    };
    odd.answer_to("HEAD /bucket/k", 9, answered(""));
    let none = Answer::new(200, "application/xml", "<Tagging><TagSet></TagSet></Tagging>");
    odd.answer_to("GET /bucket/k?tagging", 9, none);
    odd.answer_to("GET /bucket/k", 9, answered("text"));
    let key = crate::harness::servers::AccessKey::new("AKIACANNED0000000001", "canned");
    let from = Place { name: "canned", url: odd.url(), bucket: "bucket".to_owned(), key, embedded: None };
    let target = Place::embedded().await;
    let service = service_at(&from).await;
    create(&service.admin, &target, "far", &json!({"provider": "garage"})).await;
    let head = expect(service.admin.query("main", &json!({"operation": "head", "key": "k"})).await, 200);
    assert_eq!(head["metadata"]["author"], "Zoë", "{head:#}");
    let to_far = json!({"to_resource": "far"});
    for query in [copy("k", "k", &to_far), moved("k", "k", &to_far)] {
        let problem = expect(service.admin.query("main", &query).await, 409);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("`author`") && detail.contains("metadata_directive"), "{detail}");
        assert_eq!(target.keys().await, [""; 0]);
    }
    let replaced =
        json!({"to_resource": "far", "metadata_directive": "replace", "metadata": {"author": "Zoe"}});
    let told = expect(service.admin.query("main", &copy("k", "k", &replaced)).await, 200);
    assert_eq!((&told["way"], &told["size"]), (&json!("streamed"), &json!(4)), "{told:#}");
}
