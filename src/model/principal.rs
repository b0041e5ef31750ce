//! Who calls: roles, tokens and callers.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::name::Name;

/// What a token may do; each role may do all that the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees definitions.
    Viewer,
    /// Runs queries and tests.
    User,
    /// Changes resources.
    Editor,
    /// Changes sources, tokens and projects.
    Admin,
}

impl Role {
    /// Every role, weakest first.
    pub const ALL: [Role; 4] = [Role::Viewer, Role::User, Role::Editor, Role::Admin];

    /// The word used in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::User => "user",
            Role::Editor => "editor",
            Role::Admin => "admin",
        }
    }

    /// The role of that word.
    pub fn parse(word: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// An API token as it is shown: its secret part is known only to its holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Token {
    /// Identifies the token in `DELETE /v1/tokens/{id}`.
    pub id: String,
    /// What the token is for, in its creator's words.
    pub name: String,
    /// The project it belongs to; absent for a token of the whole installation.
    #[schema(value_type = Option<String>)]
    pub project: Option<Name>,
    /// What it may do.
    pub role: Role,
    /// The last four characters, to tell tokens apart.
    pub last4: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339; absent when it does not expire.
    pub expires_at: Option<String>,
    /// RFC 3339, to the minute; absent when it was never used.
    pub last_used_at: Option<String>,
}

/// The authenticated sender of a request, in the project that the request is about.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The id of the token.
    pub token_id: Arc<str>,
    /// The name of the token, for the audit.
    pub token_name: Arc<str>,
    /// What the caller may do in `project`.
    pub role: Role,
    /// The project that the request is about.
    pub project: Project,
    /// True for a token of the whole installation, which may also manage projects.
    pub installation: bool,
    /// Where the request came from.
    pub from: String,
    /// The id of the request.
    pub request_id: String,
    /// How many queries of the token run now.
    pub queries: Arc<AtomicUsize>,
}

/// The id that stands for the whole installation where a project's would stand: what belongs to it belongs to the
/// workspace. No token reaches it by name.
pub const WORKSPACE: &str = "workspace";

/// A project: the wall between teams. It is part of every key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Project {
    /// Never changes, never reused.
    #[schema(value_type = String)]
    pub id: Arc<str>,
    /// Unique in the installation.
    #[schema(value_type = String, example = "default")]
    pub name: Name,
    /// RFC 3339.
    #[schema(value_type = String)]
    pub created_at: Arc<str>,
}
