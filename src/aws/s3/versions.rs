//! Versions of objects: pages of them, and copies of old ones.

use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::types::{DeleteMarkerEntry, ObjectVersion};

use crate::aws::AwsError;
use crate::aws::s3::list::{Names, goes_on, owner};
use crate::aws::s3::{S3, rfc3339};
use crate::model::version::VersionSummary;

/// A page as the store gave it.
#[derive(Debug, Default)]
pub struct VersionsFound {
    /// With full keys.
    pub versions: Vec<VersionSummary>,
    /// With full keys.
    pub prefixes: Vec<String>,
    /// For the next page: a full key, and the version of it.
    pub next: Option<(String, Option<String>)>,
    /// The store's id of the request.
    pub request_id: Option<String>,
}

/// What to list, with full keys.
#[derive(Debug, Default)]
pub struct VersionsRequest {
    /// Only keys that start so.
    pub prefix: String,
    /// Groups keys.
    pub delimiter: Option<String>,
    /// Where the last page ended: a full key, and the version of it.
    pub after: Option<(String, Option<String>)>,
    /// 1 to 1000.
    pub max_keys: i32,
}

impl S3 {
    /// One page of versions and delete markers.
    pub async fn list_versions(&self, request: VersionsRequest) -> Result<VersionsFound, AwsError> {
        let began = request.after.clone();
        let (key, version) = request.after.map_or((None, None), |(key, version)| (Some(key), version));
        let call = self
            .client
            .list_object_versions()
            .bucket(&self.bucket)
            .set_prefix((!request.prefix.is_empty()).then_some(request.prefix))
            .set_delimiter(request.delimiter)
            .set_key_marker(key)
            .set_version_id_marker(version)
            .set_encoding_type(self.list_encoding())
            .max_keys(request.max_keys)
            .set_expected_bucket_owner(self.expected_owner.clone())
            .set_request_payer(self.payer.clone());
        let page = self.timed(call.send()).await?;
        let request_id = page.request_id().map(str::to_owned);
        let truncated = page.is_truncated == Some(true);
        let names = Names::of(page.encoding_type.as_ref());
        let decoded = |mut row: VersionSummary| {
            row.key = names.name(std::mem::take(&mut row.key))?;
            Ok::<_, AwsError>(row)
        };
        let versions = page.versions.unwrap_or_default().into_iter().map(of_version).map(decoded);
        let markers = page.delete_markers.unwrap_or_default().into_iter().map(of_marker).map(decoded);
        let versions = merged(versions.collect::<Result<_, _>>()?, markers.collect::<Result<_, _>>()?);
        let prefixes = names.prefixes(page.common_prefixes.unwrap_or_default())?;
        let is_row = |name: &str| {
            versions.iter().any(|row| row.key == name) || prefixes.iter().any(|prefix| prefix == name)
        };
        let told = page
            .next_key_marker
            .filter(|key| !key.is_empty())
            .map(|key| names.marker(key, is_row))
            .transpose()?;
        let version = page.next_version_id_marker.filter(|version| !version.is_empty());
        let told = told.map(|key| (key, version));
        // a store that does not say where it stopped stopped at its last row
        let last = || versions.last().map(|last| (last.key.clone(), Some(last.version_id.clone())));
        let next = goes_on(truncated, told.or_else(last), began.as_ref())?;
        Ok(VersionsFound { versions, prefixes, next, request_id })
    }
}

fn of_version(version: ObjectVersion) -> VersionSummary {
    VersionSummary {
        key: version.key.unwrap_or_default(),
        version_id: version.version_id.unwrap_or_default(),
        is_latest: version.is_latest.unwrap_or(false),
        delete_marker: false,
        size: version.size.and_then(|size| u64::try_from(size).ok()),
        etag: version.e_tag,
        last_modified: version.last_modified.as_ref().and_then(rfc3339),
        storage_class: version.storage_class.map(|class| class.as_str().to_owned()),
        owner: version.owner.map(owner),
    }
}

fn of_marker(marker: DeleteMarkerEntry) -> VersionSummary {
    VersionSummary {
        key: marker.key.unwrap_or_default(),
        version_id: marker.version_id.unwrap_or_default(),
        is_latest: marker.is_latest.unwrap_or(false),
        delete_marker: true,
        size: None,
        etag: None,
        last_modified: marker.last_modified.as_ref().and_then(rfc3339),
        storage_class: None,
        owner: marker.owner.map(owner),
    }
}

/// The store mixes versions and markers by key and age, and the SDK sorts them apart: this mixes them again. Those of
/// one kind keep their order; what was written in one instant cannot be told apart, and a version goes first then.
fn merged(versions: Vec<VersionSummary>, markers: Vec<VersionSummary>) -> Vec<VersionSummary> {
    let mut all = Vec::with_capacity(versions.len() + markers.len());
    let (mut versions, mut markers) = (versions.into_iter().peekable(), markers.into_iter().peekable());
    while let (Some(version), Some(marker)) = (versions.peek(), markers.peek()) {
        let next = if goes_first(marker, version) { markers.next() } else { versions.next() };
        all.extend(next);
    }
    all.extend(versions);
    all.extend(markers);
    all
}

fn goes_first(marker: &VersionSummary, version: &VersionSummary) -> bool {
    // times of one length compare as texts only when their fractions are alike
    let at = |row: &VersionSummary| {
        row.last_modified.as_deref().and_then(|text| text.parse::<jiff::Timestamp>().ok())
    };
    let newer = at(marker) > at(version);
    match marker.key.as_bytes().cmp(version.key.as_bytes()) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Greater => false,
        std::cmp::Ordering::Equal => marker.is_latest || (!version.is_latest && newer),
    }
}

#[cfg(test)]
mod tests {
    use super::merged;
    use crate::model::version::VersionSummary;

    fn row(key: &str, id: &str, at: &str, is_latest: bool) -> VersionSummary {
        VersionSummary {
            key: key.to_owned(),
            version_id: id.to_owned(),
            is_latest,
            delete_marker: id.starts_with('m'),
            size: None,
            etag: None,
            last_modified: Some(format!("2026-01-01T00:00:{at}Z")),
            storage_class: None,
            owner: None,
        }
    }

    #[test]
    fn versions_and_markers_are_mixed_by_key_and_age() {
        let versions = vec![
            row("a", "v3", "03", false),
            row("a", "v1", "01", false),
            row("b", "v1", "05", true),
            row("b", "v0", "05", false),
            row("d", "v1", "01", true),
        ];
        let markers = vec![
            row("a", "m4", "04", true),
            row("a", "m2", "02.500", false),
            row("b", "m1", "05", false),
            row("c", "m1", "09", true),
        ];
        let shown: Vec<String> =
            merged(versions, markers).iter().map(|row| format!("{}{}", row.key, row.version_id)).collect();
        assert_eq!(shown, ["am4", "av3", "am2", "av1", "bv1", "bv0", "bm1", "cm1", "dv1"]);
    }
}
