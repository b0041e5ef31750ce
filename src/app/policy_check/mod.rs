//! What the live policies of a bucket make of a resource: predictions for what it allows, beside what a test tried.
//!
//! The bucket says what decides (policy, ownership, public access block, ACL), STS who asks, IAM what the identity's own
//! policies are; callers may give what none of them tells. The engine decides every call twice, once with everything that
//! is not known taken in favour of the request and once against it: only what both agree on is predicted.
//!
//! What it must not do: guess, and change anything.

mod accounts;
mod agree;
mod calls;
mod change;
mod documents;
mod facts;
mod gather;
mod identity;
mod judge;
mod keys;
mod live;
mod parts;
mod predict;
mod question;
mod tested;
mod unused;

use std::sync::Arc;

use crate::app::policy_check::accounts::Accounts;
use crate::app::policy_check::facts::Requests;
use crate::app::policy_check::gather::{Given, May};
use crate::app::policy_check::judge::Judged;
use crate::app::{App, Error, Resource, audit};
use crate::model::check::Report;
use crate::model::name::Name;
use crate::model::operation::Operation;
use crate::model::policy_check::{PolicyCheck, PolicyCheckWanted};
use crate::model::principal::{Caller, Role};

pub(super) use identity::session_arn;
pub(super) use tested::{Predicted, Read as PolicyRead, Tested};

impl App {
    /// Checks what the policies that apply to a resource come to. Nothing is changed; with `test` the operations are
    /// tried as a test does, which keeps its result.
    pub async fn check_policy(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        wanted: PolicyCheckWanted,
    ) -> Result<PolicyCheck, Error> {
        let resource = self.known_resource(caller, name)?;
        let record = &resource.record;
        self.check_environment(&caller.project.id, &record.definition, environment)?;
        // what cannot be used is refused before anything is sent
        Given::read(&wanted, &mut Accounts::default())?;
        let report = self.report_of(caller, &resource, environment, wanted.test).await?;
        let definition = record.definition.in_environment(environment);
        let operations = definition.operations.clone().unwrap_or_else(|| Operation::ALL.to_vec());
        let may_read = operations.contains(&Operation::GetBucket) || caller.role >= Role::Editor;
        let may = May { read: may_read, see: caller.role >= Role::Editor };
        let permit = self.admit(caller).await?;
        let gathered = self.gather(&resource, environment, &wanted, may).await;
        drop(permit);
        let mut event =
            audit::event(caller, "resource.policy_check", resource.name().as_str(), self.clock.now_ms());
        let gathered = match gathered {
            Ok(gathered) => gathered,
            Err(error) => {
                error.code().clone_into(&mut event.outcome);
                self.audit.note(event).await;
                return Err(error);
            }
        };
        self.audit.note(event).await;
        let (resource, environment) = (resource.name().clone(), environment.clone());
        let work = move || {
            let judged = Judged { gathered, operations, report };
            judged.into_check(resource, environment)
        };
        self.beside(caller, work).await
    }

    /// The test to compare with: one that is made now, or the last that was kept.
    async fn report_of(
        self: &Arc<Self>,
        caller: &Caller,
        resource: &Arc<Resource>,
        environment: &Name,
        now: bool,
    ) -> Result<Option<Report>, Error> {
        if now {
            let options = crate::app::TestOptions::default();
            let name = resource.name().as_str();
            return self.test_resource(caller, name, environment, options).await.map(Some);
        }
        let kept = self.store.tests(&resource.record.id, 100).await?;
        let last = kept.into_iter().find(|row| row.environment == environment.as_str());
        Ok(last.map(|row| row.report))
    }
}

/// Why nothing of a bucket can be read.
fn closed(requests: &Requests, may_read: bool) -> Option<&'static str> {
    if requests.through_access_point() {
        return Some(
            "the resource names an access point, and the policy of the bucket behind it cannot be read through it",
        );
    }
    (!may_read).then_some("the resource does not allow `get_bucket`, and the token has a role below editor")
}

#[cfg(test)]
mod tests;
