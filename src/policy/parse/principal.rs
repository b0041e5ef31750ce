//! `Principal` and `NotPrincipal`.

use super::element::{check_repeated, strings};
use crate::policy::document::{PrincipalKind, Principals, Who};
use crate::policy::finding::code::{errors, suggestions};
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::json::{Member, Node, Value, quote};

pub(super) fn lower(member: &Member<'_>, text: &str, report: &mut Report) -> Option<Principals> {
    let who = match &member.node.value {
        Value::String(name) if name == "*" => Who::Everyone,
        Value::Object(kinds) => named(member, kinds, text, report),
        _ => {
            wrong_form(&member.node, report);
            return None;
        }
    };
    Some(Principals { not: member.key.starts_with("Not"), at: member.at, who })
}

fn wrong_form(node: &Node<'_>, report: &mut Report) {
    let message = match node.as_str() {
        Some(name) => format!("the principal {} does not say of which kind it is", shown(name)),
        None => format!("the principal is {} where `\"*\"` or an object of kinds is expected", node.kind()),
    };
    let remark = report.add(&errors::INVALID_PRINCIPAL_FORMAT, node.at, message);
    remark.help("write `{\"AWS\": …}`, `{\"Service\": …}` or `{\"CanonicalUser\": …}`");
    let names: Option<Vec<&str>> = node.items().iter().map(Node::as_str).collect();
    if let Some(kind) = names.and_then(|names| common_kind(&names)) {
        let value = match node.as_str() {
            Some(name) => quote(name),
            None => node.items().iter().filter_map(Node::as_str).collect::<serde_json::Value>().to_string(),
        };
        remark.repair([Edit::Replace(node.at, format!("{{{}: {value}}}", quote(kind.as_str())))]);
    }
}

/// The kind of principal that all the names can only be.
fn common_kind(names: &[&str]) -> Option<PrincipalKind> {
    let kind = |name: &str| {
        let digits = name.bytes().all(|byte| byte.is_ascii_digit());
        if name == "*" || (digits && name.len() == 12) {
            Some(PrincipalKind::Aws)
        } else if name.starts_with("arn:") {
            let provider = name.contains(":saml-provider/") || name.contains(":oidc-provider/");
            Some(if provider { PrincipalKind::Federated } else { PrincipalKind::Aws })
        } else {
            name.ends_with(".amazonaws.com").then_some(PrincipalKind::Service)
        }
    };
    let (first, rest) = names.split_first()?;
    let first = kind(first)?;
    rest.iter().all(|name| kind(name) == Some(first)).then_some(first)
}

fn named(member: &Member<'_>, kinds: &[Member<'_>], text: &str, report: &mut Report) -> Who {
    if kinds.is_empty() {
        report
            .add(
                &suggestions::EMPTY_OBJECT_PRINCIPAL,
                member.node.at,
                "the principal is empty, so the statement is for nobody",
            )
            .help("name a principal, or take the statement away");
    }
    let mut named: Vec<(PrincipalKind, Vec<_>)> = Vec::new();
    check_repeated(kinds, text, report);
    for entry in kinds {
        let Some(kind) = PrincipalKind::parse(&entry.key) else {
            unknown_kind(entry, kinds, report);
            continue;
        };
        if entry.node.is_empty_array() {
            let message = format!("the list of `{}` is empty", entry.key);
            let remark = report.add(&suggestions::EMPTY_ARRAY_PRINCIPAL, entry.node.at, message);
            remark.help("name a principal, or take the list away");
            if kinds.len() > 1 {
                remark.repair([Edit::Remove(entry.at)]);
            }
        }
        let values = strings(&entry.node, &entry.key, report).unwrap_or_default();
        // A repeated kind is an error already; what it names is checked all the same.
        match named.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, known)) => known.extend(values),
            None => named.push((kind, values)),
        }
    }
    Who::Named(named)
}

fn unknown_kind(entry: &Member<'_>, kinds: &[Member<'_>], report: &mut Report) {
    let message = format!("{} is not a kind of principal", shown(&entry.key));
    let remark = report.add(&errors::INVALID_PRINCIPAL_KEY, entry.at, message);
    let known =
        [PrincipalKind::Aws, PrincipalKind::Service, PrincipalKind::Federated, PrincipalKind::CanonicalUser];
    match known.iter().find(|kind| kind.as_str().eq_ignore_ascii_case(&entry.key)) {
        Some(kind) => {
            remark.help(format!("write `{}`", kind.as_str()));
            if kinds.iter().all(|other| other.key != kind.as_str()) {
                remark.repair([Edit::Rename(entry.at, kind.as_str().to_owned())]);
            }
        }
        None => {
            remark.help("the kinds are AWS, Service, Federated and CanonicalUser");
        }
    }
}
