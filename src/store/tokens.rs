//! API tokens. Only their SHA-256 is kept.

use std::sync::Arc;

use sqlx::Row;

use crate::model::audit::Event;
use crate::model::principal::Role;
use crate::store::{Result, Store, StoreError};

/// A token as it is stored.
#[derive(Debug, Clone)]
pub struct TokenRecord {
    /// Its id.
    pub id: Arc<str>,
    /// The project, or none for the whole installation.
    pub project_id: Option<Arc<str>>,
    /// What it is for.
    pub name: Arc<str>,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the whole token, in hex.
    pub hash: String,
    /// Its last four characters.
    pub last4: String,
    /// Epoch milliseconds.
    pub created_ms: i64,
    /// Epoch milliseconds.
    pub expires_ms: Option<i64>,
    /// Epoch milliseconds.
    pub last_used_ms: Option<i64>,
}

impl Store {
    /// All tokens of the installation, oldest first.
    pub async fn tokens(&self) -> Result<Vec<TokenRecord>> {
        self.count(1);
        let sql = "SELECT id, project_id, name, role, hash, last4, created_ms, expires_ms, last_used_ms FROM tokens ORDER BY id";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        rows.iter().map(token).collect()
    }

    /// Keeps a new token.
    pub async fn create_token(&self, token: &TokenRecord, event: &Event) -> Result<i64> {
        let mut change = self.change().await?;
        sqlx::query(
            "INSERT INTO tokens (id, project_id, name, role, hash, last4, created_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&*token.id)
        .bind(token.project_id.as_deref())
        .bind(&*token.name)
        .bind(token.role.as_str())
        .bind(token.hash.as_str())
        .bind(token.last4.as_str())
        .bind(token.created_ms)
        .bind(token.expires_ms)
        .execute(&mut *change.transaction)
        .await?;
        self.commit(change, event).await
    }

    /// Revokes a token.
    pub async fn delete_token(&self, id: &str, event: &Event) -> Result<i64> {
        let mut change = self.change().await?;
        let done = sqlx::query("DELETE FROM tokens WHERE id = $1")
            .bind(id)
            .execute(&mut *change.transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound);
        }
        self.commit(change, event).await
    }

    /// Notes when tokens were last used; not a change that replicas have to see.
    pub async fn touch_tokens(&self, used: &[(Arc<str>, i64)]) -> Result<()> {
        for (id, at_ms) in used {
            self.count(1);
            sqlx::query("UPDATE tokens SET last_used_ms = $1 WHERE id = $2")
                .bind(*at_ms)
                .bind(&**id)
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }
}

fn token(row: &sqlx::any::AnyRow) -> Result<TokenRecord> {
    let id: String = row.try_get("id")?;
    let project_id: Option<String> = row.try_get("project_id")?;
    let role: String = row.try_get("role")?;
    Ok(TokenRecord {
        id: id.into(),
        project_id: project_id.map(Into::into),
        name: row.try_get::<String, _>("name")?.into(),
        role: Role::parse(&role).ok_or_else(|| StoreError::Corrupt(format!("unknown role `{role}`")))?,
        hash: row.try_get("hash")?,
        last4: row.try_get("last4")?,
        created_ms: row.try_get("created_ms")?,
        expires_ms: row.try_get("expires_ms")?,
        last_used_ms: row.try_get("last_used_ms")?,
    })
}
