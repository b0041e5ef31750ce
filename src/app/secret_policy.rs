//! What identities need to read the secrets in use: the least IAM policy of every source at AWS.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::app::source::Source;
use crate::app::usage::Use;
use crate::app::{App, Error};
use crate::cache::SecretKey;
use crate::model::principal::Caller;
use crate::model::secret::{AwsSource, SourceKind};

/// What stands for an account that is not known.
const UNKNOWN_ACCOUNT: &str = "ACCOUNT";
/// Characters of a managed policy, blanks not counted ("IAM and AWS STS quotas").
const MOST_POLICY_CHARACTERS: usize = 6_144;
/// KMS keys that one request may name.
const MOST_KEYS: usize = 100;

/// Which policy.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretPolicyWanted {
    /// Only this source; absent for every source at AWS.
    #[serde(default)]
    #[schema(example = "aws-prod")]
    pub source: Option<String>,
    /// Also allow to list names (`ListSecrets`).
    #[serde(default)]
    pub list: bool,
    /// Also allow to read in batches (`BatchGetSecretValue`).
    #[serde(default)]
    pub batch: bool,
    /// The account of the secrets; absent takes it from ARNs that are known.
    #[serde(default)]
    #[schema(example = "111122223333")]
    pub account: Option<String>,
    /// ARNs of the KMS keys that the secrets are encrypted with, where they are not AWS's own.
    #[serde(default)]
    pub kms_key_arns: Vec<String>,
}

/// The policies of a project.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SecretPolicies {
    /// One a source, by name.
    pub policies: Vec<SourcePolicy>,
}

/// The least policy of one source.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SourcePolicy {
    /// The source.
    pub source: String,
    /// Its region.
    pub region: String,
    /// The account; absent when it is not known, and `ACCOUNT` stands for it.
    pub account: Option<String>,
    /// How many secrets the policy names.
    pub secrets: usize,
    /// The document; absent when there is nothing to allow.
    #[schema(value_type = Option<Object>)]
    pub policy: Option<Value>,
    /// What to mind.
    pub notes: Vec<String>,
}

/// One thing that an identity must be allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NeededPermission {
    /// The IAM action.
    pub action: &'static str,
    /// What it is needed on.
    pub resource: String,
    /// When it is needed; absent for always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<&'static str>,
}

/// A source at AWS and the distinct secrets and versions that resources name.
pub(super) struct InUse {
    pub(super) source: Arc<Source>,
    pub(super) keys: Vec<SecretKey>,
}

impl App {
    /// The least IAM policy for the references in use, of each source at AWS.
    pub fn secret_policies(
        &self,
        caller: &Caller,
        wanted: &SecretPolicyWanted,
    ) -> Result<SecretPolicies, Error> {
        check(wanted)?;
        let in_use = self.secrets_in_use(caller, wanted.source.as_deref())?;
        let policies = in_use.iter().filter_map(|in_use| self.source_policy(in_use, wanted));
        Ok(SecretPolicies { policies: policies.collect() })
    }

    /// What the project's resources use of each source at AWS, by name; also of those that nobody uses.
    pub(super) fn secrets_in_use(&self, caller: &Caller, only: Option<&str>) -> Result<Vec<InUse>, Error> {
        let sources = match only {
            Some(name) => vec![self.known_source(caller, name)?],
            None => self.registry.state().visible_sources(&caller.project.id),
        };
        if let (Some(name), Some(source)) = (only, sources.first())
            && source.record.definition.kind == SourceKind::Local
        {
            return Err(Error::BadRequest(format!(
                "the source `{name}` is local: nothing is asked of AWS; name a source of kind `aws`"
            )));
        }
        let resources = self.registry.state().resources(&caller.project.id);
        let uses: Vec<Use> = resources.iter().flat_map(|resource| self.uses(&resource.record)).collect();
        let at_aws = sources.into_iter().filter(|source| source.record.definition.kind != SourceKind::Local);
        Ok(at_aws.map(|source| InUse { keys: keys_of(&source, &uses), source }).collect())
    }

