//! Is the bucket there, where the definition says, and whose is it.

use std::time::Instant;

use crate::app::checks::Checks;
use crate::app::connection::Connection;
use crate::app::propose::Written;
use crate::app::sources::failed;
use crate::app::{App, region};
use crate::aws::s3::ListRequest;
use crate::aws::{AwsError, ErrorKind};
use crate::model::check::{Check, Status};

impl App {
    pub(super) async fn bucket_found(
        &self,
        written: Written<'_>,
        connection: &Connection,
        checks: &mut Checks,
    ) -> bool {
        let started = Instant::now();
        let bucket = connection.s3.bucket();
        let mut check = match connection.s3.head_bucket().await {
            Ok(facts) => {
                let text = match &facts.region {
                    Some(region) => format!("`{bucket}` is there, in region `{region}`"),
                    None => format!("`{bucket}` is there"),
                };
                let mut check = Check::new("bucket-found", Status::Passed, text);
                check.request_id = facts.request_id;
                check
            }
            // the answer to HEAD has no body; what is wrong is in the answer to a list
            Err(error) => self.bucket_missing(written, connection, error).await,
        };
        if let Some(region) = region::told(&connection.plan) {
            check.detail = format!("{}; {region}", check.detail);
        }
        check.call = Some("s3:HeadBucket".to_owned());
        checks.push(check, started)
    }

    async fn bucket_missing(&self, written: Written<'_>, connection: &Connection, head: AwsError) -> Check {
        if head.kind == ErrorKind::AccessDenied
            && let Some(check) = self.of_other_owner(connection, &head).await
        {
            return check;
        }
        let told = match refusal(connection, head).await {
            Ok(check) => return check,
            Err(told) => told,
        };
        failed("bucket-found", "s3:HeadBucket", &self.propose(written, &connection.plan, None, told).await)
    }

    /// A bucket of another account than expected is refused like one that may not be seen: without the expectation it
    /// may be.
    async fn of_other_owner(&self, connection: &Connection, error: &AwsError) -> Option<Check> {
        let expected = connection.plan.expected_owner.as_ref()?;
        let mut plan = connection.plan.clone();
        plan.expected_owner = None;
        let other = self.open(plan).ok()?;
        other.s3.head_bucket().await.ok()?;
        let mut named = error.clone();
        "BucketOwnerMismatch".clone_into(&mut named.code);
        named.message = format!("`{}` is there, and account `{expected}` does not own it", other.s3.bucket());
        Some(failed("bucket-found", "s3:HeadBucket", &named))
    }
}

/// What the refusal of `HeadBucket` comes to: a check that does not fail, or what the bucket says when it is listed.
async fn refusal(connection: &Connection, head: AwsError) -> Result<Check, AwsError> {
    let bucket = connection.s3.bucket();
    if head.kind == ErrorKind::NotFound {
        let mut named = head;
        "NoSuchBucket".clone_into(&mut named.code);
        named.message = format!("there is no bucket `{bucket}`");
        return Err(named);
    }
    // under the prefix, because a policy may allow nothing but that
    let request = ListRequest { prefix: connection.prefix.clone(), max_keys: 1, ..Default::default() };
    let Err(mut told) = connection.s3.list(request).await else {
        let text = format!("`{bucket}` is there; HeadBucket is refused, listing is not");
        return Ok(Check::new("bucket-found", Status::Passed, text));
    };
    if told.kind == ErrorKind::AccessDenied {
        // 403 is also what a bucket of others answers; without the right to list both look the same
        let text = format!(
            "`{bucket}` answers, but neither HeadBucket nor listing is allowed ({}): other rights may still be there",
            told.code
        );
        return Ok(Check::new("bucket-found", Status::Warning, text));
    }
    told.region = head.region.or(told.region);
    Err(told)
}
