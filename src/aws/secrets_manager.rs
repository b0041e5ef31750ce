//! AWS Secrets Manager: read one secret, list names, prove permissions.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, IdentityCache, Region};
use aws_sdk_secretsmanager::primitives::Blob;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::aws::secrets_batch::{Gathering, WINDOW, Waiting, answers};
use crate::aws::secrets_limits::Limits;
use crate::aws::{AwsError, ErrorKind};
use crate::template::SecretValue;

const SERVICE: &str = "secretsmanager";
/// The time one try may take, and all tries together.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// A client of one source, with its limits.
#[derive(Debug, Clone)]
pub struct SecretsManager(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: aws_sdk_secretsmanager::Client,
    limits: Arc<Limits>,
    gathering: Gathering,
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
    /// How fast the source may be asked, by whichever of its clients.
    pub limits: Arc<Limits>,
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
        SecretsManager(Arc::new(Shared {
            client: aws_sdk_secretsmanager::Client::from_conf(config.build()),
            limits: settings.limits,
            gathering: Gathering::default(),
        }))
    }

    /// Reads a secret by name or ARN. Reads of current versions that come together share a call.
    pub async fn get(&self, id: &str, version: &Version) -> Result<FetchedSecret, AwsError> {
        let shared = &self.0;
        let current = matches!(version, Version::Stage(stage) if stage == "AWSCURRENT");
        if !current || !shared.gathering.works() {
            return shared.get_one(id, version).await;
        }
        let (first, share) = shared.gathering.join(id);
        if first {
            // in a task of its own: whoever goes away meanwhile leaves nobody waiting
            tokio::spawn(Arc::clone(shared).ask_for_all());
        }
        match share.await {
            Ok(Some(outcome)) => outcome,
            // alone, or its answer is not among those that came
            Ok(None) | Err(_) => shared.get_one(id, version).await,
        }
    }

    /// When the service will rotate a secret, in epoch milliseconds.
    pub async fn next_rotation_ms(&self, id: &str) -> Result<Option<i64>, AwsError> {
        self.0.next_rotation_ms(id).await
    }

    /// One page of names that start with `prefix`, with the token of the next page.
    pub async fn list(
        &self,
        prefix: &str,
        token: Option<String>,
        limit: i32,
    ) -> Result<(Vec<ListedSecret>, Option<String>), AwsError> {
        self.0.list(prefix, token, limit).await
    }
}

impl Shared {
    async fn ask_for_all(self: Arc<Self>) {
        tokio::time::sleep(WINDOW).await;
        let groups = self.gathering.take().into_iter().map(|group| self.share_out(group));
        futures_util::future::join_all(groups).await;
    }

    /// Asks for a group and gives everybody his own. Who goes away meanwhile is not missed.
    async fn share_out(&self, group: Vec<Waiting>) {
        let asked = match group.as_slice() {
            [] | [_] => Ok(Vec::new()),
            several => self.get_several(several).await,
        };
        match asked {
            Ok(mut found) => {
                // an ARN means one secret; a name may be that of another account's secret, whose ARN was asked for
                let (by_arn, by_name): (Vec<_>, Vec<_>) =
                    group.into_iter().partition(|waiting| waiting.id.starts_with("arn:"));
                for waiting in by_arn.into_iter().chain(by_name) {
                    let share = take_own(&mut found, &waiting.id);
                    drop(waiting.share.send(share));
                }
            }
            Err(error) => {
                let passing = matches!(
                    error.kind,
                    ErrorKind::Throttled
                        | ErrorKind::Timeout
                        | ErrorKind::Unreachable
                        | ErrorKind::Internal
                        | ErrorKind::BadCredentials
                );
                if !passing {
                    tracing::info!(
                        code = error.code,
                        "secrets cannot be read in batches: they are read one by one"
                    );
                    self.gathering.refused();
                }
                for waiting in group {
                    drop(waiting.share.send(passing.then(|| Err(error.clone()))));
                }
            }
        }
    }

    async fn get_several(&self, group: &[Waiting]) -> Result<Vec<Answer>, AwsError> {
        let _permit = self.limits.admit().await?;
        count("batch");
        let ids = group.iter().map(|waiting| waiting.id.clone()).collect();
        let answer = self
            .client
            .batch_get_secret_value()
            .set_secret_id_list(Some(ids))
            .send()
            .await
            .map_err(|error| AwsError::from_sdk(SERVICE, &error))?;
        let values = answer.secret_values.unwrap_or_default().into_iter().map(|entry| {
            let value = value(entry.secret_string, entry.secret_binary);
            let name = entry.name.unwrap_or_default();
            let of = Of { name: name.clone(), arn: entry.arn.clone() };
            let fetched = FetchedSecret {
                value,
                version_id: entry.version_id.unwrap_or_default(),
                arn: entry.arn,
                name,
                stages: entry.version_stages.unwrap_or_default(),
            };
            (of, Ok(fetched))
        });
        let errors = answer.errors.unwrap_or_default().into_iter().map(|error| {
            let of = Of { name: error.secret_id.unwrap_or_default(), arn: None };
            let code = error.error_code.unwrap_or_default();
            let message = error.message.unwrap_or_default();
            (of, Err(AwsError::of_code(SERVICE, &code, message)))
        });
        Ok(values.chain(errors).collect())
    }

