//! How far a database is migrated, read without changing it.

use std::time::Duration;

use sqlx::Row;

use crate::config;
use crate::store::{MIGRATIONS, open_pool};

/// Who only looks does not wait for a database that starts; but a connection may take its time.
const PATIENCE: Duration = Duration::from_secs(3);

/// The migrations of a database and of this binary, by the number of the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The last one that was applied; 0 for an empty database.
    pub applied: i64,
    /// The last one that this binary knows.
    pub known: i64,
    /// Whether a key was ever made, so that opening the database makes none.
    pub sealed: bool,
}

impl Schema {
    /// Connects and reads.
    pub async fn read(settings: &config::Store) -> anyhow::Result<Schema> {
        let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
        let pool = open_pool(settings, PATIENCE).await?;
        let exists = if settings.database_url().starts_with("postgres") {
            "SELECT count(to_regclass($1)) AS number"
        } else {
            "SELECT count(*) AS number FROM sqlite_master WHERE type = 'table' AND name = $1"
        };
        // an empty database has none of the tables; every other error is one
        let number = async |table: &'static str, sql: &'static str| -> anyhow::Result<i64> {
            let there: i64 = sqlx::query(exists).bind(table).fetch_one(&pool).await?.try_get("number")?;
            if there == 0 {
                return Ok(0);
            }
            Ok(sqlx::query(sql).fetch_one(&pool).await?.try_get("number")?)
        };
        let applied =
            number("_sqlx_migrations", "SELECT coalesce(max(version), 0) AS number FROM _sqlx_migrations");
        let applied = applied.await;
        let keys = number("data_keys", "SELECT count(*) AS number FROM data_keys").await;
        pool.close().await;
        Ok(Schema { applied: applied?, known, sealed: keys? > 0 })
    }
}
