//! Changes and the requests that show them.

use super::super::compile::Slot;
use super::super::evaluate::Decision;
use super::super::parse::parse;
use super::{Comparison, diff};

fn policy(statements: &str) -> String {
    format!(r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#)
}

fn compare(before: &str, after: &str, slot: Slot) -> Comparison {
    let read = |text: &str| parse(text).unwrap_or_else(|findings| panic!("{text}: {findings:?}"));
    diff(&read(before), &read(after), slot).expect("both are valid")
}

const READ: &str = r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}"#;

#[test]
fn equal_policies_have_no_difference_however_they_are_written() {
    let one = policy(
        r#"{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::b/*"]}"#,
    );
    let split = policy(&format!(
        r#"{{"Effect": "Allow", "Action": "s3:putobject", "Resource": "arn:aws:s3:::b/*"}}, {READ}"#
    ));
    let comparison = compare(&one, &split, Slot::Identity);
    assert!(
        comparison.differences.is_empty() && comparison.all_tried && comparison.tried > 0,
        "{comparison:?}"
    );
}

#[test]
fn a_change_is_shown_by_a_request() {
    for (change, action, resource) in [
        (r#""Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*""#, "s3:Get", "arn:aws:s3:::b/"),
        (r#""Action": "s3:GetObject", "Resource": "arn:aws:s3:::b*""#, "s3:GetObject", "arn:aws:s3:::b"),
        (r#""NotAction": "s3:GetObject", "Resource": "arn:aws:s3:::b/*""#, "s3:GetObject", "arn:aws:s3:::b/"),
        (
            r#""Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}"#,
            "s3:GetObject",
            "arn:aws:s3:::b/",
        ),
        (
            r#""Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/${aws:username}/*""#,
            "s3:GetObject",
            "arn:aws:s3:::b/",
        ),
    ] {
        let after = policy(&format!(r#"{{"Effect": "Allow", {change}}}"#));
        let comparison = compare(&policy(READ), &after, Slot::Identity);
        let shows = comparison.differences.iter().any(|difference| {
            difference.request.action.starts_with(action) && difference.request.resource.starts_with(resource)
        });
        assert!(shows, "{change}: {comparison:?}");
    }
}

#[test]
fn both_directions_of_a_change_are_shown() {
    let before = policy(r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/a/*"}"#);
    let after = policy(r#"{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/c/*"}"#);
    let comparison = compare(&before, &after, Slot::Identity);
    let has = |before, after| {
        comparison.differences.iter().any(|found| (found.before, found.after) == (before, after))
    };
    assert!(has(Decision::Allowed, Decision::ImplicitDeny) && has(Decision::ImplicitDeny, Decision::Allowed));
}

#[test]
fn a_change_of_a_condition_value_is_shown() {
    let with = |cidr: &str| {
        policy(&format!(
            r#"{{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::b/*",
                "Condition": {{"NotIpAddress": {{"aws:SourceIp": "{cidr}"}}}}}},
               {{"Effect": "Allow", "Principal": {{"AWS": "444455556666"}}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}}"#
        ))
    };
    let comparison = compare(&with("203.0.113.0/24"), &with("198.51.100.0/24"), Slot::Resource);
    assert!(
        comparison.differences.iter().any(|found| found.request.context.contains_key("aws:sourceip")),
        "{comparison:?}"
    );
}

#[test]
fn a_change_of_the_principal_is_shown() {
    let with = |principal: &str| {
        policy(&format!(
            r#"{{"Effect": "Allow", "Principal": {principal}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}}"#
        ))
    };
    let comparison = compare(&with(r#"{"AWS": "444455556666"}"#), &with(r#""*""#), Slot::Resource);
    let principals: Vec<&str> =
        comparison.differences.iter().map(|found| found.request.principal.as_str()).collect();
    assert!(principals.contains(&"anonymous"), "{principals:?}");
}

#[test]
fn an_invalid_policy_is_named() {
    let read = |text: &str| parse(text).expect("it can be read");
    let bad = policy(r#"{"Effect": "Allow", "Action": "s3", "Resource": "*"}"#);
    let error = diff(&read(&policy(READ)), &read(&bad), Slot::Identity).unwrap_err();
    assert!(error.to_string().contains("after the change") && error.to_string().contains("`s3`"), "{error}");
}
