//! The forms of ARNs: whether a pattern of a policy can match an ARN of a type.

use std::sync::OnceLock;

use super::arn::Arn;
use super::pattern::{has_variable, has_wildcard};
use crate::policy::catalogue;

/// One step of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// This character.
    One(char),
    /// Any character.
    Any,
    /// Any character but a slash.
    Name,
    /// As many of them as one likes.
    Many(Class),
}

/// The characters that [`Step::Many`] stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Any,
    Name,
}

/// The steps of a policy's pattern: wildcards, and variables that may become anything.
pub(super) fn of_pattern(text: &str) -> Vec<Step> {
    let mut steps = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some((inner, after)) = rest.strip_prefix("${").and_then(|inner| inner.split_once('}')) {
            match inner {
                "*" | "?" | "$" => steps.extend(inner.chars().map(Step::One)),
                _ => steps.push(Step::Many(Class::Any)),
            }
            rest = after;
            continue;
        }
        steps.push(match c {
            '*' => Step::Many(Class::Any),
            '?' => Step::Any,
            c => Step::One(c),
        });
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    steps
}

/// The steps of a form of the catalogue: `${Name}` is one or more characters.
pub(super) fn of_form(form: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, part) in form.split("${").enumerate() {
        let text = match part.split_once('}') {
            Some((name, after)) if index > 0 => {
                let class = if may_have_slash(name) { Class::Any } else { Class::Name };
                steps.push(if class == Class::Any { Step::Any } else { Step::Name });
                steps.push(Step::Many(class));
                after
            }
            _ => part,
        };
        steps.extend(text.chars().map(Step::One));
    }
    steps
}

/// The names of parts that hold paths or free text.
fn may_have_slash(name: &str) -> bool {
    matches!(name, "ObjectName" | "SecretId" | "Alias" | "Operation") || name.ends_with("WithPath")
}

/// A form of the catalogue, read once.
pub(super) struct Form {
    /// The resource type, as its service names it.
    pub(super) name: &'static str,
    /// The service that it is of.
    prefix: &'static str,
    /// As ARNs name the service.
    pub(super) service: &'static str,
    pub(super) takes_region: bool,
    pub(super) takes_account: bool,
    /// The last field.
    pub(super) resource: Vec<Step>,
    /// The whole ARN.
    pub(super) whole: Vec<Step>,
}

impl Form {
    /// Whether the pattern, which has the steps, can match an ARN of this form. Fields that are written out are compared
    /// as they are; wildcards in them may stand for several fields.
    pub(super) fn fits(&self, arn: Arn<'_>, steps: &Steps) -> bool {
        if let Some(whole) = &steps.whole {
            return overlap(whole, &self.whole);
        }
        arn.region.is_empty() != self.takes_region
            && arn.account.is_empty() != self.takes_account
            && steps.fitting.iter().any(|form| std::ptr::eq(*form, self))
    }
}

/// The steps of a pattern of ARNs.
pub(super) struct Steps {
    /// The forms of the service, when that is written out, that the last field can be of.
    pub(super) fitting: Vec<&'static Form>,
    /// Of all of it, when wildcards or variables stand before the last field.
    whole: Option<Vec<Step>>,
}

impl Steps {
    pub(super) fn of(arn: Arn<'_>, text: &str) -> Steps {
        let fields = [arn.partition, arn.service, arn.region, arn.account];
        let is_plain = !fields.iter().any(|field| has_wildcard(field) || has_variable(field));
        let resource = of_pattern(arn.resource);
        // no service has a name with a wildcard or variable
        let fitting = forms_of(arn.service).iter().filter(|form| overlap(&resource, &form.resource));
        Steps { fitting: fitting.collect(), whole: (!is_plain).then(|| of_pattern(text)) }
    }
}

/// The forms of one service, as ARNs name it: those of services known in detail. Several services share a name.
pub(super) fn forms_of(service: &str) -> &'static [Form] {
    let forms = forms();
    let first = forms.partition_point(|form| form.service < service);
    let end = forms.partition_point(|form| form.service <= service);
    forms.get(first..end).unwrap_or_default()
}

/// The forms of the service with this prefix.
pub(super) fn forms_of_prefix(prefix: &str) -> impl Iterator<Item = &'static Form> {
    forms().iter().filter(move |form| form.prefix == prefix)
}

