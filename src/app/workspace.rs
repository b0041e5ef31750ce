//! Sources of the workspace: who may change them, which project means them when, and what of them it is shown.
//!
//! Invariants: a project that has sources of its own never uses one of the workspace unless it names it or made it
//! active; only tokens of the whole installation change what belongs to the workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::registry::State;
use crate::app::source::Source;
use crate::app::sources::{Removal, SourceView};
use crate::app::{App, Error, Resource, audit};
use crate::finding::Finding;
use crate::model::audit::Event;
use crate::model::name::Name;
use crate::model::principal::{Caller, Project, WORKSPACE};
use crate::model::secret::{SourceDefinition, SourceKind, SourceScope};
use crate::store::ActiveSource;

/// Put before its name, it means a source of the workspace also where the project has one of that name.
const PREFIX: &str = "workspace:";

/// Resources of another project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsedElsewhere {
    /// The project.
    #[schema(value_type = String, example = "billing")]
    pub project: Name,
    /// How many of its resources use the source.
    pub resources: usize,
}

impl State {
    /// The source that a project means by a name: its own, else the workspace's. `workspace:name` is always the latter.
    pub fn visible_source(&self, project_id: &str, name: &str) -> Option<&Arc<Source>> {
        match name.strip_prefix(PREFIX) {
            Some(name) => self.source(WORKSPACE, name),
            None => self.source(project_id, name).or_else(|| self.source(WORKSPACE, name)),
        }
    }

    /// The sources that a project sees, by name; of two with one name its own comes first.
    pub fn visible_sources(&self, project_id: &str) -> Vec<Arc<Source>> {
        let mut found = self.sources(project_id);
        found.extend(self.sources(WORKSPACE));
        found.sort_by(|a, b| a.record.definition.name.cmp(&b.record.definition.name));
        found
    }

    /// How a project tells the source from all others: by its name, and `workspace:` before it where its own hides it.
    pub fn source_label(&self, project_id: &str, source: &Source) -> String {
        let name = source.record.definition.name.as_str();
        let hidden = source.is_of_workspace() && self.source(project_id, name).is_some();
        if hidden { format!("{PREFIX}{name}") } else { name.to_owned() }
    }

    /// The source that a reference of a project means, as that project reads it; or why there is none.
    pub fn source_of(
        &self,
        project_id: &Arc<str>,
        environment: &Name,
        named: Option<&str>,
    ) -> Result<Arc<Source>, String> {
        let found = match named {
            Some(name) => self.visible_source(project_id, name).ok_or_else(|| {
                format!(
                    "there is no source `{name}` in the project or the workspace: create it, or name another"
                )
            }),
            None => {
                self.meant(project_id, environment).ok_or_else(|| self.none_active(project_id, environment))
            }
        }?;
        let project = self.project_by_id(project_id).ok_or("the project is not known yet: try again")?;
        let source = found.for_project(project);
        match source.refusal() {
            Some(refusal) => Err(refusal),
            None => Ok(source),
        }
    }

    /// The source that plain references of a project mean: the one made active for the project; else, but only for a
    /// project that has no source of its own, the one made active for the workspace.
    fn meant(&self, project_id: &Arc<str>, environment: &Name) -> Option<&Arc<Source>> {
        self.active_source(project_id, environment)
            .or_else(|| self.active_in_workspace(environment).filter(|_| self.uses_workspace(project_id)))
    }

    /// Whether plain references of a project mean the source in an environment.
    pub fn means(&self, project_id: &Arc<str>, environment: &Name, source_id: &str) -> bool {
        self.meant(project_id, environment).is_some_and(|source| *source.record.id == *source_id)
    }

    /// Whether the workspace's active sources hold for a project: it has none of its own.
    fn uses_workspace(&self, project_id: &str) -> bool {
        self.sources(project_id).is_empty()
    }

    fn active_in_workspace(&self, environment: &Name) -> Option<&Arc<Source>> {
        self.active_source(&Arc::from(WORKSPACE), environment)
    }

    fn none_active(&self, project_id: &str, environment: &Name) -> String {
        let none = format!("no source is active for the environment `{environment}`");
        let Some(unused) = self.active_in_workspace(environment) else {
            return format!(
                "{none}: make one active with `PUT /v1/sources/active`, or name one as `secrets@name`"
            );
        };
        let name = unused.record.definition.name.as_str();
        let label = self.source_label(project_id, unused);
        // a reference that names a hidden source means the project's own
        let or_named =
            if label == name { format!(", or name it as `secrets@{name}`") } else { String::new() };
        format!(
            "{none}, and the workspace's source `{name}` is not used silently, because the project has sources of its own: make one of them or `{label}` active with `PUT /v1/sources/active`{or_named}"
        )
    }

