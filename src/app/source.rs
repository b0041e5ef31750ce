//! A secret source at work: its client, and how one secret is loaded from it.

use std::sync::{Arc, OnceLock};

use secrecy::SecretString;

use crate::app::App;
use crate::aws::credentials::{AccessKey, Base, Role, Slot, StsTarget};
use crate::aws::secrets_manager::{SecretsManager, Settings, Version};
use crate::aws::{AwsError, ErrorKind};
use crate::cache::{self, ErrorClass, LoadError, Loader, Policy, SecretKey};
use crate::model::literal::{Credential, Literals};
use crate::model::secret::{AwsSource, SourceAuth, SourceKind};
use crate::store::{SourceRecord, StoreError};
use crate::template::{Mode, Pin, Reference, SecretValue, Style};

/// A source and its client, which is made on first use.
#[derive(Debug)]
pub struct Source {
    /// As it is stored.
    pub record: SourceRecord,
    client: OnceLock<Result<SecretsManager, AwsError>>,
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
        Arc::new(Source { record, client: OnceLock::new() })
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
            source: Arc::clone(&self.record.id),
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
        self.client.get_or_init(|| client(app, aws, &self.record.literals)).as_ref().map_err(Clone::clone)
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
pub(super) fn client(app: &App, aws: &AwsSource, literals: &Literals) -> Result<SecretsManager, AwsError> {
    let port = match &aws.endpoint {
        Some(endpoint) => {
            app.egress()
                .check_url(endpoint)
                .map_err(|blocked| AwsError::blocked("secretsmanager", &blocked))?
                .port
        }
        None => 443,
    };
    let credentials = match role_slot(app, aws, literals)? {
        None => app.identities.base(&base(aws, literals), &aws.region),
        Some(slot) => slot.provider(),
    };
    let http = app.http.get(port, None).map_err(|error| {
        AwsError::new(ErrorKind::InvalidRequest, "secretsmanager", "InvalidRequest", error.to_string())
    })?;
    Ok(SecretsManager::new(Settings {
        region: aws.region.clone(),
        endpoint: aws.endpoint.clone(),
        credentials,
        http,
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
    Ok(StsTarget { region: aws.region.clone(), endpoint, port, ca_pem: None })
}

/// The session of the role that a source assumes first.
pub(super) fn role_slot(
    app: &App,
    aws: &AwsSource,
    literals: &Literals,
) -> Result<Option<Arc<Slot>>, AwsError> {
    let Some(role) = &aws.assume_role else { return Ok(None) };
    app.identities.role(&base(aws, literals), &source_role(role), &sts_target(app, aws)?).map(Some)
}

fn source_role(role: &crate::model::secret::SourceRole) -> Role {
    Role {
        arn: role.role_arn.clone(),
        external_id: role.external_id.clone(),
        session_name: role.session_name.clone().unwrap_or_else(|| "s3-connector".to_owned()),
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
                return Err(load_error(ErrorClass::Unavailable, "Stopping", "the service is stopping"));
            };
            let outcome = match &source.record.definition.kind {
                SourceKind::Aws(_) => from_aws(&app, &source, &key).await,
                SourceKind::Local => from_vault(&app, &key).await,
            };
            let label = if outcome.is_ok() { "ok" } else { "error" };
            metrics::counter!("s3_connector_secret_loads_total", "outcome" => label).increment(1);
            outcome
        })
    })
}

async fn from_aws(app: &App, source: &Source, key: &SecretKey) -> Result<cache::Secret, LoadError> {
    let version = match key.pin.strip_prefix("version:") {
        Some(id) => Version::Id(id.to_owned()),
        None => Version::Stage(key.pin.to_string()),
    };
    let client = source.client(app).map_err(|error| of_aws(&error, &key.secret))?;
    let fetched = client.get(&key.secret, &version).await.map_err(|error| of_aws(&error, &key.secret))?;
    let own = source.record.definition.short_name(&fetched.name).is_some();
    Ok(cache::Secret {
        value: fetched.value,
        version_id: fetched.version_id,
        // reached by its full ARN outside the namespace, its name would lead readers elsewhere
        foreign: key.secret.starts_with("arn:") && !own,
        arn: fetched.arn,
        name: fetched.name,
        stages: fetched.stages,
        next_rotation_ms: None,
    })
}

async fn from_vault(app: &App, key: &SecretKey) -> Result<cache::Secret, LoadError> {
    let missing = |text: String| load_error(ErrorClass::NotFound, "ResourceNotFoundException", &text);
    let found = app.store.vault_secret(&key.source, &key.secret).await.map_err(|error| match error {
        StoreError::NotFound => {
            missing(format!("the local vault has no secret `{}`: create it, or correct the name", key.secret))
        }
        StoreError::Seal(error) => {
            load_error(ErrorClass::Undecryptable, "DecryptionFailure", &error.to_string())
        }
        other => load_error(ErrorClass::Unavailable, "InternalError", &other.to_string()),
    })?;
    let pinned = match key.pin.strip_prefix("version:") {
        Some(version) => version == found.version_id,
        None => &*key.pin == "AWSCURRENT",
    };
    if !pinned {
        return Err(missing(format!(
            "the local vault has no version `{}` of the secret `{}`",
            key.pin, key.secret
        )));
    }
    Ok(cache::Secret {
        value: SecretValue::from_text(found.value),
        version_id: found.version_id,
        arn: None,
        foreign: false,
        name: found.name,
        stages: vec!["AWSCURRENT".to_owned()],
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
