//! `project`: the parts of an installation that see nothing of each other.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::Session;
use crate::cli::client::Call;
use crate::cli::exit::Exit;
use crate::cli::output::Column;

const COLUMNS: &[Column] = &[("NAME", "name"), ("ID", "id"), ("CREATED AT", "created_at")];

/// What can be done with projects.
#[derive(Debug, Subcommand)]
pub(crate) enum ProjectCommand {
    /// Lists the projects that the token sees
    #[command(after_help = "Example:\n  s3-connector project list")]
    List,
    /// Makes a project; needs a token of the whole installation
    #[command(after_help = "Example:\n  s3-connector project create finance")]
    Create(Create),
}

/// Flags of `project create`.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Name of the project
    name: String,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
}

impl ProjectCommand {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        match self {
            ProjectCommand::List => {
                let answer = session.client.send(Call::get(&["projects"])).await?.body;
                session.out.rows(&answer, "projects", COLUMNS)?;
            }
            ProjectCommand::Create(create) => {
                let call = Call::post(&["projects"], json!({"name": create.name})).dry_run(create.dry_run);
                let answer = session.client.send(call).await?.body;
                let sentence = format!("made the project `{}`", create.name);
                session.out.saved(&sentence, &answer, create.dry_run)?;
            }
        }
        Ok(Exit::Ok)
    }
}
