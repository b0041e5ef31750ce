//! Bringing back: a version by a copy on top, or what delete markers hide by taking them away.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::connection::Connection;
use crate::app::objects::change::OwnedTarget;
use crate::app::objects::copy::headers_of;
use crate::app::objects::{Answered, Outcome, Target, full_key, require};
use crate::app::{App, Error};
use crate::aws::s3::{CopyGets, VersionsRequest};
use crate::aws::upload::Leftovers;
use crate::aws::{AwsError, ErrorKind};
use crate::model::object::{DeleteOptions, GetOptions, ObjectKey};
use crate::model::operation::Operation;
use crate::model::provider::Feature;
use crate::model::version::{RestoreOptions, RestoredVersion, VersionSummary};

/// Versions of one key that are looked at for delete markers on top.
const MOST_MARKERS: i32 = 1_000;

impl App {
    /// Makes an earlier version the newest one.
    pub async fn restore_version(
        self: &Arc<Self>,
        target: Target<'_>,
        options: RestoreOptions,
    ) -> Result<Outcome<RestoredVersion>, Error> {
        if options.undelete == options.version.is_some() {
            let text = "say which `version` to bring back, or `undelete` to take delete markers away";
            return Err(Error::BadRequest(text.to_owned()));
        }
        let (app, target) = (Arc::clone(self), OwnedTarget::of(target));
        self.change(async move { app.restore_now(target.as_target(), &options).await }).await
    }

    async fn restore_now(
        self: &Arc<Self>,
        target: Target<'_>,
        options: &RestoreOptions,
    ) -> Result<Outcome<RestoredVersion>, Error> {
        let key = options.key.as_str();
        let query = self.begin(target.caller, target.resource, Operation::Versions, Some(key)).await?;
        let second = if options.undelete { Operation::Delete } else { Operation::Copy };
        let outcome = if let Err(error) = query.also(second) {
            Err(error)
        } else {
            let leftovers = Leftovers::default();
            let above = self.config.server.copy_parts_above;
            let restore = |connection: Arc<Connection>| {
                let leftovers = &leftovers;
                async move {
                    require(&connection, Feature::Versions)?;
                    let full = full_key(&connection.prefix, key)?;
                    match options.version.as_deref() {
                        Some(version) => {
                            copy_back(&connection, (key, &full), version, above, leftovers).await
                        }
                        None => undelete(&connection, key, &full).await,
                    }
                }
            };
            let outcome = self.with_connection(&query.resource, target.environment, restore).await;
            self.abort_leftovers(&query.resource, target.environment, &leftovers).await;
            outcome
        };
        let describe = |answered: &Answered<RestoredVersion>| (answered.bytes, answered.request_id.clone());
        let outcome = self.end(&query, outcome, describe).await?;
        Ok(Outcome { value: outcome.value.value, freshness: outcome.freshness })
    }
}

/// Copies a version on top. It is looked at first: a marker has nothing to copy, and the storage class must be named.
async fn copy_back(
    connection: &Connection,
    (key, full): (&str, &ObjectKey),
    version: &str,
    parts_above: u64,
    leftovers: &Leftovers,
) -> Result<Answered<RestoredVersion>, AwsError> {
    let options = GetOptions { version_id: Some(version.to_owned()), ..GetOptions::default() };
    let found = connection.s3.head(full, &options).await?.metadata;
    let done = match found.size.filter(|size| *size > parts_above) {
        Some(size) => {
            require(connection, Feature::MultipartCopy)?;
            let gets = CopyGets {
                headers: Some(headers_of(&found)?),
                tags: tags_of(connection, full, version).await?,
                storage_class: found.storage_class.clone(),
                ..CopyGets::default()
            };
            let sizes = (size, parts_above);
            connection.s3.copy_version_in_parts(full, version, &gets, sizes, leftovers).await?
        }
        None => connection.s3.copy_version(full, version, found.storage_class.as_deref()).await?,
    };
    let value = RestoredVersion {
        key: key.to_owned(),
        version_id: done.version_id,
        restored_from: Some(version.to_owned()),
        etag: done.etag,
        removed_markers: Vec::new(),
    };
    Ok(Answered { value, bytes: found.size, request_id: done.request_id })
}

/// The tags of a version; none where there can be none.
async fn tags_of(
    connection: &Connection,
    full: &ObjectKey,
    version: &str,
) -> Result<Option<BTreeMap<String, String>>, AwsError> {
    if !connection.plan.profile.has(Feature::ObjectTags) {
        return Ok(None);
    }
    match connection.s3.get_tags(full, Some(version)).await {
        Ok(found) => Ok(Some(found.tags).filter(|tags| !tags.is_empty())),
        // a store without the call has no tags
        Err(error) if error.kind == ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes the delete markers on top away, the newest first.
async fn undelete(
    connection: &Connection,
    key: &str,
    full: &ObjectKey,
) -> Result<Answered<RestoredVersion>, AwsError> {
    let wanted = VersionsRequest {
        prefix: full.as_str().to_owned(),
        max_keys: MOST_MARKERS,
        ..VersionsRequest::default()
    };
    let found = connection.s3.list_versions(wanted).await?;
    let of_key: Vec<VersionSummary> =
        found.versions.into_iter().take_while(|row| row.key == full.as_str()).collect();
    let markers = of_key.iter().take_while(|row| row.delete_marker).count();
    let below = of_key.get(markers).ok_or_else(|| nothing_below(markers))?;
    if markers == 0 {
        let text = "the object is not deleted: to bring an earlier version back, name it in `version`";
        return Err(AwsError::new(ErrorKind::Conflict, "s3", "NotDeleted", text));
    }
    let mut removed = Vec::new();
    let mut request_id = found.request_id;
    for marker in of_key.iter().take(markers) {
        let options = DeleteOptions { version_id: Some(marker.version_id.clone()), if_match: None };
        request_id = connection.s3.delete(full, &options).await?.request_id;
        removed.push(marker.version_id.clone());
    }
    let value = RestoredVersion {
        key: key.to_owned(),
        version_id: Some(below.version_id.clone()),
        restored_from: None,
        etag: below.etag.clone(),
        removed_markers: removed,
    };
    Ok(Answered { value, bytes: None, request_id })
}

fn nothing_below(markers: usize) -> AwsError {
    let text = if markers == 0 {
        "the key has no versions: list them to see what is there"
    } else {
        "there is no version below the delete markers"
    };
    AwsError::new(ErrorKind::NotFound, "s3", "NoSuchVersion", text)
}
