//! The use cases: register, resolve, connect, query, test. No HTTP, no SQL, no SDK types.
//!
//! [`App`] owns everything and is passed as `Arc<App>`; there is no global state. Invariants: a query on warm
//! caches makes one call, to the store, and runs no database statement; no lock is held across a network call,
//! except those whose purpose is to make one call out of many; a value of a secret leaves this layer only
//! inside a client's credentials.

mod access;
mod audit;
mod body;
mod bucket_import;
mod cached;
mod checks;
pub mod connect;
pub mod connection;
mod cors;
mod customer_key;
pub mod doctor;
mod error;
mod event_feeds;
mod events;
mod explain;
mod explain_query;
mod findings;
mod heal;
mod keys;
mod meters;
mod missing_secrets;
mod move_to_local;
mod naming;
mod objects;
mod policy_check;
mod propose;
mod provider_findings;
mod rechecks;
pub mod region;
mod registry;
mod rehearse;
mod resource_history;
mod resources;
mod scope;
mod secret_forecast;
mod secret_keys;
mod secret_policy;
mod secrets;
mod snapshot;
mod source;
mod sources;
mod unsent;
mod usage;
mod usage_check;
mod usage_policies;
mod vault;
mod vault_export;
mod workspace;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::aws::credentials::Identities;
use crate::aws::egress::Egress;
use crate::aws::http::HttpClients;
use crate::aws::outbound::{self, Routes};
use crate::cache::{Cache, Limits};
use crate::clock::Clock;
use crate::config::{Config, secret_variable};
use crate::model::principal::Caller;
use crate::store::{AuditRow, Store, Verification};

pub use access::{
    DEFAULT_ENVIRONMENT, DEFAULT_PROJECT, Permit, Presented, TOKEN_PREFIX, WantedToken, new_token,
};
pub use bucket_import::{BucketProposal, BucketProposals};
pub use checks::{TestOptions, Testing};
pub use error::{Error, Unresolved};
pub use events::{Delivery, EventOutcome, EventSender};
pub use explain::{ExplainWanted, Explanation};
pub use explain_query::{Asked, QueryExplanation, Refusal};
pub use keys::{NewMaster, OpenError, change_master_key, open_store, rotate_data_key};
pub use move_to_local::{MoveWanted, Moved};
pub use objects::{
    Body, Content, ContentBody, ContentOptions, Listing, MOST_CONTENT, Opened, Outcome, PartUpload, Target,
    Upload, Written,
};
pub use objects::{BulkEnd, BulkKey, BulkMark, Progress, Step};
pub use objects::{Care as BucketCare, Wanted as BucketWanted};
pub use rechecks::RecheckView;
pub use registry::Resource;
pub use rehearse::{Rehearsal, RehearsalWanted};
pub use resource_history::{FieldChange, Version};
pub use resources::{ResourceView, Saved};
pub use secret_forecast::{ForecastWanted, Forecasts};
pub use secret_keys::SecretKeys;
pub use secret_policy::{SecretPolicies, SecretPolicyWanted};
pub use secrets::{CacheStatus, Cleared, RefreshOutcome, SecretList, SecretsWanted};
pub use sources::{Removal, SourceSaved, SourceView};
pub use usage::{Usage, UsageFilter};
pub use usage_check::usage_remedy;
pub use usage_policies::{
    DeniedUse, UsageAnswer, UsagePolicyRemoval, UsagePolicySaved, UsagePolicyView, UsageQuestion,
};
pub use vault::{RolledBack, SecretVersion};
pub use vault_export::{ImportWanted, MOST_DOCUMENT_BYTES, VaultImported};
pub use workspace::UsedElsewhere;

/// Milliseconds without news of other replicas after which one is not ready, at the least.
const LEAST_PATIENCE_MS: i64 = 5_000;
/// KiB of uploads that are kept at once, to be sent again when a key is refused: 64 MiB.
const REPLAY_KIB: usize = 64 * 1024;
/// KiB of parts that are in memory at once, so that several of an upload are under way: 40 MiB, four uploads with parts
/// of the usual size. Those beyond stream their parts one by one.
const PART_ROOM_KIB: usize = 40 * 1024;

