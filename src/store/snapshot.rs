//! The last good values of secrets, sealed: what a restart falls back to while their source is out of reach.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::store::seal::Ring;
use crate::store::{Result, Store, StoreError};

/// A value as it was cached.
#[derive(Debug)]
pub struct KeptSecret {
    /// The cache's name of the source.
    pub source_id: String,
    /// The version of the source's definition that it was read with.
    pub source_version: i64,
    /// The name or ARN at the source.
    pub secret: String,
    /// The stage or version that was asked for.
    pub pin: String,
    /// What is known of it besides the value.
    pub about: About,
    /// The text; base64 when it is binary.
    pub value: SecretString,
    /// Epoch milliseconds.
    pub fetched_ms: i64,
}

/// What is known of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The version.
    pub version_id: String,
    /// The ARN.
    pub arn: Option<String>,
    /// The name.
    pub name: String,
    /// Whether the name leads elsewhere.
    pub foreign: bool,
    /// The stages of the version.
    pub stages: Vec<String>,
    /// Whether the text is base64 of bytes.
    pub binary: bool,
}

/// The row of a value: unique, and not taken apart again.
pub fn kept_id(source_id: &str, secret: &str, pin: &str) -> String {
    format!("{source_id}\n{secret}\n{pin}")
}

pub(super) fn place(id: &str) -> String {
    format!("cache_snapshot/sealed/{id}")
}

impl Store {
    /// Keeps values, each unless a newer one is kept already, and lets go of rows.
    pub async fn keep_secrets(&self, kept: &[KeptSecret], gone: &[String]) -> Result<()> {
        if kept.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let mut change = self.lock().await?;
        for secret in kept {
            let id = kept_id(&secret.source_id, &secret.secret, &secret.pin);
            let about = serde_json::to_string(&secret.about)
                .map_err(|error| StoreError::Corrupt(error.to_string()))?;
            let sealed = change.ring.seal(&place(&id), secret.value.expose_secret().as_bytes())?;
            sqlx::query(
                "INSERT INTO cache_snapshot (id, source_id, source_version, secret, pin, about, sealed, fetched_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET source_version = excluded.source_version, about = excluded.about, sealed = excluded.sealed, fetched_ms = excluded.fetched_ms WHERE cache_snapshot.fetched_ms <= excluded.fetched_ms",
            )
            .bind(id)
            .bind(&secret.source_id)
            .bind(secret.source_version)
            .bind(&secret.secret)
            .bind(&secret.pin)
            .bind(about)
            .bind(sealed)
            .bind(secret.fetched_ms)
            .execute(&mut *change.transaction)
            .await?;
        }
        for id in gone {
            sqlx::query("DELETE FROM cache_snapshot WHERE id = $1")
                .bind(id)
                .execute(&mut *change.transaction)
                .await?;
        }
        change.transaction.commit().await?;
        self.count(1 + (kept.len() + gone.len()) as u64);
        Ok(())
    }

    /// Every kept value that is younger than `since_ms`. Older ones go, and those that cannot be opened.
    pub async fn kept_secrets(&self, since_ms: i64) -> Result<Vec<KeptSecret>> {
        self.count(2);
        sqlx::query("DELETE FROM cache_snapshot WHERE fetched_ms < $1")
            .bind(since_ms)
            .execute(&self.pool)
            .await?;
        let rows = sqlx::query(
            "SELECT id, source_id, source_version, secret, pin, about, sealed, fetched_ms FROM cache_snapshot",
        )
        .fetch_all(&self.pool)
        .await?;
        let (mut opened, mut broken) = (Vec::new(), Vec::new());
        for row in &rows {
            match self.opened(|ring| kept(ring, row)).await {
                Ok(secret) => opened.push(secret),
                Err(error) => {
                    tracing::warn!(cause = %error, "a kept secret cannot be opened: it is let go");
                    broken.push(row.try_get("id")?);
                }
            }
        }
        self.keep_secrets(&[], &broken).await?;
        Ok(opened)
    }

    /// Lets go of all kept values.
    pub async fn forget_secrets(&self) -> Result<()> {
        self.count(1);
        sqlx::query("DELETE FROM cache_snapshot").execute(&self.pool).await?;
        Ok(())
    }
}

fn kept(ring: &Ring, row: &AnyRow) -> Result<KeptSecret> {
    let (id, about): (String, String) = (row.try_get("id")?, row.try_get("about")?);
    let sealed: Vec<u8> = row.try_get("sealed")?;
    let mut plain = ring.open(&place(&id), &sealed)?;
    let value = String::from_utf8(std::mem::take(&mut *plain)).map_err(|error| {
        // the bytes inside the error are a secret
        drop(zeroize::Zeroizing::new(error.into_bytes()));
        StoreError::Corrupt("a kept secret is not text".to_owned())
    })?;
    Ok(KeptSecret {
        source_id: row.try_get("source_id")?,
        source_version: row.try_get("source_version")?,
        secret: row.try_get("secret")?,
        pin: row.try_get("pin")?,
        about: serde_json::from_str(&about).map_err(|error| StoreError::Corrupt(error.to_string()))?,
        value: SecretString::from(value),
        fetched_ms: row.try_get("fetched_ms")?,
    })
}
