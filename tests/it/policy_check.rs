//! Policy checks: what the live policies of a bucket are predicted to allow is what the store allows, what cannot be read is
//! unknown, and where prediction and store differ it is told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use std::process::{Command, Output};

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ObjectCannedAcl, Tag, Tagging};
use serde_json::{Value, json};

use crate::connection::{check, permission, status, test_saved};
use crate::harness::aws::{self, RgwUser};
use crate::harness::http_fault::{Answer, HttpFault};
use crate::harness::servers::Servers;
use crate::stores::Place;
use crate::support::{Service, Setup, binary, definition, expect};

/// The operations that are predicted and tried.
const TRIED: [&str; 10] =
    ["list", "head", "get", "put", "delete", "get_tags", "put_tags", "get_acl", "put_acl", "versions"];

/// Those of them that the ACL of an object may allow.
const BY_ACL: [&str; 6] = ["head", "get", "get_tags", "put_tags", "get_acl", "put_acl"];

/// A bucket of the administrator on radosgw, and a user without any right of its own.
struct World {
    place: Place,
    user: RgwUser,
    service: Service,
}

impl World {
    async fn new() -> World {
        let place = Place::radosgw().await;
        aws::put_object(&place.client(), &place.bucket, "p/there", "content").await;
        let user = aws::create_rgw_user(&Servers::get(), "judged").await;
        let service = Setup::new().start().await;
        let world = World { place, user, service };
        world.create("main", &json!({"operations": TRIED})).await;
        world
    }

    async fn create(&self, name: &str, fields: &Value) {
        let mut body = definition(name, &self.place.url, &self.place.bucket, &self.user.key);
        body["prefix"] = json!("p/");
        body["provider"] = json!("ceph");
        for (field, value) in fields.as_object().unwrap() {
            body[field] = value.clone();
        }
        expect(self.service.admin.post("/v1/resources", &body).await, 201);
    }

    fn bucket(&self) -> String {
        format!("arn:aws:s3:::{}", self.place.bucket)
    }

    fn everything(&self) -> Value {
        json!([self.bucket(), format!("{}/*", self.bucket())])
    }

    /// A statement for the user.
    fn statement(&self, effect: &str, actions: &Value, resources: &Value) -> Value {
        json!({"Effect": effect, "Principal": {"AWS": [self.user.arn]}, "Action": actions, "Resource": resources})
    }

    /// What the user needs to read what decides; the operations of the resource need none of it.
    fn reads(&self) -> Value {
        self.statement("Allow", &json!(["s3:GetBucketPolicy", "s3:GetBucketAcl"]), &json!([self.bucket()]))
    }

    async fn set_policy(&self, statements: &[Value]) {
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let client = self.place.client();
        client.put_bucket_policy().bucket(&self.place.bucket).policy(policy).send().await.unwrap();
    }

    /// What is predicted for the user, who has no policies of its own.
    async fn check(&self, more: &Value) -> Value {
        let mut body = json!({"principal": self.user.arn, "identity_policies": []});
        for (field, value) in more.as_object().unwrap() {
            body[field] = value.clone();
        }
        expect(self.service.admin.post("/v1/resources/main/policy/check", &body).await, 200)
    }

    /// Does it, with the user's key and a client that is not ours, and says whether it was allowed.
    async fn really(&self, operation: &str) -> bool {
        let client = aws::s3(&self.place.url, &self.user.key);
        let (bucket, there) = (&self.place.bucket, "p/there");
        let tags = || {
            let tag = Tag::builder().key("a").value("b").build().unwrap();
            Tagging::builder().tag_set(tag).build().unwrap()
        };
        match operation {
            "list" => allowed(client.list_objects_v2().bucket(bucket).prefix("p/").send().await),
            "head" => allowed(client.head_object().bucket(bucket).key(there).send().await),
            "get" => allowed(client.get_object().bucket(bucket).key(there).send().await),
            "put" => {
                let body = ByteStream::from_static(b"new");
                let done = allowed(client.put_object().bucket(bucket).key("p/new").body(body).send().await);
                self.place.client().delete_object().bucket(bucket).key("p/new").send().await.unwrap();
                done
            }
            "delete" => {
                aws::put_object(&self.place.client(), bucket, "p/gone", "content").await;
                allowed(client.delete_object().bucket(bucket).key("p/gone").send().await)
            }
            "get_tags" => allowed(client.get_object_tagging().bucket(bucket).key(there).send().await),
            "put_tags" => {
                let put = client.put_object_tagging().bucket(bucket).key(there).tagging(tags()).send().await;
                let gone = client.delete_object_tagging().bucket(bucket).key(there).send().await;
                let (put, gone) = (allowed(put), allowed(gone));
                put && gone
            }
            "get_acl" => allowed(client.get_object_acl().bucket(bucket).key(there).send().await),
            "put_acl" => {
                let request = client.put_object_acl().bucket(bucket).key(there).acl(ObjectCannedAcl::Private);
                allowed(request.send().await)
            }
            "versions" => allowed(client.list_object_versions().bucket(bucket).prefix("p/").send().await),
            other => panic!("`{other}` is not tried"),
        }
    }
}

