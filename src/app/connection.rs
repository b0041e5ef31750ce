//! What queries of a resource run on: the client, the rendered settings, and the secrets that it was made with.
//!
//! How it comes about is in `connect`; nothing here resolves or sends anything.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::app::region::FoundRegion;
use crate::app::registry::State;
use crate::app::source::Source;
use crate::app::unsent::Unsent;
use crate::app::{App, Error, Resource, connect};
use crate::aws::credentials::{Base, Role, Slot};
use crate::aws::egress::Endpoint;
use crate::aws::http::Way;
use crate::aws::outbound::Route;
use crate::aws::s3::{S3, UploadDefaults};
use crate::cache::{Hit, SecretKey};
use crate::model::literal::Literals;
use crate::model::name::Name;
use crate::model::provider::Profile;
use crate::model::resource::{Definition, PayloadSigning};
use crate::store::ResourceRecord;
use crate::template::Template;

/// Environments of one resource whose connections are kept.
const MOST_CONNECTIONS: usize = 16;

/// What queries of one resource in one environment use.
pub struct Connection {
    /// The client.
    pub s3: S3,
    /// Every key is put under this.
    pub prefix: String,
    /// The rendered settings.
    pub plan: Plan,
    /// The secrets that were used.
    pub used: Vec<Used>,
    /// What it was made from; absent when it stands in with other versions, which is never made again.
    pub(super) prepared: Option<Arc<Prepared>>,
    pub(super) slot: Option<Arc<Slot>>,
    /// Present when other versions are used than the current ones.
    pub(super) stand_in: Option<StandIn>,
    /// When no version at all was taken, in epoch milliseconds.
    pub(super) refused_ms: AtomicI64,
    pub(super) generation: AtomicU64,
    pub(super) fresh_until_ms: AtomicI64,
    pub(super) stale_ms: AtomicI64,
    pub(super) sources_epoch: u64,
    /// Present when what is asked of it is explained and not sent.
    pub(super) unsent: Option<Arc<Unsent>>,
}

/// Why a connection uses other versions than the current ones.
#[derive(Debug)]
pub struct StandIn {
    /// Whose versions it uses.
    pub stage: &'static str,
    /// The current versions, which the store refused. It stands in for them until they move.
    pub refused: Vec<Used>,
}

/// How fresh the secrets of an answer were.
#[derive(Debug, Clone, Copy, Default)]
pub struct Freshness {
    /// The age of the oldest value that was served past its end.
    pub stale_ms: Option<u64>,
    /// The stage that stands in for the current one, which the store refused.
    pub stage: Option<&'static str>,
    /// The region that was found for `auto`.
    pub region: Option<FoundRegion>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Connection").field("bucket", &self.s3.bucket()).finish_non_exhaustive()
    }
}

/// One secret that a connection was made with.
#[derive(Debug, Clone)]
pub struct Used {
    /// The cache's key.
    pub key: SecretKey,
    /// The source's name.
    pub source: String,
    /// The version.
    pub version_id: String,
    /// Milliseconds since it was read from its source.
    pub age_ms: i64,
    /// Its age when it was served past its end.
    pub stale_ms: Option<u64>,
}

/// A definition with its references rendered: everything but the client.
#[derive(Clone)]
pub struct Plan {
    /// The bucket.
    pub bucket: String,
    /// The region that is signed for.
    pub region: String,
    /// How the region is known.
    pub region_from: RegionFrom,
    /// The endpoint; absent for AWS.
    pub endpoint: Option<Endpoint>,
    /// What URLs are signed for, in place of the endpoint.
    pub public_endpoint: Option<Endpoint>,
    /// The provider.
    pub profile: &'static Profile,
    /// Whether the bucket stands in the path.
    pub path_style: bool,
    /// The prefix.
    pub prefix: String,
    /// The identity; absent for anonymous requests.
    pub base: Option<Base>,
    /// The role to assume.
    pub role: Option<Role>,
    /// Trust for the endpoint's certificate.
    pub ca_pem: Option<String>,
    /// The outbound route; absent goes straight to the endpoint.
    pub route: Option<Arc<Route>>,
    pub(super) timeout: Duration,
    pub(super) retries: u32,
    pub(super) expected_owner: Option<String>,
    pub(super) requester_pays: bool,
    pub(super) payload_signing: PayloadSigning,
    pub(super) defaults: UploadDefaults,
}

