//! Where the servers are that `tests/servers` started for this run.

use std::env;
use std::path::PathBuf;

/// An access key pair of a test server.
#[derive(Clone, Debug)]
pub(crate) struct AccessKey {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl AccessKey {
    pub(crate) fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { id: id.into(), secret: secret.into() }
    }
}

/// The servers of this run. They are shared by all tests at once: take unique names (`aws::unique`), never reset one.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    /// Secrets Manager, STS and IAM that accept every key. No good for signatures.
    pub(crate) moto: String,
    /// The same with signatures and IAM policies enforced.
    pub(crate) moto_auth: String,
    /// A key on `moto_auth` whose user may do everything.
    pub(crate) moto_auth_key: AccessKey,
    /// `PostgreSQL` as its superuser, without a database name: `{postgres}/postgres` exists.
    pub(crate) postgres: String,
    /// Strict S3 that tells a wrong secret from an unknown key.
    pub(crate) rgw: String,
    /// The same store with STS; here a wrong secret and an unknown key are both `AccessDenied`.
    pub(crate) rgw_sts: String,
    /// The same store over TLS, with a certificate of `ca_pem` for localhost, *.s3.localhost and 127.0.0.1.
    pub(crate) rgw_tls: String,
    /// The key of radosgw's user `admin`, which owns what it creates and may manage users and roles.
    pub(crate) rgw_key: AccessKey,
    /// The certificate authority of `rgw_tls`.
    pub(crate) ca_pem: PathBuf,
    /// For `radosgw-admin -c`.
    pub(crate) ceph_conf: PathBuf,
    /// Holds `aws` (awscli) and `python` (with boto3).
    pub(crate) python_bin: PathBuf,
}

impl Servers {
    /// Reads the addresses from the environment.
    pub(crate) fn get() -> Self {
        Self {
            moto: variable("MOTO"),
            moto_auth: variable("MOTO_AUTH"),
            moto_auth_key: AccessKey::new(variable("MOTO_AUTH_ACCESS_KEY"), variable("MOTO_AUTH_SECRET_KEY")),
            postgres: variable("POSTGRES"),
            rgw: variable("RGW"),
            rgw_sts: variable("RGW_STS"),
            rgw_tls: variable("RGW_TLS"),
            rgw_key: AccessKey::new(variable("RGW_ACCESS_KEY"), variable("RGW_SECRET_KEY")),
            ca_pem: variable("CA_PEM").into(),
            ceph_conf: variable("CEPH_CONF").into(),
            python_bin: variable("PYTHON_BIN").into(),
        }
    }
}

fn variable(name: &str) -> String {
    let name = format!("S3_CONNECTOR_TEST_{name}");
    env::var(&name).unwrap_or_else(|_| {
        panic!("`{name}` is not set, so the test servers are not there: run the tests with `tests/run` (or `cargo nextest run`)")
    })
}
