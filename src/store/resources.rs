//! Resources, their history and the results of their tests.

use std::sync::Arc;

use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use crate::model::audit::Event;
use crate::model::check::Report;
use crate::model::literal::Literals;
use crate::model::resource::Definition;
use crate::store::seal::Ring;
use crate::store::{Change, Result, Store, StoreError, new_id, rechecks, webhooks};

/// Test results kept for a resource.
const TESTS_KEPT: i64 = 100;

/// A resource as it is stored, with its literal keys opened.
#[derive(Debug, Clone)]
pub struct ResourceRecord {
    /// Never changes, never reused.
    pub id: Arc<str>,
    /// The project it belongs to.
    pub project_id: Arc<str>,
    /// What is shown.
    pub definition: Definition,
    /// The sealed part, opened.
    pub literals: Literals,
    /// Grows with every change.
    pub version: i64,
    /// Epoch milliseconds.
    pub created_ms: i64,
    /// Epoch milliseconds.
    pub updated_ms: i64,
}

/// One version of a resource.
#[derive(Debug, Clone)]
pub struct HistoryRow {
    /// The version.
    pub version: i64,
    /// The definition of then.
    pub definition: Definition,
    /// The literals of then.
    pub literals: Literals,
    /// Epoch milliseconds.
    pub changed_ms: i64,
    /// Whose change it was.
    pub changed_by: String,
}

/// One kept test result.
#[derive(Debug, Clone)]
pub struct TestRow {
    /// Its id.
    pub id: String,
    /// The environment that was tested.
    pub environment: String,
    /// What was found.
    pub report: Report,
    /// Whether the schedule ran it; else somebody asked.
    pub scheduled: bool,
}

const COLUMNS: &str =
    "SELECT id, project_id, definition, sealed, version, created_ms, updated_ms FROM resources";

pub(super) fn place(id: &str) -> String {
    format!("resources/sealed/{id}")
}

impl Store {
    /// All resources of the installation.
    pub async fn resources(&self) -> Result<Vec<ResourceRecord>> {
        self.count(1);
        let rows =
            sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY id"))).fetch_all(&self.pool).await?;
        self.opened(|ring| rows.iter().map(|row| resource(ring, row)).collect()).await
    }

    /// Keeps a new resource.
    pub async fn create_resource(
        &self,
        project_id: &str,
        definition: Definition,
        literals: Literals,
        now_ms: i64,
        event: &Event,
    ) -> Result<(ResourceRecord, i64)> {
        let record = ResourceRecord {
            id: new_id().into(),
            project_id: project_id.into(),
            definition,
            literals,
            version: 1,
            created_ms: now_ms,
            updated_ms: now_ms,
        };
        let mut change = self.change().await?;
        let sealed = change.ring.seal_literals(&place(&record.id), &record.literals)?;
        sqlx::query(
            "INSERT INTO resources (id, project_id, name, definition, sealed, version, created_ms, updated_ms) VALUES ($1, $2, $3, $4, $5, 1, $6, $6)",
        )
        .bind(&*record.id)
        .bind(project_id)
        .bind(record.definition.name.as_str())
        .bind(text(&record.definition)?)
        .bind(sealed.as_slice())
        .bind(now_ms)
        .execute(&mut *change.transaction)
        .await?;
        write_history(&mut change, &record, sealed, event).await?;
        let sequence = self.commit(change, event).await?;
        Ok((record, sequence))
    }

    /// Replaces a resource that still has the version of `old`.
    pub async fn update_resource(
        &self,
        old: &ResourceRecord,
        definition: Definition,
        literals: Literals,
        now_ms: i64,
        event: &Event,
    ) -> Result<(ResourceRecord, i64)> {
        let record = ResourceRecord {
            definition,
            literals,
            version: old.version + 1,
            updated_ms: now_ms,
            ..old.clone()
        };
        let mut change = self.change().await?;
        let sealed = change.ring.seal_literals(&place(&record.id), &record.literals)?;
        let done = sqlx::query(
            "UPDATE resources SET name = $1, definition = $2, sealed = $3, version = version + 1, updated_ms = $4 WHERE id = $5 AND version = $6",
        )
        .bind(record.definition.name.as_str())
        .bind(text(&record.definition)?)
        .bind(sealed.as_slice())
        .bind(now_ms)
        .bind(&*record.id)
        .bind(old.version)
        .execute(&mut *change.transaction)
        .await?;
        if done.rows_affected() == 0 {
            return Err(self.moved_on(change, &record.id).await?);
        }
        if webhook(&old.definition) != webhook(&record.definition) {
            webhooks::forget(&mut change, &record.id).await?;
        }
        write_history(&mut change, &record, sealed, event).await?;
        let sequence = self.commit(change, event).await?;
        Ok((record, sequence))
    }

    /// Deletes a resource that still has the version of `old`; its history stays.
    pub async fn delete_resource(&self, old: &ResourceRecord, event: &Event) -> Result<i64> {
        let mut change = self.change().await?;
        let done = sqlx::query("DELETE FROM resources WHERE id = $1 AND version = $2")
            .bind(&*old.id)
            .bind(old.version)
            .execute(&mut *change.transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Err(self.moved_on(change, &old.id).await?);
        }
        rechecks::forget(&mut change, &old.id).await?;
        self.commit(change, event).await
    }

