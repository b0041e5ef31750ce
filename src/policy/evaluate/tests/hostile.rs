//! Input that is made to cost much.

use super::{Decision, call, question, verdict};
use crate::policy::compile::Slot;
use crate::policy::evaluate::{Policies, decide, explain};
use crate::policy::parse::parse;
use crate::policy::request::{Bucket, Request};

fn request(resource: &str) -> Request {
    Request {
        principal: "arn:aws:iam::111122223333:user/ann".to_owned(),
        action: "s3:GetObject".to_owned(),
        resource: resource.to_owned(),
        resource_account: None,
        context: std::collections::BTreeMap::default(),
        canonical_id: None,
    }
}

#[test]
fn a_policy_full_of_stars_is_decided() {
    let statement = format!(
        r#"{{"Effect": "Deny", "Action": "s3:{0}b", "Resource": "arn:aws:s3:::{0}b{0}c",
            "Condition": {{"StringLike": {{"aws:PrincipalArn": "{0}b"}}, "ArnLike": {{"aws:SourceArn": "arn:{0}:{0}:{0}:{0}:{0}b*"}}}}}}"#,
        "*a".repeat(300)
    );
    let text =
        format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, [statement.as_str(); 20].join(","));
    let mut policies = Policies::default();
    policies.attach(Slot::Identity, &parse(&text).expect("a policy")).expect("a valid one");
    let mut request = request(&format!("arn:aws:s3:::{}", "a".repeat(1024)));
    request
        .context
        .insert("aws:SourceArn".to_owned(), vec![format!("arn:{0}:{0}:{0}:{0}:{0}", "a".repeat(400))]);
    let call = call(&request);
    let verdict = decide(&call, &policies, &Bucket::default());
    assert_eq!(verdict.decision, Decision::ImplicitDeny);
    assert_eq!(explain(&call, &policies, &Bucket::default()).statements.len(), 20);
}

#[test]
fn keys_that_look_like_patterns_are_text() {
    for key in ["*", "?", "${aws:username}", "\u{1f600}", "a:b:c", "../..", ""] {
        let resource = format!("arn:aws:s3:::b/{key}");
        let text = format!(
            r#"{{"request": {{"principal": "arn:aws:iam::111122223333:user/ann", "action": "s3:GetObject", "resource": {resource:?}}},
                "policies": {{"identity": [{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/k"}}}}]}}}}"#
        );
        assert_eq!(
            verdict(&question(&text)).map(|verdict| verdict.decision),
            Some(Decision::ImplicitDeny),
            "{key}"
        );
    }
}
