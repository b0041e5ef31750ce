//! Which resource uses which secret, and in which environments anything runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::connect::{self, Subject};
use crate::app::source::Source;
use crate::app::{App, Error, Resource};
use crate::cache::SecretKey;
use crate::model::name::Name;
use crate::model::principal::Caller;
use crate::model::resource::Definition;
use crate::model::secret::SourceKind;

/// Names that are read of one source to compare with; AWS gives 100 a call.
const MOST_NAMES: usize = 10_000;

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

/// What to tell of.
#[derive(Debug, Clone, Default)]
pub struct UsageFilter {
    /// Only this source.
    pub source: Option<String>,
    /// Only secrets whose name holds this text.
    pub search: Option<String>,
    /// Only this resource.
    pub resource: Option<String>,
    /// Ask sources at AWS for their names too.
    pub check: bool,
}

/// Where secrets are used, and where references lead nowhere.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Usage {
    /// Every secret that a resource names or that a source lists, by source and name.
    pub secrets: Vec<SecretUse>,
    /// References for which there is no source.
    pub without_source: Vec<Dangling>,
    /// Sources whose names were not read, so that it is not known which of their secrets exist.
    pub unlisted: Vec<Unlisted>,
}

/// One secret.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SecretUse {
    /// The source's name.
    pub source: String,
    /// The name or ARN at the source, with its namespace.
    pub secret: String,
    /// Whether it is there; absent when its source was not asked.
    pub exists: Option<bool>,
    /// Who uses it; empty for one that nobody uses.
    pub used_by: Vec<Place>,
}

/// Where a reference stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Place {
    /// The resource.
    #[schema(value_type = String)]
    pub resource: Name,
    /// The environments in which it leads there.
    #[schema(value_type = Vec<String>)]
    pub environments: Vec<Name>,
    /// The field.
    pub field: &'static str,
    /// As it is written.
    pub reference: String,
}

/// A reference without a source.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Dangling {
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// Why it leads nowhere.
    pub reason: String,
}

/// A source whose names are not known.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Unlisted {
    /// The source.
    pub source: String,
    /// Why.
    pub reason: String,
}

impl App {
    /// Where the secrets of the caller's project are used, which references lead nowhere, and which secrets nobody uses.
    pub async fn usage(&self, caller: &Caller, filter: &UsageFilter) -> Result<Usage, Error> {
        let only = match &filter.source {
            Some(name) => Some(self.known_source(caller, name)?.record.id.clone()),
            None => None,
        };
        let resources = match &filter.resource {
            Some(name) => vec![self.known_resource(caller, name)?],
            None => self.registry.state().resources(&caller.project.id),
        };
        let mut usage = Usage::default();
        let mut found: BTreeMap<(String, String), Vec<Place>> = BTreeMap::new();
        for used in resources.iter().flat_map(|resource| self.uses(resource)) {
            match &used.target {
                Err(reason) if only.is_none() => add(&mut usage.without_source, &used, reason),
                Ok((source, key)) if only.as_ref().is_none_or(|id| *id == source.record.id) => {
                    let name = source.record.definition.name.to_string();
                    merge(found.entry((name, key.secret.to_string())).or_default(), &used);
                }
                _ => {}
            }
        }
        let sources = self.registry.state().sources(&caller.project.id);
        let wanted = sources.iter().filter(|source| only.as_ref().is_none_or(|id| *id == source.record.id));
        let mut names: BTreeMap<String, Names> = BTreeMap::new();
        for source in wanted {
            let name = source.record.definition.name.to_string();
            match self.names(source, filter.check).await {
                Ok(listed) => drop(names.insert(name, listed)),
                Err(reason) => usage.unlisted.push(Unlisted { source: name, reason }),
            }
        }
        // what nobody uses is told of only where everything is looked at
        if filter.resource.is_none() {
            for (source, listed) in &names {
                for secret in listed.unnamed(&found, source) {
                    found.entry((source.clone(), secret)).or_default();
                }
            }
        }
        usage.secrets = found
            .into_iter()
            .filter(|((_, secret), _)| {
                filter.search.as_ref().is_none_or(|text| secret.contains(text.as_str()))
            })
            .map(|((source, secret), used_by)| SecretUse {
                exists: names.get(&source).map(|listed| listed.has(&secret)),
                source,
                secret,
                used_by,
            })
            .collect();
        Ok(usage)
    }

