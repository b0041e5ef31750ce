//! Laws that hold for every policy and request.

use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use serde_json::{Value, json};

use super::{Decision, call, has_matching_deny};
use crate::policy::compile::Slot;
use crate::policy::document::Kind;
use crate::policy::evaluate::{Policies, decide, explain};
use crate::policy::finding::Severity;
use crate::policy::parse::parse;
use crate::policy::request::{
    AclGrant, AclPermission, BlockPublicAccess, Bucket, Call, ObjectOwnership, Request,
};
use crate::policy::validate::{Facts, validate};

const ACTIONS: [&str; 7] =
    ["s3:GetObject", "s3:ListBucket", "s3:*", "s3:Get*", "*", "kms:Decrypt", "s3:?etObject"];
const RESOURCES: [&str; 8] = [
    "arn:aws:s3:::b",
    "arn:aws:s3:::b/*",
    "arn:aws:s3:::b*",
    "*",
    "arn:aws:s3:::b/home/${aws:username}/*",
    "arn:aws:s3:::b/${*}",
    "arn:aws:s3:::b/k?y",
    "arn:aws:s3:*",
];
const PRINCIPALS: [&str; 6] = [
    "arn:aws:iam::111122223333:user/ann",
    "arn:aws:iam::111122223333:root",
    "arn:aws:sts::111122223333:assumed-role/app/one",
    "arn:aws:iam::444455556666:user/bob",
    "anonymous",
    "cloudtrail.amazonaws.com",
];

fn pick(all: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(all)
}

fn condition() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({})),
        Just(json!({"Bool": {"aws:SecureTransport": "true"}})),
        Just(json!({"StringNotEquals": {"aws:PrincipalTag/team": "red"}})),
        Just(json!({"StringLike": {"s3:prefix": ["home/*", "${aws:username}/*"]}})),
        Just(json!({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}})),
        Just(json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}})),
        Just(json!({"Null": {"aws:PrincipalArn": "true"}, "ArnLike": {"aws:SourceArn": "arn:aws:s3:*:*:*"}})),
    ]
}

/// A statement; those for a resource say whom they are for.
fn statement(of_resource: bool) -> impl Strategy<Value = Value> {
    let who = prop_oneof![
        Just(json!("*")),
        Just(json!({"AWS": "111122223333"})),
        Just(json!({"AWS": ["arn:aws:iam::111122223333:user/ann", "arn:aws:iam::444455556666:root"]})),
        Just(json!({"AWS": "arn:aws:iam::111122223333:role/app", "Service": "cloudtrail.amazonaws.com"})),
    ];
    let lists = (prop::collection::vec(pick(&ACTIONS), 1..3), prop::collection::vec(pick(&RESOURCES), 1..3));
    (any::<bool>(), lists, any::<(bool, bool)>(), condition(), who).prop_map(
        move |(allow, (actions, resources), (not_action, not_resource), condition, who)| {
            let mut statement =
                json!({"Effect": if allow { "Allow" } else { "Deny" }, "Condition": condition});
            statement[if not_action { "NotAction" } else { "Action" }] = json!(actions);
            statement[if not_resource { "NotResource" } else { "Resource" }] = json!(resources);
            if of_resource {
                statement["Principal"] = who;
            }
            statement
        },
    )
}

fn statements(of_resource: bool) -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(statement(of_resource), 1..5)
}

/// Statements of the identity, boundary, session and resource policies; the middle two may be missing.
#[derive(Debug, Clone)]
pub(super) struct World {
    identity: Vec<Value>,
    boundary: Option<Vec<Value>>,
    session: Option<Vec<Value>>,
    resource: Vec<Value>,
    service_control: Option<Vec<Value>>,
    pub(super) bucket: Bucket,
    request: Request,
}

pub(super) fn world() -> impl Strategy<Value = World> {
    let policies = (
        statements(false),
        prop::option::weighted(0.3, statements(false)),
        prop::option::weighted(0.3, statements(false)),
        statements(true),
        prop::option::weighted(0.3, statements(false)),
    );
    (policies, request(), bucket()).prop_map(
        |((identity, boundary, session, resource, service_control), request, bucket)| World {
            identity,
            boundary,
            session,
            resource,
            service_control,
            bucket,
            request,
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    let context = prop::collection::btree_map(
        pick(&["aws:SecureTransport", "aws:PrincipalTag/team", "s3:prefix", "aws:SourceIp", "aws:TagKeys"])
            .prop_map(str::to_owned),
        prop::collection::vec(
            pick(&["true", "red", "home/x", "ann/x", "203.0.113.9", "a", ""]).prop_map(str::to_owned),
            0..3,
        ),
        0..4,
    );
    let resource =
        pick(&["arn:aws:s3:::b", "arn:aws:s3:::b/key", "arn:aws:s3:::b/home/ann/x", "arn:aws:s3:::b/*"]);
    (
        pick(&PRINCIPALS),
        pick(&["s3:GetObject", "s3:ListBucket", "kms:Decrypt", "s3:PutBucketPolicy"]),
        resource,
        context,
    )
        .prop_map(|(principal, action, resource, context)| Request {
            principal: principal.to_owned(),
            action: action.to_owned(),
            resource: resource.to_owned(),
            resource_account: Some("111122223333".to_owned()),
            context,
            canonical_id: None,
        })
}

fn bucket() -> impl Strategy<Value = Bucket> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(acls, restrict, grant)| Bucket {
        object_ownership: if acls {
            ObjectOwnership::ObjectWriter
        } else {
            ObjectOwnership::BucketOwnerEnforced
        },
        block_public_access: BlockPublicAccess {
            restrict_public_buckets: restrict,
            ..BlockPublicAccess::default()
        },
        object_acl: grant
            .then(|| AclGrant { grantee: "AllUsers".to_owned(), permission: AclPermission::Read })
            .into_iter()
            .collect(),
        ..Bucket::default()
    })
}

