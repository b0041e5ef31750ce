//! A request made ready to be compared: read once, then any number of policies without allocation.

use super::{Bucket, Request};
use crate::policy::catalogue;
use crate::policy::context::Context;
use crate::policy::principal::{Caller, CallerKind};

/// A request, read and completed.
#[derive(Debug, Clone)]
pub struct Call {
    pub(in crate::policy) caller: Caller,
    /// The action as given.
    pub(in crate::policy) action: Box<str>,
    /// The prefix of the action, in lower case.
    pub(in crate::policy) service: Box<str>,
    /// The action without its prefix, in lower case.
    pub(in crate::policy) name: Box<str>,
    /// The ARN that patterns are compared with.
    pub(in crate::policy) resource: Box<str>,
    /// The account that owns the resource.
    pub(in crate::policy) resource_account: Option<Box<str>>,
    /// The canonical id of the caller's account.
    pub(in crate::policy) canonical_id: Option<Box<str>>,
    pub(in crate::policy) context: Context,
    /// Whether resource control policies reach the service.
    pub(in crate::policy) has_resource_control: bool,
    /// Keys that were given and cannot be in such a request, in lower case.
    pub(in crate::policy) ignored_keys: Vec<IgnoredKey>,
}

/// A key of the given context that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) struct IgnoredKey {
    /// In lower case.
    pub(in crate::policy) key: Box<str>,
    pub(in crate::policy) why: &'static str,
}

/// Why a request cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    /// The field: `request.principal`.
    pub path: &'static str,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// What S3 takes for a resource when an action has none.
const ALL_BUCKETS: &str = "arn:aws:s3:::*";

/// Keys that only an identity has.
const IDENTITY_KEYS: [&str; 6] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:userid",
    "aws:username",
];

impl Call {
    /// Reads a request. Keys that follow from it are added to the context, keys that it cannot carry are dropped.
    pub fn new(request: &Request, bucket: &Bucket) -> Result<Self, RequestError> {
        let mut context = Context::new(&request.context).map_err(|key| RequestError {
            path: "request.context",
            message: format!("the key `{key}` is given twice; keys are the same in upper and lower case"),
        })?;
        let caller = Caller::parse(&request.principal, context.value("aws:principalarn"))
            .map_err(|message| RequestError { path: "request.principal", message })?;
        let (service, name) = action(&request.action)?;
        let resource_account = owner(request, &caller)?;
        let ignored_keys = drop_impossible(&mut context, &caller, &service, &name);
        complete(&mut context, &caller, resource_account.as_deref(), &service);
        let is_owner = caller.is_identity() && caller.account == resource_account;
        let known = bucket.owner_canonical_id.as_ref().filter(|_| is_owner);
        Ok(Self {
            canonical_id: known.or(request.canonical_id.as_ref()).map(|id| id.as_str().into()),
            caller,
            action: request.action.as_str().into(),
            resource: match request.resource.as_str() {
                "*" if &*service == "s3" => ALL_BUCKETS.into(),
                resource => resource_arn(resource)?.into(),
            },
            name,
            has_resource_control: catalogue::get().has_resource_control(&service),
            service,
            resource_account,
            context,
            ignored_keys,
        })
    }

    /// Whether the caller's account owns the resource.
    pub fn is_same_account(&self) -> bool {
        self.caller.is_identity() && self.caller.account == self.resource_account
    }

    /// The account of the caller; none for anonymous requests and services.
    pub fn account(&self) -> Option<&str> {
        self.caller.account.as_deref()
    }

    /// Why the request cannot have a key. None when it can.
    pub(in crate::policy) fn why_never(&self, key: &str) -> Option<&'static str> {
        let folded = key.to_lowercase();
        let ignored = self.ignored_keys.iter().find(|ignored| *ignored.key == *folded);
        let refused = || impossible(&folded, &self.caller, &self.service, &self.name);
        ignored.map(|ignored| ignored.why).or_else(refused)
    }

    /// The bucket and, for an object, its key. None for resources outside S3.
    pub(in crate::policy) fn bucket_and_key(&self) -> Option<(&str, Option<&str>)> {
        bucket_and_key(&self.resource)
    }
}

/// The bucket and, for an object, its key, in an ARN of S3.
pub(in crate::policy) fn bucket_and_key(arn: &str) -> Option<(&str, Option<&str>)> {
    let mut fields = arn.splitn(6, ':');
    let is_s3 = fields.next() == Some("arn") && fields.next().is_some() && fields.next() == Some("s3");
    let is_global = fields.next() == Some("") && fields.next() == Some("");
    let tail = fields.next().filter(|_| is_s3 && is_global)?;
    Some(match tail.split_once('/') {
        Some((bucket, key)) => (bucket, Some(key)),
        None => (tail, None),
    })
}

