//! Predictions for a test of a resource, from the reads that it makes anyway: the bucket policy, and who asks.

use crate::app::connection::Plan;
use crate::app::policy_check::accounts::Accounts;
use crate::app::policy_check::agree::Compared;
use crate::app::policy_check::documents::Document;
use crate::app::policy_check::facts::{Facts, Principal, Read as Known, Requests};
use crate::app::policy_check::predict::SESSION_POLICY;
use crate::app::policy_check::{identity, parts};
use crate::aws::AwsError;
use crate::model::check::{Answer, Check};
use crate::model::operation::Operation;
use crate::model::policy_check::PartState;

/// What the read of a bucket policy came to: a text, or that there is none.
pub(in crate::app) type Read = Result<Option<String>, AwsError>;

/// What is predicted of a test.
#[derive(Debug, Clone, Default)]
pub(in crate::app) struct Predicted {
    /// Checks beside their predictions.
    pub(in crate::app) compared: Vec<Compared>,
    /// Operations with their predictions, and the action that is missing.
    operations: Vec<(Operation, Answer, Option<String>)>,
    /// Whether there is a bucket policy at all.
    pub(in crate::app) has_policy: bool,
    /// Why nothing can be predicted.
    pub(in crate::app) refused: Option<String>,
    /// Whose the key is could not be found out.
    pub(in crate::app) nobody: bool,
}

/// What a test knows when its reads are done.
pub(in crate::app) struct Tested {
    pub(in crate::app) plan: Plan,
    /// The ARN that STS said.
    pub(in crate::app) identity: Option<String>,
    pub(in crate::app) policy: Read,
    pub(in crate::app) checks: Vec<Check>,
    /// The object that was read, by its full key.
    pub(in crate::app) first: Option<String>,
    pub(in crate::app) operations: Vec<Operation>,
    pub(in crate::app) now_ms: i64,
}

impl Tested {
    /// Only computes; a large policy takes tens of milliseconds.
    pub(in crate::app) fn predict(self) -> Predicted {
        let mut accounts = Accounts::of(self.plan.profile);
        let asking = identity::as_told(&self.plan, self.identity.as_deref(), &mut accounts);
        let requests = Requests::of(&self.plan, self.now_ms);
        if requests.through_access_point() {
            let why = "the resource names an access point: the policy of the bucket behind it is not read";
            return Predicted::refused(why);
        }
        let mut facts = Facts::of_nothing(asking.principal, requests, self.plan.profile);
        let (policy, same) = parts::bucket_policy(&self.policy, facts.is_aws, &mut accounts);
        if policy.value.known().is_none() && policy.shown.state != PartState::NotSupported {
            return Predicted::refused(&policy.shown.detail);
        }
        let has_policy = policy.value.known().is_some_and(Option::is_some);
        facts.bucket_policy = policy.value;
        facts.same_account(same);
        facts.session = if identity::has_foreign_session(&facts.principal, &self.plan, true) {
            Known::Unknown
        } else {
            session(&self.plan, &mut accounts)
        };
        let rows = self.operations.iter().map(|operation| {
            let row = facts.predict_operation(*operation, &accounts);
            let denied = row.calls.iter().find(|call| call.answer == Answer::No);
            (*operation, row.answer, denied.map(|call| call.action.clone()))
        });
        Predicted {
            operations: rows.collect(),
            compared: facts.compare(&self.checks, self.first.as_deref(), &accounts),
            has_policy,
            refused: None,
            nobody: facts.principal == Principal::Unknown,
        }
    }
}

/// What this service sends when it assumes the role.
fn session(plan: &Plan, accounts: &mut Accounts) -> Known<Option<crate::policy::document::Policy>> {
    let Some(text) = plan.role.as_ref().and_then(|role| role.policy.as_deref()) else {
        return Known::Is(None);
    };
    let named = Document::read(text, accounts).named(SESSION_POLICY);
    named.map_or(Known::Unknown, |named| Known::Is(Some(named.policy)))
}

impl Predicted {
    fn refused(why: &str) -> Predicted {
        Predicted { refused: Some(why.to_owned()), ..Predicted::default() }
    }

    /// What is predicted of an operation, and the action that is missing.
    pub(in crate::app) fn of(&self, operation: Operation) -> (Answer, Option<&str>) {
        let found = self.operations.iter().find(|(known, ..)| *known == operation);
        found.map_or((Answer::Unknown, None), |(_, answer, missing)| (*answer, missing.as_deref()))
    }

    /// Whether all of these checks that were tried came out as predicted, and at least one as `answer` says.
    pub(in crate::app) fn confirms(&self, checks: &[&str], answer: Answer) -> bool {
        let tried = || self.compared.iter().filter(|compared| checks.contains(&compared.check.as_str()));
        tried().any(|compared| compared.tried == answer)
            && tried().all(|compared| compared.predicted == compared.tried)
    }
}
