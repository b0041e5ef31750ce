//! Documents made at random: some have the shape of policies and odd values, some no shape at all.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

const ACTIONS: &[&str] = &[
    "*",
    "s3:*",
    "s3:GetObject",
    "S3:getobject",
    "s3:Get*",
    "s3:PutObject",
    "s3:PutObjectAcl",
    "s3:ListBucket",
    "s3:HeadObject",
    "s3:CopyObject",
    "s3:GetObjects",
    "GetObject",
    "s3*",
    "s*:Get",
    "kms:Decrypt",
    "iam:PassRole",
    "nosuch:Action",
    "${a}",
    "",
    "sts:AssumeRole",
    "sts:AssumeRoleWithWebIdentity",
    "s3:ListAllMyBuckets",
    "ec2:Run",
    "secretsmanager:GetSecretValue",
];

const RESOURCES: &[&str] = &[
    "*",
    "arn:aws:s3:::docs",
    "arn:aws:s3:::docs/*",
    "arn:aws:s3:::docs*",
    "arn:aws:s3:::docs/a",
    "arn:aws:s3:::*/*",
    "arn:aws:s3:eu-central-1:111122223333:docs/a",
    "arn:aws:s3::docs",
    "arn:aws:s3",
    "arn:aws:S3:::docs",
    "docs/*",
    "s3://docs",
    "arn:aws:kms:eu-central-1:111122223333:key/1",
    "arn:aws:kms:::key/1",
    "arn:x:y:z:1:2",
    "",
    "é",
    "arn:aws:s3:::docs/${aws:username}/*",
    "arn:aws:s3:::${",
    "arn:aws:s3:::${a b, c}",
    "arn:*",
    "arn:aws:iam::111122223333:role/*",
];

const PRINCIPALS: &[&str] = &[
    "*",
    "111122223333",
    "arn:aws:iam::111122223333:role/app",
    "arn:aws:iam::111122223333:role/*",
    "AROAEXAMPLEID12345678",
    "arn:aws:sts::111122223333:assumed-role/app/s",
    "cloudtrail.amazonaws.com",
    "cloudtrail",
    "x",
    "accounts.google.com",
    "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com",
    "rolesanywhere.amazonaws.com",
];

const OPERATORS: &[&str] = &[
    "StringEquals",
    "StringLike",
    "StringNotLike",
    "StringLikeIfExists",
    "ForAllValues:StringEquals",
    "ForAnyValue:StringLike",
    "ForAnyValue:StringNotLike",
    "ForAllValues:StringLike",
    "StringEqual",
    "NullIfExists",
    "Null",
    "ForAnyValue:Null",
    "Bool",
    "IpAddress",
    "NotIpAddress",
    "NumericLessThan",
    "NumericGreaterThanEquals",
    "DateLessThan",
    "ArnLike",
    "ArnNotLike",
    "x",
];

const KEYS: &[&str] = &[
    "aws:SourceIp",
    "aws:VpcSourceIp",
    "aws:username",
    "aws:PrincipalArn",
    "aws:ARN",
    "aws:SourceOwner",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:TagKeys",
    "aws:RequestTag/a",
    "aws:ResourceTag",
    "aws:SecureTransport",
    "aws:CurrentTime",
    "aws:MultiFactorAuthAge",
    "aws:SourceVpce",
    "aws:Moon",
    "s3:prefix",
    "S3:PREFIX",
    "s3:prefixes",
    "s3:x-amz-acl",
    "s3:x-amz-server-side-encryption",
    "s3:ResourceAccount",
    "sts:SourceIdentity",
    "token.actions.githubusercontent.com:sub",
    "id.example.com:aud",
    "nosuch:key",
    "x",
    "",
];

const VALUES: &[&str] = &[
    "*",
    "a*",
    "a",
    "",
    "true",
    "false",
    "no",
    "5",
    "10",
    "1796000000",
    "2026-11-30",
    "10.0.0.0/8",
    "203.0.113.7/24",
    "203.0.113.7",
    "1.2.3.4/99",
    "${aws:username}",
    "${",
    "o-*",
    "arn:*:*:*:*:*",
    "arn:aws:iam::111122223333:role/*",
    "vpce-1a2b3c4d",
    "public-read",
];

/// One value, a list of some, or now and then something else.
fn some(words: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => select(words).prop_map(Value::from),
        6 => prop::collection::vec(select(words), 0..4).prop_map(Value::from),
        1 => select(vec![json!(null), json!(7), json!(false), json!({}), json!([[]]), json!([1, "1"])]),
    ]
}

fn condition() -> impl Strategy<Value = Value> {
    let values =
        prop_oneof![5 => some(VALUES), 1 => select(vec![json!(true), json!(5), json!(["1", 2, true])])];
    let keys = prop::collection::vec((select(KEYS), values), 0..3).prop_map(object);
    prop::collection::vec((select(OPERATORS), keys), 0..3).prop_map(object)
}

fn principal() -> impl Strategy<Value = Value> {
    let kinds = select(vec!["AWS", "Service", "Federated", "CanonicalUser", "aws", "x"]);
    prop_oneof![
        1 => some(PRINCIPALS),
        3 => prop::collection::vec((kinds, some(PRINCIPALS)), 0..3).prop_map(object),
    ]
}

fn object(members: Vec<(&'static str, Value)>) -> Value {
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into()
}

fn statement() -> impl Strategy<Value = Value> {
    let element = |names: &'static [&'static str], values: BoxedStrategy<Value>| {
        // Mostly the first name, sometimes another or none.
        let name = prop_oneof![6 => Just(names.first().copied()), 2 => select(names).prop_map(Some), 1 => Just(None)];
        (name, values).prop_map(|(name, value)| name.map(|name| (name, value)))
    };
    (
        element(&["Effect", "effect"], some(&["Allow", "Deny", "allow", "x"]).boxed()),
        element(&["Action", "NotAction", "Actions"], some(ACTIONS).boxed()),
        element(&["Resource", "NotResource"], some(RESOURCES).boxed()),
        element(&["Principal", "NotPrincipal"], principal().boxed()),
        element(&["Condition", "Conditions"], condition().boxed()),
        element(&["Sid", "x"], some(&["A", "", "a b"]).boxed()),
    )
        .prop_map(|(effect, action, resource, principal, condition, sid)| {
            object([effect, action, resource, principal, condition, sid].into_iter().flatten().collect())
        })
}

fn policy() -> impl Strategy<Value = Value> {
    let version = prop::option::of(select(vec!["2012-10-17", "2012-10-17", "2008-10-17", "2026-01-01"]));
    (version, prop::collection::vec(statement(), 1..4)).prop_map(|(version, statements)| {
        let mut policy = json!({"Statement": statements});
        if let Some(version) = version {
            policy["Version"] = version.into();
        }
        policy
    })
}

/// JSON without a plan.
fn wild() -> impl Strategy<Value = Value> {
    let leaf = some(VALUES);
    leaf.prop_recursive(6, 60, 5, |inner| {
        let key = prop_oneof![
            select(KEYS),
            select(vec!["Statement", "Action", "Condition", "Version", "Principal"])
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..6).prop_map(object),
        ]
    })
}

pub(super) fn document() -> impl Strategy<Value = Value> {
    prop_oneof![5 => policy(), 1 => wild()]
}