    /// What must be allowed to read one secret.
    pub(super) fn needed_permissions(&self, source: &Source, key: &SecretKey) -> Vec<NeededPermission> {
        let SourceKind::Aws(aws) = &source.record.definition.kind else { return Vec::new() };
        let account = self.account_of(aws, std::slice::from_ref(key));
        let always = |action, resource| NeededPermission { action, resource, when: None };
        let mut needed =
            vec![always("secretsmanager:GetSecretValue", self.arn_of(aws, key, account.as_deref()))];
        needed.push(NeededPermission {
            action: "kms:Decrypt",
            resource: "the KMS key of the secret".to_owned(),
            when: Some(
                "the secret is encrypted with a KMS key of your own, and not with `aws/secretsmanager`",
            ),
        });
        if aws.follow_rotation {
            let arn = self.arn_of(aws, key, account.as_deref());
            needed.push(always("secretsmanager:DescribeSecret", arn));
        }
        if let Some(role) = &aws.assume_role {
            needed.push(always("sts:AssumeRole", role.role_arn.clone()));
        }
        needed
    }

    fn source_policy(&self, in_use: &InUse, wanted: &SecretPolicyWanted) -> Option<SourcePolicy> {
        let definition = &in_use.source.record.definition;
        let SourceKind::Aws(aws) = &definition.kind else { return None };
        let account = wanted.account.clone().or_else(|| self.account_of(aws, &in_use.keys));
        let (named, strange): (Vec<&SecretKey>, Vec<&SecretKey>) =
            in_use.keys.iter().partition(|key| is_plain(&key.secret));
        let arns: BTreeSet<String> =
            named.iter().map(|key| self.arn_of(aws, key, account.as_deref())).collect();
        let policy = document(&arns, aws, wanted);
        let mut notes = notes(aws, &arns, policy.as_ref(), wanted);
        notes.extend(strange.iter().map(|key| {
            format!(
                "`{}` is left out: it is no name of a secret, correct the alias or the namespace",
                key.secret
            )
        }));
        Some(SourcePolicy {
            source: definition.name.to_string(),
            region: aws.region.clone(),
            secrets: arns.len(),
            account,
            policy,
            notes,
        })
    }

    /// The account that names belong to: of a secret that was read by its name, of the role that the source assumes,
    /// or of the ARNs that are named, when they agree.
    fn account_of(&self, aws: &AwsSource, keys: &[SecretKey]) -> Option<String> {
        let read = keys.iter().filter(|key| !key.secret.starts_with("arn:")).find_map(|key| {
            let entry = self.cache.peek(key)?;
            account_in(entry.secret.arn.as_deref()?)
        });
        let role = || aws.assume_role.as_ref().and_then(|role| account_in(&role.role_arn));
        let named = || {
            let accounts: BTreeSet<String> = keys.iter().filter_map(|key| account_in(&key.secret)).collect();
            if accounts.len() == 1 { accounts.into_iter().next() } else { None }
        };
        read.or_else(role).or_else(named)
    }

    fn arn_of(&self, aws: &AwsSource, key: &SecretKey, account: Option<&str>) -> String {
        let known = self.cache.peek(key).and_then(|entry| entry.secret.arn.clone());
        resource_arn(&aws.region, account, &key.secret, known.as_deref())
    }
}

fn keys_of(source: &Source, uses: &[Use]) -> Vec<SecretKey> {
    let targets = uses.iter().filter_map(|used| used.target.as_ref().ok());
    let own = targets.filter(|(target, _)| target.record.id == source.record.id);
    let distinct: BTreeMap<(Arc<str>, Arc<str>), SecretKey> =
        own.map(|(_, key)| ((Arc::clone(&key.secret), Arc::clone(&key.pin)), key.clone())).collect();
    distinct.into_values().collect()
}

fn check(wanted: &SecretPolicyWanted) -> Result<(), Error> {
    if let Some(account) = wanted.account.as_ref().filter(|account| !is_account(account)) {
        let shown: String = account.chars().take(80).collect();
        return Err(Error::BadRequest(format!("`{shown}` is not an account: give its 12 digits")));
    }
    if wanted.kms_key_arns.len() > MOST_KEYS {
        return Err(Error::BadRequest(format!("`kms_key_arns` takes at most {MOST_KEYS} keys")));
    }
    let is_key = |arn: &String| {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [start, _, service, _, account, key] = parts.as_slice() else { return false };
        let named = key.strip_prefix("key/").is_some_and(|id| !id.is_empty());
        *start == "arn" && *service == "kms" && is_account(account) && named && !arn.contains(['*', '?', '$'])
    };
    match wanted.kms_key_arns.iter().find(|arn| !is_key(arn)) {
        None => Ok(()),
        Some(arn) => {
            let shown: String = arn.chars().take(120).collect();
            Err(Error::BadRequest(format!(
                "`{shown}` is not the ARN of a KMS key: give one such as `arn:aws:kms:REGION:ACCOUNT:key/ID`"
            )))
        }
    }
}

