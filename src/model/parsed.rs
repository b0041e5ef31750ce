//! References taken apart, as they are told to people: what was understood, and where it stands.

use serde::Serialize;
use utoipa::ToSchema;

use crate::finding::Finding;
use crate::template::{self, Pin, Reference, Step, Style};

/// The parts of a reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReferenceParts {
    /// The canonical text.
    #[schema(example = "{{ secrets['payments/s3'].key_id }}")]
    pub reference: String,
    /// 1-based line of its `{{`.
    pub line: u32,
    /// 1-based column, in characters.
    pub column: u32,
    /// `secrets` or `vault`.
    #[schema(value_type = String)]
    pub style: &'static str,
    /// The source that it names; absent where the active one is meant.
    pub names_source: Option<String>,
    /// The secret's name or ARN, or an alias, as it is written.
    pub names_secret: String,
    /// The way into the secret's JSON; empty for the whole secret.
    pub path: Vec<PathStep>,
    /// The stage that is asked for; absent when a version is.
    pub stage: Option<String>,
    /// The version that is asked for.
    pub version_id: Option<String>,
}

/// One step into JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PathStep {
    /// A key of an object.
    Key(String),
    /// A place in an array, counted from 0.
    Index(usize),
}

impl ReferenceParts {
    /// Takes a reference apart.
    pub fn of(reference: &Reference) -> ReferenceParts {
        let (stage, version_id) = match &reference.pin {
            Pin::Current => (Some("AWSCURRENT".to_owned()), None),
            Pin::Stage(stage) => (Some(stage.clone()), None),
            Pin::Version(id) => (None, Some(id.clone())),
        };
        ReferenceParts {
            reference: reference.to_string(),
            line: reference.span.line,
            column: reference.span.column,
            style: match reference.style {
                Style::Secrets => "secrets",
                Style::Vault => "vault",
            },
            names_source: reference.source.clone(),
            names_secret: reference.secret.clone(),
            path: reference.path.iter().map(step).collect(),
            stage,
            version_id,
        }
    }
}

/// What is wrong with a field's text.
pub fn syntax_finding(field: &str, error: &template::Error) -> Finding {
    Finding::error("TEMPLATE_SYNTAX", field, error.message.clone())
        .at(error.line, error.column)
        .with_help(error.help.clone())
}

fn step(step: &Step) -> PathStep {
    match step {
        Step::Key { name, .. } => PathStep::Key(name.clone()),
        Step::Index(index) => PathStep::Index(*index),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::ReferenceParts;
    use crate::template;

    fn parts(text: &str) -> serde_json::Value {
        let template = template::parse(text).unwrap();
        serde_json::to_value(ReferenceParts::of(template.references().next().unwrap())).unwrap()
    }

    #[test]
    fn a_reference_is_told_part_by_part() {
        assert_eq!(
            parts("a\n {{secrets@aws['x/y'].k[2] @ AWSPREVIOUS}}"),
            json!({
                "reference": "{{ secrets@aws['x/y'].k[2] @ AWSPREVIOUS }}", "line": 2, "column": 2,
                "style": "secrets", "names_source": "aws", "names_secret": "x/y",
                "path": [{"key": "k"}, {"index": 2}], "stage": "AWSPREVIOUS", "version_id": null,
            })
        );
        assert_eq!(parts("{{ vault:a }}")["stage"], "AWSCURRENT");
    }
}
