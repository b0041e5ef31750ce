//! A bucket policy speaks of its own bucket alone.

use super::bucket_and_key;
use crate::policy::document::{Kind, Located};
use crate::policy::finding::code::s3;
use crate::policy::finding::report::{Edit, Report, shown};
use crate::policy::json::quote;
use crate::policy::validate::arn::Arn;
use crate::policy::validate::pattern::{has_variable, has_wildcard};
use crate::policy::validate::subject::Subject;
use crate::policy::validate::template;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report) {
    let name = subject.facts.bucket.as_ref().and_then(|bucket| bucket.name.as_deref());
    let (Kind::Bucket, Some(name)) = (subject.kind, name) else { return };
    for statement in &subject.draft.statements {
        for resource in statement.all_resources() {
            check_resource(resource, name, report);
        }
    }
}

fn check_resource(resource: &Located<String>, name: &str, report: &mut Report) {
    let Some((bucket, key)) = bucket_and_key(&resource.value) else { return };
    let pattern = template::of_pattern(&resource.value);
    let own = |form: String| template::overlap(&pattern, &template::of_form(&form));
    let partition = resource.value.split(':').nth(1).unwrap_or_default();
    let partition = if has_wildcard(partition) || has_variable(partition) { "aws" } else { partition };
    if own(format!("arn:{partition}:s3:::{name}"))
        || own(format!("arn:{partition}:s3:::{name}/${{ObjectName}}"))
    {
        return;
    }
    let remark = report.add(
        &s3::RESOURCE_NOT_THIS_BUCKET,
        resource.at,
        format!("{} is not the bucket {}, and S3 refuses the policy", shown(&resource.value), shown(name)),
    );
    remark.help(format!("write `arn:aws:s3:::{name}` or `arn:aws:s3:::{name}/*`"));
    if let Some(arn) = Arn::parse(&resource.value).filter(|_| !has_wildcard(bucket) && !has_variable(bucket))
    {
        let meant = key.map_or_else(|| name.to_owned(), |key| format!("{name}/{key}"));
        remark.repair([Edit::Replace(resource.at, quote(&Arn { resource: &meant, ..arn }.to_string()))]);
    }
}
