//! AWS Secrets Manager: read one secret, list names, prove permissions.

use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, IdentityCache, Region};
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::aws::AwsError;
use crate::template::SecretValue;

const SERVICE: &str = "secretsmanager";
/// The time one try may take, and all tries together.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// A client of one source.
#[derive(Debug, Clone)]
pub struct SecretsManager {
    client: aws_sdk_secretsmanager::Client,
}

/// What a client needs.
#[derive(Debug)]
pub struct Settings {
    /// The region of the secrets.
    pub region: String,
    /// Another endpoint than the region's own.
    pub endpoint: Option<String>,
    /// Whose credentials.
    pub credentials: SharedCredentialsProvider,
    /// The pool.
    pub http: SharedHttpClient,
}

/// Which version of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// The one with this stage; plain reads ask for `AWSCURRENT`.
    Stage(String),
    /// The one with this id.
    Id(String),
}

/// A secret that was read.
#[derive(Debug)]
pub struct FetchedSecret {
    /// Its value.
    pub value: SecretValue,
    /// Its version.
    pub version_id: String,
    /// Its ARN.
    pub arn: Option<String>,
    /// Its name.
    pub name: String,
    /// The stages of the version.
    pub stages: Vec<String>,
}

/// A secret in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSecret {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: Option<String>,
    /// Epoch milliseconds.
    pub last_changed_ms: Option<i64>,
    /// Epoch milliseconds.
    pub next_rotation_ms: Option<i64>,
}

impl SecretsManager {
    /// A client; nothing is sent yet.
    pub fn new(settings: Settings) -> SecretsManager {
        let mut config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region))
            .credentials_provider(settings.credentials)
            .identity_cache(IdentityCache::no_cache())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(3))
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .operation_timeout(CALL_TIMEOUT)
                    .build(),
            )
            .http_client(settings.http);
        if let Some(endpoint) = settings.endpoint {
            config = config.endpoint_url(endpoint);
        }
        SecretsManager { client: aws_sdk_secretsmanager::Client::from_conf(config.build()) }
    }

    /// Reads a secret by name or ARN.
    pub async fn get(&self, id: &str, version: &Version) -> Result<FetchedSecret, AwsError> {
        let request = self.client.get_secret_value().secret_id(id);
        let request = match version {
            Version::Stage(stage) => request.version_stage(stage),
            Version::Id(version_id) => request.version_id(version_id),
        };
        let answer = request.send().await.map_err(|error| AwsError::from_sdk(SERVICE, &error))?;
        let value = match (answer.secret_string, answer.secret_binary) {
            (Some(text), _) => SecretValue::from_text(SecretString::from(text)),
            (None, Some(binary)) => SecretValue::from_binary(Zeroizing::new(binary.into_inner())),
            (None, None) => SecretValue::from_text(SecretString::from(String::new())),
        };
        Ok(FetchedSecret {
            value,
            version_id: answer.version_id.unwrap_or_default(),
            arn: answer.arn,
            name: answer.name.unwrap_or_else(|| id.to_owned()),
            stages: answer.version_stages.unwrap_or_default(),
        })
    }

    /// One page of names that start with `prefix`, with the token of the next page.
    pub async fn list(
        &self,
        prefix: &str,
        token: Option<String>,
        limit: i32,
    ) -> Result<(Vec<ListedSecret>, Option<String>), AwsError> {
        let mut request = self.client.list_secrets().max_results(limit.clamp(1, 100)).set_next_token(token);
        if !prefix.is_empty() {
            request =
                request.filters(Filter::builder().key(FilterNameStringType::Name).values(prefix).build());
        }
        let answer = request.send().await.map_err(|error| AwsError::from_sdk(SERVICE, &error))?;
        let secrets = answer.secret_list.unwrap_or_default().into_iter().map(|entry| ListedSecret {
            name: entry.name.unwrap_or_default(),
            arn: entry.arn,
            last_changed_ms: entry.last_changed_date.and_then(|at| at.to_millis().ok()),
            next_rotation_ms: entry.next_rotation_date.and_then(|at| at.to_millis().ok()),
        });
        // the filter of the service matches anywhere in some emulations; ours is the prefix
        let secrets = secrets.filter(|secret| secret.name.starts_with(prefix)).collect();
        Ok((secrets, answer.next_token))
    }
}
