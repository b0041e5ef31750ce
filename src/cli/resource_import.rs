//! `resource import`: the buckets that a credential may list, as resources.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::client::Call;
use crate::cli::exit::{Exit, usage};
use crate::cli::output::{Column, Format, counted};
use crate::cli::problem::Problem;
use crate::cli::resource_fields::Fields;
use crate::cli::{Session, definition, input, patch};

const PROPOSALS: &[Column] = &[
    ("NAME", "name"),
    ("BUCKET", "bucket"),
    ("REGION", "region"),
    ("DEFAULT ACL", "default_acl"),
    ("PROVIDER", "provider"),
    ("EXISTS AS", "exists_as"),
];
/// Fields of a proposal that go into a definition.
const PROPOSED: &[&str] = &["name", "bucket", "region", "default_acl"];

/// Flags of `resource import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// What all resources have in common, in JSON, `-` for stdin; flags go before what it says
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Create the resource of this bucket; may be repeated
    #[arg(long, value_name = "BUCKET")]
    create: Vec<String>,
    /// Create the resources of all buckets that no resource leads to yet
    #[arg(long, conflicts_with = "create")]
    create_all: bool,
    #[command(flatten)]
    fields: Fields,
}

impl Import {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        self.fields.check_new()?;
        let mut common = match &self.file {
            Some(file) => input::json(file).await?,
            None => json!({}),
        };
        patch::strip_shown(&mut common);
        patch::apply(&mut common, self.fields.patch(session).await?.into_value());
        definition::check_auth(&common)?;
        let answer = session.client.send(Call::post(&["resources:import"], common.clone())).await?.body;
        let proposals = answer.get("proposals").and_then(Value::as_array).cloned().unwrap_or_default();
        if self.create.is_empty() && !self.create_all {
            session.out.rows(&answer, "proposals", PROPOSALS)?;
            session.out.say(format!(
                "{}: nothing was created; --create BUCKET creates one, --create-all those that no resource leads to",
                counted(proposals.len() as u64, "bucket")
            ));
            return Ok(Exit::Ok);
        }
        let chosen = self.chosen(&proposals)?;
        if chosen.is_empty() {
            session.out.say("there is nothing to create: a resource leads to every bucket already");
        }
        create(session, &common, &chosen).await
    }

    fn chosen<'a>(&self, proposals: &'a [Value]) -> anyhow::Result<Vec<&'a Value>> {
        let bucket = |proposal: &Value| text(proposal, "bucket").to_owned();
        if let Some(strange) =
            self.create.iter().find(|name| !proposals.iter().any(|one| bucket(one) == **name))
        {
            return Err(usage(format!("`{strange}` is none of the buckets: leave out --create to see them")));
        }
        let is_chosen = |proposal: &&Value| {
            if self.create_all {
                proposal.get("exists_as").is_none_or(Value::is_null)
            } else {
                self.create.contains(&bucket(proposal))
            }
        };
        Ok(proposals.iter().filter(is_chosen).collect())
    }
}

/// One that fails does not stop the others.
async fn create(session: &Session, common: &Value, chosen: &[&Value]) -> anyhow::Result<Exit> {
    let (mut created, mut failed) = (Vec::new(), Vec::new());
    for proposal in chosen {
        let mut definition = common.clone();
        let proposed =
            PROPOSED.iter().filter_map(|name| Some(((*name).to_owned(), proposal.get(*name)?.clone())));
        // what was given is meant for all
        let given = |name: &str| name == "default_acl" && common.get(name).is_some();
        let proposed: Map<String, Value> =
            proposed.filter(|(name, value)| !value.is_null() && !given(name)).collect();
        patch::apply(&mut definition, Value::Object(proposed));
        let (name, bucket) = (text(proposal, "name"), text(proposal, "bucket"));
        match session.client.send(Call::post(&["resources"], definition)).await {
            Ok(_) => {
                session.out.say(format!("created the resource `{name}` for the bucket `{bucket}`"));
                created.push(json!({"name": name, "bucket": bucket}));
            }
            Err(error) => match error.downcast::<Problem>() {
                Ok(problem) => {
                    session.out.warn(format!("`{bucket}`: {problem}"));
                    failed.push(json!({"bucket": bucket, "error": problem}));
                }
                // nobody answers: the others would fail, too
                Err(error) => return Err(error),
            },
        }
    }
    session.out.say(format!(
        "{} created, {} failed",
        counted(created.len() as u64, "resource"),
        failed.len()
    ));
    let any = !failed.is_empty();
    if session.out.format() != Format::Table {
        session.out.json(&json!({"created": created, "failed": failed}))?;
    }
    Ok(Exit::failed_if(any))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
