//! The registry in memory: what every request looks up, without a database statement.
//!
//! A state is immutable; a change puts another in its place. A change of another replica is seen by the
//! sequence number in the database, which one task polls.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::app::connection::Connection;
use crate::app::source::Source;
use crate::model::name::{Identifier, Name};
use crate::model::principal::Project;
use crate::model::secret::{AwsSource, SourceKind};
use crate::store::{
    ActiveSource, ResourceRecord, SourceRecord, Store, StoreError, TokenRecord, UsagePolicyRecord,
};

/// A resource and what was made ready for its queries.
#[derive(Debug)]
pub struct Resource {
    /// As it is stored.
    pub record: ResourceRecord,
    /// What queries in the environments use; made by the first one.
    pub(super) connections: ArcSwap<Vec<(Name, Arc<Connection>)>>,
    /// Held while a connection is made, so that a burst makes one.
    pub(super) building: Mutex<()>,
}

impl Resource {
    /// Nothing is made ready yet.
    pub fn new(record: ResourceRecord) -> Arc<Resource> {
        Arc::new(Resource { record, connections: ArcSwap::default(), building: Mutex::new(()) })
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.record.definition.name
    }
}

/// A token, with the moment of its last use.
#[derive(Debug)]
pub struct KnownToken {
    /// As it is stored.
    pub record: TokenRecord,
    /// Epoch milliseconds; 0 when it was not used since the start.
    pub(super) used_ms: std::sync::atomic::AtomicI64,
    /// Queries that run now.
    pub(super) queries: Arc<std::sync::atomic::AtomicUsize>,
}

/// Everything at one moment.
#[derive(Debug, Default)]
pub struct State {
    sequence: i64,
    /// Moves when a source, which one is active, or a usage policy changes.
    pub sources_epoch: u64,
    projects: HashMap<Name, Project>,
    resources: HashMap<Arc<str>, HashMap<Name, Arc<Resource>>>,
    sources: HashMap<Arc<str>, Arc<Source>>,
    active: HashMap<(Arc<str>, Name), Arc<str>>,
    tokens: HashMap<String, Arc<KnownToken>>,
    usage_policies: BTreeMap<Name, Arc<UsagePolicyRecord>>,
}

/// A change of our own, with its sequence number.
type Change = (i64, Box<dyn Fn(&mut State) + Send>);

/// The registry.
pub struct Registry {
    state: ArcSwap<State>,
    /// Held while a state is put in place of another. Holds the changes of our own that came while everything is
    /// read again; none when nothing is being read.
    writing: Mutex<Option<Vec<Change>>>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Registry").field("state", &self.state).finish_non_exhaustive()
    }
}

/// Everything as the database has it.
struct Rows {
    sequence: i64,
    projects: Vec<Project>,
    resources: Vec<ResourceRecord>,
    sources: Vec<SourceRecord>,
    active: Vec<ActiveSource>,
    tokens: Vec<TokenRecord>,
    usage_policies: Vec<UsagePolicyRecord>,
}

impl Rows {
    async fn read(store: &Store) -> Result<Rows, StoreError> {
        // read first: a change that comes in between is seen again by the next look
        let sequence = store.sequence().await?;
        Ok(Rows {
            sequence,
            projects: store.projects().await?,
            resources: store.resources().await?,
            sources: store.sources().await?,
            active: store.active_sources().await?,
            tokens: store.tokens().await?,
            usage_policies: store.usage_policies().await?,
        })
    }
}

impl State {
    /// The project of that name.
    pub fn project(&self, name: &str) -> Option<&Project> {
        self.projects.get(name)
    }

    /// All projects, by name.
    pub fn projects(&self) -> Vec<Project> {
        let mut projects: Vec<Project> = self.projects.values().cloned().collect();
        projects.sort_by(|a, b| a.name.cmp(&b.name));
        projects
    }

    /// The project of that id.
    pub fn project_by_id(&self, id: &str) -> Option<&Project> {
        self.projects.values().find(|project| &*project.id == id)
    }

    /// The resource of that name.
    pub fn resource(&self, project_id: &str, name: &str) -> Option<&Arc<Resource>> {
        self.resources.get(project_id)?.get(name)
    }

