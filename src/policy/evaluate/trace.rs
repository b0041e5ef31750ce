//! What of every statement matched.

use serde::Serialize;
use utoipa::ToSchema;

use super::decide;
use super::policies::{Attached, Policies};
use crate::policy::compile::{Slot, Statement};
use crate::policy::document::Effect;
use crate::policy::request::Call;

/// One statement and what of it matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PolicyStatementTrace)]
pub struct StatementTrace<'a> {
    /// Which policy, by its place in the question: `identity[0]`, `resource`, `service_control[1][0]`.
    pub policy: &'a str,
    /// The place of the statement in it, from 0.
    pub index: usize,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<&'a str>,
    /// Where it begins in the policy, from 1.
    pub line: u32,
    /// `Allow` or `Deny`.
    #[schema(example = "Allow")]
    pub effect: &'static str,
    /// Whether all of it matched. A Deny that matches denies the request.
    pub matches: bool,
    /// What of it matched.
    pub why: Why<'a>,
    #[serde(skip)]
    pub(super) slot: Slot,
    #[serde(skip)]
    pub(super) statement: Source<'a>,
}

/// The statement that a trace is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a>(pub(super) &'a Statement);

/// The parts of a statement and whether they matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PolicyWhy)]
pub struct Why<'a> {
    /// Whether it is for the principal. Policies without a Principal are for whom they are attached to.
    pub principal: bool,
    /// Whether it is about the action.
    pub action: bool,
    /// Whether it is about the resource.
    pub resource: bool,
    /// Every condition.
    pub conditions: Vec<ConditionTrace<'a>>,
}

/// A condition with what it was compared to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PolicyConditionTrace)]
pub struct ConditionTrace<'a> {
    /// The operator as written.
    pub operator: &'a str,
    /// The key as written.
    pub key: &'a str,
    /// The values of the policy.
    #[schema(value_type = Vec<String>)]
    pub expected: &'a [Box<str>],
    /// The values of the request. None: it does not have the key.
    pub actual: &'a [String],
    /// Whether it holds.
    pub matches: bool,
}

/// Looks at every part of every statement.
pub(super) fn statements<'a>(call: &'a Call, policies: &'a Policies) -> Vec<StatementTrace<'a>> {
    let has_boundary = decide::has_boundary(call, policies);
    let count = policies.all().map(|(_, attached)| attached.policy.statements.len()).sum();
    let mut traces = Vec::with_capacity(count);
    for (slot, attached) in policies.all() {
        let of_policy = attached.policy.statements.iter();
        traces.extend(of_policy.map(|statement| trace(call, slot, attached, statement, has_boundary)));
    }
    traces
}

fn trace<'a>(
    call: &'a Call,
    slot: Slot,
    attached: &'a Attached,
    statement: &'a Statement,
    has_boundary: bool,
) -> StatementTrace<'a> {
    let why = Why {
        principal: decide::applies(slot, call) && statement.principal_grant(call, has_boundary).is_some(),
        action: statement.actions.matches(call),
        resource: statement.resource_matches(call),
        conditions: statement.conditions.iter().map(|condition| condition_trace(call, condition)).collect(),
    };
    StatementTrace {
        policy: &attached.label,
        index: statement.index,
        sid: statement.sid.as_deref(),
        line: statement.line,
        effect: statement.effect.as_str(),
        matches: why.all(),
        why,
        slot,
        statement: Source(statement),
    }
}

fn condition_trace<'a>(
    call: &'a Call,
    condition: &'a crate::policy::condition::Condition,
) -> ConditionTrace<'a> {
    ConditionTrace {
        operator: &condition.operator_text,
        key: &condition.key,
        expected: &condition.expected,
        actual: condition.actual(&call.context),
        matches: condition.holds(&call.context),
    }
}

impl Why<'_> {
    fn all(&self) -> bool {
        self.principal
            && self.action
            && self.resource
            && self.conditions.iter().all(|condition| condition.matches)
    }
}

impl StatementTrace<'_> {
    pub(super) fn is_allow(&self) -> bool {
        self.statement.0.effect == Effect::Allow
    }

    /// What it is called in a sentence.
    pub(super) fn name(&self) -> String {
        match self.sid {
            Some(sid) if !sid.is_empty() => {
                format!("statement `{sid}` (line {}) of `{}`", self.line, self.policy)
            }
            _ => format!("statement {} (line {}) of `{}`", self.index, self.line, self.policy),
        }
    }
}

impl PartialEq for Source<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Source<'_> {}
