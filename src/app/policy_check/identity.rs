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
    fn unknown(known_by: String) -> Asking {
        Asking { principal: Principal::Unknown, known_by }
    }
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
    use super::{is_identity, session_arn};

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
