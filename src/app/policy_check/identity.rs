//! Who asks: as STS says, as the role of the resource says, or as the caller says.

use crate::app::App;
use crate::app::connect::identity_target;
use crate::app::connection::Plan;
use crate::app::policy_check::accounts::Accounts;
use crate::app::policy_check::facts::Principal;

/// Who asks, and how that is known.
#[derive(Debug, Clone)]
pub(in crate::app) struct Asking {
    pub(super) principal: Principal,
    pub(super) known_by: String,
}

impl App {
    /// Asks STS where the provider has it and nothing else tells. `given` is what the caller says.
    pub(in crate::app) async fn who_asks(
        &self,
        plan: &Plan,
        given: Option<&str>,
        accounts: &mut Accounts,
    ) -> Asking {
        if let Some(asking) = without_asking(plan, given, accounts) {
            return asking;
        }
        let (base, target) = match identity_target(plan) {
            Ok(asked) => asked,
            Err(reason) => return Asking::unknown(reason),
        };
        match self.identities.caller_identity(base, &target).await {
            Ok(arn) => told(&arn, accounts),
            Err(error) => Asking::unknown(format!("GetCallerIdentity was not answered ({})", error.code)),
        }
    }
}

/// The same with what STS has said already.
pub(in crate::app) fn as_told(plan: &Plan, arn: Option<&str>, accounts: &mut Accounts) -> Asking {
    without_asking(plan, None, accounts).unwrap_or_else(|| match arn {
        Some(arn) => told(arn, accounts),
        None => Asking::unknown("STS did not say whose the key is".to_owned()),
    })
}

fn without_asking(plan: &Plan, given: Option<&str>, accounts: &mut Accounts) -> Option<Asking> {
    if plan.base.is_none() {
        let known_by = "requests are not signed".to_owned();
        return Some(Asking { principal: Principal::Anonymous, known_by });
    }
    if let Some(given) = given {
        let known_by = "it came with the request".to_owned();
        return Some(Asking { principal: known(accounts.lend(given), None), known_by });
    }
    // whoever assumes it, policies see the role and its session
    let role = plan.role.as_ref()?;
    let session = session_arn(&role.arn, &role.session_name)?;
    let principal = known(accounts.lend(&session), Some(accounts.lend(&role.arn)));
    Some(Asking { principal, known_by: "the resource assumes the role".to_owned() })
}

fn told(arn: &str, accounts: &mut Accounts) -> Asking {
    let lent = accounts.lend(arn);
    if !is_identity(&lent) {
        return Asking::unknown(format!("STS says `{arn}`, which policies cannot name"));
    }
    Asking { principal: known(lent, None), known_by: "STS says so".to_owned() }
}

fn known(arn: String, role: Option<String>) -> Principal {
    Principal::Known { arn, role }
}

impl Asking {
    /// A session that was given is of the role that the resource assumes.
    pub(super) fn take_role_of(&mut self, own: &Principal) {
        if let (Principal::Known { arn, role: None }, Principal::Known { arn: same, role: Some(role) }) =
            (&self.principal, own)
            && arn == same
        {
            self.principal = known(same.clone(), Some(role.clone()));
        }
    }

    fn unknown(known_by: String) -> Asking {
        Asking { principal: Principal::Unknown, known_by }
    }
}

/// Whether it is a session, or a role that acts only in sessions, that something else than the resource made: nobody
/// knows with which policy. Of somebody who is not known it may be one, unless the key is one that does not end.
pub(super) fn has_foreign_session(principal: &Principal, plan: &Plan, is_own: bool) -> bool {
    match principal {
        Principal::Anonymous => false,
        _ if is_own && plan.role.is_some() => false,
        Principal::Known { arn, .. } => {
            [":assumed-role/", ":federated-user/", ":role/"].iter().any(|kind| arn.contains(kind))
        }
        Principal::Unknown => !plan.has_lasting_key(),
    }
}

