//! What there is to say about a definition without sending anything.

use crate::app::connection::Subject;
use crate::app::usage_check::Destination;
use crate::app::{App, Error, customer_key, provider_findings};
use crate::finding::{Finding, Severity, has_errors};
use crate::model::literal::{self, Literals};
use crate::model::name::Name;
use crate::model::principal::Caller;
use crate::model::provider;
use crate::model::resource::{Addressing, Auth, CREDENTIAL_FIELDS, Definition, IDENTITY_FIELDS};
use crate::template::{self, Step};

impl App {
    pub(super) fn check(
        &self,
        caller: &Caller,
        definition: &Definition,
        literals: &Literals,
    ) -> Result<(), Error> {
        let findings = self.findings(caller, definition, literals);
        if has_errors(&findings) { Err(Error::invalid(findings)) } else { Ok(()) }
    }

    /// Everything there is to say about a definition without sending anything.
    pub(super) fn findings(
        &self,
        caller: &Caller,
        definition: &Definition,
        literals: &Literals,
    ) -> Vec<Finding> {
        let mut findings = definition.validate();
        if let Err(error) = definition.tls.ca_pem.as_deref().map_or(Ok(()), crate::aws::http::check_ca) {
            findings.push(Finding::error("INVALID_CA", "tls.ca_pem", error.to_string()));
        }
        findings.extend(missing_keys(definition, literals));
        findings.extend(customer_key::findings(definition, literals));
        findings.extend(provider_findings::findings(definition));
        findings.extend(self.recheck_findings(&caller.project.id, definition));
        let environments = definition.environments.keys().cloned();
        let default = Name::parse(crate::app::DEFAULT_ENVIRONMENT).ok();
        for environment in environments.chain(default) {
            let seen = definition.in_environment(&environment);
            let route = self.route_findings(&seen);
            for finding in self.template_findings(caller, &seen, &environment).into_iter().chain(route) {
                if !findings.contains(&finding) {
                    findings.push(finding);
                }
            }
        }
        findings
    }

    /// Whether the outbound route is there, and lets the endpoint through.
    fn route_findings(&self, definition: &Definition) -> Option<Finding> {
        let name = definition.outbound.as_ref()?;
        let Some(route) = self.routes.get(name) else {
            let known: Vec<String> = self.routes.iter().map(|route| format!("`{}`", route.name())).collect();
            let help = match known.as_slice() {
                [] => "the operator sets routes up in the configuration (`outbound`), and there are none"
                    .to_owned(),
                known => format!("use one of {}", known.join(", ")),
            };
            let text = format!("there is no outbound route `{name}`");
            return Some(Finding::error("UNKNOWN_ROUTE", "outbound", text).with_help(help));
        };
        let host = self.written_host(definition)?;
        let blocked = route.check_host(&host).err()?;
        Some(Finding::error("HOST_NOT_ON_ROUTE", "endpoint", blocked.to_string()))
    }

    /// The host that requests go to; none where a template says so, which is looked at when it is known.
    fn written_host(&self, definition: &Definition) -> Option<String> {
        let endpoint = match &definition.endpoint {
            Some(url) => Some(self.egress().check_url(url).ok()?),
            None => None,
        };
        let given = endpoint.as_ref().map(|endpoint| endpoint.host.as_str());
        let profile = provider::choose(&definition.provider, given);
        let host = match (given, definition.region.as_str()) {
            (Some(host), _) => host.to_owned(),
            (None, provider::AUTO) => return None,
            (None, "") => format!("s3.{}.amazonaws.com", profile.default_region),
            (None, region) => format!("s3.{region}.amazonaws.com"),
        };
        let in_host = match definition.addressing {
            Addressing::Auto => profile.addressing == Addressing::Virtual,
            chosen => chosen == Addressing::Virtual,
        };
        let host = if in_host { format!("{}.{host}", definition.bucket) } else { host };
        (!host.contains("{{") && !definition.bucket.starts_with("arn:")).then_some(host)
    }

