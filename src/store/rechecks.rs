//! Re-checks: when each is due, who has it, and what it found.
//!
//! Several replicas look at the same rows. A re-check belongs to the one whose statement moves `claims` on. The end of one
//! moves it on as well, so that whoever read the row before it cannot begin with what was known then. What was claimed and
//! never finished is due again when the claim has run out.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::model::audit::Event;
use crate::model::check::Report;
use crate::model::recheck::{Delivery, Health};
use crate::store::resources::keep_test;
use crate::store::webhooks::{self, NewMessage};
use crate::store::{AuditText, Change, Result, Store, StoreError, audit};

/// The re-check of a resource in one environment.
#[derive(Debug, Clone)]
pub struct RecheckRow {
    /// The resource.
    pub resource_id: String,
    /// The environment.
    pub environment: String,
    /// The version of the definition that was claimed last.
    pub version: i64,
    /// Epoch milliseconds; for one that is under way, when its claim runs out.
    pub due_ms: i64,
    /// How often it was claimed or finished.
    pub claims: i64,
    /// What is known so far.
    pub health: Option<Health>,
    /// How the last message to the webhook went.
    pub delivery: Option<Delivery>,
}

/// A re-check that ended.
#[derive(Debug)]
pub struct FinishedRecheck<'a> {
    /// As it was claimed.
    pub row: &'a RecheckRow,
    /// What was found.
    pub report: &'a Report,
    /// What is known now.
    pub health: &'a Health,
    /// Epoch milliseconds.
    pub now_ms: i64,
    /// Epoch milliseconds; when it is due again.
    pub due_ms: i64,
    /// What is new, if anything is.
    pub news: Option<News>,
}

/// Another verdict than before.
#[derive(Debug)]
pub struct News {
    /// Its audit row.
    pub event: Event,
    /// What the webhook is told, if there is one.
    pub message: Option<NewMessage>,
}

const COLUMNS: &str =
    "SELECT resource_id, environment, version, due_ms, claims, health, delivery FROM rechecks";

impl Store {
    /// Every re-check of the installation.
    pub async fn rechecks(&self) -> Result<Vec<RecheckRow>> {
        self.count(1);
        let rows = sqlx::query(COLUMNS).fetch_all(&self.pool).await?;
        rows.iter().map(recheck).collect()
    }

    /// Those that are due, and when the next one of the others is.
    pub async fn due_rechecks(&self, now_ms: i64) -> Result<(Vec<RecheckRow>, Option<i64>)> {
        self.count(2);
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE due_ms <= $1"));
        let rows = sqlx::query(sql).bind(now_ms).fetch_all(&self.pool).await?;
        let next = "SELECT coalesce(min(due_ms), 0) AS due_ms FROM rechecks WHERE due_ms > $1";
        let next: i64 = sqlx::query(next).bind(now_ms).fetch_one(&self.pool).await?.try_get("due_ms")?;
        let rows = rows.iter().map(recheck).collect::<Result<_>>()?;
        Ok((rows, Some(next).filter(|next| *next > 0)))
    }

    /// The re-checks of the resources of one project.
    pub async fn rechecks_in(&self, project_id: &str) -> Result<Vec<RecheckRow>> {
        self.count(1);
        let sql = sqlx::AssertSqlSafe(format!(
            "{COLUMNS} WHERE resource_id IN (SELECT id FROM resources WHERE project_id = $1)"
        ));
        let rows = sqlx::query(sql).bind(project_id).fetch_all(&self.pool).await?;
        rows.iter().map(recheck).collect()
    }

    /// The re-checks of one resource.
    pub async fn rechecks_of(&self, resource_id: &str) -> Result<Vec<RecheckRow>> {
        self.count(1);
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE resource_id = $1 ORDER BY environment"));
        let rows = sqlx::query(sql).bind(resource_id).fetch_all(&self.pool).await?;
        rows.iter().map(recheck).collect()
    }

