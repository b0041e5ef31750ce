//! Sets things up on the test servers: secrets, buckets, users and roles.

use std::process::Command;

use aws_credential_types::Credentials;
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::CreateBucketConfiguration;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Region};
use serde_json::{Value, json};
use uuid::Uuid;

use super::servers::{AccessKey, Servers};

/// The region of everything on the test servers.
pub(crate) const REGION: &str = "us-east-1";

/// A name no other test uses, valid for buckets, users, roles and secrets: the prefix and twelve hexadecimal digits.
pub(crate) fn unique(prefix: &str) -> String {
    let id = Uuid::new_v4().simple().to_string();
    format!("{prefix}-{}", &id[..12])
}

/// A version of a secret.
#[derive(Clone, Debug)]
pub(crate) struct SecretVersion {
    pub(crate) arn: String,
    pub(crate) version_id: String,
}

/// Changes secrets behind the product's back.
#[derive(Clone, Debug)]
pub(crate) struct Secrets {
    pub(crate) client: aws_sdk_secretsmanager::Client,
}

impl Secrets {
    /// On the moto that accepts every key.
    pub(crate) fn on_moto(servers: &Servers) -> Self {
        Self::new(&servers.moto, &AccessKey::new("test", "test"))
    }

    pub(crate) fn new(endpoint: &str, key: &AccessKey) -> Self {
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .endpoint_url(endpoint)
            .credentials_provider(credentials(key))
            .build();
        Self { client: aws_sdk_secretsmanager::Client::from_conf(config) }
    }

    pub(crate) async fn create(&self, name: &str, value: &str) -> SecretVersion {
        let made = self.client.create_secret().name(name).secret_string(value).send().await.unwrap();
        SecretVersion { arn: made.arn.unwrap(), version_id: made.version_id.unwrap() }
    }

    pub(crate) async fn create_json(&self, name: &str, value: &Value) -> SecretVersion {
        self.create(name, &value.to_string()).await
    }

    /// Adds a version and makes it current, as a rotation does at its end.
    pub(crate) async fn put(&self, id: &str, value: &str) -> SecretVersion {
        self.put_with_stages(id, value, &["AWSCURRENT"]).await
    }

    /// Adds a version with these stages, for example `AWSPENDING`.
    pub(crate) async fn put_with_stages(&self, id: &str, value: &str, stages: &[&str]) -> SecretVersion {
        let stages = stages.iter().map(ToString::to_string).collect();
        let request = self
            .client
            .put_secret_value()
            .secret_id(id)
            .secret_string(value)
            .set_version_stages(Some(stages));
        let made = request.send().await.unwrap();
        SecretVersion { arn: made.arn.unwrap(), version_id: made.version_id.unwrap() }
    }

    /// The current value, as the product has to ask for it.
    pub(crate) async fn current(&self, id: &str) -> String {
        let request = self.client.get_secret_value().secret_id(id).version_stage("AWSCURRENT");
        request.send().await.unwrap().secret_string.unwrap()
    }

    /// Moves a stage to a version, from whichever version has it now.
    ///
    /// After this a plain `GetSecretValue` on moto still answers with the old value; one with
    /// `VersionStage=AWSCURRENT` is right.
    pub(crate) async fn move_stage(&self, id: &str, stage: &str, to: &str) {
        let secret = self.client.describe_secret().secret_id(id).send().await.unwrap();
        let has_stage = |stages: &Vec<String>| stages.iter().any(|each| each == stage);
        let versions = secret.version_ids_to_stages.unwrap_or_default();
        let from = versions.into_iter().find(|(_, stages)| has_stage(stages)).map(|(version, _)| version);
        let request = self.client.update_secret_version_stage().secret_id(id).version_stage(stage);
        request.move_to_version_id(to).set_remove_from_version_id(from).send().await.unwrap();
    }

    /// Deletes at once, with no way back.
    pub(crate) async fn delete(&self, id: &str) {
        self.client.delete_secret().secret_id(id).force_delete_without_recovery(true).send().await.unwrap();
    }

    /// Marks for deletion: reads fail with `InvalidRequestException`.
    pub(crate) async fn schedule_deletion(&self, id: &str) {
        self.client.delete_secret().secret_id(id).recovery_window_in_days(7).send().await.unwrap();
    }
}

/// A client for any S3 endpoint: path style, and checksums only where required (radosgw refuses the SDK's default).
pub(crate) fn s3(endpoint: &str, key: &AccessKey) -> aws_sdk_s3::Client {
    s3_with(endpoint, credentials(key))
}

