//! Policy checks: whose the key is and what its own policies say, where IAM and STS tell it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use serde_json::{Value, json};

use crate::harness::aws;
use crate::harness::http_fault::{Answer, HttpFault, Recorded};
use crate::harness::servers::{AccessKey, Servers};
use crate::policy_check::{allowed, part, prediction};
use crate::stores::Place;
use crate::support::{Setup, definition, expect};

#[tokio::test]
async fn the_policies_of_the_identity_are_read_where_iam_lets_it() {
    let servers = Servers::get();
    let root = aws::s3(&servers.moto_auth, &servers.moto_auth_key);
    let bucket = aws::create_bucket(&root, "iam").await;
    aws::put_object(&root, &bucket, "there", "content").await;
    let s3 = ["s3:ListBucket", "s3:GetObject", "s3:GetBucketPolicy", "s3:GetBucketAcl"];
    let all: Vec<&str> = s3.iter().copied().chain(["iam:*", "sts:*"]).collect();
    let reads_iam = aws::create_moto_user(&servers, "reads", &aws::allow(&all, &["*"])).await;
    let reads_none = aws::create_moto_user(&servers, "blind", &aws::allow(&s3, &["*"])).await;
    let service = Setup::new().start().await;
    let create = async |name: &str, key: &AccessKey| {
        let mut body = definition(name, &servers.moto_auth, &bucket, key);
        body["provider"] = json!("ceph");
        body["operations"] = json!(["list", "get", "delete"]);
        expect(service.admin.post("/v1/resources", &body).await, 201);
        expect(service.admin.post(&format!("/v1/resources/{name}/policy/check"), &json!({})).await, 200)
    };
    let found = create("reads", &reads_iam).await;
    assert!(found["identity"]["principal"].as_str().unwrap().contains(":user/reads-"), "{found:#}");
    let own = part(&found, "identity_policies");
    assert_eq!(own["state"], "read", "{found:#}");
    assert!(
        own["documents"][0]["name"].as_str().unwrap().starts_with("the policy `main` of user"),
        "{own:#}"
    );
    let answer =
        |found: &Value, operation: &str| prediction(found, operation)["answer"].as_str().unwrap().to_owned();
    assert_eq!(
        (answer(&found, "list"), answer(&found, "get")),
        ("yes".to_owned(), "yes".to_owned()),
        "{found:#}"
    );
    assert_eq!(answer(&found, "delete"), "no", "{found:#}");
    assert_eq!(found["verdict"], "fails");
    let client = aws::s3(&servers.moto_auth, &reads_iam);
    assert!(allowed(client.list_objects_v2().bucket(&bucket).send().await));
    assert!(allowed(client.get_object().bucket(&bucket).key("there").send().await));
    assert!(!allowed(client.delete_object().bucket(&bucket).key("there").send().await));

    let found = create("blind", &reads_none).await;
    let own = part(&found, "identity_policies");
    assert_eq!(
        (&own["state"], &own["action"]),
        (&json!("denied"), &json!("iam:ListUserPolicies")),
        "{found:#}"
    );
    assert_eq!(answer(&found, "delete"), "unknown", "{found:#}");
    assert_eq!(found["verdict"], "undecided");
}

