//! `object delete` of many, `copy`, `move` and `rename`.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::cli::client::Call;
use crate::cli::exit::Exit;
use crate::cli::object::follow::Task;
use crate::cli::{Session, input};

/// Flags of `object delete --prefix`.
#[derive(Debug)]
pub(super) struct DeletePrefix {
    pub(super) resource: String,
    pub(super) prefix: String,
    pub(super) yes: bool,
    pub(super) dry_run: bool,
    pub(super) cursor: Option<String>,
}

/// Whether a copy keeps what the source has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Directive {
    /// As the source has it
    Copy,
    /// What the flags give, and nothing else
    Replace,
}

impl Directive {
    fn as_str(self) -> &'static str {
        match self {
            Directive::Copy => "copy",
            Directive::Replace => "replace",
        }
    }
}

/// Flags of `object copy`.
#[derive(Debug, Args)]
pub(crate) struct Copy {
    #[command(flatten)]
    what: What,
}

/// Flags of `object move`.
#[derive(Debug, Args)]
pub(crate) struct Move {
    #[command(flatten)]
    what: What,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// What copies and moves have in common.
#[derive(Debug, Args)]
struct What {
    /// Name of the resource
    resource: String,
    /// Key of the object
    from: String,
    /// The new key
    to: String,
    /// Resource to copy to, when it is another
    #[arg(long, value_name = "NAME")]
    to_resource: Option<String>,
    /// A version of the object
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    version: Option<String>,
    #[command(flatten)]
    gets: Gets,
    /// Only if there is no object under the new key yet
    #[arg(long)]
    if_none_match: bool,
    /// Only look: whether it would be done, and how
    #[arg(long)]
    dry_run: bool,
}

/// What objects get on their way.
#[derive(Debug, Args)]
struct Gets {
    /// Keep the source's metadata and content headers, or replace them
    #[arg(long, value_name = "WHAT")]
    metadata_directive: Option<Directive>,
    /// Metadata, with `--metadata-directive replace`; may be repeated
    #[arg(long = "metadata", value_name = "NAME=VALUE", value_parser = input::pair)]
    metadata: Vec<(String, String)>,
    /// Media type, with `--metadata-directive replace`
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// `Cache-Control`, with `--metadata-directive replace`
    #[arg(long, value_name = "TEXT")]
    cache_control: Option<String>,
    /// `Content-Disposition`, with `--metadata-directive replace`
    #[arg(long, value_name = "TEXT")]
    content_disposition: Option<String>,
    /// `Content-Encoding`, with `--metadata-directive replace`
    #[arg(long, value_name = "TEXT")]
    content_encoding: Option<String>,
    /// `Content-Language`, with `--metadata-directive replace`
    #[arg(long, value_name = "TEXT")]
    content_language: Option<String>,
    /// When caches let the copy go, as HTTP writes dates; with `--metadata-directive replace`
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
    /// Keep the source's tags, or replace them
    #[arg(long, value_name = "WHAT")]
    tags_directive: Option<Directive>,
    /// A tag, with `--tags-directive replace`; may be repeated
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = input::pair)]
    tags: Vec<(String, String)>,
    /// Canned ACL of the copy
    #[arg(long, value_name = "ACL")]
    acl: Option<String>,
    /// Storage class of the copy
    #[arg(long, value_name = "CLASS")]
    storage_class: Option<String>,
}

/// Flags of `object rename`.
#[derive(Debug, Args)]
pub(crate) struct Rename {
    /// Name of the resource
    resource: String,
    /// Every key that starts so
    from: String,
    /// What stands in its place
    to: String,
    /// Resource to move to, when it is another
    #[arg(long, value_name = "NAME")]
    to_resource: Option<String>,
    /// Replace what is there under the new keys
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    gets: Gets,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Only count
    #[arg(long)]
    dry_run: bool,
    /// Go on where an earlier call ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

impl Copy {
    pub(super) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        if self.what.dry_run {
            return self.what.look(session, "objects:copy", "copied").await;
        }
        self.what.send(session, "objects:copy", "copied").await
    }
}

impl Move {
    pub(super) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        if self.what.dry_run {
            return self.what.look(session, "objects:move", "moved").await;
        }
        let question = format!("Move `{}` to {}?", self.what.from, self.what.whereto());
        input::confirm(&session.out, self.yes, &question).await?;
        self.what.send(session, "objects:move", "moved").await
    }
}

