//! The checks of a test that need the bucket: is it there, and what may be done in it.
//!
//! Nothing is left behind: uploads are tried by starting and aborting one, and a written marker is deleted or named.

use std::time::Instant;

use bytes::Bytes;
use serde_json::json;

use crate::app::connection::Connection;
use crate::app::propose::Written;
use crate::app::sources::failed;
use crate::app::test::Checks;
use crate::app::{App, TestOptions, region};
use crate::aws::{AwsError, ErrorKind};
use crate::model::check::{Check, Fix, Status};
use crate::model::object::{DeleteOptions, GetOptions, ObjectKey, PutOptions};
use crate::model::operation::Operation;

impl App {
    pub(super) async fn bucket_found(
        &self,
        written: Written<'_>,
        connection: &Connection,
        checks: &mut Checks,
    ) -> bool {
        let started = Instant::now();
        let bucket = connection.s3.bucket();
        let mut check = match connection.s3.head_bucket().await {
            Ok(facts) => {
                let text = match &facts.region {
                    Some(region) => format!("`{bucket}` is there, in region `{region}`"),
                    None => format!("`{bucket}` is there"),
                };
                let mut check = Check::new("bucket-found", Status::Passed, text);
                check.request_id = facts.request_id;
                check
            }
            // the answer to HEAD has no body; what is wrong is in the answer to a list
            Err(error) => self.bucket_missing(written, connection, error).await,
        };
        if let Some(region) = region::told(&connection.plan) {
            check.detail = format!("{}; {region}", check.detail);
        }
        check.call = Some("s3:HeadBucket".to_owned());
        checks.push(check, started)
    }

    async fn bucket_missing(&self, written: Written<'_>, connection: &Connection, head: AwsError) -> Check {
        let told = match refusal(connection, head).await {
            Ok(check) => return check,
            Err(told) => told,
        };
        failed("bucket-found", "s3:HeadBucket", &self.propose(written, &connection.plan, None, told).await)
    }
}

/// What the refusal of `HeadBucket` comes to: a check that does not fail, or what the bucket says when it is listed.
async fn refusal(connection: &Connection, head: AwsError) -> Result<Check, AwsError> {
    let bucket = connection.s3.bucket();
    if head.kind == ErrorKind::NotFound {
        let mut named = head;
        "NoSuchBucket".clone_into(&mut named.code);
        named.message = format!("there is no bucket `{bucket}`");
        return Err(named);
    }
    let mut told = match connection.s3.list_other_bucket(bucket).await {
        Ok(()) => {
            return Ok(Check::new(
                "bucket-found",
                Status::Passed,
                format!("`{bucket}` is there; HeadBucket is refused, listing is not"),
            ));
        }
        Err(told) => told,
    };
    if told.kind == ErrorKind::AccessDenied {
        // 403 is also what a bucket of others answers; without the right to list both look the same
        let text = format!(
            "`{bucket}` answers, but neither HeadBucket nor listing is allowed ({}): other rights may still be there",
            told.code
        );
        return Ok(Check::new("bucket-found", Status::Warning, text));
    }
    told.region = head.region.or(told.region);
    Err(told)
}

pub(super) async fn bucket_checks(connection: &Connection, options: TestOptions, checks: &mut Checks) {
    let started = Instant::now();
    let request =
        crate::aws::s3::ListRequest { prefix: connection.prefix.clone(), max_keys: 1, ..Default::default() };
    let listed = connection.s3.list(request).await;
    let first = listed.as_ref().ok().and_then(|page| page.objects.first()).map(|object| object.key.clone());
    let listable = listed.is_ok();
    let mut check = match listed {
        Ok(page) => {
            let text = if page.objects.is_empty() {
                "listing works; there is no object yet"
            } else {
                "listing works"
            };
            let mut check = Check::new("objects-listable", Status::Passed, text);
            check.request_id = page.request_id;
            check
        }
        Err(error) => {
            denied("objects-listable", "s3:ListObjectsV2 (max-keys 1)", &error, Operation::List, connection)
        }
    };
    check.call = Some("s3:ListObjectsV2 (max-keys 1)".to_owned());
    checks.push(check, started);
    let started = Instant::now();
    checks.push(objects_readable(connection, first, listable).await, started);
    let started = Instant::now();
    checks.push(uploads_allowed(connection).await, started);
    if options.write {
        write_round(connection, checks).await;
    }
}

