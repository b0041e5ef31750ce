//! `region: auto`: which region a bucket is in, found out once and remembered.
//!
//! What the endpoint's host names is believed; else the bucket is asked with one `HeadBucket`, whose answer names the
//! region also when it refuses. A definition that names a region is never second-guessed: see `propose`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use crate::app::connection::{Plan, RegionFrom, Snapshot, Subject, uninstall};
use crate::app::{App, Error, Resource};
use crate::aws::AwsError;
use crate::aws::egress::Endpoint;
use crate::model::name::Name;
use crate::model::provider::{AUTO, Profile, RegionRule};
use crate::model::resource::is_region;
use crate::template::Template;

/// Buckets whose region is remembered; they come from definitions, also from ones that are only tested.
const MOST_REGIONS: usize = 4_096;

/// The regions that were found, by endpoint and bucket. A restart forgets them.
#[derive(Debug, Default)]
pub(super) struct Regions(Mutex<HashMap<(String, String), String>>);

impl Regions {
    fn get(&self, place: &(String, String)) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(place).cloned()
    }

    fn put(&self, place: (String, String), region: String) {
        let mut regions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if regions.len() >= MOST_REGIONS {
            regions.clear();
        }
        regions.insert(place, region);
    }

    fn forget(&self, place: &(String, String)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(place);
    }
}

impl App {
    /// The region that is signed for, and how it is known.
    pub(super) fn region(
        &self,
        written: &str,
        profile: &Profile,
        (endpoint, route): (Option<&Endpoint>, Option<&Name>),
        bucket: &str,
    ) -> (String, RegionFrom) {
        if written.is_empty() {
            return (profile.default_region.to_owned(), RegionFrom::Definition);
        }
        if written != AUTO || profile.region == RegionRule::Auto {
            return (written.to_owned(), RegionFrom::Definition);
        }
        if let Some(region) = endpoint.and_then(|endpoint| profile.region_of(&endpoint.host)) {
            return (region, RegionFrom::Host);
        }
        if profile.region == RegionRule::Any {
            return (profile.default_region.to_owned(), RegionFrom::Host);
        }
        match self.regions.get(&place(endpoint, route, bucket)) {
            Some(region) => (region, RegionFrom::Bucket),
            None => (profile.default_region.to_owned(), RegionFrom::Nothing),
        }
    }

    /// Asks for the region of a resource that leaves it open and whose region is not known yet.
    pub(super) async fn find_region(
        &self,
        subject: &Subject<'_>,
        templates: &BTreeMap<&'static str, Template>,
        snapshot: &Snapshot,
    ) -> Result<(), Error> {
        let written = subject.definition.region.as_str();
        if written != AUTO && !written.contains("{{") {
            return Ok(());
        }
        let plan = self.plan(subject, templates, snapshot)?;
        if plan.region_from == RegionFrom::Nothing {
            self.ask_for_region(plan).await?;
        }
        Ok(())
    }

    /// What cannot be found out is left to the query, whose own error tells more.
    async fn ask_for_region(&self, plan: Plan) -> Result<(), Error> {
        let place =
            place(plan.endpoint.as_ref(), plan.route.as_ref().map(|route| route.name()), &plan.bucket);
        let connection = self.open(plan)?;
        if let Some(region) = connection.s3.find_region().await.filter(|region| is_region(region)) {
            tracing::info!(bucket = place.1, region, "the region of a bucket was found");
            self.regions.put(place, region);
        }
        Ok(())
    }

    /// The bucket of a resource that leaves its region open is not where it was, or not where it was looked for:
    /// the next connection asks again, unless the refusal says where it is.
    pub(super) fn moved(&self, resource: &Resource, environment: &Name, plan: &Plan, error: &AwsError) {
        let place =
            place(plan.endpoint.as_ref(), plan.route.as_ref().map(|route| route.name()), &plan.bucket);
        match error.region.as_ref().filter(|region| is_region(region)) {
            Some(region) => self.regions.put(place, region.clone()),
            None => self.regions.forget(&place),
        }
        uninstall(resource, environment);
    }
}

/// What a region is found for. Behind a route the same name may be another store.
fn place(endpoint: Option<&Endpoint>, route: Option<&Name>, bucket: &str) -> (String, String) {
    let url = endpoint.map_or("", |endpoint| endpoint.url.as_str());
    let through = route.map_or(String::new(), |route| format!(" through {route}"));
    (format!("{url}{through}"), bucket.to_owned())
}

/// A region in an answer: it is copied with every answer, so it lies in place.
#[derive(Clone, Copy)]
pub struct FoundRegion {
    bytes: [u8; FoundRegion::MOST],
    length: u8,
}

impl FoundRegion {
    /// As many bytes as `is_region` allows.
    const MOST: usize = 64;

    /// None for what is longer than a region.
    pub(super) fn of(plan: &Plan) -> Option<FoundRegion> {
        if plan.region_from == RegionFrom::Definition {
            return None;
        }
        let mut bytes = [0; FoundRegion::MOST];
        bytes.get_mut(..plan.region.len())?.copy_from_slice(plan.region.as_bytes());
        Some(FoundRegion { bytes, length: u8::try_from(plan.region.len()).ok()? })
    }

    /// The region.
    pub fn as_str(&self) -> &str {
        self.bytes
            .get(..usize::from(self.length))
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or("")
    }
}

impl std::fmt::Debug for FoundRegion {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Shared by the tests of a definition and by queries, which both sign for what was found.
pub(super) fn told(plan: &Plan) -> Option<String> {
    let region = &plan.region;
    match plan.region_from {
        RegionFrom::Definition => None,
        RegionFrom::Host => {
            Some(format!("`auto` is `{region}`, which the endpoint's host or the provider says"))
        }
        RegionFrom::Bucket => Some(format!("`auto` is `{region}`, which the bucket says")),
        RegionFrom::Nothing => Some(format!("`auto` could not be found out, so `{region}` was tried")),
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_REGIONS, Regions};

    #[test]
    fn what_is_remembered_is_bounded() {
        let regions = Regions::default();
        for number in 0..MOST_REGIONS + 10 {
            regions.put((String::new(), number.to_string()), "eu-central-1".to_owned());
        }
        assert!(regions.0.lock().unwrap().len() <= MOST_REGIONS);
    }
}