/// Every resource type of the services known in detail, by the service that its ARN names.
fn forms() -> &'static [Form] {
    static FORMS: OnceLock<Vec<Form>> = OnceLock::new();
    FORMS.get_or_init(|| {
        let form = |prefix: &'static str, name: &'static str, text: &'static str| {
            let arn = Arn::parse(text)?;
            Some(Form {
                name,
                prefix,
                service: arn.service,
                takes_region: !arn.region.is_empty(),
                takes_account: !arn.account.is_empty(),
                resource: of_form(arn.resource),
                whole: of_form(text),
            })
        };
        let detailed = catalogue::get().detailed();
        let kinds = detailed.flat_map(|(prefix, service)| {
            service.resources().filter_map(move |(name, kind)| form(prefix, name, &kind.arn))
        });
        let mut forms: Vec<Form> = kinds.collect();
        forms.sort_by_key(|form| (form.service, form.prefix, form.name));
        forms
    })
}

/// Whether some text is matched by both. The second one is a form; one that is too long counts as a match, so that
/// nothing is said about it.
pub(super) fn overlap(mut a: &[Step], mut b: &[Step]) -> bool {
    // most pairs begin alike and then differ, which needs no table
    while let ([Step::One(x), a_rest @ ..], [Step::One(y), b_rest @ ..]) = (a, b) {
        if x != y {
            return false;
        }
        (a, b) = (a_rest, b_rest);
    }
    if b.len() >= u128::BITS as usize {
        return true;
    }
    let anything = Some(&Step::Many(Class::Any));
    let last = 1 << (b.len().saturating_sub(1));
    // bit `j` of `row`: so much of `a` and the first `j` steps of `b` match some text in common
    let mut row = 1_u128;
    for i in 0..=a.len() {
        // what is left of one is matched by a star that is left of the other
        let ends = (i + 1 == a.len() && a.last() == anything) || (row & last != 0 && b.last() == anything);
        if row == 0 || ends {
            return row != 0;
        }
        let mut next = 0;
        let x = a.get(i).copied();
        for j in 0..=b.len() {
            if row >> j & 1 == 0 {
                continue;
            }
            let y = b.get(j).copied();
            let (many_x, many_y) = (matches!(x, Some(Step::Many(_))), matches!(y, Some(Step::Many(_))));
            match (x, y) {
                (None, None) => return true,
                (Some(x), Some(y)) if have_common_character(x, y) => {
                    let after = 1 << if many_y { j } else { j + 1 };
                    if many_x { row |= after } else { next |= after }
                }
                _ => {}
            }
            if many_x {
                next |= 1 << j;
            }
            if many_y {
                row |= 1 << (j + 1);
            }
        }
        row = next;
    }
    false
}

fn have_common_character(a: Step, b: Step) -> bool {
    let excludes_slash = |step| matches!(step, Step::Name | Step::Many(Class::Name));
    match (a, b) {
        (Step::One(x), Step::One(y)) => x == y,
        (Step::One(c), other) | (other, Step::One(c)) => c != '/' || !excludes_slash(other),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_short_enough_to_be_compared() {
        assert!(super::forms().iter().all(|form| form.whole.len() < u128::BITS as usize));
    }

    #[test]
    fn patterns_overlap_the_forms_that_they_can_match() {
        const BUCKET: &str = "arn:aws:s3:::${BucketName}";
        const OBJECT: &str = "arn:aws:s3:::${BucketName}/${ObjectName}";
        for (pattern, bucket, object) in [
            ("arn:aws:s3:::b", true, false),
            ("arn:aws:s3:::b/*", false, true),
            ("arn:aws:s3:::b*", true, true),
            ("arn:aws:s3:::*", true, true),
            ("arn:aws:s3:::*/x", false, true),
            ("arn:aws:s3:::", false, false),
            ("arn:aws:s3:::b/", false, false),
            ("arn:aws:s3:::${aws:PrincipalTag/b}", true, true),
            ("*", true, true),
        ] {
            assert_eq!(overlap(&of_pattern(pattern), &of_form(BUCKET)), bucket, "{pattern}");
            assert_eq!(overlap(&of_pattern(pattern), &of_form(OBJECT)), object, "{pattern}");
        }
    }
}