    /// All names of a source.
    async fn names(&self, source: &Source, ask_aws: bool) -> Result<Names, String> {
        let definition = &source.record.definition;
        if definition.kind == SourceKind::Local {
            let most = i64::try_from(MOST_NAMES).unwrap_or(i64::MAX);
            let rows = self.store.vault_names(&source.record.id, "", "", most).await;
            let rows = rows.map_err(|error| error.to_string())?;
            return Ok(Names(rows.into_iter().map(|(name, _)| (name, None)).collect()));
        }
        if !ask_aws {
            return Err("not asked for: give `check=true`".to_owned());
        }
        let client = source.client(self).map_err(|error| error.to_string())?;
        let (mut names, mut token) = (Names::default(), None);
        loop {
            let page = client.list(&definition.full_name(""), token, 100).await;
            let (listed, next) = page.map_err(|error| error.to_string())?;
            names.0.extend(listed.into_iter().map(|secret| (secret.name, secret.arn)));
            if next.is_none() {
                return Ok(names);
            }
            if names.0.len() >= MOST_NAMES {
                return Err(format!("it has more than {MOST_NAMES} secrets"));
            }
            token = next;
        }
    }

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

/// The names of a source, with their ARNs where there are any.
#[derive(Debug, Default)]
struct Names(Vec<(String, Option<String>)>);

impl Names {
    fn has(&self, secret: &str) -> bool {
        self.0.iter().any(|(name, arn)| is_named(secret, name, arn.as_deref()))
    }

    /// Those that no reference names.
    fn unnamed<'a>(
        &'a self,
        found: &'a BTreeMap<(String, String), Vec<Place>>,
        source: &'a str,
    ) -> Vec<String> {
        let named: Vec<&String> =
            found.keys().filter(|(of, _)| of == source).map(|(_, secret)| secret).collect();
        let is_unnamed = |(name, arn): &&(String, Option<String>)| {
            !named.iter().any(|secret| is_named(secret, name, arn.as_deref()))
        };
        self.0.iter().filter(is_unnamed).map(|(name, _)| name.clone()).collect()
    }
}

/// A reference names a secret by its name or by its ARN, which may lack its last six characters.
pub(super) fn is_named(secret: &str, name: &str, arn: Option<&str>) -> bool {
    secret == name
        || arn.is_some_and(|arn| {
            arn == secret
                || arn.strip_prefix(secret).is_some_and(|rest| rest.len() == 7 && rest.starts_with('-'))
        })
}

fn place(used: &Use) -> Place {
    Place {
        resource: used.resource.clone(),
        environments: vec![used.environment.clone()],
        field: used.field,
        reference: used.reference.clone(),
    }
}

/// One place for the same reference in several environments.
fn merge(places: &mut Vec<Place>, used: &Use) {
    let same = |place: &&mut Place| {
        (&place.resource, place.field, &place.reference) == (&used.resource, used.field, &used.reference)
    };
    match places.iter_mut().find(same) {
        Some(known) => known.environments.push(used.environment.clone()),
        None => places.push(place(used)),
    }
}

fn add(dangling: &mut Vec<Dangling>, used: &Use, reason: &str) {
    dangling.push(Dangling { place: place(used), reason: reason.to_owned() });
}

#[cfg(test)]
mod tests {
    use super::is_named;

    #[test]
    fn a_secret_is_named_by_name_by_arn_and_by_arn_without_its_end() {
        let arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:db-AbCdEf";
        let short = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:db";
        for named in ["db", arn, short] {
            assert!(is_named(named, "db", Some(arn)), "{named}");
        }
        for other in ["d", "db-AbCdEf", "arn:aws:secretsmanager:eu-central-1:111122223333:secret:d"] {
            assert!(!is_named(other, "db", Some(arn)), "{other}");
        }
    }
}