/// The same with session credentials.
pub(crate) fn s3_with(endpoint: &str, credentials: Credentials) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
        .region(aws_sdk_s3::config::Region::from_static(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(credentials)
        .force_path_style(true)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

/// Creates a bucket of a unique name and returns the name.
pub(crate) async fn create_bucket(client: &aws_sdk_s3::Client, prefix: &str) -> String {
    let name = unique(prefix);
    client.create_bucket().bucket(&name).send().await.unwrap();
    name
}

/// Creates a bucket in another region than the default one.
pub(crate) async fn create_bucket_in(client: &aws_sdk_s3::Client, prefix: &str, region: &str) -> String {
    let name = unique(prefix);
    let place = CreateBucketConfiguration::builder().location_constraint(region.into()).build();
    client.create_bucket().bucket(&name).create_bucket_configuration(place).send().await.unwrap();
    name
}

pub(crate) async fn put_object(
    client: &aws_sdk_s3::Client,
    bucket: &str,
    key: &str,
    body: impl Into<Vec<u8>>,
) {
    client.put_object().bucket(bucket).key(key).body(ByteStream::from(body.into())).send().await.unwrap();
}

pub(crate) async fn get_object(client: &aws_sdk_s3::Client, bucket: &str, key: &str) -> Vec<u8> {
    let object = client.get_object().bucket(bucket).key(key).send().await.unwrap();
    object.body.collect().await.unwrap().to_vec()
}

/// A new key of AWS KMS; gives its ARN.
pub(crate) async fn create_kms_key(endpoint: &str) -> String {
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(aws_sdk_kms::config::BehaviorVersion::latest())
        .region(aws_sdk_kms::config::Region::from_static(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(credentials(&AccessKey::new("test", "test")))
        .build();
    let made = aws_sdk_kms::Client::from_conf(config).create_key().send().await.unwrap();
    made.key_metadata.unwrap().arn.unwrap()
}

/// A client of SQS on moto.
pub(crate) fn sqs(endpoint: &str) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
        .region(aws_sdk_sqs::config::Region::from_static(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(credentials(&AccessKey::new("test", "test")))
        .build();
    aws_sdk_sqs::Client::from_conf(config)
}

/// A new queue; gives its URL.
pub(crate) async fn create_queue(client: &aws_sdk_sqs::Client) -> String {
    let made = client.create_queue().queue_name(unique("events")).send().await.unwrap();
    made.queue_url.unwrap()
}

/// Assumes a role as the owner of the key.
pub(crate) fn sts(endpoint: &str, key: &AccessKey) -> aws_sdk_sts::Client {
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(aws_sdk_sts::config::BehaviorVersion::latest())
        .region(aws_sdk_sts::config::Region::from_static(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(credentials(key))
        .build();
    aws_sdk_sts::Client::from_conf(config)
}

/// Session credentials of a role.
pub(crate) async fn assume_role(client: &aws_sdk_sts::Client, role_arn: &str) -> Credentials {
    let answer = client.assume_role().role_arn(role_arn).role_session_name("test").send().await.unwrap();
    let made = answer.credentials.unwrap();
    Credentials::new(made.access_key_id, made.secret_access_key, Some(made.session_token), None, "test")
}

/// A user of radosgw.
#[derive(Clone, Debug)]
pub(crate) struct RgwUser {
    pub(crate) name: String,
    /// For the principal of a policy.
    pub(crate) arn: String,
    pub(crate) key: AccessKey,
}

/// Creates a user of a unique name, who may do nothing but own buckets.
pub(crate) async fn create_rgw_user(servers: &Servers, prefix: &str) -> RgwUser {
    let name = unique(prefix);
    let user = rgw_admin(servers, &["user", "create", "--uid", &name, "--display-name", &name]).await;
    let text = |field: &str| user["keys"][0][field].as_str().unwrap().to_owned();
    RgwUser {
        arn: format!("arn:aws:iam:::user/{name}"),
        key: AccessKey::new(text("access_key"), text("secret_key")),
        name,
    }
}

/// From here on the user's requests are answered with 403 `UserSuspended`.
pub(crate) async fn suspend_rgw_user(servers: &Servers, name: &str) {
    rgw_admin(servers, &["user", "suspend", "--uid", name]).await;
}

/// Creates a role of a unique name and returns its ARN. The policy says what the role may do.
pub(crate) async fn create_rgw_role(
    servers: &Servers,
    prefix: &str,
    trust: &Value,
    policy: &Value,
) -> String {
    let name = unique(prefix);
    let (trust, policy) = (trust.to_string(), policy.to_string());
    let role =
        rgw_admin(servers, &["role", "create", "--role-name", &name, "--assume-role-policy-doc", &trust])
            .await;
    let put = ["role-policy", "put", "--role-name", &name, "--policy-name", "main", "--policy-doc", &policy];
    run("radosgw-admin", rgw_admin_command(servers, &put)).await;
    role["Arn"].as_str().unwrap().to_owned()
}

/// A trust policy that lets one principal assume the role.
pub(crate) fn trust(principal_arn: &str) -> Value {
    let statement =
        json!({ "Effect": "Allow", "Principal": { "AWS": [principal_arn] }, "Action": ["sts:AssumeRole"] });
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

/// A policy with one statement that allows these actions on these resources.
pub(crate) fn allow(actions: &[&str], resources: &[&str]) -> Value {
    let statement = json!({ "Effect": "Allow", "Action": actions, "Resource": resources });
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

/// Runs `radosgw-admin` and returns what it prints, which must be JSON.
pub(crate) async fn rgw_admin(servers: &Servers, arguments: &[&str]) -> Value {
    let output = rgw_admin_says(servers, arguments).await;
    serde_json::from_str(&output).unwrap_or_else(|_| panic!("radosgw-admin did not print JSON:\n{output}"))
}

/// Runs `radosgw-admin` and returns what it prints.
pub(crate) async fn rgw_admin_says(servers: &Servers, arguments: &[&str]) -> String {
    run("radosgw-admin", rgw_admin_command(servers, arguments)).await
}

/// Creates a user on the moto that enforces policies, with one inline policy.
///
/// Moto never matches an Allow on the ARN of one secret: give `*` as the resource.
pub(crate) async fn create_moto_user(servers: &Servers, prefix: &str, policy: &Value) -> AccessKey {
    let name = unique(prefix);
    let policy = policy.to_string();
    aws_on_moto_auth(servers, &["iam", "create-user", "--user-name", &name]).await;
    let put = [
        "iam",
        "put-user-policy",
        "--user-name",
        &name,
        "--policy-name",
        "main",
        "--policy-document",
        &policy,
    ];
    aws_on_moto_auth(servers, &put).await;
    let made = aws_on_moto_auth(servers, &["iam", "create-access-key", "--user-name", &name]).await;
    let text = |field: &str| made["AccessKey"][field].as_str().unwrap().to_owned();
    AccessKey::new(text("AccessKeyId"), text("SecretAccessKey"))
}

/// Creates a role on the moto that enforces policies and returns its ARN.
pub(crate) async fn create_moto_role(
    servers: &Servers,
    prefix: &str,
    trust: &Value,
    policy: &Value,
) -> String {
    let name = unique(prefix);
    let (trust, policy) = (trust.to_string(), policy.to_string());
    let create = ["iam", "create-role", "--role-name", &name, "--assume-role-policy-document", &trust];
    let role = aws_on_moto_auth(servers, &create).await;
    let put = [
        "iam",
        "put-role-policy",
        "--role-name",
        &name,
        "--policy-name",
        "main",
        "--policy-document",
        &policy,
    ];
    aws_on_moto_auth(servers, &put).await;
    role["Role"]["Arn"].as_str().unwrap().to_owned()
}

/// Runs awscli, a client not written by us, and returns what it prints: JSON, or null for nothing.
pub(crate) async fn aws_cli(servers: &Servers, endpoint: &str, key: &AccessKey, arguments: &[&str]) -> Value {
    let output = run("aws", aws_cli_command(servers, endpoint, key, arguments)).await;
    if output.trim().is_empty() {
        return Value::Null;
    }
    serde_json::from_str(&output).unwrap_or_else(|_| panic!("aws did not print JSON:\n{output}"))
}

/// The awscli call itself, for a test that wants to see it fail.
pub(crate) fn aws_cli_command(
    servers: &Servers,
    endpoint: &str,
    key: &AccessKey,
    arguments: &[&str],
) -> Command {
    let mut command = Command::new(servers.python_bin.join("aws"));
    command.args(["--endpoint-url", endpoint, "--region", REGION, "--output", "json"]);
    command.args(arguments);
    for name in ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL"] {
        command.env_remove(name);
    }
    command.env("AWS_ACCESS_KEY_ID", &key.id).env("AWS_SECRET_ACCESS_KEY", &key.secret);
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command
}

async fn aws_on_moto_auth(servers: &Servers, arguments: &[&str]) -> Value {
    aws_cli(servers, &servers.moto_auth, &servers.moto_auth_key, arguments).await
}

fn credentials(key: &AccessKey) -> Credentials {
    Credentials::new(&key.id, &key.secret, None, None, "test")
}

fn rgw_admin_command(servers: &Servers, arguments: &[&str]) -> Command {
    let mut command = Command::new("radosgw-admin");
    command.arg("-c").arg(&servers.ceph_conf).args(arguments);
    command
}

async fn run(name: &'static str, mut command: Command) -> String {
    let task = tokio::task::spawn_blocking(move || {
        let output = command.output().unwrap_or_else(|error| panic!("cannot start `{name}`: {error}"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{command:?}` failed ({}):\n{errors}", output.status);
        String::from_utf8(output.stdout).unwrap()
    });
    task.await.unwrap()
}
