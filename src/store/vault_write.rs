//! Writes of the local vault. Every write keeps the value before it.

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use crate::model::audit::Event;
use crate::store::seal::Ring;
use crate::store::vault::{place, version_place};
use crate::store::{Change, Result, Store, StoreError, new_id};

/// Versions of one secret that are kept, the current one included.
pub const MOST_VERSIONS: i64 = 20;

/// A value to write.
pub struct VaultWrite<'a> {
    /// The source.
    pub source_id: &'a str,
    /// The secret.
    pub name: &'a str,
    /// Its value.
    pub value: &'a [u8],
    /// Whether it may be there already.
    pub overwrite: bool,
    /// Epoch milliseconds.
    pub now_ms: i64,
}

/// A version to make current again.
#[derive(Debug, Clone, Copy)]
pub struct VaultRollback<'a> {
    /// The source.
    pub source_id: &'a str,
    /// The secret.
    pub name: &'a str,
    /// The version that is thought to be current.
    pub from: &'a str,
    /// The version that becomes current.
    pub to: &'a str,
    /// Epoch milliseconds.
    pub now_ms: i64,
}

/// A version as it is stored.
pub(super) struct Stored {
    version_id: String,
    sealed: Vec<u8>,
    created_ms: i64,
    created_by: String,
}

impl Store {
    /// Writes a value, and keeps the one before; the version id of the new value and the sequence of the change come
    /// back. A secret that is there and may not be is a [`StoreError::Conflict`].
    pub async fn put_vault_secret(&self, write: &VaultWrite<'_>, event: &Event) -> Result<(String, i64)> {
        let mut change = self.change().await?;
        let old = current(&mut change.transaction, write.source_id, write.name).await?;
        if old.is_some() && !write.overwrite {
            return Err(StoreError::Conflict);
        }
        let version_id = put(&mut change, write, old, &event.who).await?;
        self.count(4);
        let sequence = self.commit(change, event).await?;
        Ok((version_id, sequence))
    }

    /// Makes an earlier version current again; the one that was current becomes the previous one. When another version
    /// than `from` is current by now, it is a [`StoreError::Conflict`].
    pub async fn roll_back_vault_secret(&self, rollback: &VaultRollback<'_>, event: &Event) -> Result<i64> {
        let &VaultRollback { source_id, name, from, to, now_ms } = rollback;
        let mut change = self.change().await?;
        let old = current(&mut change.transaction, source_id, name).await?.ok_or(StoreError::NotFound)?;
        if old.version_id != from {
            return Err(StoreError::Conflict);
        }
        let row = sqlx::query(
            "SELECT version_id, sealed, created_ms, created_by FROM vault_versions WHERE source_id = $1 AND name = $2 AND version_id = $3",
        )
        .bind(source_id)
        .bind(name)
        .bind(to)
        .fetch_one(&mut *change.transaction)
        .await?;
        let mut next = stored(&row)?;
        let plain = change.ring.open(&version_place(source_id, &format!("{name}/{to}")), &next.sealed)?;
        next.sealed = change.ring.seal(&place(source_id, name), &plain)?;
        sqlx::query("DELETE FROM vault_versions WHERE source_id = $1 AND name = $2 AND version_id = $3")
            .bind(source_id)
            .bind(name)
            .bind(to)
            .execute(&mut *change.transaction)
            .await?;
        let previous = keep(&mut change, source_id, name, old).await?;
        write_current(&mut change, (source_id, name), &next, &previous, now_ms).await?;
        self.count(5);
        self.commit(change, event).await
    }

    /// Deletes a secret with its versions.
    pub async fn delete_vault_secret(&self, source_id: &str, name: &str, event: &Event) -> Result<i64> {
        let mut change = self.change().await?;
        let done = sqlx::query("DELETE FROM vault_secrets WHERE source_id = $1 AND name = $2")
            .bind(source_id)
            .bind(name)
            .execute(&mut *change.transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound);
        }
        sqlx::query("DELETE FROM vault_versions WHERE source_id = $1 AND name = $2")
            .bind(source_id)
            .bind(name)
            .execute(&mut *change.transaction)
            .await?;
        self.count(1);
        self.commit(change, event).await
    }
}

