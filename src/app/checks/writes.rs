//! Writes one marker, reads it back, and deletes it; what could not be deleted is named.

use std::time::Instant;

use bytes::Bytes;
use http_body_util::BodyExt;

use crate::app::checks::Checks;
use crate::app::checks::fixes::{On, denied};
use crate::app::checks::uploads::marker;
use crate::app::connection::Connection;
use crate::aws::ErrorKind;
use crate::model::check::{Check, Status};
use crate::model::object::{DeleteOptions, GetOptions, ObjectKey, PutOptions};
use crate::model::provider::Feature;

const CONTENT: &[u8] = b"written by a connection test; it may be deleted\n";

/// The whole round.
pub(super) async fn round(connection: &Connection, checks: &mut Checks) {
    let Some(key) = marker(connection) else { return };
    let started = Instant::now();
    let written = connection.s3.put_bytes(&key, &PutOptions::default(), Bytes::from_static(CONTENT)).await;
    let mut check = match &written {
        Ok(_) => Check::new("object-written", Status::Passed, format!("`{}` was written", key.as_str())),
        Err(error) => {
            let on = (["s3:PutObject"].as_slice(), On::Objects);
            denied("object-written", "s3:PutObject", error, on, connection)
        }
    };
    check.call = Some("s3:PutObject".to_owned());
    if !checks.push(check, started) {
        return;
    }
    let started = Instant::now();
    checks.push(conditional(connection, &key).await, started);
    let started = Instant::now();
    checks.push(read_back(connection, &key).await, started);
    let started = Instant::now();
    checks.push(deleted(connection, &key).await, started);
}

/// The marker is there: a write that wants it not to be must be refused.
async fn conditional(connection: &Connection, key: &ObjectKey) -> Check {
    const NAME: &str = "conditional-put";
    if !connection.plan.profile.has(Feature::ConditionalPut) {
        let text =
            format!("the provider `{}` does not promise conditions on uploads", connection.plan.profile.id);
        return Check::new(NAME, Status::Unsupported, text);
    }
    let options = PutOptions { if_none_match: Some("*".to_owned()), ..PutOptions::default() };
    let outcome = connection.s3.put_bytes(key, &options, Bytes::from_static(CONTENT)).await;
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
    check
}

async fn read_back(connection: &Connection, key: &ObjectKey) -> Check {
    const NAME: &str = "object-read-back";
    let mut check = match connection.s3.get(key, &GetOptions::default()).await {
        Ok(download) => {
            let back = download.body.collect().await.map(http_body_util::Collected::to_bytes);
            if back.is_ok_and(|back| back == CONTENT) {
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

async fn deleted(connection: &Connection, key: &ObjectKey) -> Check {
    const NAME: &str = "object-deleted";
    let mut check = match connection.s3.delete(key, &DeleteOptions::default()).await {
        Ok(_) => Check::new(NAME, Status::Passed, "the marker was deleted; nothing was left behind"),
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
