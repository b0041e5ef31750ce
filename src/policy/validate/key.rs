//! Condition keys: whether they exist.

use super::nearest::nearest;
use super::pattern::has_dollar;
use super::subject::Subject;
use crate::policy::catalogue;
use crate::policy::document::{Condition, Located};
use crate::policy::finding::code::{errors, warnings};
use crate::policy::finding::report::{Edit, Remark, Report, shown};

/// Keys that are no keys without the tag that follows a slash.
const TAG_KEYS: [&str; 6] = [
    "aws:ResourceTag",
    "aws:RequestTag",
    "aws:PrincipalTag",
    "s3:ExistingObjectTag",
    "s3:RequestObjectTag",
    "s3:BucketTag",
];

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for (statement, condition, known) in subject.keyed_conditions() {
        check_key(&statement.draft.conditions, condition, known.is_some(), report);
    }
}

fn check_key(conditions: &[Condition], condition: &Condition, is_known: bool, report: &mut Report) {
    let key = &condition.key;
    // What is wrong with a variable here is told by `variable`.
    if has_dollar(&key.value) {
        return;
    }
    let Some((prefix, name)) =
        key.value.split_once(':').filter(|(prefix, name)| !prefix.is_empty() && !name.is_empty())
    else {
        report
            .add(
                &errors::INVALID_CONDITION_KEY_FORMAT,
                key.at,
                format!("{} is not a condition key", shown(&key.value)),
            )
            .help("write `service:name`, for example `aws:SourceIp` or `s3:prefix`");
        return;
    };
    let stem = key.value.trim_end_matches('/');
    if let Some(known) = TAG_KEYS.iter().find(|known| known.eq_ignore_ascii_case(stem)) {
        report
            .add(
                &errors::MISSING_TAG_KEY_IN_CONDITION,
                key.at,
                format!("{} does not say which tag", shown(&key.value)),
            )
            .help(format!("write `{known}/` and the key of the tag, for example `{known}/team`"));
    } else if prefix.eq_ignore_ascii_case("aws") {
        check_global(conditions, condition, (name, is_known), report);
    } else if !is_known {
        check_service(key, prefix, report);
    }
}

fn check_global(
    conditions: &[Condition],
    condition: &Condition,
    (name, is_known): (&str, bool),
    report: &mut Report,
) {
    let key = &condition.key;
    if name.eq_ignore_ascii_case("arn") {
        let remark =
            report.add(&errors::UNSUPPORTED_GLOBAL_CONDITION_KEY, key.at, "`aws:ARN` is no longer supported");
        remark.help("write `aws:PrincipalArn`");
        rename(conditions, condition, "aws:PrincipalArn", remark);
    } else if name.eq_ignore_ascii_case("SourceOwner") {
        let remark = report.add(
            &warnings::DEPRECATED_GLOBAL_CONDITION_KEY,
            key.at,
            "new services no longer send `aws:SourceOwner`",
        );
        remark.help("write `aws:SourceAccount`");
        rename(conditions, condition, "aws:SourceAccount", remark);
    } else if !is_known {
        let date = &catalogue::get().date;
        let message = format!("the key {} is unknown to the catalogue of {date}", shown(&key.value));
        let is_crowded = report.is_crowded();
        let remark = report.add(&errors::INVALID_GLOBAL_CONDITION_KEY, key.at, message);
        match nearest(
            &key.value,
            catalogue::get().keys_of("aws:").filter(|known| !is_crowded && !known.ends_with('/')),
        ) {
            Some(known) => {
                remark.help(format!("write `{known}`"));
                rename(conditions, condition, known, remark);
            }
            None => {
                remark.help("see the global condition keys in the IAM user guide");
            }
        }
    }
}

/// Offers another name, unless a key under the same operator has it.
fn rename(conditions: &[Condition], condition: &Condition, name: &str, remark: &mut Remark) {
    let is_free = conditions.iter().all(|other| {
        other.operator.at != condition.operator.at || !other.key.value.eq_ignore_ascii_case(name)
    });
    if is_free {
        remark.repair([Edit::Rename(condition.key.at, name.to_owned())]);
    }
}

fn check_service(key: &Located<String>, prefix: &str, report: &mut Report) {
    // Keys of identity providers begin with the provider's name.
    let is_provider = prefix.contains(['.', '/']) || ["saml", "identitycenter", "catalog"].contains(&prefix);
    if is_provider {
        return;
    }
    let date = &catalogue::get().date;
    let is_judged = catalogue::get().service(prefix).is_some();
    if catalogue::get().has_service(prefix) && !is_judged {
        return;
    }
    let message = if is_judged {
        format!("the key {} is unknown to the catalogue of {date}", shown(&key.value))
    } else {
        format!("the service {} of the key is unknown to the catalogue of {date}", shown(prefix))
    };
    let is_crowded = report.is_crowded();
    let remark = report.add(&errors::INVALID_SERVICE_CONDITION_KEY, key.at, message);
    let lower = format!("{}:", prefix.to_ascii_lowercase());
    let known = nearest(
        &key.value,
        catalogue::get().keys_of(&lower).filter(|known| !is_crowded && !known.ends_with('/')),
    );
    match known {
        Some(known) => {
            remark.help(format!("write `{known}`")).repair([Edit::Rename(key.at, known.to_owned())])
        }
        None => {
            remark.help("see the condition keys of the service in the AWS service authorization reference")
        }
    };
}