/// Only a refusal of the right is a no.
#[track_caller]
pub(crate) fn allowed<T, E: std::fmt::Debug>(outcome: Result<T, SdkError<E>>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(error) => {
            let status = error.raw_response().map(|response| response.status().as_u16());
            assert_eq!(status, Some(403), "{error:?}");
            false
        }
    }
}

pub(crate) fn prediction<'a>(found: &'a Value, operation: &str) -> &'a Value {
    let rows = found["predictions"].as_array().unwrap();
    rows.iter().find(|row| row["operation"] == operation).unwrap_or_else(|| panic!("{operation}: {found:#}"))
}

pub(crate) fn part<'a>(found: &'a Value, name: &str) -> &'a Value {
    found["parts"].as_array().unwrap().iter().find(|part| part["part"] == name).unwrap()
}

#[tokio::test]
async fn what_is_predicted_is_what_the_store_does() {
    let world = World::new().await;
    let other = aws::create_rgw_user(&Servers::get(), "other").await;
    let (bucket, objects) = (json!([world.bucket()]), json!([format!("{}/*", world.bucket())]));
    let (both, user) = (world.everything(), |effect: &str, actions: Value, on: &Value| {
        world.statement(effect, &actions, on)
    });
    let to = |mut statement: Value, field: &str, value: Value| {
        statement[field] = value;
        statement
    };
    let not_action = |statement: Value| {
        let mut statement = to(statement, "NotAction", json!(["s3:Get*", "s3:List*"]));
        statement.as_object_mut().unwrap().remove("Action");
        statement
    };
    let not_resource = |statement: Value, on: Value| {
        let mut statement = to(statement, "NotResource", on);
        statement.as_object_mut().unwrap().remove("Resource");
        statement
    };
    let full = || user("Allow", json!("s3:*"), &both);
    let under = |prefix: &str| json!([format!("{}/{prefix}*", world.bucket())]);
    // what radosgw is known to decide otherwise stands beside the case
    let cases: Vec<(&str, Vec<Value>, &[&str])> = vec![
        ("nothing", vec![], &[]),
        ("lists", vec![user("Allow", json!(["s3:ListBucket"]), &bucket)], &[]),
        ("reads of objects", vec![user("Allow", json!("s3:GetObject"), &objects)], &[]),
        ("reads under another prefix", vec![user("Allow", json!("s3:GetObject"), &under("q/"))], &[]),
        ("everything", vec![full()], &[]),
        ("everything but deletes", vec![full(), user("Deny", json!("s3:DeleteObject"), &objects)], &[]),
        ("all that begins with Get", vec![user("Allow", json!("s3:Get*"), &both)], &[]),
        ("everything on objects", vec![user("Allow", json!("s3:*"), &objects)], &[]),
        ("everything on the bucket", vec![user("Allow", json!("s3:*"), &bucket)], &[]),
        ("tags, by their end", vec![user("Allow", json!(["s3:*ObjectTagging"]), &objects)], &[]),
        (
            "lists of the prefix",
            vec![to(
                user("Allow", json!("s3:ListBucket"), &bucket),
                "Condition",
                json!({"StringLike": {"s3:prefix": "p/*"}}),
            )],
            &[],
        ),
        (
            "lists of another prefix",
            vec![to(
                user("Allow", json!(["s3:ListBucket", "s3:ListBucketVersions"]), &bucket),
                "Condition",
                json!({"StringEquals": {"s3:prefix": "q/"}}),
            )],
            &[],
        ),
        (
            // it takes statements with NotAction, and never applies them
            "everything, and a Deny of all but reads",
            vec![full(), not_action(user("Deny", json!([]), &objects))],
            &["put", "delete", "put_tags", "put_acl"],
        ),
        (
            "reads for everybody",
            vec![to(user("Allow", json!("s3:GetObject"), &objects), "Principal", json!("*"))],
            &[],
        ),
        ("everything for somebody else", vec![to(full(), "Principal", json!({"AWS": [other.arn]}))], &[]),
        (
            "everything, and a Deny outside of the prefix",
            vec![
                full(),
                not_resource(
                    user("Deny", json!("s3:*"), &bucket),
                    json!([world.bucket(), format!("{}/p/*", world.bucket())]),
                ),
            ],
            &[],
        ),
        (
            "writes and deletes",
            vec![user("Allow", json!(["s3:PutObject", "s3:DeleteObject"]), &under("p/"))],
            &[],
        ),
        (
            "ACLs, and a Deny for everybody of writing them",
            vec![
                user("Allow", json!(["s3:GetObjectAcl", "s3:PutObjectAcl"]), &objects),
                to(user("Deny", json!("s3:PutObjectAcl"), &objects), "Principal", json!({"AWS": "*"})),
            ],
            &[],
        ),
    ];
    assert!(cases.len() >= 12);
    let (mut denied, mut open) = (0, 0);
    for (name, statements, otherwise) in cases {
        let mut all = vec![world.reads()];
        all.extend(statements);
        world.set_policy(&all).await;
        let found = world.check(&json!({})).await;
        assert_eq!(part(&found, "bucket_policy")["state"], "read", "{name}: {found:#}");
        for operation in TRIED {
            let row = prediction(&found, operation);
            let really = world.really(operation).await;
            let wanted = if really == otherwise.contains(&operation) { "no" } else { "yes" };
            // what no policy denies an ACL of the object may allow, and nobody reads that
            let by_acl = wanted == "no" && BY_ACL.contains(&operation) && row["answer"] == "unknown";
            if by_acl {
                let why = row["explanation"].as_str().unwrap();
                assert!(why.contains("no policy allows it; the ACL"), "{name}, {operation}: {row:#}");
                open += 1;
            } else {
                assert_eq!(row["answer"], wanted, "{name}, {operation}: {row:#}\n{all:#?}");
            }
            denied += usize::from(!really);
        }
        let has =
            |answer: &str| TRIED.iter().any(|operation| prediction(&found, operation)["answer"] == answer);
        let verdict = match (has("no"), has("unknown")) {
            (true, _) => "fails",
            (false, true) => "undecided",
            (false, false) => "passes",
        };
        assert_eq!(found["verdict"], verdict, "{name}: {found:#}");
    }
    assert!(denied > 60, "most of it is denied somewhere: {denied}");
    assert!(open < denied, "{open} of {denied} are left open");
}

