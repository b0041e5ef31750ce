//! The resource element: ARNs with wildcards and variables.

use super::{Invalid, invalid};
use crate::policy::document::Listed;
use crate::policy::glob::{Fields, Glob, Pattern};
use crate::policy::request::{Call, bucket_and_key};
use crate::policy::variable::{self, Reading, Template, Text};

/// `Resource` or `NotResource`, ready to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) struct Resources {
    not: bool,
    patterns: Box<[Resource]>,
    /// The values as written.
    texts: Box<[Box<str>]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Resource {
    Fixed(Glob),
    Variable(Template),
}

impl Resources {
    pub(super) fn new(element: &Listed, variables: bool) -> Result<Self, Invalid> {
        let values = element.values.iter();
        let patterns: Result<_, _> = values
            .clone()
            .map(|arn| read(&arn.value, variables).map_err(|message| invalid(arn.at, message)))
            .collect();
        let texts = values.map(|arn| arn.value.as_str().into()).collect();
        Ok(Self { not: element.not, patterns: patterns?, texts })
    }

    /// Whether the resource of the request is meant.
    pub(in crate::policy) fn matches(&self, call: &Call) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(call)) != self.not
    }

    /// The values as written.
    pub(in crate::policy) fn texts(&self) -> &[Box<str>] {
        &self.texts
    }

    /// True for `NotResource`.
    pub(in crate::policy) fn is_not(&self) -> bool {
        self.not
    }

    /// The keys that variables take, in lower case.
    pub(in crate::policy) fn variable_keys(&self) -> impl Iterator<Item = &str> {
        let templates = self.patterns.iter().filter_map(|resource| match resource {
            Resource::Fixed(_) => None,
            Resource::Variable(template) => Some(template),
        });
        templates.flat_map(Template::keys)
    }

    /// The buckets of S3 that it is for, where they are named without wildcards or variables.
    pub(super) fn buckets(&self) -> impl Iterator<Item = &str> {
        let buckets = self
            .texts
            .iter()
            .filter(|_| !self.not)
            .filter_map(|text| bucket_and_key(text).map(|(bucket, _)| bucket));
        buckets.filter(|bucket| !bucket.is_empty() && !bucket.contains(['*', '?', '$']))
    }
}

impl Resource {
    fn matches(&self, call: &Call) -> bool {
        match self {
            Self::Fixed(glob) => glob.matches(&call.resource),
            Self::Variable(template) => {
                template.fill(&call.context).is_some_and(|pattern| glob(pattern).matches(&call.resource))
            }
        }
    }
}

fn read(text: &str, variables: bool) -> Result<Resource, String> {
    let first = text.split(':').next().unwrap_or_default();
    if first != "arn" && !first.contains(['*', '?']) {
        return Err(format!("`{text}` is no ARN; write one such as `arn:aws:s3:::bucket/*`, or `*`"));
    }
    let front = text.find("${").and_then(|at| text.get(..at)).filter(|_| variables);
    if front.is_some_and(|front| front.matches(':').count() < 5) {
        return Err(format!(
            "the variable in `{text}` stands before the fifth colon, where variables are not filled in"
        ));
    }
    Ok(match variable::read(text, Reading { wildcards: true, variables })? {
        Text::Fixed(pattern) => Resource::Fixed(glob(pattern)),
        Text::Variable(template) => Resource::Variable(template),
    })
}

fn glob(mut pattern: Pattern) -> Glob {
    pattern.confine(Fields::Resource);
    Glob::from(pattern)
}
