//! The local vault: secrets of our own, sealed. This reads them, `vault_write` writes them.
//!
//! The current value of a secret is in `vault_secrets`, and the values before it are in `vault_versions`. A version keeps
//! its id, its time and who made it when it becomes current again.

use secrecy::SecretString;
use sqlx::Row;
use sqlx::any::AnyRow;
use zeroize::Zeroizing;

use crate::store::seal::Ring;
use crate::store::{Result, Store, StoreError};

/// The stage of the version that plain references mean.
const CURRENT: &str = "AWSCURRENT";
/// The stage of the version that was current before.
const PREVIOUS: &str = "AWSPREVIOUS";

const READ_CURRENT: &str = "SELECT version_id, version_id AS current_id, previous_version_id, sealed FROM vault_secrets WHERE source_id = $1 AND name = $2 AND $3 = ''";
const READ_PREVIOUS: &str = "SELECT v.version_id, s.version_id AS current_id, s.previous_version_id, v.sealed FROM vault_secrets s JOIN vault_versions v ON v.source_id = s.source_id AND v.name = s.name AND v.version_id = s.previous_version_id WHERE s.source_id = $1 AND s.name = $2 AND $3 = ''";
// one statement, so that a rollback in between cannot hide a version
const READ_VERSION: &str = "SELECT version_id, version_id AS current_id, previous_version_id, sealed FROM vault_secrets WHERE source_id = $1 AND name = $2 AND version_id = $3 UNION ALL SELECT v.version_id, s.version_id AS current_id, s.previous_version_id, v.sealed FROM vault_secrets s JOIN vault_versions v ON v.source_id = s.source_id AND v.name = s.name WHERE s.source_id = $1 AND s.name = $2 AND v.version_id = $3";

/// Which version of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VaultPin<'a> {
    /// The one that plain references mean.
    Current,
    /// The one that was current before.
    Previous,
    /// The one with this id.
    Version(&'a str),
}

/// A secret of the local vault with its value opened.
#[derive(Debug)]
pub struct VaultSecret {
    /// Unique in its source.
    pub name: String,
    /// New with every value.
    pub version_id: String,
    /// `AWSCURRENT`, `AWSPREVIOUS`, or none.
    pub stages: Vec<String>,
    /// The value.
    pub value: SecretString,
}

/// A version of a secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultVersion {
    /// The version.
    pub version_id: String,
    /// Epoch milliseconds.
    pub created_ms: i64,
    /// The token's name and id; empty when it was written before versions were kept.
    pub created_by: String,
    /// `AWSCURRENT`, `AWSPREVIOUS`, or none.
    pub stages: Vec<String>,
}

pub(super) fn place(source_id: &str, name: &str) -> String {
    format!("vault_secrets/sealed/{source_id}/{name}")
}

/// `version` is `name/version_id`.
pub(super) fn version_place(source_id: &str, version: &str) -> String {
    format!("vault_versions/sealed/{source_id}/{version}")
}

impl Store {
    /// Reads a version of a secret.
    pub async fn vault_secret(&self, source_id: &str, name: &str, pin: VaultPin<'_>) -> Result<VaultSecret> {
        self.count(1);
        let (sql, version) = match pin {
            VaultPin::Current => (READ_CURRENT, ""),
            VaultPin::Previous => (READ_PREVIOUS, ""),
            VaultPin::Version(id) => (READ_VERSION, id),
        };
        let row = sqlx::query(sql).bind(source_id).bind(name).bind(version).fetch_one(&self.pool).await?;
        self.opened(|ring| opened(ring, source_id, name, &row)).await
    }

    /// The versions of a secret, the newest first; none when there is no such secret.
    pub async fn vault_versions(&self, source_id: &str, name: &str) -> Result<Vec<VaultVersion>> {
        self.count(1);
        let rows = sqlx::query(
            "SELECT version_id, version_created_ms AS created_ms, version_created_by AS created_by, 'AWSCURRENT' AS stage FROM vault_secrets WHERE source_id = $1 AND name = $2 UNION ALL SELECT v.version_id, v.created_ms, v.created_by, CASE WHEN v.version_id = s.previous_version_id THEN 'AWSPREVIOUS' ELSE '' END AS stage FROM vault_secrets s JOIN vault_versions v ON v.source_id = s.source_id AND v.name = s.name WHERE s.source_id = $1 AND s.name = $2 ORDER BY created_ms DESC, version_id DESC",
        )
        .bind(source_id)
        .bind(name)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(version).collect()
    }

