//! Re-checks as they are shown.

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::rechecks::Wanted;
use crate::app::{App, Error};
use crate::clock::rfc3339;
use crate::model::name::Name;
use crate::model::principal::Caller;
use crate::model::recheck::{Delivery, Health};
use crate::store::RecheckRow;

/// The re-checks of a resource in one environment, and what they found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RecheckView {
    /// The resource.
    #[schema(value_type = String)]
    pub resource: Name,
    /// The environment.
    #[schema(value_type = String)]
    pub environment: Name,
    /// Milliseconds between two re-checks, give or take a tenth.
    pub interval_ms: i64,
    /// RFC 3339; when it is due. For one that is under way, when it is given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<String>,
    /// What is known; absent before the first one ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// How the last message to the webhook went; absent when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

impl App {
    /// The re-checks of all resources of the caller's project, by name.
    pub async fn rechecks(&self, caller: &Caller) -> Result<Vec<RecheckView>, Error> {
        let state = self.registry.state();
        let resources = state.resources(&caller.project.id);
        let wanted: Vec<Wanted> =
            resources.iter().flat_map(|resource| self.wanted_of(&state, resource)).collect();
        drop(state);
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        Ok(views(wanted, &self.store.rechecks_in(&caller.project.id).await?))
    }

    /// The re-checks of one resource.
    pub async fn rechecks_of(&self, caller: &Caller, name: &str) -> Result<Vec<RecheckView>, Error> {
        let resource = self.known_resource(caller, name)?;
        let wanted = self.wanted_of(&self.registry.state(), &resource);
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        Ok(views(wanted, &self.store.rechecks_of(&resource.record.id).await?))
    }
}

fn views(wanted: Vec<Wanted>, rows: &[RecheckRow]) -> Vec<RecheckView> {
    let known: std::collections::HashMap<(&str, &str), &RecheckRow> =
        rows.iter().map(|row| ((row.resource_id.as_str(), row.environment.as_str()), row)).collect();
    let view = |wanted: Wanted| {
        let row = known.get(&(&*wanted.resource.record.id, wanted.environment.as_str()));
        RecheckView {
            resource: wanted.resource.name().clone(),
            interval_ms: wanted.interval_ms,
            next_at: row.map(|row| rfc3339(row.due_ms)),
            health: row.and_then(|row| row.health.clone()),
            delivery: row.and_then(|row| row.delivery.clone()),
            environment: wanted.environment,
        }
    };
    wanted.into_iter().map(view).collect()
}
