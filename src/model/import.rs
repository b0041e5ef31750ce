//! Tables of other tools, read as aliases and references of ours.
//!
//! Two shapes are known: aliases with a secret's name and a mode, as Requestly has them, and fields with a
//! secret's name and a key of its JSON, as Activepieces has them. A field may also be a text with references, as
//! in Retool. Values of secrets are never read: a table that holds some is refused.
//!
//! Invariant: a table is taken whole or not at all, and every row that is wrong is named.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::model::name::Identifier;
use crate::model::secret::Alias;
use crate::template::{self, Mode};

/// The members that hold a table of aliases.
const ALIAS_TABLES: [&str; 2] = ["aliases", "secrets"];
/// The member that holds a table of fields.
const FIELD_TABLE: &str = "fields";
/// What the members of a row are called, written in small letters without blanks, and what they mean.
const ALIAS_MEMBERS: &[(&str, &str)] = &[
    ("alias", "alias"),
    ("secret", "secret"),
    ("secretname", "secret"),
    ("secretnameorarn", "secret"),
    ("arn", "secret"),
    ("mode", "mode"),
];
const FIELD_MEMBERS: &[(&str, &str)] = &[
    ("secret", "secret"),
    ("secretname", "secret"),
    ("key", "key"),
    ("jsonkey", "key"),
    ("secretjsonkey", "key"),
    ("source", "source"),
];
/// Members that hold a value in some tools.
const VALUES: [&str; 2] = ["value", "secretvalue"];
/// The longest name that an error shows, in characters.
const LONGEST_SHOWN: usize = 60;

/// The shapes that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table of aliases.
    Requestly,
    /// A table of fields.
    Activepieces,
}

/// What a table means here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imported {
    /// Aliases for a source.
    Aliases(BTreeMap<Identifier, Alias>),
    /// The text of each field.
    Fields(BTreeMap<String, String>),
}

/// A row that cannot be taken, and what to change in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{row}: {message}; {help}")]
pub struct RowError {
    /// Where: `row 2` counted from 1, a name in backticks, or `the table`.
    pub row: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// Reads a table. Without a format it is told by the members `aliases`, `secrets` and `fields`.
///
/// References of fields name `source`, unless the row names one or is a text already. All wrong rows are told.
pub fn convert(
    table: &Value,
    format: Option<Format>,
    source: Option<&str>,
) -> Result<Imported, Vec<RowError>> {
    let Some(members) = table.as_object() else {
        return Err(whole("it is no JSON object", "put the rows into a member `aliases` or `fields`"));
    };
    match format.map_or_else(|| detect(members), Ok)? {
        Format::Requestly => aliases(members).map(Imported::Aliases),
        Format::Activepieces => fields(members, source).map(Imported::Fields),
    }
}

fn detect(members: &Map<String, Value>) -> Result<Format, Vec<RowError>> {
    let has_aliases = ALIAS_TABLES.iter().any(|name| members.contains_key(*name));
    match (has_aliases, members.contains_key(FIELD_TABLE)) {
        (true, false) => Ok(Format::Requestly),
        (false, true) => Ok(Format::Activepieces),
        (true, true) => Err(whole(
            "it holds aliases and fields",
            "take one of them out, or say which is meant: `requestly` is aliases, `activepieces` is fields",
        )),
        (false, false) => Err(whole(
            "it has neither `aliases` nor `fields`",
            "put aliases into a member `aliases`, or fields into a member `fields`",
        )),
    }
}

/// A row: what it is called in an error, its name where the table is a map, and the rest.
struct Row<'t> {
    label: String,
    name: Option<&'t str>,
    value: &'t Value,
}

impl Row<'_> {
    fn error(&self, message: impl Into<String>, help: impl Into<String>) -> RowError {
        RowError { row: self.label.clone(), message: message.into(), help: help.into() }
    }
}

