//! How far a database is migrated, read without changing it.

use sqlx::Row;

use crate::config;
use crate::store::{MIGRATIONS, open_pool};

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
        let pool = open_pool(settings).await?;
        let number = async |sql: &'static str| -> anyhow::Result<i64> {
            match sqlx::query(sql).fetch_one(&pool).await {
                Ok(row) => Ok(row.try_get("number")?),
                // there is no such table yet
                Err(sqlx::Error::Database(_)) => Ok(0),
                Err(error) => Err(error.into()),
            }
        };
        let applied = number("SELECT coalesce(max(version), 0) AS number FROM _sqlx_migrations").await;
        let keys = number("SELECT count(*) AS number FROM data_keys").await;
        pool.close().await;
        Ok(Schema { applied: applied?, known, sealed: keys? > 0 })
    }
}
