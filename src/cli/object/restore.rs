//! `object restore`.

use clap::Args;
use serde_json::json;

use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::Exit;
use crate::cli::object::checked_key;

/// Flags of `object restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreObject {
    /// Name of the resource
    resource: String,
    /// Key of the object
    key: String,
    /// Version to copy on top, from `object list --versions`
    #[arg(long, value_name = "ID", required_unless_present = "undelete", allow_hyphen_values = true)]
    version: Option<String>,
    /// Take the delete markers on top away instead
    #[arg(long, conflicts_with = "version")]
    undelete: bool,
}

impl RestoreObject {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let path = ["resources", self.resource.as_str(), "objects:restore"];
        let body =
            json!({"key": checked_key(&self.key)?, "version": self.version, "undelete": self.undelete});
        let answer = session.client.send(Call::post(&path, body)).await?.body;
        let sentence = match &self.version {
            Some(version) => format!("`{}` is as in version {version} again", self.key),
            None => format!("`{}` is not deleted any more", self.key),
        };
        session.out.saved(&sentence, &answer, false)?;
        Ok(Exit::Ok)
    }
}
