//! The action element: `service:Name` with wildcards in the name.

use super::{Invalid, invalid};
use crate::policy::document::Listed;
use crate::policy::glob::Glob;
use crate::policy::request::Call;

/// `Action` or `NotAction`, ready to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) struct Actions {
    not: bool,
    patterns: Box<[Pattern]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    /// `*`.
    All,
    /// The prefix of the service is literal: there a wildcard matches nothing. All in lower case.
    Of { service: Box<str>, name: Glob },
}

impl Actions {
    pub(super) fn new(element: &Listed) -> Result<Self, Invalid> {
        let patterns: Result<_, _> = element
            .values
            .iter()
            .map(|action| {
                read(&action.value).ok_or_else(|| {
                    let message = format!(
                        "`{}` is no action; write `service:Name`, such as `s3:GetObject`",
                        action.value
                    );
                    invalid(action.at, message)
                })
            })
            .collect();
        Ok(Self { not: element.not, patterns: patterns? })
    }

    /// Whether the action of the request is meant.
    pub(in crate::policy) fn matches(&self, call: &Call) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(call)) != self.not
    }

    /// Whether it is about assuming a role, and nothing else: then there is no Resource.
    pub(super) fn are_of_sts(&self) -> bool {
        let is_of_sts =
            |pattern: &Pattern| matches!(pattern, Pattern::Of { service, .. } if **service == *"sts");
        !self.not && !self.patterns.is_empty() && self.patterns.iter().all(is_of_sts)
    }
}

impl Pattern {
    fn matches(&self, call: &Call) -> bool {
        match self {
            Self::All => true,
            Self::Of { service, name } => *service == call.service && name.matches(&call.name),
        }
    }
}

fn read(text: &str) -> Option<Pattern> {
    if text == "*" {
        return Some(Pattern::All);
    }
    let (service, name) = text.split_once(':')?;
    let folded = name.to_ascii_lowercase();
    (!service.is_empty() && !name.is_empty())
        .then(|| Pattern::Of { service: service.to_ascii_lowercase().into(), name: Glob::wild(&folded) })
}
