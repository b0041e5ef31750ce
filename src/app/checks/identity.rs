//! Are the keys real, is the role assumed, and whose are they.

use std::time::Instant;

use crate::app::App;
use crate::app::checks::{Checks, causes};
use crate::app::connect;
use crate::app::connection::{Connection, Plan};
use crate::app::propose::Written;
use crate::app::sources::failed;
use crate::aws::ErrorKind;
use crate::model::check::{Check, Status};
use crate::model::error_catalogue;

/// Seconds of skew from which a warning is given; the store refuses at 15 minutes.
const SKEW_WARNING: i64 = 60;
const SKEW_FAILURE: i64 = 300;

impl App {
    /// Whose the credentials are, and their ARN where STS says it.
    pub(super) async fn identity_known(&self, plan: &Plan) -> (Check, Option<String>) {
        let (base, target) = match connect::identity_target(plan) {
            Ok(asked) => asked,
            Err(reason) => {
                let status = if plan.base.is_none() { Status::Skipped } else { Status::Unsupported };
                return (Check::new("identity-known", status, reason), None);
            }
        };
        let outcome = self.identities.caller_identity(base, &target).await;
        let arn = outcome.as_ref().ok().cloned();
        let mut check = match outcome {
            Ok(arn) => {
                Check::new("identity-known", Status::Passed, format!("the credentials belong to `{arn}`"))
            }
            Err(error) if error.kind == ErrorKind::BadCredentials => {
                failed("identity-known", "sts:GetCallerIdentity", &error)
            }
            Err(error) => Check::new(
                "identity-known",
                Status::Unsupported,
                format!(
                    "the endpoint does not answer GetCallerIdentity ({}): the identity is not known",
                    error.code
                ),
            ),
        };
        check.call = Some("sts:GetCallerIdentity".to_owned());
        (check, arn)
    }

    /// Asks for a bucket that nobody has: any answer but a complaint about the signature proves the key pair.
    pub(super) async fn signature(
        &self,
        written: Written<'_>,
        connection: &Connection,
        checks: &mut Checks,
    ) -> bool {
        let started = Instant::now();
        let nobodys = format!("s3-connector-probe-{}", uuid::Uuid::new_v4().simple());
        let outcome = connection.s3.list_other_bucket(&nobodys).await;
        let refused = outcome.as_ref().err().filter(|error| error.kind == ErrorKind::ClockSkew);
        if let Some(error) = refused {
            return checks.push(failed("clock-in-step", "s3:ListObjectsV2", error), started);
        }
        let date = outcome.as_ref().err().and_then(|error| error.date.clone());
        let clock = match date {
            Some(date) => self.clock_in_step(&date),
            None => Check::new("clock-in-step", Status::Skipped, "the answer had no date"),
        };
        checks.push(clock, started);
        let anonymous = connection.plan.base.is_none();
        let mut check = match outcome {
            _ if anonymous => Check::new("signature-accepted", Status::Skipped, "requests are anonymous"),
            Err(error) if matches!(error.kind, ErrorKind::BadCredentials | ErrorKind::WrongRegion) => {
                let error = self.told_apart(connection, error).await;
                let error = self.propose(written, &connection.plan, Some(&connection.s3), error).await;
                failed("signature-accepted", "s3:ListObjectsV2", &error)
            }
            Err(error)
                if matches!(
                    error.kind,
                    ErrorKind::NoSuchBucket | ErrorKind::NotFound | ErrorKind::AccessDenied
                ) =>
            {
                Check::new(
                    "signature-accepted",
                    Status::Passed,
                    format!(
                        "the store answered {} for a bucket that is not there, and did not object to the signature",
                        error.code
                    ),
                )
            }
            // an answer about something else proves nothing about the signature
            Err(error) => {
                let error = self.named(&connection.plan, error).await;
                let error = self.propose(written, &connection.plan, Some(&connection.s3), error).await;
                failed("signature-accepted", "s3:ListObjectsV2", &error)
            }
            Ok(()) => Check::new("signature-accepted", Status::Passed, "the store accepted the signature"),
        };
        check.call = Some("s3:ListObjectsV2 (a bucket that is not there)".to_owned());
        checks.push(check, started)
    }

    fn clock_in_step(&self, date: &str) -> Check {
        let Ok(theirs) = jiff::fmt::rfc2822::parse(date) else {
            return Check::new("clock-in-step", Status::Skipped, "the store sends no date");
        };
        let skew = self.clock.now_ms() / 1000 - theirs.timestamp().as_second();
        let text = format!("our clock and the store's are {} s apart", skew.abs());
        if skew.abs() >= SKEW_FAILURE {
            let mut check = Check::new("clock-in-step", Status::Failed, text);
            check.cause = Some("RequestTimeTooSkewed".to_owned());
            check.remedy = error_catalogue::find("RequestTimeTooSkewed").map(|entry| entry.remedy.to_owned());
            return check;
        }
        let status = if skew.abs() >= SKEW_WARNING { Status::Warning } else { Status::Passed };
        Check::new("clock-in-step", status, text)
    }
}

/// Assumes the role that the resource asks for, as `identity`.
pub(super) async fn role_assumed(identity: Option<&str>, connection: &Connection) -> Check {
    let (Some(slot), Some(role)) = (&connection.slot, &connection.plan.role) else {
        return Check::new("role-assumed", Status::Skipped, "no role is to be assumed");
    };
    let mut check = match slot.credentials().await {
        Ok(_) => Check::new("role-assumed", Status::Passed, format!("`{}` was assumed", role.arn)),
        Err(error) => causes::role_refused(role, identity, &error),
    };
    check.call = Some("sts:AssumeRole".to_owned());
    check
}
