//! Laws: what is wanted works, what is not wanted does not, and nothing can be left out.

use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_oneof, proptest};

use crate::policy::catalogue;
use crate::policy::compile::Slot;
use crate::policy::diff::diff;
use crate::policy::document::{Policy, Statement};
use crate::policy::evaluate::{Decision, Policies, decide};
use crate::policy::generate::{External, Generated, Wanted, WantedOperation, generate, requests};
use crate::policy::parse::parse;
use crate::policy::print::print;
use crate::policy::request::{Bucket, Call, Request};

const ROLE: &str = "arn:aws:iam::444455556666:role/connector";
const KEY: &str = "arn:aws:kms:eu-central-1:444455556666:key/0a1b";

const ALL: [WantedOperation; 16] = [
    WantedOperation::List,
    WantedOperation::Head,
    WantedOperation::Get,
    WantedOperation::Put,
    WantedOperation::Delete,
    WantedOperation::Copy,
    WantedOperation::GetTags,
    WantedOperation::PutTags,
    WantedOperation::GetAcl,
    WantedOperation::PutAcl,
    WantedOperation::Versions,
    WantedOperation::Multipart,
    WantedOperation::Sign,
    WantedOperation::GetBucket,
    WantedOperation::PutBucket,
    WantedOperation::Cors,
];

fn wanted() -> impl Strategy<Value = Wanted> {
    let operations = prop::collection::vec(prop::sample::select(ALL.to_vec()), 1..4);
    let prefix = prop_oneof![Just(String::new()), Just("home/".to_owned()), Just("a*?$/".to_owned())];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (operations, prefix, flags, any::<bool>(), any::<bool>()).prop_map(
        |(operations, prefix, (tags, acl, multipart, versions, tls_only), kms, owned)| Wanted {
            bucket: "bucket".to_owned(),
            prefix,
            operations: match operations.as_slice() {
                [WantedOperation::Sign, ..] => [operations, vec![WantedOperation::Get]].concat(),
                _ => operations,
            },
            tags,
            acl,
            multipart,
            versions,
            tls_only,
            kms_key: kms.then(|| KEY.to_owned()),
            bucket_account: owned.then(|| "111122223333".to_owned()),
            ..Wanted::default()
        },
    )
}

fn made(wanted: &Wanted) -> Generated {
    generate(wanted).unwrap_or_else(|error| panic!("{error}"))
}

/// The decision when `identity` is what the role has, the key lets it, and the bucket is the role's own.
fn is_allowed(identity: &Policy, request: &Request) -> bool {
    let mut policies = Policies::default();
    policies.attach(Slot::Identity, identity).expect("a valid identity policy");
    let key = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "kms:*", "Resource": "*"}}"#;
    if request.action.starts_with("kms:") {
        policies.attach(Slot::Resource, &parse(key).expect("a policy")).expect("a valid key policy");
    }
    decision(&policies, request) == Decision::Allowed
}

fn decision(policies: &Policies, request: &Request) -> Decision {
    let bucket = Bucket::default();
    let call = Call::new(request, &bucket).expect("a valid request");
    decide(&call, policies, &bucket).decision
}

/// The requests of the wish, as if the bucket were in the account of the role.
fn own_requests(wanted: &Wanted) -> Vec<Request> {
    let mut requests = requests(wanted, ROLE).expect("a wish");
    for request in &mut requests {
        request.resource_account = Some("444455556666".to_owned());
        request.context.insert("s3:ResourceAccount".into(), vec!["111122223333".to_owned()]);
    }
    requests
}

/// The policy without each of its actions and resources in turn.
fn smaller(policy: &Policy) -> Vec<Policy> {
    let mut all = Vec::new();
    for (at, statement) in policy.statements.iter().enumerate() {
        let mut replace = |statement: Statement| {
            let mut policy = policy.clone();
            policy.statements[at] = statement;
            all.push(policy);
        };
        for index in 0..statement.action.values.len() {
            let mut statement = statement.clone();
            statement.action.values.remove(index);
            replace(statement);
        }
        for index in 0..statement.resource.as_ref().map_or(0, |resource| resource.values.len()) {
            let mut statement = statement.clone();
            statement.resource.as_mut().expect("it has one").values.remove(index);
            replace(statement);
        }
    }
    all
}

