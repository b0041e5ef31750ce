//! The `scoped` session policy: what a resource's session may do at the most.

use serde_json::{Value, json};

use crate::model::operation::Operation;
use crate::model::provider::Profile;
use crate::model::resource::Definition;

/// A policy that allows the resource's operations on its bucket and prefix and nothing else.
///
/// Wildcards in a prefix are escaped as IAM wants it (`${*}`), so that a prefix never widens the scope.
pub fn session_policy(definition: &Definition, profile: &Profile, bucket: &str, prefix: &str) -> String {
    let operations = definition.operations.clone().unwrap_or_else(|| Operation::ALL.to_vec());
    let bucket_arn = bucket_arn(bucket, "");
    let separator =
        if bucket.starts_with("arn:") && bucket.contains(":accesspoint/") { "/object/" } else { "/" };
    let objects = format!("{bucket_arn}{separator}{}*", escaped(prefix));
    let mut statements: Vec<Value> = Vec::new();
    let actions = |of: fn(Operation) -> &'static [&'static str]| {
        let mut actions: Vec<&str> =
            operations.iter().flat_map(|operation| of(*operation).iter().copied()).collect();
        actions.retain(|action| !profile.unknown_actions.contains(action));
        actions.sort_unstable();
        actions.dedup();
        actions
    };
    // lists are bound to the prefix; what a bucket is set to has none
    let bucket = actions(Operation::bucket_actions);
    let (lists, settings): (Vec<&str>, Vec<&str>) =
        bucket.into_iter().partition(|action| action.starts_with("s3:ListBucket"));
    if !lists.is_empty() {
        statements.push(if prefix.is_empty() {
            json!({"Effect": "Allow", "Action": lists, "Resource": [bucket_arn]})
        } else {
            let condition = json!({"StringLike": {"s3:prefix": [format!("{}*", escaped(prefix))]}});
            json!({"Effect": "Allow", "Action": lists, "Resource": [bucket_arn], "Condition": condition})
        });
    }
    if !settings.is_empty() {
        statements.push(json!({"Effect": "Allow", "Action": settings, "Resource": [bucket_arn]}));
    }
    let actions = actions(Operation::actions);
    if !actions.is_empty() {
        statements.push(json!({"Effect": "Allow", "Action": actions, "Resource": [objects]}));
    }
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

/// The ARN of a bucket, in the partition of its region.
pub(super) fn bucket_arn(bucket: &str, region: &str) -> String {
    if bucket.starts_with("arn:") {
        return bucket.to_owned();
    }
    let partition = match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    format!("arn:{partition}:s3:::{bucket}")
}

/// A prefix in which no character is a wildcard or begins a variable.
pub(super) fn escaped(prefix: &str) -> String {
    let mut text = String::with_capacity(prefix.len());
    for character in prefix.chars() {
        match character {
            '*' => text.push_str("${*}"),
            '?' => text.push_str("${?}"),
            '$' => text.push_str("${$}"),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::session_policy;
    use crate::model::provider::PROFILES;
    use crate::model::resource::Definition;

    fn definition(operations: &serde_json::Value) -> Definition {
        serde_json::from_value(serde_json::json!({
            "name": "r", "bucket": "b", "auth": {"kind": "anonymous"}, "operations": operations,
        }))
        .unwrap()
    }

    #[test]
    fn a_scoped_policy_names_the_bucket_the_prefix_and_the_operations() {
        let aws = &PROFILES[0];
        let text = session_policy(&definition(&serde_json::json!(["list", "get"])), aws, "b", "a/*");
        let policy: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(policy["Statement"][0]["Resource"][0], "arn:aws:s3:::b");
        assert_eq!(policy["Statement"][0]["Condition"]["StringLike"]["s3:prefix"][0], "a/${*}*");
        assert_eq!(
            policy["Statement"][1]["Action"],
            serde_json::json!(["s3:GetObject", "s3:GetObjectVersion"])
        );
        assert_eq!(policy["Statement"][1]["Resource"][0], "arn:aws:s3:::b/a/${*}*");
    }
}
