//! JSON for people: names and values on lines of their own, without braces and quotes.

use serde_json::{Map, Value};

use crate::cli::output;

/// How much further in the next level stands.
const STEP: &str = "  ";

/// The lines of a value. A list of plain values stands on one line; things in a list begin with `-`.
pub(crate) fn lines(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields.iter().flat_map(|(name, value)| field(name, value)).collect(),
        Value::Array(items) if plain_list(value).is_none() => items.iter().flat_map(item).collect(),
        other => vec![plain_list(other).unwrap_or_else(|| plain(other))],
    }
}

/// The value on one line, where it is flat.
pub(crate) fn one_line(value: &Value) -> Option<String> {
    let Value::Object(fields) = value else { return plain_list(value) };
    let flat = |(name, value): (&String, &Value)| Some(format!("{name}: {}", plain_list(value)?));
    let parts: Option<Vec<String>> = fields.iter().map(flat).collect();
    parts.map(|parts| parts.join("; "))
}

fn field(name: &str, value: &Value) -> Vec<String> {
    let name = output::one_line(name);
    if let Some(text) = plain_list(value) {
        return vec![format!("{name}: {text}").trim_end().to_owned()];
    }
    let below = lines(value).into_iter().map(|line| format!("{STEP}{line}"));
    std::iter::once(format!("{name}:")).chain(below).collect()
}

fn item(value: &Value) -> Vec<String> {
    let marked = |(index, line): (usize, String)| {
        let mark = if index == 0 { "- " } else { STEP };
        format!("{mark}{line}")
    };
    lines(value).into_iter().enumerate().map(marked).collect()
}

/// A plain value, or a list of such; none for what has levels.
fn plain_list(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => None,
        Value::Array(items) => Some(items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => fields.is_empty().then(String::new),
        other => Some(plain(other)),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => output::one_line(text),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

/// How many there are of what a document is a list of: rules, statements.
pub(crate) fn count(document: &Map<String, Value>) -> Option<(u64, &'static str)> {
    let of = |name: &str| match document.get(name)? {
        Value::Array(items) => u64::try_from(items.len()).ok(),
        _ => Some(1),
    };
    of("rules").map(|count| (count, "rule")).or_else(|| of("Statement").map(|count| (count, "statement")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{lines, one_line};

    #[test]
    fn every_value_stands_beside_its_name() {
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "A", "Effect": "Deny", "Principal": "*", "Action": ["s3:GetObject", "s3:PutObject"],
             "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
            {"Sid": "B\u{1b}[31m", "Effect": "Allow"},
        ]});
        let expected = [
            "Statement:",
            "  - Action: s3:GetObject, s3:PutObject",
            "    Condition:",
            "      Bool:",
            "        aws:SecureTransport: false",
            "    Effect: Deny",
            "    Principal: *",
            "    Sid: A",
            "  - Effect: Allow",
        ];
        let shown = lines(&policy);
        assert_eq!(shown[..9], expected);
        assert!(!shown.join("").contains('\u{1b}'), "{shown:?}");
        assert_eq!(one_line(&policy), None);
    }

    #[test]
    fn what_is_flat_stands_on_one_line() {
        assert_eq!(one_line(&json!({"status": "enabled", "mfa": null})).unwrap(), "mfa: -; status: enabled");
        assert_eq!(one_line(&json!("eu-central-1")).unwrap(), "eu-central-1");
    }
}
