//! `aws_secretsmanager_caching` at the stub, told to serve its last value when a refresh fails for a while.

use std::num::NonZeroUsize;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Region};
use aws_secretsmanager_caching::SecretsManagerCachingClient;

pub fn client(stub: &str, ttl: Duration) -> SecretsManagerCachingClient {
    let credentials = Credentials::new("AKIABENCH00000000000", "bench-source-key", None, None, "bench");
    let config = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(stub)
        .credentials_provider(credentials)
        .build();
    let size = NonZeroUsize::new(20_000).unwrap();
    SecretsManagerCachingClient::new(aws_sdk_secretsmanager::Client::from_conf(config), size, ttl, true).unwrap()
}

/// The version of the value that a reader gets.
pub async fn get(client: &SecretsManagerCachingClient, name: &str) -> Result<String, String> {
    match client.get_secret_value(name, None, None, false).await {
        Ok(value) => Ok(value.version_id.unwrap_or_default()),
        Err(error) => Err(error.to_string()),
    }
}
