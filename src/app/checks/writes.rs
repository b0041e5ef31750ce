//! Writes one marker, reads it back, and deletes it; what could not be deleted is named.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};

use crate::app::checks::Checks;
use crate::app::checks::fixes::{On, denied};
use crate::app::checks::uploads::marker;
use crate::app::connection::Connection;
use crate::aws::{AwsError, ErrorKind};
use crate::model::check::{Check, Status};
use crate::model::object::{DeleteOptions, GetOptions, ObjectKey, PutOptions};
use crate::model::provider::Feature;

const CONTENT: &[u8] = b"written by a connection test; it may be deleted\n";

/// The time that the body of the marker may take.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The whole round; `reads` says whether the resource allows that.
pub(super) async fn round(connection: &Connection, reads: bool, checks: &mut Checks) {
    let Some(key) = marker(connection) else { return };
    let started = Instant::now();
    let written = connection.s3.put_bytes(&key, &PutOptions::default(), Bytes::from_static(CONTENT)).await;
    let mut versions = Vec::new();
    let mut check = match &written {
        Ok(uploaded) => {
            versions.extend(uploaded.version_id.clone());
            Check::new("object-written", Status::Passed, format!("`{}` was written", key.as_str()))
        }
        Err(error) => {
            let on = (["s3:PutObject"].as_slice(), On::Objects);
            let mut check = denied("object-written", "s3:PutObject", error, on, connection);
            if may_have_landed(error) && connection.s3.delete(&key, &DeleteOptions::default()).await.is_err()
            {
                check.detail =
                    format!("{}; the object `{}` may have been written", check.detail, key.as_str());
            }
            check
        }
    };
    check.call = Some("s3:PutObject".to_owned());
    if !checks.push(check, started) {
        return;
    }
    let started = Instant::now();
    let (check, version) = conditional(connection, &key).await;
    versions.extend(version);
    checks.push(check, started);
    if reads {
        let started = Instant::now();
        checks.push(read_back(connection, &key).await, started);
    } else {
        checks.not_needed("object-read-back");
    }
    let started = Instant::now();
    checks.push(deleted(connection, &key, versions).await, started);
}

/// Whether a write that failed so may have been done nevertheless.
fn may_have_landed(error: &AwsError) -> bool {
    matches!(
        error.kind,
        ErrorKind::Timeout | ErrorKind::Unreachable | ErrorKind::Internal | ErrorKind::Throttled
    )
}

/// The marker is there: a write that wants it not to be must be refused.
async fn conditional(connection: &Connection, key: &ObjectKey) -> (Check, Option<String>) {
    const NAME: &str = "conditional-put";
    if !connection.plan.profile.has(Feature::OnlyNew) {
        let text =
            format!("the provider `{}` does not promise conditions on uploads", connection.plan.profile.id);
        return (Check::new(NAME, Status::Unsupported, text), None);
    }
    let options = PutOptions { if_none_match: Some("*".to_owned()), ..PutOptions::default() };
    let outcome = connection.s3.put_bytes(key, &options, Bytes::from_static(CONTENT)).await;
    let version = outcome.as_ref().ok().and_then(|uploaded| uploaded.version_id.clone());
    let mut check = match outcome {
        Err(error) if error.kind == ErrorKind::PreconditionFailed => {
            Check::new(NAME, Status::Passed, "a write over the marker with `If-None-Match: *` was refused")
        }
        Ok(_) => {
            let text = "the store ignores `If-None-Match: *`: an upload that must not replace an object does";
            let mut check = Check::new(NAME, Status::Warning, text);
            check.remedy = Some(
                "do not rely on conditions of uploads, or set `provider` to what the store is".to_owned(),
            );
            check
        }
        Err(error) if matches!(error.kind, ErrorKind::Unsupported | ErrorKind::InvalidRequest) => Check::new(
            NAME,
            Status::Unsupported,
            format!("the store does not take conditions on uploads ({})", error.code),
        ),
        Err(error) => {
            let on = (["s3:PutObject"].as_slice(), On::Objects);
            denied(NAME, "s3:PutObject (if-none-match)", &error, on, connection)
        }
    };
    check.call = Some("s3:PutObject (if-none-match)".to_owned());
    (check, version)
}

async fn read_back(connection: &Connection, key: &ObjectKey) -> Check {
    const NAME: &str = "object-read-back";
    let mut check = match connection.s3.get(key, &GetOptions::default()).await {
        Ok(download) => {
            // no more than was written is read, nor waited for without end
            let body = Limited::new(download.body, CONTENT.len()).collect();
            let back = tokio::time::timeout(READ_TIMEOUT, body).await.ok().and_then(Result::ok);
            if back.is_some_and(|back| back.to_bytes() == CONTENT) {
                Check::new(NAME, Status::Passed, "what was written came back")
            } else {
                let mut check = Check::new(NAME, Status::Failed, "what came back is not what was written");
                check.cause = Some("ContentAltered".to_owned());
                check.remedy = Some(
                    "look for a proxy or a cache before the store that changes bodies - the operator of this service can do this"
                        .to_owned(),
                );
                check
            }
        }
        Err(error) => {
            let on = (["s3:GetObject"].as_slice(), On::Objects);
            denied(NAME, "s3:GetObject", &error, on, connection)
        }
    };
    check.call = Some("s3:GetObject".to_owned());
    check
}

/// Deletes the marker; in buckets that keep versions also its versions and the delete marker, which else stay.
async fn deleted(connection: &Connection, key: &ObjectKey, mut versions: Vec<String>) -> Check {
    const NAME: &str = "object-deleted";
    let mut check = match connection.s3.delete(key, &DeleteOptions::default()).await {
        Ok(gone) => {
            // without versions there is nothing that a delete could leave
            if !versions.is_empty() {
                versions.extend(gone.version_id);
            }
            let mut left = Vec::new();
            for version in versions {
                let options = DeleteOptions { version_id: Some(version.clone()), if_match: None };
                if connection.s3.delete(key, &options).await.is_err() {
                    left.push(version);
                }
            }
            if left.is_empty() {
                Check::new(NAME, Status::Passed, "the marker was deleted; nothing was left behind")
            } else {
                let text = format!(
                    "the marker was deleted; the bucket keeps the versions {} of `{}`, which may not be deleted",
                    left.join(", "),
                    key.as_str()
                );
                Check::new(NAME, Status::Warning, text)
            }
        }
        Err(error) => {
            let on = (["s3:DeleteObject"].as_slice(), On::Objects);
            let mut check = denied(NAME, "s3:DeleteObject", &error, on, connection);
            check.detail = format!("{}; the object `{}` was left behind", check.detail, key.as_str());
            check
        }
    };
    check.call = Some("s3:DeleteObject".to_owned());
    check
}
