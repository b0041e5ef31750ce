//! Reading: an object or its metadata; the body is a stream.

use std::future::Future;
use std::sync::Arc;

use crate::app::connection::Connection;
use crate::app::objects::{Outcome, full_key, require, require_version};
use crate::app::{App, Error};
use crate::aws::error::Unmodified;
use crate::aws::s3::Download;
use crate::aws::{AwsError, ErrorKind};
use crate::model::conditions::Verdict;
use crate::model::name::Name;
use crate::model::object::{Conditions, GetOptions, ObjectKey};
use crate::model::operation::Operation;
use crate::model::principal::Caller;
use crate::model::provider::Feature;

/// How often an object is looked at that changes while it is.
const LOOKS: u32 = 3;

/// An object that is being read.
pub type Opened = Outcome<Download>;

impl App {
    /// An object's metadata.
    pub fn head(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        key: &str,
        options: &GetOptions,
    ) -> impl Future<Output = Result<Opened, Error>> {
        self.read(caller, name, environment, key, options, Operation::Head)
    }

    /// An object; its body is a stream.
    pub fn get(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        key: &str,
        options: &GetOptions,
    ) -> impl Future<Output = Result<Opened, Error>> {
        self.read(caller, name, environment, key, options, Operation::Get)
    }

    async fn read(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        key: &str,
        options: &GetOptions,
        operation: Operation,
    ) -> Result<Opened, Error> {
        let query = self.begin(caller, name, operation, Some(key)).await?;
        let most = query.resource.record.definition.limits.max_read_bytes;
        let checked = operation == Operation::Get && !options.bounded;
        let outcome = self
            .with_connection(&query.resource, environment, |connection| async move {
                let full = full_key(&connection.prefix, key)?;
                if options.checksums {
                    require(&connection, Feature::Checksums)?;
                }
                require_version(&connection, options.version_id.as_deref())?;
                if options.conditions.beyond_stores() {
                    return Box::pin(read_if(&connection, &full, options, operation)).await;
                }
                match operation {
                    // boxed: its state would be that of every read
                    Operation::Head => Box::pin(connection.s3.head_told(&full, options)).await,
                    _ => connection.s3.get(&full, options).await,
                }
            })
            .await
            .and_then(|(mut download, connection)| {
                key.clone_into(&mut download.metadata.key);
                match (most, download.content_length) {
                    (Some(most), None) if checked => Err(Error::TooLarge(format!(
                        "the store does not say how large the object is, and the resource allows reads of {most} bytes"
                    ))),
                    (Some(most), Some(length)) if checked && length > most => Err(Error::TooLarge(format!(
                        "the object has {length} bytes and the resource allows reads of {most}: ask for a range"
                    ))),
                    _ => Ok((download, connection)),
                }
            });
        self.end(&query, outcome, |download| (download.content_length, download.request_id.clone())).await
    }
}

/// Reads an object whose conditions the store would not understand: it is looked at first, and then read as long as it
/// is the one that was looked at.
async fn read_if(
    connection: &Connection,
    key: &ObjectKey,
    options: &GetOptions,
    operation: Operation,
) -> Result<Download, AwsError> {
    let asked = &options.conditions;
    // the range is looked at when the conditions hold (RFC 9110, section 13.2.2)
    let look = GetOptions { conditions: Conditions::default(), range: None, ..options.clone() };
    let mut tries = LOOKS;
    loop {
        let found = connection.s3.head_told(key, &look).await?;
        decide(asked, &found)?;
        if operation == Operation::Head {
            return Ok(found);
        }
        let conditions = Conditions { if_match: found.metadata.etag.clone(), ..Conditions::default() };
        match connection.s3.get(key, &GetOptions { conditions, ..options.clone() }).await {
            Err(error) if error.kind == ErrorKind::PreconditionFailed && tries > 1 => tries -= 1,
            outcome => return outcome,
        }
    }
}

/// What conditions say to an object that was looked at.
fn decide(conditions: &Conditions, found: &Download) -> Result<(), AwsError> {
    let etag = found.metadata.etag.as_deref();
    let (kind, code, text) = match conditions.verdict(etag, found.last_modified.as_deref()) {
        Verdict::Holds => return Ok(()),
        Verdict::NotModified => {
            (ErrorKind::NotModified, "NotModified", "the object is as the caller knows it")
        }
        Verdict::Failed => (
            ErrorKind::PreconditionFailed,
            "PreconditionFailed",
            "the object is not as the conditions want it",
        ),
    };
    let unmodified = Unmodified {
        last_modified: found.last_modified.clone(),
        cache_control: found.metadata.cache_control.clone(),
        expires: found.metadata.facts.expires.clone(),
    };
    Err(AwsError {
        etag: etag.map(str::to_owned),
        unmodified: Some(Box::new(unmodified)),
        request_id: found.request_id.clone(),
        ..AwsError::new(kind, "s3", code, text)
    })
}