/// Whether the one that is given is whose key the resource has: itself, or the role of its session. Where nobody says
/// whose it is, unless the account that the bucket should have is another one.
pub(super) fn is_own(given: &Principal, own: &Principal, owner: Option<&str>) -> bool {
    let Principal::Known { arn: given, .. } = given else { return given == own };
    match own {
        Principal::Known { arn, role } => {
            given == arn
                || role.as_ref() == Some(given)
                || role_of(arn).is_some_and(|role| role == name_of(given))
        }
        Principal::Unknown => owner.is_none() || owner == given.split(':').nth(4),
        Principal::Anonymous => false,
    }
}

/// Account and name of the role of a session. No two roles of an account have one name.
fn role_of(session: &str) -> Option<(&str, &str)> {
    let (head, rest) = session.split_once(":assumed-role/")?;
    Some((head.rsplit(':').next()?, rest.split('/').next()?))
}

/// The same of a role; of others nothing that a role could have.
fn name_of(arn: &str) -> (&str, &str) {
    let Some((head, path)) = arn.split_once(":role/") else { return ("", "") };
    (head.rsplit(':').next().unwrap_or_default(), path.rsplit('/').next().unwrap_or_default())
}

/// A user, role, session, federated user or root.
pub(super) fn is_identity(arn: &str) -> bool {
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", _, service, "", account, rest] = fields.as_slice() else { return false };
    let kinds: &[&str] = match *service {
        "iam" => &["user/", "role/"],
        "sts" => &["assumed-role/", "federated-user/"],
        _ => return false,
    };
    account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && !rest.contains(['*', '?', '$'])
        && (*rest == "root" || kinds.iter().any(|kind| rest.len() > kind.len() && rest.starts_with(kind)))
}

/// The ARN of a role's session, which has no path (IAM user guide, principal elements).
pub(in crate::app) fn session_arn(role: &str, session: &str) -> Option<String> {
    let (head, path) = role.split_once(":role/")?;
    let name = path.rsplit('/').next()?;
    Some(format!("{}:assumed-role/{name}/{session}", head.replacen(":iam:", ":sts:", 1)))
}

#[cfg(test)]
mod tests {
    use super::{is_identity, is_own, session_arn};
    use crate::app::policy_check::facts::Principal;

    #[test]
    fn a_principal_that_is_given_is_the_key_s_own_only_when_it_is_the_same() {
        let known = |arn: &str| Principal::Known { arn: format!("arn:aws:{arn}"), role: None };
        let (user, session) =
            (known("iam::111122223333:user/a"), known("sts::111122223333:assumed-role/app/i-1"));
        for (given, own, owner, expected) in [
            (&user, &user, None, true),
            (&known("iam::111122223333:user/b"), &user, None, false),
            (&known("iam::444455556666:user/a"), &user, None, false),
            (&known("iam::111122223333:role/team/app"), &session, None, true),
            (&known("iam::111122223333:role/team/other"), &session, None, false),
            (&user, &Principal::Unknown, None, true),
            (&user, &Principal::Unknown, Some("111122223333"), true),
            (&user, &Principal::Unknown, Some("444455556666"), false),
        ] {
            assert_eq!(is_own(given, own, owner), expected, "{given:?} {own:?}");
        }
    }

    #[test]
    fn a_session_is_named_without_the_path_of_its_role() {
        let role = "arn:aws:iam::111122223333:role/team/invoices";
        let session = "arn:aws:sts::111122223333:assumed-role/invoices/s3c";
        assert_eq!(session_arn(role, "s3c").as_deref(), Some(session));
        assert_eq!(session_arn("arn:aws:iam::111122223333:user/a", "s3c"), None);
    }

    #[test]
    fn what_policies_cannot_name_is_no_identity() {
        for good in
            ["iam::111122223333:user/a", "sts::111122223333:assumed-role/r/s", "iam::111122223333:root"]
        {
            assert!(is_identity(&format!("arn:aws:{good}")), "{good}");
        }
        for bad in [
            "sts::123456789012:user/moto",
            "iam::1:user/a",
            "iam::111122223333:user/*",
            "iam::111122223333:user/",
            "s3:::b",
        ] {
            assert!(!is_identity(&format!("arn:aws:{bad}")), "{bad}");
        }
    }
}
