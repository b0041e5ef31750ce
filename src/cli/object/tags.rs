//! `object tags` and `object acl`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::client::Call;
use crate::cli::exit::Exit;
use crate::cli::object::checked_key;
use crate::cli::output::{Column, Format, counted};
use crate::cli::{Session, input};

const GRANTS: &[Column] = &[("PERMISSION", "permission"), ("KIND", "kind"), ("GRANTEE", "grantee")];

/// What can be done with tags.
#[derive(Debug, Subcommand)]
pub(crate) enum TagsCommand {
    /// Shows the tags of an object
    #[command(after_help = "Example:\n  s3-connector object tags get invoices 2026/a.pdf")]
    Get(OneObject),
    /// Gives an object these tags in place of those that it has
    #[command(
        after_help = "Example:\n  s3-connector object tags set invoices 2026/a.pdf department=finance year=2026"
    )]
    Set(SetTags),
    /// Takes all tags off an object
    #[command(after_help = "Example:\n  s3-connector object tags delete invoices 2026/a.pdf --yes")]
    Delete(DeleteTags),
}

/// What can be done with ACLs.
#[derive(Debug, Subcommand)]
pub(crate) enum AclCommand {
    /// Shows who may do what with an object
    #[command(after_help = "Example:\n  s3-connector object acl get invoices 2026/a.pdf")]
    Get(OneObject),
    /// Gives an object a canned ACL
    #[command(
        after_help = "Example:\n  s3-connector object acl set invoices 2026/logo.png public-read\n\nNew buckets of AWS have ACLs turned off and refuse this: their policy says who may read."
    )]
    Set(SetAcl),
}

/// An object, or a version of it.
#[derive(Debug, Args)]
pub(crate) struct OneObject {
    /// Name of the resource
    resource: String,
    /// Key of the object
    key: String,
    /// Version of the object [default: the newest]
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    version: Option<String>,
}

/// Flags of `object tags set`.
#[derive(Debug, Args)]
pub(crate) struct SetTags {
    /// Name of the resource
    resource: String,
    /// Key of the object
    key: String,
    /// Tags as `name=value`, at most 10
    #[arg(required = true, value_name = "NAME=VALUE", value_parser = input::pair)]
    tags: Vec<(String, String)>,
    /// Version of the object [default: the newest]
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    version: Option<String>,
}

/// Flags of `object tags delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteTags {
    #[command(flatten)]
    object: OneObject,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Flags of `object acl set`.
#[derive(Debug, Args)]
pub(crate) struct SetAcl {
    /// Name of the resource
    resource: String,
    /// Key of the object
    key: String,
    /// Canned ACL: private, public-read, public-read-write, authenticated-read, bucket-owner-read, …
    acl: String,
    /// Version of the object [default: the newest]
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    version: Option<String>,
}

impl TagsCommand {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        match self {
            TagsCommand::Get(object) => {
                let answer = object.read(session, "tags").await?;
                if session.out.format() == Format::Table
                    && answer.get("tags").and_then(Value::as_object).is_some_and(Map::is_empty)
                {
                    session.out.say("no tags");
                }
                session.out.record(&answer)?;
            }
            TagsCommand::Set(set) => set.run(session).await?,
            TagsCommand::Delete(delete) => delete.run(session).await?,
        }
        Ok(Exit::Ok)
    }
}

impl AclCommand {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        match self {
            AclCommand::Get(object) => {
                let answer = object.read(session, "acl").await?;
                session.out.rows(&answer, "grants", GRANTS)?;
                if let Some(canned) = answer.get("canned").and_then(Value::as_str) {
                    session.out.say(format!("these grants are the canned ACL `{canned}`"));
                }
            }
            AclCommand::Set(set) => set.run(session).await?,
        }
        Ok(Exit::Ok)
    }
}

impl OneObject {
    async fn read(&self, session: &Session, what: &str) -> anyhow::Result<Value> {
        let path = ["resources", self.resource.as_str(), "object", what];
        let call = Call::get(&path)
            .query("key", Some(checked_key(&self.key)?))
            .query("version", self.version.as_ref());
        Ok(session.client.send(call).await?.body)
    }
}

impl SetTags {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let path = ["resources", self.resource.as_str(), "object", "tags"];
        input::distinct("TAG", &self.tags)?;
        let tags: Map<String, Value> =
            self.tags.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        let sentence = format!("`{}` has {}", self.key, counted(tags.len() as u64, "tag"));
        let call = Call::put(&path, json!({"tags": tags}))
            .query("key", Some(checked_key(&self.key)?))
            .query("version", self.version.as_ref());
        let answer = session.client.send(call).await?.body;
        session.out.saved(&sentence, &answer, false)
    }
}

impl DeleteTags {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let OneObject { resource, key, version } = &self.object;
        input::confirm(&session.out, self.yes, &format!("Take all tags off `{key}` of `{resource}`?"))
            .await?;
        let path = ["resources", resource.as_str(), "object", "tags"];
        let call =
            Call::delete(&path).query("key", Some(checked_key(key)?)).query("version", version.as_ref());
        let answer = session.client.send(call).await?.body;
        session.out.saved(&format!("`{key}` has no tags any more"), &answer, false)
    }
}

impl SetAcl {
    async fn run(self, session: &Session) -> anyhow::Result<()> {
        let path = ["resources", self.resource.as_str(), "object", "acl"];
        let call = Call::put(&path, json!({"acl": self.acl}))
            .query("key", Some(checked_key(&self.key)?))
            .query("version", self.version.as_ref());
        let answer = session.client.send(call).await?.body;
        session.out.saved(&format!("`{}` has the ACL `{}`", self.key, self.acl), &answer, false)
    }
}
