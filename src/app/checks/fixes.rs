//! What mends a failure, in a form that can be applied as it stands.

use serde_json::{Value, json};

use crate::app::connection::Connection;
use crate::app::scope::{bucket_arn, escaped};
use crate::app::sources::failed;
use crate::aws::AwsError;
use crate::aws::ErrorKind;
use crate::aws::credentials::Role;
use crate::model::check::{Check, Fix};

/// A failed check; a denial comes with the statement that would allow it.
pub(super) fn denied(
    name: &str,
    call: &str,
    error: &AwsError,
    (actions, on): (&[&str], On),
    connection: &Connection,
) -> Check {
    let mut check = failed(name, call, error);
    match check.cause.as_deref() {
        Some("KmsAccessDenied") => allow_key(&mut check, &error.message),
        Some("AccessDenied") if error.kind == ErrorKind::AccessDenied => {
            allow(&mut check, connection, actions, on);
        }
        _ => {}
    }
    check
}

/// S3 names the action and the key: `not authorized to perform: kms:Decrypt on resource: ARN because …`.
fn allow_key(check: &mut Check, message: &str) {
    let after = |word: &str| {
        let (_, rest) = message.split_once(word)?;
        rest.split_whitespace().next().map(|found| found.trim_matches(['"', '.', ',']).to_owned())
    };
    let (Some(action), Some(key)) = (after("perform: "), after("on resource: ")) else { return };
    // the words are the endpoint's: nothing else is made a statement of
    let is_action =
        action.strip_prefix("kms:").is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_alphabetic()));
    if !is_action || !is_key(&key) {
        return;
    }
    check.fix = Some(Fix::Statement(json!({"Effect": "Allow", "Action": action, "Resource": key})));
    check.remedy = Some(format!(
        "allow `{action}` on `{key}` for the identity, in its own policy and in the key's - an administrator of the cloud account can do this"
    ));
}

/// The ARN of one key.
fn is_key(text: &str) -> bool {
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    matches!(fields.as_slice(), ["arn", _, "kms", _, _, name] if name.starts_with("key/"))
        && !text.contains(['*', '?', '$'])
}

/// The statement that would allow a call.
pub(super) fn allow(check: &mut Check, connection: &Connection, actions: &[&str], on: On) {
    if connection.plan.base.is_none() {
        // a statement for nobody in particular would open the bucket to everybody
        let remedy = "requests are not signed: give the resource keys, or open the bucket to everybody by its policy if that is what is wanted";
        check.remedy = Some(remedy.to_owned());
        return;
    }
    let bucket = bucket_arn(connection.s3.bucket(), &connection.plan.region);
    let resource = match on {
        On::Bucket => bucket,
        On::Objects => {
            let separator = if bucket.contains(":accesspoint/") { "/object/" } else { "/" };
            format!("{bucket}{separator}{}*", escaped(&connection.prefix))
        }
    };
    let action = match actions {
        [one] => json!(one),
        more => json!(more),
    };
    // lists are bound to the prefix, as a scoped session is
    let lists = matches!(actions, ["s3:ListBucket" | "s3:ListBucketVersions"]);
    let statement = if lists && !connection.prefix.is_empty() {
        let below = json!({"StringLike": {"s3:prefix": format!("{}*", escaped(&connection.prefix))}});
        json!({"Effect": "Allow", "Action": action, "Resource": resource, "Condition": below})
    } else {
        json!({"Effect": "Allow", "Action": action, "Resource": resource})
    };
    check.fix = Some(Fix::Statement(statement));
    check.remedy = Some(format!(
        "allow {} on `{resource}` for the identity, and look for a Deny in the bucket policy",
        actions.join(" and ")
    ));
}

/// What a statement is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum On {
    /// The bucket.
    Bucket,
    /// The objects under the prefix.
    Objects,
}

/// The trust policy that lets this identity assume the role as the definition asks for it.
pub(super) fn trust_policy(identity: &str, role: &Role) -> Value {
    let mut actions = vec!["sts:AssumeRole"];
    if !role.tags.is_empty() {
        actions.push("sts:TagSession");
    }
    let principal = json!({"AWS": identity});
    let statement = match &role.external_id {
        Some(id) => json!({
            "Effect": "Allow",
            "Principal": principal,
            "Action": actions,
            "Condition": {"StringEquals": {"sts:ExternalId": id}},
        }),
        None => json!({"Effect": "Allow", "Principal": principal, "Action": actions}),
    };
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

#[cfg(test)]
mod tests {
    use super::{allow_key, trust_policy};
    use crate::aws::credentials::Role;
    use crate::model::check::{Check, Fix, Status};

    #[test]
    fn a_trust_policy_asks_for_what_the_resource_sends() {
        let mut role = Role {
            arn: "arn:aws:iam::111122223333:role/data".to_owned(),
            external_id: Some("an-id".to_owned()),
            session_name: "s3c-default".to_owned(),
            duration: None,
            policy: None,
            tags: [("team".to_owned(), "data".to_owned())].into(),
        };
        let policy = trust_policy("arn:aws:iam::111122223333:user/app", &role);
        let statement = &policy["Statement"][0];
        assert_eq!(statement["Condition"]["StringEquals"]["sts:ExternalId"], "an-id");
        assert_eq!(statement["Action"], serde_json::json!(["sts:AssumeRole", "sts:TagSession"]));
        role.external_id = None;
        assert!(trust_policy("a", &role)["Statement"][0].get("Condition").is_none());
    }

    #[test]
    fn the_key_and_the_action_are_read_from_the_refusal() {
        let mut check = Check::new("objects-readable", Status::Failed, "");
        let said = "User: arn:aws:iam::1:user/a is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-west-1:1:key/k because no identity-based policy allows the kms:Decrypt action";
        allow_key(&mut check, said);
        let Some(Fix::Statement(statement)) = check.fix else { panic!("no fix") };
        assert_eq!(statement["Action"], "kms:Decrypt");
        assert_eq!(statement["Resource"], "arn:aws:kms:eu-west-1:1:key/k");
        for hostile in [
            "kms:* on resource: arn:aws:kms:eu-west-1:1:key/k",
            "kms:Decrypt on resource: *",
            "s3:* on resource: *",
        ] {
            let mut check = Check::new("objects-readable", Status::Failed, "");
            allow_key(&mut check, &format!("is not authorized to perform: {hostile} because"));
            assert_eq!(check.fix, None, "{hostile}");
        }
    }
}
