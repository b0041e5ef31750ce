//! Writes the least policies for what somebody wants to do with a bucket.
//!
//! Every action stands on the bucket or on the objects, whichever S3 asks for; nothing is there that no wanted operation
//! needs. What is asked for comes from one table, [`operations`].

mod build;
pub mod operations;
mod wanted;

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::document::Policy;
use super::print;
use super::request::{self, Request};
use operations::{Need, On, When};
pub use wanted::{Aspect, External, Wanted, WantedError, WantedOperation};

#[cfg(test)]
mod tests;

/// The policies for one wish. In JSON each is a document to be attached as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PolicyGenerated)]
pub struct Generated {
    /// For the user or role that makes the requests.
    #[serde(serialize_with = "document")]
    #[schema(value_type = Object)]
    pub identity: Policy,
    /// For the bucket, when the one who asks is of another account or every request has to use TLS.
    #[serde(serialize_with = "optional_document", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub bucket: Option<Policy>,
    /// For the role, when there is somebody outside to assume it.
    #[serde(serialize_with = "optional_document", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub trust: Option<Policy>,
    /// What has to be done besides.
    pub notes: Vec<String>,
}

/// An action that the wish needs, and on what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Right {
    pub(super) target: Target,
    pub(super) action: &'static str,
}

/// What a right is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// The bucket, for requests that name a prefix.
    Prefix,
    Bucket,
    Object,
    Key,
}

/// The policies for a wish.
pub fn generate(wanted: &Wanted) -> Result<Generated, WantedError> {
    wanted.check()?;
    let rights = rights(wanted);
    if rights.is_empty() {
        return Err(WantedError {
            path: "operations",
            message: "`sign` needs no right of its own; name the operations that are signed too".to_owned(),
        });
    }
    Ok(Generated {
        identity: build::identity(wanted, &rights),
        bucket: build::bucket(wanted, &rights),
        trust: build::trust(wanted),
        notes: build::notes(wanted, &rights),
    })
}

/// The requests that a generated identity policy has to allow, one for each action, made by `principal`: to test it, or
/// a policy that is there already, against the wish.
pub fn requests(wanted: &Wanted, principal: &str) -> Result<Vec<Request>, WantedError> {
    wanted.check()?;
    Ok(rights(wanted).iter().map(|right| wanted.request(right, principal)).collect())
}

/// The actions that an operation of S3 asks for, in words. None when the name is not that of an operation, or is the
/// same as that of its action.
pub(super) fn actions_of(action: &str) -> Option<String> {
    let name = action.strip_prefix("s3:").unwrap_or(action);
    let operation = operations::find(name)?;
    let actions: Vec<String> = operation.required().map(|need| format!("`{}`", need.action)).collect();
    let is_action = operation.required().any(|need| need.action.eq_ignore_ascii_case(action));
    (!is_action).then(|| actions.join(" and "))
}

/// Everything the wish needs, without repeats, in a stable order.
fn rights(wanted: &Wanted) -> Vec<Right> {
    let needs =
        wanted.operations().into_iter().filter_map(operations::find).flat_map(|operation| operation.needs);
    let rights: BTreeSet<Right> =
        needs.filter(|need| wanted.has(need.when)).filter_map(|need| right(wanted, need)).collect();
    rights.into_iter().collect()
}

fn right(wanted: &Wanted, need: &Need) -> Option<Right> {
    let names_prefix = matches!(need.action, "s3:ListBucket" | "s3:ListBucketVersions");
    let target = match need.on {
        On::Bucket if names_prefix && !wanted.prefix.is_empty() => Target::Prefix,
        On::Bucket => Target::Bucket,
        On::Object | On::Source => Target::Object,
        On::Key => Target::Key,
        On::Any | On::Role => return None,
    };
    Some(Right { target, action: need.action })
}

impl Wanted {
    /// Whether its requests are such that `when` holds.
    fn has(&self, when: When) -> bool {
        match when {
            When::Always => true,
            When::Version => self.has_versions(),
            When::Tags => self.tags,
            When::VersionTags => self.tags && self.has_versions(),
            When::Acl => self.acl,
            When::Kms => self.kms_key.is_some(),
            When::Retention
            | When::LegalHold
            | When::Bypass
            | When::IfMatch
            | When::ObjectLock
            | When::Ownership => false,
        }
    }

    fn request(&self, right: &Right, principal: &str) -> Request {
        let mut context = std::collections::BTreeMap::new();
        if self.tls_only {
            context.insert("aws:SecureTransport".to_owned(), vec!["true".to_owned()]);
        }
        if right.target == Target::Prefix {
            context.insert("s3:prefix".to_owned(), vec![self.prefix.clone()]);
        }
        if right.target == Target::Key
            && let Some(service) = self.via_service()
        {
            context.insert("kms:ViaService".to_owned(), vec![service]);
        }
        let arn = self.bucket_arn();
        Request {
            principal: principal.to_owned(),
            action: right.action.to_owned(),
            resource: match right.target {
                Target::Prefix | Target::Bucket => arn,
                Target::Object => format!("{arn}/{}key", self.prefix),
                Target::Key => self.kms_key.clone().unwrap_or_default(),
            },
            resource_account: self.bucket_account.clone(),
            context,
            canonical_id: None,
        }
    }
}

fn document<S: Serializer>(policy: &Policy, serializer: S) -> Result<S::Ok, S::Error> {
    let text = print::print(policy).trim_end().to_owned();
    RawValue::from_string(text).map_err(serde::ser::Error::custom)?.serialize(serializer)
}

#[expect(clippy::ref_option, reason = "serde hands over the field")]
fn optional_document<S: Serializer>(policy: &Option<Policy>, serializer: S) -> Result<S::Ok, S::Error> {
    match policy {
        Some(policy) => document(policy, serializer),
        None => serializer.serialize_none(),
    }
}

/// Text in which no character is a wildcard or begins a variable.
fn literal(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '*' => escaped.push_str("${*}"),
            '?' => escaped.push_str("${?}"),
            '$' => escaped.push_str("${$}"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Whether a text is the ARN of a KMS key.
fn is_key_arn(text: &str) -> bool {
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    matches!(fields.as_slice(), ["arn", partition, "kms", region, account, key]
        if partition.starts_with("aws") && !region.is_empty() && request::is_account(account)
            && key.strip_prefix("key/").is_some_and(|id| !id.is_empty()) && !text.contains(['*', '?', '$']))
}
