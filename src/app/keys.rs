//! Where the sealing keys come from, and how they are changed.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::app::audit::own_event;
use crate::aws::kms::KmsKey;
use crate::config::{Config, Seal};
use crate::store::keys::MasterKey;
use crate::store::{LockedStore, Resealed, Store};

/// Where another master key comes from.
#[derive(Debug)]
pub enum NewMaster {
    /// A file, which is made when it is not there.
    File(PathBuf),
    /// Base64 of 32 bytes.
    Text(SecretString),
    /// The ARN of a key or alias of AWS KMS.
    Kms(String),
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database cannot be reached or migrated.
    #[error("{0:#}")]
    Database(anyhow::Error),
    /// There is no sealing key, or it is not the database's.
    #[error("{0:#}")]
    Key(anyhow::Error),
}

/// Opens the store with the master key that the settings name.
pub async fn open_store(config: &Config, now_ms: i64) -> Result<Store, OpenError> {
    let locked = LockedStore::open(&config.store).await.map_err(OpenError::Database)?;
    let master = master_key(config, &locked).await.map_err(OpenError::Key)?;
    locked.unlock(&master, now_ms).await.map_err(OpenError::Key)
}

async fn master_key(config: &Config, locked: &LockedStore) -> anyhow::Result<MasterKey> {
    let seal = &config.seal;
    match (locked.kms_blob(), seal.kms_key_arn.as_str()) {
        (None, "") => MasterKey::from_settings(&config.store, seal, locked.is_first_start()),
        (Some(_), "") => {
            anyhow::bail!("the database's keys are sealed by AWS KMS: name the key in `seal.kms_key_arn`")
        }
        (None, arn) if locked.is_first_start() => new_kms_master(arn, seal).await,
        (None, _) => anyhow::bail!(
            "`seal.kms_key_arn` is set, but the database's keys are sealed by a key file or S3_CONNECTOR_SEALING_KEY: take the setting away, run `s3-connector rotate-key --master-kms ARN`, then set it"
        ),
        (Some(blob), arn) => {
            let key = KmsKey::new(arn, seal.kms_endpoint()).await?;
            let plain = key
                .open(blob)
                .await
                .map_err(|error| anyhow::anyhow!("AWS KMS does not open the master key: {error}"))?;
            MasterKey::of_kms(&plain, blob.to_vec())
        }
    }
}

async fn new_kms_master(arn: &str, seal: &Seal) -> anyhow::Result<MasterKey> {
    let key = KmsKey::new(arn, seal.kms_endpoint()).await?;
    let (plain, blob) = key
        .generate()
        .await
        .map_err(|error| anyhow::anyhow!("AWS KMS does not make a master key: {error}"))?;
    MasterKey::of_kms(&plain, blob)
}

/// Makes a new data key and seals everything again with it. The service may run meanwhile.
pub async fn rotate_data_key(config: &Config, now_ms: i64) -> anyhow::Result<Resealed> {
    let store = open_store(config, now_ms).await?;
    let resealed = store.rotate_data_key(now_ms, &own_event("sealing_key.rotate", "data key", now_ms)).await;
    store.close().await;
    Ok(resealed?)
}

/// Seals the data keys with another master key.
pub async fn change_master_key(config: &Config, new: &NewMaster, now_ms: i64) -> anyhow::Result<()> {
    let store = open_store(config, now_ms).await?;
    let changed = change_master(config, &store, new, now_ms).await;
    store.close().await;
    changed
}

async fn change_master(config: &Config, store: &Store, new: &NewMaster, now_ms: i64) -> anyhow::Result<()> {
    let key = match new {
        NewMaster::File(file) => match MasterKey::read(file)? {
            Some(key) => key,
            None => MasterKey::make(file)?,
        },
        NewMaster::Text(text) => MasterKey::parse(text)?,
        NewMaster::Kms(arn) => new_kms_master(arn, &config.seal).await?,
    };
    let subject = match new {
        NewMaster::File(file) => format!("master key in {}", file.display()),
        NewMaster::Text(_) => "master key in the environment".to_owned(),
        NewMaster::Kms(arn) => format!("master key of {arn}"),
    };
    Ok(store.change_master_key(&key, &own_event("sealing_key.change_master", subject, now_ms)).await?)
}
