//! A secret source at work: its client, and how one secret is loaded from it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use secrecy::SecretString;

use crate::app::App;
use crate::aws::credentials::{AccessKey, Base, Role, Slot, StsTarget};
use crate::aws::http::Way;
use crate::aws::secrets_limits::Limits;
use crate::aws::secrets_manager::{SecretsManager, Settings, Version};
use crate::aws::{AwsError, ErrorKind};
use crate::cache::{self, ErrorClass, LoadError, Loader, Policy, SecretKey};
use crate::model::literal::{Credential, Literals};
use crate::model::name::Name;
use crate::model::principal::{Project, WORKSPACE};
use crate::model::secret::{AwsSource, SourceAuth, SourceKind, SourceRole};
use crate::store::{SourceRecord, StoreError, VaultPin};
use crate::template::{Mode, Pin, Reference, SecretValue, Style};

/// A source and its client, which is made on first use.
#[derive(Debug)]
pub struct Source {
    /// As it is stored.
    pub record: SourceRecord,
    /// What the keys of its values in the cache begin with.
    pub(super) cache_id: Arc<str>,
    pub(super) reader: Reader,
    client: OnceLock<Result<SecretsManager, AwsError>>,
    limits: Arc<Limits>,
    /// The same source as single projects read it, by their ids.
    for_projects: Mutex<HashMap<Arc<str>, Arc<Source>>>,
}

/// As whom a source reads.
#[derive(Debug)]
pub(super) enum Reader {
    /// With its own identity, and the role that it assumes for everybody.
    Itself,
    /// With the role of a project, on top of that.
    Project(Name, SourceRole),
    /// The project needs a role and has none.
    Nobody(Name),
}

/// What a reference asks a source for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The cache's key.
    pub key: SecretKey,
    /// How the value is read.
    pub mode: Mode,
}

impl Source {
    /// No client yet.
    pub fn new(record: SourceRecord) -> Arc<Source> {
        let cache_id = Arc::clone(&record.id);
        Source::read_by(record, cache_id, Reader::Itself, Arc::default())
    }

    fn read_by(record: SourceRecord, cache_id: Arc<str>, reader: Reader, limits: Arc<Limits>) -> Arc<Source> {
        let (client, for_projects) = (OnceLock::new(), Mutex::default());
        Arc::new(Source { record, cache_id, reader, client, limits, for_projects })
    }

    /// The same source as a project reads it: with the project's role where it has one. What it reads so is cached by
    /// itself, and nothing that another project's role read is served.
    pub fn for_project(self: &Arc<Self>, project: &Project) -> Arc<Source> {
        let SourceKind::Aws(aws) = &self.record.definition.kind else { return Arc::clone(self) };
        let reader = match aws.project_roles.get(&project.name) {
            Some(role) => Reader::Project(project.name.clone(), role.clone()),
            None if aws.project_roles_required => Reader::Nobody(project.name.clone()),
            None => return Arc::clone(self),
        };
        // the lock is held for a look-up and, once a project, for a copy
        let mut known = self.for_projects.lock().unwrap_or_else(PoisonError::into_inner);
        let view = known.entry(Arc::clone(&project.id)).or_insert_with(|| {
            let cache_id = format!("{}/{}", self.record.id, project.id);
            Source::read_by(self.record.clone(), cache_id.into(), reader, Arc::clone(&self.limits))
        });
        Arc::clone(view)
    }

    /// Whether every project may use it.
    pub fn is_of_workspace(&self) -> bool {
        *self.record.project_id == *WORKSPACE
    }

    /// Why the project that it reads for may not use it.
    pub(super) fn refusal(&self) -> Option<String> {
        let Reader::Nobody(project) = &self.reader else { return None };
        let name = &self.record.definition.name;
        Some(format!(
            "the source `{name}` is read only by roles of projects, and the project `{project}` has none: an admin of the installation adds it to `project_roles`"
        ))
    }

    /// How long its values are kept.
    pub fn policy(&self) -> Policy {
        let definition = &self.record.definition;
        Policy { ttl_ms: definition.cache_ttl_ms, max_stale_ms: definition.max_stale_ms }
    }

    /// The secret behind a reference: an alias where there is one, else the name in the namespace.
    pub fn wanted(&self, reference: &Reference) -> Wanted {
        let definition = &self.record.definition;
        let alias = match reference.style {
            Style::Vault => definition.aliases.iter().find(|(name, _)| name.as_str() == reference.secret),
            Style::Secrets => None,
        };
        let (secret, mode) = match alias {
            Some((_, alias)) => (alias.secret.as_str(), alias.mode),
            None => (reference.secret.as_str(), Mode::Auto),
        };
        Wanted { key: self.key(secret, &pin_text(&reference.pin)), mode }
    }

    /// The cache's key of a secret of this source, by its short name or ARN.
    pub fn key(&self, secret: &str, pin: &str) -> SecretKey {
        SecretKey {
            source: Arc::clone(&self.cache_id),
            secret: self.record.definition.full_name(secret).into(),
            pin: pin.into(),
        }
    }

