//! [`Policy`] to text: the one form that programs compare and people read.
//!
//! Two blanks a level, elements in the order of the AWS documentation, a single value without its list. Statements are
//! always a list.

use super::document::{Condition, ConditionValue, Listed, Policy, Principals, Statement, ValueKind, Who};
use super::json::quote;

/// Writes a policy. Reading the text again gives the same policy but for the places of its values.
pub fn print(policy: &Policy) -> String {
    let mut text = String::new();
    document(policy).write(0, &mut text);
    text.push('\n');
    text
}

/// A value and how it is laid out.
enum Element {
    /// JSON without inner parts.
    Plain(String),
    List(Vec<Element>),
    Object(Vec<(String, Element)>),
}

impl Element {
    fn string(text: &str) -> Self {
        Self::Plain(quote(text))
    }

    /// The element alone, or the list of several or none.
    fn one_or_list(mut elements: Vec<Self>) -> Self {
        match elements.pop() {
            Some(only) if elements.is_empty() => only,
            Some(last) => {
                elements.push(last);
                Self::List(elements)
            }
            None => Self::List(elements),
        }
    }

    fn write(&self, level: usize, text: &mut String) {
        match self {
            Self::Plain(json) => text.push_str(json),
            Self::List(items) if items.is_empty() => text.push_str("[]"),
            Self::Object(members) if members.is_empty() => text.push_str("{}"),
            Self::List(items) => {
                text.push('[');
                for (index, item) in items.iter().enumerate() {
                    begin(index, level + 1, text);
                    item.write(level + 1, text);
                }
                end(level, ']', text);
            }
            Self::Object(members) => {
                text.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    begin(index, level + 1, text);
                    text.push_str(&quote(key));
                    text.push_str(": ");
                    value.write(level + 1, text);
                }
                end(level, '}', text);
            }
        }
    }
}

fn begin(index: usize, level: usize, text: &mut String) {
    text.push_str(if index == 0 { "\n" } else { ",\n" });
    indent(level, text);
}

fn end(level: usize, bracket: char, text: &mut String) {
    text.push('\n');
    indent(level, text);
    text.push(bracket);
}

fn indent(level: usize, text: &mut String) {
    for _ in 0..level {
        text.push_str("  ");
    }
}

fn document(policy: &Policy) -> Element {
    let mut members = Members::default();
    members.add("Version", policy.version.as_ref().map(|version| Element::string(version.value.as_str())));
    members.add("Id", policy.id.as_ref().map(|id| Element::string(&id.value)));
    members.add("Statement", Some(Element::List(policy.statements.iter().map(statement).collect())));
    Element::Object(members.0)
}

fn statement(statement: &Statement) -> Element {
    let mut members = Members::default();
    members.add("Sid", statement.sid.as_ref().map(|sid| Element::string(&sid.value)));
    members.add("Effect", Some(Element::string(statement.effect.value.as_str())));
    if let Some(principal) = &statement.principal {
        members.add(if principal.not { "NotPrincipal" } else { "Principal" }, Some(principals(principal)));
    }
    members.add(if statement.action.not { "NotAction" } else { "Action" }, Some(listed(&statement.action)));
    if let Some(resource) = &statement.resource {
        members.add(if resource.not { "NotResource" } else { "Resource" }, Some(listed(resource)));
    }
    members.add("Condition", operators(&statement.conditions));
    Element::Object(members.0)
}

fn principals(principals: &Principals) -> Element {
    match &principals.who {
        Who::Everyone => Element::string("*"),
        Who::Named(kinds) => Element::Object(
            kinds
                .iter()
                .map(|(kind, names)| {
                    let names = names.iter().map(|name| Element::string(&name.value)).collect();
                    (kind.as_str().to_owned(), Element::one_or_list(names))
                })
                .collect(),
        ),
    }
}

fn listed(listed: &Listed) -> Element {
    Element::one_or_list(listed.values.iter().map(|value| Element::string(&value.value)).collect())
}

/// The keys under their operators, in the order in which each operator comes first.
fn operators(conditions: &[Condition]) -> Option<Element> {
    let mut operators: Vec<(String, Vec<(String, Element)>)> = Vec::new();
    for condition in conditions {
        let values = condition.values.iter().map(|value| scalar(&value.value)).collect();
        let key = (condition.key.value.clone(), Element::one_or_list(values));
        match operators.iter_mut().find(|(operator, _)| *operator == condition.operator.value) {
            Some((_, keys)) => keys.push(key),
            None => operators.push((condition.operator.value.clone(), vec![key])),
        }
    }
    let operators: Vec<_> = operators.into_iter().map(|(name, keys)| (name, Element::Object(keys))).collect();
    (!operators.is_empty()).then_some(Element::Object(operators))
}

fn scalar(value: &ConditionValue) -> Element {
    match value.kind {
        ValueKind::String => Element::string(&value.text),
        ValueKind::Number | ValueKind::Bool => Element::Plain(value.text.clone()),
    }
}

/// The members of an object in their order.
#[derive(Default)]
struct Members(Vec<(String, Element)>);

impl Members {
    fn add(&mut self, key: &str, value: Option<Element>) {
        if let Some(value) = value {
            self.0.push((key.to_owned(), value));
        }
    }
}
