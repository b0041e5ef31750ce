//! `secret`: the secrets of a source, by name. Values go in and never come out.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::client::Call;
use crate::cli::exit::{Exit, usage};
use crate::cli::output::{Column, Format};
use crate::cli::secret_answers::Answer;
use crate::cli::{Session, input, source, vault};

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("REFERENCE", "reference"),
    ("LAST CHANGED AT", "last_changed_at"),
    ("NEXT ROTATION AT", "next_rotation_at"),
];

const USES: &[Column] = &[
    ("SOURCE", "source"),
    ("SECRET", "secret"),
    ("EXISTS", "exists"),
    ("RESOURCE", "resource"),
    ("ENVIRONMENTS", "environments"),
    ("FIELD", "field"),
    ("REFERENCE", "reference"),
];

/// What can be done with secrets.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Lists secrets with the text that refers to them; never a value
    #[command(after_help = "Example:\n  s3-connector secret list --search s3")]
    List(List),
    /// Writes a secret into a local source
    #[command(after_help = "Examples:
  s3-connector secret put s3 --field key_id=AKIAEXAMPLE --field secret=@key.txt
  s3-connector secret put token @token.txt
  generate-key | s3-connector secret put s3 - --json

Refer to it with {{ secrets.s3.secret }}. Values given on the command line itself show up in process
lists and shell histories: `@file` and `-` (stdin) do not.")]
    Put(Put),
    /// Deletes a secret of a local source, with all its versions
    #[command(after_help = "Example:\n  s3-connector secret delete s3 --yes")]
    Delete(Delete),
    /// Lists the versions of a secret of a local source; never a value
    #[command(after_help = "Example:\n  s3-connector secret versions s3\n\nThe last 20 are kept.")]
    Versions(vault::Versions),
    /// Makes an earlier version of a secret of a local source current again
    #[command(after_help = "Examples:
  s3-connector secret rollback s3                     # to the previous version; once more undoes it
  s3-connector secret rollback s3 --version 0192f0c1-2b3a-7def-8a4b-0123456789ab --yes

`s3-connector secret versions` lists the ids.")]
    Rollback(vault::Rollback),
    /// Shows which resources use which secrets, which references lead nowhere, and which secrets nobody uses
    #[command(after_help = "Examples:
  s3-connector secret usage
  s3-connector secret usage --search payments --check
  s3-connector secret usage --resource invoices --output json

EXISTS is empty where the source was not asked: --check asks sources at AWS for their names (ListSecrets). It stays
empty for ARNs of another namespace, account or region than the source's.
A secret without a resource is used by nobody.")]
    Usage(Usage),
    /// Reads secrets anew, and shows which of them changed
    #[command(after_help = "Example:\n  s3-connector secret refresh payments/s3 --source aws-prod")]
    Refresh(Refresh),
    #[command(flatten)]
    Answers(Answer),
}

/// Which source.
#[derive(Debug, Args)]
pub(crate) struct Of {
    /// Name of the source [default: the one that is active in the environment]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

/// Flags of `secret list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    of: Of,
    /// Only names that hold this text
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// At most this many [default: all]
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
}

/// Flags of `secret usage`.
#[derive(Debug, Args)]
pub(crate) struct Usage {
    /// Only this source [default: all]
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only this resource
    #[arg(long, value_name = "NAME")]
    resource: Option<String>,
    /// Only secrets whose name holds this text
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Ask sources at AWS which secrets there are
    #[arg(long)]
    check: bool,
}

/// Flags of `secret put`.
#[derive(Debug, Args)]
pub(crate) struct Put {
    /// Name of the secret
    name: String,
    /// Value: `@file`, `-` for stdin, or the value itself
    #[arg(required_unless_present = "fields")]
    value: Option<String>,
    /// Field of a JSON value; may be repeated. The part after `=` is like VALUE
    #[arg(long = "field", value_name = "NAME=VALUE", value_parser = input::pair, conflicts_with = "value")]
    fields: Vec<(String, String)>,
    /// The value is a JSON object; refuse it when it is not
    #[arg(long, conflicts_with = "fields")]
    json: bool,
    #[command(flatten)]
    of: Of,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
}

/// Flags of `secret delete`.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Name of the secret
    name: String,
    #[command(flatten)]
    of: Of,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
}

/// Flags of `secret refresh`.
#[derive(Debug, Args)]
pub(crate) struct Refresh {
    /// Names of the secrets
    #[arg(required = true)]
    names: Vec<String>,
    #[command(flatten)]
    of: Of,
}

