//! The smallest change with which what is missing is allowed.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::app::policy_check::accounts::Accounts;
use crate::app::policy_check::facts::{Facts, Principal};
use crate::model::check::Answer;
use crate::model::operation::Operation;
use crate::model::policy_check::{MissingRight, PolicyChange, Prediction};
use crate::policy::document::{Policy, Principals, Who};
use crate::policy::generate::{self, External, Wanted};
use crate::policy::print;

/// The actions that are certainly denied, each once.
pub(super) fn missing(predictions: &[Prediction]) -> Vec<MissingRight> {
    let mut missing: Vec<MissingRight> = Vec::new();
    for prediction in predictions {
        for call in prediction.calls.iter().filter(|call| call.answer == Answer::No) {
            let same =
                |right: &&mut MissingRight| right.action == call.action && right.resource == call.resource;
            match missing.iter_mut().find(same) {
                Some(right) if right.operations.contains(&prediction.operation) => {}
                Some(right) => right.operations.push(prediction.operation),
                None => missing.push(MissingRight {
                    action: call.action.clone(),
                    resource: call.resource.clone(),
                    operations: vec![prediction.operation],
                    denied_by: call.statement.clone().filter(|_| call.explicit),
                }),
            }
        }
    }
    missing
}

impl Facts {
    /// What to add, and what to take away.
    pub(super) fn change(
        &self,
        missing: &[MissingRight],
        predictions: &[Prediction],
        bucket: &str,
        accounts: &Accounts,
    ) -> Option<PolicyChange> {
        if missing.is_empty() {
            return None;
        }
        let mut steps: Vec<String> = Vec::new();
        let calls = predictions.iter().flat_map(|prediction| &prediction.calls);
        for call in calls.filter(|call| call.answer == Answer::No && call.explicit) {
            steps.extend(call.repair.clone().filter(|step| !steps.contains(step)));
        }
        // an Allow is of no use where something denies
        let denies = |right: &MissingRight| {
            let mut calls = predictions.iter().flat_map(|prediction| &prediction.calls);
            calls.any(|call| {
                call.explicit && (&call.action, &call.resource) == (&right.action, &right.resource)
            })
        };
        let allows: Vec<&MissingRight> = missing.iter().filter(|right| !denies(right)).collect();
        let wanted = self.wanted(&allows, bucket);
        let actions: BTreeSet<&str> = allows.iter().map(|right| right.action.as_str()).collect();
        let generated = wanted.and_then(|wanted| generate::generate(&wanted).ok());
        let identity = generated.as_ref().map(|generated| &generated.identity);
        let of_bucket = self.bucket_statements(generated.as_ref());
        let written = |policy: Option<&Policy>| only(policy?, &actions, accounts);
        Some(PolicyChange {
            identity: written(identity.filter(|_| self.principal != Principal::Anonymous)),
            bucket: written(of_bucket.as_ref()),
            steps,
        })
    }

    fn wanted(&self, allows: &[&MissingRight], bucket: &str) -> Option<Wanted> {
        let operations: BTreeSet<Operation> =
            allows.iter().flat_map(|right| right.operations.iter().copied()).collect();
        let words = operations.iter().map(|operation| serde_json::from_value(operation.as_str().into()));
        let partition = self.requests.bucket.split(':').nth(1).filter(|partition| *partition != "aws");
        Some(Wanted {
            bucket: bucket.to_owned(),
            prefix: self.requests.prefix.clone(),
            operations: words.collect::<Result<_, _>>().ok()?,
            acl: self.requests.acl.is_some(),
            external: self.grantee().map(|principal| External { principal, external_id: None }),
            partition: partition.map(str::to_owned),
            ..Wanted::default()
        })
    }

    /// Whom a bucket policy has to name: the role of a session, since the next session has another name.
    fn grantee(&self) -> Option<String> {
        match &self.principal {
            Principal::Known { arn, role } => Some(role.clone().unwrap_or_else(|| arn.clone())),
            Principal::Anonymous | Principal::Unknown => None,
        }
    }

    /// The statements of the bucket policy; those for everybody have to be made of the identity's.
    fn bucket_statements(&self, generated: Option<&generate::Generated>) -> Option<Policy> {
        let generated = generated?;
        if self.principal != Principal::Anonymous {
            return generated.bucket.clone();
        }
        let mut policy = generated.identity.clone();
        for statement in &mut policy.statements {
            statement.principal = Some(Principals { not: false, at: statement.at, who: Who::Everyone });
        }
        Some(policy)
    }
}

/// The policy with these actions alone; none when nothing is left.
fn only(policy: &Policy, actions: &BTreeSet<&str>, accounts: &Accounts) -> Option<Box<RawValue>> {
    let mut policy = policy.clone();
    for statement in &mut policy.statements {
        statement.action.values.retain(|action| actions.contains(action.value.as_str()));
    }
    policy.statements.retain(|statement| !statement.action.values.is_empty());
    if policy.statements.is_empty() {
        return None;
    }
    let text = accounts.give_back(print::print(&policy).trim_end());
    RawValue::from_string(text).ok()
}
