//! What was read of a document that may have errors: the same as a [`Policy`], with holes.

use crate::policy::document::{
    Condition, Effect, Listed, Located, Policy, Position, Principals, Statement, Version,
};

/// A document with holes.
#[derive(Clone)]
pub(in crate::policy) struct Draft {
    /// Where its `{` stands.
    pub(in crate::policy) at: Position,
    /// The version; None also when it is not one of the two.
    pub(in crate::policy) version: Option<Located<Version>>,
    /// Whether there is a `Version`, right or wrong.
    pub(in crate::policy) has_version: bool,
    pub(in crate::policy) id: Option<Located<String>>,
    pub(in crate::policy) statements: Vec<DraftStatement>,
}

/// A statement with holes: an element that is missing or unreadable is None.
#[derive(Clone)]
pub(in crate::policy) struct DraftStatement {
    /// Where its `{` stands.
    pub(in crate::policy) at: Position,
    pub(in crate::policy) sid: Option<Located<String>>,
    pub(in crate::policy) effect: Option<Located<Effect>>,
    pub(in crate::policy) principal: Option<Principals>,
    /// Where `Principal` or `NotPrincipal` stands, readable or not.
    pub(in crate::policy) principal_at: Option<Position>,
    pub(in crate::policy) action: Option<Listed>,
    pub(in crate::policy) resource: Option<Listed>,
    /// Where `Resource` or `NotResource` stands, readable or not.
    pub(in crate::policy) resource_at: Option<Position>,
    pub(in crate::policy) conditions: Vec<Condition>,
    /// Where `Condition` stands.
    pub(in crate::policy) condition_at: Option<Position>,
}

impl Draft {
    /// The policy, when no statement has a hole.
    pub(in crate::policy) fn complete(self) -> Option<Policy> {
        let statements = self.statements.into_iter().map(DraftStatement::complete).collect::<Option<_>>()?;
        Some(Policy { version: self.version, id: self.id, statements })
    }
}

impl DraftStatement {
    fn complete(self) -> Option<Statement> {
        Some(Statement {
            at: self.at,
            sid: self.sid,
            effect: self.effect?,
            principal: self.principal,
            action: self.action?,
            resource: self.resource,
            conditions: self.conditions,
        })
    }

    /// Whether it allows. False for one without an effect.
    pub(in crate::policy) fn allows(&self) -> bool {
        self.effect.as_ref().is_some_and(|effect| effect.value == Effect::Allow)
    }

    /// Whether it denies. False for one without an effect.
    pub(in crate::policy) fn denies(&self) -> bool {
        self.effect.as_ref().is_some_and(|effect| effect.value == Effect::Deny)
    }

    /// The values of `Action`; nothing for `NotAction`.
    pub(in crate::policy) fn actions(&self) -> &[Located<String>] {
        positive(self.action.as_ref())
    }

    /// The values of `NotAction`.
    pub(in crate::policy) fn not_actions(&self) -> Option<&[Located<String>]> {
        negative(self.action.as_ref())
    }

    /// The values of `Resource`; nothing for `NotResource`.
    pub(in crate::policy) fn resources(&self) -> &[Located<String>] {
        positive(self.resource.as_ref())
    }

    /// The values of `NotResource`.
    pub(in crate::policy) fn not_resources(&self) -> Option<&[Located<String>]> {
        negative(self.resource.as_ref())
    }

    /// The values of `Resource` or `NotResource`.
    pub(in crate::policy) fn all_resources(&self) -> &[Located<String>] {
        self.resource.as_ref().map_or(&[], |listed| &listed.values)
    }

    /// The values of `Action` or `NotAction`.
    pub(in crate::policy) fn all_actions(&self) -> &[Located<String>] {
        self.action.as_ref().map_or(&[], |listed| &listed.values)
    }
}

fn positive(listed: Option<&Listed>) -> &[Located<String>] {
    listed.filter(|listed| !listed.not).map_or(&[], |listed| &listed.values)
}

fn negative(listed: Option<&Listed>) -> Option<&[Located<String>]> {
    listed.filter(|listed| listed.not).map(|listed| listed.values.as_slice())
}
