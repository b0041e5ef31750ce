//! Healing a rotation: a query whose credentials were refused is tried again with those that may work by now.
//!
//! First the secrets are fetched again, and a changed one gets another try. If that does not help, the version before
//! (`AWSPREVIOUS`) and the one that a rotation is preparing (`AWSPENDING`) are tried, each once: a rotation may be
//! half-way, or the new key not yet known to the store. The one that works is used until the current version moves.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::app::connect::templates;
use crate::app::connection::{self, Connection, RegionFrom, Snapshot, StandIn, Subject, Used};
use crate::app::propose::Written;
use crate::app::{App, Error, Resource, source};
use crate::aws::{AwsError, ErrorKind};
use crate::model::name::Name;

/// A secret is fetched again at most this often, so that a broken key cannot storm its source.
const REFETCH_INTERVAL_MS: u64 = 1_000;
/// Milliseconds until other stages are tried again after none worked.
const PAUSE_MS: i64 = 5_000;
/// The stage of plain references.
const CURRENT: &str = "AWSCURRENT";
/// What is tried when the current version is refused.
const OTHER_STAGES: [&str; 2] = ["AWSPREVIOUS", "AWSPENDING"];

/// The versions that were refused, and the last refusal.
struct Refused {
    tried: Vec<Vec<Used>>,
    error: AwsError,
}

impl App {
    /// Runs `call` on the resource's connection, and again with other credentials when the store refuses these. A
    /// refusal by policy (`AccessDenied`) is an answer, not a broken credential, and heals nothing.
    pub(super) async fn with_connection<T, C, F>(
        self: &Arc<Self>,
        resource: &Arc<Resource>,
        environment: &Name,
        call: C,
    ) -> Result<(T, Arc<Connection>), Error>
    where
        C: Fn(Arc<Connection>) -> F,
        F: Future<Output = Result<T, AwsError>>,
    {
        let connection = self.connect(resource, environment).await?;
        let began_ms = self.clock.now_ms();
        let error = match call(Arc::clone(&connection)).await {
            Ok(done) => return Ok((done, connection)),
            Err(error) if error.kind == ErrorKind::BadCredentials => error,
            // boxed: its state is large, and few take it
            Err(error) => {
                return Box::pin(self.elsewhere(resource, environment, connection, error, call)).await;
            }
        };
        let mut refused = Refused { tried: vec![connection.used.clone()], error };
        let healed = self.heal(&connection, began_ms).await;
        let label = if healed { "changed" } else { "unchanged" };
        metrics::counter!("s3_connector_credentials_refused_total", "secrets" => label).increment(1);
        let mut last = connection;
        if healed {
            tracing::info!(
                resource.name = resource.name().as_str(),
                code = refused.error.code,
                "the store refused the credentials, and the secrets have changed since: trying again"
            );
            last = self.connect(resource, environment).await?;
            match call(Arc::clone(&last)).await {
                Ok(done) => return Ok((done, last)),
                Err(error) if error.kind == ErrorKind::BadCredentials => refused.add(error, &last),
                Err(error) => return Err(error.into()),
            }
        }
        for stage in last.stages_to_try(self.clock.now_ms()) {
            let Some(candidate) = self.at_stage(resource, environment, stage, &refused.tried).await else {
                continue;
            };
            match call(Arc::clone(&candidate)).await {
                Ok(done) => {
                    use_from_now_on(resource, environment, stage, &refused.error, &candidate);
                    return Ok((done, candidate));
                }
                Err(error) if error.kind == ErrorKind::BadCredentials => refused.add(error, &candidate),
                // the body that was sent to the first is gone: the refusal is what there is to say
                Err(error) if error.status.is_none() && error.code == "OperationAborted" => break,
                Err(error) => return Err(error.into()),
            }
        }
        last.refused_ms.store(self.clock.now_ms(), Ordering::Relaxed);
        Err(refused.told(healed).into())
    }

    /// A bucket whose region was left open is looked for where it is, once; of any other error it is said what could
    /// be changed.
    async fn elsewhere<T, C, F>(
        self: &Arc<Self>,
        resource: &Arc<Resource>,
        environment: &Name,
        connection: Arc<Connection>,
        error: AwsError,
        call: C,
    ) -> Result<(T, Arc<Connection>), Error>
    where
        C: Fn(Arc<Connection>) -> F,
        F: Future<Output = Result<T, AwsError>>,
    {
        let open = [RegionFrom::Bucket, RegionFrom::Nothing].contains(&connection.plan.region_from);
        let (mut connection, mut error) = (connection, error);
        if open && error.kind == ErrorKind::WrongRegion {
            self.moved(resource, environment, &connection.plan, &error);
            let found = self.connect(resource, environment).await?;
            if found.plan.region != connection.plan.region {
                match call(Arc::clone(&found)).await {
                    Ok(done) => return Ok((done, found)),
                    Err(again) => (connection, error) = (found, again),
                }
            }
        }
        let written = Written { definition: &resource.record.definition, environment };
        Err(self.propose(written, &connection.plan, Some(&connection.s3), error).await.into())
    }

