//! The audit: append-only rows, each with the hash of the one before it.
//!
//! Rows stand in pages of the database, as lines of a hash, a space and the event as JSON. A page is written once and
//! never touched again; the rows of queries, which come by the thousand, cost a fraction of a database row each.

use std::collections::BTreeSet;

use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::{Any, Row, Transaction};
use utoipa::ToSchema;

use crate::model::audit::Event;
use crate::model::hex::hex;
use crate::store::{Result, Store, StoreError};

/// Rows of a page, at the most.
const ROWS_OF_PAGE: usize = 256;
/// A page that has so many bytes takes no more rows. Who lists a few rows reads a page for them.
const BYTES_OF_PAGE: usize = 128 * 1024;
/// Bytes that the row of a query seldom exceeds.
const BYTES_OF_ROW: usize = 640;
/// Pages that one statement reads.
const PAGES_AT_ONCE: usize = 16;
/// Characters of a hash.
const HASH: usize = 64;

/// An event as the audit keeps it.
#[derive(Debug, Clone)]
pub struct AuditText {
    project: String,
    json: String,
}

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

/// Rows in one piece, as they stand in the database.
struct Page {
    first_id: i64,
    text: String,
}

impl AuditText {
    /// The event in one line.
    pub fn of(event: Event) -> Result<AuditText> {
        let mut json = Vec::with_capacity(BYTES_OF_ROW);
        serde_json::to_writer(&mut json, &event).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let json = String::from_utf8(json).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        Ok(AuditText { project: event.project, json })
    }

    /// The event as JSON.
    pub fn json(&self) -> &str {
        &self.json
    }
}

impl Store {
    /// Appends the rows of queries, together.
    pub async fn append_audit(&self, rows: &[AuditText]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut transaction = self.pool.begin().await?;
        let statements = append(&mut transaction, rows).await?;
        transaction.commit().await?;
        self.count(1 + statements);
        Ok(())
    }