    async fn get_one(&self, id: &str, version: &Version) -> Result<FetchedSecret, AwsError> {
        let _permit = self.limits.admit().await?;
        count("get");
        let request = self.client.get_secret_value().secret_id(id);
        let request = match version {
            Version::Stage(stage) => request.version_stage(stage),
            Version::Id(version_id) => request.version_id(version_id),
        };
        let answer = request.send().await.map_err(|error| AwsError::from_sdk(SERVICE, &error))?;
        Ok(FetchedSecret {
            value: value(answer.secret_string, answer.secret_binary),
            version_id: answer.version_id.unwrap_or_default(),
            arn: answer.arn,
            name: answer.name.unwrap_or_else(|| id.to_owned()),
            stages: answer.version_stages.unwrap_or_default(),
        })
    }

    async fn next_rotation_ms(&self, id: &str) -> Result<Option<i64>, AwsError> {
        let _permit = self.limits.admit().await?;
        count("describe");
        let answer = self
            .client
            .describe_secret()
            .secret_id(id)
            .send()
            .await
            .map_err(|error| AwsError::from_sdk(SERVICE, &error))?;
        Ok(answer.next_rotation_date.and_then(|at| at.to_millis().ok()))
    }

    async fn list(
        &self,
        prefix: &str,
        token: Option<String>,
        limit: i32,
    ) -> Result<(Vec<ListedSecret>, Option<String>), AwsError> {
        let _permit = self.limits.admit().await?;
        count("list");
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

/// One secret's part of the answer to a group.
type Answer = (Of, Result<FetchedSecret, AwsError>);

/// The answer that is certainly meant; none where two may be.
fn take_own(found: &mut Vec<Answer>, id: &str) -> Option<Result<FetchedSecret, AwsError>> {
    let mut places = (0..found.len()).filter(|place| found.get(*place).is_some_and(|(of, _)| of.answers(id)));
    let (place, other) = (places.next()?, places.next());
    drop(places);
    other.is_none().then(|| found.swap_remove(place).1)
}

/// Whose share an answer is.
struct Of {
    name: String,
    arn: Option<String>,
}

impl Of {
    fn answers(&self, id: &str) -> bool {
        answers(id, &self.name, self.arn.as_deref())
    }
}

fn value(text: Option<String>, binary: Option<Blob>) -> SecretValue {
    match (text, binary) {
        (Some(text), _) => SecretValue::from_text(SecretString::from(text)),
        (None, Some(binary)) => SecretValue::from_binary(Zeroizing::new(binary.into_inner())),
        (None, None) => SecretValue::from_text(SecretString::from(String::new())),
    }
}

fn count(call: &'static str) {
    metrics::counter!("s3_connector_secret_calls_total", "call" => call).increment(1);
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::{Answer, FetchedSecret, Of, take_own};
    use crate::template::SecretValue;

    const FOREIGN: &str = "arn:aws:secretsmanager:r:222222222222:secret:db-XyZ123";

    fn answer(name: &str, arn: &str) -> Answer {
        let fetched = FetchedSecret {
            value: SecretValue::from_text(SecretString::from("v")),
            version_id: String::new(),
            arn: Some(arn.to_owned()),
            name: name.to_owned(),
            stages: Vec::new(),
        };
        (Of { name: name.to_owned(), arn: Some(arn.to_owned()) }, Ok(fetched))
    }

    fn taken(found: &mut Vec<Answer>, id: &str) -> Option<String> {
        take_own(found, id).map(|outcome| outcome.unwrap().arn.unwrap())
    }

    #[test]
    fn a_name_is_never_answered_with_another_accounts_secret_of_that_name() {
        let own = "arn:aws:secretsmanager:r:111111111111:secret:db-AbCdEf";
        let mut both = vec![answer("db", FOREIGN), answer("db", own)];
        assert_eq!(taken(&mut both, "db"), None, "two may be meant");
        assert_eq!(taken(&mut both, FOREIGN).as_deref(), Some(FOREIGN));
        assert_eq!(taken(&mut both, "db").as_deref(), Some(own), "the other one was asked for by its ARN");
        assert_eq!(taken(&mut both, "db"), None);
    }
}