fn attach(policies: &mut Policies, slot: Slot, statements: &[Value]) {
    let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    let policy = parse(&text).unwrap_or_else(|findings| panic!("{text}: {findings:?}"));
    policies.attach(slot, &policy).unwrap_or_else(|refused| panic!("{text}: {refused}"));
}

impl World {
    pub(super) fn policies(&self) -> Policies {
        let mut policies = Policies::default();
        attach(&mut policies, Slot::Identity, &self.identity);
        attach(&mut policies, Slot::Resource, &self.resource);
        for (slot, statements) in [
            (Slot::PermissionBoundary, &self.boundary),
            (Slot::Session, &self.session),
            (Slot::ServiceControl, &self.service_control),
        ] {
            if let Some(statements) = statements {
                attach(&mut policies, slot, statements);
            }
        }
        policies
    }

    pub(super) fn call(&self) -> Call {
        Call::new(&self.request, &self.bucket).expect("a valid request")
    }

    fn decision(&self) -> Decision {
        decide(&self.call(), &self.policies(), &self.bucket).decision
    }

    fn is_allowed(&self) -> bool {
        self.decision() == Decision::Allowed
    }
}

/// A statement as one for each of its actions.
fn split(statement: &Value) -> Vec<Value> {
    let Some(actions) = statement["Action"].as_array() else { return vec![statement.clone()] };
    actions
        .iter()
        .map(|action| {
            let mut part = statement.clone();
            part["Action"] = action.clone();
            part
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_deny_never_widens(world in world(), mut deny in statement(false), mut of_resource in statement(true)) {
        deny["Effect"] = json!("Deny");
        of_resource["Effect"] = json!("Deny");
        let mut more = world.clone();
        more.identity.push(deny.clone());
        prop_assert!(!more.is_allowed() || world.is_allowed());
        let mut more = world.clone();
        more.resource.push(of_resource);
        prop_assert!(!more.is_allowed() || world.is_allowed());
        let mut more = world.clone();
        if let Some(boundary) = &mut more.boundary {
            boundary.push(deny);
            prop_assert!(!more.is_allowed() || world.is_allowed());
        }
    }

    #[test]
    fn an_allow_never_narrows(world in world(), mut allow in statement(false)) {
        allow["Effect"] = json!("Allow");
        let mut more = world.clone();
        more.identity.push(allow);
        prop_assert!(more.is_allowed() || !world.is_allowed());
    }

    #[test]
    fn a_boundary_a_session_policy_and_an_organization_never_widen(world in world(), more in statements(false)) {
        for part in 0..3 {
            let mut narrowed = world.clone();
            let slot = match part {
                0 => &mut narrowed.boundary,
                1 if !world.request.principal.contains("federated-user") => &mut narrowed.session,
                _ => &mut narrowed.service_control,
            };
            if slot.is_some() { continue; }
            *slot = Some(more.clone());
            prop_assert!(!narrowed.is_allowed() || world.is_allowed());
        }
    }

    #[test]
    fn the_order_of_statements_and_policies_does_not_matter(world in world()) {
        let mut turned = world.clone();
        turned.identity.reverse();
        turned.resource.reverse();
        turned.boundary.iter_mut().for_each(|statements| statements.reverse());
        prop_assert_eq!(world.decision(), turned.decision());
        let mut policies = Policies::default();
        attach(&mut policies, Slot::Resource, &world.resource);
        for (slot, statements) in [
            (Slot::ServiceControl, &world.service_control),
            (Slot::Session, &world.session),
            (Slot::PermissionBoundary, &world.boundary),
        ] {
            if let Some(statements) = statements { attach(&mut policies, slot, statements); }
        }
        for statement in world.identity.iter().rev() {
            attach(&mut policies, Slot::Identity, std::slice::from_ref(statement));
        }
        let apart = decide(&world.call(), &policies, &world.bucket);
        let whole = decide(&world.call(), &world.policies(), &world.bucket);
        prop_assert_eq!((apart.decision, apart.decided_by), (whole.decision, whole.decided_by));
    }

    #[test]
    fn splitting_a_statement_changes_nothing(world in world()) {
        let mut parts = world.clone();
        parts.identity = world.identity.iter().flat_map(split).collect();
        parts.resource = world.resource.iter().flat_map(split).collect();
        prop_assert_eq!(world.decision(), parts.decision());
    }

    #[test]
    fn an_allow_for_nobody_is_as_good_as_none(world in world(), mut allow in statement(true)) {
        allow["Effect"] = json!("Allow");
        allow["Principal"] = json!({"AWS": []});
        let mut more = world.clone();
        more.resource.push(allow);
        prop_assert_eq!(world.decision(), more.decision());
    }

    #[test]
    fn the_reasons_are_those_of_the_decision(world in world()) {
        let (call, policies) = (world.call(), world.policies());
        let verdict = decide(&call, &policies, &world.bucket);
        let answer = explain(&call, &policies, &world.bucket);
        prop_assert_eq!((verdict.decision, verdict.decided_by), (answer.decision, answer.decided_by));
        let is_root = world.request.principal.ends_with(":root");
        let by_statement = serde_json::to_value(answer.decided_by).expect("text") != json!("block_public_access");
        if answer.decision == Decision::ExplicitDeny && by_statement {
            prop_assert!(has_matching_deny(&answer));
        } else if !is_root {
            prop_assert!(!has_matching_deny(&answer));
        }
        prop_assert!(!answer.explanation.is_empty());
        for trace in &answer.statements {
            let why = &trace.why;
            let all = why.principal && why.action && why.resource && why.conditions.iter().all(|one| one.matches);
            prop_assert_eq!(trace.matches, all);
        }
    }
}

/// Texts at the edge of what an element may be.
const ODD: [&str; 22] = [
    "*",
    "",
    "s3",
    "s3:",
    ":x",
    "s3*:Get",
    "${",
    "${}",
    "${a b}",
    "${a,b}",
    "arn:aws:s3:::${x",
    "arn:aws:s3:${a:b}::x",
    "b/*",
    "arn",
    "111122223333",
    "arn:aws:iam::1:root",
    "arn:aws:iam::111122223333:role/*",
    "AROAEXAMPLEEXAMPLE42",
    "cloudtrail.amazonaws.com",
    "10.0.0.0/99",
    "true",
    "arn:aws:sts::111122223333:assumed-role/a/b",
];
const OPERATORS: [&str; 8] = [
    "StringEquals",
    "StringLikes",
    "IpAddress",
    "NullIfExists",
    "Null",
    "ArnLike",
    "ForAllValue:StringLike",
    "NumericEquals",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    /// A person who is told that a policy is invalid finds out why.
    #[test]
    fn what_is_not_evaluated_is_explained_by_the_validation(
        mut statement in statement(true),
        (element, text) in (0..5, pick(&ODD)),
        (operator, key) in (pick(&OPERATORS), pick(&["aws:SourceIp", "s3:prefix", "aws:username", "x", "", ":"])),
        (sid, of_resource) in (prop::option::of(pick(&["A", "a b", ""])), any::<bool>()),
    ) {
        match element {
            0 => { statement.as_object_mut().expect("an object").remove("NotAction"); statement["Action"] = json!(text) }
            1 => { statement.as_object_mut().expect("an object").remove("NotResource"); statement["Resource"] = json!([text]) }
            2 => statement["Principal"] = json!({"AWS": text}),
            3 => statement["Principal"] = json!({"Service": text}),
            _ => statement["Condition"] = json!({operator: {key: text}}),
        }
        if let Some(sid) = sid { statement["Sid"] = json!(sid); }
        if !of_resource { statement.as_object_mut().expect("an object").remove("Principal"); }
        let text = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        let Ok(policy) = parse(&text) else { return Ok(()) };
        let (slot, kind) = if of_resource { (Slot::Resource, Kind::Bucket) } else { (Slot::Identity, Kind::Identity) };
        if let Err(refused) = Policies::default().attach(slot, &policy) {
            let findings = validate(&text, kind, &Facts::default());
            prop_assert!(
                findings.iter().any(|finding| finding.severity == Severity::Error),
                "{text}: {refused}, and the validation says {findings:?}"
            );
        }
    }
}

#[test]
fn a_request_without_policies_is_denied_by_nobody() {
    let request = Request {
        principal: PRINCIPALS[0].to_owned(),
        action: "s3:GetObject".to_owned(),
        resource: "arn:aws:s3:::b/k".to_owned(),
        resource_account: None,
        context: std::collections::BTreeMap::new(),
        canonical_id: None,
    };
    let verdict = decide(&call(&request), &Policies::default(), &Bucket::default());
    assert_eq!(verdict.decision, Decision::ImplicitDeny);
}
