//! AWS KMS: makes and opens the master key.

use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{BehaviorVersion, Region};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use zeroize::Zeroizing;

use crate::aws::{AwsError, ErrorKind};

const SERVICE: &str = "kms";
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// What a key policy can ask for with `kms:EncryptionContext:service`.
const CONTEXT: (&str, &str) = ("service", "s3-connector");

/// One key of AWS KMS, used with the identity of the service itself.
#[derive(Debug, Clone)]
pub struct KmsKey {
    client: aws_sdk_kms::Client,
    arn: String,
}

impl KmsKey {
    /// The key or alias of that ARN; another endpoint than the region's own when one is given. Nothing is sent yet.
    pub async fn new(arn: &str, endpoint: Option<&str>) -> Result<KmsKey, AwsError> {
        let region = region(arn).ok_or_else(|| {
            let message = format!(
                "`{arn}` is not the ARN of a key or an alias, like arn:aws:kms:eu-central-1:111122223333:key/…"
            );
            AwsError::new(ErrorKind::BadCredentials, SERVICE, "InvalidArn", message)
        })?;
        let region = Region::new(region.to_owned());
        let chain = DefaultCredentialsChain::builder().region(region.clone()).build().await;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_timeout(CALL_TIMEOUT)
            .build();
        let mut config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region)
            .credentials_provider(chain)
            .timeout_config(timeouts);
        if let Some(endpoint) = endpoint {
            config = config.endpoint_url(endpoint);
        }
        Ok(KmsKey { client: aws_sdk_kms::Client::from_conf(config.build()), arn: arn.to_owned() })
    }

    /// A new key of 32 bytes, and its sealed form.
    pub async fn generate(&self) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), AwsError> {
        let answer = self
            .client
            .generate_data_key()
            .key_id(&self.arn)
            .key_spec(DataKeySpec::Aes256)
            .encryption_context(CONTEXT.0, CONTEXT.1)
            .send()
            .await
            .map_err(|error| AwsError::from_sdk(SERVICE, &error))?;
        let plain = answer.plaintext.map(Blob::into_inner).unwrap_or_default();
        Ok((Zeroizing::new(plain), answer.ciphertext_blob.map(Blob::into_inner).unwrap_or_default()))
    }

    /// Opens the sealed form.
    pub async fn open(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, AwsError> {
        let answer = self
            .client
            .decrypt()
            .key_id(&self.arn)
            .ciphertext_blob(Blob::new(sealed))
            .encryption_context(CONTEXT.0, CONTEXT.1)
            .send()
            .await
            .map_err(|error| AwsError::from_sdk(SERVICE, &error))?;
        Ok(Zeroizing::new(answer.plaintext.map(Blob::into_inner).unwrap_or_default()))
    }
}

/// `arn:partition:kms:region:account:key/…` or `…:alias/…`.
fn region(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, _, service, region, _, key] = parts.as_slice() else { return None };
    let named = key.starts_with("key/") || key.starts_with("alias/");
    (arn.starts_with("arn:") && *service == "kms" && !region.is_empty() && named).then_some(*region)
}

#[cfg(test)]
mod tests {
    use super::region;

    #[test]
    fn the_region_is_in_the_arn() {
        assert_eq!(region("arn:aws:kms:eu-central-1:111122223333:key/a-b"), Some("eu-central-1"));
        assert_eq!(region("arn:aws-cn:kms:cn-north-1:111122223333:alias/s3"), Some("cn-north-1"));
        for wrong in ["", "alias/s3", "arn:aws:s3:::bucket", "arn:aws:kms::1:key/a", "arn:aws:kms:r:1:a"] {
            assert_eq!(region(wrong), None, "{wrong}");
        }
    }
}
