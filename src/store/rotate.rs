//! Changing the keys while the service runs.
//!
//! A new data key is written first. From then on every change, on every replica, seals with it, because a change reads
//! the newest key's id under the lock that all changes take. Then what older keys sealed is sealed again in small
//! transactions, and the older keys go. A run that was cut off is finished by the next one.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::model::audit::Event;
use crate::store::keys::{self, MasterKey};
use crate::store::{Change, Result, Store, StoreError, resources, snapshot, sources, vault};

/// Rows that are sealed again while the others wait.
const BATCH: i64 = 200;

/// What was sealed again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Sources.
    pub sources: u64,
    /// Secrets of local sources.
    pub vault_secrets: u64,
    /// Earlier versions of secrets of local sources.
    pub vault_versions: u64,
    /// Resources.
    pub resources: u64,
    /// Earlier versions of resources.
    pub history: u64,
}

/// A table with sealed values. Its rows are told apart by two columns, the second of which may be a number.
struct Table {
    /// Gives `first`, `second` and `sealed` after the row `($1, $2)`, in order.
    select: &'static str,
    /// Writes `$1` to the row `($2, $3)`.
    update: &'static str,
    place: fn(&str, &str) -> String,
}

const SOURCES: Table = Table {
    select: "SELECT id AS first, '' AS second, sealed FROM sources WHERE (id, '') > ($1, $2) ORDER BY id LIMIT $3",
    update: "UPDATE sources SET sealed = $1 WHERE id = $2 AND $3 = ''",
    place: |id, _| sources::place(id),
};
const VAULT_SECRETS: Table = Table {
    select: "SELECT source_id AS first, name AS second, sealed FROM vault_secrets WHERE (source_id, name) > ($1, $2) ORDER BY source_id, name LIMIT $3",
    update: "UPDATE vault_secrets SET sealed = $1 WHERE source_id = $2 AND name = $3",
    place: vault::place,
};
const VAULT_VERSIONS: Table = Table {
    select: "SELECT source_id AS first, name || '/' || version_id AS second, sealed FROM vault_versions WHERE (source_id, (name || '/' || version_id)) > ($1, $2) ORDER BY source_id, (name || '/' || version_id) LIMIT $3",
    update: "UPDATE vault_versions SET sealed = $1 WHERE source_id = $2 AND (name || '/' || version_id) = $3",
    place: vault::version_place,
};
const RESOURCES: Table = Table {
    select: "SELECT id AS first, '' AS second, sealed FROM resources WHERE (id, '') > ($1, $2) ORDER BY id LIMIT $3",
    update: "UPDATE resources SET sealed = $1 WHERE id = $2 AND $3 = ''",
    place: |id, _| resources::place(id),
};
const HISTORY: Table = Table {
    select: "SELECT resource_id AS first, CAST(version AS TEXT) AS second, sealed FROM resource_history WHERE (resource_id, CAST(version AS TEXT)) > ($1, $2) ORDER BY resource_id, CAST(version AS TEXT) LIMIT $3",
    update: "UPDATE resource_history SET sealed = $1 WHERE resource_id = $2 AND CAST(version AS TEXT) = $3",
    place: |id, _| resources::place(id),
};

const SNAPSHOT: Table = Table {
    select: "SELECT id AS first, '' AS second, sealed FROM cache_snapshot WHERE (id, '') > ($1, $2) ORDER BY id LIMIT $3",
    update: "UPDATE cache_snapshot SET sealed = $1 WHERE id = $2 AND $3 = ''",
    place: |id, _| snapshot::place(id),
};

impl Store {
    /// Makes a new data key, seals everything with it and lets the older keys go. Queries and changes go on meanwhile.
    ///
    /// Of two runs at once the earlier one ends with an error and touches no key: the later one seals everything again,
    /// also what the earlier one sealed.
    pub async fn rotate_data_key(&self, now_ms: i64, event: &Event) -> Result<Resealed> {
        let own = self.new_data_key(now_ms, event).await?;
        let resealed = Resealed {
            sources: self.reseal(&own, &SOURCES).await?,
            // a write that moves a value from one of these two tables to the other seals it with the new key
            vault_secrets: self.reseal(&own, &VAULT_SECRETS).await?,
            vault_versions: self.reseal(&own, &VAULT_VERSIONS).await?,
            resources: self.reseal(&own, &RESOURCES).await?,
            history: self.reseal(&own, &HISTORY).await?,
        };
        self.reseal(&own, &SNAPSHOT).await?;
        let mut transaction = self.lock_as(&own).await?.transaction;
        sqlx::query("DELETE FROM data_keys WHERE id < $1").bind(own).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(resealed)
    }

    /// Under the lock, and only while every key opens with our master key: another run may have changed it.
    async fn new_data_key(&self, now_ms: i64, event: &Event) -> Result<String> {
        let mut change = self.change().await?;
        let before = self.read_ring(&mut change.transaction).await?;
        let own = keys::add_data_key(&mut change.transaction, &self.master, now_ms).await?;
        if own <= before.newest {
            return Err(StoreError::Corrupt(
                "the newest data key was made later than now: correct the clock, and run it again".to_owned(),
            ));
        }
        self.commit(change, event).await?;
        Ok(own)
    }

    /// The lock, while our key is the newest.
    async fn lock_as(&self, own: &str) -> Result<Change<'_>> {
        let locked = self.lock().await?;
        if locked.ring.newest == own {
            return Ok(locked);
        }
        Err(StoreError::Corrupt(
            "another run of `rotate-key` began meanwhile and seals everything again: this one ends"
                .to_owned(),
        ))
    }

    async fn reseal(&self, own: &str, table: &Table) -> Result<u64> {
        let (mut first, mut second) = (String::new(), String::new());
        let mut changed = 0;
        loop {
            let locked = self.lock_as(own).await?;
            let mut transaction = locked.transaction;
            let rows: Vec<AnyRow> = sqlx::query(table.select)
                .bind(&first)
                .bind(&second)
                .bind(BATCH)
                .fetch_all(&mut *transaction)
                .await?;
            for row in &rows {
                (first, second) = (row.try_get("first")?, row.try_get("second")?);
                let sealed: Vec<u8> = row.try_get("sealed")?;
                if sealed.is_empty() || locked.ring.is_current(&sealed) {
                    continue;
                }
                let place = (table.place)(&first, &second);
                let again = locked.ring.seal(&place, &locked.ring.open(&place, &sealed)?)?;
                sqlx::query(table.update)
                    .bind(again)
                    .bind(&first)
                    .bind(&second)
                    .execute(&mut *transaction)
                    .await?;
                changed += 1;
            }
            transaction.commit().await?;
            if rows.is_empty() {
                return Ok(changed);
            }
        }
    }

    /// Seals the data keys with another master key. The one before opens nothing any more.
    pub async fn change_master_key(&self, new: &MasterKey, event: &Event) -> Result<()> {
        let mut change = self.change().await?;
        keys::wrap_again(&mut change.transaction, &self.master, &new.sealer()).await?;
        keys::put_kms_blob(&mut change.transaction, new.kms_blob.as_deref()).await?;
        self.commit(change, event).await?;
        Ok(())
    }
}
