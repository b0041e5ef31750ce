//! Laws between what is said about a policy and what the policy does.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Facts, Kind, validate};
use crate::policy::compile::Slot;
use crate::policy::evaluate::{Decision, Policies, decide};
use crate::policy::finding::{Finding, Severity};
use crate::policy::parse::parse;
use crate::policy::request::{Bucket, Call, Request};

/// Findings that say that something is said twice, or in a roundabout way.
const KEEPS_MEANING: [&str; 12] = [
    "EMPTY_OBJECT_CONDITION",
    "EMPTY_SID_VALUE",
    "EQUIVALENT_TO_NULL_FALSE",
    "EQUIVALENT_TO_NULL_TRUE",
    "IMPROVE_IP_RANGE",
    "INVALID_DATE_VALUE",
    "REDUNDANT_ACTION",
    "REDUNDANT_CONDITION_VALUE_NUM",
    "REDUNDANT_KEY_DUE_TO_WILDCARD_IN_CONDITION",
    "REDUNDANT_RESOURCE",
    "REDUNDANT_STATEMENT",
    "TYPE_MISMATCH_STRING",
];

const ROLE: &str = "arn:aws:iam::111122223333:role/app";

const ACTIONS: [&str; 5] =
    ["s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:GetObjectTagging", "kms:Decrypt"];

const RESOURCES: [&str; 5] = [
    "arn:aws:s3:::docs",
    "arn:aws:s3:::docs/a",
    "arn:aws:s3:::docs/a/b",
    "arn:aws:s3:::other/a",
    "arn:aws:kms:eu-central-1:111122223333:key/1234abcd",
];

/// Some values of the keys that the conditions below ask for; the empty text is a value, too.
const CONTEXTS: [&[(&str, &str)]; 6] = [
    &[],
    &[("aws:SourceIp", "203.0.113.7"), ("s3:prefix", "a/b"), ("aws:SecureTransport", "true")],
    &[("aws:SourceIp", "203.0.114.7"), ("s3:prefix", ""), ("aws:MultiFactorAuthAge", "400")],
    &[("aws:SourceIp", "10.0.0.1"), ("s3:prefix", "*"), ("aws:MultiFactorAuthAge", "50")],
    &[("aws:CurrentTime", "2026-11-30T12:00:00Z"), ("s3:x-amz-acl", "1")],
    &[("aws:CurrentTime", "2027-11-30T12:00:00Z"), ("aws:SecureTransport", "false")],
];

fn some(words: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(words).prop_map(Value::from),
        prop::collection::vec(prop::sample::select(words), 0..4).prop_map(Value::from),
    ]
}

fn condition() -> impl Strategy<Value = Value> {
    let strings = some(&["*", "a/*", "a/b", "", "?*", "b*"]);
    let ranges = some(&["203.0.113.7/24", "203.0.113.0/24", "203.0.113.7", "10.0.0.0/8", "0.0.0.0/0"]);
    let numbers = some(&["100", "300", "1e2", "0", "-5", "5.", ".5", "+7"]);
    let dates = some(&["1796000000", "2026-11-30T13:00:00Z", "2027-01-01"]);
    let with = |operators: &'static [&'static str], key: &'static str, values: BoxedStrategy<Value>| {
        (prop::sample::select(operators), values)
            .prop_map(move |(operator, values)| (operator, key, values))
            .boxed()
    };
    let entry = prop_oneof![
        with(
            &["StringLike", "StringNotLike", "StringLikeIfExists", "StringNotLikeIfExists", "StringEquals"],
            "s3:prefix",
            strings.boxed()
        ),
        with(&["Null"], "s3:prefix", some(&["true", "false"]).boxed()),
        with(&["IpAddress", "NotIpAddress", "IpAddressIfExists"], "aws:SourceIp", ranges.boxed()),
        with(
            &[
                "NumericLessThan",
                "NumericLessThanEquals",
                "NumericGreaterThan",
                "NumericGreaterThanEqualsIfExists"
            ],
            "aws:MultiFactorAuthAge",
            numbers.boxed()
        ),
        with(&["DateLessThan", "DateGreaterThan", "DateEquals"], "aws:CurrentTime", dates.boxed()),
        with(&["Bool", "BoolIfExists"], "aws:SecureTransport", some(&["true", "false"]).boxed()),
        with(&["StringEquals", "StringNotEquals"], "s3:x-amz-acl", Just(json!(1)).boxed()),
    ];
    prop::collection::vec(entry, 0..3).prop_map(|entries| {
        let mut condition = json!({});
        for (operator, key, values) in entries {
            condition[operator][key] = values;
        }
        condition
    })
}

