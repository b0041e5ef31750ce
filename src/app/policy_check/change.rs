//! The smallest change with which what is missing is allowed.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::app::policy_check::accounts::Accounts;
use crate::app::policy_check::facts::{Facts, Named, Principal, Read};
use crate::model::check::Answer;
use crate::model::operation::Operation;
use crate::model::policy_check::{MissingRight, PolicyChange, PredictedCall, Prediction};
use crate::policy::document::{Policy, Principals, Who};
use crate::policy::generate::{self, External, Wanted};
use crate::policy::print;

/// The actions that are certainly denied, each once.
pub(super) fn missing(predictions: &[Prediction]) -> Vec<MissingRight> {
    sought(predictions, |call| call.answer == Answer::No)
}

/// The actions of such calls, each once.
fn sought(predictions: &[Prediction], is_sought: impl Fn(&PredictedCall) -> bool) -> Vec<MissingRight> {
    let mut missing: Vec<MissingRight> = Vec::new();
    for prediction in predictions {
        for call in prediction.calls.iter().filter(|call| is_sought(call)) {
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
        let perhaps = sought(predictions, |call| call.only_acl);
        if missing.is_empty() && perhaps.is_empty() {
            return None;
        }
        let mut steps: Vec<String> = Vec::new();
        let calls = predictions.iter().flat_map(|prediction| &prediction.calls);
        for call in calls.filter(|call| call.answer == Answer::No && (call.explicit || call.limited)) {
            steps.extend(call.repair.clone().filter(|step| !steps.contains(step)));
        }
        // an Allow is of no use where something denies, or limits the identity
        let denies = |right: &MissingRight| {
            let mut calls = predictions.iter().flat_map(|prediction| &prediction.calls);
            calls.any(|call| {
                (call.explicit || call.limited)
                    && (&call.action, &call.resource) == (&right.action, &right.resource)
            })
        };
        let allows: Vec<&MissingRight> =
            missing.iter().chain(&perhaps).filter(|right| !denies(right)).collect();
        let actions: BTreeSet<&str> = allows.iter().map(|right| right.action.as_str()).collect();
        let wanted = self.wanted(&allows, bucket).filter(|_| !allows.is_empty());
        let generated = match wanted.map(|wanted| generate::generate(&wanted)) {
            Some(Ok(generated)) => Some(generated),
            Some(Err(error)) => {
                steps.push(format!("no statements could be written ({}): {error}", error.path));
                None
            }
            None => None,
        };
        let identity = generated.as_ref().map(|generated| &generated.identity);
        if let Some(added) = identity {
            for step in self.limits_after(added, predictions, accounts) {
                steps.extend(Some(step).filter(|step| !steps.contains(step)));
            }
        }
        if self.role_has_unknown_path() && generated.is_some() {
            steps.push(
                "write the path of the role into its ARN, if it has one: STS does not tell it".to_owned(),
            );
        }
        let of_bucket = self.bucket_statements(generated.as_ref());
        let written = |policy: Option<&Policy>| only(policy?, &actions, accounts);
        Some(PolicyChange {
            identity: written(identity.filter(|_| self.principal != Principal::Anonymous)),
            bucket: written(of_bucket.as_ref()),
            steps,
        })
    }

    /// What the boundary, or the policy of the session, still keeps out when the identity has this policy too.
    fn limits_after(&self, added: &Policy, predictions: &[Prediction], accounts: &Accounts) -> Vec<String> {
        if self.boundary.is_none() && !matches!(self.session, Read::Is(Some(_))) {
            return Vec::new();
        }
        let mut after = self.clone();
        after.identity.push(Named { name: "the change".to_owned(), policy: added.clone() });
        let denied = predictions.iter().filter(|prediction| prediction.answer == Answer::No);
        let again = denied.map(|prediction| after.predict_operation(prediction.operation, accounts));
        let calls = again.flat_map(|prediction| prediction.calls);
        calls.filter(|call| call.limited).filter_map(|call| call.repair).collect()
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
            Principal::Known { arn, role } => {
                Some(role.clone().or_else(|| role_arn(arn)).unwrap_or_else(|| arn.clone()))
            }
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

/// The role of a session, without its path, which the session does not have.
fn role_arn(session: &str) -> Option<String> {
    let (head, rest) = session.split_once(":assumed-role/")?;
    let name = rest.split('/').next()?;
    Some(format!("{}:role/{name}", head.replacen(":sts:", ":iam:", 1)))
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
