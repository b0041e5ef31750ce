//! Hostile text in large numbers, in every place that takes text.
//!
//! `PROPTEST_CASES` says how many.

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_oneof, proptest};
use serde_json::{Value, json};

use super::laws::world;
use crate::policy::compile::Slot;
use crate::policy::diff::diff;
use crate::policy::evaluate::{Policies, explain};
use crate::policy::parse::parse;
use crate::policy::public_access;
use crate::policy::request::{Bucket, Call, Request};

/// Pieces of ARNs, patterns and variables, and text that is nothing.
const FRAGMENTS: &[&str] = &[
    "*",
    "?",
    "${",
    "}",
    "$",
    "{",
    ", 'x'",
    "aws:username",
    ":",
    "::",
    "arn:aws:s3:::",
    "arn",
    "/",
    "é",
    "\u{1f600}",
    "111122223333",
    "root",
    "s3:",
    "Get",
    "0.0.0.0/0",
    "::/0",
    "-",
    ".",
    "9",
    "e",
    "2026-01-01",
    "true",
    " ",
    "\0",
];

fn text() -> impl Strategy<Value = String> {
    let pieces =
        prop::collection::vec(prop::sample::select(FRAGMENTS), 0..12).prop_map(|pieces| pieces.concat());
    prop_oneof![pieces, any::<String>()]
}

const CONDITIONS: [(&str, &str); 8] = [
    ("StringLike", "aws:PrincipalArn"),
    ("ForAnyValue:StringEqualsIgnoreCase", "aws:PrincipalArn"),
    ("ArnLike", "aws:PrincipalArn"),
    ("NumericLessThan", "s3:max-keys"),
    ("DateLessThan", "aws:CurrentTime"),
    ("IpAddress", "aws:SourceIp"),
    ("BinaryEquals", "aws:SourceVpc"),
    ("Bool", "aws:SecureTransport"),
];

/// A statement with the text in each place that takes one.
fn statements(text: &str) -> Vec<Value> {
    let base = json!({"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": "*"});
    let with = |element: &str, value: Value| {
        let mut statement = base.clone();
        statement[element] = value;
        statement
    };
    let conditions = CONDITIONS.map(|(operator, key)| with("Condition", json!({operator: {key: text}})));
    let named = with("Condition", json!({"StringEquals": {text: text}}));
    let elements = ["Action", "Resource"].map(|element| with(element, json!(text)));
    let all = conditions.into_iter().chain(elements);
    all.chain([named, with("Principal", json!({"AWS": text})), with("Sid", json!(text))]).collect()
}

fn request(text: &str) -> Request {
    let keys = CONDITIONS.iter().map(|(_, key)| *key).chain([text]);
    Request {
        principal: "arn:aws:sts::111122223333:assumed-role/app/one".to_owned(),
        action: "s3:ListBucket".to_owned(),
        resource: format!("arn:aws:s3:::{text}"),
        resource_account: None,
        context: keys
            .filter(|key| *key != "aws:PrincipalArn")
            .map(|key| (key.to_owned(), vec![text.to_owned()]))
            .collect(),
        canonical_id: None,
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_evaluation_panic(policy_text in text(), request_text in text(), world in world()) {
        let bucket = Bucket::default();
        let calls = [Call::new(&request(&request_text), &bucket).ok(), Some(world.call())];
        for statement in statements(&policy_text) {
            let document = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
            let Ok(policy) = parse(&document) else { continue };
            let _ = public_access::public_statements(&policy);
            let mut policies = Policies::default();
            if policies.attach(Slot::Resource, &policy).is_err() { continue; }
            for call in calls.iter().flatten() {
                let _ = explain(call, &policies, &bucket);
            }
        }
        for principal in [request_text.clone(), format!("arn:aws:iam::111122223333:user/{request_text}")] {
            let _ = Call::new(&Request { principal, ..request(&request_text) }, &bucket);
        }
    }

    #[test]
    fn no_text_makes_the_comparison_panic(before in text(), after in text(), at in 0..12usize) {
        let read = |text: &str| {
            let statement = statements(text).swap_remove(at);
            parse(&json!({"Version": "2012-10-17", "Statement": statement}).to_string()).ok()
        };
        if let (Some(before), Some(after)) = (read(&before), read(&after)) {
            let same = diff(&before, &before, Slot::Resource);
            prop_assert!(same.is_err() || same.is_ok_and(|found| found.differences.is_empty()));
            let _ = diff(&before, &after, Slot::Resource);
        }
    }
}
