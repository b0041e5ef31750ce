//! What the checks look at: the document, the facts, and for every statement the actions it reaches.

use super::Facts;
use super::arn::Arn;
use super::pattern::matches_action;
use super::reach::{ActionSet, Reached};
use super::template::Steps;
use crate::policy::catalogue::{self, Key};
use crate::policy::condition::Operator;
use crate::policy::document::{Condition, Kind, Located, Version};
use crate::policy::parse::{Draft, DraftStatement};

/// The most comparisons of one thing with another that a check makes; beyond, it does not look.
pub(super) const MAX_PAIRS: usize = 500_000;

/// Everything a check may look at.
pub(super) struct Subject<'a> {
    pub(super) kind: Kind,
    pub(super) draft: &'a Draft,
    pub(super) facts: &'a Facts,
    pub(super) text: &'a str,
    pub(super) statements: Vec<Statement<'a>>,
    conditions: Vec<Read<'a>>,
}

/// A condition and what its names mean.
struct Read<'a> {
    /// The place of its statement.
    statement: usize,
    condition: &'a Condition,
    /// None when there is no such operator.
    operator: Option<Operator>,
    /// None when it is unknown to the catalogue.
    key: Option<&'static Key>,
}

/// A statement and the actions it reaches.
pub(super) struct Statement<'a> {
    pub(super) draft: &'a DraftStatement,
    /// The values of `Resource` or `NotResource` that are ARNs; `None` for the others.
    pub(super) arns: Vec<Option<(Arn<'a>, Steps)>>,
    /// What the catalogue has under the values of `Action` or `NotAction` that are written out, in their order.
    pub(super) named: Vec<Option<Reached>>,
    /// The actions that it reaches, of the services known in detail.
    pub(super) reached: ActionSet,
    /// Whether it reaches actions of other services, too.
    pub(super) reaches_others: bool,
}

impl<'a> Subject<'a> {
    pub(super) fn new(kind: Kind, draft: &'a Draft, facts: &'a Facts, text: &'a str) -> Self {
        let statements = draft.statements.iter().map(Statement::new).collect();
        let read = |statement, condition: &'a Condition| {
            let operator = Operator::parse(&condition.operator.value).ok();
            Read { statement, condition, operator, key: catalogue::get().key(&condition.key.value) }
        };
        let conditions = draft.statements.iter().enumerate().flat_map(|(index, statement)| {
            statement.conditions.iter().map(move |condition| read(index, condition))
        });
        Self { kind, draft, facts, text, statements, conditions: conditions.collect() }
    }

    /// Whether `${…}` is a variable in this document. One whose version cannot be read has the benefit of the doubt.
    pub(super) fn has_variables(&self) -> bool {
        match &self.draft.version {
            Some(version) => version.value == Version::V2012,
            None => self.draft.has_version,
        }
    }

    /// Every condition with its statement.
    pub(super) fn conditions(&self) -> impl Iterator<Item = (&Statement<'a>, &'a Condition)> {
        self.statements.iter().flat_map(|statement| {
            statement.draft.conditions.iter().map(move |condition| (statement, condition))
        })
    }

    /// Every condition whose operator exists.
    pub(super) fn readable_conditions(
        &self,
    ) -> impl Iterator<Item = (&Statement<'a>, &'a Condition, Operator)> {
        self.conditions
            .iter()
            .filter_map(|read| Some((self.statements.get(read.statement)?, read.condition, read.operator?)))
    }

    /// Every condition whose operator exists and whose key is known.
    pub(super) fn typed_conditions(
        &self,
    ) -> impl Iterator<Item = (&Statement<'a>, &'a Condition, Operator, &'static Key)> {
        self.conditions.iter().filter_map(|read| {
            Some((self.statements.get(read.statement)?, read.condition, read.operator?, read.key?))
        })
    }

    /// Every condition with its operator, where that exists.
    pub(super) fn named_conditions(
        &self,
    ) -> impl Iterator<Item = (&Statement<'a>, &'a Condition, Option<Operator>)> {
        self.conditions
            .iter()
            .filter_map(|read| Some((self.statements.get(read.statement)?, read.condition, read.operator)))
    }

    /// Every condition with its key, where that is known.
    pub(super) fn keyed_conditions(
        &self,
    ) -> impl Iterator<Item = (&Statement<'a>, &'a Condition, Option<&'static Key>)> {
        self.conditions
            .iter()
            .filter_map(|read| Some((self.statements.get(read.statement)?, read.condition, read.key)))
    }
}

impl<'a> Statement<'a> {
    fn new(draft: &'a DraftStatement) -> Self {
        let arn = |resource: &'a Located<String>| {
            let arn = Arn::parse(&resource.value)?;
            Some((arn, Steps::of(arn, &resource.value)))
        };
        let arns = draft.all_resources().iter().map(arn).collect();
        let named: Vec<_> = draft.all_actions().iter().map(|action| Reached::of(&action.value)).collect();
        let reached = draft.action.as_ref().map(|listed| ActionSet::of(listed, &named)).unwrap_or_default();
        let reaches_others = reaches_others(draft, &named);
        Self { draft, arns, named, reached, reaches_others }
    }

    /// Whether it speaks of this action.
    pub(super) fn reaches(&self, action: &str) -> bool {
        match self.draft.not_actions() {
            Some(excluded) => !excluded.iter().any(|pattern| matches_action(&pattern.value, action)),
            None => self.draft.actions().iter().any(|pattern| matches_action(&pattern.value, action)),
        }
    }

    /// Whether one of its conditions is on this key.
    pub(super) fn has_key(&self, key: &str) -> bool {
        self.draft.conditions.iter().any(|condition| condition.key.value.eq_ignore_ascii_case(key))
    }

    /// Whether the condition is the only one under its operator, and no other block has the given operator: then the
    /// operator can take that name.
    pub(super) fn can_rename_operator(&self, condition: &Condition, name: &str) -> bool {
        let conditions = &self.draft.conditions;
        let alone = conditions.iter().filter(|other| other.operator.at == condition.operator.at).count() == 1;
        alone && conditions.iter().all(|other| !other.operator.value.eq_ignore_ascii_case(name))
    }
}

/// Whether a pattern can match actions of a service that is not known in detail.
fn reaches_others(draft: &DraftStatement, named: &[Option<Reached>]) -> bool {
    let is_other = |pattern: &str| {
        let prefix = pattern.split_once(':').map_or("*", |(prefix, _)| prefix);
        catalogue::get().service(prefix).is_none()
    };
    let mut each = draft.actions().iter().zip(named);
    draft.not_actions().is_some() || each.any(|(pattern, named)| named.is_none() && is_other(&pattern.value))
}