fn statement() -> impl Strategy<Value = Value> {
    (
        prop::sample::select(vec!["Allow", "Deny"]),
        any::<bool>(),
        some(&[
            "s3:*",
            "s3:GetObject",
            "S3:getobject",
            "s3:Get*",
            "s3:?etObject*",
            "*",
            "kms:Decrypt",
            "s3:ListBucket",
        ]),
        any::<bool>(),
        some(&[
            "*",
            "arn:aws:s3:::docs",
            "arn:aws:s3:::docs/*",
            "arn:aws:s3:::docs*",
            "arn:aws:s3:::docs/a/*",
            "arn:aws:s3:::d?cs/a",
        ]),
        prop::option::of(condition()),
        prop::option::of(prop::sample::select(vec!["", "A"])),
    )
        .prop_map(|(effect, not_action, action, not_resource, resource, condition, sid)| {
            let mut statement = json!({"Effect": effect});
            // Mostly the plain elements; their opposites reach nearly everything.
            statement[if not_action && effect == "Deny" { "NotAction" } else { "Action" }] = action;
            statement[if not_resource && effect == "Deny" { "NotResource" } else { "Resource" }] = resource;
            if let Some(condition) = condition {
                statement["Condition"] = condition;
            }
            if let Some(sid) = sid {
                statement["Sid"] = sid.into();
            }
            statement
        })
}

fn document() -> impl Strategy<Value = String> {
    prop::collection::vec(statement(), 1..4)
        .prop_map(|statements| json!({"Version": "2012-10-17", "Statement": statements}).to_string())
}

/// The decision on every request. None for a policy that is not evaluated.
fn decisions(text: &str) -> Option<Vec<Decision>> {
    let mut policies = Policies::default();
    policies.attach(Slot::Identity, &parse(text).ok()?).ok()?;
    let bucket = Bucket::default();
    let mut decisions = Vec::new();
    for action in ACTIONS {
        for resource in RESOURCES {
            for context in CONTEXTS {
                let request = Request {
                    principal: ROLE.to_owned(),
                    action: action.to_owned(),
                    resource: resource.to_owned(),
                    resource_account: Some("111122223333".to_owned()),
                    context: context
                        .iter()
                        .map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()]))
                        .collect(),
                    canonical_id: None,
                };
                let call = Call::new(&request, &bucket).unwrap();
                decisions.push(decide(&call, &policies, &bucket).decision);
            }
        }
    }
    Some(decisions)
}

fn findings(text: &str) -> Vec<Finding> {
    validate(text, Kind::Identity, &Facts::default())
}

proptest! {
    #[test]
    fn what_is_called_redundant_decides_nothing(text in document()) {
        let Some(before) = decisions(&text) else { return Ok(()) };
        for finding in findings(&text) {
            let Some(repaired) = finding.repair.filter(|_| KEEPS_MEANING.contains(&finding.code)) else { continue };
            let after = decisions(&repaired);
            prop_assert_eq!(after.as_ref(), Some(&before), "{}: {} became {}", finding.code, text, repaired);
        }
    }

    #[test]
    fn a_policy_without_errors_is_evaluated(text in document()) {
        let has_errors = findings(&text).iter().any(|finding| finding.severity == Severity::Error);
        prop_assert!(has_errors || decisions(&text).is_some(), "{text}");
    }
}
