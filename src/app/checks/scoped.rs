//! Does the scope of a session hold.

use std::time::Instant;

use crate::app::checks::Checks;
use crate::app::checks::objects::Listed;
use crate::app::connection::Connection;
use crate::aws::ErrorKind;
use crate::aws::s3::ListRequest;
use crate::model::check::{Check, Status};
use crate::model::resource::{Definition, NamedPolicy, SessionPolicy};

/// A scoped session must be refused what lies outside of its prefix.
pub(super) async fn prefix_enforced(
    definition: &Definition,
    connection: &Connection,
    listed: &Listed,
    checks: &mut Checks,
) {
    let started = Instant::now();
    checks.push(enforced(definition, connection, listed).await, started);
}

async fn enforced(definition: &Definition, connection: &Connection, listed: &Listed) -> Check {
    const NAME: &str = "prefix-enforced";
    const CALL: &str = "s3:ListObjectsV2 (outside the prefix)";
    let scoped = definition
        .assume_role
        .as_ref()
        .is_some_and(|role| matches!(role.session_policy, SessionPolicy::Named(NamedPolicy::Scoped)));
    if !scoped {
        return Check::new(
            NAME,
            Status::Skipped,
            "the session is not scoped: `assume_role.session_policy` is not `scoped`",
        );
    }
    if connection.prefix.is_empty() {
        return Check::new(
            NAME,
            Status::Skipped,
            "the resource has no prefix: its scope is the whole bucket",
        );
    }
    if !listed.allowed {
        let text = "lists are refused inside the prefix, too, so that a refusal outside of it proves nothing";
        return Check::new(NAME, Status::Skipped, text);
    }
    let outside = format!("s3-connector-outside-{}/", uuid::Uuid::new_v4().simple());
    let request = ListRequest { prefix: outside, max_keys: 1, ..Default::default() };
    let mut check = match connection.s3.list(request).await {
        Err(error) if error.kind == ErrorKind::AccessDenied => {
            Check::new(NAME, Status::Passed, format!("a list outside of `{}` is refused", connection.prefix))
        }
        Err(error) => Check::new(
            NAME,
            Status::Warning,
            format!(
                "a list outside of `{}` failed with {}, which says nothing of the scope",
                connection.prefix, error.code
            ),
        ),
        Ok(_) => {
            let mut check = Check::new(
                NAME,
                Status::Failed,
                format!(
                    "a list outside of `{}` is answered: the store does not apply the session policy",
                    connection.prefix
                ),
            );
            check.cause = Some("ScopeNotEnforced".to_owned());
            check.remedy = Some(
                "bind the role itself to the prefix, because this store does not bind its sessions - an administrator of the cloud account can do this"
                    .to_owned(),
            );
            check
        }
    };
    check.call = Some(CALL.to_owned());
    check
}
