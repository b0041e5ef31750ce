//! A policy made ready to be evaluated: everything that does not depend on the request is read here, once.
//!
//! A policy that AWS would refuse does not compile. So no request is ever judged by a guess at what it means.

mod action;
mod resource;
mod statement;

use std::collections::HashSet;

use super::condition::Condition;
use super::document::{self, Effect, Kind, Policy, Position};
use super::principal::Principals;
use super::public_access;

pub(super) use action::Actions;
pub(super) use resource::Resources;
pub(super) use statement::Statement;

/// Where a policy is attached: that decides which elements it may have and what it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// To a user, group or role.
    Identity,
    /// As the boundary of a user or role.
    PermissionBoundary,
    /// Given when a session was made.
    Session,
    /// To a bucket, access point, key or secret; or to a role, as its trust policy.
    Resource,
    /// To an account or unit of an organization, for its principals.
    ServiceControl,
    /// To an account or unit of an organization, for its resources.
    ResourceControl,
    /// To a VPC endpoint.
    VpcEndpoint,
}

impl From<Kind> for Slot {
    /// Where policies of a kind are attached.
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Identity => Self::Identity,
            Kind::Bucket | Kind::Trust => Self::Resource,
            Kind::Scp => Self::ServiceControl,
            Kind::Rcp => Self::ResourceControl,
        }
    }
}

/// A policy ready to be evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    pub(super) statements: Box<[Statement]>,
    /// The buckets that its resources name, for the policy of a bucket.
    pub(super) buckets: Box<[Box<str>]>,
    /// Whether S3 calls it public, for the policy of a bucket.
    pub(super) is_public: bool,
}

/// What makes a policy invalid, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Invalid {
    /// 1-based line.
    pub line: u32,
    /// 1-based column, in characters.
    pub column: u32,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// Makes a policy ready to be evaluated where it is attached.
pub fn compile(policy: &Policy, slot: Slot) -> Result<Compiled, Invalid> {
    check_sids(policy, slot)?;
    let variables = policy.has_variables();
    let statements: Result<Box<[Statement]>, Invalid> = policy
        .statements
        .iter()
        .enumerate()
        .map(|(index, statement)| compile_statement(statement, index, slot, variables))
        .collect();
    let statements = statements?;
    let is_resource = slot == Slot::Resource;
    Ok(Compiled {
        buckets: if is_resource { buckets(&statements) } else { Box::default() },
        is_public: is_resource && public_access::public_statement(policy).is_some(),
        statements,
    })
}

fn compile_statement(
    statement: &document::Statement,
    index: usize,
    slot: Slot,
    variables: bool,
) -> Result<Statement, Invalid> {
    let effect = statement.effect.value;
    let actions = Actions::new(&statement.action)?;
    let resources = match &statement.resource {
        Some(resource) => Some(Resources::new(resource, variables)?),
        None if slot == Slot::Resource && actions.are_of_sts() => None,
        None => return Err(invalid(statement.at, "the statement has no Resource; add one")),
    };
    Ok(Statement {
        index,
        sid: statement.sid.as_ref().map(|sid| sid.value.as_str().into()),
        line: statement.at.line,
        effect,
        principals: principals(statement, slot)?,
        actions,
        resources,
        conditions: conditions(&statement.conditions, variables)?,
    })
}

/// The principal element, which some policies must have and others must not.
fn principals(statement: &document::Statement, slot: Slot) -> Result<Option<Principals>, Invalid> {
    let Some(element) = &statement.principal else {
        let needs_one = matches!(slot, Slot::Resource | Slot::ResourceControl);
        return if needs_one {
            Err(invalid(statement.at, "the statement has no Principal; say whom it is for"))
        } else {
            Ok(None)
        };
    };
    let principals = Principals::new(element).map_err(|message| invalid(element.at, message))?;
    match slot {
        Slot::Resource if element.not && statement.effect.value == Effect::Allow => Err(invalid(
            element.at,
            "Allow with NotPrincipal lets in everybody else, anonymous requests included; name who may in Principal",
        )),
        Slot::ResourceControl if !principals.is_everyone() => Err(invalid(
            element.at,
            "the Principal of a resource control policy is `*`; use conditions to narrow it",
        )),
        Slot::Resource | Slot::ResourceControl | Slot::VpcEndpoint => Ok(Some(principals)),
        Slot::Identity | Slot::PermissionBoundary | Slot::Session | Slot::ServiceControl => Err(invalid(
            element.at,
            "this kind of policy has no Principal: it is for whom it is attached to; remove it",
        )),
    }
}

fn conditions(conditions: &[document::Condition], variables: bool) -> Result<Box<[Condition]>, Invalid> {
    let mut seen = HashSet::new();
    let mut compile = |condition: &document::Condition| {
        let values: Vec<&str> = condition.values.iter().map(|value| value.value.text.as_str()).collect();
        let (operator, key) = (&condition.operator.value, &condition.key.value);
        let is_key =
            key.split_once(':').is_some_and(|(service, name)| !service.is_empty() && !name.is_empty());
        if !is_key {
            let message =
                format!("`{key}` is no condition key; write `service:name`, such as `aws:SourceIp`");
            return Err(invalid(condition.key.at, message));
        }
        let compiled = Condition::new(operator, key, &values, variables)
            .map_err(|message| invalid(condition.operator.at, message))?;
        if !seen.insert((operator.to_lowercase(), key.to_lowercase())) {
            let message =
                format!("the key `{key}` stands twice under `{operator}`; write all its values once");
            return Err(invalid(condition.key.at, message));
        }
        Ok(compiled)
    };
    conditions.iter().map(&mut compile).collect()
}

/// IAM refuses two statements of one name, and names with other characters. S3 does not mind.
fn check_sids(policy: &Policy, slot: Slot) -> Result<(), Invalid> {
    if matches!(slot, Slot::Resource | Slot::VpcEndpoint) {
        return Ok(());
    }
    let mut seen = HashSet::new();
    for sid in policy.statements.iter().filter_map(|statement| statement.sid.as_ref()) {
        let name = sid.value.as_str();
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(invalid(sid.at, format!("the Sid `{name}` may only have letters and digits")));
        }
        if !name.is_empty() && !seen.insert(name) {
            return Err(invalid(sid.at, format!("two statements have the Sid `{name}`; rename one")));
        }
    }
    Ok(())
}

fn buckets(statements: &[Statement]) -> Box<[Box<str>]> {
    let named = statements.iter().filter_map(|statement| statement.resources.as_ref());
    let mut buckets: Vec<Box<str>> = named.flat_map(Resources::buckets).map(Into::into).collect();
    buckets.sort_unstable();
    buckets.dedup();
    buckets.into()
}

fn invalid(at: Position, message: impl Into<String>) -> Invalid {
    Invalid { line: at.line, column: at.column, message: message.into() }
}