    async fn moved_on(&self, mut change: Change<'_>, id: &str) -> Result<StoreError> {
        let row = sqlx::query("SELECT version FROM resources WHERE id = $1")
            .bind(id)
            .fetch_one(&mut *change.transaction)
            .await?;
        Ok(StoreError::VersionMismatch { current: row.try_get("version")? })
    }

    /// All versions, newest first.
    pub async fn resource_history(&self, id: &str) -> Result<Vec<HistoryRow>> {
        self.count(1);
        let rows = sqlx::query(
            "SELECT version, definition, sealed, changed_ms, changed_by FROM resource_history WHERE resource_id = $1 ORDER BY version DESC LIMIT 1001",
        )
        .bind(id)
        .fetch_all(&self.pool)
        .await?;
        self.opened(|ring| rows.iter().map(|row| history_row(ring, id, row)).collect()).await
    }

    /// Keeps a test's result and lets the oldest beyond a hundred go.
    pub async fn keep_test(
        &self,
        resource_id: &str,
        environment: &str,
        report: &Report,
        now_ms: i64,
    ) -> Result<String> {
        let mut transaction = self.pool.begin().await?;
        let id = keep_test(&mut transaction, (resource_id, environment), report, (now_ms, false)).await?;
        transaction.commit().await?;
        self.count(2);
        Ok(id)
    }

    /// Kept results, newest first.
    pub async fn tests(&self, resource_id: &str, limit: i64) -> Result<Vec<TestRow>> {
        self.count(1);
        let rows = sqlx::query("SELECT id, environment, report, scheduled FROM resource_tests WHERE resource_id = $1 ORDER BY id DESC LIMIT $2")
            .bind(resource_id)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| {
                let report: String = row.try_get("report")?;
                let report =
                    serde_json::from_str(&report).map_err(|error| StoreError::Corrupt(error.to_string()))?;
                let scheduled: i64 = row.try_get("scheduled")?;
                Ok(TestRow {
                    id: row.try_get("id")?,
                    environment: row.try_get("environment")?,
                    report,
                    scheduled: scheduled != 0,
                })
            })
            .collect()
    }
}

/// Keeps a result of a resource in an environment, with its moment and whether the schedule ran it; lets the oldest beyond a
/// hundred go. Of a resource that is gone nothing is kept.
pub(super) async fn keep_test(
    transaction: &mut Transaction<'_, Any>,
    (resource_id, environment): (&str, &str),
    report: &Report,
    (now_ms, scheduled): (i64, bool),
) -> Result<String> {
    let id = new_id();
    let text = serde_json::to_string(report).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    sqlx::query("INSERT INTO resource_tests (id, resource_id, environment, report, tested_ms, scheduled) SELECT $1, id, $3, $4, $5, $6 FROM resources WHERE id = $2")
        .bind(id.as_str())
        .bind(resource_id)
        .bind(environment)
        .bind(text)
        .bind(now_ms)
        .bind(i64::from(scheduled))
        .execute(&mut **transaction)
        .await?;
    sqlx::query(
        "DELETE FROM resource_tests WHERE resource_id = $1 AND id NOT IN (SELECT id FROM resource_tests WHERE resource_id = $1 ORDER BY id DESC LIMIT $2)",
    )
    .bind(resource_id)
    .bind(TESTS_KEPT)
    .execute(&mut **transaction)
    .await?;
    Ok(id)
}

fn resource(ring: &Ring, row: &AnyRow) -> Result<ResourceRecord> {
    let (id, project_id): (String, String) = (row.try_get("id")?, row.try_get("project_id")?);
    let (definition, sealed): (String, Vec<u8>) = (row.try_get("definition")?, row.try_get("sealed")?);
    Ok(ResourceRecord {
        definition: parsed(&definition, &id)?,
        literals: ring.open_literals(&place(&id), &sealed)?,
        id: id.into(),
        project_id: project_id.into(),
        version: row.try_get("version")?,
        created_ms: row.try_get("created_ms")?,
        updated_ms: row.try_get("updated_ms")?,
    })
}

fn history_row(ring: &Ring, id: &str, row: &AnyRow) -> Result<HistoryRow> {
    let (definition, sealed): (String, Vec<u8>) = (row.try_get("definition")?, row.try_get("sealed")?);
    Ok(HistoryRow {
        version: row.try_get("version")?,
        definition: parsed(&definition, id)?,
        literals: ring.open_literals(&place(id), &sealed)?,
        changed_ms: row.try_get("changed_ms")?,
        changed_by: row.try_get("changed_by")?,
    })
}

async fn write_history(
    change: &mut Change<'_>,
    record: &ResourceRecord,
    sealed: Vec<u8>,
    event: &Event,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO resource_history (resource_id, version, definition, sealed, changed_ms, changed_by) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&*record.id)
    .bind(record.version)
    .bind(text(&record.definition)?)
    .bind(sealed)
    .bind(record.updated_ms)
    .bind(event.who.as_str())
    .execute(&mut *change.transaction)
    .await?;
    Ok(())
}

fn webhook(definition: &Definition) -> Option<&str> {
    definition.recheck.as_ref()?.webhook.as_deref()
}

fn text(definition: &Definition) -> Result<String> {
    serde_json::to_string(definition).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn parsed(definition: &str, id: &str) -> Result<Definition> {
    serde_json::from_str(definition).map_err(|error| StoreError::Corrupt(format!("resource {id}: {error}")))
}
