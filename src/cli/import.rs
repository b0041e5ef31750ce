//! `source import`: tables of other tools as aliases and references.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::client::Call;
use crate::cli::exit::{Exit, usage};
use crate::cli::output::Column;
use crate::cli::{Session, input};
use crate::model::import::{self, Format, Imported, RowError};
use crate::model::name::Identifier;
use crate::model::secret::Alias;

const ALIASES: &[Column] =
    &[("ALIAS", "alias"), ("SECRET", "secret"), ("MODE", "mode"), ("REFERENCE", "reference")];
const FIELDS: &[Column] = &[("FIELD", "field"), ("REFERENCE", "reference")];

/// Flags of `source import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Name of the source: takes the aliases, and is named in the references of fields
    name: Option<String>,
    /// Table in JSON, `-` for stdin
    #[arg(long, short, value_name = "FILE")]
    file: PathBuf,
    /// Shape of the table [default: told by its members `aliases` or `fields`]
    #[arg(long, value_parser = ["requestly", "activepieces"])]
    format: Option<String>,
    /// Also change aliases that lead to another secret now
    #[arg(long)]
    overwrite: bool,
    /// Only show what the table means; no server is asked
    #[arg(long, conflicts_with_all = ["overwrite", "dry_run"])]
    print: bool,
    /// Only check what would happen
    #[arg(long)]
    dry_run: bool,
}

impl Import {
    pub(crate) async fn run(self, session: &Session) -> anyhow::Result<Exit> {
        let table = input::json(&self.file).await?;
        let format = self.format.as_deref().map(|name| match name {
            "requestly" => Format::Requestly,
            _ => Format::Activepieces,
        });
        let imported = import::convert(&table, format, self.name.as_deref())
            .map_err(|errors| refused(&self.file.display().to_string(), &errors))?;
        match imported {
            Imported::Fields(fields) => show_fields(session, &fields)?,
            Imported::Aliases(aliases) if self.print => show_aliases(session, &aliases)?,
            Imported::Aliases(aliases) => self.save(session, &aliases).await?,
        }
        Ok(Exit::Ok)
    }

    /// Writes what is new or changed by one members, and only if the source is still as it was looked at.
    async fn save(&self, session: &Session, aliases: &BTreeMap<Identifier, Alias>) -> anyhow::Result<()> {
        let Some(name) = &self.name else {
            return Err(usage("say which source takes the aliases, or give --print to only see them"));
        };
        let path = ["sources", name.as_str()];
        let shown = session.client.send(Call::get(&path)).await?;
        let before = existing(&shown.body)?;
        let changed: BTreeMap<&Identifier, &Alias> =
            aliases.iter().filter(|(alias, meaning)| before.get(*alias) != Some(*meaning)).collect();
        let clashes: Vec<String> = changed
            .keys()
            .filter_map(|alias| before.get(*alias).map(|meaning| format!("`{alias}` (`{}`)", meaning.secret)))
            .collect();
        if !clashes.is_empty() && !self.overwrite {
            anyhow::bail!(
                "these aliases lead elsewhere now: {}; give --overwrite to change them, or take them out of \
                 the file; nothing was changed",
                clashes.join(", ")
            );
        }
        if changed.is_empty() {
            show_aliases(session, aliases)?;
            session.out.say(format!("the source `{name}` has these aliases already"));
            return Ok(());
        }
        let members: Map<String, Value> =
            changed.iter().map(|(alias, meaning)| (alias.as_str().to_owned(), json!(meaning))).collect();
        let call = Call::new(reqwest::Method::PATCH, &path)
            .body(json!({"aliases": members}))
            .if_match(shown.etag.unwrap_or_else(|| "*".to_owned()))
            .dry_run(self.dry_run);
        let answer = session.client.send(call).await?.body;
        show_aliases(session, aliases)?;
        let done = format!("aliases new or changed in the source `{name}`: {}", changed.len());
        session.out.say(if self.dry_run { "dry run: nothing was changed" } else { done.as_str() });
        session.out.remarks(&answer);
        Ok(())
    }
}

fn existing(source: &Value) -> anyhow::Result<BTreeMap<Identifier, Alias>> {
    let aliases = source.get("aliases").cloned().unwrap_or_else(|| json!({}));
    serde_json::from_value(aliases).context("the server shows aliases that this version does not know")
}

fn refused(file: &str, errors: &[RowError]) -> anyhow::Error {
    let lines: Vec<String> = errors.iter().map(|error| format!("  {error}")).collect();
    usage(format!("`{file}` cannot be imported, and nothing was changed:\n{}", lines.join("\n")))
}

fn show_aliases(session: &Session, aliases: &BTreeMap<Identifier, Alias>) -> anyhow::Result<()> {
    let rows: Vec<Value> = aliases
        .iter()
        .map(|(alias, meaning)| {
            let reference = format!("{{{{ vault:{alias} }}}}");
            json!({"alias": alias, "secret": meaning.secret, "mode": meaning.mode, "reference": reference})
        })
        .collect();
    session.out.rows(&json!({"aliases": rows}), "aliases", ALIASES)
}

fn show_fields(session: &Session, fields: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let rows: Vec<Value> =
        fields.iter().map(|(field, text)| json!({"field": field, "reference": text})).collect();
    session.out.rows(&json!({"fields": rows}), "fields", FIELDS)
}
