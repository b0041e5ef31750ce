//! Accounts of stores that have none of twelve digits: Ceph writes a tenant in their place, most often an empty one
//! (`arn:aws:iam:::user/app`; Ceph Object Gateway, bucket policies). The engine speaks AWS, so each tenant is lent an
//! account, and what is told names the tenant again.

use crate::model::provider::Profile;
use crate::policy::document::{Policy, PrincipalKind, Who};

/// Tenants in the order in which they occurred; the place is the account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::app) struct Accounts {
    tenants: Vec<String>,
    /// Whether the store is AWS: it has accounts, and nothing is lent.
    is_aws: bool,
}

/// The services whose ARNs name identities.
const SERVICES: [&str; 2] = ["iam", "sts"];

impl Accounts {
    /// As the store has them.
    pub(super) fn of(profile: &Profile) -> Accounts {
        Accounts { tenants: Vec::new(), is_aws: profile.is_aws() }
    }

    /// The ARN of an identity with an account of twelve digits. Other texts stay as they are, also those that mean
    /// several accounts (`arn:aws:iam::*:role/app`).
    pub(super) fn lend(&mut self, text: &str) -> String {
        let fields: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", partition, service, region, tenant, rest] = fields.as_slice() else {
            return text.to_owned();
        };
        let is_account = tenant.len() == 12 && tenant.bytes().all(|byte| byte.is_ascii_digit());
        let is_open = tenant.contains(['*', '?']) || tenant.contains("${");
        if self.is_aws || !SERVICES.contains(service) || is_account || is_open {
            return text.to_owned();
        }
        let known = self.tenants.iter().position(|known| known == tenant);
        let place = known.unwrap_or_else(|| {
            self.tenants.push((*tenant).to_owned());
            self.tenants.len() - 1
        });
        format!("arn:{partition}:{service}:{region}:{}:{rest}", account(place))
    }

    /// The same for everybody whom a policy names, also in conditions.
    pub(super) fn lend_policy(&mut self, policy: &mut Policy) {
        for statement in &mut policy.statements {
            if let Some(principals) = &mut statement.principal
                && let Who::Named(kinds) = &mut principals.who
            {
                let of_aws = kinds.iter_mut().filter(|(kind, _)| *kind == PrincipalKind::Aws);
                for name in of_aws.flat_map(|(_, names)| names) {
                    name.value = self.lend(&name.value);
                }
            }
            for value in statement.conditions.iter_mut().flat_map(|condition| &mut condition.values) {
                value.value.text = self.lend(&value.value.text);
            }
        }
    }

    /// A text in which tenants stand again where accounts were lent.
    pub(super) fn give_back(&self, text: &str) -> String {
        self.tenants.iter().enumerate().fold(text.to_owned(), |text, (place, tenant)| {
            SERVICES.iter().fold(text, |text, service| {
                let lent = format!(":{service}::{}:", account(place));
                text.replace(&lent, &format!(":{service}::{tenant}:"))
            })
        })
    }
}

/// Beyond all accounts that AWS gave away so far.
fn account(place: usize) -> String {
    format!("{:012}", 999_999_999_999_usize.saturating_sub(place))
}

#[cfg(test)]
mod tests {
    use super::Accounts;
    use crate::model::provider;
    use crate::policy::parse;

    #[test]
    fn a_tenant_is_lent_an_account_and_named_again() {
        let mut accounts = Accounts::default();
        let user = accounts.lend("arn:aws:iam:::user/app");
        assert_eq!(user, "arn:aws:iam::999999999999:user/app");
        assert_eq!(
            accounts.lend("arn:aws:sts::team:assumed-role/r/s"),
            "arn:aws:sts::999999999998:assumed-role/r/s"
        );
        assert_eq!(accounts.lend("arn:aws:iam:::user/app"), user, "the same one again");
        for same in [
            "arn:aws:iam::111122223333:user/app",
            "arn:aws:s3:::b/k",
            "*",
            "anonymous",
            "arn:aws:iam",
            "arn:aws:iam::*:role/app",
            "arn:aws:iam::11112222????:role/app",
            "arn:aws:iam::${aws:PrincipalAccount}:role/app",
        ] {
            assert_eq!(accounts.lend(same), same);
        }
        let told = accounts.give_back(&format!("`{user}` is not allowed"));
        assert_eq!(told, "`arn:aws:iam:::user/app` is not allowed");
    }

    #[test]
    fn at_aws_nothing_is_lent() {
        let mut accounts = Accounts::of(provider::find("aws").unwrap());
        for same in
            ["arn:aws:iam:::user/app", "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1"]
        {
            assert_eq!(accounts.lend(same), same);
        }
    }

    #[test]
    fn whom_a_policy_names_is_lent_an_account_too() {
        let text = r#"{"Statement": [{"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/a", "*"]},
            "Action": "s3:*", "Resource": "arn:aws:s3:::b", "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam:::role/*"}}}]}"#;
        let mut policy = parse::parse(text).unwrap();
        Accounts::default().lend_policy(&mut policy);
        let printed = crate::policy::print::print(&policy);
        assert!(printed.contains("arn:aws:iam::999999999999:user/a"), "{printed}");
        assert!(printed.contains("arn:aws:iam::999999999999:role/*"), "{printed}");
        assert!(printed.contains("arn:aws:s3:::b"), "{printed}");
    }
}
