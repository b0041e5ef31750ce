//! A page of versions, relative to the resource's prefix.

use crate::app::Error;
use crate::app::connection::Connection;
use crate::app::objects::require;
use crate::aws::AwsError;
use crate::aws::s3::{VersionsFound, VersionsRequest};
use crate::model::object::{ListOptions, ObjectPage};
use crate::model::provider::Feature;
use crate::model::version::VersionMarker;

/// Where a page begins: behind the one before it, or behind a key.
pub(super) fn marker(options: &ListOptions, token: Option<&str>) -> Result<Option<VersionMarker>, Error> {
    let Some(token) = token else {
        let after = options.start_after.clone().filter(|after| !after.is_empty());
        return Ok(after.map(|key| VersionMarker { key, version_id: None }));
    };
    let text = "the cursor cannot be read: give back what the last page answered, or leave it out";
    VersionMarker::decode(token).map(Some).ok_or_else(|| Error::BadRequest(text.to_owned()))
}

/// One page, and the store's id of the request.
pub(super) async fn page(
    connection: &Connection,
    options: &ListOptions,
    after: Option<&VersionMarker>,
    most: i32,
) -> Result<(ObjectPage, Option<String>), AwsError> {
    require(connection, Feature::Versions)?;
    let root = &connection.prefix;
    let wanted = VersionsRequest {
        prefix: format!("{root}{}", options.prefix),
        delimiter: options.delimiter.clone().filter(|delimiter| !delimiter.is_empty()),
        after: after.map(|after| (format!("{root}{}", after.key), after.version_id.clone())),
        max_keys: most,
    };
    let found = connection.s3.list_versions(wanted).await?;
    let request_id = found.request_id.clone();
    let mut page = relative(found, root, options.fetch_owner);
    // Ceph RGW 16 begins with the key of a marker that names no version, S3 behind it
    let marker = after.filter(|after| after.version_id.is_none()).map(|after| &after.key);
    for behind in marker.into_iter().chain(&options.start_after) {
        page.objects.retain(|row| row.key > *behind);
    }
    Ok((page, request_id))
}

/// Keys without the resource's prefix. What lies outside it is left out, whatever the store answers.
fn relative(found: VersionsFound, root: &str, with_owner: bool) -> ObjectPage {
    let objects = found.versions.into_iter().filter_map(|mut version| {
        if !version.key.starts_with(root) {
            return None;
        }
        version.key.drain(..root.len());
        version.owner = version.owner.filter(|_| with_owner);
        Some(version.into())
    });
    let prefixes =
        found.prefixes.into_iter().filter_map(|prefix| prefix.strip_prefix(root).map(str::to_owned));
    let next = found.next.and_then(|(key, version_id)| {
        let key = key.strip_prefix(root)?.to_owned();
        Some(VersionMarker { key, version_id })
    });
    ObjectPage {
        objects: objects.collect(),
        prefixes: prefixes.collect(),
        truncated: next.is_some(),
        cursor: next.as_ref().map(VersionMarker::encode),
        ..ObjectPage::default()
    }
}
