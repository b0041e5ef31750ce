//! Audit events: who did what, to what, with which outcome. Never a value of a secret.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One row of the audit, before it is chained to the row before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// RFC 3339.
    pub at: String,
    /// The project's id; empty for the installation.
    pub project: String,
    /// The token's name and id.
    pub who: String,
    /// The caller's address.
    pub from: String,
    /// For example `resource.update` or `object.get`.
    pub action: String,
    /// The resource, source or token.
    pub subject: String,
    /// The object key, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `ok`, or the code of the error.
    pub outcome: String,
    /// Names and version ids of the secrets that were used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Bytes of the object, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Our request id.
    pub request_id: String,
    /// The store's request id, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_request_id: Option<String>,
    /// What changed, in words, for changes of definitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
