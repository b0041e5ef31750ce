//! The keys that seal: a master key from a file, the environment or AWS KMS, and the data keys that it seals.
//!
//! The master key is never in the database; the data keys are there only sealed by it. A key of AWS KMS seals a
//! master key of ours, whose sealed form is in the database and which only AWS KMS opens.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AnyConnection, Row};
use zeroize::Zeroizing;

use crate::config;
use crate::store::seal::{KeyBytes, Ring, SealError, Sealer};
use crate::store::{StoreError, new_id};

const DATA_KEY_PLACE: &str = "meta/value/data_key";
const KMS_KEY: &str = "kms_master_key";

/// The key that seals the data keys.
pub struct MasterKey {
    key: KeyBytes,
    /// How AWS KMS sealed it; absent for a file or the environment.
    pub(super) kms_blob: Option<Vec<u8>>,
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("MasterKey(..)")
    }
}

impl MasterKey {
    /// From base64 text of 32 bytes.
    pub fn parse(text: &SecretString) -> anyhow::Result<MasterKey> {
        let bytes = Zeroizing::new(BASE64.decode(text.expose_secret().trim()).map_err(|_| wrong_key())?);
        MasterKey::from_bytes(&bytes, None)
    }

    /// A key that AWS KMS made and sealed.
    pub fn of_kms(plain: &[u8], blob: Vec<u8>) -> anyhow::Result<MasterKey> {
        MasterKey::from_bytes(plain, Some(blob))
    }

    fn from_bytes(bytes: &[u8], kms_blob: Option<Vec<u8>>) -> anyhow::Result<MasterKey> {
        let key: [u8; 32] = bytes.try_into().map_err(|_| wrong_key())?;
        Ok(MasterKey { key: Zeroizing::new(key), kms_blob })
    }

    /// Reads a key file, which only its owner may read; none when there is no such file.
    pub fn read(file: &Path) -> anyhow::Result<Option<MasterKey>> {
        if !file.exists() {
            return Ok(None);
        }
        let mode = fs::metadata(file)?.permissions().mode();
        anyhow::ensure!(
            mode.trailing_zeros() >= 6,
            "the sealing key `{}` can be read by others: run `chmod 600` on it",
            file.display()
        );
        MasterKey::parse(&SecretString::from(fs::read_to_string(file)?)).map(Some)
    }

    /// Makes a key file. It is complete and on the disk before anything is sealed with it.
    pub fn make(file: &Path) -> anyhow::Result<MasterKey> {
        let key: KeyBytes = Zeroizing::new(rand::random());
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut handle =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(|error| {
                anyhow::anyhow!("the sealing key `{}` cannot be made: {error}", file.display())
            })?;
        handle.write_all(Zeroizing::new(BASE64.encode(key.as_slice())).as_bytes())?;
        handle.write_all(b"\n")?;
        handle.sync_all()?;
        tracing::warn!(file = %file.display(), "made a new sealing key: back it up, without it stored keys and vault secrets cannot be read");
        Ok(MasterKey { key, kms_blob: None })
    }

    /// The key that the settings name, from the environment or a file; makes the file when nothing is sealed yet.
    pub fn from_settings(
        store: &config::Store,
        seal: &config::Seal,
        first_start: bool,
    ) -> anyhow::Result<MasterKey> {
        if let Some(key) = &seal.key {
            return MasterKey::parse(key);
        }
        let file = key_file(store, seal);
        match MasterKey::read(&file)? {
            Some(key) => Ok(key),
            None if first_start => MasterKey::make(&file),
            None => anyhow::bail!(
                "the database holds sealed data, but there is no sealing key: put the key file back at `{}`, or give the key in S3_CONNECTOR_SEALING_KEY",
                file.display()
            ),
        }
    }

    pub(super) fn sealer(&self) -> Sealer {
        Sealer::from_key(&self.key)
    }
}

/// Where the key file is.
pub fn key_file(store: &config::Store, seal: &config::Seal) -> PathBuf {
    if seal.key_file.is_empty() { store.data.join("sealing.key") } else { PathBuf::from(&seal.key_file) }
}

fn wrong_key() -> anyhow::Error {
    anyhow::anyhow!("the sealing key must be base64 of 32 bytes; make one with `openssl rand -base64 32`")
}

/// The master key as AWS KMS sealed it, when one did.
pub(super) async fn kms_blob(connection: &mut AnyConnection) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query("SELECT value FROM meta WHERE name = $1")
        .bind(KMS_KEY)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let text: String = row.try_get("value")?;
    let blob = BASE64.decode(text).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(Some(blob))
}

/// Puts the sealed master key in place of the one before; none for a key from elsewhere.
pub(super) async fn put_kms_blob(
    connection: &mut AnyConnection,
    blob: Option<&[u8]>,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM meta WHERE name = $1").bind(KMS_KEY).execute(&mut *connection).await?;
    if let Some(blob) = blob {
        sqlx::query("INSERT INTO meta (name, value) VALUES ($1, $2)")
            .bind(KMS_KEY)
            .bind(BASE64.encode(blob))
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// All data keys, opened with the master key; none when there are no keys yet.
pub(super) async fn read_ring(
    connection: &mut AnyConnection,
    master: &Sealer,
) -> Result<Option<Ring>, StoreError> {
    let mut keys = Vec::new();
    for (id, wrapped) in wrapped_keys(connection).await? {
        keys.push((id, Arc::new(Sealer::from_key(&unwrap(master, &wrapped)?))));
    }
    Ok(keys
        .pop()
        .map(|(newest, current)| Ring::new(newest, current, keys.into_iter().map(|(_, key)| key).collect())))
}

/// Ids and sealed texts, the newest last.
async fn wrapped_keys(connection: &mut AnyConnection) -> Result<Vec<(String, String)>, StoreError> {
    let rows = sqlx::query("SELECT id, wrapped FROM data_keys ORDER BY id").fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("wrapped")?))).collect()
}

fn unwrap(master: &Sealer, wrapped: &str) -> Result<KeyBytes, StoreError> {
    let sealed = BASE64.decode(wrapped).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let plain = master.open(DATA_KEY_PLACE, &sealed)?;
    let key: [u8; 32] = plain
        .as_slice()
        .try_into()
        .map_err(|_| StoreError::Corrupt("a data key has no 32 bytes".to_owned()))?;
    Ok(Zeroizing::new(key))
}

fn wrap(master: &Sealer, key: &KeyBytes) -> Result<String, SealError> {
    Ok(BASE64.encode(master.seal(DATA_KEY_PLACE, key.as_slice())?))
}

/// Makes a data key, which is the newest from now on; gives its row.
pub(super) async fn add_data_key(
    connection: &mut AnyConnection,
    master: &Sealer,
    now_ms: i64,
) -> Result<String, StoreError> {
    let key: KeyBytes = Zeroizing::new(rand::random());
    let id = new_id();
    sqlx::query("INSERT INTO data_keys (id, wrapped, created_ms) VALUES ($1, $2, $3)")
        .bind(id.as_str())
        .bind(wrap(master, &key)?)
        .bind(now_ms)
        .execute(connection)
        .await?;
    Ok(id)
}

/// Seals every data key with another master key.
pub(super) async fn wrap_again(
    connection: &mut AnyConnection,
    old: &Sealer,
    new: &Sealer,
) -> Result<(), StoreError> {
    for (id, wrapped) in wrapped_keys(connection).await? {
        let key = unwrap(old, &wrapped)?;
        sqlx::query("UPDATE data_keys SET wrapped = $1 WHERE id = $2")
            .bind(wrap(new, &key)?)
            .bind(id)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
