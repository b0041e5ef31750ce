//! Secret sources, and which one is active where.

use std::sync::Arc;

use sqlx::Row;

use crate::model::audit::Event;
use crate::model::literal::Literals;
use crate::model::name::Name;
use crate::model::secret::SourceDefinition;
use crate::store::seal::Ring;
use crate::store::{Change, Result, Store, StoreError, new_id};

/// A source as it is stored, with its literal keys opened.
#[derive(Debug, Clone)]
pub struct SourceRecord {
    /// Never changes, never reused.
    pub id: Arc<str>,
    /// The project it belongs to.
    pub project_id: Arc<str>,
    /// What is shown.
    pub definition: SourceDefinition,
    /// The sealed part, opened.
    pub literals: Literals,
    /// Grows with every change.
    pub version: i64,
    /// Epoch milliseconds.
    pub created_ms: i64,
    /// Epoch milliseconds.
    pub updated_ms: i64,
}

/// Which source `{{ secrets.… }}` means.
#[derive(Debug, Clone)]
pub struct ActiveSource {
    /// The project.
    pub project_id: Arc<str>,
    /// The environment.
    pub environment: Name,
    /// The source.
    pub source_id: Arc<str>,
}

const COLUMNS: &str =
    "SELECT id, project_id, definition, sealed, version, created_ms, updated_ms FROM sources";

pub(super) fn place(id: &str) -> String {
    format!("sources/sealed/{id}")
}

impl Store {
    /// All sources of the installation.
    pub async fn sources(&self) -> Result<Vec<SourceRecord>> {
        self.count(1);
        let rows =
            sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY id"))).fetch_all(&self.pool).await?;
        self.opened(|ring| rows.iter().map(|row| source(ring, row)).collect()).await
    }

    /// Keeps a new source.
    pub async fn create_source(
        &self,
        project_id: &str,
        definition: SourceDefinition,
        literals: Literals,
        now_ms: i64,
        event: &Event,
    ) -> Result<(SourceRecord, i64)> {
        let id = new_id();
        let mut change = self.change().await?;
        let sealed = change.ring.seal_literals(&place(&id), &literals)?;
        sqlx::query(
            "INSERT INTO sources (id, project_id, name, definition, sealed, version, created_ms, updated_ms) VALUES ($1, $2, $3, $4, $5, 1, $6, $6)",
        )
        .bind(id.as_str())
        .bind(project_id)
        .bind(definition.name.as_str())
        .bind(text(&definition)?)
        .bind(sealed)
        .bind(now_ms)
        .execute(&mut *change.transaction)
        .await?;
        let sequence = self.commit(change, event).await?;
        let record = SourceRecord {
            id: id.into(),
            project_id: project_id.into(),
            definition,
            literals,
            version: 1,
            created_ms: now_ms,
            updated_ms: now_ms,
        };
        Ok((record, sequence))
    }

    /// Replaces a source that still has the version of `old`.
    pub async fn update_source(
        &self,
        old: &SourceRecord,
        definition: SourceDefinition,
        literals: Literals,
        now_ms: i64,
        event: &Event,
    ) -> Result<(SourceRecord, i64)> {
        let mut change = self.change().await?;
        let record = replace(&mut change, old, definition, literals, now_ms).await?;
        let sequence = self.commit(change, event).await?;
        Ok((record, sequence))
    }

    /// Deletes a source with its vault secrets.
    pub async fn delete_source(&self, id: &str, event: &Event) -> Result<i64> {
        let mut change = self.change().await?;
        let done = sqlx::query("DELETE FROM sources WHERE id = $1")
            .bind(id)
            .execute(&mut *change.transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound);
        }
        self.commit(change, event).await
    }

    /// Which source is active, for every project and environment.
    pub async fn active_sources(&self) -> Result<Vec<ActiveSource>> {
        self.count(1);
        let rows = sqlx::query("SELECT project_id, environment, source_id FROM active_sources")
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| {
                let (project_id, environment, source_id): (String, String, String) =
                    (row.try_get("project_id")?, row.try_get("environment")?, row.try_get("source_id")?);
                let environment =
                    Name::parse(&environment).map_err(|error| StoreError::Corrupt(error.to_string()))?;
                Ok(ActiveSource { project_id: project_id.into(), environment, source_id: source_id.into() })
            })
            .collect()
    }

    /// Makes a source the active one.
    pub async fn set_active_source(&self, active: &ActiveSource, event: &Event) -> Result<i64> {
        let mut change = self.change().await?;
        sqlx::query(
            "INSERT INTO active_sources (project_id, environment, source_id) VALUES ($1, $2, $3) ON CONFLICT (project_id, environment) DO UPDATE SET source_id = excluded.source_id",
        )
        .bind(&*active.project_id)
        .bind(active.environment.as_str())
        .bind(&*active.source_id)
        .execute(&mut *change.transaction)
        .await?;
        self.commit(change, event).await
    }
}

/// Replaces a source that still has the version of `old`, as a part of a change.
pub(super) async fn replace(
    change: &mut Change<'_>,
    old: &SourceRecord,
    definition: SourceDefinition,
    literals: Literals,
    now_ms: i64,
) -> Result<SourceRecord> {
    let sealed = change.ring.seal_literals(&place(&old.id), &literals)?;
    let done = sqlx::query(
        "UPDATE sources SET name = $1, definition = $2, sealed = $3, version = version + 1, updated_ms = $4 WHERE id = $5 AND version = $6",
    )
    .bind(definition.name.as_str())
    .bind(text(&definition)?)
    .bind(sealed)
    .bind(now_ms)
    .bind(&*old.id)
    .bind(old.version)
    .execute(&mut *change.transaction)
    .await?;
    if done.rows_affected() == 0 {
        let row = sqlx::query("SELECT version FROM sources WHERE id = $1")
            .bind(&*old.id)
            .fetch_one(&mut *change.transaction)
            .await?;
        return Err(StoreError::VersionMismatch { current: row.try_get("version")? });
    }
    Ok(SourceRecord { definition, literals, version: old.version + 1, updated_ms: now_ms, ..old.clone() })
}

fn source(ring: &Ring, row: &sqlx::any::AnyRow) -> Result<SourceRecord> {
    let (id, project_id): (String, String) = (row.try_get("id")?, row.try_get("project_id")?);
    let (definition, sealed): (String, Vec<u8>) = (row.try_get("definition")?, row.try_get("sealed")?);
    let definition = serde_json::from_str(&definition)
        .map_err(|error| StoreError::Corrupt(format!("source {id}: {error}")))?;
    Ok(SourceRecord {
        literals: ring.open_literals(&place(&id), &sealed)?,
        id: id.into(),
        project_id: project_id.into(),
        definition,
        version: row.try_get("version")?,
        created_ms: row.try_get("created_ms")?,
        updated_ms: row.try_get("updated_ms")?,
    })
}

fn text(definition: &SourceDefinition) -> Result<String> {
    serde_json::to_string(definition).map_err(|error| StoreError::Corrupt(error.to_string()))
}