    /// The environments in which plain references of a project mean something, or are an error that says why not.
    pub fn known_environments(&self, project_id: &str) -> BTreeSet<Name> {
        let mut known = self.active_environments_of(project_id);
        known.extend(self.active_environments_of(WORKSPACE));
        known
    }

    /// The environments in which some source is active for a project.
    pub fn used_environments(&self, project_id: &str) -> BTreeSet<Name> {
        if self.uses_workspace(project_id) {
            return self.known_environments(project_id);
        }
        self.active_environments_of(project_id)
    }

    /// The environments in which a source is active for the workspace.
    pub fn workspace_environments(&self, source_id: &str) -> Vec<Name> {
        let is_it = |environment: &Name| {
            self.active_in_workspace(environment).is_some_and(|source| *source.record.id == *source_id)
        };
        self.active_environments_of(WORKSPACE).into_iter().filter(is_it).collect()
    }

    /// The environments in which plain references of a project mean the source.
    pub fn environments_meaning(&self, project_id: &Arc<str>, source_id: &str) -> Vec<Name> {
        let is_it = |environment: &Name| self.means(project_id, environment, source_id);
        self.used_environments(project_id).into_iter().filter(is_it).collect()
    }
}

impl App {
    /// What belongs to the workspace is changed by tokens of the whole installation alone.
    pub(super) fn may_change(caller: &Caller, scope: SourceScope) -> Result<(), Error> {
        if scope == SourceScope::Workspace && !caller.installation {
            return Err(Error::InstallationOnly);
        }
        Ok(())
    }

    /// The id of what a source belongs to.
    pub(super) fn owner(caller: &Caller, scope: SourceScope) -> Arc<str> {
        match scope {
            SourceScope::Project => Arc::clone(&caller.project.id),
            SourceScope::Workspace => WORKSPACE.into(),
        }
    }

    /// Whether the caller's project neither owns a source nor has chosen one of the workspace for the environment.
    pub(super) fn has_no_source(&self, caller: &Caller, environment: &Name) -> bool {
        let (state, project) = (self.registry.state(), &caller.project.id);
        state.sources(project).is_empty() && state.active_source(project, environment).is_none()
    }

    /// Makes a source the one that plain references mean in an environment: those of the caller's project, or, in the
    /// scope of the workspace, those of all projects that have no source of their own. Every cache is kept.
    pub async fn activate_source(
        &self,
        caller: &Caller,
        environment: &Name,
        name: &str,
        scope: SourceScope,
        dry_run: bool,
    ) -> Result<SourceView, Error> {
        Self::may_change(caller, scope)?;
        let source = self.known_source(caller, &address(name, scope))?;
        if !dry_run {
            self.activate(caller, scope, environment, &source).await?;
        }
        Ok(self.source_view(caller, &source.record))
    }

    pub(super) async fn activate(
        &self,
        caller: &Caller,
        scope: SourceScope,
        environment: &Name,
        source: &Source,
    ) -> Result<(), Error> {
        let active = ActiveSource {
            project_id: Self::owner(caller, scope),
            environment: environment.clone(),
            source_id: Arc::clone(&source.record.id),
        };
        let mut event = source_event(
            caller,
            scope,
            "source.activate",
            source.record.definition.name.as_str(),
            self.clock.now_ms(),
        );
        event.detail = Some(format!("environment {environment}"));
        let sequence = self.store.set_active_source(&active, &event).await?;
        self.registry.set_active(sequence, active);
        Ok(())
    }

    /// What there is to say of a source in a project.
    pub(super) fn source_findings(&self, project_id: &str, definition: &SourceDefinition) -> Vec<Finding> {
        let state = self.registry.state();
        let name = definition.name.as_str();
        let other = match definition.scope {
            SourceScope::Project => WORKSPACE,
            SourceScope::Workspace => project_id,
        };
        if state.source(other, name).is_none() {
            return Vec::new();
        }
        let finding = match definition.scope {
            SourceScope::Project => Finding::warning(
                "HIDES_WORKSPACE_SOURCE",
                "name",
                format!("the workspace has a source `{name}` too: in this project the name means this one"),
            )
            .with_help(format!("`{PREFIX}{name}` makes the workspace's active; another name hides nothing")),
            SourceScope::Workspace => Finding::warning(
                "HIDDEN_BY_PROJECT_SOURCE",
                "name",
                format!("the project has a source `{name}` of its own: here the name means that one"),
            )
            .with_help(format!("address this one as `{PREFIX}{name}`")),
        };
        vec![finding]
    }

