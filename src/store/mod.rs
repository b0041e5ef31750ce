//! The store: what must survive a restart, in SQLite or PostgreSQL by one SQL text.
//!
//! It does no policy: who may do what is decided above. It never holds a transaction across a network call to
//! anything but its database. Invariants: an acknowledged write is committed; a secret is written only sealed;
//! every change of a definition carries its audit row in the same transaction.

mod audit;
pub mod export;
pub mod keys;
mod notify;
mod projects;
mod rechecks;
mod resources;
mod rotate;
mod schema;
mod seal;
mod snapshot;
mod sources;
mod tokens;
mod usage_policies;
mod vault;
mod vault_import;
mod vault_write;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sqlx::any::AnyPoolOptions;
use sqlx::{Any, AnyConnection, AnyPool, Connection, Row, Transaction};

use crate::config;
use crate::model::audit::Event;
use keys::MasterKey;
use seal::{Ring, Sealer};

pub use audit::{AuditRow, AuditText, Verification};
pub use notify::{Listener, PostedEvent};
pub use rechecks::{FinishedRecheck, News, RecheckRow};
pub use resources::{HistoryRow, ResourceRecord, TestRow};
pub use rotate::Resealed;
pub use schema::Schema;
pub use seal::SealError;
pub use snapshot::{About, KeptSecret, kept_id};
pub use sources::{ActiveSource, SourceRecord};
pub use tokens::TokenRecord;
pub use usage_policies::UsagePolicyRecord;
pub use vault::{VaultPin, VaultSecret, VaultVersion};
pub use vault_import::{Counts, Imported, VaultImport};
pub use vault_write::{MOST_VERSIONS, VaultRollback, VaultWrite};
pub use webhooks::{NewMessage, WebhookMessage};

/// How long a database that refuses connections is waited for: it may be starting, too.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// A store whose database is open, and whose sealed values are not yet.
#[derive(Debug)]
pub struct LockedStore {
    pool: AnyPool,
    postgres: bool,
    kms_blob: Option<Vec<u8>>,
    first_start: bool,
}

/// An open store.
#[derive(Debug)]
pub struct Store {
    pool: AnyPool,
    /// Whether the database can tell other replicas of changes.
    postgres: bool,
    master: Sealer,
    ring: ArcSwap<Ring>,
}

/// A change under way: committed as one with its audit rows, or not at all.
struct Change<'a> {
    transaction: Transaction<'a, Any>,
    sequence: i64,
    /// What the change seals with.
    ring: Arc<Ring>,
}

impl LockedStore {
    /// Opens the database and migrates it; makes it on the first start.
    pub async fn open(settings: &config::Store) -> anyhow::Result<LockedStore> {
        let pool = open_pool(settings, PATIENCE).await?;
        MIGRATIONS.run(&pool).await?;
        if settings.database_url().starts_with("sqlite:") {
            restrict_database_files(settings)?;
        }
        let mut connection = pool.acquire().await?;
        let keys: i64 = sqlx::query("SELECT count(*) AS keys FROM data_keys")
            .fetch_one(&mut *connection)
            .await?
            .try_get("keys")?;
        let kms_blob = keys::kms_blob(&mut connection).await?;
        drop(connection);
        let postgres = settings.database_url().starts_with("postgres");
        Ok(LockedStore { pool, postgres, kms_blob, first_start: keys == 0 })
    }

    /// Whether nothing was ever sealed here.
    pub fn is_first_start(&self) -> bool {
        self.first_start
    }

    /// The master key as AWS KMS sealed it; absent when it comes from elsewhere.
    pub fn kms_blob(&self) -> Option<&[u8]> {
        self.kms_blob.as_deref()
    }

    /// Opens the data keys with the master key; makes the first one on the first start.
    pub async fn unlock(self, master: &MasterKey, now_ms: i64) -> anyhow::Result<Store> {
        let sealer = master.sealer();
        let mut transaction = self.pool.begin().await?;
        // two replicas may start for the first time at once: the second one waits here and finds the first one's key
        lock_changes(&mut transaction).await?;
        let ring = keys::read_ring(&mut transaction, &sealer).await.map_err(not_its_key)?;
        let ring = if let Some(ring) = ring {
            ring
        } else {
            keys::add_data_key(&mut transaction, &sealer, now_ms).await?;
            keys::put_kms_blob(&mut transaction, master.kms_blob.as_deref()).await?;
            let made = keys::read_ring(&mut transaction, &sealer).await?;
            made.ok_or_else(|| anyhow::anyhow!("the data key cannot be kept"))?
        };
        transaction.commit().await?;
        let ring = ArcSwap::from_pointee(ring);
        Ok(Store { pool: self.pool, postgres: self.postgres, master: sealer, ring })
    }
}

fn not_its_key(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::Seal(_) => anyhow::anyhow!(
            "the sealing key does not belong to this database: give the key that was made with it"
        ),
        other => other.into(),
    }
}

