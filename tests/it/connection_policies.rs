//! Test connection: what policies, roles and ownership deny, and the fixes that mend it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code outside of test functions"
)]

use serde_json::{Value, json};

use crate::connection::{assert_failed, assert_fails, check, permission, status, test, test_saved};
use crate::harness::aws::{self, RgwUser};
use crate::harness::servers::Servers;
use crate::stores::{Place, create};
use crate::support::{Client, Service, Setup, definition, expect};

/// A bucket of the administrator with one object under `p/`, and a user who may do what its policy says.
struct Shared {
    place: Place,
    user: RgwUser,
    service: Service,
}

impl Shared {
    async fn new() -> Shared {
        let place = Place::radosgw().await;
        aws::put_object(&place.client(), &place.bucket, "p/there", "content").await;
        let user = aws::create_rgw_user(&Servers::get(), "shared").await;
        let service = Setup::new().start().await;
        let mut definition = definition("main", &place.url, &place.bucket, &user.key);
        definition["prefix"] = json!("p/");
        expect(service.admin.post("/v1/resources", &definition).await, 201);
        Shared { place, user, service }
    }

    fn client(&self) -> &Client {
        &self.service.admin
    }

    /// A statement as a test gives it, for the user.
    fn statement(&self, statement: &Value) -> Value {
        let mut statement = statement.clone();
        statement["Principal"] = json!({"AWS": [self.user.arn]});
        statement
    }

    fn allow(&self, actions: &[&str]) -> Value {
        let bucket = format!("arn:aws:s3:::{}", self.place.bucket);
        let resources = [bucket.clone(), format!("{bucket}/*")];
        self.statement(&json!({"Effect": "Allow", "Action": actions, "Resource": resources}))
    }

