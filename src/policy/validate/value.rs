//! The values of conditions: whether they are of the type that the operator and the key compare.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

use super::arn;
use super::pattern::{has_dollar, has_variable, has_wildcard};
use super::subject::{Statement, Subject};
use crate::policy::catalogue::{Key, KeyType};
use crate::policy::condition::{Base, Operator};
use crate::policy::document::{Condition, ConditionValue, Located, ValueKind};
use crate::policy::finding::code::{errors, security_warnings, warnings};
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::json::quote;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for (statement, condition, operator, key) in subject.typed_conditions() {
        check_key_type(statement, condition, (operator, key), report);
    }
    for (statement, condition, operator) in subject.readable_conditions() {
        check_wildcards(statement, condition, operator, report);
        for value in &condition.values {
            check_value(condition, operator, value, report);
            check_meaning(condition, operator, value, report);
        }
    }
}

/// Whether the operator compares values of the key's type.
fn check_key_type(
    statement: &Statement<'_>,
    condition: &Condition,
    (operator, key): (Operator, &Key),
    report: &mut Report,
) {
    if fits(key.kind, &key.name, operator.base) {
        if matches!(key.kind, KeyType::Arn | KeyType::ArrayOfArn) && operator.base == Base::StringLike {
            string_on_arn(statement, condition, report);
        }
        return;
    }
    let (kind, wanted) = match key.kind {
        KeyType::String | KeyType::ArrayOfString => ("a text", "a String operator"),
        KeyType::Arn | KeyType::ArrayOfArn => ("an ARN", "ArnLike or ArnNotLike"),
        KeyType::Bool => ("a boolean", "Bool"),
        KeyType::Date => ("a date", "a Date operator"),
        KeyType::Numeric => ("a number", "a Numeric operator"),
        KeyType::IpAddress => ("an address", "IpAddress or NotIpAddress"),
        KeyType::Binary => ("bytes", "BinaryEquals"),
    };
    let message = format!(
        "{} is {kind}, which {} does not compare",
        shown(&condition.key.value),
        shown(&condition.operator.value)
    );
    report.add(&warnings::TYPE_MISMATCH, condition.operator.at, message).help(format!("write {wanted}"));
}

fn fits(kind: KeyType, name: &str, base: Base) -> bool {
    let is_string = matches!(base, Base::StringEquals | Base::StringEqualsIgnoreCase | Base::StringLike);
    if base == Base::Null {
        return true;
    }
    match kind {
        // The catalogue calls some keys texts that hold ARNs.
        KeyType::String | KeyType::ArrayOfString => {
            is_string || (base == Base::Arn && name.to_ascii_lowercase().contains("arn"))
        }
        KeyType::Arn | KeyType::ArrayOfArn => is_string || base == Base::Arn,
        KeyType::Bool => base == Base::Bool,
        KeyType::Date => {
            let is_epoch = name.eq_ignore_ascii_case("aws:EpochTime");
            matches!(base, Base::Date(_)) || (is_epoch && matches!(base, Base::Numeric(_)))
        }
        KeyType::Numeric => matches!(base, Base::Numeric(_)),
        KeyType::IpAddress => base == Base::IpAddress,
        KeyType::Binary => base == Base::BinaryEquals,
    }
}

fn string_on_arn(statement: &Statement<'_>, condition: &Condition, report: &mut Report) {
    if !condition.values.iter().any(|value| has_wildcard(&value.value.text)) {
        return;
    }
    let written = &condition.operator.value;
    let meant = written.replace("StringLike", "ArnLike").replace("StringNotLike", "ArnNotLike");
    let remark = report.add(
        &security_warnings::STRING_LIKE_OPERATOR_WITH_ARN_CONDITION_KEYS,
        condition.operator.at,
        format!(
            "under {} a wildcard for {} runs over the colons of the ARN",
            shown(written),
            shown(&condition.key.value)
        ),
    );
    remark.help(format!("write `{meant}`"));
    // A pattern with fewer fields matches no ARN under an Arn operator.
    let are_arns = condition.values.iter().all(|value| arn::Arn::parse(&value.value.text).is_some());
    if are_arns && meant != *written && statement.can_rename_operator(condition, &meant) {
        remark.repair([Edit::Rename(condition.operator.at, meant)]);
    }
}

/// `*` and `?` under an operator that takes them for text.
fn check_wildcards(
    statement: &Statement<'_>,
    condition: &Condition,
    operator: Operator,
    report: &mut Report,
) {
    if !matches!(operator.base, Base::StringEquals | Base::StringEqualsIgnoreCase) {
        return;
    }
    let Some(value) = condition.values.iter().find(|value| has_wildcard(&value.value.text)) else { return };
    let written = &condition.operator.value;
    let message = format!("{} takes the wildcard in {} for text", shown(written), shown(&value.value.text));
    let remark = report.add(&warnings::WILDCARD_WITHOUT_LIKE_OPERATOR, value.at, message);
    if operator.base == Base::StringEqualsIgnoreCase {
        remark.help("write a Like operator; none of them ignores case");
        return;
    }
    let meant = written.replace("Equals", "Like");
    remark.help(format!("write `{meant}`, or `${{*}}` and `${{?}}` for the characters themselves"));
    if meant != *written && statement.can_rename_operator(condition, &meant) {
        remark.repair([Edit::Rename(condition.operator.at, meant)]);
    }
}