/// Every action of S3 and KMS on what is in reach of the wish, and on what is beside it.
fn other_requests(wanted: &Wanted, needed: &[Request]) -> Vec<Request> {
    let key = format!("arn:aws:s3:::bucket/{}key", wanted.prefix);
    let outside = format!("arn:aws:s3:::bucket/{}key", wanted.prefix.replace(['a', 'h', '*'], "z"));
    let mut resources =
        vec!["arn:aws:s3:::bucket", &*key, "arn:aws:s3:::bucket2", "arn:aws:s3:::bucket2/home/key", KEY];
    let other_key = KEY.replace("0a1b", "0a1c");
    resources.push(&other_key);
    if !wanted.prefix.is_empty() {
        resources.push(&outside);
    }
    let mut all = Vec::new();
    for (prefix, service) in ["s3", "kms"].map(|name| (name, catalogue::get().service(name).expect("known")))
    {
        for action in service.actions() {
            for resource in &resources {
                let name = format!("{prefix}:{}", action.name);
                if needed.iter().any(|request| request.action == name && request.resource == *resource) {
                    continue;
                }
                let template = &needed[0];
                all.push(Request { action: name, resource: (*resource).to_owned(), ..template.clone() });
            }
        }
    }
    all
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]

    #[test]
    fn a_generated_policy_is_enough_and_no_more(wanted in wanted()) {
        let needed = own_requests(&wanted);
        let identity = made(&wanted).identity;
        for request in &needed {
            prop_assert!(is_allowed(&identity, request), "{request:?} by {}", print(&identity));
        }
        for policy in smaller(&identity) {
            let fails = needed.iter().any(|request| !is_allowed(&policy, request));
            prop_assert!(fails, "{} is enough too", print(&policy));
        }
        for request in other_requests(&wanted, &needed) {
            prop_assert!(!is_allowed(&identity, &request), "{request:?} by {}", print(&identity));
        }
    }

    #[test]
    fn listing_stays_in_the_prefix(wanted in wanted()) {
        for mut request in own_requests(&wanted) {
            let lists = request.action == "s3:ListBucket" || request.action == "s3:ListBucketVersions";
            if !lists || wanted.prefix.is_empty() { continue; }
            let identity = made(&wanted).identity;
            for prefix in [Some(""), Some("other/"), None] {
                request.context.remove("s3:prefix");
                if let Some(prefix) = prefix { request.context.insert("s3:prefix".into(), vec![prefix.to_owned()]); }
                prop_assert!(!is_allowed(&identity, &request), "{request:?}");
            }
        }
    }

    #[test]
    fn what_is_generated_is_read_again_as_the_same(wanted in wanted()) {
        let made = made(&wanted);
        for policy in [Some(made.identity), made.bucket, made.trust].into_iter().flatten() {
            let text = print(&policy);
            let read = parse(&text).unwrap_or_else(|findings| panic!("{text}: {findings:?}"));
            prop_assert!(print(&read) == text);
        }
    }
}

fn outside(external_id: Option<&str>) -> Wanted {
    Wanted {
        bucket: "bucket".to_owned(),
        prefix: "home/".to_owned(),
        operations: vec![WantedOperation::List, WantedOperation::Get, WantedOperation::Put],
        tls_only: true,
        bucket_account: Some("111122223333".to_owned()),
        external: Some(External { principal: ROLE.to_owned(), external_id: external_id.map(str::to_owned) }),
        ..Wanted::default()
    }
}

#[test]
fn a_stranger_needs_both_policies() {
    let wanted = outside(None);
    let made = made(&wanted);
    let bucket = made.bucket.expect("a bucket policy");
    for request in requests(&wanted, ROLE).expect("a wish") {
        let decided = |with_identity: bool, with_bucket: bool| {
            let mut policies = Policies::default();
            if with_identity {
                policies.attach(Slot::Identity, &made.identity).expect("valid");
            }
            if with_bucket {
                policies.attach(Slot::Resource, &bucket).expect("valid");
            }
            decision(&policies, &request)
        };
        assert_eq!(decided(true, true), Decision::Allowed, "{request:?}");
        assert_eq!(decided(true, false), Decision::ImplicitDeny);
        assert_eq!(decided(false, true), Decision::ImplicitDeny);
        let mut plain = request.clone();
        plain.context.insert("aws:SecureTransport".to_owned(), vec!["false".to_owned()]);
        let mut policies = Policies::default();
        policies.attach(Slot::Identity, &made.identity).expect("valid");
        policies.attach(Slot::Resource, &bucket).expect("valid");
        assert_eq!(decision(&policies, &plain), Decision::ExplicitDeny);
    }
}

