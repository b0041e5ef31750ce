//! The audit: append-only rows, each with the hash of the one before it.

use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::{Any, Row, Transaction};
use utoipa::ToSchema;

use crate::model::audit::Event;
use crate::model::hex::hex;
use crate::store::{Result, Store, StoreError};

/// Rows that one statement takes. Few enough that the statements of all lengths stay prepared, and that SQLite, which
/// looks through all names for each value that it is given, has few to look through.
const ROWS_PER_STATEMENT: usize = 16;
/// Bytes that a row usually has.
const ROW_BYTES: usize = 512;

/// One row of the chain.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditRow {
    /// 1 for the first row of the installation.
    pub id: i64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// SHA-256 of the previous row's hash and this row, in hex.
    pub hash: String,
}

/// What a walk over the whole chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Verification {
    /// Rows read.
    pub rows: u64,
    /// The first row that does not follow from the one before it.
    pub broken_at: Option<i64>,
    /// The hash of the last row; keep it elsewhere to prove later that nothing was cut off.
    pub head: String,
}

impl Store {
    /// Appends the rows of queries, together.
    pub async fn append_audit(&self, events: &[Event]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let mut transaction = self.pool.begin().await?;
        append(&mut transaction, events).await?;
        transaction.commit().await?;
        self.count(4 + (events.len() / ROWS_PER_STATEMENT) as u64);
        Ok(())
    }

    /// The newest rows before `before`, newest first; all projects when `project` is absent.
    pub async fn audit_rows(
        &self,
        project: Option<&str>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<AuditRow>> {
        self.count(1);
        let sql = "SELECT id, event, hash FROM audit WHERE ($1 = '' OR project_id = $1) AND id < $2 ORDER BY id DESC LIMIT $3";
        let rows = sqlx::query(sql)
            .bind(project.unwrap_or_default())
            .bind(before.unwrap_or(i64::MAX))
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(audit_row).collect()
    }

    /// Walks the chain from its first row.
    pub async fn verify_audit(&self) -> Result<Verification> {
        let mut found = Verification { rows: 0, broken_at: None, head: String::new() };
        let mut after = 0_i64;
        // read first: rows that are appended meanwhile are not walked
        let head = self.audit_head().await?;
        let last = head.split_once(':').and_then(|(id, _)| id.parse::<i64>().ok()).unwrap_or(0);
        loop {
            self.count(1);
            let sql = "SELECT id, event, previous_hash, hash FROM audit WHERE id > $1 AND id <= $2 ORDER BY id LIMIT 1000";
            let rows = sqlx::query(sql).bind(after).bind(last).fetch_all(&self.pool).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let (id, event): (i64, String) = (row.try_get("id")?, row.try_get("event")?);
                let (previous, hash): (String, String) =
                    (row.try_get("previous_hash")?, row.try_get("hash")?);
                let follows =
                    previous == found.head && chained(&found.head, id, &event) == hash && id == after + 1;
                if !follows && found.broken_at.is_none() {
                    found.broken_at = Some(id);
                }
                found.rows += 1;
                found.head = hash;
                after = id;
            }
        }
        if head != format!("{after}:{}", found.head)
            && !(after == 0 && head.is_empty())
            && found.broken_at.is_none()
        {
            found.broken_at = Some(after + 1);
        }
        Ok(found)
    }

    async fn audit_head(&self) -> Result<String> {
        self.count(1);
        Ok(sqlx::query("SELECT value FROM meta WHERE name = 'audit_head'")
            .fetch_one(&self.pool)
            .await?
            .try_get("value")?)
    }
}

/// Appends rows inside a transaction. The update of the head comes first: it takes the lock that keeps two
/// writers from continuing the chain at the same row.
pub(super) async fn append(transaction: &mut Transaction<'_, Any>, events: &[Event]) -> Result<()> {
    sqlx::query("UPDATE meta SET value = value WHERE name = 'audit_head'")
        .execute(&mut **transaction)
        .await?;
    let head: String = sqlx::query("SELECT value FROM meta WHERE name = 'audit_head'")
        .fetch_one(&mut **transaction)
        .await?
        .try_get("value")?;
    let (mut id, mut previous) = match head.split_once(':') {
        Some((id, hash)) => (
            id.parse::<i64>().map_err(|_| StoreError::Corrupt("the audit's head".to_owned()))?,
            hash.to_owned(),
        ),
        None => (0, String::new()),
    };
    for chunk in events.chunks(ROWS_PER_STATEMENT) {
        let mut insert = sqlx::query(sqlx::AssertSqlSafe(insert_sql(chunk.len())));
        for event in chunk {
            id += 1;
            let text = row_text(event)?;
            let hash = chained(&previous, id, &text);
            let before = std::mem::replace(&mut previous, hash.clone());
            insert = insert.bind(id).bind(event.project.clone()).bind(text).bind(before).bind(hash);
        }
        insert.execute(&mut **transaction).await?;
    }
    sqlx::query("UPDATE meta SET value = $1 WHERE name = 'audit_head'")
        .bind(format!("{id}:{previous}"))
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

fn row_text(event: &Event) -> Result<String> {
    let mut text = Vec::with_capacity(ROW_BYTES);
    serde_json::to_writer(&mut text, event).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    String::from_utf8(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// One insert of many rows; its text depends on nothing but their number.
fn insert_sql(rows: usize) -> String {
    let row = |index: usize| {
        let first = index * 5 + 1;
        format!("(${}, ${}, ${}, ${}, ${})", first, first + 1, first + 2, first + 3, first + 4)
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!("INSERT INTO audit (id, project_id, event, previous_hash, hash) VALUES {}", rows.join(", "))
}

fn chained(previous: &str, id: i64, event: &str) -> String {
    let digest = Sha256::new()
        .chain_update(previous.as_bytes())
        .chain_update(id.to_be_bytes())
        .chain_update(event.as_bytes())
        .finalize();
    hex(&digest)
}

fn audit_row(row: &sqlx::any::AnyRow) -> Result<AuditRow> {
    let event: String = row.try_get("event")?;
    let event = serde_json::from_str(&event).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(AuditRow { id: row.try_get("id")?, event, hash: row.try_get("hash")? })
}