/// What IAM says is bounded, whoever stands there: nothing is taken for all of it that is not.
#[tokio::test]
async fn an_iam_that_never_ends_is_given_up() {
    let servers = Servers::get();
    let root = aws::s3(&servers.moto_auth, &servers.moto_auth_key);
    let bucket = aws::create_bucket(&root, "iam").await;
    let all = aws::allow(&["s3:*", "iam:*", "sts:*"], &["*"]);
    let key = aws::create_moto_user(&servers, "endless", &all).await;
    let front = HttpFault::start(&servers.moto_auth).await;
    let service = Setup::new().start().await;
    let mut body = definition("main", &front.url(), &bucket, &key);
    body["provider"] = json!("ceph");
    body["operations"] = json!(["list", "delete"]);
    expect(service.admin.post("/v1/resources", &body).await, 201);
    let answer = |names: usize, more: &str, filler: usize| {
        let names: Vec<String> = (0..names).map(|name| format!("<member>p{name}</member>")).collect();
        let names = names.concat();
        let text = format!(
            "<ListUserPoliciesResponse><ListUserPoliciesResult><PolicyNames>{names}</PolicyNames>{more}</ListUserPoliciesResult>{}</ListUserPoliciesResponse>",
            " ".repeat(filler)
        );
        Answer::new(200, "text/xml", text)
    };
    let truncated = "<IsTruncated>true</IsTruncated><Marker>again</Marker>";
    for (name, lists, most) in [
        ("a list without an end", answer(0, truncated, 0), 8),
        ("more policies than IAM has", answer(65, "", 0), 1),
        ("an answer that is too long", answer(1, "", 600 * 1024), 1),
    ] {
        front.pass();
        let before = front.count("ListUserPolicies");
        front.answer_to("ListUserPolicies", 99, lists);
        let found = expect(service.admin.post("/v1/resources/main/policy/check", &json!({})).await, 200);
        let own = part(&found, "identity_policies");
        assert_eq!(own["state"], "failed", "{name}: {found:#}");
        assert_eq!(front.count("ListUserPolicies") - before, most, "{name}");
        assert_eq!(front.count("GetUserPolicy"), 0, "{name}");
        assert_eq!(prediction(&found, "delete")["answer"], "unknown", "{name}: {found:#}");
    }
}

#[tokio::test]
async fn at_aws_reading_the_policy_proves_whose_the_bucket_is() {
    const APP: &str = "arn:aws:iam::111122223333:user/app";
    let place = Place::radosgw().await;
    let front = HttpFault::start(&place.url).await;
    let service = Setup::new().start().await;
    let mut body = definition("main", &front.url(), &place.bucket, &place.key);
    (body["provider"], body["addressing"]) = (json!("aws"), json!("path"));
    body["operations"] = json!(["list", "get", "put"]);
    body["default_acl"] = json!("private");
    expect(service.admin.post("/v1/resources", &body).await, 201);
    let objects = format!("arn:aws:s3:::{}/*", place.bucket);
    let statement = json!({"Effect": "Allow", "Principal": {"AWS": APP}, "Action": ["s3:GetObject", "s3:PutObject", "s3:PutObjectAcl"], "Resource": objects});
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    let answers = |text: &str| Answer::new(200, "application/xml", text);
    let asks = |what: &'static str| move |request: &Recorded| request.path.contains(what);
    front.answer_when(asks("?policy"), Answer::new(200, "application/json", policy));
    front.answer_when(
        asks("?ownershipControls"),
        answers("<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>"),
    );
    front.answer_when(
        asks("?publicAccessBlock"),
        answers("<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy></PublicAccessBlockConfiguration>"),
    );
    let given = json!({"principal": APP, "identity_policies": []});
    let path = "/v1/resources/main/policy/check";
    let found = expect(service.admin.post(path, &given).await, 200);
    assert_eq!(found["identity"]["same_account"], true, "{found:#}");
    assert_eq!(part(&found, "ownership")["detail"], "it is BucketOwnerEnforced", "{found:#}");
    assert_eq!(part(&found, "public_access_block")["detail"], "block_public_policy", "{found:#}");
    for (operation, answer) in [("get", "yes"), ("list", "no"), ("put", "no")] {
        assert_eq!(prediction(&found, operation)["answer"], answer, "{operation}: {found:#}");
    }
    let put = prediction(&found, "put")["explanation"].as_str().unwrap();
    assert!(put.contains("AccessControlListNotSupported"), "the default ACL is refused: {put}");
    let identity = found["change"]["identity"].to_string();
    assert!(identity.contains("s3:ListBucket") && !identity.contains("s3:PutObject"), "{identity}");
    assert!(found["unseen"].to_string().contains("service control"), "{found:#}");

    front.pass();
    front.answer_when(asks("?policy"), Answer::s3_error(405, "MethodNotAllowed"));
    let found = expect(service.admin.post(path, &given).await, 200);
    assert_eq!(found["identity"]["same_account"], false, "{found:#}");
    assert_eq!(part(&found, "bucket_policy")["state"], "denied", "{found:#}");
    assert_eq!(
        prediction(&found, "get")["answer"],
        "no",
        "no policy of its own allows it, and both sides must"
    );
    let own = json!({"principal": APP, "identity_policies": [aws::allow(&["s3:*"], &["*"])]});
    let found = expect(service.admin.post(path, &own).await, 200);
    assert_eq!(prediction(&found, "get")["answer"], "unknown", "{found:#}");
}

