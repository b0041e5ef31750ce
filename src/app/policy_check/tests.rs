//! Predictions at AWS, as far as each part is known.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::accounts::Accounts;
use super::change;
use super::documents::Document;
use super::facts::{BucketAcl, Facts, Named, Principal, Read, Requests};
use crate::model::check::{Answer, Check, Status};
use crate::model::operation::Operation;
use crate::model::policy_check::{PredictedCall, Prediction};
use crate::model::provider;
use crate::policy::request::{AclGrant, AclPermission, BlockPublicAccess, ObjectOwnership};

const USER: &str = "arn:aws:iam::111122223333:user/app";

/// A user of AWS in the bucket's account, of whom everything is known: no policy anywhere.
fn facts() -> Facts {
    let requests = Requests {
        bucket: "arn:aws:s3:::b".to_owned(),
        prefix: "p/".to_owned(),
        owner: None,
        context: BTreeMap::from([("aws:SecureTransport".to_owned(), vec!["true".to_owned()])]),
        upload: BTreeMap::new(),
        acl: None,
        uses_kms: false,
        kms_key: None,
        region: "eu-central-1".to_owned(),
        in_url: false,
        url_tls: true,
        signed: true,
        lasting_key: true,
    };
    let principal = Principal::Known { arn: USER.to_owned(), role: None };
    Facts {
        same_account: Some(true),
        bucket_policy: Read::Is(None),
        ownership: Read::Is(ObjectOwnership::BucketOwnerEnforced),
        block: Read::Is(BlockPublicAccess::default()),
        acl: Read::Is(BucketAcl::default()),
        identity_is_whole: true,
        session: Read::Is(None),
        ..Facts::of_nothing(principal, requests, provider::find("aws").unwrap())
    }
}

fn named(name: &str, statements: &Value) -> Named {
    let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    Document::read(&text, &mut Accounts::default()).named(name).unwrap()
}

fn with_bucket(statements: &Value) -> Facts {
    Facts { bucket_policy: Read::Is(Some(named("", statements).policy)), ..facts() }
}

