//! Re-checks on a schedule: resources that ask for it are tested again and again, reading only.
//!
//! The schedule stands in the database, so that it outlives a crash and that of several replicas only one runs each
//! re-check. Re-checks have places of their own and take none of the queries'. Without a resource that asks for it nothing is
//! sent and no statement runs.

mod delivery;
mod gauges;
mod run;
mod schedule;
mod view;
mod webhooks;

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};

use crate::app::registry::{Resource, State};
use crate::app::{App, DEFAULT_ENVIRONMENT};
use crate::finding::Finding;
use crate::model::name::Name;
use crate::model::principal::Project;
use crate::model::recheck::Recheck;
use crate::model::resource::Definition;

pub use delivery::keep_delivering;
pub use schedule::keep_checking;
pub use view::RecheckView;
pub use webhooks::check_secret;

/// Milliseconds between looks for what is due, at the least; replicas look at what others changed every [`LOOK_MS`].
const TURN_MS: u64 = 250;
const LOOK_MS: i64 = 15_000;

/// What the tasks of re-checks share.
#[derive(Debug)]
pub struct Rechecks {
    /// Places of re-checks under way.
    places: Arc<Semaphore>,
    /// Wakes the schedule: something ended.
    ended: Notify,
    /// Wakes the delivery: there is a message.
    posted: Notify,
}

impl Rechecks {
    /// So many run at once.
    pub(super) fn new(max_running: usize) -> Rechecks {
        let places = Arc::new(Semaphore::new(max_running.min(Semaphore::MAX_PERMITS)));
        Rechecks { places, ended: Notify::new(), posted: Notify::new() }
    }
}

/// A re-check that a definition asks for.
#[derive(Debug, Clone)]
struct Wanted {
    resource: Arc<Resource>,
    project: Project,
    environment: Name,
    interval_ms: i64,
}

impl App {
    /// The re-checks that a resource asks for, one for each environment that is there.
    fn wanted_of(&self, state: &State, resource: &Arc<Resource>) -> Vec<Wanted> {
        let record = &resource.record;
        let (Some(recheck), Some(project)) =
            (&record.definition.recheck, state.project_by_id(&record.project_id))
        else {
            return Vec::new();
        };
        let interval = recheck.interval_ms.max(self.config.recheck.min_interval_ms);
        let interval_ms = i64::try_from(interval).unwrap_or(i64::MAX / 4);
        let known = |environment: &Name| {
            self.check_environment(&record.project_id, &record.definition, environment).is_ok()
        };
        let wanted = |environment| Wanted {
            resource: Arc::clone(resource),
            project: project.clone(),
            environment,
            interval_ms,
        };
        environments(recheck, resource).into_iter().filter(known).map(wanted).collect()
    }
}

impl App {
    /// What only the service knows of a schedule: its own bounds, the environments that are there, and what may be reached.
    pub(super) fn recheck_findings(&self, project_id: &str, definition: &Definition) -> Vec<Finding> {
        let Some(recheck) = &definition.recheck else { return Vec::new() };
        let mut findings = Vec::new();
        let least = self.config.recheck.min_interval_ms;
        if recheck.interval_ms < least {
            let text = format!("interval_ms must be at least {least}");
            findings.push(
                Finding::error("OUT_OF_RANGE", "recheck.interval_ms", text)
                    .with_help("the operator can allow less in `recheck.min_interval_ms`"),
            );
        }
        for environment in &recheck.environments {
            if let Err(error) = self.check_environment(project_id, definition, environment) {
                findings.push(Finding::error(
                    "ENVIRONMENT_MISSING",
                    "recheck.environments",
                    error.to_string(),
                ));
            }
        }
        // a template has a finding of its own
        let plain = recheck.webhook.as_deref().filter(|url| !url.contains("{{"));
        if let Some(Err(blocked)) = plain.map(|url| self.egress().check_webhook(url)) {
            findings.push(Finding::error("WEBHOOK_BLOCKED", "recheck.webhook", blocked.to_string()));
        }
        findings
    }
}

/// Those that are named, or else the default one and those that the resource names.
fn environments(recheck: &Recheck, resource: &Resource) -> Vec<Name> {
    if !recheck.environments.is_empty() {
        return recheck.environments.iter().cloned().collect();
    }
    let default = Name::parse(DEFAULT_ENVIRONMENT).ok();
    let own = resource.record.definition.environments.keys().cloned();
    let own = own.filter(|environment| environment.as_str() != DEFAULT_ENVIRONMENT);
    default.into_iter().chain(own).collect()
}