/// Runs awscli as the one who may do everything on the moto that enforces policies.
async fn iam(servers: &Servers, arguments: &[&str]) -> Value {
    aws::aws_cli(servers, &servers.moto_auth, &servers.moto_auth_key, arguments).await
}

#[tokio::test]
async fn managed_policies_groups_and_boundaries_are_read_too() {
    let servers = Servers::get();
    let root = aws::s3(&servers.moto_auth, &servers.moto_auth_key);
    let bucket = aws::create_bucket(&root, "iam").await;
    let inline = ["s3:ListBucket", "s3:GetBucketPolicy", "s3:GetBucketAcl", "iam:Get*", "iam:List*", "sts:*"];
    let key = aws::create_moto_user(&servers, "grouped", &aws::allow(&inline, &["*"])).await;
    let who = aws::aws_cli(&servers, &servers.moto_auth, &key, &["sts", "get-caller-identity"]).await;
    let user = who["Arn"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let (managed, group) = (aws::unique("managed"), aws::unique("group"));
    let text = |actions: &[&str]| aws::allow(actions, &["*"]).to_string();
    let make =
        ["iam", "create-policy", "--policy-name", &managed, "--policy-document", &text(&["s3:GetObject"])];
    let arn = iam(&servers, &make).await["Policy"]["Arn"].as_str().unwrap().to_owned();
    iam(&servers, &["iam", "attach-user-policy", "--user-name", &user, "--policy-arn", &arn]).await;
    iam(&servers, &["iam", "create-group", "--group-name", &group]).await;
    iam(&servers, &["iam", "add-user-to-group", "--group-name", &group, "--user-name", &user]).await;
    let delete = text(&["s3:DeleteObject"]);
    let put =
        ["iam", "put-group-policy", "--group-name", &group, "--policy-name", "deletes", "--policy-document"];
    iam(&servers, &[put.as_slice(), &[delete.as_str()]].concat()).await;

    let service = Setup::new().start().await;
    let mut body = definition("main", &servers.moto_auth, &bucket, &key);
    body["provider"] = json!("ceph");
    body["operations"] = json!(["list", "get", "put", "delete"]);
    expect(service.admin.post("/v1/resources", &body).await, 201);
    let found = expect(service.admin.post("/v1/resources/main/policy/check", &json!({})).await, 200);
    let own = part(&found, "identity_policies");
    assert_eq!(own["state"], "read", "{found:#}");
    let names: Vec<&str> =
        own["documents"].as_array().unwrap().iter().map(|text| text["name"].as_str().unwrap()).collect();
    let wanted = [
        format!("the policy `main` of user `{user}`"),
        format!("the policy `{arn}`"),
        format!("the policy `deletes` of group `{group}`"),
    ];
    assert_eq!(names, wanted);
    for (operation, answer) in [("list", "yes"), ("get", "yes"), ("delete", "yes"), ("put", "no")] {
        assert_eq!(prediction(&found, operation)["answer"], answer, "{operation}: {found:#}");
    }
    assert_eq!(part(&found, "permission_boundary")["state"], "none", "{found:#}");
    let statement = &prediction(&found, "delete")["statement"];
    assert_eq!(statement["document"], wanted[2].as_str());

    let only_lists = json!({"permission_boundary": aws::allow(&["s3:ListBucket"], &["*"])});
    let found = expect(service.admin.post("/v1/resources/main/policy/check", &only_lists).await, 200);
    assert_eq!(prediction(&found, "list")["answer"], "yes");
    let delete = prediction(&found, "delete");
    assert_eq!(delete["answer"], "no", "{found:#}");
    assert!(delete["explanation"].as_str().unwrap().contains("boundary"), "{delete:#}");
    let steps = found["change"]["steps"].to_string();
    assert!(steps.contains("boundary"), "an Allow of its own would not help: {found:#}");
}

#[tokio::test]
async fn the_policies_of_a_role_are_read_with_its_own_session() {
    let servers = Servers::get();
    let root = aws::s3(&servers.moto_auth, &servers.moto_auth_key);
    let bucket = aws::create_bucket(&root, "iam").await;
    let mut trust = aws::trust("*");
    trust["Statement"][0]["Principal"] = json!({"AWS": "*"});
    let may = ["s3:ListBucket", "s3:GetBucketPolicy", "s3:GetBucketAcl", "iam:Get*", "iam:List*"];
    let role = aws::create_moto_role(&servers, "judged", &trust, &aws::allow(&may, &["*"])).await;
    let key = aws::create_moto_user(&servers, "assumes", &aws::allow(&["sts:AssumeRole"], &["*"])).await;
    let service = Setup::new().start().await;
    let mut body = definition("main", &servers.moto_auth, &bucket, &key);
    body["provider"] = json!("ceph");
    body["operations"] = json!(["list", "delete"]);
    body["assume_role"] = json!({"role_arn": role});
    expect(service.admin.post("/v1/resources", &body).await, 201);
    let found = expect(service.admin.post("/v1/resources/main/policy/check", &json!({})).await, 200);
    assert_eq!(found["identity"]["role"], role, "{found:#}");
    let own = part(&found, "identity_policies");
    assert_eq!(own["state"], "read", "{found:#}");
    let name = role.rsplit('/').next().unwrap();
    assert_eq!(own["documents"][0]["name"], format!("the policy `main` of role `{name}`"));
    assert_eq!(prediction(&found, "list")["answer"], "yes", "{found:#}");
    assert_eq!(prediction(&found, "delete")["answer"], "no", "{found:#}");
}

#[tokio::test]
async fn the_session_of_a_role_is_known_without_asking() {
    let servers = Servers::get();
    let place = Place::radosgw().await;
    let service = Setup::new().start().await;
    let user = aws::create_rgw_user(&servers, "assumes").await;
    let policy = aws::allow(&["s3:*"], &["arn:aws:s3:::*"]);
    let role = aws::create_rgw_role(&servers, "judged", &aws::trust(&user.arn), &policy).await;
    let mut body = definition("main", &servers.rgw_sts, &place.bucket, &user.key);
    body["provider"] = json!("ceph");
    body["operations"] = json!(["list", "get", "put", "delete", "get_bucket"]);
    body["prefix"] = json!("p/");
    body["assume_role"] = json!({"role_arn": role, "session_policy": "scoped"});
    expect(service.admin.post("/v1/resources", &body).await, 201);
    let statement = json!({"Effect": "Deny", "Principal": {"AWS": [role]}, "Action": "s3:DeleteObject", "Resource": [format!("arn:aws:s3:::{}/*", place.bucket)]});
    let text = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    place.client().put_bucket_policy().bucket(&place.bucket).policy(text).send().await.unwrap();
    let own = json!({"identity_policies": [policy], "test": true});
    let found = expect(service.admin.post("/v1/resources/main/policy/check", &own).await, 200);
    let name = role.rsplit('/').next().unwrap();
    let principal = found["identity"]["principal"].as_str().unwrap();
    assert!(principal.starts_with(&format!("arn:aws:sts:::assumed-role/{name}/")), "{found:#}");
    assert_eq!(found["identity"]["role"], role);
    let session = part(&found, "session_policy");
    assert_eq!(session["state"], "given", "{found:#}");
    assert!(session["documents"][0]["text"].as_str().unwrap().contains("s3:prefix"), "{session:#}");
    assert_eq!(part(&found, "bucket_policy")["state"], "read", "{found:#}");
    for (operation, answer) in [("list", "yes"), ("get", "yes"), ("put", "yes"), ("delete", "no")] {
        assert_eq!(prediction(&found, operation)["answer"], answer, "{operation}: {found:#}");
    }
    assert_eq!(found["agreement"]["differ"], json!([]), "{found:#}");
}