/// Whether the value is of the operator's type.
fn check_value(
    condition: &Condition,
    operator: Operator,
    value: &Located<ConditionValue>,
    report: &mut Report,
) {
    let text = value.value.text.as_str();
    let takes_variables = matches!(
        operator.base,
        Base::StringEquals | Base::StringEqualsIgnoreCase | Base::StringLike | Base::Arn
    );
    if takes_variables {
        let is_string = value.value.kind == ValueKind::String;
        if !is_string && operator.base != Base::Arn {
            report
                .add(
                    &warnings::TYPE_MISMATCH_STRING,
                    value.at,
                    format!(
                        "the value of {} is compared as text and written as {}",
                        shown(&condition.key.value),
                        kind_name(value.value.kind)
                    ),
                )
                .help("put it into quotes")
                .repair([Edit::Replace(value.at, quote(text))]);
        }
        return;
    }
    // A variable under these operators is told by `variable`; ranges are told by `address`.
    if has_dollar(text) {
        return;
    }
    match operator.base {
        Base::Bool | Base::Null if !["true", "false"].iter().any(|word| word.eq_ignore_ascii_case(text)) => {
            report
                .add(
                    &warnings::TYPE_MISMATCH_BOOLEAN,
                    value.at,
                    format!("{} is neither true nor false", shown(text)),
                )
                .help("write `true` or `false`");
        }
        Base::Numeric(_) if number(text).is_none() => {
            report
                .add(&warnings::TYPE_MISMATCH_NUMBER, value.at, format!("{} is not a number", shown(text)))
                .help("write a number, for example `3600`");
        }
        Base::Date(_) => check_date(value, report),
        _ => {}
    }
}

fn kind_name(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::String => "a string",
        ValueKind::Number => "a number",
        ValueKind::Bool => "a boolean",
    }
}

/// The number that a text is to a Numeric operator, which knows no exponents.
pub(super) fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse::<f64>().ok().filter(|number| are_digits && number.is_finite())
}

fn check_date(value: &Located<ConditionValue>, report: &mut Report) {
    let text = value.value.text.as_str();
    if let Ok(seconds) = text.parse::<i64>() {
        let remark = report.add(
            &warnings::INVALID_DATE_VALUE,
            value.at,
            format!("{} is a number of seconds since 1970, which is hard to read", shown(text)),
        );
        if let Ok(moment) = Timestamp::from_second(seconds) {
            remark
                .help(format!("write `{moment}`"))
                .repair([Edit::Replace(value.at, quote(&moment.to_string()))]);
        }
        return;
    }
    let is_date =
        text.parse::<Timestamp>().is_ok() || text.parse::<DateTime>().is_ok() || text.parse::<Date>().is_ok();
    if !is_date {
        report
            .add(&warnings::TYPE_MISMATCH_DATE, value.at, format!("{} is not a date", shown(text)))
            .help("write it as `2026-01-31T00:00:00Z`");
    }
}

/// Values of keys whose form is known.
fn check_meaning(
    condition: &Condition,
    operator: Operator,
    value: &Located<ConditionValue>,
    report: &mut Report,
) {
    let text = value.value.text.as_str();
    if matches!(operator.base, Base::Null) || has_variable(text) {
        return;
    }
    // A wildcard of a Like operator may stand for the rest.
    let fixed = if matches!(operator.base, Base::StringLike | Base::Arn) {
        text.split(['*', '?']).next().unwrap_or_default()
    } else {
        text
    };
    let is_open = fixed.len() < text.len();
    match condition.key.value.to_ascii_lowercase().as_str() {
        "aws:requestedregion" | "s3:locationconstraint"
            if !is_open && !arn::is_region(text) && text != "EU" =>
        {
            report
                .add(&errors::INVALID_REGION, value.at, format!("{} is no region", shown(text)))
                .help("write a region, for example `eu-central-1`");
        }
        "aws:sourcevpc" | "aws:ec2instancesourcevpc" if !is_id(fixed, is_open, "vpc-") => {
            report
                .add(&errors::INVALID_VPC_FORMAT, value.at, format!("{} is no id of a VPC", shown(text)))
                .help("write `vpc-` and its hexadecimal digits");
        }
        "aws:sourcevpce" if !is_id(fixed, is_open, "vpce-") => {
            report
                .add(
                    &errors::INVALID_VPCE_FORMAT,
                    value.at,
                    format!("{} is no id of a VPC endpoint", shown(text)),
                )
                .help("write `vpce-` and its hexadecimal digits");
        }
        "s3:x-amz-server-side-encryption-aws-kms-key-id" if !is_key_arn(text) => {
            report
                .add(
                    &errors::INVALID_KMS_KEY_VALUE,
                    value.at,
                    format!("{} is not the ARN of a key", shown(text)),
                )
                .help("write `arn:aws:kms:region:account:key/id`; an id or alias alone is never equal to it");
        }
        _ => {}
    }
}

/// Whether the fixed part of a value begins an id, or is a whole one when nothing is open.
fn is_id(fixed: &str, is_open: bool, prefix: &str) -> bool {
    match fixed.strip_prefix(prefix) {
        Some(digits) => {
            let are_digits =
                digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
            are_digits && (is_open || [8, 17].contains(&digits.len()))
        }
        None => is_open && prefix.starts_with(fixed),
    }
}

fn is_key_arn(text: &str) -> bool {
    text.is_empty()
        || text == "*"
        || arn::Arn::parse(text).is_some_and(|arn| {
            arn.service == "kms" && (arn.resource.starts_with("key/") || arn.resource == "*")
        })
}