#[tokio::test]
async fn a_policy_that_may_not_be_read_is_named_and_nothing_is_guessed() {
    let world = World::new().await;
    let reads = world.statement("Allow", &json!("s3:GetObject"), &world.everything());
    world.set_policy(&[reads]).await;
    let found = world.check(&json!({})).await;
    let policy = part(&found, "bucket_policy");
    assert_eq!(
        (&policy["state"], &policy["action"]),
        (&json!("denied"), &json!("s3:GetBucketPolicy")),
        "{found:#}"
    );
    for operation in TRIED {
        assert_eq!(prediction(&found, operation)["answer"], "unknown", "{operation}: {found:#}");
    }
    assert_eq!(found["public_access"], Value::Null);
    let report = test_saved(&world.service.admin, "main", false).await;
    let agrees = check(&report, "policy-agrees");
    assert_eq!(agrees["status"], "skipped", "{agrees:#}");
    // the resource names no operation that reads the bucket, so a test does not do it either
    world.create("open", &json!({})).await;
    let report = test_saved(&world.service.admin, "open", false).await;
    let agrees = check(&report, "policy-agrees");
    assert_eq!(agrees["status"], "skipped", "{agrees:#}");
    assert!(agrees["detail"].as_str().unwrap().contains("may not read it"), "{agrees:#}");
    assert_eq!(permission(&report, "get")["known_by"], "not tried");
}