    /// The client, for sources of kind `aws`.
    pub(super) fn client(&self, app: &App) -> Result<&SecretsManager, AwsError> {
        let SourceKind::Aws(aws) = &self.record.definition.kind else {
            return Err(AwsError::new(
                ErrorKind::Unsupported,
                "secretsmanager",
                "NotSupportedByProvider",
                "the source is local",
            ));
        };
        if let Some(refusal) = self.refusal() {
            return Err(AwsError::new(ErrorKind::AccessDenied, "secretsmanager", "AccessDenied", refusal));
        }
        self.client.get_or_init(|| client(app, aws, self)).as_ref().map_err(Clone::clone)
    }
}

/// `AWSCURRENT`, another stage, or `version:ID`.
pub(super) fn pin_text(pin: &Pin) -> String {
    match pin {
        Pin::Current => "AWSCURRENT".to_owned(),
        Pin::Stage(stage) => stage.clone(),
        Pin::Version(id) => format!("version:{id}"),
    }
}

/// A client for a definition that may not be saved.
fn client(app: &App, aws: &AwsSource, source: &Source) -> Result<SecretsManager, AwsError> {
    let port = match &aws.endpoint {
        Some(endpoint) => {
            app.egress()
                .check_url(endpoint)
                .map_err(|blocked| AwsError::blocked("secretsmanager", &blocked))?
                .port
        }
        None => 443,
    };
    let credentials = match role_slot(app, aws, source)? {
        None => app.identities.base(&base(aws, &source.record.literals), &aws.region),
        Some(slot) => slot.provider(),
    };
    let http = app.http.get(Way::straight(port)).map_err(|error| {
        AwsError::new(ErrorKind::InvalidRequest, "secretsmanager", "InvalidRequest", error.to_string())
    })?;
    Ok(SecretsManager::new(Settings {
        region: aws.region.clone(),
        endpoint: aws.endpoint.clone(),
        credentials,
        http,
        limits: Arc::clone(&source.limits),
    }))
}

/// Where the identity of a source is checked and its role assumed: the source's own endpoint when it has one,
/// because an emulator answers all services at one address.
pub(super) fn sts_target(app: &App, aws: &AwsSource) -> Result<StsTarget, AwsError> {
    let endpoint = match &aws.endpoint {
        Some(url) => Some(app.egress().check_url(url).map_err(|blocked| AwsError::blocked("sts", &blocked))?),
        None => None,
    };
    let port = endpoint.as_ref().map_or(443, |endpoint| endpoint.port);
    // an interface endpoint of Secrets Manager answers nothing else: STS is then asked at its regional endpoint
    let endpoint =
        endpoint.filter(|endpoint| !endpoint.host.ends_with(".amazonaws.com")).map(|endpoint| endpoint.url);
    let port = if endpoint.is_some() { port } else { 443 };
    Ok(StsTarget { region: aws.region.clone(), endpoint, port, ca_pem: None, route: None })
}

/// The session of the role that a source assumes first: its own, and on top of that the project's that it reads for.
pub(super) fn role_slot(app: &App, aws: &AwsSource, source: &Source) -> Result<Option<Arc<Slot>>, AwsError> {
    let mut base = base(aws, &source.record.literals);
    let mut slot = None;
    let own = aws.assume_role.as_ref().map(|role| source_role(role, "s3-connector".to_owned()));
    let project = match &source.reader {
        // names the project in the account's own audit
        Reader::Project(name, role) => {
            Some(source_role(role, format!("s3c-{name}").chars().take(64).collect()))
        }
        Reader::Itself | Reader::Nobody(_) => None,
    };
    for role in own.into_iter().chain(project) {
        let session = app.identities.role(&base, &role, &sts_target(app, aws)?)?;
        base = Base::Session(Arc::clone(&session));
        slot = Some(session);
    }
    Ok(slot)
}

fn source_role(role: &SourceRole, session_name: String) -> Role {
    Role {
        arn: role.role_arn.clone(),
        external_id: role.external_id.clone(),
        session_name: role.session_name.clone().unwrap_or(session_name),
        duration: role.duration,
        policy: None,
        tags: std::collections::BTreeMap::new(),
    }
}

/// Whose credentials the source itself uses.
pub(super) fn base(aws: &AwsSource, literals: &Literals) -> Base {
    let SourceAuth::AccessKey { access_key_id, secret_access_key, session_token } = &aws.auth else {
        return Base::Chain;
    };
    let value = |path: &str, field: &Credential| match field {
        Credential::Template(text) => SecretString::from(text.clone()),
        Credential::Literal(_) => literals.get(path).cloned().unwrap_or_default(),
    };
    Base::Key(AccessKey {
        id: value("auth.access_key_id", access_key_id),
        secret: value("auth.secret_access_key", secret_access_key),
        token: session_token.as_ref().map(|token| value("auth.session_token", token)),
    })
}

