//! Rights to read what stands beside the content: versions, tags, ACLs, and what the bucket is set to.
//!
//! A right that is missing fails the check only where the resource names an operation that needs it: a resource that
//! leaves its operations open is not broken because its identity may not read the bucket policy.

use std::time::Instant;

use futures_util::future::join_all;

use crate::app::checks::Checks;
use crate::app::checks::fixes::{On, denied};
use crate::app::checks::objects::Listed;
use crate::app::connection::Connection;
use crate::app::policy_check::PolicyRead;
use crate::app::sources::elapsed_ms;
use crate::aws::s3::VersionsRequest;
use crate::aws::{AwsError, ErrorKind};
use crate::model::bucket::Aspect;
use crate::model::check::{Check, Status};
use crate::model::object::ObjectKey;
use crate::model::operation::Operation;
use crate::model::provider::Feature;
use crate::model::resource::Definition;

/// What a read came to: a text for people, and the store's id of the request.
type Read = Result<(String, Option<String>), AwsError>;

/// A right to read something.
struct Right {
    check: &'static str,
    call: &'static str,
    action: &'static str,
    on: fn() -> On,
    feature: Option<Feature>,
    operation: Operation,
    /// Whether it can only be tried with an object.
    of_object: bool,
}

const POLICY: &str = "policy-readable";

const RIGHTS: [Right; 6] = [
    Right {
        check: "versions-listable",
        call: "s3:ListObjectVersions (max-keys 1)",
        action: "s3:ListBucketVersions",
        on: || On::Bucket,
        feature: Some(Feature::Versions),
        operation: Operation::Versions,
        of_object: false,
    },
    Right {
        check: "tags-readable",
        call: "s3:GetObjectTagging (the first object)",
        action: "s3:GetObjectTagging",
        on: || On::Objects,
        feature: Some(Feature::ObjectTags),
        operation: Operation::GetTags,
        of_object: true,
    },
    Right {
        check: "acl-readable",
        call: "s3:GetObjectAcl (the first object)",
        action: "s3:GetObjectAcl",
        on: || On::Objects,
        feature: Some(Feature::ObjectAcl),
        operation: Operation::GetAcl,
        of_object: true,
    },
    Right {
        check: "cors-readable",
        call: "s3:GetBucketCors",
        action: "s3:GetBucketCORS",
        on: || On::Bucket,
        feature: Some(Feature::BucketCors),
        operation: Operation::GetBucket,
        of_object: false,
    },
    Right {
        check: POLICY,
        call: "s3:GetBucketPolicy",
        action: "s3:GetBucketPolicy",
        on: || On::Bucket,
        feature: Some(Feature::BucketPolicy),
        operation: Operation::GetBucket,
        of_object: false,
    },
    Right {
        check: "location-readable",
        call: "s3:GetBucketLocation",
        action: "s3:GetBucketLocation",
        on: || On::Bucket,
        feature: None,
        operation: Operation::GetBucket,
        of_object: false,
    },
];

/// Tries all of them at once, and gives back what the bucket policy came to; none when it was not asked for.
pub(super) async fn read(
    definition: &Definition,
    connection: &Connection,
    listed: &Listed,
    checks: &mut Checks,
) -> Option<PolicyRead> {
    let tried = RIGHTS.iter().map(|right| try_right(right, definition, connection, listed.first()));
    let mut policy = None;
    for (check, read) in join_all(tried).await {
        checks.note(check);
        policy = policy.or(read);
    }
    policy
}

async fn try_right(
    right: &Right,
    definition: &Definition,
    connection: &Connection,
    first: Option<&ObjectKey>,
) -> (Check, Option<PolicyRead>) {
    let profile = connection.plan.profile;
    if right.feature.is_some_and(|feature| !profile.has(feature)) {
        let text = format!("the provider `{}` does not promise it", profile.id);
        return (Check::new(right.check, Status::Unsupported, text), None);
    }
    let named = definition.operations.as_ref().map(|named| named.contains(&right.operation));
    if named == Some(false) {
        let text = "no operation of the resource needs it";
        return (Check::new(right.check, Status::Skipped, text), None);
    }
    if right.of_object && first.is_none() {
        let text = "there is no object to try it with";
        return (Check::new(right.check, Status::Skipped, text), None);
    }
    let started = Instant::now();
    let (read, policy) = if right.check == POLICY {
        let read = connection.s3.policy_text().await;
        (described_policy(&read), Some(read))
    } else {
        (read_one(right, connection, first).await, None)
    };
    let mut check = match read {
        Ok((text, request_id)) => {
            let mut check = Check::new(right.check, Status::Passed, text);
            check.request_id = request_id;
            check
        }
        Err(error) if matches!(error.kind, ErrorKind::Unsupported) => Check::new(
            right.check,
            Status::Unsupported,
            format!("the store has no such call ({})", error.code),
        ),
        Err(error) => {
            let mut check =
                denied(right.check, right.call, &error, (&[right.action], (right.on)()), connection);
            if named.is_none() && error.kind == ErrorKind::AccessDenied {
                check.status = Status::Warning;
            }
            check
        }
    };
    check.call = Some(right.call.to_owned());
    check.took_ms = elapsed_ms(started);
    (check, policy)
}

fn described_policy(read: &PolicyRead) -> Read {
    let has = if read.as_ref().map_err(Clone::clone)?.is_some() { "a" } else { "no" };
    Ok((format!("the bucket has {has} policy configuration"), None))
}

async fn read_one(right: &Right, connection: &Connection, first: Option<&ObjectKey>) -> Read {
    let s3 = &connection.s3;
    match (right.operation, first) {
        (Operation::Versions, _) => {
            let request =
                VersionsRequest { prefix: connection.prefix.clone(), max_keys: 1, ..Default::default() };
            let page = s3.list_versions(request).await?;
            Ok(("versions can be listed".to_owned(), page.request_id))
        }
        (Operation::GetTags, Some(key)) => {
            let found = s3.get_tags(key, None).await?;
            Ok((format!("the first object has {} tags", found.tags.len()), found.request_id))
        }
        (Operation::GetAcl, Some(key)) => {
            let found = s3.get_acl(key, None).await?;
            Ok((format!("the first object has {} grants", found.grants.len()), found.request_id))
        }
        _ => {
            let aspect = if right.check == "cors-readable" { Aspect::Cors } else { Aspect::Location };
            let found = s3.setting(aspect).await?;
            let what = aspect.as_str();
            let text = match (aspect, found) {
                (Aspect::Location, Some(value)) => {
                    let region =
                        value.get("region").and_then(serde_json::Value::as_str).unwrap_or("another region");
                    format!("the bucket says that it is in `{region}`")
                }
                (_, Some(_)) => format!("the bucket has a {what} configuration"),
                (_, None) => format!("the bucket has no {what} configuration"),
            };
            Ok((text, None))
        }
    }
}