#[tokio::test]
async fn a_test_tells_what_the_policies_say_too() {
    let world = World::new().await;
    world.create("open", &json!({})).await;
    let everybody = |effect: &str, actions: Value, on: Value| json!({"Sid": format!("{effect}Some"), "Effect": effect, "Principal": "*", "Action": actions, "Resource": on});
    world
        .set_policy(&[
            everybody(
                "Allow",
                json!(["s3:ListBucket", "s3:GetObject", "s3:GetBucketPolicy"]),
                world.everything(),
            ),
            everybody(
                "Deny",
                json!(["s3:PutObject", "s3:DeleteObject"]),
                json!([format!("{}/*", world.bucket())]),
            ),
        ])
        .await;
    let report = test_saved(&world.service.admin, "open", false).await;
    let agrees = check(&report, "policy-agrees");
    assert_eq!(agrees["status"], "passed", "{agrees:#}");
    assert!(agrees["detail"].as_str().unwrap().contains("`DenySome`"), "{agrees:#}");
    let row = |operation: &str| {
        let row = permission(&report, operation);
        (row["answer"].clone(), row["known_by"].clone())
    };
    assert_eq!(row("list"), (json!("yes"), json!("both")), "{report:#}");
    assert_eq!(row("get"), (json!("yes"), json!("both")), "{report:#}");
    assert_eq!(row("put"), (json!("no"), json!("both")), "{report:#}");
    assert_eq!(row("delete"), (json!("no"), json!("predicted")), "{report:#}");
    assert_eq!(permission(&report, "delete")["missing_action"], "s3:DeleteObject");
    assert_eq!(row("put_acl"), (json!("unknown"), json!("not tried")), "nobody knows whose the key is");
}

#[tokio::test]
async fn a_test_costs_no_more_than_the_reads_that_it_makes_anyway() {
    let world = World::new().await;
    let front = HttpFault::start(&world.place.url).await;
    world.create("fronted", &json!({"endpoint": front.url(), "operations": TRIED})).await;
    test_saved(&world.service.admin, "fronted", false).await;
    world.create("open", &json!({"endpoint": front.url()})).await;
    test_saved(&world.service.admin, "open", false).await;
    let policies = front.requests().iter().filter(|request| request.path.contains("?policy")).count();
    assert_eq!(policies, 1, "one read, by the resource that allows it");
    assert_eq!(front.count("ListUserPolicies"), 0, "{:?}", front.requests());
    assert!(
        !front
            .requests()
            .iter()
            .any(|request| { request.action.as_deref().is_some_and(|action| action.ends_with("Policies")) })
    );
    let others = ["?ownershipControls", "?publicAccessBlock"];
    for other in others {
        assert_eq!(
            front.requests().iter().filter(|request| request.path.contains(other)).count(),
            0,
            "{other}"
        );
    }
}

