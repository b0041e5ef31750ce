//! Who asks, and whom a policy means.

mod caller;
mod element;

pub(super) use caller::{Caller, CallerKind};
pub(super) use element::{Grant, Principals};

use super::request::is_account;

/// The service, the account and the last field of the ARN of an identity.
fn split_arn(text: &str) -> Option<(&str, &str, &str)> {
    let mut fields = text.splitn(6, ':');
    let (arn, partition, service) = (fields.next()?, fields.next()?, fields.next()?);
    let (region, account, last) = (fields.next()?, fields.next()?, fields.next()?);
    let is_identity = arn == "arn" && partition.starts_with("aws") && region.is_empty();
    (is_identity && is_account(account)).then_some((service, account, last))
}

/// What comes after the last slash: the name without the path.
fn last_part(text: &str) -> &str {
    text.rsplit_once('/').map_or(text, |(_, last)| last)
}
