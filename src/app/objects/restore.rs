//! Bringing back: a version by a copy on top, or what delete markers hide by taking them away.

use std::sync::Arc;

use crate::app::connection::Connection;
use crate::app::objects::change::OwnedTarget;
use crate::app::objects::copy::{Copied, Piece};
use crate::app::objects::relay::UNKNOWN_SIZE;
use crate::app::objects::route::Route;
use crate::app::objects::{Answered, Outcome, Query, Target, full_key, require, require_version};
use crate::app::{App, Error};
use crate::aws::s3::VersionsRequest;
use crate::aws::{AwsError, ErrorKind};
use crate::model::bulk::CopyOptions;
use crate::model::object::{DeleteOptions, GetOptions, ObjectKey};
use crate::model::operation::Operation;
use crate::model::provider::Feature;
use crate::model::version::{RestoreOptions, RestoredVersion, VersionSummary};

/// The storage class of a version that names none.
const STANDARD: &str = "STANDARD";
/// Versions that are listed at once.
const ROWS_AT_ONCE: i32 = 1_000;

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
        } else if let Some(version) = options.version.as_deref() {
            self.copy_back(&query, target, key, version).await
        } else {
            let take_away = |connection: Arc<Connection>| async move {
                require(&connection, Feature::Versions)?;
                let full = full_key(&connection.prefix, key)?;
                undelete(&connection, key, &full).await
            };
            self.with_connection(&query.resource, target.environment, take_away).await
        };
        let describe = |answered: &Answered<RestoredVersion>| (answered.bytes, answered.request_id.clone());
        let outcome = self.end(&query, outcome, describe).await?;
        Ok(Outcome { value: outcome.value.value, freshness: outcome.freshness })
    }

    /// Copies a version on top, in whichever way the provider lets it. It is looked at first: a marker has nothing to
    /// copy, and a version without a storage class is a standard one, whatever the resource gives to new objects.
    async fn copy_back(
        self: &Arc<Self>,
        query: &Query<'_>,
        target: Target<'_>,
        key: &str,
        version: &str,
    ) -> Result<(Answered<RestoredVersion>, Arc<Connection>), Error> {
        let look = |connection: Arc<Connection>| async move {
            require_version(&connection, Some(version))?;
            let full = full_key(&connection.prefix, key)?;
            let options = GetOptions { version_id: Some(version.to_owned()), ..GetOptions::default() };
            connection.s3.head_told(&full, &options).await
        };
        let (found, connection) = self.with_connection(&query.resource, target.environment, look).await?;
        let found = found.metadata;
        let size = found.size.ok_or_else(|| {
            AwsError::new(ErrorKind::Unsupported, "s3", "NotSupportedByProvider", UNKNOWN_SIZE)
        })?;
        let class = connection.plan.defaults.storage_class.as_ref().map(|_| STANDARD.to_owned());
        let options =
            CopyOptions { storage_class: found.storage_class.clone().or(class), ..CopyOptions::default() };
        let route = Route::within(target, &query.resource, &connection);
        let etag = found.etag.as_deref();
        let piece = Piece { from: key, to: key, version: Some(version), size, etag };
        let Copied { uploaded: done, .. } = self.copy_piece(&route, &piece, &options).await?;
        let value = RestoredVersion {
            key: key.to_owned(),
            version_id: done.version_id,
            restored_from: Some(version.to_owned()),
            etag: done.etag,
            removed_markers: Vec::new(),
        };
        Ok((Answered { value, bytes: Some(size), request_id: done.request_id }, connection))
    }
}

/// Takes the delete markers on top away, the newest first.
async fn undelete(
    connection: &Connection,
    key: &str,
    full: &ObjectKey,
) -> Result<Answered<RestoredVersion>, AwsError> {
    let (of_key, mut request_id) = newest_versions(connection, full).await?;
    let markers = of_key.iter().take_while(|row| row.delete_marker).count();
    let below = of_key.get(markers).ok_or_else(|| nothing_below(markers))?;
    if markers == 0 {
        let text = "the object is not deleted: to bring an earlier version back, name it in `version`";
        return Err(AwsError::new(ErrorKind::Conflict, "s3", "NotDeleted", text));
    }
    let mut removed = Vec::new();
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

/// The versions of a key, the newest first, down to one that is no delete marker; the id of the last request.
async fn newest_versions(
    connection: &Connection,
    full: &ObjectKey,
) -> Result<(Vec<VersionSummary>, Option<String>), AwsError> {
    let (mut of_key, mut after) = (Vec::new(), None);
    loop {
        let wanted = VersionsRequest {
            prefix: full.as_str().to_owned(),
            max_keys: ROWS_AT_ONCE,
            after,
            ..VersionsRequest::default()
        };
        let found = connection.s3.list_versions(wanted).await?;
        // the rows of a key stand together, those of the key itself before those of longer ones
        let is_marker = |row: &VersionSummary| row.key == full.as_str() && row.delete_marker;
        let goes_on = !found.versions.is_empty() && found.versions.iter().all(is_marker);
        of_key.extend(found.versions.into_iter().take_while(|row| row.key == full.as_str()));
        match found.next.filter(|_| goes_on) {
            Some(next) => after = Some(next),
            None => return Ok((of_key, found.request_id)),
        }
    }
}

fn nothing_below(markers: usize) -> AwsError {
    let text = if markers == 0 {
        "the key has no versions: list them to see what is there"
    } else {
        "there is no version below the delete markers, so there is nothing to bring back"
    };
    AwsError::new(ErrorKind::NotFound, "s3", "NoSuchVersion", text)
}
