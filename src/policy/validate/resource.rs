//! Resources: whether they are ARNs of a form that exists.

use super::action::is_s3;
use super::arn::{self, Arn};
use super::pattern::{has_variable, has_wildcard};
use super::subject::{Statement, Subject};
use super::template::{self, Form, Steps};
use crate::policy::catalogue;
use crate::policy::document::{Kind, Located};
use crate::policy::finding::code::errors;
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::json::quote;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for statement in &subject.statements {
        for (resource, arn) in statement.draft.all_resources().iter().zip(&statement.arns) {
            check_resource(subject, statement, (resource, arn.as_ref()), report);
        }
    }
}

fn check_resource(
    subject: &Subject<'_>,
    statement: &Statement<'_>,
    (resource, arn): (&Located<String>, Option<&(Arn<'_>, Steps)>),
    report: &mut Report,
) {
    if resource.value == "*" {
        return;
    }
    let Some((arn, steps)) = arn else {
        no_arn(statement, resource, report);
        return;
    };
    let arn = *arn;
    check_partition_and_service(resource, arn, report);
    check_region_and_account(resource, arn, report);
    check_form(resource, arn, steps, report);
    if subject.kind == Kind::Bucket && catalogue::get().has_arn_service(arn.service) && !is_s3(arn.service) {
        report
            .add(
                &errors::UNSUPPORTED_RESOURCE_ARN_IN_POLICY,
                resource.at,
                format!("{} is not in S3; a bucket policy is about its bucket", shown(&resource.value)),
            )
            .help(
                "write the ARN of the bucket or of its objects, or move the statement to an identity policy",
            );
    }
}

fn no_arn(statement: &Statement<'_>, resource: &Located<String>, report: &mut Report) {
    let fields = arn::fields(&resource.value);
    let fields = fields.as_slice();
    if fields.first() == Some(&"arn") {
        // A star at the end runs past the colons that are missing.
        if !resource.value.ends_with('*') {
            too_few_fields(resource, fields, report);
        }
        return;
    }
    if fields.len() > 1 && fields.first().is_none_or(|first| has_wildcard(first)) {
        return;
    }
    let message = format!("{} is not an ARN", shown(&resource.value));
    let remark = report.add(&errors::INVALID_ARN_PREFIX, resource.at, message);
    let bare = resource.value.strip_prefix("s3://").unwrap_or(&resource.value);
    let bucket = bare.split('/').next().unwrap_or_default();
    let only_s3 = statement.draft.actions().iter().all(|action| action.value.starts_with("s3:"));
    let is_name = (3..=63).contains(&bucket.len())
        && bucket
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte));
    if only_s3 && is_name {
        let meant = format!("arn:aws:s3:::{bare}");
        remark.help(format!("write {}", shown(&meant))).repair([Edit::Replace(resource.at, quote(&meant))]);
    } else {
        remark.help("write an ARN, for example `arn:aws:s3:::bucket/*`, or `*`");
    }
}

fn too_few_fields(resource: &Located<String>, fields: &[&str], report: &mut Report) {
    let message = format!("{} has {} fields; an ARN has six", shown(&resource.value), fields.len());
    let remark = report.add(&errors::MISSING_ARN_FIELD, resource.at, message);
    match fields {
        ["arn", partition, "s3", .., last] if !last.is_empty() && *last != "s3" => {
            let meant = format!("arn:{partition}:s3:::{last}");
            remark
                .help(format!("write {}", shown(&meant)))
                .repair([Edit::Replace(resource.at, quote(&meant))]);
        }
        _ => {
            remark.help(
                "write `arn:partition:service:region:account:resource`; region and account may be empty",
            );
        }
    }
}

/// A field that is written out, so that it can be judged.
fn is_plain(field: &str) -> bool {
    !has_wildcard(field) && !has_variable(field)
}

fn check_partition_and_service(resource: &Located<String>, arn: Arn<'_>, report: &mut Report) {
    if is_plain(arn.partition) && !arn::is_partition(arn.partition) {
        let message = format!("{} is no partition", shown(arn.partition));
        report
            .add(&errors::INVALID_PARTITION, resource.at, message)
            .help("write `aws`; in China `aws-cn`, in GovCloud `aws-us-gov`");
    }
    if !is_plain(arn.service) || catalogue::get().has_arn_service(arn.service) {
        return;
    }
    let lower = arn.service.to_ascii_lowercase();
    if catalogue::get().has_arn_service(&lower) {
        let meant = Arn { service: &lower, ..arn }.to_string();
        report
            .add(
                &errors::INVALID_ARN_SERVICE_CASE,
                resource.at,
                format!("the service {} has upper case letters", shown(arn.service)),
            )
            .help(format!("write `{lower}`"))
            .repair([Edit::Replace(resource.at, quote(&meant))]);
    } else {
        let date = &catalogue::get().date;
        let message = format!("the service {} is unknown to the catalogue of {date}", shown(arn.service));
        report
            .add(&errors::INVALID_SERVICE, resource.at, message)
            .help("write the service, for example `s3`");
    }
}