impl SecretCommand {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        match self {
            SecretCommand::List(list) => list.run(session).await,
            SecretCommand::Usage(usage) => usage.run(session).await,
            SecretCommand::Put(put) => put.run(session).await,
            SecretCommand::Delete(delete) => delete.run(session).await,
            SecretCommand::Versions(versions) => versions.run(session).await,
            SecretCommand::Rollback(rollback) => rollback.run(session).await,
            SecretCommand::Answers(answer) => answer.run(session).await,
            SecretCommand::Refresh(refresh) => {
                let source = refresh.of.name(session).await?;
                source::refresh(session, &source, &refresh.names).await
            }
        }
    }
}

impl Of {
    /// The source that was named; else the active one; else the only one.
    pub(crate) async fn name(self, session: &Session) -> anyhow::Result<String> {
        if let Some(name) = self.source {
            return Ok(name);
        }
        let answer = session.client.send(Call::get(&["sources"])).await?.body;
        chosen(&answer, session.client.environment())
    }
}

fn chosen(answer: &Value, environment: &str) -> anyhow::Result<String> {
    let sources: Vec<&Value> =
        answer.get("sources").and_then(Value::as_array).into_iter().flatten().collect();
    let text = |source: &Value, field: &str| {
        source.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let name = |source: &Value| {
        let name = text(source, "name");
        let twice = sources.iter().filter(|other| text(other, "name") == name).count() > 1;
        // the project's own source hides the workspace's
        if twice && text(source, "scope") == "workspace" { format!("workspace:{name}") } else { name }
    };
    let is_active = |source: &&&Value| {
        let active_in = source.get("active_in").and_then(Value::as_array);
        active_in.into_iter().flatten().any(|active| active.as_str() == Some(environment))
    };
    match (sources.iter().find(is_active), sources.as_slice()) {
        (Some(active), _) => Ok(name(active)),
        (None, [only]) => Ok(name(only)),
        (None, []) => {
            Err(usage("there is no source of secrets yet: make one with `s3-connector source create`"))
        }
        (None, several) => {
            let names: Vec<String> = several.iter().map(|source| name(source)).collect();
            Err(usage(format!(
                "no source is active in `{environment}`: choose one with --source, of {}",
                names.join(", ")
            )))
        }
    }
}

impl List {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let source = self.of.name(session).await?;
        let query = [("search", self.search)];
        let path = ["sources", &source, "secrets"];
        let found = session.client.pages(&path, &query, "secrets", self.limit).await?;
        session.out.rows(&found, "secrets", COLUMNS)?;
        if members(&found, "secrets").iter().any(|row| row.get("reference").is_none_or(Value::is_null)) {
            session.out.warn(
                "no reference can name this source: the project has one of the same name, which every reference means",
            );
        }
        Ok(Exit::Ok)
    }
}

impl Usage {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let call = Call::get(&["secrets", "usage"])
            .query("source", self.source)
            .query("resource", self.resource)
            .query("search", self.search)
            .query("check", self.check.then_some(true));
        let answer = session.client.send(call).await?.body;
        if session.out.format() != Format::Table {
            session.out.json(&answer)?;
            return Ok(Exit::Ok);
        }
        session.out.rows(&json!({"uses": flat(&answer)}), "uses", USES)?;
        for row in members(&answer, "without_source") {
            session.out.warn(format!(
                "`{}` in `{}` of `{}`: {}",
                text(row, "reference"),
                text(row, "field"),
                text(row, "resource"),
                text(row, "reason")
            ));
        }
        for row in members(&answer, "unlisted") {
            session.out.say(format!(
                "`{}` was not looked into: {}",
                text(row, "source"),
                text(row, "reason")
            ));
        }
        Ok(Exit::Ok)
    }
}

/// A row for each place of each secret.
fn flat(answer: &Value) -> Vec<Value> {
    let nobody = [Value::Null];
    let mut rows = Vec::new();
    for secret in members(answer, "secrets") {
        let places = members(secret, "used_by");
        for place in if places.is_empty() { &nobody } else { places } {
            rows.push(json!({
                "source": secret.get("source"),
                "secret": secret.get("secret"),
                "exists": secret.get("exists"),
                "resource": place.get("resource"),
                "environments": place.get("environments"),
                "field": place.get("field"),
                "reference": place.get("reference"),
            }));
        }
    }
    rows
}