#[tokio::test]
async fn where_the_store_differs_it_is_named_with_what_may_be_behind_it() {
    // radosgw does not know that a request came without TLS, so the usual Deny does not apply
    let world = World::new().await;
    world.create("open", &json!({})).await;
    let mut insecure = json!({"Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": [format!("{}/*", world.bucket())]});
    insecure["Condition"] = json!({"Bool": {"aws:SecureTransport": "false"}});
    let everybody =
        json!({"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": world.everything()});
    world.set_policy(&[everybody, insecure]).await;
    assert!(world.really("get").await, "the store allows it");
    let report = test_saved(&world.service.admin, "open", false).await;
    let agrees = check(&report, "policy-agrees");
    assert_eq!(
        (&agrees["status"], &agrees["cause"]),
        (&json!("warning"), &json!("PolicyDisagrees")),
        "{agrees:#}"
    );
    assert!(agrees["detail"].as_str().unwrap().contains("`TlsOnly`"), "{agrees:#}");
    assert!(agrees["remedy"].as_str().unwrap().contains("`aws:SecureTransport`"), "{agrees:#}");
    let get = permission(&report, "get");
    assert_eq!((&get["answer"], &get["known_by"]), (&json!("yes"), &json!("tried")), "what was tried counts");
    let list = permission(&report, "list");
    assert_eq!(list["known_by"], "both");

    let path = "/v1/resources/open/policy/check";
    let found = expect(world.service.admin.post(path, &json!({"principal": world.user.arn})).await, 200);
    let differ = found["agreement"]["differ"].as_array().unwrap();
    let reads = differ.iter().find(|differs| differs["check"] == "objects-readable").unwrap();
    assert_eq!((&reads["predicted"], &reads["tried"]), (&json!("no"), &json!("yes")), "{found:#}");
    assert!(reads["reasons"][0].as_str().unwrap().contains("`Bool` on `aws:SecureTransport`"), "{reads:#}");
    assert!(found["agreement"]["agree"].as_array().unwrap().contains(&json!("objects-listable")));
    assert_eq!(prediction(&found, "get")["tried"], "yes");
    let statement = &prediction(&found, "get")["statement"];
    assert_eq!((&statement["sid"], &statement["document"]), (&json!("TlsOnly"), &json!("the bucket policy")));
    let text = part(&found, "bucket_policy")["documents"][0]["text"].as_str().unwrap();
    let line = usize::try_from(statement["line"].as_u64().unwrap()).unwrap();
    let place = text.lines().position(|line| line.contains("TlsOnly")).unwrap() + 1;
    assert!(line <= place && place - line <= 2, "line {line} is where `TlsOnly` begins:\n{text}");
    let public = &found["public_access"]["policy"]["statements"][0];
    assert_eq!((&public["index"], &public["value"]), (&json!(0), &json!("*")), "{found:#}");
    assert_eq!(found["verdict"], "fails");
}

#[tokio::test]
async fn the_smallest_change_mends_what_is_missing_and_the_store_agrees() {
    let world = World::new().await;
    let base = world.reads();
    world.set_policy(std::slice::from_ref(&base)).await;
    let found = world.check(&json!({})).await;
    let change = &found["change"]["bucket"];
    let added = change["Statement"].as_array().unwrap_or_else(|| panic!("{found:#}"));
    let named = added.iter().all(|statement| statement["Principal"] == json!({"AWS": world.user.arn}));
    assert!(named, "{change:#}");
    let mut all = vec![base];
    all.extend(added.iter().cloned());
    world.set_policy(&all).await;
    let found = world.check(&json!({"test": true})).await;
    for operation in TRIED {
        assert_eq!(prediction(&found, operation)["answer"], "yes", "{operation}: {found:#}");
        assert!(world.really(operation).await, "{operation}: {all:#?}");
    }
    assert_eq!((&found["verdict"], &found["missing"]), (&json!("passes"), &json!([])), "{found:#}");
    assert!(found["agreement"]["differ"].as_array().unwrap().is_empty(), "{found:#}");
    let unused: Vec<&Value> =
        found["unused"].as_array().unwrap().iter().map(|right| &right["actions"]).collect();
    assert_eq!(
        unused,
        [&json!(["s3:GetBucketAcl", "s3:GetBucketPolicy"])],
        "only what the check itself reads"
    );
}

#[tokio::test]
async fn no_policy_of_a_store_makes_a_check_or_a_test_fail() {
    let world = World::new().await;
    let bomb = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*a".repeat(2000), "Resource": format!("arn:aws:s3:::{}/{}", world.place.bucket, "*b".repeat(2000))}]});
    let cases = [
        ("not JSON", "<html>".to_owned(), "invalid"),
        ("null", "null".to_owned(), "invalid"),
        ("deep", "[".repeat(60_000), "invalid"),
        ("long", format!("{{\"Version\": \"{}\"}}", "x".repeat(900_000)), "invalid"),
        (
            "of another kind",
            "{\"Version\": \"2012-10-17\", \"Statement\": [1, \"a\", {}]}".to_owned(),
            "invalid",
        ),
        ("with wildcards", bomb.to_string(), "read"),
        ("nothing", " ".to_owned(), "none"),
    ];
    for (at, (name, text, state)) in cases.into_iter().enumerate() {
        let front = HttpFault::start(&world.place.url).await;
        front.answer_when(
            |request| request.path.contains("?policy"),
            Answer::new(200, "application/json", text),
        );
        let resource = format!("hostile-{at}");
        world.create(&resource, &json!({"endpoint": front.url()})).await;
        let body = json!({"principal": world.user.arn, "test": true});
        let path = format!("/v1/resources/{resource}/policy/check");
        let found = expect(world.service.admin.post(&path, &body).await, 200);
        assert_eq!(part(&found, "bucket_policy")["state"], state, "{name}: {found:#}");
        if state == "invalid" {
            assert_eq!(prediction(&found, "get")["answer"], "unknown", "{name}: {found:#}");
        }
        let report = test_saved(&world.service.admin, &resource, false).await;
        assert_ne!(status(&report, "policy-agrees"), "failed", "{name}: {report:#}");
    }
}

