//! The principal of a request.

use super::{last_part, split_arn};

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) struct Caller {
    pub(in crate::policy) kind: CallerKind,
    /// The account of twelve digits. None for services and for anonymous requests.
    pub(in crate::policy) account: Option<Box<str>>,
    /// The principal as given: an ARN, the name of a service or `anonymous`.
    pub(in crate::policy) text: Box<str>,
    /// The name of a user or role, without the path.
    pub(super) name: Box<str>,
    /// The ARN of the role of a session, when the request tells it: the session's own ARN lacks the path.
    pub(super) role_arn: Option<Box<str>>,
}

/// The kinds of caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::policy) enum CallerKind {
    /// A request without a signature.
    Anonymous,
    /// An AWS service for itself.
    Service,
    /// The root user of an account.
    Root,
    User,
    /// A role, whatever its session is called.
    Role,
    /// One session of a role.
    Session,
    /// A user of `GetFederationToken`.
    FederatedUser,
    /// What an identity provider vouches for, before it has a role.
    Federated,
}

impl Caller {
    /// Reads the principal of a request. `role_arn` is what the request says in `aws:PrincipalArn`.
    pub(in crate::policy) fn parse(text: &str, role_arn: Option<&str>) -> Result<Self, String> {
        let (kind, account, name) = read(text).ok_or_else(|| {
            format!(
                "`{text}` is no principal; write the ARN of a user, role, session or root, the name of a service such as \
                 `cloudtrail.amazonaws.com`, or `anonymous`"
            )
        })?;
        let is_session = kind == CallerKind::Session;
        let is_role_of_session = |role: &str| {
            let parts = split_arn(role).filter(|(service, ..)| *service == "iam");
            parts.is_some_and(|(_, owner, last)| {
                Some(owner) == account && last.starts_with("role/") && last_part(last) == name
            })
        };
        if let Some(role) = role_arn.filter(|role| is_session && !is_role_of_session(role)) {
            return Err(format!(
                "`{role}` in `aws:PrincipalArn` is not the role of `{text}`; write the role's ARN, or leave it out"
            ));
        }
        let role_arn = role_arn.filter(|_| is_session).map(Into::into);
        let caller =
            Self { kind, account: account.map(Into::into), text: text.into(), name: name.into(), role_arn };
        Ok(caller)
    }

    /// The ARN that `aws:PrincipalArn` has: for a session that of its role.
    pub(in crate::policy) fn principal_arn(&self) -> Option<String> {
        match self.kind {
            CallerKind::Anonymous | CallerKind::Service | CallerKind::Federated => None,
            CallerKind::Session => self.role_arn.as_deref().map(str::to_owned).or_else(|| {
                let partition = self.text.split(':').nth(1)?;
                Some(format!("arn:{partition}:iam::{}:role/{}", self.account.as_deref()?, self.name))
            }),
            _ => Some(self.text.to_string()),
        }
    }

    /// The name of a user; other callers have no `aws:username`.
    pub(in crate::policy) fn user_name(&self) -> Option<&str> {
        (self.kind == CallerKind::User).then_some(&*self.name)
    }

    /// The value of `aws:PrincipalType`.
    pub(in crate::policy) fn principal_type(&self) -> Option<&'static str> {
        match self.kind {
            CallerKind::Anonymous => Some("Anonymous"),
            CallerKind::Root => Some("Account"),
            CallerKind::User => Some("User"),
            CallerKind::Role | CallerKind::Session => Some("AssumedRole"),
            CallerKind::FederatedUser => Some("FederatedUser"),
            CallerKind::Service | CallerKind::Federated => None,
        }
    }

    /// Service-linked roles are bound by no organization policy.
    pub(in crate::policy) fn is_service_linked_role(&self) -> bool {
        match self.kind {
            CallerKind::Role => self.text.contains(":role/aws-service-role/"),
            CallerKind::Session => match &self.role_arn {
                Some(arn) => arn.contains(":role/aws-service-role/"),
                None => self.name.starts_with("AWSServiceRoleFor"),
            },
            _ => false,
        }
    }

    /// Whether it has an account, and with it policies of its own.
    pub(in crate::policy) fn is_identity(&self) -> bool {
        self.account.is_some()
    }
}

fn read(text: &str) -> Option<(CallerKind, Option<&str>, &str)> {
    if text == "anonymous" {
        return Some((CallerKind::Anonymous, None, ""));
    }
    if is_service_name(text) {
        return Some((CallerKind::Service, None, ""));
    }
    if text.contains(['*', '?']) {
        return None;
    }
    let (service, account, last) = split_arn(text)?;
    let (kind, rest) = match (service, last.split_once('/')) {
        ("iam", None) if last == "root" => (CallerKind::Root, last),
        ("iam", Some(("user", rest))) => (CallerKind::User, rest),
        ("iam", Some(("role", rest))) => (CallerKind::Role, rest),
        ("iam", Some(("saml-provider" | "oidc-provider", _))) => {
            return Some((CallerKind::Federated, None, ""));
        }
        ("sts", Some(("federated-user", rest))) => (CallerKind::FederatedUser, rest),
        ("sts", Some(("assumed-role", rest))) => {
            let (role, session) = rest.split_once('/').filter(|(_, session)| !session.contains('/'))?;
            return (!role.is_empty() && !session.is_empty()).then_some((
                CallerKind::Session,
                Some(account),
                role,
            ));
        }
        _ => return None,
    };
    (!last_part(rest).is_empty()).then_some((kind, Some(account), last_part(rest)))
}

/// `name.amazonaws.com`, with a region or the suffix of China perhaps.
pub(super) fn is_service_name(text: &str) -> bool {
    let name = text.strip_suffix(".amazonaws.com").or_else(|| text.strip_suffix(".amazonaws.com.cn"));
    name.is_some_and(|name| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
    })
}