fn members<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl Put {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let value = self.value(session).await?;
        let source = self.of.name(session).await?;
        let path = ["sources", &source, "secrets", &self.name];
        let call = Call::put(&path, json!({"value": value})).dry_run(self.dry_run);
        let answer = session.client.send(call).await?.body;
        session.out.saved(
            &format!("wrote the secret `{}` of `{source}`", self.name),
            &answer,
            self.dry_run,
        )?;
        Ok(Exit::Ok)
    }

    async fn value(&self, session: &Session) -> anyhow::Result<Value> {
        if let Some(argument) = &self.value {
            let text = input::secret(&session.out, "VALUE", argument).await?;
            return if self.json { parsed(&text) } else { Ok(Value::String(text)) };
        }
        if self.fields.iter().filter(|(_, argument)| argument == "-").count() > 1 {
            return Err(usage(
                "stdin can be only one of the values: put the others into files and write `@file`",
            ));
        }
        input::distinct("--field", &self.fields)?;
        let mut members = Map::new();
        for (name, argument) in &self.fields {
            let text = input::secret(&session.out, &format!("--field {name}"), argument).await?;
            members.insert(name.clone(), Value::String(text));
        }
        Ok(Value::Object(members))
    }
}

/// A JSON object; the message says where it breaks and shows nothing of it.
fn parsed(text: &str) -> anyhow::Result<Value> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| usage(format!("the value is not JSON: {error}")))?;
    if value.is_object() { Ok(value) } else { Err(usage("the value is JSON, but not an object")) }
}

/// The resources that name a secret.
async fn users(session: &Session, source: &str, secret: &str) -> anyhow::Result<BTreeSet<String>> {
    let call = Call::get(&["secrets", "usage"]).query("source", Some(source)).query("search", Some(secret));
    let answer = session.client.send(call).await?.body;
    Ok(users_in(&answer, secret))
}

fn users_in(answer: &Value, secret: &str) -> BTreeSet<String> {
    // the search finds longer names, too
    let same = |row: &&Value| text(row, "secret") == secret;
    let places = members(answer, "secrets").iter().filter(same).flat_map(|row| members(row, "used_by"));
    places.map(|place| text(place, "resource").to_owned()).collect()
}

impl Delete {
    async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let source = self.of.name(session).await?;
        let users = users(session, &source, &self.name).await?;
        if !users.is_empty() {
            let names: Vec<String> = users.iter().map(|name| format!("`{name}`")).collect();
            session.out.warn(format!(
                "queries of {} fail without it: `s3-connector secret usage --search '{}'` shows where it is named",
                names.join(", "),
                self.name
            ));
        }
        let question = format!("Delete the secret `{}` of `{source}`? It cannot be brought back.", self.name);
        input::confirm(&session.out, self.yes || self.dry_run, &question).await?;
        let path = ["sources", &source, "secrets", &self.name];
        let answer = session.client.send(Call::delete(&path).dry_run(self.dry_run)).await?.body;
        session.out.saved(
            &format!("deleted the secret `{}` of `{source}`", self.name),
            &answer,
            self.dry_run,
        )?;
        Ok(Exit::Ok)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{chosen, parsed, users_in};

    #[test]
    fn only_the_users_of_that_secret_are_told() {
        let place = |name: &str| json!({"resource": name, "environments": ["production"]});
        let answer = json!({"secrets": [
            {"source": "local", "secret": "s3", "used_by": [place("b"), place("a"), place("b")]},
            {"source": "local", "secret": "s3-old", "used_by": [place("c")]},
        ]});
        assert_eq!(users_in(&answer, "s3"), ["a".to_owned(), "b".to_owned()].into());
        assert!(users_in(&answer, "s").is_empty());
    }

    #[test]
    fn the_active_source_goes_before_the_only_one() {
        let two = json!({"sources": [{"name": "a", "active_in": ["staging"]}, {"name": "b", "active_in": ["production"]}]});
        assert_eq!(chosen(&two, "production").unwrap(), "b");
        assert_eq!(chosen(&two, "staging").unwrap(), "a");
        assert!(chosen(&two, "test").unwrap_err().to_string().contains("a, b"));
        assert_eq!(chosen(&json!({"sources": [{"name": "c", "active_in": []}]}), "test").unwrap(), "c");
        let hidden = json!({"sources": [{"name": "a", "active_in": []}, {"name": "a", "scope": "workspace", "active_in": ["test"]}]});
        assert_eq!(chosen(&hidden, "test").unwrap(), "workspace:a");
        assert!(chosen(&json!({"sources": []}), "test").is_err());
    }

    #[test]
    fn a_value_that_is_no_object_is_refused_without_showing_it() {
        for text in ["[hunter2]", "\"hunter2\"", "{\"a\": hunter2}"] {
            assert!(!parsed(text).unwrap_err().to_string().contains("hunter2"));
        }
    }
}