/// The current version of a secret.
pub(super) async fn current(
    connection: &mut AnyConnection,
    source_id: &str,
    name: &str,
) -> Result<Option<Stored>> {
    let row = sqlx::query(
        "SELECT version_id, sealed, version_created_ms AS created_ms, version_created_by AS created_by FROM vault_secrets WHERE source_id = $1 AND name = $2",
    )
    .bind(source_id)
    .bind(name)
    .fetch_optional(&mut *connection)
    .await?;
    row.as_ref().map(stored).transpose()
}

/// Whether a current version has this value.
pub(super) fn has_value(ring: &Ring, write: &VaultWrite<'_>, old: &Stored) -> Result<bool> {
    let plain = ring.open(&place(write.source_id, write.name), &old.sealed)?;
    Ok(plain.as_slice() == write.value)
}

/// Puts a value in place of `old`, which is kept; gives the id of its version.
pub(super) async fn put(
    change: &mut Change<'_>,
    write: &VaultWrite<'_>,
    old: Option<Stored>,
    who: &str,
) -> Result<String> {
    let &VaultWrite { source_id, name, value, now_ms, .. } = write;
    let next = Stored {
        version_id: new_id(),
        sealed: change.ring.seal(&place(source_id, name), value)?,
        created_ms: now_ms,
        created_by: who.to_owned(),
    };
    let previous = match old {
        Some(old) => keep(change, source_id, name, old).await?,
        None => String::new(),
    };
    write_current(change, (source_id, name), &next, &previous, now_ms).await?;
    Ok(next.version_id)
}

/// Keeps what was current as an earlier version; gives its id, or nothing when it cannot be opened any more: that must
/// not be in the way of a value that can.
async fn keep(change: &mut Change<'_>, source_id: &str, name: &str, old: Stored) -> Result<String> {
    let plain = match change.ring.open(&place(source_id, name), &old.sealed) {
        Ok(plain) => plain,
        Err(error) => {
            tracing::warn!(
                secret.name = name,
                version_id = old.version_id,
                cause = %error,
                "the value before cannot be opened and is not kept"
            );
            return Ok(String::new());
        }
    };
    let id = format!("{name}/{}", old.version_id);
    let sealed = change.ring.seal(&version_place(source_id, &id), &plain)?;
    sqlx::query(
        "INSERT INTO vault_versions (source_id, name, version_id, sealed, created_ms, created_by) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(source_id)
    .bind(name)
    .bind(old.version_id.as_str())
    .bind(sealed)
    .bind(old.created_ms)
    .bind(old.created_by.as_str())
    .execute(&mut *change.transaction)
    .await?;
    Ok(old.version_id)
}

/// Writes the current version, and lets go of the oldest ones beyond the bound; never of the previous one.
async fn write_current(
    change: &mut Change<'_>,
    (source_id, name): (&str, &str),
    next: &Stored,
    previous: &str,
    now_ms: i64,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO vault_secrets (id, source_id, name, version_id, sealed, updated_ms, version_created_ms, version_created_by, previous_version_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (source_id, name) DO UPDATE SET version_id = excluded.version_id, sealed = excluded.sealed, updated_ms = excluded.updated_ms, version_created_ms = excluded.version_created_ms, version_created_by = excluded.version_created_by, previous_version_id = excluded.previous_version_id",
    )
    .bind(new_id())
    .bind(source_id)
    .bind(name)
    .bind(next.version_id.as_str())
    .bind(next.sealed.as_slice())
    .bind(now_ms)
    .bind(next.created_ms)
    .bind(next.created_by.as_str())
    .bind(previous)
    .execute(&mut *change.transaction)
    .await?;
    // the current one is not in this table, the previous one stays however old it is
    sqlx::query(
        "DELETE FROM vault_versions WHERE source_id = $1 AND name = $2 AND version_id <> $3 AND version_id NOT IN (SELECT version_id FROM vault_versions WHERE source_id = $1 AND name = $2 AND version_id <> $3 ORDER BY created_ms DESC, version_id DESC LIMIT $4)",
    )
    .bind(source_id)
    .bind(name)
    .bind(previous)
    .bind(MOST_VERSIONS - 2)
    .execute(&mut *change.transaction)
    .await?;
    Ok(())
}

fn stored(row: &AnyRow) -> Result<Stored> {
    Ok(Stored {
        version_id: row.try_get("version_id")?,
        sealed: row.try_get("sealed")?,
        created_ms: row.try_get("created_ms")?,
        created_by: row.try_get("created_by")?,
    })
}