    /// The resources of a project, by name.
    pub fn resources(&self, project_id: &str) -> Vec<Arc<Resource>> {
        let mut found: Vec<Arc<Resource>> =
            self.resources.get(project_id).into_iter().flat_map(HashMap::values).cloned().collect();
        found.sort_by(|a, b| a.name().cmp(b.name()));
        found
    }

    /// All resources of the installation.
    pub fn all_resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values().flat_map(HashMap::values)
    }

    /// The source of that name, which belongs to that project.
    pub fn source(&self, project_id: &str, name: &str) -> Option<&Arc<Source>> {
        let same = |source: &&Arc<Source>| {
            *source.record.project_id == *project_id && source.record.definition.name.as_str() == name
        };
        self.sources.values().find(same)
    }

    /// The source behind a key of the cache, as it reads for the project that the key names, if it names one.
    pub fn source_by_id(&self, key_source: &str) -> Option<Arc<Source>> {
        match key_source.split_once('/') {
            None => self.sources.get(key_source).cloned(),
            Some((id, project)) => Some(self.sources.get(id)?.for_project(self.project_by_id(project)?)),
        }
    }

    /// Sources that are another version in `newer`.
    pub fn sources_changed_in(&self, newer: &State) -> Vec<Arc<str>> {
        let changed = |source: &&Arc<Source>| {
            newer
                .sources
                .get(&source.record.id)
                .is_none_or(|other| other.record.version != source.record.version)
        };
        self.sources.values().filter(changed).map(|source| Arc::clone(&source.record.id)).collect()
    }

    /// All sources of the installation.
    pub fn all_sources(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.sources.values()
    }

    /// All sources that live in our own vault.
    pub fn local_sources(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.sources.values().filter(|source| source.record.definition.kind == SourceKind::Local)
    }

    /// All sources at AWS, with where they are.
    pub fn aws_sources(&self) -> impl Iterator<Item = (&Arc<Source>, &AwsSource)> {
        self.sources.values().filter_map(|source| match &source.record.definition.kind {
            SourceKind::Aws(aws) => Some((source, &**aws)),
            SourceKind::Local => None,
        })
    }

    /// The sources that belong to a project, by name.
    pub fn sources(&self, project_id: &str) -> Vec<Arc<Source>> {
        let mut found: Vec<Arc<Source>> = self
            .sources
            .values()
            .filter(|source| *source.record.project_id == *project_id)
            .cloned()
            .collect();
        found.sort_by(|a, b| a.record.definition.name.cmp(&b.record.definition.name));
        found
    }

    /// The source that was made active for a project and environment.
    pub fn active_source(&self, project_id: &Arc<str>, environment: &Name) -> Option<&Arc<Source>> {
        self.sources.get(self.active.get(&(Arc::clone(project_id), environment.clone()))?)
    }

    /// The environments of a project that have an active source.
    pub fn active_environments_of(&self, project_id: &str) -> BTreeSet<Name> {
        let own = self.active.keys().filter(|(project, _)| **project == *project_id);
        own.map(|(_, environment)| environment.clone()).collect()
    }

    /// The environments in which a source was made active, in whichever project.
    pub fn active_environments(&self, source_id: &str) -> Vec<Name> {
        let mut found: Vec<Name> = self
            .active
            .iter()
            .filter(|(_, id)| &***id == source_id)
            .map(|((_, name), _)| name.clone())
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// The token with that hash.
    pub fn token(&self, hash: &str) -> Option<&Arc<KnownToken>> {
        self.tokens.get(hash)
    }

    /// All tokens, oldest first.
    pub fn tokens(&self) -> Vec<Arc<KnownToken>> {
        let mut found: Vec<Arc<KnownToken>> = self.tokens.values().cloned().collect();
        found.sort_by(|a, b| a.record.id.cmp(&b.record.id));
        found
    }

    /// The usage policies, by name.
    pub fn usage_policies(&self) -> &BTreeMap<Name, Arc<UsagePolicyRecord>> {
        &self.usage_policies
    }

    fn copy(&self) -> State {
        State {
            sequence: self.sequence,
            sources_epoch: self.sources_epoch,
            projects: self.projects.clone(),
            resources: self.resources.clone(),
            sources: self.sources.clone(),
            active: self.active.clone(),
            tokens: self.tokens.clone(),
            usage_policies: self.usage_policies.clone(),
        }
    }
}

