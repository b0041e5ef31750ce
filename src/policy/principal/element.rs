//! The principal element of a statement.

use super::caller::is_service_name;
use super::{Caller, CallerKind, last_part, split_arn};
use crate::policy::document::{self, PrincipalKind, Who};
use crate::policy::request::is_account;

/// `Principal` or `NotPrincipal`, ready to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) struct Principals {
    /// True for `NotPrincipal`.
    pub(in crate::policy) not: bool,
    who: Box<[Principal]>,
}

/// What an Allow of a resource policy is worth to the one it names. Greater is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::policy) enum Grant {
    /// Named by account: the account may hand it on, with policies of its own.
    Delegated,
    /// Named by role: the boundary and the session policy still limit it.
    Role,
    /// Named as user or session, or as everybody: what its own policies leave out does not matter.
    Direct,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Principal {
    Everyone,
    Account(Box<str>),
    User(Box<str>),
    Role {
        arn: Box<str>,
        account: Box<str>,
        /// Without the path.
        name: Box<str>,
    },
    /// A session or a federated user.
    Session(Box<str>),
    Canonical(Box<str>),
    Service(Box<str>),
    Federated(Box<str>),
    /// The id of an identity that was deleted: nobody.
    Deleted,
}

impl Principals {
    /// Reads the element. The error says what makes the policy invalid.
    pub(in crate::policy) fn new(element: &document::Principals) -> Result<Self, String> {
        let who: Result<Box<[_]>, String> = match &element.who {
            Who::Everyone => Ok([Principal::Everyone].into()),
            Who::Named(kinds) => kinds
                .iter()
                .flat_map(|(kind, names)| names.iter().map(|name| Principal::new(*kind, &name.value)))
                .collect(),
        };
        Ok(Self { not: element.not, who: who? })
    }

    /// Whether it is everybody, and nobody besides.
    pub(in crate::policy) fn is_everyone(&self) -> bool {
        !self.not && self.who.contains(&Principal::Everyone)
    }

    /// Whether it names an identity that was deleted.
    pub(in crate::policy) fn names_deleted(&self) -> bool {
        self.who.contains(&Principal::Deleted)
    }

    /// How the caller is meant, when it is meant. `canonical_id` is that of its account.
    ///
    /// `NotPrincipal` spares a caller only when its account is listed too, and for a session its role. With a
    /// permissions boundary it spares nobody.
    pub(in crate::policy) fn grant(
        &self,
        caller: &Caller,
        canonical_id: Option<&str>,
        has_boundary: bool,
    ) -> Option<Grant> {
        let grants = self.who.iter().filter_map(|principal| principal.grant(caller, canonical_id));
        if !self.not {
            return grants.max();
        }
        let is_spared = !has_boundary && self.spares(caller, canonical_id);
        (!is_spared).then_some(Grant::Direct)
    }

    fn spares(&self, caller: &Caller, canonical_id: Option<&str>) -> bool {
        let lists = |wanted: fn(&Principal) -> bool| {
            self.who
                .iter()
                .any(|principal| wanted(principal) && principal.grant(caller, canonical_id).is_some())
        };
        let account =
            || lists(|principal| matches!(principal, Principal::Account(_) | Principal::Canonical(_)));
        let role = || lists(|principal| matches!(principal, Principal::Role { .. }));
        if lists(|principal| matches!(principal, Principal::Everyone)) {
            return true;
        }
        match caller.kind {
            CallerKind::Anonymous => false,
            CallerKind::Service => lists(|principal| matches!(principal, Principal::Service(_))),
            CallerKind::Federated => lists(|principal| matches!(principal, Principal::Federated(_))),
            CallerKind::Root => account(),
            CallerKind::User => account() && lists(|principal| matches!(principal, Principal::User(_))),
            CallerKind::Role => account() && role(),
            CallerKind::Session => {
                account() && role() && lists(|principal| matches!(principal, Principal::Session(_)))
            }
            CallerKind::FederatedUser => {
                account() && lists(|principal| matches!(principal, Principal::Session(_)))
            }
        }
    }
}

impl Principal {
    fn new(kind: PrincipalKind, text: &str) -> Result<Self, String> {
        if text == "*" && kind == PrincipalKind::Aws {
            return Ok(Self::Everyone);
        }
        if text.contains(['*', '?']) {
            return Err(format!(
                "`{text}` has a wildcard, and principals have none; name `*` and limit it with `ArnLike` on `aws:PrincipalArn`"
            ));
        }
        match kind {
            PrincipalKind::Aws => aws(text).ok_or_else(|| {
                format!(
                    "`{text}` is no AWS principal; write an account of twelve digits or the ARN of a user, role, session or root"
                )
            }),
            PrincipalKind::Service if is_service_name(text) => Ok(Self::Service(text.into())),
            PrincipalKind::Service => {
                Err(format!("`{text}` is no service; write a name such as `cloudtrail.amazonaws.com`"))
            }
            PrincipalKind::Federated => Ok(Self::Federated(text.into())),
            PrincipalKind::CanonicalUser => Ok(Self::Canonical(text.into())),
        }
    }

    fn grant(&self, caller: &Caller, canonical_id: Option<&str>) -> Option<Grant> {
        let is_caller = |text: &str| *caller.text == *text;
        match self {
            Self::Everyone => Some(Grant::Direct),
            Self::Account(account) => (caller.account.as_ref() == Some(account)).then_some(Grant::Delegated),
            Self::Canonical(id) => {
                (caller.is_identity() && canonical_id == Some(id)).then_some(Grant::Delegated)
            }
            Self::Role { arn, account, name } => is_role(caller, arn, account, name).then_some(Grant::Role),
            Self::User(text) | Self::Session(text) | Self::Service(text) | Self::Federated(text) => {
                is_caller(text).then_some(Grant::Direct)
            }
            Self::Deleted => None,
        }
    }
}

/// A role covers its sessions. Their ARN lacks the path of the role, so without `aws:PrincipalArn` the name decides.
fn is_role(caller: &Caller, arn: &str, account: &str, name: &str) -> bool {
    match caller.kind {
        CallerKind::Role => *caller.text == *arn,
        CallerKind::Session => match &caller.role_arn {
            Some(role_arn) => **role_arn == *arn,
            None => caller.account.as_deref() == Some(account) && *caller.name == *name,
        },
        _ => false,
    }
}

fn aws(text: &str) -> Option<Principal> {
    if is_account(text) {
        return Some(Principal::Account(text.into()));
    }
    if is_unique_id(text) {
        return Some(Principal::Deleted);
    }
    if text.starts_with("arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity ") {
        return Some(Principal::User(text.into()));
    }
    let (service, account, last) = split_arn(text)?;
    Some(match (service, last.split_once('/')) {
        ("iam", None) if last == "root" => Principal::Account(account.into()),
        ("iam", Some(("user", _))) => Principal::User(text.into()),
        ("iam", Some(("role", rest))) => {
            Principal::Role { arn: text.into(), account: account.into(), name: last_part(rest).into() }
        }
        ("sts", Some(("assumed-role" | "federated-user", _))) => Principal::Session(text.into()),
        _ => return None,
    })
}

/// What IAM shows in place of a user or role that is gone.
fn is_unique_id(text: &str) -> bool {
    (16..=128).contains(&text.len())
        && ["AIDA", "AROA"].iter().any(|prefix| text.starts_with(prefix))
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}
