//! Connect: from a definition to a client, the same way for queries, tests and checks.
//!
//! References are resolved as one snapshot (every reference to a secret uses one version), rendered, and turned
//! into credentials and a client, once per definition and set of versions. A warm query costs a look at the
//! cache's generation and the time; only when one of them moved are the references looked up again, and only
//! when a version changed is a client made.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::app::connection::{Connection, Plan, Prepared, Snapshot, Subject, install};
use crate::app::customer_key::customer_key;
use crate::app::findings::{is_sensitive, path_text};
use crate::app::provider_findings::check_endpoint;
use crate::app::source::{self, Source};
use crate::app::{App, Error, Resource, Unresolved, scope};
use crate::aws::capture::throw_away;
use crate::aws::credentials::{AccessKey, Base, Role, StsTarget};
use crate::aws::egress::Endpoint;
use crate::aws::outbound::Route;
use crate::aws::s3::{S3, Settings, UploadDefaults};
use crate::aws::{AwsError, ErrorKind};
use crate::cache::SecretKey;
use crate::model::literal::Credential;
use crate::model::name::Name;
use crate::model::provider::{self, Profile, Sts};
use crate::model::resource::{
    Addressing, Auth, Definition, Encryption, NamedPolicy, SessionPolicy, is_region,
};
use crate::model::upload::StoreEncryption;
use crate::template::{self, Reference, Template};

/// Milliseconds until the store's first byte when a definition does not say otherwise.
const DEFAULT_TIMEOUT_MS: u64 = 30_000;
/// Tries after the first one when a definition does not say otherwise.
const DEFAULT_RETRIES: u32 = 2;

impl App {
    /// What a query uses. Warm: no call, no lock, no allocation beyond one `Arc`.
    pub async fn connect(
        self: &Arc<Self>,
        resource: &Arc<Resource>,
        environment: &Name,
    ) -> Result<Arc<Connection>, Error> {
        if let Some(unsent) = &self.unsent {
            return self.connect_unsent(resource, environment, unsent);
        }
        if let Some(found) = self.current(resource, environment) {
            return Ok(found);
        }
        // boxed: its state is large, and few take it
        Box::pin(self.reconnect(resource, environment)).await
    }

    fn current(&self, resource: &Resource, environment: &Name) -> Option<Arc<Connection>> {
        let connections = resource.connections.load();
        let (_, connection) = connections.iter().find(|(name, _)| name == environment)?;
        connection
            .is_current(self, &self.registry.state(), self.clock.now_ms())
            .then(|| Arc::clone(connection))
    }

    async fn reconnect(
        self: &Arc<Self>,
        resource: &Arc<Resource>,
        environment: &Name,
    ) -> Result<Arc<Connection>, Error> {
        // both are read before the secrets are: what changes meanwhile is seen by the next query
        let generation = self.cache.generation();
        let sources_epoch = self.registry.state().sources_epoch;
        let record = &resource.record;
        let prepared = if let Some(prepared) = resource.prepared(environment, sources_epoch) {
            prepared
        } else {
            self.check_environment(&record.project_id, &record.definition, environment)?;
            Arc::new(Prepared::of(record, environment)?)
        };
        let subject = Subject::of(record, &prepared.definition, environment);
        // before the lock: the cache lets those who wait for the same secret share one load, a lock would queue them
        let snapshot = self.resolve(&subject, &prepared.templates).await?;
        if let Some(connection) = resource.confirmed(environment, sources_epoch, generation, &snapshot) {
            return Ok(connection);
        }
        // asks the store where the definition leaves the region open, so it is no work for the lock either
        self.find_region(&subject, &prepared.templates, &snapshot).await?;
        // the lock makes one client out of a burst; nothing inside waits
        let _building = resource.building.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = resource.confirmed(environment, sources_epoch, generation, &snapshot) {
            return Ok(connection);
        }
        let plan = self.plan(&subject, &prepared.templates, &snapshot)?;
        let mut connection = self.open(plan)?;
        connection.prepared = Some(prepared);
        connection.used = snapshot.used(self.clock.now_ms());
        connection.sources_epoch = sources_epoch;
        connection.confirm(generation, &snapshot);
        let connection = Arc::new(connection);
        install(resource, environment, &connection);
        Ok(connection)
    }

