//! One statement, ready to be compared with a request.

use super::{Actions, Resources};
use crate::policy::condition::Condition;
use crate::policy::document::Effect;
use crate::policy::principal::{Grant, Principals};
use crate::policy::request::Call;

/// A statement with everything read that does not depend on the request.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::policy) struct Statement {
    /// Its place in the policy, from 0.
    pub(in crate::policy) index: usize,
    pub(in crate::policy) sid: Option<Box<str>>,
    /// Where it begins, from 1.
    pub(in crate::policy) line: u32,
    pub(in crate::policy) effect: Effect,
    /// None: it is for whom it is attached to.
    pub(in crate::policy) principals: Option<Principals>,
    pub(in crate::policy) actions: Actions,
    /// None in trust policies: it is for the role.
    pub(in crate::policy) resources: Option<Resources>,
    pub(in crate::policy) conditions: Box<[Condition]>,
}

impl Statement {
    /// How the request is meant by this statement, when it is. The cheap tests come first.
    pub(in crate::policy) fn grant(&self, call: &Call, has_boundary: bool) -> Option<Grant> {
        if !self.actions.matches(call) || !self.resource_matches(call) {
            return None;
        }
        let grant = self.principal_grant(call, has_boundary)?;
        self.conditions.iter().all(|condition| condition.holds(&call.context)).then_some(grant)
    }

    pub(in crate::policy) fn resource_matches(&self, call: &Call) -> bool {
        self.resources.as_ref().is_none_or(|resources| resources.matches(call))
    }

    pub(in crate::policy) fn principal_grant(&self, call: &Call, has_boundary: bool) -> Option<Grant> {
        match &self.principals {
            None => Some(Grant::Direct),
            Some(principals) => principals.grant(&call.caller, call.canonical_id.as_deref(), has_boundary),
        }
    }
}