/// How one secret is loaded; the cache calls it, also in the background.
pub(super) fn loader(app: &Arc<App>, source: &Arc<Source>, key: &SecretKey) -> Loader {
    let (app, source, key) = (Arc::downgrade(app), Arc::clone(source), key.clone());
    Arc::new(move || {
        let (app, source, key) = (app.upgrade(), Arc::clone(&source), key.clone());
        Box::pin(async move {
            let Some(app) = app else {
                return Err(load_error(ErrorClass::Unavailable, "LoadAbandoned", "the service is stopping"));
            };
            let outcome = match &source.record.definition.kind {
                SourceKind::Aws(aws) => from_aws(&app, &source, aws, &key).await,
                SourceKind::Local => from_vault(&app, &key).await,
            };
            let label = if outcome.is_ok() { "ok" } else { "error" };
            metrics::counter!("s3_connector_secret_loads_total", "outcome" => label).increment(1);
            outcome
        })
    })
}

async fn from_aws(
    app: &App,
    source: &Source,
    aws: &AwsSource,
    key: &SecretKey,
) -> Result<cache::Secret, LoadError> {
    let version = match key.pin.strip_prefix("version:") {
        Some(id) => Version::Id(id.to_owned()),
        None => Version::Stage(key.pin.to_string()),
    };
    let client = source.client(app).map_err(|error| of_aws(&error, &key.secret))?;
    let follows = aws.follow_rotation && &*key.pin == "AWSCURRENT";
    let (fetched, next_rotation_ms) =
        tokio::join!(client.get(&key.secret, &version), next_rotation(client, &key.secret, follows));
    let fetched = fetched.map_err(|error| of_aws(&error, &key.secret))?;
    let own = source.record.definition.short_name(&fetched.name).is_some();
    Ok(cache::Secret {
        value: fetched.value,
        version_id: fetched.version_id,
        // reached by its full ARN outside the namespace, its name would lead readers elsewhere
        foreign: key.secret.starts_with("arn:") && !own,
        arn: fetched.arn,
        name: fetched.name,
        stages: fetched.stages,
        next_rotation_ms,
    })
}

/// The moment of the next rotation; what cannot be asked is not known, and the TTL holds.
async fn next_rotation(client: &SecretsManager, secret: &str, wanted: bool) -> Option<i64> {
    if !wanted {
        return None;
    }
    match client.next_rotation_ms(secret).await {
        Ok(at_ms) => at_ms,
        Err(error) => {
            tracing::debug!(secret, code = error.code, "the next rotation is not known");
            None
        }
    }
}

async fn from_vault(app: &App, key: &SecretKey) -> Result<cache::Secret, LoadError> {
    let missing = |text: String| load_error(ErrorClass::NotFound, "ResourceNotFoundException", &text);
    let unknown = || {
        missing(format!(
            "the local vault has no version `{}` of the secret `{}`: its list of versions tells which there are",
            key.pin, key.secret
        ))
    };
    let pin = match (&*key.pin, key.pin.strip_prefix("version:")) {
        (_, Some(version)) => VaultPin::Version(version),
        ("AWSCURRENT", None) => VaultPin::Current,
        ("AWSPREVIOUS", None) => VaultPin::Previous,
        _ => return Err(unknown()),
    };
    let found = app.store.vault_secret(&key.source, &key.secret, pin).await.map_err(|error| match error {
        StoreError::NotFound if pin == VaultPin::Current => {
            missing(format!("the local vault has no secret `{}`: create it, or correct the name", key.secret))
        }
        StoreError::NotFound => unknown(),
        StoreError::Seal(error) => {
            load_error(ErrorClass::Undecryptable, "DecryptionFailure", &error.to_string())
        }
        other => load_error(ErrorClass::Unavailable, "InternalError", &other.to_string()),
    })?;
    Ok(cache::Secret {
        value: SecretValue::from_text(found.value),
        version_id: found.version_id,
        arn: None,
        foreign: false,
        name: found.name,
        stages: found.stages,
        next_rotation_ms: None,
    })
}

/// What an answer of Secrets Manager means to the cache.
fn of_aws(error: &AwsError, secret: &str) -> LoadError {
    let class = match (error.kind, error.code.as_str()) {
        (_, "DecryptionFailure") => ErrorClass::Undecryptable,
        (_, "InvalidRequestException") => ErrorClass::Deleted,
        (ErrorKind::AccessDenied, _) => ErrorClass::Denied,
        (ErrorKind::NotFound, _) => ErrorClass::NotFound,
        (ErrorKind::Throttled, _) => ErrorClass::Throttled,
        (ErrorKind::BadCredentials | ErrorKind::ClockSkew, _) => ErrorClass::BadCredentials,
        (ErrorKind::InvalidRequest | ErrorKind::Unsupported, _) => ErrorClass::Invalid,
        _ => ErrorClass::Unavailable,
    };
    LoadError {
        class,
        code: error.code.clone(),
        message: format!("the source answered {} for `{secret}`: {}", error.code, error.message),
        request_id: error.request_id.clone(),
    }
}

fn load_error(class: ErrorClass, code: &str, message: &str) -> LoadError {
    LoadError { class, code: code.to_owned(), message: message.to_owned(), request_id: None }
}
