//! Whether a secret may be used where a definition puts it: asked when a definition is checked, with what is
//! written, and when a connection is made, with what was rendered.
//!
//! Invariant: what a role's ARN was rendered to is never told. It may come out of any secret, and a denial must not
//! show a value.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use url::Url;

use crate::app::connect;
use crate::app::connection::{Snapshot, Subject};
use crate::app::{App, Error};
use crate::aws::credentials::Role;
use crate::aws::egress::Endpoint;
use crate::config::UsageDefault;
use crate::finding::Finding;
use crate::model::name::Name;
use crate::model::resource::Definition;
use crate::model::secret::SourceDefinition;
use crate::model::usage_policy::{self, Assumed, Decision, Denial, Host, Use};
use crate::store::UsagePolicyRecord;
use crate::template::{self, Reference, Template};

/// The code of the finding.
pub(super) const USAGE_DENIED: &str = "USAGE_DENIED";

/// The rules that are in force, or would be.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    list: Vec<Arc<UsagePolicyRecord>>,
    default: UsageDefault,
}

/// Where the requests of a definition go, and as whom. Not `Debug`: the role may have come out of a secret.
pub(super) struct Destination {
    host: Host,
    role: Assumed,
    /// For messages: the role as it is written, never as it was rendered.
    role_words: String,
}

/// One reference, and what it is used for.
pub(super) struct Asked<'a> {
    pub(super) project: &'a str,
    pub(super) resource: &'a str,
    pub(super) field: &'a str,
    pub(super) source: &'a SourceDefinition,
    /// The name or ARN at the source.
    pub(super) secret: &'a str,
    pub(super) destination: &'a Destination,
}

impl Rules {
    /// The same with this rule in the place of the one of its name.
    pub(super) fn with(mut self, rule: UsagePolicyRecord) -> Rules {
        self = self.without(&rule.definition.name);
        self.list.push(Arc::new(rule));
        self
    }

    /// The same without the rule of that name.
    pub(super) fn without(mut self, name: &Name) -> Rules {
        self.list.retain(|rule| rule.definition.name != *name);
        self
    }

    /// Nothing is ruled, so there is nothing to look at.
    fn is_open(&self) -> bool {
        self.list.is_empty() && self.default == UsageDefault::Allow
    }

    pub(super) fn decide(&self, asked: &Asked<'_>, readings: &[Vec<String>]) -> Decision {
        let used = Use {
            project: asked.project,
            source: asked.source.name.as_str(),
            names: &[],
            field: asked.field,
            host: &asked.destination.host,
            role: &asked.destination.role,
        };
        let rules = self.list.iter().map(|rule| &rule.definition);
        usage_policy::judge_all(&rules, self.default, &used, readings)
    }

    /// Whether some rule names the secret.
    pub(super) fn name(&self, source: &SourceDefinition, readings: &[Vec<String>]) -> bool {
        let names = |rule: &UsagePolicyRecord| {
            readings.iter().any(|names| rule.definition.is_about(source.name.as_str(), names))
        };
        self.list.iter().any(|rule| names(rule))
    }

    /// Why the use is denied; none when it is allowed.
    pub(super) fn denial(&self, asked: &Asked<'_>, readings: &[Vec<String>]) -> Option<Denial> {
        match self.decide(asked, readings) {
            Decision::Denied(denial) => Some(denial),
            Decision::Allowed(_) => None,
        }
    }
}

impl Destination {
    /// As a definition has it: what is a template is not known yet.
    pub(super) fn written(definition: &Definition) -> Destination {
        Destination::at(definition, definition.endpoint.as_deref())
    }

    /// Where signed URLs lead, when that is another host.
    pub(super) fn public(definition: &Definition) -> Option<Destination> {
        let public = definition.public_endpoint.as_deref().filter(|url| !url.is_empty())?;
        Some(Destination::at(definition, Some(public)))
    }

    fn at(definition: &Definition, endpoint: Option<&str>) -> Destination {
        let host = match endpoint.filter(|url| !url.is_empty()) {
            None => Host::Aws,
            Some(text) => literal(text).and_then(|url| host_of(&url)).map_or(Host::Unknown, Host::Named),
        };
        let written = definition.assume_role.as_ref().map(|role| literal(&role.role_arn));
        let role = match written {
            None => Assumed::Nothing,
            Some(None) => Assumed::Unknown,
            Some(Some(arn)) => Assumed::Role(arn),
        };
        Destination::new(host, role)
    }

    /// A host, or AWS, and a role, or none.
    pub(super) fn new(host: Host, role: Assumed) -> Destination {
        let role_words = match &role {
            Assumed::Nothing => "without a role".to_owned(),
            Assumed::Role(arn) => format!("with the role `{arn}`"),
            Assumed::Unknown => "with the role of `assume_role.role_arn`".to_owned(),
        };
        Destination { host, role, role_words }
    }

    /// As it came out of the templates.
    fn rendered(definition: &Definition, endpoint: Option<&Endpoint>, role: Option<&Role>) -> Destination {
        Destination {
            host: endpoint.map_or(Host::Aws, |endpoint| Host::Named(endpoint.host.clone())),
            role: role.map_or(Assumed::Nothing, |role| Assumed::Role(role.arn.clone())),
            role_words: Destination::written(definition).role_words,
        }
    }
}