#[test]
fn the_policy_of_the_bucket_is_the_least_too() {
    let wanted = Wanted { tls_only: false, ..outside(None) };
    let made = made(&wanted);
    let requests = requests(&wanted, ROLE).expect("a wish");
    let works = |bucket: &Policy| {
        let mut policies = Policies::default();
        policies.attach(Slot::Identity, &made.identity).expect("valid");
        policies.attach(Slot::Resource, bucket).expect("valid");
        requests.iter().all(|request| decision(&policies, request) == Decision::Allowed)
    };
    let bucket = made.bucket.clone().expect("a bucket policy");
    assert!(works(&bucket));
    for policy in smaller(&bucket) {
        assert!(!works(&policy), "{} is enough too", print(&policy));
    }
}

#[test]
fn a_role_is_assumed_with_the_external_id_and_not_without() {
    let trust = made(&outside(Some("id-$1"))).trust.expect("a trust policy");
    let mut policies = Policies::default();
    policies.attach(Slot::Resource, &trust).expect("valid");
    let own = parse(
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}}"#,
    );
    policies.attach(Slot::Identity, &own.expect("a policy")).expect("valid");
    let assume = |id: Option<&str>| Request {
        principal: ROLE.to_owned(),
        action: "sts:AssumeRole".to_owned(),
        resource: "arn:aws:iam::111122223333:role/inner".to_owned(),
        resource_account: None,
        context: id.map(|id| ("sts:ExternalId".to_owned(), vec![id.to_owned()])).into_iter().collect(),
        canonical_id: None,
    };
    assert_eq!(decision(&policies, &assume(Some("id-$1"))), Decision::Allowed);
    assert_eq!(decision(&policies, &assume(Some("id"))), Decision::ImplicitDeny);
    assert_eq!(decision(&policies, &assume(None)), Decision::ImplicitDeny);
}

#[test]
fn the_answer_is_documents_to_be_attached() {
    let written = serde_json::to_value(made(&outside(Some("id")))).expect("it is JSON");
    assert_eq!(written["identity"]["Version"], "2012-10-17");
    assert_eq!(written["bucket"]["Statement"][0]["Principal"]["AWS"], ROLE);
    assert_eq!(written["trust"]["Statement"][0]["Action"], "sts:AssumeRole");
}

#[test]
fn what_we_ship_is_what_is_generated() {
    use WantedOperation::{Delete, Get, Head, List, Put};
    for (file, operations) in [
        ("s3-read.json", vec![List, Head, Get]),
        ("s3-read-write.json", vec![List, Head, Get, Put, Delete]),
        ("s3-upload-only.json", vec![Put]),
    ] {
        let path = format!("{}/policies/{file}", env!("CARGO_MANIFEST_DIR"));
        let shipped = parse(&std::fs::read_to_string(path).expect("the file")).expect("a policy");
        let wanted = Wanted {
            bucket: "BUCKET".to_owned(),
            prefix: "PREFIX".to_owned(),
            operations,
            multipart: true,
            ..Wanted::default()
        };
        let comparison = diff(&shipped, &made(&wanted).identity, Slot::Identity).expect("both are valid");
        assert!(comparison.differences.is_empty(), "{file}: {:?}", comparison.differences);
    }
}

#[test]
fn what_cannot_be_in_an_arn_is_refused() {
    let good =
        Wanted { bucket: "bucket".to_owned(), operations: vec![WantedOperation::Get], ..Wanted::default() };
    assert!(generate(&good).is_ok());
    for (wanted, path) in [
        (Wanted { bucket: "b*".to_owned(), ..good.clone() }, "bucket"),
        (Wanted { operations: Vec::new(), ..good.clone() }, "operations"),
        (Wanted { operations: vec![WantedOperation::Sign], ..good.clone() }, "operations"),
        (Wanted { kms_key: Some("alias/aws/s3".to_owned()), ..good.clone() }, "kms_key"),
        (Wanted { bucket_account: Some("1".to_owned()), ..good.clone() }, "bucket_account"),
        (Wanted { partition: Some("x".to_owned()), ..good.clone() }, "partition"),
        (
            Wanted {
                external: Some(External { principal: "arn:aws:iam::1:role/*".to_owned(), external_id: None }),
                ..good.clone()
            },
            "external.principal",
        ),
    ] {
        assert_eq!(generate(&wanted).unwrap_err().path, path);
    }
}
