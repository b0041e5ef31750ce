//! What webhooks are still to be told.
//!
//! A message belongs to the replica whose statement moves `tries` on, until the claim runs out; every statement about it
//! afterwards asks for the number that the claim made, so that who lost it changes nothing.

use sqlx::{Any, Row, Transaction};

use crate::model::recheck::Delivery;
use crate::store::rechecks::text;
use crate::store::{Change, RecheckRow, Result, Store};

/// What a webhook is to be told.
#[derive(Debug)]
pub struct NewMessage {
    /// Never reused; the same in the body.
    pub id: String,
    /// The URL of the definition that was checked.
    pub webhook: String,
    /// What is sent.
    pub body: String,
}

/// A message that a webhook is still to get.
#[derive(Debug, Clone)]
pub struct WebhookMessage {
    /// Never reused.
    pub id: String,
    /// The resource that it tells of.
    pub resource_id: String,
    /// The environment.
    pub environment: String,
    /// The version of the definition that was checked.
    pub version: i64,
    /// The URL of that definition.
    pub webhook: String,
    /// What is sent.
    pub body: String,
    /// Epoch milliseconds.
    pub written_ms: i64,
    /// How often it was tried.
    pub tries: i64,
}

impl Store {
    /// At most so many messages that are due, that which waits longest first, and when the next one of the others is.
    pub async fn due_messages(&self, now_ms: i64, limit: i64) -> Result<(Vec<WebhookMessage>, Option<i64>)> {
        self.count(2);
        let rows = sqlx::query("SELECT id, resource_id, environment, version, webhook, body, written_ms, tries FROM webhook_messages WHERE due_ms <= $1 ORDER BY due_ms, id LIMIT $2")
            .bind(now_ms)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        let next = "SELECT coalesce(min(due_ms), 0) AS due_ms FROM webhook_messages WHERE due_ms > $1";
        let next: i64 = sqlx::query(next).bind(now_ms).fetch_one(&self.pool).await?.try_get("due_ms")?;
        let message = |row: &sqlx::any::AnyRow| {
            Ok(WebhookMessage {
                id: row.try_get("id")?,
                resource_id: row.try_get("resource_id")?,
                environment: row.try_get("environment")?,
                version: row.try_get("version")?,
                webhook: row.try_get("webhook")?,
                body: row.try_get("body")?,
                written_ms: row.try_get("written_ms")?,
                tries: row.try_get("tries")?,
            })
        };
        let messages = rows.iter().map(message).collect::<Result<_>>()?;
        Ok((messages, Some(next).filter(|next| *next > 0)))
    }

    /// Takes a message for one try, until `until_ms`; none when somebody else took it since it was read.
    pub async fn claim_message(
        &self,
        message: &WebhookMessage,
        until_ms: i64,
    ) -> Result<Option<WebhookMessage>> {
        self.count(1);
        let done = sqlx::query(
            "UPDATE webhook_messages SET tries = tries + 1, due_ms = $1 WHERE id = $2 AND tries = $3",
        )
        .bind(until_ms)
        .bind(message.id.as_str())
        .bind(message.tries)
        .execute(&self.pool)
        .await?;
        let mine = done.rows_affected() == 1;
        Ok(mine.then(|| WebhookMessage { tries: message.tries + 1, ..message.clone() }))
    }

    /// Notes how the try of a claimed message went. It is due again at `again_ms`, or is let go without one. Nothing is
    /// noted when somebody else has it by now.
    pub async fn settle_message(
        &self,
        message: &WebhookMessage,
        delivery: &Delivery,
        again_ms: Option<i64>,
    ) -> Result<()> {
        self.count(2);
        let mut transaction = self.pool.begin().await?;
        let done = match again_ms {
            Some(again_ms) => {
                sqlx::query("UPDATE webhook_messages SET due_ms = $1 WHERE id = $2 AND tries = $3")
                    .bind(again_ms)
                    .bind(message.id.as_str())
                    .bind(message.tries)
                    .execute(&mut *transaction)
                    .await?
            }
            None => {
                sqlx::query("DELETE FROM webhook_messages WHERE id = $1 AND tries = $2")
                    .bind(message.id.as_str())
                    .bind(message.tries)
                    .execute(&mut *transaction)
                    .await?
            }
        };
        if done.rows_affected() != 1 {
            return Ok(());
        }
        sqlx::query("UPDATE rechecks SET delivery = $1 WHERE resource_id = $2 AND environment = $3")
            .bind(text(delivery)?)
            .bind(message.resource_id.as_str())
            .bind(message.environment.as_str())
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// Lets a message go that nobody is to get any more, unless somebody took it since it was read.
    pub async fn drop_message(&self, message: &WebhookMessage) -> Result<()> {
        self.count(1);
        sqlx::query("DELETE FROM webhook_messages WHERE id = $1 AND tries = $2")
            .bind(message.id.as_str())
            .bind(message.tries)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// Keeps a message with the result that it tells of.
pub(super) async fn add(
    transaction: &mut Transaction<'_, Any>,
    row: &RecheckRow,
    message: &NewMessage,
    now_ms: i64,
) -> Result<()> {
    sqlx::query("INSERT INTO webhook_messages (id, resource_id, environment, version, webhook, body, written_ms, tries, due_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $7)")
        .bind(message.id.as_str())
        .bind(row.resource_id.as_str())
        .bind(row.environment.as_str())
        .bind(row.version)
        .bind(message.webhook.as_str())
        .bind(message.body.as_str())
        .bind(now_ms)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Lets go of what a resource's webhook was still to be told.
pub(super) async fn forget(change: &mut Change<'_>, resource_id: &str) -> Result<()> {
    sqlx::query("DELETE FROM webhook_messages WHERE resource_id = $1")
        .bind(resource_id)
        .execute(&mut *change.transaction)
        .await?;
    Ok(())
}
