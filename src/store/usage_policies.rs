//! Usage policies: rules of the whole installation. They hold nothing secret, so nothing of them is sealed.

use std::sync::Arc;

use sqlx::Row;

use crate::model::audit::Event;
use crate::model::usage_policy::UsagePolicy;
use crate::store::{Result, Store, StoreError, new_id};

/// A usage policy as it is stored.
#[derive(Debug, Clone)]
pub struct UsagePolicyRecord {
    /// Never changes, never reused.
    pub id: Arc<str>,
    /// The rule.
    pub definition: UsagePolicy,
    /// Grows with every change.
    pub version: i64,
    /// Epoch milliseconds.
    pub created_ms: i64,
    /// Epoch milliseconds.
    pub updated_ms: i64,
}

impl Store {
    /// All usage policies.
    pub async fn usage_policies(&self) -> Result<Vec<UsagePolicyRecord>> {
        self.count(1);
        let rows = sqlx::query(
            "SELECT id, definition, version, created_ms, updated_ms FROM usage_policies ORDER BY name",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(record).collect()
    }

    /// Keeps a new usage policy.
    pub async fn create_usage_policy(
        &self,
        definition: UsagePolicy,
        now_ms: i64,
        event: &Event,
    ) -> Result<(UsagePolicyRecord, i64)> {
        let id = new_id();
        let mut change = self.change().await?;
        sqlx::query(
            "INSERT INTO usage_policies (id, name, definition, version, created_ms, updated_ms) VALUES ($1, $2, $3, 1, $4, $4)",
        )
        .bind(id.as_str())
        .bind(definition.name.as_str())
        .bind(text(&definition)?)
        .bind(now_ms)
        .execute(&mut *change.transaction)
        .await?;
        let sequence = self.commit(change, event).await?;
        let record = UsagePolicyRecord {
            id: id.into(),
            definition,
            version: 1,
            created_ms: now_ms,
            updated_ms: now_ms,
        };
        Ok((record, sequence))
    }

    /// Replaces a usage policy that still has the version of `old`. Its name stays.
    pub async fn update_usage_policy(
        &self,
        old: &UsagePolicyRecord,
        definition: UsagePolicy,
        now_ms: i64,
        event: &Event,
    ) -> Result<(UsagePolicyRecord, i64)> {
        let mut change = self.change().await?;
        let done = sqlx::query(
            "UPDATE usage_policies SET definition = $1, version = version + 1, updated_ms = $2 WHERE id = $3 AND version = $4",
        )
        .bind(text(&definition)?)
        .bind(now_ms)
        .bind(&*old.id)
        .bind(old.version)
        .execute(&mut *change.transaction)
        .await?;
        if done.rows_affected() == 0 {
            let row = sqlx::query("SELECT version FROM usage_policies WHERE id = $1")
                .bind(&*old.id)
                .fetch_one(&mut *change.transaction)
                .await?;
            return Err(StoreError::VersionMismatch { current: row.try_get("version")? });
        }
        let sequence = self.commit(change, event).await?;
        let record =
            UsagePolicyRecord { definition, version: old.version + 1, updated_ms: now_ms, ..old.clone() };
        Ok((record, sequence))
    }

    /// Deletes a usage policy that still has the version of `old`.
    pub async fn delete_usage_policy(&self, old: &UsagePolicyRecord, event: &Event) -> Result<i64> {
        let mut change = self.change().await?;
        let done = sqlx::query("DELETE FROM usage_policies WHERE id = $1 AND version = $2")
            .bind(&*old.id)
            .bind(old.version)
            .execute(&mut *change.transaction)
            .await?;
        if done.rows_affected() == 0 {
            let row = sqlx::query("SELECT version FROM usage_policies WHERE id = $1")
                .bind(&*old.id)
                .fetch_one(&mut *change.transaction)
                .await?;
            return Err(StoreError::VersionMismatch { current: row.try_get("version")? });
        }
        self.commit(change, event).await
    }
}

fn record(row: &sqlx::any::AnyRow) -> Result<UsagePolicyRecord> {
    let (id, definition): (String, String) = (row.try_get("id")?, row.try_get("definition")?);
    let definition = serde_json::from_str(&definition)
        .map_err(|error| StoreError::Corrupt(format!("usage policy {id}: {error}")))?;
    Ok(UsagePolicyRecord {
        id: id.into(),
        definition,
        version: row.try_get("version")?,
        created_ms: row.try_get("created_ms")?,
        updated_ms: row.try_get("updated_ms")?,
    })
}

fn text(definition: &UsagePolicy) -> Result<String> {
    serde_json::to_string(definition).map_err(|error| StoreError::Corrupt(error.to_string()))
}