impl Asked<'_> {
    /// Which secret, for what, and why not.
    fn detail(&self, denial: &Denial) -> String {
        let Asked { project, resource, field, source, secret, destination } = self;
        let place = match &destination.host {
            Host::Aws => " at AWS".to_owned(),
            Host::Named(host) => format!(" at `{host}`"),
            Host::Unknown => String::new(),
        };
        let (source, role) = (&source.name, &destination.role_words);
        format!(
            "the secret `{secret}` of the source `{source}` may not be used in `{field}` of the resource `{resource}` in the project `{project}`{place} {role}: {denial}"
        )
    }
}

impl App {
    /// The rules that are in force.
    pub(super) fn usage_rules(&self) -> Rules {
        let state = self.registry.state();
        let list = state.usage_policies().values().cloned().collect();
        Rules { list, default: self.config.usage_policy.default }
    }

    /// What the rules say of a reference as it is written.
    pub(super) fn usage_finding(
        &self,
        rules: &Rules,
        subject: &Subject<'_>,
        destination: &Destination,
        field: &'static str,
        reference: &Reference,
    ) -> Option<Finding> {
        if rules.is_open() {
            return None;
        }
        // a reference without a source has a finding of its own
        let source = self.source_of(subject, field, reference).ok()?;
        let secret = source.wanted(reference).key.secret;
        let project = self.project_name(subject.project_id);
        let asked = Asked {
            project: &project,
            resource: subject.definition.name.as_str(),
            field,
            source: &source.record.definition,
            secret: &secret,
            destination,
        };
        let denial = rules.denial(&asked, &usage_policy::readings_of(asked.source, asked.secret))?;
        let finding = Finding::error(USAGE_DENIED, field, asked.detail(&denial))
            .at(reference.span.line, reference.span.column);
        Some(finding.with_help(usage_remedy(denial.rule())))
    }

    /// Whether every secret may be used for what was rendered.
    pub(super) fn check_usage(
        &self,
        subject: &Subject<'_>,
        templates: &BTreeMap<&'static str, Template>,
        snapshot: &Snapshot,
        endpoint: Option<&Endpoint>,
        role: Option<&Role>,
    ) -> Result<(), Error> {
        let rules = self.usage_rules();
        if rules.is_open() {
            return Ok(());
        }
        let destination = Destination::rendered(subject.definition, endpoint, role);
        let project = self.project_name(subject.project_id);
        for (field, template) in templates {
            for reference in template.references() {
                let source = self.source_of(subject, field, reference)?;
                let definition = &source.record.definition;
                let key = source.wanted(reference).key;
                let told = snapshot.hits.get(&key).map(|hit| &hit.entry.secret);
                // what the source itself calls it leaves nothing to read
                let readings = match told.filter(|secret| !secret.name.is_empty()) {
                    Some(secret) => {
                        let arn = secret.arn.as_deref().unwrap_or(&key.secret);
                        vec![usage_policy::names_of(definition, &[&key.secret, &secret.name, arn])]
                    }
                    None => usage_policy::readings_of(definition, &key.secret),
                };
                let asked = Asked {
                    project: &project,
                    resource: subject.definition.name.as_str(),
                    field,
                    source: definition,
                    secret: &key.secret,
                    destination: &destination,
                };
                if let Some(denial) = rules.denial(&asked, &readings) {
                    let detail = asked.detail(&denial);
                    return Err(Error::UsageDenied { detail, rule: denial.rule().cloned() });
                }
            }
        }
        Ok(())
    }

    fn project_name(&self, id: &str) -> String {
        let state = self.registry.state();
        state.project_by_id(id).map(|project| project.name.to_string()).unwrap_or_default()
    }
}

/// What to do about a denied use; `rule` is the rule that came nearest.
pub fn usage_remedy(rule: Option<&Name>) -> String {
    match rule {
        Some(rule) => format!(
            "use the secret where the usage policy `{rule}` allows it, or have an admin of the installation change the policy"
        ),
        None => "have an admin of the installation make a usage policy that allows it".to_owned(),
    }
}

/// What of the secrets goes along when a definition is pointed elsewhere: the references that stay.
pub(super) fn kept_references(before: &Definition, after: &Definition) -> Vec<String> {
    let after = references(after);
    references(before).into_iter().filter(|reference| after.contains(reference)).collect()
}

fn references(definition: &Definition) -> BTreeSet<String> {
    let environments = definition.environments.keys().map(|name| definition.in_environment(name));
    let mut found = BTreeSet::new();
    for seen in environments.chain([definition.clone()]) {
        for template in connect::templates(&seen).unwrap_or_default().values() {
            found.extend(template.references().map(ToString::to_string));
        }
    }
    found
}

/// A field without references.
fn literal(text: &str) -> Option<String> {
    let template = template::parse(text).ok()?;
    (!template.has_references()).then(|| template.text().to_owned())
}

/// The host of a URL, as the egress rules name it.
pub(super) fn host_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    Some(match url.host()? {
        url::Host::Domain(name) => name.to_owned(),
        url::Host::Ipv4(address) => address.to_string(),
        url::Host::Ipv6(address) => address.to_string(),
    })
}
