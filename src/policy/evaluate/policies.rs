//! Every policy that applies to a request, ready to be evaluated.

use serde_json::value::RawValue;

use super::decide::{DecidedBy, Place};
use crate::policy::compile::{self, Compiled, Invalid, Slot, Statement};
use crate::policy::document::Policy;
use crate::policy::parse;
use crate::policy::request::Documents;

/// The policies of a request by where they are attached. An empty list means none is attached.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policies {
    pub(super) identity: Vec<Attached>,
    pub(super) permission_boundary: Vec<Attached>,
    pub(super) session: Vec<Attached>,
    pub(super) resource: Vec<Attached>,
    pub(super) service_control: Vec<Vec<Attached>>,
    pub(super) resource_control: Vec<Vec<Attached>>,
    pub(super) vpc_endpoint: Vec<Attached>,
}

/// A policy and what it is called in an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Attached {
    /// `identity[0]`, `service_control[1][0]`.
    pub(super) label: Box<str>,
    pub(super) policy: Compiled,
}

/// A policy that cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the policy `{label}` is invalid in {invalid}")]
pub struct Refused {
    /// Where it is attached.
    pub slot: Slot,
    /// What it is called: `identity[0]`.
    pub label: String,
    /// What is wrong, and where.
    pub invalid: Invalid,
}

impl Policies {
    /// Reads and compiles every policy of a question.
    pub fn load(documents: &Documents) -> Result<Self, Refused> {
        let one = |slot, document: &Option<Box<RawValue>>| {
            document
                .iter()
                .map(|text| read(text, slot, slot.label().to_owned()))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            identity: list(Slot::Identity, &documents.identity, "identity")?,
            permission_boundary: list(
                Slot::PermissionBoundary,
                &documents.permission_boundary,
                "permission_boundary",
            )?,
            session: one(Slot::Session, &documents.session)?,
            resource: one(Slot::Resource, &documents.resource)?,
            service_control: levels(Slot::ServiceControl, &documents.service_control)?,
            resource_control: levels(Slot::ResourceControl, &documents.resource_control)?,
            vpc_endpoint: list(Slot::VpcEndpoint, &documents.vpc_endpoint, "vpc_endpoint")?,
        })
    }

    /// Attaches one more policy. Organization policies become a level of their own.
    pub fn attach(&mut self, slot: Slot, policy: &Policy) -> Result<(), Refused> {
        let name = slot.label();
        let at = |list: &[Attached]| format!("{name}[{}]", list.len());
        let level = |levels: &[Vec<Attached>]| format!("{name}[{}][0]", levels.len());
        match slot {
            Slot::Identity => self.identity.push(compiled(policy, slot, at(&self.identity))?),
            Slot::PermissionBoundary => {
                let label = at(&self.permission_boundary);
                self.permission_boundary.push(compiled(policy, slot, label)?);
            }
            Slot::Session => self.session = vec![compiled(policy, slot, name.to_owned())?],
            Slot::Resource => self.resource = vec![compiled(policy, slot, name.to_owned())?],
            Slot::ServiceControl => {
                self.service_control.push(vec![compiled(policy, slot, level(&self.service_control))?]);
            }
            Slot::ResourceControl => {
                self.resource_control.push(vec![compiled(policy, slot, level(&self.resource_control))?]);
            }
            Slot::VpcEndpoint => self.vpc_endpoint.push(compiled(policy, slot, at(&self.vpc_endpoint))?),
        }
        Ok(())
    }

    /// The statements of every policy that is attached here.
    pub(in crate::policy) fn statements(&self, wanted: Slot) -> impl Iterator<Item = &Statement> {
        let here = self.all().filter(move |(slot, _)| *slot == wanted);
        here.flat_map(|(_, attached)| &attached.policy.statements)
    }

    /// The policy of a place.
    pub(super) fn at(&self, place: Place) -> Option<&Attached> {
        let list = match place.slot {
            Slot::Identity => &self.identity,
            Slot::PermissionBoundary => &self.permission_boundary,
            Slot::Session => &self.session,
            Slot::Resource => &self.resource,
            Slot::ServiceControl => self.service_control.get(place.level)?,
            Slot::ResourceControl => self.resource_control.get(place.level)?,
            Slot::VpcEndpoint => &self.vpc_endpoint,
        };
        list.get(place.policy)
    }

    /// All of them with where they are attached, in the order of an answer.
    pub(super) fn all(&self) -> impl Iterator<Item = (Slot, &Attached)> {
        let attached = [
            (Slot::Identity, &self.identity),
            (Slot::PermissionBoundary, &self.permission_boundary),
            (Slot::Session, &self.session),
            (Slot::Resource, &self.resource),
        ];
        let service = self.service_control.iter().map(|level| (Slot::ServiceControl, level));
        let resource = self.resource_control.iter().map(|level| (Slot::ResourceControl, level));
        let lists = attached.into_iter().chain(service).chain(resource);
        let lists = lists.chain(std::iter::once((Slot::VpcEndpoint, &self.vpc_endpoint)));
        lists.flat_map(|(slot, list)| list.iter().map(move |attached| (slot, attached)))
    }
}

impl Slot {
    /// The field of the question.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::PermissionBoundary => "permission_boundary",
            Self::Session => "session",
            Self::Resource => "resource",
            Self::ServiceControl => "service_control",
            Self::ResourceControl => "resource_control",
            Self::VpcEndpoint => "vpc_endpoint",
        }
    }
}

impl From<Slot> for DecidedBy {
    fn from(slot: Slot) -> Self {
        match slot {
            Slot::Identity => Self::Identity,
            Slot::PermissionBoundary => Self::PermissionBoundary,
            Slot::Session => Self::Session,
            Slot::Resource => Self::Resource,
            Slot::ServiceControl => Self::Scp,
            Slot::ResourceControl => Self::Rcp,
            Slot::VpcEndpoint => Self::VpcEndpoint,
        }
    }
}

fn list(slot: Slot, documents: &[Box<RawValue>], name: &str) -> Result<Vec<Attached>, Refused> {
    let numbered = documents.iter().enumerate();
    numbered.map(|(at, text)| read(text, slot, format!("{name}[{at}]"))).collect()
}

fn levels(slot: Slot, levels: &[Vec<Box<RawValue>>]) -> Result<Vec<Vec<Attached>>, Refused> {
    let numbered = levels.iter().enumerate();
    numbered.map(|(at, level)| list(slot, level, &format!("{}[{at}]", slot.label()))).collect()
}

/// Reads a document, or a string that holds one, as AWS returns bucket policies.
fn read(document: &RawValue, slot: Slot, label: String) -> Result<Attached, Refused> {
    let inner: Option<String> = serde_json::from_str(document.get()).ok();
    let text = inner.as_deref().unwrap_or(document.get());
    match parse::parse(text) {
        Ok(policy) => compiled(&policy, slot, label),
        Err(findings) => {
            let first = findings.first();
            let invalid = Invalid {
                line: first.map_or(1, |finding| finding.line),
                column: first.map_or(1, |finding| finding.column),
                message: first.map_or_else(String::new, |finding| finding.message.clone()),
            };
            Err(Refused { slot, label, invalid })
        }
    }
}

fn compiled(policy: &Policy, slot: Slot, label: String) -> Result<Attached, Refused> {
    match compile::compile(policy, slot) {
        Ok(policy) => Ok(Attached { label: label.into(), policy }),
        Err(invalid) => Err(Refused { slot, label, invalid }),
    }
}
