//! `Condition`: operators, their keys, the values of the keys.

use std::collections::HashMap;

use super::element::{FEW, check_repeated, wrong_kind};
use crate::policy::document::{Condition, ConditionValue, Located, Position, ValueKind};
use crate::policy::finding::Rule;
use crate::policy::finding::code::{errors, suggestions};
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::json::{Member, Node, Value};

pub(super) fn lower(member: &Member<'_>, text: &str, report: &mut Report) -> Vec<Condition> {
    let Some(operators) = member.node.members() else {
        wrong_kind(&member.node, "Condition", "an object of operators", report);
        return Vec::new();
    };
    if operators.is_empty() {
        report
            .add(
                &suggestions::EMPTY_OBJECT_CONDITION,
                member.node.at,
                "the condition is empty, so it is always true",
            )
            .help("add a condition, or take Condition away")
            .repair([Edit::Remove(member.at)]);
    }
    let mut conditions = Vec::new();
    check_repeated(operators, text, report);
    for operator in operators {
        let place = if operators.len() == 1 { member.at } else { operator.at };
        keys(operator, place, text, &mut conditions, report);
    }
    conditions
}

/// `place` is what to take away when there is no key: the operator, or Condition when nothing else is in it.
fn keys(
    operator: &Member<'_>,
    place: Position,
    text: &str,
    conditions: &mut Vec<Condition>,
    report: &mut Report,
) {
    let Some(keys) = operator.node.members() else {
        wrong_kind(
            &operator.node,
            &format!("the operator {}", shown(&operator.key)),
            "an object of keys",
            report,
        );
        return;
    };
    if keys.is_empty() {
        let message = format!("{} compares no key, so it is always true", shown(&operator.key));
        report
            .add(&suggestions::EMPTY_OBJECT_CONDITION, operator.node.at, message)
            .help("add a key, or take the operator away")
            .repair([Edit::Remove(place)]);
    }
    check_repeated(keys, text, report);
    check_case(keys, report);
    for key in keys {
        if key.node.is_empty_array() {
            empty(operator, key, report);
        }
        conditions.push(Condition {
            operator: Located { value: operator.key.to_string(), at: operator.at },
            key: Located { value: key.key.to_string(), at: key.at },
            values: key.node.items().iter().filter_map(|item| value(item, key, report)).collect(),
        });
    }
}

/// IAM takes keys that differ only by case for one key.
fn check_case(keys: &[Member<'_>], report: &mut Report) {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for (index, key) in keys.iter().enumerate() {
        let twin: &str = if keys.len() <= FEW {
            let earlier = keys.iter().take(index).find(|earlier| earlier.key.eq_ignore_ascii_case(&key.key));
            &earlier.unwrap_or(key).key
        } else {
            seen.entry(key.key.to_ascii_lowercase()).or_insert(&key.key)
        };
        if twin != key.key {
            let message = format!("{} and {} are the same key", shown(twin), shown(&key.key));
            report
                .add(&errors::DUPLICATE_KEYS_WITH_DIFFERENT_CASE, key.at, message)
                .help("put their values into one list");
        }
    }
}

fn empty(operator: &Member<'_>, key: &Member<'_>, report: &mut Report) {
    let name: &str = &operator.key;
    let (rule, effect): (&'static Rule, _) = if name.starts_with("ForAnyValue:") {
        (&suggestions::EMPTY_ARRAY_CONDITION_FORANYVALUE, "so the condition is never true")
    } else if name.starts_with("ForAllValues:") {
        (&suggestions::EMPTY_ARRAY_CONDITION_FORALLVALUES, "so the condition is true only without the key")
    } else if name.ends_with("IfExists") {
        (&suggestions::EMPTY_ARRAY_CONDITION_IFEXISTS, "so the condition is true only without the key")
    } else {
        (&suggestions::EMPTY_ARRAY_CONDITION, "so nothing is compared")
    };
    report
        .add(rule, key.node.at, format!("{} has no values, {effect}", shown(&key.key)))
        .help("fill the list; to ask whether the key is there, write `Null`");
}

fn value(node: &Node<'_>, key: &Member<'_>, report: &mut Report) -> Option<Located<ConditionValue>> {
    let (text, kind) = match &node.value {
        Value::String(text) => (text.to_string(), ValueKind::String),
        Value::Number(digits) => ((*digits).to_owned(), ValueKind::Number),
        Value::Bool(value) => (value.to_string(), ValueKind::Bool),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            let what = format!("a value of {}", shown(&key.key));
            wrong_kind(node, &what, "a string, number or boolean", report);
            return None;
        }
    };
    Some(Located { value: ConditionValue { text, kind }, at: node.at })
}