/// How the region of a plan is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionFrom {
    /// The definition names it, or leaves it to the provider's default.
    Definition,
    /// The endpoint's host or the provider settles it.
    Host,
    /// The bucket was asked.
    Bucket,
    /// The definition says `auto`, and nobody knows yet.
    Nothing,
}

/// What holds of a resource in one environment, with its templates parsed: a query never parses them again.
pub(super) struct Prepared {
    pub(super) definition: Definition,
    pub(super) templates: BTreeMap<&'static str, Template>,
}

/// The references of a definition, resolved as one snapshot.
pub(super) struct Snapshot {
    pub(super) hits: HashMap<SecretKey, Hit>,
    pub(super) sources: HashMap<SecretKey, Arc<Source>>,
    /// Present when a query is explained: what is not cached is left unknown.
    pub(super) unsent: Option<Arc<Unsent>>,
}

/// Which definition, in which project and environment.
pub(super) struct Subject<'a> {
    pub(super) definition: &'a Definition,
    pub(super) literals: &'a Literals,
    pub(super) project_id: &'a Arc<str>,
    pub(super) environment: &'a Name,
}

impl Prepared {
    pub(super) fn of(record: &ResourceRecord, environment: &Name) -> Result<Self, Error> {
        let definition = record.definition.in_environment(environment);
        let templates = connect::templates(&definition)?;
        Ok(Self { definition, templates })
    }
}

impl<'a> Subject<'a> {
    /// A resource as it is stored; `definition` is what holds of it in the environment.
    pub(super) fn of(record: &'a ResourceRecord, definition: &'a Definition, environment: &'a Name) -> Self {
        Subject { definition, literals: &record.literals, project_id: &record.project_id, environment }
    }
}

impl Plan {
    /// The way to the endpoint.
    pub(super) fn way(&self) -> Way<'_> {
        let port = self.endpoint.as_ref().map_or(443, |endpoint| endpoint.port);
        Way { port, ca_pem: self.ca_pem.as_deref(), route: self.route.as_ref() }
    }

    /// Host, port and whether TLS is spoken, without the bucket.
    pub(super) fn bare_host(&self) -> (String, u16, bool) {
        match &self.endpoint {
            Some(endpoint) => (endpoint.host.clone(), endpoint.port, endpoint.tls),
            None => (format!("s3.{}.amazonaws.com", self.region), 443, true),
        }
    }

    /// Whether it begins with a key that is not temporary.
    pub(super) fn has_lasting_key(&self) -> bool {
        matches!(&self.base, Some(Base::Key(key)) if key.token.is_none())
    }

    /// Whether both lead to the same place in the same way, with whichever keys.
    pub(super) fn leads_where(&self, other: &Plan) -> bool {
        let role = |plan: &Plan| plan.role.as_ref().map(|role| role.arn.clone());
        let public = |plan: &Plan| plan.public_endpoint.as_ref().map(|endpoint| endpoint.url.clone());
        let url = |plan: &Plan| plan.endpoint.as_ref().map(|endpoint| endpoint.url.clone());
        (&self.bucket, &self.region, &self.prefix, &self.expected_owner)
            == (&other.bucket, &other.region, &other.prefix, &other.expected_owner)
            && public(self) == public(other)
            && (url(self), role(self)) == (url(other), role(other))
            && self.defaults.encryption == other.defaults.encryption
            && self.defaults.storage_class == other.defaults.storage_class
            // what one key wrote the other could not read
            && match (&self.defaults.customer_key, &other.defaults.customer_key) {
                (None, None) => true,
                (Some(one), Some(other)) => one.is(other),
                _ => false,
            }
    }
}

impl Connection {
    /// The secrets that it was made with and their versions, for the audit.
    pub(super) fn used_secrets(&self) -> Vec<String> {
        let used = self.used.iter();
        used.map(|used| [&*used.key.secret, "@", used.version_id.as_str()].concat()).collect()
    }

    /// For the headers `Secret-Stale` and `Secret-Stage`.
    pub fn freshness(&self) -> Freshness {
        Freshness {
            stale_ms: u64::try_from(self.stale_ms.load(Ordering::Relaxed)).ok(),
            stage: self.stand_in.as_ref().map(|stand_in| stand_in.stage),
            region: FoundRegion::of(&self.plan),
        }
    }

