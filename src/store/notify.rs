//! Telling other replicas: that something changed, and which secrets events named.
//!
//! What was told stands in the database, in an order of its own, so that a replica that hears nothing still finds it
//! when it looks. An event is no change of a definition: it moves no sequence, and nobody reads everything again for
//! it. On PostgreSQL a notification makes replicas look at once.

use sqlx::postgres::PgListener;
use sqlx::{Any, Row, Transaction};

use crate::config;
use crate::model::audit::Event;
use crate::store::{Result, Store};

const CHANNEL: &str = "s3_connector";
/// Milliseconds that events are kept for replicas that look late.
const KEPT_MS: i64 = 600_000;
const NEWEST_EVENT: &str = "SELECT sequence FROM changes WHERE id = 2";

/// An event that a replica posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostedEvent {
    /// Its place in the order of events.
    pub id: i64,
    /// The replica that posted it, and has handled it.
    pub origin: String,
    /// The event, as JSON.
    pub event: String,
}

/// A connection that waits for notifications.
#[derive(Debug)]
pub struct Listener(PgListener);

impl Listener {
    /// Waits for a notification; false when the connection was lost, and notifications may have been too.
    pub async fn notified(&mut self) -> Result<bool> {
        Ok(self.0.try_recv().await?.is_some())
    }
}

impl Store {
    /// Starts to listen for changes; `None` where the database tells of none.
    pub async fn listen(&self, settings: &config::Store) -> Result<Option<Listener>> {
        if !self.postgres {
            return Ok(None);
        }
        let mut listener = PgListener::connect(&settings.database_url()).await?;
        // who listens must know that it was deaf for a while
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(Some(Listener(listener)))
    }

    /// Posts an event for every replica, with its audit row.
    pub async fn post_secret_event(
        &self,
        origin: &str,
        posted: &str,
        now_ms: i64,
        event: &Event,
    ) -> Result<()> {
        // the lock of all changes is held until the commit: who sees an event has seen all before it
        let mut change = self.lock().await?;
        self.count(4);
        sqlx::query("UPDATE changes SET sequence = sequence + 1 WHERE id = 2")
            .execute(&mut *change.transaction)
            .await?;
        let id: i64 =
            sqlx::query(NEWEST_EVENT).fetch_one(&mut *change.transaction).await?.try_get("sequence")?;
        sqlx::query("INSERT INTO secret_events (id, origin, event, created_ms) VALUES ($1, $2, $3, $4)")
            .bind(id)
            .bind(origin)
            .bind(posted)
            .bind(now_ms)
            .execute(&mut *change.transaction)
            .await?;
        sqlx::query("DELETE FROM secret_events WHERE created_ms < $1")
            .bind(now_ms - KEPT_MS)
            .execute(&mut *change.transaction)
            .await?;
        self.commit(change, event).await?;
        Ok(())
    }

    /// The place of the last event that was posted.
    pub async fn newest_secret_event(&self) -> Result<i64> {
        self.count(1);
        Ok(sqlx::query(NEWEST_EVENT).fetch_one(&self.pool).await?.try_get("sequence")?)
    }

    /// The events that were posted after that one, oldest first.
    pub async fn secret_events(&self, after: i64) -> Result<Vec<PostedEvent>> {
        self.count(1);
        let rows = sqlx::query("SELECT id, origin, event FROM secret_events WHERE id > $1 ORDER BY id")
            .bind(after)
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(PostedEvent {
                    id: row.try_get("id")?,
                    origin: row.try_get("origin")?,
                    event: row.try_get("event")?,
                })
            })
            .collect()
    }

    /// Notifies the other replicas when the transaction is committed. Notifications say only that there is something
    /// to look at: they may be lost, and what stands in the database is not.
    pub(super) async fn tell(&self, transaction: &mut Transaction<'_, Any>) -> Result<()> {
        if self.postgres {
            self.count(1);
            // the function gives no value, and a text is one that every driver can read
            sqlx::query("SELECT CAST(pg_notify('s3_connector', 'change') AS TEXT)")
                .execute(&mut **transaction)
                .await?;
        }
        Ok(())
    }
}