/// Everything the service is made of.
#[derive(Debug, Clone)]
pub struct App {
    /// The settings.
    pub config: Arc<Config>,
    pub(crate) clock: Clock,
    pub(crate) store: Arc<Store>,
    pub(crate) registry: Arc<registry::Registry>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) http: Arc<HttpClients>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) identities: Arc<Identities>,
    audit: audit::AuditLog,
    failures: Arc<access::Failures>,
    events: Arc<events::Events>,
    places: Arc<Semaphore>,
    /// KiB of uploads that may be kept until the store has accepted them.
    replays: Arc<Semaphore>,
    part_room: Arc<Semaphore>,
    /// What `auto` was found to be.
    regions: Arc<region::Regions>,
    /// What of the cache is in the snapshot.
    written: Arc<snapshot::Written>,
    /// Since when changes of other replicas cannot be read; 0 when they can.
    behind_since_ms: Arc<AtomicI64>,
    /// Keys of exports are derived one after the other: each takes 64 MiB and more.
    derivations: Arc<Semaphore>,
    rechecks: Arc<rechecks::Rechecks>,
    tracker: TaskTracker,
    stopping: CancellationToken,
    /// Present when queries are explained and not sent.
    unsent: Option<Arc<unsent::Unsent>>,
}

/// A started app, and what its first start made.
#[derive(Debug)]
pub struct Started {
    /// The app.
    pub app: Arc<App>,
    /// The first admin token, when it was made just now. It is shown once.
    pub bootstrap_token: Option<SecretString>,
}

impl App {
    /// Opens the store, makes what the first start needs, and starts the background tasks.
    pub async fn start(config: Config, clock: Clock) -> anyhow::Result<Started> {
        check_settings(&config)?;
        let store = keys::open_store(&config, clock.now_ms()).await?;
        let app = App::of_store(config, clock, store).await?;
        let bootstrap_token = app.bootstrap().await?;
        if let Err(error) = app.restore_snapshot().await {
            tracing::warn!(cause = %error, "the snapshot of the secret cache cannot be read: it is not used");
        }
        if let Some(queue) = event_feeds::queue(&app.config.events).await? {
            app.tracker.spawn(event_feeds::take_from_queue(Arc::clone(&app), queue));
        }
        app.tracker.spawn(event_feeds::listen(Arc::clone(&app)));
        app.tracker.spawn(watch(Arc::clone(&app)));
        app.tracker.spawn(rechecks::keep_checking(Arc::clone(&app)));
        app.tracker.spawn(rechecks::keep_delivering(Arc::clone(&app)));
        if app.config.cache.snapshot {
            app.tracker.spawn(snapshot::keep_writing(Arc::clone(&app)));
        }
        Ok(Started { app, bootstrap_token })
    }

    /// Makes all parts around an open store. Nothing is made in it and nobody is called.
    async fn of_store(config: Config, clock: Clock, store: Store) -> anyhow::Result<Arc<App>> {
        let store = Arc::new(store);
        let tracker = TaskTracker::new();
        let egress = Arc::new(Egress::new(&config.egress)?);
        let http = Arc::new(HttpClients::new(egress));
        let routes = Arc::new(read_routes(&config)?);
        let limits = Limits { max_bytes: config.cache.max_bytes, max_entries: config.cache.max_entries };
        let events = Arc::new(events::Events::new(store.newest_secret_event().await?));
        let registry = Arc::new(registry::Registry::load(&store).await?);
        Ok(Arc::new(App {
            events,
            registry,
            routes,
            cache: Cache::new(limits, clock.clone(), tracker.clone()),
            identities: Arc::new(Identities::new(Arc::clone(&http), clock.clone(), tracker.clone())),
            audit: audit::AuditLog::start(Arc::clone(&store), config.audit.flush_ms),
            failures: Arc::default(),
            places: Arc::new(Semaphore::new(config.server.max_queries)),
            replays: Arc::new(Semaphore::new(REPLAY_KIB)),
            part_room: Arc::new(Semaphore::new(PART_ROOM_KIB)),
            regions: Arc::default(),
            written: Arc::default(),
            behind_since_ms: Arc::default(),
            derivations: Arc::new(Semaphore::new(1)),
            rechecks: Arc::new(rechecks::Rechecks::new(config.recheck.max_running)),
            stopping: CancellationToken::new(),
            http,
            store,
            clock,
            tracker,
            unsent: None,
            config: Arc::new(config),
        }))
    }

