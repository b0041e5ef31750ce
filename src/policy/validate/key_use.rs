//! Keys that exist, used where they do not do what one thinks.

use super::subject::{Statement, Subject};
use crate::policy::condition::{Base, Operator};
use crate::policy::document::{Condition, Kind};
use crate::policy::finding::code::{security_warnings, suggestions, warnings};
use crate::policy::finding::report::{Edit, Report, shown};

/// Keys whose value the caller writes into a header.
const FORGEABLE: [&str; 2] = ["aws:Referer", "aws:UserAgent"];

/// Keys about the account of the resource: in a policy of the resource they are always the same.
const OF_RESOURCE: [&str; 4] =
    ["aws:ResourceAccount", "aws:ResourceOrgID", "aws:ResourceOrgPaths", "s3:ResourceAccount"];

/// Keys about the owner of a VPC endpoint, which not every service sends.
const OF_ENDPOINT_OWNER: [&str; 3] = ["aws:VpceAccount", "aws:VpceOrgID", "aws:VpceOrgPaths"];

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for (statement, condition) in subject.conditions() {
        check_source(statement, condition, report);
    }
    for (statement, condition, operator) in subject.readable_conditions() {
        check_prefix(statement, condition, operator, report);
        if subject.kind == Kind::Bucket {
            check_irrelevant(subject, statement, condition, operator, report);
        }
    }
}

fn is_one_of(keys: &[&str], condition: &Condition) -> bool {
    keys.iter().any(|key| key.eq_ignore_ascii_case(&condition.key.value))
}

fn check_source(statement: &Statement<'_>, condition: &Condition, report: &mut Report) {
    let key = &condition.key;
    if is_one_of(&FORGEABLE, condition) {
        report
            .add(
                &security_warnings::UNTRUSTWORTHY_CONDITION_KEY,
                key.at,
                format!("{} is whatever the caller writes into the header", shown(&key.value)),
            )
            .help(
                "compare what the caller cannot choose: `aws:PrincipalArn`, `aws:SourceVpce`, `aws:SourceIp`",
            );
    }
    let goes_beyond =
        statement.reaches_others && statement.draft.actions().iter().all(|action| action.value != "s3:*");
    if is_one_of(&OF_ENDPOINT_OWNER, condition) && goes_beyond {
        report
            .add(
                &warnings::USE_CONDITION_KEY_ONLY_WITH_SUPPORTED_SERVICES,
                key.at,
                format!("not every service sends {}", shown(&key.value)),
            )
            .help("name the actions of the services that do, for example `s3:*`");
    }
}

fn check_irrelevant(
    subject: &Subject<'_>,
    statement: &Statement<'_>,
    condition: &Condition,
    operator: Operator,
    report: &mut Report,
) {
    if !is_one_of(&OF_RESOURCE, condition) {
        return;
    }
    let key = shown(&condition.key.value);
    let message = match account_outcome(subject, condition, operator) {
        Some(outcome) => format!("{key} is the account of this bucket, so the condition is always {outcome}"),
        None => format!("{key} is the same for every request to this bucket"),
    };
    let remark = report.add(&suggestions::IRRELEVANT_CONDITION_KEY_IN_POLICY, condition.key.at, message);
    remark.help("take it away; to name who asks, compare `aws:PrincipalAccount` or `aws:PrincipalOrgID`");
    let siblings =
        statement.draft.conditions.iter().filter(|other| other.operator.at == condition.operator.at);
    // In a Deny, or alone, it may be what keeps the statement from applying.
    if statement.draft.allows() && siblings.count() > 1 {
        remark.repair([Edit::Remove(condition.key.at)]);
    }
}

/// What a comparison with the account of the bucket comes to, when that is known.
fn account_outcome(subject: &Subject<'_>, condition: &Condition, operator: Operator) -> Option<bool> {
    let account = subject.facts.bucket.as_ref()?.account.as_deref()?;
    let is_account = condition.key.value.to_ascii_lowercase().ends_with(":resourceaccount");
    let is_plain = operator.base == Base::StringEquals && !condition.values.is_empty();
    let are_fixed = condition.values.iter().all(|value| !value.value.text.contains("${"));
    let is_equal = condition.values.iter().any(|value| value.value.text == account);
    (is_account && is_plain && are_fixed).then_some(is_equal != operator.negated)
}

/// A listing of `home/` shows what is below `home/private/`, which a test of the prefix alone does not see.
fn check_prefix(statement: &Statement<'_>, condition: &Condition, operator: Operator, report: &mut Report) {
    let is_negative =
        (statement.draft.denies() && !operator.negated) || (statement.draft.allows() && operator.negated);
    if !condition.key.value.eq_ignore_ascii_case("s3:prefix")
        || operator.base != Base::StringLike
        || !is_negative
    {
        return;
    }
    report
        .add(
            &security_warnings::S3_PREFIX_IN_NEGATIVE_CONTEXT,
            condition.key.at,
            "a listing of a shorter prefix shows the same keys and is not caught",
        )
        .help("say what may be listed: Allow with StringLike, or Deny with StringNotLike");
}