fn aliases(members: &Map<String, Value>) -> Result<BTreeMap<Identifier, Alias>, Vec<RowError>> {
    let table = ALIAS_TABLES.iter().find_map(|name| members.get(*name));
    let Some(table) = table else {
        return Err(whole("it has no `aliases`", "put the rows into a member `aliases`"));
    };
    let mut taken: BTreeMap<Identifier, Alias> = BTreeMap::new();
    let mut errors = Vec::new();
    for row in rows(table)? {
        match alias(&row) {
            Ok((name, _)) if taken.contains_key(&name) => {
                let message = format!("the alias `{name}` stands in an earlier row");
                errors.push(row.error(message, "leave one of them"));
            }
            Ok((name, alias)) => drop(taken.insert(name, alias)),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(taken) } else { Err(errors) }
}

fn alias(row: &Row<'_>) -> Result<(Identifier, Alias), RowError> {
    let texts = texts(row, ALIAS_MEMBERS)?;
    let Some(name) = row.name.or_else(|| texts.get("alias").copied()) else {
        return Err(row.error("it has no `alias`", "give the alias that follows `vault:`"));
    };
    let name = Identifier::parse(name).map_err(|error| {
        let help = if name.contains('.') {
            "give the part before the dot; what follows is a path, as in `{{ vault:alias.key }}`"
        } else {
            "choose another name, and write it in the references, too"
        };
        row.error(error.to_string(), help)
    })?;
    let Some(secret) = texts.get("secret").copied() else {
        return Err(row.error(format!("the alias `{name}` has no `secret`"), "give the secret's name or ARN"));
    };
    check_secret(row, secret)?;
    let mode = mode(row, texts.get("mode").copied())?;
    Ok((name, Alias { secret: secret.to_owned(), mode }))
}

fn mode(row: &Row<'_>, text: Option<&str>) -> Result<Mode, RowError> {
    let Some(text) = text else { return Ok(Mode::Auto) };
    match text.to_ascii_lowercase().as_str() {
        "auto" => Ok(Mode::Auto),
        "json" => Ok(Mode::Json),
        "plaintext" => Ok(Mode::Plaintext),
        _ => Err(row.error(
            format!("`{}` is no mode", shown(text)),
            "write `JSON` or `Plaintext`, or leave the mode out",
        )),
    }
}

fn fields(
    members: &Map<String, Value>,
    source: Option<&str>,
) -> Result<BTreeMap<String, String>, Vec<RowError>> {
    let table = match members.get(FIELD_TABLE) {
        Some(table @ Value::Object(_)) => table,
        Some(_) => {
            return Err(whole(
                "`fields` is no object",
                "write each field as `\"name\": {\"secret\": …, \"key\": …}`",
            ));
        }
        None => return Err(whole("it has no `fields`", "put the fields into a member `fields`")),
    };
    let mut taken = BTreeMap::new();
    let mut errors = Vec::new();
    for row in rows(table)? {
        match field(&row, source) {
            Ok(text) => drop(taken.insert(row.name.unwrap_or_default().to_owned(), text)),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(taken) } else { Err(errors) }
}

fn field(row: &Row<'_>, source: Option<&str>) -> Result<String, RowError> {
    if let Value::String(text) = row.value {
        let template = template::parse(text).map_err(|error| row.error(error.message, error.help))?;
        if !template.has_references() {
            // the text may be a credential: it is not shown
            return Err(row.error(
                "the text holds no reference",
                "write `{{ secrets.name.key }}`, or the secret's name and key; values are not imported",
            ));
        }
        return Ok(text.clone());
    }
    let texts = texts(row, FIELD_MEMBERS)?;
    let Some(secret) = texts.get("secret").copied() else {
        return Err(row.error("it has no `secret`", "give the secret's name or ARN"));
    };
    let source = texts.get("source").copied().or(source);
    template::from_parts(source, secret, texts.get("key").copied())
        .map_err(|error| row.error(error.message, error.help))
}

fn check_secret(row: &Row<'_>, secret: &str) -> Result<(), RowError> {
    let checked = template::from_parts(None, secret, None);
    checked.map(drop).map_err(|error| row.error(error.message, error.help))
}

/// The rows of a list or of a map.
fn rows(table: &Value) -> Result<Vec<Row<'_>>, Vec<RowError>> {
    let rows: Vec<Row<'_>> = match table {
        Value::Array(rows) => rows
            .iter()
            .enumerate()
            .map(|(at, value)| Row { label: format!("row {}", at + 1), name: None, value })
            .collect(),
        Value::Object(rows) => rows
            .iter()
            .map(|(name, value)| Row { label: format!("`{}`", shown(name)), name: Some(name), value })
            .collect(),
        _ => {
            let message = "its rows are neither a list nor an object";
            return Err(whole(message, "write the rows as a list of objects"));
        }
    };
    if rows.is_empty() {
        return Err(whole("it has no rows", "add at least one"));
    }
    Ok(rows)
}