    /// The versions that were the current ones when it was made.
    pub(super) fn current_versions(&self) -> &[Used] {
        self.stand_in.as_ref().map_or(&self.used, |stand_in| &stand_in.refused)
    }

    pub(super) fn is_current(&self, app: &App, state: &State, now: i64) -> bool {
        self.sources_epoch == state.sources_epoch
            && self.generation.load(Ordering::Acquire) == app.cache.generation()
            && now < self.fresh_until_ms.load(Ordering::Relaxed)
    }

    pub(super) fn has_versions_of(&self, snapshot: &Snapshot) -> bool {
        let versions = self.current_versions();
        versions.len() == snapshot.hits.len()
            && versions.iter().all(|used| {
                snapshot.hits.get(&used.key).is_some_and(|hit| hit.entry.secret.version_id == used.version_id)
            })
    }

    pub(super) fn confirm(&self, generation: u64, snapshot: &Snapshot) {
        self.fresh_until_ms.store(snapshot.fresh_until_ms(), Ordering::Relaxed);
        self.stale_ms.store(snapshot.stale_ms(), Ordering::Relaxed);
        self.generation.store(generation, Ordering::Release);
    }
}

impl Snapshot {
    pub(super) fn fresh_until_ms(&self) -> i64 {
        self.hits.values().map(|hit| hit.fresh_until_ms).min().unwrap_or(i64::MAX)
    }

    fn stale_ms(&self) -> i64 {
        self.hits
            .values()
            .filter_map(|hit| hit.stale_ms)
            .max()
            .and_then(|age| i64::try_from(age).ok())
            .unwrap_or(-1)
    }

    pub(super) fn used(&self, now: i64) -> Vec<Used> {
        let mut used: Vec<Used> = self
            .hits
            .iter()
            .map(|(key, hit)| Used {
                key: key.clone(),
                source: self
                    .sources
                    .get(key)
                    .map(|source| source.record.definition.name.to_string())
                    .unwrap_or_default(),
                version_id: hit.entry.secret.version_id.clone(),
                age_ms: now - hit.entry.fetched_ms,
                stale_ms: hit.stale_ms,
            })
            .collect();
        used.sort_by(|a, b| (&a.source, &a.key.secret).cmp(&(&b.source, &b.key.secret)));
        used
    }
}

impl Resource {
    fn connection(&self, environment: &Name) -> Option<Arc<Connection>> {
        let connections = self.connections.load();
        connections.iter().find(|(name, _)| name == environment).map(|(_, found)| Arc::clone(found))
    }

    /// What the last connection was made from, while no source has changed: its environment is there, too.
    pub(super) fn prepared(&self, environment: &Name, sources_epoch: u64) -> Option<Arc<Prepared>> {
        let connection = self.connection(environment)?;
        connection.prepared.clone().filter(|_| connection.sources_epoch == sources_epoch)
    }

    /// The connection that is there, when it has the versions that the snapshot has. No lock is needed: of two that
    /// confirm at once, either leaves moments that are true of these versions.
    pub(super) fn confirmed(
        &self,
        environment: &Name,
        sources_epoch: u64,
        generation: u64,
        snapshot: &Snapshot,
    ) -> Option<Arc<Connection>> {
        let connection = self.connection(environment)?;
        if connection.sources_epoch != sources_epoch || !connection.has_versions_of(snapshot) {
            return None;
        }
        connection.confirm(generation, snapshot);
        Some(connection)
    }
}

/// Puts a connection in place of the one before. The caller holds `resource.building`.
pub(super) fn install(resource: &Resource, environment: &Name, connection: &Arc<Connection>) {
    let old = resource.connections.load_full();
    let mut all: Vec<_> = old.iter().filter(|(name, _)| name != environment).cloned().collect();
    // those of environments that are no more go: only the newest are kept
    all.drain(..all.len().saturating_sub(MOST_CONNECTIONS - 1));
    all.push((environment.clone(), Arc::clone(connection)));
    resource.connections.store(Arc::new(all));
}

/// Takes the connection of an environment away, so that the next query makes one.
pub(super) fn uninstall(resource: &Resource, environment: &Name) {
    let _building = resource.building.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = resource.connections.load().iter().filter(|(name, _)| name != environment).cloned().collect();
    resource.connections.store(Arc::new(kept));
}