impl Registry {
    /// Reads everything.
    pub async fn load(store: &Store) -> Result<Registry, StoreError> {
        let registry = Registry { state: ArcSwap::default(), writing: Mutex::new(None) };
        registry.reload(store).await?;
        Ok(registry)
    }

    /// Everything at this moment.
    pub fn state(&self) -> arc_swap::Guard<Arc<State>> {
        self.state.load()
    }

    /// Reads everything again when somebody else changed something; says whether it did.
    pub async fn catch_up(&self, store: &Store) -> Result<bool, StoreError> {
        if store.sequence().await? == self.state().sequence {
            return Ok(false);
        }
        self.reload(store).await?;
        Ok(true)
    }

    async fn reload(&self, store: &Store) -> Result<(), StoreError> {
        *self.writing() = Some(Vec::new());
        let rows = Rows::read(store).await;
        let mut writing = self.writing();
        // a change of our own may have been committed after its table was read: it is made again on what was read
        let missed = writing.take().unwrap_or_default();
        let rows = rows?;
        let old = self.state.load_full();
        if old.sequence > rows.sequence {
            return Ok(());
        }
        let sequence = rows.sequence;
        let mut state = state_of(&old, rows);
        let later = missed.iter().filter(|(own, _)| *own > sequence);
        later.for_each(|(_, change)| change(&mut state));
        self.state.store(Arc::new(state));
        Ok(())
    }

    fn writing(&self) -> std::sync::MutexGuard<'_, Option<Vec<Change>>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies a change of our own. A gap in the sequence means that another replica changed something too; then
    /// the old number stays and the next look reads everything.
    fn apply(&self, sequence: i64, change: impl Fn(&mut State) + Send + 'static) {
        let mut writing = self.writing();
        let mut state = self.state.load().copy();
        if state.sequence >= sequence {
            // a reload has seen it already
            return;
        }
        change(&mut state);
        if state.sequence + 1 == sequence {
            state.sequence = sequence;
        }
        self.state.store(Arc::new(state));
        if let Some(missed) = writing.as_mut() {
            missed.push((sequence, Box::new(change)));
        }
    }

    pub(super) fn put_resource(
        &self,
        sequence: i64,
        old: Option<&Resource>,
        record: ResourceRecord,
    ) -> Arc<Resource> {
        let resource = Resource::new(record);
        let kept = Arc::clone(&resource);
        let old_name = old.map(|old| old.name().clone());
        self.apply(sequence, move |state| {
            let names = state.resources.entry(Arc::clone(&resource.record.project_id)).or_default();
            if let Some(old) = &old_name {
                names.remove(old);
            }
            names.insert(resource.name().clone(), Arc::clone(&resource));
        });
        kept
    }

    pub(super) fn remove_resource(&self, sequence: i64, old: &Resource) {
        let (project, name) = (Arc::clone(&old.record.project_id), old.name().clone());
        self.apply(sequence, move |state| {
            if let Some(names) = state.resources.get_mut(&project) {
                names.remove(&name);
            }
        });
    }

    pub(super) fn put_source(&self, sequence: i64, record: SourceRecord) -> Arc<Source> {
        let source = Source::new(record);
        let kept = Arc::clone(&source);
        self.apply(sequence, move |state| {
            state.sources_epoch += 1;
            state.sources.insert(Arc::clone(&source.record.id), Arc::clone(&source));
        });
        kept
    }

    pub(super) fn remove_source(&self, sequence: i64, id: &str) {
        let id = id.to_owned();
        self.apply(sequence, move |state| {
            state.sources_epoch += 1;
            state.sources.remove(id.as_str());
            state.active.retain(|_, source| **source != *id);
        });
    }

    pub(super) fn set_active(&self, sequence: i64, active: ActiveSource) {
        let ActiveSource { project_id, environment, source_id } = active;
        self.apply(sequence, move |state| {
            state.sources_epoch += 1;
            state.active.insert((Arc::clone(&project_id), environment.clone()), Arc::clone(&source_id));
        });
    }

