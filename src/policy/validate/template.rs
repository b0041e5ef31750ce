//! The forms of ARNs: whether a pattern of a policy can match an ARN of a type.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::arn::Arn;
use super::pattern::{has_variable, has_wildcard};
use crate::policy::catalogue;

/// The most steps of one comparison; a longer one counts as a match, so that nothing is said about it.
const MAX_STEPS: usize = 1_000_000;

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
    let mut steps = Vec::new();
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
        if !steps.plain_fields {
            return overlap(&steps.whole, &self.whole);
        }
        arn.service == self.service
            && arn.region.is_empty() != self.takes_region
            && arn.account.is_empty() != self.takes_account
            && overlap(&steps.resource, &self.resource)
    }
}

/// The steps of a pattern of ARNs.
pub(super) struct Steps {
    /// Whether neither wildcards nor variables stand before the last field.
    plain_fields: bool,
    resource: Vec<Step>,
    whole: Vec<Step>,
}

impl Steps {
    pub(super) fn of(arn: Arn<'_>, text: &str) -> Steps {
        let fields = [arn.partition, arn.service, arn.region, arn.account];
        Steps {
            plain_fields: !fields.iter().any(|field| has_wildcard(field) || has_variable(field)),
            resource: of_pattern(arn.resource),
            whole: of_pattern(text),
        }
    }
}

/// Every resource type of the services known in detail, by the form of its ARN.
pub(super) fn forms() -> &'static HashMap<&'static str, Form> {
    static FORMS: OnceLock<HashMap<&'static str, Form>> = OnceLock::new();
    FORMS.get_or_init(|| {
        let kinds = catalogue::get().detailed().flat_map(|(_, service)| service.resources());
        let form = |text: &'static str| {
            let arn = Arn::parse(text)?;
            Some(Form {
                service: arn.service,
                takes_region: !arn.region.is_empty(),
                takes_account: !arn.account.is_empty(),
                resource: of_form(arn.resource),
                whole: of_form(text),
            })
        };
        kinds.filter_map(|(_, kind)| Some((kind.arn.as_str(), form(&kind.arn)?))).collect()
    })
}

/// Whether some text is matched by both.
pub(super) fn overlap(mut a: &[Step], mut b: &[Step]) -> bool {
    // most pairs begin alike and then differ, which needs no table
    while let ([Step::One(x), a_rest @ ..], [Step::One(y), b_rest @ ..]) = (a, b) {
        if x != y {
            return false;
        }
        (a, b) = (a_rest, b_rest);
    }
    let width = b.len() + 1;
    let Some(cells) = (a.len() + 1).checked_mul(width).filter(|cells| *cells <= MAX_STEPS) else {
        return true;
    };
    let mut seen = vec![false; cells];
    let mut open = vec![(0, 0)];
    while let Some((i, j)) = open.pop() {
        match seen.get_mut(i * width + j) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        if i == a.len() && j == b.len() {
            return true;
        }
        let (x, y) = (a.get(i).copied(), b.get(j).copied());
        if matches!(x, Some(Step::Many(_))) {
            open.push((i + 1, j));
        }
        if matches!(y, Some(Step::Many(_))) {
            open.push((i, j + 1));
        }
        if let (Some(x), Some(y)) = (x, y)
            && have_common_character(x, y)
        {
            let next = |step, index| if matches!(step, Step::Many(_)) { index } else { index + 1 };
            open.push((next(x, i), next(y, j)));
        }
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
