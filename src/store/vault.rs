//! The local vault: secrets of our own, sealed.

use secrecy::SecretString;
use sqlx::Row;
use zeroize::Zeroizing;

use crate::model::audit::Event;
use crate::store::{Result, Store, StoreError, new_id};

/// A secret of the local vault with its value opened.
#[derive(Debug)]
pub struct VaultSecret {
    /// Unique in its source.
    pub name: String,
    /// New with every value.
    pub version_id: String,
    /// The value.
    pub value: SecretString,
    /// Epoch milliseconds.
    pub updated_ms: i64,
}

pub(super) fn place(source_id: &str, name: &str) -> String {
    format!("vault_secrets/sealed/{source_id}/{name}")
}

impl Store {
    /// Writes a value; the version id of the new value and the sequence of the change come back.
    pub async fn put_vault_secret(
        &self,
        source_id: &str,
        name: &str,
        value: &[u8],
        now_ms: i64,
        event: &Event,
    ) -> Result<(String, i64)> {
        let version_id = new_id();
        let mut change = self.change().await?;
        let sealed = change.ring.seal(&place(source_id, name), value)?;
        sqlx::query(
            "INSERT INTO vault_secrets (id, source_id, name, version_id, sealed, updated_ms) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (source_id, name) DO UPDATE SET version_id = excluded.version_id, sealed = excluded.sealed, updated_ms = excluded.updated_ms",
        )
        .bind(new_id())
        .bind(source_id)
        .bind(name)
        .bind(version_id.as_str())
        .bind(sealed)
        .bind(now_ms)
        .execute(&mut *change.transaction)
        .await?;
        let sequence = self.commit(change, event).await?;
        Ok((version_id, sequence))
    }

    /// Deletes a secret.
    pub async fn delete_vault_secret(&self, source_id: &str, name: &str, event: &Event) -> Result<i64> {
        let mut change = self.change().await?;
        let done = sqlx::query("DELETE FROM vault_secrets WHERE source_id = $1 AND name = $2")
            .bind(source_id)
            .bind(name)
            .execute(&mut *change.transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound);
        }
        self.commit(change, event).await
    }

    /// Reads a secret.
    pub async fn vault_secret(&self, source_id: &str, name: &str) -> Result<VaultSecret> {
        self.count(1);
        let row = sqlx::query(
            "SELECT version_id, sealed, updated_ms FROM vault_secrets WHERE source_id = $1 AND name = $2",
        )
        .bind(source_id)
        .bind(name)
        .fetch_one(&self.pool)
        .await?;
        let sealed: Vec<u8> = row.try_get("sealed")?;
        let place = place(source_id, name);
        let mut plain = self.opened(|ring| Ok(ring.open(&place, &sealed)?)).await?;
        let text = String::from_utf8(std::mem::take(&mut *plain)).map_err(|error| {
            // the bytes inside the error are a secret
            drop(Zeroizing::new(error.into_bytes()));
            StoreError::Corrupt("a vault secret is not text".to_owned())
        })?;
        Ok(VaultSecret {
            name: name.to_owned(),
            version_id: row.try_get("version_id")?,
            value: SecretString::from(text),
            updated_ms: row.try_get("updated_ms")?,
        })
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
