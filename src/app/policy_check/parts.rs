//! The parts of what decides, as they come from the bucket: what each is, or why it is not known.

use serde_json::Value;

use crate::app::policy_check::accounts::Accounts;
use crate::app::policy_check::documents::Document;
use crate::app::policy_check::facts::{BucketAcl, Read};
use crate::app::policy_check::predict::BUCKET_POLICY;
use crate::aws::s3::AclFound;
use crate::aws::{AwsError, ErrorKind};
use crate::model::acl::AclGrant as StoreGrant;
use crate::model::policy_check::{PartState, PolicyPart};
use crate::model::provider::{Feature, Profile};
use crate::policy::document::Policy;
use crate::policy::request::{AclGrant, BlockPublicAccess, ObjectOwnership};

/// A part and its value.
pub(super) struct Part<T> {
    pub(super) shown: PolicyPart,
    pub(super) value: Read<T>,
}

/// What a read came to.
pub(super) type Asked<T> = Result<Option<T>, AwsError>;

pub(super) fn part(name: &'static str, state: PartState, detail: impl Into<String>) -> PolicyPart {
    PolicyPart { part: name, state, detail: detail.into(), action: None, documents: Vec::new() }
}

/// Not asked for: nothing is sent where the caller may not see it.
pub(super) fn not_read<T>(name: &'static str, why: &str) -> Part<T> {
    Part { shown: part(name, PartState::NotRead, why), value: Read::Unknown }
}

/// A read that failed. What the provider does not have decides nothing, and `without` is what holds then.
fn failed<T>(name: &'static str, error: &AwsError, action: &str, without: Option<T>) -> Part<T> {
    let (state, detail) = match (error.kind, &without) {
        (ErrorKind::Unsupported, Some(_)) => {
            (PartState::NotSupported, format!("the store does not have it ({})", error.code))
        }
        (ErrorKind::AccessDenied, _) => {
            (PartState::Denied, format!("the resource's identity may not read it ({})", error.code))
        }
        _ => (PartState::Failed, format!("{}: {}", error.code, error.message)),
    };
    let value = match (state, without) {
        (PartState::NotSupported, Some(value)) => Read::Is(value),
        _ => Read::Unknown,
    };
    let mut shown = part(name, state, detail);
    shown.action = (state == PartState::Denied).then(|| action.to_owned());
    Part { shown, value }
}

/// The policy of the bucket, and whether reading it proves that the identity is of its account: S3 answers 405 to others
/// (API reference, `GetBucketPolicy`).
pub(super) fn bucket_policy(
    asked: &Asked<String>,
    is_aws: bool,
    accounts: &mut Accounts,
) -> (Part<Option<Policy>>, Option<bool>) {
    const NAME: &str = "bucket_policy";
    match asked {
        Ok(None) => {
            let shown = part(NAME, PartState::None, "the bucket has no policy");
            (Part { shown, value: Read::Is(None) }, Some(true))
        }
        Ok(Some(text)) => {
            let document = Document::read(text, accounts);
            let (state, detail) = match &document.policy {
                Ok(policy) => {
                    (PartState::Read, format!("it has {}", counted(policy.statements.len(), "statement")))
                }
                Err(why) => (PartState::Invalid, format!("it cannot be used: {why}")),
            };
            let mut shown = part(NAME, state, detail);
            shown.documents.push(document.shown_as(BUCKET_POLICY));
            let value = document.policy.map_or(Read::Unknown, |policy| Read::Is(Some(policy)));
            (Part { shown, value }, Some(true))
        }
        Err(error) if is_aws && error.code == "MethodNotAllowed" => {
            let detail = "S3 shows it to nobody outside the account that owns the bucket";
            (Part { shown: part(NAME, PartState::Denied, detail), value: Read::Unknown }, Some(false))
        }
        Err(error) => {
            let without = (!is_aws).then_some(None);
            (failed(NAME, error, "s3:GetBucketPolicy", without), None)
        }
    }
}

/// Who owns objects. A bucket of AWS without the setting is an old one, in which ACLs count (S3 user guide, object
/// ownership); so they do at stores that know ACLs and not the setting.
pub(super) fn ownership(asked: &Asked<Value>, profile: &Profile) -> Part<ObjectOwnership> {
    const NAME: &str = "ownership";
    let without = if profile.has(Feature::ObjectAcl) {
        ObjectOwnership::ObjectWriter
    } else {
        ObjectOwnership::BucketOwnerEnforced
    };
    let acls = if without == ObjectOwnership::ObjectWriter { "ACLs count" } else { "there are no ACLs" };
    match asked {
        Ok(None) => Part {
            shown: part(NAME, PartState::None, format!("the bucket has no setting: {acls}")),
            value: Read::Is(without),
        },
        Ok(Some(value)) => {
            let word = value.get("object_ownership").cloned().unwrap_or_default();
            match serde_json::from_value::<ObjectOwnership>(word.clone()) {
                Ok(found) => {
                    let detail = format!("it is {}", word.as_str().unwrap_or_default());
                    Part { shown: part(NAME, PartState::Read, detail), value: Read::Is(found) }
                }
                Err(_) => Part {
                    shown: part(NAME, PartState::Failed, "the store says a word that is not known"),
                    value: Read::Unknown,
                },
            }
        }
        Err(error) => failed(NAME, error, "s3:GetBucketOwnershipControls", Some(without)),
    }
}

