//! Projects.

use sqlx::Row;

use crate::clock::rfc3339;
use crate::model::audit::Event;
use crate::model::name::Name;
use crate::model::principal::{Project, WORKSPACE};
use crate::store::{Result, Store, StoreError, new_id};

impl Store {
    /// All projects, oldest first, without the one that stands for the workspace.
    pub async fn projects(&self) -> Result<Vec<Project>> {
        self.count(1);
        let rows = sqlx::query("SELECT id, name, created_ms FROM projects WHERE id <> $1 ORDER BY id")
            .bind(WORKSPACE)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(project).collect()
    }

    /// Makes a project.
    pub async fn create_project(&self, name: &Name, now_ms: i64, event: &Event) -> Result<(Project, i64)> {
        let id = new_id();
        let mut change = self.change().await?;
        sqlx::query("INSERT INTO projects (id, name, created_ms) VALUES ($1, $2, $3)")
            .bind(id.as_str())
            .bind(name.as_str())
            .bind(now_ms)
            .execute(&mut *change.transaction)
            .await?;
        let sequence = self.commit(change, event).await?;
        Ok((Project { id: id.into(), name: name.clone(), created_at: rfc3339(now_ms).into() }, sequence))
    }
}

fn project(row: &sqlx::any::AnyRow) -> Result<Project> {
    let id: String = row.try_get("id")?;
    let name: String = row.try_get("name")?;
    let name = Name::parse(&name).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(Project { id: id.into(), name, created_at: rfc3339(row.try_get("created_ms")?).into() })
}
