//! Audit rows and metrics of queries that are more than one call: each call, or each chunk of keys, has a row.

use crate::app::connection::Connection;
use crate::app::{App, Error, Resource, audit};
use crate::model::operation::Operation;
use crate::model::principal::Caller;

/// What one row tells.
#[derive(Default)]
pub(super) struct Row<'a> {
    pub(super) key: Option<&'a str>,
    pub(super) detail: Option<String>,
    pub(super) bytes: Option<u64>,
    pub(super) request_id: Option<String>,
    pub(super) error: Option<&'a Error>,
    pub(super) connection: Option<&'a Connection>,
}

impl App {
    /// Counts and audits what was done to a resource.
    pub(super) async fn note(
        &self,
        caller: &Caller,
        resource: &Resource,
        operation: Operation,
        row: Row<'_>,
    ) {
        if self.unsent.is_some() {
            return;
        }
        let mut event = audit::event(caller, "", resource.name().as_str(), self.clock.now_ms());
        event.action = format!("object.{}", operation.as_str());
        event.key = row.key.map(str::to_owned);
        event.bytes = row.bytes;
        event.upstream_request_id = row.request_id;
        event.detail = row.detail;
        if let Some(connection) = row.connection {
            event.secrets = connection.used_secrets();
            if let Some(stand_in) = &connection.stand_in {
                let with = format!("with {} in place of AWSCURRENT", stand_in.stage);
                event.detail = Some(event.detail.map_or(with.clone(), |detail| format!("{detail}; {with}")));
            }
        }
        if let Some(error) = row.error {
            error.code().clone_into(&mut event.outcome);
            if let Error::Upstream(upstream) = error {
                event.upstream_request_id.clone_from(&upstream.request_id);
            }
            if let Error::UsageDenied { detail: why, .. } = error {
                event.detail = Some(event.detail.map_or(why.clone(), |detail| format!("{detail}; {why}")));
            }
        }
        let label = if row.error.is_none() { "ok" } else { "error" };
        metrics::counter!("s3_connector_queries_total", "operation" => operation.as_str(), "outcome" => label)
            .increment(1);
        self.audit.note(event).await;
    }
}