async fn objects_readable(connection: &Connection, first: Option<String>, listable: bool) -> Check {
    let marker = format!("{}.s3-connector-test-{}", connection.prefix, uuid::Uuid::new_v4().simple());
    let there = first.is_some();
    let Ok(key) = ObjectKey::under("", &first.unwrap_or(marker)) else {
        return Check::new("objects-readable", Status::Skipped, "the prefix leaves no room for a key");
    };
    let options = GetOptions { range: there.then(|| "bytes=0-0".to_owned()), ..GetOptions::default() };
    let call = if there {
        "s3:GetObject (first byte of the first object)"
    } else {
        "s3:GetObject (a key that is not there)"
    };
    let mut check = match connection.s3.get(&key, &options).await {
        Ok(_) => Check::new("objects-readable", Status::Passed, "reading works"),
        Err(error) if error.kind == ErrorKind::InvalidRange => {
            Check::new("objects-readable", Status::Passed, "reading works; the first object is empty")
        }
        Err(error) if error.kind == ErrorKind::NotFound && !there => Check::new(
            "objects-readable",
            Status::Passed,
            "a key that is not there answers 404, as it does with the right to read",
        ),
        Err(error) if error.kind == ErrorKind::AccessDenied && !there && !listable => Check::new(
            "objects-readable",
            Status::Skipped,
            "without the right to list, a key that is not there answers 403 to everyone: put an object under the prefix to find out",
        ),
        Err(error) => denied("objects-readable", call, &error, Operation::Get, connection),
    };
    check.call = Some(call.to_owned());
    check
}

/// A multipart upload that is started and aborted needs the same rights as a real one and leaves nothing.
async fn uploads_allowed(connection: &Connection) -> Check {
    let call = "s3:CreateMultipartUpload, s3:AbortMultipartUpload";
    let marker = format!(".s3-connector-test-{}", uuid::Uuid::new_v4().simple());
    let Ok(key) = ObjectKey::under(&connection.prefix, &marker) else {
        return Check::new("uploads-allowed", Status::Skipped, "the prefix leaves no room for a key");
    };
    let upload_id = match connection.s3.create_multipart(&key, &PutOptions::default(), None).await {
        Ok(upload_id) => upload_id,
        Err(error) => {
            let mut check = denied("uploads-allowed", call, &error, Operation::Put, connection);
            if error.code == "AccessControlListNotSupported" {
                check.fix = Some(Fix::Patch(json!({"default_acl": null})));
            }
            return check;
        }
    };
    let mut check = match connection.s3.abort_multipart(&key, &upload_id).await {
        Ok(()) => Check::new(
            "uploads-allowed",
            Status::Passed,
            "an upload can be started and aborted; nothing was left behind",
        ),
        Err(error) => Check::new(
            "uploads-allowed",
            Status::Warning,
            format!(
                "an upload can be started, but aborting it failed with {}: the empty upload `{upload_id}` of the key `{}` stays until it is aborted by hand or by a lifecycle rule",
                error.code,
                key.as_str()
            ),
        ),
    };
    check.call = Some(call.to_owned());
    check
}

async fn write_round(connection: &Connection, checks: &mut Checks) {
    let marker = format!(".s3-connector-test-{}", uuid::Uuid::new_v4().simple());
    let Ok(key) = ObjectKey::under(&connection.prefix, &marker) else { return };
    let content = Bytes::from_static(b"written by a connection test; it may be deleted\n");
    let started = Instant::now();
    let written = connection.s3.put_bytes(&key, &PutOptions::default(), content.clone()).await;
    let check = match &written {
        Ok(_) => Check::new("object-written", Status::Passed, format!("`{}` was written", key.as_str())),
        Err(error) => denied("object-written", "s3:PutObject", error, Operation::Put, connection),
    };
    if !checks.push(check, started) {
        return;
    }
    let started = Instant::now();
    let read = match connection.s3.get(&key, &GetOptions::default()).await {
        Ok(download) => {
            use http_body_util::BodyExt;
            let back = download.body.collect().await.map(http_body_util::Collected::to_bytes);
            match back {
                Ok(back) if back == content => {
                    Check::new("object-read-back", Status::Passed, "what was written came back")
                }
                _ => Check::new("object-read-back", Status::Failed, "what came back is not what was written"),
            }
        }
        Err(error) => denied("object-read-back", "s3:GetObject", &error, Operation::Get, connection),
    };
    checks.push(read, started);
    let started = Instant::now();
    let deleted = match connection.s3.delete(&key, &DeleteOptions::default()).await {
        Ok(_) => {
            Check::new("object-deleted", Status::Passed, "the marker was deleted; nothing was left behind")
        }
        Err(error) => {
            let mut check =
                denied("object-deleted", "s3:DeleteObject", &error, Operation::Delete, connection);
            check.detail = format!("{}; the object `{}` was left behind", check.detail, key.as_str());
            check
        }
    };
    checks.push(deleted, started);
}

/// A failed check; a denial comes with the statement that would allow it.
fn denied(name: &str, call: &str, error: &AwsError, operation: Operation, connection: &Connection) -> Check {
    let mut check = failed(name, call, error);
    if error.kind == ErrorKind::AccessDenied {
        let bucket = connection.s3.bucket();
        let resource = match operation {
            Operation::List => format!("arn:aws:s3:::{bucket}"),
            _ => format!("arn:aws:s3:::{bucket}/{}*", connection.prefix),
        };
        // the checks look at no versions
        let actions: Vec<&str> =
            operation.all_actions().filter(|action| !action.ends_with("Version")).collect();
        check.fix = Some(Fix::Statement(json!({"Effect": "Allow", "Action": actions, "Resource": resource})));
        check.remedy = Some(format!(
            "allow {} on `{resource}` for the identity, and look for a Deny in the bucket policy",
            actions.join(" and ")
        ));
    }
    check
}