async fn open_pool(settings: &config::Store, patience: Duration) -> anyhow::Result<AnyPool> {
    sqlx::any::install_default_drivers();
    let url = settings.database_url();
    let sqlite = url.starts_with("sqlite:");
    if sqlite {
        prepare_folder(&settings.data)?;
    }
    let opened = AnyPoolOptions::new()
        .max_connections(settings.max_connections)
        .acquire_timeout(patience)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if sqlite {
                    // readers go on while one writes, and a commit is on the disk when it is acknowledged
                    for pragma in
                        ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON"]
                    {
                        sqlx::query(pragma).execute(&mut *connection).await?;
                    }
                }
                Ok(())
            })
        })
        .connect(&url)
        .await;
    match opened {
        Ok(pool) => Ok(pool),
        Err(error) => {
            let error = why(&url, error).await;
            Err(anyhow::anyhow!("the database `{}` cannot be opened: {error}", redacted(&url)))
        }
    }
}

/// A pool waits for a database that refuses, which may be about to start, and then says only that it waited; one
/// connection more tells why.
async fn why(url: &str, error: sqlx::Error) -> sqlx::Error {
    if !matches!(error, sqlx::Error::PoolTimedOut) {
        return error;
    }
    let once = tokio::time::timeout(Duration::from_secs(3), AnyConnection::connect(url)).await;
    once.ok().and_then(std::result::Result::err).unwrap_or(error)
}

/// Takes the lock of all changes.
async fn lock_changes(transaction: &mut Transaction<'_, Any>) -> Result<()> {
    sqlx::query("UPDATE changes SET sequence = sequence WHERE id = 1").execute(&mut **transaction).await?;
    Ok(())
}

impl Store {
    /// Answers when the database does.
    pub async fn ping(&self) -> Result<()> {
        self.count(1);
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Writes a row and takes it away again, to see whether that is possible.
    pub async fn try_write(&self) -> Result<()> {
        self.count(2);
        let mut transaction = self.pool.begin().await?;
        let name = format!("trial {}", new_id());
        sqlx::query("INSERT INTO meta (name, value) VALUES ($1, '')")
            .bind(name.as_str())
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM meta WHERE name = $1").bind(name).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// What the database's clock says, in epoch milliseconds; none where it has this machine's.
    pub async fn clock_ms(&self) -> Result<Option<i64>> {
        if !self.postgres {
            return Ok(None);
        }
        self.count(1);
        let sql = "SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT) AS now";
        Ok(Some(sqlx::query(sql).fetch_one(&self.pool).await?.try_get("now")?))
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
        self.locked(transaction).await
    }

    /// Takes the lock without a change that replicas have to look at.
    async fn lock(&self) -> Result<Change<'_>> {
        self.count(2);
        let mut transaction = self.pool.begin().await?;
        lock_changes(&mut transaction).await?;
        self.locked(transaction).await
    }

    /// Reads what the holder of the lock needs. Another replica may have changed the data key.
    async fn locked<'a>(&self, mut transaction: Transaction<'a, Any>) -> Result<Change<'a>> {
        let row = sqlx::query(
            "SELECT sequence, (SELECT max(id) FROM data_keys) AS data_key FROM changes WHERE id = 1",
        )
        .fetch_one(&mut *transaction)
        .await?;
        let (sequence, newest): (i64, String) = (row.try_get("sequence")?, row.try_get("data_key")?);
        let mut ring = self.ring.load_full();
        if ring.newest != newest {
            ring = self.read_ring(&mut transaction).await?;
        }
        Ok(Change { transaction, sequence, ring })
    }

    async fn read_ring(&self, connection: &mut sqlx::AnyConnection) -> Result<Arc<Ring>> {
        self.count(1);
        let read = keys::read_ring(connection, &self.master).await.inspect_err(|error| {
            tracing::error!(cause = %error, "the data key was changed and cannot be read: was the master key changed? restart with the new one");
        })?;
        let read = read.ok_or_else(|| StoreError::Corrupt("the data keys are gone".to_owned()))?;
        let ring = Arc::new(self.ring.load().followed_by(read));
        self.ring.store(Arc::clone(&ring));
        Ok(ring)
    }

    /// Opens what was read; reads the keys again when another replica has changed them.
    async fn opened<T>(&self, open: impl Fn(&Ring) -> Result<T>) -> Result<T> {
        match open(&self.ring.load()) {
            Err(StoreError::Seal(SealError::UnknownKey)) => {
                let mut connection = self.pool.acquire().await?;
                open(&*self.read_ring(&mut connection).await?)
            }
            other => other,
        }
    }

    /// Writes the audit row and commits; gives the sequence number of the change.
    async fn commit(&self, mut change: Change<'_>, event: &Event) -> Result<i64> {
        let statements = audit::append(&mut change.transaction, &[AuditText::of(event.clone())?]).await?;
        self.tell(&mut change.transaction).await?;
        change.transaction.commit().await?;
        self.count(2 + statements);
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