fn check_region_and_account(resource: &Located<String>, arn: Arn<'_>, report: &mut Report) {
    if is_plain(arn.region) && !arn.region.is_empty() && !arn::is_region(arn.region) {
        report
            .add(&errors::INVALID_ARN_REGION, resource.at, format!("{} is no region", shown(arn.region)))
            .help("write a region such as `eu-central-1`; for a bucket leave it empty");
    }
    let is_known = arn.account.is_empty() || arn.account == "aws" || arn::is_account(arn.account);
    if is_plain(arn.account) && !is_known {
        report
            .add(&errors::INVALID_ARN_ACCOUNT, resource.at, format!("{} is no account", shown(arn.account)))
            .help("write the twelve digits of the account; for a bucket leave it empty");
    }
}

/// Compares the ARN with the resource types of its service, when they are known.
fn check_form(resource: &Located<String>, arn: Arn<'_>, steps: &Steps, report: &mut Report) {
    if !is_plain(arn.service) || !is_plain(arn.partition) {
        return;
    }
    if is_multi_region(arn) || (steps.fitting.is_empty() && template::forms_of(arn.service).is_empty()) {
        return;
    }
    // most are right, and the first form that fits ends the search
    let mut nearest: Option<(usize, &Form)> = None;
    for fit in steps.fitting.iter().copied() {
        match mismatches(fit, arn) {
            0 => return,
            wrong if nearest.is_none_or(|(least, _)| wrong < least) => nearest = Some((wrong, fit)),
            _ => {}
        }
    }
    if let Some((_, fit)) = nearest {
        wrong_fields(resource, arn, fit, report);
        return;
    }
    let message = format!("{} fits no resource of {}", shown(arn.resource), arn.service);
    report.add(&errors::INVALID_ARN_RESOURCE, resource.at, message).help(form_of(arn.service));
}

/// Multi-region access points have an account and no region; the catalogue leaves out the ARNs of their objects.
fn is_multi_region(arn: Arn<'_>) -> bool {
    arn.service == "s3"
        && arn.region.is_empty()
        && !arn.account.is_empty()
        && arn.resource.starts_with("accesspoint/")
}

fn form_of(service: &str) -> &'static str {
    match service {
        "s3" => "write `arn:aws:s3:::bucket` for a bucket and `arn:aws:s3:::bucket/*` for its objects",
        "s3express" => "write `arn:aws:s3express:region:account:bucket/name`",
        "secretsmanager" => "write `arn:aws:secretsmanager:region:account:secret:name-*`",
        "kms" => "write `arn:aws:kms:region:account:key/id` or `…:alias/name`",
        _ => "see the resource types of the service in the AWS service authorization reference",
    }
}

fn mismatches(fit: &Form, arn: Arn<'_>) -> usize {
    usize::from(!field_fits(fit.takes_region, arn.region))
        + usize::from(!field_fits(fit.takes_account, arn.account))
}

/// Whether a region or account is there exactly when it has to be. A star alone may stand for nothing.
fn field_fits(takes: bool, field: &str) -> bool {
    field.chars().all(|c| c == '*') && !field.is_empty() || takes != field.is_empty()
}

fn wrong_fields(resource: &Located<String>, arn: Arn<'_>, fit: &Form, report: &mut Report) {
    let value = shown(&resource.value);
    let region = if fit.takes_region { arn.region } else { "" };
    let account = if fit.takes_account { arn.account } else { "" };
    let blanked = Edit::Replace(resource.at, quote(&Arn { region, account, ..arn }.to_string()));
    if !field_fits(fit.takes_region, arn.region) {
        if fit.takes_region {
            report
                .add(&errors::MISSING_ARN_REGION, resource.at, format!("{value} has no region"))
                .help("write the region, or `*` for all, after the third colon");
        } else {
            report
                .add(
                    &errors::ARN_REGION_NOT_ALLOWED,
                    resource.at,
                    format!("{value} has a region where none belongs"),
                )
                .help("leave the region empty: `arn:aws:s3:::…`")
                .repair([blanked.clone()]);
        }
    }
    if !field_fits(fit.takes_account, arn.account) {
        if fit.takes_account {
            report
                .add(&errors::MISSING_ARN_ACCOUNT, resource.at, format!("{value} has no account"))
                .help("write the account, or `*` for all, after the fourth colon");
        } else {
            report
                .add(
                    &errors::ARN_ACCOUNT_NOT_ALLOWED,
                    resource.at,
                    format!("{value} has an account where none belongs"),
                )
                .help("leave the account empty: `arn:aws:s3:::…`; compare `aws:ResourceAccount` instead")
                .repair([blanked]);
        }
    }
}
