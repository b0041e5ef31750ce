//! Who asks, and whom a policy means.

mod caller;
mod element;

pub(super) use caller::{Caller, CallerKind};
pub(super) use element::{Grant, Principals};

/// The account of the ARN of a user, role, session or root, in twelve digits.
fn account(text: &str) -> Option<&str> {
    (text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

/// The service, the account and the last field of the ARN of an identity.
fn split_arn(text: &str) -> Option<(&str, &str, &str)> {
    let mut fields = text.splitn(6, ':');
    let (arn, partition, service) = (fields.next()?, fields.next()?, fields.next()?);
    let (region, account, last) = (fields.next()?, fields.next()?, fields.next()?);
    let is_identity = arn == "arn" && partition.starts_with("aws") && region.is_empty();
    (is_identity && self::account(account).is_some()).then_some((service, account, last))
}

/// What comes after the last slash: the name without the path.
fn last_part(text: &str) -> &str {
    text.rsplit_once('/').map_or(text, |(_, last)| last)
}
