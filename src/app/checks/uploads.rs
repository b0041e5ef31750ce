//! May objects be uploaded, with the defaults of the resource. Nothing is left behind: an upload in parts that is
//! started and aborted needs the same rights as a real one.

use std::time::Instant;

use serde_json::json;

use crate::app::checks::Checks;
use crate::app::checks::fixes::{On, denied};
use crate::app::connection::Connection;
use crate::aws::s3::S3;
use crate::aws::{AwsError, ErrorKind};
use crate::model::check::{Check, Fix, Status};
use crate::model::object::{ObjectKey, PutOptions};
use crate::model::provider::Feature;

const CALL: &str = "s3:CreateMultipartUpload, s3:AbortMultipartUpload";
const ACTIONS: &[&str] = &["s3:PutObject", "s3:AbortMultipartUpload"];

/// Without the default ACL first, so that what is wrong with that has a name of its own.
pub(super) async fn allowed(connection: &Connection, checks: &mut Checks) {
    let started = Instant::now();
    let Some(key) = marker(connection) else {
        let text = "the prefix leaves no room for a key";
        checks.push(Check::new("uploads-allowed", Status::Skipped, text), started);
        return;
    };
    let outcome = round(&connection.s3.without_default_acl(), &key).await;
    let mut check = match outcome {
        Ok(check) => check,
        Err(error) => not_allowed(connection, &error),
    };
    check.call = Some(CALL.to_owned());
    if !checks.push(check, started) {
        return;
    }
    let started = Instant::now();
    checks.push(acl_accepted(connection, &key).await, started);
}

fn not_allowed(connection: &Connection, error: &AwsError) -> Check {
    let mut check = denied("uploads-allowed", CALL, error, (ACTIONS, On::Objects), connection);
    let defaults = &connection.plan.defaults;
    if error.code == "InvalidStorageClass" && defaults.storage_class.is_some() {
        check.fix = Some(Fix::Patch(json!({"default_storage_class": null})));
        check.remedy = Some("take a storage class that the store has, or none".to_owned());
    }
    check
}

async fn acl_accepted(connection: &Connection, key: &ObjectKey) -> Check {
    const NAME: &str = "acl-accepted";
    let Some(acl) = connection.plan.defaults.acl else {
        return Check::new(NAME, Status::Skipped, "the resource has no default ACL");
    };
    if !connection.plan.profile.has(Feature::ObjectAcl) {
        let text = format!("the provider `{}` does not promise ACLs of objects", connection.plan.profile.id);
        let mut check = Check::new(NAME, Status::Unsupported, text);
        check.fix = Some(Fix::Patch(json!({"default_acl": null})));
        return check;
    }
    let mut check = match round(&connection.s3, key).await {
        Ok(Check { status: Status::Passed, .. }) => {
            Check::new(NAME, Status::Passed, format!("uploads with the ACL `{}` are accepted", acl.as_str()))
        }
        // what stays is told
        Ok(left) => Check::new(NAME, left.status, left.detail),
        Err(error) => {
            let on = (["s3:PutObjectAcl"].as_slice(), On::Objects);
            let mut check = denied(NAME, CALL, &error, on, connection);
            if error.code == "AccessControlListNotSupported" {
                check.fix = Some(Fix::Patch(json!({"default_acl": null})));
            }
            check
        }
    };
    check.call = Some(format!("{CALL}, with x-amz-acl"));
    check
}

/// Starts an upload and aborts it. What could not be taken back is a warning that names it.
async fn round(s3: &S3, key: &ObjectKey) -> Result<Check, AwsError> {
    const NAME: &str = "uploads-allowed";
    let upload_id = s3.create_multipart(key, &PutOptions::default(), None).await?;
    Ok(match s3.abort_multipart(key, &upload_id).await {
        Ok(()) => {
            Check::new(NAME, Status::Passed, "an upload can be started and aborted; nothing was left behind")
        }
        // some stores let go of an upload without parts by themselves
        Err(error) if error.kind == ErrorKind::NotFound => {
            Check::new(NAME, Status::Passed, "an upload can be started; nothing was left behind")
        }
        Err(error) => Check::new(
            NAME,
            Status::Warning,
            format!(
                "an upload can be started, but aborting it failed with {}: the empty upload `{upload_id}` of the key `{}` stays until it is aborted by hand or by a lifecycle rule",
                error.code,
                key.as_str()
            ),
        ),
    })
}

pub(super) fn marker(connection: &Connection) -> Option<ObjectKey> {
    let name = format!(".s3-connector-test-{}", uuid::Uuid::new_v4().simple());
    ObjectKey::under(&connection.prefix, &name).ok()
}