    /// What a caller may see of a definition: who is not of the installation learns of no other project.
    pub(super) fn shown_definition(caller: &Caller, definition: &SourceDefinition) -> SourceDefinition {
        let mut shown = definition.clone();
        if let SourceKind::Aws(aws) = &mut shown.kind
            && !caller.installation
        {
            aws.project_roles.retain(|project, _| *project == caller.project.name);
        }
        shown
    }

    /// A role of a project that is not there would be used by nobody, and the project would read without it.
    pub(super) fn unknown_projects(&self, definition: &SourceDefinition) -> Vec<Finding> {
        let SourceKind::Aws(aws) = &definition.kind else { return Vec::new() };
        let state = self.registry.state();
        let unknown = aws.project_roles.keys().filter(|project| state.project(project.as_str()).is_none());
        unknown
            .map(|project| {
                Finding::error(
                    "UNKNOWN_PROJECT",
                    format!("project_roles.{project}"),
                    format!("there is no project `{project}`"),
                )
                .with_help("correct the name, or create the project first")
            })
            .collect()
    }

    /// The project whose role read what is cached under a key.
    pub(super) fn read_for(&self, key_source: &str) -> Option<Name> {
        let (_, project) = key_source.split_once('/')?;
        self.registry.state().project_by_id(project).map(|project| project.name.clone())
    }

    /// The resources of which a caller counts those that use a source.
    pub(super) fn possible_users(&self, caller: &Caller, source: &Source) -> Vec<Arc<Resource>> {
        let state = self.registry.state();
        if source.is_of_workspace() && caller.installation {
            return state.projects().iter().flat_map(|project| state.resources(&project.id)).collect();
        }
        state.resources(&caller.project.id)
    }

    /// How many resources of other projects use a source of the workspace.
    pub(super) fn used_elsewhere(&self, own: &Project, source: &Source) -> Vec<UsedElsewhere> {
        if !source.is_of_workspace() {
            return Vec::new();
        }
        let state = self.registry.state();
        let mut found: BTreeMap<Name, usize> = BTreeMap::new();
        for project in state.projects().into_iter().filter(|project| project.id != own.id) {
            let resources = state.resources(&project.id);
            let users = resources.iter().filter(|used| self.uses_source(used, source)).count();
            if users > 0 {
                found.insert(project.name, users);
            }
        }
        found.into_iter().map(|(project, resources)| UsedElsewhere { project, resources }).collect()
    }

    /// Whether a resource names a secret of the source, in any of its environments.
    pub(super) fn uses_source(&self, resource: &Resource, source: &Source) -> bool {
        let is_of_it = |target: &Arc<Source>| target.record.id == source.record.id;
        self.uses(&resource.record)
            .iter()
            .any(|used| used.target.as_ref().is_ok_and(|(target, _)| is_of_it(target)))
    }
}

/// A source's name as one looks for it in that scope.
pub(super) fn address(name: &str, scope: SourceScope) -> String {
    match scope {
        SourceScope::Workspace if !name.starts_with(PREFIX) => format!("{PREFIX}{name}"),
        SourceScope::Workspace | SourceScope::Project => name.to_owned(),
    }
}

/// The audit row of a change of a source; of one of the workspace it belongs to no project.
pub(super) fn source_event(
    caller: &Caller,
    scope: SourceScope,
    action: &str,
    subject: &str,
    now_ms: i64,
) -> Event {
    let mut event = audit::event(caller, action, subject, now_ms);
    if scope == SourceScope::Workspace {
        event.project.clear();
    }
    event
}

/// Who uses a source, for a sentence.
pub(super) fn users(removal: &Removal) -> Option<String> {
    let resources: usize = removal.used_elsewhere.iter().map(|other| other.resources).sum();
    let elsewhere = match resources {
        0 => None,
        1 => Some("1 resource of another project".to_owned()),
        many => Some(format!("{many} resources of other projects")),
    };
    let own = (!removal.used_by.is_empty()).then(|| first_few(&removal.used_by));
    let both: Vec<String> = own.into_iter().chain(elsewhere).collect();
    (!both.is_empty()).then(|| both.join(" and "))
}

/// A definition that does not say whom it belongs to belongs to whom it did.
pub(super) fn keep_scope(definition: &mut Value, old: &Value) {
    if let (Some(fields), Some(scope)) = (definition.as_object_mut(), old.get("scope")) {
        fields.entry("scope").or_insert_with(|| scope.clone());
    }
}

/// Names for a sentence.
fn first_few(names: &[Name]) -> String {
    let shown: Vec<String> = names.iter().take(5).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(shown.len());
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}
