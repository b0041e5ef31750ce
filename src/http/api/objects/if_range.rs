//! `If-Range` (RFC 9110, section 13.1.5): a part of the object if it is still the same one, else the whole.
//!
//! Stores differ in whether they know it, so they are asked with the condition that says the same, and asked again
//! for the whole object when it does not hold. Without this a download that is resumed would be put together of two
//! objects.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use jiff::fmt::rfc2822;

use crate::app::{App, Error, Opened};
use crate::aws::ErrorKind;
use crate::http::extract::{Object, text_of};
use crate::model::name::Name;
use crate::model::object::{Conditions, GetOptions};
use crate::model::principal::Caller;

/// Reads an object as `Range` and `If-Range` of its request say together.
pub(super) async fn get(
    app: &Arc<App>,
    caller: &Caller,
    environment: &Name,
    object: &Object,
    (headers, asked): (&HeaderMap, GetOptions),
) -> Result<Opened, Error> {
    let read =
        |options| async move { app.get(caller, &object.resource, environment, &object.key, &options).await };
    let Some(validator) = text_of(headers, header::IF_RANGE.as_str()).filter(|_| asked.range.is_some())
    else {
        return read(asked).await;
    };
    let whole = GetOptions { range: None, ..asked.clone() };
    let Some(conditions) = guarded(&asked.conditions, validator) else { return read(whole).await };
    let is_added = conditions != asked.conditions;
    match read(GetOptions { conditions, ..asked }).await {
        Err(Error::Upstream(error)) if is_added && error.kind == ErrorKind::PreconditionFailed => {
            read(whole).await
        }
        // a date has to be the one of the object, not only a later one
        Ok(found) if !is_tag(validator) && found.value.last_modified.as_deref() != Some(validator) => {
            drop(found);
            read(whole).await
        }
        outcome => outcome,
    }
}

/// The conditions with the one that says what the validator does; none where that cannot be said, and where the
/// validator is a weak one, which no part may be sent for.
fn guarded(conditions: &Conditions, validator: &str) -> Option<Conditions> {
    let mut guarded = conditions.clone();
    let (condition, beside) = if is_tag(validator) {
        (&mut guarded.if_match, &conditions.if_unmodified_since)
    } else {
        rfc2822::parse(validator).ok()?;
        (&mut guarded.if_unmodified_since, &conditions.if_match)
    };
    // stores look at only one of the two (RFC 9110, section 13.2.2)
    if beside.is_some() {
        return None;
    }
    let own = condition.get_or_insert_with(|| validator.to_owned());
    (own == validator).then_some(guarded)
}

fn is_tag(validator: &str) -> bool {
    validator.starts_with('"')
}

#[cfg(test)]
mod tests {
    use super::guarded;
    use crate::model::object::Conditions;

    #[test]
    fn a_validator_is_a_condition_where_no_other_is_in_its_place() {
        let none = Conditions::default();
        let tag = guarded(&none, "\"a\"").unwrap();
        assert_eq!((tag.if_match.as_deref(), tag.if_unmodified_since), (Some("\"a\""), None));
        let at = "Sun, 06 Nov 1994 08:49:37 GMT";
        let date = guarded(&none, at).unwrap();
        assert_eq!((date.if_match, date.if_unmodified_since.as_deref()), (None, Some(at)));
        for useless in ["W/\"a\"", "yesterday", "", "a"] {
            assert_eq!(guarded(&none, useless), None, "{useless}");
        }
        let own = Conditions { if_match: Some("\"b\"".to_owned()), ..none };
        assert_eq!(guarded(&own, "\"b\""), Some(own.clone()));
        assert_eq!(guarded(&own, "\"a\""), None);
        assert_eq!(guarded(&own, at), None, "of both conditions only one would count");
    }
}
