//! Which resource uses which secret, and in which environments anything runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::connect;
use crate::app::connection::Subject;
use crate::app::source::Source;
use crate::app::{App, Error};
use crate::cache::SecretKey;
use crate::model::name::Name;
use crate::model::principal::Caller;
use crate::model::resource::Definition;
use crate::model::secret::SourceKind;
use crate::store::ResourceRecord;

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
    /// Whether it is there; absent when it is not known: its source was not asked, or the reference is an ARN beyond what
    /// was asked for, of another namespace, account or region.
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
        let label = |source: &Source| self.registry.state().source_label(&caller.project.id, source);
        let mut usage = Usage::default();
        let mut found: BTreeMap<(String, String), Vec<Place>> = BTreeMap::new();
        for used in resources.iter().flat_map(|resource| self.uses(&resource.record)) {
            match &used.target {
                Err(reason) if only.is_none() => add(&mut usage.without_source, &used, reason),
                Ok((source, key)) if only.as_ref().is_none_or(|id| *id == source.record.id) => {
                    merge(found.entry((label(source), key.secret.to_string())).or_default(), &used);
                }
                _ => {}
            }
        }
        let sources = self.registry.state().visible_sources(&caller.project.id);
        let wanted = sources.iter().filter(|source| only.as_ref().is_none_or(|id| *id == source.record.id));
        let mut names: BTreeMap<String, Names> = BTreeMap::new();
        for source in wanted {
            let name = label(source);
            match self.names(&source.for_project(&caller.project), filter.check).await {
                Ok(listed) => drop(names.insert(name, listed)),
                Err(reason) => usage.unlisted.push(Unlisted { source: name, reason }),
            }
        }
        // what nobody uses is told of only where everything is looked at
        if filter.resource.is_none() {
            let elsewhere = self.named_elsewhere(caller);
            for (source, listed) in &names {
                let free: BTreeSet<String> = listed.unnamed(&elsewhere, source).into_iter().collect();
                let unnamed = listed.unnamed(&found, source).into_iter();
                for secret in unnamed.filter(|secret| free.contains(secret)) {
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
                exists: names.get(&source).and_then(|listed| listed.has(&secret)),
                source,
                secret,
                used_by,
            })
            .collect();
        Ok(usage)
    }

    /// The secrets of the workspace that resources of other projects name: they are not unused. Who names them is not
    /// told.
    fn named_elsewhere(&self, caller: &Caller) -> BTreeMap<(String, String), Vec<Place>> {
        let state = self.registry.state();
        let mut named = BTreeMap::new();
        if !state.visible_sources(&caller.project.id).iter().any(|source| source.is_of_workspace()) {
            return named;
        }
        for project in state.projects().iter().filter(|project| project.id != caller.project.id) {
            let resources = state.resources(&project.id);
            let uses = resources.iter().flat_map(|resource| self.uses(&resource.record));
            let targets = uses.filter_map(|used| used.target.ok());
            for (source, key) in targets.filter(|(source, _)| source.is_of_workspace()) {
                let label = state.source_label(&caller.project.id, &source);
                named.insert((label, key.secret.to_string()), Vec::new());
            }
        }
        named
    }

    /// All names of a source.
    async fn names(&self, source: &Source, ask_aws: bool) -> Result<Names, String> {
        let definition = &source.record.definition;
        if definition.kind == SourceKind::Local {
            // one more than are told of, to see that there are more
            let most = i64::try_from(MOST_NAMES + 1).unwrap_or(i64::MAX);
            let rows = self.store.vault_names(&source.record.id, "", "", most).await;
            let rows = rows.map_err(|error| error.to_string())?;
            if rows.len() > MOST_NAMES {
                return Err(too_many());
            }
            let listed = rows.into_iter().map(|(name, _)| (name, None)).collect();
            return Ok(Names { listed, prefix: None });
        }
        if !ask_aws {
            return Err("not asked for: give `check=true`".to_owned());
        }
        let client = source.client(self).map_err(|error| error.to_string())?;
        let prefix = definition.full_name("");
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let page = client.list(&prefix, token, 100).await;
            let (listed, next) = page.map_err(|error| error.to_string())?;
            found.extend(listed.into_iter().map(|secret| (secret.name, secret.arn)));
            if next.is_none() {
                return Ok(Names { listed: found, prefix: Some(prefix) });
            }
            if found.len() >= MOST_NAMES {
                return Err(too_many());
            }
            token = next;
        }
    }

    /// Every reference of a resource, in every environment that it runs in.
    pub(super) fn uses(&self, record: &ResourceRecord) -> Vec<Use> {
        let mut uses = Vec::new();
        for environment in self.environments(&record.project_id, &record.definition) {
            let definition = record.definition.in_environment(&environment);
            let subject = Subject::of(record, &definition, &environment);
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
        let mut known = self.registry.state().used_environments(project_id);
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
        // what is known of the workspace's is told by the references that do not use them
        if known.contains(environment)
            || self.registry.state().known_environments(project_id).contains(environment)
        {
            return Ok(());
        }
        let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
        Err(Error::BadRequest(format!(
            "there is no environment `{environment}` here, only {}: the resource's `environments` or an active source for it makes one",
            known.join(", ")
        )))
    }
}

