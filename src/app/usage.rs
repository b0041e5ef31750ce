//! Which resource uses which secret, and in which environments anything runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::app::connect::{self, Subject};
use crate::app::source::Source;
use crate::app::{App, Error, Resource};
use crate::cache::SecretKey;
use crate::model::name::Name;
use crate::model::resource::Definition;

/// One reference of one resource, in one environment.
#[derive(Debug, Clone)]
pub(super) struct Use {
    pub(super) resource: Name,
    pub(super) environment: Name,
    pub(super) field: &'static str,
    /// As it is written.
    pub(super) reference: String,
    /// Where it leads; the reason when it leads nowhere.
    pub(super) target: Result<(Arc<Source>, SecretKey), String>,
}

impl App {
    /// Every reference of a resource, in every environment that it runs in.
    pub(super) fn uses(&self, resource: &Resource) -> Vec<Use> {
        let record = &resource.record;
        let mut uses = Vec::new();
        for environment in self.environments(&record.project_id, &record.definition) {
            let definition = record.definition.in_environment(&environment);
            let subject = Subject {
                definition: &definition,
                literals: &record.literals,
                project_id: &record.project_id,
                environment: &environment,
            };
            for (field, template) in connect::templates(&definition).unwrap_or_default() {
                uses.extend(template.references().map(|reference| {
                    Use {
                        resource: record.definition.name.clone(),
                        environment: environment.clone(),
                        field,
                        reference: reference.to_string(),
                        target: self
                            .source_of(&subject, field, reference)
                            .map(|source| {
                                let key = source.wanted(reference).key;
                                (source, key)
                            })
                            .map_err(|error| error.to_string()),
                    }
                }));
            }
        }
        uses
    }

    /// The environments of a resource: the default one, those that it names, and those with an active source.
    pub(super) fn environments(&self, project_id: &str, definition: &Definition) -> BTreeSet<Name> {
        let mut known = self.registry.state().active_environments_of(project_id);
        known.extend(definition.environments.keys().cloned());
        known.extend(Name::parse(crate::app::DEFAULT_ENVIRONMENT).ok());
        known
    }

    /// A name with a typing error must not run against the default environment.
    pub(super) fn check_environment(
        &self,
        project_id: &str,
        definition: &Definition,
        environment: &Name,
    ) -> Result<(), Error> {
        let known = self.environments(project_id, definition);
        if known.contains(environment) {
            return Ok(());
        }
        let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
        Err(Error::BadRequest(format!(
            "there is no environment `{environment}` here, only {}: the resource's `environments` or an active source for it makes one",
            known.join(", ")
        )))
    }
}