impl What {
    fn whereto(&self) -> String {
        match &self.to_resource {
            Some(other) => format!("`{}` of `{other}`", self.to),
            None => format!("`{}`", self.to),
        }
    }

    /// What the service says that a copy would come to; what stands against one ends with its error.
    async fn look(&self, session: &Session, route: &str, done: &str) -> anyhow::Result<Exit> {
        let path = ["resources", self.resource.as_str(), route];
        let answer = session.client.send(Call::post(&path, self.body())).await?.body;
        session.out.record(&answer)?;
        session.out.say(format!("dry run: nothing was {done}"));
        Ok(Exit::Ok)
    }

    async fn send(&self, session: &Session, route: &str, done: &str) -> anyhow::Result<Exit> {
        let path = ["resources", self.resource.as_str(), route];
        let spinner = session.out.spinner(&self.from);
        self.gets.check()?;
        let answer = session.client.send(Call::post(&path, self.body())).await;
        spinner.finish_and_clear();
        let sentence = format!("`{}` was {done} to {}", self.from, self.whereto());
        session.out.saved(&sentence, &answer?.body, false)?;
        Ok(Exit::Ok)
    }

    fn body(&self) -> Value {
        let mut body =
            Map::from_iter([("from".to_owned(), json!(self.from)), ("to".to_owned(), json!(self.to))]);
        self.gets.add_to(&mut body);
        let mut add = |name: &str, value: Value| body.insert(name.to_owned(), value);
        for (name, value) in [("to_resource", &self.to_resource), ("version", &self.version)] {
            if let Some(value) = value {
                add(name, json!(value));
            }
        }
        if self.if_none_match {
            add("if_none_match", json!("*"));
        }
        if self.dry_run {
            add("dry_run", json!(true));
        }
        Value::Object(body)
    }
}

impl DeletePrefix {
    pub(super) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let body = json!({"prefix": self.prefix, "cursor": self.cursor});
        let task = Task {
            resource: &self.resource,
            route: "objects:delete",
            body,
            question: format!("below `{}` of `{}`", self.prefix, self.resource),
            verb: "Delete",
            done: "deleted",
        };
        task.run(session, self.dry_run, self.yes).await
    }
}

impl Gets {
    /// What is there more than once cannot be meant.
    fn check(&self) -> anyhow::Result<()> {
        input::distinct("--metadata", &self.metadata)?;
        input::distinct("--tag", &self.tags)
    }

    fn add_to(&self, body: &mut Map<String, Value>) {
        let texts = [
            ("content_type", &self.content_type),
            ("cache_control", &self.cache_control),
            ("content_disposition", &self.content_disposition),
            ("content_encoding", &self.content_encoding),
            ("content_language", &self.content_language),
            ("expires", &self.expires),
            ("acl", &self.acl),
            ("storage_class", &self.storage_class),
        ];
        let mut add = |name: &str, value: Value| body.insert(name.to_owned(), value);
        for (name, value) in texts {
            if let Some(value) = value {
                add(name, json!(value));
            }
        }
        let directives =
            [("metadata_directive", self.metadata_directive), ("tags_directive", self.tags_directive)];
        for (name, directive) in directives {
            if let Some(directive) = directive {
                add(name, json!(directive.as_str()));
            }
        }
        for (name, pairs) in [("metadata", &self.metadata), ("tags", &self.tags)] {
            if !pairs.is_empty() {
                let pairs: BTreeMap<&String, &String> =
                    pairs.iter().map(|(name, value)| (name, value)).collect();
                add(name, json!(pairs));
            }
        }
    }
}

impl Rename {
    pub(super) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        self.gets.check()?;
        let mut body = json!({
            "from": self.from,
            "to": self.to,
            "to_resource": self.to_resource,
            "overwrite": self.overwrite,
            "cursor": self.cursor,
        });
        if let Value::Object(fields) = &mut body {
            self.gets.add_to(fields);
        }
        let target = self.to_resource.as_ref().unwrap_or(&self.resource);
        let question = format!("below `{}` of `{}` to `{}` of `{target}`", self.from, self.resource, self.to);
        let (verb, done) = ("Move", "moved");
        let task = Task { resource: &self.resource, route: "objects:rename", body, question, verb, done };
        task.run(session, self.dry_run, self.yes).await
    }
}
