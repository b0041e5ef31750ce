//! JSON merge patches (RFC 7396): how flags and files become definitions.

use std::str::FromStr;

use serde_json::{Map, Value, json};

/// What the server adds to a definition when it shows it. A shown definition can be edited and sent back.
pub(crate) const SHOWN_ONLY: &[&str] = &[
    "project",
    "version",
    "created_at",
    "updated_at",
    "findings",
    "outbound_addresses",
    "test",
    "test_error",
    "active_in",
    "active_in_workspace",
    "denied",
];

/// The value of a flag that takes a number, or nothing to clear the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    Clear,
    Is(u64),
}

impl FromStr for Number {
    type Err = String;

    fn from_str(text: &str) -> Result<Number, String> {
        if text.is_empty() {
            return Ok(Number::Clear);
        }
        text.parse().map(Number::Is).map_err(|_| "write a whole number, or '' to clear the field".to_owned())
    }
}

/// A merge patch under construction.
#[derive(Debug, Default)]
pub(crate) struct Patch(Map<String, Value>);

impl Patch {
    /// Sets the member at a dotted path.
    pub(crate) fn set(&mut self, path: &str, value: impl Into<Value>) {
        let mut nested = value.into();
        for part in path.rsplit('.') {
            nested = json!({ part: nested });
        }
        let mut all = Value::Object(std::mem::take(&mut self.0));
        // a patch of patches keeps the nulls of both
        combine(&mut all, nested);
        if let Value::Object(members) = all {
            self.0 = members;
        }
    }

    /// Sets a text; an empty one clears the member.
    pub(crate) fn text(&mut self, path: &str, value: Option<&str>) {
        match value {
            None => {}
            Some("") => self.set(path, Value::Null),
            Some(text) => self.set(path, text),
        }
    }

    /// Sets a number, or clears the member.
    pub(crate) fn number(&mut self, path: &str, value: Option<Number>) {
        match value {
            None => {}
            Some(Number::Clear) => self.set(path, Value::Null),
            Some(Number::Is(number)) => self.set(path, number),
        }
    }

    /// Sets a text whose empty form means something.
    pub(crate) fn plain(&mut self, path: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(path, value);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

/// Applies a merge patch: objects are merged, `null` removes, everything else replaces.
pub(crate) fn apply(target: &mut Value, patch: Value) {
    let Value::Object(members) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Value::Object(into) = target else { return };
    for (name, value) in members {
        if value.is_null() {
            into.remove(&name);
        } else {
            apply(into.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// Takes out what the server adds when it shows a definition; gives the version that was shown.
pub(crate) fn strip_shown(definition: &mut Value) -> Option<i64> {
    let version = definition.get("version").and_then(Value::as_i64);
    if let Value::Object(members) = definition {
        members.retain(|name, _| !SHOWN_ONLY.contains(&name.as_str()));
    }
    version
}

fn combine(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(into), Value::Object(members)) => {
            for (name, value) in members {
                combine(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Number, Patch, apply, strip_shown};

    #[test]
    fn the_examples_of_the_rfc_hold() {
        // RFC 7396, appendix A
        let table = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!(["a"]), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ];
        for (mut target, patch, expected) in table {
            apply(&mut target, patch);
            assert_eq!(target, expected);
        }
    }

    #[test]
    fn a_patch_keeps_what_it_clears() {
        let mut patch = Patch::default();
        patch.set("auth.kind", "anonymous");
        patch.set("auth.access_key_id", Value::Null);
        patch.text("endpoint", Some(""));
        patch.text("region", None);
        let expected = json!({"auth": {"kind": "anonymous", "access_key_id": null}, "endpoint": null});
        assert_eq!(patch.into_value(), expected);
    }

    #[test]
    fn an_empty_number_clears() {
        let mut patch = Patch::default();
        for (path, text) in [("limits.retries", "3"), ("limits.timeout_ms", "")] {
            patch.number(path, Some(text.parse().unwrap()));
        }
        patch.number("limits.max_put_bytes", None);
        assert_eq!(patch.into_value(), json!({"limits": {"retries": 3, "timeout_ms": null}}));
        assert!("-1".parse::<Number>().is_err() && "1s".parse::<Number>().is_err());
    }

    #[test]
    fn a_shown_definition_can_be_sent_back() {
        let mut shown = json!({"name": "a", "bucket": "b", "version": 3, "project": "p", "findings": [], "updated_at": ""});
        assert_eq!(strip_shown(&mut shown), Some(3));
        assert_eq!(shown, json!({"name": "a", "bucket": "b"}));
    }
}