    pub(super) fn template_findings(
        &self,
        caller: &Caller,
        definition: &Definition,
        environment: &Name,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        let (literals, rules) = (Literals::new(), self.usage_rules());
        let mut destinations = vec![Destination::written(definition)];
        destinations.extend(Destination::public(definition));
        let subject =
            Subject { definition, literals: &literals, project_id: &caller.project.id, environment };
        for (field, text) in definition.text_fields() {
            match template::parse(text) {
                Err(error) => findings.push(
                    Finding::error("TEMPLATE_SYNTAX", field, error.message)
                        .at(error.line, error.column)
                        .with_help(error.help),
                ),
                Ok(template) => {
                    for reference in template.references() {
                        findings.extend(self.reference_finding(&subject, field, reference));
                        for destination in &destinations {
                            findings.extend(self.usage_finding(
                                &rules,
                                &subject,
                                destination,
                                field,
                                reference,
                            ));
                        }
                    }
                    if ["endpoint", "public_endpoint"].contains(&field)
                        && !template.has_references()
                        && !text.is_empty()
                    {
                        let blocked = self.egress().check_url(text).err();
                        findings.extend(
                            blocked.map(|blocked| {
                                Finding::error("ENDPOINT_BLOCKED", field, blocked.to_string())
                            }),
                        );
                    }
                }
            }
        }
        findings
    }

    /// A reference outside the credential fields must be declared as configuration on its source; a source that
    /// is not there can be made later.
    fn reference_finding(
        &self,
        subject: &Subject<'_>,
        field: &'static str,
        reference: &template::Reference,
    ) -> Option<Finding> {
        let position = |finding: Finding| finding.at(reference.span.line, reference.span.column);
        let source = match self.source_of(subject, field, reference) {
            Ok(source) => source,
            Err(error) => {
                let severity = if is_sensitive(field) { Severity::Warning } else { Severity::Error };
                return Some(position(Finding::new(severity, "SOURCE_MISSING", field, error.to_string())));
            }
        };
        if is_sensitive(field) {
            return None;
        }
        let path = path_text(&reference.path);
        let declared = source.record.definition.declares(&reference.secret, &path);
        let name = &source.record.definition.name;
        let wanted =
            if path.is_empty() { reference.secret.clone() } else { format!("{}.{path}", reference.secret) };
        (!declared).then(|| {
            position(Finding::error(
                "NOT_DECLARED_AS_CONFIGURATION",
                field,
                format!("the value of `{reference}` would become visible here, and the source `{name}` does not declare it as configuration"),
            ))
            .with_help(format!("an admin can add `{wanted}`, or a pattern such as `*.{field}`, to `config_paths` of the source `{name}`"))
        })
    }
}

/// Whether a field's rendered value stays inside the service.
pub(super) fn is_sensitive(field: &str) -> bool {
    CREDENTIAL_FIELDS.contains(&field) || IDENTITY_FIELDS.contains(&field)
}

pub(super) fn path_text(path: &[Step]) -> String {
    let parts: Vec<String> = path
        .iter()
        .map(|step| match step {
            Step::Key { name, .. } => name.clone(),
            Step::Index(index) => index.to_string(),
        })
        .collect();
    parts.join(".")
}

fn missing_keys(definition: &Definition, literals: &Literals) -> Vec<Finding> {
    let Auth::AccessKey { access_key_id, secret_access_key, .. } = &definition.auth else {
        return Vec::new();
    };
    let fields = [("auth.access_key_id", access_key_id), ("auth.secret_access_key", secret_access_key)];
    let missing = |(path, field): &(&str, &literal::Credential)| match field {
        literal::Credential::Template(text) => text.trim().is_empty(),
        literal::Credential::Literal(_) => !literals.contains_key(*path),
    };
    let help = "give a template such as `{{ secrets.s3.key_id }}`, or the key itself";
    fields
        .iter()
        .filter(|field| missing(field))
        .map(|(path, _)| Finding::error("KEY_MISSING", *path, "the key is empty").with_help(help))
        .collect()
}