    /// Puts a re-check on the schedule; one that is there stays as it is, and for a resource that is gone there is none.
    pub async fn add_recheck(
        &self,
        resource_id: &str,
        environment: &str,
        version: i64,
        due_ms: i64,
    ) -> Result<()> {
        self.count(1);
        sqlx::query("INSERT INTO rechecks (resource_id, environment, version, due_ms, claims, health, delivery) SELECT id, $2, $3, $4, 0, '', '' FROM resources WHERE id = $1 ON CONFLICT (resource_id, environment) DO NOTHING")
            .bind(resource_id)
            .bind(environment)
            .bind(version)
            .bind(due_ms)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Takes a re-check from `now_ms` until `until_ms`; none when somebody else took or finished it since `row` was read, or
    /// when it is not due and was claimed with that version already.
    pub async fn claim_recheck(
        &self,
        row: &RecheckRow,
        version: i64,
        (now_ms, until_ms): (i64, i64),
    ) -> Result<Option<RecheckRow>> {
        self.count(1);
        let done = sqlx::query("UPDATE rechecks SET claims = claims + 1, version = $1, due_ms = $2 WHERE resource_id = $3 AND environment = $4 AND claims = $5 AND (due_ms <= $6 OR version < $1)")
            .bind(version)
            .bind(until_ms)
            .bind(row.resource_id.as_str())
            .bind(row.environment.as_str())
            .bind(row.claims)
            .bind(now_ms)
            .execute(&self.pool)
            .await?;
        let mine = done.rows_affected() == 1;
        Ok(mine.then(|| RecheckRow { claims: row.claims + 1, version, due_ms: until_ms, ..row.clone() }))
    }

    /// Keeps a claim for longer.
    pub async fn hold_recheck(&self, row: &RecheckRow, until_ms: i64) -> Result<()> {
        self.count(1);
        sqlx::query(
            "UPDATE rechecks SET due_ms = $1 WHERE resource_id = $2 AND environment = $3 AND claims = $4",
        )
        .bind(until_ms)
        .bind(row.resource_id.as_str())
        .bind(row.environment.as_str())
        .bind(row.claims)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Keeps a result with all that follows from it, or nothing of it when somebody else has the re-check by now; says which.
    pub async fn finish_recheck(&self, finished: &FinishedRecheck<'_>) -> Result<bool> {
        let row = finished.row;
        self.count(3);
        let mut transaction = self.pool.begin().await?;
        let done = sqlx::query("UPDATE rechecks SET health = $1, due_ms = $2, claims = claims + 1 WHERE resource_id = $3 AND environment = $4 AND claims = $5")
            .bind(text(finished.health)?)
            .bind(finished.due_ms)
            .bind(row.resource_id.as_str())
            .bind(row.environment.as_str())
            .bind(row.claims)
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() != 1 {
            return Ok(false);
        }
        let place = (row.resource_id.as_str(), row.environment.as_str());
        keep_test(&mut transaction, place, finished.report, (finished.now_ms, true)).await?;
        if let Some(news) = &finished.news {
            if let Some(message) = &news.message {
                self.count(1);
                webhooks::add(&mut transaction, row, message, finished.now_ms).await?;
            }
            self.count(audit::append(&mut transaction, &[AuditText::of(news.event.clone())?]).await?);
        }
        transaction.commit().await?;
        Ok(true)
    }
}

/// Lets go of all that belongs to a resource that is deleted.
pub(super) async fn forget(change: &mut Change<'_>, resource_id: &str) -> Result<()> {
    for sql in
        ["DELETE FROM rechecks WHERE resource_id = $1", "DELETE FROM resource_tests WHERE resource_id = $1"]
    {
        sqlx::query(sql).bind(resource_id).execute(&mut *change.transaction).await?;
    }
    webhooks::forget(change, resource_id).await
}

fn recheck(row: &AnyRow) -> Result<RecheckRow> {
    let (health, delivery): (String, String) = (row.try_get("health")?, row.try_get("delivery")?);
    Ok(RecheckRow {
        resource_id: row.try_get("resource_id")?,
        environment: row.try_get("environment")?,
        version: row.try_get("version")?,
        due_ms: row.try_get("due_ms")?,
        claims: row.try_get("claims")?,
        health: parsed(&health)?,
        delivery: parsed(&delivery)?,
    })
}

pub(super) fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// Nothing is an empty text.
fn parsed<T: DeserializeOwned>(text: &str) -> Result<Option<T>> {
    if text.is_empty() {
        return Ok(None);
    }
    serde_json::from_str(text).map(Some).map_err(|error| StoreError::Corrupt(error.to_string()))
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use crate::config;
    use crate::model::check::{Report, Verdict};
    use crate::model::recheck::{Delivery, Health};
    use crate::store::keys::MasterKey;
    use crate::store::{FinishedRecheck, LockedStore, NewMessage, RecheckRow, Store, webhooks};

    /// A store with the resource `r`.
    async fn store(folder: &std::path::Path) -> Store {
        let (data, url) = (folder.to_owned(), String::new());
        let settings = config::Store { data, url, max_connections: 2, poll_ms: 1000, min_free_bytes: 0 };
        let key =
            MasterKey::parse(&SecretString::from("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")).unwrap();
        let store = LockedStore::open(&settings).await.unwrap().unlock(&key, 0).await.unwrap();
        for sql in [
            "INSERT INTO projects (id, name, created_ms) VALUES ('p', 'p', 0)",
            "INSERT INTO resources (id, project_id, name, definition, sealed, version, created_ms, updated_ms) VALUES ('r', 'p', 'r', '', '', 1, 0, 0)",
        ] {
            sqlx::query(sql).execute(&store.pool).await.unwrap();
        }
        store
    }

    async fn finish(store: &Store, row: &RecheckRow, due_ms: i64) -> bool {
        let report = Report {
            verdict: Verdict::Works,
            reason: None,
            tested_at: String::new(),
            took_ms: 0,
            checks: Vec::new(),
            permissions: Vec::new(),
        };
        let (health, _) = Health::after(None, &report, "2026-11-01T10:00:00Z");
        let finished =
            FinishedRecheck { row, report: &report, health: &health, now_ms: 20, due_ms, news: None };
        store.finish_recheck(&finished).await.unwrap()
    }

    async fn only(store: &Store) -> RecheckRow {
        let rows = store.rechecks().await.unwrap();
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows[0].clone()
    }

    #[tokio::test]
    async fn who_read_a_recheck_before_it_ended_cannot_begin_with_what_was_known_then() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        store.add_recheck("r", "production", 1, 0).await.unwrap();
        store.add_recheck("gone", "production", 1, 0).await.unwrap();
        let fresh = only(&store).await;
        let claimed = store.claim_recheck(&fresh, 1, (10, 60_000)).await.unwrap().unwrap();
        assert!(store.claim_recheck(&fresh, 1, (10, 60_000)).await.unwrap().is_none());
        let read_before = only(&store).await;
        assert!(finish(&store, &claimed, 5_000).await);
        assert!(!finish(&store, &claimed, 5_000).await, "a result is kept once");
        assert!(store.claim_recheck(&read_before, 1, (70_000, 99_000)).await.unwrap().is_none());
        let read_after = only(&store).await;
        assert!(read_after.health.is_some());
        assert!(store.claim_recheck(&read_after, 1, (4_999, 99_000)).await.unwrap().is_none(), "not due");
        assert_eq!(store.due_rechecks(4_999).await.unwrap().1, Some(5_000));
        assert_eq!(store.due_rechecks(5_000).await.unwrap().0.len(), 1);
        assert!(store.claim_recheck(&read_after, 2, (4_999, 99_000)).await.unwrap().is_some(), "changed");
        assert_eq!(store.rechecks_in("p").await.unwrap().len(), 1);
        assert!(store.rechecks_in("q").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_message_belongs_to_the_last_who_took_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        store.add_recheck("r", "production", 3, 0).await.unwrap();
        let row = only(&store).await;
        let message =
            NewMessage { id: "m".to_owned(), webhook: "https://h".to_owned(), body: "{}".to_owned() };
        let mut transaction = store.pool.begin().await.unwrap();
        webhooks::add(&mut transaction, &row, &message, 100).await.unwrap();
        transaction.commit().await.unwrap();
        let (read, next) = store.due_messages(100, 10).await.unwrap();
        assert_eq!((read[0].id.as_str(), read[0].version, read[0].written_ms, next), ("m", 3, 100, None));
        let slow = store.claim_message(&read[0], 10_000).await.unwrap().unwrap();
        assert!(store.claim_message(&read[0], 10_000).await.unwrap().is_none());
        assert_eq!(store.due_messages(9_999, 10).await.unwrap().1, Some(10_000));
        let again = store.due_messages(10_000, 10).await.unwrap().0;
        let other = store.claim_message(&again[0], 20_000).await.unwrap().unwrap();
        let delivery = |detail: &str| Delivery {
            at: String::new(),
            delivered: true,
            detail: detail.to_owned(),
            tried_again: false,
        };
        // the one that lost it changes nothing
        store.settle_message(&slow, &delivery("slow"), None).await.unwrap();
        store.settle_message(&slow, &delivery("slow"), Some(1)).await.unwrap();
        store.drop_message(&slow).await.unwrap();
        assert!(only(&store).await.delivery.is_none());
        assert_eq!(store.due_messages(0, 10).await.unwrap().1, Some(20_000));
        store.settle_message(&other, &delivery("other"), Some(30_000)).await.unwrap();
        assert_eq!(store.due_messages(0, 10).await.unwrap().1, Some(30_000));
        store.settle_message(&other, &delivery("other"), None).await.unwrap();
        assert_eq!(store.due_messages(0, 10).await.unwrap().1, None);
        assert_eq!(only(&store).await.delivery.unwrap().detail, "other");
    }
}