/// Whether a text is an account: twelve digits.
pub(in crate::policy) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn action(text: &str) -> Result<(Box<str>, Box<str>), RequestError> {
    let parts = text.split_once(':').filter(|(service, name)| !service.is_empty() && !name.is_empty());
    let (service, name) = parts.filter(|_| !text.contains(['*', '?'])).ok_or_else(|| RequestError {
        path: "request.action",
        message: format!(
            "`{text}` is no action; write one with its service and without wildcards, such as `s3:GetObject`"
        ),
    })?;
    Ok((service.to_ascii_lowercase().into(), name.to_ascii_lowercase().into()))
}

fn resource_arn(text: &str) -> Result<&str, RequestError> {
    let is_arn = text.starts_with("arn:") && text.splitn(6, ':').count() == 6;
    (is_arn || text == "*").then_some(text).ok_or_else(|| RequestError {
        path: "request.resource",
        message: format!("`{text}` is no ARN; write one such as `arn:aws:s3:::bucket/key`, or `*` for an action without a resource"),
    })
}

/// The account of the resource: as given, else as in the ARN, else that of the caller.
fn owner(request: &Request, caller: &Caller) -> Result<Option<Box<str>>, RequestError> {
    if let Some(account) = &request.resource_account {
        return is_account(account).then(|| Some(account.as_str().into())).ok_or_else(|| RequestError {
            path: "request.resource_account",
            message: format!("`{account}` is no account; write its twelve digits"),
        });
    }
    let in_arn = request.resource.split(':').nth(4).filter(|account| !account.is_empty());
    Ok(in_arn.map(Into::into).or_else(|| caller.account.clone()))
}

/// Drops the keys that AWS would not put into such a request.
fn drop_impossible(context: &mut Context, caller: &Caller, service: &str, name: &str) -> Vec<IgnoredKey> {
    let through_endpoint = ["aws:sourcevpce", "aws:sourcevpc", "aws:vpcsourceip"]
        .iter()
        .any(|key| !context.values(key).is_empty());
    let mut ignored = Vec::new();
    let keep = |key: &str| {
        if key == "aws:sourceip" && through_endpoint {
            return Err("a request through a VPC endpoint has `aws:VpcSourceIp` instead");
        }
        impossible(key, caller, service, name).map_or(Ok(()), Err)
    };
    context.retain(keep, |key, why| ignored.push(IgnoredKey { key: key.into(), why }));
    ignored
}

/// Why a request of the caller for the action cannot have the key.
fn impossible(key: &str, caller: &Caller, service: &str, name: &str) -> Option<&'static str> {
    if key == "aws:username" && caller.kind != CallerKind::User {
        return Some("only IAM users have a user name");
    }
    let is_of_identity = IDENTITY_KEYS.contains(&key) || key.starts_with("aws:principaltag/");
    if is_of_identity && !caller.is_identity() {
        return Some("only users and roles have it");
    }
    (!carries(service, name, key)).then_some("this action never carries it")
}

/// Whether a request for the action can have the key. What the catalogue does not know, it can.
fn carries(service: &str, name: &str, key: &str) -> bool {
    let is_global = key.starts_with("aws:");
    let is_of_tags =
        key.starts_with("aws:requesttag/") || key.starts_with("aws:resourcetag/") || key == "aws:tagkeys";
    if is_global && !is_of_tags {
        return true;
    }
    let known = catalogue::get().service(service).and_then(|known| Some((known, known.action(name)?)));
    known.is_none_or(|(known, action)| known.carries(action, key))
}

/// Adds what follows from the principal and the resource, unless it was given.
fn complete(context: &mut Context, caller: &Caller, resource_account: Option<&str>, service: &str) {
    let facts = [
        ("aws:principalarn", caller.principal_arn()),
        ("aws:principalaccount", caller.account.as_deref().map(str::to_owned)),
        ("aws:principaltype", caller.principal_type().map(str::to_owned)),
        ("aws:username", caller.user_name().map(str::to_owned)),
        (
            "aws:userid",
            caller.account.as_deref().filter(|_| caller.kind == CallerKind::Root).map(str::to_owned),
        ),
        ("aws:principalservicename", (caller.kind == CallerKind::Service).then(|| caller.text.to_string())),
        (
            "aws:principalisawsservice",
            (caller.kind != CallerKind::Anonymous).then(|| (caller.kind == CallerKind::Service).to_string()),
        ),
        ("aws:resourceaccount", resource_account.map(str::to_owned)),
        ("s3:resourceaccount", resource_account.filter(|_| service == "s3").map(str::to_owned)),
    ];
    for (key, value) in facts {
        if let Some(value) = value {
            context.fill_in(key, value);
        }
    }
}