    /// The newest rows before `before`, newest first; all projects when `project` is absent.
    pub async fn audit_rows(
        &self,
        project: Option<&str>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<AuditRow>> {
        let before = before.unwrap_or(i64::MAX);
        let mut below = before;
        let mut found = Vec::new();
        while found.len() < limit {
            let pages = self.pages_below(project, below, PAGES_AT_ONCE.min(limit)).await?;
            let Some(last) = pages.last() else { break };
            below = last.first_id;
            for page in &pages {
                let rows = page.rows().collect::<Result<Vec<_>>>()?;
                for (id, hash, json) in rows.into_iter().rev().filter(|(id, ..)| *id < before) {
                    let event: Event =
                        serde_json::from_str(json).map_err(|error| StoreError::Corrupt(error.to_string()))?;
                    if project.is_none_or(|project| project == event.project) {
                        found.push(AuditRow { id, event, hash: hash.to_owned() });
                    }
                }
                if found.len() >= limit {
                    break;
                }
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// The newest pages that begin before that row, newest first.
    async fn pages_below(&self, project: Option<&str>, first_id: i64, most: usize) -> Result<Vec<Page>> {
        self.count(1);
        let sql = match project {
            None => {
                "SELECT first_id, rows_text FROM audit_pages WHERE first_id < $1 AND $2 = '' ORDER BY first_id DESC LIMIT $3"
            }
            Some(_) => {
                "SELECT page.first_id, page.rows_text FROM audit_page_projects AS of_project \
                 JOIN audit_pages AS page ON page.first_id = of_project.first_id \
                 WHERE of_project.first_id < $1 AND of_project.project_id = $2 ORDER BY of_project.first_id DESC LIMIT $3"
            }
        };
        let rows = sqlx::query(sql)
            .bind(first_id)
            .bind(project.unwrap_or_default())
            .bind(i64::try_from(most).unwrap_or(1))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(page).collect()
    }

    /// Walks the chain from its first row.
    pub async fn verify_audit(&self) -> Result<Verification> {
        let mut found = Verification { rows: 0, broken_at: None, head: String::new() };
        let mut after = 0_i64;
        let most = i64::try_from(PAGES_AT_ONCE).unwrap_or(1);
        // read first: rows that are appended meanwhile are not walked
        let head = self.audit_head().await?;
        let last = head.split_once(':').and_then(|(id, _)| id.parse::<i64>().ok()).unwrap_or(0);
        loop {
            self.count(1);
            let sql = "SELECT first_id, rows_text FROM audit_pages WHERE first_id > $1 AND first_id <= $2 ORDER BY first_id LIMIT $3";
            let pages = sqlx::query(sql).bind(after).bind(last).bind(most).fetch_all(&self.pool).await?;
            if pages.is_empty() {
                break;
            }
            for row in &pages {
                found.walk(&page(row)?, &mut after);
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

impl Verification {
    /// Follows the chain over one more page.
    fn walk(&mut self, page: &Page, after: &mut i64) {
        for (index, line) in page.lines() {
            let id = page.first_id.saturating_add(index);
            let (hash, json) = split(line).unwrap_or_default();
            let follows = id == *after + 1 && chained(&self.head, id, json) == hash;
            if !follows && self.broken_at.is_none() {
                self.broken_at = Some(id);
            }
            self.rows += 1;
            hash.clone_into(&mut self.head);
            *after = id;
        }
    }
}

impl Page {
    fn lines(&self) -> impl Iterator<Item = (i64, &str)> {
        (0_i64..).zip(self.text.split('\n'))
    }

    /// Each row's id, hash and event.
    fn rows(&self) -> impl Iterator<Item = Result<(i64, &str, &str)>> {
        self.lines().map(|(index, line)| {
            let id = self.first_id.saturating_add(index);
            let (hash, json) =
                split(line).ok_or_else(|| StoreError::Corrupt(format!("row {id} of the audit")))?;
            Ok((id, hash, json))
        })
    }
}

/// Appends rows inside a transaction; gives the number of statements. The update of the head comes first: it takes the
/// lock that keeps two writers from continuing the chain at the same row.
pub(super) async fn append(transaction: &mut Transaction<'_, Any>, rows: &[AuditText]) -> Result<u64> {
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
    let mut statements = 3;
    let mut left = rows.iter().peekable();
    while left.peek().is_some() {
        let first_id = id + 1;
        let mut text = String::new();
        let mut projects = BTreeSet::new();
        let mut count = 0;
        while let Some(row) = left.next_if(|_| count < ROWS_OF_PAGE && text.len() < BYTES_OF_PAGE) {
            id += 1;
            count += 1;
            previous = chained(&previous, id, &row.json);
            let line_break = if count == 1 { "" } else { "\n" };
            for part in [line_break, &previous, " ", &row.json] {
                text.push_str(part);
            }
            projects.insert(row.project.as_str());
        }
        sqlx::query("INSERT INTO audit_pages (first_id, rows_text) VALUES ($1, $2)")
            .bind(first_id)
            .bind(text)
            .execute(&mut **transaction)
            .await?;
        statements += 1;
        for project in projects {
            sqlx::query("INSERT INTO audit_page_projects (project_id, first_id) VALUES ($1, $2)")
                .bind(project.to_owned())
                .bind(first_id)
                .execute(&mut **transaction)
                .await?;
            statements += 1;
        }
    }
    sqlx::query("UPDATE meta SET value = $1 WHERE name = 'audit_head'")
        .bind(format!("{id}:{previous}"))
        .execute(&mut **transaction)
        .await?;
    Ok(statements)
}

fn chained(previous: &str, id: i64, event: &str) -> String {
    let digest = Sha256::new()
        .chain_update(previous.as_bytes())
        .chain_update(id.to_be_bytes())
        .chain_update(event.as_bytes())
        .finalize();
    hex(&digest)
}

fn split(line: &str) -> Option<(&str, &str)> {
    line.split_once(' ').filter(|(hash, _)| hash.len() == HASH)
}

fn page(row: &sqlx::any::AnyRow) -> Result<Page> {
    Ok(Page { first_id: row.try_get("first_id")?, text: row.try_get("rows_text")? })
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::chained;
    use crate::config;
    use crate::store::keys::MasterKey;
    use crate::store::{LockedStore, MIGRATIONS, PATIENCE, open_pool};

    /// A database of an earlier version, where each row stood alone, loses no row and no link of the chain.
    #[tokio::test]
    async fn rows_of_an_earlier_version_become_pages() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_owned();
        let url = String::new();
        let settings = config::Store { data, url, max_connections: 2, poll_ms: 1000, min_free_bytes: 0 };
        let pool = open_pool(&settings, PATIENCE).await.unwrap();
        let mut earlier = MIGRATIONS.migrations.to_vec();
        earlier.retain(|migration| migration.version < 9);
        sqlx::migrate::Migrator { migrations: earlier.into(), ..sqlx::migrate::Migrator::DEFAULT }
            .run(&pool)
            .await
            .unwrap();
        let mut head = String::new();
        for id in 1..=3_i64 {
            let project = if id == 2 { "p" } else { "q" };
            let event = format!(
                r#"{{"at":"2026-11-01T10:00:00Z","project":"{project}","who":"w","from":"f","action":"a","subject":"s{id}","outcome":"ok","request_id":"r"}}"#
            );
            let hash = chained(&head, id, &event);
            sqlx::query(
                "INSERT INTO audit (id, project_id, event, previous_hash, hash) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(id)
            .bind(project)
            .bind(event)
            .bind(head)
            .bind(hash.clone())
            .execute(&pool)
            .await
            .unwrap();
            head = hash;
        }
        sqlx::query("UPDATE meta SET value = $1 WHERE name = 'audit_head'")
            .bind(format!("3:{head}"))
            .execute(&pool)
            .await
            .unwrap();
        pool.close().await;
        let key =
            MasterKey::parse(&SecretString::from("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")).unwrap();
        let store = LockedStore::open(&settings).await.unwrap().unlock(&key, 0).await.unwrap();
        let verified = store.verify_audit().await.unwrap();
        assert_eq!((verified.rows, verified.broken_at, verified.head), (3, None, head));
        let rows = store.audit_rows(Some("q"), None, 10).await.unwrap();
        let told: Vec<(i64, &str)> = rows.iter().map(|row| (row.id, row.event.subject.as_str())).collect();
        assert_eq!(told, [(3, "s3"), (1, "s1")]);
    }
}