    /// Fetches every secret that the templates name, each once.
    pub(super) async fn resolve(
        self: &Arc<Self>,
        subject: &Subject<'_>,
        templates: &BTreeMap<&'static str, Template>,
    ) -> Result<Snapshot, Error> {
        let mut wanted: HashMap<SecretKey, (Arc<Source>, &'static str, &Reference)> = HashMap::new();
        for (field, template) in templates {
            for reference in template.references() {
                let source = self.source_of(subject, field, reference)?;
                let key = source.wanted(reference).key;
                wanted.entry(key).or_insert((source, *field, reference));
            }
        }
        let loads = wanted.iter().map(|(key, (source, field, reference))| async move {
            let loader = source::loader(self, source, key);
            let hit = self.cache.get(key, source.policy(), &loader).await;
            hit.map(|hit| (key.clone(), hit)).map_err(|error| unresolved_load(field, reference, key, error))
        });
        let hits = futures_util::future::join_all(loads).await.into_iter().collect::<Result<_, Error>>()?;
        let sources = wanted.into_iter().map(|(key, (source, _, _))| (key, source)).collect();
        Ok(Snapshot { hits, sources, unsent: None })
    }

    /// The source that a reference means, as the project reads it: the named one, else the active one. Never another.
    pub(super) fn source_of(
        &self,
        subject: &Subject<'_>,
        field: &str,
        reference: &Reference,
    ) -> Result<Arc<Source>, Error> {
        let state = self.registry.state();
        let found = state.source_of(subject.project_id, subject.environment, reference.source.as_deref());
        found.map_err(|reason| unresolved(field, reference, &reference.secret, "SourceMissing", reason, None))
    }

    /// Renders a definition.
    pub(super) fn plan(
        &self,
        subject: &Subject<'_>,
        templates: &BTreeMap<&'static str, Template>,
        snapshot: &Snapshot,
    ) -> Result<Plan, Error> {
        let definition = subject.definition;
        let mut rendered: BTreeMap<&'static str, SecretString> = BTreeMap::new();
        for (field, template) in templates {
            let value =
                template::render(template, |reference| self.value(subject, field, reference, snapshot))?;
            rendered.insert(field, value);
        }
        let text = |field: &str| rendered.get(field).map(|value| value.expose_secret().to_owned());
        let checked = |field: &str| {
            let url = text(field).filter(|url| !url.is_empty());
            let checked = url.map(|url| self.egress().check_url(&url)).transpose();
            checked.map_err(|blocked| AwsError::blocked("s3", &blocked))
        };
        let (endpoint, public_endpoint) = (checked("endpoint")?, checked("public_endpoint")?);
        let profile =
            provider::choose(&definition.provider, endpoint.as_ref().map(|endpoint| endpoint.host.as_str()));
        check_endpoint(profile, endpoint.as_ref())?;
        let bucket = text("bucket").unwrap_or_default();
        let (region, region_from) = self.region(
            &text("region").unwrap_or_default(),
            profile,
            (endpoint.as_ref(), definition.outbound.as_ref()),
            &bucket,
        );
        if !is_region(&region) {
            let error = AwsError::new(
                ErrorKind::InvalidRequest,
                "s3",
                "InvalidRequest",
                "the region is not a region",
            );
            return Err(error.into());
        }
        let prefix = text("prefix").unwrap_or_default();
        let base = base(subject, &rendered)?;
        let role = self.role(subject, &rendered, profile, (&bucket, &prefix));
        self.check_usage(subject, templates, snapshot, endpoint.as_ref(), role.as_ref())?;
        if public_endpoint.is_some() {
            // what is signed for it leaves the building
            self.check_usage(subject, templates, snapshot, public_endpoint.as_ref(), role.as_ref())?;
        }
        self.check_default_chain(subject, base.as_ref(), role.as_ref())?;
        let encryption = match &definition.encryption {
            Encryption::SseS3 => StoreEncryption::SseS3,
            Encryption::SseKms { .. } => StoreEncryption::SseKms { key_id: text("encryption.key_id") },
            // the key says it all
            Encryption::BucketDefault | Encryption::SseC { .. } => StoreEncryption::BucketDefault,
        };
        let customer_key =
            customer_key(subject, templates, &rendered, snapshot, (profile, endpoint.as_ref()))?;
        let route = definition.outbound.as_ref().map(|name| self.route_of(name)).transpose()?;
        let path_style = match (definition.addressing, profile.addressing) {
            (Addressing::Auto, by_profile) => by_profile == Addressing::Path,
            (chosen, _) => chosen == Addressing::Path,
        };
        Ok(Plan {
            bucket,
            region,
            region_from,
            endpoint,
            public_endpoint,
            profile,
            path_style,
            prefix,
            base,
            role,
            ca_pem: definition.tls.ca_pem.clone(),
            route,
            timeout: Duration::from_millis(definition.limits.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS)),
            retries: definition.limits.retries.unwrap_or(DEFAULT_RETRIES),
            expected_owner: text("expected_bucket_owner"),
            requester_pays: definition.requester_pays,
            payload_signing: definition.payload_signing,
            defaults: UploadDefaults {
                acl: definition.default_acl,
                storage_class: text("default_storage_class"),
                encryption,
                customer_key,
            },
        })
    }

