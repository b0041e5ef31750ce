//! Causes that one answer does not tell apart: a second look, or the definition itself, does.

use serde_json::json;

use crate::app::App;
use crate::app::checks::fixes;
use crate::app::connection::Connection;
use crate::app::sources::failed;
use crate::aws::credentials::Role;
use crate::aws::{AwsError, ErrorKind, probe};
use crate::model::check::{Check, Fix};
use crate::model::object::ObjectKey;
use crate::model::signed::SignOptions;

/// Seconds that the probe's URL holds.
const PROBE_EXPIRES: u64 = 60;
/// Seconds that every role allows: the least maximum of a role, and the most of a chained session (IAM user guide,
/// maximum session duration, role chaining).
const ALWAYS_ALLOWED: u32 = 3_600;

impl App {
    /// A signature is refused when the key is wrong, and when something on the way changes a signed header. A request
    /// that signs no header but the host's is refused only in the first case.
    pub(super) async fn told_apart(&self, connection: &Connection, mut error: AwsError) -> AwsError {
        if error.code != "SignatureDoesNotMatch" {
            return error;
        }
        let Some(accepted) = self.accepts_query_signature(connection).await else { return error };
        if accepted {
            "HeadersAltered".clone_into(&mut error.code);
            "the store refuses a signature over the headers and accepts one that covers only the host"
                .clone_into(&mut error.message);
        }
        error
    }

    /// None when it cannot be found out.
    async fn accepts_query_signature(&self, connection: &Connection) -> Option<bool> {
        let mut plan = connection.plan.clone();
        // what is probed is the way that queries take
        plan.public_endpoint = None;
        let client = self.http.direct(plan.way()).ok()?;
        let s3 = self.open(plan).ok()?.s3;
        let key = ObjectKey::under(&connection.prefix, ".s3-connector-probe").ok()?;
        let signed = s3.sign(&key, &SignOptions::default(), PROBE_EXPIRES).await.ok()?;
        match probe::fetch(&client, &signed.url).await {
            Ok(()) => Some(true),
            Err(error) => match error.kind {
                ErrorKind::BadCredentials => Some(false),
                ErrorKind::NoSuchBucket | ErrorKind::NotFound | ErrorKind::AccessDenied => Some(true),
                _ => None,
            },
        }
    }
}

/// Why a role could not be assumed by `identity`, with what mends it.
pub(super) fn role_refused(role: &Role, identity: Option<&str>, error: &AwsError) -> Check {
    let mut check = failed("role-assumed", "sts:AssumeRole", error);
    let about_duration = error.code == "ValidationError" && error.message.contains("DurationSeconds");
    if about_duration {
        check.fix = Some(Fix::Patch(json!({"assume_role": {"duration": ALWAYS_ALLOWED}})));
        check.remedy = Some(format!(
            "ask for {ALWAYS_ALLOWED} seconds, which every role allows, or raise the role's maximum session duration"
        ));
    } else if error.kind == ErrorKind::AccessDenied {
        not_assumable(&mut check, role, identity, &error.message);
    }
    check
}

/// AWS names the missing right where the identity lacks it; else the role's trust policy is at fault.
fn not_assumable(check: &mut Check, role: &Role, identity: Option<&str>, message: &str) {
    if message.contains("no identity-based policy allows") {
        check.cause = Some("AssumeRoleNotAllowed".to_owned());
        let statement = json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role.arn});
        check.fix = Some(Fix::Statement(statement));
        check.remedy =
            Some(format!("allow `sts:AssumeRole` on `{}` for the identity that assumes it", role.arn));
        return;
    }
    // a trust policy mends none of these
    if ["explicit deny", "permissions boundary", "session policy", "service control policy"]
        .iter()
        .any(|words| message.contains(words))
    {
        return;
    }
    // what STS says is asked of it over a signed call; the words of a refusal are the endpoint's
    let Some(identity) = identity.map(str::to_owned).or_else(|| identity_of(message)) else { return };
    let identity = role_of_session(&identity).unwrap_or(identity);
    check.fix = Some(Fix::TrustPolicy(fixes::trust_policy(&identity, role)));
    let about_id = if role.external_id.is_some() {
        "which asks for the external id of the resource"
    } else {
        "or, where it asks for an external id, set that in `assume_role.external_id`"
    };
    check.remedy = Some(format!(
        "give the role the trust policy of the fix, {about_id} - an administrator of the cloud account can do this"
    ));
}

/// `User: ARN is not authorized to perform: sts:AssumeRole`, as AWS says it.
fn identity_of(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("User: ")?;
    let (arn, _) = rest.split_once(" is not authorized")?;
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    let is_identity = matches!(fields.as_slice(), ["arn", _, "iam" | "sts", "", _, name] if !name.is_empty());
    (is_identity && !arn.contains(['*', '?', '$'])).then(|| arn.to_owned())
}

/// The role of `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`: the next session has another name. A path of the role,
/// which its sessions do not tell, is missing.
fn role_of_session(arn: &str) -> Option<String> {
    let (before, session) = arn.split_once(":assumed-role/")?;
    let (role, _) = session.split_once('/')?;
    let account = before.replacen(":sts:", ":iam:", 1);
    Some(format!("{account}:role/{role}"))
}

#[cfg(test)]
mod tests {
    use super::{identity_of, role_of_session};

    #[test]
    fn the_identity_is_read_from_the_refusal() {
        let text = "User: arn:aws:iam::111122223333:user/app is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::444455556666:role/data";
        assert_eq!(identity_of(text).as_deref(), Some("arn:aws:iam::111122223333:user/app"));
        assert_eq!(identity_of("AccessDenied"), None);
        assert_eq!(identity_of("User: arn:aws:iam::*:user/x is not authorized"), None);
        let session = "arn:aws:sts::111122223333:assumed-role/app/s3c-default";
        assert_eq!(role_of_session(session).as_deref(), Some("arn:aws:iam::111122223333:role/app"));
        assert_eq!(role_of_session("arn:aws:iam::111122223333:user/app"), None);
    }
}
