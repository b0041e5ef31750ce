//! Re-checks: when each is due, who has it, what it found, and what webhooks are still to be told.
//!
//! Several replicas look at the same rows. Work belongs to the one whose statement moves a counter on: `claims` of a
//! re-check, `tries` of a message. What was claimed and never finished is due again when the claim has run out.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::model::audit::Event;
use crate::model::check::Report;
use crate::model::recheck::{Delivery, Health};
use crate::store::resources::keep_test;
use crate::store::{AuditText, Change, Result, Store, StoreError, audit, new_id};

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
    /// How often it was claimed.
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
    pub message: Option<String>,
}

/// A message that a webhook is still to get.
#[derive(Debug, Clone)]
pub struct WebhookMessage {
    /// Never reused.
    pub id: String,
    /// The resource that it tells of, whose webhook gets it.
    pub resource_id: String,
    /// The environment.
    pub environment: String,
    /// What is sent.
    pub body: String,
    /// How often it was tried.
    pub tries: i64,
    /// Epoch milliseconds; when it is tried next.
    pub due_ms: i64,
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

    /// The re-checks of one resource.
    pub async fn rechecks_of(&self, resource_id: &str) -> Result<Vec<RecheckRow>> {
        self.count(1);
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE resource_id = $1 ORDER BY environment"));
        let rows = sqlx::query(sql).bind(resource_id).fetch_all(&self.pool).await?;
        rows.iter().map(recheck).collect()
    }

    /// Puts a re-check on the schedule; one that is there stays as it is.
    pub async fn add_recheck(
        &self,
        resource_id: &str,
        environment: &str,
        version: i64,
        due_ms: i64,
    ) -> Result<()> {
        self.count(1);
        sqlx::query("INSERT INTO rechecks (resource_id, environment, version, due_ms, claims, health, delivery) VALUES ($1, $2, $3, $4, 0, '', '') ON CONFLICT (resource_id, environment) DO NOTHING")
            .bind(resource_id)
            .bind(environment)
            .bind(version)
            .bind(due_ms)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Takes a re-check until `until_ms`; none when somebody else took it since `row` was read.
    pub async fn claim_recheck(
        &self,
        row: &RecheckRow,
        version: i64,
        until_ms: i64,
    ) -> Result<Option<RecheckRow>> {
        self.count(1);
        let done = sqlx::query("UPDATE rechecks SET claims = claims + 1, version = $1, due_ms = $2 WHERE resource_id = $3 AND environment = $4 AND claims = $5")
            .bind(version)
            .bind(until_ms)
            .bind(row.resource_id.as_str())
            .bind(row.environment.as_str())
            .bind(row.claims)
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
        let done = sqlx::query("UPDATE rechecks SET health = $1, due_ms = $2 WHERE resource_id = $3 AND environment = $4 AND claims = $5")
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
                sqlx::query("INSERT INTO webhook_messages (id, resource_id, environment, body, tries, due_ms) VALUES ($1, $2, $3, $4, 0, $5)")
                    .bind(new_id())
                    .bind(row.resource_id.as_str())
                    .bind(row.environment.as_str())
                    .bind(message.as_str())
                    .bind(finished.now_ms)
                    .execute(&mut *transaction)
                    .await?;
            }
            self.count(audit::append(&mut transaction, &[AuditText::of(news.event.clone())?]).await?);
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// The messages that are due first.
    pub async fn webhook_messages(&self, limit: i64) -> Result<Vec<WebhookMessage>> {
        self.count(1);
        let rows = sqlx::query("SELECT id, resource_id, environment, body, tries, due_ms FROM webhook_messages ORDER BY due_ms, id LIMIT $1")
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(WebhookMessage {
                    id: row.try_get("id")?,
                    resource_id: row.try_get("resource_id")?,
                    environment: row.try_get("environment")?,
                    body: row.try_get("body")?,
                    tries: row.try_get("tries")?,
                    due_ms: row.try_get("due_ms")?,
                })
            })
            .collect()
    }

    /// Takes a message for one try; `next_ms` is when the next one is due unless this one settles it. False when somebody
    /// else took it.
    pub async fn claim_message(&self, message: &WebhookMessage, next_ms: i64) -> Result<bool> {
        self.count(1);
        let done = sqlx::query(
            "UPDATE webhook_messages SET tries = tries + 1, due_ms = $1 WHERE id = $2 AND tries = $3",
        )
        .bind(next_ms)
        .bind(message.id.as_str())
        .bind(message.tries)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Notes how a try went; lets the message go unless it is tried again.
    pub async fn note_delivery(&self, message: &WebhookMessage, delivery: &Delivery) -> Result<()> {
        self.count(2);
        let mut transaction = self.pool.begin().await?;
        sqlx::query("UPDATE rechecks SET delivery = $1 WHERE resource_id = $2 AND environment = $3")
            .bind(text(delivery)?)
            .bind(message.resource_id.as_str())
            .bind(message.environment.as_str())
            .execute(&mut *transaction)
            .await?;
        if !delivery.tried_again {
            sqlx::query("DELETE FROM webhook_messages WHERE id = $1")
                .bind(message.id.as_str())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Lets a message go that nobody is to get any more.
    pub async fn drop_message(&self, message: &WebhookMessage) -> Result<()> {
        self.count(1);
        sqlx::query("DELETE FROM webhook_messages WHERE id = $1")
            .bind(message.id.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// Lets go of all that belongs to a resource that is deleted.
pub(super) async fn forget(change: &mut Change<'_>, resource_id: &str) -> Result<()> {
    sqlx::query("DELETE FROM rechecks WHERE resource_id = $1")
        .bind(resource_id)
        .execute(&mut *change.transaction)
        .await?;
    sqlx::query("DELETE FROM webhook_messages WHERE resource_id = $1")
        .bind(resource_id)
        .execute(&mut *change.transaction)
        .await?;
    Ok(())
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

fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// Nothing is an empty text.
fn parsed<T: DeserializeOwned>(text: &str) -> Result<Option<T>> {
    if text.is_empty() {
        return Ok(None);
    }
    serde_json::from_str(text).map(Some).map_err(|error| StoreError::Corrupt(error.to_string()))
}