    /// The outbound route of that name; it may have been taken out of the configuration since it was saved.
    fn route_of(&self, name: &Name) -> Result<Arc<Route>, Error> {
        self.routes.get(name).map(Arc::clone).ok_or_else(|| {
            let text =
                format!("there is no outbound route `{name}`: the operator sets it up in the configuration");
            Error::from(AwsError::new(ErrorKind::InvalidRequest, "s3", "InvalidRequest", text))
        })
    }

    fn value(
        &self,
        subject: &Subject<'_>,
        field: &'static str,
        reference: &Reference,
        snapshot: &Snapshot,
    ) -> Result<SecretString, Error> {
        let source = self.source_of(subject, field, reference)?;
        let wanted = source.wanted(reference);
        let missing = || {
            unresolved(
                field,
                reference,
                &wanted.key.secret,
                "SourceMissing",
                "the source changed meanwhile: try again".to_owned(),
                None,
            )
        };
        // checked when it is saved, and here again: what is declared, and which source is active, may have changed
        let definition = &source.record.definition;
        if !is_sensitive(field) && !definition.declares(&reference.secret, &path_text(&reference.path)) {
            let reason = format!("the source `{}` does not declare it as configuration", definition.name);
            return Err(unresolved(field, reference, &wanted.key.secret, "SecretNotUsable", reason, None));
        }
        let hit = match (snapshot.hits.get(&wanted.key), &snapshot.unsent) {
            (Some(hit), _) => hit,
            (None, Some(unsent)) => return Ok(unsent.stand_in(subject.definition, field)),
            (None, None) => return Err(missing()),
        };
        hit.entry.secret.value.look_up(wanted.mode, &reference.path).map_err(|error| {
            let code = match error {
                template::LookUpError::MissingKey { .. } => "SecretKeyMissing",
                _ => "SecretNotUsable",
            };
            unresolved(field, reference, &wanted.key.secret, code, error.to_string(), None)
        })
    }

    fn role(
        &self,
        subject: &Subject<'_>,
        rendered: &BTreeMap<&'static str, SecretString>,
        profile: &Profile,
        (bucket, prefix): (&str, &str),
    ) -> Option<Role> {
        let role = subject.definition.assume_role.as_ref()?;
        let text = |field: &str| rendered.get(field).map(|value| value.expose_secret().to_owned());
        let scoped = matches!(role.session_policy, SessionPolicy::Named(NamedPolicy::Scoped));
        let policy = match &role.session_policy {
            SessionPolicy::Named(NamedPolicy::Scoped) => {
                Some(scope::session_policy(subject.definition, profile, bucket, prefix))
            }
            SessionPolicy::Document(document) => {
                Some(serde_json::Value::Object(document.clone()).to_string())
            }
            SessionPolicy::Named(NamedPolicy::None) | SessionPolicy::Absent => None,
        };
        Some(Role {
            arn: text("assume_role.role_arn").unwrap_or_default(),
            external_id: text("assume_role.external_id"),
            session_name: text("assume_role.session_name")
                .unwrap_or_else(|| self.session_name(subject, scoped)),
            duration: role.duration,
            policy,
            tags: role.tags.clone(),
        })
    }

    /// Names the project, and the resource where the session is the resource's own: sessions without a policy of
    /// their own are shared by every resource that assumes the same role.
    fn session_name(&self, subject: &Subject<'_>, own: bool) -> String {
        let state = self.registry.state();
        let project =
            state.project_by_id(subject.project_id).map_or("unknown", |project| project.name.as_str());
        let name =
            if own { format!("s3c-{project}-{}", subject.definition.name) } else { format!("s3c-{project}") };
        name.chars().take(64).collect()
    }