    /// The rules for what may be reached.
    pub fn egress(&self) -> &Arc<Egress> {
        self.http.egress()
    }

    /// Answers when the store does.
    ///
    /// A replica that has not seen the changes of others for a while is not ready: tokens may have been revoked.
    pub async fn ready(&self) -> Result<(), Error> {
        let since = self.behind_since_ms.load(Ordering::Relaxed);
        let patience = i64::try_from(self.config.store.poll_ms.saturating_mul(10)).unwrap_or(i64::MAX);
        if since > 0 && self.clock.now_ms().saturating_sub(since) > patience.max(LEAST_PATIENCE_MS) {
            return Err(Error::Overloaded(
                "what other replicas changed cannot be read: was the master key changed? the log says why",
            ));
        }
        Ok(self.store.ping().await?)
    }

    /// Puts what is counted apart into the metrics, before they are read.
    pub fn publish_metrics(&self) {
        self.cache.publish();
    }

    /// What the clock says, in epoch milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Where tasks run that must end before the service does.
    pub fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    /// The newest audit rows of the caller's project; all of them for a token of the installation that asks.
    pub async fn audit_rows(
        &self,
        caller: &Caller,
        all: bool,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<AuditRow>, Error> {
        if all && !caller.installation {
            return Err(Error::InstallationOnly);
        }
        self.audit.flush().await;
        let project = (!all).then_some(&*caller.project.id);
        Ok(self.store.audit_rows(project, before, limit).await?)
    }

    /// Walks the audit's chain.
    pub async fn verify_audit(&self) -> Result<Verification, Error> {
        self.audit.flush().await;
        Ok(self.store.verify_audit().await?)
    }

    /// Ends the background tasks, writes what is queued and closes the store.
    pub async fn stop(&self, grace: Duration) {
        self.stopping.cancel();
        self.tracker.close();
        if tokio::time::timeout(grace, self.tracker.wait()).await.is_err() {
            tracing::warn!("some background work did not end in time");
        }
        self.audit.close(grace).await;
        self.write_snapshot().await;
        self.keep_token_uses().await;
        self.store.close().await;
    }
}

/// Refuses secrets of the settings that can be guessed, and rules that cannot be read.
fn check_settings(config: &Config) -> anyhow::Result<()> {
    events::Events::check(&config.events)?;
    rechecks::check_secret(&config.recheck)?;
    Egress::new(&config.egress)?;
    read_routes(config).map(drop)
}

fn read_routes(config: &Config) -> anyhow::Result<Routes> {
    Routes::new(&config.outbound, |name| secret_variable(&outbound::variable(name)))
}

/// Looks for changes of other replicas, and keeps when tokens were used.
async fn watch(app: Arc<App>) {
    let mut look = tokio::time::interval(Duration::from_millis(app.config.store.poll_ms.max(50)));
    let mut keep = tokio::time::interval(Duration::from_mins(1));
    keep.tick().await;
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => return,
            _ = keep.tick() => app.keep_token_uses().await,
            _ = look.tick() => catch_up(&app).await,
            () = app.events.wake.notified() => catch_up(&app).await,
        }
    }
}

/// Sees what other replicas changed. What was loaded from a source as it was before is let go.
async fn catch_up(app: &Arc<App>) {
    let before = Arc::clone(&app.registry.state());
    match app.registry.catch_up(&app.store).await {
        Ok(true) => {
            app.behind_since_ms.store(0, Ordering::Relaxed);
            for source in before.sources_changed_in(&app.registry.state()) {
                app.cache.clear_source(&source);
            }
            // a vault secret may be among what changed: its new value is read at its next use
            app.forget_local_secrets();
        }
        Ok(false) => app.behind_since_ms.store(0, Ordering::Relaxed),
        Err(error) => {
            let now = app.clock.now_ms();
            // an error means that it was set before: the first failure counts
            app.behind_since_ms.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed).ok();
            tracing::error!(cause = %error, "what other replicas changed cannot be read");
        }
    }
    if let Err(error) = app.look_for_events().await {
        tracing::warn!(cause = %error, "the store cannot be asked for events of other replicas");
    }
}