fn allow(actions: &Value) -> Value {
    json!({"Sid": "Given", "Effect": "Allow", "Principal": {"AWS": USER}, "Action": actions, "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]})
}

fn row(facts: &Facts, operation: Operation) -> Prediction {
    facts.predict_operation(operation, &Accounts::default())
}

fn answer(facts: &Facts, operation: Operation) -> Answer {
    row(facts, operation).answer
}

fn only_call(facts: &Facts, operation: Operation) -> PredictedCall {
    row(facts, operation).calls.remove(0)
}

#[test]
fn a_policy_that_was_not_read_makes_everything_unknown() {
    let mut unread = facts();
    unread.identity = vec![named("own", &json!([{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]))];
    assert_eq!(answer(&unread, Operation::Get), Answer::Yes);
    unread.bucket_policy = Read::Unknown;
    for operation in Operation::ALL {
        let found = row(&unread, operation);
        if operation == Operation::PutAcl {
            assert_eq!(found.answer, Answer::No, "whatever the policy says: ACLs are off");
            continue;
        }
        assert_eq!(found.answer, Answer::Unknown, "{operation:?}: {}", found.explanation);
        assert!(found.explanation.contains("could not be read"), "{}", found.explanation);
    }
}

#[test]
fn what_the_identity_s_own_policies_could_allow_is_left_open_and_what_a_deny_takes_is_not() {
    let mut found = with_bucket(&json!([
        allow(&json!(["s3:GetObject"])),
        {"Sid": "NoWrites", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::b/*"},
    ]));
    found.identity_is_whole = false;
    assert_eq!(answer(&found, Operation::Get), Answer::Yes);
    assert_eq!(answer(&found, Operation::Delete), Answer::Unknown);
    let put = only_call(&found, Operation::Put);
    assert_eq!((put.answer, put.explicit), (Answer::No, true));
    let statement = put.statement.unwrap();
    assert_eq!(
        (statement.sid.as_deref(), statement.document.as_str()),
        (Some("NoWrites"), "the bucket policy")
    );
    assert!(statement.line > 1, "a text in one line is written anew");
    assert!(put.explanation.contains("of the bucket policy denies"), "{}", put.explanation);
    found.identity_is_whole = true;
    assert_eq!(answer(&found, Operation::Delete), Answer::No);
}

#[test]
fn two_accounts_need_both_sides() {
    let mut found = with_bucket(&json!([allow(&json!("s3:GetObject"))]));
    found.same_account = Some(false);
    assert_eq!(answer(&found, Operation::Get), Answer::No, "no policy of its own");
    found.identity_is_whole = false;
    assert_eq!(answer(&found, Operation::Get), Answer::Unknown);
    found.same_account = None;
    found.identity_is_whole = true;
    assert_eq!(answer(&found, Operation::Get), Answer::Unknown, "nobody knows whose the bucket is");
    found.identity = vec![named("own", &json!([{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]))];
    assert_eq!(answer(&found, Operation::Get), Answer::Yes, "both sides allow");
    assert_eq!(answer(&found, Operation::Put), Answer::Unknown);
    found.same_account = Some(false);
    assert_eq!(answer(&found, Operation::Put), Answer::No);
}

#[test]
fn a_condition_that_is_not_seen_is_named_with_its_statement() {
    let mut inside = allow(&json!("s3:GetObject"));
    inside["Condition"] = json!({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}});
    let call = only_call(&with_bucket(&json!([inside])), Operation::Get);
    assert_eq!(call.answer, Answer::Unknown);
    assert!(
        call.explanation.contains("`aws:SourceIp`") && call.explanation.contains("`Given`"),
        "{}",
        call.explanation
    );
    // what this service knows of its requests is no doubt
    let mut tls = allow(&json!("s3:GetObject"));
    tls["Condition"] = json!({"Bool": {"aws:SecureTransport": "true"}});
    assert_eq!(answer(&with_bucket(&json!([tls])), Operation::Get), Answer::Yes);
    let mut encrypted = allow(&json!("s3:PutObject"));
    encrypted["Condition"] = json!({"StringEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}});
    assert_eq!(
        answer(&with_bucket(&json!([encrypted])), Operation::Put),
        Answer::No,
        "the header is not sent"
    );
}

#[test]
fn an_answer_that_depends_on_the_key_says_so() {
    let mut some = allow(&json!("s3:GetObject"));
    some["Resource"] = json!("arn:aws:s3:::b/p/reports/*");
    let call = only_call(&with_bucket(&json!([some])), Operation::Get);
    assert_eq!(call.answer, Answer::Unknown);
    assert!(call.explanation.contains("`p/reports/x`"), "{}", call.explanation);
    some["Resource"] = json!("arn:aws:s3:::b/elsewhere/*");
    assert_eq!(answer(&with_bucket(&json!([some])), Operation::Get), Answer::No, "outside of the prefix");
}

#[test]
fn the_policy_that_this_service_sends_limits_its_sessions() {
    let role = "arn:aws:iam::111122223333:role/team/app";
    let mut found = facts();
    found.principal = Principal::Known {
        arn: "arn:aws:sts::111122223333:assumed-role/app/s3c".to_owned(),
        role: Some(role.to_owned()),
    };
    found.identity = vec![named("own", &json!([{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]))];
    let scope = json!([{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/p/*"}]);
    found.session = Read::Is(Some(named("", &scope).policy));
    assert_eq!(answer(&found, Operation::Get), Answer::Yes);
    let put = only_call(&found, Operation::Put);
    assert_eq!(put.answer, Answer::No);
    assert!(put.explanation.contains("session policy"), "{}", put.explanation);
}

#[test]
fn a_default_acl_that_the_bucket_refuses_is_no_missing_right() {
    let mut found = with_bucket(&json!([allow(&json!("s3:*"))]));
    found.requests.acl = Some("public-read");
    let put = row(&found, Operation::Put);
    assert_eq!(put.answer, Answer::No);
    assert!(put.explanation.contains("AccessControlListNotSupported"), "{}", put.explanation);
    let predictions = [put];
    let missing = change::missing(&predictions);
    let change = found.change(&missing, &predictions, "bucket-b", &Accounts::default()).unwrap();
    assert!(change.identity.is_none() && change.bucket.is_none(), "no Allow mends it: {change:?}");
    assert!(change.steps[0].contains("`default_acl`"), "{change:?}");
    found.ownership = Read::Is(ObjectOwnership::ObjectWriter);
    assert_eq!(answer(&found, Operation::Put), Answer::Yes);
    found.requests.acl = Some("bucket-owner-full-control");
    found.ownership = Read::Is(ObjectOwnership::BucketOwnerEnforced);
    assert_eq!(answer(&found, Operation::Put), Answer::Yes);
}

#[test]
fn what_is_missing_comes_with_the_smallest_change_and_that_mends_it() {
    let found = with_bucket(&json!([allow(&json!(["s3:ListBucket"]))]));
    let rows = |facts: &Facts| -> Vec<Prediction> {
        [Operation::List, Operation::Get, Operation::Put].iter().map(|one| row(facts, *one)).collect()
    };
    let predictions = rows(&found);
    let missing = change::missing(&predictions);
    let actions: Vec<&str> = missing.iter().map(|right| right.action.as_str()).collect();
    assert_eq!(actions, ["s3:GetObject", "s3:PutObject"]);
    let accounts = Accounts::default();
    let change = found.change(&missing, &predictions, "bucket-b", &accounts).unwrap();
    let identity = change.identity.unwrap().get().replace("bucket-b", "b");
    assert!(!identity.contains("ListBucket"), "what is there already is not given again: {identity}");
    let document = Document::read(&identity, &mut Accounts::default());
    let mended = Facts { identity: vec![document.named("change").unwrap()], ..found.clone() };
    assert!(rows(&mended).iter().all(|row| row.answer == Answer::Yes));
    let bucket = change.bucket.unwrap().get().replace("bucket-b", "b");
    assert!(bucket.contains(USER), "{bucket}");
}

#[test]
fn rights_that_no_operation_needs_are_told_with_their_statement() {
    let found =
        with_bucket(&json!([allow(&json!(["s3:GetObject", "s3:DeleteObject", "s3:PutBucketPolicy"]))]));
    let unused = found.unused(&[Operation::Get], &Accounts::default());
    let told: Vec<(&str, Vec<&str>)> = unused
        .iter()
        .map(|right| (right.resource.as_str(), right.actions.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(
        told,
        [
            ("arn:aws:s3:::b/*", vec!["s3:GetObject"]),
            ("arn:aws:s3:::b", vec!["s3:PutBucketPolicy"]),
            ("arn:aws:s3:::b/p/*", vec!["s3:DeleteObject"]),
        ]
    );
    assert!(unused.iter().all(|right| right.statement.as_ref().unwrap().sid.as_deref() == Some("Given")));
}

#[test]
fn a_difference_names_what_may_be_behind_it() {
    let found = with_bucket(&json!([allow(&json!("s3:*"))]));
    let mut denied = Check::new("objects-readable", Status::Failed, "AccessDenied: no");
    denied.cause = Some("AccessDenied".to_owned());
    denied.call = Some("s3:GetObject (first byte of the first object)".to_owned());
    let reasons = |check: &Check| {
        let compared = found.compare(std::slice::from_ref(check), Some("p/first"), &Accounts::default());
        compared[0].difference.clone().unwrap().reasons
    };
    assert!(reasons(&denied)[0].contains("service control"));
    denied.detail = "because no VPC endpoint policy allows the s3:GetObject action".to_owned();
    assert_eq!(
        reasons(&denied),
        ["the policy of the VPC endpoint that requests go through: the store says so"]
    );
    denied.cause = Some("KmsAccessDenied".to_owned());
    assert!(reasons(&denied)[0].contains("KMS key"));
    let passed = Check::new("objects-readable", Status::Passed, "");
    let agreed = found.compare(&[passed], Some("p/first"), &Accounts::default());
    assert!(agreed[0].difference.is_none() && agreed[0].predicted == Answer::Yes);
}

#[test]
fn an_owner_at_a_store_without_accounts_may_do_what_nothing_denies() {
    let mut found = facts();
    found.is_aws = false;
    found.owns_bucket = Read::Is(true);
    assert_eq!(answer(&found, Operation::Delete), Answer::Yes);
    found.bucket_policy = Read::Is(Some(
        named(
            "",
            &json!([{"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": "*"}]),
        )
        .policy,
    ));
    assert_eq!(answer(&found, Operation::Delete), Answer::No);
    found.owns_bucket = Read::Unknown;
    assert_eq!(answer(&found, Operation::Get), Answer::Unknown);
}

#[test]
fn certain_is_only_what_holds_for_every_key_under_the_prefix() {
    let on = |effect: &str, field: &str, resource: Value| {
        let mut statement = allow(&json!("s3:GetObject"));
        statement.as_object_mut().unwrap().remove("Resource");
        statement.as_object_mut().unwrap().remove("Sid");
        (statement["Effect"], statement[field]) = (json!(effect), resource);
        statement
    };
    let all = || on("Allow", "Resource", json!("arn:aws:s3:::b/*"));
    let many: Vec<String> = (0..40).map(|at| format!("arn:aws:s3:::b/p/{at}")).collect();
    for (statements, expected) in [
        (json!([all()]), Answer::Yes),
        (json!([on("Allow", "Resource", json!("arn:aws:s3:::*/p/*"))]), Answer::Yes),
        (json!([on("Allow", "Resource", json!("arn:aws:s3:::b/p/.*"))]), Answer::Unknown),
        (json!([on("Allow", "Resource", json!("arn:aws:s3:::?/p/x*"))]), Answer::Unknown),
        (json!([on("Allow", "Resource", json!("arn:aws:s3:::b/*/x"))]), Answer::Unknown),
        (json!([all(), on("Deny", "Resource", json!("arn:aws:s3:::*/p/secret/*"))]), Answer::Unknown),
        (json!([all(), on("Deny", "Resource", json!(many))]), Answer::Unknown),
        (
            json!([all(), on("Deny", "Resource", json!("arn:aws:s3:::b/${aws:PrincipalTag/team}"))]),
            Answer::Unknown,
        ),
        (json!([all(), on("Deny", "NotResource", json!("arn:aws:s3:::b/p/.s3-*"))]), Answer::Unknown),
        (json!([all(), on("Deny", "NotResource", json!("arn:aws:s3:::b/p/*"))]), Answer::Yes),
        (
            json!([
                on("Allow", "Resource", json!("arn:aws:s3:::b/p/a*")),
                on("Deny", "Resource", json!("arn:aws:s3:::b/p/ax"))
            ]),
            Answer::Unknown,
        ),
        (json!([all(), on("Deny", "Resource", json!("arn:aws:s3:::b/*"))]), Answer::No),
    ] {
        let found = row(&with_bucket(&statements), Operation::Get);
        assert_eq!(found.answer, expected, "{statements}: {}", found.explanation);
    }
}

#[test]
fn signed_urls_are_judged_as_those_who_have_them_send_them() {
    use Answer::{No, Unknown, Yes};
    let with = |operator: &str, key: &str, value: &str| {
        let mut statement = allow(&json!(["s3:GetObject", "s3:PutObject"]));
        statement["Condition"] = json!({operator: {key: value}});
        let mut found = with_bucket(&json!([statement]));
        found.requests.context.insert("s3:authType".to_owned(), vec!["REST-HEADER".to_owned()]);
        (answer(&found, Operation::Get), answer(&found, Operation::Sign))
    };
    assert_eq!(with("StringEquals", "s3:authType", "REST-HEADER"), (Yes, Unknown), "a form may");
    assert_eq!(with("StringEquals", "s3:authType", "REST-QUERY-STRING"), (No, Yes));
    assert_eq!(with("StringLike", "aws:Referer", "https://example.com/*"), (No, Unknown));
    assert_eq!(with("StringEquals", "s3:signatureversion", "AWS"), (Unknown, Unknown));
    let found = facts();
    assert_eq!(answer(&found, Operation::Sign), No);
}

#[test]
fn a_session_that_the_resource_did_not_make_may_be_limited_and_its_role_may_have_a_path() {
    let mut found = facts();
    found.principal =
        Principal::Known { arn: "arn:aws:sts::111122223333:assumed-role/app/i-1".to_owned(), role: None };
    found.identity = vec![named("own", &json!([{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]))];
    assert_eq!(answer(&found, Operation::Get), Answer::Yes);
    found.session = Read::Unknown;
    assert_eq!(answer(&found, Operation::Get), Answer::Unknown);
    assert!(found.unseen().iter().any(|text| text.contains("policy of the session")));
    let mut statement = allow(&json!("s3:GetObject"));
    (statement["Principal"], statement["Condition"]) =
        (json!("*"), json!({"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/app"}}));
    let mut found = Facts { bucket_policy: with_bucket(&json!([statement])).bucket_policy, ..found };
    found.identity.clear();
    assert_eq!(answer(&found, Operation::Get), Answer::Unknown, "it may be `role/team/app`");
}

#[test]
fn where_acls_are_off_none_can_be_changed() {
    let mut found = with_bucket(&json!([allow(&json!("s3:*"))]));
    let put = row(&found, Operation::PutAcl);
    assert_eq!(put.answer, Answer::No);
    assert!(put.explanation.contains("AccessControlListNotSupported"), "{}", put.explanation);
    found.ownership = Read::Is(ObjectOwnership::BucketOwnerPreferred);
    assert_eq!(answer(&found, Operation::PutAcl), Answer::Yes);
    let mut only = allow(&json!("s3:PutObjectAcl"));
    only["Condition"] = json!({"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}});
    let only = Facts { ownership: found.ownership.clone(), ..with_bucket(&json!([only])) };
    assert_eq!(answer(&only, Operation::PutAcl), Answer::Unknown, "that depends on what the query asks for");
}

#[test]
fn an_account_that_stands_in_is_not_compared() {
    let with = |owner: &str| {
        let mut statement = allow(&json!("s3:GetObject"));
        (statement["Principal"], statement["Condition"]) =
            (json!("*"), json!({"StringEquals": {"aws:ResourceAccount": owner}}));
        let mut found = with_bucket(&json!([statement]));
        (found.principal, found.same_account, found.requests.owner) =
            (Principal::Unknown, None, Some("444455556666".to_owned()));
        found.identity_is_whole = false;
        answer(&found, Operation::Get)
    };
    assert_eq!(with("444455556666"), Answer::Unknown, "it may be of another account");
    let mut found = with_bucket(
        &json!([{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::b/*",
        "Condition": {"StringEquals": {"aws:ResourceAccount": "444455556666"}}}]),
    );
    (found.principal, found.same_account, found.requests.owner) =
        (Principal::Unknown, None, Some("444455556666".to_owned()));
    assert_eq!(answer(&found, Operation::Get), Answer::No);
}

#[test]
fn where_acls_count_an_object_may_be_open_to_those_whom_no_policy_names() {
    let mut found = facts();
    assert_eq!(answer(&found, Operation::Get), Answer::No);
    found.ownership = Read::Is(ObjectOwnership::ObjectWriter);
    let get = only_call(&found, Operation::Get);
    assert_eq!(get.answer, Answer::Unknown);
    assert!(get.only_acl && get.explanation.contains("ACL"), "{}", get.explanation);
    assert_eq!(answer(&found, Operation::Delete), Answer::No, "the bucket's ACL decides that, and is known");
    let predictions = [row(&found, Operation::Get)];
    let change = found.change(&[], &predictions, "bucket-b", &Accounts::default()).unwrap();
    assert!(change.identity.unwrap().get().contains("s3:GetObject"));
    // at another store a grant may be for whoever asks
    found.is_aws = false;
    let grant = AclGrant { grantee: "someone".to_owned(), permission: AclPermission::Write };
    found.acl = Read::Is(BucketAcl { owner: Some("owner".to_owned()), grants: vec![grant] });
    found.owns_bucket = Read::Is(false);
    assert_eq!(answer(&found, Operation::Put), Answer::Unknown);
    assert_eq!(answer(&found, Operation::List), Answer::No, "it does not grant that");
}

#[test]
fn a_key_of_kms_has_to_be_allowed_too() {
    let with = |own: Value| {
        let mut found = facts();
        found.requests.uses_kms = true;
        found.identity = vec![named("own", &own)];
        found
    };
    let s3 = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
    let kms =
        |effect: &str, resource: &str| json!({"Effect": effect, "Action": "kms:*", "Resource": resource});
    let found = with(json!([s3]));
    assert_eq!(answer(&found, Operation::Put), Answer::Unknown);
    assert_eq!(answer(&found, Operation::Get), Answer::Yes);
    assert!(found.unseen().iter().any(|text| text.contains("the policy of the KMS key")));
    assert_eq!(answer(&with(json!([s3, kms("Allow", "*")])), Operation::Put), Answer::Yes);
    let key = "arn:aws:kms:eu-central-1:111122223333:key/0a1b";
    let mut one = with(json!([s3, kms("Allow", key)]));
    assert_eq!(answer(&one, Operation::Put), Answer::Unknown, "it may be another key");
    one.requests.kms_key = Some(key.to_owned());
    assert_eq!(answer(&one, Operation::Put), Answer::Yes);
    for operation in [Operation::Put, Operation::Copy, Operation::Multipart] {
        let denied = row(&with(json!([s3, kms("Deny", "*")])), operation);
        assert_eq!(denied.answer, Answer::No, "{operation:?}");
        assert!(denied.explanation.contains("kms:"), "{}", denied.explanation);
    }
}

#[test]
fn an_allow_is_not_proposed_where_the_boundary_or_the_session_limits() {
    let role = "arn:aws:iam::111122223333:role/team/app";
    let mut found = facts();
    found.principal = Principal::Known {
        arn: "arn:aws:sts::111122223333:assumed-role/app/s3c".to_owned(),
        role: Some(role.to_owned()),
    };
    found.identity = vec![named("own", &json!([{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]))];
    found.requests.bucket = "arn:aws:s3:::bucket-b".to_owned();
    let lists = json!([{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}]);
    found.boundary = Some(named("", &lists).policy);
    let change_of = |found: &Facts| {
        let predictions = [row(found, Operation::Get)];
        let missing = change::missing(&predictions);
        found.change(&missing, &predictions, "bucket-b", &Accounts::default()).unwrap()
    };
    let change = change_of(&found);
    assert!(change.identity.is_none() && change.bucket.is_none(), "{change:?}");
    assert!(change.steps[0].contains("permissions boundary"), "{change:?}");
    // with nothing of its own both are missing
    found.identity.clear();
    let change = change_of(&found);
    assert!(change.identity.is_some(), "{change:?}");
    assert!(change.bucket.as_ref().unwrap().get().contains(role), "{change:?}");
    assert!(change.steps.iter().any(|step| step.contains("permissions boundary")), "{change:?}");
}

proptest! {
    #[test]
    fn no_policy_makes_a_prediction_panic(
        effect in prop::sample::select(vec!["Allow", "Deny"]),
        principal in prop::sample::select(vec![json!("*"), json!({"AWS": "*"}), json!({"AWS": USER}), json!({"AWS": []}), json!({"CanonicalUser": "x"}), json!({"Service": "s3.amazonaws.com"})]),
        texts in prop::collection::vec(
            prop_oneof![any::<String>(), "[a-z:*?$]{0,12}", Just("s3:*".to_owned()), Just("arn:aws:s3:::b/${aws:userid}*".to_owned()), Just("arn:aws:s3:::b/${".to_owned())],
            4..9,
        ),
        operator in prop::sample::select(vec!["StringLike", "Null", "IpAddress", "ForAllValues:StringEquals", "DateLessThan", "Nonsense"]),
        not in any::<bool>(),
    ) {
        let [action, resource, key, value, rest @ ..] = texts.as_slice() else { unreachable!("four at the least") };
        let statement = json!({"Effect": effect, "Principal": principal, "Action": [action, "s3:GetObject"], (if not { "NotResource" } else { "Resource" }): [resource, "arn:aws:s3:::b/*"], "Condition": {operator: {format!("aws:{key}"): [value]}}});
        let text = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        for text in rest.iter().chain([&text]) {
            let read = Document::read(text, &mut Accounts::default());
            let found = match read.policy {
                Ok(policy) => Facts { bucket_policy: Read::Is(Some(policy)), ..facts() },
                Err(_) => Facts { bucket_policy: Read::Unknown, ..facts() },
            };
            for operation in [Operation::List, Operation::Get, Operation::Put] {
                row(&found, operation);
            }
        }
    }
}

#[test]
fn a_hostile_policy_is_judged_in_bounded_time() {
    let stars = "*a".repeat(400);
    let statements: Vec<Value> = (0..12)
        .map(|at| json!({"Sid": format!("S{at}"), "Effect": "Allow", "Principal": "*", "Action": [stars, "s3:*"], "Resource": [format!("arn:aws:s3:::b/{stars}"), "arn:aws:s3:::b/p/*b"], "Condition": {"StringLike": {"aws:UserAgent": stars}}}))
        .collect();
    let found = with_bucket(&json!(statements));
    let started = std::time::Instant::now();
    for operation in Operation::ALL {
        row(&found, operation);
    }
    found.unused(&[Operation::Get], &Accounts::default());
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    for text in [
        "",
        "null",
        "[]",
        "{",
        "{\"Statement\": {}}",
        &"[".repeat(70_000),
        &format!("\"{}\"", "x".repeat(80_000)),
    ] {
        assert!(Document::read(text, &mut Accounts::default()).policy.is_err());
    }
}
