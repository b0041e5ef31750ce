//! The members of an object as elements: known names, each once, with a value of the right kind.

use std::collections::HashMap;

use crate::policy::document::{Located, Position};
use crate::policy::finding::code::errors;
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::json::{Member, Node, Value, quote};

/// As many members as are compared with each other faster than over a table.
pub(super) const FEW: usize = 16;

/// Says which members have an unknown name or the name of another one.
pub(super) fn check_names(
    members: &[Member<'_>],
    known: &[&str],
    what: &str,
    text: &str,
    report: &mut Report,
) {
    check_repeated(members, text, report);
    for member in members {
        if known.contains(&&*member.key) {
            continue;
        }
        let message = format!("{} is not an element of a {what}", shown(&member.key));
        let remark = report.add(&errors::INVALID_POLICY_ELEMENT, member.at, message);
        match meant(&member.key, known) {
            Some(name) if members.iter().all(|other| other.key != name) => {
                remark.help(format!("write `{name}`")).repair([Edit::Rename(member.at, name.to_owned())]);
            }
            Some(name) => {
                remark.help(format!("`{name}` is there already; take this one away"));
            }
            None if matches!(&*member.key, "Policy" | "PolicyDocument") => {
                remark.help("this looks like the answer of an AWS command; give the policy inside of it");
            }
            None => {
                remark.help(format!("the elements are {}", known.join(", ")));
            }
        }
    }
}

/// Says which members have the key of an earlier one. The repair of equal ones takes the later away.
pub(super) fn check_repeated(members: &[Member<'_>], text: &str, report: &mut Report) {
    let mut seen: HashMap<&str, &Member<'_>> = HashMap::new();
    for (index, member) in members.iter().enumerate() {
        let first = if members.len() <= FEW {
            members.iter().take(index).find(|earlier| earlier.key == member.key).unwrap_or(member)
        } else {
            *seen.entry(&member.key).or_insert(member)
        };
        if first.at == member.at {
            continue;
        }
        let key = shown(&member.key);
        let message = format!("{key} stands here a second time; the first is in line {}", first.at.line);
        let remark = report.add(&errors::DUPLICATE_JSON_KEY, member.at, message);
        remark.help("put both into one, or take one away");
        if text.get(first.node.span.clone()) == text.get(member.node.span.clone()) {
            remark.repair([Edit::Remove(member.at)]);
        }
    }
}

/// The element that was meant: another case, a plural, or without its `s`.
fn meant<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let same = |name: &&&str| {
        let plural = |long: &str, short: &str| {
            long.strip_suffix(['s', 'S']).is_some_and(|stem| stem.eq_ignore_ascii_case(short))
        };
        name.eq_ignore_ascii_case(key) || plural(key, name) || plural(name, key)
    };
    known.iter().find(same).copied()
}

/// The member with this name. Of repeated ones the first.
pub(super) fn member<'a>(members: &'a [Member<'a>], name: &str) -> Option<&'a Member<'a>> {
    members.iter().find(|member| member.key == name)
}

/// The text of a value that must be a string.
pub(super) fn string(node: &Node<'_>, what: &str, report: &mut Report) -> Option<Located<String>> {
    Some(Located { value: text_of(node, what, report)?.to_owned(), at: node.at })
}

/// The same where the text itself is not kept.
pub(super) fn text_of<'a>(node: &'a Node<'_>, what: &str, report: &mut Report) -> Option<&'a str> {
    let text = node.as_str();
    if text.is_none() {
        wrong_kind(node, what, "a string", report);
    }
    text
}

/// The texts of a value that is a string or a list of strings.
pub(super) fn strings(node: &Node<'_>, what: &str, report: &mut Report) -> Option<Vec<Located<String>>> {
    if matches!(node.value, Value::Array(_) | Value::String(_)) {
        return Some(node.items().iter().filter_map(|item| string(item, what, report)).collect());
    }
    wrong_kind(node, what, "a string or a list of strings", report);
    None
}

/// Says that a value has the wrong kind. A number or boolean where a string belongs only lacks its quotes.
pub(super) fn wrong_kind(node: &Node<'_>, what: &str, wanted: &str, report: &mut Report) {
    let message = format!("{what} is {} where {wanted} is expected", node.kind());
    let remark = report.add(&errors::DATA_TYPE_MISMATCH, node.at, message);
    let bare = match &node.value {
        Value::Number(digits) => (*digits).to_owned(),
        Value::Bool(value) => value.to_string(),
        _ => return,
    };
    if wanted.starts_with("a string") {
        remark.help("put it into quotes").repair([Edit::Replace(node.at, quote(&bare))]);
    }
}

/// Says that an element and its opposite stand in one statement.
pub(super) fn check_opposites(members: &[Member<'_>], name: &str, opposite: &str, report: &mut Report) {
    let (Some(first), Some(second)) = (member(members, name), member(members, opposite)) else { return };
    let at: Position = first.at.max(second.at);
    let message = format!("the statement has both `{name}` and `{opposite}`");
    report
        .add(&errors::UNSUPPORTED_ELEMENT_COMBINATION, at, message)
        .help("keep one of them; write a second statement for the other");
}