/// What keeps the bucket from becoming public.
pub(super) fn block(asked: &Asked<Value>) -> Part<BlockPublicAccess> {
    const NAME: &str = "public_access_block";
    let none = BlockPublicAccess::default();
    match asked {
        Ok(None) => {
            let detail = "the bucket has none; that of the account is not seen";
            Part { shown: part(NAME, PartState::None, detail), value: Read::Is(none) }
        }
        Ok(Some(value)) => match serde_json::from_value::<BlockPublicAccess>(value.clone()) {
            Ok(found) => {
                let on: Vec<&str> = value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter(|(_, on)| **on == Value::Bool(true))
                    .map(|(name, _)| name.as_str())
                    .collect();
                let detail = if on.is_empty() { "nothing is blocked".to_owned() } else { on.join(", ") };
                Part { shown: part(NAME, PartState::Read, detail), value: Read::Is(found) }
            }
            Err(_) => Part {
                shown: part(NAME, PartState::Failed, "the answer cannot be read"),
                value: Read::Unknown,
            },
        },
        Err(error) => failed(NAME, error, "s3:GetBucketPublicAccessBlock", Some(none)),
    }
}

/// The ACL of the bucket.
pub(super) fn acl(asked: &Result<AclFound, AwsError>) -> Part<BucketAcl> {
    const NAME: &str = "bucket_acl";
    match asked {
        Ok(found) => {
            let grants: Option<Vec<AclGrant>> = found.grants.iter().map(grant).collect();
            match grants {
                Some(grants) => Part {
                    shown: part(NAME, PartState::Read, format!("it has {}", counted(grants.len(), "grant"))),
                    value: Read::Is(BucketAcl { owner: found.owner.clone(), grants }),
                },
                None => Part {
                    shown: part(NAME, PartState::Failed, "it has a grant that is not known"),
                    value: Read::Unknown,
                },
            }
        }
        Err(error) => failed(NAME, error, "s3:GetBucketAcl", Some(BucketAcl::default())),
    }
}

/// `1 grant`, `2 grants`.
fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn grant(grant: &StoreGrant) -> Option<AclGrant> {
    let permission = serde_json::from_value(grant.permission.as_str().into()).ok()?;
    Some(AclGrant { grantee: grant.grantee.clone(), permission })
}

#[cfg(test)]
mod tests {
    use super::{Accounts, bucket_policy, ownership};
    use crate::app::policy_check::facts::Read;
    use crate::aws::{AwsError, ErrorKind};
    use crate::model::policy_check::PartState;
    use crate::model::provider;
    use crate::policy::request::ObjectOwnership;

    fn error(kind: ErrorKind, code: &str) -> AwsError {
        AwsError::new(kind, "s3", code, "text")
    }

    #[test]
    fn what_could_not_be_read_is_not_guessed() {
        let mut accounts = Accounts::default();
        let denied = Err(error(ErrorKind::AccessDenied, "AccessDenied"));
        let (part, same) = bucket_policy(&denied, true, &mut accounts);
        assert_eq!((part.shown.state, same), (PartState::Denied, None));
        assert!(matches!(part.value, Read::Unknown));
        assert_eq!(part.shown.action.as_deref(), Some("s3:GetBucketPolicy"));
        let (part, _) = bucket_policy(&Err(error(ErrorKind::Timeout, "ReadTimeout")), true, &mut accounts);
        assert_eq!(part.shown.state, PartState::Failed);
        let (part, _) = bucket_policy(&Ok(Some("{\"Statement\": 1".to_owned())), true, &mut accounts);
        assert_eq!(part.shown.state, PartState::Invalid);
        assert!(matches!(part.value, Read::Unknown));
    }

    #[test]
    fn who_may_read_the_policy_is_of_the_account_of_the_bucket() {
        let mut accounts = Accounts::default();
        assert_eq!(bucket_policy(&Ok(None), true, &mut accounts).1, Some(true));
        let refused = Err(error(ErrorKind::Unsupported, "MethodNotAllowed"));
        let (part, same) = bucket_policy(&refused, true, &mut accounts);
        assert_eq!((part.shown.state, same), (PartState::Denied, Some(false)));
        let (part, _) = bucket_policy(&refused, false, &mut accounts);
        assert_eq!(part.shown.state, PartState::NotSupported, "another store has no policies");
    }

    #[test]
    fn without_the_setting_acls_count_where_there_are_any() {
        let aws = provider::find("aws").unwrap();
        let found = ownership(&Ok(None), aws);
        assert!(matches!(found.value, Read::Is(ObjectOwnership::ObjectWriter)));
        let minio = provider::find("minio").unwrap();
        let found = ownership(&Err(error(ErrorKind::Unsupported, "NotImplemented")), minio);
        assert!(matches!(found.value, Read::Is(ObjectOwnership::BucketOwnerEnforced)));
        let denied = ownership(&Err(error(ErrorKind::AccessDenied, "AccessDenied")), aws);
        assert!(matches!(denied.value, Read::Unknown));
    }
}