    fn check_default_chain(
        &self,
        subject: &Subject<'_>,
        base: Option<&Base>,
        role: Option<&Role>,
    ) -> Result<(), Error> {
        if !matches!(base, Some(Base::Chain)) {
            return Ok(());
        }
        let settings = &self.config.default_chain;
        let state = self.registry.state();
        let project = state.project_by_id(subject.project_id).map_or("", |project| project.name.as_str());
        let with_external_id = role.is_some_and(|role| role.external_id.is_some());
        let refused = if settings.projects.iter().all(|name| name != project) {
            "this project may not use the service's own identity: the operator can add it to `default_chain.projects`"
        } else if !settings.direct && !with_external_id {
            "the service's own identity is used only to assume a role with an external id: set `assume_role`, or let the operator set `default_chain.direct`"
        } else {
            return Ok(());
        };
        Err(Error::from(AwsError::new(ErrorKind::BadCredentials, "s3", "CredentialsMissing", refused)))
    }

    /// Makes the client of a plan; nothing is sent.
    pub(super) fn open(&self, plan: Plan) -> Result<Connection, Error> {
        let way = plan.way();
        let http = self.http.get(way).map_err(|error| {
            Error::from(AwsError::new(ErrorKind::InvalidRequest, "s3", "InvalidRequest", error.to_string()))
        })?;
        let direct = self.http.direct(way).map_err(|error| {
            Error::from(AwsError::new(ErrorKind::InvalidRequest, "s3", "InvalidRequest", error.to_string()))
        })?;
        let http = match &self.unsent {
            Some(unsent) => unsent.capture().client(http),
            None => http,
        };
        let (credentials, slot) = match (&plan.base, &plan.role) {
            (None, _) => (None, None),
            (Some(base), role) if self.unsent.is_some() => {
                let with_token = self.signs_with_token(base, role.as_ref(), &plan.region);
                (Some(throw_away(with_token)), None)
            }
            (Some(base), None) => (Some(self.identities.base(base, &plan.region)), None),
            (Some(_), Some(_)) if plan.profile.sts == Sts::None => {
                return Err(AwsError::new(
                    ErrorKind::Unsupported,
                    "sts",
                    "NotSupportedByProvider",
                    format!(
                        "the provider `{}` has no STS, so no role can be assumed there: remove `assume_role`",
                        plan.profile.id
                    ),
                )
                .into());
            }
            (Some(base), Some(role)) => {
                let slot = self.identities.role(base, role, &sts_target(&plan))?;
                (Some(slot.provider()), Some(slot))
            }
        };
        let session = match &plan.base {
            // what is explained is signed by nobody
            _ if self.unsent.is_some() => None,
            Some(Base::Chain) if slot.is_none() => Some(self.identities.chain(&plan.region)),
            _ => slot.clone(),
        };
        let s3 = S3::new(Settings {
            endpoint: plan.endpoint.clone(),
            public_endpoint: plan.public_endpoint.clone(),
            session,
            profile: plan.profile,
            region: plan.region.clone(),
            bucket: plan.bucket.clone(),
            path_style: plan.path_style,
            credentials,
            http,
            direct,
            timeout: plan.timeout,
            retries: plan.retries,
            expected_owner: plan.expected_owner.clone(),
            requester_pays: plan.requester_pays,
            payload_signing: plan.payload_signing,
            defaults: plan.defaults.clone(),
            part_room: Arc::clone(&self.part_room),
            capture: self.unsent.as_ref().map(|unsent| unsent.capture().clone()),
        });
        Ok(Connection {
            s3,
            prefix: plan.prefix.clone(),
            plan,
            used: Vec::new(),
            prepared: None,
            slot,
            stand_in: None,
            refused_ms: AtomicI64::new(0),
            generation: AtomicU64::new(0),
            fresh_until_ms: AtomicI64::new(0),
            stale_ms: AtomicI64::new(-1),
            sources_epoch: 0,
            unsent: self.unsent.clone(),
        })
    }
}

/// The value of a credential field: rendered, or typed and sealed.
pub(super) fn secret_value(
    subject: &Subject<'_>,
    rendered: &BTreeMap<&'static str, SecretString>,
    path: &'static str,
    field: &Credential,
) -> Option<SecretString> {
    match field {
        Credential::Template(_) => rendered.get(path).cloned(),
        Credential::Literal(_) => subject.literals.get(path).cloned(),
    }
}