    /// Whether something changed that makes another try worthwhile.
    async fn heal(self: &Arc<Self>, connection: &Connection, began_ms: i64) -> bool {
        let mut changed = false;
        for used in connection.current_versions() {
            let found = self.registry.state().source_by_id(&used.key.source);
            let Some(source) = found else { continue };
            let loader = source::loader(self, &source, &used.key);
            let refetched =
                self.cache.refetch(&used.key, source.policy(), &loader, REFETCH_INTERVAL_MS).await;
            match refetched {
                Ok(refetched) => changed |= refetched.hit.entry.secret.version_id != used.version_id,
                Err(error) => tracing::warn!(
                    secret.name = &*used.key.secret,
                    code = error.code,
                    "the store refused the credentials, and the secret could not be fetched again"
                ),
            }
        }
        // a session that was ended early is as refused as a key that was rotated
        let session =
            connection.slot.as_ref().is_some_and(|slot| slot.refused(began_ms, REFETCH_INTERVAL_MS));
        changed || session
    }

    /// A connection with the versions of a stage in place of the current ones; none where there is no such stage, or
    /// where its versions were tried.
    async fn at_stage(
        self: &Arc<Self>,
        resource: &Arc<Resource>,
        environment: &Name,
        stage: &'static str,
        tried: &[Vec<Used>],
    ) -> Option<Arc<Connection>> {
        let record = &resource.record;
        let definition = record.definition.in_environment(environment);
        let subject = Subject::of(record, &definition, environment);
        // what cannot be resolved or rendered cannot be tried; the refusal is what is told then
        let templates = templates(&definition).ok()?;
        let sources_epoch = self.registry.state().sources_epoch;
        let current = self.resolve(&subject, &templates).await.ok()?;
        let refused = current.used(self.clock.now_ms());
        let meant = self.plan(&subject, &templates, &current).ok()?;
        let staged = self.staged(current, stage).await?;
        let used = staged.used(self.clock.now_ms());
        if tried.iter().any(|versions| same_versions(versions, &used)) {
            return None;
        }
        let plan = self.plan(&subject, &templates, &staged).ok()?;
        // only the keys may be those of another time: never the place that is written to
        if !plan.leads_where(&meant) {
            return None;
        }
        let mut connection = self.open(plan).ok()?;
        connection.used = used;
        connection.sources_epoch = sources_epoch;
        connection.stand_in = (stage != CURRENT).then_some(StandIn { stage, refused });
        Some(Arc::new(connection))
    }

    /// The same secrets at another stage, those that have it.
    async fn staged(self: &Arc<Self>, mut snapshot: Snapshot, stage: &str) -> Option<Snapshot> {
        if stage == CURRENT {
            return Some(snapshot);
        }
        let mut found = false;
        for (key, hit) in &mut snapshot.hits {
            let Some(source) = snapshot.sources.get(key).filter(|_| &*key.pin == CURRENT) else { continue };
            let mut staged = key.clone();
            staged.pin = stage.into();
            let loader = source::loader(self, source, &staged);
            // fetched, because a stage moves with every rotation
            let refetched = self.cache.refetch(&staged, source.policy(), &loader, REFETCH_INTERVAL_MS).await;
            if let Ok(refetched) = refetched {
                *hit = refetched.hit;
                found = true;
            }
        }
        found.then_some(snapshot)
    }
}

/// What worked is used until the current version moves.
fn use_from_now_on(
    resource: &Resource,
    environment: &Name,
    stage: &'static str,
    refusal: &AwsError,
    connection: &Arc<Connection>,
) {
    metrics::counter!("s3_connector_credentials_stage_total", "stage" => stage).increment(1);
    tracing::warn!(
        resource.name = resource.name().as_str(),
        code = refusal.code,
        stage,
        "the store refuses the current version of the credentials and takes those of another stage: they are used until the current version changes"
    );
    // not fresh: the next query looks whether the current version moved
    connection.fresh_until_ms.store(0, Ordering::Relaxed);
    let _building = resource.building.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    connection::install(resource, environment, connection);
}

impl Connection {
    /// The stages that may work where this connection's versions did not.
    fn stages_to_try(&self, now_ms: i64) -> Vec<&'static str> {
        // nothing worked a moment ago: the store is not asked three times for every query
        if now_ms.saturating_sub(self.refused_ms.load(Ordering::Relaxed)) < PAUSE_MS {
            return Vec::new();
        }
        if !self.current_versions().iter().any(|used| &*used.key.pin == CURRENT) {
            return Vec::new();
        }
        // one that stands in gives way to the current version first
        let current = self.stand_in.as_ref().map(|_| CURRENT);
        current.into_iter().chain(OTHER_STAGES).collect()
    }
}

impl Refused {
    fn add(&mut self, error: AwsError, connection: &Connection) {
        self.error = error;
        self.tried.push(connection.used.clone());
    }

    /// Says which versions were tried.
    fn told(mut self, changed: bool) -> AwsError {
        let names = |versions: &[Used]| {
            let parts =
                versions.iter().map(|used| format!("`{}` version {}", used.key.secret, used.version_id));
            parts.collect::<Vec<_>>().join(", ")
        };
        if self.tried.iter().any(Vec::is_empty) {
            return self.error;
        }
        let tried: Vec<String> = self.tried.iter().map(|versions| names(versions)).collect();
        let rest = if changed || tried.len() > 1 { "" } else { ", which is what the source still gives" };
        self.error.message = format!("{} (tried {}{rest})", self.error.message, tried.join(", then "));
        self.error
    }
}

fn same_versions(a: &[Used], b: &[Used]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.key == b.key && a.version_id == b.version_id)
}