    pub(super) fn put_token(&self, sequence: i64, record: TokenRecord) {
        let token = known(record);
        self.apply(sequence, move |state| {
            state.tokens.insert(token.record.hash.clone(), Arc::clone(&token));
        });
    }

    pub(super) fn remove_token(&self, sequence: i64, id: &str) {
        let id = id.to_owned();
        self.apply(sequence, move |state| state.tokens.retain(|_, token| *token.record.id != *id));
    }

    pub(super) fn put_project(&self, sequence: i64, project: Project) {
        self.apply(sequence, move |state| {
            state.projects.insert(project.name.clone(), project.clone());
        });
    }

    pub(super) fn put_usage_policy(
        &self,
        sequence: i64,
        record: UsagePolicyRecord,
    ) -> Arc<UsagePolicyRecord> {
        let record = Arc::new(record);
        let kept = Arc::clone(&record);
        self.apply(sequence, move |state| {
            state.sources_epoch += 1;
            state.usage_policies.insert(record.definition.name.clone(), Arc::clone(&record));
        });
        kept
    }

    pub(super) fn remove_usage_policy(&self, sequence: i64, name: &Name) {
        let name = name.clone();
        self.apply(sequence, move |state| {
            state.sources_epoch += 1;
            state.usage_policies.remove(&name);
        });
    }

    /// A change that is only in the database, such as a vault secret.
    pub(super) fn note(&self, sequence: i64) {
        self.apply(sequence, |_| {});
    }

    pub(super) fn find_resource(&self, name: &str, project_id: &str) -> Option<Arc<Resource>> {
        self.state().resource(project_id, name).cloned()
    }

    pub(super) fn find_source(&self, name: &Identifier, project_id: &str) -> Option<Arc<Source>> {
        self.state().source(project_id, name.as_str()).cloned()
    }
}

/// The state that rows make; what did not change is taken from the old one, with all that was made ready in it.
fn state_of(old: &State, rows: Rows) -> State {
    let mut state = State { sequence: rows.sequence, sources_epoch: old.sources_epoch, ..State::default() };
    state.projects = rows.projects.into_iter().map(|project| (project.name.clone(), project)).collect();
    for record in rows.resources {
        let kept = old
            .resource(&record.project_id, record.definition.name.as_str())
            .filter(|kept| kept.record.id == record.id && kept.record.version == record.version);
        let resource = kept.cloned().unwrap_or_else(|| Resource::new(record));
        let project = Arc::clone(&resource.record.project_id);
        state.resources.entry(project).or_default().insert(resource.name().clone(), resource);
    }
    for record in rows.sources {
        let kept = old.sources.get(&record.id).filter(|kept| kept.record.version == record.version);
        let source = kept.cloned().unwrap_or_else(|| Source::new(record));
        state.sources.insert(Arc::clone(&source.record.id), source);
    }
    state.active = rows
        .active
        .into_iter()
        .map(|active| ((active.project_id, active.environment), active.source_id))
        .collect();
    for record in rows.tokens {
        let token = old.tokens.get(&record.hash).cloned().unwrap_or_else(|| known(record));
        state.tokens.insert(token.record.hash.clone(), token);
    }
    let policies = rows.usage_policies.into_iter();
    state.usage_policies =
        policies.map(|record| (record.definition.name.clone(), Arc::new(record))).collect();
    let same_sources = state.sources.len() == old.sources.len()
        && state
            .sources
            .iter()
            .all(|(id, source)| old.sources.get(id).is_some_and(|other| Arc::ptr_eq(source, other)))
        && state.active == old.active;
    let same_policies = state.usage_policies.len() == old.usage_policies.len()
        && state.usage_policies.iter().all(|(name, policy)| {
            let known = old.usage_policies.get(name);
            known.is_some_and(|known| (&known.id, known.version) == (&policy.id, policy.version))
        });
    if !same_sources || !same_policies {
        state.sources_epoch += 1;
    }
    state
}

fn known(record: TokenRecord) -> Arc<KnownToken> {
    Arc::new(KnownToken {
        record,
        used_ms: std::sync::atomic::AtomicI64::new(0),
        queries: Arc::new(std::sync::atomic::AtomicUsize::new(0)),
    })
}