/// The identity before any role is assumed.
fn base(
    subject: &Subject<'_>,
    rendered: &BTreeMap<&'static str, SecretString>,
) -> Result<Option<Base>, Error> {
    let Auth::AccessKey { access_key_id, secret_access_key, session_token } = &subject.definition.auth else {
        return Ok((subject.definition.auth == Auth::DefaultChain).then_some(Base::Chain));
    };
    let needed = |path: &'static str, field: &Credential| {
        let value = secret_value(subject, rendered, path, field);
        // blanks come with values that were pasted into a secret, and never are part of a key
        let trimmed = value.map(|value| SecretString::from(value.expose_secret().trim()));
        trimmed.filter(|value| !value.expose_secret().is_empty()).ok_or_else(|| {
            let error = AwsError::new(
                ErrorKind::BadCredentials,
                "s3",
                "CredentialsMissing",
                format!("`{path}` is empty"),
            );
            Error::from(error)
        })
    };
    Ok(Some(Base::Key(AccessKey {
        id: needed("auth.access_key_id", access_key_id)?,
        secret: needed("auth.secret_access_key", secret_access_key)?,
        token: session_token.as_ref().map(|field| needed("auth.session_token", field)).transpose()?,
    })))
}

/// Where the identity of a resource is checked and its role assumed: at AWS, or at the endpoint itself.
pub(super) fn sts_target(plan: &Plan) -> StsTarget {
    if let Sts::At(url) = plan.profile.sts {
        // its certificate is the provider's, whatever the endpoint's is
        let endpoint = Some(url.to_owned());
        let (region, route) = (plan.region.clone(), plan.route.clone());
        return StsTarget { region, endpoint, port: 443, ca_pem: None, route };
    }
    let own = plan.endpoint.as_ref().filter(|_| plan.profile.sts != Sts::Aws);
    StsTarget {
        region: plan.region.clone(),
        endpoint: own.map(|endpoint| endpoint.url.clone()),
        port: own.map_or(443, |endpoint| endpoint.port),
        ca_pem: plan.ca_pem.clone(),
        route: plan.route.clone(),
    }
}

/// The credentials whose owner can be asked for, and where; or why nobody is asked. A key for a store that only speaks
/// like S3 of AWS is never shown to STS of AWS.
pub(super) fn identity_target(plan: &Plan) -> Result<(&Base, StsTarget), String> {
    let base = plan.base.as_ref().ok_or("requests are anonymous")?;
    match plan.profile.sts {
        Sts::None => return Err(format!("the provider `{}` has no STS", plan.profile.id)),
        // a key is shown to nobody who may not know it
        Sts::Untold => {
            return Err(format!("whether the provider `{}` has STS is not known", plan.profile.id));
        }
        Sts::Aws | Sts::SameEndpoint | Sts::At(_) => {}
    }
    let elsewhere = |endpoint: &Endpoint| {
        let is_amazon = |suffix: &&str| endpoint.host.to_ascii_lowercase().ends_with(*suffix);
        plan.profile.sts == Sts::Aws && !plan.profile.hosts.iter().any(is_amazon)
    };
    let own_key = matches!(base, Base::Key(_)) && plan.role.is_none();
    if own_key && let Some(endpoint) = plan.endpoint.as_ref().filter(|endpoint| elsewhere(endpoint)) {
        return Err(format!(
            "`{}` is no endpoint of AWS, so STS of AWS is not asked about the key",
            endpoint.host
        ));
    }
    Ok((base, sts_target(plan)))
}

/// The templates of a definition that was checked when it was saved.
pub(super) fn templates(definition: &Definition) -> Result<BTreeMap<&'static str, Template>, Error> {
    let fields = definition.text_fields().into_iter();
    fields
        .map(|(field, text)| {
            let template = template::parse(text).map_err(|error| {
                let finding = crate::finding::Finding::error("TEMPLATE_SYNTAX", field, error.message.clone());
                Error::invalid(vec![finding.at(error.line, error.column).with_help(error.help)])
            })?;
            Ok((field, template))
        })
        .collect()
}

fn unresolved_load(
    field: &str,
    reference: &Reference,
    key: &SecretKey,
    error: Arc<crate::cache::LoadError>,
) -> Error {
    unresolved(field, reference, &key.secret, &error.code.clone(), error.message.clone(), Some(error))
}

pub(super) fn unresolved(
    field: &str,
    reference: &Reference,
    secret: &str,
    code: &str,
    reason: String,
    load: Option<Arc<crate::cache::LoadError>>,
) -> Error {
    Error::Unresolved(Box::new(Unresolved {
        field: field.to_owned(),
        reference: reference.to_string(),
        secret: secret.to_owned(),
        reason,
        code: code.to_owned(),
        load,
    }))
}