/// The members of a row by what they mean; `null` is left out. A lone text is a secret's name.
fn texts<'t>(
    row: &Row<'t>,
    known: &[(&str, &'static str)],
) -> Result<BTreeMap<&'static str, &'t str>, RowError> {
    let members = match row.value {
        Value::Object(members) => members,
        Value::String(secret) if row.name.is_some() => {
            return Ok(BTreeMap::from([("secret", secret.as_str())]));
        }
        _ => return Err(row.error("it is no object", "write it as `{\"secret\": …}`")),
    };
    let mut texts = BTreeMap::new();
    for (written, value) in members {
        let plain = plain(written);
        if VALUES.contains(&plain.as_str()) {
            let message = format!("`{}` holds a value, and values are not imported", shown(written));
            return Err(row.error(message, "take it out; write values with `s3-connector secret put`"));
        }
        let Some((_, meaning)) = known.iter().find(|(name, _)| *name == plain) else {
            return Err(row.error(format!("`{}` is not known", shown(written)), "take it out"));
        };
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.as_str(),
            _ => {
                let message = format!("`{}` is no text", shown(written));
                return Err(row.error(message, "write it in double quotes"));
            }
        };
        if texts.insert(*meaning, text).is_some() {
            return Err(row.error(format!("the {meaning} is given twice"), "leave one of them"));
        }
    }
    Ok(texts)
}

/// `Secret Name or ARN`, `secretName` and `secret_name` are written in many ways.
fn plain(written: &str) -> String {
    written.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn shown(text: &str) -> String {
    text.chars().take(LONGEST_SHOWN).collect()
}

fn whole(message: &str, help: &str) -> Vec<RowError> {
    vec![RowError { row: "the table".into(), message: message.into(), help: help.into() }]
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::Value;

    use super::{Format, Imported, convert};

    #[derive(Deserialize)]
    struct Case {
        name: String,
        table: Value,
        format: Option<String>,
        source: Option<String>,
        aliases: Option<Value>,
        fields: Option<Value>,
        errors: Option<Vec<String>>,
    }

    fn format(text: &str) -> Format {
        if text == "requestly" { Format::Requestly } else { Format::Activepieces }
    }

    #[test]
    fn tables_are_taken_whole_or_refused_by_row() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../fixtures/import/tables.json")).unwrap();
        for case in cases {
            let found = convert(&case.table, case.format.as_deref().map(format), case.source.as_deref());
            match found {
                Ok(Imported::Aliases(aliases)) => {
                    assert_eq!(Some(serde_json::json!(aliases)), case.aliases, "{}", case.name);
                }
                Ok(Imported::Fields(fields)) => {
                    assert_eq!(Some(serde_json::json!(fields)), case.fields, "{}", case.name);
                }
                Err(errors) => {
                    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
                    assert_eq!(Some(told), case.errors, "{}", case.name);
                }
            }
        }
    }

    #[test]
    fn the_samples_of_the_documentation_are_taken() {
        let page = include_str!("../../docs/secrets/import.md");
        for sample in [
            include_str!("../../fixtures/import/requestly.json"),
            include_str!("../../fixtures/import/activepieces.json"),
        ] {
            assert!(page.contains(sample.trim()), "the page shows another sample than\n{sample}");
            let table = serde_json::from_str(sample).unwrap();
            assert!(convert(&table, None, None).is_ok(), "{sample}");
        }
    }

    #[test]
    fn every_reference_that_comes_out_is_read_again() {
        let sample = include_str!("../../fixtures/import/activepieces.json");
        let table = serde_json::from_str(sample).unwrap();
        let Ok(Imported::Fields(fields)) = convert(&table, None, Some("prod")) else { panic!("no fields") };
        for text in fields.values() {
            assert!(crate::template::parse(text).unwrap().has_references(), "{text}");
        }
    }

    #[test]
    fn an_error_shows_no_value() {
        let table = serde_json::json!({
            "fields": {
                "a": "hunter2",
                "b": {"secret": "s", "value": "hunter2"},
                "c": {"secret": 7, "key": "hunter2"},
            }
        });
        let errors = convert(&table, None, None).unwrap_err();
        assert_eq!(errors.len(), 3);
        assert!(!format!("{errors:?}").contains("hunter2"), "{errors:?}");
    }
}
