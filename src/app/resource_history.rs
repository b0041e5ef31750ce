//! The history of a resource: its versions, and what each of them changed.

use std::collections::BTreeSet;

use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::app::{App, Error};
use crate::clock::rfc3339;
use crate::model::principal::Caller;
use crate::model::resource::Definition;
use crate::store::HistoryRow;

/// Versions that are told; one more is read, to compare with.
const MOST: usize = 1_000;

/// One version of a resource.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Version {
    /// The version.
    pub version: i64,
    /// RFC 3339.
    pub changed_at: String,
    /// Whose change it was.
    pub changed_by: String,
    /// What differs from the version before it; empty for the first one.
    pub changes: Vec<FieldChange>,
    /// The definition of then.
    pub definition: Definition,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FieldChange {
    /// The dotted path, for example `auth.access_key_id`.
    #[schema(example = "region")]
    pub path: String,
    /// What it was; null where it was not set. Of a literal only that it was set, and how it ended.
    #[schema(example = "eu-central-1")]
    pub before: Value,
    /// What it became.
    #[schema(example = "eu-west-1")]
    pub after: Value,
}

impl App {
    /// All versions, newest first.
    pub async fn resource_history(&self, caller: &Caller, name: &str) -> Result<Vec<Version>, Error> {
        let resource = self.known_resource(caller, name)?;
        let rows = self.store.resource_history(&resource.record.id).await?;
        let before = rows.iter().skip(1).map(Some).chain([None]);
        let changes = rows.iter().zip(before).map(|(row, before)| before.map(|before| changes(before, row)));
        let changes: Vec<_> = changes.map(Option::unwrap_or_default).collect();
        // the last of as many has none before it that was read
        let versions = rows.into_iter().zip(changes).take(MOST).map(|(row, changes)| Version {
            version: row.version,
            changed_at: rfc3339(row.changed_ms),
            changed_by: row.changed_by,
            changes,
            definition: row.definition,
        });
        Ok(versions.collect())
    }
}

fn changes(before: &HistoryRow, after: &HistoryRow) -> Vec<FieldChange> {
    let json = |row: &HistoryRow| serde_json::to_value(&row.definition).unwrap_or_default();
    let mut found = Vec::new();
    compare(String::new(), &json(before), &json(after), &mut found);
    // a literal may have become another one that looks the same
    for (path, value) in &after.literals {
        let same = before.literals.get(path).is_none_or(|old| old.expose_secret() == value.expose_secret());
        let told = found.iter().any(|change| change.path.starts_with(path.as_str()));
        if !same && !told {
            let shown = serde_json::json!({"set": true});
            found.push(FieldChange { path: path.clone(), before: shown.clone(), after: shown });
        }
    }
    found
}

/// Objects are compared member by member, everything else as a whole.
fn compare(path: String, before: &Value, after: &Value, found: &mut Vec<FieldChange>) {
    // a mark of a literal is one value
    let is_mark = |value: &Value| value.get("set").is_some();
    match (before, after) {
        (Value::Object(old), Value::Object(new)) if !is_mark(before) && !is_mark(after) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let member =
                    |members: &Map<String, Value>| members.get(name.as_str()).cloned().unwrap_or_default();
                compare(below, &member(old), &member(new), found);
            }
        }
        (before, after) if before != after => {
            found.push(FieldChange { path, before: before.clone(), after: after.clone() });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{FieldChange, compare};

    #[test]
    fn members_are_compared_one_by_one() {
        let before =
            json!({"a": 1, "auth": {"kind": "x", "key": {"set": true, "last4": "AAAA"}}, "list": [1]});
        let after = json!({"a": 1, "auth": {"kind": "y", "key": {"set": true, "last4": "BBBB"}}, "list": [1, 2], "new": "n"});
        let mut found = Vec::new();
        compare(String::new(), &before, &after, &mut found);
        let told: Vec<(&str, &Value)> =
            found.iter().map(|change| (change.path.as_str(), &change.after)).collect();
        let key = json!({"set": true, "last4": "BBBB"});
        let wanted =
            [("auth.key", &key), ("auth.kind", &json!("y")), ("list", &json!([1, 2])), ("new", &json!("n"))];
        assert_eq!(told, wanted);
        assert!(matches!(found.last(), Some(FieldChange { before: Value::Null, .. })));
    }
}
