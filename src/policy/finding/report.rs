//! The collection of findings: checks add remarks with a place; at the end each gets its path and its repair.

use super::edit;
use super::{Finding, Rule, Severity, code};
use crate::policy::document::{Kind, Position};
use crate::policy::json::{Node, Value, quote};

pub(in crate::policy) use super::edit::Edit;

/// The most findings of one policy; of more, the gravest are kept.
const MAX_FINDINGS: usize = 200;

/// The most text, in bytes, that the repairs of one policy take together.
const MAX_REPAIR_BYTES: usize = 1024 * 1024;

/// The most changes of one repair: with more it is no longer one that a person looks through.
const MAX_EDITS: usize = 100;

/// The most characters of a value that a message repeats.
const MAX_SHOWN: usize = 80;

/// What was found so far.
#[derive(Default)]
pub(in crate::policy) struct Report {
    remarks: Vec<Remark>,
}

/// A finding that does not know its path yet.
pub(in crate::policy) struct Remark {
    rule: &'static Rule,
    at: Position,
    message: String,
    help: Option<String>,
    edits: Vec<Edit>,
}

impl Report {
    /// Adds a finding at the place where a value or key begins.
    pub(in crate::policy) fn add(
        &mut self,
        rule: &'static Rule,
        at: Position,
        message: impl Into<String>,
    ) -> &mut Remark {
        let remark = Remark { rule, at, message: message.into(), help: None, edits: Vec::new() };
        self.remarks.push_mut(remark)
    }

    /// Whether there are more findings than are listed. Then what only makes a message better is not worth its work.
    pub(in crate::policy) fn is_crowded(&self) -> bool {
        self.remarks.len() > MAX_FINDINGS
    }

    /// Whether something was found that makes the policy unusable.
    pub(in crate::policy) fn has_errors(&self) -> bool {
        self.remarks.iter().any(|remark| remark.rule.severity == Severity::Error)
    }

    /// The findings in the order of the text, without those whose rule is not for this kind of policy.
    pub(in crate::policy) fn finish(
        self,
        text: &str,
        tree: Option<&Node<'_>>,
        kind: Option<Kind>,
    ) -> Vec<Finding> {
        let mut remarks = self.remarks;
        remarks.retain(|remark| kind.is_none_or(|kind| remark.rule.kinds.contains(&kind)));
        limit(&mut remarks);
        remarks.sort_by_key(|remark| (remark.at, std::cmp::Reverse(remark.rule.severity)));
        remarks.dedup_by(|a, b| (a.rule.code, a.at, &a.message) == (b.rule.code, b.at, &b.message));
        let mut repair_bytes = 0;
        remarks
            .into_iter()
            .map(|remark| {
                let repair = (repair_bytes < MAX_REPAIR_BYTES && !remark.edits.is_empty())
                    .then(|| edit::apply(text, tree?, &remark.edits))
                    .flatten();
                repair_bytes += repair.as_ref().map_or(0, String::len);
                Finding {
                    severity: remark.rule.severity,
                    code: remark.rule.code,
                    path: tree.map(|tree| path_to(tree, remark.at)).unwrap_or_default(),
                    line: remark.at.line,
                    column: remark.at.column,
                    message: remark.message,
                    help: remark.help,
                    repair,
                }
            })
            .collect()
    }
}

impl Remark {
    /// Says what to do.
    pub(in crate::policy) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Offers the changes of the text that mend it. None: there is no mechanical repair here.
    pub(in crate::policy) fn repair(&mut self, edits: impl IntoIterator<Item = Edit>) -> &mut Self {
        self.edits = edits.into_iter().take(MAX_EDITS + 1).collect();
        if self.edits.len() > MAX_EDITS {
            self.edits.clear();
        }
        self
    }
}

/// A value as messages show it: in backticks, long ones cut.
pub(in crate::policy) fn shown(value: &str) -> String {
    match value.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("`{}…`", value.get(..end).unwrap_or_default()),
        None => format!("`{value}`"),
    }
}

fn limit(remarks: &mut Vec<Remark>) {
    if remarks.len() <= MAX_FINDINGS {
        return;
    }
    let all = remarks.len();
    remarks.sort_by_key(|remark| (std::cmp::Reverse(remark.rule.severity), remark.at));
    remarks.truncate(MAX_FINDINGS);
    remarks.push(Remark {
        rule: &code::warnings::MORE_FINDINGS,
        at: Position { line: 1, column: 1 },
        message: format!("the policy has {all} findings; the gravest {MAX_FINDINGS} are listed"),
        help: Some("mend these and check again".to_owned()),
        edits: Vec::new(),
    });
}

/// The path of the value or key that begins there; empty when none does.
fn path_to(tree: &Node<'_>, at: Position) -> String {
    let mut path = String::new();
    let mut node = tree;
    while node.at != at {
        // the last one that begins no later has it, or none
        node = match &node.value {
            Value::Array(items) => {
                let index = items.partition_point(|item| item.at <= at).checked_sub(1);
                let Some((index, item)) = index.and_then(|index| Some((index, items.get(index)?))) else {
                    return String::new();
                };
                path.push('[');
                path.push_str(&index.to_string());
                path.push(']');
                item
            }
            Value::Object(members) => {
                let index = members.partition_point(|member| member.at <= at).checked_sub(1);
                let Some(member) = index.and_then(|index| members.get(index)) else { return String::new() };
                push_key(&mut path, &member.key);
                if member.at == at {
                    break;
                }
                &member.node
            }
            _ => return String::new(),
        };
    }
    path
}

fn push_key(path: &mut String, key: &str) {
    let key = key.char_indices().nth(MAX_SHOWN).and_then(|(end, _)| key.get(..end)).unwrap_or(key);
    if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        path.push('[');
        path.push_str(&quote(key));
        path.push(']');
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}
