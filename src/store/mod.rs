//! The store: what must survive a restart, in SQLite or PostgreSQL by one SQL text.
//!
//! It does no policy: who may do what is decided above. It never holds a transaction across a network call to
//! anything but its database. Invariants: an acknowledged write is committed; a secret is written only sealed;
//! every change of a definition carries its audit row in the same transaction.

mod audit;
mod projects;
mod resources;
pub mod seal;
mod sources;
mod tokens;
mod vault;

use sqlx::any::AnyPoolOptions;
use sqlx::{Any, AnyPool, Row, Transaction};

use crate::config;
use crate::model::audit::Event;
use seal::{SealError, Sealer};

pub use audit::{AuditRow, Verification};
pub use resources::{HistoryRow, ResourceRecord, TestRow};
pub use sources::{ActiveSource, SourceRecord};
pub use tokens::TokenRecord;
pub use vault::VaultSecret;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/store/migrations");

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such row.
    #[error("not found")]
    NotFound,
    /// The name is taken.
    #[error("the name is taken")]
    Conflict,
    /// The row changed since it was read.
    #[error("the definition changed meanwhile: it has version {current}")]
    VersionMismatch {
        /// The version that is there.
        current: i64,
    },
    /// The row is in use by another one.
    #[error("it is still in use")]
    InUse,
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// What is stored cannot be read.
    #[error("a stored value cannot be read: {0}")]
    Corrupt(String),
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::RowNotFound => StoreError::NotFound,
            sqlx::Error::Database(cause) if cause.is_unique_violation() => StoreError::Conflict,
            sqlx::Error::Database(cause) if cause.is_foreign_key_violation() => StoreError::InUse,
            _ => StoreError::Database(error),
        }
    }
}

type Result<T> = std::result::Result<T, StoreError>;

/// An open store.
#[derive(Debug)]
pub struct Store {
    pool: AnyPool,
    sealer: Sealer,
}

/// A change under way: committed as one with its audit rows, or not at all.
struct Change<'a> {
    transaction: Transaction<'a, Any>,
    sequence: i64,
}

impl Store {
    /// Opens the database, migrates it and opens its data key; makes both on the first start.
    pub async fn open(settings: &config::Store, seal: &config::Seal) -> anyhow::Result<Store> {
        sqlx::any::install_default_drivers();
        let url = settings.database_url();
        let sqlite = url.starts_with("sqlite:");
        if sqlite {
            prepare_folder(&settings.data)?;
        }
        let pool = AnyPoolOptions::new()
            .max_connections(settings.max_connections)
            .acquire_timeout(std::time::Duration::from_secs(10))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if sqlite {
                        // readers go on while one writes, and a commit is on the disk when it is acknowledged
                        for pragma in [
                            "PRAGMA journal_mode = WAL",
                            "PRAGMA synchronous = FULL",
                            "PRAGMA foreign_keys = ON",
                        ] {
                            sqlx::query(pragma).execute(&mut *connection).await?;
                        }
                    }
                    Ok(())
                })
            })
            .connect(&url)
            .await
            .map_err(|error| {
                anyhow::anyhow!("the database `{}` cannot be opened: {error}", redacted(&url))
            })?;
        MIGRATIONS.run(&pool).await?;
        let stored: Option<String> = sqlx::query("SELECT value FROM meta WHERE name = 'data_key'")
            .fetch_optional(&pool)
            .await?
            .map(|row| row.try_get("value"))
            .transpose()?;
        let (sealer, new_key) = Sealer::open(settings, seal, stored.as_deref())?;
        if let Some(wrapped) = new_key {
            sqlx::query("INSERT INTO meta (name, value) VALUES ('data_key', $1)")
                .bind(wrapped)
                .execute(&pool)
                .await?;
        }
        if sqlite {
            restrict_database_files(settings)?;
        }
        Ok(Store { pool, sealer })
    }

    /// Answers when the database does.
    pub async fn ping(&self) -> Result<()> {
        self.count(1);
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// A number that grows with every change of a definition, so that replicas see when to read again.
    pub async fn sequence(&self) -> Result<i64> {
        self.count(1);
        Ok(sqlx::query("SELECT sequence FROM changes WHERE id = 1")
            .fetch_one(&self.pool)
            .await?
            .try_get("sequence")?)
    }

    /// Closes the pool after the statements under way.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Counts statements, to prove that a warm query runs none.
    #[expect(clippy::unused_self, reason = "every statement belongs to a store")]
    fn count(&self, statements: u64) {
        metrics::counter!("s3_connector_store_statements_total").increment(statements);
    }

    /// Starts a change. Its first statement takes the write lock, so that no reader has to become a writer later.
    async fn change(&self) -> Result<Change<'_>> {
        self.count(2);
        let mut transaction = self.pool.begin().await?;
        sqlx::query("UPDATE changes SET sequence = sequence + 1 WHERE id = 1")
            .execute(&mut *transaction)
            .await?;
        let row =
            sqlx::query("SELECT sequence FROM changes WHERE id = 1").fetch_one(&mut *transaction).await?;
        Ok(Change { sequence: row.try_get("sequence")?, transaction })
    }

    /// Writes the audit row and commits; gives the sequence number of the change.
    async fn commit(&self, mut change: Change<'_>, event: &Event) -> Result<i64> {
        audit::append(&mut change.transaction, std::slice::from_ref(event)).await?;
        change.transaction.commit().await?;
        self.count(5);
        Ok(change.sequence)
    }
}

/// A new id: time-ordered, never reused.
pub fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// The data folder belongs to the service's user alone, however it was made.
fn prepare_folder(folder: &std::path::Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let new = !folder.exists();
    std::fs::create_dir_all(folder)
        .map_err(|error| anyhow::anyhow!("the data folder `{}` cannot be made: {error}", folder.display()))?;
    if new {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn restrict_database_files(settings: &config::Store) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let file = settings.data.join("s3-connector.db");
    if settings.url.is_empty() && file.exists() {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// A database URL without its password.
fn redacted(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) if parsed.password().is_some() => {
            // setting a password fails only on URLs that cannot have one
            let _ = parsed.set_password(Some("***"));
            parsed.to_string()
        }
        Ok(_) => url.to_owned(),
        Err(_) => "…".to_owned(),
    }
}