#[tokio::test]
async fn the_command_line_exits_with_3_when_something_is_denied() {
    let world = World::new().await;
    let arn = world.user.arn.clone();
    let check = async |arguments: &[&str]| -> Output {
        let mut command = Command::new(binary());
        command.args(["policy", "check", "main"]).args(arguments);
        command.env("NO_COLOR", "1").env("S3_CONNECTOR_SERVER", &world.service.url);
        command.env("S3_CONNECTOR_TOKEN", world.service.token());
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    };
    let run = async |arguments: &[&str]| {
        check(&[&["--principal", &arn, "--no-identity-policies"], arguments].concat()).await
    };
    let full = world.statement("Allow", &json!("s3:*"), &world.everything());
    world.set_policy(&[full, world.statement("Deny", &json!("s3:DeleteObject"), &world.everything())]).await;
    let denied = run(&[]).await;
    let said = String::from_utf8(denied.stdout).unwrap();
    assert_eq!(denied.status.code(), Some(3), "{said}");
    for words in ["s3:DeleteObject", "does not pass", "the bucket policy", "bucket_policy", "NOT NEEDED"] {
        assert!(said.contains(words), "`{words}` in\n{said}");
    }
    let full = world.statement("Allow", &json!("s3:*"), &world.everything());
    world.set_policy(&[full]).await;
    let passed = run(&["--output", "json"]).await;
    assert_eq!(passed.status.code(), Some(0), "{}", String::from_utf8_lossy(&passed.stdout));
    let found: Value = serde_json::from_slice(&passed.stdout).unwrap();
    assert_eq!(found["verdict"], "passes");
    // without a policy only those of an identity that nobody named could allow anything
    world
        .set_policy(&[world.statement("Deny", &json!("s3:PutObjectTagging"), &json!("arn:aws:s3:::x/*"))])
        .await;
    let open = check(&[]).await;
    let said = String::from_utf8(open.stdout).unwrap();
    assert_eq!(open.status.code(), Some(1), "{said}");
    assert!(said.contains("undecided"), "{said}");
    assert_eq!(check(&["--accept-unknown"]).await.status.code(), Some(0));
}

#[tokio::test]
async fn only_an_editor_sees_what_the_resource_does_not_let_read() {
    let world = World::new().await;
    world.set_policy(&[world.statement("Allow", &json!("s3:*"), &world.everything())]).await;
    let body = json!({"principal": world.user.arn, "identity_policies": []});
    let path = "/v1/resources/main/policy/check";
    let user = world.service.client("user").await;
    let found = expect(user.post(path, &body).await, 200);
    assert_eq!(part(&found, "bucket_policy")["state"], "not_read", "{found:#}");
    assert_eq!(prediction(&found, "get")["answer"], "unknown");
    let editor = world.service.client("editor").await;
    let found = expect(editor.post(path, &body).await, 200);
    assert_eq!(part(&found, "bucket_policy")["state"], "read", "{found:#}");
    let viewer = world.service.client("viewer").await;
    expect(viewer.post(path, &body).await, 403);
    let refused = expect(editor.post(path, &json!({"identity_policies": [{"Statement": 1}]})).await, 422);
    assert_eq!(refused["errors"][0]["path"], "identity_policies[0]", "{refused:#}");
    expect(editor.post(path, &json!({"principal": "nobody"})).await, 422);
}