/// The document: exact names, sorted. `ListSecrets` and `BatchGetSecretValue` know no resources.
fn document(arns: &BTreeSet<String>, aws: &AwsSource, wanted: &SecretPolicyWanted) -> Option<Value> {
    let allow = |sid: &str, action: &str, resource: Value| json!({"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource});
    let mut statements = Vec::new();
    if !arns.is_empty() {
        statements.push(allow("ReadSecrets", "secretsmanager:GetSecretValue", json!(arns)));
    }
    if !arns.is_empty() && aws.follow_rotation {
        statements.push(allow("FollowRotation", "secretsmanager:DescribeSecret", json!(arns)));
    }
    if wanted.batch {
        statements.push(allow("ReadInBatches", "secretsmanager:BatchGetSecretValue", json!("*")));
    }
    if wanted.list {
        statements.push(allow("ListSecrets", "secretsmanager:ListSecrets", json!("*")));
    }
    if !wanted.kms_key_arns.is_empty() {
        let keys: BTreeSet<&String> = wanted.kms_key_arns.iter().collect();
        let service = format!("secretsmanager.{}.amazonaws.com", aws.region);
        statements.push(json!({
            "Sid": "DecryptSecrets", "Effect": "Allow", "Action": "kms:Decrypt", "Resource": keys,
            "Condition": {"StringEquals": {"kms:ViaService": service}},
        }));
    }
    (!statements.is_empty()).then(|| json!({"Version": "2012-10-17", "Statement": statements}))
}

fn notes(
    aws: &AwsSource,
    arns: &BTreeSet<String>,
    policy: Option<&Value>,
    wanted: &SecretPolicyWanted,
) -> Vec<String> {
    let mut notes = Vec::new();
    if arns.is_empty() {
        notes.push("no resource uses a secret of this source".to_owned());
    }
    if arns.iter().any(|arn| arn.contains(&format!(":{UNKNOWN_ACCOUNT}:"))) {
        notes.push(format!(
            "the account is not known yet: give `account`, or put it in place of `{UNKNOWN_ACCOUNT}`"
        ));
    }
    if let Some(role) = &aws.assume_role {
        notes.push(format!(
            "the policy belongs to the role `{0}`; the source's own identity needs `sts:AssumeRole` on `{0}`",
            role.role_arn
        ));
    }
    if !arns.is_empty() && wanted.kms_key_arns.is_empty() {
        notes.push(
            "secrets that are encrypted with a KMS key of your own need `kms:Decrypt`: name the keys in `kms_key_arns`"
                .to_owned(),
        );
    }
    let characters = policy.map_or(0, |policy| policy.to_string().chars().count());
    if characters > MOST_POLICY_CHARACTERS {
        notes.push(format!(
            "the document has {characters} characters, and a managed policy takes {MOST_POLICY_CHARACTERS}: split its list of secrets"
        ));
    }
    notes
}

/// The resource of one secret in a policy. An ARN ends in six characters that are new when the secret is made again,
/// so a name is followed by `-??????`; a full ARN stays as it is.
fn resource_arn(region: &str, account: Option<&str>, secret: &str, known: Option<&str>) -> String {
    if !secret.starts_with("arn:") {
        let account = account.unwrap_or(UNKNOWN_ACCOUNT);
        return format!("arn:{}:secretsmanager:{region}:{account}:secret:{secret}-??????", partition(region));
    }
    let is_full = match known {
        Some(known) => known == secret,
        None => ends_like_an_arn(secret),
    };
    if is_full { secret.to_owned() } else { format!("{secret}-??????") }
}

fn ends_like_an_arn(secret: &str) -> bool {
    secret
        .rsplit_once('-')
        .is_some_and(|(_, end)| end.len() == 6 && end.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Whether a policy can name it: a wildcard or a variable in an alias must not widen what is allowed.
fn is_plain(secret: &str) -> bool {
    secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+=.@!-:".contains(&byte))
}

/// The partition of a region ("Amazon Resource Names", AWS General Reference).
fn partition(region: &str) -> &'static str {
    let known = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-isob-", "aws-iso-b"),
        ("us-iso-", "aws-iso"),
        ("eusc-", "aws-eusc"),
    ];
    known.iter().find(|(start, _)| region.starts_with(start)).map_or("aws", |(_, partition)| partition)
}

fn account_in(arn: &str) -> Option<String> {
    let account = arn.strip_prefix("arn:")?.split(':').nth(3)?;
    is_account(account).then(|| account.to_owned())
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::{AwsSource, SecretPolicyWanted, account_in, check, document, is_plain, resource_arn};

    const FULL: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:db-AbCdEf";
    const SHORT: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:my-secret";

    fn here() -> AwsSource {
        let text = serde_json::json!({"region": "eu-central-1", "auth": {"kind": "default_chain"}});
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn a_name_gets_its_six_characters_and_a_full_arn_stays() {
        for (region, account, secret, known, wanted) in [
            (
                "eu-central-1",
                Some("111122223333"),
                "a/db",
                None,
                "arn:aws:secretsmanager:eu-central-1:111122223333:secret:a/db-??????",
            ),
            ("cn-north-1", None, "db", None, "arn:aws-cn:secretsmanager:cn-north-1:ACCOUNT:secret:db-??????"),
            (
                "us-gov-west-1",
                None,
                "db",
                None,
                "arn:aws-us-gov:secretsmanager:us-gov-west-1:ACCOUNT:secret:db-??????",
            ),
            ("eu-central-1", None, FULL, None, FULL),
            ("eu-central-1", None, FULL, Some(FULL), FULL),
            // it looks whole, and what was read says that it is not
            (
                "eu-central-1",
                None,
                SHORT,
                Some("arn:aws:secretsmanager:eu-central-1:111122223333:secret:my-secret-AbCdEf"),
                "arn:aws:secretsmanager:eu-central-1:111122223333:secret:my-secret-??????",
            ),
        ] {
            assert_eq!(resource_arn(region, account, secret, known), wanted);
        }
        assert_eq!(account_in(FULL).as_deref(), Some("111122223333"));
        assert_eq!(account_in("db"), None);
    }

    #[test]
    fn nothing_widens_a_policy() {
        assert!(is_plain("a/b_c+d=e.f@g!h-i") && is_plain(FULL));
        for name in ["*", "a*", "a?", "${aws:username}", "a b"] {
            assert!(!is_plain(name), "{name}");
        }
        let with_key =
            |arn: &str| SecretPolicyWanted { kms_key_arns: vec![arn.to_owned()], ..Default::default() };
        assert!(check(&with_key("arn:aws:kms:eu-central-1:111122223333:key/1-2-3")).is_ok());
        for arn in [
            "*",
            "arn:aws:kms:eu-central-1:111122223333:key/*",
            "arn:aws:s3:::b",
            "arn:aws:kms:r:111122223333:key/",
        ] {
            assert!(check(&with_key(arn)).is_err(), "{arn}");
        }
        let account = SecretPolicyWanted { account: Some("*".to_owned()), ..Default::default() };
        assert!(check(&account).is_err());
    }

    #[test]
    fn a_document_holds_what_was_asked_for_and_nothing_else() {
        let arns = BTreeSet::from([FULL.to_owned()]);
        let plain = document(&arns, &here(), &SecretPolicyWanted::default()).unwrap();
        assert_eq!(
            plain["Statement"],
            json!([{"Sid": "ReadSecrets", "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": [FULL]}])
        );
        let all = SecretPolicyWanted {
            list: true,
            batch: true,
            kms_key_arns: vec!["arn:aws:kms:eu-central-1:111122223333:key/1".to_owned()],
            ..Default::default()
        };
        let all = document(&arns, &here(), &all).unwrap();
        let condition = &all["Statement"][3]["Condition"]["StringEquals"]["kms:ViaService"];
        assert_eq!(condition, "secretsmanager.eu-central-1.amazonaws.com");
        assert_eq!(document(&BTreeSet::new(), &here(), &SecretPolicyWanted::default()), None);
    }
}
