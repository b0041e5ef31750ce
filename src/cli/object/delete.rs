//! `object delete`: one object, several, those of a list, or all below a prefix.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::cli::client::Call;
use crate::cli::exit::{Exit, usage};
use crate::cli::object::bulk::DeletePrefix;
use crate::cli::object::{checked_key, follow, state};
use crate::cli::output::Column;
use crate::cli::{Session, input};
use crate::model::bulk::NamedKey;

/// Columns of what a deletion would find; keys are last, since they may be long.
const FOUND: &[Column] =
    &[("STATE", "state"), ("SIZE", "size"), ("LAST MODIFIED", "last_modified"), ("KEY", "key")];

/// Flags of `object delete`.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Name of the resource
    resource: String,
    /// Keys of the objects
    #[arg(required_unless_present_any = ["prefix", "from"])]
    keys: Vec<String>,
    /// Delete every object whose key starts so
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["keys", "from"])]
    prefix: Option<String>,
    /// Delete what a file names, `-` for stdin: a line for each, as `object list --output ndjson` writes them, with a
    /// `version_id` only that version, with `if_match` only if the object still has that `ETag`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["keys", "version", "if_match"])]
    from: Option<PathBuf>,
    /// Delete this version for good; of one key
    #[arg(long, value_name = "VERSION", allow_hyphen_values = true, conflicts_with_all = ["prefix", "dry_run"])]
    version: Option<String>,
    /// Only if the object still has this `ETag`; of one key
    #[arg(long, value_name = "ETAG", conflicts_with_all = ["prefix", "version", "dry_run"])]
    if_match: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Only look which of them are there
    #[arg(long)]
    dry_run: bool,
    /// With --prefix: go on where an earlier call ended
    #[arg(long, value_name = "CURSOR", requires = "prefix")]
    cursor: Option<String>,
}

/// A line of a file: a row of a list, or what a query names.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    Row {
        key: String,
        #[serde(alias = "version")]
        version_id: Option<String>,
        if_match: Option<String>,
    },
    Group {
        prefix: String,
    },
    /// The last line of a stream.
    End {
        #[expect(dead_code, reason = "tells the line from others")]
        truncated: bool,
    },
}

impl Delete {
    pub(super) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        if let Some(prefix) = self.prefix {
            let Delete { resource, yes, dry_run, cursor, .. } = self;
            return DeletePrefix { resource, prefix, yes, dry_run, cursor }.run(session).await;
        }
        if let Some(file) = &self.from {
            return self.named(session, file).await;
        }
        self.keys.iter().try_for_each(|key| checked_key(key).map(drop))?;
        let [key] = self.keys.as_slice() else { return self.many(session).await };
        if self.dry_run {
            return self.look(session).await;
        }
        let what = match &self.version {
            Some(version) => format!("the version `{version}` of `{key}`"),
            None => format!("the object `{key}`"),
        };
        let question = format!("Delete {what} of `{}`?", self.resource);
        input::confirm(&session.out, self.yes, &question).await?;
        let path = ["resources", self.resource.as_str(), "query"];
        let mut query = json!({"operation": "delete", "key": key});
        for (name, value) in [("version", &self.version), ("if_match", &self.if_match)] {
            if let (Some(fields), Some(value)) = (query.as_object_mut(), value) {
                fields.insert(name.to_owned(), value.as_str().into());
            }
        }
        let answer = session.client.send(Call::post(&path, query)).await?.body;
        session.out.saved(&format!("{what} is not there any more"), &answer, false)?;
        Ok(Exit::Ok)
    }

    /// Several at once: one that fails does not stop the others.
    async fn many(&self, session: &Session) -> anyhow::Result<Exit> {
        if self.version.is_some() || self.if_match.is_some() {
            return Err(usage(
                "--version and --if-match are of one object: give one key, or name versions in a file with --from",
            ));
        }
        if self.dry_run {
            return self.look(session).await;
        }
        let named = |key: &String| NamedKey { key: key.clone(), version: None, if_match: None };
        self.delete(session, &self.keys.iter().map(named).collect::<Vec<_>>()).await
    }

    /// What a file names.
    async fn named(&self, session: &Session, file: &Path) -> anyhow::Result<Exit> {
        let named = read_lines(file).await?;
        if named.is_empty() {
            session.out.say("no objects are named: nothing was done");
            return Ok(Exit::Ok);
        }
        if self.dry_run {
            let plans = follow::look_at_keys(session, &self.resource, &named).await?;
            session.out.record(&plans)?;
            session.out.say("dry run: nothing was deleted");
            return Ok(Exit::Ok);
        }
        self.delete(session, &named).await
    }

    async fn delete(&self, session: &Session, named: &[NamedKey]) -> anyhow::Result<Exit> {
        let versions = named.iter().filter(|key| key.version.is_some()).count();
        let what = match versions {
            0 => format!("{} objects", named.len()),
            all if all == named.len() => format!("{all} versions for good"),
            some => format!("{} objects, {some} of them versions for good,", named.len()),
        };
        let question = format!("Delete {what} of `{}`?", self.resource);
        input::confirm(&session.out, self.yes, &question).await?;
        follow::delete_keys(session, &self.resource, named).await
    }

    /// Nothing but looks: an object store has no dry run of its own.
    async fn look(&self, session: &Session) -> anyhow::Result<Exit> {
        let mut found = Vec::new();
        for key in &self.keys {
            found.push(state(session, &self.resource, key).await?);
        }
        session.out.rows(&json!({"objects": found}), "objects", FOUND)?;
        session.out.say("dry run: nothing was deleted");
        Ok(Exit::Ok)
    }
}

