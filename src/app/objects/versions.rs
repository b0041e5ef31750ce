//! Versions: pages of them one after the other, relative to the resource's prefix.

use std::sync::Arc;

use crate::app::connection::{Connection, Freshness};
use crate::app::objects::{Outcome, Target, require};
use crate::app::{App, Error, Resource};
use crate::aws::s3::{VersionsFound, VersionsRequest};
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::provider::Feature;
use crate::model::version::{VersionMarker, VersionOptions, VersionPage};

/// Rows that a list answers when none are asked for.
const DEFAULT_LIMIT: u64 = 1_000;
/// Rows of one answer that is gathered in memory; a stream has no such bound.
const MOST_GATHERED: u64 = 100_000;

/// A list of versions that is read page by page.
pub struct VersionListing {
    app: Arc<App>,
    resource: Arc<Resource>,
    environment: Name,
    options: VersionOptions,
    after: Option<VersionMarker>,
    left: u64,
    ready: Option<VersionPage>,
    done: bool,
    /// How fresh its secrets were.
    pub freshness: Freshness,
}

impl App {
    /// Lists up to `limit` versions, gathered.
    pub async fn list_versions(
        self: &Arc<Self>,
        target: Target<'_>,
        mut options: VersionOptions,
    ) -> Result<Outcome<VersionPage>, Error> {
        options.limit = Some(options.limit.unwrap_or(DEFAULT_LIMIT).min(MOST_GATHERED));
        let mut listing = self.open_versions(target, options).await?;
        let freshness = listing.freshness;
        let mut all = VersionPage::default();
        while let Some(page) = listing.next().await? {
            all.versions.extend(page.versions);
            all.prefixes.extend(page.prefixes);
            all.truncated = page.truncated;
            all.cursor = page.cursor;
        }
        Ok(Outcome { value: all, freshness })
    }

    /// Opens a list of versions whose pages are read one at a time; without a limit it goes to the end. The first page
    /// is read here, so that an error is an answer of its own.
    pub async fn open_versions(
        self: &Arc<Self>,
        target: Target<'_>,
        options: VersionOptions,
    ) -> Result<VersionListing, Error> {
        let after = first_marker(&options)?;
        let prefix = options.prefix.clone();
        let query = self.begin(target.caller, target.resource, Operation::Versions, Some(&prefix)).await?;
        let mut listing = VersionListing {
            app: Arc::clone(self),
            resource: Arc::clone(&query.resource),
            environment: target.environment.clone(),
            left: options.limit.unwrap_or(u64::MAX),
            options,
            after,
            ready: None,
            done: false,
            freshness: Freshness::default(),
        };
        let first = listing.fetch().await;
        let first = self.end(&query, first, |(_, request_id)| (None, request_id.clone())).await?;
        listing.freshness = first.freshness;
        listing.ready = Some(first.value.0);
        Ok(listing)
    }
}

impl VersionListing {
    /// The next page; `None` after the last one.
    pub async fn next(&mut self) -> Result<Option<VersionPage>, Error> {
        if let Some(page) = self.ready.take() {
            return Ok(Some(page));
        }
        if self.done {
            return Ok(None);
        }
        let ((page, _), _) = self.fetch().await?;
        Ok(Some(page))
    }

    async fn fetch(&mut self) -> Result<((VersionPage, Option<String>), Arc<Connection>), Error> {
        let most = i32::try_from(self.left.min(1000)).unwrap_or(1000);
        let (options, after) = (&self.options, self.after.as_ref());
        let (found, connection) = self
            .app
            .with_connection(&self.resource, &self.environment, |connection| async move {
                require(&connection, Feature::Versions)?;
                let root = &connection.prefix;
                let wanted = VersionsRequest {
                    prefix: format!("{root}{}", options.prefix),
                    delimiter: options.delimiter.clone().filter(|delimiter| !delimiter.is_empty()),
                    after: after.map(|after| (format!("{root}{}", after.key), after.version_id.clone())),
                    max_keys: most,
                };
                connection.s3.list_versions(wanted).await
            })
            .await?;
        let request_id = found.request_id.clone();
        let (mut page, next) = relative(found, &connection.prefix);
        if let Some(VersionMarker { key, version_id: None }) = &self.after {
            // Ceph RGW 16 begins with the key of the marker, S3 behind it
            page.versions.retain(|version| version.key > *key);
        }
        let rows = (page.versions.len() + page.prefixes.len()) as u64;
        self.left = self.left.saturating_sub(rows);
        // a page that says that there is more and does not get on would be read for ever
        let stuck = rows == 0 && next == self.after;
        self.done = next.is_none() || self.left == 0 || stuck;
        self.after = next;
        Ok(((page, request_id), connection))
    }
}

/// Where a list begins.
fn first_marker(options: &VersionOptions) -> Result<Option<VersionMarker>, Error> {
    let Some(cursor) = &options.cursor else {
        let after = options.start_after.clone().filter(|after| !after.is_empty());
        return Ok(after.map(|key| VersionMarker { key, version_id: None }));
    };
    let text = "the cursor cannot be read: give back what the last page answered, or leave it out";
    VersionMarker::decode(cursor).map(Some).ok_or_else(|| Error::BadRequest(text.to_owned()))
}

/// Keys without the resource's prefix. What lies outside it is left out, whatever the store answers.
fn relative(found: VersionsFound, root: &str) -> (VersionPage, Option<VersionMarker>) {
    let versions = found.versions.into_iter().filter_map(|mut version| {
        version.key = version.key.strip_prefix(root)?.to_owned();
        Some(version)
    });
    let prefixes =
        found.prefixes.into_iter().filter_map(|prefix| prefix.strip_prefix(root).map(str::to_owned));
    let next = found.next.and_then(|(key, version_id)| {
        let key = key.strip_prefix(root)?.to_owned();
        Some(VersionMarker { key, version_id })
    });
    let page = VersionPage {
        versions: versions.collect(),
        prefixes: prefixes.collect(),
        truncated: next.is_some(),
        cursor: next.as_ref().map(VersionMarker::encode),
    };
    (page, next)
}
