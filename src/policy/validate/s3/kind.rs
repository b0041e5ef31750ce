//! Buckets and objects: whether the resources of a statement are of the kinds that its actions act on.

use super::bucket_and_key;
use crate::policy::catalogue::Action;
use crate::policy::document::Located;
use crate::policy::finding::code::s3;
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::json::quote;
use crate::policy::validate::arn::Arn;
use crate::policy::validate::subject::{Statement, Subject};
use crate::policy::validate::template::{self, Form, Steps};

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    for statement in &subject.statements {
        check_statement(statement, report);
    }
}

/// The most resources of a statement for which a repair is worked out.
const MAX_REPAIRED: usize = 50;

/// An action of S3 that is written out.
struct Named<'a> {
    written: &'a Located<String>,
    action: &'static Action,
}

fn check_statement(statement: &Statement<'_>, report: &mut Report) {
    let resources = statement.draft.resources();
    let mut each = resources.iter().zip(&statement.arns);
    if resources.is_empty() || !each.all(|(resource, arn)| resource.value == "*" || arn.is_some()) {
        return;
    }
    let named = named_actions(statement);
    if named.is_empty() {
        return;
    }
    let kinds = kinds_of(&statement.arns);
    let (fitting, others): (Vec<&Named<'_>>, Vec<&Named<'_>>) =
        named.iter().partition(|named| fits(named.action, &kinds, resources));
    let all_fail = fitting.is_empty() && named.len() == statement.draft.actions().len();
    for named in &others {
        mismatch(named, resources, all_fail, report);
    }
    if others.is_empty() {
        check_mixed(statement, &named, resources, report);
    }
}

fn named_actions<'a>(statement: &Statement<'a>) -> Vec<Named<'a>> {
    let each = statement.draft.actions().iter().zip(&statement.named);
    each.filter_map(|(written, known)| {
        let known = known.filter(|known| known.prefix == "s3")?;
        Some(Named { written, action: known.action })
    })
    .collect()
}

/// The resource types of S3 that one of the resources can be.
fn kinds_of(arns: &[Option<(Arn<'_>, Steps)>]) -> Vec<&'static str> {
    // what is no ARN is a star
    let fits =
        |form: &Form| arns.iter().any(|arn| arn.as_ref().is_none_or(|(arn, steps)| form.fits(*arn, steps)));
    template::forms_of_prefix("s3").filter(|form| fits(form)).map(|form| form.name).collect()
}

/// An action that acts on no resource is matched by stars alone.
fn fits(action: &Action, kinds: &[&str], resources: &[Located<String>]) -> bool {
    if action.resources.is_empty() {
        return resources.iter().any(|resource| {
            resource.value.bytes().all(|byte| byte == b'*')
                || bucket_and_key(&resource.value).is_some_and(|(bucket, _)| bucket.starts_with('*'))
        });
    }
    action.resources.iter().any(|wanted| kinds.contains(&wanted.as_str()))
}

fn mismatch(named: &Named<'_>, resources: &[Located<String>], all_fail: bool, report: &mut Report) {
    let acts_on = |kind: &str| named.action.resources.iter().any(|known| known == kind);
    let action = shown(&named.written.value);
    let (message, help, edits) = if named.action.resources.is_empty() {
        let only = resources.first().filter(|_| all_fail && resources.len() == 1);
        (
            format!("{action} acts on no bucket, so only `*` matches it"),
            "write a statement of its own with `\"Resource\": \"*\"`".to_owned(),
            only.map(|resource| vec![Edit::Replace(resource.at, quote("*"))]).unwrap_or_default(),
        )
    } else if acts_on("object") && !acts_on("bucket") {
        (
            format!("{action} acts on objects, and no resource of the statement is one"),
            "write `arn:aws:s3:::bucket/*`".to_owned(),
            added(resources, all_fail, |bucket, key| key.is_none().then(|| format!("{bucket}/*"))),
        )
    } else if acts_on("bucket") && !acts_on("object") {
        (
            format!("{action} acts on the bucket, and no resource of the statement is one"),
            "write `arn:aws:s3:::bucket`; limit what is listed with `s3:prefix`".to_owned(),
            added(resources, all_fail, |bucket, key| key.is_some().then(|| bucket.to_owned())),
        )
    } else {
        (
            format!(
                "{action} acts on {}, and no resource of the statement is one",
                named.action.resources.join(", ")
            ),
            "see the resource types of the action in the AWS service authorization reference".to_owned(),
            Vec::new(),
        )
    };
    report.add(&s3::ACTION_RESOURCE_TYPE_MISMATCH, named.written.at, message).help(help).repair(edits);
}

/// The changes that put the other kind of resource in place of the only one, or next to those that are there.
fn added(
    resources: &[Located<String>],
    all_fail: bool,
    other: impl Fn(&str, Option<&str>) -> Option<String>,
) -> Vec<Edit> {
    let mut known: Vec<String> = Vec::new();
    let mut edits = Vec::new();
    if resources.len() > MAX_REPAIRED {
        return edits;
    }
    for resource in resources {
        let Some((bucket, key)) = bucket_and_key(&resource.value).filter(|(bucket, _)| !bucket.is_empty())
        else {
            continue;
        };
        let Some(name) = other(bucket, key) else { continue };
        let Some(arn) = Arn::parse(&resource.value) else { continue };
        let meant = Arn { resource: &name, ..arn }.to_string();
        if known.contains(&meant) {
            continue;
        }
        edits.push(if all_fail && resources.len() == 1 {
            Edit::Replace(resource.at, quote(&meant))
        } else {
            Edit::InsertAfter(resource.at, quote(&meant))
        });
        known.push(meant);
    }
    edits
}

fn check_mixed(
    statement: &Statement<'_>,
    named: &[Named<'_>],
    resources: &[Located<String>],
    report: &mut Report,
) {
    let acts_only_on = |wanted: &str, other: &str| {
        named.iter().any(|named| {
            let has = |kind: &str| named.action.resources.iter().any(|known| known == kind);
            has(wanted) && !has(other)
        })
    };
    let lists = |wants_key: bool| {
        resources.iter().any(|resource| {
            bucket_and_key(&resource.value)
                .is_some_and(|(bucket, key)| key.is_some() == wants_key && !bucket.contains('*'))
        })
    };
    let Some(element) = statement.draft.resource_at else { return };
    if acts_only_on("bucket", "object") && acts_only_on("object", "bucket") && lists(true) && lists(false) {
        report
            .add(
                &s3::MIXED_BUCKET_AND_OBJECT_RESOURCE,
                element,
                "the statement lists a bucket and objects, and each counts for some of its actions only",
            )
            .help("write one statement for the bucket and its actions, and one for the objects and theirs");
    }
}
