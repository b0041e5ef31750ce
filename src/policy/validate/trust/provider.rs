//! Identity providers as principals of a trust policy.

use super::names;
use crate::policy::condition::{Operator, Set};
use crate::policy::document::{Located, PrincipalKind};
use crate::policy::finding::code::{errors, security_warnings, suggestions, warnings};
use crate::policy::finding::report::{Report, shown};
use crate::policy::validate::arn::{Arn, is_account};
use crate::policy::validate::subject::Statement;

/// Providers that IAM knows without an ARN.
const BUILT_IN: [&str; 4] =
    ["accounts.google.com", "cognito-identity.amazonaws.com", "graph.facebook.com", "www.amazon.com"];

const GITHUB: &str = "token.actions.githubusercontent.com";

/// How users of a provider sign in.
enum Protocol<'a> {
    Saml,
    /// With the name of the provider, which its condition keys begin with.
    OpenId(&'a str),
}

pub(super) fn check(statement: &Statement<'_>, report: &mut Report) {
    for name in names(statement, PrincipalKind::Federated) {
        match protocol(&name.value) {
            Some(protocol) => {
                check_action(statement, name, &protocol, report);
                if let Protocol::OpenId(provider) = protocol {
                    check_open(statement, name, provider, report);
                }
            }
            None => {
                report
                    .add(
                        &errors::INVALID_FEDERATED_PRINCIPAL_SYNTAX_IN_ROLE_TRUST_POLICY,
                        name.at,
                        format!("{} is no identity provider", shown(&name.value)),
                    )
                    .help("write `arn:aws:iam::111122223333:saml-provider/name` or `…:oidc-provider/host`");
            }
        }
    }
    check_audience(statement, report);
    check_github_subject(statement, report);
}

fn protocol(name: &str) -> Option<Protocol<'_>> {
    if BUILT_IN.contains(&name) {
        return Some(Protocol::OpenId(name));
    }
    let arn = Arn::parse(name).filter(|arn| arn.service == "iam" && is_account(arn.account))?;
    if arn.resource.strip_prefix("saml-provider/").is_some_and(|name| !name.is_empty()) {
        return Some(Protocol::Saml);
    }
    arn.resource.strip_prefix("oidc-provider/").filter(|host| !host.is_empty()).map(Protocol::OpenId)
}

fn check_action(
    statement: &Statement<'_>,
    name: &Located<String>,
    protocol: &Protocol<'_>,
    report: &mut Report,
) {
    let right = match protocol {
        Protocol::Saml => "sts:AssumeRoleWithSAML",
        Protocol::OpenId(_) => "sts:AssumeRoleWithWebIdentity",
    };
    let assume: Vec<&Located<String>> = statement
        .draft
        .actions()
        .iter()
        .filter(|action| action.value.to_ascii_lowercase().starts_with("sts:assumerole"))
        .collect();
    let Some(wrong) = assume.first().filter(|_| !statement.reaches(right)) else { return };
    report
        .add(
            &errors::MISMATCHED_ACTION_FOR_PRINCIPAL,
            wrong.at,
            format!("users of {} do not come with {}", shown(&name.value), shown(&wrong.value)),
        )
        .help(format!("write `{right}`"));
}

/// A provider for everybody needs a condition on which of its users may come.
fn check_open(statement: &Statement<'_>, name: &Located<String>, provider: &str, report: &mut Report) {
    if !statement.draft.allows() {
        return;
    }
    let has = |claim: &str| statement.has_key(&format!("{provider}:{claim}"));
    if provider.contains(GITHUB) {
        if !has("sub") && !has("repository") && !has("repository_id") {
            report
                .add(
                    &security_warnings::MISSING_GITHUB_REPO_CONDITION_KEY,
                    name.at,
                    "every workflow on GitHub can assume the role",
                )
                .help(format!("compare `{provider}:sub` with `repo:owner/name:ref:refs/heads/branch`"));
        }
        return;
    }
    let prefix = format!("{}:", provider.to_ascii_lowercase());
    let is_limited = statement
        .draft
        .conditions
        .iter()
        .any(|condition| condition.key.value.to_ascii_lowercase().starts_with(&prefix));
    if !is_limited {
        report
            .add(
                &security_warnings::MISSING_CONDITION_KEY_FOR_OIDC_PRINCIPAL,
                name.at,
                format!("every user of {} can assume the role", shown(provider)),
            )
            .help(format!("compare `{provider}:aud` and `{provider}:sub`"));
    }
}

fn check_audience(statement: &Statement<'_>, report: &mut Report) {
    for condition in &statement.draft.conditions {
        let Some((provider, "aud")) = condition.key.value.rsplit_once(':') else { continue };
        let set = Operator::parse(&condition.operator.value).ok().and_then(|operator| operator.set);
        let is_single = BUILT_IN.contains(&provider) || provider == GITHUB;
        let key = shown(&condition.key.value);
        match set {
            Some(Set::ForAnyValue) if is_single => {
                report
                    .add(
                        &security_warnings::FORANYVALUE_WITH_AUDIENCE_CLAIM_TYPE,
                        condition.operator.at,
                        format!("{key} has one value, and a set operator stands before it"),
                    )
                    .help("write the operator without its prefix");
            }
            Some(_) if !is_single => {
                report
                    .add(
                        &suggestions::CONFIRM_AUDIENCE_CLAIM_TYPE,
                        condition.operator.at,
                        format!("a set operator stands before {key}"),
                    )
                    .help("keep it only when the provider sends a list of audiences");
            }
            _ => {}
        }
    }
}

/// `repo:owner/name:…` with a wildcard before the name is over.
fn check_github_subject(statement: &Statement<'_>, report: &mut Report) {
    let key = format!("{GITHUB}:sub");
    for condition in
        statement.draft.conditions.iter().filter(|condition| condition.key.value.eq_ignore_ascii_case(&key))
    {
        for value in &condition.values {
            let fixed = value.value.text.split(['*', '?']).next().unwrap_or_default();
            let is_whole = fixed.len() == value.value.text.len();
            let names_repository = fixed
                .strip_prefix("repo:")
                .and_then(|rest| rest.split_once('/'))
                .is_some_and(|(_, rest)| rest.contains(':'));
            if !is_whole && !names_repository {
                report
                    .add(
                        &warnings::SPECIFIC_GITHUB_REPO_AND_BRANCH_RECOMMENDED,
                        value.at,
                        format!("{} does not name one repository", shown(&value.value.text)),
                    )
                    .help("write `repo:owner/name:ref:refs/heads/branch`");
            }
        }
    }
}
