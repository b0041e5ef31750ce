//! The policies and requests that are measured.

use std::collections::BTreeMap;

use anyhow::anyhow;
use bench_policy::policy::compile::Slot;
use bench_policy::policy::evaluate::Policies;
use bench_policy::policy::parse;
use bench_policy::policy::request::Request;

/// What a resource with secrets and an assumed role has; the last statement has a condition.
pub const TEN_STATEMENTS: &str = include_str!("ten_statements.json");

/// The policy, attached to the one who asks.
pub fn attached(text: &str) -> anyhow::Result<Policies> {
    let policy = parse::parse(text).map_err(|findings| anyhow!("{findings:?}"))?;
    let mut policies = Policies::default();
    policies.attach(Slot::Identity, &policy)?;
    Ok(policies)
}

/// A request that the second statement allows.
pub fn request() -> Request {
    Request {
        principal: "arn:aws:iam::123456789012:user/ann".to_owned(),
        action: "s3:GetObject".to_owned(),
        resource: "arn:aws:s3:::reports/2026/q1.csv".to_owned(),
        resource_account: None,
        context: BTreeMap::from([("aws:SecureTransport".to_owned(), vec!["true".to_owned()])]),
        canonical_id: None,
    }
}

/// Names, resources and patterns: what is usual, and what is made to cost much.
pub fn globs() -> [(&'static str, String, String); 4] {
    let usual = "arn:aws:s3:::uploads/team-7/incoming/2026/01/02/file.bin".to_owned();
    let letters = format!("arn:aws:s3:::b/{}", "a".repeat(100));
    [
        ("glob usual", usual, "arn:aws:s3:::uploads/team-*/incoming/*".to_owned()),
        ("glob hostile *a*a*a*a*b", letters.clone(), "arn:aws:s3:::b/*a*a*a*a*b".to_owned()),
        ("glob hostile *a*a*a*a*b*", letters.clone(), "arn:aws:s3:::b/*a*a*a*a*b*".to_owned()),
        ("glob hostile, 50 stars", letters, format!("arn:aws:s3:::b/{}b*", "*a".repeat(50))),
    ]
}

/// A policy with one statement.
pub fn one_statement(resource: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "{resource}"}}}}"#
    )
}

/// A policy as long as IAM takes it.
pub fn six_kilobytes() -> String {
    let statement = |number: usize| {
        format!(
            r#"{{"Sid": "Team{number}", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"], "Resource": "arn:aws:s3:::data-{number}/team/${{aws:username}}/*", "Condition": {{"Bool": {{"aws:SecureTransport": "true"}}, "IpAddress": {{"aws:SourceIp": ["203.0.113.0/24", "198.51.100.0/24"]}}}}}}"#
        )
    };
    let statements: Vec<String> = (0..19).map(statement).collect();
    format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, statements.join(", "))
}