fn too_many() -> String {
    format!("it has more than {MOST_NAMES} secrets")
}

/// The names of a source, with their ARNs where there are any.
#[derive(Debug)]
struct Names {
    listed: Vec<(String, Option<String>)>,
    /// What all names begin with that were asked for; none where all there are were.
    prefix: Option<String>,
}

impl Names {
    /// Whether a secret is there; none where that is not known.
    fn has(&self, secret: &str) -> Option<bool> {
        if self.listed.iter().any(|(name, arn)| is_named(secret, name, arn.as_deref())) {
            return Some(true);
        }
        self.covers(secret).then_some(false)
    }

    /// Whether a secret would be in the list if it were there. Names always lie in the namespace; an ARN does only where
    /// its own name does, in the account and region of what was listed.
    fn covers(&self, secret: &str) -> bool {
        let (Some(prefix), Some((place, name))) = (&self.prefix, arn_parts(secret)) else { return true };
        let mut places = self.listed.iter().filter_map(|(_, arn)| arn_parts(arn.as_deref()?));
        name.starts_with(prefix) && places.next().is_some_and(|(listed, _)| listed == place)
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
        self.listed.iter().filter(is_unnamed).map(|(name, _)| name.clone()).collect()
    }
}

/// Partition, region and account of a secret's ARN, and its name with what AWS put behind it; none for another text.
fn arn_parts(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("arn:")?.split_once(":secret:")
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
pub(super) fn merge(places: &mut Vec<Place>, used: &Use) {
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
    use super::{Names, is_named};

    #[test]
    fn an_arn_beyond_what_was_listed_is_not_known_to_be_missing() {
        let arn = |region: &str, account: &str, name: &str| {
            format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}")
        };
        let own = |name: &str| arn("eu-central-1", "111122223333", name);
        let listed = vec![("app/db".to_owned(), Some(own("app/db-AbCdEf")))];
        let names = Names { listed, prefix: Some("app/".to_owned()) };
        assert_eq!(names.has("app/db"), Some(true));
        assert_eq!(names.has(&own("app/db-AbCdEf")), Some(true));
        assert_eq!(names.has(&own("app/db")), Some(true));
        assert_eq!(names.has("app/gone"), Some(false));
        assert_eq!(names.has(&own("app/gone-AbCdEf")), Some(false));
        for beyond in [
            own("other/db-AbCdEf"),
            arn("eu-central-1", "999999999999", "app/db-AbCdEf"),
            arn("eu-west-1", "111122223333", "app/db-AbCdEf"),
        ] {
            assert_eq!(names.has(&beyond), None, "{beyond}");
        }
        let nothing = Names { listed: Vec::new(), prefix: Some("app/".to_owned()) };
        assert_eq!(nothing.has("app/gone"), Some(false));
        assert_eq!(nothing.has(&own("app/gone-AbCdEf")), None, "the account is not known");
        let local = Names { listed: Vec::new(), prefix: None };
        assert_eq!(local.has(&own("app/gone-AbCdEf")), Some(false), "a local source has no ARNs");
    }

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
