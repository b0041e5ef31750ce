//! The document and its statements.

use super::element::{check_names, check_opposites, member, string, strings, text_of, wrong_kind};
use super::{Draft, DraftStatement, condition, principal};
use crate::policy::document::{Effect, Listed, Located, Version};
use crate::policy::finding::Rule;
use crate::policy::finding::code::{errors, suggestions, warnings};
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::json::{Member, Node, Value, quote};

const DOCUMENT: &[&str] = &["Version", "Id", "Statement"];
const STATEMENT: &[&str] = &[
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

/// Reads what can be read and says what is wrong with the rest.
pub(super) fn document(tree: &Node<'_>, text: &str, report: &mut Report) -> Draft {
    let Some(members) = tree.members() else {
        wrong_kind(tree, "the policy", "an object", report);
        return Draft { at: tree.at, version: None, has_version: true, id: None, statements: Vec::new() };
    };
    check_names(members, DOCUMENT, "policy", text, report);
    Draft {
        at: tree.at,
        version: version(tree, members, report),
        has_version: member(members, "Version").is_some(),
        id: member(members, "Id").and_then(|member| string(&member.node, "Id", report)),
        statements: statements(tree, members, text, report),
    }
}

fn version(tree: &Node<'_>, members: &[Member<'_>], report: &mut Report) -> Option<Located<Version>> {
    let Some(member) = member(members, "Version") else {
        let current = quote(Version::V2012.as_str());
        report
            .add(
                &warnings::MISSING_VERSION,
                tree.at,
                "the policy has no Version, so the rules of 2008-10-17 apply",
            )
            .help("add `\"Version\": \"2012-10-17\"`")
            .repair([Edit::InsertMember(tree.at, "Version", current)]);
        return None;
    };
    let (written, at) = (text_of(&member.node, "Version", report)?, member.node.at);
    let version = Version::parse(written);
    if version.is_none() {
        report
            .add(
                &errors::INVALID_VERSION,
                at,
                format!("{} is not a version of the policy language", shown(written)),
            )
            .help("write `2012-10-17`; the date is that of the language, not of the policy")
            .repair([Edit::Replace(at, quote(Version::V2012.as_str()))]);
    }
    Some(Located { value: version?, at })
}

fn statements(
    tree: &Node<'_>,
    members: &[Member<'_>],
    text: &str,
    report: &mut Report,
) -> Vec<DraftStatement> {
    let Some(member) = member(members, "Statement") else {
        report
            .add(&errors::MISSING_STATEMENT, tree.at, "the policy has no Statement")
            .help("add `\"Statement\": [ … ]`");
        return Vec::new();
    };
    if member.node.is_empty_array() {
        report.add(&errors::MISSING_STATEMENT, member.node.at, "the list of statements is empty");
        return Vec::new();
    }
    let items = member.node.items();
    items.iter().filter_map(|item| statement(item, items.len() > 1, text, report)).collect()
}

/// `has_others` tells whether something is left when the statement is taken away.
fn statement(node: &Node<'_>, has_others: bool, text: &str, report: &mut Report) -> Option<DraftStatement> {
    let Some(members) = node.members() else {
        wrong_kind(node, "a statement", "an object", report);
        return None;
    };
    check_names(members, STATEMENT, "statement", text, report);
    for (name, not_name) in
        [("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource")]
    {
        check_opposites(members, name, not_name, report);
    }
    let either = |name, not_name| member(members, name).or_else(|| member(members, not_name));
    let action = either("Action", "NotAction");
    let resource = either("Resource", "NotResource");
    let principal = either("Principal", "NotPrincipal");
    if action.is_none() {
        report
            .add(&errors::MISSING_ACTION, node.at, "the statement has no Action")
            .help("add Action, for example `\"Action\": \"s3:GetObject\"`");
    }
    let empty = EmptyList { statement: node, removable: has_others };
    Some(DraftStatement {
        at: node.at,
        sid: sid(members, report),
        effect: effect(node, members, report),
        principal: principal.and_then(|member| principal::lower(member, text, report)),
        principal_at: principal.map(|member| member.at),
        action: action.and_then(|member| listed(member, &suggestions::EMPTY_ARRAY_ACTION, &empty, report)),
        resource: resource
            .and_then(|member| listed(member, &suggestions::EMPTY_ARRAY_RESOURCE, &empty, report)),
        resource_at: resource.map(|member| member.at),
        condition_at: member(members, "Condition").map(|member| member.at),
        conditions: member(members, "Condition")
            .map(|member| condition::lower(member, text, report))
            .unwrap_or_default(),
    })
}

fn sid(members: &[Member<'_>], report: &mut Report) -> Option<Located<String>> {
    let member = member(members, "Sid")?;
    let sid = string(&member.node, "Sid", report)?;
    if sid.value.is_empty() {
        report
            .add(&suggestions::EMPTY_SID_VALUE, sid.at, "the Sid is empty")
            .help("name the statement, or take the Sid away")
            .repair([Edit::Remove(member.at)]);
    }
    Some(sid)
}

fn effect(node: &Node<'_>, members: &[Member<'_>], report: &mut Report) -> Option<Located<Effect>> {
    let Some(member) = member(members, "Effect") else {
        report
            .add(&errors::MISSING_EFFECT, node.at, "the statement has no Effect")
            .help("add `\"Effect\": \"Allow\"` or `\"Effect\": \"Deny\"`");
        return None;
    };
    let (written, at) = (text_of(&member.node, "Effect", report)?, member.node.at);
    let effect = Effect::parse(written);
    if effect.is_none() {
        let message = format!("{} is not an effect", shown(written));
        let remark = report.add(&errors::INVALID_EFFECT, at, message);
        remark.help("write `Allow` or `Deny`, exactly so");
        let meant = [Effect::Allow, Effect::Deny]
            .into_iter()
            .find(|effect| effect.as_str().eq_ignore_ascii_case(written.trim()));
        if let Some(meant) = meant {
            remark.repair([Edit::Replace(at, quote(meant.as_str()))]);
        }
    }
    Some(Located { value: effect?, at })
}

/// The statement that an empty list makes idle.
struct EmptyList<'a> {
    statement: &'a Node<'a>,
    removable: bool,
}

fn listed(
    member: &Member<'_>,
    when_empty: &'static Rule,
    empty: &EmptyList<'_>,
    report: &mut Report,
) -> Option<Listed> {
    let values = strings(&member.node, &member.key, report)?;
    if matches!(&member.node.value, Value::Array(items) if items.is_empty()) {
        let message = format!("`{}` is empty, so the statement does nothing", member.key);
        let remark = report.add(when_empty, member.node.at, message);
        remark.help("fill the list, or take the statement away");
        if empty.removable {
            remark.repair([Edit::Remove(empty.statement.at)]);
        }
    }
    Some(Listed { not: member.key.starts_with("Not"), at: member.at, values })
}