/// Reads all lines before anything is deleted: one that cannot be read, or a list that broke off, deletes nothing.
async fn read_lines(file: &Path) -> anyhow::Result<Vec<NamedKey>> {
    let cannot = || format!("cannot read `{}`", file.display());
    let mut lines = BufReader::new(input::open(file).await?).lines();
    let (mut named, mut number) = (Vec::new(), 0_u64);
    while let Some(line) = lines.next_line().await.with_context(cannot)? {
        number += 1;
        let key =
            parse_line(&line).map_err(|why| usage(format!("line {number} {why}; nothing was deleted")))?;
        named.extend(key);
    }
    Ok(named)
}

/// None for what a stream says besides its rows.
fn parse_line(line: &str) -> Result<Option<NamedKey>, String> {
    if line.trim().is_empty() {
        return Ok(None);
    }
    let rule = r#"a line is like {"key": "a.txt", "version_id": "…"}"#;
    let value: Value = serde_json::from_str(line).map_err(|error| format!("is no JSON ({error}): {rule}"))?;
    if let Some(error) = value.get("error") {
        let title = error.get("title").and_then(Value::as_str).unwrap_or("an error");
        return Err(format!("says that the list broke off: {title}"));
    }
    match serde_json::from_value(value) {
        Ok(Line::Row { key, .. }) if key.is_empty() => Err("has an empty key".to_owned()),
        // some stores take it for no version, and would delete the object of now
        Ok(Line::Row { version_id: Some(version), .. }) if version.is_empty() => {
            Err("has an empty version".to_owned())
        }
        Ok(Line::Row { version_id: Some(_), if_match: Some(_), .. }) => {
            Err("has a version, which never changes, and `if_match`: leave one out".to_owned())
        }
        Ok(Line::Row { key, version_id, if_match }) => {
            Ok(Some(NamedKey { key, version: version_id, if_match }))
        }
        Ok(Line::Group { prefix }) => {
            Err(format!("is the group `{prefix}` and no object: list without --delimiter"))
        }
        Ok(Line::End { .. }) => Ok(None),
        Err(_) => Err(format!("names no object: {rule}")),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_line;

    #[test]
    fn lines_of_lists_name_objects_and_versions() {
        for (line, expected) in [
            (r#"{"key": "a", "size": 1, "etag": null}"#, Some(("a", None, None))),
            (r#"{"key": "b", "version_id": "v1", "delete_marker": true}"#, Some(("b", Some("v1"), None))),
            (r#"{"key": "c", "version": "v2"}"#, Some(("c", Some("v2"), None))),
            (r#"{"key": "d", "if_match": "\"e\""}"#, Some(("d", None, Some("\"e\"")))),
            (r#"{"cursor": "x", "truncated": true}"#, None),
            ("", None),
        ] {
            let named = parse_line(line).unwrap();
            let shown = named
                .as_ref()
                .map(|named| (named.key.as_str(), named.version.as_deref(), named.if_match.as_deref()));
            assert_eq!(shown, expected, "{line}");
        }
    }

    #[test]
    fn what_names_no_object_is_refused() {
        for (line, said) in [
            ("a.txt", "no JSON"),
            (r#"{"prefix": "2026/"}"#, "the group `2026/`"),
            (r#"{"size": 1}"#, "names no object"),
            (r#"{"key": ""}"#, "empty key"),
            (r#"{"key": "a", "version_id": ""}"#, "empty version"),
            (r#"{"key": "a", "version_id": "v", "if_match": "e"}"#, "leave one out"),
            (r#"{"error": {"title": "throttled"}}"#, "broke off: throttled"),
        ] {
            let why = parse_line(line).unwrap_err();
            assert!(why.contains(said), "{line}: {why}");
        }
    }
}