    /// Makes these the bucket's policy.
    async fn set_policy(&self, statements: &[Value]) {
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let client = self.place.client();
        client.put_bucket_policy().bucket(&self.place.bucket).policy(policy).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_denial_comes_with_the_statement_that_mends_it() {
    let shared = Shared::new().await;
    for (given, name, operation, missing) in [
        (
            vec!["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
            "objects-listable",
            "list",
            "s3:ListBucket",
        ),
        (
            vec!["s3:ListBucket", "s3:PutObject", "s3:AbortMultipartUpload"],
            "objects-readable",
            "get",
            "s3:GetObject",
        ),
        (vec!["s3:ListBucket", "s3:GetObject"], "uploads-allowed", "put", "s3:PutObject"),
    ] {
        let given = shared.allow(&given);
        shared.set_policy(std::slice::from_ref(&given)).await;
        let report = test_saved(shared.client(), "main", false).await;
        assert_eq!(report["verdict"], "works with limits", "{report:#}");
        let found = assert_failed(&report, name, "AccessDenied", missing);
        let fix = &found["fix"]["statement"];
        assert_eq!(fix["Effect"], "Allow", "{found:#}");
        let row = permission(&report, operation);
        assert_eq!((&row["answer"], &row["missing_action"]), (&json!("no"), &json!(missing)), "{report:#}");
        for other in ["list", "get", "put"].into_iter().filter(|other| *other != operation) {
            let answer = permission(&report, other)["answer"].as_str().unwrap();
            // without a list there is no object to read
            let unknown = operation == "list" && other == "get";
            assert_eq!(answer, if unknown { "unknown" } else { "yes" }, "{other}: {report:#}");
        }
        shared.set_policy(&[given, shared.statement(fix)]).await;
        let report = test_saved(shared.client(), "main", false).await;
        assert_eq!(report["verdict"], "works", "{name}: {report:#}");
    }
}

#[tokio::test]
async fn a_marker_that_cannot_be_deleted_is_told() {
    let shared = Shared::new().await;
    let actions = ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"];
    shared.set_policy(&[shared.allow(&actions)]).await;
    let report = test_saved(shared.client(), "main", true).await;
    assert_eq!(report["verdict"], "works with limits", "{report:#}");
    let found = assert_failed(&report, "object-deleted", "AccessDenied", "s3:DeleteObject");
    let keys = shared.place.keys().await;
    let left: Vec<&String> = keys.iter().filter(|key| key.as_str() != "p/there").collect();
    assert_eq!(left.len(), 1, "{keys:?}");
    assert!(
        found["detail"].as_str().unwrap().contains(&format!("`{}` was left behind", left[0])),
        "{found:#}"
    );
    assert_eq!(permission(&report, "delete")["missing_action"], "s3:DeleteObject");
}

#[tokio::test]
async fn a_stranger_is_told_every_right_that_is_missing() {
    let shared = Shared::new().await;
    let report = test_saved(shared.client(), "main", true).await;
    assert_eq!(status(&report, "signature-accepted"), "passed", "the key itself is real");
    assert_ne!(status(&report, "bucket-found"), "passed");
    for name in ["objects-listable", "uploads-allowed", "object-written"] {
        assert_failed(&report, name, "AccessDenied", "allow ");
    }
    assert_eq!(status(&report, "object-read-back"), "skipped");
    for operation in ["list", "put"] {
        assert_eq!(permission(&report, operation)["answer"], "no", "{report:#}");
    }
    assert!(["fails", "works with limits"].contains(&report["verdict"].as_str().unwrap()));
    assert_eq!(shared.place.keys().await, ["p/there"]);
}

#[tokio::test]
async fn only_the_operations_of_the_resource_are_in_its_matrix() {
    let place = Place::embedded().await;
    let service = Setup::new().start().await;
    create(&service.admin, &place, "main", &json!({"operations": ["list", "get"]})).await;
    let report = test_saved(&service.admin, "main", false).await;
    let rows = report["permissions"].as_array().unwrap();
    let operations: Vec<&str> = rows.iter().map(|row| row["operation"].as_str().unwrap()).collect();
    assert_eq!(operations, ["list", "get"]);
}

#[tokio::test]
async fn an_acl_that_the_bucket_refuses_is_found_and_the_fix_mends_it() {
    let place = Place::embedded().await;
    let service = Setup::new().start().await;
    create(&service.admin, &place, "main", &json!({"default_acl": "public-read"})).await;
    let report = test_saved(&service.admin, "main", false).await;
    assert_eq!(report["verdict"], "works with limits", "{report:#}");
    let found = assert_failed(&report, "acl-accepted", "AccessControlListNotSupported", "`default_acl`");
    assert_eq!(found["fix"], json!({"patch": {"default_acl": null}}), "{found:#}");
    let put = permission(&report, "put");
    assert_eq!(
        (&put["answer"], &put["known_by"]),
        (&json!("no"), &json!("tried")),
        "every upload has the ACL"
    );
    expect(service.admin.patch("/v1/resources/main", &found["fix"]["patch"]).await, 200);
    let report = test_saved(&service.admin, "main", true).await;
    assert_eq!(report["verdict"], "works", "{report:#}");
    assert_eq!(place.open_uploads().await, 0);
}

/// A definition that assumes a role at the gateway with STS.
fn with_role(place: &Place, user: &RgwUser, role: &str) -> Value {
    let mut definition = definition("main", &Servers::get().rgw_sts, &place.bucket, &user.key);
    definition["provider"] = json!("ceph");
    definition["assume_role"] = json!({"role_arn": role});
    definition
}

#[tokio::test]
async fn a_role_is_assumed_or_told_why_not() {
    let servers = Servers::get();
    let place = Place::radosgw().await;
    let service = Setup::new().start().await;
    let user = aws::create_rgw_user(&servers, "assumes").await;
    let other = aws::create_rgw_user(&servers, "stranger").await;
    let policy = aws::allow(&["s3:*"], &["arn:aws:s3:::*"]);
    let role = aws::create_rgw_role(&servers, "role", &aws::trust(&user.arn), &policy).await;

    let report = test(&service.admin, &with_role(&place, &user, &role), true).await;
    assert_eq!(report["verdict"], "works", "{report:#}");
    assert_eq!(status(&report, "role-assumed"), "passed");
    assert!(check(&report, "role-assumed")["detail"].as_str().unwrap().contains(&role));

    let refused = test(&service.admin, &with_role(&place, &other, &role), true).await;
    assert_fails(&refused, "role-assumed", "RoleNotAssumable", "trust policy");
    assert_eq!(status(&refused, "signature-accepted"), "skipped");

    let missing = with_role(&place, &user, "arn:aws:iam:::role/not-there");
    let missing = test(&service.admin, &missing, true).await;
    assert_fails(&missing, "role-assumed", "NoSuchEntity", "`role_arn`");
    assert_eq!(place.keys().await, [""; 0]);
}

#[tokio::test]
async fn what_a_role_may_not_do_is_in_the_matrix() {
    let servers = Servers::get();
    let place = Place::radosgw().await;
    let service = Setup::new().start().await;
    let user = aws::create_rgw_user(&servers, "assumes").await;
    let policy = aws::allow(&["s3:ListBucket", "s3:GetObject"], &["arn:aws:s3:::*"]);
    let role = aws::create_rgw_role(&servers, "reads", &aws::trust(&user.arn), &policy).await;
    let report = test(&service.admin, &with_role(&place, &user, &role), true).await;
    assert_eq!(report["verdict"], "works with limits", "{report:#}");
    assert_failed(&report, "uploads-allowed", "AccessDenied", "s3:PutObject");
    assert_failed(&report, "object-written", "AccessDenied", "s3:PutObject");
    assert_eq!(permission(&report, "list")["answer"], "yes");
    assert_eq!(permission(&report, "put")["answer"], "no");
    assert_eq!(place.keys().await, [""; 0]);
}