    /// How many secrets a source holds.
    pub async fn count_vault_secrets(&self, source_id: &str) -> Result<u64> {
        self.count(1);
        let row = sqlx::query("SELECT count(*) AS secrets FROM vault_secrets WHERE source_id = $1")
            .bind(source_id)
            .fetch_one(&self.pool)
            .await?;
        let secrets: i64 = row.try_get("secrets")?;
        Ok(u64::try_from(secrets).unwrap_or(0))
    }

    /// How many bytes the current values of a source have, sealed.
    pub async fn vault_bytes(&self, source_id: &str) -> Result<u64> {
        self.count(1);
        let row = sqlx::query(
            "SELECT COALESCE(sum(length(sealed)), 0) AS bytes FROM vault_secrets WHERE source_id = $1",
        )
        .bind(source_id)
        .fetch_one(&self.pool)
        .await?;
        let bytes: i64 = row.try_get("bytes")?;
        Ok(u64::try_from(bytes).unwrap_or(0))
    }

    /// The current values of a source, by name.
    pub async fn vault_values(&self, source_id: &str) -> Result<Vec<VaultSecret>> {
        self.count(1);
        let rows = sqlx::query(
            "SELECT name, version_id, version_id AS current_id, previous_version_id, sealed FROM vault_secrets WHERE source_id = $1 ORDER BY name",
        )
        .bind(source_id)
        .fetch_all(&self.pool)
        .await?;
        self.opened(|ring| {
            let value = |row: &AnyRow| -> Result<VaultSecret> {
                let name: String = row.try_get("name")?;
                opened(ring, source_id, &name, row)
            };
            rows.iter().map(value).collect()
        })
        .await
    }

    /// Names and times of change, in the order of the names, after `after`.
    pub async fn vault_names(
        &self,
        source_id: &str,
        search: &str,
        after: &str,
        limit: i64,
    ) -> Result<Vec<(String, i64)>> {
        self.count(1);
        let rows = sqlx::query(
            "SELECT name, updated_ms FROM vault_secrets WHERE source_id = $1 AND name > $2 AND lower(name) LIKE lower($3) ESCAPE '!' ORDER BY name LIMIT $4",
        )
        .bind(source_id)
        .bind(after)
        .bind(format!("%{}%", search.replace('!', "!!").replace('%', "!%").replace('_', "!_")))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok((row.try_get("name")?, row.try_get("updated_ms")?))).collect()
    }
}

fn version(row: &AnyRow) -> Result<VaultVersion> {
    let stage: String = row.try_get("stage")?;
    Ok(VaultVersion {
        version_id: row.try_get("version_id")?,
        created_ms: row.try_get("created_ms")?,
        created_by: row.try_get("created_by")?,
        stages: Some(stage).filter(|stage| !stage.is_empty()).into_iter().collect(),
    })
}

/// Opens a row of either table.
fn opened(ring: &Ring, source_id: &str, name: &str, row: &AnyRow) -> Result<VaultSecret> {
    let (version_id, current): (String, String) = (row.try_get("version_id")?, row.try_get("current_id")?);
    let (previous, sealed): (String, Vec<u8>) = (row.try_get("previous_version_id")?, row.try_get("sealed")?);
    let (place, stage) = if version_id == current {
        (place(source_id, name), Some(CURRENT))
    } else {
        let place = version_place(source_id, &format!("{name}/{version_id}"));
        (place, (version_id == previous).then_some(PREVIOUS))
    };
    Ok(VaultSecret {
        name: name.to_owned(),
        value: text(ring.open(&place, &sealed)?)?,
        stages: stage.map(str::to_owned).into_iter().collect(),
        version_id,
    })
}

fn text(mut plain: Zeroizing<Vec<u8>>) -> Result<SecretString> {
    let text = String::from_utf8(std::mem::take(&mut *plain)).map_err(|error| {
        // the bytes inside the error are a secret
        drop(Zeroizing::new(error.into_bytes()));
        StoreError::Corrupt("a vault secret is not text".to_owned())
    })?;
    Ok(SecretString::from(text))
}
